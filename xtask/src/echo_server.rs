//! An echo server under test: any program, native or under Wine, that serves an echo on 127.0.0.1.
//!
//! It says `listening on PORT` on its standard output, or is told a port by `{port}` in its arguments; it ends
//! when it reads a line or the end of its standard input.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// What stands before the number of the port.
const GREETING: &str = "listening on ";

/// What stands for the number of the port in the server's arguments.
const PORT_PLACEHOLDER: &str = "{port}";

/// How long a server may take to start, or to stop; the first program of a Wine prefix needs some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look again at what cannot be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running server.
pub struct EchoServer {
    child: Child,
    address: SocketAddr,
}

impl EchoServer {
    /// Starts `command` with these variables set, and waits until it listens.
    pub fn start(command: &[String], variables: &[(&str, &Path)]) -> Result<EchoServer> {
        let told_port = command.iter().any(|word| word.contains(PORT_PLACEHOLDER));
        let port = if told_port { free_port()? } else { 0 };
        let mut server = spawn(command, variables, port)?;
        let lines = lines(
            server
                .child
                .stdout
                .take()
                .expect("standard output was asked for"),
        );
        if told_port {
            server.wait_until_it_accepts()?;
        } else {
            server.address.set_port(greeting(&lines)?);
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to stop and waits for its end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        // A server that has died cannot read: that shows in how it ended.
        let _ = self
            .child
            .stdin
            .take()
            .expect("input was kept")
            .write_all(b"\n");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!(
            "the server did not stop within {} s of the end of its input",
            PATIENCE.as_secs()
        )
    }

    fn wait_until_it_accepts(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            ensure!(
                Instant::now() < deadline,
                "nobody listens on {}",
                self.address
            );
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended before it listened: {status}");
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for EchoServer {
    /// Whatever went wrong, no server stays behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn spawn(command: &[String], variables: &[(&str, &Path)], port: u16) -> Result<EchoServer> {
    let words: Vec<String> = command
        .iter()
        .map(|word| word.replace(PORT_PLACEHOLDER, &port.to_string()))
        .collect();
    let (program, arguments) = words
        .split_first()
        .context("the server's command is missing")?;
    let child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("the server {program} does not start"))?;
    Ok(EchoServer {
        child,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
    })
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The port that the server names.
fn greeting(lines: &Receiver<String>) -> Result<u16> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).map_err(|_| {
            anyhow!(
                "the server ended, or did not say `{GREETING}PORT` within {} s",
                PATIENCE.as_secs()
            )
        })?;
        if let Some((_, port)) = line.split_once(GREETING) {
            return port
                .trim()
                .parse()
                .with_context(|| format!("the server says {line:?}"));
        }
    }
}

/// The lines of `output` as they come; read to the end, so that the server never blocks on them.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more once the server has named its port.
            let _ = sender.send(line);
        }
    });
    receiver
}
