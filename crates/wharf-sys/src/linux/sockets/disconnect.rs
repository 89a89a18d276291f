//! DisconnectEx: a FIN behind what was sent, and a socket that may be used again.
//!
//! Reuse takes two steps. In the send direction the FIN goes behind the sends before it. Then the request goes on in the
//! receive direction, behind the receives that were pending, until the peer has ended its side too. There it is the owner
//! of the direction, so nobody receives while a fresh descriptor takes the place of the old one (same number, as for
//! AcceptEx). What a program has set, the port, and who is told of network events belong to the socket and stay.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::option;
use super::socket::{
    Context, FLAG_CONNECTED, FLAG_FIN, FLAG_RECEIVE_SHUT, FLAG_REFUSES, FLAG_SEND_SHUT,
    FLAG_URGENT, Phase, Side, Socket, State,
};
use crate::platform::engine::completion;
use crate::platform::engine::operation::{Attempt, Operation};
use crate::platform::engine::request::{DoneOut, How, Overlapped, Started};
use crate::platform::engine::synchronous;
use crate::platform::events::network_events::Occasion;
use crate::platform::events::readiness;
use crate::platform::status::Status;
use crate::platform::system;

impl Socket {
    /// DisconnectEx; without an OVERLAPPED it waits, whatever the blocking mode.
    ///
    /// # Errors
    /// `INVALID` for a datagram socket, `NOT_CONNECTED`, how the connection broke (not if it is to be used again).
    pub fn disconnect(
        self: &Arc<Self>,
        reuse: bool,
        overlapped: Option<Overlapped>,
    ) -> Result<Started, Status> {
        if !self.is_connected() {
            return Err(Status::NOT_CONNECTED);
        }
        if self.is_datagram() {
            return Err(Status::INVALID);
        }
        if let Some(status) = self.broken().filter(|_| !reuse) {
            return Err(status);
        }
        let (send_was_shut, receive_was_shut) = {
            let _state = self.state();
            if !self.has(FLAG_CONNECTED) {
                return Err(Status::NOT_CONNECTED); // another DisconnectEx has just made it a fresh socket
            }
            (
                self.set_flag(FLAG_SEND_SHUT, true),
                reuse && self.set_flag(FLAG_RECEIVE_SHUT, true),
            )
        };
        if reuse {
            self.allow_time_wait(); // the fresh descriptor may have to share the port with this connection's end
        }
        let started = match overlapped {
            Some(overlapped) if self.is_overlapped() => {
                let operation = match reuse {
                    true => Operation::Disconnect,
                    false => Operation::ShutdownSend,
                };
                completion::start_pending(self, Side::Send, operation, overlapped)
            }
            _ => self.disconnect_now(reuse, overlapped),
        };
        if started.is_ok() {
            self.sending_ends();
        }
        if started.is_err() && self.has(FLAG_CONNECTED) {
            self.set_flag(FLAG_SEND_SHUT, send_was_shut || self.has(FLAG_FIN));
            if reuse {
                self.set_flag(FLAG_RECEIVE_SHUT, receive_was_shut);
            }
        }
        started
    }

    fn disconnect_now(
        self: &Arc<Self>,
        reuse: bool,
        overlapped: Option<Overlapped>,
    ) -> Result<Started, Status> {
        let steps = [
            (Side::Send, Operation::ShutdownSend),
            (Side::Receive, Operation::Reuse),
        ];
        for (side, operation) in steps.into_iter().take(1 + usize::from(reuse)) {
            let finished = synchronous::wait_for(self, side, operation, None);
            if finished.status.is_failure() {
                return Err(finished.status);
            }
        }
        if let Some(overlapped) = overlapped {
            let how = How::Overlapped(overlapped, None, DoneOut::nowhere());
            completion::report(self, how, Status::SUCCESS, 0)?;
        }
        Ok(Started::Done(0))
    }

    /// One attempt to make the socket fresh: not before the peer has ended its side, or the connection is gone.
    pub fn attempt_reuse(&self) -> Attempt {
        if !self.has(FLAG_CONNECTED) {
            return Attempt::failed(Status::NOT_CONNECTED); // another DisconnectEx was first
        }
        const ENDED: i16 = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;
        let ended = system::poll_now(self.fd(), libc::POLLRDHUP) & ENDED != 0;
        if !ended && self.broken().is_none() {
            return Attempt::Blocked;
        }
        self.observe(Occasion::Change); // the end of this connection is told before it is forgotten
        match self.renew() {
            Ok(()) => Attempt::done(0, true),
            Err(Status::TOO_MANY_SOCKETS | Status::INSUFFICIENT_RESOURCES) => Attempt::Starved,
            Err(status) => Attempt::failed(status),
        }
    }

    /// Becomes an open socket again: bound if it connected, not if it was accepted.
    fn renew(&self) -> Result<(), Status> {
        let fresh = option::fresh_descriptor(self.family, self.kind())?;
        self.replacing(|| {
            let mut state = self.state();
            if self.is_closed() {
                return Err(Status::CANCELLED);
            }
            state.options.apply_to_fresh(fresh.as_raw_fd(), self.family);
            let address = match state.accepted {
                true => None,
                false => state
                    .bound_to
                    .or_else(|| state.local_before_reset.as_deref().copied())
                    .or_else(|| system::local_address(self.fd())),
            };
            system::discard_unread(self.fd()); // or closing it would reset what is still on its way to the peer
            for flag in [
                FLAG_CONNECTED,
                FLAG_FIN,
                FLAG_RECEIVE_SHUT,
                FLAG_REFUSES,
                FLAG_SEND_SHUT,
                FLAG_URGENT,
            ] {
                self.set_flag(flag, false);
            }
            self.replace_descriptor(&fresh)?;
            self.forget_failure();
            state.renew();
            if let Some(address) = address {
                self.rebind(&mut state, address);
            }
            Ok(())
        })?;
        self.renew_observation();
        readiness::wake_watchers();
        Ok(())
    }
}

impl State {
    /// As of a socket that was just made, but for what the program set.
    fn renew(&mut self) {
        self.phase = Phase::Open;
        self.bound = false; // see `rebind`
        self.accepted = false;
        self.peer = None;
        self.local_before_reset = None;
        self.connected_since = None;
        self.context = Context::Full;
        self.connect_error = 0;
        self.connect_failed = false;
        self.connect_outcome = None;
    }
}
