//! connect and ConnectEx: states on the way, failures, and what works again afterwards.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x33;

/// Waits until a non-blocking connect on `socket` has failed.
fn until_connect_failed(socket: Raw) {
    until("the connect fails", || {
        socket.option(SOL_SOCKET, SO_ERROR) == Ok(WSAECONNREFUSED)
    });
}

/// Waits until a non-blocking connect on `socket` has succeeded.
fn until_connected(socket: Raw) {
    until("the connect succeeds", || socket.has_connect_time());
}

// --- connect ---------------------------------------------------------------------------------------

/// A blocking connect binds by itself and knows both names afterwards.
/// Source: connect.
#[test]
fn blocking_connect_binds_and_connects() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = Socket::tcp(family);
        assert_eq!(client.connect(&listener.address), Ok(()));
        assert_eq!(
            client.peer_address().map(plain),
            Ok(plain(listener.address.get()))
        );
        let local = client.local_address().unwrap();
        assert!(local.ip().is_loopback() && local.port() != 0, "{local}");
    }
}

/// A refused connect fails with WSAECONNREFUSED; the same socket may try again and succeed.
/// Source: connect, WSAECONNREFUSED (connect may be called again for the same socket).
#[test]
fn refused_connect_can_be_repeated() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNABORTED once", || {
        for family in FAMILIES {
            let (_holder, nobody) = refusing_address(family);
            let listener = Listener::new(family);
            let client = Socket::tcp(family);
            for _ in 0..2 {
                assert_eq!(client.connect(&nobody), Err(WSAECONNREFUSED));
            }
            assert_eq!(client.connect(&listener.address), Ok(()));
            let server = listener.accept().unwrap();
            client.send_all(b"x");
            assert_eq!(server.recv_exact(1), b"x");
        }
    });
}

/// A failed blocking connect leaves SO_ERROR at 0.
/// Source: SOL_SOCKET options, SO_ERROR; validated on Windows.
#[test]
fn failed_blocking_connect_leaves_so_error_alone() {
    let _watch = watch();
    differs_under_wine("sets SO_ERROR", || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let client = Socket::tcp(Family::V4);
        assert_eq!(client.connect(&nobody), Err(WSAECONNREFUSED));
        assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(0));
    });
}

/// A socket that was bound keeps its address through a refused connect.
/// Source: connect, WSAECONNREFUSED; bind.
#[test]
fn refused_connect_keeps_the_bound_address() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNABORTED once", || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let listener = Listener::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let bound = client.local_address().unwrap();
        assert_eq!(client.connect(&nobody), Err(WSAECONNREFUSED));
        assert_eq!(client.local_address(), Ok(bound));
        assert_eq!(client.connect(&listener.address), Ok(()));
        assert_eq!(client.local_address(), Ok(bound));
    });
}

/// Options set before survive a refused connect.
/// Source: connect, WSAECONNREFUSED; setsockopt.
#[test]
fn refused_connect_keeps_the_options() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNABORTED once", || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp(Family::V4);
        assert_eq!(client.set_option(SOL_SOCKET, SO_KEEPALIVE, 1), Ok(()));
        assert_eq!(client.set_option(IPPROTO_TCP, TCP_NODELAY, 1), Ok(()));
        assert_eq!(client.set_option(SOL_SOCKET, SO_RCVBUF, 30_000), Ok(()));
        assert_eq!(client.connect(&nobody), Err(WSAECONNREFUSED));
        assert_eq!(client.connect(&listener.address), Ok(()));
        assert_eq!(client.option(SOL_SOCKET, SO_KEEPALIVE), Ok(1));
        assert_eq!(client.option(IPPROTO_TCP, TCP_NODELAY), Ok(1));
        assert_eq!(client.option(SOL_SOCKET, SO_RCVBUF), Ok(30_000));
    });
}

/// A non-blocking connect answers WSAEWOULDBLOCK; afterwards connect says WSAEISCONN.
/// Source: connect, WSAEWOULDBLOCK and WSAEISCONN.
#[test]
fn non_blocking_connect_goes_on_in_the_background() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = Socket::tcp(family);
        client.set_non_blocking(true);
        assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
        let server = listener.accept().unwrap();
        until_connected(*client);
        assert_eq!(client.connect(&listener.address), Err(WSAEISCONN));
        assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(0));
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    }
}

/// While a non-blocking connect is under way, connect says WSAEALREADY; the socket is bound.
/// Source: connect, WSAEALREADY; validated on Windows.
#[test]
fn connecting_socket_is_not_connected() {
    let _watch = watch();
    let unanswering = Unanswering::new(Family::V4);
    let client = unanswering.connecting();
    assert_eq!(client.connect(&unanswering.address), Err(WSAEALREADY));
    assert_eq!(client.option(SOL_SOCKET, SO_CONNECT_TIME), Ok(-1));
    assert_ne!(client.local_address().unwrap().port(), 0);
}

/// While connecting, recv and send say WSAENOTCONN.
/// Source: recv and send, WSAENOTCONN; validated on Windows.
#[test]
fn connecting_socket_transfers_nothing() {
    let _watch = watch();
    differs_under_wine("answers WSAEWOULDBLOCK", || {
        let unanswering = Unanswering::new(Family::V4);
        let client = unanswering.connecting();
        assert_eq!(client.recv(&mut [0; 1]), Err(WSAENOTCONN));
        assert_eq!(client.send(b"x"), Err(WSAENOTCONN));
    });
}

/// While connecting, getpeername already returns the target.
/// Source: getpeername; validated on Windows.
#[test]
fn connecting_socket_knows_its_target() {
    let _watch = watch();
    differs_under_wine("answers WSAENOTCONN", || {
        let unanswering = Unanswering::new(Family::V4);
        let client = unanswering.connecting();
        assert_eq!(client.peer_address(), Ok(unanswering.address.get()));
    });
}

/// A failed non-blocking connect shows in SO_ERROR. Reading does not clear it; it stays while the next
/// connect is under way and becomes 0 when one succeeds.
/// Source: SOL_SOCKET options, SO_ERROR; validated on Windows.
#[test]
fn so_error_keeps_the_failed_connect() {
    let _watch = watch();
    differs_under_wine("reading clears it", || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp(Family::V4);
        client.set_non_blocking(true);
        for _ in 0..2 {
            assert_eq!(client.connect(&nobody), Err(WSAEWOULDBLOCK));
            until_connect_failed(*client);
            assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(WSAECONNREFUSED));
        }
        assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
        until_connected(*client);
        assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(0));
    });
}

/// After a failed non-blocking connect the next one is an ordinary attempt.
/// Source: connect, WSAECONNREFUSED; validated on Windows.
#[test]
fn failed_non_blocking_connect_can_be_repeated() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNABORTED once", || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp(Family::V4);
        client.set_non_blocking(true);
        assert_eq!(client.connect(&nobody), Err(WSAEWOULDBLOCK));
        until_connect_failed(*client);
        assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
        let server = listener.accept().unwrap();
        server.send_all(b"x");
        client.set_non_blocking(false);
        until_connected(*client);
        assert_eq!(client.recv_exact(1), b"x");
    });
}

/// After a failed non-blocking connect a bound socket can even listen.
/// Source: listen; validated on Windows.
#[test]
fn failed_connect_does_not_prevent_listening() {
    let _watch = watch();
    differs_under_wine("the socket cannot listen", || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let socket = Socket::bound(Family::V4);
        let address = socket.local_address().unwrap().into();
        socket.set_non_blocking(true);
        assert_eq!(socket.connect(&nobody), Err(WSAEWOULDBLOCK));
        until_connect_failed(*socket);
        assert_eq!(socket.listen(5), Ok(()));
        assert_eq!(socket.option(SOL_SOCKET, SO_ERROR), Ok(WSAECONNREFUSED));
        let client = Socket::tcp(Family::V4);
        assert_eq!(client.connect(&address), Ok(()));
        socket.set_non_blocking(false);
        let server = socket.accept().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}

/// connect on a connected or accepted socket is WSAEISCONN, also after shutdown.
/// Source: connect, WSAEISCONN; validated on Windows.
#[test]
fn connected_sockets_do_not_connect_again() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let pair = listener.pair();
    for socket in [*pair.client, *pair.server] {
        assert_eq!(socket.connect(&listener.address), Err(WSAEISCONN));
        assert_eq!(socket.shutdown(SD_BOTH), Ok(()));
        assert_eq!(socket.connect(&listener.address), Err(WSAEISCONN));
    }
}

/// connect on a listening socket is WSAEINVAL.
/// Source: connect, WSAEINVAL.
#[test]
fn listeners_do_not_connect() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    assert_eq!(listener.connect(&listener.address), Err(WSAEINVAL));
}

/// Port 0 and the any-address are no destinations.
/// Source: connect, WSAEADDRNOTAVAIL.
#[test]
fn connect_needs_a_real_destination() {
    let _watch = watch();
    differs_under_wine("tries it, as Linux does", || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let port = listener.address.port();
            let client = Socket::tcp(family);
            assert_eq!(client.connect(&family.loopback(0)), Err(WSAEADDRNOTAVAIL));
            assert_eq!(client.connect(&family.any(port)), Err(WSAEADDRNOTAVAIL));
            assert_eq!(client.connect(&listener.address), Ok(()));
        }
    });
}

/// An address of another family is WSAEAFNOSUPPORT.
/// Source: connect, WSAEAFNOSUPPORT.
#[test]
fn connect_checks_the_family() {
    let _watch = watch();
    differs_under_wine("answers WSAEADDRNOTAVAIL", || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let client = Socket::tcp(family);
            let strange = listener.address.with_family(99);
            assert_eq!(client.connect(&strange), Err(WSAEAFNOSUPPORT));
            assert_eq!(client.connect(&listener.address), Ok(()));
        }
    });
}

/// A short or missing address is WSAEFAULT.
/// Source: connect, WSAEFAULT.
#[test]
fn connect_checks_the_address() {
    let _watch = watch();
    differs_under_wine("a short IPv6 address is WSAEADDRNOTAVAIL", || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let client = Socket::tcp(family);
            let short = listener.address.with_len(listener.address.len - 1);
            assert_eq!(client.connect(&short), Err(WSAEFAULT));
            // SAFETY: a null address is what is tested.
            let result = unsafe { connect(client.0, null(), 16) };
            assert_eq!(check(result), Err(WSAEFAULT));
            assert_eq!(client.connect(&listener.address), Ok(()));
        }
    });
}

/// connect on a socket that is associated with a port queues nothing.
/// Source: connect; CreateIoCompletionPort; validated on Windows.
#[test]
fn connect_queues_no_packet() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    let port = port_of(*client, KEY);
    assert_eq!(client.connect(&listener.address), Ok(()));
    assert_quiet(&port);
}

// --- ConnectEx -------------------------------------------------------------------------------------

/// ConnectEx pends, connects, sends its data, and queues one packet with the count of bytes sent.
/// Source: ConnectEx.
#[test]
fn connect_ex_connects_and_sends() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = Socket::bound(family);
        let port = port_of(*client, KEY);
        let request = Request::from_data(b"hello");
        assert_eq!(client.connect_ex(&listener.address, &request), PENDING);
        let server = listener.accept().unwrap();
        assert_eq!(next(&port), request.success(KEY, 5));
        assert_eq!(client.result(&request, false), Ok((5, 0)));
        assert_eq!(server.recv_exact(5), b"hello");

        assert_eq!(client.update_connect_context(), Ok(()));
        assert_eq!(
            client.peer_address().map(plain),
            Ok(plain(listener.address.get()))
        );
        assert_eq!(client.shutdown(SD_SEND), Ok(()));
        assert_eq!(server.recv(&mut [0; 1]), Ok(0));
        assert_quiet(&port);
    }
}

/// Without data ConnectEx transfers 0 bytes, and its packet comes in skip mode too.
/// Source: ConnectEx, lpSendBuffer; SetFileCompletionNotificationModes; validated on Windows.
#[test]
fn connect_ex_without_data() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::bound(Family::V4);
    let port = port_of(*client, KEY);
    let skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(client.set_notification_modes(skip), Ok(()));
    let connect_ex: LPFN_CONNECTEX = client.extension(WSAID_CONNECTEX).unwrap();
    let request = Request::new(0);
    let address = listener.address;
    // SAFETY: the request outlives its operation; buffer and count may be null.
    let result = unsafe {
        connect_ex.unwrap()(
            client.0,
            address.as_ptr(),
            address.len,
            null(),
            0,
            null_mut(),
            request.overlapped(),
        )
    };
    assert_eq!(request.note(answer_bool(result, 0)), PENDING);
    assert_eq!(next(&port), request.success(KEY, 0));
}

/// More data than the connection takes at once is sent in full before ConnectEx completes.
/// Source: ConnectEx, lpdwBytesSent.
#[test]
fn connect_ex_sends_all_its_data() {
    const LEN: usize = 32 << 20;
    let _watch = watch();
    differs_under_wine("sends what fits at once and hangs", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let port = port_of(*client, KEY);
        let request = Request::new(LEN);
        assert_eq!(client.connect_ex(&listener.address, &request), PENDING);
        let server = listener.accept().unwrap();
        let reader = spawn(move || {
            let mut total = 0;
            let mut buffer = vec![0; 1 << 16];
            while total < LEN {
                total += server.recv(&mut buffer).unwrap();
            }
            total
        });
        assert_eq!(next(&port), request.success(KEY, LEN as u32));
        assert_eq!(reader.join(), LEN);
    });
}

/// A refused ConnectEx fails with ERROR_CONNECTION_REFUSED at the port, WSAECONNREFUSED for winsock; the
/// socket may try again.
/// Source: ConnectEx, WSAECONNREFUSED; validated on Windows.
#[test]
fn refused_connect_ex_can_be_repeated() {
    let _watch = watch();
    differs_under_wine("answers WSAECONNABORTED once", || {
        for family in FAMILIES {
            let (_holder, nobody) = refusing_address(family);
            let listener = Listener::new(family);
            let client = Socket::bound(family);
            let port = port_of(*client, KEY);
            let request = Request::from_data(b"x");
            assert_eq!(client.connect_ex(&nobody, &request), PENDING);
            assert_eq!(next(&port), request.failure(KEY, ERROR_CONNECTION_REFUSED));
            assert!(request.has_status(STATUS_CONNECTION_REFUSED));
            assert_eq!(client.result(&request, false), Err(WSAECONNREFUSED));
            let again = Request::from_data(b"y");
            assert_eq!(client.connect_ex(&listener.address, &again), PENDING);
            let server = listener.accept().unwrap();
            assert_eq!(next(&port), again.success(KEY, 1));
            assert_eq!(server.recv_exact(1), b"y");
            assert_quiet(&port);
        }
    });
}

/// Before SO_UPDATE_CONNECT_CONTEXT getpeername and shutdown do not know the connection; data flows.
/// Source: ConnectEx, SO_UPDATE_CONNECT_CONTEXT (default state before it); getpeername and shutdown, WSAENOTCONN.
#[test]
fn connect_ex_socket_has_no_peer_before_the_update() {
    let _watch = watch();
    differs_under_wine("names and shutdown work at once", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let port = port_of(*client, KEY);
        let request = Request::new(0);
        assert_eq!(client.connect_ex(&listener.address, &request), PENDING);
        assert_eq!(next(&port), request.success(KEY, 0));
        assert_eq!(client.peer_address(), Err(WSAENOTCONN));
        assert_eq!(client.shutdown(SD_SEND), Err(WSAENOTCONN));
        assert!(client.local_address().is_ok());
        let server = listener.accept().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}

/// Before the update a plain connect is WSAEINVAL, a further ConnectEx WSAEISCONN.
/// Source: connect and ConnectEx; validated on Windows.
#[test]
fn connect_ex_socket_does_not_connect_again() {
    let _watch = watch();
    differs_under_wine("connect answers WSAEISCONN", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let port = port_of(*client, KEY);
        let request = Request::new(0);
        assert_eq!(client.connect_ex(&listener.address, &request), PENDING);
        assert_eq!(next(&port), request.success(KEY, 0));
        assert_eq!(client.connect(&listener.address), Err(WSAEINVAL));
        assert_connect_refused(*client, &listener.address, WSAEISCONN);
        assert_eq!(client.update_connect_context(), Ok(()));
        assert_eq!(client.connect(&listener.address), Err(WSAEISCONN));
        assert_quiet(&port);
    });
}

/// While ConnectEx pends the socket is not connected, and refuses connect and ConnectEx with WSAEINVAL.
/// Source: ConnectEx, WSAEINVAL; getpeername, recv and send, WSAENOTCONN; validated on Windows.
#[test]
fn connect_ex_under_way() {
    let _watch = watch();
    differs_under_wine("answers WSAEALREADY", || {
        let unanswering = Unanswering::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let port = port_of(*client, KEY);
        let request = Request::new(0);
        assert_eq!(client.connect_ex(&unanswering.address, &request), PENDING);
        assert_quiet(&port);
        assert_eq!(client.connect(&unanswering.address), Err(WSAEINVAL));
        assert_connect_refused(*client, &unanswering.address, WSAEINVAL);
        assert_eq!(client.peer_address(), Err(WSAENOTCONN));
        assert_eq!(client.send(b"x"), Err(WSAENOTCONN));
        assert_eq!(client.recv(&mut [0; 1]), Err(WSAENOTCONN));
        assert!(client.local_address().is_ok());
    });
}

/// A pending ConnectEx can be cancelled.
/// Source: CancelIoEx; ConnectEx, WSA_OPERATION_ABORTED.
#[test]
fn connect_ex_can_be_cancelled() {
    let _watch = watch();
    let unanswering = Unanswering::new(Family::V4);
    let client = Socket::bound(Family::V4);
    let port = port_of(*client, KEY);
    let request = Request::new(0);
    assert_eq!(client.connect_ex(&unanswering.address, &request), PENDING);
    assert_eq!(client.cancel(&request), Ok(()));
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
    assert_quiet(&port);
}

/// Asserts that ConnectEx is refused with `error` and leaves the status block unfinished.
#[track_caller]
fn assert_connect_refused(socket: Raw, address: &Address, error: WSA_ERROR) {
    let request = Request::new(0);
    assert_eq!(socket.connect_ex(address, &request), Err(error));
    assert_eq!(request.internal(), STATUS_PENDING as usize);
}

/// A refusal leaves InternalHigh alone.
/// Source: ConnectEx; OVERLAPPED, InternalHigh; validated on Windows.
#[test]
fn refused_connect_ex_leaves_internal_high_alone() {
    let _watch = watch();
    differs_under_wine("clears it", || {
        let listener = Listener::new(Family::V4);
        let request = Request::new(0);
        request.mark_status(7, 8);
        let unbound = Socket::tcp(Family::V4);
        assert_eq!(
            unbound.connect_ex(&listener.address, &request),
            Err(WSAEINVAL)
        );
        assert_eq!(
            (request.internal(), request.internal_high()),
            (STATUS_PENDING as usize, 8)
        );
    });
}

/// ConnectEx wants a socket that is bound and neither listening nor connected.
/// Source: ConnectEx, WSAEINVAL and WSAEISCONN; validated on Windows.
#[test]
fn connect_ex_needs_a_bound_socket() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let unbound = Socket::tcp(Family::V4);
    let port = port_of(*unbound, KEY);
    assert_connect_refused(*unbound, &listener.address, WSAEINVAL);
    assert_quiet(&port);
}

/// ConnectEx on a listening socket is WSAEINVAL.
/// Source: ConnectEx, WSAEINVAL; validated on Windows.
#[test]
fn connect_ex_refuses_listeners() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    assert_connect_refused(*listener.socket, &listener.address, WSAEINVAL);
}

/// ConnectEx on a connected socket, also an accepted one, is WSAEISCONN.
/// Source: ConnectEx, WSAEISCONN; validated on Windows.
#[test]
fn connect_ex_refuses_connected_sockets() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let pair = listener.pair();
    assert_connect_refused(*pair.client, &listener.address, WSAEISCONN);
    assert_connect_refused(*pair.server, &listener.address, WSAEISCONN);
}

/// ConnectEx while a non-blocking connect is under way is WSAEINVAL.
/// Source: ConnectEx, WSAEINVAL; validated on Windows.
#[test]
fn connect_ex_refuses_connecting_sockets() {
    let _watch = watch();
    let unanswering = Unanswering::new(Family::V4);
    let client = unanswering.connecting();
    assert_connect_refused(*client, &unanswering.address, WSAEINVAL);
}

/// ConnectEx without an OVERLAPPED is ERROR_INVALID_PARAMETER.
/// Source: ConnectEx, lpOverlapped; validated on Windows.
#[test]
fn connect_ex_needs_an_overlapped() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::bound(Family::V4);
    let connect_ex: LPFN_CONNECTEX = client.extension(WSAID_CONNECTEX).unwrap();
    let address = listener.address;
    // SAFETY: a null OVERLAPPED is what is tested.
    let result = unsafe {
        let (name, len) = (address.as_ptr(), address.len);
        connect_ex.unwrap()(client.0, name, len, null(), 0, null_mut(), null_mut())
    };
    assert_eq!((result, last_error()), (FALSE, ERROR_INVALID_PARAMETER));
}

/// ConnectEx on something that is no socket is WSAENOTSOCK.
/// Source: ConnectEx, WSAENOTSOCK; validated on Windows.
#[test]
fn connect_ex_checks_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        let listener = Listener::new(Family::V4);
        let connect_ex: LPFN_CONNECTEX = listener.extension(WSAID_CONNECTEX).unwrap();
        for bad in [Socket::stale(), Raw(INVALID_SOCKET), Raw(0)] {
            let request = Request::new(0);
            let address = listener.address;
            // SAFETY: the request outlives the call.
            let result = unsafe {
                let (name, len) = (address.as_ptr(), address.len);
                connect_ex.unwrap()(
                    bad.0,
                    name,
                    len,
                    null(),
                    0,
                    null_mut(),
                    request.overlapped(),
                )
            };
            assert_eq!(request.note(answer_bool(result, 0)), Err(WSAENOTSOCK));
            assert_eq!(request.internal(), STATUS_PENDING as usize);
        }
    });
}

/// ConnectEx to port 0 or the any-address is refused with WSAEADDRNOTAVAIL, another family with
/// WSAEAFNOSUPPORT, a short address with WSAEFAULT.
/// Source: ConnectEx, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT and WSAEFAULT.
#[test]
fn connect_ex_checks_the_address() {
    let _watch = watch();
    differs_under_wine("finds out later, or not at all", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::bound(Family::V4);
        let port = port_of(*client, KEY);
        let any = Family::V4.any(listener.address.port());
        assert_connect_refused(*client, &Family::V4.loopback(0), WSAEADDRNOTAVAIL);
        assert_connect_refused(*client, &any, WSAEADDRNOTAVAIL);
        assert_connect_refused(*client, &listener.address.with_family(99), WSAEAFNOSUPPORT);
        assert_connect_refused(*client, &listener.address.with_len(15), WSAEFAULT);
        assert_quiet(&port);
    });
}

/// The context update wants a ConnectEx behind it: an unconnected socket is WSAENOTCONN.
/// Source: SOL_SOCKET options, SO_UPDATE_CONNECT_CONTEXT.
#[test]
fn update_connect_context_needs_a_connection() {
    let _watch = watch();
    differs_under_wine("always succeeds", || {
        assert_eq!(
            Socket::bound(Family::V4).update_connect_context(),
            Err(WSAENOTCONN)
        );
    });
}

/// An extension function that does not exist is WSAEINVAL.
/// Source: WSAIoctl, SIO_GET_EXTENSION_FUNCTION_POINTER; validated on Windows.
#[test]
fn unknown_extensions_are_refused() {
    let _watch = watch();
    let unknown = GUID {
        data1: 0x1234_5678,
        ..WSAID_CONNECTEX
    };
    let socket = Socket::tcp(Family::V4);
    assert_eq!(socket.extension::<LPFN_CONNECTEX>(unknown), Err(WSAEINVAL));
}

/// The any-address is no destination, in the form of IPv6 either.
/// Source: connect, WSAEADDRNOTAVAIL.
#[test]
fn mapped_any_address_is_no_destination() {
    let _watch = watch();
    differs_under_wine("connects to the loopback", || {
        let listener = Socket::tcp(Family::V4);
        listener.bind(&Family::V4.any(0)).unwrap();
        listener.listen(5).unwrap();
        let port = listener.local_address().unwrap().port();
        let dual = Socket::tcp(Family::V6);
        dual.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0).unwrap();
        assert_eq!(
            dual.connect(&address(&format!("[::ffff:0.0.0.0]:{port}"))),
            Err(WSAEADDRNOTAVAIL)
        );
    });
}

/// A failed connect leaves the socket bound and usable, also if it failed at once.
/// Source: connect (implicit binding); validated on Windows.
#[test]
fn connect_that_failed_at_once_has_bound() {
    let _watch = watch();
    differs_under_wine("leaves it unbound", || {
        for non_blocking in [false, true] {
            let socket = Socket::tcp(Family::V6);
            socket.set_non_blocking(non_blocking);
            assert_eq!(
                socket.connect(&address("[::ffff:127.0.0.1]:9")),
                Err(WSAENETUNREACH)
            );
            let name = socket.local_address();
            assert_eq!((socket.listen(1), name.is_ok()), (Ok(()), true));
        }
    });
}
