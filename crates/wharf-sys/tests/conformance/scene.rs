//! A completion port with actors around it, for tests about which thread runs.
//!
//! An actor is a thread that carries out what the test tells it, one act after another, and in between *computes*: it spins, so
//! that it counts as running. So each test is a script whose every line has one possible outcome.

use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use wharf_sys::*;

use crate::harness::*;

/// A port, closed at the end so that no actor is left waiting.
pub struct Scene {
    pub port: Port,
}

impl Scene {
    pub fn new(concurrency: u32) -> Scene {
        Scene {
            port: Port::new(concurrency),
        }
    }

    /// Posts the packet with this number.
    pub fn post(&self, number: u32) {
        self.port.post(numbered(number));
    }

    /// `N` actors waiting at the port; the last one began to wait last.
    pub fn waiting<const N: usize>(&self) -> [Waiting; N] {
        std::array::from_fn(|already| {
            let waiting = Actor::new().wait(&self.port);
            until_port_waiters(self.port.raw(), already + 1);
            waiting
        })
    }

    /// With concurrency value 1: an actor that runs with packet 0, and another that waits.
    pub fn one_runs_one_waits() -> (Scene, Actor, Waiting) {
        let scene = Scene::new(1);
        scene.post(0);
        let runs = Actor::new();
        assert_eq!(runs.take(&scene.port, 0), Taken::Packet(numbered(0)));
        let [waits] = scene.waiting();
        (scene, runs, waits)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.port.close();
    }
}

pub fn numbered(number: u32) -> Packet {
    packet(number, 0, 0)
}

type Act = Box<dyn FnOnce() + Send>;

/// A thread that does what it is told, and computes in between. It ends when dropped.
pub struct Actor {
    pub script: mpsc::Sender<Act>,
    pub thread: Worker<()>,
}

/// An act that an actor was told and may not have finished.
pub struct Doing<T>(pub mpsc::Receiver<T>);

/// An actor that waits at a port without a time limit.
pub struct Waiting {
    pub actor: Actor,
    pub taking: Doing<Taken>,
}

impl Actor {
    pub fn new() -> Actor {
        let (script, acts) = mpsc::channel::<Act>();
        let thread = spawn(move || {
            loop {
                match acts.try_recv() {
                    Ok(act) => act(),
                    Err(TryRecvError::Empty) => thread::yield_now(),
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        });
        Actor { script, thread }
    }

    /// Tells the actor to do something.
    pub fn start<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Doing<T> {
        let (done, outcome) = mpsc::channel();
        // A test that already failed does not wait for the outcome.
        let act = move || drop(done.send(act()));
        self.script.send(Box::new(act)).expect("the actor listens");
        Doing(outcome)
    }

    /// Lets the actor take from the port.
    #[track_caller]
    pub fn take(&self, port: &Port, timeout_ms: u32) -> Taken {
        let port = port.clone();
        self.start(move || port.take(timeout_ms)).outcome()
    }

    /// Lets the actor block until `event` is signalled.
    pub fn block_on(&self, event: &Event) -> Doing<bool> {
        let event = event.clone();
        let blocking = self.start(move || event.wait(DEADLINE_MS));
        self.thread.until_waits();
        blocking
    }

    /// Lets the actor wait at the port without a time limit.
    pub fn wait(self, port: &Port) -> Waiting {
        let port = port.clone();
        let taking = self.start(move || port.take(INFINITE));
        Waiting {
            actor: self,
            taking,
        }
    }

    /// Ends the thread.
    #[track_caller]
    pub fn exit(self) {
        drop(self.script);
        self.thread.join();
    }
}

impl<T> Doing<T> {
    #[track_caller]
    pub fn outcome(self) -> T {
        self.0.recv_timeout(DEADLINE).expect("the act does not end")
    }
}

impl Waiting {
    /// The wait ends with the packet of that number.
    #[track_caller]
    pub fn takes(self, number: u32) -> Actor {
        assert_eq!(self.taking.outcome(), Taken::Packet(numbered(number)));
        self.actor
    }

    /// The wait goes on, for as long as a time-out takes.
    #[track_caller]
    pub fn goes_on(&self) {
        let outcome = self
            .taking
            .0
            .recv_timeout(Duration::from_millis(SHORT_MS.into()));
        assert_eq!(outcome, Err(RecvTimeoutError::Timeout));
    }
}

// Under Wine each of these scenes can end in any way, depending on which thread is fast.
pub const NOT_LIMITED: &str = "the concurrency value is not enforced";
pub const AS_THEY_WAKE: &str = "all waiters are woken, and packets are for whoever comes first";
