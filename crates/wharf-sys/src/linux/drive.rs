//! Driving a direction: its owner attempts one request after the other, and what follows from each attempt.
//!
//! A harvest drives many directions; it gathers the packets for its own port, and receives to be attempted together.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Pending};
use super::cancel::cancel_side;
use super::change;
use super::completion::{finish, finish_cut_short, finish_own};
use super::direction::Blocked;
use super::helper;
use super::network_events::Occasion;
use super::operation::{Attempt, Operation};
use super::parker::{Deadline, Parker};
use super::port::{Packet, Port};
use super::reactor::{self, Set};
use super::request::{Mine, Request};
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
    sink: &mut Sink<'_>,
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
    sink: &mut Sink<'_>,
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
            let emptied = !more && request.operation.is_receive() && !request.is_synchronous();
            // A datagram that was cut is no refusal: it is reported later, once.
            let is_cut = status == Status::BUFFER_OVERFLOW;
            match mine.filter(|mine| mine.id == request.id && !is_cut) {
                Some(mine) => finish_own(socket, request, status, transferred, mine, sink),
                None => finish(socket, request, status, transferred, sink),
            }
            if emptied {
                socket.found_data();
            }
            direction.lock().next(more || !socket.is_watched())
        }
        // Who waits for it sleeps beside the descriptor itself: no edge is needed.
        Attempt::Blocked if request.is_synchronous() => blocked(socket, side, request, sink),
        Attempt::Blocked => match socket.watch_for(side) {
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
            socket.note_moved(&acceptor);
            move_to(&acceptor, (socket, side), request, sink);
            direction.lock().next(true)
        }
        Attempt::MovesToReceive => {
            request.operation = Operation::Reuse;
            move_to(socket, (socket, side), request, sink);
            direction.lock().next(true)
        }
    }
}

fn blocked(
    socket: &Arc<Socket>,
    side: Side,
    request: Box<Request>,
    sink: &mut Sink<'_>,
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
fn put_back(socket: &Arc<Socket>, side: Side, request: Box<Request>, sink: &mut Sink<'_>) {
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

/// A request goes on in the receive direction of `to`: an AcceptEx as a receive of the socket that took the connection, a
/// DisconnectEx as a wait for the peer.
///
/// It is in that queue before it leaves the one it comes from, so that a cancel or close finds it in one of the two; what
/// was decided there meanwhile is carried over.
fn move_to(
    to: &Arc<Socket>,
    (from, side): (&Arc<Socket>, Side),
    request: Box<Request>,
    sink: &mut Sink<'_>,
) {
    let id = request.id;
    let claimed = {
        let mut direction = to.direction(Side::Receive).lock();
        match direction.push(request) {
            Ok(()) => Ok(direction.claim()),
            Err(refused) => Err(refused),
        }
    };
    let mark = from.direction(side).lock().finishing();
    match claimed {
        Ok(head) => {
            if let Some(status) = mark {
                cancel_side(to, Side::Receive, status, |tag| tag.id == id);
            }
            drive(to, Side::Receive, head, None, sink);
        }
        Err((request, status)) => {
            let status = request.closing_status(status);
            finish_cut_short(to, request, status, sink);
        }
    }
}

// ---- harvests ----

/// What a harvest gathers: packets for the port whose thread harvests (others go straight to their port), and
/// attempts to be made together.
#[derive(Default)]
pub struct Sink<'a> {
    port: Option<&'a Port>,
    room: Room,
    keeps_room: bool, // for the thread's next harvest
}

/// The lists of a [`Sink`]. A thread keeps their memory from one harvest to the next.
#[derive(Default)]
struct Room {
    packets: Vec<Packet>,
    batch: Vec<Pending>, // claimed
}

thread_local! {
    static ROOM: Cell<Option<Room>> = const { Cell::new(None) };
}

impl<'a> Sink<'a> {
    /// Packets go to their ports at once.
    pub fn new() -> Sink<'a> {
        Sink::default()
    }

    /// Packets of `port` are collected.
    pub fn for_port(port: &'a Port) -> Sink<'a> {
        let mut sink = Sink::for_harvest();
        sink.port = Some(port);
        sink
    }

    /// For a thread that harvests again and again. Packets go to their ports at once.
    pub fn for_harvest() -> Sink<'a> {
        Sink {
            port: None,
            room: ROOM.try_with(Cell::take).ok().flatten().unwrap_or_default(),
            keeps_room: true,
        }
    }

    /// What was collected.
    pub fn packets(&mut self) -> impl ExactSizeIterator<Item = Packet> + '_ {
        self.room.packets.drain(..)
    }

    /// Sleeps in `set` for at most `time`, then attempts what its events are for; returns how many there were.
    pub fn wait(&mut self, set: &Set, time: Option<Duration>) -> usize {
        let events = set.wait(time, |event| self.take_event(event));
        self.flush();
        events
    }

    /// As [`wait`](Self::wait), for a thread that others wake by its parker.
    pub fn park(&mut self, set: &Set, parker: &Parker, deadline: Deadline) {
        set.park(parker, deadline, |event| self.take_event(event));
        self.flush();
    }

    /// As [`wait`](Self::wait), without sleeping; returns whether a wake meant for a sleeper was among the events.
    pub fn harvest(&mut self, set: &Set) -> bool {
        let woken = set.harvest(|event| self.take_event(event));
        self.flush();
        woken
    }

    fn take_event(&mut self, event: reactor::Event<'_>) {
        match event {
            reactor::Event::Socket(socket, edge) => socket.edge(edge, self),
            reactor::Event::Nested(name) => helper::harvest_nested(name),
            reactor::Event::Changes => change::harvest(),
        }
    }

    /// Adds a claimed head to the batch.
    pub fn attempt_later(&mut self, socket: Arc<Socket>, side: Side, request: Box<Request>) {
        self.room.batch.push(Pending {
            socket,
            side,
            request,
        });
        if self.room.batch.len() == batch::BATCH_MAX {
            self.flush();
        }
    }

    /// Attempts the batch, and what follows from it.
    pub fn flush(&mut self) {
        if self.room.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.room.batch);
        let mut results = [None; batch::BATCH_MAX];
        let mut envelopes = [const { MaybeUninit::uninit() }; batch::BATCH_MAX];
        batch::attempt(&mut batch, &mut envelopes, &mut results);
        for ((pending, result), envelope) in batch.drain(..).zip(results).zip(&envelopes) {
            let Pending {
                socket,
                side,
                mut request,
            } = pending;
            let attempt = match result {
                // SAFETY: an attempt with a result was prepared with its envelope.
                Some(result) => unsafe { request.operation.completed(&socket, result, envelope) },
                None => request.operation.attempt(&socket),
            };
            let head = settle(&socket, side, request, attempt, None, self);
            drive(&socket, side, head, None, self);
            socket.observe(Occasion::Change);
        }
        self.room.batch = batch; // its room is used again
    }

    /// A packet for `port`.
    pub fn deliver(&mut self, port: &Arc<Port>, packet: Packet) {
        match self.port {
            Some(own) if std::ptr::eq(own, &**port) => self.room.packets.push(packet),
            _ => port.arrive(packet),
        }
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if self.keeps_room {
            debug_assert!(self.room.packets.is_empty() && self.room.batch.is_empty());
            let room = std::mem::take(&mut self.room);
            let _ = ROOM.try_with(|kept| kept.set(Some(room))); // the thread may be ending
        }
    }
}
