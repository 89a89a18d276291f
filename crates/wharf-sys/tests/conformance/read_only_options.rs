//! Options that only tell: the type of a socket, its addresses, its protocol.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

fn tcp() -> Socket {
    Socket::tcp(Family::V4)
}

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, IPPROTO_UDP).unwrap()
}

/// Options that can only be read.
/// Source: SOL_SOCKET options (get only), WSAENOPROTOOPT.
#[test]
fn read_only_options() {
    let _watch = watch();
    let socket = tcp();
    for option in [SO_ACCEPTCONN, SO_TYPE] {
        assert_eq!(
            socket.set_option(SOL_SOCKET, option, 1),
            Err(WSAENOPROTOOPT),
            "option {option:#x}"
        );
    }
}

/// SO_TYPE of a datagram socket: reading works, setting is WSAEINVAL.
/// Source: SOL_SOCKET options, SO_TYPE; validated on Windows.
#[test]
fn type_of_datagram_sockets() {
    let _watch = watch();
    differs_under_wine("answers WSAENOPROTOOPT", || {
        let socket = udp();
        assert_eq!(socket.option(SOL_SOCKET, SO_TYPE), Ok(SOCK_DGRAM));
        assert_eq!(socket.set_option(SOL_SOCKET, SO_TYPE, 1), Err(WSAEINVAL));
    });
}

/// SO_ACCEPTCONN is for streams.
/// Source: SOL_SOCKET options, SO_ACCEPTCONN and WSAENOPROTOOPT.
#[test]
fn datagrams_do_not_listen() {
    let _watch = watch();
    differs_under_wine("answers 0", || {
        let answer = udp().option(SOL_SOCKET, SO_ACCEPTCONN);
        assert_eq!(answer, Err(WSAENOPROTOOPT));
    });
}

/// SO_BSP_STATE tells both addresses, type and protocol; a missing address has length 0.
/// Source: SOL_SOCKET options, SO_BSP_STATE; validated on Windows.
#[test]
fn bsp_state_tells_the_addresses() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let socket = bsp_state(*pair.server);
    assert_eq!(
        (socket.iSocketType, socket.iProtocol),
        (SOCK_STREAM, IPPROTO_TCP)
    );
    assert_eq!(socket.LocalAddr.iSockaddrLength, 16);
    assert_eq!(socket.RemoteAddr.iSockaddrLength, 16);
    let unconnected = bsp_state(*Socket::bound(Family::V4));
    assert_eq!(unconnected.LocalAddr.iSockaddrLength, 16);
    assert_eq!(unconnected.RemoteAddr.iSockaddrLength, 0);
    assert!(unconnected.RemoteAddr.lpSockaddr.is_null());
    let short = pair
        .server
        .option_bytes(SOL_SOCKET, SO_BSP_STATE, &mut [0; 8]);
    assert_eq!(short, Err(WSAEFAULT));
}

/// The head of what SO_BSP_STATE answers; its pointers lead into a buffer that is gone.
fn bsp_state(socket: Raw) -> CSADDR_INFO {
    let mut value = [0u64; 64];
    let mut len = size_of_val(&value) as i32;
    // SAFETY: `value` has room for `len` bytes.
    let result = unsafe {
        let value = value.as_mut_ptr().cast();
        getsockopt(socket.0, SOL_SOCKET, SO_BSP_STATE, value, &mut len)
    };
    assert_eq!(check(result), Ok(()));
    // SAFETY: `value` begins with a CSADDR_INFO, which is plain data, and is as aligned as one.
    unsafe { value.as_ptr().cast::<CSADDR_INFO>().read() }
}

/// SO_BSP_STATE tells the peer as long as getpeername does.
/// Source: SO_BSP_STATE (the addresses of the socket).
#[test]
fn bsp_state_outlives_the_connection() {
    let _watch = watch();
    differs_under_wine("asks Linux for the peer", || {
        let remote = |socket: Raw| {
            let mut out = [0u8; 200];
            socket
                .option_bytes(SOL_SOCKET, SO_BSP_STATE, &mut out)
                .unwrap();
            let at = std::mem::offset_of!(CSADDR_INFO, RemoteAddr)
                + std::mem::offset_of!(SOCKET_ADDRESS, iSockaddrLength);
            u32::from_ne_bytes(out[at..at + 4].try_into().unwrap())
        };
        let pair = connected_pair(Family::V4);
        assert_eq!(remote(*pair.server), 16);
        pair.client.shutdown(SD_BOTH).unwrap();
        pair.server.shutdown(SD_BOTH).unwrap();
        let server = *pair.server;
        until("the end", || server.peer_address().is_ok());
        assert_eq!(remote(server), 16, "both sides ended");
    });
}

/// SO_PROTOCOL_INFO describes the socket's protocol; too little room tells how much is needed.
/// Source: SOL_SOCKET options, SO_PROTOCOL_INFO; WSAPROTOCOL_INFO; validated on Windows.
#[test]
fn protocol_information() {
    let _watch = watch();
    let socket = tcp();
    let sizes = [
        (SO_PROTOCOL_INFOA, size_of::<WSAPROTOCOL_INFOA>()),
        (SO_PROTOCOL_INFOW, size_of::<WSAPROTOCOL_INFOW>()),
    ];
    for (option, size) in sizes {
        let mut value = vec![0u8; size];
        assert_eq!(
            socket.option_bytes(SOL_SOCKET, option, &mut value),
            Ok(size as i32)
        );
        let mut len = size as i32 - 1;
        // SAFETY: `value` has room for more than `len` bytes.
        let result =
            unsafe { getsockopt(socket.0, SOL_SOCKET, option, value.as_mut_ptr(), &mut len) };
        assert_eq!((check(result), len), (Err(WSAEFAULT), size as i32));
    }
    // SAFETY: an all-zero WSAPROTOCOL_INFOW is a valid value of that plain structure.
    let mut info: WSAPROTOCOL_INFOW = unsafe { std::mem::zeroed() };
    let mut len = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: `info` has room for `len` bytes.
    let result = unsafe {
        getsockopt(
            socket.0,
            SOL_SOCKET,
            SO_PROTOCOL_INFOW,
            (&raw mut info).cast(),
            &mut len,
        )
    };
    assert_eq!(check(result), Ok(()));
    assert_eq!(info.iAddressFamily, AF_INET.into());
    assert_eq!(
        (info.iSocketType, info.iProtocol),
        (SOCK_STREAM, IPPROTO_TCP)
    );
    assert_eq!((info.iMaxSockAddr, info.iMinSockAddr), (16, 16));
    assert_ne!(info.dwServiceFlags1 & XP1_IFS_HANDLES, 0);
}
