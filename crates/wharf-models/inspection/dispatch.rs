/// What the models look at, and the invariants they check. Appended to `dispatch.rs` by `build.rs`.
impl<P: Clone, T> Dispatch<P, T> {
    /// Panics unless P2, P3, P4 and the count of pollers hold; `in_poll` threads are in the kernel.
    ///
    /// To be called whenever the port's lock is let go of.
    pub fn check(&self, in_poll: usize) {
        self.check_counts(in_poll);
        if !self.closed {
            self.check_release();
        }
    }

    fn check_counts(&self, in_poll: usize) {
        let counted = self.counted_members_now();
        let handed = self.handed_packets().len();
        assert_eq!(
            self.active,
            counted + self.granted.len() + handed,
            "P2: active threads are miscounted"
        );
        let entries = self
            .waiters
            .iter()
            .filter(|waiter| matches!(waiter, Waiter::Polling(_)))
            .count();
        assert_eq!(self.polling, entries, "polling entries are miscounted");
        let called = self
            .handed
            .iter()
            .filter(|(_, what)| matches!(what, Assignment::Poll))
            .count();
        assert_eq!(
            self.polling + self.granted.len(),
            in_poll + called,
            "pollers are miscounted"
        );
    }

    fn check_release(&self) {
        let free = self.active < self.limit;
        let releasable = !self.queue.is_empty() && !self.waiters.is_empty();
        assert!(
            !(free && releasable),
            "P3: a packet and a waiter wait for each other"
        );
        let candidate = self
            .waiters
            .iter()
            .any(|waiter| matches!(waiter, Waiter::Benched(_, true)));
        let polled = self.polling + self.granted.len() > 0;
        assert!(polled || !free || !candidate, "P4: nobody polls");
    }

    fn counted_members_now(&self) -> usize {
        self.members
            .iter()
            .flatten()
            .filter(|member| member.counted)
            .count()
    }

    /// The count of active threads.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Packets not assigned, oldest first.
    pub fn queued_packets(&self) -> Vec<P> {
        self.queue.iter().cloned().collect()
    }

    /// Packets assigned to pollers, oldest first.
    pub fn granted_packets(&self) -> Vec<P> {
        self.granted
            .iter()
            .map(|(_, packet)| packet.clone())
            .collect()
    }

    /// Whose places those packets used up.
    pub fn granted_owners(&self) -> Vec<MemberId> {
        self.granted.iter().map(|(owner, _)| *owner).collect()
    }

    /// Packets assigned to benched threads.
    pub fn handed_packets(&self) -> Vec<(MemberId, P)> {
        let packet = |(id, what): &(MemberId, Assignment<P>)| match what {
            Assignment::Packet(packet) => Some((*id, packet.clone())),
            Assignment::Poll | Assignment::Abandoned => None,
        };
        self.handed.iter().filter_map(packet).collect()
    }

    /// The stack of waiters, most recent last, and whether each polls.
    pub fn stack(&self) -> Vec<(MemberId, bool)> {
        let entry = |waiter: &Waiter| match waiter {
            Waiter::Polling(id) => (*id, true),
            Waiter::Benched(id, _) => (*id, false),
        };
        self.waiters.iter().map(entry).collect()
    }
}
