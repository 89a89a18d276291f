//! Readiness from the kernel: epoll sets and the registry that turns their events back into sockets.
//!
//! Every port has its own set; sockets without a port share the *default set*. Registration is edge-triggered
//! for everything, once per socket and lazily. An event carries a registry key (index and generation), never a
//! pointer, so an event for a socket that is gone finds nothing.

use std::io::Result;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::time::Duration;

use crate::platform::objects::slab::{Key, Slab};
use crate::platform::sockets::socket::Socket;
use crate::platform::startup;
use crate::platform::system;
use crate::platform::threads::parker::{Deadline, Parker, time_left};

/// Sockets that are in some set.
static WATCHED: Slab<Arc<Socket>> = Slab::new();

const WAKE: u64 = u64::MAX; // the set's own eventfd
const CHANGES: u64 = u64::MAX - 1; // the netlink socket of `change.rs`
const NESTED: u64 = 1 << 63; // another set; the rest of the number names it

/// How many events one harvest takes.
const BATCH: usize = 64;

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Everything.
    All,
    /// All but room to send. (Every datagram that leaves makes room, which would be an event each time.)
    Arrivals,
}

impl Interest {
    fn events(self) -> u32 {
        let arrivals = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET;
        match self {
            Interest::All => (arrivals | libc::EPOLLOUT) as u32,
            Interest::Arrivals => arrivals as u32,
        }
    }
}

/// An event of a harvest, in the engine's terms.
pub enum Event<'a> {
    /// A socket changed.
    Socket(&'a Arc<Socket>, Edge),
    /// A nested set has something.
    Nested(u64),
    /// The kernel tells of changes of addresses or routes.
    Changes,
}

/// What an edge says.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Which harvest of its set found it.
    pub harvest: u64,
    /// What held at that moment, in poll's terms.
    pub events: i16,
    /// A receive (or accept) may succeed.
    pub readable: bool,
    /// The peer will send no more, or there is an error.
    pub receive_ended: bool,
    /// A send (or connect) may succeed.
    pub writable: bool,
    /// A send always answers from here on.
    pub send_ended: bool,
    /// An urgent byte is in the stream.
    pub urgent: bool,
    /// There is an error.
    pub failed: bool,
}

impl Edge {
    fn new(events: u32, harvest: u64) -> Edge {
        let any = |bits: i32| events & bits as u32 != 0;
        let failed = any(libc::EPOLLHUP | libc::EPOLLERR);
        let receive_ended = failed || any(libc::EPOLLRDHUP);
        Edge {
            harvest,
            events: events as i16, // the bits are the same, but for epoll's own, which are above them
            readable: receive_ended || any(libc::EPOLLIN | libc::EPOLLPRI),
            receive_ended,
            writable: failed || any(libc::EPOLLOUT),
            send_ended: failed,
            urgent: any(libc::EPOLLPRI),
            failed,
        }
    }
}

/// Remembers a socket so that events can name it.
pub fn register(socket: &Arc<Socket>) -> Option<Key> {
    WATCHED.insert(socket.clone())
}

/// Forgets a socket; events that name it find nothing from here on.
pub fn unregister(key: Key) {
    WATCHED.remove(key);
}

/// An epoll set with an eventfd to wake those who sleep in it.
pub struct Set {
    epoll: OwnedFd,
    eventfd: OwnedFd,
    sleepers: AtomicUsize,   // threads inside `wait`, or about to be
    harvests: AtomicU64,     // how many were begun: a sign that the set is looked after
    has_sockets: AtomicBool, // or had one
}

impl Set {
    /// An empty set.
    ///
    /// # Errors
    /// Those of epoll_create and eventfd: no descriptors, no memory.
    pub fn new() -> Result<Set> {
        startup::mark_children(); // from here on there is something that a child must not share
        let (epoll, eventfd) = (system::epoll()?, system::eventfd()?);
        // Edge-triggered and never read: each write is one edge for one sleeper.
        let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
        system::epoll_control(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            eventfd.as_raw_fd(),
            events,
            WAKE,
        )?;
        Ok(Set {
            epoll,
            eventfd,
            sleepers: AtomicUsize::new(0),
            harvests: AtomicU64::new(0),
            has_sockets: AtomicBool::new(false),
        })
    }

    /// Adds a socket's descriptor. What is ready already is reported as an edge.
    ///
    /// # Errors
    /// Those of epoll_ctl: no memory, too many watches.
    pub fn add(&self, fd: RawFd, key: Key, interest: Interest) -> Result<()> {
        self.has_sockets.store(true, Relaxed);
        self.control(libc::EPOLL_CTL_ADD, fd, key, interest)
    }

    /// Watches a socket that is in the set for something else. What is ready already is reported as an edge.
    ///
    /// # Errors
    /// Those of epoll_ctl: it is not in the set.
    pub fn modify(&self, fd: RawFd, key: Key, interest: Interest) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, key, interest)
    }

    fn control(&self, operation: i32, fd: RawFd, key: Key, interest: Interest) -> Result<()> {
        let name = u64::from(key.number());
        system::epoll_control(
            self.epoll.as_raw_fd(),
            operation,
            fd,
            interest.events(),
            name,
        )
    }

    /// Whether a socket was ever added.
    pub fn has_sockets(&self) -> bool {
        self.has_sockets.load(Relaxed)
    }

    /// Removes a socket's descriptor.
    pub fn remove(&self, fd: RawFd) {
        let _ = system::epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, 0, 0); // not there: fine
    }

    /// Nests `inner` in this set under `name`, level-triggered, so that who sleeps here sees its events too.
    ///
    /// # Errors
    /// Those of epoll_ctl.
    pub fn nest(&self, inner: &Set, name: u64) -> Result<()> {
        let (outer, inner) = (self.epoll.as_raw_fd(), inner.epoll.as_raw_fd());
        system::epoll_control(
            outer,
            libc::EPOLL_CTL_ADD,
            inner,
            libc::EPOLLIN as u32,
            NESTED | name,
        )
    }

    /// Adds the netlink socket that tells of changes, level-triggered.
    ///
    /// # Errors
    /// Those of epoll_ctl.
    pub fn add_changes(&self, fd: RawFd) -> Result<()> {
        let (set, events) = (self.epoll.as_raw_fd(), libc::EPOLLIN as u32);
        system::epoll_control(set, libc::EPOLL_CTL_ADD, fd, events, CHANGES)
    }

    /// Ends the nesting of `inner`.
    pub fn unnest(&self, inner: &Set) {
        self.remove(inner.epoll.as_raw_fd());
    }

    /// Wakes one thread that sleeps in `wait`, or the next that comes.
    pub fn wake(&self) {
        system::eventfd_write(self.eventfd.as_raw_fd());
    }

    /// How many threads sleep in `wait`.
    pub fn sleepers(&self) -> usize {
        self.sleepers.load(SeqCst)
    }

    /// How many harvests of the set were begun. What an edge tells was so after its harvest had begun.
    pub fn harvests(&self) -> u64 {
        self.harvests.load(SeqCst)
    }

    /// Sleeps until there are events (`time` at most) and gives each to `each`; returns how many there were.
    pub fn wait(&self, time: Option<Duration>, each: impl FnMut(Event<'_>)) -> usize {
        let set = self.epoll.as_raw_fd();
        self.sleep(each, |events| match time {
            Some(time) if time < Duration::from_millis(1) => {
                system::epoll_wait_precisely(set, events, time)
            }
            _ => system::epoll_wait(set, events, time),
        })
    }

    /// As [`wait`](Self::wait), for a thread that others wake by its parker. It is the only one that sleeps here.
    pub fn park(&self, parker: &Parker, deadline: Deadline, each: impl FnMut(Event<'_>)) -> usize {
        let set = self.epoll.as_raw_fd();
        self.sleep(each, |events| {
            let asleep = || match time_left(deadline) {
                Some(time) => system::epoll_wait_precisely(set, events, time),
                None => system::epoll_wait(set, events, None),
            };
            parker
                .park_in_set(self.eventfd.as_raw_fd(), asleep)
                .unwrap_or(0)
        })
    }

    fn sleep(
        &self,
        each: impl FnMut(Event<'_>),
        asleep: impl FnOnce(&mut [libc::epoll_event]) -> usize,
    ) -> usize {
        // SeqCst: whoever leaves work in the set and then sees no sleeper tells the helper; see `helper::arm`. Before the
        // parker says that it sleeps: see `helper::harvest_default`.
        self.sleepers.fetch_add(1, SeqCst);
        let harvest = self.begin_harvest();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let count = asleep(&mut events);
        self.sleepers.fetch_sub(1, SeqCst);
        take(&events[..count], harvest, each);
        count
    }

    /// Takes the events that are there, without sleeping. Returns whether a wake that was meant for a sleeper was
    /// among them.
    pub fn harvest(&self, each: impl FnMut(Event<'_>)) -> bool {
        let harvest = self.begin_harvest();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let count = system::epoll_wait(self.epoll.as_raw_fd(), &mut events, Some(Duration::ZERO));
        take(&events[..count], harvest, each);
        events[..count].iter().any(|event| { event.u64 } == WAKE)
    }

    fn begin_harvest(&self) -> u64 {
        self.harvests.fetch_add(1, SeqCst) + 1
    }
}

fn take(events: &[libc::epoll_event], harvest: u64, mut each: impl FnMut(Event<'_>)) {
    for event in events {
        let data = event.u64;
        match data {
            WAKE => {}
            CHANGES => each(Event::Changes),
            name if name & NESTED != 0 => each(Event::Nested(name & !NESTED)),
            key => {
                if let Some(socket) = WATCHED.get(Key::from_number(key as u32)) {
                    each(Event::Socket(&socket, Edge::new(event.events, harvest)));
                }
            }
        }
    }
}
