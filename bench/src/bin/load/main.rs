//! The load generator: one thread, a closed loop, and every answer checked. Prints one [`Measurement`] as JSON.
//!
//! Clients do not hurry: each connection has `depth` messages under way and sends the next when an answer is back. So
//! what is found is the server's cost per message and its capacity, not its behaviour under overload.

mod churn;
mod closed_loop;
mod datagrams;
mod idle;
mod one_way;
mod stalls;
mod turns;
mod uring;
mod window;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::message::{ORDERS_LEN, Orders, STAMP_LEN};
use bench::{Measurement, Workload, cpu, net};
use clap::Parser;

use turns::Turns;

/// What to load, how, and for how long.
#[derive(Parser, Debug)]
pub struct Arguments {
    workload: Workload,
    #[arg(long)]
    port: u16,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 64)]
    message_bytes: usize,
    /// Messages under way on each connection.
    #[arg(long, default_value_t = 1)]
    depth: usize,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[arg(long, default_value_t = 0.5)]
    warm_up_seconds: f64,
    /// Take turns with other load generators (only with echo and its relatives).
    #[arg(long, value_name = "INDEX/OF/SLICE_MS/BEGIN_MS")]
    turns: Option<Turns>,
    /// Processes whose CPU time and memory are the server's.
    #[arg(long, value_delimiter = ',')]
    server: Vec<u32>,
    /// Run on this CPU only.
    #[arg(long)]
    cpu: Option<usize>,
    /// Run before ordinary threads, so that times of arrival are not the scheduler's.
    #[arg(long)]
    first: bool,
    /// Every so many messages one orders the handler to go on after its send (workload `send-then-compute`).
    #[arg(long)]
    stall_every: Option<u64>,
    /// … computing so long,
    #[arg(long, default_value_t = 0.0)]
    stall_compute_ms: f64,
    /// … or asleep so long.
    #[arg(long, default_value_t = 0.0)]
    stall_block_ms: f64,
    /// Every message orders the handler to compute so long.
    #[arg(long, default_value_t = 0)]
    compute_us: u64,
}

impl Arguments {
    fn stall(&self) -> Orders {
        Orders {
            compute: Duration::from_secs_f64(self.stall_compute_ms / 1e3),
            block: Duration::from_secs_f64(self.stall_block_ms / 1e3),
        }
    }

    fn with_orders(&self) -> bool {
        self.workload == Workload::SendThenCompute
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let least = if arguments.with_orders() {
        ORDERS_LEN
    } else {
        STAMP_LEN
    };
    ensure!(
        arguments.message_bytes >= least,
        "messages need at least {least} bytes"
    );
    ensure!(
        !arguments.with_orders() || arguments.depth == 1,
        "orders need one message at a time"
    );
    net::raise_descriptor_limit()?;
    if let Some(cpu) = arguments.cpu {
        cpu::pin(None, &[cpu]).context("could not pin the load generator")?;
    }
    if arguments.first {
        cpu::go_first().context("could not get SCHED_FIFO")?;
    }
    let measurement = run(&arguments)?;
    println!("{}", serde_json::to_string(&measurement)?);
    Ok(())
}

fn run(arguments: &Arguments) -> Result<Measurement> {
    match arguments.workload {
        Workload::OneWay => one_way::run(arguments),
        Workload::Churn => churn::run(arguments),
        Workload::Idle => idle::run(arguments),
        Workload::UdpEcho | Workload::UdpRelay => datagrams::run(arguments),
        Workload::Posted => anyhow::bail!("posted packets need no clients"),
        _ => closed_loop::run(arguments),
    }
}
