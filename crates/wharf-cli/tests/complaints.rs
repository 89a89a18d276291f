//! What `wharf serve` and `wharf load` say when something is wrong, and how they exit.

mod common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use common::{Server, load, output_of, run, until, wharf};

/// A server of the test's own that hands each connection to `serve` in a thread.
fn other_server(serve: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

#[test]
fn a_load_that_is_refused_says_so() {
    let server = Server::start(&["--max-sessions", "2"]);
    let (code, report, complaint) =
        load(server.address, &["--connections", "4", "--messages", "100"]);
    assert_eq!(code, 1);
    assert_eq!(
        (&report["messages"], &report["errors"]),
        (&98.into(), &2.into()),
        "{report:#}"
    );
    assert!(
        complaint.contains("maximum") || complaint.contains("--max-sessions"),
        "{complaint}"
    );
    assert_eq!(server.stop()["refused"], 2);
}

#[test]
fn wrong_arguments_exit_with_two_and_say_what_is_wanted() {
    for (arguments, wanted) in [
        (
            &["serve", "--listen", "here"][..],
            "a host and a port are wanted",
        ),
        (
            &["serve", "--listen", "127.0.0.1"],
            "a host and a port are wanted",
        ),
        (&["serve", "--listen", "::1:9000"], "[::1]:9000"),
        (&["serve", "--model", "fork"], "completion-port"),
        (&["serve", "chargen"], "discard"),
        (&["serve", "--workers", "0"], "1..=256"),
        (&["serve", "--max-sessions", "0"], "--max-sessions"),
        (
            &["serve", "--model", "threads", "--workers", "2"],
            "of no use",
        ),
        (
            &["serve", "--model", "poll", "--concurrency", "2"],
            "--model completion-port",
        ),
        (&["load"], "HOST:PORT"),
        (&["load", "localhost"], "a host and a port are wanted"),
        (&["load", "127.0.0.1:0"], "a host and a port are wanted"),
        (&["load", "::1:9000"], "[::1]:9000"),
        (
            &["load", "127.0.0.1:1", "--rate", "0"],
            "messages per second",
        ),
        (&["load", "127.0.0.1:1", "--pipelining", "0"], "1..=10000"),
        (
            &["load", "127.0.0.1:1", "--seconds", "1", "--messages", "1"],
            "cannot be used with",
        ),
    ] {
        let output = run(&mut wharf(arguments));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains(wanted), "{arguments:?}: {complaint}");
    }
}

#[test]
fn an_address_that_cannot_be_listened_at_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.to_string()));
    let (_taken, address) = taken.expect("it is bound");
    for (address, wanted) in [
        (&address[..], "the address is in use"),
        ("192.0.2.1:9000", "not of this machine"),
        ("[2001:db8::1]:9000", "not of this machine"),
    ] {
        let output = run(&mut wharf(&["serve", "--listen", address]));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        let first = format!("cannot listen at {address}");
        assert!(
            complaint.contains(&first) && complaint.contains(wanted),
            "{complaint}"
        );
    }
}

#[test]
fn more_sessions_than_descriptors_are_explained() {
    let output = run(&mut wharf(&["serve", "--max-sessions", "4000000000"]));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("--max-sessions") && complaint.contains("ulimit"),
        "{complaint}"
    );
}

/// A command in a process that may have no more than so many descriptors.
fn limited(descriptors: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n $0; exec \"$@\""])
        .arg(descriptors.to_string())
        .arg(assert_cmd::cargo::cargo_bin!("wharf"))
        .args(arguments)
        .stdin(Stdio::null());
    command
}

#[test]
fn too_few_descriptors_are_explained_by_their_number() {
    const MOST: &str = "18446744073709551615";
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for (arguments, wanted) in [
        (&serve[..], "100 are needed beside"),
        (&[&serve[..], &["--max-sessions", "1"]].concat(), "need 101"),
        (&[&serve[..], &["--max-sessions", MOST]].concat(), MOST),
        (&["demo", "--connections", "7"], "need 107"),
        (&["load", "127.0.0.1:1", "--connections", "7"], "need 107"),
    ] {
        let output = run(&mut limited(64, arguments));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        let limit = complaint.contains("limit is 64") || complaint.contains("descriptors is 64");
        assert!(limit && complaint.contains(wanted), "{complaint}");
        assert!(complaint.contains("ulimit -Hn"), "{complaint}");
    }
}

/// A thread that is blocked takes a descriptor too, by which it is woken.
#[test]
fn sessions_with_threads_are_refused_before_descriptors_are_short() {
    let served = [
        "serve",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--model",
        "threads",
    ];
    let server = Server::of(limited(130, &served));
    let arguments = ["--connections", "20", "--messages", "1000"];
    let (code, report, complaint) = load(server.address, &arguments);
    assert_eq!(code, 1);
    assert_eq!(report["errors"], 5, "{report:#}");
    assert!(
        complaint.contains("--max-sessions") || complaint.contains("maximum"),
        "{complaint}"
    );
    let served = server.stop();
    assert_eq!(
        (&served["refused"], &served["sessions_at_once_max"]),
        (&5.into(), &15.into())
    );
}

/// A program that reads what is printed learns why there is nothing.
#[test]
fn a_failure_is_one_json_object_too() {
    for arguments in [
        &["load", "no-such-host.invalid:9000"][..],
        &["serve", "--listen", "192.0.2.1:9000"],
    ] {
        let output = run(wharf(arguments).arg("--json"));
        let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        let error = told["error"].as_str().expect("what is wrong");
        assert_eq!(complaint.trim(), format!("wharf: {error}"));
    }
}

#[test]
fn a_reader_that_has_gone_hides_no_failure() {
    let wrong = other_server(|mut stream| {
        stream.read_exact(&mut [0; 64])?;
        stream.write_all(&[0; 64])
    });
    let server = Server::start(&[]);
    for (address, code, wanted) in [(wrong, 1, "wrong byte"), (server.address, 0, "")] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut load = wharf(&["load", &address.to_string(), "--connections", "1"]);
        let child = load
            .args(["--messages", "1"])
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn();
        let output = output_of(child.expect("the command was built"));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{complaint}");
        assert!(complaint.contains(wanted), "{complaint}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_told() {
    let full = std::fs::File::create("/dev/full").expect("Linux has one");
    let child = wharf(&["doctor"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn();
    let output = output_of(child.expect("the command was built"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("the report cannot be written"),
        "{complaint}"
    );
}

#[test]
fn a_load_against_nobody_is_explained() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let (code, _, complaint) = load(address, &[]);
    assert_eq!(code, 1);
    assert!(
        complaint.contains("nobody listens") && complaint.contains("wharf serve"),
        "{complaint}"
    );
}

#[test]
fn a_load_against_an_unknown_name_is_explained() {
    let (code, _, complaint) = load("no-such-host.invalid:9000", &[]);
    assert_eq!(code, 1);
    assert!(complaint.contains("there is no host"), "{complaint}");
}

/// Whatever a server does wrong, the load ends with 1, says what it was, and tells what it measured.
#[test]
fn servers_that_misbehave_are_told_apart() {
    let wrong = |mut stream: TcpStream| {
        let mut byte = [0; 64];
        while stream.read_exact(&mut byte).is_ok() {
            byte[5] ^= 0x20;
            stream.write_all(&byte)?;
        }
        Ok(())
    };
    let closes = |mut stream: TcpStream| {
        let mut message = [0; 64];
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        stream.shutdown(Shutdown::Write)?;
        io::copy(&mut stream, &mut io::sink()).map(drop)
    };
    let stalls = |mut stream: TcpStream| io::copy(&mut stream, &mut io::sink()).map(drop);
    let resets = |mut stream: TcpStream| stream.read_exact(&mut [0; 1]); // 63 are unread when it closes
    let doubles = |mut stream: TcpStream| {
        let mut message = [0; 64];
        stream.read_exact(&mut message)?;
        stream.write_all(&[message, message].concat())?;
        io::copy(&mut stream, &mut io::sink()).map(drop)
    };
    for (serve, kind, messages, wanted) in [
        (
            wrong as fn(TcpStream) -> io::Result<()>,
            "wrong_bytes",
            Some(10),
            "wrong byte",
        ),
        (closes, "closed", Some(1), "closed by the server"),
        (stalls, "stalled", Some(0), "no answer in time"),
        (resets, "reset", Some(0), "were reset"),
        (doubles, "surplus_bytes", None, "more bytes back"),
    ] {
        let (code, report, complaint) = load(
            other_server(serve),
            &[
                "--connections",
                "1",
                "--messages",
                "10",
                "--patience",
                "0.5",
            ],
        );
        assert_eq!(code, 1, "{kind}");
        assert!(
            report["errors_by_kind"][kind].as_u64() >= Some(1),
            "{kind}: {report:#}"
        );
        assert!(
            messages.is_none_or(|messages: u64| report["messages"] == messages),
            "{kind}: {report:#}"
        );
        assert!(complaint.contains(wanted), "{kind}: {complaint}");
    }
}

#[test]
fn a_server_that_dies_is_told() {
    let mut server = Server::start(&[]);
    let arguments = [
        "load",
        &server.address.to_string(),
        "--json",
        "--seconds",
        "3600",
    ];
    let loading = wharf(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let loading = loading.expect("the command was built");
    let _ = server.client(); // it runs
    let mut child = server.child.take().expect("it runs");
    // It is connected as soon as the server has its sessions: those are descriptors.
    let descriptors = format!("/proc/{}/fd", child.id());
    until("all are connected", || {
        std::fs::read_dir(&descriptors).is_ok_and(|all| all.count() >= 64)
    });
    child.kill().expect("it runs");
    child.wait().expect("a child");
    let output = output_of(loading);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("reset") || complaint.contains("closed"),
        "{complaint}"
    );
}
