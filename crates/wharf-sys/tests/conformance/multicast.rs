//! Multicast: joining groups, by every structure there is, and what arrives then.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 18, 7);
const OTHER_GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 18, 8);
pub const GROUP_6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x7761, 0x7266);
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The index of the loopback interface.
pub const LOOPBACK_INDEX: u32 = 1;

/// A datagram socket bound to the wildcard and a port of its own.
pub fn receiver() -> Socket {
    let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    assert_eq!(socket.bind(&Family::V4.any(0)), Ok(()));
    socket
}

fn port_of(socket: &Socket) -> u16 {
    socket.local_address().expect("getsockname").port()
}

/// A datagram socket that sends to a group through the loopback interface.
pub fn sender(group: Ipv4Addr, port: u16) -> Socket {
    let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    set(&socket, IP_MULTICAST_IF, &LOOPBACK.octets()).unwrap();
    assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
    let to = SocketAddr::from((group, port)).into();
    assert_eq!(socket.connect(&to), Ok(()));
    socket
}

fn set(socket: &Socket, option: i32, value: &[u8]) -> Result<(), WSA_ERROR> {
    socket.set_option_bytes(IPPROTO_IP, option, value)
}

/// An ip_mreq.
pub fn mreq(group: Ipv4Addr, interface: Ipv4Addr) -> Vec<u8> {
    [group.octets(), interface.octets()].concat()
}

/// An ip_mreq_source: in Windows' order the source stands before the interface.
fn mreq_source(group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> Vec<u8> {
    [group.octets(), source.octets(), interface.octets()].concat()
}

/// A GROUP_REQ, or with a source a GROUP_SOURCE_REQ.
pub fn group_req(index: u32, group: SocketAddr, source: Option<SocketAddr>) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<GROUP_REQ>()];
    bytes[..4].copy_from_slice(&index.to_ne_bytes());
    write_address(&mut bytes[8..], group);
    if let Some(source) = source {
        let at = bytes.len();
        bytes.resize(size_of::<GROUP_SOURCE_REQ>(), 0);
        write_address(&mut bytes[at..], source);
    }
    bytes
}

pub fn write_address(out: &mut [u8], address: SocketAddr) {
    let family = match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    };
    out[..2].copy_from_slice(&family.to_ne_bytes());
    match address {
        SocketAddr::V4(v4) => out[4..8].copy_from_slice(&v4.ip().octets()),
        SocketAddr::V6(v6) => out[8..24].copy_from_slice(&v6.ip().octets()),
    }
}

fn v4(ip: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((ip, 0))
}

/// Asserts that of "before", which went to the group, nothing is there, but "after", which went to the socket itself.
pub fn assert_got_only(socket: &Socket, expected: &[u8]) {
    assert_eq!(socket.recv_some(20).as_deref(), Ok(expected));
}

/// Sends straight to the socket: what comes before it must have been there already.
fn send_directly(port: u16, data: &[u8]) {
    let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    assert_eq!(socket.connect(&Family::V4.loopback(port)), Ok(()));
    socket.send_all(data);
}

// --- Joining and leaving ---------------------------------------------------------------------------

/// A member receives what is sent to the group, whichever way it joined; not before, and not after leaving.
/// Source: "Multicast Programming"; IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP.
#[test]
fn member_receives() {
    let _watch = watch();
    let by_index = Ipv4Addr::from(LOOPBACK_INDEX);
    let ways = [
        (IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, mreq(GROUP, LOOPBACK)),
        (IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, mreq(GROUP, by_index)),
        (
            MCAST_JOIN_GROUP as i32,
            MCAST_LEAVE_GROUP as i32,
            group_req(LOOPBACK_INDEX, v4(GROUP), None),
        ),
        (
            IP_ADD_SOURCE_MEMBERSHIP,
            IP_DROP_SOURCE_MEMBERSHIP,
            mreq_source(GROUP, LOOPBACK, LOOPBACK),
        ),
        (
            IP_ADD_SOURCE_MEMBERSHIP,
            IP_DROP_SOURCE_MEMBERSHIP,
            mreq_source(GROUP, LOOPBACK, by_index),
        ),
        (
            MCAST_JOIN_SOURCE_GROUP as i32,
            MCAST_LEAVE_SOURCE_GROUP as i32,
            group_req(LOOPBACK_INDEX, v4(GROUP), Some(v4(LOOPBACK))),
        ),
    ];
    for (join, leave, request) in ways {
        run_where_the_way_exists(join, &request, move |request| {
            let socket = receiver();
            let port = port_of(&socket);
            let sender = sender(GROUP, port);
            sender.send_all(b"early");
            assert_eq!(set(&socket, join, request), Ok(()), "{join}");
            sender.send_all(b"group");
            assert_got_only(&socket, b"group");
            assert_eq!(set(&socket, leave, request), Ok(()), "{leave}");
            sender.send_all(b"late");
            send_directly(port, b"direct");
            assert_got_only(&socket, b"direct");
        });
    }
}

/// Wine has no way by the index of an interface, nor by GROUP_REQ.
fn run_where_the_way_exists(join: i32, request: &[u8], body: impl FnOnce(&[u8]) + Send + 'static) {
    let request = request.to_vec();
    let by_address = [IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP].contains(&join)
        && request.ends_with(&LOOPBACK.octets());
    match by_address {
        true => body(&request),
        false => not_under_wine("has no such way", || body(&request)),
    }
}

/// Only members receive: a socket bound to the same port that joined nothing, or another group, does not.
/// Source: "Multicast Programming".
#[test]
fn others_do_not_receive() {
    let _watch = watch();
    not_under_wine("receives for all members of the machine", || {
        let member = receiver();
        let port = port_of(&member);
        assert_eq!(
            set(&member, IP_ADD_MEMBERSHIP, &mreq(GROUP, LOOPBACK)),
            Ok(())
        );
        let other = receiver();
        let other_port = port_of(&other);
        assert_eq!(
            set(&other, IP_ADD_MEMBERSHIP, &mreq(OTHER_GROUP, LOOPBACK)),
            Ok(())
        );
        sender(GROUP, other_port).send_all(b"not for it");
        send_directly(other_port, b"direct");
        assert_got_only(&other, b"direct");
        sender(GROUP, port).send_all(b"group");
        assert_got_only(&member, b"group");
    });
}

/// Sockets that share a port by SO_REUSEADDR and are members all receive.
/// Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE", on multicast sockets.
#[test]
fn every_member_of_a_shared_port_receives() {
    let _watch = watch();
    let mut port = 0;
    let members: Vec<_> = (0..3)
        .map(|_| {
            let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
            assert_eq!(socket.set_option(SOL_SOCKET, SO_REUSEADDR, 1), Ok(()));
            assert_eq!(socket.bind(&Family::V4.any(port)), Ok(()));
            port = port_of(&socket);
            let join = set(&socket, IP_ADD_MEMBERSHIP, &mreq(GROUP, LOOPBACK));
            assert_eq!(join, Ok(()));
            socket
        })
        .collect();
    sender(GROUP, port).send_all(b"to all");
    for member in &members {
        assert_got_only(member, b"to all");
    }
}

/// A blocked source is not heard until it is unblocked.
/// Source: IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE, MCAST_BLOCK_SOURCE, MCAST_UNBLOCK_SOURCE.
#[test]
fn blocked_source_is_not_heard() {
    let _watch = watch();
    not_under_wine("has another order of the fields", || {
        for (block, unblock, request) in [
            (
                IP_BLOCK_SOURCE,
                IP_UNBLOCK_SOURCE,
                mreq_source(GROUP, LOOPBACK, LOOPBACK),
            ),
            (
                MCAST_BLOCK_SOURCE as i32,
                MCAST_UNBLOCK_SOURCE as i32,
                group_req(LOOPBACK_INDEX, v4(GROUP), Some(v4(LOOPBACK))),
            ),
        ] {
            let socket = receiver();
            let port = port_of(&socket);
            let join = set(&socket, IP_ADD_MEMBERSHIP, &mreq(GROUP, LOOPBACK));
            assert_eq!(join, Ok(()));
            let sender = sender(GROUP, port);
            assert_eq!(set(&socket, block, &request), Ok(()));
            sender.send_all(b"blocked");
            send_directly(port, b"direct");
            assert_got_only(&socket, b"direct");
            assert_eq!(set(&socket, unblock, &request), Ok(()));
            sender.send_all(b"heard");
            assert_got_only(&socket, b"heard");
        }
    });
}

/// A member of a source's group hears that source alone: the order of the fields is Windows'.
/// Source: ip_mreq_source.
#[test]
fn only_the_named_source_is_heard() {
    let _watch = watch();
    let elsewhere = Ipv4Addr::new(127, 0, 0, 99);
    differs_under_wine("hears the others too", move || {
        let socket = receiver();
        let port = port_of(&socket);
        let request = mreq_source(GROUP, elsewhere, LOOPBACK);
        assert_eq!(set(&socket, IP_ADD_SOURCE_MEMBERSHIP, &request), Ok(()));
        sender(GROUP, port).send_all(b"wrong source");
        send_directly(port, b"direct");
        assert_got_only(&socket, b"direct");
    });
}

// --- Errors ----------------------------------------------------------------------------------------

/// Joining what is no group, joining twice, leaving what was not joined, an interface that does not exist.
/// Source: IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP, WSAEINVAL and WSAEADDRNOTAVAIL.
#[test]
fn wrong_memberships_are_refused() {
    let _watch = watch();
    let (join, leave) = (IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP);
    let socket = receiver();
    let request = mreq(GROUP, LOOPBACK);
    let no_group = mreq(Ipv4Addr::new(10, 1, 2, 3), LOOPBACK);
    assert_eq!(set(&socket, join, &no_group), Err(WSAEINVAL));
    for nowhere in [Ipv4Addr::new(203, 0, 113, 9), Ipv4Addr::new(0, 0, 77, 77)] {
        let nowhere = mreq(GROUP, nowhere);
        not_under_wine("does not know indices", || {
            assert_eq!(set(&socket, join, &nowhere), Err(WSAEADDRNOTAVAIL));
        });
    }
    assert_eq!(set(&socket, join, &request), Ok(()));
    differs_under_wine("answers WSAEADDRINUSE, then WSAEINVAL", move || {
        assert_eq!(set(&socket, join, &request), Err(WSAEINVAL));
        assert_eq!(set(&socket, leave, &request), Ok(()));
        assert_eq!(set(&socket, leave, &request), Err(WSAEADDRNOTAVAIL));
    });
}

/// A short structure and a null pointer are WSAEFAULT, whatever the structure; memberships cannot be read.
/// Source: setsockopt, WSAEFAULT; getsockopt, WSAENOPROTOOPT, validated on Windows.
#[test]
fn lengths_of_memberships() {
    let _watch = watch();
    differs_under_wine("answers otherwise", || {
        let socket = receiver();
        let six = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
        for (socket, level, option, size) in [
            (&socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, 8),
            (&socket, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, 12),
            (&socket, IPPROTO_IP, IP_BLOCK_SOURCE, 12),
            (&socket, IPPROTO_IP, MCAST_JOIN_GROUP as i32, 136),
            (&socket, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP as i32, 264),
            (&six, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, 20),
            (&six, IPPROTO_IPV6, MCAST_JOIN_GROUP as i32, 136),
            (&six, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP as i32, 264),
        ] {
            let short = socket.set_option_bytes(level, option, &vec![0; size - 1]);
            assert_eq!(short, Err(WSAEFAULT), "{level} {option}");
            // SAFETY: a null pointer is what is tested.
            let null =
                unsafe { setsockopt(socket.0, level, option, std::ptr::null(), size as i32) };
            assert_eq!(check(null), Err(WSAEFAULT), "{level} {option}");
            let zeros = socket.set_option_bytes(level, option, &vec![0; size]);
            assert_eq!(zeros, Err(WSAEINVAL), "{level} {option}");
            let read = socket.option_bytes(level, option, &mut vec![0; size]);
            assert_eq!(read, Err(WSAENOPROTOOPT), "{level} {option}");
        }
    });
}

/// A stream has no groups.
/// Source: IP_ADD_MEMBERSHIP ("only … on datagram and raw sockets").
#[test]
fn streams_join_nothing() {
    let _watch = watch();
    let stream = Socket::tcp(Family::V4);
    assert!(set(&stream, IP_ADD_MEMBERSHIP, &mreq(GROUP, LOOPBACK)).is_err());
}

// --- Sending ---------------------------------------------------------------------------------------

/// The interface for sending is an address or an index, both in network order; one that does not exist is refused.
/// Source: IP_MULTICAST_IF.
#[test]
fn interface_for_sending() {
    let _watch = watch();
    let socket = receiver();
    let port = port_of(&socket);
    assert_eq!(
        set(&socket, IP_ADD_MEMBERSHIP, &mreq(GROUP, LOOPBACK)),
        Ok(())
    );
    not_under_wine("does not know indices", || {
        let sender = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        for nowhere in [[203, 0, 113, 9], [0, 0, 77, 77]] {
            assert_eq!(
                set(&sender, IP_MULTICAST_IF, &nowhere),
                Err(WSAEADDRNOTAVAIL)
            );
        }
        let index = LOOPBACK_INDEX.to_be() as i32;
        let set = sender.set_option(IPPROTO_IP, IP_MULTICAST_IF, index);
        assert_eq!(set, Ok(()));
        assert_eq!(sender.option(IPPROTO_IP, IP_MULTICAST_IF), Ok(index));
        assert_eq!(sender.bind(&Family::V4.loopback(0)), Ok(()));
        let to = SocketAddr::from((GROUP, port)).into();
        assert_eq!(sender.connect(&to), Ok(()));
        sender.send_all(b"by index");
        assert_got_only(&socket, b"by index");
    });
}

// --- IPv6 ------------------------------------------------------------------------------------------

/// An ipv6_mreq.
fn mreq_6(group: Ipv6Addr, index: u32) -> Vec<u8> {
    [&group.octets()[..], &index.to_ne_bytes()].concat()
}

/// Joining and leaving a group of IPv6, by index, with every structure; the errors are those of IPv4.
/// Source: IPV6_ADD_MEMBERSHIP and IPV6_DROP_MEMBERSHIP; MCAST_JOIN_GROUP and relatives.
#[test]
fn memberships_of_ipv6() {
    let _watch = watch();
    not_under_wine("knows one way only", || {
        let group = SocketAddr::from((GROUP_6, 0));
        let source = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        for (join, leave, request) in [
            (
                IPV6_ADD_MEMBERSHIP,
                IPV6_DROP_MEMBERSHIP,
                mreq_6(GROUP_6, LOOPBACK_INDEX),
            ),
            (
                MCAST_JOIN_GROUP as i32,
                MCAST_LEAVE_GROUP as i32,
                group_req(LOOPBACK_INDEX, group, None),
            ),
            (
                MCAST_JOIN_SOURCE_GROUP as i32,
                MCAST_LEAVE_SOURCE_GROUP as i32,
                group_req(LOOPBACK_INDEX, group, Some(source)),
            ),
        ] {
            let socket = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
            let set = |option| socket.set_option_bytes(IPPROTO_IPV6, option, &request);
            assert_eq!(set(leave), Err(WSAEADDRNOTAVAIL), "{leave}");
            assert_eq!(set(join), Ok(()), "{join}");
            assert_eq!(set(leave), Ok(()), "{leave}");
            assert_eq!(set(leave), Err(WSAEADDRNOTAVAIL), "{leave}");
        }
        let socket = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
        let join =
            |request: &[u8]| socket.set_option_bytes(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, request);
        assert_eq!(
            join(&mreq_6(Ipv6Addr::LOCALHOST, LOOPBACK_INDEX)),
            Err(WSAEINVAL)
        );
        assert_eq!(join(&mreq_6(GROUP_6, 7777)), Err(WSAEADDRNOTAVAIL));
        assert_eq!(join(&mreq_6(GROUP_6, LOOPBACK_INDEX)), Ok(()));
        assert_eq!(join(&mreq_6(GROUP_6, LOOPBACK_INDEX)), Err(WSAEINVAL));
    });
}

/// A member receives what is sent to a group of IPv6, on whichever interface can send there.
/// Source: IPV6_ADD_MEMBERSHIP; IPV6_MULTICAST_IF (an index in host order).
#[test]
fn member_of_ipv6_receives() {
    let _watch = watch();
    not_under_wine("numbers interfaces otherwise", || {
        let mut received = 0;
        for index in 1..10 {
            let sender = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
            let chosen = sender.set_option(IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
            if chosen != Ok(()) {
                assert_eq!(chosen, Err(WSAEADDRNOTAVAIL), "interface {index}");
                continue;
            }
            let socket = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
            assert_eq!(socket.bind(&Family::V6.any(0)), Ok(()));
            let request = mreq_6(GROUP_6, index as u32);
            let joined = socket.set_option_bytes(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request);
            let to = SocketAddr::from((GROUP_6, port_of(&socket))).into();
            if joined != Ok(()) || sender.connect(&to) != Ok(()) {
                continue; // there is no route for groups: so it is with a loopback interface
            }
            if sender.send(b"group") == Ok(5) {
                assert_eq!(socket.recv_some(20), Ok(b"group".to_vec()));
                received += 1;
            }
        }
        println!("received on {received} interfaces");
    });
}

/// Why Wine cannot judge the tests of WSAJoinLeaf.
const STUB: &str = "has the function only by name";

/// A datagram socket with these flags.
fn made_with(family: Family, flags: u32) -> Socket {
    startup();
    let overlapped = flags | WSA_FLAG_OVERLAPPED;
    // SAFETY: no description.
    let socket = unsafe {
        WSASocketW(
            family.number(),
            SOCK_DGRAM,
            0,
            std::ptr::null(),
            0,
            overlapped,
        )
    };
    assert_ne!(socket, INVALID_SOCKET, "error {}", wsa_error());
    Socket::from_raw(Raw(socket))
}

/// WSAJoinLeaf without data, for an address of which `len` bytes are told.
fn join_leaf(socket: &Socket, to: &Address, flags: u32) -> Result<SOCKET, WSA_ERROR> {
    use std::ptr::{null, null_mut};
    // SAFETY: the address is valid for its length; nulls are allowed.
    let joined = unsafe {
        WSAJoinLeaf(
            socket.0,
            to.as_ptr(),
            to.len,
            null(),
            null_mut(),
            null(),
            null(),
            flags,
        )
    };
    match joined {
        INVALID_SOCKET => Err(wsa_error()),
        joined => Ok(joined),
    }
}

const LEAF: u32 = WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF;

/// A leaf joins a group, which is its session: it is the same socket, bound if it was not. A leaf that only sends is no
/// member.
/// Source: WSAJoinLeaf; "Multipoint and Multicast Semantics".
#[test]
fn leaf_joins_a_group() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        for (flags, receives) in [
            (JL_BOTH, true),
            (JL_RECEIVER_ONLY, true),
            (JL_SENDER_ONLY, false),
        ] {
            let leaf = made_with(Family::V4, LEAF);
            assert_eq!(leaf.bind(&Family::V4.loopback(0)), Ok(())); // which names the interface
            let port = port_of(&leaf);
            let group = SocketAddr::from((GROUP, port)).into();
            assert_eq!(join_leaf(&leaf, &group, flags), Ok(leaf.0));
            assert_eq!(wsa_error(), 0);
            let again = join_leaf(&leaf, &group, flags);
            assert_eq!(
                again,
                if receives {
                    Err(WSAEISCONN)
                } else {
                    Ok(leaf.0)
                }
            );
            let other = SocketAddr::from((OTHER_GROUP, port)).into();
            assert_eq!(join_leaf(&leaf, &other, flags), Ok(leaf.0));
            let leave = set(&leaf, IP_DROP_MEMBERSHIP, &mreq(GROUP, LOOPBACK));
            let expected = if receives {
                Ok(())
            } else {
                Err(WSAEADDRNOTAVAIL)
            };
            assert_eq!(leave, expected);
        }
        let leaf = made_with(Family::V4, WSA_FLAG_MULTIPOINT_D_LEAF);
        let group = SocketAddr::from((GROUP, 0)).into();
        assert_eq!(join_leaf(&leaf, &group, JL_SENDER_ONLY), Ok(leaf.0));
        assert_ne!(port_of(&leaf), 0);
        let leaf = made_with(Family::V6, WSA_FLAG_MULTIPOINT_C_LEAF);
        let group = SocketAddr::from((GROUP_6, 0)).into();
        assert_eq!(join_leaf(&leaf, &group, JL_SENDER_ONLY), Ok(leaf.0));
    });
}

/// What goes to the group arrives; the leaf is a member on the interface that leads there.
/// Source: WSAJoinLeaf, JL_RECEIVER_ONLY.
#[test]
fn leaf_hears_its_group() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let leaf = made_with(Family::V4, LEAF);
        assert_eq!(leaf.bind(&Family::V4.any(0)), Ok(()));
        let group = SocketAddr::from((GROUP, port_of(&leaf))).into();
        match join_leaf(&leaf, &group, JL_RECEIVER_ONLY) {
            Err(WSAEADDRNOTAVAIL) => return println!("no network: no interface leads there"),
            joined => assert_eq!(joined, Ok(leaf.0)),
        }
        let sender = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        assert_eq!(sender.connect(&group), Ok(()));
        sender.send_all(b"session");
        assert_got_only(&leaf, b"session");
    });
}

/// The join is announced as a connection is.
/// Source: WSAJoinLeaf, return value ("an FD_CONNECT indication will be given on the original socket").
#[test]
fn join_is_a_network_event() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let leaf = made_with(Family::V4, LEAF);
        let event = Event::manual();
        // SAFETY: handles are looked up.
        let selected =
            check(unsafe { WSAEventSelect(leaf.0, event.raw() as WSAEVENT, FD_CONNECT as i32) });
        assert_eq!(selected, Ok(()));
        assert!(!event.wait(0));
        let group = SocketAddr::from((GROUP, 0)).into();
        assert_eq!(join_leaf(&leaf, &group, JL_SENDER_ONLY), Ok(leaf.0));
        assert!(event.wait(DEADLINE_MS));
        let mut events = WSANETWORKEVENTS::default();
        // SAFETY: the structure is valid for writes.
        let told = check(unsafe { WSAEnumNetworkEvents(leaf.0, null_event(), &mut events) });
        assert_eq!(told, Ok(()));
        assert_eq!(events.lNetworkEvents, FD_CONNECT as i32);
        assert_eq!(events.iErrorCode[FD_CONNECT_BIT as usize], 0);
    });
}

fn null_event() -> WSAEVENT {
    std::ptr::null_mut::<std::ffi::c_void>() as WSAEVENT
}

/// Joining needs a leaf, a group and a sense.
/// Source: WSAJoinLeaf, error codes.
#[test]
fn what_is_no_leaf_joins_nothing() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let leaf = made_with(Family::V4, LEAF);
        let group = Address::from(SocketAddr::from((GROUP, 9)));
        let join = |to: &Address, flags| join_leaf(&leaf, to, flags);
        assert_eq!(join(&group.with_len(15), JL_BOTH), Err(WSAEFAULT));
        let v6 = SocketAddr::from((GROUP_6, 9)).into();
        assert_eq!(join(&v6, JL_BOTH), Err(WSAEAFNOSUPPORT));
        for no_group in [Family::V4.any(9), Family::V4.loopback(9)] {
            assert_eq!(join(&no_group, JL_BOTH), Err(WSAEADDRNOTAVAIL));
        }
        for flags in [0, JL_SENDER_ONLY | JL_RECEIVER_ONLY, 8] {
            assert_eq!(join(&group, flags), Err(WSAEINVAL));
        }
        for flags in [0, WSA_FLAG_MULTIPOINT_C_ROOT] {
            let no_leaf = made_with(Family::V4, flags);
            assert_eq!(join_leaf(&no_leaf, &group, JL_BOTH), Err(WSAEINVAL));
        }
        let stream = Socket::tcp(Family::V4);
        assert_eq!(join_leaf(&stream, &group, JL_BOTH), Err(WSAEINVAL));
        let quality = QOS::default();
        let mut text = *b"data";
        let data = WSABUF {
            len: 4,
            buf: text.as_mut_ptr(),
        };
        let with = |data: *const WSABUF, quality: *const QOS| {
            // SAFETY: the address is valid for its length, the rest null or valid.
            let joined = unsafe {
                let (callee, group_quality) = (std::ptr::null_mut(), std::ptr::null());
                let to = group.as_ptr();
                WSAJoinLeaf(
                    leaf.0,
                    to,
                    group.len,
                    data,
                    callee,
                    quality,
                    group_quality,
                    JL_BOTH,
                )
            };
            (joined, wsa_error())
        };
        let refused = |error| (INVALID_SOCKET, error);
        assert_eq!(with(&data, std::ptr::null()), refused(WSAEPROTONOSUPPORT));
        assert_eq!(with(std::ptr::null(), &quality), refused(WSAEOPNOTSUPP));
    });
}

/// There are no templates of qualities of service: the list is empty, and no name is known.
/// Source: WSAGetQOSByName.
#[test]
fn there_are_no_templates_of_quality() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let socket = receiver();
        let ask = |socket: SOCKET, name: &mut [u8], quality: *mut QOS| {
            let buffer = WSABUF {
                len: name.len() as u32,
                buf: name.as_mut_ptr(),
            };
            // SAFETY: null or valid.
            let answer = unsafe { WSAGetQOSByName(socket, &buffer, quality) };
            if answer == FALSE {
                Err(wsa_error())
            } else {
                Ok(())
            }
        };
        let mut quality = QOS::default();
        let mut list = [0, b'x'];
        assert_eq!(ask(socket.0, &mut list, std::ptr::null_mut()), Ok(()));
        assert_eq!(list[0], 0, "the list is empty");
        assert_eq!(
            ask(socket.0, &mut b"G711\0".to_owned(), &mut quality),
            Err(WSAEINVAL)
        );
        assert_eq!(
            ask(socket.0, &mut b"G711\0".to_owned(), std::ptr::null_mut()),
            Err(WSAEFAULT)
        );
        assert_eq!(
            ask(INVALID_SOCKET, &mut list, &mut quality),
            Err(WSAENOTSOCK)
        );
        // SAFETY: nulls are allowed here.
        let nameless = unsafe { WSAGetQOSByName(socket.0, std::ptr::null(), &mut quality) };
        assert_eq!((nameless, wsa_error()), (FALSE, WSAEFAULT));
    });
}
