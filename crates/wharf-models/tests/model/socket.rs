//! A socket's receive direction around the real `Direction`: a kernel buffer with its edge-triggered report, the
//! thread that harvests it, and requests.
//!
//! The stream's bytes are numbered, so that a result tells which bytes it took.

use std::ops::Range;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex, MutexGuard};

use super::{Bug, seeded};
use crate::direction::{Blocked, Direction, Request};

/// With what a request ends that took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Cancelled,
    Aborted,
}

/// How a receive ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// These bytes of the stream.
    Bytes(Range<usize>),
    /// The end of the stream.
    End,
    /// Nothing.
    Refused(Status),
}

/// One overlapped receive.
#[derive(Debug, PartialEq, Eq)]
pub struct Receive {
    pub tag: u32,
    pub len: usize,
}

impl Request for Receive {
    type Tag = u32;

    fn tag(&self) -> u32 {
        self.tag
    }
}

pub struct Socket {
    kernel: Mutex<Kernel>,
    poller: Condvar, // with `kernel`: an edge, or everything is done
    side: Mutex<Side>,
    watched: AtomicBool, // the descriptor is in the epoll set
    attempting: AtomicBool,
    results: Mutex<Vec<(u32, Received)>>, // in the order of delivery
    expected: usize,                      // results until everything is done
    share: usize,                         // heads a thread serves before it hands on
    together: bool, // a head is attempted with its company: each byte is a datagram
}

struct Kernel {
    arrived: usize,
    read: usize,
    fin: bool,
    watched: bool,
    edge: bool,
    retry: bool, // not the kernel's: a thread asks the poller to go on for it
    done: bool,
}

struct Side {
    direction: Direction<Receive, Status>,
    order: Vec<u32>, // in which requests were accepted
}

impl Socket {
    /// A connected socket, in no epoll set yet, on which so many receives will be posted.
    pub fn new(expected: usize) -> Self {
        let kernel = Kernel {
            arrived: 0,
            read: 0,
            fin: false,
            watched: false,
            edge: false,
            retry: false,
            done: false,
        };
        Socket {
            kernel: Mutex::new(kernel),
            poller: Condvar::new(),
            side: Mutex::new(Side {
                direction: Direction::default(),
                order: Vec::new(),
            }),
            watched: AtomicBool::new(false),
            attempting: AtomicBool::new(false),
            results: Mutex::new(Vec::new()),
            expected,
            share: usize::MAX,
            together: false,
        }
    }

    /// The same, on which receives that wait one behind the other are attempted together.
    pub fn of_datagrams(expected: usize) -> Self {
        Socket {
            together: true,
            ..Socket::new(expected)
        }
    }

    /// The same, on which a thread serves so many heads before another has to go on.
    pub fn with_share(expected: usize, share: usize) -> Self {
        Socket {
            share,
            ..Socket::new(expected)
        }
    }

    // ---- the peer ----

    /// The peer sends; with `fin` it ends its stream in the same segment.
    pub fn peer_sends(&self, len: usize, fin: bool) {
        let mut kernel = self.kernel.lock().unwrap();
        kernel.arrived += len;
        kernel.fin |= fin;
        kernel.edge |= kernel.watched;
        drop(kernel);
        self.poller.notify_one();
    }

    // ---- threads of the engine ----

    /// WSARecv.
    pub fn receive(&self, tag: u32, len: usize) {
        let pushed = {
            let mut side = self.side();
            side.order.push(tag);
            side.direction.push(Receive { tag, len })
        };
        match pushed {
            Ok(()) => self.drive(),
            Err((request, status)) => self.deliver(request.tag, Received::Refused(status)),
        }
    }

    /// CancelIoEx for one request.
    pub fn cancel(&self, tag: u32) {
        let cancelled = self
            .side()
            .direction
            .cancel(Status::Cancelled, |candidate| candidate == tag);
        for request in cancelled.removed {
            self.deliver(request.tag, Received::Refused(Status::Cancelled));
        }
        if cancelled.marked && seeded(Bug::CancelFinishesMarked) {
            self.deliver(tag, Received::Refused(Status::Cancelled));
        }
    }

    /// closesocket.
    pub fn close(&self) {
        let pending = self.side().direction.close(Status::Aborted);
        for request in pending {
            self.deliver(request.tag, Received::Refused(Status::Aborted));
        }
    }

    /// WSARecv; whether it came behind a request that somebody owns.
    pub fn receive_behind(&self, tag: u32, len: usize) -> bool {
        let behind = {
            let mut side = self.side();
            side.order.push(tag);
            let pushed = side.direction.push(Receive { tag, len });
            assert!(pushed.is_ok(), "nobody has closed it");
            side.direction.owes_attempts()
        };
        self.drive();
        behind
    }

    /// What comes before closesocket and its like: whatever counts as attempted is.
    pub fn attempt_owed(&self) {
        loop {
            let head = {
                let mut side = self.side();
                if seeded(Bug::ClosesBesideTheOwner) || !side.direction.owes_attempts() {
                    return;
                }
                side.direction.claim()
            };
            match head {
                Some(_) => self.drive_from(head),
                None => loom::thread::yield_now(),
            }
        }
    }

    /// The poller: hears edges and drives, until all results are there.
    pub fn poll(&self) {
        while let Some(ended) = self.next_edge() {
            self.side().direction.edge(ended);
            self.drive();
        }
    }

    /// The same of a worker, which gathers the results of a harvest and delivers them together.
    pub fn work(&self) {
        while let Some(ended) = self.next_edge() {
            self.side().direction.edge(ended);
            self.harvest();
        }
    }

    fn harvest(&self) {
        let mut gathered = Vec::new();
        let mut kept = None; // whether a further attempt may succeed
        let mut head = self.side().direction.claim();
        while let Some(request) = head.take() {
            if let Some(result) = self.attempt(request.len) {
                let short = matches!(&result, Received::Bytes(bytes) if bytes.len() < request.len);
                let more = !short || !self.is_watched();
                let others_wait = {
                    let mut side = self.side();
                    side.direction.finishing();
                    side.direction.queued() > 0
                };
                gathered.push((request.tag, result));
                if !others_wait && !seeded(Bug::LetGoBeforeDelivery) {
                    kept = Some(more);
                    break;
                }
                let mut side = self.side();
                head = side.direction.next(more);
                if head.is_none() && !seeded(Bug::LetGoBeforeDelivery) {
                    side.direction.keep();
                    kept = Some(false);
                }
            } else {
                if !self.is_watched() {
                    self.watch();
                }
                let mut side = self.side();
                match side.direction.would_block(request) {
                    Blocked::Parked if gathered.is_empty() => {}
                    Blocked::Parked if seeded(Bug::ParkedBeforeDelivery) => {}
                    Blocked::Parked => {
                        side.direction.keep();
                        kept = Some(false);
                    }
                    Blocked::Retry(request) => head = Some(request),
                    Blocked::Ended(..) => unreachable!("nobody cancels"),
                }
            }
        }
        self.deliver_all(gathered);
        if let Some(more) = kept {
            let head = self.side().direction.next(more);
            self.drive_from(head);
        }
    }

    /// The results in the order of their delivery; checks what holds of every history.
    pub fn results(&self) -> Vec<(u32, Received)> {
        let results = self.results.lock().unwrap().clone();
        let mut finished: Vec<_> = results.iter().map(|(tag, _)| *tag).collect();
        finished.sort();
        let mut posted = self.side().order.clone();
        posted.sort();
        assert_eq!(finished, posted, "D3: every request ends exactly once");
        assert_eq!(
            self.kernel.lock().unwrap().read,
            reported(&results),
            "D4: bytes were taken and not reported"
        );
        expect_stream_order(&results);
        let with_bytes: Vec<_> = results
            .iter()
            .filter(|(_, how)| matches!(how, Received::Bytes(_)))
            .collect();
        let order = &self.side().order;
        let rank = |tag: u32| order.iter().position(|posted| *posted == tag);
        assert!(
            with_bytes.is_sorted_by_key(|(tag, _)| rank(*tag)),
            "D1: requests were served out of order: {results:?}"
        );
        results
    }

    // ---- the owner ----

    fn drive(&self) {
        let head = self.side().direction.claim();
        self.drive_from(head);
    }

    fn drive_from(&self, mut head: Option<Receive>) {
        for _ in 0..self.share {
            let Some(request) = head else { return };
            head = match self.together {
                true => self.serve_together(request),
                false => self.serve(request),
            };
        }
        if let Some(request) = head {
            self.hand_on(request);
        }
    }

    /// The thread has done its share: the poller goes on.
    fn hand_on(&self, request: Receive) {
        let mut head = Some(request);
        while let Some(request) = head {
            let put_back = self.side().direction.put_back(request);
            head = put_back.err().and_then(|(request, status)| {
                self.announce(request, Received::Refused(status), true)
            });
        }
        if !seeded(Bug::HandOnIsSilent) {
            self.kernel.lock().unwrap().retry = true;
            self.poller.notify_one();
        }
    }

    /// One attempt at the head. Returns what to attempt next.
    fn serve(&self, request: Receive) -> Option<Receive> {
        match self.attempt(request.len) {
            None => self.would_block(request),
            Some(Received::Bytes(bytes)) => {
                let full = bytes.len() == request.len;
                let unproven = !self.is_watched() && !seeded(Bug::ShortBelievedUnwatched);
                self.finish(request, Received::Bytes(bytes), full || unproven)
            }
            Some(result) => self.finish(request, result, true),
        }
    }

    /// One attempt at the head and all that wait behind it.
    fn serve_together(&self, head: Receive) -> Option<Receive> {
        let mut requests = vec![head];
        self.side()
            .direction
            .join(&mut requests, usize::MAX, |_| true);
        let results: Vec<_> = requests
            .iter()
            .map_while(|request| self.attempt(request.len))
            .collect();
        if results.is_empty() {
            let head = requests.remove(0);
            let ended = self.side().direction.disband(&mut requests);
            self.deliver_ended(ended);
            return self.would_block(head);
        }
        let more = results.len() == requests.len() || !self.is_watched();
        self.side().direction.finishing_first(results.len());
        for (request, result) in requests.drain(..results.len()).zip(results) {
            self.deliver(request.tag, result);
        }
        let (ended, next) = {
            let mut side = self.side();
            let ended = side.direction.disband(&mut requests);
            (ended, side.direction.next(more))
        };
        self.deliver_ended(ended);
        next
    }

    fn deliver_ended(&self, ended: Vec<(Receive, Status)>) {
        for (request, status) in ended {
            self.deliver(request.tag, Received::Refused(status));
        }
    }

    fn would_block(&self, request: Receive) -> Option<Receive> {
        if !self.is_watched() && !seeded(Bug::ParkedUnwatched) {
            self.watch();
        }
        let blocked = self.side().direction.would_block(request);
        match blocked {
            Blocked::Parked => None,
            Blocked::Retry(request) => Some(request),
            Blocked::Ended(request, status) => {
                self.announce(request, Received::Refused(status), false)
            }
        }
    }

    /// The attempt answered: success wins over a cancel that came meanwhile.
    fn finish(&self, request: Receive, result: Received, more: bool) -> Option<Receive> {
        let mark = self.side().direction.finishing();
        match mark {
            Some(status) if seeded(Bug::MarkBeatsSuccess) => {
                self.announce(request, Received::Refused(status), more)
            }
            _ => self.announce(request, result, more),
        }
    }

    /// Delivers while the direction is still owned, then claims the next.
    fn announce(&self, request: Receive, result: Received, more: bool) -> Option<Receive> {
        if seeded(Bug::DeliveredAfterOwnership) {
            let next = self.side().direction.next(more);
            self.deliver(request.tag, result);
            return next;
        }
        self.deliver(request.tag, result);
        self.side().direction.next(more)
    }

    fn deliver(&self, tag: u32, result: Received) {
        self.deliver_all([(tag, result)]);
    }

    fn deliver_all(&self, delivered: impl IntoIterator<Item = (u32, Received)>) {
        let mut results = self.results.lock().unwrap();
        results.extend(delivered);
        let done = results.len() >= self.expected;
        drop(results);
        if done {
            self.kernel.lock().unwrap().done = true;
            self.poller.notify_all();
        }
    }

    // ---- the kernel ----

    /// A receive that does not block; `None` if it would.
    fn attempt(&self, len: usize) -> Option<Received> {
        // Relaxed: only the order of these two on one word matters; anything else would hide races.
        assert!(
            !self.attempting.swap(true, Ordering::Relaxed),
            "D1: two attempts at a time"
        );
        let result = self.kernel.lock().unwrap().take(len);
        self.attempting.store(false, Ordering::Relaxed);
        result
    }

    /// EPOLL_CTL_ADD: reports a state that is there already.
    fn watch(&self) {
        let mut kernel = self.kernel.lock().unwrap();
        kernel.watched = true;
        kernel.edge |= kernel.readable();
        drop(kernel);
        self.watched.store(true, Ordering::Release); // pairs with `is_watched`
        self.poller.notify_one();
    }

    fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// epoll_wait: the next edge, and whether it says that the stream ended; `None` when everything is done.
    fn next_edge(&self) -> Option<bool> {
        let mut kernel = self.kernel.lock().unwrap();
        loop {
            // What was read meanwhile is not reported any more.
            if std::mem::take(&mut kernel.edge) && kernel.readable() {
                return Some(kernel.fin);
            }
            if std::mem::take(&mut kernel.retry) {
                return Some(false);
            }
            if kernel.done {
                return None;
            }
            kernel = self.poller.wait(kernel).unwrap();
        }
    }

    fn side(&self) -> MutexGuard<'_, Side> {
        self.side.lock().unwrap()
    }
}

impl Kernel {
    fn readable(&self) -> bool {
        self.arrived > self.read || self.fin
    }

    fn take(&mut self, len: usize) -> Option<Received> {
        if !self.readable() {
            return None;
        }
        let end = self.arrived.min(self.read + len);
        let bytes = std::mem::replace(&mut self.read, end)..end;
        Some(if bytes.is_empty() {
            Received::End
        } else {
            Received::Bytes(bytes)
        })
    }
}

/// How many bytes the results report.
fn reported(results: &[(u32, Received)]) -> usize {
    let len = |result: &Received| {
        if let Received::Bytes(bytes) = result {
            bytes.len()
        } else {
            0
        }
    };
    results.iter().map(|(_, result)| len(result)).sum()
}

/// The bytes of the results follow each other in the order of delivery.
fn expect_stream_order(results: &[(u32, Received)]) {
    let mut end = 0;
    for (_, result) in results {
        if let Received::Bytes(bytes) = result {
            assert_eq!(
                bytes.start, end,
                "D1: results were delivered out of order: {results:?}"
            );
            end = bytes.end;
        }
    }
}
