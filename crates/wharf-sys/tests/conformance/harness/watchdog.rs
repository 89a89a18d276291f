//! A watch over every test: one that hangs ends the process, by name.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::Location;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::*;

/// How long a whole test may take before the process is ended, on such a machine.
const TEST_LIMIT: Duration = Duration::from_secs(300);

/// Ends the process if the returned value is still alive after [`TEST_LIMIT`]. The first line of every test.
#[must_use = "the watch ends when this is dropped: `let _watch = watch();`"]
#[track_caller]
pub fn watch() -> Watch {
    let test = format!("{} ({})", current_test(), Location::caller());
    Watchdog::get().add(test, Instant::now() + TEST_LIMIT + stress_duration())
}

/// A test under watch, until dropped.
pub struct Watch(u64);

impl Drop for Watch {
    fn drop(&mut self) {
        Watchdog::get().watched.lock().unwrap().remove(&self.0);
    }
}

/// One thread that knows every running test and its deadline.
struct Watchdog {
    watched: Mutex<BTreeMap<u64, (String, Instant)>>,
    added: Condvar,
    next: AtomicU64,
}

impl Watchdog {
    fn get() -> &'static Watchdog {
        static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
        static THREAD: OnceLock<JoinHandle<()>> = OnceLock::new();
        let watchdog = WATCHDOG.get_or_init(|| Watchdog {
            watched: Mutex::new(BTreeMap::new()),
            added: Condvar::new(),
            next: AtomicU64::new(0),
        });
        THREAD.get_or_init(|| thread::spawn(|| watchdog.run()));
        watchdog
    }

    fn add(&self, test: String, deadline: Instant) -> Watch {
        let id = self.next.fetch_add(1, SeqCst);
        self.watched.lock().unwrap().insert(id, (test, deadline));
        self.added.notify_one();
        Watch(id)
    }

    /// Sleeps until the earliest deadline; whatever is watched beyond its own hangs.
    fn run(&self) {
        let mut watched = self.watched.lock().unwrap();
        loop {
            let now = Instant::now();
            if let Some((test, _)) = watched.values().find(|(_, deadline)| *deadline <= now) {
                // Not `eprintln!`, which the test harness would capture and lose.
                let _ = writeln!(
                    std::io::stderr(),
                    "conformance: {test} hangs; ending the process"
                );
                process::exit(101);
            }
            let earliest = watched.values().map(|(_, deadline)| *deadline).min();
            let pause = earliest.map_or(TEST_LIMIT, |deadline| deadline - now);
            watched = self.added.wait_timeout(watched, pause).unwrap().0;
        }
    }
}

fn current_test() -> String {
    thread::current().name().unwrap_or("a thread").to_owned()
}
