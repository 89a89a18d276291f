//! An echo server with `select`: one thread, for the sets of all sockets.

use wharf::{Error, Socket, SocketSet, select};
use wharf_examples::{Client, accept};

fn serve(listener: Socket) -> Result<(), Error> {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let (read, write, is_new) = wait(&listener, &clients)?;
        let mut index = 0;
        clients.retain_mut(|client| {
            index += 1;
            let is_ready = read[index - 1] || write[index - 1];
            !is_ready || client.go_on()
        });
        if is_new {
            clients.push(Client::new(accept(&listener)?)?);
        }
    }
}

/// Waits; tells of every client whether it is readable and whether it is writable, and whether there is a new one.
fn wait(listener: &Socket, clients: &[Client]) -> Result<(Vec<bool>, Vec<bool>, bool), Error> {
    let (blocked, open): (Vec<&Client>, Vec<&Client>) =
        clients.iter().partition(|client| client.waits_for_room());
    let mut read: SocketSet = open.iter().map(|client| &client.socket).collect();
    let mut write: SocketSet = blocked.iter().map(|client| &client.socket).collect();
    read.extend([listener]);
    select(&mut read, &mut write, &mut SocketSet::new(), None)?;
    Ok((
        told(&read, clients),
        told(&write, clients),
        read.contains(listener),
    ))
}

/// Of every client whether it is in the set. Sockets keep their order in it.
fn told(set: &SocketSet, clients: &[Client]) -> Vec<bool> {
    let mut ids = set.ids().peekable();
    let is_told = |client: &Client| ids.next_if_eq(&client.socket.id()).is_some();
    clients.iter().map(is_told).collect()
}

fn main() -> Result<(), Error> {
    wharf_examples::run(serve)
}
