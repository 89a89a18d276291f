//! The two families and their addresses, as text, as structures and of the loopback.

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use wharf_sys::*;

/// The two families every TCP rule holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// AF_INET.
    V4,
    /// AF_INET6.
    V6,
}

/// Both families, for tests that walk them.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// An address as text, with its port and whoever's it is.
pub fn address(text: &str) -> Address {
    text.parse::<SocketAddr>().expect("an address").into()
}

impl Family {
    /// The `AF_` constant.
    pub fn number(self) -> i32 {
        match self {
            Self::V4 => AF_INET.into(),
            Self::V6 => AF_INET6.into(),
        }
    }

    /// 127.0.0.1 or ::1 with that port.
    pub fn loopback(self, port: u16) -> Address {
        match self {
            Self::V4 => SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(),
            Self::V6 => SocketAddr::from((Ipv6Addr::LOCALHOST, port)).into(),
        }
    }

    /// 0.0.0.0 or :: with that port.
    pub fn any(self, port: u16) -> Address {
        match self {
            Self::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into(),
            Self::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into(),
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// A socket address as the functions take it: memory and a length.
#[derive(Clone, Copy)]
pub struct Address {
    /// Room for either family.
    pub storage: SOCKADDR_STORAGE,
    /// How much of it counts.
    pub len: i32,
}

impl Address {
    /// Zeroed memory, all of it offered.
    pub fn room() -> Self {
        // SAFETY: an all-zero SOCKADDR_STORAGE is a valid value of that plain structure.
        let storage = unsafe { mem::zeroed() };
        Self {
            storage,
            len: size_of::<SOCKADDR_STORAGE>() as i32,
        }
    }

    /// For functions that read an address.
    pub fn as_ptr(&self) -> *const SOCKADDR {
        (&raw const self.storage).cast()
    }

    /// For functions that write one.
    pub fn as_mut_ptr(&mut self) -> *mut SOCKADDR {
        (&raw mut self.storage).cast()
    }

    /// The same address, cut or stretched to `len` bytes.
    pub fn with_len(mut self, len: i32) -> Self {
        self.len = len;
        self
    }

    /// The same address under another family number.
    pub fn with_family(mut self, family: u16) -> Self {
        self.storage.ss_family = family;
        self
    }

    /// The port, in host order.
    pub fn port(&self) -> u16 {
        self.get().port()
    }

    /// The address in Rust's form; the length must be the family's own.
    pub fn get(&self) -> SocketAddr {
        match self.storage.ss_family {
            AF_INET => {
                assert_eq!(self.len as usize, size_of::<SOCKADDR_IN>());
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let v4 = unsafe { &*self.as_ptr().cast::<SOCKADDR_IN>() };
                // SAFETY: all members of the union are 32 bits of plain data.
                let bits = unsafe { v4.sin_addr.S_un.S_addr };
                SocketAddr::from((bits.to_ne_bytes(), u16::from_be(v4.sin_port)))
            }
            AF_INET6 => {
                assert_eq!(self.len as usize, size_of::<SOCKADDR_IN6>());
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let v6 = unsafe { &*self.as_ptr().cast::<SOCKADDR_IN6>() };
                // SAFETY: all members of the union are 16 bytes of plain data.
                let bytes = unsafe { v6.sin6_addr.u.Byte };
                SocketAddr::from((bytes, u16::from_be(v6.sin6_port)))
            }
            family => panic!("address family {family}"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut this = Self::room();
        match address {
            SocketAddr::V4(v4) => {
                this.len = size_of::<SOCKADDR_IN>() as i32;
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let to = unsafe { &mut *this.as_mut_ptr().cast::<SOCKADDR_IN>() };
                to.sin_family = AF_INET;
                to.sin_port = v4.port().to_be();
                to.sin_addr.S_un.S_addr = u32::from_ne_bytes(v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                this.len = size_of::<SOCKADDR_IN6>() as i32;
                // SAFETY: SOCKADDR_STORAGE is as large and as aligned as any address.
                let to = unsafe { &mut *this.as_mut_ptr().cast::<SOCKADDR_IN6>() };
                to.sin6_family = AF_INET6;
                to.sin6_port = v6.port().to_be();
                to.sin6_addr.u.Byte = v6.ip().octets();
            }
        }
        this
    }
}

/// Forgets flow information and scope, which no test here is about.
pub fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0).into(),
        v4 => v4,
    }
}
