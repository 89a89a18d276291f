//! The demo: an IOCP echo server in a process of its own, and real clients that verify every byte.
//!
//! The server is this very command, started again; see [`server`] for how the two talk. The clients are plain
//! sockets of the operating system, so that only the server runs on the engine and its CPU time is the engine's
//! cost.

mod report;
mod server;

use std::time::Duration;

use anyhow::{Context, Result};

use crate::clients::{Clients, Load, Until};
use crate::{descriptors, progress};
pub use report::DemoReport;
use server::ServerProcess;
pub use server::{SERVER_COMMAND, serve};

/// How long a server may leave everybody without an answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

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

impl Plan {
    /// What the clients do.
    fn load(&self) -> Load {
        Load {
            connections: self.connections,
            message_len: self.message_len,
            pipelining: 1,
            until: self.until,
            rate: None,
            answers: true,
            patience: PATIENCE,
        }
    }
}

/// Runs the demo.
///
/// # Errors
/// If the server does not start, dies, or does not answer; if the machine refuses that many connections.
/// Wrong bytes and lost connections are no error here: the report counts them.
pub fn run(plan: &Plan) -> Result<DemoReport> {
    descriptors::allow(plan.connections as u64, 1, "--connections")?;
    let load = plan.load();
    let mut server = ServerProcess::start(plan.workers)?;
    let connecting = progress::connecting(server.address(), &load);
    let connected = Clients::connect(server.address(), &load, |count| {
        connecting.set_position(count);
    });
    connecting.finish_and_clear();
    let clients = server.or_its_end(connected)?;

    let before = server.status()?;
    let progress = progress::bar(&load);
    let exchanged = clients.exchange(|tally| {
        progress.set_position(progress::position(load.until, tally));
        true
    });
    progress.finish_and_clear();
    let tally = server.or_its_end(exchanged)?;
    let after = server
        .status()
        .context("the server did not survive the demo")?;

    server.stop()?;
    Ok(DemoReport::new(plan, &tally, &before, &after))
}
