//! Sockets without operations: calls that block, addresses, options.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use common::{listener, loopback, pair, under_wine};
use wharf::{Error, Socket};

#[test]
fn std_streams_are_served() {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let (mut server, _) = listener.accept().unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).unwrap();
    server.write_all(&heard).unwrap();
    drop(server);
    assert_eq!(client.join().unwrap(), "hello");
}

#[test]
fn both_families_are_served() {
    let Ok(listener) = Socket::listen_at((Ipv6Addr::LOCALHOST, 0).into()) else {
        return; // a machine without IPv6
    };
    let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert!(peer.is_ipv6());
    assert_eq!(client.peer_addr(), server.local_addr());
    assert_eq!(server.peer_addr(), client.local_addr());
}

#[test]
fn datagrams_go_to_the_connected_peer() {
    let (one, other) = (
        Socket::datagram_for(loopback()).unwrap(),
        Socket::datagram_for(loopback()).unwrap(),
    );
    one.bind(loopback()).unwrap();
    other.bind(loopback()).unwrap();
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    one.send(b"a datagram").unwrap();
    let mut buffer = [0; 64];
    assert_eq!(other.recv(&mut buffer), Ok(10));
    one.send(b"a datagram").unwrap();
    assert_eq!(other.recv(&mut buffer[..4]), Err(Error::MESSAGE_SIZE));
}

#[test]
fn failures_have_windows_numbers() {
    let socket = Socket::stream_for(loopback()).unwrap();
    assert_eq!(socket.peer_addr(), Err(Error::NOT_CONNECTED));
    assert_eq!(socket.recv(&mut [0; 1]), Err(Error::NOT_CONNECTED));
    assert_eq!(socket.listen(1), Err(Error::INVALID)); // not bound
    socket.bind(loopback()).unwrap();
    let second = Socket::stream_for(loopback()).unwrap();
    let taken = socket.local_addr().unwrap();
    assert_eq!(second.bind(taken), Err(Error::ADDRESS_IN_USE));
    let nobody = Socket::connect_to(taken).map(drop);
    assert_eq!(nobody, Err(Error::CONNECTION_REFUSED));
}

#[test]
fn a_socket_that_does_not_block_says_so() {
    let listener = listener();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().map(drop), Err(Error::WOULD_BLOCK));
    let (one, _other) = pair();
    one.set_nonblocking(true).unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::WOULD_BLOCK));
    one.set_nonblocking(false).unwrap();
    one.set_receive_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::TIMED_OUT));
}

#[test]
fn data_can_be_looked_at_counted_and_scattered() {
    let (one, other) = pair();
    one.send(b"123456789").unwrap();
    let mut buffer = [0; 9];
    assert_eq!(other.peek(&mut buffer), Ok(9));
    assert_eq!(other.available(), Ok(9));
    let (mut first, mut rest) = ([0; 4], [0; 16]);
    let received = other.recv_vectored([&mut first[..], &mut rest]);
    assert_eq!(
        (received, &first, &rest[..5]),
        (Ok(9), b"1234", &b"56789"[..])
    );
    assert_eq!(other.recv_vectored([]), Err(Error::INVALID));
}

#[test]
fn each_direction_ends_by_itself() {
    let (one, other) = pair();
    one.shutdown(Shutdown::Write).unwrap();
    assert_eq!(one.send(b"x"), Err(Error::SHUT_DOWN));
    assert_eq!(other.recv(&mut [0; 1]), Ok(0));
    other.send(b"x").unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Ok(1));
    one.shutdown(Shutdown::Read).unwrap();
    assert_eq!(one.recv(&mut [0; 1]), Err(Error::SHUT_DOWN));
}

#[test]
fn options_read_back_what_was_set() {
    let (one, _other) = pair();
    for value in [true, false] {
        one.set_nodelay(value).unwrap();
        assert_eq!(one.nodelay(), Ok(value));
        one.set_keepalive(value).unwrap();
        assert_eq!(one.keepalive(), Ok(value));
        one.set_urgent_inline(value).unwrap();
        assert_eq!(one.urgent_inline(), Ok(value));
    }
    for time in [None, Some(Duration::ZERO), Some(Duration::from_secs(3))] {
        one.set_linger(time).unwrap();
        assert_eq!(one.linger(), Ok(time));
    }
    for time in [None, Some(Duration::from_millis(1500))] {
        one.set_receive_timeout(time).unwrap();
        one.set_send_timeout(time).unwrap();
        assert_eq!(
            (one.receive_timeout(), one.send_timeout()),
            (Ok(time), Ok(time))
        );
    }
    one.set_receive_buffer(65_536).unwrap();
    assert!(one.receive_buffer().unwrap() >= 65_536); // Windows: the same; Wine: what Linux makes of it
    assert!(one.connect_time().unwrap().is_some());
    assert_eq!(one.connect_error(), Ok(None));
    let datagrams = Socket::datagram_for(loopback()).unwrap();
    assert!(datagrams.set_nodelay(true).is_err()); // NO_PROTOCOL_OPTION; Wine has a number of its own
    datagrams.set_broadcast(true).unwrap();
    assert_eq!(datagrams.broadcast(), Ok(true));
}

#[test]
fn keep_alive_times_are_whole_seconds() {
    if under_wine() {
        return; // it has no such options
    }
    let (one, _other) = pair();
    one.set_keepalive_idle(Duration::from_millis(10_001))
        .unwrap();
    one.set_keepalive_interval(Duration::from_secs(2)).unwrap();
    one.set_keepalive_count(5).unwrap();
    assert_eq!(one.keepalive_idle(), Ok(Duration::from_secs(11)));
    assert_eq!(one.keepalive_interval(), Ok(Duration::from_secs(2)));
    assert_eq!(one.keepalive_count(), Ok(5));
}

#[test]
fn handles_go_out_and_in() {
    let (one, other) = pair();
    let raw = one.into_raw();
    // SAFETY: the handle of a socket that nobody else closes, without operations.
    let one = unsafe { Socket::from_raw(raw) };
    assert_eq!(one.as_raw(), raw);
    one.send(b"x").unwrap();
    assert_eq!(other.recv(&mut [0; 1]), Ok(1));
}
