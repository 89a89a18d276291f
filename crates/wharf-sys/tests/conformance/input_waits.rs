//! Waiting for objects and for input: MsgWaitForMultipleObjects.

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::window::*;

const NOTE: u32 = WM_APP + 1;

/// The most objects that one wait takes beside input.
const OBJECTS_MAX: usize = 63;

/// `MsgWaitForMultipleObjectsEx`.
fn wait_input_ex(handles: &[HANDLE], timeout_ms: u32, mask: u32, flags: u32) -> WAIT_EVENT {
    // SAFETY: the array has that many handles.
    unsafe {
        MsgWaitForMultipleObjectsEx(
            handles.len() as u32,
            handles.as_ptr(),
            timeout_ms,
            mask,
            flags,
        )
    }
}

/// `MsgWaitForMultipleObjects`.
fn wait_input(handles: &[HANDLE], all: BOOL, timeout_ms: u32, mask: u32) -> WAIT_EVENT {
    // SAFETY: the array has that many handles.
    unsafe {
        MsgWaitForMultipleObjects(
            handles.len() as u32,
            handles.as_ptr(),
            all,
            timeout_ms,
            mask,
        )
    }
}

fn post_to_self(number: usize) {
    assert_eq!(post_message(null_mut(), NOTE, number, 0), TRUE);
}

/// Input has the index after the last object's; objects have theirs, and win over input.
/// Source: MsgWaitForMultipleObjects, return value.
#[test]
fn input_comes_after_the_objects() {
    let _watch = watch();
    let events = [Event::auto(), Event::auto()];
    let handles = [events[0].raw(), events[1].raw()];
    assert_eq!(peek(), None);
    assert_eq!(
        leaves_last_error(|| wait_input(&handles, FALSE, SHORT_MS, QS_ALLINPUT)),
        WAIT_TIMEOUT
    );
    post_to_self(1);
    assert_eq!(
        wait_input(&handles, FALSE, INFINITE, QS_ALLINPUT),
        WAIT_OBJECT_0 + 2
    );
    assert_eq!(peek(), Some((NOTE, 1, 0)));
    post_to_self(2);
    events[1].set();
    events[0].set();
    for index in 0..3 {
        assert_eq!(
            wait_input(&handles, FALSE, INFINITE, QS_ALLINPUT),
            WAIT_OBJECT_0 + index
        );
    }
    assert_eq!(peek(), Some((NOTE, 2, 0)));
}

/// Without objects input alone is waited for.
/// Source: MsgWaitForMultipleObjects, nCount.
#[test]
fn input_alone_can_be_waited_for() {
    let _watch = watch();
    assert_eq!(peek(), None);
    assert_eq!(wait_input_ex(&[], 0, QS_ALLINPUT, 0), WAIT_TIMEOUT);
    post_to_self(1);
    // SAFETY: there are no handles.
    let waited = unsafe { MsgWaitForMultipleObjects(0, null(), FALSE, INFINITE, QS_ALLINPUT) };
    assert_eq!(waited, WAIT_OBJECT_0);
    assert_eq!(peek(), Some((NOTE, 1, 0)));
}

/// One wait takes up to 63 objects beside input.
/// Source: MsgWaitForMultipleObjects, nCount: MAXIMUM_WAIT_OBJECTS minus one.
#[test]
fn one_wait_takes_up_to_63_objects_beside_input() {
    let _watch = watch();
    let events: [Event; OBJECTS_MAX + 1] = std::array::from_fn(|_| Event::auto());
    let handles = events.each_ref().map(|event| event.raw());
    assert_eq!(peek(), None);
    post_to_self(1);
    assert_eq!(
        wait_input(&handles[..OBJECTS_MAX], FALSE, INFINITE, QS_ALLINPUT),
        WAIT_OBJECT_0 + OBJECTS_MAX as u32
    );
    fails_with(WAIT_FAILED, ERROR_INVALID_PARAMETER, || {
        wait_input(&handles, FALSE, 0, QS_ALLINPUT)
    });
    assert_eq!(peek(), Some((NOTE, 1, 0)));
}

/// A bad handle fails the wait.
/// Source: MsgWaitForMultipleObjects, return value WAIT_FAILED.
#[test]
fn bad_handle_fails_the_wait_for_input() {
    let _watch = watch();
    let event = Event::auto();
    for bad in [null_mut(), GARBAGE_HANDLE] {
        fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || {
            wait_input(&[event.raw(), bad], FALSE, 0, QS_ALLINPUT)
        });
    }
}

/// Only the kinds of input that the mask names count.
/// Source: MsgWaitForMultipleObjects, dwWakeMask.
#[test]
fn mask_names_the_input_that_counts() {
    let _watch = watch();
    assert_eq!(peek(), None);
    post_to_self(1);
    assert_eq!(wait_input_ex(&[], SHORT_MS, QS_TIMER, 0), WAIT_TIMEOUT);
    assert_eq!(
        wait_input_ex(&[], SHORT_MS, QS_SENDMESSAGE, 0),
        WAIT_TIMEOUT
    );
    assert_eq!(wait_input_ex(&[], 0, QS_POSTMESSAGE, 0), WAIT_OBJECT_0);
    assert_eq!(peek(), Some((NOTE, 1, 0)));
}

/// WM_QUIT is input as posted messages are.
/// Source: PostQuitMessage; MsgWaitForMultipleObjects, QS_POSTMESSAGE.
#[test]
fn quit_is_input() {
    let _watch = watch();
    assert_eq!(peek(), None);
    post_quit_message(4);
    assert_eq!(wait_input_ex(&[], 0, QS_POSTMESSAGE, 0), WAIT_OBJECT_0);
    assert_eq!(peek(), Some((WM_QUIT, 4, 0)));
}

/// Input that the thread has looked at and left does not end the next wait, unless MWMO_INPUTAVAILABLE says so; what
/// comes after does.
/// Source: MsgWaitForMultipleObjectsEx, remarks and MWMO_INPUTAVAILABLE.
#[test]
fn input_that_was_seen_is_not_new() {
    let _watch = watch();
    assert_eq!(peek(), None);
    post_to_self(1);
    let seen = peek_message(null_mut(), 0, 0, PM_NOREMOVE);
    assert_eq!(seen.map(said), Some((NOTE, 1, 0)));
    assert_eq!(wait_input_ex(&[], SHORT_MS, QS_ALLINPUT, 0), WAIT_TIMEOUT);
    for _ in 0..2 {
        assert_eq!(
            wait_input_ex(&[], INFINITE, QS_ALLINPUT, MWMO_INPUTAVAILABLE),
            WAIT_OBJECT_0
        );
    }
    post_to_self(2);
    assert_eq!(wait_input_ex(&[], 0, QS_ALLINPUT, 0), WAIT_OBJECT_0);
    assert_eq!(peek(), Some((NOTE, 1, 0)));
    assert_eq!(wait_input_ex(&[], SHORT_MS, QS_ALLINPUT, 0), WAIT_TIMEOUT);
    assert_eq!(peek(), Some((NOTE, 2, 0)));
    assert_eq!(
        wait_input_ex(&[], 0, QS_ALLINPUT, MWMO_INPUTAVAILABLE),
        WAIT_TIMEOUT
    );
}

/// The wait itself looks at the queue: what it has told is not new any more.
/// Source: MsgWaitForMultipleObjects, remarks: functions that check the queue, this one among them, change its state.
#[test]
fn what_the_wait_told_is_not_new() {
    let _watch = watch();
    differs_under_wine("tells of the same input again", || {
        assert_eq!(peek(), None);
        post_to_self(1);
        assert_eq!(wait_input_ex(&[], INFINITE, QS_ALLINPUT, 0), WAIT_OBJECT_0);
        assert_eq!(wait_input_ex(&[], SHORT_MS, QS_ALLINPUT, 0), WAIT_TIMEOUT);
        assert_eq!(peek(), Some((NOTE, 1, 0)));
    });
}

/// A message that another thread posts ends the wait.
/// Source: MsgWaitForMultipleObjects.
#[test]
fn posting_ends_a_wait_for_input() {
    let _watch = watch();
    let never = Event::auto();
    for _ in 0..20 {
        let waiter = spawn({
            let never = never.clone();
            move || {
                assert_eq!(peek(), None);
                let waited = wait_input(&[never.raw()], FALSE, INFINITE, QS_ALLINPUT);
                (waited, peek())
            }
        });
        waiter.until_waits();
        assert_eq!(post_thread_message(waiter.id(), NOTE, 3, 0), TRUE);
        assert_eq!(waiter.join(), (WAIT_OBJECT_0 + 1, Some((NOTE, 3, 0))));
    }
}

/// A message that another thread sends ends the wait if the mask says so; it is handled when the thread looks.
/// Source: MsgWaitForMultipleObjects, QS_SENDMESSAGE.
#[test]
fn sending_ends_a_wait_for_input() {
    let _watch = watch();
    let class = Class::new("input-sent");
    let window = class.window();
    class.answer(NOTE, 8);
    class.forget();
    let target = window.raw() as usize;
    let sender = spawn(move || send_message(target as HWND, NOTE, 1, 0));
    assert_eq!(
        wait_input_ex(&[], DEADLINE_MS, QS_SENDMESSAGE, 0),
        WAIT_OBJECT_0
    );
    assert_eq!(class.seen_by(window.raw()), []);
    assert_eq!(peek(), None);
    assert_eq!(class.seen_by(window.raw()), [(NOTE, 1, 0)]);
    assert_eq!(sender.join(), 8);
}

/// A timer of SetTimer ends the wait if the mask says so, and not early.
/// Source: MsgWaitForMultipleObjects, QS_TIMER.
#[test]
fn timer_ends_a_wait_for_input() {
    let _watch = watch();
    let never = Event::auto();
    let window = Class::new("input-timer").window();
    let start = Instant::now();
    assert_ne!(set_timer(window.raw(), 1, SHORT_MS, None), 0);
    assert_eq!(
        wait_input(&[never.raw()], FALSE, INFINITE, QS_TIMER),
        WAIT_OBJECT_0 + 1
    );
    let margin = Duration::from_millis(2);
    assert!(start.elapsed() + margin >= Duration::from_millis(u64::from(SHORT_MS)));
    assert_eq!(peek(), Some((WM_TIMER, 1, 0)));
}

/// The wait for all ends when every object is signalled and input is there; nothing is consumed before.
/// Source: MsgWaitForMultipleObjectsEx, MWMO_WAITALL; MsgWaitForMultipleObjects, bWaitAll.
#[test]
fn wait_for_all_includes_input() {
    let _watch = watch();
    let events = [Event::auto(), Event::auto()];
    let handles = events.each_ref().map(|event| event.raw());
    assert_eq!(peek(), None);
    events[0].set();
    events[1].set();
    assert_eq!(
        wait_input(&handles, TRUE, SHORT_MS, QS_ALLINPUT),
        WAIT_TIMEOUT
    );
    assert!(
        events[0].wait(0) && events[1].wait(0),
        "nothing was consumed"
    );
    events[0].set();
    post_to_self(1);
    assert_eq!(
        wait_input_ex(&handles, SHORT_MS, QS_ALLINPUT, MWMO_WAITALL),
        WAIT_TIMEOUT
    );
    events[1].set();
    assert_eq!(
        wait_input_ex(&handles, DEADLINE_MS, QS_ALLINPUT, MWMO_WAITALL),
        WAIT_OBJECT_0
    );
    assert!(
        !events[0].wait(0) && !events[1].wait(0),
        "both were consumed"
    );
    assert_eq!(peek(), Some((NOTE, 1, 0)));
}

/// APCs end an alertable wait for input, and no other.
/// Source: MsgWaitForMultipleObjectsEx, MWMO_ALERTABLE.
#[test]
fn wait_for_input_can_be_alertable() {
    let _watch = watch();
    assert_eq!(peek(), None);
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let apc = move || {
        counted.fetch_add(1, SeqCst);
    };
    assert_ne!(queue_apc(current_thread().raw(), apc), 0);
    assert_eq!(wait_input_ex(&[], SHORT_MS, QS_ALLINPUT, 0), WAIT_TIMEOUT);
    assert_eq!(runs.load(SeqCst), 0);
    assert_eq!(
        wait_input_ex(&[], INFINITE, QS_ALLINPUT, MWMO_ALERTABLE),
        WAIT_IO_COMPLETION
    );
    assert_eq!(runs.load(SeqCst), 1);
}

/// GetMessage is not alertable: an APC stays queued.
/// Source: GetMessageW; Asynchronous Procedure Calls.
#[test]
fn waiting_for_a_message_is_not_alertable() {
    let _watch = watch();
    let waiter = spawn(|| {
        let (result, message) = get_message(null_mut(), 0, 0);
        assert_eq!((result, message.message), (TRUE, NOTE));
        sleep_alertable(0)
    });
    waiter.until_waits();
    assert_ne!(queue_apc(waiter.handle().raw(), || ()), 0);
    assert_eq!(post_thread_message(waiter.id(), NOTE, 0, 0), TRUE);
    assert_eq!(waiter.join(), WAIT_IO_COMPLETION);
}

/// A mutex whose owner ended is told of in a wait for input too.
/// Source: MsgWaitForMultipleObjects, return value WAIT_ABANDONED_0.
#[test]
fn wait_for_input_tells_of_abandoned_mutexes() {
    let _watch = watch();
    // SAFETY: no attributes, no name.
    let mutex = Handle::own(unsafe { CreateMutexW(null(), FALSE, null()) });
    let event = Event::auto();
    let taken = spawn({
        let mutex = mutex.clone();
        move || wait(mutex.raw(), INFINITE)
    });
    assert_eq!(taken.join(), WAIT_OBJECT_0);
    let handles = [event.raw(), mutex.raw()];
    assert_eq!(
        wait_input(&handles, FALSE, DEADLINE_MS, QS_ALLINPUT),
        WAIT_ABANDONED_0 + 1
    );
}

/// Handles and messages come from several threads at once: every signal and every message is told once.
/// Source: MsgWaitForMultipleObjects.
#[test]
fn every_signal_and_message_is_told_once() {
    const EACH: u32 = 500;
    let _watch = watch();
    let (event, heard) = (Event::auto(), Event::auto());
    assert_eq!(peek(), None);
    let thread_id = current_thread_id();
    let setter = spawn({
        let (event, heard) = (event.clone(), heard.clone());
        move || {
            for _ in 0..EACH {
                event.set();
                assert!(heard.wait(DEADLINE_MS));
            }
        }
    });
    let poster = spawn(move || {
        for number in 0..EACH {
            assert_eq!(
                post_thread_message(thread_id, NOTE, number as usize, 0),
                TRUE
            );
        }
    });
    let (mut signals, mut messages) = (0, 0);
    while signals < EACH || messages < EACH as usize {
        match wait_input(&[event.raw()], FALSE, DEADLINE_MS, QS_ALLINPUT) {
            WAIT_OBJECT_0 => {
                signals += 1;
                heard.set();
            }
            1 => {
                while let Some(message) = peek() {
                    assert_eq!(message, (NOTE, messages, 0));
                    messages += 1;
                }
            }
            other => panic!("{other:#x}, after {signals} signals and {messages} messages"),
        }
    }
    setter.join();
    poster.join();
    assert_eq!(
        wait_input(&[event.raw()], FALSE, 0, QS_ALLINPUT),
        WAIT_TIMEOUT
    );
}
