//! The options that answer with a structure: SO_PROTOCOL_INFO and SO_BSP_STATE.
//!
//! The structures are laid out field by field at the offsets that `windows-sys` gives, in the program's buffer.

use std::mem::offset_of;
use std::os::fd::RawFd;

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::GUID;

use super::super::address::{Address, Family};
use super::{Kind, Target};
use crate::platform::status::Status;

/// What Windows' own TCP/IP provider says of one of its protocols.
struct Protocol {
    name: &'static str,
    catalog_entry: u32,
    service_flags: u32,
    provider_flags: u32,
    number: i32,
    number_range: u32, // so many numbers above that one are its too
    message_max: u32,
}

const TCP_FLAGS: u32 = XP1_GUARANTEED_DELIVERY
    | XP1_GUARANTEED_ORDER
    | XP1_GRACEFUL_CLOSE
    | XP1_EXPEDITED_DATA
    | XP1_IFS_HANDLES;
const UDP_FLAGS: u32 = XP1_CONNECTIONLESS
    | XP1_MESSAGE_ORIENTED
    | XP1_SUPPORT_BROADCAST
    | XP1_SUPPORT_MULTIPOINT
    | XP1_IFS_HANDLES;
/// The largest UDP message that the provider states.
const UDP_MESSAGE_MAX: u32 = 65467;

const IPV4_PROVIDER: GUID = GUID::from_u128(0xe70f1aa0_ab8b_11cf_8ca3_00805f48a192);
const IPV6_PROVIDER: GUID = GUID::from_u128(0xf9eab0c0_26d4_11d0_bbbf_00aa006c34e4);

/// Where the forms A and W part: both begin alike and end with the protocol's name.
const NAME: usize = offset_of!(WSAPROTOCOL_INFOW, szProtocol);
const _: () = assert!(NAME == offset_of!(WSAPROTOCOL_INFOA, szProtocol));

/// Writes a WSAPROTOCOL_INFOA.
///
/// Too little room is [`Status::FAULT`] with the length that is needed; more is fine and stays as it was.
pub fn protocol_info_a(target: &Target, out: &mut [u8], len: i32) -> (Result<(), Status>, i32) {
    protocol_info::<{ size_of::<WSAPROTOCOL_INFOA>() }, 1>(target.family, target.kind, out, len)
}

/// Writes a WSAPROTOCOL_INFOW, as [`protocol_info_a`] does.
pub fn protocol_info_w(target: &Target, out: &mut [u8], len: i32) -> (Result<(), Status>, i32) {
    protocol_info::<{ size_of::<WSAPROTOCOL_INFOW>() }, 2>(target.family, target.kind, out, len)
}

/// Writes the description of a protocol in the form of SO_PROTOCOL_INFOA or SO_PROTOCOL_INFOW, as long as `out`.
pub fn describe_protocol(family: Family, kind: Kind, form: i32, out: &mut [u8]) {
    let len = out.len() as i32;
    let (written, _) = match form {
        SO_PROTOCOL_INFOA => {
            protocol_info::<{ size_of::<WSAPROTOCOL_INFOA>() }, 1>(family, kind, out, len)
        }
        _ => protocol_info::<{ size_of::<WSAPROTOCOL_INFOW>() }, 2>(family, kind, out, len),
    };
    debug_assert_eq!(written, Ok(()));
}

/// Writes a form of `SIZE` bytes whose name has units of `UNIT` bytes.
fn protocol_info<const SIZE: usize, const UNIT: usize>(
    family: Family,
    kind: Kind,
    out: &mut [u8],
    len: i32,
) -> (Result<(), Status>, i32) {
    let Some(out) = out.get_mut(..SIZE) else {
        return (Err(Status::FAULT), SIZE as i32);
    };
    let protocol = protocol(family, kind);
    out.fill(0);
    write_protocol(family, kind, &protocol, out);
    for (unit, byte) in out[NAME..]
        .chunks_exact_mut(UNIT)
        .zip(protocol.name.bytes())
    {
        unit[0] = byte; // little-endian: the other byte of a wide unit stays 0
    }
    (Ok(()), len)
}

/// Writes what both forms begin with.
fn write_protocol(family: Family, kind: Kind, protocol: &Protocol, out: &mut [u8]) {
    let address_len = family.address_len() as u32;
    let provider = match family {
        Family::V4 => IPV4_PROVIDER,
        Family::V6 => IPV6_PROVIDER,
    };
    for (offset, value) in [
        (
            offset_of!(WSAPROTOCOL_INFOW, dwServiceFlags1),
            protocol.service_flags,
        ),
        (
            offset_of!(WSAPROTOCOL_INFOW, dwProviderFlags),
            protocol.provider_flags,
        ),
        (
            offset_of!(WSAPROTOCOL_INFOW, dwCatalogEntryId),
            protocol.catalog_entry,
        ),
        (
            offset_of!(WSAPROTOCOL_INFOW, ProtocolChain.ChainLen),
            BASE_PROTOCOL,
        ),
        (offset_of!(WSAPROTOCOL_INFOW, iVersion), 2),
        (
            offset_of!(WSAPROTOCOL_INFOW, iAddressFamily),
            u32::from(family.windows()),
        ),
        (offset_of!(WSAPROTOCOL_INFOW, iMaxSockAddr), address_len),
        (offset_of!(WSAPROTOCOL_INFOW, iMinSockAddr), address_len),
        (
            offset_of!(WSAPROTOCOL_INFOW, iSocketType),
            kind.windows() as u32,
        ),
        (
            offset_of!(WSAPROTOCOL_INFOW, iProtocol),
            protocol.number as u32,
        ),
        (
            offset_of!(WSAPROTOCOL_INFOW, iProtocolMaxOffset),
            protocol.number_range,
        ),
        (
            offset_of!(WSAPROTOCOL_INFOW, dwMessageSize),
            protocol.message_max,
        ),
    ] {
        put(out, offset, &value.to_ne_bytes());
    }
    let id = offset_of!(WSAPROTOCOL_INFOW, ProviderId);
    put(
        out,
        id + offset_of!(GUID, data1),
        &provider.data1.to_ne_bytes(),
    );
    put(
        out,
        id + offset_of!(GUID, data2),
        &provider.data2.to_ne_bytes(),
    );
    put(
        out,
        id + offset_of!(GUID, data3),
        &provider.data3.to_ne_bytes(),
    );
    put(out, id + offset_of!(GUID, data4), &provider.data4);
}

fn protocol(family: Family, kind: Kind) -> Protocol {
    let (name, catalog_entry) = match (family, kind) {
        (Family::V4, Kind::Stream) => ("MSAFD Tcpip [TCP/IP]", 1001),
        (Family::V4, Kind::Datagram) => ("MSAFD Tcpip [UDP/IP]", 1002),
        (Family::V6, Kind::Stream) => ("MSAFD Tcpip [TCP/IPv6]", 1004),
        (Family::V6, Kind::Datagram) => ("MSAFD Tcpip [UDP/IPv6]", 1005),
        (Family::V4, Kind::Raw(_)) => ("MSAFD Tcpip [RAW/IP]", 1003),
        (Family::V6, Kind::Raw(_)) => ("MSAFD Tcpip [RAW/IPv6]", 1006),
    };
    let (service_flags, message_max) = match kind {
        Kind::Stream => (TCP_FLAGS, 0),
        Kind::Datagram | Kind::Raw(_) => (UDP_FLAGS, UDP_MESSAGE_MAX),
    };
    let (provider_flags, number, number_range) = match kind {
        Kind::Stream | Kind::Datagram => (PFL_MATCHES_PROTOCOL_ZERO, kind.protocol(), 0),
        Kind::Raw(_) => (PFL_MATCHES_PROTOCOL_ZERO | PFL_HIDDEN, 0, 255), // this entry serves them all
    };
    Protocol {
        name,
        catalog_entry,
        service_flags,
        provider_flags,
        number,
        number_range,
        message_max,
    }
}

/// Writes a CSADDR_INFO and, behind it, the addresses it points to; an address that is missing has no pointer.
///
/// Too little room is [`Status::FAULT`]; the length is never changed.
pub fn addresses(target: &Target, out: &mut [u8]) -> Result<(), Status> {
    let (head, mut rest) = out
        .split_at_mut_checked(size_of::<CSADDR_INFO>())
        .ok_or(Status::FAULT)?;
    let local = if target.bound {
        name_of(target, libc::getsockname)
    } else {
        None
    };
    let local = place(local, &mut rest)?;
    let remote = place(
        name_of(target, libc::getpeername).or(target.peer),
        &mut rest,
    )?;

    head.fill(0);
    for (at, (pointer, len)) in [
        (offset_of!(CSADDR_INFO, LocalAddr), local),
        (offset_of!(CSADDR_INFO, RemoteAddr), remote),
    ] {
        put(
            head,
            at + offset_of!(SOCKET_ADDRESS, lpSockaddr),
            &pointer.to_ne_bytes(),
        );
        put(
            head,
            at + offset_of!(SOCKET_ADDRESS, iSockaddrLength),
            &(len as u32).to_ne_bytes(),
        );
    }
    put(
        head,
        offset_of!(CSADDR_INFO, iSocketType),
        &target.kind.windows().to_ne_bytes(),
    );
    put(
        head,
        offset_of!(CSADDR_INFO, iProtocol),
        &target.kind.protocol().to_ne_bytes(),
    );
    Ok(())
}

/// Puts an address at the start of `rest`, which shrinks by it; answers where it is and its length.
fn place(address: Option<Address>, rest: &mut &mut [u8]) -> Result<(usize, usize), Status> {
    let Some(address) = address else {
        return Ok((0, 0));
    };
    let (place, remaining) = std::mem::take(rest)
        .split_at_mut_checked(address.len())
        .ok_or(Status::FAULT)?;
    *rest = remaining;
    let len = address.write_windows(place).ok_or(Status::FAULT)?;
    Ok((place.as_ptr().expose_provenance(), len))
}

type NameCall = unsafe extern "C" fn(RawFd, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

/// The socket's own name, or its peer's, if it has one.
fn name_of(target: &Target, call: NameCall) -> Option<Address> {
    let mut address = Address::unspecified(target.family);
    let mut len = address.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which `address` has, of the socket's own family.
    let result = unsafe { call(target.fd, address.as_mut_ptr(), &raw mut len) };
    (result == 0).then_some(address)
}

fn put(out: &mut [u8], offset: usize, bytes: &[u8]) {
    out[offset..][..bytes.len()].copy_from_slice(bytes);
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    fn target(fd: RawFd, family: Family, kind: Kind, bound: bool) -> Target {
        Target {
            fd,
            family,
            kind,
            bound,
            listening: false,
            peer: None,
            connected_since: None,
            connect_error: 0,
        }
    }

    fn word(bytes: &[u8], offset: usize) -> u32 {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    /// Source: SO_PROTOCOL_INFO; WSAPROTOCOL_INFOW.
    #[test]
    fn both_forms_of_the_protocol_agree() {
        for family in [Family::V4, Family::V6] {
            for kind in [Kind::Stream, Kind::Datagram] {
                let target = target(-1, family, kind, false);
                let (mut narrow, mut wide) = ([0xAA; 372], [0xAA; 628]);
                assert_eq!(protocol_info_a(&target, &mut narrow, 372), (Ok(()), 372));
                assert_eq!(protocol_info_w(&target, &mut wide, 1000), (Ok(()), 1000));
                assert_eq!(narrow[..NAME], wide[..NAME]);
                assert!(narrow[NAME..].starts_with(b"MSAFD Tcpip ["));
                let name = wide[NAME..].chunks_exact(2).map(|unit| unit[0]);
                assert!(name.eq(narrow[NAME..].iter().copied()));
                let family_at = offset_of!(WSAPROTOCOL_INFOW, iAddressFamily);
                assert_eq!(word(&wide, family_at), u32::from(family.windows()));
                assert_eq!(
                    word(&wide, offset_of!(WSAPROTOCOL_INFOW, iProtocol)),
                    target.kind.protocol() as u32
                );
                assert_eq!(
                    wide[20..24],
                    if family == Family::V4 {
                        [0xa0, 0x1a, 0x0f, 0xe7]
                    } else {
                        [0xc0, 0xb0, 0xea, 0xf9]
                    }
                );
            }
        }
    }

    #[test]
    fn a_short_buffer_learns_the_length_it_needs() {
        let target = target(-1, Family::V4, Kind::Stream, false);
        let mut out = [0xAA; 371];
        assert_eq!(
            protocol_info_a(&target, &mut out, 371),
            (Err(Status::FAULT), 372)
        );
        assert_eq!(
            protocol_info_w(&target, &mut out, 371),
            (Err(Status::FAULT), 628)
        );
        assert_eq!(out, [0xAA; 371]);
    }

    /// Source: SO_BSP_STATE; an address that is missing has length 0 and no pointer (observed).
    #[test]
    fn addresses_follow_their_description() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let local = offset_of!(CSADDR_INFO, LocalAddr);
        let remote = offset_of!(CSADDR_INFO, RemoteAddr);
        let len = offset_of!(SOCKET_ADDRESS, iSockaddrLength);

        let mut out = [0xAA; 72];
        let connected = target(client.as_raw_fd(), Family::V4, Kind::Stream, true);
        assert_eq!(addresses(&connected, &mut out[..71]), Err(Status::FAULT));
        assert_eq!(addresses(&connected, &mut out), Ok(()));
        assert_eq!(
            (word(&out, local + len), word(&out, remote + len)),
            (16, 16)
        );
        let peer = Address::from_windows(&out[56..], Family::V4).unwrap();
        assert_eq!(peer.socket_addr(), listener.local_addr().unwrap());

        let bound = target(listener.as_raw_fd(), Family::V4, Kind::Stream, true);
        assert_eq!(addresses(&bound, &mut out), Ok(()));
        assert_eq!((word(&out, local + len), word(&out, remote + len)), (16, 0));
        assert_eq!(out[remote..remote + 8], [0; 8]);
    }
}
