//! Handles: what closes them, what duplicates them, and what a wrong one is answered with.

use std::collections::HashSet;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;

/// Null and unknown values cannot be closed.
/// Source: CloseHandle, return value.
#[test]
fn closing_needs_a_handle() {
    let _watch = watch();
    for handle in [null_mut(), GARBAGE_HANDLE] {
        fails_with(FALSE, ERROR_INVALID_HANDLE, || close_handle(handle));
    }
}

/// Closing a pseudo handle succeeds and does nothing.
/// Source: GetCurrentThread, GetCurrentProcess, remarks: "calling the CloseHandle function with this handle
/// has no effect".
#[test]
fn closing_a_pseudo_handle_has_no_effect() {
    let _watch = watch();
    // SAFETY: no preconditions.
    let (thread, process) = unsafe { (GetCurrentThread(), GetCurrentProcess()) };
    assert_eq!((thread as isize, process as isize), (-2, -1));
    assert_eq!([close_handle(thread), close_handle(process)], [TRUE; 2]);
    assert_eq!([wait(thread, 0), wait(process, 0)], [WAIT_TIMEOUT; 2]);
}

/// Live handles differ, and their low two bits are clear: the lowest has a meaning in OVERLAPPED.hEvent.
/// Source: GetQueuedCompletionStatus, remarks: an event handle in hEvent "and setting its low-order bit".
#[test]
fn handles_differ_and_leave_their_low_bits_clear() {
    let _watch = watch();
    let objects: Vec<Handle> = (0..200)
        .map(|number| match number % 2 {
            0 => Event::auto().duplicate(),
            _ => Port::new(0).duplicate(),
        })
        .collect();
    let values: HashSet<usize> = objects.iter().map(|handle| handle.raw() as usize).collect();
    assert_eq!(values.len(), objects.len());
    assert!(values.iter().all(|value| value & 3 == 0 && *value != 0));
}

/// A duplicate is another handle to the same object, which lives until the last of them is closed.
/// Source: DuplicateHandle; CloseHandle, remarks.
#[test]
fn object_lives_until_its_last_handle_is_closed() {
    let _watch = watch();
    let event = Event::manual();
    let second = event.duplicate();
    assert_ne!(event.raw(), second.raw());
    event.set();
    assert_eq!(wait(second.raw(), 0), WAIT_OBJECT_0);
    event.close();
    assert_eq!(wait(second.raw(), 0), WAIT_OBJECT_0);
    assert_eq!(reset_event(second.raw()), TRUE);
    assert_eq!(wait(second.raw(), 0), WAIT_TIMEOUT);
}

/// A wait goes on when the handle it was started with is closed; the object is still there for it.
/// Source: CloseHandle, remarks: the object is removed when its last handle is closed.
#[test]
fn closing_a_handle_does_not_end_a_wait_for_its_object() {
    let _watch = watch();
    not_under_wine(CANNOT_TELL, || {
        let event = Event::auto();
        let second = event.duplicate();
        let waiter = spawn({
            let event = event.clone();
            move || wait(event.raw(), DEADLINE_MS)
        });
        waiter.until_waits();
        event.close();
        assert_eq!(set_event(second.raw()), TRUE);
        assert_eq!(waiter.join(), WAIT_OBJECT_0);
    });
}

/// DUPLICATE_CLOSE_SOURCE closes the source with the same call.
/// Source: DuplicateHandle, dwOptions.
#[test]
fn duplicating_may_close_the_source() {
    let _watch = watch();
    in_own_process(|| {
        let source = create_event(TRUE, TRUE);
        let (result, copy) =
            duplicate_handle(source, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
        assert_eq!(result, TRUE);
        if copy != source {
            fails_with(FALSE, ERROR_INVALID_HANDLE, || close_handle(source));
        }
        assert_eq!(wait(copy, 0), WAIT_OBJECT_0);
        assert_eq!(close_handle(copy), TRUE);
    });
}

/// What cannot be duplicated stores no handle.
/// Source: DuplicateHandle, return value.
#[test]
fn duplicating_needs_a_handle() {
    let _watch = watch();
    for handle in [null_mut(), GARBAGE_HANDLE] {
        fails_with((FALSE, null_mut()), ERROR_INVALID_HANDLE, || {
            duplicate_handle(handle, DUPLICATE_SAME_ACCESS)
        });
    }
}

/// Duplicating needs two processes.
/// Source: DuplicateHandle, hSourceProcessHandle and hTargetProcessHandle.
#[test]
fn duplicating_needs_processes() {
    let _watch = watch();
    let event = Event::auto();
    // SAFETY: no preconditions.
    let process = unsafe { GetCurrentProcess() };
    for bad in [null_mut(), GARBAGE_HANDLE, event.raw()] {
        for (from, to) in [(bad, process), (process, bad)] {
            let mut copy: HANDLE = null_mut();
            fails_with(FALSE, ERROR_INVALID_HANDLE, || {
                // SAFETY: `copy` lives through the call.
                unsafe {
                    DuplicateHandle(
                        from,
                        event.raw(),
                        to,
                        &mut copy,
                        0,
                        FALSE,
                        DUPLICATE_SAME_ACCESS,
                    )
                }
            });
            assert!(copy.is_null());
        }
    }
}

/// Cancelling and the notification modes need a file or socket.
/// Source: CancelIo, CancelIoEx, SetFileCompletionNotificationModes.
#[test]
fn file_functions_need_a_handle() {
    let _watch = watch();
    for handle in [null_mut(), GARBAGE_HANDLE] {
        for call in FILE_FUNCTIONS {
            fails_with(FALSE, ERROR_INVALID_HANDLE, || call(handle));
        }
    }
}

/// An event is no file either: the modes are refused.
/// Source: SetFileCompletionNotificationModes, FileHandle.
#[test]
fn event_has_no_notification_modes() {
    let _watch = watch();
    let event = Event::auto();
    fails_with(FALSE, ERROR_INVALID_HANDLE, || set_modes(event.raw()));
}

/// An event has no operations that could be cancelled.
/// Source: CancelIo, CancelIoEx, hFile.
#[test]
fn event_has_nothing_to_cancel() {
    let _watch = watch();
    for call in [cancel_mine, cancel_all] {
        differs_under_wine("cancels what is no file", move || {
            let event = Event::auto();
            fails_with(FALSE, ERROR_INVALID_HANDLE, || call(event.raw()));
        });
    }
}

/// The functions of this library that are about a file's operations.
const FILE_FUNCTIONS: [fn(HANDLE) -> BOOL; 3] = [cancel_mine, cancel_all, set_modes];

fn cancel_mine(file: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { CancelIo(file) }
}

fn cancel_all(file: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed; no OVERLAPPED is named.
    unsafe { CancelIoEx(file, null_mut()) }
}

fn set_modes(file: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { SetFileCompletionNotificationModes(file, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS as u8) }
}

/// Every function answers a closed handle with ERROR_INVALID_HANDLE.
/// Source: CloseHandle, remarks: the handle is invalidated; the functions' own pages.
#[test]
fn closed_handles_are_invalid_everywhere() {
    let _watch = watch();
    in_own_process(|| {
        let (port, other_port) = (Port::new(0), Port::new(0));
        let event = Event::manual();
        let thread = create_thread(0, || 0).0;
        let live = Event::manual();
        live.set();
        [&*port, &*event, &thread]
            .into_iter()
            .for_each(Handle::close);
        for stale in [port.raw(), event.raw(), thread.raw()] {
            every_function_refuses(stale, &live, &other_port);
        }
        assert!(live.wait(0), "nothing was consumed");
        assert_eq!(other_port.take(0), TIMED_OUT);
    });
}

fn every_function_refuses(stale: HANDLE, live: &Event, port: &Port) {
    unsafe extern "system" fn never(_: usize) {}
    let mut code = 0;
    const INVALID: u32 = ERROR_INVALID_HANDLE;
    fails_with(FALSE, INVALID, || close_handle(stale));
    fails_with((FALSE, null_mut()), INVALID, || {
        duplicate_handle(stale, DUPLICATE_SAME_ACCESS)
    });
    fails_with(FALSE, INVALID, || set_event(stale));
    fails_with(FALSE, INVALID, || reset_event(stale));
    fails_with(WAIT_FAILED, INVALID, || wait(stale, 0));
    fails_with(WAIT_FAILED, INVALID, || wait_alertable(stale, 0));
    fails_with(WAIT_FAILED, INVALID, || {
        wait_many(&[live.raw(), stale], false, 0)
    });
    fails_with(null_mut(), INVALID, || create_port(stale, null_mut(), 0, 0));
    fails_with(null_mut(), INVALID, || create_port(stale, port.raw(), 0, 0));
    fails_with(FALSE, INVALID, || post(stale, packet(0, 0, 0)));
    fails_with(Taken::Nothing(INVALID), INVALID, || take(stale, 0));
    // SAFETY: `code` lives through the call.
    fails_with(FALSE, INVALID, || unsafe {
        GetExitCodeThread(stale, &mut code)
    });
    // SAFETY: a handle is looked up.
    fails_with(0, INVALID, || unsafe { GetThreadId(stale) });
    // SAFETY: a handle is looked up.
    fails_with(u32::MAX, INVALID, || unsafe { ResumeThread(stale) });
    // SAFETY: the routine ignores its argument.
    fails_with(0, INVALID, || unsafe {
        QueueUserAPC(Some(never), stale, 0)
    });
    FILE_FUNCTIONS
        .iter()
        .for_each(|call| fails_with(FALSE, INVALID, || call(stale)));
}

/// Null where a function must read or call is refused; null where it would write does no harm.
/// Source: the functions' own pages (Windows faults in most of these cases).
#[test]
fn null_pointers_do_no_harm() {
    let _watch = watch();
    linux_only("Windows faults on these null pointers", || {
        let thread = current_thread();
        let (overlapped, mut bytes) = (OVERLAPPED::default(), 0);
        // SAFETY: each pointer is null or lives through the call.
        unsafe {
            assert_eq!(QueueUserAPC(None, thread.raw(), 0), 0);
            assert!(CreateThread(null(), 0, None, null(), 0, null_mut()).is_null());
            assert_eq!(WaitForMultipleObjects(1, null(), FALSE, 0), WAIT_FAILED);
            assert_eq!(
                GetOverlappedResult(thread.raw(), null(), &mut bytes, FALSE),
                FALSE
            );
            GetOverlappedResult(thread.raw(), &overlapped, null_mut(), FALSE);
            GetExitCodeThread(thread.raw(), null_mut());
        }
        assert_eq!(sleep_alertable(0), 0, "no APC was queued");
    });
}

/// A stale handle stays stale when new objects are created: it does not come to mean one of them.
/// Source: CloseHandle, remarks: the handle is invalidated.
#[test]
fn stale_handle_never_means_a_new_object() {
    let _watch = watch();
    linux_only(
        "Windows gives the value of a closed handle to the next object",
        || {
            let stale = Event::manual();
            stale.close();
            for _ in 0..5_000 {
                let fresh = Event::manual();
                fails_with(FALSE, ERROR_INVALID_HANDLE, || set_event(stale.raw()));
                assert!(!fresh.wait(0));
            }
        },
    );
}

/// What is created and closed leaves nothing behind.
/// Source: CloseHandle, remarks: the object is removed with its last handle.
#[test]
fn nothing_is_left_behind() {
    let _watch = watch();
    in_own_process(|| {
        let before = observe::counts();
        for number in 0..1_000 {
            let (event, port) = (Event::auto(), Port::new(0));
            let _copies = (event.duplicate(), port.duplicate(), current_thread());
            port.post(packet(number, 0, 0));
        }
        for _ in 0..50 {
            let (thread, _) = create_thread(0, || 0);
            assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
            spawn(|| ()).join();
        }
        assert_eq!(observe::counts(), before);
    });
}

/// Threads that create, use and close objects of their own at the same time never meet each other's.
/// Source: Handles and Objects.
#[test]
fn threads_do_not_meet_each_others_handles() {
    const THREADS: u64 = 4;
    const EACH: u32 = 500;
    let _watch = watch();
    let seed = seed();
    let churn = |number| {
        let mut random = Random::new(seed, number);
        spawn(move || {
            let mut kept = Vec::new();
            for round in 0..EACH {
                let (event, port) = (Event::manual(), Port::new(0));
                port.post(packet(round, number as usize, 0));
                event.set();
                kept.push((round, event, port));
                if random.one_in(2) {
                    let chosen = random.below(kept.len() as u64) as usize;
                    let (round, event, port) = kept.swap_remove(chosen);
                    assert!(event.wait(0));
                    assert_eq!(
                        port.take(0),
                        Taken::Packet(packet(round, number as usize, 0))
                    );
                    assert_eq!(port.take(0), TIMED_OUT);
                }
            }
        })
    };
    join_all((0..THREADS).map(churn).collect::<Vec<_>>());
}
