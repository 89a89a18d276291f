//! Descriptors: on Linux a socket is a file.
//!
//! Windows has no function for this, since there the handle is the only name of a socket.

use std::os::fd::BorrowedFd;

use windows_sys::Win32::Networking::WinSock::SOCKET;

use super::handle;

/// The descriptor behind a socket's handle. It never blocks, whatever FIONBIO says.
///
/// # Panics
/// If the handle is not that of an open socket.
///
/// # Safety
/// The handle stays open for `'a`.
pub unsafe fn borrow_descriptor<'a>(socket: SOCKET) -> BorrowedFd<'a> {
    let socket = handle::socket(socket).expect("the socket is open, by the caller's promise");
    // SAFETY: the descriptor is open, under the same number, as long as the handle is.
    unsafe { BorrowedFd::borrow_raw(socket.fd()) }
}

/// Implements `AsFd` for a type that owns a socket and has `fn as_raw(&self) -> SOCKET`. On Windows it is `AsSocket`.
#[macro_export]
macro_rules! implement_as_descriptor {
    ($type:ty) => {
        /// What is read from it or written to it directly goes past the operations that are under way. It never
        /// blocks. A copy of it keeps the connection when the socket is dropped.
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                // SAFETY: the handle is open as long as its owner lives.
                unsafe { $crate::borrow_descriptor(self.as_raw()) }
            }
        }
    };
}
