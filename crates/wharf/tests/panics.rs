//! Panics of what the program brings along: routines, keys, values that are dropped.

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use common::{Counted, DEADLINE, pair, under_wine};
use wharf::{CompletionPort, Event, Finished, Key, Operation, Socket, sleep_alertable};

fn panics<R>(call: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// A key that fails when its number is asked for, or made of a number.
#[derive(Clone, Copy, Debug)]
struct Failing(usize);

const NO_NUMBER: usize = 13;
const NO_KEY: usize = 17;

impl Key for Failing {
    fn to_number(self) -> usize {
        assert_ne!(self.0, NO_NUMBER);
        self.0
    }

    fn from_number(number: usize) -> Failing {
        assert_ne!(number, NO_KEY);
        Failing(number)
    }
}

type Port = CompletionPort<Counted, Failing>;

/// Drops the port, and tells whether that took no time.
#[track_caller]
fn drop_quickly(port: Port) {
    let begun = Instant::now();
    drop(port);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "it waited for operations that never come"
    );
}

#[test]
fn a_key_without_a_number_is_not_posted() {
    let live = Arc::default();
    let port = Port::new(0).unwrap();
    let counted = Operation::new(Counted::new(&live));
    let post = || port.post_operation(counted, Failing(NO_NUMBER), 0);
    assert!(panics(post));
    assert_eq!(live.load(SeqCst), 0);
    drop_quickly(port);
}

#[test]
fn a_number_without_a_key_loses_nothing() {
    let live: Arc<AtomicUsize> = Arc::default();
    let posted = |keys: [usize; 5]| {
        let port = Port::new(0).unwrap();
        for key in keys {
            let counted = Operation::new(Counted::new(&live));
            port.post_operation(counted, Failing(key), 0).unwrap();
        }
        port
    };
    let port = posted([1, NO_KEY, 2, NO_KEY, 3]);
    let mut packets = Vec::new();
    assert!(panics(|| port.take_many(&mut packets, None)));
    assert_eq!((packets.len(), live.load(SeqCst)), (1, 1)); // the others were dropped
    packets.clear();
    assert_eq!(live.load(SeqCst), 0);
    drop_quickly(port);

    let port = posted([NO_KEY, 1, 2, 3, 4]);
    assert!(panics(|| port.take(None)));
    assert_eq!(live.load(SeqCst), 4);
    drop_quickly(port);
    assert_eq!(live.load(SeqCst), 0);

    drop_quickly(posted([1, 2, NO_KEY, 3, 4])); // needs no keys
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn of_two_panics_the_first_is_told_and_the_other_is_left() {
    struct First;
    /// What must not be dropped where the routine ran.
    struct Second;
    impl Drop for Second {
        fn drop(&mut self) {
            panic!("a panic of a panic");
        }
    }
    let (_peer, socket) = pair();
    let start = |routine| {
        let operation = Operation::new(());
        socket
            .send_with_routine(operation, |()| b"x", routine)
            .unwrap();
    };
    thread_local!(static RAN: Cell<u32> = const { Cell::new(0) });
    start(|_| {
        RAN.set(RAN.get() + 1);
        panic_any(First);
    });
    start(|_| {
        RAN.set(RAN.get() + 1);
        panic_any(Second);
    });
    let mut told = Vec::new();
    while RAN.get() < 2 {
        let wait = || sleep_alertable(Some(DEADLINE));
        told.extend(catch_unwind(AssertUnwindSafe(wait)).err());
    }
    assert!(told[0].is::<First>());
    std::mem::forget(told); // with a second, if they ran one by one
}

static RAN_IN_CLOSE: AtomicBool = AtomicBool::new(false);

/// A socket that lingers until `RAN_IN_CLOSE`, and a routine that sets it, which is about to run and panics.
fn lingering() -> (Socket, thread::JoinHandle<()>, impl Sized) {
    let (peer, socket) = pair();
    socket.set_linger(Some(DEADLINE)).unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.send(&[0; 65536]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    RAN_IN_CLOSE.store(false, SeqCst);
    let (one, other) = pair();
    let routine = |_: Finished<[u8; 4]>| {
        RAN_IN_CLOSE.store(true, SeqCst);
        panic!("a routine");
    };
    one.receive_with_routine(Operation::new([0; 4]), |buffer| buffer, routine)
        .unwrap();
    other.send(b"x").unwrap();
    let closing = thread::spawn(move || {
        while !RAN_IN_CLOSE.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        drop(peer); // unread: a reset, and nothing to linger for
    });
    (socket, closing, (one, other))
}

/// Closing a socket that lingers is an alertable wait.
#[test]
fn a_routine_that_panics_in_a_close_does_so_from_the_close() {
    if under_wine() {
        return; // no routines run there
    }
    let live = Arc::default();
    let (_peer, innocent) = pair();
    let pending = innocent.receive_with_event(
        Operation::new((Counted::new(&live), [0; 4])),
        |(_, buffer)| buffer,
    );
    let event = Event::manual_reset().unwrap();

    let (socket, closing, _others) = lingering();
    assert!(panics(|| drop(socket)));
    closing.join().unwrap();
    assert_eq!(event.wait(Some(Duration::ZERO)), Ok(false)); // it has nothing to do with it
    drop(pending);
    assert_eq!(live.load(SeqCst), 0);

    // If the thread panics already, that panic goes on.
    let (socket, closing, _others) = lingering();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let _socket = socket;
        panic_any(7);
    }));
    assert_eq!(told.unwrap_err().downcast_ref(), Some(&7));
    closing.join().unwrap();
    assert!(!sleep_alertable(Some(Duration::ZERO)));
}
