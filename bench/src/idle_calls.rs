//! Does an idle server make system calls? strace watches it while its clients only wait.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::server::now_ns;
use rustix::process::{Pid, Signal, kill_process};

use crate::build;
use crate::sample::{Figures, figures_of};

/// Before strace comes, the clients connect and the server calms down.
const CALM_S: f64 = 1.5;
/// Attaching interrupts the calls that threads sleep in; what happens so early is strace's doing.
const ATTACH_S: f64 = 0.5;
/// How much longer the clients stay than the server is watched.
pub const MARGINS_S: f64 = CALM_S + ATTACH_S + 1.0;

/// Counts the system calls of `server` in `seconds` while `load` keeps its connections.
pub fn count(mut load: Command, server: u32, seconds: f64) -> Result<Figures> {
    let load = load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    sleep(Duration::from_secs_f64(CALM_S));
    let log = build::c_server("strace.txt");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-ttt", "-p", &server.to_string(), "-o"])
        .arg(&log)
        .stderr(Stdio::null());
    let mut strace = strace.spawn().context("could not start strace")?;
    sleep(Duration::from_secs_f64(ATTACH_S));
    let begin = now_ns() as f64 / 1e9;
    sleep(Duration::from_secs_f64(seconds));
    let end = now_ns() as f64 / 1e9;
    ensure!(
        strace.try_wait()?.is_none(),
        "strace could not watch the server"
    );
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    strace.wait()?;
    let text = std::fs::read_to_string(&log)?;
    let calls = text
        .lines()
        .filter(|line| is_call_within(line, begin, end))
        .count();
    let mut figures = figures_of(&load.wait_with_output()?)?;
    figures.insert("system_calls".into(), calls as f64);
    Ok(figures)
}

/// Whether `line` (thread, time, what happened) is a call made between `begin` and `end`.
fn is_call_within(line: &str, begin: f64, end: f64) -> bool {
    let mut fields = line.split_whitespace();
    let time = fields.nth(1).and_then(|field| field.parse::<f64>().ok());
    let is_event = fields
        .next()
        .is_some_and(|what| what.starts_with(['+', '-']));
    time.is_some_and(|time| (begin..end).contains(&time)) && !is_event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_events() {
        assert!(is_call_within(
            "77 100.5 epoll_wait(5, <unfinished ...>",
            100.0,
            101.0
        ));
        assert!(!is_call_within(
            "77 99.5 epoll_wait(5, <unfinished ...>",
            100.0,
            101.0
        ));
        assert!(!is_call_within(
            "77 100.5 --- SIGUSR1 {si_signo=SIGUSR1} ---",
            100.0,
            101.0
        ));
        assert!(!is_call_within(
            "77 100.5 +++ exited with 0 +++",
            100.0,
            101.0
        ));
    }
}
