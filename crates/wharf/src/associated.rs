//! A socket whose operations report to a port.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Deref;
use std::ptr::{null, null_mut};
use std::sync::Arc;

use wharf_sys::{
    AcceptEx, CancelIoEx, HANDLE, OVERLAPPED, SO_UPDATE_CONNECT_CONTEXT, SOCKET, SOCKET_ERROR,
    SOL_SOCKET, WSABUF, WSARecv, WSASend, setsockopt,
};

use crate::accept::{ADDRESS_ROOM, Accept};
use crate::address::{Address, any_of_family};
use crate::buffers::{Slices, SlicesMut, one, one_mut};
use crate::extension::connect_ex;
use crate::operation::{Operation, OperationId, Refused};
use crate::port::PortState;
use crate::{Error, Socket};

/// A socket that is associated with a [`CompletionPort`](crate::CompletionPort), as long as it lives: operations that
/// are started on it report there, each with one packet, whatever becomes of it.
///
/// An operation is started with a function that finds the buffer in the operation's value: the operation owns both
/// until its packet. It may own the socket too; then [`Operation::start_receive`] and [`Operation::start_send`] find
/// socket and buffer.
///
/// Dropping the socket closes it; what is under way comes back as failed. Dropping the port first leaves the socket
/// with its blocking calls, which are those of [`Socket`].
pub struct AssociatedSocket<T: 'static> {
    socket: Socket,
    port: Arc<PortState>,
    values: PhantomData<*mut T>,
}

// SAFETY: a socket is made to be used from any thread; what it may bring to another is `T`.
unsafe impl<T: Send> Send for AssociatedSocket<T> {}
// SAFETY: as above; every function on it is thread-safe.
unsafe impl<T: Send> Sync for AssociatedSocket<T> {}

impl<T: 'static> AssociatedSocket<T> {
    pub(crate) fn new(socket: Socket, port: Arc<PortState>) -> AssociatedSocket<T> {
        AssociatedSocket {
            socket,
            port,
            values: PhantomData,
        }
    }

    fn aim(&self) -> Aim {
        Aim {
            socket: self.socket.as_raw(),
            port: Arc::as_ptr(&self.port),
        }
    }

    /// Starts receiving into the buffer that `buffer` finds. The packet tells how many bytes came; 0: the peer has
    /// nothing more to say.
    ///
    /// Receives of one socket are filled in the order in which they were started. A buffer of no bytes waits until
    /// there is something to receive, and takes nothing.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecv>
    ///
    /// # Errors
    /// The operation comes back with the error, and no packet comes.
    /// - [`Error::NOT_CONNECTED`] if the socket has no peer.
    /// - [`Error::CONNECTION_RESET`], [`Error::CONNECTION_ABORTED`] if the connection is no more.
    /// - [`Error::SHUT_DOWN`] after a shutdown of this direction.
    /// - [`Error::ABANDONED_WAIT`] if the port was dropped.
    pub fn start_receive(
        &self,
        mut operation: Operation<T>,
        buffer: impl for<'a> FnOnce(&'a mut T) -> &'a mut [u8],
    ) -> Result<(), Refused<T>> {
        let buffer = one_mut(buffer(operation.body()));
        // SAFETY: the aim is this socket; the buffer was found in the value.
        unsafe { self.aim().receive(operation, &buffer, 1) }
    }

    /// As [`AssociatedSocket::start_receive`], into several pieces, one after the other.
    ///
    /// # Errors
    /// As [`AssociatedSocket::start_receive`]; [`Error::INVALID`] without a piece.
    pub fn start_receive_vectored(
        &self,
        mut operation: Operation<T>,
        pieces: impl for<'a> FnOnce(&'a mut T, &mut SlicesMut<'a>),
    ) -> Result<(), Refused<T>> {
        let mut slices = SlicesMut::new();
        pieces(operation.body(), &mut slices);
        let list = slices.into_list();
        match list.parts() {
            // SAFETY: the aim is this socket; the pieces were found in the value.
            Ok((first, count)) => unsafe { self.aim().receive(operation, first, count) },
            Err(error) => Err(Refused::new(error, operation)),
        }
    }

    /// Starts sending what `data` finds. The packet comes when the system has all of it.
    ///
    /// Sends of one socket leave in the order in which they were started.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasend>
    ///
    /// # Errors
    /// As [`AssociatedSocket::start_receive`].
    pub fn start_send(
        &self,
        mut operation: Operation<T>,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
    ) -> Result<(), Refused<T>> {
        match one(data(operation.body())) {
            // SAFETY: the aim is this socket; the data was found in the value.
            Ok(data) => unsafe { self.aim().send(operation, &data, 1) },
            Err(error) => Err(Refused::new(error, operation)),
        }
    }

    /// As [`AssociatedSocket::start_send`], of several pieces as one.
    ///
    /// # Errors
    /// As [`AssociatedSocket::start_receive`]; [`Error::INVALID`] without a piece.
    pub fn start_send_vectored(
        &self,
        mut operation: Operation<T>,
        pieces: impl for<'a> FnOnce(&'a T, &mut Slices<'a>),
    ) -> Result<(), Refused<T>> {
        let mut slices = Slices::new();
        pieces(operation.body(), &mut slices);
        let list = slices.into_list();
        match list.parts() {
            // SAFETY: the aim is this socket; the pieces were found in the value.
            Ok((first, count)) => unsafe { self.aim().send(operation, first, count) },
            Err(error) => Err(Refused::new(error, operation)),
        }
    }

    /// Starts accepting a connection on a listening socket. When the packet has come,
    /// [`Operation::take_accepted`] gives the connection.
    ///
    /// Several may be under way; connections go to them in the order in which they were started.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use wharf::{CompletionPort, Operation, Socket};
    /// # let port: CompletionPort<()> = CompletionPort::new(0)?;
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let listener = port.associate(listener, 0)?;
    /// listener.start_accept(Operation::new(()))?;
    ///
    /// let client = Socket::connect_to(listener.local_addr()?)?;
    /// let packet = port.take(None)?.expect("no time-out");
    /// packet.result?;
    /// let accepted = packet.operation.and_then(|mut operation| operation.take_accepted());
    /// let accepted = accepted.expect("an accept that succeeded");
    /// assert_eq!(accepted.peer_addr(), client.local_addr()?);
    /// let server = accepted.into_socket(&listener)?;
    /// # server.send(b"!")?;
    /// # assert_eq!(client.recv(&mut [0; 2])?, 1);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nf-mswsock-acceptex>
    ///
    /// # Errors
    /// The operation comes back with the error, and no packet comes.
    /// - [`Error::INVALID`] if the socket does not listen.
    /// - [`Error::TOO_MANY_SOCKETS`] if the process may have no more.
    /// - [`Error::ABANDONED_WAIT`] if the port was dropped.
    pub fn start_accept(&self, mut operation: Operation<T>) -> Result<(), Refused<T>> {
        let socket = match self.local_addr().and_then(Socket::stream_for) {
            Ok(socket) => socket,
            Err(error) => return Err(Refused::new(error, operation)),
        };
        let accept = &mut operation.frame().accept;
        let accept = accept.get_or_insert_with(|| Box::new(Accept::new()));
        let acceptor = accept.socket.insert(socket).as_raw();
        let addresses = accept.addresses.as_mut_ptr();
        // SAFETY: the aim is this socket; the buffer is the operation's.
        unsafe {
            self.aim().start(operation, |listener, overlapped| {
                let (room, mut received) = (ADDRESS_ROOM as u32, 0);
                let accepted = AcceptEx(
                    listener,
                    acceptor,
                    addresses.cast(),
                    0,
                    room,
                    room,
                    &mut received,
                    overlapped,
                );
                Error::last_if(accepted == 0)
            })
        }
    }

    /// Starts connecting. When the packet has come, [`AssociatedSocket::finish_connect`] makes the socket a connected
    /// one.
    ///
    /// A socket that is not bound is bound to a port that the system chooses.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use wharf::{CompletionPort, Operation, Socket};
    /// # let port: CompletionPort<()> = CompletionPort::new(0)?;
    /// # let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let address = listener.local_addr()?;
    /// let client = port.associate(Socket::stream_for(address)?, 0)?;
    /// client.start_connect(Operation::new(()), address)?;
    /// port.take(None)?.expect("no time-out").result?;
    /// client.finish_connect()?;
    /// assert_eq!(client.peer_addr()?, address);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nc-mswsock-lpfn_connectex>
    ///
    /// # Errors
    /// The operation comes back with the error, and no packet comes.
    /// - [`Error::IS_CONNECTED`] if the socket is connected, [`Error::INVALID`] if it is connecting or listens.
    /// - [`Error::ADDRESS_NOT_AVAILABLE`] if the address is not one to connect to.
    /// - [`Error::ABANDONED_WAIT`] if the port was dropped.
    pub fn start_connect(
        &self,
        operation: Operation<T>,
        address: SocketAddr,
    ) -> Result<(), Refused<T>> {
        // SAFETY: no data is sent.
        unsafe { self.connect_with(operation, address, null(), 0) }
    }

    /// As [`AssociatedSocket::start_connect`], and sends what `data` finds as soon as it is connected.
    ///
    /// # Errors
    /// As [`AssociatedSocket::start_connect`].
    pub fn start_connect_and_send(
        &self,
        mut operation: Operation<T>,
        address: SocketAddr,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
    ) -> Result<(), Refused<T>> {
        match one(data(operation.body())) {
            // SAFETY: the data was found in the value.
            Ok(data) => unsafe { self.connect_with(operation, address, data.buf, data.len) },
            Err(error) => Err(Refused::new(error, operation)),
        }
    }

    /// # Safety
    /// The data, if any, was found in the operation's value.
    unsafe fn connect_with(
        &self,
        operation: Operation<T>,
        address: SocketAddr,
        data: *const u8,
        length: u32,
    ) -> Result<(), Refused<T>> {
        let connect_ex = match self.ready_to_connect(address) {
            Ok(connect_ex) => connect_ex,
            Err(error) => return Err(Refused::new(error, operation)),
        };
        let address = Address::from(address);
        // SAFETY: the aim is this socket; the data is the operation's, the address is looked at during the call only.
        unsafe {
            self.aim().start(operation, |socket, overlapped| {
                let mut sent = 0;
                let (name, name_length) = (address.as_ptr(), address.length());
                let data = data.cast();
                let connected = connect_ex(
                    socket,
                    name,
                    name_length,
                    data,
                    length,
                    &mut sent,
                    overlapped,
                );
                Error::last_if(connected == 0)
            })
        }
    }

    fn ready_to_connect(&self, address: SocketAddr) -> Result<ConnectEx, Error> {
        match self.bind(any_of_family(address)) {
            Ok(()) | Err(Error::INVALID) => {} // the latter: bound already, or not one to connect
            Err(error) => return Err(error),
        }
        connect_ex(self)?.ok_or(Error::OPERATION_NOT_SUPPORTED)
    }

    /// Makes a socket whose overlapped connect has succeeded like any connected one: it has a peer's address and can
    /// be shut down.
    ///
    /// # Errors
    /// [`Error::NOT_CONNECTED`] if it is not connected.
    pub fn finish_connect(&self) -> Result<(), Error> {
        // SAFETY: the option has no value.
        let updated = unsafe {
            setsockopt(
                self.as_raw(),
                SOL_SOCKET,
                SO_UPDATE_CONNECT_CONTEXT,
                null(),
                0,
            )
        };
        Error::last_if(updated == SOCKET_ERROR)
    }

    /// Cancels one operation that is under way. Its packet comes, as it would have anyway.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use wharf::{CompletionPort, Error, Operation, Socket};
    /// # let port: CompletionPort<[u8; 8]> = CompletionPort::new(0)?;
    /// # let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// # let client = Socket::connect_to(listener.local_addr()?)?;
    /// # let client = port.associate(client, 0)?;
    /// let operation = Operation::new([0; 8]);
    /// let id = operation.id();
    /// client.start_receive(operation, |buffer| buffer)?;
    /// client.cancel_one(id)?;
    /// let packet = port.take(None)?.expect("no time-out");
    /// assert_eq!(packet.result, Err(Error::OPERATION_ABORTED));
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NOT_FOUND`] if it is not under way on this socket.
    pub fn cancel_one(&self, operation: OperationId) -> Result<(), Error> {
        // SAFETY: the OVERLAPPED is compared, not followed.
        let found =
            unsafe { CancelIoEx(self.as_raw() as HANDLE, operation.0 as *const OVERLAPPED) };
        Error::last_if(found == 0)
    }
}

/// ConnectEx, when it is there.
type ConnectEx = unsafe extern "system" fn(
    SOCKET,
    *const wharf_sys::SOCKADDR,
    i32,
    *const core::ffi::c_void,
    u32,
    *mut u32,
    *mut OVERLAPPED,
) -> wharf_sys::BOOL;

impl<T: 'static> Operation<T> {
    /// As [`AssociatedSocket::start_receive`], on a socket that the operation's value holds as well: `parts` finds
    /// both.
    ///
    /// ```
    /// use wharf::{AssociatedSocket, Operation, Refused};
    ///
    /// struct Client {
    ///     socket: AssociatedSocket<Client>,
    ///     buffer: [u8; 4096],
    /// }
    ///
    /// fn receive(operation: Operation<Client>) -> Result<(), Refused<Client>> {
    ///     operation.start_receive(|client| (&client.socket, &mut client.buffer))
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`AssociatedSocket::start_receive`].
    pub fn start_receive(
        mut self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a AssociatedSocket<T>, &'a mut [u8]),
    ) -> Result<(), Refused<T>> {
        let (socket, buffer) = parts(self.body());
        let (aim, buffer) = (socket.aim(), one_mut(buffer));
        // SAFETY: aim and buffer were found in the value.
        unsafe { aim.receive(self, &buffer, 1) }
    }

    /// As [`AssociatedSocket::start_send`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`AssociatedSocket::start_receive`].
    pub fn start_send(
        mut self,
        parts: impl for<'a> FnOnce(&'a T) -> (&'a AssociatedSocket<T>, &'a [u8]),
    ) -> Result<(), Refused<T>> {
        let (socket, data) = parts(self.body());
        match (socket.aim(), one(data)) {
            // SAFETY: aim and data were found in the value.
            (aim, Ok(data)) => unsafe { aim.send(self, &data, 1) },
            (_, Err(error)) => Err(Refused::new(error, self)),
        }
    }
}

/// What is left of a socket while an operation that may own it is being started.
#[derive(Clone, Copy)]
struct Aim {
    socket: SOCKET,
    port: *const PortState,
}

impl Aim {
    /// # Safety
    /// As [`Aim::start`]; the buffers were found in the operation's value, and the list is valid.
    unsafe fn receive<T>(
        self,
        operation: Operation<T>,
        buffers: *const WSABUF,
        count: u32,
    ) -> Result<(), Refused<T>> {
        // SAFETY: the caller's promise.
        unsafe {
            self.start(operation, |socket, overlapped| {
                let mut flags = 0;
                let result = WSARecv(
                    socket,
                    buffers,
                    count,
                    null_mut(),
                    &mut flags,
                    overlapped,
                    None,
                );
                Error::last_if(result == SOCKET_ERROR)
            })
        }
    }

    /// # Safety
    /// As [`Aim::receive`].
    unsafe fn send<T>(
        self,
        operation: Operation<T>,
        buffers: *const WSABUF,
        count: u32,
    ) -> Result<(), Refused<T>> {
        // SAFETY: the caller's promise.
        unsafe {
            self.start(operation, |socket, overlapped| {
                let result = WSASend(socket, buffers, count, null_mut(), 0, overlapped, None);
                Error::last_if(result == SOCKET_ERROR)
            })
        }
    }

    /// Starts the operation by `call`.
    ///
    /// Once it is under way another thread may have taken its packet and dropped everything that its value owned:
    /// neither the socket nor the port is touched any more.
    ///
    /// # Safety
    /// The aim is that of an `AssociatedSocket<T>` that lives until the operation is under way. `call` gives the
    /// OVERLAPPED to one function, for this socket and without a routine.
    unsafe fn start<T>(
        self,
        operation: Operation<T>,
        call: impl FnOnce(SOCKET, *mut OVERLAPPED) -> Result<(), Error>,
    ) -> Result<(), Refused<T>> {
        // SAFETY: the socket lives, and with it the port's state.
        if let Err(error) = unsafe { (*self.port).announce() } {
            return Err(Refused::new(error, operation));
        }
        // SAFETY: the socket reports to its port, which makes `Operation<T>` of packets.
        match unsafe { operation.start(0, |overlapped| call(self.socket, overlapped)) } {
            Ok(_) => Ok(()),
            Err(refused) => {
                // SAFETY: it is not under way, so the socket lives, and with it the port's state.
                unsafe { (*self.port).retract() };
                Err(refused)
            }
        }
    }
}

impl<T: 'static> Deref for AssociatedSocket<T> {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl<T: 'static> Drop for AssociatedSocket<T> {
    fn drop(&mut self) {
        self.port.forget(&self.socket);
    }
}

impl<T: 'static> fmt::Debug for AssociatedSocket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AssociatedSocket")
            .field(&self.as_raw())
            .finish()
    }
}
