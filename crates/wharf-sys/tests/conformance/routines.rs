//! Completion routines: on the thread that issued the operation, inside its alertable waits, nowhere else.

use std::cell::Cell;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x77;

/// Alertable SleepEx until a routine ran; gives all calls so far.
fn until_routine() -> Vec<RoutineCall> {
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    routines_run()
}

/// The routine of a pending operation runs in an alertable wait of its thread, with bytes and error.
/// Source: WSARecv, lpCompletionRoutine; SleepEx.
#[test]
fn routine_runs_in_an_alertable_wait() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(8);
    assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
    pair.client.send_all(b"hello");
    request.until_finished();
    assert_eq!(routines_run(), []);
    assert_eq!(until_routine(), [request.routine_success(5)]);
    assert_eq!(request.received(), b"hello");
    assert_eq!(sleep_alertable(0), 0);
}

/// Data that arrives during the wait ends it.
/// Source: SleepEx, WAIT_IO_COMPLETION.
#[test]
fn completion_ends_the_alertable_wait() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let posted = Event::manual();
    let is_posted = posted.clone();
    let waiter = spawn(move || {
        let request = Request::new(8);
        assert_eq!(server.receive_routine(&request, ROUTINE), PENDING);
        is_posted.set();
        let calls = until_routine();
        (
            calls == [request.routine_success(3)],
            request.received().to_vec(),
        )
    });
    assert!(posted.wait(DEADLINE_MS));
    waiter.until_waits();
    pair.client.send_all(b"abc");
    assert_eq!(waiter.join(), (true, b"abc".to_vec()));
}

/// An operation that is done at once queues its routine; it does not run inside the call.
/// Source: WSARecv and WSASend, lpCompletionRoutine; validated on Windows.
#[test]
fn immediate_success_queues_the_routine() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::from_data(b"abc");
    assert_eq!(pair.server.send_routine(&request, ROUTINE), done(3));
    assert_eq!(routines_run(), []);
    assert_eq!(until_routine(), [request.routine_success(3)]);
}

/// A refused call never runs its routine.
/// Source: WSARecv, return value (no completion after an error).
#[test]
fn refused_call_queues_no_routine() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let request = Request::new(8);
    assert_eq!(socket.receive_routine(&request, ROUTINE), Err(WSAENOTCONN));
    assert_eq!((sleep_alertable(QUIET_MS), routines_run()), (0, vec![]));
}

/// All routines that are due run before the wait returns, in the order of completion.
/// Source: SleepEx and "Asynchronous Procedure Calls" (FIFO).
#[test]
fn due_routines_all_run_in_order() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let requests: Vec<_> = (1..=5)
        .map(|len| Request::from_data(&vec![0; len]))
        .collect();
    for request in &requests {
        let len = request.capacity();
        assert_eq!(pair.server.send_routine(request, ROUTINE), done(len));
    }
    let expected: Vec<_> = requests
        .iter()
        .map(|r| r.routine_success(r.capacity()))
        .collect();
    assert_eq!(until_routine(), expected);
}

/// Waits that are not alertable run no routine.
/// Source: "Alertable I/O".
#[test]
fn plain_waits_run_no_routine() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::from_data(b"abc");
    assert_eq!(pair.server.send_routine(&request, ROUTINE), done(3));
    let event = Event::manual();
    assert!(!event.wait(QUIET_MS));
    sleep(1);
    let port = Port::new(0);
    assert_eq!(port.take(QUIET_MS), TIMED_OUT);
    assert_eq!(routines_run(), []);
    assert_eq!(until_routine(), [request.routine_success(3)]);
}

/// Every alertable wait runs routines, each by its own answer.
/// Source: WaitForSingleObjectEx, WSAWaitForMultipleEvents and GetQueuedCompletionStatusEx (alertable).
#[test]
fn every_alertable_wait_runs_routines() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let port = Port::new(0);
    let wait_events = || {
        let handle = event.raw();
        // SAFETY: the array has one handle.
        unsafe { WSAWaitForMultipleEvents(1, &handle, FALSE, DEADLINE_MS, TRUE) }
    };
    let take_packets = || port.take_many(1, DEADLINE_MS, true).expect_err("no packet");
    let waits: [&dyn Fn() -> u32; 3] = [
        &|| wait_alertable(event.raw(), DEADLINE_MS),
        &wait_events,
        &take_packets,
    ];
    for wait in waits {
        let request = Request::from_data(b"abc");
        assert_eq!(pair.server.send_routine(&request, ROUTINE), done(3));
        assert_eq!(wait(), WAIT_IO_COMPLETION);
        assert_eq!(routines_run(), [request.routine_success(3)]);
    }
}

/// With a routine hEvent belongs to the application: it is neither used nor changed.
/// Source: WSARecv, hEvent with a completion routine; validated on Windows.
#[test]
fn routine_leaves_h_event_to_the_application() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    for handle in [event.raw(), GARBAGE_HANDLE] {
        event.set();
        let request = Request::new(8).with_event(handle);
        assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
        assert!(event.wait(0));
        event.reset();
        pair.client.send_all(b"abc");
        assert_eq!(until_routine(), [request.routine_success(3)]);
        assert!(!event.wait(0));
        // SAFETY: the request is finished.
        assert_eq!(unsafe { (*request.overlapped()).hEvent }, handle);
    }
}

/// Routine and completion port exclude each other: WSAEINVAL, and nothing is queued.
/// Source: WSARecv and WSASend, WSAEINVAL; validated on Windows.
#[test]
fn routine_on_a_port_socket_is_refused() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(
        pair.server.receive_routine(&Request::new(8), ROUTINE),
        Err(WSAEINVAL)
    );
    assert_eq!(
        pair.server.send_routine(&Request::from_data(b"x"), ROUTINE),
        Err(WSAEINVAL)
    );
    assert_quiet(&port);
    assert_eq!((sleep_alertable(0), routines_run()), (0, vec![]));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// An operation that was started with a routine keeps it when its socket joins a port.
/// Source: CreateIoCompletionPort; validated on Windows.
#[test]
fn routine_survives_the_association() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(8);
    assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
    let port = port_of(*pair.server, KEY);
    pair.client.send_all(b"abc");
    assert_eq!(until_routine(), [request.routine_success(3)]);
    assert_quiet(&port);
}

/// A cancelled operation runs its routine with WSA_OPERATION_ABORTED.
/// Source: CancelIoEx; WSARecv, dwError.
#[test]
fn routine_of_a_cancelled_operation() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(8);
    assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
    assert_eq!(pair.server.cancel(&request), Ok(()));
    assert_eq!(
        until_routine(),
        [request.routine_failure(WSA_OPERATION_ABORTED)]
    );
}

/// A reset runs the routine with WSAECONNRESET.
/// Source: WSARecv, dwError; validated on Windows.
#[test]
fn routine_of_a_reset_connection() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(8);
    assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
    pair.client.reset();
    assert_eq!(until_routine(), [request.routine_failure(WSAECONNRESET)]);
}

/// Closing the connected socket runs the routine with WSAECONNABORTED.
/// Source: closesocket; WSARecv, dwError; follows from the validated packet.
#[test]
fn routine_of_a_closed_socket() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        let pair = connected_pair(Family::V4);
        let request = Request::new(8);
        assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
        assert_eq!(pair.server.close(), Ok(()));
        assert_eq!(until_routine(), [request.routine_failure(WSAECONNABORTED)]);
    });
}

/// The end of the stream is a success with 0 bytes.
/// Source: WSARecv, graceful close.
#[test]
fn routine_at_the_end_of_the_stream() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(8);
    assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
    assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
    assert_eq!(until_routine(), [request.routine_success(0)]);
}

/// A routine may post the next receive, as the classical loop does.
/// Source: WSARecv, lpCompletionRoutine (it may post the next operation).
#[test]
fn routine_may_post_the_next_receive() {
    thread_local! {
        static LOOP: Cell<Option<(Raw, usize)>> = const { Cell::new(None) };
    }
    unsafe extern "system" fn post_again(_: u32, _: u32, _: *mut OVERLAPPED, _: u32) {
        let (server, next) = LOOP.get().expect("the test set it");
        // SAFETY: the test keeps this request alive and does not touch it meanwhile.
        let next = unsafe { &*std::ptr::with_exposed_provenance::<Request>(next) };
        assert_eq!(server.receive_routine(next, ROUTINE), PENDING);
    }

    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let [first, second] = [8, 8].map(Request::new);
    LOOP.set(Some((
        *pair.server,
        (&raw const second).expose_provenance(),
    )));
    assert_eq!(
        pair.server.receive_routine(&first, Some(post_again)),
        PENDING
    );
    pair.client.send_all(b"abc");
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    pair.client.send_all(b"de");
    assert_eq!(until_routine(), [second.routine_success(2)]);
    assert_eq!(
        (first.received(), second.received()),
        (&b"abc"[..], &b"de"[..])
    );
}

/// Routines run on the thread that issued their operation, not on the one that happens to wait.
/// Source: "Alertable I/O"; WSARecv.
#[test]
fn routine_runs_on_the_issuing_thread_only() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let (go, issued) = (Event::manual(), Event::manual());
    let (may_go, is_issued) = (go.clone(), issued.clone());
    let issuer = spawn(move || {
        let request = Request::new(8);
        assert_eq!(server.receive_routine(&request, ROUTINE), PENDING);
        is_issued.set();
        assert!(may_go.wait(DEADLINE_MS));
        until_routine() == [request.routine_success(3)]
    });
    assert!(issued.wait(DEADLINE_MS));
    pair.client.send_all(b"abc");
    assert_eq!((sleep_alertable(QUIET_MS), routines_run()), (0, vec![]));
    go.set();
    assert!(issuer.join());
}

/// A blocking recv that really waits runs routines and goes on waiting; one that is satisfied runs none.
/// Source: "Alertable I/O" and recv (blocking winsock calls wait alertably); validated on Windows.
#[test]
fn blocking_recv_waits_alertably() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let (ran, has_run) = (Event::manual(), Event::manual());
    let done_apc = ran.clone();
    let ready = has_run.clone();
    let reader = spawn(move || {
        ready.set();
        server.recv_some(4)
    });
    assert!(has_run.wait(DEADLINE_MS));
    reader.until_waits();
    assert_ne!(queue_apc(reader.handle().raw(), move || done_apc.set()), 0);
    assert!(ran.wait(DEADLINE_MS));
    pair.client.send_all(b"abc");
    assert_eq!(reader.join(), Ok(b"abc".to_vec()));

    let request = Request::from_data(b"x");
    let other = connected_pair(Family::V4);
    assert_eq!(other.server.send_routine(&request, ROUTINE), done(1));
    pair.client.send_all(b"d");
    pair.server.until_unread(1);
    assert_eq!(pair.server.recv_exact(1), b"d");
    assert_eq!(routines_run(), []);
    assert_eq!(until_routine(), [request.routine_success(1)]);
}

/// The result of an operation with a routine can be polled.
/// Source: WSAGetOverlappedResult (fWait FALSE only, with a completion routine).
#[test]
fn result_of_an_operation_with_a_routine() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(8);
    assert_eq!(pair.server.receive_routine(&request, ROUTINE), PENDING);
    assert_eq!(pair.server.result(&request, false), Err(WSA_IO_INCOMPLETE));
    pair.client.send_all(b"abc");
    assert_eq!(until_routine(), [request.routine_success(3)]);
    assert_eq!(pair.server.result(&request, false), Ok((3, 0)));
}

/// APCs of QueueUserAPC and routines share one queue.
/// Source: QueueUserAPC and "Asynchronous Procedure Calls".
#[test]
fn user_apcs_and_routines_share_a_queue() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::from_data(b"abc");
    let me = current_thread();
    let ran_before = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = ran_before.clone();
    assert_eq!(pair.server.send_routine(&request, ROUTINE), done(3));
    assert_ne!(
        queue_apc(me.raw(), move || *seen.lock().unwrap() =
            Some(routines_run())),
        0
    );
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    assert_eq!(
        *ran_before.lock().unwrap(),
        Some(vec![request.routine_success(3)])
    );
}
