//! The end of a connection: shutdown, closesocket, lingering.

use std::sync::atomic::Ordering::*;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use windows_sys::Win32::Networking::WinSock::*;

use super::socket::{
    Context, FLAG_CLEANED_UP, FLAG_CLOSED, FLAG_CONNECTED, FLAG_FIN, FLAG_RECEIVE_SHUT,
    FLAG_REFUSES, FLAG_SEND_SHUT, FLAG_SHARED, Phase, Side, Socket,
};
use crate::platform::engine::cancel;
use crate::platform::engine::completion;
use crate::platform::engine::operation::Operation;
use crate::platform::events::readiness;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::wait;

impl Socket {
    /// shutdown.
    ///
    /// # Errors
    /// `INVALID` for an unknown direction, `NOT_CONNECTED`.
    pub fn shutdown(self: &Arc<Self>, how: i32) -> Result<(), Status> {
        let (receive, send) = match how {
            SD_RECEIVE => (true, false),
            SD_SEND => (false, true),
            SD_BOTH => (true, true),
            _ => return Err(Status::INVALID),
        };
        if !self.is_datagram() && !self.is_connected() {
            return Err(Status::NOT_CONNECTED);
        }
        let wants_fin = {
            let state = self.state(); // it may have become a fresh socket by now
            let is_whole = self.has(FLAG_CONNECTED) && state.context == Context::Full;
            if !self.is_datagram() && !is_whole {
                return Err(Status::NOT_CONNECTED);
            }
            // The kernel is not told of the receive side: receives under way go on and still get data.
            if receive {
                self.set_flag(FLAG_RECEIVE_SHUT, true);
                self.set_flag(FLAG_REFUSES, !self.is_datagram());
            }
            if send {
                self.set_flag(FLAG_SEND_SHUT, true);
            }
            // A DisconnectEx before it may be cancelled yet, so that one's FIN is not enough.
            send && !self.set_flag(FLAG_FIN, true)
        };
        if receive {
            if self.association().is_some() {
                let _ = self.watch(); // so that the port's threads see what comes; without memory it stays unread
            }
            self.attempt_deferred(Side::Send); // it counts as sent before
            self.refuse_data();
        }
        if send {
            self.sending_ends();
        }
        if wants_fin {
            completion::start_silent(self, Side::Send, Operation::ShutdownSend);
        }
        Ok(())
    }

    /// After shutdown of the receive side, data resets the connection when no receive is left that could take it. Waits for
    /// nobody: harvests call it.
    ///
    /// Source: shutdown, SD_RECEIVE.
    pub fn refuse_data(&self) {
        if !self.has(FLAG_REFUSES) || self.direction(Side::Receive).lock().has_pending() {
            return; // whoever finishes the last receive looks again
        }
        if self.broken().is_some() || self.unread() == 0 {
            return;
        }
        let mut state = self.state(); // the descriptor stays what it is
        if self.has(FLAG_REFUSES) && !self.is_closed() && self.broken().is_none() {
            self.note_failure(Status::CONNECTION_ABORTED); // first: nobody takes what follows for the peer's doing
            state.local_before_reset = system::local_address(self.fd()).map(Box::new);
            let _ = system::disconnect(self.fd()); // a connection with unread data is reset
        }
    }

    /// The attempt that ends sending: there are no more sends before it. A socket that has become a fresh one meanwhile is
    /// left alone.
    pub fn send_fin(&self) {
        let _state = self.state(); // the descriptor stays what it is
        if self.is_datagram() || self.has(FLAG_CONNECTED) {
            self.set_flag(FLAG_FIN, true); // first: nobody takes what follows for a reset
            system::shutdown(self.fd(), libc::SHUT_WR);
        }
    }

    /// Whether closesocket may go ahead: a non-blocking socket that is to linger must have nothing unsent.
    ///
    /// # Errors
    /// `WOULD_BLOCK`.
    pub fn may_close(self: &Arc<Self>) -> Result<(), Status> {
        self.attempt_deferred(Side::Send); // it counts as unsent
        let lingers = self
            .state()
            .options
            .linger()
            .is_some_and(|time| !time.is_zero());
        let last_handle = self.handles.load(Acquire) == 1;
        if lingers
            && last_handle
            && self.is_non_blocking()
            && self.has(FLAG_CONNECTED)
            && self.unsent() > 0
        {
            return Err(Status::WOULD_BLOCK);
        }
        Ok(())
    }

    /// The last handle is closed: what is pending ends, and the connection is closed as the linger option says.
    pub fn close(self: &Arc<Self>) {
        self.attempt_all_deferred(); // they have gone, as far as anybody can tell
        self.set_flag(FLAG_CLOSED, true);
        self.end_observation();
        if self.has(FLAG_SHARED) {
            self.leave_set(); // the kernel would not, as long as the duplicate is open
        }
        self.unwatch();
        let (accepting_for, linger, bound_to, listening) = {
            let mut state = self.state();
            (
                state.accepting_for.take(),
                state.options.linger(),
                state.bound_to,
                state.phase == Phase::Listening,
            )
        };
        self.reset_held();
        readiness::wake_watchers();
        if let Some(listener) = accepting_for.as_ref().and_then(Weak::upgrade) {
            cancel::cancel_accept(&listener, Arc::as_ptr(self));
        }
        let connected_stream = self.has(FLAG_CONNECTED) && !self.is_datagram();
        let status = if connected_stream {
            Status::CONNECTION_ABORTED
        } else {
            Status::CANCELLED
        };
        cancel::close(self, status);
        self.release_address(bound_to, listening);
        if let Some((port, _)) = self.association() {
            port.deferred.forget(self);
        }
        if !connected_stream {
            return;
        }
        match linger {
            Some(time) if time.is_zero() => system::set_abortive(self.fd()),
            _ if self.has(FLAG_SHARED) => {} // the connection ends with its last descriptor
            None => self.finish_early(),
            Some(_) if self.is_non_blocking() || self.ends_with_cleanup() => self.finish_early(),
            Some(time) => self.linger(Instant::now() + time),
        }
    }

    /// If somebody else holds the socket for a moment longer, the FIN still leaves now.
    fn finish_early(self: &Arc<Self>) {
        if Arc::strong_count(self) > 1 && self.unread() == 0 {
            system::shutdown(self.fd(), libc::SHUT_WR);
        }
    }

    /// Waits until everything is sent and acknowledged, or resets the connection when the time is over.
    fn linger(&self, until: Instant) {
        system::shutdown(self.fd(), libc::SHUT_WR);
        while self.unsent() > 0 {
            if Instant::now() >= until {
                return system::set_abortive(self.fd());
            }
            // Nothing tells when the last byte is acknowledged, so look again soon.
            const STEP: Duration = Duration::from_millis(1);
            wait::sleep_until(Some((Instant::now() + STEP).min(until)), true);
        }
    }

    /// Bytes (and a FIN) not yet acknowledged by the peer; none once the connection is gone.
    fn unsent(&self) -> usize {
        if system::tcp_is_closed(self.fd()) {
            return 0;
        }
        system::ioctl_read(self.fd(), libc::TIOCOUTQ)
            .unwrap_or(0)
            .max(0) as usize
    }

    /// The last WSACleanup closes it: that will not wait for anything, and signals no event and calls no routine.
    pub fn end_with_cleanup(&self) {
        self.set_flag(FLAG_CLEANED_UP, true);
    }

    /// Whether the last WSACleanup closes it.
    pub fn ends_with_cleanup(&self) -> bool {
        self.has(FLAG_CLEANED_UP)
    }
}
