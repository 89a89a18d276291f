//! What ICMP does to datagram sockets: a datagram that found no port makes a receive fail, never a send.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

const KEY: usize = 0x79;

const WINE: &str = "tells nothing of ICMP to sockets without a peer";

/// A datagram that finds no such port makes a later receive fail, once; then datagrams arrive as before.
/// Source: recvfrom, WSAECONNRESET ("a previous send operation resulted in an ICMP Port Unreachable message").
#[test]
fn unreachable_port_fails_a_later_receive() {
    let _watch = watch();
    differs_under_wine(WINE, || {
        for family in FAMILIES {
            let (_holders, nobody) = deaf_address(family);
            let (socket, friend) = (udp_bound(family), udp_bound(family));
            assert_eq!(socket.send_to(b"x", &nobody), Ok(1));
            assert_eq!(socket.recv_from(9), Err(WSAECONNRESET));
            friend.send_to(b"abc", &address_of(*socket)).unwrap();
            assert_eq!(socket.recv_from(9).unwrap().0, b"abc");
        }
    });
}

/// A receive that is pending fails: ERROR_PORT_UNREACHABLE at the port, no bytes, no sender. The next one goes on.
/// Source: WSARecvFrom, WSAECONNRESET; ERROR_PORT_UNREACHABLE.
#[test]
fn unreachable_port_fails_a_pending_receive() {
    let _watch = watch();
    differs_under_wine(WINE, || {
        let (_holders, nobody) = deaf_address(Family::V4);
        let (socket, friend) = (udp_bound(Family::V4), udp_bound(Family::V4));
        let port = port_of(*socket, KEY);
        let letters = [Letter::new(8), Letter::new(8)];
        for letter in &letters {
            assert_eq!(socket.receive_from(letter), PENDING);
        }
        assert_eq!(socket.send_to(b"x", &nobody), Ok(1));
        let failed = letters[0].failure(KEY, ERROR_PORT_UNREACHABLE);
        assert_eq!(next(&port), failed);
        assert!(letters[0].has_status(STATUS_PORT_UNREACHABLE));
        assert!(letters[0].has_no_sender());
        assert_eq!(socket.result(&letters[0], false), Err(WSAECONNRESET));
        friend.send_to(b"abc", &address_of(*socket)).unwrap();
        assert_eq!(next(&port), letters[1].success(KEY, 3));
    });
}

/// The same for a receive that blocks, and for a message.
/// Source: recv and WSARecvMsg, WSAECONNRESET.
#[test]
fn unreachable_port_fails_every_kind_of_receive() {
    let _watch = watch();
    differs_under_wine(WINE, || {
        let (_holders, nobody) = deaf_address(Family::V4);
        let socket = udp_bound(Family::V4);
        let raw = *socket;
        let waiter = spawn(move || raw.recv_some(9));
        waiter.until_waits();
        socket.send_to(b"x", &nobody).unwrap();
        assert_eq!(waiter.join(), Err(WSAECONNRESET));
        socket.send_to(b"x", &nobody).unwrap();
        socket.until_readable();
        let refused = Message::new(8, 64).receive(*socket).0;
        assert_eq!(refused, Err(WSAECONNRESET));
        socket.send_to(b"x", &nobody).unwrap();
        socket.until_readable();
        let request = Request::new(8);
        assert_eq!(socket.receive(&request), Err(WSAECONNRESET));
        assert!(!request.is_finished());
    });
}

/// A connected socket is told in the same way.
/// Source: recv, WSAECONNRESET.
#[test]
fn unreachable_peer_fails_a_receive() {
    let _watch = watch();
    differs_under_wine("reports it to a send, or with another code", || {
        let (_holders, nobody) = deaf_address(Family::V4);
        let socket = udp(Family::V4);
        socket.connect(&nobody).unwrap();
        for _ in 0..3 {
            assert_eq!(socket.send(b"x"), Ok(1));
            assert_eq!(socket.recv_some(9), Err(WSAECONNRESET));
        }
    });
}

/// Sends do not fail because of what became of earlier ones.
/// Source: sendto (no WSAECONNRESET for datagrams that found no port).
#[test]
fn sends_never_fail_for_earlier_ones() {
    let _watch = watch();
    let (_holders, nobody) = deaf_address(Family::V4);
    let (connected, free) = (udp(Family::V4), udp_bound(Family::V4));
    connected.connect(&nobody).unwrap();
    let friend = udp_bound(Family::V4);
    not_under_wine("a connected socket's send fails", || {
        for _ in 0..100 {
            assert_eq!(connected.send(b"x"), Ok(1));
        }
    });
    for number in 0..100_u8 {
        assert_eq!(free.send_to(b"x", &nobody), Ok(1));
        let request = Request::from_data(&[number]);
        let sent = free.send_request_to(&request, &address_of(*friend));
        assert_eq!(sent, done(1));
    }
    for number in 0..100_u8 {
        assert_eq!(friend.recv_some(9).unwrap(), [number]);
    }
}

/// SIO_UDP_CONNRESET switches it off, for what has already happened too, and on again.
/// Source: SIO_UDP_CONNRESET.
#[test]
fn reports_may_be_switched_off() {
    let _watch = watch();
    let (_holders, nobody) = deaf_address(Family::V4);
    let (socket, friend) = (udp_bound(Family::V4), udp_bound(Family::V4));
    socket.send_to(b"x", &nobody).unwrap();
    socket.control_switch(SIO_UDP_CONNRESET, false).unwrap();
    socket.set_non_blocking(true);
    socket.send_to(b"x", &nobody).unwrap();
    assert_eq!(socket.recv_from(9), Err(WSAEWOULDBLOCK));
    let port = port_of(*socket, KEY);
    let letter = Letter::new(8);
    assert_eq!(socket.receive_from(&letter), PENDING);
    socket.send_to(b"x", &nobody).unwrap();
    assert_quiet(&port);
    friend.send_to(b"abc", &address_of(*socket)).unwrap();
    assert_eq!(next(&port), letter.success(KEY, 3));
    socket.control_switch(SIO_UDP_CONNRESET, true).unwrap();
    not_under_wine(WINE, || {
        socket.control_switch(SIO_UDP_NETRESET, false).unwrap();
        socket.send_to(b"x", &nobody).unwrap();
        until("the failure is there", || {
            socket.recv_from(9) == Err(WSAECONNRESET)
        });
    });
}

/// The input of these control codes is a BOOL.
/// Source: WSAIoctl, WSAEFAULT.
#[test]
fn switches_need_their_input() {
    let _watch = watch();
    not_under_wine("does not look at the length", || {
        let socket = udp(Family::V4);
        let (on, mut returned) = (1_u8, 9);
        // SAFETY: one byte of input.
        let result = unsafe {
            WSAIoctl(
                socket.0,
                SIO_UDP_CONNRESET,
                (&raw const on).cast(),
                1,
                std::ptr::null_mut(),
                0,
                &mut returned,
                std::ptr::null_mut(),
                None,
            )
        };
        assert_eq!((check(result), returned), (Err(WSAEFAULT), 0));
    });
}
