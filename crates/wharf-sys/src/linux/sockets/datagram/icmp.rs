//! What ICMP tells a datagram socket: one later receive fails, connected or not.
//!
//! The kernel keeps such messages in a queue of its own beside the datagrams (IP_RECVERR), and fails one call with a bare
//! error number, which may be a send. A send tries again; a receive asks the queue what it was about. FLAG_ERRORS says
//! that the queue may hold something, so that a receive on a socket without trouble does not ask. Of what it holds one
//! failure at a time is taken out and waits in the socket for its receive; the rest waits in the kernel.
//!
//! Source: "recvfrom", WSAECONNRESET and WSAENETRESET; "SIO_UDP_CONNRESET Control Code".

use std::os::fd::RawFd;
use std::sync::atomic::Ordering::*;

use super::super::address::Family;
use super::super::socket::{FLAG_ERRORS, FLAG_NO_CONNRESET, FLAG_NO_NETRESET, Side, Socket};
use crate::platform::status::Status;
use crate::platform::system;

/// Error numbers by which the kernel may tell of ICMP.
const TOLD_BY: [i32; 10] = [
    libc::ECONNREFUSED,
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    libc::EHOSTDOWN,
    libc::ENONET,
    libc::EPROTO,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::EMSGSIZE,
    libc::EACCES,
];

/// Whether a call that failed like this may have been told of ICMP.
pub fn may_tell(errno: i32) -> bool {
    TOLD_BY.contains(&errno)
}

/// Has the kernel keep what ICMP tells.
pub fn keep(fd: RawFd, family: Family) {
    // On an IPv6 socket both: it may come to speak IPv4 too. They fail on kernels without the feature only.
    let _ = system::set_socket_option(fd, libc::IPPROTO_IP, libc::IP_RECVERR, &1i32);
    if family == Family::V6 {
        let _ = system::set_socket_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &1i32);
    }
}

impl Socket {
    /// The kernel's queue of errors may hold something.
    pub fn note_errors(&self) {
        self.set_flag(FLAG_ERRORS, true);
    }

    /// Whether the next receive fails because of ICMP. What a receive that is under way will take is not there.
    pub fn has_icmp_failure(&self) -> bool {
        // Under the lock, so that no receive begins to wait for what is being taken out of the kernel's queue.
        let mut receives = self.direction(Side::Receive).lock();
        if receives.has_pending() {
            return false;
        }
        let found = self.find_icmp_failure();
        if found {
            receives.edge(false); // the next one is attempted
        }
        found
    }

    /// The failure of a receive, if ICMP has one for it. Called by the owner of the direction only.
    pub fn take_icmp_failure(&self) -> Option<Status> {
        if !self.has(FLAG_ERRORS) || !self.find_icmp_failure() {
            return None;
        }
        match self.receive_failure().swap(0, AcqRel) {
            0 => None, // switched off just now
            status => Some(Status(status)),
        }
    }

    /// Takes the next failure out of the kernel's queue, unless there is one; whether there is one now.
    fn find_icmp_failure(&self) -> bool {
        let slot = self.receive_failure();
        if slot.load(Acquire) == 0 {
            self.set_flag(FLAG_ERRORS, false); // before the look: an error that comes now sets it again
            let failure = std::iter::from_fn(|| system::next_error(self.fd()))
                .find_map(|told| self.failure_of(told));
            let Some(status) = failure else { return false };
            slot.store(status.0, Release);
            self.set_flag(FLAG_ERRORS, true);
        }
        true
    }

    fn failure_of(&self, told: libc::sock_extended_err) -> Option<Status> {
        const PORT_UNREACHABLE: (u8, u8, u8) = (libc::SO_EE_ORIGIN_ICMP, 3, 3); // RFC 792
        const TIME_EXCEEDED: (u8, u8, u8) = (libc::SO_EE_ORIGIN_ICMP, 11, 0);
        const PORT_UNREACHABLE_V6: (u8, u8, u8) = (libc::SO_EE_ORIGIN_ICMP6, 1, 4); // RFC 4443
        const TIME_EXCEEDED_V6: (u8, u8, u8) = (libc::SO_EE_ORIGIN_ICMP6, 3, 0);
        let (status, off) = match (told.ee_origin, told.ee_type, told.ee_code) {
            PORT_UNREACHABLE | PORT_UNREACHABLE_V6 => (Status::PORT_UNREACHABLE, FLAG_NO_CONNRESET),
            TIME_EXCEEDED | TIME_EXCEEDED_V6 => (Status::NETWORK_RESET, FLAG_NO_NETRESET),
            _ => return None,
        };
        (!self.has(off)).then_some(status)
    }

    /// SIO_UDP_CONNRESET.
    pub fn report_unreachable_ports(&self, on: bool) {
        self.report(FLAG_NO_CONNRESET, Status::PORT_UNREACHABLE, on);
    }

    /// SIO_UDP_NETRESET.
    pub fn report_expired_datagrams(&self, on: bool) {
        self.report(FLAG_NO_NETRESET, Status::NETWORK_RESET, on);
    }

    fn report(&self, flag_off: u32, status: Status, on: bool) {
        self.set_flag(flag_off, !on);
        if !on {
            // One that has not been reported yet is not any more.
            let _ = self
                .receive_failure()
                .compare_exchange(status.0, 0, AcqRel, Relaxed);
        }
    }
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests {
    use super::*;
    use crate::platform::sockets::option::Kind;

    fn told(origin: u8, kind: u8, code: u8) -> libc::sock_extended_err {
        libc::sock_extended_err {
            ee_errno: 0,
            ee_origin: origin,
            ee_type: kind,
            ee_code: code,
            ee_pad: 0,
            ee_info: 0,
            ee_data: 0,
        }
    }

    /// Source: recvfrom, WSAECONNRESET and WSAENETRESET; SIO_UDP_CONNRESET; SIO_UDP_NETRESET.
    #[test]
    fn messages_have_their_failures() {
        let socket = Socket::new(Family::V4, Kind::Datagram, true).unwrap();
        let unreachable = [told(2, 3, 3), told(3, 1, 4)];
        let expired = [told(2, 11, 0), told(3, 3, 0)];
        let others = [
            told(0, 0, 0),
            told(1, 0, 0),
            told(2, 3, 1),
            told(2, 3, 4),
            told(3, 1, 0),
            told(3, 2, 0),
        ];
        let failures = |all: &[libc::sock_extended_err]| {
            let codes = all
                .iter()
                .map(|one| socket.failure_of(*one).map(Status::to_winsock));
            codes.collect::<Vec<_>>()
        };
        assert_eq!(failures(&unreachable), [Some(10054); 2]);
        assert_eq!(failures(&expired), [Some(10052); 2]);
        assert_eq!(failures(&others), [None; 6]);
        socket.report_unreachable_ports(false);
        assert_eq!(failures(&unreachable), [None; 2]);
        assert_eq!(failures(&expired), [Some(10052); 2]);
        socket.report_expired_datagrams(false);
        socket.report_unreachable_ports(true);
        assert_eq!(failures(&unreachable), [Some(10054); 2]);
        assert_eq!(failures(&expired), [None; 2]);
    }
}
