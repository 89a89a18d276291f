//! TCP over the loopback, in the words of the tests: sockets, connected pairs, requests and packets.
//!
//! A wrapper calls one Windows function and turns its answer into a `Result` whose error is the last
//! error; it hides pointers and lengths, never behaviour. Tests that need an odd pointer or a raw
//! out-parameter call the function themselves.
//!
//! A [`Request`] owns its OVERLAPPED and its buffer. It gives the memory back only when nothing pends in
//! it: a test that fails half-way leaks it instead of pulling it away from under the library.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wharf_sys::*;

use crate::harness::*;

/// How long a test watches that something does *not* happen.
pub const QUIET_MS: u32 = 30;

/// A linger time in seconds that no test waits for: whatever must not linger is done within [`DEADLINE`].
pub const LONG_LINGER: u16 = 10 * DEADLINE.as_secs() as u16;

/// Windows' `SOMAXCONN`: as long a backlog as the provider allows.
pub const BACKLOG_MAX: i32 = i32::MAX;

/// What an AcceptEx address area needs: the largest socket address and 16 bytes.
pub const ADDRESS_AREA: u32 = size_of::<SOCKADDR_IN6>() as u32 + 16;

/// The thread's last error, as winsock's constants are typed.
pub fn wsa_error() -> WSA_ERROR {
    // SAFETY: takes nothing and reads the calling thread's slot.
    unsafe { WSAGetLastError() }
}

/// Starts winsock once for the whole test process.
pub fn startup() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| start_version(0x0202).unwrap());
}

/// One WSAStartup.
pub fn start_version(version: u16) -> Result<(), WSA_ERROR> {
    // SAFETY: an all-zero WSADATA is a valid value of that plain structure.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    // SAFETY: `data` is valid for writes.
    match unsafe { WSAStartup(version, &mut data) } {
        0 => Ok(()),
        error => Err(error),
    }
}

/// 0 or SOCKET_ERROR as a result.
pub fn check(answer: i32) -> Result<(), WSA_ERROR> {
    check_count(answer).map(|zero| assert_eq!(zero, 0))
}

/// A count or SOCKET_ERROR as a result.
pub fn check_count(answer: i32) -> Result<usize, WSA_ERROR> {
    if answer == SOCKET_ERROR {
        return Err(wsa_error());
    }
    Ok(usize::try_from(answer).expect("a winsock function returned a negative count"))
}

/// TRUE or FALSE as a result; the error is a Win32 code.
pub fn check_bool(answer: BOOL) -> Result<(), u32> {
    if answer == FALSE {
        return Err(last_error());
    }
    Ok(())
}

// --- Addresses -------------------------------------------------------------------------------------

/// The two families every TCP rule holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// AF_INET.
    V4,
    /// AF_INET6.
    V6,
}

/// Both families, for tests that walk them.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// An address as text, with its port and whoever's it is.
pub fn address(text: &str) -> Address {
    text.parse::<SocketAddr>().expect("an address").into()
}

impl Family {
    /// The `AF_` constant.
    pub fn number(self) -> i32 {
        match self {
            Self::V4 => AF_INET.into(),
            Self::V6 => AF_INET6.into(),
        }
    }

    /// 127.0.0.1 or ::1 with that port.
    pub fn loopback(self, port: u16) -> Address {
        match self {
            Self::V4 => SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(),
            Self::V6 => SocketAddr::from((Ipv6Addr::LOCALHOST, port)).into(),
        }
    }

    /// 0.0.0.0 or :: with that port.
    pub fn any(self, port: u16) -> Address {
        match self {
            Self::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into(),
            Self::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into(),
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// A socket address as the functions take it: memory and a length.
#[derive(Clone, Copy)]
pub struct Address {
    /// Room for either family.
    pub storage: SOCKADDR_STORAGE,
    /// How much of it counts.
    pub len: i32,
}

impl Address {
    /// Zeroed memory, all of it offered.
    pub fn room() -> Self {
        // SAFETY: an all-zero SOCKADDR_STORAGE is a valid value of that plain structure.
        let storage = unsafe { mem::zeroed() };
        Self {
            storage,
            len: size_of::<SOCKADDR_STORAGE>() as i32,
        }
    }

    /// For functions that read an address.
    pub fn as_ptr(&self) -> *const SOCKADDR {
        (&raw const self.storage).cast()
    }

    /// For functions that write one.
    pub fn as_mut_ptr(&mut self) -> *mut SOCKADDR {
        (&raw mut self.storage).cast()
    }

    /// The same address, cut or stretched to `len` bytes.
    pub fn with_len(mut self, len: i32) -> Self {
        self.len = len;
        self
    }

    /// The same address under another family number.
    pub fn with_family(mut self, family: u16) -> Self {
        self.storage.ss_family = family;
        self
    }

    /// The port, in host order.
    pub fn port(&self) -> u16 {
        self.get().port()
    }

    /// The address in Rust's form; the length must be the family's own.
    pub fn get(&self) -> SocketAddr {
        match self.storage.ss_family {
            AF_INET => {
                assert_eq!(self.len as usize, size_of::<SOCKADDR_IN>());
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let v4 = unsafe { &*self.as_ptr().cast::<SOCKADDR_IN>() };
                // SAFETY: all members of the union are 32 bits of plain data.
                let bits = unsafe { v4.sin_addr.S_un.S_addr };
                SocketAddr::from((bits.to_ne_bytes(), u16::from_be(v4.sin_port)))
            }
            AF_INET6 => {
                assert_eq!(self.len as usize, size_of::<SOCKADDR_IN6>());
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let v6 = unsafe { &*self.as_ptr().cast::<SOCKADDR_IN6>() };
                // SAFETY: all members of the union are 16 bytes of plain data.
                let bytes = unsafe { v6.sin6_addr.u.Byte };
                SocketAddr::from((bytes, u16::from_be(v6.sin6_port)))
            }
            family => panic!("address family {family}"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut this = Self::room();
        match address {
            SocketAddr::V4(v4) => {
                this.len = size_of::<SOCKADDR_IN>() as i32;
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let to = unsafe { &mut *this.as_mut_ptr().cast::<SOCKADDR_IN>() };
                to.sin_family = AF_INET;
                to.sin_port = v4.port().to_be();
                to.sin_addr.S_un.S_addr = u32::from_ne_bytes(v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                this.len = size_of::<SOCKADDR_IN6>() as i32;
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let to = unsafe { &mut *this.as_mut_ptr().cast::<SOCKADDR_IN6>() };
                to.sin6_family = AF_INET6;
                to.sin6_port = v6.port().to_be();
                to.sin6_addr.u.Byte = v6.ip().octets();
            }
        }
        this
    }
}

/// Forgets flow information and scope, which no test here is about.
pub fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0).into(),
        v4 => v4,
    }
}

// --- Sockets ---------------------------------------------------------------------------------------

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

// --- Requests --------------------------------------------------------------------------------------

/// How an accepted overlapped call answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// Done at once, with that many bytes.
    Done(u32),
    /// WSA_IO_PENDING.
    Pending,
}

/// Any of the three answers of an overlapped call: done at once, pending, refused.
pub type Answer = Result<Started, WSA_ERROR>;

/// The answer of a call that is accepted and not done yet.
pub const PENDING: Answer = Ok(Started::Pending);

/// The answer of a call that is done at once with that many bytes.
pub fn done(transferred: u32) -> Answer {
    Ok(Started::Done(transferred))
}

/// Interprets the result of a winsock call that started a request.
pub fn answer(result: i32, transferred: u32) -> Answer {
    match check(result) {
        Ok(()) => Ok(Started::Done(transferred)),
        Err(WSA_IO_PENDING) => Ok(Started::Pending),
        Err(error) => Err(error),
    }
}

/// Interprets the result of a function that returns BOOL and started a request.
pub fn answer_bool(result: BOOL, transferred: u32) -> Answer {
    answer(if result == FALSE { SOCKET_ERROR } else { 0 }, transferred)
}

/// An OVERLAPPED and a buffer, at addresses that do not change.
pub struct Request {
    overlapped: NonNull<OVERLAPPED>,
    buffer: NonNull<u8>,
    capacity: usize,
    /// Whether a call accepted it since it was made: only then a pending status means something.
    accepted: AtomicBool,
}

// SAFETY: the OVERLAPPED is read through atomics; the buffer is read or written only while nothing pends.
unsafe impl Send for Request {}
// SAFETY: as above.
unsafe impl Sync for Request {}

impl Request {
    /// With a zeroed buffer of `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self::from_data(&vec![0; capacity])
    }

    /// With a buffer that holds `data`.
    pub fn from_data(data: &[u8]) -> Self {
        // SAFETY: an all-zero OVERLAPPED is a valid value, and the one to begin with.
        let overlapped: Box<OVERLAPPED> = Box::new(unsafe { mem::zeroed() });
        let buffer: Box<[u8]> = data.into();
        let capacity = buffer.len();
        Self {
            overlapped: NonNull::from(Box::leak(overlapped)),
            buffer: NonNull::from(Box::leak(buffer)).cast(),
            capacity,
            accepted: AtomicBool::new(false),
        }
    }

    /// With `event` (an event handle, perhaps with the low bit set) in hEvent.
    pub fn with_event(self, event: HANDLE) -> Self {
        // SAFETY: no call knows this OVERLAPPED yet.
        unsafe { (*self.overlapped.as_ptr()).hEvent = event };
        self
    }

    /// The address that identifies the operation.
    pub fn overlapped(&self) -> *mut OVERLAPPED {
        self.overlapped.as_ptr()
    }

    /// OVERLAPPED.Internal.
    pub fn internal(&self) -> usize {
        self.field(mem::offset_of!(OVERLAPPED, Internal))
    }

    /// OVERLAPPED.InternalHigh.
    pub fn internal_high(&self) -> usize {
        self.field(mem::offset_of!(OVERLAPPED, InternalHigh))
    }

    fn field(&self, offset: usize) -> usize {
        // SAFETY: `offset` is that of a pointer-sized field of the OVERLAPPED, which is alive.
        let field = unsafe { self.overlapped.as_ptr().byte_add(offset).cast() };
        // SAFETY: the field is aligned and alive, and the library writes it as a whole.
        unsafe { AtomicUsize::from_ptr(field) }.load(Ordering::Acquire)
    }

    /// Puts marks into the status block, to see which of them a call overwrites.
    pub fn mark_status(&self, internal: usize, internal_high: usize) {
        // SAFETY: the caller marks requests that are not in flight.
        unsafe { (*self.overlapped.as_ptr()).Internal = internal };
        // SAFETY: as above.
        unsafe { (*self.overlapped.as_ptr()).InternalHigh = internal_high };
    }

    /// Whether Internal holds `status` (sign bit and all, zero-extended).
    pub fn has_status(&self, status: NTSTATUS) -> bool {
        self.internal() == status as u32 as usize
    }

    /// HasOverlappedIoCompleted: whether the status block is final.
    pub fn is_finished(&self) -> bool {
        self.internal() as u32 != STATUS_PENDING as u32
    }

    /// Whether the library has no use for its memory.
    pub fn is_idle(&self) -> bool {
        !self.accepted.load(Ordering::Relaxed) || self.is_finished()
    }

    /// Waits until the status block is final.
    pub fn until_finished(&self) {
        until("a final status", || self.is_finished());
    }

    /// The whole buffer of a finished request.
    pub fn buffer(&self) -> &[u8] {
        // SAFETY: the buffer is alive and nothing writes it once its request is finished.
        unsafe { std::slice::from_raw_parts(self.buffer.as_ptr(), self.capacity) }
    }

    /// What a finished receive stored.
    pub fn received(&self) -> &[u8] {
        assert!(self.is_finished(), "the request is still pending");
        &self.buffer()[..self.internal_high()]
    }

    /// Where the buffer is.
    pub fn buffer_ptr(&self) -> *mut u8 {
        self.buffer.as_ptr()
    }

    /// How long the buffer is.
    pub fn capacity(&self) -> u32 {
        self.capacity as u32
    }

    /// The buffer as one WSABUF.
    pub fn wsabuf(&self) -> WSABUF {
        WSABUF {
            len: self.capacity as u32,
            buf: self.buffer.as_ptr(),
        }
    }

    /// The buffer cut into pieces of those lengths.
    pub fn pieces(&self, lengths: &[usize]) -> Vec<WSABUF> {
        assert!(lengths.iter().sum::<usize>() <= self.capacity);
        let mut offset = 0;
        let piece = |&len: &usize| {
            // SAFETY: the lengths before this one sum up to less than the capacity.
            let buf = unsafe { self.buffer.as_ptr().add(offset) };
            offset += len;
            WSABUF {
                len: len as u32,
                buf,
            }
        };
        lengths.iter().map(piece).collect()
    }

    /// Notes how a call answered.
    pub fn note(&self, answer: Answer) -> Answer {
        self.accepted.fetch_or(answer.is_ok(), Ordering::Relaxed);
        answer
    }

    /// GetOverlappedResult: bytes, or a Win32 error.
    pub fn result(&self, handle: HANDLE, wait: bool) -> Result<u32, u32> {
        let mut transferred = 0;
        // SAFETY: both pointers are valid.
        check_bool(unsafe {
            GetOverlappedResult(handle, self.overlapped(), &mut transferred, wait.into())
        })?;
        Ok(transferred)
    }

    /// What a port shows when this request succeeds.
    pub fn success(&self, key: usize, transferred: u32) -> Taken {
        Taken::Packet(packet(transferred, key, self.overlapped() as usize))
    }

    /// How its routine is called when this request succeeds.
    pub fn routine_success(&self, transferred: u32) -> RoutineCall {
        let overlapped = self.overlapped() as usize;
        RoutineCall {
            error: 0,
            transferred,
            overlapped,
            flags: 0,
        }
    }

    /// How its routine is called when this request fails without having moved data.
    pub fn routine_failure(&self, error: WSA_ERROR) -> RoutineCall {
        RoutineCall {
            error,
            ..self.routine_success(0)
        }
    }

    /// What a port shows when this request fails without having moved data; `error` is a Win32 code.
    pub fn failure(&self, key: usize, error: u32) -> Taken {
        Taken::Failed(packet(0, key, self.overlapped() as usize), error)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.is_idle() {
            return; // the library may still write here
        }
        // SAFETY: made by Box::leak in `from_data`, and nothing is in flight.
        drop(unsafe { Box::from_raw(self.overlapped.as_ptr()) });
        let buffer = ptr::slice_from_raw_parts_mut(self.buffer.as_ptr(), self.capacity);
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(buffer) });
    }
}

/// A completion routine.
pub type Routine = LPWSAOVERLAPPED_COMPLETION_ROUTINE;

/// What a completion routine was called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutineCall {
    /// dwError.
    pub error: WSA_ERROR,
    /// cbTransferred.
    pub transferred: u32,
    /// lpOverlapped.
    pub overlapped: usize,
    /// dwFlags.
    pub flags: u32,
}

/// A completion routine that notes its calls for [`routines_run`].
pub const ROUTINE: Routine = Some(note_routine_call);

thread_local! {
    static ROUTINE_CALLS: RefCell<Vec<RoutineCall>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "system" fn note_routine_call(
    error: u32,
    transferred: u32,
    overlapped: *mut OVERLAPPED,
    flags: u32,
) {
    let (error, overlapped) = (error as WSA_ERROR, overlapped as usize);
    let call = RoutineCall {
        error,
        transferred,
        overlapped,
        flags,
    };
    ROUTINE_CALLS.with_borrow_mut(|calls| calls.push(call));
}

/// The calls of [`ROUTINE`] on this thread since the last time, in order.
pub fn routines_run() -> Vec<RoutineCall> {
    ROUTINE_CALLS.take()
}

impl Raw {
    /// Overlapped WSARecv into the whole buffer.
    pub fn receive(self, request: &Request) -> Answer {
        self.receive_into(&[request.wsabuf()], 0, request, None)
    }

    /// Overlapped WSARecv with flags.
    pub fn receive_flags(self, request: &Request, flags: i32) -> Answer {
        self.receive_into(&[request.wsabuf()], flags, request, None)
    }

    /// Overlapped WSARecv that announces itself by `routine`.
    pub fn receive_routine(self, request: &Request, routine: Routine) -> Answer {
        self.receive_into(&[request.wsabuf()], 0, request, routine)
    }

    /// Overlapped WSARecv in full.
    pub fn receive_into(
        self,
        buffers: &[WSABUF],
        flags: i32,
        request: &Request,
        routine: Routine,
    ) -> Answer {
        let (mut transferred, mut flags) = (0, flags as u32);
        // SAFETY: the buffers and the OVERLAPPED belong to `request`, which outlives the operation;
        // the other pointers are needed during the call only.
        let result = unsafe {
            WSARecv(
                self.0,
                buffers.as_ptr(),
                buffers.len() as u32,
                &mut transferred,
                &mut flags,
                request.overlapped(),
                routine,
            )
        };
        request.note(answer(result, transferred))
    }

    /// Overlapped WSASend of the whole buffer.
    pub fn send_request(self, request: &Request) -> Answer {
        self.send_from(&[request.wsabuf()], 0, request, None)
    }

    /// Overlapped WSASend that announces itself by `routine`.
    pub fn send_routine(self, request: &Request, routine: Routine) -> Answer {
        self.send_from(&[request.wsabuf()], 0, request, routine)
    }

    /// Overlapped WSASend in full.
    pub fn send_from(
        self,
        buffers: &[WSABUF],
        flags: u32,
        request: &Request,
        routine: Routine,
    ) -> Answer {
        let mut transferred = 0;
        // SAFETY: as for `receive_into`.
        let result = unsafe {
            WSASend(
                self.0,
                buffers.as_ptr(),
                buffers.len() as u32,
                &mut transferred,
                flags,
                request.overlapped(),
                routine,
            )
        };
        request.note(answer(result, transferred))
    }

    /// AcceptEx of `accepted` with the request's buffer divided as told.
    pub fn accept_ex(self, accepted: Raw, request: &Request, layout: AcceptLayout) -> Answer {
        let mut transferred = 0;
        // SAFETY: as for `receive_into`; `Request::for_accept` made the buffer large enough.
        let result = unsafe {
            AcceptEx(
                self.0,
                accepted.0,
                request.buffer_ptr().cast(),
                layout.data,
                layout.local,
                layout.remote,
                &mut transferred,
                request.overlapped(),
            )
        };
        request.note(answer_bool(result, transferred))
    }

    /// ConnectEx to `address`, followed by the request's buffer.
    pub fn connect_ex(self, address: &Address, request: &Request) -> Answer {
        let connect_ex: LPFN_CONNECTEX = self.extension(WSAID_CONNECTEX).expect("ConnectEx");
        let mut transferred = 0;
        // SAFETY: as for `receive_into`; the address is captured by the call.
        let result = unsafe {
            connect_ex.expect("a function")(
                self.0,
                address.as_ptr(),
                address.len,
                request.buffer_ptr().cast(),
                request.capacity(),
                &mut transferred,
                request.overlapped(),
            )
        };
        request.note(answer_bool(result, transferred))
    }

    /// WSAIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER); `F` is the function's LPFN type.
    pub fn extension<F: Default>(self, guid: GUID) -> Result<F, WSA_ERROR> {
        assert_eq!(size_of::<F>(), size_of::<usize>());
        let (mut function, mut returned) = (F::default(), 0);
        // SAFETY: `guid` and `function` are valid for their sizes; F is a nullable function pointer.
        check(unsafe {
            WSAIoctl(
                self.0,
                SIO_GET_EXTENSION_FUNCTION_POINTER,
                (&raw const guid).cast(),
                size_of::<GUID>() as u32,
                (&raw mut function).cast(),
                size_of::<F>() as u32,
                &mut returned,
                ptr::null_mut(),
                None,
            )
        })?;
        assert_eq!(returned as usize, size_of::<F>());
        Ok(function)
    }

    /// WSAGetOverlappedResult: bytes and flags, or a winsock error.
    pub fn result(self, request: &Request, wait: bool) -> Result<(u32, u32), WSA_ERROR> {
        let (mut transferred, mut flags) = (0, u32::MAX);
        // SAFETY: all pointers are valid.
        let result = unsafe {
            WSAGetOverlappedResult(
                self.0,
                request.overlapped(),
                &mut transferred,
                wait.into(),
                &mut flags,
            )
        };
        check_bool(result).map_err(|error| error as WSA_ERROR)?;
        Ok((transferred, flags))
    }

    /// CancelIo.
    pub fn cancel_mine(self) -> Result<(), u32> {
        // SAFETY: takes no pointers.
        check_bool(unsafe { CancelIo(self.handle()) })
    }

    /// CancelIoEx of everything.
    pub fn cancel_all(self) -> Result<(), u32> {
        // SAFETY: a null OVERLAPPED means "all".
        check_bool(unsafe { CancelIoEx(self.handle(), ptr::null()) })
    }

    /// CancelIoEx of one request.
    pub fn cancel(self, request: &Request) -> Result<(), u32> {
        // SAFETY: the pointer only identifies the request.
        check_bool(unsafe { CancelIoEx(self.handle(), request.overlapped()) })
    }

    /// SetFileCompletionNotificationModes.
    pub fn set_notification_modes(self, modes: u32) -> Result<(), u32> {
        // SAFETY: takes no pointers.
        check_bool(unsafe { SetFileCompletionNotificationModes(self.handle(), modes as u8) })
    }

    /// Whether the socket handle itself is signalled.
    pub fn is_signalled(self) -> bool {
        wait(self.handle(), 0) == WAIT_OBJECT_0
    }

    /// DuplicateHandle within the process.
    pub fn duplicate(self) -> Handle {
        duplicate(self.handle())
    }
}

/// How AcceptEx divides its buffer.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLayout {
    /// Bytes for the first data.
    pub data: u32,
    /// Bytes for the local address.
    pub local: u32,
    /// Bytes for the remote address.
    pub remote: u32,
}

impl AcceptLayout {
    /// Room for both addresses and `data` bytes of first data.
    pub fn with_data(data: u32) -> Self {
        Self {
            data,
            local: ADDRESS_AREA,
            remote: ADDRESS_AREA,
        }
    }

    /// Room for both addresses only: complete as soon as there is a connection.
    pub fn without_data() -> Self {
        Self::with_data(0)
    }

    /// A request whose buffer has these three areas.
    pub fn request(self) -> Request {
        Request::new((self.data + self.local + self.remote) as usize)
    }
}

// --- Ports -----------------------------------------------------------------------------------------

/// A new port with `socket` associated under `key`.
#[track_caller]
pub fn port_of(socket: Raw, key: usize) -> Port {
    let port = Port::new(0);
    port.associate(socket.handle(), key);
    port
}

/// The outcome that must come.
#[track_caller]
pub fn next(port: &Port) -> Taken {
    let taken = port.take(DEADLINE_MS);
    assert_ne!(taken, TIMED_OUT, "no packet came");
    taken
}

/// Fails if a packet is queued: packets are FIFO, so a mark posted now must come first.
#[track_caller]
pub fn assert_empty(port: &Port) {
    const MARK: Packet = packet(0, 0x6D61_726B, 0);
    port.post(MARK);
    assert_eq!(next(port), Taken::Packet(MARK));
}

/// Fails if a packet comes within [`QUIET_MS`].
#[track_caller]
pub fn assert_quiet(port: &Port) {
    assert_eq!(port.take(QUIET_MS), TIMED_OUT);
}

// --- Special states --------------------------------------------------------------------------------

/// Posts sends on `socket` until one pends, because the peer reads nothing. Gives them in order; each has
/// `CLOG` bytes, all of them the request's number.
pub fn clog(socket: Raw) -> Vec<Request> {
    let mut requests = Vec::new();
    for number in 0..=u8::MAX {
        let request = Request::from_data(&vec![number; CLOG]);
        let answer = socket.send_request(&request);
        requests.push(request);
        match answer {
            Ok(Started::Done(sent)) => assert_eq!(sent as usize, CLOG),
            Ok(Started::Pending) => return requests,
            Err(error) => panic!("WSASend: {error}"),
        }
    }
    panic!("the system took {} bytes that nobody reads", CLOG << 8);
}

/// The size of one request of [`clog`].
pub const CLOG: usize = 1 << 18;

/// A listener whose backlog is full: a further connection attempt stays under way for a while.
pub struct Unanswering {
    /// Where nobody answers.
    pub address: Address,
    _listener: Listener,
    _backlog: Vec<Socket>,
}

impl Unanswering {
    pub fn new(family: Family) -> Self {
        let socket = Socket::bound(family);
        socket.listen(1).expect("listen");
        let address: Address = socket.local_address().expect("getsockname").into();
        let listener = Listener {
            socket,
            address,
            family,
        };
        let backlog = (0..8).map(|_| Self::attempt(&address, family)).collect();
        Self {
            address,
            _listener: listener,
            _backlog: backlog,
        }
    }

    /// A socket whose non-blocking connect is under way.
    pub fn connecting(&self) -> Socket {
        Self::attempt(&self.address, self._listener.family)
    }

    fn attempt(address: &Address, family: Family) -> Socket {
        let socket = Socket::tcp(family);
        socket.set_non_blocking(true);
        assert_eq!(socket.connect(address), Err(WSAEWOULDBLOCK));
        socket
    }
}
