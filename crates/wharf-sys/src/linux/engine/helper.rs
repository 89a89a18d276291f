//! The helper: one thread that looks after what nobody else does.
//!
//! It sleeps in a set of its own, in which sets are *nested* that nobody else looks after: those of ports whose threads are
//! all busy, and the *default set* of sockets that belong to no port, as long as no thread waits for them (see
//! `socket_wait.rs`). When armed it also ticks: it harvests sets that became neglected just now, and takes workers that sleep outside the library out of
//! their port's active count when packets wait because of them. It acts by neglect: a program whose threads
//! wait keeps it asleep. It never runs application code.
//!
//! Arming and disarming: `docs/engine-protocol.md`, section 4.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::deferral;
use super::drive::Sink;
use super::port::Port;
use super::reactor::Set;
use crate::platform::events::observer;
use crate::platform::lock::Lock;
use crate::platform::sockets::socket::Socket;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::thread;

const TICK: Duration = Duration::from_millis(3);
/// While sends are deferred somewhere.
const SHORT_TICK: Duration = Duration::from_micros(700);
/// After so many short ticks without deferring they end.
const IDLE_SHORT_TICKS: u32 = 8;
/// After so many ticks without a harvest by its own threads, a port's set is nested in the default set.
const TICKS_BEFORE_NESTING: u32 = 4;
/// After so many ticks with nothing to do the helper stops ticking.
const IDLE_TICKS: u32 = 2;

struct Helper {
    own: Set, // where it sleeps
    default_set: Set,
    default_nested: AtomicBool, // in its own
    armed: AtomicBool,
    hurried: AtomicBool,             // sends are deferred somewhere
    running: AtomicBool,             // its thread was started
    retries: Lock<Vec<Arc<Socket>>>, // sockets whose queues are to be attempted again at the next tick
}

type Ports = Vec<(u64, Weak<Port>)>;

static HELPER: OnceLock<Helper> = OnceLock::new();
static PORTS: Lock<Ports> = Lock::new(Vec::new()); // by name
static NEXT_NAME: AtomicU64 = AtomicU64::new(1);

/// A new port, to be looked after if need be.
///
/// # Errors
/// `INSUFFICIENT_RESOURCES`: what the helper needs is had now or not at all, since it is needed when things are short.
pub fn look_after(port: &Arc<Port>) -> Result<(), Status> {
    default_set()?;
    let mut ports = PORTS.lock();
    ports.retain(|(_, port)| port.strong_count() > 0);
    ports.push((NEXT_NAME.fetch_add(1, Relaxed), Arc::downgrade(port)));
    Ok(())
}

/// The default set by its name among nested sets; ports have others.
const DEFAULT_SET: u64 = 0;

/// The default set, for sockets without a port. Starts the helper.
///
/// # Errors
/// `INSUFFICIENT_RESOURCES` if the system has no descriptors or threads left.
pub fn default_set() -> Result<&'static Set, Status> {
    helper()
        .map(|helper| &helper.default_set)
        .ok_or(Status::INSUFFICIENT_RESOURCES)
}

/// How many harvests of the default set were begun.
pub fn default_harvests() -> u64 {
    HELPER
        .get()
        .map_or(0, |helper| helper.default_set.harvests())
}

/// The default set, if there is one, for a thread that is about to sleep in it: the helper does not need to look after it.
pub fn set_to_keep() -> Option<&'static Set> {
    let helper = HELPER.get()?;
    if helper.default_nested.load(Relaxed) {
        hand_back_default(helper);
    }
    Some(&helper.default_set)
}

/// A thread that would have waited for sockets has no need to: it comes back soon, and harvests more at a time than the
/// helper would, who wakes for each event.
pub fn will_be_kept() {
    if let Some(helper) = HELPER.get()
        && helper.default_nested.load(Relaxed)
    {
        hand_back_default(helper);
        arm(); // if it does not come back
    }
}

/// Whether the helper looks after the default set.
pub fn keeps_default_set() -> bool {
    HELPER
        .get()
        .is_some_and(|helper| helper.default_nested.load(Relaxed))
}

#[cold]
fn hand_back_default(helper: &Helper) {
    if helper.default_nested.swap(false, SeqCst) {
        helper.own.unnest(&helper.default_set);
    }
}

/// Whether nobody looks after the default set at this moment.
pub fn is_default_set_unattended() -> bool {
    HELPER.get().is_some_and(|helper| {
        !helper.default_nested.load(SeqCst) && helper.default_set.sleepers() == 0
    })
}

/// Takes what has happened to sockets without a port.
fn harvest_default(helper: &Helper) {
    let woken = Sink::new().harvest(&helper.default_set);
    if woken && helper.default_set.sleepers() > 0 {
        helper.default_set.wake(); // it was meant for the thread that sleeps there
    }
}

/// Something may need the helper soon: it ticks from now on until it finds nothing to do.
///
/// Whoever arms has made the reason visible before.
pub fn arm() {
    fence(SeqCst); // pairs with the one in `disarm`: we see `armed` false, or the helper sees our reason
    arm_after_fence();
}

/// As [`arm`], by a caller that has made such a fence after its reason.
pub fn arm_after_fence() {
    if let Some(helper) = helper()
        && !helper.armed.load(Relaxed)
        && !helper.armed.swap(true, SeqCst)
    {
        helper.own.wake();
    }
}

/// Sends are deferred, which whoever calls this has made visible: the helper sees to it that none waits long. False: there
/// is no helper now.
pub fn hurry() -> bool {
    let Some(helper) = helper() else {
        return false;
    };
    if !helper.hurried.load(SeqCst) && !helper.hurried.swap(true, SeqCst) {
        helper.own.wake();
    }
    helper.running.load(Relaxed)
}

/// Attempts the socket's queues again at the next tick: a resource was short, and no edge will tell when it is back.
pub fn retry(socket: &Arc<Socket>) {
    if let Some(helper) = helper() {
        let mut retries = helper.retries.lock();
        if !retries.iter().any(|other| Arc::ptr_eq(other, socket)) {
            retries.push(socket.clone());
        }
        drop(retries);
        arm();
    }
}

/// A thread polls the port again: the helper does not need to.
#[cold]
pub fn hand_back(port: &Port) {
    if let (Some(helper), true) = (helper(), port.nested.swap(false, AcqRel)) {
        helper.own.unnest(&port.set);
    }
}

/// Something is ready in the nested set of that name.
pub fn harvest_nested(name: u64) {
    if let (DEFAULT_SET, Some(helper)) = (name, HELPER.get()) {
        harvest_default(helper);
    } else if let Some(port) = live_ports()
        .into_iter()
        .find_map(|(other, port)| (other == name).then_some(port))
    {
        port.harvest();
    }
}

fn live_ports() -> Vec<(u64, Arc<Port>)> {
    PORTS
        .lock()
        .iter()
        .filter_map(|(name, port)| Some((*name, port.upgrade()?)))
        .collect()
}

/// The helper, if the system has descriptors for it: a failure now does not keep it from being made later.
fn helper() -> Option<&'static Helper> {
    if HELPER.get().is_none() {
        let (own, default_set) = (Set::new().ok()?, Set::new().ok()?);
        own.nest(&default_set, DEFAULT_SET).ok()?;
        HELPER.get_or_init(|| Helper {
            own,
            default_set,
            default_nested: AtomicBool::new(true),
            armed: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            running: AtomicBool::new(false),
            retries: Lock::default(),
        });
    }
    let helper = HELPER.get()?;
    if !helper.running.load(Acquire) && !helper.running.swap(true, AcqRel) {
        let thread = std::thread::Builder::new().name("wharf-helper".into());
        // Without a thread now, workers still poll their own sets; the next call tries again.
        helper
            .running
            .store(thread.spawn(move || run(helper)).is_ok(), Release);
    }
    Some(helper)
}

/// What the helper remembers of one port from tick to tick.
#[derive(Default)]
struct Watched {
    harvests: u64,                // of its set, at the last tick
    neglected: u32,               // ticks in a row without a harvest by its own threads
    taken: Option<u64>,           // packets dequeued, if it was stalled at the last tick
    cpu_times: HashMap<u32, u64>, // of its counted threads that slept at the last tick
}

fn run(helper: &'static Helper) {
    system::block_signals(); // the application's handlers run on the application's threads
    let mut watched = HashMap::new();
    let mut watched_default = Watched::default();
    let mut sends = Sends::default();
    let mut idle = 0;
    let mut last_tick = Instant::now();
    loop {
        let ticking = helper.armed.load(SeqCst);
        let hurried = helper.hurried.load(SeqCst);
        let time = match (hurried, ticking) {
            (true, _) => Some(SHORT_TICK),
            (false, true) => Some(TICK),
            (false, false) => None,
        };
        Sink::new().wait(&helper.own, time);
        if hurried {
            sends.look_after(helper);
        }
        if !ticking || last_tick.elapsed() < TICK {
            continue;
        }
        let elapsed = last_tick.elapsed();
        last_tick = Instant::now();
        let mut busy = tick(helper, &mut watched, elapsed);
        busy |= look_after_default_set(helper, &mut watched_default);
        idle = if busy { 0 } else { idle + 1 };
        if idle >= IDLE_TICKS {
            idle = 0;
            disarm(helper);
        }
    }
}

/// What the helper remembers of deferred sends.
#[derive(Default)]
struct Sends {
    begun: u64, // how often deferring had begun, over all ports
    idle: u32,  // short ticks in a row since then
}

impl Sends {
    /// Sends what is overdue; stops the short ticks when nobody defers any more.
    fn look_after(&mut self, helper: &Helper) {
        let ports = live_ports();
        for (_, port) in &ports {
            if port.deferred.is_overdue() {
                deferral::flush_in_passing(port);
            }
        }
        let begun = ports.iter().map(|(_, port)| port.deferred.begun()).sum();
        self.idle = if begun == self.begun {
            self.idle + 1
        } else {
            0
        };
        self.begun = begun;
        if self.idle >= IDLE_SHORT_TICKS {
            // Whoever defers looks at `hurried` afterwards: it sees that it is off, or we see its send. On a port that is
            // new since we looked, too.
            helper.hurried.store(false, SeqCst);
            let defers = |(_, port): &(u64, Arc<Port>)| !port.deferred.is_empty();
            if live_ports().iter().any(defers) {
                helper.hurried.store(true, SeqCst); // otherwise it is somebody else's by now
            }
            self.idle = 0;
        }
    }
}

/// Stops ticking, unless there is a reason after all.
fn disarm(helper: &Helper) {
    helper.armed.store(false, SeqCst);
    fence(SeqCst); // pairs with the one in `arm`
    let wanted = live_ports()
        .iter()
        .any(|(_, port)| is_neglected(port) || port.stalled().is_some());
    let wanted = wanted || is_default_set_neglected(helper);
    if wanted || !helper.retries.lock().is_empty() {
        helper.armed.store(true, SeqCst);
    }
}

/// Looks after everything once; whether there was anything to do.
fn tick(helper: &Helper, watched: &mut HashMap<u64, Watched>, elapsed: Duration) -> bool {
    let ports = live_ports();
    watched.retain(|name, _| ports.iter().any(|(other, _)| other == name));
    let mut busy = false;
    for (name, port) in &ports {
        let watched = watched.entry(*name).or_default();
        busy |= look_after_set(helper, *name, port, watched);
        busy |= look_after_count(port, watched, elapsed);
    }
    let retries = std::mem::take(&mut *helper.retries.lock());
    busy |= !retries.is_empty();
    for socket in retries {
        socket.retry();
    }
    busy
}

/// Whether requests may wait for events of the port's set while nobody sleeps in it.
fn is_neglected(port: &Port) -> bool {
    port.set.sleepers() == 0 && !port.nested.load(Acquire) && may_be_needed()
}

/// The same for the default set.
fn is_default_set_neglected(helper: &Helper) -> bool {
    helper.default_set.sleepers() == 0 && !helper.default_nested.load(Acquire) && may_be_needed()
}

fn may_be_needed() -> bool {
    observer::any_observed() || thread::live_requests() > 0
}

/// Threads that wait for sockets come back soon or are replaced by others; if nobody did for a tick, the set is the helper's.
fn look_after_default_set(helper: &Helper, watched: &mut Watched) -> bool {
    if !is_default_set_neglected(helper) {
        return false;
    }
    if helper.default_set.harvests() == watched.harvests {
        harvest_default(helper);
        if helper.own.nest(&helper.default_set, DEFAULT_SET).is_ok() {
            helper.default_nested.store(true, SeqCst);
        }
    }
    watched.harvests = helper.default_set.harvests();
    true
}

fn look_after_set(helper: &Helper, name: u64, port: &Port, watched: &mut Watched) -> bool {
    if !is_neglected(port) {
        watched.neglected = 0;
        return false;
    }
    if port.set.harvests() == watched.harvests {
        watched.neglected += 1;
        port.harvest();
    } else {
        watched.neglected = 0;
    }
    watched.harvests = port.set.harvests();
    if watched.neglected >= TICKS_BEFORE_NESTING && helper.own.nest(&port.set, name).is_ok() {
        watched.neglected = 0;
        port.nested.store(true, Release);
    }
    true
}

fn look_after_count(port: &Port, watched: &mut Watched, elapsed: Duration) -> bool {
    let taken = port.stalled();
    if taken != watched.taken {
        watched.cpu_times.clear(); // progress: everybody's time counts anew
    }
    if taken.is_some() {
        port.count_out_sleepers(&mut watched.cpu_times, elapsed);
    }
    watched.taken = taken;
    taken.is_some()
}
