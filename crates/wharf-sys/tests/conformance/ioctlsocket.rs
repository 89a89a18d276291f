//! ioctlsocket: FIONREAD, FIONBIO, SIOCATMARK.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

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
