//! bind: who may have an address beside whom.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// What a socket says of its address before it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Default,
    Reuse,
    Exclusive,
}

use Sharing::{Default, Exclusive, Reuse};

pub const SHARINGS: [Sharing; 3] = [Default, Reuse, Exclusive];

/// The protocols that have ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
}

use Protocol::{Tcp, Udp};

/// The protocols whose sockets a specific address tells apart: Wine binds datagram sockets to interfaces instead.
pub fn protocols_by_address() -> Vec<Protocol> {
    match under_wine() {
        true => vec![Tcp],
        false => vec![Tcp, Udp],
    }
}

pub fn at(ip: &str, port: u16) -> Address {
    let ip: IpAddr = ip.parse().expect("an address");
    SocketAddr::from((ip, port)).into()
}

pub fn bound_port(socket: &Socket) -> u16 {
    socket.local_address().expect("getsockname").port()
}

/// A port that no other test has, nor any connection: it is none of those that systems choose by themselves.
pub fn quiet_port() -> u16 {
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
pub fn reserved(protocol: Protocol) -> Socket {
    bound(protocol, &at("127.0.0.9", quiet_port()), Default).expect("a quiet port")
}

pub fn fresh(protocol: Protocol, address: &Address, sharing: Sharing) -> Socket {
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
pub fn bound(protocol: Protocol, address: &Address, sharing: Sharing) -> Result<Socket, WSA_ERROR> {
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
pub fn listening(address: &Address, sharing: Sharing) -> Socket {
    let socket = bound(Tcp, address, sharing).expect("bind");
    assert_eq!(socket.listen(BACKLOG_MAX), Ok(()));
    socket
}

pub fn client_of(address: &Address) -> Socket {
    let client = Socket::open(address.storage.ss_family.into(), SOCK_STREAM, 0).expect("a socket");
    assert_eq!(client.connect(address), Ok(()));
    client
}

/// How many connections wait in the backlog; they are taken and closed.
pub fn drain(listener: &Socket) -> usize {
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
        &address(second, bound_port(&one)),
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
                let other = bound(protocol, &at("127.0.0.2", bound_port(&one)), second);
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
    let address = at("127.0.0.1", bound_port(&first));
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
            let v4 = bound(protocol, &at("0.0.0.0", bound_port(&dual)), Default);
            assert_eq!(v4.err(), None, "{protocol:?}");
            let v4 = bound(protocol, &at("0.0.0.0", quiet_port()), Default).unwrap();
            let dual = bound_dual(protocol, &at("::", bound_port(&v4)), Default);
            assert_eq!(dual.err(), None, "{protocol:?}");
        }
        let dual = bound_dual(Tcp, &at("::", quiet_port()), Default).unwrap();
        let port = bound_port(&dual);
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
            let port = bound_port(&dual);
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
                let v4 = bound(protocol, &at("0.0.0.0", bound_port(&v6)), Exclusive);
                assert_eq!(v4.err(), None, "{protocol:?}");
            }
            let v4 = bound(protocol, &at("127.0.0.1", quiet_port()), Default).unwrap();
            let dual = bound_dual(protocol, &at("::", bound_port(&v4)), Exclusive);
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
                let v4 = bound(protocol, &at("0.0.0.0", bound_port(&v6)), second);
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
            let v6 = bound_dual(protocol, &at(mapped, bound_port(&v4)), Default);
            assert_eq!(v6.err(), Some(WSAEADDRINUSE), "{protocol:?} {mapped}");
            let v6 = bound_dual(protocol, &at(mapped, quiet_port()), Default).unwrap();
            let v4 = bound(protocol, &at(plain, bound_port(&v6)), Default);
            assert_eq!(v4.err(), Some(WSAEADDRINUSE), "{protocol:?} {mapped}");
        }
    }
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
    let port = bound_port(&reserved);
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
