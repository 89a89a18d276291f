//! What a client of an echo server does, well-behaved or not. Nothing here waits for ever.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, SockRef, Socket, Type};

/// How long the server may leave a client waiting.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Source addresses in use: each has its own ports, so that those in TIME_WAIT are no limit.
const SOURCES: u64 = 1_000;

/// A connection to an echo server.
pub struct EchoClient {
    stream: TcpStream,
}

impl EchoClient {
    /// Connects from 127.0.0.1.
    pub fn connect(server: SocketAddr) -> Result<EchoClient> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE);
        EchoClient::over(stream.with_context(|| format!("connecting to {server}"))?)
    }

    /// Connects from one of many loopback addresses, chosen by `number`.
    pub fn connect_from(number: u64, server: SocketAddr) -> Result<EchoClient> {
        let source = source_address(number);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket
            .bind(&SocketAddrV4::new(source, 0).into())
            .with_context(|| format!("binding to {source}"))?;
        let connected = socket.connect_timeout(&server.into(), PATIENCE);
        connected.with_context(|| format!("connecting from {source} to {server}"))?;
        EchoClient::over(socket.into())
    }

    fn over(stream: TcpStream) -> Result<EchoClient> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(EchoClient { stream })
    }

    /// Sends `data`.
    pub fn send(&mut self, data: &[u8]) -> Result<()> {
        self.stream
            .write_all(data)
            .with_context(|| format!("sending {} bytes", data.len()))
    }

    /// Receives as many bytes as `expected` has, which must be the same.
    pub fn expect(&mut self, expected: &[u8]) -> Result<()> {
        let mut received = vec![0; expected.len()];
        let read = self.stream.read_exact(&mut received);
        read.with_context(|| format!("receiving {} bytes", expected.len()))?;
        let difference = received
            .iter()
            .zip(expected)
            .position(|(left, right)| left != right);
        ensure!(
            difference.is_none(),
            "byte {} of {} is wrong",
            difference.unwrap_or(0),
            expected.len()
        );
        Ok(())
    }

    /// Sends `data`, then waits for its echo.
    pub fn exchange(&mut self, data: &[u8]) -> Result<()> {
        self.send(data)?;
        self.expect(data)
    }

    /// Sends `data` in pieces of `piece_len` while its echo is received.
    pub fn exchange_at_once(&mut self, data: &[u8], piece_len: usize) -> Result<()> {
        let mut sender = EchoClient {
            stream: self.stream.try_clone()?,
        };
        thread::scope(|scope| {
            let sent = scope.spawn(move || {
                data.chunks(piece_len)
                    .try_for_each(|piece| sender.send(piece))
            });
            let received = self.expect(data);
            sent.join().expect("sending does not panic").and(received)
        })
    }

    /// Tells the server that nothing more will come.
    pub fn finish_sending(&self) -> Result<()> {
        self.stream
            .shutdown(Shutdown::Write)
            .context("closing the sending direction")
    }

    /// Waits for the end of the stream, before which nothing may come.
    pub fn expect_end(&mut self) -> Result<()> {
        let mut rest = [0; 64];
        let len = self
            .stream
            .read(&mut rest)
            .context("waiting for the end of the stream")?;
        ensure!(
            len == 0,
            "{len} bytes came instead of the end of the stream"
        );
        Ok(())
    }

    /// Leaves by a reset, whatever is on its way.
    pub fn reset(self) -> Result<()> {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .context("SO_LINGER")
    }
}

fn source_address(number: u64) -> Ipv4Addr {
    let source = number % SOURCES;
    Ipv4Addr::new(127, 0, 1 + (source / 250) as u8, 1 + (source % 250) as u8)
}

/// Bytes that depend on `seed`; the same on every machine.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_many_and_on_loopback() {
        let sources: std::collections::HashSet<_> = (0..SOURCES).map(source_address).collect();
        assert_eq!(sources.len() as u64, SOURCES);
        assert!(sources.iter().all(Ipv4Addr::is_loopback));
    }

    #[test]
    fn bytes_depend_on_the_seed_only() {
        assert_eq!(bytes(7, 100), bytes(7, 100));
        assert_eq!(bytes(7, 100)[..50], bytes(7, 50));
        assert_ne!(bytes(7, 100), bytes(8, 100));
    }
}
