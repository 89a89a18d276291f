//! shutdown: each direction, again, and where there is no connection.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// SD_SEND ends the stream behind the data and leaves the other direction open.
/// Source: shutdown, SD_SEND.
#[test]
fn shutdown_send_half_closes() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        pair.client.send_all(b"abc");
        assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
        assert_eq!(pair.server.recv_exact(3), b"abc");
        assert_eq!(pair.server.recv(&mut [0; 1]), Ok(0));
        assert_eq!(pair.client.send(b"x"), Err(WSAESHUTDOWN));
        pair.server.send_all(b"def");
        assert_eq!(pair.client.recv_exact(3), b"def");
    }
}

/// After SD_RECEIVE recv is WSAESHUTDOWN and send goes on.
/// Source: shutdown, SD_RECEIVE; recv, WSAESHUTDOWN.
#[test]
fn shutdown_receive_refuses_recv() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.shutdown(SD_RECEIVE), Ok(()));
    assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAESHUTDOWN));
    pair.server.send_all(b"abc");
    assert_eq!(pair.client.recv_exact(3), b"abc");
}

/// shutdown may be repeated; an unknown direction is WSAEINVAL.
/// Source: shutdown, WSAEINVAL; validated on Windows.
#[test]
fn shutdown_may_be_repeated() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    for how in [3, -1, 0x100] {
        assert_eq!(pair.server.shutdown(how), Err(WSAEINVAL), "how {how}");
    }
    for how in [SD_SEND, SD_SEND, SD_RECEIVE, SD_BOTH, SD_BOTH] {
        assert_eq!(pair.server.shutdown(how), Ok(()), "how {how}");
    }
}

/// An unconnected or listening stream has nothing to shut down.
/// Source: shutdown, WSAENOTCONN.
#[test]
fn shutdown_needs_a_connection() {
    let _watch = watch();
    assert_eq!(Socket::tcp(Family::V4).shutdown(SD_BOTH), Err(WSAENOTCONN));
    assert_eq!(
        Socket::bound(Family::V4).shutdown(SD_SEND),
        Err(WSAENOTCONN)
    );
}

/// shutdown on a listening socket is WSAENOTCONN, and it keeps listening.
/// Source: shutdown, WSAENOTCONN; validated on Windows.
#[test]
fn shutdown_leaves_listeners_alone() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    assert_eq!(listener.shutdown(SD_BOTH), Err(WSAENOTCONN));
    let pair = listener.pair();
    pair.client.send_all(b"x");
    assert_eq!(pair.server.recv_exact(1), b"x");
}
