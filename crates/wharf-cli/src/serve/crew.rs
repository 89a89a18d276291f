//! Threads that each drive some of the sessions, and how connections come to them.
//!
//! Windows has no call that waits for sockets and for another thread's word in the same way in all models. So each
//! worker brings a waker of its own kind (a packet has none to bring: completion ports need no crew), and new
//! connections lie in its inbox until it looks there.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use wharf::{Error, Socket};

use super::models::Model;
use super::session::Session;
use super::shared::Shared;

/// A model with workers.
#[derive(Clone, Copy)]
pub struct Kind {
    /// What a worker does from its first moment to its last.
    pub work: fn(&Inbox) -> Result<(), Error>,
    /// How many sessions a worker has room for.
    pub sessions_max: usize,
}

/// Makes a worker look into its inbox.
type Waker = Box<dyn Fn() + Send + Sync>;

/// Where a worker finds its new connections.
pub struct Inbox {
    arrived: Mutex<Arrived>,
    waker: OnceLock<Waker>,
    /// Told once that the worker can be woken.
    ready: SyncSender<()>,
}

/// What a worker finds.
#[derive(Default)]
pub struct Arrived {
    pub connections: Vec<(Socket, Session)>,
    /// It shall end, with all its sessions.
    pub ending: bool,
}

impl Inbox {
    /// Says how this worker is woken. Nothing arrives before.
    pub fn open(&self, waker: impl Fn() + Send + Sync + 'static) {
        let first = self.waker.set(Box::new(waker)).is_ok();
        debug_assert!(first, "a worker opens its inbox once");
        let _ = self.ready.send(()); // there is room for one, and nobody to mind
    }

    /// Takes what has arrived.
    pub fn take(&self) -> Arrived {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        Arrived {
            connections: std::mem::take(&mut arrived.connections),
            ending: arrived.ending,
        }
    }

    fn put(&self, change: impl FnOnce(&mut Arrived)) {
        change(&mut self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(wake) = self.waker.get() {
            wake();
        }
    }
}

/// The workers of a model.
pub struct Crew {
    kind: Kind,
    shared: Arc<Shared>,
    members: Mutex<Vec<Member>>,
}

struct Member {
    inbox: Arc<Inbox>,
    seats_taken: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Crew {
    /// Starts that many workers; more follow when there is no seat left.
    ///
    /// # Errors
    /// If a worker cannot begin.
    pub fn start(kind: Kind, workers: usize, shared: &Arc<Shared>) -> Result<Crew> {
        let members = (0..workers)
            .map(|_| Member::start(kind, shared))
            .collect::<Result<_>>()?;
        Ok(Crew {
            kind,
            shared: Arc::clone(shared),
            members: Mutex::new(members),
        })
    }

    /// Gives a connection to the worker with the fewest, to a new one if none has room.
    fn seat(&self, socket: Socket, mut session: Session) -> Result<()> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = |member: &&Member| member.has_room(self.kind.sessions_max);
        if !members.iter().any(|member| has_room(&member)) {
            members.push(Member::start(self.kind, &self.shared)?);
        }
        let member = members
            .iter()
            .filter(has_room)
            .min_by_key(|member| member.seats_taken.load(Relaxed))
            .context("the new worker has ended")?;
        session.take_seat(&member.seats_taken);
        member
            .inbox
            .put(|arrived| arrived.connections.push((socket, session)));
        Ok(())
    }
}

impl Model for Crew {
    fn admit(&self, socket: Socket, session: Session) {
        if self.seat(socket, session).is_err() {
            let shared = &self.shared;
            shared.count_error("one more worker cannot begin", &Error::NO_SYSTEM_RESOURCES);
        }
    }

    fn end(self: Box<Self>) {
        let members = self.members.into_inner();
        let members = members.unwrap_or_else(PoisonError::into_inner);
        for member in &members {
            member.inbox.put(|arrived| arrived.ending = true);
        }
        for member in members {
            member.thread.join().expect("a worker panicked");
        }
    }
}

impl Member {
    fn has_room(&self, sessions_max: usize) -> bool {
        !self.thread.is_finished() && self.seats_taken.load(Relaxed) < sessions_max
    }

    fn start(kind: Kind, shared: &Arc<Shared>) -> Result<Member> {
        let (ready, is_ready) = mpsc::sync_channel(1);
        let inbox = Arc::new(Inbox {
            arrived: Mutex::default(),
            waker: OnceLock::new(),
            ready,
        });
        let (its_inbox, its_shared) = (Arc::clone(&inbox), Arc::clone(shared));
        let thread = thread::Builder::new()
            .spawn(move || {
                if let Err(error) = (kind.work)(&its_inbox) {
                    its_shared.count_error("a worker failed", &error);
                    drop(its_inbox.take()); // its sessions end with it
                }
                let _ = its_inbox.ready.try_send(()); // should it have failed before it opened its inbox
            })
            .context("a worker's thread cannot be started; how many may there be (ulimit -u)?")?;
        is_ready
            .recv()
            .context("a worker has ended before it began")?;
        inbox.waker.get().context(
            "a worker cannot begin: the system lacks descriptors or memory, see `wharf doctor`",
        )?;
        Ok(Member {
            inbox,
            seats_taken: Arc::default(),
            thread,
        })
    }
}
