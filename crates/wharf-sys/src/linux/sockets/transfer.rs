//! recv, WSARecv, send and WSASend: what is refused, and what is started. On datagram sockets they are what
//! `datagram.rs` says.

use std::sync::Arc;
use std::time::Instant;

use windows_sys::Win32::Networking::WinSock::*;

use super::datagram::Report;
use super::socket::{
    FLAG_CONNECTED, FLAG_OBSERVED, FLAG_RECEIVE_SHUT, FLAG_SEND_SHUT, FLAG_URGENT, Side, Socket,
};
use crate::platform::engine::completion;
use crate::platform::engine::operation::{Buffers, Operation, Transfer, TransferFlags};
use crate::platform::engine::request::{How, Started};
use crate::platform::events::network_events::Occasion;
use crate::platform::status::Status;

impl Socket {
    /// recv and WSARecv.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn receive(
        self: &Arc<Self>,
        buffers: Buffers,
        flags: u32,
        overlapped: Option<How>,
    ) -> Result<Started, Status> {
        if self.is_datagram() {
            return self.receive_datagram(buffers, flags, Report::Nowhere, overlapped);
        }
        let received = self.start_receive(buffers, flags, overlapped);
        self.observe(match flags & MSG_OOB as u32 {
            0 => Occasion::Receive,
            _ => Occasion::ReceiveUrgent,
        });
        received
    }

    fn start_receive(
        self: &Arc<Self>,
        buffers: Buffers,
        flags: u32,
        overlapped: Option<How>,
    ) -> Result<Started, Status> {
        const PEEK: u32 = MSG_PEEK as u32;
        const OOB: u32 = MSG_OOB as u32;
        const WAITALL: u32 = MSG_WAITALL as u32;
        const KNOWN: u32 = PEEK | OOB | WAITALL | MSG_PARTIAL | MSG_PUSH_IMMEDIATE as u32;
        let flag = |bits: u32| flags & bits != 0;
        if flag(!KNOWN) {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        self.may_receive()?;
        let may_wait_for_all = !flag(PEEK | OOB | MSG_PARTIAL) && !self.is_non_blocking();
        if flag(WAITALL) && !may_wait_for_all {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        if flag(OOB) {
            self.may_receive_urgent()?;
        }
        let how = overlapped.unwrap_or_else(|| self.synchronously(Side::Receive));
        if buffers.is_empty() && overlapped.is_none() {
            return Ok(Started::Done(0));
        }
        let (peek, urgent, wait_all) = (flag(PEEK), flag(OOB), flag(WAITALL));
        let transfer = Transfer::new(
            buffers,
            TransferFlags {
                peek,
                urgent,
                wait_all,
                partial: false,
            },
        );
        let side = if urgent { Side::Urgent } else { Side::Receive };
        completion::start(self, side, Operation::Receive(transfer), how)
    }

    /// send and WSASend.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn send(
        self: &Arc<Self>,
        buffers: Buffers,
        flags: u32,
        overlapped: Option<How>,
    ) -> Result<Started, Status> {
        if self.is_datagram() {
            return self.send_datagram(buffers, flags, None, Box::default(), overlapped);
        }
        if flags & !((MSG_OOB | MSG_DONTROUTE) as u32) != 0 {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        let urgent = flags & MSG_OOB as u32 != 0;
        self.may_send()?;
        let how = overlapped.unwrap_or_else(|| self.synchronously(Side::Send));
        let partial = matches!(how, How::Immediate);
        let length = if self.has(FLAG_OBSERVED) {
            buffers.total()
        } else {
            0
        };
        let transfer = Transfer::new(
            buffers,
            TransferFlags {
                urgent,
                partial,
                ..TransferFlags::default()
            },
        );
        let sent = completion::start(self, Side::Send, Operation::Send(transfer), how);
        match sent {
            Err(Status::WOULD_BLOCK) => self.observe(Occasion::SendBlocked),
            Ok(Started::Done(sent)) if sent < length => self.observe(Occasion::SendBlocked),
            _ => {}
        }
        sent
    }

    fn may_receive(&self) -> Result<(), Status> {
        if !self.is_connected() {
            return Err(Status::NOT_CONNECTED);
        }
        if self.has(FLAG_RECEIVE_SHUT) {
            Err(Status::SHUT_DOWN)
        } else {
            Ok(())
        }
    }

    fn may_receive_urgent(&self) -> Result<(), Status> {
        if self.state().options.out_of_band_inline() {
            return Err(Status::INVALID);
        }
        self.set_flag(FLAG_URGENT, true);
        Ok(())
    }

    fn may_send(&self) -> Result<(), Status> {
        if !self.is_connected() {
            return Err(Status::NOT_CONNECTED);
        }
        if self.has(FLAG_SEND_SHUT) {
            Err(Status::SHUT_DOWN)
        } else {
            Ok(())
        }
    }

    /// Whether it is connected; a connect that ended by itself is noticed here.
    pub fn is_connected(&self) -> bool {
        if !self.has(FLAG_CONNECTED) {
            self.resolve_connect();
        }
        self.has(FLAG_CONNECTED)
    }

    /// How a call without OVERLAPPED waits on this socket.
    pub fn synchronously(&self, side: Side) -> How {
        if self.is_non_blocking() {
            return How::Immediate;
        }
        if !self.is_overlapped() {
            return How::Waiting(None); // time-outs are for sockets with the overlapped attribute
        }
        let state = self.state();
        let limit = match side {
            Side::Receive | Side::Urgent => state.options.receive_timeout(),
            Side::Send => state.options.send_timeout(),
            Side::AddressChange | Side::RouteChange | Side::BacklogChange => None,
        };
        How::Waiting(limit.map(|limit| Instant::now() + limit))
    }
}
