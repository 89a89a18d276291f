//! Calls that return their result: a request like any other, and a thread that waits for it beside the socket.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::Address;
use super::cancel::cancel_side;
use super::completion::push;
use super::direction::Turn;
use super::drive::{Sink, drive};
use super::lock::Lock;
use super::operation::Operation;
use super::parker::{Deadline, has_passed};
use super::request::{Delivery, Patience, Request};
use super::socket::{Side, Socket};
use super::status::Status;
use super::thread::{self, Thread};

/// The result of a synchronous request, for the thread that waits for it.
pub struct Outcome {
    pub thread: Arc<Thread>,
    pub result: Lock<Option<Finished>>,
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
    let outcome = Outcome::new();
    let request = Request::new(
        operation,
        Delivery::Synchronous(outcome.clone()),
        Patience::None,
    );
    let claimed = loop {
        if side == Side::Send {
            socket.send_deferred();
        }
        let mut direction = socket.direction(side).lock();
        match direction.turn() {
            Turn::Free => {}
            Turn::Taken if direction.has_deferred() => continue, // another one was deferred meanwhile
            Turn::Soon => {
                drop(direction);
                std::thread::yield_now();
                continue;
            }
            Turn::Taken => {
                drop(direction);
                request.free();
                return Finished::failed(Status::WOULD_BLOCK); // what is there belongs to the requests before
            }
        }
        direction.edge(false); // an edge may not have been harvested yet: look
        match direction.push(request) {
            Ok(()) => break direction.claim(),
            Err((request, _)) => {
                drop(direction);
                request.free();
                return Finished::failed(Status::NOT_SOCKET);
            }
        }
    };
    drive(socket, side, claimed, None, &mut Sink::new());
    outcome
        .take()
        .unwrap_or_else(|| wait_until_finished(&outcome))
}

/// Does the operation, waiting until `deadline`. APCs run while it waits.
pub fn wait_for(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    deadline: Deadline,
) -> Finished {
    let events = match side {
        Side::Urgent => libc::POLLPRI,
        Side::Receive => libc::POLLIN,
        Side::Send => libc::POLLOUT,
    };
    let outcome = Outcome::new();
    let request = Request::new(
        operation,
        Delivery::Synchronous(outcome.clone()),
        Patience::Wait,
    );
    let id = request.id;
    thread::note_pending();
    socket.direction(side).lock().edge(false); // look, whatever is known
    match push(socket, side, request) {
        Ok(claimed) => drive(socket, side, claimed, None, &mut Sink::new()),
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
            fd: socket.fd(),
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
    drive(socket, side, claimed, None, &mut Sink::new());
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
    fn new() -> Arc<Outcome> {
        Arc::new(Outcome {
            thread: thread::current(),
            result: Lock::new(None),
        })
    }

    fn take(&self) -> Option<Finished> {
        self.result.lock().take()
    }
}

impl Finished {
    fn failed(status: Status) -> Finished {
        Finished {
            status,
            transferred: 0,
            connection: None,
        }
    }
}
