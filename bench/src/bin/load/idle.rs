//! Many idle: each connection echoes once, so that the server knows it, and then only waits.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::message::{STAMP_LEN, Verifier, stamp, template};
use bench::{Measurement, net};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::Arguments;

pub fn run(arguments: &Arguments) -> Result<Measurement> {
    let before = resident_bytes(&arguments.server)?;
    let mut sockets = Vec::new();
    for index in 0..arguments.connections {
        sockets.push(
            net::connection(index, arguments.port)
                .with_context(|| format!("connection {index}"))?,
        );
    }
    let mut message = template(arguments.message_bytes);
    let mut buffer = vec![0; arguments.message_bytes];
    for (index, socket) in sockets.iter().enumerate() {
        message[..STAMP_LEN].copy_from_slice(&stamp(index as u32, 0));
        send(socket, &message, SendFlags::NOSIGNAL)?;
        let (_, len) = recv(socket, &mut buffer[..], RecvFlags::WAITALL)?;
        if !matches!(
            Verifier::new(index as u32, message.len(), false).check(&buffer[..len]),
            Ok(1)
        ) {
            bail!("what came back is not what was sent");
        }
    }
    std::thread::sleep(Duration::from_secs_f64(arguments.seconds));
    let added = resident_bytes(&arguments.server)? - before;
    Ok(Measurement {
        window_s: arguments.seconds,
        messages: arguments.connections as u64,
        server_memory_bytes_per_connection: Some(added / arguments.connections as f64),
        ..Measurement::default()
    })
}

fn resident_bytes(processes: &[u32]) -> Result<f64> {
    let mut pages = 0;
    for process in processes {
        let statm = std::fs::read_to_string(format!("/proc/{process}/statm"))?;
        pages += statm
            .split(' ')
            .nth(1)
            .and_then(|field| field.parse::<u64>().ok())
            .context("statm")?;
    }
    Ok((pages * rustix::param::page_size() as u64) as f64)
}
