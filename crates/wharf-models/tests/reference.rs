//! Random transitions of `Dispatch` against the plain rules of a completion port.
//!
//! The reference knows nothing of polling and benches: it is the table of events that NT's documentation and
//! behaviour give (limit, active count, a queue of packets, a stack of waiters). After every step both must agree on the
//! active count, the queue, the stack and who was chosen for which packet, and the invariants P1 to P6 must hold.
//!
//! One freedom is granted: the kernel chooses which poller harvests. That one leaves with what it harvested in the place
//! of the most recent poller, and the two exchange their places.
//!
//! Source: "I/O Completion Ports", <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

/// `dispatch.rs` of wharf-sys, with the checks of its invariants appended.
#[allow(dead_code, reason = "the reference uses a part of it")]
mod dispatch {
    include!(concat!(env!("OUT_DIR"), "/dispatch.rs"));
}

use std::collections::VecDeque;

use dispatch::{Assignment, Dispatch, Ended, Harvested, MemberId, Place, Wakes};
use proptest::prelude::*;

type Packet = u32;

const THREADS: usize = 5;

// ---- the reference ----

/// What a thread is to the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It runs, and counts.
    Counted,
    /// It runs or sleeps elsewhere, and does not count.
    Uncounted,
    /// It waits in the port.
    Waiting,
}

/// How a call or a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Packet(Packet),
    Abandoned,
    Nothing,
}

/// A completion port by the book.
struct Reference {
    limit: usize,
    active: usize,
    queue: VecDeque<Packet>,
    waiters: Vec<usize>,          // most recent last
    chosen: Vec<(usize, Packet)>, // released, in this order, and not yet back
    roles: [Role; THREADS],
    closed: bool,
}

impl Reference {
    fn new(limit: usize) -> Self {
        Reference {
            limit,
            active: 0,
            queue: VecDeque::new(),
            waiters: Vec::new(),
            chosen: Vec::new(),
            roles: [Role::Uncounted; THREADS],
            closed: false,
        }
    }

    fn arrive(&mut self, packet: Packet) {
        if !self.closed {
            self.queue.push_back(packet);
            self.release();
        }
    }

    /// The release rule: the oldest packet to the most recent waiter, as long as one more may run.
    fn release(&mut self) {
        while self.active < self.limit && !self.queue.is_empty() && !self.waiters.is_empty() {
            let (thread, packet) = (self.waiters.pop().unwrap(), self.queue.pop_front().unwrap());
            self.active += 1;
            self.chosen.push((thread, packet));
        }
    }

    /// A thread calls in; `None` if it waits from now on.
    fn call(&mut self, thread: usize, waits: bool) -> Option<Outcome> {
        self.uncount(thread);
        let outcome = match self.queue.front() {
            Some(&packet) if self.active < self.limit => {
                self.queue.pop_front();
                Outcome::Packet(packet)
            }
            _ if self.closed => Outcome::Abandoned,
            _ if waits => {
                self.roles[thread] = Role::Waiting;
                self.waiters.push(thread);
                self.release();
                return None;
            }
            _ => Outcome::Nothing,
        };
        self.count(thread);
        Some(outcome)
    }

    /// A waiting thread comes back; what it has to bring along.
    fn come_back(&mut self, thread: usize) -> Outcome {
        if let Some(index) = self.chosen.iter().position(|(chosen, _)| *chosen == thread) {
            self.roles[thread] = Role::Counted; // since it was chosen
            return Outcome::Packet(self.chosen.remove(index).1);
        }
        self.waiters.retain(|waiter| *waiter != thread);
        self.roles[thread] = Role::Uncounted;
        self.count(thread);
        self.release();
        if self.closed {
            Outcome::Abandoned
        } else {
            Outcome::Nothing
        }
    }

    /// Two threads exchange their places.
    fn exchange(&mut self, one: usize, other: usize) {
        let exchanged = |thread: usize| match thread {
            thread if thread == one => other,
            thread if thread == other => one,
            thread => thread,
        };
        self.waiters
            .iter_mut()
            .for_each(|thread| *thread = exchanged(*thread));
        self.chosen
            .iter_mut()
            .for_each(|(thread, _)| *thread = exchanged(*thread));
    }

    /// The thread blocks elsewhere, exits or is counted out.
    fn lower(&mut self, thread: usize) {
        self.uncount(thread);
        self.release();
    }

    fn count(&mut self, thread: usize) {
        if self.roles[thread] == Role::Uncounted {
            self.active += 1;
            self.roles[thread] = Role::Counted;
        }
    }

    fn uncount(&mut self, thread: usize) {
        if self.roles[thread] == Role::Counted {
            self.active -= 1;
            self.roles[thread] = Role::Uncounted;
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.queue.clear();
    }
}

// ---- both side by side ----

/// One step of a history. A step that makes no sense for its thread is skipped.
#[derive(Clone, Debug)]
enum Step {
    /// A packet is posted.
    Post,
    /// The peer's data arrives: who harvests next brings a packet.
    Network,
    /// A thread calls in and waits, with or without being alertable.
    Call { thread: usize, alertable: bool },
    /// A thread calls in with time-out 0.
    CallNow(usize),
    /// A thread calls in for several packets, and takes a second one if it got the first.
    CallForMore(usize),
    /// A poller returns from the kernel, or a benched thread wakes up.
    Wake(usize),
    /// A thread's time runs out, or an APC comes.
    TimeOut(usize),
    /// Somebody else harvests the set.
    HarvestInPassing,
    /// A thread blocks elsewhere, or is counted out.
    Lower(usize),
    /// That wait ends.
    Raise(usize),
    /// A thread exits; a new one takes its number.
    Exit(usize),
    /// The port is closed.
    Close,
}

struct Port {
    rules: Dispatch<Packet, usize>,
    reference: Reference,
    members: [MemberId; THREADS],
    places: [Option<Place>; THREADS], // where each waits, as far as it knows
    woken: [bool; THREADS],           // benched threads with a notification
    edge: bool,                       // of the eventfd, not yet consumed
    network: Vec<Packet>,             // for who harvests next
    next: Packet,
}

impl Port {
    fn new(limit: usize) -> Self {
        let mut rules = Dispatch::new(limit);
        let members = std::array::from_fn(|thread| rules.join(thread));
        Port {
            rules,
            reference: Reference::new(limit),
            members,
            places: [None; THREADS],
            woken: [false; THREADS],
            edge: false,
            network: Vec::new(),
            next: 1,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Post => self.post(),
            Step::Network => {
                let packet = self.new_packet();
                self.network.push(packet);
            }
            Step::Call { thread, alertable } if self.is_free(thread) => {
                self.call(thread, alertable)
            }
            Step::CallNow(thread) if self.is_free(thread) => drop(self.call_now(thread)),
            Step::CallForMore(thread) if self.is_free(thread) => self.call_for_more(thread),
            Step::Wake(thread) => match self.places[thread] {
                Some(Place::Polling) => self.wake_poller(thread),
                Some(Place::Benched) if self.woken[thread] => self.wake_benched(thread),
                _ => {}
            },
            Step::TimeOut(thread) if !self.is_free(thread) => self.time_out(thread),
            Step::HarvestInPassing => self.harvest_in_passing(),
            Step::Lower(thread) if self.is_free(thread) => {
                self.change(|rules, wakes, members| rules.lower(members[thread], wakes));
                self.reference.lower(thread);
            }
            Step::Raise(thread) if self.is_free(thread) => {
                self.rules.raise(self.members[thread]);
                self.reference.count(thread);
            }
            Step::Exit(thread) if self.is_free(thread) => {
                self.change(|rules, wakes, members| rules.leave(members[thread], wakes));
                self.reference.lower(thread);
                self.members[thread] = self.rules.join(thread);
            }
            Step::Close if !self.rules.closed() => self.close(),
            _ => return,
        }
        self.compare();
    }

    // ---- the steps ----

    fn post(&mut self) {
        let packet = self.new_packet();
        self.change(|rules, wakes, _| rules.arrive(packet, wakes));
        self.reference.arrive(packet);
    }

    fn call(&mut self, thread: usize, alertable: bool) {
        let id = self.members[thread];
        let expected = self.reference.call(thread, true);
        let outcome = match self.rules.call_in(id) {
            Some(packet) => Some(Outcome::Packet(packet)),
            None if self.rules.closed() => {
                self.rules.raise(id);
                Some(Outcome::Abandoned)
            }
            None => {
                let place = self.change(|rules, wakes, _| rules.wait(id, !alertable, wakes));
                assert!(
                    !(alertable && place == Place::Polling),
                    "an alertable thread polls"
                );
                self.places[thread] = Some(place);
                None
            }
        };
        assert_eq!(outcome, expected, "call of {thread}");
    }

    fn call_now(&mut self, thread: usize) -> Outcome {
        let id = self.members[thread];
        let outcome = match self.rules.call_in(id) {
            Some(packet) => Outcome::Packet(packet),
            None => {
                self.rules.raise(id);
                if self.rules.closed() {
                    Outcome::Abandoned
                } else {
                    Outcome::Nothing
                }
            }
        };
        assert_eq!(
            Some(outcome),
            self.reference.call(thread, false),
            "call of {thread} that does not wait"
        );
        outcome
    }

    fn call_for_more(&mut self, thread: usize) {
        if let Outcome::Packet(_) = self.call_now(thread) {
            assert_eq!(
                self.rules.take_more(),
                self.reference.queue.pop_front(),
                "P1: first in, first out"
            );
        }
    }

    fn wake_poller(&mut self, thread: usize) {
        self.edge = false;
        let packets = std::mem::take(&mut self.network);
        let chosen_before = self.reference.chosen.len();
        packets
            .iter()
            .for_each(|packet| self.reference.arrive(*packet));
        let place_to_leave = self.place_to_leave_from(thread, chosen_before);
        let harvested =
            self.change(|rules, wakes, members| rules.harvested(members[thread], packets, wakes));
        let outcome = match harvested {
            Harvested::Packet(packet) => Outcome::Packet(packet),
            Harvested::Abandoned => Outcome::Abandoned,
            Harvested::Wait(place) => {
                assert_eq!(place_to_leave, None, "P5: {thread} left its packet behind");
                assert!(
                    !self.reference.closed,
                    "P6: {thread} waits on in a closed port"
                );
                self.places[thread] = Some(place);
                return;
            }
        };
        if let Some(other) = place_to_leave {
            self.reference.exchange(other, thread);
        }
        self.comes_back(thread, outcome);
    }

    fn wake_benched(&mut self, thread: usize) {
        self.woken[thread] = false;
        let outcome = match self.rules.assignment(self.members[thread]) {
            Some(Assignment::Packet(packet)) => Outcome::Packet(packet),
            Some(Assignment::Abandoned) => Outcome::Abandoned,
            Some(Assignment::Poll) => return self.places[thread] = Some(Place::Polling),
            None => return,
        };
        self.comes_back(thread, outcome);
    }

    fn time_out(&mut self, thread: usize) {
        let place = self.places[thread].expect("the thread waits");
        let ended =
            self.change(|rules, wakes, members| rules.end_wait(members[thread], place, wakes));
        let outcome = match ended {
            Ended::Packet(packet) => Outcome::Packet(packet),
            Ended::Abandoned => Outcome::Abandoned,
            Ended::Nothing => Outcome::Nothing,
        };
        self.comes_back(thread, outcome);
    }

    fn harvest_in_passing(&mut self) {
        for packet in std::mem::take(&mut self.network) {
            self.change(|rules, wakes, _| rules.arrive(packet, wakes));
            self.reference.arrive(packet);
        }
        if std::mem::take(&mut self.edge) {
            self.change(|rules, wakes, _| rules.harvested_in_passing(wakes));
        }
    }

    fn close(&mut self) {
        let queued = self.reference.queue.len();
        let dropped = self.change(|rules, wakes, _| rules.close(wakes));
        assert_eq!(
            dropped, queued,
            "P1: close drops what is queued and nothing else"
        );
        self.reference.close();
    }

    // ---- what they share ----

    /// One transition; its wakes are on their way afterwards.
    fn change<R>(
        &mut self,
        transition: impl FnOnce(
            &mut Dispatch<Packet, usize>,
            &mut Wakes<usize>,
            &[MemberId; THREADS],
        ) -> R,
    ) -> R {
        let mut wakes = Wakes::new();
        let result = transition(&mut self.rules, &mut wakes, &self.members);
        self.edge |= wakes.poller();
        wakes.benched().for_each(|thread| self.woken[thread] = true);
        result
    }

    /// A thread's wait ended.
    fn comes_back(&mut self, thread: usize, outcome: Outcome) {
        self.places[thread] = None;
        self.woken[thread] = false;
        assert_eq!(
            outcome,
            self.reference.come_back(thread),
            "P6: the wait of {thread}"
        );
    }

    /// In whose place a poller leaves with a packet it harvested itself: that of the first poller chosen for one of
    /// them. A poller that was chosen earlier leaves in its own.
    fn place_to_leave_from(&self, poller: usize, chosen_before: usize) -> Option<usize> {
        let (earlier, now) = self.reference.chosen.split_at(chosen_before);
        if earlier.iter().any(|(thread, _)| *thread == poller) {
            return Some(poller);
        }
        let mut now = now.iter().map(|(thread, _)| *thread);
        now.find(|thread| self.polls(*thread))
    }

    /// In the kernel, or told to go there.
    fn polls(&self, thread: usize) -> bool {
        let told = || self.rules.stack().contains(&(self.members[thread], true));
        match self.places[thread] {
            Some(Place::Polling) => true,
            Some(Place::Benched) => {
                told() || self.rules.granted_owners().contains(&self.members[thread])
            }
            None => false,
        }
    }

    fn is_free(&self, thread: usize) -> bool {
        self.places[thread].is_none()
    }

    fn new_packet(&mut self) -> Packet {
        self.next += 1;
        self.next - 1
    }

    fn compare(&self) {
        let in_poll = self
            .places
            .iter()
            .filter(|place| **place == Some(Place::Polling))
            .count();
        self.rules.check(in_poll); // P2, P3, P4
        let reference = &self.reference;
        assert_eq!(self.rules.active(), reference.active, "P2: active");
        assert_eq!(
            reference.queue,
            self.rules.queued_packets(),
            "P1: the queue"
        );
        assert_eq!(
            self.chosen(),
            self.chosen_by_the_book(),
            "P1: who was chosen for what"
        );
        assert_eq!(
            self.stack(),
            self.stack_by_the_book(),
            "the stack of waiters"
        );
        let granted = !self.rules.granted_packets().is_empty();
        assert!(
            !granted || self.edge,
            "P5: a packet is granted and no edge is on its way"
        );
        for (id, _) in self.rules.handed_packets() {
            let thread = self.thread(id);
            assert!(
                self.woken[thread],
                "P5: {thread} was handed a packet and sleeps on"
            );
        }
    }

    fn chosen(&self) -> Vec<(usize, Packet)> {
        let granted = self
            .rules
            .granted_owners()
            .into_iter()
            .zip(self.rules.granted_packets());
        let both = self.rules.handed_packets().into_iter().chain(granted);
        let mut chosen: Vec<_> = both.map(|(id, packet)| (self.thread(id), packet)).collect();
        chosen.sort();
        chosen
    }

    fn chosen_by_the_book(&self) -> Vec<(usize, Packet)> {
        let mut chosen = self.reference.chosen.clone();
        chosen.sort();
        chosen
    }

    fn stack(&self) -> Vec<usize> {
        self.rules
            .stack()
            .into_iter()
            .map(|(id, _)| self.thread(id))
            .collect()
    }

    /// On a closed port only pollers are still to be found: the others were told to leave.
    fn stack_by_the_book(&self) -> Vec<usize> {
        let stays = |thread: &usize| !self.reference.closed || self.polls(*thread);
        self.reference
            .waiters
            .iter()
            .copied()
            .filter(stays)
            .collect()
    }

    fn thread(&self, id: MemberId) -> usize {
        self.members
            .iter()
            .position(|member| *member == id)
            .expect("a member")
    }
}

fn step() -> impl Strategy<Value = Step> {
    let thread = 0..THREADS;
    prop_oneof![
        6 => Just(Step::Post),
        4 => Just(Step::Network),
        8 => (thread.clone(), proptest::bool::weighted(0.2)).prop_map(|(thread, alertable)| Step::Call { thread, alertable }),
        2 => thread.clone().prop_map(Step::CallNow),
        2 => thread.clone().prop_map(Step::CallForMore),
        10 => thread.clone().prop_map(Step::Wake),
        3 => thread.clone().prop_map(Step::TimeOut),
        2 => Just(Step::HarvestInPassing),
        3 => thread.clone().prop_map(Step::Lower),
        3 => thread.clone().prop_map(Step::Raise),
        1 => thread.prop_map(Step::Exit),
    ]
}

/// A history, closed at some point or never.
fn history() -> impl Strategy<Value = Vec<Step>> {
    let steps = proptest::collection::vec(step(), 1..120);
    (steps, proptest::option::weighted(0.3, 0..120usize)).prop_map(|(mut steps, close)| {
        if let Some(at) = close {
            steps.insert(at.min(steps.len()), Step::Close);
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 2_000 } else { 20_000 },
        failure_persistence: None, // the shortest failing history is printed
        ..ProptestConfig::default()
    })]

    /// Every history leaves the state machine where the plain rules are.
    #[test]
    fn dispatch_follows_the_plain_rules(limit in 1..=3usize, history in history()) {
        let mut port = Port::new(limit);
        for step in &history {
            port.step(step);
        }
    }
}
