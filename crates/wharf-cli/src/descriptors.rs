//! The limit of descriptors: as high as it goes.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors a process needs beside those of the connections.
const SPARE: u64 = 100;

/// Raises this process's soft limit of descriptors as far as it goes; a child inherits it.
///
/// # Errors
/// If that is not enough for so many connections, which `flag` asks for, with `each` descriptors.
pub fn allow(connections: u64, each: u64, flag: &str) -> Result<()> {
    let limit = raise()?;
    let needed = connections.saturating_mul(each).saturating_add(SPARE);
    ensure!(
        needed <= limit,
        "{connections} connections need {needed} descriptors, but the hard limit is {limit}: \
         ask for fewer with {flag}, or raise the limit (ulimit -Hn) as root",
    );
    Ok(())
}

/// As [`allow`]; for how many connections there is room.
///
/// # Errors
/// If there is none.
pub fn room(each: u64) -> Result<u64> {
    let limit = raise()?;
    let connections = limit.saturating_sub(SPARE) / each;
    ensure!(
        connections > 0,
        "the hard limit of descriptors is {limit}, and {SPARE} are needed beside those of connections: \
         raise it (ulimit -Hn) as root",
    );
    Ok(connections)
}

/// Raises the soft limit to the hard one, which it tells.
fn raise() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .context("the limit of descriptors cannot be raised")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
