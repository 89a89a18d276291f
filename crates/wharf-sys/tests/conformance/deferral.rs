//! A worker that has more packets to see to sends, and then does something else: computes, closes, cancels, exits.
//!
//! An implementation may put such a send off for a moment, to pass several to the system together. Whether it does must not
//! be seen: a send that was accepted has gone, whatever comes after it.
//!
//! Source throughout: WSASend, "Overlapped Socket I/O": the system's transport has taken the data over when the call
//! returns, in the order of the calls.

use std::collections::VecDeque;
use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::{env, thread};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x5e;
const PACKET: Packet = packet(0, 7, 0);

/// A port of which the calling thread is a worker that runs, while packets are queued for it.
fn busy_port() -> Port {
    startup();
    let port = Port::new(1);
    (0..3).for_each(|_| port.post(PACKET));
    assert_eq!(port.take(0), Taken::Packet(PACKET));
    port
}

/// The same, and a connection whose server end is associated with it.
fn busy() -> (Port, Pair) {
    let port = busy_port();
    let pair = connected_pair(Family::V4);
    port.associate(pair.server.handle(), KEY);
    (port, pair)
}

/// WSASend, which may be done at once or later.
#[track_caller]
fn send(socket: Raw, data: &[u8]) -> Request {
    let request = Request::from_data(data);
    let answer = socket.send_request(&request);
    assert!(
        answer == done(data.len() as u32) || answer == PENDING,
        "{answer:?}"
    );
    request
}

/// What the peer receives, found out by another thread, so that the calling one can compute meanwhile.
struct Peer(mpsc::Receiver<Vec<u8>>);

impl Peer {
    fn of(client: Raw, len: usize) -> Peer {
        Peer::new(move || client.recv_exact(len))
    }

    /// Everything up to the end of the stream.
    fn to_the_end_of(client: Raw) -> Peer {
        Peer::new(move || {
            let mut all = Vec::new();
            while let Some(some) = client
                .recv_some(1 << 12)
                .ok()
                .filter(|some| !some.is_empty())
            {
                all.extend(some);
            }
            all
        })
    }

    fn new(receive: impl FnOnce() -> Vec<u8> + Send + 'static) -> Peer {
        let (done, outcome) = mpsc::channel();
        // A test that failed meanwhile does not wait for the outcome.
        thread::spawn(move || drop(done.send(receive())));
        Peer(outcome)
    }

    /// Computes until the peer has everything.
    #[track_caller]
    fn has(self, data: &[u8]) {
        let mut received = None;
        compute_until("the peer has the data", || {
            received = self.0.try_recv().ok();
            received.is_some()
        });
        assert_eq!(received.as_deref(), Some(data));
    }
}

/// Takes packets until all of these requests were reported, once each, as successes.
#[track_caller]
fn expect_reported(port: &Port, requests: &[Request]) {
    let mut left: VecDeque<_> = requests.iter().collect();
    while let Some(next) = left.front() {
        match port.take_packet() {
            PACKET => {}
            packet => {
                assert_eq!(Taken::Packet(packet), next.success(KEY, next.capacity()));
                left.pop_front();
            }
        }
    }
    while port.take(0) == Taken::Packet(PACKET) {}
    assert_empty(port);
}

/// The peer has what a handler sent although the handler computes for ever.
#[test]
fn sends_leave_while_the_worker_computes() {
    let _watch = watch();
    let (port, pair) = busy();
    let requests = [send(*pair.server, b"one"), send(*pair.server, b"two")];
    Peer::of(*pair.client, 6).has(b"onetwo");
    expect_reported(&port, &requests);
}

/// The same for a handler that serves many connections, and for one that sends often.
#[test]
fn many_sends_leave_while_the_worker_computes() {
    let _watch = watch();
    let port = busy_port();
    let listener = Listener::new(Family::V4);
    let pairs: Vec<_> = (0..100).map(|_| listener.pair()).collect();
    for pair in &pairs {
        port.associate(pair.server.handle(), KEY);
    }
    let mut requests: Vec<_> = pairs.iter().map(|pair| send(*pair.server, b"x")).collect();
    let text: Vec<u8> = (0..=255).cycle().take(500).collect();
    requests.extend(text.iter().map(|byte| send(*pairs[0].server, &[*byte])));
    for pair in &pairs[1..] {
        Peer::of(*pair.client, 1).has(b"x");
    }
    Peer::of(*pairs[0].client, 501).has(&[b"x", &text[..]].concat());
    until("all are finished", || {
        requests.iter().all(Request::is_finished)
    });
}

/// A handler may look at the status block until the send is finished.
#[test]
fn the_status_block_becomes_final_while_the_worker_computes() {
    let _watch = watch();
    let (port, pair) = busy();
    let request = send(*pair.server, b"x");
    request.until_finished();
    assert!(request.has_status(STATUS_SUCCESS) && request.internal_high() == 1);
    assert_eq!(pair.server.result(&request, true), Ok((1, 0)));
    expect_reported(&port, &[request]);
}

/// Waiting for the one operation is a wait like any other.
/// Source: WSAGetOverlappedResult.
#[test]
fn the_result_can_be_waited_for() {
    let _watch = watch();
    let (port, pair) = busy();
    let request = send(*pair.server, b"x");
    assert_eq!(pair.server.result(&request, true), Ok((1, 0)));
    expect_reported(&port, &[request]);
}

/// Sends of all kinds leave in the order of the calls.
#[test]
fn sends_of_all_kinds_keep_their_order() {
    let _watch = watch();
    let (port, pair) = busy();
    let mut requests = Vec::new();
    let mut expected = Vec::new();
    for (round, non_blocking) in [false, true, false, true].into_iter().enumerate() {
        pair.server.set_non_blocking(non_blocking);
        for digit in *b"123" {
            requests.push(send(*pair.server, &[digit, round as u8]));
            expected.extend([digit, round as u8]);
        }
        // However full the queue is: the connection takes it.
        assert_eq!(pair.server.send(b"synchronous"), Ok(11));
        expected.extend(b"synchronous");
        requests.push(send(*pair.server, b"after"));
        expected.extend(b"after");
    }
    Peer::of(*pair.client, expected.len()).has(&expected);
    expect_reported(&port, &requests);
}

/// A non-blocking send after an overlapped one has room, so it is not WSAEWOULDBLOCK; also while another worker runs out of
/// packets.
/// Source: send, WSAEWOULDBLOCK.
#[test]
fn non_blocking_send_has_room() {
    let _watch = watch();
    beside_another_worker(|socket, _| {
        socket.set_non_blocking(true);
        let requests = vec![send(*socket, b"a"), send(*socket, b"b")];
        assert_eq!(socket.send(b"c"), Ok(1));
        (Some(socket), requests, b"abc".to_vec())
    });
}

/// After shutdown(SD_SEND) come the data and the end of the stream.
/// Source: shutdown.
#[test]
fn shutdown_comes_after_the_data() {
    let _watch = watch();
    let (port, pair) = busy();
    let requests = [send(*pair.server, b"last "), send(*pair.server, b"words")];
    assert_eq!(pair.server.shutdown(SD_SEND), Ok(()));
    Peer::to_the_end_of(*pair.client).has(b"last words");
    expect_reported(&port, &requests);
}

/// A graceful close sends what was accepted before it, with or without waiting for it.
/// Source: closesocket.
#[test]
fn close_comes_after_the_data() {
    let _watch = watch();
    for (linger, non_blocking) in [(None, false), (None, true), (Some(30), false)] {
        let (port, pair) = busy();
        if let Some(seconds) = linger {
            pair.server.set_linger(true, seconds);
        }
        pair.server.set_non_blocking(non_blocking);
        let requests = [send(*pair.server, b"last "), send(*pair.server, b"words")];
        assert_eq!(pair.server.close(), Ok(()));
        Peer::to_the_end_of(*pair.client).has(b"last words");
        expect_reported(&port, &requests);
    }
}

/// A close beside another worker, which runs out of packets at that moment.
/// Source: closesocket.
#[test]
fn close_comes_after_the_data_beside_another_worker() {
    let _watch = watch();
    beside_another_worker(|socket, pause| {
        let requests = vec![send(*socket, b"last "), send(*socket, b"words")];
        (0..pause).for_each(|_| std::hint::spin_loop());
        assert_eq!(socket.close(), Ok(()));
        (None, requests, b"last words".to_vec())
    });
}

/// An abortive close does not undo a send: it is reported as the success it was.
/// Source: closesocket, l_linger 0.
#[test]
fn abortive_close_comes_after_the_send() {
    let _watch = watch();
    let (port, pair) = busy();
    pair.server.set_linger(true, 0);
    let requests = [send(*pair.server, b"lost?")];
    assert_eq!(pair.server.close(), Ok(()));
    expect_reported(&port, &requests);
    until(
        "the connection is reset",
        || !matches!(pair.client.recv_some(16), Ok(some) if !some.is_empty()),
    );
}

/// There is nothing left to cancel of a send that the connection had room for.
/// Source: CancelIoEx.
#[test]
fn cancelling_comes_too_late() {
    let _watch = watch();
    let (port, pair) = busy();
    let one = send(*pair.server, b"one");
    let _ = pair.server.cancel(&one); // TRUE if the packet-to-be counts as pending
    let two = send(*pair.server, b"two");
    let _ = pair.server.cancel_all();
    let three = send(*pair.server, b"three");
    let _ = pair.server.cancel_mine();
    Peer::of(*pair.client, 11).has(b"onetwothree");
    expect_reported(&port, &[one, two, three]);
}

/// select finds the socket writable at once.
/// Source: select, writefds.
#[test]
fn the_socket_stays_writable() {
    let _watch = watch();
    let (port, pair) = busy();
    let request = send(*pair.server, b"x");
    let mut write = FD_SET {
        fd_count: 1,
        fd_array: [0; 64],
    };
    write.fd_array[0] = pair.server.0;
    let none = std::ptr::null_mut();
    let at_once = TIMEVAL {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: both structures live through the call; null sets are left out.
    let ready = unsafe { select(0, none, &mut write, none, &at_once) };
    assert_eq!(ready, 1);
    expect_reported(&port, &[request]);
}

/// With FILE_SKIP_COMPLETION_PORT_ON_SUCCESS a packet comes exactly for sends that answered WSA_IO_PENDING.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn packets_are_skipped_for_sends_done_at_once() {
    let _watch = watch();
    let (port, pair) = busy();
    let modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(pair.server.set_notification_modes(modes), Ok(()));
    let requests: Vec<_> = (0..10).map(|_| Request::from_data(b"x")).collect();
    let answers: Vec<_> = requests
        .iter()
        .map(|request| pair.server.send_request(request))
        .collect();
    Peer::of(*pair.client, 10).has(&[b'x'; 10]);
    let pending = requests
        .into_iter()
        .zip(answers)
        .filter_map(|(request, answer)| match answer {
            PENDING => Some(request),
            answer => {
                assert_eq!(answer, done(1));
                request.until_finished();
                None
            }
        });
    expect_reported(&port, &pending.collect::<Vec<_>>());
}

/// hEvent tells, with or without its low bit, while the worker computes.
/// Source: GetQueuedCompletionStatus, hEvent with its low bit set.
#[test]
fn events_tell_while_the_worker_computes() {
    let _watch = watch();
    let (port, pair) = busy();
    let event = Event::manual();
    for low_bit in [0, 1] {
        event.reset();
        let tagged = (event.raw() as usize | low_bit) as HANDLE;
        let request = Request::from_data(b"x").with_event(tagged);
        assert!(pair.server.send_request(&request).is_ok());
        request.until_finished();
        assert!(event.wait(DEADLINE_MS));
        Peer::of(*pair.client, 1).has(b"x");
        if low_bit == 0 {
            expect_reported(&port, &[request]);
        }
    }
    assert_empty(&port);
}

/// A batch of packets taken at once is answered connection by connection.
/// Source: GetQueuedCompletionStatusEx.
#[test]
fn sends_leave_after_several_packets_were_taken() {
    let _watch = watch();
    let (port, pair) = busy();
    for count in [1, 8] {
        port.post(PACKET);
        assert!(port.take_many(count, 0, false).is_ok());
        let request = send(*pair.server, b"x");
        Peer::of(*pair.client, 1).has(b"x");
        drop(request);
    }
}

/// Datagrams go to whom the socket was connected when they were sent.
/// Source: connect, datagram sockets.
#[test]
fn datagrams_go_where_the_socket_was_connected() {
    let _watch = watch();
    let port = busy_port();
    let datagram = || Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    let peers = [datagram(), datagram()];
    let addresses = peers.each_ref().map(|peer| {
        peer.bind(&Family::V4.loopback(0)).unwrap();
        Address::from(peer.local_address().unwrap())
    });
    let sender = datagram();
    assert_eq!(sender.connect(&addresses[0]), Ok(()));
    port.associate(sender.handle(), KEY);
    let requests = [send(*sender, b"first"), send(*sender, b"first")];
    assert_eq!(sender.connect(&addresses[1]), Ok(()));
    Peer::of(*peers[0], 5).has(b"first");
    Peer::of(*peers[0], 5).has(b"first");
    expect_reported(&port, &requests);
}

/// A worker may leave in any way.
#[test]
fn sends_leave_when_the_worker_does() {
    let _watch = watch();
    let ways: [fn(&Port); 4] = [
        |_| {}, // its thread ends
        |port| port.close(),
        // SAFETY: takes no pointers.
        |_| unsafe { Sleep(1) },
        |_| {
            let other = Port::new(1);
            other.post(PACKET);
            assert_eq!(other.take(0), Taken::Packet(PACKET));
        },
    ];
    for leave in ways {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let worker = spawn(move || {
            let port = busy_port();
            port.associate(server.handle(), KEY);
            let request = send(server, b"farewell");
            leave(&port);
            std::mem::forget(port); // closed already, or at the end of the process
            request
        });
        Peer::of(*pair.client, 8).has(b"farewell");
        worker.join().until_finished();
    }
}

/// The last WSACleanup closes the sockets, gracefully.
/// Source: WSACleanup.
#[test]
fn sends_leave_before_the_last_cleanup() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("WSACleanup leaves sockets open", || {
            let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = busy_port();
            let socket = Socket::tcp(Family::V4);
            let address = Address::from(peer.local_addr().unwrap());
            assert_eq!(socket.connect(&address), Ok(()));
            port.associate(socket.handle(), KEY);
            let (mut stream, _) = peer.accept().unwrap();
            let request = send(*socket, b"farewell");
            // SAFETY: no preconditions.
            while unsafe { WSACleanup() } == 0 {}
            let mut text = String::new();
            std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
            assert_eq!(text, "farewell");
            request.until_finished();
            let _ = socket.into_raw();
        });
    });
}

/// What was sent before the process exits arrives.
/// Source: ExitProcess (the transport sends what it took over).
#[test]
fn sends_leave_before_the_process_exits() {
    const ADDRESS: &str = "WHARF_CONFORMANCE_PEER";
    let _watch = watch();
    if let Ok(address) = env::var(ADDRESS) {
        let port = busy_port();
        let socket = Socket::tcp(Family::V4);
        let address: std::net::SocketAddr = address.parse().unwrap();
        assert_eq!(socket.connect(&Address::from(address)), Ok(()));
        port.associate(socket.handle(), KEY);
        let _request = send(*socket, b"farewell");
        process::exit(0);
    }
    let listener = Listener::new(Family::V4);
    for _ in 0..10 {
        let address = plain(listener.local_address().unwrap());
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "deferral::sends_leave_before_the_process_exits"])
            .env(ADDRESS, address.to_string())
            .stdout(process::Stdio::null())
            .spawn()
            .unwrap();
        let accepted = listener.accept().unwrap();
        Peer::of(*accepted, 8).has(b"farewell");
        assert!(child.wait().unwrap().success());
    }
}

/// What was done with a socket: it, unless it was closed; its sends; and what its peer then receives.
type Acted = (Option<Socket>, Vec<Request>, Vec<u8>);

/// Many times: one worker does something with several sockets of a port, while another takes the last packet and then
/// finds the queue empty. `act` says what the peer of its socket must have received in the end.
fn beside_another_worker(act: fn(Socket, usize) -> Acted) {
    const SOCKETS: usize = 8;
    const ROUNDS: usize = 60;
    startup();
    let listener = Listener::new(Family::V4);
    for round in 0..ROUNDS {
        let port = Port::new(2);
        let go = Arc::new(AtomicUsize::new(0));
        (0..3).for_each(|_| port.post(PACKET));
        assert_eq!(port.take(0), Taken::Packet(PACKET));
        let other = {
            let (port, go) = (port.clone(), go.clone());
            spawn(move || {
                assert_eq!(port.take(0), Taken::Packet(PACKET));
                go.store(1, SeqCst);
                until_spinning(&go, 2);
                while port.take(0) == Taken::Packet(PACKET) {} // the last one, and then none
            })
        };
        until_spinning(&go, 1);
        let pairs: Vec<_> = (0..SOCKETS).map(|_| listener.pair()).collect();
        for pair in &pairs {
            port.associate(pair.server.handle(), KEY);
        }
        go.store(2, SeqCst);
        let acts: Vec<_> = pairs
            .into_iter()
            .map(|pair| (pair.client, act(pair.server, round * 8)))
            .collect();
        other.join();
        for (client, (_, _, expected)) in &acts {
            assert_eq!(client.recv_exact(expected.len()), *expected);
        }
        for (_, (_, requests, _)) in &acts {
            requests.iter().for_each(Request::until_finished);
            assert!(
                requests
                    .iter()
                    .all(|request| request.has_status(STATUS_SUCCESS))
            );
        }
    }
}

fn until_spinning(word: &AtomicUsize, value: usize) {
    while word.load(SeqCst) < value {
        thread::yield_now();
    }
}
