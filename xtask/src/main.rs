//! Tasks of the project that are more than a line of shell: `cargo run -p xtask -- --help`.
//!
//! Exit codes: 0 when what was checked holds, 1 when it does not, 2 for wrong arguments.

mod abuse;
mod echo_client;
mod echo_server;
mod functions;
mod headers;
mod transcript;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Tasks of the project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// The tasks; the answer of each is whether what it checks holds.
#[derive(Debug, Subcommand)]
enum Task {
    /// Write the generated C headers, and the sources that check them
    Headers,
    /// Write docs/functions.md
    Functions(functions::Options),
    /// Play one fixed conversation against an echo server and log it
    Transcript(transcript::Options),
    /// Mistreat an echo server and check that nothing is left behind
    Abuse(abuse::Options),
    /// The clients that `abuse` keeps in a process of their own
    #[command(name = abuse::CLIENTS_COMMAND, hide = true)]
    AbuseClients(abuse::ClientsOptions),
}

fn main() -> ExitCode {
    let holds = match Arguments::parse().task {
        Task::Headers => headers::write().map(|()| true).map_err(Into::into),
        Task::Functions(options) => functions::run(&options),
        Task::Transcript(options) => transcript::run(&options),
        Task::Abuse(options) => abuse::run(&options),
        Task::AbuseClients(options) => abuse::run_clients(&options),
    };
    match holds {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
