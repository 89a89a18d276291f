//! One client: messages on their way out and back.
//!
//! Its socket is watched edge-triggered: a read that fills less than the room it was given has emptied the socket,
//! unless the edge said that the peer has closed.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::Exchange;
use super::tally::Failure;

/// How many messages one call sends at most.
const MESSAGES_AT_ONCE: usize = 16;

/// How many messages without answers a connection may send in a row while others wait.
const TURN: usize = 64;

/// One client.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    index: usize,
    is_lost: bool,
    /// It has more to send, and lets others go first.
    is_waiting: bool,
    /// Messages that did not begin yet though they are due, and since when.
    due: VecDeque<Instant>,
    /// Since when the messages are under way that have begun, the oldest first.
    under_way: VecDeque<Instant>,
    /// What will be sent next.
    sent: Position,
    /// What will come back next.
    received: Position,
    /// Messages that have begun, ever.
    begun: u64,
    /// Whether all bytes of the message that comes back were right so far; it is counted as wrong once.
    is_intact: bool,
}

/// A place in all that a connection sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    message: u64,
    offset: usize,
}

impl Position {
    /// Goes on by `bytes` of one message of `len`; whether it ends with them.
    fn advance(&mut self, bytes: usize, len: usize) -> bool {
        self.offset += bytes;
        let is_end = self.offset == len;
        if is_end {
            *self = Position {
                message: self.message + 1,
                offset: 0,
            };
        }
        is_end
    }
}

/// Why a connection is lost.
struct Loss(Failure, String);

impl Loss {
    fn new(what: &str, error: &io::Error) -> Loss {
        Loss(Failure::of(error), format!("{what} failed: {error}"))
    }
}

impl Connection {
    /// Connects.
    pub fn open(
        registry: &Registry,
        server: SocketAddr,
        index: usize,
        patience: Duration,
    ) -> Result<Connection> {
        let stream = net::TcpStream::connect_timeout(&server, patience)
            .map_err(|error| not_connected(error, server, index))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, Token(index), interest)?;
        Ok(Connection {
            stream,
            index,
            is_lost: false,
            is_waiting: false,
            due: VecDeque::new(),
            under_way: VecDeque::new(),
            sent: Position::default(),
            received: Position::default(),
            begun: 0,
            is_intact: true,
        })
    }

    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// How many messages are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// A message is due since `since`.
    pub fn add_due(&mut self, since: Instant) {
        self.due.push_back(since);
    }

    /// Gives up what is due and did not begin; tells how much that is.
    pub fn drop_due(&mut self) -> usize {
        std::mem::take(&mut self.due).len()
    }

    /// Whether something is due.
    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Begins the messages that may begin, and sends what the socket takes.
    pub fn pump(&mut self, exchange: &mut Exchange) {
        if self.is_lost || self.is_waiting {
            return;
        }
        let turn = self.begun + TURN as u64;
        loop {
            self.begin(exchange);
            match self.send(exchange) {
                Ok(true)
                    if exchange.answers
                        || self.under_way.is_empty() && !self.may_begin(exchange) =>
                {
                    return;
                }
                Ok(true) if self.begun >= turn => {
                    self.is_waiting = true;
                    return exchange.waiting.push(self.index);
                }
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.lose(Loss::new("sending", &error), exchange),
            }
        }
    }

    /// Goes on after others had their turn.
    pub fn pump_again(&mut self, exchange: &mut Exchange) {
        self.is_waiting = false;
        self.pump(exchange);
    }

    fn may_begin(&self, exchange: &Exchange) -> bool {
        if exchange.pace.is_closed_loop() {
            !exchange.pace.is_over(Instant::now())
        } else {
            !self.due.is_empty()
        }
    }

    fn begin(&mut self, exchange: &mut Exchange) {
        let is_closed_loop = exchange.pace.is_closed_loop();
        while self.under_way.len() < exchange.pipelining {
            let since = if is_closed_loop {
                let now = Instant::now();
                exchange.pace.take(now).then_some(now)
            } else {
                self.due.pop_front()
            };
            let Some(since) = since else { return };
            self.under_way.push_back(since);
            self.begun += 1;
            exchange.under_way += 1;
        }
    }

    /// Sends what the socket takes; whether that is everything that has begun.
    fn send(&mut self, exchange: &mut Exchange) -> io::Result<bool> {
        while self.sent.message < self.begun {
            let first =
                &exchange.pattern.message(self.index, self.sent.message)[self.sent.offset..];
            let written = if self.sent.message + 1 == self.begun {
                self.stream.write(first)
            } else {
                let mut slices = [IoSlice::new(&[]); MESSAGES_AT_ONCE];
                slices[0] = IoSlice::new(first);
                let others = self.sent.message + 1..self.begun;
                let count = 1 + slices[1..]
                    .iter_mut()
                    .zip(others)
                    .map(|(slice, number)| {
                        *slice = IoSlice::new(exchange.pattern.message(self.index, number));
                    })
                    .count();
                self.stream.write_vectored(&slices[..count])
            };
            match written {
                Ok(bytes) => self.count_sent(bytes, exchange),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn count_sent(&mut self, mut bytes: usize, exchange: &mut Exchange) {
        exchange.tally.bytes_sent += bytes as u64;
        exchange.progress = true;
        while bytes > 0 {
            let piece = bytes.min(exchange.message_len - self.sent.offset);
            bytes -= piece;
            let is_end = self.sent.advance(piece, exchange.message_len);
            if is_end && !exchange.answers {
                self.finish_oldest(exchange);
            }
        }
    }

    /// The oldest message that is under way is over.
    fn finish_oldest(&mut self, exchange: &mut Exchange) {
        if let Some(since) = self.under_way.pop_front() {
            exchange.tally.record(since.elapsed());
            exchange.under_way -= 1;
        }
    }

    /// Goes on after an event.
    pub fn advance(&mut self, event: &Event, exchange: &mut Exchange) {
        if self.is_lost {
            return;
        }
        if event.is_readable() {
            match self.receive(event.is_read_closed(), exchange) {
                Ok(()) => {}
                Err(loss) => return self.lose(loss, exchange),
            }
        }
        self.pump(exchange);
    }

    /// Receives what is there.
    fn receive(&mut self, closed: bool, exchange: &mut Exchange) -> Result<(), Loss> {
        let mut scratch = std::mem::take(&mut exchange.scratch);
        let received = self.receive_into(&mut scratch, closed, exchange);
        exchange.scratch = scratch;
        received
    }

    fn receive_into(
        &mut self,
        scratch: &mut [u8],
        closed: bool,
        exchange: &mut Exchange,
    ) -> Result<(), Loss> {
        loop {
            let bytes = match self.stream.read(scratch) {
                Ok(0) => {
                    return Err(Loss(
                        Failure::Closed,
                        "the server closed the connection".into(),
                    ));
                }
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Loss::new("receiving", &error)),
            };
            exchange.tally.bytes_received += bytes as u64;
            exchange.progress = true;
            self.verify(&scratch[..bytes], exchange)?;
            if bytes < scratch.len() && !closed {
                return Ok(());
            }
        }
    }

    /// Compares what has just come back with what was sent.
    fn verify(&mut self, mut bytes: &[u8], exchange: &mut Exchange) -> Result<(), Loss> {
        if !exchange.answers {
            return Err(Loss(
                Failure::SurplusBytes,
                "the server answered, though it was to discard".into(),
            ));
        }
        while !bytes.is_empty() {
            let place = self.received;
            let message = exchange.pattern.message(self.index, place.message);
            let expected = &message[place.offset..];
            let (piece, rest) = bytes.split_at(bytes.len().min(expected.len()));
            bytes = rest;
            let is_end = self.received.advance(piece.len(), message.len());
            if self.received > self.sent {
                return Err(Loss(
                    Failure::SurplusBytes,
                    "more bytes came back than were sent".into(),
                ));
            }
            if self.is_intact
                && let Some(at) = first_difference(piece, expected)
            {
                self.is_intact = false;
                let wrong = format!(
                    "byte {} of message {} is wrong",
                    place.offset + at,
                    place.message
                );
                exchange
                    .tally
                    .count(self.index, Failure::WrongBytes, &wrong);
            }
            if is_end {
                self.is_intact = true;
                self.finish_oldest(exchange);
            }
        }
        Ok(())
    }

    /// Ends the connection; that counts as a failure unless there was nothing more to do.
    fn lose(&mut self, loss: Loss, exchange: &mut Exchange) {
        let is_done = self.under_way.is_empty()
            && self.due.is_empty()
            && exchange.pace.is_over(Instant::now());
        if is_done && loss.0 != Failure::SurplusBytes {
            self.abandon(exchange);
        } else {
            self.fail(loss, exchange);
        }
    }

    /// Counts the connection as stuck.
    pub fn give_up(&mut self, description: &str, exchange: &mut Exchange) {
        self.fail(Loss(Failure::Stalled, description.into()), exchange);
    }

    /// Nothing more is to be expected of it.
    pub fn abandon(&mut self, exchange: &mut Exchange) {
        self.is_lost = true;
        let _ = self.stream.shutdown(Shutdown::Both); // it may be gone already
        exchange.under_way -= self.under_way.len() as u64;
        exchange.tally.messages_unanswered += self.under_way.len() as u64;
        exchange.tally.messages_not_sent += self.due.len() as u64;
        self.under_way.clear();
        self.due.clear();
    }

    /// Says that nothing more will be sent.
    pub fn shut_down(&mut self, exchange: &mut Exchange) {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            self.fail(Loss::new("shutting down", &error), exchange);
        }
    }

    /// Looks whether the server has closed its side; if it did anything else, that is a failure.
    pub fn await_end(&mut self, exchange: &mut Exchange) {
        if self.is_lost {
            return;
        }
        match self.receive(true, exchange) {
            Ok(()) => {}
            Err(Loss(Failure::Closed, _)) => self.abandon(exchange),
            Err(loss) => self.fail(loss, exchange),
        }
    }

    fn fail(&mut self, Loss(failure, description): Loss, exchange: &mut Exchange) {
        exchange.tally.count(self.index, failure, &description);
        self.abandon(exchange);
    }
}

/// Why there is no connection, and what to do.
fn not_connected(error: io::Error, server: SocketAddr, index: usize) -> anyhow::Error {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, TimedOut};
    let remedy = match error.kind() {
        ConnectionRefused => format!("nobody listens there; start a server, such as `wharf serve --listen {server}`"),
        AddrNotAvailable => "this machine has no more ports for connections to that address; ask for fewer with --connections".into(),
        TimedOut => "nobody answers there; is the address right, or does a firewall drop the packets?".into(),
        _ => "is the address right?".into(),
    };
    anyhow::Error::new(error).context(format!("connection {index} to {server} failed: {remedy}"))
}

/// Where two slices, of which the second may be longer, first differ.
fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == &right[..left.len()] {
        None
    } else {
        left.iter()
            .zip(right)
            .position(|(left, right)| left != right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"ab", b"abd"), None);
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
    }
}
