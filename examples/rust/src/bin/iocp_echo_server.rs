//! An echo server on a completion port: workers that take packets, and nothing else.
//!
//! Connections are accepted by operations too. An operation owns its client: when it is dropped, the socket is closed.
//! Dropping the port drops every client, since each has an operation under way.

use std::thread;

use wharf::{AssociatedSocket, CompletionPort, Error, Operation};
use wharf_examples::{BUFFER, listen, wait_for_line};

const WORKERS: usize = 4;
const ACCEPTS: usize = 8;

type Port = CompletionPort<Client, ()>;
type Socket = AssociatedSocket<Client>;

#[derive(Default)]
struct Client {
    socket: Option<Socket>, // none yet: it is being accepted
    receiving: bool,
    buffer: Vec<u8>,
}

fn main() -> Result<(), Error> {
    let port = Port::new(0)?;
    let listener = port.associate(listen()?, ())?;
    (0..ACCEPTS).try_for_each(|_| accept(&listener))?;
    println!("listening on {}", listener.local_addr()?.port());
    thread::scope(|scope| {
        (0..WORKERS).for_each(|_| drop(scope.spawn(|| work(&port, &listener))));
        wait_for_line();
        (0..WORKERS).try_for_each(|_| port.post((), 0)) // one for each worker: the end
    })?;
    println!("stopped");
    Ok(())
}

fn work(port: &Port, listener: &Socket) {
    while let Some(packet) = port.take(None).expect("the port is open")
        && let Some(client) = packet.operation
    {
        // A client that is done or gone is dropped with its operation, and so is one whose next cannot be started.
        let _ = match &*client {
            Client { socket: None, .. } => welcome(port, listener, client),
            Client {
                receiving: true, ..
            } if packet.bytes == 0 => Ok(()),
            _ => packet.result.and_then(|()| go_on(client, packet.bytes)),
        };
    }
}

fn accept(listener: &Socket) -> Result<(), Error> {
    Ok(listener.start_accept(Operation::default())?)
}

fn welcome(port: &Port, listener: &Socket, mut client: Operation<Client>) -> Result<(), Error> {
    accept(listener)?;
    let Some(accepted) = client.take_accepted() else {
        return Ok(()); // gone before it was here
    };
    let socket = accepted.into_socket(listener)?;
    let _ = socket.set_nodelay(true); // of one that is gone by now, the next call tells
    client.socket = Some(port.associate(socket, ())?);
    client.buffer.resize(BUFFER, 0);
    go_on(client, 0)
}

/// Starts the next operation: a receive, or a send of what was received.
fn go_on(mut client: Operation<Client>, bytes: u32) -> Result<(), Error> {
    client.receiving = !client.receiving;
    let started = match client.receiving {
        true => client.start_receive(|it| (it.socket.as_ref().unwrap(), &mut it.buffer)),
        false => {
            client.start_send(|it| (it.socket.as_ref().unwrap(), &it.buffer[..bytes as usize]))
        }
    };
    Ok(started?)
}
