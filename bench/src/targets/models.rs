//! Rows about the models other than the completion port: select, WSAPoll, events, completion routines, threads.

use super::Bound::*;
use super::{CHARGED, Row, ratio, row, value};

/// The other models' echo servers: to a plain poll() loop in C, and to the completion port. A thread with an array of
/// events has room for 63 clients; so these are compared at 63, and have 16 threads at 1,000.
pub fn rows() -> Vec<Row> {
    const OTHERS: [(&str, &str); 5] = [
        ("select", "select"),
        ("wsapoll", "WSAPoll"),
        ("async-select", "WSAAsyncSelect"),
        ("completion-routines", "completion routines"),
        ("threads", "a thread for each connection"),
    ];
    const ARRAYS: [(&str, &str); 2] = [
        ("event-select", "WSAEventSelect"),
        ("overlapped-events", "overlapped with events"),
    ];
    let to = |peer, what, server, point, bound| {
        ratio(what, CHARGED, (server, point), (peer, point), bound)
    };
    let readiness = |name, title, server, point| {
        let check = to("poll", "CPU, to poll()", server, point, AtMost(1.15));
        row(name, title, vec![check])
    };
    let overlapped = |name, title, server, point| {
        let check = to(
            "wharf",
            "CPU, to the completion port",
            server,
            point,
            AtMost(1.15),
        );
        row(name, title, vec![check])
    };
    let ranking = |name, title, point, others: &[(&'static str, &'static str)]| {
        let mut checks = vec![to(
            "poll",
            "CPU, to poll(): completion port",
            "wharf",
            point,
            Reported,
        )];
        checks.extend(
            others
                .iter()
                .map(|&(server, what)| to("poll", what, server, point, Reported)),
        );
        checks.push(value(
            "µs of poll()",
            CHARGED,
            ("poll", point),
            Reported,
            "µs",
        ));
        row(name, title, checks)
    };
    vec![
        readiness(
            "models-select",
            "select, 64 connections",
            "select",
            "echo:64x64",
        ),
        readiness(
            "models-wsapoll",
            "WSAPoll, 64 connections",
            "wsapoll",
            "echo:64x64",
        ),
        readiness(
            "models-async-select",
            "WSAAsyncSelect, 64 connections",
            "async-select",
            "echo:64x64",
        ),
        readiness(
            "models-event-select",
            "WSAEventSelect, one thread's 63 connections",
            "event-select",
            "echo:63x64",
        ),
        overlapped(
            "models-overlapped-events",
            "overlapped with events, one thread's 63 connections",
            "overlapped-events",
            "echo:63x64",
        ),
        overlapped(
            "models-routines",
            "completion routines, 64 connections",
            "completion-routines",
            "echo:64x64",
        ),
        row(
            "models-9000",
            "WSAAsyncSelect, one thread: 9,000 sockets, to 64",
            vec![
                ratio(
                    "CPU",
                    CHARGED,
                    ("async-select", "echo:9000x64"),
                    ("async-select", "echo:64x64"),
                    AtMost(1.5),
                ),
                ratio(
                    "CPU of the epoll server",
                    CHARGED,
                    ("epoll", "echo:9000x64"),
                    ("epoll", "echo:64x64"),
                    Reported,
                ),
            ],
        ),
        ranking(
            "models-ranking-64",
            "the models at 64 connections",
            "echo:64x64",
            &OTHERS,
        ),
        ranking(
            "models-ranking-63",
            "… of events at 63",
            "echo:63x64",
            &ARRAYS,
        ),
        ranking(
            "models-ranking-1000",
            "the models at 1,000 connections",
            "echo:1000x64",
            &OTHERS,
        ),
        ranking(
            "models-ranking-arrays",
            "… of events, 16 threads",
            "echo:1000x64",
            &ARRAYS,
        ),
        row(
            "models-idle-calls",
            "idle server, WSAAsyncSelect",
            vec![value(
                "system calls in the window",
                "system_calls",
                ("async-select", "idle:100x64,strace"),
                Never(0.0),
                "",
            )],
        ),
    ]
}
