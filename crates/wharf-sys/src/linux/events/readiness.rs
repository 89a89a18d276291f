//! Readiness: a socket's condition by Windows' rules, and `select` and `WSAPoll` over it. Engine 2.
//!
//! One evaluator, [`Condition`], serves select, WSAPoll and network events. Its rules differ from poll's: a failed
//! connect is exceptional and nothing else, a fresh stream socket is ready for nothing, what pending receives will take
//! is not there, a reset is no data.
//!
//! select and WSAPoll wait in `ppoll` beside the sockets, whoever harvests their sets: one call looks at all of them and
//! sleeps. Closing, connecting or listening elsewhere wakes all who wait like this, to look again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windows_sys::Win32::Networking::WinSock::*;

use crate::platform::engine::synchronous;
use crate::platform::lock::Lock;
use crate::platform::objects::handle;
use crate::platform::sockets::socket::{
    FLAG_CONNECTED, FLAG_ERRORS, FLAG_HOLDS, Phase, Side, Socket,
};
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::parker::{Deadline, has_passed};
use crate::platform::threads::thread::{self, Thread};

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// There is data or a connection to be taken, besides what pending operations will take.
    pub receivable: bool,
    /// There is room to send.
    pub sendable: bool,
    /// An urgent byte waits outside the stream.
    pub urgent: bool,
    /// The peer sends no more.
    pub ended: bool,
    /// The connection was reset or aborted; then the others are false.
    pub reset: bool,
    /// The last connect failed.
    pub connect_failed: bool,
}

/// All that poll can tell of a socket.
const EVERYTHING: i16 = libc::POLLIN | libc::POLLOUT | libc::POLLPRI | libc::POLLRDHUP;

impl Condition {
    /// The condition of a socket now.
    pub fn now(socket: &Socket) -> Condition {
        Condition::of(socket, system::poll_now(socket.fd(), EVERYTHING))
    }

    /// The condition of a socket of which poll has just told `events`.
    pub fn of(socket: &Socket, events: i16) -> Condition {
        let any = |bits: i16| events & bits != 0;
        if socket.is_datagram() {
            return Condition {
                receivable: any(libc::POLLIN) && !has_pending_receives(socket)
                    || (any(libc::POLLERR) || socket.has(FLAG_ERRORS)) && socket.has_icmp_failure(),
                sendable: any(libc::POLLOUT),
                ..Condition::default()
            };
        }
        if !socket.has(FLAG_CONNECTED) {
            return Condition::of_unconnected(socket, events);
        }
        let reset = || any(libc::POLLERR) || any(libc::POLLHUP) && socket.was_reset();
        if socket.broken().is_some() || reset() {
            return Condition {
                reset: true,
                ..Condition::default()
            };
        }
        let ended = any(libc::POLLRDHUP | libc::POLLHUP);
        let data = any(libc::POLLIN) && (!ended || socket.unread() > 0);
        Condition {
            receivable: data && !has_pending_receives(socket),
            sendable: any(libc::POLLOUT),
            urgent: any(libc::POLLPRI) && !socket.state().options.out_of_band_inline(),
            ended,
            ..Condition::default()
        }
    }

    fn of_unconnected(socket: &Socket, events: i16) -> Condition {
        let any = |bits: i16| events & bits != 0;
        socket.resolve_connect();
        let (phase, connect_failed) = {
            let state = socket.state();
            (state.phase, state.connect_failed)
        };
        match phase {
            Phase::Connected => Condition::now(socket), // by now
            Phase::Listening => Condition {
                receivable: (any(libc::POLLIN) || socket.has(FLAG_HOLDS))
                    && !has_pending_receives(socket),
                connect_failed,
                ..Condition::default()
            },
            Phase::Open | Phase::Connecting(..) => Condition {
                connect_failed,
                ..Condition::default()
            },
        }
    }

    /// As [`of`](Self::of), once pending receives have taken what is theirs.
    fn settled(socket: &Arc<Socket>, events: i16) -> Condition {
        if events & libc::POLLIN == 0 || !has_pending_receives(socket) {
            return Condition::of(socket, events);
        }
        socket.retry();
        Condition::now(socket)
    }
}

fn has_pending_receives(socket: &Socket) -> bool {
    socket.direction(Side::Receive).lock().has_pending()
}

// ---- the wait ----

/// Threads that look at sockets.
static WATCHERS: Lock<Vec<Arc<Thread>>> = Lock::new(Vec::new());

/// Something happened to a socket that poll does not tell: whoever waits for sockets looks again.
pub fn wake_watchers() {
    let watchers = WATCHERS.lock().clone();
    for thread in watchers {
        thread.parker.unpark();
    }
}

/// As long as it lives, the calling thread is one of them.
struct Watching(Arc<Thread>);

impl Watching {
    fn begin() -> Watching {
        let thread = thread::current();
        WATCHERS.lock().push(thread.clone());
        Watching(thread)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watchers = WATCHERS.lock();
        let place = watchers
            .iter()
            .rposition(|thread| Arc::ptr_eq(thread, &self.0));
        if let Some(place) = place {
            watchers.swap_remove(place);
        }
    }
}

/// A socket that is waited for, and the events of poll that matter.
#[derive(Clone)]
struct Watched {
    socket: Arc<Socket>,
    interest: i16,
}

impl Watched {
    /// What poll is to look at now. A fresh stream socket, which poll calls hung up, is ready for nothing; a connect
    /// ends by becoming writable, whatever was asked for.
    fn poll_entry(&self) -> libc::pollfd {
        let socket = &self.socket;
        let connects = || matches!(socket.state().phase, Phase::Connecting(..));
        let (fd, events) = match () {
            () if socket.is_closed() => (-1, 0),
            () if socket.has(FLAG_CONNECTED) || socket.is_datagram() => {
                (socket.fd(), self.interest)
            }
            () if connects() => (socket.fd(), libc::POLLOUT),
            () if socket.state().phase == Phase::Open => (-1, 0),
            () => (socket.fd(), self.interest),
        };
        libc::pollfd {
            fd,
            events,
            revents: 0,
        }
    }
}

/// Each socket once, for all that is to be known of it, and for each of `watched` its place there.
///
/// select has a socket in up to three sets, and poll refuses more entries than the process may have descriptors.
fn each_once(watched: &[Watched]) -> (Vec<Watched>, Vec<usize>) {
    let mut once: Vec<Watched> = Vec::with_capacity(watched.len());
    let mut known = HashMap::with_capacity(watched.len());
    let places = watched.iter().map(|watched| {
        let place = *known
            .entry(Arc::as_ptr(&watched.socket))
            .or_insert(once.len());
        match once.get_mut(place) {
            Some(same) => same.interest |= watched.interest,
            None => once.push(watched.clone()),
        }
        place
    });
    let places = places.collect();
    (once, places)
}

/// Waits until `answer` makes something of the conditions, one for each of `watched`; `None` when the time is over.
///
/// APCs run when nothing is ready at once.
fn wait_until<R>(
    watched: &[Watched],
    deadline: Deadline,
    mut answer: impl FnMut(&[Condition]) -> Option<R>,
) -> Option<R> {
    let Watching(thread) = &Watching::begin();
    const NOWHERE: libc::pollfd = libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    };
    let (sockets, places) = &each_once(watched);
    let mut fds = vec![NOWHERE; 1 + sockets.len()];
    let mut found = vec![Condition::default(); sockets.len()];
    let mut conditions = vec![Condition::default(); watched.len()];
    let (mut sleeps, mut interrupted) = (false, false);
    loop {
        for (entry, socket) in fds[1..].iter_mut().zip(sockets) {
            *entry = socket.poll_entry();
        }
        if sleeps {
            let _blocked = thread::block();
            thread.parker.park_in_poll(&mut fds, deadline);
        } else {
            system::poll(&mut fds[1..], Some(Duration::ZERO));
        }
        for ((condition, entry), watched) in found.iter_mut().zip(&fds[1..]).zip(sockets) {
            *condition = Condition::settled(&watched.socket, entry.revents);
        }
        for (condition, &place) in conditions.iter_mut().zip(places) {
            *condition = found[place];
        }
        if let Some(answer) = answer(&conditions) {
            return Some(answer);
        }
        let looked = !std::mem::take(&mut sleeps); // a sleep that a notification ends has not looked
        if thread.has_apcs() && !(interrupted && has_passed(deadline)) {
            thread.run_apcs();
            interrupted = true;
        } else if has_passed(deadline) {
            if looked {
                return None;
            }
        } else if fds[1..].iter().any(|entry| entry.revents != 0) {
            // Ready for poll, but not as Windows sees it: do not spin on it.
            let _blocked = thread::block();
            let soon = Instant::now() + synchronous::BREATH;
            thread
                .parker
                .park(Some(deadline.map_or(soon, |deadline| deadline.min(soon))));
        } else {
            sleeps = true;
        }
    }
}

// ---- select ----

/// The first of select's sets: read, write, except.
const READ: usize = 0;

impl Condition {
    fn belongs_in(self, set: usize) -> bool {
        let read = self.receivable || self.ended || self.reset;
        let write = self.sendable || self.reset;
        let except = self.urgent || self.connect_failed;
        [read, write, except][set]
    }
}

/// Why `select` fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectFailure {
    /// At the call: the sets are left as they are.
    Refused(Status),
    /// Later: the sets come back empty.
    Interrupted(Status),
}

/// select's sets, or those of their members that are ready.
pub type Sets = [Vec<SOCKET>; 3];

/// Waits until a socket is ready for the set it is in; each set's ready sockets, in the set's order, once each.
///
/// `limit` in seconds and microseconds; `None`: for ever.
///
/// # Errors
/// `INVALID` if there is no socket or the time-out is out of range, `NOT_SOCKET`.
pub fn select(sets: &Sets, limit: Option<(i64, i64)>) -> Result<Sets, SelectFailure> {
    if sets.iter().all(Vec::is_empty) {
        return Err(SelectFailure::Refused(Status::INVALID));
    }
    let deadline = limit
        .map(deadline_in)
        .transpose()
        .map_err(SelectFailure::Refused)?;
    let mut members = Vec::new(); // set and handle
    let mut watched = Vec::new();
    const INTEREST: [i16; 3] = [libc::POLLIN | libc::POLLRDHUP, libc::POLLOUT, libc::POLLPRI];
    for (set, handles) in sets.iter().enumerate() {
        for handle in once_each(handles) {
            let socket = handle::socket(handle)
                .map_err(SelectFailure::Refused)?
                .clone();
            members.push((set, handle));
            watched.push(Watched {
                socket,
                interest: INTEREST[set],
            });
        }
    }
    let ready = |conditions: &[Condition]| ready_members(&members, &watched, conditions);
    wait_until(&watched, deadline, ready).unwrap_or(Ok(Sets::default()))
}

fn ready_members(
    members: &[(usize, SOCKET)],
    watched: &[Watched],
    conditions: &[Condition],
) -> Option<Result<Sets, SelectFailure>> {
    let mut ready = Sets::default();
    let mut closed = false;
    for ((&(set, handle), watched), condition) in members.iter().zip(watched).zip(conditions) {
        // Closed meanwhile: readable for who waits to read, an error for who only waits for something else.
        let is_closed = watched.socket.is_closed();
        closed |= is_closed;
        if (is_closed && set == READ) || (!is_closed && condition.belongs_in(set)) {
            ready[set].push(handle);
        }
    }
    let nothing = ready.iter().all(Vec::is_empty);
    match (nothing, closed) {
        (true, false) => None,
        (true, true) => Some(Err(SelectFailure::Interrupted(Status::NOT_SOCKET))),
        (false, _) => Some(Ok(ready)),
    }
}

/// The handles without repetitions, in order.
fn once_each(handles: &[SOCKET]) -> Vec<SOCKET> {
    let mut sorted = handles.to_vec();
    sorted.sort_unstable();
    let repeats = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    let mut once = handles.to_vec();
    if repeats {
        let mut seen = std::collections::HashSet::new();
        once.retain(|handle| seen.insert(*handle));
    }
    once
}

fn deadline_in((seconds, microseconds): (i64, i64)) -> Result<Instant, Status> {
    if seconds < 0 || !(0..1_000_000).contains(&microseconds) {
        return Err(Status::INVALID);
    }
    let time = Duration::from_secs(seconds as u64) + Duration::from_micros(microseconds as u64);
    Ok(Instant::now() + time.min(Duration::from_secs(1 << 32)))
}

// ---- WSAPoll ----

/// One entry of WSAPoll's array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollEntry {
    /// The socket.
    pub handle: SOCKET,
    /// What is asked for.
    pub events: i16,
}

/// What WSAPoll answers: the count or failure, and what is written for every entry.
pub struct Polled {
    /// How many sockets have something to report.
    pub result: Result<i32, Status>,
    /// For each entry.
    pub reports: Vec<i16>,
}

/// Waits until one of the sockets has something to report.
pub fn poll(entries: &[PollEntry], deadline: Deadline) -> Polled {
    let sockets: Vec<_> = entries
        .iter()
        .map(|entry| Some(handle::socket(entry.handle).ok()?.clone()))
        .collect();
    let failed = |status, report| Polled {
        result: Err(status),
        reports: vec![report; entries.len()],
    };
    let Some(first) = sockets.iter().position(Option::is_some) else {
        return failed(Status::NOT_SOCKET, POLLNVAL);
    };
    if entries[first..]
        .iter()
        .any(|entry| !may_ask_for(entry.events))
    {
        return failed(Status::INVALID, 0);
    }
    let places: Vec<_> = (0..entries.len())
        .filter(|&place| sockets[place].is_some())
        .collect();
    let watched: Vec<_> = sockets
        .into_iter()
        .zip(entries)
        .filter_map(|(socket, entry)| {
            Some(Watched {
                socket: socket?,
                interest: interest_in(entry.events),
            })
        })
        .collect();
    let mut reports = vec![POLLNVAL; entries.len()];
    let count = wait_until(&watched, deadline, |conditions| {
        let mut count = 0;
        for ((&place, watched), condition) in places.iter().zip(&watched).zip(conditions) {
            reports[place] = if watched.socket.is_closed() {
                POLLNVAL
            } else {
                condition.report(entries[place].events)
            };
            count += i32::from(reports[place] != 0);
        }
        (count > 0).then_some(count)
    });
    Polled {
        result: Ok(count.unwrap_or(0)),
        reports,
    }
}

fn may_ask_for(events: i16) -> bool {
    events & !(POLLRDNORM | POLLRDBAND | POLLWRNORM) == 0
}

fn interest_in(events: i16) -> i16 {
    let mut interest = libc::POLLRDHUP;
    for (asked, linux) in [
        (POLLRDNORM, libc::POLLIN),
        (POLLRDBAND, libc::POLLPRI),
        (POLLWRNORM, libc::POLLOUT),
    ] {
        if events & asked != 0 {
            interest |= linux;
        }
    }
    interest
}

impl Condition {
    /// The condition in WSAPoll's terms, as far as it was asked for; POLLERR and POLLHUP are told in any case.
    fn report(self, asked: i16) -> i16 {
        let failed = self.reset || self.connect_failed;
        let mut report = 0;
        let mut add = |holds: bool, bits: i16| {
            if holds {
                report |= bits;
            }
        };
        add(self.receivable, POLLRDNORM & asked);
        add(self.urgent, POLLRDBAND & asked);
        add(self.sendable || failed, POLLWRNORM & asked);
        add(self.ended || failed, POLLHUP);
        add(failed, POLLERR);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::sockets::address::Family;
    use crate::platform::sockets::option::Kind;

    fn watched(socket: &Arc<Socket>, interest: i16) -> Watched {
        let socket = socket.clone();
        Watched { socket, interest }
    }

    #[test]
    fn a_socket_is_looked_at_once_for_all_that_is_asked() {
        let [one, other] =
            [(); 2].map(|()| Socket::new(Family::V4, Kind::Datagram, true).expect("a socket"));
        let (sockets, places) = each_once(&[
            watched(&one, libc::POLLIN),
            watched(&other, libc::POLLIN),
            watched(&one, libc::POLLOUT),
        ]);
        assert_eq!(places, [0, 1, 0]);
        let asked: Vec<_> = sockets.iter().map(|watched| watched.interest).collect();
        assert_eq!(asked, [libc::POLLIN | libc::POLLOUT, libc::POLLIN]);
    }

    /// A socket in each of select's sets, or often among WSAPoll's entries, is one descriptor.
    #[test]
    fn there_may_be_more_entries_than_descriptors() {
        let socket = Socket::new(Family::V4, Kind::Datagram, true).expect("a socket");
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is a live variable.
        let told = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
        limit.rlim_cur = limit.rlim_cur.min(4096);
        // SAFETY: as above.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        assert_eq!((told, set), (0, 0));
        let entries = vec![watched(&socket, libc::POLLOUT); limit.rlim_cur as usize + 1];
        let deadline = Some(Instant::now() + Duration::from_secs(10));
        let ready = |conditions: &[Condition]| {
            conditions
                .iter()
                .all(|condition| condition.sendable)
                .then_some(conditions.len())
        };
        assert_eq!(wait_until(&entries, deadline, ready), Some(entries.len()));
    }
}
