//! What a program sees of its options, and in [`told`] what the kernel is told.

mod told;

use std::os::fd::{FromRawFd, OwnedFd};

use windows_sys::Win32::Networking::WinSock::*;

use super::super::address::Family::{V4, V6};
use super::*;

/// A kernel socket with its record.
struct Fixture {
    options: Options,
    target: Target,
    _fd: OwnedFd,
}

impl Fixture {
    fn new(family: Family, kind: Kind) -> Fixture {
        let linux_kind = match kind {
            Kind::Stream => libc::SOCK_STREAM,
            Kind::Datagram => libc::SOCK_DGRAM,
            Kind::Raw(_) => panic!("needs a right that tests may not have"),
        };
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::socket(family.linux(), linux_kind | libc::SOCK_CLOEXEC, 0) };
        assert!(fd >= 0, "a socket of {family:?} could not be created");
        // SAFETY: the descriptor was just created and belongs to nobody else.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        kernel::fresh_socket_defaults(fd, family, kind).unwrap();
        let target = Target {
            fd,
            family,
            kind,
            bound: false,
            listening: false,
            peer: None,
            connected_since: None,
            connect_error: 0,
        };
        Fixture {
            options: Options::default(),
            target,
            _fd: owned,
        }
    }

    fn set(&mut self, level: i32, name: i32, value: u32) -> Result<SetEffect, Status> {
        set(
            &self.target,
            &mut self.options,
            level,
            name,
            Some(&value.to_le_bytes()),
            4,
        )
    }

    fn get(&self, level: i32, name: i32) -> Result<u32, Status> {
        let mut out = [0; 4];
        let (result, _) = get(&self.target, &self.options, level, name, Some(&mut out), 4);
        result.map(|()| u32::from_le_bytes(out))
    }

    fn kernel(&self, level: i32, name: i32) -> i32 {
        kernel::get_int(self.target.fd, level, name).unwrap()
    }

    fn keep_alive(&self) -> [i32; 4] {
        let tcp = |name| self.kernel(libc::IPPROTO_TCP, name);
        let switch = self.kernel(libc::SOL_SOCKET, libc::SO_KEEPALIVE);
        [
            switch,
            tcp(libc::TCP_KEEPIDLE),
            tcp(libc::TCP_KEEPINTVL),
            tcp(libc::TCP_KEEPCNT),
        ]
    }
}

fn stream() -> Fixture {
    Fixture::new(Family::V4, Kind::Stream)
}

/// Source: "SOL_SOCKET Socket Options", "IPPROTO_TCP socket options", "IPPROTO_IPV6 Socket Options".
#[test]
fn a_fresh_socket_has_windows_defaults() {
    let socket = stream();
    for (name, value) in [
        (SO_ACCEPTCONN, 0),
        (SO_BROADCAST, 0),
        (SO_CONNECT_TIME, u32::MAX),
        (SO_DONTLINGER, 1),
        (SO_ERROR, 0),
        (SO_EXCLUSIVEADDRUSE, 0),
        (SO_GROUP_ID, 0),
        (SO_KEEPALIVE, 0),
        (SO_LINGER, 0),
        (SO_MAX_MSG_SIZE, 65507),
        (SO_RCVBUF, 65536),
        (SO_RCVTIMEO, 0),
        (SO_REUSEADDR, 0),
        (SO_SNDBUF, 65536),
        (SO_TYPE, 1),
    ] {
        assert_eq!(socket.get(SOL_SOCKET, name), Ok(value), "{name:#x}");
    }
    let tcp = [
        (TCP_NODELAY, 0),
        (TCP_KEEPIDLE, 7200),
        (TCP_KEEPINTVL, 1),
        (TCP_KEEPCNT, 10),
    ];
    for (name, value) in tcp {
        assert_eq!(socket.get(IPPROTO_TCP, name), Ok(value), "{name}");
    }
    assert_eq!(socket.get(IPPROTO_IPV6, IPV6_V6ONLY), Ok(1));
}

/// Source: setsockopt; that the value set is the value read, whatever the system makes of it, is observed.
#[test]
fn what_was_set_reads_back() {
    let mut socket = stream();
    let l_onoff_256_l_linger_7 = 0x0007_0100;
    for (level, name, value) in [
        (SOL_SOCKET, SO_LINGER, l_onoff_256_l_linger_7),
        (SOL_SOCKET, SO_SNDBUF, 4096),
        (SOL_SOCKET, SO_SNDBUF, 0),
        (SOL_SOCKET, SO_RCVBUF, 100),
        (SOL_SOCKET, SO_RCVTIMEO, 1),
        (SOL_SOCKET, SO_SNDTIMEO, 997_000),
        (SOL_SOCKET, SO_KEEPALIVE, 1),
        (SOL_SOCKET, SO_OOBINLINE, 1),
        (SOL_SOCKET, SO_DONTROUTE, 1),
        (IPPROTO_TCP, TCP_NODELAY, 1),
        (IPPROTO_TCP, TCP_KEEPCNT, 255),
        (IPPROTO_TCP, TCP_KEEPIDLE, 100_000),
        (IPPROTO_TCP, TCP_MAXRT, u32::MAX),
    ] {
        assert_eq!(
            socket.set(level, name, value),
            Ok(SetEffect::None),
            "{level} {name:#x}"
        );
        assert_eq!(socket.get(level, name), Ok(value), "{level} {name:#x}");
    }
    assert_eq!(socket.set(SOL_SOCKET, SO_DEBUG, 7), Ok(SetEffect::None));
    assert_eq!(socket.get(SOL_SOCKET, SO_DEBUG), Ok(1));
}

/// Source: "SOL_SOCKET Socket Options", "IPPROTO_TCP socket options". Linux has nothing they could be mapped to.
#[test]
fn stored_options_read_back() {
    let mut socket = stream();
    for (level, name) in [
        (SOL_SOCKET, SO_CONDITIONAL_ACCEPT),
        (SOL_SOCKET, SO_PAUSE_ACCEPT as i32),
        (SOL_SOCKET, SO_PORT_SCALABILITY),
        (SOL_SOCKET, SO_RANDOMIZE_PORT),
        (SOL_SOCKET, SO_REUSE_MULTICASTPORT),
        (SOL_SOCKET, SO_REUSE_UNICASTPORT),
        (IPPROTO_TCP, TCP_BSDURGENT),
        (IPPROTO_TCP, TCP_EXPEDITED_1122),
        (IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR),
        (IPPROTO_TCP, TCP_FASTOPEN),
        (IPPROTO_TCP, TCP_NOSYNRETRIES),
        (IPPROTO_TCP, TCP_TIMESTAMPS),
    ] {
        for value in [1, 0] {
            assert_eq!(
                socket.set(level, name, value),
                Ok(SetEffect::None),
                "{level} {name:#x}"
            );
            assert_eq!(socket.get(level, name), Ok(value), "{level} {name:#x}");
        }
    }
}

/// Source: SO_CONDITIONAL_ACCEPT: before listen; SO_RANDOMIZE_PORT: before bind, not after SO_REUSE_UNICASTPORT.
#[test]
fn some_options_come_too_late() {
    let mut socket = stream();
    socket.set(SOL_SOCKET, SO_REUSE_UNICASTPORT, 1).unwrap();
    assert_eq!(
        socket.set(SOL_SOCKET, SO_RANDOMIZE_PORT, 1),
        Err(Status::INVALID)
    );
    socket.set(SOL_SOCKET, SO_REUSE_UNICASTPORT, 0).unwrap();
    socket.target.bound = true;
    assert_eq!(
        socket.set(SOL_SOCKET, SO_RANDOMIZE_PORT, 1),
        Err(Status::INVALID)
    );
    socket.target.listening = true;
    assert_eq!(
        socket.set(SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1),
        Err(Status::INVALID)
    );
    assert_eq!(socket.get(SOL_SOCKET, SO_ACCEPTCONN), Ok(1));
}

/// Source: SO_DONTLINGER: the opposite of l_onoff, which leaves the time alone.
#[test]
fn dont_linger_is_the_opposite_of_linger() {
    let mut socket = stream();
    socket.set(SOL_SOCKET, SO_LINGER, 0x0007_0001).unwrap();
    assert_eq!(socket.get(SOL_SOCKET, SO_DONTLINGER), Ok(0));
    socket.set(SOL_SOCKET, SO_DONTLINGER, 1).unwrap();
    assert_eq!(socket.get(SOL_SOCKET, SO_LINGER), Ok(0x0007_0000));
    assert_eq!(socket.options.linger(), None);
    socket.set(SOL_SOCKET, SO_DONTLINGER, 0).unwrap();
    assert_eq!(socket.get(SOL_SOCKET, SO_LINGER), Ok(0x0007_0001));
}

/// Source: SO_EXCLUSIVEADDRUSE: WSAEINVAL together with SO_REUSEADDR.
#[test]
fn exclusive_and_reuse_exclude_each_other() {
    for (first, second) in [
        (SO_REUSEADDR, SO_EXCLUSIVEADDRUSE),
        (SO_EXCLUSIVEADDRUSE, SO_REUSEADDR),
    ] {
        let mut socket = stream();
        socket.set(SOL_SOCKET, first, 1).unwrap();
        assert_eq!(socket.set(SOL_SOCKET, second, 1), Err(Status::INVALID));
        assert_eq!(socket.get(SOL_SOCKET, second), Ok(0));
        socket.set(SOL_SOCKET, first, 0).unwrap();
        assert_eq!(socket.set(SOL_SOCKET, second, 1), Ok(SetEffect::None));
    }
}

/// Source: IPV6_V6ONLY: on by default, only before bind; on an IPv4 socket it has no effect (observed).
#[test]
fn v6_only_is_settled_by_bind() {
    for family in [Family::V4, Family::V6] {
        let mut socket = Fixture::new(family, Kind::Stream);
        assert_eq!(
            socket.set(IPPROTO_IPV6, IPV6_V6ONLY, 0),
            Ok(SetEffect::None)
        );
        socket.target.bound = true;
        assert_eq!(
            socket.set(IPPROTO_IPV6, IPV6_V6ONLY, 1),
            Err(Status::INVALID)
        );
        assert_eq!(socket.get(IPPROTO_IPV6, IPV6_V6ONLY), Ok(0));
    }
    let socket = Fixture::new(Family::V6, Kind::Stream);
    assert_eq!(socket.kernel(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY), 1);
}

#[test]
fn what_can_only_be_read_or_is_refused_says_so() {
    let mut socket = stream();
    let mut datagram = Fixture::new(Family::V4, Kind::Datagram);
    assert_eq!(
        socket.set(SOL_SOCKET, SO_ACCEPTCONN, 1),
        Err(Status::NO_PROTOCOL_OPTION)
    );
    assert_eq!(
        socket.set(SOL_SOCKET, SO_TYPE, 1),
        Err(Status::NO_PROTOCOL_OPTION)
    );
    assert_eq!(datagram.set(SOL_SOCKET, SO_TYPE, 1), Err(Status::INVALID));
    assert_eq!(
        datagram.get(SOL_SOCKET, SO_LINGER),
        Err(Status::NO_PROTOCOL_OPTION)
    );
    for name in [SO_RCVLOWAT, SO_SNDLOWAT, SO_USELOOPBACK] {
        assert_eq!(socket.set(SOL_SOCKET, name, 1), Err(Status::INVALID));
        assert_eq!(socket.get(SOL_SOCKET, name), Err(Status::INVALID));
    }
    let null = set(
        &socket.target,
        &mut socket.options,
        SOL_SOCKET,
        SO_LINGER,
        None,
        4,
    );
    assert_eq!(null, Err(Status::FAULT));
}

#[test]
fn what_concerns_the_engine_is_handed_to_it() {
    let mut socket = stream();
    socket.target.connect_error = 10061;
    assert_eq!(socket.get(SOL_SOCKET, SO_ERROR), Ok(10061));
    assert_eq!(
        socket.set(SOL_SOCKET, SO_ERROR, 1234),
        Ok(SetEffect::ConnectError(1234))
    );

    let Fixture {
        target, options, ..
    } = &mut socket;
    let mut update =
        |name, value: Option<&[u8]>, len| set(target, options, SOL_SOCKET, name, value, len);
    let listener = 0x1234_5678_9abc_usize.to_ne_bytes();
    let accepted = Ok(SetEffect::UpdateAcceptContext(0x1234_5678_9abc));
    assert_eq!(
        update(SO_UPDATE_ACCEPT_CONTEXT, Some(&listener), 8),
        accepted
    );
    assert_eq!(
        update(SO_UPDATE_ACCEPT_CONTEXT, Some(&listener[..4]), 4),
        Err(Status::FAULT)
    );
    assert_eq!(
        update(SO_UPDATE_CONNECT_CONTEXT, None, 0),
        Ok(SetEffect::UpdateConnectContext)
    );
}

#[test]
fn connect_time_counts_seconds_of_streams_only() {
    for (kind, expected) in [(Kind::Stream, 0), (Kind::Datagram, u32::MAX)] {
        let mut socket = Fixture::new(Family::V4, kind);
        socket.target.connected_since = Some(Instant::now());
        assert_eq!(socket.get(SOL_SOCKET, SO_CONNECT_TIME), Ok(expected));
    }
}

/// Source: SO_REUSEADDR, SO_EXCLUSIVEADDRUSE, SO_REUSE_MULTICASTPORT.
#[test]
fn an_address_is_shared_as_the_options_say() {
    for (name, stream, datagram) in [
        (SO_BROADCAST, Sharing::Default, Sharing::Default),
        (SO_REUSEADDR, Sharing::Reuse, Sharing::Reuse),
        (SO_EXCLUSIVEADDRUSE, Sharing::Exclusive, Sharing::Exclusive),
        (SO_REUSE_MULTICASTPORT, Sharing::Default, Sharing::Reuse),
    ] {
        for (kind, expected) in [(Kind::Stream, stream), (Kind::Datagram, datagram)] {
            let mut socket = Fixture::new(V4, kind);
            socket.set(SOL_SOCKET, name, 1).unwrap();
            assert_eq!(socket.options.sharing(kind), expected, "{name:#x}");
        }
    }
}

/// Any bytes, of any length, for any option of any socket: an answer, and nothing else.
#[test]
fn any_value_of_any_option_is_answered() {
    let values = [
        &[][..],
        &[0; 3],
        &[0xff; 4],
        &[1; 8],
        &[0; 20],
        &[7; 136],
        &[0x41; 628],
    ];
    for level in [
        SOL_SOCKET,
        IPPROTO_IP,
        IPPROTO_TCP,
        IPPROTO_UDP,
        IPPROTO_IPV6,
    ] {
        for (family, kind) in [(V4, Kind::Stream), (V6, Kind::Stream), (V4, Kind::Datagram)] {
            let mut socket = Fixture::new(family, kind);
            for name in (-200..100)
                .chain(0x1000..0x1010)
                .chain(0x2000..0x2006)
                .chain(0x3000..0x3010)
            {
                for value in values {
                    for len in [value.len() as i32, -1] {
                        let Fixture {
                            target, options, ..
                        } = &mut socket;
                        let _ = set(target, options, level, name, Some(value), len);
                        let mut out = value.to_vec();
                        let _ = get(target, options, level, name, Some(&mut out), len);
                    }
                }
            }
        }
    }
}

/// Source: SO_OPENTYPE; that it is the thread's, starts at 0 and takes a negative length is observed.
#[test]
fn the_open_type_belongs_to_the_thread() {
    assert!(is_open_type(SOL_SOCKET, SO_OPENTYPE));
    set_open_type(Some(&0x20_u32.to_le_bytes()), 4).unwrap();
    assert_eq!(stream().get(SOL_SOCKET, SO_OPENTYPE), Ok(0x20));
    let mut out = [0; 4];
    assert_eq!(
        get_open_type(Some(&mut out[..buffer_len(-1)]), -1),
        (Ok(()), 4)
    );
    assert_eq!(
        get_open_type(Some(&mut out[..2]), 2),
        (Err(Status::FAULT), 2)
    );
    let other = std::thread::spawn(|| stream().get(SOL_SOCKET, SO_OPENTYPE))
        .join()
        .unwrap();
    assert_eq!(other, Ok(0));
}
