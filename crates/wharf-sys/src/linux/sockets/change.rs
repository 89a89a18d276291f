//! Changes of this host's addresses and routes: SIO_ADDRESS_LIST_CHANGE, SIO_ROUTING_INTERFACE_CHANGE, and the network
//! events that go with them.
//!
//! The kernel tells of changes by a netlink socket in the default set, which the helper reads. Changes are counted by kind
//! and family. An operation that waits for one is a request in a direction of its own: its attempt asks whether the count is
//! still what it was when the operation began. Sockets that wait, or are to be told by a network event, are in a list.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::*, fence};
use std::sync::{Arc, OnceLock, Weak};

use super::address::Family;
use super::socket::{
    FLAG_ARMED_ADDRESSES, FLAG_ARMED_ROUTES, FLAG_CHANGED_ADDRESSES, FLAG_CHANGED_ROUTES, Side,
    Socket,
};
use crate::platform::engine::cancel::cancel_side;
use crate::platform::engine::completion;
use crate::platform::engine::helper;
use crate::platform::engine::operation::{Attempt, Operation};
use crate::platform::engine::request::{How, Started};
use crate::platform::events::network_events::Occasion;
use crate::platform::lock::Lock;
use crate::platform::status::Status;
use crate::platform::system;

/// What may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The list of addresses.
    Addresses,
    /// Which interface leads where.
    Routes,
}

const ALL: [Change; 2] = [Change::Addresses, Change::Routes];

impl Change {
    /// Where operations wait for it.
    pub fn side(self) -> Side {
        match self {
            Change::Addresses => Side::AddressChange,
            Change::Routes => Side::RouteChange,
        }
    }

    /// The flags of a socket: to be told of the next one, and one has happened that is not told yet.
    fn flags(self) -> (u32, u32) {
        match self {
            Change::Addresses => (FLAG_ARMED_ADDRESSES, FLAG_CHANGED_ADDRESSES),
            Change::Routes => (FLAG_ARMED_ROUTES, FLAG_CHANGED_ROUTES),
        }
    }

    fn counter(self, family: Family) -> &'static AtomicU64 {
        static COUNTERS: [[AtomicU64; 2]; 2] = [const { [const { AtomicU64::new(0) }; 2] }; 2];
        &COUNTERS[self as usize][usize::from(family == Family::V6)]
    }

    fn count(self, family: Family) -> u64 {
        self.counter(family).load(Acquire)
    }
}

/// A wait for a change.
pub struct Wait {
    change: Change,
    since: u64, // how many there had been
}

impl Wait {
    /// Whether it is over.
    pub fn attempt(&self, socket: &Socket) -> Attempt {
        if self.change.count(socket.family) == self.since {
            Attempt::Blocked
        } else {
            Attempt::done(0, true)
        }
    }
}

/// Sockets that wait for changes, or are to be told of one.
static CONCERNED: Lock<Vec<Weak<Socket>>> = Lock::new(Vec::new());

impl Socket {
    /// Waits for a change, as the blocking mode says if it is not overlapped. On a non-blocking socket it is told as a
    /// network event.
    ///
    /// # Errors
    /// `WOULD_BLOCK` on a non-blocking socket, `INSUFFICIENT_RESOURCES`.
    pub fn await_change(
        self: &Arc<Self>,
        change: Change,
        how: Option<How>,
    ) -> Result<Started, Status> {
        listen()?;
        let since = change.count(self.family);
        self.join_the_concerned();
        let how = match how {
            Some(how) => how,
            None if self.is_non_blocking() => {
                self.set_flag(change.flags().0, true);
                return Err(Status::WOULD_BLOCK);
            }
            None => How::Waiting(None),
        };
        let wait = Operation::AwaitChange(Wait { change, since });
        let started = completion::start(self, change.side(), wait, how);
        self.end_if_closed(change.side());
        started
    }

    /// After a wait was begun that closing knows of only if it came first.
    pub fn end_if_closed(self: &Arc<Self>, side: Side) {
        fence(SeqCst); // pairs with closing: it finds the request, or we find the socket closed
        if self.is_closed() {
            cancel_side(self, side, Status::CANCELLED, |_| true);
        }
    }

    fn join_the_concerned(self: &Arc<Self>) {
        let mut concerned = CONCERNED.lock();
        concerned.retain(|other| other.strong_count() > 0);
        if !concerned
            .iter()
            .any(|other| std::ptr::eq(other.as_ptr(), &**self))
        {
            concerned.push(Arc::downgrade(self));
        }
    }

    /// A change happened.
    fn changed(self: &Arc<Self>, change: Change) {
        let (armed, changed) = change.flags();
        if self.set_flag(armed, false) {
            self.set_flag(changed, true);
            self.observe(Occasion::Change);
        }
        if self.waits_for(change.side()) {
            self.retry_side(change.side());
        }
    }
}

static NETLINK: OnceLock<OwnedFd> = OnceLock::new();

/// Makes the kernel tell of changes from here on.
fn listen() -> Result<(), Status> {
    static BEGINNING: Lock<()> = Lock::new(());
    let _beginning = BEGINNING.lock();
    if NETLINK.get().is_some() {
        return Ok(());
    }
    let set = helper::default_set()?;
    let socket = system::route_changes().map_err(|_| Status::INSUFFICIENT_RESOURCES)?;
    set.add_changes(socket.as_raw_fd())
        .map_err(|_| Status::INSUFFICIENT_RESOURCES)?;
    NETLINK.get_or_init(|| socket);
    Ok(())
}

/// The kernel has told of changes: whoever waits learns of them.
pub fn harvest() {
    let Some(netlink) = NETLINK.get() else {
        return; // it comes again: the set tells as long as there is something
    };
    let mut happened = Vec::new();
    system::read_route_changes(netlink.as_raw_fd(), |kind, family| {
        let change = match kind {
            libc::RTM_NEWADDR | libc::RTM_DELADDR => Change::Addresses,
            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => Change::Routes,
            _ => return,
        };
        if let Some(family) = Family::from_linux(family)
            && !happened.contains(&(change, family))
        {
            happened.push((change, family));
        }
    });
    for (change, family) in &happened {
        change.counter(*family).fetch_add(1, AcqRel);
    }
    let concerned: Vec<_> = CONCERNED.lock().iter().filter_map(Weak::upgrade).collect();
    for socket in concerned {
        for change in ALL {
            if happened.contains(&(change, socket.family)) {
                socket.changed(change);
            }
        }
    }
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests {
    use std::ptr::{null, null_mut};

    use crate::*;

    fn control(socket: SOCKET, code: u32, input: &[u8], overlapped: *mut OVERLAPPED) -> i32 {
        let (mut returned, length) = (0, input.len() as u32);
        // SAFETY: the OVERLAPPED is null or outlives the operation, the rest the call.
        let answer = unsafe {
            WSAIoctl(
                socket,
                code,
                input.as_ptr().cast(),
                length,
                null_mut(),
                0,
                &mut returned,
                overlapped,
                None,
            )
        };
        if answer == 0 {
            return 0;
        }
        // SAFETY: takes nothing.
        unsafe { WSAGetLastError() }
    }

    /// Brings up the loopback interface of this thread's network namespace: it gets addresses and routes.
    fn bring_up_loopback() {
        let socket = super::system::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        // SAFETY: all zeroes is a request to begin with.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name[..2].copy_from_slice(&[b'l' as _, b'o' as _]);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        // SAFETY: `request` is valid for the call.
        assert_eq!(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &request) }, 0);
    }

    /// In a network namespace of its own a test may change addresses; without the right to one there is nothing to see.
    #[test]
    fn whoever_waits_learns_of_a_change() {
        // SAFETY: this thread alone moves to a new namespace.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return println!("not permitted: a network namespace");
        }
        let destination = {
            let mut bytes = [0u8; 16];
            bytes[..8].copy_from_slice(&[2, 0, 0, 0, 127, 0, 0, 1]);
            bytes
        };
        // SAFETY: all pointers are to variables of this function, and nothing pends at its end.
        unsafe {
            assert_eq!(WSAStartup(0x202, &mut WSADATA::default()), 0);
            let socket = socket(AF_INET.into(), SOCK_DGRAM, 0);
            let events = [(); 3].map(|()| CreateEventW(null(), 1, 0, null()));
            let mut waits = [(); 2].map(|()| OVERLAPPED::default());
            waits[0].hEvent = events[0];
            waits[1].hEvent = events[1];
            let [addresses, routes] = &mut waits;
            assert_eq!(
                control(socket, SIO_ADDRESS_LIST_CHANGE, &[], addresses),
                WSA_IO_PENDING
            );
            assert_eq!(
                control(socket, SIO_ROUTING_INTERFACE_CHANGE, &destination, routes),
                WSA_IO_PENDING
            );
            let mask = 1 << FD_ADDRESS_LIST_CHANGE_BIT;
            assert_eq!(WSAEventSelect(socket, events[2] as WSAEVENT, mask), 0);
            let armed = control(socket, SIO_ADDRESS_LIST_CHANGE, &[], null_mut());
            assert_eq!(armed, WSAEWOULDBLOCK);
            assert_eq!(WaitForMultipleObjects(3, events.as_ptr(), 0, 20), 258);

            bring_up_loopback();
            let all = WaitForMultipleObjects(3, events.as_ptr(), 1, 60_000);
            assert_eq!(all, WAIT_OBJECT_0);
            assert_eq!(
                waits.map(|wait| (wait.Internal, wait.InternalHigh)),
                [(0, 0); 2]
            );
            let mut happened = WSANETWORKEVENTS::default();
            WSAEnumNetworkEvents(socket, events[2] as WSAEVENT, &mut happened);
            assert_eq!(happened.lNetworkEvents, mask);
            assert_eq!(happened.iErrorCode[FD_ADDRESS_LIST_CHANGE_BIT as usize], 0);
            WSAEnumNetworkEvents(socket, events[2] as WSAEVENT, &mut happened);
            assert_eq!(
                happened.lNetworkEvents, 0,
                "it is told once for each time it was asked for"
            );
            closesocket(socket);
        }
    }
}
