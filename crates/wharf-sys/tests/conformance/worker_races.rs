//! Races of sockets with the ports and threads that serve them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;
use crate::races::{ROUNDS, together};
use crate::tcp::*;

const KEY: usize = 0x88;

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
