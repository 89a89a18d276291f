//! The races of the real `Parker`, as scenarios.
//!
//! What a thread waits for is a flag that is written and read with relaxed ordering: so the models also find a parker
//! that wakes its thread but does not show it what the waker did before.

use std::time::Instant;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};

use super::system::{self, POLLIN, SOCKET, WAKER, pollfd};
use crate::parker::Parker;

#[derive(Default)]
struct Sleeper {
    parker: Parker,
    first: AtomicBool,
    second: AtomicBool,
}

fn sleeper() -> Arc<Sleeper> {
    Arc::new(Sleeper::default())
}

/// A thread that raises one flag and notifies.
fn waker(sleeper: &Arc<Sleeper>, flag: fn(&Sleeper) -> &AtomicBool) -> JoinHandle<()> {
    let sleeper = sleeper.clone();
    thread::spawn(move || {
        flag(&sleeper).store(true, Relaxed);
        sleeper.parker.unpark();
    })
}

fn join(threads: [JoinHandle<()>; 2]) {
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

impl Sleeper {
    fn sleep_on_futex_until(&self, flag: &AtomicBool) {
        while !flag.load(Relaxed) {
            self.parker.park(None);
        }
    }

    fn sleep_in_poll_until(&self, flag: &AtomicBool) {
        while !flag.load(Relaxed) {
            self.parker.park_in_poll(&mut descriptors(), None);
        }
    }

    fn sleep_in_set_until(&self, flag: &AtomicBool) {
        while !flag.load(Relaxed) {
            self.parker.park_in_set(WAKER, system::sleep_in_set);
        }
    }
}

fn descriptors() -> [pollfd; 2] {
    [0, SOCKET].map(|fd| pollfd {
        fd,
        events: POLLIN,
        revents: 0,
    })
}

/// The first wait of a thread ends; the second, of either kind, must not miss its own notification.
pub fn two_wakers_two_futex_sleeps() {
    let sleeper = sleeper();
    let wakers = [
        waker(&sleeper, |sleeper| &sleeper.first),
        waker(&sleeper, |sleeper| &sleeper.second),
    ];
    sleeper.sleep_on_futex_until(&sleeper.first);
    sleeper.sleep_on_futex_until(&sleeper.second);
    join(wakers);
}

/// As above, with sleeps in ppoll: the eventfd may still be written when the sleep it belonged to is over.
pub fn two_wakers_two_polls() {
    let sleeper = sleeper();
    let wakers = [
        waker(&sleeper, |sleeper| &sleeper.first),
        waker(&sleeper, |sleeper| &sleeper.second),
    ];
    sleeper.sleep_in_poll_until(&sleeper.first);
    sleeper.sleep_in_poll_until(&sleeper.second);
    join(wakers);
}

/// A thread sleeps in ppoll, then on the futex: a notification meant for one reaches the other.
pub fn poll_then_futex() {
    let sleeper = sleeper();
    let wakers = [
        waker(&sleeper, |sleeper| &sleeper.first),
        waker(&sleeper, |sleeper| &sleeper.second),
    ];
    sleeper.sleep_in_poll_until(&sleeper.first);
    sleeper.sleep_on_futex_until(&sleeper.second);
    join(wakers);
}

/// Both sleeps in an epoll set: its eventfd may still be written when the sleep it belonged to is over.
pub fn two_wakers_two_sets() {
    let sleeper = sleeper();
    let wakers = [
        waker(&sleeper, |sleeper| &sleeper.first),
        waker(&sleeper, |sleeper| &sleeper.second),
    ];
    sleeper.sleep_in_set_until(&sleeper.first);
    sleeper.sleep_in_set_until(&sleeper.second);
    join(wakers);
}

/// A thread sleeps on the futex, then in the set.
pub fn futex_then_set() {
    let sleeper = sleeper();
    let wakers = [
        waker(&sleeper, |sleeper| &sleeper.first),
        waker(&sleeper, |sleeper| &sleeper.second),
    ];
    sleeper.sleep_on_futex_until(&sleeper.first);
    sleeper.sleep_in_set_until(&sleeper.second);
    join(wakers);
}

/// Data for the socket ends a ppoll while the thread is notified; then it sleeps on the futex.
pub fn socket_against_notification() {
    let sleeper = sleeper();
    let waker = waker(&sleeper, |sleeper| &sleeper.first);
    let peer = thread::spawn(system::network);
    sleeper.parker.park_in_poll(&mut descriptors(), None);
    sleeper.sleep_on_futex_until(&sleeper.first);
    join([waker, peer]);
}

/// Time ends a sleep while the thread is notified; then it sleeps without a limit.
pub fn time_out_against_notification() {
    let sleeper = sleeper();
    let waker = waker(&sleeper, |sleeper| &sleeper.first);
    let timer = thread::spawn(system::run_out);
    sleeper.parker.park(Some(Instant::now()));
    sleeper.sleep_in_poll_until(&sleeper.first);
    join([waker, timer]);
}
