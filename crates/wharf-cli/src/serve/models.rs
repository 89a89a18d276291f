//! The ways in which Windows lets a server drive its sessions, one file each.
//!
//! A model is given connections by the accepter, and serves each until its peer has nothing more to say, or until the
//! model is ended. What a session does is the same in all of them; how its thread learns what to do next is not.

mod async_select;
mod completion_port;
mod completion_routines;
mod event_select;
mod overlapped_events;
mod poll;
mod select;
mod threads;

use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use wharf::Socket;

use super::crew::Crew;
use super::session::Session;
use super::shared::Shared;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ModelName {
    /// Overlapped operations that report to a completion port
    CompletionPort,
    /// Blocking calls, a thread for every session
    Threads,
    /// `select` over all sockets of a worker
    Select,
    /// `WSAPoll` over all sockets of a worker
    Poll,
    /// `WSAEventSelect`: network events signal event objects, 63 sessions for each worker
    EventSelect,
    /// `WSAAsyncSelect`: network events are messages to a window
    AsyncSelect,
    /// Overlapped operations that signal event objects, 63 sessions for each worker
    OverlappedEvents,
    /// Overlapped operations with completion routines
    CompletionRoutines,
}

impl ModelName {
    /// How many descriptors a session takes: its socket's, and one by which a thread of its own can be woken.
    pub fn descriptors_of_a_session(self) -> u64 {
        match self {
            ModelName::Threads => 2,
            _ => 1,
        }
    }
}

/// A running model.
pub trait Model: Send {
    /// Serves a connection. It blocks, and nothing is selected for it. Should the model be unable to, the session is
    /// told why.
    fn admit(&self, socket: Socket, session: Session);

    /// Ends the sessions that are left.
    fn end(self: Box<Self>);
}

/// Starts a model. `workers` is how many threads to begin with; `concurrency` is the completion port's.
///
/// # Errors
/// If the system lacks what it needs.
pub fn start(
    name: ModelName,
    workers: usize,
    concurrency: u32,
    shared: &Arc<Shared>,
) -> Result<Box<dyn Model>> {
    Ok(match name {
        ModelName::CompletionPort => {
            Box::new(completion_port::Workers::start(workers, concurrency)?)
        }
        ModelName::Threads => Box::new(threads::Threads::new()),
        ModelName::Select => Box::new(Crew::start(select::KIND, workers, shared)?),
        ModelName::Poll => Box::new(Crew::start(poll::KIND, workers, shared)?),
        ModelName::EventSelect => Box::new(Crew::start(event_select::KIND, workers, shared)?),
        ModelName::AsyncSelect => Box::new(Crew::start(async_select::KIND, workers, shared)?),
        ModelName::OverlappedEvents => {
            Box::new(Crew::start(overlapped_events::KIND, workers, shared)?)
        }
        ModelName::CompletionRoutines => {
            Box::new(Crew::start(completion_routines::KIND, workers, shared)?)
        }
    })
}
