//! What lies between the other modules: combinations of rules that no single function owns.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x77;

// --- WSACleanup ------------------------------------------------------------------------------------

/// `WSACleanup`.
fn clean_up() -> Result<(), WSA_ERROR> {
    // SAFETY: takes no pointers.
    check(unsafe { WSACleanup() })
}

/// A socket that nothing closes before the test's own clean-up does.
fn unowned_socket() -> Raw {
    // SAFETY: takes no pointers.
    Raw(unsafe { socket(AF_INET.into(), SOCK_STREAM, 0) })
}

/// One start-up is ended by one clean-up, also if two threads try.
/// Source: WSACleanup, WSANOTINITIALISED ("a successful WSAStartup call must occur before").
#[test]
fn two_cleanups_of_one_startup_do_not_both_succeed() {
    let _watch = watch();
    in_own_process(|| {
        not_under_wine("its count of start-ups is no atomic", || {
            for round in 0..1000 {
                assert_eq!(start_version(0x0202), Ok(()));
                let together = Arc::new(Barrier::new(2));
                let cleaners = [(); 2].map(|()| {
                    let together = together.clone();
                    spawn(move || {
                        together.wait();
                        clean_up().is_ok()
                    })
                });
                let succeeded = join_all(cleaners)
                    .into_iter()
                    .filter(|&ended| ended)
                    .count();
                assert_eq!(succeeded, 1, "round {round}");
                assert_eq!(clean_up(), Err(WSANOTINITIALISED), "round {round}");
            }
        });
    });
}

/// The last clean-up ends calls that block in other threads, and the operations that pend.
/// Source: WSACleanup ("any pending blocking or asynchronous calls issued by any thread are canceled").
#[test]
fn cleanup_ends_blocking_calls() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(start_version(0x0202), Ok(()));
        let listener = unowned_socket();
        assert_eq!(listener.bind(&Family::V4.loopback(0)), Ok(()));
        assert_eq!(listener.listen(5), Ok(()));
        let address: Address = listener.local_address().unwrap().into();
        let connected = || {
            let client = unowned_socket();
            assert_eq!(client.connect(&address), Ok(()));
            (client, listener.accept().unwrap().into_raw())
        };
        let (silent, _silent_peer) = connected();
        let (clogged, _clogged_peer) = connected();
        let (pending, _pending_peer) = connected();
        let request = Request::new(1);
        assert_eq!(pending.receive(&request), PENDING);
        let blocked = [
            spawn(move || assert_ne!(silent.recv(&mut [0; 1]), Ok(1))),
            spawn(move || while clogged.send(&[0; 1 << 18]).is_ok() {}),
            spawn(move || drop(listener.accept())),
        ];
        blocked.iter().for_each(Worker::until_waits);
        assert_eq!(clean_up(), Ok(()));
        join_all(blocked);
        request.until_finished();
    });
}

/// The last clean-up does not linger, however many sockets would.
/// Source: WSACleanup ("sockets that were open are reset and automatically deallocated").
#[test]
fn cleanup_does_not_linger() {
    let _watch = watch();
    in_own_process(|| {
        not_under_wine("closing sockets is left to the end of the process", || {
            let listener = Listener::new(Family::V4);
            for _ in 0..3 {
                let pair = listener.pair();
                fill(*pair.server);
                pair.server.set_linger(true, LONG_LINGER);
                let _stay_open = (pair.client.into_raw(), pair.server.into_raw());
            }
            std::mem::forget(listener);
            let start = Instant::now();
            while clean_up().is_ok() {}
            assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
        });
    });
}

// --- Lingering -------------------------------------------------------------------------------------

/// Sends until nothing more fits, since the peer reads nothing. The socket is blocking afterwards.
fn fill(socket: Raw) {
    socket.set_non_blocking(true);
    while socket.send(&[7; 1 << 16]).is_ok() {}
    socket.set_non_blocking(false);
}

/// A lingering close has nothing to wait for once the peer has reset the connection.
/// Source: closesocket, l_onoff nonzero and l_linger nonzero ("until remaining data has been sent").
#[test]
fn lingering_close_ends_with_a_reset() {
    let _watch = watch();
    not_under_wine("its server lingers itself", || {
        let pair = connected_pair(Family::V4);
        fill(*pair.server);
        pair.server.set_linger(true, LONG_LINGER);
        let server = pair.server.into_raw();
        let start = Instant::now();
        let closer = spawn(move || server.close());
        closer.until_waits();
        pair.client.reset();
        assert_eq!(closer.join(), Ok(()));
        assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
    });
}

/// A non-blocking lingering socket whose connection was reset can be closed: nothing will ever be sent.
/// Source: closesocket, WSAEWOULDBLOCK ("the socket is marked as nonblocking, but the l_onoff member is nonzero").
#[test]
fn non_blocking_lingering_socket_closes_after_a_reset() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    fill(*pair.server);
    pair.server.set_non_blocking(true);
    pair.server.set_linger(true, LONG_LINGER);
    pair.client.reset();
    until("the reset arrives", || {
        pair.server.send(b"x") == Err(WSAECONNRESET)
    });
    assert_eq!(pair.server.close(), Ok(()));
}

/// A lingering close is an alertable wait, as every blocking winsock call is.
/// Source: "Alertable I/O"; closesocket, WSAEINPROGRESS and the remarks on blocking calls and APCs.
#[test]
fn lingering_close_waits_alertably() {
    let _watch = watch();
    not_under_wine("its server lingers itself", || {
        let pair = connected_pair(Family::V4);
        fill(*pair.server);
        pair.server.set_linger(true, LONG_LINGER);
        let server = pair.server.into_raw();
        let closer = spawn(move || server.close());
        closer.until_waits();
        let ran = Arc::new(AtomicBool::new(false));
        let apc = {
            let ran = ran.clone();
            move || ran.store(true, SeqCst)
        };
        assert_ne!(queue_apc(closer.handle().raw(), apc), 0);
        until("the APC runs", || ran.load(SeqCst));
        pair.client.reset();
        assert_eq!(closer.join(), Ok(()));
    });
}

// --- Connecting ------------------------------------------------------------------------------------

/// A cancelled ConnectEx leaves the socket at its address, from where it connects next.
/// Source: ConnectEx ("a previously bound socket"); CancelIoEx.
#[test]
fn cancelled_connect_ex_keeps_the_address() {
    let _watch = watch();
    differs_under_wine("the socket does not connect again", || {
        let unanswering = Unanswering::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let bound_to = client.local_address();
        let port = port_of(*client, KEY);
        let cancelled = Request::new(0);
        assert_eq!(client.connect_ex(&unanswering.address, &cancelled), PENDING);
        assert_eq!(client.cancel(&cancelled), Ok(()));
        assert_eq!(next(&port), cancelled.failure(KEY, ERROR_OPERATION_ABORTED));
        assert_eq!(client.local_address(), bound_to);

        let listener = Listener::new(Family::V4);
        let request = Request::new(0);
        assert_eq!(client.connect_ex(&listener.address, &request), PENDING);
        assert_eq!(next(&port), request.success(KEY, 0));
        let (_server, peer) = listener.accept_from().unwrap();
        assert_eq!(Ok(peer.get()), bound_to);
    });
}

/// The accept socket is taken until its AcceptEx completes, also while that waits for the first data.
/// Source: AcceptEx, sAcceptSocket ("must not be bound or connected"); validated on Windows for the pending call.
#[test]
fn accept_socket_is_taken_until_the_first_data() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = port_of(*listener, KEY);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(8);
    let [request, second] = [(); 2].map(|()| layout.request());
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let client = listener.client();
    until("the connection is taken", || accepted.has_connect_time());
    let elsewhere = Listener::new(Family::V4);
    assert_eq!(accepted.connect(&elsewhere.address), Err(WSAEINVAL));
    assert_eq!(
        accepted.connect_ex(&elsewhere.address, &Request::new(0)),
        Err(WSAEINVAL)
    );
    assert_eq!(
        listener.accept_ex(*accepted, &second, layout),
        Err(WSAEINVAL)
    );
    client.send_all(b"x");
    assert_eq!(next(&port), request.success(KEY, 1));
}

/// Two threads that learn of a failed connect make no second one: the next attempt begins afresh.
/// Source: connect, WSAECONNREFUSED and WSAEWOULDBLOCK.
#[test]
fn two_threads_learn_of_a_failed_connect() {
    let _watch = watch();
    not_under_wine(
        "reading SO_ERROR clears it: who reads second waits in vain",
        || {
            let (_holder, nobody) = refusing_address(Family::V4);
            for round in 0..500 {
                let client = Socket::tcp(Family::V4);
                client.set_non_blocking(true);
                assert_eq!(client.connect(&nobody), Err(WSAEWOULDBLOCK));
                let raw = *client;
                let learns = move || {
                    until("the connect fails", || {
                        raw.option(SOL_SOCKET, SO_ERROR) == Ok(WSAECONNREFUSED)
                    })
                };
                join_all([spawn(learns), spawn(learns)]);
                assert_eq!(
                    client.connect(&nobody),
                    Err(WSAEWOULDBLOCK),
                    "round {round}"
                );
            }
        },
    );
}

/// getsockname goes on telling the address after the peer reset the connection.
/// Source: getsockname.
#[test]
fn own_name_outlives_the_connection() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let name = pair.client.local_address();
        assert!(name.is_ok());
        pair.server.reset();
        until("the reset arrives", || pair.client.send(b"x").is_err());
        assert_eq!(pair.client.local_address(), name);
    }
}

// --- Transfers -------------------------------------------------------------------------------------

/// A send that meets the reset ends the receive that pends, once and with the same cause.
/// Source: WSARecv and WSASend, WSAECONNRESET; GetQueuedCompletionStatus, ERROR_NETNAME_DELETED.
#[test]
fn reset_met_by_a_send_ends_the_pending_receive() {
    let _watch = watch();
    for _ in 0..50 {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.client.reset();
        while pair.server.send(b"x").is_ok() {}
        assert_eq!(next(&port), request.failure(KEY, ERROR_NETNAME_DELETED));
        assert_quiet(&port);
    }
}

/// The urgent byte of a send that goes out in many parts is its last byte, and no other leaves the stream.
/// Source: send, MSG_OOB.
#[test]
fn long_urgent_send_has_one_urgent_byte() {
    let _watch = watch();
    not_under_wine(
        "the stream stops at marks on the way, as Linux does",
        || {
            let pair = connected_pair(Family::V4);
            let data: Vec<u8> = (0..4_000_000u32).map(|index| (index % 251) as u8).collect();
            let expected = data[..data.len() - 1].to_vec();
            let client = *pair.client;
            let sender = spawn(move || client.send_flags(&data, MSG_OOB));
            assert_eq!(pair.server.recv_exact(expected.len()), expected);
            assert_eq!(sender.join(), Ok(expected.len() + 1));
        },
    );
}

/// A receive of many pieces into one buffer, whoever finishes it, wakes the thread that waits for it.
/// Source: recv, MSG_WAITALL.
#[test]
fn blocking_waitall_receive_is_woken_by_its_last_piece() {
    let _watch = watch();
    differs_under_wine("returns with the first data", || {
        const LEN: usize = 4 << 20;
        for _ in 0..8 {
            let pair = connected_pair(Family::V4);
            let server = *pair.server;
            let reader = spawn(move || server.recv_flags(&mut vec![0; LEN], MSG_WAITALL));
            for _ in 0..LEN / 4096 {
                pair.client.send_all(&[1; 4096]);
            }
            assert_eq!(reader.join(), Ok(LEN));
        }
    });
}

/// A thread that ends in an APC leaves nothing of its blocking receive behind: the data is the next receiver's.
/// Source: ExitThread ("any pending I/O is canceled"); QueueUserAPC.
#[test]
fn thread_that_ends_inside_a_receive_takes_no_data() {
    unsafe extern "system" fn end_thread(_: usize) {
        // SAFETY: the frames below are the library's and a test's that owns nothing but its stack.
        unsafe { ExitThread(5) }
    }
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let server = *pair.server;
    let (thread, id) = create_thread(0, move || {
        let received = server.recv(&mut [0; 16]);
        u32::from(received.is_ok())
    });
    until_thread_waits(id);
    // SAFETY: the APC ends its thread and touches nothing.
    let queued = unsafe { QueueUserAPC(Some(end_thread), thread.raw(), 0) };
    assert_ne!(queued, 0);
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    pair.client.send_all(b"abc");
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// hEvent must name an event; anything else, also its low bit alone, is refused and never reported.
/// Source: WSARecv and WSASend, hEvent; GetQueuedCompletionStatus, remarks on the low-order bit.
#[test]
fn h_event_must_be_an_event() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    for handle in [
        GARBAGE_HANDLE,
        1 as HANDLE,
        port.raw(),
        INVALID_HANDLE_VALUE,
    ] {
        let receive = Request::new(4).with_event(handle);
        assert_eq!(
            pair.server.receive(&receive),
            Err(WSAENOTSOCK),
            "{handle:?}"
        );
        assert_eq!(receive.internal(), STATUS_PENDING as usize);
        let send = Request::from_data(b"abc").with_event(handle);
        assert_eq!(
            pair.server.send_request(&send),
            Err(WSAENOTSOCK),
            "{handle:?}"
        );
    }
    assert_quiet(&port);
}

/// A transfer on what is no socket still marks its status block as unfinished.
/// Source: OVERLAPPED, Internal; WSARecv, WSAENOTSOCK.
#[test]
fn transfers_on_no_socket_mark_the_status_block() {
    let _watch = watch();
    startup();
    differs_under_wine("a send leaves the block alone", || {
        let no_socket = Raw(GARBAGE_HANDLE as SOCKET);
        for transfer in [Raw::receive, Raw::send_request] {
            let request = Request::from_data(b"abc");
            request.mark_status(7, 8);
            assert_eq!(transfer(no_socket, &request), Err(WSAENOTSOCK));
            assert_eq!(
                (request.internal(), request.internal_high()),
                (STATUS_PENDING as usize, 8)
            );
        }
    });
}

// --- Handles, threads, names -----------------------------------------------------------------------

/// A real handle of the process does in DuplicateHandle what the pseudo handle does.
/// Source: DuplicateHandle, hSourceProcessHandle.
#[test]
fn duplicating_takes_real_process_handles() {
    let _watch = watch();
    // SAFETY: no preconditions.
    let process = duplicate(unsafe { GetCurrentProcess() });
    let event = Event::manual();
    let mut copy: HANDLE = null_mut();
    // SAFETY: `copy` lives through the call; handles are looked up.
    let result = unsafe {
        DuplicateHandle(
            process.raw(),
            event.raw(),
            process.raw(),
            &mut copy,
            0,
            FALSE,
            DUPLICATE_SAME_ACCESS,
        )
    };
    assert_eq!(result, TRUE, "last error {}", last_error());
    event.set();
    assert_eq!(wait(Handle::own(copy).raw(), 0), WAIT_OBJECT_0);
}

/// Two handles of one object are one object to a wait for all.
/// Source: WaitForMultipleObjects ("the array must not contain duplicates").
#[test]
fn two_handles_of_one_object_cannot_be_waited_for_at_once() {
    let _watch = watch();
    differs_under_wine("takes the same object twice", || {
        let event = Event::manual();
        event.set();
        let copy = event.duplicate();
        fails_with(WAIT_FAILED, ERROR_INVALID_PARAMETER, || {
            wait_many(&[event.raw(), copy.raw()], true, 0)
        });
    });
}

/// Names that differ in any byte, or any unit, name different events.
/// Source: CreateEventA and CreateEventW, lpName.
#[test]
fn names_outside_unicode_are_told_apart() {
    let _watch = watch();
    let bytes = [b"wharf \xc0\xcc\0", b"wharf \xb0\xa1\0"];
    assert_different(bytes.map(|name| {
        // SAFETY: the name is terminated.
        unsafe { CreateEventA(null(), TRUE, FALSE, name.as_ptr()) }
    }));
    let units: [&[u16]; 2] = [&[0x77, 0xd800, 0], &[0x77, 0xd801, 0]];
    assert_different(units.map(|name| {
        // SAFETY: the name is terminated.
        unsafe { CreateEventW(null(), TRUE, FALSE, name.as_ptr()) }
    }));
}

/// Asserts that these are handles of two objects.
#[track_caller]
fn assert_different(events: [HANDLE; 2]) {
    let [one, other] = events.map(Handle::own);
    assert_eq!(set_event(one.raw()), TRUE);
    assert_eq!(wait(other.raw(), 0), WAIT_TIMEOUT);
}

/// A thread finds its identifier stored when it starts.
/// Source: CreateThread, lpThreadId.
#[test]
fn identifier_is_stored_before_the_thread_runs() {
    unsafe extern "system" fn start(identifier: *mut c_void) -> u32 {
        // SAFETY: the test keeps the identifier until the thread has ended.
        let identifier = unsafe { &*identifier.cast::<AtomicU32>() };
        u32::from(identifier.load(SeqCst) == current_thread_id())
    }
    let _watch = watch();
    for round in 0..500 {
        let identifier = AtomicU32::new(0);
        let argument = (&raw const identifier).cast();
        // SAFETY: `identifier` outlives the thread, which is waited for.
        let thread =
            unsafe { CreateThread(null(), 0, Some(start), argument, 0, identifier.as_ptr()) };
        let thread = Handle::own(thread);
        assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
        let mut found = 0;
        // SAFETY: `found` lives through the call.
        assert_eq!(unsafe { GetExitCodeThread(thread.raw(), &mut found) }, TRUE);
        assert_eq!(found, 1, "round {round}");
    }
}
