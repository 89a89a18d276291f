//! What the tests of `wharf serve` and `wharf load` share.
#![allow(dead_code)] // not everything by every one

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes longer.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn wharf(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("wharf"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end, which must come in time.
pub fn run(command: &mut Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command was built");
    output_of(child)
}

/// The end of a child, which must come in time.
pub fn output_of(child: Child) -> Output {
    let process = process_of(&child);
    let (ended, has_ended) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let output = child.wait_with_output();
        let _ = ended.send(());
        output
    });
    if has_ended.recv_timeout(DEADLINE).is_err() {
        let _ = kill_process(process, Signal::KILL);
        panic!("the command hangs");
    }
    let output = waiter.join().expect("the waiter does not panic");
    output.expect("a child has an end")
}

pub fn process_of(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32).expect("a child has an id")
}

/// `wharf load` with `--json`: its exit code, what it measured, what it complains of.
pub fn load(address: impl ToString, arguments: &[&str]) -> (i32, Value, String) {
    let address = address.to_string();
    let output = run(wharf(&["load", &address, "--json"]).args(arguments));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), report, complaint)
}

/// A running `wharf serve`.
pub struct Server {
    pub child: Option<Child>,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it on a free port, and waits until it says where it listens.
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_with(arguments, None)
    }

    pub fn start_with(arguments: &[&str], uring: Option<&str>) -> Server {
        let mut command = wharf(&["serve", "--json"]);
        command
            .args(
                ["--listen", "127.0.0.1:0"]
                    .iter()
                    .filter(|_| !arguments.contains(&"--listen")),
            )
            .args(arguments)
            .envs(uring.map(|choice| ("WHARF_URING", choice)));
        Server::of(command)
    }

    /// What a command starts.
    pub fn of(mut command: Command) -> Server {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command was built");
        let mut errors = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("a line");
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the server says {line:?}"));
        thread::spawn(move || io::copy(&mut errors, &mut io::stderr()));
        Server {
            child: Some(child),
            address,
        }
    }

    pub fn interrupt(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(process_of(child), signal).expect("the server runs");
    }

    /// Waits for its end, which must be good; what it has done.
    pub fn report(mut self) -> Value {
        let output = output_of(self.child.take().expect("it runs"));
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }

    pub fn stop(self) -> Value {
        self.interrupt(Signal::INT);
        self.report()
    }

    /// A client that was admitted: it has got an answer.
    pub fn client(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).expect("it listens");
        client
            .set_read_timeout(Some(DEADLINE))
            .and_then(|()| client.set_write_timeout(Some(DEADLINE)))
            .expect("an open socket");
        client.write_all(b"?").expect("a session");
        client.read_exact(&mut [0]).expect("an answer");
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits for what nobody announces.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
