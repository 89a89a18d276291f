//! A session on a socket that does not block: what all models do whose sockets tell that they are ready.

use wharf::{Error, Socket};

use super::session::{BUFFER_LEN, Session};

/// How many receives in a row one session may have while others wait.
const RECEIVES_MAX: usize = 16;

/// A client's socket, and what was received from it and not sent back yet.
#[derive(Debug)]
pub struct Conversation {
    socket: Socket,
    session: Session,
    buffer: Box<[u8]>,
    unsent: std::ops::Range<usize>,
    /// The peer has closed its side: nobody will tell of what is left to be received.
    peer_closed: bool,
}

/// What a conversation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something to receive.
    Receive,
    /// Room to send.
    Send,
    /// Nothing: it is over.
    Over,
}

impl Conversation {
    /// A conversation that begins; `None` if it fails at once.
    pub fn begin(socket: Socket, session: Session) -> Option<Conversation> {
        if let Err(error) = socket.set_nonblocking(true) {
            session.failed("a session cannot begin", &error);
            return None;
        }
        Some(Conversation {
            socket,
            session,
            buffer: vec![0; BUFFER_LEN].into(),
            unsent: 0..0,
            peer_closed: false,
        })
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The peer will say nothing more than what has arrived.
    pub fn set_peer_closed(&mut self) {
        self.peer_closed = true;
    }

    /// What it waits for.
    pub fn next(&self) -> Next {
        if self.unsent.is_empty() {
            Next::Receive
        } else {
            Next::Send
        }
    }

    /// Does what can be done now. It ends with a call that tells that nothing can be, or with a receive: after both,
    /// network events are told again.
    pub fn advance(&mut self) -> Next {
        self.try_advance().unwrap_or_else(|error| {
            self.session.failed("a session was lost", &error);
            Next::Over
        })
    }

    fn try_advance(&mut self) -> Result<Next, Error> {
        let mut receives = 0;
        loop {
            if !self.send()? {
                return Ok(Next::Send);
            }
            if receives == RECEIVES_MAX && !self.peer_closed {
                return Ok(Next::Receive);
            }
            receives += 1;
            match self.socket.recv(&mut self.buffer) {
                Ok(0) => return Ok(Next::Over),
                Ok(bytes) => self.unsent = 0..self.session.received(bytes),
                Err(Error::WOULD_BLOCK) => return Ok(Next::Receive),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what is unsent; whether nothing is left.
    fn send(&mut self) -> Result<bool, Error> {
        while !self.unsent.is_empty() {
            match self.socket.send(&self.buffer[self.unsent.clone()]) {
                Ok(bytes) => {
                    self.session.sent(bytes);
                    self.unsent.start += bytes;
                }
                Err(Error::WOULD_BLOCK) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
