//! Threads that cannot hang a run, and knowing what they do.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::null;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;

/// How long to wait for "that thread blocks by now" where the platform cannot tell.
const BLIND_PAUSE: Duration = Duration::from_millis(150);

/// Waits until `condition` holds; `what` is the message when it never does.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        thread::sleep(Duration::from_micros(200));
    }
}

/// Computes until `condition` holds: like [`until`], but the thread keeps running and never blocks, which
/// is what holds a place at a completion port.
#[track_caller]
pub fn compute_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        std::hint::spin_loop();
    }
}

/// Why a test in which a thread must wait already makes no sense where that cannot be told.
pub const CANNOT_TELL: &str = "nobody can tell whether the thread waits already";

/// Waits until exactly `count` threads wait at `port`; where that cannot be told, long enough.
#[track_caller]
pub fn until_port_waiters(port: HANDLE, count: usize) {
    if observe::port_waiters(port).is_none() {
        return thread::sleep(BLIND_PAUSE);
    }
    until(&format!("{count} threads wait at the port"), || {
        observe::port_waiters(port) == Some(count)
    });
}

/// Waits until the thread blocks in a wait of the library; where that cannot be told, long enough.
#[track_caller]
pub fn until_thread_waits(thread_id: u32) {
    if observe::thread_waits(thread_id).is_none() {
        return thread::sleep(BLIND_PAUSE);
    }
    until("the thread waits", || {
        observe::thread_waits(thread_id) == Some(true)
    });
}

/// A thread of the standard library, which Windows' functions have never seen; joined with a deadline.
pub struct Worker<T> {
    thread: JoinHandle<()>,
    outcome: mpsc::Receiver<T>,
    id: u32,
    handle: Handle,
    spawned_at: &'static Location<'static>,
}

/// Starts a [`Worker`]; when this returns, the thread runs and its identifier is known.
#[track_caller]
pub fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Worker<T> {
    let spawned_at = Location::caller();
    let (started, identity) = mpsc::channel();
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || {
        started
            .send((current_thread_id(), current_thread()))
            .expect("the spawner waits");
        // A test that already failed does not wait for the outcome.
        let _ = done.send(body());
    });
    let (id, handle) = identity.recv().expect("the thread starts");
    Worker {
        thread,
        outcome,
        id,
        handle,
        spawned_at,
    }
}

impl<T> Worker<T> {
    /// The identifier that `GetCurrentThreadId` gives in that thread.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// A handle of the thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until the thread blocks in a wait of the library.
    #[track_caller]
    pub fn until_waits(&self) {
        until_thread_waits(self.id);
    }

    /// The thread's result; its panic becomes the caller's, and so does its not ending.
    #[track_caller]
    pub fn join(self) -> T {
        match self.outcome.recv_timeout(DEADLINE) {
            Ok(value) => {
                self.join_thread().expect("it had a result");
                value
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!(
                    "the thread spawned at {} did not end within {DEADLINE:?}",
                    self.spawned_at
                )
            }
            Err(RecvTimeoutError::Disconnected) => {
                panic::resume_unwind(self.join_thread().expect_err("it had no result"))
            }
        }
    }

    fn join_thread(self) -> Result<(), Box<dyn Any + Send>> {
        self.thread.join()
    }
}

/// Joins all, in order.
#[track_caller]
pub fn join_all<T>(workers: impl IntoIterator<Item = Worker<T>>) -> Vec<T> {
    workers.into_iter().map(Worker::join).collect()
}

/// Starts a thread with `CreateThread`; its exit code is what `body` returns (101 after a panic).
#[track_caller]
pub fn create_thread(
    flags: THREAD_CREATION_FLAGS,
    body: impl FnOnce() -> u32 + Send + 'static,
) -> (Handle, u32) {
    let argument = boxed(body);
    let mut id = 0;
    // SAFETY: `run_thread` takes over the boxed closure that `argument` points to; `id` lives through the call.
    let thread =
        unsafe { CreateThread(null(), 0, Some(run_thread), argument.cast(), flags, &mut id) };
    (Handle::own(thread), id)
}

type ThreadBody = Box<dyn FnOnce() -> u32 + Send>;

fn boxed(body: impl FnOnce() -> u32 + Send + 'static) -> *mut ThreadBody {
    Box::into_raw(Box::new(Box::new(body)))
}

unsafe extern "system" fn run_thread(argument: *mut c_void) -> u32 {
    // SAFETY: `create_thread` made it with `boxed`, for this thread alone.
    let body = unsafe { Box::from_raw(argument.cast::<ThreadBody>()) };
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(101)
}

/// `QueueUserAPC` with a closure; one that never runs is leaked. Gives the function's result.
pub fn queue_apc(thread: HANDLE, body: impl FnOnce() + Send + 'static) -> u32 {
    let argument = boxed(|| {
        body();
        0
    });
    // SAFETY: `run_apc` takes over the boxed closure when the APC runs.
    unsafe { QueueUserAPC(Some(run_apc), thread, argument as usize) }
}

unsafe extern "system" fn run_apc(argument: usize) {
    // SAFETY: `queue_apc` made it with `boxed`, for this APC alone.
    let body = unsafe { Box::from_raw(argument as *mut ThreadBody) };
    body();
}
