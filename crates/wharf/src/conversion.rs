//! Sockets as what the standard library has, and the other way.
//!
//! What owns a socket there is an `OwnedFd` on Linux and an `OwnedSocket` on Windows; TcpStream and relatives are made of
//! these.

use std::net::{TcpListener, TcpStream, UdpSocket};

use wharf_sys::SOCKET;
use wharf_sys::owned::{Owned, from_owned, into_owned};

use crate::{Error, Socket, startup};

/// What owns a socket in the standard library: `OwnedFd` on Linux, `OwnedSocket` on Windows. In the blocking mode that the
/// socket had.
///
/// Operations that are under way come back as failed, as when a socket is dropped; the connection goes on.
impl TryFrom<Socket> for Owned {
    type Error = Error;

    /// # Errors
    /// [`Error::TOO_MANY_SOCKETS`] if the process may have no more; the socket is closed then.
    fn try_from(socket: Socket) -> Result<Owned, Error> {
        let raw: SOCKET = socket.as_raw();
        // SAFETY: the handle is the socket's own, and is given away here.
        let owned = unsafe { into_owned(raw) }.map_err(code)?;
        std::mem::forget(socket);
        Ok(owned)
    }
}

/// A socket of TCP or UDP, over IPv4 or IPv6, in any state; it stays in the blocking mode that it is in.
impl TryFrom<Owned> for Socket {
    type Error = Error;

    /// # Errors
    /// What came is closed.
    /// - [`Error::NOT_SOCKET`] if it is none.
    /// - [`Error::ADDRESS_FAMILY_NOT_SUPPORTED`], [`Error::PROTOCOL_NOT_SUPPORTED`] if it is another kind of socket.
    /// - [`Error::INVALID`] if it is connecting.
    /// - [`Error::TOO_MANY_SOCKETS`] if the process may have no more.
    fn try_from(owned: Owned) -> Result<Socket, Error> {
        startup::ensure()?;
        let raw = from_owned(owned).map_err(code)?;
        Ok(Socket::of(raw))
    }
}

/// Both ways by what owns them.
macro_rules! as_of_std {
    ($($type:ident)*) => {$(
        impl TryFrom<$type> for Socket {
            type Error = Error;

            fn try_from(other: $type) -> Result<Socket, Error> {
                Owned::from(other).try_into()
            }
        }

        /// Which does not look at the kind of socket.
        impl TryFrom<Socket> for $type {
            type Error = Error;

            fn try_from(socket: Socket) -> Result<$type, Error> {
                Owned::try_from(socket).map($type::from)
            }
        }
    )*};
}

as_of_std!(TcpStream TcpListener UdpSocket);

fn code(code: i32) -> Error {
    Error::from_code(code as u32)
}
