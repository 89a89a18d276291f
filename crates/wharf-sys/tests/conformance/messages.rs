//! Message queues: what is posted, sent and timed, in what order it comes, and how the loop ends.

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::window::*;

/// An identifier of this suite's own messages.
const NOTE: u32 = WM_APP + 1;

/// Windows' limit of posted messages in a queue.
const POSTED_MAX: usize = 10_000;

fn note(number: usize) -> (u32, usize, isize) {
    (NOTE, number, -(number as isize))
}

fn post_note(window: HWND, number: usize) {
    assert_eq!(
        post_message(window, NOTE, number, -(number as isize)),
        TRUE,
        "PostMessage: last error {}",
        last_error()
    );
}

// ---------------------------------------------------------------------------------------------------------
// Posted messages
// ---------------------------------------------------------------------------------------------------------

/// Posted messages come first in first out, as they were posted, whichever window they are for.
/// Source: PostMessageW; About Messages and Message Queues, "Message Queues".
#[test]
fn posted_messages_come_in_order() {
    let _watch = watch();
    let class = Class::new("order");
    let windows = [class.window(), class.window()];
    let before = tick_count();
    for number in 0..100 {
        post_note(windows[number % 2].raw(), number);
    }
    for number in 0..100 {
        let (result, message) = get_message(null_mut(), 0, 0);
        assert_eq!(result, TRUE);
        assert_eq!(message.hwnd, windows[number % 2].raw());
        assert_eq!(said(message), note(number));
        assert!(message.time.wrapping_sub(before) <= DEADLINE_MS);
    }
    assert_eq!(peek(), None);
}

/// Both character sets post to and take from one queue.
/// Source: PostMessageA, GetMessageA, PeekMessageA, DispatchMessageA.
#[test]
fn both_character_sets_use_one_queue() {
    let _watch = watch();
    let class = Class::new("both");
    let window = class.window();
    let mut message = MSG::default();
    // SAFETY: `message` lives through the calls; the procedure is this suite's own.
    unsafe {
        assert_eq!(PostMessageA(window.raw(), NOTE, 1, -1), TRUE);
        assert_eq!(
            PeekMessageA(&mut message, null_mut(), 0, 0, PM_NOREMOVE),
            TRUE
        );
        assert_eq!(said(message), note(1));
        assert_eq!(GetMessageA(&mut message, window.raw(), 0, 0), TRUE);
        assert_eq!(TranslateMessage(&message), FALSE);
        class.answer(NOTE, 7);
        assert_eq!(DispatchMessageA(&message), 7);
        assert_eq!(DispatchMessageW(&message), 7);
        assert_eq!(SendMessageA(window.raw(), NOTE, 1, -1), 7);
        let id = current_thread_id();
        assert_eq!(PostThreadMessageA(id, NOTE, 2, -2), TRUE);
    }
    assert_eq!(peek(), Some(note(2)));
}

/// Messages may be posted by any thread, and end the wait of the window's thread.
/// Source: PostMessageW; GetMessageW, "the function waits for a message".
#[test]
fn posting_ends_the_wait_for_a_message() {
    let _watch = watch();
    let (looper, window) = Looper::start("ends-wait");
    for number in 0..20 {
        looper.until_waits();
        post_note(window, number);
        assert_eq!(looper.next(), note(number));
    }
}

/// A message posted to no window is the calling thread's own.
/// Source: PostMessageW, hWnd NULL.
#[test]
fn message_to_no_window_is_the_threads_own() {
    let _watch = watch();
    let class = Class::new("own");
    let window = class.window();
    post_note(null_mut(), 1);
    post_note(window.raw(), 2);
    let (result, message) = get_message(null_mut(), 0, 0);
    assert_eq!((result, message.hwnd), (TRUE, null_mut()));
    assert_eq!(said(message), note(1));
    assert_eq!(dispatch(&message), 0, "there is no procedure");
    assert_eq!(peek(), Some(note(2)));
}

/// A message to another thread needs that thread to have a queue, which its first message call makes.
/// Source: PostThreadMessageW, remarks and ERROR_INVALID_THREAD_ID.
#[test]
fn thread_has_a_queue_from_its_first_message_call_on() {
    let _watch = watch();
    let (go, look) = (Event::auto(), Event::auto());
    let worker = spawn({
        let (go, look) = (go.clone(), look.clone());
        move || {
            assert!(go.wait(DEADLINE_MS));
            assert_eq!(peek(), None);
            look.set();
            let (result, message) = get_message(null_mut(), 0, 0);
            assert_eq!((result, message.hwnd), (TRUE, null_mut()));
            said(message)
        }
    });
    let id = worker.id();
    fails_with(FALSE, ERROR_INVALID_THREAD_ID, || {
        post_thread_message(id, NOTE, 1, -1)
    });
    go.set();
    assert!(look.wait(DEADLINE_MS));
    assert_eq!(
        leaves_last_error(|| post_thread_message(id, NOTE, 2, -2)),
        TRUE
    );
    assert_eq!(worker.join(), note(2));
}

/// There is no posting to a thread that has ended, nor to what never was one.
/// Source: PostThreadMessageW, ERROR_INVALID_THREAD_ID.
#[test]
fn thread_that_ended_takes_no_message() {
    let _watch = watch();
    let (thread, id) = create_thread(0, || {
        assert_eq!(peek(), None);
        0
    });
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    let refuses = |id| {
        fails_with(FALSE, ERROR_INVALID_THREAD_ID, || {
            post_thread_message(id, NOTE, 1, -1)
        });
    };
    differs_under_wine("other codes; posts to a thread that has ended", move || {
        [0x7fff_fff0, 0, id].into_iter().for_each(refuses);
        drop(thread);
    });
}

/// Posting and sending need a window.
/// Source: PostMessageW, SendMessageW, ERROR_INVALID_WINDOW_HANDLE.
#[test]
fn posting_and_sending_need_a_window() {
    let _watch = watch();
    let class = Class::new("needs-window");
    let stale = class.window().destroy();
    for window in [stale, GARBAGE_WINDOW, Event::auto().raw()] {
        fails_with(FALSE, ERROR_INVALID_WINDOW_HANDLE, || {
            post_message(window, NOTE, 0, 0)
        });
        fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
            send_message(window, NOTE, 0, 0)
        });
    }
    fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
        send_message(null_mut(), NOTE, 0, 0)
    });
}

/// A queue holds 10,000 posted messages; the next is refused, and taking one makes room.
/// Source: PostMessageW, remarks and ERROR_NOT_ENOUGH_QUOTA.
#[test]
fn queue_is_full_after_10000_messages() {
    let _watch = watch();
    differs_under_wine("a queue has no limit", || {
        let class = Class::new("full");
        let window = class.window();
        let thread_id = current_thread_id();
        (0..POSTED_MAX).for_each(|number| post_note(window.raw(), number));
        fails_with(FALSE, ERROR_NOT_ENOUGH_QUOTA, || {
            post_message(window.raw(), NOTE, 0, 0)
        });
        fails_with(FALSE, ERROR_NOT_ENOUGH_QUOTA, || {
            post_thread_message(thread_id, NOTE, 0, 0)
        });
        assert_eq!(get_message(null_mut(), 0, 0).0, TRUE);
        post_note(window.raw(), POSTED_MAX);
        for number in 1..=POSTED_MAX {
            assert_eq!(peek(), Some(note(number)));
        }
    });
}

/// A message to HWND_BROADCAST is posted, or sent, to top-level windows, and never to message-only ones.
/// Source: PostMessageW, hWnd HWND_BROADCAST; Window Features, "Message-Only Windows".
#[test]
fn broadcast_reaches_top_level_windows_only() {
    let _watch = watch();
    linux_only("it would reach every program on the desktop", || {
        in_own_process(|| {
            let class = Class::new("broadcast");
            let (top, hidden) = (class.top_level_window(), class.window());
            post_note(HWND_BROADCAST, 3);
            let (_, message) = get_message(null_mut(), 0, 0);
            assert_eq!((message.hwnd, said(message)), (top.raw(), note(3)));
            assert_eq!(peek(), None);
            class.forget();
            assert_ne!(send_message(HWND_BROADCAST, NOTE, 4, -4), 0);
            assert_eq!(class.seen_by(top.raw()), [note(4)]);
            assert_eq!(class.seen_by(hidden.raw()), []);
        });
    });
}

// ---------------------------------------------------------------------------------------------------------
// Looking and filtering
// ---------------------------------------------------------------------------------------------------------

/// PeekMessage looks at a message or takes it, and returns at once when there is none.
/// Source: PeekMessageW, wRemoveMsg and return value.
#[test]
fn peeking_takes_a_message_only_if_asked_to() {
    let _watch = watch();
    let class = Class::new("peek");
    let window = class.window();
    assert_eq!(leaves_last_error(peek), None);
    post_note(window.raw(), 1);
    for _ in 0..3 {
        let seen = peek_message(null_mut(), 0, 0, PM_NOREMOVE);
        assert_eq!(seen.map(said), Some(note(1)));
    }
    let taken = peek_message(null_mut(), 0, 0, PM_REMOVE | PM_NOYIELD);
    assert_eq!(taken.map(said), Some(note(1)));
    assert_eq!(peek(), None);
}

/// A filter by window gives that window's messages; -1 gives those that are for no window.
/// Source: GetMessageW, PeekMessageW, hWnd.
#[test]
fn messages_are_filtered_by_window() {
    let _watch = watch();
    let class = Class::new("by-window");
    let windows = [class.window(), class.window()];
    post_note(windows[0].raw(), 1);
    post_note(windows[1].raw(), 2);
    post_note(null_mut(), 3);
    post_note(windows[0].raw(), 4);
    let thread_messages = -1isize as HWND;
    assert_eq!(said(get_message(windows[1].raw(), 0, 0).1), note(2));
    assert!(peek_message(windows[1].raw(), 0, 0, PM_REMOVE).is_none());
    assert_eq!(said(get_message(thread_messages, 0, 0).1), note(3));
    assert!(peek_message(thread_messages, 0, 0, PM_REMOVE).is_none());
    assert_eq!(said(get_message(null_mut(), 0, 0).1), note(1));
    assert_eq!(said(get_message(windows[0].raw(), 0, 0).1), note(4));
}

/// A filter by window gives the messages of its children too, and theirs.
/// Source: GetMessageW, remarks: "any window handle that is a child".
#[test]
fn filter_by_window_includes_children() {
    let _watch = watch();
    differs_under_wine("without a display there are no children", || {
        let class = Class::new("children");
        let other = class.window();
        let parent = class.window();
        let child = class.child(parent.raw());
        let grandchild = class.child(child.raw());
        post_note(other.raw(), 1);
        post_note(grandchild.raw(), 2);
        post_note(child.raw(), 3);
        assert_eq!(said(get_message(parent.raw(), 0, 0).1), note(2));
        assert_eq!(said(get_message(parent.raw(), 0, 0).1), note(3));
        assert!(peek_message(parent.raw(), 0, 0, PM_REMOVE).is_none());
        assert_eq!(peek(), Some(note(1)));
    });
}

/// A filter by number gives the first message within it.
/// Source: GetMessageW, wMsgFilterMin and wMsgFilterMax.
#[test]
fn messages_are_filtered_by_number() {
    let _watch = watch();
    let class = Class::new("by-number");
    let window = class.window();
    for number in [3, 1, 2, 3] {
        assert_eq!(post_message(window.raw(), WM_USER + number, 0, 0), TRUE);
    }
    let (low, high) = (WM_USER + 1, WM_USER + 2);
    assert_eq!(get_message(null_mut(), low, high).1.message, WM_USER + 1);
    assert_eq!(get_message(null_mut(), high, high).1.message, WM_USER + 2);
    assert!(peek_message(null_mut(), low, high, PM_REMOVE).is_none());
    for _ in 0..2 {
        assert_eq!(get_message(null_mut(), 0, 0).1.message, WM_USER + 3);
    }
}

/// PeekMessage can be asked for kinds of messages.
/// Source: PeekMessageW, PM_QS_POSTMESSAGE and PM_QS_SENDMESSAGE.
#[test]
fn peeking_can_be_for_kinds_of_messages() {
    let _watch = watch();
    let class = Class::new("kinds");
    let window = class.window();
    post_note(window.raw(), 1);
    let flags = PM_REMOVE | PM_QS_SENDMESSAGE;
    assert!(peek_message(null_mut(), 0, 0, flags).is_none());
    let flags = PM_REMOVE | PM_QS_POSTMESSAGE;
    assert_eq!(
        peek_message(null_mut(), 0, 0, flags).map(said),
        Some(note(1))
    );
}

/// A filter needs a window.
/// Source: GetMessageW, return value -1; PeekMessageW.
#[test]
fn filter_needs_a_window() {
    let _watch = watch();
    let stale = Class::new("filter-needs").window().destroy();
    for window in [stale, GARBAGE_WINDOW] {
        fails_with(-1, ERROR_INVALID_WINDOW_HANDLE, || {
            get_message(window, 0, 0).0
        });
        fails_with(None, ERROR_INVALID_WINDOW_HANDLE, || {
            peek_message(window, 0, 0, PM_REMOVE).map(said)
        });
    }
}

/// Without a place for the message nothing is taken.
/// Source: GetMessageW, return value -1: "if lpMsg is an invalid pointer".
#[test]
fn null_message_pointer_is_refused() {
    let _watch = watch();
    linux_only("Windows may fault", || {
        let class = Class::new("null");
        let window = class.window();
        post_note(window.raw(), 1);
        // SAFETY: null is what is tested.
        unsafe {
            fails_with(-1, ERROR_NOACCESS, || {
                GetMessageW(null_mut(), null_mut(), 0, 0)
            });
            fails_with(FALSE, ERROR_NOACCESS, || {
                PeekMessageW(null_mut(), null_mut(), 0, 0, PM_REMOVE)
            });
            fails_with(0, ERROR_NOACCESS, || DispatchMessageW(null()));
        }
        assert_eq!(peek(), Some(note(1)));
    });
}

// ---------------------------------------------------------------------------------------------------------
// WM_QUIT
// ---------------------------------------------------------------------------------------------------------

/// WM_QUIT comes when no other posted message is left, ends the loop with its code, and comes once.
/// Source: PostQuitMessage, remarks; GetMessageW, return value.
#[test]
fn quit_comes_after_everything_posted() {
    let _watch = watch();
    let class = Class::new("quit");
    let window = class.window();
    post_quit_message(42);
    post_note(window.raw(), 1);
    post_note(window.raw(), 2);
    assert_eq!(said(get_message(null_mut(), 0, 0).1), note(1));
    assert_eq!(said(get_message(null_mut(), 0, 0).1), note(2));
    let seen = peek_message(null_mut(), 0, 0, PM_NOREMOVE).expect("WM_QUIT");
    assert_eq!(said(seen), (WM_QUIT, 42, 0));
    let (result, message) = get_message(null_mut(), 0, 0);
    assert_eq!((result, message.hwnd), (FALSE, null_mut()));
    assert_eq!(said(message), (WM_QUIT, 42, 0));
    assert_eq!(peek(), None);
}

/// WM_QUIT passes every filter.
/// Source: GetMessageW, remarks: WM_QUIT is always retrieved.
#[test]
fn quit_passes_every_filter() {
    let _watch = watch();
    let class = Class::new("quit-filter");
    let window = class.window();
    post_quit_message(-1);
    let (result, message) = get_message(window.raw(), WM_USER, WM_USER);
    assert_eq!((result, message.message), (FALSE, WM_QUIT));
    assert_eq!(message.wParam as i32, -1);
}

/// WM_QUIT that is posted as any message comes in its turn, and ends the loop too.
/// Source: GetMessageW, return value: "if the function retrieves WM_QUIT".
#[test]
fn posted_quit_comes_in_its_turn() {
    let _watch = watch();
    let thread_id = current_thread_id();
    assert_eq!(peek(), None); // now it has a queue
    assert_eq!(post_thread_message(thread_id, WM_QUIT, 5, 0), TRUE);
    assert_eq!(post_thread_message(thread_id, NOTE, 1, -1), TRUE);
    let (result, message) = get_message(null_mut(), 0, 0);
    assert_eq!((result, said(message)), (FALSE, (WM_QUIT, 5, 0)));
    assert_eq!(peek(), Some(note(1)));
}

/// The second call of PostQuitMessage replaces the first one's code.
/// Source: PostQuitMessage (a flag of the queue, not a message).
#[test]
fn quit_is_one_flag() {
    let _watch = watch();
    post_quit_message(1);
    post_quit_message(2);
    assert_eq!(said(get_message(null_mut(), 0, 0).1), (WM_QUIT, 2, 0));
    assert_eq!(peek(), None);
}

// ---------------------------------------------------------------------------------------------------------
// Sent messages
// ---------------------------------------------------------------------------------------------------------

/// A message sent within the thread goes straight to the procedure, past everything posted.
/// Source: SendMessageW, remarks.
#[test]
fn sending_within_the_thread_calls_the_procedure() {
    let _watch = watch();
    let class = Class::new("send-own");
    let window = class.window();
    class.answer(NOTE, -5);
    post_note(window.raw(), 1);
    class.forget();
    assert_eq!(send_message(window.raw(), NOTE, 2, -2), -5);
    assert_eq!(class.seen_by(window.raw()), [note(2)]);
    assert_eq!(peek(), Some(note(1)));
}

/// A message sent by another thread is handled in the window's thread when that looks for messages, before
/// what was posted earlier; the sender gets the procedure's result.
/// Source: SendMessageW, remarks; About Messages and Message Queues, "Nonqueued Messages".
#[test]
fn sent_message_is_handled_when_the_owner_looks() {
    let _watch = watch();
    let class = Class::new("send-other");
    let window = class.window();
    class.answer(NOTE, 99);
    post_note(window.raw(), 1);
    class.forget();
    let target = window.raw() as usize;
    let sender = spawn(move || send_message(target as HWND, NOTE, 2, -2));
    sender.until_waits();
    assert_eq!(class.seen_by(window.raw()), [], "nobody has looked yet");
    until("the message arrives", || {
        let seen = peek_message(null_mut(), 0, 0, PM_NOREMOVE);
        assert_eq!(seen.map(said), Some(note(1)));
        !class.seen_by(window.raw()).is_empty()
    });
    assert_eq!(class.seen_by(window.raw()), [note(2)]);
    assert_eq!(sender.join(), 99);
}

/// A thread that waits in GetMessage handles what is sent to it and waits on.
/// Source: GetMessageW, remarks: "delivers pending, nonqueued messages".
#[test]
fn waiting_for_a_message_handles_sent_ones() {
    let _watch = watch();
    let (looper, window) = Looper::start("handles-sent");
    for number in 0..20 {
        looper.until_waits();
        assert_eq!(send_message(window, ECHO, number, 0), number as isize);
    }
    post_note(window, 1);
    assert_eq!(looper.next(), note(1), "sent messages are not retrieved");
}

/// A thread that waits for the result of a sent message handles messages that are sent to it meanwhile.
/// Source: SendMessageW, remarks: "the sending thread will process incoming nonqueued messages".
#[test]
fn threads_that_send_to_each_other_do_not_lock_up() {
    let _watch = watch();
    let class = Class::new("each-other");
    let window = class.window();
    let (looper, other) = Looper::start("each-other-2");
    looper.until_waits();
    // The other thread's procedure sends back to this one, which waits in SendMessage.
    for number in 0..50 {
        class.answer(NOTE, number);
        assert_eq!(
            send_message(other, SEND_BACK, window.raw() as usize, NOTE as isize),
            number + 1
        );
    }
}

/// The sender gets 0 when the window's thread ends, or the window does, before the message is handled.
/// Source: SendMessageW (the result is the procedure's; there is none).
#[test]
fn sender_gets_nothing_from_a_window_that_is_gone() {
    let _watch = watch();
    for ends in [false, true] {
        let class = Class::new("gone");
        let (made, go) = (Arc::new(AtomicUsize::new(0)), Event::auto());
        let owner = spawn({
            let (made, go) = (Arc::clone(&made), go.clone());
            move || {
                let class = Class::new("gone-owner");
                let window = class.window();
                class.answer(NOTE, 7);
                made.store(window.raw() as usize, SeqCst);
                assert!(go.wait(DEADLINE_MS));
                if ends {
                    window.leave(); // the end of the thread is its end
                } else {
                    window.destroy();
                }
            }
        });
        until("the window is there", || made.load(SeqCst) != 0);
        let target = made.load(SeqCst);
        let sender = spawn(move || send_message(target as HWND, NOTE, 1, -1));
        sender.until_waits();
        go.set();
        assert_eq!(sender.join(), 0);
        owner.join();
        drop(class);
    }
}

/// Text that WM_SETTEXT carries is converted to the units that the procedure reads.
/// Source: SendMessageA, SendMessageW; "Unicode in the Windows API".
#[test]
fn text_of_a_message_is_converted() {
    let _watch = watch();
    let (ansi, wide) = (Class::new_ansi("text-a"), Class::new("text-w"));
    let (ansi_window, wide_window) = (ansi.window(), wide.window());
    let text_a = b"caption\0";
    let text_w: Vec<u16> = "caption\0".encode_utf16().collect();
    for (class, window) in [(&ansi, &ansi_window), (&wide, &wide_window)] {
        // SAFETY: both texts end with a zero and live through the calls.
        unsafe {
            SendMessageA(window.raw(), WM_SETTEXT, 0, text_a.as_ptr() as isize);
            SendMessageW(window.raw(), WM_SETTEXT, 0, text_w.as_ptr() as isize);
        }
        assert_eq!(class.texts(), ["caption", "caption"]);
    }
}

// ---------------------------------------------------------------------------------------------------------
// Dispatching
// ---------------------------------------------------------------------------------------------------------

/// DispatchMessage calls the window's procedure and gives its result; without a window it does nothing.
/// Source: DispatchMessageW, return value and remarks.
#[test]
fn dispatching_calls_the_procedure() {
    let _watch = watch();
    let class = Class::new("dispatch");
    let window = class.window();
    class.answer(NOTE, 11);
    post_note(window.raw(), 1);
    let (_, message) = get_message(null_mut(), 0, 0);
    class.forget();
    assert_eq!(dispatch(&message), 11);
    assert_eq!(class.seen_by(window.raw()), [note(1)]);
    let of_no_window = MSG {
        hwnd: null_mut(),
        ..message
    };
    assert_eq!(dispatch(&of_no_window), 0);
    let stale = window.destroy();
    fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
        dispatch(&MSG {
            hwnd: stale,
            ..message
        })
    });
}

// ---------------------------------------------------------------------------------------------------------
// Timers of windows
// ---------------------------------------------------------------------------------------------------------

const TIMER_MS: u32 = USER_TIMER_MINIMUM;

/// A timer makes WM_TIMER with its identifier for its window, again and again, and not early.
/// Source: SetTimer; WM_TIMER.
#[test]
fn timer_makes_messages_again_and_again() {
    let _watch = watch();
    let class = Class::new("timer");
    let window = class.window();
    let start = Instant::now();
    assert_ne!(set_timer(window.raw(), 5, TIMER_MS, None), 0);
    for count in 1..=3 {
        let (result, message) = get_message(window.raw(), 0, 0);
        assert_eq!((result, message.hwnd), (TRUE, window.raw()));
        assert_eq!(said(message), (WM_TIMER, 5, 0));
        let due = Duration::from_millis(u64::from(count * TIMER_MS));
        assert!(start.elapsed() + Duration::from_millis(2) >= due);
    }
    assert_eq!(kill_timer(window.raw(), 5), TRUE);
    assert_eq!(peek(), None);
    fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
        kill_timer(window.raw(), 5)
    });
}

/// WM_TIMER is made only when nothing else is there: posted messages and WM_QUIT come first.
/// Source: WM_TIMER, remarks: a low-priority message.
#[test]
fn timer_comes_last() {
    let _watch = watch();
    let class = Class::new("timer-last");
    let window = class.window();
    assert_ne!(set_timer(window.raw(), 1, TIMER_MS, None), 0);
    until("the time has passed", || {
        peek_message(null_mut(), WM_TIMER, WM_TIMER, PM_NOREMOVE).is_some()
    });
    post_quit_message(3);
    post_note(window.raw(), 1);
    assert_eq!(peek(), Some(note(1)));
    assert_eq!(peek(), Some((WM_QUIT, 3, 0)));
    assert_eq!(peek(), Some((WM_TIMER, 1, 0)));
}

/// Times that passed unheeded make one message.
/// Source: WM_TIMER, remarks.
#[test]
fn missed_times_are_one_message() {
    const PERIOD_MS: u32 = 20;
    let _watch = watch();
    let window = Class::new("missed").window();
    assert_ne!(set_timer(window.raw(), 1, PERIOD_MS, None), 0);
    sleep(10 * PERIOD_MS);
    let start = Instant::now();
    let taken = std::iter::from_fn(peek).take(10).count() as u128;
    // Beside that one, those that come due while they are taken.
    let due_meanwhile = start.elapsed().as_millis() / u128::from(PERIOD_MS) + 1;
    assert!((1..=1 + due_meanwhile).contains(&taken), "{taken}");
}

/// A timer without a window gets an identifier of its own; its messages are the thread's.
/// Source: SetTimer, hWnd NULL and return value.
#[test]
fn timer_of_the_thread_has_an_identifier_of_its_own() {
    let _watch = watch();
    let (one, other) = (
        set_timer(null_mut(), 0, TIMER_MS, None),
        set_timer(null_mut(), 0, TIMER_MS, None),
    );
    assert!(one != 0 && other != 0 && one != other);
    assert_eq!(kill_timer(null_mut(), one), TRUE);
    let (_, message) = get_message(null_mut(), 0, 0);
    assert_eq!((message.hwnd, message.message), (null_mut(), WM_TIMER));
    assert_eq!(message.wParam, other);
    assert_eq!(kill_timer(null_mut(), other), TRUE);
}

/// Setting a timer that exists sets it anew: one timer, with the new time and procedure.
/// Source: SetTimer, nIDEvent.
#[test]
fn setting_a_timer_again_replaces_it() {
    let _watch = watch();
    let window = Class::new("again").window();
    assert_ne!(set_timer(window.raw(), 1, 3_600_000, None), 0);
    assert_ne!(set_timer(window.raw(), 1, TIMER_MS, None), 0);
    assert_eq!(said(get_message(null_mut(), 0, 0).1), (WM_TIMER, 1, 0));
    assert_eq!(kill_timer(window.raw(), 1), TRUE);
    fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
        kill_timer(window.raw(), 1)
    });
}

/// A timer's procedure is called by DispatchMessage instead of the window's.
/// Source: SetTimer, lpTimerFunc; WM_TIMER, lParam.
#[test]
fn timer_procedure_is_called_by_dispatching() {
    let _watch = watch();
    static CALLS: AtomicU32 = AtomicU32::new(0);
    unsafe extern "system" fn procedure(_: HWND, message: u32, id: usize, _: u32) {
        assert_eq!((message, id), (WM_TIMER, 9));
        CALLS.fetch_add(1, SeqCst);
    }
    let class = Class::new("timer-procedure");
    let window = class.window();
    assert_ne!(set_timer(window.raw(), 9, TIMER_MS, Some(procedure)), 0);
    let (_, message) = get_message(null_mut(), 0, 0);
    assert_eq!((message.message, message.wParam), (WM_TIMER, 9));
    assert_ne!(message.lParam, 0);
    class.forget();
    dispatch(&message);
    assert_eq!(CALLS.load(SeqCst), 1);
    assert_eq!(class.seen_by(window.raw()), []);
}

/// A WM_TIMER that claims a procedure which no timer has calls nothing.
/// Source: WM_TIMER, lParam; Windows checks it since it could be anything.
#[test]
fn invented_timer_procedure_is_not_called() {
    let _watch = watch();
    let class = Class::new("invented");
    let window = class.window();
    let invented = MSG {
        hwnd: window.raw(),
        message: WM_TIMER,
        wParam: 1,
        lParam: 0x10,
        ..MSG::default()
    };
    class.forget();
    assert_eq!(dispatch(&invented), 0);
    assert_eq!(class.seen_by(window.raw()), []);
}

/// A timer goes with its window.
/// Source: DestroyWindow, remarks: it destroys the window's timers.
#[test]
fn timer_goes_with_its_window() {
    let _watch = watch();
    let class = Class::new("timer-window");
    let window = class.window();
    assert_ne!(set_timer(window.raw(), 1, TIMER_MS, None), 0);
    window.destroy();
    // Another timer tells when the first would have been due; and it is not there before it.
    let clock = set_timer(null_mut(), 0, 2 * TIMER_MS, None);
    let (_, message) = get_message(null_mut(), 0, 0);
    assert_eq!(message.hwnd, null_mut());
    assert_eq!(said(message), (WM_TIMER, clock, 0));
    assert_eq!(kill_timer(null_mut(), clock), TRUE);
    assert_eq!(peek(), None);
}

/// A timer needs a window, and one of the calling thread.
/// Source: SetTimer, hWnd: "this window must be owned by the calling thread".
#[test]
fn timer_needs_a_window_of_the_thread() {
    let _watch = watch();
    differs_under_wine(
        "ERROR_INVALID_HANDLE; other threads' windows are taken",
        || {
            let class = Class::new("timer-needs");
            let stale = class.window().destroy();
            for window in [stale, GARBAGE_WINDOW] {
                fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
                    set_timer(window, 1, TIMER_MS, None)
                });
                fails_with(FALSE, ERROR_INVALID_WINDOW_HANDLE, || kill_timer(window, 1));
            }
            let (_looper, others) = Looper::start("timer-others");
            fails_with(0, ERROR_ACCESS_DENIED, || {
                set_timer(others, 1, TIMER_MS, None)
            });
        },
    );
}

/// MessageBox answers IDOK.
/// Source: MessageBoxW, MessageBoxA, return value.
#[test]
fn message_box_answers_ok() {
    let _watch = watch();
    linux_only("somebody would have to click", || {
        let (text, caption) = (b"wharf\0", b"message_box_answers_ok\0");
        let wide: Vec<u16> = "wharf\0".encode_utf16().collect();
        // SAFETY: the texts end with zeroes.
        unsafe {
            let answer = MessageBoxA(null_mut(), text.as_ptr(), caption.as_ptr(), MB_OK);
            assert_eq!(answer, IDOK);
            assert_eq!(MessageBoxW(null_mut(), wide.as_ptr(), null(), MB_OK), IDOK);
        }
    });
}

// ---------------------------------------------------------------------------------------------------------
// Under load
// ---------------------------------------------------------------------------------------------------------

/// Several threads post and send to several windows of one thread: everything arrives once, the messages of
/// each sender in the order it posted them.
/// Source: PostMessageW, SendMessageW.
#[test]
fn everything_posted_and_sent_arrives_once_in_order() {
    const SENDERS: u64 = 3;
    const EACH: usize = 2_000;
    let _watch = watch();
    let seed = seed();
    let class = Class::new("load");
    let windows = [class.window(), class.window()];
    class.answer(NOTE, 1);
    let targets = windows.each_ref().map(|window| window.raw() as usize);
    let sent = Arc::new(AtomicUsize::new(0));
    let send_often = |sender: u64| {
        let sent = Arc::clone(&sent);
        let mut random = Random::new(seed, sender);
        spawn(move || {
            let mut posted = 0;
            while posted < EACH {
                let target = targets[random.below(2) as usize] as HWND;
                if random.one_in(8) {
                    assert_eq!(send_message(target, NOTE, 0, 0), 1);
                    sent.fetch_add(1, SeqCst);
                } else if post_message(target, WM_USER + sender as u32, posted, 0) == TRUE {
                    posted += 1;
                } else {
                    assert_eq!(last_error(), ERROR_NOT_ENOUGH_QUOTA);
                    thread::yield_now();
                }
            }
        })
    };
    class.forget();
    let senders: Vec<_> = (0..SENDERS).map(send_often).collect();
    let mut next = [0; SENDERS as usize];
    while next.iter().sum::<usize>() < SENDERS as usize * EACH {
        let (_, message) = get_message(null_mut(), 0, 0);
        let sender = (message.message - WM_USER) as usize;
        assert_eq!(message.wParam, next[sender]);
        next[sender] += 1;
    }
    // The last message of a sender may be a sent one: go on looking until all have ended.
    let ids: Vec<HANDLE> = senders.iter().map(|sender| sender.handle().raw()).collect();
    until("the senders end", || {
        assert_eq!(peek(), None);
        wait_many(&ids, true, 0) == WAIT_OBJECT_0
    });
    join_all(senders);
    let handled: usize = windows
        .iter()
        .map(|window| class.seen_by(window.raw()).len())
        .sum();
    assert_eq!(handled, sent.load(SeqCst));
}
