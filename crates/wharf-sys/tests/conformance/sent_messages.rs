//! Messages that are sent or dispatched: whose procedure runs, on which thread, and when.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;
use crate::messages::{NOTE, note, post_note};
use crate::window::*;

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
