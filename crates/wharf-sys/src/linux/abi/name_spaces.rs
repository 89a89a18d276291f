//! winsock2.h: the name spaces there are, which is that of DNS.

use windows_sys::Win32::Foundation::TRUE;
use windows_sys::Win32::Networking::WinSock::*;

use super::pieces::{Pieces, lay_out};
use super::text::Unit;
use crate::platform::last_error;
use crate::platform::names::lookup::PROVIDER;
use crate::platform::startup;

/// What Windows calls the provider.
const NAME: &[u8] = b"Tcpip";

/// Lists the providers of name spaces in a buffer of `*lpdwbufferlength` bytes: returns how many there are. If there is no
/// room for them (WSAEFAULT) the length that is needed is stored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnamespaceprovidersa>
///
/// # Safety
/// `lpdwbufferlength` is null or valid, `lpnspbuffer` null or valid for writes of that many bytes.
pub unsafe extern "system" fn WSAEnumNameSpaceProvidersA(
    lpdwbufferlength: *mut u32,
    lpnspbuffer: *mut WSANAMESPACE_INFOA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { enumerate::<u8>(lpdwbufferlength, lpnspbuffer) }
}

/// As `WSAEnumNameSpaceProvidersA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnamespaceprovidersw>
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersA`.
pub unsafe extern "system" fn WSAEnumNameSpaceProvidersW(
    lpdwbufferlength: *mut u32,
    lpnspbuffer: *mut WSANAMESPACE_INFOW,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { enumerate::<u16>(lpdwbufferlength, lpnspbuffer.cast()) }
}

/// As `WSAEnumNameSpaceProvidersA`, with the provider's own data, of which there is none.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnamespaceprovidersexa>
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersA`.
pub unsafe extern "system" fn WSAEnumNameSpaceProvidersExA(
    lpdwbufferlength: *mut u32,
    lpnspbuffer: *mut WSANAMESPACE_INFOEXA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { enumerate_ex::<u8>(lpdwbufferlength, lpnspbuffer) }
}

/// As `WSAEnumNameSpaceProvidersExA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnamespaceprovidersexw>
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersA`.
pub unsafe extern "system" fn WSAEnumNameSpaceProvidersExW(
    lpdwbufferlength: *mut u32,
    lpnspbuffer: *mut WSANAMESPACE_INFOEXW,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { enumerate_ex::<u16>(lpdwbufferlength, lpnspbuffer.cast()) }
}

/// The structures of both widths; only what a text consists of differs.
const _: () = assert!(size_of::<WSANAMESPACE_INFOA>() == size_of::<WSANAMESPACE_INFOW>());
const _: () = assert!(size_of::<WSANAMESPACE_INFOEXA>() == size_of::<WSANAMESPACE_INFOEXW>());

/// `WSAEnumNameSpaceProviders`, in any units.
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersA`.
pub unsafe fn enumerate<U: Unit>(length: *mut u32, buffer: *mut WSANAMESPACE_INFOA) -> i32 {
    let put = |pieces: &mut Pieces| {
        let place = pieces.reserve(1);
        let info = WSANAMESPACE_INFOA {
            NSProviderId: PROVIDER,
            dwNameSpace: NS_DNS,
            fActive: TRUE,
            dwVersion: 0,
            lpszIdentifier: pieces.text::<U>(NAME),
        };
        pieces.write(place, info);
    };
    // SAFETY: the caller's promise.
    unsafe { list(length, buffer.cast(), put) }
}

/// `WSAEnumNameSpaceProvidersEx`, in any units.
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersA`.
pub unsafe fn enumerate_ex<U: Unit>(length: *mut u32, buffer: *mut WSANAMESPACE_INFOEXA) -> i32 {
    let put = |pieces: &mut Pieces| {
        let place = pieces.reserve(1);
        let info = WSANAMESPACE_INFOEXA {
            NSProviderId: PROVIDER,
            dwNameSpace: NS_DNS,
            fActive: TRUE,
            dwVersion: 0,
            lpszIdentifier: pieces.text::<U>(NAME),
            ..WSANAMESPACE_INFOEXA::default()
        };
        pieces.write(place, info);
    };
    // SAFETY: the caller's promise.
    unsafe { list(length, buffer.cast(), put) }
}

/// # Safety
/// As for `WSAEnumNameSpaceProvidersA`.
unsafe fn list(length: *mut u32, buffer: *mut u8, put: impl Fn(&mut Pieces)) -> i32 {
    let list = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        unsafe { lay_out(buffer, length, put) }?;
        Ok(1)
    };
    last_error::winsock_value(list(), SOCKET_ERROR)
}
