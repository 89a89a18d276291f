//! The command `wharf`: what the engine does on this machine, shown rather than claimed.
//!
//! `wharf demo` serves an echo over a completion port and measures it with real clients; `wharf doctor` tells
//! what the engine finds here and what to do about it. Both print for people, or one JSON object with `--json`.
//!
//! Exit codes: 0 when all is well, 1 when it is not (the reason is on standard error), 2 for a command line
//! that makes no sense.

mod arguments;
mod demo;
mod doctor;
mod echo_server;
mod output;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use output::Style;

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(all_is_well) => ExitCode::from(u8::from(!all_is_well)),
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked; the answer is whether all is well.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Demo(options) => {
            let report = demo::run(&options.plan())?;
            output::print(&report, Style::chosen(options.json))?;
            Ok(report.errors == 0)
        }
        Command::Doctor(options) => {
            let diagnosis = doctor::examine();
            output::print(&diagnosis, Style::chosen(options.json))?;
            Ok(diagnosis.runs_here())
        }
        Command::EchoServer(options) => {
            demo::serve(options.workers)?;
            Ok(true)
        }
    }
}
