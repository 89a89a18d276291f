//! What the kernel is told of options: when they are set, and again for another descriptor.

use super::*;

/// Source: SO_SNDBUF: 0 turns buffering off, which Linux cannot.
#[test]
fn a_buffer_of_zero_keeps_the_minimum_of_linux() {
    let mut socket = stream();
    for (name, linux) in [(SO_SNDBUF, libc::SO_SNDBUF), (SO_RCVBUF, libc::SO_RCVBUF)] {
        socket.set(SOL_SOCKET, name, 0).unwrap();
        assert_eq!(socket.get(SOL_SOCKET, name), Ok(0));
        assert!(socket.kernel(libc::SOL_SOCKET, linux) > 0);
    }
}

#[test]
fn the_kernel_is_told_what_it_has_to_do() {
    let mut socket = stream();
    for (level, name) in [(IPPROTO_TCP, TCP_NODELAY), (SOL_SOCKET, SO_OOBINLINE)] {
        socket.set(level, name, 1).unwrap();
    }
    socket.set(SOL_SOCKET, SO_RCVBUF, 8192).unwrap();
    assert_eq!(socket.kernel(libc::IPPROTO_TCP, libc::TCP_NODELAY), 1);
    assert_eq!(socket.kernel(libc::SOL_SOCKET, libc::SO_OOBINLINE), 1);
    assert_eq!(socket.kernel(libc::SOL_SOCKET, libc::SO_RCVBUF), 2 * 8192);
    socket.set(SOL_SOCKET, SO_LINGER, 0x0007_0001).unwrap();
    assert_eq!(socket.options.linger(), Some(Duration::from_secs(7)));
}

/// Source: SO_KEEPALIVE: two hours, one second, ten probes; TCP_KEEPIDLE and its relatives.
#[test]
fn keep_alive_times_are_told_with_the_switch() {
    let mut socket = stream();
    socket.set(IPPROTO_TCP, TCP_KEEPIDLE, 60).unwrap();
    assert_eq!(socket.keep_alive()[0], 0);
    socket.set(SOL_SOCKET, SO_KEEPALIVE, 1).unwrap();
    assert_eq!(socket.keep_alive(), [1, 60, 1, 10]);
    socket.set(IPPROTO_TCP, TCP_KEEPCNT, 255).unwrap();
    assert_eq!(socket.keep_alive(), [1, 60, 1, 127]);
    assert_eq!(
        socket.set(IPPROTO_TCP, TCP_KEEPCNT, 256),
        Err(Status::INVALID)
    );
    assert_eq!(socket.get(IPPROTO_TCP, TCP_KEEPCNT), Ok(255));
}

/// Source: SIO_KEEPALIVE_VALS, in milliseconds; 0 keeps the default.
#[test]
fn keep_alive_values_round_up_to_seconds() {
    let mut socket = stream();
    let mut values = |words: [u32; 3]| {
        let bytes = words.map(u32::to_le_bytes).concat();
        keepalive_values(&socket.target, &mut socket.options, &bytes).unwrap();
        socket.keep_alive()
    };
    assert_eq!(values([1, 1500, 20]), [1, 2, 1, 10]);
    assert_eq!(values([1, 0, 3000]), [1, 7200, 3, 10]);
    assert_eq!(values([0, 0, 0])[0], 0);
    assert_eq!(socket.get(SOL_SOCKET, SO_KEEPALIVE), Ok(0));
    let short = keepalive_values(&socket.target, &mut socket.options, &[1; 11]);
    assert_eq!(short, Err(Status::FAULT));
    let mut datagram = Fixture::new(Family::V4, Kind::Datagram);
    let refused = keepalive_values(&datagram.target, &mut datagram.options, &[1; 12]);
    assert_eq!(refused, Err(Status::NO_PROTOCOL_OPTION));
}

/// Source: accept: "the newly created socket is the same as the socket s", with what was observed.
#[test]
fn an_accepted_socket_inherits_and_a_replaced_descriptor_is_told_again() {
    let mut listener = stream();
    for (level, name, value) in [
        (SOL_SOCKET, SO_KEEPALIVE, 1),
        (SOL_SOCKET, SO_LINGER, 0x0007_0001),
        (SOL_SOCKET, SO_RCVBUF, 8192),
        (SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1),
        (IPPROTO_TCP, TCP_NODELAY, 1),
    ] {
        listener.set(level, name, value).unwrap();
    }
    let mut accepted = stream();
    accepted.options.inherit(&listener.options);
    assert_eq!(accepted.get(SOL_SOCKET, SO_LINGER), Ok(0x0007_0001));
    assert_eq!(accepted.get(SOL_SOCKET, SO_CONDITIONAL_ACCEPT), Ok(0));

    accepted
        .options
        .apply_over(&Options::default(), accepted.target.fd, Family::V4)
        .unwrap();
    assert_eq!(accepted.kernel(libc::SOL_SOCKET, libc::SO_RCVBUF), 2 * 8192);
    assert_eq!(accepted.kernel(libc::IPPROTO_TCP, libc::TCP_NODELAY), 1);
    assert_eq!(accepted.keep_alive(), [1, 7200, 1, 10]);

    let fresh = Options::default();
    fresh
        .apply_over(&accepted.options, accepted.target.fd, Family::V4)
        .unwrap();
    assert_eq!(
        accepted.kernel(libc::SOL_SOCKET, libc::SO_RCVBUF),
        2 * 65536
    );
    assert_eq!(accepted.kernel(libc::IPPROTO_TCP, libc::TCP_NODELAY), 0);
    assert_eq!(accepted.keep_alive()[0], 0);
}

/// Whatever a program can set on a stream socket, a fresh descriptor that takes the place of the old one has it too.
/// Source: DisconnectEx, TF_REUSE_SOCKET: the socket is the same.
#[test]
fn a_fresh_descriptor_is_told_of_every_option() {
    for family in [V4, V6] {
        let settable = table::OPTIONS.iter().filter(|row| {
            let mut socket = Fixture::new(family, Kind::Stream);
            let is_set = set_anew(&mut socket, row);
            if is_set {
                let fresh = Fixture::new(family, Kind::Stream);
                socket.options.apply_to_fresh(fresh.target.fd, family);
                let same = kernel_options(&socket) == kernel_options(&fresh);
                assert!(same, "level {:#x}, option {:#x}", row.level, row.name);
            }
            is_set
        });
        assert!(settable.count() >= 30);
    }
}

/// Sets an option to what it does not have on a fresh socket; whether there is such a value.
fn set_anew(socket: &mut Fixture, row: &Row) -> bool {
    let before = socket.get(row.level, row.name);
    let candidates = [1, 2, 0, 100, 1 << 24, 0x0101_0101];
    candidates.iter().any(|value| {
        let set = socket.set(row.level, row.name, *value) == Ok(SetEffect::None);
        set && socket.get(row.level, row.name) != before
    })
}

/// All that the kernel tells of a descriptor.
fn kernel_options(socket: &Fixture) -> Vec<(i32, i32, Vec<u8>)> {
    const OF_THE_DESCRIPTOR: [(i32, i32); 5] = [
        (libc::SOL_SOCKET, libc::SO_COOKIE),
        (libc::SOL_SOCKET, libc::SO_INCOMING_CPU),
        (libc::IPPROTO_TCP, libc::TCP_INFO),
        (libc::IPPROTO_TCP, libc::TCP_CC_INFO),
        (libc::IPPROTO_TCP, libc::TCP_TIMESTAMP),
    ];
    let levels = [
        libc::SOL_SOCKET,
        libc::IPPROTO_IP,
        libc::IPPROTO_TCP,
        libc::IPPROTO_IPV6,
    ];
    let names = levels
        .into_iter()
        .flat_map(|level| (0..100).map(move |name| (level, name)))
        .filter(|option| !OF_THE_DESCRIPTOR.contains(option));
    let read = |(level, name)| {
        let mut value = vec![0u8; 256];
        let mut len = value.len() as u32;
        let out = value.as_mut_ptr().cast();
        // SAFETY: the kernel writes at most `len` bytes, which `value` has.
        let result = unsafe { libc::getsockopt(socket.target.fd, level, name, out, &raw mut len) };
        value.truncate(len as usize);
        (result == 0).then_some((level, name, value))
    };
    names.filter_map(read).collect()
}

fn datagram(family: Family) -> Fixture {
    Fixture::new(family, Kind::Datagram)
}

/// Source: "IPPROTO_IP Socket Options", "IPPROTO_IPV6 Socket Options", "IPPROTO_UDP socket options".
#[test]
fn the_kernel_is_told_of_ip_and_udp() {
    let ip = |name| (libc::IPPROTO_IP, name);
    let ipv6 = |name| (libc::IPPROTO_IPV6, name);
    for (family, level, name, value, (kernel_level, kernel_name), told) in [
        (V4, IPPROTO_IP, IP_TTL, 9, ip(libc::IP_TTL), 9),
        (
            V4,
            IPPROTO_IP,
            IP_MULTICAST_TTL,
            9,
            ip(libc::IP_MULTICAST_TTL),
            9,
        ),
        (
            V4,
            IPPROTO_IP,
            IP_MULTICAST_LOOP,
            0,
            ip(libc::IP_MULTICAST_LOOP),
            0,
        ),
        (V4, IPPROTO_IP, IP_PKTINFO, 1, ip(libc::IP_PKTINFO), 1),
        (V4, IPPROTO_IP, IP_RECVTTL, 1, ip(libc::IP_RECVTTL), 1),
        (V4, IPPROTO_IP, IP_RECVTOS, 1, ip(libc::IP_RECVTOS), 1),
        (
            V4,
            IPPROTO_IP,
            IP_DONTFRAGMENT,
            1,
            ip(libc::IP_MTU_DISCOVER),
            2,
        ),
        (
            V4,
            IPPROTO_IP,
            IP_DONTFRAGMENT,
            0,
            ip(libc::IP_MTU_DISCOVER),
            0,
        ),
        (
            V4,
            IPPROTO_IP,
            IP_MTU_DISCOVER,
            1,
            ip(libc::IP_MTU_DISCOVER),
            2,
        ),
        (
            V4,
            IPPROTO_IP,
            IP_MTU_DISCOVER,
            2,
            ip(libc::IP_MTU_DISCOVER),
            0,
        ),
        (
            V4,
            IPPROTO_IP,
            IP_MTU_DISCOVER,
            3,
            ip(libc::IP_MTU_DISCOVER),
            3,
        ),
        (
            V6,
            IPPROTO_IPV6,
            IPV6_UNICAST_HOPS,
            9,
            ipv6(libc::IPV6_UNICAST_HOPS),
            9,
        ),
        (
            V6,
            IPPROTO_IPV6,
            IPV6_MULTICAST_IF,
            1,
            ipv6(libc::IPV6_MULTICAST_IF),
            1,
        ),
        (
            V6,
            IPPROTO_IPV6,
            IPV6_DONTFRAG,
            1,
            ipv6(libc::IPV6_DONTFRAG),
            1,
        ),
        (
            V6,
            IPPROTO_IPV6,
            IPV6_PKTINFO,
            1,
            ipv6(libc::IPV6_RECVPKTINFO),
            1,
        ),
        (
            V6,
            IPPROTO_IPV6,
            IPV6_HOPLIMIT,
            1,
            ipv6(libc::IPV6_RECVHOPLIMIT),
            1,
        ),
        (
            V6,
            IPPROTO_IPV6,
            IPV6_RECVTCLASS,
            1,
            ipv6(libc::IPV6_RECVTCLASS),
            1,
        ),
        (
            V4,
            IPPROTO_UDP,
            UDP_SEND_MSG_SIZE,
            999,
            (libc::IPPROTO_UDP, libc::UDP_SEGMENT),
            999,
        ),
        (
            V4,
            IPPROTO_UDP,
            UDP_NOCHECKSUM,
            1,
            (libc::SOL_SOCKET, libc::SO_NO_CHECK),
            1,
        ),
    ] {
        let mut socket = datagram(family);
        assert_eq!(
            socket.set(level, name, value),
            Ok(SetEffect::None),
            "{name}"
        );
        assert_eq!(socket.kernel(kernel_level, kernel_name), told, "{name}");
    }
}

/// Source: IP_TTL, IPV6_UNICAST_HOPS (what Windows begins with); IP_MULTICAST_ALL of ip(7).
#[test]
fn fresh_datagram_sockets_are_windows_sockets() {
    let socket = datagram(V4);
    assert_eq!(socket.kernel(libc::IPPROTO_IP, libc::IP_TTL), 128);
    assert_eq!(socket.kernel(libc::IPPROTO_IP, libc::IP_MULTICAST_ALL), 0);
    let socket = datagram(V6);
    assert_eq!(
        socket.kernel(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
        128
    );
}

/// Source: IP_UNICAST_IF and IPV6_UNICAST_IF: network order and host order; Linux wants both in network order.
#[test]
fn an_interface_index_reaches_the_kernel_in_its_order() {
    const IPV6_UNICAST_IF_OF_LINUX: i32 = 76;
    let mut socket = datagram(V4);
    socket
        .set(IPPROTO_IP, IP_UNICAST_IF, 1_u32.to_be())
        .unwrap();
    let told = socket.kernel(libc::IPPROTO_IP, libc::IP_UNICAST_IF);
    assert_eq!(told, 1_i32.to_be());
    let mut socket = datagram(V6);
    socket.set(IPPROTO_IPV6, IPV6_UNICAST_IF, 1).unwrap();
    let told = socket.kernel(libc::IPPROTO_IPV6, IPV6_UNICAST_IF_OF_LINUX);
    assert_eq!(told, 1_i32.to_be());
}
