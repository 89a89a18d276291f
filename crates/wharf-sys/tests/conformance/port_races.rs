//! Races at completion ports, and a random stress: whatever happens at the same time, each packet is taken
//! exactly once, or discarded by the close of its port.
//!
//! Every packet carries a number of its own, and a [`Ledger`] has a cell per number. A packet taken twice
//! is seen by the taker; one that is lost, by the count at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;

/// What became of each packet number.
#[derive(Clone)]
struct Ledger(Arc<LedgerCells>);

struct LedgerCells {
    posted: AtomicU32,
    taken: AtomicU32,
    takes: Vec<AtomicU8>,
}

impl Ledger {
    /// Room for that many packets.
    fn new(packets_max: u32) -> Ledger {
        let takes = (0..packets_max).map(|_| AtomicU8::new(0)).collect();
        Ledger(Arc::new(LedgerCells {
            posted: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            takes,
        }))
    }

    /// The number of a new packet, while there is room.
    fn next_number(&self) -> Option<u32> {
        let number = self.0.posted.fetch_add(1, SeqCst);
        if number as usize >= self.0.takes.len() {
            self.0.posted.fetch_sub(1, SeqCst);
            return None;
        }
        Some(number)
    }

    /// Posts a new packet to the port, while there is room.
    fn post_to(&self, port: &Port) {
        if let Some(number) = self.next_number() {
            port.post(packet(number, number as usize, !number as usize));
        }
    }

    /// Notes that this packet was taken: whole, and for the first time.
    fn take(&self, taken: Packet) {
        let number = taken.bytes;
        assert_eq!(taken, packet(number, number as usize, !number as usize));
        assert_eq!(
            self.0.takes[number as usize].fetch_add(1, SeqCst),
            0,
            "packet {number} came twice"
        );
        self.0.taken.fetch_add(1, SeqCst);
    }

    /// Notes what a call took, if anything; gives whether it did.
    fn note(&self, outcome: Taken) -> bool {
        match outcome {
            Taken::Packet(packet) => self.take(packet),
            Taken::Failed(..) => panic!("a posted packet never fails: {outcome:?}"),
            Taken::Nothing(_) => return false,
        }
        true
    }

    /// Notes what a call for several took; gives the last error when that was nothing.
    fn note_many(&self, outcome: Result<Vec<Packet>, u32>) -> Option<u32> {
        match outcome {
            Ok(packets) => {
                assert!(!packets.is_empty());
                packets.into_iter().for_each(|packet| self.take(packet));
                None
            }
            Err(code) => Some(code),
        }
    }

    fn posted(&self) -> u32 {
        self.0.posted.load(SeqCst)
    }

    fn taken(&self) -> u32 {
        self.0.taken.load(SeqCst)
    }

    #[track_caller]
    fn assert_all_taken(&self) {
        assert_eq!(self.taken(), self.posted(), "packets were lost");
    }
}

// ---------------------------------------------------------------------------------------------------------
// One port
// ---------------------------------------------------------------------------------------------------------

/// A waiter that times out at the moment a packet is handed to it either takes it or leaves it queued.
/// Source: GetQueuedCompletionStatus, dwMilliseconds; I/O Completion Ports.
#[test]
fn hand_over_against_time_out() {
    const PACKETS: u32 = 2_000;
    let _watch = watch();
    let (port, ledger) = (Port::new(8), Ledger::new(PACKETS));
    let ready = Arc::new(AtomicU32::new(0));
    let poster = spawn({
        let (port, ledger, ready) = (port.clone(), ledger.clone(), Arc::clone(&ready));
        let mut random = Random::new(seed(), 0);
        move || {
            for round in 1..=PACKETS {
                compute_until("the waiter comes", || ready.load(SeqCst) >= round);
                // Around the waiter's millisecond, before and after.
                let moment = Instant::now() + Duration::from_micros(600 + random.below(800));
                compute_until("the moment comes", || Instant::now() >= moment);
                ledger.post_to(&port);
            }
        }
    });
    for round in 1..=PACKETS {
        ready.store(round, SeqCst);
        if !ledger.note(port.take(1)) {
            assert!(ledger.note(port.take(DEADLINE_MS)), "the packet is lost");
        }
    }
    poster.join();
    ledger.assert_all_taken();
}

/// Waiters with and without time limit, polls, alertable waits and posts meet at one port: each packet is
/// taken exactly once, each APC runs.
/// Source: I/O Completion Ports; GetQueuedCompletionStatus; GetQueuedCompletionStatusEx.
#[test]
fn posts_polls_time_outs_and_apcs_meet() {
    const ROUNDS: u64 = 60;
    let _watch = watch();
    let seed = seed();
    for round in 0..ROUNDS {
        meet_at_one_port(&mut Random::new(seed, round));
    }
}

fn meet_at_one_port(random: &mut Random) {
    const EACH: u32 = 50;
    let (port, ledger) = (Port::new(random.below(4) as u32), Ledger::new(2 * EACH));
    let all_taken = {
        let ledger = ledger.clone();
        move || ledger.taken() == 2 * EACH
    };
    let taker = |take: fn(&Port) -> Taken| {
        let (port, ledger, all_taken) = (port.clone(), ledger.clone(), all_taken.clone());
        spawn(move || {
            while !all_taken() {
                ledger.note(take(&port));
            }
        })
    };
    let takers = [
        taker(|port| port.take(0)),
        taker(|port| port.take(1)),
        taker(|port| port.take(3)),
    ];
    let apcs = Arc::new(AtomicU32::new(0));
    let alertable = spawn({
        let (port, ledger, apcs) = (port.clone(), ledger.clone(), Arc::clone(&apcs));
        move || {
            while !all_taken() || apcs.load(SeqCst) < EACH {
                ledger.note_many(port.take_many(2, 1, true));
            }
        }
    });
    let poster = spawn({
        let (port, ledger) = (port.clone(), ledger.clone());
        move || (0..EACH).for_each(|_| ledger.post_to(&port))
    });
    for _ in 0..EACH {
        ledger.post_to(&port);
        let apcs = Arc::clone(&apcs);
        let count = move || {
            apcs.fetch_add(1, SeqCst);
        };
        assert_ne!(queue_apc(alertable.handle().raw(), count), 0);
    }
    poster.join();
    join_all(takers);
    alertable.join();
    ledger.assert_all_taken();
    assert_eq!(apcs.load(SeqCst), EACH);
}

/// The port is closed while others post, poll and wait: each packet is taken at most once, every waiter
/// comes back, and each call says what happened: a packet, a time-out, the close, or a closed handle.
/// Source: CloseHandle; GetQueuedCompletionStatus, ERROR_ABANDONED_WAIT_0.
#[test]
fn close_meets_posts_polls_and_waits() {
    const ROUNDS: u64 = 150;
    let _watch = watch();
    in_own_process(|| {
        let seed = seed();
        for round in 0..ROUNDS {
            close_at_any_moment(&mut Random::new(seed, round));
        }
    });
}

fn close_at_any_moment(random: &mut Random) {
    const EACH: u32 = 20;
    // Wine does not end a wait when the port is closed, so waits have an end of their own there.
    let patience_ms = if under_wine() { 20 } else { INFINITE };
    let (port, ledger) = (Port::new(random.below(3) as u32), Ledger::new(EACH));
    let waiter = |alertable: bool| {
        let (port, ledger) = (port.clone(), ledger.clone());
        spawn(move || {
            let take = || port.take_many(1, patience_ms, alertable);
            take_until_closed(&ledger, take)
        })
    };
    let poller = |timeout_ms| {
        let (port, ledger) = (port.clone(), ledger.clone());
        spawn(move || {
            let take = || match port.take(timeout_ms) {
                Taken::Packet(packet) => Ok(vec![packet]),
                Taken::Nothing(code) => Err(code),
                failed => panic!("a posted packet never fails: {failed:?}"),
            };
            take_until_closed(&ledger, take)
        })
    };
    let takers = [waiter(false), waiter(true), poller(0), poller(1)];
    let poster = spawn({
        let (port, ledger) = (port.clone(), ledger.clone());
        move || post_until_closed(&port, &ledger)
    });
    let moment = Instant::now() + Duration::from_micros(random.below(1_500));
    compute_until("the moment comes", || Instant::now() >= moment);
    port.close();
    poster.join();
    join_all(takers);
    assert!(ledger.taken() <= ledger.posted());
}

/// Takes until the port is closed; a time-out is no reason to stop.
fn take_until_closed(ledger: &Ledger, take: impl Fn() -> Result<Vec<Packet>, u32>) {
    loop {
        match ledger.note_many(take()) {
            None | Some(WAIT_TIMEOUT) => {}
            Some(ERROR_ABANDONED_WAIT_0 | ERROR_INVALID_HANDLE) => return,
            Some(other) => panic!("last error {other}"),
        }
    }
}

fn post_until_closed(port: &Port, ledger: &Ledger) {
    while let Some(number) = ledger.next_number() {
        if post(
            port.raw(),
            packet(number, number as usize, !number as usize),
        ) == FALSE
        {
            assert_eq!(last_error(), ERROR_INVALID_HANDLE);
            return;
        }
    }
}

/// Every wait ends by the close, however close to it the wait began: none is missed.
/// Source: GetQueuedCompletionStatus, ERROR_ABANDONED_WAIT_0.
#[test]
fn close_ends_the_latest_wait() {
    const ROUNDS: usize = 300;
    let _watch = watch();
    differs_under_wine("closing a port does not end the waits at it", || {
        for _ in 0..ROUNDS {
            let port = Port::new(0);
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let port = port.clone();
                    spawn(move || port.take(INFINITE))
                })
                .collect();
            port.close();
            for outcome in join_all(takers) {
                assert!(
                    outcome == ABANDONED || outcome == Taken::Nothing(ERROR_INVALID_HANDLE),
                    "{outcome:?}"
                );
            }
        }
    });
}

/// A worker that posts to its own port for every packet it takes still sees the packets of others, in turn.
/// Source: I/O Completion Ports, "queued in first-in-first-out (FIFO) order".
#[test]
fn self_posting_worker_starves_nobody() {
    const SELF: usize = 1;
    const FOREIGN: usize = 2;
    const QUIT: usize = 3;
    const FOREIGN_COUNT: u32 = 200;
    let _watch = watch();
    let port = Port::new(1);
    let worker = spawn({
        let port = port.clone();
        move || {
            let mut foreign = Vec::new();
            loop {
                let taken = port.take_packet();
                match taken.key {
                    SELF => port.post(taken),
                    FOREIGN => foreign.push(taken.bytes),
                    _ => return foreign,
                }
            }
        }
    });
    port.post(packet(0, SELF, 0));
    for number in 0..FOREIGN_COUNT {
        port.post(packet(number, FOREIGN, 0));
        thread::yield_now();
    }
    port.post(packet(0, QUIT, 0));
    assert!(worker.join().into_iter().eq(0..FOREIGN_COUNT));
}

/// Two ports whose workers post to each other: a packet goes back and forth without being lost.
/// Source: PostQueuedCompletionStatus; I/O Completion Ports.
#[test]
fn packet_goes_back_and_forth_between_ports() {
    const TURNS: u32 = 5_000;
    let _watch = watch();
    let (here, there) = (Port::new(1), Port::new(1));
    let returner = spawn({
        let (here, there) = (here.clone(), there.clone());
        move || (0..TURNS).for_each(|_| here.post(there.take_packet()))
    });
    for turn in 0..TURNS {
        there.post(packet(turn, 0, 0));
        assert_eq!(here.take_packet(), packet(turn, 0, 0));
    }
    returner.join();
}

/// Workers of a port with concurrency value 1 that each take one packet and end: every end lets the next
/// one in.
/// Source: I/O Completion Ports: a thread is associated until it exits.
#[test]
fn ending_workers_let_each_other_in() {
    const ROUNDS: usize = 20;
    const WORKERS: u32 = 8;
    let _watch = watch();
    for _ in 0..ROUNDS {
        let (port, ledger) = (Port::new(1), Ledger::new(WORKERS));
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (port, ledger) = (port.clone(), ledger.clone());
                spawn(move || assert!(ledger.note(port.take(DEADLINE_MS))))
            })
            .collect();
        (0..WORKERS).for_each(|_| ledger.post_to(&port));
        join_all(workers);
        ledger.assert_all_taken();
    }
}

// ---------------------------------------------------------------------------------------------------------
// Everything at once
// ---------------------------------------------------------------------------------------------------------

/// Several ports; workers that wander between them, wait, poll, time out, sleep, post on, end and are
/// replaced; servants that wait at one port without a time limit; APCs out of nowhere. Each packet is taken
/// exactly once, and none waits for ever.
/// Source: I/O Completion Ports; GetQueuedCompletionStatus; GetQueuedCompletionStatusEx.
#[test]
fn random_stress_takes_each_packet_exactly_once() {
    let _watch = watch();
    let (seed, start) = (seed(), Instant::now());
    for round in 0.. {
        Stress::new(seed.wrapping_add(round)).run();
        if start.elapsed() >= stress_duration() {
            break;
        }
    }
}

/// Ends a servant; no ledger's packet looks like this.
const QUIT: Packet = packet(u32::MAX, 0, 0);

/// The most packets that are under way at once.
const BACKLOG_MAX: u32 = 2_000;

/// How long one round posts, and the most packets it may post.
const ROUND: Duration = Duration::from_secs(2);
const ROUND_PACKETS_MAX: u32 = 2_000_000;

#[derive(Clone)]
struct Stress {
    seed: u64,
    ports: [Port; 3],
    ledger: Ledger,
    end: Arc<AtomicBool>,
}

impl Stress {
    fn new(seed: u64) -> Stress {
        Stress {
            seed,
            ports: [Port::new(1), Port::new(2), Port::new(0)],
            ledger: Ledger::new(ROUND_PACKETS_MAX),
            end: Arc::default(),
        }
    }

    /// One round: everybody starts, posts and takes; then all packets must come, and everybody ends.
    fn run(&self) {
        const WANDERERS: u64 = 4;
        let servants: Vec<_> = (0..3).map(|index| self.start_servant(index)).collect();
        let wanderers: Vec<_> = (0..WANDERERS)
            .map(|number| self.start_wanderer(number))
            .collect();
        self.post_for_a_round(&wanderers);
        until("every packet is taken", || {
            self.ledger.taken() == self.ledger.posted()
        });
        self.end.store(true, SeqCst);
        join_all(wanderers);
        self.ports.iter().for_each(|port| port.post(QUIT));
        join_all(servants);
        self.ledger.assert_all_taken();
    }

    fn any_port(&self, random: &mut Random) -> &Port {
        &self.ports[random.below(self.ports.len() as u64) as usize]
    }

    /// Posts for a while, and queues APCs to the wanderers.
    fn post_for_a_round(&self, wanderers: &[Worker<()>]) {
        let (ledger, start) = (&self.ledger, Instant::now());
        let mut random = Random::new(self.seed, u64::MAX);
        while start.elapsed() < ROUND {
            for _ in 0..random.below(20) {
                ledger.post_to(self.any_port(&mut random));
            }
            if random.one_in(4) {
                let wanderer = &wanderers[random.below(wanderers.len() as u64) as usize];
                assert_ne!(queue_apc(wanderer.handle().raw(), || ()), 0);
            }
            until("the backlog shrinks", || {
                ledger.posted().saturating_sub(ledger.taken()) < BACKLOG_MAX
            });
        }
    }

    /// Serves one port until told to quit; now and then it blocks, and so gives its place away.
    fn start_servant(&self, index: usize) -> Worker<()> {
        let (stress, port) = (self.clone(), self.ports[index].clone());
        let mut random = Random::new(self.seed, u64::MAX / 2 + index as u64);
        spawn(move || {
            loop {
                match port.take(INFINITE).packet() {
                    QUIT => return,
                    packet => stress.ledger.take(packet),
                }
                match random.below(200) {
                    0 => sleep(random.below(3) as u32),
                    1..=20 => stress.ledger.post_to(stress.any_port(&mut random)),
                    _ => {}
                }
            }
        })
    }

    /// Wanders between the ports until the end, with a new helper thread now and then that takes a few
    /// packets and ends.
    fn start_wanderer(&self, number: u64) -> Worker<()> {
        let stress = self.clone();
        let mut random = Random::new(self.seed, number);
        spawn(move || {
            while !stress.end.load(SeqCst) {
                stress.wander(&mut random);
                if random.one_in(300) {
                    let helper = stress.clone();
                    let mut own = Random::new(random.next(), 0);
                    spawn(move || (0..3).for_each(|_| helper.wander(&mut own))).join();
                }
            }
        })
    }

    /// One call at one port, in one of all ways to ask.
    fn wander(&self, random: &mut Random) {
        let port = self.any_port(random);
        let timeout_ms = random.below(4) as u32;
        match random.below(4) {
            0 => drop(self.ledger.note(port.take(0))),
            1 => drop(self.ledger.note(port.take(timeout_ms))),
            2 => drop(self.ledger.note_many(port.take_many(
                1 + random.below(8) as usize,
                timeout_ms,
                true,
            ))),
            _ => drop(sleep_alertable(random.below(2) as u32)),
        }
        if random.one_in(20) {
            self.ledger.post_to(self.any_port(random));
        }
    }
}
