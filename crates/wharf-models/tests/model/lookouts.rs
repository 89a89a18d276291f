//! Threads that wait for sockets without a port, one of which keeps the lookout: the real `Lookout`, as scenarios.
//!
//! The default set holds one edge of its eventfd and events that are for one thread's wait each; whoever fetches them has
//! them. That the real parker wakes a thread that sleeps in the set is the subject of `parking.rs`; here a seat stands for
//! it. What `socket_wait.rs`, `reactor.rs` and `helper.rs` do around the state machine is followed by hand.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use super::{Bug, seeded};
use crate::lookout::{Left, Lookout};

const THREADS: usize = 3;

struct Engine {
    lookout: Mutex<Lookout<usize>>,
    set: Mutex<Set>,
    keeper: Condvar,       // who sleeps in the set
    sleepers: AtomicUsize, // threads that do, or are about to
    seats: [Seat; THREADS],
    over: [AtomicBool; THREADS], // whose wait is over
    armed: Mutex<bool>,
    helper: Condvar,
}

#[derive(Default)]
struct Set {
    edge: bool,         // of the eventfd
    events: Vec<usize>, // whose waits they end
    inside: usize,      // threads in epoll_wait
}

/// A thread's parker.
struct Seat {
    state: Mutex<Sleep>,
    sleeper: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    Notified,
    InSet,
}

impl Engine {
    fn new() -> Arc<Engine> {
        let seat = |_| Seat {
            state: Mutex::new(Sleep::Awake),
            sleeper: Condvar::new(),
        };
        Arc::new(Engine {
            lookout: Mutex::new(Lookout::new()),
            set: Mutex::new(Set::default()),
            keeper: Condvar::new(),
            sleepers: AtomicUsize::new(0),
            seats: std::array::from_fn(seat),
            over: std::array::from_fn(|_| AtomicBool::new(false)),
            armed: Mutex::new(false),
            helper: Condvar::new(),
        })
    }

    fn spawn(engine: &Arc<Self>, body: impl FnOnce(&Engine) + 'static) -> JoinHandle<()> {
        let engine = engine.clone();
        thread::spawn(move || body(&engine))
    }

    // ---- a wait ----

    /// A thread's wait from its first sleep to its end.
    fn wait(&self, me: usize) {
        self.lookout.lock().unwrap().enter(me as u64, me);
        self.wait_on(me);
    }

    fn wait_on(&self, me: usize) {
        while !self.over[me].load(Relaxed) {
            if self.lookout.lock().unwrap().keeps(me as u64) {
                self.sleep_in_set(me);
            } else {
                self.seats[me].park();
            }
        }
        let (left, others_wait) = {
            let mut lookout = self.lookout.lock().unwrap();
            let left = lookout.leave(me as u64);
            let others_wait = (0..THREADS as u64).any(|other| lookout.waits(other));
            (left, others_wait)
        };
        match left {
            Left::Kept => {}
            Left::To(_) if seeded(Bug::HandOverIsSilent) => {}
            Left::To(next) => self.seats[next].unpark(self),
            Left::Vacant => {
                assert!(
                    !others_wait,
                    "L3: others wait, and nobody keeps the lookout"
                );
                if !seeded(Bug::VacancyIsSilent) {
                    self.arm();
                }
            }
        }
    }

    fn sleep_in_set(&self, me: usize) {
        let late = seeded(Bug::SleeperIsCountedLate);
        if !late {
            self.sleepers.fetch_add(1, SeqCst);
        }
        let asleep = self.seats[me].enter_set();
        if late {
            self.sleepers.fetch_add(1, SeqCst);
        }
        let events = if asleep {
            self.epoll_wait()
        } else {
            Vec::new()
        };
        self.seats[me].leave_set();
        self.sleepers.fetch_sub(1, SeqCst);
        self.report(events);
    }

    fn epoll_wait(&self) -> Vec<usize> {
        let mut set = self.set.lock().unwrap();
        set.inside += 1;
        assert_eq!(set.inside, 1, "L1: two threads sleep in the set");
        while !set.edge && set.events.is_empty() {
            set = self.keeper.wait(set).unwrap();
        }
        set.inside -= 1;
        set.edge = false;
        std::mem::take(&mut set.events)
    }

    /// What was harvested ends waits.
    fn report(&self, events: Vec<usize>) {
        for thread in events {
            self.end_wait(thread);
        }
    }

    /// Something ends a thread's wait.
    fn end_wait(&self, thread: usize) {
        self.over[thread].store(true, Relaxed);
        self.seats[thread].unpark(self);
    }

    // ---- the set ----

    fn write(&self) {
        self.set.lock().unwrap().edge = true;
        self.keeper.notify_one();
    }

    /// A socket's event.
    fn network(&self, thread: usize) {
        self.set.lock().unwrap().events.push(thread);
        self.keeper.notify_one();
    }

    /// A harvest by a thread that does not sleep in the set.
    fn harvest_in_passing(&self) {
        let (edge, events) = {
            let mut set = self.set.lock().unwrap();
            (
                std::mem::take(&mut set.edge),
                std::mem::take(&mut set.events),
            )
        };
        if edge && self.sleepers.load(SeqCst) > 0 && !seeded(Bug::PassingHarvestKeepsTheWake) {
            self.write();
        }
        self.report(events);
    }

    // ---- the helper ----

    fn arm(&self) {
        *self.armed.lock().unwrap() = true;
        self.helper.notify_one();
    }

    /// Sleeps until it is told that nobody keeps the lookout; then the set is its own.
    fn help(&self, thread: usize) {
        let mut armed = self.armed.lock().unwrap();
        while !*armed {
            armed = self.helper.wait(armed).unwrap();
        }
        drop(armed);
        while !self.over[thread].load(Relaxed) {
            self.harvest_in_passing();
            thread::yield_now();
        }
    }
}

impl Seat {
    fn unpark(&self, engine: &Engine) {
        let before = std::mem::replace(&mut *self.state.lock().unwrap(), Sleep::Notified);
        match before {
            Sleep::InSet => engine.write(),
            _ => self.sleeper.notify_one(),
        }
    }

    /// Sleeps until notified.
    fn park(&self) {
        let mut state = self.state.lock().unwrap();
        while *state != Sleep::Notified {
            state = self.sleeper.wait(state).unwrap();
        }
        *state = Sleep::Awake;
    }

    /// Whether the thread may sleep in the set; a notification is consumed instead.
    fn enter_set(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let notified = *state == Sleep::Notified;
        *state = if notified { Sleep::Awake } else { Sleep::InSet };
        !notified
    }

    fn leave_set(&self) {
        *self.state.lock().unwrap() = Sleep::Awake;
    }
}

/// Two threads wait, an event for each comes: whichever keeps the lookout, both waits end.
pub fn two_waits_two_events() {
    let engine = Engine::new();
    let waits = [0, 1].map(|thread| Engine::spawn(&engine, move |engine| engine.wait(thread)));
    engine.network(1);
    engine.network(0);
    join(waits);
}

/// Two threads wait; one is notified (an APC, a posted message), the other's socket has an event.
pub fn event_against_notification() {
    let engine = Engine::new();
    let waits = [0, 1].map(|thread| Engine::spawn(&engine, move |engine| engine.wait(thread)));
    let notifier = Engine::spawn(&engine, |engine| engine.end_wait(0));
    engine.network(1);
    join(waits);
    join([notifier]);
}

/// Of three threads that wait two are notified at the same time, one of which keeps the lookout or is to take it over;
/// then the third one's socket has an event.
pub fn hand_over_against_notification() {
    let engine = Engine::new();
    for thread in 0..THREADS {
        engine.lookout.lock().unwrap().enter(thread as u64, thread);
    }
    let waits = [0, 2].map(|thread| Engine::spawn(&engine, move |engine| engine.wait_on(thread)));
    let third = Engine::spawn(&engine, |engine| engine.wait_on(1));
    engine.end_wait(0);
    engine.end_wait(2);
    engine.network(1);
    join(waits);
    join([third]);
}

/// The keeper is notified while somebody else harvests the set.
pub fn notification_against_passing_harvest() {
    let engine = Engine::new();
    let keeper = Engine::spawn(&engine, |engine| engine.wait(0));
    let notifier = Engine::spawn(&engine, |engine| engine.end_wait(0));
    engine.harvest_in_passing();
    join([keeper, notifier]);
}

/// The keeper's wait ends and nobody else keeps the lookout: the helper sees to a thread that sleeps elsewhere.
pub fn event_against_vacancy() {
    let engine = Engine::new();
    let keeper = Engine::spawn(&engine, |engine| engine.wait(0));
    let sleeper = Engine::spawn(&engine, |engine| {
        while !engine.over[1].load(Relaxed) {
            engine.seats[1].park();
        }
    });
    let peer = Engine::spawn(&engine, |engine| engine.network(1));
    engine.end_wait(0);
    engine.help(1);
    join([keeper, sleeper, peer]);
}

fn join<const N: usize>(threads: [JoinHandle<()>; N]) {
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}
