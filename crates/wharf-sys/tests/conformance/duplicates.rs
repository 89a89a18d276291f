//! Second handles of a socket: WSADuplicateSocket within the process.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x77;

/// WSADuplicateSocketW for this process.
fn describe(socket: Raw) -> Result<WSAPROTOCOL_INFOW, WSA_ERROR> {
    let mut info = WSAPROTOCOL_INFOW::default();
    // SAFETY: `info` is valid for writes.
    check(unsafe { WSADuplicateSocketW(socket.0, GetCurrentProcessId(), &mut info) })?;
    Ok(info)
}

/// The handle that such a description gives.
fn open(info: &WSAPROTOCOL_INFOW) -> Result<Socket, WSA_ERROR> {
    const FROM_INFO: i32 = FROM_PROTOCOL_INFO;
    // SAFETY: `info` is valid.
    match unsafe {
        WSASocketW(
            FROM_INFO,
            FROM_INFO,
            FROM_INFO,
            info,
            0,
            WSA_FLAG_OVERLAPPED,
        )
    } {
        INVALID_SOCKET => Err(wsa_error()),
        socket => Ok(Socket::from_raw(Raw(socket))),
    }
}

fn second_handle(socket: Raw) -> Socket {
    open(&describe(socket).unwrap()).unwrap()
}

/// The description is that of the socket, and gives a handle that sends and receives on the same connection.
/// Source: WSADuplicateSocket, remarks.
#[test]
fn second_handle_names_the_same_socket() {
    let _watch = watch();
    for family in FAMILIES {
        let Pair { client, server } = connected_pair(family);
        let info = describe(*server).unwrap();
        assert_eq!(info.iAddressFamily, family.number());
        assert_eq!(info.iSocketType, SOCK_STREAM);
        assert_eq!(info.iProtocol, IPPROTO_TCP);
        let second = open(&info).unwrap();
        assert_ne!(*second, *server);
        assert_eq!(second.peer_address(), server.peer_address());
        second.send_all(b"from the second");
        assert_eq!(client.recv_exact(15), b"from the second");
        client.send_all(b"abcd");
        assert_eq!(second.recv_exact(2), b"ab");
        assert_eq!(server.recv_exact(2), b"cd");
    }
}

/// Options are the socket's, not the handle's.
/// Source: WSADuplicateSocket, remarks: option values are shared.
#[test]
fn options_are_shared() {
    let _watch = watch();
    let Pair { server, .. } = connected_pair(Family::V4);
    let second = second_handle(*server);
    assert_eq!(second.set_option(IPPROTO_TCP, TCP_NODELAY, 1), Ok(()));
    assert_eq!(server.option(IPPROTO_TCP, TCP_NODELAY), Ok(1));
}

/// Closing one handle ends nothing: the connection lives, and a pending receive goes on, with the packet it would have had.
/// Source: WSADuplicateSocket, remarks: the socket is closed with its last descriptor; validated on Windows.
#[test]
fn socket_lives_until_its_last_handle_is_closed() {
    let _watch = watch();
    differs_under_wine("ends what pends on a handle with the handle", || {
        let Pair { client, server } = connected_pair(Family::V4);
        let port = port_of(*server, KEY);
        let receive = Request::new(8);
        assert_eq!(server.receive(&receive), PENDING);
        let second = second_handle(*server);
        server.close().unwrap();
        client.send_all(b"on");
        assert_eq!(next(&port), receive.success(KEY, 2));
        let another = Request::new(8);
        assert_eq!(second.receive(&another), PENDING);
        second.close().unwrap();
        assert_eq!(next(&port), another.failure(KEY, ERROR_CONNECTION_ABORTED));
        assert_eq!(client.recv(&mut [0; 1]), Ok(0));
    });
}

/// The description alone keeps the socket open, and serves once.
/// Source: WSADuplicateSocket, remarks: the structure may be used once.
#[test]
fn description_keeps_the_socket_and_serves_once() {
    let _watch = watch();
    differs_under_wine("gives handles again and again", || {
        let Pair { client, server } = connected_pair(Family::V4);
        let info = describe(*server).unwrap();
        server.close().unwrap();
        let second = open(&info).unwrap();
        client.send_all(b"x");
        assert_eq!(second.recv_exact(1), b"x");
        assert_eq!(open(&info).err(), Some(WSAEINVAL));
    });
}

/// A second handle is one of winsock's: WSAGetOverlappedResult takes it.
/// Source: WSADuplicateSocket; WSAGetOverlappedResult, WSAENOTSOCK.
#[test]
fn second_handle_is_known_to_winsock() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    let second = second_handle(*server);
    let receive = Request::new(8);
    assert_eq!(second.receive(&receive), PENDING);
    client.send_all(b"abc");
    assert_eq!(second.result(&receive, true), Ok((3, 0)));
}

/// A listener may be duplicated; either handle accepts.
/// Source: WSADuplicateSocket, remarks.
#[test]
fn listener_has_two_handles() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let second = second_handle(*listener);
    for raw in [*listener.socket, *second] {
        let client = listener.client();
        let server = raw.accept().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    }
}

/// The 8-bit form serves WSASocketA.
/// Source: WSADuplicateSocketA.
#[test]
fn narrow_description_serves_the_narrow_function() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    let mut info = WSAPROTOCOL_INFOA::default();
    // SAFETY: `info` is valid.
    unsafe {
        assert_eq!(
            check(WSADuplicateSocketA(
                server.0,
                GetCurrentProcessId(),
                &mut info
            )),
            Ok(())
        );
        let second = WSASocketA(-1, -1, -1, &info, 0, 0);
        assert_ne!(second, INVALID_SOCKET);
        let second = Socket::from_raw(Raw(second));
        client.send_all(b"x");
        assert_eq!(second.recv_exact(1), b"x");
    }
}

/// What is refused, in order: no socket, no such process, nowhere to write.
/// Source: WSADuplicateSocket, error codes; validated on Windows.
#[test]
fn wrong_arguments_are_refused_in_order() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    // SAFETY: nulls are allowed; a process is looked up by its number.
    unsafe {
        let garbage = GARBAGE_HANDLE as SOCKET;
        assert_eq!(
            check(WSADuplicateSocketW(garbage, 0, null_mut())),
            Err(WSAENOTSOCK)
        );
        for process in [0, 0x7fff_fff0] {
            assert_eq!(
                check(WSADuplicateSocketW(socket.0, process, null_mut())),
                Err(WSAEINVAL)
            );
            assert_eq!(
                check(WSADuplicateSocketA(socket.0, process, null_mut())),
                Err(WSAEINVAL)
            );
        }
        let own = GetCurrentProcessId();
        assert_eq!(
            check(WSADuplicateSocketW(socket.0, own, null_mut())),
            Err(WSAEFAULT)
        );
    }
    let invented = WSAPROTOCOL_INFOW {
        dwProviderReserved: socket.0 as u32,
        ..WSAPROTOCOL_INFOW::default()
    };
    assert_eq!(open(&invented).err(), Some(WSAEINVAL), "nobody promised it");
    assert!(
        socket.option(SOL_SOCKET, SO_TYPE).is_ok(),
        "it is still open"
    );
}

/// After the last WSACleanup second handles are gone as the first.
/// Source: WSACleanup.
#[test]
fn cleanup_closes_second_handles() {
    let _watch = watch();
    in_own_process(|| {
        let socket = Socket::tcp(Family::V4);
        let second = second_handle(*socket);
        let info = describe(*socket).unwrap();
        // SAFETY: takes nothing.
        assert_eq!(check(unsafe { WSACleanup() }), Ok(()));
        start_version(0x0202).unwrap();
        assert_eq!(second.option(SOL_SOCKET, SO_TYPE), Err(WSAENOTSOCK));
        differs_under_wine("gives handles again and again", move || {
            assert!(open(&info).is_err());
        });
    });
}
