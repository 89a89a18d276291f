//! What a program sets on a socket, and asks of it by control codes.

use std::sync::Arc;

use super::super::option::{self, SetEffect, Target};
use super::{Phase, Socket, State};
use crate::platform::status::Status;
use crate::platform::system;

impl Socket {
    fn target(&self, state: &State) -> Target {
        Target {
            fd: self.fd(),
            family: self.family,
            kind: self.kind,
            bound: state.bound,
            listening: state.phase == Phase::Listening,
            peer: state.peer.filter(|_| state.phase == Phase::Connected),
            connected_since: state.connected_since,
            connect_error: state.connect_error,
        }
    }

    /// setsockopt; what remains to be done for it.
    ///
    /// # Errors
    /// Those of setsockopt.
    pub fn set_option(
        self: &Arc<Self>,
        level: i32,
        name: i32,
        value: Option<&[u8]>,
        len: i32,
    ) -> Result<SetEffect, Status> {
        self.attempt_deferred_datagrams(); // what held when they were sent holds for them
        let mut state = self.state();
        let target = self.target(&state);
        let effect = option::set(&target, &mut state.options, level, name, value, len)?;
        if let SetEffect::ConnectError(code) = effect {
            state.connect_error = code;
        }
        state.options_are_late |= state.phase == Phase::Listening;
        Ok(effect)
    }

    /// getsockopt; the second result is the new length.
    pub fn get_option(
        &self,
        level: i32,
        name: i32,
        out: Option<&mut [u8]>,
        len: i32,
    ) -> (Result<(), Status>, i32) {
        self.resolve_connect();
        let state = self.state();
        option::get(&self.target(&state), &state.options, level, name, out, len)
    }

    /// SIO_KEEPALIVE_VALS.
    ///
    /// # Errors
    /// `FAULT` if the input is short.
    pub fn set_keepalive_values(&self, bytes: &[u8]) -> Result<(), Status> {
        let mut state = self.state();
        let target = self.target(&state);
        option::keepalive_values(&target, &mut state.options, bytes)?;
        state.options_are_late |= state.phase == Phase::Listening;
        Ok(())
    }

    /// Bytes that can be read.
    pub fn unread(&self) -> u32 {
        system::ioctl_read(self.fd(), libc::FIONREAD)
            .unwrap_or(0)
            .max(0) as u32
    }

    /// FIONREAD. A program that has seen data here finds it: the next receive is attempted at once.
    pub fn readable_bytes(&self) -> u32 {
        let bytes = self.unread();
        if bytes > 0 {
            self.receive.lock().edge(false);
        }
        bytes
    }

    /// Whether a receive stopped because the urgent byte is next.
    pub fn is_at_mark(&self) -> bool {
        self.saw_urgent()
            || !self.is_watched()
                && system::ioctl_read(self.fd(), system::SIOCATMARK).unwrap_or(0) != 0
    }

    /// SIOCATMARK, the way Windows answers: whether no urgent byte waits.
    pub fn no_urgent_data(&self) -> bool {
        self.state().options.out_of_band_inline()
            || system::poll_now(self.fd(), libc::POLLPRI) & libc::POLLPRI == 0
    }
}
