//! Echo and its relatives: each connection has `depth` messages under way, and sends the next when an answer is back.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bench::message::{Orders, STAMP_LEN, Verifier, handled_at_ns, stamp, template};
use bench::server::now_ns;
use bench::{Measurement, net};

use crate::Arguments;
use crate::stalls::{Handled, Recorder};
use crate::turns::Turns;
use crate::uring::Clients;
use crate::window::Window;

/// One connection: what it sent and what it waits for.
struct Connection {
    verifier: Verifier,
    sent: u32,
    answered: u32,
    sent_at: Vec<Instant>, // of the messages under way, by sequence modulo depth
    sent_at_ns: u64, // the same by the clock of the answers; only with orders, so of one message
    orders: Orders,  // of that message
}

struct Loop<'a> {
    arguments: &'a Arguments,
    clients: Clients,
    connections: Vec<Connection>,
    window: Window,
    recorder: Recorder,
    messages: u64,
    /// Connections that may send, once for each message; used while it is not this generator's turn.
    owed: Vec<usize>,
    under_way: usize,
    /// When to stop sending.
    turn_ends: Option<Instant>,
}

pub fn run(arguments: &Arguments) -> Result<Measurement> {
    let mut sockets = Vec::new();
    for index in 0..arguments.connections {
        sockets.push(
            net::connection(index, arguments.port)
                .with_context(|| format!("connection {index}"))?,
        );
    }
    run_on(arguments, sockets, None)
}

/// The same on sockets that are connected already, or send to `server`.
pub fn run_on(
    arguments: &Arguments,
    sockets: Vec<OwnedFd>,
    server: Option<libc::sockaddr_in>,
) -> Result<Measurement> {
    let now = Instant::now();
    let connection = |index| Connection {
        verifier: Verifier::new(
            index as u32,
            arguments.message_bytes,
            arguments.with_orders(),
        ),
        sent: 0,
        answered: 0,
        sent_at: vec![now; arguments.depth],
        sent_at_ns: 0,
        orders: Orders::default(),
    };
    let mut this = Loop {
        arguments,
        clients: Clients::new(
            sockets,
            &template(arguments.message_bytes),
            arguments.depth,
            server,
        )?,
        connections: (0..arguments.connections).map(connection).collect(),
        window: Window::new(arguments),
        recorder: Recorder::default(),
        messages: 0,
        owed: (0..arguments.connections)
            .flat_map(|index| vec![index; arguments.depth])
            .collect(),
        under_way: 0,
        turn_ends: None,
    };
    let end = match &arguments.turns {
        Some(turns) => this.in_turns(turns)?,
        None => this.until_over()?,
    };
    ensure!(
        this.connections.iter().all(|one| !one.waits_since(end)),
        "stalled: a message was lost"
    );
    let mut measurement = this.window.close(end)?;
    if arguments.stall_every.is_some() {
        measurement.stalls = this.recorder.summary();
    }
    Ok(measurement)
}

impl Connection {
    /// Whether an answer is missing for longer than any answer takes.
    fn waits_since(&self, end: Instant) -> bool {
        let oldest = self.sent_at[self.answered as usize % self.sent_at.len()];
        self.sent > self.answered && end.saturating_duration_since(oldest) > LOST
    }
}

/// An answer that takes longer does not come any more.
const LOST: Duration = Duration::from_secs(1);

impl Loop<'_> {
    fn until_over(&mut self) -> Result<Instant> {
        self.send_owed()?;
        loop {
            let arrivals = self.clients.wait()?;
            let now = Instant::now();
            if self.window.is_over(now)? {
                return Ok(now);
            }
            for index in 0..arrivals {
                self.take(index, now)?;
            }
        }
    }

    /// The same in slices of time; between them the other generators have theirs.
    fn in_turns(&mut self, turns: &Turns) -> Result<Instant> {
        let warm_up = turns.number_for(self.arguments.warm_up_seconds);
        let counted = turns.number_for(self.arguments.seconds);
        for turn in 0..warm_up + counted {
            self.turn_ends = Some(turns.wait_for_next());
            if turn >= warm_up {
                self.window.resume(Instant::now())?;
            }
            self.send_owed()?;
            while self.under_way > 0 {
                let arrivals = self.clients.wait()?;
                let now = Instant::now();
                for index in 0..arrivals {
                    self.take(index, now)?;
                }
                turns.ensure_not_stuck(self.turn_ends)?;
            }
            self.window.pause(Instant::now())?;
        }
        Ok(Instant::now())
    }

    fn send_owed(&mut self) -> Result<()> {
        for index in std::mem::take(&mut self.owed) {
            self.send(index, Instant::now())?;
        }
        Ok(())
    }

    /// Checks what arrived and sends as many messages as were answered.
    fn take(&mut self, arrival: usize, now: Instant) -> Result<()> {
        let (index, bytes) = self.clients.arrival(arrival);
        let connection = &mut self.connections[index];
        let answers = connection.verifier.check(bytes);
        let answers = answers
            .map_err(|_| anyhow!("connection {index}: what came back is not what was sent"))?;
        if self.arguments.with_orders() && answers == 1 && self.window.is_open() {
            self.recorder.record(Handled {
                sent_at_ns: connection.sent_at_ns,
                handled_at_ns: handled_at_ns(bytes),
                arrived_at_ns: now_ns(),
                stall: connection
                    .orders
                    .lasting()
                    .max(Duration::from_micros(self.arguments.compute_us)),
            });
        }
        for _ in 0..answers {
            let connection = &mut self.connections[index];
            let depth = connection.sent_at.len();
            self.window
                .record(now - connection.sent_at[connection.answered as usize % depth]);
            connection.answered += 1;
            self.under_way -= 1;
            match self.turn_ends {
                Some(end) if now >= end => self.owed.push(index),
                _ => self.send(index, now)?,
            }
        }
        Ok(())
    }

    fn send(&mut self, index: usize, now: Instant) -> Result<()> {
        self.messages += 1;
        self.under_way += 1;
        let connection = &mut self.connections[index];
        let sequence = connection.sent;
        connection.sent += 1;
        let depth = connection.sent_at.len();
        connection.sent_at[sequence as usize % depth] = now;
        let message = self.clients.message(index, sequence);
        message[..STAMP_LEN].copy_from_slice(&stamp(index as u32, sequence));
        if self.arguments.with_orders() {
            let stalls = self
                .arguments
                .stall_every
                .is_some_and(|every| self.messages.is_multiple_of(every));
            connection.orders = match stalls {
                true => self.arguments.stall(),
                false => Orders {
                    compute: Duration::from_micros(self.arguments.compute_us),
                    ..Orders::default()
                },
            };
            connection.sent_at_ns = now_ns();
            connection.orders.write(message);
        }
        self.clients.send(index, sequence)
    }
}
