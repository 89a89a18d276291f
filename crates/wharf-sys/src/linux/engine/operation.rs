//! Operations as data: what is to be done on a socket, and one non-blocking attempt to do it.
//!
//! Adding an operation means one variant, one arm in [`Operation::attempt`] and, if the batcher may carry it, one in
//! [`Operation::prepare`].

mod buffers;
mod transfer;

use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use io_uring::{opcode, squeue, types};

use crate::platform::sockets::accept::AcceptInto;
use crate::platform::sockets::address::Address;
use crate::platform::sockets::change::Wait;
use crate::platform::sockets::datagram::{Envelope, ReceiveDatagram, SendDatagram};
use crate::platform::sockets::socket::{FLAG_LENT, Side, Socket};
use crate::platform::status::Status;
use crate::platform::system;

pub use buffers::Buffers;
pub use transfer::{Transfer, TransferFlags};

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
    /// A wait for a change of the ideal send backlog.
    AwaitBacklog,
    /// The socket becomes a fresh one when the peer has ended its side.
    Reuse,
    /// connect, ConnectEx: connects, then sends.
    Connect(Address, Transfer),
    /// Every receive on a datagram socket.
    ReceiveDatagram(ReceiveDatagram),
    /// Every send on a datagram socket.
    SendDatagram(SendDatagram),
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
            Operation::AwaitBacklog => socket.attempt_backlog_wait(),
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
            // Who learns of the change finishes it; a reset shows in any case.
            Side::AddressChange | Side::RouteChange | Side::BacklogChange => 0,
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
            Operation::SendDatagram(send) => {
                // SAFETY: the caller's promise.
                return unsafe { send.prepare(socket, envelope) };
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

    /// What the batcher's result of a prepared attempt means: as if [`attempt`](Self::attempt) had been called. Likewise the
    /// result of a call for several datagrams.
    ///
    /// # Safety
    /// `envelope` is that of [`prepare`](Self::prepare), or was filled for that call.
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
            Operation::SendDatagram(send) => send.completed(socket, result),
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
        if listener.has(FLAG_LENT) && system::poll_now(listener.fd(), libc::POLLIN) == 0 {
            return Err(Refused::NoneWaiting); // the attempt might block
        }
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
