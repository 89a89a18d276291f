//! Datagrams through one completion port with several workers: nothing is lost, and each socket keeps its order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

/// Datagrams that a client has on their way at most: as many as any receive buffer holds.
const WINDOW: usize = 16;

/// Receives that a socket has posted.
const POSTED: usize = 4;

const WORKERS: u32 = 2;

/// The key of the packet that ends a worker.
const STOP: usize = usize::MAX;

/// A receive, and after it the send of the same datagram.
struct Slot {
    letter: Letter,
    answer: Mutex<Option<(Request, Address)>>, // while its send is under way
    order: AtomicUsize, // the number of its receive among those of the socket
}

/// One socket of the relay: its slots, and what each receive in the order of posting got.
struct Door {
    socket: Socket,
    slots: Vec<Slot>,
    posting: Mutex<usize>, // receives posted so far: numbering and posting are one step
    got: Mutex<Vec<(usize, u32)>>,
}

struct Relay {
    port: Port,
    doors: Vec<Door>,
    stopped: AtomicBool,
}

impl Door {
    fn post(&self, slot: &Slot) {
        let mut posted = self.posting.lock().unwrap();
        slot.order.store(*posted, SeqCst);
        *posted += 1;
        let started = self.socket.receive_from(&slot.letter);
        assert!(started.is_ok(), "{started:?}");
    }
}

impl Relay {
    /// One that sends every datagram back to its sender.
    fn new(doors: usize) -> Arc<Relay> {
        let port = Port::new(WORKERS);
        let door = |key| {
            let socket = udp_bound(Family::V4);
            port.associate(socket.handle(), key);
            let slot = |_| Slot {
                letter: Letter::new(64),
                answer: Mutex::new(None),
                order: AtomicUsize::new(0),
            };
            Door {
                socket,
                slots: (0..POSTED).map(slot).collect(),
                posting: Mutex::new(0),
                got: Mutex::new(Vec::new()),
            }
        };
        let doors = (0..doors).map(door).collect();
        let stopped = AtomicBool::new(false);
        let relay = Relay {
            port,
            doors,
            stopped,
        };
        for door in &relay.doors {
            for slot in &door.slots {
                door.post(slot);
            }
        }
        Arc::new(relay)
    }

    fn work(&self) {
        loop {
            let taken = self.port.take(DEADLINE_MS);
            let packet = match taken {
                Taken::Packet(packet) if packet.key == STOP => return,
                Taken::Packet(packet) => packet,
                Taken::Failed(_, ERROR_OPERATION_ABORTED) if self.stopped.load(SeqCst) => continue,
                other => panic!("{other:?}"),
            };
            self.handle(&self.doors[packet.key], packet);
        }
    }

    fn handle(&self, door: &Door, packet: Packet) {
        let of_receive = |slot: &&Slot| slot.letter.overlapped() as usize == packet.overlapped;
        let Some(slot) = door.slots.iter().find(of_receive) else {
            return self.sent(door, packet);
        };
        let data = slot.letter.received().to_vec();
        assert_eq!(data.len(), packet.bytes as usize);
        let number = u32::from_ne_bytes(data[..4].try_into().unwrap());
        let order = slot.order.load(SeqCst);
        door.got.lock().unwrap().push((order, number));
        let to = slot.letter.sender().into();
        let mut answer = slot.answer.lock().unwrap();
        let (request, to) = answer.insert((Request::from_data(&data), to));
        let started = door.socket.send_request_to(request, to);
        assert!(started.is_ok(), "{started:?}");
    }

    fn sent(&self, door: &Door, packet: Packet) {
        let of_send = |slot: &&Slot| {
            let answer = slot.answer.lock().unwrap();
            let overlapped = answer
                .as_ref()
                .map(|(answer, _)| answer.overlapped() as usize);
            overlapped == Some(packet.overlapped)
        };
        let slot = door.slots.iter().find(of_send).expect("a send of a slot");
        *slot.answer.lock().unwrap() = None;
        door.post(slot);
    }
}

/// Sends numbered datagrams and takes them back, a window at a time; every one comes.
fn client(door: Address, count: u32) {
    let socket = udp_bound(Family::V4);
    let limit = DEADLINE_MS as i32;
    socket.set_option(SOL_SOCKET, SO_RCVTIMEO, limit).unwrap();
    for first in (0..count).step_by(WINDOW) {
        let window = first..(first + WINDOW as u32).min(count);
        for number in window.clone() {
            assert_eq!(socket.send_to(&number.to_ne_bytes(), &door), Ok(4));
        }
        let take = |_| {
            let (data, from) = socket.recv_from(64).expect("an answer");
            assert_eq!(from, door.get());
            u32::from_ne_bytes(data[..4].try_into().unwrap())
        };
        let mut back: Vec<_> = window.clone().map(take).collect();
        back.sort_unstable(); // two workers answer side by side
        assert_eq!(back, window.collect::<Vec<_>>());
    }
}

/// A relay over one port with two workers and several receives on each socket: every datagram comes back, and the
/// receives of a socket took its datagrams in the order they were posted.
/// Source: "I/O Completion Ports" and WSARecvFrom (receives are filled in the order they were posted).
#[test]
fn relay_loses_nothing_and_keeps_the_order() {
    let _watch = watch();
    const DOORS: usize = 6;
    const COUNT: u32 = 500;
    let relay = Relay::new(DOORS);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let relay = relay.clone();
            spawn(move || relay.work())
        })
        .collect();
    let clients: Vec<_> = relay
        .doors
        .iter()
        .map(|door| {
            let address = address_of(*door.socket);
            spawn(move || client(address, COUNT))
        })
        .collect();
    join_all(clients);
    relay.stopped.store(true, SeqCst);
    for _ in 0..WORKERS {
        relay.port.post(packet(0, STOP, 0));
    }
    join_all(workers);
    for door in &relay.doors {
        let mut got = door.got.lock().unwrap().clone();
        got.sort_unstable();
        let expected: Vec<_> = (0..COUNT).map(|number| (number as usize, number)).collect();
        assert_eq!(got, expected);
    }
}

/// Datagrams of several clients to one socket, whose receives two workers post: each client's come in its order.
/// Source: WSARecvFrom (receives are filled in the order they were posted).
#[test]
fn one_socket_serves_many_clients() {
    let _watch = watch();
    const CLIENTS: usize = 4;
    const COUNT: u32 = 400;
    let relay = Relay::new(1);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let relay = relay.clone();
            spawn(move || relay.work())
        })
        .collect();
    let address = address_of(*relay.doors[0].socket);
    join_all((0..CLIENTS).map(|_| spawn(move || client(address, COUNT))));
    relay.stopped.store(true, SeqCst);
    for _ in 0..WORKERS {
        relay.port.post(packet(0, STOP, 0));
    }
    join_all(workers);
    let got = relay.doors[0].got.lock().unwrap().len();
    assert_eq!(got, CLIENTS * COUNT as usize);
}

/// Receives of many sockets that are served together end each as it would alone: a datagram, one that was cut, a message
/// with control data, a failure told by ICMP.
/// Source: WSARecvFrom and WSARecvMsg; I/O completion ports.
#[test]
fn sockets_served_together_keep_their_outcomes() {
    let _watch = watch();
    const SOCKETS: usize = 40;
    for _ in 0..20 {
        let port = Port::new(1);
        let (_holders, nobody) = deaf_address(Family::V4);
        let sender = udp_bound(Family::V4);
        let sockets: Vec<_> = (0..SOCKETS).map(|_| udp_bound(Family::V4)).collect();
        for (key, socket) in sockets.iter().enumerate() {
            port.associate(socket.handle(), key);
            socket.set_option(IPPROTO_IP, IP_PKTINFO, 1).unwrap();
        }
        let letters: Vec<_> = (0..SOCKETS).map(|_| Letter::new(4)).collect();
        let messages: Vec<_> = (0..SOCKETS).map(|_| Message::new(8, 64)).collect();
        for (index, socket) in sockets.iter().enumerate() {
            let started = match index % 2 {
                0 => socket.receive_from(&letters[index]),
                _ => messages[index].start_receive(**socket, None),
            };
            assert_eq!(started, PENDING);
        }
        for (index, socket) in sockets.iter().enumerate() {
            let len = if index % 4 == 0 { 6 } else { 3 };
            match index % 5 {
                4 => socket.send_to(b"x", &nobody),
                _ => sender.send_to(&b"abcdef"[..len], &address_of(**socket)),
            }
            .unwrap();
        }
        let mut outcomes = vec![None; SOCKETS];
        let told = |index: usize| !under_wine() || index % 5 != 4; // it does not tell of ICMP
        for _ in (0..SOCKETS).filter(|index| told(*index)) {
            let taken = next(&port);
            let (Taken::Packet(packet) | Taken::Failed(packet, _)) = taken else {
                panic!("{taken:?}");
            };
            assert_eq!(outcomes[packet.key].replace(taken), None);
        }
        let from = sender.local_address().unwrap();
        for index in (0..SOCKETS).filter(|index| told(*index)) {
            let (letter, message) = (&letters[index], &messages[index]);
            let request: &Request = if index % 2 == 0 { letter } else { message };
            let expected = match (index % 5, index % 4) {
                (4, _) => request.failure(index, ERROR_PORT_UNREACHABLE),
                (_, 0) => cut(request, index, 4),
                _ => request.success(index, 3),
            };
            assert_eq!(outcomes[index], Some(expected), "socket {index}");
            if index % 5 == 4 {
                assert!(index % 2 == 1 || letter.has_no_sender());
            } else if index % 2 == 0 {
                assert_eq!(letter.sender(), from);
            } else {
                assert_eq!((message.sender(), message.control_len()), (from, 24));
            }
        }
    }
}
