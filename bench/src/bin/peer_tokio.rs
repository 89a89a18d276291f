//! Peer: tokio. No workers: the current-thread runtime; otherwise the multi-threaded one with so many.

use std::sync::Arc;

use bench::message::{ORDERS_LEN, Orders, STAMP_LEN, write_handled_at};
use bench::server::{Arguments, follow, now_ns};
use bench::{Workload, net};
use clap::Parser;
use rustix::net::SocketFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    net::raise_descriptor_limit()?;
    if arguments.workers == 0 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        tokio::task::LocalSet::new().block_on(&runtime, serve(arguments))
    } else {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(arguments.workers)
            .enable_io()
            .build()?;
        runtime.block_on(async { tokio::spawn(serve(arguments)).await? })
    }
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.workload.is_of_datagrams() {
        return echo_datagrams(arguments).await;
    }
    let listener = net::listener(arguments.port, SocketFlags::NONBLOCK)?;
    let listener = TcpListener::from_std(listener.into())?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let task = converse(stream, arguments.workload, arguments.buffer_len());
        if arguments.workers == 0 {
            tokio::task::spawn_local(task);
        } else {
            tokio::spawn(task);
        }
    }
}

/// One socket, maybe another for the answers, and as many tasks as workers.
async fn echo_datagrams(arguments: Arguments) -> anyhow::Result<()> {
    let socket = net::datagrams(arguments.port, SocketFlags::NONBLOCK)?;
    let answering = net::answering(arguments.workload, &socket, SocketFlags::NONBLOCK)?;
    let socket = Arc::new(UdpSocket::from_std(socket.into())?);
    let answering = match arguments.workload {
        Workload::UdpRelay => Arc::new(UdpSocket::from_std(answering.into())?),
        _ => socket.clone(),
    };
    let buffer_len = arguments.buffer_len();
    let echo = move |socket: Arc<UdpSocket>, answering: Arc<UdpSocket>| async move {
        let mut buffer = vec![0; buffer_len];
        loop {
            if let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                let _ = answering.send_to(&buffer[..len], from).await; // who is gone gets nothing
            }
        }
    };
    for _ in 1..arguments.workers {
        tokio::spawn(echo(socket.clone(), answering.clone()));
    }
    echo(socket, answering).await
}

/// Serves one connection until it ends.
async fn converse(
    mut stream: TcpStream,
    workload: Workload,
    buffer_len: usize,
) -> std::io::Result<()> {
    let mut buffer = vec![0; buffer_len];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        let message = &mut buffer[..len];
        match workload {
            Workload::OneWay => {}
            Workload::RequestTwoSends => {
                let (head, body) = message.split_at(STAMP_LEN.min(len));
                stream.write_all(head).await?;
                stream.write_all(body).await?;
            }
            Workload::SendThenCompute if len >= ORDERS_LEN => {
                let orders = Orders::read(message);
                write_handled_at(message, now_ns());
                stream.write_all(message).await?;
                follow(orders);
            }
            _ => stream.write_all(message).await?,
        }
    }
}
