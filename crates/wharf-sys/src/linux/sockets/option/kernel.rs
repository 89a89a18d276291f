//! How recorded options reach a descriptor.
//!
//! The record is the truth; the kernel is told only what it has to do itself. So a fresh descriptor with a
//! fresh record costs no system call beyond [`fresh_socket_defaults`], and a descriptor may be replaced at any
//! time ([`Options::apply_over`] brings the new one to where the old one was).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use windows_sys::Win32::Networking::WinSock::{
    IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE, PMTUD_STATE,
};

use super::super::address::Family;
use super::super::datagram;
use super::membership::Interface;
use super::settings::{HOPS, Kernel, SETTINGS, Setting};
use super::{Kind, Options};
use crate::platform::status::Status;
use crate::platform::system;

use Family::{V4, V6};

/// The largest times and count that Linux takes for keep-alive.
const KEEP_SECONDS_MAX: u32 = 32767;
const KEEP_COUNT_MAX: u32 = 127;

/// A new descriptor that behaves like Windows' where Linux differs from the start.
///
/// # Errors
/// `TOO_MANY_SOCKETS`, `INSUFFICIENT_RESOURCES`; `ACCESS_DENIED` for a raw one without the right to it.
pub fn fresh_descriptor(family: Family, kind: Kind) -> Result<OwnedFd, Status> {
    let type_of = match kind {
        Kind::Stream => libc::SOCK_STREAM,
        Kind::Datagram => libc::SOCK_DGRAM,
        Kind::Raw(_) => libc::SOCK_RAW,
    };
    let fd = system::socket(family.linux(), type_of, kind.protocol()).map_err(status_of)?;
    fresh_socket_defaults(fd.as_raw_fd(), family, kind)?;
    if kind == Kind::Datagram {
        datagram::keep_icmp(fd.as_raw_fd(), family);
    }
    Ok(fd)
}

/// IPv6 sockets serve IPv6 only. Datagrams travel as far as Windows', and those for a group come only to sockets
/// that joined it. (How far the packets of a connection travel no program sees.)
pub fn fresh_socket_defaults(fd: RawFd, family: Family, kind: Kind) -> Result<(), Status> {
    const IPV6_MULTICAST_ALL: i32 = 29; // <linux/in6.h>
    if family == Family::V6 && !matches!(kind, Kind::Raw(_)) {
        set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    if kind == Kind::Stream {
        return Ok(());
    }
    let hops = HOPS as i32;
    match family {
        Family::V4 => set_int(fd, libc::IPPROTO_IP, libc::IP_TTL, hops)?,
        Family::V6 => {
            set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, hops)?;
            let _ = set_int(fd, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0); // of Linux 4.20
        }
    }
    if let (Family::V4, Kind::Raw(IPPROTO_RAW)) = (family, kind) {
        set_int(fd, libc::IPPROTO_IP, libc::IP_HDRINCL, 0)?; // which this protocol begins with on Linux
    }
    let _ = set_int(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0); // not of a raw IPv6 socket
    Ok(())
}

/// The number of the protocol whose header the program always writes.
const IPPROTO_RAW: u8 = 255;

impl Options {
    /// Tells a connected descriptor, on which `current` is in effect, what differs here.
    ///
    /// For accepted ones, which the kernel starts with their listener's options: to be in the default state, as
    /// AcceptEx leaves them, or to follow a change of the whole record.
    pub fn apply_over(&self, current: &Options, fd: RawFd, family: Family) -> Result<(), Status> {
        settings()
            .filter(|setting| *setting != Setting::V6Only) // settled when it was bound
            .filter(|setting| self.recorded(*setting) != current.recorded(*setting))
            .try_for_each(|setting| self.carry(setting, fd, family))?;
        if self.ip_options == current.ip_options {
            return Ok(());
        }
        set_ip_options(fd, self.ip_options())
    }

    /// What is in effect on a descriptor that somebody else has set up. Lingering becomes the library's.
    pub fn of_descriptor(fd: RawFd, family: Family) -> Options {
        let mut options = Options::default();
        for setting in settings() {
            let (level, name) = match setting.record().kernel {
                Kernel::Plain(level, name) => (level, name),
                Kernel::KeepAlive if setting == Setting::KeepAlive => {
                    (libc::SOL_SOCKET, libc::SO_KEEPALIVE)
                }
                Kernel::V6Only if family == Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
                _ => continue,
            };
            // What the descriptor does not know it was not told.
            match get_int(fd, level, name) {
                Ok(value) if value as u32 != setting.record().default => {
                    options.record(setting, Some(value as u32));
                }
                _ => {}
            }
        }
        if let Some(linger) = system::take_linger(fd) {
            options.record(Setting::Linger, Some(1 | u32::from(linger) << 16));
        }
        options
    }

    /// Tells a descriptor just created everything that was ever set. At worst an option is the default.
    pub fn apply_to_fresh(&self, fd: RawFd, family: Family) {
        for setting in settings().filter(|setting| self.recorded(*setting).is_some()) {
            let _ = self.carry(setting, fd, family);
        }
        if self.ip_options.is_some() {
            let _ = set_ip_options(fd, self.ip_options());
        }
    }

    /// Tells `fd` the value of one setting.
    pub(super) fn carry(&self, setting: Setting, fd: RawFd, family: Family) -> Result<(), Status> {
        let value = self.value(setting);
        match setting.record().kernel {
            Kernel::Nothing => Ok(()),
            Kernel::Plain(level, name) => set_int(fd, level, name, value as i32),
            Kernel::Buffer(name) => set_int(fd, libc::SOL_SOCKET, name, saturated(value)),
            Kernel::PacketInfo if value == 0 => Ok(()),
            Kernel::PacketInfo => {
                datagram::ask_for_packet_info(fd, family);
                Ok(())
            }
            Kernel::KeepAlive => self.carry_keep_alive(fd),
            Kernel::SegmentMax => set_int(fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG, value as i32),
            Kernel::UserTimeout => {
                let milliseconds = saturated(value.saturating_mul(1000));
                set_int(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, milliseconds)
            }
            Kernel::V6Only if family == Family::V4 => Ok(()), // Windows keeps the value there, without effect
            Kernel::V6Only => set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, value as i32),
            Kernel::DontFragment(V4) if value != 0 => set_discovery(fd, libc::IP_PMTUDISC_DO),
            Kernel::DontFragment(V4) => set_discovery(fd, libc::IP_PMTUDISC_DONT),
            Kernel::DontFragment(V6) => {
                set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, value as i32)
            }
            Kernel::Fragmentation(family) => carry_discovery(fd, family, value),
            Kernel::InterfaceIndex(level, name) => set_int(fd, level, name, value.to_be() as i32),
            Kernel::MulticastInterface => carry_multicast_interface(fd, value),
        }
    }

    /// Sets TCP_USER_TIMEOUT back to what is recorded, after a connect used it for its own limit.
    pub fn restore_user_timeout(&self, fd: RawFd) -> Result<(), Status> {
        let seconds = self.value(Setting::TcpMaxRetransmission);
        let milliseconds = saturated(seconds.saturating_mul(1000));
        set_int(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, milliseconds)
    }

    /// Tells the times only together with the switch, so that who leaves it off pays nothing.
    fn carry_keep_alive(&self, fd: RawFd) -> Result<(), Status> {
        let on = self.value(Setting::KeepAlive) != 0;
        if on {
            let tell = |name, setting, max| {
                let value = self.value(setting).clamp(1, max) as i32;
                set_int(fd, libc::IPPROTO_TCP, name, value)
            };
            tell(libc::TCP_KEEPIDLE, Setting::KeepIdle, KEEP_SECONDS_MAX)?;
            tell(libc::TCP_KEEPINTVL, Setting::KeepInterval, KEEP_SECONDS_MAX)?;
            tell(libc::TCP_KEEPCNT, Setting::KeepCount, KEEP_COUNT_MAX)?;
        }
        set_int(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, i32::from(on))
    }
}

/// IP_MTU_DISCOVER and IPV6_MTU_DISCOVER; Linux numbers the choices differently.
fn carry_discovery(fd: RawFd, family: Family, value: u32) -> Result<(), Status> {
    let linux = match value as PMTUD_STATE {
        IP_PMTUDISC_DO => libc::IP_PMTUDISC_DO,
        IP_PMTUDISC_DONT => libc::IP_PMTUDISC_DONT,
        IP_PMTUDISC_PROBE => libc::IP_PMTUDISC_PROBE,
        _ => libc::IP_PMTUDISC_WANT, // what Linux begins with
    };
    match family {
        V4 => set_discovery(fd, linux),
        V6 => set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, linux),
    }
}

fn set_discovery(fd: RawFd, value: i32) -> Result<(), Status> {
    set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value)
}

/// IP_MULTICAST_IF, whose value is an address in network order.
fn carry_multicast_interface(fd: RawFd, value: u32) -> Result<(), Status> {
    let interface = Interface::from_ipv4(Ipv4Addr::from(value.to_ne_bytes()));
    let (imr_address, imr_ifindex) = interface.address_and_index();
    let request = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address,
        imr_ifindex,
    };
    let set = system::set_socket_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request);
    set.map_err(status_of)
}

/// Sets the IPv4 options of packets that are sent.
pub fn set_ip_options(fd: RawFd, options: &[u8]) -> Result<(), Status> {
    // SAFETY: `options` is valid for reads of its length.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            options.as_ptr().cast(),
            options.len() as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(failure()) }
}

/// Reads the IPv4 options; their length.
pub fn get_ip_options(fd: RawFd, out: &mut [u8]) -> Result<usize, Status> {
    let mut len = out.len() as u32;
    let value = out.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `len` bytes, which `out` has.
    let result =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_IP, libc::IP_OPTIONS, value, &raw mut len) };
    if result == 0 {
        Ok(len as usize)
    } else {
        Err(failure())
    }
}

fn settings() -> impl Iterator<Item = Setting> {
    SETTINGS.iter().map(|record| record.setting)
}

/// Sets an option of four bytes.
pub fn set_int(fd: RawFd, level: i32, name: i32, value: i32) -> Result<(), Status> {
    // SAFETY: the value is a live i32 and its length is given.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(failure()) }
}

/// Reads an option of four bytes.
pub fn get_int(fd: RawFd, level: i32, name: i32) -> Result<i32, Status> {
    let mut value = 0_i32;
    let mut len = size_of::<i32>() as u32;
    // SAFETY: the kernel writes at most `len` bytes, and the value is a live i32 of that size.
    let result =
        unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len) };
    if result == 0 {
        Ok(value)
    } else {
        Err(failure())
    }
}

fn failure() -> Status {
    status_of(io::Error::last_os_error())
}

fn status_of(error: io::Error) -> Status {
    match error.raw_os_error() {
        Some(libc::ENODEV) => Status::ADDRESS_NOT_AVAILABLE, // no such interface
        errno => Status::from_call_errno(errno.unwrap_or(0)),
    }
}

fn saturated(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
