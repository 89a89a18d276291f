//! Several datagrams of one socket in one system call, for requests that wait one behind the other: recvmmsg and sendmmsg.
//!
//! The kernel does for each what it would do for it alone, in their order, and stops at the first that blocks or fails. If
//! there are results before that one it says nothing of it: it is as if the call had not come to it. Of a receive the next
//! attempt says the same, for a failure stays in the socket until a call tells it; of a send the next attempt says it anew.

use std::mem::MaybeUninit;
use std::sync::Arc;

use super::super::socket::{FLAG_ERRORS, Side, Socket};
use super::attempt::{Envelope, FLAGS};
use crate::platform::engine::operation::{Attempt, Operation};
use crate::platform::engine::request::Request;
use crate::platform::system;

/// The most in one call.
pub const SEVERAL_MAX: usize = 64;

impl Operation {
    /// Whether one call may attempt it together with those behind it.
    pub fn may_lead(&self, socket: &Socket) -> bool {
        self.may_join() && !(self.is_receive() && socket.has(FLAG_ERRORS))
    }

    /// Whether one call may attempt it together with those before it.
    pub fn may_join(&self) -> bool {
        match self {
            Operation::ReceiveDatagram(receive) => receive.takes(),
            Operation::SendDatagram(send) => send.leaves(),
            _ => false,
        }
    }

    fn message(&mut self, socket: &Socket, place: &mut MaybeUninit<Envelope>) -> libc::msghdr {
        match self {
            Operation::ReceiveDatagram(receive) => receive.message(socket, place),
            Operation::SendDatagram(send) => send.message(),
            _ => unreachable!("only these join"),
        }
    }
}

/// One attempt at all of `requests`, which are heads of that direction. The outcomes are those of the first ones, at least
/// of the very first; only that one may have come to no end. Returns whether a further attempt may succeed.
#[inline(never)] // it takes some room on the stack, which its callers seldom need
pub fn attempt_several(
    socket: &Arc<Socket>,
    side: Side,
    requests: &mut [Box<Request>],
    outcomes: &mut Vec<Attempt>,
) -> bool {
    let mut envelopes = [const { MaybeUninit::<Envelope>::uninit() }; SEVERAL_MAX];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; SEVERAL_MAX];
    let count = requests.len().min(SEVERAL_MAX);
    let places = envelopes.iter_mut().zip(&mut messages);
    for (request, (envelope, message)) in requests.iter_mut().zip(places) {
        message.write(libc::mmsghdr {
            msg_hdr: request.operation.message(socket, envelope),
            msg_len: 0,
        });
    }
    let (fd, first, flags) = (socket.fd(), messages.as_mut_ptr().cast(), FLAGS);
    let result = match side {
        // SAFETY: `count` messages were written. What they name is the callers' of the requests until these are finished, or
        // lies in the envelopes and in the requests, which are boxed.
        Side::Send => unsafe { libc::sendmmsg(fd, first, count as u32, flags) },
        // SAFETY: likewise.
        _ => unsafe { libc::recvmmsg(fd, first, count as u32, flags, std::ptr::null_mut()) },
    };
    let result = system::outcome(result as isize);
    if result < 0 {
        // SAFETY: filled for this call.
        let outcome = unsafe {
            requests[0]
                .operation
                .completed(socket, result, &envelopes[0])
        };
        outcomes.push(outcome);
        return true;
    }
    let done = result as usize;
    if done < count && side == Side::Send {
        socket.note_errors(); // what stopped it may have been told of an earlier one
    }
    let places = envelopes.iter_mut().zip(&messages);
    for (request, (envelope, message)) in requests[..done].iter_mut().zip(places) {
        // SAFETY: written above, and by the kernel.
        let message = unsafe { message.assume_init_ref() };
        Envelope::put(envelope, message.msg_hdr);
        let bytes = message.msg_len as i32;
        // SAFETY: filled for this call, which has a result for it.
        outcomes.push(unsafe { request.operation.completed(socket, bytes, envelope) });
    }
    done == count || side == Side::Send || stopped_at_a_failure(socket)
}

/// Whether a call for several receives may have stopped at a failure, which the kernel keeps for the next call without an edge.
fn stopped_at_a_failure(socket: &Socket) -> bool {
    system::poll_now(socket.fd(), 0) & libc::POLLERR != 0
}
