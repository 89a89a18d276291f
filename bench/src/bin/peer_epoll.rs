//! Peer: raw epoll as one would write it by hand. One thread, edge-triggered, sends at once, no allocation per message.

use std::os::fd::OwnedFd;

use bench::message::{ORDERS_LEN, Orders, STAMP_LEN, write_handled_at};
use bench::server::{Arguments, follow, now_ns};
use bench::{Workload, net};
use clap::Parser;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, recvfrom, send, sendto};

/// One connection, and what of its answer the socket did not take yet.
struct Connection {
    socket: OwnedFd,
    unsent: Vec<u8>,
    sent: usize, // of `unsent`
}

struct Server {
    workload: Workload,
    epoll: OwnedFd,
    listener: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

const LISTENER: u64 = u64::MAX;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    net::raise_descriptor_limit()?;
    if arguments.workload.is_of_datagrams() {
        return echo_datagrams(&arguments);
    }
    let mut server = Server {
        workload: arguments.workload,
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        listener: net::listener(arguments.port, SocketFlags::NONBLOCK)?,
        connections: Vec::new(),
        free: Vec::new(),
        buffer: vec![0; arguments.buffer_len()],
    };
    epoll::add(
        &server.epoll,
        &server.listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut events = Vec::with_capacity(512);
    loop {
        events.clear();
        match epoll::wait(
            &server.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        ) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        for event in &events {
            match event.data.u64() {
                LISTENER => server.accept(),
                slot => server.drive(slot as usize, event.flags),
            }
        }
    }
}

/// One socket; as many datagrams as there are for each event.
fn echo_datagrams(arguments: &Arguments) -> anyhow::Result<()> {
    let socket = net::datagrams(arguments.port, SocketFlags::NONBLOCK)?;
    let answering = net::answering(arguments.workload, &socket, SocketFlags::NONBLOCK)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(&epoll, &socket, EventData::new_u64(0), flags)?;
    let mut buffer = vec![0; arguments.buffer_len()];
    let mut events = Vec::with_capacity(1);
    loop {
        events.clear();
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&epoll, room, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        while let Ok((_, len, Some(from))) = recvfrom(&socket, &mut buffer[..], RecvFlags::empty())
        {
            let _ = sendto(&answering, &buffer[..len], SendFlags::NOSIGNAL, &from); // who is gone gets nothing
        }
    }
}

impl Server {
    fn accept(&mut self) {
        while let Ok(socket) =
            accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
        {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET | EventFlags::RDHUP;
            if epoll::add(&self.epoll, &socket, EventData::new_u64(slot as u64), flags).is_ok() {
                self.connections[slot] = Some(Connection {
                    socket,
                    unsent: Vec::new(),
                    sent: 0,
                });
            }
        }
    }

    fn drive(&mut self, slot: usize, flags: EventFlags) {
        let Some(connection) = &mut self.connections[slot] else {
            return;
        };
        if connection
            .drive(flags, &mut self.buffer, self.workload)
            .is_err()
        {
            self.connections[slot] = None;
            self.free.push(slot);
        }
    }
}

impl Connection {
    /// Sends what is left, then receives and answers until the socket has no more. An error ends the connection.
    fn drive(&mut self, flags: EventFlags, buffer: &mut [u8], workload: Workload) -> Result<()> {
        let flushed = !self.unsent.is_empty();
        if !self.flush()? {
            return Ok(());
        }
        if flags == EventFlags::OUT && !flushed {
            return Ok(());
        }
        loop {
            let len = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(Errno::PIPE),
                Ok((_, len)) => len,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            };
            self.answer(&mut buffer[..len], workload)?;
            if !self.unsent.is_empty() {
                return Ok(());
            }
            // A short receive emptied the socket, unless the peer is closing.
            if len < buffer.len() && !flags.contains(EventFlags::RDHUP) {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, message: &mut [u8], workload: Workload) -> Result<()> {
        match workload {
            Workload::OneWay => Ok(()),
            Workload::RequestTwoSends => {
                let (head, body) = message.split_at(STAMP_LEN.min(message.len()));
                self.send(head)?;
                self.send(body)
            }
            Workload::SendThenCompute if message.len() >= ORDERS_LEN => {
                let orders = Orders::read(message);
                write_handled_at(message, now_ns());
                self.send(message)?;
                follow(orders);
                Ok(())
            }
            _ => self.send(message),
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<()> {
        let taken = match () {
            () if !self.unsent.is_empty() => 0,
            () => match send(&self.socket, data, SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN) => 0,
                other => other?,
            },
        };
        self.unsent.extend_from_slice(&data[taken..]);
        Ok(())
    }

    /// False if the socket takes no more now.
    fn flush(&mut self) -> Result<bool> {
        while self.sent < self.unsent.len() {
            match send(&self.socket, &self.unsent[self.sent..], SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN) => return Ok(false),
                other => self.sent += other?,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(true)
    }
}
