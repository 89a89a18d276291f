//! The filter of a membership as a whole: SIO_SET_MULTICAST_FILTER, SIO_GET_MULTICAST_FILTER.
//!
//! Windows and Linux have the same structure, in which the modes have each other's numbers. Linux takes an interface by its
//! address only, and a filter of members only, so whoever is none is made one.
//!
//! Source: "Winsock IOCTLs", "setipv4sourcefilter", "getipv4sourcefilter", RFC 3678.

use std::io::Error;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::RawFd;

use windows_sys::Win32::Networking::WinSock::{IP_MSFILTER, MCAST_EXCLUDE, MCAST_INCLUDE};

use super::membership::{Change, Interface, Membership, field, ipv4};
use crate::platform::status::Status;
use crate::platform::system;

const MODE: usize = offset_of!(IP_MSFILTER, imsf_fmode);
const COUNT: usize = offset_of!(IP_MSFILTER, imsf_numsrc);
const SOURCES: usize = offset_of!(IP_MSFILTER, imsf_slist);
const SOURCE: usize = size_of::<Ipv4Addr>();
/// More than Linux keeps for a membership by default (`net.ipv4.igmp_max_msf`).
const SOURCES_MAX: usize = 12;

/// A filter in the kernel's form.
type Kernel = [u8; SOURCES + SOURCES_MAX * SOURCE];

const LINUX_IP_MSFILTER: i32 = 41; // <linux/in.h>, as the next two
const LINUX_EXCLUDE: u32 = 0;
const LINUX_INCLUDE: u32 = 1;

/// Sets the filter of a membership, which begins or ends if it has to.
///
/// # Errors
/// - [`Status::FAULT`] if there are too few bytes.
/// - [`Status::INVALID`] for a group that is none, or an unknown mode.
/// - [`Status::NO_BUFFERS`] for too many sources.
/// - [`Status::ADDRESS_NOT_AVAILABLE`] to end what is no membership, and for an interface that does not exist.
pub fn set(fd: RawFd, bytes: &[u8]) -> Result<(), Status> {
    let (membership, mut kernel) = named(fd, bytes)?;
    let mode = match number(bytes, MODE)? as i32 {
        MCAST_INCLUDE => LINUX_INCLUDE,
        MCAST_EXCLUDE => LINUX_EXCLUDE,
        _ => return Err(Status::INVALID),
    };
    let count = number(bytes, COUNT)? as usize;
    if count > SOURCES_MAX {
        return Err(Status::NO_BUFFERS);
    }
    let end = SOURCES + count * SOURCE;
    kernel[SOURCES..end].copy_from_slice(bytes.get(SOURCES..end).ok_or(Status::FAULT)?);
    put(&mut kernel, MODE, mode);
    put(&mut kernel, COUNT, count as u32);
    match tell(fd, &kernel) {
        Err(Status::INVALID) => {
            membership.apply(Change::Join, fd)?; // it was no member
            tell(fd, &kernel).inspect_err(|_| {
                let _ = membership.apply(Change::Leave, fd); // as it was
            })
        }
        told => told,
    }
}

fn tell(fd: RawFd, kernel: &Kernel) -> Result<(), Status> {
    let told = system::set_socket_option(fd, libc::IPPROTO_IP, LINUX_IP_MSFILTER, kernel);
    told.map_err(status_of)
}

/// Reads the filter of a membership; answers how many bytes it takes. Its count says how many sources there are, also where
/// `output` has no room for all of them.
///
/// # Errors
/// - [`Status::FAULT`] if there are too few bytes, or no room for the part before the sources.
/// - [`Status::INVALID`] for a group that is none.
/// - [`Status::ADDRESS_NOT_AVAILABLE`] if there is no such membership.
pub fn get(fd: RawFd, bytes: &[u8], output: &mut [u8]) -> Result<usize, Status> {
    let (_, mut kernel) = named(fd, bytes)?;
    let room = output.len().checked_sub(SOURCES).ok_or(Status::FAULT)? / SOURCE;
    put(&mut kernel, COUNT, room.min(SOURCES_MAX) as u32);
    system::read_socket_option(fd, libc::IPPROTO_IP, LINUX_IP_MSFILTER, &mut kernel)
        .map_err(status_of)?;
    let mode = match number(&kernel, MODE)? {
        LINUX_INCLUDE => MCAST_INCLUDE,
        _ => MCAST_EXCLUDE,
    };
    put(&mut kernel, MODE, mode as u32);
    kernel[..MODE].copy_from_slice(&bytes[..MODE]); // group and interface, as they were named
    let stored = room.min(number(&kernel, COUNT)? as usize).min(SOURCES_MAX);
    let end = SOURCES + stored * SOURCE;
    output[..end].copy_from_slice(&kernel[..end]);
    Ok(end)
}

/// The membership that a program names, and a filter that names it to the kernel.
fn named(fd: RawFd, bytes: &[u8]) -> Result<(Membership, Kernel), Status> {
    let bytes = bytes.get(..SOURCES).ok_or(Status::FAULT)?;
    let group = ipv4(bytes, offset_of!(IP_MSFILTER, imsf_multiaddr))?;
    if !group.is_multicast() {
        return Err(Status::INVALID);
    }
    let at_interface = offset_of!(IP_MSFILTER, imsf_interface);
    let interface = Interface::from_ipv4(ipv4(bytes, at_interface)?);
    let address = match interface {
        Interface::Any => Ipv4Addr::UNSPECIFIED,
        Interface::Address(address) => address,
        Interface::Index(index) => {
            system::interface_address(fd, index).ok_or(Status::ADDRESS_NOT_AVAILABLE)?
        }
    };
    let mut kernel = [0; size_of::<Kernel>()];
    kernel[..SOURCES].copy_from_slice(bytes);
    kernel[at_interface..][..SOURCE].copy_from_slice(&address.octets());
    let membership = Membership {
        group: IpAddr::from(group),
        source: None,
        interface,
    };
    Ok((membership, kernel))
}

fn number(bytes: &[u8], offset: usize) -> Result<u32, Status> {
    field(bytes, offset).map(u32::from_ne_bytes)
}

fn put(kernel: &mut Kernel, offset: usize, number: u32) {
    kernel[offset..][..size_of::<u32>()].copy_from_slice(&number.to_ne_bytes());
}

fn status_of(error: Error) -> Status {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL | libc::ENODEV) => Status::ADDRESS_NOT_AVAILABLE,
        Some(libc::EINVAL) => Status::INVALID,
        errno => Status::from_call_errno(errno.unwrap_or(0)),
    }
}
