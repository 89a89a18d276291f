//! Models on one socket, or in one process: a socket may have overlapped operations and be watched at once, and no way of
//! waiting depends on somebody else's threads.

use std::collections::VecDeque;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 7;

/// `WSAEventSelect`, which must succeed.
#[track_caller]
fn select_event(socket: Raw, event: &Event, mask: u32) {
    // SAFETY: handles are looked up.
    let result = unsafe { WSAEventSelect(socket.0, event.raw() as WSAEVENT, mask as i32) };
    assert_eq!(check(result), Ok(()));
}

/// The events that `WSAEnumNetworkEvents` tells.
fn fetch(socket: Raw, event: &Event) -> u32 {
    let mut out = WSANETWORKEVENTS::default();
    // SAFETY: `out` lives through the call; handles are looked up.
    check(unsafe { WSAEnumNetworkEvents(socket.0, event.raw() as WSAEVENT, &mut out) }).unwrap();
    out.lNetworkEvents as u32
}

/// Whether `WSAPoll` calls the socket readable within that time.
fn is_readable(socket: Raw, time_ms: i32) -> bool {
    let mut entry = WSAPOLLFD {
        fd: socket.0,
        events: POLLRDNORM,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    check_count(unsafe { WSAPoll(&mut entry, 1, time_ms) }).unwrap();
    entry.revents & POLLRDNORM != 0
}

/// A thread that belongs to the port and computes until told to stop: it counts as running, and never waits there.
struct BusyWorker {
    stop: Arc<AtomicBool>,
    worker: Worker<()>,
}

impl BusyWorker {
    fn new(port: &Port) -> BusyWorker {
        let (port, stop) = (port.clone(), Arc::new(AtomicBool::new(false)));
        port.post(packet(0, 0, 0));
        let (taken, told) = (Arc::new(AtomicBool::new(false)), stop.clone());
        let worker = spawn({
            let taken = taken.clone();
            move || {
                port.take_packet();
                taken.store(true, SeqCst);
                compute_until("the test ends", || told.load(SeqCst));
            }
        });
        until("the worker has its packet", || taken.load(SeqCst));
        BusyWorker { stop, worker }
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        self.worker.join();
    }
}

/// A socket on a port reports network events although nobody waits at the port.
/// Source: WSAEventSelect; I/O Completion Ports: the port is about completed operations only.
#[test]
fn network_events_need_no_worker() {
    let _watch = watch();
    let (pair, event) = (connected_pair(Family::V4), Event::manual());
    let port = port_of(*pair.server, KEY);
    select_event(*pair.server, &event, FD_READ | FD_CLOSE);
    for _ in 0..3 {
        pair.client.send_all(b"x");
        assert!(event.wait(DEADLINE_MS));
        assert_eq!(fetch(*pair.server, &event), FD_READ);
        pair.server.recv_exact(1);
    }
    let worker = BusyWorker::new(&port);
    pair.client.send_all(b"x");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(fetch(*pair.server, &event), FD_READ);
    pair.server.recv_exact(1);
    worker.end();
    pair.client.shutdown(SD_SEND).unwrap();
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(fetch(*pair.server, &event), FD_CLOSE);
}

/// A thread that waits at the port harvests for the socket's network events too, and gets no packet for them.
/// Source: WSAEventSelect; I/O Completion Ports.
#[test]
fn network_events_come_while_a_worker_waits() {
    let _watch = watch();
    let (pair, event) = (connected_pair(Family::V4), Event::manual());
    let port = port_of(*pair.server, KEY);
    select_event(*pair.server, &event, FD_READ);
    let worker = spawn({
        let port = port.clone();
        move || port.take_packet()
    });
    worker.until_waits();
    pair.client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(fetch(*pair.server, &event), FD_READ);
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), done(3));
    assert_eq!(worker.join(), request.success(KEY, 3).packet());
    assert_empty(&port);
}

/// Association with a port in between changes nothing about network events.
/// Source: CreateIoCompletionPort; WSAEventSelect.
#[test]
fn network_events_survive_association() {
    let _watch = watch();
    let (pair, event) = (connected_pair(Family::V4), Event::manual());
    select_event(*pair.server, &event, FD_READ);
    pair.client.send_all(b"x");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(fetch(*pair.server, &event), FD_READ);
    let _port = port_of(*pair.server, KEY);
    assert!(!event.wait(QUIET_MS));
    pair.server.recv_exact(1);
    pair.client.send_all(b"x");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(fetch(*pair.server, &event), FD_READ);
}

/// Blocking calls, select and WSAPoll on a port's socket go on although the port's only worker computes.
/// Source: recv, select, WSAPoll: none of them is about the port.
#[test]
fn blocking_calls_do_not_depend_on_workers() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let pairs: Vec<_> = (0..3).map(|_| listener.pair()).collect();
    let port = Port::new(1);
    for pair in &pairs {
        port.associate(pair.server.handle(), KEY);
        // Known to the port's set from an operation that had to wait.
        let request = Request::new(1);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.client.send_all(b"x");
        assert_eq!(next(&port), request.success(KEY, 1));
    }
    let busy = BusyWorker::new(&port);
    let [receives, selects, polls] = [0, 1, 2].map(|index: usize| *pairs[index].server);
    let waiters = [
        spawn(move || receives.recv_exact(1) == b"x"),
        spawn(move || {
            let mut set = FD_SET {
                fd_count: 1,
                ..FD_SET::default()
            };
            set.fd_array[0] = selects.0;
            // SAFETY: the set lives through the call.
            unsafe { select(0, &mut set, null_mut(), null_mut(), std::ptr::null()) == 1 }
        }),
        spawn(move || is_readable(polls, -1)),
    ];
    for (waiter, pair) in waiters.iter().zip(&pairs) {
        waiter.until_waits();
        pair.client.send_all(b"x");
    }
    assert_eq!(join_all(waiters), [true; 3]);
    busy.end();
}

/// One socket, every way at once: an overlapped receive takes what comes first, and the event, select and WSAPoll tell of
/// the rest alike.
/// Source: WSARecv, WSAEventSelect, select, WSAPoll; validated on Windows for each pair.
#[test]
fn one_socket_is_used_every_way() {
    let _watch = watch();
    let (pair, event) = (connected_pair(Family::V4), Event::manual());
    let port = port_of(*pair.server, KEY);
    select_event(*pair.server, &event, FD_READ);
    for _ in 0..20 {
        let request = Request::new(2);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.client.send_all(b"abcde");
        assert_eq!(next(&port), request.success(KEY, 2));
        assert_eq!(request.received(), b"ab");
        assert!(event.wait(DEADLINE_MS));
        assert_eq!(fetch(*pair.server, &event), FD_READ);
        assert!(is_readable(*pair.server, 0));
        assert_eq!(pair.server.recv_exact(3), b"cde");
        assert!(!is_readable(*pair.server, 0));
        assert_eq!(fetch(*pair.server, &event), 0);
    }
}

/// Many threads call, watch and close at once: nothing hangs, and what is closed is forgotten.
/// Source: WSAEventSelect, closesocket.
#[test]
fn watching_races_with_closing() {
    let _watch = watch();
    not_under_wine(
        "a handle is used again at once there: a stale one names another test's socket",
        watch_and_close,
    );
}

fn watch_and_close() {
    let (event, other) = (Event::manual(), Event::manual());
    let until = Instant::now() + stress_duration() / 4;
    while Instant::now() < until {
        let pair = connected_pair(Family::V4);
        let (client, server) = (*pair.client, *pair.server);
        let speaker = spawn(move || {
            for _ in 0..20 {
                let _ = client.send(b"x");
            }
        });
        let watchers = [event.clone(), other.clone()].map(|event| {
            spawn(move || {
                for round in 0..20 {
                    let mask = if round % 3 == 2 {
                        0
                    } else {
                        (FD_READ | FD_CLOSE) as i32
                    };
                    let mut out = WSANETWORKEVENTS::default();
                    // SAFETY: handles are looked up; `out` lives through the call.
                    unsafe {
                        WSAEventSelect(server.0, event.raw() as WSAEVENT, mask);
                        WSAEnumNetworkEvents(server.0, event.raw() as WSAEVENT, &mut out);
                    }
                    let _ = server.recv_some(1);
                }
            })
        });
        drop(pair.server);
        join_all(watchers);
        speaker.join();
    }
}

// --- random, against the rules ---------------------------------------------------------------------

/// What the rules say of one watched stream, written down once more and as simply as can be.
#[derive(Default)]
struct Rules {
    unread: usize,
    ended: bool,
    /// Sizes of overlapped receives that wait.
    waiting: VecDeque<usize>,
    mask: u32,
    recorded: u32,
    told_close: bool,
    told_write: bool,
}

impl Rules {
    /// Registering looks at what the record does not know yet.
    fn register(&mut self, mask: u32) {
        if !self.told_write {
            self.told_write = true;
            self.recorded |= FD_WRITE;
        }
        self.mask = mask;
    }

    /// Data arrives; receives that wait are first. The sizes of those that are done.
    fn arrive(&mut self, mut bytes: usize) -> Vec<usize> {
        let mut done = Vec::new();
        while bytes > 0 {
            let Some(size) = self.waiting.pop_front() else {
                break;
            };
            done.push(size.min(bytes));
            bytes -= size.min(bytes);
        }
        self.unread += bytes;
        if bytes > 0 {
            self.recorded |= FD_READ;
        }
        done
    }

    fn receive(&mut self, size: usize) -> usize {
        let taken = size.min(self.unread);
        self.unread -= taken;
        self.recorded &= !FD_READ;
        if self.unread > 0 {
            self.recorded |= FD_READ;
        }
        taken
    }

    fn end(&mut self) {
        self.ended = true;
        if !self.told_close {
            self.told_close = true;
            self.recorded |= FD_CLOSE;
        }
    }

    fn fetch(&mut self) -> u32 {
        let fetched = self.recorded & self.mask;
        self.recorded &= !fetched;
        fetched
    }
}

/// A random sequence of sends, receives of both kinds, registrations and fetches gives, step by step, what the rules say.
/// Source: WSAEventSelect, WSAEnumNetworkEvents, WSARecv, recv.
#[test]
fn random_stress_follows_the_rules() {
    let _watch = watch();
    not_under_wine("it differs at arrivals", || {
        let mut random = Random::new(seed(), 0);
        let until = Instant::now() + stress_duration();
        let mut rounds = 0;
        while Instant::now() < until {
            random_connection(&mut random);
            rounds += 1;
        }
        println!("{rounds} connections");
    });
}

fn random_connection(random: &mut Random) {
    const MASKS: [u32; 6] = [
        FD_READ,
        FD_WRITE,
        FD_CLOSE,
        FD_READ | FD_CLOSE,
        FD_READ | FD_WRITE | FD_CLOSE,
        0,
    ];
    let pair = connected_pair(Family::V4);
    let (event, mut rules) = (Event::manual(), Rules::default());
    let mut requests = VecDeque::new();
    let mut log = Vec::new();
    let mut was_served = false; // a receive that waited, by another thread
    select_event(*pair.server, &event, FD_READ | FD_WRITE | FD_CLOSE);
    rules.register(FD_READ | FD_WRITE | FD_CLOSE);
    for _ in 0..60 {
        let step = random.below(10);
        log.push(step);
        match step {
            0..=2 if !rules.ended => {
                let bytes = 1 + random.below(40) as usize;
                pair.client.send_all(&vec![1; bytes]);
                for size in rules.arrive(bytes) {
                    was_served = true;
                    let request: Request = requests.pop_front().expect("one waits");
                    request.until_finished();
                    assert_eq!(request.received().len(), size, "{log:?}");
                }
                if rules.waiting.is_empty() {
                    pair.server.until_unread(rules.unread as u32);
                }
            }
            3..=4 if rules.waiting.is_empty() => {
                let size = 1 + random.below(30) as usize;
                let expected = match rules.receive(size) {
                    0 if rules.ended => Ok(0),
                    0 => Err(WSAEWOULDBLOCK),
                    taken => Ok(taken),
                };
                let received = pair.server.recv_some(size).map(|some| some.len());
                assert_eq!(received, expected, "{log:?}");
            }
            5..=6 if !rules.ended => {
                let size = 1 + random.below(30) as usize;
                let request = Request::new(size);
                let answer = pair.server.receive(&request);
                if rules.waiting.is_empty() && rules.unread > 0 {
                    if answer == PENDING && was_served {
                        // Whoever served the last receive is not done with it and serves this one too. What is reported
                        // then depends on both.
                        request.until_finished();
                        return;
                    }
                    assert_eq!(answer, done(rules.receive(size) as u32), "{log:?}");
                } else {
                    assert_eq!(answer, PENDING, "{log:?}");
                    rules.receive(0);
                    rules.waiting.push_back(size);
                    requests.push_back(request);
                }
            }
            7 => {
                let mask = MASKS[random.below(MASKS.len() as u64) as usize];
                select_event(*pair.server, &event, mask);
                rules.register(mask);
            }
            8 if random.one_in(4) && rules.waiting.is_empty() && !rules.ended => {
                pair.client.shutdown(SD_SEND).unwrap();
                rules.end();
                until("the end has arrived", || {
                    let mut entry = WSAPOLLFD {
                        fd: pair.server.0,
                        events: 0,
                        revents: 0,
                    };
                    // SAFETY: one entry, which lives through the call.
                    unsafe { WSAPoll(&mut entry, 1, 0) };
                    entry.revents & POLLHUP != 0
                });
            }
            _ => {}
        }
        let readable = rules.unread > 0;
        assert_eq!(is_readable(*pair.server, 0), readable, "{log:?}");
        if rules.mask != 0 && random.one_in(2) {
            let (expected, mut fetched) = (rules.fetch(), 0);
            while fetched != expected {
                assert!(
                    event.wait(DEADLINE_MS),
                    "{log:?}: {expected:#x}, only {fetched:#x}"
                );
                let more = fetch(*pair.server, &event);
                assert_eq!(more & !expected, 0, "{log:?}: {expected:#x}, got {more:#x}");
                fetched |= more;
            }
        }
    }
    drop(pair);
    for request in requests {
        request.until_finished();
    }
}
