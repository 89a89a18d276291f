//! winsock2.h and ws2tcpip.h: sockets.

use std::sync::Arc;

use windows_sys::Win32::Foundation::{FALSE, HANDLE, TRUE, WAIT_EVENT};
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::BOOL;

use super::synch;
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::handle::Named;
use crate::platform::objects::object::{Event, Object};
use crate::platform::sockets::address::{Address, Family};
use crate::platform::sockets::socket::{self, FLAG_LEAF, Socket};
use crate::platform::startup;
use crate::platform::status::Status;

// ---- start-up ----

/// Begins the use of Winsock; counted, see `WSACleanup`. Returns 0 or the error code.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsastartup>
///
/// # Safety
/// `lpwsadata` is null or valid for writes.
pub unsafe extern "system" fn WSAStartup(wversionrequested: u16, lpwsadata: *mut WSADATA) -> i32 {
    let (major, minor) = (wversionrequested & 0xff, wversionrequested >> 8);
    let version = match (major, minor) {
        (0, _) => None,
        (1, 0) => Some(0x0001),
        (1, _) => Some(0x0101),
        (2, 0 | 1) => Some(wversionrequested),
        _ => Some(0x0202),
    };
    if !lpwsadata.is_null() {
        // SAFETY: the caller's promise. `lpVendorInfo` is left alone, as on Windows.
        unsafe { describe_winsock(lpwsadata, version.unwrap_or(0x0202)) };
    }
    match version {
        None => WSAVERNOTSUPPORTED,
        Some(_) if lpwsadata.is_null() => WSAEFAULT,
        Some(_) if startup::is_child() => WSASYSNOTREADY,
        Some(_) => {
            startup::start_up();
            0
        }
    }
}

/// # Safety
/// `data` is valid for writes.
unsafe fn describe_winsock(data: *mut WSADATA, version: u16) {
    let old = version & 0xff == 1; // 1.x applications look at the limits
    let text = |text: &[u8], out: &mut [i8]| {
        for (place, byte) in out.iter_mut().zip(text) {
            *place = *byte as i8;
        }
    };
    let (mut description, mut status) = ([0i8; 257], [0i8; 129]);
    text(b"WinSock 2.0", &mut description);
    text(b"Running", &mut status);
    // SAFETY: each field is valid for writes by the caller's promise.
    unsafe {
        (&raw mut (*data).wVersion).write_unaligned(version);
        (&raw mut (*data).wHighVersion).write_unaligned(0x0202);
        (&raw mut (*data).iMaxSockets).write_unaligned(if old { 32767 } else { 0 });
        (&raw mut (*data).iMaxUdpDg).write_unaligned(if old { 65467 } else { 0 });
        (&raw mut (*data).szDescription).write_unaligned(description);
        (&raw mut (*data).szSystemStatus).write_unaligned(status);
    }
}

/// Ends one use of Winsock; the last one closes every socket of the process.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsacleanup>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSACleanup() -> i32 {
    last_error::winsock_result(startup::clean_up())
}

/// The calling thread's last error. The same value as `GetLastError`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsagetlasterror>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAGetLastError() -> i32 {
    last_error::get() as i32
}

/// Sets the calling thread's last error.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsasetlasterror>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSASetLastError(ierror: i32) {
    last_error::set(ierror as u32);
}

/// The socket of a handle, once Winsock is started.
pub fn find(s: SOCKET) -> Result<Named<Socket>, Status> {
    startup::check()?;
    handle::socket(s)
}

// ---- making sockets ----

/// Makes a socket: blocking, overlapped.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-socket>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn socket(af: i32, r#type: i32, protocol: i32) -> SOCKET {
    last_error::winsock_value(
        make_socket(af, r#type, protocol, WSA_FLAG_OVERLAPPED),
        INVALID_SOCKET,
    )
}

fn make_socket(family: i32, kind: i32, protocol: i32, flags: u32) -> Result<SOCKET, Status> {
    const LEAF: u32 = WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF;
    startup::check()?;
    let (family, kind) = socket::resolve_arguments(family, kind, protocol)?;
    let socket = Socket::new(family, kind, flags & WSA_FLAG_OVERLAPPED != 0)?;
    socket.set_flag(FLAG_LEAF, flags & LEAF != 0);
    open_socket(socket)
}

/// A handle for a socket.
pub fn open_socket(socket: Arc<Socket>) -> Result<SOCKET, Status> {
    let handle = handle::open(Object::Socket(socket)).map_err(|_| Status::TOO_MANY_SOCKETS)?;
    Ok(handle as SOCKET)
}

/// Makes a socket; overlapped only if `dwflags` says so.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasocketw>
///
/// # Safety
/// `lpprotocolinfo` is null or valid.
pub unsafe extern "system" fn WSASocketW(
    af: i32,
    r#type: i32,
    protocol: i32,
    lpprotocolinfo: *const WSAPROTOCOL_INFOW,
    g: u32,
    dwflags: u32,
) -> SOCKET {
    let info = (!lpprotocolinfo.is_null()).then(|| {
        // SAFETY: not null, so valid by the caller's promise.
        let info = unsafe { lpprotocolinfo.read_unaligned() };
        Described {
            values: (info.iAddressFamily, info.iSocketType, info.iProtocol),
            promised: info.dwProviderReserved,
        }
    });
    make_socket_with(af, r#type, protocol, info, g, dwflags)
}

/// As `WSASocketW`, with protocol information in 8-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasocketa>
///
/// # Safety
/// `lpprotocolinfo` is null or valid.
pub unsafe extern "system" fn WSASocketA(
    af: i32,
    r#type: i32,
    protocol: i32,
    lpprotocolinfo: *const WSAPROTOCOL_INFOA,
    g: u32,
    dwflags: u32,
) -> SOCKET {
    let info = (!lpprotocolinfo.is_null()).then(|| {
        // SAFETY: not null, so valid by the caller's promise.
        let info = unsafe { lpprotocolinfo.read_unaligned() };
        Described {
            values: (info.iAddressFamily, info.iSocketType, info.iProtocol),
            promised: info.dwProviderReserved,
        }
    });
    make_socket_with(af, r#type, protocol, info, g, dwflags)
}

/// What WSASocket reads of a WSAPROTOCOL_INFO.
struct Described {
    values: (i32, i32, i32), // family, type, protocol
    promised: u32,           // of WSADuplicateSocket: what stands for the new handle; else 0
}

fn make_socket_with(
    af: i32,
    kind: i32,
    protocol: i32,
    info: Option<Described>,
    group: u32,
    flags: u32,
) -> SOCKET {
    const MULTIPOINT: u32 = WSA_FLAG_MULTIPOINT_C_ROOT
        | WSA_FLAG_MULTIPOINT_C_LEAF
        | WSA_FLAG_MULTIPOINT_D_ROOT
        | WSA_FLAG_MULTIPOINT_D_LEAF;
    const KNOWN: u32 =
        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT | WSA_FLAG_REGISTERED_IO | MULTIPOINT;
    let make = || {
        startup::check()?;
        if flags & !KNOWN != 0 || group != 0 {
            return Err(Status::INVALID);
        }
        let Some(info) = info else {
            return make_socket(af, kind, protocol, flags);
        };
        if info.promised != 0 {
            return handle::claim(info.promised);
        }
        let either = |given: i32, described: i32| match given {
            0 | FROM_PROTOCOL_INFO => described,
            given => given,
        };
        let (family_of, kind_of, protocol_of) = info.values;
        let family = either(af, family_of);
        if Family::from_windows(family).is_none() {
            return Err(Status::ADDRESS_FAMILY_UNSUPPORTED); // which is judged first here
        }
        make_socket(
            family,
            either(kind, kind_of),
            either(protocol, protocol_of),
            flags,
        )
    };
    last_error::winsock_value(make(), INVALID_SOCKET)
}

/// Closes a socket handle; with the last one the connection is closed as the linger option says.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-closesocket>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn closesocket(s: SOCKET) -> i32 {
    let close = || {
        find(s)?.may_close()?;
        handle::close(s as HANDLE).map_err(|_| Status::NOT_SOCKET)
    };
    last_error::winsock_result(close())
}

// ---- names and connections ----

/// The address that a program hands in.
///
/// # Safety
/// `name` is null or valid for `length` bytes.
pub unsafe fn read_address(
    name: *const SOCKADDR,
    length: i32,
    family: Family,
) -> Result<Address, Status> {
    if name.is_null() || length < 0 {
        return Err(Status::FAULT);
    }
    // SAFETY: the caller's promise; no more than an address needs is read.
    let bytes =
        unsafe { std::slice::from_raw_parts(name.cast::<u8>(), (length as usize).min(128)) };
    Address::from_windows(bytes, family)
}

/// # Safety
/// `name` and `length` are null or valid, `name` for `*length` bytes.
unsafe fn write_address(
    address: &Address,
    name: *mut SOCKADDR,
    length: *mut i32,
) -> Result<(), Status> {
    if name.is_null() || length.is_null() {
        return Err(Status::FAULT);
    }
    // SAFETY: the caller's promise.
    let room = unsafe { length.read_unaligned() }.max(0) as usize;
    // SAFETY: the caller's promise; no more than an address needs is written.
    let out = unsafe { std::slice::from_raw_parts_mut(name.cast::<u8>(), room.min(128)) };
    let written = address.write_windows(out).ok_or(Status::FAULT)?;
    // SAFETY: the caller's promise.
    unsafe { length.write_unaligned(written as i32) };
    Ok(())
}

/// Gives a socket its local address.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-bind>
///
/// # Safety
/// `name` is null or valid for `namelen` bytes.
pub unsafe extern "system" fn bind(s: SOCKET, name: *const SOCKADDR, namelen: i32) -> i32 {
    let bind = || {
        let socket = find(s)?;
        // SAFETY: the caller's promise.
        socket.bind(unsafe { read_address(name, namelen, socket.family) }?)
    };
    last_error::winsock_result(bind())
}

/// Makes a bound socket listen.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-listen>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn listen(s: SOCKET, backlog: i32) -> i32 {
    last_error::winsock_result(find(s).and_then(|socket| socket.listen(backlog)))
}

/// Takes a connection; the new socket inherits from the listener.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-accept>
///
/// # Safety
/// `addr` and `addrlen` are null or valid, `addr` for `*addrlen` bytes.
pub unsafe extern "system" fn accept(s: SOCKET, addr: *mut SOCKADDR, addrlen: *mut i32) -> SOCKET {
    // SAFETY: the caller's promise.
    let accepted = unsafe { accept_with(s, addr, addrlen, |listener| listener.accept()) };
    last_error::winsock_value(accepted, INVALID_SOCKET)
}

/// A handle for the connection that `take` gives, and its peer's address.
///
/// # Safety
/// `addr` and `addrlen` are null or valid, `addr` for `*addrlen` bytes.
pub unsafe fn accept_with(
    s: SOCKET,
    addr: *mut SOCKADDR,
    addrlen: *mut i32,
    take: impl FnOnce(&Arc<Socket>) -> Result<(Arc<Socket>, Address), Status>,
) -> Result<SOCKET, Status> {
    let listener = find(s)?;
    let wants_address = !addr.is_null() && !addrlen.is_null();
    // SAFETY: not null, so valid by the caller's promise.
    let room = wants_address.then(|| unsafe { addrlen.read_unaligned() });
    if room.is_some_and(|room| (room as i64) < listener.family.address_len() as i64) {
        return Err(Status::FAULT); // before a connection is taken: it stays queued
    }
    let (accepted, peer) = take(&listener)?;
    let handle = open_socket(accepted.clone())?;
    if wants_address {
        // SAFETY: the caller's promise. (Another thread may have made the room smaller meanwhile: the connection is there.)
        let _ = unsafe { write_address(&peer, addr, addrlen) };
    }
    accepted.inherit_network_events(&listener, handle);
    Ok(handle)
}

/// Connects a socket.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-connect>
///
/// # Safety
/// `name` is null or valid for `namelen` bytes.
pub unsafe extern "system" fn connect(s: SOCKET, name: *const SOCKADDR, namelen: i32) -> i32 {
    let connect = || {
        let socket = find(s)?;
        // SAFETY: the caller's promise.
        socket.connect(unsafe { read_peer(name, namelen, socket.family) }?)
    };
    last_error::winsock_result(connect())
}

/// The address that a program wants a socket connected to; none for AF_UNSPEC.
///
/// # Safety
/// `name` is null or valid for `length` bytes.
pub unsafe fn read_peer(
    name: *const SOCKADDR,
    length: i32,
    family: Family,
) -> Result<Option<Address>, Status> {
    if name.is_null() || length < 0 {
        return Err(Status::FAULT);
    }
    // SAFETY: the caller's promise; no more than an address needs is read.
    let bytes =
        unsafe { std::slice::from_raw_parts(name.cast::<u8>(), (length as usize).min(128)) };
    Address::peer_from_windows(bytes, family)
}

/// The local address of a bound socket.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-getsockname>
///
/// # Safety
/// `name` and `namelen` are null or valid, `name` for `*namelen` bytes.
pub unsafe extern "system" fn getsockname(
    s: SOCKET,
    name: *mut SOCKADDR,
    namelen: *mut i32,
) -> i32 {
    let name_of = || {
        let socket = find(s)?;
        if name.is_null() || namelen.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        unsafe { write_address(&socket.local_address()?, name, namelen) }
    };
    last_error::winsock_result(name_of())
}

/// The address of the other end, also after the connection was shut down.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-getpeername>
///
/// # Safety
/// `name` and `namelen` are null or valid, `name` for `*namelen` bytes.
pub unsafe extern "system" fn getpeername(
    s: SOCKET,
    name: *mut SOCKADDR,
    namelen: *mut i32,
) -> i32 {
    let name_of = || {
        let peer = find(s)?.peer_address()?; // judged before the pointers
        // SAFETY: the caller's promise.
        unsafe { write_address(&peer, name, namelen) }
    };
    last_error::winsock_result(name_of())
}

/// Ends one or both directions of a connection.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-shutdown>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn shutdown(s: SOCKET, how: i32) -> i32 {
    last_error::winsock_result(find(s).and_then(|socket| socket.shutdown(how)))
}

// ---- events ----

/// Makes a manual-reset event, not signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsacreateevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSACreateEvent() -> WSAEVENT {
    let event = Event::new(true, false);
    last_error::winsock_event_value(
        handle::open(Object::Event(event)).map(|handle| handle as WSAEVENT),
        WSA_INVALID_EVENT,
    )
}

pub fn event_of(handle: WSAEVENT) -> Result<Named<Event>, Status> {
    handle::event(handle as HANDLE)
}

/// Closes an event.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsacloseevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSACloseEvent(hevent: WSAEVENT) -> BOOL {
    let result = event_of(hevent).and_then(|_| handle::close(hevent as HANDLE));
    last_error::winsock_event_value(result.map(|()| TRUE), FALSE)
}

/// Signals an event.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasetevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSASetEvent(hevent: WSAEVENT) -> BOOL {
    let result = event_of(hevent).map(|event| event.set());
    last_error::winsock_event_value(result.map(|()| TRUE), FALSE)
}

/// Makes an event non-signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaresetevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAResetEvent(hevent: WSAEVENT) -> BOOL {
    let result = event_of(hevent).map(|event| event.reset());
    last_error::winsock_event_value(result.map(|()| TRUE), FALSE)
}

/// Waits until one or all of several objects are signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsawaitformultipleevents>
///
/// # Safety
/// `lphevents` is null or valid for `cevents` handles.
pub unsafe extern "system" fn WSAWaitForMultipleEvents(
    cevents: u32,
    lphevents: *const HANDLE,
    fwaitall: BOOL,
    dwtimeout: u32,
    falertable: BOOL,
) -> WAIT_EVENT {
    // SAFETY: the caller's promise.
    let waited = unsafe {
        synch::wait_for_many(
            cevents,
            lphevents,
            fwaitall != 0,
            dwtimeout,
            falertable != 0,
        )
    };
    synch::wait_result(waited)
}
