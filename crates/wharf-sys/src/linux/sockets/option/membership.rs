//! Multicast memberships: which groups a socket receives, on which interface, from which sources.
//!
//! Windows has three families of structures for it, Linux has the same three with other numbers and another order of
//! fields. So each is taken apart into a [`Membership`], and put together again as the kernel's `group_req` or
//! `group_source_req`, which name an interface by its index; an interface that is named by its address goes to
//! the kernel in the older structures, which can.
//!
//! Source: "ip_mreq", "ip_mreq_source", "ipv6_mreq", "GROUP_REQ", "GROUP_SOURCE_REQ", "Multicast Programming".

use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;

use windows_sys::Win32::Networking::WinSock::{
    GROUP_REQ, GROUP_SOURCE_REQ, IP_MREQ, IP_MREQ_SOURCE, IPV6_MREQ,
};

use super::super::address::{Address, Family};
use crate::platform::status::Status;
use crate::platform::system;

/// How a program describes a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    IpMreq,
    IpMreqSource,
    Ipv6Mreq,
    GroupReq(Family),
    GroupSourceReq(Family),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Join,
    Leave,
    JoinSource,
    LeaveSource,
    Block,
    Unblock,
}

/// A group on an interface, maybe of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    pub group: IpAddr,
    pub source: Option<IpAddr>,
    pub interface: Interface,
}

/// One of the machine's interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Whichever the system chooses.
    Any,
    Index(u32),
    Address(Ipv4Addr),
}

impl Interface {
    /// What an IN_ADDR means where it names an interface: an address, or 0.x.y.z with its index.
    pub fn from_ipv4(address: Ipv4Addr) -> Interface {
        match u32::from(address) {
            0 => Interface::Any,
            index @ ..0x0100_0000 => Interface::Index(index),
            _ => Interface::Address(address),
        }
    }

    /// What an interface index means: 0 is none in particular.
    fn from_index(index: u32) -> Interface {
        if index == 0 {
            Interface::Any
        } else {
            Interface::Index(index)
        }
    }

    /// As `struct ip_mreqn` has it.
    pub fn address_and_index(self) -> (libc::in_addr, i32) {
        let (address, index) = match self {
            Interface::Any => (Ipv4Addr::UNSPECIFIED, 0),
            Interface::Index(index) => (Ipv4Addr::UNSPECIFIED, index as i32),
            Interface::Address(address) => (address, 0),
        };
        (in_addr(address), index)
    }

    pub fn index(self) -> u32 {
        match self {
            Interface::Index(index) => index,
            Interface::Any | Interface::Address(_) => 0,
        }
    }
}

impl Membership {
    /// Takes apart what a program passed.
    ///
    /// # Errors
    /// - [`Status::FAULT`] if there are too few bytes.
    /// - [`Status::INVALID`] if the group is no multicast address, or an address is of the wrong family.
    pub fn parse(shape: Shape, bytes: &[u8]) -> Result<Membership, Status> {
        let membership = match shape {
            Shape::IpMreq => Membership {
                group: ipv4(bytes, offset_of!(IP_MREQ, imr_multiaddr))?.into(),
                source: None,
                interface: Interface::from_ipv4(ipv4(bytes, offset_of!(IP_MREQ, imr_interface))?),
            },
            Shape::IpMreqSource => Membership {
                group: ipv4(bytes, offset_of!(IP_MREQ_SOURCE, imr_multiaddr))?.into(),
                source: Some(ipv4(bytes, offset_of!(IP_MREQ_SOURCE, imr_sourceaddr))?.into()),
                interface: Interface::from_ipv4(ipv4(
                    bytes,
                    offset_of!(IP_MREQ_SOURCE, imr_interface),
                )?),
            },
            Shape::Ipv6Mreq => Membership {
                group: ipv6(bytes, offset_of!(IPV6_MREQ, ipv6mr_multiaddr))?.into(),
                source: None,
                interface: index(bytes, offset_of!(IPV6_MREQ, ipv6mr_interface))?,
            },
            Shape::GroupReq(family) => {
                let bytes = bytes.get(..size_of::<GROUP_REQ>()).ok_or(Status::FAULT)?;
                Membership {
                    group: address(bytes, offset_of!(GROUP_REQ, gr_group), family)?,
                    source: None,
                    interface: index(bytes, offset_of!(GROUP_REQ, gr_interface))?,
                }
            }
            Shape::GroupSourceReq(family) => {
                let bytes = bytes
                    .get(..size_of::<GROUP_SOURCE_REQ>())
                    .ok_or(Status::FAULT)?;
                let source = offset_of!(GROUP_SOURCE_REQ, gsr_source);
                Membership {
                    group: address(bytes, offset_of!(GROUP_SOURCE_REQ, gsr_group), family)?,
                    source: Some(address(bytes, source, family)?),
                    interface: index(bytes, offset_of!(GROUP_SOURCE_REQ, gsr_interface))?,
                }
            }
        };
        if membership.group.is_multicast() {
            Ok(membership)
        } else {
            Err(Status::INVALID)
        }
    }

    /// Tells the kernel.
    ///
    /// # Errors
    /// - [`Status::INVALID`] for a group that was joined already.
    /// - [`Status::ADDRESS_NOT_AVAILABLE`] for a group or source that was not joined, and for an interface that
    ///   does not exist.
    pub fn apply(&self, change: Change, fd: RawFd) -> Result<(), Status> {
        let applied = match (self.interface, self.group, self.source) {
            (Interface::Address(_), IpAddr::V4(group), None) => {
                self.apply_by_address(change, fd, group)
            }
            (Interface::Address(interface), IpAddr::V4(group), Some(IpAddr::V4(source))) => {
                apply_source_by_address(change, fd, group, interface, source)
            }
            _ => self.on_its_interface().apply_by_index(change, fd),
        };
        applied.map_err(|error| match (error.raw_os_error(), change) {
            (Some(libc::EADDRINUSE), _) => Status::INVALID,
            (Some(libc::ENODEV), _) => Status::ADDRESS_NOT_AVAILABLE,
            (Some(libc::EINVAL), Change::Leave | Change::LeaveSource) => {
                Status::ADDRESS_NOT_AVAILABLE
            }
            (errno, _) => Status::from_call_errno(errno.unwrap_or(0)),
        })
    }

    /// The same, with the interface that a group of IPv6 is on where none is named. Of the sources of such a membership Linux
    /// finds nothing unless it is told the index.
    pub fn on_its_interface(self) -> Membership {
        let interface = match (self.interface, self.group) {
            (Interface::Any, IpAddr::V6(group)) => {
                system::interface_towards(group).map(Interface::Index)
            }
            _ => None,
        };
        Membership {
            interface: interface.unwrap_or(self.interface),
            ..self
        }
    }

    fn apply_by_address(&self, change: Change, fd: RawFd, group: Ipv4Addr) -> std::io::Result<()> {
        let name = match change {
            Change::Leave => libc::IP_DROP_MEMBERSHIP,
            _ => libc::IP_ADD_MEMBERSHIP,
        };
        let (imr_address, imr_ifindex) = self.interface.address_and_index();
        let request = libc::ip_mreqn {
            imr_multiaddr: in_addr(group),
            imr_address,
            imr_ifindex,
        };
        system::set_socket_option(fd, libc::IPPROTO_IP, name, &request)
    }

    fn apply_by_index(&self, change: Change, fd: RawFd) -> std::io::Result<()> {
        let level = match self.group {
            IpAddr::V4(_) => libc::IPPROTO_IP,
            IpAddr::V6(_) => libc::IPPROTO_IPV6,
        };
        let group = GroupRequest {
            interface: self.interface.index(),
            group: storage(self.group),
        };
        let name = match change {
            Change::Join => MCAST_JOIN_GROUP,
            Change::Leave => MCAST_LEAVE_GROUP,
            Change::Block => MCAST_BLOCK_SOURCE,
            Change::Unblock => MCAST_UNBLOCK_SOURCE,
            Change::JoinSource => MCAST_JOIN_SOURCE_GROUP,
            Change::LeaveSource => MCAST_LEAVE_SOURCE_GROUP,
        };
        match self.source {
            None => system::set_socket_option(fd, level, name, &group),
            Some(source) => {
                let source = storage(source);
                let request = GroupSourceRequest { group, source };
                system::set_socket_option(fd, level, name, &request)
            }
        }
    }
}

fn apply_source_by_address(
    change: Change,
    fd: RawFd,
    group: Ipv4Addr,
    interface: Ipv4Addr,
    source: Ipv4Addr,
) -> std::io::Result<()> {
    let name = match change {
        Change::Block => libc::IP_BLOCK_SOURCE,
        Change::Unblock => libc::IP_UNBLOCK_SOURCE,
        Change::Leave | Change::LeaveSource => libc::IP_DROP_SOURCE_MEMBERSHIP,
        Change::Join | Change::JoinSource => libc::IP_ADD_SOURCE_MEMBERSHIP,
    };
    let request = libc::ip_mreq_source {
        imr_multiaddr: in_addr(group),
        imr_interface: in_addr(interface),
        imr_sourceaddr: in_addr(source),
    };
    system::set_socket_option(fd, libc::IPPROTO_IP, name, &request)
}

/// `struct group_req` of <linux/in.h>.
#[repr(C)]
#[derive(Clone, Copy)]
struct GroupRequest {
    interface: u32,
    group: libc::sockaddr_storage,
}

/// `struct group_source_req`, likewise.
#[repr(C)]
#[derive(Clone, Copy)]
struct GroupSourceRequest {
    group: GroupRequest,
    source: libc::sockaddr_storage,
}

const _: () = assert!(size_of::<GroupRequest>() == 136);
const _: () = assert!(size_of::<GroupSourceRequest>() == 264);

const MCAST_JOIN_GROUP: i32 = 42;
const MCAST_BLOCK_SOURCE: i32 = 43;
const MCAST_UNBLOCK_SOURCE: i32 = 44;
const MCAST_LEAVE_GROUP: i32 = 45;
const MCAST_JOIN_SOURCE_GROUP: i32 = 46;
const MCAST_LEAVE_SOURCE_GROUP: i32 = 47;

fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr {
        s_addr: u32::from_ne_bytes(address.octets()),
    }
}

fn storage(address: IpAddr) -> libc::sockaddr_storage {
    Address::from(SocketAddr::from((address, 0))).to_storage()
}

/// The `N` bytes at `offset`.
pub fn field<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], Status> {
    let bytes = bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
    bytes.copied().ok_or(Status::FAULT)
}

pub fn ipv4(bytes: &[u8], offset: usize) -> Result<Ipv4Addr, Status> {
    field::<4>(bytes, offset).map(Ipv4Addr::from)
}

pub fn ipv6(bytes: &[u8], offset: usize) -> Result<Ipv6Addr, Status> {
    field::<16>(bytes, offset).map(Ipv6Addr::from)
}

pub fn index(bytes: &[u8], offset: usize) -> Result<Interface, Status> {
    let index = u32::from_ne_bytes(field(bytes, offset)?);
    Ok(Interface::from_index(index))
}

/// The address in the SOCKADDR_STORAGE at `offset`.
pub fn address(bytes: &[u8], offset: usize, family: Family) -> Result<IpAddr, Status> {
    let storage = bytes.get(offset..).ok_or(Status::FAULT)?;
    match Address::from_windows(storage, family) {
        Ok(address) => Ok(address.socket_addr().ip()),
        Err(Status::ADDRESS_FAMILY_UNSUPPORTED) => Err(Status::INVALID),
        Err(status) => Err(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: [u8; 4] = [239, 1, 2, 3];

    fn parse(shape: Shape, parts: &[[u8; 4]]) -> Result<Membership, Status> {
        Membership::parse(shape, &parts.concat())
    }

    /// Source: ip_mreq, imr_interface: an address, or "any IP address in the 0.x.x.x block" as an index.
    #[test]
    fn an_interface_is_an_address_or_an_index() {
        for (bytes, interface) in [
            ([0, 0, 0, 0], Interface::Any),
            ([0, 0, 0, 7], Interface::Index(7)),
            ([0, 1, 0, 0], Interface::Index(0x1_0000)),
            ([127, 0, 0, 1], Interface::Address(Ipv4Addr::LOCALHOST)),
        ] {
            let membership = parse(Shape::IpMreq, &[GROUP, bytes]).unwrap();
            assert_eq!(membership.interface, interface);
            assert_eq!(membership.group, IpAddr::from(GROUP));
            assert_eq!(membership.source, None);
        }
    }

    /// Source: ip_mreq_source: group, source, interface, in this order.
    #[test]
    fn the_source_stands_before_the_interface() {
        let membership = parse(Shape::IpMreqSource, &[GROUP, [10, 0, 0, 9], [0, 0, 0, 2]]).unwrap();
        assert_eq!(membership.source, Some(IpAddr::from([10, 0, 0, 9])));
        assert_eq!(membership.interface, Interface::Index(2));
    }

    #[test]
    fn every_shape_wants_all_its_bytes_and_a_group() {
        for (shape, size) in [
            (Shape::IpMreq, 8),
            (Shape::IpMreqSource, 12),
            (Shape::Ipv6Mreq, 20),
            (Shape::GroupReq(Family::V4), 136),
            (Shape::GroupReq(Family::V6), 136),
            (Shape::GroupSourceReq(Family::V4), 264),
            (Shape::GroupSourceReq(Family::V6), 264),
        ] {
            let zeros = vec![0; size];
            let short = Membership::parse(shape, &zeros[..size - 1]);
            assert_eq!(short, Err(Status::FAULT), "{shape:?}");
            let no_group = Membership::parse(shape, &zeros);
            assert_eq!(no_group, Err(Status::INVALID), "{shape:?}");
        }
    }

    /// Source: GROUP_SOURCE_REQ.
    #[test]
    fn socket_addresses_are_of_the_family_of_the_level() {
        let group: Ipv6Addr = "ff15::1".parse().unwrap();
        let source: Ipv6Addr = "fe80::2".parse().unwrap();
        let mut bytes = [0; 264];
        bytes[0] = 3;
        for (offset, address) in [(8, group), (136, source)] {
            let address = Address::from(SocketAddr::from((address, 0)));
            address.write_windows(&mut bytes[offset..]).unwrap();
        }
        let membership = Membership::parse(Shape::GroupSourceReq(Family::V6), &bytes);
        let expected = Membership {
            group: group.into(),
            source: Some(source.into()),
            interface: Interface::Index(3),
        };
        assert_eq!(membership, Ok(expected));
        let other = Membership::parse(Shape::GroupSourceReq(Family::V4), &bytes);
        assert_eq!(other, Err(Status::INVALID));
    }
}
