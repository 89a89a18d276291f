//! A port's epoll set and its benches, as far as waiters see them.
//!
//! Of the kernel only what the protocol has to cope with: the eventfd's edges coalesce, one edge wakes one
//! sleeper (or, if the model asks for it, all of them), whoever fetches events first has them, and a thread that
//! finds none goes back to sleep. Time is a thread of the model that may let a wait run out at any moment.

use loom::sync::{Condvar, Mutex};

use super::port::{Packet, THREADS_MAX};
use super::{Bug, seeded};

/// How sleeping ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Woken<T> {
    /// Something happened.
    Event(T),
    /// Time ran out.
    TimedOut,
}

/// Whom one edge wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// One sleeper.
    One,
    /// Every sleeper, as a burst of edges does.
    All,
}

/// The epoll set of a port: its eventfd, and sockets whose harvest yields packets.
pub struct Set {
    state: Mutex<State>,
    sleepers: Condvar,
    wakeup: Wakeup,
}

struct State {
    edge: bool,                    // of the eventfd
    finished: Vec<Packet>,         // what harvesting the sockets yields
    time_out: [bool; THREADS_MAX], // whose time ran out
}

/// What one look at the set found.
#[derive(Debug, PartialEq, Eq)]
pub struct Harvest {
    /// The eventfd's edge was among the events.
    pub edge: bool,
    /// Packets of finished requests.
    pub packets: Vec<Packet>,
}

impl Set {
    pub fn new(wakeup: Wakeup) -> Self {
        let state = State {
            edge: false,
            finished: Vec::new(),
            time_out: [false; THREADS_MAX],
        };
        Set {
            state: Mutex::new(state),
            sleepers: Condvar::new(),
            wakeup,
        }
    }

    /// Writes the eventfd.
    pub fn write(&self) {
        self.state.lock().unwrap().edge = true;
        self.wake();
    }

    /// The peer's data: a request of a socket can be finished.
    pub fn network(&self, packet: Packet) {
        self.state.lock().unwrap().finished.push(packet);
        self.wake();
    }

    /// Lets the wait of a thread run out.
    pub fn run_out(&self, thread: usize) {
        self.state.lock().unwrap().time_out[thread] = true;
        self.sleepers.notify_all();
    }

    /// Sleeps until there are events (epoll_wait).
    pub fn wait(&self, thread: usize) -> Woken<Harvest> {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(harvest) = state.fetch() {
                return Woken::Event(harvest);
            }
            if std::mem::take(&mut state.time_out[thread]) {
                return Woken::TimedOut;
            }
            state = self.sleepers.wait(state).unwrap();
        }
    }

    /// Fetches the events that are there (epoll_wait with time-out 0).
    pub fn fetch(&self) -> Option<Harvest> {
        self.state.lock().unwrap().fetch()
    }

    fn wake(&self) {
        match self.wakeup {
            Wakeup::One => self.sleepers.notify_one(),
            Wakeup::All => self.sleepers.notify_all(),
        }
    }
}

impl State {
    fn fetch(&mut self) -> Option<Harvest> {
        let harvest = Harvest {
            edge: std::mem::take(&mut self.edge),
            packets: std::mem::take(&mut self.finished),
        };
        (harvest.edge || !harvest.packets.is_empty()).then_some(harvest)
    }
}

/// Where one thread sleeps: a token that survives until it is consumed.
///
/// That the real parker is such a token is the subject of `parking.rs`.
pub struct Bench {
    state: Mutex<Seat>,
    sleeper: Condvar,
}

#[derive(Default)]
struct Seat {
    token: bool,
    time_out: bool,
}

impl Bench {
    pub fn new() -> Self {
        Bench {
            state: Mutex::new(Seat::default()),
            sleeper: Condvar::new(),
        }
    }

    /// Leaves a notification.
    pub fn unpark(&self) {
        self.state.lock().unwrap().token = true;
        self.sleeper.notify_one();
    }

    /// Lets the thread's wait run out.
    pub fn run_out(&self) {
        self.state.lock().unwrap().time_out = true;
        self.sleeper.notify_one();
    }

    /// Sleeps until notified.
    pub fn park(&self) -> Woken<()> {
        let mut seat = self.state.lock().unwrap();
        if seeded(Bug::BenchForgetsToken) {
            seat.token = false;
        }
        loop {
            if std::mem::take(&mut seat.token) {
                return Woken::Event(());
            }
            if std::mem::take(&mut seat.time_out) {
                return Woken::TimedOut;
            }
            seat = self.sleeper.wait(seat).unwrap();
        }
    }
}
