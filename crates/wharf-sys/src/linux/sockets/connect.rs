//! connect and ConnectEx.
//!
//! One call tells everything: calling the kernel's `connect` again answers "under way", "connected" or the
//! failure, and after a failure leaves the descriptor fit for another try. So that is the attempt, for all kinds.

use std::sync::Arc;
use std::time::Instant;

use super::address::Address;
use super::socket::{ConnectKind, Context, Phase, Side, Socket, State};
use crate::platform::engine::completion;
use crate::platform::engine::operation::{Buffers, Operation, Transfer, TransferFlags};
use crate::platform::engine::request::Overlapped;
use crate::platform::engine::synchronous;
use crate::platform::events::network_events::Occasion;
use crate::platform::events::readiness;
use crate::platform::status::Status;
use crate::platform::system;

/// How long Windows tries to connect, in milliseconds.
const CONNECT_LIMIT: i32 = 21_000;

impl State {
    /// A connect is over.
    pub fn connect_ended(&mut self, outcome: u32) {
        self.connects += 1;
        self.connect_outcome = Some(outcome);
    }
}

impl Socket {
    /// connect; without an address, which only a datagram socket takes, it is connected to nobody.
    ///
    /// # Errors
    /// Those of connect; `WOULD_BLOCK` when it is under way on a non-blocking socket.
    pub fn connect(self: &Arc<Self>, address: Option<Address>) -> Result<(), Status> {
        let result = match address {
            _ if self.is_datagram() => self.connect_datagram(address),
            Some(address) => self.connect_stream(address),
            None => Err(Status::ADDRESS_FAMILY_UNSUPPORTED),
        };
        self.observe(Occasion::Change);
        result
    }

    fn connect_stream(self: &Arc<Self>, address: Address) -> Result<(), Status> {
        self.resolve_connect();
        let non_blocking = self.is_non_blocking();
        let kind = if non_blocking {
            ConnectKind::NonBlocking
        } else {
            ConnectKind::Blocking
        };
        {
            let mut state = self.state();
            if state.context == Context::ConnectPending || state.accepting_for.is_some() {
                return Err(Status::INVALID);
            }
            match state.phase {
                Phase::Connected => return Err(Status::IS_CONNECTED),
                Phase::Listening | Phase::Connecting(_, ConnectKind::Extended) => {
                    return Err(Status::INVALID);
                }
                Phase::Connecting(..) => return Err(Status::ALREADY),
                Phase::Open => self.begin_connect(&mut state, address, kind)?,
            }
            if non_blocking {
                // In one step with its beginning: whoever looks at the socket meanwhile must not make this attempt.
                let attempt = self.attempt_connect_in(&mut state, &address);
                drop(state);
                readiness::wake_watchers();
                attempt?;
                return Err(Status::WOULD_BLOCK); // also if it is connected: programs expect to be told later
            }
        }
        readiness::wake_watchers();
        let operation = Operation::Connect(
            address,
            Transfer::new(Buffers::none(), TransferFlags::default()),
        );
        let finished = synchronous::wait_for(self, Side::Send, operation, None);
        if finished.status.is_failure() {
            Err(finished.status)
        } else {
            Ok(())
        }
    }

    /// ConnectEx.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn connect_extended(
        self: &Arc<Self>,
        address: Address,
        data: Buffers,
        overlapped: Overlapped,
    ) -> Result<(), Status> {
        self.resolve_connect();
        {
            let mut state = self.state();
            match state.phase {
                _ if state.accepting_for.is_some() => return Err(Status::INVALID),
                Phase::Connected => return Err(Status::IS_CONNECTED),
                Phase::Listening | Phase::Connecting(..) => return Err(Status::INVALID),
                Phase::Open if !state.bound || self.is_datagram() => {
                    return Err(Status::INVALID);
                }
                Phase::Open => self.begin_connect(&mut state, address, ConnectKind::Extended)?,
            }
        }
        readiness::wake_watchers();
        let operation = Operation::Connect(address, Transfer::new(data, TransferFlags::default()));
        let started = completion::start_pending(self, Side::Send, operation, overlapped);
        if started.is_err() {
            let mut state = self.state();
            self.lift_limit(&state);
            state.phase = Phase::Open;
        }
        self.observe(Occasion::Change);
        started.map(drop)
    }

    /// The state of a socket that tries to connect.
    ///
    /// # Errors
    /// `ADDRESS_NOT_AVAILABLE` for what is no address of a peer.
    pub fn begin_connect(
        &self,
        state: &mut State,
        address: Address,
        kind: ConnectKind,
    ) -> Result<(), Status> {
        if address.is_unspecified() || address.port() == 0 {
            return Err(Status::ADDRESS_NOT_AVAILABLE);
        }
        if !address.socket_addr().ip().is_loopback() {
            let _ = system::set_socket_option(
                self.fd(),
                libc::IPPROTO_TCP,
                libc::TCP_USER_TIMEOUT,
                &CONNECT_LIMIT,
            );
        }
        if state.bound_to.is_some() {
            self.allow_time_wait();
        }
        state.phase = Phase::Connecting(address, kind);
        state.connect_outcome = None;
        Ok(())
    }

    /// One attempt: whether it is connected now.
    ///
    /// # Errors
    /// Why it failed; the socket may try again.
    pub fn attempt_connect(&self, address: &Address) -> Result<bool, Status> {
        self.attempt_connect_in(&mut self.state(), address)
    }

    /// As `attempt_connect`, under the state's lock: two threads that both learn of the end of a connect must not make
    /// a second one.
    fn attempt_connect_in(&self, state: &mut State, address: &Address) -> Result<bool, Status> {
        if state.phase == Phase::Connected {
            return Ok(true); // the connection is there, and its first data under way
        }
        if !matches!(state.phase, Phase::Connecting(..)) {
            return Ok(false); // another thread has learnt of its end, or it was abandoned
        }
        match system::connect(self.fd(), address).map_err(|error| error.raw_os_error().unwrap_or(0))
        {
            Ok(()) | Err(libc::EISCONN) => {
                self.connected(state, *address);
                Ok(true)
            }
            Err(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => {
                state.bound = true; // the kernel chose an address
                Ok(false)
            }
            Err(errno) => {
                let has_port = state.bound_to.is_some_and(|address| address.port() != 0);
                let status = match errno {
                    // Its address and the peer's belong to a connection that is not over yet (TIME_WAIT).
                    libc::EADDRNOTAVAIL if has_port => Status::ADDRESS_ALREADY_EXISTS,
                    _ => Status::from_connect_errno(errno),
                };
                self.connect_failed(state, status);
                Err(status)
            }
        }
    }

    fn connected(&self, state: &mut State, peer: Address) {
        if let Phase::Connecting(_, ConnectKind::Extended) = state.phase {
            state.context = Context::ConnectPending;
        }
        state.phase = Phase::Connected;
        state.bound = true;
        state.peer = Some(peer);
        state.connected_since = Some(Instant::now());
        state.connect_error = 0;
        state.connect_failed = false;
        state.connect_ended(0);
        if !peer.socket_addr().ip().is_loopback() {
            let _ = state.options.restore_user_timeout(self.fd());
        }
        self.mark_connected();
    }

    fn connect_failed(&self, state: &mut State, status: Status) {
        match state.phase {
            Phase::Connecting(_, ConnectKind::NonBlocking) => {
                state.connect_error = status.to_winsock()
            }
            Phase::Connecting(_, ConnectKind::Blocking) => state.connect_error = 0,
            _ => {}
        }
        self.lift_limit(state);
        state.connect_failed = true;
        state.connect_ended(status.to_winsock());
        state.phase = Phase::Open;
        self.bind_again(state);
    }

    /// The kernel lets go of a port it chose itself when a connect ends, and did not choose one for a connect that it
    /// refused at once; on Windows the socket is bound by then.
    fn bind_again(&self, state: &mut State) {
        match state.bound_to {
            Some(address) => {
                let _ = system::bind(self.fd(), &address); // it fails where the port was kept
            }
            None if !state.bound && !self.is_closed() => {
                state.bound_to = self
                    .bind_port(state, Address::unspecified(self.family))
                    .ok();
                state.bound = state.bound_to.is_some();
            }
            None => {}
        }
    }

    /// The limit of a connect is not one of what follows it.
    fn lift_limit(&self, state: &State) {
        if let Phase::Connecting(target, _) = state.phase
            && !target.socket_addr().ip().is_loopback()
        {
            let _ = state.options.restore_user_timeout(self.fd());
        }
    }

    /// A connect of a non-blocking socket runs by itself: learns how it stands.
    pub fn resolve_connect(&self) {
        let mut state = self.state();
        if let Phase::Connecting(address, ConnectKind::NonBlocking) = state.phase
            && system::poll_now(self.fd(), libc::POLLOUT) != 0
        {
            let _ = self.attempt_connect_in(&mut state, &address); // the outcome is in the state
        }
    }

    /// ConnectEx was cancelled: the socket is as before it.
    pub fn abandon_connect(&self) {
        let mut state = self.state();
        if let Phase::Connecting(..) = state.phase {
            let _ = system::disconnect(self.fd());
            self.lift_limit(&state);
            self.bind_again(&mut state);
            state.phase = Phase::Open;
        }
    }

    /// SO_UPDATE_CONNECT_CONTEXT.
    ///
    /// # Errors
    /// `NOT_CONNECTED` if no ConnectEx succeeded on it.
    pub fn update_connect_context(&self) -> Result<(), Status> {
        let mut state = self.state();
        if state.phase != Phase::Connected {
            return Err(Status::NOT_CONNECTED);
        }
        if state.context == Context::ConnectPending {
            state.context = Context::Full;
        }
        Ok(())
    }
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests {
    use std::net::SocketAddr;

    use super::super::address::Family;
    use super::super::interfaces;
    use super::super::option::Kind;
    use super::*;

    /// The limit of a connect to another host would end later connections whose peers read nothing for that long.
    #[test]
    fn a_failed_connect_leaves_no_limit() {
        let far = Address::from(SocketAddr::from(([198, 51, 100, 7], 9)));
        let Ok(own) = interfaces::source_for(&far) else {
            return println!("this host has no address by which others reach it");
        };
        let [holder, socket] =
            [(); 2].map(|()| Socket::new(Family::V4, Kind::Stream, true).expect("a socket"));
        holder.bind(own).expect("an address of this host");
        let nobody = holder.local_address().expect("it is bound");
        assert!(!nobody.socket_addr().ip().is_loopback());
        assert_eq!(
            socket.connect(Some(nobody)),
            Err(Status::CONNECTION_REFUSED)
        );
        let mut limit = 0;
        let name = libc::TCP_USER_TIMEOUT;
        system::read_socket_option(socket.fd(), libc::IPPROTO_TCP, name, &mut limit)
            .expect("an option of TCP");
        assert_eq!(limit, 0);
    }
}
