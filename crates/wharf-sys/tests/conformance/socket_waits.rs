//! Threads that wait for what sockets without a port report by: the right thread wakes, whoever of them saw it first, and
//! whatever the others do meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// An overlapped receive of one byte, under way, and the event it reports by.
struct Receiving {
    pair: Pair,
    event: Event,
    request: Request,
}

impl Receiving {
    #[track_caller]
    fn new() -> Receiving {
        let (pair, event) = (connected_pair(Family::V4), Event::manual());
        let request = Request::new(1).with_event(event.raw());
        assert_eq!(pair.server.receive(&request), PENDING);
        Receiving {
            pair,
            event,
            request,
        }
    }

    fn finish(&self) {
        self.pair.client.send_all(b"x");
    }
}

/// Several threads wait, each for its own socket's event; data comes in any order, and each time the thread wakes whose
/// event it is.
/// Source: WSARecv, hEvent; WaitForSingleObject.
#[test]
fn each_thread_is_woken_by_its_own_socket() {
    let _watch = watch();
    let mut random = Random::new(seed(), 0);
    for _ in 0..if under_wine() { 2 } else { 20 } {
        let receiving: Vec<_> = (0..4).map(|_| Receiving::new()).collect();
        let woken = Arc::new(AtomicU32::new(0));
        let mut waiters = Vec::new();
        for (index, one) in receiving.iter().enumerate() {
            let (event, woken) = (one.event.clone(), woken.clone());
            waiters.push(spawn(move || {
                assert!(event.wait(DEADLINE_MS));
                woken.fetch_or(1 << index, SeqCst);
            }));
        }
        waiters.iter().for_each(Worker::until_waits);
        let mut expected = 0;
        while expected != 0b1111 {
            let index = random.below(4) as usize;
            if expected & 1 << index != 0 {
                continue;
            }
            expected |= 1 << index;
            receiving[index].finish();
            until("its thread goes on", || woken.load(SeqCst) == expected);
        }
        join_all(waiters);
    }
}

/// A thread whose wait is over and that computes delays nobody: another one's socket and a receive that nobody waits for
/// are seen to.
/// Source: WSARecv: the system completes operations, not the program's threads.
#[test]
fn a_thread_that_computes_delays_nobody() {
    let _watch = watch();
    let (first, second, third) = (Receiving::new(), Receiving::new(), Receiving::new());
    let (computes, over) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let computer = spawn({
        let (event, computes, over) = (first.event.clone(), computes.clone(), over.clone());
        move || {
            assert!(event.wait(DEADLINE_MS));
            computes.store(true, SeqCst);
            compute_until("the test ends", || over.load(SeqCst));
        }
    });
    computer.until_waits();
    let waiter = spawn({
        let event = second.event.clone();
        move || event.wait(DEADLINE_MS)
    });
    waiter.until_waits();
    first.finish();
    until("it computes", || computes.load(SeqCst));
    second.finish();
    assert!(waiter.join());
    third.finish();
    third.request.until_finished();
    over.store(true, SeqCst);
    computer.join();
}

/// Whatever ends a wait for a socket's event ends it at once: another event, an APC, its time, though none of them is the
/// socket's.
/// Source: WaitForMultipleObjectsEx, QueueUserAPC.
#[test]
fn everything_else_ends_such_a_wait_too() {
    let _watch = watch();
    let receiving = Receiving::new();
    let other = Event::auto();
    for round in 0..10 {
        let handles = [receiving.event.raw() as usize, other.raw() as usize];
        let waiter = spawn(move || {
            let handles = handles.map(|handle| handle as HANDLE);
            // SAFETY: the array has two handles.
            unsafe { WaitForMultipleObjectsEx(2, handles.as_ptr(), FALSE, DEADLINE_MS, TRUE) }
        });
        waiter.until_waits();
        let expected = if round % 2 == 0 {
            other.set();
            WAIT_OBJECT_0 + 1
        } else {
            assert_ne!(queue_apc(waiter.handle().raw(), || {}), 0);
            WAIT_IO_COMPLETION
        };
        assert_eq!(waiter.join(), expected);
    }
    let start = Instant::now();
    assert!(!receiving.event.wait(QUIET_MS));
    assert!(start.elapsed() >= Duration::from_millis(QUIET_MS.into()));
    receiving.finish();
    assert!(receiving.event.wait(DEADLINE_MS));
}

/// Threads wait, are satisfied and go on computing by chance, while data comes by chance: no wait is forgotten.
/// Source: WSARecv, hEvent; WaitForSingleObject.
#[test]
fn random_waits_all_end() {
    let _watch = watch();
    let seed = seed();
    let until = Instant::now() + stress_duration();
    let workers = (0..4).map(|number| {
        spawn(move || {
            let mut random = Random::new(seed, number);
            let mut rounds = 0u32;
            let (pair, event) = (connected_pair(Family::V4), Event::manual());
            while Instant::now() < until {
                let request = Request::new(1).with_event(event.raw());
                let at_once = random.one_in(4);
                if at_once {
                    pair.client.send_all(b"x");
                    pair.server.until_unread(1);
                }
                // At once even then only if nobody is just delivering the last one.
                let answer = pair.server.receive(&request);
                assert!(answer == PENDING || at_once && answer == done(1));
                if !at_once {
                    let client = *pair.client;
                    if random.one_in(2) {
                        client.send_all(b"x");
                    } else {
                        // While this thread waits, or just before.
                        spawn(move || client.send_all(b"x")).join();
                    }
                }
                assert!(event.wait(DEADLINE_MS));
                assert!(request.is_finished());
                for _ in 0..random.below(3000) {
                    std::hint::spin_loop();
                }
                rounds += 1;
            }
            rounds
        })
    });
    println!("{:?} rounds", join_all(workers.collect::<Vec<_>>()));
}
