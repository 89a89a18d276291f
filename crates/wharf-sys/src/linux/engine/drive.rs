//! Driving a direction: its owner attempts one request after the other, and what follows from each attempt.
//!
//! A harvest drives many directions; it gathers the packets for its own port, and receives to be attempted together.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{self, Pending};
use super::cancel::cancel_side;
use super::company::Company;
use super::completion::{finish, finish_cut_short, finish_own};
use super::direction::Blocked;
use super::helper;
use super::operation::{Attempt, Operation};
use super::port::{Packet, Port};
use super::reactor::{self, Set};
use super::request::{Mine, Request};
use crate::platform::events::network_events::Occasion;
use crate::platform::sockets::change;
use crate::platform::sockets::socket::{Queue, Side, Socket};
use crate::platform::status::Status;
use crate::platform::threads::parker::{Deadline, Parker};
use crate::platform::trace::trace;

/// After so many heads a thread lets others go on, so that no call is caught in another thread's work.
const HEADS_MAX: usize = 64;
/// For how many a head with its company counts.
const COMPANY: usize = 8;

/// Attempts heads as their owner until one blocks or none is left.
///
/// If the request that the calling thread is just starting is done here, `mine` gets its result: a success has been
/// delivered (unless skipped), a failure has not and never will be.
pub fn drive(
    socket: &Arc<Socket>,
    side: Side,
    head: Option<Box<Request>>,
    mine: Option<&mut Mine>,
    sink: &mut Sink<'_>,
) {
    let mut turn = Turn::of(socket, side, sink);
    turn.go_on(head, mine);
    if let Some(more) = turn.kept {
        sink.keep(socket.clone(), side, more);
    }
}

/// As [`drive`], by a thread that gathers nothing: packets go to their ports at once.
pub fn drive_at_once(
    socket: &Arc<Socket>,
    side: Side,
    head: Option<Box<Request>>,
    mine: Option<&mut Mine>,
) {
    if head.is_some() {
        drive(socket, side, head, mine, &mut Sink::new());
    }
}

/// A thread's time as the owner of a direction.
pub struct Turn<'t, 's> {
    pub socket: &'t Arc<Socket>,
    pub side: Side,
    pub sink: &'t mut Sink<'s>,
    gathered_before: usize,
    kept: Option<bool>, // at its end the direction stays this thread's; whether a further attempt may succeed
}

impl<'t, 's> Turn<'t, 's> {
    fn of(socket: &'t Arc<Socket>, side: Side, sink: &'t mut Sink<'s>) -> Turn<'t, 's> {
        let gathered_before = sink.gathered();
        Turn {
            socket,
            side,
            sink,
            gathered_before,
            kept: None,
        }
    }

    /// The direction.
    pub fn direction(&self) -> &'t Queue {
        self.socket.direction(self.side)
    }

    fn go_on(&mut self, mut head: Option<Box<Request>>, mut mine: Option<&mut Mine>) {
        let mut served = 0;
        while served < HEADS_MAX {
            let Some(mut request) = head.take() else {
                return;
            };
            let is_own = mine.as_ref().is_some_and(|mine| mine.id == request.id);
            if !is_own && request.operation.may_lead(self.socket) {
                head = self.attempt_together(request, served == 0);
                served += COMPANY;
            } else {
                let attempt = request.operation.attempt(self.socket);
                head = self.settle(request, attempt, mine.as_deref_mut());
                served += 1;
            }
        }
        if let Some(request) = head {
            self.put_back(request);
        }
    }

    /// What follows from one attempt; the next head, if the caller goes on as owner.
    pub fn settle(
        &mut self,
        mut request: Box<Request>,
        attempt: Attempt,
        mine: Option<&mut Mine>,
    ) -> Option<Box<Request>> {
        let socket = self.socket;
        trace!(
            "attempt socket={:p} {:?} id={} -> {attempt:?}",
            Arc::as_ptr(socket),
            self.side,
            request.id
        );
        match attempt {
            Attempt::Finished {
                status,
                transferred,
                more,
            } => {
                let (mark, others_wait) = {
                    let mut direction = self.direction().lock();
                    (direction.finishing(), direction.queued() > 0)
                };
                // An attempt beside a close sees what the close did to the connection; the close is what happened.
                let (status, transferred) = match mark {
                    Some(mark)
                        if socket.is_closed()
                            && transferred == 0
                            && request.operation.is_receive() =>
                    {
                        (request.closing_status(mark), 0)
                    }
                    _ => (status, transferred),
                };
                let is_receive = request.operation.is_receive();
                let emptied = !more && is_receive && !request.is_synchronous();
                // A datagram that was cut is no refusal: it is reported later, once.
                let is_cut = status == Status::BUFFER_OVERFLOW;
                match mine.filter(|mine| mine.id == request.id && !is_cut) {
                    Some(mine) => finish_own(socket, request, status, transferred, mine, self.sink),
                    None => finish(socket, request, status, transferred, self.sink),
                }
                if emptied {
                    socket.found_data();
                }
                let more = more || !socket.is_watched();
                let next = match self.has_gathered() && !others_wait {
                    true => self.keep(more), // who comes meanwhile is seen to when it is let go
                    false => self.next(more),
                };
                if is_receive && next.is_none() {
                    socket.refuse_data();
                }
                next
            }
            // Who waits for it sleeps beside the descriptor itself: no edge is needed.
            Attempt::Blocked if request.is_synchronous() => self.blocked(request),
            Attempt::Blocked => match socket.watch_for(self.side) {
                Ok(()) => self.blocked(request),
                Err(status) => {
                    self.direction().lock().finishing();
                    finish_cut_short(socket, request, status, self.sink);
                    self.next(true)
                }
            },
            Attempt::Starved => {
                let next = self.blocked(request);
                helper::retry(socket);
                next
            }
            Attempt::MovesTo(acceptor) => {
                request.becomes_receive(socket);
                socket.note_moved(&acceptor);
                move_to(&acceptor, (socket, self.side), request, self.sink);
                self.next(true)
            }
            Attempt::MovesToReceive => {
                request.operation = Operation::Reuse;
                move_to(socket, (socket, self.side), request, self.sink);
                self.next(true)
            }
        }
    }

    fn blocked(&mut self, request: Box<Request>) -> Option<Box<Request>> {
        let blocked = {
            let mut direction = self.direction().lock();
            let blocked = direction.would_block(request);
            if let Blocked::Parked = blocked
                && self.has_gathered()
            {
                direction.keep();
            }
            blocked
        };
        match blocked {
            Blocked::Parked => {
                self.socket.parked();
                if self.has_gathered() {
                    return self.keep(false);
                }
                None
            }
            Blocked::Retry(request) => Some(request),
            Blocked::Ended(request, status) => {
                let status = request.closing_status(status);
                finish_cut_short(self.socket, request, status, self.sink);
                self.next(true)
            }
        }
    }

    /// The thread has done its share: the helper goes on, or the thread itself once what it has gathered is delivered.
    fn put_back(&mut self, request: Box<Request>) {
        let mut head = Some(request);
        while let Some(request) = head.take() {
            let put_back = {
                let mut direction = self.direction().lock();
                let put_back = direction.put_back(request);
                if put_back.is_ok() && self.has_gathered() {
                    direction.keep();
                }
                put_back
            };
            match put_back {
                Ok(()) if self.has_gathered() => {
                    self.keep(true);
                    return;
                }
                Ok(()) => {}
                Err((request, status)) => {
                    let status = request.closing_status(status);
                    finish_cut_short(self.socket, request, status, self.sink);
                    head = self.next(true);
                    if head.is_none() {
                        return;
                    }
                }
            }
        }
        helper::retry(self.socket);
    }

    /// The head is delivered: the next one, if it may be attempted.
    fn next(&mut self, more: bool) -> Option<Box<Request>> {
        let mut direction = self.direction().lock();
        let head = direction.next(more);
        if head.is_some() || !self.has_gathered() {
            return head;
        }
        direction.keep();
        drop(direction);
        self.keep(false)
    }

    /// Whether results of this turn are gathered, so that nobody else may deliver before they are in the port's queue.
    pub fn has_gathered(&self) -> bool {
        self.sink.gathered() > self.gathered_before
    }

    /// The turn ends, but the direction stays this thread's until then. `more`: a further attempt may succeed.
    pub fn keep(&mut self, more: bool) -> Option<Box<Request>> {
        self.kept = Some(more);
        None
    }
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
    kept: Vec<Kept>,
    batch: Vec<Pending>, // claimed
    company: Company,
}

/// A direction that stays owned until the packets gathered from it are in the port's queue: a later one is not there before
/// them.
struct Kept {
    socket: Arc<Socket>,
    side: Side,
    more: bool,                 // a further attempt may succeed
    head: Option<Box<Request>>, // what came behind, once the direction is let go
}

thread_local! {
    static ROOM: Cell<Option<Room>> = const { Cell::new(None) };
}

impl<'a> Sink<'a> {
    /// Packets go to their ports at once.
    pub fn new() -> Sink<'a> {
        Sink::default()
    }

    /// Packets of `port` are collected; whoever harvests puts them into its queue before the sink is dropped.
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

    /// How many packets are collected.
    fn gathered(&self) -> usize {
        self.room.packets.len()
    }

    /// The direction stays the thread's until what was collected is in the port's queue.
    fn keep(&mut self, socket: Arc<Socket>, side: Side, more: bool) {
        self.room.kept.push(Kept {
            socket,
            side,
            more,
            head: None,
        });
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

    /// The lists for an attempt at several heads of one direction.
    pub fn company(&mut self) -> &mut Company {
        &mut self.room.company
    }

    /// Adds a claimed head to the batch, unless it has company of its own.
    pub fn attempt_later(&mut self, socket: Arc<Socket>, side: Side, request: Box<Request>) {
        if request.operation.may_lead(&socket) && socket.direction(side).lock().queued() > 0 {
            drive(&socket, side, Some(request), None, self);
            socket.observe(Occasion::Change);
            return;
        }
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
            let mut turn = Turn::of(&socket, side, self);
            let head = turn.settle(request, attempt, None);
            turn.go_on(head, None);
            let kept = turn.kept;
            socket.observe(Occasion::Change);
            if let Some(more) = kept {
                self.keep(socket, side, more);
            }
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
    /// What was gathered is in the queue: the directions that were kept go on.
    fn drop(&mut self) {
        debug_assert!(self.room.packets.is_empty() && self.room.batch.is_empty());
        // First each is let go: others wait for those directions. Then what came behind is attempted.
        let mut kept = std::mem::take(&mut self.room.kept);
        for Kept {
            socket,
            side,
            more,
            head,
        } in &mut kept
        {
            *head = socket.direction(*side).lock().next(*more);
        }
        for Kept {
            socket, side, head, ..
        } in kept.drain(..)
        {
            if head.is_some() {
                drive_at_once(&socket, side, head, None);
                socket.observe(Occasion::Change); // who looked meanwhile saw a receive that was pending
            }
        }
        self.room.kept = kept; // its room is used again
        if self.keeps_room {
            let room = std::mem::take(&mut self.room);
            let _ = ROOM.try_with(|kept| kept.set(Some(room))); // the thread may be ending
        }
    }
}
