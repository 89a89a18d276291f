//! What the echo servers share: the command line, the listening socket and how the program stops.
//!
//! ```text
//! NAME PORT        PORT 0: any free one
//! ```
//!
//! Each prints `listening on PORT`, serves every client until the client ends its sending side, and stops when it
//! reads a line or the end of its standard input.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use wharf::{EVENTS_MAX, Error, Event, Socket};

/// How much is received at once.
pub const BUFFER: usize = 4096;

/// The whole program around a server, which serves the listening socket in a thread of its own.
pub fn run(serve: fn(Socket) -> Result<(), Error>) -> Result<(), Error> {
    let listener = listen()?;
    println!("listening on {}", listener.local_addr()?.port());
    thread::spawn(move || serve(listener).expect("the server goes on"));
    wait_for_line();
    println!("stopped");
    Ok(())
}

/// The listening socket of the port that the command line names.
pub fn listen() -> Result<Socket, Error> {
    let Some(port) = std::env::args().nth(1).and_then(|port| port.parse().ok()) else {
        eprintln!("usage: NAME PORT");
        std::process::exit(2);
    };
    Socket::listen_at((Ipv4Addr::UNSPECIFIED, port).into())
}

/// The next client. One that was gone before it was taken is passed over.
pub fn accept(listener: &Socket) -> Result<Socket, Error> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                let _ = socket.set_nodelay(true); // of one that is gone by now, the next call tells
                return Ok(socket);
            }
            Err(Error::CONNECTION_RESET | Error::NOT_CONNECTED) => {} // the latter: Wine
            Err(error) => return Err(error),
        }
    }
}

/// Returns when there is a line, or the end, on standard input.
pub fn wait_for_line() {
    let _ = io::stdin().read_line(&mut String::new()); // what cannot be read has ended
}

/// A client whose socket does not block, and what it is still owed.
pub struct Client {
    /// Its socket.
    pub socket: Socket,
    unsent: Vec<u8>,
}

impl Client {
    /// A client that nothing was received of.
    pub fn new(socket: Socket) -> Result<Client, Error> {
        socket.set_nonblocking(true)?;
        Ok(Client {
            socket,
            unsent: Vec::new(),
        })
    }

    /// Whether there is no room for the answer; until there is, nothing more is received.
    pub fn waits_for_room(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Receives and answers until that would block. Whether the client goes on: it is not done, and not gone.
    pub fn go_on(&mut self) -> bool {
        self.answer() == Err(Error::WOULD_BLOCK)
    }

    /// Fails, or returns when the client has nothing more to say.
    fn answer(&mut self) -> Result<(), Error> {
        let mut buffer = [0; BUFFER];
        loop {
            while self.waits_for_room() {
                let sent = self.socket.send(&self.unsent)?;
                self.unsent.drain(..sent);
            }
            match self.socket.recv(&mut buffer)? {
                0 => return Ok(()),
                received => self.unsent.extend(&buffer[..received]),
            }
        }
    }
}

/// How many clients a thread can wait for, beside its inbox.
const ROOM: usize = EVENTS_MAX - 1;

/// A place among those that a thread can wait for; free again when it is dropped.
pub struct Place(#[expect(dead_code, reason = "it is counted")] Arc<()>);

/// Where a thread gets its clients from.
pub struct Inbox {
    /// Signalled when there are new ones.
    pub changed: Event,
    new: Mutex<Vec<(Socket, Place)>>,
    places: Arc<()>,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Result<Inbox, Error> {
        Ok(Inbox {
            changed: Event::auto_reset()?,
            new: Mutex::default(),
            places: Arc::default(),
        })
    }

    /// Puts a client in.
    pub fn put(&self, socket: Socket) -> Result<(), Error> {
        let place = Place(Arc::clone(&self.places));
        self.lock().push((socket, place));
        self.changed.set()
    }

    /// Takes all clients.
    pub fn take(&self) -> Vec<(Socket, Place)> {
        std::mem::take(&mut self.lock())
    }

    fn has_room(&self) -> bool {
        Arc::strong_count(&self.places) - 1 < ROOM
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Socket, Place)>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts clients and hands them to threads that `work`, each with as many as it can wait for.
pub fn in_groups(listener: &Socket, work: fn(&Inbox) -> Result<(), Error>) -> Result<(), Error> {
    let mut inboxes: Vec<Arc<Inbox>> = Vec::new();
    loop {
        let socket = accept(listener)?;
        if let Some(inbox) = inboxes.iter().find(|inbox| inbox.has_room()) {
            inbox.put(socket)?;
            continue;
        }
        let inbox = Arc::new(Inbox::new()?);
        inbox.put(socket)?;
        inboxes.push(Arc::clone(&inbox));
        thread::spawn(move || work(&inbox).expect("the clients are served"));
    }
}
