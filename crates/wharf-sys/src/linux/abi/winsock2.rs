//! winsock2.h and ws2tcpip.h: sockets.

use std::net::SocketAddr;
use std::ptr::null_mut;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{HANDLE, WAIT_EVENT};
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{BOOL, PCSTR, PSTR};

use super::connection::read_list;
use super::ioapi::{status_of, wait_for_operation};
use super::{mswsock, store, synch};
use crate::platform::address::{Address, Family};
use crate::platform::control::{Controlled, Input};
use crate::platform::handle::Named;
use crate::platform::network_events::Occasion;
use crate::platform::object::{Event, Object};
use crate::platform::operation::Buffers;
use crate::platform::option::{self, SetEffect};
use crate::platform::request::{DoneOut, How, Overlapped, Started};
use crate::platform::socket::{self, Socket};
use crate::platform::status::Status;
use crate::platform::{handle, last_error, startup};

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
    last_error::winsock_value(make_socket(af, r#type, protocol, true), INVALID_SOCKET)
}

fn make_socket(family: i32, kind: i32, protocol: i32, overlapped: bool) -> Result<SOCKET, Status> {
    startup::check()?;
    let (family, kind) = socket::resolve_arguments(family, kind, protocol)?;
    open_socket(Socket::new(family, kind, overlapped)?)
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
    _g: u32,
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
    make_socket_with(af, r#type, protocol, info, dwflags)
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
    _g: u32,
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
    make_socket_with(af, r#type, protocol, info, dwflags)
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
    flags: u32,
) -> SOCKET {
    const MULTIPOINT: u32 = WSA_FLAG_MULTIPOINT_C_ROOT
        | WSA_FLAG_MULTIPOINT_C_LEAF
        | WSA_FLAG_MULTIPOINT_D_ROOT
        | WSA_FLAG_MULTIPOINT_D_LEAF;
    const KNOWN: u32 =
        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT | WSA_FLAG_REGISTERED_IO | MULTIPOINT;
    let promised = info.as_ref().map_or(0, |info| info.promised);
    let (family_of, kind_of, protocol_of) = info.map_or((af, kind, protocol), |info| info.values);
    let either = |given: i32, described: i32| {
        if given == FROM_PROTOCOL_INFO {
            described
        } else {
            given
        }
    };
    let made = if flags & !KNOWN != 0 {
        startup::check().and(Err(Status::INVALID))
    } else if promised != 0 {
        startup::check().and_then(|()| handle::claim(promised))
    } else {
        let overlapped = flags & WSA_FLAG_OVERLAPPED != 0;
        make_socket(
            either(af, family_of),
            either(kind, kind_of),
            either(protocol, protocol_of),
            overlapped,
        )
    };
    last_error::winsock_value(made, INVALID_SOCKET)
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
    if wants_address {
        // SAFETY: the caller's promise.
        unsafe { write_address(&peer, addr, addrlen) }?;
    }
    let handle = open_socket(accepted.clone())?;
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

// ---- transfers ----

/// # Safety
/// `buffers` is valid for `count` entries; they are captured.
pub unsafe fn capture(buffers: *const WSABUF, count: u32) -> Result<Buffers, Status> {
    if count == 0 {
        return Err(Status::INVALID);
    }
    if buffers.is_null() {
        return Err(Status::FAULT);
    }
    let one = |index: u32| {
        // SAFETY: the caller's promise.
        let buffer = unsafe { buffers.add(index as usize).read_unaligned() };
        (buffer.buf, buffer.len as usize)
    };
    let is_wrong = |(base, length): (*mut u8, usize)| base.is_null() && length > 0;
    if (0..count).map(one).any(is_wrong) {
        return Err(Status::FAULT);
    }
    if count == 1 {
        let (base, length) = one(0);
        return Ok(Buffers::one(base, length));
    }
    Ok(Buffers::new(
        (0..count as usize).map(|index| one(index as u32)),
    ))
}

/// # Safety
/// `overlapped` is null or stays valid until the operation has been reported; `out` is as it promises.
pub unsafe fn how(
    overlapped: *mut OVERLAPPED,
    routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    out: DoneOut,
) -> Option<How> {
    if overlapped.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let overlapped = unsafe { Overlapped::new(overlapped) };
    overlapped.set_pending(); // which it stays if the call is refused
    Some(How::Overlapped(overlapped, routine, out))
}

/// The result of WSARecv, WSASend and relatives. An overlapped one that is done at once has stored its count by now: the program
/// may have been told, and the variable gone with it.
///
/// # Safety
/// Without an OVERLAPPED, `transferred` is null or valid for writes.
pub unsafe fn report(
    started: Result<Started, Status>,
    how: Option<How>,
    transferred: *mut u32,
) -> i32 {
    let result = match started {
        Ok(Started::Done(bytes)) => {
            if how.is_none() {
                // SAFETY: the caller's promise.
                unsafe { store(transferred, bytes as u32) };
            }
            Ok(())
        }
        Ok(Started::Cut(bytes)) => {
            if how.is_none() {
                // SAFETY: the caller's promise.
                unsafe { store(transferred, bytes as u32) };
            }
            Err(Status::BUFFER_OVERFLOW)
        }
        Ok(Started::Pending) => Err(Status::IO_PENDING),
        Err(status) => Err(status),
    };
    last_error::winsock_result(result)
}

/// Receives, synchronously or overlapped.
///
/// The WSABUF array is captured; buffers and OVERLAPPED are the library's until the operation is reported.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecv>
///
/// # Safety
/// Pointers are null or valid; with an OVERLAPPED, it and the buffers until the operation is reported.
pub unsafe extern "system" fn WSARecv(
    s: SOCKET,
    lpbuffers: *const WSABUF,
    dwbuffercount: u32,
    lpnumberofbytesrecvd: *mut u32,
    lpflags: *mut u32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    // SAFETY: the caller's promise.
    let how = unsafe {
        how(
            lpoverlapped,
            lpcompletionroutine,
            DoneOut::new(lpnumberofbytesrecvd, lpflags),
        )
    };
    let receive = || {
        let socket = find(s)?;
        if lpflags.is_null() || (how.is_none() && lpnumberofbytesrecvd.is_null()) {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let buffers = unsafe { capture(lpbuffers, dwbuffercount) }
            .inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
        // SAFETY: the caller's promise.
        let started = socket.receive(buffers, unsafe { lpflags.read_unaligned() }, how)?;
        if how.is_none() {
            // SAFETY: the caller's promise. Streams report no flags.
            unsafe { lpflags.write_unaligned(0) };
        }
        Ok(started)
    };
    // SAFETY: the caller's promise.
    unsafe { report(receive(), how, lpnumberofbytesrecvd) }
}

/// Sends, synchronously or overlapped.
///
/// The WSABUF array is captured; buffers and OVERLAPPED are the library's until the operation is reported.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasend>
///
/// # Safety
/// Pointers are null or valid; with an OVERLAPPED, it and the buffers until the operation is reported.
pub unsafe extern "system" fn WSASend(
    s: SOCKET,
    lpbuffers: *const WSABUF,
    dwbuffercount: u32,
    lpnumberofbytessent: *mut u32,
    dwflags: u32,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    // SAFETY: the caller's promise.
    let how = unsafe {
        how(
            lpoverlapped,
            lpcompletionroutine,
            DoneOut::new(lpnumberofbytessent, null_mut()),
        )
    };
    let send = || {
        let socket = find(s)?;
        if how.is_none() && lpnumberofbytessent.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let buffers = unsafe { capture(lpbuffers, dwbuffercount) }?;
        socket.send(buffers, dwflags, how)
    };
    // SAFETY: the caller's promise.
    unsafe { report(send(), how, lpnumberofbytessent) }
}

/// Receives, as the blocking mode says. Returns the count of bytes, 0 at the end of the stream.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-recv>
///
/// # Safety
/// `buf` is null or valid for writes of `len` bytes.
pub unsafe extern "system" fn recv(s: SOCKET, buf: PSTR, len: i32, flags: SEND_RECV_FLAGS) -> i32 {
    let receive = || {
        let socket = find(s)?;
        let buffer = buffer(buf, len).inspect_err(|_| socket.observe(Occasion::ReceiveRefused))?;
        socket.receive(buffer, flags as u32, None)
    };
    last_error::winsock_value(receive().and_then(bytes_done), SOCKET_ERROR)
}

/// Sends, as the blocking mode says. Returns the count of bytes.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-send>
///
/// # Safety
/// `buf` is null or valid for reads of `len` bytes.
pub unsafe extern "system" fn send(s: SOCKET, buf: PCSTR, len: i32, flags: SEND_RECV_FLAGS) -> i32 {
    let send = || find(s)?.send(buffer(buf.cast_mut(), len)?, flags as u32, None);
    last_error::winsock_value(send().and_then(bytes_done), SOCKET_ERROR)
}

pub fn buffer(base: *mut u8, length: i32) -> Result<Buffers, Status> {
    if length < 0 || (base.is_null() && length > 0) {
        return Err(Status::FAULT);
    }
    Ok(Buffers::one(base, length as usize))
}

/// What a call returns that is not overlapped.
pub fn bytes_done(started: Started) -> Result<i32, Status> {
    match started {
        Started::Done(bytes) => Ok(bytes as i32),
        Started::Cut(_) => Err(Status::BUFFER_OVERFLOW),
        Started::Pending => Ok(0),
    }
}

/// The result of an overlapped operation on a socket, in WSA codes; waits for it if `fwait`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetoverlappedresult>
///
/// # Safety
/// Pointers are null or valid.
pub unsafe extern "system" fn WSAGetOverlappedResult(
    s: SOCKET,
    lpoverlapped: *const OVERLAPPED,
    lpcbtransfer: *mut u32,
    fwait: BOOL,
    lpdwflags: *mut u32,
) -> BOOL {
    let result = || {
        startup::check()?;
        handle::winsock_socket(s)?;
        if lpoverlapped.is_null() || lpcbtransfer.is_null() || lpdwflags.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: valid by the caller's promise.
        let mut status = unsafe { status_of(lpoverlapped) };
        if status == Status::PENDING && fwait != 0 {
            // SAFETY: valid by the caller's promise.
            let event = unsafe { (*lpoverlapped).hEvent } as usize & !1;
            let waited = if event == 0 {
                s as HANDLE
            } else {
                event as HANDLE
            };
            // The handle's own code is Win32's here: WSA_INVALID_HANDLE.
            wait_for_operation(waited, None, false)
                .map_err(|status| Status::from_win32(status.to_win32()))?;
            // SAFETY: valid by the caller's promise.
            status = unsafe { status_of(lpoverlapped) };
        }
        if status == Status::PENDING {
            return Err(Status::PENDING);
        }
        // SAFETY: valid by the caller's promise.
        unsafe { store(lpcbtransfer, (*lpoverlapped).InternalHigh as u32) };
        if status.is_failure() {
            return Err(status);
        }
        // SAFETY: valid by the caller's promise.
        unsafe { store(lpdwflags, 0) };
        Ok(1)
    };
    last_error::winsock_value(result(), 0)
}

// ---- control ----

/// FIONBIO, FIONREAD, SIOCATMARK.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-ioctlsocket>
///
/// # Safety
/// `argp` is null or valid for reads and writes of 32 bits.
pub unsafe extern "system" fn ioctlsocket(s: SOCKET, cmd: i32, argp: *mut u32) -> i32 {
    let control = || {
        let socket = find(s)?;
        if argp.is_null() {
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
        let out = (!optval.is_null())
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
    // SAFETY: the caller's promise.
    let input = unsafe { Captured::read(lpvinbuffer.cast(), cbinbuffer) };
    // SAFETY: the caller's promise.
    let overlapped = (!lpoverlapped.is_null()).then(|| unsafe { Overlapped::new(lpoverlapped) });
    let how = overlapped
        .map(|overlapped| How::Overlapped(overlapped, lpcompletionroutine, DoneOut::nowhere()));
    // SAFETY: the caller's promise.
    let output = unsafe { slice_mut(lpvoutbuffer.cast(), cboutbuffer) };
    let mut control = || {
        let socket = find(s)?;
        if lpcbbytesreturned.is_null() {
            return Err(Status::FAULT);
        }
        if dwiocontrolcode == SIO_GET_EXTENSION_FUNCTION_POINTER {
            return mswsock::extension(&socket, input.bytes(), output, how).map(Controlled::Done);
        }
        let list = match dwiocontrolcode {
            // SAFETY: the caller's promise.
            SIO_ADDRESS_LIST_SORT => unsafe { read_list_of(lpvinbuffer.cast(), cbinbuffer) }?,
            _ => Vec::new(),
        };
        let input = Input {
            bytes: input.bytes(),
            list: &list,
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

/// The input of a control code, copied: a program may pass the same buffer for the output.
struct Captured {
    bytes: [u8; 64], // more than any code reads
    length: usize,
}

impl Captured {
    /// # Safety
    /// `base` is null or valid for reads of `length` bytes.
    unsafe fn read(base: *const u8, length: u32) -> Captured {
        let mut input = Captured {
            bytes: [0; 64],
            length: 0,
        };
        if !base.is_null() {
            input.length = (length as usize).min(input.bytes.len());
            // SAFETY: the caller's promise.
            unsafe { base.copy_to_nonoverlapping(input.bytes.as_mut_ptr(), input.length) };
        }
        input
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
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
    unsafe { read_list(list) }
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

// ---- events ----

/// Makes a manual-reset event, not signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsacreateevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSACreateEvent() -> WSAEVENT {
    let event = Event::new(true, false);
    last_error::win32_value(
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
    last_error::bool_result(event_of(hevent).and_then(|_| handle::close(hevent as HANDLE)))
}

/// Signals an event.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasetevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSASetEvent(hevent: WSAEVENT) -> BOOL {
    last_error::bool_result(event_of(hevent).map(|event| event.set()))
}

/// Makes an event non-signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaresetevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAResetEvent(hevent: WSAEVENT) -> BOOL {
    last_error::bool_result(event_of(hevent).map(|event| event.reset()))
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
