//! Sockets as those of the standard library, and the other way.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::{datagrams, loopback, pair, take};
use wharf::{CompletionPort, Socket};

#[test]
fn a_stream_comes_in_and_works_with_a_port() {
    let listener = TcpListener::bind(loopback()).unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let socket = Socket::try_from(stream).unwrap();
    assert_eq!(socket.peer_addr().ok(), peer.local_addr().ok());
    assert!(socket.is_stream().unwrap());

    let port = CompletionPort::<[u8; 8]>::new(0).unwrap();
    let socket = port.associate(socket, 0).unwrap();
    socket
        .start_receive([0; 8].into(), |buffer| buffer)
        .unwrap();
    peer.write_all(b"hello").unwrap();
    let packet = take(&port);
    assert_eq!((packet.bytes, packet.result), (5, Ok(())));
    socket
        .start_send(packet.operation.unwrap(), |buffer| &buffer[..5])
        .unwrap();
    let mut answer = [0; 5];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn a_stream_goes_out_and_blocks_as_it_did() {
    const A_WHILE: Duration = Duration::from_millis(30);
    let (one, other) = pair();
    one.send(b"before").unwrap(); // stays in the connection
    let mut stream = TcpStream::try_from(other).unwrap();
    let mut data = [0; 6];
    stream.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"before");
    stream.set_read_timeout(Some(A_WHILE)).unwrap();
    let started = Instant::now();
    let kind = stream.read(&mut data).unwrap_err().kind();
    assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&kind));
    assert!(started.elapsed() >= A_WHILE / 2, "it does not block");

    stream.write_all(b"answer").unwrap();
    assert_eq!((one.recv_all(&mut data), &data), (Ok(6), b"answer"));
    drop(stream);
    assert_eq!(one.recv(&mut data), Ok(0));

    let (one, _other) = pair();
    one.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::try_from(one).unwrap();
    let started = Instant::now();
    let error = stream.read(&mut data).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(started.elapsed() < common::DEADLINE);
}

#[test]
fn there_and_back_is_the_same_connection() {
    let (one, mut other) = pair();
    let (local, peer) = (other.local_addr().unwrap(), other.peer_addr().unwrap());
    let mut data = [0; 1];
    for round in 0..5 {
        other = TcpStream::try_from(other).unwrap().try_into().unwrap();
        assert_eq!(
            (other.local_addr(), other.peer_addr()),
            (Ok(local), Ok(peer))
        );
        one.send(&[round]).unwrap();
        assert_eq!((other.recv(&mut data), data), (Ok(1), [round]));
        other.send(&[round]).unwrap();
        assert_eq!((one.recv(&mut data), data), (Ok(1), [round]));
    }
}

#[test]
fn going_out_ends_what_is_under_way() {
    let (one, other) = pair();
    let pending = other
        .receive_with_event([0; 8].into(), |buffer| buffer)
        .unwrap();
    let mut stream = TcpStream::try_from(other).unwrap();
    if !wharf_sys::owned::SHARES_OPERATIONS {
        assert!(pending.wait().result.is_err());
    } else {
        drop(pending); // it is the same handle, so it would go on
    }
    one.send(b"for the stream").unwrap();
    let mut data = [0; 14];
    stream.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"for the stream");
}

#[test]
fn listeners_and_datagram_sockets_go_both_ways() {
    let listener = Socket::try_from(TcpListener::bind(loopback()).unwrap()).unwrap();
    assert!(listener.is_listening().unwrap());
    let address = listener.local_addr().unwrap();
    let client = Socket::connect_to(address).unwrap();
    assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
    let listener = TcpListener::try_from(listener).unwrap();
    let client = Socket::connect_to(address).unwrap();
    assert_eq!(Ok(listener.accept().unwrap().1), client.local_addr());

    let (one, other, to) = datagrams();
    let one = UdpSocket::try_from(one).unwrap();
    one.send_to(b"out", to).unwrap();
    let mut buffer = [0; 8];
    let (length, from) = other.recv_from(&mut buffer).unwrap();
    assert_eq!(
        (&buffer[..length], Some(from)),
        (&b"out"[..], one.local_addr().ok())
    );
    let one = Socket::try_from(one).unwrap();
    other.send_to(b"in", from).unwrap();
    assert_eq!(one.recv_from(&mut buffer), Ok((2, to)));
    assert!(!one.is_stream().unwrap());
}
