//! An echo server with `WSAAsyncSelect`: one thread, for messages of a window.

use std::collections::HashMap;

use wharf::{Error, Events, Message, Socket, SocketId, Window};
use wharf_examples::{Client, accept};

fn serve(listener: Socket) -> Result<(), Error> {
    let window = Window::new()?;
    let mut clients: HashMap<SocketId, Client> = HashMap::new();
    listener.async_select(&window, Events::ACCEPT)?;
    loop {
        let Message::Socket { socket, .. } = window.take()? else {
            continue; // nobody posts here
        };
        if socket == listener.id() {
            welcome(&listener, &window, &mut clients)?;
        } else if let Some(client) = clients.get_mut(&socket) {
            // Whatever has happened: data, room, the end. A message may be older than what was done meanwhile.
            if !client.go_on() {
                clients.remove(&socket);
            }
        }
    }
}

fn welcome(
    listener: &Socket,
    window: &Window,
    clients: &mut HashMap<SocketId, Client>,
) -> Result<(), Error> {
    let client = match accept(listener) {
        Ok(socket) => Client::new(socket)?,
        Err(Error::WOULD_BLOCK) => return Ok(()),
        Err(error) => return Err(error),
    };
    let events = Events::READ | Events::WRITE | Events::CLOSE;
    client.socket.async_select(window, events)?;
    clients.insert(client.socket.id(), client);
    Ok(())
}

fn main() -> Result<(), Error> {
    wharf_examples::run(serve)
}
