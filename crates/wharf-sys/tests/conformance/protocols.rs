//! WSAEnumProtocols.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// WSAEnumProtocolsW with room for `count` entries.
fn enumerate(wanted: &[i32], count: usize) -> Result<Vec<WSAPROTOCOL_INFOW>, (WSA_ERROR, u32)> {
    startup();
    let mut entries = vec![WSAPROTOCOL_INFOW::default(); count];
    let mut length = (count * size_of::<WSAPROTOCOL_INFOW>()) as u32;
    let wanted = if wanted.is_empty() {
        null()
    } else {
        wanted.as_ptr()
    };
    // SAFETY: the list ends with 0, the buffer has `length` bytes.
    let found = unsafe { WSAEnumProtocolsW(wanted, entries.as_mut_ptr(), &mut length) };
    if found == SOCKET_ERROR {
        return Err((wsa_error(), length));
    }
    entries.truncate(found as usize);
    Ok(entries)
}

/// TCP and UDP over both families are there, as base protocols whose handles are file handles.
/// Source: WSAEnumProtocols; WSAPROTOCOL_INFO, XP1_IFS_HANDLES.
#[test]
fn both_protocols_are_there_for_both_families() {
    let _watch = watch();
    let entries = enumerate(&[], 64).unwrap();
    for family in FAMILIES {
        for (kind, protocol) in [(SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP)] {
            let entry = entries.iter().find(|entry| {
                (entry.iAddressFamily, entry.iSocketType, entry.iProtocol)
                    == (family.number(), kind, protocol)
            });
            let entry = entry.expect("it is listed");
            assert_ne!(entry.dwServiceFlags1 & XP1_IFS_HANDLES, 0);
            assert_eq!(entry.ProtocolChain.ChainLen, BASE_PROTOCOL as i32);
            assert_eq!(entry.dwProviderReserved, 0);
            // SAFETY: the entry is valid.
            let socket = unsafe { WSASocketW(-1, -1, -1, entry, 0, WSA_FLAG_OVERLAPPED) };
            assert_ne!(socket, INVALID_SOCKET, "a socket of it can be made");
            let socket = Socket::from_raw(Raw(socket));
            assert_eq!(socket.option(SOL_SOCKET, SO_TYPE), Ok(kind));
        }
    }
}

/// A list that ends with 0 selects protocols.
/// Source: WSAEnumProtocols, lpiProtocols.
#[test]
fn protocols_are_selected() {
    let _watch = watch();
    for protocol in [IPPROTO_TCP, IPPROTO_UDP] {
        let entries = enumerate(&[protocol, 0], 64).unwrap();
        assert!(!entries.is_empty());
        assert!(entries.iter().all(|entry| entry.iProtocol == protocol));
    }
    let both = enumerate(&[IPPROTO_UDP, IPPROTO_TCP, 0], 64).unwrap();
    assert!(both.len() >= 4);
}

/// Without room the size that is needed is told.
/// Source: WSAEnumProtocols, WSAENOBUFS; validated on Windows.
#[test]
fn too_little_room_tells_the_size() {
    let _watch = watch();
    let size = size_of::<WSAPROTOCOL_INFOW>() as u32;
    let needed = enumerate(&[IPPROTO_TCP, 0], 64).unwrap().len() as u32 * size;
    assert_eq!(
        enumerate(&[IPPROTO_TCP, 0], 1).err(),
        Some((WSAENOBUFS, needed))
    );
    let mut length = 0;
    // SAFETY: nulls are allowed.
    let found = unsafe { WSAEnumProtocolsA(null(), null_mut(), &mut length) };
    assert_eq!((found, wsa_error()), (SOCKET_ERROR, WSAENOBUFS));
    assert!(length > 0 && length.is_multiple_of(size_of::<WSAPROTOCOL_INFOA>() as u32));
}
