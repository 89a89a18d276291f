//! A request's life: started, attempted, finished, delivered. Engine 1.
//!
//! Every operation on a socket, overlapped or not, is a [`Request`] in one of the socket's two directions. It
//! is finished exactly once, by whoever owns the direction or takes it out of the queue; finishing writes the
//! OVERLAPPED, then announces: event, then packet or routine, or the thread that waits for it.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE;
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::address::Address;
use super::batch::{self, Pending};
use super::direction::{self, Blocked, Turn};
use super::handle;
use super::helper;
use super::lock::Lock;
use super::object::Event;
use super::operation::{Attempt, Operation};
use super::parker::{Deadline, has_passed};
use super::port::{Packet, Port};
use super::reactor::{self, Set};
use super::socket::{Side, Socket};
use super::status::Status;
use super::thread::{self, Thread};
use super::trace::trace;

/// One operation in flight.
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    delivery: Delivery,
    origin: Option<Arc<Socket>>, // the listener, if this is the second half of an AcceptEx: it reports there
    id: u64,                     // unique
    issuer: u64,                 // the issuing thread
    patience: Patience,
}

/// What to do when an attempt would block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Wait in the queue.
    Wait,
    /// Finish with `WOULD_BLOCK`.
    None,
}

/// Where the result goes.
enum Delivery {
    None,
    Overlapped {
        overlapped: Overlapped,
        event: Option<Arc<Event>>,
        quiet: bool,
    },
    Routine {
        overlapped: Overlapped,
        routine: Routine,
        thread: Arc<Thread>,
    },
    Synchronous(Arc<Outcome>),
}

/// A completion routine.
pub type Routine = unsafe extern "system" fn(u32, u32, *mut OVERLAPPED, u32);

/// The caller's OVERLAPPED, valid until the operation has been announced.
#[derive(Clone, Copy)]
pub struct Overlapped(*mut OVERLAPPED);

// SAFETY: the caller lends the OVERLAPPED to the library, whichever thread finishes the operation.
unsafe impl Send for Overlapped {}

impl Overlapped {
    /// # Safety
    /// `pointer` stays valid until the operation started with it has been announced, or was refused.
    pub unsafe fn new(pointer: *mut OVERLAPPED) -> Overlapped {
        Overlapped(pointer)
    }

    fn address(self) -> usize {
        self.0 as usize
    }

    /// The operation is under way.
    pub fn set_pending(self) {
        self.internal()
            .store(Status::PENDING.0 as u32 as usize, Release);
    }

    fn write_result(self, status: Status, transferred: usize) {
        // SAFETY: valid by the promise of `new`; aligned as every OVERLAPPED is.
        let high = unsafe { AtomicUsize::from_ptr(&raw mut (*self.0).InternalHigh) };
        high.store(transferred, Relaxed);
        // Release: pairs with the Acquire of whoever polls Internal; InternalHigh and the buffers are visible before it.
        self.internal().store(status.0 as u32 as usize, Release);
    }

    fn internal(&self) -> &AtomicUsize {
        // SAFETY: valid by the promise of `new`; programs read it concurrently (HasOverlappedIoCompleted).
        unsafe { AtomicUsize::from_ptr(&raw mut (*self.0).Internal) }
    }

    /// The event of hEvent, if there is one. (1 is the low bit of no handle.)
    fn event(self) -> Result<Option<Arc<Event>>, Status> {
        match self.event_handle() {
            0 => Ok(None),
            handle => handle::event((handle & !1) as HANDLE).map(Some),
        }
    }

    /// The low bit of hEvent: the event only, no packet.
    fn wants_no_packet(self) -> bool {
        self.event_handle() & 1 != 0
    }

    fn event_handle(self) -> usize {
        // SAFETY: valid by the promise of `new`.
        unsafe { (*self.0).hEvent as usize }
    }
}

/// How a call wants its result.
#[derive(Clone, Copy)]
pub enum How {
    /// Asynchronously. If it is done at once, what is to be stored where is stored before it is announced.
    Overlapped(Overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE, DoneOut),
    /// By returning it: the call waits until `Deadline`.
    Waiting(Deadline),
    /// By returning it: the call does not wait.
    Immediate,
}

/// Where an overlapped call stores its results if it is done at once; each may be null.
#[derive(Clone, Copy)]
pub struct DoneOut {
    transferred: *mut u32,
    flags: *mut u32,
}

impl DoneOut {
    /// # Safety
    /// Both are null or valid for writes until the call returns.
    pub unsafe fn new(transferred: *mut u32, flags: *mut u32) -> DoneOut {
        DoneOut { transferred, flags }
    }

    fn store(self, transferred: usize) {
        for (out, value) in [(self.transferred, transferred as u32), (self.flags, 0)] {
            if !out.is_null() {
                // SAFETY: valid by the promise of `new`; C callers may pass it unaligned.
                unsafe { out.write_unaligned(value) };
            }
        }
    }
}

/// The request that a call is just starting.
pub struct Mine {
    id: u64,
    out: DoneOut,
    result: Option<Result<usize, Status>>, // if it was done within the call
}

/// What an accepted call answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Started {
    /// Done at once, with so many bytes.
    Done(usize),
    /// Reported later.
    Pending,
}

/// Stands for the OVERLAPPED of a request that nobody waits for.
const SILENT: usize = usize::MAX;

/// What cancelling selects by.
#[derive(Clone, Copy)]
pub struct Tag {
    overlapped: usize, // 0: synchronous
    issuer: u64,
    id: u64,
    has_event: bool,
    origin: usize,   // address of the listener of an AcceptEx in its second half
    acceptor: usize, // address of the accept socket of an AcceptEx in its first half
}

impl direction::Request for Box<Request> {
    type Tag = Tag;

    fn tag(&self) -> Tag {
        let (overlapped, has_event) = match &self.delivery {
            Delivery::Overlapped {
                overlapped, event, ..
            } => (overlapped.address(), event.is_some()),
            Delivery::Routine { overlapped, .. } => (overlapped.address(), false),
            Delivery::None => (SILENT, false),
            Delivery::Synchronous(_) => (0, false),
        };
        let acceptor = match &self.operation {
            Operation::AcceptInto(accept) => Arc::as_ptr(&accept.acceptor) as usize,
            _ => 0,
        };
        Tag {
            overlapped,
            issuer: self.issuer,
            id: self.id,
            has_event,
            origin: self
                .origin
                .as_ref()
                .map_or(0, |origin| Arc::as_ptr(origin) as usize),
            acceptor,
        }
    }
}

/// The result of a synchronous request, for the thread that waits for it.
pub struct Outcome {
    thread: Arc<Thread>,
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

// ---- requests and their pool ----

thread_local! {
    /// Requests to be used again, so that the steady path allocates nothing.
    static POOL: RefCell<Vec<Box<Request>>> = const { RefCell::new(Vec::new()) };
}

const POOLED_MAX: usize = 256;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Live requests, counted in several places so that threads do not meet; the sum is the count.
static LIVE: [Shard; 16] = [const { Shard(AtomicIsize::new(0)) }; 16];

#[repr(align(64))]
struct Shard(AtomicIsize);

/// How many requests are accepted and not yet delivered.
pub fn live_requests() -> usize {
    LIVE.iter()
        .map(|shard| shard.0.load(Relaxed))
        .sum::<isize>()
        .max(0) as usize
}

fn count(issuer: u64, change: isize) {
    LIVE[issuer as usize % LIVE.len()]
        .0
        .fetch_add(change, Relaxed);
}

impl Request {
    fn new(operation: Operation, delivery: Delivery, patience: Patience) -> Box<Request> {
        let issuer = thread::current_serial();
        count(issuer, 1);
        let id = NEXT_ID.fetch_add(1, Relaxed);
        let request = Request {
            operation,
            delivery,
            origin: None,
            id,
            issuer,
            patience,
        };
        match POOL.try_with(|pool| pool.borrow_mut().pop()) {
            Ok(Some(mut pooled)) => {
                *pooled = request;
                pooled
            }
            _ => Box::new(request),
        }
    }

    fn free(mut self: Box<Self>) {
        count(self.issuer, -1);
        self.operation = Operation::None;
        self.delivery = Delivery::None;
        self.origin = None;
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED_MAX {
                pool.push(self);
            }
        });
    }

    /// Makes it a receive that reports to the listener: an AcceptEx has its connection and waits for data.
    fn becomes_receive(&mut self, listener: &Arc<Socket>) {
        if let Operation::AcceptInto(accept) = &self.operation {
            self.operation = Operation::Receive(accept.first_data());
            self.origin = Some(listener.clone());
        }
    }

    /// What its end means for the sockets it used.
    fn clean_up(&self, socket: &Socket, second_half_of_accept: bool) {
        match &self.operation {
            Operation::AcceptInto(accept) => accept.acceptor.release_from_accept(),
            Operation::Receive(_) if second_half_of_accept => socket.release_from_accept(),
            _ => {}
        }
    }

    /// The status with which the request ends when its socket is closed.
    fn closing_status(&self, status: Status) -> Status {
        match self.delivery {
            Delivery::Synchronous(_) => Status::INTERRUPTED,
            _ if self.origin.is_some() => Status::CANCELLED,
            _ => status,
        }
    }
}

// ---- starting ----

/// Starts an operation that may be done within the call.
///
/// # Errors
/// Why it is refused: nothing will be reported.
pub fn start(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    how: How,
) -> Result<Started, Status> {
    match how {
        How::Overlapped(overlapped, _, out) if !socket.is_overlapped() => {
            start_blocking(socket, side, operation, overlapped, out)
        }
        How::Overlapped(overlapped, routine, out) => {
            let request = overlapped_request(socket, operation, overlapped, routine)?;
            start_overlapped(socket, side, request, out)
        }
        How::Waiting(deadline) => {
            let finished = wait_for(socket, side, operation, deadline);
            if finished.status.is_failure() {
                Err(finished.status)
            } else {
                Ok(Started::Done(finished.transferred))
            }
        }
        How::Immediate => {
            let finished = attempt_once(socket, side, operation);
            if finished.status.is_failure() {
                Err(finished.status)
            } else {
                Ok(Started::Done(finished.transferred))
            }
        }
    }
}

/// Starts an operation that always reports later, even if it is done already (AcceptEx, ConnectEx).
///
/// # Errors
/// Why it is refused: nothing will be reported.
pub fn start_pending(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    overlapped: Overlapped,
) -> Result<Started, Status> {
    let request = overlapped_request(socket, operation, overlapped, None)?;
    let claimed = push(socket, side, request)?;
    drive(socket, side, claimed, None, &mut Sink::new());
    Ok(Started::Pending)
}

/// The indication of something that is decided within the call: of a success as of an operation done at once, of a
/// failure as of one that was pending.
///
/// # Errors
/// Why it is refused: nothing will be reported.
pub fn report(socket: &Arc<Socket>, how: How, status: Status) -> Result<(), Status> {
    let How::Overlapped(overlapped, routine, _) = how else {
        return Ok(());
    };
    let request = overlapped_request(socket, Operation::None, overlapped, routine)?;
    let skip_packet = !status.is_failure() && socket.skips_packet_on_success();
    announce(socket, request, status, 0, skip_packet, &mut Sink::new());
    Ok(())
}

/// Queues an operation nobody waits for.
pub fn start_silent(socket: &Arc<Socket>, side: Side, operation: Operation) {
    let request = Request::new(operation, Delivery::None, Patience::Wait);
    if let Ok(claimed) = push(socket, side, request) {
        drive(socket, side, claimed, None, &mut Sink::new());
    }
}

/// An overlapped call on a socket that was not made for it: it blocks until it is done.
fn start_blocking(
    socket: &Arc<Socket>,
    side: Side,
    operation: Operation,
    overlapped: Overlapped,
    out: DoneOut,
) -> Result<Started, Status> {
    overlapped.set_pending();
    let event = overlapped.event()?;
    let finished = wait_for(socket, side, operation, None);
    if finished.status.is_failure() {
        return Err(finished.status);
    }
    out.store(finished.transferred);
    overlapped.write_result(finished.status, finished.transferred);
    if let Some(event) = event {
        event.set();
    }
    Ok(Started::Done(finished.transferred))
}

fn overlapped_request(
    socket: &Arc<Socket>,
    operation: Operation,
    overlapped: Overlapped,
    routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> Result<Box<Request>, Status> {
    overlapped.set_pending();
    let delivery = match routine {
        Some(_) if socket.association().is_some() => return Err(Status::INVALID),
        Some(routine) => Delivery::Routine {
            overlapped,
            routine,
            thread: thread::current(),
        },
        None => {
            let event = overlapped.event()?;
            match &event {
                Some(event) => event.reset(),
                None => socket.signalled.reset_manual(),
            }
            Delivery::Overlapped {
                overlapped,
                event,
                quiet: overlapped.wants_no_packet(),
            }
        }
    };
    thread::note_pending();
    Ok(Request::new(operation, delivery, Patience::Wait))
}

fn start_overlapped(
    socket: &Arc<Socket>,
    side: Side,
    request: Box<Request>,
    out: DoneOut,
) -> Result<Started, Status> {
    let mut mine = Mine {
        id: request.id,
        out,
        result: None,
    };
    let claimed = push(socket, side, request)?;
    drive(socket, side, claimed, Some(&mut mine), &mut Sink::new());
    match mine.result {
        Some(result) => result.map(Started::Done),
        None => Ok(Started::Pending),
    }
}

/// Queues the request; the head to be attempted, if the caller is to do it.
fn push(
    socket: &Socket,
    side: Side,
    request: Box<Request>,
) -> Result<Option<Box<Request>>, Status> {
    let mut direction = socket.direction(side).lock();
    match direction.push(request) {
        Ok(()) => Ok(direction.claim()),
        Err((request, _)) => {
            drop(direction);
            request.free();
            Err(Status::NOT_SOCKET) // closed since the handle was looked up
        }
    }
}

// ---- synchronous requests ----

/// Does the operation now, or finishes with `WOULD_BLOCK`.
pub fn attempt_once(socket: &Arc<Socket>, side: Side, operation: Operation) -> Finished {
    let outcome = Outcome::new();
    let request = Request::new(
        operation,
        Delivery::Synchronous(outcome.clone()),
        Patience::None,
    );
    let claimed = loop {
        let mut direction = socket.direction(side).lock();
        match direction.turn() {
            Turn::Free => {}
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
        if std::mem::take(&mut fruitless) {
            // What the descriptor is ready for is not what the queue waits for: do not spin on it. Everything is looked
            // at again after this: it may have used up a notification.
            let _blocked = thread::block();
            thread.parker.park(Some(Instant::now() + BREATH));
        }
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

// ---- driving a direction ----

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

// ---- finishing ----

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

    fn deliver(&mut self, port: &Arc<Port>, packet: Packet) {
        match &self.port {
            Some(own) if Arc::ptr_eq(own, port) => self.packets.push(packet),
            _ => port.arrive(packet),
        }
    }
}

/// The calling thread's own request is done within its call.
fn finish_own(
    socket: &Arc<Socket>,
    request: Box<Request>,
    status: Status,
    transferred: usize,
    mine: &mut Mine,
    sink: &mut Sink,
) {
    if status.is_failure() {
        request.free();
        mine.result = Some(Err(status));
        return;
    }
    mine.out.store(transferred);
    mine.result = Some(Ok(transferred));
    let skip = socket.skips_packet_on_success();
    announce(socket, request, status, transferred, skip, sink);
}

/// Finishes a request: exactly once, since it is consumed.
pub fn finish(
    socket: &Arc<Socket>,
    request: Box<Request>,
    status: Status,
    transferred: usize,
    sink: &mut Sink,
) {
    announce(socket, request, status, transferred, false, sink);
}

/// Finishes a request from outside; what it has already transferred is reported.
fn finish_cut_short(socket: &Arc<Socket>, request: Box<Request>, status: Status, sink: &mut Sink) {
    if let Operation::Connect(..) = request.operation {
        socket.abandon_connect();
    }
    let (status, transferred) = request.operation.cut_short(status);
    finish(socket, request, status, transferred, sink);
}

fn announce(
    socket: &Arc<Socket>,
    mut request: Box<Request>,
    status: Status,
    transferred: usize,
    skip_packet: bool,
    sink: &mut Sink,
) {
    let origin = request.origin.take();
    if let Some(listener) = &origin {
        listener.note_data_came(socket);
    }
    request.clean_up(socket, origin.is_some());
    let target = origin.as_ref().unwrap_or(socket);
    trace!(
        "finish socket={:p} id={} {status:?} bytes={transferred}",
        Arc::as_ptr(target),
        request.id
    );
    match std::mem::replace(&mut request.delivery, Delivery::None) {
        Delivery::None => request.free(),
        Delivery::Overlapped {
            overlapped,
            event,
            quiet,
        } => {
            let packet_to = target.association().filter(|_| !quiet && !skip_packet);
            request.free();
            overlapped.write_result(status, transferred);
            match event {
                Some(event) => event.set(),
                None if target.skips_event() => {}
                None => target.signalled.set(),
            }
            if let Some((port, key)) = packet_to {
                let bytes = transferred as u32;
                sink.deliver(
                    port,
                    Packet {
                        key: *key,
                        overlapped: overlapped.address(),
                        bytes,
                        status,
                    },
                );
            }
        }
        Delivery::Routine {
            overlapped,
            routine,
            thread,
        } => {
            request.free();
            overlapped.write_result(status, transferred);
            let error = if status.is_failure() {
                status.to_winsock()
            } else {
                0
            };
            let call = move || {
                let Overlapped(overlapped) = { overlapped };
                // SAFETY: the program gave this routine for this OVERLAPPED, which is its own again.
                unsafe { routine(error, transferred as u32, overlapped, 0) }
            };
            thread.queue_apc(Box::new(call));
        }
        Delivery::Synchronous(outcome) => {
            let connection = match &mut request.operation {
                Operation::TakeConnection(connection) => connection.take(),
                _ => None,
            };
            request.free();
            *outcome.result.lock() = Some(Finished {
                status,
                transferred,
                connection,
            });
            outcome.thread.parker.unpark();
        }
    }
}

// ---- cancelling ----

fn cancel_side(
    socket: &Arc<Socket>,
    side: Side,
    status: Status,
    select: impl Fn(Tag) -> bool,
) -> bool {
    let cancelled = socket.direction(side).lock().cancel(status, select);
    let found = cancelled.marked || !cancelled.removed.is_empty();
    for request in cancelled.removed {
        finish_cut_short(socket, request, status, &mut Sink::new());
    }
    found
}

/// Cancels the overlapped operations on `socket` that `select` chooses; whether there were any.
fn cancel_on(socket: &Arc<Socket>, select: impl Fn(Tag) -> bool) -> bool {
    let is_overlapped = |tag: Tag| ![0, SILENT].contains(&tag.overlapped);
    let own = |tag: Tag| is_overlapped(tag) && tag.origin == 0 && select(tag);
    let mut found = false;
    for side in Side::ALL {
        found |= cancel_side(socket, side, Status::CANCELLED, own);
    }
    let listener = Arc::as_ptr(socket) as usize;
    for acceptor in socket.moved_to() {
        let moved = |tag: Tag| tag.origin == listener && select(tag);
        found |= cancel_side(&acceptor, Side::Receive, Status::CANCELLED, moved);
    }
    found
}

/// CancelIoEx: all operations on the socket, or the one with that OVERLAPPED.
///
/// # Errors
/// `NOT_FOUND` when there is none.
pub fn cancel(socket: &Arc<Socket>, overlapped: *const OVERLAPPED) -> Result<(), Status> {
    let wanted = overlapped as usize;
    let found = cancel_on(socket, |tag| wanted == 0 || tag.overlapped == wanted);
    if found {
        Ok(())
    } else {
        Err(Status::NOT_FOUND)
    }
}

/// CancelIo: the operations that the calling thread issued.
pub fn cancel_own(socket: &Arc<Socket>) {
    let issuer = thread::current_serial();
    cancel_on(socket, |tag| tag.issuer == issuer);
}

/// The accept socket of a pending AcceptEx is closed: that AcceptEx ends.
pub fn cancel_accept(listener: &Arc<Socket>, acceptor: *const Socket) {
    cancel_side(listener, Side::Receive, Status::CANCELLED, |tag| {
        tag.acceptor == acceptor as usize
    });
}

/// The thread ends: so do its operations on sockets without a port, and those with an event; and a synchronous one
/// that it leaves from inside an APC, whose buffers may be on the stack that is about to go.
pub fn thread_exits(issuer: u64) {
    for socket in handle::sockets() {
        let on_port = socket.association().is_some();
        cancel_on(&socket, |tag| {
            tag.issuer == issuer && (!on_port || tag.has_event)
        });
        for side in Side::ALL {
            let left_behind = |tag: Tag| tag.issuer == issuer && tag.overlapped == 0;
            cancel_side(&socket, side, Status::CANCELLED, left_behind);
            while socket.direction(side).lock().is_attempting(left_behind) {
                std::thread::yield_now(); // an attempt does not block
            }
        }
    }
}

/// The socket is closed: everything pending on it ends with `status` (or what its kind calls for).
pub fn close(socket: &Arc<Socket>, status: Status) {
    let close_side = |side: Side| socket.direction(side).lock().close(status);
    let ended: Vec<_> = Side::ALL.into_iter().flat_map(close_side).collect();
    for request in ended {
        let status = request.closing_status(status);
        finish_cut_short(socket, request, status, &mut Sink::new());
    }
    let listener = Arc::as_ptr(socket) as usize;
    for acceptor in socket.moved_to() {
        cancel_side(&acceptor, Side::Receive, Status::CANCELLED, |tag| {
            tag.origin == listener
        });
    }
}
