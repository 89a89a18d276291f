//! `wharf load`: clients that drive any server of the network, and verify every byte of its answers.

mod report;

use anyhow::Result;

use crate::clients::{Clients, Load};
use crate::{address, descriptors, interrupts, progress};
pub use report::LoadReport;

/// What to drive, and how.
#[derive(Debug)]
pub struct Plan {
    /// The server: an address or a name, and a port.
    pub server: String,
    /// What the clients do.
    pub load: Load,
}

/// Drives the server until it is enough, or Ctrl-C; after a second Ctrl-C nothing is waited for.
///
/// # Errors
/// If there is no such server, or it does not take the connections. What goes wrong later is in the report.
pub fn run(plan: &Plan) -> Result<LoadReport> {
    let load = &plan.load;
    let addresses = address::look_up(&plan.server)?;
    descriptors::allow(load.connections as u64, 1, "--connections")?;
    let (server, clients) = address::first_of(&addresses, |server| {
        let bar = progress::connecting(server, load);
        let clients = Clients::connect(server, load, |count| bar.set_position(count))?;
        bar.finish_and_clear();
        Ok((server, clients))
    })?;

    let interrupts = interrupts::listen()?;
    let bar = progress::bar(load);
    let exchanged = clients.exchange(|tally| {
        bar.set_position(progress::position(load.until, tally));
        interrupts.try_recv().is_err()
    });
    bar.finish_and_clear();
    Ok(LoadReport::new(server, load, &exchanged?))
}
