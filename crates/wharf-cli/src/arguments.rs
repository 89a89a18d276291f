//! What was typed: one entry per flag, with its name, its help and its limits together.

use std::thread;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, value_parser};

use crate::clients::{Load, Until};
use crate::serve::{ModelName, Service};
use crate::{address, demo, load, serve};

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
    /// Serve an echo, or discard, in any of Windows' models
    Serve(ServeOptions),
    /// Drive any server with many connections, and verify every byte of its answers
    Load(LoadOptions),
    /// Tell what the engine finds on this machine and what to do about it
    Doctor(DoctorOptions),
    /// The demo's server: this command, started by itself
    #[command(name = demo::SERVER_COMMAND, hide = true)]
    EchoServer(EchoServerOptions),
}

impl Command {
    /// Whether a program reads what it prints.
    pub fn json(&self) -> bool {
        match self {
            Command::Demo(options) => options.json,
            Command::Serve(options) => options.json,
            Command::Load(options) => options.json,
            Command::Doctor(options) => options.json,
            Command::EchoServer(_) => false,
        }
    }
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
    json: bool,
}

impl DemoOptions {
    /// What the flags mean.
    pub fn plan(&self) -> demo::Plan {
        demo::Plan {
            connections: self.connections as usize,
            message_len: self.size as usize,
            until: until(self.messages, self.seconds),
            workers: workers_or_default(self.workers),
        }
    }
}

/// The flags of `wharf serve`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// What to do with the bytes of a client
    #[arg(value_enum, default_value = "echo")]
    service: Service,

    /// Where to listen; port 0: one that is free, which is printed
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9000", value_parser = listening)]
    listen: String,

    /// How the sessions are driven
    #[arg(long, value_enum, default_value = "completion-port")]
    model: ModelName,

    /// Worker threads; those with room for 63 sessions get company when it is full [default: the CPUs, from 2 to 8]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=256))]
    workers: Option<u32>,

    /// Workers of a completion port that run at once; 0: as many as there are CPUs [default: 0]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=256))]
    concurrency: Option<u32>,

    /// Sessions open at once; more are closed at once [default: what the limit of descriptors allows]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    max_sessions: Option<u64>,

    /// Stop after that time [default: at Ctrl-C]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,

    /// How long open sessions may go on after Ctrl-C until they are quiet; a second Ctrl-C ends them at once
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    drain: Duration,

    /// Print one JSON object in the end
    #[arg(long)]
    json: bool,
}

impl ServeOptions {
    /// What the flags mean; ends the process if they contradict each other.
    pub fn plan(&self) -> serve::Plan {
        let of_no_use = match self.model {
            ModelName::CompletionPort => None,
            ModelName::Threads if self.workers.is_some() => {
                Some("--workers is of no use with --model threads: every session has a thread")
            }
            _ if self.concurrency.is_some() => {
                Some("--concurrency is for --model completion-port: only a port limits who runs")
            }
            _ => None,
        };
        if let Some(complaint) = of_no_use {
            Arguments::command()
                .error(ErrorKind::ArgumentConflict, complaint)
                .exit();
        }
        serve::Plan {
            service: self.service,
            listen: self.listen.clone(),
            model: self.model,
            workers: workers_or_default(self.workers),
            concurrency: self.concurrency.unwrap_or(0),
            sessions_max: self.max_sessions,
            time: self.seconds,
            drain: self.drain,
        }
    }
}

/// The flags of `wharf load`.
#[derive(Debug, Args)]
pub struct LoadOptions {
    /// The server: an address or a name, and a port
    #[arg(value_name = "HOST:PORT", value_parser = server)]
    address: String,

    /// Connections, all open at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=15_000))]
    connections: u32,

    /// Size of a message in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = value_parser!(u32).range(1..=16 << 20))]
    size: u32,

    /// Messages that a connection may have under way
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=10_000))]
    pipelining: u32,

    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, conflicts_with = "messages")]
    seconds: Duration,

    /// How many messages to exchange, instead of a time
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    messages: Option<u64>,

    /// Messages per second, over all connections: latencies count from when a message was due, not from when it could
    /// be sent [default: as many as are answered]
    #[arg(long, value_name = "MESSAGES_PER_S", value_parser = rate)]
    rate: Option<f64>,

    /// Expect no answers; latencies are then those of the system taking a message
    #[arg(long)]
    discard: bool,

    /// How long the server may leave everybody without an answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    patience: Duration,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl LoadOptions {
    /// What the flags mean.
    pub fn plan(&self) -> load::Plan {
        load::Plan {
            server: self.address.clone(),
            load: Load {
                connections: self.connections as usize,
                message_len: self.size as usize,
                pipelining: self.pipelining as usize,
                until: until(self.messages, self.seconds),
                rate: self.rate,
                answers: !self.discard,
                patience: self.patience,
            },
        }
    }
}

/// The flags of `wharf doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The flags of the demo's server.
#[derive(Debug, Args)]
pub struct EchoServerOptions {
    /// Worker threads
    #[arg(long)]
    pub workers: usize,
}

/// A number of messages, if there is one, replaces the time.
fn until(messages: Option<u64>, time: Duration) -> Until {
    messages.map_or(Until::Elapsed(time), Until::Messages)
}

/// As many workers as asked for; else as CPUs: at least two, so that the port has somebody to choose, and no crowd.
fn workers_or_default(asked_for: Option<u32>) -> usize {
    asked_for.map_or_else(
        || thread::available_parallelism().map_or(2, |cpus| cpus.get().clamp(2, 8)),
        |workers| workers as usize,
    )
}

fn listening(text: &str) -> Result<String, String> {
    address::checked(text, 0)
}

fn server(text: &str) -> Result<String, String> {
    address::checked(text, 1)
}

fn rate(text: &str) -> Result<f64, String> {
    let allowed = 0.01..=10_000_000.0;
    match text.parse::<f64>() {
        Ok(rate) if allowed.contains(&rate) => Ok(rate),
        _ => Err(format!(
            "a number of messages per second from {} to {} is wanted",
            allowed.start(),
            allowed.end()
        )),
    }
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

    fn demo_plan(flags: &[&str]) -> demo::Plan {
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
