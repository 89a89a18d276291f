//! Overlapped WSARecv and WSASend: the three answers, what each leaves behind, and how it is announced.

use std::ptr::{self, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

/// Low bit of hEvent: signal the event, queue no packet.
fn without_packet(event: &Event) -> HANDLE {
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

// --- Buffers ---------------------------------------------------------------------------------------

/// A receive fills its buffers in array order, without holes; what is left over stays untouched.
/// Source: WSARecv, lpBuffers (filled in the order of the array).
#[test]
fn receive_scatters_in_array_order() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abcdef");
    pair.server.until_unread(6);
    let request = Request::from_data(b"----------");
    let pieces = request.pieces(&[1, 3, 0, 4]);
    assert_eq!(
        pair.server.receive_into(&pieces, 0, &request, None),
        done(6)
    );
    assert_eq!(request.buffer(), b"abcdef----");

    let backwards: Vec<_> = request.pieces(&[2, 2]).into_iter().rev().collect();
    pair.client.send_all(b"wxyz");
    pair.server.until_unread(4);
    assert_eq!(
        pair.server.receive_into(&backwards, 0, &request, None),
        done(4)
    );
    assert_eq!(request.buffer(), b"yzwxef----");
}

/// A pending receive scatters as well; the WSABUF array need not outlive the call.
/// Source: WSARecv, lpBuffers (captured before the call returns).
#[test]
fn buffer_array_is_captured_by_the_call() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::from_data(b"--------");
    let mut pieces = request.pieces(&[3, 3]);
    assert_eq!(
        pair.server.receive_into(&pieces, 0, &request, None),
        PENDING
    );
    pieces.fill(WSABUF {
        len: 1,
        buf: null_mut(),
    });
    pair.client.send_all(b"abcde");
    request.until_finished();
    assert_eq!(request.buffer(), b"abcde---");
}

/// A send gathers its buffers into one run of bytes.
/// Source: WSASend, lpBuffers (sent in the order of the array).
#[test]
fn send_gathers_in_array_order() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::from_data(b"abcdef");
    let mut pieces = request.pieces(&[1, 2, 0, 3]);
    pieces.rotate_left(1);
    assert_eq!(pair.server.send_from(&pieces, 0, &request, None), done(6));
    assert_eq!(pair.client.recv_exact(6), b"bcdefa");
}

/// More buffers than the system takes in one piece still make one operation.
/// Source: WSASend and WSARecv, dwBufferCount.
#[test]
fn thousands_of_buffers_are_one_operation() {
    const COUNT: usize = 3000;
    let _watch = watch();
    differs_under_wine("takes at most 1024 buffers", || {
        let pair = connected_pair(Family::V4);
        let data: Vec<u8> = (0..COUNT).map(|i| i as u8).collect();
        let send = Request::from_data(&data);
        let receive = Request::new(COUNT);
        let pieces = receive.pieces(&[1; COUNT]);
        let started = pair
            .server
            .receive_into(&pieces, MSG_WAITALL, &receive, None);
        assert_eq!(started, PENDING);
        assert_eq!(
            pair.client
                .send_from(&send.pieces(&[1; COUNT]), 0, &send, None),
            done(COUNT as u32)
        );
        receive.until_finished();
        assert_eq!(receive.received(), data);
    });
}

/// Receives of one socket are filled in the order of the calls, each completely before the next.
/// Source: WSARecv, order of overlapped receives.
#[test]
fn receives_fill_in_posting_order() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let requests = [4, 4, 4].map(Request::new);
    for request in &requests {
        assert_eq!(pair.server.receive(request), PENDING);
    }
    pair.client.send_all(b"abcdef");
    assert_eq!(next(&port), requests[0].success(KEY, 4));
    assert_eq!(next(&port), requests[1].success(KEY, 2));
    assert_eq!(requests[0].received(), b"abcd");
    assert_eq!(requests[1].received(), b"ef");
    assert_quiet(&port);
    pair.client.send_all(b"g");
    assert_eq!(next(&port), requests[2].success(KEY, 1));
}

/// A receive posted behind a pending one waits its turn, also when there is data for both.
/// Source: WSARecv, order of overlapped receives.
#[test]
fn later_receive_waits_behind_an_earlier_one() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let [first, second] = [3, 3].map(Request::new);
    assert_eq!(pair.server.receive(&first), PENDING);
    pair.client.send_all(b"abcdef");
    let second_answer = pair.server.receive(&second);
    assert!(second_answer.is_ok());
    assert_eq!(next(&port), first.success(KEY, 3));
    assert_eq!(next(&port), second.success(KEY, 3));
    assert_eq!(
        (first.received(), second.received()),
        (&b"abc"[..], &b"def"[..])
    );
}

/// Sends of one socket go out in the order of the calls, also while the send buffer is full; each completes
/// with all its bytes.
/// Source: WSASend, order of overlapped sends.
#[test]
fn sends_go_out_in_posting_order() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let mut requests = clog(*pair.server);
    for _ in 0..3 {
        let request = Request::from_data(&vec![requests.len() as u8; CLOG]);
        assert_eq!(pair.server.send_request(&request), PENDING);
        requests.push(request);
    }
    for number in 0..requests.len() {
        let received = pair.client.recv_exact(CLOG);
        assert!(
            received.iter().all(|&byte| byte == number as u8),
            "send {number} is mixed up"
        );
    }
    for request in &requests {
        assert_eq!(next(&port), request.success(KEY, CLOG as u32));
    }
    assert_quiet(&port);
}

// --- Zero bytes ------------------------------------------------------------------------------------

/// A zero-byte receive pends until there is data, and takes none of it.
/// Source: WSARecv (stream sockets); validated on Windows.
#[test]
fn zero_byte_receive_announces_data_without_taking_it() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(0);
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_empty(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 0));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// A zero-byte receive that finds data is done at once.
/// Source: WSARecv (stream sockets); validated on Windows.
#[test]
fn zero_byte_receive_with_data_is_done_at_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    let request = Request::new(0);
    assert_eq!(pair.server.receive(&request), done(0));
    assert_eq!(next(&port), request.success(KEY, 0));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// A zero-byte receive also completes at the end of the stream.
/// Source: WSARecv, graceful close.
#[test]
fn zero_byte_receive_completes_at_the_end() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(0);
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
    assert_eq!(next(&port), request.success(KEY, 0));
}

/// Behind a zero-byte receive the next one gets the data.
/// Source: WSARecv (stream sockets), the two-step receive of large servers.
#[test]
fn zero_byte_receive_leaves_the_data_to_the_next() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let [probe, reader] = [0, 8].map(Request::new);
    assert_eq!(pair.server.receive(&probe), PENDING);
    assert_eq!(pair.server.receive(&reader), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), probe.success(KEY, 0));
    assert_eq!(next(&port), reader.success(KEY, 3));
}

/// A zero-byte send succeeds at once and is announced.
/// Source: WSASend, zero-length buffers.
#[test]
fn zero_byte_send_is_done_at_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(0);
    assert_eq!(pair.server.send_request(&request), done(0));
    assert_eq!(next(&port), request.success(KEY, 0));
}

// --- Flags -----------------------------------------------------------------------------------------

/// With MSG_WAITALL a receive pends until its buffers are full, however the data trickles in.
/// Source: WSARecv, MSG_WAITALL.
#[test]
fn waitall_receive_pends_until_full() {
    let _watch = watch();
    not_under_wine("takes what is there when it looks", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(6);
        assert_eq!(pair.server.receive_flags(&request, MSG_WAITALL), PENDING);
        for piece in [b"ab", b"cd"] {
            pair.client.send_all(piece);
            assert_quiet(&port);
            assert!(!request.is_finished());
        }
        pair.client.send_all(b"ef!");
        assert_eq!(next(&port), request.success(KEY, 6));
        assert_eq!(request.received(), b"abcdef");
        assert_eq!(pair.server.recv_exact(1), b"!");
    });
}

/// MSG_WAITALL with part of the data there pends as well; a receive posted behind it waits.
/// Source: WSARecv, MSG_WAITALL.
#[test]
fn waitall_receive_holds_back_the_next() {
    let _watch = watch();
    differs_under_wine("completes with the first data", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        pair.client.send_all(b"ab");
        pair.server.until_unread(2);
        let [whole, rest] = [4, 4].map(Request::new);
        assert_eq!(pair.server.receive_flags(&whole, MSG_WAITALL), PENDING);
        assert_eq!(pair.server.receive(&rest), PENDING);
        pair.client.send_all(b"cdef");
        assert_eq!(next(&port), whole.success(KEY, 4));
        assert_eq!(next(&port), rest.success(KEY, 2));
        assert_eq!(
            (whole.received(), rest.received()),
            (&b"abcd"[..], &b"ef"[..])
        );
    });
}

/// MSG_WAITALL ends early, with success, at the end of the stream.
/// Source: WSARecv, MSG_WAITALL (completes when the connection is closed).
#[test]
fn waitall_receive_is_short_at_the_end() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(6);
    assert_eq!(pair.server.receive_flags(&request, MSG_WAITALL), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
    assert_eq!(next(&port), request.success(KEY, 3));
    assert_eq!(request.received(), b"abc");
}

/// MSG_WAITALL is refused on a non-blocking socket and beside MSG_PEEK, MSG_OOB or MSG_PARTIAL.
/// Source: WSARecv, MSG_WAITALL, WSAEOPNOTSUPP.
#[test]
fn waitall_is_refused_where_it_cannot_hold() {
    let _watch = watch();
    differs_under_wine("takes any combination", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        for other in [MSG_PEEK, MSG_OOB, MSG_PARTIAL as i32] {
            let answer = pair.server.receive_flags(&request, MSG_WAITALL | other);
            assert_eq!(answer, Err(WSAEOPNOTSUPP), "beside flag {other:#x}");
        }
        pair.server.set_non_blocking(true);
        assert_eq!(
            pair.server.receive_flags(&request, MSG_WAITALL),
            Err(WSAEOPNOTSUPP)
        );
        assert_quiet(&port);
    });
}

/// An overlapped MSG_PEEK shows the data and leaves it.
/// Source: WSARecv, MSG_PEEK (documented for non-overlapped sockets; allowed here).
#[test]
fn peek_leaves_the_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let peek = Request::new(8);
    assert_eq!(pair.server.receive_flags(&peek, MSG_PEEK), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), peek.success(KEY, 3));
    assert_eq!(peek.received(), b"abc");
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// Unknown flag bits are refused.
/// Source: WSARecv, WSAEOPNOTSUPP.
#[test]
fn unknown_receive_flags_are_refused() {
    let _watch = watch();
    differs_under_wine("ignores unknown flags", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        for flags in [0x40, 0x0080_0000, i32::MIN] {
            assert_eq!(
                pair.server.receive_flags(&request, flags),
                Err(WSAEOPNOTSUPP)
            );
        }
        assert_quiet(&port);
    });
}

/// MSG_PUSH_IMMEDIATE is a hint: the receive works as without it.
/// Source: WSARecv, MSG_PUSH_IMMEDIATE.
#[test]
fn push_immediate_is_a_hint() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(
        pair.server.receive_flags(&request, MSG_PUSH_IMMEDIATE),
        PENDING
    );
    pair.client.send_all(b"abc");
    request.until_finished();
    assert_eq!(request.received(), b"abc");
}

/// A send with MSG_PARTIAL is refused on a stream.
/// Source: WSASend, MSG_PARTIAL and WSAEOPNOTSUPP.
#[test]
fn partial_send_is_refused() {
    let _watch = watch();
    differs_under_wine("ignores the flag", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::from_data(b"abc");
        let answer = pair
            .server
            .send_from(&[request.wsabuf()], MSG_PARTIAL, &request, None);
        assert_eq!(answer, Err(WSAEOPNOTSUPP));
        assert_quiet(&port);
    });
}

/// The last byte of a send with MSG_OOB is urgent; a receive with MSG_OOB takes it alone.
/// Source: WSASend, MSG_OOB; "Protocol-Independent Out-of-Band Data".
#[test]
fn urgent_byte_travels_beside_the_stream() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let send = Request::from_data(b"ab!");
    let answer = pair
        .client
        .send_from(&[send.wsabuf()], MSG_OOB as u32, &send, None);
    assert_eq!(answer, done(3));
    let urgent = Request::new(4);
    assert!(pair.server.receive_flags(&urgent, MSG_OOB).is_ok());
    assert_eq!(next(&port), urgent.success(KEY, 1));
    assert_eq!(urgent.received(), b"!");
    assert_eq!(pair.server.recv_exact(2), b"ab");
}

/// lpFlags comes back as 0 from a receive on a stream that is done at once.
/// Source: WSARecv, lpFlags.
#[test]
fn flags_come_back_cleared() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    let request = Request::new(8);
    let (mut received, mut flags) = (0, MSG_PEEK as u32);
    // SAFETY: the request outlives the operation.
    let result = unsafe {
        let buffer = request.wsabuf();
        let overlapped = request.overlapped();
        WSARecv(
            pair.server.0,
            &buffer,
            1,
            &mut received,
            &mut flags,
            overlapped,
            None,
        )
    };
    assert_eq!(request.note(answer(result, received)), done(3));
    assert_eq!(flags & MSG_PARTIAL, 0);
}

// --- Ends and errors -------------------------------------------------------------------------------

/// The end of the stream is a success with 0 bytes, for the pending receive and for every later one.
/// Source: WSARecv, graceful close (zero bytes).
#[test]
fn end_of_stream_is_zero_bytes_again_and_again() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
        assert_eq!(next(&port), request.success(KEY, 0));
        for _ in 0..3 {
            let late = Request::new(4);
            assert_eq!(pair.server.receive(&late), done(0));
            assert_eq!(next(&port), late.success(KEY, 0));
        }
        // The other direction still works.
        pair.server.send_all(b"bye");
        assert_eq!(pair.client.recv_exact(3), b"bye");
    }
}

/// A receive pending when the peer resets fails: 64 at the port, WSAECONNRESET for winsock.
/// Source: WSARecv, WSAECONNRESET; GetQueuedCompletionStatus, ERROR_NETNAME_DELETED.
#[test]
fn reset_fails_the_pending_receive() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.client.reset();
        assert_eq!(next(&port), request.failure(KEY, ERROR_NETNAME_DELETED));
        assert!(request.has_status(STATUS_CONNECTION_RESET));
        assert_eq!(
            request.result(pair.server.handle(), false),
            Err(ERROR_NETNAME_DELETED)
        );
        assert_eq!(pair.server.result(&request, false), Err(WSAECONNRESET));
        assert_quiet(&port);
    }
}

/// After a reset every receive is refused at once, without a packet; SO_ERROR stays 0.
/// Source: WSARecv, WSAECONNRESET; validated on Windows.
#[test]
fn receives_after_a_reset_are_refused() {
    let _watch = watch();
    differs_under_wine("succeeds with 0 bytes", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let pending = Request::new(4);
        assert_eq!(pair.server.receive(&pending), PENDING);
        pair.client.reset();
        assert_eq!(next(&port), pending.failure(KEY, ERROR_NETNAME_DELETED));
        for _ in 0..3 {
            assert_eq!(pair.server.receive(&Request::new(4)), Err(WSAECONNRESET));
        }
        assert_eq!(pair.server.option(SOL_SOCKET, SO_ERROR), Ok(0));
        assert_quiet(&port);
    });
}

/// With no receive pending, the first one after the reset is refused, and all others.
/// Source: WSARecv, WSAECONNRESET; validated on Windows.
#[test]
fn first_receive_after_a_reset_is_refused() {
    let _watch = watch();
    differs_under_wine("the second receive succeeds with 0 bytes", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        pair.client.reset();
        pair.server.until_readable();
        for _ in 0..3 {
            assert_eq!(pair.server.receive(&Request::new(4)), Err(WSAECONNRESET));
        }
        assert_quiet(&port);
    });
}

/// A send after the reset was seen is refused, without a packet.
/// Source: WSASend, WSAECONNRESET; validated on Windows.
#[test]
fn sends_after_a_reset_are_refused() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let pending = Request::new(4);
    assert_eq!(pair.server.receive(&pending), PENDING);
    pair.client.reset();
    assert_eq!(next(&port), pending.failure(KEY, ERROR_NETNAME_DELETED));
    for _ in 0..3 {
        assert_eq!(
            pair.server.send_request(&Request::from_data(b"x")),
            Err(WSAECONNRESET)
        );
    }
    assert_quiet(&port);
}

/// A send pending when the peer resets fails with the reset.
/// Source: WSASend, WSAECONNRESET; GetQueuedCompletionStatus, ERROR_NETNAME_DELETED.
#[test]
fn reset_fails_the_pending_send() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let requests = clog(*pair.server);
    let pending = requests.last().unwrap();
    pair.client.reset();
    pending.until_finished();
    assert_eq!(
        pending.result(pair.server.handle(), false),
        Err(ERROR_NETNAME_DELETED)
    );
    assert_eq!(pair.server.result(pending, false), Err(WSAECONNRESET));
}

/// Receives and sends on a socket that is not connected, is connecting or listens are refused.
/// Source: WSARecv and WSASend, WSAENOTCONN.
#[test]
fn unconnected_sockets_refuse_transfers() {
    let _watch = watch();
    differs_under_wine("listening and connecting sockets pend", || {
        let listener = Listener::new(Family::V4);
        let bound = Socket::bound(Family::V4);
        let unanswering = Unanswering::new(Family::V4);
        let connecting = unanswering.connecting();
        for socket in [*listener.socket, *bound, *connecting] {
            assert_eq!(socket.receive(&Request::new(4)), Err(WSAENOTCONN));
            assert_eq!(
                socket.send_request(&Request::from_data(b"x")),
                Err(WSAENOTCONN)
            );
        }
    });
}

/// After SD_RECEIVE new receives are refused; one already pending goes on and gets its data.
/// Source: shutdown, SD_RECEIVE; WSARecv, WSAESHUTDOWN; validated on Windows.
#[test]
fn shutdown_receive_spares_the_pending_receive() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let pending = Request::new(4);
    assert_eq!(pair.server.receive(&pending), PENDING);
    assert_eq!(pair.server.shutdown(SD_RECEIVE), Ok(()));
    assert_eq!(pair.server.receive(&Request::new(4)), Err(WSAESHUTDOWN));
    assert_quiet(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), pending.success(KEY, 3));
}

/// After SD_SEND sends are refused; receiving goes on.
/// Source: shutdown, SD_SEND; WSASend, WSAESHUTDOWN.
#[test]
fn shutdown_send_refuses_sends() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    assert_eq!(pair.server.shutdown(SD_SEND), Ok(()));
    assert_eq!(
        pair.server.send_request(&Request::from_data(b"x")),
        Err(WSAESHUTDOWN)
    );
    assert_quiet(&port);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// shutdown(SD_SEND) lets the sends that pend go out first, then ends the stream.
/// Source: shutdown, SD_SEND (the end follows the data).
#[test]
fn shutdown_send_follows_the_pending_sends() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let requests = clog(*pair.server);
    assert_eq!(pair.server.shutdown(SD_SEND), Ok(()));
    assert_eq!(
        pair.client.recv_exact(requests.len() * CLOG).last(),
        Some(&(requests.len() as u8 - 1))
    );
    assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    for request in &requests {
        assert_eq!(next(&port), request.success(KEY, CLOG as u32));
    }
}

/// SO_RCVTIMEO does not end an overlapped receive.
/// Source: SOL_SOCKET options, SO_RCVTIMEO (blocking receive calls).
#[test]
fn receive_timeout_does_not_concern_overlapped_receives() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_RCVTIMEO, 10), Ok(()));
    let port = port_of(*pair.server, KEY);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_eq!(port.take(2 * SHORT_MS), TIMED_OUT);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// While a receive pends, a blocking recv of another thread waits behind it for its own data.
/// Source: recv and WSARecv, order of receives on one socket.
#[test]
fn pending_receive_takes_its_data_before_recv() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abcde");
    assert_eq!(next(&port), request.success(KEY, 3));
    assert_eq!(request.received(), b"abc");
    assert_eq!(pair.server.recv_exact(2), b"de");
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

// --- Notification modes ----------------------------------------------------------------------------

/// FILE_SKIP_COMPLETION_PORT_ON_SUCCESS: done at once queues nothing; what pended still does.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn skip_mode_drops_only_immediate_packets() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(pair.server.set_notification_modes(skip), Ok(()));

    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));

    pair.client.send_all(b"def");
    pair.server.until_unread(3);
    assert_eq!(pair.server.receive(&request), done(3));
    assert_eq!(request.received(), b"def");
    assert_eq!(pair.server.send_request(&Request::from_data(b"x")), done(1));
    assert_quiet(&port);
}

/// Modes may be set before the association, add up, and cannot be taken back.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn skip_mode_is_permanent() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(pair.server.set_notification_modes(skip), Ok(()));
    assert_eq!(pair.server.set_notification_modes(0), Ok(()));
    assert_eq!(
        pair.server
            .set_notification_modes(FILE_SKIP_SET_EVENT_ON_HANDLE),
        Ok(())
    );
    let port = port_of(*pair.server, KEY);
    assert_eq!(pair.server.send_request(&Request::from_data(b"x")), done(1));
    assert_quiet(&port);
}

/// Notification modes of a bad handle: ERROR_INVALID_HANDLE.
/// Source: SetFileCompletionNotificationModes; validated on Windows for the system call underneath.
#[test]
fn notification_modes_check_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(
            Socket::stale().set_notification_modes(1),
            Err(ERROR_INVALID_HANDLE)
        );
        assert_eq!(Raw(0).set_notification_modes(1), Err(ERROR_INVALID_HANDLE));
    });
}

/// Unknown notification modes are ignored: packets come as before.
/// Source: SetFileCompletionNotificationModes; validated on Windows for the system call underneath.
#[test]
fn unknown_notification_modes_are_ignored() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_notification_modes(0x80), Ok(()));
    let port = port_of(*pair.server, KEY);
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(KEY, 1));
}

// --- Events ----------------------------------------------------------------------------------------

/// Without a port the event in hEvent is signalled when the operation completes; a stale signal is
/// taken back by the call that pends.
/// Source: WSARecv, hEvent; OVERLAPPED (reset when the operation begins).
#[test]
fn event_follows_the_operation() {
    let _watch = watch();
    for event in [Event::manual(), Event::auto()] {
        let pair = connected_pair(Family::V4);
        event.set();
        let request = Request::new(4).with_event(event.raw());
        assert_eq!(pair.server.receive(&request), PENDING);
        assert!(!event.wait(0));
        pair.client.send_all(b"abc");
        assert!(event.wait(DEADLINE_MS));
        assert!(request.is_finished());
        assert_eq!(pair.server.result(&request, false), Ok((3, 0)));
    }
}

/// An operation that is done at once signals its event too.
/// Source: WSARecv, hEvent.
#[test]
fn event_is_signalled_when_done_at_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let request = Request::from_data(b"x").with_event(event.raw());
    assert_eq!(pair.server.send_request(&request), done(1));
    assert!(event.wait(0));
}

/// hEvent with the low bit set: the event is signalled and no packet is queued, at once or later.
/// Source: GetQueuedCompletionStatus, lpOverlapped (low-order bit of hEvent).
#[test]
fn low_bit_of_the_event_suppresses_the_packet() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();

    let late = Request::new(4).with_event(without_packet(&event));
    assert_eq!(pair.server.receive(&late), PENDING);
    assert!(!event.wait(0));
    pair.client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(late.received(), b"abc");
    assert_quiet(&port);

    event.reset();
    let at_once = Request::from_data(b"x").with_event(without_packet(&event));
    assert_eq!(pair.server.send_request(&at_once), done(1));
    assert!(event.wait(0));
    assert_quiet(&port);
}

/// The event of an operation on a port's socket tells although no thread ever asks the port, however the receives before it
/// ended, and however long nothing was under way.
/// Source: WSARecv, hEvent; the system finishes operations, not the threads that wait for them.
#[test]
fn event_tells_although_nobody_asks_the_port() {
    let _watch = watch();
    let (event, never) = (Event::auto(), Event::auto());
    for served_at_once in [true, false] {
        let pair = connected_pair(Family::V4);
        let _port = port_of(*pair.server, KEY);
        let served = |served_at_once| {
            let request = Request::new(4).with_event(without_packet(&event));
            if served_at_once {
                pair.client.send_all(b"x");
                pair.server.until_unread(1);
                assert_eq!(pair.server.receive(&request), done(1));
            } else {
                assert_eq!(pair.server.receive(&request), PENDING);
                pair.client.send_all(b"x");
            }
            assert!(event.wait(DEADLINE_MS), "{served_at_once}");
        };
        for _ in 0..3 {
            served(served_at_once);
        }
        assert!(!never.wait(100)); // time in which nothing is under way
        served(false);
    }
}

/// hEvent without the low bit on a port's socket: event and packet.
/// Source: GetQueuedCompletionStatus, hEvent; validated on Windows.
#[test]
fn event_and_port_give_both() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();
    event.set();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    assert!(!event.wait(0));
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
    assert!(event.wait(DEADLINE_MS));
}

/// In skip mode the event is still signalled, although the packet is dropped.
/// Source: SetFileCompletionNotificationModes, FILE_SKIP_SET_EVENT_ON_HANDLE (concerns the handle, not hEvent).
#[test]
fn skip_modes_leave_the_explicit_event_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let both = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    assert_eq!(pair.server.set_notification_modes(both), Ok(()));
    let event = Event::manual();
    let request = Request::from_data(b"x").with_event(event.raw());
    assert_eq!(pair.server.send_request(&request), done(1));
    assert!(event.wait(0));
    assert_quiet(&port);
}

/// Without hEvent the socket handle itself is signalled by a completion, and reset by the next call that pends.
/// Source: OVERLAPPED, hEvent; "Synchronization and Overlapped Input and Output".
#[test]
fn socket_handle_is_signalled_without_an_event() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    for _ in 0..2 {
        assert_eq!(pair.server.receive(&request), PENDING);
        assert!(!pair.server.is_signalled());
        pair.client.send_all(b"abc");
        assert_eq!(wait(pair.server.handle(), DEADLINE_MS), WAIT_OBJECT_0);
        assert!(request.is_finished());
        assert!(pair.server.is_signalled());
    }
}

/// FILE_SKIP_SET_EVENT_ON_HANDLE: the socket handle is not signalled by completions.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn skip_set_event_leaves_the_socket_handle_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(
        pair.server
            .set_notification_modes(FILE_SKIP_SET_EVENT_ON_HANDLE),
        Ok(())
    );
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    assert!(!pair.server.is_signalled());
    pair.client.send_all(b"abc");
    request.until_finished();
    assert!(!pair.server.is_signalled());
}

// --- Sockets without the overlapped attribute ------------------------------------------------------

/// On a socket without WSA_FLAG_OVERLAPPED a call with an OVERLAPPED blocks until it is done, even in
/// non-blocking mode; it returns 0, fills the status block and signals hEvent.
/// Source: WSARecv, non-overlapped sockets; validated on Windows.
#[test]
fn synchronous_socket_blocks_in_overlapped_calls() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp_synchronous(Family::V4);
    client.connect(&listener.address).unwrap();
    let peer = listener.socket.accept().unwrap();
    for non_blocking in [false, true] {
        client.set_non_blocking(non_blocking);
        let socket = *client;
        let receiver = spawn(move || {
            let event = Event::manual();
            let request = Request::new(8).with_event(event.raw());
            let answer = socket.receive(&request);
            let data = request.received().to_vec();
            (
                answer,
                data,
                event.wait(0),
                request.result(socket.handle(), false),
            )
        });
        receiver.until_waits();
        peer.send_all(b"abc");
        assert_eq!(receiver.join(), (done(3), b"abc".to_vec(), true, Ok(3)));
    }
}

/// Without an OVERLAPPED such a socket obeys its blocking mode.
/// Source: WSARecv, WSAEWOULDBLOCK; validated on Windows.
#[test]
fn synchronous_socket_obeys_the_blocking_mode_without_overlapped() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp_synchronous(Family::V4);
    client.connect(&listener.address).unwrap();
    client.set_non_blocking(true);
    let memory = Request::new(4);
    let (mut received, mut flags) = (0, 0);
    // SAFETY: all pointers are valid during the call.
    let result = unsafe {
        WSARecv(
            client.0,
            &memory.wsabuf(),
            1,
            &mut received,
            &mut flags,
            null_mut(),
            None,
        )
    };
    assert_eq!(check(result), Err(WSAEWOULDBLOCK));
}

/// A completion routine is ignored on such a socket.
/// Source: WSARecv, non-overlapped sockets; validated on Windows.
#[test]
fn synchronous_socket_ignores_routines() {
    let _watch = watch();
    differs_under_wine("runs the routine", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp_synchronous(Family::V4);
        client.connect(&listener.address).unwrap();
        let request = Request::from_data(b"abc");
        assert_eq!(client.send_routine(&request, ROUTINE), done(3));
        assert_eq!((sleep_alertable(0), routines_run()), (0, vec![]));
    });
}

/// Such a socket cannot be associated with a completion port.
/// Source: CreateIoCompletionPort, FileHandle (must support overlapped I/O); ERROR_INVALID_PARAMETER.
#[test]
fn synchronous_socket_cannot_join_a_port() {
    let _watch = watch();
    let socket = Socket::tcp_synchronous(Family::V4);
    let port = Port::new(0);
    fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
        create_port(socket.handle(), port.raw(), KEY, 0)
    });
}

// --- Association -----------------------------------------------------------------------------------

/// A NULL or closed handle cannot be associated.
/// Source: CreateIoCompletionPort, ERROR_INVALID_HANDLE.
#[test]
fn association_checks_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        let port = Port::new(0);
        for handle in [null_mut(), Socket::stale().handle(), GARBAGE_HANDLE] {
            fails_with(null_mut(), ERROR_INVALID_HANDLE, || {
                create_port(handle, port.raw(), KEY, 0)
            });
        }
    });
}

/// A socket joins a port once; a second association fails, with this port or another.
/// Source: CreateIoCompletionPort, remarks (one port per handle); ERROR_INVALID_PARAMETER.
#[test]
fn socket_joins_one_port_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let other = Port::new(0);
    for port in [&port, &other] {
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
            create_port(pair.server.handle(), port.raw(), KEY, 0)
        });
    }
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(KEY, 1));
}

/// CreateIoCompletionPort with a socket and no port makes a port with the socket in it.
/// Source: CreateIoCompletionPort, ExistingCompletionPort NULL.
#[test]
fn port_can_be_created_with_its_first_socket() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = Port::own(Handle::own(create_port(
        pair.server.handle(),
        null_mut(),
        KEY,
        0,
    )));
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(KEY, 1));
}

/// An operation that pends when its socket is associated queues a packet, with the new key.
/// Source: CreateIoCompletionPort; validated on Windows.
#[test]
fn pending_operation_joins_the_port() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    let port = port_of(*pair.server, KEY);
    assert_empty(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// Synchronous calls on an associated socket queue nothing.
/// Source: GetQueuedCompletionStatus (only overlapped operations are queued).
#[test]
fn synchronous_calls_queue_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    pair.server.send_all(b"abc");
    pair.client.send_all(b"def");
    assert_eq!(pair.server.recv_exact(3), b"def");
    assert_eq!(pair.server.shutdown(SD_BOTH), Ok(()));
    assert_eq!(pair.server.close(), Ok(()));
    assert_quiet(&port);
}

/// After the port was closed its sockets go on; their completions reach the status block and the event.
/// Source: CloseHandle and CreateIoCompletionPort (the association lasts as long as the handle).
#[test]
fn socket_outlives_its_port() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    port.close();
    pair.client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(request.received(), b"abc");
    let later = Request::new(4);
    assert_eq!(pair.server.receive(&later), PENDING);
    pair.client.send_all(b"de");
    later.until_finished();
    assert_eq!(later.received(), b"de");
}

// --- Results ---------------------------------------------------------------------------------------

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
