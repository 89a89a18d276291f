//! What an overlapped accept has beside its OVERLAPPED: a socket for the connection, and room for two addresses.

use std::mem::size_of;
use std::net::SocketAddr;
use std::ptr::null_mut;

use wharf_sys::{
    GetAcceptExSockaddrs, SO_UPDATE_ACCEPT_CONTEXT, SOCKADDR_IN6, SOCKET, SOCKET_ERROR, SOL_SOCKET,
    setsockopt,
};

use crate::address::Address;
use crate::{Error, Operation, Socket};

/// Room for one address, as AcceptEx wants it.
pub(crate) const ADDRESS_ROOM: usize = size_of::<SOCKADDR_IN6>() + 16;

/// The parts of an accept.
pub(crate) struct Accept {
    pub(crate) socket: Option<Socket>,
    pub(crate) addresses: [u8; 2 * ADDRESS_ROOM],
}

impl Accept {
    pub(crate) fn new() -> Accept {
        Accept {
            socket: None,
            addresses: [0; 2 * ADDRESS_ROOM],
        }
    }
}

/// A connection that an overlapped accept took. It is not quite a connected socket until it is told whose it is.
#[derive(Debug)]
pub struct Accepted {
    socket: Socket,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Accepted {
    /// The connection's address on this side.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Who is at the other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, with what it inherits of its listener: options, blocking mode, selected network events.
    ///
    /// # Errors
    /// [`Error::INVALID`] if `listener` does not listen.
    pub fn into_socket(self, listener: &Socket) -> Result<Socket, Error> {
        let handle: SOCKET = listener.as_raw();
        // SAFETY: the option's value is a handle, in a live variable.
        let updated = unsafe {
            setsockopt(
                self.socket.as_raw(),
                SOL_SOCKET,
                SO_UPDATE_ACCEPT_CONTEXT,
                (&raw const handle).cast(),
                size_of::<SOCKET>() as i32,
            )
        };
        Error::last_if(updated == SOCKET_ERROR)?;
        Ok(self.socket)
    }
}

impl<T> Operation<T> {
    /// The connection that it took; `None` if it was no accept, or failed, or was asked before.
    ///
    /// To be asked when the packet has come: the next operation of the same value may give it up.
    pub fn take_accepted(&mut self) -> Option<Accepted> {
        let accept = self.frame().accept.as_mut()?;
        let socket = accept.socket.take()?;
        let (local, peer) = addresses(&accept.addresses)?;
        Some(Accepted {
            socket,
            local,
            peer,
        })
    }

    /// Closes the socket of an accept that failed.
    pub(crate) fn forget_accept(&mut self) {
        if let Some(accept) = &mut self.frame().accept {
            accept.socket = None;
        }
    }
}

/// The addresses of a finished accept: its own, its peer's.
fn addresses(buffer: &[u8; 2 * ADDRESS_ROOM]) -> Option<(SocketAddr, SocketAddr)> {
    let (mut local, mut peer) = (null_mut(), null_mut());
    let (mut local_length, mut peer_length) = (0, 0);
    let room = ADDRESS_ROOM as u32;
    // SAFETY: the buffer of a finished AcceptEx with these lengths; the others are live variables.
    unsafe {
        GetAcceptExSockaddrs(
            buffer.as_ptr().cast(),
            0,
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
