//! What came of an exchange: latencies, and failures by kind.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// A latency above an hour counts as one.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;

/// How many failures are described; all are counted.
const EXAMPLES_MAX: usize = 5;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// A message came back with a wrong byte.
    WrongBytes,
    /// More came back than was sent.
    SurplusBytes,
    /// The server closed a connection.
    Closed,
    /// The server reset a connection.
    Reset,
    /// The server left a connection without an answer for too long.
    Stalled,
    /// The system reported something else.
    Other,
}

impl Failure {
    /// Of what the system reported.
    pub fn of(error: &io::Error) -> Failure {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match error.kind() {
            ConnectionReset | ConnectionAborted | BrokenPipe => Failure::Reset,
            _ => Failure::Other,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Tally {
    /// How long it took.
    pub elapsed: Duration,
    /// From the start of a message (with a rate: from when it was due) to the last byte of its answer, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Payload that the system took.
    pub bytes_sent: u64,
    /// Payload that came back.
    pub bytes_received: u64,
    /// Messages that were begun, and never answered in full.
    pub messages_unanswered: u64,
    /// Messages that were due and never begun: the rate was more than the server, or these clients, could take.
    pub messages_not_sent: u64,
    /// Messages with a wrong byte, and connections that were lost or left without an answer.
    pub errors: u64,
    /// The same by kind.
    pub errors_by_kind: BTreeMap<Failure, u64>,
    /// Some of the errors, described.
    pub examples: Vec<String>,
}

impl Tally {
    pub(super) fn new() -> Tally {
        let latencies =
            Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("valid bounds and digits");
        Tally {
            elapsed: Duration::ZERO,
            latencies,
            bytes_sent: 0,
            bytes_received: 0,
            messages_unanswered: 0,
            messages_not_sent: 0,
            errors: 0,
            errors_by_kind: BTreeMap::new(),
            examples: Vec::new(),
        }
    }

    /// Messages that came back, right or wrong; without answers, those that were sent.
    pub fn messages(&self) -> u64 {
        self.latencies.len()
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.latencies.saturating_record(latency.as_nanos() as u64);
    }

    pub(super) fn count(&mut self, connection: usize, failure: Failure, description: &str) {
        self.errors += 1;
        *self.errors_by_kind.entry(failure).or_default() += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples
                .push(format!("connection {connection}: {description}"));
        }
    }
}
