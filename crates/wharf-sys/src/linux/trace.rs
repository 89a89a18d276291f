//! `WHARF_TRACE=<file>`: a line for every attempt, result, hand-over and wake, to find races with.
//!
//! Off, a trace point costs one relaxed load.

use std::fmt::Arguments;
use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

use super::system;

struct Trace {
    file: File,
    start: Instant,
}

/// Whether tracing is on; asked for once.
fn destination() -> Option<&'static Trace> {
    static TRACE: OnceLock<Option<Trace>> = OnceLock::new();
    TRACE
        .get_or_init(|| {
            let path = std::env::var_os("WHARF_TRACE")?;
            let file = File::options().create(true).append(true).open(path).ok()?;
            Some(Trace {
                file,
                start: Instant::now(),
            })
        })
        .as_ref()
}

/// Whether trace points do anything.
pub fn is_on() -> bool {
    destination().is_some()
}

/// Writes one line: microseconds since the start, the thread, and what happened.
pub fn write(what: Arguments) {
    if let Some(trace) = destination() {
        let line = format!(
            "{} {} {what}\n",
            trace.start.elapsed().as_micros(),
            system::thread_id()
        );
        // One write per line, so that lines of several threads do not mix. A full disk must not stop the program.
        let _ = (&trace.file).write_all(line.as_bytes());
    }
}

/// A trace point.
macro_rules! trace {
    ($($what:tt)*) => {
        if $crate::platform::trace::is_on() {
            $crate::platform::trace::write(format_args!($($what)*));
        }
    };
}
pub(crate) use trace;
