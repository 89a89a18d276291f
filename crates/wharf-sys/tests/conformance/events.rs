//! Event objects, by the Win32 names and by Winsock's.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::startup;

/// A name no other test and no other run uses, in both character sets, with a terminating zero.
fn unique_name(test: &str) -> (Vec<u8>, Vec<u16>) {
    let name = format!("wharf-{}-{test}\0", std::process::id());
    (name.clone().into_bytes(), name.encode_utf16().collect())
}

fn create_named(manual_reset: BOOL, signalled: BOOL, name: &[u16]) -> HANDLE {
    // SAFETY: the name ends with a zero.
    unsafe { CreateEventW(null(), manual_reset, signalled, name.as_ptr()) }
}

/// The two flags decide kind and first state, for both character sets.
/// Source: CreateEventW, CreateEventA, bManualReset and bInitialState.
#[test]
fn flags_decide_kind_and_state() {
    let _watch = watch();
    for (manual_reset, signalled) in [(FALSE, FALSE), (FALSE, TRUE), (TRUE, FALSE), (TRUE, TRUE)] {
        // SAFETY: no attributes, no name.
        let ansi = unsafe { CreateEventA(null(), manual_reset, signalled, null()) };
        for event in [
            Handle::own(create_event(manual_reset, signalled)),
            Handle::own(ansi),
        ] {
            assert_eq!(wait(event.raw(), 0) == WAIT_OBJECT_0, signalled == TRUE);
            assert_eq!(set_event(event.raw()), TRUE);
            assert_eq!(wait(event.raw(), 0), WAIT_OBJECT_0);
            assert_eq!(wait(event.raw(), 0) == WAIT_OBJECT_0, manual_reset == TRUE);
        }
    }
}

/// Any non-zero flag is true.
/// Source: BOOL, "Windows Data Types".
#[test]
fn any_nonzero_flag_is_true() {
    let _watch = watch();
    let event = Handle::own(create_event(2, -1));
    assert_eq!(
        [wait(event.raw(), 0), wait(event.raw(), 0)],
        [WAIT_OBJECT_0; 2]
    );
}

/// Setting twice with nobody waiting is setting once.
/// Source: SetEvent, remarks: setting an event that is already set has no effect.
#[test]
fn signals_do_not_add_up() {
    let _watch = watch();
    let event = Event::auto();
    event.set();
    event.set();
    assert!(event.wait(0));
    assert!(!event.wait(0));
}

/// Resetting takes a signal back; resetting twice is resetting once.
/// Source: ResetEvent.
#[test]
fn reset_takes_the_signal_back() {
    let _watch = watch();
    for event in [Event::auto(), Event::manual()] {
        event.set();
        event.reset();
        event.reset();
        assert!(!event.wait(0));
    }
}

/// An auto-reset event releases one waiter per signal.
/// Source: SetEvent, remarks.
#[test]
fn auto_reset_event_releases_one_waiter() {
    const WAITERS: usize = 3;
    let _watch = watch();
    let (event, back) = (Event::auto(), Port::new(0));
    let waiters = (0..WAITERS).map(|_| {
        let (event, back) = (event.clone(), back.clone());
        let waiter = spawn(move || {
            assert!(event.wait(DEADLINE_MS));
            back.post(packet(0, 0, 0));
        });
        waiter.until_waits();
        waiter
    });
    let waiters: Vec<_> = waiters.collect();
    for _ in 0..WAITERS {
        assert_eq!(back.take(SHORT_MS), TIMED_OUT);
        event.set();
        back.take_packet();
    }
    join_all(waiters);
    assert!(!event.wait(0));
}

/// A manual-reset event releases every waiter and stays signalled.
/// Source: SetEvent, remarks.
#[test]
fn manual_reset_event_releases_all_waiters() {
    let _watch = watch();
    let event = Event::manual();
    let waiters = (0..4).map(|_| {
        let event = event.clone();
        let waiter = spawn(move || event.wait(INFINITE));
        waiter.until_waits();
        waiter
    });
    let waiters: Vec<_> = waiters.collect();
    event.set();
    assert_eq!(join_all(waiters), [true; 4]);
    assert!(event.wait(0));
}

/// Waiters released by a manual-reset event stay released, even if it is reset at once.
/// Source: SetEvent, remarks: all waiting threads are released.
#[test]
fn reset_does_not_catch_released_waiters() {
    let _watch = watch();
    not_under_wine(CANNOT_TELL, || {
        let event = Event::manual();
        for _ in 0..20 {
            let waiter = spawn({
                let event = event.clone();
                move || event.wait(DEADLINE_MS)
            });
            waiter.until_waits();
            event.set();
            event.reset();
            assert!(waiter.join());
        }
    });
}

/// Setting and resetting need an event.
/// Source: SetEvent, ResetEvent, hEvent.
#[test]
fn set_and_reset_need_an_event() {
    let _watch = watch();
    let (port, thread) = (Port::new(0), current_thread());
    for handle in [
        null_mut(),
        INVALID_HANDLE_VALUE,
        GARBAGE_HANDLE,
        port.raw(),
        thread.raw(),
    ] {
        fails_with(FALSE, ERROR_INVALID_HANDLE, || set_event(handle));
        fails_with(FALSE, ERROR_INVALID_HANDLE, || reset_event(handle));
    }
}

/// Setting, resetting and an auto-reset wait leave the last error alone.
/// Source: GetLastError: set by functions that fail.
#[test]
fn set_and_reset_leave_the_last_error_alone() {
    let _watch = watch();
    let event = Event::auto();
    leaves_last_error(|| event.set());
    leaves_last_error(|| event.reset());
}

/// A name that exists gives the same event, says ERROR_ALREADY_EXISTS, and ignores the flags; a new name
/// sets the last error to 0.
/// Source: CreateEventW, lpName and return value.
#[test]
fn existing_name_gives_the_same_event() {
    let _watch = watch();
    let (_, name) = unique_name("existing");
    set_last_error(UNTOUCHED);
    let first = Handle::own(create_named(FALSE, FALSE, &name));
    assert_eq!(last_error(), ERROR_SUCCESS);
    let second = Handle::own(create_named(TRUE, TRUE, &name));
    assert_eq!(last_error(), ERROR_ALREADY_EXISTS);
    assert_ne!(first.raw(), second.raw());
    assert_eq!(
        wait(second.raw(), 0),
        WAIT_TIMEOUT,
        "the first state is that of the first creation"
    );
    assert_eq!(set_event(second.raw()), TRUE);
    assert_eq!(wait(first.raw(), 0), WAIT_OBJECT_0);
    assert_eq!(
        wait(second.raw(), 0),
        WAIT_TIMEOUT,
        "it is the auto-reset event of the first creation"
    );
}

/// Both character sets share one space of names.
/// Source: CreateEventA, CreateEventW, lpName.
#[test]
fn names_are_shared_between_character_sets() {
    let _watch = watch();
    let (ansi, wide) = unique_name("shared");
    let first = Handle::own(create_named(TRUE, FALSE, &wide));
    set_last_error(UNTOUCHED);
    // SAFETY: the name ends with a zero.
    let second = Handle::own(unsafe { CreateEventA(null(), TRUE, FALSE, ansi.as_ptr()) });
    assert_eq!(last_error(), ERROR_ALREADY_EXISTS);
    assert_eq!(set_event(second.raw()), TRUE);
    assert_eq!(wait(first.raw(), 0), WAIT_OBJECT_0);
}

/// A name is free again when the last handle of its event is closed.
/// Source: CreateEventW, remarks: the object is destroyed with its last handle.
#[test]
fn name_is_free_after_the_last_close() {
    let _watch = watch();
    let (_, name) = unique_name("free");
    let first = Handle::own(create_named(TRUE, TRUE, &name));
    let second = Handle::own(create_named(TRUE, TRUE, &name));
    first.close();
    assert_eq!(wait(second.raw(), 0), WAIT_OBJECT_0);
    second.close();
    set_last_error(UNTOUCHED);
    let fresh = Handle::own(create_named(TRUE, FALSE, &name));
    assert_eq!(last_error(), ERROR_SUCCESS);
    assert_eq!(wait(fresh.raw(), 0), WAIT_TIMEOUT);
}

// ---------------------------------------------------------------------------------------------------------
// Winsock's names
// ---------------------------------------------------------------------------------------------------------

fn wsa_create_event() -> HANDLE {
    // SAFETY: no preconditions.
    unsafe { WSACreateEvent() as HANDLE }
}

fn wsa_set_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WSASetEvent(event as WSAEVENT) }
}

fn wsa_reset_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WSAResetEvent(event as WSAEVENT) }
}

fn wsa_close_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WSACloseEvent(event as WSAEVENT) }
}

fn wsa_wait(handles: &[HANDLE], all: BOOL, timeout_ms: u32, alertable: BOOL) -> WAIT_EVENT {
    // SAFETY: the array has that many handles.
    unsafe {
        WSAWaitForMultipleEvents(
            handles.len() as u32,
            handles.as_ptr(),
            all,
            timeout_ms,
            alertable,
        )
    }
}

/// Winsock's event is a manual-reset event, not signalled, that the Win32 functions know, and works
/// without WSAStartup.
/// Source: WSACreateEvent, remarks.
#[test]
fn winsock_event_is_a_manual_reset_event() {
    let _watch = watch();
    let event = Handle::own(wsa_create_event());
    assert_eq!(wait(event.raw(), 0), WAIT_TIMEOUT);
    assert_eq!(wsa_set_event(event.raw()), TRUE);
    assert_eq!(
        [wait(event.raw(), 0), wait(event.raw(), 0)],
        [WAIT_OBJECT_0; 2]
    );
    assert_eq!(wsa_reset_event(event.raw()), TRUE);
    assert_eq!(wait(event.raw(), 0), WAIT_TIMEOUT);
}

/// Closing by Winsock's name closes the handle.
/// Source: WSACloseEvent.
#[test]
fn winsock_closes_an_event() {
    let _watch = watch();
    in_own_process(|| {
        let event = wsa_create_event();
        assert_eq!(wsa_close_event(event), TRUE);
        fails_with(FALSE, ERROR_INVALID_HANDLE, || wsa_close_event(event));
        fails_with(FALSE, ERROR_INVALID_HANDLE, || set_event(event));
    });
}

/// Winsock's event functions answer WSA_INVALID_HANDLE for what is no handle.
/// Source: WSASetEvent, WSAResetEvent, WSACloseEvent, WSAWaitForMultipleEvents, error codes.
#[test]
fn winsock_event_functions_need_an_event() {
    let _watch = watch();
    let code = WSA_INVALID_HANDLE as u32;
    for handle in [null_mut(), GARBAGE_HANDLE] {
        fails_with(FALSE, code, || wsa_set_event(handle));
        fails_with(FALSE, code, || wsa_reset_event(handle));
        fails_with(FALSE, code, || wsa_close_event(handle));
        fails_with(WAIT_FAILED, code, || wsa_wait(&[handle], FALSE, 0, FALSE));
    }
}

/// Winsock's wait answers as WaitForMultipleObjectsEx does: the lowest signalled index, all, a time-out.
/// Source: WSAWaitForMultipleEvents, return value.
#[test]
fn winsock_wait_is_the_wait_for_several_objects() {
    let _watch = watch();
    let events: [Handle; 3] = std::array::from_fn(|_| Handle::own(wsa_create_event()));
    let handles = [events[0].raw(), events[1].raw(), events[2].raw()];
    assert_eq!(wsa_wait(&handles, FALSE, 0, FALSE), WAIT_TIMEOUT);
    assert_eq!(wsa_wait(&handles, TRUE, SHORT_MS, FALSE), WAIT_TIMEOUT);
    set_event(handles[2]);
    assert_eq!(
        wsa_wait(&handles, FALSE, WSA_INFINITE, FALSE),
        WAIT_OBJECT_0 + 2
    );
    set_event(handles[1]);
    assert_eq!(
        wsa_wait(&handles, FALSE, WSA_INFINITE, FALSE),
        WAIT_OBJECT_0 + 1
    );
    assert_eq!(wsa_wait(&handles, TRUE, 0, FALSE), WAIT_TIMEOUT);
    set_event(handles[0]);
    assert_eq!(wsa_wait(&handles, TRUE, WSA_INFINITE, FALSE), WAIT_OBJECT_0);
}

/// Winsock's wait runs APCs when alertable, and only then.
/// Source: WSAWaitForMultipleEvents, fAlertable.
#[test]
fn winsock_wait_can_be_alertable() {
    let _watch = watch();
    let event = Handle::own(wsa_create_event());
    assert_ne!(queue_apc(current_thread().raw(), || ()), 0);
    assert_eq!(
        wsa_wait(&[event.raw()], FALSE, SHORT_MS, FALSE),
        WAIT_TIMEOUT
    );
    assert_eq!(
        wsa_wait(&[event.raw()], FALSE, WSA_INFINITE, TRUE),
        WAIT_IO_COMPLETION
    );
}

/// No event, or more than 64, is refused.
/// Source: WSAWaitForMultipleEvents, cEvents and WSA_MAXIMUM_WAIT_EVENTS.
#[test]
fn winsock_wait_takes_1_to_64_events() {
    let _watch = watch();
    let event = Handle::own(wsa_create_event());
    let too_many = [event.raw(); WSA_MAXIMUM_WAIT_EVENTS as usize + 1];
    for handles in [&[], &too_many[..]] {
        fails_with(WAIT_FAILED, WSA_INVALID_PARAMETER as u32, || {
            wsa_wait(handles, FALSE, 0, FALSE)
        });
    }
}

/// As every function of Winsock that succeeds, those of events set the last error to 0.
/// Source: WSAGetLastError; what Windows does for the functions that move data, taken for all of them.
#[test]
fn winsock_event_functions_clear_the_last_error() {
    let _watch = watch();
    differs_under_wine("leaves it alone", || {
        startup();
        let mut left = Vec::new();
        let mut note = |name: &'static str| {
            if last_error() != 0 {
                left.push(name);
            }
        };
        // SAFETY: takes no pointers.
        unsafe {
            set_last_error(UNTOUCHED);
            let event = WSACreateEvent();
            note("WSACreateEvent");
            set_last_error(UNTOUCHED);
            assert_eq!(WSASetEvent(event), TRUE);
            note("WSASetEvent");
            set_last_error(UNTOUCHED);
            assert_eq!(WSAResetEvent(event), TRUE);
            note("WSAResetEvent");
            set_last_error(UNTOUCHED);
            assert_eq!(WSACloseEvent(event), TRUE);
            note("WSACloseEvent");
        }
        assert_eq!(left, [""; 0]);
    });
}
