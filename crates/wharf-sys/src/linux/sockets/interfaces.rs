//! This host's addresses: which there are, which one leads where, and which of several destinations is best.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use windows_sys::Win32::Networking::WinSock::*;

use super::address::{Address, Family};
use crate::platform::status::Status;
use crate::platform::system;

/// One address of an interface.
pub struct Interface {
    /// IFF_* as Linux numbers them.
    pub flags: u32,
    /// The address, with port 0.
    pub address: SocketAddr,
    /// Its netmask.
    pub netmask: Option<SocketAddr>,
    /// Where everybody of its network is reached.
    pub broadcast: Option<SocketAddr>,
}

/// The addresses of a family by which others reach this host; those of the loopback if there are no others.
pub fn addresses(family: Family) -> Vec<SocketAddr> {
    let up = |interface: &Interface| interface.flags & libc::IFF_UP as u32 != 0;
    let of_family = |interface: &Interface| {
        interface.address.is_ipv4() == (family == Family::V4) && up(interface)
    };
    let all: Vec<SocketAddr> = system::interfaces()
        .into_iter()
        .filter(of_family)
        .map(|interface| interface.address)
        .collect();
    let others: Vec<_> = all
        .iter()
        .copied()
        .filter(|address| !address.ip().is_loopback())
        .collect();
    if others.is_empty() { all } else { others }
}

/// Whether a socket may have this address by Windows' rules, as far as Linux does not see to it: groups and broadcasts are
/// nobody's, and a scope has its interface.
pub fn may_be_local(address: &Address) -> bool {
    let address = address.socket_addr();
    let scope_exists = match address {
        SocketAddr::V6(address) => {
            address.scope_id() == 0 || system::is_interface(address.scope_id())
        }
        SocketAddr::V4(_) => true,
    };
    scope_exists
        && match address.ip().to_canonical() {
            IpAddr::V4(ip) => !ip.is_multicast() && !is_broadcast(ip),
            IpAddr::V6(ip) => !ip.is_multicast(),
        }
}

/// Whether that address means everybody, here or in a network of this host.
fn is_broadcast(ip: Ipv4Addr) -> bool {
    const SMALLEST_NETWORK: u32 = 0b11; // with a broadcast address
    let may_be = ip.to_bits() & SMALLEST_NETWORK == SMALLEST_NETWORK;
    ip.is_broadcast() || may_be && system::interfaces().iter().any(|at| at.has_broadcast(ip))
}

impl Interface {
    fn has_broadcast(&self, ip: Ipv4Addr) -> bool {
        let (IpAddr::V4(own), Some(IpAddr::V4(mask))) =
            (self.address.ip(), self.netmask.map(|mask| mask.ip()))
        else {
            return false;
        };
        let hosts = !mask.to_bits();
        hosts > 1 && ip.to_bits() == own.to_bits() | hosts
    }
}

/// The local address from which that destination is reached, with port 0.
///
/// # Errors
/// `NETWORK_UNREACHABLE` and its like.
pub fn source_for(destination: &Address) -> Result<Address, Status> {
    let failed = |error: std::io::Error| {
        Status::from_connect_errno(error.raw_os_error().unwrap_or(libc::ENETUNREACH))
    };
    let family = destination.family();
    let socket = system::socket(family.linux(), libc::SOCK_DGRAM, 0).map_err(failed)?;
    const ANY_PORT: u16 = 9; // nothing is sent
    let _ = system::set_socket_option(
        socket.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_BROADCAST,
        &1i32,
    );
    system::connect(socket.as_raw_fd(), &destination.with_port(ANY_PORT)).map_err(failed)?;
    let source = system::local_address(socket.as_raw_fd()).ok_or(Status::NETWORK_UNREACHABLE)?;
    Ok(source.with_port(0))
}

// ---- SIO_GET_INTERFACE_LIST ----

/// Writes the IPv4 interfaces as INTERFACE_INFO; the bytes written, or `None` without room for all.
pub fn write_interfaces(output: &mut [u8]) -> Option<usize> {
    const SIZE: usize = size_of::<INTERFACE_INFO>();
    let interfaces: Vec<Interface> = system::interfaces()
        .into_iter()
        .filter(|interface| interface.address.is_ipv4())
        .collect();
    let output = output.get_mut(..interfaces.len() * SIZE)?;
    output.fill(0);
    for (interface, out) in interfaces.iter().zip(output.chunks_exact_mut(SIZE)) {
        let at = offset_of!(INTERFACE_INFO, iiFlags);
        out[at..at + 4].copy_from_slice(&windows_flags(interface.flags).to_ne_bytes());
        for (at, address) in [
            (
                offset_of!(INTERFACE_INFO, iiAddress),
                Some(interface.address),
            ),
            (
                offset_of!(INTERFACE_INFO, iiBroadcastAddress),
                interface.broadcast,
            ),
            (offset_of!(INTERFACE_INFO, iiNetmask), interface.netmask),
        ] {
            let address = address.map(Address::from);
            address.and_then(|address| address.write_windows(&mut out[at..]));
        }
    }
    Some(interfaces.len() * SIZE)
}

fn windows_flags(linux: u32) -> u32 {
    [
        (libc::IFF_UP, IFF_UP),
        (libc::IFF_BROADCAST, IFF_BROADCAST),
        (libc::IFF_LOOPBACK, IFF_LOOPBACK),
        (libc::IFF_POINTOPOINT, IFF_POINTTOPOINT),
        (libc::IFF_MULTICAST, IFF_MULTICAST),
    ]
    .into_iter()
    .filter(|(bit, _)| linux & *bit as u32 != 0)
    .fold(0, |flags, (_, bit)| flags | bit)
}

// ---- SOCKET_ADDRESS_LIST ----

/// Addresses to be written as a SOCKET_ADDRESS_LIST: the entries, then what they point to.
pub struct AddressList<'a>(pub &'a [SocketAddr]);

impl AddressList<'_> {
    /// What is there without any entry.
    pub const HEADER: usize = offset_of!(SOCKET_ADDRESS_LIST, Address);
    const ENTRY: usize = size_of::<SOCKET_ADDRESS>();

    /// How many bytes it takes.
    pub fn len(&self) -> usize {
        let addresses: usize = self
            .0
            .iter()
            .map(|address| Address::from(*address).len())
            .sum();
        Self::HEADER + self.0.len() * Self::ENTRY + addresses
    }

    /// Writes it to `output`, which has room; the bytes written.
    pub fn write(&self, output: &mut [u8]) -> usize {
        let base = output.as_ptr().expose_provenance();
        let mut put = |at: usize, bytes: &[u8]| {
            output[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &(self.0.len() as u32).to_ne_bytes());
        let mut at = Self::HEADER + self.0.len() * Self::ENTRY;
        for (index, address) in self.0.iter().enumerate() {
            let mut bytes = [0; size_of::<SOCKADDR_IN6>()];
            let length = Address::from(*address)
                .write_windows(&mut bytes)
                .unwrap_or(0);
            let entry = Self::HEADER + index * Self::ENTRY;
            let pointer = entry + offset_of!(SOCKET_ADDRESS, lpSockaddr);
            let length_at = entry + offset_of!(SOCKET_ADDRESS, iSockaddrLength);
            put(pointer, &(base + at).to_ne_bytes());
            put(length_at, &(length as u32).to_ne_bytes());
            put(at, &bytes[..length]);
            at += length;
        }
        at
    }
}

// ---- SIO_ADDRESS_LIST_SORT ----

/// Destinations, best first: those that can be reached, then by the rules for choosing among them (RFC 6724, section 6).
pub fn sorted(destinations: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut ranked: Vec<_> = destinations
        .iter()
        .map(|destination| (rank(destination), *destination))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank); // stable: what is equal stays in order
    ranked
        .into_iter()
        .map(|(_, destination)| destination)
        .collect()
}

/// What speaks against a destination, in the order in which it counts.
fn rank(destination: &SocketAddr) -> (bool, bool, bool, u8, u8, u8) {
    let to = mapped(destination.ip());
    let Ok(source) = source_for(&Address::from(*destination)) else {
        return (true, true, true, u8::MAX, u8::MAX, u8::MAX);
    };
    let from = mapped(source.socket_addr().ip());
    let (precedence, label) = policy(to);
    let common = (from.to_bits() ^ to.to_bits()).leading_zeros() as u8;
    let common = if destination.is_ipv6() { common } else { 0 };
    (
        false,
        scope(from) != scope(to),
        policy(from).1 != label,
        u8::MAX - precedence,
        scope(to),
        u8::MAX - common,
    )
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// How far an address reaches: 2 its link, 5 its site, 14 the world.
fn scope(address: Ipv6Addr) -> u8 {
    const LINK: u8 = 2;
    const SITE: u8 = 5;
    const GLOBAL: u8 = 14;
    match (address.to_ipv4_mapped(), address.segments()[0]) {
        (Some(v4), _) if v4.is_loopback() || v4.is_link_local() => LINK,
        (Some(_), _) => GLOBAL,
        (None, first) if first & 0xff00 == 0xff00 => (first & 0xf) as u8,
        (None, first) if address.is_loopback() || first & 0xffc0 == 0xfe80 => LINK,
        (None, first) if first & 0xffc0 == 0xfec0 => SITE,
        _ => GLOBAL,
    }
}

/// Precedence and label of the default policy table.
fn policy(address: Ipv6Addr) -> (u8, u8) {
    let segments = address.segments();
    match segments[0] {
        _ if address.is_loopback() => (50, 0),
        _ if address.to_ipv4_mapped().is_some() => (35, 4),
        0x2002 => (30, 2),
        0x2001 if segments[1] == 0 => (5, 5),
        first if first & 0xfe00 == 0xfc00 => (3, 13),
        0x3ffe => (1, 12),
        first if first & 0xffc0 == 0xfec0 => (1, 11),
        0 if segments[1..6].iter().all(|segment| *segment == 0) => (1, 3),
        _ => (40, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_list_points_to_its_own_addresses() {
        let all = addresses(&["10.0.0.1:80", "[fe80::1%3]:443"]);
        let list = AddressList(&all);
        assert_eq!(list.len(), 8 + 2 * 16 + 16 + 28);
        let mut output = vec![0xAA; list.len() + 1];
        assert_eq!(list.write(&mut output), list.len());
        assert_eq!(output[..4], 2u32.to_ne_bytes());
        let base = output.as_ptr().addr();
        let pointer = |at: usize| usize::from_ne_bytes(output[at..at + 8].try_into().unwrap());
        assert_eq!((pointer(8) - base, pointer(24) - base), (40, 56));
        let second = Address::from_windows(&output[56..], Family::V6).unwrap();
        assert_eq!(second.socket_addr(), all[1]);
        assert_eq!(output[list.len()], 0xAA, "nothing is written behind it");
    }

    /// Source: RFC 6724, section 2.1.
    #[test]
    fn the_policy_table_is_the_default_one() {
        for (text, expected) in [
            ("::1", (50, 0)),
            ("2a00::1", (40, 1)),
            ("::ffff:10.0.0.1", (35, 4)),
            ("2002::1", (30, 2)),
            ("2001::1", (5, 5)),
            ("2001:db8::1", (40, 1)),
            ("fd00::1", (3, 13)),
        ] {
            assert_eq!(policy(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "needs the kernel")]
    fn what_cannot_be_reached_comes_last_and_equals_stay_in_order() {
        // A link-local address without its link leads nowhere.
        let given = addresses(&["[fe80::1]:1", "127.0.0.2:1", "127.0.0.1:1"]);
        assert_eq!(
            sorted(&given),
            addresses(&["127.0.0.2:1", "127.0.0.1:1", "[fe80::1]:1"])
        );
    }
}
