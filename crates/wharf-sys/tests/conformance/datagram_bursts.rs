//! Many datagrams and many requests on one socket: whatever is done for several at a time, each request ends as it would
//! alone, in the order of the calls.
//!
//! Source throughout: WSARecvFrom and WSASendTo, "Overlapped Socket I/O": receives are filled in the order they were
//! posted, a datagram each.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

const KEY: usize = 0x6d;
const PACKET: Packet = packet(0, 7, 0);
/// More than fit one look at the socket.
const MANY: u8 = 100;

/// A bound socket on a port, with so many receives posted.
fn receiver(family: Family, posted: u8) -> (Socket, Port, Vec<Letter>) {
    let socket = udp_bound(family);
    let port = port_of(*socket, KEY);
    let letters: Vec<_> = (0..posted).map(|_| Letter::new(8)).collect();
    for letter in &letters {
        assert_eq!(socket.receive_from(letter), PENDING);
    }
    (socket, port, letters)
}

/// A port of which the calling thread is a worker that runs, while packets are queued for it; and a socket on it.
fn busy(family: Family) -> (Port, Socket) {
    startup();
    let port = Port::new(1);
    (0..3).for_each(|_| port.post(PACKET));
    assert_eq!(port.take(0), Taken::Packet(PACKET));
    let socket = udp_bound(family);
    port.associate(socket.handle(), KEY);
    (port, socket)
}

/// The next packet that was not posted.
fn next_reported(port: &Port) -> Taken {
    loop {
        match port.take(DEADLINE_MS) {
            Taken::Packet(PACKET) => {}
            taken => return taken,
        }
    }
}

/// Datagrams of several senders that wait when receives are served: each receive gets the next one, and its sender.
#[test]
fn each_receive_gets_the_next_datagram() {
    let _watch = watch();
    for family in FAMILIES {
        let (socket, port, letters) = receiver(family, MANY);
        let senders: Vec<_> = (0..3).map(|_| udp_bound(family)).collect();
        let to = address_of(*socket);
        for first in [0, 1, 8, 20, 85] {
            let last = [1, 8, 20, 85, MANY][[0, 1, 8, 20, 85]
                .iter()
                .position(|at| *at == first)
                .unwrap()];
            for number in first..last {
                let sender = &senders[usize::from(number) % 3];
                let data = [number; 8];
                let len = usize::from(number % 9); // some are empty
                assert_eq!(sender.send_to(&data[..len], &to), Ok(len));
            }
            for number in first..last {
                let letter = &letters[usize::from(number)];
                let len = number % 9;
                assert_eq!(next(&port), letter.success(KEY, len.into()));
                assert_eq!(letter.received(), &[number; 8][..len.into()]);
                let sender = &senders[usize::from(number) % 3];
                assert_eq!(letter.sender(), sender.local_address().unwrap());
            }
            assert_empty(&port);
        }
    }
}

/// A datagram that is too long is cut for its receive, and the next ones are whole.
/// Source: WSARecvFrom, WSAEMSGSIZE.
#[test]
fn only_the_long_datagram_is_cut() {
    let _watch = watch();
    let (socket, port, letters) = receiver(Family::V4, 6);
    let sender = udp_bound(Family::V4);
    for len in [3, 9, 8, 20, 0, 1] {
        sender
            .send_to(&[b'x'; 20][..len], &address_of(*socket))
            .unwrap();
    }
    for (letter, len) in letters.iter().zip([3, 9, 8, 20, 0, 1]) {
        let expected = match len {
            0..=8 => letter.success(KEY, len),
            _ => cut(letter, KEY, 8),
        };
        assert_eq!(next(&port), expected);
        assert_eq!(letter.sender(), sender.local_address().unwrap());
    }
}

/// Receives of all kinds one behind the other: with and without a sender's address, as a message with control data, into
/// several buffers, one that looks only.
/// Source: WSARecv, WSARecvMsg, MSG_PEEK.
#[test]
fn receives_of_all_kinds_are_served_in_order() {
    let _watch = watch();
    let (socket, port, letters) = receiver(Family::V4, 2);
    socket.set_option(IPPROTO_IP, IP_PKTINFO, 1).unwrap();
    let messages = [Message::new(8, 64), Message::new(8, 64)];
    let plain = [
        Request::new(8),
        Request::new(8),
        Request::new(8),
        Request::new(8),
    ];
    assert_eq!(messages[0].start_receive(*socket, None), PENDING);
    assert_eq!(socket.receive(&plain[0]), PENDING);
    let pieces = plain[1].pieces(&[1, 3, 4]);
    let into = socket.receive_into(&pieces, 0, &plain[1], None);
    assert_eq!(into, PENDING);
    assert_eq!(socket.receive_flags(&plain[2], MSG_PEEK), PENDING);
    assert_eq!(messages[1].start_receive(*socket, None), PENDING);
    assert_eq!(socket.receive(&plain[3]), PENDING);
    let sender = udp_bound(Family::V4);
    for data in [b"a1", b"b2", b"c3", b"d4", b"e5", b"f6", b"g7"] {
        sender.send_to(data, &address_of(*socket)).unwrap();
    }
    let requests: [&Request; 8] = [
        &letters[0],
        &letters[1],
        &messages[0],
        &plain[0],
        &plain[1],
        &plain[2],
        &messages[1],
        &plain[3],
    ];
    let expected = [b"a1", b"b2", b"c3", b"d4", b"e5", b"f6", b"f6", b"g7"];
    for (request, data) in requests.into_iter().zip(expected) {
        assert_eq!(next(&port), request.success(KEY, 2));
        assert_eq!(request.received(), data);
    }
    for message in &messages {
        assert_eq!(message.sender(), sender.local_address().unwrap());
        assert_eq!(message.control_len(), 24);
    }
    for letter in &letters {
        assert_eq!(letter.sender(), sender.local_address().unwrap());
    }
}

/// A failure told by ICMP takes one receive, and no datagram.
/// Source: recvfrom, WSAECONNRESET.
#[test]
fn an_icmp_failure_takes_one_receive_and_no_datagram() {
    let _watch = watch();
    not_under_wine("it tells nothing of ICMP to sockets without a peer", || {
        for before in 0..4_u8 {
            let (socket, port, letters) = receiver(Family::V4, 6);
            let (_holders, nobody) = deaf_address(Family::V4);
            let friend = udp_bound(Family::V4);
            let to = address_of(*socket);
            for number in 0..before {
                friend.send_to(&[number], &to).unwrap();
            }
            assert_eq!(socket.send_to(b"x", &nobody), Ok(1));
            for number in before..5 {
                friend.send_to(&[number], &to).unwrap();
            }
            let mut came = Vec::new();
            let mut failed = 0;
            for letter in &letters {
                match next(&port) {
                    Taken::Failed(packet, error) => {
                        let expected = letter.failure(KEY, ERROR_PORT_UNREACHABLE);
                        assert_eq!(Taken::Failed(packet, error), expected);
                        assert!(letter.has_no_sender());
                        failed += 1;
                    }
                    taken => {
                        assert_eq!(taken, letter.success(KEY, 1));
                        came.push(letter.received()[0]);
                    }
                }
            }
            assert_eq!((came, failed), ((0..5).collect(), 1));
        }
    });
}

/// A receive that was cancelled before takes no datagram; those behind it go on.
/// Source: CancelIoEx.
#[test]
fn a_cancelled_receive_takes_nothing() {
    let _watch = watch();
    let (socket, port, letters) = receiver(Family::V4, 9);
    for index in [0, 4, 8] {
        assert_eq!(socket.cancel(&letters[index]), Ok(()));
        let aborted = letters[index].failure(KEY, ERROR_OPERATION_ABORTED);
        assert_eq!(next(&port), aborted);
    }
    let sender = udp_bound(Family::V4);
    for number in 0..6_u8 {
        sender.send_to(&[number], &address_of(*socket)).unwrap();
    }
    for (number, index) in [1, 2, 3, 5, 6, 7].into_iter().enumerate() {
        assert_eq!(next(&port), letters[index].success(KEY, 1));
        assert_eq!(letters[index].received(), [number as u8]);
    }
    assert_empty(&port);
}

/// Receives are cancelled, one by one and all, while datagrams come and a worker serves them: each ends once, and no datagram
/// is lost or out of order: what no receive took the next ones take.
/// Source: CancelIoEx.
#[test]
fn cancelling_beside_a_burst_loses_nothing() {
    let _watch = watch();
    let seed = seed();
    for round in 0..150 {
        let mut random = Random::new(seed, round);
        let (socket, port, letters) = receiver(Family::V4, 20);
        let (raw, to) = (*socket, address_of(*socket));
        let count = 1 + random.below(20) as u8;
        let sender = spawn(move || {
            let sender = udp_bound(Family::V4);
            for number in 0..count {
                sender.send_to(&[number], &to).unwrap();
            }
        });
        let (victim, pause) = (random.below(20) as usize, random.below(2000));
        let overlapped = letters[victim].overlapped() as usize;
        let canceller = spawn(move || {
            (0..pause).for_each(|_| std::hint::spin_loop());
            // SAFETY: the OVERLAPPED lives until its packet was taken, which the main thread does after this.
            unsafe { CancelIoEx(raw.handle(), overlapped as *const OVERLAPPED) };
            let _ = raw.cancel_all();
        });
        let mut received = Vec::new();
        let mut ended = 0;
        // Taken beside the canceller: this thread serves the socket.
        while ended < letters.len() {
            match next(&port) {
                Taken::Packet(packet) => received.push(packet.overlapped),
                Taken::Failed(_, ERROR_OPERATION_ABORTED) => {}
                other => panic!("{other:?}"),
            }
            ended += 1;
        }
        join_all([sender, canceller]);
        assert!(letters.iter().all(|letter| letter.is_finished()));
        // In the order of their receives, these are the first ones that came.
        let took = |letter: &&Letter| received.contains(&(letter.overlapped() as usize));
        let numbers: Vec<_> = letters
            .iter()
            .filter(took)
            .map(|letter| letter.received()[0])
            .collect();
        assert!(
            numbers.iter().copied().eq(0..numbers.len() as u8),
            "{numbers:?}"
        );
        for number in numbers.len() as u8..count {
            assert_eq!(socket.recv_some(8), Ok(vec![number]));
        }
        assert_empty(&port);
    }
}

/// The socket is closed while datagrams come and a worker serves them: each receive ends once, with a datagram or aborted.
/// Source: closesocket.
#[test]
fn closing_beside_a_burst_ends_every_receive_once() {
    let _watch = watch();
    // Wine serves such a receive by its handle, which may be another test's socket by then: it would be lost.
    in_own_process(|| {
        let seed = seed();
        for round in 0..100 {
            let mut random = Random::new(seed, round);
            let (socket, port, letters) = receiver(Family::V4, 20);
            let to = address_of(*socket);
            let sender = udp_bound(Family::V4);
            let sender = spawn(move || {
                for number in 0..20_u8 {
                    let _ = sender.send_to(&[number], &to); // nobody is there any more
                }
            });
            let pause = random.below(3000);
            let closer = spawn(move || {
                (0..pause).for_each(|_| std::hint::spin_loop());
                assert_eq!(socket.close(), Ok(()));
            });
            let mut ended = Vec::new();
            for _ in &letters {
                match next(&port) {
                    Taken::Packet(packet) => ended.push(packet.overlapped),
                    Taken::Failed(packet, _) => ended.push(packet.overlapped),
                    other => panic!("{other:?}"),
                }
            }
            join_all([sender, closer]);
            ended.sort_unstable();
            ended.dedup();
            assert_eq!(ended.len(), letters.len());
            assert_empty(&port);
        }
    });
}

/// A receive posted while datagrams wait ends with the next of them, whatever the worker does then: it computes, cancels,
/// looks how much there is, receives without waiting, changes the peer.
/// Source: CancelIoEx, FIONREAD, recvfrom, connect.
#[test]
fn a_receive_takes_what_is_there_before_anything_else() {
    let _watch = watch();
    for what in 0..5 {
        let (port, socket) = busy(Family::V4);
        let sender = udp_bound(Family::V4);
        let letters = [Letter::new(8), Letter::new(8)];
        for data in [b"a", b"b", b"c"] {
            sender.send_to(data, &address_of(*socket)).unwrap();
        }
        for letter in &letters {
            let started = socket.receive_from(letter);
            assert!([done(1), PENDING].contains(&started), "{started:?}");
        }
        match what {
            0 => compute_until("both are finished", || {
                letters.iter().all(|letter| letter.is_finished())
            }),
            1 => drop(socket.cancel_all()), // TRUE if the packets-to-be count as pending
            2 => assert_eq!(socket.unread(), Ok(1)),
            3 => {
                socket.set_non_blocking(true);
                assert_eq!(socket.recv_some(8), Ok(b"c".to_vec()));
            }
            _ => socket.connect(&address_of(*udp_bound(Family::V4))).unwrap(),
        }
        for (letter, data) in letters.iter().zip([b"a", b"b"]) {
            assert_eq!(next_reported(&port), letter.success(KEY, 1), "{what}");
            assert_eq!(letter.received(), data);
        }
    }
}

/// Datagrams that a worker sends while it has more to do: in order, each reported once, however many; also while it
/// computes.
#[test]
fn sends_of_a_busy_worker_leave_in_order() {
    let _watch = watch();
    for family in FAMILIES {
        let (port, socket) = busy(family);
        let friend = udp_bound(family);
        let to = address_of(*friend);
        let requests: Vec<_> = (0..MANY)
            .map(|number| Request::from_data(&[number]))
            .collect();
        for request in &requests {
            let sent = socket.send_request_to(request, &to);
            assert!([done(1), PENDING].contains(&sent), "{sent:?}");
        }
        compute_until("all are finished", || {
            requests.iter().all(Request::is_finished)
        });
        for number in 0..MANY {
            let (data, from) = friend.recv_from(8).unwrap();
            assert_eq!(
                (data, from),
                (vec![number], socket.local_address().unwrap())
            );
        }
        for request in &requests {
            assert_eq!(next_reported(&port), request.success(KEY, 1));
        }
    }
}

/// A datagram that cannot be sent fails, at once or later; those before and behind it go.
/// Source: WSASendTo, WSAEACCES; SO_BROADCAST.
#[test]
fn only_the_send_that_fails_fails() {
    let _watch = watch();
    let (port, socket) = busy(Family::V4);
    let friend = udp_bound(Family::V4);
    let all = Address::from(std::net::SocketAddr::from(([255, 255, 255, 255], 9)));
    let requests: Vec<_> = (0..9_u8)
        .map(|number| Request::from_data(&[number]))
        .collect();
    let mut pending = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let fails = [0, 4, 8].contains(&number);
        let to = if fails { all } else { address_of(*friend) };
        match socket.send_request_to(request, &to) {
            Err(WSAEACCES) if fails => {}
            started => {
                assert!([done(1), PENDING].contains(&started), "{started:?}");
                pending.push((request, fails));
            }
        }
    }
    for (request, fails) in pending {
        let reported = next_reported(&port);
        match fails {
            false => assert_eq!(reported, request.success(KEY, 1)),
            true => {
                assert!(matches!(reported, Taken::Failed(..)), "{reported:?}");
                assert_eq!(socket.result(request, false), Err(WSAEACCES));
            }
        }
    }
    for number in [1, 2, 3, 5, 6, 7] {
        assert_eq!(friend.recv_some(8), Ok(vec![number]));
    }
}

/// Where a datagram goes and how is decided by the call: what is connected or set afterwards is for later ones.
/// Source: connect, setsockopt with IP_TTL.
#[test]
fn what_changes_after_a_send_is_for_later_ones() {
    let _watch = watch();
    let (port, socket) = busy(Family::V4);
    let friends = [udp_bound(Family::V4), udp_bound(Family::V4)];
    for friend in &friends {
        friend.set_option(IPPROTO_IP, IP_RECVTTL, 1).unwrap();
    }
    let mut requests = Vec::new();
    for (round, friend) in [0, 1, 0, 1].into_iter().enumerate() {
        socket.connect(&address_of(*friends[friend])).unwrap();
        for step in 0..2 {
            let number = 2 * round as u8 + step;
            socket
                .set_option(IPPROTO_IP, IP_TTL, 40 + i32::from(number))
                .unwrap();
            let request = Request::from_data(&[number]);
            let sent = socket.send_request(&request);
            assert!([done(1), PENDING].contains(&sent), "{sent:?}");
            requests.push(request);
        }
    }
    for request in &requests {
        assert_eq!(next_reported(&port), request.success(KEY, 1));
    }
    for (friend, numbers) in friends.iter().zip([[0, 1, 4, 5], [2, 3, 6, 7_u8]]) {
        for number in numbers {
            let message = Message::new(8, 64);
            assert_eq!(message.receive(**friend), (Ok(()), 1));
            assert_eq!(message.buffer()[0], number);
            let ttl = (
                IPPROTO_IP,
                IP_TTL,
                (40 + i32::from(number)).to_ne_bytes().to_vec(),
            );
            assert_eq!(message.records(), [ttl]);
        }
    }
}

/// What was sent has gone: a close, a cancel, a send that does not wait come after it.
/// Source: closesocket, CancelIoEx, sendto.
#[test]
fn what_was_sent_has_gone() {
    let _watch = watch();
    for what in 0..4 {
        let (port, socket) = busy(Family::V4);
        let friend = udp_bound(Family::V4);
        let to = address_of(*friend);
        let requests = [Request::from_data(b"a"), Request::from_data(b"b")];
        for request in &requests {
            let sent = socket.send_request_to(request, &to);
            assert!([done(1), PENDING].contains(&sent), "{sent:?}");
        }
        match what {
            0 => assert_eq!(socket.close(), Ok(())),
            1 => drop(socket.cancel_all()), // TRUE if the packets-to-be count as pending
            2 => {
                socket.set_non_blocking(true);
                assert_eq!(socket.send_to(b"c", &to), Ok(1));
            }
            _ => assert_eq!(socket.send_to(b"c", &to), Ok(1)),
        }
        let count = if what < 2 { 2 } else { 3 };
        for data in &[b"a", b"b", b"c"][..count] {
            assert_eq!(friend.recv_some(8), Ok(data.to_vec()));
        }
        for request in &requests {
            assert_eq!(next_reported(&port), request.success(KEY, 1), "{what}");
        }
    }
}
