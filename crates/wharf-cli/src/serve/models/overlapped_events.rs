//! Overlapped operations that signal event objects.
//!
//! A session has one operation under way, with an event of its own. One wait is for 64 events at most, and the first
//! of them is the accepter's: so a worker has room for 63 sessions.

use std::sync::Arc;

use wharf::{
    EVENTS_MAX, Error, Event, Finished, Operation, Pending, Refused, Socket, Waited, wait_any,
};

use crate::serve::crew::{Inbox, Kind};
use crate::serve::session::{BUFFER_LEN, Session};

pub const KIND: Kind = Kind {
    work,
    sessions_max: EVENTS_MAX - 1,
};

/// A session's socket and its operation. The operation is dropped first, which cancels it.
struct Seat {
    /// None only while it is being looked at.
    pending: Option<Pending<Client>>,
    socket: Socket,
}

/// What the operation owns.
struct Client {
    session: Session,
    buffer: Box<[u8]>,
    receiving: bool,
}

fn work(inbox: &Inbox) -> Result<(), Error> {
    let bell = Arc::new(Event::auto_reset()?);
    let button = Arc::clone(&bell);
    inbox.open(move || button.set().expect("an open event can be set"));
    let mut seats: Vec<Seat> = Vec::new();
    loop {
        if wait(&bell, &seats)? {
            let arrived = inbox.take();
            if arrived.ending {
                return Ok(());
            }
            let arrived = arrived.connections.into_iter();
            seats.extend(arrived.filter_map(|(socket, session)| Seat::take(socket, session)));
        }
        seats.retain_mut(Seat::advance);
    }
}

/// Waits until the bell rings or an operation is over; whether the bell rang.
fn wait(bell: &Event, seats: &[Seat]) -> Result<bool, Error> {
    let pending = seats.iter().filter_map(|seat| seat.pending.as_ref());
    let events: Vec<&Event> = [bell]
        .into_iter()
        .chain(pending.map(Pending::event))
        .collect();
    Ok(wait_any(&events, None)? == Waited::Signalled(0))
}

impl Seat {
    /// A seat for a new session; `None` if it fails at once.
    fn take(socket: Socket, session: Session) -> Option<Seat> {
        let client = Operation::new(Client {
            session,
            buffer: vec![0; BUFFER_LEN].into(),
            receiving: true,
        });
        let pending = receive(&socket, client);
        pending.is_some().then_some(Seat { pending, socket })
    }

    /// Goes on if its operation is over; whether it has another one now.
    fn advance(&mut self) -> bool {
        self.pending = match self.pending.take().map(Pending::try_finish) {
            Some(Ok(finished)) => follow(&self.socket, finished),
            Some(Err(pending)) => Some(pending),
            None => None,
        };
        self.pending.is_some()
    }
}

/// What comes after an operation, if anything does.
fn follow(socket: &Socket, finished: Finished<Client>) -> Option<Pending<Client>> {
    let mut client = finished.operation;
    let bytes = finished.bytes as usize;
    if let Err(error) = finished.result {
        client.session.failed("a session was lost", &error);
        return None;
    }
    if !client.receiving {
        client.session.sent(bytes);
        return receive(socket, client);
    }
    if bytes == 0 {
        return None; // the client has nothing more to say
    }
    match client.session.received(bytes) {
        0 => receive(socket, client),
        unsent => send(socket, client, unsent),
    }
}

fn receive(socket: &Socket, mut client: Operation<Client>) -> Option<Pending<Client>> {
    client.receiving = true;
    let started = socket.receive_with_event(client, |client| &mut client.buffer);
    started.map_err(lose).ok()
}

fn send(socket: &Socket, mut client: Operation<Client>, bytes: usize) -> Option<Pending<Client>> {
    client.receiving = false;
    let started = socket.send_with_event(client, |client| &client.buffer[..bytes]);
    started.map_err(lose).ok()
}

fn lose(refused: Refused<Client>) {
    let session = &refused.operation.session;
    session.failed("a session was lost", &refused.error);
}
