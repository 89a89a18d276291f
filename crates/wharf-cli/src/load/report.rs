//! What the clients have measured.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::{Error, anyhow};
use serde::Serialize;

use crate::clients::{Failure, Load, Tally};
use crate::output::{BAD, DOUBTFUL, GOOD, Report, grouped, hundredths, tenths};
use crate::table;

/// The result of `wharf load`; units are in the names.
#[derive(Debug, Serialize)]
pub struct LoadReport {
    /// The server.
    pub address: SocketAddr,
    /// Connections, all open at once.
    pub connections: usize,
    /// Size of a message.
    pub message_bytes: usize,
    /// Messages that a connection may have under way.
    pub pipelining: usize,
    /// Messages per second that were asked for.
    pub rate_per_s: Option<f64>,
    /// Whether answers were expected.
    pub answers: bool,
    /// How long was measured.
    pub seconds: f64,
    /// Messages that went out and came back (without answers: that went out).
    pub messages: u64,
    /// Their rate.
    pub messages_per_s: f64,
    /// Payload that was sent.
    pub bytes_sent: u64,
    /// Payload that came back.
    pub bytes_received: u64,
    /// Payload in both directions, in 10^6 bytes.
    pub megabytes_per_s: f64,
    /// The latency that half of the messages did not exceed.
    pub p50_us: f64,
    /// The latency that 90 % did not exceed.
    pub p90_us: f64,
    /// The latency that 99 % did not exceed.
    pub p99_us: f64,
    /// The latency that 99.9 % did not exceed.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Messages that were never answered.
    pub messages_unanswered: u64,
    /// Messages of the rate that never began.
    pub messages_not_sent: u64,
    /// Wrong messages, and connections that were lost or got no answer.
    pub errors: u64,
    /// The same by kind.
    pub errors_by_kind: BTreeMap<Failure, u64>,
    /// Some of these errors, described.
    pub error_examples: Vec<String>,
}

impl LoadReport {
    /// Draws up the report.
    pub fn new(address: SocketAddr, load: &Load, tally: &Tally) -> LoadReport {
        let seconds = tally.elapsed.as_secs_f64();
        let per_s = |number: f64| if seconds > 0.0 { number / seconds } else { 0.0 };
        let latency_us =
            |quantile| tenths(tally.latencies.value_at_quantile(quantile) as f64 / 1e3);
        let bytes = tally.bytes_sent + tally.bytes_received;
        LoadReport {
            address,
            connections: load.connections,
            message_bytes: load.message_len,
            pipelining: load.pipelining,
            rate_per_s: load.rate,
            answers: load.answers,
            seconds: hundredths(seconds),
            messages: tally.messages(),
            messages_per_s: tenths(per_s(tally.messages() as f64)),
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
            megabytes_per_s: hundredths(per_s(bytes as f64 / 1e6)),
            p50_us: latency_us(0.5),
            p90_us: latency_us(0.9),
            p99_us: latency_us(0.99),
            p999_us: latency_us(0.999),
            max_us: tenths(tally.latencies.max() as f64 / 1e3),
            messages_unanswered: tally.messages_unanswered,
            messages_not_sent: tally.messages_not_sent,
            errors: tally.errors,
            errors_by_kind: tally.errors_by_kind.clone(),
            error_examples: tally.examples.clone(),
        }
    }

    /// What went wrong, why, and what to do; `None` if nothing did.
    pub fn complaint(&self) -> Option<Error> {
        // The most frequent kind is the one to begin with.
        let (failure, count) = self
            .errors_by_kind
            .iter()
            .max_by_key(|(_, count)| **count)?;
        let (what, remedy) = match failure {
            Failure::WrongBytes => (
                "messages came back with a wrong byte",
                "is it an echo server? If it is not to answer, take --discard",
            ),
            Failure::SurplusBytes => (
                "connections got more bytes back than they sent",
                "is it an echo server, and is --discard meant for it?",
            ),
            Failure::Closed => (
                "connections were closed by the server",
                "does it admit as many sessions (--max-sessions of `wharf serve`), and does it still run?",
            ),
            Failure::Reset => (
                "connections were reset",
                "did the server die, or reach its maximum of sessions?",
            ),
            Failure::Stalled => (
                "connections got no answer in time",
                "does the server answer at all (else --discard), or need more time (--patience)?",
            ),
            Failure::Other => ("connections failed", "see the examples"),
        };
        let (count, example) = (grouped(*count), self.error_examples.first()?);
        Some(anyhow!(
            "{count} {what} at {} ({example}): {remedy}",
            self.address
        ))
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let latency = |value_us: f64| format!("{value_us:.0} µs");
        vec![
            ("connections", grouped(self.connections as u64)),
            (
                "message size",
                format!("{} B", grouped(self.message_bytes as u64)),
            ),
            ("messages", grouped(self.messages)),
            ("messages/s", grouped(self.messages_per_s as u64)),
            ("MB/s, both ways", format!("{:.2}", self.megabytes_per_s)),
            ("latency p50", latency(self.p50_us)),
            ("latency p90", latency(self.p90_us)),
            ("latency p99", latency(self.p99_us)),
            ("latency p99.9", latency(self.p999_us)),
            ("latency max", latency(self.max_us)),
            ("errors", grouped(self.errors)),
        ]
    }
}

impl Report for LoadReport {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = match self.rate_per_s {
            Some(rate) => format!("{} at {rate} messages/s", self.address),
            None => self.address.to_string(),
        };
        writeln!(out, "{}", table::of(&title, self.rows()))?;
        if self.messages_not_sent > 0 {
            let messages = grouped(self.messages_not_sent);
            writeln!(
                out,
                "{DOUBTFUL}The rate was not reached:{DOUBTFUL:#} {messages} messages were due and could not begin."
            )?;
        }
        if self.errors == 0 {
            let done = match self.answers {
                true => "Every byte came back as it was sent.",
                false => "Every byte was taken.",
            };
            return writeln!(out, "{GOOD}{done}{GOOD:#}");
        }
        writeln!(out, "{BAD}Not everything went as it should:{BAD:#}")?;
        for example in &self.error_examples {
            writeln!(out, "  {example}")?;
        }
        Ok(())
    }
}
