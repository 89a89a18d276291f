//! CreateIoCompletionPort for sockets: which join a port, when, and what it changes.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

/// A NULL or closed handle cannot be associated.
/// Source: CreateIoCompletionPort, ERROR_INVALID_HANDLE.
#[test]
fn association_checks_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        let port = Port::new(0);
        for handle in [null_mut(), Socket::stale().handle(), GARBAGE_HANDLE] {
            fails_with(null_mut(), ERROR_INVALID_HANDLE, || {
                create_port(handle, port.raw(), KEY, 0)
            });
        }
    });
}

/// A socket joins a port once; a second association fails, with this port or another.
/// Source: CreateIoCompletionPort, remarks (one port per handle); ERROR_INVALID_PARAMETER.
#[test]
fn socket_joins_one_port_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let other = Port::new(0);
    for port in [&port, &other] {
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
            create_port(pair.server.handle(), port.raw(), KEY, 0)
        });
    }
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(KEY, 1));
}

/// CreateIoCompletionPort with a socket and no port makes a port with the socket in it.
/// Source: CreateIoCompletionPort, ExistingCompletionPort NULL.
#[test]
fn port_can_be_created_with_its_first_socket() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = Port::own(Handle::own(create_port(
        pair.server.handle(),
        null_mut(),
        KEY,
        0,
    )));
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(KEY, 1));
}

/// An operation that pends when its socket is associated queues a packet, with the new key.
/// Source: CreateIoCompletionPort; validated on Windows.
#[test]
fn pending_operation_joins_the_port() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    let port = port_of(*pair.server, KEY);
    assert_empty(&port);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
}

/// Synchronous calls on an associated socket queue nothing.
/// Source: GetQueuedCompletionStatus (only overlapped operations are queued).
#[test]
fn synchronous_calls_queue_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    pair.server.send_all(b"abc");
    pair.client.send_all(b"def");
    assert_eq!(pair.server.recv_exact(3), b"def");
    assert_eq!(pair.server.shutdown(SD_BOTH), Ok(()));
    assert_eq!(pair.server.close(), Ok(()));
    assert_quiet(&port);
}

/// After the port was closed its sockets go on; their completions reach the status block and the event.
/// Source: CloseHandle and CreateIoCompletionPort (the association lasts as long as the handle).
#[test]
fn socket_outlives_its_port() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    port.close();
    pair.client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(request.received(), b"abc");
    let later = Request::new(4);
    assert_eq!(pair.server.receive(&later), PENDING);
    pair.client.send_all(b"de");
    later.until_finished();
    assert_eq!(later.received(), b"de");
}
