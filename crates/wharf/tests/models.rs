//! Events and completion routines.

mod common;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use common::{Counted, DEADLINE, pair, take};
use wharf::{
    CompletionPort, Error, Event, Events, Finished, Message, Operation, PollEntry, Readiness,
    Socket, SocketSet, Waited, Window, poll, select, sleep_alertable, wait_all, wait_any,
    wait_any_alertable,
};
use wharf_sys::{HWND, PostQuitMessage, SendMessageW, WM_CLOSE};

struct Buffer {
    data: [u8; 16],
    _counted: Counted,
}

fn buffer(live: &Arc<AtomicUsize>) -> Operation<Buffer> {
    Operation::new(Buffer {
        data: [0; 16],
        _counted: Counted::new(live),
    })
}

#[test]
fn one_event_of_many_ends_a_wait() {
    let events: Vec<Event> = (0..3).map(|_| Event::manual_reset().unwrap()).collect();
    let all: Vec<&Event> = events.iter().collect();
    assert_eq!(wait_any(&all, Some(Duration::ZERO)), Ok(Waited::TimedOut));
    events[2].set().unwrap();
    events[1].set().unwrap();
    assert_eq!(wait_any(&all, None), Ok(Waited::Signalled(1)));
    assert_eq!(wait_all(&all, Some(Duration::ZERO)), Ok(Waited::TimedOut));
    events[0].set().unwrap();
    assert_eq!(wait_all(&all, None), Ok(Waited::Signalled(0)));
    events[1].reset().unwrap();
    assert_eq!(events[1].wait(Some(Duration::ZERO)), Ok(false));
    assert_eq!(wait_any(&[], None), Err(Error::INVALID_PARAMETER));
    assert_eq!(wait_any(&[all[0]; 65], None), Err(Error::INVALID_PARAMETER));
}

#[test]
fn an_operation_with_an_event_is_used_again() {
    let live = Arc::default();
    let (client, server) = pair();
    let mut operation = buffer(&live);
    for round in 0..20 {
        let pending = server
            .receive_with_event(operation, |buffer| &mut buffer.data)
            .unwrap();
        let pending = pending.try_finish().unwrap_err(); // nothing was sent
        client.send(&[round; 3]).unwrap();
        assert_eq!(
            wait_any(&[pending.event()], Some(DEADLINE)),
            Ok(Waited::Signalled(0))
        );
        let Finished {
            operation: received,
            bytes,
            result,
        } = pending.try_finish().unwrap();
        assert_eq!((bytes, result, received.data[2]), (3, Ok(()), round));
        let pending = server
            .send_with_event(received, |buffer| &buffer.data[..3])
            .unwrap();
        let sent = pending.wait();
        assert_eq!((sent.bytes, sent.result), (3, Ok(())));
        operation = sent.operation;
        let mut answer = [0; 3];
        assert_eq!((client.recv_all(&mut answer), answer), (Ok(3), [round; 3]));
    }
}

#[test]
fn dropping_a_pending_operation_ends_it() {
    let live = Arc::default();
    let (_client, server) = pair();
    let first = server
        .receive_with_event(buffer(&live), |buffer| &mut buffer.data)
        .unwrap();
    let second = server
        .receive_with_event(buffer(&live), |buffer| &mut buffer.data)
        .unwrap();
    drop(first);
    assert_eq!(live.load(SeqCst), 1);
    drop(server); // the socket first
    let ended = second.wait();
    assert!(ended.result.is_err());
    drop(ended);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn an_event_that_was_set_too_early_does_not_end_the_wait() {
    let live = Arc::default();
    let (client, server) = pair();
    let pending = server
        .receive_with_event(buffer(&live), |buffer| &mut buffer.data)
        .unwrap();
    pending.event().set().unwrap();
    let sender = thread::spawn(move || {
        thread::yield_now();
        client.send(b"x").unwrap();
        client
    });
    let received = pending.wait();
    assert_eq!((received.bytes, received.result), (1, Ok(())));
    drop(sender.join().unwrap());
}

#[test]
fn an_operation_with_an_event_brings_no_packet() {
    let live = Arc::default();
    let port = CompletionPort::<u8>::new(0).unwrap();
    let (client, server) = pair();
    let before = server
        .receive_with_event(buffer(&live), |buffer| &mut buffer.data)
        .unwrap();
    let server = port.associate(server, 0).unwrap(); // while it is under way
    client.send(b"x").unwrap();
    assert_eq!(before.wait().bytes, 1);
    let after = server
        .receive_with_event(buffer(&live), |buffer| &mut buffer.data)
        .unwrap();
    client.send(b"y").unwrap();
    assert_eq!(after.wait().bytes, 1);
    server
        .start_receive(7.into(), std::slice::from_mut)
        .unwrap();
    client.send(b"z").unwrap();
    let packet = take(&port);
    assert_eq!(packet.operation.as_deref(), Some(&b'z')); // the only one
    assert!(port.take(Some(Duration::ZERO)).unwrap().is_none());
}

/// What a thread hears by routines; not `Send`.
struct Client {
    socket: Socket,
    heard: Rc<RefCell<Vec<u8>>>,
    buffer: [u8; 4],
}

impl Client {
    fn receive(operation: Operation<Client>) {
        operation
            .receive_with_routine(
                |client| (&client.socket, &mut client.buffer),
                Client::received,
            )
            .unwrap();
    }

    fn received(finished: Finished<Client>) {
        let (client, bytes) = (finished.operation, finished.bytes as usize);
        client.heard.borrow_mut().extend(&client.buffer[..bytes]);
        if finished.result.is_ok() && bytes > 0 {
            Client::receive(client); // from inside
        }
    }
}

#[test]
fn routines_run_in_alertable_waits_of_their_thread() {
    let (peer, socket) = pair();
    let heard = Rc::<RefCell<Vec<u8>>>::default();
    Client::receive(Operation::new(Client {
        socket,
        heard: Rc::clone(&heard),
        buffer: [0; 4],
    }));
    let event = Event::manual_reset().unwrap();
    assert!(!sleep_alertable(Some(Duration::ZERO)));
    peer.send(b"hello").unwrap();
    while heard.borrow().len() < 5 {
        assert_eq!(
            wait_any_alertable(&[&event], Some(DEADLINE)),
            Ok(Waited::RoutinesRan)
        );
    }
    assert_eq!(*heard.borrow(), b"hello");
    drop(peer);
    while Rc::strong_count(&heard) > 1 {
        assert!(sleep_alertable(Some(DEADLINE))); // the end of the conversation drops the client
    }
}

#[test]
fn a_routine_that_panics_does_so_from_the_wait() {
    fn panics(_: Finished<Counted>) {
        panic!("a routine");
    }
    fn counts(finished: Finished<Counted>) {
        drop(finished.operation);
    }
    let live = Arc::default();
    let (peer, server) = pair();
    let counted = || Operation::new(Counted::new(&live));
    server
        .send_with_routine(counted(), |_| b"x", panics)
        .unwrap();
    server
        .send_with_routine(counted(), |_| b"y", counts)
        .unwrap();
    assert_eq!(live.load(SeqCst), 2);
    let mut ran = 0;
    while live.load(SeqCst) > 0 {
        let wait = || sleep_alertable(Some(DEADLINE));
        ran += usize::from(catch_unwind(AssertUnwindSafe(wait)).is_err());
    }
    assert_eq!(ran, 1);
    assert_eq!(peer.recv_all(&mut [0; 2]), Ok(2));
    assert!(!sleep_alertable(Some(Duration::ZERO)));
}

#[test]
fn routines_and_ports_exclude_each_other() {
    fn routine(_: Finished<u8>) {}
    let port = CompletionPort::<u8>::new(0).unwrap();
    let (_peer, server) = pair();
    let server = port.associate(server, 0).unwrap();
    let refused = server
        .receive_with_routine(1.into(), std::slice::from_mut, routine)
        .unwrap_err();
    assert_eq!((refused.error, *refused.operation), (Error::INVALID, 1));
}

#[test]
fn sets_of_any_size_are_looked_at_together() {
    let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
    pairs[70].0.send(b"x").unwrap();
    pairs[99].0.send(b"x").unwrap();
    let mut read: SocketSet = pairs.iter().map(|(_, server)| server).collect();
    read.insert(&pairs[70].1); // is in it
    assert_eq!(read.len(), 100);
    let mut none = SocketSet::new();
    let mut except = SocketSet::from_iter([&pairs[0].0]);
    assert_eq!(
        select(&mut read, &mut none, &mut except, Some(DEADLINE)),
        Ok(2)
    );
    assert!(read.ids().eq([pairs[70].1.id(), pairs[99].1.id()]));
    assert!(except.is_empty() && !except.contains(&pairs[0].0));
    read.clear();
    read.insert(&pairs[1].1);
    assert_eq!(
        select(&mut read, &mut none, &mut except, Some(Duration::ZERO)),
        Ok(0)
    );
    assert!(read.is_empty());
    assert_eq!(
        select(&mut read, &mut none, &mut except, None),
        Err(Error::INVALID)
    );
}

#[test]
fn entries_tell_what_a_socket_is_ready_for() {
    let (one, other) = pair();
    let mut entries = [PollEntry::new(&one, Readiness::READ)];
    assert_eq!(poll(&mut entries, Some(Duration::ZERO)), Ok(0));
    assert!(entries[0].ready().is_empty());
    drop(other);
    assert_eq!(poll(&mut entries, Some(DEADLINE)), Ok(1));
    assert!(entries[0].ready().intersects(Readiness::HANG_UP));
    assert_eq!(poll(&mut [], None), Err(Error::INVALID));
}

#[test]
fn an_event_tells_what_has_happened() {
    let (one, other) = pair();
    let event = Event::manual_reset().unwrap();
    one.event_select(&event, Events::READ | Events::WRITE | Events::CLOSE)
        .unwrap();
    assert_eq!(event.wait(Some(DEADLINE)), Ok(true));
    let happened = one.network_events(&event).unwrap();
    assert_eq!(happened.result(Events::WRITE), Some(Ok(())));
    assert_eq!(happened.result(Events::READ), None);
    other.send(b"x").unwrap();
    assert_eq!(event.wait(Some(DEADLINE)), Ok(true));
    let happened = one.network_events(&event).unwrap();
    assert_eq!(happened.result(Events::READ), Some(Ok(())));
    assert_eq!(one.recv(&mut [0; 4]), Ok(1));
    assert_eq!(one.recv(&mut [0; 4]), Err(Error::WOULD_BLOCK));
    drop(other);
    assert_eq!(event.wait(Some(DEADLINE)), Ok(true));
    let happened = one.network_events(&event).unwrap();
    assert_eq!(happened.result(Events::CLOSE), Some(Ok(())));
    one.event_select(&event, Events::NONE).unwrap();
}

#[test]
fn a_window_stays_until_it_is_dropped() {
    let window = Window::new().unwrap();
    let poster = window.poster();
    poster.close().unwrap();
    assert_eq!(window.take(), Ok(Message::Close));
    poster.close().unwrap();
    assert_eq!(window.take_within(DEADLINE), Ok(Some(Message::Close)));
    // As another program would ask: the message is not in the queue, but answered.
    let answered = thread::scope(|scope| {
        let handle = window.as_raw() as usize;
        // SAFETY: the handle is that of a window; the message has no pointers.
        let send = move || unsafe { SendMessageW(handle as HWND, WM_CLOSE, 0, 0) };
        let sender = scope.spawn(send);
        assert_eq!(window.take(), Ok(Message::Close));
        sender.join().unwrap()
    });
    assert_eq!(answered, 0);
    // SAFETY: takes a number.
    unsafe { PostQuitMessage(0) };
    assert_eq!(window.take(), Ok(Message::Close));
    poster.post(1).unwrap();
    assert_eq!(window.take(), Ok(Message::Posted(1)));
}

#[test]
fn a_window_takes_messages_of_sockets_and_threads() {
    let window = Window::new().unwrap();
    assert_eq!(window.take_within(Duration::ZERO), Ok(None));
    let (one, other) = pair();
    one.async_select(&window, Events::READ | Events::CLOSE)
        .unwrap();
    other.send(b"x").unwrap();
    let read = Message::Socket {
        socket: one.id(),
        event: Events::READ,
        result: Ok(()),
    };
    assert_eq!(window.take(), Ok(read));
    let poster = window.poster();
    thread::spawn(move || poster.post(42))
        .join()
        .unwrap()
        .unwrap();
    assert_eq!(window.take_within(DEADLINE), Ok(Some(Message::Posted(42))));
    drop(window);
    assert_eq!(poster.post(42), Err(Error::INVALID_WINDOW_HANDLE));
}
