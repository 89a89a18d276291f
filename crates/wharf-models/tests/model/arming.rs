//! Who looks after a port's sockets when nobody polls: the arming of the helper thread, as a scenario.
//!
//! A request pends while the last poller leaves, and the helper is about to stop ticking. Each of the three writes one
//! word and then looks at another's; between the two stands a sequentially consistent fence, so of any two at
//! least one sees the other. This part of the engine is no state machine of its own: the model follows `helper.rs`,
//! `reactor.rs` and `Socket::parked` by hand.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::{Bug, seeded};

#[derive(Default)]
struct Engine {
    sleepers: AtomicUsize, // threads asleep in the port's set
    live: AtomicUsize,     // requests under way
    armed: AtomicBool,
    woken: Mutex<bool>, // the helper's own set has an event
    helper: Condvar,
}

impl Engine {
    /// A request is left waiting for an edge.
    fn request_parks(&self) {
        self.live.fetch_add(1, Relaxed);
        if !seeded(Bug::ParkedWithoutFence) {
            fence(SeqCst); // pairs with the one in `arm` of the poller: it is gone, or the helper sees the request
        }
        if self.sleepers.load(Relaxed) == 0 {
            self.arm();
        }
    }

    /// The only poller leaves, and computes for ever.
    fn poller_leaves(&self) {
        self.sleepers.fetch_sub(1, Relaxed);
        if !seeded(Bug::LastPollerDoesNotArm) {
            self.arm();
        }
    }

    fn arm(&self) {
        fence(SeqCst); // pairs with the one in `disarm`
        if !self.armed.load(Relaxed) && !self.armed.swap(true, Relaxed) {
            *self.woken.lock().unwrap() = true;
            self.helper.notify_one();
        }
    }

    /// The helper: sleeps while it is not armed, ticks while it is, until it has harvested the request.
    fn help(&self) {
        loop {
            while self.armed.load(Relaxed) {
                if self.is_neglected() {
                    return;
                }
                self.disarm();
                thread::yield_now();
            }
            self.sleep();
        }
    }

    fn disarm(&self) {
        self.armed.store(false, Relaxed);
        if !seeded(Bug::DisarmDoesNotLookAgain) {
            fence(SeqCst); // pairs with the one in `arm`
            if self.is_neglected() {
                self.armed.store(true, Relaxed);
            }
        }
    }

    fn is_neglected(&self) -> bool {
        self.sleepers.load(Relaxed) == 0 && self.live.load(Relaxed) > 0
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.helper.wait(woken).unwrap();
        }
        *woken = false;
    }
}

/// A request pends, the last poller leaves, the helper is armed from before and about to disarm.
pub fn request_against_leaving_and_disarming() {
    let engine = Arc::new(Engine::default());
    engine.sleepers.store(1, Relaxed);
    engine.armed.store(true, Relaxed);
    let spawn = |body: fn(&Engine)| {
        let engine = engine.clone();
        thread::spawn(move || body(&engine))
    };
    let threads = [spawn(Engine::request_parks), spawn(Engine::poller_leaves)];
    engine.help();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}
