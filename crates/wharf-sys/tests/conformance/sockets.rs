//! socket and WSASocket, and the handle and last-error rules that all functions share.

use std::mem;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const TCP: i32 = IPPROTO_TCP;
const UDP: i32 = IPPROTO_UDP;
const V4: i32 = AF_INET as i32;
const V6: i32 = AF_INET6 as i32;

// --- socket, WSASocket -----------------------------------------------------------------------------

/// What becomes of a socket that `socket` made for these arguments: family and type, or the error.
fn opened(family: i32, kind: i32, protocol: i32) -> Result<i32, WSA_ERROR> {
    let socket = Socket::open(family, kind, protocol)?;
    socket.option(SOL_SOCKET, SO_TYPE)
}

/// Which family, type and protocol make a socket.
/// Source: socket; validated on Windows.
#[test]
fn socket_arguments() {
    let _watch = watch();
    let cases = [
        ((V4, SOCK_STREAM, 0), Ok(SOCK_STREAM)),
        ((V4, SOCK_STREAM, TCP), Ok(SOCK_STREAM)),
        ((V6, SOCK_STREAM, 0), Ok(SOCK_STREAM)),
        ((V6, SOCK_STREAM, TCP), Ok(SOCK_STREAM)),
        ((V4, SOCK_DGRAM, 0), Ok(SOCK_DGRAM)),
        ((V4, SOCK_DGRAM, UDP), Ok(SOCK_DGRAM)),
        ((V4, 0, 0), Ok(SOCK_STREAM)),
        ((0, SOCK_STREAM, TCP), Ok(SOCK_STREAM)),
        ((0, 0, TCP), Ok(SOCK_STREAM)),
        ((0, 0, UDP), Ok(SOCK_DGRAM)),
        ((V4, 0, UDP), Ok(SOCK_DGRAM)),
        ((0, 0, 0), Err(WSAEINVAL)),
        ((0, SOCK_STREAM, 0), Err(WSAEINVAL)),
        ((0, SOCK_DGRAM, 0), Err(WSAEINVAL)),
        ((V4, SOCK_STREAM, UDP), Err(WSAEPROTONOSUPPORT)),
        ((V4, SOCK_DGRAM, TCP), Err(WSAEPROTONOSUPPORT)),
        ((V4, SOCK_STREAM, 0x99), Err(WSAEPROTONOSUPPORT)),
        ((V4, 0x99, 0), Err(WSAESOCKTNOSUPPORT)),
        ((V4, SOCK_RDM, 0), Err(WSAESOCKTNOSUPPORT)),
        ((V4, SOCK_SEQPACKET, 0), Err(WSAESOCKTNOSUPPORT)),
        ((0x99, SOCK_STREAM, 0), Err(WSAEAFNOSUPPORT)),
        ((0x99, 0x99, 0x99), Err(WSAESOCKTNOSUPPORT)),
        ((V4, 0x99, 0x99), Err(WSAESOCKTNOSUPPORT)),
    ];
    for ((family, kind, protocol), expected) in cases {
        assert_eq!(
            opened(family, kind, protocol),
            expected,
            "socket({family}, {kind}, {protocol})"
        );
    }
}

/// Of an unknown family and an unknown protocol the family is judged first.
/// Source: socket, WSAEAFNOSUPPORT; validated on Windows.
#[test]
fn family_is_judged_before_the_protocol() {
    let _watch = watch();
    differs_under_wine("judges the protocol", || {
        assert_eq!(opened(0x99, SOCK_STREAM, 0x99), Err(WSAEAFNOSUPPORT));
    });
}

/// AF_UNSPEC with a protocol means AF_INET.
/// Source: socket, AF_UNSPEC; validated on Windows.
#[test]
fn unspecified_family_is_ipv4() {
    let _watch = watch();
    let socket = Socket::open(AF_UNSPEC.into(), SOCK_STREAM, TCP).unwrap();
    assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
}

/// WSASocketA and WSASocketW take the same numbers; unknown flags are WSAEINVAL.
/// Source: WSASocket, dwFlags.
#[test]
fn wsa_socket_arguments() {
    let _watch = watch();
    startup();
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: the protocol information may be null.
    let narrow = unsafe { WSASocketA(V4, SOCK_STREAM, TCP, null(), 0, flags) };
    assert_ne!(narrow, INVALID_SOCKET, "{}", wsa_error());
    drop(Socket::from_raw(Raw(narrow)));
    for flags in [0, WSA_FLAG_OVERLAPPED, flags] {
        assert!(
            Socket::open_flags(V4, SOCK_STREAM, TCP, flags).is_ok(),
            "flags {flags:#x}"
        );
    }
    let wrong = Socket::open_flags(V4, SOCK_STREAM, UDP, WSA_FLAG_OVERLAPPED);
    assert_eq!(wrong.err(), Some(WSAEPROTONOSUPPORT));
}

/// Unknown flags of WSASocket.
/// Source: WSASocket, WSAEINVAL.
#[test]
fn wsa_socket_refuses_unknown_flags() {
    let _watch = watch();
    differs_under_wine("ignores them", || {
        let opened = Socket::open_flags(V4, SOCK_STREAM, TCP, WSA_FLAG_OVERLAPPED | 0x8000_0000);
        assert_eq!(opened.err(), Some(WSAEINVAL));
    });
}

/// Protocol information fills in what the first three arguments leave open.
/// Source: WSASocket, lpProtocolInfo and FROM_PROTOCOL_INFO.
#[test]
fn wsa_socket_takes_protocol_information() {
    let _watch = watch();
    let model = Socket::tcp(Family::V6);
    // SAFETY: an all-zero WSAPROTOCOL_INFOW is a valid value of that plain structure.
    let mut info: WSAPROTOCOL_INFOW = unsafe { mem::zeroed() };
    let mut len = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: `info` is valid for writes of `len` bytes.
    let result = unsafe {
        getsockopt(
            model.0,
            SOL_SOCKET,
            SO_PROTOCOL_INFOW,
            (&raw mut info).cast(),
            &mut len,
        )
    };
    assert_eq!(check(result), Ok(()));
    let open = FROM_PROTOCOL_INFO;
    // SAFETY: `info` is valid for reads.
    let copy = unsafe { WSASocketW(open, open, open, &info, 0, WSA_FLAG_OVERLAPPED) };
    assert_ne!(copy, INVALID_SOCKET, "{}", wsa_error());
    let copy = Socket::from_raw(Raw(copy));
    assert_eq!(copy.bind(&Family::V6.loopback(0)), Ok(()));
}

/// There are no groups of sockets.
/// Source: WSASocket, g.
#[test]
fn group_must_be_zero() {
    let _watch = watch();
    differs_under_wine("does not look at it", || {
        startup();
        // SAFETY: no protocol information.
        let socket = unsafe {
            WSASocketW(
                V4,
                SOCK_STREAM,
                IPPROTO_TCP,
                null(),
                0x1234,
                WSA_FLAG_OVERLAPPED,
            )
        };
        assert_eq!((socket, wsa_error()), (INVALID_SOCKET, WSAEINVAL));
    });
}

// --- Handles and last errors -----------------------------------------------------------------------

/// Calls every function that takes a socket on `socket`, and gives the error of each.
pub fn every_function_on(socket: Raw) -> Vec<(&'static str, WSA_ERROR)> {
    let good = Family::V4.loopback(1);
    let layout = AcceptLayout::without_data();
    let [send_request, receive_request] = [4, 4].map(Request::new);
    vec![
        ("bind", socket.bind(&good).unwrap_err()),
        ("listen", socket.listen(1).unwrap_err()),
        ("accept", socket.accept().unwrap_err()),
        ("connect", socket.connect(&good).unwrap_err()),
        ("send", socket.send(b"x").unwrap_err()),
        ("recv", socket.recv(&mut [0; 1]).unwrap_err()),
        ("shutdown", socket.shutdown(SD_BOTH).unwrap_err()),
        ("closesocket", socket.close().unwrap_err()),
        ("ioctlsocket", socket.ioctl(FIONBIO, 1).unwrap_err()),
        (
            "setsockopt",
            socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1).unwrap_err(),
        ),
        (
            "getsockopt",
            socket.option(SOL_SOCKET, SO_TYPE).unwrap_err(),
        ),
        ("getsockname", socket.local_address().unwrap_err()),
        ("getpeername", socket.peer_address().unwrap_err()),
        ("WSARecv", socket.receive(&receive_request).unwrap_err()),
        ("WSASend", socket.send_request(&send_request).unwrap_err()),
        (
            "AcceptEx",
            socket
                .accept_ex(socket, &layout.request(), layout)
                .unwrap_err(),
        ),
        (
            "WSAGetOverlappedResult",
            socket.result(&Request::new(0), false).unwrap_err(),
        ),
    ]
}

/// On a stale, closed, foreign or invented handle every socket function is WSAENOTSOCK.
/// Source: the socket functions, WSAENOTSOCK.
#[test]
fn every_function_checks_its_socket() {
    let _watch = watch();
    in_own_process(|| {
        startup();
        let event = Event::manual();
        let port = Port::new(0);
        let foreign = [event.raw(), port.raw(), GARBAGE_HANDLE].map(|handle| Raw(handle as SOCKET));
        let stale = [Raw(INVALID_SOCKET), Raw(0), Raw(1), Socket::stale()];
        for socket in foreign.into_iter().chain(stale) {
            for (name, error) in every_function_on(socket) {
                assert_eq!(error, WSAENOTSOCK, "{name} on {socket:?}");
            }
        }
    });
}

/// WSAIoctl on something that is no socket is WSAENOTSOCK.
/// Source: WSAIoctl, WSAENOTSOCK.
#[test]
fn wsa_ioctl_checks_its_socket() {
    let _watch = watch();
    differs_under_wine("gives extensions for anything", || {
        startup();
        let event = Event::manual();
        for bad in [Raw(INVALID_SOCKET), Raw(event.raw() as SOCKET)] {
            let extension = bad.extension::<LPFN_CONNECTEX>(WSAID_CONNECTEX);
            assert_eq!(extension, Err(WSAENOTSOCK));
        }
    });
}

/// getsockopt and setsockopt judge the handle before the pointers.
/// Source: the socket functions, WSAENOTSOCK; validated on Windows for options and names.
#[test]
fn bad_sockets_are_noticed_before_bad_pointers() {
    let _watch = watch();
    differs_under_wine("looks at the pointers first", || {
        startup();
        let (bad, level) = (INVALID_SOCKET, SOL_SOCKET);
        // SAFETY: null pointers on a handle that is no socket are what is tested.
        let got = unsafe { getsockopt(bad, level, SO_TYPE, null_mut(), null_mut()) };
        assert_eq!(check(got), Err(WSAENOTSOCK));
        // SAFETY: as above.
        let result = unsafe { setsockopt(bad, level, SO_TYPE, null(), 4) };
        assert_eq!(check(result), Err(WSAENOTSOCK));
    });
}

/// getsockname and getpeername judge the handle before the pointers.
/// Source: getpeername and getsockname, WSAENOTSOCK; validated on Windows for getpeername.
#[test]
fn names_of_bad_sockets_are_refused_before_bad_pointers() {
    let _watch = watch();
    differs_under_wine("looks at the pointers first", || {
        startup();
        for call in [getsockname, getpeername] {
            // SAFETY: null pointers on a handle that is no socket are what is tested.
            let result = unsafe { call(INVALID_SOCKET, null_mut(), null_mut()) };
            assert_eq!(check(result), Err(WSAENOTSOCK));
        }
    });
}

/// Asserts that `call` succeeds and sets the last error to 0.
#[track_caller]
fn clears_last_error<T, E: std::fmt::Debug>(call: impl FnOnce() -> Result<T, E>) -> T {
    set_last_error(UNTOUCHED);
    let value = call().expect("success");
    assert_eq!(last_error(), 0);
    value
}

/// A winsock call that succeeds sets the last error to 0.
/// Source: WSAGetLastError; validated on Windows for the calls here.
#[test]
fn success_clears_the_last_error() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    clears_last_error(|| pair.client.send(b"abcdef"));
    pair.server.until_unread(6);
    clears_last_error(|| pair.server.recv(&mut [0; 2]));
    clears_last_error(|| pair.server.receive(&Request::new(4)));
    clears_last_error(|| pair.server.send_request(&Request::from_data(b"x")));
    clears_last_error(|| pair.server.set_option(SOL_SOCKET, SO_KEEPALIVE, 1));
    clears_last_error(|| pair.server.option(SOL_SOCKET, SO_KEEPALIVE));
    clears_last_error(|| pair.server.local_address());
    clears_last_error(|| pair.server.extension::<LPFN_CONNECTEX>(WSAID_CONNECTEX));
    clears_last_error(|| pair.server.shutdown(SD_SEND));
    clears_last_error(|| Socket::tcp(Family::V4).bind(&Family::V4.loopback(0)));
}

/// The other winsock calls that succeed set the last error to 0 as well (our choice).
/// Source: WSAGetLastError.
#[test]
fn success_of_the_other_calls_clears_the_last_error_too() {
    let _watch = watch();
    differs_under_wine("some calls leave it alone", || {
        let listener = Listener::new(Family::V4);
        let socket = clears_last_error(|| Socket::open(V4, SOCK_STREAM, TCP));
        clears_last_error(|| socket.connect(&listener.address));
        let server = clears_last_error(|| listener.accept());
        clears_last_error(|| server.peer_address());
        clears_last_error(|| server.ioctl(FIONBIO, 1));
        clears_last_error(|| listener.listen(7));
        clears_last_error(|| server.close());
    });
}

/// The last error belongs to the thread that made the call.
/// Source: WSAGetLastError (the calling thread's).
#[test]
fn last_error_is_per_thread() {
    let _watch = watch();
    let (set, failed) = (Event::manual(), Event::manual());
    let (is_set, has_failed) = (set.clone(), failed.clone());
    let other = spawn(move || {
        set_last_error(UNTOUCHED);
        is_set.set();
        assert!(has_failed.wait(DEADLINE_MS));
        last_error()
    });
    assert!(set.wait(DEADLINE_MS));
    let socket = Socket::tcp(Family::V4);
    assert_eq!(socket.listen(1), Err(WSAEINVAL));
    failed.set();
    assert_eq!(other.join(), UNTOUCHED);
}
