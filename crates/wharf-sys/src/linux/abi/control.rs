//! winsock2.h: options and control codes.

use std::net::SocketAddr;

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{PCSTR, PSTR};

use super::connection::read_entries;
use super::winsock2::find;
use super::{mswsock, store};
use crate::platform::engine::request::{DoneOut, How, Overlapped};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::sockets::control::{self, Controlled, Input};
use crate::platform::sockets::option::{self, SetEffect};
use crate::platform::startup;
use crate::platform::status::Status;

/// FIONBIO, FIONREAD, SIOCATMARK.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-ioctlsocket>
///
/// # Safety
/// `argp` is null or valid for reads and writes of 32 bits.
pub unsafe extern "system" fn ioctlsocket(s: SOCKET, cmd: i32, argp: *mut u32) -> i32 {
    let control = || {
        let socket = find(s)?;
        if !option::is_readable(argp.cast()) {
            return Err(Status::FAULT);
        }
        match cmd {
            // SAFETY: the caller's promise.
            FIONBIO => socket.set_blocking_mode(unsafe { argp.read_unaligned() } == 0)?,
            // SAFETY: the caller's promise.
            FIONREAD => unsafe { argp.write_unaligned(socket.readable_bytes()) },
            // SAFETY: the caller's promise.
            SIOCATMARK => unsafe { argp.write_unaligned(u32::from(socket.no_urgent_data())) },
            _ => return Err(Status::OPERATION_UNSUPPORTED),
        }
        Ok(())
    };
    last_error::winsock_result(control())
}

/// Sets an option.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-setsockopt>
///
/// # Safety
/// `optval` is null or valid for reads of `optlen` bytes (of 4, if that is negative).
pub unsafe extern "system" fn setsockopt(
    s: SOCKET,
    level: i32,
    optname: i32,
    optval: PCSTR,
    optlen: i32,
) -> i32 {
    // SAFETY: the caller's promise.
    let value = (!optval.is_null())
        .then(|| unsafe { std::slice::from_raw_parts(optval, option::buffer_len(optlen)) });
    let set = || {
        startup::check()?;
        if option::is_open_type(level, optname) {
            return option::set_open_type(value, optlen);
        }
        let socket = handle::socket(s)?;
        let value = value.filter(|_| option::is_readable(optval));
        match socket.set_option(level, optname, value, optlen)? {
            SetEffect::None | SetEffect::ConnectError(_) => Ok(()),
            SetEffect::UpdateAcceptContext(listener) => {
                let listener = handle::socket(listener)?;
                socket.update_accept_context(&listener)?;
                socket.inherit_network_events(&listener, s);
                Ok(())
            }
            SetEffect::UpdateConnectContext => socket.update_connect_context(),
        }
    };
    last_error::winsock_result(set())
}

/// Reads an option.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-getsockopt>
///
/// # Safety
/// `optlen` is null or valid; `optval` is null or valid for writes of `*optlen` bytes (of 4, if that is negative).
pub unsafe extern "system" fn getsockopt(
    s: SOCKET,
    level: i32,
    optname: i32,
    optval: PSTR,
    optlen: *mut i32,
) -> i32 {
    let get = || {
        startup::check()?;
        let open_type = option::is_open_type(level, optname);
        let socket = if open_type {
            None
        } else {
            Some(handle::socket(s)?)
        };
        if optlen.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let length = unsafe { optlen.read_unaligned() };
        // SAFETY: the caller's promise.
        let out = option::is_readable(optval)
            .then(|| unsafe { std::slice::from_raw_parts_mut(optval, option::buffer_len(length)) });
        let (result, length) = match socket {
            Some(socket) => socket.get_option(level, optname, out, length),
            None => option::get_open_type(out, length),
        };
        // SAFETY: the caller's promise.
        unsafe { optlen.write_unaligned(length) };
        result
    };
    last_error::winsock_result(get())
}

/// Controls a socket: blocking mode, counts, keep-alive values, extension function pointers.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaioctl>
///
/// # Safety
/// Pointers are null or valid for the given lengths.
pub unsafe extern "system" fn WSAIoctl(
    s: SOCKET,
    dwiocontrolcode: u32,
    lpvinbuffer: *const core::ffi::c_void,
    cbinbuffer: u32,
    lpvoutbuffer: *mut core::ffi::c_void,
    cboutbuffer: u32,
    lpcbbytesreturned: *mut u32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    let most = control::input_max(dwiocontrolcode);
    // SAFETY: the caller's promise.
    let input = unsafe { capture(lpvinbuffer.cast(), cbinbuffer, most) };
    let control = || {
        let socket = find(s)?;
        if lpcbbytesreturned.is_null() {
            return Err(Status::FAULT);
        }
        let how = (!lpoverlapped.is_null()).then(|| {
            // SAFETY: the caller's promise.
            let overlapped = unsafe { Overlapped::new(lpoverlapped) }?;
            Ok(How::Overlapped(
                overlapped,
                lpcompletionroutine,
                DoneOut::nowhere(),
            ))
        });
        let how = how.transpose()?;
        if dwiocontrolcode == SIO_GET_EXTENSION_FUNCTION_POINTER {
            // SAFETY: the caller's promise; the input has been read.
            let output = unsafe { slice_mut(lpvoutbuffer.cast(), cboutbuffer) };
            return mswsock::extension(&socket, &input, output, how).map(Controlled::Done);
        }
        let list = match dwiocontrolcode {
            // SAFETY: the caller's promise.
            SIO_ADDRESS_LIST_SORT => unsafe { read_list_of(lpvinbuffer.cast(), cbinbuffer) }?,
            _ => Vec::new(),
        };
        // SAFETY: the caller's promise; the input, which may be the same memory, has been read.
        let output = unsafe { slice_mut(lpvoutbuffer.cast(), cboutbuffer) };
        let input = Input {
            bytes: &input,
            list: &list,
            has_output: !lpvoutbuffer.is_null(),
            handle: s,
        };
        socket.control(dwiocontrolcode, &input, output, how)
    };
    let result = match control() {
        Ok(Controlled::Done(returned)) => {
            // SAFETY: the caller's promise.
            unsafe { store(lpcbbytesreturned, returned as u32) };
            Ok(())
        }
        Ok(Controlled::Uncounted) => Ok(()),
        Ok(Controlled::Pending) => Err(Status::IO_PENDING),
        Ok(Controlled::Refused(status, returned)) => {
            // SAFETY: the caller's promise.
            unsafe { store(lpcbbytesreturned, returned as u32) };
            Err(status)
        }
        Err(status) => Err(status),
    };
    last_error::winsock_result(result)
}

/// The input of a control code, copied, since a program may pass the same buffer for the output; no more than `most` bytes.
///
/// # Safety
/// `base` is null or valid for reads of `length` bytes.
unsafe fn capture(base: *const u8, length: u32, most: usize) -> Vec<u8> {
    if base.is_null() {
        return Vec::new();
    }
    let length = (length as usize).min(most);
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(base, length) }.to_vec()
}

/// The addresses of a list in a buffer of that length.
///
/// # Safety
/// `list` is null or valid for reads of `length` bytes, and so are the pointers in it.
unsafe fn read_list_of(
    list: *const SOCKET_ADDRESS_LIST,
    length: u32,
) -> Result<Vec<SocketAddr>, Status> {
    let header = std::mem::offset_of!(SOCKET_ADDRESS_LIST, Address);
    if list.is_null() || (length as usize) < header {
        return Err(Status::INVALID);
    }
    // SAFETY: the count is within the buffer.
    let count = unsafe { (&raw const (*list).iAddressCount).read_unaligned() };
    let count = usize::try_from(count).map_err(|_| Status::INVALID)?;
    if (length as usize - header) / size_of::<SOCKET_ADDRESS>() < count {
        return Err(Status::INVALID);
    }
    // SAFETY: the entries are within the buffer; what they point to is the caller's promise.
    unsafe { read_entries(list, count) }
}

/// # Safety
/// `base` is null or valid for writes of `length` bytes.
unsafe fn slice_mut<'a>(base: *mut u8, length: u32) -> &'a mut [u8] {
    if base.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(base, length as usize) }
}
