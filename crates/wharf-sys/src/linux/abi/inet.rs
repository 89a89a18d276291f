//! winsock2.h and ws2tcpip.h: byte order, and addresses as text.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null;

use windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER;
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::{PCSTR, PCWSTR, PSTR, PWSTR};

use super::text::{Unit, string, write};
use super::winsock2::find;
use super::{read, store};
use crate::platform::last_error;
use crate::platform::names::endpoint;
use crate::platform::names::text;
use crate::platform::sockets::address::{Address, Family};
use crate::platform::startup;
use crate::platform::status::Status;

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
    paddrbuf: *mut c_void,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { pton(family, pszaddrstring, paddrbuf) }
}

/// An address from its text: 1, 0 with `WSAEINVAL` for a text that is none, -1 for bad arguments.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-inetptonw>
///
/// # Safety
/// `pszaddrstring` is null or a zero-terminated string, `paddrbuf` null or valid for 4 or 16 bytes.
pub unsafe extern "system" fn InetPtonW(
    family: i32,
    pszaddrstring: PCWSTR,
    paddrbuf: *mut c_void,
) -> i32 {
    // SAFETY: the caller's promise.
    let result = unsafe { pton(family, pszaddrstring, paddrbuf) };
    if result == 0 {
        last_error::set(WSAEINVAL as u32); // inet_pton does not say so
    }
    result
}

/// `inet_pton`, in any units.
///
/// # Safety
/// As for `inet_pton`.
pub unsafe fn pton<U: Unit>(family: i32, text: *const U, out: *mut c_void) -> i32 {
    let convert = || {
        // SAFETY: the caller's promise.
        let text = unsafe { string(text) }.ok_or(Status::FAULT)?;
        if out.is_null() {
            return Err(Status::FAULT);
        }
        let family = Family::from_windows(family).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
        // SAFETY: the caller's promise.
        let out = unsafe { std::slice::from_raw_parts_mut(out.cast(), text::octets_len(family)) };
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
    paddr: *const c_void,
    pstringbuf: PSTR,
    stringbufsize: usize,
) -> PCSTR {
    // SAFETY: the caller's promise. The status itself is the error, as on Windows.
    unsafe {
        ntop(
            family,
            paddr,
            pstringbuf,
            stringbufsize,
            Status::INVALID_PARAMETER.0 as u32,
        )
    }
}

/// An address as text, in the caller's buffer; null with the last error for bad arguments.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-inetntopw>
///
/// # Safety
/// `paddr` is null or valid for 4 or 16 bytes, `pstringbuf` null or valid for writes of `stringbufsize` units.
pub unsafe extern "system" fn InetNtopW(
    family: i32,
    paddr: *const c_void,
    pstringbuf: PWSTR,
    stringbufsize: usize,
) -> PCWSTR {
    // SAFETY: the caller's promise.
    unsafe {
        ntop(
            family,
            paddr,
            pstringbuf,
            stringbufsize,
            ERROR_INVALID_PARAMETER,
        )
    }
}

/// `inet_ntop`, in any units, with the error that tells of too little room.
///
/// # Safety
/// As for `inet_ntop`.
pub unsafe fn ntop<U: Unit>(
    family: i32,
    address: *const c_void,
    out: *mut U,
    room: usize,
    no_room: u32,
) -> *const U {
    let convert = || {
        let unsupported = Status::ADDRESS_FAMILY_UNSUPPORTED.to_winsock();
        let family = Family::from_windows(family).ok_or(unsupported)?;
        if address.is_null() {
            return Err(no_room);
        }
        let len = text::octets_len(family);
        // SAFETY: the caller's promise.
        let octets = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), len) };
        let printed = text::inet_ntop(family, octets).ok_or(no_room)?;
        // SAFETY: the caller's promise.
        unsafe { write(printed.as_bytes(), out, room) }.map_err(|_needed| no_room)
    };
    match convert() {
        Ok(_) => out,
        Err(code) => {
            last_error::set(code);
            null()
        }
    }
}

/// An address with its port, if that is not 0, as text.
///
/// `lpdwaddressstringlength` is the room in characters, and what the text takes or needs, its zero included.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaaddresstostringa>
///
/// # Safety
/// `lpsaaddress` is null or valid for `dwaddresslength` bytes, `lpdwaddressstringlength` null or valid,
/// `lpszaddressstring` null or valid for that many characters. The protocol is not looked at.
pub unsafe extern "system" fn WSAAddressToStringA(
    lpsaaddress: *const SOCKADDR,
    dwaddresslength: u32,
    _lpprotocolinfo: *const WSAPROTOCOL_INFOA,
    lpszaddressstring: PSTR,
    lpdwaddressstringlength: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        address_to_string(
            lpsaaddress,
            dwaddresslength,
            lpszaddressstring,
            lpdwaddressstringlength,
        )
    }
}

/// As `WSAAddressToStringA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaaddresstostringw>
///
/// # Safety
/// As for `WSAAddressToStringA`.
pub unsafe extern "system" fn WSAAddressToStringW(
    lpsaaddress: *const SOCKADDR,
    dwaddresslength: u32,
    _lpprotocolinfo: *const WSAPROTOCOL_INFOW,
    lpszaddressstring: PWSTR,
    lpdwaddressstringlength: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        address_to_string(
            lpsaaddress,
            dwaddresslength,
            lpszaddressstring,
            lpdwaddressstringlength,
        )
    }
}

/// `WSAAddressToString`, in any units.
///
/// # Safety
/// As for `WSAAddressToStringA`.
pub unsafe fn address_to_string<U: Unit>(
    address: *const SOCKADDR,
    address_len: u32,
    out: *mut U,
    out_len: *mut u32,
) -> i32 {
    let convert = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let room = unsafe { read(out_len) }?;
        // SAFETY: the caller's promise.
        let address = unsafe { address_of_any_family(address, address_len as usize) };
        let address = address.map_err(|status| match status {
            Status::ADDRESS_FAMILY_UNSUPPORTED => Status::INVALID,
            _ => status,
        })?;
        // SAFETY: the caller's promise.
        let written = unsafe { write(endpoint::print(&address).as_bytes(), out, room as usize) };
        let (Ok(len) | Err(len)) = written;
        // SAFETY: not null, see above.
        unsafe { out_len.write_unaligned(len as u32) };
        written.map(drop).map_err(|_needed| Status::FAULT)
    };
    last_error::winsock_result(convert())
}

/// The address at a pointer, whose family decides how long it must be.
///
/// # Errors
/// `FAULT` for null or too few bytes, `ADDRESS_FAMILY_UNSUPPORTED`.
///
/// # Safety
/// `address` is null or valid for `len` bytes.
pub(super) unsafe fn address_of_any_family(
    address: *const SOCKADDR,
    len: usize,
) -> Result<Address, Status> {
    if address.is_null() || len < size_of::<ADDRESS_FAMILY>() {
        return Err(Status::FAULT);
    }
    let len = len.min(size_of::<SOCKADDR_STORAGE>());
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), len) };
    let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    let family = Family::from_windows(family).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
    Address::from_windows(bytes, family)
}

/// The address with its port that a text is.
///
/// `lpaddresslength` is the room in bytes, and what the address takes or needs. A text that is no address leaves an
/// all-zero one.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsastringtoaddressa>
///
/// # Safety
/// `addressstring` is null or a zero-terminated string, `lpaddresslength` null or valid, `lpaddress` null or valid for
/// that many bytes. The protocol is not looked at.
pub unsafe extern "system" fn WSAStringToAddressA(
    addressstring: PCSTR,
    addressfamily: i32,
    _lpprotocolinfo: *const WSAPROTOCOL_INFOA,
    lpaddress: *mut SOCKADDR,
    lpaddresslength: *mut i32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { string_to_address(addressstring, addressfamily, lpaddress, lpaddresslength) }
}

/// As `WSAStringToAddressA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsastringtoaddressw>
///
/// # Safety
/// As for `WSAStringToAddressA`.
pub unsafe extern "system" fn WSAStringToAddressW(
    addressstring: PCWSTR,
    addressfamily: i32,
    _lpprotocolinfo: *const WSAPROTOCOL_INFOW,
    lpaddress: *mut SOCKADDR,
    lpaddresslength: *mut i32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { string_to_address(addressstring, addressfamily, lpaddress, lpaddresslength) }
}

/// `WSAStringToAddress`, in any units.
///
/// # Safety
/// As for `WSAStringToAddressA`.
pub unsafe fn string_to_address<U: Unit>(
    text: *const U,
    family: i32,
    out: *mut SOCKADDR,
    out_len: *mut i32,
) -> i32 {
    let convert = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let text = unsafe { string(text) }.ok_or(Status::INVALID)?;
        let family = Family::from_windows(family).ok_or(Status::INVALID)?;
        // SAFETY: the caller's promise.
        let room = unsafe { read(out_len) }?;
        let needed = family.address_len();
        let fits = usize::try_from(room).is_ok_and(|room| room >= needed);
        if out.is_null() || !fits {
            // SAFETY: not null, see above.
            unsafe { out_len.write_unaligned(needed as i32) };
            return Err(Status::FAULT);
        }
        // SAFETY: not null and long enough.
        let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), needed) };
        out.fill(0);
        let address = endpoint::parse(family, text.to_bytes()).ok_or(Status::INVALID)?;
        address.write_windows(out).ok_or(Status::FAULT)?;
        // SAFETY: not null, see above.
        unsafe { out_len.write_unaligned(needed as i32) };
        Ok(())
    };
    last_error::winsock_result(convert())
}

/// From the host's to the byte order of the socket's protocol: the network's.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsahtonl>
///
/// # Safety
/// `lpnetlong` is null or valid for writes.
pub unsafe extern "system" fn WSAHtonl(s: SOCKET, hostlong: u32, lpnetlong: *mut u32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { convert_for(s, hostlong.to_be(), lpnetlong) }
}

/// From the host's to the byte order of the socket's protocol: the network's.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsahtons>
///
/// # Safety
/// `lpnetshort` is null or valid for writes.
pub unsafe extern "system" fn WSAHtons(s: SOCKET, hostshort: u16, lpnetshort: *mut u16) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { convert_for(s, hostshort.to_be(), lpnetshort) }
}

/// From the byte order of the socket's protocol, the network's, to the host's.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsantohl>
///
/// # Safety
/// `lphostlong` is null or valid for writes.
pub unsafe extern "system" fn WSANtohl(s: SOCKET, netlong: u32, lphostlong: *mut u32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { convert_for(s, u32::from_be(netlong), lphostlong) }
}

/// From the byte order of the socket's protocol, the network's, to the host's.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsantohs>
///
/// # Safety
/// `lphostshort` is null or valid for writes.
pub unsafe extern "system" fn WSANtohs(s: SOCKET, netshort: u16, lphostshort: *mut u16) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { convert_for(s, u16::from_be(netshort), lphostshort) }
}

/// Stores a number in the byte order of a socket's protocol, if it is a socket.
///
/// # Safety
/// `out` is null or valid for writes.
unsafe fn convert_for<T>(s: SOCKET, value: T, out: *mut T) -> i32 {
    let convert = || {
        find(s)?;
        if out.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: not null, so valid by the caller's promise.
        unsafe { store(out, value) };
        Ok(())
    };
    last_error::winsock_result(convert())
}
