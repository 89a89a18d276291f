//! Sockets as the load generator and the hand-written peers use them: IPv4, loopback, TCP and UDP.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use crate::Workload;
use rustix::io::Result;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_reuseaddr, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A listening socket on every address, with a deep backlog. Accepted sockets inherit TCP_NODELAY.
pub fn listener(port: u16, flags: SocketFlags) -> Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | flags,
        None,
    )?;
    set_socket_reuseaddr(&socket, true)?;
    set_tcp_nodelay(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    listen(&socket, 4096)?;
    Ok(socket)
}

/// The `index`th connection to `port`, blocking. Connections go to 127.0.0.1 … 127.0.0.200 in turn, since one address
/// has ports for 28,000 only.
pub fn connection(index: usize, port: u16) -> Result<OwnedFd> {
    let address = Ipv4Addr::new(127, 0, 0, 1 + (index % 200) as u8);
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    connect(&socket, &SocketAddrV4::new(address, port))?;
    set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// The receive buffer that a server of datagrams asks for; the machine may allow less.
pub const DATAGRAM_BUFFER: usize = 4 << 20;

/// A socket for datagrams to `port` on every address.
pub fn datagrams(port: u16, flags: SocketFlags) -> Result<OwnedFd> {
    let socket = datagram_socket(flags)?;
    set_socket_recv_buffer_size(&socket, DATAGRAM_BUFFER)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    Ok(socket)
}

/// The socket by which a server answers to what comes in by `socket`: the same, or one at an address of its own.
pub fn answering(workload: Workload, socket: &OwnedFd, flags: SocketFlags) -> Result<OwnedFd> {
    if workload == Workload::UdpRelay {
        return datagrams(0, flags);
    }
    rustix::io::fcntl_dupfd_cloexec(socket, 0)
}

/// A client: a blocking socket.
pub fn datagram_client() -> Result<OwnedFd> {
    let socket = datagram_socket(SocketFlags::empty())?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket)
}

/// The loopback at `port`.
pub fn loopback(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be(),
        },
        sin_zero: [0; 8],
    }
}

fn datagram_socket(flags: SocketFlags) -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | flags;
    socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)
}

/// As many descriptors as the machine allows.
pub fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
}
