//! winsock2.h: multipoint sessions, and templates of qualities of service.

use windows_sys::Win32::Foundation::{FALSE, TRUE};
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::BOOL;

use super::connection::has_data;
use super::read;
use super::winsock2::{find, read_address};
use crate::platform::last_error;
use crate::platform::status::Status;

/// Joins a multicast group with a datagram socket that was made a leaf (WSA_FLAG_MULTIPOINT_C_LEAF or _D_LEAF), and returns
/// that socket. FD_CONNECT is recorded.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsajoinleaf>
///
/// # Safety
/// `name` is null or valid for `namelen` bytes, the buffers are null or valid.
pub unsafe extern "system" fn WSAJoinLeaf(
    s: SOCKET,
    name: *const SOCKADDR,
    namelen: i32,
    lpcallerdata: *const WSABUF,
    lpcalleedata: *mut WSABUF,
    lpsqos: *const QOS,
    _lpgqos: *const QOS,
    dwflags: u32,
) -> SOCKET {
    let join = || {
        let socket = find(s)?;
        // SAFETY: the caller's promise.
        let group = unsafe { read_address(name, namelen, socket.family) }?;
        // SAFETY: the caller's promise.
        if unsafe { has_data(lpcallerdata) } {
            return Err(Status::PROTOCOL_UNSUPPORTED);
        }
        if !lpsqos.is_null() {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        let receives = match dwflags {
            JL_SENDER_ONLY => false,
            JL_RECEIVER_ONLY | JL_BOTH => true,
            _ => return Err(Status::INVALID),
        };
        socket.join_leaf(group, receives)?;
        if !lpcalleedata.is_null() {
            // SAFETY: not null, so valid by the caller's promise.
            unsafe { (&raw mut (*lpcalleedata).len).write_unaligned(0) };
        }
        Ok(s)
    };
    last_error::winsock_value(join(), INVALID_SOCKET)
}

/// Finds a template of a quality of service by its name; with an empty name, lists those that there are. There are none.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetqosbyname>
///
/// # Safety
/// `lpqosname` is null or valid, and its buffer for as many bytes as it says.
pub unsafe extern "system" fn WSAGetQOSByName(
    s: SOCKET,
    lpqosname: *const WSABUF,
    lpqos: *mut QOS,
) -> BOOL {
    let look_up = || {
        find(s)?;
        // SAFETY: the caller's promise.
        let name = unsafe { read(lpqosname) }?;
        if name.buf.is_null() || name.len == 0 {
            return Err(Status::FAULT);
        }
        // SAFETY: valid for `len` bytes, which is not 0, by the caller's promise.
        match unsafe { name.buf.read() } {
            0 => Ok(TRUE), // an empty list is what stands there already
            _ if lpqos.is_null() => Err(Status::FAULT),
            _ => Err(Status::INVALID),
        }
    };
    last_error::winsock_value(look_up(), FALSE)
}
