//! What is refused at the edges of sockets, options and control codes, and what such a call leaves alone.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// What no call has written.
const UNTOUCHED: u32 = 0xABCD;

/// An IPv6 address with its scope, as bind and connect take it.
fn v6(text: &str, port: u16, scope: u32) -> Address {
    let ip: Ipv6Addr = text.parse().unwrap();
    SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)).into()
}

/// WSAIoctl of a code that takes input: its result, and the count it stored or left.
fn control(
    socket: Raw,
    code: u32,
    input: Option<&[u8]>,
    request: Option<&Request>,
) -> (Result<(), WSA_ERROR>, u32) {
    let mut returned = UNTOUCHED;
    let overlapped = request.map_or(null_mut(), Request::overlapped);
    // SAFETY: the input is valid for its length; these codes read it and write no output.
    let result = unsafe {
        WSAIoctl(
            socket.0,
            code,
            input.map_or(null(), <[u8]>::as_ptr).cast(),
            input.map_or(0, <[u8]>::len) as u32,
            null_mut(),
            0,
            &mut returned,
            overlapped,
            None,
        )
    };
    (check(result), returned)
}

/// A socket of IPv6 alone has no use for the mapped addresses of IPv4, although somebody listens there.
/// Source: "Dual-Stack Sockets"; IPV6_V6ONLY; bind and connect, WSAEADDRNOTAVAIL and WSAENETUNREACH.
#[test]
fn mapped_addresses_need_a_dual_socket() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL to bind", || {
        let listener = Listener::new(Family::V4);
        let port = listener.socket.local_address().unwrap().port();
        let socket = Socket::tcp(Family::V6);
        assert_eq!(
            socket.bind(&v6("::ffff:127.0.0.1", 0, 0)),
            Err(WSAEADDRNOTAVAIL)
        );
        let answer = socket.connect(&v6("::ffff:127.0.0.1", port, 0));
        assert!(
            matches!(answer, Err(WSAENETUNREACH | WSAEADDRNOTAVAIL)),
            "{answer:?}"
        );
        let dual = Socket::tcp(Family::V6);
        assert_eq!(dual.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0), Ok(()));
        assert_eq!(dual.connect(&v6("::ffff:127.0.0.1", port, 0)), Ok(()));
    });
}

/// The flags of other transports, and of Registered I/O, are taken without effect.
/// Source: WSASocket, dwFlags.
#[test]
fn flags_of_other_transports_are_taken() {
    let _watch = watch();
    for flags in [
        WSA_FLAG_REGISTERED_IO,
        WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF,
        WSA_FLAG_MULTIPOINT_C_ROOT | WSA_FLAG_MULTIPOINT_D_ROOT,
    ] {
        let flags = flags | WSA_FLAG_OVERLAPPED;
        let socket = Socket::open_flags(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP, flags);
        let bound = socket.map(|socket| socket.bind(&Family::V4.loopback(0)));
        assert!(matches!(bound, Ok(Ok(()))), "{flags:#x}");
    }
}

/// A receive whose time is over stores no count and no flags.
/// Source: SOL_SOCKET options, SO_RCVTIMEO; WSARecv, lpNumberOfBytesRecvd; validated on Windows.
#[test]
fn receive_whose_time_is_over_stores_no_count() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_RCVTIMEO, 50), Ok(()));
    let mut byte = 0u8;
    let buffer = WSABUF {
        len: 1,
        buf: &raw mut byte,
    };
    let (mut received, mut flags) = (UNTOUCHED, 0);
    // SAFETY: the buffer, the count and the flags live through the call, which is synchronous.
    let result = unsafe {
        WSARecv(
            pair.server.0,
            &raw const buffer,
            1,
            &mut received,
            &mut flags,
            null_mut(),
            None,
        )
    };
    assert_eq!(check(result), Err(WSAETIMEDOUT));
    assert_eq!((received, flags), (UNTOUCHED, 0));
}

/// SIO_KEEPALIVE_VALS without its structure is refused at once: with a count of 0, or with an OVERLAPPED that stays as a
/// call that was refused leaves it.
/// Source: SIO_KEEPALIVE_VALS; WSAIoctl, WSAEFAULT; validated on Windows.
#[test]
fn keep_alive_values_need_their_structure() {
    let _watch = watch();
    differs_under_wine("leaves the status block alone", || {
        let socket = Socket::tcp(Family::V4);
        for input in [None, Some(&[0; 11][..])] {
            assert_eq!(
                control(*socket, SIO_KEEPALIVE_VALS, input, None),
                (Err(WSAEFAULT), 0)
            );
            let request = Request::new(0);
            assert_eq!(
                control(*socket, SIO_KEEPALIVE_VALS, input, Some(&request)),
                (Err(WSAEFAULT), UNTOUCHED)
            );
            assert_eq!(request.internal(), STATUS_PENDING as usize);
        }
    });
}

/// Datagrams keep nothing alive.
/// Source: SIO_KEEPALIVE_VALS (for connections of TCP); WSAIoctl, WSAENOPROTOOPT.
#[test]
fn keep_alive_values_are_for_streams() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap();
        let values = [1u32, 10_000, 1_000].map(u32::to_ne_bytes).concat();
        assert_eq!(
            control(*socket, SIO_KEEPALIVE_VALS, Some(&values), None).0,
            Err(WSAENOPROTOOPT)
        );
    });
}

/// FIONBIO takes a longer input than it needs. While events are selected the socket cannot become blocking: WSAEINVAL, and
/// a count of 0.
/// Source: WSAIoctl, FIONBIO; WSAEventSelect, remarks; validated on Windows.
#[test]
fn selected_socket_stays_non_blocking() {
    let _watch = watch();
    differs_under_wine("leaves the count alone", || {
        let pair = connected_pair(Family::V4);
        let event = Event::manual();
        let fionbio = FIONBIO as u32;
        let (on, off) = ([1; 12], [0; 4]);
        assert_eq!(control(*pair.server, fionbio, Some(&on), None).0, Ok(()));
        assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
        let selected = |mask: u32| {
            let mask = mask as i32;
            // SAFETY: handles are looked up.
            check(unsafe { WSAEventSelect(pair.server.0, event.raw() as WSAEVENT, mask) })
        };
        assert_eq!(selected(FD_READ), Ok(()));
        assert_eq!(
            control(*pair.server, fionbio, Some(&off), None),
            (Err(WSAEINVAL), 0)
        );
        assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
        assert_eq!(selected(0), Ok(()));
        assert_eq!(control(*pair.server, fionbio, Some(&off), None).0, Ok(()));
    });
}

/// A value of no length is none: WSAEFAULT to set, for all but the truth values of any length, and to get.
/// Source: getsockopt and setsockopt, optlen; validated on Windows.
#[test]
fn no_length_is_no_value() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    for (level, option) in [
        (SOL_SOCKET, SO_KEEPALIVE),
        (SOL_SOCKET, SO_DONTROUTE),
        (SOL_SOCKET, SO_LINGER),
        (SOL_SOCKET, SO_RCVBUF),
        (SOL_SOCKET, SO_SNDTIMEO),
        (IPPROTO_TCP, TCP_NODELAY),
        (IPPROTO_IP, IP_TTL),
    ] {
        let set = socket.set_option_bytes(level, option, &[]);
        assert_eq!(set, Err(WSAEFAULT), "{level}, {option:#x}");
        let got = socket.option_bytes(level, option, &mut []);
        assert_eq!(got, Err(WSAEFAULT), "{level}, {option:#x}");
    }
}

/// What the system tells of a socket cannot be set.
/// Source: SOL_SOCKET options (get only); setsockopt, WSAENOPROTOOPT.
#[test]
fn what_is_told_cannot_be_set() {
    let _watch = watch();
    for option in [
        SO_MAX_MSG_SIZE,
        SO_CONNECT_TIME,
        SO_BSP_STATE,
        SO_PROTOCOL_INFOA,
        SO_PROTOCOL_INFOW,
    ] {
        let answer = Socket::tcp(Family::V4).set_option(SOL_SOCKET, option, 1);
        assert_eq!(answer, Err(WSAENOPROTOOPT), "{option:#x}");
    }
}

/// A datagram socket has no connect time, although it has a peer; and its directions may be shut again and again.
/// Source: SOL_SOCKET options, SO_CONNECT_TIME; shutdown; validated on Windows.
#[test]
fn peer_of_datagrams_is_no_connection() {
    let _watch = watch();
    let udp = || Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap();
    let (socket, peer) = (udp(), udp());
    assert_eq!(peer.bind(&Family::V4.loopback(0)), Ok(()));
    let there = peer.local_address().unwrap().into();
    assert_eq!(socket.connect(&there), Ok(()));
    assert_eq!(socket.option(SOL_SOCKET, SO_CONNECT_TIME), Ok(-1));
    for how in [SD_SEND, SD_SEND, SD_RECEIVE, SD_BOTH, SD_BOTH] {
        assert_eq!(socket.shutdown(how), Ok(()), "{how}");
    }
    assert_eq!(peer.shutdown(7), Err(WSAEINVAL));
}

/// SO_OPENTYPE is the thread's: it is told for a handle of something else as well.
/// Source: SOL_SOCKET options, SO_OPENTYPE; validated on Windows.
#[test]
fn open_type_needs_no_socket() {
    let _watch = watch();
    startup();
    let event = Event::manual();
    let foreign = Raw(event.raw() as SOCKET);
    assert_eq!(foreign.option(SOL_SOCKET, SO_OPENTYPE), Ok(0));
    assert_eq!(foreign.option(SOL_SOCKET, SO_TYPE), Err(WSAENOTSOCK));
}
