//! A socket in an epoll set: its port's or the default one. Who watches, what an edge sets going, who looks after what is
//! parked.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering::*, fence};

use super::{FLAG_AWAITS_ROOM, FLAG_FED, FLAG_URGENT, Side, Socket, call_status};
use crate::platform::engine::drive::{Sink, drive, drive_at_once};
use crate::platform::engine::helper;
use crate::platform::engine::port::Port;
use crate::platform::engine::reactor::{self, Edge, Interest, Set};
use crate::platform::engine::request::Request;
use crate::platform::events::network_events::Occasion;
use crate::platform::status::Status;
use crate::platform::system;

impl Socket {
    /// Whether it is in an epoll set, so that edges tell of every change.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Acquire)
    }

    /// Puts it in its port's set, or the default set. What is ready already comes as an edge.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES`.
    pub fn watch(self: &Arc<Self>) -> Result<(), Status> {
        if self.is_watched() {
            return Ok(());
        }
        let mut watch = self.watch.lock();
        if watch.is_some() || self.is_closed() {
            return Ok(());
        }
        let set = match self.association() {
            Some((port, _)) => &port.set,
            None => helper::default_set()?,
        };
        let key = reactor::register(self).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        if set.add(self.fd(), key, self.interest()).is_err() {
            reactor::unregister(key);
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        *watch = Some(key);
        self.watched.store(true, Release);
        Ok(())
    }

    /// An overlapped receive found data and emptied the socket. If that happens again, edges are had beforehand: then a short
    /// read need not ask for an urgent byte (`is_at_mark`), and the next receive needs no attempt that finds nothing.
    pub fn found_data(self: &Arc<Self>) {
        if !self.is_watched() && self.association().is_some() && self.set_flag(FLAG_FED, true) {
            let _ = self.watch(); // without memory: as before
        }
    }

    /// As [`watch`](Self::watch), for the requests of one side.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES`.
    pub fn watch_for(self: &Arc<Self>, side: Side) -> Result<(), Status> {
        if side == Side::Send && self.is_datagram() {
            self.await_room();
        }
        self.watch()
    }

    /// A send found no room: from here on its return is an edge.
    pub fn await_room(&self) {
        if self.set_flag(FLAG_AWAITS_ROOM, true) {
            return;
        }
        // Under the lock: it is in a set with its new interest by now, or will be put there with it.
        if let Some(key) = *self.watch.lock()
            && let Some(set) = self.set()
        {
            let _ = set.modify(self.fd(), key, Interest::All); // which fails only if it is not there
        }
    }

    fn interest(&self) -> Interest {
        if self.is_datagram() && !self.has(FLAG_AWAITS_ROOM) {
            Interest::Arrivals
        } else {
            Interest::All
        }
    }

    /// The epoll set it belongs to.
    fn set(&self) -> Option<&Set> {
        match self.association() {
            Some((port, _)) => Some(&port.set),
            None => helper::default_set().ok(),
        }
    }

    /// Its descriptor, which keeps its number, names the open file of `fresh` from here on. An epoll set that had the old
    /// one has the new one.
    ///
    /// # Errors
    /// Of a system without resources: nothing has changed.
    pub fn replace_descriptor(&self, fresh: &OwnedFd) -> Result<(), Status> {
        let watch = self.watch.lock();
        system::replace_descriptor(fresh, self.fd()).map_err(call_status)?;
        for side in self.sides() {
            self.direction(side).lock().renew(); // before an edge of the new one can come: it may tell of the end
        }
        if let Some(key) = *watch {
            let set = self.set();
            let _ = set.map(|set| set.add(self.fd(), key, self.interest())); // without memory: its waits look for themselves
        }
        Ok(())
    }

    /// Takes its descriptor out of the epoll set.
    pub fn leave_set(&self) {
        let watch = self.watch.lock();
        if watch.is_some()
            && let Some(set) = self.set()
        {
            set.remove(self.fd());
        }
    }

    /// Takes it out of the registry: events that name it find nothing from here on.
    pub fn unwatch(&self) {
        if let Some(key) = self.watch.lock().take() {
            reactor::unregister(key);
        }
    }

    /// A request was left waiting for an edge: somebody must be there to see it.
    pub fn parked(&self) {
        fence(SeqCst); // pairs with the one in `helper::arm`: the request is seen, or the sleeper is gone
        let unattended = match self.association() {
            Some((port, _)) => port.set.sleepers() == 0,
            None => helper::is_default_set_unattended(),
        };
        if unattended {
            helper::arm_after_fence();
        }
    }

    /// An edge: attempts what waits for it.
    pub fn edge(self: &Arc<Self>, edge: Edge, sink: &mut Sink<'_>) {
        if edge.urgent {
            self.set_flag(FLAG_URGENT, true);
        }
        if edge.failed {
            self.note_errors();
        }
        let ends = !self.is_datagram(); // an error is an event like a datagram
        let mut observed_later = false;
        let mut attempted = false;
        if edge.readable {
            match self.claim(Side::Receive, edge.receive_ended && ends) {
                Some(head) => {
                    sink.attempt_later(self.clone(), Side::Receive, head);
                    observed_later = true;
                }
                None => self.refuse_data(),
            }
        }
        if (edge.urgent || edge.receive_ended) && self.rare.get().is_some() {
            let head = self.claim(Side::Urgent, edge.receive_ended);
            attempted |= head.is_some();
            drive(self, Side::Urgent, head, None, sink);
        }
        if edge.send_ended {
            self.sending_ends();
        }
        if edge.writable {
            let head = self.claim(Side::Send, edge.send_ended && ends);
            attempted |= head.is_some();
            drive(self, Side::Send, head, None, sink);
        }
        match (observed_later, attempted) {
            (true, _) => {}
            (false, true) => self.observe(Occasion::Change),
            (false, false) => self.observe_edge(&edge),
        }
    }

    /// Attempts both queues again, edge or not.
    pub fn retry(self: &Arc<Self>) {
        for side in self.sides() {
            self.retry_side(side);
        }
        self.observe(Occasion::Change);
    }

    /// Attempts one queue again, edge or not.
    pub fn retry_side(self: &Arc<Self>, side: Side) {
        drive_at_once(self, side, self.claim(side, false), None);
    }

    /// Attempts what was deferred, or lets the owner of the direction come to what waits behind it: from here on it is as if that
    /// had been done at once.
    pub fn attempt_deferred(self: &Arc<Self>, side: Side) {
        let mut attempted = false;
        loop {
            let head = {
                let mut direction = self.direction(side).lock();
                if !direction.owes_attempts() {
                    break;
                }
                direction.claim()
            };
            match head {
                Some(_) => drive_at_once(self, side, head, None),
                None => std::thread::yield_now(), // an attempt does not block
            }
            attempted = true;
        }
        if attempted {
            self.observe(Occasion::Change); // who looked meanwhile saw a receive that was pending
        }
    }

    /// Likewise in both directions.
    pub fn attempt_all_deferred(self: &Arc<Self>) {
        self.attempt_deferred(Side::Send);
        if self.is_datagram() {
            self.attempt_deferred(Side::Receive); // only datagrams' receives are deferred
        }
    }

    /// Likewise of a datagram socket, before something changes that decides what becomes of datagrams.
    pub fn attempt_deferred_datagrams(self: &Arc<Self>) {
        if self.is_datagram() {
            self.attempt_all_deferred();
        }
    }

    /// An edge for one direction: its head, if it may be attempted now.
    fn claim(&self, side: Side, ended: bool) -> Option<Box<Request>> {
        let mut direction = self.direction(side).lock();
        direction.edge(ended);
        direction.claim()
    }

    /// Its port and key.
    pub fn association(&self) -> Option<&(Arc<Port>, usize)> {
        self.association.get()
    }

    /// Associates it with a port, once. Requests under way report there too, with this key.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` if it is associated already, or was made without WSA_FLAG_OVERLAPPED.
    pub fn associate(&self, port: &Arc<Port>, key: usize) -> Result<(), Status> {
        if !self.overlapped {
            return Err(Status::INVALID_PARAMETER);
        }
        let watch = self.watch.lock();
        self.association
            .set((port.clone(), key))
            .map_err(|_| Status::INVALID_PARAMETER)?;
        if let Some(name) = *watch {
            // First there, then away from here: no edge falls between. Without memory it stays where it is.
            if port.set.add(self.fd(), name, self.interest()).is_ok()
                && let Ok(default_set) = helper::default_set()
            {
                default_set.remove(self.fd());
            }
        }
        drop(watch);
        self.parked();
        Ok(())
    }
}
