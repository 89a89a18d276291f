//! An echo server with overlapped operations that report to events: a thread for each 63 clients.
//!
//! Each client has one operation under way, a receive or a send, which owns it and has an event of its own.

use wharf::{Error, Event, Operation, Pending, Socket, Waited, wait_any};
use wharf_examples::{BUFFER, Inbox, Place, in_groups};

struct Client {
    socket: Socket,
    buffer: [u8; BUFFER],
    receiving: bool,
    _place: Place,
}

/// Starts the first receive.
fn welcome(socket: Socket, place: Place) -> Option<Pending<Client>> {
    let client = Client {
        socket,
        buffer: [0; BUFFER],
        receiving: true,
        _place: place,
    };
    receive(Operation::new(client))
}

/// What cannot be started comes back, and is dropped, client and all.
fn receive(client: Operation<Client>) -> Option<Pending<Client>> {
    client
        .receive_with_event(|client| (&client.socket, &mut client.buffer))
        .ok()
}

/// The next operation, if the last is over; none when the client is done or gone.
fn go_on(pending: Pending<Client>) -> Option<Pending<Client>> {
    let finished = match pending.try_finish() {
        Ok(finished) => finished,
        Err(pending) => return Some(pending),
    };
    let (mut client, bytes) = (finished.operation, finished.bytes as usize);
    if finished.result.is_err() || (client.receiving && bytes == 0) {
        return None;
    }
    client.receiving = !client.receiving;
    if client.receiving {
        return receive(client);
    }
    client
        .send_with_event(|client| (&client.socket, &client.buffer[..bytes]))
        .ok()
}

fn work(inbox: &Inbox) -> Result<(), Error> {
    let mut clients: Vec<Pending<Client>> = Vec::new();
    loop {
        let events = clients.iter().map(Pending::event);
        let events: Vec<&Event> = [&inbox.changed].into_iter().chain(events).collect();
        if wait_any(&events, None)? == Waited::Signalled(0) {
            let new = inbox.take().into_iter();
            clients.extend(new.filter_map(|(socket, place)| welcome(socket, place)));
        }
        // Of several events only the lowest was told.
        clients = clients.into_iter().filter_map(go_on).collect();
    }
}

fn main() -> Result<(), Error> {
    wharf_examples::run(|listener| in_groups(&listener, work))
}
