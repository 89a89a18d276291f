//! winsock2.h: queries of name spaces, of which there is one, that of DNS.

use core::ffi::c_void;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::pieces::{Pieces, lay_out};
use super::read;
use super::text::{Unit, string};
use crate::platform::engine::request::{Delivery, Overlapped};
use crate::platform::last_error;
use crate::platform::messages::window;
use crate::platform::names::database::Transport;
use crate::platform::names::lookup::{
    self, Class, Found, Lookup, PROVIDER, Parts, Query, Wanted, is_same,
};
use crate::platform::objects::handle;
use crate::platform::objects::notification::{Notification, PacketTo};
use crate::platform::sockets::address::{Address, Family};
use crate::platform::startup;
use crate::platform::status::Status;

/// Begins a query of a name space and stores a handle for it, to be closed with `WSALookupServiceEnd`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupservicebegina>
///
/// # Safety
/// `lpqsrestrictions` is null or valid and what it points to too; `lphlookup` is null or valid for writes.
pub unsafe extern "system" fn WSALookupServiceBeginA(
    lpqsrestrictions: *const WSAQUERYSETA,
    dwcontrolflags: u32,
    lphlookup: *mut HANDLE,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { begin::<u8>(lpqsrestrictions, dwcontrolflags, lphlookup) }
}

/// As `WSALookupServiceBeginA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupservicebeginw>
///
/// # Safety
/// As for `WSALookupServiceBeginA`.
pub unsafe extern "system" fn WSALookupServiceBeginW(
    lpqsrestrictions: *const WSAQUERYSETW,
    dwcontrolflags: u32,
    lphlookup: *mut HANDLE,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { begin::<u16>(lpqsrestrictions.cast(), dwcontrolflags, lphlookup) }
}

/// The structures of both widths; only what a text consists of differs.
const _: () = assert!(size_of::<WSAQUERYSETA>() == size_of::<WSAQUERYSETW>());

/// `WSALookupServiceBegin`, in any units.
///
/// # Safety
/// As for `WSALookupServiceBeginA`, texts being in such units.
pub unsafe fn begin<U: Unit>(
    restrictions: *const WSAQUERYSETA,
    flags: u32,
    out: *mut HANDLE,
) -> i32 {
    let begin = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let set = unsafe { read(restrictions) }?;
        if out.is_null() {
            return Err(Status::FAULT);
        }
        if (set.dwSize as usize) < size_of::<WSAQUERYSETA>() || set.lpServiceClassId.is_null() {
            return Err(Status::INVALID);
        }
        // SAFETY: not null, so valid by the caller's promise.
        let class_id = unsafe { set.lpServiceClassId.read_unaligned() };
        // SAFETY: the caller's promise.
        let provider = unsafe { read(set.lpNSProviderId) };
        if provider.is_ok_and(|provider| !is_same(&provider, &PROVIDER)) {
            return Err(Status::INVALID);
        }
        if flags & LUP_CONTAINERS != 0 {
            return Err(Status::NO_DATA);
        }
        let class = Class::of(&class_id).filter(|_| [NS_ALL, NS_DNS].contains(&set.dwNameSpace));
        let query = Query {
            // SAFETY: the caller's promise.
            name: unsafe { string(set.lpszServiceInstanceName.cast::<U>()) },
            class: class.ok_or(Status::NO_SUCH_SERVICE)?,
            class_id,
            // SAFETY: the caller's promise.
            protocols: unsafe { read_protocols(&set) }?,
            parts: parts(flags),
            // SAFETY: the caller's promise.
            query_string: unsafe { string(set.lpszQueryString.cast::<U>()) },
        };
        let handle = Lookup::begin(query)?;
        // SAFETY: not null, so valid by the caller's promise.
        unsafe { out.write_unaligned(handle) };
        Ok(())
    };
    last_error::winsock_result(begin())
}

/// What the flags ask for.
fn parts(flags: u32) -> Parts {
    let set = |flag| flags & flag != 0;
    Parts {
        name: set(LUP_RETURN_NAME),
        class: set(LUP_RETURN_TYPE),
        addresses: set(LUP_RETURN_ADDR),
        query_string: set(LUP_RETURN_QUERY_STRING),
        aliases: set(LUP_RETURN_ALIASES),
        local: set(LUP_RES_SERVICE),
    }
}

/// The protocols that a query is restricted to. What DNS has no addresses for stays out; if nothing else is named,
/// nothing can be found.
///
/// # Safety
/// The list is valid for as many entries as the structure says.
unsafe fn read_protocols(set: &WSAQUERYSETA) -> Result<Vec<Wanted>, Status> {
    let count = set.dwNumberOfProtocols as usize;
    if count == 0 {
        return Ok(Vec::new());
    }
    if set.lpafpProtocols.is_null() {
        return Err(Status::FAULT);
    }
    let entry = |index| {
        // SAFETY: within the list, by the caller's promise.
        unsafe { set.lpafpProtocols.add(index).read_unaligned() }
    };
    let named: Vec<_> = (0..count).map(entry).filter_map(protocol).collect();
    match named.is_empty() {
        true => Err(Status::NO_DATA),
        false => Ok(named),
    }
}

/// A family and a protocol, 0 standing for any; `None` if DNS has none of it.
fn protocol(entry: AFPROTOCOLS) -> Option<Wanted> {
    let family = match entry.iAddressFamily {
        0 => None,
        number => Some(Family::from_windows(number)?),
    };
    let transport = match entry.iProtocol {
        0 => None,
        IPPROTO_TCP => Some(Transport::Tcp),
        IPPROTO_UDP => Some(Transport::Udp),
        _ => return None,
    };
    Some((family, transport))
}

/// Writes the next result of a query, and what it points to, into a buffer of `*lpdwbufferlength` bytes. If it has no room
/// there (WSAEFAULT) the length that it needs is stored; the next call tells it again, or skips it with
/// LUP_FLUSHPREVIOUS.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupservicenexta>
///
/// # Safety
/// `lpdwbufferlength` is null or valid, `lpqsresults` null or valid for writes of that many bytes.
pub unsafe extern "system" fn WSALookupServiceNextA(
    hlookup: HANDLE,
    dwcontrolflags: u32,
    lpdwbufferlength: *mut u32,
    lpqsresults: *mut WSAQUERYSETA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { next::<u8>(hlookup, dwcontrolflags, lpdwbufferlength, lpqsresults) }
}

/// As `WSALookupServiceNextA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupservicenextw>
///
/// # Safety
/// As for `WSALookupServiceNextA`.
pub unsafe extern "system" fn WSALookupServiceNextW(
    hlookup: HANDLE,
    dwcontrolflags: u32,
    lpdwbufferlength: *mut u32,
    lpqsresults: *mut WSAQUERYSETW,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe {
        next::<u16>(
            hlookup,
            dwcontrolflags,
            lpdwbufferlength,
            lpqsresults.cast(),
        )
    }
}

/// `WSALookupServiceNext`, in any units.
///
/// # Safety
/// As for `WSALookupServiceNextA`.
pub unsafe fn next<U: Unit>(
    handle: HANDLE,
    flags: u32,
    length: *mut u32,
    results: *mut WSAQUERYSETA,
) -> i32 {
    let next = || {
        startup::check()?;
        let lookup = lookup::find(handle)?;
        // SAFETY: the caller's promise; it is looked at before anything is asked.
        unsafe { read(length) }?;
        let parts = parts(flags).within(lookup.query.parts);
        let tell = |found: &Found| {
            let put = |pieces: &mut Pieces| {
                write_result::<U>(pieces, &lookup.query, parts, found);
            };
            // SAFETY: the caller's promise.
            unsafe { lay_out(results.cast(), length, put) }
        };
        lookup.next(parts.aliases, flags & LUP_FLUSHPREVIOUS != 0, tell)
    };
    last_error::winsock_result(next())
}

/// Lays out a WSAQUERYSET and what it points to.
fn write_result<U: Unit>(pieces: &mut Pieces, query: &Query, parts: Parts, found: &Found) {
    let set = pieces.reserve::<WSAQUERYSETA>(1);
    let mut result = WSAQUERYSETA {
        dwSize: size_of::<WSAQUERYSETA>() as u32,
        dwNameSpace: NS_DNS,
        dwOutputFlags: if found.is_alias { RESULT_IS_ALIAS } else { 0 },
        lpNSProviderId: pieces.put(PROVIDER),
        ..WSAQUERYSETA::default()
    };
    if parts.class {
        result.lpServiceClassId = pieces.put(query.class_id);
    }
    if parts.addresses && !found.addresses.is_empty() {
        result.dwNumberOfCsAddrs = found.addresses.len() as u32;
        result.lpcsaBuffer = pieces.reserve::<CSADDR_INFO>(found.addresses.len());
        for (index, (address, transport)) in found.addresses.iter().enumerate() {
            let entry = result.lpcsaBuffer.wrapping_add(index);
            let info = address_info(pieces, address, *transport, parts.local);
            pieces.write(entry, info);
        }
    }
    if let Some(name) = found.name.as_ref().filter(|_| parts.name) {
        result.lpszServiceInstanceName = pieces.text::<U>(name);
    }
    if let Some(text) = query.query_string.as_ref().filter(|_| parts.query_string) {
        result.lpszQueryString = pieces.text::<U>(text.to_bytes());
    }
    pieces.write(set, result);
}

/// An address to connect to from anywhere, or if `local` the other way around.
fn address_info(
    pieces: &mut Pieces,
    address: &Address,
    transport: Transport,
    local: bool,
) -> CSADDR_INFO {
    let mut socket_address = |address: &Address| {
        let mut bytes = [0u8; 32];
        let len = address.write_windows(&mut bytes).unwrap_or(0); // the longest has 28 bytes
        SOCKET_ADDRESS {
            lpSockaddr: pieces.put_all(&bytes[..len]).cast(),
            iSockaddrLength: len as i32,
        }
    };
    let found = socket_address(address);
    let other = socket_address(&Address::unspecified(address.family()));
    let (local, remote) = if local {
        (found, other)
    } else {
        (other, found)
    };
    let (kind, protocol) = match transport {
        Transport::Tcp => (SOCK_STREAM, IPPROTO_TCP),
        Transport::Udp => (SOCK_DGRAM, IPPROTO_UDP),
    };
    CSADDR_INFO {
        LocalAddr: local,
        RemoteAddr: remote,
        iSocketType: kind,
        iProtocol: protocol,
    }
}

/// Ends a query. Who waits for a change of what it found, or for its first result, learns that it was cancelled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupserviceend>
///
/// # Safety
/// None: any value is checked.
pub unsafe extern "system" fn WSALookupServiceEnd(hlookup: HANDLE) -> i32 {
    let end = || {
        startup::check()?;
        lookup::end(hlookup)
    };
    last_error::winsock_result(end())
}

/// Asks (with `lpcompletion` null), or waits, whether what a query found has changed: SIO_NSP_NOTIFY_CHANGE. It never does
/// here, so the answer is WSAEWOULDBLOCK, and the wait ends with the query, as aborted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsanspioctl>
///
/// # Safety
/// `lpcompletion` is null or valid; the OVERLAPPED it names, until the wait has ended. The buffers are not looked at.
pub unsafe extern "system" fn WSANSPIoctl(
    hlookup: HANDLE,
    dwcontrolcode: u32,
    _lpvinbuffer: *const c_void,
    _cbinbuffer: u32,
    _lpvoutbuffer: *mut c_void,
    _cboutbuffer: u32,
    _lpcbbytesreturned: *mut u32,
    lpcompletion: *const WSACOMPLETION,
) -> i32 {
    let control = || {
        startup::check()?;
        let lookup = lookup::find(hlookup)?;
        if dwcontrolcode != SIO_NSP_NOTIFY_CHANGE {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        if lpcompletion.is_null() {
            return Err(Status::WOULD_BLOCK);
        }
        // SAFETY: the caller's promise.
        let completion = unsafe { read(lpcompletion) }?;
        // SAFETY: the caller's promise.
        let (delivery, packet_to) = unsafe { delivery(&completion, &lookup.changes) }?;
        let started = lookup.changes.start(delivery, packet_to);
        started.map_err(|_closed| Status::NO_SUCH_HANDLE)?;
        Err(Status::IO_PENDING)
    };
    last_error::winsock_result(control())
}

/// How a wait is told that it has ended. A window is told of changes only, and "immediately" is nobody's.
///
/// # Safety
/// The OVERLAPPED is null or valid until the wait has ended.
unsafe fn delivery(
    completion: &WSACOMPLETION,
    changes: &Notification,
) -> Result<(Delivery, Option<PacketTo>), Status> {
    let parameters = &completion.Parameters;
    let told_by = |overlapped: *mut OVERLAPPED, routine, on_port| {
        if overlapped.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: not null, so valid by the caller's promise.
        let overlapped = unsafe { Overlapped::new(overlapped) }?;
        Delivery::new(overlapped, routine, on_port, &changes.signalled)
            .map_err(|_no_event| Status::INVALID)
    };
    match completion.Type {
        NSP_NOTIFY_IMMEDIATELY => Ok((Delivery::None, None)),
        NSP_NOTIFY_HWND => {
            // SAFETY: that type has this part of the union.
            let window = unsafe { parameters.WindowMessage.hWnd };
            match window::exists(window) {
                true => Ok((Delivery::None, None)),
                false => Err(Status::INVALID),
            }
        }
        NSP_NOTIFY_EVENT => {
            // SAFETY: that type has this part of the union.
            let event = unsafe { parameters.Event };
            Ok((told_by(event.lpOverlapped, None, false)?, None))
        }
        NSP_NOTIFY_APC => {
            // SAFETY: that type has this part of the union.
            let apc = unsafe { parameters.Apc };
            let routine = apc.lpfnCompletionProc.ok_or(Status::FAULT)?;
            Ok((told_by(apc.lpOverlapped, Some(routine), false)?, None))
        }
        NSP_NOTIFY_PORT => {
            // SAFETY: that type has this part of the union.
            let to = unsafe { parameters.Port };
            let port = handle::port(to.hPort).map_err(|_| Status::INVALID)?;
            let delivery = told_by(to.lpOverlapped, None, true)?;
            Ok((delivery, Some((port.clone(), to.Key))))
        }
        _ => Err(Status::INVALID),
    }
}
