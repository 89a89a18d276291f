//! The thread that takes connections and gives them to the model, or refuses them.
//!
//! It waits for two events: the listening socket's, and the one that ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use wharf::{Error, Event, Events, Socket, Waited, wait_any};

use super::models::Model;
use super::session::Session;
use super::shared::Shared;

/// How long it rests when the process may have no more sockets, until perhaps a session has ended.
const REST: Duration = Duration::from_millis(10);

/// A listening socket.
pub struct Listener {
    socket: Socket,
    /// Signalled when a connection has arrived.
    arrived: Event,
}

impl Listener {
    /// Listens.
    ///
    /// # Errors
    /// If that cannot be: why, and what to do.
    pub fn at(address: SocketAddr) -> Result<Listener> {
        let cannot = |error| anyhow!("cannot listen at {address}: {error}{}", remedy(error));
        let socket = Socket::listen_at(address).map_err(cannot)?;
        let arrived = Event::manual_reset().map_err(cannot)?;
        socket
            .event_select(&arrived, Events::ACCEPT)
            .map_err(cannot)?;
        Ok(Listener { socket, arrived })
    }

    /// Where.
    ///
    /// # Errors
    /// None that a listening socket can give.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

/// What to do about an address that cannot be listened at.
fn remedy(error: Error) -> &'static str {
    match error {
        Error::ADDRESS_IN_USE => {
            "; end the program that listens there, or --listen at another port (0: any)"
        }
        Error::ADDRESS_NOT_AVAILABLE => {
            "; see `ip address` for those it has, or take 0.0.0.0 or [::] for all"
        }
        Error::ACCESS => "; ports below 1024 are root's: take a higher one",
        Error::ADDRESS_FAMILY_NOT_SUPPORTED => "; is IPv6 switched off here?",
        _ => "; see `wharf doctor`",
    }
}

/// An accepter at work.
pub struct Accepter {
    end: Arc<Event>,
    thread: JoinHandle<Box<dyn Model>>,
}

impl Accepter {
    /// Starts to take connections for `model`, as long as there are fewer than `sessions_max`.
    ///
    /// # Errors
    /// If the system lacks what it needs.
    pub fn start(
        listener: Listener,
        model: Box<dyn Model>,
        sessions_max: u64,
        shared: &Arc<Shared>,
    ) -> Result<Accepter> {
        let end = Arc::new(Event::manual_reset()?);
        let its = Accept {
            listener,
            model,
            sessions_max,
            shared: Arc::clone(shared),
            end: Arc::clone(&end),
        };
        let thread = thread::Builder::new().spawn(move || its.work()).context(
            "the accepter's thread cannot be started; how many may there be (ulimit -u)?",
        )?;
        Ok(Accepter { end, thread })
    }

    /// Takes no more connections: those that came in time are let in. The model goes on.
    pub fn end(self) -> Box<dyn Model> {
        self.end.set().expect("an open event can be set");
        self.thread.join().expect("the accepter panicked")
    }
}

/// What the accepter's thread has.
struct Accept {
    listener: Listener,
    model: Box<dyn Model>,
    sessions_max: u64,
    shared: Arc<Shared>,
    end: Arc<Event>,
}

impl Accept {
    fn work(self) -> Box<dyn Model> {
        if let Err(error) = self.accept_all() {
            self.shared
                .count_error("connections are not taken any more", &error);
        }
        self.model
    }

    /// Takes connections until it is to end.
    fn accept_all(&self) -> Result<(), Error> {
        let (listener, arrived) = (&self.listener.socket, &self.listener.arrived);
        while wait_any(&[&self.end, arrived], None)? != Waited::Signalled(0) {
            listener.network_events(arrived)?; // resets the event
            self.accept_those_there(listener)?;
        }
        self.accept_those_there(listener) // they came in time
    }

    fn accept_those_there(&self, listener: &Socket) -> Result<(), Error> {
        loop {
            match listener.accept() {
                Ok((socket, _)) => self.welcome(socket),
                Err(Error::WOULD_BLOCK) => return Ok(()),
                Err(Error::CONNECTION_RESET) => {} // it was given up before it was taken
                Err(Error::TOO_MANY_SOCKETS | Error::NO_BUFFERS) => {
                    if self.end.wait(Some(REST))? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn welcome(&self, socket: Socket) {
        let statistics = &self.shared.statistics;
        if statistics.sessions.load(Relaxed) >= self.sessions_max {
            statistics.refused.fetch_add(1, Relaxed);
            return; // it is closed
        }
        match self.make_plain(&socket) {
            Ok(()) => self.model.admit(socket, Session::begin(&self.shared)),
            Err(error) => self.shared.count_error("a connection was lost", &error),
        }
    }

    /// Undoes what a connection inherits from the listening socket.
    fn make_plain(&self, socket: &Socket) -> Result<(), Error> {
        socket.event_select(&self.listener.arrived, Events::NONE)?;
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)
    }
}
