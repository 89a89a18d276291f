//! closesocket: what becomes of the handle, the connection, and the operations that pend.

use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x55;

// --- The handle ------------------------------------------------------------------------------------

/// A closed socket is no socket: a second closesocket is WSAENOTSOCK.
/// Source: closesocket, WSAENOTSOCK.
#[test]
fn second_close_fails() {
    let _watch = watch();
    in_own_process(|| {
        for bad in [
            Socket::stale(),
            Raw(INVALID_SOCKET),
            Raw(0),
            Raw(GARBAGE_HANDLE as SOCKET),
        ] {
            assert_eq!(bad.close(), Err(WSAENOTSOCK));
        }
    });
}

/// closesocket takes sockets only: an event or a port is WSAENOTSOCK and stays open.
/// Source: closesocket, WSAENOTSOCK.
#[test]
fn close_refuses_other_handles() {
    let _watch = watch();
    in_own_process(|| {
        startup();
        let event = Event::manual();
        let port = Port::new(0);
        for handle in [event.raw(), port.raw()] {
            assert_eq!(Raw(handle as SOCKET).close(), Err(WSAENOTSOCK));
        }
        event.set();
        assert_empty(&port);
    });
}

/// CloseHandle on a socket is a plain close; a following closesocket is WSAENOTSOCK.
/// Source: CloseHandle (sockets are for closesocket); validated on Windows.
#[test]
fn close_handle_closes_sockets() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("closesocket succeeds", || {
            let pair = connected_pair(Family::V4);
            let raw = pair.server.into_raw();
            assert_eq!(close_handle(raw.handle()), TRUE);
            assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
            assert_eq!(raw.close(), Err(WSAENOTSOCK));
        });
    });
}

/// A closed port or event leaves nothing behind in the socket table: new sockets are fresh.
/// Source: closesocket (handle values may be reused).
#[test]
fn reused_handles_are_fresh_sockets() {
    let _watch = watch();
    for _ in 0..100 {
        let socket = Socket::tcp(Family::V4);
        assert_eq!(socket.option(SOL_SOCKET, SO_KEEPALIVE), Ok(0));
        assert_eq!(socket.local_address(), Err(WSAEINVAL));
        assert_eq!(socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1), Ok(()));
        assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
    }
}

// --- The connection --------------------------------------------------------------------------------

/// A plain close sends everything and then the end of the stream.
/// Source: closesocket, graceful close in the background.
#[test]
fn close_is_graceful() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        pair.server.send_all(b"last words");
        assert_eq!(pair.server.close(), Ok(()));
        assert_eq!(pair.client.recv_exact(10), b"last words");
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    }
}

/// A close with unsent data returns at once, and the data still arrives.
/// Source: closesocket, l_onoff 0.
#[test]
fn close_goes_on_in_the_background() {
    const LEN: usize = 1 << 20;
    let _watch = watch();
    for non_blocking in [false, true] {
        let pair = connected_pair(Family::V4);
        pair.server.set_non_blocking(true);
        let mut sent = 0;
        while let Ok(len) = pair.server.send(&[7; LEN]) {
            sent += len;
        }
        pair.server.set_non_blocking(non_blocking);
        assert_eq!(pair.server.close(), Ok(()));
        assert_eq!(pair.client.recv_exact(sent).len(), sent);
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    }
}

/// With linger on and time 0 close resets the connection at once.
/// Source: closesocket, l_onoff nonzero and l_linger 0 (abortive close).
#[test]
fn close_with_zero_linger_resets() {
    let _watch = watch();
    not_under_wine("recv sometimes answers 0 after a reset", || {
        for non_blocking in [false, true] {
            let pair = connected_pair(Family::V4);
            pair.server.set_non_blocking(non_blocking);
            pair.server.set_linger(true, 0);
            assert_eq!(pair.server.close(), Ok(()));
            assert_eq!(pair.client.recv(&mut [0; 1]), Err(WSAECONNRESET));
        }
    });
}

/// A close with received data unread resets the connection.
/// Source: closesocket (data the application has not received).
#[test]
fn close_with_unread_data_resets() {
    let _watch = watch();
    not_under_wine("recv sometimes answers 0 after a reset", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"unread");
        pair.server.until_unread(6);
        assert_eq!(pair.server.close(), Ok(()));
        assert_eq!(pair.client.recv(&mut [0; 1]), Err(WSAECONNRESET));
    });
}

/// With linger on and a time, close waits until the data is out.
/// Source: closesocket, l_onoff nonzero and l_linger nonzero, blocking socket.
#[test]
fn close_lingers_until_the_data_is_out() {
    let _watch = watch();
    not_under_wine(
        "its server lingers itself, and sometimes nobody can read meanwhile",
        || {
            let pair = connected_pair(Family::V4);
            pair.server.set_non_blocking(true);
            let mut sent = 0;
            while let Ok(len) = pair.server.send(&[7; 1 << 16]) {
                sent += len;
            }
            pair.server.set_non_blocking(false);
            pair.server.set_linger(true, LONG_LINGER);
            let server = pair.server.into_raw();
            let closer = spawn(move || server.close());
            closer.until_waits();
            assert_eq!(pair.client.recv_exact(sent).len(), sent);
            assert_eq!(closer.join(), Ok(()));
            assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        },
    );
}

/// When the linger time passes, close resets and still returns 0.
/// Source: closesocket, l_linger expires.
#[test]
fn close_lingers_no_longer_than_told() {
    let _watch = watch();
    differs_under_wine("the data goes on arriving", || {
        let pair = connected_pair(Family::V4);
        pair.server.set_non_blocking(true);
        while pair.server.send(&[7; 1 << 16]).is_ok() {}
        pair.server.set_non_blocking(false);
        pair.server.set_linger(true, 1);
        let start = Instant::now();
        assert_eq!(pair.server.close(), Ok(()));
        let elapsed = start.elapsed();
        let told = Duration::from_millis(900)..DEADLINE;
        assert!(told.contains(&elapsed), "{elapsed:?}");
        let ended = loop {
            match pair.client.recv(&mut [0; 1 << 16]) {
                Ok(0) => break Ok(0),
                Ok(_) => continue,
                error => break error,
            }
        };
        assert_eq!(ended, Err(WSAECONNRESET));
    });
}

/// With everything sent and acknowledged a lingering close returns at once.
/// Source: closesocket, l_onoff nonzero.
#[test]
fn close_with_nothing_to_send_does_not_linger() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.send_all(b"x");
    assert_eq!(pair.client.recv_exact(1), b"x");
    pair.server.set_linger(true, LONG_LINGER);
    let start = Instant::now();
    assert_eq!(pair.server.close(), Ok(()));
    assert!(start.elapsed() < DEADLINE);
    assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
}

/// On a non-blocking socket a lingering close with unsent data is WSAEWOULDBLOCK; the handle stays valid.
/// Source: closesocket, WSAEWOULDBLOCK.
#[test]
fn lingering_close_of_a_non_blocking_socket_would_block() {
    let _watch = watch();
    differs_under_wine("waits as on a blocking socket", || {
        let pair = connected_pair(Family::V4);
        pair.server.set_non_blocking(true);
        let mut sent = 0;
        while let Ok(len) = pair.server.send(&[7; 1 << 16]) {
            sent += len;
        }
        pair.server.set_linger(true, 2);
        let server = pair.server.into_raw();
        assert_eq!(server.close(), Err(WSAEWOULDBLOCK));
        assert!(server.peer_address().is_ok());
        assert_eq!(pair.client.recv_exact(sent).len(), sent);
        until("the close goes through", || server.close() == Ok(()));
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    });
}

// --- Pending operations ----------------------------------------------------------------------------

/// Closing a connected socket ends its receives with ERROR_CONNECTION_ABORTED, under the old key.
/// Source: closesocket (pending overlapped operations); GetQueuedCompletionStatus; validated on Windows.
#[test]
fn close_aborts_pending_receives() {
    let _watch = watch();
    differs_under_wine("shows error 676", || {
        for family in FAMILIES {
            let pair = connected_pair(family);
            let port = port_of(*pair.server, KEY);
            let requests = [4, 4].map(Request::new);
            for request in &requests {
                assert_eq!(pair.server.receive(request), PENDING);
            }
            let raw = pair.server.into_raw();
            assert_eq!(raw.close(), Ok(()));
            for request in &requests {
                assert_eq!(next(&port), request.failure(KEY, ERROR_CONNECTION_ABORTED));
                assert!(request.has_status(STATUS_CONNECTION_ABORTED));
                assert_eq!(
                    request.result(raw.handle(), false),
                    Err(ERROR_CONNECTION_ABORTED)
                );
            }
            assert_quiet(&port);
            assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        }
    });
}

/// Each pending receive of a closed socket is reported exactly once.
/// Source: closesocket (pending overlapped operations).
#[test]
fn close_reports_each_receive_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let requests = [4, 4, 4].map(Request::new);
    for request in &requests {
        assert_eq!(pair.server.receive(request), PENDING);
    }
    assert_eq!(pair.server.close(), Ok(()));
    for request in &requests {
        match next(&port) {
            Taken::Failed(failed, _) => {
                assert_eq!(failed.overlapped, request.overlapped() as usize)
            }
            other => panic!("{other:?}"),
        }
    }
    assert_quiet(&port);
}

/// CloseHandle ends them in the same way.
/// Source: CloseHandle; validated on Windows.
#[test]
fn close_handle_aborts_pending_receives() {
    let _watch = watch();
    differs_under_wine("shows error 676", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        assert_eq!(close_handle(pair.server.into_raw().handle()), TRUE);
        assert_eq!(next(&port), request.failure(KEY, ERROR_CONNECTION_ABORTED));
        assert_quiet(&port);
    });
}

/// An abortive close ends them in the same way.
/// Source: closesocket, l_linger 0; validated on Windows (all ways of closing).
#[test]
fn abortive_close_aborts_pending_receives() {
    let _watch = watch();
    differs_under_wine("shows error 676", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        pair.server.reset();
        assert_eq!(next(&port), request.failure(KEY, ERROR_CONNECTION_ABORTED));
        assert_eq!(pair.client.recv(&mut [0; 1]), Err(WSAECONNRESET));
        assert_quiet(&port);
    });
}

/// Pending sends of a closed socket are reported exactly once each.
/// Source: closesocket (pending overlapped operations); aborted like the receives.
#[test]
fn close_reports_each_send_once() {
    let _watch = watch();
    not_under_wine("the packet of a pending send may be lost", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let requests = clog(*pair.server);
        let (pending, finished) = requests.split_last().unwrap();
        for request in finished {
            assert_eq!(next(&port), request.success(KEY, CLOG as u32));
        }
        assert_eq!(pair.server.close(), Ok(()));
        let overlapped = match next(&port) {
            Taken::Packet(packet) | Taken::Failed(packet, _) => packet.overlapped,
            other => panic!("{other:?}"),
        };
        assert_eq!(overlapped, pending.overlapped() as usize);
        assert_quiet(&port);
    });
}

/// A closed socket's pending receive signals its event.
/// Source: closesocket (pending overlapped operations).
#[test]
fn close_signals_the_event() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    assert_eq!(pair.server.close(), Ok(()));
    assert!(event.wait(DEADLINE_MS));
    assert!(request.is_finished());
}

/// The status of an operation that only has an event, after the close.
/// Source: closesocket; OVERLAPPED, Internal; follows from the validated packet.
#[test]
fn close_writes_the_status() {
    let _watch = watch();
    differs_under_wine("writes 0xC0000008 or so", || {
        let pair = connected_pair(Family::V4);
        let event = Event::manual();
        let request = Request::new(4).with_event(event.raw());
        assert_eq!(pair.server.receive(&request), PENDING);
        assert_eq!(pair.server.close(), Ok(()));
        assert!(event.wait(DEADLINE_MS));
        assert_eq!(
            (request.internal(), request.internal_high()),
            (0xC000_0241, 0)
        );
    });
}

/// Closing a listener ends its AcceptEx calls with ERROR_OPERATION_ABORTED.
/// Source: AcceptEx and closesocket; validated on Windows.
#[test]
fn closing_a_listener_aborts_accept_ex() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = port_of(*listener.socket, KEY);
    let layout = AcceptLayout::without_data();
    let accepted = [(); 2].map(|()| Socket::tcp(Family::V4));
    let requests = [(); 2].map(|()| layout.request());
    for (socket, request) in accepted.iter().zip(&requests) {
        assert_eq!(listener.accept_ex(**socket, request, layout), PENDING);
    }
    assert_eq!(listener.socket.close(), Ok(()));
    for request in &requests {
        assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
        assert!(request.has_status(STATUS_CANCELLED));
    }
    assert_quiet(&port);
}

/// Closing the accept socket ends its AcceptEx with ERROR_OPERATION_ABORTED at the listener's port.
/// Source: AcceptEx and closesocket; validated on Windows.
#[test]
fn closing_the_accept_socket_aborts_its_accept_ex() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = port_of(*listener.socket, KEY);
    let layout = AcceptLayout::without_data();
    let accepted = Socket::tcp(Family::V4);
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    assert_eq!(accepted.close(), Ok(()));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
}

/// Closing the accept socket while the first data is awaited ends its AcceptEx in the same way.
/// Source: AcceptEx and closesocket; 995 is one of the two answers seen on Windows, and ours.
#[test]
fn closing_the_accept_socket_of_a_silent_client() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = port_of(*listener.socket, KEY);
    let layout = AcceptLayout::with_data(4);
    let accepted = Socket::tcp(Family::V4);
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let _client = listener.client();
    until("the connection is taken", || {
        port.take(0) == TIMED_OUT && accepted.has_connect_time()
    });
    assert_eq!(accepted.close(), Ok(()));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
}

/// Closing a connecting socket ends its ConnectEx with ERROR_OPERATION_ABORTED.
/// Source: ConnectEx and closesocket (our choice; Windows' code is not documented).
#[test]
fn closing_a_connecting_socket_aborts_connect_ex() {
    let _watch = watch();
    let unanswering = Unanswering::new(Family::V4);
    let client = Socket::bound(Family::V4);
    let port = port_of(*client, KEY);
    let request = Request::new(0);
    assert_eq!(client.connect_ex(&unanswering.address, &request), PENDING);
    assert_eq!(client.close(), Ok(()));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
}

/// Closing one of two handles of a socket ends nothing: the operations go on, also those issued through
/// the closed handle, and completions keep their key.
/// Source: DuplicateHandle and closesocket; validated on Windows.
#[test]
fn duplicate_keeps_the_operations_alive() {
    let _watch = watch();
    differs_under_wine("closing a handle ends what was issued through it", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        let copy = pair.server.duplicate();
        assert_eq!(pair.server.close(), Ok(()));
        assert_quiet(&port);
        pair.client.send_all(b"abc");
        assert_eq!(next(&port), request.success(KEY, 3));
        copy.close();
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        assert_quiet(&port);
    });
}

/// The last of two handles ends the operations.
/// Source: DuplicateHandle and CloseHandle; validated on Windows.
#[test]
fn last_handle_ends_the_operations() {
    let _watch = watch();
    differs_under_wine("shows error 676", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        assert_eq!(pair.server.receive(&request), PENDING);
        let copy = pair.server.duplicate();
        assert_eq!(pair.server.close(), Ok(()));
        assert_quiet(&port);
        copy.close();
        assert_eq!(next(&port), request.failure(KEY, ERROR_CONNECTION_ABORTED));
        assert_quiet(&port);
    });
}

// --- Blocking calls --------------------------------------------------------------------------------

/// A blocking recv ends with WSAEINTR when another thread closes the socket.
/// Source: closesocket, WSAEINTR (our choice of the codes that versions of Windows showed).
#[test]
fn close_ends_a_blocking_recv() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let reader = spawn(move || server.recv(&mut [0; 1]));
        reader.until_waits();
        assert_eq!(pair.server.close(), Ok(()));
        assert_eq!(reader.join(), Err(WSAEINTR));
    });
}

/// A blocking accept ends with WSAEINTR when another thread closes the listener.
/// Source: accept and closesocket, WSAEINTR.
#[test]
fn close_ends_a_blocking_accept() {
    let _watch = watch();
    differs_under_wine("answers 995", || {
        let listener = Listener::new(Family::V4);
        let socket = *listener.socket;
        let waiter = spawn(move || socket.accept().err());
        waiter.until_waits();
        assert_eq!(listener.socket.close(), Ok(()));
        assert_eq!(waiter.join(), Some(WSAEINTR));
    });
}

/// A blocking send ends with WSAEINTR when another thread closes the socket.
/// Source: send and closesocket, WSAEINTR.
#[test]
fn close_ends_a_blocking_send() {
    let _watch = watch();
    differs_under_wine("the send goes on", || {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let writer = spawn(move || server.send(&vec![0; 64 << 20]));
        writer.until_waits();
        assert_eq!(pair.server.close(), Ok(()));
        assert_eq!(writer.join(), Err(WSAEINTR));
    });
}
