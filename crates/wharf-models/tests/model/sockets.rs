//! The races of a socket's direction, as scenarios: a poller, a peer, and threads that post, cancel and close.

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::socket::{Received, Socket, Status};

fn socket(receives: usize) -> (Arc<Socket>, JoinHandle<()>) {
    with_poller(Socket::new(receives))
}

fn with_worker(receives: usize) -> (Arc<Socket>, JoinHandle<()>) {
    let socket = Arc::new(Socket::new(receives));
    let worker = spawn(&socket, Socket::work);
    (socket, worker)
}

fn with_poller(socket: Socket) -> (Arc<Socket>, JoinHandle<()>) {
    let socket = Arc::new(socket);
    let poller = spawn(&socket, Socket::poll);
    (socket, poller)
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

/// Two receives; data and FIN come in one segment, hence in one edge with none after it.
pub fn data_and_fin_in_one_edge() {
    let (socket, poller) = socket(2);
    let peer = spawn(&socket, |socket| socket.peer_sends(2, true));
    socket.receive(1, 4);
    socket.receive(2, 4);
    join([peer, poller]);
    assert_eq!(
        socket.results(),
        [(1, Received::Bytes(0..2)), (2, Received::End)]
    );
}

/// Two receives that each get less than they asked for; edges come before, during and after the attempts.
pub fn edges_during_short_attempts() {
    let (socket, poller) = socket(2);
    let peer = spawn(&socket, |socket| {
        socket.peer_sends(2, false);
        socket.peer_sends(2, false);
    });
    socket.receive(1, 3);
    socket.receive(2, 3);
    join([peer, poller]);
    assert_eq!(socket.results().len(), 2);
}

/// A receive is cancelled while it is attempted, parked or finished; the next one gets what is left.
pub fn cancel_against_attempt() {
    let (socket, poller) = socket(2);
    let peer = spawn(&socket, |socket| socket.peer_sends(4, false));
    let canceller = spawn(&socket, |socket| {
        socket.cancel(1);
    });
    socket.receive(1, 2);
    socket.receive(2, 2);
    join([peer, canceller, poller]);
    let results = socket.results();
    assert!(
        results
            .iter()
            .any(|(tag, how)| *tag == 2 && matches!(how, Received::Bytes(_))),
        "{results:?}"
    );
    assert!(!results.contains(&(1, Received::Refused(Status::Aborted))));
}

/// The socket is closed while receives are posted, attempted and parked.
pub fn close_against_attempt() {
    let (socket, poller) = socket(2);
    let peer = spawn(&socket, |socket| socket.peer_sends(2, false));
    let closer = spawn(&socket, Socket::close);
    socket.receive(1, 2);
    socket.receive(2, 2);
    join([peer, closer, poller]);
    assert!(
        socket
            .results()
            .iter()
            .all(|(_, how)| *how != Received::Refused(Status::Cancelled))
    );
}

/// Two threads post at once: the order of the direction's lock is the order of the bytes.
pub fn two_pushers() {
    let (socket, poller) = socket(2);
    let peer = spawn(&socket, |socket| socket.peer_sends(4, false));
    let pusher = spawn(&socket, |socket| socket.receive(1, 2));
    socket.receive(2, 2);
    join([peer, pusher, poller]);
    assert!(
        socket
            .results()
            .iter()
            .all(|(_, how)| matches!(how, Received::Bytes(_)))
    );
}

/// A worker gathers the result of a receive while another thread posts the next one, for which there is data.
pub fn gathered_result_against_the_next_receive() {
    let (socket, worker) = with_worker(2);
    let peer = spawn(&socket, |socket| socket.peer_sends(4, false));
    socket.receive(1, 2);
    socket.receive(2, 2);
    join([peer, worker]);
    assert_eq!(socket.results().len(), 2);
}

/// A receive for which there is data comes behind whatever a worker does with the one before it, and the socket is closed.
pub fn close_behind_an_owner() {
    let (socket, worker) = with_worker(2);
    socket.receive(1, 2);
    socket.peer_sends(4, false);
    let behind = socket.receive_behind(2, 2);
    socket.attempt_owed();
    socket.close();
    join([worker]);
    let results = socket.results();
    let attempted = results.contains(&(2, Received::Bytes(2..4)));
    assert!(!behind || attempted, "D1: not attempted: {results:?}");
}

/// A worker gathers the result of a receive and finds nothing for the next one, for which data comes then; another worker
/// delivers that.
pub fn gathered_result_against_the_next_edge() {
    let (socket, worker) = with_worker(2);
    let other = spawn(&socket, Socket::work);
    socket.receive(1, 2);
    socket.receive(2, 2);
    socket.peer_sends(2, false);
    socket.peer_sends(2, false);
    join([worker, other]);
    assert_eq!(socket.results().len(), 2);
}

/// Two receives are attempted together while their datagrams come one by one, another one is posted behind them.
pub fn datagrams_during_attempt() {
    let (socket, poller) = with_poller(Socket::of_datagrams(3));
    let peer = spawn(&socket, |socket| {
        socket.peer_sends(1, false);
        socket.peer_sends(2, false);
    });
    socket.receive(1, 1);
    socket.receive(2, 1);
    socket.receive(3, 1);
    join([peer, poller]);
    assert_eq!(
        socket.results(),
        [
            (1, Received::Bytes(0..1)),
            (2, Received::Bytes(1..2)),
            (3, Received::Bytes(2..3))
        ]
    );
}

/// Two receives are attempted together, for one datagram; the second is cancelled, wherever it is.
pub fn cancel_against_company() {
    let socket = Arc::new(Socket::of_datagrams(2));
    socket.receive(1, 1);
    socket.receive(2, 1);
    let poller = spawn(&socket, Socket::poll);
    let canceller = spawn(&socket, |socket| socket.cancel(2));
    socket.peer_sends(1, false);
    join([canceller, poller]);
    let mut results = socket.results();
    results.sort_by_key(|(tag, _)| *tag);
    assert_eq!(
        results,
        [
            (1, Received::Bytes(0..1)),
            (2, Received::Refused(Status::Cancelled))
        ]
    );
}

/// Two receives are attempted together, and the socket is closed.
pub fn close_against_company() {
    let socket = Arc::new(Socket::of_datagrams(2));
    socket.receive(1, 1);
    socket.receive(2, 1);
    let poller = spawn(&socket, Socket::poll);
    let closer = spawn(&socket, Socket::close);
    socket.peer_sends(1, false);
    join([closer, poller]);
    assert_eq!(socket.results().len(), 2);
}

/// Threads hand on after one head each, while the socket may be closed.
pub fn hand_on_against_close(closes: bool) {
    let (socket, poller) = with_poller(Socket::with_share(2, 1));
    let peer = spawn(&socket, |socket| socket.peer_sends(4, false));
    let closer = closes.then(|| spawn(&socket, Socket::close));
    socket.receive(1, 2);
    socket.receive(2, 2);
    join([peer, poller].into_iter().chain(closer));
    assert_eq!(socket.results().len(), 2);
}
