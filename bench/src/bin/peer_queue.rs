//! Peer for posted packets: what a program would use between threads if it had no port.
//!
//! `mutex` is a `Mutex<VecDeque>` with a Condvar, notified only while somebody sleeps: the good version of it.
//! `crossbeam` is crossbeam-channel, unbounded. Threads that post stop while a backlog of packets waits, by the same
//! rule as `servers/posted_iocp.c`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

const BACKLOG: u64 = 16384;
const POSTED_AT_ONCE: u64 = 64;

/// What a port's packet carries.
#[derive(Clone, Copy)]
struct Packet {
    bytes: u32,
    key: usize,
    _overlapped: usize,
}

#[derive(Parser)]
struct Arguments {
    posters: usize,
    kind: Kind,
    workers: usize,
    milliseconds: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Mutex,
    Crossbeam,
}

trait Queue: Sync {
    fn post(&self, packet: Packet);
    fn take(&self) -> Packet;
}

#[derive(Default)]
struct Guarded {
    state: Mutex<State>,
    packets_wait: Condvar,
}

#[derive(Default)]
struct State {
    packets: VecDeque<Packet>,
    sleepers: usize,
}

impl Queue for Guarded {
    fn post(&self, packet: Packet) {
        let mut state = self.state.lock().expect("nobody panics");
        state.packets.push_back(packet);
        let someone_sleeps = state.sleepers > 0;
        drop(state);
        if someone_sleeps {
            self.packets_wait.notify_one();
        }
    }

    fn take(&self) -> Packet {
        let mut state = self.state.lock().expect("nobody panics");
        loop {
            if let Some(packet) = state.packets.pop_front() {
                return packet;
            }
            state.sleepers += 1;
            state = self.packets_wait.wait(state).expect("nobody panics");
            state.sleepers -= 1;
        }
    }
}

struct Channel {
    sender: crossbeam_channel::Sender<Packet>,
    receiver: crossbeam_channel::Receiver<Packet>,
}

impl Queue for Channel {
    fn post(&self, packet: Packet) {
        self.sender.send(packet).expect("there are receivers");
    }

    fn take(&self) -> Packet {
        self.receiver.recv().expect("there are senders")
    }
}

/// A thread's count, in a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    /// Called by the owner only.
    fn add(&self, packets: u64) {
        self.0.store(self.0.load(Relaxed) + packets, Relaxed);
    }
}

fn sum(counts: &[Count]) -> u64 {
    counts.iter().map(|count| count.0.load(Relaxed)).sum()
}

fn main() {
    let arguments = Arguments::parse();
    match arguments.kind {
        Kind::Mutex => run(&arguments, &Guarded::default()),
        Kind::Crossbeam => {
            let (sender, receiver) = crossbeam_channel::unbounded();
            run(&arguments, &Channel { sender, receiver });
        }
    }
}

fn run(arguments: &Arguments, queue: &impl Queue) {
    let counts = |len| (0..len).map(|_| Count::default()).collect::<Vec<_>>();
    let (posted, taken) = (counts(arguments.posters), counts(arguments.workers));
    std::thread::scope(|scope| {
        for own in &taken {
            scope.spawn(|| take(queue, own));
        }
        for own in &posted {
            scope.spawn(|| post(queue, own, &posted, &taken));
        }
        std::thread::sleep(Duration::from_millis(200));
        let (begin, before) = (Instant::now(), sum(&taken));
        std::thread::sleep(Duration::from_millis(arguments.milliseconds));
        let packets = (sum(&taken) - before) as f64;
        println!(
            "packets_per_s={:.0}",
            packets / begin.elapsed().as_secs_f64()
        );
        std::process::exit(0); // the others never end
    });
}

fn post(queue: &impl Queue, own: &Count, posted: &[Count], taken: &[Count]) {
    let packet = Packet {
        bytes: 1,
        key: 7,
        _overlapped: 0,
    };
    loop {
        for _ in 0..POSTED_AT_ONCE {
            queue.post(packet);
        }
        own.add(POSTED_AT_ONCE);
        while sum(posted) > sum(taken) + BACKLOG {
            std::thread::yield_now();
        }
    }
}

fn take(queue: &impl Queue, own: &Count) {
    loop {
        let packet = queue.take();
        assert!(packet.bytes == 1 && packet.key == 7);
        own.add(1);
    }
}
