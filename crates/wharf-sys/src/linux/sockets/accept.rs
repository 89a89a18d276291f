//! accept, WSAAccept, and AcceptEx: a connection goes into a socket that exists already.
//!
//! An AcceptEx waits in the listener's receive direction for a connection. The connection's descriptor takes the place
//! of the accept socket's (same number, so nobody who looks at the socket meanwhile meets a stranger). If it
//! asked for data the request goes on as a receive of the accept socket, and still reports to the listener.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use super::address::Address;
use super::option::Options;
use super::socket::{Context, FLAG_HOLDS, Phase, Side, Socket};
use crate::platform::engine::completion;
use crate::platform::engine::operation::{
    self, Attempt, Buffers, Operation, Refused, Transfer, TransferFlags,
};
use crate::platform::engine::request::Overlapped;
use crate::platform::engine::synchronous;
use crate::platform::events::network_events::Occasion;
use crate::platform::events::readiness;
use crate::platform::status::Status;
use crate::platform::system;

/// What an address area needs beyond the address itself.
const AREA_EXTRA: usize = 16;
/// In an area, the address follows its length.
const AREA_HEADER: usize = size_of::<u32>() * 2;

/// What a program decides about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is accepted.
    Accept,
    /// It is reset.
    Reject,
    /// It is offered again next time, whoever asks.
    Defer,
    /// No answer.
    Unknown,
}

/// Connections that are not in the backlog any more, and not accepted yet.
#[derive(Default)]
pub struct Held {
    connections: VecDeque<(OwnedFd, Address)>, // deferred, those to be offered first in front
    undecided: u32,                            // somebody is being asked about
}

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
            let waits =
                listener.has(FLAG_HOLDS) || system::poll_now(listener.fd(), libc::POLLIN) != 0;
            return match waits {
                false => Attempt::Blocked,
                true => Attempt::failed(Status::BUFFER_TOO_SMALL), // the connection stays in the backlog
            };
        }
        let (fd, peer) = match operation::accept(listener) {
            Ok(taken) => taken,
            Err(Refused::NoneWaiting) => return Attempt::Blocked,
            Err(Refused::Starved(_)) => return Attempt::Starved,
            Err(Refused::Failed(errno)) => return Attempt::failed(Status::from_errno(errno)),
        };
        let local = system::local_address(fd.as_raw_fd());
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
        let taken = self.take_connection();
        self.observe(Occasion::Accept);
        let (fd, peer) = taken?;
        Ok((self.accepted(fd, peer), peer))
    }

    fn take_connection(self: &Arc<Self>) -> Result<(OwnedFd, Address), Status> {
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
        if finished.status.is_failure() {
            return Err(finished.status);
        }
        finished.connection.ok_or(Status::INVALID)
    }

    /// WSAAccept: takes a connection, and lets `judge` decide what becomes of it. `judge` is told the addresses of the peer
    /// and of this end.
    ///
    /// # Errors
    /// Those of accept; `CONNECTION_REFUSED` if it was rejected, `TRY_AGAIN` if it was deferred, `INVALID` for what is no
    /// verdict. In the last two cases it waits for the next call.
    pub fn accept_if(
        self: &Arc<Self>,
        judge: impl FnOnce(Address, Address) -> Verdict,
    ) -> Result<(Arc<Socket>, Address), Status> {
        let taken = self.take_connection();
        let (fd, peer) = taken.inspect_err(|_| self.observe(Occasion::Accept))?;
        self.with_held(|held| held.undecided += 1); // for all others it still waits
        let local = system::local_address(fd.as_raw_fd());
        let verdict = judge(peer, local.unwrap_or(Address::unspecified(self.family)));
        let refusal = match verdict {
            Verdict::Accept | Verdict::Reject => {
                self.with_held(|held| held.undecided -= 1);
                self.observe(Occasion::Accept);
                if verdict == Verdict::Accept {
                    return Ok((self.accepted(fd, peer), peer));
                }
                system::set_abortive(fd.as_raw_fd());
                return Err(Status::CONNECTION_REFUSED);
            }
            Verdict::Defer => Status::TRY_AGAIN,
            Verdict::Unknown => Status::INVALID,
        };
        self.with_held(|held| {
            held.undecided -= 1;
            held.connections.push_front((fd, peer));
        });
        if self.is_closed() {
            self.reset_held();
        }
        self.retry_side(Side::Receive); // somebody may wait for it by now
        readiness::wake_watchers();
        self.observe(Occasion::Change);
        Err(refusal)
    }

    /// Changes what a listener holds, and the flag that tells whether that is anything.
    fn with_held<R>(&self, change: impl FnOnce(&mut Held) -> R) -> R {
        let mut held = self.held_connections().lock();
        let result = change(&mut held);
        let any = held.undecided > 0 || !held.connections.is_empty();
        self.set_flag(FLAG_HOLDS, any);
        result
    }

    /// A connection that was deferred, the oldest first.
    pub fn take_held(&self) -> Option<(OwnedFd, Address)> {
        if !self.has(FLAG_HOLDS) {
            return None;
        }
        self.with_held(|held| held.connections.pop_front())
    }

    /// How many connections wait besides those in the backlog.
    pub fn held(&self) -> u32 {
        if !self.has(FLAG_HOLDS) {
            return 0;
        }
        let held = self.held_connections().lock();
        held.connections.len() as u32 + held.undecided
    }

    /// The listener is closed: what it holds is reset, as what is in the backlog.
    pub fn reset_held(&self) {
        while let Some((fd, _)) = self.take_held() {
            system::set_abortive(fd.as_raw_fd());
        }
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
        self.replacing(|| self.become_connection(&fd, peer, listener))
    }

    fn become_connection(
        &self,
        fd: &OwnedFd,
        peer: Address,
        listener: &Socket,
    ) -> Result<(), Status> {
        let mut inherited = Options::default();
        let late = {
            let listener = listener.state();
            inherited.inherit(&listener.options);
            listener.options_are_late
        };
        let mut state = self.state();
        if self.is_closed() {
            return Err(Status::CANCELLED);
        }
        self.replace_descriptor(fd)?;
        let _ = state.options.apply_over(&inherited, self.fd(), self.family); // at worst an option is the listener's
        if late {
            state.options.apply_to_fresh(self.fd(), self.family); // the connection may be older than what is inherited
        }
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
