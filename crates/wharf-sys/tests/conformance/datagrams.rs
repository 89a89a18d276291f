//! Datagrams: where they go, how they arrive, what is cut or refused, in every kind of call.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

const KEY: usize = 0x77;

/// The longest datagram of IPv4: 64 KiB less the headers of IP and UDP.
const LONGEST: usize = 65507;

// --- Addresses -------------------------------------------------------------------------------------

/// A datagram goes to the address it is sent to, and tells its sender; a socket that sends has an address from then on.
/// Source: sendto, remarks (implicit bind); recvfrom, from.
#[test]
fn datagram_goes_where_it_is_sent() {
    let _watch = watch();
    for family in FAMILIES {
        let (sender, receiver) = (udp(family), udp_bound(family));
        assert_eq!(sender.local_address(), Err(WSAEINVAL));
        assert_eq!(sender.send_to(b"hello", &address_of(*receiver)), Ok(5));
        let bound = sender.local_address().unwrap();
        assert_eq!(bound.ip(), family.any(0).get().ip());
        let from = loopback_of(*sender, family).get();
        assert_eq!(receiver.recv_from(9), Ok((b"hello".to_vec(), from)));
        assert_eq!(receiver.send_to(b"back", &from.into()), Ok(4));
        assert_eq!(sender.recv_some(9).unwrap(), b"back");
    }
}

/// An overlapped send binds as well.
/// Source: WSASendTo, remarks.
#[test]
fn overlapped_send_binds() {
    let _watch = watch();
    let (sender, receiver) = (udp(Family::V4), udp_bound(Family::V4));
    let request = Request::from_data(b"abc");
    assert_eq!(
        sender.send_request_to(&request, &address_of(*receiver)),
        done(3)
    );
    assert_ne!(sender.local_address().unwrap().port(), 0);
    assert_eq!(receiver.recv_some(9).unwrap(), b"abc");
}

/// A socket without an address receives nothing: WSAEINVAL, also overlapped.
/// Source: recvfrom and WSARecvFrom, WSAEINVAL ("the socket has not been bound"); validated on Windows.
#[test]
fn receive_needs_an_address() {
    let _watch = watch();
    differs_under_wine("waits", || {
        let socket = udp(Family::V4);
        let letter = Letter::new(8);
        assert_eq!(socket.receive_from(&letter), Err(WSAEINVAL));
        assert_eq!(socket.receive(&Request::new(8)), Err(WSAEINVAL));
        assert_eq!(socket.recv_from(8), Err(WSAEINVAL));
        assert_eq!(socket.recv_some(8), Err(WSAEINVAL));
        assert!(letter.has_no_sender());
    });
}

/// Addresses that nothing can be sent to.
/// Source: sendto, WSAEADDRNOTAVAIL, WSAEFAULT, WSAEAFNOSUPPORT and WSAENOTCONN.
#[test]
fn destination_must_be_one() {
    let _watch = watch();
    differs_under_wine("reports other codes", || {
        for family in FAMILIES {
            let socket = udp(family);
            let there = address_of(*udp_bound(family));
            let send = |to: &Address| socket.send_to(b"x", to);
            assert_eq!(send(&family.any(9)), Err(WSAEADDRNOTAVAIL));
            assert_eq!(send(&there.with_len(15)), Err(WSAEFAULT));
            assert_eq!(
                send(&there.with_family(family.other().number() as u16)),
                Err(WSAEAFNOSUPPORT)
            );
            // SAFETY: neither address nor length.
            let nowhere = unsafe { sendto(socket.0, b"x".as_ptr(), 1, 0, std::ptr::null(), 0) };
            assert_eq!(check_count(nowhere), Err(WSAENOTCONN));
            assert_eq!(socket.send(b"x"), Err(WSAENOTCONN));
        }
    });
}

/// Without SO_BROADCAST no datagram goes to all.
/// Source: sendto, WSAEACCES; SO_BROADCAST.
#[test]
fn broadcast_must_be_switched_on() {
    let _watch = watch();
    let (sender, receiver) = (udp(Family::V4), udp(Family::V4));
    receiver.bind(&Family::V4.any(0)).unwrap();
    let port = address_of(*receiver).port();
    let all: Address = std::net::SocketAddr::from(([127, 255, 255, 255], port)).into();
    assert_eq!(sender.send_to(b"x", &all), Err(WSAEACCES));
    let request = Request::from_data(b"y");
    assert_eq!(sender.send_request_to(&request, &all), Err(WSAEACCES));
    sender.set_option(SOL_SOCKET, SO_BROADCAST, 1).unwrap();
    assert_eq!(sender.send_to(b"z", &all), Ok(1));
    assert_eq!(receiver.recv_some(9).unwrap(), b"z");
}

// --- Lengths ---------------------------------------------------------------------------------------

/// A datagram that is longer than the buffer fills it and is an error; the rest is lost, the sender told.
/// Source: recvfrom, WSAEMSGSIZE; validated on Windows.
#[test]
fn cut_datagram_is_an_error() {
    let _watch = watch();
    let (sender, receiver) = (udp_bound(Family::V4), udp_bound(Family::V4));
    for data in [b"abcdef", b"ghijkl", b"mnopqr"] {
        sender.send_to(data, &address_of(*receiver)).unwrap();
    }
    let (mut buffer, mut from) = ([0; 4], Address::room());
    let result = receiver.recv_from_into(&mut buffer, 0, &mut from);
    assert_eq!((result, &buffer), (Err(WSAEMSGSIZE), b"abcd"));
    assert_eq!(from.get(), sender.local_address().unwrap());
    assert_eq!(receiver.recv(&mut buffer), Err(WSAEMSGSIZE));
    assert_eq!(&buffer, b"ghij");
    assert_eq!(receiver.recv_some(9).unwrap(), b"mnopqr");
}

/// An overlapped receive that meets such a datagram is pending and reports it later, once: ERROR_MORE_DATA at the port, with
/// the count, the data and the sender.
/// Source: WSARecvFrom, WSAEMSGSIZE; ERROR_MORE_DATA; that it is never an immediate failure is validated on Windows.
#[test]
fn cut_datagram_is_reported_to_the_port() {
    let _watch = watch();
    let (sender, receiver) = (udp_bound(Family::V4), udp_bound(Family::V4));
    let port = port_of(*receiver, KEY);
    receiver
        .set_notification_modes(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)
        .unwrap();
    for already_there in [true, false] {
        let letter = Letter::new(4);
        if already_there {
            sender.send_to(b"abcdef", &address_of(*receiver)).unwrap();
            receiver.until_readable();
        }
        let started = receiver.receive_from(&letter);
        not_under_wine("answers with the error when it is there already", || {
            assert_eq!(started, PENDING);
        });
        if !already_there {
            sender.send_to(b"abcdef", &address_of(*receiver)).unwrap();
        }
        if started == PENDING {
            assert_eq!(next(&port), cut(&letter, KEY, 4));
            assert!(letter.has_status(STATUS_BUFFER_OVERFLOW));
            assert_eq!(letter.internal_high(), 4);
        }
        assert_eq!(letter.buffer(), b"abcd");
        assert_eq!(letter.sender(), sender.local_address().unwrap());
        assert_empty(&port);
    }
}

/// The same by event and by routine.
/// Source: WSAGetOverlappedResult; WSARecvFrom, lpCompletionRoutine.
#[test]
fn cut_datagram_is_reported_by_event_and_routine() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let event = Event::manual();
    let letter = Letter::of(Request::new(4).with_event(event.raw()));
    assert_eq!(b.receive_from(&letter), PENDING);
    a.send(b"abcdef").unwrap();
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(b.result(&letter, false), Err(WSAEMSGSIZE));
    assert_eq!(letter.result(b.handle(), false), Err(ERROR_MORE_DATA));
    let letter = Letter::new(4);
    let buffers = [letter.wsabuf()];
    assert_eq!(b.receive_from_into(&buffers, 0, &letter, ROUTINE), PENDING);
    a.send(b"abcdef").unwrap();
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    let expected = RoutineCall {
        transferred: 4,
        ..letter.routine_failure(WSAEMSGSIZE)
    };
    assert_eq!(routines_run(), [expected]);
    assert_eq!(letter.sender(), a.local_address().unwrap());
}

/// A datagram may be empty, which is no end.
/// Source: recvfrom, return value; sendto, len 0.
#[test]
fn empty_datagram_arrives() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let to = address_of(*b);
    assert_eq!(a.send(b""), Ok(0));
    assert_eq!(a.send_to(b"", &to), Ok(0));
    assert_eq!(a.send_request_to(&Request::new(0), &to), done(0));
    a.send(b"x").unwrap();
    assert_eq!(b.recv_some(9).unwrap(), b"");
    assert_eq!(b.recv_from(9).unwrap().0, b"");
    let letter = Letter::new(8);
    assert_eq!(b.receive_from(&letter), done(0));
    assert_eq!(letter.sender(), a.local_address().unwrap());
    assert_eq!(b.recv_some(9).unwrap(), b"x");
}

/// A receive without room takes a datagram and loses it, unless it only looks.
/// Source: recv, WSAEMSGSIZE.
#[test]
fn receive_without_room_takes_a_datagram() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let request = Request::new(0);
    assert_eq!(b.receive(&request), PENDING);
    a.send(b"abc").unwrap();
    request.until_finished();
    assert_eq!(b.result(&request, false), Err(WSAEMSGSIZE));
    a.send(b"def").unwrap();
    b.until_readable();
    assert_eq!(b.recv_flags(&mut [], MSG_PEEK), Err(WSAEMSGSIZE));
    assert_eq!(b.recv_some(9).unwrap(), b"def");
}

/// The longest datagram is one of 65,507 bytes.
/// Source: SO_MAX_MSG_SIZE; sendto, WSAEMSGSIZE.
#[test]
fn longest_datagram() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let data: Vec<u8> = (0..=LONGEST).map(|index| index as u8).collect();
    let to = address_of(*b);
    assert_eq!(a.send(&data), Err(WSAEMSGSIZE));
    assert_eq!(a.send_to(&data, &to), Err(WSAEMSGSIZE));
    let request = Request::from_data(&data);
    assert_eq!(a.send_request_to(&request, &to), Err(WSAEMSGSIZE));
    let data = &data[..LONGEST];
    assert_eq!(a.send_to(data, &to), Ok(LONGEST));
    assert!(b.recv_from(LONGEST + 1).unwrap().0 == data);
}

/// Several buffers are one datagram, and one datagram goes to several buffers.
/// Source: WSASendTo and WSARecvFrom, lpBuffers.
#[test]
fn buffers_are_gathered_and_scattered() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let to = address_of(*b);
    for pieces in [[1, 0, 3, 2].as_slice(), &[1; 6]] {
        let request = Request::from_data(b"abcdef");
        let buffers = request.pieces(pieces);
        assert_eq!(a.send_to_from(&buffers, &request, &to, None), done(6));
        let letter = Letter::new(6);
        let buffers = letter.pieces(pieces);
        assert_eq!(b.receive_from_into(&buffers, 0, &letter, None), done(6));
        assert_eq!(letter.buffer(), b"abcdef");
    }
}

// --- Calls that return the result ------------------------------------------------------------------

/// A blocking receive waits for a datagram, or until SO_RCVTIMEO is over, which leaves the address alone.
/// Source: recvfrom, remarks; SO_RCVTIMEO, WSAETIMEDOUT.
#[test]
fn blocking_receive_waits() {
    let _watch = watch();
    let (sender, receiver) = (udp_bound(Family::V4), udp_bound(Family::V4));
    let raw = *receiver;
    let waiter = spawn(move || raw.recv_from(9));
    waiter.until_waits();
    sender.send_to(b"abc", &address_of(*receiver)).unwrap();
    let from = sender.local_address().unwrap();
    assert_eq!(waiter.join(), Ok((b"abc".to_vec(), from)));
    let time = SHORT_MS as i32;
    receiver.set_option(SOL_SOCKET, SO_RCVTIMEO, time).unwrap();
    let mut from = Address::room();
    let result = receiver.recv_from_into(&mut [0; 9], 0, &mut from);
    assert_eq!(result, Err(WSAETIMEDOUT));
    assert_eq!((from.storage.ss_family, from.len), (0, Address::room().len));
}

/// A non-blocking receive does not wait.
/// Source: recvfrom, WSAEWOULDBLOCK.
#[test]
fn non_blocking_receive_does_not_wait() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    b.set_non_blocking(true);
    assert_eq!(b.recv_from(9), Err(WSAEWOULDBLOCK));
    assert_eq!(b.recv_some(9), Err(WSAEWOULDBLOCK));
    a.send(b"abc").unwrap();
    b.until_readable();
    assert_eq!(b.recv_from(9).unwrap().0, b"abc");
    assert_eq!(b.recv_from(9), Err(WSAEWOULDBLOCK));
}

/// A look leaves the datagram and tells its sender.
/// Source: recvfrom, MSG_PEEK.
#[test]
fn peek_leaves_the_datagram() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    a.send(b"abc").unwrap();
    b.until_readable();
    let expected = Ok((b"abc".to_vec(), a.local_address().unwrap()));
    assert_eq!(b.recv_from_flags(9, MSG_PEEK), expected);
    assert_eq!(b.recv_from_flags(2, MSG_PEEK), Err(WSAEMSGSIZE));
    assert_eq!(b.recv_from(9), expected);
}

/// WSARecvFrom and WSASendTo without an OVERLAPPED; the count of a datagram that was cut is told too.
/// Source: WSARecvFrom and WSASendTo, remarks.
#[test]
fn wsa_calls_without_an_overlapped() {
    let _watch = watch();
    let (sender, receiver) = (udp_bound(Family::V4), udp_bound(Family::V4));
    let to = address_of(*receiver);
    let request = Request::from_data(b"abcdef");
    for room in [6, 4] {
        let (letter, mut count, mut flags) = (Request::new(room), 0, 0);
        let mut from = Address::room();
        let name = from.as_mut_ptr();
        // SAFETY: everything lives through the calls.
        let (sent, received) = unsafe {
            let buffer = request.wsabuf();
            let sent = WSASendTo(
                sender.0,
                &buffer,
                1,
                &mut count,
                0,
                to.as_ptr(),
                to.len,
                null_mut(),
                None,
            );
            assert_eq!(count, 6);
            let buffer = letter.wsabuf();
            let received = WSARecvFrom(
                receiver.0,
                &buffer,
                1,
                &mut count,
                &mut flags,
                name,
                &mut from.len,
                null_mut(),
                None,
            );
            (check(sent), check(received))
        };
        let expected = if room == 6 { Ok(()) } else { Err(WSAEMSGSIZE) };
        assert_eq!((sent, received), (Ok(()), expected));
        assert_eq!(letter.buffer(), &b"abcdef"[..room]);
        assert_eq!(from.get(), sender.local_address().unwrap());
        not_under_wine("tells no count", || assert_eq!(count as usize, room));
    }
}

/// WSARecvEx tells of a datagram that was cut by a flag, without failing.
/// Source: WSARecvEx, return value.
#[test]
fn recv_ex_flags_a_cut_datagram() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    a.send(b"abcdef").unwrap();
    a.send(b"gh").unwrap();
    let receive = |room: usize| {
        let (mut buffer, mut flags) = (vec![0; room], 0);
        // SAFETY: both live through the call.
        let count = unsafe { WSARecvEx(b.0, buffer.as_mut_ptr(), room as i32, &mut flags) };
        buffer.truncate(check_count(count).unwrap());
        (buffer, flags as u32)
    };
    not_under_wine("leaves the flag out", || {
        assert_eq!(receive(4), (b"abcd".to_vec(), MSG_PARTIAL));
        assert_eq!(receive(4), (b"gh".to_vec(), 0));
    });
}

/// Room for the sender's address that is too short is refused before a datagram is taken; no room at all is fine.
/// Source: recvfrom, WSAEFAULT.
#[test]
fn room_for_the_sender_is_checked_first() {
    let _watch = watch();
    differs_under_wine("takes the datagram all the same", || {
        let [a, b] = udp_pair(Family::V4);
        a.send(b"abc").unwrap();
        let mut from = Address::room().with_len(15);
        let result = b.recv_from_into(&mut [0; 9], 0, &mut from);
        assert_eq!((result, from.len), (Err(WSAEFAULT), 15));
        let mut buffer = [0; 9];
        let mut receive = |name: *mut SOCKADDR| {
            let (room, len) = (buffer.as_mut_ptr(), buffer.len() as i32);
            // SAFETY: the buffer lives through the call; an address without a length is refused.
            check_count(unsafe { recvfrom(b.0, room, len, 0, name, null_mut()) })
        };
        assert_eq!(receive(from.as_mut_ptr()), Err(WSAEFAULT));
        assert_eq!(receive(null_mut()), Ok(3));
    });
}

/// What datagram sockets do not know of flags.
/// Source: recvfrom, WSARecvFrom and sendto, WSAEOPNOTSUPP.
#[test]
fn flags_of_streams_are_refused() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    a.send(b"abc").unwrap();
    differs_under_wine("takes some of them", move || {
        for flags in [MSG_OOB, MSG_WAITALL, 0x10000] {
            assert_eq!(b.recv_from_flags(9, flags), Err(WSAEOPNOTSUPP));
        }
        let to = address_of(*b);
        for flags in [MSG_OOB, MSG_PARTIAL as i32] {
            assert_eq!(a.send_to_flags(b"x", flags, &to), Err(WSAEOPNOTSUPP));
        }
        assert_eq!(b.recv_some(9).unwrap(), b"abc");
    });
}

/// What was shut down by its owner.
/// Source: shutdown; recvfrom and sendto, WSAESHUTDOWN; validated on Windows.
#[test]
fn shut_directions_are_refused() {
    let _watch = watch();
    let (a, b) = (udp_bound(Family::V4), udp_bound(Family::V4));
    let to = address_of(*b);
    a.shutdown(SD_SEND).unwrap();
    assert_eq!(a.send_to(b"x", &to), Err(WSAESHUTDOWN));
    b.shutdown(SD_RECEIVE).unwrap();
    assert_eq!(b.recv_from(9), Err(WSAESHUTDOWN));
    assert_eq!(b.receive_from(&Letter::new(9)), Err(WSAESHUTDOWN));
    assert_eq!(b.send_to(b"x", &address_of(*a)), Ok(1));
    assert_eq!(a.recv_some(9).unwrap(), b"x");
}

// --- Connected sockets -----------------------------------------------------------------------------

/// A connected socket sends to its peer and hears nobody else; it may still send to others.
/// Source: connect, remarks on connectionless sockets; sendto.
#[test]
fn connected_socket_hears_its_peer_only() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let stranger = udp_bound(Family::V4);
    stranger.control_switch(SIO_UDP_CONNRESET, false).unwrap(); // it may be told that nobody hears it
    stranger
        .send_to(b"from a stranger", &address_of(*b))
        .unwrap();
    a.send(b"from the peer").unwrap();
    assert_eq!(b.recv_some(99).unwrap(), b"from the peer");
    assert_eq!(b.send_to(b"out", &address_of(*stranger)), Ok(3));
    assert_eq!(stranger.recv_some(9).unwrap(), b"out");
    assert_eq!(b.peer_address(), a.local_address());
}

/// connect again changes the peer, and the socket stays where it is bound.
/// Source: connect, remarks ("call connect again"); validated on Windows.
#[test]
fn peer_may_change() {
    let _watch = watch();
    for family in FAMILIES {
        let (first, second, socket) = (udp_bound(family), udp_bound(family), udp(family));
        socket.connect(&address_of(*first)).unwrap();
        let port = address_of(*socket).port();
        socket.connect(&address_of(*second)).unwrap();
        assert_eq!(socket.send(b"x"), Ok(1));
        let from = family.loopback(port);
        assert_eq!(second.recv_from(9), Ok((b"x".to_vec(), from.get())));
        first.send_to(b"from the first", &from).unwrap();
        second.send_to(b"from the second", &from).unwrap();
        assert_eq!(socket.recv_some(99).unwrap(), b"from the second");
    }
}

/// An address of zeroes, or of no family, dissolves the association; the socket keeps its port and hears everybody.
/// Source: connect, remarks; validated on Windows (AF_UNSPEC).
#[test]
fn association_may_be_dissolved() {
    let _watch = watch();
    for nobody in [
        Address::room().with_len(16),
        Family::V4.any(0),
        Family::V4.any(9),
    ] {
        differs_under_wine("connects to the loopback, or loses the port", move || {
            let (peer, stranger, socket) = (
                udp_bound(Family::V4),
                udp_bound(Family::V4),
                udp(Family::V4),
            );
            socket.connect(&address_of(*peer)).unwrap();
            let port = address_of(*socket).port();
            assert_eq!(socket.connect(&nobody), Ok(()));
            assert_eq!(socket.peer_address(), Err(WSAENOTCONN));
            assert_eq!(socket.send(b"x"), Err(WSAENOTCONN));
            assert_eq!(address_of(*socket).port(), port);
            stranger
                .send_to(b"abc", &Family::V4.loopback(port))
                .unwrap();
            assert_eq!(socket.recv_some(9).unwrap(), b"abc");
        });
    }
}

// --- Overlapped receives ---------------------------------------------------------------------------

/// Several pending receives take datagrams in the order they were posted, each one.
/// Source: WSARecvFrom, overlapped; "Overlapped I/O and message boundaries".
#[test]
fn pending_receives_take_datagrams_in_order() {
    let _watch = watch();
    let (sender, receiver) = (udp_bound(Family::V4), udp_bound(Family::V4));
    let port = port_of(*receiver, KEY);
    let letters: Vec<_> = (0..100).map(|_| Letter::new(8)).collect();
    for letter in &letters {
        assert_eq!(receiver.receive_from(letter), PENDING);
    }
    for number in 0..100_u8 {
        sender.send_to(&[number], &address_of(*receiver)).unwrap();
    }
    for (number, letter) in letters.iter().enumerate() {
        assert_eq!(next(&port), letter.success(KEY, 1));
        assert_eq!(letter.received(), [number as u8]);
        assert_eq!(letter.sender(), sender.local_address().unwrap());
    }
}

/// A receive that finds a datagram is done at once, and announces itself all the same.
/// Source: WSARecvFrom, return value; I/O completion ports.
#[test]
fn immediate_receive_queues_its_packet() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let port = port_of(*b, KEY);
    a.send(b"abc").unwrap();
    b.until_readable();
    let letter = Letter::new(8);
    assert_eq!(b.receive_from(&letter), done(3));
    assert_eq!(next(&port), letter.success(KEY, 3));
    let request = Request::from_data(b"back");
    assert_eq!(b.send_request(&request), done(4));
    assert_eq!(next(&port), request.success(KEY, 4));
    assert_eq!(a.recv_some(9).unwrap(), b"back");
}

/// Event and routine, each with the sender.
/// Source: WSARecvFrom, lpOverlapped and lpCompletionRoutine.
#[test]
fn event_and_routine_tell_of_a_datagram() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let event = Event::auto();
    let letter = Letter::of(Request::new(8).with_event(event.raw()));
    assert_eq!(b.receive_from(&letter), PENDING);
    a.send(b"abc").unwrap();
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(b.result(&letter, false), Ok((3, 0)));
    assert_eq!(letter.sender(), a.local_address().unwrap());
    let letter = Letter::new(8);
    let buffers = [letter.wsabuf()];
    assert_eq!(b.receive_from_into(&buffers, 0, &letter, ROUTINE), PENDING);
    a.send(b"abcd").unwrap();
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    assert_eq!(routines_run(), [letter.routine_success(4)]);
    assert_eq!(letter.sender(), a.local_address().unwrap());
    let request = Request::from_data(b"x");
    let buffers = [request.wsabuf()];
    let to = address_of(*a);
    assert_eq!(b.send_to_from(&buffers, &request, &to, ROUTINE), done(1));
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    assert_eq!(routines_run(), [request.routine_success(1)]);
}

/// A cancelled receive, and one whose socket is closed, end with ERROR_OPERATION_ABORTED and tell no sender.
/// Source: CancelIoEx; closesocket (datagram sockets: validated on Windows).
#[test]
fn ended_receives_tell_no_sender() {
    let _watch = watch();
    let socket = udp_bound(Family::V4);
    let port = port_of(*socket, KEY);
    let (cancelled, closed) = (Letter::new(8), Letter::new(8));
    assert_eq!(socket.receive_from(&cancelled), PENDING);
    assert_eq!(socket.cancel(&cancelled), Ok(()));
    let aborted = ERROR_OPERATION_ABORTED;
    assert_eq!(next(&port), cancelled.failure(KEY, aborted));
    assert_eq!(socket.receive_from(&closed), PENDING);
    socket.close().unwrap();
    let ended = next(&port);
    not_under_wine("reports an error of its own", || {
        assert_eq!(ended, closed.failure(KEY, aborted));
    });
    assert!(cancelled.has_no_sender() && closed.has_no_sender());
}

/// On a socket without the overlapped attribute the call waits, and the OVERLAPPED is filled in.
/// Source: WSASocket, WSA_FLAG_OVERLAPPED; validated on Windows for streams.
#[test]
fn synchronous_socket_waits_for_its_datagram() {
    let _watch = watch();
    not_under_wine("makes every socket overlapped", || {
        let socket = Socket::open_flags(AF_INET.into(), SOCK_DGRAM, 0, 0).unwrap();
        socket.bind(&Family::V4.loopback(0)).unwrap();
        let sender = udp_bound(Family::V4);
        let raw = *socket;
        for (data, answer) in [(&b"abc"[..], done(3)), (b"abcdef", Err(WSAEMSGSIZE))] {
            let waiter = spawn(move || {
                let letter = Letter::new(4);
                let answer = raw.receive_from(&letter);
                (answer, letter.internal_high(), letter.sender())
            });
            waiter.until_waits();
            sender.send_to(data, &address_of(*socket)).unwrap();
            let from = sender.local_address().unwrap();
            assert_eq!(waiter.join(), (answer, data.len().min(4), from));
        }
    });
}

/// A routine is refused on a socket that has a port.
/// Source: WSARecvFrom, WSAEINVAL; validated on Windows.
#[test]
fn port_and_routine_exclude_each_other() {
    let _watch = watch();
    let socket = udp_bound(Family::V4);
    let _port = port_of(*socket, KEY);
    let letter = Letter::new(8);
    let buffers = [letter.wsabuf()];
    let received = socket.receive_from_into(&buffers, 0, &letter, ROUTINE);
    assert_eq!(received, Err(WSAEINVAL));
    let sent = socket.send_to_from(&buffers, &letter, &address_of(*socket), ROUTINE);
    assert_eq!(sent, Err(WSAEINVAL));
}

// --- Streams ---------------------------------------------------------------------------------------

/// On a stream the address of a send is not looked at, and none is told by a receive.
/// Source: sendto, WSASendTo, recvfrom and WSARecvFrom, remarks on connection-oriented sockets.
#[test]
fn addresses_are_ignored_on_a_stream() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let elsewhere = Family::V4.loopback(1);
    assert_eq!(pair.client.send_to(b"abc", &elsewhere), Ok(3));
    let request = Request::from_data(b"def");
    let sent = pair.client.send_request_to(&request, &elsewhere);
    assert_eq!(sent, done(3));
    pair.server.until_unread(6);
    let mut from = Address::room();
    let received = pair.server.recv_from_into(&mut [0; 3], 0, &mut from);
    assert_eq!(received, Ok(3));
    let letter = Letter::new(9);
    assert_eq!(pair.server.receive_from(&letter), done(3));
    assert_eq!(letter.received(), b"def");
    not_under_wine("tells the peer's address", || {
        assert_eq!((from.storage.ss_family, from.len), (0, Address::room().len));
        assert!(letter.has_no_sender());
    });
}

/// The any-address is no destination, in the form of IPv6 either.
/// Source: sendto, WSAEADDRNOTAVAIL.
#[test]
fn mapped_any_address_is_no_destination() {
    let _watch = watch();
    differs_under_wine("sends to the loopback", || {
        let receiver = udp_bound(Family::V4);
        let dual = udp(Family::V6);
        dual.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0).unwrap();
        let port = address_of(*receiver).port();
        let to = address(&format!("[::ffff:0.0.0.0]:{port}"));
        assert_eq!(dual.send_to(b"x", &to), Err(WSAEADDRNOTAVAIL));
    });
}

/// A datagram has the data of all buffers, however many there are.
/// Source: WSASend, lpBuffers.
#[test]
fn datagram_of_many_buffers() {
    const COUNT: usize = 1500;
    let _watch = watch();
    differs_under_wine("passes 1024 at most", || {
        let [a, b] = udp_pair(Family::V4);
        let data: Vec<u8> = (0..COUNT).map(|index| index as u8).collect();
        let request = Request::from_data(&data);
        let pieces = request.pieces(&[1; COUNT]);
        let mut sent = 0;
        // SAFETY: everything lives through the call.
        let answer = check(unsafe {
            WSASend(
                a.0,
                pieces.as_ptr(),
                COUNT as u32,
                &mut sent,
                0,
                null_mut(),
                None,
            )
        });
        b.set_option(SOL_SOCKET, SO_RCVTIMEO, 1000).unwrap();
        let received = b.recv_some(4 * COUNT).unwrap_or_default();
        assert_eq!(
            (answer, sent as usize, received.len()),
            (Ok(()), COUNT, COUNT)
        );
        assert_eq!(received, data);
    });
}

/// And fills any number.
/// Source: WSARecv, lpBuffers.
#[test]
fn datagram_into_many_buffers() {
    const COUNT: usize = 1500;
    let _watch = watch();
    differs_under_wine("passes 1024 at most", || {
        let [a, b] = udp_pair(Family::V4);
        let data: Vec<u8> = (0..COUNT).map(|index| index as u8).collect();
        a.send(&data).unwrap();
        let request = Request::new(COUNT);
        let pieces = request.pieces(&[1; COUNT]);
        let (mut got, mut flags) = (0, 0);
        // SAFETY: everything lives through the call.
        let answer = check(unsafe {
            WSARecv(
                b.0,
                pieces.as_ptr(),
                COUNT as u32,
                &mut got,
                &mut flags,
                null_mut(),
                None,
            )
        });
        assert_eq!((answer, got as usize), (Ok(()), COUNT));
        assert_eq!(request.buffer(), data);
    });
}

/// The longest datagram is that of the destination's family.
/// Source: sendto, WSAEMSGSIZE.
#[test]
fn longest_datagram_is_of_the_destinations_family() {
    let _watch = watch();
    let receiver = udp_bound(Family::V4);
    let dual = udp(Family::V6);
    dual.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0).unwrap();
    let port = address_of(*receiver).port();
    let to = address(&format!("[::ffff:127.0.0.1]:{port}"));
    assert_eq!(dual.send_to(&vec![0; 65520], &to), Err(WSAEMSGSIZE));
    assert_eq!(dual.send_to(b"x", &to), Ok(1));
}
