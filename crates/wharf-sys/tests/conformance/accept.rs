//! accept and AcceptEx: who gets a connection, when, and in which state the new socket is.

use std::ptr::null_mut;
use std::time::Instant;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const LISTENER: usize = 0x11;
const ACCEPTED: usize = 0x22;

/// A connection takes no longer than [`DEADLINE`] to be in the backlog: on the loopback connect proves it.
fn listener_on_port(family: Family) -> (Listener, Port) {
    let listener = Listener::new(family);
    let port = port_of(*listener.socket, LISTENER);
    (listener, port)
}

/// What GetAcceptExSockaddrs finds in the buffer of a finished AcceptEx: local and remote address.
fn addresses(request: &Request, layout: AcceptLayout) -> (Address, Address) {
    let (mut local, mut remote) = (null_mut(), null_mut());
    let (mut local_len, mut remote_len) = (0, 0);
    // SAFETY: the buffer is that of an AcceptEx with the same layout.
    unsafe {
        GetAcceptExSockaddrs(
            request.buffer_ptr().cast(),
            layout.data,
            layout.local,
            layout.remote,
            &mut local,
            &mut local_len,
            &mut remote,
            &mut remote_len,
        );
    }
    let inside = request.buffer().as_ptr_range();
    assert!(inside.contains(&local.cast::<u8>().cast_const()));
    assert!(inside.contains(&remote.cast::<u8>().cast_const()));
    (
        read_address(local, local_len),
        read_address(remote, remote_len),
    )
}

fn read_address(from: *const SOCKADDR, len: i32) -> Address {
    let mut address = Address::room().with_len(len);
    assert!(len as usize <= size_of::<SOCKADDR_STORAGE>());
    // SAFETY: GetAcceptExSockaddrs returned an address of `len` bytes, and the room is larger.
    unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), address.as_mut_ptr().cast(), len as usize);
    }
    address
}

// --- accept ----------------------------------------------------------------------------------------

/// accept returns the connection and the peer's address with its true length.
/// Source: accept.
#[test]
fn accept_tells_the_peer() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = listener.client();
        let (server, peer) = listener.accept_from().unwrap();
        assert_eq!(plain(peer.get()), plain(client.local_address().unwrap()));
        assert_eq!(
            plain(server.peer_address().unwrap()),
            plain(client.local_address().unwrap())
        );
        assert_eq!(
            plain(server.local_address().unwrap()),
            plain(listener.address.get())
        );
        client.send_all(b"hello");
        assert_eq!(server.recv_exact(5), b"hello");
    }
}

/// accept waits for a connection in blocking mode, and answers WSAEWOULDBLOCK in non-blocking mode.
/// Source: accept, WSAEWOULDBLOCK.
#[test]
fn accept_obeys_the_blocking_mode() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    listener.set_non_blocking(true);
    assert_eq!(listener.accept().err(), Some(WSAEWOULDBLOCK));
    listener.set_non_blocking(false);
    let socket = *listener.socket;
    let waiter = spawn(move || socket.accept().map(|server| server.send_all(b"x")));
    waiter.until_waits();
    let client = listener.client();
    assert_eq!(waiter.join(), Ok(()));
    assert_eq!(client.recv_exact(1), b"x");
}

/// accept on a socket that does not listen is WSAEINVAL, on a datagram socket WSAEOPNOTSUPP.
/// Source: accept, WSAEINVAL and WSAEOPNOTSUPP.
#[test]
fn accept_needs_a_listener() {
    let _watch = watch();
    assert_eq!(Socket::tcp(Family::V4).accept().err(), Some(WSAEINVAL));
    assert_eq!(Socket::bound(Family::V4).accept().err(), Some(WSAEINVAL));
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.accept().err(), Some(WSAEINVAL));
    let datagram = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    assert_eq!(datagram.bind(&Family::V4.loopback(0)), Ok(()));
    assert_eq!(datagram.accept().err(), Some(WSAEOPNOTSUPP));
}

/// Too little room for the address is WSAEFAULT; the length stays, and so does the connection.
/// Source: accept, WSAEFAULT; validated on Windows.
#[test]
fn accept_with_a_short_address_takes_nothing() {
    let _watch = watch();
    differs_under_wine("the connection is lost", || {
        for family in FAMILIES {
            let listener = Listener::new(family);
            let client = listener.client();
            listener.set_non_blocking(true);
            let mut address = Address::room();
            let mut len = 15;
            // SAFETY: both pointers are valid.
            let accepted = unsafe { accept(listener.0, address.as_mut_ptr(), &mut len) };
            assert_eq!(
                (accepted, wsa_error(), len),
                (INVALID_SOCKET, WSAEFAULT, 15)
            );
            let server = listener.accept().expect("the connection is still there");
            server.send_all(b"x");
            assert_eq!(client.recv_exact(1), b"x");
        }
    });
}

/// An address without a length is not written, and accept succeeds.
/// Source: accept, addr and addrlen; validated on Windows.
#[test]
fn accept_ignores_an_address_without_length() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    let mut address = Address::room();
    // SAFETY: a null length is what is tested; the address is valid.
    let accepted = unsafe { accept(listener.0, address.as_mut_ptr(), null_mut()) };
    assert_ne!(accepted, INVALID_SOCKET, "accept: {}", wsa_error());
    assert_eq!(address.storage.ss_family, 0);
    drop(Socket::from_raw(Raw(accepted)));
}

/// An accepted socket inherits the listener's options.
/// Source: accept (the new socket has the properties of the listener); validated on Windows.
#[test]
fn accepted_socket_inherits_options() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let options = [
        (SOL_SOCKET, SO_KEEPALIVE, 1),
        (SOL_SOCKET, SO_OOBINLINE, 1),
        (SOL_SOCKET, SO_SNDBUF, 20_000),
        (SOL_SOCKET, SO_RCVBUF, 30_000),
        (SOL_SOCKET, SO_SNDTIMEO, 4_000),
        (SOL_SOCKET, SO_RCVTIMEO, 5_000),
        (IPPROTO_TCP, TCP_NODELAY, 1),
    ];
    for (level, option, value) in options {
        assert_eq!(
            listener.set_option(level, option, value),
            Ok(()),
            "option {option:#x}"
        );
    }
    listener.set_linger(true, 7);
    let pair = listener.pair();
    for (level, option, value) in options {
        assert_eq!(
            pair.server.option(level, option),
            Ok(value),
            "option {option:#x}"
        );
    }
    assert_eq!(pair.server.option(SOL_SOCKET, SO_LINGER), Ok(7 << 16 | 1));
    pair.server.set_linger(false, 0);
}

/// SO_REUSEADDR, set before bind, is inherited too.
/// Source: accept; validated on Windows.
#[test]
fn accepted_socket_inherits_reuse_address() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    assert_eq!(socket.set_option(SOL_SOCKET, SO_REUSEADDR, 1), Ok(()));
    let pair = Listener::from_socket(socket, Family::V4).pair();
    assert_eq!(pair.server.option(SOL_SOCKET, SO_REUSEADDR), Ok(1));
}

/// An accepted socket inherits the blocking mode.
/// Source: accept and ioctlsocket, FIONBIO.
#[test]
fn accepted_socket_inherits_the_blocking_mode() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    listener.set_non_blocking(true);
    let server = listener.accept().unwrap();
    assert_eq!(server.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
}

/// An accepted socket has the listener's overlapped attribute.
/// Source: accept; CreateIoCompletionPort, ERROR_INVALID_PARAMETER.
#[test]
fn accepted_socket_inherits_the_overlapped_attribute() {
    let _watch = watch();
    let socket = Socket::tcp_synchronous(Family::V4);
    let pair = Listener::from_socket(socket, Family::V4).pair();
    let port = Port::new(0);
    fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
        create_port(pair.server.handle(), port.raw(), ACCEPTED, 0)
    });
}

/// An accepted socket does not inherit the completion port.
/// Source: accept; CreateIoCompletionPort.
#[test]
fn accepted_socket_is_on_no_port() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let pair = listener.pair();
    assert_eq!(pair.server.send_request(&Request::from_data(b"x")), done(1));
    assert_quiet(&port);
    port.associate(pair.server.handle(), ACCEPTED);
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(ACCEPTED, 1));
}

// --- AcceptEx --------------------------------------------------------------------------------------

/// AcceptEx without first data completes with the connection, at the listener's port and key.
/// Source: AcceptEx, dwReceiveDataLength 0; GetAcceptExSockaddrs.
#[test]
fn accept_ex_completes_with_the_connection() {
    let _watch = watch();
    for family in FAMILIES {
        let (listener, port) = listener_on_port(family);
        let accepted = Socket::tcp(family);
        port.associate(accepted.handle(), ACCEPTED);
        let layout = AcceptLayout::without_data();
        let request = layout.request();
        assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
        assert_empty(&port);

        let client = listener.client();
        assert_eq!(next(&port), request.success(LISTENER, 0));
        let (local, remote) = addresses(&request, layout);
        assert_eq!(plain(local.get()), plain(listener.address.get()));
        assert_eq!(plain(remote.get()), plain(client.local_address().unwrap()));

        assert_eq!(accepted.update_accept_context(*listener.socket), Ok(()));
        let receive = Request::new(8);
        assert_eq!(accepted.receive(&receive), PENDING);
        client.send_all(b"hello");
        assert_eq!(next(&port), receive.success(ACCEPTED, 5));
        assert_quiet(&port);
    }
}

/// The function pointer from WSAIoctl does what the linked function does.
/// Source: WSAIoctl, SIO_GET_EXTENSION_FUNCTION_POINTER; AcceptEx.
#[test]
fn accept_ex_by_pointer_is_the_same() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accept_ex: LPFN_ACCEPTEX = listener.extension(WSAID_ACCEPTEX).unwrap();
    let parse: LPFN_GETACCEPTEXSOCKADDRS = listener.extension(WSAID_GETACCEPTEXSOCKADDRS).unwrap();
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(4);
    let request = layout.request();
    let mut received = 0;
    // SAFETY: the request outlives its operation, and its buffer has the three areas.
    let result = unsafe {
        accept_ex.unwrap()(
            listener.0,
            accepted.0,
            request.buffer_ptr().cast(),
            layout.data,
            layout.local,
            layout.remote,
            &mut received,
            request.overlapped(),
        )
    };
    assert_eq!(request.note(answer_bool(result, received)), PENDING);

    let client = listener.client();
    client.send_all(b"abcdef");
    let Taken::Packet(taken) = next(&port) else {
        panic!("AcceptEx failed")
    };
    assert!(taken.key == LISTENER && taken.bytes == 4, "{taken:?}");
    assert_eq!(&request.buffer()[..4], b"abcd");
    let (mut local, mut remote) = (null_mut(), null_mut());
    let (mut local_len, mut remote_len) = (0, 0);
    // SAFETY: the buffer is that of the AcceptEx above, with the same lengths.
    unsafe {
        parse.unwrap()(
            request.buffer_ptr().cast(),
            layout.data,
            layout.local,
            layout.remote,
            &mut local,
            &mut local_len,
            &mut remote,
            &mut remote_len,
        );
    }
    assert_eq!(read_address(local, local_len).get(), listener.address.get());
    assert_eq!(
        read_address(remote, remote_len).get(),
        client.local_address().unwrap()
    );
    assert_eq!(accepted.recv_exact(2), b"ef");
}

/// With room for first data AcceptEx completes when the data arrives, not before.
/// Source: AcceptEx, dwReceiveDataLength.
#[test]
fn accept_ex_waits_for_the_first_data() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(16);
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let client = listener.client();
    assert_quiet(&port);
    client.send_all(b"hello");
    assert_eq!(next(&port), request.success(LISTENER, 5));
    assert_eq!(&request.buffer()[..5], b"hello");
    let (_, remote) = addresses(&request, layout);
    assert_eq!(remote.get(), client.local_address().unwrap());
}

/// A client that ends its stream instead of sending completes AcceptEx with 0 bytes.
/// Source: AcceptEx; validated on Windows.
#[test]
fn accept_ex_completes_with_the_end_of_the_stream() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(16);
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let client = listener.client();
    assert_eq!(client.shutdown(SD_SEND), Ok(()));
    assert_eq!(next(&port), request.success(LISTENER, 0));
}

/// A client that resets before its first data fails AcceptEx: ERROR_NETNAME_DELETED at the port.
/// Source: AcceptEx, WSAECONNRESET.
#[test]
fn accept_ex_fails_when_the_client_vanishes() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(16);
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let client = listener.client();
    assert_quiet(&port);
    client.reset();
    assert_eq!(
        next(&port),
        request.failure(LISTENER, ERROR_NETNAME_DELETED)
    );
    assert_eq!(listener.result(&request, false), Err(WSAECONNRESET));
}

/// AcceptEx calls are served in the order of the calls; connections beyond them wait for accept.
/// Source: AcceptEx.
#[test]
fn accept_ex_calls_are_served_in_order() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let layout = AcceptLayout::without_data();
    let accepted: Vec<_> = (0..3).map(|_| Socket::tcp(Family::V4)).collect();
    let requests: Vec<_> = accepted.iter().map(|_| layout.request()).collect();
    for (socket, request) in accepted.iter().zip(&requests) {
        assert_eq!(listener.accept_ex(**socket, request, layout), PENDING);
    }
    for (socket, request) in accepted.iter().zip(&requests) {
        let client = listener.client();
        assert_eq!(next(&port), request.success(LISTENER, 0));
        client.send_all(b"x");
        assert_eq!(socket.recv_exact(1), b"x");
    }
    let client = listener.client();
    let server = listener.accept().unwrap();
    client.send_all(b"y");
    assert_eq!(server.recv_exact(1), b"y");
    assert_quiet(&port);
}

/// A silent client holds up its own AcceptEx only; the next one is served.
/// Source: AcceptEx (connections are distributed in the order of the calls).
#[test]
fn silent_client_holds_up_only_its_own_accept() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let layout = AcceptLayout::with_data(4);
    let [first, second] = [(); 2].map(|()| Socket::tcp(Family::V4));
    let requests = [(); 2].map(|()| layout.request());
    assert_eq!(listener.accept_ex(*first, &requests[0], layout), PENDING);
    assert_eq!(listener.accept_ex(*second, &requests[1], layout), PENDING);
    let silent = listener.client();
    let talker = listener.client();
    talker.send_all(b"hi");
    assert_eq!(next(&port), requests[1].success(LISTENER, 2));
    silent.send_all(b"yes");
    assert_eq!(next(&port), requests[0].success(LISTENER, 3));
}

/// AcceptEx answers 997 although a connection waits, and queues its packet in skip mode too.
/// Source: AcceptEx and SetFileCompletionNotificationModes; validated on Windows.
#[test]
fn accept_ex_pends_although_a_connection_waits() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(listener.set_notification_modes(skip), Ok(()));
    let _client = listener.client();
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::without_data();
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    assert_eq!(next(&port), request.success(LISTENER, 0));
}

/// AcceptEx signals its event and reports through WSAGetOverlappedResult without any port.
/// Source: AcceptEx, lpOverlapped.
#[test]
fn accept_ex_signals_its_event() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(8);
    let event = Event::manual();
    let request = layout.request().with_event(event.raw());
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let client = listener.client();
    client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(listener.result(&request, false), Ok((3, 0)));
}

/// Operations on the accept socket may be posted on its own port; CancelIo on it leaves the AcceptEx alone.
/// Source: AcceptEx; CancelIo; validated on Windows.
#[test]
fn accept_ex_belongs_to_the_listener() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    port.associate(accepted.handle(), ACCEPTED);
    let layout = AcceptLayout::without_data();
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    assert_eq!(accepted.cancel_mine(), Ok(()));
    assert_quiet(&port);
    let _client = listener.client();
    assert_eq!(next(&port), request.success(LISTENER, 0));
}

/// Before SO_UPDATE_ACCEPT_CONTEXT the socket transfers data but has no names and no shutdown.
/// Source: AcceptEx, SO_UPDATE_ACCEPT_CONTEXT (default state before it); getpeername and shutdown, WSAENOTCONN.
#[test]
fn accept_ex_socket_has_no_names_before_the_update() {
    let _watch = watch();
    differs_under_wine("names and shutdown work at once", || {
        let (listener, port) = listener_on_port(Family::V4);
        let accepted = Socket::tcp(Family::V4);
        let layout = AcceptLayout::without_data();
        let request = layout.request();
        assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
        let client = listener.client();
        assert_eq!(next(&port), request.success(LISTENER, 0));
        assert_eq!(accepted.peer_address(), Err(WSAENOTCONN));
        assert_eq!(accepted.local_address(), Err(WSAEINVAL));
        assert_eq!(accepted.shutdown(SD_SEND), Err(WSAENOTCONN));
        client.send_all(b"x");
        assert_eq!(accepted.recv_exact(1), b"x");
        accepted.send_all(b"y");
        assert_eq!(client.recv_exact(1), b"y");
    });
}

/// SO_UPDATE_ACCEPT_CONTEXT gives it names, shutdown and the listener's options.
/// Source: AcceptEx; SOL_SOCKET options, SO_UPDATE_ACCEPT_CONTEXT.
#[test]
fn update_accept_context_completes_the_socket() {
    let _watch = watch();
    for family in FAMILIES {
        let (listener, port) = listener_on_port(family);
        let accepted = Socket::tcp(family);
        let layout = AcceptLayout::without_data();
        let request = layout.request();
        assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
        let client = listener.client();
        assert_eq!(next(&port), request.success(LISTENER, 0));
        assert_eq!(accepted.update_accept_context(*listener.socket), Ok(()));
        let client_address = plain(client.local_address().unwrap());
        assert_eq!(accepted.peer_address().map(plain), Ok(client_address));
        assert_eq!(
            accepted.local_address().map(plain),
            Ok(plain(listener.address.get()))
        );
        assert_eq!(accepted.shutdown(SD_SEND), Ok(()));
        assert_eq!(client.recv(&mut [0; 1]), Ok(0));
    }
}

/// The listener's options arrive with the update, not before.
/// Source: AcceptEx, SO_UPDATE_ACCEPT_CONTEXT (properties are inherited with it).
#[test]
fn update_accept_context_brings_the_options() {
    let _watch = watch();
    differs_under_wine("the update copies nothing", || {
        let (listener, port) = listener_on_port(Family::V4);
        assert_eq!(listener.set_option(SOL_SOCKET, SO_KEEPALIVE, 1), Ok(()));
        assert_eq!(listener.set_option(SOL_SOCKET, SO_RCVBUF, 30_000), Ok(()));
        assert_eq!(listener.set_option(IPPROTO_TCP, TCP_NODELAY, 1), Ok(()));
        let accepted = Socket::tcp(Family::V4);
        let layout = AcceptLayout::without_data();
        let request = layout.request();
        assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
        let _client = listener.client();
        assert_eq!(next(&port), request.success(LISTENER, 0));
        assert_eq!(accepted.option(SOL_SOCKET, SO_KEEPALIVE), Ok(0));
        assert_eq!(accepted.option(IPPROTO_TCP, TCP_NODELAY), Ok(0));
        listener.set_non_blocking(true);
        assert_eq!(accepted.update_accept_context(*listener.socket), Ok(()));
        assert_eq!(accepted.option(SOL_SOCKET, SO_KEEPALIVE), Ok(1));
        assert_eq!(accepted.option(SOL_SOCKET, SO_RCVBUF), Ok(30_000));
        assert_eq!(accepted.option(IPPROTO_TCP, TCP_NODELAY), Ok(1));
        assert_eq!(accepted.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
    });
}

/// The update wants the listener: a handle that is no socket is WSAENOTSOCK, a short value WSAEFAULT.
/// Source: SOL_SOCKET options, SO_UPDATE_ACCEPT_CONTEXT.
#[test]
fn update_accept_context_checks_its_value() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("takes any value", || {
            let (listener, port) = listener_on_port(Family::V4);
            let accepted = Socket::tcp(Family::V4);
            let layout = AcceptLayout::without_data();
            let request = layout.request();
            assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
            let _client = listener.client();
            assert_eq!(next(&port), request.success(LISTENER, 0));
            assert_eq!(
                accepted.update_accept_context(Socket::stale()),
                Err(WSAENOTSOCK)
            );
            let short = accepted.set_option_bytes(SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &[0; 2]);
            assert_eq!(short, Err(WSAEFAULT));
            assert_eq!(accepted.update_accept_context(*listener.socket), Ok(()));
        });
    });
}

/// SO_CONNECT_TIME tells a silent client (0 or more seconds) from no client (0xFFFFFFFF).
/// Source: SOL_SOCKET options, SO_CONNECT_TIME; AcceptEx.
#[test]
fn connect_time_tells_silent_clients() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::with_data(4);
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    assert_eq!(accepted.option(SOL_SOCKET, SO_CONNECT_TIME), Ok(-1));
    let _client = listener.client();
    // Taking from the port lets the library notice the connection.
    until("the connection is taken", || {
        port.take(0) == TIMED_OUT && accepted.has_connect_time()
    });
}

/// An accepted socket of accept has a connect time from the start.
/// Source: SOL_SOCKET options, SO_CONNECT_TIME.
#[test]
fn connect_time_of_connected_sockets() {
    let _watch = watch();
    let start = Instant::now();
    let pair = connected_pair(Family::V4);
    for socket in [*pair.server, *pair.client] {
        let seconds = socket.option(SOL_SOCKET, SO_CONNECT_TIME).unwrap();
        let possible = 0..=start.elapsed().as_secs() as i32 + 1;
        assert!(possible.contains(&seconds), "{seconds} not in {possible:?}");
    }
    assert_eq!(
        Socket::tcp(Family::V4).option(SOL_SOCKET, SO_CONNECT_TIME),
        Ok(-1)
    );
}

// --- AcceptEx refused ------------------------------------------------------------------------------

/// Asserts that AcceptEx is refused with `error`, leaves the status block unfinished and queues nothing.
#[track_caller]
fn assert_accept_refused(listener: Raw, accepted: Raw, error: WSA_ERROR) {
    let layout = AcceptLayout::without_data();
    let request = layout.request();
    assert_eq!(listener.accept_ex(accepted, &request, layout), Err(error));
    assert_eq!(request.internal(), STATUS_PENDING as usize);
}

/// A refusal leaves InternalHigh and the byte count alone; so does the answer 997.
/// Source: AcceptEx, lpdwBytesReceived; OVERLAPPED, InternalHigh; validated on Windows.
#[test]
fn accept_ex_writes_no_counts_in_advance() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("clears both", || {
            let listener = Listener::new(Family::V4);
            let accepted = Socket::tcp(Family::V4);
            let layout = AcceptLayout::without_data();
            for (accepted, expected) in [(*accepted, PENDING), (Socket::stale(), Err(WSAENOTSOCK))]
            {
                let request = layout.request();
                request.mark_status(7, 8);
                let mut received = 77;
                // SAFETY: the request outlives its operation, and its buffer has the three areas.
                let result = unsafe {
                    AcceptEx(
                        listener.0,
                        accepted.0,
                        request.buffer_ptr().cast(),
                        layout.data,
                        layout.local,
                        layout.remote,
                        &mut received,
                        request.overlapped(),
                    )
                };
                assert_eq!(request.note(answer_bool(result, received)), expected);
                assert_eq!((received, request.internal_high()), (77, 8));
            }
        });
    });
}

/// AcceptEx on a socket that does not listen is WSAEINVAL.
/// Source: AcceptEx, WSAEINVAL; validated on Windows.
#[test]
fn accept_ex_needs_a_listener() {
    let _watch = watch();
    differs_under_wine("pends", || {
        let socket = Socket::bound(Family::V4);
        let port = port_of(*socket, LISTENER);
        assert_accept_refused(*socket, *Socket::tcp(Family::V4), WSAEINVAL);
        assert_quiet(&port);
    });
}

/// AcceptEx with a handle that is no socket, on either side, is WSAENOTSOCK.
/// Source: AcceptEx, WSAENOTSOCK; validated on Windows.
#[test]
fn accept_ex_checks_the_handles() {
    let _watch = watch();
    in_own_process(|| {
        let (listener, port) = listener_on_port(Family::V4);
        let fresh = Socket::tcp(Family::V4);
        for bad in [Socket::stale(), Raw(INVALID_SOCKET), Raw(0)] {
            assert_accept_refused(bad, *fresh, WSAENOTSOCK);
            assert_accept_refused(*listener.socket, bad, WSAENOTSOCK);
        }
        assert_quiet(&port);
    });
}

/// AcceptEx with a handle of something else, on either side, is WSAENOTSOCK.
/// Source: AcceptEx, WSAENOTSOCK; validated on Windows.
#[test]
fn accept_ex_refuses_foreign_handles() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let event = Event::manual();
    let foreign = Raw(event.raw() as SOCKET);
    assert_accept_refused(foreign, *Socket::tcp(Family::V4), WSAENOTSOCK);
    assert_accept_refused(*listener.socket, foreign, WSAENOTSOCK);
}

/// The accept socket must be fresh: bound, connected and datagram sockets are WSAEINVAL.
/// Source: AcceptEx, sAcceptSocket (neither bound nor connected); validated on Windows.
#[test]
fn accept_ex_needs_a_fresh_socket() {
    let _watch = watch();
    differs_under_wine("takes any socket", || {
        let (listener, port) = listener_on_port(Family::V4);
        let pair = connected_pair(Family::V4);
        let datagram = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        let bound = Socket::bound(Family::V4);
        for used in [*bound, *pair.client, *pair.server, *datagram] {
            assert_accept_refused(*listener.socket, used, WSAEINVAL);
        }
        assert_quiet(&port);
    });
}

/// While its AcceptEx pends, the accept socket refuses another one.
/// Source: AcceptEx, WSAEINVAL; validated on Windows.
#[test]
fn accept_socket_of_a_pending_accept_is_taken() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::without_data();
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    assert_accept_refused(*listener.socket, *accepted, WSAEINVAL);
    let _client = listener.client();
    assert_eq!(next(&port), request.success(LISTENER, 0));
    assert_quiet(&port);
}

/// While its AcceptEx pends, the accept socket refuses connect and ConnectEx as well.
/// Source: connect and ConnectEx, WSAEINVAL; validated on Windows.
#[test]
fn accept_socket_of_a_pending_accept_cannot_connect() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::without_data();
    let request = layout.request();
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let elsewhere = Listener::new(Family::V4);
    assert_eq!(accepted.connect(&elsewhere.address), Err(WSAEINVAL));
    assert_eq!(
        accepted.connect_ex(&elsewhere.address, &Request::new(0)),
        Err(WSAEINVAL)
    );
    let _client = listener.client();
    assert_eq!(next(&port), request.success(LISTENER, 0));
}

/// After a cancelled AcceptEx its accept socket is free again.
/// Source: AcceptEx; CancelIoEx.
#[test]
fn accept_socket_is_free_after_the_cancellation() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout::without_data();
    let [cancelled, request] = [(); 2].map(|()| layout.request());
    assert_eq!(listener.accept_ex(*accepted, &cancelled, layout), PENDING);
    assert_eq!(listener.cancel(&cancelled), Ok(()));
    assert_eq!(
        next(&port),
        cancelled.failure(LISTENER, ERROR_OPERATION_ABORTED)
    );
    assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
    let client = listener.client();
    assert_eq!(next(&port), request.success(LISTENER, 0));
    client.send_all(b"x");
    assert_eq!(accepted.recv_exact(1), b"x");
}

/// AcceptEx without an OVERLAPPED is ERROR_INVALID_PARAMETER, before the lengths are looked at.
/// Source: AcceptEx, lpOverlapped; validated on Windows.
#[test]
fn accept_ex_needs_an_overlapped() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let mut buffer = [0u8; 128];
    let mut received = 77;
    for remote in [ADDRESS_AREA, 0] {
        // SAFETY: the buffer is large enough; a null OVERLAPPED is what is tested.
        let result = unsafe {
            let buffer = buffer.as_mut_ptr().cast();
            AcceptEx(
                listener.0,
                accepted.0,
                buffer,
                0,
                ADDRESS_AREA,
                remote,
                &mut received,
                null_mut(),
            )
        };
        assert_eq!((result, last_error()), (FALSE, ERROR_INVALID_PARAMETER));
    }
    assert_eq!(received, 77);
}

/// No room for the remote address is WSAEFAULT.
/// Source: AcceptEx, dwRemoteAddressLength; validated on Windows.
#[test]
fn accept_ex_needs_room() {
    let _watch = watch();
    let (listener, port) = listener_on_port(Family::V4);
    let accepted = Socket::tcp(Family::V4);
    let layout = AcceptLayout {
        data: 0,
        local: ADDRESS_AREA,
        remote: 0,
    };
    let request = layout.request();
    assert_eq!(
        listener.accept_ex(*accepted, &request, layout),
        Err(WSAEFAULT)
    );
    assert_eq!(request.internal(), STATUS_PENDING as usize);

    assert_quiet(&port);
}

/// AcceptEx without an output buffer is WSAEFAULT.
/// Source: AcceptEx, lpOutputBuffer; validated on Windows.
#[test]
fn accept_ex_needs_a_buffer() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        let (listener, port) = listener_on_port(Family::V4);
        let accepted = Socket::tcp(Family::V4);
        let request = Request::new(0);
        let mut received = 77;
        // SAFETY: a null buffer is what is tested.
        let result = unsafe {
            let overlapped = request.overlapped();
            AcceptEx(
                listener.0,
                accepted.0,
                null_mut(),
                0,
                ADDRESS_AREA,
                ADDRESS_AREA,
                &mut received,
                overlapped,
            )
        };
        assert_eq!(request.note(answer_bool(result, received)), Err(WSAEFAULT));
        assert_eq!(received, 77);
        assert_quiet(&port);
    });
}

/// Without an area for the local address GetAcceptExSockaddrs leaves the local arguments alone.
/// Source: AcceptEx, dwLocalAddressLength; validated on Windows.
#[test]
fn local_address_area_may_be_missing() {
    let _watch = watch();
    differs_under_wine("writes the local arguments", || {
        let (listener, port) = listener_on_port(Family::V4);
        let accepted = Socket::tcp(Family::V4);
        let layout = AcceptLayout {
            data: 0,
            local: 0,
            remote: ADDRESS_AREA,
        };
        let request = layout.request();
        assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
        let client = listener.client();
        assert_eq!(next(&port), request.success(LISTENER, 0));
        let mark = std::ptr::without_provenance_mut(0x77);
        let (mut local, mut remote) = (mark, null_mut());
        let (mut local_len, mut remote_len) = (78, 0);
        // SAFETY: the buffer is that of an AcceptEx with the same lengths.
        unsafe {
            GetAcceptExSockaddrs(
                request.buffer_ptr().cast(),
                0,
                0,
                ADDRESS_AREA,
                &mut local,
                &mut local_len,
                &mut remote,
                &mut remote_len,
            );
        }
        assert_eq!((local, local_len), (mark, 78));
        assert_eq!(
            read_address(remote, remote_len).get(),
            client.local_address().unwrap()
        );
    });
}

/// An address area that is too small goes unnoticed until a connection comes: then the request fails with
/// ERROR_INSUFFICIENT_BUFFER and the connection stays for accept.
/// Source: AcceptEx, dwLocalAddressLength (16 bytes more than the address); validated on Windows.
#[test]
fn short_address_area_fails_at_the_connection() {
    let _watch = watch();
    differs_under_wine("refuses at once or takes the connection", || {
        for (local, remote) in [(3, ADDRESS_AREA), (20, ADDRESS_AREA), (ADDRESS_AREA, 20)] {
            let (listener, port) = listener_on_port(Family::V4);
            let accepted = Socket::tcp(Family::V4);
            let layout = AcceptLayout {
                data: 0,
                local,
                remote,
            };
            let request = layout.request();
            assert_eq!(listener.accept_ex(*accepted, &request, layout), PENDING);
            let client = listener.client();
            assert_eq!(
                next(&port),
                request.failure(LISTENER, ERROR_INSUFFICIENT_BUFFER)
            );
            assert!(request.has_status(STATUS_BUFFER_TOO_SMALL));
            assert_eq!(listener.result(&request, false), Err(WSAEFAULT));
            let server = listener.accept().unwrap();
            client.send_all(b"x");
            assert_eq!(server.recv_exact(1), b"x");
        }
    });
}

/// GetAcceptExSockaddrs with other lengths than AcceptEx had gives garbage, but does not fault.
/// Source: GetAcceptExSockaddrs (the lengths must be those of AcceptEx).
#[test]
fn sockaddrs_of_a_foreign_buffer_do_not_fault() {
    let _watch = watch();
    startup();
    for fill in [0u8, 0xFF] {
        let mut buffer = [fill; 256];
        let (mut local, mut remote) = (null_mut(), null_mut());
        let (mut local_len, mut remote_len) = (0, 0);
        // SAFETY: the three lengths lie inside the buffer.
        unsafe {
            GetAcceptExSockaddrs(
                buffer.as_mut_ptr().cast(),
                64,
                ADDRESS_AREA,
                ADDRESS_AREA,
                &mut local,
                &mut local_len,
                &mut remote,
                &mut remote_len,
            );
        }
    }
}

/// What is set on a listener counts for connections that wait there already.
/// Source: accept (the new socket has the properties of the listener); validated on Windows.
#[test]
fn late_options_are_in_effect() {
    let _watch = watch();
    differs_under_wine("inherits what the connection came with", || {
        let listener = Listener::new(Family::V4);
        let client = listener.client();
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(server.option(SOL_SOCKET, SO_OOBINLINE), Ok(1));
        server.set_option(SOL_SOCKET, SO_RCVTIMEO, 3000).unwrap();
        assert_eq!(client.send_flags(b"u", MSG_OOB), Ok(1));
        assert_eq!(server.recv_some(8), Ok(b"u".to_vec()));
    });
}

/// As do options that are switched off.
/// Source: accept.
#[test]
fn late_options_are_off() {
    let _watch = watch();
    differs_under_wine("inherits what the connection came with", || {
        let listener = Listener::new(Family::V4);
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let client = listener.client();
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 0).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(server.option(SOL_SOCKET, SO_OOBINLINE), Ok(0));
        client.send_flags(b"u", MSG_OOB).unwrap();
        until("the urgent byte", || server.ioctl(SIOCATMARK, 7) == Ok(0));
        server.set_option(SOL_SOCKET, SO_RCVTIMEO, 3000).unwrap();
        assert_eq!(server.recv_flags(&mut [0; 4], MSG_OOB), Ok(1));
    });
}

/// An accept socket has its own options, whatever the listener had when the connection came.
/// Source: AcceptEx (the accept socket is the program's).
#[test]
fn accept_socket_keeps_its_options_in_effect() {
    let _watch = watch();
    differs_under_wine("gives the accept socket the listener's", || {
        let listener = Listener::new(Family::V4);
        let port = port_of(*listener, 7);
        let client = listener.client();
        listener.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let acceptor = Socket::tcp(Family::V4);
        acceptor.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let layout = AcceptLayout::without_data();
        let request = layout.request();
        assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
        assert_eq!(next(&port), request.success(7, 0));
        acceptor.set_option(SOL_SOCKET, SO_RCVTIMEO, 3000).unwrap();
        client.send_flags(b"u", MSG_OOB).unwrap();
        assert_eq!(acceptor.recv_some(8), Ok(b"u".to_vec()));
    });
}
