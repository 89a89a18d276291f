//! Overlapped WSARecv and WSASend at the end of a stream, after resets and shutdowns, and without a connection.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

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
