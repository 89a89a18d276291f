//! winsock2.h and ws2tcpip.h: byte order, and addresses as text.

use std::cell::Cell;

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::{PCSTR, PSTR};

use crate::platform::address::Family;
use crate::platform::status::Status;
use crate::platform::{last_error, text};

/// From the host's to the network's byte order.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-htonl>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn htonl(hostlong: u32) -> u32 {
    hostlong.to_be()
}

/// From the host's to the network's byte order.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-htons>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn htons(hostshort: u16) -> u16 {
    hostshort.to_be()
}

/// From the network's to the host's byte order.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-ntohl>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn ntohl(netlong: u32) -> u32 {
    u32::from_be(netlong)
}

/// From the network's to the host's byte order.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-ntohs>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn ntohs(netshort: u16) -> u16 {
    u16::from_be(netshort)
}

/// The IPv4 address in a text of one to four parts; `INADDR_NONE` if it is none. The last error is left alone.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-inet_addr>
///
/// # Safety
/// `cp` is null or a zero-terminated string.
pub unsafe extern "system" fn inet_addr(cp: PCSTR) -> u32 {
    if cp.is_null() {
        last_error::set(WSAEFAULT as u32);
        return INADDR_NONE;
    }
    // SAFETY: the caller's promise.
    text::inet_addr(unsafe { std::ffi::CStr::from_ptr(cp.cast()) }.to_bytes())
}

thread_local! {
    static NTOA: Cell<[u8; 16]> = const { Cell::new([0; 16]) };
}

/// An IPv4 address as text, in a buffer of the calling thread that the next call overwrites.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-inet_ntoa>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn inet_ntoa(r#in: IN_ADDR) -> PSTR {
    // SAFETY: every view of the union is plain bytes.
    let address = unsafe { r#in.S_un.S_addr };
    NTOA.set(text::inet_ntoa(address.to_ne_bytes()));
    NTOA.with(Cell::as_ptr).cast()
}

/// An address from its text: 1, 0 for a text that is none, -1 with the last error for bad arguments.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-inet_pton>
///
/// # Safety
/// `pszaddrstring` is null or a zero-terminated string, `paddrbuf` null or valid for 4 or 16 bytes.
pub unsafe extern "system" fn inet_pton(
    family: i32,
    pszaddrstring: PCSTR,
    paddrbuf: *mut core::ffi::c_void,
) -> i32 {
    let convert = || {
        let family = Family::from_windows(family).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
        if pszaddrstring.is_null() || paddrbuf.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let text = unsafe { std::ffi::CStr::from_ptr(pszaddrstring.cast()) };
        // SAFETY: the caller's promise.
        let out =
            unsafe { std::slice::from_raw_parts_mut(paddrbuf.cast(), text::octets_len(family)) };
        Ok(i32::from(text::inet_pton(family, text.to_bytes(), out)))
    };
    convert().unwrap_or_else(|status| {
        last_error::set(status.to_winsock());
        -1
    })
}

/// An address as text, in the caller's buffer; null with the last error for bad arguments.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-inet_ntop>
///
/// # Safety
/// `paddr` is null or valid for 4 or 16 bytes, `pstringbuf` null or valid for writes of `stringbufsize` bytes.
pub unsafe extern "system" fn inet_ntop(
    family: i32,
    paddr: *const core::ffi::c_void,
    pstringbuf: PSTR,
    stringbufsize: usize,
) -> PCSTR {
    let Some(family) = Family::from_windows(family) else {
        last_error::set(Status::ADDRESS_FAMILY_UNSUPPORTED.to_winsock());
        return std::ptr::null();
    };
    if !paddr.is_null() && !pstringbuf.is_null() {
        // SAFETY: the caller's promise.
        let octets: Vec<u8> =
            unsafe { std::slice::from_raw_parts(paddr.cast::<u8>(), text::octets_len(family)) }
                .to_vec();
        // SAFETY: the caller's promise; no address needs more than 128 bytes.
        let out = unsafe { std::slice::from_raw_parts_mut(pstringbuf, stringbufsize.min(128)) };
        if text::inet_ntop(family, &octets, out).is_some() {
            return pstringbuf;
        }
    }
    last_error::set(Status::INVALID_PARAMETER.0 as u32); // the status itself, as Windows does
    std::ptr::null()
}
