//! AcceptEx: who gets a connection, when, and in which state the accept socket is.

use std::ptr::null_mut;
use std::time::Instant;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const LISTENER: usize = 0x11;
const ACCEPTED: usize = 0x22;

/// A connection takes no longer than [`DEADLINE`] to be in the backlog: on the loopback connect proves it.
pub fn listener_on_port(family: Family) -> (Listener, Port) {
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

pub fn read_address(from: *const SOCKADDR, len: i32) -> Address {
    let mut address = Address::room().with_len(len);
    assert!(len as usize <= size_of::<SOCKADDR_STORAGE>());
    // SAFETY: GetAcceptExSockaddrs returned an address of `len` bytes, and the room is larger.
    unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), address.as_mut_ptr().cast(), len as usize);
    }
    address
}

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
