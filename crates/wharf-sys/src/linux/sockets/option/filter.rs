//! The filter of a membership as a whole: SIO_SET_MULTICAST_FILTER and SIO_GET_MULTICAST_FILTER for IPv4, SIOCSMSFILTER and
//! SIOCGMSFILTER for either family.
//!
//! Windows and Linux have the same two structures, in which the modes have each other's numbers. The older one names an
//! interface by its address, the other by its index; a filter goes to the kernel in the one that fits its interface. Linux
//! takes filters of members only, so whoever is none is made one.
//!
//! Source: "Winsock IOCTLs", "setipv4sourcefilter", "setsourcefilter" and their likes, RFC 3678.

use std::io::Error;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;

use windows_sys::Win32::Networking::WinSock::{
    GROUP_FILTER, IP_MSFILTER, MCAST_EXCLUDE, MCAST_INCLUDE, SOCKADDR_IN, SOCKADDR_IN6,
    SOCKADDR_STORAGE,
};

use super::super::address::{Address, Family};
use super::membership::{Change, Interface, Membership, address, field, index, ipv4, ipv6};
use crate::platform::status::Status;
use crate::platform::system;

/// More sources than the kernel takes by default (`net.ipv4.igmp_max_msf`, `net.ipv6.mld_max_msf`, `net.core.optmem_max`).
const SOURCES_MAX: usize = 1000;

/// The most bytes that are read of a filter.
pub const LENGTH_MAX: usize =
    size_of::<GROUP_FILTER>() + SOURCES_MAX * size_of::<SOCKADDR_STORAGE>();

/// How a program describes a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    IpMsfilter,
    GroupFilter(Family),
}

impl Form {
    fn layout(self) -> &'static Layout {
        match self {
            Form::IpMsfilter => &IPV4,
            Form::GroupFilter(_) => &GROUP,
        }
    }
}

/// Where the parts of a structure are: those of Windows and those of the kernel agree.
struct Layout {
    mode: usize,
    count: usize,
    /// Where the sources begin.
    sources: usize,
    /// The size of one of them.
    source: usize,
}

impl Layout {
    fn end(&self, sources: usize) -> usize {
        self.sources + sources * self.source
    }
}

const IPV4: Layout = Layout {
    mode: offset_of!(IP_MSFILTER, imsf_fmode),
    count: offset_of!(IP_MSFILTER, imsf_numsrc),
    sources: offset_of!(IP_MSFILTER, imsf_slist),
    source: size_of::<Ipv4Addr>(),
};

const GROUP: Layout = Layout {
    mode: offset_of!(GROUP_FILTER, gf_fmode),
    count: offset_of!(GROUP_FILTER, gf_numsrc),
    sources: offset_of!(GROUP_FILTER, gf_slist),
    source: size_of::<SOCKADDR_STORAGE>(),
};

const LINUX_IP_MSFILTER: i32 = 41; // <linux/in.h>, as the others
const LINUX_MCAST_MSFILTER: i32 = 48;
const LINUX_EXCLUDE: u32 = 0;
const LINUX_INCLUDE: u32 = 1;

/// Sets the filter of a membership, which begins or ends if it has to.
///
/// # Errors
/// - [`Status::FAULT`] if there are too few bytes.
/// - [`Status::INVALID`] for a group that is none, an address of another family, or an unknown mode.
/// - [`Status::NO_BUFFERS`] for too many sources.
/// - [`Status::ADDRESS_NOT_AVAILABLE`] to end what is no membership, and for an interface that does not exist.
pub fn set(form: Form, fd: RawFd, bytes: &[u8]) -> Result<(), Status> {
    let layout = form.layout();
    let membership = membership(form, bytes)?;
    let mode = match number(bytes, layout.mode)? as i32 {
        MCAST_INCLUDE => LINUX_INCLUDE,
        MCAST_EXCLUDE => LINUX_EXCLUDE,
        _ => return Err(Status::INVALID),
    };
    let count = number(bytes, layout.count)? as usize;
    if count > SOURCES_MAX {
        return Err(Status::NO_BUFFERS);
    }
    let mut kernel = Kernel::new(&membership, mode, count);
    for position in 0..count {
        kernel.put_source(position, source(form, bytes, position)?);
    }
    match kernel.tell(fd) {
        Err(Status::INVALID) => {
            membership.apply(Change::Join, fd)?; // it was no member
            kernel.tell(fd).inspect_err(|_| {
                let _ = membership.apply(Change::Leave, fd); // as it was
            })
        }
        told => told,
    }
}

/// Reads the filter of a membership; answers how many bytes it takes. Its count says how many sources there are, also where
/// `output` has no room for all of them.
///
/// # Errors
/// - [`Status::FAULT`] if there are too few bytes, or no room for the part before the sources.
/// - [`Status::INVALID`] for a group that is none, or of another family.
/// - [`Status::ADDRESS_NOT_AVAILABLE`] if there is no such membership.
pub fn get(form: Form, fd: RawFd, bytes: &[u8], output: &mut [u8]) -> Result<usize, Status> {
    let layout = form.layout();
    let membership = membership(form, bytes)?;
    let head = bytes.get(..layout.sources).ok_or(Status::FAULT)?;
    let room = output.len().checked_sub(head.len()).ok_or(Status::FAULT)? / layout.source;
    let room = room.min(SOURCES_MAX);
    let mut kernel = Kernel::new(&membership, LINUX_INCLUDE, room);
    kernel.ask(fd)?;
    let mode = match number(&kernel.bytes, kernel.layout.mode)? {
        LINUX_INCLUDE => MCAST_INCLUDE,
        _ => MCAST_EXCLUDE,
    };
    let count = number(&kernel.bytes, kernel.layout.count)?;
    let stored = room.min(count as usize);
    output[..head.len()].copy_from_slice(head); // group and interface, as they were named
    put(output, layout.mode, mode as u32);
    put(output, layout.count, count);
    let output = &mut output[..layout.end(stored)];
    for (position, place) in output[layout.sources..]
        .chunks_exact_mut(layout.source)
        .enumerate()
    {
        let source = kernel.source(position)?;
        match form {
            Form::IpMsfilter => put_octets(place, source),
            Form::GroupFilter(family) => put_address(place, source, family.windows()),
        }
    }
    Ok(output.len())
}

/// What is filtered: the part before the mode.
fn membership(form: Form, bytes: &[u8]) -> Result<Membership, Status> {
    let (group, interface) = match form {
        Form::IpMsfilter => (
            ipv4(bytes, offset_of!(IP_MSFILTER, imsf_multiaddr))?.into(),
            Interface::from_ipv4(ipv4(bytes, offset_of!(IP_MSFILTER, imsf_interface))?),
        ),
        Form::GroupFilter(family) => (
            address(bytes, offset_of!(GROUP_FILTER, gf_group), family)?,
            index(bytes, offset_of!(GROUP_FILTER, gf_interface))?,
        ),
    };
    if !group.is_multicast() {
        return Err(Status::INVALID);
    }
    let membership = Membership {
        group,
        source: None,
        interface,
    };
    Ok(membership.on_its_interface())
}

/// The source at that position.
fn source(form: Form, bytes: &[u8], position: usize) -> Result<IpAddr, Status> {
    let layout = form.layout();
    let bytes = bytes.get(..layout.end(position + 1));
    let (bytes, place) = (bytes.ok_or(Status::FAULT)?, layout.end(position));
    match form {
        Form::IpMsfilter => ipv4(bytes, place).map(IpAddr::V4),
        Form::GroupFilter(family) => address(bytes, place, family),
    }
}

/// A filter in one of the kernel's structures.
struct Kernel {
    level: i32,
    name: i32,
    layout: &'static Layout,
    family: Family,
    bytes: Vec<u8>,
}

impl Kernel {
    /// One with that many sources, which are none yet.
    fn new(membership: &Membership, mode: u32, sources: usize) -> Kernel {
        let by_address = match (membership.group, membership.interface) {
            (IpAddr::V4(_), Interface::Any) => Some(Ipv4Addr::UNSPECIFIED),
            (IpAddr::V4(_), Interface::Address(address)) => Some(address),
            _ => None,
        };
        let (layout, name) = match by_address {
            Some(_) => (&IPV4, LINUX_IP_MSFILTER),
            None => (&GROUP, LINUX_MCAST_MSFILTER),
        };
        let (family, level) = match membership.group {
            IpAddr::V4(_) => (Family::V4, libc::IPPROTO_IP),
            IpAddr::V6(_) => (Family::V6, libc::IPPROTO_IPV6),
        };
        let mut bytes = vec![0; layout.end(sources)];
        match by_address {
            Some(interface) => {
                let at = offset_of!(IP_MSFILTER, imsf_multiaddr);
                put_octets(&mut bytes[at..], membership.group);
                let at = offset_of!(IP_MSFILTER, imsf_interface);
                put_octets(&mut bytes[at..], interface.into());
            }
            None => {
                let at = offset_of!(GROUP_FILTER, gf_group);
                put_address(&mut bytes[at..], membership.group, family.linux() as u16);
                let at = offset_of!(GROUP_FILTER, gf_interface);
                put(&mut bytes, at, membership.interface.index());
            }
        }
        put(&mut bytes, layout.mode, mode);
        put(&mut bytes, layout.count, sources as u32);
        Kernel {
            level,
            name,
            layout,
            family,
            bytes,
        }
    }

    fn put_source(&mut self, position: usize, source: IpAddr) {
        let place = &mut self.bytes[self.layout.end(position)..];
        match self.name {
            LINUX_IP_MSFILTER => put_octets(place, source),
            _ => put_address(place, source, self.family.linux() as u16),
        }
    }

    fn source(&self, position: usize) -> Result<IpAddr, Status> {
        let place = self.layout.end(position);
        match (self.name, self.family) {
            (LINUX_IP_MSFILTER, _) => ipv4(&self.bytes, place).map(IpAddr::V4),
            (_, Family::V4) => {
                ipv4(&self.bytes, place + offset_of!(SOCKADDR_IN, sin_addr)).map(IpAddr::V4)
            }
            (_, Family::V6) => {
                ipv6(&self.bytes, place + offset_of!(SOCKADDR_IN6, sin6_addr)).map(IpAddr::V6)
            }
        }
    }

    fn tell(&self, fd: RawFd) -> Result<(), Status> {
        let told = system::set_socket_option_bytes(fd, self.level, self.name, &self.bytes);
        told.map_err(status_of)
    }

    fn ask(&mut self, fd: RawFd) -> Result<(), Status> {
        let asked = system::read_socket_option_bytes(fd, self.level, self.name, &mut self.bytes);
        asked.map_err(status_of)
    }
}

fn number(bytes: &[u8], offset: usize) -> Result<u32, Status> {
    field(bytes, offset).map(u32::from_ne_bytes)
}

fn put(bytes: &mut [u8], offset: usize, number: u32) {
    bytes[offset..][..size_of::<u32>()].copy_from_slice(&number.to_ne_bytes());
}

/// Writes the octets of an IPv4 address.
fn put_octets(place: &mut [u8], address: IpAddr) {
    if let IpAddr::V4(address) = address {
        place[..IPV4.source].copy_from_slice(&address.octets());
    }
}

/// Writes an address as a SOCKADDR_STORAGE, in which the family has that number.
fn put_address(place: &mut [u8], address: IpAddr, family: u16) {
    let place = &mut place[..GROUP.source];
    place.fill(0);
    let address = Address::from(SocketAddr::from((address, 0)));
    address.write_windows(place); // which has room for any
    place[..size_of::<u16>()].copy_from_slice(&family.to_ne_bytes());
}

fn status_of(error: Error) -> Status {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL | libc::ENODEV) => Status::ADDRESS_NOT_AVAILABLE,
        Some(libc::EINVAL) => Status::INVALID,
        errno => Status::from_call_errno(errno.unwrap_or(0)),
    }
}
