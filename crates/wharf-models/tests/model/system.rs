//! The system calls of the parker, as its model sees them: a futex, `ppoll` with an eventfd and a socket, an epoll set with
//! an eventfd of its own, time.
//!
//! The names are those of `wharf-sys`' `system.rs` and of libc, since the parker's own text runs against them.

use std::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

/// The socket that the thread also waits for in ppoll.
pub const SOCKET: i32 = 4;
const EVENTFD: i32 = 3;
/// The eventfd of the epoll set.
pub const WAKER: i32 = 5;

pub const POLLIN: i16 = 1;

/// A descriptor; the only one that is owned is the eventfd.
pub struct OwnedFd;

pub trait AsRawFd {
    fn as_raw_fd(&self) -> i32;
}

impl AsRawFd for OwnedFd {
    fn as_raw_fd(&self) -> i32 {
        EVENTFD
    }
}

#[expect(non_camel_case_types, reason = "libc's name")]
pub struct pollfd {
    pub fd: i32,
    pub events: i16,
    pub revents: i16,
}

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel { state: Mutex::new(State::default()), sleeper: Condvar::new() };
}

struct Kernel {
    state: Mutex<State>,
    sleeper: Condvar, // the one thread whose parker is modelled
}

#[derive(Default)]
struct State {
    futex_wakes: usize, // FUTEX_WAKE calls so far
    written: u64,       // the eventfd's counter
    readable: bool,     // the socket
    edge: bool,         // of the set's eventfd
    run_out: bool,      // a sleep with a time limit ends
}

impl Kernel {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.sleeper.notify_all();
    }
}

/// Data comes for the socket.
pub fn network() {
    KERNEL.change(|state| state.readable = true);
}

/// Sleeps with a time limit end.
pub fn run_out() {
    KERNEL.change(|state| state.run_out = true);
}

pub fn futex_wait(word: &AtomicU32, expected: u32, time: Option<Duration>) {
    let mut state = KERNEL.state.lock().unwrap();
    // Relaxed: the kernel's own lock orders this load against a waker's look for sleepers.
    if word.load(Ordering::Relaxed) != expected {
        return;
    }
    let before = state.futex_wakes;
    while state.futex_wakes == before && !(time.is_some() && state.run_out) {
        state = KERNEL.sleeper.wait(state).unwrap();
    }
}

pub fn futex_wake(_word: &AtomicU32) {
    KERNEL.change(|state| state.futex_wakes += 1);
}

pub fn eventfd() -> std::io::Result<OwnedFd> {
    Ok(OwnedFd)
}

pub fn eventfd_write(fd: i32) {
    KERNEL.change(|state| match fd {
        EVENTFD => state.written += 1,
        WAKER => state.edge = true,
        _ => {} // not open
    });
}

/// Sleeps in the set until its eventfd is written.
pub fn sleep_in_set() {
    let mut state = KERNEL.state.lock().unwrap();
    while !std::mem::take(&mut state.edge) {
        state = KERNEL.sleeper.wait(state).unwrap();
    }
}

pub fn eventfd_read(_fd: i32) {
    KERNEL.state.lock().unwrap().written = 0;
}

pub fn poll(fds: &mut [pollfd], time: Option<Duration>) {
    let mut state = KERNEL.state.lock().unwrap();
    loop {
        for fd in &mut *fds {
            let ready =
                (fd.fd == EVENTFD && state.written > 0) || (fd.fd == SOCKET && state.readable);
            fd.revents = if ready { fd.events } else { 0 };
        }
        let timed_out = time.is_some() && state.run_out;
        if timed_out || fds.iter().any(|fd| fd.revents != 0) {
            return;
        }
        state = KERNEL.sleeper.wait(state).unwrap();
    }
}
