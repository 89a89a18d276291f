//! Overlapped operations that report to a completion port.
//!
//! A session has one operation, which owns its socket, its buffer and its account, and is either with the system or
//! with the worker that took its packet.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use wharf::{AssociatedSocket, CompletionPort, Error, Key, Operation, Refused, Socket};

use super::Model;
use crate::serve::session::{BUFFER_LEN, Session};

/// A port and its workers.
pub struct Workers {
    port: Arc<Port>,
    threads: Vec<JoinHandle<()>>,
}

type Port = CompletionPort<Client, Subject>;

/// What a packet is about.
#[derive(Clone, Copy)]
enum Subject {
    Client,
    /// The worker that takes it ends.
    End,
}

impl Key for Subject {
    fn to_number(self) -> usize {
        self as usize
    }

    fn from_number(number: usize) -> Subject {
        if number == Subject::Client as usize {
            Subject::Client
        } else {
            Subject::End
        }
    }
}

struct Client {
    socket: AssociatedSocket<Client>,
    session: Session,
    buffer: Box<[u8]>,
    receiving: bool,
}

impl Workers {
    /// # Errors
    /// If the system lacks what it needs.
    pub fn start(workers: usize, concurrency: u32) -> Result<Workers> {
        let port: Port = CompletionPort::new(concurrency)
            .context("a completion port cannot be made; see `wharf doctor`")?;
        let port = Arc::new(port);
        let threads = (0..workers)
            .map(|_| {
                let port = Arc::clone(&port);
                let thread = thread::Builder::new().spawn(move || work(&port));
                thread.context(
                    "a worker's thread cannot be started; how many may there be (ulimit -u)?",
                )
            })
            .collect::<Result<_>>()?;
        Ok(Workers { port, threads })
    }
}

impl Model for Workers {
    fn admit(&self, socket: Socket, session: Session) {
        let socket = match self.port.associate(socket, Subject::Client) {
            Ok(socket) => socket,
            Err(refused) => return session.failed("a session cannot begin", &refused.error),
        };
        receive(Operation::new(Client {
            socket,
            session,
            buffer: vec![0; BUFFER_LEN].into(),
            receiving: true,
        }));
    }

    fn end(self: Box<Self>) {
        for _ in &self.threads {
            self.port
                .post(Subject::End, 0)
                .expect("there is memory for a packet");
        }
        for thread in self.threads {
            thread.join().expect("a worker panicked");
        }
        // The last owner of the port drops it, and that ends the sessions.
    }
}

fn work(port: &Port) {
    while let Ok(Some(packet)) = port.take(None) {
        match packet.operation {
            Some(client) => advance(client, packet.bytes as usize, packet.result),
            None => match packet.key {
                Subject::End => return,
                Subject::Client => {}
            },
        }
    }
}

/// Goes on after an operation: a receive is followed by the send of what it brought, that by the next receive.
fn advance(mut client: Operation<Client>, bytes: usize, result: Result<(), Error>) {
    if let Err(error) = result {
        return client.session.failed("a session was lost", &error);
    }
    if !client.receiving {
        client.session.sent(bytes);
        return receive(client);
    }
    if bytes == 0 {
        return; // the client has nothing more to say
    }
    match client.session.received(bytes) {
        0 => receive(client),
        unsent => send(client, unsent),
    }
}

fn receive(mut client: Operation<Client>) {
    client.receiving = true;
    let started = client.start_receive(|client| (&client.socket, &mut client.buffer));
    started.unwrap_or_else(lose);
}

fn send(mut client: Operation<Client>, bytes: usize) {
    client.receiving = false;
    let started = client.start_send(|client| (&client.socket, &client.buffer[..bytes]));
    started.unwrap_or_else(lose);
}

fn lose(refused: Refused<Client>) {
    let session = &refused.operation.session;
    session.failed("a session was lost", &refused.error);
}
