//! mswsock.h: AcceptEx, ConnectEx, DisconnectEx, and how they and WSARecvMsg are found.

use core::ffi::c_void;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{FALSE, TRUE};
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{BOOL, GUID};

use super::{datagram, readiness};
use crate::platform::engine::completion;
use crate::platform::engine::operation::Buffers;
use crate::platform::engine::request::{How, Overlapped, Started};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::sockets::accept::Output;
use crate::platform::sockets::address::Address;
use crate::platform::sockets::socket::Socket;
use crate::platform::startup;
use crate::platform::status::Status;

/// The answer of AcceptEx and ConnectEx: `FALSE` with a winsock code, ERROR_IO_PENDING if the call was accepted.
fn pending(started: Result<(), Status>) -> BOOL {
    last_error::winsock_value(started.and(Err(Status::IO_PENDING)), FALSE)
}

/// Accepts a connection into `sacceptsocket`, and receives its first data if `dwreceivedatalength` is not 0.
///
/// Always answers `FALSE`, with ERROR_IO_PENDING when it was accepted. The output buffer is the library's until the
/// operation is reported, to the listener's port.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nf-mswsock-acceptex>
///
/// # Safety
/// `lpoutputbuffer` is null or valid for the three lengths together, `lpoverlapped` null or valid, until reported.
pub unsafe extern "system" fn AcceptEx(
    slistensocket: SOCKET,
    sacceptsocket: SOCKET,
    lpoutputbuffer: *mut c_void,
    dwreceivedatalength: u32,
    dwlocaladdresslength: u32,
    dwremoteaddresslength: u32,
    _lpdwbytesreceived: *mut u32,
    lpoverlapped: *mut OVERLAPPED,
) -> BOOL {
    let accept = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let overlapped = unsafe { begin(lpoverlapped) };
        let listener = handle::socket(slistensocket)?;
        let overlapped = overlapped?;
        let acceptor = handle::socket(sacceptsocket)?;
        if lpoutputbuffer.is_null() || dwremoteaddresslength == 0 {
            return Err(Status::FAULT);
        }
        let output = Output {
            base: lpoutputbuffer.cast(),
            data: dwreceivedatalength as usize,
            local: dwlocaladdresslength as usize,
            remote: dwremoteaddresslength as usize,
        };
        listener.accept_into(Arc::clone(&acceptor), output, overlapped)
    };
    pending(accept())
}

/// Marks the OVERLAPPED as pending, which it stays when the call is refused.
///
/// # Safety
/// `overlapped` is null or stays valid until the operation is reported.
unsafe fn begin(overlapped: *mut OVERLAPPED) -> Result<Overlapped, Status> {
    if overlapped.is_null() {
        return Err(Status::from_win32(
            windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER,
        ));
    }
    // SAFETY: the caller's promise.
    let overlapped = unsafe { Overlapped::new(overlapped) }?;
    overlapped.set_pending();
    Ok(overlapped)
}

/// Finds the two addresses in AcceptEx's output buffer; the pointers point into it.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nf-mswsock-getacceptexsockaddrs>
///
/// # Safety
/// `lpoutputbuffer` is the buffer of a finished AcceptEx with these three lengths; the out-pointers are null or valid.
pub unsafe extern "system" fn GetAcceptExSockaddrs(
    lpoutputbuffer: *const c_void,
    dwreceivedatalength: u32,
    dwlocaladdresslength: u32,
    dwremoteaddresslength: u32,
    localsockaddr: *mut *mut SOCKADDR,
    localsockaddrlength: *mut i32,
    remotesockaddr: *mut *mut SOCKADDR,
    remotesockaddrlength: *mut i32,
) {
    if lpoutputbuffer.is_null() {
        return;
    }
    let (data, local) = (dwreceivedatalength as usize, dwlocaladdresslength as usize);
    let areas = [
        (data, local, localsockaddr, localsockaddrlength),
        (
            data + local,
            dwremoteaddresslength as usize,
            remotesockaddr,
            remotesockaddrlength,
        ),
    ];
    for (offset, length, address_out, length_out) in areas {
        if length == 0 {
            continue; // left out: its out-arguments are left alone
        }
        // SAFETY: within the buffer by the caller's promise.
        let area =
            unsafe { std::slice::from_raw_parts(lpoutputbuffer.cast::<u8>().add(offset), length) };
        let (start, length) = Output::address_in(area);
        let address = area
            .as_ptr()
            .wrapping_add(start)
            .cast_mut()
            .cast::<SOCKADDR>();
        // SAFETY: the caller's promise.
        unsafe {
            super::store(address_out, address);
            super::store(length_out, length as i32);
        }
    }
}

/// Connects a bound socket and sends the first data. Found by `WSAIoctl` with WSAID_CONNECTEX.
///
/// Always answers `FALSE`, with ERROR_IO_PENDING when it was accepted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nc-mswsock-lpfn_connectex>
///
/// # Safety
/// `name` is null or valid for `namelen` bytes; `lpsendbuffer` is null or valid for `dwsenddatalength` bytes, and
/// `lpoverlapped` null or valid, both until reported.
unsafe extern "system" fn ConnectEx(
    s: SOCKET,
    name: *const SOCKADDR,
    namelen: i32,
    lpsendbuffer: *const c_void,
    dwsenddatalength: u32,
    _lpdwbytessent: *mut u32,
    lpoverlapped: *mut OVERLAPPED,
) -> BOOL {
    let connect = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let overlapped = unsafe { begin(lpoverlapped) };
        let socket = handle::socket(s)?;
        let overlapped = overlapped?;
        if name.is_null() || namelen < 0 {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let bytes =
            unsafe { std::slice::from_raw_parts(name.cast::<u8>(), (namelen as usize).min(128)) };
        let address = Address::from_windows(bytes, socket.family)?;
        let length = if lpsendbuffer.is_null() {
            0
        } else {
            dwsenddatalength as usize
        };
        let data = Buffers::one(lpsendbuffer.cast_mut().cast(), length);
        socket.connect_extended(address, data, overlapped)
    };
    pending(connect())
}

// The type of the pointer that programs ask for.
const _: LPFN_CONNECTEX = Some(ConnectEx);

/// Ends a connection, and with TF_REUSE_SOCKET makes its socket fit for AcceptEx (if it was accepted) or ConnectEx (if it
/// connected; it stays bound). Found by `WSAIoctl` with WSAID_DISCONNECTEX.
///
/// With an OVERLAPPED it always answers `FALSE`, with ERROR_IO_PENDING when it was accepted. To be used again the socket
/// must see the peer's end too; receives that pend then are finished first, further ones are refused.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/mswsock/nc-mswsock-lpfn_disconnectex>
///
/// # Safety
/// `lpoverlapped` is null, or valid until reported.
unsafe extern "system" fn DisconnectEx(
    s: SOCKET,
    lpoverlapped: *mut OVERLAPPED,
    dwflags: u32,
    dwreserved: u32,
) -> BOOL {
    let disconnect = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let overlapped = unsafe { begin(lpoverlapped) }.ok();
        let socket = handle::socket(s)?;
        if dwreserved != 0 || dwflags & !TF_REUSE_SOCKET != 0 {
            return Err(Status::INVALID);
        }
        match socket.disconnect(dwflags == TF_REUSE_SOCKET, overlapped)? {
            Started::Done(_) | Started::Cut(_) => Ok(TRUE),
            Started::Pending => Err(Status::IO_PENDING),
        }
    };
    last_error::winsock_value(disconnect(), FALSE)
}

const _: LPFN_DISCONNECTEX = Some(DisconnectEx);

// ---- how they are found ----

/// SIO_GET_EXTENSION_FUNCTION_POINTER: the count of bytes written.
///
/// # Errors
/// `FAULT` if a buffer is short, `INVALID` for an unknown GUID.
pub fn extension(
    socket: &Arc<Socket>,
    input: &[u8],
    output: &mut [u8],
    how: Option<How>,
) -> Result<usize, Status> {
    let guid = input.first_chunk::<16>().ok_or(Status::FAULT)?;
    let functions: [(GUID, usize); 7] = [
        (WSAID_ACCEPTEX, AcceptEx as *const () as usize),
        (WSAID_CONNECTEX, ConnectEx as *const () as usize),
        (WSAID_DISCONNECTEX, DisconnectEx as *const () as usize),
        (
            WSAID_GETACCEPTEXSOCKADDRS,
            GetAcceptExSockaddrs as *const () as usize,
        ),
        (WSAID_WSAPOLL, readiness::WSAPoll as *const () as usize),
        (WSAID_WSARECVMSG, datagram::WSARecvMsg as *const () as usize),
        (WSAID_WSASENDMSG, datagram::WSASendMsg as *const () as usize),
    ];
    let found = functions.iter().find(|(known, _)| bytes_of(known) == *guid);
    let (_, function) = found.ok_or(Status::INVALID)?;
    let out = output.get_mut(..size_of::<usize>()).ok_or(Status::FAULT)?;
    out.copy_from_slice(&function.to_ne_bytes());
    if let Some(how) = how {
        completion::report(socket, how, Status::SUCCESS, 0)?;
    }
    Ok(size_of::<usize>())
}

fn bytes_of(guid: &GUID) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&guid.data1.to_le_bytes());
    bytes[4..6].copy_from_slice(&guid.data2.to_le_bytes());
    bytes[6..8].copy_from_slice(&guid.data3.to_le_bytes());
    bytes[8..].copy_from_slice(&guid.data4);
    bytes
}
