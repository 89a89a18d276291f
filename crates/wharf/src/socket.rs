//! A socket as a value that owns its handle, and the calls that block.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ptr::{null, null_mut};

use wharf_sys::{
    AF_INET, AF_INET6, CancelIoEx, FIONBIO, FIONREAD, HANDLE, INVALID_SOCKET, IPPROTO_TCP,
    IPPROTO_UDP, MSG_OOB, MSG_PEEK, MSG_WAITALL, SD_BOTH, SD_RECEIVE, SD_SEND, SOCK_DGRAM,
    SOCK_STREAM, SOCKET, SOCKET_ERROR, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSARecv,
    WSASend, WSASocketW, accept, bind, closesocket, connect, getpeername, getsockname, ioctlsocket,
    listen, recv, send, shutdown,
};

use crate::address::Address;
use crate::buffers::{Slices, SlicesMut};
use crate::{Error, startup};

/// The longest queue of connections there is: `SOMAXCONN` of winsock2.h (the metadata has winsock.h's, which is 5).
const BACKLOG_MAX: i32 = i32::MAX;

/// A socket. Closed when it is dropped.
///
/// Its own methods are Winsock's calls: they block, unless the socket was told not to ([`Socket::set_nonblocking`]).
/// Operations that are under way while the caller does something else need a
/// [`CompletionPort`](crate::CompletionPort), an event or a routine.
///
/// Dropping it ends what is under way on it: a blocking call of another thread (a socket can be shared: all methods
/// take `&self`) is ruled out by the borrow, and operations come back as failed.
///
/// ```
/// use std::net::{Ipv4Addr, Shutdown};
/// use wharf::Socket;
///
/// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let client = Socket::connect_to(listener.local_addr()?)?;
/// let (server, peer) = listener.accept()?;
/// assert_eq!(peer, client.local_addr()?);
///
/// client.send(b"hello")?;
/// client.shutdown(Shutdown::Write)?;
/// let mut buffer = [0; 16];
/// assert_eq!(server.recv(&mut buffer)?, 5);
/// assert_eq!(&buffer[..5], b"hello");
/// assert_eq!(server.recv(&mut buffer)?, 0); // the client has nothing more to say
/// # Ok::<_, wharf::Error>(())
/// ```
pub struct Socket(SOCKET);

/// A number that tells a process's open sockets apart: what WSAAsyncSelect's messages name a socket by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(crate) SOCKET);

impl Socket {
    /// A TCP socket in the family of `address`, not bound to it.
    ///
    /// # Errors
    /// - [`Error::TOO_MANY_SOCKETS`] if the process may have no more.
    /// - [`Error::NO_BUFFERS`] if the system lacks memory.
    pub fn stream_for(address: SocketAddr) -> Result<Socket, Error> {
        Socket::new(address, SOCK_STREAM, IPPROTO_TCP)
    }

    /// A UDP socket in the family of `address`, not bound to it.
    ///
    /// # Errors
    /// As [`Socket::stream_for`].
    pub fn datagram_for(address: SocketAddr) -> Result<Socket, Error> {
        Socket::new(address, SOCK_DGRAM, IPPROTO_UDP)
    }

    fn new(address: SocketAddr, kind: i32, protocol: i32) -> Result<Socket, Error> {
        startup::ensure()?;
        let family = match address {
            SocketAddr::V4(_) => AF_INET,
            SocketAddr::V6(_) => AF_INET6,
        };
        let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
        // SAFETY: no protocol structure is given.
        let socket = unsafe { WSASocketW(i32::from(family), kind, protocol, null(), 0, flags) };
        Socket::own(socket)
    }

    fn own(socket: SOCKET) -> Result<Socket, Error> {
        Error::last_if(socket == INVALID_SOCKET).map(|()| Socket(socket))
    }

    /// A TCP socket that listens at `address`, with the largest backlog.
    ///
    /// # Errors
    /// Those of [`Socket::stream_for`], [`Socket::bind`] and [`Socket::listen`].
    pub fn listen_at(address: SocketAddr) -> Result<Socket, Error> {
        let socket = Socket::stream_for(address)?;
        socket.bind(address)?;
        socket.listen(BACKLOG_MAX)?;
        Ok(socket)
    }

    /// A TCP socket that is connected to `address`.
    ///
    /// # Errors
    /// Those of [`Socket::stream_for`] and [`Socket::connect`].
    pub fn connect_to(address: SocketAddr) -> Result<Socket, Error> {
        let socket = Socket::stream_for(address)?;
        socket.connect(address)?;
        Ok(socket)
    }

    /// Gives the socket its local address; port 0: one that the system chooses.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-bind>
    ///
    /// # Errors
    /// - [`Error::ADDRESS_IN_USE`] if another socket has it; [`Error::ACCESS`] if that one wants it for itself.
    /// - [`Error::ADDRESS_NOT_AVAILABLE`] if it is not of this machine.
    /// - [`Error::INVALID`] if the socket is bound already.
    pub fn bind(&self, address: SocketAddr) -> Result<(), Error> {
        let address = Address::from(address);
        // SAFETY: the address is valid for its length.
        let bound = unsafe { bind(self.0, address.as_ptr(), address.length()) };
        Error::last_if(bound == SOCKET_ERROR)
    }

    /// Accepts connections from now on; up to `backlog` of them wait to be taken.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-listen>
    ///
    /// # Errors
    /// - [`Error::INVALID`] if the socket is not bound.
    /// - [`Error::IS_CONNECTED`] if it is connected.
    pub fn listen(&self, backlog: i32) -> Result<(), Error> {
        // SAFETY: any values are checked.
        let listening = unsafe { listen(self.0, backlog) };
        Error::last_if(listening == SOCKET_ERROR)
    }

    /// Takes the next connection of a listening socket: its socket, and who is at the other end.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-accept>
    ///
    /// # Errors
    /// - [`Error::INVALID`] if the socket does not listen.
    /// - [`Error::WOULD_BLOCK`] if there is none and the socket does not block.
    /// - [`Error::TOO_MANY_SOCKETS`] if the process may have no more; the connection stays in the backlog.
    pub fn accept(&self) -> Result<(Socket, SocketAddr), Error> {
        let mut address = Address::empty();
        let length: *mut i32 = address.length_mut();
        // SAFETY: there is room for an address of that length.
        let accepted = unsafe { accept(self.0, address.as_mut_ptr(), length) };
        let accepted = Socket::own(accepted);
        crate::routine::rethrow();
        Ok((accepted?, address.get()?))
    }

    /// Connects; for a datagram socket, sets whom it sends to and receives from.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-connect>
    ///
    /// # Errors
    /// - [`Error::CONNECTION_REFUSED`] if nobody listens there.
    /// - [`Error::TIMED_OUT`], [`Error::NETWORK_UNREACHABLE`], [`Error::HOST_UNREACHABLE`] if nobody answers.
    /// - [`Error::WOULD_BLOCK`] if it is under way and the socket does not block.
    /// - [`Error::IS_CONNECTED`] if it is connected.
    pub fn connect(&self, address: SocketAddr) -> Result<(), Error> {
        let address = Address::from(address);
        // SAFETY: the address is valid for its length.
        let connected = unsafe { connect(self.0, address.as_ptr(), address.length()) };
        let connected = Error::last_if(connected == SOCKET_ERROR);
        crate::routine::rethrow();
        connected
    }

    /// Sends, and tells how much: everything, unless the socket does not block.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-send>
    ///
    /// # Errors
    /// - [`Error::CONNECTION_RESET`], [`Error::CONNECTION_ABORTED`] if the connection is no more.
    /// - [`Error::SHUT_DOWN`] after a shutdown of this direction; [`Error::NOT_CONNECTED`] without a peer.
    /// - [`Error::WOULD_BLOCK`] if there is no room and the socket does not block.
    /// - [`Error::MESSAGE_SIZE`] if it is too long for a datagram.
    pub fn send(&self, data: &[u8]) -> Result<usize, Error> {
        self.send_with(data, 0)
    }

    /// Sends urgent data; the last byte is the urgent one.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send_urgent(&self, data: &[u8]) -> Result<usize, Error> {
        self.send_with(data, MSG_OOB)
    }

    fn send_with(&self, data: &[u8], flags: i32) -> Result<usize, Error> {
        // SAFETY: the buffer is valid for its length.
        let sent = unsafe { send(self.0, data.as_ptr(), clamped(data.len()), flags) };
        let count = count(sent);
        crate::routine::rethrow();
        count
    }

    /// Sends several pieces as one; for a datagram socket, as one datagram.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use wharf::Socket;
    /// # let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// # let client = Socket::connect_to(listener.local_addr()?)?;
    /// # let (server, _) = listener.accept()?;
    /// let sent = client.send_vectored(|pieces| {
    ///     pieces.push(b"head ");
    ///     pieces.push(b"body");
    /// })?;
    /// assert_eq!(sent, 9);
    /// # let mut buffer = [0; 9];
    /// # assert_eq!(server.recv_all(&mut buffer)?, 9);
    /// # assert_eq!(&buffer, b"head body");
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Socket::send`]; [`Error::INVALID`] without a piece.
    pub fn send_vectored<'a>(&self, pieces: impl FnOnce(&mut Slices<'a>)) -> Result<usize, Error> {
        let mut slices = Slices::new();
        pieces(&mut slices);
        let (buffers, count) = slices.parts()?;
        let mut sent = 0;
        // SAFETY: the slices are valid for their lengths; the call does not write to them.
        let result = unsafe { WSASend(self.0, buffers, count, &mut sent, 0, null_mut(), None) };
        let result = Error::last_if(result == SOCKET_ERROR);
        crate::routine::rethrow();
        result.map(|()| sent as usize)
    }

    /// Receives what is there, at least a byte, waiting for it; 0: the peer has nothing more to say.
    ///
    /// A datagram socket receives one datagram.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-recv>
    ///
    /// # Errors
    /// - [`Error::CONNECTION_RESET`], [`Error::CONNECTION_ABORTED`] if the connection is no more.
    /// - [`Error::SHUT_DOWN`] after a shutdown of this direction; [`Error::NOT_CONNECTED`] without a peer.
    /// - [`Error::WOULD_BLOCK`] if there is nothing and the socket does not block.
    /// - [`Error::MESSAGE_SIZE`] if the datagram is longer than the buffer: it is full, the rest is lost.
    pub fn recv(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, 0)
    }

    /// As [`Socket::recv`], but leaves the data where it is.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn peek(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, MSG_PEEK)
    }

    /// As [`Socket::recv`], but waits until the buffer is full or the peer has nothing more to say.
    ///
    /// # Errors
    /// As [`Socket::recv`]; [`Error::OPERATION_NOT_SUPPORTED`] if the socket is no stream or does not block.
    pub fn recv_all(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, MSG_WAITALL)
    }

    /// Receives the urgent byte.
    ///
    /// # Errors
    /// As [`Socket::recv`]; [`Error::WOULD_BLOCK`] or [`Error::INVALID`] if there is none.
    pub fn recv_urgent(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, MSG_OOB)
    }

    fn recv_with(&self, buffer: &mut [u8], flags: i32) -> Result<usize, Error> {
        // SAFETY: the buffer is valid for its length.
        let received = unsafe { recv(self.0, buffer.as_mut_ptr(), clamped(buffer.len()), flags) };
        let count = count(received);
        crate::routine::rethrow();
        count
    }

    /// Receives into several pieces, filling one after the other.
    ///
    /// # Errors
    /// As [`Socket::recv`]; [`Error::INVALID`] without a piece.
    pub fn recv_vectored<'a>(
        &self,
        pieces: impl FnOnce(&mut SlicesMut<'a>),
    ) -> Result<usize, Error> {
        let mut slices = SlicesMut::new();
        pieces(&mut slices);
        let (buffers, count) = slices.parts()?;
        let (mut received, mut flags) = (0, 0);
        // SAFETY: the slices are valid for their lengths, and borrowed for as long as the call.
        let result = unsafe {
            WSARecv(
                self.0,
                buffers,
                count,
                &mut received,
                &mut flags,
                null_mut(),
                None,
            )
        };
        let result = Error::last_if(result == SOCKET_ERROR);
        crate::routine::rethrow();
        result.map(|()| received as usize)
    }

    /// Ends one direction, or both. What was sent before arrives first, then the peer receives 0 bytes.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-shutdown>
    ///
    /// # Errors
    /// [`Error::NOT_CONNECTED`] without a peer.
    pub fn shutdown(&self, how: Shutdown) -> Result<(), Error> {
        let how = match how {
            Shutdown::Read => SD_RECEIVE,
            Shutdown::Write => SD_SEND,
            Shutdown::Both => SD_BOTH,
        };
        // SAFETY: any values are checked.
        Error::last_if(unsafe { shutdown(self.0, how) } == SOCKET_ERROR)
    }

    /// Whether calls that cannot be done at once fail with [`Error::WOULD_BLOCK`] instead of waiting.
    ///
    /// Operations with a port, an event or a routine do not mind.
    ///
    /// # Errors
    /// [`Error::INVALID`] if it is to block while its network events are selected.
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<(), Error> {
        let mut argument = u32::from(nonblocking);
        // SAFETY: the argument is a live variable.
        Error::last_if(unsafe { ioctlsocket(self.0, FIONBIO, &mut argument) } == SOCKET_ERROR)
    }

    /// How many bytes can be received at once.
    ///
    /// # Errors
    /// None that an open socket can give.
    pub fn available(&self) -> Result<usize, Error> {
        let mut count = 0;
        // SAFETY: the argument is a live variable.
        let told = unsafe { ioctlsocket(self.0, FIONREAD, &mut count) };
        Error::last_if(told == SOCKET_ERROR).map(|()| count as usize)
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// [`Error::INVALID`] if it is not bound.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        let mut address = Address::empty();
        let length: *mut i32 = address.length_mut();
        // SAFETY: there is room for an address of that length.
        let told = unsafe { getsockname(self.0, address.as_mut_ptr(), length) };
        Error::last_if(told == SOCKET_ERROR)?;
        address.get()
    }

    /// The address of its peer.
    ///
    /// # Errors
    /// [`Error::NOT_CONNECTED`] without one.
    pub fn peer_addr(&self) -> Result<SocketAddr, Error> {
        let mut address = Address::empty();
        let length: *mut i32 = address.length_mut();
        // SAFETY: there is room for an address of that length.
        let told = unsafe { getpeername(self.0, address.as_mut_ptr(), length) };
        Error::last_if(told == SOCKET_ERROR)?;
        address.get()
    }

    /// Cancels every operation that is under way on the socket. Each comes back, as it would have anyway, most with
    /// [`Error::OPERATION_ABORTED`], some perhaps finished.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/fileio/cancelioex-func>
    ///
    /// # Errors
    /// [`Error::NOT_FOUND`] if none is.
    pub fn cancel(&self) -> Result<(), Error> {
        // SAFETY: no OVERLAPPED is named.
        Error::last_if(unsafe { CancelIoEx(self.0 as HANDLE, null()) } == 0)
    }

    /// What messages name it by.
    pub fn id(&self) -> SocketId {
        SocketId(self.0)
    }

    /// Windows' handle, which stays the socket's own.
    ///
    /// Using it needs `unsafe`, and must leave alone what this crate relies on: do not close it, do not start
    /// overlapped operations on it that report to a port.
    pub fn as_raw(&self) -> SOCKET {
        self.0
    }

    /// Windows' handle, which is the caller's from now on.
    pub fn into_raw(self) -> SOCKET {
        let socket = self.0;
        std::mem::forget(self);
        socket
    }

    /// A socket that owns this handle.
    ///
    /// # Safety
    /// The handle is that of a socket, and nobody else closes it. It was made with the overlapped attribute, is not
    /// associated with a port, and no operation is under way on it.
    pub unsafe fn from_raw(socket: SOCKET) -> Socket {
        // A process that has the handle has started the library; this one counts for itself all the same.
        let _ = startup::ensure();
        Socket(socket)
    }
}

wharf_sys::implement_as_descriptor!(Socket);

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again.
        unsafe { closesocket(self.0) };
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.0).finish()
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv(buffer)?)
    }
}

impl Write for &Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(self.send(data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A length as Winsock counts. What is beyond waits for the next call.
fn clamped(length: usize) -> i32 {
    length.min(i32::MAX as usize) as i32
}

/// The answer of `send` and `recv`.
fn count(result: i32) -> Result<usize, Error> {
    Error::last_if(result == SOCKET_ERROR).map(|()| result as usize)
}
