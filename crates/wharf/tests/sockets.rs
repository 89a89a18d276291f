//! Sockets without operations: calls that block, addresses, options.

mod common;

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use common::{datagrams, listener, loopback, pair, under_wine};
use wharf::{Error, PollEntry, Readiness, Socket, poll};

#[test]
fn std_streams_are_served() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let (mut server, _) = listener.accept().unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).unwrap();
    server.write_all(&heard).unwrap();
    drop(server);
    assert_eq!(client.join().unwrap(), "hello");
}

#[test]
fn both_families_are_served() {
    let Ok(listener) = Socket::listen_at((Ipv6Addr::LOCALHOST, 0).into()) else {
        return; // a machine without IPv6
    };
    let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert!(peer.is_ipv6());
    assert_eq!(client.peer_addr(), server.local_addr());
    assert_eq!(server.peer_addr(), client.local_addr());
}

#[test]
fn datagrams_go_to_the_connected_peer() {
    let (one, other) = (
        Socket::datagram_for(loopback()).unwrap(),
        Socket::datagram_for(loopback()).unwrap(),
    );
    one.bind(loopback()).unwrap();
    other.bind(loopback()).unwrap();
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    one.send(b"a datagram").unwrap();
    let mut buffer = [0; 64];
    assert_eq!(other.recv(&mut buffer), Ok(10));
    one.send(b"a datagram").unwrap();
    assert_eq!(other.recv(&mut buffer[..4]), Err(Error::MESSAGE_SIZE));
}

#[test]
fn datagrams_tell_their_sender() {
    let (one, other, to) = datagrams();
    let from = one.local_addr().unwrap();
    assert_eq!(one.send_to(b"a datagram", to), Ok(10));
    let mut buffer = [0; 64];
    assert_eq!(other.peek_from(&mut buffer), Ok((10, from)));
    assert_eq!(other.recv_from(&mut buffer), Ok((10, from)));
    assert_eq!(&buffer[..10], b"a datagram");
    assert_eq!(one.send_to_vectored([&b"a "[..], b"datagram"], to), Ok(10));
    let (mut first, mut rest) = ([0; 4], [0; 16]);
    assert_eq!(
        other.recv_from_vectored([&mut first[..], &mut rest]),
        Ok((10, from))
    );
    assert_eq!((&first, &rest[..6]), (b"a da", &b"tagram"[..]));
    one.send_to(b"a datagram", to).unwrap();
    assert_eq!(other.recv_from(&mut buffer[..4]), Err(Error::MESSAGE_SIZE));
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.recv_from(&mut buffer), Err(Error::WOULD_BLOCK));
}

#[test]
fn a_stream_tells_its_peer() {
    let (one, other) = pair();
    one.send_to(b"x", loopback()).unwrap(); // wherever: it has a peer
    let peer = one.local_addr().unwrap();
    assert_eq!(other.recv_from(&mut [0; 4]), Ok((1, peer)));
}

#[test]
fn whether_nobody_heard_is_told_or_not() {
    if under_wine() {
        return; // it tells senders, if anybody
    }
    let (one, other, to) = datagrams();
    drop(other);
    one.connect(to).unwrap(); // so that nobody else's datagrams come
    one.send(b"x").unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::CONNECTION_RESET));
    one.set_connection_resets(false).unwrap();
    one.set_network_resets(false).unwrap();
    one.set_receive_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    one.send(b"x").unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::TIMED_OUT));
}

#[test]
fn connecting_may_take_too_long() {
    let patience = Duration::from_millis(100);
    let listener = Socket::stream_for(loopback()).unwrap();
    listener.bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let refused = Socket::connect_to_within(address, common::DEADLINE).map(drop);
    assert_eq!(refused, Err(Error::CONNECTION_REFUSED)); // nobody listens yet
    listener.listen(1).unwrap();
    // Linux does not answer when the backlog is full.
    let mut connected = Vec::new();
    let error = loop {
        match Socket::connect_to_within(address, patience) {
            Ok(socket) => connected.push(socket),
            Err(error) => break error,
        }
        assert!(connected.len() < 1000);
    };
    assert_eq!(error, Error::TIMED_OUT);
    let client = &connected[0];
    client.send(b"x").unwrap();
    let (server, _) = listener.accept().unwrap();
    assert_eq!(server.recv(&mut [0; 1]), Ok(1));
    client.set_receive_timeout(Some(patience)).unwrap();
    assert_eq!(client.recv(&mut [0; 1]), Err(Error::TIMED_OUT)); // it blocks again
    client.set_nonblocking(true).unwrap();
    assert_eq!(client.recv(&mut [0; 1]), Err(Error::WOULD_BLOCK));
}

#[test]
fn a_clone_is_another_handle() {
    let (one, other) = pair();
    let clone = other.try_clone().unwrap();
    assert_ne!(clone.id(), other.id());
    one.send(b"x").unwrap();
    assert_eq!(clone.recv(&mut [0; 1]), Ok(1));
    drop(clone);
    one.send(b"y").unwrap();
    assert_eq!(other.recv(&mut [0; 1]), Ok(1));
    drop(other);
    assert_eq!(one.recv(&mut [0; 1]), Ok(0));
}

#[test]
fn io_traits_gather_and_scatter() {
    let (mut one, mut other) = pair();
    let pieces = [IoSlice::new(b"head "), IoSlice::new(b"body")];
    assert_eq!(one.write_vectored(&pieces).unwrap(), 9);
    let (mut head, mut body) = ([0; 5], [0; 9]);
    let mut room = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
    assert_eq!(other.read_vectored(&mut room).unwrap(), 9);
    assert_eq!((&head, &body[..4]), (b"head ", &b"body"[..]));
    assert_eq!(one.write_vectored(&[]).unwrap(), 0);
    assert_eq!(other.read_vectored(&mut []).unwrap(), 0);
}

#[test]
fn urgent_data_has_a_mark() {
    let (one, other) = pair();
    assert!(under_wine() || other.no_urgent_data().unwrap());
    one.send_urgent(b"!").unwrap();
    poll(&mut [PollEntry::new(&other, Readiness::URGENT)], None).unwrap();
    assert!(under_wine() || !other.no_urgent_data().unwrap()); // there it is the other way round
    let mut urgent = [0];
    assert_eq!((other.recv_urgent(&mut urgent), urgent), (Ok(1), *b"!"));
    assert!(under_wine() || other.no_urgent_data().unwrap());
}

#[test]
fn members_of_a_group_hear_it() {
    let group = Ipv4Addr::new(239, 255, 3, 1);
    let member = Socket::datagram_at((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let to = (group, member.local_addr().unwrap().port()).into();
    let sender = Socket::datagram_at(loopback()).unwrap();
    sender
        .set_multicast_interface_v4(Ipv4Addr::LOCALHOST)
        .unwrap();
    assert_eq!(sender.multicast_interface_v4(), Ok(Ipv4Addr::LOCALHOST));
    for socket in [&member, &sender] {
        socket.set_multicast_loop_v4(true).unwrap();
        assert_eq!(socket.multicast_loop_v4(), Ok(true));
    }
    sender.set_multicast_ttl_v4(3).unwrap();
    assert_eq!(sender.multicast_ttl_v4(), Ok(3));
    let mut buffer = [0; 8];
    member
        .join_multicast_v4(group, Ipv4Addr::LOCALHOST)
        .unwrap();
    sender.send_to(b"all", to).unwrap();
    assert_eq!(
        member.recv_from(&mut buffer),
        Ok((3, sender.local_addr().unwrap()))
    );
    member
        .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
        .unwrap();
    assert!(
        member
            .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .is_err()
    );

    let source = Ipv4Addr::LOCALHOST;
    member
        .join_multicast_source_v4(source, group, source)
        .unwrap();
    sender.send_to(b"one", to).unwrap();
    assert_eq!(
        member.recv_from(&mut buffer),
        Ok((3, sender.local_addr().unwrap()))
    );
    member
        .leave_multicast_source_v4(source, group, source)
        .unwrap();
}

#[test]
fn groups_of_ipv6_are_joined_and_left() {
    let any = (Ipv6Addr::UNSPECIFIED, 0).into();
    let Ok(member) = Socket::datagram_at(any) else {
        return; // a machine without IPv6
    };
    let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x1234, 0x5678);
    if member.join_multicast_v6(group, 1).is_ok() {
        // where the loopback interface, which is the first, knows groups
        member.leave_multicast_v6(group, 1).unwrap();
    }
    assert!(member.leave_multicast_v6(group, 1).is_err());
    member.set_multicast_hop_limit_v6(4).unwrap();
    assert_eq!(member.multicast_hop_limit_v6(), Ok(4));
    member.set_multicast_loop_v6(true).unwrap();
    assert_eq!(member.multicast_loop_v6(), Ok(true));
    member.set_multicast_interface_v6(1).unwrap();
    assert_eq!(member.multicast_interface_v6(), Ok(1));
    member.set_hop_limit(9).unwrap();
    assert_eq!(member.hop_limit(), Ok(9));
}

#[test]
fn failures_have_windows_numbers() {
    let socket = Socket::stream_for(loopback()).unwrap();
    assert_eq!(socket.peer_addr(), Err(Error::NOT_CONNECTED));
    assert_eq!(socket.recv(&mut [0; 1]), Err(Error::NOT_CONNECTED));
    assert_eq!(socket.listen(1), Err(Error::INVALID)); // not bound
    socket.bind(loopback()).unwrap();
    let second = Socket::stream_for(loopback()).unwrap();
    let taken = socket.local_addr().unwrap();
    assert_eq!(second.bind(taken), Err(Error::ADDRESS_IN_USE));
    let nobody = Socket::connect_to(taken).map(drop);
    assert_eq!(nobody, Err(Error::CONNECTION_REFUSED));
}

#[test]
fn a_socket_that_does_not_block_says_so() {
    let listener = listener();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().map(drop), Err(Error::WOULD_BLOCK));
    let (one, _other) = pair();
    one.set_nonblocking(true).unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::WOULD_BLOCK));
    one.set_nonblocking(false).unwrap();
    one.set_receive_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::TIMED_OUT));
}

#[test]
fn data_can_be_looked_at_counted_and_scattered() {
    let (one, other) = pair();
    one.send(b"123456789").unwrap();
    let mut buffer = [0; 9];
    assert_eq!(other.peek(&mut buffer), Ok(9));
    assert_eq!(other.available(), Ok(9));
    let (mut first, mut rest) = ([0; 4], [0; 16]);
    let received = other.recv_vectored([&mut first[..], &mut rest]);
    assert_eq!(
        (received, &first, &rest[..5]),
        (Ok(9), b"1234", &b"56789"[..])
    );
    assert_eq!(other.recv_vectored([]), Err(Error::INVALID));
}

#[test]
fn each_direction_ends_by_itself() {
    let (one, other) = pair();
    one.shutdown(Shutdown::Write).unwrap();
    assert_eq!(one.send(b"x"), Err(Error::SHUT_DOWN));
    assert_eq!(other.recv(&mut [0; 1]), Ok(0));
    other.send(b"x").unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Ok(1));
    one.shutdown(Shutdown::Read).unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::SHUT_DOWN));
}

#[test]
fn options_read_back_what_was_set() {
    let (one, _other) = pair();
    for value in [true, false] {
        one.set_nodelay(value).unwrap();
        assert_eq!(one.nodelay(), Ok(value));
        one.set_keepalive(value).unwrap();
        assert_eq!(one.keepalive(), Ok(value));
        one.set_urgent_inline(value).unwrap();
        assert_eq!(one.urgent_inline(), Ok(value));
    }
    for time in [None, Some(Duration::ZERO), Some(Duration::from_secs(3))] {
        one.set_linger(time).unwrap();
        assert_eq!(one.linger(), Ok(time));
    }
    for time in [None, Some(Duration::from_millis(1500))] {
        one.set_receive_timeout(time).unwrap();
        one.set_send_timeout(time).unwrap();
        assert_eq!(
            (one.receive_timeout(), one.send_timeout()),
            (Ok(time), Ok(time))
        );
    }
    one.set_receive_buffer(65_536).unwrap();
    assert!(one.receive_buffer().unwrap() >= 65_536); // Windows: the same; Wine: what Linux makes of it
    assert!(one.connect_time().unwrap().is_some());
    assert_eq!(one.connect_error(), Ok(None));
    let datagrams = Socket::datagram_for(loopback()).unwrap();
    assert!(datagrams.set_nodelay(true).is_err()); // NO_PROTOCOL_OPTION; Wine has a number of its own
    assert_eq!(datagrams.is_stream(), Ok(false));
    assert_eq!((one.is_stream(), one.is_listening()), (Ok(true), Ok(false)));
    assert_eq!(listener().is_listening(), Ok(true));
    datagrams.set_ttl(7).unwrap();
    assert_eq!(datagrams.ttl(), Ok(7));
    datagrams.set_reuse_address(true).unwrap();
    assert_eq!(datagrams.reuse_address(), Ok(true));
    let times = (Duration::from_secs(30), Duration::from_secs(2));
    one.set_keepalive_times(Some(times)).unwrap();
    assert_eq!(one.keepalive(), Ok(true));
    one.set_keepalive_times(None).unwrap();
    assert_eq!(one.keepalive(), Ok(false));
    datagrams.set_broadcast(true).unwrap();
    assert_eq!(datagrams.broadcast(), Ok(true));
}

#[test]
fn keep_alive_times_are_whole_seconds() {
    if under_wine() {
        return; // it has no such options
    }
    let (one, _other) = pair();
    one.set_keepalive_idle(Duration::from_millis(10_001))
        .unwrap();
    one.set_keepalive_interval(Duration::from_secs(2)).unwrap();
    one.set_keepalive_count(5).unwrap();
    assert_eq!(one.keepalive_idle(), Ok(Duration::from_secs(11)));
    assert_eq!(one.keepalive_interval(), Ok(Duration::from_secs(2)));
    assert_eq!(one.keepalive_count(), Ok(5));
}

#[test]
fn the_longest_time_is_not_the_shortest() {
    const LONGEST: Duration = Duration::from_secs(u16::MAX as u64);
    let (one, _other) = pair();
    for time in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        LONGEST + Duration::from_nanos(1),
    ] {
        one.set_linger(Some(time)).unwrap();
        assert_eq!(one.linger(), Ok(Some(LONGEST)));
    }
    let _ = one.set_keepalive_idle(Duration::MAX); // the system has its own limit
    one.set_linger(None).unwrap();
}

#[test]
fn handles_go_out_and_in() {
    let (one, other) = pair();
    let raw = one.into_raw();
    // SAFETY: the handle of a socket that nobody else closes, without operations.
    let one = unsafe { Socket::from_raw(raw) };
    assert_eq!(one.as_raw(), raw);
    one.send(b"x").unwrap();
    assert_eq!(other.recv(&mut [0; 1]), Ok(1));
}
