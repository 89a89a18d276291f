//! The clients: many connections in one thread, each with one message or several on their way.
//!
//! A connection sends messages, compares what comes back with what was sent, and starts the next: as soon as there is
//! room for one, or when it is due. They are plain sockets of the operating system, so that they can be pointed at
//! any server.

mod connection;
mod pace;
mod pattern;
mod tally;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};

use connection::Connection;
use pace::{Alarm, Pace};
use pattern::Pattern;
pub use tally::{Failure, Tally};

/// How long to sleep at most, so that the progress bar moves and time runs out on time.
const TICK: Duration = Duration::from_millis(100);

/// Room for one read.
const SCRATCH_LEN: usize = 256 << 10;

/// What the timer of a rate reports with; no connection has such a number.
const ALARM: Token = Token(usize::MAX);

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections, all open at once.
    pub connections: usize,
    /// Bytes in a message.
    pub message_len: usize,
    /// How many messages a connection may have under way.
    pub pipelining: usize,
    /// When to stop.
    pub until: Until,
    /// Messages for each second, over all connections; `None`: as many as are answered.
    pub rate: Option<f64>,
    /// Whether the server sends everything back.
    pub answers: bool,
    /// How long a server may leave everybody without an answer before it counts as stuck.
    pub patience: Duration,
}

/// When enough was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After that time.
    Elapsed(Duration),
    /// After that many messages.
    Messages(u64),
}

/// Connected clients.
#[derive(Debug)]
pub struct Clients {
    poll: Poll,
    connections: Vec<Connection>,
    load: Load,
}

/// What the connections share while they exchange.
#[derive(Debug)]
struct Exchange {
    pattern: Pattern,
    pace: Pace,
    tally: Tally,
    message_len: usize,
    pipelining: usize,
    answers: bool,
    /// Messages under way, over all connections.
    under_way: u64,
    /// Whether a byte was moved since somebody looked.
    progress: bool,
    /// Connections that have more to send, and let others go first.
    waiting: Vec<usize>,
    /// Where bytes are received.
    scratch: Vec<u8>,
}

impl Clients {
    /// Opens the connections; `progress` is told how many there are.
    ///
    /// # Errors
    /// If one is not accepted: why, and what to do.
    pub fn connect(server: SocketAddr, load: &Load, progress: impl Fn(u64)) -> Result<Clients> {
        let poll = Poll::new().context("no epoll for the clients")?;
        let connections = (0..load.connections)
            .map(|index| {
                progress(index as u64);
                Connection::open(poll.registry(), server, index, load.patience)
            })
            .collect::<Result<_>>()?;
        Ok(Clients {
            poll,
            connections,
            load: *load,
        })
    }

    /// Exchanges messages until it is enough, and then what is still on its way. `go_on` sees the progress: when it
    /// says no for the first time, no more messages begin; after the second nothing is waited for.
    ///
    /// # Errors
    /// If the system fails to tell of events. What goes wrong with the server is in the tally.
    pub fn exchange(mut self, mut go_on: impl FnMut(&Tally) -> bool) -> Result<Tally> {
        let alarm = match self.load.rate {
            Some(_) => Some(Alarm::new(self.poll.registry(), ALARM)?),
            None => None,
        };
        let started = Instant::now();
        let mut exchange = Exchange::new(&self.load, started);
        let mut events = Events::with_capacity(1024);
        let mut progressed = started;
        let mut is_stopped = false;

        self.pump_all(&mut exchange);
        while !self.is_over(&exchange) {
            self.wait(&mut events, alarm.as_ref(), &exchange)?;
            self.advance(&events, &mut exchange);
            let now = Instant::now();
            if std::mem::take(&mut exchange.progress) || exchange.under_way == 0 {
                progressed = now;
            } else if now - progressed > self.load.patience {
                self.give_up_on_stuck(&mut exchange);
            }
            exchange.tally.elapsed = now - started;
            if !go_on(&exchange.tally) {
                if is_stopped {
                    break;
                }
                is_stopped = true;
                exchange.pace.end();
                self.drop_due(&mut exchange);
            }
        }
        if !self.load.answers {
            self.await_end(&mut events, &mut exchange)?;
            exchange.tally.elapsed = started.elapsed();
        }
        self.abandon_all(&mut exchange);
        Ok(exchange.tally)
    }

    fn pump_all(&mut self, exchange: &mut Exchange) {
        for connection in &mut self.connections {
            connection.pump(exchange);
        }
    }

    /// Whether nothing more begins, and nothing is under way; or nobody is left.
    fn is_over(&self, exchange: &Exchange) -> bool {
        if exchange.under_way > 0 {
            return false;
        }
        let is_done = match self.load.rate {
            None => exchange.pace.is_over(Instant::now()),
            Some(_) => {
                exchange.pace.next_due().is_none()
                    && !self.connections.iter().any(Connection::has_due)
            }
        };
        is_done || self.connections.iter().all(Connection::is_lost)
    }

    /// Waits for something to happen, or to be due, for a tick at most.
    fn wait(
        &mut self,
        events: &mut Events,
        alarm: Option<&Alarm>,
        exchange: &Exchange,
    ) -> Result<()> {
        let mut timeout = TICK;
        if !exchange.waiting.is_empty() {
            timeout = Duration::ZERO;
        } else if let (Some(alarm), Some(due)) = (alarm, exchange.pace.next_due()) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                timeout = left;
            } else if left < TICK {
                alarm.set(left)?;
            }
        }
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result.context("waiting for the server's answers"),
        }
    }

    /// Goes on after events, with those that let others go first, and with what is due.
    fn advance(&mut self, events: &Events, exchange: &mut Exchange) {
        for index in std::mem::take(&mut exchange.waiting) {
            self.connections[index].pump_again(exchange);
        }
        for event in events.iter().filter(|event| event.token() != ALARM) {
            self.connections[event.token().0].advance(event, exchange);
        }
        let now = Instant::now();
        while let Some((number, since)) = exchange.pace.take_due(now) {
            let first = (number % self.connections.len() as u64) as usize;
            let (before, from) = self.connections.split_at_mut(first);
            let mut candidates = from.iter_mut().chain(before);
            match candidates.find(|connection| !connection.is_lost()) {
                Some(connection) => {
                    connection.add_due(since);
                    connection.pump(exchange);
                }
                None => exchange.tally.messages_not_sent += 1,
            }
        }
        if self.load.rate.is_some() && exchange.pace.gives_up(now) {
            self.drop_due(exchange);
        }
    }

    /// Gives up what is due and did not begin.
    fn drop_due(&mut self, exchange: &mut Exchange) {
        let dropped: usize = self.connections.iter_mut().map(Connection::drop_due).sum();
        exchange.tally.messages_not_sent += dropped as u64;
    }

    fn give_up_on_stuck(&mut self, exchange: &mut Exchange) {
        let seconds = self.load.patience.as_secs_f64();
        for connection in &mut self.connections {
            let messages = connection.under_way();
            if messages > 0 {
                let done = if self.load.answers {
                    "answered"
                } else {
                    "taken"
                };
                let stuck = format!("{messages} messages were not {done} within {seconds} s");
                connection.give_up(&stuck, exchange);
            }
        }
    }

    /// Without answers: says that there is nothing more, and waits until the server, which has received all of it
    /// then, says so too.
    fn await_end(&mut self, events: &mut Events, exchange: &mut Exchange) -> Result<()> {
        let is_open = |connection: &&mut Connection| !connection.is_lost();
        for connection in self.connections.iter_mut().filter(is_open) {
            connection.shut_down(exchange);
            connection.await_end(exchange); // the edge may have been seen before
        }
        let deadline = Instant::now() + self.load.patience;
        while !self.connections.iter().all(Connection::is_lost) && Instant::now() < deadline {
            self.wait(events, None, exchange)?;
            for event in events.iter().filter(|event| event.token() != ALARM) {
                self.connections[event.token().0].await_end(exchange);
            }
        }
        let seconds = self.load.patience.as_secs_f64();
        let stuck = format!("the server has not closed it within {seconds} s after its end");
        for connection in self.connections.iter_mut().filter(is_open) {
            connection.give_up(&stuck, exchange);
        }
        Ok(())
    }

    /// What is left has no more to expect.
    fn abandon_all(&mut self, exchange: &mut Exchange) {
        let is_open = |connection: &&mut Connection| !connection.is_lost();
        for connection in self.connections.iter_mut().filter(is_open) {
            connection.abandon(exchange);
        }
    }
}

impl Exchange {
    fn new(load: &Load, now: Instant) -> Exchange {
        Exchange {
            pattern: Pattern::new(load.message_len),
            pace: Pace::new(load.until, load.rate, now),
            tally: Tally::new(),
            message_len: load.message_len,
            pipelining: load.pipelining,
            answers: load.answers,
            under_way: 0,
            progress: false,
            waiting: Vec::new(),
            scratch: vec![0; SCRATCH_LEN],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    /// A server that hands each connection to `serve` in a thread of its own, for as long as the test runs.
    fn server(serve: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
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
    fn echo(mut stream: TcpStream, mut alter: impl FnMut(&mut [u8])) -> io::Result<()> {
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

    fn load(connections: usize, message_len: usize, messages: u64) -> Load {
        Load {
            connections,
            message_len,
            pipelining: 1,
            until: Until::Messages(messages),
            rate: None,
            answers: true,
            patience: Duration::from_secs(30),
        }
    }

    fn exchange(server: SocketAddr, load: &Load) -> Tally {
        let clients = Clients::connect(server, load, |_| ()).expect("connections");
        clients.exchange(|_| true).expect("an exchange")
    }

    /// Receives until the peer is done.
    fn discard(mut stream: TcpStream) -> io::Result<()> {
        io::copy(&mut stream, &mut io::sink()).map(drop)
    }

    #[test]
    fn exactly_the_messages_asked_for_are_exchanged() {
        let tally = exchange(server(|stream| echo(stream, |_| ())), &load(5, 64, 1_001));
        assert_eq!((tally.messages(), tally.errors), (1_001, 0));
        assert!(
            tally.latencies.min() > 1_000,
            "no echo takes less than a microsecond"
        );
    }

    #[test]
    fn messages_larger_than_the_sockets_buffers_pass() {
        let tally = exchange(server(|stream| echo(stream, |_| ())), &load(3, 8 << 20, 6));
        assert_eq!((tally.messages(), tally.errors), (6, 0));
    }

    #[test]
    fn a_time_that_is_over_ends_the_exchange() {
        let load = Load {
            until: Until::Elapsed(Duration::from_millis(50)),
            ..load(2, 10, 0)
        };
        let tally = exchange(server(|stream| echo(stream, |_| ())), &load);
        assert!(tally.messages() > 0 && tally.elapsed >= Duration::from_millis(50));
        assert_eq!(tally.errors, 0);
    }

    #[test]
    fn a_wrong_byte_is_counted_and_described() {
        let tally = exchange(
            server(|stream| echo(stream, |piece| piece[3] ^= 1)),
            &load(1, 64, 2),
        );
        assert_eq!((tally.messages(), tally.errors), (2, 2));
        assert_eq!(
            tally.examples[0],
            "connection 0: byte 3 of message 0 is wrong"
        );
    }

    #[test]
    fn a_server_that_closes_loses_its_connections() {
        let tally = exchange(
            server(|stream| stream.shutdown(Shutdown::Both)),
            &load(3, 64, 100),
        );
        assert_eq!((tally.messages(), tally.errors), (0, 3));
        assert!(tally.examples[0].contains("closed"), "{:?}", tally.examples);
    }

    #[test]
    fn bytes_that_were_never_sent_are_an_error() {
        let doubled = |mut stream: TcpStream| {
            let mut buffer = [0; 64];
            stream.read_exact(&mut buffer)?;
            stream.write_all(&[buffer, buffer].concat())
        };
        let tally = exchange(server(doubled), &load(1, 64, 1));
        assert_eq!(tally.errors, 1);
        assert!(
            tally.examples[0].contains("more bytes"),
            "{:?}",
            tally.examples
        );
    }

    #[test]
    fn many_messages_on_their_way_keep_their_order() {
        for pipelining in [2, 16, 17, 100] {
            let load = Load {
                pipelining,
                ..load(3, 100, 5_000)
            };
            let tally = exchange(server(|stream| echo(stream, |_| ())), &load);
            assert_eq!((tally.messages(), tally.errors), (5_000, 0));
            assert_eq!((tally.bytes_sent, tally.bytes_received), (500_000, 500_000));
        }
    }

    #[test]
    fn without_answers_every_byte_is_taken() {
        for rate in [None, Some(1e6)] {
            let load = Load {
                answers: false,
                pipelining: 7,
                rate,
                ..load(3, 1_000, 10_000)
            };
            let tally = exchange(server(discard), &load);
            assert_eq!((tally.messages(), tally.errors), (10_000, 0));
            assert_eq!((tally.bytes_sent, tally.bytes_received), (10_000_000, 0));
        }
    }

    #[test]
    fn an_answer_where_none_is_expected_is_an_error() {
        let load = Load {
            answers: false,
            ..load(1, 64, 10)
        };
        let tally = exchange(server(|stream| echo(stream, |_| ())), &load);
        assert_eq!(tally.errors_by_kind[&Failure::SurplusBytes], 1);
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let load = Load {
            patience: Duration::from_millis(300),
            pipelining: 3,
            ..load(2, 64, 100)
        };
        let tally = exchange(server(discard), &load);
        assert_eq!((tally.errors, tally.messages_unanswered), (2, 6));
        assert_eq!(tally.errors_by_kind[&Failure::Stalled], 2);
    }

    /// With a rate, a server that is slow once makes all messages late that were due meanwhile.
    #[test]
    fn latencies_count_from_when_a_message_was_due() {
        let slow_once = |mut stream: TcpStream| {
            let mut message = [0; 64];
            stream.read_exact(&mut message)?;
            thread::sleep(Duration::from_millis(200));
            stream.write_all(&message)?;
            echo(stream, |_| ())
        };
        let load = Load {
            rate: Some(1_000.0),
            ..load(1, 64, 300)
        };
        let tally = exchange(server(slow_once), &load);
        assert_eq!((tally.messages(), tally.errors), (300, 0));
        // One of 300 waited for its answer; the hundred that were due meanwhile waited for it, on average 100 ms.
        let late = tally.latencies.value_at_quantile(0.75);
        assert!(late > 50_000_000, "{late} ns");
        assert!(tally.elapsed >= Duration::from_millis(299));
    }

    #[test]
    fn what_was_due_when_the_time_is_over_is_told() {
        let slow = |stream: TcpStream| echo(stream, |_| thread::sleep(Duration::from_millis(20)));
        let load = Load {
            rate: Some(1_000.0),
            until: Until::Elapsed(Duration::from_millis(200)),
            ..load(1, 64, 0)
        };
        let tally = exchange(server(slow), &load);
        assert_eq!(tally.errors, 0);
        assert_eq!(tally.messages() + tally.messages_not_sent, 200);
        assert!(tally.messages_not_sent > 100);
    }

    #[test]
    fn whoever_watches_can_stop_it() {
        let load = Load {
            until: Until::Elapsed(Duration::from_secs(3600)),
            ..load(2, 64, 0)
        };
        let clients = Clients::connect(server(|stream| echo(stream, |_| ())), &load, |_| ());
        let tally = clients
            .and_then(|clients| clients.exchange(|tally| tally.messages() < 100))
            .expect("an exchange");
        assert!(tally.messages() >= 100);
        // Both were perhaps stopped while a message was on its way; the second no gives it up.
        assert!(tally.errors == 0 && tally.messages_unanswered <= 2);
    }
}
