//! bind and listen: Windows' rules over the kernel's.
//!
//! The kernel shares less than Windows: no wildcard beside a specific address, no second listener. It shares what all
//! involved have allowed by SO_REUSEPORT (streams) or SO_REUSEADDR (datagrams), and looks at that only while it binds
//! or begins to listen. So every bound socket of the process is in a table here, which answers as `bind_rules` says; and
//! where the kernel says no although the table says yes, the sockets of that port allow it for the moment of one
//! call. Nothing stays allowed, so sockets of other processes are kept out as ever, and what arrives is not
//! spread over several sockets: the kernel prefers a specific address to the wildcard, as Windows does.
//!
//! Two listeners at the very same address (SO_REUSEADDR) do stay a group of SO_REUSEPORT, with a program that always
//! chooses its first member: connections are of who listened first, and when that closes, of the next.
//!
//! Connections in TIME_WAIT do not keep Windows from binding. SO_REUSEADDR does that for streams, if the old
//! socket had it too; it is switched on when a socket listens or connects, not before, since
//! until then it would let another process bind the same address.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::sync::{LazyLock, MutexGuard};

use super::address::Address;
use super::bind_rules::{Claim, Sharing, refusal};
use super::interfaces;
use super::option::Kind;
use super::socket::{FLAG_BOUND, FLAG_SHARED, Phase, Socket, State, call_status};
use crate::platform::events::network_events::Occasion;
use crate::platform::events::readiness;
use crate::platform::lock::Lock;
use crate::platform::objects::handle;
use crate::platform::status::Status;
use crate::platform::system;

/// Who is bound to a port of TCP (`true`) or UDP, oldest first.
type Bound = HashMap<(bool, u16), Vec<Holder>>;

/// It stays locked while the kernel binds or begins to listen, so of two threads one is first.
static BOUND: LazyLock<Lock<Bound>> = LazyLock::new(Default::default);

/// A bound socket.
struct Holder {
    socket: usize, // its address, which names it as long as it is here
    fd: RawFd,     // open as long as it is here
    claim: Claim,
}

impl Socket {
    /// bind.
    ///
    /// # Errors
    /// Those of bind.
    pub fn bind(&self, address: Address) -> Result<(), Status> {
        let sharing = self.state_to_bind()?.options.sharing(self.kind());
        if !interfaces::may_be_local(&address) {
            return Err(Status::ADDRESS_NOT_AVAILABLE);
        }
        if sharing == Sharing::Exclusive {
            self.must_not_meet_connections(&address)?; // looks at other sockets, so under no lock
        }
        let mut state = self.state_to_bind()?;
        let bound_to = match self.kind() {
            Kind::Raw(_) => system::bind(self.fd(), &address)
                .map(|()| address)
                .map_err(bind_status)?,
            Kind::Stream | Kind::Datagram => self.bind_port(&state, address)?,
        };
        state.bound = true;
        state.bound_to = Some(bound_to);
        if self.kind() != Kind::Stream {
            self.set_flag(FLAG_BOUND, true);
        }
        drop(state);
        self.observe(Occasion::Change);
        Ok(())
    }

    /// The state of a socket that may be bound.
    fn state_to_bind(&self) -> Result<MutexGuard<'_, State>, Status> {
        let state = self.state();
        if self.is_closed() {
            return Err(Status::NOT_SOCKET); // nobody would take it off the table again
        }
        if state.bound || state.accepting_for.is_some() {
            return Err(Status::INVALID);
        }
        Ok(state)
    }

    /// Binds to a port, and answers with which one.
    pub fn bind_port(&self, state: &State, address: Address) -> Result<Address, Status> {
        self.bind_port_in(&mut BOUND.lock(), state, address)
    }

    fn bind_port_in(
        &self,
        bound: &mut Bound,
        state: &State,
        mut address: Address,
    ) -> Result<Address, Status> {
        let (stream, fd) = (self.kind() == Kind::Stream, self.fd());
        let claim = Claim::new(
            &address,
            state.options.sharing(self.kind()),
            state.options.v6_only(),
        );
        let stays_shared = !stream && claim.sharing() == Sharing::Reuse; // with other processes too
        if address.port() == 0 {
            system::bind(fd, &address).map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => Status::NO_BUFFERS, // every port is taken
                _ => bind_status(error),
            })?;
            address = system::local_address(fd).ok_or(Status::INVALID)?;
            if stays_shared {
                allow_reuse(fd, true); // not before: the kernel would choose a port that others share
            }
        } else {
            let holders = bound.get(&(stream, address.port()));
            let holders = holders.map_or(&[][..], Vec::as_slice);
            let refused = holders
                .iter()
                .find_map(|holder| refusal(&holder.claim, &claim));
            if let Some(refused) = refused {
                return Err(refused);
            }
            if stays_shared {
                allow_reuse(fd, true);
            }
            match system::bind(fd, &address) {
                Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                    allow_reuse(fd, true);
                    let bound = beside(stream, holders, fd, || system::bind(fd, &address));
                    allow_reuse(fd, stays_shared);
                    bound
                }
                bound => bound,
            }
            .map_err(bind_status)?;
        }
        self.enter(bound, (stream, address.port()), claim);
        Ok(address)
    }

    /// Enters a socket that was made of a descriptor bound by others.
    pub fn note_bound(&self, address: &Address) {
        let state = self.state();
        let sharing = state.options.sharing(self.kind());
        let claim = Claim::new(address, sharing, state.options.v6_only());
        let port = (self.kind() == Kind::Stream, address.port());
        self.enter(&mut BOUND.lock(), port, claim);
    }

    fn enter(&self, bound: &mut Bound, port: (bool, u16), claim: Claim) {
        bound.entry(port).or_default().push(Holder {
            socket: std::ptr::from_ref(self).addr(),
            fd: self.fd(),
            claim,
        });
    }

    /// Binds a stream's fresh descriptor to where the one before was bound. A port that connect chose may be another
    /// connection's too; then it is another port.
    pub fn rebind(&self, state: &mut State, address: Address) {
        let mut bound = BOUND.lock(); // one step: nobody takes the port meanwhile
        if let Some(old) = state.bound_to.take() {
            self.strike(&mut bound, (true, old.port()));
        }
        state.bound_to = [address, address.with_port(0)]
            .into_iter()
            .find_map(|address| self.bind_port_in(&mut bound, state, address).ok());
        state.bound = state.bound_to.is_some();
    }

    /// A socket that wants its address for itself does not come beside connections of an earlier one that wanted so.
    fn must_not_meet_connections(&self, address: &Address) -> Result<(), Status> {
        let v6_only = self.state().options.v6_only();
        let claim = Claim::new(address, Sharing::Exclusive, v6_only);
        let meets = |other: &Socket| {
            let accepted = {
                let state = other.state();
                state.phase == Phase::Connected
                    && state.bound_to.is_none()
                    && state.options.sharing(Kind::Stream) == Sharing::Exclusive
            };
            accepted
                && system::local_address(other.fd()).is_some_and(|local| {
                    local.port() == address.port() && claim.covers(local.socket_addr().ip())
                })
        };
        let is_taken = self.kind() == Kind::Stream
            && address.port() != 0
            && handle::sockets()
                .iter()
                .any(|other| other.kind() == Kind::Stream && meets(other));
        if is_taken {
            Err(Status::ADDRESS_IN_USE)
        } else {
            Ok(())
        }
    }

    /// listen.
    ///
    /// # Errors
    /// Those of listen.
    pub fn listen(&self, backlog: i32) -> Result<(), Status> {
        if self.is_datagram() {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        self.resolve_connect();
        let mut state = self.state();
        match state.phase {
            Phase::Connected => return Err(Status::IS_CONNECTED),
            Phase::Connecting(..) => return Err(Status::INVALID),
            Phase::Open if !state.bound => return Err(Status::INVALID),
            Phase::Open | Phase::Listening => {}
        }
        // SOMAXCONN_HINT(n) is -n. The kernel clamps what is too large.
        let backlog = backlog.checked_abs().unwrap_or(i32::MAX).max(1);
        match state.bound_to {
            Some(address) if state.phase == Phase::Open => self.begin_to_listen(&address, backlog),
            _ => system::listen(self.fd(), backlog),
        }
        .map_err(call_status)?;
        state.phase = Phase::Listening;
        drop(state);
        readiness::wake_watchers();
        Ok(())
    }

    fn begin_to_listen(&self, address: &Address, backlog: i32) -> io::Result<()> {
        let fd = self.fd();
        let bound = BOUND.lock();
        let holders = bound.get(&(true, address.port()));
        let holders = holders.map_or(&[][..], Vec::as_slice);
        allow_reuse(fd, true);
        let is_this = |holder: &&Holder| holder.socket == std::ptr::from_ref(self).addr();
        let own = holders.iter().find(is_this);
        let joins = own.is_some_and(|own| own.claim.sharing() == Sharing::Reuse);
        if !joins {
            return match system::listen(fd, backlog) {
                Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                    beside(true, holders, fd, || system::listen(fd, backlog))
                }
                listening => listening,
            };
        }
        // Listening makes the group, or joins the one that there is at its address.
        beside(true, holders, fd, || {
            system::listen(fd, backlog)?;
            prefer_the_first(fd);
            Ok(())
        })
    }

    /// The address that this closed socket was bound to, if it was, is free for others from now on, though its
    /// descriptor may live a little longer.
    pub fn release_address(&self, bound_to: Option<Address>, listening: bool) {
        let Some(address) = bound_to else {
            return; // it was accepted, or never bound
        };
        let stream = match self.kind() {
            Kind::Stream => true,
            Kind::Datagram => false,
            Kind::Raw(_) => return, // there are no ports
        };
        let mut bound = BOUND.lock();
        self.strike(&mut bound, (stream, address.port()));
        if listening && !self.has(FLAG_SHARED) {
            system::shutdown(self.fd(), libc::SHUT_RD); // takes no connections any more
        }
        allow_reuse(self.fd(), true);
    }

    /// Takes it off the table.
    fn strike(&self, bound: &mut Bound, port: (bool, u16)) {
        if let Some(holders) = bound.get_mut(&port) {
            holders.retain(|holder| holder.socket != std::ptr::from_ref(self).addr());
            if holders.is_empty() {
                bound.remove(&port);
            }
        }
    }

    /// Its connection, when it is over, will not keep others from its address.
    pub fn allow_time_wait(&self) {
        allow_reuse(self.fd(), true);
    }
}

/// Does `call` for `fd` while all who share its port allow it.
fn beside(
    stream: bool,
    holders: &[Holder],
    fd: RawFd,
    call: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let allow = |fd, on| match stream {
        true => allow_group(fd, on),
        false => allow_reuse(fd, on),
    };
    for holder in holders {
        allow(holder.fd, true);
    }
    allow(fd, true);
    let result = call();
    allow(fd, false);
    for holder in holders {
        let stays = match stream {
            true => is_in_a_group(holder, holders),
            false => holder.claim.sharing() == Sharing::Reuse,
        };
        allow(holder.fd, stays);
    }
    result
}

/// Whether another one is bound to the very same address.
fn is_in_a_group(holder: &Holder, holders: &[Holder]) -> bool {
    holders
        .iter()
        .any(|other| other.socket != holder.socket && other.claim.is_same_place(&holder.claim))
}

fn allow_reuse(fd: RawFd, on: bool) {
    allow(fd, libc::SO_REUSEADDR, on);
}

fn allow_group(fd: RawFd, on: bool) {
    allow(fd, libc::SO_REUSEPORT, on);
}

fn allow(fd: RawFd, name: i32, on: bool) {
    let _ = system::set_socket_option(fd, libc::SOL_SOCKET, name, &i32::from(on)); // it fails for no socket
}

/// Of the listeners of its group the first takes all connections. (A kernel that cannot do this spreads them.)
fn prefer_the_first(fd: RawFd) {
    let mut always_the_first = libc::sock_filter {
        code: libc::BPF_RET as u16,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut always_the_first,
    };
    let _ = system::set_socket_option(
        fd,
        libc::SOL_SOCKET,
        libc::SO_ATTACH_REUSEPORT_CBPF,
        &program,
    );
}

fn bind_status(error: io::Error) -> Status {
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENODEV) => Status::ADDRESS_NOT_AVAILABLE, // no such IPv6 scope
        errno => Status::from_call_errno(errno.unwrap_or(0)),
    }
}
