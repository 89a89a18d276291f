//! winsock2.h: hosts, services and protocols that are looked up while the program goes on, which a message tells.

use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{HANDLE, HWND};
use windows_sys::core::{PCSTR, PSTR};

use super::block::Block;
use super::hosts::{write_host, write_protocol, write_service};
use super::text::string;
use crate::platform::last_error;
use crate::platform::messages::window;
use crate::platform::names::async_database::{self, Answer, Report};
use crate::platform::names::database;
use crate::platform::names::resolve::waiting;
use crate::platform::names::text;
use crate::platform::sockets::address::Family;
use crate::platform::startup;
use crate::platform::status::Status;

/// Looks up the host of that name, as `gethostbyname`; the task's handle, or null.
///
/// When it is done, `buf` has a HOSTENT with all that it points to, and the window gets message `wmsg` with the task's handle
/// and, in its second parameter, the length of what is in `buf` and an error (WSAGETASYNCBUFLEN, WSAGETASYNCERROR).
/// WSAENOBUFS: so much is needed, and nothing is in `buf`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaasyncgethostbyname>
///
/// # Safety
/// `name` is null or a zero-terminated string; `buf` is null or valid for writes of `buflen` bytes, which are the library's until
/// the message comes or the task is cancelled.
pub unsafe extern "system" fn WSAAsyncGetHostByName(
    hwnd: HWND,
    wmsg: u32,
    name: PCSTR,
    buf: PSTR,
    buflen: i32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { string(name) };
    let find = move || database::host_by_name(&name.ok_or(Status::FAULT)?);
    start(hwnd, wmsg, (buf, buflen), find, write_host)
}

/// Looks up the host with that address, as `gethostbyaddr`; else as `WSAAsyncGetHostByName`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaasyncgethostbyaddr>
///
/// # Safety
/// `addr` is null or valid for `len` bytes; `buf` as for `WSAAsyncGetHostByName`.
pub unsafe extern "system" fn WSAAsyncGetHostByAddr(
    hwnd: HWND,
    wmsg: u32,
    addr: PCSTR,
    len: i32,
    r#type: i32,
    buf: PSTR,
    buflen: i32,
) -> HANDLE {
    let read = || {
        let family = Family::from_windows(r#type).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
        let needed = text::octets_len(family);
        if addr.is_null() || usize::try_from(len).map_or(true, |len| len < needed) {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let octets = unsafe { std::slice::from_raw_parts(addr, needed) };
        Ok((family, octets.to_vec()))
    };
    let address = read();
    let find = move || {
        let (family, octets) = address?;
        database::host_by_address(family, &octets)
    };
    start(hwnd, wmsg, (buf, buflen), find, write_host)
}

/// Looks up the service of that name, as `getservbyname`; else as `WSAAsyncGetHostByName`, with a SERVENT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsaasyncgetservbyname>
///
/// # Safety
/// `name` and `proto` are null or zero-terminated strings; `buf` as for `WSAAsyncGetHostByName`.
pub unsafe extern "system" fn WSAAsyncGetServByName(
    hwnd: HWND,
    wmsg: u32,
    name: PCSTR,
    proto: PCSTR,
    buf: PSTR,
    buflen: i32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let (name, proto) = unsafe { (string(name), string(proto)) };
    let find = move || {
        let name = name.ok_or(Status::FAULT)?;
        database::service_by_name(&name, proto.as_deref()).ok_or(Status::NO_DATA)
    };
    start(hwnd, wmsg, (buf, buflen), find, write_service)
}

/// Looks up the service at that port, as `getservbyport`; else as `WSAAsyncGetHostByName`, with a SERVENT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsaasyncgetservbyport>
///
/// # Safety
/// `proto` is null or a zero-terminated string; `buf` as for `WSAAsyncGetHostByName`.
pub unsafe extern "system" fn WSAAsyncGetServByPort(
    hwnd: HWND,
    wmsg: u32,
    port: i32,
    proto: PCSTR,
    buf: PSTR,
    buflen: i32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let proto = unsafe { string(proto) };
    let port = u16::from_be(port as u16); // a short in an int
    let find = move || {
        let service = database::service_by_port(port, proto.as_deref());
        service.ok_or(Status::NO_DATA)
    };
    start(hwnd, wmsg, (buf, buflen), find, write_service)
}

/// Looks up the protocol of that name, as `getprotobyname`; else as `WSAAsyncGetHostByName`, with a PROTOENT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsaasyncgetprotobyname>
///
/// # Safety
/// `name` is null or a zero-terminated string; `buf` as for `WSAAsyncGetHostByName`.
pub unsafe extern "system" fn WSAAsyncGetProtoByName(
    hwnd: HWND,
    wmsg: u32,
    name: PCSTR,
    buf: PSTR,
    buflen: i32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { string(name) };
    let find = move || {
        let name = name.ok_or(Status::FAULT)?;
        database::protocol_by_name(&name).ok_or(Status::NO_DATA)
    };
    start(hwnd, wmsg, (buf, buflen), find, write_protocol)
}

/// Looks up the protocol of that number, as `getprotobynumber`; else as `WSAAsyncGetHostByName`, with a PROTOENT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsaasyncgetprotobynumber>
///
/// # Safety
/// `buf` as for `WSAAsyncGetHostByName`.
pub unsafe extern "system" fn WSAAsyncGetProtoByNumber(
    hwnd: HWND,
    wmsg: u32,
    number: i32,
    buf: PSTR,
    buflen: i32,
) -> HANDLE {
    let find = move || database::protocol_by_number(number).ok_or(Status::NO_DATA);
    start(hwnd, wmsg, (buf, buflen), find, write_protocol)
}

/// Calls a task off: no message comes, and its buffer is the program's again.
///
/// WSAEALREADY if it is done, though its message may still wait; WSAEINVAL if the handle was never that of a task.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsacancelasyncrequest>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSACancelAsyncRequest(hasynctaskhandle: HANDLE) -> i32 {
    let cancel = || {
        startup::check()?;
        async_database::cancel(hasynctaskhandle as usize)
    };
    last_error::winsock_result(cancel())
}

/// Starts a task that finds something and writes it into the program's buffer.
fn start<T: 'static, Entry: 'static>(
    window: HWND,
    message: u32,
    (buffer, len): (PSTR, i32),
    find: impl FnOnce() -> Result<T, Status> + Send + 'static,
    write: fn(&mut Block, &T) -> *mut Entry,
) -> HANDLE {
    let start = || {
        startup::check()?;
        let address = buffer.addr();
        let ask = move || {
            let found = waiting(find)?;
            let mut block = Block::to_be_copied(address);
            write(&mut block, &found);
            Ok(block.bytes().to_vec())
        };
        let reply = Reply {
            window: window as usize,
            message,
            buffer,
            len: usize::try_from(len).unwrap_or(0),
            told: 0,
        };
        async_database::start(ask, Box::new(reply))
    };
    let number = start().map(|number| number.value() as HANDLE);
    last_error::winsock_value(number, null_mut())
}

/// Where the answer of a task goes.
struct Reply {
    window: usize, // HWND
    message: u32,
    buffer: PSTR,
    len: usize,
    told: i32, // length and error
}

// SAFETY: the program lends the buffer to the library, whichever thread fills it.
unsafe impl Send for Reply {}

impl Report for Reply {
    fn store(&mut self, answer: Answer) {
        let (len, error) = match answer {
            Ok(_) if self.buffer.is_null() => (0, Status::FAULT.to_winsock()),
            Ok(bytes) if bytes.len() > self.len => (bytes.len(), Status::NO_BUFFERS.to_winsock()),
            Ok(bytes) => {
                let (start, len) = (bytes.as_ptr(), bytes.len());
                // SAFETY: the program's buffer of that length, which is the library's until the task is over.
                unsafe { self.buffer.copy_from_nonoverlapping(start, len) };
                (len, 0)
            }
            Err(status) => (0, status.to_winsock()),
        };
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        self.told = (error << 16 | u32::from(len)) as i32;
    }

    fn tell(self: Box<Self>, task: usize) {
        // To a window that is not there nothing can be told; nobody has looked before.
        let _ = window::post(self.window as HWND, self.message, task, self.told as isize);
    }
}
