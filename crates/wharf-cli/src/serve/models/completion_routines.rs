//! Overlapped operations with completion routines, which run in the worker that started them while it waits
//! alertably.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use wharf::{
    Error, Event, Finished, Operation, Refused, Socket, SocketId, sleep_alertable,
    wait_any_alertable,
};

use crate::serve::crew::{Inbox, Kind};
use crate::serve::session::{BUFFER_LEN, Session};

pub const KIND: Kind = Kind {
    work,
    sessions_max: usize::MAX,
};

/// A worker's open sockets. Each belongs to its operation; the worker only needs to find them in the end.
type Open = Rc<RefCell<HashMap<SocketId, Weak<Socket>>>>;

/// What an operation owns.
struct Client {
    socket: Rc<Socket>,
    session: Session,
    buffer: Box<[u8]>,
    open: Open,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.open.borrow_mut().remove(&self.socket.id());
    }
}

fn work(inbox: &Inbox) -> Result<(), Error> {
    let bell = Arc::new(Event::auto_reset()?);
    let button = Arc::clone(&bell);
    inbox.open(move || button.set().expect("an open event can be set"));
    let open = Open::default();
    loop {
        // Whether the bell rang or routines ran: looking is cheap.
        wait_any_alertable(&[&bell], None)?;
        let arrived = inbox.take();
        if arrived.ending {
            end(&open);
            return Ok(());
        }
        for (socket, session) in arrived.connections {
            begin(socket, session, &open);
        }
    }
}

fn begin(socket: Socket, session: Session, open: &Open) {
    let socket = Rc::new(socket);
    open.borrow_mut()
        .insert(socket.id(), Rc::downgrade(&socket));
    receive(Operation::new(Client {
        socket,
        session,
        buffer: vec![0; BUFFER_LEN].into(),
        open: Rc::clone(open),
    }));
}

/// Cancels what is under way, and runs the routines that learn of it.
fn end(open: &Open) {
    while !open.borrow().is_empty() {
        let sockets: Vec<_> = open.borrow().values().filter_map(Weak::upgrade).collect();
        for socket in sockets {
            // Finding nothing to cancel means that a routine is about to run.
            let _ = socket.shutdown(Shutdown::Both);
            let _ = socket.cancel();
        }
        sleep_alertable(Some(Duration::from_millis(10)));
    }
}

/// Runs when a receive is over.
fn received(finished: Finished<Client>) {
    let mut client = finished.operation;
    match (finished.result, finished.bytes as usize) {
        (Err(error), _) => client.session.failed("a session was lost", &error),
        (Ok(()), 0) => {} // the client has nothing more to say
        (Ok(()), bytes) => match client.session.received(bytes) {
            0 => receive(client),
            unsent => send(client, unsent),
        },
    }
}

/// Runs when a send is over.
fn sent(finished: Finished<Client>) {
    let mut client = finished.operation;
    match finished.result {
        Err(error) => client.session.failed("a session was lost", &error),
        Ok(()) => {
            client.session.sent(finished.bytes as usize);
            receive(client);
        }
    }
}

fn receive(client: Operation<Client>) {
    let socket = Rc::clone(&client.socket);
    socket
        .receive_with_routine(client, |client| &mut client.buffer, received)
        .unwrap_or_else(lose);
}

fn send(client: Operation<Client>, bytes: usize) {
    let socket = Rc::clone(&client.socket);
    socket
        .send_with_routine(client, |client| &client.buffer[..bytes], sent)
        .unwrap_or_else(lose);
}

fn lose(refused: Refused<Client>) {
    let session = &refused.operation.session;
    session.failed("a session was lost", &refused.error);
}
