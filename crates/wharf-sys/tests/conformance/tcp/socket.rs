//! Sockets, listeners and pairs: the calls without an OVERLAPPED.

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::ops::Deref;
use std::ptr;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A SOCKET value with the functions as methods. It may be stale or foreign: that is what some tests are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw(pub SOCKET);

impl Raw {
    /// The same value as the functions for files take it.
    pub fn handle(self) -> HANDLE {
        self.0 as HANDLE
    }

    pub fn bind(self, address: &Address) -> Result<(), WSA_ERROR> {
        // SAFETY: `address` is valid for reads of its whole storage, which is at least `len` bytes.
        check(unsafe { bind(self.0, address.as_ptr(), address.len) })
    }

    pub fn listen(self, backlog: i32) -> Result<(), WSA_ERROR> {
        // SAFETY: takes no pointers.
        check(unsafe { listen(self.0, backlog) })
    }

    pub fn accept(self) -> Result<Socket, WSA_ERROR> {
        // SAFETY: both pointers may be null.
        socket_from(unsafe { accept(self.0, ptr::null_mut(), ptr::null_mut()) })
    }

    pub fn accept_from(self) -> Result<(Socket, Address), WSA_ERROR> {
        let mut address = Address::room();
        let mut len = address.len;
        // SAFETY: `address` has room for `len` bytes.
        let accepted = unsafe { accept(self.0, address.as_mut_ptr(), &mut len) };
        Ok((socket_from(accepted)?, address.with_len(len)))
    }

    pub fn connect(self, address: &Address) -> Result<(), WSA_ERROR> {
        // SAFETY: `address` is valid for reads of its whole storage, which is at least `len` bytes.
        check(unsafe { connect(self.0, address.as_ptr(), address.len) })
    }

    pub fn send(self, data: &[u8]) -> Result<usize, WSA_ERROR> {
        self.send_flags(data, 0)
    }

    pub fn send_flags(self, data: &[u8], flags: i32) -> Result<usize, WSA_ERROR> {
        // SAFETY: `data` is valid for reads of its length.
        check_count(unsafe { send(self.0, data.as_ptr(), data.len() as i32, flags) })
    }

    /// `send` until all of it is on its way; for sockets in blocking mode.
    pub fn send_all(self, data: &[u8]) {
        assert_eq!(self.send(data), Ok(data.len()));
    }

    pub fn recv(self, buffer: &mut [u8]) -> Result<usize, WSA_ERROR> {
        self.recv_flags(buffer, 0)
    }

    pub fn recv_flags(self, buffer: &mut [u8], flags: i32) -> Result<usize, WSA_ERROR> {
        // SAFETY: `buffer` is valid for writes of its length.
        check_count(unsafe { recv(self.0, buffer.as_mut_ptr(), buffer.len() as i32, flags) })
    }

    /// One `recv` of up to `max` bytes.
    pub fn recv_some(self, max: usize) -> Result<Vec<u8>, WSA_ERROR> {
        let mut buffer = vec![0; max];
        let len = self.recv(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// `recv` until there are `len` bytes; for sockets in blocking mode.
    pub fn recv_exact(self, len: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(len);
        while all.len() < len {
            let some = self.recv_some(len - all.len()).expect("recv");
            assert!(
                !some.is_empty(),
                "the stream ended after {} of {len} bytes",
                all.len()
            );
            all.extend(some);
        }
        all
    }

    pub fn shutdown(self, how: WINSOCK_SHUTDOWN_HOW) -> Result<(), WSA_ERROR> {
        // SAFETY: takes no pointers.
        check(unsafe { shutdown(self.0, how) })
    }

    pub fn close(self) -> Result<(), WSA_ERROR> {
        // SAFETY: takes no pointers.
        check(unsafe { closesocket(self.0) })
    }

    pub fn ioctl(self, command: i32, mut argument: u32) -> Result<u32, WSA_ERROR> {
        // SAFETY: `argument` is valid for reads and writes.
        check(unsafe { ioctlsocket(self.0, command, &mut argument) })?;
        Ok(argument)
    }

    pub fn set_non_blocking(self, non_blocking: bool) {
        self.ioctl(FIONBIO, non_blocking.into()).expect("FIONBIO");
    }

    /// FIONREAD.
    pub fn unread(self) -> Result<u32, WSA_ERROR> {
        self.ioctl(FIONREAD, 0)
    }

    /// Waits until `len` bytes can be read, without taking them.
    pub fn until_unread(self, len: u32) {
        until(&format!("{len} unread bytes"), || self.unread() == Ok(len));
    }

    /// Waits until a receive would answer at once: data, the end or a reset has arrived.
    pub fn until_readable(self) {
        let no_wait = TIMEVAL {
            tv_sec: 0,
            tv_usec: 0,
        };
        until("the socket is readable", || {
            let mut set = FD_SET {
                fd_count: 1,
                ..FD_SET::default()
            };
            set.fd_array[0] = self.0;
            // SAFETY: the set and the time-out live through the call.
            let ready = unsafe { select(0, &mut set, ptr::null_mut(), ptr::null_mut(), &no_wait) };
            ready == 1
        });
    }

    pub fn local_address(self) -> Result<SocketAddr, WSA_ERROR> {
        let mut address = Address::room();
        let mut len = address.len;
        // SAFETY: `address` has room for `len` bytes.
        check(unsafe { getsockname(self.0, address.as_mut_ptr(), &mut len) })?;
        Ok(address.with_len(len).get())
    }

    pub fn peer_address(self) -> Result<SocketAddr, WSA_ERROR> {
        let mut address = Address::room();
        let mut len = address.len;
        // SAFETY: `address` has room for `len` bytes.
        check(unsafe { getpeername(self.0, address.as_mut_ptr(), &mut len) })?;
        Ok(address.with_len(len).get())
    }

    pub fn set_option_bytes(self, level: i32, option: i32, value: &[u8]) -> Result<(), WSA_ERROR> {
        let len = value.len() as i32;
        // SAFETY: `value` is valid for reads of its length.
        check(unsafe { setsockopt(self.0, level, option, value.as_ptr(), len) })
    }

    pub fn set_option(self, level: i32, option: i32, value: i32) -> Result<(), WSA_ERROR> {
        self.set_option_bytes(level, option, &value.to_ne_bytes())
    }

    /// Fills `value` and returns the length the function reports.
    pub fn option_bytes(self, level: i32, option: i32, value: &mut [u8]) -> Result<i32, WSA_ERROR> {
        let mut len = value.len() as i32;
        // SAFETY: `value` is valid for writes of `len` bytes.
        check(unsafe { getsockopt(self.0, level, option, value.as_mut_ptr(), &mut len) })?;
        Ok(len)
    }

    /// An option of up to four bytes, the missing ones read as zero.
    pub fn option(self, level: i32, option: i32) -> Result<i32, WSA_ERROR> {
        let mut value = [0; 4];
        self.option_bytes(level, option, &mut value)?;
        Ok(i32::from_ne_bytes(value))
    }

    /// Whether SO_CONNECT_TIME tells of a connection, for however many seconds.
    pub fn has_connect_time(self) -> bool {
        matches!(self.option(SOL_SOCKET, SO_CONNECT_TIME), Ok(0..))
    }

    pub fn set_linger(self, on: bool, seconds: u16) {
        let [on, seconds] = [u16::from(on).to_ne_bytes(), seconds.to_ne_bytes()];
        let value = [on[0], on[1], seconds[0], seconds[1]];
        self.set_option_bytes(SOL_SOCKET, SO_LINGER, &value)
            .expect("SO_LINGER");
    }

    /// SO_UPDATE_ACCEPT_CONTEXT.
    pub fn update_accept_context(self, listener: Raw) -> Result<(), WSA_ERROR> {
        self.set_option_bytes(
            SOL_SOCKET,
            SO_UPDATE_ACCEPT_CONTEXT,
            &listener.0.to_ne_bytes(),
        )
    }

    /// SO_UPDATE_CONNECT_CONTEXT.
    pub fn update_connect_context(self) -> Result<(), WSA_ERROR> {
        // SAFETY: this option takes no value: null and 0 are what it wants.
        check(unsafe {
            setsockopt(
                self.0,
                SOL_SOCKET,
                SO_UPDATE_CONNECT_CONTEXT,
                ptr::null(),
                0,
            )
        })
    }
}

/// A socket that closes itself.
#[derive(Debug)]
pub struct Socket(Raw);

impl Socket {
    /// `socket`.
    pub fn open(family: i32, kind: i32, protocol: i32) -> Result<Self, WSA_ERROR> {
        startup();
        // SAFETY: takes no pointers.
        socket_from(unsafe { socket(family, kind, protocol) })
    }

    /// `WSASocketW` without protocol information.
    pub fn open_flags(
        family: i32,
        kind: i32,
        protocol: i32,
        flags: u32,
    ) -> Result<Self, WSA_ERROR> {
        startup();
        // SAFETY: the protocol information may be null.
        socket_from(unsafe { WSASocketW(family, kind, protocol, ptr::null(), 0, flags) })
    }

    /// An overlapped TCP socket.
    pub fn tcp(family: Family) -> Self {
        Self::open(family.number(), SOCK_STREAM, IPPROTO_TCP).expect("a TCP socket")
    }

    /// A TCP socket without the overlapped attribute.
    pub fn tcp_synchronous(family: Family) -> Self {
        Self::open_flags(family.number(), SOCK_STREAM, IPPROTO_TCP, 0).expect("a TCP socket")
    }

    /// A TCP socket bound to the loopback and a port of its own.
    pub fn bound(family: Family) -> Self {
        let socket = Self::tcp(family);
        socket.bind(&family.loopback(0)).expect("bind");
        socket
    }

    /// Takes over a handle.
    pub fn from_raw(raw: Raw) -> Self {
        Self(raw)
    }

    /// Gives up the handle.
    pub fn into_raw(self) -> Raw {
        ManuallyDrop::new(self).0
    }

    /// Closes it; the handle is gone even if this fails.
    pub fn close(self) -> Result<(), WSA_ERROR> {
        self.into_raw().close()
    }

    /// Closes it so that the peer sees a reset.
    pub fn reset(self) {
        self.set_linger(true, 0);
        self.close().expect("closesocket");
    }

    /// A handle value that was a socket until just now. Windows uses it again for the next object, so
    /// tests that need it stale run [`in_own_process`] and open nothing after this.
    pub fn stale() -> Raw {
        let raw = Self::tcp(Family::V4).into_raw();
        raw.close().expect("closesocket");
        raw
    }
}

impl Deref for Socket {
    type Target = Raw;

    fn deref(&self) -> &Raw {
        &self.0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Nothing to do about a failure: some tests close the handle under the owner on purpose.
        let _ = self.0.close();
    }
}

fn socket_from(value: SOCKET) -> Result<Socket, WSA_ERROR> {
    if value == INVALID_SOCKET {
        return Err(wsa_error());
    }
    Ok(Socket(Raw(value)))
}

/// A listening socket on the loopback.
pub struct Listener {
    /// The socket.
    pub socket: Socket,
    /// Where it listens.
    pub address: Address,
    /// Its family.
    pub family: Family,
}

impl Listener {
    /// Listens on a port of its own.
    pub fn new(family: Family) -> Self {
        Self::from_socket(Socket::tcp(family), family)
    }

    /// Makes `socket` listen on a port of its own.
    pub fn from_socket(socket: Socket, family: Family) -> Self {
        socket.bind(&family.loopback(0)).expect("bind");
        socket.listen(BACKLOG_MAX).expect("listen");
        let address = socket.local_address().expect("getsockname").into();
        Self {
            socket,
            address,
            family,
        }
    }

    /// A new client, connected: it waits in the backlog.
    pub fn client(&self) -> Socket {
        let client = Socket::tcp(self.family);
        client.connect(&self.address).expect("connect");
        client
    }

    /// A new client and the accepted end.
    pub fn pair(&self) -> Pair {
        let client = self.client();
        let server = self.socket.accept().expect("accept");
        Pair { client, server }
    }
}

impl Deref for Listener {
    type Target = Raw;

    fn deref(&self) -> &Raw {
        &self.socket
    }
}

/// An address on which nobody listens: bound by the returned socket, so that nobody else takes it.
pub fn refusing_address(family: Family) -> (Socket, Address) {
    let socket = Socket::bound(family);
    let address = socket.local_address().expect("getsockname").into();
    (socket, address)
}

/// Two connected sockets. The tests look at `server`; `client` is the peer.
pub struct Pair {
    /// The end that called connect.
    pub client: Socket,
    /// The end that accept returned.
    pub server: Socket,
}

/// A connection over the loopback.
pub fn connected_pair(family: Family) -> Pair {
    Listener::new(family).pair()
}
