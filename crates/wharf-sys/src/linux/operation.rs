//! Operations as data: what is to be done on a socket, and one non-blocking attempt to do it.
//!
//! Adding an operation means one variant, one arm in [`Operation::attempt`] and, if the batcher may carry it, one in
//! [`Operation::prepare`].

use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use io_uring::{opcode, squeue, types};

use super::accept::AcceptInto;
use super::address::Address;
use super::change::Wait;
use super::datagram::{Envelope, ReceiveDatagram, SendDatagram};
use super::socket::{Side, Socket};
use super::status::Status;
use super::system;

/// What an attempt came to.
pub enum Attempt {
    /// It would have blocked (whatever part of it is done is remembered in the operation).
    Blocked,
    /// It is over. `more`: another attempt of this kind may succeed right away.
    Finished {
        status: Status,
        transferred: usize,
        more: bool,
    },
    /// It goes on as a receive of this socket (an accept that waits for the first data).
    MovesTo(Arc<Socket>),
    /// It goes on in the receive direction (a disconnect that waits for the peer's end).
    MovesToReceive,
    /// It lacks a resource whose return no edge will tell: try again later.
    Starved,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Attempt::Blocked => write!(f, "blocked"),
            Attempt::Finished {
                status,
                transferred,
                ..
            } => write!(f, "{status:?} {transferred}"),
            Attempt::MovesTo(socket) => write!(f, "moves to {:p}", Arc::as_ptr(socket)),
            Attempt::MovesToReceive => write!(f, "moves to the receive direction"),
            Attempt::Starved => write!(f, "starved"),
        }
    }
}

impl Attempt {
    /// It succeeded.
    pub fn done(transferred: usize, more: bool) -> Attempt {
        Attempt::Finished {
            status: Status::SUCCESS,
            transferred,
            more,
        }
    }

    /// It failed; a further attempt will answer too.
    pub fn failed(status: Status) -> Attempt {
        Attempt::Finished {
            status,
            transferred: 0,
            more: true,
        }
    }
}

/// One operation on a socket.
pub enum Operation {
    /// Nothing: a request in the pool.
    None,
    /// recv, WSARecv on a stream.
    Receive(Transfer),
    /// send, WSASend on a stream.
    Send(Transfer),
    /// accept: the connection itself is the result.
    TakeConnection(Option<(OwnedFd, Address)>),
    /// AcceptEx.
    AcceptInto(AcceptInto),
    /// shutdown(SD_SEND): the FIN goes behind the sends before it.
    ShutdownSend,
    /// DisconnectEx with TF_REUSE_SOCKET: as `ShutdownSend`, then goes on as `Reuse` in the receive direction.
    Disconnect,
    /// SIO_ADDRESS_LIST_CHANGE, SIO_ROUTING_INTERFACE_CHANGE.
    AwaitChange(Wait),
    /// The socket becomes a fresh one when the peer has ended its side.
    Reuse,
    /// connect, ConnectEx: connects, then sends.
    Connect(Address, Transfer),
    /// Every receive on a datagram socket.
    ReceiveDatagram(ReceiveDatagram),
    /// Every send on a datagram socket.
    SendDatagram(SendDatagram),
}

/// A transfer of bytes between a stream and a caller's buffers.
pub struct Transfer {
    /// Where the bytes are, shrinking as they are transferred.
    pub buffers: Buffers,
    /// How.
    pub flags: TransferFlags,
    done: usize,
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
    fn linux(self) -> i32 {
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

    fn receive(&mut self, socket: &Socket) -> Attempt {
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
        if end && self.done == 0 && socket.was_reset() {
            return Some(Attempt::failed(
                socket.note_failure(Status::CONNECTION_RESET),
            ));
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
            0 if socket.was_reset() => {
                Attempt::failed(socket.note_failure(Status::CONNECTION_RESET))
            }
            0.. => Attempt::done(0, true),
            _ => self.receive_failed(socket, system::errno()),
        }
    }

    fn send(&mut self, socket: &Socket) -> Attempt {
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

    fn sent(&mut self, socket: &Socket, bytes: usize) {
        self.done += bytes;
        self.buffers.advance(bytes);
        if !self.buffers.is_empty() {
            socket.note_progress();
        }
    }

    fn send_failed(&mut self, socket: &Socket, errno: i32) -> Attempt {
        match errno {
            libc::EINTR => self.send(socket),
            libc::EAGAIN if self.flags.partial && self.done > 0 => Attempt::done(self.done, false),
            libc::EAGAIN => Attempt::Blocked,
            // Its own shutdown came between the call and the attempt.
            libc::EPIPE if socket.is_send_shut() => self.stopped(Status::PIPE_DISCONNECTED),
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

impl Operation {
    /// One attempt, without blocking. Called by the owner of the direction only.
    pub fn attempt(&mut self, socket: &Arc<Socket>) -> Attempt {
        match self {
            Operation::None => Attempt::done(0, false),
            Operation::Receive(transfer) => transfer.receive(socket),
            Operation::Send(transfer) => transfer.send(socket),
            Operation::ShutdownSend => {
                socket.send_fin();
                Attempt::done(0, true)
            }
            Operation::Disconnect => {
                socket.send_fin();
                Attempt::MovesToReceive
            }
            Operation::Reuse => socket.attempt_reuse(),
            Operation::AwaitChange(wait) => wait.attempt(socket),
            Operation::TakeConnection(connection) => take_connection(socket, connection),
            Operation::AcceptInto(accept) => accept.attempt(socket),
            Operation::Connect(address, transfer) => match socket.attempt_connect(address) {
                Ok(true) => transfer.send(socket),
                Ok(false) => Attempt::Blocked,
                Err(status) => Attempt::failed(status),
            },
            Operation::ReceiveDatagram(receive) => receive.attempt(socket),
            Operation::SendDatagram(send) => send.attempt(socket),
        }
    }

    /// The events of poll that may let it go on, for an operation of that side.
    pub fn events(&self, side: Side) -> i16 {
        match side {
            _ if matches!(self, Operation::Reuse) => libc::POLLRDHUP,
            Side::Urgent => libc::POLLPRI,
            Side::Receive => libc::POLLIN,
            Side::Send => libc::POLLOUT,
            Side::AddressChange | Side::RouteChange => 0, // who learns of the change finishes it
        }
    }

    /// Whether it takes data.
    pub fn is_receive(&self) -> bool {
        matches!(self, Operation::Receive(_) | Operation::ReceiveDatagram(_))
    }

    /// How it ends if it is ended from outside with `status`: what was already done is not lost.
    pub fn cut_short(&self, status: Status) -> (Status, usize) {
        match self {
            Operation::Receive(transfer) if transfer.done > 0 => (Status::SUCCESS, transfer.done),
            Operation::Send(transfer) | Operation::Connect(_, transfer) => (status, transfer.done),
            _ => (status, 0),
        }
    }

    /// The same attempt for the batcher, if it may carry it: a plain transfer.
    ///
    /// What the kernel reads and writes beside a single buffer is in `envelope`.
    ///
    /// # Safety
    /// `self` and `envelope` neither move nor are touched until the entry has completed.
    pub unsafe fn prepare(
        &mut self,
        socket: &Socket,
        envelope: &mut MaybeUninit<Envelope>,
    ) -> Option<squeue::Entry> {
        match self {
            Operation::ReceiveDatagram(receive) => {
                // SAFETY: the caller's promise.
                return unsafe { receive.prepare(socket, envelope) };
            }
            _ if socket.broken().is_some() => return None,
            _ => {}
        }
        let fd = types::Fd(socket.fd());
        match self {
            Operation::Receive(transfer) if transfer.may_be_batched() => {
                let flags = transfer.flags.linux() as u32;
                Some(match transfer.buffers.only() {
                    Some(only) => opcode::Recv::new(fd, only.iov_base.cast(), only.iov_len as u32)
                        .flags(flags as i32)
                        .build(),
                    None => {
                        let message = Envelope::of_buffers(envelope, &mut transfer.buffers);
                        opcode::RecvMsg::new(fd, message).flags(flags).build()
                    }
                })
            }
            Operation::Send(transfer) if transfer.may_be_batched() => {
                let flags = transfer.flags.linux() as u32;
                Some(match transfer.buffers.only() {
                    Some(only) => opcode::Send::new(fd, only.iov_base.cast(), only.iov_len as u32)
                        .flags(flags as i32)
                        .build(),
                    None => {
                        let message = Envelope::of_buffers(envelope, &mut transfer.buffers);
                        opcode::SendMsg::new(fd, message).flags(flags).build()
                    }
                })
            }
            _ => None,
        }
    }

    /// What the batcher's result of a prepared attempt means: as if [`attempt`](Self::attempt) had been called.
    ///
    /// # Safety
    /// `envelope` is that of [`prepare`](Self::prepare).
    pub unsafe fn completed(
        &mut self,
        socket: &Arc<Socket>,
        result: i32,
        envelope: &MaybeUninit<Envelope>,
    ) -> Attempt {
        match self {
            Operation::ReceiveDatagram(receive) => {
                // SAFETY: the caller's promise.
                unsafe { receive.completed(socket, result, envelope) }
            }
            Operation::Receive(transfer) => transfer.receive_completed(socket, result),
            Operation::Send(transfer) if result < 0 => transfer.send_failed(socket, -result),
            Operation::Send(transfer) => {
                transfer.sent(socket, result as usize);
                transfer.send(socket)
            }
            _ => self.attempt(socket),
        }
    }
}

impl Transfer {
    /// Whether one entry of a ring is one attempt: not if nothing is wanted, everything is, or it is too much for one.
    fn may_be_batched(&self) -> bool {
        let fits = self
            .buffers
            .only()
            .is_none_or(|only| only.iov_len <= i32::MAX as usize);
        !self.buffers.is_empty() && !self.flags.wait_all && fits
    }

    fn receive_completed(&mut self, socket: &Arc<Socket>, result: i32) -> Attempt {
        if result < 0 {
            return self.receive_failed(socket, -result);
        }
        match self.received(socket, result as usize) {
            Some(attempt) => attempt,
            None => self.receive(socket),
        }
    }
}

fn take_connection(listener: &Arc<Socket>, connection: &mut Option<(OwnedFd, Address)>) -> Attempt {
    match accept(listener) {
        Ok(taken) => {
            *connection = Some(taken);
            Attempt::done(0, true)
        }
        Err(Refused::NoneWaiting) => Attempt::Blocked,
        Err(Refused::Starved(errno) | Refused::Failed(errno)) => {
            Attempt::failed(Status::from_call_errno(errno))
        }
    }
}

/// Why no connection could be taken.
pub enum Refused {
    /// None is waiting.
    NoneWaiting,
    /// No descriptors or memory: it stays in the backlog.
    Starved(i32),
    /// The listener is unusable.
    Failed(i32),
}

/// Takes a connection: one that was deferred, or one from the backlog.
pub fn accept(listener: &Socket) -> Result<(OwnedFd, Address), Refused> {
    if let Some(held) = listener.take_held() {
        return Ok(held);
    }
    loop {
        let (fd, peer) = match system::accept(listener.fd()) {
            Ok(taken) => taken,
            Err(error) => match error.raw_os_error().unwrap_or(0) {
                // The connection was gone before it could be taken: the next one.
                libc::EINTR | libc::ECONNABORTED | libc::EPROTO => continue,
                libc::EAGAIN => return Err(Refused::NoneWaiting),
                libc::EINVAL if listener.is_closed() => return Err(Refused::NoneWaiting),
                errno @ (libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    return Err(Refused::Starved(errno));
                }
                errno => return Err(Refused::Failed(errno)),
            },
        };
        match Address::from_raw(peer) {
            Some(peer) => return Ok((fd, peer)),
            None => drop(fd), // no address of a family we made the listener with
        }
    }
}

/// The caller's buffers, in order: the WSABUF array, captured.
pub struct Buffers {
    inline: [libc::iovec; INLINE],
    more: Vec<libc::iovec>, // all of them, if there are more than fit `inline`
    first: usize,           // those before are used up
    count: usize,
}

const INLINE: usize = 4;
const LONGEST: usize = 1024; // UIO_MAXIOV: what one call takes; the rest follows
const EMPTY: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

impl Buffers {
    /// Captures buffers given as (address, length).
    pub fn new(buffers: impl ExactSizeIterator<Item = (*mut u8, usize)>) -> Buffers {
        let count = buffers.len();
        let iovecs = buffers.map(|(base, length)| libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        });
        let mut captured = Buffers {
            inline: [EMPTY; INLINE],
            more: Vec::new(),
            first: 0,
            count,
        };
        if count > INLINE {
            captured.more = iovecs.collect();
        } else {
            for (place, iovec) in captured.inline.iter_mut().zip(iovecs) {
                *place = iovec;
            }
        }
        captured.advance(0);
        captured
    }

    /// One buffer.
    pub fn one(base: *mut u8, length: usize) -> Buffers {
        let mut inline = [EMPTY; INLINE];
        inline[0] = libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        };
        Buffers {
            inline,
            more: Vec::new(),
            first: usize::from(length == 0), // an empty one is used up
            count: 1,
        }
    }

    /// No buffer.
    pub fn none() -> Buffers {
        Buffers::new(std::iter::empty())
    }

    fn all(&mut self) -> &mut [libc::iovec] {
        if self.count > INLINE {
            &mut self.more
        } else {
            &mut self.inline[..self.count]
        }
    }

    fn left(&self) -> &[libc::iovec] {
        let all = if self.count > INLINE {
            &self.more[..]
        } else {
            &self.inline[..self.count]
        };
        &all[self.first..]
    }

    /// Whether there is no room or no data left.
    pub fn is_empty(&self) -> bool {
        self.left().is_empty()
    }

    /// The one buffer that is left, if it is the only one: then the kernel needs no message to find it.
    pub fn only(&self) -> Option<libc::iovec> {
        match self.left() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Bytes left.
    pub fn total(&self) -> usize {
        self.left().iter().map(|iovec| iovec.iov_len).sum()
    }

    /// The next `bytes` bytes are used up, and empty buffers after them.
    fn advance(&mut self, mut bytes: usize) {
        let mut first = self.first;
        for iovec in &mut self.all()[first..] {
            let used = bytes.min(iovec.iov_len);
            iovec.iov_base = iovec.iov_base.wrapping_byte_add(used);
            iovec.iov_len -= used;
            bytes -= used;
            if iovec.iov_len > 0 {
                break;
            }
            first += 1;
        }
        self.first = first;
    }

    fn fit_one_call(&self) -> bool {
        self.left().len() <= LONGEST
    }

    /// The message that names them, for recvmsg and sendmsg.
    pub fn message(&mut self) -> libc::msghdr {
        let left = self.left();
        // SAFETY: all zeroes is an empty message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = left.as_ptr().cast_mut();
        message.msg_iovlen = left.len().min(LONGEST);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(buffers: &Buffers) -> Vec<usize> {
        buffers.left().iter().map(|iovec| iovec.iov_len).collect()
    }

    #[test]
    fn buffers_are_used_up_in_order_and_empty_ones_skipped() {
        for count in [3, 9] {
            let mut memory = vec![0u8; 100];
            let base = memory.as_mut_ptr();
            let sizes = (0..count).map(|index| if index % 2 == 0 { 5 } else { 0 });
            let mut buffers = Buffers::new(
                sizes
                    .map(|size| (base, size))
                    .collect::<Vec<_>>()
                    .into_iter(),
            );
            let total = buffers.total();
            buffers.advance(3);
            assert_eq!(lengths(&buffers)[0], 2);
            buffers.advance(2);
            assert_eq!(buffers.total(), total - 5);
            buffers.advance(total - 5);
            assert!(buffers.is_empty());
        }
    }

    #[test]
    fn only_empty_buffers_are_empty() {
        assert!(Buffers::none().is_empty());
        assert!(Buffers::one(std::ptr::null_mut(), 0).is_empty());
    }
}
