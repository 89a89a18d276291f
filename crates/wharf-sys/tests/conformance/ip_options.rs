//! The options of IP, IPv6 and UDP: values, defaults, lengths, and who knows which, as tables.

use wharf_sys::*;

use crate::harness::*;
use crate::options::{get, set};
use crate::tcp::*;

use Kind::{Datagram, Stream};

/// Kinds of sockets that need no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stream,
    Datagram,
}

fn open(family: Family, kind: Kind) -> Socket {
    let kind = match kind {
        Stream => SOCK_STREAM,
        Datagram => SOCK_DGRAM,
    };
    Socket::open(family.number(), kind, 0).expect("a socket")
}

fn udp() -> Socket {
    open(Family::V4, Datagram)
}

/// An option with its default for streams and datagrams; `None` where it is refused with WSAEINVAL.
type Row = (i32, Option<i32>, Option<i32>);

const IPV4: [Row; 24] = [
    (IP_HDRINCL, None, None),
    (IP_TOS, Some(0), Some(0)),
    (IP_TTL, Some(128), Some(128)),
    (IP_MULTICAST_IF, None, Some(0)),
    (IP_MULTICAST_TTL, None, Some(1)),
    (IP_MULTICAST_LOOP, None, Some(1)),
    (IP_DONTFRAGMENT, Some(1), Some(0)),
    (IP_PKTINFO, None, Some(0)),
    (IP_RECVTTL, None, Some(0)),
    (IP_RECEIVE_BROADCAST, None, Some(1)),
    (IP_RECVIF, None, Some(0)),
    (IP_RECVDSTADDR, None, Some(0)),
    (IP_IFLIST, Some(0), Some(0)),
    (IP_UNICAST_IF, Some(0), Some(0)),
    (IP_RTHDR, Some(0), Some(0)),
    (IP_GET_IFLIST, None, None),
    (IP_RECVRTHDR, None, Some(0)),
    (IP_RECVTOS, None, Some(0)),
    (IP_ORIGINAL_ARRIVAL_IF, None, Some(0)),
    (IP_ECN, None, Some(0)),
    (IP_MTU_DISCOVER, Some(0), Some(0)),
    (IP_RECVERR, None, Some(0)),
    (IP_USER_MTU, Some(0), Some(0)),
    (IP_OPTIONS, Some(0), Some(0)),
];

const IPV6: [Row; 22] = [
    (IPV6_HDRINCL, None, None),
    (IPV6_UNICAST_HOPS, Some(128), Some(128)),
    (IPV6_MULTICAST_IF, None, Some(0)),
    (IPV6_MULTICAST_HOPS, None, Some(1)),
    (IPV6_MULTICAST_LOOP, None, Some(1)),
    (IPV6_DONTFRAG, Some(1), Some(0)),
    (IPV6_PKTINFO, None, Some(0)),
    (IPV6_HOPLIMIT, None, Some(0)),
    (
        IPV6_PROTECTION_LEVEL,
        Some(PROTECTION_LEVEL_UNRESTRICTED as i32),
        Some(PROTECTION_LEVEL_UNRESTRICTED as i32),
    ),
    (IPV6_RECVIF, None, Some(0)),
    (IPV6_RECVDSTADDR, None, Some(0)),
    (IPV6_V6ONLY, Some(1), Some(1)),
    (IPV6_IFLIST, Some(0), Some(0)),
    (IPV6_UNICAST_IF, Some(0), Some(0)),
    (IPV6_RTHDR, Some(0), Some(0)),
    (IPV6_GET_IFLIST, None, None),
    (IPV6_RECVRTHDR, None, Some(0)),
    (IPV6_RECVTCLASS, None, Some(0)),
    (IPV6_ECN, None, Some(0)),
    (IPV6_MTU_DISCOVER, Some(0), Some(0)),
    (IPV6_RECVERR, None, Some(0)),
    (IPV6_USER_MTU, Some(0), Some(0)),
];

fn levels() -> [(i32, Family, &'static [Row]); 2] {
    [
        (IPPROTO_IP, Family::V4, &IPV4),
        (IPPROTO_IPV6, Family::V6, &IPV6),
    ]
}

// --- Values ----------------------------------------------------------------------------------------

/// What fresh sockets answer, and which options a stream or a datagram socket has no use for.
/// Source: IPPROTO_IP options and IPPROTO_IPV6 options; the refusals validated on Windows.
#[test]
fn defaults() {
    let _watch = watch();
    differs_under_wine("has the defaults of Linux, and fewer options", || {
        for (level, family, rows) in levels() {
            for (option, stream, datagram) in rows {
                for (kind, default) in [(Stream, stream), (Datagram, datagram)] {
                    let answer = open(family, kind).option(level, *option);
                    let expected = default.ok_or(WSAEINVAL);
                    assert_eq!(answer, expected, "{level}, {option}, {kind:?}");
                }
            }
        }
    });
}

/// What is refused when it is read is refused when it is set.
/// Source: IPPROTO_IP options and IPPROTO_IPV6 options, WSAEINVAL.
#[test]
fn refusals_of_setting() {
    let _watch = watch();
    differs_under_wine("sets some of them all the same", || {
        for (level, family, rows) in levels() {
            for (option, stream, datagram) in rows {
                for (kind, default) in [(Stream, stream), (Datagram, datagram)] {
                    if default.is_none() {
                        let answer = open(family, kind).set_option(level, *option, 1);
                        assert_eq!(answer, Err(WSAEINVAL), "{level}, {option}, {kind:?}");
                    }
                }
            }
        }
    });
}

/// Truth values are switched on and off, and read as 0 or 1.
/// Source: IPPROTO_IP options and IPPROTO_IPV6 options.
#[test]
fn truth_values_are_read_back() {
    let _watch = watch();
    let cases = [
        (Family::V4, IP_MULTICAST_LOOP),
        (Family::V4, IP_DONTFRAGMENT),
        (Family::V4, IP_PKTINFO),
        (Family::V4, IP_RECVTTL),
        (Family::V4, IP_RECVTOS),
        (Family::V6, IPV6_MULTICAST_LOOP),
        (Family::V6, IPV6_DONTFRAG),
        (Family::V6, IPV6_PKTINFO),
        (Family::V6, IPV6_HOPLIMIT),
        (Family::V6, IPV6_RECVTCLASS),
    ];
    for (family, option) in cases {
        let socket = open(family, Datagram);
        let level = level_of(family);
        for (value, expected) in [(1, 1), (0, 0), (2, 1)] {
            assert_eq!(socket.set_option(level, option, value), Ok(()), "{option}");
            assert_eq!(
                socket.option(level, option),
                Ok(expected),
                "{family:?} {option}"
            );
        }
    }
}

/// Truth values that Linux has nothing for, or little.
/// Source: IPPROTO_IP options and IPPROTO_IPV6 options; validated on Windows for the set.
#[test]
fn rare_truth_values_are_read_back() {
    let _watch = watch();
    differs_under_wine("does not know most of them", || {
        let cases = [
            (Family::V4, IP_RECEIVE_BROADCAST),
            (Family::V4, IP_RECVIF),
            (Family::V4, IP_RECVDSTADDR),
            (Family::V4, IP_IFLIST),
            (Family::V4, IP_RTHDR),
            (Family::V4, IP_RECVRTHDR),
            (Family::V4, IP_ORIGINAL_ARRIVAL_IF),
            (Family::V4, IP_ECN),
            (Family::V4, IP_RECVERR),
            (Family::V6, IPV6_RECVIF),
            (Family::V6, IPV6_RECVDSTADDR),
            (Family::V6, IPV6_IFLIST),
            (Family::V6, IPV6_RTHDR),
            (Family::V6, IPV6_RECVRTHDR),
            (Family::V6, IPV6_ECN),
            (Family::V6, IPV6_RECVERR),
        ];
        for (family, option) in cases {
            let (socket, level) = (open(family, Datagram), level_of(family));
            for (value, expected) in [(0, 0), (1, 1), (7, 1)] {
                assert_eq!(socket.set_option(level, option, value), Ok(()), "{option}");
                assert_eq!(
                    socket.option(level, option),
                    Ok(expected),
                    "{family:?} {option}"
                );
            }
        }
    });
}

fn level_of(family: Family) -> i32 {
    match family {
        Family::V4 => IPPROTO_IP,
        Family::V6 => IPPROTO_IPV6,
    }
}

/// Numbers that fit a byte: what may be set, and what is too large.
/// Source: IP_TTL, IP_TOS, IP_MULTICAST_TTL, IPV6_UNICAST_HOPS and IPV6_MULTICAST_HOPS; validated on Windows.
#[test]
fn numbers_fit_a_byte() {
    let _watch = watch();
    for (family, option, least) in [
        (Family::V4, IP_TTL, 1),
        (Family::V4, IP_MULTICAST_TTL, 0),
        (Family::V6, IPV6_UNICAST_HOPS, 0),
        (Family::V6, IPV6_MULTICAST_HOPS, 0),
    ] {
        let (socket, level) = (open(family, Datagram), level_of(family));
        for value in [least, 1, 77, 255] {
            assert_eq!(
                socket.set_option(level, option, value),
                Ok(()),
                "{option} {value}"
            );
            assert_eq!(socket.option(level, option), Ok(value), "{option}");
        }
        for value in [256, 1000] {
            assert_eq!(
                socket.set_option(level, option, value),
                Err(WSAEINVAL),
                "{option} {value}"
            );
            assert_eq!(socket.option(level, option), Ok(255), "{option}");
        }
    }
    assert_eq!(udp().set_option(IPPROTO_IP, IP_TTL, 0), Err(WSAEINVAL));
}

/// IP_TOS is taken and read back.
/// Source: IP_TOS; validated on Windows.
#[test]
fn type_of_service_is_read_back() {
    let _watch = watch();
    let socket = udp();
    assert_eq!(socket.set_option(IPPROTO_IP, IP_TOS, 0x20), Ok(()));
    assert_eq!(socket.option(IPPROTO_IP, IP_TOS), Ok(0x20));
    assert_eq!(udp().set_option(IPPROTO_IP, IP_TOS, 256), Err(WSAEINVAL));
}

/// -1 brings the default of the hop limits back.
/// Source: IPV6_UNICAST_HOPS and IPV6_MULTICAST_HOPS ("-1 … use the default").
#[test]
fn minus_one_is_the_default_of_hops() {
    let _watch = watch();
    differs_under_wine("has the default of Linux", || {
        for (option, default) in [(IPV6_UNICAST_HOPS, 128), (IPV6_MULTICAST_HOPS, 1)] {
            let socket = open(Family::V6, Datagram);
            for value in [9, -1] {
                assert_eq!(socket.set_option(IPPROTO_IPV6, option, value), Ok(()));
            }
            assert_eq!(socket.option(IPPROTO_IPV6, option), Ok(default));
        }
    });
}

/// IP_MTU_DISCOVER takes its three values and not the initial one.
/// Source: IP_MTU_DISCOVER; validated on Windows for the initial one.
#[test]
fn mtu_discovery() {
    let _watch = watch();
    differs_under_wine("takes no more than some values", || {
        for (family, option) in [
            (Family::V4, IP_MTU_DISCOVER),
            (Family::V6, IPV6_MTU_DISCOVER),
        ] {
            let (socket, level) = (open(family, Datagram), level_of(family));
            for value in [IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE] {
                assert_eq!(socket.set_option(level, option, value), Ok(()));
                assert_eq!(socket.option(level, option), Ok(value));
            }
            let answer = socket.set_option(level, option, IP_PMTUDISC_NOT_SET);
            assert_eq!(answer, Err(WSAEINVAL));
        }
    });
}

/// A datagram that must not be fragmented and is larger than a packet can be is refused.
/// Source: IP_DONTFRAGMENT; send, WSAEMSGSIZE.
#[test]
fn unfragmented_datagram_must_fit() {
    let _watch = watch();
    let receiver = udp();
    assert_eq!(receiver.bind(&Family::V4.loopback(0)), Ok(()));
    let sender = udp();
    let to = receiver.local_address().unwrap().into();
    assert_eq!(sender.connect(&to), Ok(()));
    assert_eq!(sender.set_option(IPPROTO_IP, IP_DONTFRAGMENT, 1), Ok(()));
    assert_eq!(sender.send(&[0; 65_508]), Err(WSAEMSGSIZE));
    assert_eq!(sender.send(&[0; 1000]), Ok(1000));
    assert_eq!(receiver.recv(&mut [0; 2000]), Ok(1000));
}

/// The path MTU can be read when there is a path.
/// Source: IP_MTU and IPV6_MTU, WSAENOTCONN; validated on Windows.
#[test]
fn path_mtu_needs_a_connection() {
    let _watch = watch();
    differs_under_wine("does not know it", || {
        for (family, option) in [(Family::V4, IP_MTU), (Family::V6, IPV6_MTU)] {
            let level = level_of(family);
            for kind in [Stream, Datagram] {
                assert_eq!(open(family, kind).option(level, option), Err(WSAENOTCONN));
            }
            let pair = connected_pair(family);
            assert!(pair.client.option(level, option).unwrap() >= 1280);
        }
    });
}

/// The interface for unicasts: IPv4 wants its index in network order, IPv6 in host order; one that does not exist is
/// refused.
/// Source: IP_UNICAST_IF and IPV6_UNICAST_IF; validated on Windows for the types.
#[test]
fn interface_for_unicasts() {
    let _watch = watch();
    differs_under_wine("numbers interfaces otherwise", || {
        const LOOPBACK: i32 = 1;
        for (family, option, index) in [
            (Family::V4, IP_UNICAST_IF, LOOPBACK.to_be()),
            (Family::V6, IPV6_UNICAST_IF, LOOPBACK),
        ] {
            for kind in [Stream, Datagram] {
                let (socket, level) = (open(family, kind), level_of(family));
                let nowhere = index.wrapping_mul(250) | index.wrapping_mul(5);
                assert!(socket.set_option(level, option, nowhere).is_err());
                for value in [index, 0] {
                    assert_eq!(socket.set_option(level, option, value), Ok(()));
                    assert_eq!(socket.option(level, option), Ok(value));
                }
            }
        }
    });
}

/// IP_OPTIONS is a string of bytes, empty at first.
/// Source: IP_OPTIONS.
#[test]
fn ip_options_are_bytes() {
    let _watch = watch();
    let socket = udp();
    let mut value = [0xAA; 40];
    assert_eq!(
        socket.option_bytes(IPPROTO_IP, IP_OPTIONS, &mut value),
        Ok(0)
    );
    const NO_OPERATION: [u8; 4] = [1; 4];
    assert_eq!(
        socket.set_option_bytes(IPPROTO_IP, IP_OPTIONS, &NO_OPERATION),
        Ok(())
    );
    assert_eq!(
        socket.option_bytes(IPPROTO_IP, IP_OPTIONS, &mut value),
        Ok(4)
    );
    assert_eq!(value[..4], NO_OPERATION);
    let too_long = socket.set_option_bytes(IPPROTO_IP, IP_OPTIONS, &[1; 44]);
    assert_eq!(too_long, Err(WSAEINVAL));
}

/// The protection level is one of three.
/// Source: IPV6_PROTECTION_LEVEL.
#[test]
fn protection_levels() {
    let _watch = watch();
    differs_under_wine("stores nothing", || {
        let socket = open(Family::V6, Stream);
        for level in [
            PROTECTION_LEVEL_RESTRICTED,
            PROTECTION_LEVEL_EDGERESTRICTED,
            PROTECTION_LEVEL_UNRESTRICTED,
        ] {
            let level = level as i32;
            let set = socket.set_option(IPPROTO_IPV6, IPV6_PROTECTION_LEVEL, level);
            assert_eq!(set, Ok(()));
            assert_eq!(
                socket.option(IPPROTO_IPV6, IPV6_PROTECTION_LEVEL),
                Ok(level)
            );
        }
        let other = socket.set_option(IPPROTO_IPV6, IPV6_PROTECTION_LEVEL, 11);
        assert_eq!(other, Err(WSAEINVAL));
    });
}

// --- Which sockets know them -----------------------------------------------------------------------

/// Options of IPv4 on an IPv6 socket, while it serves IPv4 too.
/// Source: "Dual-Stack Sockets"; IPV6_V6ONLY.
#[test]
fn dual_stack_sockets_know_the_options_of_ipv4() {
    let _watch = watch();
    differs_under_wine("knows them on every socket", || {
        for kind in [Stream, Datagram] {
            let socket = open(Family::V6, kind);
            assert_eq!(socket.option(IPPROTO_IP, IP_TTL), Err(WSAEINVAL));
            assert_eq!(socket.set_option(IPPROTO_IP, IP_TTL, 9), Err(WSAEINVAL));
            assert_eq!(socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0), Ok(()));
            assert_eq!(socket.set_option(IPPROTO_IP, IP_TTL, 9), Ok(()));
            assert_eq!(socket.option(IPPROTO_IP, IP_TTL), Ok(9));
        }
    });
}

/// Of the options of IPv6 an IPv4 socket knows IPV6_V6ONLY alone.
/// Source: IPPROTO_IPV6 options.
#[test]
fn ipv4_sockets_know_no_options_of_ipv6() {
    let _watch = watch();
    for option in [IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS, IPV6_PKTINFO] {
        assert!(udp().option(IPPROTO_IPV6, option).is_err(), "{option}");
        assert!(
            udp().set_option(IPPROTO_IPV6, option, 1).is_err(),
            "{option}"
        );
    }
}

/// An accepted socket has the listener's TTL, also in the kernel's eyes.
/// Source: accept ("the newly created socket … has the same properties").
#[test]
fn accepted_socket_inherits_the_ttl() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    assert_eq!(listener.set_option(IPPROTO_IP, IP_TTL, 33), Ok(()));
    let pair = listener.pair();
    assert_eq!(pair.server.option(IPPROTO_IP, IP_TTL), Ok(33));
}

// --- UDP and TCP -----------------------------------------------------------------------------------

/// The options of UDP: defaults, and what was set is read back; a stream does not know them.
/// Source: IPPROTO_UDP options.
#[test]
fn options_of_udp() {
    let _watch = watch();
    differs_under_wine("does not know them", || {
        for (option, value) in [
            (UDP_NOCHECKSUM, 1),
            (UDP_CHECKSUM_COVERAGE, 8),
            (UDP_SEND_MSG_SIZE, 1200),
            (UDP_RECV_MAX_COALESCED_SIZE, 65_000),
        ] {
            let socket = udp();
            assert_eq!(socket.option(IPPROTO_UDP, option), Ok(0), "{option}");
            assert_eq!(socket.set_option(IPPROTO_UDP, option, value), Ok(()));
            assert_eq!(socket.option(IPPROTO_UDP, option), Ok(value), "{option}");
            let stream = open(Family::V4, Stream);
            assert_eq!(stream.option(IPPROTO_UDP, option), Err(WSAENOPROTOOPT));
            let set = stream.set_option(IPPROTO_UDP, option, value);
            assert_eq!(set, Err(WSAENOPROTOOPT));
        }
    });
}

/// With UDP_SEND_MSG_SIZE one send becomes datagrams of that size.
/// Source: IPPROTO_UDP options, UDP_SEND_MSG_SIZE.
#[test]
fn send_is_cut_into_datagrams() {
    let _watch = watch();
    differs_under_wine("does not know it", || {
        let receiver = udp();
        assert_eq!(receiver.bind(&Family::V4.loopback(0)), Ok(()));
        let sender = udp();
        let to = receiver.local_address().unwrap().into();
        assert_eq!(sender.connect(&to), Ok(()));
        assert_eq!(
            sender.set_option(IPPROTO_UDP, UDP_SEND_MSG_SIZE, 100),
            Ok(())
        );
        sender.send_all(&[7; 250]);
        for size in [100, 100, 50] {
            assert_eq!(receiver.recv(&mut [0; 1000]), Ok(size));
        }
    });
}

/// Options of urgent data in TCP.
/// Source: IPPROTO_TCP options.
#[test]
fn urgent_options_of_tcp() {
    let _watch = watch();
    differs_under_wine("does not know them", || {
        let socket = open(Family::V4, Stream);
        for option in [TCP_STDURG, TCP_NOURG] {
            for value in [1, 0] {
                assert_eq!(socket.set_option(IPPROTO_TCP, option, value), Ok(()));
                assert_eq!(socket.option(IPPROTO_TCP, option), Ok(value));
            }
        }
    });
}

/// There is one compartment.
/// Source: SOL_SOCKET options, SO_COMPARTMENT_ID.
#[test]
fn compartment() {
    let _watch = watch();
    differs_under_wine("does not know it", || {
        let (socket, option) = (udp(), SO_COMPARTMENT_ID as i32);
        assert_eq!(socket.option(SOL_SOCKET, option), Ok(1));
        assert_eq!(socket.set_option(SOL_SOCKET, option, 1), Ok(()));
        assert_eq!(socket.set_option(SOL_SOCKET, option, 2), Err(WSAEINVAL));
    });
}

// --- Lengths ---------------------------------------------------------------------------------------

/// Numbers and truth values that fit a byte: any length but none; with less room than four bytes one is written.
/// Source: getsockopt and setsockopt, optlen; validated on Windows.
#[test]
fn lengths_of_small_values() {
    let _watch = watch();
    for (family, option) in [
        (Family::V4, IP_TTL),
        (Family::V4, IP_TOS),
        (Family::V4, IP_MULTICAST_TTL),
        (Family::V4, IP_MULTICAST_LOOP),
        (Family::V6, IPV6_UNICAST_HOPS),
        (Family::V6, IPV6_MULTICAST_HOPS),
        (Family::V6, IPV6_MULTICAST_LOOP),
        (Family::V6, IPV6_DONTFRAG),
    ] {
        let (socket, level) = (open(family, Datagram), level_of(family));
        for len in [1, 2, 4, 8] {
            assert_eq!(
                set(*socket, level, option, 1, len),
                Ok(()),
                "{option}, {len}"
            );
            let (answer, reported, value) = get(*socket, level, option, len);
            let expected = match len {
                1 | 2 => (1, [1, 0xAA, 0xAA, 0xAA]),
                _ => (4, [1, 0, 0, 0]),
            };
            assert_eq!(answer, Ok(()), "{option}, {len}");
            let bytes = [value[0], value[1], value[2], value[3]];
            assert_eq!((reported, bytes), expected, "{option}, {len}");
        }
        assert_no_length(*socket, level, option);
    }
}

/// Switches of what receives tell: four bytes at least; a short read reports the length 0.
/// Source: getsockopt and setsockopt, WSAEFAULT; validated on Windows.
#[test]
fn lengths_of_switches() {
    let _watch = watch();
    for (family, option) in [
        (Family::V4, IP_PKTINFO),
        (Family::V4, IP_RECVTTL),
        (Family::V4, IP_RECVTOS),
        (Family::V6, IPV6_PKTINFO),
        (Family::V6, IPV6_HOPLIMIT),
        (Family::V6, IPV6_RECVTCLASS),
    ] {
        let (socket, level) = (open(family, Datagram), level_of(family));
        for len in [1, 2] {
            assert_eq!(
                set(*socket, level, option, 1, len),
                Err(WSAEFAULT),
                "{option}"
            );
            let (answer, reported, value) = get(*socket, level, option, len);
            assert_eq!((answer, reported), (Err(WSAEFAULT), 0), "{option}");
            assert_eq!(value, [0xAA; 8], "{option}");
        }
        for len in [4, 8] {
            assert_eq!(set(*socket, level, option, 1, len), Ok(()), "{option}");
            assert_eq!(get(*socket, level, option, len).1, 4, "{option}");
        }
        assert_no_length(*socket, level, option);
    }
}

/// Without any length, or with a negative one.
fn assert_no_length(socket: Raw, level: i32, option: i32) {
    assert_eq!(set(socket, level, option, 1, 0), Err(WSAEFAULT), "{option}");
    assert_eq!(get(socket, level, option, 0).0, Err(WSAEFAULT), "{option}");
    assert_eq!(
        set(socket, level, option, 1, -1),
        Err(WSAENOBUFS),
        "{option}"
    );
    let (answer, reported, _) = get(socket, level, option, -1);
    assert_eq!((answer, reported), (Err(WSAEFAULT), -1), "{option}");
}

/// An option that a socket has no use for leaves the value and its length alone.
/// Source: IP_HDRINCL; validated on Windows.
#[test]
fn refused_option_writes_nothing() {
    let _watch = watch();
    let (answer, reported, value) = get(*udp(), IPPROTO_IP, IP_HDRINCL, 4);
    assert_eq!((answer, reported, value), (Err(WSAEINVAL), 4, [0xAA; 8]));
}
