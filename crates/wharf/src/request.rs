//! What an operation does, in one word: a request, which whoever starts the operation finds in its value.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ptr::null_mut;

use wharf_sys::{
    AcceptEx, LPWSAOVERLAPPED_COMPLETION_ROUTINE, MSG_OOB, MSG_WAITALL, OVERLAPPED, SOCKET,
    SOCKET_ERROR, TF_REUSE_SOCKET, WSARecv, WSARecvFrom, WSASend, WSASendTo,
};

use crate::address::{Address, any_of_family};
use crate::buffers::List;
use crate::exchange::{ADDRESS_ROOM, Exchange, Place};
use crate::extension::{connect_ex, disconnect_ex};
use crate::{Error, Socket};

/// How many bytes at the end of the buffer of [`Request::accept_and_receive`] are for addresses.
pub const ACCEPT_ROOM: usize = 2 * ADDRESS_ROOM;

/// What an operation is to do, with buffers of the operation's value.
///
/// Whoever starts an operation gives a function that finds the request: its argument is the operation's value, and the
/// buffers of the request are parts of it. Each kind of report takes any request: a packet
/// ([`AssociatedSocket::start`](crate::AssociatedSocket::start)), an event ([`Socket::start_with_event`]), a routine
/// ([`Socket::start_with_routine`]; transfers only).
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{CompletionPort, Operation, Request, Socket};
///
/// #[derive(Default)]
/// struct Message {
///     head: [u8; 4],
///     body: Vec<u8>,
/// }
///
/// let port: CompletionPort<Message> = CompletionPort::new(0)?;
/// let receiver = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let sender = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let to = receiver.local_addr()?;
/// let from = sender.local_addr()?;
/// let (receiver, sender) = (port.associate(receiver, 1)?, port.associate(sender, 2)?);
///
/// let room = Message { body: vec![0; 60], ..Message::default() };
/// receiver.start(room.into(), |room| {
///     Request::receive_from_vectored([&mut room.head[..], &mut room.body])
/// })?;
/// let message = Message { head: *b"head", body: b"and body".into() };
/// sender.start(message.into(), |message| {
///     Request::send_to_vectored([&message.head[..], &message.body], to)
/// })?;
///
/// for _ in 0..2 {
///     let packet = port.take(None)?.expect("no time-out");
///     packet.result?;
///     if packet.key == 1 {
///         let message = packet.operation.expect("not posted");
///         assert_eq!(message.received_from(), Some(from));
///         assert_eq!((&message.head, &message.body[..8]), (b"head", &b"and body"[..]));
///     }
/// }
/// # Ok::<_, wharf::Error>(())
/// ```
///
/// A buffer cannot be another's, which may be gone before the operation is over:
///
/// ```compile_fail,E0597
/// # use wharf::{Operation, Request, Socket};
/// fn misuse(socket: &Socket, operation: Operation<()>) {
///     let mut buffer = [0; 64];
///     let _ = socket.start_with_event(operation, |()| Request::receive(&mut buffer));
/// }
/// ```
///
/// Nor can two pieces overlap:
///
/// ```compile_fail,E0499
/// # use wharf::{Operation, Request, Socket};
/// fn misuse(socket: &Socket, operation: Operation<[u8; 64]>) {
///     let _ = socket.start_with_event(operation, |buffer| {
///         Request::receive_vectored([&mut buffer[..40], &mut buffer[20..]])
///     });
/// }
/// ```
///
/// Nor is a request good for two operations:
///
/// ```compile_fail,E0382
/// # use wharf::Request;
/// fn misuse<'a>(request: Request<'a>) -> (Request<'a>, Request<'a>) {
///     (request, request)
/// }
/// ```
#[must_use = "it does nothing until an operation is started with it"]
pub struct Request<'a> {
    order: Order,
    found: PhantomData<&'a mut [u8]>,
}

/// A request whose buffers are on their own: what finds them says for how long they live.
pub(crate) struct Order {
    kind: Kind,
    buffers: List,
    flags: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Receive,
    ReceiveFrom,
    Send,
    SendTo(SocketAddr),
    /// Into this socket, or one of the operation's own.
    Accept(Option<SOCKET>),
    Connect(SocketAddr),
    Disconnect {
        reuse: bool,
    },
}

impl<'a> Request<'a> {
    fn new(kind: Kind, buffers: List) -> Request<'a> {
        let order = Order {
            kind,
            buffers,
            flags: 0,
        };
        Request {
            order,
            found: PhantomData,
        }
    }

    /// To receive what is there, at least a byte, into `buffer`; no more than 4 GiB. The report tells how many bytes came;
    /// 0 of a stream: the peer has nothing more to say. A datagram socket receives one datagram.
    ///
    /// Receives of one socket are filled in the order in which they were started. A buffer of no bytes waits until
    /// there is something to receive on a stream, and takes nothing.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecv>
    #[inline]
    pub fn receive(buffer: &'a mut [u8]) -> Request<'a> {
        Request::new(Kind::Receive, one_mut(buffer))
    }

    /// As [`Request::receive`], into several pieces, one after the other.
    ///
    /// Starting it without a piece, or with more than 4 GiB, is refused with [`Error::INVALID`]. Of very many pieces the last
    /// may stay empty although there is more to receive.
    pub fn receive_vectored(pieces: impl IntoIterator<Item = &'a mut [u8]>) -> Request<'a> {
        Request::new(Kind::Receive, List::to_receive(pieces))
    }

    /// To receive a datagram into `buffer`; then [`Operation::received_from`](crate::Operation::received_from) tells
    /// who has sent it.
    ///
    /// If the datagram is longer than the buffer the operation fails with [`Error::MORE_DATA`] (a routine is told
    /// [`Error::MESSAGE_SIZE`]): the buffer is full, the rest is lost, and the sender is told.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecvfrom>
    pub fn receive_from(buffer: &'a mut [u8]) -> Request<'a> {
        Request::new(Kind::ReceiveFrom, one_mut(buffer))
    }

    /// As [`Request::receive_from`], into several pieces, one after the other.
    pub fn receive_from_vectored(pieces: impl IntoIterator<Item = &'a mut [u8]>) -> Request<'a> {
        Request::new(Kind::ReceiveFrom, List::to_receive(pieces))
    }

    /// To send all of `data`. The report comes when the system has it. A datagram socket sends one datagram, to the peer
    /// it is connected to.
    ///
    /// Sends of one socket leave in the order in which they were started. More than 4 GiB are refused with
    /// [`Error::INVALID`].
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasend>
    #[inline]
    pub fn send(data: &'a [u8]) -> Request<'a> {
        Request::new(Kind::Send, one(data))
    }

    /// As [`Request::send`], of several pieces as one.
    ///
    /// Starting it without a piece, or with more than 4 GiB in all, is refused with [`Error::INVALID`].
    pub fn send_vectored(pieces: impl IntoIterator<Item = &'a [u8]>) -> Request<'a> {
        Request::new(Kind::Send, List::to_send(pieces))
    }

    /// To send `data` as one datagram to `address`.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasendto>
    pub fn send_to(data: &'a [u8], address: SocketAddr) -> Request<'a> {
        Request::new(Kind::SendTo(address), one(data))
    }

    /// As [`Request::send_to`], of several pieces as one datagram.
    pub fn send_to_vectored(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        address: SocketAddr,
    ) -> Request<'a> {
        Request::new(Kind::SendTo(address), List::to_send(pieces))
    }

    /// The same, but of urgent data: the last byte of a send is the urgent one; a receive receives it.
    pub fn urgent(mut self) -> Request<'a> {
        self.order.flags |= MSG_OOB as u32;
        self
    }

    /// The same, but a receive on a stream is over only when its buffers are full, or the peer has nothing more to say.
    pub fn until_full(mut self) -> Request<'a> {
        self.order.flags |= MSG_WAITALL as u32;
        self
    }

    /// To accept a connection, on a listening socket;
    /// [`Operation::take_accepted`](crate::Operation::take_accepted) gives it when the report has come.
    ///
    /// Several may be under way; connections go to them in the order in which they were started.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nf-mswsock-acceptex>
    pub fn accept() -> Request<'a> {
        Request::new(Kind::Accept(None), List::new())
    }

    /// As [`Request::accept`], and to receive the connection's first data: the report comes when there is some, or when
    /// the peer has nothing to say.
    ///
    /// The last [`ACCEPT_ROOM`] bytes of the buffer are for addresses, the others for data. A shorter buffer is refused
    /// with [`Error::FAULT`]; with one that has no more, no data is waited for.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::{ACCEPT_ROOM, CompletionPort, Operation, Request, Socket};
    ///
    /// type Buffer = [u8; 64 + ACCEPT_ROOM];
    /// let port: CompletionPort<Buffer> = CompletionPort::new(0)?;
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let listener = port.associate(listener, 0)?;
    /// let buffer = [0; 64 + ACCEPT_ROOM];
    /// listener.start(buffer.into(), |buffer| Request::accept_and_receive(buffer))?;
    ///
    /// let client = Socket::connect_to(listener.local_addr()?)?;
    /// client.send(b"hello")?;
    /// let packet = port.take(None)?.expect("no time-out");
    /// packet.result?;
    /// let mut operation = packet.operation.expect("not posted");
    /// assert_eq!(&operation[..packet.bytes as usize], b"hello");
    /// let accepted = operation.take_accepted().expect("an accept that succeeded");
    /// assert_eq!(accepted.peer_addr(), client.local_addr()?);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    pub fn accept_and_receive(buffer: &'a mut [u8]) -> Request<'a> {
        Request::new(Kind::Accept(None), one_mut(buffer))
    }

    /// To accept a connection into this socket, which is not bound and not connected, or was disconnected to be used again
    /// ([`Request::disconnect_for_reuse`]). When the report has come, [`Socket::finish_accept`] makes it a connected one.
    ///
    /// Like a buffer the socket is found in the operation's value.
    pub fn accept_into(socket: &'a Socket) -> Request<'a> {
        Request::new(Kind::Accept(Some(socket.as_raw())), List::new())
    }

    /// As [`Request::accept_into`], and to receive the connection's first data, as [`Request::accept_and_receive`].
    pub fn accept_into_and_receive(socket: &'a Socket, buffer: &'a mut [u8]) -> Request<'a> {
        Request::new(Kind::Accept(Some(socket.as_raw())), one_mut(buffer))
    }

    /// To connect to `address`. When the report has come, [`Socket::finish_connect`] makes the socket a connected one.
    ///
    /// A socket that is not bound is bound to a port that the system chooses.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nc-mswsock-lpfn_connectex>
    pub fn connect(address: SocketAddr) -> Request<'a> {
        Request::new(Kind::Connect(address), List::new())
    }

    /// As [`Request::connect`], and to send `data` as soon as it is connected.
    pub fn connect_and_send(address: SocketAddr, data: &'a [u8]) -> Request<'a> {
        Request::new(Kind::Connect(address), one(data))
    }

    /// To end sending behind everything that was sent: the peer finds the end of the conversation.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nc-mswsock-lpfn_disconnectex>
    pub fn disconnect() -> Request<'a> {
        Request::new(Kind::Disconnect { reuse: false }, List::new())
    }

    /// To end the connection, and have the socket as it was before it was connected: for [`Request::connect`] or
    /// [`Request::accept_into`]. The report comes when the peer has ended its side too.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::{CompletionPort, Operation, Request, Socket};
    ///
    /// let port: CompletionPort<()> = CompletionPort::new(0)?;
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let address = listener.local_addr()?;
    /// let client = port.associate(Socket::stream_for(address)?, 0)?;
    /// let mut operation = Operation::new(());
    /// for _ in 0..2 {
    ///     client.start(operation, |()| Request::connect(address))?;
    ///     let packet = port.take(None)?.expect("no time-out");
    ///     packet.result?;
    ///     client.finish_connect()?;
    ///     let (server, _) = listener.accept()?;
    ///
    ///     let again = packet.operation.expect("not posted");
    ///     client.start(again, |()| Request::disconnect_for_reuse())?;
    ///     assert_eq!(server.recv(&mut [0; 1])?, 0);
    ///     drop(server);
    ///     let packet = port.take(None)?.expect("no time-out");
    ///     packet.result?;
    ///     operation = packet.operation.expect("not posted");
    /// #   if std::env::var_os("WINECONFIGDIR").is_some() { break } // it knows no reuse
    /// }
    /// # Ok::<_, wharf::Error>(())
    /// ```
    pub fn disconnect_for_reuse() -> Request<'a> {
        Request::new(Kind::Disconnect { reuse: true }, List::new())
    }

    /// Without the lifetime, for a start that gives the operation away.
    #[inline]
    pub(crate) fn into_order(self) -> Order {
        self.order
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}

#[inline]
pub(crate) fn one(data: &[u8]) -> List {
    let mut list = List::new();
    list.push(data.as_ptr().cast_mut(), data.len());
    list
}

/// No more than 4 GiB of it are used.
#[inline]
pub(crate) fn one_mut(buffer: &mut [u8]) -> List {
    let mut list = List::new();
    list.push(buffer.as_mut_ptr(), buffer.len().min(u32::MAX as usize));
    list
}

impl Order {
    /// Readies what the system writes to beside the buffers; before `call`.
    ///
    /// # Errors
    /// Those of what is done beforehand: making a socket to accept into, binding one that connects.
    #[inline]
    pub(crate) fn prepare(
        &self,
        socket: SOCKET,
        exchange: &mut Option<Box<Exchange>>,
    ) -> Result<Place, Error> {
        match self.kind {
            Kind::ReceiveFrom => Ok(Exchange::of(exchange).await_sender()),
            Kind::Accept(acceptor) => {
                let buffer = self.buffers.first()?;
                let exchange = Exchange::of(exchange);
                match acceptor {
                    Some(acceptor) => exchange.await_connection(acceptor, buffer),
                    None => {
                        let listener = Socket::borrowed(socket);
                        let acceptor = Socket::stream_for(listener.local_addr()?)?;
                        exchange.await_own_connection(acceptor, buffer)
                    }
                }
            }
            Kind::Connect(address) => {
                match Socket::borrowed(socket).bind(any_of_family(address)) {
                    Ok(()) | Err(Error::INVALID) => {} // the latter: bound already, or not one to connect
                    Err(error) => return Err(error),
                }
                Ok(Exchange::none(exchange))
            }
            _ => Ok(Exchange::none(exchange)),
        }
    }

    /// Tells the system. The answer is Winsock's.
    ///
    /// # Safety
    /// The OVERLAPPED, `flags`, what `place` leads to and the buffers are the system's until the operation's end, and the
    /// routine may run then.
    #[inline]
    pub(crate) unsafe fn call(
        &self,
        socket: SOCKET,
        overlapped: *mut OVERLAPPED,
        flags: *mut u32,
        place: Place,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> Result<(), Error> {
        let none = null_mut();
        match self.kind {
            Kind::Receive => {
                let (buffers, count) = self.buffers.parts()?;
                // SAFETY: the caller's promise.
                let result = unsafe {
                    *flags = self.flags;
                    WSARecv(socket, buffers, count, none, flags, overlapped, routine)
                };
                Error::last_if(result == SOCKET_ERROR)
            }
            Kind::ReceiveFrom => {
                let (buffers, count) = self.buffers.parts()?;
                let (from, from_length) = (place.sender, place.sender_length);
                // SAFETY: the caller's promise.
                let result = unsafe {
                    *flags = self.flags;
                    WSARecvFrom(
                        socket,
                        buffers,
                        count,
                        none,
                        flags,
                        from,
                        from_length,
                        overlapped,
                        routine,
                    )
                };
                Error::last_if(result == SOCKET_ERROR)
            }
            Kind::Send => {
                let ((buffers, count), flags) = (self.buffers.parts()?, self.flags);
                // SAFETY: the caller's promise.
                let result =
                    unsafe { WSASend(socket, buffers, count, none, flags, overlapped, routine) };
                Error::last_if(result == SOCKET_ERROR)
            }
            Kind::SendTo(to) => {
                let (buffers, count) = self.buffers.parts()?;
                let to = Address::from(to); // looked at during the call only
                // SAFETY: the caller's promise.
                let result = unsafe {
                    WSASendTo(
                        socket,
                        buffers,
                        count,
                        none,
                        self.flags,
                        to.as_ptr(),
                        to.length(),
                        overlapped,
                        routine,
                    )
                };
                Error::last_if(result == SOCKET_ERROR)
            }
            _ if routine.is_some() => Err(Error::OPERATION_NOT_SUPPORTED),
            Kind::Accept(_) => {
                let (room, mut received) = (ADDRESS_ROOM as u32, 0);
                // SAFETY: the caller's promise; the count is written during the call only.
                let accepted = unsafe {
                    AcceptEx(
                        socket,
                        place.acceptor,
                        place.buffer.cast(),
                        place.data_room,
                        room,
                        room,
                        &mut received,
                        overlapped,
                    )
                };
                Error::last_if(accepted == 0)
            }
            Kind::Connect(address) => {
                let address = Address::from(address); // looked at during the call only
                let data = self.buffers.first()?;
                let connect_ex = connect_ex(&Socket::borrowed(socket))?;
                let mut sent = 0;
                // SAFETY: the caller's promise; the count is written during the call only.
                let connected = unsafe {
                    connect_ex(
                        socket,
                        address.as_ptr(),
                        address.length(),
                        data.buf.cast_const().cast(),
                        data.len,
                        &mut sent,
                        overlapped,
                    )
                };
                Error::last_if(connected == 0)
            }
            Kind::Disconnect { reuse } => {
                let disconnect_ex = disconnect_ex(&Socket::borrowed(socket))?;
                let flags = if reuse { TF_REUSE_SOCKET } else { 0 };
                // SAFETY: the caller's promise.
                let disconnected = unsafe { disconnect_ex(socket, overlapped, flags, 0) };
                Error::last_if(disconnected == 0)
            }
        }
    }
}
