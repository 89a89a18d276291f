//! A request that goes on in another direction, and a descriptor that takes another's place: DisconnectEx with
//! TF_REUSE_SOCKET, and what AcceptEx does to its accept socket.
//!
//! Both directions are the real [`Direction`]; the steps between them follow `drive.rs` (`move_to`), `cancel.rs`,
//! `disconnect.rs` and `replace_descriptor` of `socket.rs` by hand.

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread::{self, JoinHandle};

use super::{Bug, seeded};
use crate::direction::{self, Blocked, Direction};

/// What is to be done, and by which tag it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// The FIN, behind the sends; then it goes on as `Reuse` in the receive direction.
    Disconnect(u32),
    /// Waits for the end of the peer's side, then puts a fresh descriptor in the place of the old one.
    Reuse(u32),
    /// Takes so many bytes at most.
    Receive(u32, usize),
}

impl direction::Request for Request {
    type Tag = u32;

    fn tag(&self) -> u32 {
        match *self {
            Request::Disconnect(tag) | Request::Reuse(tag) | Request::Receive(tag, _) => tag,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Fresh,
    Bytes(usize),
    NoMore,
    Cancelled,
    Aborted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Send,
    Receive,
}

type Queue = Mutex<Direction<Request, End>>;

struct Socket {
    send: Queue,
    receive: Queue,
    kernel: Mutex<Kernel>,
    poller: Condvar, // with `kernel`: an edge, or everything is done
    watched: AtomicBool,
    results: Mutex<Vec<(u32, End)>>,
    expected: usize, // results until everything is done
}

#[derive(Default)]
struct Kernel {
    // of the open file that the descriptor names
    unread: usize,
    fin: bool,
    watched: bool,
    // of the epoll set
    edges: VecDeque<bool>, // each: whether the stream has ended
    done: bool,
}

impl Socket {
    fn new(kernel: Kernel, expected: usize) -> Arc<Socket> {
        Arc::new(Socket {
            send: Mutex::new(Direction::default()),
            receive: Mutex::new(Direction::default()),
            watched: AtomicBool::new(kernel.watched),
            kernel: Mutex::new(kernel),
            poller: Condvar::new(),
            results: Mutex::new(Vec::new()),
            expected,
        })
    }

    fn direction(&self, side: Side) -> MutexGuard<'_, Direction<Request, End>> {
        match side {
            Side::Send => self.send.lock().unwrap(),
            Side::Receive => self.receive.lock().unwrap(),
        }
    }

    // ---- calls ----

    fn post(&self, side: Side, request: Request) {
        let pushed = {
            let mut direction = self.direction(side);
            direction.push(request).map(|()| direction.claim())
        };
        match pushed {
            Ok(head) => self.drive(side, head),
            Err((request, status)) => self.deliver(request, status),
        }
    }

    /// CancelIoEx: whether it found the request.
    fn cancel(&self, tag: u32) -> bool {
        let sides = match seeded(Bug::CancelLooksBehindFirst) {
            true => [Side::Receive, Side::Send],
            false => [Side::Send, Side::Receive],
        };
        let cancel_side = |side| self.cancel_side(side, End::Cancelled, tag);
        sides.map(cancel_side).contains(&true)
    }

    fn cancel_side(&self, side: Side, status: End, tag: u32) -> bool {
        let cancelled = self
            .direction(side)
            .cancel(status, |candidate| candidate == tag);
        let found = cancelled.marked || !cancelled.removed.is_empty();
        for request in cancelled.removed {
            self.deliver(request, status);
        }
        found
    }

    /// closesocket.
    fn close(&self) {
        for side in [Side::Receive, Side::Send] {
            let pending = self.direction(side).close(End::Aborted);
            for request in pending {
                self.deliver(request, End::Aborted);
            }
        }
    }

    // ---- the owner ----

    fn drive(&self, side: Side, mut head: Option<Request>) {
        while let Some(request) = head {
            head = match request {
                Request::Disconnect(tag) => {
                    self.move_on(Request::Reuse(tag));
                    self.direction(side).next(true)
                }
                Request::Reuse(_) if self.kernel().fin => {
                    self.replace(Kernel::default());
                    self.finish(side, request, End::Fresh, true)
                }
                Request::Reuse(_) => self.would_block(side, request),
                Request::Receive(_, room) => match self.take(room) {
                    None => self.would_block(side, request),
                    Some(End::Bytes(bytes)) => {
                        let more = bytes == room || !self.is_watched();
                        self.finish(side, request, End::Bytes(bytes), more)
                    }
                    Some(end) => self.finish(side, request, end, true),
                },
            };
        }
    }

    /// From the send into the receive direction.
    fn move_on(&self, request: Request) {
        let early = seeded(Bug::MoveLeavesFirst).then(|| self.direction(Side::Send).finishing());
        let claimed = {
            let mut direction = self.direction(Side::Receive);
            direction.push(request).map(|()| direction.claim())
        };
        let mark = early.unwrap_or_else(|| self.direction(Side::Send).finishing());
        match claimed {
            Ok(head) => {
                if let Some(status) = mark.filter(|_| !seeded(Bug::MarkStaysBehind)) {
                    let status = match seeded(Bug::MarkIsACancel) {
                        true => End::Cancelled,
                        false => status,
                    };
                    self.cancel_side(Side::Receive, status, direction::Request::tag(&request));
                }
                self.drive(Side::Receive, head);
            }
            Err((request, status)) => self.deliver(request, status),
        }
    }

    fn would_block(&self, side: Side, request: Request) -> Option<Request> {
        if !self.is_watched() {
            self.watch();
        }
        let blocked = self.direction(side).would_block(request);
        match blocked {
            Blocked::Parked => None,
            Blocked::Retry(request) => Some(request),
            Blocked::Ended(request, status) => {
                self.deliver(request, status);
                self.direction(side).next(true)
            }
        }
    }

    fn finish(&self, side: Side, request: Request, end: End, more: bool) -> Option<Request> {
        self.direction(side).finishing();
        self.deliver(request, end);
        self.direction(side).next(more)
    }

    fn deliver(&self, request: Request, end: End) {
        let tag = direction::Request::tag(&request);
        let mut results = self.results.lock().unwrap();
        assert!(
            results.iter().all(|(other, _)| *other != tag),
            "D3: {tag} ended twice"
        );
        results.push((tag, end));
        let done = results.len() == self.expected;
        drop(results);
        if done {
            self.kernel().done = true;
            self.poller.notify_one();
        }
    }

    /// Another open file takes the place of the one that the descriptor names.
    fn replace(&self, fresh: Kernel) {
        let was_watched = {
            let mut kernel = self.kernel();
            (kernel.unread, kernel.fin) = (fresh.unread, fresh.fin);
            std::mem::take(&mut kernel.watched) // edges that were not harvested go with the old one
        };
        let renew = || {
            for side in [Side::Send, Side::Receive] {
                self.direction(side).renew();
            }
        };
        if seeded(Bug::RenewedAfterAdd) {
            if was_watched {
                self.watch();
            }
            return renew();
        }
        renew();
        if was_watched {
            self.watch();
        }
    }

    // ---- the poller ----

    /// Hears edges and drives, until all results are there.
    fn poll(&self) {
        while let Some(ended) = self.next_edge() {
            for side in [Side::Receive, Side::Send] {
                let head = {
                    let mut direction = self.direction(side);
                    direction.edge(ended);
                    direction.claim()
                };
                self.drive(side, head);
            }
        }
    }

    fn next_edge(&self) -> Option<bool> {
        let mut kernel = self.kernel();
        loop {
            if let Some(ended) = kernel.edges.pop_front() {
                return Some(ended);
            }
            if kernel.done {
                return None;
            }
            kernel = self.poller.wait(kernel).unwrap();
        }
    }

    // ---- the kernel ----

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap()
    }

    /// EPOLL_CTL_ADD: reports a state that is there already.
    fn watch(&self) {
        let mut kernel = self.kernel();
        kernel.watched = true;
        kernel.report();
        drop(kernel);
        self.watched.store(true, Ordering::Release); // pairs with `is_watched`
        self.poller.notify_one();
    }

    fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    fn peer_sends(&self, bytes: usize, fin: bool) {
        let mut kernel = self.kernel();
        kernel.unread += bytes;
        kernel.fin |= fin;
        if kernel.watched {
            kernel.report();
        }
        drop(kernel);
        self.poller.notify_one();
    }

    fn take(&self, room: usize) -> Option<End> {
        let mut kernel = self.kernel();
        match kernel.unread.min(room) {
            0 if kernel.fin => Some(End::NoMore),
            0 => None,
            bytes => {
                kernel.unread -= bytes;
                Some(End::Bytes(bytes))
            }
        }
    }

    fn results(&self) -> Vec<(u32, End)> {
        self.results.lock().unwrap().clone()
    }
}

impl Kernel {
    fn watched() -> Kernel {
        Kernel {
            watched: true,
            ..Kernel::default()
        }
    }

    fn report(&mut self) {
        if self.unread > 0 || self.fin {
            self.edges.push_back(self.fin);
        }
    }
}

fn spawn(socket: &Arc<Socket>, body: impl FnOnce(&Socket) + 'static) -> JoinHandle<()> {
    let socket = socket.clone();
    thread::spawn(move || body(&socket))
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

const REUSE: u32 = 1;

/// DisconnectEx behind a send, up to where it is the head; who calls goes on with it.
fn disconnecting(socket: &Socket) -> Option<Request> {
    let mut direction = socket.direction(Side::Send);
    let pushed = direction.push(Request::Disconnect(REUSE));
    assert!(pushed.is_ok());
    direction.claim()
}

/// The peer never ends its side: only the cancel ends a DisconnectEx that moves at this moment, so it must find it.
pub fn cancel_against_move() {
    let socket = Socket::new(Kernel::watched(), 1);
    let head = disconnecting(&socket);
    let poller = spawn(&socket, Socket::poll);
    let canceller = spawn(&socket, |socket| {
        assert!(socket.cancel(REUSE), "D5: a cancel missed what moves");
    });
    socket.drive(Side::Send, head);
    join([canceller, poller]);
    assert_eq!(socket.results(), [(REUSE, End::Cancelled)]);
}

/// The same beside the end of the peer's side: it ends once, and as cancelled only if it was found.
pub fn cancel_against_reuse() {
    let socket = Socket::new(Kernel::watched(), 1);
    let head = disconnecting(&socket);
    let poller = spawn(&socket, Socket::poll);
    let peer = spawn(&socket, |socket| socket.peer_sends(0, true));
    socket.drive(Side::Send, head);
    let found = socket.cancel(REUSE);
    join([peer, poller]);
    let results = socket.results();
    let is_cancelled = results == [(REUSE, End::Cancelled)];
    assert!(is_cancelled || results == [(REUSE, End::Fresh)]);
    assert!(found || !is_cancelled);
}

/// The socket is closed while a DisconnectEx moves.
pub fn close_against_move() {
    let socket = Socket::new(Kernel::watched(), 1);
    let head = disconnecting(&socket);
    let poller = spawn(&socket, Socket::poll);
    let closer = spawn(&socket, Socket::close);
    socket.drive(Side::Send, head);
    join([closer, poller]);
    let expected = [(REUSE, End::Aborted)];
    assert_eq!(socket.results(), expected, "D5: a close came as a cancel");
}

/// AcceptEx on a socket that was used before: data and FIN of the new connection are there, and come in one edge, while its
/// descriptor takes the place; an edge of the old one may be under way still.
pub fn edge_against_renewal() {
    let socket = Socket::new(Kernel::watched(), 2);
    socket.kernel().edges.push_back(true); // of the old connection
    let poller = spawn(&socket, Socket::poll);
    socket.replace(Kernel {
        unread: 2,
        fin: true,
        ..Kernel::default()
    });
    socket.post(Side::Receive, Request::Receive(1, 4));
    socket.post(Side::Receive, Request::Receive(2, 4));
    join([poller]);
    assert_eq!(socket.results(), [(1, End::Bytes(2)), (2, End::NoMore)]);
}

/// The same on a socket in no set, whose last receive found nothing and was not waited for.
pub fn renewal_of_an_unwatched_socket() {
    let socket = Socket::new(Kernel::default(), 2);
    {
        let mut direction = socket.direction(Side::Receive);
        direction.edge(true);
        assert!(direction.claim_unqueued(0));
        assert!(direction.next(false).is_none());
    }
    socket.replace(Kernel {
        unread: 2,
        ..Kernel::default()
    });
    let poller = spawn(&socket, Socket::poll);
    socket.post(Side::Receive, Request::Receive(1, 4));
    socket.post(Side::Receive, Request::Receive(2, 4));
    let is_exhausted = socket.direction(Side::Receive).is_exhausted();
    assert!(is_exhausted, "the end of the old stream is the new one's");
    socket.peer_sends(1, false);
    join([poller]);
    assert_eq!(socket.results(), [(1, End::Bytes(2)), (2, End::Bytes(1))]);
}
