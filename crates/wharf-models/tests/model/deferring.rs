//! Deferred sends: a worker that leaves its send at the head of its queue, and everybody who may come to attempt it.
//!
//! The queues are the real [`Direction`]; the port's list, the flag that says whether packets are queued, and the helper's
//! short tick follow `deferral.rs`, `port.rs` and `helper.rs` by hand. What those write and read with `SeqCst` is a relaxed
//! access here and a fence between, since that is what loom knows of sequential consistency.

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*, fence};
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread::{self, JoinHandle};

use super::{Bug, seeded};
use crate::direction::{self, Direction};

/// A send, by its number.
#[derive(Debug)]
struct Send(u32);

impl direction::Request for Send {
    type Tag = u32;

    fn tag(&self) -> u32 {
        self.0
    }
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Sent,
    /// The connection was closed before.
    Lost,
    Cancelled,
}

struct Socket {
    send: Mutex<Direction<Send, End>>,
    wire: Mutex<Wire>,
}

#[derive(Default)]
struct Wire {
    ends: Vec<(u32, End)>, // in the order of the attempts
    closed: bool,
    attempting: bool,
}

struct Engine {
    sockets: [Socket; 2],
    // the port
    packets: Mutex<usize>, // its lock, its queue
    backlog: AtomicBool,
    list: Mutex<VecDeque<usize>>, // indices of sockets
    count: AtomicUsize,           // of them
    // the helper
    hurried: AtomicBool,
    woken: Mutex<bool>,
    helper: Condvar,
    expected: usize, // it goes on until so many sends have ended
}

impl Engine {
    /// Packets are queued, and all threads that may run do.
    fn new(packets: usize, expected: usize) -> Arc<Engine> {
        let socket = || Socket {
            send: Mutex::new(Direction::default()),
            wire: Mutex::new(Wire::default()),
        };
        Arc::new(Engine {
            sockets: [socket(), socket()],
            packets: Mutex::new(packets),
            backlog: AtomicBool::new(packets > 0),
            list: Mutex::new(VecDeque::new()),
            count: AtomicUsize::new(0),
            hurried: AtomicBool::new(false),
            woken: Mutex::new(false),
            helper: Condvar::new(),
            expected,
        })
    }

    // ---- a worker ----

    /// WSASend of a worker, which defers it while packets are queued or others are deferred.
    fn send(&self, socket: usize, number: u32) {
        let has_backlog = self.backlog.load(Relaxed);
        if !has_backlog && self.count.load(Relaxed) == 0 {
            return self.send_now(socket, number);
        }
        let defer = {
            let mut direction = self.direction(socket);
            direction.push(Send(number)).expect("not closed");
            direction.defer()
        };
        if defer {
            self.defer(socket);
        }
    }

    fn defer(&self, socket: usize) {
        let count = {
            let mut list = self.list.lock().unwrap();
            list.push_back(socket);
            self.count.store(list.len(), Relaxed);
            list.len()
        };
        fence(SeqCst); // pairs with the one in `call_in` and the one in `look_after_sends`
        if count == 1 {
            self.hurry();
        }
        if !seeded(Bug::DeferrerDoesNotLookAgain) && !self.backlog.load(Relaxed) {
            self.flush();
        }
    }

    /// WSASend of anybody else: behind what is there.
    fn send_now(&self, socket: usize, number: u32) {
        if seeded(Bug::LaterSendPassesBy) {
            return self.attempt(socket, Send(number));
        }
        let head = {
            let mut direction = self.direction(socket);
            direction.push(Send(number)).expect("not closed");
            direction.claim()
        };
        self.drive(socket, head);
    }

    /// A worker asks for packets until there are none, then sleeps: for ever, since nobody posts another.
    fn work(&self) {
        while self.call_in() {}
    }

    fn call_in(&self) -> bool {
        let mut packets = self.packets.lock().unwrap();
        if *packets > 0 {
            *packets -= 1;
            self.backlog.store(*packets > 0, Relaxed);
            return true;
        }
        if !seeded(Bug::EmptyQueueWithoutFence) {
            fence(SeqCst); // pairs with the one in `defer`
        }
        let none = self.count.load(Relaxed) == 0;
        drop(packets);
        if !none {
            self.flush();
        }
        false
    }

    // ---- whoever ends deferral ----

    fn flush(&self) {
        let taken = {
            let mut list = self.list.lock().unwrap();
            self.count.store(0, Relaxed);
            std::mem::take(&mut *list)
        };
        let claimed: Vec<_> = taken
            .into_iter()
            .map(|socket| (socket, self.direction(socket).claim_deferred()))
            .collect(); // all of them go to the kernel together
        for (socket, head) in claimed {
            self.drive(socket, head);
        }
    }

    /// What comes before a close, a cancel, a send that does not wait.
    fn send_deferred(&self, socket: usize) {
        loop {
            let head = {
                let mut direction = self.direction(socket);
                if !direction.has_deferred() {
                    return;
                }
                direction.claim()
            };
            match head {
                Some(_) => self.drive(socket, head),
                None if seeded(Bug::FlushIsOvertaken) => return,
                None => thread::yield_now(),
            }
        }
    }

    /// closesocket, after which nothing reaches the peer.
    fn close(&self, socket: usize) {
        self.send_deferred(socket);
        let ended = self.direction(socket).close(End::Lost);
        let mut wire = self.sockets[socket].wire.lock().unwrap();
        wire.closed = true;
        wire.ends
            .extend(ended.into_iter().map(|request| (request.0, End::Lost)));
    }

    /// CancelIoEx.
    fn cancel(&self, socket: usize) {
        self.send_deferred(socket);
        let cancelled = self.direction(socket).cancel(End::Cancelled, |_| true);
        let ended = cancelled.removed.into_iter();
        let mut wire = self.sockets[socket].wire.lock().unwrap();
        wire.ends
            .extend(ended.map(|request| (request.0, End::Cancelled)));
    }

    fn drive(&self, socket: usize, mut head: Option<Send>) {
        while let Some(request) = head {
            self.attempt(socket, request);
            let mut direction = self.direction(socket);
            direction.finishing();
            head = direction.next(true);
        }
    }

    fn attempt(&self, socket: usize, request: Send) {
        let wire = &self.sockets[socket].wire;
        let attempting = std::mem::replace(&mut wire.lock().unwrap().attempting, true);
        assert!(!attempting, "D1: two attempts at a time");
        {
            let mut wire = wire.lock().unwrap();
            wire.attempting = false;
            let end = if wire.closed { End::Lost } else { End::Sent };
            wire.ends.push((request.0, end));
        }
        *self.woken.lock().unwrap() = true; // only so that the helper of the model sees that it is done
        self.helper.notify_one();
    }

    // ---- the helper ----

    fn hurry(&self) {
        if !self.hurried.load(Relaxed) && !self.hurried.swap(true, Relaxed) {
            *self.woken.lock().unwrap() = true;
            self.helper.notify_one();
        }
    }

    /// Sleeps while nobody is in a hurry, ticks while somebody is, until everything is sent.
    fn help(&self) {
        while self.ended() < self.expected {
            if self.hurried.load(Relaxed) {
                self.look_after_sends();
                thread::yield_now();
            } else {
                self.sleep();
            }
        }
    }

    /// One short tick; every one finds that nobody deferred since the last, if there is nothing to send.
    fn look_after_sends(&self) {
        if self.count.load(Relaxed) > 0 {
            return self.flush();
        }
        self.hurried.store(false, Relaxed);
        if seeded(Bug::HelperStopsWithoutLook) {
            return;
        }
        fence(SeqCst); // pairs with the one in `defer`
        let wanted = self.count.load(Relaxed) > 0;
        if wanted || seeded(Bug::HelperForgetsHurry) {
            self.hurried.store(wanted, Relaxed);
        }
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.helper.wait(woken).unwrap();
        }
        *woken = false;
    }

    // ---- what is checked ----

    fn direction(&self, socket: usize) -> MutexGuard<'_, Direction<Send, End>> {
        self.sockets[socket].send.lock().unwrap()
    }

    fn ends(&self, socket: usize) -> Vec<(u32, End)> {
        self.sockets[socket].wire.lock().unwrap().ends.clone()
    }

    fn ended(&self) -> usize {
        self.ends(0).len() + self.ends(1).len()
    }

    /// Nothing is left deferred, and the next send that is deferred finds its way.
    fn expect_afresh(&self, socket: usize) {
        assert_eq!(self.count.load(Relaxed), 0, "S1: left behind");
        let before = self.ends(socket).len();
        self.backlog.store(true, Relaxed);
        self.send(socket, 9);
        self.flush();
        let ends = self.ends(socket);
        assert_eq!(ends[before..], [(9, End::Sent)], "S2: not in the list");
    }
}

fn spawn(engine: &Arc<Engine>, body: impl FnOnce(&Engine) + 'static) -> JoinHandle<()> {
    let engine = engine.clone();
    thread::spawn(move || body(&engine))
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// One worker defers and computes for ever, another takes the last packet and then finds the queue empty. No helper: one of
/// the two sends.
pub fn last_packet_against_deferring() {
    let engine = Engine::new(1, 1);
    let other = spawn(&engine, Engine::work);
    engine.send(0, 1);
    join([other]);
    assert_eq!(engine.ends(0), [(1, End::Sent)], "S1: left behind");
}

/// The same with two workers that defer.
pub fn last_packet_against_two_deferring() {
    let engine = Engine::new(1, 2);
    let threads = [
        spawn(&engine, Engine::work),
        spawn(&engine, |engine| engine.send(1, 1)),
    ];
    engine.send(0, 1);
    join(threads);
    let sent = [(1, End::Sent)];
    assert_eq!(
        (&engine.ends(0)[..], &engine.ends(1)[..]),
        (&sent[..], &sent[..]),
        "S1: left behind"
    );
}

/// Two workers defer and compute for ever while packets stay queued; the helper is about to end its short ticks.
pub fn helper_against_deferring() {
    let engine = Engine::new(1, 2);
    engine.hurried.store(true, Relaxed);
    let workers = [0, 1].map(|socket| spawn(&engine, move |engine| engine.send(socket, 1)));
    engine.help();
    join(workers);
    assert_eq!(engine.ended(), 2);
}

/// A flush, a further deferred send of the same socket, and a send that is not deferred.
pub fn later_send_against_flush() {
    let engine = Engine::new(1, 3);
    engine.send(0, 1);
    let threads = [
        spawn(&engine, Engine::flush),
        spawn(&engine, |engine| engine.send_now(0, 3)),
    ];
    engine.send(0, 2);
    join(threads);
    engine.flush(); // the worker calls in again
    let ends = engine.ends(0);
    let place = |number: u32| ends.iter().position(|end| *end == (number, End::Sent));
    assert!(
        ends.len() == 3 && place(1) < place(2) && place(3).is_some(),
        "S3: {ends:?}"
    );
    assert_eq!(place(1), Some(0), "S3: {ends:?}");
    engine.expect_afresh(0);
}

/// A flush while the worker that deferred two sends closes the socket.
pub fn close_against_flush() {
    let engine = Engine::new(1, 2);
    engine.send(0, 1);
    engine.send(0, 2);
    let flusher = spawn(&engine, Engine::flush);
    engine.close(0);
    join([flusher]);
    let sent = [(1, End::Sent), (2, End::Sent)];
    assert_eq!(engine.ends(0), sent, "S4: overtaken");
}

/// A flush while the worker that deferred cancels.
pub fn cancel_against_flush() {
    let engine = Engine::new(1, 1);
    engine.send(0, 1);
    let flusher = spawn(&engine, Engine::flush);
    engine.cancel(0);
    join([flusher]);
    assert_eq!(engine.ends(0), [(1, End::Sent)], "S4: overtaken");
    engine.expect_afresh(0);
}
