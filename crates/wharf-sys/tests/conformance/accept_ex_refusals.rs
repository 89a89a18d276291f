//! AcceptEx and GetAcceptExSockaddrs: which sockets, lengths and buffers they do not take.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::accept_ex::{listener_on_port, read_address};
use crate::harness::*;
use crate::tcp::*;

const LISTENER: usize = 0x11;

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
