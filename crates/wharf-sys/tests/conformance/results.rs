//! WSAGetOverlappedResult, GetOverlappedResult and GetOverlappedResultEx: what an operation came to.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

/// WSAGetOverlappedResult on a pending operation: WSA_IO_INCOMPLETE, nothing written.
/// Source: WSAGetOverlappedResult, fWait FALSE.
#[test]
fn wsa_result_of_a_pending_operation() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    let (mut transferred, mut flags) = (77, 78);
    // SAFETY: all pointers are valid.
    let result = unsafe {
        let overlapped = request.overlapped();
        WSAGetOverlappedResult(
            pair.server.0,
            overlapped,
            &mut transferred,
            FALSE,
            &mut flags,
        )
    };
    assert_eq!((result, wsa_error()), (FALSE, WSA_IO_INCOMPLETE));
    assert_eq!((transferred, flags), (77, 78));
}

/// WSAGetOverlappedResult on a failed operation writes the byte count and leaves the flags alone.
/// Source: WSAGetOverlappedResult; validated on Windows.
#[test]
fn wsa_result_of_a_failed_operation() {
    let _watch = watch();
    differs_under_wine("clears the flags", || {
        let pair = connected_pair(Family::V4);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.client.reset();
        request.until_finished();
        let (mut transferred, mut flags) = (77, 78);
        // SAFETY: all pointers are valid.
        let result = unsafe {
            let overlapped = request.overlapped();
            WSAGetOverlappedResult(
                pair.server.0,
                overlapped,
                &mut transferred,
                FALSE,
                &mut flags,
            )
        };
        assert_eq!((result, wsa_error()), (FALSE, WSAECONNRESET));
        assert_eq!((transferred, flags), (0, 78));
    });
}

/// A finished result can be read again and again, and sets the last error to 0.
/// Source: WSAGetOverlappedResult.
#[test]
fn wsa_result_is_idempotent() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::from_data(b"abc");
    assert_eq!(pair.server.send_request(&request), done(3));
    for wait in [false, true, false] {
        set_last_error(UNTOUCHED);
        assert_eq!(pair.server.result(&request, wait), Ok((3, 0)));
        assert_eq!(last_error(), 0);
    }
}

/// With fWait the call waits for hEvent, or for the socket handle when there is none.
/// Source: WSAGetOverlappedResult, fWait; GetOverlappedResult, bWait.
#[test]
fn results_can_be_waited_for() {
    let _watch = watch();
    for with_event in [false, true] {
        for winsock in [false, true] {
            let pair = connected_pair(Family::V4);
            let server = *pair.server;
            let posted = Event::manual();
            let is_posted = posted.clone();
            let waiter = spawn(move || {
                let event = Event::manual();
                let request = Request::new(4);
                let request = if with_event {
                    request.with_event(event.raw())
                } else {
                    request
                };
                assert_eq!(server.receive(&request), PENDING);
                is_posted.set();
                match winsock {
                    true => server.result(&request, true).map_err(|error| error as u32),
                    false => request
                        .result(server.handle(), true)
                        .map(|bytes| (bytes, 0)),
                }
            });
            assert!(posted.wait(DEADLINE_MS));
            waiter.until_waits();
            pair.client.send_all(b"abc");
            assert_eq!(
                waiter.join(),
                Ok((3, 0)),
                "event {with_event}, winsock {winsock}"
            );
        }
    }
}

/// WSAGetOverlappedResult looks at the socket first: a closed one is WSAENOTSOCK even for a finished
/// operation, where GetOverlappedResult does not look at the handle at all.
/// Source: WSAGetOverlappedResult, WSAENOTSOCK; GetOverlappedResult; validated on Windows.
#[test]
fn results_after_the_socket_was_closed() {
    let _watch = watch();
    in_own_process(|| {
        let pair = connected_pair(Family::V4);
        let request = Request::from_data(b"abc");
        assert_eq!(pair.server.send_request(&request), done(3));
        let raw = pair.server.into_raw();
        assert_eq!(raw.close(), Ok(()));
        assert_eq!(raw.result(&request, false), Err(WSAENOTSOCK));
        assert_eq!(request.result(raw.handle(), false), Ok(3));
        assert_eq!(request.result(null_mut(), false), Ok(3));
    });
}

/// A handle that DuplicateHandle made is no socket for winsock.
/// Source: WSAGetOverlappedResult, WSAENOTSOCK; validated on Windows.
#[test]
fn wsa_result_refuses_duplicated_handles() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let copy = pair.server.duplicate();
    let request = Request::from_data(b"abc");
    assert_eq!(pair.server.send_request(&request), done(3));
    assert_eq!(
        Raw(copy.raw() as SOCKET).result(&request, false),
        Err(WSAENOTSOCK)
    );
}

/// Waiting with an event handle that is none: WSA_INVALID_HANDLE.
/// Source: WSAGetOverlappedResult, WSA_INVALID_HANDLE.
#[test]
fn wsa_result_checks_the_event() {
    let _watch = watch();
    in_own_process(|| {
        let pair = connected_pair(Family::V4);
        let event = Event::manual();
        let request = Request::new(4).with_event(event.raw());
        assert_eq!(pair.server.receive(&request), PENDING);
        event.close();
        assert_eq!(pair.server.result(&request, true), Err(WSA_INVALID_HANDLE));
    });
}

/// Null arguments of WSAGetOverlappedResult.
/// Source: WSAGetOverlappedResult, WSAEFAULT (Windows itself faults since Vista).
#[test]
fn wsa_result_with_null_arguments() {
    let _watch = watch();
    linux_only("it is an access violation there", || {
        let pair = connected_pair(Family::V4);
        let request = Request::from_data(b"abc");
        assert_eq!(pair.server.send_request(&request), done(3));
        let (mut transferred, mut flags) = (0, 0);
        let overlapped = request.overlapped();
        let cases = [
            (null_mut(), &raw mut transferred, &raw mut flags),
            (overlapped, null_mut(), &raw mut flags),
            (overlapped, &raw mut transferred, null_mut()),
        ];
        for (overlapped, transferred, flags) in cases {
            // SAFETY: pointers are valid or null, which is what is tested.
            let result = unsafe {
                WSAGetOverlappedResult(pair.server.0, overlapped, transferred, FALSE, flags)
            };
            assert_eq!((result, wsa_error()), (FALSE, WSAEFAULT));
        }
    });
}

/// GetOverlappedResult on a pending operation: ERROR_IO_INCOMPLETE, nothing written.
/// Source: GetOverlappedResult, bWait FALSE.
#[test]
fn win32_result_of_a_pending_operation() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    let mut transferred = 77;
    // SAFETY: all pointers are valid.
    let result = unsafe {
        let overlapped = request.overlapped();
        GetOverlappedResult(pair.server.handle(), overlapped, &mut transferred, FALSE)
    };
    assert_eq!((result, last_error()), (FALSE, ERROR_IO_INCOMPLETE));
    assert_eq!(transferred, 77);
}

/// GetOverlappedResult on a failed operation writes the byte count too.
/// Source: GetOverlappedResult; validated on Windows.
#[test]
fn win32_result_of_a_failed_operation() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.reset();
    request.until_finished();
    let mut transferred = 77;
    // SAFETY: all pointers are valid.
    let result = unsafe {
        let overlapped = request.overlapped();
        GetOverlappedResult(pair.server.handle(), overlapped, &mut transferred, FALSE)
    };
    assert_eq!((result, last_error()), (FALSE, ERROR_NETNAME_DELETED));
    assert_eq!(transferred, 0);
}

/// GetOverlappedResultEx: 996 for a poll, WAIT_TIMEOUT when the time passed, WAIT_IO_COMPLETION when an APC
/// ran; the operation goes on.
/// Source: GetOverlappedResultEx.
#[test]
fn win32_result_with_a_time_limit() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    let result = |timeout_ms, alertable| {
        let mut transferred = 77;
        // SAFETY: all pointers are valid.
        let result = unsafe {
            let (handle, overlapped) = (pair.server.handle(), request.overlapped());
            GetOverlappedResultEx(handle, overlapped, &mut transferred, timeout_ms, alertable)
        };
        check_bool(result).map(|()| transferred)
    };
    assert_eq!(result(0, FALSE), Err(ERROR_IO_INCOMPLETE));
    assert_eq!(result(SHORT_MS, FALSE), Err(WAIT_TIMEOUT));
    assert_ne!(queue_apc(current_thread().raw(), || {}), 0);
    assert_eq!(result(DEADLINE_MS, TRUE), Err(WAIT_IO_COMPLETION));
    pair.client.send_all(b"abc");
    assert_eq!(result(DEADLINE_MS, TRUE), Ok(3));
}

/// Reading the result of an operation on a port does not take its packet.
/// Source: GetOverlappedResult and GetQueuedCompletionStatus.
#[test]
fn reading_the_result_leaves_the_packet() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::from_data(b"abc");
    assert_eq!(pair.server.send_request(&request), done(3));
    assert_eq!(request.result(pair.server.handle(), false), Ok(3));
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// The event ends the wait: an operation that is still marked as pending by then counts as a success of what InternalHigh says.
/// Source: WSAGetOverlappedResult, fWait and hEvent; validated on Windows.
#[test]
fn signalled_event_is_a_result() {
    let _watch = watch();
    let (socket, event) = (Socket::tcp(Family::V4), Event::manual());
    let request = Request::new(0).with_event(event.raw());
    request.mark_status(STATUS_PENDING as usize, 7);
    assert_eq!(socket.result(&request, false), Err(WSA_IO_INCOMPLETE));
    event.set();
    assert_eq!(socket.result(&request, false), Err(WSA_IO_INCOMPLETE));
    assert_eq!(socket.result(&request, true), Ok((7, 0)));
}

/// Any socket will do for the handle, but it must be one; the failure is that of the status block.
/// Source: WSAGetOverlappedResult, WSAENOTSOCK; validated on Windows.
#[test]
fn handle_is_only_looked_up() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let request = Request::new(0);
    request.mark_status(STATUS_CONNECTION_RESET as u32 as usize, 3);
    assert_eq!(socket.result(&request, true), Err(WSAECONNRESET));
    request.mark_status(STATUS_SUCCESS as usize, 3);
    assert_eq!(socket.result(&request, true), Ok((3, 0)));
    let event = Event::manual();
    for no_socket in [GARBAGE_HANDLE, event.raw()] {
        let result = Raw(no_socket as SOCKET).result(&request, true);
        assert_eq!(result, Err(WSAENOTSOCK));
    }
}
