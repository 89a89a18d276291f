//! What socket and WSASocket make of arguments that name their protocol in part.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const V4: i32 = AF_INET as i32;
const V6: i32 = AF_INET6 as i32;
const UNSPECIFIED: i32 = AF_UNSPEC as i32;

/// What SO_PROTOCOL_INFOW tells of a socket.
fn description(socket: Raw) -> WSAPROTOCOL_INFOW {
    let mut info = WSAPROTOCOL_INFOW::default();
    let mut length = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: plain data of that length.
    let result = check(unsafe {
        let out = (&raw mut info).cast();
        getsockopt(socket.0, SOL_SOCKET, SO_PROTOCOL_INFOW, out, &mut length)
    });
    assert_eq!(result, Ok(()));
    info
}

/// Family, type and protocol of a socket that could be made.
fn numbers(socket: Result<Socket, WSA_ERROR>) -> Result<(i32, i32, i32), WSA_ERROR> {
    let socket = socket?;
    let info = description(*socket);
    Ok((info.iAddressFamily, info.iSocketType, info.iProtocol))
}

/// WSASocketW with protocol information.
fn described(given: (i32, i32, i32), info: (i32, i32, i32)) -> Result<(i32, i32, i32), WSA_ERROR> {
    startup();
    let info = WSAPROTOCOL_INFOW {
        iAddressFamily: info.0,
        iSocketType: info.1,
        iProtocol: info.2,
        ..WSAPROTOCOL_INFOW::default()
    };
    let (family, kind, protocol) = given;
    // SAFETY: the information is valid.
    let made = unsafe { WSASocketW(family, kind, protocol, &info, 0, WSA_FLAG_OVERLAPPED) };
    numbers(match made {
        INVALID_SOCKET => Err(wsa_error()),
        made => Ok(Socket::from_raw(Raw(made))),
    })
}

/// Arguments that name neither a family nor a protocol are WSAEINVAL, whatever the type.
/// Source: socket, WSAEINVAL; validated on Windows.
#[test]
fn something_must_be_named() {
    let _watch = watch();
    for kind in [0, SOCK_STREAM, SOCK_RAW, 0xdead] {
        let made = Socket::open(UNSPECIFIED, kind, 0);
        assert_eq!(made.err(), Some(WSAEINVAL), "type {kind}");
    }
    let made = Socket::open(UNSPECIFIED, 0xdead, IPPROTO_UDP);
    assert_eq!(made.err(), Some(WSAESOCKTNOSUPPORT));
    let made = Socket::open(UNSPECIFIED, SOCK_STREAM, 0xdead);
    assert_eq!(made.err(), Some(WSAEPROTONOSUPPORT));
}

/// A protocol without a type: that of TCP and UDP is known, all others are raw.
/// Source: socket, type and protocol; validated on Windows.
#[test]
fn protocol_stands_for_its_type() {
    let _watch = watch();
    let made = |family, protocol| numbers(Socket::open(family, 0, protocol));
    for (family, is) in [(UNSPECIFIED, V4), (V4, V4), (V6, V6)] {
        let tcp = made(family, IPPROTO_TCP);
        assert_eq!(tcp, Ok((is, SOCK_STREAM, IPPROTO_TCP)));
        let udp = made(family, IPPROTO_UDP);
        assert_eq!(udp, Ok((is, SOCK_DGRAM, IPPROTO_UDP)));
        assert_eq!(made(family, 256), Err(WSAEPROTONOSUPPORT));
        not_under_wine("knows a few raw protocols", || {
            match Socket::open(family, 0, IPPROTO_RAW) {
                Ok(raw) => assert_eq!(description(*raw).iSocketType, SOCK_RAW),
                Err(error) => assert_eq!(error, WSAEACCES, "no right to raw sockets"),
            }
        });
    }
}

/// The entry that describes raw sockets is hidden, and covers every protocol there is.
/// Source: WSAPROTOCOL_INFO, dwProviderFlags and iProtocolMaxOffset; validated on Windows.
#[test]
fn raw_sockets_share_a_hidden_entry() {
    let _watch = watch();
    for family in FAMILIES {
        let Ok(raw) = Socket::open(family.number(), SOCK_RAW, IPPROTO_ICMP) else {
            return println!("no right to raw sockets");
        };
        not_under_wine("has an entry for each protocol", || {
            let info = description(*raw);
            assert_eq!(info.iProtocolMaxOffset, 255);
            let flags = PFL_MATCHES_PROTOCOL_ZERO | PFL_HIDDEN;
            assert_eq!(info.dwProviderFlags, flags);
        });
        let udp = Socket::open(family.number(), SOCK_DGRAM, 0).unwrap();
        let info = description(*udp);
        assert_eq!(info.iProtocolMaxOffset, 0);
        assert_eq!(info.dwProviderFlags, PFL_MATCHES_PROTOCOL_ZERO);
    }
}

/// Protocol information fills in arguments that are 0 as it does those that are FROM_PROTOCOL_INFO; the others stand.
/// Source: WSASocket, lpProtocolInfo; validated on Windows.
#[test]
fn information_fills_in_what_is_open() {
    let _watch = watch();
    const OPEN: i32 = FROM_PROTOCOL_INFO;
    let udp = (V4, SOCK_DGRAM, IPPROTO_UDP);
    for open in [0, OPEN] {
        assert_eq!(described((open, open, open), udp), Ok(udp));
        assert_eq!(
            described((V6, open, open), udp),
            Ok((V6, SOCK_DGRAM, IPPROTO_UDP))
        );
        let tcp = described((open, SOCK_STREAM, IPPROTO_TCP), udp);
        assert_eq!(tcp, Ok((V4, SOCK_STREAM, IPPROTO_TCP)));
        assert_eq!(
            described((open, SOCK_STREAM, open), udp),
            Err(WSAEPROTONOSUPPORT)
        );
    }
    assert_eq!(described((V4, SOCK_DGRAM, 0), (0, 0, 0)), Ok(udp));
}

/// Where neither names a family that is there, it is the family that is refused.
/// Source: WSASocket, WSAEAFNOSUPPORT; validated on Windows.
#[test]
fn information_needs_a_family() {
    let _watch = watch();
    for info in [(0, 0, 0), (-1, -1, -1), (77, SOCK_STREAM, IPPROTO_TCP)] {
        let made = described((0, 0, IPPROTO_UDP), info);
        assert_eq!(made, Err(WSAEAFNOSUPPORT));
    }
}
