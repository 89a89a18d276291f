//! One fixed conversation with an echo server, logged.
//!
//! Every step is a client's way of using a connection; its line in the log says what was exchanged, with a
//! checksum, and nothing that differs from run to run. So two servers that behave alike (native with io_uring,
//! native without, the same source under Wine) have logs that are equal byte for byte.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::echo_client::{EchoClient, bytes};
use crate::echo_server::EchoServer;

/// The two numbers of FNV-1a with 64 bits.
const FNV_OFFSET_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01B3;

/// The flags of `xtask transcript`.
#[derive(Debug, Args)]
pub struct Options {
    /// The server: prints `listening on PORT`, or gets a port for {port}; ends at the end of its input
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Plays the conversation; the answer is whether everything came back as it was sent.
pub fn run(options: &Options) -> Result<bool> {
    let server = EchoServer::start(&options.command, &[])?;
    let mut log = io::stdout().lock();
    let mut failures = 0;
    for (index, (title, play)) in STEPS.iter().enumerate() {
        let line = match play(server.address()) {
            Ok(heard) => heard.to_string(),
            Err(error) => {
                failures += 1;
                format!("FAILED: {error:#}")
            }
        };
        writeln!(log, "{:02} {title}: {line}", index + 1)?;
    }
    let stopped = server.stop()?;
    writeln!(log, "the server ended: {stopped}")?;
    writeln!(log, "{} steps, {failures} failed", STEPS.len())?;
    Ok(failures == 0 && stopped.success())
}

/// A step: plays its part with the server at an address, and tells what came back.
type Step = fn(SocketAddr) -> Result<Heard>;

const STEPS: &[(&str, Step)] = &[
    ("a first word", first_word),
    ("messages of many sizes", many_sizes),
    ("byte at a time, each awaited", bytes_awaited),
    ("byte at a time, none awaited", bytes_unawaited),
    ("eight connections in turn", connections_in_turn),
    ("sixteen connections at once", connections_at_once),
    ("two hundred messages pipelined", pipelined),
    ("a message of 1 MiB", large_message),
    ("four messages of 1 MiB at once", large_messages_at_once),
    ("256 KiB sent before anything is read", sent_before_read),
    ("half-close after a word", half_close_small),
    ("half-close after 100,000 bytes", half_close_large),
    ("half-close at once", half_close_at_once),
    ("connect and leave", connect_and_leave),
    ("reset at once", reset_at_once),
    ("reset after a word", reset_after_word),
    ("reset with answers unread", reset_unread),
    ("a word after all that", first_word),
    ("fifty reconnects", reconnects),
    ("a quiet connection outlives others", quiet_connection),
];

/// What came back in a step.
struct Heard {
    bytes: usize,
    /// FNV-1a of these bytes.
    checksum: u64,
    note: &'static str,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard {
            bytes: 0,
            checksum: FNV_OFFSET_BASIS,
            note: "",
        }
    }
}

impl Heard {
    fn nothing(note: &'static str) -> Heard {
        Heard {
            note,
            ..Heard::default()
        }
    }

    fn of(data: &[u8]) -> Heard {
        let mut heard = Heard::default();
        heard.add(data);
        heard
    }

    /// Counts bytes that were compared with what was sent.
    fn add(&mut self, data: &[u8]) {
        self.bytes += data.len();
        for &byte in data {
            self.checksum = (self.checksum ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes, checksum {:016x}{}",
            self.bytes, self.checksum, self.note
        )
    }
}

fn first_word(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    client.exchange(b"hello")?;
    Ok(Heard::of(b"hello"))
}

fn many_sizes(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let mut heard = Heard::default();
    for power in 0..=16 {
        for len in [(1 << power) - 1, 1 << power, (1 << power) + 1]
            .into_iter()
            .filter(|&len| len > 0)
        {
            let message = bytes(len as u64, len);
            client
                .exchange(&message)
                .with_context(|| format!("a message of {len} bytes"))?;
            heard.add(&message);
        }
    }
    Ok(heard)
}

fn bytes_awaited(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let message = bytes(3, 200);
    message
        .iter()
        .try_for_each(|&byte| client.exchange(&[byte]))?;
    Ok(Heard::of(&message))
}

fn bytes_unawaited(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let message = bytes(4, 2_000);
    client.exchange_at_once(&message, 1)?;
    Ok(Heard::of(&message))
}

fn connections_in_turn(server: SocketAddr) -> Result<Heard> {
    let mut clients = (0..8)
        .map(|_| EchoClient::connect(server))
        .collect::<Result<Vec<_>>>()?;
    let mut heard = Heard::default();
    for round in 0..20 {
        for (index, client) in clients.iter_mut().enumerate() {
            let message = bytes(5_000 + round * 8 + index as u64, 100);
            client
                .exchange(&message)
                .with_context(|| format!("connection {index}, round {round}"))?;
            heard.add(&message);
        }
    }
    Ok(heard)
}

fn connections_at_once(server: SocketAddr) -> Result<Heard> {
    at_once(16, |index| {
        let mut client = EchoClient::connect(server)?;
        let messages = bytes(6_000 + index, 50_000);
        messages
            .chunks(1_000)
            .try_for_each(|message| client.exchange(message))?;
        Ok(messages)
    })
}

fn pipelined(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let messages = bytes(7, 200 * 1_000);
    client.exchange_at_once(&messages, 1_000)?;
    Ok(Heard::of(&messages))
}

fn large_message(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let message = bytes(8, 1 << 20);
    client.exchange_at_once(&message, 1 << 20)?;
    Ok(Heard::of(&message))
}

fn large_messages_at_once(server: SocketAddr) -> Result<Heard> {
    at_once(4, |index| {
        let mut client = EchoClient::connect(server)?;
        let message = bytes(9_000 + index, 1 << 20);
        client.exchange_at_once(&message, 1 << 20)?;
        Ok(message)
    })
}

fn sent_before_read(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let message = bytes(10, 256 << 10);
    client.exchange(&message)?;
    Ok(Heard::of(&message))
}

fn half_close_small(server: SocketAddr) -> Result<Heard> {
    half_close(server, b"goodbye")
}

fn half_close_large(server: SocketAddr) -> Result<Heard> {
    half_close(server, &bytes(12, 100_000))
}

fn half_close_at_once(server: SocketAddr) -> Result<Heard> {
    half_close(server, b"")
}

/// Sends `message` and that nothing more will come; everything must come back, and then the end.
fn half_close(server: SocketAddr, message: &[u8]) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    client.send(message)?;
    client.finish_sending()?;
    client.expect(message)?;
    client.expect_end()?;
    Ok(Heard {
        note: ", then the end",
        ..Heard::of(message)
    })
}

fn connect_and_leave(server: SocketAddr) -> Result<Heard> {
    EchoClient::connect(server)?;
    still_served(server, "left")
}

fn reset_at_once(server: SocketAddr) -> Result<Heard> {
    EchoClient::connect(server)?.reset()?;
    still_served(server, "reset")
}

fn reset_after_word(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    client.exchange(b"hello")?;
    client.reset()?;
    still_served(server, "reset")
}

fn reset_unread(server: SocketAddr) -> Result<Heard> {
    let mut client = EchoClient::connect(server)?;
    let message = bytes(17, 64 << 10);
    client.send(&message)?;
    client.expect(&message[..1])?;
    client.reset()?;
    still_served(server, "reset")
}

/// Checks that the server serves others, after one client went away as `how` says.
fn still_served(server: SocketAddr, how: &str) -> Result<Heard> {
    let mut other = EchoClient::connect(server)?;
    other
        .exchange(how.as_bytes())
        .context("another client, afterwards")?;
    Ok(Heard::nothing("; others are served"))
}

fn reconnects(server: SocketAddr) -> Result<Heard> {
    let mut heard = Heard::default();
    for number in 0..50 {
        let message = bytes(19_000 + number, 64);
        EchoClient::connect(server)?.exchange(&message)?;
        heard.add(&message);
    }
    Ok(heard)
}

fn quiet_connection(server: SocketAddr) -> Result<Heard> {
    let mut quiet = EchoClient::connect(server)?;
    quiet.exchange(b"before")?;
    reconnects(server)?;
    quiet.exchange(b"after")?;
    quiet.finish_sending()?;
    quiet.expect_end()?;
    Ok(Heard {
        note: ", then the end",
        ..Heard::of(b"beforeafter")
    })
}

/// Runs `play` for each index in a thread of its own, and hears the results in order.
fn at_once(count: u64, play: impl Fn(u64) -> Result<Vec<u8>> + Sync) -> Result<Heard> {
    let play = &play;
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| scope.spawn(move || play(index)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client does not panic"))
            .collect()
    });
    let mut heard = Heard::default();
    for result in results {
        heard.add(&result?);
    }
    ensure!(heard.bytes > 0, "nothing was exchanged");
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_fnv_1a() {
        assert_eq!(Heard::of(b"").checksum, 0xCBF2_9CE4_8422_2325);
        assert_eq!(Heard::of(b"foobar").checksum, 0x8594_4171_F739_67E8);
    }

    #[test]
    fn pieces_are_heard_as_the_whole() {
        let mut pieces = Heard::of(b"foo");
        pieces.add(b"bar");
        assert_eq!(pieces.to_string(), Heard::of(b"foobar").to_string());
    }
}
