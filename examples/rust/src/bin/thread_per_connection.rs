//! An echo server with blocking calls: a thread for each client.

use std::thread;

use wharf::{Error, Socket};
use wharf_examples::{BUFFER, accept};

fn serve(listener: Socket) -> Result<(), Error> {
    loop {
        let client = accept(&listener)?;
        thread::spawn(move || echo(&client)); // a client that is gone ends its thread
    }
}

fn echo(client: &Socket) -> Result<(), Error> {
    let mut buffer = [0; BUFFER];
    loop {
        match client.recv(&mut buffer)? {
            0 => return Ok(()),
            received => client.send(&buffer[..received])?,
        };
    }
}

fn main() -> Result<(), Error> {
    wharf_examples::run(serve)
}
