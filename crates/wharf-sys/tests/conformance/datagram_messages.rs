//! WSARecvMsg and WSASendMsg: addresses, control data and flags.

use std::mem;
use std::net::SocketAddr;
use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

const KEY: usize = 0x78;

const INT: usize = size_of::<i32>();

/// Both functions are found by their identifiers, and WSASendMsg by its name too.
/// Source: WSARecvMsg and WSASendMsg; SIO_GET_EXTENSION_FUNCTION_POINTER.
#[test]
fn functions_are_found_by_their_identifiers() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    recv_msg(*b);
    let found = a.extension::<LPFN_WSASENDMSG>(WSAID_WSASENDMSG);
    not_under_wine("has no identifier for WSASendMsg", || {
        let send_msg = found.unwrap().expect("a function");
        let (message, mut sent) = (Message::to(b"abc", &address_of(*b), &[]), 0);
        // SAFETY: the message lives through the call.
        let result = unsafe { send_msg(a.0, message.as_mut_ptr(), 0, &mut sent, null_mut(), None) };
        assert_eq!((check(result), sent), (Ok(()), 3));
        assert_eq!(b.recv_some(9).unwrap(), b"abc");
    });
}

/// A message brings the data, the sender, and without options no control data.
/// Source: WSARecvMsg, remarks; WSAMSG.
#[test]
fn message_tells_its_sender() {
    let _watch = watch();
    for family in FAMILIES {
        let (sender, receiver) = (udp(family), udp_bound(family));
        let out = Message::to(b"hello", &address_of(*receiver), &[]);
        assert_eq!(out.send(*sender), Ok(5));
        for room in [0, 64] {
            let message = match room {
                0 => Message::new(8, room).peek(),
                _ => Message::new(8, room),
            };
            assert_eq!(message.receive(*receiver), (Ok(()), 5));
            assert_eq!(message.sender(), loopback_of(*sender, family).get());
            assert_eq!(&message.buffer()[..5], b"hello");
            let flags = message.flags() & !(MSG_PEEK as u32);
            assert_eq!((flags, message.control_len()), (0, 0));
        }
    }
}

/// IP_PKTINFO and IPV6_PKTINFO: the address the datagram went to, then the interface.
/// Source: IP_PKTINFO and IPV6_PKTINFO; IN_PKTINFO, IN6_PKTINFO.
#[test]
fn packet_info_tells_the_destination() {
    let _watch = watch();
    let receiver = udp(Family::V4);
    receiver.set_option(IPPROTO_IP, IP_PKTINFO, 1).unwrap();
    receiver.bind(&Family::V4.any(0)).unwrap();
    let (sender, port) = (udp(Family::V4), address_of(*receiver).port());
    let to: Address = SocketAddr::from(([127, 0, 0, 9], port)).into();
    sender.send_to(b"abc", &to).unwrap();
    let message = Message::new(8, 64);
    assert_eq!(message.receive(*receiver), (Ok(()), 3));
    let [(level, kind, data)] = &message.records()[..] else {
        panic!("one record: {:?}", message.records());
    };
    assert_eq!((*level, *kind, data.len()), (IPPROTO_IP, IP_PKTINFO, 8));
    assert_eq!(data[..4], [127, 0, 0, 9]);
    assert_ne!(data[4..], [0; 4]);
    assert_eq!(message.control_len(), 24);

    let receiver = udp_bound(Family::V6);
    receiver.set_option(IPPROTO_IPV6, IPV6_PKTINFO, 1).unwrap();
    udp(Family::V6)
        .send_to(b"abc", &address_of(*receiver))
        .unwrap();
    let message = Message::new(8, 64);
    assert_eq!(message.receive(*receiver), (Ok(()), 3));
    let [(level, kind, data)] = &message.records()[..] else {
        panic!("one record: {:?}", message.records());
    };
    assert_eq!(
        (*level, *kind, data.len()),
        (IPPROTO_IPV6, IPV6_PKTINFO, 20)
    );
    assert_eq!(data[..16], std::net::Ipv6Addr::LOCALHOST.octets());
    assert_ne!(data[16..], [0; 4]);
}

/// Time to live and type of service, hop limit and traffic class: an INT each, under these types.
/// Source: IP_RECVTTL, IP_RECVTOS, IPV6_HOPLIMIT, IPV6_RECVTCLASS; the types are validated on Windows.
#[test]
fn numbers_of_the_header_are_ints() {
    let _watch = watch();
    let cases = [
        (
            Family::V4,
            IPPROTO_IP,
            [(IP_RECVTTL, IP_TTL), (IP_RECVTOS, IP_TOS)],
        ),
        (
            Family::V6,
            IPPROTO_IPV6,
            [
                (IPV6_HOPLIMIT, IPV6_HOPLIMIT),
                (IPV6_RECVTCLASS, IPV6_TCLASS),
            ],
        ),
    ];
    for (family, level, options) in cases {
        let receiver = udp_bound(family);
        for (option, _) in options {
            receiver.set_option(level, option, 1).unwrap();
        }
        udp(family).send_to(b"abc", &address_of(*receiver)).unwrap();
        let message = Message::new(8, 64);
        assert_eq!(message.receive(*receiver), (Ok(()), 3));
        let mut kinds: Vec<_> = message
            .records()
            .iter()
            .map(|(level, kind, data)| (*level, *kind, data.len()))
            .collect();
        let mut expected = options.map(|(_, kind)| (level, kind, INT));
        kinds.sort_unstable();
        expected.sort_unstable();
        assert_eq!(kinds, expected);
        let limit = message.records().iter().find_map(|(_, kind, data)| {
            (*kind == options[0].1).then(|| i32::from_ne_bytes(data[..4].try_into().unwrap()))
        });
        assert!(matches!(limit, Some(1..=255)), "{limit:?}");
    }
}

/// Options that tell a part of it: the interface and the destination alone.
/// Source: IP_RECVIF, IP_RECVDSTADDR and IP_ORIGINAL_ARRIVAL_IF.
#[test]
fn parts_of_packet_info() {
    let _watch = watch();
    differs_under_wine("does not know these options", || {
        let receiver = udp_bound(Family::V4);
        let options = [IP_RECVDSTADDR, IP_RECVIF, IP_ORIGINAL_ARRIVAL_IF];
        for option in options {
            receiver.set_option(IPPROTO_IP, option, 1).unwrap();
        }
        udp(Family::V4)
            .send_to(b"abc", &address_of(*receiver))
            .unwrap();
        let message = Message::new(8, 96);
        assert_eq!(message.receive(*receiver), (Ok(()), 3));
        let records = message.records();
        let data = |wanted: i32| {
            let found = records.iter().find(|(_, kind, _)| *kind == wanted);
            found.map(|(_, _, data)| data.clone()).unwrap()
        };
        assert_eq!(records.len(), 3);
        assert_eq!(data(IP_RECVDSTADDR), [127, 0, 0, 1]);
        assert_eq!(data(IP_RECVIF), data(IP_ORIGINAL_ARRIVAL_IF));
    });
}

/// A datagram that was cut: MSG_TRUNC, and a failure. Control data that was cut: MSG_CTRUNC and a failure too, with all the
/// data and its length.
/// Source: WSARecvMsg, WSAEMSGSIZE; WSAMSG, dwFlags; validated on Windows.
#[test]
fn cut_messages_are_failures() {
    let _watch = watch();
    not_under_wine("reports no cut control data", || {
        let receiver = udp_bound(Family::V4);
        receiver.set_option(IPPROTO_IP, IP_PKTINFO, 1).unwrap();
        let sender = udp_bound(Family::V4);
        for (data, control, flags) in [
            (4, 64, MSG_TRUNC),
            (8, 23, MSG_CTRUNC),
            (8, 0, MSG_CTRUNC),
            (4, 0, MSG_TRUNC | MSG_CTRUNC),
        ] {
            sender.send_to(b"abcdef", &address_of(*receiver)).unwrap();
            let message = Message::new(data, control);
            let length = data.min(6);
            let received = message.receive(*receiver);
            assert_eq!(received, (Err(WSAEMSGSIZE), length as u32));
            assert_eq!(message.flags(), flags);
            assert_eq!(message.buffer()[..length], b"abcdef"[..length]);
            assert_eq!(message.sender(), sender.local_address().unwrap());
            let stored = if control == 64 { 24 } else { 0 };
            assert_eq!(message.control_len(), stored);
        }
    });
}

/// Overlapped, such a message is pending and reported once.
/// Source: WSARecvMsg; that it is never an immediate failure is validated on Windows (with a routine).
#[test]
fn cut_messages_are_reported_later() {
    let _watch = watch();
    not_under_wine("answers with the error", || {
        let receiver = udp_bound(Family::V4);
        receiver.set_option(IPPROTO_IP, IP_PKTINFO, 1).unwrap();
        let sender = udp_bound(Family::V4);
        let send = || {
            sender.send_to(b"abcdef", &address_of(*receiver)).unwrap();
            receiver.until_readable();
        };
        send();
        let message = Message::new(8, 0);
        assert_eq!(message.start_receive(*receiver, ROUTINE), PENDING);
        assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
        let expected = RoutineCall {
            transferred: 6,
            ..message.routine_failure(WSAEMSGSIZE)
        };
        assert_eq!(
            (routines_run(), message.flags()),
            (vec![expected], MSG_CTRUNC)
        );

        let port = port_of(*receiver, KEY);
        send();
        let message = Message::new(4, 64);
        assert_eq!(message.start_receive(*receiver, None), PENDING);
        assert_eq!(next(&port), cut(&message, KEY, 4));
        assert_eq!(message.flags(), MSG_TRUNC);
        assert_empty(&port);
    });
}

/// Messages by port and event, pending and at once.
/// Source: WSARecvMsg and WSASendMsg, lpOverlapped.
#[test]
fn overlapped_messages() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let event = Event::manual();
    let message = Message::with(Request::new(8).with_event(event.raw()), 64);
    assert_eq!(message.start_receive(*b, None), PENDING);
    let out = Message::to(b"abc", &address_of(*b), &[]);
    assert_eq!(out.start_send(*a, None), done(3));
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(b.result(&message, false), Ok((3, 0)));
    assert_eq!(message.sender(), a.local_address().unwrap());

    let port = port_of(*b, KEY);
    let message = Message::new(8, 64);
    assert_eq!(message.start_receive(*b, None), PENDING);
    assert_eq!(a.send(b"defg"), Ok(4));
    assert_eq!(next(&port), message.success(KEY, 4));
    assert_eq!(message.sender(), a.local_address().unwrap());
    a.send(b"hi").unwrap();
    b.until_readable();
    let message = Message::new(8, 64);
    assert_eq!(message.start_receive(*b, None), done(2));
    assert_eq!(next(&port), message.success(KEY, 2));
    let out = Message::to(b"xyz", &address_of(*a), &[]);
    assert_eq!(out.start_send(*b, None), done(3));
    assert_eq!(next(&port), out.success(KEY, 3));
    assert_eq!(a.recv_some(9).unwrap(), b"xyz");
}

/// A broadcast is told as such.
/// Source: WSAMSG, dwFlags, MSG_BCAST.
#[test]
fn broadcast_is_flagged() {
    let _watch = watch();
    differs_under_wine("does not flag it", || {
        let (sender, receiver) = (udp(Family::V4), udp(Family::V4));
        receiver.bind(&Family::V4.any(0)).unwrap();
        sender.set_option(SOL_SOCKET, SO_BROADCAST, 1).unwrap();
        let port = address_of(*receiver).port();
        let all: Address = SocketAddr::from(([127, 255, 255, 255], port)).into();
        let message = Message::new(8, 0);
        assert_eq!(message.start_receive(*receiver, None), PENDING); // from here on it is looked for
        sender.send_to(b"abc", &all).unwrap();
        message.until_finished();
        assert_eq!(message.flags(), MSG_BCAST);
        sender.send_to(b"abc", &Family::V4.loopback(port)).unwrap();
        let message = Message::new(8, 0);
        assert_eq!(message.receive(*receiver), (Ok(()), 3));
        assert_eq!(message.flags(), 0);
    });
}

/// The source address of a datagram may be chosen by control data.
/// Source: WSASendMsg, remarks (IP_PKTINFO, IPV6_PKTINFO).
#[test]
fn source_address_may_be_chosen() {
    let _watch = watch();
    differs_under_wine("ignores the control data", || {
        let (sender, receiver) = (udp(Family::V4), udp_bound(Family::V4));
        sender.bind(&Family::V4.any(0)).unwrap();
        let port = address_of(*sender).port();
        let mut info = vec![127, 0, 0, 7];
        info.extend([0; 4]);
        let control = record(IPPROTO_IP, IP_PKTINFO, &info);
        let message = Message::to(b"abc", &address_of(*receiver), &control);
        assert_eq!(message.send(*sender), Ok(3));
        let from = SocketAddr::from(([127, 0, 0, 7], port));
        assert_eq!(receiver.recv_from(9), Ok((b"abc".to_vec(), from)));
    });
}

/// Control data that is malformed, or that no send takes, is WSAEINVAL.
/// Source: WSASendMsg, WSAEINVAL.
#[test]
fn malformed_control_data_is_refused() {
    let _watch = watch();
    differs_under_wine("sends it", || {
        let [a, b] = udp_pair(Family::V4);
        let good = record(IPPROTO_IP, IP_TTL, &9_i32.to_ne_bytes());
        let mut too_long = good.clone();
        too_long[0] = 99;
        let unknown = record(IPPROTO_IP, 77, &[0; 8]);
        let short = record(IPPROTO_IP, IP_PKTINFO, &[0; 4]);
        for control in [&too_long, &unknown, &short, &good[..18].to_vec()] {
            let message = Message::to(b"abc", &address_of(*b), control);
            assert_eq!(message.send(*a), Err(WSAEINVAL));
        }
        assert_eq!(Message::to(b"abc", &address_of(*b), &good).send(*a), Ok(3));
        b.set_option(IPPROTO_IP, IP_RECVTTL, 1).unwrap();
        let message = Message::new(8, 64);
        assert_eq!(message.receive(*b), (Ok(()), 3));
        let ttl = (IPPROTO_IP, IP_TTL, 9_i32.to_ne_bytes().to_vec());
        assert_eq!(message.records(), [ttl]);
    });
}

/// Streams have no messages; a send without a place for its count has bound its socket.
/// Source: WSASendMsg, WSAEINVAL and WSAEFAULT; validated on Windows.
#[test]
fn wrong_arguments_of_messages() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let receiver = udp_bound(Family::V4);
    let message = Message::to(b"abc", &address_of(*receiver), &[]);
    differs_under_wine("sends on streams", {
        let client = *pair.client;
        let to = address_of(*receiver);
        move || {
            let message = Message::to(b"abc", &to, &[]);
            assert_eq!(message.send(client), Err(WSAEINVAL));
            assert_eq!(message.receive(client).0, Err(WSAEINVAL));
        }
    });
    let sender = udp(Family::V4);
    let send = |message: *mut WSAMSG, count: *mut u32| {
        // SAFETY: null, or alive through the call.
        check(unsafe { WSASendMsg(sender.0, message, 0, count, null_mut(), None) })
    };
    assert_eq!(send(null_mut(), null_mut()), Err(WSAEFAULT));
    assert_eq!(sender.local_address(), Err(WSAEINVAL));
    differs_under_wine("sends without it, or does not bind", {
        let sender = udp(Family::V4);
        let to = address_of(*receiver);
        move || {
            let message = Message::to(b"abc", &to, &[]);
            // SAFETY: alive through the call.
            let result = unsafe {
                let message = message.as_mut_ptr();
                WSASendMsg(sender.0, message, 0, null_mut(), null_mut(), None)
            };
            assert_eq!(check(result), Err(WSAEFAULT));
            assert!(sender.local_address().is_ok());
        }
    });
    let mut count = 0;
    assert_eq!(send(message.as_mut_ptr(), &mut count), Ok(()));
    assert_eq!(receiver.recv_some(9).unwrap(), b"abc");
}

/// What a receive of a message is refused for.
/// Source: WSARecvMsg, WSAEFAULT, WSAEINVAL and WSAEOPNOTSUPP.
#[test]
fn wrong_arguments_of_receives() {
    let _watch = watch();
    not_under_wine("looks at few of them", || {
        let socket = udp_bound(Family::V4);
        let receive = |change: &dyn Fn(&mut WSAMSG)| {
            let message = Message::new(8, 64);
            // SAFETY: alive, and nothing pends.
            let mut changed = unsafe { message.as_mut_ptr().read() };
            change(&mut changed);
            // SAFETY: everything lives through the call, which is refused.
            let result =
                unsafe { recv_msg(*socket)(socket.0, &mut changed, &mut 0, null_mut(), None) };
            check(result)
        };
        assert_eq!(
            receive(&|message| message.name = null_mut()),
            Err(WSAEFAULT)
        );
        assert_eq!(receive(&|message| message.namelen = 15), Err(WSAEFAULT));
        let no_control = |message: &mut WSAMSG| message.Control.buf = null_mut();
        assert_eq!(receive(&no_control), Err(WSAEFAULT));
        let flags = |message: &mut WSAMSG| message.dwFlags = MSG_OOB as u32;
        assert_eq!(receive(&flags), Err(WSAEOPNOTSUPP));
        // SAFETY: no message at all.
        let result = unsafe { recv_msg(*socket)(socket.0, null_mut(), &mut 0, null_mut(), None) };
        assert_eq!(check(result), Err(WSAEFAULT));
        let unbound = udp(Family::V4);
        assert_eq!(Message::new(8, 0).receive(*unbound).0, Err(WSAEINVAL));
        assert_eq!(mem::size_of::<WSAMSG>(), 56);
    });
}

/// Control data that the system cannot take is refused: the message is not lost silently.
/// Source: WSASendMsg (a send that succeeds has been sent).
#[test]
fn too_much_control_data_is_refused() {
    let _watch = watch();
    let [sender, receiver] = [udp(Family::V4), udp_bound(Family::V4)];
    let one = record(IPPROTO_IP, IP_TTL, &5i32.to_ne_bytes());
    let many: Vec<u8> = one
        .iter()
        .copied()
        .cycle()
        .take(one.len() * 10_000)
        .collect();
    let (mut data, mut name, mut many) = (*b"x", address_of(*receiver), many);
    let mut buffer = WSABUF {
        len: 1,
        buf: data.as_mut_ptr(),
    };
    let message = WSAMSG {
        name: name.as_mut_ptr(),
        namelen: name.len,
        lpBuffers: &mut buffer,
        dwBufferCount: 1,
        Control: WSABUF {
            len: many.len() as u32,
            buf: many.as_mut_ptr(),
        },
        dwFlags: 0,
    };
    let mut sent = 0;
    // SAFETY: everything lives through the call.
    let answer = check(unsafe { WSASendMsg(sender.0, &message, 0, &mut sent, null_mut(), None) });
    receiver.set_non_blocking(true);
    let arrived = receiver.recv_some(4);
    assert_eq!(answer.is_ok(), arrived.is_ok(), "{answer:?} {arrived:?}");
}
