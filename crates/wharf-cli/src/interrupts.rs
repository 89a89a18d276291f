//! Ctrl-C and SIGTERM, as something that a loop can look at.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};

use anyhow::{Context, Result};

/// The one at which patience ends: the process does not listen.
const LAST: u32 = 3;

/// From now on Ctrl-C and SIGTERM arrive here instead of ending the process; the third ends it all the same.
///
/// # Errors
/// If the system has no room for the thread that passes them on.
pub fn listen() -> Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let count = AtomicU32::new(0);
    ctrlc::set_handler(move || {
        if count.fetch_add(1, Relaxed) + 1 == LAST || sender.send(()).is_err() {
            process::exit(1);
        }
    })
    .context("Ctrl-C cannot be caught")?;
    Ok(receiver)
}
