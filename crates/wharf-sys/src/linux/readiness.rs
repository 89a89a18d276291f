//! Readiness: what a socket is ready for, and `select` over it. Engine 2.
//!
//! One evaluator decides a socket's condition by Windows' rules, which differ from poll's: a failed connect is
//! exceptional and nothing else, a fresh stream socket is ready for nothing, what pending receives will take is not
//! readable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use windows_sys::Win32::Networking::WinSock::SOCKET;

use super::handle;
use super::parker::{Deadline, has_passed};
use super::socket::{Phase, Side, Socket};
use super::status::Status;
use super::{synchronous, system, thread};

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// A receive or accept answers at once.
    pub read: bool,
    /// A send answers at once.
    pub write: bool,
    /// Urgent data, or a connect that failed.
    pub except: bool,
}

/// One of select's sets.
const READ: usize = 0;
const WRITE: usize = 1;
const EXCEPT: usize = 2;

impl Condition {
    fn has(self, set: usize) -> bool {
        [self.read, self.write, self.except][set]
    }

    /// The condition of a socket now.
    pub fn of(socket: &Arc<Socket>) -> Condition {
        socket.resolve_connect();
        let (phase, failed, inline) = {
            let state = socket.state();
            (
                state.phase,
                state.connect_failed,
                state.options.out_of_band_inline(),
            )
        };
        if socket.is_datagram() {
            let read =
                system::poll_now(socket.fd(), libc::POLLIN) & (libc::POLLIN | libc::POLLERR) != 0;
            return Condition {
                read,
                write: true,
                except: false,
            };
        }
        match phase {
            Phase::Open => Condition {
                except: failed,
                ..Condition::default()
            },
            Phase::Connecting(..) => Condition {
                except: failed,
                ..Condition::default()
            },
            Phase::Listening => {
                let waiting = readable(socket, libc::POLLIN);
                Condition {
                    read: waiting,
                    write: false,
                    except: failed,
                }
            }
            Phase::Connected if socket.broken().is_some() => Condition {
                read: true,
                write: true,
                except: false,
            },
            Phase::Connected => {
                let events =
                    system::poll_now(socket.fd(), libc::POLLIN | libc::POLLOUT | libc::POLLPRI);
                let reset = events & libc::POLLERR != 0;
                Condition {
                    read: readable(socket, libc::POLLIN | libc::POLLHUP | libc::POLLERR),
                    write: events & libc::POLLOUT != 0 || reset,
                    except: events & libc::POLLPRI != 0 && !inline && !reset,
                }
            }
        }
    }
}

/// Whether there is something to receive once the pending receives have had theirs.
fn readable(socket: &Arc<Socket>, events: i16) -> bool {
    let ready = || system::poll_now(socket.fd(), events) & events != 0;
    if !ready() {
        return false;
    }
    if socket.direction(Side::Receive).lock().idle() {
        return true;
    }
    socket.retry();
    socket.direction(Side::Receive).lock().idle() && ready()
}

/// Waits until a socket is ready for the set it is in; each set's ready sockets, in the set's order, once each.
///
/// `limit` in seconds and microseconds; `None`: for ever.
///
/// # Errors
/// `INVALID` if there is no socket or the time-out is out of range, `NOT_SOCKET`.
pub fn select(
    sets: &[Vec<SOCKET>; 3],
    limit: Option<(i64, i64)>,
) -> Result<[Vec<SOCKET>; 3], Status> {
    if sets.iter().all(Vec::is_empty) {
        return Err(Status::INVALID);
    }
    let deadline = limit.map(deadline_in).transpose()?;
    let mut members = [Vec::new(), Vec::new(), Vec::new()];
    for (set, members) in sets.iter().zip(&mut members) {
        for (index, handle) in set.iter().enumerate() {
            let socket = Arc::clone(&*handle::socket(*handle)?);
            if !set[..index].contains(handle) {
                members.push((*handle, socket));
            }
        }
    }
    let thread = thread::current();
    let watching = Watching::begin(
        members
            .iter()
            .flatten()
            .map(|(_, socket)| socket.clone())
            .collect(),
    );
    let (mut interrupted, mut fruitless) = (false, false);
    loop {
        let ready = ready_of(&members)?;
        if ready.iter().any(|set| !set.is_empty())
            || has_passed(deadline) && (interrupted || !thread.has_apcs())
        {
            return Ok(ready);
        }
        if thread.has_apcs() {
            thread.run_apcs();
            interrupted = true;
            continue;
        }
        if std::mem::take(&mut fruitless) {
            // Ready for poll, but not as Windows sees it: do not spin on it.
            let _blocked = thread::block();
            let soon = Instant::now() + synchronous::BREATH;
            thread.parker.park(Some(soon));
            continue; // that may have used up a notification: look at everything again
        }
        fruitless = watching.sleep(&members, deadline);
    }
}

type Members = [Vec<(SOCKET, Arc<Socket>)>; 3];

fn deadline_in((seconds, microseconds): (i64, i64)) -> Result<Instant, Status> {
    if seconds < 0 || !(0..1_000_000).contains(&microseconds) {
        return Err(Status::INVALID);
    }
    let time = Duration::from_secs(seconds as u64) + Duration::from_micros(microseconds as u64);
    Ok(Instant::now() + time.min(Duration::from_secs(1 << 32)))
}

fn ready_of(members: &Members) -> Result<[Vec<SOCKET>; 3], Status> {
    let mut ready = [Vec::new(), Vec::new(), Vec::new()];
    for (set, ready) in (READ..=EXCEPT).zip(&mut ready) {
        for (handle, socket) in &members[set] {
            // Closed meanwhile: readable for who waits to read, an error for who waits for exceptions only.
            match (socket.is_closed(), set) {
                (true, READ) => ready.push(*handle),
                (true, EXCEPT) => return Err(Status::NOT_SOCKET),
                (true, WRITE) => {}
                _ if Condition::of(socket).has(set) => ready.push(*handle),
                _ => {}
            }
        }
    }
    Ok(ready)
}

/// As long as it lives, closing one of the sockets wakes this thread.
struct Watching {
    sockets: Vec<Arc<Socket>>,
    thread: Arc<thread::Thread>,
}

impl Watching {
    fn begin(sockets: Vec<Arc<Socket>>) -> Watching {
        let thread = thread::current();
        for socket in &sockets {
            socket.state().watchers.push(thread.clone());
        }
        Watching { sockets, thread }
    }

    /// Sleeps until a descriptor is ready (then true), a wake or the deadline.
    fn sleep(&self, members: &Members, deadline: Deadline) -> bool {
        let interest = [libc::POLLIN | libc::POLLRDHUP, libc::POLLOUT, libc::POLLPRI];
        let mut fds = vec![libc::pollfd {
            fd: -1,
            events: 0,
            revents: 0,
        }];
        for (members, events) in members.iter().zip(interest) {
            fds.extend(
                members
                    .iter()
                    .filter(|(_, socket)| may_become_ready(socket))
                    .map(|(_, socket)| {
                        // A connect ends by becoming writable, whatever was asked for.
                        let events = if is_connecting(socket) {
                            libc::POLLOUT
                        } else {
                            events
                        };
                        libc::pollfd {
                            fd: socket.fd(),
                            events,
                            revents: 0,
                        }
                    }),
            );
        }
        let _blocked = thread::block();
        self.thread.parker.park_in_poll(&mut fds, deadline);
        fds[1..].iter().any(|fd| fd.revents != 0)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        for socket in &self.sockets {
            let mut state = socket.state();
            if let Some(place) = state
                .watchers
                .iter()
                .position(|thread| Arc::ptr_eq(thread, &self.thread))
            {
                state.watchers.swap_remove(place);
            }
        }
    }
}

fn is_connecting(socket: &Socket) -> bool {
    matches!(socket.state().phase, Phase::Connecting(..))
}

/// Poll reports a fresh stream socket as hung up; for Windows it is ready for nothing.
fn may_become_ready(socket: &Socket) -> bool {
    socket.is_datagram() || socket.state().phase != Phase::Open
}
