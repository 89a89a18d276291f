//! WSAEventSelect: FD_READ, FD_OOB and FD_CLOSE, and what makes each count again.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::event_select::{ALL, Fetched, Watched, fetched, watched_pair};
use crate::harness::*;
use crate::tcp::*;
use crate::udp::udp_pair;

// --- FD_READ ---------------------------------------------------------------------------------------

/// A receive re-enables FD_READ: with data left it is reported again, after the last byte it is not.
/// Source: WSAEventSelect, table of re-enabling functions; validated on Windows.
#[test]
fn receive_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_some(1).unwrap(), b"a");
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_some(2).unwrap(), b"bc");
    watched.expect_nothing();
    assert_eq!(pair.server.recv_some(2), Err(WSAEWOULDBLOCK));
    watched.expect_nothing();
}

/// Looking at the data without taking it re-enables FD_READ as well.
/// Source: WSAEventSelect, table of re-enabling functions.
#[test]
fn peek_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_flags(&mut [0; 3], MSG_PEEK), Ok(3));
    watched.expect_only(FD_READ);
}

/// An overlapped receive re-enables FD_READ too.
/// Source: WSAEventSelect, table of re-enabling functions; validated on Windows.
#[test]
fn overlapped_receive_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    let request = Request::new(1);
    assert_eq!(pair.server.receive(&request), done(1));
    watched.expect_only(FD_READ);
    let request = Request::new(2);
    assert_eq!(pair.server.receive(&request), done(2));
    watched.expect_nothing();
}

/// A receive takes a recorded FD_READ with it, even if nobody has fetched it.
/// Source: validated on Windows.
#[test]
fn receive_takes_read_out_of_the_record() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    assert!(watched.event.wait(DEADLINE_MS));
    watched.event.reset();
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_some(3).unwrap(), b"abc");
    watched.expect_nothing();
}

/// More data is recorded again although the old report stands.
/// Source: validated on Windows.
#[test]
fn more_data_is_recorded_again() {
    let _watch = watch();
    differs_under_wine("reports again after a receive only", || {
        let (pair, watched) = watched_pair();
        for _ in 0..3 {
            pair.client.send_all(b"abc");
            watched.expect_only(FD_READ);
        }
        // Also while it is recorded and not fetched: the event is set again.
        pair.client.send_all(b"abc");
        assert!(watched.event.wait(DEADLINE_MS));
        watched.event.reset();
        pair.client.send_all(b"abc");
        watched.expect_only(FD_READ);
    });
}

/// Data that a pending overlapped receive takes is not reported; what it leaves is.
/// Source: validated on Windows.
#[test]
fn data_for_a_pending_receive_is_not_reported() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    request.until_finished();
    watched.expect_nothing();
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abcdef");
    request.until_finished();
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_some(9).unwrap(), b"def");
    watched.expect_nothing();
}

/// A receive with arguments that cannot be reports nothing new.
/// Source: validated on Windows.
#[test]
fn refused_receive_reports_nothing() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    // SAFETY: a length that no buffer has; nothing is written.
    let result = unsafe { recv(pair.server.0, null_mut(), -1, 0) };
    assert_eq!(check_count(result), Err(WSAEFAULT));
    watched.expect_nothing();
}

/// A receive that fails for another reason re-enables FD_READ as well.
/// Source: WSAEventSelect: "even if it fails".
#[test]
fn failed_receive_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    // Urgent data is not what is queued, and a call for it is one for FD_OOB.
    let urgent = pair.server.recv_flags(&mut [0], MSG_OOB | MSG_PEEK);
    assert!(urgent.is_err());
    watched.expect_nothing();

    let [a, b] = udp_pair(Family::V4);
    let watched = Watched::new(*b, FD_READ);
    a.send_all(b"abc");
    watched.expect_only(FD_READ);
    b.shutdown(SD_RECEIVE).unwrap();
    assert_eq!(b.recv_some(3), Err(WSAESHUTDOWN));
    watched.expect_only(FD_READ);
}

// --- FD_CLOSE --------------------------------------------------------------------------------------

/// FD_CLOSE comes as soon as the peer's end is known, even with unread data, and is not more data.
/// Source: validated on Windows; the documentation says after the data.
#[test]
fn end_is_reported_at_once_even_with_unread_data() {
    let _watch = watch();
    differs_under_wine("reports FD_CLOSE after the data", || {
        let (pair, watched) = watched_pair();
        pair.client.send_all(b"abc");
        watched.expect_only(FD_READ);
        pair.client.shutdown(SD_SEND).unwrap();
        watched.expect_only(FD_CLOSE);
        assert_eq!(pair.server.recv_some(1).unwrap(), b"a");
        watched.expect_only(FD_READ);
        assert_eq!(pair.server.recv_some(2).unwrap(), b"bc");
        watched.expect_nothing();
        assert_eq!(pair.server.recv_some(2).unwrap(), b"");
        watched.expect_nothing();
    });
}

/// Data and the end that are both there at registration are reported together.
/// Source: WSAEventSelect, remarks.
#[test]
fn data_and_end_are_reported_together() {
    let _watch = watch();
    differs_under_wine("reports FD_CLOSE after the data", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"abc");
        pair.client.shutdown(SD_SEND).unwrap();
        until_end(*pair.server, 3);
        Watched::new(*pair.server, FD_READ | FD_CLOSE).expect_only(FD_READ | FD_CLOSE);
    });
}

/// Waits until `unread` bytes and the peer's end have arrived.
fn until_end(socket: Raw, unread: u32) {
    socket.until_unread(unread);
    until("the end has arrived", || {
        let mut entry = WSAPOLLFD {
            fd: socket.0,
            events: 0,
            revents: 0,
        };
        // SAFETY: one entry, which lives through the call.
        unsafe { WSAPoll(&mut entry, 1, 0) };
        entry.revents & POLLHUP != 0
    });
}

/// A reset is FD_CLOSE with WSAECONNABORTED, and no FD_READ.
/// Source: validated on Windows.
#[test]
fn reset_is_a_close_with_an_error() {
    let _watch = watch();
    differs_under_wine("gives another error", || {
        let (pair, watched) = watched_pair();
        pair.client.reset();
        watched.expect(Fetched {
            events: FD_CLOSE,
            close_error: WSAECONNABORTED,
            ..Fetched::default()
        });
        watched.expect_nothing();
        assert_eq!(pair.server.recv_some(1), Err(WSAECONNRESET));
        watched.expect_nothing();
    });
}

/// A socket that ended before it is registered reports FD_CLOSE then, and only once.
/// Source: validated on Windows.
#[test]
fn close_is_reported_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.shutdown(SD_SEND).unwrap();
    until_end(*pair.server, 0);
    let watched = Watched::new(*pair.server, FD_CLOSE);
    watched.expect_only(FD_CLOSE);
    watched.select(FD_CLOSE);
    watched.expect_nothing();
    watched.select(FD_CLOSE | FD_READ);
    watched.expect_nothing();
}

/// Neither its own shutdown nor the peer's SD_RECEIVE is an end; the peer's SD_SEND is one, also after its own SD_BOTH.
/// Source: validated on Windows.
#[test]
fn own_shutdown_is_no_end() {
    let _watch = watch();
    differs_under_wine("never reports the end after its own shutdown", || {
        let (pair, watched) = watched_pair();
        pair.client.shutdown(SD_RECEIVE).unwrap();
        watched.expect_nothing();
        pair.server.shutdown(SD_BOTH).unwrap();
        watched.expect_nothing();
        pair.client.shutdown(SD_SEND).unwrap();
        watched.expect_only(FD_CLOSE);
    });
}

// --- Datagrams -------------------------------------------------------------------------------------

/// A datagram socket reports FD_WRITE once it is bound, and FD_CONNECT when it is connected.
/// Source: validated on Windows.
#[test]
fn datagram_socket_reports_binding_and_connecting() {
    let _watch = watch();
    differs_under_wine("reports FD_WRITE unbound and no FD_CONNECT", || {
        let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        let watched = Watched::new(*socket, ALL);
        watched.expect_nothing();
        socket.bind(&Family::V4.loopback(0)).unwrap();
        watched.expect_only(FD_WRITE);
        let (_holder, address) = {
            let peer = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
            peer.bind(&Family::V4.loopback(0)).unwrap();
            let address = peer.local_address().unwrap().into();
            (peer, address)
        };
        socket.connect(&address).unwrap();
        watched.expect(fetched(FD_CONNECT | FD_WRITE));
    });
}

/// Two datagram sockets that are connected to each other.
fn datagram_pair() -> [Socket; 2] {
    let [a, b] = [(); 2].map(|()| {
        let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        socket.bind(&Family::V4.loopback(0)).unwrap();
        socket
    });
    a.connect(&b.local_address().unwrap().into()).unwrap();
    b.connect(&a.local_address().unwrap().into()).unwrap();
    [a, b]
}

/// A datagram is reported, and another one after a receive that leaves it.
/// Source: WSAEventSelect, table of re-enabling functions.
#[test]
fn datagrams_are_reported() {
    let _watch = watch();
    let [a, b] = datagram_pair();
    for _ in 0..2 {
        a.send(b"abc").unwrap();
    }
    let watched = Watched::new(*b, FD_READ);
    watched.expect(fetched(FD_READ));
    assert_eq!(b.recv_some(9).unwrap(), b"abc");
    watched.expect_only(FD_READ);
    assert_eq!(b.recv_some(9).unwrap(), b"abc");
    watched.expect_nothing();
}

/// Each datagram that arrives is recorded although the old report stands.
/// Source: validated on Windows.
#[test]
fn more_datagrams_are_recorded_again() {
    let _watch = watch();
    differs_under_wine("reports again after a receive only", || {
        let [a, b] = datagram_pair();
        let watched = Watched::new(*b, FD_READ);
        for _ in 0..3 {
            a.send(b"abc").unwrap();
            watched.expect_only(FD_READ);
        }
    });
}

// --- FD_OOB ----------------------------------------------------------------------------------------

/// An urgent byte outside the stream is FD_OOB and not FD_READ; inside the stream it is FD_READ.
/// Source: WSAEventSelect, remarks on FD_OOB; SO_OOBINLINE.
#[test]
fn urgent_data_is_reported_by_where_it_is() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    watched.expect_only(FD_OOB);
    let mut byte = [0];
    assert_eq!(pair.server.recv_flags(&mut byte, MSG_OOB), Ok(1));
    assert_eq!(byte, *b"!");
    watched.expect_nothing();
    assert_eq!(pair.client.send_flags(b"?", MSG_OOB), Ok(1));
    watched.expect_only(FD_OOB);
    assert_eq!(pair.server.recv_flags(&mut byte, MSG_OOB), Ok(1));
    assert_eq!(byte, *b"?");

    differs_under_wine("reports FD_OOB as well", || {
        let pair = connected_pair(Family::V4);
        pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let watched = Watched::new(*pair.server, FD_READ | FD_OOB);
        assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
        watched.expect_only(FD_READ);
    });
}

/// An urgent byte that waits at registration is reported then.
/// Source: WSAEventSelect, remarks on FD_OOB.
#[test]
fn urgent_data_is_reported_at_registration() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until("the urgent byte has arrived", || {
        pair.server.ioctl(SIOCATMARK, 0) == Ok(0)
    });
    Watched::new(*pair.server, FD_READ | FD_OOB).expect_only(FD_OOB);
}
