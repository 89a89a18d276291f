//! setsockopt, getsockopt and WSAIoctl: values, defaults, lengths and refusals, as tables.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x66;

fn tcp() -> Socket {
    Socket::tcp(Family::V4)
}

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap()
}

/// Options that are read and written as four-byte truth values.
const BOOLS: [(i32, i32); 4] = [
    (SOL_SOCKET, SO_DONTLINGER),
    (SOL_SOCKET, SO_OOBINLINE),
    (SOL_SOCKET, SO_REUSEADDR),
    (SOL_SOCKET, SO_EXCLUSIVEADDRUSE),
];

/// Options that are one byte in truth, whatever length is asked for.
const BYTES: [(i32, i32); 4] = [
    (SOL_SOCKET, SO_KEEPALIVE),
    (SOL_SOCKET, SO_DONTROUTE),
    (IPPROTO_TCP, TCP_NODELAY),
    (IPPROTO_IPV6, IPV6_V6ONLY),
];

// --- Values ----------------------------------------------------------------------------------------

/// What a fresh TCP socket answers.
/// Source: SOL_SOCKET options and IPPROTO_TCP options (defaults).
#[test]
fn defaults() {
    let _watch = watch();
    let cases = [
        (SOL_SOCKET, SO_KEEPALIVE, 0),
        (SOL_SOCKET, SO_LINGER, 0),
        (SOL_SOCKET, SO_DONTLINGER, 1),
        (SOL_SOCKET, SO_SNDTIMEO, 0),
        (SOL_SOCKET, SO_RCVTIMEO, 0),
        (SOL_SOCKET, SO_REUSEADDR, 0),
        (SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 0),
        (SOL_SOCKET, SO_OOBINLINE, 0),
        (SOL_SOCKET, SO_DEBUG, 0),
        (SOL_SOCKET, SO_ERROR, 0),
        (SOL_SOCKET, SO_TYPE, SOCK_STREAM),
        (SOL_SOCKET, SO_ACCEPTCONN, 0),
        (SOL_SOCKET, SO_CONNECT_TIME, -1),
        (IPPROTO_TCP, TCP_NODELAY, 0),
    ];
    let socket = tcp();
    for (level, option, expected) in cases {
        assert_eq!(
            socket.option(level, option),
            Ok(expected),
            "option {level:#x} {option:#x}"
        );
    }
}

/// What a fresh TCP socket answers to options that few other systems have.
/// Source: SOL_SOCKET options (defaults); IPPROTO_TCP options.
#[test]
fn defaults_of_rare_options() {
    let _watch = watch();
    differs_under_wine("does not know most of them", || {
        let cases = [
            (SOL_SOCKET, SO_BROADCAST, 0),
            (SOL_SOCKET, SO_DONTROUTE, 0),
            (SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 0),
            (SOL_SOCKET, SO_PAUSE_ACCEPT as i32, 0),
            (SOL_SOCKET, SO_RANDOMIZE_PORT, 0),
            (SOL_SOCKET, SO_REUSE_UNICASTPORT, 0),
            (SOL_SOCKET, SO_PORT_SCALABILITY, 0),
            (IPPROTO_TCP, TCP_KEEPIDLE, 7200),
            (IPPROTO_TCP, TCP_KEEPINTVL, 1),
            (IPPROTO_TCP, TCP_KEEPCNT, 10),
            (IPPROTO_IPV6, IPV6_V6ONLY, 1),
        ];
        let socket = tcp();
        for (level, option, expected) in cases {
            assert_eq!(
                socket.option(level, option),
                Ok(expected),
                "option {level:#x} {option:#x}"
            );
        }
    });
}

/// What was set is read back.
/// Source: setsockopt and getsockopt.
#[test]
fn values_are_read_back() {
    let _watch = watch();
    let cases = [
        (SOL_SOCKET, SO_KEEPALIVE, 1),
        (SOL_SOCKET, SO_OOBINLINE, 1),
        (SOL_SOCKET, SO_REUSEADDR, 1),
        (SOL_SOCKET, SO_SNDTIMEO, 1234),
        (SOL_SOCKET, SO_RCVTIMEO, 1),
        (IPPROTO_TCP, TCP_NODELAY, 1),
    ];
    let socket = tcp();
    for (level, option, value) in cases {
        let before = socket.option(level, option).unwrap();
        assert_eq!(
            socket.set_option(level, option, value),
            Ok(()),
            "option {option:#x}"
        );
        assert_eq!(
            socket.option(level, option),
            Ok(value),
            "option {option:#x}"
        );
        assert_eq!(
            socket.set_option(level, option, before),
            Ok(()),
            "option {option:#x}"
        );
        assert_eq!(
            socket.option(level, option),
            Ok(before),
            "option {option:#x}"
        );
    }
}

/// The buffer sizes read back as they were set, even 0 and odd ones.
/// Source: SOL_SOCKET options, SO_RCVBUF and SO_SNDBUF; validated on Windows.
#[test]
fn buffer_sizes_are_read_back() {
    let _watch = watch();
    for option in [SO_SNDBUF, SO_RCVBUF] {
        let socket = tcp();
        assert!(socket.option(SOL_SOCKET, option).unwrap() > 0);
        for size in [4096, 12_345, 1 << 20, 0] {
            assert_eq!(
                socket.set_option(SOL_SOCKET, option, size),
                Ok(()),
                "size {size}"
            );
            assert_eq!(socket.option(SOL_SOCKET, option), Ok(size));
        }
    }
}

/// A connection with the smallest buffers still transfers data.
/// Source: SOL_SOCKET options, SO_RCVBUF and SO_SNDBUF of 0.
#[test]
fn transfers_work_without_buffers() {
    const LEN: usize = 20_000;
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    for socket in [*pair.client, *pair.server] {
        assert_eq!(socket.set_option(SOL_SOCKET, SO_SNDBUF, 0), Ok(()));
        assert_eq!(socket.set_option(SOL_SOCKET, SO_RCVBUF, 0), Ok(()));
    }
    let client = *pair.client;
    let writer = spawn(move || client.send(&[7; LEN]));
    assert_eq!(pair.server.recv_exact(LEN).len(), LEN);
    assert_eq!(writer.join(), Ok(LEN));
}

/// The keep-alive numbers of TCP can be set and read.
/// Source: IPPROTO_TCP options, TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT.
#[test]
fn keep_alive_numbers_are_read_back() {
    let _watch = watch();
    differs_under_wine("does not know TCP_KEEPCNT", || {
        let socket = tcp();
        for (option, value) in [(TCP_KEEPIDLE, 30), (TCP_KEEPINTVL, 5), (TCP_KEEPCNT, 4)] {
            assert_eq!(
                socket.set_option(IPPROTO_TCP, option, value),
                Ok(()),
                "option {option}"
            );
            assert_eq!(
                socket.option(IPPROTO_TCP, option),
                Ok(value),
                "option {option}"
            );
        }
        assert_eq!(
            socket.set_option(IPPROTO_TCP, TCP_KEEPCNT, 256),
            Err(WSAEINVAL)
        );
        assert_eq!(socket.option(IPPROTO_TCP, TCP_KEEPCNT), Ok(4));
    });
}

/// TCP_MAXRT can be set and read.
/// Source: IPPROTO_TCP options, TCP_MAXRT.
#[test]
fn max_retransmission_time_is_read_back() {
    let _watch = watch();
    differs_under_wine("does not know TCP_MAXRT", || {
        let socket = tcp();
        for seconds in [9, -1] {
            assert_eq!(socket.set_option(IPPROTO_TCP, TCP_MAXRT, seconds), Ok(()));
            assert_eq!(socket.option(IPPROTO_TCP, TCP_MAXRT), Ok(seconds));
        }
    });
}

/// SO_DONTLINGER is SO_LINGER seen from the other side; switching it back on keeps the time.
/// Source: SOL_SOCKET options, SO_DONTLINGER and SO_LINGER.
#[test]
fn dont_linger_mirrors_linger() {
    let _watch = watch();
    differs_under_wine("forgets the time", || {
        let socket = tcp();
        socket.set_linger(true, 7);
        assert_eq!(socket.option(SOL_SOCKET, SO_DONTLINGER), Ok(0));
        assert_eq!(socket.set_option(SOL_SOCKET, SO_DONTLINGER, 1), Ok(()));
        assert_eq!(socket.option(SOL_SOCKET, SO_LINGER).unwrap() & 0xFFFF, 0);
        assert_eq!(socket.set_option(SOL_SOCKET, SO_DONTLINGER, 0), Ok(()));
        assert_eq!(socket.option(SOL_SOCKET, SO_LINGER), Ok(7 << 16 | 1));
    });
}

/// SO_LINGER keeps l_onoff as given.
/// Source: LINGER; validated on Windows.
#[test]
fn linger_keeps_its_fields() {
    let _watch = watch();
    differs_under_wine("reads l_onoff as 0 or 1", || {
        let socket = tcp();
        for value in [0x100, 3 << 16 | 0x100, 0xFFFF << 16] {
            assert_eq!(socket.set_option(SOL_SOCKET, SO_LINGER, value), Ok(()));
            assert_eq!(
                socket.option(SOL_SOCKET, SO_LINGER),
                Ok(value),
                "value {value:#x}"
            );
        }
    });
}

/// SO_LINGER and SO_DONTLINGER are for streams.
/// Source: SOL_SOCKET options, SO_LINGER and WSAENOPROTOOPT.
#[test]
fn datagrams_do_not_linger() {
    let _watch = watch();
    let socket = udp();
    for option in [SO_LINGER, SO_DONTLINGER] {
        assert_eq!(socket.option(SOL_SOCKET, option), Err(WSAENOPROTOOPT));
    }
}

/// SO_DEBUG and SO_ERROR can be set and read back.
/// Source: SOL_SOCKET options; validated on Windows.
#[test]
fn debug_and_error_are_stored() {
    let _watch = watch();
    differs_under_wine("does not store them", || {
        let socket = tcp();
        assert_eq!(socket.set_option(SOL_SOCKET, SO_DEBUG, 5), Ok(()));
        assert_eq!(socket.option(SOL_SOCKET, SO_DEBUG), Ok(1));
        assert_eq!(socket.set_option(SOL_SOCKET, SO_ERROR, 5), Ok(()));
        assert_eq!(socket.option(SOL_SOCKET, SO_ERROR), Ok(5));
        assert_eq!(socket.option(SOL_SOCKET, SO_ERROR), Ok(5));
    });
}

/// SO_EXCLUSIVEADDRUSE and SO_REUSEADDR exclude each other until one is switched off.
/// Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE", WSAEINVAL; validated on Windows.
#[test]
fn exclusive_and_reuse_exclude_each_other() {
    let _watch = watch();
    for (first, second) in [
        (SO_REUSEADDR, SO_EXCLUSIVEADDRUSE),
        (SO_EXCLUSIVEADDRUSE, SO_REUSEADDR),
    ] {
        let socket = tcp();
        assert_eq!(socket.set_option(SOL_SOCKET, first, 1), Ok(()));
        assert_eq!(socket.set_option(SOL_SOCKET, second, 1), Err(WSAEINVAL));
        assert_eq!(socket.set_option(SOL_SOCKET, first, 0), Ok(()));
        assert_eq!(socket.set_option(SOL_SOCKET, second, 1), Ok(()));
    }
}

/// Options that can only be read.
/// Source: SOL_SOCKET options (get only), WSAENOPROTOOPT.
#[test]
fn read_only_options() {
    let _watch = watch();
    let socket = tcp();
    for option in [SO_ACCEPTCONN, SO_TYPE] {
        assert_eq!(
            socket.set_option(SOL_SOCKET, option, 1),
            Err(WSAENOPROTOOPT),
            "option {option:#x}"
        );
    }
}

/// SO_TYPE of a datagram socket: reading works, setting is WSAEINVAL.
/// Source: SOL_SOCKET options, SO_TYPE; validated on Windows.
#[test]
fn type_of_datagram_sockets() {
    let _watch = watch();
    differs_under_wine("answers WSAENOPROTOOPT", || {
        let socket = udp();
        assert_eq!(socket.option(SOL_SOCKET, SO_TYPE), Ok(SOCK_DGRAM));
        assert_eq!(socket.set_option(SOL_SOCKET, SO_TYPE, 1), Err(WSAEINVAL));
    });
}

/// What a datagram socket answers where it differs from a stream.
/// Source: SOL_SOCKET options, SO_MAX_MSG_SIZE and SO_CONNECT_TIME; validated on Windows.
#[test]
fn values_of_datagram_sockets() {
    let _watch = watch();
    let socket = udp();
    let most = socket.option(SOL_SOCKET, SO_MAX_MSG_SIZE).unwrap();
    assert!([65_507, 65_527].contains(&most), "{most}");
    assert_eq!(socket.option(SOL_SOCKET, SO_CONNECT_TIME), Ok(-1));
}

/// SO_ACCEPTCONN is for streams.
/// Source: SOL_SOCKET options, SO_ACCEPTCONN and WSAENOPROTOOPT.
#[test]
fn datagrams_do_not_listen() {
    let _watch = watch();
    differs_under_wine("answers 0", || {
        let answer = udp().option(SOL_SOCKET, SO_ACCEPTCONN);
        assert_eq!(answer, Err(WSAENOPROTOOPT));
    });
}

/// SO_BSP_STATE tells both addresses, type and protocol; a missing address has length 0.
/// Source: SOL_SOCKET options, SO_BSP_STATE; validated on Windows.
#[test]
fn bsp_state_tells_the_addresses() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let socket = bsp_state(*pair.server);
    assert_eq!(
        (socket.iSocketType, socket.iProtocol),
        (SOCK_STREAM, IPPROTO_TCP)
    );
    assert_eq!(socket.LocalAddr.iSockaddrLength, 16);
    assert_eq!(socket.RemoteAddr.iSockaddrLength, 16);
    let unconnected = bsp_state(*Socket::bound(Family::V4));
    assert_eq!(unconnected.LocalAddr.iSockaddrLength, 16);
    assert_eq!(unconnected.RemoteAddr.iSockaddrLength, 0);
    assert!(unconnected.RemoteAddr.lpSockaddr.is_null());
    let short = pair
        .server
        .option_bytes(SOL_SOCKET, SO_BSP_STATE, &mut [0; 8]);
    assert_eq!(short, Err(WSAEFAULT));
}

/// The head of what SO_BSP_STATE answers; its pointers lead into a buffer that is gone.
fn bsp_state(socket: Raw) -> CSADDR_INFO {
    let mut value = [0u64; 64];
    let mut len = size_of_val(&value) as i32;
    // SAFETY: `value` has room for `len` bytes.
    let result = unsafe {
        let value = value.as_mut_ptr().cast();
        getsockopt(socket.0, SOL_SOCKET, SO_BSP_STATE, value, &mut len)
    };
    assert_eq!(check(result), Ok(()));
    // SAFETY: `value` begins with a CSADDR_INFO, which is plain data, and is as aligned as one.
    unsafe { value.as_ptr().cast::<CSADDR_INFO>().read() }
}

/// IPV6_V6ONLY is on by default and can be changed until bind.
/// Source: IPPROTO_IPV6 options, IPV6_V6ONLY; validated on Windows.
#[test]
fn v6only_can_be_changed_until_bind() {
    let _watch = watch();
    assert_v6only_can_be_changed_until_bind(Family::V6);
}

/// IPV6_V6ONLY can be read and changed on an IPv4 socket too, where it has no effect.
/// Source: IPPROTO_IPV6 options, IPV6_V6ONLY; validated on Windows.
#[test]
fn v6only_of_an_ipv4_socket() {
    let _watch = watch();
    differs_under_wine("answers WSAEOPNOTSUPP", || {
        assert_v6only_can_be_changed_until_bind(Family::V4);
    });
}

fn assert_v6only_can_be_changed_until_bind(family: Family) {
    let socket = Socket::tcp(family);
    assert_eq!(socket.option(IPPROTO_IPV6, IPV6_V6ONLY), Ok(1));
    for value in [0, 1] {
        assert_eq!(socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, value), Ok(()));
        assert_eq!(socket.option(IPPROTO_IPV6, IPV6_V6ONLY), Ok(value));
    }
    assert_eq!(socket.bind(&family.loopback(0)), Ok(()));
    assert_eq!(
        socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0),
        Err(WSAEINVAL)
    );
    assert_eq!(socket.option(IPPROTO_IPV6, IPV6_V6ONLY), Ok(1));
}

/// Low-water marks and SO_USELOOPBACK are refused.
/// Source: SOL_SOCKET options, SO_RCVLOWAT and SO_SNDLOWAT (not supported), WSAEINVAL.
#[test]
fn unsupported_options_are_refused() {
    let _watch = watch();
    differs_under_wine("answers WSAENOPROTOOPT", || {
        for option in [SO_RCVLOWAT, SO_SNDLOWAT, SO_USELOOPBACK] {
            assert_eq!(
                tcp().option(SOL_SOCKET, option),
                Err(WSAEINVAL),
                "option {option:#x}"
            );
            assert_eq!(
                tcp().set_option(SOL_SOCKET, option, 1),
                Err(WSAEINVAL),
                "option {option:#x}"
            );
        }
    });
}

/// SO_CONDITIONAL_ACCEPT can be changed until listen.
/// Source: SOL_SOCKET options, SO_CONDITIONAL_ACCEPT, WSAEINVAL.
#[test]
fn conditional_accept_can_be_changed_until_listen() {
    let _watch = watch();
    differs_under_wine("does not know it", || {
        let socket = Socket::bound(Family::V4);
        for value in [1, 0] {
            assert_eq!(
                socket.set_option(SOL_SOCKET, SO_CONDITIONAL_ACCEPT, value),
                Ok(())
            );
            assert_eq!(socket.option(SOL_SOCKET, SO_CONDITIONAL_ACCEPT), Ok(value));
        }
        assert_eq!(socket.listen(1), Ok(()));
        assert_eq!(
            socket.set_option(SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1),
            Err(WSAEINVAL)
        );
    });
}

/// Unknown options are WSAENOPROTOOPT, unknown levels WSAEINVAL.
/// Source: getsockopt and setsockopt; validated on Windows.
#[test]
fn unknown_options_and_levels() {
    let _watch = watch();
    let socket = tcp();
    assert_eq!(socket.option(SOL_SOCKET, 0x7777), Err(WSAENOPROTOOPT));
    assert_eq!(
        socket.set_option(SOL_SOCKET, 0x7777, 1),
        Err(WSAENOPROTOOPT)
    );
    for level in [-1, 0x8000, 0x800, 0x1234_FFFF] {
        assert_eq!(socket.option(level, 1), Err(WSAEINVAL), "level {level:#x}");
        assert_eq!(
            socket.set_option(level, 1, 1),
            Err(WSAEINVAL),
            "level {level:#x}"
        );
    }
}

/// Data that goes with a connection is for protocols that carry it, which TCP and UDP do not.
/// Source: SOL_SOCKET options, SO_CONNDATA and its like; WSAENOPROTOOPT.
#[test]
fn connect_data_is_for_other_protocols() {
    let _watch = watch();
    for socket in [tcp(), Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap()] {
        for option in [
            SO_CONNDATA,
            SO_CONNOPT,
            SO_DISCDATA,
            SO_DISCOPT,
            SO_CONNDATALEN,
            SO_CONNOPTLEN,
            SO_DISCDATALEN,
            SO_DISCOPTLEN,
        ] {
            assert_eq!(socket.option(SOL_SOCKET, option), Err(WSAENOPROTOOPT));
            let set = socket.set_option(SOL_SOCKET, option, 1);
            assert_eq!(set, Err(WSAENOPROTOOPT));
        }
    }
}

/// A NULL value is WSAEFAULT.
/// Source: getsockopt and setsockopt, WSAEFAULT.
#[test]
fn options_need_a_value() {
    let _watch = watch();
    let socket = tcp();
    let mut len = 4;
    for option in [SO_KEEPALIVE, SO_LINGER, SO_RCVBUF] {
        // SAFETY: null pointers are what is tested.
        let got = unsafe { getsockopt(socket.0, SOL_SOCKET, option, null_mut(), &mut len) };
        assert_eq!(check(got), Err(WSAEFAULT), "option {option:#x}");
        // SAFETY: as above.
        let set = unsafe { setsockopt(socket.0, SOL_SOCKET, option, null(), 4) };
        assert_eq!(check(set), Err(WSAEFAULT), "option {option:#x}");
    }
}

/// SO_OPENTYPE belongs to the thread, not to a socket.
/// Source: SOL_SOCKET options, SO_OPENTYPE; validated on Windows.
#[test]
fn open_type_is_per_thread() {
    let _watch = watch();
    startup();
    let nobody = Raw(INVALID_SOCKET);
    assert_eq!(nobody.option(SOL_SOCKET, SO_OPENTYPE), Ok(0));
    assert_eq!(
        nobody.set_option(SOL_SOCKET, SO_OPENTYPE, SO_SYNCHRONOUS_NONALERT as i32),
        Ok(())
    );
    assert_eq!(
        nobody.option(SOL_SOCKET, SO_OPENTYPE),
        Ok(SO_SYNCHRONOUS_NONALERT as i32)
    );
    assert_eq!(
        spawn(move || nobody.option(SOL_SOCKET, SO_OPENTYPE)).join(),
        Ok(0)
    );
}

/// SO_PROTOCOL_INFO describes the socket's protocol; too little room tells how much is needed.
/// Source: SOL_SOCKET options, SO_PROTOCOL_INFO; WSAPROTOCOL_INFO; validated on Windows.
#[test]
fn protocol_information() {
    let _watch = watch();
    let socket = tcp();
    let sizes = [
        (SO_PROTOCOL_INFOA, size_of::<WSAPROTOCOL_INFOA>()),
        (SO_PROTOCOL_INFOW, size_of::<WSAPROTOCOL_INFOW>()),
    ];
    for (option, size) in sizes {
        let mut value = vec![0u8; size];
        assert_eq!(
            socket.option_bytes(SOL_SOCKET, option, &mut value),
            Ok(size as i32)
        );
        let mut len = size as i32 - 1;
        // SAFETY: `value` has room for more than `len` bytes.
        let result =
            unsafe { getsockopt(socket.0, SOL_SOCKET, option, value.as_mut_ptr(), &mut len) };
        assert_eq!((check(result), len), (Err(WSAEFAULT), size as i32));
    }
    // SAFETY: an all-zero WSAPROTOCOL_INFOW is a valid value of that plain structure.
    let mut info: WSAPROTOCOL_INFOW = unsafe { std::mem::zeroed() };
    let mut len = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: `info` has room for `len` bytes.
    let result = unsafe {
        getsockopt(
            socket.0,
            SOL_SOCKET,
            SO_PROTOCOL_INFOW,
            (&raw mut info).cast(),
            &mut len,
        )
    };
    assert_eq!(check(result), Ok(()));
    assert_eq!(info.iAddressFamily, AF_INET.into());
    assert_eq!(
        (info.iSocketType, info.iProtocol),
        (SOCK_STREAM, IPPROTO_TCP)
    );
    assert_eq!((info.iMaxSockAddr, info.iMinSockAddr), (16, 16));
    assert_ne!(info.dwServiceFlags1 & XP1_IFS_HANDLES, 0);
}

// --- Lengths ---------------------------------------------------------------------------------------

/// One getsockopt with `len` bytes of marked room: the answer, the length it reports, and the bytes.
pub fn get(
    socket: Raw,
    level: i32,
    option: i32,
    len: i32,
) -> (Result<(), WSA_ERROR>, i32, [u8; 8]) {
    let (mut value, mut reported) = ([0xAA; 8], len);
    // SAFETY: no test here asks for more than the eight bytes there are.
    let result = unsafe { getsockopt(socket.0, level, option, value.as_mut_ptr(), &mut reported) };
    (check(result), reported, value)
}

/// One setsockopt of a value with another length than its own.
pub fn set(socket: Raw, level: i32, option: i32, value: u64, len: i32) -> Result<(), WSA_ERROR> {
    let value = value.to_le_bytes();
    // SAFETY: no test here tells more than the eight bytes there are, except by a negative length.
    check(unsafe { setsockopt(socket.0, level, option, value.as_ptr(), len) })
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

// --- WSAIoctl --------------------------------------------------------------------------------------

/// WSAIoctl with four bytes in and out: the answer and the count it reports.
fn ioctl(socket: Raw, code: u32, input: &[u8], request: Option<&Request>) -> (Answer, u32) {
    let (mut output, mut returned) = ([0u8; 8], 77);
    let overlapped = request.map_or(null_mut(), Request::overlapped);
    // SAFETY: input and output are valid for their lengths; these codes answer during the call.
    let result = unsafe {
        WSAIoctl(
            socket.0,
            code,
            input.as_ptr().cast(),
            input.len() as u32,
            output.as_mut_ptr().cast(),
            4,
            &mut returned,
            overlapped,
            None,
        )
    };
    let answer = answer(result, returned);
    (
        request.map_or(answer, |request| request.note(answer)),
        returned,
    )
}

/// FIONBIO by WSAIoctl does what ioctlsocket does; a short input is WSAEFAULT.
/// Source: WSAIoctl, FIONBIO; validated on Windows.
#[test]
fn fionbio_by_wsa_ioctl() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let (answer, _) = ioctl(*pair.server, FIONBIO as u32, &1u32.to_ne_bytes(), None);
    assert!(matches!(answer, Ok(Started::Done(_))), "{answer:?}");
    assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
    assert_eq!(
        ioctl(*pair.server, FIONBIO as u32, &[0; 2], None).0,
        Err(WSAEFAULT)
    );
}

/// FIONREAD by WSAIoctl answers four bytes.
/// Source: WSAIoctl, FIONREAD.
#[test]
fn fionread_by_wsa_ioctl() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(
        ioctl(*pair.server, FIONREAD as u32, &[], None),
        (done(4), 4)
    );
}

/// SIO_KEEPALIVE_VALS switches SO_KEEPALIVE; a short input is WSAEFAULT.
/// Source: WSAIoctl, SIO_KEEPALIVE_VALS.
#[test]
fn keep_alive_values() {
    let _watch = watch();
    let socket = tcp();
    let values = |onoff: u32, time: u32, interval: u32| {
        [onoff, time, interval]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect::<Vec<_>>()
    };
    for (onoff, time, interval) in [(1, 10_000, 1_500), (0, 0, 0), (1, 0, 0), (1, 1, 1)] {
        let input = values(onoff, time, interval);
        let (answer, _) = ioctl(*socket, SIO_KEEPALIVE_VALS, &input, None);
        assert!(
            matches!(answer, Ok(Started::Done(_))),
            "{onoff} {time} {interval}: {answer:?}"
        );
    }
    assert_eq!(
        ioctl(*socket, SIO_KEEPALIVE_VALS, &[0; 8], None).0,
        Err(WSAEFAULT)
    );
}

/// SIO_KEEPALIVE_VALS' onoff shows in SO_KEEPALIVE.
/// Source: WSAIoctl, SIO_KEEPALIVE_VALS; SO_KEEPALIVE.
#[test]
fn keep_alive_values_switch_so_keepalive() {
    let _watch = watch();
    let socket = tcp();
    for onoff in [1u32, 0] {
        let input = [onoff, 10_000, 1_000].map(u32::to_ne_bytes).concat();
        assert!(ioctl(*socket, SIO_KEEPALIVE_VALS, &input, None).0.is_ok());
        assert_eq!(socket.option(SOL_SOCKET, SO_KEEPALIVE), Ok(onoff as i32));
    }
}

/// An unknown code is WSAEOPNOTSUPP with a count of 0.
/// Source: WSAIoctl, WSAEOPNOTSUPP; validated on Windows.
#[test]
fn unknown_codes_are_refused() {
    let _watch = watch();
    assert_eq!(
        ioctl(*tcp(), 0x1234_5678, &[], None),
        (Err(WSAEOPNOTSUPP), 0)
    );
}

/// With an OVERLAPPED an unknown code pends and then fails: ERROR_NOT_SUPPORTED at the port.
/// Source: WSAIoctl, overlapped; validated on Windows.
#[test]
fn unknown_codes_fail_later_when_overlapped() {
    let _watch = watch();
    let socket = tcp();
    let port = port_of(*socket, KEY);
    let request = Request::new(0);
    assert_eq!(ioctl(*socket, 0x1234_5678, &[], Some(&request)).0, PENDING);
    assert_eq!(next(&port), request.failure(KEY, ERROR_NOT_SUPPORTED));
    assert!(request.has_status(STATUS_NOT_SUPPORTED));
    assert_eq!(socket.result(&request, false), Err(WSAEOPNOTSUPP));
}

/// With an OVERLAPPED an immediate code answers at once and is announced with 0 bytes.
/// Source: WSAIoctl, overlapped; validated on Windows.
#[test]
fn immediate_codes_are_announced_when_overlapped() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(0);
    assert_eq!(
        ioctl(*pair.server, FIONREAD as u32, &[], Some(&request)),
        (done(4), 4)
    );
    assert_eq!(next(&port), request.success(KEY, 0));
}

/// The count pointer is needed even with an OVERLAPPED.
/// Source: WSAIoctl, lpcbBytesReturned, WSAEFAULT; validated on Windows.
#[test]
fn ioctl_needs_a_count() {
    let _watch = watch();
    let socket = tcp();
    let port = port_of(*socket, KEY);
    let request = Request::new(0);
    for overlapped in [null_mut(), request.overlapped()] {
        let mut unread = 0u32;
        // SAFETY: the output is valid; a null count is what is tested.
        let result = unsafe {
            WSAIoctl(
                socket.0,
                FIONREAD as u32,
                null(),
                0,
                (&raw mut unread).cast(),
                4,
                null_mut(),
                overlapped,
                None,
            )
        };
        assert_eq!(check(result), Err(WSAEFAULT));
    }
    assert_quiet(&port);
}

/// An extension's GUID and room are checked for their sizes; an unknown GUID leaves everything untouched.
/// Source: WSAIoctl, SIO_GET_EXTENSION_FUNCTION_POINTER; validated on Windows for the unknown GUID.
#[test]
fn extension_arguments_are_checked() {
    let _watch = watch();
    differs_under_wine("does not check the length of the GUID", || {
        let socket = tcp();
        let guid = WSAID_ACCEPTEX;
        let get = |in_len: u32, out_len: u32| {
            let (mut function, mut returned) = (0usize, 77);
            // SAFETY: both are valid for at least the lengths told.
            check(unsafe {
                WSAIoctl(
                    socket.0,
                    SIO_GET_EXTENSION_FUNCTION_POINTER,
                    (&raw const guid).cast(),
                    in_len,
                    (&raw mut function).cast(),
                    out_len,
                    &mut returned,
                    null_mut(),
                    None,
                )
            })
        };
        assert_eq!(get(16, 8), Ok(()));
        assert_eq!(get(15, 8), Err(WSAEFAULT));
        assert_eq!(get(16, 7), Err(WSAEFAULT));
    });
}

/// SIO_BASE_HANDLE gives the socket itself: there are no layers here.
/// Source: WSAIoctl, SIO_BASE_HANDLE.
#[test]
fn base_handle_is_the_socket() {
    let _watch = watch();
    let socket = tcp();
    let (mut base, mut returned): (SOCKET, u32) = (0, 0);
    // SAFETY: the output is valid for its size.
    let result = unsafe {
        WSAIoctl(
            socket.0,
            SIO_BASE_HANDLE,
            null(),
            0,
            (&raw mut base).cast(),
            size_of::<SOCKET>() as u32,
            &mut returned,
            null_mut(),
            None,
        )
    };
    assert_eq!(
        (check(result), base, returned as usize),
        (Ok(()), socket.0, size_of::<SOCKET>())
    );
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

/// SO_BSP_STATE tells the peer as long as getpeername does.
/// Source: SO_BSP_STATE (the addresses of the socket).
#[test]
fn bsp_state_outlives_the_connection() {
    let _watch = watch();
    differs_under_wine("asks Linux for the peer", || {
        let remote = |socket: Raw| {
            let mut out = [0u8; 200];
            socket
                .option_bytes(SOL_SOCKET, SO_BSP_STATE, &mut out)
                .unwrap();
            let at = std::mem::offset_of!(CSADDR_INFO, RemoteAddr)
                + std::mem::offset_of!(SOCKET_ADDRESS, iSockaddrLength);
            u32::from_ne_bytes(out[at..at + 4].try_into().unwrap())
        };
        let pair = connected_pair(Family::V4);
        assert_eq!(remote(*pair.server), 16);
        pair.client.shutdown(SD_BOTH).unwrap();
        pair.server.shutdown(SD_BOTH).unwrap();
        let server = *pair.server;
        until("the end", || server.peer_address().is_ok());
        assert_eq!(remote(server), 16, "both sides ended");
    });
}

/// Time-outs are for sockets with the overlapped attribute.
/// Source: SO_RCVTIMEO, remarks.
#[test]
fn synchronous_sockets_have_no_time_outs() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp_synchronous(Family::V4);
    client.connect(&listener.address).unwrap();
    let server = listener.accept().unwrap();
    client.set_option(SOL_SOCKET, SO_RCVTIMEO, 30).unwrap();
    let raw = *client;
    let worker = spawn(move || raw.recv_some(1));
    worker.until_waits();
    let other = listener.pair(); // tells when the time-out would have been over, ten times
    other
        .client
        .set_option(SOL_SOCKET, SO_RCVTIMEO, 300)
        .unwrap();
    assert_eq!(other.client.recv_some(1), Err(WSAETIMEDOUT));
    server.send_all(b"x");
    assert_eq!(worker.join(), Ok(b"x".to_vec()));
}
