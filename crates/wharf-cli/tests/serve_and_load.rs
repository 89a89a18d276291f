//! `wharf serve` and `wharf load` together.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use common::{DEADLINE, Server, load, output_of, process_of, run, until, wharf};

const MODELS: [&str; 8] = [
    "completion-port",
    "threads",
    "select",
    "poll",
    "event-select",
    "async-select",
    "overlapped-events",
    "completion-routines",
];

/// More sessions than one wait has room for, messages larger than a buffer, and several of them under way.
#[test]
fn every_model_echoes_every_byte() {
    for model in MODELS {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let server = Server::start(&["echo", "--model", model, "--listen", listen]);
            let (code, report, complaint) = load(
                server.address,
                &[
                    "--connections",
                    "150",
                    "--messages",
                    "3000",
                    "--pipelining",
                    "3",
                ],
            );
            assert_eq!(code, 0, "{model}: {complaint} {report:#}");
            assert_eq!(report["messages"], 3000, "{model}");
            let (code, _, complaint) = load(
                server.address,
                &["--connections", "3", "--messages", "9", "--size", "3000000"],
            );
            assert_eq!(code, 0, "{model}: {complaint}");
            let served = server.stop();
            assert_eq!(served["sessions_total"], 153, "{model}");
            assert_eq!(served["sessions_at_once_max"], 150, "{model}");
            assert_eq!(
                served["bytes_received"],
                3000 * 64 + 9 * 3_000_000,
                "{model}"
            );
            assert_eq!(served["bytes_sent"], served["bytes_received"], "{model}");
            assert_eq!(served["errors"], 0, "{model}: {served:#}");
            assert_eq!(served["bytes_unanswered"], 0, "{model}");
        }
    }
}

#[test]
fn every_model_discards() {
    for model in MODELS {
        let server = Server::start(&["discard", "--model", model]);
        let (code, report, complaint) = load(
            server.address,
            &[
                "--discard",
                "--connections",
                "70",
                "--messages",
                "5000",
                "--size",
                "1000",
            ],
        );
        assert_eq!(code, 0, "{model}: {complaint}");
        assert_eq!(report["bytes_sent"], 5_000_000, "{model}");
        let served = server.stop();
        assert_eq!(served["bytes_received"], 5_000_000, "{model}");
        assert_eq!(served["bytes_sent"], 0, "{model}");
        assert_eq!(served["errors"], 0, "{model}: {served:#}");
    }
}

#[test]
fn every_model_serves_without_io_uring() {
    for model in MODELS {
        let server = Server::start_with(&["--model", model], Some("0"));
        let (code, _, complaint) = load(server.address, &["--messages", "1000"]);
        assert_eq!(code, 0, "{model}: {complaint}");
        let served = server.stop();
        assert_eq!(served["io_uring"], false, "{model}");
        assert_eq!(served["errors"], 0, "{model}: {served:#}");
    }
}

/// What was sent before Ctrl-C is answered after it.
#[test]
fn every_model_answers_what_is_under_way_when_it_is_stopped() {
    const LEN: usize = 1_000_000; // sockets' buffers take that, the server's own does not
    for model in MODELS {
        let server = Server::start(&["--model", model, "--drain", "30"]);
        let mut client = server.client();
        client.write_all(&vec![7; LEN]).expect("a session");
        server.interrupt(Signal::INT);
        let mut answer = vec![0; LEN];
        client
            .read_exact(&mut answer)
            .expect("every byte is answered");
        assert!(answer.iter().all(|&byte| byte == 7), "{model}");
        let served = server.report();
        assert_eq!(served["bytes_sent"], 1 + LEN as u64, "{model}");
        assert_eq!(served["errors"], 0, "{model}: {served:#}");
        assert_eq!(served["bytes_unanswered"], 0, "{model}");
        assert_eq!(client.read(&mut answer).expect("a good end"), 0, "{model}");
    }
}

/// Somebody who never reads does not keep the server from ending, in any model; nor do those who are silent.
#[test]
fn every_model_ends_although_clients_stay() {
    for model in MODELS {
        let server = Server::start(&["--model", model, "--drain", "1"]);
        let silent = server.client();
        let deaf = deaf_client(&server);
        server.interrupt(Signal::TERM);
        let served = server.report();
        let unanswered = served["bytes_unanswered"].as_u64();
        assert!(unanswered > Some(0), "{model}: {served:#}");
        assert_eq!(served["errors"], 0, "{model}: {served:#}");
        drop((silent, deaf));
    }
}

/// After an interrupt nobody is let in, but sessions go on; after a second one they end.
#[test]
fn a_second_interrupt_ends_it_at_once() {
    let server = Server::start(&["--drain", "3600"]);
    let deaf = deaf_client(&server);
    server.interrupt(Signal::INT);
    until("nobody is let in", || {
        TcpStream::connect(server.address).is_err()
    });
    server.interrupt(Signal::INT);
    server.report(); // in time, which is far less than an hour
    drop(deaf);
}

/// A client that goes on sending, and never reads. It has sent more than a little.
fn deaf_client(server: &Server) -> TcpStream {
    let client = server.client();
    let mut sender = client.try_clone().expect("a descriptor");
    let (begun, has_begun) = mpsc::channel();
    thread::spawn(move || {
        // Ends when the server does.
        while sender.write_all(&[0; 1 << 20]).is_ok() {
            let _ = begun.send(());
        }
    });
    has_begun
        .recv_timeout(DEADLINE)
        .expect("a megabyte is taken");
    client
}

#[test]
fn it_stops_when_its_time_is_over() {
    let server = Server::start(&["--seconds", "0.2"]);
    let served = server.report();
    assert!(served["seconds"].as_f64() >= Some(0.2), "{served:#}");
}

#[test]
fn beyond_the_maximum_of_sessions_connections_are_closed() {
    let server = Server::start(&["--max-sessions", "2"]);
    let clients = [server.client(), server.client()];
    let mut third = TcpStream::connect(server.address).expect("the system accepts it");
    assert_eq!(third.read(&mut [0; 1]).expect("a good end"), 0);
    drop(clients);
    let served = server.stop();
    assert_eq!(
        (&served["refused"], &served["sessions_total"]),
        (&1.into(), &2.into())
    );
    assert_eq!(served["sessions_at_once_max"], 2);
}

#[test]
fn both_report_what_they_promise() {
    let server = Server::start(&["--workers", "3", "--concurrency", "1"]);
    let (_, measured, _) = load(server.address, &["--seconds", "0.3", "--rate", "2000"]);
    for key in [
        "messages_per_s",
        "megabytes_per_s",
        "p50_us",
        "p90_us",
        "p99_us",
        "p999_us",
        "max_us",
        "seconds",
    ] {
        assert!(measured[key].as_f64() > Some(0.0), "{key} in {measured:#}");
    }
    assert_eq!(
        measured["messages"]
            .as_u64()
            .zip(measured["messages_not_sent"].as_u64())
            .map(|(a, b)| a + b),
        Some(600)
    );
    assert!(measured["errors_by_kind"].is_object());
    let served = server.stop();
    for key in [
        "messages",
        "messages_per_s",
        "cpu_us_per_message",
        "seconds",
        "sessions_total",
    ] {
        assert!(served[key].as_f64() > Some(0.0), "{key} in {served:#}");
    }
    assert_eq!(
        (&served["service"], &served["model"]),
        (&"echo".into(), &"completion-port".into())
    );
    assert!(served["io_uring"].is_boolean());
}

#[test]
fn people_get_tables_without_colours_in_a_pipe() {
    let server = Server::start(&[]);
    let output = run(&mut wharf(&[
        "load",
        &server.address.to_string(),
        "--messages",
        "500",
    ]));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("latency p99.9") && text.contains("Every byte came back"),
        "{text}"
    );
    assert!(!text.contains('\x1b') && output.stderr.is_empty(), "{text}");
    let output = run(&mut wharf(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--seconds",
        "0.1",
    ]));
    let (text, start) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(text.contains("echo by completion-port"), "{text}");
    assert!(
        start.starts_with("listening on 127.0.0.1:") && start.lines().count() == 1,
        "{start}"
    );
}

#[test]
fn an_interrupted_load_reports_what_it_measured() {
    let server = Server::start(&[]);
    let arguments = [
        "load",
        &server.address.to_string(),
        "--json",
        "--seconds",
        "3600",
    ];
    let child = wharf(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let child = child.expect("the command was built");
    // Before, the signal would simply end it.
    let status = format!("/proc/{}/status", child.id());
    let catches_interrupts = || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| {
            u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 2 != 0)
        })
    };
    until("it listens to signals", catches_interrupts);
    kill_process(process_of(&child), Signal::INT).expect("it runs");
    let output = output_of(child);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["errors"], 0, "{report:#}");
}

#[test]
fn a_name_is_looked_up() {
    let server = Server::start(&[]);
    let (code, report, complaint) = load(
        format!("localhost:{}", server.address.port()),
        &["--messages", "10", "--connections", "1"],
    );
    assert_eq!((code, &report["messages"]), (0, &10.into()), "{complaint}");
}

#[test]
fn a_name_is_listened_at() {
    let server = Server::start(&["--listen", "localhost:0"]);
    assert!(server.address.ip().is_loopback());
    let (code, _, complaint) = load(server.address, &["--messages", "10"]);
    assert_eq!(code, 0, "{complaint}");
}
