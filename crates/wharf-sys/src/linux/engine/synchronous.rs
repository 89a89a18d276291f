//! Calls that return their result: a request like any other, and a thread that waits for it beside the socket.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cancel::cancel_side;
use super::completion::push;
use super::direction::Turn;
use super::drive::drive_at_once;
use super::operation::{Attempt, Operation};
use super::request::{Delivery, Overlapped, Request, Tag};
use crate::platform::lock::Lock;
use crate::platform::sockets::address::Address;
use crate::platform::sockets::socket::{Side, Socket};
use crate::platform::status::Status;
use crate::platform::threads::parker::{Deadline, has_passed};
use crate::platform::threads::thread::{self, Thread};
use crate::platform::trace::trace;

/// The result of a synchronous request, for the thread that waits for it.
pub struct Outcome {
    thread: Arc<Thread>,
    /// The address of the OVERLAPPED that the call was given all the same; 0: none.
    pub overlapped: usize,
    result: Lock<Option<Finished>>,
}

/// How a synchronous request ended.
pub struct Finished {
    /// Its status.
    pub status: Status,
    /// Bytes transferred.
    pub transferred: usize,
    /// The connection that `accept` took.
    pub connection: Option<(OwnedFd, Address)>,
}

/// Does the operation now, or finishes with `WOULD_BLOCK`.
pub fn attempt_once(socket: &Arc<Socket>, side: Side, operation: Operation) -> Finished {
    loop {
        let mut direction = socket.direction(side).lock();
        if direction.has_deferred() {
            drop(direction);
            socket.attempt_deferred(side);
            continue;
        }
        match direction.turn() {
            Turn::Free => {
                let claimed = direction.claim_unqueued(Tag::unqueued());
                drop(direction);
                return match claimed {
                    true => attempt_as_owner(socket, side, operation),
                    false => Finished::failed(Status::NOT_SOCKET),
                };
            }
            Turn::Soon => {
                drop(direction);
                std::thread::yield_now();
            }
            // What is there belongs to the requests before.
            Turn::Taken => return Finished::failed(Status::WOULD_BLOCK),
        }
    }
}

/// One attempt by the owner of the direction, who then is its owner no more.
fn attempt_as_owner(socket: &Arc<Socket>, side: Side, mut operation: Operation) -> Finished {
    let attempt = operation.attempt(socket);
    trace!(
        "attempt socket={:p} {side:?} at once -> {attempt:?}",
        Arc::as_ptr(socket)
    );
    let (next, finished) = {
        let mut direction = socket.direction(side).lock();
        let mark = direction.finishing();
        let (finished, more) = match attempt {
            Attempt::Finished {
                status,
                transferred,
                more,
            } => {
                let closed = mark.is_some() && socket.is_closed();
                let status = match closed && transferred == 0 && operation.is_receive() {
                    true => Status::INTERRUPTED, // what the close did to the connection is not what happened
                    false => status,
                };
                (Finished::of(operation, status, transferred), more)
            }
            _ => (Finished::failed(Status::WOULD_BLOCK), false),
        };
        (direction.next(more || !socket.is_watched()), finished)
    };
    drive_at_once(socket, side, next, None);
    finished
}

/// Does the operation, waiting until `deadline`. APCs run while it waits.
pub fn wait_for(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    deadline: Deadline,
) -> Finished {
    wait_as(socket, side, operation, Outcome::new(0), deadline)
}

/// Does the operation of a call with an OVERLAPPED, on a socket that was not made for it.
pub fn wait_for_overlapped(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    overlapped: Overlapped,
) -> Finished {
    let outcome = Outcome::new(overlapped.address());
    wait_as(socket, side, operation, outcome, None)
}

fn wait_as(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    outcome: Arc<Outcome>,
    deadline: Deadline,
) -> Finished {
    let events = operation.events(side);
    let request = Request::new(operation, Delivery::Synchronous(outcome.clone()));
    let id = request.id;
    socket.direction(side).lock().edge(false); // look, whatever is known
    match push(socket, side, request) {
        Ok(claimed) => drive_at_once(socket, side, claimed, None),
        Err(status) => return Finished::failed(status),
    }
    let thread = outcome.thread.clone();
    let mut fruitless = false;
    loop {
        if let Some(finished) = outcome.take() {
            return finished;
        }
        if thread.has_apcs() {
            thread.run_apcs();
            continue;
        }
        if has_passed(deadline) {
            cancel_side(socket, side, Status::TIMED_OUT, |tag| tag.id == id);
            return outcome
                .take()
                .unwrap_or_else(|| wait_until_finished(&outcome));
        }
        if std::mem::take(&mut fruitless) {
            // What the descriptor is ready for is not what the queue waits for: do not spin on it.
            let _blocked = thread::block();
            thread.parker.park(Some(Instant::now() + BREATH));
            continue; // that may have used up a notification: look at everything again
        }
        fruitless = poll_and_drive(socket, side, events, &thread, deadline);
    }
}

/// How long a wait looks away from a descriptor that is ready to no avail.
pub const BREATH: Duration = Duration::from_millis(1);

/// Sleeps beside the socket until something happens to it, and attempts its queue; whether that was in vain.
fn poll_and_drive(
    socket: &Arc<Socket>,
    side: Side,
    events: i16,
    thread: &Thread,
    deadline: Deadline,
) -> bool {
    let nothing = libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    };
    let mut fds = [
        nothing,
        libc::pollfd {
            fd: if events == 0 { -1 } else { socket.fd() },
            events,
            revents: 0,
        },
    ];
    {
        let _blocked = thread::block();
        thread.parker.park_in_poll(&mut fds, deadline);
    }
    if fds[1].revents == 0 {
        return false;
    }
    if fds[1].revents & libc::POLLERR != 0 {
        socket.note_errors();
    }
    let claimed = {
        let mut direction = socket.direction(side).lock();
        direction.edge(false);
        direction.claim()
    };
    let progress = socket.progress();
    drive_at_once(socket, side, claimed, None);
    socket.progress() == progress
}

/// The request is under attempt by another thread, which finishes it without blocking.
fn wait_until_finished(outcome: &Outcome) -> Finished {
    loop {
        if let Some(finished) = outcome.take() {
            return finished;
        }
        outcome.thread.parker.park(None);
    }
}

impl Outcome {
    /// Of a request of the calling thread.
    pub fn new(overlapped: usize) -> Arc<Outcome> {
        Arc::new(Outcome {
            thread: thread::current(),
            overlapped,
            result: Lock::new(None),
        })
    }

    /// The request is over.
    pub fn finish(&self, finished: Finished) {
        *self.result.lock() = Some(finished);
        self.thread.parker.unpark();
    }

    /// Sleeps until the request is over, where nothing but its end is waited for. APCs run meanwhile.
    pub fn wait(&self) -> Finished {
        loop {
            if let Some(finished) = self.take() {
                return finished;
            }
            if self.thread.has_apcs() {
                self.thread.run_apcs();
                continue;
            }
            let _blocked = thread::block();
            self.thread.parker.park(None);
        }
    }

    fn take(&self) -> Option<Finished> {
        self.result.lock().take()
    }
}

impl Finished {
    fn of(operation: Operation, status: Status, transferred: usize) -> Finished {
        Finished {
            status,
            transferred,
            connection: match operation {
                Operation::TakeConnection(connection) => connection,
                _ => None,
            },
        }
    }

    /// With nothing transferred.
    pub fn failed(status: Status) -> Finished {
        Finished {
            status,
            transferred: 0,
            connection: None,
        }
    }
}
