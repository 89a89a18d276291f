//! The W functions for programs whose `wchar_t` has 32 bits.
//!
//! Windows' WCHAR has 16 bits, and so has `wchar_t` there. On Linux `wchar_t` has 32 bits unless the program is
//! compiled with `-fshort-wchar`. The headers therefore lead `CreateEventW` to the symbol `CreateEventW32` in the
//! one case and to `CreateEventW` in the other.

use wharf_sys::{
    BOOL, GUID, HANDLE, SECURITY_ATTRIBUTES, SOCKET, WSAPROTOCOL_INFOW, WSAPROTOCOLCHAIN,
};

/// Creates an event, or opens the one with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventw>
///
/// # Safety
/// As for `CreateEventW`; `name` is null or ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn CreateEventW32(
    attributes: *const SECURITY_ATTRIBUTES,
    manual_reset: BOOL,
    initial_state: BOOL,
    name: *const u32,
) -> HANDLE {
    // SAFETY: the caller passes null or a string that ends with a zero.
    let name = unsafe { narrow(name) };
    let name = name
        .as_ref()
        .map_or(core::ptr::null(), |name| name.as_ptr());
    // SAFETY: the attributes are the caller's; `name` outlives the call.
    unsafe { wharf_sys::CreateEventW(attributes, manual_reset, initial_state, name) }
}

/// Creates a socket, from a description if there is one.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasocketw>
///
/// # Safety
/// As for `WSASocketW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSASocketW32(
    family: i32,
    kind: i32,
    protocol: i32,
    info: *const ProtocolInfo,
    group: u32,
    flags: u32,
) -> SOCKET {
    // SAFETY: the caller passes null or a description.
    let info = unsafe { info.as_ref() }.map(ProtocolInfo::narrow);
    let info = info.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: `info` is null or points to a local that outlives the call.
    unsafe { wharf_sys::WSASocketW(family, kind, protocol, info, group, flags) }
}

/// Describes a socket so that `WSASocketW32` makes another handle of it.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaduplicatesocketw>
///
/// # Safety
/// As for `WSADuplicateSocketW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSADuplicateSocketW32(
    socket: SOCKET,
    process_id: u32,
    info: *mut ProtocolInfo,
) -> i32 {
    let mut narrow = WSAPROTOCOL_INFOW::default();
    let out = match info.is_null() {
        true => core::ptr::null_mut(),
        false => &raw mut narrow,
    };
    // SAFETY: `out` is null or points to a local that outlives the call.
    let result = unsafe { wharf_sys::WSADuplicateSocketW(socket, process_id, out) };
    if result == 0 {
        // SAFETY: it is not null, or the call would have failed; so valid by the caller's promise.
        unsafe { info.write_unaligned(ProtocolInfo::widen(&narrow)) };
    }
    result
}

/// Describes the protocols of a list, or all; returns how many.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumprotocolsw>
///
/// # Safety
/// As for `WSAEnumProtocolsW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn WSAEnumProtocolsW32(
    protocols: *const i32,
    buffer: *mut ProtocolInfo,
    length: *mut u32,
) -> i32 {
    const WIDER: usize = size_of::<ProtocolInfo>();
    const NARROWER: usize = size_of::<WSAPROTOCOL_INFOW>();
    if length.is_null() {
        // SAFETY: nulls are allowed.
        return unsafe {
            wharf_sys::WSAEnumProtocolsW(protocols, core::ptr::null_mut(), core::ptr::null_mut())
        };
    }
    // SAFETY: not null, so valid by the caller's promise.
    let given = unsafe { length.read_unaligned() } as usize;
    let room = if buffer.is_null() { 0 } else { given / WIDER };
    let mut narrow = vec![WSAPROTOCOL_INFOW::default(); room.min(64)]; // more than there are
    let mut bytes = (narrow.len() * NARROWER) as u32;
    // SAFETY: the buffer has that many bytes; the list is the caller's promise.
    let found = unsafe { wharf_sys::WSAEnumProtocolsW(protocols, narrow.as_mut_ptr(), &mut bytes) };
    match usize::try_from(found) {
        Ok(found) => {
            for (index, info) in narrow[..found].iter().enumerate() {
                // SAFETY: within the caller's buffer, which has room for `room`.
                unsafe { buffer.add(index).write_unaligned(ProtocolInfo::widen(info)) };
            }
        }
        Err(_) => {
            let needed = bytes as usize / NARROWER * WIDER;
            // SAFETY: not null, so valid by the caller's promise.
            unsafe { length.write_unaligned(needed as u32) };
        }
    }
    found
}

/// Calls a function with the string in 16-bit units.
///
/// # Safety
/// `text` is null or ends with a zero.
pub unsafe fn with_narrow<R>(text: *const u32, call: impl FnOnce(*const u16) -> R) -> R {
    // SAFETY: the caller's promise.
    let text = unsafe { narrow(text) };
    call(
        text.as_ref()
            .map_or(core::ptr::null(), |text| text.as_ptr()),
    )
}

/// The string in 16-bit units, with its zero; `None` for a null pointer.
///
/// # Safety
/// `text` is null or ends with a zero.
pub unsafe fn narrow(text: *const u32) -> Option<Vec<u16>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the string goes on at least to its first zero.
    let length = (0..).take_while(|&i| unsafe { *text.add(i) } != 0).count();
    // SAFETY: that many units and the zero were read above or end the string.
    let units = unsafe { core::slice::from_raw_parts(text, length + 1) };
    Some(narrow_units(units).collect())
}

/// UTF-32 as UTF-16; what is no character becomes U+FFFD.
fn narrow_units(units: &[u32]) -> impl Iterator<Item = u16> {
    units.iter().flat_map(|&unit| {
        let character = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut buffer = [0; 2];
        let length = character.encode_utf16(&mut buffer).len();
        buffer.into_iter().take(length)
    })
}

/// `WSAPROTOCOL_INFOW` with a 32-bit `wchar_t`.
#[repr(C)]
struct ProtocolInfo {
    service_flags: [u32; 4],
    provider_flags: u32,
    provider_id: GUID,
    catalog_entry_id: u32,
    protocol_chain: WSAPROTOCOLCHAIN,
    version: i32,
    address_family: i32,
    sockaddr_max: i32,
    sockaddr_min: i32,
    socket_type: i32,
    protocol: i32,
    protocol_max_offset: i32,
    network_byte_order: i32,
    security_scheme: i32,
    message_size: u32,
    provider_reserved: u32,
    protocol_name: [u32; 256],
}

impl ProtocolInfo {
    fn widen(info: &WSAPROTOCOL_INFOW) -> ProtocolInfo {
        let mut name = [0; 256];
        for (to, from) in name.iter_mut().zip(char::decode_utf16(info.szProtocol)) {
            *to = from.unwrap_or(char::REPLACEMENT_CHARACTER).into();
        }
        ProtocolInfo {
            service_flags: [
                info.dwServiceFlags1,
                info.dwServiceFlags2,
                info.dwServiceFlags3,
                info.dwServiceFlags4,
            ],
            provider_flags: info.dwProviderFlags,
            provider_id: info.ProviderId,
            catalog_entry_id: info.dwCatalogEntryId,
            protocol_chain: info.ProtocolChain,
            version: info.iVersion,
            address_family: info.iAddressFamily,
            sockaddr_max: info.iMaxSockAddr,
            sockaddr_min: info.iMinSockAddr,
            socket_type: info.iSocketType,
            protocol: info.iProtocol,
            protocol_max_offset: info.iProtocolMaxOffset,
            network_byte_order: info.iNetworkByteOrder,
            security_scheme: info.iSecurityScheme,
            message_size: info.dwMessageSize,
            provider_reserved: info.dwProviderReserved,
            protocol_name: name,
        }
    }

    fn narrow(&self) -> WSAPROTOCOL_INFOW {
        let [flags1, flags2, flags3, flags4] = self.service_flags;
        let mut name = [0; 256];
        name.iter_mut()
            .zip(narrow_units(&self.protocol_name))
            .for_each(|(to, from)| *to = from);
        WSAPROTOCOL_INFOW {
            dwServiceFlags1: flags1,
            dwServiceFlags2: flags2,
            dwServiceFlags3: flags3,
            dwServiceFlags4: flags4,
            dwProviderFlags: self.provider_flags,
            ProviderId: self.provider_id,
            dwCatalogEntryId: self.catalog_entry_id,
            ProtocolChain: self.protocol_chain,
            iVersion: self.version,
            iAddressFamily: self.address_family,
            iMaxSockAddr: self.sockaddr_max,
            iMinSockAddr: self.sockaddr_min,
            iSocketType: self.socket_type,
            iProtocol: self.protocol,
            iProtocolMaxOffset: self.protocol_max_offset,
            iNetworkByteOrder: self.network_byte_order,
            iSecurityScheme: self.security_scheme,
            dwMessageSize: self.message_size,
            dwProviderReserved: self.provider_reserved,
            szProtocol: name,
        }
    }
}
