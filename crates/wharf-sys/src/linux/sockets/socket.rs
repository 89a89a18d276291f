//! Sockets: the record beside the descriptor.
//!
//! The descriptor is always non-blocking; Windows' blocking mode, time-outs and overlapped operations are made above it. A
//! socket has two [`Direction`]s whose queues hold every operation under way, and a state (bound, connecting,
//! connected, listening, what options were set) under one lock. What the hot path must know of the state is repeated
//! in one word of flags.

mod settings;
mod watch;

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Arc, MutexGuard, OnceLock, Weak};
use std::time::Instant;

use windows_sys::Win32::Networking::WinSock::*;

use super::accept::Held;
use super::address::{Address, Family};
use super::option::{self, Kind, Options};
use crate::platform::engine::direction::Direction;
use crate::platform::engine::port::Port;
use crate::platform::engine::request::Request;
use crate::platform::events::observer::Observed;
use crate::platform::lock::Lock;
use crate::platform::objects::slab::Key;
use crate::platform::startup;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::wait::Waitable;

/// A socket.
pub struct Socket {
    /// Signalled when an operation without an event of its own finishes.
    pub signalled: Waitable,
    /// How many handles name it.
    pub handles: AtomicUsize,
    /// Its address family.
    pub family: Family,
    fd: OwnedFd, // never replaced, though what it refers to may be: see `replace_descriptor`
    kind: Kind,
    overlapped: bool, // made with WSA_FLAG_OVERLAPPED
    receive: Queue,
    send: Queue,
    rare: OnceLock<Box<Rare>>, // made when the program first asks for any of it
    flags: AtomicU32,          // FLAG_*
    broken: AtomicI32, // the status of a connection that was reset or aborted, 0 while it lives; see also `receive_failure`
    association: OnceLock<(Arc<Port>, usize)>, // port and key, once and for ever
    watched: AtomicBool, // it is in an epoll set
    watch: Lock<Option<Key>>, // its name there
    /// Who is told of its network events.
    pub observed: OnceLock<Box<Lock<Observed>>>,
    progress: AtomicU32, // attempts that moved bytes: tells a wait beside it whether it spins
    state: Lock<State>,
}

pub const FLAG_CONNECTED: u32 = 1;
pub const FLAG_NON_BLOCKING: u32 = 1 << 1;
pub const FLAG_RECEIVE_SHUT: u32 = 1 << 2;
pub const FLAG_SEND_SHUT: u32 = 1 << 3;
const FLAG_SKIP_PACKET: u32 = 1 << 4; // FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
const FLAG_SKIP_EVENT: u32 = 1 << 5; // FILE_SKIP_SET_EVENT_ON_HANDLE
pub const FLAG_URGENT: u32 = 1 << 6; // urgent data was seen: reads may stop at its mark
pub const FLAG_CLOSED: u32 = 1 << 7;
pub const FLAG_CLEANED_UP: u32 = 1 << 8;
pub const FLAG_OBSERVED: u32 = 1 << 9; // somebody is told of its network events: see observer.rs
const FLAG_FED: u32 = 1 << 10; // an overlapped receive found data at once
pub const FLAG_BOUND: u32 = 1 << 11; // a datagram socket with a local address
pub const FLAG_ERRORS: u32 = 1 << 12; // the kernel may have kept errors for it: see datagram/icmp.rs
pub const FLAG_NO_CONNRESET: u32 = 1 << 13; // SIO_UDP_CONNRESET is off
pub const FLAG_NO_NETRESET: u32 = 1 << 14; // SIO_UDP_NETRESET is off
pub const FLAG_PACKET_INFO: u32 = 1 << 15; // WSARecvMsg was called: the kernel tells where datagrams come in
const FLAG_AWAITS_ROOM: u32 = 1 << 16; // a datagram socket that is watched for room to send too
pub const FLAG_ARMED_ADDRESSES: u32 = 1 << 17; // the next change is told as a network event
pub const FLAG_ARMED_ROUTES: u32 = 1 << 18;
pub const FLAG_CHANGED_ADDRESSES: u32 = 1 << 19; // it happened, and is not told yet
pub const FLAG_CHANGED_ROUTES: u32 = 1 << 20;
pub const FLAG_HOLDS: u32 = 1 << 21; // connections wait that WSAAccept deferred
pub const FLAG_SHARED: u32 = 1 << 22; // its descriptor was duplicated: closing it must not end the connection
pub const FLAG_FIN: u32 = 1 << 23; // its FIN has left, or is queued and nobody can cancel it
pub const FLAG_LEAF: u32 = 1 << 24; // made for multipoint sessions: WSAJoinLeaf
pub const FLAG_LENT: u32 = 1 << 25; // others may have its descriptor, and make it block
pub const FLAG_REFUSES: u32 = 1 << 26; // a stream whose receive side was shut down: data that nobody takes resets it

/// One of the directions of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Receives and accepts.
    Receive,
    /// Sends and connects.
    Send,
    /// Receives of urgent bytes: a channel of their own, which waits for nobody and lets nobody wait.
    Urgent,
    /// Waits for changes of this host's addresses.
    AddressChange,
    /// Waits for changes of its routes.
    RouteChange,
    /// Waits for a change of the connection's ideal send backlog.
    BacklogChange,
}

/// What few sockets ever need.
#[derive(Default)]
struct Rare {
    urgent: Queue,
    address_changes: Queue,
    route_changes: Queue,
    backlog_changes: Queue,
    held: Lock<Held>,
}

/// The requests of one side.
pub type Queue = Lock<Direction<Box<Request>, Status>>;

/// What a socket is doing, and what is known about it; the default is that of a fresh one.
#[derive(Default)]
pub struct State {
    /// Its stage of life.
    pub phase: Phase,
    /// It has a local address.
    pub bound: bool,
    /// Where `bind` has bound it.
    pub bound_to: Option<Address>,
    /// The other end, also after it is gone.
    pub peer: Option<Address>,
    /// The local address of a connection that was reset from here: the kernel forgets it.
    pub local_before_reset: Option<Box<Address>>,
    /// What the program set.
    pub options: Options,
    /// Of a listener: some of it since it listens, so that connections which had come before know nothing of it.
    pub options_are_late: bool,
    /// SO_ERROR: how the last failed non-blocking connect failed.
    pub connect_error: u32,
    /// When it was connected.
    pub connected_since: Option<Instant>,
    /// Whether AcceptEx or ConnectEx left it without its full state.
    pub context: Context,
    /// Its connection was accepted, so it was never bound by itself.
    pub accepted: bool,
    /// The listener whose pending AcceptEx will use this socket.
    pub accepting_for: Option<Weak<Socket>>,
    /// Whether the last connect failed.
    pub connect_failed: bool,
    /// How many connects have ended so far.
    pub connects: u32,
    /// How the last one ended, as a winsock code; `None` while one is under way or if there was none.
    pub connect_outcome: Option<u32>,
    /// Of a listener: sockets of AcceptEx that wait for the first data.
    pub moved: Vec<Arc<Socket>>,
}

/// The stages of a socket's life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Phase {
    /// Made, maybe bound.
    #[default]
    Open,
    /// A connect is under way.
    Connecting(Address, ConnectKind),
    /// Connected, whatever was shut down since.
    Connected,
    /// Listening.
    Listening,
}

/// Which call connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectKind {
    /// connect on a blocking socket.
    Blocking,
    /// connect on a non-blocking socket.
    NonBlocking,
    /// ConnectEx.
    Extended,
}

/// Whether the calls that need the full state work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Context {
    /// Yes.
    #[default]
    Full,
    /// From AcceptEx: not before SO_UPDATE_ACCEPT_CONTEXT.
    AcceptPending,
    /// From ConnectEx: not before SO_UPDATE_CONNECT_CONTEXT.
    ConnectPending,
}

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many sockets have an open descriptor.
pub fn live_sockets() -> usize {
    LIVE.load(Relaxed)
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.end_observation(); // of one that was registered while it was closed
        LIVE.fetch_sub(1, Relaxed);
    }
}

/// What `socket` and `WSASocket` make of their arguments.
///
/// # Errors
/// In Windows' order: nothing that names a protocol, then the type, the family, the protocol.
pub fn resolve_arguments(family: i32, kind: i32, protocol: i32) -> Result<(Family, Kind), Status> {
    let unspecified = family == i32::from(AF_UNSPEC);
    if unspecified && protocol == 0 {
        return Err(Status::INVALID);
    }
    if !(0..=SOCK_RAW).contains(&kind) {
        return Err(Status::SOCKET_TYPE_UNSUPPORTED);
    }
    let resolved = match Family::from_windows(family) {
        Some(family) => family,
        None if unspecified => Family::V4,
        None => return Err(Status::ADDRESS_FAMILY_UNSUPPORTED),
    };
    let kind = match (kind, protocol) {
        (0 | SOCK_STREAM, IPPROTO_TCP) | (SOCK_STREAM | 0, 0) => Kind::Stream,
        (0 | SOCK_DGRAM, IPPROTO_UDP) | (SOCK_DGRAM, 0) => Kind::Datagram,
        (0 | SOCK_RAW, 1..=255) => Kind::Raw(protocol as u8),
        _ => return Err(Status::PROTOCOL_UNSUPPORTED),
    };
    Ok((resolved, kind))
}

impl Socket {
    /// A fresh socket.
    ///
    /// # Errors
    /// `TOO_MANY_SOCKETS`, `NO_BUFFERS`; `ACCESS_DENIED` for a raw one without the right to it.
    pub fn new(family: Family, kind: Kind, overlapped: bool) -> Result<Arc<Socket>, Status> {
        let fd = option::fresh_descriptor(family, kind)?;
        Ok(Socket::with_state(
            fd,
            family,
            kind,
            overlapped,
            0,
            State::default(),
        ))
    }

    /// A socket around a descriptor that has this state.
    pub fn with_state(
        fd: OwnedFd,
        family: Family,
        kind: Kind,
        overlapped: bool,
        flags: u32,
        state: State,
    ) -> Arc<Socket> {
        startup::mark_children();
        LIVE.fetch_add(1, Relaxed);
        Arc::new(Socket {
            signalled: Waitable::new(true, false),
            handles: AtomicUsize::new(0),
            family,
            fd,
            kind,
            overlapped,
            receive: Lock::new(Direction::default()),
            send: Lock::new(Direction::default()),
            rare: OnceLock::new(),
            flags: AtomicU32::new(flags),
            broken: AtomicI32::new(0),
            association: OnceLock::new(),
            watched: AtomicBool::new(false),
            watch: Lock::new(None),
            observed: OnceLock::new(),
            progress: AtomicU32::new(0),
            state: Lock::new(state),
        })
    }

    /// A socket for a connection that `accept` took from this listener; it inherits.
    pub fn accepted(&self, fd: OwnedFd, peer: Address) -> Arc<Socket> {
        let mut options = Options::default();
        let late = {
            let listener = self.state.lock();
            options.inherit(&listener.options);
            listener.options_are_late
        };
        if late {
            options.apply_to_fresh(fd.as_raw_fd(), self.family); // the kernel took what was set when it came
        }
        let state = State {
            phase: Phase::Connected,
            bound: true,
            peer: Some(peer),
            options,
            connected_since: Some(Instant::now()),
            accepted: true,
            ..State::default()
        };
        let flags = FLAG_CONNECTED | self.flags.load(Relaxed) & FLAG_NON_BLOCKING;
        Socket::with_state(fd, self.family, self.kind, self.overlapped, flags, state)
    }

    // ---- what it is ----

    /// Its descriptor: open as long as the socket is referred to.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// One of its directions.
    pub fn direction(&self, side: Side) -> &Queue {
        match side {
            Side::Receive => &self.receive,
            Side::Send => &self.send,
            Side::Urgent => &self.rare().urgent,
            Side::AddressChange => &self.rare().address_changes,
            Side::RouteChange => &self.rare().route_changes,
            Side::BacklogChange => &self.rare().backlog_changes,
        }
    }

    /// The sides on which there may be requests. What goes on in another one is in the earlier or in the later, whenever
    /// one looks at them in this order.
    pub fn sides(&self) -> impl Iterator<Item = Side> {
        let urgent = self.rare.get().map(|_| Side::Urgent);
        [Side::Send, Side::Receive]
            .into_iter()
            .chain(urgent)
            .chain(self.change_sides())
    }

    /// Those on which it waits for changes, once it ever has.
    pub fn change_sides(&self) -> impl Iterator<Item = Side> + use<> {
        let made = self.rare.get().is_some();
        [Side::AddressChange, Side::RouteChange, Side::BacklogChange]
            .into_iter()
            .filter(move |_| made)
    }

    /// Whether requests may wait on one of those.
    pub fn waits_for(&self, side: Side) -> bool {
        self.rare.get().is_some() && self.direction(side).lock().has_pending()
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// Of a listener: what WSAAccept took from the backlog and did not accept.
    pub fn held_connections(&self) -> &Lock<Held> {
        &self.rare().held
    }

    /// Its state.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// UDP, or packets of IP: messages, not a stream.
    pub fn is_datagram(&self) -> bool {
        self.kind != Kind::Stream
    }

    /// Made with WSA_FLAG_OVERLAPPED.
    pub fn is_overlapped(&self) -> bool {
        self.overlapped
    }

    /// Stream, datagram or raw.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Closed: its last handle is gone.
    pub fn is_closed(&self) -> bool {
        self.has(FLAG_CLOSED)
    }

    /// FIONBIO is on.
    pub fn is_non_blocking(&self) -> bool {
        self.has(FLAG_NON_BLOCKING)
    }

    /// Switches FIONBIO.
    pub fn set_non_blocking(&self, on: bool) {
        self.set_flag(FLAG_NON_BLOCKING, on);
    }

    /// Its sending side was shut down.
    pub fn is_send_shut(&self) -> bool {
        self.has(FLAG_SEND_SHUT)
    }

    /// A successful operation queues no packet if it is done within its call.
    pub fn skips_packet_on_success(&self) -> bool {
        self.has(FLAG_SKIP_PACKET)
    }

    /// The socket itself is not signalled by operations.
    pub fn skips_event(&self) -> bool {
        self.has(FLAG_SKIP_EVENT)
    }

    /// SetFileCompletionNotificationModes: modes only ever accumulate.
    pub fn add_notification_modes(&self, skip_packet: bool, skip_event: bool) {
        if skip_packet {
            self.set_flag(FLAG_SKIP_PACKET, true);
        }
        if skip_event {
            self.set_flag(FLAG_SKIP_EVENT, true);
        }
    }

    /// An attempt moved bytes.
    pub fn note_progress(&self) {
        self.progress.fetch_add(1, Relaxed);
    }

    /// Changes whenever an attempt moved bytes.
    pub fn progress(&self) -> u32 {
        self.progress.load(Relaxed)
    }

    /// Reads may stop at an urgent mark, so a short one proves nothing.
    pub fn saw_urgent(&self) -> bool {
        self.has(FLAG_URGENT)
    }

    /// It is connected now.
    pub fn mark_connected(&self) {
        self.set_flag(FLAG_CONNECTED, true);
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u32) -> bool {
        self.flags.load(Acquire) & flag != 0
    }

    /// Sets or clears a flag; whether it was set before.
    pub fn set_flag(&self, flag: u32, on: bool) -> bool {
        let before = match on {
            true => self.flags.fetch_or(flag, AcqRel),
            false => self.flags.fetch_and(!flag, AcqRel),
        };
        before & flag != 0
    }

    // ---- a connection that broke ----

    /// How the connection broke, if it did: every later operation ends like that.
    pub fn broken(&self) -> Option<Status> {
        match self.broken.load(Acquire) {
            0 => None,
            status => Some(Status(status)),
        }
    }

    /// Remembers a failure that ends the connection; returns what broke it first.
    ///
    /// Linux tells of a reset once and then reports the end of the stream; Windows goes on telling.
    pub fn note_failure(&self, status: Status) -> Status {
        let ends = [Status::CONNECTION_RESET, Status::CONNECTION_ABORTED].contains(&status);
        if ends
            && self.kind == Kind::Stream
            && let Err(first) = self.broken.compare_exchange(0, status.0, AcqRel, Acquire)
        {
            return Status(first);
        }
        status
    }

    /// There is no connection any more that could be broken.
    pub fn forget_failure(&self) {
        self.broken.store(0, Release);
    }

    /// Whether what looks like the end of the stream to a receive is the end of the connection.
    ///
    /// Linux tells one call of a reset; if that is another thread's send or urgent receive, a receive finds the end of the
    /// stream. After a FIN alone the connection is still there, unless this side has closed its direction too.
    pub fn was_reset(&self) -> bool {
        if self.kind != Kind::Stream || self.has(FLAG_FIN) {
            return false;
        }
        // Whoever else may have taken the error notes it before its attempt is over; so one of the two tells, and mostly
        // without a call.
        let attempted = self.is_attempted_on(Side::Send) || self.is_attempted_on(Side::Urgent);
        self.broken().is_some() || attempted && system::tcp_is_closed(self.fd())
    }

    /// How the connection of which a receive finds the end of the stream has broken, if it has.
    ///
    /// A reset that comes after the peer's FIN is no failure to a receive on Linux, for the end had come before it. To
    /// Windows the connection was aborted.
    pub fn failure_at_end(&self) -> Option<Status> {
        if self.was_reset() {
            return Some(self.broken().unwrap_or(Status::CONNECTION_RESET));
        }
        let told_to_nobody = || system::poll_now(self.fd(), 0) & libc::POLLERR != 0;
        let may_break = self.kind == Kind::Stream && !self.has(FLAG_FIN);
        let aborted = may_break && told_to_nobody() && system::tcp_is_closed(self.fd());
        aborted.then_some(Status::CONNECTION_ABORTED)
    }

    /// How the connection of which a send finds nothing left has broken.
    pub fn failure_of_gone(&self) -> Status {
        let attempted = self.is_attempted_on(Side::Receive) || self.is_attempted_on(Side::Urgent);
        let unknown = match attempted {
            true => Status::CONNECTION_RESET, // of which that attempt was told, so this one was not
            false => Status::CONNECTION_ABORTED, // after the peer's FIN
        };
        self.broken().unwrap_or(unknown)
    }

    fn is_attempted_on(&self, side: Side) -> bool {
        let made = match side {
            Side::Receive | Side::Send => true,
            _ => self.rare.get().is_some(),
        };
        made && self.direction(side).lock().is_attempting(|_| true)
    }

    /// The failure that ICMP has for the next receive of a datagram socket, whose connection does not break; 0: none.
    pub fn receive_failure(&self) -> &AtomicI32 {
        debug_assert!(self.is_datagram());
        &self.broken
    }

    // ---- names ----

    /// getsockname.
    ///
    /// # Errors
    /// `INVALID` while it has no address.
    pub fn local_address(&self) -> Result<Address, Status> {
        let state = self.state();
        if !state.bound || state.context == Context::AcceptPending {
            return Err(Status::INVALID);
        }
        if let Some(local) = &state.local_before_reset {
            return Ok(**local);
        }
        drop(state);
        let address = system::local_address(self.fd()).ok_or(Status::INVALID)?;
        Ok(match self.kind {
            Kind::Raw(_) => address.with_port(0), // the kernel's is the protocol
            Kind::Stream | Kind::Datagram => address,
        })
    }

    /// getpeername.
    ///
    /// # Errors
    /// `NOT_CONNECTED`.
    pub fn peer_address(&self) -> Result<Address, Status> {
        self.resolve_connect();
        let state = self.state();
        match state.phase {
            Phase::Connecting(target, ConnectKind::Blocking | ConnectKind::NonBlocking) => {
                Ok(target)
            }
            Phase::Connected if state.context == Context::Full => {
                state.peer.ok_or(Status::NOT_CONNECTED)
            }
            _ => Err(Status::NOT_CONNECTED),
        }
    }
}

/// The status of a call that failed at once.
pub fn call_status(error: std::io::Error) -> Status {
    Status::from_call_errno(error.raw_os_error().unwrap_or(0))
}
#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle connection with a pending receive takes of this library's memory, rounded up as malloc does: the
    /// socket with the counts of its Arc, the request, the queue it waits in, a record of a few options, and its places
    /// in the two tables.
    #[test]
    fn an_idle_connection_takes_less_than_a_kibibyte() {
        let allocated = |bytes: usize| (bytes + 8).next_multiple_of(16);
        let socket = allocated(size_of::<Socket>() + 2 * size_of::<usize>());
        let request = allocated(size_of::<Request>());
        let queue = allocated(4 * size_of::<Box<Request>>());
        let options = allocated(4 * size_of::<u64>());
        let places = 64 + 32;
        let all = socket + request + queue + options + places;
        assert!(all <= 1024, "{all} bytes, {socket} of the socket");
    }
}
