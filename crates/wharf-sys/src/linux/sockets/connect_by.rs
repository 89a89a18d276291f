//! WSAConnectByList and WSAConnectByName: one address after the other, until a connection stands.
//!
//! The tries are those of ConnectEx, made synchronously whatever the blocking mode, so the socket ends as one of
//! ConnectEx does: its names are told after SO_UPDATE_CONNECT_CONTEXT.

use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::{Address, Family};
use super::socket::{ConnectKind, Phase, Side, Socket};
use crate::platform::engine::operation::{Buffers, Operation, Transfer, TransferFlags};
use crate::platform::engine::synchronous;
use crate::platform::events::network_events::Occasion;
use crate::platform::events::readiness;
use crate::platform::names::resolve;
use crate::platform::names::resolve::{Hints, SocketKind};
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::parker::{Deadline, has_passed};

impl Socket {
    /// Connects to the first of `addresses` that answers before the deadline; the local and the remote address.
    ///
    /// # Errors
    /// `INVALID` if the socket is in use, `IS_CONNECTED`, `ADDRESS_FAMILY_UNSUPPORTED` if no address is one for this socket,
    /// `TIMED_OUT`, and why the last try failed.
    pub fn connect_to_any(
        self: &Arc<Self>,
        addresses: &[SocketAddr],
        deadline: Deadline,
    ) -> Result<(Address, Address), Status> {
        if self.is_datagram() {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        let mut failure = Status::ADDRESS_FAMILY_UNSUPPORTED;
        for address in addresses {
            let Some(address) = self.reachable_form(*address) else {
                continue;
            };
            if has_passed(deadline) {
                return Err(Status::TIMED_OUT);
            }
            match self.try_address(address, deadline) {
                Ok(()) => {
                    let local = system::local_address(self.fd()).ok_or(Status::NOT_CONNECTED)?;
                    return Ok((local, address));
                }
                Err(status @ (Status::IS_CONNECTED | Status::INVALID | Status::TIMED_OUT)) => {
                    return Err(status);
                }
                Err(status) => failure = status,
            }
        }
        Err(failure)
    }

    /// Whether it has an address by `bind`.
    pub fn was_bound(&self) -> bool {
        self.state().bound_to.is_some()
    }

    /// An address as a socket of this family connects to it.
    fn reachable_form(&self, address: SocketAddr) -> Option<Address> {
        match (self.family, address.ip()) {
            (Family::V4, IpAddr::V4(_)) | (Family::V6, IpAddr::V6(_)) => Some(address.into()),
            (Family::V6, IpAddr::V4(ip)) if !self.state().options.v6_only() => {
                let mapped = SocketAddr::new(ip.to_ipv6_mapped().into(), address.port());
                Some(mapped.into())
            }
            _ => None,
        }
    }

    fn try_address(self: &Arc<Self>, address: Address, deadline: Deadline) -> Result<(), Status> {
        self.resolve_connect();
        {
            let mut state = self.state();
            match state.phase {
                _ if state.accepting_for.is_some() => return Err(Status::INVALID),
                Phase::Connected => return Err(Status::IS_CONNECTED),
                Phase::Listening | Phase::Connecting(..) => return Err(Status::INVALID),
                Phase::Open => self.begin_connect(&mut state, address, ConnectKind::Extended)?,
            }
        }
        readiness::wake_watchers();
        let nothing = Transfer::new(Buffers::none(), TransferFlags::default());
        let connect = Operation::Connect(address, nothing);
        let finished = synchronous::wait_for(self, Side::Send, connect, deadline);
        self.observe(Occasion::Change);
        match finished.status {
            status if status.is_failure() => Err(status),
            _ => Ok(()),
        }
    }
}

/// The addresses of a service on a host, as the system orders them. Waits for name servers.
///
/// # Errors
/// `INVALID` for a name with a zero in it, and those of [`resolve::resolve`].
pub fn addresses_of(host: &str, service: &str) -> Result<Vec<SocketAddr>, Status> {
    let text = |text: &str| CString::new(text).map_err(|_| Status::INVALID);
    let (host, service) = (text(host)?, text(service)?);
    let hints = Hints {
        kind: Some(SocketKind::Stream),
        ..Hints::default()
    };
    let resolved = resolve::resolve(Some(&host), Some(&service), hints)?;
    let addresses = resolved.addresses.iter();
    Ok(addresses.map(|address| address.socket_addr()).collect())
}
