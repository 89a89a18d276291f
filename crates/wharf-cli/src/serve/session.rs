//! A session as the statistics see it: counted in when it begins, out when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::shared::{Service, Shared};

/// Room for one receive.
pub const BUFFER_LEN: usize = 64 << 10;

/// One client's account.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    /// Where its worker's sessions are counted.
    seat: Option<Arc<AtomicUsize>>,
    /// Bytes that are to be sent back.
    owed: u64,
}

impl Session {
    /// A session that begins.
    pub fn begin(shared: &Arc<Shared>) -> Session {
        let statistics = &shared.statistics;
        let sessions = statistics.sessions.fetch_add(1, Relaxed) + 1;
        statistics.sessions_at_once_max.fetch_max(sessions, Relaxed);
        statistics.sessions_total.fetch_add(1, Relaxed);
        Session {
            shared: Arc::clone(shared),
            seat: None,
            owed: 0,
        }
    }

    /// What it shares with all others.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Gives it a seat, which is free again when it ends.
    pub fn take_seat(&mut self, seats_taken: &Arc<AtomicUsize>) {
        seats_taken.fetch_add(1, Relaxed);
        self.seat = Some(Arc::clone(seats_taken));
    }

    /// Counts what was received, and tells how much of it is to be sent back.
    pub fn received(&mut self, bytes: usize) -> usize {
        let statistics = &self.shared.statistics;
        statistics.messages.fetch_add(1, Relaxed);
        statistics.bytes_received.fetch_add(bytes as u64, Relaxed);
        match self.shared.service {
            Service::Discard => 0,
            Service::Echo => {
                self.owed += bytes as u64;
                statistics.bytes_owed.fetch_add(bytes as u64, Relaxed);
                bytes
            }
        }
    }

    /// Counts what was sent.
    pub fn sent(&mut self, bytes: usize) {
        let statistics = &self.shared.statistics;
        statistics.bytes_sent.fetch_add(bytes as u64, Relaxed);
        statistics.bytes_owed.fetch_sub(bytes as u64, Relaxed);
        self.owed -= bytes as u64;
    }

    /// Counts its failure.
    pub fn failed(&self, what: &str, error: &wharf::Error) {
        self.shared.count_error(what, error);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let statistics = &self.shared.statistics;
        statistics.bytes_owed.fetch_sub(self.owed, Relaxed);
        statistics.sessions.fetch_sub(1, Relaxed);
        if let Some(seats_taken) = &self.seat {
            seats_taken.fetch_sub(1, Relaxed);
        }
    }
}
