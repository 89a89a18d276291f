//! winsock2.h: connections made by name, taken under a condition, shared, and ended with data.

use std::net::SocketAddr;
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{FALSE, TRUE};
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{BOOL, PCSTR, PCWSTR};

use super::text::{ansi_text, wide_text};
use super::winsock2::{accept_with, find, read_address, read_peer};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::sockets::accept::Verdict;
use crate::platform::sockets::address::{Address, Family};
use crate::platform::sockets::connect_by;
use crate::platform::sockets::socket::Socket;
use crate::platform::startup;
use crate::platform::status::Status;
use crate::platform::threads::parker::Deadline;

/// Connects a socket; the further arguments are for protocols that carry data with the connection.
///
/// Caller data and a quality of service are WSAEOPNOTSUPP, no callee data comes, and group quality is not looked at.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaconnect>
///
/// # Safety
/// `name` is null or valid for `namelen` bytes, `lpcallerdata` and `lpcalleedata` are null or valid.
pub unsafe extern "system" fn WSAConnect(
    s: SOCKET,
    name: *const SOCKADDR,
    namelen: i32,
    lpcallerdata: *const WSABUF,
    lpcalleedata: *mut WSABUF,
    lpsqos: *const QOS,
    _lpgqos: *const QOS,
) -> i32 {
    let connect = || {
        let socket = find(s)?;
        // SAFETY: the caller's promise.
        let address = unsafe { read_peer(name, namelen, socket.family) }?;
        // SAFETY: the caller's promise.
        if unsafe { has_data(lpcallerdata) } || !lpsqos.is_null() {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        socket.connect(address)?;
        if !lpcalleedata.is_null() {
            // SAFETY: not null, so valid by the caller's promise.
            unsafe { (&raw mut (*lpcalleedata).len).write_unaligned(0) };
        }
        Ok(())
    };
    last_error::winsock_result(connect())
}

/// Whether there is something to be sent with a connection.
///
/// # Safety
/// `buffer` is null or valid.
pub unsafe fn has_data(buffer: *const WSABUF) -> bool {
    // SAFETY: the caller's promise.
    !buffer.is_null() && unsafe { buffer.read_unaligned() }.len > 0
}

/// Takes a connection if `lpfncondition`, called on this thread with both addresses, says CF_ACCEPT.
///
/// CF_REJECT resets it (WSAECONNREFUSED); CF_DEFER leaves it to the next call of any kind (WSATRY_AGAIN), as does what is no
/// answer (WSAEINVAL). A null condition is none.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaaccept>
///
/// # Safety
/// As for `accept`; `lpfncondition` may be called with `dwcallbackdata`.
pub unsafe extern "system" fn WSAAccept(
    s: SOCKET,
    addr: *mut SOCKADDR,
    addrlen: *mut i32,
    lpfncondition: LPCONDITIONPROC,
    dwcallbackdata: usize,
) -> SOCKET {
    let take = |listener: &Arc<Socket>| match lpfncondition {
        None => listener.accept(),
        Some(condition) => listener.accept_if(|peer, local| {
            let mut addresses = [peer, local].map(|address| {
                let mut bytes = [0u8; 32];
                let length = address.write_windows(&mut bytes).unwrap_or(0);
                (bytes, length as u32)
            });
            let [mut caller, mut callee] = addresses.each_mut().map(|(bytes, length)| WSABUF {
                len: *length,
                buf: bytes.as_mut_ptr(),
            });
            let nothing = WSABUF {
                len: 0,
                buf: std::ptr::null_mut(),
            };
            let (mut caller_data, mut callee_data, mut group) = (nothing, nothing, 0);
            let no_quality = std::ptr::null_mut();
            // SAFETY: the program gave this function for this; all pointers are null or valid for the call.
            let answer = unsafe {
                condition(
                    &mut caller,
                    &mut caller_data,
                    no_quality,
                    no_quality,
                    &mut callee,
                    &mut callee_data,
                    &mut group,
                    dwcallbackdata,
                )
            };
            match answer as u32 {
                CF_ACCEPT => Verdict::Accept,
                CF_REJECT => Verdict::Reject,
                CF_DEFER => Verdict::Defer,
                _ => Verdict::Unknown,
            }
        }),
    };
    // SAFETY: the caller's promise.
    let accepted = unsafe { accept_with(s, addr, addrlen, take) };
    last_error::winsock_value(accepted, INVALID_SOCKET)
}

/// As `shutdown` with SD_SEND; data to go with it is WSAENOPROTOOPT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasenddisconnect>
///
/// # Safety
/// `lpoutbounddisconnectdata` is null or valid.
pub unsafe extern "system" fn WSASendDisconnect(
    s: SOCKET,
    lpoutbounddisconnectdata: *const WSABUF,
) -> i32 {
    // SAFETY: the caller's promise.
    let with_data = unsafe { has_data(lpoutbounddisconnectdata) };
    last_error::winsock_result(disconnect(s, SD_SEND, with_data))
}

/// As `shutdown` with SD_RECEIVE; room for the peer's data is WSAENOPROTOOPT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecvdisconnect>
///
/// # Safety
/// `lpinbounddisconnectdata` is null or valid.
pub unsafe extern "system" fn WSARecvDisconnect(
    s: SOCKET,
    lpinbounddisconnectdata: *const WSABUF,
) -> i32 {
    // SAFETY: the caller's promise.
    let with_data = unsafe { has_data(lpinbounddisconnectdata) };
    last_error::winsock_result(disconnect(s, SD_RECEIVE, with_data))
}

fn disconnect(s: SOCKET, how: i32, with_data: bool) -> Result<(), Status> {
    let socket = find(s)?;
    if with_data {
        return Err(Status::NO_PROTOCOL_OPTION);
    }
    socket.shutdown(how)
}

// ---- a second handle ----

/// Describes a socket so that `WSASocketW` makes another handle of it, once. Within this process only.
///
/// The socket stays open until that handle is made and closed, whatever becomes of `s`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaduplicatesocketw>
///
/// # Safety
/// `lpprotocolinfo` is null or valid for writes.
pub unsafe extern "system" fn WSADuplicateSocketW(
    s: SOCKET,
    dwprocessid: u32,
    lpprotocolinfo: *mut WSAPROTOCOL_INFOW,
) -> i32 {
    let name = |info: &mut WSAPROTOCOL_INFOW, number| info.dwProviderReserved = number;
    // SAFETY: the caller's promise; the structure is plain data.
    let described = unsafe { duplicate(s, dwprocessid, lpprotocolinfo, SO_PROTOCOL_INFOW, name) };
    last_error::winsock_result(described)
}

/// As `WSADuplicateSocketW`, with the protocol's name in 8-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaduplicatesocketa>
///
/// # Safety
/// `lpprotocolinfo` is null or valid for writes.
pub unsafe extern "system" fn WSADuplicateSocketA(
    s: SOCKET,
    dwprocessid: u32,
    lpprotocolinfo: *mut WSAPROTOCOL_INFOA,
) -> i32 {
    let name = |info: &mut WSAPROTOCOL_INFOA, number| info.dwProviderReserved = number;
    // SAFETY: the caller's promise; the structure is plain data.
    let described = unsafe { duplicate(s, dwprocessid, lpprotocolinfo, SO_PROTOCOL_INFOA, name) };
    last_error::winsock_result(described)
}

/// Describes a socket in the form of `SO_PROTOCOL_INFO*`; `name` puts in the number that stands for the new handle.
///
/// # Safety
/// `out` is null or valid for writes; `T` is plain data, the structure of that form.
unsafe fn duplicate<T: Default>(
    s: SOCKET,
    process: u32,
    out: *mut T,
    form: i32,
    name: impl FnOnce(&mut T, u32),
) -> Result<(), Status> {
    let mut info = T::default();
    // SAFETY: plain data of this size, by the caller's promise.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut((&raw mut info).cast::<u8>(), size_of::<T>()) };
    let number = describe(s, process, out.is_null(), form, bytes)?;
    name(&mut info, number);
    // SAFETY: not null, or it would have been refused; so valid by the caller's promise.
    unsafe { out.write_unaligned(info) };
    Ok(())
}

/// Fills in the description; the number that stands for the new handle.
fn describe(
    s: SOCKET,
    process: u32,
    nowhere: bool,
    form: i32,
    info: &mut [u8],
) -> Result<u32, Status> {
    let socket = find(s)?;
    if process != std::process::id() {
        return Err(Status::INVALID);
    }
    if nowhere {
        return Err(Status::FAULT);
    }
    let length = info.len() as i32;
    let (written, _) = socket.get_option(SOL_SOCKET, form, Some(info), length);
    written?;
    handle::promise(&socket)
}

// ---- by name ----

/// Connects to one of several addresses. Waits, whatever the blocking mode.
///
/// The socket ends as one of ConnectEx: SO_UPDATE_CONNECT_CONTEXT gives it its full state.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaconnectbylist>
///
/// # Safety
/// `socketaddress` is null or a list whose pointers are valid; the others are null or valid, addresses for the length that
/// stands beside them.
pub unsafe extern "system" fn WSAConnectByList(
    s: SOCKET,
    socketaddress: *const SOCKET_ADDRESS_LIST,
    localaddresslength: *mut u32,
    localaddress: *mut SOCKADDR,
    remoteaddresslength: *mut u32,
    remoteaddress: *mut SOCKADDR,
    timeout: *const TIMEVAL,
    reserved: *const OVERLAPPED,
) -> BOOL {
    let connect = || {
        let socket = find(s)?;
        if socketaddress.is_null() || !reserved.is_null() || socket.was_bound() {
            return Err(Status::INVALID);
        }
        // SAFETY: the caller's promise.
        let addresses = unsafe { read_list(socketaddress) }?;
        // SAFETY: the caller's promise.
        unsafe {
            connect_to_any(
                &socket,
                &addresses,
                ((localaddress, localaddresslength), |local| local),
                (remoteaddress, remoteaddresslength),
                timeout,
            )
        }
    };
    last_error::winsock_value(connect().map(|()| TRUE), FALSE)
}

/// The addresses of a list.
///
/// # Safety
/// `list` and the pointers in it are valid.
pub unsafe fn read_list(list: *const SOCKET_ADDRESS_LIST) -> Result<Vec<SocketAddr>, Status> {
    // SAFETY: the caller's promise.
    let count = unsafe { (&raw const (*list).iAddressCount).read_unaligned() };
    // SAFETY: the caller's promise.
    unsafe { read_entries(list, count.max(0) as usize) }
}

/// The first `count` addresses of a list, whatever it says itself: another thread may change it.
///
/// # Safety
/// That many entries and the pointers in them are valid.
pub unsafe fn read_entries(
    list: *const SOCKET_ADDRESS_LIST,
    count: usize,
) -> Result<Vec<SocketAddr>, Status> {
    // SAFETY: the array begins there.
    let first = unsafe { &raw const (*list).Address }.cast::<SOCKET_ADDRESS>();
    let address = |index| {
        // SAFETY: within the array by the caller's promise.
        let entry = unsafe { first.add(index).read_unaligned() };
        if entry.lpSockaddr.is_null() || entry.iSockaddrLength < 2 {
            return Err(Status::FAULT);
        }
        // SAFETY: the family stands at the beginning of an address.
        let family = unsafe { (&raw const (*entry.lpSockaddr).sa_family).read_unaligned() };
        let family =
            Family::from_windows(family.into()).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
        // SAFETY: the caller's promise.
        let address = unsafe { read_address(entry.lpSockaddr, entry.iSockaddrLength, family) }?;
        Ok(address.socket_addr())
    };
    (0..count).map(address).collect()
}

/// Connects to a service on a host, by the addresses that the names have. Waits, whatever the blocking mode.
///
/// The socket ends as one of ConnectEx: SO_UPDATE_CONNECT_CONTEXT gives it its full state.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaconnectbynamew>
///
/// # Safety
/// Names are null or end with a zero; the other pointers are null or valid, addresses for the length that stands beside.
pub unsafe extern "system" fn WSAConnectByNameW(
    s: SOCKET,
    nodename: PCWSTR,
    servicename: PCWSTR,
    localaddresslength: *mut u32,
    localaddress: *mut SOCKADDR,
    remoteaddresslength: *mut u32,
    remoteaddress: *mut SOCKADDR,
    timeout: *const TIMEVAL,
    reserved: *const OVERLAPPED,
) -> BOOL {
    // SAFETY: the caller's promise.
    let names = unsafe { (wide_text(nodename), wide_text(servicename)) };
    let (local, remote) = (
        (localaddress, localaddresslength),
        (remoteaddress, remoteaddresslength),
    );
    // SAFETY: the caller's promise.
    unsafe { connect_by_name(s, names, local, remote, timeout, reserved) }
}

/// As `WSAConnectByNameW`, with names in 8-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaconnectbynamea>
///
/// # Safety
/// As for `WSAConnectByNameW`.
pub unsafe extern "system" fn WSAConnectByNameA(
    s: SOCKET,
    nodename: PCSTR,
    servicename: PCSTR,
    localaddresslength: *mut u32,
    localaddress: *mut SOCKADDR,
    remoteaddresslength: *mut u32,
    remoteaddress: *mut SOCKADDR,
    timeout: *const TIMEVAL,
    reserved: *const OVERLAPPED,
) -> BOOL {
    // SAFETY: the caller's promise.
    let names = unsafe { (ansi_text(nodename), ansi_text(servicename)) };
    let (local, remote) = (
        (localaddress, localaddresslength),
        (remoteaddress, remoteaddresslength),
    );
    // SAFETY: the caller's promise.
    unsafe { connect_by_name(s, names, local, remote, timeout, reserved) }
}

/// Room for an address, and how much.
type Room = (*mut SOCKADDR, *mut u32);

/// # Safety
/// As for `WSAConnectByNameW`.
unsafe fn connect_by_name(
    s: SOCKET,
    names: (Option<Vec<u16>>, Option<Vec<u16>>),
    local: Room,
    remote: Room,
    timeout: *const TIMEVAL,
    reserved: *const OVERLAPPED,
) -> BOOL {
    let connect = || {
        startup::check()?;
        let (Some(host), Some(service)) = names else {
            return Err(Status::INVALID); // whatever the socket
        };
        let socket = handle::socket(s)?;
        if !reserved.is_null() {
            return Err(Status::INVALID);
        }
        if socket.is_datagram() {
            return Err(Status::FAULT);
        }
        let [host, service] = [host, service].map(|name| String::from_utf16_lossy(&name));
        let addresses = connect_by::addresses_of(&host, &service)?;
        // An address without a length is left out.
        let [local, remote] = [local, remote].map(|(out, length)| match length.is_null() {
            true => (null_mut(), null_mut()),
            false => (out, length),
        });
        let told = |local: Address| local.with_port(0); // the port of the socket's own is not
        // SAFETY: the caller's promise.
        unsafe { connect_to_any(&socket, &addresses, (local, told), remote, timeout) }
    };
    last_error::winsock_value(connect().map(|()| TRUE), FALSE)
}

/// `told` is what of the local address the program learns.
///
/// # Safety
/// As for `WSAConnectByNameW`.
unsafe fn connect_to_any(
    socket: &Arc<Socket>,
    addresses: &[SocketAddr],
    (local, told): (Room, impl FnOnce(Address) -> Address),
    remote: Room,
    timeout: *const TIMEVAL,
) -> Result<(), Status> {
    for (address, length) in [local, remote] {
        if address.is_null() {
            continue;
        }
        // Before there is a connection.
        if length.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: not null, so valid by the caller's promise.
        let room = unsafe { length.read_unaligned() };
        if (room as usize) < socket.family.address_len() {
            return Err(Status::FAULT);
        }
    }
    // SAFETY: the caller's promise.
    let deadline = unsafe { deadline_of(timeout) }?;
    let (local_address, remote_address) = socket.connect_to_any(addresses, deadline)?;
    for ((out, length), address) in [(local, told(local_address)), (remote, remote_address)] {
        if !out.is_null() {
            // SAFETY: there is room, as was looked at above.
            unsafe { write(&address, out, length) };
        }
    }
    Ok(())
}

/// # Safety
/// `out` is valid for an address of that family, `length` is valid.
unsafe fn write(address: &Address, out: *mut SOCKADDR, length: *mut u32) {
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), address.len()) };
    let written = address.write_windows(bytes).unwrap_or(0);
    // SAFETY: the caller's promise.
    unsafe { length.write_unaligned(written as u32) };
}

/// The moment that is so long after now; null: never.
///
/// # Safety
/// `timeout` is null or valid.
pub unsafe fn deadline_of(timeout: *const TIMEVAL) -> Result<Deadline, Status> {
    if timeout.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, so valid by the caller's promise.
    let TIMEVAL { tv_sec, tv_usec } = unsafe { timeout.read_unaligned() };
    let seconds = u64::try_from(tv_sec).map_err(|_| Status::INVALID)?;
    let microseconds = u64::try_from(tv_usec).map_err(|_| Status::INVALID)?;
    Ok(Some(
        Instant::now() + Duration::from_secs(seconds) + Duration::from_micros(microseconds),
    ))
}
