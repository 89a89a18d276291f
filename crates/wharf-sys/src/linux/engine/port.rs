//! A completion port: packets in, threads out.
//!
//! The rules (who gets which packet, who may run, who polls) are [`Dispatch`]; this is the shell around it: the
//! lock, the epoll set its pollers sleep in, and the waking, always after the lock is released.
//!
//! Source: "I/O Completion Ports", <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::batch;
use super::deferral::{self, Deferred};
use super::dispatch::{Assignment, Dispatch, Ended, Harvested, MemberId, Place, Wakes};
use super::drive::Sink;
use super::helper;
use super::reactor::Set;
use crate::platform::lock::Lock;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::parker::{Deadline, has_passed, time_left};
use crate::platform::threads::thread::{self, Thread};

/// One entry of a port's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The handle's key, or what was posted.
    pub key: usize,
    /// The operation's OVERLAPPED as a number: never dereferenced here.
    pub overlapped: usize,
    /// Bytes transferred, or what was posted.
    pub bytes: u32,
    /// How the operation ended; posted packets are successes.
    pub status: Status,
}

type State = Dispatch<Packet, Arc<Thread>>;

/// A completion port.
pub struct Port {
    /// Where its pollers sleep and its sockets are watched.
    pub set: Set,
    /// How many handles name it.
    pub handles: AtomicUsize,
    /// Whether the helper looks after the set (it is nested in the default set).
    pub nested: AtomicBool,
    /// Sends that its workers have put off for a moment.
    pub deferred: Deferred,
    backlog: AtomicBool, // packets are queued, as of the last transition
    state: Apart<Lock<State>>,
}

/// Has cache lines of its own, so that what is often written does not slow the reading of what is not.
#[repr(align(128))]
struct Apart<T>(T);

impl Port {
    /// A port on which `limit` threads may run at once; 0: as many as there are CPUs.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES` when the system has no descriptors left.
    pub fn new(limit: u32) -> Result<Arc<Port>, Status> {
        let limit = if limit == 0 {
            system::usable_cpus()
        } else {
            limit as usize
        };
        let port = Arc::new(Port {
            set: Set::new().map_err(|_| Status::INSUFFICIENT_RESOURCES)?,
            handles: AtomicUsize::new(0),
            nested: AtomicBool::new(false),
            deferred: Deferred::new(),
            backlog: AtomicBool::new(false),
            state: Apart(Lock::new(Dispatch::new(limit))),
        });
        helper::look_after(&port)?;
        let _ = batch::availability(); // probed here, once, rather than in the middle of a harvest
        Ok(port)
    }

    /// A packet arrives at the tail of the queue. A closed port drops it.
    pub fn arrive(&self, packet: Packet) {
        self.change(|state, wakes| state.arrive(packet, wakes));
    }

    /// Packets arrive together.
    pub fn arrive_all(&self, packets: impl IntoIterator<Item = Packet>) {
        self.change(|state, wakes| {
            packets
                .into_iter()
                .for_each(|packet| state.arrive(packet, wakes))
        });
    }

    /// Whether packets are queued for which no thread could be chosen: then nobody who may run is idle.
    pub fn has_backlog(&self) -> bool {
        self.backlog.load(SeqCst)
    }

    /// Takes the oldest packet, waiting until `deadline`.
    ///
    /// # Errors
    /// `WAIT_TIMED_OUT`; `ABANDONED_WAIT_0` if the port is closed; `USER_APC` if APCs ran (`alertable` only).
    pub fn get(self: &Arc<Self>, deadline: Deadline, alertable: bool) -> Result<Packet, Status> {
        let id = thread::associate(self);
        self.get_as(id, &thread::current(), deadline, alertable)
    }

    /// As [`get`](Self::get), for the calling thread, which is associated already.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn get_as(
        self: &Arc<Self>,
        id: MemberId,
        thread: &Arc<Thread>,
        deadline: Deadline,
        alertable: bool,
    ) -> Result<Packet, Status> {
        match self.get_ready(id) {
            Some(packet) => Ok(packet),
            None => self.wait_for_packet(id, thread, deadline, alertable),
        }
    }

    /// The oldest packet, if one is queued and the thread may run: the whole way of a busy worker.
    fn get_ready(&self, id: MemberId) -> Option<Packet> {
        if thread::is_turn_of_sockets() && self.set.has_sockets() {
            deferral::flush_in_passing(self); // a harvest takes long enough to make them late
            self.harvest();
        }
        self.change(|state, _| state.call_in(id))
    }

    fn wait_for_packet(
        self: &Arc<Self>,
        id: MemberId,
        thread: &Arc<Thread>,
        deadline: Deadline,
        alertable: bool,
    ) -> Result<Packet, Status> {
        let interrupted = || alertable && thread.has_apcs();
        let may_wait = !has_passed(deadline) && !interrupted();
        let ended = match self.call_in(id, may_wait, !alertable) {
            Ok(place) => {
                thread.set_waiting(true);
                let ended = self.wait(id, thread, place, deadline, alertable);
                thread.set_waiting(false);
                ended
            }
            Err(Ended::Nothing) => self.look_once(id),
            Err(ended) => ended,
        };
        match ended {
            Ended::Packet(packet) => Ok(packet),
            Ended::Abandoned => Err(Status::ABANDONED_WAIT_0),
            Ended::Nothing if interrupted() => {
                thread.run_apcs();
                Err(Status::USER_APC)
            }
            Ended::Nothing => Err(Status::WAIT_TIMED_OUT),
        }
    }

    /// Further packets for a thread that just got one, as long as `each` wants more.
    pub fn get_more(&self, mut each: impl FnMut(Packet) -> bool) {
        self.change(|state, _| {
            while let Some(packet) = state.take_more() {
                if !each(packet) {
                    break;
                }
            }
        });
    }

    /// A thread calls in: it leaves with a packet, or learns where to wait. Before it waits, what is deferred goes out.
    fn call_in(
        &self,
        id: MemberId,
        may_wait: bool,
        may_poll: bool,
    ) -> Result<Place, Ended<Packet>> {
        if let Some(result) = self.change(|state, wakes| match state.call_in(id) {
            Some(packet) => Some(Err(Ended::Packet(packet))),
            // Whoever defers looks at the backlog afterwards: it sees that there is none, or we see its send.
            None if !self.deferred.is_empty() => None,
            None => Some(end_or_wait(state, wakes, id, may_wait, may_poll)),
        }) {
            return result;
        }
        let mut sink = Sink::for_port(self);
        deferral::flush(self, &mut sink);
        self.change(
            |state, wakes| match state.bring_in(id, sink.packets(), wakes) {
                Some(packet) => Err(Ended::Packet(packet)),
                None => end_or_wait(state, wakes, id, may_wait, may_poll),
            },
        )
    }

    /// Looks at the sockets and the queue once more, without waiting; the thread counts all the while.
    fn look_once(&self, id: MemberId) -> Ended<Packet> {
        self.harvest();
        self.change(|state, _| match state.call_in(id) {
            Some(packet) => Ended::Packet(packet),
            None => {
                state.raise(id); // it is associated from its first call on, whatever that returns
                if state.closed() {
                    Ended::Abandoned
                } else {
                    Ended::Nothing
                }
            }
        })
    }

    fn wait(
        self: &Arc<Self>,
        id: MemberId,
        thread: &Thread,
        mut place: Place,
        deadline: Deadline,
        alertable: bool,
    ) -> Ended<Packet> {
        loop {
            let step = match place {
                Place::Polling => self.poll(id, deadline),
                Place::Benched => self.sit_out(id, thread, deadline, alertable),
            };
            match step {
                Step::Wait(next) => place = next,
                Step::Leave(ended) => return ended,
                Step::GiveUp => {
                    return self.change(|state, wakes| state.end_wait(id, place, wakes));
                }
            }
        }
    }

    /// Sleeps in the kernel once.
    fn poll(self: &Arc<Self>, id: MemberId, deadline: Deadline) -> Step {
        if self.nested.load(Relaxed) {
            helper::hand_back(self);
        }
        let mut sink = Sink::for_port(self);
        let events = sink.wait(&self.set, time_left(deadline));
        thread::sockets_had_their_turn();
        let step = if events == 0 && has_passed(deadline) {
            Step::GiveUp
        } else {
            match self.change(|state, wakes| state.harvested(id, sink.packets(), wakes)) {
                Harvested::Packet(packet) => Step::Leave(Ended::Packet(packet)),
                Harvested::Abandoned => Step::Leave(Ended::Abandoned),
                Harvested::Wait(place) => Step::Wait(place),
            }
        };
        if !matches!(step, Step::Wait(Place::Polling)) && self.set.sleepers() == 0 {
            helper::arm(); // if no poller comes back soon, it looks after the set
        }
        step
    }

    /// Sleeps on the bench once.
    fn sit_out(&self, id: MemberId, thread: &Thread, deadline: Deadline, alertable: bool) -> Step {
        thread.parker.park(deadline);
        match self.state.0.lock().assignment(id) {
            Some(Assignment::Packet(packet)) => Step::Leave(Ended::Packet(packet)),
            Some(Assignment::Abandoned) => Step::Leave(Ended::Abandoned),
            Some(Assignment::Poll) => Step::Wait(Place::Polling),
            None if has_passed(deadline) || (alertable && thread.has_apcs()) => Step::GiveUp,
            None => Step::Wait(Place::Benched),
        }
    }

    /// Harvests the set without sleeping; the packets go to the queue.
    pub fn harvest(&self) {
        let mut sink = Sink::new();
        if sink.harvest(&self.set) {
            self.change(|state, wakes| state.harvested_in_passing(wakes));
        }
    }

    // ---- threads ----

    /// A thread becomes associated.
    pub fn join(&self, thread: Arc<Thread>) -> MemberId {
        self.state.0.lock().join(thread)
    }

    /// A thread exits or moves to another port.
    pub fn leave(&self, id: MemberId) {
        self.change(|state, wakes| state.leave(id, wakes));
    }

    /// An associated thread is about to sleep elsewhere.
    pub fn lower(&self, id: MemberId) {
        self.change(|state, wakes| state.lower(id, wakes));
    }

    /// That sleep is over.
    pub fn raise(&self, id: MemberId) {
        self.state.0.lock().raise(id);
    }

    /// The last handle is closed: waiting threads leave, queued packets are dropped.
    pub fn close(&self) {
        deferral::flush_in_passing(self);
        self.change(|state, wakes| state.close(wakes));
    }

    // ---- what the helper asks ----

    /// How many packets were dequeued so far, if packets and threads wait and only counted threads are in the way.
    pub fn stalled(&self) -> Option<u64> {
        let state = self.state.0.lock();
        state.stalled().then(|| state.taken())
    }

    /// Takes counted threads that sleep, as they did at the last look, and mostly slept since, out of the count. `before` is
    /// who slept then, and the CPU time it had used; it becomes who sleeps now.
    pub fn count_out_sleepers(&self, before: &mut HashMap<u32, u64>, elapsed: Duration) {
        let mut now = HashMap::new();
        for (id, thread_id) in self.counted() {
            // On a busy machine a thread may get little CPU and yet never sleep, or sleep for a moment at one look.
            if system::thread_is_runnable(thread_id) == Some(true) {
                continue;
            }
            let used = system::thread_cpu_time(thread_id).unwrap_or(0);
            let slept = |then: u64| Duration::from_nanos(used.saturating_sub(then)) * 2 < elapsed;
            match before.get(&thread_id) {
                Some(&then) if slept(then) => {
                    let is_same = |thread: &Arc<Thread>| thread.id() == thread_id;
                    self.change(|state, wakes| state.count_out(id, is_same, wakes));
                }
                _ => drop(now.insert(thread_id, used)),
            }
        }
        *before = now;
    }

    fn counted(&self) -> Vec<(MemberId, u32)> {
        let state = self.state.0.lock();
        state
            .counted_members()
            .map(|(id, thread)| (id, thread.id()))
            .collect()
    }

    // ---- what tests ask ----

    /// How many threads wait.
    pub fn waiting(&self) -> usize {
        self.state.0.lock().waiting()
    }

    /// How many packets it holds.
    pub fn packets(&self) -> usize {
        self.state.0.lock().packets()
    }

    // ---- the shell ----

    /// One transition: under the lock, then the wakes it asks for.
    fn change<R>(&self, transition: impl FnOnce(&mut State, &mut Wakes<Arc<Thread>>) -> R) -> R {
        let mut wakes = Wakes::new();
        let mut state = self.state.0.lock();
        let result = transition(&mut state, &mut wakes);
        self.wake(state, wakes);
        result
    }

    fn wake(&self, state: MutexGuard<'_, State>, wakes: Wakes<Arc<Thread>>) {
        let stalled = state.stalled();
        let backlog = state.has_backlog();
        if backlog != self.backlog.load(Relaxed) {
            // SeqCst, like the load: see `call_in`.
            self.backlog.store(backlog, SeqCst);
        }
        drop(state);
        if !wakes.is_empty() {
            self.wake_all(wakes);
        }
        if stalled {
            helper::arm();
        }
    }

    #[cold]
    fn wake_all(&self, wakes: Wakes<Arc<Thread>>) {
        if wakes.poller() {
            self.set.wake();
        }
        for thread in wakes.benched() {
            thread.parker.unpark();
        }
    }
}

/// A thread that called in found no packet.
fn end_or_wait(
    state: &mut State,
    wakes: &mut Wakes<Arc<Thread>>,
    id: MemberId,
    may_wait: bool,
    may_poll: bool,
) -> Result<Place, Ended<Packet>> {
    if state.closed() {
        state.raise(id);
        Err(Ended::Abandoned)
    } else if may_wait {
        Ok(state.wait(id, may_poll, wakes))
    } else {
        Err(Ended::Nothing)
    }
}

/// What a waiting thread does next.
enum Step {
    /// It goes on waiting there.
    Wait(Place),
    /// It leaves with this.
    Leave(Ended<Packet>),
    /// Time has passed or an APC is queued: it leaves, unless something was assigned to it meanwhile.
    GiveUp,
}
