//! Data for a receive side that was shut down: whoever still receives gets it, else it resets the connection.
//!
//! Source throughout: shutdown, SD_RECEIVE: "if there is still data queued on the socket waiting to be received, or data
//! arrives subsequently, the connection is reset". Validated on Windows: a receive that pends goes on.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x5d;
const LEFT_UNREAD: &str = "leaves it unread";

/// Until the peer of a connection that was reset knows.
fn expect_reset_at(peer: Raw) {
    assert_eq!(peer.recv(&mut [0; 1]), Err(WSAECONNRESET));
}

/// What was not received when the receive side is shut down resets the connection; the socket keeps its names.
#[test]
fn queued_data_resets() {
    let _watch = watch();
    differs_under_wine(LEFT_UNREAD, || {
        for (family, how) in [(Family::V4, SD_RECEIVE), (Family::V6, SD_BOTH)] {
            let pair = connected_pair(family);
            pair.client.send_all(b"abc");
            pair.server.until_unread(3);
            let names = (pair.server.local_address(), pair.server.peer_address());
            assert_eq!(pair.server.shutdown(how), Ok(()));
            expect_reset_at(*pair.client);
            assert_eq!(
                (pair.server.local_address(), pair.server.peer_address()),
                names
            );
            if how == SD_RECEIVE {
                assert_eq!(pair.server.send(b"x"), Err(WSAECONNABORTED));
            }
            assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAESHUTDOWN));
        }
    });
}

/// Data that arrives later does the same at a socket on a port, whose threads see it come.
#[test]
fn later_data_resets() {
    let _watch = watch();
    differs_under_wine(LEFT_UNREAD, || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        assert_eq!(pair.server.shutdown(SD_RECEIVE), Ok(()));
        pair.server.send_all(b"abc");
        assert_eq!(pair.client.recv_exact(3), b"abc");
        pair.client.send_all(b"x");
        assert_quiet(&port); // a worker looks at the port
        expect_reset_at(*pair.client);
        let request = Request::from_data(b"x");
        assert_eq!(pair.server.send_request(&request), Err(WSAECONNABORTED));
    });
}

/// A receive that pends takes what comes; what it leaves resets the connection.
#[test]
fn what_the_last_receive_leaves_resets() {
    let _watch = watch();
    differs_under_wine(LEFT_UNREAD, || {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, KEY);
        let pending = [2, 2].map(Request::new);
        for request in &pending {
            assert_eq!(pair.server.receive(request), PENDING);
        }
        assert_eq!(pair.server.shutdown(SD_RECEIVE), Ok(()));
        pair.client.send_all(b"abcde");
        for (request, data) in pending.iter().zip([b"ab", b"cd"]) {
            assert_eq!(next(&port), request.success(KEY, 2));
            assert_eq!(request.received(), data);
        }
        assert_empty(&port);
        expect_reset_at(*pair.client);
    });
}

/// The peer's end is no data: the socket goes on sending.
#[test]
fn the_end_of_the_stream_is_no_data() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    assert_eq!(pair.server.shutdown(SD_RECEIVE), Ok(()));
    pair.client.shutdown(SD_SEND).unwrap();
    assert_quiet(&port);
    pair.server.send_all(b"abc");
    assert_eq!(pair.client.recv_exact(3), b"abc");
}
