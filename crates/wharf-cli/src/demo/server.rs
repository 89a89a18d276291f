//! The demo's server process, from both ends.
//!
//! The command starts itself again with a hidden name, and the two talk over the child's pipes, a line at a
//! time: the child says `listening on PORT`; to each line it gets it answers with its [`Status`] as JSON; at the
//! end of its input it ends its connections and itself. So the child never outlives the command, however that
//! dies.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::echo_server::EchoServer;

/// The hidden name of the server's side.
pub const SERVER_COMMAND: &str = "__echo-server";

/// What the child says before the number of its port.
const GREETING: &str = "listening on ";

/// How long the child may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the child tells about itself.
#[derive(Debug, Deserialize, Serialize)]
pub struct Status {
    /// Worker threads.
    pub workers: usize,
    /// Whether the engine uses io_uring.
    pub io_uring: bool,
    /// CPU time of the whole process so far.
    pub cpu_time: Duration,
}

/// The child's side: serves until its standard input ends.
pub fn serve(workers: usize) -> Result<()> {
    let server =
        EchoServer::start(workers).context("the echo server cannot start; see `wharf doctor`")?;
    let io_uring = wharf_sys::doctor().io_uring;
    let mut out = io::stdout().lock();
    let mut is_heard = writeln!(out, "{GREETING}{}", server.port()).is_ok();
    let mut questions = io::stdin().lines();
    while is_heard && let Some(Ok(_)) = questions.next() {
        let status = serde_json::to_string(&status(&server, io_uring))?;
        is_heard = writeln!(out, "{status}").is_ok();
    }
    server.stop();
    Ok(())
}

fn status(server: &EchoServer, io_uring: bool) -> Status {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Status {
        workers: server.workers(),
        io_uring,
        cpu_time: Duration::new(time.tv_sec as u64, time.tv_nsec as u32),
    }
}

/// The command's side: a child that serves.
pub struct ServerProcess {
    child: Child,
    /// Closing it ends the child.
    questions: Option<ChildStdin>,
    /// The child's lines; closed when the child has ended.
    answers: Receiver<String>,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts the child and waits until it listens.
    pub fn start(workers: usize) -> Result<ServerProcess> {
        let command = env::current_exe()
            .context("this command does not find its own file to start the server")?;
        let mut child = Command::new(command)
            .args([SERVER_COMMAND, "--workers", &workers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the echo server's process does not start")?;
        let questions = child.stdin.take();
        let answers = lines(child.stdout.take().expect("standard output was asked for"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = ServerProcess {
            child,
            questions,
            answers,
            address,
        };
        let port = server.greeting()?;
        server.address.set_port(port);
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the child tells about itself now.
    pub fn status(&mut self) -> Result<Status> {
        let questions = self
            .questions
            .as_mut()
            .expect("input is open until the server is stopped");
        // A child that is gone cannot read: that it is gone shows in the answer.
        let _ = writeln!(questions, "status");
        let answer = self.answer()?;
        serde_json::from_str(&answer).with_context(|| format!("the echo server says {answer:?}"))
    }

    /// What became of the clients. Whatever failed at them: if the child has ended, that is the cause to report.
    pub fn or_its_end<T>(&mut self, clients: Result<T>) -> Result<T> {
        clients.or_else(|failure| {
            self.status()?;
            Err(failure)
        })
    }

    /// Ends the child, which must end well.
    pub fn stop(mut self) -> Result<()> {
        self.questions = None;
        match self.answers.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => bail!(
                "the echo server did not stop within {} s",
                PATIENCE.as_secs()
            ),
            Ok(line) => bail!("the echo server says {line:?} instead of stopping"),
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "the echo server stopped badly: {status}");
        Ok(())
    }

    fn greeting(&mut self) -> Result<u16> {
        let line = self.answer()?;
        let port = line
            .strip_prefix(GREETING)
            .and_then(|port| port.parse().ok());
        port.with_context(|| format!("the echo server says {line:?} instead of its port"))
    }

    /// The child's next line.
    fn answer(&mut self) -> Result<String> {
        self.answers
            .recv_timeout(PATIENCE)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => anyhow!(
                    "the echo server (process {}) has not answered for {} s: it hangs",
                    self.child.id(),
                    PATIENCE.as_secs()
                ),
                RecvTimeoutError::Disconnected => match self.child.wait() {
                    Ok(status) => anyhow!(
                        "the echo server ended by itself ({status}); what it says stands above"
                    ),
                    Err(error) => anyhow!("the echo server is gone: {error}"),
                },
            })
    }
}

impl Drop for ServerProcess {
    /// Whatever went wrong, no child stays behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It may have ended this very moment, and then there is nothing to kill.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The lines of `output`, as they come.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
