//! What a server has done.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

use super::Plan;
use super::models::ModelName;
use super::shared::{Service, Shared};
use crate::output::{BAD, DOUBTFUL, Report, grouped, hundredths, tenths};
use crate::table;

/// The result of `wharf serve`; units are in the names.
#[derive(Debug, Serialize)]
pub struct ServeReport {
    /// What was done with the bytes.
    pub service: Service,
    /// How the sessions were driven.
    pub model: ModelName,
    /// Where it listened.
    pub address: SocketAddr,
    /// For how long.
    pub seconds: f64,
    /// Sessions that were admitted.
    pub sessions_total: u64,
    /// The most that were open at once.
    pub sessions_at_once_max: u64,
    /// What was not sent back when the time for answers was over.
    pub bytes_unanswered: u64,
    /// Receives that brought data.
    pub messages: u64,
    /// Their rate.
    pub messages_per_s: f64,
    /// What was received.
    pub bytes_received: u64,
    /// What was sent.
    pub bytes_sent: u64,
    /// Connections beyond the maximum.
    pub refused: u64,
    /// Sessions that failed, and connections that could not be taken.
    pub errors: u64,
    /// Some of these errors, described.
    pub error_examples: Vec<String>,
    /// CPU time of the process, kernel included, for one message; 0 without messages.
    pub cpu_us_per_message: f64,
    /// Whether the engine used io_uring.
    pub io_uring: bool,
}

impl ServeReport {
    /// Draws up the report.
    pub fn new(
        plan: &Plan,
        address: SocketAddr,
        shared: &Shared,
        time: Duration,
        cpu_time: Duration,
        bytes_unanswered: u64,
    ) -> ServeReport {
        let statistics = &shared.statistics;
        let told = |counter: &AtomicU64| counter.load(Relaxed);
        let messages = told(&statistics.messages);
        let cpu_us_per_message = match messages {
            0 => 0.0,
            _ => hundredths(cpu_time.as_secs_f64() * 1e6 / messages as f64),
        };
        ServeReport {
            service: plan.service,
            model: plan.model,
            address,
            seconds: hundredths(time.as_secs_f64()),
            sessions_total: told(&statistics.sessions_total),
            sessions_at_once_max: told(&statistics.sessions_at_once_max),
            bytes_unanswered,
            messages,
            messages_per_s: tenths(messages as f64 / time.as_secs_f64()),
            bytes_received: told(&statistics.bytes_received),
            bytes_sent: told(&statistics.bytes_sent),
            refused: told(&statistics.refused),
            errors: told(&statistics.errors),
            error_examples: shared.examples(),
            cpu_us_per_message,
            io_uring: wharf_sys::doctor().io_uring,
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("served for", format!("{:.1} s", self.seconds)),
            ("sessions", grouped(self.sessions_total)),
            ("at once, at most", grouped(self.sessions_at_once_max)),
            ("messages", grouped(self.messages)),
            ("received", format!("{} B", grouped(self.bytes_received))),
            ("sent", format!("{} B", grouped(self.bytes_sent))),
            (
                "CPU per message",
                format!("{:.2} µs", self.cpu_us_per_message),
            ),
            ("io_uring", table::yes_or_doctor(self.io_uring)),
            ("refused", grouped(self.refused)),
            ("errors", grouped(self.errors)),
        ]
    }
}

impl Report for ServeReport {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = format!("{} by {}", self.service.name(), self.model.name());
        writeln!(out, "{}", table::of(&title, self.rows()))?;
        if self.bytes_unanswered > 0 {
            let bytes = grouped(self.bytes_unanswered);
            writeln!(
                out,
                "{DOUBTFUL}{bytes} B were not sent back{DOUBTFUL:#}: their clients did not take them in time (--drain)."
            )?;
        }
        if self.errors > 0 {
            writeln!(out, "{BAD}Sessions were lost:{BAD:#}")?;
        }
        for example in &self.error_examples {
            writeln!(out, "  {example}")?;
        }
        Ok(())
    }
}
