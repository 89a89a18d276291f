//! The Berkeley calls over TCP, WSAStartup and WSACleanup, and the handle and last-error rules all share.

use std::ffi::CStr;
use std::mem;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const TCP: i32 = IPPROTO_TCP;
const UDP: i32 = IPPROTO_UDP;
const V4: i32 = AF_INET as i32;
const V6: i32 = AF_INET6 as i32;

// --- WSAStartup, WSACleanup ------------------------------------------------------------------------

/// One WSAStartup: its result and what it wrote.
fn startup_data(version: u16) -> (i32, WSADATA) {
    // SAFETY: an all-zero WSADATA is a valid value of that plain structure.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    // SAFETY: `data` is valid for writes.
    let result = unsafe { WSAStartup(version, &mut data) };
    (result, data)
}

fn cleanup() -> Result<(), WSA_ERROR> {
    // SAFETY: takes no pointers.
    check(unsafe { WSACleanup() })
}

/// Major and minor version as WSAStartup wants them.
fn version(major: u8, minor: u8) -> u16 {
    u16::from_le_bytes([major, minor])
}

/// WSAStartup grants every version from 1.0 to 2.2, and 2.2 for anything above.
/// Source: WSAStartup (the table of versions); validated on Windows.
#[test]
fn startup_negotiates_the_version() {
    let _watch = watch();
    let cases = [
        ((1, 0), (1, 0)),
        ((1, 1), (1, 1)),
        ((1, 2), (1, 1)),
        ((1, 255), (1, 1)),
        ((2, 0), (2, 0)),
        ((2, 1), (2, 1)),
        ((2, 2), (2, 2)),
        ((2, 3), (2, 2)),
        ((3, 0), (2, 2)),
        ((200, 7), (2, 2)),
    ];
    for ((major, minor), (granted_major, granted_minor)) in cases {
        let (result, data) = startup_data(version(major, minor));
        assert_eq!(result, 0, "version {major}.{minor}");
        assert_eq!(
            data.wVersion,
            version(granted_major, granted_minor),
            "version {major}.{minor}"
        );
        assert_eq!(data.wHighVersion, version(2, 2));
        let old = granted_major == 1;
        assert_eq!(
            (data.iMaxSockets, data.iMaxUdpDg),
            if old { (32767, 65467) } else { (0, 0) }
        );
        assert_eq!(cleanup(), Ok(()));
    }
}

/// Version 0.x is WSAVERNOTSUPPORTED, also without a place for the data; the versions are told all the same.
/// Source: WSAStartup, WSAVERNOTSUPPORTED; validated on Windows.
#[test]
fn startup_refuses_version_zero() {
    let _watch = watch();
    let (result, data) = startup_data(version(0, 9));
    assert_eq!((result, data.wVersion), (WSAVERNOTSUPPORTED, version(2, 2)));
    assert_eq!(data.wHighVersion, version(2, 2));
    // SAFETY: a null pointer is what is tested.
    let result = unsafe { WSAStartup(version(0, 0), null_mut()) };
    assert_eq!(result, WSAVERNOTSUPPORTED);
}

/// No place for the data is WSAEFAULT.
/// Source: WSAStartup, WSAEFAULT.
#[test]
fn startup_needs_room() {
    let _watch = watch();
    // SAFETY: a null pointer is what is tested.
    assert_eq!(unsafe { WSAStartup(version(2, 2), null_mut()) }, WSAEFAULT);
}

/// WSAStartup describes itself and leaves lpVendorInfo alone.
/// Source: WSADATA; validated on Windows.
#[test]
fn startup_describes_itself() {
    let _watch = watch();
    // SAFETY: an all-zero WSADATA is a valid value of that plain structure.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    data.lpVendorInfo = std::ptr::without_provenance_mut(0x77);
    // SAFETY: `data` is valid for writes.
    assert_eq!(unsafe { WSAStartup(version(2, 2), &mut data) }, 0);
    assert_eq!(data.lpVendorInfo.addr(), 0x77);
    // SAFETY: WSAStartup stored a terminated string.
    let description = unsafe { CStr::from_ptr(data.szDescription.as_ptr().cast()) };
    assert_eq!(description.to_bytes(), b"WinSock 2.0");
    // SAFETY: as above.
    let status = unsafe { CStr::from_ptr(data.szSystemStatus.as_ptr().cast()) };
    assert_eq!(status.to_bytes(), b"Running");
    assert_eq!(cleanup(), Ok(()));
}

/// Before WSAStartup, and after the last WSACleanup, socket functions fail with WSANOTINITIALISED.
/// Source: WSAStartup and every socket function, WSANOTINITIALISED.
#[test]
fn nothing_works_before_startup() {
    let _watch = watch();
    in_own_process(|| {
        // Sockets first, for `Socket::open` starts winsock; these calls must not.
        for _ in 0..2 {
            // SAFETY: takes no pointers.
            let opened = unsafe { socket(V4, SOCK_STREAM, TCP) };
            assert_eq!((opened, wsa_error()), (INVALID_SOCKET, WSANOTINITIALISED));
            assert_eq!(cleanup(), Err(WSANOTINITIALISED));
            assert_eq!(start_version(version(2, 2)), Ok(()));
            assert_eq!(cleanup(), Ok(()));
        }
    });
}

/// Before WSAStartup the functions that take a socket fail with WSANOTINITIALISED, whatever the socket.
/// Source: WSAStartup and every socket function, WSANOTINITIALISED.
#[test]
fn no_socket_function_works_before_startup() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("looks at the socket first", || {
            for (name, error) in every_function_on(Raw(0x1234)) {
                assert_eq!(error, WSANOTINITIALISED, "{name}");
            }
        });
    });
}

/// Every WSAStartup needs a WSACleanup; only the last one shuts winsock down.
/// Source: WSACleanup.
#[test]
fn startups_are_counted() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(start_version(version(2, 2)), Ok(()));
        assert_eq!(start_version(version(1, 1)), Ok(()));
        assert_eq!(cleanup(), Ok(()));
        // SAFETY: takes no pointers.
        let opened = unsafe { socket(V4, SOCK_STREAM, TCP) };
        assert_ne!(opened, INVALID_SOCKET);
        assert_eq!(cleanup(), Ok(()));
        assert_eq!(cleanup(), Err(WSANOTINITIALISED));
    });
}

/// A successful WSACleanup sets the last error to 0.
/// Source: WSACleanup; validated on Windows.
#[test]
fn cleanup_clears_the_last_error() {
    let _watch = watch();
    differs_under_wine("leaves it alone", || {
        assert_eq!(start_version(version(2, 2)), Ok(()));
        set_last_error(UNTOUCHED);
        assert_eq!(cleanup(), Ok(()));
        assert_eq!(last_error(), 0);
    });
}

/// The last WSACleanup closes what is still open: after a new start the old sockets are WSAENOTSOCK.
/// Source: WSACleanup (open sockets are reset and released).
#[test]
fn last_cleanup_closes_all_sockets() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(start_version(version(2, 2)), Ok(()));
        // SAFETY: takes no pointers.
        let raw = Raw(unsafe { socket(V4, SOCK_STREAM, TCP) });
        assert_eq!(raw.bind(&Family::V4.loopback(0)), Ok(()));
        let address: Address = raw.local_address().unwrap().into();
        assert_eq!(raw.listen(5), Ok(()));
        assert_eq!(cleanup(), Ok(()));
        assert_eq!(start_version(version(2, 2)), Ok(()));
        assert_eq!(raw.local_address(), Err(WSAENOTSOCK));
        assert_eq!(raw.close(), Err(WSAENOTSOCK));
        // SAFETY: takes no pointers.
        let client = Raw(unsafe { socket(V4, SOCK_STREAM, TCP) });
        assert_eq!(client.connect(&address), Err(WSAECONNREFUSED));
    });
}

/// Functions that only convert or remember work without WSAStartup.
/// Source: WSAGetLastError, htons, inet_addr and WSACreateEvent (they need no initialisation).
#[test]
fn conversions_need_no_startup() {
    let _watch = watch();
    in_own_process(|| {
        // SAFETY: takes no pointers.
        assert_eq!(unsafe { htons(0x1234) }, 0x3412);
        // SAFETY: the string is terminated.
        let result = unsafe { inet_addr(c"1.2.3.4".as_ptr().cast()) };
        assert_eq!(result, 0x0403_0201);
        // SAFETY: takes no pointers.
        unsafe { WSASetLastError(5) };
        assert_eq!(wsa_error(), 5);
        // SAFETY: takes no pointers.
        let event = unsafe { WSACreateEvent() };
        assert_ne!(event, WSA_INVALID_EVENT);
        // SAFETY: takes no pointers.
        assert_eq!(unsafe { WSACloseEvent(event) }, TRUE);
    });
}

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

// --- bind ------------------------------------------------------------------------------------------

/// bind takes its port at once, and only once.
/// Source: bind, WSAEINVAL; getsockname.
#[test]
fn bind_takes_a_port_once() {
    let _watch = watch();
    for family in FAMILIES {
        let socket = Socket::tcp(family);
        assert_eq!(socket.bind(&family.loopback(0)), Ok(()));
        assert_ne!(socket.local_address().unwrap().port(), 0);
        assert_eq!(socket.bind(&family.loopback(0)), Err(WSAEINVAL));
    }
}

/// A missing or short address is WSAEFAULT, a longer one is fine; a failed bind may be repeated.
/// Source: bind, WSAEFAULT; validated on Windows.
#[test]
fn bind_checks_the_address() {
    let _watch = watch();
    for family in FAMILIES {
        let socket = Socket::tcp(family);
        let good = family.loopback(0);
        // SAFETY: a null address is what is tested.
        let result = unsafe { bind(socket.0, null(), good.len) };
        assert_eq!(check(result), Err(WSAEFAULT));
        assert_eq!(socket.bind(&good.with_len(good.len - 1)), Err(WSAEFAULT));
        assert_eq!(socket.bind(&good.with_len(good.len + 40)), Ok(()));
    }
}

/// An address of another family is WSAEAFNOSUPPORT.
/// Source: bind, WSAEAFNOSUPPORT; validated on Windows.
#[test]
fn bind_checks_the_family() {
    let _watch = watch();
    differs_under_wine("answers other codes", || {
        for family in FAMILIES {
            let other = family.other().loopback(0).with_len(28);
            assert_eq!(Socket::tcp(family).bind(&other), Err(WSAEAFNOSUPPORT));
        }
    });
}

/// An address of another machine cannot be bound.
/// Source: bind, WSAEADDRNOTAVAIL.
#[test]
fn bind_needs_a_local_address() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let elsewhere = Address::from(std::net::SocketAddr::from(([192, 0, 2, 1], 0)));
    assert_eq!(socket.bind(&elsewhere), Err(WSAEADDRNOTAVAIL));
    assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
}

/// A port that is taken is WSAEADDRINUSE; another port may be tried on the same socket.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn bind_refuses_a_taken_port() {
    let _watch = watch();
    for family in FAMILIES {
        let first = Socket::bound(family);
        let taken = first.local_address().unwrap().into();
        let second = Socket::tcp(family);
        assert_eq!(second.bind(&taken), Err(WSAEADDRINUSE));
        assert_eq!(second.bind(&family.loopback(0)), Ok(()));
    }
}

/// A port with connections in TIME_WAIT can be bound again.
/// Source: bind and SO_REUSEADDR (not needed for that on Windows).
#[test]
fn time_wait_does_not_hold_the_port() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let address = listener.address;
    let pair = listener.pair();
    drop(listener);
    drop(pair.server);
    assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    drop(pair.client);
    let again = Socket::tcp(Family::V4);
    assert_eq!(again.bind(&address), Ok(()));
    assert_eq!(again.listen(1), Ok(()));
}

// --- listen ----------------------------------------------------------------------------------------

/// listen wants a bound, unconnected stream socket; repeating it is fine.
/// Source: listen, WSAEINVAL, WSAEISCONN and WSAEOPNOTSUPP.
#[test]
fn listen_checks_the_state() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL on connected sockets", || {
        for backlog in [0, 1, -1, BACKLOG_MAX] {
            assert_eq!(
                Socket::tcp(Family::V4).listen(backlog),
                Err(WSAEINVAL),
                "unbound, {backlog}"
            );
        }
        let pair = connected_pair(Family::V4);
        assert_eq!(pair.server.listen(1), Err(WSAEISCONN));
        assert_eq!(pair.client.listen(1), Err(WSAEISCONN));
        let datagram = Socket::open(V4, SOCK_DGRAM, UDP).unwrap();
        assert_eq!(datagram.bind(&Family::V4.loopback(0)), Ok(()));
        assert_eq!(datagram.listen(1), Err(WSAEOPNOTSUPP));
    });
}

/// Any backlog will do, and a second listen.
/// Source: listen, backlog and SOMAXCONN_HINT.
#[test]
fn listen_takes_any_backlog() {
    let _watch = watch();
    let socket = Socket::bound(Family::V4);
    let address = socket.local_address().unwrap().into();
    for backlog in [1, BACKLOG_MAX, -200, 5] {
        assert_eq!(socket.listen(backlog), Ok(()), "backlog {backlog}");
    }
    let client = Socket::tcp(Family::V4);
    assert_eq!(client.connect(&address), Ok(()));
    assert!(socket.accept().is_ok());
}

/// After a failed bind the socket is unbound: listen is WSAEINVAL.
/// Source: listen, WSAEINVAL; validated on Windows.
#[test]
fn listen_after_a_failed_bind() {
    let _watch = watch();
    let holder = Socket::bound(Family::V4);
    let socket = Socket::tcp(Family::V4);
    let taken = holder.local_address().unwrap().into();
    assert_eq!(socket.bind(&taken), Err(WSAEADDRINUSE));
    assert_eq!(socket.listen(1), Err(WSAEINVAL));
}

/// SO_ACCEPTCONN tells listeners from others.
/// Source: SOL_SOCKET options, SO_ACCEPTCONN.
#[test]
fn listening_shows_in_so_acceptconn() {
    let _watch = watch();
    let socket = Socket::bound(Family::V4);
    assert_eq!(socket.option(SOL_SOCKET, SO_ACCEPTCONN), Ok(0));
    assert_eq!(socket.listen(1), Ok(()));
    assert_eq!(socket.option(SOL_SOCKET, SO_ACCEPTCONN), Ok(1));
}

// --- send, recv ------------------------------------------------------------------------------------

/// A blocking recv waits for data and returns what there is; 0 is the end of the stream.
/// Source: recv.
#[test]
fn blocking_recv_waits_for_data() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let server = *pair.server;
        let reader = spawn(move || server.recv_some(16));
        reader.until_waits();
        pair.client.send_all(b"abc");
        assert_eq!(reader.join(), Ok(b"abc".to_vec()));
        let reader = spawn(move || server.recv_some(16));
        reader.until_waits();
        assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
        assert_eq!(reader.join(), Ok(vec![]));
    }
}

/// A non-blocking recv without data is WSAEWOULDBLOCK.
/// Source: recv, WSAEWOULDBLOCK.
#[test]
fn non_blocking_recv_does_not_wait() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    assert_eq!(pair.server.recv(&mut [0; 4]), Err(WSAEWOULDBLOCK));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_some(2), Ok(b"ab".to_vec()));
    assert_eq!(pair.server.recv_some(2), Ok(b"c".to_vec()));
    assert_eq!(pair.server.recv(&mut [0; 4]), Err(WSAEWOULDBLOCK));
}

/// A blocking send returns when all of it is on its way.
/// Source: send.
#[test]
fn blocking_send_takes_everything() {
    const LEN: usize = 32 << 20;
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let client = *pair.client;
    let writer = spawn(move || client.send(&vec![7; LEN]));
    assert!(pair.server.recv_exact(LEN).iter().all(|&byte| byte == 7));
    assert_eq!(writer.join(), Ok(LEN));
}

/// A non-blocking send takes what fits, then says WSAEWOULDBLOCK; what it took arrives.
/// Source: send, WSAEWOULDBLOCK.
#[test]
fn non_blocking_send_takes_what_fits() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.set_non_blocking(true);
    let mut sent = 0;
    let error = loop {
        match pair.client.send(&[7; 1 << 16]) {
            Ok(0) => panic!("send took nothing and did not say so"),
            Ok(len) => sent += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error, WSAEWOULDBLOCK);
    assert_eq!(pair.server.recv_exact(sent).len(), sent);
}

/// Nothing to send or no room to receive is 0, not the end.
/// Source: send and recv, len 0; validated on Windows.
#[test]
fn zero_lengths_do_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send(b""), Ok(0));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv(&mut []), Ok(0));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// A recv with length 0 may have no buffer at all.
/// Source: recv, len 0; validated on Windows.
#[test]
fn recv_without_room_needs_no_buffer() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    // SAFETY: nothing is written to a buffer of length 0.
    let result = unsafe { recv(pair.server.0, null_mut(), 0, 0) };
    assert_eq!(check_count(result), Ok(0));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// A missing buffer is WSAEFAULT.
/// Source: send and recv, WSAEFAULT.
#[test]
fn transfers_need_a_buffer() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    // SAFETY: a null buffer is what is tested.
    let result = unsafe { recv(pair.server.0, null_mut(), 4, 0) };
    assert_eq!(check_count(result), Err(WSAEFAULT));
    // SAFETY: as above.
    let result = unsafe { send(pair.client.0, null(), 4, 0) };
    assert_eq!(check_count(result), Err(WSAEFAULT));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// MSG_PEEK shows the data and leaves it.
/// Source: recv, MSG_PEEK.
#[test]
fn peek_leaves_the_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    let mut buffer = [0; 8];
    for _ in 0..2 {
        assert_eq!(pair.server.recv_flags(&mut buffer, MSG_PEEK), Ok(3));
        assert_eq!(&buffer[..3], b"abc");
    }
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// MSG_WAITALL waits until the buffer is full; the end of the stream makes it short.
/// Source: recv, MSG_WAITALL.
#[test]
fn waitall_fills_the_buffer() {
    let _watch = watch();
    not_under_wine("takes what is there when it looks", || {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let receive = move || {
            let mut buffer = [0; 6];
            let len = server.recv_flags(&mut buffer, MSG_WAITALL)?;
            Ok::<_, WSA_ERROR>(buffer[..len].to_vec())
        };
        pair.client.send_all(b"abc");
        let reader = spawn(receive);
        reader.until_waits();
        pair.client.send_all(b"defgh");
        assert_eq!(reader.join(), Ok(b"abcdef".to_vec()));
        let reader = spawn(receive);
        reader.until_waits();
        assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
        assert_eq!(reader.join(), Ok(b"gh".to_vec()));
    });
}

/// MSG_WAITALL is refused on a non-blocking socket and beside MSG_PEEK or MSG_OOB.
/// Source: recv, MSG_WAITALL and WSAEOPNOTSUPP.
#[test]
fn waitall_is_refused_where_it_cannot_hold() {
    let _watch = watch();
    differs_under_wine("takes any combination", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"abcd");
        for other in [MSG_PEEK, MSG_OOB] {
            let received = pair.server.recv_flags(&mut [0; 4], MSG_WAITALL | other);
            assert_eq!(received, Err(WSAEOPNOTSUPP), "beside flag {other}");
        }
        pair.server.set_non_blocking(true);
        assert_eq!(
            pair.server.recv_flags(&mut [0; 4], MSG_WAITALL),
            Err(WSAEOPNOTSUPP)
        );
    });
}

/// The urgent byte is received apart from the stream, once.
/// Source: recv and send, MSG_OOB; "Protocol-Independent Out-of-Band Data".
#[test]
fn urgent_byte_is_received_apart() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    assert_eq!(
        pair.server.recv_flags(&mut [0; 1], MSG_OOB),
        Err(WSAEWOULDBLOCK)
    );
    assert_eq!(pair.client.send_flags(b"ab!", MSG_OOB), Ok(3));
    pair.client.send_all(b"cd");
    let mut urgent = [0; 1];
    until("the urgent byte", || {
        pair.server.recv_flags(&mut urgent, MSG_OOB) == Ok(1)
    });
    assert_eq!(&urgent, b"!");
    assert_eq!(
        pair.server.recv_flags(&mut urgent, MSG_OOB),
        Err(WSAEWOULDBLOCK)
    );
    pair.server.set_non_blocking(false);
    assert_eq!(pair.server.recv_exact(4), b"abcd");
}

/// Urgent bytes are not unread data.
/// Source: ioctlsocket, FIONREAD; validated on Windows.
#[test]
fn urgent_bytes_are_not_counted_as_unread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send_flags(b"ab!", MSG_OOB), Ok(3));
    pair.server.until_unread(2);
    assert_eq!(pair.server.recv_exact(2), b"ab");
    assert_eq!(pair.server.unread(), Ok(0));
}

/// With SO_OOBINLINE urgent bytes stay in the stream, and recv with MSG_OOB is WSAEINVAL.
/// Source: SOL_SOCKET options, SO_OOBINLINE; recv, WSAEINVAL; validated on Windows.
#[test]
fn inline_urgent_bytes_stay_in_the_stream() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1), Ok(()));
    assert_eq!(pair.client.send_flags(b"a!", MSG_OOB), Ok(2));
    pair.client.send_all(b"b");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_flags(&mut [0; 1], MSG_OOB), Err(WSAEINVAL));
    assert_eq!(pair.server.recv_exact(3), b"a!b");
}

/// A normal receive does not stop at the place of an urgent byte.
/// Source: recv and MSG_OOB; validated on Windows.
#[test]
fn receive_passes_the_urgent_mark() {
    let _watch = watch();
    differs_under_wine("stops at the mark, as Linux does", || {
        let pair = connected_pair(Family::V4);
        assert_eq!(pair.client.send_flags(b"ab!", MSG_OOB), Ok(3));
        pair.client.send_all(b"cd");
        until("the data", || pair.server.unread() >= Ok(2));
        assert_eq!(pair.server.recv_some(8), Ok(b"abcd".to_vec()));
    });
}

/// recv on a socket that is not connected is WSAENOTCONN.
/// Source: recv and send, WSAENOTCONN.
#[test]
fn transfers_need_a_connection() {
    let _watch = watch();
    for socket in [Socket::tcp(Family::V4), Socket::bound(Family::V4)] {
        assert_eq!(socket.recv(&mut [0; 1]), Err(WSAENOTCONN));
    }
}

/// send on a socket that is not connected, and both on a listening one, are WSAENOTCONN.
/// Source: recv and send, WSAENOTCONN.
#[test]
fn sends_need_a_connection() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNRESET", || {
        let listener = Listener::new(Family::V4);
        let (fresh, bound) = (Socket::tcp(Family::V4), Socket::bound(Family::V4));
        for socket in [*fresh, *bound, *listener.socket] {
            assert_eq!(socket.send(b"x"), Err(WSAENOTCONN));
        }
        assert_eq!(listener.recv(&mut [0; 1]), Err(WSAENOTCONN));
    });
}

/// After a reset every recv is WSAECONNRESET, blocking or not; SO_ERROR stays 0.
/// Source: recv, WSAECONNRESET; validated on Windows.
#[test]
fn recv_after_a_reset() {
    let _watch = watch();
    differs_under_wine("answers 0 bytes", || {
        let pair = connected_pair(Family::V4);
        pair.client.reset();
        for non_blocking in [false, true, false] {
            pair.server.set_non_blocking(non_blocking);
            assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAECONNRESET));
        }
        assert_eq!(pair.server.option(SOL_SOCKET, SO_ERROR), Ok(0));
    });
}

/// A recv that waits when the reset comes fails with it.
/// Source: recv, WSAECONNRESET.
#[test]
fn reset_ends_a_blocking_recv() {
    let _watch = watch();
    not_under_wine("recv sometimes answers 0 after a reset", || {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let reader = spawn(move || server.recv(&mut [0; 1]));
        reader.until_waits();
        pair.client.reset();
        assert_eq!(reader.join(), Err(WSAECONNRESET));
    });
}

/// A send after the peer is gone fails and does not end the process.
/// Source: send, WSAECONNRESET.
#[test]
fn send_after_a_reset() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.reset();
    assert!(pair.server.recv(&mut [0; 1]).unwrap_or(0) == 0);
    for _ in 0..3 {
        assert_eq!(pair.server.send(b"x"), Err(WSAECONNRESET));
    }
}

/// SO_RCVTIMEO ends a blocking recv with WSAETIMEDOUT; the connection stays usable.
/// Source: SOL_SOCKET options, SO_RCVTIMEO and SO_SNDTIMEO; recv and send, WSAETIMEDOUT.
#[test]
fn blocking_calls_time_out() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_RCVTIMEO, 50), Ok(()));
    assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAETIMEDOUT));
    pair.client.send_all(b"x");
    assert_eq!(pair.server.recv_exact(1), b"x");
}

/// SO_SNDTIMEO ends a blocking send with WSAETIMEDOUT.
/// Source: SOL_SOCKET options, SO_SNDTIMEO; send, WSAETIMEDOUT.
#[test]
fn blocking_send_times_out() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_SNDTIMEO, 50), Ok(()));
    let data = vec![0; 64 << 20];
    until("a time-out", || {
        pair.server.send(&data) == Err(WSAETIMEDOUT)
    });
}

/// Concurrent sends of several threads do not mix inside one call's data.
/// Source: WSASend and send (calls of several threads are serialised).
#[test]
fn concurrent_sends_do_not_interleave() {
    const LEN: usize = 1 << 20;
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let client = *pair.client;
    let writers: Vec<_> = (1..=4)
        .map(|byte| spawn(move || client.send(&vec![byte; LEN])))
        .collect();
    let received = pair.server.recv_exact(4 * LEN);
    for chunk in received.chunks(LEN) {
        assert!(
            chunk.iter().all(|byte| *byte == chunk[0]),
            "the data of two sends is mixed"
        );
    }
    for sent in join_all(writers) {
        assert_eq!(sent, Ok(LEN));
    }
}

// --- shutdown --------------------------------------------------------------------------------------

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

// --- ioctlsocket -----------------------------------------------------------------------------------

/// FIONREAD counts what can be read; 0 on a fresh or connected socket without data.
/// Source: ioctlsocket, FIONREAD; validated on Windows.
#[test]
fn fionread_counts_unread_data() {
    let _watch = watch();
    assert_eq!(Socket::tcp(Family::V4).unread(), Ok(0));
    assert_eq!(Socket::bound(Family::V4).unread(), Ok(0));
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.unread(), Ok(0));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    pair.client.send_all(b"de");
    pair.server.until_unread(5);
    assert_eq!(pair.server.recv_exact(4), b"abcd");
    assert_eq!(pair.server.unread(), Ok(1));
}

/// A NULL argument is WSAEFAULT, for every command.
/// Source: ioctlsocket, WSAEFAULT; validated on Windows.
#[test]
fn ioctlsocket_needs_an_argument() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    for command in [FIONBIO, FIONREAD] {
        // SAFETY: a null argument is what is tested.
        let result = unsafe { ioctlsocket(socket.0, command, null_mut()) };
        assert_eq!(check(result), Err(WSAEFAULT));
    }
}

/// Any non-zero argument of FIONBIO means non-blocking.
/// Source: ioctlsocket, FIONBIO.
#[test]
fn fionbio_takes_any_non_zero_value() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    for argument in [1, 0x100, u32::MAX] {
        assert!(pair.server.ioctl(FIONBIO, 0).is_ok());
        assert!(pair.server.ioctl(FIONBIO, argument).is_ok());
        assert_eq!(
            pair.server.recv(&mut [0; 1]),
            Err(WSAEWOULDBLOCK),
            "argument {argument:#x}"
        );
    }
}

/// A command that does not exist fails.
/// Source: ioctlsocket, WSAEOPNOTSUPP or WSAEINVAL.
#[test]
fn ioctlsocket_refuses_unknown_commands() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let error = socket.ioctl(0x1234_5678, 0).unwrap_err();
    assert!([WSAEOPNOTSUPP, WSAEINVAL].contains(&error), "{error}");
}

/// SIOCATMARK: TRUE unless an urgent byte waits.
/// Source: WSAIoctl, SIOCATMARK; validated on Windows.
#[test]
fn siocatmark_tells_waiting_urgent_bytes() {
    let _watch = watch();
    differs_under_wine("always TRUE", || {
        let pair = connected_pair(Family::V4);
        assert_eq!(Socket::tcp(Family::V4).ioctl(SIOCATMARK, 7), Ok(1));
        assert_eq!(pair.server.ioctl(SIOCATMARK, 7), Ok(1));
        assert_eq!(pair.client.send_flags(b"a!", MSG_OOB), Ok(2));
        pair.server.until_unread(1);
        assert_eq!(pair.server.ioctl(SIOCATMARK, 7), Ok(0));
        assert_eq!(pair.server.recv_flags(&mut [0; 1], MSG_OOB), Ok(1));
        assert_eq!(pair.server.ioctl(SIOCATMARK, 7), Ok(1));
    });
}

// --- select without sockets ------------------------------------------------------------------------

/// select without any socket is WSAEINVAL at once: it is no way to sleep.
/// Source: select, WSAEINVAL; validated on Windows.
#[test]
fn select_without_sets_is_refused() {
    let _watch = watch();
    startup();
    let timeout = TIMEVAL {
        tv_sec: 0,
        tv_usec: 1000,
    };
    // SAFETY: the sets may be null.
    let result = unsafe { select(0, null_mut(), null_mut(), null_mut(), &timeout) };
    assert_eq!((result, wsa_error()), (SOCKET_ERROR, WSAEINVAL));
    // SAFETY: an all-zero FD_SET is an empty one.
    let mut empty: FD_SET = unsafe { mem::zeroed() };
    // SAFETY: the sets are valid or null.
    let result = unsafe { select(0, &mut empty, null_mut(), null_mut(), &timeout) };
    assert_eq!((result, wsa_error()), (SOCKET_ERROR, WSAEINVAL));
}

// --- Names of sockets ------------------------------------------------------------------------------

/// getsockname before bind is WSAEINVAL and writes nothing.
/// Source: getsockname, WSAEINVAL; validated on Windows.
#[test]
fn unbound_socket_has_no_name() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let mut address = Address::room();
    let mut len = address.len;
    // SAFETY: `address` has room for `len` bytes.
    let result = unsafe { getsockname(socket.0, address.as_mut_ptr(), &mut len) };
    assert_eq!(check(result), Err(WSAEINVAL));
    assert_eq!((address.storage.ss_family, len), (0, address.len));
}

/// A socket bound to any address shows it, with its port and a cleared sin_zero.
/// Source: getsockname; validated on Windows.
#[test]
fn wildcard_name_is_shown() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    assert_eq!(socket.bind(&Family::V4.any(0)), Ok(()));
    let mut address = Address::room();
    address.storage.__ss_align = -1;
    let mut len = address.len;
    // SAFETY: `address` has room for `len` bytes.
    let result = unsafe { getsockname(socket.0, address.as_mut_ptr(), &mut len) };
    assert_eq!(check(result), Ok(()));
    assert_eq!((len, address.storage.__ss_align), (16, 0));
    let name = address.with_len(len).get();
    assert!(name.ip().is_unspecified() && name.port() != 0, "{name}");
}

/// Too little room for a name is WSAEFAULT, and the length stays.
/// Source: getsockname and getpeername, WSAEFAULT; validated on Windows.
#[test]
fn names_need_room() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let full = pair
            .server
            .local_address()
            .map(|address| Address::from(address).len)
            .unwrap();
        for call in [getsockname, getpeername] {
            let mut address = Address::room();
            let mut len = full - 1;
            // SAFETY: `address` has room for `len` bytes.
            let result = unsafe { call(pair.server.0, address.as_mut_ptr(), &mut len) };
            assert_eq!((check(result), len), (Err(WSAEFAULT), full - 1));
        }
    }
}

/// No room at all, or no length, is WSAEFAULT.
/// Source: getsockname and getpeername, WSAEFAULT; validated on Windows for getpeername.
#[test]
fn names_need_pointers() {
    let _watch = watch();
    not_under_wine("a missing length is an access violation", || {
        let pair = connected_pair(Family::V4);
        for call in [getsockname, getpeername] {
            let mut address = Address::room();
            let mut len = address.len;
            // SAFETY: null pointers are what is tested.
            let result = unsafe { call(pair.server.0, null_mut(), &mut len) };
            assert_eq!(check(result), Err(WSAEFAULT));
            // SAFETY: as above.
            let result = unsafe { call(pair.server.0, address.as_mut_ptr(), null_mut()) };
            assert_eq!(check(result), Err(WSAEFAULT));
        }
    });
}

/// Bound and listening sockets have no peer.
/// Source: getpeername, WSAENOTCONN.
#[test]
fn unconnected_socket_has_no_peer() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let bound = Socket::bound(Family::V4);
    for socket in [*bound, *listener.socket] {
        assert_eq!(socket.peer_address(), Err(WSAENOTCONN));
    }
}

/// getpeername notices a missing peer before bad pointers.
/// Source: getpeername, WSAENOTCONN; validated on Windows.
#[test]
fn missing_peer_is_noticed_before_bad_pointers() {
    let _watch = watch();
    differs_under_wine("looks at the pointers first", || {
        let bound = Socket::bound(Family::V4);
        // SAFETY: null pointers are what is tested.
        let result = unsafe { getpeername(bound.0, null_mut(), null_mut()) };
        assert_eq!(check(result), Err(WSAENOTCONN));
    });
}

/// getpeername keeps working after shutdown, and after the peer closed or reset.
/// Source: getpeername; validated on Windows.
#[test]
fn peer_name_outlives_the_connection() {
    let _watch = watch();
    differs_under_wine("answers WSAENOTCONN, as Linux does", || {
        for family in FAMILIES {
            let pair = connected_pair(family);
            let peer = pair.server.peer_address().unwrap();
            assert_eq!(pair.server.shutdown(SD_BOTH), Ok(()));
            assert_eq!(pair.server.peer_address(), Ok(peer));
            drop(pair.client);
            assert_eq!(pair.server.peer_address(), Ok(peer));

            let pair = connected_pair(family);
            let peer = pair.server.peer_address().unwrap();
            pair.client.reset();
            assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAECONNRESET));
            assert_eq!(pair.server.peer_address(), Ok(peer));
        }
    });
}

/// A dual-stack listener shows IPv4 peers as mapped IPv6 addresses.
/// Source: "Dual-Stack Sockets"; IPV6_V6ONLY.
#[test]
fn dual_stack_listener_accepts_ipv4() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V6);
    assert_eq!(socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0), Ok(()));
    assert_eq!(socket.bind(&Family::V6.any(0)), Ok(()));
    assert_eq!(socket.listen(5), Ok(()));
    let port = socket.local_address().unwrap().port();
    let client = Socket::tcp(Family::V4);
    assert_eq!(client.connect(&Family::V4.loopback(port)), Ok(()));
    let (_server, peer) = socket.accept_from().unwrap();
    let expected = client.local_address().unwrap();
    assert_eq!(peer.get().ip().to_string(), "::ffff:127.0.0.1");
    assert_eq!(peer.port(), expected.port());
}

/// An IPv6 socket is IPv6 only unless told otherwise.
/// Source: IPPROTO_IPV6 options, IPV6_V6ONLY (on by default).
#[test]
fn ipv6_listener_ignores_ipv4() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V6);
    assert_eq!(socket.bind(&Family::V6.any(0)), Ok(()));
    assert_eq!(socket.listen(5), Ok(()));
    let port = socket.local_address().unwrap().port();
    let client = Socket::tcp(Family::V4);
    assert_eq!(
        client.connect(&Family::V4.loopback(port)),
        Err(WSAECONNREFUSED)
    );
}

// --- Handles and last errors -----------------------------------------------------------------------

/// Calls every function that takes a socket on `socket`, and gives the error of each.
fn every_function_on(socket: Raw) -> Vec<(&'static str, WSA_ERROR)> {
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

/// The last WSACleanup cancels operations without signalling their events or calling their routines.
/// Source: WSACleanup, remarks.
#[test]
fn cleanup_signals_nobody() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("leaves the status of an operation pending", || {
            assert_eq!(start_version(0x0202), Ok(()));
            // SAFETY: takes no pointers.
            let open = || Raw(unsafe { socket(V4, SOCK_DGRAM, IPPROTO_UDP) });
            let [by_event, by_port, by_routine] = [(); 3].map(|()| {
                let socket = open();
                socket.bind(&Family::V4.loopback(0)).unwrap();
                socket
            });
            let event = Event::manual();
            let port = port_of(by_port, 5);
            let requests = [
                Request::new(4).with_event(event.raw()),
                Request::new(4),
                Request::new(4),
            ];
            assert_eq!(by_event.receive(&requests[0]), PENDING);
            assert_eq!(by_port.receive(&requests[1]), PENDING);
            assert_eq!(by_routine.receive_routine(&requests[2], ROUTINE), PENDING);
            // SAFETY: takes no pointers.
            assert_eq!(unsafe { WSACleanup() }, 0);
            assert_eq!(next(&port), requests[1].failure(5, ERROR_OPERATION_ABORTED)); // a pool that counts its operations counts right
            sleep_alertable(0);
            assert_eq!((event.wait(0), routines_run()), (false, vec![]));
        });
    });
}
