//! setsockopt and getsockopt: values, defaults and refusals, as tables.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

fn tcp() -> Socket {
    Socket::tcp(Family::V4)
}

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap()
}

/// Options that are read and written as four-byte truth values.
pub const BOOLS: [(i32, i32); 4] = [
    (SOL_SOCKET, SO_DONTLINGER),
    (SOL_SOCKET, SO_OOBINLINE),
    (SOL_SOCKET, SO_REUSEADDR),
    (SOL_SOCKET, SO_EXCLUSIVEADDRUSE),
];

/// Options that are one byte in truth, whatever length is asked for.
pub const BYTES: [(i32, i32); 4] = [
    (SOL_SOCKET, SO_KEEPALIVE),
    (SOL_SOCKET, SO_DONTROUTE),
    (IPPROTO_TCP, TCP_NODELAY),
    (IPPROTO_IPV6, IPV6_V6ONLY),
];

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
