//! Races of sockets, by name: each accepted operation is reported exactly once, refused ones never, and the bytes of a
//! stream stay in order, whoever wins.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x88;

/// How often a race is run: enough to meet every order of events.
pub const ROUNDS: usize = 200;

/// Runs both at once, on two threads, as nearly together as can be.
pub fn together<A: Send + 'static, B: Send + 'static>(
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
