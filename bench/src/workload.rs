//! The workloads: one name for every server and for the load generator.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the clients ask and what the server does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Each message comes back; its client sends the next when it has.
    Echo,
    /// The server receives and answers nothing; clients send as fast as it takes.
    OneWay,
    /// An echo whose answer leaves in two sends: the first eight bytes, then the rest.
    RequestTwoSends,
    /// An echo whose handler goes on after the send as long as the message says: computing, or asleep outside the
    /// library (see [`message::Orders`](crate::message::Orders)).
    SendThenCompute,
    /// An echo by a server that keeps two receives posted on each socket.
    TwoReceives,
    /// Connect, one echo, close.
    Churn,
    /// Connections that echoed once and now only wait with a receive posted.
    Idle,
    /// An echo beside a handler that posts a packet to its own port whenever it takes one.
    SelfPost,
    /// Datagrams: one socket serves all clients, and sends each its message back.
    UdpEcho,
    /// Datagrams: what comes in on one socket goes back to its sender from another.
    UdpRelay,
    /// Packets posted by some threads and taken by others; no sockets.
    Posted,
}

impl Workload {
    /// Whether its messages are datagrams.
    pub fn is_of_datagrams(self) -> bool {
        matches!(self, Workload::UdpEcho | Workload::UdpRelay)
    }

    /// The name on command lines and in results.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no workload is hidden");
        value.get_name().to_owned()
    }
}
