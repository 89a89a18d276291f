//! The command as it is typed: what it prints, where, and how it exits.

mod common;

use std::fs;
use std::process::{Child, Stdio};

use assert_cmd::Command;
use predicates::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use common::{DEADLINE, until};

/// The command in a known environment, ended if it hangs.
fn wharf(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("wharf").expect("the command was built");
    command
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE");
    command.timeout(DEADLINE);
    command
}

/// What a command that must succeed prints with `--json`.
fn json(arguments: &[&str]) -> Value {
    let output = wharf(arguments)
        .arg("--json")
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    serde_json::from_slice(&output).expect("one JSON object")
}

#[test]
fn the_demo_reports_its_measurement_as_json() {
    let report = json(&["demo", "--messages", "2000", "--connections", "16"]);
    assert_eq!(report["connections"], 16);
    assert_eq!(report["messages"], 2000);
    assert_eq!(report["errors"], 0, "{report:#}");
    assert!(report["io_uring"].is_boolean());
    for measured in ["messages_per_s", "p50_us", "p99_us", "cpu_us_per_message"] {
        assert!(
            report[measured].as_f64().is_some_and(|value| value > 0.0),
            "{measured} in {report:#}"
        );
    }
    assert!(report["p50_us"].as_f64() <= report["p99_us"].as_f64());
}

#[test]
fn the_demo_stops_when_its_time_is_over() {
    let report = json(&["demo", "--seconds", "0.5"]);
    let seconds = report["seconds"].as_f64().expect("a number");
    assert!((0.5..5.0).contains(&seconds), "{report:#}");
    assert_eq!(report["errors"], 0, "{report:#}");
}

#[test]
fn the_demo_passes_messages_larger_than_the_sockets_buffers() {
    let report = json(&[
        "demo",
        "--messages",
        "8",
        "--connections",
        "2",
        "--size",
        "4000000",
        "--workers",
        "3",
    ]);
    assert_eq!(report["workers"], 3);
    assert_eq!(report["errors"], 0, "{report:#}");
}

#[test]
fn the_demo_works_with_and_without_io_uring() {
    for choice in ["0", "1"] {
        wharf(&["demo", "--messages", "2000"])
            .env("WHARF_URING", choice)
            .assert()
            .success()
            .stdout(predicate::str::contains("Every byte came back"));
    }
}

#[test]
fn without_io_uring_the_report_says_so() {
    let assert = wharf(&["demo", "--messages", "10", "--json"])
        .env("WHARF_URING", "0")
        .assert()
        .success();
    let report: Value =
        serde_json::from_slice(&assert.get_output().stdout).expect("one JSON object");
    assert_eq!(report["io_uring"], false);
}

#[test]
fn a_pipe_gets_neither_colours_nor_a_progress_bar() {
    wharf(&["demo", "--messages", "100"])
        .assert()
        .success()
        .stdout(
            predicate::str::contains("server CPU per message")
                .and(predicate::str::contains('\x1b').not()),
        )
        .stderr("");
}

#[test]
fn colours_can_be_forced_and_refused() {
    wharf(&["doctor"])
        .env("CLICOLOR_FORCE", "1")
        .assert()
        .stdout(predicate::str::contains('\x1b'));
    wharf(&["doctor"])
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .assert()
        .stdout(predicate::str::contains('\x1b').not());
}

#[test]
fn the_doctor_reports_as_json() {
    let diagnosis = json(&["doctor"]);
    assert_eq!(diagnosis["kernel_new_enough"], true);
    assert!(diagnosis["io_uring"].is_boolean());
    assert!(diagnosis["descriptors_hard"].as_u64() >= diagnosis["descriptors_soft"].as_u64());
    assert!(diagnosis["cpus"].as_u64().is_some_and(|cpus| cpus > 0));
    assert!(
        diagnosis["checks"]
            .as_array()
            .is_some_and(|checks| checks.len() >= 5)
    );
}

#[test]
fn the_doctor_names_the_variables_in_force() {
    wharf(&["doctor"])
        .env("WHARF_URING", "0")
        .assert()
        .success()
        .stdout(
            predicate::str::contains("WHARF_URING=0")
                .and(predicate::str::contains("unset WHARF_URING")),
        );
}

#[test]
fn wrong_arguments_exit_with_two_and_say_what_is_wanted() {
    for (arguments, wanted) in [
        (&["demo", "--connections", "0"][..], "1..=15000"),
        (&["demo", "--seconds", "soon"], "a number of seconds"),
        (
            &["demo", "--seconds", "1", "--messages", "1"],
            "cannot be used with",
        ),
        (&["demon"], "demo"),
        (&[], "Usage: wharf"),
    ] {
        wharf(arguments)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(wanted));
    }
}

#[test]
fn the_servers_command_is_not_for_people() {
    wharf(&["--help"])
        .assert()
        .success()
        .stdout(predicate::str::contains("__echo-server").not());
}

#[test]
fn the_server_ends_when_nobody_asks_any_more() {
    wharf(&["__echo-server", "--workers", "2"])
        .write_stdin("status\n")
        .assert()
        .success()
        .stdout(
            predicate::str::starts_with("listening on ")
                .and(predicate::str::contains("\"workers\":2")),
        );
}

#[test]
fn a_server_that_dies_is_reported_and_no_hang() {
    let mut demo = running_demo();
    let server = server_of(&demo);
    kill_process(server, Signal::KILL).expect("the server runs");
    until("the demo ends", || {
        demo.try_wait().expect("a child").is_some()
    });
    let output = demo.wait_with_output().expect("a child");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("the echo server ended by itself"),
        "{complaint}"
    );
}

#[test]
fn the_server_does_not_outlive_the_command() {
    let mut demo = running_demo();
    let server = server_of(&demo);
    demo.kill().expect("the demo runs");
    demo.wait().expect("a child");
    until("the server ends", || !is_alive(server));
}

/// A demo that takes long.
fn running_demo() -> Child {
    std::process::Command::new(assert_cmd::cargo::cargo_bin!("wharf"))
        .args(["demo", "--seconds", "300"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command was built")
}

/// The process of a demo's server, as soon as there is one.
fn server_of(demo: &Child) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", demo.id());
    let child = || {
        fs::read_to_string(&children)
            .ok()?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    until("the server starts", || child().is_some());
    child()
        .and_then(Pid::from_raw)
        .expect("a child that was just there")
}

/// Whether a process lives; one that ended and waits to be asked for its status does not.
fn is_alive(process: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}
