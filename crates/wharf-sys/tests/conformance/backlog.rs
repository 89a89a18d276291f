//! Waits for a change of the ideal send backlog: SIO_IDEAL_SEND_BACKLOG_CHANGE.
//!
//! Nothing makes the value change for certain, so what is tested is how waits begin and end without a change.

use wharf_sys::*;

use crate::harness::*;
use crate::ioctl::{Outcome, UNTOUCHED_COUNT};
use crate::tcp::*;

const KEY: usize = 0xBB;

/// Why Wine cannot judge these tests.
const UNKNOWN: &str = "does not know the code";

const CHANGE: u32 = SIO_IDEAL_SEND_BACKLOG_CHANGE;

fn begin(socket: Raw, request: &Request) -> Outcome {
    socket.control_with(CHANGE, &[], &mut [], Some(request))
}

const BEGUN: Outcome = (Err(WSA_IO_PENDING), UNTOUCHED_COUNT);

/// A wait pends whatever the blocking mode, is cancelled, and ends as cancelled when the socket is closed.
/// Source: SIO_IDEAL_SEND_BACKLOG_CHANGE ("the request is canceled by the I/O Manager", "the socket is closed", "does not
/// support non-blocking mode").
#[test]
fn wait_for_another_backlog_pends() {
    let _watch = watch();
    differs_under_wine(UNKNOWN, || {
        for non_blocking in [false, true] {
            let pair = connected_pair(Family::V4);
            let port = port_of(*pair.server, KEY);
            pair.server.set_non_blocking(non_blocking);
            let (first, second) = (Request::new(0), Request::new(0));
            assert_eq!(begin(*pair.server, &first), BEGUN);
            assert_eq!(pair.server.cancel(&first), Ok(()));
            assert_eq!(next(&port), first.failure(KEY, ERROR_OPERATION_ABORTED));
            assert_eq!(begin(*pair.server, &second), BEGUN);
            pair.client.send_all(b"data");
            assert_eq!(pair.server.recv_some(9), Ok(b"data".to_vec()));
            pair.server.close().unwrap();
            assert_eq!(next(&port), second.failure(KEY, ERROR_OPERATION_ABORTED));
        }
    });
}

/// One wait at a time: a second one is refused, and the first goes on.
/// Source: SIO_IDEAL_SEND_BACKLOG_CHANGE ("only one … request is allowed at a time").
#[test]
fn one_wait_at_a_time() {
    let _watch = watch();
    differs_under_wine(UNKNOWN, || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let (first, second) = (Request::new(0), Request::new(0));
        assert_eq!(begin(*pair.server, &first), BEGUN);
        assert_eq!(begin(*pair.server, &second).0, Err(WSA_OPERATION_ABORTED));
        assert_eq!(pair.server.cancel(&first), Ok(()));
        assert_eq!(next(&port), first.failure(KEY, ERROR_OPERATION_ABORTED));
        assert_eq!(begin(*pair.server, &second), BEGUN);
        pair.server.close().unwrap();
        assert_eq!(next(&port), second.failure(KEY, ERROR_OPERATION_ABORTED));
    });
}

/// A wait ends when this side sends no more, or the connection is reset; not when the peer sends no more.
/// Source: SIO_IDEAL_SEND_BACKLOG_CHANGE ("gracefully disconnected in the send direction", "reset or aborted").
#[test]
fn wait_ends_with_the_sending_side() {
    let _watch = watch();
    differs_under_wine(UNKNOWN, || {
        for how in [SD_SEND, SD_BOTH] {
            let pair = connected_pair(Family::V4);
            let port = port_of(*pair.server, KEY);
            let request = Request::new(0);
            assert_eq!(begin(*pair.server, &request), BEGUN);
            assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
            assert_eq!(pair.server.recv_some(9), Ok(Vec::new()));
            assert!(request.has_status(STATUS_PENDING), "that is the peer's");
            assert_eq!(pair.server.shutdown(how), Ok(()));
            assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
            let late = begin(*pair.server, &Request::new(0)).0;
            assert_eq!(late, Err(WSA_OPERATION_ABORTED));
        }
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(0);
        assert_eq!(begin(*pair.server, &request), BEGUN);
        pair.client.reset();
        assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    });
}

/// DisconnectEx ends it too, whether the socket is to be used again or not; then the next connection has a wait of its own.
/// Source: SIO_IDEAL_SEND_BACKLOG_CHANGE ("a call to the DisconnectEx function").
#[test]
fn wait_ends_with_a_disconnect() {
    let _watch = watch();
    differs_under_wine(UNKNOWN, || {
        for flags in [0, TF_REUSE_SOCKET] {
            let pair = connected_pair(Family::V4);
            let port = port_of(*pair.server, KEY);
            let (wait, disconnect) = (Request::new(0), Request::new(0));
            assert_eq!(begin(*pair.server, &wait), BEGUN);
            assert_eq!(pair.server.disconnect(flags, 0, Some(&disconnect)), PENDING);
            pair.client.close().unwrap();
            let ended = [next(&port), next(&port)];
            assert!(ended.contains(&wait.failure(KEY, ERROR_OPERATION_ABORTED)));
            assert!(ended.contains(&disconnect.success(KEY, 0)));
        }
    });
}

/// Without an OVERLAPPED the call waits, on a non-blocking socket too, until it is ended.
/// Source: SIO_IDEAL_SEND_BACKLOG_CHANGE ("this function will still block"), WSAEINTR, WSA_OPERATION_ABORTED.
#[test]
fn wait_without_an_overlapped_blocks() {
    let _watch = watch();
    not_under_wine(UNKNOWN, || {
        for non_blocking in [false, true] {
            let pair = connected_pair(Family::V4);
            let server = *pair.server;
            pair.server.set_non_blocking(non_blocking);
            let waiter = spawn(move || server.control(CHANGE, &[], &mut []).0);
            waiter.until_waits();
            assert_eq!(server.shutdown(SD_SEND), Ok(()));
            assert_eq!(waiter.join(), Err(WSA_OPERATION_ABORTED));

            let pair = connected_pair(Family::V4);
            let server = pair.server.into_raw();
            server.set_non_blocking(non_blocking);
            let waiter = spawn(move || server.control(CHANGE, &[], &mut []).0);
            waiter.until_waits();
            server.close().unwrap();
            assert_eq!(waiter.join(), Err(WSAEINTR));
        }
    });
}

/// Only connected streams have a backlog, and there is nothing to be written.
/// Source: SIO_IDEAL_SEND_BACKLOG_CHANGE, WSAENOTCONN, WSAEOPNOTSUPP, WSAEINVAL.
#[test]
fn only_connections_have_a_backlog() {
    let _watch = watch();
    differs_under_wine(UNKNOWN, || {
        let request = Request::new(0);
        let socket = Socket::tcp(Family::V4);
        assert_eq!(socket.control(CHANGE, &[], &mut []), (Err(WSAENOTCONN), 0));
        assert_eq!(begin(*socket, &request).0, Err(WSAENOTCONN));
        let datagrams = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        assert_eq!(
            datagrams.control(CHANGE, &[], &mut []),
            (Err(WSAEOPNOTSUPP), 0)
        );
        let pair = connected_pair(Family::V4);
        let mut output = [0; 4];
        assert_eq!(
            pair.server.control(CHANGE, &[], &mut output),
            (Err(WSAEINVAL), 0)
        );
    });
}
