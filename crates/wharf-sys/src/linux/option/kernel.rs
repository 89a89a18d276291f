//! How recorded options reach a descriptor.
//!
//! The record is the truth; the kernel is told only what it has to do itself. So a fresh descriptor with a
//! fresh record costs no system call beyond [`fresh_socket_defaults`], and a descriptor may be replaced at any
//! time ([`Options::apply_over`] brings the new one to where the old one was).

use std::io;
use std::os::fd::RawFd;

use super::super::address::Family;
use super::super::status::Status;
use super::Options;
use super::table::{Kernel, SETTINGS, Setting};

/// The largest times and count that Linux takes for keep-alive.
const KEEP_SECONDS_MAX: u32 = 32767;
const KEEP_COUNT_MAX: u32 = 127;

/// Makes a descriptor just created behave like Windows' where Linux differs from the start.
///
/// IPv6 sockets serve IPv6 only.
pub fn fresh_socket_defaults(fd: RawFd, family: Family) -> Result<(), Status> {
    match family {
        Family::V4 => Ok(()),
        Family::V6 => set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1),
    }
}

impl Options {
    /// Tells a connected descriptor, on which `current` is in effect, what differs here.
    ///
    /// For accepted ones, which the kernel starts with their listener's options: to be in the default state, as
    /// AcceptEx leaves them, or to follow a change of the whole record.
    pub fn apply_over(&self, current: &Options, fd: RawFd, family: Family) -> Result<(), Status> {
        settings()
            .filter(|setting| *setting != Setting::V6Only) // settled when it was bound
            .filter(|setting| self.recorded(*setting) != current.recorded(*setting))
            .try_for_each(|setting| self.carry(setting, fd, family))
    }

    /// Tells `fd` the value of one setting.
    pub(super) fn carry(&self, setting: Setting, fd: RawFd, family: Family) -> Result<(), Status> {
        let value = self.value(setting);
        match setting.record().kernel {
            Kernel::Nothing => Ok(()),
            Kernel::Plain(level, name) => set_int(fd, level, name, value as i32),
            Kernel::Buffer(name) => set_int(fd, libc::SOL_SOCKET, name, saturated(value)),
            Kernel::KeepAlive => self.carry_keep_alive(fd),
            Kernel::UserTimeout => {
                let milliseconds = saturated(value.saturating_mul(1000));
                set_int(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, milliseconds)
            }
            Kernel::V6Only if family == Family::V4 => Ok(()), // Windows keeps the value there, without effect
            Kernel::V6Only => set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, value as i32),
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
    Status::from_call_errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn saturated(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
