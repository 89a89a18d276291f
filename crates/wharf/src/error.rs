//! Failures, as Windows numbers them.

use std::fmt;
use std::io;

use wharf_sys::GetLastError;

/// A Win32 or Winsock error code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(u32);

impl Error {
    /// The port was closed while the call waited (`ERROR_ABANDONED_WAIT_0`).
    pub const ABANDONED_WAIT: Error = Error(wharf_sys::ERROR_ABANDONED_WAIT_0);
    /// The handle is not (or no longer) valid (`ERROR_INVALID_HANDLE`).
    pub const INVALID_HANDLE: Error = Error(wharf_sys::ERROR_INVALID_HANDLE);
    /// The system lacks resources (`ERROR_NO_SYSTEM_RESOURCES`).
    pub const NO_SYSTEM_RESOURCES: Error = Error(wharf_sys::ERROR_NO_SYSTEM_RESOURCES);

    /// The code.
    pub fn code(self) -> u32 {
        self.0
    }

    /// The calling thread's last error.
    pub(crate) fn last() -> Error {
        // SAFETY: it has no preconditions.
        Error(unsafe { GetLastError() })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({})", self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::ABANDONED_WAIT => write!(f, "the completion port was closed during the wait"),
            Error::INVALID_HANDLE => write!(f, "the handle is not valid"),
            Error::NO_SYSTEM_RESOURCES => write!(f, "the system lacks descriptors or memory"),
            Error(code) => write!(f, "Windows error {code}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}
