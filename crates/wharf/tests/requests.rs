//! Every request with every way to report.

mod common;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::{Counted, DEADLINE, connected, datagrams, listener, loopback, pair, take, under_wine};
use wharf::{
    ACCEPT_ROOM, AssociatedSocket, CompletionPort, Error, Finished, Operation, PollEntry,
    Readiness, Request, Socket, poll, sleep_alertable,
};

/// Two buffers in one value.
#[derive(Debug, Default, PartialEq)]
struct Message {
    head: [u8; 4],
    body: Vec<u8>,
}

impl Message {
    fn new(head: &[u8; 4], body: &[u8]) -> Operation<Message> {
        Operation::new(Message {
            head: *head,
            body: body.to_vec(),
        })
    }

    fn room() -> Operation<Message> {
        Message::new(&[0; 4], &[0; 16])
    }

    fn pieces(&self) -> [&[u8]; 2] {
        [&self.head, &self.body]
    }

    fn pieces_mut(&mut self) -> [&mut [u8]; 2] {
        [&mut self.head, &mut self.body]
    }
}

thread_local! {
    /// What the routines of a test's thread have heard.
    static HEARD: RefCell<Vec<Finished<Message>>> = const { RefCell::new(Vec::new()) };
}

fn hear(finished: Finished<Message>) {
    HEARD.with_borrow_mut(|heard| heard.push(finished));
}

/// The next that a routine hears.
fn heard() -> Finished<Message> {
    loop {
        if let Some(finished) = HEARD.with_borrow_mut(Vec::pop) {
            return finished;
        }
        assert!(sleep_alertable(Some(DEADLINE)));
    }
}

fn assert_message(finished: &Finished<Message>) {
    assert_eq!((finished.bytes, finished.result), (12, Ok(())));
    let message = &*finished.operation;
    assert_eq!(
        (&message.head, &message.body[..8]),
        (b"head", &b"and body"[..])
    );
}

#[test]
fn pieces_go_with_events() {
    let (one, other) = pair();
    let message = Message::new(b"head", b"and body");
    let sent = one.start_with_event(message, |message| Request::send_vectored(message.pieces()));
    assert_message(&sent.unwrap().wait());
    let received = other.start_with_event(Message::room(), |room| {
        Request::receive_vectored(room.pieces_mut())
    });
    assert_message(&received.unwrap().wait());
}

#[test]
fn pieces_go_with_routines() {
    let (one, other) = pair();
    let message = Message::new(b"head", b"and body");
    one.start_with_routine(
        message,
        |message| Request::send_vectored(message.pieces()),
        hear,
    )
    .unwrap();
    assert_message(&heard());
    other
        .start_with_routine(
            Message::room(),
            |room| Request::receive_vectored(room.pieces_mut()),
            hear,
        )
        .unwrap();
    assert_message(&heard());
}

#[test]
fn a_receive_can_wait_until_it_is_full() {
    if under_wine() {
        return; // its overlapped receives do not wait
    }
    let port = CompletionPort::<[u8; 8]>::new(0).unwrap();
    let (one, other) = pair();
    let other = port.associate(other, 0).unwrap();
    other
        .start([0; 8].into(), |buffer| {
            Request::receive(buffer).until_full()
        })
        .unwrap();
    for piece in [b"12345", &b"678"[..]] {
        one.send(piece).unwrap();
    }
    let packet = take(&port);
    assert_eq!((packet.bytes, packet.result), (8, Ok(())));
    assert_eq!(packet.operation.as_deref(), Some(b"12345678"));
}

#[test]
fn urgent_data_goes_with_operations() {
    let (one, other) = pair();
    let sent = one.start_with_event(Operation::new(*b"!"), |data| Request::send(data).urgent());
    assert_eq!(sent.unwrap().wait().result, Ok(()));
    poll(
        &mut [PollEntry::new(&other, Readiness::URGENT)],
        Some(DEADLINE),
    )
    .unwrap();
    let received = other.start_with_event(Operation::new([0]), |buffer| {
        Request::receive(buffer).urgent()
    });
    let received = received.unwrap().wait();
    assert_eq!((received.bytes, received.result), (1, Ok(())));
    assert_eq!(*received.operation, *b"!");
}

#[test]
fn datagrams_and_their_senders_go_with_a_port() {
    let port = CompletionPort::<Message>::new(0).unwrap();
    let (one, other, to) = datagrams();
    let from = one.local_addr().unwrap();
    let (one, other) = (
        port.associate(one, 1).unwrap(),
        port.associate(other, 2).unwrap(),
    );
    let mut room = Message::room();
    for round in 0..3 {
        other
            .start(room, |room| {
                Request::receive_from_vectored(room.pieces_mut())
            })
            .unwrap();
        let message = Message::new(b"head", b"and body");
        one.start(message, |message| {
            Request::send_to_vectored(message.pieces(), to)
        })
        .unwrap();
        let mut packets = [take(&port), take(&port)];
        packets.sort_by_key(|packet| packet.key);
        let [sent, received] = packets;
        assert_eq!((sent.bytes, sent.result), (12, Ok(())), "{round}");
        assert_eq!(sent.operation.unwrap().received_from(), None);
        assert_eq!((received.bytes, received.result), (12, Ok(())));
        room = received.operation.unwrap();
        assert_eq!(room.received_from(), Some(from));
        assert_eq!(&room.body[..8], b"and body");
    }
}

#[test]
fn datagrams_and_their_senders_go_with_events() {
    let (one, other, to) = datagrams();
    let received = other
        .start_with_event(Message::room(), |room| {
            Request::receive_from(&mut room.body)
        })
        .unwrap();
    let message = Message::new(b"head", b"a datagram");
    let sent = one.start_with_event(message, |message| Request::send_to(&message.body, to));
    let sent = sent.unwrap().wait();
    assert_eq!((sent.bytes, sent.result), (10, Ok(())));
    let received = received.wait();
    assert_eq!((received.bytes, received.result), (10, Ok(())));
    assert_eq!(received.operation.received_from(), one.local_addr().ok());
    assert_eq!(&received.operation.body[..10], b"a datagram");
}

#[test]
fn datagrams_and_their_senders_go_with_routines() {
    let (one, other, to) = datagrams();
    other
        .start_with_routine(
            Message::room(),
            |room| Request::receive_from_vectored(room.pieces_mut()),
            hear,
        )
        .unwrap();
    one.start_with_routine(
        Message::new(b"head", b"and body"),
        |message| Request::send_to_vectored(message.pieces(), to),
        |sent| assert_eq!((sent.bytes, sent.result), (12, Ok(()))),
    )
    .unwrap();
    let received = heard();
    assert_message(&received);
    assert_eq!(received.operation.received_from(), one.local_addr().ok());
}

#[test]
fn a_datagram_that_is_too_long_fails_and_tells_its_sender() {
    let port = CompletionPort::<[u8; 4]>::new(0).unwrap();
    let (one, other, to) = datagrams();
    let from = one.local_addr().ok();
    let event = other.start_with_event(Operation::new([0; 4]), |buffer| {
        Request::receive_from(buffer)
    });
    one.send_to(b"too long", to).unwrap();
    let received = event.unwrap().wait();
    assert_eq!(
        (received.bytes, received.result),
        (4, Err(Error::MORE_DATA))
    );
    assert_eq!(*received.operation, *b"too ");
    assert_eq!(received.operation.received_from(), from);

    let other = port.associate(other, 0).unwrap();
    other
        .start(received.operation, |buffer| Request::receive_from(buffer))
        .unwrap();
    one.send_to(b"also too long", to).unwrap();
    let packet = take(&port);
    assert_eq!((packet.bytes, packet.result), (4, Err(Error::MORE_DATA)));
    let operation = packet.operation.unwrap();
    assert_eq!((*operation, operation.received_from()), (*b"also", from));
}

#[test]
fn a_stream_tells_no_sender() {
    let (one, other) = pair();
    one.send(b"x").unwrap();
    let received = other.start_with_event(Operation::new([0; 4]), |buffer| {
        Request::receive_from(buffer)
    });
    let received = received.unwrap().wait();
    assert_eq!((received.bytes, received.result), (1, Ok(())));
    assert_eq!(received.operation.received_from(), None);
}

#[test]
fn a_cancelled_receive_tells_no_sender() {
    let (_, other, _) = datagrams();
    let pending = other
        .start_with_event(Operation::new([0; 4]), |buffer| {
            Request::receive_from(buffer)
        })
        .unwrap();
    pending.cancel().unwrap();
    let ended = pending.wait();
    assert_eq!(ended.result, Err(Error::OPERATION_ABORTED));
    assert_eq!(ended.operation.received_from(), None);
}

#[test]
fn an_accept_brings_the_first_data() {
    type Buffer = [u8; 8 + ACCEPT_ROOM];
    let port = CompletionPort::<Buffer>::new(0).unwrap();
    let listener = port.associate(listener(), 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut operation = Operation::new([0; 8 + ACCEPT_ROOM]);
    for _ in 0..2 {
        listener
            .start(operation, |buffer| Request::accept_and_receive(buffer))
            .unwrap();
        let client = Socket::connect_to(address).unwrap();
        client.send(b"hello").unwrap();
        let packet = take(&port);
        assert_eq!((packet.bytes, packet.result), (5, Ok(())));
        operation = packet.operation.unwrap();
        assert_eq!(&operation[..5], b"hello");
        let accepted = operation.take_accepted().unwrap();
        assert_eq!(accepted.peer_addr(), client.local_addr().unwrap());
        assert_eq!(accepted.local_addr(), address);
        let server = accepted.into_socket(&listener).unwrap();
        client.send(b"more").unwrap();
        assert_eq!(server.recv(&mut [0; 8]), Ok(4));
    }

    // With events too, and without room for data, which is not waited for.
    let listener = common::listener();
    let room = Operation::new([0; ACCEPT_ROOM]);
    let pending = listener
        .start_with_event(room, |buffer| Request::accept_and_receive(buffer))
        .unwrap();
    let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
    let mut finished = pending.wait();
    assert_eq!((finished.bytes, finished.result), (0, Ok(())));
    let accepted = finished.operation.take_accepted().unwrap();
    assert_eq!(accepted.peer_addr(), client.local_addr().unwrap());
}

/// A client whose socket is made once and used for one connection after the other.
struct Client {
    socket: AssociatedSocket<Client>,
    buffer: [u8; 16 + ACCEPT_ROOM],
}

#[test]
fn a_socket_is_accepted_into_again_and_again() {
    let port = CompletionPort::<Client>::new(0).unwrap();
    let listener = port.associate(listener(), 1).unwrap();
    let address = listener.local_addr().unwrap();
    let socket = Socket::stream_for(address).unwrap();
    let mut client = Operation::new(Client {
        socket: port.associate(socket, 2).unwrap(),
        buffer: [0; 16 + ACCEPT_ROOM],
    });
    for round in 0..if under_wine() { 1 } else { 3 } {
        listener
            .start(client, |client| {
                Request::accept_into_and_receive(&client.socket, &mut client.buffer)
            })
            .unwrap();
        let peer = Socket::connect_to(address).unwrap();
        peer.send(b"hello").unwrap();
        let packet = take(&port);
        assert_eq!(
            (packet.key, packet.bytes, packet.result),
            (1, 5, Ok(())),
            "{round}"
        );
        client = packet.operation.unwrap();
        assert_eq!(&client.buffer[..5], b"hello");
        assert!(client.take_accepted().is_none()); // the socket is the client's
        client.socket.finish_accept(&listener).unwrap();
        assert_eq!(client.socket.peer_addr(), peer.local_addr());

        client
            .start_send(|client| (&client.socket, &client.buffer[..5]))
            .unwrap();
        let packet = take(&port);
        assert_eq!((packet.key, packet.result), (2, Ok(())));
        let mut answer = [0; 5];
        assert_eq!((peer.recv_all(&mut answer), &answer), (Ok(5), b"hello"));
        drop(peer);
        packet
            .operation
            .unwrap()
            .start(|client| (&client.socket, Request::disconnect_for_reuse()))
            .unwrap();
        let packet = take(&port);
        assert_eq!((packet.key, packet.result), (2, Ok(())));
        client = packet.operation.unwrap();
    }
}

#[test]
fn a_socket_connects_again() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = Socket::stream_for(address).unwrap();
    let mut operation = Operation::new(());
    for _ in 0..if under_wine() { 1 } else { 3 } {
        let connect = client.start_with_event(operation, |()| Request::connect(address));
        let connected = connect.unwrap().wait();
        connected.result.unwrap();
        client.finish_connect().unwrap();
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(client.local_addr(), Ok(peer));
        drop(server);
        let disconnect =
            client.start_with_event(connected.operation, |()| Request::disconnect_for_reuse());
        let disconnected = disconnect.unwrap().wait();
        disconnected.result.unwrap();
        operation = disconnected.operation;
    }
}

#[test]
fn disconnecting_ends_one_direction() {
    let (one, other) = pair();
    let ended = one.start_with_event(Operation::new(()), |()| Request::disconnect());
    assert_eq!(ended.unwrap().wait().result, Ok(()));
    assert_eq!(other.recv(&mut [0; 1]), Ok(0));
    other.send(b"x").unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Ok(1));
}

#[test]
fn a_connect_may_be_refused_with_an_event() {
    let nobody = Socket::stream_for(loopback()).unwrap();
    nobody.bind(loopback()).unwrap();
    let address = nobody.local_addr().unwrap();
    let client = Socket::stream_for(address).unwrap();
    let connect = client.start_with_event(Operation::new(()), |()| Request::connect(address));
    assert_eq!(
        connect.unwrap().wait().result,
        Err(Error::PORT_CONNECTION_REFUSED)
    );
}

#[test]
fn only_transfers_have_routines() {
    fn never(_: Finished<u8>) {
        unreachable!("it was refused");
    }
    let (one, _other) = pair();
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let fresh = Socket::stream_for(address).unwrap();
    type Start = for<'a> fn(&'a mut u8) -> Request<'a>;
    let cases: [(&Socket, Start); 2] = [
        (&listener, |_| Request::accept()),
        (&one, |_| Request::disconnect()),
    ];
    for (socket, request) in cases {
        let refused = socket
            .start_with_routine(Operation::new(9), request, never)
            .unwrap_err();
        assert_eq!(refused.error, Error::OPERATION_NOT_SUPPORTED);
        assert_eq!(*refused.operation, 9);
    }
    let refused = fresh
        .start_with_routine(Operation::new(9), |_| Request::connect(address), never)
        .unwrap_err();
    assert_eq!(refused.error, Error::OPERATION_NOT_SUPPORTED);
    assert!(!sleep_alertable(Some(std::time::Duration::ZERO)));
}

#[test]
fn the_operation_may_own_its_socket_with_every_report() {
    struct Owner {
        socket: Socket,
        buffer: [u8; 8],
    }
    fn received(finished: Finished<Owner>) {
        assert_eq!((finished.bytes, finished.result), (1, Ok(())));
        assert_eq!(finished.operation.buffer[0], b'r');
    }
    let (peer, socket) = pair();
    let owner = Operation::new(Owner {
        socket,
        buffer: [0; 8],
    });
    let pending = owner
        .start_with_event(|owner| (&owner.socket, Request::receive(&mut owner.buffer)))
        .unwrap();
    peer.send(b"e").unwrap();
    let owner = pending.wait().operation;
    assert_eq!(owner.buffer[0], b'e');
    owner
        .start_with_routine(
            |owner| (&owner.socket, Request::receive(&mut owner.buffer)),
            received,
        )
        .unwrap();
    peer.send(b"r").unwrap();
    assert!(sleep_alertable(Some(DEADLINE)));
    assert_eq!(peer.recv(&mut [0; 1]), Ok(0)); // the routine dropped the socket
}

/// Whatever is under way is dropped with what owns it, or leaked: never used again.
#[test]
fn every_request_may_be_abandoned() {
    struct Buffer {
        data: [u8; 8 + ACCEPT_ROOM],
        socket: Socket,
        _counted: Counted,
    }
    let live: Arc<AtomicUsize> = Arc::default();
    let buffer = || {
        Operation::new(Buffer {
            data: [0; 8 + ACCEPT_ROOM],
            socket: Socket::stream_for(loopback()).unwrap(),
            _counted: Counted::new(&live),
        })
    };
    let (client, server) = pair();
    let (_, datagrams, _) = datagrams();
    let listener = listener();

    // By a Pending that is dropped.
    for _ in 0..3 {
        drop(listener.start_with_event(buffer(), |_| Request::accept()));
        drop(listener.start_with_event(buffer(), |buffer| {
            Request::accept_into_and_receive(&buffer.socket, &mut buffer.data)
        }));
        drop(
            datagrams.start_with_event(buffer(), |buffer| Request::receive_from(&mut buffer.data)),
        );
        drop(server.start_with_event(buffer(), |buffer| {
            let (head, body) = buffer.data.split_at_mut(10);
            Request::receive_vectored([head, body])
        }));
        assert_eq!(live.load(SeqCst), 0);
    }
    // By the port.
    let port = CompletionPort::<Buffer>::new(0).unwrap();
    let listener = port.associate(listener, 0).unwrap();
    let datagrams = port.associate(datagrams, 0).unwrap();
    let server = port.associate(server, 0).unwrap();
    listener.start(buffer(), |_| Request::accept()).unwrap();
    listener
        .start(buffer(), |buffer| {
            Request::accept_into_and_receive(&buffer.socket, &mut buffer.data)
        })
        .unwrap();
    datagrams
        .start(buffer(), |buffer| Request::receive_from(&mut buffer.data))
        .unwrap();
    server
        .start(buffer(), |buffer| Request::receive(&mut buffer.data))
        .unwrap();
    assert_eq!(live.load(SeqCst), 4);
    drop(port);
    assert_eq!(live.load(SeqCst), 0);
    assert_eq!(client.send(b"x"), Ok(1));
}

#[test]
fn a_clone_keeps_the_socket_open_and_not_its_operations() {
    let live: Arc<AtomicUsize> = Arc::default();
    let port = CompletionPort::<(u8, Counted)>::new(0).unwrap();
    let (peer, socket) = pair();
    let socket = port.associate(socket, 0).unwrap();
    let clone = socket.try_clone().unwrap();
    let operation = Operation::new((0, Counted::new(&live)));
    socket
        .start_receive(operation, |(byte, _)| std::slice::from_mut(byte))
        .unwrap();
    drop(socket);
    assert_eq!(take(&port).result, Err(Error::OPERATION_ABORTED));
    assert_eq!(live.load(SeqCst), 0);
    drop(port);
    clone.send(b"x").unwrap();
    assert_eq!(peer.recv(&mut [0; 1]), Ok(1));

    // It is associated too.
    let other_port = CompletionPort::<()>::new(0).unwrap();
    let not = other_port.associate(clone, 0).unwrap_err();
    assert_eq!(not.error, Error::INVALID_PARAMETER);
    drop(not);
    assert_eq!(peer.recv(&mut [0; 1]), Ok(0));
}

/// An operation that nobody can cancel is leaked in the end: never used again, and not waited for for ever.
#[test]
fn a_clone_keeps_an_operation_under_way() {
    if under_wine() {
        return; // there a handle that is closed ends what was started with it
    }
    let live: Arc<AtomicUsize> = Arc::default();
    let (peer, socket) = pair();
    let clone = socket.try_clone().unwrap();
    let start = || {
        let operation = Operation::new(([0; 4], Counted::new(&live)));
        socket.receive_with_event(operation, |(buffer, _)| &mut buffer[..])
    };
    let (finished, abandoned) = (start().unwrap(), start().unwrap());
    drop(socket);
    peer.send(b"x").unwrap();
    assert_eq!(finished.wait().bytes, 1);
    drop(abandoned);
    assert_eq!(live.load(SeqCst), 1);
    drop(clone);
    assert_eq!(peer.recv(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn a_connected_datagram_socket_needs_no_addresses() {
    let (one, other) = connected();
    let received = other
        .start_with_event(Message::room(), |room| {
            Request::receive_vectored(room.pieces_mut())
        })
        .unwrap();
    let message = Message::new(b"head", b"and body");
    let sent = one.start_with_event(message, |message| Request::send_vectored(message.pieces()));
    assert_message(&sent.unwrap().wait());
    assert_message(&received.wait());
}
