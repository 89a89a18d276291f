//! Nothing stays behind: the library's counts, and the program's allocations. One test, since both are the process's.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use common::{listener, pair, take};
use wharf::{AssociatedSocket, CompletionPort, Operation, Request, Socket};

/// The system's allocator, which counts what a thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Client {
    socket: Option<AssociatedSocket<Client>>,
    buffer: [u8; 64],
}

type Port = CompletionPort<Client>;

fn client(socket: Option<AssociatedSocket<Client>>) -> Operation<Client> {
    Operation::new(Client {
        socket,
        buffer: [0; 64],
    })
}

#[test]
fn nothing_stays_behind() {
    conversation(); // what is made once
    let before = wharf_sys::observe::counts();
    for _ in 0..20 {
        conversation();
        abandoned_operations();
        other_models();
        a_value_that_panics();
    }
    let deadline = std::time::Instant::now() + common::DEADLINE;
    while wharf_sys::observe::counts() != before {
        assert!(
            std::time::Instant::now() < deadline,
            "{before:?} became {:?}",
            wharf_sys::observe::counts()
        );
        std::thread::yield_now(); // another thread of the library may be about to let go
    }
}

/// Messages come and go on a port without an allocation.
fn conversation() {
    let port = Port::new(1).unwrap();
    let (peer, socket) = pair();
    let socket = port.associate(socket, 0).unwrap();
    let mut operation = client(Some(socket));
    let mut allocations = 0;
    for round in 0..50 {
        let before = ALLOCATIONS.get();
        operation
            .start_receive(|client| (client.socket.as_ref().unwrap(), &mut client.buffer))
            .unwrap();
        allocations += ALLOCATIONS.get() - before;
        peer.send(b"hello").unwrap();
        let before = ALLOCATIONS.get();
        operation = take(&port).operation.unwrap();
        operation
            .start_send(|client| (client.socket.as_ref().unwrap(), &client.buffer[..5]))
            .unwrap();
        operation = take(&port).operation.unwrap();
        allocations += ALLOCATIONS.get() - before;
        assert_eq!(peer.recv_all(&mut [0; 5]), Ok(5));
        if round < 10 {
            allocations = 0; // the library gets its buffers
        }
    }
    assert_eq!(allocations, 0);
}

/// The port is dropped while everything is under way.
fn abandoned_operations() {
    let port = Port::new(1).unwrap();
    let listener = port.associate(listener(), 0).unwrap();
    let (_peer, socket) = pair();
    let socket = port.associate(socket, 0).unwrap();
    for _ in 0..4 {
        listener.start_accept(client(None)).unwrap();
        socket
            .start_receive(client(None), |client| &mut client.buffer)
            .unwrap();
        port.post_operation(client(None), 0, 0).unwrap();
    }
    client(Some(socket))
        .start_receive(|client| (client.socket.as_ref().unwrap(), &mut client.buffer))
        .unwrap();
    let _waiting = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
}

/// The port is dropped, and a value of it panics when it is dropped.
fn a_value_that_panics() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(())); // without a message
        }
    }
    let port = CompletionPort::<Panics>::new(0).unwrap();
    port.post_operation(Panics.into(), 0, 0).unwrap();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(port)));
    assert!(dropped.is_err());
}

fn other_models() {
    let (peer, socket) = pair();
    let pending = socket
        .receive_with_event(Operation::new([0; 8]), |buffer| buffer)
        .unwrap();
    peer.send(b"x").unwrap();
    let operation = pending.wait().operation;
    drop(socket.receive_with_event(operation, |buffer| buffer));
    socket
        .receive_with_routine(Operation::new([0; 8]), |buffer| buffer, drop)
        .unwrap();
    drop(socket);
    assert!(wharf::sleep_alertable(Some(Duration::from_secs(60))));
    let (one, other, to) = common::datagrams();
    let receive = |operation: Operation<[u8; 8]>| {
        other.start_with_event(operation, |buffer| Request::receive_from(buffer))
    };
    let received = receive(Operation::new([0; 8])).unwrap();
    one.send_to(b"x", to).unwrap();
    drop(receive(received.wait().operation));
    let listener = common::listener();
    let accept = || listener.start_with_event(Operation::new([0; 8]), |_| Request::accept());
    let accepted = accept().unwrap();
    let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
    drop((accepted.wait(), accept()));
    let stream = std::net::TcpStream::try_from(client).unwrap();
    drop(Socket::try_from(stream).unwrap().try_clone());
    let window = wharf::Window::new().unwrap();
    peer.async_select(&window, wharf::Events::CLOSE).unwrap();
}
