//! What the command prints: for people with colours where these are wanted, or as one JSON object.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Colour};
use anyhow::Result;
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

/// Prints `report` on standard output.
pub fn print(report: &impl Report, style: Style) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match style {
        Style::Text => report.write_text(&mut out)?,
        Style::Json => writeln!(out, "{}", serde_json::to_string_pretty(report)?)?,
    }
    Ok(out.flush()?)
}

/// Prints why the command failed on standard error: what was tried, why it failed, what to do.
pub fn complain(error: &anyhow::Error) {
    anstream::eprintln!("{BAD}wharf:{BAD:#} {error:#}");
}

/// Whether the reader of our output has gone, which is no error.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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

    #[test]
    fn only_a_closed_pipe_is_forgiven() {
        assert!(is_closed_pipe(
            &io::Error::from(io::ErrorKind::BrokenPipe).into()
        ));
        assert!(!is_closed_pipe(
            &io::Error::from(io::ErrorKind::TimedOut).into()
        ));
    }
}
