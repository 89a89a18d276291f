//! Waitable objects and the wait on them: signalled states, wait-any, wait-all, APCs, time-outs.
//!
//! As in NT, one global dispatcher lock makes "all of these are signalled, take them together" one step. A thread
//! that waits leaves a block at every object, first come first served; whoever signals an object satisfies
//! blocks under the lock and wakes their threads after it. Setting an event nobody waits for takes no lock.
//!
//! Whether an object is signalled is one flag for every kind, which is all that most need. What a wait takes differs:
//! a semaphore counts, and a mutex becomes its thread's, who may take it again.
//!
//! Source: "Wait Functions", <https://learn.microsoft.com/windows/win32/sync/wait-functions>.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use super::parker::{Deadline, has_passed};
use super::thread::{self, Thread};
use crate::platform::engine::helper;
use crate::platform::engine::socket_wait::SocketWait;
use crate::platform::lock::Lock;
use crate::platform::objects::object::{Mutex, Object};
use crate::platform::status::Status;

/// Orders all consuming of signalled states. Nothing is woken and nothing else is locked under it but wait lists.
static DISPATCHER: Lock<()> = Lock::new(());

/// The signalled state of one object, and who waits for it.
pub struct Waitable {
    kind: Kind,
    signalled: AtomicBool,       // a mutex: nobody owns it
    watched: AtomicBool,         // somebody may be in `waits`: setters have to look
    waits: Lock<Vec<Arc<Wait>>>, // in order of arrival; changed under the dispatcher lock only
}

/// What a wait takes. The numbers change under the dispatcher lock only.
enum Kind {
    /// Nothing: it stays signalled until it is reset.
    Manual,
    /// The signal: it releases one wait.
    Auto,
    /// One of the count.
    Semaphore { count: AtomicI32, max: i32 },
    /// The mutex itself.
    Mutex {
        owner: AtomicU64, // serial number of its thread
        depth: AtomicU32, // how often that has taken it
        abandoned: AtomicBool,
    },
}

const NOBODY: u64 = 0;

impl Waitable {
    /// A manual-reset object stays signalled until it is reset; an auto-reset one releases one wait.
    pub const fn new(manual: bool, signalled: bool) -> Self {
        Waitable::of(if manual { Kind::Manual } else { Kind::Auto }, signalled)
    }

    /// A semaphore's: signalled while its count is above 0.
    pub const fn semaphore(count: i32, max: i32) -> Self {
        let kind = Kind::Semaphore {
            count: AtomicI32::new(count),
            max,
        };
        Waitable::of(kind, count > 0)
    }

    /// A mutex's, which nobody owns.
    pub const fn mutex() -> Self {
        let kind = Kind::Mutex {
            owner: AtomicU64::new(NOBODY),
            depth: AtomicU32::new(0),
            abandoned: AtomicBool::new(false),
        };
        Waitable::of(kind, true)
    }

    const fn of(kind: Kind, signalled: bool) -> Self {
        Waitable {
            kind,
            signalled: AtomicBool::new(signalled),
            watched: AtomicBool::new(false),
            waits: Lock::new(Vec::new()),
        }
    }

    /// Signals the object and releases whom that satisfies.
    pub fn set(&self) {
        // As in `signal`; mostly nobody waits.
        self.signalled.store(true, SeqCst);
        if self.watched.load(SeqCst) {
            self.release().wake();
        }
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
        debug_assert!(matches!(self.kind, Kind::Manual));
        if self.signalled.load(Relaxed) {
            // Relaxed: a wait that still sees the signal has looked before the reset.
            self.signalled.store(false, Relaxed);
        }
    }

    /// PulseEvent: releases whom a signal satisfies now (one wait if auto-reset), and leaves no signal.
    pub fn pulse(&self) {
        let released = {
            let _dispatcher = DISPATCHER.lock();
            self.signalled.store(true, SeqCst);
            let released = self.satisfy_waits();
            self.signalled.store(false, SeqCst);
            released
        };
        released.wake();
    }

    /// Adds to a semaphore's count and gives what it was.
    ///
    /// # Errors
    /// `SEMAPHORE_LIMIT_EXCEEDED`; then nothing changes.
    pub fn add(&self, more: i32) -> Result<i32, Status> {
        let Kind::Semaphore { count, max } = &self.kind else {
            return Err(Status::INVALID_HANDLE);
        };
        let (before, released) = {
            let _dispatcher = DISPATCHER.lock();
            let before = count.load(Relaxed);
            let after = before.checked_add(more).filter(|after| after <= max);
            count.store(after.ok_or(Status::SEMAPHORE_LIMIT_EXCEEDED)?, Relaxed);
            self.signalled.store(true, SeqCst);
            (before, self.satisfy_waits())
        };
        released.wake();
        Ok(before)
    }

    fn is_signalled(&self) -> bool {
        self.signalled.load(SeqCst)
    }

    fn is_signalled_for(&self, thread: &Thread) -> bool {
        self.is_signalled() || self.is_owned_by(thread)
    }

    fn is_owned_by(&self, thread: &Thread) -> bool {
        matches!(&self.kind, Kind::Mutex { owner, .. } if owner.load(Relaxed) == thread.serial())
    }

    /// Takes the object for one wait of the thread. Under the dispatcher lock.
    fn consume(&self, thread: &Thread) -> Option<Taken> {
        match &self.kind {
            Kind::Manual => self.is_signalled().then_some(Taken::Plainly),
            Kind::Auto => self.signalled.swap(false, SeqCst).then_some(Taken::Plainly),
            Kind::Semaphore { count, .. } => {
                let before = count.load(Relaxed);
                if before == 0 {
                    return None;
                }
                count.store(before - 1, Relaxed);
                self.signalled.store(before > 1, SeqCst);
                Some(Taken::Plainly)
            }
            Kind::Mutex {
                owner,
                depth,
                abandoned,
            } => {
                if self.is_owned_by(thread) {
                    depth.fetch_add(1, Relaxed);
                    return Some(Taken::Plainly);
                }
                if !self.signalled.swap(false, SeqCst) {
                    return None;
                }
                owner.store(thread.serial(), Relaxed);
                depth.store(1, Relaxed);
                Some(if abandoned.swap(false, Relaxed) {
                    Taken::Abandoned
                } else {
                    Taken::Plainly
                })
            }
        }
    }

    #[cold]
    fn release(&self) -> Released {
        let _dispatcher = DISPATCHER.lock();
        self.satisfy_waits()
    }

    /// Satisfies whom the object's state satisfies, first come first served. Under the dispatcher lock.
    fn satisfy_waits(&self) -> Released {
        let mut satisfied = Vec::new();
        for wait in self.waits.lock().iter() {
            if !self.is_signalled() {
                break;
            }
            if wait.try_satisfy() {
                satisfied.push(wait.clone());
            }
        }
        Released(satisfied)
    }
}

/// How a wait got an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Plainly,
    Abandoned, // a mutex whose owner ended
}

impl Mutex {
    /// Takes a mutex that nobody else knows yet for the calling thread.
    pub fn take_new(self: &Arc<Self>) {
        let _dispatcher = DISPATCHER.lock();
        consume(&Object::Mutex(self.clone()), &thread::current());
    }

    /// Releases it once, by its owner.
    ///
    /// # Errors
    /// `MUTANT_NOT_OWNED`.
    pub fn release(self: &Arc<Self>) -> Result<(), Status> {
        let thread = thread::current();
        let Kind::Mutex { depth, .. } = &self.waitable.kind else {
            unreachable!("a mutex is a mutex");
        };
        let released = {
            let _dispatcher = DISPATCHER.lock();
            if !self.waitable.is_owned_by(&thread) {
                return Err(Status::MUTANT_NOT_OWNED);
            }
            if depth.fetch_sub(1, Relaxed) > 1 {
                return Ok(());
            }
            thread.disown(self);
            self.give_up(false)
        };
        released.wake();
        Ok(())
    }

    /// Makes it nobody's. Under the dispatcher lock.
    fn give_up(&self, abandon: bool) -> Released {
        if let Kind::Mutex {
            owner, abandoned, ..
        } = &self.waitable.kind
        {
            owner.store(NOBODY, Relaxed);
            abandoned.store(abandon, Relaxed);
        }
        self.waitable.signalled.store(true, SeqCst);
        self.waitable.satisfy_waits()
    }
}

/// The thread has ended: the mutexes it still owns are abandoned.
pub fn abandon_mutexes(thread: &Thread) {
    let released: Vec<Released> = {
        let _dispatcher = DISPATCHER.lock();
        let owned = thread.disown_all().into_iter();
        owned.map(|mutex| mutex.give_up(true)).collect()
    };
    released.into_iter().for_each(Released::wake);
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
/// Beside the index in `Wait::outcome`.
const ABANDONED: u32 = 1 << 31;

impl Wait {
    /// A wait that cannot be satisfied yet. Under the dispatcher lock.
    fn begin(thread: &Arc<Thread>, objects: &[impl Borrow<Object>], all: bool) -> Arc<Wait> {
        let wait = Arc::new(Wait {
            thread: thread.clone(),
            objects: objects
                .iter()
                .map(|object| object.borrow().clone())
                .collect(),
            all,
            outcome: AtomicU32::new(UNSATISFIED),
        });
        for waitable in wait.objects.iter().filter_map(Object::waitable) {
            waitable.watched.store(true, SeqCst); // before looking: see `Waitable::signal`
        }
        wait.register();
        wait.try_satisfy(); // what was signalled since it was looked at
        wait
    }

    /// Satisfies the wait if it can be. Under the dispatcher lock.
    fn try_satisfy(&self) -> bool {
        if self.outcome().is_some() {
            return false;
        }
        match satisfy(&self.objects, self.all, &self.thread) {
            Some((index, taken)) => {
                let mark = match taken {
                    Taken::Abandoned => ABANDONED,
                    Taken::Plainly => 0,
                };
                self.outcome.store(index as u32 | mark, Release); // pairs with Acquire in `outcome`
                true
            }
            None => false,
        }
    }

    fn outcome(&self) -> Option<Waited> {
        match self.outcome.load(Acquire) {
            UNSATISFIED => None,
            mark if mark & ABANDONED != 0 => Some(Waited::Abandoned((mark & !ABANDONED) as usize)),
            index => Some(Waited::Object(index as usize)),
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
    fn end(self: &Arc<Self>) -> Option<Waited> {
        let _dispatcher = DISPATCHER.lock();
        self.unregister();
        self.outcome()
    }
}

/// Takes one (the lowest) or all of the objects, if that is possible now. Under the dispatcher lock.
fn satisfy(
    objects: &[impl Borrow<Object>],
    all: bool,
    thread: &Arc<Thread>,
) -> Option<(usize, Taken)> {
    let objects = objects.iter().map(Borrow::borrow);
    if !all {
        let taken = |(index, object)| Some((index, consume(object, thread)?));
        return objects.enumerate().find_map(taken);
    }
    let is_signalled = |object: &Object| {
        let waitable = object.waitable();
        waitable.is_some_and(|waitable| waitable.is_signalled_for(thread))
    };
    if !objects.clone().all(is_signalled) {
        return None;
    }
    // Every one is taken, whatever the first ones say.
    let abandoned = objects
        .filter(|object| consume(object, thread) == Some(Taken::Abandoned))
        .count();
    Some((
        0,
        if abandoned > 0 {
            Taken::Abandoned
        } else {
            Taken::Plainly
        },
    ))
}

/// Takes one object for the thread. Under the dispatcher lock.
fn consume(object: &Object, thread: &Thread) -> Option<Taken> {
    let waitable = object.waitable()?;
    let had = waitable.is_owned_by(thread);
    let taken = waitable.consume(thread)?;
    if let (Object::Mutex(mutex), false) = (object, had) {
        thread.own(mutex);
    }
    Some(taken)
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

impl Waited {
    fn of(index: usize, taken: Taken) -> Waited {
        match taken {
            Taken::Abandoned => Waited::Abandoned(index),
            Taken::Plainly => Waited::Object(index),
        }
    }
}

/// Waits until one (or all) of the objects is signalled, an APC runs (`alertable`), or `deadline`.
///
/// An object that is signalled wins over pending APCs.
pub fn wait(
    objects: &[impl Borrow<Object>],
    all: bool,
    deadline: Deadline,
    alertable: bool,
) -> Waited {
    let thread = thread::current();
    let wait = {
        let _dispatcher = DISPATCHER.lock();
        if let Some((index, taken)) = satisfy(objects, all, &thread) {
            Err(Waited::of(index, taken))
        } else if alertable && thread.has_apcs() {
            Err(Waited::Apc)
        } else if has_passed(deadline) {
            Err(Waited::TimedOut)
        } else {
            Ok(Wait::begin(&thread, objects, all))
        }
    };
    let is_for_sockets = || {
        let mut objects = objects.iter().map(Borrow::borrow);
        objects.any(Object::is_for_sockets) || alertable && thread.uses_routines()
    };
    let waited = match wait {
        Ok(wait) => sleep(&wait, deadline, alertable, is_for_sockets()),
        Err(waited) => {
            if helper::keeps_default_set() && !has_passed(deadline) && is_for_sockets() {
                helper::will_be_kept();
            }
            waited
        }
    };
    if waited == Waited::Apc {
        thread.run_apcs();
    }
    waited
}

fn sleep(wait: &Arc<Wait>, deadline: Deadline, alertable: bool, is_for_sockets: bool) -> Waited {
    let thread = &wait.thread;
    let mut blocked = None;
    let mut socket_wait = None;
    loop {
        let apc = alertable && thread.has_apcs();
        if wait.outcome().is_some() || apc || has_passed(deadline) {
            return match wait.end() {
                Some(waited) => waited,
                None if apc => Waited::Apc,
                None => Waited::TimedOut,
            };
        }
        blocked.get_or_insert_with(thread::block);
        if is_for_sockets {
            let socket_wait = socket_wait.get_or_insert_with(|| SocketWait::begin(thread));
            socket_wait.sleep(deadline);
        } else {
            thread.parker.park(deadline);
        }
    }
}

/// Sleeps until `deadline`, or until APCs ran if `alertable`.
pub fn sleep_until(deadline: Deadline, alertable: bool) -> Waited {
    const NOTHING: &[Object] = &[];
    wait(NOTHING, false, deadline, alertable)
}
