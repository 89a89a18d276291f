//! winsock2.h and mswsock.h: transfers with addresses, and messages.

use std::ptr::null_mut;
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{PCSTR, PSTR};

use super::transfer::{Call, buffer, bytes_done, capture};
use super::winsock2::{find, read_address};
use crate::platform::engine::operation::Buffers;
use crate::platform::engine::request::{How, Started};
use crate::platform::events::network_events::Occasion;
use crate::platform::last_error;
use crate::platform::objects::handle::Named;
use crate::platform::sockets::address::{Address, Family};
use crate::platform::sockets::datagram::{Report, control_to_linux};
use crate::platform::sockets::socket::Socket;
use crate::platform::status::Status;

/// The receiver's address, if there is one.
///
/// # Safety
/// `to` is null or valid for `length` bytes.
unsafe fn destination(
    to: *const SOCKADDR,
    length: i32,
    family: Family,
) -> Result<Option<Address>, Status> {
    if to.is_null() && length == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { read_address(to, length, family) }.map(Some)
}

/// Where the sender's address goes.
///
/// # Safety
/// `from` is null or valid for `*length` bytes, `length` null or valid.
unsafe fn sender(from: *mut SOCKADDR, length: *mut i32, family: Family) -> Result<Report, Status> {
    if from.is_null() {
        return Ok(Report::Nowhere);
    }
    if length.is_null() {
        return Err(Status::FAULT);
    }
    // SAFETY: the caller's promise.
    let room = unsafe { length.read_unaligned() };
    if i64::from(room) < family.address_len() as i64 {
        return Err(Status::FAULT); // before a datagram is taken
    }
    Ok(Report::Sender(from, length))
}

/// A send of `buffers` to an address, which a stream does not look at.
///
/// # Safety
/// `to` is null or valid for `length` bytes; the buffers as long as the operation is under way.
unsafe fn send_to(
    socket: &Arc<Socket>,
    buffers: Buffers,
    flags: u32,
    (to, length): (*const SOCKADDR, i32),
    how: Option<How>,
) -> Result<Started, Status> {
    if !socket.is_datagram() {
        return socket.send(buffers, flags, how);
    }
    // SAFETY: the caller's promise.
    let to = unsafe { destination(to, length, socket.family) }?;
    socket.send_datagram(buffers, flags, to, Box::default(), how)
}

/// A receive into `buffers` that tells the sender, which a stream does not.
///
/// # Safety
/// `from` is null or valid for `*length` bytes, `length` null or valid, both as long as the operation is under way; and so
/// are the buffers.
unsafe fn receive_from(
    socket: &Arc<Socket>,
    buffers: Buffers,
    flags: u32,
    (from, length): (*mut SOCKADDR, *mut i32),
    how: Option<How>,
) -> Result<Started, Status> {
    if !socket.is_datagram() {
        return socket.receive(buffers, flags, how);
    }
    // SAFETY: the caller's promise.
    let report = unsafe { sender(from, length, socket.family) }
        .inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
    socket.receive_datagram(buffers, flags, report, how)
}

/// Sends a datagram to an address, as the blocking mode says. On a stream the address is ignored. Returns the count of
/// bytes.
///
/// # Errors
/// `SOCKET_ERROR`; the last error among others is WSAENOTCONN (no address and no peer), WSAEADDRNOTAVAIL (port 0 or no
/// address of a host), WSAEMSGSIZE (too long), WSAEACCES (broadcast without SO_BROADCAST).
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-sendto>
///
/// # Safety
/// `buf` is null or valid for reads of `len` bytes, `to` null or valid for `tolen` bytes.
pub unsafe extern "system" fn sendto(
    s: SOCKET,
    buf: PCSTR,
    len: i32,
    flags: i32,
    to: *const SOCKADDR,
    tolen: i32,
) -> i32 {
    let send = || {
        let socket = find(s)?;
        let buffer = buffer(buf.cast_mut(), len)?;
        // SAFETY: the caller's promise; the call waits until it is done.
        unsafe { send_to(&socket, buffer, flags as u32, (to, tolen), None) }
    };
    last_error::winsock_value(send().and_then(bytes_done), SOCKET_ERROR)
}

/// Receives a datagram and its sender's address, as the blocking mode says. On a stream the address is left alone. Returns
/// the count of bytes.
///
/// # Errors
/// `SOCKET_ERROR`; the last error among others is WSAEINVAL (not bound), WSAEMSGSIZE (`buf` is full and the rest lost; the
/// address is told), WSAECONNRESET (an earlier datagram found no such port).
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-recvfrom>
///
/// # Safety
/// `buf` is null or valid for writes of `len` bytes; `from` and `fromlen` null or valid, `from` for `*fromlen` bytes.
pub unsafe extern "system" fn recvfrom(
    s: SOCKET,
    buf: PSTR,
    len: i32,
    flags: i32,
    from: *mut SOCKADDR,
    fromlen: *mut i32,
) -> i32 {
    let receive = || {
        let socket = find(s)?;
        let buffer = buffer(buf, len).inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
        // SAFETY: the caller's promise; the call waits until it is done.
        unsafe { receive_from(&socket, buffer, flags as u32, (from, fromlen), None) }
    };
    last_error::winsock_value(receive().and_then(bytes_done), SOCKET_ERROR)
}

/// As `recv`, and `flags` tells whether a datagram was cut (MSG_PARTIAL), which is no failure here.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nf-mswsock-wsarecvex>
///
/// # Safety
/// `buf` is null or valid for writes of `len` bytes, `flags` null or valid.
pub unsafe extern "system" fn WSARecvEx(s: SOCKET, buf: PSTR, len: i32, flags: *mut i32) -> i32 {
    let receive = || {
        let socket = find(s)?;
        if flags.is_null() {
            return Err(Status::FAULT);
        }
        let buffer = buffer(buf, len).inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
        // SAFETY: the caller's promise.
        let received = socket.receive(buffer, unsafe { flags.read_unaligned() } as u32, None)?;
        let (bytes, partial) = match received {
            Started::Cut(bytes) => (bytes as i32, MSG_PARTIAL as i32),
            whole => (bytes_done(whole)?, 0),
        };
        // SAFETY: the caller's promise.
        unsafe { flags.write_unaligned(partial) };
        Ok(bytes)
    };
    last_error::winsock_value(receive(), SOCKET_ERROR)
}

/// Sends a datagram to an address, synchronously or overlapped. On a stream the address is ignored.
///
/// The WSABUF array and the address are captured; buffers and OVERLAPPED are the library's until the operation is
/// reported.
///
/// # Errors
/// As `sendto`, and WSA_IO_PENDING.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasendto>
///
/// # Safety
/// Pointers are null or valid; with an OVERLAPPED, it and the buffers until the operation is reported.
pub unsafe extern "system" fn WSASendTo(
    s: SOCKET,
    lpbuffers: *const WSABUF,
    dwbuffercount: u32,
    lpnumberofbytessent: *mut u32,
    dwflags: u32,
    lpto: *const SOCKADDR,
    itolen: i32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    let call = Call {
        socket: s,
        transferred: lpnumberofbytessent,
        flags: null_mut(),
        overlapped: lpoverlapped,
        routine: lpcompletionroutine,
    };
    // SAFETY: the caller's promise.
    unsafe {
        call.send((lpbuffers, dwbuffercount), |socket, buffers, how| {
            send_to(socket, buffers, dwflags, (lpto, itolen), how)
        })
    }
}

/// Receives a datagram and its sender's address, synchronously or overlapped. On a stream the address is left alone.
///
/// The WSABUF array is captured; buffers, `lpfrom`, `lpfromlen` and OVERLAPPED are the library's until the operation is
/// reported.
///
/// # Errors
/// As `recvfrom`, and WSA_IO_PENDING. An overlapped receive that meets a datagram too long for it is always reported
/// later.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecvfrom>
///
/// # Safety
/// Pointers are null or valid; with an OVERLAPPED, it, the buffers, `lpfrom` (for `*lpfromlen` bytes) and `lpfromlen`
/// until the operation is reported.
pub unsafe extern "system" fn WSARecvFrom(
    s: SOCKET,
    lpbuffers: *const WSABUF,
    dwbuffercount: u32,
    lpnumberofbytesrecvd: *mut u32,
    lpflags: *mut u32,
    lpfrom: *mut SOCKADDR,
    lpfromlen: *mut i32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    let call = Call {
        socket: s,
        transferred: lpnumberofbytesrecvd,
        flags: lpflags,
        overlapped: lpoverlapped,
        routine: lpcompletionroutine,
    };
    // SAFETY: the caller's promise.
    unsafe {
        call.receive((lpbuffers, dwbuffercount), |socket, buffers, flags, how| {
            receive_from(socket, buffers, flags, (lpfrom, lpfromlen), how)
        })
    }
}

/// The buffers of a message, whose pointers fit its lengths.
///
/// # Safety
/// What the message points to is null or valid.
unsafe fn parts_of(message: &WSAMSG) -> Result<Buffers, Status> {
    let lost = |null: bool, length: i64| null && length != 0;
    if lost(message.name.is_null(), message.namelen.into())
        || lost(message.Control.buf.is_null(), message.Control.len.into())
    {
        return Err(Status::FAULT);
    }
    // SAFETY: the caller's promise.
    unsafe { capture(message.lpBuffers, message.dwBufferCount) }
}

/// Sends a datagram to an address, with control data, synchronously or overlapped. Also found by `WSAIoctl` with
/// WSAID_WSASENDMSG.
///
/// The message is captured; buffers and OVERLAPPED are the library's until the operation is reported.
///
/// # Errors
/// As `WSASendTo`; WSAEINVAL on a stream, and for control data that is malformed or that no send takes.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasendmsg>
///
/// # Safety
/// Pointers are null or valid, those in the message too; with an OVERLAPPED, it and the buffers until the operation is
/// reported.
pub unsafe extern "system" fn WSASendMsg(
    handle: SOCKET,
    lpmsg: *const WSAMSG,
    dwflags: u32,
    lpnumberofbytessent: *mut u32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    let call = Call {
        socket: handle,
        transferred: lpnumberofbytessent,
        flags: null_mut(),
        overlapped: lpoverlapped,
        routine: lpcompletionroutine,
    };
    let start = |socket: &Named<Socket>, how: Option<How>| {
        if lpmsg.is_null() {
            return Err(Status::FAULT);
        }
        if !socket.is_datagram() {
            return Err(Status::INVALID);
        }
        if how.is_none() && lpnumberofbytessent.is_null() {
            socket.bind_implicitly()?; // which Windows has done by then
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let message = unsafe { lpmsg.read_unaligned() };
        // SAFETY: the caller's promise.
        let buffers = unsafe { parts_of(&message) }?;
        // SAFETY: the caller's promise.
        let to = unsafe { destination(message.name, message.namelen, socket.family) }?;
        let control = if message.Control.buf.is_null() {
            Box::default()
        } else {
            let (records, length) = (message.Control.buf, message.Control.len as usize);
            // SAFETY: the caller's promise.
            control_to_linux(unsafe { std::slice::from_raw_parts(records, length) })?
        };
        socket.send_datagram(buffers, dwflags, to, control, how)
    };
    // SAFETY: the caller's promise.
    unsafe { call.make(start) }
}

/// Receives a datagram, its sender's address and control data, synchronously or overlapped. Found by `WSAIoctl` with
/// WSAID_WSARECVMSG.
///
/// The WSABUF array is captured; the message, its other parts, buffers and OVERLAPPED are the library's until the
/// operation is reported. Then the message's `namelen`, `Control.len` and `dwFlags` say what was stored.
///
/// # Errors
/// As `WSARecvFrom`. Control data that was cut is a failure like data that was cut, with all the data; `dwFlags` tells
/// them apart.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nc-mswsock-lpfn_wsarecvmsg>
///
/// # Safety
/// Pointers are null or valid, those in the message too; with an OVERLAPPED until the operation is reported.
pub unsafe extern "system" fn WSARecvMsg(
    s: SOCKET,
    lpmsg: *mut WSAMSG,
    lpdwnumberofbytesrecvd: *mut u32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    let call = Call {
        socket: s,
        transferred: lpdwnumberofbytesrecvd,
        flags: null_mut(),
        overlapped: lpoverlapped,
        routine: lpcompletionroutine,
    };
    let start = |socket: &Named<Socket>, how: Option<How>| {
        if lpmsg.is_null() || (how.is_none() && lpdwnumberofbytesrecvd.is_null()) {
            return Err(Status::FAULT);
        }
        if !socket.is_datagram() {
            return Err(Status::INVALID);
        }
        // SAFETY: the caller's promise.
        let message = unsafe { lpmsg.read_unaligned() };
        // SAFETY: the caller's promise.
        let buffers = unsafe { parts_of(&message) }
            .inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
        let name_len = socket.family.address_len() as i64;
        if !message.name.is_null() && i64::from(message.namelen) < name_len {
            return Err(Status::FAULT);
        }
        if message.dwFlags & !(MSG_PEEK as u32) != 0 {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        let report = Report::Message(lpmsg);
        socket.receive_datagram(buffers, message.dwFlags, report, how)
    };
    // SAFETY: the caller's promise.
    unsafe { call.make(start) }
}

// The types of the pointers that programs ask for.
const _: LPFN_WSARECVMSG = Some(WSARecvMsg);
const _: LPFN_WSASENDMSG = Some(WSASendMsg);
