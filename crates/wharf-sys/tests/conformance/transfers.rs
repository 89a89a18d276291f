//! send and recv: blocking or not, their flags, urgent bytes, and what they refuse.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A blocking recv waits for data and returns what there is; 0 is the end of the stream.
/// Source: recv.
#[test]
fn blocking_recv_waits_for_data() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let server = *pair.server;
        let reader = spawn(move || server.recv_some(16));
        reader.until_waits();
        pair.client.send_all(b"abc");
        assert_eq!(reader.join(), Ok(b"abc".to_vec()));
        let reader = spawn(move || server.recv_some(16));
        reader.until_waits();
        assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
        assert_eq!(reader.join(), Ok(vec![]));
    }
}

/// A non-blocking recv without data is WSAEWOULDBLOCK.
/// Source: recv, WSAEWOULDBLOCK.
#[test]
fn non_blocking_recv_does_not_wait() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    assert_eq!(pair.server.recv(&mut [0; 4]), Err(WSAEWOULDBLOCK));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_some(2), Ok(b"ab".to_vec()));
    assert_eq!(pair.server.recv_some(2), Ok(b"c".to_vec()));
    assert_eq!(pair.server.recv(&mut [0; 4]), Err(WSAEWOULDBLOCK));
}

/// A blocking send returns when all of it is on its way.
/// Source: send.
#[test]
fn blocking_send_takes_everything() {
    const LEN: usize = 32 << 20;
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let client = *pair.client;
    let writer = spawn(move || client.send(&vec![7; LEN]));
    assert!(pair.server.recv_exact(LEN).iter().all(|&byte| byte == 7));
    assert_eq!(writer.join(), Ok(LEN));
}

/// A non-blocking send takes what fits, then says WSAEWOULDBLOCK; what it took arrives.
/// Source: send, WSAEWOULDBLOCK.
#[test]
fn non_blocking_send_takes_what_fits() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.set_non_blocking(true);
    let mut sent = 0;
    let error = loop {
        match pair.client.send(&[7; 1 << 16]) {
            Ok(0) => panic!("send took nothing and did not say so"),
            Ok(len) => sent += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error, WSAEWOULDBLOCK);
    assert_eq!(pair.server.recv_exact(sent).len(), sent);
}

/// Nothing to send or no room to receive is 0, not the end.
/// Source: send and recv, len 0; validated on Windows.
#[test]
fn zero_lengths_do_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send(b""), Ok(0));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv(&mut []), Ok(0));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// A recv with length 0 may have no buffer at all.
/// Source: recv, len 0; validated on Windows.
#[test]
fn recv_without_room_needs_no_buffer() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    // SAFETY: nothing is written to a buffer of length 0.
    let result = unsafe { recv(pair.server.0, null_mut(), 0, 0) };
    assert_eq!(check_count(result), Ok(0));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// A missing buffer is WSAEFAULT.
/// Source: send and recv, WSAEFAULT.
#[test]
fn transfers_need_a_buffer() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    // SAFETY: a null buffer is what is tested.
    let result = unsafe { recv(pair.server.0, null_mut(), 4, 0) };
    assert_eq!(check_count(result), Err(WSAEFAULT));
    // SAFETY: as above.
    let result = unsafe { send(pair.client.0, null(), 4, 0) };
    assert_eq!(check_count(result), Err(WSAEFAULT));
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// MSG_PEEK shows the data and leaves it.
/// Source: recv, MSG_PEEK.
#[test]
fn peek_leaves_the_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    let mut buffer = [0; 8];
    for _ in 0..2 {
        assert_eq!(pair.server.recv_flags(&mut buffer, MSG_PEEK), Ok(3));
        assert_eq!(&buffer[..3], b"abc");
    }
    assert_eq!(pair.server.recv_exact(3), b"abc");
}

/// MSG_WAITALL waits until the buffer is full; the end of the stream makes it short.
/// Source: recv, MSG_WAITALL.
#[test]
fn waitall_fills_the_buffer() {
    let _watch = watch();
    not_under_wine("takes what is there when it looks", || {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let receive = move || {
            let mut buffer = [0; 6];
            let len = server.recv_flags(&mut buffer, MSG_WAITALL)?;
            Ok::<_, WSA_ERROR>(buffer[..len].to_vec())
        };
        pair.client.send_all(b"abc");
        let reader = spawn(receive);
        reader.until_waits();
        pair.client.send_all(b"defgh");
        assert_eq!(reader.join(), Ok(b"abcdef".to_vec()));
        let reader = spawn(receive);
        reader.until_waits();
        assert_eq!(pair.client.shutdown(SD_SEND), Ok(()));
        assert_eq!(reader.join(), Ok(b"gh".to_vec()));
    });
}

/// MSG_WAITALL is refused on a non-blocking socket and beside MSG_PEEK or MSG_OOB.
/// Source: recv, MSG_WAITALL and WSAEOPNOTSUPP.
#[test]
fn waitall_is_refused_where_it_cannot_hold() {
    let _watch = watch();
    differs_under_wine("takes any combination", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"abcd");
        for other in [MSG_PEEK, MSG_OOB] {
            let received = pair.server.recv_flags(&mut [0; 4], MSG_WAITALL | other);
            assert_eq!(received, Err(WSAEOPNOTSUPP), "beside flag {other}");
        }
        pair.server.set_non_blocking(true);
        assert_eq!(
            pair.server.recv_flags(&mut [0; 4], MSG_WAITALL),
            Err(WSAEOPNOTSUPP)
        );
    });
}

/// The urgent byte is received apart from the stream, once.
/// Source: recv and send, MSG_OOB; "Protocol-Independent Out-of-Band Data".
#[test]
fn urgent_byte_is_received_apart() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    assert_eq!(
        pair.server.recv_flags(&mut [0; 1], MSG_OOB),
        Err(WSAEWOULDBLOCK)
    );
    assert_eq!(pair.client.send_flags(b"ab!", MSG_OOB), Ok(3));
    pair.client.send_all(b"cd");
    let mut urgent = [0; 1];
    until("the urgent byte", || {
        pair.server.recv_flags(&mut urgent, MSG_OOB) == Ok(1)
    });
    assert_eq!(&urgent, b"!");
    assert_eq!(
        pair.server.recv_flags(&mut urgent, MSG_OOB),
        Err(WSAEWOULDBLOCK)
    );
    pair.server.set_non_blocking(false);
    assert_eq!(pair.server.recv_exact(4), b"abcd");
}

/// Urgent bytes are not unread data.
/// Source: ioctlsocket, FIONREAD; validated on Windows.
#[test]
fn urgent_bytes_are_not_counted_as_unread() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send_flags(b"ab!", MSG_OOB), Ok(3));
    pair.server.until_unread(2);
    assert_eq!(pair.server.recv_exact(2), b"ab");
    assert_eq!(pair.server.unread(), Ok(0));
}

/// With SO_OOBINLINE urgent bytes stay in the stream, and recv with MSG_OOB is WSAEINVAL.
/// Source: SOL_SOCKET options, SO_OOBINLINE; recv, WSAEINVAL; validated on Windows.
#[test]
fn inline_urgent_bytes_stay_in_the_stream() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1), Ok(()));
    assert_eq!(pair.client.send_flags(b"a!", MSG_OOB), Ok(2));
    pair.client.send_all(b"b");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_flags(&mut [0; 1], MSG_OOB), Err(WSAEINVAL));
    assert_eq!(pair.server.recv_exact(3), b"a!b");
}

/// A normal receive does not stop at the place of an urgent byte.
/// Source: recv and MSG_OOB; validated on Windows.
#[test]
fn receive_passes_the_urgent_mark() {
    let _watch = watch();
    differs_under_wine("stops at the mark, as Linux does", || {
        let pair = connected_pair(Family::V4);
        assert_eq!(pair.client.send_flags(b"ab!", MSG_OOB), Ok(3));
        pair.client.send_all(b"cd");
        until("the data", || pair.server.unread() >= Ok(2));
        assert_eq!(pair.server.recv_some(8), Ok(b"abcd".to_vec()));
    });
}

/// recv on a socket that is not connected is WSAENOTCONN.
/// Source: recv and send, WSAENOTCONN.
#[test]
fn transfers_need_a_connection() {
    let _watch = watch();
    for socket in [Socket::tcp(Family::V4), Socket::bound(Family::V4)] {
        assert_eq!(socket.recv(&mut [0; 1]), Err(WSAENOTCONN));
    }
}

/// send on a socket that is not connected, and both on a listening one, are WSAENOTCONN.
/// Source: recv and send, WSAENOTCONN.
#[test]
fn sends_need_a_connection() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNRESET", || {
        let listener = Listener::new(Family::V4);
        let (fresh, bound) = (Socket::tcp(Family::V4), Socket::bound(Family::V4));
        for socket in [*fresh, *bound, *listener.socket] {
            assert_eq!(socket.send(b"x"), Err(WSAENOTCONN));
        }
        assert_eq!(listener.recv(&mut [0; 1]), Err(WSAENOTCONN));
    });
}

/// After a reset every recv is WSAECONNRESET, blocking or not; SO_ERROR stays 0.
/// Source: recv, WSAECONNRESET; validated on Windows.
#[test]
fn recv_after_a_reset() {
    let _watch = watch();
    differs_under_wine("answers 0 bytes", || {
        let pair = connected_pair(Family::V4);
        pair.client.reset();
        for non_blocking in [false, true, false] {
            pair.server.set_non_blocking(non_blocking);
            assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAECONNRESET));
        }
        assert_eq!(pair.server.option(SOL_SOCKET, SO_ERROR), Ok(0));
    });
}

/// A recv that waits when the reset comes fails with it.
/// Source: recv, WSAECONNRESET.
#[test]
fn reset_ends_a_blocking_recv() {
    let _watch = watch();
    not_under_wine("recv sometimes answers 0 after a reset", || {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let reader = spawn(move || server.recv(&mut [0; 1]));
        reader.until_waits();
        pair.client.reset();
        assert_eq!(reader.join(), Err(WSAECONNRESET));
    });
}

/// A send after the peer is gone fails and does not end the process.
/// Source: send, WSAECONNRESET.
#[test]
fn send_after_a_reset() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.reset();
    assert!(pair.server.recv(&mut [0; 1]).unwrap_or(0) == 0);
    for _ in 0..3 {
        assert_eq!(pair.server.send(b"x"), Err(WSAECONNRESET));
    }
}

/// SO_RCVTIMEO ends a blocking recv with WSAETIMEDOUT; the connection stays usable.
/// Source: SOL_SOCKET options, SO_RCVTIMEO and SO_SNDTIMEO; recv and send, WSAETIMEDOUT.
#[test]
fn blocking_calls_time_out() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_RCVTIMEO, 50), Ok(()));
    assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAETIMEDOUT));
    pair.client.send_all(b"x");
    assert_eq!(pair.server.recv_exact(1), b"x");
}

/// SO_SNDTIMEO ends a blocking send with WSAETIMEDOUT.
/// Source: SOL_SOCKET options, SO_SNDTIMEO; send, WSAETIMEDOUT.
#[test]
fn blocking_send_times_out() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_option(SOL_SOCKET, SO_SNDTIMEO, 50), Ok(()));
    let data = vec![0; 64 << 20];
    until("a time-out", || {
        pair.server.send(&data) == Err(WSAETIMEDOUT)
    });
}

/// Concurrent sends of several threads do not mix inside one call's data.
/// Source: WSASend and send (calls of several threads are serialised).
#[test]
fn concurrent_sends_do_not_interleave() {
    const LEN: usize = 1 << 20;
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let client = *pair.client;
    let writers: Vec<_> = (1..=4)
        .map(|byte| spawn(move || client.send(&vec![byte; LEN])))
        .collect();
    let received = pair.server.recv_exact(4 * LEN);
    for chunk in received.chunks(LEN) {
        assert!(
            chunk.iter().all(|byte| *byte == chunk[0]),
            "the data of two sends is mixed"
        );
    }
    for sent in join_all(writers) {
        assert_eq!(sent, Ok(LEN));
    }
}
