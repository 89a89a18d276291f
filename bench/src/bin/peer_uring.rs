//! Peer: raw io_uring as one would write it by hand, the practical limit on one thread.
//!
//! Single issuer, task work deferred to the one wait, single-shot receives into a buffer per connection, one operation
//! in flight per connection (two sends for `request-two-sends`, linked).

#[path = "peer_uring/datagrams.rs"]
mod datagrams;

use std::os::fd::AsRawFd;

use bench::message::{ORDERS_LEN, Orders, STAMP_LEN, write_handled_at};
use bench::server::{Arguments, follow, now_ns};
use bench::{Workload, net};
use clap::Parser;
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::net::SocketFlags;

/// What completed is in the upper half of the user data, the connection's descriptor in the lower.
const ACCEPT: u64 = 1;
const RECEIVE: u64 = 2;
const SEND: u64 = 3;
/// The first of two linked sends; only its failure completes.
const HEAD: u64 = 4;
const CLOSE: u64 = 5;

struct Connection {
    buffer: Box<[u8]>,
    sent: usize,
    len: usize,
}

struct Server {
    ring: IoUring,
    workload: Workload,
    buffer_len: usize,
    listener: i32,
    connections: Vec<Option<Connection>>, // by descriptor
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    net::raise_descriptor_limit()?;
    if arguments.workload.is_of_datagrams() {
        return datagrams::echo(&arguments);
    }
    let listener = net::listener(arguments.port, SocketFlags::empty())?;
    let mut builder = IoUring::builder();
    builder
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .setup_cqsize(65536);
    let mut server = Server {
        ring: builder.build(4096)?,
        workload: arguments.workload,
        buffer_len: arguments.buffer_len(),
        listener: listener.as_raw_fd(),
        connections: Vec::new(),
    };
    server.accept();
    let mut batch: Vec<cqueue::Entry> = Vec::with_capacity(4096);
    loop {
        let _ = server.ring.submit_and_wait(1); // interrupted, or full: completions come either way
        batch.extend(server.ring.completion().take(4096));
        for completion in batch.drain(..) {
            server.complete(&completion);
        }
    }
}

impl Server {
    fn complete(&mut self, completion: &cqueue::Entry) {
        let (operation, socket) = (
            completion.user_data() >> 32,
            completion.user_data() as u32 as i32,
        );
        match operation {
            ACCEPT => {
                if completion.result() >= 0 {
                    self.connected(completion.result());
                }
                if !cqueue::more(completion.flags()) {
                    self.accept();
                }
            }
            RECEIVE if completion.result() > 0 => self.answer(socket, completion.result() as usize),
            SEND if completion.result() > 0 => self.sent(socket, completion.result() as usize),
            RECEIVE | SEND => self.close(socket),
            _ => {}
        }
    }

    fn accept(&mut self) {
        let accept = opcode::AcceptMulti::new(Fd(self.listener))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.push(accept.user_data(ACCEPT << 32));
    }

    fn connected(&mut self, socket: i32) {
        let slot = socket as usize;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        self.connections[slot] = Some(Connection {
            buffer: vec![0; self.buffer_len].into(),
            sent: 0,
            len: 0,
        });
        self.receive(socket);
    }

    fn receive(&mut self, socket: i32) {
        let Some(connection) = &mut self.connections[socket as usize] else {
            return;
        };
        let (buffer, len) = (
            connection.buffer.as_mut_ptr(),
            connection.buffer.len() as u32,
        );
        self.push(
            opcode::Recv::new(Fd(socket), buffer, len)
                .build()
                .user_data(RECEIVE << 32 | socket as u64),
        );
    }

    fn answer(&mut self, socket: i32, len: usize) {
        let Some(connection) = &mut self.connections[socket as usize] else {
            return;
        };
        (connection.sent, connection.len) = (0, len);
        match self.workload {
            Workload::OneWay => self.receive(socket),
            Workload::RequestTwoSends if len > STAMP_LEN => {
                let head =
                    opcode::Send::new(Fd(socket), connection.buffer.as_ptr(), STAMP_LEN as u32)
                        .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL);
                connection.sent = STAMP_LEN;
                let flags = squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS;
                self.push(
                    head.build()
                        .flags(flags)
                        .user_data(HEAD << 32 | socket as u64),
                );
                self.send(socket);
            }
            Workload::SendThenCompute if len >= ORDERS_LEN => {
                let orders = Orders::read(&connection.buffer);
                write_handled_at(&mut connection.buffer, now_ns());
                self.send(socket);
                if orders.lasting().as_micros() > 0 {
                    let _ = self.ring.submit(); // who goes on for long sends first
                }
                follow(orders);
            }
            _ => self.send(socket),
        }
    }

    /// Sends what is left of the answer.
    fn send(&mut self, socket: i32) {
        let Some(connection) = &self.connections[socket as usize] else {
            return;
        };
        let rest = &connection.buffer[connection.sent..connection.len];
        let send = opcode::Send::new(Fd(socket), rest.as_ptr(), rest.len() as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.push(send.user_data(SEND << 32 | socket as u64));
    }

    fn sent(&mut self, socket: i32, len: usize) {
        let Some(connection) = &mut self.connections[socket as usize] else {
            return;
        };
        connection.sent += len;
        if connection.sent < connection.len {
            self.send(socket);
        } else {
            self.receive(socket);
        }
    }

    fn close(&mut self, socket: i32) {
        self.connections[socket as usize] = None;
        let close = opcode::Close::new(Fd(socket))
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
        self.push(close.user_data(CLOSE << 32));
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: buffers belong to connections, which stay until their only operation has completed.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            let _ = self.ring.submit();
        }
    }
}
