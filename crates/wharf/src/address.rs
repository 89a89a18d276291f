//! `std::net` addresses to and from Windows' sockaddr structures.

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use wharf_sys::{
    AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, SOCKADDR, SOCKADDR_IN,
    SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKADDR_INET,
};

use crate::Error;

/// Room for an address of either family, and how much of it is one.
pub(crate) struct Address {
    storage: SOCKADDR_INET,
    length: i32,
}

impl Address {
    /// Room for a function to store an address in.
    pub(crate) fn empty() -> Address {
        Address {
            // SAFETY: a union of structures of integers; zero is a value of each.
            storage: unsafe { zeroed() },
            length: size_of::<SOCKADDR_INET>() as i32,
        }
    }

    pub(crate) fn as_ptr(&self) -> *const SOCKADDR {
        (&raw const self.storage).cast()
    }

    /// For a function that stores an address and its length.
    pub(crate) fn as_out(&mut self) -> (*mut SOCKADDR, *mut i32) {
        ((&raw mut self.storage).cast(), &raw mut self.length)
    }

    pub(crate) fn length(&self) -> i32 {
        self.length
    }

    /// The address that is stored.
    ///
    /// # Errors
    /// [`Error::ADDRESS_FAMILY_NOT_SUPPORTED`] if it is of neither family.
    pub(crate) fn get(&self) -> Result<SocketAddr, Error> {
        // SAFETY: every variant begins with the family.
        match unsafe { self.storage.si_family } {
            AF_INET => {
                // SAFETY: the family says so.
                let address = unsafe { self.storage.Ipv4 };
                // SAFETY: all of the union are the same four bytes.
                let ip = Ipv4Addr::from(u32::from_be(unsafe { address.sin_addr.S_un.S_addr }));
                Ok(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
            }
            AF_INET6 => {
                // SAFETY: the family says so.
                let address = unsafe { self.storage.Ipv6 };
                // SAFETY: all of the union are the same sixteen bytes.
                let ip = Ipv6Addr::from(unsafe { address.sin6_addr.u.Byte });
                // SAFETY: all of the union are the same number.
                let scope = unsafe { address.Anonymous.sin6_scope_id };
                let port = u16::from_be(address.sin6_port);
                let flow = address.sin6_flowinfo;
                Ok(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => Err(Error::ADDRESS_FAMILY_NOT_SUPPORTED),
        }
    }

    /// Copies the address that `pointer` leads to.
    ///
    /// # Safety
    /// `pointer` is valid for reads of `length` bytes.
    pub(crate) unsafe fn copy_from(pointer: *const SOCKADDR, length: usize) -> Address {
        let mut address = Address::empty();
        let length = length.min(size_of::<SOCKADDR_INET>());
        let (from, to) = (
            pointer.cast::<u8>(),
            (&raw mut address.storage).cast::<u8>(),
        );
        // SAFETY: `length` is no more than either has.
        unsafe { from.copy_to_nonoverlapping(to, length) };
        address
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let mut to = Address::empty();
        match address {
            SocketAddr::V4(address) => {
                to.length = size_of::<SOCKADDR_IN>() as i32;
                to.storage.Ipv4 = SOCKADDR_IN {
                    sin_family: AF_INET,
                    sin_port: address.port().to_be(),
                    sin_addr: IN_ADDR {
                        S_un: IN_ADDR_0 {
                            S_addr: u32::from(*address.ip()).to_be(),
                        },
                    },
                    sin_zero: [0; 8],
                };
            }
            SocketAddr::V6(address) => {
                to.length = size_of::<SOCKADDR_IN6>() as i32;
                to.storage.Ipv6 = SOCKADDR_IN6 {
                    sin6_family: AF_INET6,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: IN6_ADDR {
                        u: IN6_ADDR_0 {
                            Byte: address.ip().octets(),
                        },
                    },
                    Anonymous: SOCKADDR_IN6_0 {
                        sin6_scope_id: address.scope_id(),
                    },
                };
            }
        }
        to
    }
}

/// The address of all interfaces in the family of `address`, with a port that the system chooses.
pub(crate) fn any_of_family(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_as_they_were() {
        for text in [
            "127.0.0.1:80",
            "255.254.253.252:65535",
            "[::1]:1",
            "[fe80::1%7]:443",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(address).get(), Ok(address));
        }
    }

    #[test]
    fn port_and_address_are_in_network_order() {
        let address = Address::from(SocketAddr::from(([1, 2, 3, 4], 0x0506)));
        // SAFETY: an address of 16 bytes.
        let bytes: [u8; 8] = unsafe { address.as_ptr().cast::<[u8; 8]>().read() };
        assert_eq!(bytes[2..], [5, 6, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(
            Address::empty().get(),
            Err(Error::ADDRESS_FAMILY_NOT_SUPPORTED)
        );
    }
}
