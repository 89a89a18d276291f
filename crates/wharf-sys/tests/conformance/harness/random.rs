//! Random tests: how long they run, and numbers that a seed determines.

use std::env;
use std::time::{Duration, SystemTime};

/// How long a stress test runs: `WHARF_STRESS_SECONDS`, or two seconds.
pub fn stress_duration() -> Duration {
    let seconds = env::var("WHARF_STRESS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(2, |text| {
        text.parse().expect("WHARF_STRESS_SECONDS is a number")
    }))
}

/// The seed of a random test: `WHARF_SEED`, or the time; printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = env::var("WHARF_SEED").ok();
    let seed = given.map_or_else(seed_from_time, |text| {
        text.parse().expect("WHARF_SEED is a number")
    });
    println!("WHARF_SEED={seed}");
    seed
}

fn seed_from_time() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_nanos() as u64
}

/// Random numbers that a seed determines (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence number `stream` of that seed: one per thread.
    pub fn new(seed: u64, stream: u64) -> Random {
        Random(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
