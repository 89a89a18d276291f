//! Driving a direction: its owner attempts one request after the other, and what follows from each attempt.
//!
//! A harvest drives many directions; it gathers the packets for its own port, and receives to be attempted together.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Pending};
use super::cancel::cancel_side;
use super::completion::{finish, finish_cut_short, finish_own};
use super::direction::Blocked;
use super::helper;
use super::operation::Attempt;
use super::port::{Packet, Port};
use super::reactor::{self, Set};
use super::request::{Mine, Patience, Request};
use super::socket::{Side, Socket};
use super::status::Status;
use super::trace::trace;

/// After so many heads a thread lets others go on, so that no call is caught in another thread's work.
const HEADS_MAX: usize = 64;

/// Attempts heads as their owner until one blocks or none is left.
///
/// If the request that the calling thread is just starting is done here, `mine` gets its result: a success has been
/// delivered (unless skipped), a failure has not and never will be.
pub fn drive(
    socket: &Arc<Socket>,
    side: Side,
    mut head: Option<Box<Request>>,
    mut mine: Option<&mut Mine>,
    sink: &mut Sink,
) {
    for _ in 0..HEADS_MAX {
        let Some(mut request) = head.take() else {
            return;
        };
        let attempt = request.operation.attempt(socket);
        head = settle(socket, side, request, attempt, mine.as_deref_mut(), sink);
    }
    if let Some(request) = head {
        put_back(socket, side, request, sink);
    }
}

/// What follows from one attempt; the next head, if the caller goes on as owner.
fn settle(
    socket: &Arc<Socket>,
    side: Side,
    mut request: Box<Request>,
    attempt: Attempt,
    mine: Option<&mut Mine>,
    sink: &mut Sink,
) -> Option<Box<Request>> {
    trace!(
        "attempt socket={:p} {side:?} id={} -> {attempt:?}",
        Arc::as_ptr(socket),
        request.id
    );
    let direction = socket.direction(side);
    match attempt {
        Attempt::Finished {
            status,
            transferred,
            more,
        } => {
            let mark = direction.lock().finishing();
            // An attempt beside a close sees what the close did to the connection; the close is what happened.
            let (status, transferred) = match mark {
                Some(mark)
                    if socket.is_closed() && transferred == 0 && request.operation.is_receive() =>
                {
                    (request.closing_status(mark), 0)
                }
                _ => (status, transferred),
            };
            match mine.filter(|mine| mine.id == request.id) {
                Some(mine) => finish_own(socket, request, status, transferred, mine, sink),
                None => finish(socket, request, status, transferred, sink),
            }
            direction.lock().next(more || !socket.is_watched())
        }
        Attempt::Blocked if request.patience == Patience::None => {
            direction.lock().finishing();
            finish(socket, request, Status::WOULD_BLOCK, 0, sink);
            direction.lock().next(!socket.is_watched())
        }
        Attempt::Blocked => match socket.watch() {
            Ok(()) => blocked(socket, side, request, sink),
            Err(status) => {
                direction.lock().finishing();
                finish_cut_short(socket, request, status, sink);
                direction.lock().next(true)
            }
        },
        Attempt::Starved => {
            let next = blocked(socket, side, request, sink);
            helper::retry(socket);
            next
        }
        Attempt::MovesTo(acceptor) => {
            request.becomes_receive(socket);
            move_to(&acceptor, socket, request, sink);
            direction.lock().next(true)
        }
    }
}

fn blocked(
    socket: &Arc<Socket>,
    side: Side,
    request: Box<Request>,
    sink: &mut Sink,
) -> Option<Box<Request>> {
    let blocked = socket.direction(side).lock().would_block(request);
    match blocked {
        Blocked::Parked => {
            socket.parked();
            None
        }
        Blocked::Retry(request) => Some(request),
        Blocked::Ended(request, status) => {
            let status = request.closing_status(status);
            finish_cut_short(socket, request, status, sink);
            socket.direction(side).lock().next(true)
        }
    }
}

/// The thread has done its share: the helper goes on.
fn put_back(socket: &Arc<Socket>, side: Side, request: Box<Request>, sink: &mut Sink) {
    let mut head = Some(request);
    while let Some(request) = head.take() {
        let put_back = socket.direction(side).lock().put_back(request);
        if let Err((request, status)) = put_back {
            let status = request.closing_status(status);
            finish_cut_short(socket, request, status, sink);
            head = socket.direction(side).lock().next(true);
        }
    }
    helper::retry(socket);
}

/// An AcceptEx goes on as a receive of the socket that took the connection.
///
/// It is in that socket's queue before it leaves the listener, so that a cancel or close finds it in one of the two;
/// what was decided at the listener meanwhile is carried over.
fn move_to(acceptor: &Arc<Socket>, listener: &Arc<Socket>, request: Box<Request>, sink: &mut Sink) {
    let id = request.id;
    listener.note_moved(acceptor);
    let claimed = {
        let mut direction = acceptor.direction(Side::Receive).lock();
        match direction.push(request) {
            Ok(()) => Ok(direction.claim()),
            Err(refused) => Err(refused),
        }
    };
    let mark = listener.direction(Side::Receive).lock().finishing();
    match claimed {
        Ok(head) => {
            if mark.is_some() {
                cancel_side(acceptor, Side::Receive, Status::CANCELLED, |tag| {
                    tag.id == id
                });
            }
            drive(acceptor, Side::Receive, head, None, sink);
        }
        Err((request, status)) => {
            let status = request.closing_status(status);
            finish_cut_short(acceptor, request, status, sink);
        }
    }
}

// ---- harvests ----

/// What a harvest gathers: packets for the port whose thread harvests (others go straight to their port), and
/// receives to be attempted together.
#[derive(Default)]
pub struct Sink {
    port: Option<Arc<Port>>,
    packets: Vec<Packet>,
    batch: Vec<Pending>, // claimed
}

impl Sink {
    /// Packets go to their ports at once.
    pub fn new() -> Sink {
        Sink::default()
    }

    /// Packets of `port` are collected.
    pub fn for_port(port: &Arc<Port>) -> Sink {
        Sink {
            port: Some(port.clone()),
            ..Sink::default()
        }
    }

    /// What was collected.
    pub fn packets(&mut self) -> impl Iterator<Item = Packet> + '_ {
        self.packets.drain(..)
    }

    /// Sleeps in `set` for at most `time`, then attempts what its events are for; returns how many there were.
    pub fn wait(&mut self, set: &Set, time: Option<Duration>) -> usize {
        let events = set.wait(time, |event| self.take_event(event));
        self.flush();
        events
    }

    /// As [`wait`](Self::wait), without sleeping; returns whether a wake meant for a sleeper was among the events.
    pub fn harvest(&mut self, set: &Set) -> bool {
        let woken = set.harvest(|event| self.take_event(event));
        self.flush();
        woken
    }

    fn take_event(&mut self, event: reactor::Event) {
        match event {
            reactor::Event::Socket(socket, edge) => socket.edge(edge, self),
            reactor::Event::Nested(name) => helper::harvest_nested(name),
        }
    }

    /// Adds a claimed receive to the batch.
    pub fn attempt_later(&mut self, socket: &Arc<Socket>, request: Box<Request>) {
        let socket = socket.clone();
        self.batch.push(Pending { socket, request });
        if self.batch.len() == batch::BATCH_MAX {
            self.flush();
        }
    }

    /// Attempts the batch, and what follows from it.
    fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        if batch.len() < batch::WORTHWHILE {
            for Pending { socket, request } in batch.drain(..) {
                drive(&socket, Side::Receive, Some(request), None, self);
            }
        } else {
            let attempts = batch::attempt(&mut batch);
            for (Pending { socket, request }, attempt) in batch.drain(..).zip(attempts) {
                let head = settle(&socket, Side::Receive, request, attempt, None, self);
                drive(&socket, Side::Receive, head, None, self);
            }
        }
        self.batch = batch; // its room is used again
    }

    /// A packet for `port`.
    pub fn deliver(&mut self, port: &Arc<Port>, packet: Packet) {
        match &self.port {
            Some(own) if Arc::ptr_eq(own, port) => self.packets.push(packet),
            _ => port.arrive(packet),
        }
    }
}
