//! The engine through the safe Rust API: `servers/echo_iocp.c` in Rust, step by step.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use bench::Workload;
use bench::server::Arguments;
use clap::Parser;
use wharf::{AssociatedSocket, CompletionPort, Error, Operation, Packet, Socket};

struct Connection {
    socket: AssociatedSocket<Connection>,
    sending: bool,
    sent: usize,
    len: usize,
    buffer: Box<[u8]>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    bench::net::raise_descriptor_limit()?;
    let workers = arguments.workers.max(1);
    let one_way = arguments.workload == Workload::OneWay;
    let port = Arc::new(CompletionPort::new(workers as u32)?);
    for _ in 0..workers {
        let port = Arc::clone(&port);
        thread::spawn(move || work(&port, one_way));
    }
    let listener = Socket::listen_at((Ipv4Addr::UNSPECIFIED, arguments.port).into())?;
    let bytes = size_of::<Connection>() + arguments.buffer_len();
    println!("connection_bytes={bytes}");
    loop {
        let Ok((socket, _)) = listener.accept() else {
            continue;
        };
        socket.set_nodelay(true)?;
        let connection = Connection {
            socket: port.associate(socket, 0)?,
            sending: false,
            sent: 0,
            len: 0,
            buffer: vec![0; arguments.buffer_len()].into(),
        };
        start(Operation::new(connection));
    }
}

/// Starts the next operation. What fails at once brings no packet: the connection is dropped.
fn start(connection: Operation<Connection>) {
    let _ = match connection.sending {
        true => connection.start_send(|it| (&it.socket, &it.buffer[it.sent..it.len])),
        false => connection.start_receive(|it| (&it.socket, &mut it.buffer)),
    };
}

fn work(port: &CompletionPort<Connection>, one_way: bool) -> Result<(), Error> {
    while let Some(packet) = port.take(None)? {
        let Packet {
            operation: Some(mut connection),
            bytes: bytes @ 1..,
            result: Ok(()),
            ..
        } = packet
        else {
            continue; // the connection is dropped
        };
        if connection.sending {
            connection.sent += bytes as usize;
            connection.sending = connection.sent < connection.len;
        } else if !one_way {
            connection.sending = true;
            connection.sent = 0;
            connection.len = bytes as usize;
        }
        start(connection);
    }
    Ok(())
}
