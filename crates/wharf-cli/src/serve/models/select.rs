//! `select`: a worker waits for all its sockets together, those with something unsent in the set of writers.
//!
//! A connected pair of sockets is among them, so that the accepter can wake the worker.

use std::collections::HashSet;

use wharf::{Error, SocketId, SocketSet, select};

use crate::serve::bell::Bell;
use crate::serve::conversation::{Conversation, Next};
use crate::serve::crew::{Inbox, Kind};

/// Sets are as large as they need to be here: `FD_SETSIZE` is what a program is compiled with.
pub const KIND: Kind = Kind {
    work,
    sessions_max: usize::MAX,
};

fn work(inbox: &Inbox) -> Result<(), Error> {
    let (bell, button) = Bell::new()?;
    inbox.open(move || button.press());
    let mut conversations: Vec<Conversation> = Vec::new();
    loop {
        let ready = wait(&bell, &conversations)?;
        conversations.retain_mut(|conversation| {
            !ready.contains(&conversation.socket().id()) || conversation.advance() != Next::Over
        });
        if ready.contains(&bell.socket().id()) {
            bell.silence()?;
            let arrived = inbox.take();
            if arrived.ending {
                return Ok(());
            }
            let arrived = arrived.connections.into_iter();
            conversations.extend(
                arrived.filter_map(|(socket, session)| Conversation::begin(socket, session)),
            );
        }
    }
}

/// Waits until the bell rings, or conversations can go on: which sockets are ready.
fn wait(bell: &Bell, conversations: &[Conversation]) -> Result<HashSet<SocketId>, Error> {
    let (mut read, mut write) = (SocketSet::new(), SocketSet::new());
    read.insert(bell.socket());
    for conversation in conversations {
        let set = match conversation.next() {
            Next::Send => &mut write,
            _ => &mut read,
        };
        set.extend([conversation.socket()]);
    }
    select(&mut read, &mut write, &mut SocketSet::new(), None)?;
    Ok(read.ids().chain(write.ids()).collect())
}
