//! Thin, safe forms of the Linux system calls the engine makes. No decisions.
//!
//! Every call survives EINTR: it is repeated, or (for waits) returns early, which callers of waits expect.

mod descriptor;
mod interface;
mod memory;
mod process;
mod socket;
mod socket_option;
mod wait;

use std::io::{Error, Result};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

pub use descriptor::*;
pub use interface::*;
pub use memory::*;
pub use process::*;
pub use socket::*;
pub use socket_option::*;
pub use wait::*;

/// Turns a system call's −1 into the error.
pub fn check(result: i32) -> Result<i32> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The error number of a failed call.
pub fn errno() -> i32 {
    Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The result of a system call that transfers bytes, as io_uring gives it: the count, or the error number negated.
pub fn outcome(result: isize) -> i32 {
    match result {
        0.. => i32::try_from(result).unwrap_or(i32::MAX),
        _ => -errno(),
    }
}

fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes a descriptor the kernel just gave it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
