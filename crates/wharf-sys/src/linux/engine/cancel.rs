//! Ending requests from outside: CancelIo, CancelIoEx, CancelSynchronousIo, closing, and the end of a thread.
//!
//! A request that waits is taken out of its queue and finished; one under attempt is marked, and its owner finishes it.

use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};

use windows_sys::Win32::System::IO::OVERLAPPED;

use super::completion::finish_cut_short;
use super::drive::Sink;
use super::request::{SILENT, Tag};
use crate::platform::objects::handle;
use crate::platform::objects::notification;
use crate::platform::sockets::socket::{Side, Socket};
use crate::platform::status::Status;
use crate::platform::threads::thread::{self, Thread};

/// Cancels the requests of one direction that `select` chooses; whether there were any.
pub fn cancel_side(
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
    if found && !socket.is_watched() {
        socket.retry_side(side); // a synchronous head needed no edge; the next may
    }
    found
}

/// Cancels the operations on `socket` that `select` chooses, overlapped or not; whether there were any.
fn cancel_on(socket: &Arc<Socket>, select: impl Fn(Tag) -> bool) -> bool {
    let own = |tag: Tag| tag.overlapped != SILENT && tag.origin() == 0 && select(tag);
    let mut found = false;
    socket.attempt_all_deferred(); // they have gone, as far as anybody can tell
    for side in socket.sides() {
        found |= cancel_side(socket, side, Status::CANCELLED, own);
    }
    let listener = Arc::as_ptr(socket) as usize;
    for acceptor in socket.moved_to() {
        let moved = |tag: Tag| tag.origin() == listener && select(tag);
        found |= cancel_side(&acceptor, Side::Receive, Status::CANCELLED, moved);
    }
    found
}

/// CancelIoEx: all operations on the socket, those too that a thread blocks in, or the one with that OVERLAPPED.
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

/// CancelSynchronousIo: the operations that the thread blocks in. (Several, if it runs APCs meanwhile.)
///
/// # Errors
/// `NOT_FOUND` when there is none.
pub fn cancel_synchronous(thread: &Thread) -> Result<(), Status> {
    let issuer = thread.serial();
    let theirs = |tag: Tag| tag.is_synchronous && tag.issuer == issuer;
    let mut found = notification::cancel_synchronous(issuer);
    for socket in handle::sockets() {
        found |= cancel_on(&socket, theirs);
    }
    if found {
        Ok(())
    } else {
        Err(Status::NOT_FOUND)
    }
}

/// The accept socket of a pending AcceptEx is closed: that AcceptEx ends.
pub fn cancel_accept(listener: &Arc<Socket>, acceptor: *const Socket) {
    cancel_side(listener, Side::Receive, Status::CANCELLED, |tag| {
        tag.acceptor() == acceptor as usize
    });
}

/// The thread ends: so do its operations on sockets without a port, and those with an event; and a synchronous one
/// that it leaves from inside an APC, whose buffers may be on the stack that is about to go.
pub fn thread_exits(issuer: u64) {
    notification::thread_exits(issuer);
    for socket in handle::sockets() {
        let on_port = socket.association().is_some();
        cancel_on(&socket, |tag| {
            tag.issuer == issuer && (!on_port || tag.has_event)
        });
        for side in socket.sides() {
            let left_behind = |tag: Tag| tag.issuer == issuer && tag.is_synchronous;
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
    // All of them, made or not: a receive of urgent data that comes now must find its side closed.
    let sides = [Side::Receive, Side::Send, Side::Urgent].into_iter();
    fence(SeqCst); // pairs with `await_change`, which looks for the close after it has made its side
    let sides = sides.chain(socket.change_sides());
    let ended: Vec<_> = sides.flat_map(close_side).collect();
    for request in ended {
        let status = request.closing_status(status);
        finish_cut_short(socket, request, status, &mut Sink::new());
    }
    let listener = Arc::as_ptr(socket) as usize;
    for acceptor in socket.moved_to() {
        cancel_side(&acceptor, Side::Receive, Status::CANCELLED, |tag| {
            tag.origin() == listener
        });
    }
}
