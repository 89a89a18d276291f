//! Clients that come, exchange one message and go, by the thousand or the million.
//!
//! They come from many loopback addresses, each with its own ports, so that ports in TIME_WAIT are no limit.
//! Spread over a time, each has its moment; a late one does not move those after it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::CLIENTS_AT_ONCE;
use super::footprint::Subject;
use crate::echo_client::{EchoClient, bytes};

/// How much memory a server may gain between the first tenth and the end: an allocator's play, not a leak.
const GROWTH_ALLOWED_KIB: u64 = 4 << 10;

/// Bytes in a message.
const MESSAGE_LEN: usize = 64;

/// How often to look how far it is.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What the clients share.
struct Churn {
    server: SocketAddr,
    started: Instant,
    /// Time between one client and the next.
    interval: Duration,
    count: u64,
    next: AtomicU64,
    done: AtomicU64,
}

/// Lets `count` clients come and go, spread over that many minutes if given.
pub fn run(
    count: u64,
    minutes: Option<f64>,
    server: SocketAddr,
    subject: &Subject,
) -> Result<String> {
    let time = Duration::from_secs_f64(minutes.unwrap_or(0.0) * 60.0);
    let churn = Churn {
        server,
        started: Instant::now(),
        interval: time.div_f64(count.max(1) as f64),
        count,
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
    };
    let memory = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS_AT_ONCE)
            .map(|_| scope.spawn(|| churn.serve_turns()))
            .collect();
        let memory = watch(&churn, subject, || {
            clients.iter().all(|client| client.is_finished())
        });
        for client in clients {
            client.join().expect("a client does not panic")?;
        }
        memory
    })?;
    let seconds = churn.started.elapsed().as_secs_f64();
    memory.judge()?;
    Ok(format!("{count} in {seconds:.0} s, memory {memory}"))
}

impl Churn {
    /// Takes one turn after the other until none is left.
    fn serve_turns(&self) -> Result<()> {
        loop {
            let number = self.next.fetch_add(1, Relaxed);
            if number >= self.count {
                return Ok(());
            }
            let due = self.started + self.interval.mul_f64(number as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.come_and_go(number)
                .with_context(|| format!("client {number}"))?;
            self.done.fetch_add(1, Relaxed);
        }
    }

    fn come_and_go(&self, number: u64) -> Result<()> {
        EchoClient::connect_from(number, self.server)?.exchange(&bytes(number, MESSAGE_LEN))
    }
}

/// Memory of the server at two moments.
#[derive(Clone, Copy)]
struct Memory {
    early_kib: u64,
    late_kib: u64,
}

impl Memory {
    fn judge(self) -> Result<()> {
        ensure!(
            self.late_kib <= self.early_kib + GROWTH_ALLOWED_KIB,
            "the server's memory grew from {} KiB after the first tenth to {} KiB",
            self.early_kib,
            self.late_kib
        );
        Ok(())
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {} KiB", self.early_kib, self.late_kib)
    }
}

/// Shows the progress and watches the server's memory until the clients are done.
fn watch(churn: &Churn, subject: &Subject, are_done: impl Fn() -> bool) -> Result<Memory> {
    let bar = ProgressBar::new(churn.count).with_style(
        ProgressStyle::with_template(
            "{wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left",
        )
        .expect("the template is well formed"),
    );
    let mut early = None;
    while !are_done() {
        let done = churn.done.load(Relaxed);
        bar.set_position(done);
        if early.is_none() && done >= churn.count / 10 {
            early = Some(subject.footprint()?.memory_kib);
        }
        thread::sleep(LOOK_AGAIN);
    }
    bar.finish_and_clear();
    let late_kib = subject.footprint()?.memory_kib;
    Ok(Memory {
        early_kib: early.unwrap_or(late_kib),
        late_kib,
    })
}
