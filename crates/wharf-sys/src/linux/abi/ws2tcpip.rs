//! ws2tcpip.h: names to lists of addresses, and addresses to names.

use std::ffi::CStr;
use std::ptr::null_mut;

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::{PCSTR, PCWSTR, PSTR, PWSTR};

use super::address_list::{self, Common, Names};
use super::inet::address_of_any_family;
use super::text::{Unit, string, write};
use crate::platform::last_error;
use crate::platform::names::database::Transport;
use crate::platform::names::resolve::{self, Hints, NameHints, SocketKind};
use crate::platform::sockets::address::Family;
use crate::platform::startup;
use crate::platform::status::Status;

/// The addresses of a host with the port of a service: 0 and a list, or a WSA code and null.
///
/// The list is the program's until it gives it to `freeaddrinfo`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfo>
///
/// # Safety
/// The names are null or zero-terminated strings, `phints` is null or valid, `ppresult` null or valid for writes.
pub unsafe extern "system" fn getaddrinfo(
    pnodename: PCSTR,
    pservicename: PCSTR,
    phints: *const ADDRINFOA,
    ppresult: *mut *mut ADDRINFOA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { get_addr_info(pnodename, pservicename, phints, ppresult) }
}

/// As `getaddrinfo`, in 16-bit units; the list goes back with `FreeAddrInfoW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfow>
///
/// # Safety
/// As for `getaddrinfo`.
pub unsafe extern "system" fn GetAddrInfoW(
    pnodename: PCWSTR,
    pservicename: PCWSTR,
    phints: *const ADDRINFOW,
    ppresult: *mut *mut ADDRINFOW,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a name consists of.
    unsafe { get_addr_info(pnodename, pservicename, phints.cast(), ppresult.cast()) }
}

/// `getaddrinfo`, in any units.
///
/// # Safety
/// As for `getaddrinfo`, the structures having names in such units.
pub unsafe fn get_addr_info<U: Unit>(
    host: *const U,
    service: *const U,
    hints: *const ADDRINFOA,
    result: *mut *mut ADDRINFOA,
) -> i32 {
    let resolve = || {
        if result.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: not null, so valid by the caller's promise.
        unsafe { result.write_unaligned(null_mut()) };
        startup::check()?;
        // SAFETY: the caller's promise.
        let (host, service) = unsafe { (string(host), string(service)) };
        let hints = match hints.is_null() {
            true => ADDRINFOA::default(),
            // SAFETY: the caller's promise.
            false => unsafe { hints.read_unaligned() },
        };
        let resolved = resolve::resolve(host.as_deref(), service.as_deref(), read_hints(&hints)?)?;
        let common = Common {
            flags: 0, // those of the hints are not told
            socket_type: hints.ai_socktype,
            protocol: hints.ai_protocol, // neither is checked against the other
            ..Common::default()
        };
        let names = Names {
            canonical: resolved.canonical_name.as_deref().map(CStr::to_bytes),
            qualified: None,
        };
        let list = address_list::make::<U, ADDRINFOA>(&resolved.addresses, names, &common);
        // SAFETY: not null, so valid by the caller's promise.
        unsafe { result.write_unaligned(list) };
        Ok(())
    };
    last_error::winsock_code(resolve())
}

/// What the structure of hints says.
pub fn read_hints(hints: &ADDRINFOA) -> Result<Hints, Status> {
    const KNOWN: u32 = AI_PASSIVE
        | AI_CANONNAME
        | AI_NUMERICHOST
        | AI_NUMERICSERV
        | AI_DNS_ONLY
        | AI_FORCE_CLEAR_TEXT
        | AI_BYPASS_DNS_CACHE
        | AI_ALL
        | AI_ADDRCONFIG
        | AI_V4MAPPED
        | AI_NON_AUTHORITATIVE
        | AI_SECURE
        | AI_RETURN_PREFERRED_NAMES
        | AI_FQDN
        | AI_FILESERVER
        | AI_DISABLE_IDN_ENCODING;
    let pointers = [
        hints.ai_canonname.addr(),
        hints.ai_addr.addr(),
        hints.ai_next.addr(),
    ];
    if hints.ai_addrlen != 0 || pointers != [0; 3] {
        return Err(Status::NO_RECOVERY);
    }
    let flags = hints.ai_flags as u32;
    if flags & !KNOWN != 0 {
        return Err(Status::INVALID);
    }
    let family = match hints.ai_family {
        0 => None,
        number => Some(Family::from_windows(number).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?),
    };
    let kind = match hints.ai_socktype {
        0 => None,
        SOCK_STREAM => Some(SocketKind::Stream),
        SOCK_DGRAM => Some(SocketKind::Datagram),
        SOCK_RAW => Some(SocketKind::Raw),
        _ => return Err(Status::SOCKET_TYPE_UNSUPPORTED),
    };
    let set = |flag| flags & flag != 0;
    Ok(Hints {
        family,
        kind,
        passive: set(AI_PASSIVE),
        canonical_name: set(AI_CANONNAME | AI_FQDN),
        numeric_host: set(AI_NUMERICHOST),
        numeric_service: set(AI_NUMERICSERV),
        configured: set(AI_ADDRCONFIG),
        v4_mapped: set(AI_V4MAPPED),
        all: set(AI_ALL),
    })
}

/// Takes a list back. Null, and what was not given out, is ignored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-freeaddrinfo>
///
/// # Safety
/// Nobody uses the list any more.
pub unsafe extern "system" fn freeaddrinfo(paddrinfo: *const ADDRINFOA) {
    // SAFETY: the caller's promise.
    unsafe { address_list::free(paddrinfo) };
}

/// Takes a list back. Null, and what was not given out, is ignored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-freeaddrinfow>
///
/// # Safety
/// Nobody uses the list any more.
pub unsafe extern "system" fn FreeAddrInfoW(paddrinfo: *const ADDRINFOW) {
    // SAFETY: the caller's promise.
    unsafe { address_list::free(paddrinfo.cast::<ADDRINFOA>()) };
}

/// The names of the host and the service of an address: 0, or a WSA code. A null buffer: not wanted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getnameinfo>
///
/// # Safety
/// `psockaddr` is null or valid for `sockaddrlength` bytes, each buffer null or valid for writes of its size.
pub unsafe extern "system" fn getnameinfo(
    psockaddr: *const SOCKADDR,
    sockaddrlength: socklen_t,
    pnodebuffer: PSTR,
    nodebuffersize: u32,
    pservicebuffer: PSTR,
    servicebuffersize: u32,
    flags: i32,
) -> i32 {
    let (host, service) = (
        (pnodebuffer, nodebuffersize),
        (pservicebuffer, servicebuffersize),
    );
    // SAFETY: the caller's promise.
    unsafe { get_name_info(psockaddr, sockaddrlength, host, service, flags) }
}

/// As `getnameinfo`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getnameinfow>
///
/// # Safety
/// As for `getnameinfo`, sizes being units.
pub unsafe extern "system" fn GetNameInfoW(
    psockaddr: *const SOCKADDR,
    sockaddrlength: socklen_t,
    pnodebuffer: PWSTR,
    nodebuffersize: u32,
    pservicebuffer: PWSTR,
    servicebuffersize: u32,
    flags: i32,
) -> i32 {
    let (host, service) = (
        (pnodebuffer, nodebuffersize),
        (pservicebuffer, servicebuffersize),
    );
    // SAFETY: the caller's promise.
    unsafe { get_name_info(psockaddr, sockaddrlength, host, service, flags) }
}

/// `getnameinfo`, in any units.
///
/// # Safety
/// As for `getnameinfo`.
pub unsafe fn get_name_info<U: Unit>(
    address: *const SOCKADDR,
    address_len: i32,
    host: (*mut U, u32),
    service: (*mut U, u32),
    flags: i32,
) -> i32 {
    const KNOWN: u32 = NI_NOFQDN | NI_NUMERICHOST | NI_NAMEREQD | NI_NUMERICSERV | NI_DGRAM;
    let name = || {
        startup::check()?;
        let len = usize::try_from(address_len).unwrap_or(0);
        // SAFETY: the caller's promise.
        let address = unsafe { address_of_any_family(address, len) }?;
        if host.0.is_null() && service.0.is_null() {
            return Err(Status::HOST_NOT_FOUND);
        }
        let roomless = |(buffer, size): (*mut U, u32)| !buffer.is_null() && size == 0;
        if flags as u32 & !KNOWN != 0 || roomless(host) || roomless(service) {
            return Err(Status::INVALID);
        }
        let set = |flag| flags as u32 & flag != 0;
        if !host.0.is_null() {
            let hints = NameHints {
                numeric: set(NI_NUMERICHOST),
                required: set(NI_NAMEREQD),
                short: set(NI_NOFQDN),
            };
            // SAFETY: the caller's promise.
            unsafe { give(&resolve::name_of_host(&address, hints)?, host) }?;
        }
        if !service.0.is_null() {
            let transport = if set(NI_DGRAM) {
                Transport::Udp
            } else {
                Transport::Tcp
            };
            let name = resolve::name_of_service(address.port(), transport, set(NI_NUMERICSERV));
            // SAFETY: the caller's promise.
            unsafe { give(&name, service) }?;
        }
        Ok(())
    };
    last_error::winsock_code(name())
}

/// # Safety
/// The buffer is valid for writes of its size.
unsafe fn give<U: Unit>(text: &[u8], (buffer, size): (*mut U, u32)) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    let written = unsafe { write(text, buffer, size as usize) };
    written.map(drop).map_err(|_needed| Status::FAULT)
}
