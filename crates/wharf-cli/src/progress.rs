//! The progress of what takes time: a line on standard error, if that is a terminal.

use std::net::SocketAddr;

use indicatif::{ProgressBar, ProgressStyle};

use crate::clients::{Load, Tally, Until};

/// A line that says what is done just now.
pub fn line(message: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(style("{msg}"));
    bar.set_message(message);
    bar
}

/// A line for the clients' connections.
pub fn connecting(server: SocketAddr, load: &Load) -> ProgressBar {
    ProgressBar::new(load.connections as u64)
        .with_style(style("connecting to {msg}: {human_pos} of {human_len}"))
        .with_message(server.to_string())
}

/// A bar for what the clients do.
pub fn bar(load: &Load) -> ProgressBar {
    let (len, template) = match load.until {
        Until::Elapsed(time) => (time.as_millis() as u64, "{msg} {wide_bar} {eta} left"),
        Until::Messages(messages) => (
            messages,
            "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left",
        ),
    };
    let message = format!("{} connections × {} B", load.connections, load.message_len);
    ProgressBar::new(len)
        .with_style(style(template))
        .with_message(message)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed")
}

/// How far it is.
pub fn position(until: Until, tally: &Tally) -> u64 {
    match until {
        Until::Elapsed(_) => tally.elapsed.as_millis() as u64,
        Until::Messages(_) => tally.messages(),
    }
}
