//! Blocking calls: a thread for every session.
//!
//! A call that blocks ends with its peer, or when its socket is closed, which cannot be while it is borrowed. So what
//! is left in the end is shut down, and its threads end with the process.

use std::collections::HashMap;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use wharf::{Error, Socket};

use super::Model;
use crate::serve::session::{BUFFER_LEN, Session};

/// There may be thousands of threads, and none needs much.
const STACK_LEN: usize = 256 << 10;

/// The sessions that are open, each with its thread.
pub struct Threads {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    sessions: HashMap<u64, Arc<Socket>>,
    last: u64,
}

impl Threads {
    pub fn new() -> Threads {
        Threads {
            open: Arc::default(),
        }
    }
}

impl Model for Threads {
    fn admit(&self, socket: Socket, session: Session) {
        let socket = Arc::new(socket);
        let shared = Arc::clone(session.shared());
        // Locked until the session is among the open ones: its thread may be over before.
        let mut open = lock(&self.open);
        open.last += 1;
        let number = open.last;
        let (its_socket, all) = (Arc::clone(&socket), Arc::clone(&self.open));
        let thread = thread::Builder::new().stack_size(STACK_LEN).spawn(move || {
            serve(&its_socket, session);
            drop(its_socket);
            lock(&all).sessions.remove(&number);
        });
        match thread {
            Ok(_) => {
                open.sessions.insert(number, socket);
            }
            Err(_) => shared.count_error(
                "no thread for one more session (see ulimit -u)",
                &Error::NO_SYSTEM_RESOURCES,
            ),
        }
    }

    fn end(self: Box<Self>) {
        for socket in lock(&self.open).sessions.values() {
            let _ = socket.shutdown(Shutdown::Both); // its peer may have ended it before
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(socket: &Socket, mut session: Session) {
    let mut buffer = vec![0; BUFFER_LEN];
    if let Err(error) = converse(socket, &mut session, &mut buffer) {
        session.failed("a session was lost", &error);
    }
}

fn converse(socket: &Socket, session: &mut Session, buffer: &mut [u8]) -> Result<(), Error> {
    loop {
        let bytes = socket.recv(buffer)?;
        if bytes == 0 {
            return Ok(());
        }
        let unsent = session.received(bytes);
        if unsent > 0 {
            session.sent(socket.send(&buffer[..unsent])?);
        }
    }
}
