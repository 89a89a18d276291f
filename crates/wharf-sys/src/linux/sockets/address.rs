//! A socket address, kept the way Linux' system calls want it.
//!
//! Windows' and Linux' `sockaddr_in` and `sockaddr_in6` agree in everything but one number: the family of
//! IPv6 is 23 there and 10 here. So an address is translated twice, where a program hands it in
//! ([`Address::from_windows`]) and where it gets it back ([`Address::write_windows`]), and is otherwise passed
//! around as a plain value.
//!
//! Source: "sockaddr", "bind", "connect", "getsockname".

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::types::{
    ADDRESS_FAMILY, AF_INET, AF_INET6, AF_UNSPEC, SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6,
};

use crate::platform::status::Status;

/// The address families sockets may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6; the only one whose number differs between the systems.
    V6,
}

impl Family {
    /// The family with this number on Windows.
    pub fn from_windows(number: i32) -> Option<Family> {
        [Family::V4, Family::V6]
            .into_iter()
            .find(|family| i32::from(family.windows()) == number)
    }

    /// The family with this number on Linux.
    pub fn from_linux(number: i32) -> Option<Family> {
        [Family::V4, Family::V6]
            .into_iter()
            .find(|family| family.linux() == number)
    }

    /// The number on Windows.
    pub const fn windows(self) -> ADDRESS_FAMILY {
        match self {
            Family::V4 => AF_INET,
            Family::V6 => AF_INET6,
        }
    }

    /// The number on Linux.
    pub const fn linux(self) -> i32 {
        match self {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        }
    }

    /// The length of an address of this family, on both systems.
    pub const fn address_len(self) -> usize {
        match self {
            Family::V4 => size_of::<libc::sockaddr_in>(),
            Family::V6 => size_of::<libc::sockaddr_in6>(),
        }
    }
}

const _: () = assert!(size_of::<SOCKADDR_IN>() == size_of::<libc::sockaddr_in>());
const _: () = assert!(size_of::<SOCKADDR_IN6>() == size_of::<libc::sockaddr_in6>());

/// An IPv4 or IPv6 address with its port.
#[derive(Clone, Copy)]
pub struct Address(Linux);

/// The two forms; the family field always fits the variant.
#[derive(Clone, Copy)]
enum Linux {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl Address {
    /// What a program passed for a socket of `family`.
    ///
    /// # Errors
    /// - [`Status::FAULT`] if `bytes` is shorter than an address of that family; longer is fine.
    /// - [`Status::ADDRESS_FAMILY_UNSUPPORTED`] if the address is of another family.
    pub fn from_windows(bytes: &[u8], family: Family) -> Result<Address, Status> {
        let bytes = bytes.get(..family.address_len()).ok_or(Status::FAULT)?;
        if u16::from_ne_bytes(field(bytes, 0)) != family.windows() {
            return Err(Status::ADDRESS_FAMILY_UNSUPPORTED);
        }
        let port = u16::from_be_bytes(field(bytes, 2));
        Ok(Address::from(match family {
            Family::V4 => SocketAddr::V4(SocketAddrV4::new(
                Ipv4Addr::from(field::<4>(bytes, 4)),
                port,
            )),
            Family::V6 => SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(field::<16>(bytes, 8)),
                port,
                u32::from_ne_bytes(field(bytes, 4)),
                u32::from_ne_bytes(field(bytes, 24)),
            )),
        }))
    }

    /// What a program passed to connect a socket of `family`; `None` for AF_UNSPEC: to nobody.
    ///
    /// # Errors
    /// Those of [`from_windows`](Self::from_windows).
    pub fn peer_from_windows(bytes: &[u8], family: Family) -> Result<Option<Address>, Status> {
        let bytes = bytes
            .get(..size_of::<SOCKADDR>())
            .ok_or(Status::FAULT)
            .and(Ok(bytes))?;
        if u16::from_ne_bytes(field(bytes, 0)) == AF_UNSPEC {
            return Ok(None);
        }
        Address::from_windows(bytes, family).map(Some)
    }

    /// Writes the address as a Windows program expects it; answers its length, or `None` if `out` is too short.
    pub fn write_windows(&self, out: &mut [u8]) -> Option<usize> {
        let len = self.len();
        let out = out.get_mut(..len)?;
        out[..2].copy_from_slice(&self.family().windows().to_ne_bytes());
        out[2..4].copy_from_slice(&self.port().to_be_bytes());
        match self.socket_addr() {
            SocketAddr::V4(address) => {
                out[4..8].copy_from_slice(&address.ip().octets());
                out[8..].fill(0); // sin_zero
            }
            SocketAddr::V6(address) => {
                out[4..8].copy_from_slice(&address.flowinfo().to_ne_bytes());
                out[8..24].copy_from_slice(&address.ip().octets());
                out[24..].copy_from_slice(&address.scope_id().to_ne_bytes());
            }
        }
        Some(len)
    }

    /// What the kernel wrote; `None` if it is neither IPv4 nor IPv6.
    pub fn from_raw(storage: libc::sockaddr_storage) -> Option<Address> {
        let start = (&raw const storage).cast::<u8>();
        // SAFETY: a sockaddr_storage is 128 initialised bytes (it has no padding), and it lives until the end of
        // this function.
        let bytes =
            unsafe { std::slice::from_raw_parts(start, size_of::<libc::sockaddr_storage>()) };
        let family = Family::from_linux(i32::from(storage.ss_family))?;
        let mut windows = [0; size_of::<libc::sockaddr_in6>()];
        windows[..family.address_len()].copy_from_slice(&bytes[..family.address_len()]);
        windows[..2].copy_from_slice(&family.windows().to_ne_bytes());
        Address::from_windows(&windows, family).ok()
    }

    /// The any-address of `family`, port 0.
    pub fn unspecified(family: Family) -> Address {
        Address::from(match family {
            Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        })
    }

    /// The family.
    pub fn family(&self) -> Family {
        match self.0 {
            Linux::V4(_) => Family::V4,
            Linux::V6(_) => Family::V6,
        }
    }

    /// The port, in host order.
    pub fn port(&self) -> u16 {
        match &self.0 {
            Linux::V4(address) => u16::from_be(address.sin_port),
            Linux::V6(address) => u16::from_be(address.sin6_port),
        }
    }

    /// The same address with another port.
    pub fn with_port(&self, port: u16) -> Address {
        let mut address = self.socket_addr();
        address.set_port(port);
        Address::from(address)
    }

    /// Whether this is the any-address (0.0.0.0, ::, or ::ffff:0.0.0.0), whatever the port.
    pub fn is_unspecified(&self) -> bool {
        self.socket_addr().ip().to_canonical().is_unspecified()
    }

    /// The address as the standard library's type.
    pub fn socket_addr(&self) -> SocketAddr {
        match &self.0 {
            Linux::V4(address) => {
                let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
                SocketAddr::V4(SocketAddrV4::new(ip, self.port()))
            }
            Linux::V6(address) => {
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                let (flowinfo, scope_id) = (address.sin6_flowinfo, address.sin6_scope_id);
                SocketAddr::V6(SocketAddrV6::new(ip, self.port(), flowinfo, scope_id))
            }
        }
    }

    /// For system calls that read an address of [`len`](Self::len) bytes.
    pub fn as_ptr(&self) -> *const libc::sockaddr {
        match &self.0 {
            Linux::V4(address) => (&raw const *address).cast(),
            Linux::V6(address) => (&raw const *address).cast(),
        }
    }

    /// For system calls that write at most [`len`](Self::len) bytes: an address of the socket's family, which is
    /// the family this address already has.
    pub fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        match &mut self.0 {
            Linux::V4(address) => (&raw mut *address).cast(),
            Linux::V6(address) => (&raw mut *address).cast(),
        }
    }

    /// In the room that structures of the kernel have for any address.
    pub fn to_storage(self) -> libc::sockaddr_storage {
        // SAFETY: all zeroes is an address of no family.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let start = (&raw mut storage).cast::<u8>();
        // SAFETY: both are valid for the length of an address, and they do not overlap.
        unsafe { start.copy_from_nonoverlapping(self.as_ptr().cast(), self.len()) };
        storage
    }

    /// The length in bytes, on both systems.
    #[allow(clippy::len_without_is_empty)] // an address is never empty
    pub fn len(&self) -> usize {
        self.family().address_len()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let port = address.port().to_be();
        Address(match address {
            SocketAddr::V4(address) => Linux::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: port,
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(address) => Linux::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: port,
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            }),
        })
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Address) -> bool {
        self.socket_addr() == other.socket_addr()
    }
}

impl Eq for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_addr().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The `N` bytes at `offset`, which the caller knows to be there.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N]
        .try_into()
        .expect("a slice of N bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOOPBACK_80: [u8; 16] = [2, 0, 0, 80, 127, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9];

    fn address(text: &str) -> Address {
        Address::from(text.parse::<SocketAddr>().unwrap())
    }

    fn windows_bytes(address: Address) -> Vec<u8> {
        let mut out = [0xAA; 40];
        let len = address.write_windows(&mut out).unwrap();
        assert!(
            out[len..].iter().all(|byte| *byte == 0xAA),
            "nothing is written behind the address"
        );
        out[..len].to_vec()
    }

    #[test]
    fn the_layout_is_windows() {
        let v4 = Address::from_windows(&LOOPBACK_80, Family::V4).unwrap();
        assert_eq!(v4.to_string(), "127.0.0.1:80");
        assert_eq!(
            windows_bytes(v4),
            [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        );

        let v6 = windows_bytes(address("[2001:db8::1]:258"));
        assert_eq!(v6[..8], [23, 0, 1, 2, 0, 0, 0, 0]);
        assert_eq!(v6[8..12], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(v6.len(), 28);
    }

    /// Source: bind, WSAEFAULT: "the namelen parameter is too small".
    #[test]
    fn a_short_address_is_a_fault_and_a_long_one_is_fine() {
        assert_eq!(
            Address::from_windows(&LOOPBACK_80[..15], Family::V4),
            Err(Status::FAULT)
        );
        assert_eq!(
            Address::from_windows(&[23; 27], Family::V6),
            Err(Status::FAULT)
        );
        assert_eq!(Address::from_windows(&[], Family::V4), Err(Status::FAULT));
        let mut long = LOOPBACK_80.to_vec();
        long.resize(128, 7);
        assert_eq!(
            Address::from_windows(&long, Family::V4),
            Ok(address("127.0.0.1:80"))
        );
    }

    /// Source: connect, WSAEAFNOSUPPORT. Linux' number of IPv6 is no family on Windows.
    #[test]
    fn another_family_is_unsupported() {
        let unsupported = Err(Status::ADDRESS_FAMILY_UNSUPPORTED);
        let mut v6 = windows_bytes(address("[::1]:80"));
        assert_eq!(Address::from_windows(&v6, Family::V4), unsupported);
        v6[0] = libc::AF_INET6 as u8;
        assert_eq!(Address::from_windows(&v6, Family::V6), unsupported);
        assert_eq!(Family::from_windows(10), None);
        assert_eq!(Family::from_windows(23), Some(Family::V6));
    }

    #[test]
    fn nothing_is_written_to_a_buffer_too_short() {
        let mut out = [0xAA; 27];
        assert_eq!(address("[::1]:80").write_windows(&mut out), None);
        assert_eq!(address("127.0.0.1:80").write_windows(&mut out[..15]), None);
        assert_eq!(out, [0xAA; 27]);
    }

    #[test]
    fn the_port_is_in_host_order() {
        let address = address("127.0.0.1:4660");
        assert_eq!(address.port(), 0x1234);
        assert_eq!(windows_bytes(address)[2..4], [0x12, 0x34]);
    }

    #[test]
    fn what_the_kernel_writes_is_understood() {
        // SAFETY: all-zero is a valid sockaddr_storage.
        let empty: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        assert_eq!(Address::from_raw(empty), None);
        for text in ["127.0.0.1:80", "[fe80::1%3]:443"] {
            let mut storage = empty;
            let original = address(text);
            // SAFETY: a storage is larger than any address, and the two are different objects.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    original.as_ptr().cast::<u8>(),
                    (&raw mut storage).cast::<u8>(),
                    original.len(),
                );
            }
            assert_eq!(Address::from_raw(storage), Some(original));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_address_survives_the_round_trip(bits: u128, port: u16, flow: u32, scope: u32) {
            let v4 = SocketAddr::from((Ipv4Addr::from(bits as u32), port));
            let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(bits), port, flow, scope));
            for (original, family) in [(v4, Family::V4), (v6, Family::V6)] {
                let bytes = windows_bytes(Address::from(original));
                let back = Address::from_windows(&bytes, family).unwrap();
                prop_assert_eq!(back.socket_addr(), original);
            }
        }
    }
}
