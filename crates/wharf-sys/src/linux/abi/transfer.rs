//! winsock2.h: transfers, and how every transfer's arguments and result pass the edge.

use std::ptr::null_mut;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{BOOL, PCSTR, PSTR};

use super::ioapi::wait_for_operation;
use super::store;
use super::winsock2::find;
use crate::platform::engine::operation::Buffers;
use crate::platform::engine::request::{DoneOut, How, Overlapped, Started};
use crate::platform::events::network_events::Occasion;
use crate::platform::last_error;
use crate::platform::objects::handle::{self, Named};
use crate::platform::sockets::socket::Socket;
use crate::platform::startup;
use crate::platform::status::Status;

// ---- what transfers share ----

/// How a call that may be overlapped wants its result: where what is done at once is stored, and whom to tell of the rest.
#[derive(Clone, Copy)]
pub struct Call {
    pub socket: SOCKET,
    pub transferred: *mut u32,
    pub flags: *mut u32,
    pub overlapped: *mut OVERLAPPED,
    pub routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
}

impl Call {
    /// Starts the transfer as `start` says, and gives its result back. An overlapped one that is done at once has stored its
    /// count by then: the program may have been told, and the variable gone with it.
    ///
    /// # Safety
    /// Pointers are null or valid; with an OVERLAPPED, it and what `start` captures until the operation is reported.
    pub unsafe fn make(
        self,
        start: impl FnOnce(&Named<Socket>, Option<How>) -> Result<Started, Status>,
    ) -> i32 {
        let is_overlapped = !self.overlapped.is_null();
        let how = is_overlapped.then(|| {
            // SAFETY: the caller's promise.
            let overlapped = unsafe { Overlapped::new(self.overlapped) }?;
            overlapped.set_pending(); // which it stays if the call is refused
            // SAFETY: the caller's promise.
            let out = unsafe { DoneOut::new(self.transferred, self.flags) };
            Ok(How::Overlapped(overlapped, self.routine, out))
        });
        let started = find(self.socket).and_then(|socket| start(&socket, how.transpose()?));
        let (bytes, result) = match started {
            Ok(Started::Done(bytes)) => (Some(bytes), Ok(())),
            Ok(Started::Cut(bytes)) => (Some(bytes), Err(Status::BUFFER_OVERFLOW)),
            Ok(Started::Pending) => (None, Err(Status::IO_PENDING)),
            Err(status) => (None, Err(status)),
        };
        if let (Some(bytes), false) = (bytes, is_overlapped) {
            // SAFETY: the caller's promise.
            unsafe { store(self.transferred, bytes as u32) };
        }
        last_error::winsock_result(result)
    }

    /// As [`make`](Self::make), a receive into a WSABUF array: `receive` is told the captured buffers and the flags.
    ///
    /// # Safety
    /// As `make`; `buffers` is null or valid for `count` entries.
    pub unsafe fn receive(
        self,
        (buffers, count): (*const WSABUF, u32),
        receive: impl FnOnce(&Named<Socket>, Buffers, u32, Option<How>) -> Result<Started, Status>,
    ) -> i32 {
        let start = |socket: &Named<Socket>, how: Option<How>| {
            if self.flags.is_null() || (how.is_none() && self.transferred.is_null()) {
                return Err(Status::FAULT);
            }
            // SAFETY: the caller's promise.
            let buffers = unsafe { capture(buffers, count) }
                .inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
            // SAFETY: the caller's promise.
            let flags = unsafe { self.flags.read_unaligned() };
            let started = receive(socket, buffers, flags, how)?;
            if how.is_none() {
                // SAFETY: the caller's promise. There are no flags to report.
                unsafe { self.flags.write_unaligned(0) };
            }
            Ok(started)
        };
        // SAFETY: the caller's promise.
        unsafe { self.make(start) }
    }

    /// As [`make`](Self::make), a send from a WSABUF array: `send` is told the captured buffers.
    ///
    /// # Safety
    /// As `make`; `buffers` is null or valid for `count` entries.
    pub unsafe fn send(
        self,
        (buffers, count): (*const WSABUF, u32),
        send: impl FnOnce(&Named<Socket>, Buffers, Option<How>) -> Result<Started, Status>,
    ) -> i32 {
        let start = |socket: &Named<Socket>, how: Option<How>| {
            if how.is_none() && self.transferred.is_null() {
                return Err(Status::FAULT);
            }
            // SAFETY: the caller's promise.
            let buffers = unsafe { capture(buffers, count) }?;
            send(socket, buffers, how)
        };
        // SAFETY: the caller's promise.
        unsafe { self.make(start) }
    }
}

/// # Safety
/// `buffers` is valid for `count` entries; they are captured.
pub unsafe fn capture(buffers: *const WSABUF, count: u32) -> Result<Buffers, Status> {
    if count == 0 {
        return Err(Status::INVALID);
    }
    if buffers.is_null() {
        return Err(Status::FAULT);
    }
    let one = |index: u32| {
        // SAFETY: the caller's promise.
        let buffer = unsafe { buffers.add(index as usize).read_unaligned() };
        (buffer.buf, buffer.len as usize)
    };
    let is_wrong = |(base, length): (*mut u8, usize)| base.is_null() && length > 0;
    if (0..count).map(one).any(is_wrong) {
        return Err(Status::FAULT);
    }
    if count == 1 {
        let (base, length) = one(0);
        return Ok(Buffers::one(base, length));
    }
    Ok(Buffers::new(
        (0..count as usize).map(|index| one(index as u32)),
    ))
}

/// One buffer of a call that is not overlapped.
pub fn buffer(base: *mut u8, length: i32) -> Result<Buffers, Status> {
    if length < 0 || (base.is_null() && length > 0) {
        return Err(Status::FAULT);
    }
    Ok(Buffers::one(base, length as usize))
}

/// What a call returns that is not overlapped.
pub fn bytes_done(started: Started) -> Result<i32, Status> {
    match started {
        Started::Done(bytes) => Ok(bytes as i32),
        Started::Cut(_) => Err(Status::BUFFER_OVERFLOW),
        Started::Pending => Ok(0),
    }
}

// ---- the functions ----

/// Receives, synchronously or overlapped.
///
/// The WSABUF array is captured; buffers and OVERLAPPED are the library's until the operation is reported.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecv>
///
/// # Safety
/// Pointers are null or valid; with an OVERLAPPED, it and the buffers until the operation is reported.
pub unsafe extern "system" fn WSARecv(
    s: SOCKET,
    lpbuffers: *const WSABUF,
    dwbuffercount: u32,
    lpnumberofbytesrecvd: *mut u32,
    lpflags: *mut u32,
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
            socket.receive(buffers, flags, how)
        })
    }
}

/// Sends, synchronously or overlapped.
///
/// The WSABUF array is captured; buffers and OVERLAPPED are the library's until the operation is reported.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasend>
///
/// # Safety
/// Pointers are null or valid; with an OVERLAPPED, it and the buffers until the operation is reported.
pub unsafe extern "system" fn WSASend(
    s: SOCKET,
    lpbuffers: *const WSABUF,
    dwbuffercount: u32,
    lpnumberofbytessent: *mut u32,
    dwflags: u32,
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
            socket.send(buffers, dwflags, how)
        })
    }
}

/// Receives, as the blocking mode says. Returns the count of bytes, 0 at the end of the stream.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-recv>
///
/// # Safety
/// `buf` is null or valid for writes of `len` bytes.
pub unsafe extern "system" fn recv(s: SOCKET, buf: PSTR, len: i32, flags: SEND_RECV_FLAGS) -> i32 {
    let receive = || {
        let socket = find(s)?;
        let buffer = buffer(buf, len).inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
        socket.receive(buffer, flags as u32, None)
    };
    last_error::winsock_value(receive().and_then(bytes_done), SOCKET_ERROR)
}

/// Sends, as the blocking mode says. Returns the count of bytes.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-send>
///
/// # Safety
/// `buf` is null or valid for reads of `len` bytes.
pub unsafe extern "system" fn send(s: SOCKET, buf: PCSTR, len: i32, flags: SEND_RECV_FLAGS) -> i32 {
    let send = || find(s)?.send(buffer(buf.cast_mut(), len)?, flags as u32, None);
    last_error::winsock_value(send().and_then(bytes_done), SOCKET_ERROR)
}

/// The result of an overlapped operation on a socket, in WSA codes; waits for it if `fwait`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetoverlappedresult>
///
/// # Safety
/// Pointers are null or valid.
pub unsafe extern "system" fn WSAGetOverlappedResult(
    s: SOCKET,
    lpoverlapped: *const OVERLAPPED,
    lpcbtransfer: *mut u32,
    fwait: BOOL,
    lpdwflags: *mut u32,
) -> BOOL {
    let result = || {
        startup::check()?;
        handle::winsock_socket(s)?;
        if lpoverlapped.is_null() || lpcbtransfer.is_null() || lpdwflags.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: valid by the caller's promise.
        let overlapped = unsafe { Overlapped::new(lpoverlapped.cast_mut()) }?;
        let mut status = overlapped.status();
        if status == Status::PENDING && fwait != 0 {
            let waited = match overlapped.event_handle() {
                0 => s as HANDLE,
                event => event as HANDLE,
            };
            // The handle's own code is Win32's here: WSA_INVALID_HANDLE.
            wait_for_operation(waited, None, false)
                .map_err(|status| Status::from_win32(status.to_win32()))?;
            status = overlapped.status();
            if status == Status::PENDING {
                status = Status::SUCCESS; // the event, not Internal, ends the wait
            }
        }
        if status == Status::PENDING {
            return Err(Status::PENDING);
        }
        // SAFETY: valid by the caller's promise.
        unsafe { store(lpcbtransfer, overlapped.transferred() as u32) };
        if status.is_failure() {
            return Err(status);
        }
        // SAFETY: valid by the caller's promise.
        unsafe { store(lpdwflags, 0) };
        Ok(1)
    };
    last_error::winsock_value(result(), 0)
}
