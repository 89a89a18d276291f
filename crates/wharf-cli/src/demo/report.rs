//! What the demo measured.

use std::io::{self, Write};

use serde::Serialize;

use super::Plan;
use super::server::Status;
use crate::clients::Tally;
use crate::output::{BAD, GOOD, Report, grouped, hundredths, tenths};
use crate::table;

/// The result of a demo; units are in the names.
#[derive(Debug, Serialize)]
pub struct DemoReport {
    /// Connections, all open at once.
    pub connections: usize,
    /// Size of a message.
    pub message_bytes: usize,
    /// How long was measured.
    pub seconds: f64,
    /// Messages that went out and came back.
    pub messages: u64,
    /// Their rate.
    pub messages_per_s: f64,
    /// The latency that half of the messages did not exceed.
    pub p50_us: f64,
    /// The latency that 99 % did not exceed.
    pub p99_us: f64,
    /// The latency that 99.9 % did not exceed.
    pub p999_us: f64,
    /// CPU time of the server, kernel included, for one message.
    pub cpu_us_per_message: f64,
    /// Worker threads of the server.
    pub workers: usize,
    /// Whether the engine used io_uring.
    pub io_uring: bool,
    /// Wrong messages, and connections that were lost or got no answer.
    pub errors: u64,
    /// Some of these errors, described.
    pub error_examples: Vec<String>,
}

impl DemoReport {
    /// Draws up the report; `before` and `after` enclose the exchange.
    pub fn new(plan: &Plan, tally: &Tally, before: &Status, after: &Status) -> DemoReport {
        let messages = tally.messages();
        let cpu_time = after.cpu_time.saturating_sub(before.cpu_time);
        let latency_us =
            |quantile| tenths(tally.latencies.value_at_quantile(quantile) as f64 / 1e3);
        DemoReport {
            connections: plan.connections,
            message_bytes: plan.message_len,
            seconds: hundredths(tally.elapsed.as_secs_f64()),
            messages,
            messages_per_s: tenths(messages as f64 / tally.elapsed.as_secs_f64()),
            p50_us: latency_us(0.5),
            p99_us: latency_us(0.99),
            p999_us: latency_us(0.999),
            cpu_us_per_message: hundredths(cpu_time.as_secs_f64() * 1e6 / messages.max(1) as f64),
            workers: after.workers,
            io_uring: after.io_uring,
            errors: tally.errors,
            error_examples: tally.examples.clone(),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("connections", grouped(self.connections as u64)),
            (
                "message size",
                format!("{} B", grouped(self.message_bytes as u64)),
            ),
            ("messages", grouped(self.messages)),
            ("messages/s", grouped(self.messages_per_s as u64)),
            ("latency p50", format!("{:.0} µs", self.p50_us)),
            ("latency p99", format!("{:.0} µs", self.p99_us)),
            ("latency p99.9", format!("{:.0} µs", self.p999_us)),
            (
                "server CPU per message",
                format!("{:.2} µs", self.cpu_us_per_message),
            ),
            ("server workers", self.workers.to_string()),
            ("io_uring", table::yes_or_doctor(self.io_uring)),
            ("errors", grouped(self.errors)),
        ]
    }
}

impl Report for DemoReport {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let table = table::of("echo over a completion port", self.rows());
        writeln!(out, "{table}")?;
        if self.errors == 0 {
            return writeln!(out, "{GOOD}Every byte came back as it was sent.{GOOD:#}");
        }
        writeln!(out, "{BAD}Not everything came back as it was sent:{BAD:#}")?;
        for example in &self.error_examples {
            writeln!(out, "  {example}")?;
        }
        writeln!(
            out,
            "Please report this, with the output of `wharf doctor`."
        )
    }
}
