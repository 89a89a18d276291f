//! Raw sockets: who may have one, and packets as they are.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A raw socket, if this process has the right to one.
fn raw(family: Family, protocol: i32) -> Option<Socket> {
    match Socket::open(family.number(), SOCK_RAW, protocol) {
        Ok(socket) => Some(socket),
        Err(error) => {
            assert_eq!(error, WSAEACCES);
            println!("no right to raw sockets");
            None
        }
    }
}

/// An ICMP or ICMPv6 message of that type, with its checksum for IPv4. (That of IPv6 is the system's.)
fn message(kind: u8, id: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(id.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(data);
    let sum = checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The checksum of the Internet protocols.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_6: u8 = 128;
const ECHO_REPLY_6: u8 = 129;

/// A number that tells this message from those of other tests.
fn id() -> u16 {
    (current_thread_id() ^ 0x5a5a) as u16
}

/// A raw socket needs a protocol.
/// Source: socket, WSAEPROTONOSUPPORT and WSAEACCES.
#[test]
fn protocol_must_be_named() {
    let _watch = watch();
    let answer = Socket::open(AF_INET.into(), SOCK_RAW, 0);
    assert_eq!(answer.err(), Some(WSAEPROTONOSUPPORT));
    let answer = Socket::open(AF_INET.into(), SOCK_RAW, 256);
    assert_eq!(answer.err(), Some(WSAEPROTONOSUPPORT));
}

/// An echo request is answered; what is received begins with the header of IPv4.
/// Source: "TCP/IP Raw Sockets" ("the IP header is included in the delivered data").
#[test]
fn received_packet_has_its_ipv4_header() {
    let _watch = watch();
    let Some(socket) = raw(Family::V4, IPPROTO_ICMP) else {
        return;
    };
    assert_eq!(socket.option(SOL_SOCKET, SO_TYPE), Ok(SOCK_RAW));
    assert_eq!(socket.connect(&Family::V4.loopback(0)), Ok(()));
    let request = message(ECHO_REQUEST, id(), b"wharf");
    assert_eq!(socket.send(&request), Ok(request.len()));
    let packet = reply_to(&socket, ECHO_REPLY, 20);
    assert_eq!(packet[0], 0x45, "version and length of the header");
    assert_eq!(packet[9], IPPROTO_ICMP as u8);
    assert_eq!(packet[12..20], [127, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(&packet[28..], b"wharf");
}

/// The next packet that carries the answer to this test's request, behind a header of `header` bytes.
fn reply_to(socket: &Socket, kind: u8, header: usize) -> Vec<u8> {
    loop {
        let packet = socket.recv_some(2000).expect("a packet");
        let is_reply = packet[header] == kind;
        if is_reply && packet[header + 4..header + 6] == id().to_be_bytes() {
            return packet;
        }
    }
}

/// Over IPv6 the header is not part of what is received, and the checksum of ICMPv6 is the system's.
/// Source: "TCP/IP Raw Sockets".
#[test]
fn received_packet_has_no_ipv6_header() {
    let _watch = watch();
    not_under_wine("may lack ICMPv6", || {
        let Some(socket) = raw(Family::V6, IPPROTO_ICMPV6) else {
            return;
        };
        assert_eq!(socket.connect(&Family::V6.loopback(0)), Ok(()));
        let request = message(ECHO_REQUEST_6, id(), b"wharf");
        assert_eq!(socket.send(&request), Ok(request.len()));
        let packet = reply_to(&socket, ECHO_REPLY_6, 0);
        assert_eq!(&packet[8..], b"wharf");
    });
}

/// With IP_HDRINCL the program writes the header.
/// Source: IP_HDRINCL; "TCP/IP Raw Sockets".
#[test]
fn program_writes_the_header() {
    let _watch = watch();
    let Some(socket) = raw(Family::V4, IPPROTO_ICMP) else {
        return;
    };
    assert_eq!(socket.option(IPPROTO_IP, IP_HDRINCL), Ok(0));
    assert_eq!(socket.set_option(IPPROTO_IP, IP_HDRINCL, 1), Ok(()));
    assert_eq!(socket.option(IPPROTO_IP, IP_HDRINCL), Ok(1));
    assert_eq!(socket.connect(&Family::V4.loopback(0)), Ok(()));
    let request = message(ECHO_REQUEST, id(), b"by hand");
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, IPPROTO_ICMP as u8, 0, 0];
    packet.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    packet.extend(&request);
    let len = packet.len() as u16;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(socket.send(&packet), Ok(packet.len()));
    let reply = reply_to(&socket, ECHO_REPLY, 20);
    assert_eq!(&reply[28..], b"by hand");
}

/// There are no ports: whatever `bind` was given, the name has none.
/// Source: "TCP/IP Raw Sockets"; getsockname.
#[test]
fn name_of_a_raw_socket_has_no_port() {
    let _watch = watch();
    not_under_wine("tells the protocol", || {
        for (family, protocol) in [(Family::V4, IPPROTO_ICMP), (Family::V6, IPPROTO_ICMPV6)] {
            let Some(socket) = raw(family, protocol) else {
                return;
            };
            assert_eq!(socket.local_address(), Err(WSAEINVAL));
            assert_eq!(socket.bind(&family.loopback(7)), Ok(()));
            assert_eq!(socket.local_address(), Ok(family.loopback(0).get()));
        }
    });
}

/// IPV6_HDRINCL is read back.
/// Source: IPV6_HDRINCL.
#[test]
fn header_of_ipv6_is_read_back() {
    let _watch = watch();
    not_under_wine("does not know it", || {
        let Some(socket) = raw(Family::V6, IPPROTO_UDP) else {
            return;
        };
        for value in [1, 0] {
            let set = socket.set_option(IPPROTO_IPV6, IPV6_HDRINCL, value);
            assert_eq!(set, Ok(()));
            assert_eq!(socket.option(IPPROTO_IPV6, IPV6_HDRINCL), Ok(value));
        }
    });
}

/// Where the checksum of a packet stands can be told, to raw sockets of IPv6 alone; at first it is nowhere.
/// Source: IPV6_CHECKSUM (default -1, which is off).
#[test]
fn place_of_the_checksum_is_read_back() {
    let _watch = watch();
    not_under_wine("does not know it", || {
        let stream = Socket::tcp(Family::V6);
        assert_eq!(stream.option(IPPROTO_IPV6, IPV6_CHECKSUM), Err(WSAEINVAL));
        let Some(socket) = raw(Family::V6, 253) else {
            return;
        };
        assert_eq!(socket.option(IPPROTO_IPV6, IPV6_CHECKSUM), Ok(-1));
        for value in [2, -1] {
            let set = socket.set_option(IPPROTO_IPV6, IPV6_CHECKSUM, value);
            assert_eq!(set, Ok(()));
            assert_eq!(socket.option(IPPROTO_IPV6, IPV6_CHECKSUM), Ok(value));
        }
    });
}

/// IPPROTO_RAW is a protocol like another: IP_HDRINCL is off until it is set.
/// Source: IP_HDRINCL (default FALSE); "TCP/IP Raw Sockets".
#[test]
fn header_of_ipproto_raw_is_a_choice() {
    let _watch = watch();
    not_under_wine("has Linux' choice", || {
        let Some(socket) = raw(Family::V4, IPPROTO_RAW) else {
            return;
        };
        assert_eq!(socket.option(IPPROTO_IP, IP_HDRINCL), Ok(0));
        let Some(receiver) = raw(Family::V4, 253) else {
            return;
        };
        assert_eq!(receiver.bind(&Family::V4.loopback(0)), Ok(()));
        assert_eq!(socket.set_option(IPPROTO_IP, IP_HDRINCL, 1), Ok(()));
        assert_eq!(socket.connect(&Family::V4.loopback(0)), Ok(()));
        let mut packet = vec![0x45, 0, 0, 24, 0, 0, 0, 0, 9, 253, 0, 0];
        packet.extend([127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(b"bare");
        assert_eq!(socket.send(&packet), Ok(24));
        let received = receiver.recv_some(100).unwrap();
        assert_eq!((received[8], received[9]), (9, 253), "TTL and protocol");
        assert_eq!(&received[20..], b"bare");
    });
}

/// A packet that is longer than the buffer is cut, with WSAEMSGSIZE; an overlapped receive takes packets too.
/// Source: recv, WSAEMSGSIZE; WSARecv.
#[test]
fn packets_are_messages() {
    let _watch = watch();
    not_under_wine("may lack the protocol", || {
        let Some(receiver) = raw(Family::V4, 253) else {
            return;
        };
        assert_eq!(receiver.recv(&mut [0; 40]), Err(WSAEINVAL), "not bound");
        assert_eq!(receiver.bind(&at_loopback(9)), Ok(()));
        let sender = raw(Family::V4, 253).unwrap();
        assert_eq!(sender.connect(&at_loopback(9)), Ok(()));
        sender.send_all(b"0123456789");
        assert_eq!(receiver.recv(&mut [0; 25]), Err(WSAEMSGSIZE));
        let port = Port::new(0);
        port.associate(receiver.handle(), 7);
        let request = Request::new(100);
        assert_eq!(receiver.receive(&request), PENDING);
        sender.send_all(b"packet");
        assert_eq!(next(&port), request.success(7, 26));
        assert_eq!(&request.received()[20..], b"packet");
    });
}

/// An address of the loopback that no other test uses for packets.
fn at_loopback(last: u8) -> Address {
    std::net::SocketAddr::from(([127, 0, 9, last], 0)).into()
}

/// A stream or datagram socket has no header of its own to include.
/// Source: IP_HDRINCL, WSAEINVAL; validated on Windows.
#[test]
fn only_raw_sockets_include_headers() {
    let _watch = watch();
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let socket = Socket::open(AF_INET.into(), kind, 0).unwrap();
        assert_eq!(socket.option(IPPROTO_IP, IP_HDRINCL), Err(WSAEINVAL));
        assert_eq!(socket.set_option(IPPROTO_IP, IP_HDRINCL, 1), Err(WSAEINVAL));
    }
}
