//! A connected pair of sockets by which one thread wakes another that waits for sockets only.

use std::net::{Ipv4Addr, SocketAddr};

use wharf::{Error, Socket};

/// The end that is waited for.
#[derive(Debug)]
pub struct Bell(Socket);

/// The end that rings.
#[derive(Debug)]
pub struct Button(Socket);

impl Bell {
    /// # Errors
    /// If the system has no room for two more sockets.
    pub fn new() -> Result<(Bell, Button), Error> {
        let listener = Socket::listen_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let button = Socket::connect_to(listener.local_addr()?)?;
        let own = button.local_addr()?;
        loop {
            let (bell, peer) = listener.accept()?;
            if peer == own {
                bell.set_nonblocking(true)?;
                button.set_nonblocking(true)?;
                return Ok((Bell(bell), Button(button)));
            } // else somebody else was quicker
        }
    }

    /// Has something to receive when it rings.
    pub fn socket(&self) -> &Socket {
        &self.0
    }

    /// It rings no more.
    ///
    /// # Errors
    /// If the pair was broken.
    pub fn silence(&self) -> Result<(), Error> {
        let mut rings = [0; 64];
        loop {
            match self.0.recv(&mut rings) {
                Ok(0) => return Err(Error::DISCONNECTED),
                Ok(_) => {}
                Err(Error::WOULD_BLOCK) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Button {
    /// Has the bell ring.
    pub fn press(&self) {
        // If there is no room, it rings already.
        let _ = self.0.send(&[1]);
    }
}
