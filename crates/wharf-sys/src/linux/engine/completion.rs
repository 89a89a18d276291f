//! A request's life from the call to the one delivery: started, finished, announced. Engine 1.
//!
//! Every operation on a socket, overlapped or not, is a [`Request`] in one of the socket's directions. It is finished
//! exactly once, by whoever owns the direction or takes it out of the queue; finishing writes the OVERLAPPED, then
//! announces: event, then packet or routine, or the thread that waits for it.
//!
//! Attempting is in `drive.rs`, waiting for a result in `synchronous.rs`, ending from outside in `cancel.rs`.

use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE;

use super::deferral;
use super::drive::{Sink, drive_at_once};
use super::operation::Operation;
use super::port::Packet;
use super::request::{Delivery, DoneOut, How, Mine, Overlapped, Request, Routine, Started};
use super::synchronous::{Finished, attempt_once, wait_for, wait_for_overlapped};
use crate::platform::objects::object::Event;
use crate::platform::sockets::socket::{Side, Socket};
use crate::platform::status::Status;
use crate::platform::threads::thread::Thread;
use crate::platform::trace::trace;

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
        How::Waiting(deadline) => returned(wait_for(socket, side, operation, deadline)),
        How::Immediate => returned(attempt_once(socket, side, operation)),
    }
}

/// What a call returns that waited for its result.
fn returned(finished: Finished) -> Result<Started, Status> {
    match finished.status {
        Status::BUFFER_OVERFLOW => Ok(Started::Cut(finished.transferred)),
        status if status.is_failure() => Err(status),
        _ => Ok(Started::Done(finished.transferred)),
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
    drive_at_once(socket, side, claimed, None);
    Ok(Started::Pending)
}

/// The indication of something that is decided within the call: of a success as of an operation done at once, of a
/// failure as of one that was pending.
///
/// # Errors
/// Why it is refused: nothing will be reported.
pub fn report(
    socket: &Arc<Socket>,
    how: How,
    status: Status,
    transferred: usize,
) -> Result<(), Status> {
    let skip_packet = !status.is_failure() && socket.skips_packet_on_success();
    report_decided(socket, how, status, transferred, skip_packet)
}

/// As [`report`], of something that answers as if it were decided later.
///
/// # Errors
/// Why it is refused: nothing will be reported.
pub fn report_later(
    socket: &Arc<Socket>,
    how: Option<How>,
    status: Status,
    transferred: usize,
) -> Result<(), Status> {
    how.map_or(Ok(()), |how| {
        report_decided(socket, how, status, transferred, false)
    })
}

fn report_decided(
    socket: &Arc<Socket>,
    how: How,
    status: Status,
    transferred: usize,
    skip_packet: bool,
) -> Result<(), Status> {
    let How::Overlapped(overlapped, routine, _) = how else {
        return Ok(());
    };
    if !socket.is_overlapped() {
        let event = overlapped.event()?;
        finish_blocking(overlapped, event, status, transferred);
        return Ok(());
    }
    let request = overlapped_request(socket, Operation::None, overlapped, routine)?;
    announce(
        socket,
        request,
        status,
        transferred,
        skip_packet,
        &mut Sink::new(),
    );
    Ok(())
}

/// Queues an operation nobody waits for.
pub fn start_silent(socket: &Arc<Socket>, side: Side, operation: Operation) {
    let request = Request::new(operation, Delivery::None);
    if let Ok(claimed) = push(socket, side, request) {
        drive_at_once(socket, side, claimed, None);
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
    let finished = wait_for_overlapped(socket, side, operation, overlapped);
    let (status, transferred) = (finished.status, finished.transferred);
    let started = returned(finished)?;
    out.store(transferred);
    finish_blocking(overlapped, event, status, transferred);
    Ok(started)
}

/// What a successful call on such a socket leaves: the status block and the event, nothing else.
fn finish_blocking(
    overlapped: Overlapped,
    event: Option<Arc<Event>>,
    status: Status,
    transferred: usize,
) {
    overlapped.write_result(status, transferred);
    if let Some(event) = event {
        event.set();
    }
}

fn overlapped_request(
    socket: &Arc<Socket>,
    operation: Operation,
    overlapped: Overlapped,
    routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> Result<Box<Request>, Status> {
    let on_port = socket.association().is_some();
    let delivery = Delivery::new(overlapped, routine, on_port, &socket.signalled)?;
    Ok(Request::new(operation, delivery))
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
    if let Some(port) = deferral::port_for(socket, &request) {
        return deferral::push(port, socket, side, request).map(|()| Started::Pending);
    }
    let claimed = push(socket, side, request)?;
    drive_at_once(socket, side, claimed, Some(&mut mine));
    match mine.result {
        Some(result) => result.map(Started::Done),
        None => Ok(Started::Pending),
    }
}

/// Queues the request; the head to be attempted, if the caller is to do it.
pub fn push(
    socket: &Socket,
    side: Side,
    request: Box<Request>,
) -> Result<Option<Box<Request>>, Status> {
    let mut direction = socket.direction(side).lock();
    match direction.push(request) {
        Ok(()) => {
            let head = direction.claim();
            drop(direction);
            if head.is_none() {
                socket.parked(); // it waits for an edge, or for who is at it
            }
            Ok(head)
        }
        Err((request, _)) => {
            drop(direction);
            Err(closed_meanwhile(request))
        }
    }
}

/// The socket was closed since its handle was looked up.
pub fn closed_meanwhile(request: Box<Request>) -> Status {
    request.free();
    Status::NOT_SOCKET
}

// ---- finishing ----

/// The calling thread's own request is done within its call.
pub fn finish_own(
    socket: &Arc<Socket>,
    request: Box<Request>,
    status: Status,
    transferred: usize,
    mine: &mut Mine,
    sink: &mut Sink<'_>,
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
    sink: &mut Sink<'_>,
) {
    announce(socket, request, status, transferred, false, sink);
}

/// Finishes a request from outside; what it has already transferred is reported.
pub fn finish_cut_short(
    socket: &Arc<Socket>,
    request: Box<Request>,
    status: Status,
    sink: &mut Sink<'_>,
) {
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
    sink: &mut Sink<'_>,
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
                _ if target.ends_with_cleanup() => {}
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
            if target.ends_with_cleanup() {
                overlapped.write_result(status, transferred);
            } else {
                queue_routine(overlapped, routine, &thread, status, transferred);
            }
        }
        Delivery::Synchronous(outcome) => {
            let connection = match &mut request.operation {
                Operation::TakeConnection(connection) => connection.take(),
                _ => None,
            };
            request.free();
            outcome.finish(Finished {
                status,
                transferred,
                connection,
            });
        }
    }
}

/// Announces by a completion routine: an APC of the thread that issued the operation.
pub fn queue_routine(
    overlapped: Overlapped,
    routine: Routine,
    thread: &Thread,
    status: Status,
    transferred: usize,
) {
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
