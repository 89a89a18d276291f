//! Descriptors of any kind.

use std::io::Result;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::{check, own};

/// Makes the number of `target` name the open file of `source`.
pub fn replace_descriptor(source: &OwnedFd, target: RawFd) -> Result<()> {
    // SAFETY: no pointers; `target` stays open, only what it refers to changes.
    check(unsafe { libc::dup3(source.as_raw_fd(), target, libc::O_CLOEXEC) }).map(drop)
}

/// A duplicate of a descriptor.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) }).map(own)
}

/// Makes a descriptor non-blocking, and closed in programs that are started; whether it was non-blocking before.
pub fn make_non_blocking(fd: RawFd) -> Result<bool> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// Makes a descriptor blocking.
pub fn make_blocking(fd: RawFd) {
    // SAFETY: no pointers.
    if let Ok(flags) = check(unsafe { libc::fcntl(fd, libc::F_GETFL) }) {
        // SAFETY: no pointers.
        unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) };
    }
}
