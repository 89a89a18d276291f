//! Sets of sockets, and waiting until some of them are ready: `select` and `WSAPoll`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{BitOr, BitOrAssign};
use std::time::Duration;

use wharf_sys::{
    FD_SET, POLLERR, POLLHUP, POLLNVAL, POLLRDBAND, POLLRDNORM, POLLWRNORM, SOCKET, SOCKET_ERROR,
    TIMEVAL, WSAPOLLFD, WSAPoll, select as select_raw,
};

use crate::wait::milliseconds;
use crate::{Error, Socket, SocketId, routine};

/// A set of sockets, of any size, for [`select`]: before it, those to wait for; after it, those that are ready.
///
/// It borrows its sockets, so none of them is closed while it is waited for:
///
/// ```compile_fail,E0505
/// # use wharf::{Socket, SocketSet};
/// fn misuse(socket: Socket) -> usize {
///     let set = SocketSet::from_iter([&socket]);
///     drop(socket);
///     set.len()
/// }
/// ```
///
/// ```
/// # use std::net::Ipv4Addr;
/// use wharf::{Socket, SocketSet};
///
/// let socket = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let mut set = SocketSet::new();
/// set.insert(&socket);
/// set.insert(&socket);
/// assert_eq!(set.len(), 1);
/// assert!(set.contains(&socket) && set.ids().eq([socket.id()]));
/// set.clear();
/// assert!(set.is_empty());
/// # Ok::<_, wharf::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SocketSet<'s> {
    /// Windows' fd_set: a count, then that many sockets. Empty: a count of 0.
    words: Vec<SOCKET>,
    sockets: PhantomData<&'s Socket>,
}

impl<'s> SocketSet<'s> {
    /// The empty set.
    pub fn new() -> SocketSet<'s> {
        SocketSet::default()
    }

    /// Adds a socket, unless it is in the set.
    pub fn insert(&mut self, socket: &'s Socket) {
        if !self.contains(socket) {
            self.push(socket);
        }
    }

    fn push(&mut self, socket: &'s Socket) {
        if self.words.is_empty() {
            self.words.push(0);
        }
        self.words.push(socket.as_raw());
    }

    /// Whether the socket is in the set.
    pub fn contains(&self, socket: &Socket) -> bool {
        self.ids().any(|id| id == socket.id())
    }

    /// The sockets of the set, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.words.iter().skip(1).map(|&socket| SocketId(socket))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all, and keeps the room.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// As `select` wants it: the count is 32 bits at the start of the first word.
    fn prepare(&mut self) -> *mut FD_SET {
        if self.is_empty() {
            return std::ptr::null_mut();
        }
        let (count, set) = (self.len() as u32, self.words.as_mut_ptr());
        // SAFETY: the first word has room for it.
        unsafe { set.cast::<u32>().write(count) };
        set.cast()
    }

    /// What `select` has left.
    fn settle(&mut self) {
        if !self.words.is_empty() {
            // SAFETY: the count is in the first word.
            let count = unsafe { self.words.as_ptr().cast::<u32>().read() };
            self.words.truncate(1 + count as usize);
        }
    }
}

const _: () = {
    assert!(std::mem::offset_of!(FD_SET, fd_count) == 0);
    assert!(std::mem::offset_of!(FD_SET, fd_array) == size_of::<SOCKET>());
};

/// Collects sockets that differ.
impl<'s> FromIterator<&'s Socket> for SocketSet<'s> {
    fn from_iter<I: IntoIterator<Item = &'s Socket>>(sockets: I) -> Self {
        let mut set = SocketSet::new();
        set.extend(sockets);
        set
    }
}

/// Adds sockets that differ, from each other and from those of the set: it is not looked whether they do, so that a
/// large set is made quickly. One that stands in it twice is told once.
impl<'s> Extend<&'s Socket> for SocketSet<'s> {
    fn extend<I: IntoIterator<Item = &'s Socket>>(&mut self, sockets: I) {
        sockets.into_iter().for_each(|socket| self.push(socket));
    }
}

impl fmt::Debug for SocketSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

/// Waits until a socket of a set is ready, up to `timeout` (`None`: no limit); then only those that are ready are left
/// in the sets. Tells how many are, over all sets; 0 if the time passed.
///
/// - `read`: data, the end of the conversation, a reset; of a listening socket, a connection.
/// - `write`: room to send; the connect of a socket that does not block has succeeded.
/// - `except`: urgent data; that connect has failed.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{Socket, SocketSet, select};
///
/// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let client = Socket::connect_to(listener.local_addr()?)?;
/// let mut read = SocketSet::from_iter([&listener, &client]);
/// let mut write = read.clone();
/// assert_eq!(select(&mut read, &mut write, &mut SocketSet::new(), None)?, 2);
/// assert!(read.ids().eq([listener.id()])); // a connection
/// assert!(write.ids().eq([client.id()])); // room
/// # Ok::<_, wharf::Error>(())
/// ```
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-select>
///
/// # Errors
/// [`Error::INVALID`] if all sets are empty.
pub fn select(
    read: &mut SocketSet<'_>,
    write: &mut SocketSet<'_>,
    except: &mut SocketSet<'_>,
    timeout: Option<Duration>,
) -> Result<usize, Error> {
    let time = timeout.map(|timeout| TIMEVAL {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as i32,
        tv_usec: timeout.subsec_micros() as i32,
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let sets = [read.prepare(), write.prepare(), except.prepare()];
    // SAFETY: each is null or a set with as many sockets as its count says; the time is null or valid.
    let ready = unsafe { select_raw(0, sets[0], sets[1], sets[2], time) };
    let result = Error::last_if(ready == SOCKET_ERROR);
    if result.is_ok() {
        read.settle();
        write.settle();
        except.settle();
    }
    routine::rethrow();
    result.map(|()| ready as usize)
}

/// What a socket can be ready for, and more that [`poll`] tells.
///
/// ```
/// use wharf::Readiness;
///
/// let both = Readiness::READ | Readiness::WRITE;
/// assert!(both.intersects(Readiness::READ) && !both.intersects(Readiness::HANG_UP));
/// assert!(Readiness::default().is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Readiness(i16);

impl Readiness {
    /// Data, or a connection of a listening socket (`POLLRDNORM`).
    pub const READ: Readiness = Readiness(POLLRDNORM);
    /// Urgent data (`POLLRDBAND`).
    pub const URGENT: Readiness = Readiness(POLLRDBAND);
    /// Room to send (`POLLWRNORM`).
    pub const WRITE: Readiness = Readiness(POLLWRNORM);
    /// A failure; told only (`POLLERR`).
    pub const ERROR: Readiness = Readiness(POLLERR);
    /// The end of the conversation; told only (`POLLHUP`).
    pub const HANG_UP: Readiness = Readiness(POLLHUP);
    /// The handle is no socket; told only (`POLLNVAL`).
    pub const INVALID: Readiness = Readiness(POLLNVAL);

    /// Whether it has something of `other`.
    pub fn intersects(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Readiness {
    type Output = Readiness;

    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Readiness) {
        self.0 |= other.0;
    }
}

/// A socket, what to wait for, and what [`poll`] has told of it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct PollEntry<'s> {
    entry: WSAPOLLFD,
    socket: PhantomData<&'s Socket>,
}

impl<'s> PollEntry<'s> {
    /// An entry that waits for `what`.
    pub fn new(socket: &'s Socket, what: Readiness) -> PollEntry<'s> {
        PollEntry {
            entry: WSAPOLLFD {
                fd: socket.as_raw(),
                events: what.0,
                revents: 0,
            },
            socket: PhantomData,
        }
    }

    /// Which socket.
    pub fn id(&self) -> SocketId {
        SocketId(self.entry.fd)
    }

    /// What the last poll has told.
    pub fn ready(&self) -> Readiness {
        Readiness(self.entry.revents)
    }
}

impl fmt::Debug for PollEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollEntry")
            .field("id", &self.id())
            .field("what", &Readiness(self.entry.events))
            .field("ready", &self.ready())
            .finish()
    }
}

/// Waits until a socket is ready for what its entry says, up to `timeout` (`None`: no limit); how many are, 0 if the
/// time passed.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{PollEntry, Readiness, Socket, poll};
///
/// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let client = Socket::connect_to(listener.local_addr()?)?;
/// let what = Readiness::READ | Readiness::WRITE;
/// let mut entries = [PollEntry::new(&listener, Readiness::READ), PollEntry::new(&client, what)];
/// assert_eq!(poll(&mut entries, None)?, 2);
/// assert_eq!(entries[0].ready(), Readiness::READ);
/// assert_eq!(entries[1].ready(), Readiness::WRITE);
/// # Ok::<_, wharf::Error>(())
/// ```
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsapoll>
///
/// # Errors
/// [`Error::INVALID`] for no entry, or one that waits for what can only be told.
pub fn poll(entries: &mut [PollEntry<'_>], timeout: Option<Duration>) -> Result<usize, Error> {
    let time = match timeout {
        None => -1,
        timeout => milliseconds(timeout).min(i32::MAX as u32) as i32,
    };
    let count = u32::try_from(entries.len()).map_err(|_| Error::INVALID)?;
    // SAFETY: as many entries as told, each a WSAPOLLFD.
    let ready = unsafe { WSAPoll(entries.as_mut_ptr().cast(), count, time) };
    let result = Error::last_if(ready == SOCKET_ERROR);
    routine::rethrow();
    result.map(|()| ready as usize)
}
