//! One direction of a socket: the requests that wait for it, and whether an attempt may succeed.
//!
//! Requests are attempted in call order, one at a time, by whoever *owns* the direction: the owner takes
//! the head out, attempts it without any lock, delivers the result, and takes the next. Heads that one system call can
//! attempt together, in their order, it may take out together: the head and its *company*. Readiness is a
//! promise that is cleared **before** an attempt and set **after** it, so that an edge that comes during
//! the attempt is never lost.
//!
//! Nothing here locks or calls the system, so loom explores this very file. The table of transitions and the
//! invariants D1 to D4 are in `docs/engine-protocol.md`.

use std::collections::VecDeque;

/// What a direction needs to know of a request while its owner holds it.
pub trait Request {
    /// What cancelling selects by.
    type Tag: Copy;
    /// This request's tag.
    fn tag(&self) -> Self::Tag;
}

/// What becomes of a request whose attempt would have blocked.
#[derive(Debug, PartialEq, Eq)]
pub enum Blocked<R, S> {
    /// It waits at the head; ownership is given up.
    Parked,
    /// An edge came meanwhile: attempt it again.
    Retry(R),
    /// It was cancelled or the socket closed meanwhile: finish it with this status.
    Ended(R, S),
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody's.
    Free,
    /// Somebody attempts or delivers, which does not block; nobody waits behind.
    Soon,
    /// Requests wait.
    Taken,
}

/// What cancelling found.
pub struct Cancelled<R> {
    /// Requests taken out of the queue: to be finished by the caller.
    pub removed: Vec<R>,
    /// Whether the request under attempt was marked: its owner finishes it.
    pub marked: bool,
}

/// What a direction knows of the request its owner holds.
enum Owner<T, S> {
    /// It is attempted; maybe it was cancelled meanwhile.
    Attempting(T, Option<S>),
    /// Its result is delivered: it is not pending any more. Nor is anything that an owner has kept the direction for.
    Delivering,
}

/// What a direction knows of the requests its owner attempts together with the head: tags and marks, in call order.
type Company<T, S> = VecDeque<(T, Option<S>)>;

/// One direction. `S` is the status a request ends with when it is cancelled.
pub struct Direction<R: Request, S> {
    ready: bool,                     // an attempt may succeed; at first nobody knows
    ended: bool, // the stream came to an end or an error: an attempt always answers
    owner: Option<Owner<R::Tag, S>>, // somebody attempts or delivers the head
    #[allow(clippy::box_collection)] // few directions ever have any
    company: Option<Box<Company<R::Tag, S>>>,
    queue: VecDeque<R>, // those behind them, in call order
    closing: Option<S>, // the socket is closed: everything ends with this
    deferred: bool,     // the socket is in its port's list of deferred sends
    flushing: bool,     // it was, and the owner attempts what was deferred
}

impl<R: Request, S: Copy> Default for Direction<R, S> {
    fn default() -> Self {
        Direction {
            ready: true,
            ended: false,
            owner: None,
            company: None,
            queue: VecDeque::new(),
            closing: None,
            deferred: false,
            flushing: false,
        }
    }
}

impl<R: Request, S: Copy> Direction<R, S> {
    /// Appends a request. On a closed socket it comes back with the status it ends with.
    pub fn push(&mut self, request: R) -> Result<(), (R, S)> {
        match self.closing {
            Some(status) => Err((request, status)),
            None => {
                self.queue.push_back(request);
                Ok(())
            }
        }
    }

    /// An edge: an attempt may succeed now; `ended` if it always will.
    pub fn edge(&mut self, ended: bool) {
        self.ready = true;
        self.ended |= ended;
    }

    /// Another stream takes the place of the one that may have ended: what was known of it counts no more.
    pub fn renew(&mut self) {
        self.ready = true;
        self.ended = false;
    }

    /// Makes the caller the owner of the head, if there is one, nobody owns it and an attempt may succeed.
    pub fn claim(&mut self) -> Option<R> {
        if self.owner.is_some() || !(self.ready || self.ended) {
            return None;
        }
        let head = self.queue.pop_front()?;
        self.ready = false;
        self.owner = Some(Owner::Attempting(head.tag(), None));
        Some(head)
    }

    /// Makes the caller the owner of a direction that is free, for one attempt that never was in the queue. False: the
    /// socket is closed.
    pub fn claim_unqueued(&mut self, tag: R::Tag) -> bool {
        debug_assert!(self.turn() == Turn::Free);
        if self.closing.is_some() {
            return false;
        }
        self.ready = false;
        self.owner = Some(Owner::Attempting(tag, None));
        true
    }

    /// The owner attempts, together with the head it has just claimed, those behind it that `joins` lets, one after the other:
    /// they are taken out `into` that list, until it has `most`.
    pub fn join(&mut self, into: &mut Vec<R>, most: usize, joins: impl Fn(&R) -> bool) {
        while into.len() < most && self.queue.front().is_some_and(&joins) {
            let Some(request) = self.queue.pop_front() else {
                return;
            };
            let company = self.company.get_or_insert_default();
            company.push_back((request.tag(), None));
            into.push(request);
        }
    }

    /// Of the head and its company, the owner has results for the first `done`: they are not pending any more.
    ///
    /// Returns the status with which the socket closed, if it did.
    pub fn finishing_first(&mut self, done: usize) -> Option<S> {
        self.owner = Some(Owner::Delivering);
        if let Some(company) = &mut self.company {
            company.drain(..done - 1);
        }
        self.closing
    }

    /// The owner has delivered those results; `left` of the company got none. They go back to the front, but for those that
    /// were cancelled meanwhile or all if the socket closed: these are the caller's to finish, with their status.
    pub fn disband(&mut self, left: &mut Vec<R>) -> Vec<(R, S)> {
        let mut ended = Vec::new();
        while let Some(request) = left.pop() {
            let company = self.company.as_mut().and_then(|company| company.pop_back());
            match company.and_then(|(_, mark)| mark.or(self.closing)) {
                Some(status) => ended.push((request, status)),
                None => self.queue.push_front(request),
            }
        }
        ended.reverse();
        ended
    }

    /// Whether the caller, who has just appended a request, has to see to it that the head is attempted later: it could
    /// be attempted now, and nobody is about to.
    pub fn defer(&mut self) -> bool {
        let claimable = self.owner.is_none() && (self.ready || self.ended);
        claimable && !std::mem::replace(&mut self.deferred, true)
    }

    /// Whether sends that were deferred are attempted at this moment, or could be: whoever must not go before them claims
    /// the head, or lets its owner finish.
    pub fn has_deferred(&self) -> bool {
        let claimable = (self.ready || self.ended) && !self.queue.is_empty();
        (self.deferred || self.flushing) && (self.owner.is_some() || claimable)
    }

    /// Whether something queued here counts as attempted: it was deferred, or who owns the direction comes to it next.
    pub fn owes_attempts(&self) -> bool {
        self.has_deferred() || self.owner.is_some() && !self.queue.is_empty()
    }

    /// The socket is no longer in the list: claims the head.
    pub fn claim_deferred(&mut self) -> Option<R> {
        self.deferred = false;
        let head = self.claim();
        self.flushing = self.owner.is_some(); // or somebody else attempts them just now
        head
    }

    /// How many requests are queued.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The owner's attempt would have blocked (the descriptor is in an epoll set by now).
    pub fn would_block(&mut self, request: R) -> Blocked<R, S> {
        if let Some(status) = self.mark() {
            self.owner = Some(Owner::Delivering);
            return Blocked::Ended(request, status);
        }
        if self.ready {
            self.ready = false;
            return Blocked::Retry(request);
        }
        self.owner = None;
        self.flushing = false;
        self.queue.push_front(request);
        Blocked::Parked
    }

    /// The owner delivered the head's result; `more` if a further attempt may succeed. Claims the next.
    pub fn next(&mut self, more: bool) -> Option<R> {
        self.ready |= more;
        self.owner = None;
        let head = self.claim();
        self.flushing &= head.is_some();
        head
    }

    /// The owner has done its share: somebody else goes on with the head.
    ///
    /// # Errors
    /// The request and its status, if it was cancelled or the socket closed meanwhile.
    pub fn put_back(&mut self, request: R) -> Result<(), (R, S)> {
        if let Some(status) = self.mark() {
            self.owner = Some(Owner::Delivering);
            return Err((request, status));
        }
        self.ready = true;
        self.owner = None;
        self.queue.push_front(request);
        Ok(())
    }

    /// The owner, who has let go of its head, keeps the direction: what it has delivered is not where it belongs yet, and
    /// nothing may be delivered before it. [`next`](Self::next) ends that.
    pub fn keep(&mut self) {
        debug_assert!(self.owner.is_none());
        self.owner = Some(Owner::Delivering);
    }

    /// The owner has a result: from here on the request is not pending any more, cancelling does not find it.
    ///
    /// Returns the status with which it was cancelled, if it was.
    pub fn finishing(&mut self) -> Option<S> {
        let mark = self.mark();
        self.owner = Some(Owner::Delivering);
        mark
    }

    fn mark(&self) -> Option<S> {
        match self.owner {
            Some(Owner::Attempting(_, mark)) => mark.or(self.closing),
            _ => None,
        }
    }

    /// Cancels the requests that `select` chooses, with `status`.
    pub fn cancel(&mut self, status: S, select: impl Fn(R::Tag) -> bool) -> Cancelled<R> {
        let mut marked = false;
        if let Some(Owner::Attempting(tag, mark @ None)) = &mut self.owner
            && select(*tag)
        {
            *mark = Some(status);
            marked = true;
        }
        for (tag, mark) in self
            .company
            .iter_mut()
            .flat_map(|company| company.iter_mut())
        {
            if mark.is_none() && select(*tag) {
                *mark = Some(status);
                marked = true;
            }
        }
        let mut removed = Vec::new();
        if self.queue.iter().any(|request| select(request.tag())) {
            for request in std::mem::take(&mut self.queue) {
                match select(request.tag()) {
                    true => removed.push(request),
                    false => self.queue.push_back(request),
                }
            }
        }
        Cancelled { removed, marked }
    }

    /// Whether a request that `select` chooses is under attempt.
    pub fn is_attempting(&self, select: impl Fn(R::Tag) -> bool) -> bool {
        let is_head = matches!(&self.owner, Some(Owner::Attempting(tag, _)) if select(*tag));
        is_head || self.attempted_beside().any(|(tag, _)| select(*tag))
    }

    fn attempted_beside(&self) -> impl Iterator<Item = &(R::Tag, Option<S>)> {
        self.company.iter().flat_map(|company| company.iter())
    }

    /// The socket closes: what is queued is returned and ends with `status`, as does what is under attempt.
    pub fn close(&mut self, status: S) -> Vec<R> {
        self.closing = Some(status);
        self.queue.drain(..).collect()
    }

    /// Whose turn it is, as a caller sees it who does not want to wait behind others.
    pub fn turn(&self) -> Turn {
        match (self.queue.is_empty(), &self.owner) {
            (true, None) => Turn::Free,
            (true, Some(_)) => Turn::Soon,
            (false, _) => Turn::Taken,
        }
    }

    /// Whether an attempt would find nothing, so that an edge tells of whatever comes. (Of a direction whose socket is in
    /// an epoll set.)
    pub fn is_exhausted(&self) -> bool {
        !self.ready && !self.ended && self.owner.is_none()
    }

    /// Whether a request waits for what may come. One whose result is being delivered does not.
    pub fn has_pending(&self) -> bool {
        let attempts = matches!(self.owner, Some(Owner::Attempting(..)));
        !self.queue.is_empty() || attempts || self.attempted_beside().next().is_some()
    }
}
