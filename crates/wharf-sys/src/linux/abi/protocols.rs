//! winsock2.h: the protocols there are.

use windows_sys::Win32::Networking::WinSock::*;

use crate::platform::last_error;
use crate::platform::sockets::address::Family;
use crate::platform::sockets::option::{self, Kind};
use crate::platform::startup;
use crate::platform::status::Status;

/// What the catalogue of providers holds, in its order.
const CATALOGUE: [(Family, Kind, i32); 4] = [
    (Family::V4, Kind::Stream, IPPROTO_TCP),
    (Family::V4, Kind::Datagram, IPPROTO_UDP),
    (Family::V6, Kind::Stream, IPPROTO_TCP),
    (Family::V6, Kind::Datagram, IPPROTO_UDP),
];

/// Describes the protocols of a list that ends with 0, or all; returns how many.
///
/// Without room for all it fails with WSAENOBUFS and stores the size that is needed.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumprotocolsw>
///
/// # Safety
/// `lpiprotocols` is null or ends with 0; `lpdwbufferlength` is null or valid, `lpprotocolbuffer` null or valid for writes of
/// that many bytes.
pub unsafe extern "system" fn WSAEnumProtocolsW(
    lpiprotocols: *const i32,
    lpprotocolbuffer: *mut WSAPROTOCOL_INFOW,
    lpdwbufferlength: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    let counted = unsafe {
        enumerate(
            lpiprotocols,
            lpprotocolbuffer,
            lpdwbufferlength,
            SO_PROTOCOL_INFOW,
        )
    };
    last_error::winsock_value(counted, SOCKET_ERROR)
}

/// As `WSAEnumProtocolsW`, with names in 8-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumprotocolsa>
///
/// # Safety
/// As for `WSAEnumProtocolsW`.
pub unsafe extern "system" fn WSAEnumProtocolsA(
    lpiprotocols: *const i32,
    lpprotocolbuffer: *mut WSAPROTOCOL_INFOA,
    lpdwbufferlength: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    let counted = unsafe {
        enumerate(
            lpiprotocols,
            lpprotocolbuffer,
            lpdwbufferlength,
            SO_PROTOCOL_INFOA,
        )
    };
    last_error::winsock_value(counted, SOCKET_ERROR)
}

/// # Safety
/// As for `WSAEnumProtocolsW`; `T` is the structure of `form`.
unsafe fn enumerate<T>(
    wanted: *const i32,
    buffer: *mut T,
    length: *mut u32,
    form: i32,
) -> Result<i32, Status> {
    startup::check()?;
    if length.is_null() {
        return Err(Status::FAULT);
    }
    let at = |index: usize| {
        // SAFETY: not beyond the 0 that ends the list.
        unsafe { wanted.add(index).read_unaligned() }
    };
    let is_wanted = |protocol: i32| {
        wanted.is_null()
            || (0..)
                .map(at)
                .take_while(|other| *other != 0)
                .any(|other| other == protocol)
    };
    let found: Vec<_> = CATALOGUE
        .iter()
        .filter(|(_, _, protocol)| is_wanted(*protocol))
        .collect();
    let needed = found.len() * size_of::<T>();
    // SAFETY: the caller's promise.
    let room = unsafe { length.read_unaligned() } as usize;
    if buffer.is_null() || room < needed {
        // SAFETY: the caller's promise.
        unsafe { length.write_unaligned(needed as u32) };
        return Err(Status::NO_BUFFERS);
    }
    // SAFETY: the caller's promise.
    let out = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), needed) };
    for ((family, kind, _), out) in found.iter().zip(out.chunks_exact_mut(size_of::<T>())) {
        option::describe_protocol(*family, *kind, form, out);
    }
    Ok(found.len() as i32)
}
