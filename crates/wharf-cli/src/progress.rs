//! The progress of the clients: a bar on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::clients::{Load, Tally, Until};

/// A bar for what the clients do.
pub fn bar(load: &Load) -> ProgressBar {
    let (len, template) = match load.until {
        Until::Elapsed(time) => (time.as_millis() as u64, "{msg} {wide_bar} {eta} left"),
        Until::Messages(messages) => (
            messages,
            "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left",
        ),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let message = format!("{} connections × {} B", load.connections, load.message_len);
    ProgressBar::new(len)
        .with_style(style)
        .with_message(message)
}

/// How far it is.
pub fn position(until: Until, tally: &Tally) -> u64 {
    match until {
        Until::Elapsed(_) => tally.elapsed.as_millis() as u64,
        Until::Messages(_) => tally.messages(),
    }
}
