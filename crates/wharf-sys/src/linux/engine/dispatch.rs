//! Who gets the packet: the waiter protocol of a completion port, as a plain state machine.
//!
//! Packets leave first in, first out. Threads are released last in, first out. At most `limit` threads run at
//! once; a thread that blocks in the library gives its place away, and takes it back unconditionally when
//! it wakes. A waiting thread is either *polling* (asleep in the kernel's readiness wait, harvesting for
//! everybody) or *benched* (asleep on its own parker, woken with an assignment).
//!
//! Nothing here locks, wakes or calls the system: every transition returns what it decided and collects who
//! is to be woken in [`Wakes`]; the port does that after it let go of its lock. So loom explores this very file.
//! The table of transitions and the invariants P1 to P6 are in `docs/engine-protocol.md`.
//!
//! Source: "I/O Completion Ports", <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

use std::collections::VecDeque;

/// A thread associated with the port: its place in the port's member table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberId(usize);

/// What a benched thread is woken for.
#[derive(Debug, PartialEq, Eq)]
pub enum Assignment<P> {
    /// This packet is its own.
    Packet(P),
    /// Nobody polls the kernel: it is the poller now.
    Poll,
    /// The port was closed.
    Abandoned,
}

/// How a thread that found no packet waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the kernel's readiness wait.
    Polling,
    /// On its own parker.
    Benched,
}

/// What a poller does after it returned from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub enum Harvested<P> {
    /// It leaves with this packet.
    Packet(P),
    /// The port was closed: it leaves with nothing.
    Abandoned,
    /// It goes on waiting there.
    Wait(Place),
}

/// How a wait that ran out of time (or was interrupted by an APC) ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<P> {
    /// A packet had been assigned already: it wins.
    Packet(P),
    /// The port was closed.
    Abandoned,
    /// Nothing: time-out or APC.
    Nothing,
}

/// Whom to wake once the port's lock is released.
#[derive(Debug)]
pub struct Wakes<T> {
    first: Option<T>, // nearly always the only one: no allocation
    rest: Vec<T>,
    poller: bool,
}

impl<T> Wakes<T> {
    /// Nobody yet.
    pub fn new() -> Self {
        Wakes {
            first: None,
            rest: Vec::new(),
            poller: false,
        }
    }

    /// Nobody after all: the ordinary case.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && !self.poller
    }

    /// Whether the pollers' eventfd is to be written.
    pub fn poller(&self) -> bool {
        self.poller
    }

    /// The benched threads to unpark, in the order they were chosen.
    pub fn benched(self) -> impl Iterator<Item = T> {
        self.first.into_iter().chain(self.rest)
    }

    fn push(&mut self, handle: T) {
        match self.first {
            None => self.first = Some(handle),
            Some(_) => self.rest.push(handle),
        }
    }
}

/// One entry of the stack of waiting threads.
enum Waiter {
    /// This thread polls. The kernel chooses which poller it wakes, so that may be another one: see `harvested`.
    Polling(MemberId),
    /// This thread, and whether it may become a poller (an alertable one may not).
    Benched(MemberId, bool),
}

struct Member<T> {
    handle: T,     // for waking
    counted: bool, // whether `active` includes it
}

/// Packets, waiting threads and the active count of one port. `T` is what wakes a thread.
pub struct Dispatch<P, T> {
    limit: usize,                           // concurrency value
    active: usize, // counted members, and packets granted or handed but not yet picked up
    queue: VecDeque<P>, // not assigned, oldest first
    granted: VecDeque<(MemberId, P)>, // each to one of the pollers, whose entry it used up
    handed: Vec<(MemberId, Assignment<P>)>, // assigned to benched threads that have not woken yet
    waiters: Vec<Waiter>, // most recent last
    polling: usize, // `Waiter::Polling` entries in `waiters`
    members: Vec<Option<Member<T>>>, // associated threads
    closed: bool,
    taken: u64, // packets dequeued so far: a sign of progress
}

impl<P, T: Clone> Dispatch<P, T> {
    /// A port that lets `limit` threads run at once.
    pub fn new(limit: usize) -> Self {
        Dispatch {
            limit,
            active: 0,
            queue: VecDeque::new(),
            granted: VecDeque::new(),
            handed: Vec::new(),
            waiters: Vec::new(),
            polling: 0,
            members: Vec::new(),
            closed: false,
            taken: 0,
        }
    }

    // ---- members and the active count ----

    /// Associates a thread, not yet counted.
    pub fn join(&mut self, handle: T) -> MemberId {
        let member = Some(Member {
            handle,
            counted: false,
        });
        match self.members.iter().position(Option::is_none) {
            Some(free) => {
                self.members[free] = member;
                MemberId(free)
            }
            None => {
                self.members.push(member);
                MemberId(self.members.len() - 1)
            }
        }
    }

    /// Ends a thread's association: it exits, or moves to another port.
    pub fn leave(&mut self, id: MemberId, wakes: &mut Wakes<T>) {
        self.lower(id, wakes);
        self.members[id.0] = None;
    }

    /// The thread begins a wait elsewhere in the library: its place is free meanwhile.
    pub fn lower(&mut self, id: MemberId, wakes: &mut Wakes<T>) {
        if self.uncount(id) {
            self.settle(wakes);
        }
    }

    /// The wait elsewhere ended: the thread runs again, above the limit if need be.
    pub fn raise(&mut self, id: MemberId) {
        if !self.counted(id) {
            self.active += 1;
            self.set_counted(id, true);
        }
    }

    /// Takes a counted thread that sleeps outside the library out of the count (liveness), if it is still that one.
    pub fn count_out(&mut self, id: MemberId, is_same: impl Fn(&T) -> bool, wakes: &mut Wakes<T>) {
        if self.members[id.0]
            .as_ref()
            .is_some_and(|member| is_same(&member.handle))
        {
            self.lower(id, wakes);
        }
    }

    /// The counted threads, for the liveness check.
    pub fn counted_members(&self) -> impl Iterator<Item = (MemberId, &T)> {
        self.members
            .iter()
            .enumerate()
            .filter_map(|(index, member)| {
                member
                    .as_ref()
                    .filter(|member| member.counted)
                    .map(|member| (MemberId(index), &member.handle))
            })
    }

    // ---- packets arrive ----

    /// A packet arrives: from a finished request, or posted.
    pub fn arrive(&mut self, packet: P, wakes: &mut Wakes<T>) {
        if !self.closed {
            self.queue.push_back(packet);
            self.settle(wakes);
        }
    }

    // ---- a thread asks ----

    /// A thread calls in and takes the oldest packet, if it may run once its own place is free. Else nothing changes.
    pub fn call_in(&mut self, id: MemberId) -> Option<P> {
        let others = self.active - usize::from(self.counted(id));
        if others >= self.limit {
            return None;
        }
        let packet = self.queue.pop_front()?;
        self.taken += 1;
        self.raise(id);
        Some(packet)
    }

    /// As [`call_in`](Self::call_in), by a thread that brings packets with it.
    pub fn bring_in(
        &mut self,
        id: MemberId,
        packets: impl IntoIterator<Item = P>,
        wakes: &mut Wakes<T>,
    ) -> Option<P> {
        if !self.closed {
            self.queue.extend(packets);
        }
        let packet = self.call_in(id);
        self.settle(wakes);
        packet
    }

    /// A further packet for a thread that has one already (one activation, several packets).
    pub fn take_more(&mut self) -> Option<P> {
        let packet = self.queue.pop_front()?;
        self.taken += 1;
        Some(packet)
    }

    /// The thread, having found nothing, waits: its own place is free from here on. Not on a closed port.
    pub fn wait(&mut self, id: MemberId, may_poll: bool, wakes: &mut Wakes<T>) -> Place {
        debug_assert!(!self.closed);
        self.uncount(id);
        let wanted = self.limit.saturating_sub(self.active).max(1);
        let place = if may_poll && self.pollers() < wanted {
            Place::Polling
        } else {
            Place::Benched
        };
        match place {
            Place::Polling => {
                self.waiters.push(Waiter::Polling(id));
                self.polling += 1;
            }
            Place::Benched => self.waiters.push(Waiter::Benched(id, may_poll)),
        }
        self.settle(wakes);
        place
    }

    /// Somebody who does not wait here harvested the set and may have taken the pollers' wake: it is passed on.
    pub fn harvested_in_passing(&mut self, wakes: &mut Wakes<T>) {
        self.pass_on(wakes);
        self.settle(wakes);
    }

    // ---- a waiting thread wakes ----

    /// A poller returned from the kernel with these packets (maybe none).
    pub fn harvested(
        &mut self,
        id: MemberId,
        packets: impl IntoIterator<Item = P>,
        wakes: &mut Wakes<T>,
    ) -> Harvested<P> {
        if !self.closed {
            self.queue.extend(packets);
        }
        if let Some(packet) = self.take_granted(id, wakes) {
            return Harvested::Packet(packet);
        }
        if self.closed {
            self.leave_poll(id, wakes);
            return Harvested::Abandoned;
        }
        let misdirected = !self.granted.is_empty();
        self.pass_on(wakes);
        match self.compete(id, wakes) {
            // It was woken for another poller's packet: out of that one's way, or the kernel wakes it again.
            Harvested::Wait(Place::Polling) if misdirected => self.bench(id, wakes),
            harvested => harvested,
        }
    }

    /// What the benched thread was woken for, if anything.
    pub fn assignment(&mut self, id: MemberId) -> Option<Assignment<P>> {
        let index = self.handed.iter().position(|(member, _)| *member == id)?;
        let (_, assignment) = self.handed.swap_remove(index);
        match assignment {
            Assignment::Packet(_) => self.picked_up(id),
            Assignment::Abandoned => self.raise(id),
            Assignment::Poll => {}
        }
        Some(assignment)
    }

    /// The thread's wait ends without it having been woken for anything.
    pub fn end_wait(&mut self, id: MemberId, place: Place, wakes: &mut Wakes<T>) -> Ended<P> {
        let place = match self.assignment(id) {
            Some(Assignment::Packet(packet)) => return Ended::Packet(packet),
            Some(Assignment::Abandoned) => return Ended::Abandoned,
            Some(Assignment::Poll) => Place::Polling,
            None => place,
        };
        match place {
            Place::Polling => {
                if let Some(packet) = self.take_granted(id, wakes) {
                    return Ended::Packet(packet);
                }
                self.leave_poll(id, wakes);
            }
            Place::Benched => {
                self.waiters.retain(
                    |waiter| !matches!(waiter, Waiter::Benched(member, _) if *member == id),
                );
                self.raise(id);
                self.settle(wakes);
            }
        }
        if self.closed {
            Ended::Abandoned
        } else {
            Ended::Nothing
        }
    }

    // ---- closing ----

    /// Closes the port: waiting threads leave, queued packets are dropped. Returns how many those were.
    pub fn close(&mut self, wakes: &mut Wakes<T>) -> usize {
        self.closed = true;
        let dropped = self.queue.len();
        self.queue.clear();
        for waiter in std::mem::take(&mut self.waiters) {
            match waiter {
                Waiter::Polling(id) => self.waiters.push(Waiter::Polling(id)),
                Waiter::Benched(id, _) => self.hand(id, Assignment::Abandoned, wakes),
            }
        }
        wakes.poller |= self.polling > 0;
        dropped
    }

    // ---- questions ----

    /// Whether the port was closed.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// How many threads poll the kernel (or are on their way in or out).
    pub fn pollers(&self) -> usize {
        self.polling + self.granted.len()
    }

    /// How many threads wait.
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// How many packets are in the port, assigned or not.
    pub fn packets(&self) -> usize {
        let handed = self
            .handed
            .iter()
            .filter(|(_, what)| matches!(what, Assignment::Packet(_)))
            .count();
        self.queue.len() + self.granted.len() + handed
    }

    /// Packets wait, threads wait, and only the count of active threads is in the way.
    pub fn stalled(&self) -> bool {
        !self.queue.is_empty() && !self.waiters.is_empty() && self.active >= self.limit
    }

    /// Packets are queued: then no waiting thread may run, or none waits.
    pub fn has_backlog(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How many packets were dequeued so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    // ---- the rules ----

    /// The release rule, and that somebody polls. Runs after every transition.
    fn settle(&mut self, wakes: &mut Wakes<T>) {
        while self.active < self.limit && !self.queue.is_empty() {
            let Some(waiter) = self.waiters.pop() else {
                return;
            };
            let Some(packet) = self.queue.pop_front() else {
                return;
            };
            self.active += 1;
            match waiter {
                Waiter::Polling(id) => {
                    self.polling -= 1;
                    self.granted.push_back((id, packet));
                    wakes.poller = true;
                }
                Waiter::Benched(id, _) => self.hand(id, Assignment::Packet(packet), wakes),
            }
        }
        if self.active < self.limit && self.pollers() == 0 {
            self.promote(wakes);
        }
    }

    /// Makes the most recent benched thread that may poll the poller.
    fn promote(&mut self, wakes: &mut Wakes<T>) {
        let Some(place) = self
            .waiters
            .iter()
            .rposition(|waiter| matches!(waiter, Waiter::Benched(_, true)))
        else {
            return;
        };
        if let Waiter::Benched(id, _) = self.waiters[place] {
            self.waiters[place] = Waiter::Polling(id);
            self.polling += 1;
            self.hand(id, Assignment::Poll, wakes);
        }
    }

    /// A poller that harvested competes, at the place of the most recent poller, with the benched above it.
    fn compete(&mut self, id: MemberId, wakes: &mut Wakes<T>) -> Harvested<P> {
        while self.active < self.limit && !self.queue.is_empty() {
            if let Some(Waiter::Benched(..)) = self.waiters.last() {
                self.serve_top(wakes);
                continue;
            }
            self.leave_top_polling(id);
            let packet = self
                .call_in(id)
                .expect("the loop has checked: a packet and a free place");
            self.settle(wakes);
            return Harvested::Packet(packet);
        }
        let superfluous = self.active >= self.limit || self.pollers() > self.limit - self.active;
        if !superfluous {
            return Harvested::Wait(Place::Polling);
        }
        self.bench(id, wakes)
    }

    /// The poller goes on waiting in its place, but on its own parker.
    fn bench(&mut self, id: MemberId, wakes: &mut Wakes<T>) -> Harvested<P> {
        if let Some(place) = self.polling_entry(id) {
            self.waiters[place] = Waiter::Benched(id, true);
            self.polling -= 1;
        }
        self.settle(wakes);
        Harvested::Wait(Place::Benched)
    }

    /// The poller leaves at the place of the topmost one; if that is another's, the other keeps its own.
    fn leave_top_polling(&mut self, id: MemberId) {
        if let Some(Waiter::Polling(top)) = self.waiters.pop() {
            self.polling -= 1;
            self.rename(id, top);
        }
    }

    /// `other`'s entry was used up for `id`: `id`'s entry becomes `other`'s.
    fn rename(&mut self, id: MemberId, other: MemberId) {
        if let Some(place) = self.polling_entry(id) {
            self.waiters[place] = Waiter::Polling(other);
        }
    }

    fn polling_entry(&self, id: MemberId) -> Option<usize> {
        let is_own = |waiter: &Waiter| matches!(waiter, Waiter::Polling(member) if *member == id);
        self.waiters.iter().rposition(is_own)
    }

    /// Hands the oldest packet to the topmost waiter, a benched one.
    fn serve_top(&mut self, wakes: &mut Wakes<T>) {
        if let (Some(Waiter::Benched(id, _)), Some(packet)) =
            (self.waiters.pop(), self.queue.pop_front())
        {
            self.active += 1;
            self.hand(id, Assignment::Packet(packet), wakes);
        }
    }

    /// A thread that returned from its poll takes what was granted to it, and passes the wake on if there is more.
    fn take_granted(&mut self, id: MemberId, wakes: &mut Wakes<T>) -> Option<P> {
        let own = self.granted.iter().position(|(owner, _)| *owner == id)?;
        let (_, packet) = self.granted.remove(own)?;
        self.picked_up(id);
        self.pass_on(wakes);
        self.settle(wakes);
        Some(packet)
    }

    /// A thread leaves its poll without a packet.
    fn leave_poll(&mut self, id: MemberId, wakes: &mut Wakes<T>) {
        if let Some(place) = self.polling_entry(id) {
            self.waiters.remove(place);
            self.polling -= 1;
        }
        self.raise(id);
        self.pass_on(wakes);
        self.settle(wakes);
    }

    /// Writes of an eventfd coalesce: whoever leaves its poll writes again if there is still reason to.
    fn pass_on(&self, wakes: &mut Wakes<T>) {
        wakes.poller |= !self.granted.is_empty() || (self.closed && self.polling > 0);
    }

    /// Assigns something to a benched thread.
    fn hand(&mut self, id: MemberId, assignment: Assignment<P>, wakes: &mut Wakes<T>) {
        self.handed.push((id, assignment));
        if let Some(member) = &self.members[id.0] {
            wakes.push(member.handle.clone());
        }
    }

    /// The thread picked up a packet that was counted when it was assigned.
    fn picked_up(&mut self, id: MemberId) {
        self.taken += 1;
        self.set_counted(id, true);
    }

    fn uncount(&mut self, id: MemberId) -> bool {
        let counted = self.counted(id);
        if counted {
            self.active -= 1;
            self.set_counted(id, false);
        }
        counted
    }

    fn counted(&self, id: MemberId) -> bool {
        self.members[id.0]
            .as_ref()
            .is_some_and(|member| member.counted)
    }

    fn set_counted(&mut self, id: MemberId, counted: bool) {
        if let Some(member) = &mut self.members[id.0] {
            member.counted = counted;
        }
    }
}
