//! UDP over the loopback, in the words of the tests: sockets, addresses, requests that learn their sender, messages.
//!
//! As `tcp.rs`, whose sockets and requests these are.

use std::mem;
use std::net::SocketAddr;
use std::ops::Deref;
use std::ptr::{self, NonNull, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A datagram socket.
pub fn udp(family: Family) -> Socket {
    Socket::open(family.number(), SOCK_DGRAM, IPPROTO_UDP).expect("a UDP socket")
}

/// A datagram socket bound to the loopback and a port of its own.
pub fn udp_bound(family: Family) -> Socket {
    let socket = udp(family);
    socket.bind(&family.loopback(0)).expect("bind");
    socket
}

/// Where the socket is bound.
pub fn address_of(socket: Raw) -> Address {
    socket.local_address().expect("getsockname").into()
}

/// Where a datagram to the socket goes: the loopback, if it is bound to all addresses.
pub fn loopback_of(socket: Raw, family: Family) -> Address {
    family.loopback(address_of(socket).port())
}

/// Two datagram sockets that are connected to each other.
pub fn udp_pair(family: Family) -> [Socket; 2] {
    let [a, b] = [udp_bound(family), udp_bound(family)];
    a.connect(&address_of(*b)).expect("connect");
    b.connect(&address_of(*a)).expect("connect");
    [a, b]
}

/// An address that no socket hears, and sockets that keep its port from others.
pub fn deaf_address(family: Family) -> ([Socket; 2], Address) {
    let [holder, other] = [udp_bound(family), udp_bound(family)];
    let port = address_of(*holder).port();
    let address = match family {
        Family::V4 => SocketAddr::from(([127, 99, 0, 1], port)).into(),
        Family::V6 => {
            holder.connect(&address_of(*other)).expect("connect"); // it hears nobody else from here on
            family.loopback(port)
        }
    };
    ([holder, other], address)
}

impl Raw {
    /// `sendto`.
    pub fn send_to(self, data: &[u8], to: &Address) -> Result<usize, WSA_ERROR> {
        self.send_to_flags(data, 0, to)
    }

    /// `sendto` with flags.
    pub fn send_to_flags(self, data: &[u8], flags: i32, to: &Address) -> Result<usize, WSA_ERROR> {
        let len = data.len() as i32;
        // SAFETY: both are valid for reads of their lengths.
        check_count(unsafe { sendto(self.0, data.as_ptr(), len, flags, to.as_ptr(), to.len) })
    }

    /// `recvfrom` of up to `max` bytes: the data and its sender.
    pub fn recv_from(self, max: usize) -> Result<(Vec<u8>, SocketAddr), WSA_ERROR> {
        self.recv_from_flags(max, 0)
    }

    /// `recvfrom` with flags.
    pub fn recv_from_flags(
        self,
        max: usize,
        flags: i32,
    ) -> Result<(Vec<u8>, SocketAddr), WSA_ERROR> {
        let mut buffer = vec![0; max];
        let mut from = Address::room();
        let len = self.recv_from_into(&mut buffer, flags, &mut from)?;
        buffer.truncate(len);
        Ok((buffer, plain(from.get())))
    }

    /// `recvfrom` in full.
    pub fn recv_from_into(
        self,
        buffer: &mut [u8],
        flags: i32,
        from: &mut Address,
    ) -> Result<usize, WSA_ERROR> {
        let (name, len) = (from.as_mut_ptr(), &raw mut from.len);
        // SAFETY: everything is valid for writes of its length.
        check_count(unsafe {
            recvfrom(
                self.0,
                buffer.as_mut_ptr(),
                buffer.len() as i32,
                flags,
                name,
                len,
            )
        })
    }

    /// Overlapped WSASendTo of the whole buffer.
    pub fn send_request_to(self, request: &Request, to: &Address) -> Answer {
        self.send_to_from(&[request.wsabuf()], request, to, None)
    }

    /// Overlapped WSASendTo in full.
    pub fn send_to_from(
        self,
        buffers: &[WSABUF],
        request: &Request,
        to: &Address,
        routine: Routine,
    ) -> Answer {
        let mut transferred = 0;
        // SAFETY: the buffers and the OVERLAPPED belong to `request`, which outlives the operation; the rest is
        // needed during the call only.
        let result = unsafe {
            WSASendTo(
                self.0,
                buffers.as_ptr(),
                buffers.len() as u32,
                &mut transferred,
                0,
                to.as_ptr(),
                to.len,
                request.overlapped(),
                routine,
            )
        };
        request.note(answer(result, transferred))
    }

    /// Overlapped WSARecvFrom into the whole buffer.
    pub fn receive_from(self, letter: &Letter) -> Answer {
        self.receive_from_into(&[letter.wsabuf()], 0, letter, None)
    }

    /// Overlapped WSARecvFrom in full.
    pub fn receive_from_into(
        self,
        buffers: &[WSABUF],
        flags: i32,
        letter: &Letter,
        routine: Routine,
    ) -> Answer {
        let (mut transferred, mut flags) = (0, flags as u32);
        let sender = letter.sender.as_ptr();
        // SAFETY: buffers, OVERLAPPED and the sender's address belong to `letter`, which outlives the operation.
        let result = unsafe {
            WSARecvFrom(
                self.0,
                buffers.as_ptr(),
                buffers.len() as u32,
                &mut transferred,
                &mut flags,
                (&raw mut (*sender).storage).cast(),
                &raw mut (*sender).len,
                letter.overlapped(),
                routine,
            )
        };
        letter.note(answer(result, transferred))
    }

    /// Switches an option of a control code that takes a BOOL.
    pub fn control_switch(self, code: u32, on: bool) -> Result<(), WSA_ERROR> {
        let (on, mut returned) = (BOOL::from(on), 0);
        // SAFETY: `on` and `returned` live through the call.
        check(unsafe {
            WSAIoctl(
                self.0,
                code,
                (&raw const on).cast(),
                size_of::<BOOL>() as u32,
                null_mut(),
                0,
                &mut returned,
                null_mut(),
                None,
            )
        })
    }
}

/// A request that learns who sent its datagram.
pub struct Letter {
    request: Request,
    sender: NonNull<Address>,
}

// SAFETY: the address is read only while nothing pends.
unsafe impl Send for Letter {}
// SAFETY: as above.
unsafe impl Sync for Letter {}

impl Letter {
    /// With a zeroed buffer of `capacity` bytes.
    pub fn new(capacity: usize) -> Letter {
        Letter::of(Request::new(capacity))
    }

    /// Around a request.
    pub fn of(request: Request) -> Letter {
        let sender = NonNull::from(Box::leak(Box::new(Address::room())));
        Letter { request, sender }
    }

    /// Who sent it; nothing must pend.
    pub fn sender(&self) -> SocketAddr {
        // SAFETY: alive, and nothing pends.
        plain(unsafe { self.sender.as_ref() }.get())
    }

    /// Whether nobody has written a sender yet.
    pub fn has_no_sender(&self) -> bool {
        // SAFETY: alive, and nothing pends.
        let sender = unsafe { self.sender.as_ref() };
        sender.storage.ss_family == 0 && sender.len == Address::room().len
    }
}

impl Deref for Letter {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        if self.request.is_idle() {
            // SAFETY: made by Box::leak in `of`, and nothing is in flight.
            drop(unsafe { Box::from_raw(self.sender.as_ptr()) });
        }
    }
}

// --- Messages --------------------------------------------------------------------------------------

/// A WSAMSG with what it points to, and the OVERLAPPED it may be used with.
pub struct Message {
    request: Request,
    parts: NonNull<Parts>,
}

struct Parts {
    message: WSAMSG,
    buffer: WSABUF,
    name: Address,
    control: [u64; 32], // aligned as control data is
}

// SAFETY: the parts are read only while nothing pends.
unsafe impl Send for Message {}

/// A record of control data: level, type and data.
pub type Record = (i32, i32, Vec<u8>);

impl Message {
    /// To receive up to `capacity` bytes of data and `control` bytes of control data.
    pub fn new(capacity: usize, control: usize) -> Message {
        Message::with(Request::new(capacity), control)
    }

    /// To receive what `request` has room for and `control` bytes of control data.
    pub fn with(request: Request, control: usize) -> Message {
        Message::of(request, Address::room(), &[], control)
    }

    /// To send `data` to `to`, with control data.
    pub fn to(data: &[u8], to: &Address, control: &[u8]) -> Message {
        Message::of(Request::from_data(data), *to, control, control.len())
    }

    fn of(request: Request, name: Address, control: &[u8], room: usize) -> Message {
        let mut parts = Box::new(Parts {
            // SAFETY: an all-zero WSAMSG is a valid value of that plain structure.
            message: unsafe { mem::zeroed() },
            buffer: request.wsabuf(),
            name,
            control: [0; 32],
        });
        let parts_mut = &mut *parts;
        let bytes = parts_mut.control.as_mut_ptr().cast::<u8>();
        assert!(room <= size_of_val(&parts_mut.control));
        // SAFETY: there is room for as many bytes.
        unsafe { ptr::copy_nonoverlapping(control.as_ptr(), bytes, control.len()) };
        parts_mut.message = WSAMSG {
            name: (&raw mut parts_mut.name.storage).cast(),
            namelen: parts_mut.name.len,
            lpBuffers: &raw mut parts_mut.buffer,
            dwBufferCount: 1,
            Control: WSABUF {
                len: room as u32,
                buf: if room > 0 { bytes } else { null_mut() },
            },
            dwFlags: 0,
        };
        Message {
            request,
            parts: NonNull::from(Box::leak(parts)),
        }
    }

    /// The message itself.
    pub fn as_mut_ptr(&self) -> *mut WSAMSG {
        // SAFETY: alive.
        unsafe { &raw mut (*self.parts.as_ptr()).message }
    }

    fn message(&self) -> WSAMSG {
        // SAFETY: alive, and nothing pends.
        unsafe { self.as_mut_ptr().read() }
    }

    /// Asks for a peek.
    pub fn peek(self) -> Message {
        // SAFETY: alive, and nothing pends.
        unsafe { (*self.as_mut_ptr()).dwFlags = MSG_PEEK as u32 };
        self
    }

    /// dwFlags.
    pub fn flags(&self) -> u32 {
        self.message().dwFlags
    }

    /// Who sent it.
    pub fn sender(&self) -> SocketAddr {
        // SAFETY: alive, and nothing pends.
        let name = unsafe { (*self.parts.as_ptr()).name };
        plain(name.with_len(self.message().namelen).get())
    }

    /// How many bytes of control data there are.
    pub fn control_len(&self) -> usize {
        self.message().Control.len as usize
    }

    /// The control data, record by record.
    pub fn records(&self) -> Vec<Record> {
        let control = self.message().Control;
        if control.len == 0 {
            return Vec::new();
        }
        // SAFETY: alive, and nothing pends.
        let mut rest = unsafe { std::slice::from_raw_parts(control.buf, control.len as usize) };
        let mut records = Vec::new();
        let number = |bytes: &[u8]| i32::from_ne_bytes(bytes.try_into().unwrap());
        while !rest.is_empty() {
            let len = usize::from_ne_bytes(rest[..8].try_into().unwrap());
            records.push((
                number(&rest[8..12]),
                number(&rest[12..16]),
                rest[16..len].to_vec(),
            ));
            rest = &rest[len.next_multiple_of(8).min(rest.len())..];
        }
        records
    }

    /// WSARecvMsg without the OVERLAPPED: the count of bytes, which is told of a cut one too.
    pub fn receive(&self, socket: Raw) -> (Result<(), WSA_ERROR>, u32) {
        let mut received = u32::MAX;
        // SAFETY: the message and what it points to live through the call.
        let result = unsafe {
            recv_msg(socket)(socket.0, self.as_mut_ptr(), &mut received, null_mut(), None)
        };
        (check(result), received)
    }

    /// Overlapped WSARecvMsg.
    pub fn start_receive(&self, socket: Raw, routine: Routine) -> Answer {
        let mut received = 0;
        // SAFETY: the message and what it points to live until the operation is reported.
        let result = unsafe {
            let message = self.as_mut_ptr();
            recv_msg(socket)(socket.0, message, &mut received, self.overlapped(), routine)
        };
        self.note(answer(result, received))
    }

    /// WSASendMsg without the OVERLAPPED.
    pub fn send(&self, socket: Raw) -> Result<u32, WSA_ERROR> {
        let mut sent = 0;
        // SAFETY: the message and what it points to live through the call.
        let result =
            unsafe { WSASendMsg(socket.0, self.as_mut_ptr(), 0, &mut sent, null_mut(), None) };
        check(result).map(|()| sent)
    }

    /// Overlapped WSASendMsg.
    pub fn start_send(&self, socket: Raw, routine: Routine) -> Answer {
        let mut sent = 0;
        // SAFETY: the data lives until the operation is reported, the rest through the call.
        let result = unsafe {
            let message = self.as_mut_ptr();
            WSASendMsg(socket.0, message, 0, &mut sent, self.overlapped(), routine)
        };
        self.note(answer(result, sent))
    }
}

impl Deref for Message {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if self.request.is_idle() {
            // SAFETY: made by Box::leak in `of`, and nothing is in flight.
            drop(unsafe { Box::from_raw(self.parts.as_ptr()) });
        }
    }
}

/// WSARecvMsg, found by its identifier.
pub fn recv_msg(
    socket: Raw,
) -> unsafe extern "system" fn(SOCKET, *mut WSAMSG, *mut u32, *mut OVERLAPPED, Routine) -> i32 {
    let function: LPFN_WSARECVMSG = socket.extension(WSAID_WSARECVMSG).expect("WSARecvMsg");
    function.expect("a function")
}

/// Control data of one record.
pub fn record(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    let mut record = (16 + data.len()).to_ne_bytes().to_vec();
    record.extend(level.to_ne_bytes());
    record.extend(kind.to_ne_bytes());
    record.extend(data);
    record.resize(record.len().next_multiple_of(8), 0);
    record
}

/// What a port shows of a datagram that was cut to `transferred` bytes.
pub fn cut(request: &Request, key: usize, transferred: u32) -> Taken {
    Taken::Failed(
        packet(transferred, key, request.overlapped() as usize),
        ERROR_MORE_DATA,
    )
}
