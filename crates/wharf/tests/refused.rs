//! Starts that fail at once: no operation has two owners, none loses anything.

mod common;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use common::{Counted, connected, datagrams, listener, loopback, pair, take, under_wine};
use wharf::{
    ACCEPT_ROOM, CompletionPort, Error, Finished, Operation, PollEntry, Readiness, Refused,
    Request, Socket, poll, sleep_alertable,
};
use wharf_sys::owned::REPORTS_WARNINGS;

/// Longer than any datagram.
static TOO_LONG: [u8; 70_000] = [0; 70_000];

/// How long a second report of an operation may take, which must not come.
const A_MOMENT: Duration = Duration::from_millis(100);

struct Buffer {
    data: [u8; 4],
    _counted: Counted,
}

fn buffer(live: &Arc<AtomicUsize>) -> Operation<Buffer> {
    Operation::new(Buffer {
        data: [0; 4],
        _counted: Counted::new(live),
    })
}

/// A start whose operation cannot be what was asked for, on either of two sockets: one that has a datagram of sixteen bytes
/// waiting, and its peer.
type Start = for<'a> fn(&'a mut Buffer) -> Request<'a>;

const STARTS: [(bool, Start); 3] = [
    (true, |buffer| Request::receive(&mut buffer.data)),
    (true, |buffer| Request::receive_from(&mut buffer.data)),
    (false, |_| Request::send(&TOO_LONG)),
];

/// Two datagram sockets; one has a datagram waiting.
fn full_and_peer() -> (Socket, Socket) {
    let (full, peer) = connected();
    peer.send(b"longer than four").unwrap();
    poll(&mut [PollEntry::new(&full, Readiness::READ)], None).unwrap();
    (full, peer)
}

/// What is told once, by the start or by the report.
#[track_caller]
fn assert_once(refused: Option<Refused<Buffer>>, reported: Option<Finished<Buffer>>) {
    let (error, operation) = match (refused, reported) {
        (Some(refused), None) => (refused.error, refused.operation),
        (None, Some(finished)) => (finished.result.unwrap_err(), finished.operation),
        (None, None) => panic!("the operation is nobody's"),
        both => {
            std::mem::forget(both);
            panic!("the operation has two owners");
        }
    };
    assert!([Error::MESSAGE_SIZE, Error::MORE_DATA].contains(&error));
    drop(operation);
}

#[test]
fn what_does_not_fit_is_told_once_with_a_port() {
    let live = Arc::default();
    for (receives, start) in STARTS {
        let port = CompletionPort::<Buffer>::new(0).unwrap();
        let (full, peer) = full_and_peer();
        let socket = if receives { &full } else { &peer };
        let socket = port.associate(socket.try_clone().unwrap(), 0).unwrap();
        let refused = socket.start(buffer(&live), start).err();
        if receives && REPORTS_WARNINGS {
            assert!(refused.is_none(), "it has run");
        }
        let packet = port.take(Some(A_MOMENT)).unwrap();
        let reported = packet.map(|packet| Finished {
            operation: packet.operation.unwrap(),
            bytes: packet.bytes,
            result: packet.result,
        });
        assert_once(refused, reported);
        assert_eq!(live.load(SeqCst), 0);
    }
}

#[test]
fn what_does_not_fit_is_told_once_with_a_routine() {
    thread_local!(static CAME: RefCell<Option<Finished<Buffer>>> = const { RefCell::new(None) });
    let live = Arc::default();
    for (receives, start) in STARTS {
        let (full, peer) = full_and_peer();
        let socket = if receives { &full } else { &peer };
        let started = socket.start_with_routine(buffer(&live), start, |finished| {
            CAME.set(Some(finished));
        });
        sleep_alertable(Some(A_MOMENT));
        assert_once(started.err(), CAME.take());
        assert_eq!(live.load(SeqCst), 0);
    }
}

#[test]
fn what_does_not_fit_is_told_once_with_an_event() {
    let live = Arc::default();
    for (receives, start) in STARTS {
        let (full, peer) = full_and_peer();
        let socket = if receives { &full } else { &peer };
        match socket.start_with_event(buffer(&live), start) {
            Ok(pending) => assert_once(None, Some(pending.wait())),
            Err(refused) => assert_once(Some(refused), None),
        }
        assert_eq!(live.load(SeqCst), 0);
    }
}

/// More pieces than a system may take at once.
#[test]
fn many_pieces_are_told_once() {
    let live = Arc::default();
    let port = CompletionPort::<Buffer>::new(0).unwrap();
    let (one, _other) = pair();
    let one = port.associate(one, 0).unwrap();
    let refused = one.start(buffer(&live), |buffer| {
        Request::send_vectored(std::iter::repeat_n(&buffer.data[..], 1500))
    });
    let refused = refused.err();
    let packet = port.take(Some(A_MOMENT)).unwrap();
    assert_ne!(refused.is_some(), packet.is_some());
    drop((refused, packet));
    assert_eq!(live.load(SeqCst), 0);
}

/// Windows counts in 32 bits.
#[test]
fn pieces_beyond_what_is_counted_are_refused() {
    const PIECE: usize = 1 << 20;
    const COUNT: usize = 4097; // 4 GiB and a piece
    let (one, _other) = pair();
    one.set_nonblocking(true).unwrap(); // lest a failure take long
    let piece = vec![0; PIECE];
    let pieces = std::iter::repeat_n(&piece[..], COUNT);
    assert_eq!(one.send_vectored(pieces), Err(Error::INVALID));
    let started = one.start_with_event(Operation::new(piece), |piece| {
        Request::send_vectored(std::iter::repeat_n(&piece[..], COUNT))
    });
    let refused = started.unwrap_err();
    assert_eq!(refused.operation.len(), PIECE);
    assert_eq!(refused.error, Error::INVALID);
}

#[test]
fn a_refused_start_leaves_what_the_last_has_brought() {
    let port = CompletionPort::<()>::new(0).unwrap();
    let listener = port.associate(listener(), 0).unwrap();
    listener.start_accept(().into()).unwrap();
    let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
    let operation = take(&port).operation.unwrap();

    // Neither a socket without a peer, nor posting it, takes the connection away.
    let idle = Socket::stream_for(loopback()).unwrap();
    let refused = idle.start_with_event(operation, |()| Request::send(b"x"));
    let refused = refused.unwrap_err();
    let refused = idle.start_with_routine(refused.operation, |()| Request::accept(), drop);
    port.post_operation(refused.unwrap_err().operation, 0, 0)
        .unwrap();
    let mut operation = take(&port).operation.unwrap();
    let accepted = operation.take_accepted().unwrap();
    assert_eq!(accepted.peer_addr(), client.local_addr().unwrap());
    let server = accepted.into_socket(&listener).unwrap();
    server.send(b"x").unwrap();
    assert_eq!(client.recv(&mut [0; 2]), Ok(1));
    assert!(operation.take_accepted().is_none());

    let (one, other, to) = datagrams();
    let operation = Operation::new([0; 4]);
    let pending = other.start_with_event(operation, |buffer| Request::receive_from(buffer));
    one.send_to(b"x", to).unwrap();
    let operation = pending.unwrap().wait().operation;
    let refused = idle.receive_with_event(operation, |buffer| buffer);
    let operation = refused.unwrap_err().operation;
    assert_eq!(operation.received_from(), one.local_addr().ok());
}

#[test]
fn an_accept_without_room_for_addresses_is_refused() {
    let listener = listener();
    let operation = Operation::new([7; ACCEPT_ROOM - 1]);
    let mut refused = listener
        .start_with_event(operation, |buffer| Request::accept_and_receive(buffer))
        .unwrap_err();
    assert_eq!(refused.error, Error::FAULT);
    assert_eq!(refused.operation[0], 7);
    assert!(refused.operation.take_accepted().is_none());
}

#[test]
fn a_refused_accept_has_no_connection() {
    let port = CompletionPort::<()>::new(0).unwrap();
    let idle = port
        .associate(Socket::stream_for(loopback()).unwrap(), 0)
        .unwrap();
    idle.bind(loopback()).unwrap(); // but it does not listen
    if under_wine() {
        return; // it waits for ever
    }
    let refused = idle.start_accept(().into()).unwrap_err();
    assert_eq!(refused.error, Error::INVALID);
    let mut operation = refused.operation;
    assert!(operation.take_accepted().is_none());
}

#[test]
fn datagrams_are_refused_by_their_address() {
    let (one, _, _) = datagrams();
    let nowhere: SocketAddr = match under_wine() {
        false => ([0, 0, 0, 0], 9).into(),
        true => ([127, 0, 0, 1], 0).into(), // the first is the loopback there
    };
    let refused = one
        .start_with_event(Operation::new([1; 4]), |data| {
            Request::send_to(data, nowhere)
        })
        .unwrap_err();
    if !under_wine() {
        assert_eq!(refused.error, Error::ADDRESS_NOT_AVAILABLE); // there it is INVALID
    }
    assert_eq!(*refused.operation, [1; 4]);
}
