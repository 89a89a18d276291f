//! Turns: several load generators, each with a server of its own, share the machine in slices of time.
//!
//! All read the same clock (CLOCK_MONOTONIC), so nobody has to tell them. What slows the machine, even for a fraction
//! of a second, then slows all servers that are compared.

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::server::monotonic;

/// Before the end of a slice nothing more is sent, so that the slice ends with nothing under way.
const DRAIN: Duration = Duration::from_millis(8);
/// So long after a slice everything must have come back.
const STUCK: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Turns {
    index: u32,
    of: u32,
    slice: Duration,
    /// Before this time of the clock nobody has a turn: the others are still connecting.
    begin: Duration,
}

impl FromStr for Turns {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Vec<u64> = text.split('/').map(str::parse).collect::<Result<_, _>>()?;
        let [index, of, slice_ms, begin_ms] = numbers[..] else {
            anyhow::bail!("expected INDEX/OF/SLICE_MS/BEGIN_MS");
        };
        let slice = Duration::from_millis(slice_ms);
        ensure!(index < of && slice > 2 * DRAIN, "no such turns");
        Ok(Self {
            index: index as u32,
            of: of as u32,
            slice,
            begin: Duration::from_millis(begin_ms),
        })
    }
}

impl Turns {
    /// How many make up so many seconds.
    pub fn number_for(&self, seconds: f64) -> usize {
        (seconds / self.slice.as_secs_f64()).ceil() as usize
    }

    /// Sleeps until a slice of its own begins; returns when to stop sending.
    pub fn wait_for_next(&self) -> Instant {
        let cycle = self.slice * self.of;
        let first = self.begin + self.slice * self.index;
        let now = monotonic();
        let cycles = match now.checked_sub(first) {
            Some(late) => late.as_nanos() / cycle.as_nanos() + 1,
            None => 0,
        };
        let begins_in = first + cycle * cycles as u32 - now;
        std::thread::sleep(begins_in);
        Instant::now() + self.slice - DRAIN
    }

    /// # Errors
    /// If answers are still missing long after the slice.
    pub fn ensure_not_stuck(&self, ends: Option<Instant>) -> Result<()> {
        let late = ends.is_some_and(|ends| Instant::now() > ends + STUCK);
        (!late)
            .then_some(())
            .context("stalled: answers are missing long after the last message")
    }
}
