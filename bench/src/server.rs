//! The command line that every server has: `PORT [WORKLOAD [WORKERS]]`.

use clap::Parser;

use crate::Workload;

/// What a server is told.
#[derive(Parser, Debug)]
pub struct Arguments {
    /// Where to listen.
    pub port: u16,
    /// What to serve.
    #[arg(default_value = "echo")]
    pub workload: Workload,
    /// Threads; what 0 means is the server's choice.
    #[arg(default_value_t = 0)]
    pub workers: usize,
}

impl Arguments {
    /// Bytes received at once.
    pub fn buffer_len(&self) -> usize {
        match self.workload {
            Workload::OneWay => 65536,
            Workload::Idle => 64, // what is measured is the server, not its buffer
            _ => 16384,
        }
    }
}

/// The machine's clock, as answers of `send-then-compute` carry it.
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// CLOCK_MONOTONIC, which all processes read alike.
pub fn monotonic() -> std::time::Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    std::time::Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Follows the orders of `send-then-compute`.
pub fn follow(orders: crate::message::Orders) {
    let until = std::time::Instant::now() + orders.compute;
    while !orders.compute.is_zero() && std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
    if !orders.block.is_zero() {
        std::thread::sleep(orders.block);
    }
}
