//! What the command prints: for people with colours where these are wanted, or as one JSON object.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Colour};
use anyhow::{Context, Result};
use serde::Serialize;

/// Something went well.
pub const GOOD: Colour = AnsiColor::Green.on_default().bold();
/// Something could be better.
pub const DOUBTFUL: Colour = AnsiColor::Yellow.on_default().bold();
/// Something is wrong.
pub const BAD: Colour = AnsiColor::Red.on_default().bold();

/// For whom to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Style {
    /// The style asked for by a flag `--json`.
    pub fn chosen(json: bool) -> Style {
        if json { Style::Json } else { Style::Text }
    }
}

/// A result that can be shown to people and to programs.
pub trait Report: Serialize {
    /// Writes it for people; colours that are not wanted are dropped by `out`.
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Prints `report` on standard output. That its reader has gone is no error.
///
/// # Errors
/// If it cannot be written.
pub fn print(report: &impl Report, style: Style) -> Result<()> {
    match write(report, style) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the report cannot be written"),
    }
}

fn write(report: &impl Report, style: Style) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match style {
        Style::Text => report.write_text(&mut out)?,
        Style::Json => writeln!(out, "{}", serde_json::to_string_pretty(report)?)?,
    }
    out.flush()
}

/// Says what is wrong on standard error: what was tried, why it failed, what to do.
pub fn complain(error: &anyhow::Error) {
    anstream::eprintln!("{BAD}wharf:{BAD:#} {error:#}");
}

/// What a command that has nothing to report prints for programs.
#[derive(Serialize)]
pub struct Failed {
    /// What was tried, why it failed, what to do.
    error: String,
}

impl Failed {
    /// For this reason.
    pub fn new(error: &anyhow::Error) -> Failed {
        Failed {
            error: format!("{error:#}"),
        }
    }
}

impl Report for Failed {
    /// People are told on standard error.
    fn write_text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// `number` with its thousands apart: 1 234 567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// With one digit after the point.
pub fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// With two digits after the point.
pub fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1 000");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }
}
