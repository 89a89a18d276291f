//! `WSAAsyncSelect`: the network events of a worker's sockets are messages to its window.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use wharf::{Error, Events, Message, Socket, SocketId, Window};

use crate::serve::conversation::{Conversation, Next};
use crate::serve::crew::{Inbox, Kind};
use crate::serve::session::Session;

pub const KIND: Kind = Kind {
    work,
    sessions_max: usize::MAX,
};

/// How long the accepter rests when the worker's message queue is full.
const REST: Duration = Duration::from_millis(1);

fn work(inbox: &Inbox) -> Result<(), Error> {
    let window = Window::new()?;
    let poster = window.poster();
    inbox.open(move || {
        while poster.post(0) == Err(Error::NOT_ENOUGH_QUOTA) {
            thread::sleep(REST);
        }
    });
    let mut conversations: HashMap<SocketId, Conversation> = HashMap::new();
    loop {
        match window.take()? {
            Message::Socket { socket, event, .. } => advance(&mut conversations, socket, event),
            Message::Close => return Ok(()),
            Message::Posted(_) => {
                let arrived = inbox.take();
                if arrived.ending {
                    return Ok(());
                }
                for (socket, session) in arrived.connections {
                    if let Some(conversation) = begin(&window, socket, session) {
                        conversations.insert(conversation.socket().id(), conversation);
                    }
                }
            }
        }
    }
}

/// A conversation that reports to the window; `None` if it fails at once.
fn begin(window: &Window, socket: Socket, session: Session) -> Option<Conversation> {
    let conversation = Conversation::begin(socket, session)?;
    let events = Events::READ | Events::WRITE | Events::CLOSE;
    match conversation.socket().async_select(window, events) {
        Ok(()) => Some(conversation),
        Err(error) => {
            let session = conversation.session();
            session.failed("a session cannot begin", &error);
            None
        }
    }
}

/// Goes on with the conversation that a message is about. It may be over, and a later one may have its number: trying
/// too early does no harm.
fn advance(conversations: &mut HashMap<SocketId, Conversation>, socket: SocketId, event: Events) {
    let Some(conversation) = conversations.get_mut(&socket) else {
        return;
    };
    if event == Events::CLOSE {
        conversation.set_peer_closed();
    }
    if conversation.advance() == Next::Over {
        conversations.remove(&socket);
    }
}
