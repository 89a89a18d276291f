//! One sample: a fresh server, the load generator, and what it printed.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bench::server::monotonic;
use bench::{Workload, cpu};

use crate::Cell;
use crate::build;
use crate::idle_calls;
use crate::point::Point;
use crate::spec::ServerSpec;

/// Where the server runs, and where its clients, unless both may use both.
const SERVER_CPU: usize = 0;
const LOAD_CPU: usize = 1;

/// Figures by name.
pub type Figures = BTreeMap<String, f64>;

/// Takes one sample with a window of `seconds`.
pub fn take((spec, point): &Cell, seconds: f64) -> Result<Figures> {
    if point.workload == Workload::Posted {
        return posted(spec, point, seconds);
    }
    let server = Server::start(spec, point)?;
    server.wait_until_it_listens()?;
    let mut figures = match point.options.strace {
        true => idle_calls::count(
            load_command(point, &server, seconds + idle_calls::MARGINS_S)?,
            server.id(),
            seconds,
        )?,
        false => figures_of(&load_command(point, &server, seconds)?.output()?)?,
    };
    figures.extend(server.stop()?);
    if let (Some(all), Some(own)) = (
        figures.get("server_memory_bytes_per_connection"),
        figures.get("connection_bytes"),
    ) {
        figures.insert("library_memory_bytes_per_connection".into(), all - own);
    }
    Ok(figures)
}

/// Takes one sample of each of `cells`, which are at one point, at the same time: the servers all run, and the clients
/// take turns in slices of `slice_ms`. `shift` moves the order on, so that nobody always follows the same one.
pub fn take_in_turns(
    cells: &[Cell],
    seconds: f64,
    slice_ms: u64,
    shift: usize,
) -> Result<Vec<Result<Figures>>> {
    let servers = cells
        .iter()
        .map(|(spec, point)| Server::start(spec, point))
        .collect::<Result<Vec<_>>>()?;
    servers.iter().try_for_each(Server::wait_until_it_listens)?;
    let connections: u32 = cells.iter().map(|(_, point)| point.connections).sum();
    let begin_ms = monotonic().as_millis() as u64 + 500 + u64::from(connections) / 10;
    let mut loads = Vec::new();
    for (index, (server, (_, point))) in servers.iter().zip(cells).enumerate() {
        let mut load = load_command(point, server, seconds)?;
        let turn = (index + shift) % cells.len();
        let turns = format!("{turn}/{}/{slice_ms}/{begin_ms}", cells.len());
        load.args(["--turns", &turns]);
        loads.push(load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    }
    let outputs = loads
        .into_iter()
        .map(Child::wait_with_output)
        .collect::<Result<Vec<_>, _>>()?;
    let finish = |(server, output): (Server, &Output)| {
        let mut figures = figures_of(output)?;
        figures.extend(server.stop()?);
        Ok(figures)
    };
    Ok(servers.into_iter().zip(&outputs).map(finish).collect())
}

/// What the load generator printed.
pub fn figures_of(output: &Output) -> Result<Figures> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}",
        errors.lines().next().unwrap_or("the load generator failed")
    );
    let figures: BTreeMap<String, Option<f64>> = serde_json::from_slice(&output.stdout)?;
    let figures: Figures = figures
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    ensure!(
        figures
            .get("messages")
            .is_some_and(|&messages| messages > 0.0),
        "stalled: no message came back"
    );
    Ok(figures)
}

/// Packets between threads need no clients: the program runs to its end and prints what it found.
fn posted(spec: &ServerSpec, point: &Point, seconds: f64) -> Result<Figures> {
    let mut command = command(spec, point.workload)?;
    let kind = if spec.is_win32() {
        "posted"
    } else {
        &spec.name
    };
    command.args([
        &point.connections.to_string(),
        kind,
        &spec.workers.to_string(),
    ]);
    command.arg(((seconds * 1e3) as u64).to_string());
    let output = command
        .output()
        .with_context(|| format!("could not start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(printed_figures(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines of `name=number`; the last one of a name counts.
fn printed_figures(text: &str) -> Figures {
    let figure = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(figure).collect()
}

fn load_command(point: &Point, server: &Server, seconds: f64) -> Result<Command> {
    let processes: Vec<String> = server.processes()?.iter().map(u32::to_string).collect();
    let mut load = Command::new(build::program("load")?);
    load.arg(point.workload.name())
        .args(["--port", &server.port.to_string()]);
    load.args([
        "--connections",
        &point.connections.to_string(),
        "--message-bytes",
        &point.message_bytes.to_string(),
    ]);
    load.args([
        "--seconds",
        &seconds.to_string(),
        "--server",
        &processes.join(","),
    ]);
    if !point.options.both || point.options.first {
        load.args(["--cpu", &LOAD_CPU.to_string()]);
    }
    if point.options.first {
        load.arg("--first");
    }
    for (name, value) in &point.options.load {
        load.args([format!("--{name}"), value.to_string()]);
    }
    Ok(load)
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    port: u16,
    workload: Workload,
    cpus: &'static [usize],
    output: PathBuf,
    is_wine: bool,
}

impl Server {
    fn start(spec: &ServerSpec, point: &Point) -> Result<Self> {
        let port = free_port()?;
        let cpus: &[usize] = if point.options.both {
            &[SERVER_CPU, LOAD_CPU]
        } else {
            &[SERVER_CPU]
        };
        let output = build::c_server(&format!("output-{port}.txt"));
        let file = File::create(&output).with_context(|| format!("{}", output.display()))?;
        let mut command = command(spec, point.workload)?;
        command
            .args([port.to_string(), point.workload.name()])
            .arg(workers(spec).to_string());
        command.args(spec.concurrency.map(|value| value.to_string()));
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        // SAFETY: between fork and exec only sched_setaffinity is called, which is a plain system call.
        unsafe { command.pre_exec(move || cpu::pin(None, cpus)) };
        let child = command
            .spawn()
            .with_context(|| format!("could not start {command:?}"))?;
        Ok(Self {
            child,
            port,
            workload: point.workload,
            cpus,
            output,
            is_wine: spec.name == "wine",
        })
    }

    fn wait_until_it_listens(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.answers() {
            ensure!(
                Path::new(&format!("/proc/{}/exe", self.child.id())).exists(),
                "the server ended: {}",
                self.said()
            );
            ensure!(
                Instant::now() < deadline,
                "the server does not listen: {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    }

    fn answers(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        match self.workload {
            workload if workload.is_of_datagrams() => echoes_datagrams(address).unwrap_or(false),
            _ => TcpStream::connect(address).is_ok(),
        }
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processes whose CPU time is the server's.
    fn processes(&self) -> Result<Vec<u32>> {
        let mut processes = vec![self.child.id()];
        if self.is_wine {
            for process in wine_servers()? {
                cpu::pin(Some(process), self.cpus)?;
                processes.push(process);
            }
        }
        Ok(processes)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.output)
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Ends the server. Returns the figures that it printed.
    fn stop(mut self) -> Result<Figures> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server died ({status}): {}", self.said());
        }
        Ok(printed_figures(&self.said()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.output);
    }
}

fn workers(spec: &ServerSpec) -> u32 {
    if spec.name == "tokio-ct" {
        0
    } else {
        spec.workers
    }
}

/// The program, without its arguments.
fn command(spec: &ServerSpec, workload: Workload) -> Result<Command> {
    ensure!(
        spec.serves(workload),
        "{} does not serve {}",
        spec.name,
        workload.name()
    );
    let mut command = match &*spec.name {
        "tokio-ct" | "tokio-mt" => Command::new(build::program("peer_tokio")?),
        "mutex" | "crossbeam" => Command::new(build::program("peer_queue")?),
        "safe" => Command::new(build::program("peer_safe")?),
        "epoll" => Command::new(build::program("peer_epoll")?),
        "uring" => Command::new(build::program("peer_uring")?),
        "poll" => Command::new(build::c_server("poll_loop")),
        "wine" => {
            let mut wine = Command::new("wine");
            wine.arg(build::c_server(c_source(spec, workload)).with_extension("exe"));
            wine.env("WINEPREFIX", build::wine_prefix())
                .env("WINEDEBUG", "-all");
            wine.env("WINEDLLOVERRIDES", "mscoree=;mshtml="); // neither .NET nor HTML: asks for no download
            wine
        }
        _ => Command::new(build::c_server(c_source(spec, workload))),
    };
    let library = spec
        .library
        .clone()
        .unwrap_or_else(build::library_directory);
    command.env("LD_LIBRARY_PATH", library);
    command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

/// The C source that serves `workload`.
fn c_source(spec: &ServerSpec, workload: Workload) -> &'static str {
    if let Some(model) = spec.model_source() {
        return model;
    }
    match workload {
        Workload::Echo if spec.name == "wharf-counted" => "counted_iocp",
        Workload::Echo | Workload::OneWay | Workload::Churn | Workload::Idle => "echo_iocp",
        Workload::RequestTwoSends => "two_sends_iocp",
        Workload::TwoReceives => "two_receives_iocp",
        Workload::SendThenCompute => "compute_iocp",
        Workload::SelfPost => "self_post_iocp",
        Workload::UdpEcho | Workload::UdpRelay => "udp_echo_iocp",
        Workload::Posted => "posted_iocp",
    }
}

/// Whether a datagram comes back.
fn echoes_datagrams(server: (Ipv4Addr, u16)) -> std::io::Result<bool> {
    const PROBE: &[u8] = b"is there anybody";
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    socket.send_to(PROBE, server)?;
    let mut answer = [0; PROBE.len()];
    socket.recv_from(&mut answer)?;
    Ok(answer == PROBE)
}

/// A port below the range that clients get theirs from, that nobody listens at.
fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..1000 {
        let offset = (std::process::id() as u16).wrapping_add(NEXT.fetch_add(1, Relaxed)) % 12000;
        let address = (Ipv4Addr::UNSPECIFIED, 20000 + offset);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(20000 + offset);
        }
    }
    bail!("no port is free")
}

/// Wine's own server processes of our prefix: half of what a program does is done there.
fn wine_servers() -> Result<Vec<u32>> {
    let prefix = format!("WINEPREFIX={}\0", build::wine_prefix().display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if name.starts_with("wineserver") && String::from_utf8_lossy(&environment).contains(&prefix)
        {
            found.push(process);
        }
    }
    Ok(found)
}
