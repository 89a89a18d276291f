//! setsockopt and getsockopt: the lengths they take, and what they make of others.

use wharf_sys::*;

use crate::harness::*;
use crate::options::{BOOLS, BYTES, get, set};
use crate::tcp::*;

fn tcp() -> Socket {
    Socket::tcp(Family::V4)
}

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap()
}

/// Truth values: any length will do. Four bytes or more read as 0 or 1, fewer get the low byte and length 1.
/// Source: getsockopt and setsockopt, optlen; validated on Windows.
#[test]
fn lengths_of_truth_values() {
    let _watch = watch();
    for (level, option) in BOOLS {
        let socket = tcp();
        for len in [1, 2, 4, 8] {
            assert_eq!(
                set(*socket, level, option, 0x12, len),
                Ok(()),
                "{option:#x}, {len}"
            );
            let expected = match len {
                1 => (Ok(()), 1, [1, 0xAA]),
                2 => (Ok(()), 1, [1, 0]),
                _ => (Ok(()), 4, [1, 0]),
            };
            let (answer, reported, value) = get(*socket, level, option, len);
            assert_eq!(
                (answer, reported, [value[0], value[1]]),
                expected,
                "{option:#x}, {len}"
            );
        }
        assert_eq!(set(*socket, level, option, 0, 0), Ok(()), "{option:#x}");
        assert_eq!(
            get(*socket, level, option, 0).0,
            Err(WSAEFAULT),
            "{option:#x}"
        );
    }
}

/// Byte options: one byte is written whatever the length, and only the low byte of a value counts.
/// Source: getsockopt and setsockopt, optlen; validated on Windows.
#[test]
fn lengths_of_byte_options() {
    let _watch = watch();
    differs_under_wine("wants four bytes", || {
        for (level, option) in BYTES {
            let socket = Socket::tcp(Family::V6);
            for len in [1, 2, 4, 8] {
                assert_eq!(
                    set(*socket, level, option, 1, len),
                    Ok(()),
                    "{option:#x}, {len}"
                );
                let (answer, reported, value) = get(*socket, level, option, len);
                assert_eq!((answer, reported), (Ok(()), 1), "{option:#x}, {len}");
                assert_eq!(value[..2], [1, 0xAA], "{option:#x}, {len}");
            }
            assert_eq!(set(*socket, level, option, 0x100, 4), Ok(()), "{option:#x}");
            assert_eq!(get(*socket, level, option, 4).2[0], 0, "{option:#x}");
            assert_eq!(
                set(*socket, level, option, 1, 0),
                Err(WSAEFAULT),
                "{option:#x}"
            );
            assert_eq!(
                get(*socket, level, option, 0).0,
                Err(WSAEFAULT),
                "{option:#x}"
            );
        }
    });
}

/// Buffer sizes and SO_LINGER want four bytes; a short read clears what there is and keeps the length.
/// Source: getsockopt and setsockopt, WSAEFAULT; validated on Windows.
#[test]
fn lengths_of_numbers() {
    let _watch = watch();
    let socket = tcp();
    for option in [SO_LINGER, SO_RCVBUF, SO_SNDBUF] {
        for len in [1, 2] {
            assert_eq!(
                set(*socket, SOL_SOCKET, option, 1, len),
                Err(WSAEFAULT),
                "{option:#x}"
            );
            let (answer, reported, value) = get(*socket, SOL_SOCKET, option, len);
            assert_eq!((answer, reported), (Err(WSAEFAULT), len), "{option:#x}");
            assert!(
                value[..len as usize].iter().all(|&byte| byte == 0),
                "{option:#x}"
            );
        }
        assert_eq!(get(*socket, SOL_SOCKET, option, 8).1, 4, "{option:#x}");
    }
}

/// Time-outs want four bytes; a short read writes nothing.
/// Source: getsockopt and setsockopt, WSAEFAULT; validated on Windows.
#[test]
fn lengths_of_time_outs() {
    let _watch = watch();
    let socket = tcp();
    for option in [SO_RCVTIMEO, SO_SNDTIMEO, SO_OPENTYPE] {
        for len in [1, 2] {
            assert_eq!(
                set(*socket, SOL_SOCKET, option, 1, len),
                Err(WSAEFAULT),
                "{option:#x}"
            );
            let (answer, reported, value) = get(*socket, SOL_SOCKET, option, len);
            assert_eq!(
                (answer, reported, value[0]),
                (Err(WSAEFAULT), len, 0xAA),
                "{option:#x}"
            );
        }
        assert_eq!(get(*socket, SOL_SOCKET, option, 8).1, 4, "{option:#x}");
        assert_eq!(
            get(*socket, SOL_SOCKET, option, 0).0,
            Err(WSAEFAULT),
            "{option:#x}"
        );
    }
}

/// A negative length: setting succeeds for four-byte options, is WSAENOBUFS for byte options; getting is
/// WSAEFAULT and leaves the length alone.
/// Source: getsockopt and setsockopt, optlen; validated on Windows.
#[test]
fn negative_lengths() {
    let _watch = watch();
    let socket = tcp();
    for option in [SO_OOBINLINE, SO_RCVBUF, SO_RCVTIMEO, SO_LINGER] {
        assert_eq!(
            set(*socket, SOL_SOCKET, option, 0, -1),
            Ok(()),
            "{option:#x}"
        );
        let (answer, reported, _) = get(*socket, SOL_SOCKET, option, -1);
        assert_eq!((answer, reported), (Err(WSAEFAULT), -1), "{option:#x}");
    }
    for (level, option) in BYTES {
        assert_eq!(
            set(*socket, level, option, 0, -1),
            Err(WSAENOBUFS),
            "{option:#x}"
        );
    }
    assert_eq!(get(*socket, SOL_SOCKET, SO_OPENTYPE, -1).0, Ok(()));
}

/// SO_ERROR wants four bytes.
/// Source: getsockopt, WSAEFAULT; validated on Windows.
#[test]
fn length_of_so_error() {
    let _watch = watch();
    let socket = tcp();
    assert_eq!(get(*socket, SOL_SOCKET, SO_ERROR, 1).0, Err(WSAEFAULT));
    assert_eq!(get(*socket, SOL_SOCKET, SO_ERROR, 8).1, 4);
}

/// A negative length is refused for every option.
/// Source: getsockopt, setsockopt, WSAEFAULT, WSAENOBUFS; validated on Windows.
#[test]
fn negative_lengths_of_the_rarer_options() {
    let _watch = watch();
    let mut wrong = Vec::new();
    let socket = udp();
    let mut value = [0u8; 64];
    for (level, name) in [
        (IPPROTO_IP, IP_OPTIONS),
        (IPPROTO_IP, IP_UNICAST_IF),
        (IPPROTO_IP, IP_TTL),
    ] {
        for len in [-1, 0] {
            let mut left = len;
            // SAFETY: there is room for four bytes.
            let got =
                check(unsafe { getsockopt(socket.0, level, name, value.as_mut_ptr(), &mut left) });
            if (got, left) != (Err(WSAEFAULT), len) {
                wrong.push(("get", name, len, got, left));
            }
        }
    }
    for name in [IP_OPTIONS, IP_ADD_MEMBERSHIP, IP_UNICAST_IF, IP_TTL] {
        // SAFETY: there are four bytes.
        let set = check(unsafe { setsockopt(socket.0, IPPROTO_IP, name, value.as_ptr(), -1) });
        if set != Err(WSAENOBUFS) {
            wrong.push(("set", name, -1, set, 0));
        }
    }
    assert_eq!(wrong, []);
}
