//! As [`wide`](crate::wide), for names and addresses as text.

use core::ffi::c_void;

use wharf_sys::{
    ADDRINFOA, ERROR_INVALID_PARAMETER, GUID, HANDLE, SOCKADDR, WSAEINVAL, WSAESETSERVICEOP,
    WSANAMESPACE_INFOA, WSANAMESPACE_INFOEXA, WSAPROTOCOL_INFOW, WSAQUERYSETA,
    WSASERVICECLASSINFOA, WSASetLastError, in_units, socklen_t,
};

/// The addresses of a host with the port of a service, names in 32-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfow>
///
/// # Safety
/// As for `GetAddrInfoW`, the structures having names in such units.
#[unsafe(no_mangle)]
unsafe extern "C" fn GetAddrInfoW32(
    host: *const u32,
    service: *const u32,
    hints: *const ADDRINFOA,
    result: *mut *mut ADDRINFOA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::get_addr_info(host, service, hints, result) }
}

/// The names of the host and the service of an address.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getnameinfow>
///
/// # Safety
/// As for `GetNameInfoW`, sizes being 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn GetNameInfoW32(
    address: *const SOCKADDR,
    address_len: socklen_t,
    host: *mut u32,
    host_size: u32,
    service: *mut u32,
    service_size: u32,
    flags: i32,
) -> i32 {
    let (host, service) = ((host, host_size), (service, service_size));
    // SAFETY: the caller's promise.
    unsafe { in_units::get_name_info(address, address_len, host, service, flags) }
}

/// The name of this host.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-gethostnamew>
///
/// # Safety
/// As for `GetHostNameW`, the length being 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn GetHostNameW32(name: *mut u32, name_len: i32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::host_name(name, name_len) }
}

/// An address from its text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-inetptonw>
///
/// # Safety
/// As for `InetPtonW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn InetPtonW32(family: i32, text: *const u32, address: *mut c_void) -> i32 {
    // SAFETY: the caller's promise.
    let result = unsafe { in_units::pton(family, text, address) };
    if result == 0 {
        // SAFETY: takes no pointers.
        unsafe { WSASetLastError(WSAEINVAL) };
    }
    result
}

/// An address as text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-inetntopw>
///
/// # Safety
/// As for `InetNtopW`, the size being 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn InetNtopW32(
    family: i32,
    address: *const c_void,
    text: *mut u32,
    size: usize,
) -> *const u32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::ntop(family, address, text, size, ERROR_INVALID_PARAMETER) }
}

/// An address with its port as text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaaddresstostringw>
///
/// # Safety
/// As for `WSAAddressToStringW`, the length being 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAAddressToStringW32(
    address: *const SOCKADDR,
    address_len: u32,
    _protocol: *const WSAPROTOCOL_INFOW,
    text: *mut u32,
    text_len: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::address_to_string(address, address_len, text, text_len) }
}

/// The address with its port that a text is.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsastringtoaddressw>
///
/// # Safety
/// As for `WSAStringToAddressW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAStringToAddressW32(
    text: *const u32,
    family: i32,
    _protocol: *const WSAPROTOCOL_INFOW,
    address: *mut SOCKADDR,
    address_len: *mut i32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::string_to_address(text, family, address, address_len) }
}

/// Begins a query of a name space.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupservicebeginw>
///
/// # Safety
/// As for `WSALookupServiceBeginW`, texts being in 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSALookupServiceBeginW32(
    restrictions: *const WSAQUERYSETA,
    flags: u32,
    lookup: *mut HANDLE,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { in_units::begin_lookup::<u32>(restrictions, flags, lookup) }
}

/// Tells the next result of a query.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsalookupservicenextw>
///
/// # Safety
/// As for `WSALookupServiceNextW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSALookupServiceNextW32(
    lookup: HANDLE,
    flags: u32,
    length: *mut u32,
    results: *mut WSAQUERYSETA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::next_of_lookup::<u32>(lookup, flags, length, results) }
}

/// Lists the providers of name spaces.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnamespaceprovidersw>
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAEnumNameSpaceProvidersW32(
    length: *mut u32,
    buffer: *mut WSANAMESPACE_INFOA,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { in_units::enum_name_spaces::<u32>(length, buffer) }
}

/// Lists the providers of name spaces, with what they keep for themselves.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnamespaceprovidersexw>
///
/// # Safety
/// As for `WSAEnumNameSpaceProvidersExW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAEnumNameSpaceProvidersExW32(
    length: *mut u32,
    buffer: *mut WSANAMESPACE_INFOEXA,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { in_units::enum_name_spaces_ex::<u32>(length, buffer) }
}

/// Makes a class of services known.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsainstallserviceclassw>
///
/// # Safety
/// As for `WSAInstallServiceClassW`, texts being in 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAInstallServiceClassW32(info: *const WSASERVICECLASSINFOA) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { in_units::install_class::<u32>(info) }
}

/// Tells what a provider knows of a class of services.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetserviceclassinfow>
///
/// # Safety
/// As for `WSAGetServiceClassInfoW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAGetServiceClassInfoW32(
    provider: *const GUID,
    class: *const GUID,
    length: *mut u32,
    buffer: *mut WSASERVICECLASSINFOA,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { in_units::class_info::<u32>(provider, class, length, buffer) }
}

/// Tells the name of a class of services.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetserviceclassnamebyclassidw>
///
/// # Safety
/// As for `WSAGetServiceClassNameByClassIdW`, the length being 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAGetServiceClassNameByClassIdW32(
    class: *const GUID,
    name: *mut u32,
    length: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { in_units::class_name(class, name, length) }
}

/// Registers a service or lets it go.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasetservicew>
///
/// # Safety
/// As for `WSASetServiceW`, texts being in 32-bit units.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSASetServiceW32(
    service: *const WSAQUERYSETA,
    operation: WSAESETSERVICEOP,
    flags: u32,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { in_units::set_service::<u32>(service, operation, flags) }
}
