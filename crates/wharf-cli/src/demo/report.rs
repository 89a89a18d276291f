//! What the demo measured.

use std::io::{self, Write};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets};
use serde::Serialize;

use super::Plan;
use super::clients::Tally;
use super::server::Status;
use crate::output::{BAD, GOOD, Report, grouped};

/// A line above, below and under the title, none between the rows.
const TABLE_STYLE: TableStyle = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

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

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(TABLE_STYLE);
        table.set_header(["echo over a completion port", ""]);
        table.add_row(["connections".into(), grouped(self.connections as u64)]);
        table.add_row([
            "message size".into(),
            format!("{} B", grouped(self.message_bytes as u64)),
        ]);
        table.add_row(["messages".into(), grouped(self.messages)]);
        table.add_row(["messages/s".into(), grouped(self.messages_per_s as u64)]);
        table.add_row(["latency p50".into(), format!("{:.0} µs", self.p50_us)]);
        table.add_row(["latency p99".into(), format!("{:.0} µs", self.p99_us)]);
        table.add_row(["latency p99.9".into(), format!("{:.0} µs", self.p999_us)]);
        table.add_row([
            "server CPU per message".into(),
            format!("{:.2} µs", self.cpu_us_per_message),
        ]);
        table.add_row(["server workers".into(), self.workers.to_string()]);
        table.add_row([
            "io_uring",
            if self.io_uring {
                "yes"
            } else {
                "no (see `wharf doctor`)"
            },
        ]);
        table.add_row(["errors".into(), grouped(self.errors)]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

impl Report for DemoReport {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.table())?;
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

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
