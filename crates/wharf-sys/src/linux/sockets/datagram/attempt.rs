//! One non-blocking attempt to receive or send a datagram, by the thread itself or carried by the batcher.

use std::mem::MaybeUninit;
use std::sync::Arc;

use io_uring::{opcode, squeue, types};
use windows_sys::Win32::Networking::WinSock::{
    MSG_BCAST, MSG_CTRUNC, MSG_MCAST, MSG_TRUNC, SOCKADDR, WSAMSG,
};

use super::super::address::{Address, Family};
use super::super::socket::{FLAG_ERRORS, Socket};
use super::control::{self, Addressed};
use super::icmp;
use crate::platform::engine::operation::{Attempt, Buffers};
use crate::platform::status::Status;
use crate::platform::system;

/// A datagram to be received.
pub struct ReceiveDatagram {
    buffers: Buffers,
    peek: bool,
    report: Report,
}

/// Where the caller wants to know who sent a datagram and what came with it; written when the receive ends with one.
#[derive(Clone, Copy)]
pub enum Report {
    /// Nowhere.
    Nowhere,
    /// An address, which has room for one of the socket's family, and its length.
    Sender(*mut SOCKADDR, *mut i32),
    /// A message: address, control data and flags.
    Message(*mut WSAMSG),
}

// SAFETY: the pointers are to memory the caller of the operation lends until it is finished, from any thread.
unsafe impl Send for ReceiveDatagram {}

/// A datagram to be sent.
pub struct SendDatagram {
    buffers: Buffers,
    to: Destination,
}

/// Where a datagram goes.
pub enum Destination {
    /// To whom the socket is connected.
    Peer,
    /// To that address.
    Address(Address),
    /// To an address without a port, where nobody is: it is lost, which no sender of datagrams learns.
    Nowhere,
    /// With control data, in the kernel's layout.
    WithControl(Box<(Option<Address>, Box<[u8]>)>),
}

// SAFETY: the pointers are to memory the caller of the operation lends until it is finished, from any thread.
unsafe impl Send for SendDatagram {}

/// So often a call that only tells of ICMP is made again.
const TRIES: usize = 64;

pub(super) const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// What the kernel reads and writes beside the bytes of a datagram. It must not move while it is in use.
#[repr(C)]
pub struct Envelope {
    message: libc::msghdr,
    name: Address,
    control: Control,
}

/// Control data as the kernel aligns it.
#[repr(C, align(8))]
struct Control(MaybeUninit<[u8; control::LINUX_MAX]>);

impl Envelope {
    /// Puts a message for these buffers, and nothing else, in its place.
    pub fn of_buffers(
        place: &mut MaybeUninit<Envelope>,
        buffers: &mut Buffers,
    ) -> *mut libc::msghdr {
        Envelope::put(place, buffers.message())
    }

    /// Puts a message in its place.
    pub fn put(place: &mut MaybeUninit<Envelope>, message: libc::msghdr) -> *mut libc::msghdr {
        // SAFETY: within `place`.
        let at = unsafe { &raw mut (*place.as_mut_ptr()).message };
        // SAFETY: valid for writes, aligned as the whole is.
        unsafe { at.write(message) };
        at
    }

    /// A message for these buffers, with room in `place` for the sender's address and, if wanted, for control data.
    fn for_receiving(
        place: &mut MaybeUninit<Envelope>,
        buffers: &mut Buffers,
        family: Family,
        report: Report,
    ) -> libc::msghdr {
        let envelope = place.as_mut_ptr();
        let mut message = buffers.message();
        // SAFETY: within `place`.
        unsafe { (&raw mut (*envelope).name).write(Address::unspecified(family)) };
        if !matches!(report, Report::Nowhere) {
            // SAFETY: within `place`; the name was written just now.
            message.msg_name = unsafe { (*envelope).name.as_mut_ptr().cast() };
            message.msg_namelen = family.address_len() as libc::socklen_t;
        }
        if let Report::Message(_) = report {
            // SAFETY: within `place`.
            message.msg_control = unsafe { (&raw mut (*envelope).control).cast() };
            message.msg_controllen = control::LINUX_MAX;
        }
        message
    }

    /// The control data that the kernel wrote.
    ///
    /// # Safety
    /// The kernel has written as much as the message says.
    unsafe fn control(&self) -> &[u8] {
        let length = self.message.msg_controllen.min(control::LINUX_MAX);
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.control.0.as_ptr().cast(), length) }
    }
}

impl ReceiveDatagram {
    /// A receive of nothing yet.
    pub fn new(buffers: Buffers, peek: bool, report: Report) -> ReceiveDatagram {
        ReceiveDatagram {
            buffers,
            peek,
            report,
        }
    }

    /// One attempt.
    pub fn attempt(&mut self, socket: &Socket) -> Attempt {
        let mut place = MaybeUninit::uninit();
        for _ in 0..TRIES {
            if let Some(status) = socket.take_icmp_failure() {
                return Attempt::failed(status);
            }
            let message = self.message(socket, &mut place);
            let message = Envelope::put(&mut place, message);
            // SAFETY: the buffers are the caller's until the operation is finished; the rest is here.
            let result = unsafe { self.receive_once(socket, message) };
            // SAFETY: filled for this call.
            if let Some(attempt) = unsafe { self.judge(socket, system::outcome(result), &place) } {
                return attempt;
            }
        }
        Attempt::Blocked // others' errors come faster than they can be looked at: the next edge, or look, goes on
    }

    /// One call into the kernel, as `recvmsg`. Into a single buffer, and without control data, there is a cheaper one.
    ///
    /// # Safety
    /// `message` was filled for receiving.
    unsafe fn receive_once(&self, socket: &Socket, message: *mut libc::msghdr) -> isize {
        let (fd, flags) = (socket.fd(), self.linux_flags());
        let Some(only) = self
            .buffers
            .only()
            .filter(|_| !matches!(self.report, Report::Message(_)))
        else {
            // SAFETY: the caller's promise.
            return unsafe { libc::recvmsg(fd, message, flags) };
        };
        // SAFETY: the caller's promise.
        let message = unsafe { &mut *message };
        let (name, name_len) = (message.msg_name.cast(), &raw mut message.msg_namelen);
        let flags = flags | libc::MSG_TRUNC; // the result is the length of the whole datagram
        // SAFETY: the buffer is the caller's; the name is null or has room for its length.
        let result =
            unsafe { libc::recvfrom(fd, only.iov_base, only.iov_len, flags, name, name_len) };
        let is_cut = result > only.iov_len as isize;
        message.msg_flags = if is_cut { libc::MSG_TRUNC } else { 0 };
        result.min(only.iov_len as isize)
    }

    /// What the kernel is given; what it writes beside the bytes is in `place`.
    pub fn message(&mut self, socket: &Socket, place: &mut MaybeUninit<Envelope>) -> libc::msghdr {
        Envelope::for_receiving(place, &mut self.buffers, socket.family, self.report)
    }

    /// Whether it takes its datagram out: then the next receive gets another one.
    pub fn takes(&self) -> bool {
        !self.peek
    }

    /// The same attempt for the batcher.
    ///
    /// # Safety
    /// `self` and `place` neither move nor are touched until the entry has completed.
    pub unsafe fn prepare(
        &mut self,
        socket: &Socket,
        place: &mut MaybeUninit<Envelope>,
    ) -> Option<squeue::Entry> {
        if socket.has(FLAG_ERRORS) {
            return None;
        }
        let message = self.message(socket, place);
        let message = Envelope::put(place, message);
        Some(
            opcode::RecvMsg::new(types::Fd(socket.fd()), message)
                .flags(self.linux_flags() as u32)
                .build(),
        )
    }

    /// What a result of the batcher, or of a call for several, means.
    ///
    /// # Safety
    /// `place` is that of [`prepare`](Self::prepare), or was filled for that call.
    pub unsafe fn completed(
        &mut self,
        socket: &Arc<Socket>,
        result: i32,
        place: &MaybeUninit<Envelope>,
    ) -> Attempt {
        // SAFETY: the caller's promise.
        let judged = unsafe { self.judge(socket, result, place) };
        judged.unwrap_or_else(|| self.attempt(socket))
    }

    fn linux_flags(&self) -> i32 {
        if self.peek {
            FLAGS | libc::MSG_PEEK
        } else {
            FLAGS
        }
    }

    /// What the kernel's answer comes to; `None`: to be tried again.
    ///
    /// # Safety
    /// `place` was filled for the call that gave `result`.
    unsafe fn judge(
        &mut self,
        socket: &Socket,
        result: i32,
        place: &MaybeUninit<Envelope>,
    ) -> Option<Attempt> {
        match -result {
            // SAFETY: the caller's promise; the control data may be anything.
            ..=0 => Some(unsafe { self.arrived(socket, result as usize, place.assume_init_ref()) }),
            libc::EAGAIN => Some(Attempt::Blocked),
            libc::EINTR => None,
            errno if icmp::may_tell(errno) => {
                socket.note_errors();
                None
            }
            errno => Some(Attempt::failed(Status::from_errno(errno))),
        }
    }

    /// # Safety
    /// As that of [`Envelope::control`].
    unsafe fn arrived(&self, socket: &Socket, bytes: usize, envelope: &Envelope) -> Attempt {
        if let Err(status) = self.buffers.scatter(bytes) {
            return Attempt::failed(status);
        }
        let data_cut = envelope.message.msg_flags & libc::MSG_TRUNC != 0;
        let cut = match self.report {
            Report::Nowhere => data_cut,
            Report::Sender(name, length) => {
                // SAFETY: the caller lends both until the operation is finished.
                unsafe { tell_address(&envelope.name, name, length) };
                data_cut
            }
            Report::Message(message) => {
                // SAFETY: likewise; the kernel has written the control data.
                unsafe { tell_message(socket, envelope, data_cut, message) }
            }
        };
        Attempt::Finished {
            status: if cut {
                Status::BUFFER_OVERFLOW
            } else {
                Status::SUCCESS
            },
            transferred: bytes,
            more: true,
        }
    }
}

/// # Safety
/// `name` is null or valid for an address of that family, `length` null or valid.
unsafe fn tell_address(address: &Address, name: *mut SOCKADDR, length: *mut i32) {
    if name.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let room = unsafe { std::slice::from_raw_parts_mut(name.cast::<u8>(), address.len()) };
    let written = address.write_windows(room).unwrap_or(0);
    if !length.is_null() {
        // SAFETY: the caller's promise; C callers may pass it unaligned.
        unsafe { length.write_unaligned(written as i32) };
    }
}

/// Whether the data or the control data was cut.
///
/// # Safety
/// `message` is valid, and so is what it points to. The kernel has written the control data.
unsafe fn tell_message(
    socket: &Socket,
    envelope: &Envelope,
    data_cut: bool,
    message: *mut WSAMSG,
) -> bool {
    // SAFETY: the caller's promise.
    let room = unsafe { message.read_unaligned() };
    // SAFETY: the caller's promise.
    unsafe { tell_address(&envelope.name, room.name, &raw mut (*message).namelen) };
    let out = if room.Control.buf.is_null() {
        &mut [][..]
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(room.Control.buf, room.Control.len as usize) }
    };
    let wanted = socket.state().options.wanted_control();
    // SAFETY: the caller's promise.
    let received = control::to_windows(unsafe { envelope.control() }, &wanted, out);
    let addressed = match received.addressed {
        Addressed::Host => 0,
        Addressed::Broadcast => MSG_BCAST,
        Addressed::Multicast => MSG_MCAST,
    };
    let flag = |holds: bool, flag: u32| if holds { flag } else { 0 };
    let flags = addressed | flag(data_cut, MSG_TRUNC) | flag(received.cut, MSG_CTRUNC);
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*message).Control.len).write_unaligned(received.length as u32);
        (&raw mut (*message).dwFlags).write_unaligned(flags);
    }
    data_cut || received.cut
}

impl SendDatagram {
    /// A send of all of `buffers` as one datagram.
    pub fn new(buffers: Buffers, to: Destination) -> SendDatagram {
        SendDatagram { buffers, to }
    }

    /// One attempt.
    pub fn attempt(&mut self, socket: &Socket) -> Attempt {
        if !self.leaves() {
            return Attempt::done(self.buffers.total(), true);
        }
        let mut before = 0;
        for _ in 0..TRIES {
            let message = self.message();
            // SAFETY: the buffers are the caller's until the operation is finished; the rest is in `self`.
            let result = unsafe { self.send_once(socket, &message) };
            match self.judge(socket, system::outcome(result), &mut before) {
                Some(attempt) => return attempt,
                None => continue,
            }
        }
        Attempt::done(self.buffers.total(), true) // nothing but ICMP about earlier ones: as if it were lost on its way
    }

    /// What the kernel is given, with the receiver's address and control data.
    pub fn message(&mut self) -> libc::msghdr {
        let mut message = self.buffers.message();
        let (address, control) = match &self.to {
            Destination::Peer | Destination::Nowhere => (None, None),
            Destination::Address(address) => (Some(address), None),
            Destination::WithControl(both) => (both.0.as_ref(), Some(&both.1)),
        };
        if let Some(address) = address {
            message.msg_name = address.as_ptr().cast_mut().cast();
            message.msg_namelen = address.len() as libc::socklen_t;
        }
        if let Some(control) = control.filter(|control| !control.is_empty()) {
            message.msg_control = control.as_ptr().cast_mut().cast();
            message.msg_controllen = control.len();
        }
        message
    }

    /// Whether there is anything for the kernel to do.
    pub fn leaves(&self) -> bool {
        !matches!(self.to, Destination::Nowhere)
    }

    /// Whether sending it costs so little that the call itself is what counts.
    pub fn is_small(&self) -> bool {
        const SMALL: usize = 16 * 1024;
        self.buffers.total() <= SMALL
    }

    /// The same attempt for the batcher.
    ///
    /// # Safety
    /// `self` and `place` neither move nor are touched until the entry has completed.
    pub unsafe fn prepare(
        &mut self,
        socket: &Socket,
        place: &mut MaybeUninit<Envelope>,
    ) -> Option<squeue::Entry> {
        if !self.leaves() {
            return None;
        }
        let message = Envelope::put(place, self.message());
        let send = opcode::SendMsg::new(types::Fd(socket.fd()), message).flags(FLAGS as u32);
        Some(send.build())
    }

    /// What a result of the batcher, or of a call for several, means.
    pub fn completed(&mut self, socket: &Socket, result: i32) -> Attempt {
        let judged = self.judge(socket, result, &mut 0);
        judged.unwrap_or_else(|| self.attempt(socket))
    }

    /// One call into the kernel, as `sendmsg`. From a single buffer, and without control data, there is a cheaper one.
    ///
    /// # Safety
    /// `message` was filled for sending.
    unsafe fn send_once(&self, socket: &Socket, message: &libc::msghdr) -> isize {
        let fd = socket.fd();
        match self.buffers.only() {
            Some(only) if !matches!(self.to, Destination::WithControl(_)) => {
                let (name, name_len) = (message.msg_name, message.msg_namelen);
                let (data, len) = (only.iov_base, only.iov_len);
                // SAFETY: the buffer is the caller's; the name is null or valid for its length.
                unsafe { libc::sendto(fd, data, len, FLAGS, name.cast(), name_len) }
            }
            // SAFETY: the caller's promise.
            _ => unsafe { libc::sendmsg(fd, message, FLAGS) },
        }
    }

    /// What the kernel's answer comes to; `None`: to be tried again. `before` is how the last try failed.
    fn judge(&self, socket: &Socket, result: i32, before: &mut i32) -> Option<Attempt> {
        let failed = |status| Some(Attempt::failed(status));
        match -result {
            ..=0 => Some(Attempt::done(result as usize, true)),
            libc::EAGAIN => Some(Attempt::Blocked),
            libc::EINTR => None,
            // A queue on its way was full. The kernel tells of such a loss only because it keeps errors for us.
            libc::ENOBUFS if !matches!(self.to, Destination::WithControl(_)) => {
                Some(Attempt::done(self.buffers.total(), true))
            }
            // Its own shutdown came between the call and the attempt.
            libc::EPIPE => failed(Status::PIPE_DISCONNECTED),
            libc::ECONNREFUSED => {
                socket.note_errors(); // about an earlier one: for a receive
                None
            }
            // About an earlier one or about this one: if it comes twice, about this one.
            errno if icmp::may_tell(errno) && errno != std::mem::replace(before, errno) => {
                socket.note_errors();
                None
            }
            libc::EINVAL if !matches!(self.to, Destination::WithControl(_)) => {
                failed(Status::INVALID_ADDRESS_COMPONENT) // no address of this host reaches that one
            }
            errno => {
                socket.note_errors(); // the kernel has kept this one too
                failed(Status::from_errno(errno))
            }
        }
    }
}
