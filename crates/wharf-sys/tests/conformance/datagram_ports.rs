//! Datagrams through one completion port with several workers: nothing is lost, and each socket keeps its order.

use std::net::SocketAddr;
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

/// A socket that datagrams come in by: its slots, and what each receive in the order of posting got from whom.
struct Door {
    socket: Socket,
    out: Option<(Socket, Address)>, // by which they leave, and where to; without it, back to their senders
    slots: Vec<Slot>,
    posting: Mutex<usize>, // receives posted so far: numbering and posting are one step
    got: Mutex<Vec<(usize, SocketAddr, u32)>>,
}

/// A server of datagrams.
struct Server {
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

/// Every receive buffer holds a window of every client.
const RECEIVE_BUFFER: i32 = 1 << 18;

impl Server {
    /// One that sends every datagram back to its sender.
    fn echo(doors: usize) -> Arc<Server> {
        Server::new(POSTED, (0..doors).map(|_| None).collect())
    }

    /// One with a door for each of `targets`, and so many receives posted at each: what comes in by one goes to its target,
    /// from another socket of the same port, or back to its sender.
    fn new(posted: usize, targets: Vec<Option<Address>>) -> Arc<Server> {
        let port = Port::new(WORKERS);
        let bound = |key| {
            let socket = udp_bound(Family::V4);
            socket
                .set_option(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
                .unwrap();
            port.associate(socket.handle(), key);
            socket
        };
        let door = |(key, target): (usize, Option<Address>)| {
            let socket = bound(key);
            let out = target.map(|target| (bound(key), target));
            let slot = |_| Slot {
                letter: Letter::new(64),
                answer: Mutex::new(None),
                order: AtomicUsize::new(0),
            };
            Door {
                socket,
                out,
                slots: (0..posted).map(slot).collect(),
                posting: Mutex::new(0),
                got: Mutex::new(Vec::new()),
            }
        };
        let doors = targets.into_iter().enumerate().map(door).collect();
        let stopped = AtomicBool::new(false);
        let server = Server {
            port,
            doors,
            stopped,
        };
        for door in &server.doors {
            for slot in &door.slots {
                door.post(slot);
            }
        }
        Arc::new(server)
    }

    /// Serves until all `clients` are done.
    fn serve(self: &Arc<Self>, clients: impl IntoIterator<Item = Worker<()>>) {
        let work = |_| {
            let server = self.clone();
            spawn(move || server.work())
        };
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        join_all(clients);
        self.stopped.store(true, SeqCst);
        for _ in 0..WORKERS {
            self.port.post(packet(0, STOP, 0));
        }
        join_all(workers);
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
        let sender = slot.letter.sender();
        door.got.lock().unwrap().push((order, sender, number));
        let (out, to) = match &door.out {
            Some((out, target)) => (out, *target),
            None => (&door.socket, sender.into()),
        };
        let mut answer = slot.answer.lock().unwrap();
        let (request, to) = answer.insert((Request::from_data(&data), to));
        let started = out.send_request_to(request, to);
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

/// Sends numbered datagrams to `door` and takes them back, a window at a time; every one comes, from `door` or another socket,
/// and if `in_order` as they were sent.
fn client(socket: Socket, door: Address, count: u32, window: usize, in_order: bool) {
    let limit = DEADLINE_MS as i32;
    socket.set_option(SOL_SOCKET, SO_RCVTIMEO, limit).unwrap();
    for first in (0..count).step_by(window) {
        let window = first..(first + window as u32).min(count);
        for number in window.clone() {
            assert_eq!(socket.send_to(&number.to_ne_bytes(), &door), Ok(4));
        }
        let take = |_| {
            let (data, _) = socket.recv_from(64).expect("an answer");
            u32::from_ne_bytes(data[..4].try_into().unwrap())
        };
        let mut back: Vec<_> = window.clone().map(take).collect();
        if !in_order {
            back.sort_unstable(); // two workers answer side by side
        }
        assert_eq!(back, window.collect::<Vec<_>>());
    }
}

fn numbered(count: u32) -> Vec<(usize, u32)> {
    (0..count).map(|number| (number as usize, number)).collect()
}

/// What the receives of a door got, in the order they were posted.
fn got_in_order(door: &Door) -> Vec<(usize, SocketAddr, u32)> {
    let mut got = door.got.lock().unwrap().clone();
    got.sort_unstable();
    got
}

/// An echo over one port with two workers and several receives on each of several sockets: every datagram comes back, and the
/// receives of a socket took its datagrams in the order they were posted.
/// Source: "I/O Completion Ports" and WSARecvFrom (receives are filled in the order they were posted).
#[test]
fn echo_loses_nothing_and_keeps_the_order() {
    let _watch = watch();
    const DOORS: usize = 6;
    const COUNT: u32 = 500;
    let server = Server::echo(DOORS);
    server.serve(server.doors.iter().map(|door| {
        let address = address_of(*door.socket);
        spawn(move || client(udp_bound(Family::V4), address, COUNT, WINDOW, false))
    }));
    for door in &server.doors {
        let got = got_in_order(door).into_iter();
        let got: Vec<_> = got.map(|(order, _, number)| (order, number)).collect();
        assert_eq!(got, numbered(COUNT));
    }
}

/// An echo of several clients' datagrams over one socket, whose receives two workers post: every datagram comes back, and
/// the receives took each client's in its order.
/// Source: WSARecvFrom (receives are filled in the order they were posted).
#[test]
fn one_socket_serves_many_clients() {
    let _watch = watch();
    const CLIENTS: usize = 4;
    const COUNT: u32 = 400;
    for posted in [1, POSTED, 64] {
        let server = Server::new(posted, vec![None]);
        let address = address_of(*server.doors[0].socket);
        let clients = (0..CLIENTS).map(|_| udp_bound(Family::V4));
        let clients: Vec<_> = clients
            .map(|socket| (socket.local_address().unwrap(), socket))
            .collect();
        let addresses: Vec<_> = clients.iter().map(|(address, _)| *address).collect();
        server.serve(clients.into_iter().map(|(_, socket)| {
            // With one receive, posted after the send, the answers keep the order too.
            spawn(move || client(socket, address, COUNT, WINDOW, posted == 1))
        }));
        let got = got_in_order(&server.doors[0]);
        assert_eq!(got.len(), CLIENTS * COUNT as usize);
        for address in addresses {
            let own = got.iter().filter(|(_, sender, _)| *sender == address);
            assert!(own.map(|(_, _, number)| *number).eq(0..COUNT));
        }
    }
}

/// A relay over one port with two workers: what comes in by one socket leaves by another. Every datagram arrives, the
/// receives took them in the order they were posted, and with one receive at a time, posted when its datagram was sent on,
/// they arrive in the order they were sent.
/// Source: "I/O Completion Ports", WSARecvFrom and WSASendTo.
#[test]
fn relay_loses_nothing_and_keeps_the_order() {
    let _watch = watch();
    const DOORS: usize = 4;
    const COUNT: u32 = 500;
    for posted in [1, POSTED, 64] {
        let clients: Vec<_> = (0..DOORS).map(|_| udp_bound(Family::V4)).collect();
        let targets = clients.iter().map(|socket| Some(address_of(**socket)));
        let server = Server::new(posted, targets.collect());
        server.serve(
            clients
                .into_iter()
                .zip(&server.doors)
                .map(|(socket, door)| {
                    let address = address_of(*door.socket);
                    spawn(move || client(socket, address, COUNT, WINDOW, posted == 1))
                }),
        );
        for door in &server.doors {
            let got = got_in_order(door).into_iter();
            let got: Vec<_> = got.map(|(order, _, number)| (order, number)).collect();
            assert_eq!(got, numbered(COUNT));
        }
    }
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
