//! What one window of load showed, as the load generator prints it.

use serde::{Deserialize, Serialize};

/// The result of one run of the load generator. What a workload does not have is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measurement {
    /// The window's length.
    pub window_s: f64,
    /// Messages (connections for `churn`) completed in it.
    pub messages: u64,
    /// … per second.
    pub messages_per_s: f64,
    /// CPUs the server used.
    pub server_cpus: f64,
    /// CPUs the load generator used.
    pub load_cpus: f64,
    /// CPUs that neither of them is charged for: other programs, and kernel work in nobody's name.
    pub foreign_cpus: f64,
    /// The server's user and system time per message.
    pub server_cpu_us_per_message: f64,
    /// The same with the foreign time added: batching moves work to where nobody is charged.
    pub charged_cpu_us_per_message: f64,
    /// From sending to having the answer (`churn`: from before connect).
    pub latency_p50_us: Option<f64>,
    /// See `latency_p50_us`.
    pub latency_p99_us: Option<f64>,
    /// See `latency_p50_us`.
    pub latency_p999_us: Option<f64>,
    /// See `latency_p50_us`.
    pub latency_max_us: Option<f64>,
    /// Resident memory of the server that each connection added.
    pub server_memory_bytes_per_connection: Option<f64>,
    /// What happened around messages whose handler went on after its send.
    #[serde(flatten)]
    pub stalls: Option<Stalls>,
}

/// Around *stalls*: the handler sends the answer, then computes or sleeps for a long while.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stalls {
    /// Stalls in the window.
    pub stalls: u64,
    /// From the handler's send to the answer's arrival: median of the stalls.
    pub stall_send_p50_us: f64,
    /// … 99th percentile.
    pub stall_send_p99_us: f64,
    /// … the worst.
    pub stall_send_max_us: f64,
    /// The longest that any other message waited for its handler during a stall: median of the stalls.
    pub stall_others_wait_p50_us: f64,
    /// … 90th percentile.
    pub stall_others_wait_p90_us: f64,
    /// … 99th percentile.
    pub stall_others_wait_p99_us: f64,
    /// Of all messages that were on their way at the beginning of a stall: 99th percentile of their wait.
    pub stall_pending_wait_p99_us: f64,
}
