//! What a server process holds: descriptors, threads, memory, and what is alive inside the library.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fmt, fs, process};

use anyhow::{Context, Result, bail};

/// How long a server may take to let go of what its clients left.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A server whose footprint was the same that often in a row is at rest.
const STEADY_LOOKS: u32 = 20;

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Memory in use (resident).
    pub memory_kib: u64,
    /// What is alive inside the library, where it tells.
    pub library: Option<Counts>,
}

/// What is alive inside the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Open handles.
    pub handles: usize,
    /// Sockets whose descriptor is still open.
    pub sockets: usize,
    /// Operations accepted and not yet delivered.
    pub requests: usize,
    /// Packets queued in ports.
    pub packets: usize,
}

/// A server process that is looked at from outside.
pub struct Subject {
    pid: u32,
    window: Window,
}

impl Subject {
    /// The process with that identifier, started with `window` in its environment.
    pub fn new(pid: u32, window: Window) -> Subject {
        Subject { pid, window }
    }

    /// What it holds now.
    pub fn footprint(&self) -> Result<Footprint> {
        let entry = PathBuf::from(format!("/proc/{}", self.pid));
        let status = fs::read_to_string(entry.join("status")).context("the server has died")?;
        Ok(Footprint {
            descriptors: fs::read_dir(entry.join("fd"))
                .context("the server has died")?
                .count(),
            threads: status_number(&status, "Threads:")? as usize,
            // A process that has died keeps its entry until its parent looks, but no memory.
            memory_kib: status_number(&status, "VmRSS:").context("the server has died")?,
            library: self.window.counts(),
        })
    }

    /// What it holds when it has come to rest.
    pub fn when_steady(&self) -> Result<Footprint> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = self.footprint()?;
        let mut looks = 0;
        while looks < STEADY_LOOKS {
            if Instant::now() > deadline {
                bail!(
                    "the server does not come to rest within {} s",
                    PATIENCE.as_secs()
                );
            }
            thread::sleep(LOOK_AGAIN);
            let now = self.footprint()?;
            looks = if now.is_like(&last) { looks + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    /// What it holds when that is no more than when it was `warm`; after some patience, whatever it is.
    pub fn when_back_to(&self, warm: &Footprint) -> Result<Footprint> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.footprint()?;
            if now.holds_no_more_than(warm) || Instant::now() > deadline {
                return Ok(now);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// A socket on which the library of another process tells its counts to everyone who connects.
pub struct Window {
    path: PathBuf,
}

impl Window {
    /// The variable that tells the library where the socket shall be.
    pub const VARIABLE: &str = "WHARF_COUNTS";

    /// A window of this process's own.
    pub fn new() -> Window {
        Window {
            path: env::temp_dir().join(format!("wharf-counts-{}", process::id())),
        }
    }

    /// Where the socket shall be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is alive inside the library; nothing if the process does not use it, as under Wine.
    fn counts(&self) -> Option<Counts> {
        let mut line = String::new();
        UnixStream::connect(&self.path)
            .ok()?
            .read_to_string(&mut line)
            .ok()?;
        Counts::parse(&line)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // A process without the library has made no socket.
        let _ = fs::remove_file(&self.path);
    }
}

impl Footprint {
    /// What this one holds beyond `warm`; memory is judged elsewhere, since allocators keep it.
    pub fn complaint(&self, warm: &Footprint) -> Option<String> {
        if self.holds_no_more_than(warm) {
            return None;
        }
        Some(format!(
            "the server held {warm} when it was warm, and keeps {self}"
        ))
    }

    fn is_like(&self, other: &Footprint) -> bool {
        self.holds_no_more_than(other) && other.holds_no_more_than(self)
    }

    fn holds_no_more_than(&self, other: &Footprint) -> bool {
        let library = match (self.library, other.library) {
            (Some(now), Some(before)) => now.are_no_more_than(&before),
            _ => true,
        };
        self.descriptors <= other.descriptors && self.threads <= other.threads && library
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} descriptors and {} threads",
            self.descriptors, self.threads
        )?;
        self.library
            .map_or(Ok(()), |counts| write!(f, " ({counts})"))
    }
}

impl Counts {
    /// Reads `handles=N sockets=N requests=N packets=N`.
    fn parse(line: &str) -> Option<Counts> {
        let number = |name: &str| {
            let mut words = line
                .split_whitespace()
                .filter_map(|word| word.split_once('='));
            words.find(|(key, _)| *key == name)?.1.parse().ok()
        };
        Some(Counts {
            handles: number("handles")?,
            sockets: number("sockets")?,
            requests: number("requests")?,
            packets: number("packets")?,
        })
    }

    fn are_no_more_than(&self, other: &Counts) -> bool {
        self.handles <= other.handles
            && self.sockets <= other.sockets
            && self.requests <= other.requests
            && self.packets <= other.packets
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            handles,
            sockets,
            requests,
            packets,
        } = self;
        write!(
            f,
            "{handles} handles, {sockets} sockets, {requests} requests, {packets} packets"
        )
    }
}

/// The number behind `label` in the text of /proc/PID/status.
fn status_number(status: &str, label: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(label));
    let number = line
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|word| word.parse().ok());
    number.with_context(|| format!("/proc/PID/status has no {label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARM: Footprint = Footprint {
        descriptors: 10,
        threads: 4,
        memory_kib: 1_000,
        library: None,
    };

    #[test]
    fn more_memory_alone_is_no_complaint() {
        assert_eq!(
            Footprint {
                memory_kib: 9_000,
                ..WARM
            }
            .complaint(&WARM),
            None
        );
        assert_eq!(
            Footprint {
                descriptors: 9,
                ..WARM
            }
            .complaint(&WARM),
            None
        );
    }

    #[test]
    fn one_descriptor_too_many_is_a_complaint() {
        let complaint = Footprint {
            descriptors: 11,
            ..WARM
        }
        .complaint(&WARM);
        assert!(complaint.expect("a complaint").contains("11 descriptors"));
    }

    #[test]
    fn a_packet_left_in_the_library_is_a_complaint() {
        let counts = Counts {
            handles: 3,
            sockets: 1,
            requests: 1,
            packets: 0,
        };
        let warm = Footprint {
            library: Some(counts),
            ..WARM
        };
        let now = Footprint {
            library: Some(Counts {
                packets: 1,
                ..counts
            }),
            ..WARM
        };
        assert!(now.complaint(&warm).is_some());
        assert_eq!(warm.complaint(&warm), None);
    }

    #[test]
    fn this_process_has_a_footprint() {
        let own = Subject::new(process::id(), Window::new());
        let footprint = own.footprint().expect("the own process lives");
        assert!(footprint.descriptors >= 3 && footprint.threads >= 1 && footprint.memory_kib > 0);
        assert_eq!(footprint.library, None);
    }

    #[test]
    fn the_librarys_line_is_understood() {
        let counts = Counts {
            handles: 12,
            sockets: 3,
            requests: 4,
            packets: 0,
        };
        assert_eq!(
            Counts::parse("handles=12 sockets=3 requests=4 packets=0\n"),
            Some(counts)
        );
        assert_eq!(Counts::parse("handles=12 sockets=3\n"), None);
    }
}
