//! Operations that others start on a socket of a port, where that is possible: on Windows a duplicate of a handle names
//! the same socket.

mod common;

use std::ptr::null_mut;
use std::time::Duration;

use common::{pair, take};
use wharf::{CompletionPort, Error};
use wharf_sys::owned::SHARES_OPERATIONS;
use wharf_sys::{OVERLAPPED, SOCKET, SOCKET_ERROR, WSABUF, WSARecv};

/// An operation of a library that knows nothing of ports.
struct Stranger {
    overlapped: OVERLAPPED,
    buffer: [u8; 4],
}

impl Stranger {
    /// Starts receiving. Never freed, so that the system has it for as long as it likes.
    fn receive(socket: SOCKET) -> *const Stranger {
        let stranger = Box::into_raw(Box::new(Stranger {
            // SAFETY: of integers and pointers; zero is a value of each.
            overlapped: unsafe { std::mem::zeroed() },
            buffer: [0; 4],
        }));
        // SAFETY: places in it.
        let (buffer, overlapped) =
            unsafe { (&raw mut (*stranger).buffer, &raw mut (*stranger).overlapped) };
        let buffer = WSABUF {
            len: 4,
            buf: buffer.cast(),
        };
        let mut flags = 0;
        // SAFETY: buffer and OVERLAPPED are never freed.
        let result =
            unsafe { WSARecv(socket, &buffer, 1, null_mut(), &mut flags, overlapped, None) };
        assert_eq!(result, SOCKET_ERROR); // pending
        stranger
    }
}

#[test]
fn packets_of_strangers_are_nobodys() {
    if !SHARES_OPERATIONS {
        return; // a descriptor that goes out, or comes in, is a socket without the operations of another
    }
    let port = CompletionPort::<[u8; 4]>::new(0).unwrap();
    let (peer, socket) = pair();
    // As a safe library would get it: lent, and duplicated.
    let duplicate = socket.try_clone().unwrap();
    let before = Stranger::receive(duplicate.as_raw());
    let socket = port.associate(socket, 7).unwrap();
    let after = Stranger::receive(duplicate.as_raw());

    socket
        .start_receive([0; 4].into(), |buffer| buffer)
        .unwrap();
    peer.send(b"111122223333").unwrap();
    let packet = take(&port);
    assert_eq!((packet.key, packet.bytes, packet.result), (7, 4, Ok(())));
    assert_eq!(packet.operation.as_deref(), Some(b"3333"));
    // SAFETY: both are over, since the one behind them is.
    let heard = unsafe { ((*before).buffer, (*after).buffer) };
    assert_eq!(heard, (*b"1111", *b"2222"));
    assert!(port.take(Some(Duration::ZERO)).unwrap().is_none());

    // Many at once: only ours are counted.
    for _ in 0..3 {
        Stranger::receive(duplicate.as_raw());
        socket
            .start_receive([0; 4].into(), |buffer| buffer)
            .unwrap();
    }
    drop(duplicate);
    socket.cancel().unwrap();
    let mut packets = Vec::new();
    while packets.len() < 3 {
        assert_ne!(port.take_many(&mut packets, Some(common::DEADLINE)), Ok(0));
    }
    assert_eq!(port.take_many(&mut packets, Some(Duration::ZERO)), Ok(0));
    for packet in packets {
        assert_eq!(packet.result, Err(Error::OPERATION_ABORTED));
        assert!(packet.operation.is_some());
    }
}
