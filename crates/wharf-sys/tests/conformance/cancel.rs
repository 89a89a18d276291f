//! Ending operations early: CancelIo, CancelIoEx, and the exit of the thread that issued them.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x44;

// --- CancelIoEx ------------------------------------------------------------------------------------

/// CancelIoEx of one operation ends that one only, with ERROR_OPERATION_ABORTED and no data.
/// Source: CancelIoEx; GetQueuedCompletionStatus.
#[test]
fn cancel_ends_one_operation() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let [first, second] = [4, 4].map(Request::new);
    assert_eq!(pair.server.receive(&first), PENDING);
    assert_eq!(pair.server.receive(&second), PENDING);
    assert_eq!(pair.server.cancel(&first), Ok(()));
    assert_eq!(next(&port), first.failure(KEY, ERROR_OPERATION_ABORTED));
    assert!(first.has_status(STATUS_CANCELLED));
    assert_eq!(
        pair.server.result(&first, false),
        Err(WSA_OPERATION_ABORTED)
    );
    assert_quiet(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), second.success(KEY, 3));
}

/// CancelIoEx without an OVERLAPPED ends all operations of the socket, by whatever thread.
/// Source: CancelIoEx, lpOverlapped NULL.
#[test]
fn cancel_ends_all_operations() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let server = *pair.server;
    let mine = Request::new(4);
    assert_eq!(server.receive(&mine), PENDING);
    let theirs = spawn(move || {
        let request = Request::new(4);
        assert_eq!(server.receive(&request), PENDING);
        request
    })
    .join();
    assert_eq!(server.cancel_all(), Ok(()));
    let taken = [next(&port), next(&port)];
    for request in [&mine, &theirs] {
        let expected = request.failure(KEY, ERROR_OPERATION_ABORTED);
        assert!(taken.contains(&expected), "{taken:?}");
    }
    assert_quiet(&port);
}

/// Nothing to cancel is ERROR_NOT_FOUND: another OVERLAPPED, a finished operation, an idle socket.
/// Source: CancelIoEx, ERROR_NOT_FOUND.
#[test]
fn cancel_finds_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let finished = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&finished), done(1));
    assert_eq!(pair.server.cancel(&finished), Err(ERROR_NOT_FOUND));
    let pending = Request::new(4);
    assert_eq!(pair.server.receive(&pending), PENDING);
    assert_eq!(pair.server.cancel(&Request::new(4)), Err(ERROR_NOT_FOUND));
    assert!(!pending.is_finished());
}

/// An idle socket has nothing to cancel.
/// Source: CancelIoEx, ERROR_NOT_FOUND.
#[test]
fn cancel_of_an_idle_socket_finds_nothing() {
    let _watch = watch();
    differs_under_wine("succeeds", || {
        let pair = connected_pair(Family::V4);
        assert_eq!(pair.server.cancel_all(), Err(ERROR_NOT_FOUND));
    });
}

/// A second CancelIoEx of the same operation finds nothing any more.
/// Source: CancelIoEx, ERROR_NOT_FOUND; validated on Windows.
#[test]
fn second_cancel_finds_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_eq!(pair.server.cancel(&request), Ok(()));
    assert_eq!(pair.server.cancel(&request), Err(ERROR_NOT_FOUND));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
}

/// CancelIoEx from another thread reaches the operation.
/// Source: CancelIoEx (operations of any thread).
#[test]
fn cancel_reaches_operations_of_other_threads() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let server = *pair.server;
    let request = Request::new(4);
    assert_eq!(server.receive(&request), PENDING);
    let overlapped = request.overlapped() as usize;
    let canceller = spawn(move || {
        // SAFETY: the pointer only identifies the request.
        check_bool(unsafe { CancelIoEx(server.handle(), overlapped as *const OVERLAPPED) })
    });
    assert_eq!(canceller.join(), Ok(()));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
}

/// A call that blocks in a thread.
type Blocking = fn(Raw) -> Result<(), WSA_ERROR>;

/// CancelIoEx without an OVERLAPPED ends calls too that other threads block in; the socket goes on.
/// Source: CancelIoEx, lpOverlapped NULL: all I/O requests of the file, by any thread.
#[test]
fn cancel_ends_calls_that_block() {
    let _watch = watch();
    let receive: Blocking = |socket| socket.recv(&mut [0; 8]).map(drop);
    let receive_overlapped_form: Blocking = |socket| socket.recv_some(8).map(drop);
    for receive in [receive, receive_overlapped_form] {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let blocked = spawn(move || receive(server));
        blocked.until_waits();
        assert_eq!(server.cancel_all(), Ok(()));
        assert_eq!(blocked.join(), Err(WSA_OPERATION_ABORTED));
        pair.client.send_all(b"later");
        assert_eq!(server.recv_exact(5), b"later");
    }
    let listener = Listener::new(Family::V4);
    let listening = *listener.socket;
    let blocked = spawn(move || listening.accept().map(drop));
    blocked.until_waits();
    assert_eq!(listening.cancel_all(), Ok(()));
    assert_eq!(blocked.join(), Err(WSA_OPERATION_ABORTED));
    let _client = listener.client();
    assert!(listening.accept().is_ok());
}

/// CancelIoEx with an OVERLAPPED leaves calls alone that have none.
/// Source: CancelIoEx, lpOverlapped.
#[test]
fn cancel_of_one_operation_leaves_calls_that_block_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let request = Request::new(4);
    assert_eq!(server.receive(&request), PENDING);
    let blocked = spawn(move || server.recv_some(8));
    blocked.until_waits();
    assert_eq!(server.cancel(&request), Ok(()));
    request.until_finished();
    assert!(request.has_status(STATUS_CANCELLED));
    pair.client.send_all(b"still");
    assert_eq!(blocked.join(), Ok(b"still".to_vec()));
}

/// On a socket without the overlapped attribute a call with an OVERLAPPED blocks; CancelIoEx finds it by that.
/// Source: CancelIoEx, lpOverlapped; WSASocket, WSA_FLAG_OVERLAPPED.
#[test]
fn cancel_finds_a_call_that_blocks_by_its_overlapped() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp_synchronous(Family::V4);
    client.connect(&listener.address).unwrap();
    let _server = listener.accept().unwrap();
    let socket = *client;
    let other = Request::new(4);
    let request = Request::new(4);
    let overlapped = request.overlapped() as usize;
    let blocked = spawn(move || socket.receive(&request).map(drop));
    blocked.until_waits();
    assert_eq!(socket.cancel(&other), Err(ERROR_NOT_FOUND));
    // SAFETY: the pointer only identifies the request.
    let cancelled =
        check_bool(unsafe { CancelIoEx(socket.handle(), overlapped as *const OVERLAPPED) });
    assert_eq!(cancelled, Ok(()));
    assert_eq!(blocked.join(), Err(WSA_OPERATION_ABORTED));
}

// --- CancelSynchronousIo ---------------------------------------------------------------------------

/// CancelSynchronousIo.
fn cancel_synchronous(thread: HANDLE) -> Result<(), u32> {
    // SAFETY: takes no pointers.
    check_bool(unsafe { CancelSynchronousIo(thread) })
}

/// CancelSynchronousIo ends the call that the thread blocks in, and nothing else: neither operations that it has started,
/// nor calls of other threads.
/// Source: CancelSynchronousIo.
#[test]
fn cancel_synchronous_ends_the_call_of_one_thread() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let [first, second] = [(); 2].map(|()| {
        let client = Socket::tcp_synchronous(Family::V4);
        client.connect(&listener.address).unwrap();
        (client, listener.accept().unwrap())
    });
    let pending = Request::new(4);
    assert_eq!(first.1.receive(&pending), PENDING);
    let [blocked, other] = [*first.0, *second.0].map(|socket| spawn(move || socket.recv_some(8)));
    blocked.until_waits();
    other.until_waits();
    assert_eq!(cancel_synchronous(blocked.handle().raw()), Ok(()));
    assert_eq!(blocked.join(), Err(WSA_OPERATION_ABORTED));
    assert!(!pending.is_finished());
    second.1.send_all(b"still");
    assert_eq!(other.join(), Ok(b"still".to_vec()));
    first.1.send_all(b"later");
    assert_eq!(first.0.recv_exact(5), b"later");
}

/// A thread that blocks in no operation has none: not one that waits for an event, nor one with overlapped operations.
/// Source: CancelSynchronousIo, ERROR_NOT_FOUND.
#[test]
fn cancel_synchronous_finds_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let event = Event::manual();
    let waiter = spawn({
        let event = event.clone();
        move || {
            let request = Request::new(4);
            assert_eq!(server.receive(&request), PENDING);
            assert!(event.wait(DEADLINE_MS));
            let is_finished = request.is_finished();
            server.cancel(&request).unwrap();
            request.until_finished();
            is_finished
        }
    });
    waiter.until_waits();
    assert_eq!(
        cancel_synchronous(waiter.handle().raw()),
        Err(ERROR_NOT_FOUND)
    );
    event.set();
    assert!(!waiter.join());
    assert_eq!(
        cancel_synchronous(current_thread().raw()),
        Err(ERROR_NOT_FOUND)
    );
}

/// Only a thread has calls that block.
/// Source: CancelSynchronousIo, hThread.
#[test]
fn cancel_synchronous_checks_the_handle() {
    let _watch = watch();
    let event = Event::manual();
    for bad in [event.raw(), null_mut(), GARBAGE_HANDLE as HANDLE] {
        assert_eq!(cancel_synchronous(bad), Err(ERROR_INVALID_HANDLE));
    }
}

/// A bad handle is ERROR_INVALID_HANDLE for both functions.
/// Source: CancelIo and CancelIoEx, ERROR_INVALID_HANDLE.
#[test]
fn cancel_checks_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        for bad in [Socket::stale(), Raw(0), Raw(GARBAGE_HANDLE as SOCKET)] {
            assert_eq!(bad.cancel_all(), Err(ERROR_INVALID_HANDLE));
            assert_eq!(bad.cancel_mine(), Err(ERROR_INVALID_HANDLE));
        }
    });
}

/// A cancelled receive takes no data: the next one gets all of it.
/// Source: CancelIoEx (the operation completes or is cancelled, never both).
#[test]
fn cancelled_receive_takes_no_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let cancelled = Request::new(4);
    assert_eq!(pair.server.receive(&cancelled), PENDING);
    assert_eq!(pair.server.cancel(&cancelled), Ok(()));
    assert_eq!(next(&port), cancelled.failure(KEY, ERROR_OPERATION_ABORTED));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), done(3));
    assert_eq!(request.received(), b"abc");
}

/// A receive with MSG_WAITALL that is cancelled with part of its data reports that part as a success: a
/// cancelled receive must not lose data of the stream.
/// Source: CancelIoEx; WSARecv, MSG_WAITALL.
#[test]
fn cancelled_waitall_receive_keeps_its_data() {
    let _watch = watch();
    not_under_wine("takes what is there when it looks", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(6);
        assert_eq!(pair.server.receive_flags(&request, MSG_WAITALL), PENDING);
        pair.client.send_all(b"abc");
        assert_quiet(&port);
        assert_eq!(pair.server.cancel(&request), Ok(()));
        let taken = match next(&port) {
            Taken::Packet(packet) => packet.bytes,
            failed => {
                assert_eq!(failed, request.failure(KEY, ERROR_OPERATION_ABORTED));
                0
            }
        };
        let rest = pair.server.recv_exact(3 - taken as usize);
        assert_eq!(
            [&request.buffer()[..taken as usize], &rest].concat(),
            b"abc"
        );
    });
}

/// A cancelled send tells in its byte count how much went out; the peer receives exactly that.
/// Source: CancelIoEx; WSASend (completion after cancellation).
#[test]
fn cancelled_send_tells_how_much_went_out() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let requests = clog(*pair.server);
    let (pending, finished) = requests.split_last().unwrap();
    for request in finished {
        assert_eq!(next(&port), request.success(KEY, CLOG as u32));
    }
    assert_eq!(pair.server.cancel(pending), Ok(()));
    let sent = match next(&port) {
        Taken::Failed(packet, ERROR_OPERATION_ABORTED) => packet.bytes as usize,
        other => panic!("{other:?}"),
    };
    assert_eq!(pair.server.close(), Ok(()));
    let mut received = 0;
    loop {
        match pair.client.recv_some(CLOG).unwrap().len() {
            0 => break,
            len => received += len,
        }
    }
    assert_eq!(received, finished.len() * CLOG + sent);
}

/// A cancelled operation without a port signals its event.
/// Source: CancelIoEx; OVERLAPPED, hEvent.
#[test]
fn cancellation_signals_the_event() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_eq!(pair.server.cancel(&request), Ok(()));
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(
        pair.server.result(&request, false),
        Err(WSA_OPERATION_ABORTED)
    );
    assert_eq!(
        request.result(pair.server.handle(), false),
        Err(ERROR_OPERATION_ABORTED)
    );
}

/// A cancelled AcceptEx ends with ERROR_OPERATION_ABORTED; the next one works.
/// Source: CancelIoEx; AcceptEx, ERROR_OPERATION_ABORTED.
#[test]
fn cancel_ends_accept_ex() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = port_of(*listener.socket, KEY);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::without_data();
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    assert_eq!(listener.cancel_all(), Ok(()));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
}

// --- CancelIo --------------------------------------------------------------------------------------

/// CancelIo ends the calling thread's operations and leaves those of other threads alone.
/// Source: CancelIo (operations of the calling thread only).
#[test]
fn cancel_io_is_per_thread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let server = *pair.server;
    let mine = Request::new(4);
    assert_eq!(server.receive(&mine), PENDING);
    let theirs = spawn(move || {
        let request = Request::new(4);
        assert_eq!(server.receive(&request), PENDING);
        assert_eq!(server.cancel_mine(), Ok(()));
        request
    })
    .join();
    assert_eq!(next(&port), theirs.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), mine.success(KEY, 3));
}

/// CancelIo succeeds when there is nothing to cancel.
/// Source: CancelIo.
#[test]
fn cancel_io_without_operations_succeeds() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.cancel_mine(), Ok(()));
}

// --- Thread exit -----------------------------------------------------------------------------------

/// Posts `request` on `socket` from a thread that ends at once.
fn receive_from_ended_thread(socket: Raw, request: Request) -> Request {
    let thread = spawn(move || {
        assert_eq!(socket.receive(&request), PENDING);
        request
    });
    let handle = thread.handle().clone();
    let request = thread.join();
    assert_eq!(wait(handle.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    request
}

/// An operation on a port's socket outlives its thread when it has no hEvent.
/// Source: CancelIo and ExitThread (I/O of a handle bound to a port); validated on Windows.
#[test]
fn operations_on_a_port_outlive_their_thread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = receive_from_ended_thread(*pair.server, Request::new(4));
    assert_quiet(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// On a port's socket an operation with hEvent is cancelled with its thread: the packet says 995.
/// Source: ExitThread; validated on Windows.
#[test]
fn operations_with_an_event_end_with_their_thread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();
    let request = Request::new(4).with_event(event.raw());
    let request = receive_from_ended_thread(*pair.server, request);
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert!(event.wait(DEADLINE_MS));
}

/// Without a port every operation is cancelled with its thread, with hEvent or without.
/// Source: ExitThread (pending I/O of the thread is cancelled); validated on Windows.
#[test]
fn operations_without_a_port_end_with_their_thread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    for request in [Request::new(4), Request::new(4).with_event(event.raw())] {
        let request = receive_from_ended_thread(*pair.server, request);
        request.until_finished();
        assert_eq!(
            pair.server.result(&request, false),
            Err(WSA_OPERATION_ABORTED)
        );
    }
    assert!(event.wait(DEADLINE_MS));
}

/// The routine of an operation whose thread ended never runs.
/// Source: WSARecv (operations end with the thread that issued them); validated on Windows.
#[test]
fn routine_dies_with_its_thread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let request = spawn(move || {
        let request = Request::new(4);
        assert_eq!(server.receive_routine(&request, ROUTINE), PENDING);
        request
    })
    .join();
    request.until_finished();
    assert!(request.has_status(STATUS_CANCELLED));
    pair.client.send_all(b"abc");
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// CancelIo of another thread does not reach operations whose own thread has ended.
/// Source: CancelIo.
#[test]
fn cancel_io_leaves_operations_of_ended_threads_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = receive_from_ended_thread(*pair.server, Request::new(4));
    assert_eq!(pair.server.cancel_mine(), Ok(()));
    assert_quiet(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// A thread that ends with operations pending on several sockets ends them all.
/// Source: ExitThread; validated on Windows.
#[test]
fn exit_ends_operations_on_every_socket() {
    let _watch = watch();
    let pairs: Vec<_> = (0..5).map(|_| connected_pair(Family::V4)).collect();
    let servers: Vec<_> = pairs.iter().map(|pair| *pair.server).collect();
    let requests = spawn(move || {
        let receive = |server: &Raw| {
            let request = Request::new(4);
            assert_eq!(server.receive(&request), PENDING);
            request
        };
        servers.iter().map(receive).collect::<Vec<_>>()
    })
    .join();
    for request in requests {
        request.until_finished();
        assert_eq!(
            request.result(null_mut(), false),
            Err(ERROR_OPERATION_ABORTED)
        );
    }
}
