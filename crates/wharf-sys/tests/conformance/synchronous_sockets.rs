//! Sockets without WSA_FLAG_OVERLAPPED: an OVERLAPPED does not make their calls asynchronous.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

/// On a socket without WSA_FLAG_OVERLAPPED a call with an OVERLAPPED blocks until it is done, even in
/// non-blocking mode; it returns 0, fills the status block and signals hEvent.
/// Source: WSARecv, non-overlapped sockets; validated on Windows.
#[test]
fn synchronous_socket_blocks_in_overlapped_calls() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp_synchronous(Family::V4);
    client.connect(&listener.address).unwrap();
    let peer = listener.socket.accept().unwrap();
    for non_blocking in [false, true] {
        client.set_non_blocking(non_blocking);
        let socket = *client;
        let receiver = spawn(move || {
            let event = Event::manual();
            let request = Request::new(8).with_event(event.raw());
            let answer = socket.receive(&request);
            let data = request.received().to_vec();
            (
                answer,
                data,
                event.wait(0),
                request.result(socket.handle(), false),
            )
        });
        receiver.until_waits();
        peer.send_all(b"abc");
        assert_eq!(receiver.join(), (done(3), b"abc".to_vec(), true, Ok(3)));
    }
}

/// Without an OVERLAPPED such a socket obeys its blocking mode.
/// Source: WSARecv, WSAEWOULDBLOCK; validated on Windows.
#[test]
fn synchronous_socket_obeys_the_blocking_mode_without_overlapped() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp_synchronous(Family::V4);
    client.connect(&listener.address).unwrap();
    client.set_non_blocking(true);
    let memory = Request::new(4);
    let (mut received, mut flags) = (0, 0);
    // SAFETY: all pointers are valid during the call.
    let result = unsafe {
        WSARecv(
            client.0,
            &memory.wsabuf(),
            1,
            &mut received,
            &mut flags,
            null_mut(),
            None,
        )
    };
    assert_eq!(check(result), Err(WSAEWOULDBLOCK));
}

/// A completion routine is ignored on such a socket.
/// Source: WSARecv, non-overlapped sockets; validated on Windows.
#[test]
fn synchronous_socket_ignores_routines() {
    let _watch = watch();
    differs_under_wine("runs the routine", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp_synchronous(Family::V4);
        client.connect(&listener.address).unwrap();
        let request = Request::from_data(b"abc");
        assert_eq!(client.send_routine(&request, ROUTINE), done(3));
        assert_eq!((sleep_alertable(0), routines_run()), (0, vec![]));
    });
}

/// Such a socket cannot be associated with a completion port.
/// Source: CreateIoCompletionPort, FileHandle (must support overlapped I/O); ERROR_INVALID_PARAMETER.
#[test]
fn synchronous_socket_cannot_join_a_port() {
    let _watch = watch();
    let socket = Socket::tcp_synchronous(Family::V4);
    let port = Port::new(0);
    fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
        create_port(socket.handle(), port.raw(), KEY, 0)
    });
}
