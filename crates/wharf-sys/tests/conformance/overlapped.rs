//! Overlapped WSARecv and WSASend: the three answers, what each leaves behind, and which calls are refused.

use std::ptr::{self, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

/// Low bit of hEvent: signal the event, queue no packet.
pub fn without_packet(event: &Event) -> HANDLE {
    (event.raw() as usize | 1) as HANDLE
}

// --- The three answers -----------------------------------------------------------------------------

/// A receive that finds data is done at once, and still queues its packet.
/// Source: WSARecv, Overlapped Socket I/O (a completion is announced also after immediate success).
#[test]
fn immediate_success_still_queues_a_packet() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let port = port_of(*pair.server, KEY);
        pair.client.send_all(b"hello");
        pair.server.until_unread(5);

        let request = Request::new(16);
        assert_eq!(pair.server.receive(&request), done(5));
        assert!(request.has_status(STATUS_SUCCESS));
        assert_eq!(request.received(), b"hello");
        assert_eq!(next(&port), request.success(KEY, 5));
        assert_empty(&port);
    }
}

/// A receive without data pends; data completes it with one packet.
/// Source: WSARecv, WSA_IO_PENDING; "I/O Completion Ports".
#[test]
fn pending_receive_completes_once_with_the_data() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(16);
        assert_eq!(pair.server.receive(&request), PENDING);
        assert!(!request.is_finished());
        assert_empty(&port);

        pair.client.send_all(b"hello");
        assert_eq!(next(&port), request.success(KEY, 5));
        assert!(request.has_status(STATUS_SUCCESS));
        assert_eq!(request.received(), b"hello");
        assert_quiet(&port);
    }
}

/// A refused call queues nothing, now or later; it leaves Internal at STATUS_PENDING and InternalHigh alone.
/// Source: WSARecv and WSASend, return value (no completion after an error); OVERLAPPED.
#[test]
fn refused_calls_are_never_reported() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let port = port_of(*socket, KEY);
    let request = Request::new(16);
    request.mark_status(7, 8);
    assert_eq!(socket.receive(&request), Err(WSAENOTCONN));
    assert_eq!(request.internal(), STATUS_PENDING as usize);
    assert_eq!(request.internal_high(), 8);
    assert_quiet(&port);
}

/// A refused WSASend queues nothing; it leaves Internal at STATUS_PENDING and InternalHigh alone.
/// Source: WSASend, WSAENOTCONN; OVERLAPPED.
#[test]
fn refused_sends_are_never_reported() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNRESET", || {
        let socket = Socket::tcp(Family::V4);
        let port = port_of(*socket, KEY);
        let request = Request::from_data(b"x");
        request.mark_status(7, 8);
        assert_eq!(socket.send_request(&request), Err(WSAENOTCONN));
        assert_eq!(request.internal(), STATUS_PENDING as usize);
        assert_eq!(request.internal_high(), 8);
        assert_quiet(&port);
    });
}

/// The byte count is written when the call is done at once, and left alone by 997 and by a refusal.
/// Source: WSARecv, lpNumberOfBytesRecvd.
#[test]
fn byte_count_is_written_only_when_done_at_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(16);
    let receive = |socket: Raw, request: &Request, received: &mut u32| {
        let mut flags = 0;
        // SAFETY: `request` outlives its operation; the rest is needed during the call.
        let result = unsafe {
            WSARecv(
                socket.0,
                &request.wsabuf(),
                1,
                received,
                &mut flags,
                request.overlapped(),
                None,
            )
        };
        request.note(answer(result, *received))
    };

    let mut received = 77;
    assert_eq!(receive(*pair.server, &request, &mut received), PENDING);
    assert_eq!(received, 77);
    pair.client.send_all(b"abc");
    request.until_finished();
    assert_eq!(received, 77);

    pair.client.send_all(b"de");
    pair.server.until_unread(2);
    assert_eq!(receive(*pair.server, &request, &mut received), done(2));
    assert_eq!(received, 2);

    received = 77;
    assert_eq!(
        receive(*Socket::tcp(Family::V4), &request, &mut received),
        Err(WSAENOTCONN)
    );
    assert_eq!(received, 77);
}

/// With an OVERLAPPED the byte count may be NULL.
/// Source: WSARecv and WSASend, lpNumberOfBytesRecvd, lpNumberOfBytesSent.
#[test]
fn byte_count_may_be_null_with_an_overlapped() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let send = Request::from_data(b"abc");
    let receive = Request::new(16);
    let mut flags = 0;
    // SAFETY: the requests outlive their operations.
    let sent = unsafe {
        WSASend(
            pair.client.0,
            &send.wsabuf(),
            1,
            null_mut(),
            0,
            send.overlapped(),
            None,
        )
    };
    assert_eq!(send.note(answer(sent, 3)), done(3));
    pair.server.until_unread(3);
    // SAFETY: as above.
    let received = unsafe {
        WSARecv(
            pair.server.0,
            &receive.wsabuf(),
            1,
            null_mut(),
            &mut flags,
            receive.overlapped(),
            None,
        )
    };
    assert_eq!(receive.note(answer(received, 3)), done(3));
    assert_eq!(receive.received(), b"abc");
}

/// Without an OVERLAPPED the byte count may not be NULL.
/// Source: WSARecv and WSASend, lpNumberOfBytesRecvd, lpNumberOfBytesSent.
#[test]
fn byte_count_may_not_be_null_without_an_overlapped() {
    let _watch = watch();
    differs_under_wine("does not look at the pointer", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"abc");
        let memory = Request::new(4);
        let mut flags = 0;
        // SAFETY: the buffer is alive; null is what is tested.
        let received = unsafe {
            WSARecv(
                pair.server.0,
                &memory.wsabuf(),
                1,
                null_mut(),
                &mut flags,
                null_mut(),
                None,
            )
        };
        assert_eq!(check(received), Err(WSAEFAULT));
        // SAFETY: as above.
        let sent = unsafe {
            WSASend(
                pair.server.0,
                &memory.wsabuf(),
                1,
                null_mut(),
                0,
                null_mut(),
                None,
            )
        };
        assert_eq!(check(sent), Err(WSAEFAULT));
        assert_eq!(pair.server.recv_exact(3), b"abc");
    });
}

/// lpFlags NULL is WSAEFAULT.
/// Source: WSARecv, WSAEFAULT.
#[test]
fn receive_without_flags_pointer_is_refused() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(16);
    let mut received = 0;
    // SAFETY: the request outlives the call; null is what is tested.
    let result = unsafe {
        let buffer = request.wsabuf();
        WSARecv(
            pair.server.0,
            &buffer,
            1,
            &mut received,
            null_mut(),
            request.overlapped(),
            None,
        )
    };
    assert_eq!(request.note(answer(result, received)), Err(WSAEFAULT));
    assert_quiet(&port);
}

/// No buffers at all is WSAEINVAL for a receive, with or without an array.
/// Source: WSARecv, dwBufferCount; validated on Windows.
#[test]
fn receive_without_buffers_is_refused() {
    let _watch = watch();
    differs_under_wine("succeeds with 0 bytes", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        pair.client.send_all(b"x");
        let request = Request::new(16);
        assert_eq!(
            pair.server.receive_into(&[], 0, &request, None),
            Err(WSAEINVAL)
        );
        let (mut received, mut flags) = (0, 0);
        // SAFETY: the request outlives the call; null is what is tested.
        let result = unsafe {
            let overlapped = request.overlapped();
            WSARecv(
                pair.server.0,
                ptr::null(),
                0,
                &mut received,
                &mut flags,
                overlapped,
                None,
            )
        };
        assert_eq!(request.note(answer(result, received)), Err(WSAEINVAL));
        assert_quiet(&port);
    });
}

/// A NULL buffer array with a count is WSAEFAULT.
/// Source: WSARecv and WSASend, WSAEFAULT.
#[test]
fn null_buffer_array_is_refused() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(16);
    let (mut transferred, mut flags) = (0, 0);
    // SAFETY: the request outlives the call; null is what is tested.
    let received = unsafe {
        let overlapped = request.overlapped();
        WSARecv(
            pair.server.0,
            ptr::null(),
            1,
            &mut transferred,
            &mut flags,
            overlapped,
            None,
        )
    };
    assert_eq!(request.note(answer(received, transferred)), Err(WSAEFAULT));
    // SAFETY: as above.
    let sent = unsafe {
        WSASend(
            pair.server.0,
            ptr::null(),
            1,
            &mut transferred,
            0,
            request.overlapped(),
            None,
        )
    };
    assert_eq!(request.note(answer(sent, transferred)), Err(WSAEFAULT));
    assert_quiet(&port);
}

/// A call with an OVERLAPPED pends on a non-blocking socket too; one without answers WSAEWOULDBLOCK.
/// Source: WSARecv, Overlapped Socket I/O (the blocking mode does not matter).
#[test]
fn overlapped_calls_ignore_the_blocking_mode() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    assert_eq!(pair.server.recv(&mut [0; 4]), Err(WSAEWOULDBLOCK));
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"ok");
    request.until_finished();
    assert_eq!(request.received(), b"ok");
}

/// Without an OVERLAPPED the call is synchronous, and its completion routine is ignored.
/// Source: WSARecv, lpOverlapped (without one the socket is treated as non-overlapped).
#[test]
fn without_overlapped_the_call_is_synchronous() {
    let _watch = watch();
    differs_under_wine("runs the routine", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"abc");
        let memory = Request::new(8);
        let (mut received, mut flags) = (0, 0);
        // SAFETY: all pointers are valid during the call.
        let result = unsafe {
            let buffer = memory.wsabuf();
            WSARecv(
                pair.server.0,
                &buffer,
                1,
                &mut received,
                &mut flags,
                null_mut(),
                ROUTINE,
            )
        };
        assert_eq!((check(result), received, flags), (Ok(()), 3, 0));
        assert_eq!(&memory.buffer()[..3], b"abc");
        assert_eq!((sleep_alertable(0), routines_run()), (0, vec![]));
    });
}

// --- Status block ----------------------------------------------------------------------------------

/// A pending call sets Internal and leaves InternalHigh and the offsets as they were; so does completion.
/// Source: OVERLAPPED, Internal and InternalHigh.
#[test]
fn pending_call_writes_only_internal() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    request.mark_status(7, 8);
    // SAFETY: nothing pends in this request.
    unsafe { (*request.overlapped()).Anonymous.Pointer = usize::MAX as *mut _ };
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_eq!(request.internal(), STATUS_PENDING as usize);
    assert_eq!(request.internal_high(), 8);
    pair.client.send_all(b"abc");
    request.until_finished();
    assert_eq!((request.internal(), request.internal_high()), (0, 3));
    // SAFETY: the request is finished; all members of the union are plain data.
    let result = unsafe { (*request.overlapped()).Anonymous.Pointer };
    assert_eq!(result as usize, usize::MAX);
}

/// The status in Internal is zero-extended to pointer size.
/// Source: OVERLAPPED, Internal; validated on Windows.
#[test]
fn failing_status_is_zero_extended() {
    let _watch = watch();
    differs_under_wine("writes four bytes of Internal", || {
        let pair = connected_pair(Family::V4);
        let request = Request::new(4);
        request.mark_status(usize::MAX, 0);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.client.reset();
        request.until_finished();
        assert_eq!(request.internal(), 0xC000_020D);
    });
}

/// Operations make progress although nobody waits for them.
/// Source: "Synchronous and Asynchronous I/O" (the system carries the operation out).
#[test]
fn operations_progress_while_nobody_waits() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let on_port = Request::new(4);
    assert_eq!(pair.server.receive(&on_port), PENDING);
    let plain = Request::new(4);
    assert_eq!(pair.client.receive(&plain), PENDING);
    pair.client.send_all(b"abc");
    pair.server.send_all(b"de");
    on_port.until_finished();
    plain.until_finished();
    assert_eq!(next(&port), on_port.success(KEY, 3));
}

// --- Handles ---------------------------------------------------------------------------------------

/// Every overlapped transfer on something that is no socket is WSAENOTSOCK.
/// Source: WSARecv and WSASend, WSAENOTSOCK.
#[test]
fn transfers_check_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        let event = Event::manual();
        let foreign = [
            Socket::stale(),
            Raw(event.raw() as SOCKET),
            Raw(GARBAGE_HANDLE as SOCKET),
        ];
        for socket in foreign.into_iter().chain([Raw(INVALID_SOCKET), Raw(0)]) {
            assert_eq!(
                socket.receive(&Request::new(4)),
                Err(WSAENOTSOCK),
                "{socket:?}"
            );
            assert_eq!(
                socket.send_request(&Request::from_data(b"x")),
                Err(WSAENOTSOCK),
                "{socket:?}"
            );
        }
    });
}
