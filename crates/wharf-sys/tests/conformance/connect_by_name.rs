//! WSAConnectByName: which argument is judged first, and what is told of the addresses.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

/// An address and its length, or null for either.
type Room = (*mut SOCKADDR, *mut u32);

const NOWHERE: Room = (null_mut(), null_mut());

fn connect(socket: Raw, port: &str, local: Room, remote: Room) -> Result<(), u32> {
    let port = format!("{port}\0");
    // SAFETY: the texts end with zeroes; the rooms are null or valid.
    check_bool(unsafe {
        WSAConnectByNameA(
            socket.0,
            c"127.0.0.1".as_ptr().cast(),
            port.as_ptr(),
            local.1,
            local.0,
            remote.1,
            remote.0,
            null(),
            null(),
        )
    })
}

/// Without both names the socket is not even looked at.
/// Source: WSAConnectByName, WSAEINVAL; validated on Windows.
#[test]
fn names_are_judged_first() {
    let _watch = watch();
    let (socket, gone) = (Socket::tcp(Family::V4), Raw(GARBAGE_HANDLE as SOCKET));
    for socket in [*socket, gone] {
        for (host, service) in [
            (null(), null()),
            (null(), c"80".as_ptr()),
            (c"127.0.0.1".as_ptr(), null()),
        ] {
            // SAFETY: the names are null or texts.
            let answer = unsafe {
                let (nowhere, unread) = (null_mut(), null_mut());
                let (host, service) = (host.cast(), service.cast());
                WSAConnectByNameA(
                    socket.0,
                    host,
                    service,
                    unread,
                    nowhere,
                    unread,
                    nowhere,
                    null(),
                    null(),
                )
            };
            assert_eq!(check_bool(answer), Err(WSAEINVAL as u32));
        }
    }
    assert_eq!(
        connect(gone, "80", NOWHERE, NOWHERE),
        Err(WSAENOTSOCK as u32)
    );
}

/// The addresses are told where there are lengths, which become those of the addresses; the local one has no port.
/// Source: WSAConnectByName, LocalAddress and RemoteAddress; validated on Windows.
#[test]
fn addresses_are_told() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let port = listener.address.port().to_string();
    let (mut local, mut remote) = (Address::room(), Address::room());
    let (mut local_len, mut remote_len) = (100, 100);
    let client = Socket::tcp(Family::V4);
    let rooms = [
        (local.as_mut_ptr(), &raw mut local_len),
        (remote.as_mut_ptr(), &raw mut remote_len),
    ];
    assert_eq!(connect(*client, &port, rooms[0], rooms[1]), Ok(()));
    assert_eq!((local_len, remote_len), (16, 16));
    assert_eq!(local.with_len(16).get(), Family::V4.loopback(0).get());
    assert_eq!(remote.with_len(16).get(), listener.address.get());

    let unmeasured = (local.as_mut_ptr(), null_mut());
    let client = Socket::tcp(Family::V4);
    assert_eq!(connect(*client, &port, unmeasured, unmeasured), Ok(()));
}

/// Room that is too small is refused before there is a connection, and so is a socket of datagrams.
/// Source: WSAConnectByName, WSAEFAULT; validated on Windows.
#[test]
fn room_must_do() {
    let _watch = watch();
    differs_under_wine("connects before it looks at the room", || {
        let listener = Listener::new(Family::V4);
        let port = listener.address.port().to_string();
        let client = Socket::tcp(Family::V4);
        let mut room = Address::room();
        let mut length = 15;
        let small = (room.as_mut_ptr(), &raw mut length);
        assert_eq!(
            connect(*client, &port, small, NOWHERE),
            Err(WSAEFAULT as u32)
        );
        assert_eq!(
            connect(*client, &port, NOWHERE, small),
            Err(WSAEFAULT as u32)
        );
        assert_eq!(length, 15);
        assert_eq!(connect(*client, &port, NOWHERE, NOWHERE), Ok(()));
        let datagrams = udp(Family::V4);
        assert_eq!(
            connect(*datagrams, &port, NOWHERE, NOWHERE),
            Err(WSAEFAULT as u32)
        );
    });
}
