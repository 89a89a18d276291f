//! Waitable objects and the wait on them: signalled states, wait-any, wait-all, APCs, time-outs.
//!
//! As in NT, one global dispatcher lock makes "all of these are signalled, take them together" one step. A thread
//! that waits leaves a block at every object, first come first served; whoever signals an object satisfies
//! blocks under the lock and wakes their threads after it. Setting an object nobody waits for takes no lock.
//!
//! Source: "Wait Functions", <https://learn.microsoft.com/windows/win32/sync/wait-functions>.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

use super::lock::Lock;
use super::object::Object;
use super::parker::{Deadline, has_passed};
use super::thread::{self, Thread};

/// Orders all consuming of signalled states. Nothing is woken and nothing else is locked under it but wait lists.
static DISPATCHER: Lock<()> = Lock::new(());

/// The signalled state of one object, and who waits for it.
pub struct Waitable {
    manual: bool, // manual reset: a wait does not consume the state
    signalled: AtomicBool,
    watched: AtomicBool, // somebody may be in `waits`: setters have to look
    waits: Lock<Vec<Arc<Wait>>>, // in order of arrival; changed under the dispatcher lock only
}

impl Waitable {
    /// A manual-reset object stays signalled until it is reset; an auto-reset one releases one wait.
    pub const fn new(manual: bool, signalled: bool) -> Self {
        Waitable {
            manual,
            signalled: AtomicBool::new(signalled),
            watched: AtomicBool::new(false),
            waits: Lock::new(Vec::new()),
        }
    }

    /// Signals the object and releases whom that satisfies.
    pub fn set(&self) {
        self.signal().wake();
    }

    /// As [`set`](Self::set), for callers that hold a lock: the threads sleep on until [`Released::wake`].
    pub fn signal(&self) -> Released {
        // SeqCst on both sides: either the waiter sees the state, or we see that it watches.
        self.signalled.store(true, SeqCst);
        if self.watched.load(SeqCst) {
            self.release()
        } else {
            Released(Vec::new())
        }
    }

    /// Makes the object non-signalled.
    pub fn reset(&self) {
        let _dispatcher = DISPATCHER.lock();
        self.signalled.store(false, SeqCst);
    }

    /// As [`reset`](Self::reset), for objects that no wait consumes: the start of an operation on a socket.
    pub fn reset_manual(&self) {
        debug_assert!(self.manual);
        if self.signalled.load(Relaxed) {
            self.signalled.store(false, SeqCst);
        }
    }

    fn is_signalled(&self) -> bool {
        self.signalled.load(SeqCst)
    }

    /// Takes the signalled state for one wait. Under the dispatcher lock.
    fn consume(&self) -> bool {
        if self.manual {
            self.is_signalled()
        } else {
            self.signalled.swap(false, SeqCst)
        }
    }

    #[cold]
    fn release(&self) -> Released {
        let mut satisfied = Vec::new();
        {
            let _dispatcher = DISPATCHER.lock();
            for wait in self.waits.lock().iter() {
                if !self.is_signalled() {
                    break;
                }
                if wait.try_satisfy() {
                    satisfied.push(wait.clone());
                }
            }
        }
        Released(satisfied)
    }
}

/// Waits that are satisfied, whose threads are still to be woken.
#[must_use = "the threads sleep on"]
pub struct Released(Vec<Arc<Wait>>);

impl Released {
    /// Wakes the threads. Under no lock.
    pub fn wake(self) {
        for wait in self.0 {
            wait.thread.parker.unpark();
        }
    }
}

/// One thread's wait for some objects.
pub struct Wait {
    thread: Arc<Thread>,
    objects: Vec<Object>,
    all: bool,
    outcome: AtomicU32, // index of what satisfied it
}

const UNSATISFIED: u32 = u32::MAX;

impl Wait {
    /// Satisfies the wait if it can be. Under the dispatcher lock.
    fn try_satisfy(&self) -> bool {
        if self.outcome().is_some() {
            return false;
        }
        match satisfy(&self.objects, self.all) {
            Some(index) => {
                self.outcome.store(index as u32, Release); // pairs with Acquire in `outcome`
                true
            }
            None => false,
        }
    }

    fn outcome(&self) -> Option<usize> {
        match self.outcome.load(Acquire) {
            UNSATISFIED => None,
            index => Some(index as usize),
        }
    }

    fn register(self: &Arc<Self>) {
        for waitable in self.objects.iter().filter_map(Object::waitable) {
            waitable.waits.lock().push(self.clone());
        }
    }

    fn unregister(self: &Arc<Self>) {
        for waitable in self.objects.iter().filter_map(Object::waitable) {
            let mut waits = waitable.waits.lock();
            waits.retain(|wait| !Arc::ptr_eq(wait, self));
            waitable.watched.store(!waits.is_empty(), SeqCst);
        }
    }

    /// Ends the wait; what satisfied it in the last moment still counts.
    fn end(self: &Arc<Self>) -> Option<usize> {
        let _dispatcher = DISPATCHER.lock();
        self.unregister();
        self.outcome()
    }
}

/// Consumes one (the lowest) or all of the objects, if that is possible now. Under the dispatcher lock.
fn satisfy(objects: &[Object], all: bool) -> Option<usize> {
    let mut waitables = objects.iter().map(Object::waitable);
    if !all {
        return waitables.position(|waitable| waitable.is_some_and(Waitable::consume));
    }
    if !waitables.all(|waitable| waitable.is_some_and(Waitable::is_signalled)) {
        return None;
    }
    for waitable in objects.iter().filter_map(Object::waitable) {
        waitable.consume();
    }
    Some(0)
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The object at this index was signalled and is consumed; 0 for a wait for all.
    Object(usize),
    /// APCs ran; no object was consumed.
    Apc,
    /// As `Object`, and it (or one of them) was a mutex whose owner ended without releasing it.
    Abandoned(usize),
    /// Time passed.
    TimedOut,
}

/// Waits until one (or all) of the objects is signalled, an APC runs (`alertable`), or `deadline`.
///
/// An object that is signalled wins over pending APCs.
pub fn wait(objects: &[Object], all: bool, deadline: Deadline, alertable: bool) -> Waited {
    let thread = thread::current();
    let wait = {
        let _dispatcher = DISPATCHER.lock();
        for waitable in objects.iter().filter_map(Object::waitable) {
            waitable.watched.store(true, SeqCst); // before looking: see `Waitable::set`
        }
        let wait = Arc::new(Wait {
            thread: thread.clone(),
            objects: objects.to_vec(),
            all,
            outcome: AtomicU32::new(UNSATISFIED),
        });
        let satisfied = wait.try_satisfy();
        if satisfied || has_passed(deadline) || (alertable && thread.has_apcs()) {
            wait.unregister();
        } else {
            wait.register();
        }
        wait
    };
    if let Some(index) = wait.outcome() {
        return Waited::Object(index);
    }
    let waited = sleep(&wait, deadline, alertable);
    if waited == Waited::Apc {
        thread.run_apcs();
    }
    waited
}

fn sleep(wait: &Arc<Wait>, deadline: Deadline, alertable: bool) -> Waited {
    let thread = &wait.thread;
    let mut blocked = None;
    loop {
        let apc = alertable && thread.has_apcs();
        if wait.outcome().is_some() || apc || has_passed(deadline) {
            return match wait.end() {
                Some(index) => Waited::Object(index),
                None if apc => Waited::Apc,
                None => Waited::TimedOut,
            };
        }
        blocked.get_or_insert_with(thread::block);
        thread.parker.park(deadline);
    }
}

/// Sleeps until `deadline`, or until APCs ran if `alertable`.
pub fn sleep_until(deadline: Deadline, alertable: bool) -> Waited {
    wait(&[], false, deadline, alertable)
}
