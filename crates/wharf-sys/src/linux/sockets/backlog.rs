//! The ideal send backlog of a connection, how much of what is sent should be on its way: SIO_IDEAL_SEND_BACKLOG_QUERY and
//! SIO_IDEAL_SEND_BACKLOG_CHANGE.
//!
//! It is the same for every connection, so no wait for a change of it ever succeeds. It ends when there is nothing to wait for
//! any more: the sending side is shut down, the connection is reset, the socket is closed. A wait is a request in a direction of
//! its own, whose attempt asks for just that.
//!
//! Source: "SIO_IDEAL_SEND_BACKLOG_CHANGE", "SIO_IDEAL_SEND_BACKLOG_QUERY".

use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};

use super::socket::{FLAG_CONNECTED, Side, Socket};
use crate::platform::engine::completion;
use crate::platform::engine::operation::{Attempt, Operation};
use crate::platform::engine::request::{How, Started};
use crate::platform::status::Status;
use crate::platform::system;

/// In bytes: what Windows tells of a connection over the loopback interface.
pub const IDEAL: u32 = 0x1_0000;

impl Socket {
    /// Waits for a change, whatever the blocking mode.
    ///
    /// # Errors
    /// `CANCELLED` if there is such a wait already, or nothing to wait for any more; `INTERRUPTED` of a call that waited itself.
    pub fn await_backlog_change(self: &Arc<Self>, how: Option<How>) -> Result<Started, Status> {
        let side = Side::BacklogChange;
        if self.waits_for(side) {
            return Err(Status::CANCELLED);
        }
        let how = how.unwrap_or(How::Waiting(None));
        let started = completion::start(self, side, Operation::AwaitBacklog, how);
        self.end_if_closed(side);
        started
    }

    /// One attempt of such a wait.
    pub fn attempt_backlog_wait(&self) -> Attempt {
        fence(SeqCst); // pairs with `sending_ends`: it finds the request, or we find the side shut
        const ENDED: i16 = libc::POLLHUP | libc::POLLERR;
        let ended = !self.has(FLAG_CONNECTED)
            || self.is_send_shut()
            || self.broken().is_some()
            || system::poll_now(self.fd(), 0) & ENDED != 0;
        if ended {
            Attempt::failed(Status::CANCELLED)
        } else {
            Attempt::Blocked
        }
    }

    /// The sending side was shut down, or the connection may be gone.
    pub fn sending_ends(self: &Arc<Self>) {
        fence(SeqCst);
        if self.waits_for(Side::BacklogChange) {
            self.retry_side(Side::BacklogChange);
        }
    }
}
