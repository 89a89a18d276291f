//! Windows sockets and completion ports in safe Rust, on Linux and on Windows' own.
//!
//! The same six ways in which Windows lets a program drive its sockets, and blocking calls as the seventh:
//!
//! | model | here |
//! |---|---|
//! | blocking calls | [`Socket`] |
//! | operations that report to a completion port | [`CompletionPort`], [`AssociatedSocket::start`] |
//! | … to an event | [`Socket::start_with_event`], [`Pending`], [`wait_any`] |
//! | … to a completion routine | [`Socket::start_with_routine`], [`sleep_alertable`] |
//! | sockets that become ready, looked at together | [`select()`], [`poll`] |
//! | … told by an event | [`Socket::event_select`] |
//! | … told by messages | [`Socket::async_select`], [`Window`] |
//!
//! # Sockets
//!
//! A [`Socket`] is TCP or UDP, over IPv4 or IPv6, with the addresses of [`std::net`]. Its calls block unless it was told
//! otherwise. It is closed when it is dropped. A `TcpStream` becomes one, and the other way
//! (`TryFrom`, for listeners, UDP sockets and what owns a descriptor too):
//!
//! ```
//! use std::io::Read;
//! use std::net::{Ipv4Addr, TcpListener, TcpStream};
//! use wharf::Socket;
//!
//! let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
//! let mut stream = TcpStream::connect(listener.local_addr()?)?;
//! let socket = Socket::try_from(listener.accept()?.0)?;
//! socket.send(b"hello")?;
//! drop(socket);
//! let mut heard = String::new();
//! stream.read_to_string(&mut heard)?;
//! assert_eq!(heard, "hello");
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! # Operations
//!
//! An [`Operation`] is a box with a value of the program: its buffers, and whatever else belongs to it, such as the socket.
//! Starting it gives it away; its report gives it back, to be used again without allocation. What it is to do is a
//! [`Request`], found in its value by a function: so the buffers live where the operation lives, and neither dropping the
//! port nor the socket nor forgetting anything at all lets the system write to memory that is something else by then.
//! `DESIGN.md` beside the sources tells why it is sound.
//!
//! A server that answers datagrams, with an event:
//!
//! ```
//! use std::net::Ipv4Addr;
//! use wharf::{Error, Operation, Request, Socket};
//!
//! /// Sends each datagram back; an empty one is the last.
//! fn answer(socket: &Socket) -> Result<(), Error> {
//!     let mut operation = Operation::new([0; 512]);
//!     loop {
//!         let pending = socket.start_with_event(operation, |buffer| Request::receive_from(buffer))?;
//!         let received = pending.wait(); // or `wait_any` for many
//!         received.result?;
//!         let length = received.bytes as usize;
//!         let peer = received.operation.received_from().expect("a datagram");
//!         let pending = socket.start_with_event(received.operation, |buffer| {
//!             Request::send_to(&buffer[..length], peer)
//!         })?;
//!         let sent = pending.wait();
//!         sent.result?;
//!         if length == 0 {
//!             return Ok(());
//!         }
//!         operation = sent.operation; // the same, for the next
//!     }
//! }
//!
//! let server = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
//! let client = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
//! client.connect(server.local_addr()?)?;
//! client.send(b"hello")?;
//! client.send(b"")?;
//! answer(&server)?;
//! let mut buffer = [0; 16];
//! assert_eq!(client.recv(&mut buffer)?, 5);
//! assert_eq!(&buffer[..5], b"hello");
//! # Ok::<_, Error>(())
//! ```
//!
//! An echo server with a completion port, and threads that take its packets:
//!
//! ```
//! use std::net::{Ipv4Addr, Shutdown};
//! use std::thread;
//! use wharf::{AssociatedSocket, CompletionPort, Error, Operation, Packet, Socket};
//!
//! struct Client {
//!     socket: AssociatedSocket<Client>,
//!     buffer: [u8; 4096],
//!     receiving: bool,
//! }
//!
//! impl Client {
//!     /// A client that is received from.
//!     fn begin(port: &CompletionPort<Client>, socket: Socket) -> Result<(), Error> {
//!         let socket = port.associate(socket, 0)?;
//!         let client = Client { socket, buffer: [0; 4096], receiving: true };
//!         Operation::new(client).start_receive(|client| (&client.socket, &mut client.buffer))?;
//!         Ok(())
//!     }
//! }
//!
//! /// Does the next thing for a client; whoever is dropped here is disconnected.
//! fn go_on(mut client: Operation<Client>, bytes: usize) -> Result<(), Error> {
//!     if client.receiving && bytes == 0 {
//!         return Ok(()); // the client has nothing more to say
//!     }
//!     client.receiving = !client.receiving;
//!     if client.receiving {
//!         client.start_receive(|client| (&client.socket, &mut client.buffer))?;
//!     } else {
//!         client.start_send(|client| (&client.socket, &client.buffer[..bytes]))?;
//!     }
//!     Ok(())
//! }
//!
//! fn work(port: &CompletionPort<Client>) -> Result<(), Error> {
//!     while let Some(packet) = port.take(None)? {
//!         match packet {
//!             Packet { operation: None, .. } => break, // posted: the end
//!             Packet { result: Err(_), .. } => {} // drops the client
//!             Packet { operation: Some(client), bytes, .. } => go_on(client, bytes as usize)?,
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let port = CompletionPort::new(0)?;
//! let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
//! thread::scope(|scope| {
//!     for _ in 0..2 {
//!         scope.spawn(|| work(&port).expect("the port is there"));
//!     }
//!     let client = Socket::connect_to(listener.local_addr()?)?;
//!     Client::begin(&port, listener.accept()?.0)?;
//!     client.send(b"hello")?;
//!     client.shutdown(Shutdown::Write)?;
//!     let mut answer = [0; 5];
//!     assert_eq!(client.recv_all(&mut answer)?, 5);
//!     assert_eq!(&answer, b"hello");
//!
//!     (0..2).try_for_each(|_| port.post(0, 0)) // one for each worker
//! })?;
//! # Ok::<_, Error>(())
//! ```
//!
//! # Reports
//!
//! | | packet | event | routine |
//! |---|---|---|---|
//! | started by | [`AssociatedSocket::start`], [`Operation::start`] | [`Socket::start_with_event`], [`Operation::start_with_event`] | [`Socket::start_with_routine`], [`Operation::start_with_routine`] |
//! | comes to | any thread that takes from the port | whoever has the [`Pending`] | the thread that started it |
//! | the value is | `Send`, or the port stays in its thread | anything; `Send` to be waited for elsewhere | anything |
//! | dropped first | the port: cancels, waits, drops the values | the [`Pending`]: cancels, waits, drops the value | the thread ends: the value is leaked |
//! | errors are | those of ports, such as [`Error::NETNAME_DELETED`] | the same | those of calls, such as [`Error::CONNECTION_RESET`] |
//!
//! # Errors
//!
//! An [`Error`] is Windows' number, with Windows' names; its [kind](Error::kind) is that of [`std::io`], into which it
//! turns. Failures to start give the operation back ([`Refused`]); `?` lets go of it and keeps the error.
#![deny(missing_docs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod accept;
mod address;
mod associated;
mod buffers;
mod control;
mod conversion;
mod error;
mod event;
mod exchange;
mod extension;
mod multicast;
mod network_events;
mod operation;
mod option;
mod pending;
mod port;
mod request;
mod routine;
mod select;
mod socket;
mod startup;
mod transfer;
mod wait;
mod window;

pub use accept::Accepted;
pub use associated::AssociatedSocket;
pub use error::Error;
pub use event::{EVENTS_MAX, Event, Waited, wait_all, wait_any, wait_any_alertable};
pub use network_events::{Events, NetworkEvents};
pub use operation::{Operation, OperationId, Refused};
pub use pending::{Finished, Pending};
pub use port::{CompletionPort, Key, NotAssociated, Packet};
pub use request::{ACCEPT_ROOM, Request};
pub use routine::sleep_alertable;
pub use select::{PollEntry, Readiness, SocketSet, poll, select};
pub use socket::{Socket, SocketId};
pub use window::{Message, Poster, Window};

/// Who may be sent to, and shared between, threads.
const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Error>();
    is_send_and_sync::<Event>();
    is_send_and_sync::<Socket>();
    is_send_and_sync::<SocketSet<'_>>();
    is_send_and_sync::<PollEntry<'_>>();
    is_send_and_sync::<Poster>();
    is_send_and_sync::<Accepted>();
    is_send_and_sync::<Operation<Vec<u8>>>();
    is_send_and_sync::<Refused<Vec<u8>>>();
    is_send_and_sync::<Pending<Vec<u8>>>();
    is_send_and_sync::<CompletionPort<Vec<u8>>>();
    is_send_and_sync::<AssociatedSocket<Vec<u8>>>();
    is_send_and_sync::<Packet<Vec<u8>>>();
    is_send_and_sync::<Finished<Vec<u8>>>();
    is_send_and_sync::<NotAssociated>();
    is_send_and_sync::<NetworkEvents>();
    is_send_and_sync::<Message>();
    is_send_and_sync::<OperationId>();

    const fn is_send<T: Send>() {}
    is_send::<CompletionPort<std::cell::Cell<u8>>>(); // not shared, only handed on
    is_send::<AssociatedSocket<std::cell::Cell<u8>>>();
};
