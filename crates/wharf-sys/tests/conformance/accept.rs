//! accept: who gets a connection, and in which state the new socket is.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::accept_ex::listener_on_port;
use crate::harness::*;
use crate::tcp::*;

const ACCEPTED: usize = 0x22;

/// accept returns the connection and the peer's address with its true length.
/// Source: accept.
#[test]
fn accept_tells_the_peer() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = listener.client();
        let (server, peer) = listener.accept_from().unwrap();
        assert_eq!(plain(peer.get()), plain(client.local_address().unwrap()));
        assert_eq!(
            plain(server.peer_address().unwrap()),
            plain(client.local_address().unwrap())
        );
        assert_eq!(
            plain(server.local_address().unwrap()),
            plain(listener.address.get())
        );
        client.send_all(b"hello");
        assert_eq!(server.recv_exact(5), b"hello");
    }
}

/// accept waits for a connection in blocking mode, and answers WSAEWOULDBLOCK in non-blocking mode.
/// Source: accept, WSAEWOULDBLOCK.
#[test]
fn accept_obeys_the_blocking_mode() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    listener.set_non_blocking(true);
    assert_eq!(listener.accept().err(), Some(WSAEWOULDBLOCK));
    listener.set_non_blocking(false);
    let socket = *listener.socket;
    let waiter = spawn(move || socket.accept().map(|server| server.send_all(b"x")));
    waiter.until_waits();
    let client = listener.client();
    assert_eq!(waiter.join(), Ok(()));
    assert_eq!(client.recv_exact(1), b"x");
}

/// accept on a socket that does not listen is WSAEINVAL, on a datagram socket WSAEOPNOTSUPP.
/// Source: accept, WSAEINVAL and WSAEOPNOTSUPP.
#[test]
fn accept_needs_a_listener() {
    let _watch = watch();
    assert_eq!(Socket::tcp(Family::V4).accept().err(), Some(WSAEINVAL));
    assert_eq!(Socket::bound(Family::V4).accept().err(), Some(WSAEINVAL));
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.accept().err(), Some(WSAEINVAL));
    let datagram = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    assert_eq!(datagram.bind(&Family::V4.loopback(0)), Ok(()));
    assert_eq!(datagram.accept().err(), Some(WSAEOPNOTSUPP));
}

/// Too little room for the address is WSAEFAULT; the length stays, and so does the connection.
/// Source: accept, WSAEFAULT; validated on Windows.
#[test]
fn accept_with_a_short_address_takes_nothing() {
    let _watch = watch();
    differs_under_wine("the connection is lost", || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let client = listener.client();
            listener.set_non_blocking(true);
            let mut address = Address::room();
            let mut len = 15;
            // SAFETY: both pointers are valid.
            let accepted = unsafe { accept(listener.0, address.as_mut_ptr(), &mut len) };
            assert_eq!(
                (accepted, wsa_error(), len),
                (INVALID_SOCKET, WSAEFAULT, 15)
            );
            let server = listener.accept().expect("the connection is still there");
            server.send_all(b"x");
            assert_eq!(client.recv_exact(1), b"x");
        }
    });
}

/// An address without a length is not written, and accept succeeds.
/// Source: accept, addr and addrlen; validated on Windows.
#[test]
fn accept_ignores_an_address_without_length() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    let mut address = Address::room();
    // SAFETY: a null length is what is tested; the address is valid.
    let accepted = unsafe { accept(listener.0, address.as_mut_ptr(), null_mut()) };
    assert_ne!(accepted, INVALID_SOCKET, "accept: {}", wsa_error());
    assert_eq!(address.storage.ss_family, 0);
    drop(Socket::from_raw(Raw(accepted)));
}

/// An accepted socket inherits the listener's options.
/// Source: accept (the new socket has the properties of the listener); validated on Windows.
#[test]
fn accepted_socket_inherits_options() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let options = [
        (SOL_SOCKET, SO_KEEPALIVE, 1),
        (SOL_SOCKET, SO_OOBINLINE, 1),
        (SOL_SOCKET, SO_SNDBUF, 20_000),
        (SOL_SOCKET, SO_RCVBUF, 30_000),
        (SOL_SOCKET, SO_SNDTIMEO, 4_000),
        (SOL_SOCKET, SO_RCVTIMEO, 5_000),
        (IPPROTO_TCP, TCP_NODELAY, 1),
    ];
    for (level, option, value) in options {
        assert_eq!(
            listener.set_option(level, option, value),
            Ok(()),
            "option {option:#x}"
        );
    }
    listener.set_linger(true, 7);
    let pair = listener.pair();
    for (level, option, value) in options {
        assert_eq!(
            pair.server.option(level, option),
            Ok(value),
            "option {option:#x}"
        );
    }
    assert_eq!(pair.server.option(SOL_SOCKET, SO_LINGER), Ok(7 << 16 | 1));
    pair.server.set_linger(false, 0);
}

/// SO_REUSEADDR, set before bind, is inherited too.
/// Source: accept; validated on Windows.
#[test]
fn accepted_socket_inherits_reuse_address() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    assert_eq!(socket.set_option(SOL_SOCKET, SO_REUSEADDR, 1), Ok(()));
    let pair = Listener::from_socket(socket, Family::V4).pair();
    assert_eq!(pair.server.option(SOL_SOCKET, SO_REUSEADDR), Ok(1));
}

/// An accepted socket inherits the blocking mode.
/// Source: accept and ioctlsocket, FIONBIO.
#[test]
fn accepted_socket_inherits_the_blocking_mode() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    listener.set_non_blocking(true);
    let server = listener.accept().unwrap();
    assert_eq!(server.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
}

/// An accepted socket has the listener's overlapped attribute.
/// Source: accept; CreateIoCompletionPort, ERROR_INVALID_PARAMETER.
#[test]
fn accepted_socket_inherits_the_overlapped_attribute() {
    let _watch = watch();
    let socket = Socket::tcp_synchronous(Family::V4);
    let pair = Listener::from_socket(socket, Family::V4).pair();
    let port = Port::new(0);
    fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
        create_port(pair.server.handle(), port.raw(), ACCEPTED, 0)
    });
}

/// An accepted socket does not inherit the completion port.
/// Source: accept; CreateIoCompletionPort.
#[test]
fn accepted_socket_is_on_no_port() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let pair = listener.pair();
    assert_eq!(pair.server.send_request(&Request::from_data(b"x")), done(1));
    assert_quiet(&port);
    port.associate(pair.server.handle(), ACCEPTED);
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(ACCEPTED, 1));
}

/// What is set on a listener counts for connections that wait there already.
/// Source: accept (the new socket has the properties of the listener); validated on Windows.
#[test]
fn late_options_are_in_effect() {
    let _watch = watch();
    differs_under_wine("inherits what the connection came with", || {
        let listener = Listener::new(Family::V4);
        let client = listener.client();
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(server.option(SOL_SOCKET, SO_OOBINLINE), Ok(1));
        server.set_option(SOL_SOCKET, SO_RCVTIMEO, 3000).unwrap();
        assert_eq!(client.send_flags(b"u", MSG_OOB), Ok(1));
        assert_eq!(server.recv_some(8), Ok(b"u".to_vec()));
    });
}

/// As do options that are switched off.
/// Source: accept.
#[test]
fn late_options_are_off() {
    let _watch = watch();
    differs_under_wine("inherits what the connection came with", || {
        let listener = Listener::new(Family::V4);
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let client = listener.client();
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 0).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(server.option(SOL_SOCKET, SO_OOBINLINE), Ok(0));
        client.send_flags(b"u", MSG_OOB).unwrap();
        until("the urgent byte", || server.ioctl(SIOCATMARK, 7) == Ok(0));
        server.set_option(SOL_SOCKET, SO_RCVTIMEO, 3000).unwrap();
        assert_eq!(server.recv_flags(&mut [0; 4], MSG_OOB), Ok(1));
    });
}
