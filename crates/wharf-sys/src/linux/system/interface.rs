//! Interfaces of the network, their addresses, and news of their routes.

use std::io::Result;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::{check, errno, own};
use crate::platform::sockets::address::{Address, Family};
use crate::platform::sockets::interfaces::Interface;

/// Whether there is an interface with that index.
pub fn is_interface(index: u32) -> bool {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: there is room for a name.
    !unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null()
}

/// Every address of every interface that has an IPv4 or IPv6 address.
pub fn interfaces() -> Vec<Interface> {
    let mut list = std::ptr::null_mut();
    // SAFETY: `list` is valid for writes.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Vec::new();
    }
    let mut interfaces = Vec::new();
    let mut entry = list;
    // SAFETY: the list is valid until it is freed; its end is null.
    while let Some(info) = unsafe { entry.as_ref() } {
        // SAFETY: the pointers of an entry are null or valid.
        let [address, netmask, broadcast] =
            unsafe { [info.ifa_addr, info.ifa_netmask, info.ifa_ifu].map(|name| address_at(name)) };
        interfaces.extend(address.map(|address| Interface {
            flags: info.ifa_flags,
            address,
            netmask,
            broadcast: broadcast.filter(|_| info.ifa_flags & libc::IFF_BROADCAST as u32 != 0),
        }));
        entry = info.ifa_next;
    }
    // SAFETY: it came from getifaddrs, and nothing of it is used any more.
    unsafe { libc::freeifaddrs(list) };
    interfaces
}

/// The address at a pointer, if it is IPv4 or IPv6.
///
/// # Safety
/// `name` is null or a valid address.
unsafe fn address_at(name: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: the caller's promise; the family stands at the beginning of every address.
    let family = unsafe { name.as_ref() }?.sa_family;
    let length = Family::from_linux(family.into())?.address_len();
    // SAFETY: all zeroes is an address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    // SAFETY: an address of that family has that length, and the storage is no shorter.
    unsafe {
        std::ptr::copy_nonoverlapping(name.cast::<u8>(), (&raw mut storage).cast(), length);
    }
    Address::from_raw(storage).map(|address| address.socket_addr())
}

/// The index of the interface by which an IPv6 address is reached, in the network namespace of the calling thread.
pub fn interface_towards(address: Ipv6Addr) -> Option<u32> {
    const HEADER: usize = size_of::<libc::nlmsghdr>();
    const ROUTE: usize = 12; // a rtmsg of <linux/rtnetlink.h>
    const ATTRIBUTE: usize = 4; // the length and kind of a rtattr
    const LENGTH: usize = HEADER + ROUTE + ATTRIBUTE + 16;
    let mut request = [0u8; LENGTH];
    request[..4].copy_from_slice(&(LENGTH as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&libc::RTM_GETROUTE.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    request[HEADER] = libc::AF_INET6 as u8;
    request[HEADER + 1] = 128; // all bits of the destination
    let destination = &mut request[HEADER + ROUTE..];
    destination[..2].copy_from_slice(&(ATTRIBUTE as u16 + 16).to_ne_bytes());
    destination[2..4].copy_from_slice(&libc::RTA_DST.to_ne_bytes());
    destination[4..].copy_from_slice(&address.octets());

    let socket = netlink(0).ok()?;
    // SAFETY: the request is valid for its length.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), LENGTH, 0) };
    check(sent as i32).ok()?;
    let mut answer = [0u8; 1024];
    // The kernel answers within the call above. SAFETY: `answer` is valid for its length.
    let read = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), 1024, 0) };
    let answer = &answer[..usize::try_from(read).ok()?];
    if answer.get(4..6)? != libc::RTM_NEWROUTE.to_ne_bytes() {
        return None;
    }
    let mut attributes = answer.get(HEADER + ROUTE..)?;
    while let [l0, l1, k0, k1, rest @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1])).max(ATTRIBUTE);
        if u16::from_ne_bytes([*k0, *k1]) == libc::RTA_OIF {
            return rest.first_chunk().map(|index| u32::from_ne_bytes(*index));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// A netlink socket of the network namespace of the calling thread.
fn netlink(flags: i32) -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | flags;
    // SAFETY: no pointers.
    check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) }).map(own)
}

/// A netlink socket that tells of changes of addresses and routes in the network namespace of the calling thread.
pub fn route_changes() -> Result<OwnedFd> {
    let socket = netlink(libc::SOCK_NONBLOCK)?;
    // SAFETY: all zeroes is an address to begin with.
    let mut name: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    name.nl_family = libc::AF_NETLINK as u16;
    name.nl_groups = (libc::RTMGRP_IPV4_IFADDR
        | libc::RTMGRP_IPV4_ROUTE
        | libc::RTMGRP_IPV6_IFADDR
        | libc::RTMGRP_IPV6_ROUTE) as u32;
    let length = size_of_val(&name) as libc::socklen_t;
    // SAFETY: `name` is valid for its length.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), length) })?;
    Ok(socket)
}

/// Gives the kind (RTM_*) and family of every change that the netlink socket has to tell of. If it has lost some, it
/// gives all there can be.
pub fn read_route_changes(fd: RawFd, mut each: impl FnMut(u16, i32)) {
    const HEADER: usize = size_of::<libc::nlmsghdr>();
    let mut buffer = [0u8; 8192];
    loop {
        // SAFETY: `buffer` is valid for its length.
        let read = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match read {
            0.. => {}
            _ if errno() == libc::EINTR => continue,
            _ if errno() == libc::ENOBUFS => {
                for kind in [libc::RTM_NEWADDR, libc::RTM_NEWROUTE] {
                    for family in [libc::AF_INET, libc::AF_INET6] {
                        each(kind, family);
                    }
                }
                continue;
            }
            _ => return,
        }
        let mut messages = &buffer[..read as usize];
        while messages.len() > HEADER {
            let [l0, l1, l2, l3, k0, k1, ..] = *messages else {
                break;
            };
            // Both kinds of message begin with the family, in one byte.
            each(u16::from_ne_bytes([k0, k1]), messages[HEADER].into());
            let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            messages = messages
                .get(length.max(HEADER).next_multiple_of(4)..)
                .unwrap_or(&[]);
        }
    }
}
