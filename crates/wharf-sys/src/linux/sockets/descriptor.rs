//! Sockets and descriptors of Linux: out of a socket, and into one.
//!
//! A descriptor that goes out is a duplicate: it shares the connection, its position in the stream, and O_NONBLOCK, which
//! must stay set. One that comes in is asked what it is and in which state, and from then on belongs to the library.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::{Address, Family};
use super::datagram;
use super::option::{Kind, Options};
use super::socket::{
    FLAG_BOUND, FLAG_CONNECTED, FLAG_LENT, FLAG_NON_BLOCKING, FLAG_SHARED, Phase, Socket, State,
    call_status,
};
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::wait;

/// How long others may take to let go of a socket whose descriptor goes out for good.
const PATIENCE: Duration = Duration::from_millis(500);

impl Socket {
    /// A duplicate of its descriptor.
    ///
    /// # Errors
    /// `TOO_MANY_SOCKETS`.
    pub fn duplicate_descriptor(&self) -> Result<OwnedFd, Status> {
        self.set_flag(FLAG_SHARED, true);
        self.lend_descriptor();
        system::duplicate(self.fd()).map_err(call_status)
    }

    /// Others may have its descriptor from now on, and take O_NONBLOCK off: attempts that would block then ask first.
    pub fn lend_descriptor(&self) {
        self.set_flag(FLAG_LENT, true);
    }

    /// Gives a duplicate of its descriptor the socket's blocking mode, once its handles are closed and no other thread is in
    /// an attempt: the mode is shared. If another handle is open, or somebody holds the socket for longer, the duplicate stays
    /// non-blocking.
    pub fn restore_mode(self: Arc<Self>, duplicate: &OwnedFd) {
        if self.is_non_blocking() || !self.is_closed() {
            return;
        }
        let until = Instant::now() + PATIENCE;
        while Arc::strong_count(&self) > 1 {
            if Instant::now() >= until {
                return;
            }
            wait::sleep_until(Some(Instant::now() + Duration::from_micros(50)), false);
        }
        system::make_blocking(duplicate.as_raw_fd());
    }

    /// A socket around that descriptor, overlapped, in the blocking mode that the descriptor had.
    ///
    /// # Errors
    /// The descriptor comes back with `NOT_SOCKET`, `ADDRESS_FAMILY_UNSUPPORTED`, `PROTOCOL_UNSUPPORTED`, or `INVALID` if a
    /// connect is under way on it.
    pub fn from_descriptor(fd: OwnedFd) -> Result<Arc<Socket>, (Status, OwnedFd)> {
        let (family, kind, flags, state) = match look_at(&fd) {
            Ok(found) => found,
            Err(status) => return Err((status, fd)),
        };
        let bound_to = state.bound_to;
        let socket = Socket::with_state(fd, family, kind, true, flags, state);
        if let Some(address) = bound_to {
            socket.note_bound(&address);
        }
        Ok(socket)
    }
}

/// What it is, and in which state.
fn look_at(fd: &OwnedFd) -> Result<(Family, Kind, u32, State), Status> {
    const SYN_SENT: u8 = 2; // <linux/tcp_states.h>
    const SYN_RECEIVED: u8 = 3;
    let raw = fd.as_raw_fd();
    let ask = |name| system::get_int_option(raw, libc::SOL_SOCKET, name).map_err(call_status);
    let protocol = ask(libc::SO_PROTOCOL).map_err(|_| Status::NOT_SOCKET)?;
    let family =
        Family::from_linux(ask(libc::SO_DOMAIN)?).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
    let kind = match (ask(libc::SO_TYPE)?, protocol) {
        (libc::SOCK_STREAM, libc::IPPROTO_TCP) => Kind::Stream,
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP) => Kind::Datagram,
        _ => return Err(Status::PROTOCOL_UNSUPPORTED),
    };
    if kind == Kind::Stream && [SYN_SENT, SYN_RECEIVED].contains(&system::tcp_state(raw)) {
        return Err(Status::INVALID);
    }
    let listens = kind == Kind::Stream && ask(libc::SO_ACCEPTCONN)? != 0;
    let local = system::local_address(raw).filter(|address| address.port() != 0);
    let peer = system::peer_address(raw);
    let non_blocking = system::make_non_blocking(raw).map_err(call_status)?;
    let mut flags = FLAG_LENT; // there may be duplicates
    if non_blocking {
        flags |= FLAG_NON_BLOCKING;
    }
    if peer.is_some() {
        flags |= FLAG_CONNECTED;
    }
    if kind == Kind::Datagram {
        datagram::keep_icmp(raw, family);
        if local.is_some() {
            flags |= FLAG_BOUND;
        }
    }
    let state = State {
        phase: match peer {
            Some(_) => Phase::Connected,
            None if listens => Phase::Listening,
            None => Phase::Open,
        },
        bound: local.is_some(),
        bound_to: local.filter(|_| peer.is_none() || kind == Kind::Datagram),
        connected_since: peer.map(|_: Address| Instant::now()),
        peer,
        options: Options::of_descriptor(raw, family),
        ..State::default()
    };
    Ok((family, kind, flags, state))
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::ptr::null_mut;
    use std::time::Instant;

    use windows_sys::Win32::Networking::WinSock::{
        IP_MULTICAST_LOOP, IP_TTL, IPPROTO_IP, IPPROTO_TCP, SO_BROADCAST, SO_LINGER, SOCKET,
        SOL_SOCKET, TCP_NODELAY, WSADATA, WSAEAFNOSUPPORT, WSAEINVAL, WSAENOTCONN, WSAENOTSOCK,
        WSAEWOULDBLOCK,
    };

    use super::super::address::{Address, Family};
    use super::super::option::Kind;
    use super::super::socket::Socket;
    use super::PATIENCE;
    use crate::fd::{borrow_fd, from_fd, into_fd, to_fd};
    use crate::platform::objects::handle;
    use crate::platform::status::Status;
    use crate::*;

    fn start() {
        // SAFETY: the structure is valid for writes.
        assert_eq!(unsafe { WSAStartup(0x202, &mut WSADATA::default()) }, 0);
    }

    fn received(socket: SOCKET) -> Result<Vec<u8>, i32> {
        let mut buffer = [0; 16];
        // SAFETY: the buffer is valid for its length.
        match unsafe { recv(socket, buffer.as_mut_ptr(), buffer.len() as i32, 0) } {
            -1 => Err(unsafe_error()),
            length => Ok(buffer[..length as usize].to_vec()),
        }
    }

    fn unsafe_error() -> i32 {
        // SAFETY: takes nothing.
        unsafe { WSAGetLastError() }
    }

    fn duplicate(socket: SOCKET) -> Result<OwnedFd, i32> {
        // SAFETY: the handle is the test's, or none.
        unsafe { to_fd(socket) }
    }

    fn sent(socket: SOCKET, data: &[u8]) -> i32 {
        // SAFETY: the data is valid for its length.
        unsafe { send(socket, data.as_ptr(), data.len() as i32, 0) }
    }

    fn option(socket: SOCKET, level: i32, name: i32) -> u32 {
        let mut value = [0; 4];
        let mut length = 4;
        // SAFETY: both are valid.
        let got = unsafe { getsockopt(socket, level, name, value.as_mut_ptr(), &mut length) };
        assert_eq!(got, 0);
        u32::from_ne_bytes(value)
    }

    fn close(socket: SOCKET) {
        // SAFETY: takes no pointers.
        assert_eq!(unsafe { closesocket(socket) }, 0);
    }

    #[test]
    fn a_connection_of_the_standard_library_becomes_a_socket_and_a_descriptor_again() {
        start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let socket = from_fd(stream.into()).unwrap();
        assert_eq!(option(socket, IPPROTO_TCP, TCP_NODELAY), 1);
        peer.write_all(b"in").unwrap();
        assert_eq!(received(socket), Ok(b"in".to_vec())); // which waits, since the descriptor was blocking
        assert_eq!(sent(socket, b"out"), 3);
        let mut buffer = [0; 3];
        peer.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"out");

        let mut duplicate = TcpStream::from(duplicate(socket).unwrap());
        duplicate.write_all(b"dup").unwrap();
        peer.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"dup");
        close(socket);
        duplicate.write_all(b"yet").unwrap();
        peer.read_exact(&mut buffer).unwrap();
        assert_eq!(
            &buffer, b"yet",
            "the connection is open as long as the duplicate"
        );
        drop(duplicate);
        assert_eq!(peer.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn a_socket_goes_out_for_good_in_its_mode() {
        start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for non_blocking in [false, true] {
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(non_blocking).unwrap();
            let socket = from_fd(stream.into()).unwrap();
            // SAFETY: the handle is this test's.
            let mut stream = TcpStream::from(unsafe { into_fd(socket) }.unwrap());
            assert_eq!(duplicate(socket).err(), Some(WSAENOTSOCK), "it is closed");
            peer.write_all(b"on").unwrap();
            if !non_blocking {
                let mut buffer = [0; 2];
                stream.read_exact(&mut buffer).unwrap();
                assert_eq!(&buffer, b"on");
            }
            // SAFETY: no pointers.
            let flags = unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_GETFL) };
            assert_eq!(flags & libc::O_NONBLOCK != 0, non_blocking);
            drop(stream);
            let _ = peer.read(&mut [0; 1]); // the end, or a reset
        }
        // SAFETY: no handle.
        assert_eq!(unsafe { into_fd(0) }.err(), Some(WSAENOTSOCK));
    }

    /// As long as another handle is open the mode cannot be restored, and is not waited for.
    #[test]
    fn a_socket_with_another_handle_goes_out_at_once() {
        const ROUNDS: u32 = 4;
        start();
        let socket = from_fd(UdpSocket::bind("127.0.0.1:0").unwrap().into()).unwrap();
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            let other = handle::duplicate(socket as HANDLE).unwrap();
            // SAFETY: the handle is this test's.
            let out = unsafe { into_fd(other as SOCKET) }.unwrap();
            // SAFETY: no pointers.
            let flags = unsafe { libc::fcntl(out.as_raw_fd(), libc::F_GETFL) };
            assert_ne!(flags & libc::O_NONBLOCK, 0);
        }
        assert!(begun.elapsed() < (ROUNDS - 1) * PATIENCE);
        close(socket);
    }

    #[test]
    fn a_listener_accepts_and_keeps_its_mode() {
        start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let socket = from_fd(listener.into()).unwrap();
        // SAFETY: the addresses are left out.
        let accepted = || unsafe { accept(socket, null_mut(), null_mut()) };
        assert_eq!((accepted(), unsafe_error()), (SOCKET::MAX, WSAEWOULDBLOCK));
        let mut peer = TcpStream::connect(address).unwrap();
        let server = accepted();
        peer.write_all(b"x").unwrap();
        while received(server) == Err(WSAEWOULDBLOCK) {}
        close(server);
        close(socket);
    }

    /// Somebody else has made the descriptor of a listener block. Without a connection an accept does not.
    #[test]
    fn no_accept_blocks_where_others_made_the_descriptor_block() {
        start();
        for way in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            listener.set_nonblocking(true).unwrap();
            let before = listener.try_clone().unwrap();
            let socket = from_fd(listener.into()).unwrap();
            let other = match way {
                0 => before,
                1 => duplicate(socket).unwrap().into(),
                // SAFETY: the handle is open meanwhile.
                _ => unsafe { borrow_fd(socket) }
                    .try_clone_to_owned()
                    .unwrap()
                    .into(),
            };
            other.set_nonblocking(false).unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();
            let accepting = std::thread::spawn(move || {
                // SAFETY: the addresses are left out.
                let accepted = unsafe { accept(socket, null_mut(), null_mut()) };
                sender.send((accepted, unsafe_error())).unwrap();
            });
            let told = receiver.recv_timeout(std::time::Duration::from_secs(60));
            let peer = TcpStream::connect(address).unwrap(); // ends one that blocks
            accepting.join().unwrap();
            assert_eq!(told, Ok((SOCKET::MAX, WSAEWOULDBLOCK)));
            // SAFETY: as above.
            let server = unsafe { accept(socket, null_mut(), null_mut()) };
            assert_ne!(server, SOCKET::MAX, "there is a connection");
            close(server);
            close(socket);
            drop(peer);
        }
    }

    #[test]
    fn what_came_in_bound_obeys_the_rules_of_bind() {
        start();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = from_fd(listener.into()).unwrap();
        let bind_at = |ip: [u8; 4]| {
            let fresh = Socket::new(Family::V4, Kind::Stream, true).unwrap();
            let bound = fresh.bind(Address::from(SocketAddr::from((ip, port))));
            fresh.close();
            bound
        };
        assert_eq!(bind_at([0, 0, 0, 0]), Err(Status::ADDRESS_IN_USE));
        assert_eq!(bind_at([127, 0, 0, 1]), Ok(()), "the wildcard shares");
        close(socket);
        assert_eq!(bind_at([0, 0, 0, 0]), Ok(()));
    }

    #[test]
    fn a_listener_lives_as_long_as_its_duplicate() {
        start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = from_fd(listener.into()).unwrap();
        let duplicate = TcpListener::from(duplicate(socket).unwrap());
        close(socket);
        let _peer = TcpStream::connect(address).unwrap();
        while duplicate.accept().is_err() {} // it does not block
    }

    #[test]
    fn options_are_those_in_effect() {
        const NAMES: [(i32, i32); 3] = [
            (SOL_SOCKET, SO_BROADCAST),
            (IPPROTO_IP, IP_TTL),
            (IPPROTO_IP, IP_MULTICAST_LOOP),
        ];
        start();
        let others = UdpSocket::bind("127.0.0.1:0").unwrap();
        others.set_broadcast(true).unwrap();
        others.set_ttl(5).unwrap();
        let socket = from_fd(others.into()).unwrap();
        let values = NAMES.map(|(level, name)| option(socket, level, name) & 0xff);
        assert_eq!(values, [1, 5, 1]);
        close(socket);
    }

    #[test]
    fn fresh_and_bound_ones_are_what_they_were() {
        start();
        let bound = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = bound.local_addr().unwrap();
        let socket = from_fd(bound.into()).unwrap();
        UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .send_to(b"datagram", address)
            .unwrap();
        assert_eq!(received(socket), Ok(b"datagram".to_vec()));
        close(socket);

        let fresh = crate::platform::system::socket(libc::AF_INET6, libc::SOCK_STREAM, 0).unwrap();
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 7,
        };
        let raw = fresh.as_raw_fd();
        crate::platform::system::set_socket_option(raw, libc::SOL_SOCKET, libc::SO_LINGER, &linger)
            .unwrap();
        let socket = from_fd(fresh).unwrap();
        assert_eq!(
            (received(socket), option(socket, SOL_SOCKET, SO_LINGER)),
            (Err(WSAENOTCONN), 7 << 16 | 1)
        );
        close(socket);
    }

    #[test]
    fn other_descriptors_are_refused() {
        start();
        let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        assert_eq!(from_fd(file), Err(WSAENOTSOCK));
        let (local, _) = UnixStream::pair().unwrap();
        assert_eq!(from_fd(local.into()), Err(WSAEAFNOSUPPORT));
        assert_eq!(duplicate(0).err(), Some(WSAENOTSOCK));
        // One whose connect is under way: nobody answers when the backlog is full.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        crate::platform::system::listen(silent.as_raw_fd(), 0).unwrap();
        let address = Address::from(silent.local_addr().unwrap());
        let connecting: Vec<OwnedFd> = (0..4)
            .map(|_| {
                let fd =
                    crate::platform::system::socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
                let _ = crate::platform::system::connect(fd.as_raw_fd(), &address);
                fd
            })
            .collect();
        let last = connecting.into_iter().next_back().unwrap();
        assert_eq!(from_fd(last), Err(WSAEINVAL));
    }
}
