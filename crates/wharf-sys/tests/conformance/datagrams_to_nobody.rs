//! Datagrams to addresses where nobody can be: port 0, and everybody without the right to send there.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

const KEY: usize = 0x8a;

/// A datagram to port 0 is sent as any other, and lost; the socket is bound by it.
/// Source: sendto; validated on Windows.
#[test]
fn port_of_zero_takes_every_datagram() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        for family in FAMILIES {
            let (socket, nobody) = (udp(family), family.loopback(0));
            assert_eq!(socket.local_address(), Err(WSAEINVAL));
            assert_eq!(socket.send_to(b"abc", &nobody), Ok(3));
            assert_ne!(socket.local_address().unwrap().port(), 0);
            assert_eq!(socket.send_to(b"", &nobody), Ok(0));
            let port = port_of(*socket, KEY);
            let request = Request::from_data(b"defgh");
            assert_eq!(socket.send_request_to(&request, &nobody), done(5));
            assert_eq!(next(&port), request.success(KEY, 5));
            let message = Message::to(b"ij", &nobody, &[]);
            assert_eq!(message.send(*socket), Ok(2));
            let peer = udp_bound(family);
            assert_eq!(socket.send_to(b"k", &address_of(*peer)), Ok(1));
            assert_eq!(peer.recv_some(9).unwrap(), b"k", "the socket goes on");
        }
    });
}

/// What would be refused at any other address is refused there too.
/// Source: sendto, WSAEMSGSIZE, WSAESHUTDOWN and WSAEOPNOTSUPP.
#[test]
fn port_of_zero_forgives_nothing() {
    let _watch = watch();
    let (socket, nobody) = (udp(Family::V4), Family::V4.loopback(0));
    not_under_wine("judges the port first", || {
        let long = vec![0; 65_508];
        assert_eq!(socket.send_to(&long, &nobody), Err(WSAEMSGSIZE));
        let flagged = socket.send_to_flags(b"x", MSG_OOB, &nobody);
        assert_eq!(flagged, Err(WSAEOPNOTSUPP));
        let short = nobody.with_len(15);
        assert_eq!(socket.send_to(b"x", &short), Err(WSAEFAULT));
    });
    assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
    assert_eq!(socket.shutdown(SD_SEND), Ok(()));
    assert_eq!(socket.send_to(b"x", &nobody), Err(WSAESHUTDOWN));
}

/// A socket may be connected to port 0.
/// Source: connect on a connectionless socket; validated on Windows.
#[test]
fn port_of_zero_may_be_the_peer() {
    let _watch = watch();
    differs_under_wine("forgets the peer", || {
        for family in FAMILIES {
            let (socket, nobody) = (udp(family), family.loopback(0));
            assert_eq!(socket.connect(&nobody), Ok(()));
            assert_eq!(socket.peer_address(), Ok(nobody.get()));
            assert_ne!(socket.local_address().unwrap().port(), 0);
            let peer = udp_bound(family);
            assert_eq!(socket.connect(&address_of(*peer)), Ok(()));
            assert_eq!(socket.send(b"x"), Ok(1));
            assert_eq!(peer.recv_some(9).unwrap(), b"x");
        }
    });
}

/// To be connected to everybody takes no SO_BROADCAST, and sends to the peer then go there; to name everybody with the send does.
/// Source: connect on a connectionless socket; sendto, WSAEACCES; validated on Windows.
#[test]
fn everybody_may_be_the_peer() {
    let _watch = watch();
    differs_under_wine("answers WSAEACCES", || {
        let (sender, receiver) = (udp(Family::V4), udp(Family::V4));
        receiver.bind(&Family::V4.any(0)).unwrap();
        let port = address_of(*receiver).port();
        let all: Address = std::net::SocketAddr::from(([127, 255, 255, 255], port)).into();
        assert_eq!(sender.connect(&all), Ok(()));
        assert_eq!(sender.peer_address(), Ok(all.get()));
        assert_eq!(sender.option(SOL_SOCKET, SO_BROADCAST), Ok(0));
        assert_eq!(sender.send(b"to all"), Ok(6));
        assert_eq!(receiver.recv_some(9).unwrap(), b"to all");
        let stranger = udp(Family::V4);
        assert_eq!(stranger.send_to(b"x", &all), Err(WSAEACCES));
        assert_eq!(sender.send_to(b"y", &all), Err(WSAEACCES));
        assert_eq!(sender.send(b"still"), Ok(5));
        assert_eq!(receiver.recv_some(9).unwrap(), b"still");
    });
}
