//! Message queues: what is posted, in what order it comes, how it is filtered, and how the loop ends.

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use wharf_sys::*;

use crate::harness::*;
use crate::window::*;

/// An identifier of this suite's own messages.
pub const NOTE: u32 = WM_APP + 1;

/// Windows' limit of posted messages in a queue.
const POSTED_MAX: usize = 10_000;

pub fn note(number: usize) -> (u32, usize, isize) {
    (NOTE, number, -(number as isize))
}

pub fn post_note(window: HWND, number: usize) {
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
// Message boxes
// ---------------------------------------------------------------------------------------------------------

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
