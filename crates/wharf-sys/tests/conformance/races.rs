//! Races of sockets, by name, and a random stress: each accepted operation is reported exactly once,
//! refused ones never, and the bytes of a stream stay in order, whoever wins.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, LazyLock, Mutex};
use std::time::Instant;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x88;

/// How often a race is run: enough to meet every order of events.
const ROUNDS: usize = 200;

/// Runs both at once, on two threads, as nearly together as can be.
fn together<A: Send + 'static, B: Send + 'static>(
    one: impl FnOnce() -> A + Send + 'static,
    other: impl FnOnce() -> B + Send + 'static,
) -> (A, B) {
    let start = Arc::new(Barrier::new(2));
    let gate = start.clone();
    let other = spawn(move || {
        gate.wait();
        other()
    });
    start.wait();
    (one(), other.join())
}

// --- The end of the stream -------------------------------------------------------------------------

/// Data and the end of the stream that arrive together are both seen: the data, then 0 bytes.
/// Source: WSARecv, graceful close.
#[test]
fn data_and_end_together() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    for round in 0..ROUNDS {
        let pair = listener.pair();
        let port = port_of(*pair.server, KEY);
        let [first, second] = [8, 8].map(Request::new);
        let posted_early = round % 2 == 0;
        if posted_early {
            assert_eq!(pair.server.receive(&first), PENDING);
        }
        pair.client.send_all(b"bye");
        pair.client.close().unwrap();
        if !posted_early {
            assert!(pair.server.receive(&first).is_ok());
        }
        assert_eq!(next(&port), first.success(KEY, 3), "round {round}");
        assert!(pair.server.receive(&second).is_ok());
        assert_eq!(next(&port), second.success(KEY, 0), "round {round}");
    }
}

/// Data and the end that arrive together, with a buffer smaller than the data: nothing is lost before the end.
/// Source: WSARecv, graceful close.
#[test]
fn data_and_end_in_small_pieces() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    for _ in 0..ROUNDS {
        let pair = listener.pair();
        let port = port_of(*pair.server, KEY);
        let first = Request::new(4);
        assert_eq!(pair.server.receive(&first), PENDING);
        pair.client.send_all(b"good bye!");
        pair.client.close().unwrap();
        assert_eq!(next(&port), first.success(KEY, 4));
        for len in [4, 1, 0, 0] {
            let request = Request::new(4);
            assert!(pair.server.receive(&request).is_ok());
            assert_eq!(next(&port), request.success(KEY, len));
        }
    }
}

/// Data, end and the receive race freely: the reader sees the data and then the end.
/// Source: WSARecv, graceful close.
#[test]
fn data_and_end_against_the_receive() {
    let _watch = watch();
    not_under_wine(
        "a receive posted while its data arrives may end with 0 bytes",
        || {
            let listener = Listener::new(Family::V4);
            for _ in 0..ROUNDS {
                let Pair { client, server } = listener.pair();
                let port = port_of(*server, KEY);
                let sender = move || {
                    client.send_all(b"bye");
                    client.close().unwrap();
                };
                let reader = move || {
                    let mut all = Vec::new();
                    loop {
                        let request = Request::new(8);
                        assert!(server.receive(&request).is_ok());
                        let taken = next(&port).packet();
                        assert_eq!(taken.overlapped, request.overlapped() as usize);
                        match request.received() {
                            [] => return all,
                            some => all.extend_from_slice(some),
                        }
                    }
                };
                assert_eq!(together(reader, sender).0, b"bye");
            }
        },
    );
}

// --- Posting ---------------------------------------------------------------------------------------

/// Two threads post receives on one socket at once: every receive is served once, and no byte is lost.
/// Source: WSARecv (several threads may post; their order is then open).
#[test]
fn two_threads_post_receives() {
    let _watch = watch();
    not_under_wine(
        "a receive posted while its data arrives may end with 0 bytes",
        || {
            let pair = connected_pair(Family::V4);
            let port = port_of(*pair.server, KEY);
            let server = *pair.server;
            for round in 0..ROUNDS {
                let post = move || {
                    let request = Request::new(1);
                    assert!(server.receive(&request).is_ok());
                    request
                };
                if round % 2 == 0 {
                    pair.client.send_all(b"ab");
                }
                let (one, other) = together(post, post);
                if round % 2 == 1 {
                    pair.client.send_all(b"ab");
                }
                let taken = [next(&port), next(&port)];
                for request in [&one, &other] {
                    assert!(
                        taken.contains(&request.success(KEY, 1)),
                        "round {round}: {taken:?}"
                    );
                }
                let mut bytes = [one.received(), other.received()].concat();
                bytes.sort_unstable();
                assert_eq!(bytes, b"ab");
            }
            assert_quiet(&port);
        },
    );
}

/// Overlapped sends of several threads on one socket are not mixed, and one thread's stay in order.
/// Source: WSASend (order of sends; calls of several threads are serialised).
#[test]
fn threads_post_sends() {
    const THREADS: u8 = 4;
    const SENDS: u8 = 20;
    const LEN: usize = 40_000;
    let _watch = watch();
    not_under_wine("a send may overtake a pending one", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let server = *pair.server;
        let sender = |thread: u8| {
            spawn(move || {
                let send = |number: u8| {
                    let request = Request::from_data(&[[thread, number]; LEN / 2].concat());
                    assert!(server.send_request(&request).is_ok());
                    request
                };
                (0..SENDS).map(send).collect::<Vec<_>>()
            })
        };
        let senders: Vec<_> = (0..THREADS).map(sender).collect();
        let mut next_number = [0; THREADS as usize];
        for _ in 0..usize::from(THREADS * SENDS) {
            let received = pair.client.recv_exact(LEN);
            let (thread, number) = (received[0], received[1]);
            assert!(
                received.chunks(2).all(|pair| pair == [thread, number]),
                "two sends are mixed"
            );
            let expected = &mut next_number[usize::from(thread)];
            assert_eq!(number, *expected, "thread {thread}");
            *expected += 1;
        }
        let requests: Vec<_> = join_all(senders).into_iter().flatten().collect();
        let mut taken: Vec<_> = requests
            .iter()
            .map(|_| next(&port).packet().overlapped)
            .collect();
        let mut expected: Vec<_> = requests.iter().map(|r| r.overlapped() as usize).collect();
        taken.sort_unstable();
        expected.sort_unstable();
        assert_eq!(taken, expected);
        assert_quiet(&port);
    });
}

// --- Cancelling ------------------------------------------------------------------------------------

/// A cancellation races with the data: the receive takes it or leaves it, and is reported once.
/// Source: CancelIoEx (the operation completes or is cancelled).
#[test]
fn cancel_against_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let (server, client) = (*pair.server, *pair.client);
    for round in 0..ROUNDS {
        let request = Arc::new(Request::new(1));
        assert_eq!(server.receive(&request), PENDING);
        let cancelled = request.clone();
        let (cancelled, ()) = together(
            move || server.cancel(&cancelled),
            move || client.send_all(b"x"),
        );
        let taken = next(&port);
        if taken == request.success(KEY, 1) {
            assert_eq!(request.received(), b"x");
            continue;
        }
        assert_eq!(
            taken,
            request.failure(KEY, ERROR_OPERATION_ABORTED),
            "round {round}"
        );
        assert_eq!(cancelled, Ok(()), "round {round}");
        assert_eq!(server.recv_exact(1), b"x", "round {round}");
    }
    assert_quiet(&port);
}

/// Two cancellations of one operation: it is reported once, and at most one of them found it.
/// Source: CancelIoEx, ERROR_NOT_FOUND.
#[test]
fn cancel_against_cancel() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let server = *pair.server;
    for _ in 0..ROUNDS {
        let request = Arc::new(Request::new(1));
        assert_eq!(server.receive(&request), PENDING);
        let [one, other] = [(); 2].map(|()| request.clone());
        let answers = together(move || server.cancel(&one), move || server.cancel(&other));
        let found = [answers.0, answers.1]
            .iter()
            .filter(|answer| answer.is_ok())
            .count();
        assert_eq!(found, 1, "{answers:?}");
        assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    }
    assert_quiet(&port);
}

// --- Closing ---------------------------------------------------------------------------------------

/// A close races with the data: the receive is reported once, with the data or as failed.
/// Source: closesocket (pending overlapped operations).
#[test]
fn close_against_data() {
    let _watch = watch();
    // Wine serves such a receive by its handle, which may be another test's socket by then: it would be lost.
    in_own_process(|| {
        let listener = Listener::new(Family::V4);
        for round in 0..ROUNDS {
            let Pair { client, server } = listener.pair();
            let port = port_of(*server, KEY);
            let request = Request::new(1);
            assert_eq!(server.receive(&request), PENDING);
            let (closed, _) = together(move || server.close(), move || client.send(b"x"));
            assert_eq!(closed, Ok(()));
            match next(&port) {
                Taken::Packet(packet) => {
                    assert_eq!((packet.bytes, request.received()), (1, &b"x"[..]))
                }
                Taken::Failed(packet, _) => {
                    assert_eq!(
                        (packet.bytes, packet.overlapped),
                        (0, request.overlapped() as usize)
                    );
                }
                nothing => panic!("round {round}: {nothing:?}"),
            }
            assert_empty(&port);
        }
    });
}

/// A close races with the posting of a receive: accepted, it is reported once; refused, never.
/// Source: closesocket and WSARecv, WSAENOTSOCK.
#[test]
fn close_against_posting() {
    let _watch = watch();
    in_own_process(|| {
        let listener = Listener::new(Family::V4);
        for round in 0..ROUNDS {
            let Pair {
                client: _client,
                server,
            } = listener.pair();
            let port = port_of(*server, KEY);
            let raw = *server;
            let request = Arc::new(Request::new(1));
            let posted = request.clone();
            let (answer, closed) = together(move || raw.receive(&posted), move || server.close());
            assert_eq!(closed, Ok(()));
            if answer.is_ok() {
                let Taken::Failed(failed, _) = next(&port) else {
                    panic!("round {round}: nothing was sent, and the receive succeeded");
                };
                assert_eq!(failed.overlapped, request.overlapped() as usize);
            }
            assert_empty(&port);
        }
    });
}

/// A close races with a blocking recv: the recv ends, with an error of the close or before it began.
/// Source: closesocket, WSAEINTR; recv, WSAENOTSOCK.
#[test]
fn close_against_a_blocking_recv() {
    let _watch = watch();
    in_own_process(|| {
        let listener = Listener::new(Family::V4);
        for round in 0..ROUNDS {
            let Pair {
                client: _client,
                server,
            } = listener.pair();
            let raw = *server;
            let (received, closed) =
                together(move || raw.recv(&mut [0; 1]), move || server.close());
            assert_eq!(closed, Ok(()));
            let error = received.expect_err("nothing was sent");
            let known = [WSAEINTR, WSAENOTSOCK].contains(&error);
            assert!(known || under_wine(), "round {round}: {error}");
        }
    });
}

/// A close races with a blocking accept: the accept ends, with an error of the close or before it began.
/// Source: closesocket, WSAEINTR; accept, WSAENOTSOCK.
#[test]
fn close_against_a_blocking_accept() {
    let _watch = watch();
    in_own_process(|| {
        for round in 0..ROUNDS {
            let listener = Listener::new(Family::V4);
            let raw = *listener.socket;
            let (accepted, closed) =
                together(move || raw.accept().err(), move || listener.socket.close());
            assert_eq!(closed, Ok(()));
            let error = accepted.expect("nobody connects");
            let known = [WSAEINTR, WSAENOTSOCK].contains(&error);
            assert!(known || under_wine(), "round {round}: {error}");
        }
    });
}

/// A close right behind a send, while the port has more to do: everything sent arrives, then the end.
/// Source: closesocket, graceful close; WSASend.
#[test]
fn close_behind_a_send() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    for _ in 0..ROUNDS {
        let Pair { client, server } = listener.pair();
        let port = port_of(*server, KEY);
        for number in 0..4 {
            port.post(packet(0, number, 0));
        }
        assert_eq!(next(&port), Taken::Packet(packet(0, 0, 0)));
        let request = Request::from_data(b"last words");
        assert!(server.send_request(&request).is_ok());
        assert_eq!(server.close(), Ok(()));
        assert_eq!(client.recv_exact(10), b"last words");
        assert_eq!(client.recv(&mut [0; 1]), Ok(0));
        for number in 1..4 {
            assert_eq!(next(&port), Taken::Packet(packet(0, number, 0)));
        }
        assert_eq!(next(&port), request.success(KEY, 10));
    }
}

/// A thread sends while another ends the stream: sends are accepted until they are WSAESHUTDOWN, the peer gets
/// all that succeeded and then the end, and the other direction goes on.
/// Source: shutdown, SD_SEND; WSASend, WSAESHUTDOWN.
#[test]
fn shutdown_against_sends() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    for round in 0..5 * ROUNDS {
        let Pair { client, server } = listener.pair();
        let raw = *server;
        let send_until_refused = move || {
            let mut accepted = Vec::new();
            loop {
                let request = Request::from_data(b"x");
                match raw.send_request(&request) {
                    Ok(_) => accepted.push(request),
                    Err(error) => return (accepted, error),
                }
            }
        };
        let ((accepted, error), shut) = together(send_until_refused, move || raw.shutdown(SD_SEND));
        assert_eq!((error, shut), (WSAESHUTDOWN, Ok(())), "round {round}");
        let mut sent = 0;
        for request in &accepted {
            request.until_finished();
            sent += request.internal_high();
        }
        assert_eq!(client.recv_exact(sent).len(), sent);
        assert_eq!(client.recv(&mut [0; 1]), Ok(0), "round {round}");
        client.send_all(b"y");
        assert_eq!(server.recv_some(1), Ok(b"y".to_vec()), "round {round}");
    }
}

// --- Blocking calls --------------------------------------------------------------------------------

/// APCs and data reach a blocking recv together, while receives without a port complete beside it: the
/// APCs run, and the data ends the call.
/// Source: "Alertable I/O"; recv.
#[test]
fn apc_against_data() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let pair = listener.pair();
    let beside = listener.pair();
    let (server, client) = (*pair.server, *pair.client);
    let ran = Arc::new(AtomicUsize::new(0));
    let reader = spawn(move || {
        (0..ROUNDS)
            .map(|_| server.recv_exact(1)[0])
            .collect::<Vec<_>>()
    });
    for round in 0..ROUNDS {
        let plain = Request::new(1);
        assert_eq!(beside.server.receive(&plain), PENDING);
        let (thread, counter) = (reader.handle().clone(), ran.clone());
        let queue = move || {
            queue_apc(thread.raw(), move || {
                counter.fetch_add(1, SeqCst);
            })
        };
        let send = move || client.send_all(&[round as u8]);
        let (queued, ()) = together(queue, send);
        assert!(queued != 0 || round == ROUNDS - 1, "round {round}");
        beside.client.send_all(b"x");
        plain.until_finished();
    }
    let expected: Vec<_> = (0..ROUNDS).map(|round| round as u8).collect();
    assert_eq!(reader.join(), expected);
    // What was queued when no recv had to wait any more never runs.
    assert!(ran.load(SeqCst) <= ROUNDS);
}

// --- Ports -----------------------------------------------------------------------------------------

/// A socket joins a port while its receive completes: the request is final either way, and has a packet at
/// most once; what completes afterwards has one.
/// Source: CreateIoCompletionPort.
#[test]
fn association_against_completion() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    for round in 0..ROUNDS {
        let pair = listener.pair();
        let (server, client) = (*pair.server, *pair.client);
        let [early, late] = [1, 1].map(Request::new);
        assert_eq!(server.receive(&early), PENDING);
        let (port, ()) = together(move || port_of(server, KEY), move || client.send_all(b"x"));
        early.until_finished();
        assert!(server.receive(&late).is_ok());
        client.send_all(b"y");
        let mut taken = next(&port);
        if taken == early.success(KEY, 1) {
            taken = next(&port);
        }
        assert_eq!(taken, late.success(KEY, 1), "round {round}");
        assert_eq!((early.received(), late.received()), (&b"x"[..], &b"y"[..]));
        assert_empty(&port);
    }
}

/// Handles and descriptors are used again at once: nothing of the closed socket reaches the new one.
/// Source: closesocket (the handle may be reused at once).
#[test]
fn reuse_of_handles_and_descriptors() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = Port::new(0);
    for round in 0..ROUNDS {
        let old = listener.pair();
        port.associate(old.server.handle(), round);
        let aborted = Request::new(8);
        assert_eq!(old.server.receive(&aborted), PENDING);
        assert_eq!(old.server.close(), Ok(()));
        let young = listener.pair();
        port.associate(young.server.handle(), ROUNDS + round);
        let request = Request::new(8);
        assert_eq!(young.server.receive(&request), PENDING);
        young.client.send_all(b"young");
        // Completions of different sockets have no order.
        let taken = [next(&port), next(&port)];
        let arrived = request.success(ROUNDS + round, 5);
        assert!(taken.contains(&arrived), "round {round}: {taken:?}");
        let ended = taken.iter().any(|taken| {
            matches!(taken, Taken::Failed(failed, _)
                if (failed.key, failed.overlapped) == (round, aborted.overlapped() as usize))
        });
        assert!(ended, "round {round}: {taken:?}");
        assert_eq!(request.received(), b"young");
        assert_eq!(old.client.recv(&mut [0; 1]), Ok(0));
    }
    assert_empty(&port);
}

/// Threads end with operations pending while the data arrives: on a port all complete, once.
/// Source: ExitThread; CreateIoCompletionPort; validated on Windows.
#[test]
fn thread_exit_against_data() {
    let _watch = watch();
    not_under_wine(
        "a receive posted while its data arrives may end with 0 bytes",
        || {
            let pair = connected_pair(Family::V4);
            let port = port_of(*pair.server, KEY);
            let (server, client) = (*pair.server, *pair.client);
            for round in 0..ROUNDS {
                let post = move || {
                    let request = Request::new(1);
                    assert!(server.receive(&request).is_ok());
                    request
                };
                let (request, ()) =
                    together(move || spawn(post).join(), move || client.send_all(b"x"));
                assert_eq!(next(&port), request.success(KEY, 1), "round {round}");
            }
            assert_quiet(&port);
        },
    );
}

/// Threads end without a port while the data arrives: each receive took its byte or was cancelled, and no
/// byte is lost.
/// Source: ExitThread (pending I/O of the thread is cancelled).
#[test]
fn thread_exit_without_a_port_against_data() {
    let _watch = watch();
    not_under_wine(
        "a receive posted while its data arrives may end with 0 bytes",
        || {
            let pair = connected_pair(Family::V4);
            let (server, client) = (*pair.server, *pair.client);
            for round in 0..ROUNDS {
                let post = move || {
                    let request = Request::new(1);
                    assert!(server.receive(&request).is_ok());
                    request
                };
                let (request, ()) =
                    together(move || spawn(post).join(), move || client.send_all(b"x"));
                request.until_finished();
                if request.has_status(STATUS_CANCELLED) {
                    assert_eq!(server.recv_exact(1), b"x", "round {round}");
                } else {
                    assert_eq!(request.received(), b"x", "round {round}");
                }
            }
        },
    );
}

/// A worker that posts to itself without end still serves its socket.
/// Source: PostQueuedCompletionStatus; GetQueuedCompletionStatus (packets are queued first in, first out).
#[test]
fn self_posting_worker_serves_its_client() {
    const SELF: Packet = packet(0, 1, 0);
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = Port::new(1);
    port.associate(pair.server.handle(), KEY);
    let stop = Arc::new(AtomicBool::new(false));
    let (server, stopped, queue) = (*pair.server, stop.clone(), port.clone());
    let worker = spawn(move || {
        let receive = Request::new(16);
        assert!(server.receive(&receive).is_ok());
        queue.post(SELF);
        while !stopped.load(SeqCst) {
            let taken = queue.take_packet();
            if taken == SELF {
                queue.post(SELF);
            } else if taken.overlapped == receive.overlapped() as usize {
                server.send_all(receive.received());
                assert!(server.receive(&receive).is_ok());
            }
        }
        server.cancel(&receive)
    });
    for round in 0..ROUNDS {
        let question = (round as u32).to_ne_bytes();
        pair.client.send_all(&question);
        assert_eq!(pair.client.recv_exact(4), question);
    }
    stop.store(true, SeqCst);
    assert_eq!(worker.join(), Ok(()));
}

/// A worker that answers and then computes does not hold its answer back, also with more packets queued.
/// Source: WSASend (the data is on its way when the call succeeds).
#[test]
fn answer_leaves_before_the_worker_computes() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = Port::new(1);
    port.associate(pair.server.handle(), KEY);
    let answered = Arc::new(AtomicUsize::new(0));
    let (server, seen, queue) = (*pair.server, answered.clone(), port.clone());
    let worker = spawn(move || {
        for number in 1..=10 {
            for _ in 0..3 {
                queue.post(packet(0, 1, 0));
            }
            assert_eq!(queue.take_packet(), packet(0, 1, 0));
            let answer = Request::from_data(b"x");
            assert!(server.send_request(&answer).is_ok());
            compute_until("the answer arrives", || seen.load(SeqCst) == number);
            let taken: Vec<_> = (0..3).map(|_| queue.take_packet()).collect();
            assert!(
                taken.contains(&packet(1, KEY, answer.overlapped() as usize)),
                "{taken:?}"
            );
        }
    });
    for number in 1..=10 {
        assert_eq!(pair.client.recv_exact(1), b"x");
        answered.store(number, SeqCst);
    }
    worker.join();
}

// --- Random stress ---------------------------------------------------------------------------------

/// One end of a connection under stress: what was posted on it, in order.
struct End {
    raw: Raw,
    receives: Mutex<Vec<Arc<Request>>>,
    sends: Mutex<Vec<Arc<Request>>>,
    closed: AtomicBool,
    /// How many bytes of [`stream`] were given to sends.
    position: AtomicUsize,
}

/// The longest send.
const MOST: usize = 200_000;

/// What every end sends: `len` bytes from `position` on, each byte its position modulo a prime.
fn stream(position: usize, len: usize) -> &'static [u8] {
    const PERIOD: usize = 251;
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let period: Vec<u8> = (0..PERIOD as u8).collect();
        period.repeat(1 + MOST.div_ceil(PERIOD))
    });
    &BYTES[position % PERIOD..][..len]
}

impl End {
    fn new(socket: Socket, port: &Port) -> Self {
        port.associate(socket.handle(), KEY);
        Self {
            raw: socket.into_raw(),
            receives: Mutex::default(),
            sends: Mutex::default(),
            closed: AtomicBool::new(false),
            position: AtomicUsize::new(0),
        }
    }

    /// Posts a receive; accepted ones are noted in posting order.
    fn receive(&self, random: &mut Random) {
        let request = Arc::new(Request::new(random.below(65) as usize));
        let flags = if !under_wine() && random.one_in(8) {
            MSG_WAITALL
        } else {
            0
        };
        let mut posted = self.receives.lock().unwrap();
        if self.raw.receive_flags(&request, flags).is_ok() {
            posted.push(request);
        }
    }

    /// Posts a send of the next bytes; accepted ones are noted in posting order.
    fn send(&self, random: &mut Random) {
        let most = if random.one_in(10) { MOST as u64 } else { 100 };
        let len = 1 + random.below(most) as usize;
        let mut posted = self.sends.lock().unwrap();
        let from = self.position.load(SeqCst);
        let request = Arc::new(Request::from_data(stream(from, len)));
        if self.raw.send_request(&request).is_ok() {
            self.position.store(from + len, SeqCst);
            posted.push(request);
        }
    }

    /// Cancels one of the latest requests.
    fn cancel(&self, random: &mut Random) {
        let posted = if random.one_in(2) {
            &self.receives
        } else {
            &self.sends
        };
        let posted = posted.lock().unwrap();
        let latest = posted.iter().rev().nth(random.below(4) as usize).cloned();
        drop(posted);
        if let Some(request) = latest {
            // Finished meanwhile, or the socket closed: both may be.
            let _ = self.raw.cancel(&request);
        }
    }

    fn close(&self) {
        if !self.closed.swap(true, SeqCst) {
            assert_eq!(self.raw.close(), Ok(()));
        }
    }

    /// One random action.
    fn act(&self, random: &mut Random) {
        match random.below(1000) {
            0..450 => self.receive(random),
            450..850 => self.send(random),
            850..980 => self.cancel(random),
            980..990 => drop(self.raw.cancel_all()),
            990..996 => drop(self.raw.shutdown(SD_SEND)),
            _ if random.one_in(8) => self.close(),
            _ => {}
        }
    }

    fn posted(&self) -> Vec<Arc<Request>> {
        [&self.receives, &self.sends]
            .map(|posted| posted.lock().unwrap().clone())
            .concat()
    }

    /// What arrived here, in posting order of the receives.
    fn arrived(&self) -> Vec<u8> {
        transferred(&self.receives)
    }

    /// What has not been received yet, up to the end of the stream.
    fn rest(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        loop {
            match self.raw.recv_some(1 << 16).expect("recv") {
                some if some.is_empty() => return rest,
                some => rest.extend(some),
            }
        }
    }

    /// What left from here, in posting order of the sends.
    fn left(&self) -> Vec<u8> {
        transferred(&self.sends)
    }
}

fn transferred(posted: &Mutex<Vec<Arc<Request>>>) -> Vec<u8> {
    let posted = posted.lock().unwrap();
    let parts: Vec<_> = posted.iter().map(|request| request.received()).collect();
    parts.concat()
}

/// How often each request was reported, and with how many bytes the last time.
type Reports = HashMap<usize, (u32, u32)>;

const STOP: usize = 0x99;

/// What one worker does: takes packets until it is told to stop, and counts all of them in `taken_by_all`.
fn collect_reports(port: &Port, taken_by_all: &AtomicUsize) -> Reports {
    let mut reports = Reports::new();
    loop {
        let (Taken::Packet(taken) | Taken::Failed(taken, _)) = next(port) else {
            panic!("the port failed");
        };
        if taken.key == STOP {
            return reports;
        }
        let report = reports.entry(taken.overlapped).or_default();
        *report = (report.0 + 1, taken.bytes);
        taken_by_all.fetch_add(1, SeqCst);
    }
}

/// Every request that was accepted is reported exactly once, with the bytes of its status block; nothing
/// else is reported.
fn assert_exactly_once(ends: &[Arc<End>], workers: Vec<Reports>) {
    let mut reports = Reports::new();
    for (overlapped, (count, bytes)) in workers.into_iter().flatten() {
        let report = reports.entry(overlapped).or_default();
        *report = (report.0 + count, bytes);
    }
    for request in ends.iter().flat_map(|end| end.posted()) {
        let report = reports.remove(&(request.overlapped() as usize));
        assert_eq!(
            report,
            Some((1, request.internal_high() as u32)),
            "count and bytes"
        );
    }
    assert!(
        reports.is_empty(),
        "{} reports of operations that were refused",
        reports.len()
    );
}

/// After this nothing pends; what was closed is being reported.
fn cancel_the_rest(ends: &[Arc<End>]) {
    for end in ends {
        // Nothing to cancel, or closed before: both may be.
        let _ = end.raw.cancel_all();
    }
}

/// The stream from one end to the other: what arrived is the beginning of what left, and all of it when
/// both ends were still open.
fn assert_in_order(from: &End, to: &End, both_open: bool) {
    let (left, mut arrived) = (from.left(), to.arrived());
    if both_open {
        arrived.extend(to.rest());
    }
    assert!(
        left.starts_with(&arrived),
        "of {} bytes that left some went astray",
        left.len()
    );
    if both_open {
        assert_eq!(arrived.len(), left.len(), "bytes were lost");
    }
}

/// One round of the stress: a few connections, actors that do anything to them, workers that count.
fn stress_round(seed: u64, round: u64, listener: &Listener) {
    const ACTORS: u64 = 3;
    const WORKERS: usize = 2;
    const ACTIONS: usize = 400;
    let port = Port::new(0);
    let pairs: Vec<_> = (0..3)
        .map(|_| listener.pair())
        .map(|Pair { client, server }| [client, server].map(|end| Arc::new(End::new(end, &port))))
        .collect();
    let ends: Vec<_> = pairs.iter().flatten().cloned().collect();

    let taken_by_all = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let port = port.clone();
            let taken_by_all = taken_by_all.clone();
            spawn(move || collect_reports(&port, &taken_by_all))
        })
        .collect();
    let actors = (0..ACTORS).map(|actor| {
        let ends = ends.clone();
        let mut random = Random::new(seed, round * ACTORS + actor);
        spawn(move || {
            for _ in 0..ACTIONS {
                ends[random.below(ends.len() as u64) as usize].act(&mut random);
            }
        })
    });
    join_all(actors.collect::<Vec<_>>());

    cancel_the_rest(&ends);
    let accepted = ends.iter().map(|end| end.posted().len()).sum();
    until("every operation is reported", || {
        taken_by_all.load(SeqCst) >= accepted
    });
    for _ in 0..WORKERS {
        port.post(packet(0, STOP, 0));
    }
    assert_exactly_once(&ends, join_all(workers));
    assert_empty(&port);

    for [client, server] in &pairs {
        let both_open = ![client, server].iter().any(|end| end.closed.load(SeqCst));
        if both_open {
            for end in [client, server] {
                assert_eq!(end.raw.shutdown(SD_SEND), Ok(()));
            }
        }
        assert_in_order(client, server, both_open);
        assert_in_order(server, client, both_open);
        client.close();
        server.close();
    }
}

/// Waits until as much is alive in the library as `before`.
fn assert_nothing_left(before: Option<observe::Counts>) {
    let deadline = Instant::now() + DEADLINE;
    while observe::counts() != before && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(observe::counts(), before, "left over");
}

/// Random receives, sends, cancellations, half-closes and closes from several threads: each accepted
/// operation is reported exactly once, refused ones never, bytes arrive in order, and nothing is left over.
/// Source: "I/O Completion Ports"; CancelIoEx; closesocket.
#[test]
fn stress() {
    let _watch = watch();
    in_own_process(|| {
        let seed = seed();
        let listener = Listener::new(Family::V4);
        let before = observe::counts();
        let start = Instant::now();
        let mut round = 0;
        while start.elapsed() < stress_duration() {
            println!("round {round}");
            stress_round(seed, round, &listener);
            assert_nothing_left(before);
            round += 1;
        }
    });
}
