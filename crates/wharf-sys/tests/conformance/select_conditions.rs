//! select: which conditions make a socket readable, writable or exceptional.

use wharf_sys::*;

use crate::harness::*;
use crate::select::{
    BOTH, EXCEPTIONAL, NONE, READABLE, Ready, Set, WRITABLE, ready, select_sets, until_ready,
};
use crate::tcp::*;

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap()
}

/// A fresh stream socket is ready for nothing, bound or not; a datagram socket can always send.
/// Source: validated on Windows.
#[test]
fn fresh_sockets_are_ready_for_nothing() {
    let _watch = watch();
    assert_eq!(ready(*Socket::tcp(Family::V4)), NONE);
    assert_eq!(ready(*Socket::bound(Family::V4)), NONE);
    assert_eq!(ready(*udp()), WRITABLE);
}

/// A listener is readable when a connection waits, and never writable; not when a pending AcceptEx takes it.
/// Source: select, table; validated on Windows.
#[test]
fn listener_is_readable_when_a_connection_waits() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    assert_eq!(ready(*listener.socket), NONE);
    let (acceptor, layout) = (Socket::tcp(Family::V4), AcceptLayout::without_data());
    let request = layout.request();
    assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
    let _first = listener.client();
    request.until_finished();
    assert_eq!(ready(*listener.socket), NONE);
    let _second = listener.client();
    until_ready(*listener.socket, READABLE);
    let _accepted = listener.accept().unwrap();
    assert_eq!(ready(*listener.socket), NONE);
}

/// Data makes a socket readable, unless a pending receive takes it.
/// Source: select, table; validated on Windows.
#[test]
fn data_is_readable() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(ready(*pair.server), WRITABLE);
    pair.client.send_all(b"abc");
    until_ready(*pair.server, BOTH);
    assert_eq!(pair.server.recv_exact(3), b"abc");
    assert_eq!(ready(*pair.server), WRITABLE);
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    request.until_finished();
    assert_eq!(ready(*pair.server), WRITABLE);
}

/// The peer's end makes a socket readable, before and after the data is read, and is no exception.
/// Source: select, table; validated on Windows.
#[test]
fn end_is_readable() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.client.shutdown(SD_SEND).unwrap();
    until_ready(*pair.server, BOTH);
    assert_eq!(pair.server.recv_exact(3), b"abc");
    until_ready(*pair.server, BOTH);
    assert_eq!(pair.server.recv_some(1).unwrap(), b"");
    assert_eq!(ready(*pair.server), BOTH);
}

/// A reset makes a socket readable and writable, and is no exception; also after it was seen.
/// Source: select, table; validated on Windows.
#[test]
fn reset_is_readable_and_writable() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    client.reset();
    until_ready(*server, BOTH);
    not_under_wine("it may read the end", || {
        assert_eq!(server.recv_some(1), Err(WSAECONNRESET));
        assert_eq!(ready(*server), BOTH);
    });
}

/// A socket is writable while there is room to send.
/// Source: select, table.
#[test]
fn socket_is_writable_while_there_is_room() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    let data = vec![7; 1 << 18];
    let mut sent = 0;
    while let Ok(count) = pair.server.send(&data) {
        sent += count;
    }
    assert_eq!(ready(*pair.server), NONE);
    pair.client.recv_exact(sent);
    until_ready(*pair.server, WRITABLE);
}

/// A connect that succeeds makes a socket writable.
/// Source: select, table; validated on Windows.
#[test]
fn finished_connect_is_writable() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    client.set_non_blocking(true);
    assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
    until_ready(*client, WRITABLE);
}

/// A connect under way is ready for nothing.
/// Source: select, table.
#[test]
fn connect_under_way_is_ready_for_nothing() {
    let _watch = watch();
    linux_only("a full backlog refuses there", || {
        let unanswering = Unanswering::new(Family::V4);
        let connecting = unanswering.connecting();
        assert_eq!(ready(*connecting), NONE);
    });
}

/// A failed connect is an exception and nothing else, blocking or not. It stays one, whatever is asked or tried, until a
/// connect succeeds.
/// Source: validated on Windows.
#[test]
fn failed_connect_is_exceptional() {
    let _watch = watch();
    let (_holder, refusing) = refusing_address(Family::V4);
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    client.set_non_blocking(true);
    assert_eq!(client.connect(&refusing), Err(WSAEWOULDBLOCK));
    until_ready(*client, EXCEPTIONAL);
    assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(WSAECONNREFUSED));
    assert_eq!(ready(*client), EXCEPTIONAL);
    differs_under_wine_in_reconnecting(move || {
        assert_eq!(client.connect(&refusing), Err(WSAEWOULDBLOCK));
        until_ready(*client, EXCEPTIONAL);
        client.set_non_blocking(false);
        assert_eq!(client.connect(&refusing), Err(WSAECONNREFUSED));
        assert_eq!(ready(*client), EXCEPTIONAL);
        client.connect(&listener.address).unwrap();
        assert_eq!(ready(*client), WRITABLE);
    });
    let blocking = Socket::tcp(Family::V4);
    assert_eq!(blocking.connect(&refusing), Err(WSAECONNREFUSED));
    assert_eq!(ready(*blocking), EXCEPTIONAL);
}

fn differs_under_wine_in_reconnecting(body: impl FnOnce() + Send + 'static) {
    differs_under_wine("gives WSAECONNABORTED once", body);
}

/// A wait for exceptions ends when a connect fails.
/// Source: select, table.
#[test]
fn select_sees_a_connect_fail() {
    let _watch = watch();
    let (_holder, refusing) = refusing_address(Family::V4);
    let client = Socket::tcp(Family::V4);
    client.set_non_blocking(true);
    assert_eq!(client.connect(&refusing), Err(WSAEWOULDBLOCK));
    let mut sets = [Set::of(&[]), Set::of(&[*client]), Set::of(&[*client])];
    assert_eq!(select_sets(&mut sets, DEADLINE_MS), Ok(1));
    assert_eq!((sets[1].count, sets[2].count), (0, 1));
}

/// A socket that failed to connect may listen, accepts, and still is exceptional.
/// Source: validated on Windows.
#[test]
fn failed_connect_stays_exceptional_on_a_listener() {
    let _watch = watch();
    not_under_wine("it refuses to listen", || {
        let (_holder, refusing) = refusing_address(Family::V4);
        let socket = Socket::bound(Family::V4);
        socket.set_non_blocking(true);
        assert_eq!(socket.connect(&refusing), Err(WSAEWOULDBLOCK));
        until_ready(*socket, EXCEPTIONAL);
        socket.listen(BACKLOG_MAX).unwrap();
        assert_eq!(ready(*socket), EXCEPTIONAL);
        let client = Socket::tcp(Family::V4);
        client
            .connect(&socket.local_address().unwrap().into())
            .unwrap();
        until_ready(*socket, Ready(true, false, true));
    });
}

/// Urgent data is an exception; inside the stream it is readable.
/// Source: select, table; SO_OOBINLINE; validated on Windows.
#[test]
fn urgent_data_is_exceptional() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until_ready(*pair.server, Ready(false, true, true));
    assert_eq!(pair.server.recv_flags(&mut [0], MSG_OOB), Ok(1));
    assert_eq!(ready(*pair.server), WRITABLE);
    let pair = connected_pair(Family::V4);
    pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until_ready(*pair.server, BOTH);
}

/// A datagram makes its socket readable until it is received.
/// Source: select, table.
#[test]
fn datagram_is_readable() {
    let _watch = watch();
    let (a, b) = (udp(), udp());
    b.bind(&Family::V4.loopback(0)).unwrap();
    a.connect(&b.local_address().unwrap().into()).unwrap();
    a.send(b"x").unwrap();
    until_ready(*b, BOTH);
    assert_eq!(b.recv_some(9).unwrap(), b"x");
    assert_eq!(ready(*b), WRITABLE);
}
