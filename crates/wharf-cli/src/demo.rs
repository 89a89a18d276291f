//! The demo: an IOCP echo server in a process of its own, and real clients that verify every byte.
//!
//! The server is this very command, started again; see [`server`] for how the two talk. The clients are plain
//! sockets of the operating system, so that only the server runs on the engine and its CPU time is the engine's
//! cost.

mod clients;
mod pattern;
mod report;
mod server;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use clients::Clients;
pub use report::DemoReport;
use server::ServerProcess;
pub use server::{SERVER_COMMAND, serve};

/// Descriptors a process needs beside those of the connections.
const DESCRIPTORS_SPARE: u64 = 100;

/// What to measure.
#[derive(Debug)]
pub struct Plan {
    /// Connections, all open at once.
    pub connections: usize,
    /// Bytes in a message.
    pub message_len: usize,
    /// When to stop.
    pub until: Until,
    /// Worker threads of the server.
    pub workers: usize,
}

/// When enough was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After that time.
    Elapsed(Duration),
    /// After that many messages.
    Messages(u64),
}

/// Runs the demo.
///
/// # Errors
/// If the server does not start, dies, or does not answer; if the machine refuses that many connections.
/// Wrong bytes and lost connections are no error here: the report counts them.
pub fn run(plan: &Plan) -> Result<DemoReport> {
    allow_descriptors(plan.connections)?;
    let mut server = ServerProcess::start(plan.workers)?;
    let connected = Clients::connect(server.address(), plan);
    let clients = server.or_its_end(connected)?;

    let before = server.status()?;
    let progress = progress_bar(plan);
    let exchanged = clients.exchange(plan.until, |tally| {
        progress.set_position(position(plan.until, tally))
    });
    progress.finish_and_clear();
    let tally = server.or_its_end(exchanged)?;
    let after = server
        .status()
        .context("the server did not survive the demo")?;

    server.stop()?;
    Ok(DemoReport::new(plan, &tally, &before, &after))
}

/// Raises this process's soft limit of descriptors as far as it goes; the server inherits it.
fn allow_descriptors(connections: usize) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = connections as u64 + DESCRIPTORS_SPARE;
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        needed <= allowed,
        "{connections} connections need {needed} descriptors, but the hard limit is {allowed}: \
         ask for fewer with --connections, or raise the limit (ulimit -Hn) as root"
    );
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .context("the limit of descriptors")
}

/// A bar on standard error, if that is a terminal.
fn progress_bar(plan: &Plan) -> ProgressBar {
    let (len, template) = match plan.until {
        Until::Elapsed(time) => (time.as_millis() as u64, "{msg} {wide_bar} {eta} left"),
        Until::Messages(messages) => (
            messages,
            "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left",
        ),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let message = format!("{} connections × {} B", plan.connections, plan.message_len);
    ProgressBar::new(len)
        .with_style(style)
        .with_message(message)
}

fn position(until: Until, tally: &clients::Tally) -> u64 {
    match until {
        Until::Elapsed(_) => tally.elapsed.as_millis() as u64,
        Until::Messages(_) => tally.messages(),
    }
}
