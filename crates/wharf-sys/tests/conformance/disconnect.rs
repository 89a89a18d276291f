//! DisconnectEx: the end of a connection as an operation, and sockets that are used again.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x44;
const LISTENER: usize = 0x55;
const NEITHER: &str = "takes DisconnectEx for a shutdown: no reuse, no check of its arguments";

impl Raw {
    /// DisconnectEx; without a request it is synchronous.
    pub fn disconnect(self, flags: u32, reserved: u32, request: Option<&Request>) -> Answer {
        let disconnect: LPFN_DISCONNECTEX = any_socket().extension(WSAID_DISCONNECTEX).unwrap();
        let overlapped = request.map_or(null_mut(), Request::overlapped);
        // SAFETY: the OVERLAPPED is null or belongs to `request`, which outlives the operation.
        let result =
            unsafe { disconnect.expect("a function")(self.0, overlapped, flags, reserved) };
        let answer = answer_bool(result, 0);
        request.map_or(answer, |request| request.note(answer))
    }

    /// DisconnectEx with TF_REUSE_SOCKET, synchronous.
    fn disconnect_for_reuse(self) -> Answer {
        self.disconnect(TF_REUSE_SOCKET, 0, None)
    }
}

/// A socket to ask for extension functions.
fn any_socket() -> Socket {
    Socket::tcp(Family::V4)
}

/// A connection, with the end that is looked at on a port.
fn pair_on_port(family: Family) -> (Pair, Port) {
    let pair = connected_pair(family);
    let port = port_of(*pair.server, KEY);
    (pair, port)
}

/// A connection taken by AcceptEx, with its listener on a port.
fn accepted_by_request(listener: &Listener, acceptor: Raw) -> Socket {
    let request = AcceptLayout::without_data().request();
    assert_eq!(
        listener.accept_ex(acceptor, &request, AcceptLayout::without_data()),
        PENDING
    );
    let client = listener.client();
    request.until_finished();
    assert!(request.has_status(STATUS_SUCCESS));
    assert_eq!(acceptor.update_accept_context(**listener), Ok(()));
    client
}

// --- arguments -------------------------------------------------------------------------------------

/// What is refused: no socket, no connection, a datagram socket; no packet comes of it and the status block stays unfinished.
/// Source: DisconnectEx, WSAENOTSOCK and WSAENOTCONN.
#[test]
fn disconnect_needs_a_connection() {
    let _watch = watch();
    startup();
    let request = Request::new(0);
    assert_eq!(
        Raw(GARBAGE_HANDLE as SOCKET).disconnect(0, 0, None),
        Err(WSAENOTSOCK)
    );
    let listener = Listener::new(Family::V4);
    for unconnected in [
        &Socket::tcp(Family::V4),
        &Socket::bound(Family::V4),
        &listener.socket,
    ] {
        for flags in [0, TF_REUSE_SOCKET] {
            assert_eq!(unconnected.disconnect(flags, 0, None), Err(WSAENOTCONN));
            assert_eq!(
                unconnected.disconnect(flags, 0, Some(&request)),
                Err(WSAENOTCONN)
            );
        }
    }
    differs_under_wine("takes any datagram socket", || {
        let datagrams = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        assert_eq!(datagrams.disconnect(0, 0, None), Err(WSAENOTCONN));
    });
}

/// Unknown flags and a reserved argument that is not 0 are refused; the connection goes on.
/// Source: DisconnectEx, WSAEINVAL: dwFlags or dwReserved is not valid.
#[test]
fn disconnect_checks_flags_and_reserved() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let (pair, port) = pair_on_port(Family::V4);
        let request = Request::new(0);
        for (flags, reserved) in [(TF_DISCONNECT, 0), (4, 0), (0x8000_0000, 0), (0, 1)] {
            assert_eq!(
                pair.server.disconnect(flags, reserved, None),
                Err(WSAEINVAL)
            );
            assert_eq!(
                pair.server.disconnect(flags, reserved, Some(&request)),
                Err(WSAEINVAL)
            );
        }
        pair.server.send_all(b"x");
        assert_eq!(pair.client.recv_exact(1), b"x");
        assert_empty(&port);
    });
}

// --- flags 0 ---------------------------------------------------------------------------------------

/// Without flags it is a shutdown of sending: the peer sees the end, this side may still receive; names stay.
/// Source: DisconnectEx, remarks; validated on Windows.
#[test]
fn disconnect_ends_sending_only() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        pair.server.send_all(b"before");
        assert_eq!(pair.server.disconnect(0, 0, None), done(0));
        assert_eq!(wsa_error(), 0);
        assert_eq!(pair.client.recv_exact(6), b"before");
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        assert_eq!(pair.server.send(b"x"), Err(WSAESHUTDOWN));
        pair.client.send_all(b"still");
        assert_eq!(pair.server.recv_exact(5), b"still");
        assert!(pair.server.peer_address().is_ok() && pair.server.local_address().is_ok());
        assert_eq!(
            pair.server
                .connect(&pair.client.local_address().unwrap().into()),
            Err(WSAEISCONN)
        );
        assert_eq!(
            pair.server.disconnect(0, 0, None),
            done(0),
            "a second time succeeds"
        );
    }
}

/// Overlapped it always pends, and reports 0 bytes to the port, also when successes are to be skipped.
/// Source: DisconnectEx, return value; validated on Windows.
#[test]
fn overlapped_disconnect_is_reported() {
    let _watch = watch();
    differs_under_wine("it may be done at once", || {
        for modes in [0, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS] {
            let (pair, port) = pair_on_port(Family::V4);
            assert_eq!(pair.server.set_notification_modes(modes), Ok(()));
            let request = Request::new(0);
            assert_eq!(pair.server.disconnect(0, 0, Some(&request)), PENDING);
            assert_eq!(next(&port), request.success(KEY, 0));
            assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
            assert_empty(&port);
        }
    });
}

/// The low bit of hEvent keeps the packet away; the event is signalled.
/// Source: GetQueuedCompletionStatus, remarks; validated on Windows.
#[test]
fn disconnect_may_report_by_event_alone() {
    let _watch = watch();
    let (pair, port) = pair_on_port(Family::V4);
    let event = Event::manual();
    let request = Request::new(0).with_event((event.raw() as usize | 1) as HANDLE);
    assert!(pair.server.disconnect(0, 0, Some(&request)).is_ok());
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(pair.server.result(&request, true), Ok((0, 0)));
    assert_empty(&port);
}

/// The end goes behind sends that pend: the peer reads everything first.
/// Source: DisconnectEx, remarks: data that is queued is sent before the connection ends.
#[test]
fn disconnect_waits_for_sends() {
    let _watch = watch();
    not_under_wine("its sends and its shutdown may overtake each other", || {
        let (pair, port) = pair_on_port(Family::V4);
        let sends = clog(*pair.server);
        let request = Request::new(0);
        assert_eq!(pair.server.disconnect(0, 0, Some(&request)), PENDING);
        assert_eq!(pair.server.send(b"x"), Err(WSAESHUTDOWN));
        for (number, send) in sends.iter().enumerate() {
            let expected = vec![number as u8; CLOG];
            assert_eq!(pair.client.recv_exact(CLOG), expected);
            assert_eq!(next(&port), send.success(KEY, CLOG as u32));
        }
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        assert_eq!(next(&port), request.success(KEY, 0));
    });
}

/// A DisconnectEx that is cancelled behind sends has ended nothing: a shutdown, before the cancellation or after it, sends
/// the end all the same, behind the sends.
/// Source: CancelIoEx; DisconnectEx; shutdown, SD_SEND.
#[test]
fn shutdown_ends_what_a_cancelled_disconnect_did_not() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        for flags in [0, TF_REUSE_SOCKET] {
            for shut_first in [false, true] {
                let (pair, port) = pair_on_port(Family::V4);
                let sends = clog(*pair.server);
                let request = Request::new(0);
                assert_eq!(pair.server.disconnect(flags, 0, Some(&request)), PENDING);
                if shut_first {
                    assert_eq!(pair.server.shutdown(SD_SEND), Ok(()));
                }
                for (number, send) in sends[..sends.len() - 1].iter().enumerate() {
                    assert_eq!(next(&port), send.success(KEY, CLOG as u32), "{number}");
                }
                assert_eq!(pair.server.cancel(&request), Ok(()));
                assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
                if !shut_first {
                    assert_eq!(pair.server.shutdown(SD_SEND), Ok(()));
                }
                assert_eq!(pair.server.send(b"x"), Err(WSAESHUTDOWN));
                for number in 0..sends.len() {
                    assert_eq!(pair.client.recv_exact(CLOG), vec![number as u8; CLOG]);
                }
                assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
            }
        }
    });
}

/// A receive that pends goes on.
/// Source: DisconnectEx, remarks.
#[test]
fn disconnect_leaves_receives_alone() {
    let _watch = watch();
    let (pair, port) = pair_on_port(Family::V4);
    let receive = Request::new(8);
    assert_eq!(pair.server.receive(&receive), PENDING);
    assert_eq!(pair.server.disconnect(0, 0, None), done(0));
    assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    pair.client.send_all(b"late");
    assert_eq!(next(&port), receive.success(KEY, 4));
    assert_eq!(receive.received(), b"late");
}

// --- reuse -----------------------------------------------------------------------------------------

/// An accepted socket is fit for AcceptEx again, as often as one likes: same handle, same port, its options kept.
/// Source: DisconnectEx, TF_REUSE_SOCKET.
#[test]
fn accepted_socket_accepts_again() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let acceptor = Socket::tcp(family);
            let port = port_of(*acceptor, KEY);
            for round in 0..3 {
                let client = accepted_by_request(&listener, *acceptor);
                assert_eq!(
                    acceptor.set_option(SOL_SOCKET, SO_RCVTIMEO, 60_000 + round),
                    Ok(())
                );
                client.send_all(b"ping");
                assert_eq!(acceptor.recv_exact(4), b"ping");
                client.close().unwrap();
                let request = Request::new(0);
                assert_eq!(
                    acceptor.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
                    PENDING
                );
                assert_eq!(next(&port), request.success(KEY, 0));
                assert_eq!(acceptor.option(SOL_SOCKET, SO_RCVTIMEO), Ok(60_000 + round));
                assert_eq!(acceptor.peer_address(), Err(WSAENOTCONN));
                assert_eq!(acceptor.local_address(), Err(WSAEINVAL), "it is unbound");
                assert_eq!(acceptor.option(SOL_SOCKET, SO_CONNECT_TIME), Ok(-1));
                assert_eq!(acceptor.recv(&mut [0; 1]), Err(WSAENOTCONN));
                assert_eq!(acceptor.send(b"x"), Err(WSAENOTCONN));
            }
        }
    });
}

/// A socket that connected stays bound, and ConnectEx connects it again.
/// Source: DisconnectEx, TF_REUSE_SOCKET; ConnectEx.
#[test]
fn connected_socket_connects_again() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        for family in FAMILIES {
            let (first, second) = (Listener::new(family), Listener::new(family));
            let client = Socket::bound(family);
            let address = client.local_address().unwrap();
            let port = port_of(*client, KEY);
            for listener in [&first, &second] {
                let request = Request::new(0);
                assert_eq!(client.connect_ex(&listener.address, &request), PENDING);
                assert_eq!(next(&port), request.success(KEY, 0));
                let server = listener.accept().unwrap();
                let receive = Request::new(8);
                assert_eq!(client.receive(&receive), PENDING);
                server.send_all(b"hello");
                assert_eq!(next(&port), receive.success(KEY, 5));
                server.shutdown(SD_SEND).unwrap();
                assert_eq!(client.disconnect_for_reuse(), done(0));
                assert_eq!(server.recv(&mut [0; 1]), Ok(0));
                assert_eq!(client.local_address(), Ok(address), "it is still bound");
                assert_eq!(client.peer_address(), Err(WSAENOTCONN));
            }
            assert_eq!(client.connect(&first.address), Ok(()), "by connect as well");
        }
    });
}

/// What a program has set is set on the socket that is used again, also what it reads from the system.
/// Source: DisconnectEx, TF_REUSE_SOCKET; setsockopt.
#[test]
fn options_survive_reuse() {
    const NO_OPERATION: [u8; 4] = [1; 4];
    const SEGMENT: i32 = 600;
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let listener = Listener::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let set = [
            (SOL_SOCKET, SO_KEEPALIVE, 1),
            (SOL_SOCKET, SO_RCVTIMEO, 60_000),
            (SOL_SOCKET, SO_SNDBUF, 30_000),
            (IPPROTO_IP, IP_TTL, 77),
            (IPPROTO_TCP, TCP_NODELAY, 1),
        ];
        for (level, option, value) in set {
            assert_eq!(client.set_option(level, option, value), Ok(()));
        }
        assert_eq!(client.set_option(IPPROTO_TCP, TCP_MAXSEG, SEGMENT), Ok(()));
        assert_eq!(
            client.set_option_bytes(IPPROTO_IP, IP_OPTIONS, &NO_OPERATION),
            Ok(())
        );
        for _ in 0..2 {
            client.connect(&listener.address).unwrap();
            listener.accept().unwrap().close().unwrap();
            assert_eq!(client.disconnect_for_reuse(), done(0));
            for (level, option, value) in set {
                assert_eq!(client.option(level, option), Ok(value), "{option:#x}");
            }
            assert_eq!(client.option(IPPROTO_TCP, TCP_MAXSEG), Ok(SEGMENT));
            let mut options = [0; 4];
            assert_eq!(
                client.option_bytes(IPPROTO_IP, IP_OPTIONS, &mut options),
                Ok(4)
            );
            assert_eq!(options, NO_OPERATION);
        }
    });
}

/// The address of a socket that is used again is its own until it is closed.
/// Source: DisconnectEx, TF_REUSE_SOCKET; bind, WSAEADDRINUSE.
#[test]
fn reused_socket_holds_its_address() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let client = Socket::bound(family);
            let address = client.local_address().unwrap().into();
            for _ in 0..2 {
                client.connect(&listener.address).unwrap();
                listener.accept().unwrap().close().unwrap();
                assert_eq!(client.disconnect_for_reuse(), done(0));
                assert_eq!(Socket::tcp(family).bind(&address), Err(WSAEADDRINUSE));
            }
            client.listen(1).unwrap();
            client.close().unwrap();
            assert_eq!(Socket::tcp(family).bind(&address), Ok(()));
        }
    });
}

/// A socket that connected without being bound stays bound as well.
/// Source: DisconnectEx, TF_REUSE_SOCKET.
#[test]
fn implicitly_bound_socket_stays_bound() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let (first, second) = (Listener::new(Family::V4), Listener::new(Family::V4));
        let Pair { client, server } = first.pair();
        server.close().unwrap();
        assert_eq!(client.disconnect_for_reuse(), done(0));
        let address = client.local_address().unwrap();
        assert_eq!(client.connect(&second.address), Ok(()));
        assert_eq!(client.local_address(), Ok(address));
        let server = second.accept().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}

/// The peer sees the end at once; the operation waits for the peer's.
/// Source: DisconnectEx, remarks: TF_REUSE_SOCKET may be delayed by the peer.
#[test]
fn reuse_waits_for_the_peer() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let (pair, port) = pair_on_port(Family::V4);
        pair.server.send_all(b"last");
        let request = Request::new(0);
        assert_eq!(
            pair.server.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
            PENDING
        );
        assert_eq!(pair.client.recv_exact(4), b"last");
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        assert_quiet(&port);
        assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAESHUTDOWN));
        assert_eq!(pair.server.send(b"x"), Err(WSAESHUTDOWN));
        pair.client.close().unwrap();
        assert_eq!(next(&port), request.success(KEY, 0));
    });
}

/// Sends that pend go first, and what the peer sent without being read does not disturb them.
/// Source: DisconnectEx, remarks.
#[test]
fn reuse_sends_everything_first() {
    let _watch = watch();
    let (pair, port) = pair_on_port(Family::V4);
    pair.client.send_all(b"never read");
    pair.server.until_unread(10);
    let sends = clog(*pair.server);
    pair.client.shutdown(SD_SEND).unwrap();
    let request = Request::new(0);
    assert_eq!(
        pair.server.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
        PENDING
    );
    for (number, send) in sends.iter().enumerate() {
        assert_eq!(pair.client.recv_exact(CLOG), vec![number as u8; CLOG]);
        assert_eq!(next(&port), send.success(KEY, CLOG as u32));
    }
    assert_eq!(next(&port), request.success(KEY, 0));
    assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0), "an end, not a reset");
}

/// Receives that pend still get data, and the end; they are reported before the socket is fresh.
/// Source: DisconnectEx, remarks.
#[test]
fn pending_receives_end_before_reuse() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let (pair, port) = pair_on_port(Family::V4);
        let receives = [Request::new(8), Request::new(8), Request::new(8)];
        for receive in &receives {
            assert_eq!(pair.server.receive(receive), PENDING);
        }
        let request = Request::new(0);
        assert_eq!(
            pair.server.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
            PENDING
        );
        pair.client.send_all(b"late");
        assert_eq!(next(&port), receives[0].success(KEY, 4));
        pair.client.close().unwrap();
        assert_eq!(next(&port), receives[1].success(KEY, 0));
        assert_eq!(next(&port), receives[2].success(KEY, 0));
        assert_eq!(next(&port), request.success(KEY, 0));
    });
}

/// A connection that the peer reset is ready for reuse at once; a plain disconnect tells of the reset.
/// Source: DisconnectEx, error codes.
#[test]
fn reset_connection_is_reused() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let listener = Listener::new(Family::V4);
        let acceptor = Socket::tcp(Family::V4);
        let client = accepted_by_request(&listener, *acceptor);
        let port = port_of(*acceptor, KEY);
        let receive = Request::new(8);
        assert_eq!(acceptor.receive(&receive), PENDING);
        client.reset();
        assert_eq!(next(&port), receive.failure(KEY, ERROR_NETNAME_DELETED));
        assert_eq!(acceptor.disconnect(0, 0, None), Err(WSAECONNRESET));
        assert_eq!(acceptor.disconnect_for_reuse(), done(0));
        let client = accepted_by_request(&listener, *acceptor);
        client.send_all(b"fresh");
        assert_eq!(acceptor.recv_exact(5), b"fresh");
    });
}

/// Nothing of the last connection shows in the next: neither its end, nor urgent data, nor what was left unread.
/// Source: DisconnectEx, TF_REUSE_SOCKET.
#[test]
fn nothing_of_the_last_connection_remains() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let acceptor = Socket::tcp(Family::V4);
    let client = accepted_by_request(&listener, *acceptor);
    client.send_all(b"unread");
    assert_eq!(client.send_flags(b"!", MSG_OOB), Ok(1));
    client.close().unwrap();
    assert_eq!(acceptor.disconnect_for_reuse(), done(0));
    let client = accepted_by_request(&listener, *acceptor);
    acceptor.set_non_blocking(true);
    assert_eq!(acceptor.unread(), Ok(0));
    assert_eq!(acceptor.recv(&mut [0; 8]), Err(WSAEWOULDBLOCK));
    assert_eq!(
        acceptor.recv_flags(&mut [0; 1], MSG_OOB),
        Err(WSAEWOULDBLOCK)
    );
    client.send_all(b"new");
    acceptor.until_unread(3);
    assert_eq!(acceptor.recv_some(8), Ok(b"new".to_vec()));
}

/// A cancelled operation leaves the connection half closed, and may be repeated.
/// Source: CancelIoEx; DisconnectEx.
#[test]
fn cancelled_reuse_can_be_repeated() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let (pair, port) = pair_on_port(Family::V4);
        let request = Request::new(0);
        assert_eq!(
            pair.server.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
            PENDING
        );
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        assert_eq!(pair.server.cancel(&request), Ok(()));
        assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
        assert!(pair.server.peer_address().is_ok());
        let again = Request::new(0);
        assert_eq!(
            pair.server.disconnect(TF_REUSE_SOCKET, 0, Some(&again)),
            PENDING
        );
        pair.client.close().unwrap();
        assert_eq!(next(&port), again.success(KEY, 0));
    });
}

/// Closing the socket ends the operation.
/// Source: closesocket: pending operations are cancelled.
#[test]
fn closing_ends_a_reuse_that_waits() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let (pair, port) = pair_on_port(Family::V4);
        let request = Request::new(0);
        assert_eq!(
            pair.server.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
            PENDING
        );
        pair.server.close().unwrap();
        assert_eq!(next(&port), request.failure(KEY, ERROR_CONNECTION_ABORTED));
    });
}

/// Without an OVERLAPPED the call waits for the peer, also on a non-blocking socket.
/// Source: DisconnectEx, lpOverlapped.
#[test]
fn synchronous_reuse_waits() {
    let _watch = watch();
    for non_blocking in [false, true] {
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        server.set_non_blocking(non_blocking);
        let waiter = spawn(move || server.disconnect_for_reuse());
        assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
        waiter.until_waits();
        pair.client.close().unwrap();
        assert_eq!(waiter.join(), done(0));
        assert_eq!(server.peer_address(), Err(WSAENOTCONN));
    }
}

/// On a socket without the overlapped attribute the call waits and then reports by the status block.
/// Source: WSASocket, WSA_FLAG_OVERLAPPED.
#[test]
fn socket_without_the_attribute_disconnects_synchronously() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp_synchronous(Family::V4);
        client.connect(&listener.address).unwrap();
        listener.accept().unwrap().close().unwrap();
        let event = Event::manual();
        let request = Request::new(0).with_event(event.raw());
        assert_eq!(
            client.disconnect(TF_REUSE_SOCKET, 0, Some(&request)),
            done(0)
        );
        assert!(request.has_status(STATUS_SUCCESS) && event.wait(0));
    });
}

/// Whoever is told of network events is told of the next connection too: of its data and of its end.
/// Source: DisconnectEx; WSAEventSelect.
#[test]
fn network_events_go_on_with_the_next_connection() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let listener = Listener::new(Family::V4);
        let acceptor = Socket::tcp(Family::V4);
        let event = Event::manual();
        for _ in 0..2 {
            let client = accepted_by_request(&listener, *acceptor);
            // SAFETY: takes no pointers.
            let selected = unsafe {
                WSAEventSelect(
                    acceptor.0,
                    event.raw() as WSAEVENT,
                    (FD_READ | FD_CLOSE) as i32,
                )
            };
            assert_eq!(check(selected), Ok(()));
            client.send_all(b"x");
            until_event(*acceptor, &event, FD_READ);
            assert_eq!(acceptor.recv_some(8), Ok(b"x".to_vec()));
            client.close().unwrap();
            until_event(*acceptor, &event, FD_CLOSE);
            assert_eq!(acceptor.disconnect_for_reuse(), done(0));
        }
    });
}

/// Waits until WSAEnumNetworkEvents tells of `wanted`.
fn until_event(socket: Raw, event: &Event, wanted: u32) {
    let mut seen = 0;
    until("the network event", || {
        let mut events = WSANETWORKEVENTS::default();
        // SAFETY: `events` is valid for writes.
        check(unsafe { WSAEnumNetworkEvents(socket.0, event.raw() as WSAEVENT, &mut events) })
            .unwrap();
        seen |= events.lNetworkEvents as u32;
        seen & wanted != 0
    });
}

/// DisconnectEx works on a socket of AcceptEx that never got its context, as servers with pools of sockets use it.
/// Source: DisconnectEx, remarks; AcceptEx.
#[test]
fn socket_without_context_is_reused() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let listener = Listener::new(Family::V4);
        let port = port_of(*listener.socket, LISTENER);
        let acceptor = Socket::tcp(Family::V4);
        for _ in 0..3 {
            let layout = AcceptLayout::with_data(16);
            let request = layout.request();
            assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
            let client = listener.client();
            client.send_all(b"hello");
            assert_eq!(next(&port), request.success(LISTENER, 5));
            client.close().unwrap();
            assert_eq!(acceptor.disconnect_for_reuse(), done(0));
        }
    });
}

/// Data for a receive side that was shut down resets the connection, which does not keep the socket from its next one.
/// Source: shutdown, SD_RECEIVE; DisconnectEx, TF_REUSE_SOCKET.
#[test]
fn socket_that_refused_data_connects_again() {
    let _watch = watch();
    differs_under_wine(NEITHER, || {
        let listener = Listener::new(Family::V4);
        let pair = listener.pair();
        pair.server.send_all(b"abc");
        pair.client.until_unread(3);
        assert_eq!(pair.client.shutdown(SD_BOTH), Ok(()));
        assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAECONNRESET));
        assert_eq!(pair.client.disconnect_for_reuse(), done(0));
        assert_eq!(pair.client.connect(&listener.address), Ok(()));
        let server = listener.accept().unwrap();
        pair.client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}
