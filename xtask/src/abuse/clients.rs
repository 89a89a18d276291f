//! Clients in a process of their own, which can be killed and has its own descriptors.
//!
//! The process is this command again under a hidden name. It says `ready` when all its connections are in use,
//! and ends when its input does.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::{io, process, thread};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::echo_client::{EchoClient, bytes};

/// The hidden name of the clients' side.
pub const CLIENTS_COMMAND: &str = "__abuse-clients";

/// What the process says when all its connections are in use.
const READY: &str = "ready";

/// What the clients do until they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Behaviour {
    /// Exchange one message, then nothing, and one more at the end.
    Stay,
    /// Exchange messages without a pause.
    Stream,
}

/// The flags of the clients' process.
#[derive(Debug, Args)]
pub struct ClientsOptions {
    /// What they do
    #[arg(value_enum)]
    behaviour: Behaviour,
    /// How many they are
    connections: u32,
    /// Where the server listens
    server: SocketAddr,
}

/// The clients' side.
pub fn run_clients(options: &ClientsOptions) -> Result<bool> {
    match options.behaviour {
        Behaviour::Stay => stay(options),
        Behaviour::Stream => stream(options),
    }
}

/// Holds idle connections until the input ends; after the quiet, each must still be served.
fn stay(options: &ClientsOptions) -> Result<bool> {
    let mut clients = Vec::new();
    for number in 0..u64::from(options.connections) {
        let mut client = EchoClient::connect_from(number, options.server)?;
        client
            .exchange(b"hello")
            .with_context(|| format!("idle client {number}"))?;
        clients.push(client);
    }
    println!("{READY}");
    wait_for_end_of_input()?;
    for (number, client) in clients.iter_mut().enumerate() {
        let served = client.exchange(b"goodbye");
        served.with_context(|| format!("idle client {number}, after the quiet"))?;
    }
    Ok(true)
}

/// Streams on each connection from a thread of its own, until the process is killed.
fn stream(options: &ClientsOptions) -> Result<bool> {
    let streaming = AtomicU32::new(0);
    let is_last = || streaming.fetch_add(1, Relaxed) + 1 == options.connections;
    thread::scope(|scope| {
        for number in 0..u64::from(options.connections) {
            let is_last = &is_last;
            scope.spawn(move || {
                if let Err(error) = stream_one(number, options.server, is_last) {
                    eprintln!("streaming client {number}: {error:#}");
                    process::exit(1);
                }
            });
        }
        wait_for_end_of_input()?;
        process::exit(0) // the streams have no end of their own
    })
}

fn stream_one(number: u64, server: SocketAddr, is_last: impl Fn() -> bool) -> Result<()> {
    let mut client = EchoClient::connect_from(number, server)?;
    let message = bytes(number, 48 << 10);
    client.exchange(&message)?;
    if is_last() {
        println!("{READY}");
    }
    loop {
        client.exchange_at_once(&message, 16 << 10)?;
    }
}

fn wait_for_end_of_input() -> Result<()> {
    io::stdin()
        .read_to_end(&mut Vec::new())
        .context("waiting for the end of the input")?;
    Ok(())
}

/// A process of clients, all of them connected.
pub struct ClientProcess {
    child: Child,
}

impl ClientProcess {
    /// Starts as many clients, and waits until all are in use.
    pub fn start(
        behaviour: Behaviour,
        connections: u32,
        server: SocketAddr,
    ) -> Result<ClientProcess> {
        let name = behaviour
            .to_possible_value()
            .expect("no behaviour is hidden");
        let child = Command::new(env::current_exe()?)
            .args([
                CLIENTS_COMMAND,
                name.get_name(),
                &connections.to_string(),
                &server.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the clients' process does not start")?;
        let mut process = ClientProcess { child };
        process.wait_until_ready()?;
        Ok(process)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let output = self
            .child
            .stdout
            .as_mut()
            .expect("standard output was asked for");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(
            line.trim_end() == READY,
            "the clients gave up; their reason stands above"
        );
        Ok(())
    }

    /// Kills it in the middle of whatever it does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Lets it close its connections and end.
    pub fn leave(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "the clients did not end well: {status}");
        Ok(())
    }
}

impl Drop for ClientProcess {
    /// Whatever went wrong, no clients stay behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
