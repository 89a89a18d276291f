//! accept, and AcceptEx: a connection goes into a socket that exists already.
//!
//! An AcceptEx waits in the listener's receive direction for a connection. The connection's descriptor takes the place
//! of the accept socket's (same number, so nobody who looks at the socket meanwhile meets a stranger). If it
//! asked for data the request goes on as a receive of the accept socket, and still reports to the listener.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::address::Address;
use super::completion;
use super::network_events::Occasion;
use super::operation::{self, Attempt, Buffers, Operation, Refused, Transfer, TransferFlags};
use super::option::Options;
use super::request::Overlapped;
use super::socket::{Context, Phase, Side, Socket};
use super::status::Status;
use super::synchronous;
use super::system;

/// What an address area needs beyond the address itself.
const AREA_EXTRA: usize = 16;
/// In an area, the address follows its length.
const AREA_HEADER: usize = size_of::<u32>() * 2;

/// The first half of an AcceptEx.
pub struct AcceptInto {
    /// The socket that takes the connection.
    pub acceptor: Arc<Socket>,
    output: Output,
}

/// AcceptEx's output buffer: data, then the local address area, then the remote one.
#[derive(Clone, Copy)]
pub struct Output {
    /// Where it begins.
    pub base: *mut u8,
    /// Bytes for data.
    pub data: usize,
    /// Bytes for the local address.
    pub local: usize,
    /// Bytes for the remote address.
    pub remote: usize,
}

// SAFETY: the buffer is the caller's until the operation is finished, whichever thread does that.
unsafe impl Send for AcceptInto {}

impl AcceptInto {
    /// One attempt to take a connection.
    pub fn attempt(&mut self, listener: &Arc<Socket>) -> Attempt {
        if !self.output.fits(listener) {
            return match system::poll_now(listener.fd(), libc::POLLIN) {
                0 => Attempt::Blocked,
                _ => Attempt::failed(Status::BUFFER_TOO_SMALL), // the connection stays in the backlog
            };
        }
        let (fd, peer) = match operation::accept(listener) {
            Ok(taken) => taken,
            Err(Refused::NoneWaiting) => return Attempt::Blocked,
            Err(Refused::Starved(_)) => return Attempt::Starved,
            Err(Refused::Failed(errno)) => return Attempt::failed(Status::from_errno(errno)),
        };
        let local = system::local_address(std::os::fd::AsRawFd::as_raw_fd(&fd));
        if let Err(status) = self.acceptor.adopt(fd, peer, listener) {
            return Attempt::failed(status);
        }
        // SAFETY: the caller of AcceptEx lends the buffer until the operation is finished.
        unsafe { self.output.write_addresses(local, peer) };
        if self.output.data == 0 {
            return Attempt::Finished {
                status: Status::SUCCESS,
                transferred: 0,
                more: true,
            };
        }
        Attempt::MovesTo(self.acceptor.clone())
    }

    /// The second half: the receive of the first data.
    pub fn first_data(&self) -> Transfer {
        Transfer::new(
            Buffers::one(self.output.base, self.output.data),
            TransferFlags::default(),
        )
    }
}

impl Output {
    /// Whether the address areas are large enough; a local one may be left out.
    fn fits(&self, listener: &Socket) -> bool {
        let needed = listener.family.address_len() + AREA_EXTRA;
        (self.local == 0 || self.local >= needed) && self.remote >= needed
    }

    /// # Safety
    /// The buffer is valid for writes of all its three parts.
    unsafe fn write_addresses(&self, local: Option<Address>, remote: Address) {
        let areas = [
            (local, self.data, self.local),
            (Some(remote), self.data + self.local, self.remote),
        ];
        for (address, offset, length) in areas {
            let Some(address) = address.filter(|_| length > 0) else {
                continue;
            };
            // SAFETY: within the buffer by the caller's promise; `fits` has checked the length.
            let area = unsafe { std::slice::from_raw_parts_mut(self.base.add(offset), length) };
            let written = address.write_windows(&mut area[AREA_HEADER..]).unwrap_or(0);
            area[..4].copy_from_slice(&(written as u32).to_ne_bytes());
        }
    }

    /// Where an area that [`write_addresses`](Self::write_addresses) filled holds its address, and how long that is.
    pub fn address_in(area: &[u8]) -> (usize, usize) {
        let room = area.len().saturating_sub(AREA_HEADER);
        let length = area
            .first_chunk()
            .map_or(0, |bytes| u32::from_ne_bytes(*bytes) as usize);
        (AREA_HEADER, length.min(room))
    }
}

impl Socket {
    /// accept: waits for a connection as the blocking mode says.
    ///
    /// # Errors
    /// Those of accept.
    pub fn accept(self: &Arc<Self>) -> Result<(Arc<Socket>, Address), Status> {
        if self.is_datagram() {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        if self.state().phase != Phase::Listening {
            return Err(Status::INVALID);
        }
        let operation = Operation::TakeConnection(None);
        let finished = match self.is_non_blocking() {
            true => synchronous::attempt_once(self, Side::Receive, operation),
            false => synchronous::wait_for(self, Side::Receive, operation, None),
        };
        self.observe(Occasion::Accept);
        if finished.status.is_failure() {
            return Err(finished.status);
        }
        let (fd, peer) = finished.connection.ok_or(Status::INVALID)?;
        Ok((self.accepted(fd, peer), peer))
    }

    /// AcceptEx.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn accept_into(
        self: &Arc<Self>,
        acceptor: Arc<Socket>,
        output: Output,
        overlapped: Overlapped,
    ) -> Result<(), Status> {
        if self.state().phase != Phase::Listening {
            return Err(Status::INVALID);
        }
        acceptor.reserve_for(self)?;
        let accept = AcceptInto {
            acceptor: acceptor.clone(),
            output,
        };
        let operation = Operation::AcceptInto(accept);
        let started = completion::start_pending(self, Side::Receive, operation, overlapped);
        if started.is_err() {
            acceptor.state().accepting_for = None;
        }
        self.observe(Occasion::Accept);
        started.map(drop)
    }

    /// Reserves this fresh socket for an AcceptEx on `listener`.
    fn reserve_for(&self, listener: &Arc<Socket>) -> Result<(), Status> {
        let mut state = self.state();
        let fresh = state.phase == Phase::Open && !state.bound && state.accepting_for.is_none();
        let alike = self.family == listener.family && self.kind() == listener.kind();
        if !fresh || !alike || !self.is_overlapped() {
            return Err(Status::INVALID);
        }
        state.accepting_for = Some(Arc::downgrade(listener));
        Ok(())
    }

    /// Becomes the connection `fd`, in the state AcceptEx leaves: its own options, not yet the listener's.
    fn adopt(&self, fd: OwnedFd, peer: Address, listener: &Socket) -> Result<(), Status> {
        let mut inherited = Options::default();
        inherited.inherit(&listener.state().options);
        let mut state = self.state();
        if self.is_closed() {
            return Err(Status::CANCELLED);
        }
        self.replace_descriptor(&fd)?;
        let _ = state.options.apply_over(&inherited, self.fd(), self.family); // at worst an option is the listener's
        state.phase = Phase::Connected;
        state.bound = true;
        state.accepted = true;
        state.peer = Some(peer);
        state.connected_since = Some(Instant::now());
        state.context = Context::AcceptPending;
        self.mark_connected();
        Ok(())
    }

    /// SO_UPDATE_ACCEPT_CONTEXT.
    ///
    /// # Errors
    /// `INVALID` if it does not come from an AcceptEx, or `listener` does not listen.
    pub fn update_accept_context(&self, listener: &Socket) -> Result<(), Status> {
        let (options, non_blocking) = {
            let state = listener.state();
            if state.phase != Phase::Listening {
                return Err(Status::INVALID);
            }
            (state.options.clone(), listener.is_non_blocking())
        };
        let mut state = self.state();
        if state.phase != Phase::Connected {
            return Err(Status::NOT_CONNECTED);
        }
        if state.context == Context::ConnectPending {
            return Err(Status::INVALID);
        }
        let own = state.options.clone();
        state.options.inherit(&options);
        let _ = state.options.apply_over(&own, self.fd(), self.family);
        state.context = Context::Full;
        drop(state);
        self.set_non_blocking(non_blocking || self.is_kept_non_blocking());
        Ok(())
    }

    /// An AcceptEx on this listener goes on as a receive of `acceptor`.
    pub fn note_moved(&self, acceptor: &Arc<Socket>) {
        self.state().moved.push(acceptor.clone());
    }

    /// The sockets where AcceptEx calls on this listener wait for data.
    pub fn moved_to(&self) -> Vec<Arc<Socket>> {
        let state = self.state();
        if state.moved.is_empty() {
            Vec::new()
        } else {
            state.moved.clone()
        }
    }

    /// The AcceptEx that used `acceptor` is over.
    pub fn note_data_came(&self, acceptor: &Arc<Socket>) {
        self.state()
            .moved
            .retain(|other| !Arc::ptr_eq(other, acceptor));
    }

    /// No AcceptEx uses this socket any more.
    pub fn release_from_accept(&self) {
        self.state().accepting_for = None;
    }
}
