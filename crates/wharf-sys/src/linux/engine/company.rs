//! Heads of a direction that one system call attempts together: datagrams that wait one behind the other.
//!
//! The owner takes the head's company out of the queue, attempts all of them, and delivers what the first ones got, in
//! their order. The rest goes back to the front of the queue as if it had not been attempted.

use std::sync::Arc;

use super::completion::{finish, finish_cut_short};
use super::drive::{Sink, Turn};
use super::operation::Attempt;
use super::request::Request;
use crate::platform::sockets::datagram::{SEVERAL_MAX, attempt_several};
use crate::platform::sockets::socket::{Side, Socket};
use crate::platform::status::Status;
use crate::platform::trace::trace;

/// A burst may be of one datagram: so many receives are tried first, and as many as possible if that was not enough.
const RECEIVES_FIRST: usize = 16;

/// The lists of one attempt. Their memory is kept for the next.
#[derive(Default)]
pub struct Company {
    #[allow(clippy::vec_box)] // a request does not move while the kernel reads it
    requests: Vec<Box<Request>>,
    outcomes: Vec<Attempt>,
}

impl Turn<'_, '_> {
    /// Attempts the head with its company, and what follows; the next head, if the caller goes on as owner. `first`: nothing was
    /// attempted just before.
    pub fn attempt_together(
        &mut self,
        mut head: Box<Request>,
        first: bool,
    ) -> Option<Box<Request>> {
        if self.direction().lock().queued() == 0 {
            let attempt = head.operation.attempt(self.socket);
            return self.settle(head, attempt, None);
        }
        let mut company = std::mem::take(self.sink.company());
        company.requests.push(head);
        let most = match self.side {
            Side::Receive if first => RECEIVES_FIRST,
            _ => SEVERAL_MAX,
        };
        let mut direction = self.direction().lock();
        direction.join(&mut company.requests, most, |next| {
            next.operation.may_join()
        });
        drop(direction);
        let next = self.attempt_all(&mut company);
        *self.sink.company() = company;
        next
    }

    fn attempt_all(
        &mut self,
        Company { requests, outcomes }: &mut Company,
    ) -> Option<Box<Request>> {
        let socket = self.socket;
        let more = attempt_several(socket, self.side, requests, outcomes);
        if let Some(attempt) = outcomes.pop_if(|first| !matches!(first, Attempt::Finished { .. })) {
            let head = requests.remove(0);
            let ended = self.direction().lock().disband(requests);
            finish_ended(socket, ended, self.sink);
            return self.settle(head, attempt, None);
        }
        let closing = self.direction().lock().finishing_first(outcomes.len());
        for (request, outcome) in requests.drain(..outcomes.len()).zip(outcomes.drain(..)) {
            self.deliver(request, outcome, closing);
        }
        let has_gathered = self.has_gathered();
        let (ended, next, waits, keeps) = {
            let mut direction = self.direction().lock();
            let ended = direction.disband(requests);
            let keeps = has_gathered || !ended.is_empty(); // these are gathered too
            let next = direction.next(more || !socket.is_watched());
            if next.is_none() && keeps {
                direction.keep();
            }
            (ended, next, direction.queued() > 0, keeps)
        };
        finish_ended(socket, ended, self.sink);
        if next.is_none() {
            if waits {
                socket.parked();
            }
            if keeps {
                return self.keep(false);
            }
        }
        next
    }

    fn deliver(&mut self, request: Box<Request>, outcome: Attempt, closing: Option<Status>) {
        trace!(
            "attempt socket={:p} {:?} id={} together -> {outcome:?}",
            Arc::as_ptr(self.socket),
            self.side,
            request.id
        );
        let Attempt::Finished {
            status,
            transferred,
            ..
        } = outcome
        else {
            unreachable!("what follows a result is one");
        };
        // An attempt beside a close sees what the close did to the socket; the close is what happened.
        let status = match closing {
            Some(closing) if transferred == 0 && request.operation.is_receive() => {
                request.closing_status(closing)
            }
            _ => status,
        };
        finish(self.socket, request, status, transferred, self.sink);
    }
}

/// Those that were cancelled while they were attempted to no end.
fn finish_ended(socket: &Arc<Socket>, ended: Vec<(Box<Request>, Status)>, sink: &mut Sink<'_>) {
    for (request, status) in ended {
        let status = request.closing_status(status);
        finish_cut_short(socket, request, status, sink);
    }
}
