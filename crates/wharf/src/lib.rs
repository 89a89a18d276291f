//! Windows sockets and completion ports in safe Rust, on Linux and on Windows' own.
//!
//! The same six ways in which Windows lets a program drive its sockets, and blocking calls as the seventh:
//!
//! | model | here |
//! |---|---|
//! | blocking calls | [`Socket`] |
//! | operations that report to a completion port | [`CompletionPort`], [`AssociatedSocket`], [`Operation`] |
//! | … to an event | [`Socket::receive_with_event`], [`Pending`], [`wait_any`] |
//! | … to a completion routine | [`Socket::receive_with_routine`], [`sleep_alertable`] |
//! | sockets that become ready, looked at together | [`select()`], [`poll`] |
//! | … told by an event | [`Socket::event_select`] |
//! | … told by messages | [`Socket::async_select`], [`Window`] |
//!
//! An [`Operation`] owns its buffers and the caller's context from its start until its report gives them back, so that
//! neither dropping the port nor the socket nor forgetting anything at all lets the system write to memory that is
//! something else by then. It is used again without allocation. `DESIGN.md` beside the sources tells why it is sound.
//!
//! An echo server for one client, on a port:
//!
//! ```
//! use std::net::{Ipv4Addr, Shutdown};
//! use wharf::{AssociatedSocket, CompletionPort, Operation, Socket};
//!
//! struct Client {
//!     socket: AssociatedSocket<Client>,
//!     buffer: [u8; 4096],
//!     receiving: bool,
//! }
//!
//! fn serve(port: &CompletionPort<Client>, socket: Socket) -> Result<(), wharf::Error> {
//!     let socket = port.associate(socket, 0)?;
//!     let client = Client { socket, buffer: [0; 4096], receiving: true };
//!     Operation::new(client).start_receive(|client| (&client.socket, &mut client.buffer))?;
//!     while let Some(packet) = port.take(None)? {
//!         packet.result?;
//!         let Some(mut client) = packet.operation else { break };
//!         if client.receiving && packet.bytes == 0 {
//!             break; // the client has nothing more to say
//!         }
//!         client.receiving = !client.receiving;
//!         if client.receiving {
//!             client.start_receive(|client| (&client.socket, &mut client.buffer))?;
//!         } else {
//!             let length = packet.bytes as usize;
//!             client.start_send(|client| (&client.socket, &client.buffer[..length]))?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
//! let client = Socket::connect_to(listener.local_addr()?)?;
//! client.send(b"hello")?;
//! client.shutdown(Shutdown::Write)?;
//! serve(&CompletionPort::new(0)?, listener.accept()?.0)?;
//! let mut answer = [0; 5];
//! assert_eq!(client.recv_all(&mut answer)?, 5);
//! assert_eq!(&answer, b"hello");
//! # Ok::<_, wharf::Error>(())
//! ```
#![deny(missing_docs)]

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

    const fn is_send<T: Send>() {}
    is_send::<CompletionPort<std::cell::Cell<u8>>>(); // not shared, only handed on
    is_send::<AssociatedSocket<std::cell::Cell<u8>>>();
};
