//! What the accepter, all sessions and whoever watches them share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use serde::Serialize;

/// How many failures are described; all are counted.
const EXAMPLES_MAX: usize = 5;

/// What is done with the bytes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Send them back
    Echo,
    /// Drop them
    Discard,
}

/// The service, its statistics, and whether it is being ended.
#[derive(Debug)]
pub struct Shared {
    pub service: Service,
    pub statistics: Statistics,
    ending: AtomicBool,
    examples: Mutex<Vec<String>>,
}

/// Counted since the start. Each number stands for itself, so that no order between them is needed.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Open now.
    pub sessions: AtomicU64,
    /// The most that were open at once.
    pub sessions_at_once_max: AtomicU64,
    /// All that were admitted.
    pub sessions_total: AtomicU64,
    /// Connections beyond the maximum, closed at once.
    pub refused: AtomicU64,
    /// Receives that brought data.
    pub messages: AtomicU64,
    pub bytes_received: AtomicU64,
    pub bytes_sent: AtomicU64,
    /// Bytes that open sessions still have to send back.
    pub bytes_owed: AtomicU64,
    /// Sessions that failed, and connections that could not be taken.
    pub errors: AtomicU64,
}

impl Shared {
    pub fn new(service: Service) -> Shared {
        Shared {
            service,
            statistics: Statistics::default(),
            ending: AtomicBool::new(false),
            examples: Mutex::default(),
        }
    }

    /// From now on sessions end because this program ends them: that is no failure.
    pub fn begin_ending(&self) {
        self.ending.store(true, Relaxed);
    }

    /// Counts a failure.
    pub fn count_error(&self, what: &str, error: &wharf::Error) {
        if self.ending.load(Relaxed) {
            return;
        }
        self.statistics.errors.fetch_add(1, Relaxed);
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        if examples.len() < EXAMPLES_MAX {
            examples.push(format!("{what}: {error} (Windows error {})", error.code()));
        }
    }

    /// Some of the failures, described.
    pub fn examples(&self) -> Vec<String> {
        let examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        examples.clone()
    }
}
