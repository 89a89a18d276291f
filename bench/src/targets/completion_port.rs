//! Rows about the completion port, beside tokio and others: echo, workers, waits, packets, idle connections, datagrams.

use super::Bound::*;
use super::{CHARGED, RATE, Row, ratio, row, value};

pub fn rows() -> Vec<Row> {
    let mut rows = echo();
    rows.extend(workers());
    rows.extend(waits());
    rows.extend(packets());
    rows.extend(idle());
    rows.extend(others());
    rows
}

fn echo() -> Vec<Row> {
    let with_tokio = |name, title, point, cpu: f64, throughput: Option<f64>| {
        let mut checks = vec![ratio(
            "CPU",
            CHARGED,
            ("wharf", point),
            ("tokio-ct", point),
            AtMost(cpu),
        )];
        checks.extend(throughput.map(|least| {
            ratio(
                "throughput",
                RATE,
                ("wharf", point),
                ("tokio-ct", point),
                AtLeast(least),
            )
        }));
        row(name, title, checks)
    };
    let limit = |point| {
        ratio(
            "CPU of raw io_uring",
            CHARGED,
            ("uring", point),
            ("tokio-ct", point),
            Reported,
        )
    };
    let plain = |name, title, point| {
        let no_uring = ("wharf:WHARF_URING=0", point);
        row(
            name,
            title,
            vec![ratio(
                "CPU",
                CHARGED,
                no_uring,
                ("tokio-ct", point),
                AtMost(1.0),
            )],
        )
    };
    let mut rows = vec![
        with_tokio("echo-64", "64 connections", "echo:64x64", 0.80, Some(1.25)),
        with_tokio(
            "echo-1000",
            "1,000 connections",
            "echo:1000x64",
            0.80,
            Some(1.25),
        ),
        plain(
            "no-uring-64",
            "64 connections without io_uring",
            "echo:64x64",
        ),
        plain(
            "no-uring-1000",
            "1,000 connections without io_uring",
            "echo:1000x64",
        ),
        with_tokio("echo-1", "1 connection", "echo:1x64", 1.05, None),
        with_tokio("echo-9000", "9,000 connections", "echo:9000x64", 0.90, None),
        with_tokio(
            "echo-4k",
            "64 connections, 4 KiB",
            "echo:64x4096",
            0.80,
            None,
        ),
        with_tokio(
            "echo-64k",
            "64 connections, 64 KiB",
            "echo:64x65536",
            1.00,
            None,
        ),
        with_tokio(
            "churn",
            "connect, one echo, close",
            "churn:32x64",
            1.00,
            None,
        ),
    ];
    rows[0].checks.push(limit("echo:64x64"));
    rows[1].checks.push(limit("echo:1000x64"));
    let one = "echo:1x64";
    rows[4].checks.push(ratio(
        "p50",
        "latency_p50_us",
        ("wharf", one),
        ("tokio-ct", one),
        AtMost(1.05),
    ));
    rows
}

fn workers() -> Vec<Row> {
    let both = "echo:64x64,both";
    let two_workers = vec![
        ratio(
            "CPU",
            CHARGED,
            ("wharf/2", both),
            ("tokio-mt/2", both),
            AtMost(1.10),
        ),
        ratio(
            "throughput",
            RATE,
            ("wharf/2", both),
            ("tokio-mt/2", both),
            AtLeast(1.05),
        ),
    ];
    let concurrency = vec![
        ratio(
            "CPU",
            CHARGED,
            ("wharf/4/2", both),
            ("wharf/2", both),
            AtMost(1.10),
        ),
        value(
            "most workers at once",
            "running_max",
            ("wharf-counted/4/2", both),
            Never(2.0),
            "",
        ),
    ];
    let echo = "echo:64x64";
    vec![
        row(
            "two-workers",
            "two workers on both CPUs, to tokio's two-worker runtime",
            two_workers,
        ),
        row(
            "concurrency",
            "four workers with concurrency value 2, to two workers",
            concurrency,
        ),
        row(
            "wine",
            "under Wine, same source",
            vec![ratio(
                "CPU",
                CHARGED,
                ("wine", echo),
                ("wharf", echo),
                AtLeast(20.0),
            )],
        ),
    ]
}

fn waits() -> Vec<Row> {
    let compute_5 = (
        "wharf",
        "send-then-compute:64x64,first,stall-every=200,stall-compute-ms=5",
    );
    let compute_50 = (
        "wharf/2",
        "send-then-compute:32x64,both,first,stall-every=20000,stall-compute-ms=50",
    );
    let blocked = (
        "wharf/2/1",
        "send-then-compute:32x64,first,stall-every=12000,stall-block-ms=50",
    );
    let self_post = ratio(
        "p99",
        "latency_p99_us",
        ("wharf", "self-post:1x64"),
        ("wharf", "echo:1x64"),
        AtMost(2.0),
    );
    vec![
        row(
            "send-leaves",
            "handler sends, then computes 5 ms, more packets queued",
            vec![
                value(
                    "send to arrival, p99",
                    "stall_send_p99_us",
                    compute_5,
                    AtMost(1000.0),
                    "µs",
                ),
                value("… longest", "stall_send_max_us", compute_5, Reported, "µs"),
            ],
        ),
        row(
            "compute-50ms",
            "every 20,000th message computes 50 ms, two workers, 32 connections",
            vec![
                value(
                    "longest wait of others per stall, median",
                    "stall_others_wait_p50_us",
                    compute_50,
                    AtMost(1000.0),
                    "µs",
                ),
                value(
                    "… p90",
                    "stall_others_wait_p90_us",
                    compute_50,
                    Reported,
                    "µs",
                ),
            ],
        ),
        row(
            "blocked-50ms",
            "a worker blocked 50 ms outside the library, value 1, second worker idle",
            vec![
                value(
                    "wait of others, p99",
                    "stall_pending_wait_p99_us",
                    blocked,
                    AtMost(10_000.0),
                    "µs",
                ),
                value(
                    "longest per stall, median",
                    "stall_others_wait_p50_us",
                    blocked,
                    Reported,
                    "µs",
                ),
            ],
        ),
        row(
            "self-post",
            "self-posting worker beside an echo client, to the client alone",
            vec![self_post],
        ),
    ]
}

fn packets() -> Vec<Row> {
    let posted = |name, title, [wharf, mutex, crossbeam]: [&'static str; 3], point| {
        let checks = vec![
            ratio(
                "packets/s, to a mutex and condvar",
                "packets_per_s",
                (wharf, point),
                (mutex, point),
                AtLeast(1.0),
            ),
            ratio(
                "packets/s, to crossbeam",
                "packets_per_s",
                (wharf, point),
                (crossbeam, point),
                Reported,
            ),
            value("packets/s", "packets_per_s", (wharf, point), Reported, ""),
        ];
        row(name, title, checks)
    };
    vec![
        posted(
            "posted-1",
            "posted packets, 1 poster to 1 worker",
            ["wharf", "mutex", "crossbeam"],
            "posted:1x0,both",
        ),
        posted(
            "posted-4",
            "posted packets, 4 posters to 4 workers",
            ["wharf/4", "mutex/4", "crossbeam/4"],
            "posted:4x0,both",
        ),
        row(
            "rust",
            "the engine through the safe Rust API, to C",
            vec![ratio(
                "CPU",
                CHARGED,
                ("safe", "echo:64x64"),
                ("wharf", "echo:64x64"),
                AtMost(1.10),
            )],
        ),
    ]
}

fn idle() -> Vec<Row> {
    let memory = "library_memory_bytes_per_connection";
    let peer = |what, server| {
        value(
            what,
            "server_memory_bytes_per_connection",
            (server, "idle:9000x64"),
            Reported,
            "B",
        )
    };
    vec![
        row(
            "idle-calls",
            "idle server",
            vec![value(
                "system calls in the window",
                "system_calls",
                ("wharf", "idle:100x64,strace"),
                Never(0.0),
                "",
            )],
        ),
        row(
            "idle-memory",
            "idle connection with a pending receive",
            vec![
                value(
                    "memory of the library",
                    memory,
                    ("wharf", "idle:9000x64"),
                    AtMost(1024.0),
                    "B",
                ),
                peer("of tokio's server, in all", "tokio-ct"),
                peer("of the epoll server, in all", "epoll"),
            ],
        ),
    ]
}

/// No targets of their own: "the other workloads must gain too, or at least not lose".
fn others() -> Vec<Row> {
    let other = |name, title, point| {
        row(
            name,
            title,
            vec![ratio(
                "CPU",
                CHARGED,
                ("wharf", point),
                ("tokio-ct", point),
                Reported,
            )],
        )
    };
    vec![
        other(
            "other-one-way",
            "one way, 8 connections, 64 KiB",
            "one-way:8x65536",
        ),
        other(
            "other-two-sends",
            "request with two sends, 64 connections",
            "request-two-sends:64x64",
        ),
        other(
            "other-two-receives",
            "two receives posted, 64 connections, two messages each",
            "two-receives:64x64,depth=2",
        ),
        other(
            "other-compute",
            "send, then compute 10 µs, 64 connections",
            "send-then-compute:64x64,compute-us=10",
        ),
        other(
            "other-udp-echo",
            "datagrams, one socket, 64 clients",
            "udp-echo:64x64",
        ),
        other(
            "other-udp-relay",
            "datagrams, in by one socket and out by another, 64 clients",
            "udp-relay:64x64",
        ),
    ]
}
