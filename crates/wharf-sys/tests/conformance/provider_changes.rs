//! WSAProviderConfigChange: waiting for a change of the catalog of providers, which nobody here makes.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x99;

/// Why Wine cannot judge these tests.
const STUB: &str = "has the function only by name";

/// WSAProviderConfigChange with the handle in `handle`.
fn wait_for_change(
    handle: &mut HANDLE,
    request: Option<&Request>,
    routine: Routine,
) -> Result<(), WSA_ERROR> {
    let overlapped = request.map_or(null_mut(), Request::overlapped);
    // SAFETY: the handle is valid for writes; the OVERLAPPED outlives the wait in these tests.
    let result = check(unsafe { WSAProviderConfigChange(handle, overlapped, routine) });
    if let Some(request) = request {
        let answer = match result {
            Err(WSA_IO_PENDING) => PENDING,
            Err(error) => Err(error),
            Ok(()) => done(0),
        };
        let _ = request.note(answer); // it is told by `result`
    }
    result
}

/// The handle that the first call gives.
fn notification() -> Handle {
    startup();
    let mut handle = null_mut();
    assert_eq!(wait_for_change(&mut handle, None, None), Ok(()));
    assert_eq!(wsa_error(), 0);
    Handle::own(handle)
}

/// Begins a wait, which pends.
#[track_caller]
fn begin(handle: &Handle, request: &Request, routine: Routine) {
    let mut raw = handle.raw();
    let answer = wait_for_change(&mut raw, Some(request), routine);
    assert_eq!(answer, Err(WSA_IO_PENDING));
    assert_eq!(raw, handle.raw(), "the handle stays as it is");
    assert!(request.has_status(STATUS_PENDING));
}

fn cancel(handle: &Handle, request: Option<&Request>) -> Result<(), u32> {
    let overlapped = request.map_or(null(), |request| request.overlapped().cast_const());
    // SAFETY: the pointer only identifies the operation.
    check_bool(unsafe { CancelIoEx(handle.raw(), overlapped) })
}

/// The first call, with a null handle, is done at once and gives a handle; each one another, which CloseHandle closes.
/// Source: WSAProviderConfigChange, lpNotificationHandle and remarks.
#[test]
fn first_call_gives_a_handle() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let (one, other) = (notification(), notification());
        assert_ne!(one.raw(), other.raw());
        let request = Request::new(0);
        request.mark_status(7, 8);
        let mut third = null_mut();
        let answer = wait_for_change(&mut third, Some(&request), None);
        assert_eq!(answer, Ok(()), "at once with an OVERLAPPED too");
        assert_eq!((request.internal(), request.internal_high()), (7, 8));
        Handle::own(third).close();
        one.close();
        other.close();
    });
}

/// What is no notification handle is refused; so is no place for one.
/// Source: WSAProviderConfigChange, WSA_INVALID_HANDLE.
#[test]
fn waiting_needs_a_notification_handle() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        startup();
        let event = Event::manual();
        let socket = Socket::tcp(Family::V4);
        let request = Request::new(0);
        for mut handle in [GARBAGE_HANDLE, event.raw(), socket.handle()] {
            for request in [None, Some(&request)] {
                let answer = wait_for_change(&mut handle, request, None);
                assert_eq!(answer, Err(WSA_INVALID_HANDLE));
            }
        }
    });
    linux_only("Windows has an access violation", || {
        startup();
        // SAFETY: nulls are allowed here.
        let answer = check(unsafe { WSAProviderConfigChange(null_mut(), null_mut(), None) });
        assert_eq!(answer, Err(WSAEFAULT));
    });
}

/// Later calls pend, several at a time, until the handle is closed; then they have failed, as aborted.
/// Source: WSAProviderConfigChange, WSA_IO_PENDING and remarks.
#[test]
fn later_calls_pend_until_the_handle_is_closed() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        let events = [Event::manual(), Event::manual()];
        let requests = [0, 1].map(|index| Request::new(0).with_event(events[index].raw()));
        events[0].set(); // the call resets it
        for request in &requests {
            begin(&handle, request, None);
        }
        for (event, request) in events.iter().zip(&requests) {
            assert!(!event.wait(QUIET_MS));
            assert_eq!(
                request.result(handle.raw(), false),
                Err(ERROR_IO_INCOMPLETE)
            );
        }
        let copy = handle.duplicate();
        handle.close();
        assert!(!events[0].wait(0), "the copy keeps it open");
        copy.close();
        for (event, request) in events.iter().zip(&requests) {
            assert!(event.wait(DEADLINE_MS));
            assert!(request.has_status(STATUS_CANCELLED));
            assert_eq!(
                request.result(null_mut(), false),
                Err(ERROR_OPERATION_ABORTED)
            );
        }
    });
}

/// CancelIoEx ends one wait or all of them, CancelIo those of the calling thread.
/// Source: CancelIo; CancelIoEx; WSAProviderConfigChange: "like any regular operating system handle".
#[test]
fn waits_are_cancelled() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        assert_eq!(cancel(&handle, None), Err(ERROR_NOT_FOUND));
        let requests = [(); 3].map(|()| Request::new(0));
        for request in &requests {
            begin(&handle, request, None);
        }
        assert_eq!(cancel(&handle, Some(&requests[1])), Ok(()));
        assert_eq!(cancel(&handle, Some(&requests[1])), Err(ERROR_NOT_FOUND));
        let pending = requests.each_ref().map(|request| !request.is_finished());
        assert_eq!(pending, [true, false, true]);

        let of_another = handle.clone();
        let other = spawn(move || {
            // SAFETY: takes no pointers.
            check_bool(unsafe { CancelIo(of_another.raw()) })
        });
        assert_eq!(other.join(), Ok(()));
        assert!(!requests[0].is_finished(), "it is another thread's");
        // SAFETY: takes no pointers.
        assert_eq!(check_bool(unsafe { CancelIo(handle.raw()) }), Ok(()));
        assert!(
            requests
                .iter()
                .all(|request| request.has_status(STATUS_CANCELLED))
        );
        begin(&handle, &requests[0], None);
        assert_eq!(cancel(&handle, None), Ok(()));
        assert!(requests[0].has_status(STATUS_CANCELLED));
    });
}

/// Without an event the handle itself is signalled, and a wait for the result ends.
/// Source: OVERLAPPED, hEvent; GetOverlappedResult, bWait.
#[test]
fn handle_is_signalled_without_an_event() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        let request = Request::new(0);
        begin(&handle, &request, None);
        assert_eq!(wait(handle.raw(), 0), WAIT_TIMEOUT);
        let (waited_for, of_another) = (std::sync::Arc::new(request), handle.clone());
        let request = waited_for.clone();
        let waiter = spawn(move || waited_for.result(of_another.raw(), true));
        waiter.until_waits();
        assert_eq!(cancel(&handle, None), Ok(()));
        assert_eq!(waiter.join(), Err(ERROR_OPERATION_ABORTED));
        assert_eq!(wait(handle.raw(), 0), WAIT_OBJECT_0);
        begin(&handle, &request, None);
        assert_eq!(wait(handle.raw(), 0), WAIT_TIMEOUT, "a new wait resets it");
        assert_eq!(cancel(&handle, None), Ok(()));
    });
}

/// A completion routine runs in an alertable wait of the thread that issued the call, with WSA_OPERATION_ABORTED.
/// Source: WSAProviderConfigChange, lpCompletionRoutine.
#[test]
fn routine_runs_when_the_wait_ends() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        let request = Request::new(0);
        begin(&handle, &request, ROUTINE);
        assert_eq!((sleep_alertable(QUIET_MS), routines_run()), (0, vec![]));
        handle.close();
        assert_eq!(routines_run(), [], "not inside the call");
        assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
        assert_eq!(
            routines_run(),
            [request.routine_failure(WSA_OPERATION_ABORTED)]
        );
    });
}

/// The handle is a file's: it is associated with a completion port, once, and its waits are told there. Routines are then
/// refused.
/// Source: CreateIoCompletionPort; WSAProviderConfigChange: "like any regular operating system handle".
#[test]
fn port_is_told_of_the_end() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        let port = Port::new(0);
        port.associate(handle.raw(), KEY);
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
            create_port(handle.raw(), port.raw(), KEY, 0)
        });
        let request = Request::new(0);
        let mut raw = handle.raw();
        assert_eq!(
            wait_for_change(&mut raw, Some(&request), ROUTINE),
            Err(WSAEINVAL)
        );
        begin(&handle, &request, None);
        assert_eq!(port.take(0), TIMED_OUT);
        handle.close();
        assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    });
}

/// Without an OVERLAPPED the call blocks, and APCs run meanwhile; closing the handle ends it.
/// Source: WSAProviderConfigChange, remarks ("blocking or overlapped I/O").
#[test]
fn call_without_overlapped_blocks() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        let raw = handle.raw() as usize;
        let waiter = spawn(move || wait_for_change(&mut (raw as HANDLE), None, ROUTINE));
        waiter.until_waits();
        let ran = Event::manual();
        let is_run = ran.clone();
        assert_ne!(
            queue_apc(waiter.handle().raw(), move || {
                is_run.set();
            }),
            0
        );
        assert!(ran.wait(DEADLINE_MS));
        waiter.until_waits();
        handle.close();
        assert_eq!(waiter.join(), Err(WSA_OPERATION_ABORTED));
    });
}

/// With the thread that began them waits end, but for those that a port is told of.
/// Source: ExitThread; CancelIo: "All I/O initiated by a given thread is canceled when that thread exits".
#[test]
fn waits_end_with_their_thread() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let handle = notification();
        let event = Event::manual();
        let request = Request::new(0).with_event(event.raw());
        let of_another = handle.clone();
        let beginner = spawn(move || {
            begin(&of_another, &request, None);
            request
        });
        let request = beginner.join();
        assert!(event.wait(DEADLINE_MS));
        assert!(request.has_status(STATUS_CANCELLED));

        let port = Port::new(0);
        port.associate(handle.raw(), KEY);
        let of_another = handle.clone();
        let beginner = spawn(move || {
            let request = Request::new(0);
            begin(&of_another, &request, None);
            request
        });
        let thread = beginner.handle().clone();
        let request = beginner.join();
        assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
        assert!(!request.is_finished());
        handle.close();
        assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    });
}
