//! Receives and sends on streams.

use std::os::fd::RawFd;
use std::sync::Arc;

use super::{Attempt, Buffers};
use crate::platform::sockets::socket::Socket;
use crate::platform::status::Status;
use crate::platform::system;

/// A transfer of bytes between a stream and a caller's buffers.
pub struct Transfer {
    /// Where the bytes are, shrinking as they are transferred.
    pub buffers: Buffers,
    /// How.
    pub flags: TransferFlags,
    pub(super) done: usize,
}

// SAFETY: the pointers are to buffers the caller of the operation lends until it is finished, from any thread.
unsafe impl Send for Transfer {}

/// How a transfer is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferFlags {
    /// MSG_PEEK.
    pub peek: bool,
    /// MSG_OOB.
    pub urgent: bool,
    /// MSG_WAITALL: only full buffers, the end or an error finish it.
    pub wait_all: bool,
    /// A send may finish with a part (non-blocking send).
    pub partial: bool,
}

impl TransferFlags {
    pub fn linux(self) -> i32 {
        let mut flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        if self.peek {
            flags |= libc::MSG_PEEK;
        }
        if self.urgent {
            flags |= libc::MSG_OOB;
        }
        flags
    }
}

impl Transfer {
    /// A transfer of nothing yet.
    pub fn new(buffers: Buffers, flags: TransferFlags) -> Transfer {
        Transfer {
            buffers,
            flags,
            done: 0,
        }
    }

    /// Whether sending it costs so little that the call itself is what counts; urgent data is never small.
    pub fn is_small(&self) -> bool {
        const SMALL: usize = 16 * 1024;
        !self.flags.urgent && !self.buffers.is_empty() && self.buffers.total() <= SMALL
    }

    pub fn receive(&mut self, socket: &Socket) -> Attempt {
        if let Some(status) = socket.broken() {
            return Attempt::failed(status);
        }
        if self.buffers.is_empty() {
            return self.await_readable(socket);
        }
        loop {
            match self.receive_once(socket) {
                Ok(received) => match self.received(socket, received) {
                    Some(attempt) => return attempt,
                    None => continue,
                },
                Err(errno) => return self.receive_failed(socket, errno),
            }
        }
    }

    fn receive_once(&mut self, socket: &Socket) -> Result<usize, i32> {
        let fd = socket.fd();
        let flags = self.flags.linux();
        let result = match self.buffers.only() {
            // SAFETY: the buffer is the caller's until the operation is finished; see `Transfer`.
            Some(only) => unsafe { libc::recv(fd, only.iov_base, only.iov_len, flags) },
            // SAFETY: likewise for all of them.
            None => unsafe { libc::recvmsg(fd, &mut self.buffers.message(), flags) },
        };
        match result {
            0.. => Ok(result as usize),
            _ => Err(system::errno()),
        }
    }

    /// `None`: MSG_WAITALL wants more.
    fn received(&mut self, socket: &Socket, received: usize) -> Option<Attempt> {
        let full = received == self.buffers.total() || !self.buffers.fit_one_call();
        if !self.flags.peek {
            self.buffers.advance(received);
        }
        self.done += received;
        let end = received == 0;
        if end
            && self.done == 0
            && let Some(failure) = socket.failure_at_end()
        {
            return Some(Attempt::failed(socket.note_failure(failure)));
        }
        if self.flags.wait_all && !self.buffers.is_empty() && !end {
            socket.note_progress();
            return None;
        }
        if end || full || self.flags.peek || self.flags.urgent {
            return Some(Attempt::done(self.done, true));
        }
        // A short read empties the socket, so only an edge can tell of more; but it may have stopped at an urgent
        // byte, which Windows passes.
        if socket.is_at_mark() {
            None
        } else {
            Some(Attempt::done(self.done, false))
        }
    }

    fn receive_failed(&mut self, socket: &Socket, errno: i32) -> Attempt {
        match errno {
            libc::EINTR => self.receive(socket),
            libc::EAGAIN if self.done > 0 && !self.flags.wait_all => {
                Attempt::done(self.done, false)
            }
            libc::EAGAIN => Attempt::Blocked,
            libc::EINVAL if self.flags.urgent => self.no_urgent_byte(socket),
            _ => {
                let status = socket.note_failure(Status::from_errno(errno));
                if self.done > 0 {
                    Attempt::done(self.done, true)
                } else {
                    Attempt::failed(status)
                }
            }
        }
    }

    /// An urgent byte may still come, unless the stream has ended.
    fn no_urgent_byte(&self, socket: &Socket) -> Attempt {
        let events = system::poll_now(socket.fd(), libc::POLLRDHUP);
        if events & libc::POLLERR != 0 {
            return Attempt::failed(socket.note_failure(Status::CONNECTION_RESET));
        }
        let ended = events & (libc::POLLRDHUP | libc::POLLHUP) != 0;
        if ended {
            Attempt::done(0, true)
        } else {
            Attempt::Blocked
        }
    }

    /// A receive of nothing finishes when there is something to receive, and leaves it there.
    fn await_readable(&mut self, socket: &Socket) -> Attempt {
        let mut byte = 0u8;
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: `byte` is valid for one byte.
        let result = unsafe { libc::recv(socket.fd(), (&raw mut byte).cast(), 1, flags) };
        match result {
            0 => match socket.failure_at_end() {
                Some(failure) => Attempt::failed(socket.note_failure(failure)),
                None => Attempt::done(0, true),
            },
            1.. => Attempt::done(0, true),
            _ => self.receive_failed(socket, system::errno()),
        }
    }

    pub fn send(&mut self, socket: &Socket) -> Attempt {
        if let Some(status) = socket.broken() {
            return self.stopped(status);
        }
        while !self.buffers.is_empty() {
            let result = self.send_once(socket.fd());
            if result < 0 {
                return self.send_failed(socket, system::errno());
            }
            self.sent(socket, result as usize);
        }
        Attempt::done(self.done, true)
    }

    fn send_once(&mut self, fd: RawFd) -> isize {
        let flags = self.flags.linux();
        match self.buffers.only() {
            // SAFETY: the buffer is the caller's until the operation is finished; see `Transfer`.
            Some(only) => unsafe { libc::send(fd, only.iov_base, only.iov_len, flags) },
            // SAFETY: likewise for all of them.
            None => unsafe { libc::sendmsg(fd, &self.buffers.message(), flags) },
        }
    }

    pub fn sent(&mut self, socket: &Socket, bytes: usize) {
        self.done += bytes;
        self.buffers.advance(bytes);
        if !self.buffers.is_empty() {
            socket.note_progress();
        }
    }

    pub fn send_failed(&mut self, socket: &Socket, errno: i32) -> Attempt {
        match errno {
            libc::EINTR => self.send(socket),
            libc::EAGAIN if self.flags.partial && self.done > 0 => Attempt::done(self.done, false),
            libc::EAGAIN => Attempt::Blocked,
            // Its own shutdown came between the call and the attempt.
            libc::EPIPE if socket.is_send_shut() => self.stopped(Status::PIPE_DISCONNECTED),
            libc::EPIPE => self.stopped(socket.note_failure(socket.failure_of_gone())),
            _ => self.stopped(socket.note_failure(Status::from_errno(errno))),
        }
    }

    fn stopped(&self, status: Status) -> Attempt {
        Attempt::Finished {
            status,
            transferred: self.done,
            more: true,
        }
    }
}

impl Transfer {
    /// Whether one entry of a ring is one attempt: not if nothing is wanted, everything is, or it is too much for one.
    pub fn may_be_batched(&self) -> bool {
        let fits = self
            .buffers
            .only()
            .is_none_or(|only| only.iov_len <= i32::MAX as usize);
        !self.buffers.is_empty() && !self.flags.wait_all && fits
    }

    pub fn receive_completed(&mut self, socket: &Arc<Socket>, result: i32) -> Attempt {
        if result < 0 {
            return self.receive_failed(socket, -result);
        }
        match self.received(socket, result as usize) {
            Some(attempt) => attempt,
            None => self.receive(socket),
        }
    }
}
