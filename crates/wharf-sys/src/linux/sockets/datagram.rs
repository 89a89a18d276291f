//! Datagrams: sendto, recvfrom and their relatives, and plain transfers on a datagram socket: what is refused, and what
//! is started.
//!
//! A datagram is sent whole or not at all, and received whole or cut; a cut one is a failure that has filled the buffers
//! and told the sender.

mod attempt;
mod control;
mod icmp;
mod several;

use std::os::fd::RawFd;
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::*;

pub use attempt::{Destination, Envelope, ReceiveDatagram, Report, SendDatagram};
pub use control::{Wanted, to_linux as control_to_linux};
pub use icmp::keep as keep_icmp;
pub use several::{SEVERAL_MAX, attempt_several};

use super::address::{Address, Family};
use super::option::{self, Kind};
use super::socket::{
    FLAG_BOUND, FLAG_CONNECTED, FLAG_PACKET_INFO, FLAG_RECEIVE_SHUT, FLAG_SEND_SHUT, Phase, Side,
    Socket, State,
};
use crate::platform::engine::completion;
use crate::platform::engine::operation::{Buffers, Operation};
use crate::platform::engine::request::{How, Started};
use crate::platform::events::network_events::Occasion;
use crate::platform::status::Status;
use crate::platform::system;

/// Has the kernel tell by which interface and to which address datagrams come.
pub fn ask_for_packet_info(fd: RawFd, family: Family) {
    let ask = |level, name| {
        let _ = system::set_socket_option(fd, level, name, &1i32); // without it, it is not told
    };
    ask(libc::IPPROTO_IP, libc::IP_PKTINFO); // also on an IPv6 socket, which may speak IPv4 too
    if family == Family::V6 {
        ask(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO);
    }
}

/// No datagram is longer.
const LONGEST: usize = u16::MAX as usize;

impl Socket {
    /// A receive on a datagram socket.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn receive_datagram(
        self: &Arc<Self>,
        buffers: Buffers,
        flags: u32,
        report: Report,
        overlapped: Option<How>,
    ) -> Result<Started, Status> {
        let received = self.start_receive_datagram(buffers, flags, report, overlapped);
        self.observe(Occasion::Receive);
        received
    }

    fn start_receive_datagram(
        self: &Arc<Self>,
        buffers: Buffers,
        flags: u32,
        report: Report,
        overlapped: Option<How>,
    ) -> Result<Started, Status> {
        const TAKEN: u32 = MSG_PEEK as u32 | MSG_PARTIAL | MSG_PUSH_IMMEDIATE as u32;
        const OF_STREAMS: u32 = (MSG_OOB | MSG_WAITALL) as u32;
        if flags & !(TAKEN | OF_STREAMS) != 0 {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        if !self.has(FLAG_BOUND) {
            return Err(Status::INVALID);
        }
        if self.has(FLAG_RECEIVE_SHUT) {
            return Err(Status::SHUT_DOWN);
        }
        if flags & OF_STREAMS != 0 {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        let buffers = buffers.for_scattering(LONGEST);
        let how = overlapped.unwrap_or_else(|| self.synchronously(Side::Receive));
        if let Report::Message(_) = report
            && !self.has(FLAG_PACKET_INFO)
            && !self.set_flag(FLAG_PACKET_INFO, true)
        {
            ask_for_packet_info(self.fd(), self.family); // it tells how a datagram was addressed in any case
        }
        let receive = ReceiveDatagram::new(buffers, flags & MSG_PEEK as u32 != 0, report);
        completion::start(
            self,
            Side::Receive,
            Operation::ReceiveDatagram(receive),
            how,
        )
    }

    /// A send on a datagram socket; `None`: to the peer it is connected to. `control` is in the kernel's layout.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn send_datagram(
        self: &Arc<Self>,
        buffers: Buffers,
        flags: u32,
        to: Option<Address>,
        control: Box<[u8]>,
        overlapped: Option<How>,
    ) -> Result<Started, Status> {
        if flags & !(MSG_DONTROUTE as u32) != 0 {
            return Err(Status::OPERATION_UNSUPPORTED);
        }
        if to.is_none() && !self.has(FLAG_CONNECTED) {
            return Err(Status::NOT_CONNECTED);
        }
        if self.has(FLAG_SEND_SHUT) {
            return Err(Status::SHUT_DOWN);
        }
        if to.is_some_and(|to| to.is_unspecified()) {
            return Err(Status::ADDRESS_NOT_AVAILABLE);
        }
        if buffers.total() > option::message_max(self.family) as usize {
            return Err(Status::INVALID_BUFFER_SIZE);
        }
        let buffers = buffers.gathered()?;
        self.bind_implicitly()?;
        let how = overlapped.unwrap_or_else(|| self.synchronously(Side::Send));
        let to = match to {
            Some(to) if self.lacks_port(&to) => Destination::Nowhere,
            to if !control.is_empty() => Destination::WithControl(Box::new((to, control))),
            Some(to) => Destination::Address(to),
            None => Destination::Peer,
        };
        let send = Operation::SendDatagram(SendDatagram::new(buffers, to));
        let sent = completion::start(self, Side::Send, send, how);
        if sent == Err(Status::WOULD_BLOCK) {
            self.await_room();
            self.observe(Occasion::SendBlocked);
        }
        sent
    }

    /// Whether nobody can be reached there: raw sockets know no ports.
    fn lacks_port(&self, address: &Address) -> bool {
        self.kind() == Kind::Datagram && address.port() == 0
    }

    /// Whoever sends has an address from then on.
    ///
    /// # Errors
    /// Those of bind.
    pub fn bind_implicitly(&self) -> Result<(), Status> {
        if self.has(FLAG_BOUND) {
            return Ok(());
        }
        match self.bind(Address::unspecified(self.family)) {
            Err(Status::INVALID) if self.has(FLAG_BOUND) => Ok(()), // another thread was first
            bound => bound,
        }
    }

    /// connect on a datagram socket: `peer` is whom it sends to and hears from here on; without one it is as it was.
    ///
    /// # Errors
    /// Those of connect.
    pub fn connect_datagram(self: &Arc<Self>, peer: Option<Address>) -> Result<(), Status> {
        self.attempt_all_deferred(); // to whom it was connected
        let peer = peer.filter(|peer| !peer.is_unspecified());
        if peer.is_some() {
            self.bind_implicitly()?;
        }
        let mut state = self.state();
        if state.phase == Phase::Connected {
            self.dissolve(&mut state);
        }
        let Some(peer) = peer else { return Ok(()) };
        self.attempt_connect_datagram(&peer).map_err(|error| {
            Status::from_connect_errno(error.raw_os_error().unwrap_or(libc::EINVAL))
        })?;
        state.phase = Phase::Connected;
        state.peer = Some(peer);
        state.connect_ended(0);
        self.mark_connected();
        Ok(())
    }

    /// Under the state's lock. To connect to everybody takes no right to send to all: what is sent then goes there.
    fn attempt_connect_datagram(&self, peer: &Address) -> std::io::Result<()> {
        let connected = system::connect(self.fd(), peer);
        if !matches!(&connected, Err(error) if error.raw_os_error() == Some(libc::EACCES)) {
            return connected;
        }
        let allow = |on: i32| {
            system::set_socket_option(self.fd(), libc::SOL_SOCKET, libc::SO_BROADCAST, &on)
        };
        allow(1)?;
        let connected = system::connect(self.fd(), peer);
        allow(0)?; // the kernel remembers the way of the connection, not how it was allowed
        connected
    }

    /// The kernel lets go of a port that it chose itself, and of the address it sent from: it is bound again.
    fn dissolve(&self, state: &mut State) {
        let local = system::local_address(self.fd());
        let _ = system::disconnect(self.fd()); // of a socket that is there, which cannot fail
        if let (Some(bound_to), Some(local)) = (state.bound_to, local) {
            let _ = system::bind(self.fd(), &bound_to.with_port(local.port())); // it fails where it was kept
        }
        state.phase = Phase::Open;
        state.peer = None;
        self.set_flag(FLAG_CONNECTED, false);
    }
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests {
    use std::mem::zeroed;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicUsize, Ordering::*};
    use std::time::{Duration, Instant};

    use windows_sys::Win32::Foundation::STATUS_PENDING;
    use windows_sys::Win32::Networking::WinSock::{MSG_MCAST, WSABUF, WSAMSG};
    use windows_sys::Win32::System::IO::OVERLAPPED;

    use super::*;
    use crate::platform::engine::request::{DoneOut, Overlapped};
    use crate::platform::sockets::option::Kind;

    /// What came to a group is told as such. Source: WSAMSG, dwFlags, MSG_MCAST.
    #[test]
    fn a_group_is_told() {
        const GROUP: Ipv4Addr = Ipv4Addr::new(239, 77, 12, 9);
        let socket = Socket::new(Family::V4, Kind::Datagram, true).unwrap();
        socket.bind(Address::unspecified(Family::V4)).unwrap();
        let join = libc::ip_mreq {
            imr_multiaddr: libc::in_addr {
                s_addr: u32::from(GROUP).to_be(),
            },
            imr_interface: libc::in_addr {
                s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be(),
            },
        };
        let (level, name) = (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP);
        system::set_socket_option(socket.fd(), level, name, &join).unwrap();
        let port = socket.local_address().unwrap().port();

        let mut data = [0u8; 8];
        let mut buffer = WSABUF {
            len: 8,
            buf: data.as_mut_ptr(),
        };
        // SAFETY: all zeroes is an empty message, and a fresh OVERLAPPED.
        let (mut message, mut overlapped): (WSAMSG, OVERLAPPED) = unsafe { (zeroed(), zeroed()) };
        message.lpBuffers = &mut buffer;
        message.dwBufferCount = 1;
        // SAFETY: both live until the operation has ended below.
        let how = unsafe {
            How::Overlapped(
                Overlapped::new(&mut overlapped).unwrap(),
                None,
                DoneOut::new(null_mut(), null_mut()),
            )
        };
        let report = Report::Message(&mut message);
        let buffers = Buffers::one(data.as_mut_ptr(), 8);
        let started = socket.receive_datagram(buffers, 0, report, Some(how));
        assert_eq!(started, Ok(Started::Pending)); // from here on the kernel tells

        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let by = join.imr_interface;
        system::set_socket_option(sender.as_raw_fd(), level, libc::IP_MULTICAST_IF, &by).unwrap();
        sender.send_to(b"abc", (GROUP, port)).unwrap();
        // SAFETY: it lives, and the library writes it as a whole.
        let internal = unsafe { AtomicUsize::from_ptr(&raw mut overlapped.Internal) };
        let deadline = Instant::now() + Duration::from_secs(20);
        while internal.load(Acquire) == STATUS_PENDING as usize {
            assert!(Instant::now() < deadline, "nothing came to the group");
            socket.retry();
        }
        assert_eq!((overlapped.Internal, overlapped.InternalHigh), (0, 3));
        assert_eq!(message.dwFlags, MSG_MCAST);
    }
}
