//! Overlapped WSARecv and WSASend: MSG_WAITALL, MSG_PEEK, MSG_OOB and the other flags.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x22;

/// With MSG_WAITALL a receive pends until its buffers are full, however the data trickles in.
/// Source: WSARecv, MSG_WAITALL.
#[test]
fn waitall_receive_pends_until_full() {
    let _watch = watch();
    not_under_wine("takes what is there when it looks", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(6);
        assert_eq!(pair.server.receive_flags(&request, MSG_WAITALL), PENDING);
        for piece in [b"ab", b"cd"] {
            pair.client.send_all(piece);
            assert_quiet(&port);
            assert!(!request.is_finished());
        }
        pair.client.send_all(b"ef!");
        assert_eq!(next(&port), request.success(KEY, 6));
        assert_eq!(request.received(), b"abcdef");
        assert_eq!(pair.server.recv_exact(1), b"!");
    });
}

/// MSG_WAITALL with part of the data there pends as well; a receive posted behind it waits.
/// Source: WSARecv, MSG_WAITALL.
#[test]
fn waitall_receive_holds_back_the_next() {
    let _watch = watch();
    differs_under_wine("completes with the first data", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        pair.client.send_all(b"ab");
        pair.server.until_unread(2);
        let [whole, rest] = [4, 4].map(Request::new);
        assert_eq!(pair.server.receive_flags(&whole, MSG_WAITALL), PENDING);
        assert_eq!(pair.server.receive(&rest), PENDING);
        pair.client.send_all(b"cdef");
        assert_eq!(next(&port), whole.success(KEY, 4));
        assert_eq!(next(&port), rest.success(KEY, 2));
        assert_eq!(
            (whole.received(), rest.received()),
            (&b"abcd"[..], &b"ef"[..])
        );
    });
}

/// MSG_WAITALL ends early, with success, at the end of the stream.
/// Source: WSARecv, MSG_WAITALL (completes when the connection is closed).
#[test]
fn waitall_receive_is_short_at_the_end() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(6);
    assert_eq!(pair.server.receive_flags(&request, MSG_WAITALL), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
    assert_eq!(next(&port), request.success(KEY, 3));
    assert_eq!(request.received(), b"abc");
}

/// MSG_WAITALL is refused on a non-blocking socket and beside MSG_PEEK, MSG_OOB or MSG_PARTIAL.
/// Source: WSARecv, MSG_WAITALL, WSAEOPNOTSUPP.
#[test]
fn waitall_is_refused_where_it_cannot_hold() {
    let _watch = watch();
    differs_under_wine("takes any combination", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        for other in [MSG_PEEK, MSG_OOB, MSG_PARTIAL as i32] {
            let answer = pair.server.receive_flags(&request, MSG_WAITALL | other);
            assert_eq!(answer, Err(WSAEOPNOTSUPP), "beside flag {other:#x}");
        }
        pair.server.set_non_blocking(true);
        assert_eq!(
            pair.server.receive_flags(&request, MSG_WAITALL),
            Err(WSAEOPNOTSUPP)
        );
        assert_quiet(&port);
    });
}

/// An overlapped MSG_PEEK shows the data and leaves it.
/// Source: WSARecv, MSG_PEEK (documented for non-overlapped sockets; allowed here).
#[test]
fn peek_leaves_the_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let peek = Request::new(8);
    assert_eq!(pair.server.receive_flags(&peek, MSG_PEEK), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), peek.success(KEY, 3));
    assert_eq!(peek.received(), b"abc");
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// Unknown flag bits are refused.
/// Source: WSARecv, WSAEOPNOTSUPP.
#[test]
fn unknown_receive_flags_are_refused() {
    let _watch = watch();
    differs_under_wine("ignores unknown flags", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::new(4);
        for flags in [0x40, 0x0080_0000, i32::MIN] {
            assert_eq!(
                pair.server.receive_flags(&request, flags),
                Err(WSAEOPNOTSUPP)
            );
        }
        assert_quiet(&port);
    });
}

/// MSG_PUSH_IMMEDIATE is a hint: the receive works as without it.
/// Source: WSARecv, MSG_PUSH_IMMEDIATE.
#[test]
fn push_immediate_is_a_hint() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    assert_eq!(
        pair.server.receive_flags(&request, MSG_PUSH_IMMEDIATE),
        PENDING
    );
    pair.client.send_all(b"abc");
    request.until_finished();
    assert_eq!(request.received(), b"abc");
}

/// A send with MSG_PARTIAL is refused on a stream.
/// Source: WSASend, MSG_PARTIAL and WSAEOPNOTSUPP.
#[test]
fn partial_send_is_refused() {
    let _watch = watch();
    differs_under_wine("ignores the flag", || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let request = Request::from_data(b"abc");
        let answer = pair
            .server
            .send_from(&[request.wsabuf()], MSG_PARTIAL, &request, None);
        assert_eq!(answer, Err(WSAEOPNOTSUPP));
        assert_quiet(&port);
    });
}

/// The last byte of a send with MSG_OOB is urgent; a receive with MSG_OOB takes it alone.
/// Source: WSASend, MSG_OOB; "Protocol-Independent Out-of-Band Data".
#[test]
fn urgent_byte_travels_beside_the_stream() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let send = Request::from_data(b"ab!");
    let answer = pair
        .client
        .send_from(&[send.wsabuf()], MSG_OOB as u32, &send, None);
    assert_eq!(answer, done(3));
    let urgent = Request::new(4);
    assert!(pair.server.receive_flags(&urgent, MSG_OOB).is_ok());
    assert_eq!(next(&port), urgent.success(KEY, 1));
    assert_eq!(urgent.received(), b"!");
    assert_eq!(pair.server.recv_exact(2), b"ab");
}

/// lpFlags comes back as 0 from a receive on a stream that is done at once.
/// Source: WSARecv, lpFlags.
#[test]
fn flags_come_back_cleared() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    let request = Request::new(8);
    let (mut received, mut flags) = (0, MSG_PEEK as u32);
    // SAFETY: the request outlives the operation.
    let result = unsafe {
        let buffer = request.wsabuf();
        let overlapped = request.overlapped();
        WSARecv(
            pair.server.0,
            &buffer,
            1,
            &mut received,
            &mut flags,
            overlapped,
            None,
        )
    };
    assert_eq!(request.note(answer(result, received)), done(3));
    assert_eq!(flags & MSG_PARTIAL, 0);
}
