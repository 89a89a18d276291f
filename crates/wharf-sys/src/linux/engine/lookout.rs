//! Which of the threads that wait for sockets keeps the lookout: sleeps in the default set and sees to what happens there.
//!
//! The others sleep elsewhere until something is done for them. When the keeper's wait ends another one takes over, the
//! most recent first, so that a thread that goes on to compute delays nobody else's sockets.
//!
//! Nothing here locks or calls the system, so loom explores this very file. States, transitions and the invariants L1 to
//! L4 are in `docs/engine-protocol.md`, section 11.

/// Who keeps the lookout, and who else waits. A thread is in it at most once.
pub struct Lookout<T> {
    keeper: Option<(u64, T)>,
    others: Vec<(u64, T)>, // the most recent one last
}

/// What the end of a wait leaves to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Left<T> {
    /// Nothing: somebody else keeps the lookout.
    Kept,
    /// This thread keeps it from now on: it is to be woken.
    To(T),
    /// Nobody keeps it any more: the helper is to be told.
    Vacant,
}

impl<T> Lookout<T> {
    /// Nobody waits.
    pub const fn new() -> Lookout<T> {
        Lookout {
            keeper: None,
            others: Vec::new(),
        }
    }

    /// A thread begins to wait. It keeps the lookout if nobody does.
    pub fn enter(&mut self, id: u64, thread: T) {
        match &self.keeper {
            None => self.keeper = Some((id, thread)),
            Some(_) => self.others.push((id, thread)),
        }
    }

    /// Whether that thread keeps the lookout. Once it does, it does until its wait ends.
    pub fn keeps(&self, id: u64) -> bool {
        matches!(&self.keeper, Some((keeper, _)) if *keeper == id)
    }

    /// That thread's wait ends.
    pub fn leave(&mut self, id: u64) -> Left<T>
    where
        T: Clone,
    {
        if !self.keeps(id) {
            self.others.retain(|(other, _)| *other != id);
            return Left::Kept;
        }
        self.keeper = self.others.pop();
        match &self.keeper {
            Some((_, thread)) => Left::To(thread.clone()),
            None => Left::Vacant,
        }
    }
}
