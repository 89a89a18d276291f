//! `WSAEventSelect`: the network events of each socket signal an event object of its own.
//!
//! One wait is for 64 event objects at most, and the first of them is the accepter's: so a worker has room for 63
//! sessions.

use std::sync::Arc;
use std::time::Duration;

use wharf::{EVENTS_MAX, Error, Event, Events, Socket, Waited, wait_any};

use crate::serve::conversation::{Conversation, Next};
use crate::serve::crew::{Inbox, Kind};
use crate::serve::session::Session;

pub const KIND: Kind = Kind {
    work,
    sessions_max: EVENTS_MAX - 1,
};

/// A conversation, and the event that its socket signals.
struct Seat {
    conversation: Conversation,
    event: Event,
}

fn work(inbox: &Inbox) -> Result<(), Error> {
    let bell = Arc::new(Event::auto_reset()?);
    let button = Arc::clone(&bell);
    inbox.open(move || button.set().expect("an open event can be set"));
    let mut seats: Vec<Seat> = Vec::new();
    loop {
        let (rung, signalled) = wait(&bell, &seats)?;
        for index in signalled.into_iter().rev() {
            if seats[index].advance() == Next::Over {
                seats.swap_remove(index);
            }
        }
        if rung {
            let arrived = inbox.take();
            if arrived.ending {
                return Ok(());
            }
            let arrived = arrived.connections.into_iter();
            seats.extend(arrived.filter_map(|(socket, session)| Seat::take(socket, session)));
        }
    }
}

/// Waits until the bell rings or seats are signalled: whether it rang, and which are, in order.
///
/// A wait tells the first that is signalled. To be fair to those behind it, they are looked at too.
fn wait(bell: &Event, seats: &[Seat]) -> Result<(bool, Vec<usize>), Error> {
    let events: Vec<&Event> = [bell]
        .into_iter()
        .chain(seats.iter().map(|seat| &seat.event))
        .collect();
    let mut signalled = Vec::new();
    let (mut from, mut timeout) = (0, None);
    while from < events.len() {
        let Waited::Signalled(index) = wait_any(&events[from..], timeout)? else {
            break;
        };
        signalled.push(from + index);
        from += index + 1;
        timeout = Some(Duration::ZERO);
    }
    let rung = signalled.first() == Some(&0);
    let signalled = signalled
        .into_iter()
        .filter_map(|index| index.checked_sub(1));
    Ok((rung, signalled.collect()))
}

impl Seat {
    /// A seat for a new session; `None` if it fails at once.
    fn take(socket: Socket, session: Session) -> Option<Seat> {
        let conversation = Conversation::begin(socket, session)?;
        let selected = Event::manual_reset().and_then(|event| {
            let events = Events::READ | Events::WRITE | Events::CLOSE;
            conversation.socket().event_select(&event, events)?;
            Ok(event)
        });
        match selected {
            Ok(event) => Some(Seat {
                conversation,
                event,
            }),
            Err(error) => {
                let session = conversation.session();
                session.failed("a session cannot begin", &error);
                None
            }
        }
    }

    fn advance(&mut self) -> Next {
        match self.conversation.socket().network_events(&self.event) {
            Ok(happened) if happened.events.contains(Events::CLOSE) => {
                self.conversation.set_peer_closed();
            }
            Ok(_) => {}
            Err(error) => {
                let session = self.conversation.session();
                session.failed("a session was lost", &error);
                return Next::Over;
            }
        }
        self.conversation.advance()
    }
}
