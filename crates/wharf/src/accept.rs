//! A connection that an overlapped accept has taken.

use std::mem::size_of;
use std::net::SocketAddr;

use wharf_sys::{SO_UPDATE_ACCEPT_CONTEXT, SOCKET, SOCKET_ERROR, SOL_SOCKET, setsockopt};

use crate::{Error, Socket};

/// A connection that an overlapped accept took. It is not quite a connected socket until it is told whose it is.
///
/// See [`AssociatedSocket::start_accept`](crate::AssociatedSocket::start_accept) for an example.
#[derive(Debug)]
#[must_use = "dropping it closes the connection"]
pub struct Accepted {
    socket: Socket,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Accepted {
    pub(crate) fn new(socket: Socket, local: SocketAddr, peer: SocketAddr) -> Accepted {
        Accepted {
            socket,
            local,
            peer,
        }
    }

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
        self.socket.finish_accept(listener)?;
        Ok(self.socket)
    }
}

impl Socket {
    /// Makes a socket that an overlapped accept has connected ([`Request::accept_into`](crate::Request::accept_into)) like
    /// any connected one, with what it inherits of its listener: options, blocking mode, selected network events.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::{AssociatedSocket, CompletionPort, Operation, Request, Socket};
    ///
    /// struct Client {
    ///     socket: Socket,
    /// }
    ///
    /// let port: CompletionPort<Client> = CompletionPort::new(0)?;
    /// let address = (Ipv4Addr::LOCALHOST, 0).into();
    /// let listener = port.associate(Socket::listen_at(address)?, 0)?;
    /// let client = Client { socket: Socket::stream_for(address)? };
    /// listener.start(client.into(), |client| Request::accept_into(&client.socket))?;
    ///
    /// let peer = Socket::connect_to(listener.local_addr()?)?;
    /// let packet = port.take(None)?.expect("no time-out");
    /// packet.result?;
    /// let client = packet.operation.expect("not posted");
    /// client.socket.finish_accept(&listener)?;
    /// assert_eq!(client.socket.peer_addr()?, peer.local_addr()?);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::INVALID`] if `listener` does not listen.
    /// - [`Error::NOT_CONNECTED`] if the socket is not connected.
    pub fn finish_accept(&self, listener: &Socket) -> Result<(), Error> {
        let handle: SOCKET = listener.as_raw();
        // SAFETY: the option's value is a handle, in a live variable.
        let updated = unsafe {
            setsockopt(
                self.as_raw(),
                SOL_SOCKET,
                SO_UPDATE_ACCEPT_CONTEXT,
                (&raw const handle).cast(),
                size_of::<SOCKET>() as i32,
            )
        };
        Error::last_if(updated == SOCKET_ERROR)
    }
}
