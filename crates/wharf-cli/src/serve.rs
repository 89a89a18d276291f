//! `wharf serve`: a server for whatever wants to be tried against it.
//!
//! One accepter takes the connections; a model, one of the ways in which Windows lets a server drive its sessions,
//! serves them. Ctrl-C ends it well: nobody new is let in, what was received is answered, then everything is closed.

mod accepter;
mod bell;
mod conversation;
mod crew;
mod models;
mod report;
mod session;
mod shared;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use indicatif::ProgressBar;
use rustix::time::{ClockId, clock_gettime};

use crate::output::grouped;
use crate::{address, descriptors, interrupts, progress};
use accepter::{Accepter, Listener};
pub use models::ModelName;
pub use report::ServeReport;
pub use shared::Service;
use shared::{Shared, Statistics};

/// How often the statistics are shown.
const TICK: Duration = Duration::from_millis(500);

/// How often it is looked whether everything is answered.
const DRAIN_TICK: Duration = Duration::from_millis(25);

/// For how long nothing may arrive until nothing counts as under way.
const QUIET: Duration = Duration::from_millis(250);

/// How to serve.
#[derive(Debug)]
pub struct Plan {
    /// What to do with the bytes.
    pub service: Service,
    /// Where to listen: an address or a name, and a port.
    pub listen: String,
    /// How to drive the sessions.
    pub model: ModelName,
    /// How many threads do so.
    pub workers: usize,
    /// How many of them run at once, for a completion port; 0: as many as there are processors.
    pub concurrency: u32,
    /// How many sessions there may be at once; `None`: as many as there are descriptors for.
    pub sessions_max: Option<u64>,
    /// When to stop by itself.
    pub time: Option<Duration>,
    /// How long what is under way may take in the end.
    pub drain: Duration,
}

/// Serves until it is told to stop.
///
/// # Errors
/// If it cannot listen, or the system lacks what the model needs. Sessions that fail are counted in the report.
pub fn run(plan: &Plan) -> Result<ServeReport> {
    let sessions_max = sessions_max(plan)?;
    let interrupts = interrupts::listen()?;
    let shared = Arc::new(Shared::new(plan.service));
    let listener = address::first_of(&address::look_up(&plan.listen)?, Listener::at)?;
    let address = listener.address()?;
    let model = models::start(plan.model, plan.workers, plan.concurrency, &shared)?;
    let accepter = Accepter::start(listener, model, sessions_max, &shared)?;
    announce(plan, address);

    let (started, cpu_before) = (Instant::now(), cpu_time());
    let line = progress::line(String::new());
    watch(plan, &shared.statistics, &interrupts, &line);
    let model = accepter.end();
    let bytes_unanswered = drain(plan.drain, &shared.statistics, &interrupts, &line);
    line.finish_and_clear();
    let (time, cpu_time) = (started.elapsed(), cpu_time() - cpu_before);
    shared.begin_ending();
    model.end();
    Ok(ServeReport::new(
        plan,
        address,
        &shared,
        time,
        cpu_time,
        bytes_unanswered,
    ))
}

/// How many sessions are admitted: as many as were asked for, or as there are descriptors for.
fn sessions_max(plan: &Plan) -> Result<u64> {
    let each = plan.model.descriptors_of_a_session();
    match plan.sessions_max {
        None => descriptors::room(each),
        Some(sessions) => {
            descriptors::allow(sessions, each, "--max-sessions")?;
            Ok(sessions)
        }
    }
}

/// Says on standard error where it listens: standard output is the report's.
fn announce(plan: &Plan, address: SocketAddr) {
    anstream::eprintln!(
        "listening on {address} ({}, {}); Ctrl-C ends it",
        plan.service.name(),
        plan.model.name(),
    );
}

/// Shows the statistics until it is time to stop.
fn watch(plan: &Plan, statistics: &Statistics, interrupts: &Receiver<()>, line: &ProgressBar) {
    let deadline = plan.time.map(|time| Instant::now() + time);
    let mut shown = Shown::new(statistics);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let tick = left.map_or(TICK, |left| left.min(TICK));
        let waited = interrupts.recv_timeout(tick);
        if waited != Err(RecvTimeoutError::Timeout) || left == Some(Duration::ZERO) {
            break;
        }
        line.set_message(shown.next(statistics));
    }
}

/// What was last shown.
struct Shown {
    at: Instant,
    messages: u64,
    bytes: u64,
}

impl Shown {
    fn new(statistics: &Statistics) -> Shown {
        Shown {
            at: Instant::now(),
            messages: statistics.messages.load(Relaxed),
            bytes: statistics.bytes(),
        }
    }

    /// The next line: rates are those since the last.
    fn next(&mut self, statistics: &Statistics) -> String {
        let before = std::mem::replace(self, Shown::new(statistics));
        let seconds = (self.at - before.at).as_secs_f64();
        let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
        format!(
            "{} sessions, {} messages/s, {:.1} MB/s, {} refused, {} errors",
            grouped(statistics.sessions.load(Relaxed)),
            grouped(rate(self.messages, before.messages) as u64),
            rate(self.bytes, before.bytes) / 1e6,
            grouped(statistics.refused.load(Relaxed)),
            grouped(statistics.errors.load(Relaxed)),
        )
    }
}

/// Waits until every session is over, or everything is answered and nothing more arrives; for `limit` at most, and not
/// after another Ctrl-C. Tells how many bytes are left to be sent back.
fn drain(
    limit: Duration,
    statistics: &Statistics,
    interrupts: &Receiver<()>,
    line: &ProgressBar,
) -> u64 {
    let started = Instant::now();
    let owed = || statistics.bytes_owed.load(Relaxed);
    let (mut moved, mut quiet_since) = (statistics.bytes(), started);
    while statistics.sessions.load(Relaxed) > 0 && started.elapsed() < limit {
        line.set_message(format!(
            "ending {} sessions, {} B are to be sent back; Ctrl-C ends them at once",
            grouped(statistics.sessions.load(Relaxed)),
            grouped(owed()),
        ));
        if interrupts.recv_timeout(DRAIN_TICK) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        let now = statistics.bytes();
        if now != moved || owed() > 0 {
            (moved, quiet_since) = (now, Instant::now());
        } else if quiet_since.elapsed() >= QUIET {
            break;
        }
    }
    owed()
}

impl Statistics {
    /// All that was moved, either way.
    fn bytes(&self) -> u64 {
        self.bytes_received.load(Relaxed) + self.bytes_sent.load(Relaxed)
    }
}

/// CPU time of the process so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Service {
    /// As it is typed.
    pub fn name(self) -> String {
        typed(&self)
    }
}

impl ModelName {
    /// As it is typed.
    pub fn name(self) -> String {
        typed(&self)
    }
}

fn typed(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().into())
}
