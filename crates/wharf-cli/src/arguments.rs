//! What was typed: one entry per flag, with its name, its help and its limits together.

use std::thread;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};

use crate::demo::{self, Plan, Until};

/// Windows' completion ports, natively on Linux: see them run here
#[derive(Debug, Parser)]
#[command(
    name = "wharf",
    version,
    after_help = "Exit codes: 0 all is well, 1 it is not (see standard error), 2 wrong arguments."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve an echo over a completion port and measure it with real clients
    Demo(DemoOptions),
    /// Tell what the engine finds on this machine and what to do about it
    Doctor(DoctorOptions),
    /// The demo's server: this command, started by itself
    #[command(name = demo::SERVER_COMMAND, hide = true)]
    EchoServer(EchoServerOptions),
}

/// The flags of `wharf demo`.
#[derive(Debug, Args)]
pub struct DemoOptions {
    /// Client connections, all open at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=15_000))]
    connections: u32,

    /// Size of a message in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = value_parser!(u32).range(1..=16 << 20))]
    size: u32,

    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, conflicts_with = "messages")]
    seconds: Duration,

    /// How many messages to exchange, instead of a time
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    messages: Option<u64>,

    /// Worker threads of the server [default: the CPUs, from 2 to 8]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=256))]
    workers: Option<u32>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl DemoOptions {
    /// What the flags mean.
    pub fn plan(&self) -> Plan {
        Plan {
            connections: self.connections as usize,
            message_len: self.size as usize,
            until: self
                .messages
                .map_or(Until::Elapsed(self.seconds), Until::Messages),
            workers: self
                .workers
                .map_or_else(default_workers, |workers| workers as usize),
        }
    }
}

/// The flags of `wharf doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The flags of the demo's server.
#[derive(Debug, Args)]
pub struct EchoServerOptions {
    /// Worker threads
    #[arg(long)]
    pub workers: usize,
}

/// As many workers as CPUs: at least two, so that the port has somebody to choose, and no crowd.
fn default_workers() -> usize {
    thread::available_parallelism().map_or(2, |cpus| cpus.get().clamp(2, 8))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let allowed = 0.1..=3600.0;
    match text.parse::<f64>() {
        Ok(seconds) if allowed.contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!(
            "a number of seconds from {} to {} is wanted",
            allowed.start(),
            allowed.end()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_number_of_messages_replaces_the_time() {
        let plan = demo_plan(&["--messages", "10"]);
        assert_eq!(plan.until, Until::Messages(10));
    }

    #[test]
    fn without_flags_the_demo_takes_five_seconds() {
        let plan = demo_plan(&[]);
        assert_eq!((plan.connections, plan.message_len), (64, 64));
        assert_eq!(plan.until, Until::Elapsed(Duration::from_secs(5)));
    }

    fn demo_plan(flags: &[&str]) -> Plan {
        let typed = ["wharf", "demo"].iter().chain(flags);
        match Arguments::try_parse_from(typed)
            .expect("valid flags")
            .command
        {
            Command::Demo(options) => options.plan(),
            other => panic!("not the demo: {other:?}"),
        }
    }
}
