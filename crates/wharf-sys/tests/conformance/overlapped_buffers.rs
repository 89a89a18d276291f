//! Overlapped WSARecv and WSASend: how buffers are filled and gathered, in what order, and what zero bytes mean.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

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
