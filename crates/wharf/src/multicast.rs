//! Groups of hosts: whose datagrams a socket receives, and how it sends to them.

use std::net::{Ipv4Addr, Ipv6Addr};

use wharf_sys::{
    IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
    IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_MREQ, IP_MREQ_SOURCE, IP_MULTICAST_IF,
    IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP,
    IPV6_DROP_MEMBERSHIP, IPV6_MREQ, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_IF, IPV6_MULTICAST_LOOP,
};

use crate::{Error, Socket};

/// Multicast. A host's interface is named by an address of its own (IPv4) or by its index (IPv6); the unspecified address,
/// and 0, are the one that the system chooses.
///
/// ```
/// use std::net::{Ipv4Addr, SocketAddr};
/// use wharf::Socket;
///
/// let group = Ipv4Addr::new(239, 1, 2, 3);
/// let member = Socket::datagram_at((Ipv4Addr::UNSPECIFIED, 0).into())?;
/// member.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
///
/// let sender = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST)?;
/// sender.set_multicast_loop_v4(true)?;
/// sender.send_to(b"hello", SocketAddr::from((group, member.local_addr()?.port())))?;
/// let mut buffer = [0; 16];
/// assert_eq!(member.recv_from(&mut buffer)?, (5, sender.local_addr()?));
/// member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
/// # Ok::<_, wharf::Error>(())
/// ```
impl Socket {
    /// Receives what is sent to `group` from now on, on this interface.
    ///
    /// # Errors
    /// - [`Error::INVALID`] or [`Error::ADDRESS_NOT_AVAILABLE`] if it is no group, or it is a member already, or there is no
    ///   such interface.
    /// - [`Error::NO_PROTOCOL_OPTION`] if it is a stream.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<(), Error> {
        self.set(
            IPPROTO_IP,
            IP_ADD_MEMBERSHIP,
            &membership_v4(group, interface),
        )
    }

    /// Takes [`Socket::join_multicast_v4`] back.
    ///
    /// # Errors
    /// As there, if it is no member.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> Result<(), Error> {
        self.set(
            IPPROTO_IP,
            IP_DROP_MEMBERSHIP,
            &membership_v4(group, interface),
        )
    }

    /// Receives what `source` sends to `group` from now on, on this interface.
    ///
    /// # Errors
    /// As [`Socket::join_multicast_v4`].
    #[doc(alias = "join_ssm_v4")]
    pub fn join_multicast_source_v4(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> Result<(), Error> {
        let membership = membership_of_source(source, group, interface);
        self.set(IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &membership)
    }

    /// Takes [`Socket::join_multicast_source_v4`] back.
    ///
    /// # Errors
    /// As there, if it is no member.
    #[doc(alias = "leave_ssm_v4")]
    pub fn leave_multicast_source_v4(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        interface: Ipv4Addr,
    ) -> Result<(), Error> {
        let membership = membership_of_source(source, group, interface);
        self.set(IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &membership)
    }

    /// Receives what is sent to `group` from now on, on the interface with this index.
    ///
    /// # Errors
    /// As [`Socket::join_multicast_v4`].
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<(), Error> {
        self.set(
            IPPROTO_IPV6,
            IPV6_ADD_MEMBERSHIP,
            &membership_v6(group, interface),
        )
    }

    /// Takes [`Socket::join_multicast_v6`] back.
    ///
    /// # Errors
    /// As there, if it is no member.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> Result<(), Error> {
        self.set(
            IPPROTO_IPV6,
            IPV6_DROP_MEMBERSHIP,
            &membership_v6(group, interface),
        )
    }

    /// Which interface sends to groups of IPv4 (`IP_MULTICAST_IF`): its address, or 0.0.0.x with its index.
    ///
    /// # Errors
    /// [`Error::NO_PROTOCOL_OPTION`] or [`Error::INVALID`] if this kind of socket has no such option; the same for all
    /// below.
    pub fn multicast_interface_v4(&self) -> Result<Ipv4Addr, Error> {
        let address = self.get(IPPROTO_IP, IP_MULTICAST_IF)?;
        Ok(Ipv4Addr::from(u32::from_be(address)))
    }

    /// Sets what [`Socket::multicast_interface_v4`] tells.
    ///
    /// # Errors
    /// [`Error::ADDRESS_NOT_AVAILABLE`] if there is no such interface.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> Result<(), Error> {
        let address = u32::from(interface).to_be();
        self.set(IPPROTO_IP, IP_MULTICAST_IF, &address)
    }

    /// How many hops a datagram to a group of IPv4 may take (`IP_MULTICAST_TTL`): one, unless told otherwise.
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn multicast_ttl_v4(&self) -> Result<u32, Error> {
        self.get(IPPROTO_IP, IP_MULTICAST_TTL)
    }

    /// Sets what [`Socket::multicast_ttl_v4`] tells.
    ///
    /// # Errors
    /// [`Error::INVALID`] if it is more than 255.
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> Result<(), Error> {
        self.set(IPPROTO_IP, IP_MULTICAST_TTL, &hops)
    }

    /// Whether members on this machine hear each other (`IP_MULTICAST_LOOP`). To be set alike at both ends.
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn multicast_loop_v4(&self) -> Result<bool, Error> {
        Ok(self.get(IPPROTO_IP, IP_MULTICAST_LOOP)? != 0)
    }

    /// Sets what [`Socket::multicast_loop_v4`] tells.
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn set_multicast_loop_v4(&self, on: bool) -> Result<(), Error> {
        self.set(IPPROTO_IP, IP_MULTICAST_LOOP, &u32::from(on))
    }

    /// Which interface sends to groups of IPv6, by index (`IPV6_MULTICAST_IF`).
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn multicast_interface_v6(&self) -> Result<u32, Error> {
        self.get(IPPROTO_IPV6, IPV6_MULTICAST_IF)
    }

    /// Sets what [`Socket::multicast_interface_v6`] tells.
    ///
    /// # Errors
    /// [`Error::ADDRESS_NOT_AVAILABLE`] or [`Error::INVALID`] if there is no such interface.
    pub fn set_multicast_interface_v6(&self, interface: u32) -> Result<(), Error> {
        self.set(IPPROTO_IPV6, IPV6_MULTICAST_IF, &interface)
    }

    /// How many hops a datagram to a group of IPv6 may take (`IPV6_MULTICAST_HOPS`): one, unless told otherwise.
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn multicast_hop_limit_v6(&self) -> Result<u32, Error> {
        self.get(IPPROTO_IPV6, IPV6_MULTICAST_HOPS)
    }

    /// Sets what [`Socket::multicast_hop_limit_v6`] tells.
    ///
    /// # Errors
    /// [`Error::INVALID`] if it is more than 255.
    pub fn set_multicast_hop_limit_v6(&self, hops: u32) -> Result<(), Error> {
        self.set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops)
    }

    /// As [`Socket::multicast_loop_v4`], for IPv6 (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn multicast_loop_v6(&self) -> Result<bool, Error> {
        Ok(self.get(IPPROTO_IPV6, IPV6_MULTICAST_LOOP)? != 0)
    }

    /// Sets what [`Socket::multicast_loop_v6`] tells.
    ///
    /// # Errors
    /// As [`Socket::multicast_interface_v4`].
    pub fn set_multicast_loop_v6(&self, on: bool) -> Result<(), Error> {
        self.set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &u32::from(on))
    }
}

fn membership_v4(group: Ipv4Addr, interface: Ipv4Addr) -> IP_MREQ {
    IP_MREQ {
        imr_multiaddr: in_addr(group),
        imr_interface: in_addr(interface),
    }
}

fn membership_of_source(source: Ipv4Addr, group: Ipv4Addr, interface: Ipv4Addr) -> IP_MREQ_SOURCE {
    IP_MREQ_SOURCE {
        imr_multiaddr: in_addr(group),
        imr_sourceaddr: in_addr(source),
        imr_interface: in_addr(interface),
    }
}

fn membership_v6(group: Ipv6Addr, interface: u32) -> IPV6_MREQ {
    IPV6_MREQ {
        ipv6mr_multiaddr: IN6_ADDR {
            u: IN6_ADDR_0 {
                Byte: group.octets(),
            },
        },
        ipv6mr_interface: interface,
    }
}

fn in_addr(address: Ipv4Addr) -> IN_ADDR {
    IN_ADDR {
        S_un: IN_ADDR_0 {
            S_addr: u32::from(address).to_be(),
        },
    }
}
