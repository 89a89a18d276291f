//! On Windows the function set is the operating system's own.

macro_rules! reexport {
    ($($module:path => { $($name:ident($parameters:literal),)* })*) => {
        $(pub use $module::{$($name),*};)*
    };
}
crate::for_each_function!(reexport);

// The C run-time's thread functions are not in Microsoft's metadata.
#[link(name = "msvcrt")]
unsafe extern "C" {
    /// Starts a thread; the C run-time's form of `CreateThread`.
    pub fn _beginthreadex(
        security: *mut core::ffi::c_void,
        stack_size: u32,
        start: Option<unsafe extern "system" fn(*mut core::ffi::c_void) -> u32>,
        argument: *mut core::ffi::c_void,
        flags: u32,
        thread_id: *mut u32,
    ) -> usize;
    /// Ends the calling thread.
    pub fn _endthreadex(code: u32) -> !;
}

/// Sockets as what the standard library's are made of, by the same names on both systems.
pub mod owned {
    use std::os::windows::io::{FromRawSocket, IntoRawSocket, OwnedSocket};

    use windows_sys::Win32::Networking::WinSock::{SOCKET, WSA_ERROR};

    /// What owns a socket in the standard library.
    pub type Owned = OwnedSocket;

    /// Whether a socket that came in, or was lent, may have operations under way that others have started: a duplicate of
    /// its handle names the same socket.
    pub const SHARES_OPERATIONS: bool = true;

    /// Whether a call that fails at once may have been an operation all the same: one that ended with a warning (a datagram was
    /// cut) is told by the call, and by packet, event or routine too. The status in its OVERLAPPED tells: it is written before
    /// the call returns, and not at all if there was no operation.
    ///
    /// NT's rule for every asynchronous call: <https://learn.microsoft.com/windows-hardware/drivers/kernel/using-ntstatus-values>
    pub const REPORTS_WARNINGS: bool = true;

    /// The same handle, which the caller owns.
    ///
    /// # Errors
    /// None here.
    ///
    /// # Safety
    /// The handle is that of a socket, and the caller's to give away.
    pub unsafe fn into_owned(socket: SOCKET) -> Result<Owned, WSA_ERROR> {
        // SAFETY: the caller's promise.
        Ok(unsafe { OwnedSocket::from_raw_socket(socket as _) })
    }

    /// The same handle, which is the caller's to close.
    ///
    /// # Errors
    /// None here.
    pub fn from_owned(owned: Owned) -> Result<SOCKET, WSA_ERROR> {
        Ok(owned.into_raw_socket() as SOCKET)
    }
}

/// Implements `AsSocket` for a type that owns a socket and has `fn as_raw(&self) -> SOCKET`. On Linux it is `AsFd`.
#[doc(hidden)]
#[macro_export]
macro_rules! implement_as_descriptor {
    ($type:ty) => {
        /// Reading and writing it directly goes past the operations that are under way.
        impl std::os::windows::io::AsSocket for $type {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                // SAFETY: the handle is open as long as its owner lives.
                unsafe { std::os::windows::io::BorrowedSocket::borrow_raw(self.as_raw() as _) }
            }
        }
    };
}

/// What only tests ask: Windows tells nothing, so every answer is "unknown".
#[doc(hidden)]
pub mod observe {
    /// How many threads wait in `port`, where that can be told.
    pub fn port_waiters(_port: windows_sys::Win32::Foundation::HANDLE) -> Option<usize> {
        None
    }

    /// Whether the thread with that identifier is blocked in a wait of this library.
    pub fn thread_waits(_thread_id: u32) -> Option<bool> {
        None
    }

    /// Live counts, where they can be told.
    pub fn counts() -> Option<Counts> {
        None
    }

    /// What is alive inside the library.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[repr(C)]
    pub struct Counts {
        /// Open handles.
        pub handles: usize,
        /// Sockets whose descriptor is still open.
        pub sockets: usize,
        /// Operations accepted and not yet delivered.
        pub requests: usize,
        /// Packets queued in ports.
        pub packets: usize,
    }
}
