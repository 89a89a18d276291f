//! Options that few programs know: what they answer, and which names are options of no socket.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap()
}

/// What decides about a connection's packets can be set, and reads back as 0 or 1.
/// Source: IPPROTO_TCP socket options.
#[test]
fn switches_of_tcp_are_read_back() {
    let _watch = watch();
    differs_under_wine("does not know them", || {
        for (option, default) in [
            (TCP_BSDURGENT, 1),
            (TCP_EXPEDITED_1122, 0),
            (TCP_FAIL_CONNECT_ON_ICMP_ERROR, 0),
            (TCP_FASTOPEN, 0),
            (TCP_NOSYNRETRIES, 0),
            (TCP_TIMESTAMPS, 0),
        ] {
            let socket = Socket::tcp(Family::V4);
            assert_eq!(socket.option(IPPROTO_TCP, option), Ok(default), "{option}");
            for (value, read) in [(1, 1), (0, 0), (256, 1)] {
                assert_eq!(socket.set_option(IPPROTO_TCP, option, value), Ok(()));
                assert_eq!(socket.option(IPPROTO_TCP, option), Ok(read), "{option}");
            }
            assert_eq!(
                udp().option(IPPROTO_TCP, option),
                Err(WSAENOPROTOOPT),
                "{option}"
            );
        }
    });
}

/// The largest segment of a connection is told, and is something.
/// Source: IPPROTO_TCP socket options, TCP_MAXSEG.
#[test]
fn largest_segment_is_told() {
    let _watch = watch();
    differs_under_wine("does not know it", || {
        let pair = connected_pair(Family::V4);
        let segment = pair.client.option(IPPROTO_TCP, TCP_MAXSEG).unwrap();
        assert!((500..=65_535).contains(&segment), "{segment}");
    });
}

/// Socket groups do not exist: every socket is in group 0, and its place in it is no option.
/// Source: SOL_SOCKET options, SO_GROUP_ID and SO_GROUP_PRIORITY (reserved).
#[test]
fn there_are_no_groups() {
    let _watch = watch();
    differs_under_wine("does not know SO_GROUP_ID", || {
        for socket in [Socket::tcp(Family::V4), udp()] {
            assert_eq!(socket.option(SOL_SOCKET, SO_GROUP_ID), Ok(0));
            assert_eq!(
                socket.set_option(SOL_SOCKET, SO_GROUP_ID, 0),
                Err(WSAENOPROTOOPT)
            );
            for answer in [
                socket.option(SOL_SOCKET, SO_GROUP_PRIORITY),
                socket
                    .set_option(SOL_SOCKET, SO_GROUP_PRIORITY, 0)
                    .map(|()| 0),
            ] {
                assert_eq!(answer, Err(WSAENOPROTOOPT));
            }
        }
    });
}

/// The largest datagrams of the provider can be asked for, not set.
/// Source: SOL_SOCKET options, SO_MAXDG and SO_MAXPATHDG.
#[test]
fn largest_datagrams_are_told() {
    let _watch = watch();
    differs_under_wine("does not know them", || {
        for option in [SO_MAXDG, SO_MAXPATHDG] {
            assert_eq!(udp().option(SOL_SOCKET, option), Ok(65_507), "{option:#x}");
            assert_eq!(
                udp().set_option(SOL_SOCKET, option, 100),
                Err(WSAENOPROTOOPT),
                "{option:#x}"
            );
        }
    });
}

/// Datagram sockets that have SO_REUSE_MULTICASTPORT share a port; one that has not is refused.
/// Source: SOL_SOCKET options, SO_REUSE_MULTICASTPORT.
#[test]
fn multicast_ports_may_be_shared() {
    let _watch = watch();
    differs_under_wine("does not know it", || {
        let sharing = || {
            let socket = udp();
            assert_eq!(socket.option(SOL_SOCKET, SO_REUSE_MULTICASTPORT), Ok(0));
            assert_eq!(
                socket.set_option(SOL_SOCKET, SO_REUSE_MULTICASTPORT, 1),
                Ok(())
            );
            assert_eq!(socket.option(SOL_SOCKET, SO_REUSE_MULTICASTPORT), Ok(1));
            socket
        };
        let first = sharing();
        first.bind(&Family::V4.any(0)).unwrap();
        let taken: Address = first.local_address().unwrap().into();
        assert_eq!(sharing().bind(&taken), Ok(()));
        assert_eq!(udp().bind(&taken), Err(WSAEADDRINUSE));
    });
}

/// Names of options that the system headers have and no stream or datagram socket knows.
/// Source: getsockopt and setsockopt, WSAENOPROTOOPT.
#[test]
fn names_that_no_socket_knows() {
    let _watch = watch();
    let stream = [Socket::tcp(Family::V4), Socket::tcp(Family::V6)];
    for (level, option, socket) in [
        (SOL_SOCKET, PVD_CONFIG, &stream[0]),
        (IPPROTO_IP, IP_ADD_IFLIST, &stream[0]),
        (IPPROTO_IP, IP_DEL_IFLIST, &stream[0]),
        (IPPROTO_IP, IP_TCLASS, &stream[0]),
        (IPPROTO_IPV6, IPV6_HOPOPTS, &stream[1]),
        (IPPROTO_IPV6, IPV6_ADD_IFLIST, &stream[1]),
        (IPPROTO_IPV6, IPV6_DEL_IFLIST, &stream[1]),
        (IPPROTO_IPV6, IPV6_TCLASS, &stream[1]),
        (IPPROTO_TCP, TCP_ATMARK, &stream[0]),
        (IPPROTO_TCP, TCP_OFFLOAD_PREFERENCE, &stream[0]),
        (IPPROTO_TCP, TCP_CONGESTION_ALGORITHM, &stream[0]),
        (IPPROTO_TCP, TCP_DELAY_FIN_ACK, &stream[0]),
        (IPPROTO_TCP, TCP_MAXRTMS, &stream[0]),
    ] {
        let refused = Err(WSAENOPROTOOPT);
        assert_eq!(socket.option(level, option), refused, "{level}, {option}");
        let set = socket.set_option(level, option, 1).map(|()| 0);
        assert_eq!(set, refused, "{level}, {option}");
    }
}

/// How ports are chosen and shared can be said before bind; a random port and a port that is chosen at connect exclude
/// each other.
/// Source: SOL_SOCKET options, SO_RANDOMIZE_PORT, SO_REUSE_UNICASTPORT, SO_PORT_SCALABILITY, SO_PAUSE_ACCEPT.
#[test]
fn choices_of_ports_are_read_back() {
    let _watch = watch();
    differs_under_wine("does not know them", || {
        let socket = Socket::tcp(Family::V4);
        for option in [
            SO_PORT_SCALABILITY,
            SO_PAUSE_ACCEPT as i32,
            SO_RANDOMIZE_PORT,
        ] {
            for (value, read) in [(2, 1), (0, 0)] {
                assert_eq!(socket.set_option(SOL_SOCKET, option, value), Ok(()));
                assert_eq!(socket.option(SOL_SOCKET, option), Ok(read), "{option:#x}");
            }
        }
        assert_eq!(
            socket.set_option(SOL_SOCKET, SO_REUSE_UNICASTPORT, 1),
            Ok(())
        );
        assert_eq!(socket.option(SOL_SOCKET, SO_REUSE_UNICASTPORT), Ok(1));
        let random = || socket.set_option(SOL_SOCKET, SO_RANDOMIZE_PORT, 1);
        assert_eq!(random(), Err(WSAEINVAL));
        assert_eq!(
            socket.set_option(SOL_SOCKET, SO_REUSE_UNICASTPORT, 0),
            Ok(())
        );
        assert_eq!(random(), Ok(()));
        assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
        assert_eq!(random(), Err(WSAEINVAL), "after bind");
    });
}
