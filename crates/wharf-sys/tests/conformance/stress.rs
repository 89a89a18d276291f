//! A random stress of sockets: each accepted operation is reported exactly once, refused ones never, and the bytes of a
//! stream stay in order, whoever wins.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x88;

/// One end of a connection under stress: what was posted on it, in order.
struct End {
    raw: Raw,
    receives: Mutex<Vec<Arc<Request>>>,
    sends: Mutex<Vec<Arc<Request>>>,
    closed: AtomicBool,
    /// How many bytes of [`stream`] were given to sends.
    position: AtomicUsize,
}

/// The longest send.
const MOST: usize = 200_000;

/// What every end sends: `len` bytes from `position` on, each byte its position modulo a prime.
fn stream(position: usize, len: usize) -> &'static [u8] {
    const PERIOD: usize = 251;
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let period: Vec<u8> = (0..PERIOD as u8).collect();
        period.repeat(1 + MOST.div_ceil(PERIOD))
    });
    &BYTES[position % PERIOD..][..len]
}

impl End {
    fn new(socket: Socket, port: &Port) -> Self {
        port.associate(socket.handle(), KEY);
        Self {
            raw: socket.into_raw(),
            receives: Mutex::default(),
            sends: Mutex::default(),
            closed: AtomicBool::new(false),
            position: AtomicUsize::new(0),
        }
    }

    /// Posts a receive; accepted ones are noted in posting order.
    fn receive(&self, random: &mut Random) {
        let request = Arc::new(Request::new(random.below(65) as usize));
        let flags = if !under_wine() && random.one_in(8) {
            MSG_WAITALL
        } else {
            0
        };
        let mut posted = self.receives.lock().unwrap();
        if self.raw.receive_flags(&request, flags).is_ok() {
            posted.push(request);
        }
    }

    /// Posts a send of the next bytes; accepted ones are noted in posting order.
    fn send(&self, random: &mut Random) {
        let most = if random.one_in(10) { MOST as u64 } else { 100 };
        let len = 1 + random.below(most) as usize;
        let mut posted = self.sends.lock().unwrap();
        let from = self.position.load(SeqCst);
        let request = Arc::new(Request::from_data(stream(from, len)));
        if self.raw.send_request(&request).is_ok() {
            self.position.store(from + len, SeqCst);
            posted.push(request);
        }
    }

    /// Cancels one of the latest requests.
    fn cancel(&self, random: &mut Random) {
        let posted = if random.one_in(2) {
            &self.receives
        } else {
            &self.sends
        };
        let posted = posted.lock().unwrap();
        let latest = posted.iter().rev().nth(random.below(4) as usize).cloned();
        drop(posted);
        if let Some(request) = latest {
            // Finished meanwhile, or the socket closed: both may be.
            let _ = self.raw.cancel(&request);
        }
    }

    fn close(&self) {
        if !self.closed.swap(true, SeqCst) {
            assert_eq!(self.raw.close(), Ok(()));
        }
    }

    /// One random action.
    fn act(&self, random: &mut Random) {
        match random.below(1000) {
            0..450 => self.receive(random),
            450..850 => self.send(random),
            850..980 => self.cancel(random),
            980..990 => drop(self.raw.cancel_all()),
            990..996 => drop(self.raw.shutdown(SD_SEND)),
            _ if random.one_in(8) => self.close(),
            _ => {}
        }
    }

    fn posted(&self) -> Vec<Arc<Request>> {
        [&self.receives, &self.sends]
            .map(|posted| posted.lock().unwrap().clone())
            .concat()
    }

    /// What arrived here, in posting order of the receives.
    fn arrived(&self) -> Vec<u8> {
        transferred(&self.receives)
    }

    /// What has not been received yet, up to the end of the stream.
    fn rest(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        loop {
            match self.raw.recv_some(1 << 16).expect("recv") {
                some if some.is_empty() => return rest,
                some => rest.extend(some),
            }
        }
    }

    /// What left from here, in posting order of the sends.
    fn left(&self) -> Vec<u8> {
        transferred(&self.sends)
    }
}

fn transferred(posted: &Mutex<Vec<Arc<Request>>>) -> Vec<u8> {
    let posted = posted.lock().unwrap();
    let parts: Vec<_> = posted.iter().map(|request| request.received()).collect();
    parts.concat()
}

/// How often each request was reported, and with how many bytes the last time.
type Reports = HashMap<usize, (u32, u32)>;

const STOP: usize = 0x99;

/// What one worker does: takes packets until it is told to stop, and counts all of them in `taken_by_all`.
fn collect_reports(port: &Port, taken_by_all: &AtomicUsize) -> Reports {
    let mut reports = Reports::new();
    loop {
        let (Taken::Packet(taken) | Taken::Failed(taken, _)) = next(port) else {
            panic!("the port failed");
        };
        if taken.key == STOP {
            return reports;
        }
        let report = reports.entry(taken.overlapped).or_default();
        *report = (report.0 + 1, taken.bytes);
        taken_by_all.fetch_add(1, SeqCst);
    }
}

/// Every request that was accepted is reported exactly once, with the bytes of its status block; nothing
/// else is reported.
fn assert_exactly_once(ends: &[Arc<End>], workers: Vec<Reports>) {
    let mut reports = Reports::new();
    for (overlapped, (count, bytes)) in workers.into_iter().flatten() {
        let report = reports.entry(overlapped).or_default();
        *report = (report.0 + count, bytes);
    }
    for request in ends.iter().flat_map(|end| end.posted()) {
        let report = reports.remove(&(request.overlapped() as usize));
        assert_eq!(
            report,
            Some((1, request.internal_high() as u32)),
            "count and bytes"
        );
    }
    assert!(
        reports.is_empty(),
        "{} reports of operations that were refused",
        reports.len()
    );
}

/// After this nothing pends; what was closed is being reported.
fn cancel_the_rest(ends: &[Arc<End>]) {
    for end in ends {
        // Nothing to cancel, or closed before: both may be.
        let _ = end.raw.cancel_all();
    }
}

/// The stream from one end to the other: what arrived is the beginning of what left, and all of it when
/// both ends were still open.
fn assert_in_order(from: &End, to: &End, both_open: bool) {
    let (left, mut arrived) = (from.left(), to.arrived());
    if both_open {
        arrived.extend(to.rest());
    }
    assert!(
        left.starts_with(&arrived),
        "of {} bytes that left some went astray",
        left.len()
    );
    if both_open {
        assert_eq!(arrived.len(), left.len(), "bytes were lost");
    }
}

/// One round of the stress: a few connections, actors that do anything to them, workers that count.
fn stress_round(seed: u64, round: u64, listener: &Listener) {
    const ACTORS: u64 = 3;
    const WORKERS: usize = 2;
    const ACTIONS: usize = 400;
    let port = Port::new(0);
    let pairs: Vec<_> = (0..3)
        .map(|_| listener.pair())
        .map(|Pair { client, server }| [client, server].map(|end| Arc::new(End::new(end, &port))))
        .collect();
    let ends: Vec<_> = pairs.iter().flatten().cloned().collect();

    let taken_by_all = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let port = port.clone();
            let taken_by_all = taken_by_all.clone();
            spawn(move || collect_reports(&port, &taken_by_all))
        })
        .collect();
    let actors = (0..ACTORS).map(|actor| {
        let ends = ends.clone();
        let mut random = Random::new(seed, round * ACTORS + actor);
        spawn(move || {
            for _ in 0..ACTIONS {
                ends[random.below(ends.len() as u64) as usize].act(&mut random);
            }
        })
    });
    join_all(actors.collect::<Vec<_>>());

    cancel_the_rest(&ends);
    let accepted = ends.iter().map(|end| end.posted().len()).sum();
    until("every operation is reported", || {
        taken_by_all.load(SeqCst) >= accepted
    });
    for _ in 0..WORKERS {
        port.post(packet(0, STOP, 0));
    }
    assert_exactly_once(&ends, join_all(workers));
    assert_empty(&port);

    for [client, server] in &pairs {
        let both_open = ![client, server].iter().any(|end| end.closed.load(SeqCst));
        if both_open {
            for end in [client, server] {
                assert_eq!(end.raw.shutdown(SD_SEND), Ok(()));
            }
        }
        assert_in_order(client, server, both_open);
        assert_in_order(server, client, both_open);
        client.close();
        server.close();
    }
}

/// Waits until as much is alive in the library as `before`.
fn assert_nothing_left(before: Option<observe::Counts>) {
    let deadline = Instant::now() + DEADLINE;
    while observe::counts() != before && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(observe::counts(), before, "left over");
}

/// Random receives, sends, cancellations, half-closes and closes from several threads: each accepted
/// operation is reported exactly once, refused ones never, bytes arrive in order, and nothing is left over.
/// Source: "I/O Completion Ports"; CancelIoEx; closesocket.
#[test]
fn stress() {
    let _watch = watch();
    in_own_process(|| {
        let seed = seed();
        let listener = Listener::new(Family::V4);
        let before = observe::counts();
        let start = Instant::now();
        let mut round = 0;
        while start.elapsed() < stress_duration() {
            println!("round {round}");
            stress_round(seed, round, &listener);
            assert_nothing_left(before);
            round += 1;
        }
    });
}
