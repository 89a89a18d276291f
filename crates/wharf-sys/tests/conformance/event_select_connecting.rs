//! WSAEventSelect: FD_CONNECT, FD_WRITE and FD_ACCEPT, and what makes each count again.

use wharf_sys::*;

use crate::event_select::{ALL, Fetched, Watched, fetched, watched_pair};
use crate::harness::*;
use crate::tcp::*;

// --- FD_CONNECT ------------------------------------------------------------------------------------

/// A socket that was connected before it is registered reports FD_CONNECT too; an accepted one never does.
/// Source: WSAEventSelect, remarks; validated on Windows.
#[test]
fn connect_is_reported_to_a_later_registration() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    Watched::new(*pair.client, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE)
        .expect_only(FD_CONNECT | FD_WRITE);
    Watched::new(*pair.server, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE).expect_only(FD_WRITE);
}

/// A connect that succeeds is FD_CONNECT and FD_WRITE.
/// Source: WSAEventSelect, remarks; validated on Windows.
#[test]
fn connect_reports_connect_and_write() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = Socket::tcp(family);
        let watched = Watched::new(*client, ALL);
        watched.expect_nothing();
        assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
        watched.expect(fetched(FD_CONNECT | FD_WRITE));
        not_under_wine("it sets the event for nothing, at times at once", || {
            watched.expect_nothing();
            watched.select(ALL);
            watched.expect_nothing();
        });
    }
}

/// A connect that is refused is FD_CONNECT with WSAECONNREFUSED, without FD_WRITE, and not again at a later registration.
/// Source: validated on Windows.
#[test]
fn refused_connect_reports_its_error() {
    let _watch = watch();
    let (_holder, address) = refusing_address(Family::V4);
    let client = Socket::tcp(Family::V4);
    let watched = Watched::new(*client, ALL);
    assert_eq!(client.connect(&address), Err(WSAEWOULDBLOCK));
    watched.expect(Fetched {
        events: FD_CONNECT,
        connect_error: WSAECONNREFUSED,
        ..Fetched::default()
    });
    watched.expect_nothing();
    assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(WSAECONNREFUSED));
    watched.select(ALL);
    watched.expect_nothing();
}

/// A connect that ends outside the mask is reported when a mask has FD_CONNECT.
/// Source: validated on Windows.
#[test]
fn connect_outside_the_mask_is_recorded() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    let watched = Watched::new(*client, FD_WRITE);
    assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
    watched.expect_only(FD_WRITE);
    watched.select(FD_CONNECT);
    watched.expect_only(FD_CONNECT);
}

// --- FD_WRITE --------------------------------------------------------------------------------------

/// FD_WRITE comes after a send that would have blocked, when there is room again; not before, and not after sends that
/// succeed.
/// Source: WSAEventSelect, remarks on FD_WRITE; validated on Windows.
#[test]
fn write_is_reported_when_room_returns() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.server.send(b"a").unwrap();
    watched.expect_nothing();
    let mut sent = 1;
    fill(*pair.server, &mut sent);
    watched.expect_nothing();
    drain(*pair.client, sent);
    watched.expect_only(FD_WRITE);
    pair.server.send(b"a").unwrap();
    watched.expect_nothing();
}

/// Sends until it would block; counts the bytes.
fn fill(socket: Raw, sent: &mut usize) {
    let data = vec![7; 1 << 18];
    loop {
        match socket.send(&data) {
            Ok(count) => *sent += count,
            Err(error) => return assert_eq!(error, WSAEWOULDBLOCK),
        }
    }
}

/// Receives so many bytes.
fn drain(socket: Raw, count: usize) {
    let mut left = count;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let len = buffer.len().min(left);
        left -= socket.recv(&mut buffer[..len]).expect("recv");
    }
}

/// A send leaves a recorded FD_WRITE in the record.
/// Source: validated on Windows.
#[test]
fn send_leaves_write_in_the_record() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, FD_WRITE);
    pair.server.send(b"a").unwrap();
    watched.expect_only(FD_WRITE);
}

/// FD_WRITE is reported once to a socket that can send from the start, and never to one that cannot.
/// Source: validated on Windows.
#[test]
fn write_is_reported_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let datagram = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    datagram.bind(&Family::V4.loopback(0)).unwrap();
    for socket in [*pair.server, *datagram] {
        let watched = Watched::new(socket, FD_READ | FD_WRITE);
        watched.expect_only(FD_WRITE);
        for _ in 0..4 {
            watched.select(FD_READ | FD_WRITE);
            watched.expect_nothing();
        }
    }
    let bound = Socket::bound(Family::V4);
    Watched::new(*bound, FD_READ | FD_WRITE).expect_nothing();
}

// --- FD_ACCEPT -------------------------------------------------------------------------------------

/// FD_ACCEPT comes at each connection that arrives, without an accept in between.
/// Source: validated on Windows.
#[test]
fn accept_is_reported_at_each_arrival() {
    let _watch = watch();
    differs_under_wine("reports again after an accept only", || {
        let listener = Listener::new(Family::V4);
        let watched = Watched::new(*listener.socket, FD_ACCEPT);
        let _clients = [(); 3].map(|()| {
            let client = listener.client();
            watched.expect_only(FD_ACCEPT);
            client
        });
    });
}

/// An accept re-enables FD_ACCEPT: with connections left it is reported again, after the last one it is not.
/// Source: WSAEventSelect, table of re-enabling functions; validated on Windows.
#[test]
fn accept_reenables_accept() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _clients = [listener.client(), listener.client()];
    let watched = Watched::new(*listener.socket, FD_ACCEPT);
    watched.expect_only(FD_ACCEPT);
    let _accepted = listener.accept().unwrap();
    watched.expect_only(FD_ACCEPT);
    let _accepted = listener.accept().unwrap();
    watched.expect_nothing();
    assert_eq!(listener.accept().err(), Some(WSAEWOULDBLOCK));
    watched.expect_nothing();
}

/// A connection that waits already is reported at registration; one that was accepted before is not.
/// Source: validated on Windows.
#[test]
fn waiting_connection_is_reported_at_registration() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    listener.until_readable();
    let watched = Watched::new(*listener.socket, FD_ACCEPT);
    watched.expect_only(FD_ACCEPT);
    let other = Listener::new(Family::V4);
    let _pair = other.pair();
    Watched::new(*other.socket, FD_ACCEPT).expect_nothing();
}

/// A connection that a pending AcceptEx takes is not reported.
/// Source: validated on Windows.
#[test]
fn connection_for_accept_ex_is_not_reported() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let watched = Watched::new(*listener.socket, FD_ACCEPT);
    let (acceptor, layout) = (Socket::tcp(Family::V4), AcceptLayout::without_data());
    let request = layout.request();
    assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
    let _client = listener.client();
    request.until_finished();
    watched.expect_nothing();
    let _second = listener.client();
    watched.expect_only(FD_ACCEPT);
}
