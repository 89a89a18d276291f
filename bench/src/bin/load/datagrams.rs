//! Datagrams: the closed loop, each client with a socket of its own, which hears whoever answers. More under way than the server's receive buffer holds
//! would be lost, and a loss is an error here: a closed loop does not go on without its answer.

use anyhow::{Context, Result};
use bench::{Measurement, net};

use crate::{Arguments, closed_loop};

pub fn run(arguments: &Arguments) -> Result<Measurement> {
    let client = |index| net::datagram_client().with_context(|| format!("connection {index}"));
    let sockets = (0..arguments.connections).map(client);
    closed_loop::run_on(
        arguments,
        sockets.collect::<Result<_>>()?,
        Some(net::loopback(arguments.port)),
    )
}
