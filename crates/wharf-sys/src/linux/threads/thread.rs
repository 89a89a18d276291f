//! Threads: their handles, APC queues, and the completion port each belongs to.
//!
//! Every thread that calls into the library is a full thread, whoever made it: what the library knows of it is
//! created at its first call and ends with the thread. What it has to do with its completion port is in `port`.

mod port;

use core::ffi::c_void;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, LazyLock, OnceLock, Weak};

use windows_sys::Win32::Foundation::{HANDLE, STILL_ACTIVE};

use super::escape::{self, StartRoutine};
use super::parker::Parker;
use super::wait::{self, Waitable};
use crate::platform::engine::cancel;
use crate::platform::engine::dispatch::MemberId;
use crate::platform::engine::port::Port;
use crate::platform::lock::Lock;
use crate::platform::messages::message::Queue;
use crate::platform::messages::window;
use crate::platform::objects::object::Mutex;
use crate::platform::startup;
use crate::platform::system;

pub use port::*;

/// A procedure queued to a thread, run in an alertable wait of that thread.
pub type Apc = Box<dyn FnOnce() + Send>;

/// Tells the APC of one setting of a timer from all others.
pub type ApcId = u64;

/// The APCs that nobody takes back.
const ANY_APC: ApcId = 0;

/// A thread, as its handles name it.
pub struct Thread {
    /// Where it sleeps.
    pub parker: Parker,
    /// Signalled when it has ended.
    pub ended: Waitable,
    serial: u64,   // never used again, unlike `id`
    id: AtomicU32, // 0 until a created thread has started
    exit_code: AtomicU32,
    apcs: Lock<Apcs>,
    apc_count: AtomicUsize,        // of `apcs`, so that looking takes no lock
    refused: AtomicBool,           // it could not be given a handle: it must not run
    suspended: AtomicU32,          // suspend count of a thread created suspended
    waiting: AtomicBool,           // asleep in a wait of the library: for tests
    uses_routines: AtomicBool,     // it has started operations with completion routines
    started_requests: AtomicUsize, // less those ended, over all threads, that is what is under way
    ended_requests: AtomicUsize,
    queue: OnceLock<Box<Queue>>, // of messages, from its first message call on
    owned: Lock<Vec<Weak<Mutex>>>, // what its end abandons; under the dispatcher lock
}

struct Apcs {
    queue: VecDeque<(ApcId, Apc)>,
    open: bool, // false once the thread has ended
}

/// What belongs to the calling thread alone.
struct Local {
    thread: Arc<Thread>,
    association: RefCell<Option<(Arc<Port>, MemberId)>>, // the port whose active count this thread is part of
    port_handle: Cell<HANDLE>, // by which it last asked that port for a packet
    posts_to: Cell<Option<(HANDLE, Weak<Port>)>>, // the port it last posted to
    turns: Cell<u32>,          // calls for a packet since it last looked at the sockets
    ids: Cell<Range<u64>>,     // of its next requests
    issued: Cell<bool>,        // whether it ever started an operation, which may pend
}

thread_local! {
    // A bare pointer, so that it can still be read while the thread's other destructors run.
    static LOCAL: Cell<*const Local> = const { Cell::new(std::ptr::null()) };
    static EXIT: AtExit = const { AtExit };
}

/// Runs the thread's end when the thread's storage is destroyed.
struct AtExit;

impl Drop for AtExit {
    fn drop(&mut self) {
        end(0);
    }
}

static SERIAL: AtomicU64 = AtomicU64::new(1);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);
// What threads that have ended left of the counts, and what they still count.
static RETIRED_STARTED: AtomicUsize = AtomicUsize::new(0);
static RETIRED_ENDED: AtomicUsize = AtomicUsize::new(0);

static THREADS: LazyLock<Lock<HashMap<u32, Weak<Thread>>>> = LazyLock::new(Default::default);

fn with<R>(use_local: impl FnOnce(&Local) -> R) -> R {
    let mut local = LOCAL.get();
    if local.is_null() {
        local = begin(Thread::new(0));
    }
    // SAFETY: set by `begin` of this very thread, freed only by its `end`, which runs no caller of `with` inside.
    use_local(unsafe { &*local })
}

/// Makes the calling thread known as `thread`.
fn begin(thread: Arc<Thread>) -> *const Local {
    let id = system::thread_id();
    thread.id.store(id, Release);
    {
        let mut threads = THREADS.lock();
        let same_id = threads.insert(id, Arc::downgrade(&thread));
        // A thread that called in after its storage was destroyed has no end here; its number is used again.
        if let Some(leaked) = same_id.and_then(|leaked| leaked.upgrade()) {
            retire_counts(&leaked);
        }
    }
    let local = Box::new(Local {
        thread,
        association: RefCell::new(None),
        port_handle: Cell::new(std::ptr::null_mut()),
        posts_to: Cell::new(None),
        turns: Cell::new(0),
        ids: Cell::new(0..0),
        issued: Cell::new(false),
    });
    let local = Box::into_raw(local).cast_const();
    LOCAL.set(local);
    // After the storage is destroyed (static destructors of C++) this fails: then the little that follows is leaked.
    let _ = EXIT.try_with(|_| ());
    local
}

/// Ends the calling thread for the library: cancels what must not outlive it, leaves its port, discards APCs.
fn end(code: u32) {
    let local = LOCAL.get();
    if local.is_null() || startup::is_child() {
        return; // in the child of a fork everything belongs to the parent
    }
    {
        // SAFETY: as in `with`; it is freed only below.
        let local = unsafe { &*local };
        if local.issued.get() {
            cancel::thread_exits(local.thread.serial);
        }
        disassociate(local);
        window::thread_ends(&local.thread);
        {
            let mut threads = THREADS.lock();
            threads.remove(&local.thread.id());
            retire_counts(&local.thread);
        }
        local.thread.finish(code);
    }
    LOCAL.set(std::ptr::null());
    // SAFETY: made by Box::into_raw in `begin`; LOCAL no longer names it.
    drop(unsafe { Box::from_raw(local.cast_mut()) });
}

/// What a thread counted that is no longer in the table.
fn retire_counts(thread: &Thread) {
    RETIRED_STARTED.fetch_add(thread.started_requests.load(Relaxed), Relaxed);
    RETIRED_ENDED.fetch_add(thread.ended_requests.load(Relaxed), Relaxed);
}

/// The calling thread.
pub fn current() -> Arc<Thread> {
    with(|local| local.thread.clone())
}

/// The calling thread's identifier.
pub fn current_id() -> u32 {
    with(|local| local.thread.id())
}

/// The calling thread starts a request: its serial number, and an identifier for the request.
pub fn start_request() -> (u64, u64) {
    with(|local| {
        local.issued.set(true);
        count_one(&local.thread.started_requests);
        let mut ids = local.ids.take();
        let id = ids.next().unwrap_or_else(|| {
            const BLOCK: u64 = 1 << 10;
            let start = NEXT_ID.fetch_add(BLOCK, Relaxed);
            ids = start + 1..start + BLOCK;
            start
        });
        local.ids.set(ids);
        (local.thread.serial, id)
    })
}

/// The calling thread ends a request.
pub fn end_request() {
    let local = LOCAL.get();
    if local.is_null() {
        RETIRED_ENDED.fetch_add(1, Release); // the thread has ended for the library
        return;
    }
    // SAFETY: as in `with`.
    count_one(&unsafe { &*local }.thread.ended_requests);
}

/// Adds to a counter of the calling thread.
fn count_one(counter: &AtomicUsize) {
    // Written by its own thread only. Release: see `live_requests`.
    counter.store(counter.load(Relaxed).wrapping_add(1), Release);
}

/// How many requests have been started and not ended, by all threads; maybe more, never less.
pub fn live_requests() -> usize {
    let threads = THREADS.lock();
    let sum = |of: fn(&Thread) -> &AtomicUsize, retired: &AtomicUsize| {
        let alive = threads.values().filter_map(Weak::upgrade);
        alive.fold(retired.load(Acquire), |sum, thread| {
            sum.wrapping_add(of(&thread).load(Acquire))
        })
    };
    // In this order, and Acquire: of every request whose end is counted here, the start is counted below.
    let ended = sum(|thread| &thread.ended_requests, &RETIRED_ENDED);
    let started = sum(|thread| &thread.started_requests, &RETIRED_STARTED);
    started.wrapping_sub(ended)
}

/// The calling thread's serial number.
pub fn current_serial() -> u64 {
    with(|local| local.thread.serial)
}

/// Notes that the calling thread leaves an operation pending, which its end may have to cancel.
pub fn note_pending() {
    with(|local| local.issued.set(true));
}

impl Thread {
    fn new(suspended: u32) -> Arc<Thread> {
        Arc::new(Thread {
            parker: Parker::default(),
            ended: Waitable::new(true, false),
            serial: SERIAL.fetch_add(1, Relaxed),
            id: AtomicU32::new(0),
            exit_code: AtomicU32::new(STILL_ACTIVE as u32),
            apcs: Lock::new(Apcs {
                queue: VecDeque::new(),
                open: true,
            }),
            apc_count: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            suspended: AtomicU32::new(suspended),
            waiting: AtomicBool::new(false),
            uses_routines: AtomicBool::new(false),
            started_requests: AtomicUsize::new(0),
            ended_requests: AtomicUsize::new(0),
            queue: OnceLock::new(),
            owned: Lock::default(),
        })
    }

    /// Its identifier.
    pub fn id(&self) -> u32 {
        self.id.load(Acquire)
    }

    /// Its serial number.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// It owns the mutex now. Under the dispatcher lock.
    pub fn own(&self, mutex: &Arc<Mutex>) {
        self.owned.lock().push(Arc::downgrade(mutex));
    }

    /// It owns the mutex no longer. Under the dispatcher lock.
    pub fn disown(&self, mutex: &Arc<Mutex>) {
        let mut owned = self.owned.lock();
        owned.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(mutex)));
    }

    /// It owns nothing any longer; what it owned. Under the dispatcher lock.
    pub fn disown_all(&self) -> Vec<Arc<Mutex>> {
        let owned = std::mem::take(&mut *self.owned.lock());
        owned.iter().filter_map(Weak::upgrade).collect()
    }

    /// Its message queue; made if there is none. For the thread itself.
    pub fn queue(&self) -> &Queue {
        self.queue.get_or_init(Box::default)
    }

    /// Its message queue, if it ever made a message call.
    pub fn existing_queue(&self) -> Option<&Queue> {
        self.queue.get().map(Box::as_ref)
    }

    /// Its exit code, `STILL_ACTIVE` while it runs.
    pub fn exit_code(&self) -> u32 {
        self.exit_code.load(Acquire)
    }

    /// It begins or ends a wait in a completion port.
    pub fn set_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Relaxed);
    }

    /// Whether it sleeps in a wait of the library.
    pub fn waits(&self) -> bool {
        self.waiting.load(Relaxed)
    }

    /// It starts an operation with a completion routine.
    pub fn note_routine(&self) {
        self.uses_routines.store(true, Relaxed);
    }

    /// Whether sockets may queue APCs to it.
    pub fn uses_routines(&self) -> bool {
        self.uses_routines.load(Relaxed)
    }

    /// Queues an APC; false if the thread has ended.
    pub fn queue_apc(&self, apc: Apc) -> bool {
        let queued = self.push_apc(ANY_APC, apc);
        if queued {
            self.parker.unpark();
        }
        queued
    }

    /// As [`queue_apc`](Self::queue_apc), for an APC that may be taken back and is queued once at a time. The
    /// caller unparks the thread.
    pub fn push_apc(&self, id: ApcId, apc: Apc) -> bool {
        let mut apcs = self.apcs.lock();
        let queued = |(other, _): &(ApcId, Apc)| *other == id;
        if apcs.open && (id == ANY_APC || !apcs.queue.iter().any(queued)) {
            apcs.queue.push_back((id, apc));
            self.apc_count.store(apcs.queue.len(), Release);
        }
        apcs.open
    }

    /// Takes back an APC that has not run.
    pub fn take_back_apc(&self, id: ApcId) {
        let mut apcs = self.apcs.lock();
        apcs.queue.retain(|(other, _)| *other != id);
        if apcs.open {
            self.apc_count.store(apcs.queue.len(), Release);
        }
    }

    /// Whether APCs are queued.
    pub fn has_apcs(&self) -> bool {
        self.apc_count.load(Acquire) > 0
    }

    /// Runs queued APCs, also those that they queue, until none is left. On the thread itself only.
    pub fn run_apcs(&self) {
        while let Some(apc) = self.next_apc() {
            apc();
        }
    }

    fn next_apc(&self) -> Option<Apc> {
        let mut apcs = self.apcs.lock();
        let apc = apcs.queue.pop_front();
        self.apc_count.store(apcs.queue.len(), Release);
        apc.map(|(_, apc)| apc)
    }

    fn finish(&self, code: u32) {
        let discarded = {
            let mut apcs = self.apcs.lock();
            apcs.open = false;
            self.apc_count.store(0, Release);
            std::mem::take(&mut apcs.queue)
        };
        drop(discarded);
        wait::abandon_mutexes(self);
        self.exit_code.store(code, Release);
        self.ended.set();
    }

    /// Lowers the suspend count and returns what it was; at 1 the thread starts to run.
    pub fn resume(&self) -> u32 {
        let before = self
            .suspended
            .fetch_update(AcqRel, Acquire, |count| count.checked_sub(1))
            .unwrap_or(0);
        if before == 1 {
            self.parker.unpark();
        }
        before
    }

    /// Ends a thread that has not run yet.
    pub fn refuse(&self) {
        self.refused.store(true, Release);
        self.suspended.store(1, Release);
        self.resume();
    }

    fn until_resumed(&self) {
        while self.suspended.load(Acquire) > 0 {
            self.parker.park(None);
        }
    }
}

/// The thread with that identifier, if the library knows it.
pub fn find(id: u32) -> Option<Arc<Thread>> {
    THREADS.lock().get(&id).and_then(Weak::upgrade)
}

/// Ends a thread that the library did not create.
pub fn exit_unknown(code: u32) {
    end(code);
}

/// Starts a thread that will run `start(argument)` and end with the exit code that returns. It is suspended: once, or
/// twice if the program wants it so.
///
/// `stack_size` in bytes. `None` if the system has no room for another thread.
///
/// # Safety
/// As for calling `start(argument)` on another thread.
pub unsafe fn create(
    stack_size: usize,
    suspended: bool,
    start: StartRoutine,
    argument: *mut c_void,
) -> Option<Arc<Thread>> {
    // What is asked for is what is committed at first; the reserve is never below the default.
    const RESERVE: usize = 1 << 20;
    let stack_size = stack_size.max(RESERVE);
    let thread = Thread::new(1 + u32::from(suspended));
    let (child, creator, argument) = (thread.clone(), current(), argument as usize);
    let run = move || {
        begin(child.clone());
        creator.parker.unpark(); // it waits for the identifier
        drop(creator);
        child.until_resumed();
        if child.refused.load(Acquire) {
            return end(0);
        }
        let mut first = First {
            thread: &child,
            start,
            argument: argument as *mut c_void,
        };
        // SAFETY: `first` lives through the call; the caller of `create` answers for the routine.
        end(unsafe { escape::run(run_first, (&raw mut first).cast()) });
    };
    std::thread::Builder::new()
        .stack_size(stack_size)
        .spawn(run)
        .ok()?;
    let creator = current();
    while thread.id() == 0 {
        creator.parker.park(None);
    }
    Some(thread)
}

/// What a created thread does first and last.
struct First<'a> {
    thread: &'a Thread,
    start: StartRoutine,
    argument: *mut c_void,
}

/// Runs the APCs queued before the thread ran, then its start routine; ExitThread leaves either.
///
/// # Safety
/// `first` is a live [`First`], whose routine may be called.
unsafe extern "system" fn run_first(first: *mut c_void) -> u32 {
    // SAFETY: the caller's promise.
    let first = unsafe { &*first.cast::<First>() };
    first.thread.run_apcs();
    // SAFETY: the caller's promise.
    unsafe { (first.start)(first.argument) }
}
