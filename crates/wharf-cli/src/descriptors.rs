//! The limit of descriptors: as high as it goes.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors a process needs beside those of the connections.
const SPARE: u64 = 100;

/// Raises this process's soft limit of descriptors as far as it goes; a child inherits it.
///
/// # Errors
/// If that is not enough for so many connections, which `flag` asks for.
pub fn allow(connections: u64, flag: &str) -> Result<()> {
    let most = raise()?;
    ensure!(
        connections <= most,
        "{connections} connections need {} descriptors, but the hard limit is {}: \
         ask for fewer with {flag}, or raise the limit (ulimit -Hn) as root",
        connections + SPARE,
        most + SPARE,
    );
    Ok(())
}

/// Raises the soft limit as far as it goes, and tells how many connections it is enough for.
///
/// # Errors
/// If the system does not let it be raised.
pub fn raise() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .context("the limit of descriptors cannot be raised")?;
    Ok(limit.maximum.unwrap_or(u64::MAX).saturating_sub(SPARE))
}
