//! The measurement window: some warm-up, then the time that counts, with CPU time read at both ends.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{Measurement, cpu};
use hdrhistogram::Histogram;

use crate::Arguments;

/// CPU seconds.
#[derive(Default)]
struct Meters {
    server: f64,
    own: f64,
    machine: f64,
}

impl Meters {
    fn read(server: &[u32]) -> Result<Self> {
        let mut sum = Duration::ZERO;
        for &process in server {
            sum += cpu::of_process(process)
                .with_context(|| format!("server process {process} is gone"))?;
        }
        Ok(Self {
            server: sum.as_secs_f64(),
            own: cpu::of_process(std::process::id())?.as_secs_f64(),
            machine: cpu::busy_seconds()?,
        })
    }
}

pub struct Window {
    server: Vec<u32>,
    opens: Instant,
    length: Duration,
    metering: Option<(Instant, Meters)>, // since when, and what had been used then
    metered: Meters,                     // before that
    seconds: f64,                        // likewise
    messages: u64,
    latencies: Histogram<u64>, // in nanoseconds
}

impl Window {
    /// Opens when the warm-up is over.
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            server: arguments.server.clone(),
            opens: Instant::now() + Duration::from_secs_f64(arguments.warm_up_seconds),
            length: Duration::from_secs_f64(arguments.seconds),
            metering: None,
            metered: Meters::default(),
            seconds: 0.0,
            messages: 0,
            latencies: Histogram::new_with_bounds(100, 60_000_000_000, 3)
                .expect("the bounds are in order"),
        }
    }

    /// Opens the window when it is time; true once it is over.
    pub fn is_over(&mut self, now: Instant) -> Result<bool> {
        match &self.metering {
            Some((since, _)) => return Ok(now >= *since + self.length),
            None if now >= self.opens => self.resume(now)?,
            None => {}
        }
        Ok(false)
    }

    /// From here on messages and CPU time count.
    pub fn resume(&mut self, now: Instant) -> Result<()> {
        self.metering = Some((now, Meters::read(&self.server)?));
        Ok(())
    }

    /// From here on they do not, until it is resumed.
    pub fn pause(&mut self, now: Instant) -> Result<()> {
        if let Some((since, before)) = self.metering.take() {
            let after = Meters::read(&self.server)?;
            self.seconds += (now - since).as_secs_f64();
            self.metered.server += after.server - before.server;
            self.metered.own += after.own - before.own;
            self.metered.machine += after.machine - before.machine;
        }
        Ok(())
    }

    pub fn is_open(&self) -> bool {
        self.metering.is_some()
    }

    /// Counts a message, without a latency.
    pub fn count(&mut self) {
        if self.is_open() {
            self.messages += 1;
        }
    }

    /// Counts a message that took so long.
    pub fn record(&mut self, latency: Duration) {
        if self.is_open() {
            self.messages += 1;
            self.latencies.saturating_record(latency.as_nanos() as u64);
        }
    }

    /// What the window showed; call it when the window is over.
    pub fn close(mut self, now: Instant) -> Result<Measurement> {
        self.pause(now)?;
        ensure!(self.seconds > 0.0, "the window never opened");
        let window_s = self.seconds;
        let Meters {
            server,
            own,
            machine,
        } = self.metered;
        let foreign = (machine - server - own).max(0.0);
        let per_message = 1e6 / self.messages.max(1) as f64;
        let quantile_us = |q: f64| {
            (!self.latencies.is_empty()).then(|| self.latencies.value_at_quantile(q) as f64 / 1e3)
        };
        Ok(Measurement {
            window_s,
            messages: self.messages,
            messages_per_s: self.messages as f64 / window_s,
            server_cpus: server / window_s,
            load_cpus: own / window_s,
            foreign_cpus: foreign / window_s,
            server_cpu_us_per_message: server * per_message,
            charged_cpu_us_per_message: (server + foreign) * per_message,
            latency_p50_us: quantile_us(0.5),
            latency_p99_us: quantile_us(0.99),
            latency_p999_us: quantile_us(0.999),
            latency_max_us: quantile_us(1.0),
            ..Measurement::default()
        })
    }
}
