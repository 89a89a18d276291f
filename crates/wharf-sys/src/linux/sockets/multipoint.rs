//! Multipoint sessions: WSAJoinLeaf. Of IP they are multicast groups, which have no root: whoever joins is a leaf.
//!
//! Source: "WSAJoinLeaf", "Multipoint and Multicast Semantics".

use std::net::IpAddr;
use std::sync::Arc;

use super::address::Address;
use super::option::{Interface, Membership, MembershipChange};
use super::socket::{FLAG_LEAF, Socket};
use crate::platform::events::network_events::Occasion;
use crate::platform::status::Status;
use crate::platform::system;

impl Socket {
    /// Joins a group as a leaf, on the interface whose address the socket has. A leaf that only sends receives nothing.
    ///
    /// # Errors
    /// - `INVALID` for a socket that was not made a leaf.
    /// - `ADDRESS_NOT_AVAILABLE` for what is no group.
    /// - `IS_CONNECTED` if it has joined that group.
    pub fn join_leaf(self: &Arc<Self>, group: Address, receives: bool) -> Result<(), Status> {
        if !self.is_datagram() || !self.has(FLAG_LEAF) {
            return Err(Status::INVALID);
        }
        let group = group.socket_addr();
        if !group.ip().is_multicast() {
            return Err(Status::ADDRESS_NOT_AVAILABLE);
        }
        self.bind_implicitly()?;
        if receives {
            let membership = Membership {
                group: group.ip(),
                source: None,
                interface: self.own_interface(),
            };
            let joined = membership.apply(MembershipChange::Join, self.fd());
            joined.map_err(|status| match status {
                Status::INVALID => Status::IS_CONNECTED,
                other => other,
            })?;
        }
        self.state().connect_ended(0);
        self.observe(Occasion::Change);
        Ok(())
    }

    fn own_interface(&self) -> Interface {
        match system::local_address(self.fd()).map(|address| address.socket_addr()) {
            Some(local) if local.ip().is_unspecified() => Interface::Any,
            Some(std::net::SocketAddr::V6(local)) => match local.scope_id() {
                0 => Interface::Any,
                index => Interface::Index(index),
            },
            Some(local) => match local.ip() {
                IpAddr::V4(address) => Interface::Address(address),
                IpAddr::V6(_) => Interface::Any,
            },
            None => Interface::Any,
        }
    }
}
