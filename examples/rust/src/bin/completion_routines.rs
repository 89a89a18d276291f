//! An echo server with overlapped operations that report to completion routines.
//!
//! One thread serves all clients: it starts the first receive of each, and then only waits, alertably. The routine of
//! an operation runs in that thread, inside its wait, and starts the next.

use std::sync::Arc;
use std::thread;

use wharf::{Error, Finished, Operation, Refused, Socket, Waited, wait_any_alertable};
use wharf_examples::{BUFFER, Inbox, accept};

struct Client {
    socket: Socket,
    buffer: [u8; BUFFER],
}

impl Client {
    fn receive(client: Operation<Client>) -> Result<(), Refused<Client>> {
        client.receive_with_routine(
            |client| (&client.socket, &mut client.buffer),
            Client::received,
        )
    }

    /// A client that is done or gone is dropped with its operation, and so is one whose next cannot be started.
    fn received(finished: Finished<Client>) {
        let (client, bytes) = (finished.operation, finished.bytes as usize);
        if finished.result.is_ok() && bytes > 0 {
            let _ = client.send_with_routine(
                |client| (&client.socket, &client.buffer[..bytes]),
                Client::sent,
            );
        }
    }

    fn sent(finished: Finished<Client>) {
        if finished.result.is_ok() {
            let _ = Client::receive(finished.operation);
        }
    }
}

fn work(inbox: &Inbox) -> Result<(), Error> {
    loop {
        if wait_any_alertable(&[&inbox.changed], None)? == Waited::RoutinesRan {
            continue;
        }
        for (socket, _) in inbox.take() {
            let buffer = [0; BUFFER];
            let _ = Client::receive(Operation::new(Client { socket, buffer }));
        }
    }
}

fn serve(listener: Socket) -> Result<(), Error> {
    let inbox = Arc::new(Inbox::new()?);
    let new = Arc::clone(&inbox);
    thread::spawn(move || work(&new).expect("the clients are served"));
    loop {
        inbox.put(accept(&listener)?)?;
    }
}

fn main() -> Result<(), Error> {
    wharf_examples::run(serve)
}
