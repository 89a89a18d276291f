//! `select`, connecting by list or name and resolving names within a time, with libc's `struct timeval`.
//!
//! Windows' `timeval` is two 32-bit numbers. A program on Linux takes the type from `<sys/time.h>` as well, where it
//! is two 64-bit numbers, so that is what the headers offer and what is converted here.

use core::ffi::c_long;

use wharf_sys::in_units::{Asynchronous, get_addr_info_ex};
use wharf_sys::{
    ADDRINFOEXA, BOOL, FD_SET, GUID, HANDLE, LPLOOKUPSERVICE_COMPLETION_ROUTINE, OVERLAPPED,
    SOCKADDR, SOCKET, SOCKET_ADDRESS_LIST, TIMEVAL,
};

use crate::wide::with_narrow;

/// libc's `struct timeval` on 64-bit Linux.
#[repr(C)]
struct LibcTimeval {
    seconds: c_long,
    microseconds: c_long,
}

/// Waits until sockets are ready.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-select>
///
/// # Safety
/// As for `select`; `timeout` is null or valid for reads.
#[unsafe(no_mangle)]
unsafe extern "C" fn wharf_select(
    ignored: i32,
    read: *mut FD_SET,
    write: *mut FD_SET,
    except: *mut FD_SET,
    timeout: *const LibcTimeval,
) -> i32 {
    // SAFETY: the sets are the caller's, and so is the promise for `timeout`.
    unsafe {
        with_narrow_time(timeout, |timeout| {
            wharf_sys::select(ignored, read, write, except, timeout)
        })
    }
}

/// Connects to one of several addresses.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaconnectbylist>
///
/// # Safety
/// As for `WSAConnectByList`; `timeout` is null or valid for reads.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAConnectByList(
    socket: SOCKET,
    list: *const SOCKET_ADDRESS_LIST,
    local_length: *mut u32,
    local: *mut SOCKADDR,
    remote_length: *mut u32,
    remote: *mut SOCKADDR,
    timeout: *const LibcTimeval,
    reserved: *const OVERLAPPED,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe {
        with_narrow_time(timeout, |timeout| {
            wharf_sys::WSAConnectByList(
                socket,
                list,
                local_length,
                local,
                remote_length,
                remote,
                timeout,
                reserved,
            )
        })
    }
}

/// Connects to a service on a host; one form for each width of text.
macro_rules! connect_by_name {
    ($symbol:ident, $unit:ty, $with:ident, $function:ident) => {
        /// Connects to a service on a host.
        ///
        /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaconnectbynamew>
        ///
        /// # Safety
        /// As for `WSAConnectByNameW`; `timeout` is null or valid for reads.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(
            socket: SOCKET,
            node: *const $unit,
            service: *const $unit,
            local_length: *mut u32,
            local: *mut SOCKADDR,
            remote_length: *mut u32,
            remote: *mut SOCKADDR,
            timeout: *const LibcTimeval,
            reserved: *const OVERLAPPED,
        ) -> BOOL {
            // SAFETY: the caller's promise; what is converted outlives the call.
            let connect = |node, service| unsafe {
                with_narrow_time(timeout, |timeout| {
                    wharf_sys::$function(
                        socket,
                        node,
                        service,
                        local_length,
                        local,
                        remote_length,
                        remote,
                        timeout,
                        reserved,
                    )
                })
            };
            // SAFETY: names are null or end with a zero by the caller's promise.
            unsafe {
                $with(node, |node| {
                    $with(service, |service| connect(node, service))
                })
            }
        }
    };
}
connect_by_name!(WSAConnectByNameA, u8, as_it_is, WSAConnectByNameA);
connect_by_name!(WSAConnectByNameW, u16, as_it_is, WSAConnectByNameW);
connect_by_name!(WSAConnectByNameW32, u32, with_narrow, WSAConnectByNameW);

/// The addresses of a host, by name space, within a time or meanwhile; one form for each width of text.
macro_rules! get_addr_info_ex {
    ($symbol:ident, $unit:ty) => {
        /// The addresses of a host with the port of a service, in a name space.
        ///
        /// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexw>
        ///
        /// # Safety
        /// As for `GetAddrInfoExW`, names having such units; `timeout` is null or valid for reads.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(
            name: *const $unit,
            service: *const $unit,
            space: u32,
            provider: *const GUID,
            hints: *const ADDRINFOEXA,
            result: *mut *mut ADDRINFOEXA,
            timeout: *const LibcTimeval,
            overlapped: *const OVERLAPPED,
            routine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
            handle: *mut HANDLE,
        ) -> i32 {
            let how = Asynchronous {
                overlapped,
                routine,
                handle,
            };
            // SAFETY: the caller's promise; the time is read within the call.
            unsafe {
                with_narrow_time(timeout, |timeout| {
                    let (names, space) = ((name, service), (space, provider));
                    get_addr_info_ex(names, space, hints, result, timeout, how)
                })
            }
        }
    };
}
get_addr_info_ex!(GetAddrInfoExW, u16);
get_addr_info_ex!(GetAddrInfoExW32, u32);

/// Text that needs no conversion; the counterpart of [`with_narrow`], and unsafe like it.
unsafe fn as_it_is<T, R>(text: *const T, call: impl FnOnce(*const T) -> R) -> R {
    call(text)
}

/// `call` with the same time as Windows writes it; a number that does not fit becomes the nearest one that does.
///
/// # Safety
/// `timeout` is null or a timeval of libc, valid for reads.
unsafe fn with_narrow_time<R>(
    timeout: *const LibcTimeval,
    call: impl FnOnce(*const TIMEVAL) -> R,
) -> R {
    let saturate = |value: c_long| value.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    // SAFETY: the caller's promise.
    let narrow = unsafe { timeout.as_ref() }.map(|timeout| TIMEVAL {
        tv_sec: saturate(timeout.seconds),
        tv_usec: saturate(timeout.microseconds),
    });
    call(
        narrow
            .as_ref()
            .map_or(core::ptr::null(), core::ptr::from_ref),
    )
}
