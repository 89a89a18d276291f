//! The command `wharf`: what the engine does on this machine, shown rather than claimed.
//!
//! `wharf demo` serves an echo over a completion port and measures it with real clients; `wharf serve` and `wharf load`
//! are its two halves for everyday use, with every model that Windows has, and against any server; `wharf doctor` tells
//! what the engine finds here and what to do about it. All print for people, or one JSON object with `--json`: what
//! they found, or why they could not.
//!
//! Exit codes: 0 when all is well, 1 when it is not (the reason is on standard error), 2 for a command line
//! that makes no sense.

mod address;
mod arguments;
mod clients;
mod demo;
mod descriptors;
mod doctor;
mod echo_server;
mod interrupts;
mod load;
mod output;
mod progress;
mod serve;
mod table;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use output::{Failed, Style};

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let style = Style::chosen(command.json());
    match run(command, style) {
        Ok(all_is_well) => ExitCode::from(u8::from(!all_is_well)),
        Err(error) => {
            let _ = output::print(&Failed::new(&error), style); // it may be the output that has failed
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked; the answer is whether all is well.
fn run(command: Command, style: Style) -> anyhow::Result<bool> {
    match command {
        Command::Demo(options) => {
            let report = demo::run(&options.plan())?;
            output::print(&report, style)?;
            Ok(report.errors == 0)
        }
        Command::Serve(options) => {
            let report = serve::run(&options.plan())?;
            output::print(&report, style)?;
            Ok(true)
        }
        Command::Load(options) => {
            let report = load::run(&options.plan())?;
            output::print(&report, style)?;
            let complaint = report.complaint();
            complaint.iter().for_each(output::complain);
            Ok(complaint.is_none())
        }
        Command::Doctor(_) => {
            let diagnosis = doctor::examine();
            output::print(&diagnosis, style)?;
            Ok(diagnosis.runs_here())
        }
        Command::EchoServer(options) => {
            demo::serve(options.workers)?;
            Ok(true)
        }
    }
}
