//! bind and listen: who may have an address beside whom, and who of them gets what arrives.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Barrier};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

use Sharing::{Default, Exclusive, Reuse};

/// What a socket says of its address before it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Default,
    Reuse,
    Exclusive,
}

const SHARINGS: [Sharing; 3] = [Default, Reuse, Exclusive];

/// The protocols that have ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

use Protocol::{Tcp, Udp};

/// The protocols whose sockets a specific address tells apart: Wine binds datagram sockets to interfaces instead.
fn protocols_by_address() -> Vec<Protocol> {
    match under_wine() {
        true => vec![Tcp],
        false => vec![Tcp, Udp],
    }
}

fn at(ip: &str, port: u16) -> Address {
    let ip: IpAddr = ip.parse().expect("an address");
    SocketAddr::from((ip, port)).into()
}

fn port_of(socket: &Socket) -> u16 {
    socket.local_address().expect("getsockname").port()
}

/// A port that no other test has, nor any connection: it is none of those that systems choose by themselves.
fn quiet_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16 % 20_000;
    loop {
        let tried = first.wrapping_add(TRIED.fetch_add(1, Relaxed));
        let port = 10_000 + tried % 20_000;
        let is_free = |protocol, ip| bound(protocol, &at(ip, port), Default).is_ok();
        let places = [(Tcp, "0.0.0.0"), (Udp, "0.0.0.0"), (Tcp, "::"), (Udp, "::")];
        if places
            .into_iter()
            .all(|(protocol, ip)| is_free(protocol, ip))
        {
            return port;
        }
    }
}

/// A socket that holds a port at 127.0.0.9, so that it stays this test's while nothing else is bound to it.
fn reserved(protocol: Protocol) -> Socket {
    bound(protocol, &at("127.0.0.9", quiet_port()), Default).expect("a quiet port")
}

fn fresh(protocol: Protocol, address: &Address, sharing: Sharing) -> Socket {
    let (kind, protocol) = match protocol {
        Tcp => (SOCK_STREAM, IPPROTO_TCP),
        Udp => (SOCK_DGRAM, IPPROTO_UDP),
    };
    let family = i32::from(address.storage.ss_family);
    let socket = Socket::open(family, kind, protocol).expect("a socket");
    let option = match sharing {
        Default => return socket,
        Reuse => SO_REUSEADDR,
        Exclusive => SO_EXCLUSIVEADDRUSE,
    };
    assert_eq!(socket.set_option(SOL_SOCKET, option, 1), Ok(()));
    socket
}

/// A socket bound to that address, or why it is not.
fn bound(protocol: Protocol, address: &Address, sharing: Sharing) -> Result<Socket, WSA_ERROR> {
    let socket = fresh(protocol, address, sharing);
    socket.bind(address)?;
    Ok(socket)
}

/// The same for an IPv6 socket that serves IPv4 too.
fn bound_dual(
    protocol: Protocol,
    address: &Address,
    sharing: Sharing,
) -> Result<Socket, WSA_ERROR> {
    let socket = fresh(protocol, address, sharing);
    assert_eq!(socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0), Ok(()));
    socket.bind(address)?;
    Ok(socket)
}

/// A listener there.
fn listening(address: &Address, sharing: Sharing) -> Socket {
    let socket = bound(Tcp, address, sharing).expect("bind");
    assert_eq!(socket.listen(BACKLOG_MAX), Ok(()));
    socket
}

fn client_of(address: &Address) -> Socket {
    let client = Socket::open(address.storage.ss_family.into(), SOCK_STREAM, 0).expect("a socket");
    assert_eq!(client.connect(address), Ok(()));
    client
}

/// How many connections wait in the backlog; they are taken and closed.
fn drain(listener: &Socket) -> usize {
    listener.set_non_blocking(true);
    let mut count = 0;
    while listener.accept().is_ok() {
        count += 1;
    }
    assert_eq!(listener.accept().err(), Some(WSAEWOULDBLOCK));
    count
}

// --- The table -------------------------------------------------------------------------------------

const OK: WSA_ERROR = 0;
const USE: WSA_ERROR = WSAEADDRINUSE;
const ACC: WSA_ERROR = WSAEACCES;

/// Rows: the first socket; columns: the second. Default, SO_REUSEADDR and SO_EXCLUSIVEADDRUSE, each with the wildcard and
/// then a specific address.
const TABLE: [[WSA_ERROR; 6]; 6] = [
    [USE, OK, ACC, OK, USE, OK],
    [OK, USE, OK, ACC, USE, USE],
    [USE, OK, OK, OK, USE, OK],
    [OK, USE, OK, OK, USE, USE],
    [USE, ACC, ACC, ACC, USE, ACC],
    [OK, USE, OK, ACC, USE, USE],
];

/// Two sockets of one port: every combination of the options and of wildcard and specific addresses. Where both binds
/// succeed, both sockets can listen.
/// Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE", the table; half of its cells validated on Windows.
#[test]
fn table_of_two_sockets() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for protocol in [Tcp, Udp] {
            for family in FAMILIES {
                for first in 0..6 {
                    for second in 0..6 {
                        assert_cell(protocol, family, first, second);
                    }
                }
            }
        }
    });
}

fn assert_cell(protocol: Protocol, family: Family, first: usize, second: usize) {
    let address = |index: usize, port| match index % 2 {
        0 => family.any(port),
        _ => family.loopback(port),
    };
    let one = bound(protocol, &address(first, 0), SHARINGS[first / 2]).expect("a free port");
    let answer = bound(
        protocol,
        &address(second, port_of(&one)),
        SHARINGS[second / 2],
    );
    let what = format!("{protocol:?} {family:?}, {first} then {second}");
    match answer {
        Err(error) => assert_eq!(error, TABLE[first][second], "{what}"),
        Ok(_) => assert_eq!(OK, TABLE[first][second], "{what}"),
    }
    if let (Ok(other), Tcp) = (answer, protocol) {
        for socket in [&one, &other] {
            assert_eq!(socket.listen(1), Ok(()), "{what}");
        }
    }
}

/// Two different specific addresses do not meet, whatever the options.
/// Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE".
#[test]
fn specific_addresses_are_independent() {
    let _watch = watch();
    for protocol in protocols_by_address() {
        for first in SHARINGS {
            for second in SHARINGS {
                let one = bound(protocol, &at("127.0.0.1", quiet_port()), first).unwrap();
                let other = bound(protocol, &at("127.0.0.2", port_of(&one)), second);
                assert_eq!(other.err(), None, "{protocol:?} {first:?} {second:?}");
            }
        }
    }
}

/// The options count as they are when the socket is bound.
/// Source: SOL_SOCKET options, SO_REUSEADDR and SO_EXCLUSIVEADDRUSE ("must be set prior to the bind function").
#[test]
fn options_count_at_bind() {
    let _watch = watch();
    let address = at("127.0.0.1", 0);
    let first = bound(Tcp, &address, Default).unwrap();
    let address = at("127.0.0.1", port_of(&first));
    let _ = first.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
    assert_eq!(bound(Tcp, &address, Reuse).err(), Some(WSAEACCES));
}

// --- IPv6 and IPv4 ---------------------------------------------------------------------------------

/// A wildcard that serves both families and the wildcard of IPv4 stand together, in either order; connections of IPv4 are
/// the IPv4 socket's.
/// Source: "Dual-Stack Sockets"; validated on Windows for the binds.
#[test]
fn dual_wildcard_beside_the_ipv4_wildcard() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for protocol in [Tcp, Udp] {
            let dual = bound_dual(protocol, &at("::", quiet_port()), Default).unwrap();
            let v4 = bound(protocol, &at("0.0.0.0", port_of(&dual)), Default);
            assert_eq!(v4.err(), None, "{protocol:?}");
            let v4 = bound(protocol, &at("0.0.0.0", quiet_port()), Default).unwrap();
            let dual = bound_dual(protocol, &at("::", port_of(&v4)), Default);
            assert_eq!(dual.err(), None, "{protocol:?}");
        }
        let dual = bound_dual(Tcp, &at("::", quiet_port()), Default).unwrap();
        let port = port_of(&dual);
        let v4 = listening(&at("0.0.0.0", port), Default);
        assert_eq!(dual.listen(5), Ok(()));
        let _clients = [at("127.0.0.1", port), at("::1", port)].map(|to| client_of(&to));
        assert_eq!((drain(&v4), drain(&dual)), (1, 1));
    });
}

/// An exclusive wildcard of both families keeps IPv4 out, whatever the other says.
/// Source: SO_EXCLUSIVEADDRUSE; validated on Windows.
#[test]
fn exclusive_dual_wildcard_keeps_ipv4_out() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for protocol in [Tcp, Udp] {
            let dual = bound_dual(protocol, &at("::", quiet_port()), Exclusive).unwrap();
            let port = port_of(&dual);
            for address in [at("0.0.0.0", port), at("127.0.0.1", port)] {
                for sharing in SHARINGS {
                    let answer = bound(protocol, &address, sharing);
                    assert_eq!(answer.err(), Some(WSAEACCES), "{protocol:?} {sharing:?}");
                }
            }
        }
    });
}

/// An exclusive socket of IPv4 may come after default ones of IPv6, but an exclusive wildcard of both families not after
/// one of IPv4.
/// Source: SO_EXCLUSIVEADDRUSE; validated on Windows.
#[test]
fn exclusive_sockets_beside_the_other_family() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for protocol in [Tcp, Udp] {
            for address in [at("::", quiet_port()), at("::1", quiet_port())] {
                let v6 = bound_dual(protocol, &address, Default).unwrap();
                let v4 = bound(protocol, &at("0.0.0.0", port_of(&v6)), Exclusive);
                assert_eq!(v4.err(), None, "{protocol:?}");
            }
            let v4 = bound(protocol, &at("127.0.0.1", quiet_port()), Default).unwrap();
            let dual = bound_dual(protocol, &at("::", port_of(&v4)), Exclusive);
            assert_eq!(dual.err(), Some(WSAEADDRINUSE), "{protocol:?}");
        }
    });
}

/// Sockets that serve one family each do not meet.
/// Source: IPPROTO_IPV6 options, IPV6_V6ONLY.
#[test]
fn families_are_independent() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        for first in SHARINGS {
            for second in SHARINGS {
                let v6 = bound(protocol, &at("::", quiet_port()), first).unwrap();
                let v4 = bound(protocol, &at("0.0.0.0", port_of(&v6)), second);
                assert_eq!(v4.err(), None, "{protocol:?} {first:?} {second:?}");
            }
        }
    }
}

/// A mapped address is the address of IPv4.
/// Source: "Dual-Stack Sockets"; validated on Windows.
#[test]
fn mapped_addresses_are_addresses_of_ipv4() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        for (mapped, plain) in [
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::ffff:0.0.0.0", "0.0.0.0"),
        ] {
            let v4 = bound(protocol, &at(plain, quiet_port()), Default).unwrap();
            let v6 = bound_dual(protocol, &at(mapped, port_of(&v4)), Default);
            assert_eq!(v6.err(), Some(WSAEADDRINUSE), "{protocol:?} {mapped}");
            let v6 = bound_dual(protocol, &at(mapped, quiet_port()), Default).unwrap();
            let v4 = bound(protocol, &at(plain, port_of(&v6)), Default);
            assert_eq!(v4.err(), Some(WSAEADDRINUSE), "{protocol:?} {mapped}");
        }
    }
}

// --- Who gets what arrives -------------------------------------------------------------------------

/// The wildcard and a specific address of one port, both listening, in either order: connections to the specific address
/// are the specific listener's, all others the wildcard's.
/// Source: bind; validated on Windows.
#[test]
fn specific_listener_is_preferred() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for family in FAMILIES {
            for wildcard_first in [true, false] {
                let addresses = [family.any(0), family.loopback(0)];
                let first = listening(&addresses[usize::from(!wildcard_first)], Default);
                let port = port_of(&first);
                let addresses = [family.any(port), family.loopback(port)];
                let second = listening(&addresses[usize::from(wildcard_first)], Default);
                let (wildcard, specific) = match wildcard_first {
                    true => (first, second),
                    false => (second, first),
                };
                let clients: Vec<_> = (0..10).map(|_| client_of(&family.loopback(port))).collect();
                assert_eq!((drain(&wildcard), drain(&specific)), (0, 10));
                drop(clients);
                drop(specific);
                let _client = client_of(&family.loopback(port));
                assert_eq!(drain(&wildcard), 1);
            }
        }
    });
}

/// The wildcard's listener serves every other address.
/// Source: bind; validated on Windows.
#[test]
fn wildcard_listener_serves_the_other_addresses() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        let wildcard = listening(&at("0.0.0.0", quiet_port()), Default);
        let port = port_of(&wildcard);
        let specific = listening(&at("127.0.0.1", port), Default);
        let _clients = ["127.0.0.2", "127.0.0.1", "127.0.0.3"].map(|ip| client_of(&at(ip, port)));
        assert_eq!((drain(&wildcard), drain(&specific)), (2, 1));
    });
}

/// Two listeners at one address: connections go to the one that listened first, whichever was bound first; when it closes,
/// to the other.
/// Source: SO_REUSEADDR ("the behavior … is indeterminate"); validated on Windows for the first part.
#[test]
fn first_listener_gets_the_connections() {
    let _watch = watch();
    differs_under_wine("refuses the second listener", || {
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            for bound_first_listens_first in [true, false] {
                let one = bound(Tcp, &at(address, 0), Reuse).unwrap();
                let port = port_of(&one);
                let other = bound(Tcp, &at(address, port), Reuse).unwrap();
                let (first, second) = match bound_first_listens_first {
                    true => (one, other),
                    false => (other, one),
                };
                assert_eq!(first.listen(BACKLOG_MAX), Ok(()));
                assert_eq!(second.listen(BACKLOG_MAX), Ok(()));
                assert_first_gets_all(first, second, address, port);
            }
        }
    });
}

fn assert_first_gets_all(first: Socket, second: Socket, address: &str, port: u16) {
    const COUNT: usize = 30;
    let family = if address.contains(':') {
        Family::V6
    } else {
        Family::V4
    };
    let connect = || -> Vec<_> {
        let to = family.loopback(port);
        (0..COUNT).map(|_| client_of(&to)).collect()
    };
    let clients = connect();
    assert_eq!((drain(&first), drain(&second)), (COUNT, 0), "{address}");
    drop(clients);
    drop(first);
    let _clients = connect();
    assert_eq!(drain(&second), COUNT, "{address}");
}

/// A second listener may come while the first serves, and gets nothing as long as it does.
/// Source: SO_REUSEADDR; validated on Windows.
#[test]
fn late_listener_gets_nothing() {
    let _watch = watch();
    differs_under_wine("refuses the second listener", || {
        let first = listening(&at("127.0.0.1", quiet_port()), Reuse);
        let address = at("127.0.0.1", port_of(&first));
        let _client = client_of(&address);
        let second = listening(&address, Reuse);
        let third = listening(&address, Reuse);
        let _clients: Vec<_> = (0..20).map(|_| client_of(&address)).collect();
        assert_eq!([&first, &second, &third].map(drain), [21, 0, 0]);
    });
}

/// A datagram to an address is that socket's which is bound to it, not the wildcard's.
/// Source: bind ("the most specific"); validated on Windows for streams.
#[test]
fn datagrams_go_to_the_specific_socket() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for family in FAMILIES {
            let wildcard = bound(Udp, &family.any(0), Default).unwrap();
            let port = port_of(&wildcard);
            let specific = bound(Udp, &family.loopback(port), Default).unwrap();
            let sender = Socket::open(family.number(), SOCK_DGRAM, 0).unwrap();
            assert_eq!(sender.connect(&family.loopback(port)), Ok(()));
            sender.send_all(b"one");
            assert_eq!(specific.recv_some(10), Ok(b"one".to_vec()));
            drop(specific);
            sender.send_all(b"two");
            assert_eq!(wildcard.recv_some(10), Ok(b"two".to_vec()));
        }
    });
}

// --- Until when an address is taken ----------------------------------------------------------------

/// A closed socket's address is free at once, and so is that of a listener in which another thread waits.
/// Source: closesocket ("the port … is released"); bind.
#[test]
fn closing_frees_the_address() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        for sharing in SHARINGS {
            let mut address = at("127.0.0.1", port_of(&reserved(protocol)));
            for _ in 0..20 {
                let socket = bound(protocol, &address, sharing).expect("a free address");
                address = at("127.0.0.1", port_of(&socket));
            }
        }
    }
    not_under_wine("may free a listener's address a little later", || {
        let mut address = at("127.0.0.1", port_of(&reserved(Tcp)));
        for _ in 0..20 {
            let listener = listening(&address, Default).into_raw();
            address = listener.local_address().unwrap().into();
            let waiting = spawn(move || listener.accept().is_err());
            waiting.until_waits();
            assert_eq!(listener.close(), Ok(()));
            drop(listening(&address, Default));
            assert!(waiting.join());
        }
    });
}

/// As long as one of several handles is open the address is taken.
/// Source: closesocket; DuplicateHandle.
#[test]
fn last_handle_frees_the_address() {
    let _watch = watch();
    in_own_process(|| {
        for protocol in [Tcp, Udp] {
            let socket = bound(protocol, &at("127.0.0.1", quiet_port()), Default).unwrap();
            let address = at("127.0.0.1", port_of(&socket));
            let copy = duplicate(socket.handle());
            drop(socket);
            let answer = bound(protocol, &address, Default);
            assert_eq!(answer.err(), Some(WSAEADDRINUSE));
            copy.close();
            assert_eq!(bound(protocol, &address, Default).err(), None);
        }
    });
}

/// A bound socket that is connected keeps its address.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn connected_socket_keeps_its_address() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = bound(Tcp, &at("127.0.0.1", quiet_port()), Default).unwrap();
    let address = at("127.0.0.1", port_of(&client));
    assert_eq!(client.connect(&listener.address), Ok(()));
    let answer = bound(Tcp, &address, Default);
    assert_eq!(answer.err(), Some(WSAEADDRINUSE));
}

/// A client's address is free for the next one although its connection is in TIME_WAIT, and the next one may connect
/// elsewhere.
/// Source: bind and SO_REUSEADDR (not needed for that on Windows).
#[test]
fn time_wait_does_not_hold_a_clients_port() {
    let _watch = watch();
    let (listener, other) = (Listener::new(Family::V4), Listener::new(Family::V4));
    let client = bound(Tcp, &at("127.0.0.1", quiet_port()), Default).unwrap();
    let address = at("127.0.0.1", port_of(&client));
    assert_eq!(client.connect(&listener.address), Ok(()));
    let server = listener.accept().unwrap();
    drop(client);
    assert_eq!(server.recv(&mut [0; 1]), Ok(0));
    drop(server);
    let again = bound(Tcp, &address, Default).expect("beside TIME_WAIT");
    assert_eq!(again.connect(&other.address), Ok(()));
}

/// Connections that a closed listener has accepted do not hold its address, unless they are of an exclusive one and the
/// next wants it exclusively too; TIME_WAIT never does.
/// Source: SO_EXCLUSIVEADDRUSE ("until the accepted connection is no longer active").
#[test]
fn exclusive_address_is_held_by_its_connections() {
    let _watch = watch();
    differs_under_wine("does not know of its connections", || {
        for (first, second, expected) in [
            (Default, Default, None),
            (Default, Exclusive, None),
            (Exclusive, Default, None),
            (Exclusive, Exclusive, Some(WSAEADDRINUSE)),
        ] {
            let listener = listening(&at("127.0.0.1", quiet_port()), first);
            let address = at("127.0.0.1", port_of(&listener));
            let client = client_of(&address);
            let server = listener.accept().unwrap();
            drop(listener);
            let answer = bound(Tcp, &address, second);
            assert_eq!(answer.err(), expected, "{first:?} {second:?}");
            drop(server);
            assert_eq!(client.recv(&mut [0; 1]), Ok(0));
            drop(client);
            let answer = bound(Tcp, &address, second);
            assert_eq!(answer.err(), None, "{first:?} {second:?} in TIME_WAIT");
        }
    });
}

/// A failed bind may be repeated elsewhere, and leaves nothing behind.
/// Source: bind; validated on Windows.
#[test]
fn failed_bind_may_be_repeated() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        let first = bound(protocol, &at("127.0.0.1", quiet_port()), Default).unwrap();
        let address = at("127.0.0.1", port_of(&first));
        let second = fresh(protocol, &address, Default);
        for _ in 0..3 {
            assert_eq!(second.bind(&address), Err(WSAEADDRINUSE));
        }
        drop(first);
        assert_eq!(second.bind(&address), Ok(()));
    }
}

/// Sockets outside the process' own winsock calls are kept out of a bound address, however the process shares it itself.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn other_owners_are_kept_out() {
    let _watch = watch();
    let taken = |port| TcpListener::bind(("127.0.0.1", port)).is_err();
    let first = bound(Tcp, &at("127.0.0.1", quiet_port()), Default).unwrap();
    let port = port_of(&first);
    assert!(taken(port), "bound");
    assert_eq!(first.listen(5), Ok(()));
    assert!(taken(port), "listening");
    not_under_wine("binds by the rules of Linux", || {
        let wildcard = bound(Tcp, &at("0.0.0.0", port), Default).unwrap();
        assert!(taken(port), "beside the wildcard");
        assert_eq!(wildcard.listen(5), Ok(()));
        drop(wildcard);
        assert!(taken(port), "alone again");
    });
    drop(first);
    assert!(!taken(port), "free");
}

// --- Several threads -------------------------------------------------------------------------------

/// Of several threads that bind one address at once, one succeeds.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn one_of_several_threads_gets_the_address() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 50;
    let _watch = watch();
    for protocol in protocols_by_address() {
        let reserved = reserved(protocol);
        let address = at("127.0.0.1", port_of(&reserved));
        let barrier = Arc::new(Barrier::new(THREADS));
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                let barrier = barrier.clone();
                spawn(move || {
                    let mut won = Vec::new();
                    for _ in 0..ROUNDS {
                        let socket = fresh(protocol, &address, Default);
                        barrier.wait();
                        let answer = socket.bind(&address);
                        if answer != Ok(()) {
                            assert_eq!(answer, Err(WSAEADDRINUSE));
                        }
                        won.push(answer.is_ok());
                        barrier.wait();
                        drop(socket);
                        barrier.wait();
                    }
                    won
                })
            })
            .collect();
        let won = join_all(workers);
        for round in 0..ROUNDS {
            let winners = won.iter().filter(|won| won[round]).count();
            assert_eq!(winners, 1, "{protocol:?}, round {round}");
        }
    }
}

/// Threads that bind the wildcard and specific addresses of one port at once, and listen, all succeed.
/// Source: bind; validated on Windows for one thread.
#[test]
fn threads_share_a_port_by_address() {
    const ROUNDS: usize = 50;
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        let reserved = reserved(Tcp);
        let port = port_of(&reserved);
        let barrier = Arc::new(Barrier::new(3));
        let workers = ["0.0.0.0", "127.0.0.1", "127.0.0.2"].map(|ip| {
            let barrier = barrier.clone();
            spawn(move || {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    drop(listening(&at(ip, port), Default));
                }
            })
        });
        join_all(workers);
    });
}

// --- Any number of sockets -------------------------------------------------------------------------

/// The places of the random test, by family: `None` is an IPv6 socket that serves both.
const PLACES: [(&str, Option<Family>); 7] = [
    ("0.0.0.0", Some(Family::V4)),
    ("127.0.0.1", Some(Family::V4)),
    ("127.0.0.2", Some(Family::V4)),
    ("::", Some(Family::V6)),
    ("::1", Some(Family::V6)),
    ("::", None),
    ("::ffff:127.0.0.1", None),
];

/// What the documentation says of two sockets: the place of each by its index, and how it is shared.
fn expected(first: (usize, Sharing), second: (usize, Sharing)) -> WSA_ERROR {
    const ANY_4: usize = 0;
    const ANY_6: usize = 3;
    const DUAL: usize = 5;
    let by_table = |wildcard: fn(usize) -> bool| {
        let index = |(place, sharing): (usize, Sharing)| {
            let row = SHARINGS.iter().position(|other| *other == sharing).unwrap();
            2 * row + usize::from(!wildcard(place))
        };
        TABLE[index(first)][index(second)]
    };
    let canonical = |(place, _): (usize, Sharing)| if place == 6 { 1 } else { place };
    let (one, other) = (canonical(first), canonical(second));
    let is_4 = |place: usize| place < ANY_6;
    let exclusive = [first.1, second.1].contains(&Exclusive);
    match (one, other) {
        (DUAL, other) if is_4(other) => [OK, ACC][usize::from(first.1 == Exclusive)],
        (one, DUAL) if is_4(one) && !exclusive => OK,
        (one, other) if is_4(one) != is_4(other) && other != DUAL => OK,
        (one, other) => {
            let wildcard = |place: usize| [ANY_4, ANY_6, DUAL].contains(&place);
            let apart = !wildcard(one) && !wildcard(other) && one != other;
            if apart {
                OK
            } else {
                by_table(|place| [0, 3, 5].contains(&place))
            }
        }
    }
}

/// Any sequence of binds and closes at one port is answered as the table says of each two sockets.
/// Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE"; "Dual-Stack Sockets".
#[test]
fn random_binds_follow_the_table() {
    let _watch = watch();
    not_under_wine("binds by the rules of Linux", || {
        in_own_process(|| {
            let mut random = Random::new(seed(), 0);
            for protocol in [Tcp, Udp] {
                for _ in 0..20 {
                    random_binds(protocol, &mut random);
                }
            }
        });
    });
}

fn random_binds(protocol: Protocol, random: &mut Random) {
    let reserved = reserved(protocol);
    let port = port_of(&reserved);
    let mut sockets: Vec<(Socket, (usize, Sharing))> = Vec::new();
    for _ in 0..60 {
        if !sockets.is_empty() && random.one_in(3) {
            let which = random.below(sockets.len() as u64) as usize;
            sockets.remove(which);
            continue;
        }
        let place = random.below(PLACES.len() as u64) as usize;
        let claim = (place, SHARINGS[random.below(3) as usize]);
        let (ip, family) = PLACES[place];
        let answer = match family {
            Some(_) => bound(protocol, &at(ip, port), claim.1),
            None => bound_dual(protocol, &at(ip, port), claim.1),
        };
        // The one that reserves the port is as 127.0.0.2 is to all but its own address.
        let beside_reserved = match place {
            2 => OK,
            _ => expected((2, Default), claim),
        };
        let refused = sockets
            .iter()
            .map(|(_, first)| expected(*first, claim))
            .find(|error| *error != OK);
        let all = [Some(beside_reserved).filter(|error| *error != OK), refused];
        let wanted = all.into_iter().flatten().next();
        let so_far: Vec<_> = sockets.iter().map(|(_, claim)| claim).collect();
        match answer {
            Ok(socket) => {
                assert_eq!(wanted, None, "{protocol:?} {claim:?} beside {so_far:?}");
                if protocol == Tcp && random.one_in(2) {
                    assert_eq!(socket.listen(1), Ok(()), "{claim:?} beside {so_far:?}");
                }
                sockets.push((socket, claim));
            }
            Err(error) => {
                assert_eq!(
                    Some(error),
                    wanted,
                    "{protocol:?} {claim:?} beside {so_far:?}"
                );
            }
        }
    }
}

// --- Port 0 ----------------------------------------------------------------------------------------

/// Port 0 is a free port, chosen when the socket is bound, whatever the options say.
/// Source: bind ("the service provider assigns a unique port"); getsockname.
#[test]
fn port_zero_is_chosen_at_bind() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        for sharing in SHARINGS {
            if under_wine() && (protocol, sharing) == (Udp, Reuse) {
                continue; // it binds by the rules of Linux, which may choose a port twice then
            }
            let sockets: Vec<_> = (0..200)
                .map(|_| bound(protocol, &at("127.0.0.1", 0), sharing).unwrap())
                .collect();
            let mut ports: Vec<_> = sockets.iter().map(port_of).collect();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), sockets.len(), "{protocol:?} {sharing:?}");
            assert!(!ports.contains(&0));
        }
    }
}

/// Addresses of groups and broadcasts are nobody's own.
/// Source: bind, WSAEADDRNOTAVAIL ("not a valid address for the local computer").
#[test]
fn groups_and_broadcasts_are_no_local_addresses() {
    let _watch = watch();
    differs_under_wine("leaves it to Linux", || {
        let mut wrong = Vec::new();
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            for text in [
                "239.1.2.3:0",
                "255.255.255.255:0",
                "127.255.255.255:0",
                "[ff0e::1]:0",
            ] {
                let address = address(text);
                let family = i32::from(address.storage.ss_family);
                let socket = Socket::open(family, kind, 0).unwrap();
                let answer = socket.bind(&address);
                if answer != Err(WSAEADDRNOTAVAIL) {
                    wrong.push((kind, text, answer));
                }
            }
        }
        assert_eq!(wrong, []);
    });
}

/// A socket is bound once, whatever stands in the way of a second address.
/// Source: bind, WSAEINVAL; validated on Windows.
#[test]
fn second_bind_of_an_exclusive_listener_is_invalid() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    socket
        .set_option(SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)
        .unwrap();
    let listener = Listener::from_socket(socket, Family::V4);
    assert_eq!(listener.bind(&listener.address), Err(WSAEINVAL));
    let _pair = listener.pair();
    assert_eq!(listener.bind(&listener.address), Err(WSAEINVAL));
}

/// A scope of IPv6 is that of an interface.
/// Source: bind, WSAEADDRNOTAVAIL; validated on Windows.
#[test]
fn scope_must_exist() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        let mut wrong = Vec::new();
        for text in ["[::1]:0", "[::]:0", "[fe80::1]:0"] {
            for kind in [SOCK_STREAM, SOCK_DGRAM] {
                let mut address = address(text);
                // SAFETY: a storage has room for the address.
                unsafe {
                    (*address.as_mut_ptr().cast::<SOCKADDR_IN6>())
                        .Anonymous
                        .sin6_scope_id = 0xabacab
                };
                let answer = Socket::open(i32::from(AF_INET6), kind, 0)
                    .unwrap()
                    .bind(&address);
                if answer != Err(WSAEADDRNOTAVAIL) {
                    wrong.push((text, kind, answer));
                }
            }
        }
        assert_eq!(wrong, []);
    });
}
