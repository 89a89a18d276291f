//! A socket whose operations report to a port.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use wharf_sys::owned::SHARES_OPERATIONS;
use wharf_sys::{CancelIoEx, HANDLE, OVERLAPPED, SOCKET};

use crate::operation::{Operation, OperationId, Refused};
use crate::port::PortState;
use crate::request::Order;
use crate::{Error, Request, Socket};

/// A socket that is associated with a [`CompletionPort`](crate::CompletionPort), as long as it lives: operations that
/// are started on it report there, each with one packet, whatever becomes of it.
///
/// An operation is started with a function that finds the buffers in the operation's value: the operation owns them
/// until its packet. It may own the socket too; then [`Operation::start`] finds socket and buffers.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{CompletionPort, Operation, Request, Socket};
///
/// let port: CompletionPort<[u8; 64]> = CompletionPort::new(0)?;
/// let socket = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let socket = port.associate(socket, 7)?;
/// socket.start(Operation::new([0; 64]), |buffer| Request::receive_from(buffer))?;
/// socket.send_to(b"to itself", socket.local_addr()?)?; // it is a socket all the same
/// let packet = port.take(None)?.expect("no time-out");
/// assert_eq!((packet.key, packet.bytes, packet.result), (7, 9, Ok(())));
/// # Ok::<_, wharf::Error>(())
/// ```
///
/// The operations of a port have values of one type:
///
/// ```compile_fail,E0308
/// # use wharf::{AssociatedSocket, Operation};
/// fn misuse(socket: &AssociatedSocket<[u8; 64]>, operation: Operation<String>) {
///     let _ = socket.start_receive(operation, |_| &mut []);
/// }
/// ```
///
/// Values that belong to a thread keep the socket there:
///
/// ```compile_fail,E0277
/// # use std::rc::Rc;
/// # use wharf::AssociatedSocket;
/// fn misuse(socket: AssociatedSocket<Rc<u8>>) {
///     std::thread::spawn(move || socket.cancel());
/// }
/// ```
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

    /// Starts what `request` finds in the operation's value. The operation comes back with its packet.
    ///
    /// See [`Request`] for what there is, with an example.
    ///
    /// # Errors
    /// The operation comes back with the error, and no packet comes.
    /// - [`Error::NOT_CONNECTED`] if a transfer has no peer.
    /// - [`Error::CONNECTION_RESET`], [`Error::CONNECTION_ABORTED`] if the connection is no more.
    /// - [`Error::SHUT_DOWN`] after a shutdown of this direction.
    /// - [`Error::INVALID`] if it is not a socket for this request: one that accepts must listen, one that receives
    ///   datagrams must be bound.
    /// - [`Error::IS_CONNECTED`] if a socket that is to connect is connected.
    /// - [`Error::ADDRESS_NOT_AVAILABLE`] if the address is not one to connect or to send to.
    /// - [`Error::MESSAGE_SIZE`] if a datagram is too long, unless the packet tells (on Windows it may).
    /// - [`Error::TOO_MANY_SOCKETS`] if the process may have no more to accept into.
    /// - [`Error::ABANDONED_WAIT`] if the port was dropped.
    #[inline]
    pub fn start(
        &self,
        mut operation: Operation<T>,
        request: impl for<'a> FnOnce(&'a mut T) -> Request<'a>,
    ) -> Result<(), Refused<T>> {
        let order = request(operation.body()).into_order();
        // SAFETY: the aim is this socket; the request was found in the value.
        unsafe { self.aim().start(operation, &order) }
    }

    /// Starts receiving into the buffer that `buffer` finds: [`Request::receive`].
    ///
    /// # Errors
    /// As [`AssociatedSocket::start`].
    #[inline]
    pub fn start_receive(
        &self,
        operation: Operation<T>,
        buffer: impl for<'a> FnOnce(&'a mut T) -> &'a mut [u8],
    ) -> Result<(), Refused<T>> {
        self.start(operation, |value| Request::receive(buffer(value)))
    }

    /// Starts sending what `data` finds: [`Request::send`].
    ///
    /// # Errors
    /// As [`AssociatedSocket::start`].
    #[inline]
    pub fn start_send(
        &self,
        operation: Operation<T>,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
    ) -> Result<(), Refused<T>> {
        self.start(operation, |value| Request::send(data(value)))
    }

    /// Starts accepting a connection on a listening socket: [`Request::accept`]. When the packet has come,
    /// [`Operation::take_accepted`] gives the connection.
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
    /// # Errors
    /// As [`AssociatedSocket::start`].
    pub fn start_accept(&self, operation: Operation<T>) -> Result<(), Refused<T>> {
        self.start(operation, |_| Request::accept())
    }

    /// Starts connecting: [`Request::connect`]. When the packet has come, [`Socket::finish_connect`] makes the socket a
    /// connected one.
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
    /// # Errors
    /// As [`AssociatedSocket::start`].
    pub fn start_connect(
        &self,
        operation: Operation<T>,
        address: SocketAddr,
    ) -> Result<(), Refused<T>> {
        self.start(operation, |_| Request::connect(address))
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

impl<T: 'static> Operation<T> {
    /// As [`AssociatedSocket::start`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// ```
    /// use wharf::{AssociatedSocket, Operation, Refused, Request};
    ///
    /// struct Client {
    ///     socket: AssociatedSocket<Client>,
    ///     head: [u8; 8],
    ///     body: [u8; 4096],
    /// }
    ///
    /// fn receive(operation: Operation<Client>) -> Result<(), Refused<Client>> {
    ///     operation.start(|client| {
    ///         let pieces = [&mut client.head[..], &mut client.body];
    ///         (&client.socket, Request::receive_vectored(pieces))
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`AssociatedSocket::start`].
    #[inline]
    pub fn start(
        mut self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a AssociatedSocket<T>, Request<'a>),
    ) -> Result<(), Refused<T>> {
        let (socket, request) = parts(self.body());
        let (aim, order) = (socket.aim(), request.into_order());
        // SAFETY: aim and request were found in the value.
        unsafe { aim.start(self, &order) }
    }

    /// As [`AssociatedSocket::start_receive`], on a socket that the operation's value holds as well: `parts` finds
    /// both.
    ///
    /// # Errors
    /// As [`AssociatedSocket::start`].
    #[inline]
    pub fn start_receive(
        self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a AssociatedSocket<T>, &'a mut [u8]),
    ) -> Result<(), Refused<T>> {
        self.start(|value| {
            let (socket, buffer) = parts(value);
            (socket, Request::receive(buffer))
        })
    }

    /// As [`AssociatedSocket::start_send`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`AssociatedSocket::start`].
    #[inline]
    pub fn start_send(
        self,
        parts: impl for<'a> FnOnce(&'a T) -> (&'a AssociatedSocket<T>, &'a [u8]),
    ) -> Result<(), Refused<T>> {
        self.start(|value| {
            let (socket, data) = parts(value);
            (socket, Request::send(data))
        })
    }
}

/// What is left of a socket while an operation that may own it is being started.
#[derive(Clone, Copy)]
struct Aim {
    socket: SOCKET,
    port: *const PortState,
}

impl Aim {
    /// Starts the operation with this order.
    ///
    /// Once it is under way another thread may have taken its packet and dropped everything that its value owned:
    /// neither the socket nor the port is touched any more.
    ///
    /// # Safety
    /// The aim is that of an `AssociatedSocket<T>` that lives until the operation is under way; the buffers of the order were
    /// found in the operation's value.
    #[inline]
    unsafe fn start<T: 'static>(
        self,
        operation: Operation<T>,
        order: &Order,
    ) -> Result<(), Refused<T>> {
        // SAFETY: the socket lives, and with it the port's state.
        if let Err(error) = unsafe { (*self.port).announce() } {
            return Err(Refused::new(error, operation));
        }
        let id = operation.id();
        let port = SHARES_OPERATIONS.then(|| {
            // SAFETY: of an `Arc`, which the socket has.
            unsafe { Arc::increment_strong_count(self.port) };
            // SAFETY: for the count just added.
            unsafe { Arc::from_raw(self.port) }
        });
        let mut ours = port.as_ref().map(|port| port.ours(id));
        // SAFETY: the socket reports to its port, which makes `Operation<T>` of packets; not while `ours` is held.
        match unsafe { operation.submit(self.socket, order, 0, None) } {
            Ok(_) => {
                ours.as_mut().map(|ours| ours.insert(id.0));
                Ok(())
            }
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
        if self.socket.is_cloned() {
            let _ = self.socket.cancel(); // or there would be nobody to do it for the port; nothing to cancel is no failure
        }
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
