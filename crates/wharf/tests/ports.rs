//! Operations on a completion port: what comes back, when, and in which order things may be dropped.

mod common;

use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use common::{Counted, DEADLINE, listener, loopback, pair, take, under_wine};
use wharf::{AssociatedSocket, CompletionPort, Error, Operation, Request, Socket};

type Port = CompletionPort<Buffer>;

/// A buffer, whose end is counted.
struct Buffer {
    data: [u8; 64],
    _counted: Counted,
}

fn buffer(live: &Arc<AtomicUsize>) -> Operation<Buffer> {
    Operation::new(Buffer {
        data: [0; 64],
        _counted: Counted::new(live),
    })
}

fn receive(socket: &AssociatedSocket<Buffer>, operation: Operation<Buffer>) -> Result<(), Error> {
    Ok(socket.start_receive(operation, |buffer| &mut buffer.data)?)
}

#[test]
fn an_operation_is_used_again_and_again() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 7).unwrap();
    let mut operation = buffer(&live);
    let (address, id) = (&raw const *operation, operation.id());
    for round in 0..100_u8 {
        client.send(&[round; 10]).unwrap();
        receive(&server, operation).unwrap();
        let packet = take(&port);
        assert_eq!((packet.key, packet.bytes, packet.result), (7, 10, Ok(())));
        operation = packet.operation.unwrap();
        assert_eq!(operation.data[..10], [round; 10]);

        server
            .start_send(operation, |buffer| &buffer.data[..5])
            .unwrap();
        let packet = take(&port);
        assert_eq!((packet.bytes, packet.result), (5, Ok(())));
        operation = packet.operation.unwrap();
        let mut answer = [0; 5];
        assert_eq!(client.recv_all(&mut answer), Ok(5));
        assert_eq!(answer, [round; 5]);
        assert_eq!((&raw const *operation, operation.id()), (address, id)); // it never moved
    }
    assert_eq!(live.load(SeqCst), 1);
    drop(operation);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn a_value_may_own_its_socket() {
    struct Client {
        socket: AssociatedSocket<Client>,
        buffer: Vec<u8>,
    }
    let port = CompletionPort::<Client, ()>::new(0).unwrap();
    let (peer, socket) = pair();
    let client = Client {
        socket: port.associate(socket, ()).unwrap(),
        buffer: vec![0; 16],
    };
    Operation::new(client)
        .start_receive(|client| (&client.socket, &mut client.buffer))
        .unwrap();
    peer.send(b"hello").unwrap();
    let client = take(&port).operation.unwrap();
    client
        .start_send(|client| (&client.socket, &client.buffer[..5]))
        .unwrap();
    let mut answer = [0; 5];
    assert_eq!(peer.recv_all(&mut answer), Ok(5));
    assert_eq!(&answer, b"hello");
    drop(take(&port)); // and with it the socket
    assert_eq!(peer.recv(&mut answer), Ok(0));
}

#[test]
fn receives_are_filled_in_the_order_in_which_they_were_started() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    let operations: Vec<_> = (0..4).map(|_| buffer(&live)).collect();
    let ids: Vec<_> = operations.iter().map(Operation::id).collect();
    for operation in operations {
        receive(&server, operation).unwrap();
    }
    for (index, id) in ids.into_iter().enumerate() {
        client.send(&[index as u8]).unwrap();
        let operation = take(&port).operation.unwrap();
        assert_eq!((operation.id(), operation.data[0]), (id, index as u8));
    }
}

#[test]
fn pieces_are_gathered_and_scattered() {
    struct Message {
        head: [u8; 4],
        body: Vec<u8>,
    }
    let port = CompletionPort::<Message>::new(0).unwrap();
    let (client, server) = pair();
    let (client, server) = (
        port.associate(client, 1).unwrap(),
        port.associate(server, 2).unwrap(),
    );
    let message = Message {
        head: *b"head",
        body: b"and body".into(),
    };
    client
        .start(message.into(), |message| {
            Request::send_vectored([&message.head[..], &message.body])
        })
        .unwrap();
    let sent = take(&port);
    assert_eq!((sent.key, sent.bytes, sent.result), (1, 12, Ok(())));
    let room = Message {
        head: [0; 4],
        body: vec![0; 20],
    };
    server
        .start(room.into(), |room| {
            Request::receive_vectored([&mut room.head[..], &mut room.body])
        })
        .unwrap();
    let received = take(&port);
    assert_eq!((received.key, received.bytes), (2, 12));
    let message = received.operation.unwrap();
    assert_eq!(
        (&message.head, &message.body[..8]),
        (b"head", &b"and body"[..])
    );

    let refused = server
        .start(message, |_| Request::send_vectored([]))
        .unwrap_err();
    assert_eq!(
        (refused.error, &refused.operation.head),
        (Error::INVALID, b"head")
    );
}

#[test]
fn the_end_of_the_conversation_is_a_success_of_no_bytes() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    receive(&server, buffer(&live)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let packet = take(&port);
    assert_eq!((packet.bytes, packet.result), (0, Ok(())));
    assert!(packet.operation.is_some()); // which tells it from a posted packet
}

#[test]
fn a_reset_fails_what_is_under_way() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    receive(&server, buffer(&live)).unwrap();
    client.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let packet = take(&port);
    assert_eq!(packet.result, Err(Error::NETNAME_DELETED));
    assert!(packet.operation.is_some());
}

#[test]
fn a_refused_operation_comes_back_at_once() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let socket = port
        .associate(Socket::stream_for(loopback()).unwrap(), 0)
        .unwrap();
    let mut operation = buffer(&live);
    operation.data[0] = 42;
    let refused = socket
        .start_receive(operation, |buffer| &mut buffer.data)
        .unwrap_err();
    assert_eq!(
        (refused.error, refused.operation.data[0]),
        (Error::NOT_CONNECTED, 42)
    );
    let nothing = port.take(Some(Duration::ZERO)).unwrap();
    assert!(nothing.is_none());
}

#[test]
fn accepts_take_connections_in_turn() {
    let port = CompletionPort::<u8>::new(0).unwrap();
    let listener = port.associate(listener(), 3).unwrap();
    for number in 0..3 {
        listener.start_accept(number.into()).unwrap();
    }
    for number in 0..3 {
        let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
        let packet = take(&port);
        assert_eq!((packet.key, packet.result), (3, Ok(())));
        let mut operation = packet.operation.unwrap();
        assert_eq!(*operation, number);
        let accepted = operation.take_accepted().unwrap();
        assert!(operation.take_accepted().is_none());
        assert_eq!(accepted.peer_addr(), client.local_addr().unwrap());
        assert_eq!(accepted.local_addr(), client.peer_addr().unwrap());
        let server = accepted.into_socket(&listener).unwrap();
        assert_eq!(server.peer_addr(), client.local_addr());
        server.send(&[number]).unwrap();
        let mut answer = [99; 2];
        assert_eq!((client.recv(&mut answer), answer[0]), (Ok(1), number));
        listener.start_accept(operation).unwrap(); // with what it has
    }
}

#[test]
fn a_connect_may_bring_the_first_data() {
    let port = CompletionPort::<&'static [u8]>::new(0).unwrap();
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = port
        .associate(Socket::stream_for(address).unwrap(), 0)
        .unwrap();
    let operation = Operation::new(&b"hello"[..]);
    client
        .start(operation, |data| Request::connect_and_send(address, data))
        .unwrap();
    let packet = take(&port);
    assert_eq!((packet.bytes, packet.result), (5, Ok(())));
    client.finish_connect().unwrap();
    assert_eq!(client.peer_addr(), Ok(address));
    let (server, _) = listener.accept().unwrap();
    let mut heard = [0; 5];
    assert_eq!((server.recv_all(&mut heard), &heard), (Ok(5), b"hello"));
}

#[test]
fn a_connect_may_be_refused_and_tried_again() {
    let port = CompletionPort::<()>::new(0).unwrap();
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let nobody = Socket::stream_for(address).unwrap();
    nobody.bind(loopback()).unwrap(); // a port that is taken, where nobody listens
    let client = port
        .associate(Socket::stream_for(address).unwrap(), 0)
        .unwrap();
    client
        .start_connect(().into(), nobody.local_addr().unwrap())
        .unwrap();
    let packet = take(&port);
    assert_eq!(packet.result, Err(Error::PORT_CONNECTION_REFUSED));
    if under_wine() {
        return; // its second connect fails with WSAECONNABORTED
    }
    client
        .start_connect(packet.operation.unwrap(), address)
        .unwrap();
    assert_eq!(take(&port).result, Ok(()));
}

#[test]
fn cancelled_operations_come_back() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (_client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    let (first, second) = (buffer(&live), buffer(&live));
    let (first_id, second_id) = (first.id(), second.id());
    receive(&server, first).unwrap();
    receive(&server, second).unwrap();
    server.cancel_one(second_id).unwrap();
    let packet = take(&port);
    assert_eq!(packet.result, Err(Error::OPERATION_ABORTED));
    assert_eq!(packet.operation.unwrap().id(), second_id);
    server.cancel().unwrap();
    let packet = take(&port);
    assert_eq!(packet.result, Err(Error::OPERATION_ABORTED));
    assert_eq!(packet.operation.unwrap().id(), first_id);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn dropping_the_socket_brings_back_what_is_under_way() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 5).unwrap();
    receive(&server, buffer(&live)).unwrap();
    drop(server);
    let packet = take(&port);
    assert_eq!(packet.key, 5);
    assert!(packet.result.is_err()); // Windows: PORT_CONNECTION_ABORTED; Wine has a number of its own
    drop(packet);
    assert_eq!(live.load(SeqCst), 0);
    assert_eq!(client.recv(&mut [0; 1]), Ok(0));
}

#[test]
fn dropping_the_listener_brings_back_its_accepts() {
    let port = CompletionPort::<()>::new(0).unwrap();
    let listener = port.associate(listener(), 0).unwrap();
    listener.start_accept(().into()).unwrap();
    listener.start_accept(().into()).unwrap();
    drop(listener);
    for _ in 0..2 {
        let packet = take(&port);
        assert_eq!(packet.result, Err(Error::OPERATION_ABORTED));
        assert!(packet.operation.unwrap().take_accepted().is_none());
    }
}

#[test]
fn dropping_the_port_drops_what_is_under_way() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    let listener = port.associate(listener(), 0).unwrap();
    for _ in 0..3 {
        receive(&server, buffer(&live)).unwrap();
        listener.start_accept(buffer(&live)).unwrap();
        port.post_operation(buffer(&live), 0, 0).unwrap();
    }
    port.post(1, 2).unwrap();
    assert_eq!(live.load(SeqCst), 9);
    drop(port);
    assert_eq!(live.load(SeqCst), 0);

    // What is left of the sockets: calls that block, and a refusal of everything else.
    client.send(b"hello").unwrap();
    assert_eq!(server.recv(&mut [0; 9]), Ok(5));
    let refused = server
        .start_receive(buffer(&live), |buffer| &mut buffer.data)
        .unwrap_err();
    assert_eq!(refused.error, Error::ABANDONED_WAIT);
    let refused = listener.start_accept(refused.operation).unwrap_err();
    assert_eq!(refused.error, Error::ABANDONED_WAIT);
    drop(refused);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn dropping_the_port_closes_sockets_that_are_owned_by_operations() {
    struct Client {
        socket: AssociatedSocket<Client>,
        buffer: [u8; 8],
    }
    let port = CompletionPort::<Client>::new(0).unwrap();
    let (peer, socket) = pair();
    let client = Client {
        socket: port.associate(socket, 0).unwrap(),
        buffer: [0; 8],
    };
    Operation::new(client)
        .start_receive(|client| (&client.socket, &mut client.buffer))
        .unwrap();
    drop(port);
    assert!(matches!(peer.recv(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn dropping_the_port_takes_what_finished_before() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    receive(&server, buffer(&live)).unwrap();
    client.send(b"x").unwrap();
    drop(server);
    drop(client);
    drop(port);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn a_panic_on_the_way_drops_the_operation() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (client, server) = pair();
    let server = port.associate(server, 0).unwrap();
    let start = || server.start_receive(buffer(&live), |_| panic!("no buffer"));
    assert!(catch_unwind(AssertUnwindSafe(start)).is_err());
    assert_eq!(live.load(SeqCst), 0);
    receive(&server, buffer(&live)).unwrap();
    client.send(b"x").unwrap();
    assert_eq!(take(&port).bytes, 1);
}

#[test]
fn posted_packets_are_never_taken_for_operations() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let operation = buffer(&live);
    let address = &raw const *operation as usize;
    port.post(address, address as u32).unwrap(); // numbers that look like one
    let packet = take(&port);
    assert_eq!((packet.key, packet.bytes), (address, address as u32));
    assert!(packet.operation.is_none());

    port.post_operation(operation, 1, 2).unwrap();
    let packet = take(&port);
    assert_eq!((packet.key, packet.bytes, packet.result), (1, 2, Ok(())));
    assert_eq!(&raw const *packet.operation.unwrap() as usize, address);
}

#[test]
fn packets_leave_in_the_order_they_came() {
    let port = CompletionPort::<()>::new(1).unwrap();
    for number in 0..100 {
        port.post(number, 0).unwrap();
    }
    for number in 0..100 {
        assert_eq!(take(&port).key, number);
    }
    assert!(port.take(Some(Duration::ZERO)).unwrap().is_none());
}

#[test]
fn failures_of_many_are_told_one_by_one() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let (_client, server) = pair();
    let server = port.associate(server, 4).unwrap();
    for _ in 0..3 {
        receive(&server, buffer(&live)).unwrap();
    }
    server.cancel().unwrap();
    port.post(9, 1).unwrap();
    let mut packets = Vec::new();
    while packets.len() < 4 {
        assert_ne!(port.take_many(&mut packets, Some(DEADLINE)), Ok(0));
    }
    for packet in &packets[..3] {
        assert_eq!(
            (packet.key, packet.result),
            (4, Err(Error::OPERATION_ABORTED))
        );
        assert!(packet.operation.is_some());
    }
    assert_eq!((packets[3].key, packets[3].result), (9, Ok(())));
    assert!(packets[3].operation.is_none());
}

#[test]
fn workers_share_the_connections() {
    const CLIENTS: usize = 8;
    const MESSAGES: usize = 200;
    const QUIT: usize = usize::MAX;
    struct Client {
        socket: AssociatedSocket<Client>,
        buffer: [u8; 64],
        received: bool,
    }
    let port = CompletionPort::<Client>::new(2).unwrap();
    let work = || {
        while let Some(packet) = port.take(None).unwrap() {
            let Some(mut client) = packet.operation else {
                assert_eq!(packet.key, QUIT);
                return;
            };
            if packet.result.is_err() || (client.received && packet.bytes == 0) {
                continue; // the client is gone, and so is its socket
            }
            client.received = !client.received;
            let length = packet.bytes as usize;
            let started = match client.received {
                true => client.start_receive(|client| (&client.socket, &mut client.buffer)),
                false => client.start_send(|client| (&client.socket, &client.buffer[..length])),
            };
            started.unwrap();
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (peer, socket) = pair();
                let client = Client {
                    socket: port.associate(socket, 0).unwrap(),
                    buffer: [0; 64],
                    received: true,
                };
                Operation::new(client)
                    .start_receive(|client| (&client.socket, &mut client.buffer))
                    .unwrap();
                scope.spawn(move || {
                    for message in 0..MESSAGES {
                        let sent = [message as u8; 33];
                        let mut answer = [0; 33];
                        peer.send(&sent).unwrap();
                        assert_eq!((peer.recv_all(&mut answer), answer), (Ok(33), sent));
                    }
                })
            })
            .collect();
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
        workers.iter().for_each(|_| port.post(QUIT, 0).unwrap());
    });
}

/// Whatever is dropped first, while others are at work: nothing is lost, and nothing is used that is gone.
#[test]
fn anything_may_be_dropped_at_any_time() {
    for seed in 0..200_u64 {
        let live = Arc::default();
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let port = Port::new(2).unwrap();
        let (client, server) = pair();
        let server = port.associate(server, 0).unwrap();
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                while let Some(packet) = port.take(None).unwrap() {
                    match packet.operation {
                        None => return,
                        // Wine tells nothing of operations whose thread has ended.
                        Some(operation) if next(2) == 0 && !under_wine() => {
                            let _ = receive(&server, operation); // a socket that is reset refuses
                        }
                        Some(operation) => drop(operation),
                    }
                }
            });
            for _ in 0..seed % 8 {
                let _ = receive(&server, buffer(&live));
                let _ = client.send(b"xy");
                if seed % 3 == 0 {
                    let _ = server.cancel();
                }
            }
            if seed % 5 == 0 {
                let _ = client.set_linger(Some(Duration::ZERO));
            }
            drop(client);
            port.post(0, 0).unwrap();
            worker.join().unwrap();
        });
        if seed % 2 == 0 {
            drop(server);
            drop(port);
        } else {
            drop(port);
            drop(server);
        }
        assert_eq!(live.load(SeqCst), 0, "seed {seed}");
    }
}

#[test]
fn a_port_may_be_dropped_while_others_start_operations() {
    for _ in 0..50 {
        let live = Arc::default();
        let port = Arc::new(Port::new(2).unwrap());
        let (_client, server) = pair();
        let server = port.associate(server, 0).unwrap();
        let dropped = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                while receive(&server, buffer(&live)).is_ok() {}
                dropped.wait(); // refused from now on; Wine tells nothing of operations whose thread has ended
            });
            thread::yield_now();
            drop(port); // the last reference
            dropped.wait();
        });
        assert_eq!(live.load(SeqCst), 0);
    }
}
