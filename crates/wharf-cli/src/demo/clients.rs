//! The clients: many connections in one thread, each with one message on its way.
//!
//! A connection sends a message, waits for all of it to come back, compares it with what was sent, and starts
//! the next; the time between is the message's latency. Sockets are watched edge-triggered: a read that fills
//! less than the room it was given has emptied the socket, unless the edge said that the peer has closed.

use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::pattern::Pattern;
use super::{Plan, Until};

/// How long a server may leave everybody without an answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to sleep at most, so that the progress bar moves and time runs out on time.
const TICK: Duration = Duration::from_millis(100);

/// A latency above an hour counts as one.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;

/// Room for one read.
const SCRATCH_LEN: usize = 256 << 10;

/// How many failures are described; all are counted.
const EXAMPLES_MAX: usize = 5;

/// Connected clients.
pub struct Clients {
    poll: Poll,
    connections: Vec<Connection>,
    message_len: usize,
}

/// What came of it.
pub struct Tally {
    /// How long it took.
    pub elapsed: Duration,
    /// From the start of a message to the last byte of its echo, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Messages with a wrong byte, and connections that were lost or left without an answer.
    pub errors: u64,
    /// Some of the errors, described.
    pub examples: Vec<String>,
}

impl Clients {
    /// Opens the plan's connections.
    pub fn connect(server: SocketAddr, plan: &Plan) -> Result<Clients> {
        let poll = Poll::new().context("no epoll for the clients")?;
        let connections = (0..plan.connections)
            .map(|index| Connection::open(&poll, server, index))
            .collect::<Result<_>>()?;
        Ok(Clients {
            poll,
            connections,
            message_len: plan.message_len,
        })
    }

    /// Exchanges messages until it is enough, and then what is still on its way; `observe` sees the progress.
    pub fn exchange(mut self, until: Until, mut observe: impl FnMut(&Tally)) -> Result<Tally> {
        let started = Instant::now();
        let pattern = Pattern::new(self.message_len);
        let mut session = Session::new(pattern, Quota::new(until, started));
        let mut events = Events::with_capacity(1024);
        let mut progressed = started;

        let mut busy = self.start(&mut session);
        while busy > 0 {
            wait(&mut self.poll, &mut events)?;
            if !events.is_empty() {
                progressed = Instant::now();
            } else if progressed.elapsed() > PATIENCE {
                session.tally.count_stuck(busy);
                break;
            }
            busy -= self.advance(&events, &mut session);
            session.tally.elapsed = started.elapsed();
            observe(&session.tally);
        }
        Ok(session.tally)
    }

    /// Starts a message on every connection; the answer is on how many one is on its way.
    fn start(&mut self, session: &mut Session) -> usize {
        let mut busy = 0;
        for connection in &mut self.connections {
            connection.start_next(session);
            busy += usize::from(connection.is_busy());
        }
        busy
    }

    /// Goes on after events; the answer is how many connections are done.
    fn advance(&mut self, events: &Events, session: &mut Session) -> usize {
        let mut done = 0;
        for event in events {
            let connection = &mut self.connections[event.token().0];
            let was_busy = connection.is_busy();
            connection.advance(event, session);
            done += usize::from(was_busy && !connection.is_busy());
        }
        done
    }
}

/// What the connections share while they exchange.
struct Session {
    pattern: Pattern,
    quota: Quota,
    tally: Tally,
    /// Where bytes are received.
    scratch: Vec<u8>,
}

impl Session {
    fn new(pattern: Pattern, quota: Quota) -> Session {
        Session {
            pattern,
            quota,
            tally: Tally::new(),
            scratch: vec![0; SCRATCH_LEN],
        }
    }
}

/// Waits for something to happen, for a tick at most.
fn wait(poll: &mut Poll, events: &mut Events) -> Result<()> {
    match poll.poll(events, Some(TICK)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result.context("waiting for the server's answers"),
    }
}

impl Tally {
    fn new() -> Tally {
        let latencies =
            Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("valid bounds and digits");
        Tally {
            elapsed: Duration::ZERO,
            latencies,
            errors: 0,
            examples: Vec::new(),
        }
    }

    /// Messages that came back, right or wrong.
    pub fn messages(&self) -> u64 {
        self.latencies.len()
    }

    fn count(&mut self, connection: usize, failure: &str) {
        self.errors += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples
                .push(format!("connection {connection}: {failure}"));
        }
    }

    fn count_stuck(&mut self, connections: usize) {
        self.errors += connections as u64;
        self.examples.push(format!(
            "no answer to {connections} connections within {} s: the server is stuck",
            PATIENCE.as_secs()
        ));
    }
}

/// How many messages may still be started.
struct Quota {
    deadline: Option<Instant>,
    messages_left: u64,
}

impl Quota {
    fn new(until: Until, now: Instant) -> Quota {
        match until {
            Until::Elapsed(time) => Quota {
                deadline: Some(now + time),
                messages_left: u64::MAX,
            },
            Until::Messages(messages) => Quota {
                deadline: None,
                messages_left: messages,
            },
        }
    }

    /// Whether one more may be started at `now`.
    fn take(&mut self, now: Instant) -> bool {
        if self.messages_left == 0 || self.deadline.is_some_and(|deadline| now >= deadline) {
            return false;
        }
        self.messages_left -= 1;
        true
    }
}

/// One client.
struct Connection {
    stream: TcpStream,
    index: usize,
    /// The message on its way, if there is one.
    exchange: Option<Exchange>,
    /// Messages exchanged so far.
    exchanged: u64,
}

/// A message on its way out and back.
struct Exchange {
    started: Instant,
    sent: usize,
    received: usize,
    /// Whether all bytes were right so far; a message is counted as wrong once.
    intact: bool,
}

impl Connection {
    fn open(poll: &Poll, server: SocketAddr, index: usize) -> Result<Connection> {
        let stream = net::TcpStream::connect_timeout(&server, PATIENCE).with_context(|| {
            format!("connection {index} to the server at {server} was not accepted; is this machine short of ports?")
        })?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok(Connection {
            stream,
            index,
            exchange: None,
            exchanged: 0,
        })
    }

    /// Whether a message is on its way.
    fn is_busy(&self) -> bool {
        self.exchange.is_some()
    }

    /// Starts a message, if one is left.
    fn start_next(&mut self, session: &mut Session) {
        let now = Instant::now();
        if !session.quota.take(now) {
            return;
        }
        self.exchange = Some(Exchange {
            started: now,
            sent: 0,
            received: 0,
            intact: true,
        });
        if let Err(error) = self.send(&session.pattern) {
            self.give_up(&format!("sending failed: {error}"), &mut session.tally);
        }
    }

    /// Goes on after an event.
    fn advance(&mut self, event: &Event, session: &mut Session) {
        if event.is_writable()
            && let Err(error) = self.send(&session.pattern)
        {
            return self.give_up(&format!("sending failed: {error}"), &mut session.tally);
        }
        if !event.is_readable() || !self.is_busy() {
            return;
        }
        match self.receive(event.is_read_closed(), session) {
            Ok(Received::Part) => {}
            Ok(Received::All) => self.start_next(session),
            Err(error) => self.give_up(&format!("receiving failed: {error}"), &mut session.tally),
        }
    }

    /// Counts the connection as lost.
    fn give_up(&mut self, failure: &str, tally: &mut Tally) {
        self.exchange = None;
        tally.count(self.index, failure);
    }

    /// Sends what the socket takes of the current message.
    fn send(&mut self, pattern: &Pattern) -> io::Result<()> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(());
        };
        let message = pattern.message(self.index, self.exchanged);
        while exchange.sent < message.len() {
            match self.stream.write(&message[exchange.sent..]) {
                Ok(written) => exchange.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives what is there.
    fn receive(&mut self, closed: bool, session: &mut Session) -> io::Result<Received> {
        loop {
            let len = match self.stream.read(&mut session.scratch) {
                Ok(0) => return Err(io::Error::other("the server closed the connection")),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Part);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let received = self.verify(len, session)?;
            let is_emptied = len < session.scratch.len() && !closed;
            if is_emptied || matches!(received, Received::All) {
                return Ok(received);
            }
        }
    }

    /// Compares the `len` bytes just received with what was sent.
    fn verify(&mut self, len: usize, session: &mut Session) -> io::Result<Received> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(Received::Part);
        };
        let message = session.pattern.message(self.index, self.exchanged);
        let Some(expected) = message.get(exchange.received..exchange.received + len) else {
            return Err(io::Error::other("more bytes came back than were sent"));
        };
        if exchange.intact
            && let Some(at) = first_difference(&session.scratch[..len], expected)
        {
            exchange.intact = false;
            let place = exchange.received + at;
            session.tally.count(
                self.index,
                &format!("byte {place} of message {} is wrong", self.exchanged),
            );
        }
        exchange.received += len;
        if exchange.received < message.len() {
            return Ok(Received::Part);
        }
        let latency = exchange.started.elapsed();
        session
            .tally
            .latencies
            .saturating_record(latency.as_nanos() as u64);
        self.exchange = None;
        self.exchanged += 1;
        Ok(Received::All)
    }
}

/// How much of the current message has come back.
enum Received {
    Part,
    All,
}

/// Where two slices of the same length first differ.
fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == right {
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
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    /// A server that hands each connection to `serve` in a thread of its own, for as long as the test runs.
    fn server(serve: fn(net::TcpStream) -> io::Result<()>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream));
            }
        });
        address
    }

    /// Echoes until the peer is done; `alter` may change each piece.
    fn echo(mut stream: net::TcpStream, mut alter: impl FnMut(&mut [u8])) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let len = stream.read(&mut buffer)?;
            if len == 0 {
                return Ok(());
            }
            alter(&mut buffer[..len]);
            stream.write_all(&buffer[..len])?;
        }
    }

    fn exchange(
        server: SocketAddr,
        connections: usize,
        message_len: usize,
        messages: u64,
    ) -> Tally {
        let until = Until::Messages(messages);
        let plan = Plan {
            connections,
            message_len,
            until,
            workers: 1,
        };
        let clients = Clients::connect(server, &plan).expect("connections");
        clients.exchange(until, |_| ()).expect("an exchange")
    }

    #[test]
    fn exactly_the_messages_asked_for_are_exchanged() {
        let tally = exchange(server(|stream| echo(stream, |_| ())), 5, 64, 1_001);
        assert_eq!((tally.messages(), tally.errors), (1_001, 0));
        assert!(
            tally.latencies.min() > 1_000,
            "no echo takes less than a microsecond"
        );
    }

    #[test]
    fn messages_larger_than_the_sockets_buffers_pass() {
        let tally = exchange(server(|stream| echo(stream, |_| ())), 3, 8 << 20, 6);
        assert_eq!((tally.messages(), tally.errors), (6, 0));
    }

    #[test]
    fn a_time_that_is_over_ends_the_exchange() {
        let until = Until::Elapsed(Duration::from_millis(50));
        let plan = Plan {
            connections: 2,
            message_len: 10,
            until,
            workers: 1,
        };
        let clients =
            Clients::connect(server(|stream| echo(stream, |_| ())), &plan).expect("connections");
        let tally = clients.exchange(until, |_| ()).expect("an exchange");
        assert!(tally.messages() > 0 && tally.elapsed >= Duration::from_millis(50));
        assert_eq!(tally.errors, 0);
    }

    #[test]
    fn a_wrong_byte_is_counted_and_described() {
        let tally = exchange(
            server(|stream| echo(stream, |piece| piece[3] ^= 1)),
            1,
            64,
            2,
        );
        assert_eq!((tally.messages(), tally.errors), (2, 2));
        assert_eq!(
            tally.examples[0],
            "connection 0: byte 3 of message 0 is wrong"
        );
    }

    #[test]
    fn a_server_that_closes_loses_its_connections() {
        let tally = exchange(server(|stream| stream.shutdown(Shutdown::Both)), 3, 64, 100);
        assert_eq!((tally.messages(), tally.errors), (0, 3));
        assert!(tally.examples[0].contains("closed"), "{:?}", tally.examples);
    }

    #[test]
    fn bytes_that_were_never_sent_are_an_error() {
        let doubled = |mut stream: net::TcpStream| {
            let mut buffer = [0; 64];
            stream.read_exact(&mut buffer)?;
            stream.write_all(&[buffer, buffer].concat())
        };
        let tally = exchange(server(doubled), 1, 64, 1);
        assert_eq!(tally.errors, 1);
        assert!(
            tally.examples[0].contains("more bytes"),
            "{:?}",
            tally.examples
        );
    }

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
    }
}
