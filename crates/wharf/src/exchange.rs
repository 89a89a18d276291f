//! What the system writes to beside an operation's OVERLAPPED and buffers: addresses, and the socket of an accept.
//!
//! It is in an allocation of its own, which an operation gets with the first request that needs it, and keeps.

use std::mem::size_of;
use std::net::SocketAddr;
use std::ptr::null_mut;

use wharf_sys::{GetAcceptExSockaddrs, INVALID_SOCKET, SOCKADDR, SOCKADDR_IN6, SOCKET, WSABUF};

use crate::address::Address;
use crate::{Accepted, Error, Operation, Socket};

/// Room for one address, as AcceptEx wants it.
pub(crate) const ADDRESS_ROOM: usize = size_of::<SOCKADDR_IN6>() + 16;

const BOTH: usize = 2 * ADDRESS_ROOM;

/// The parts; those of the last request are valid.
pub(crate) struct Exchange {
    awaited: Awaited,
    sender: Address,
    /// A socket to accept into, if the operation has made it.
    acceptor: Option<Socket>,
    /// The addresses of an accept without a buffer.
    room: [u8; BOTH],
    /// Where AcceptEx writes: data first, then the addresses. In `room`, or in the operation's value.
    buffer: *mut u8,
    data_room: u32,
    left: Left,
}

/// What the last operation has left for its owner.
#[derive(Default)]
pub(crate) struct Left {
    sender: Option<SocketAddr>,
    accepted: Option<Accepted>,
}

#[derive(Clone, Copy, PartialEq)]
enum Awaited {
    Nothing,
    Sender,
    Connection,
}

/// Pointers into an exchange, for one call. They are valid until the exchange is looked at again.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) sender: *mut SOCKADDR,
    pub(crate) sender_length: *mut i32,
    pub(crate) acceptor: SOCKET,
    pub(crate) buffer: *mut u8,
    pub(crate) data_room: u32,
}

const NOWHERE: Place = Place {
    sender: null_mut(),
    sender_length: null_mut(),
    acceptor: INVALID_SOCKET,
    buffer: null_mut(),
    data_room: 0,
};

impl Exchange {
    /// What the last operation has left, which the next gives up once it is started.
    #[inline]
    pub(crate) fn take_left(exchange: &mut Option<Box<Exchange>>) -> Option<Left> {
        Some(std::mem::take(&mut exchange.as_mut()?.left))
    }

    /// The next one was refused: everything is as it was.
    pub(crate) fn put_back(exchange: &mut Option<Box<Exchange>>, left: Option<Left>) {
        if let Some(exchange) = exchange {
            exchange.clear();
            exchange.left = left.unwrap_or_default();
        }
    }

    /// The exchange, made if there is none, without what the last request has left.
    pub(crate) fn of(exchange: &mut Option<Box<Exchange>>) -> &mut Exchange {
        let exchange = exchange.get_or_insert_with(|| {
            Box::new(Exchange {
                awaited: Awaited::Nothing,
                sender: Address::empty(),
                acceptor: None,
                room: [0; BOTH],
                buffer: null_mut(),
                data_room: 0,
                left: Left::default(),
            })
        });
        exchange.clear();
        exchange
    }

    /// For a request that needs none.
    #[inline]
    pub(crate) fn none(exchange: &mut Option<Box<Exchange>>) -> Place {
        if let Some(exchange) = exchange {
            exchange.clear();
        }
        NOWHERE
    }

    fn clear(&mut self) {
        self.awaited = Awaited::Nothing;
        self.acceptor = None;
        self.left = Left::default();
        self.buffer = null_mut();
    }

    /// For a receive that is told the sender.
    pub(crate) fn await_sender(&mut self) -> Place {
        self.awaited = Awaited::Sender;
        self.sender = Address::empty();
        let (sender, sender_length) = self.sender.as_out();
        Place {
            sender,
            sender_length,
            ..NOWHERE
        }
    }

    /// For an accept into this socket. Without a buffer there is room here.
    ///
    /// # Errors
    /// [`Error::FAULT`] if a buffer has no room for the addresses.
    pub(crate) fn await_connection(
        &mut self,
        acceptor: SOCKET,
        buffer: WSABUF,
    ) -> Result<Place, Error> {
        let (buffer, length) = match buffer.buf.is_null() {
            true => (self.room.as_mut_ptr(), BOTH as u32),
            false => (buffer.buf, buffer.len),
        };
        let data_room = length.checked_sub(BOTH as u32).ok_or(Error::FAULT)?;
        self.awaited = Awaited::Connection;
        (self.buffer, self.data_room) = (buffer, data_room);
        Ok(Place {
            acceptor,
            buffer,
            data_room,
            ..NOWHERE
        })
    }

    /// As [`Exchange::await_connection`], into a socket that is kept here meanwhile.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn await_own_connection(
        &mut self,
        acceptor: Socket,
        buffer: WSABUF,
    ) -> Result<Place, Error> {
        let acceptor = self.acceptor.insert(acceptor).as_raw();
        self.await_connection(acceptor, buffer)
    }

    /// The operation is over: notes what is in the buffers while they are still as the system has left them.
    ///
    /// # Safety
    /// It is the end of the operation that was started last, and nobody has used its value since.
    pub(crate) unsafe fn settle(&mut self, succeeded: bool) {
        match self.awaited {
            Awaited::Nothing => return,
            Awaited::Sender => self.left.sender = self.sender.get().ok(), // of no family, if nothing was stored
            Awaited::Connection => {
                let acceptor = self.acceptor.take();
                if succeeded && let Some(socket) = acceptor {
                    // SAFETY: the buffer of a finished AcceptEx.
                    let addresses = unsafe { addresses(self.buffer, self.data_room) };
                    self.left.accepted =
                        addresses.map(|(local, peer)| Accepted::new(socket, local, peer));
                }
                self.buffer = null_mut();
            }
        }
        self.awaited = Awaited::Nothing;
    }
}

impl<T> Operation<T> {
    /// The connection that it took: `None` if it was no accept with a socket of its own, or failed, or was asked before.
    ///
    /// To be asked when the report has come: the next operation of the same value gives it up.
    pub fn take_accepted(&mut self) -> Option<Accepted> {
        self.exchange_mut().as_mut()?.left.accepted.take()
    }

    /// Who has sent the datagram that it received: `None` if it was no [`Request::receive_from`], or failed, or the socket
    /// is a stream.
    ///
    /// [`Request::receive_from`]: crate::Request::receive_from
    pub fn received_from(&self) -> Option<SocketAddr> {
        self.exchange().as_ref()?.left.sender
    }
}

/// The addresses of a finished accept: its own, its peer's.
///
/// # Safety
/// The buffer is that of an AcceptEx with this room for data, and `ADDRESS_ROOM` for each address, which has succeeded.
unsafe fn addresses(buffer: *const u8, data_room: u32) -> Option<(SocketAddr, SocketAddr)> {
    let (mut local, mut peer) = (null_mut(), null_mut());
    let (mut local_length, mut peer_length) = (0, 0);
    let room = ADDRESS_ROOM as u32;
    // SAFETY: the caller's promise; the others are live variables.
    unsafe {
        GetAcceptExSockaddrs(
            buffer.cast(),
            data_room,
            room,
            room,
            &mut local,
            &mut local_length,
            &mut peer,
            &mut peer_length,
        );
    }
    if local.is_null() || peer.is_null() {
        return None;
    }
    // SAFETY: each points into the buffer, with its length.
    let (local, peer) = unsafe {
        (
            Address::copy_from(local, local_length as usize),
            Address::copy_from(peer, peer_length as usize),
        )
    };
    Some((local.get().ok()?, peer.get().ok()?))
}
