//! A completion port around the real `Dispatch`: its lock, its epoll set, and threads that wait in it.
//!
//! Every transition happens under the lock, then the invariants are checked, then the lock is let go of, then
//! threads are woken: as in the engine.

use loom::sync::{Condvar, Mutex, MutexGuard};

use super::set::{Bench, Harvest, Set, Wakeup, Woken};
use super::{Bug, seeded};
use crate::dispatch::{Assignment, Dispatch, Ended, Harvested, MemberId, Place, Wakes};

pub type Packet = u32;
type Rules = Dispatch<Packet, usize>; // a thread is woken by the index of its bench

/// loom explores at most five threads, and one of them is the scenario itself.
pub const THREADS_MAX: usize = 4;

/// How a call of GetQueuedCompletionStatus(Ex) ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Packet(Packet),
    TimedOut,
    Apc,
    Abandoned,
}

/// What a waiting thread does next.
enum Step {
    Leave(Outcome),
    Stay(Place),
}

/// Whether an APC may end a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alertable {
    No,
    Yes,
}

pub struct Port {
    state: Mutex<State>,
    set: Set,
    benches: [Bench; THREADS_MAX],
    members: Vec<MemberId>,
    helper: Condvar, // with the port's lock: the helper is armed
}

struct State {
    rules: Rules,
    in_poll: usize, // threads in the kernel, or on their way in or out
    apc: [bool; THREADS_MAX],
    armed: bool,
}

impl Port {
    /// A port that so many threads belong to, none of them counted.
    pub fn new(limit: usize, threads: usize, wakeup: Wakeup) -> Self {
        let mut rules = Rules::new(limit);
        let members = (0..threads).map(|thread| rules.join(thread)).collect();
        Port {
            state: Mutex::new(State {
                rules,
                in_poll: 0,
                apc: [false; THREADS_MAX],
                armed: false,
            }),
            set: Set::new(wakeup),
            benches: std::array::from_fn(|_| Bench::new()),
            members,
            helper: Condvar::new(),
        }
    }

    // ---- what threads call ----

    /// A packet is posted; returns whether the port was still open.
    pub fn post(&self, packet: Packet) -> bool {
        self.transition(|state, wakes| {
            state.rules.arrive(packet, wakes);
            state.armed |= state.rules.stalled();
            !state.rules.closed()
        })
    }

    /// The peer's data arrives: whoever harvests next finishes a request.
    pub fn network(&self, packet: Packet) {
        self.set.network(packet);
    }

    /// GetQueuedCompletionStatus(Ex) with time-out; it lasts until [`run_out`](Self::run_out).
    pub fn get(&self, thread: usize, alertable: Alertable) -> Outcome {
        match self.enter(thread, alertable) {
            Step::Leave(outcome) => outcome,
            Step::Stay(place) => self.wait(thread, place),
        }
    }

    /// Calls until a packet comes, through time-outs and APCs.
    ///
    /// Begins as a thread that [`sits`](Self::sit) already.
    pub fn wait_for_packet(&self, thread: usize, place: Place, alertable: Alertable) -> Outcome {
        let mut outcome = self.wait(thread, place);
        while matches!(outcome, Outcome::TimedOut | Outcome::Apc) {
            outcome = self.get(thread, alertable);
        }
        outcome
    }

    /// The first half of a call, for scenarios that begin with threads that wait already.
    pub fn sit(&self, thread: usize, alertable: Alertable) -> Place {
        match self.enter(thread, alertable) {
            Step::Stay(place) => place,
            Step::Leave(outcome) => panic!("the thread was to wait, but left with {outcome:?}"),
        }
    }

    /// The second half of a call.
    pub fn wait(&self, thread: usize, place: Place) -> Outcome {
        let mut place = place;
        loop {
            let step = match place {
                Place::Polling => self.poll(thread),
                Place::Benched => self.bench(thread),
            };
            match step {
                Step::Leave(outcome) => return outcome,
                Step::Stay(next) => place = next,
            }
        }
    }

    /// GetQueuedCompletionStatus with time-out 0: the thread looks at the sockets once, and counts all the while.
    pub fn get_now(&self, thread: usize) -> Outcome {
        let id = self.members[thread];
        if let Some(packet) = self.transition(|state, _| state.rules.call_in(id)) {
            return Outcome::Packet(packet);
        }
        self.harvest_in_passing();
        self.transition(|state, _| match state.rules.call_in(id) {
            Some(packet) => Outcome::Packet(packet),
            None => {
                state.rules.raise(id);
                if state.rules.closed() {
                    Outcome::Abandoned
                } else {
                    Outcome::TimedOut
                }
            }
        })
    }

    /// The thread begins a wait elsewhere in the library.
    pub fn lower(&self, thread: usize) {
        self.transition(|state, wakes| state.rules.lower(self.members[thread], wakes));
    }

    /// That wait ended.
    pub fn raise(&self, thread: usize) {
        self.transition(|state, _| state.rules.raise(self.members[thread]));
    }

    /// The thread exits.
    pub fn leave(&self, thread: usize) {
        self.transition(|state, wakes| state.rules.leave(self.members[thread], wakes));
    }

    /// The port is closed; returns how many packets that dropped.
    pub fn close(&self) -> usize {
        self.transition(|state, wakes| state.rules.close(wakes))
    }

    /// The time of a thread's wait runs out.
    pub fn run_out(&self, thread: usize) {
        self.set.run_out(thread);
        self.benches[thread].run_out();
    }

    /// An APC is queued to a thread.
    pub fn queue_apc(&self, thread: usize) {
        self.state.lock().unwrap().apc[thread] = true;
        self.benches[thread].unpark();
    }

    /// The helper: sleeps until it is armed, then counts out a thread that sleeps outside the library.
    pub fn count_out_when_armed(&self, sleeper: usize) {
        let mut state = self.state.lock().unwrap();
        while !state.armed {
            state = self.helper.wait(state).unwrap();
        }
        let mut wakes = Wakes::new();
        state.rules.count_out(
            self.members[sleeper],
            |thread| *thread == sleeper,
            &mut wakes,
        );
        self.finish(state, wakes);
    }

    /// Packets in the port, assigned or not.
    pub fn packets(&self) -> usize {
        self.state.lock().unwrap().rules.packets()
    }

    // ---- waiting ----

    fn enter(&self, thread: usize, alertable: Alertable) -> Step {
        let id = self.members[thread];
        self.transition(|state, wakes| {
            if let Some(packet) = state.rules.call_in(id) {
                return Step::Leave(Outcome::Packet(packet));
            }
            if state.rules.closed() {
                state.rules.raise(id);
                return Step::Leave(Outcome::Abandoned);
            }
            if alertable == Alertable::Yes && std::mem::take(&mut state.apc[thread]) {
                state.rules.raise(id);
                return Step::Leave(Outcome::Apc);
            }
            let place = state.rules.wait(id, alertable == Alertable::No, wakes);
            state.note_place(None, Some(place));
            state.armed |= state.rules.stalled() && !seeded(Bug::WaiterDoesNotArm);
            Step::Stay(place)
        })
    }

    fn poll(&self, thread: usize) -> Step {
        match self.set.wait(thread) {
            Woken::Event(harvest) => self.harvested(thread, harvest),
            Woken::TimedOut => self.transition(|state, wakes| {
                Step::Leave(state.end(
                    self.members[thread],
                    Place::Polling,
                    Outcome::TimedOut,
                    wakes,
                ))
            }),
        }
    }

    fn harvested(&self, thread: usize, harvest: Harvest) -> Step {
        self.transition(|state, wakes| {
            let step = match state
                .rules
                .harvested(self.members[thread], harvest.packets, wakes)
            {
                Harvested::Packet(packet) => Step::Leave(Outcome::Packet(packet)),
                Harvested::Abandoned => Step::Leave(Outcome::Abandoned),
                Harvested::Wait(place) => Step::Stay(place),
            };
            state.note_step(Place::Polling, &step);
            state.armed |= state.rules.stalled();
            step
        })
    }

    fn bench(&self, thread: usize) -> Step {
        let woken = self.benches[thread].park();
        let id = self.members[thread];
        self.transition(|state, wakes| {
            if woken == Woken::TimedOut {
                return Step::Leave(state.end(id, Place::Benched, Outcome::TimedOut, wakes));
            }
            let step = match state.rules.assignment(id) {
                Some(Assignment::Packet(packet)) => Step::Leave(Outcome::Packet(packet)),
                Some(Assignment::Abandoned) => Step::Leave(Outcome::Abandoned),
                Some(Assignment::Poll) => Step::Stay(Place::Polling),
                None if std::mem::take(&mut state.apc[thread]) => {
                    Step::Leave(state.end(id, Place::Benched, Outcome::Apc, wakes))
                }
                None => Step::Stay(Place::Benched),
            };
            state.note_step(Place::Benched, &step);
            step
        })
    }

    // ---- the lock ----

    /// A harvest that is not a poller's own: a wake that was meant for one is passed on.
    fn harvest_in_passing(&self) {
        let Some(harvest) = self.set.fetch() else {
            return;
        };
        for packet in harvest.packets {
            self.transition(|state, wakes| state.rules.arrive(packet, wakes));
        }
        if harvest.edge && !seeded(Bug::EdgeIsStolen) {
            self.transition(|state, wakes| state.rules.harvested_in_passing(wakes));
        }
    }

    fn transition<R>(&self, change: impl FnOnce(&mut State, &mut Wakes<usize>) -> R) -> R {
        let mut wakes = Wakes::new();
        let mut state = self.state.lock().unwrap();
        let result = change(&mut state, &mut wakes);
        self.finish(state, wakes);
        result
    }

    /// Checks the invariants, lets go of the lock, then wakes.
    fn finish(&self, state: MutexGuard<'_, State>, wakes: Wakes<usize>) {
        state.rules.check(state.in_poll);
        let armed = state.armed;
        drop(state);
        if armed {
            self.helper.notify_one();
        }
        if wakes.poller() && !seeded(Bug::GrantIsSilent) {
            self.set.write();
        }
        for thread in wakes.benched() {
            self.benches[thread].unpark();
        }
    }
}

impl State {
    /// A wait ends without the thread having been woken for anything, as far as it knows.
    fn end(
        &mut self,
        id: MemberId,
        place: Place,
        why: Outcome,
        wakes: &mut Wakes<usize>,
    ) -> Outcome {
        let ended = self.rules.end_wait(id, place, wakes);
        self.note_place(Some(place), None);
        match ended {
            Ended::Packet(packet) => Outcome::Packet(packet),
            Ended::Abandoned => Outcome::Abandoned,
            Ended::Nothing => why,
        }
    }

    fn note_step(&mut self, from: Place, step: &Step) {
        self.note_place(
            Some(from),
            if let Step::Stay(place) = step {
                Some(*place)
            } else {
                None
            },
        );
    }

    fn note_place(&mut self, from: Option<Place>, to: Option<Place>) {
        self.in_poll += usize::from(to == Some(Place::Polling));
        self.in_poll -= usize::from(from == Some(Place::Polling));
    }
}
