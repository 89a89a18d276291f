//! Mistreats an echo server and checks that nothing is left behind.
//!
//! Each phase is a way in which clients are a burden: killed in the middle of a stream, leaving by reset, closing
//! half, staying by the thousand without a word, coming and going a million times. After each, the server's
//! descriptors, threads and (where the library tells) handles, sockets, requests and packets must be back where
//! they were when it was warm; memory may not keep growing while clients come and go.
//!
//! Clients that are killed, and those that stay idle, live in processes of their own: a process can be killed,
//! and has its own limit of descriptors.

mod churn;
mod clients;
mod footprint;

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use comfy_table::{LineStyle, Table, TableStyle, presets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::echo_client::{EchoClient, bytes};
use crate::echo_server::EchoServer;
use clients::{Behaviour, ClientProcess};
pub use clients::{CLIENTS_COMMAND, ClientsOptions, run_clients};
use footprint::{Footprint, Subject, Window};

/// A line above, below and under the title, none between the rows.
const TABLE_STYLE: TableStyle = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

/// Clients at once in the phases that use threads.
const CLIENTS_AT_ONCE: u64 = 16;

/// The flags of `xtask abuse`.
#[derive(Debug, Args)]
pub struct Options {
    /// Phases to run, instead of all
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Phase>,

    /// Processes of 32 streaming clients that are killed
    #[arg(long, value_name = "N", default_value_t = 8)]
    killed: u32,

    /// Connections that leave by a reset
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    resets: u64,

    /// Connections that close half
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    half_closes: u64,

    /// Idle connections, all open at once
    #[arg(long, value_name = "N", default_value_t = 9_000)]
    idle: u32,

    /// Connections that come, exchange one message and go
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    connections: u64,

    /// Spread these over that time, instead of as fast as it goes
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,

    /// The server: prints `listening on PORT`, or gets a port for {port}; ends at the end of its input
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A way to be a burden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Client processes are killed while they stream
    Killed,
    /// Clients leave by a reset
    Resets,
    /// Clients close their sending half
    HalfCloses,
    /// Clients stay and say nothing
    Idle,
    /// Clients come and go
    Churn,
}

impl Phase {
    const ALL: [Phase; 5] = [
        Phase::Killed,
        Phase::Resets,
        Phase::HalfCloses,
        Phase::Idle,
        Phase::Churn,
    ];
}

/// What became of a phase.
struct Outcome {
    /// What was done.
    done: String,
    /// What the server had when it was over.
    footprint: Footprint,
    /// What was wrong; none: nothing.
    complaint: Option<String>,
}

/// Runs the phases; the answer is whether the server withstood them.
pub fn run(options: &Options) -> Result<bool> {
    raise_descriptor_limit()?;
    let window = Window::new();
    let server = EchoServer::start(&options.command, &[(Window::VARIABLE, window.path())])?;
    let subject = Subject::new(server.pid(), window);
    warm_up(server.address()).context("warming up")?;
    let warm = subject.when_steady()?;

    let mut outcomes = Vec::new();
    for phase in options.phases() {
        eprintln!("{}", options.announcement(phase));
        let outcome = run_phase(phase, options, server.address(), &subject, &warm)?;
        if let Some(complaint) = &outcome.complaint {
            eprintln!("  {complaint}");
        }
        outcomes.push((phase, outcome));
    }
    let stopped = server.stop()?;
    println!("{}", table(&warm, &outcomes));
    Ok(judge(&outcomes, stopped))
}

impl Options {
    fn phases(&self) -> Vec<Phase> {
        let chosen = |phase: &Phase| self.only.is_empty() || self.only.contains(phase);
        Phase::ALL.into_iter().filter(chosen).collect()
    }

    fn announcement(&self, phase: Phase) -> String {
        match phase {
            Phase::Killed => format!("{} processes of streaming clients are killed", self.killed),
            Phase::Resets => format!("{} clients leave by a reset", self.resets),
            Phase::HalfCloses => format!("{} clients close half", self.half_closes),
            Phase::Idle => format!("{} clients stay idle", self.idle),
            Phase::Churn => format!("{} clients come and go", self.connections),
        }
    }
}

/// Does what the phase is about, then waits until the server has recovered.
fn run_phase(
    phase: Phase,
    options: &Options,
    server: SocketAddr,
    subject: &Subject,
    warm: &Footprint,
) -> Result<Outcome> {
    let done = match phase {
        Phase::Killed => kill_clients(options.killed, server),
        Phase::Resets => many_at_once(options.resets, |number| reset(number, server)),
        Phase::HalfCloses => many_at_once(options.half_closes, |number| half_close(number, server)),
        Phase::Idle => stay_idle(options.idle, server, subject),
        Phase::Churn => churn::run(options.connections, options.minutes, server, subject),
    };
    let served = one_echo(server).context("a client after that");
    let footprint = subject.when_back_to(warm)?;
    let complaint = match done.as_ref().err().or(served.as_ref().err()) {
        Some(error) => Some(format!("{error:#}")),
        None => footprint.complaint(warm),
    };
    Ok(Outcome {
        done: done.unwrap_or_default(),
        footprint,
        complaint,
    })
}

/// Uses everything once, so that what the server creates when it is first needed exists.
fn warm_up(server: SocketAddr) -> Result<()> {
    kill_clients(1, server)?;
    many_at_once(200, |number| reset(number, server))?;
    many_at_once(200, |number| half_close(number, server))?;
    Ok(())
}

fn one_echo(server: SocketAddr) -> Result<()> {
    EchoClient::connect(server)?.exchange(b"still there?")
}

/// Kills processes of clients, each in the middle of its streams.
fn kill_clients(processes: u32, server: SocketAddr) -> Result<String> {
    const CONNECTIONS: u32 = 32;
    for _ in 0..processes {
        ClientProcess::start(Behaviour::Stream, CONNECTIONS, server)?.kill()?;
    }
    Ok(format!(
        "{} connections of {processes} processes",
        processes * CONNECTIONS
    ))
}

/// Leaves by a reset: before a word, after one, or with answers unread.
fn reset(number: u64, server: SocketAddr) -> Result<()> {
    let mut client = EchoClient::connect_from(number, server)?;
    match number % 3 {
        0 => {}
        1 => client.exchange(b"hello")?,
        _ => {
            let message = bytes(number, 32 << 10);
            client.send(&message)?;
            client.expect(&message[..1])?;
        }
    }
    client.reset()
}

/// Closes the sending half with an answer still to come, and hears the rest.
fn half_close(number: u64, server: SocketAddr) -> Result<()> {
    let mut client = EchoClient::connect_from(number, server)?;
    let message = bytes(number, (number % 20_000) as usize);
    client.send(&message)?;
    client.finish_sending()?;
    client.expect(&message)?;
    client.expect_end()
}

/// Keeps connections open without a word, while others are served.
fn stay_idle(connections: u32, server: SocketAddr, subject: &Subject) -> Result<String> {
    let clients = ClientProcess::start(Behaviour::Stay, connections, server)?;
    many_at_once(200, |_| one_echo(server)).context("with idle clients beside")?;
    let held = subject.footprint()?;
    clients.leave()?;
    Ok(format!(
        "{connections} at once ({} descriptors, {} MiB)",
        held.descriptors,
        held.memory_kib >> 10
    ))
}

/// Runs `play` for as many clients, some at once.
fn many_at_once(count: u64, play: impl Fn(u64) -> Result<()> + Sync) -> Result<String> {
    let play = &play;
    thread::scope(|scope| {
        let start = |first| scope.spawn(move || play_each(first, count, play));
        let threads: Vec<_> = (0..CLIENTS_AT_ONCE).map(start).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("a client does not panic"))
    })?;
    Ok(format!("{count} connections"))
}

/// Plays every [`CLIENTS_AT_ONCE`]th client from `first` on.
fn play_each(first: u64, count: u64, play: &(impl Fn(u64) -> Result<()> + Sync)) -> Result<()> {
    for number in (first..count).step_by(CLIENTS_AT_ONCE as usize) {
        play(number).with_context(|| format!("client {number}"))?;
    }
    Ok(())
}

fn table(warm: &Footprint, outcomes: &[(Phase, Outcome)]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header([
        "phase",
        "clients",
        "descriptors",
        "threads",
        "memory",
        "in the library",
        "verdict",
    ]);
    let mut add = |phase: &str, done: &str, footprint: &Footprint, verdict: &str| {
        table.add_row([
            phase.to_string(),
            done.to_string(),
            footprint.descriptors.to_string(),
            footprint.threads.to_string(),
            format!("{:.1} MiB", footprint.memory_kib as f64 / 1024.0),
            footprint
                .library
                .map_or("?".to_string(), |counts| counts.to_string()),
            verdict.to_string(),
        ]);
    };
    add("warm", "", warm, "");
    for (phase, outcome) in outcomes {
        let name = phase.to_possible_value().expect("no phase is hidden");
        add(
            name.get_name(),
            &outcome.done,
            &outcome.footprint,
            verdict(outcome),
        );
    }
    table
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.complaint.is_none() {
        "ok"
    } else {
        "FAILED"
    }
}

/// Whether nothing was wrong.
fn judge(outcomes: &[(Phase, Outcome)], stopped: ExitStatus) -> bool {
    if !stopped.success() {
        eprintln!("the server did not end well: {stopped}");
    }
    stopped.success()
        && outcomes
            .iter()
            .all(|(_, outcome)| outcome.complaint.is_none())
}

/// Raises the soft limit of descriptors as far as it goes; the server and the clients inherit it.
fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .context("the limit of descriptors")?;
    ensure!(
        limit.maximum.is_none_or(|limit| limit >= 1024),
        "the hard limit of descriptors is below 1024"
    );
    Ok(())
}
