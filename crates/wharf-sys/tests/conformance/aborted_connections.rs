//! Connections that end twice: the peer has closed, and answers what still comes with a reset.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A connection whose peer has closed it; the end is received.
fn left_alone(family: Family) -> Socket {
    let Pair { client, server } = connected_pair(family);
    client.close().unwrap();
    assert_eq!(server.recv(&mut [0; 1]), Ok(0));
    server
}

/// The first send is accepted, for nobody can know yet. The reset that answers it makes every receive WSAECONNABORTED, and every
/// further send, overlapped or not; SO_ERROR stays 0.
/// Source: recv and send, WSAECONNABORTED; an experiment on Windows (a peer that has closed gives 10053, one that resets 10054).
#[test]
fn reset_behind_the_end_aborts() {
    let _watch = watch();
    differs_under_wine("receives go on finding the end", || {
        for family in FAMILIES {
            let server = left_alone(family);
            assert_eq!(server.send(b"x"), Ok(1));
            until("the reset", || server.recv(&mut [0; 1]) != Ok(0));
            assert_eq!(server.recv(&mut [0; 1]), Err(WSAECONNABORTED));
            assert_eq!(server.receive(&Request::new(4)), Err(WSAECONNABORTED));
            assert_eq!(server.send(b"y"), Err(WSAECONNABORTED));
            let request = Request::from_data(b"z");
            assert_eq!(server.send_request(&request), Err(WSAECONNABORTED));
            assert_eq!(server.option(SOL_SOCKET, SO_ERROR), Ok(0));
        }
    });
}

/// The same where a send is the first to learn of it.
/// Source: send, WSAECONNABORTED; an experiment on Windows.
#[test]
fn send_learns_of_the_abort() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNRESET", || {
        let server = left_alone(Family::V4);
        let mut failure = None;
        until("the reset", || {
            failure = server.send(b"x").err();
            failure.is_some()
        });
        assert_eq!(failure, Some(WSAECONNABORTED));
        assert_eq!(server.recv(&mut [0; 1]), Err(WSAECONNABORTED));
    });
}

/// An end that is an end: both sides have sent their FIN, and receives go on finding it.
/// Source: recv ("If the connection has been gracefully closed, the return value is zero").
#[test]
fn end_of_both_sides_is_no_abort() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    client.shutdown(SD_SEND).unwrap();
    server.shutdown(SD_SEND).unwrap();
    for side in [&client, &server] {
        for _ in 0..3 {
            assert_eq!(side.recv(&mut [0; 1]), Ok(0));
        }
    }
    client.close().unwrap();
    assert_eq!(server.recv(&mut [0; 1]), Ok(0));
}

/// What the peer had sent is received although the reset has come by then.
/// Source: recv (Windows drops it; Linux keeps what was acknowledged).
#[test]
fn what_was_there_comes_first() {
    let _watch = watch();
    linux_only("Windows drops it", || {
        let Pair { client, server } = connected_pair(Family::V4);
        client.send_all(b"left");
        client.close().unwrap();
        until("the reset", || server.send(b"x") == Err(WSAECONNABORTED));
        let fresh = connected_pair(Family::V4);
        fresh.client.send_all(b"left");
        fresh.client.close().unwrap();
        fresh.server.until_unread(4);
        assert_eq!(fresh.server.send(b"x"), Ok(1));
        assert_eq!(fresh.server.recv_exact(4), b"left");
        until("the reset", || fresh.server.recv(&mut [0; 1]) != Ok(0));
        assert_eq!(fresh.server.recv(&mut [0; 1]), Err(WSAECONNABORTED));
        assert_eq!(server.recv(&mut [0; 4]), Err(WSAECONNABORTED));
    });
}
