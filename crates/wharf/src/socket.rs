//! A socket as a value that owns its handle, and the calls that block.

use std::fmt;
use std::mem::{ManuallyDrop, zeroed};
use std::net::{Shutdown, SocketAddr};
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use wharf_sys::{
    AF_INET, AF_INET6, CancelIoEx, FIONBIO, FIONREAD, FROM_PROTOCOL_INFO, GetCurrentProcessId,
    HANDLE, INVALID_SOCKET, IPPROTO_TCP, IPPROTO_UDP, SD_BOTH, SD_RECEIVE, SD_SEND,
    SO_UPDATE_CONNECT_CONTEXT, SOCK_DGRAM, SOCK_STREAM, SOCKET, SOCKET_ERROR, SOL_SOCKET,
    WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADuplicateSocketW, WSAPROTOCOL_INFOW,
    WSASocketW, accept, bind, closesocket, connect, getpeername, getsockname, ioctlsocket, listen,
    setsockopt, shutdown,
};

use crate::address::Address;
use crate::{Error, SocketSet, select, startup};

/// What a socket is made with.
const FLAGS: u32 = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;

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
pub struct Socket {
    handle: SOCKET,
    /// There is, or was, another handle of it.
    cloned: AtomicBool,
}

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
        // SAFETY: no protocol structure is given.
        let socket = unsafe { WSASocketW(i32::from(family), kind, protocol, null(), 0, FLAGS) };
        Socket::own(socket)
    }

    fn own(socket: SOCKET) -> Result<Socket, Error> {
        Error::last_if(socket == INVALID_SOCKET).map(|()| Socket::of(socket))
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

    /// As [`Socket::connect_to`], but gives up after `timeout`.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use std::time::Duration;
    /// # use wharf::Socket;
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let client = Socket::connect_to_within(listener.local_addr()?, Duration::from_secs(5))?;
    /// assert_eq!(client.peer_addr()?, listener.local_addr()?);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Socket::connect_to`]; [`Error::TIMED_OUT`] if the time passed.
    #[doc(alias = "connect_timeout")]
    pub fn connect_to_within(address: SocketAddr, timeout: Duration) -> Result<Socket, Error> {
        let socket = Socket::stream_for(address)?;
        socket.set_nonblocking(true)?;
        match socket.connect(address) {
            Err(Error::WOULD_BLOCK) => {}
            result => result?,
        }
        let mut connected = SocketSet::from_iter([&socket]);
        let mut failed = connected.clone();
        select(
            &mut SocketSet::new(),
            &mut connected,
            &mut failed,
            Some(timeout),
        )?;
        if !failed.is_empty() {
            return Err(socket.connect_error()?.unwrap_or(Error::CONNECTION_REFUSED));
        }
        if connected.is_empty() {
            return Err(Error::TIMED_OUT);
        }
        drop((connected, failed));
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    /// A UDP socket that is bound to `address`.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::Socket;
    ///
    /// let one = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let other = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// one.send_to(b"hello", other.local_addr()?)?;
    /// let mut buffer = [0; 16];
    /// let (length, from) = other.recv_from(&mut buffer)?;
    /// assert_eq!((&buffer[..length], from), (&b"hello"[..], one.local_addr()?));
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Socket::datagram_for`] and [`Socket::bind`].
    pub fn datagram_at(address: SocketAddr) -> Result<Socket, Error> {
        let socket = Socket::datagram_for(address)?;
        socket.bind(address)?;
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
        let bound = unsafe { bind(self.handle, address.as_ptr(), address.length()) };
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
        let listening = unsafe { listen(self.handle, backlog) };
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
        let (room, length) = address.as_out();
        // SAFETY: there is room for an address of that length.
        let accepted = unsafe { accept(self.handle, room, length) };
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
        let connected = unsafe { connect(self.handle, address.as_ptr(), address.length()) };
        let connected = Error::last_if(connected == SOCKET_ERROR);
        crate::routine::rethrow();
        connected
    }

    /// Makes a socket whose overlapped connect has succeeded ([`Request::connect`](crate::Request::connect)) like any
    /// connected one: it has a peer's address and can be shut down.
    ///
    /// # Errors
    /// [`Error::NOT_CONNECTED`] if it is not connected.
    pub fn finish_connect(&self) -> Result<(), Error> {
        let (level, option) = (SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT);
        // SAFETY: the option has no value.
        Error::last_if(unsafe { setsockopt(self.handle, level, option, null(), 0) } == SOCKET_ERROR)
    }

    /// Another handle of the same socket: what one does to it, the other sees, an association with a port included.
    /// It is closed with the last.
    ///
    /// Operations end with the last handle, those of an [`AssociatedSocket`](crate::AssociatedSocket) with it.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::Socket;
    ///
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let client = Socket::connect_to(listener.local_addr()?)?;
    /// let clone = client.try_clone()?;
    /// drop(client);
    /// assert_eq!(clone.peer_addr()?, listener.local_addr()?);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaduplicatesocketw>
    ///
    /// # Errors
    /// [`Error::TOO_MANY_SOCKETS`] if the process may have no more.
    pub fn try_clone(&self) -> Result<Socket, Error> {
        // SAFETY: of integers and characters; zero is a value of each.
        let mut info: WSAPROTOCOL_INFOW = unsafe { zeroed() };
        // SAFETY: `info` is a live variable.
        let told = unsafe { WSADuplicateSocketW(self.handle, GetCurrentProcessId(), &mut info) };
        Error::last_if(told == SOCKET_ERROR)?;
        let as_told = FROM_PROTOCOL_INFO;
        // SAFETY: `info` is valid.
        let clone = unsafe { WSASocketW(as_told, as_told, as_told, &info, 0, FLAGS) };
        let clone = Socket::own(clone)?;
        self.cloned.store(true, Relaxed);
        clone.cloned.store(true, Relaxed);
        Ok(clone)
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
        Error::last_if(unsafe { shutdown(self.handle, how) } == SOCKET_ERROR)
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
        Error::last_if(unsafe { ioctlsocket(self.handle, FIONBIO, &mut argument) } == SOCKET_ERROR)
    }

    /// How many bytes can be received at once.
    ///
    /// # Errors
    /// None that an open socket can give.
    pub fn available(&self) -> Result<usize, Error> {
        let mut count = 0;
        // SAFETY: the argument is a live variable.
        let told = unsafe { ioctlsocket(self.handle, FIONREAD, &mut count) };
        Error::last_if(told == SOCKET_ERROR).map(|()| count as usize)
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// [`Error::INVALID`] if it is not bound.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        let mut address = Address::empty();
        let (room, length) = address.as_out();
        // SAFETY: there is room for an address of that length.
        let told = unsafe { getsockname(self.handle, room, length) };
        Error::last_if(told == SOCKET_ERROR)?;
        address.get()
    }

    /// The address of its peer.
    ///
    /// # Errors
    /// [`Error::NOT_CONNECTED`] without one.
    pub fn peer_addr(&self) -> Result<SocketAddr, Error> {
        let mut address = Address::empty();
        let (room, length) = address.as_out();
        // SAFETY: there is room for an address of that length.
        let told = unsafe { getpeername(self.handle, room, length) };
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
        Error::last_if(unsafe { CancelIoEx(self.handle as HANDLE, null()) } == 0)
    }

    /// What messages name it by.
    pub fn id(&self) -> SocketId {
        SocketId(self.handle)
    }

    /// Windows' handle, which stays the socket's own.
    ///
    /// Using it needs `unsafe`, and must leave alone what this crate relies on: do not close it, do not start
    /// overlapped operations on it that report to a port.
    pub fn as_raw(&self) -> SOCKET {
        self.handle
    }

    /// Windows' handle, which is the caller's from now on.
    #[must_use = "nobody else closes it"]
    pub fn into_raw(self) -> SOCKET {
        let socket = self.handle;
        std::mem::forget(self);
        socket
    }

    /// A socket that owns this handle.
    ///
    /// # Safety
    /// The handle is that of a socket, and nobody else closes it. Unless [`Socket::into_raw`] gave it, it was made with
    /// the overlapped attribute, is not associated with a port, and no operation is under way on it.
    pub unsafe fn from_raw(socket: SOCKET) -> Socket {
        // A process that has the handle has started the library; this one counts for itself all the same.
        let _ = startup::ensure();
        Socket::of(socket)
    }
}

impl Socket {
    /// Owns the handle.
    pub(crate) fn of(socket: SOCKET) -> Socket {
        Socket {
            handle: socket,
            cloned: AtomicBool::new(false),
        }
    }

    /// Whether closing it may leave another handle of it open.
    pub(crate) fn is_cloned(&self) -> bool {
        self.cloned.load(Relaxed)
    }

    /// For a call on a socket that somebody else owns.
    pub(crate) fn borrowed(socket: SOCKET) -> ManuallyDrop<Socket> {
        ManuallyDrop::new(Socket::of(socket))
    }
}

wharf_sys::implement_as_descriptor!(Socket);

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again.
        unsafe { closesocket(self.handle) };
        crate::routine::rethrow_from_drop(); // if it lingers, routines have run meanwhile
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.handle).finish()
    }
}
