//! What Windows does not have: sockets as descriptors of Linux, and the other way.

use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{INVALID_SOCKET, SOCKET, WSA_ERROR};

use super::winsock2::{find, open_socket};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::sockets::socket::Socket;
use crate::platform::startup;
use crate::platform::status::Status;

/// The descriptor of a socket itself. It never blocks, whatever FIONBIO says, and must stay so: see [`to_fd`].
///
/// # Panics
/// If the handle is not that of an open socket.
///
/// # Safety
/// The handle stays open for `'a`.
pub unsafe fn borrow_fd<'a>(socket: SOCKET) -> BorrowedFd<'a> {
    let socket = handle::socket(socket).expect("the socket is open, by the caller's promise");
    socket.lend_descriptor();
    // SAFETY: the descriptor is open, under the same number, as long as the handle is.
    unsafe { BorrowedFd::borrow_raw(socket.fd()) }
}

/// Implements `AsFd` for a type that owns a socket and has `fn as_raw(&self) -> SOCKET`. On Windows it is `AsSocket`.
#[doc(hidden)]
#[macro_export]
macro_rules! implement_as_descriptor {
    ($type:ty) => {
        /// What is read from it or written to it directly goes past the operations that are under way. It never
        /// blocks, and it and its copies must stay so: on one that was told to block, connects block, and so may an accept
        /// if a copy accepts too. A copy of it keeps the connection when the socket is dropped.
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                // SAFETY: the handle is open as long as its owner lives.
                unsafe { $crate::fd::borrow_fd(self.as_raw()) }
            }
        }
    };
}

/// A descriptor for what a socket is connected to; the caller owns it.
///
/// It is a duplicate: both read from the same stream and write to it, and closing one leaves the other open. It is
/// non-blocking, and must stay so, since the socket shares that: on one that blocks, connects block, and so may an accept if
/// the duplicate accepts too, in whichever thread attempts them. What the library has queued for the socket is not in it.
///
/// ```compile_fail,E0133
/// let somebody_elses = wharf_sys::fd::to_fd(4); // a number is no claim to a connection
/// ```
///
/// # Errors
/// The WSA code: WSAENOTSOCK, WSAEMFILE, WSANOTINITIALISED.
///
/// # Safety
/// The handle is the caller's, or lent to it: any number that is a handle gives access to a connection.
pub unsafe fn to_fd(socket: SOCKET) -> Result<OwnedFd, WSA_ERROR> {
    find(socket)
        .and_then(|socket| socket.duplicate_descriptor())
        .map_err(code)
}

/// A descriptor in the place of a socket, whose handle is closed; the caller owns it. It is in the blocking mode that the
/// socket had.
///
/// Operations that are under way end as closesocket ends them, but the connection goes on. The descriptor stays
/// non-blocking if another handle of the socket is open, or another thread stays in a call on it.
///
/// # Errors
/// The WSA code: WSAENOTSOCK, WSAEMFILE, WSANOTINITIALISED. Then the handle is still open.
///
/// # Safety
/// The handle is the caller's to close.
pub unsafe fn into_fd(socket: SOCKET) -> Result<OwnedFd, WSA_ERROR> {
    let exchange = || {
        let object = Arc::clone(&*find(socket)?);
        let duplicate = object.duplicate_descriptor()?;
        handle::close(socket as HANDLE).map_err(|_| Status::NOT_SOCKET)?;
        object.restore_mode(&duplicate);
        Ok(duplicate)
    };
    exchange().map_err(code)
}

/// A socket made of a descriptor, which it owns from here on: TCP or UDP, over IPv4 or IPv6; fresh, bound, listening or
/// connected.
///
/// The socket is overlapped, and in the blocking mode that the descriptor had; the descriptor itself becomes non-blocking.
/// No other thread may use it meanwhile. On failure it is closed.
///
/// # Errors
/// The WSA code: WSAENOTSOCK, WSAEAFNOSUPPORT, WSAEPROTONOSUPPORT, WSAEINVAL if a connect is under way on it, WSAEMFILE,
/// WSANOTINITIALISED.
pub fn from_fd(fd: OwnedFd) -> Result<SOCKET, WSA_ERROR> {
    adopt(fd).map_err(|(status, _)| code(status))
}

fn adopt(fd: OwnedFd) -> Result<SOCKET, (Status, Option<OwnedFd>)> {
    if let Err(status) = startup::check() {
        return Err((status, Some(fd)));
    }
    let socket = Socket::from_descriptor(fd).map_err(|(status, fd)| (status, Some(fd)))?;
    open_socket(socket.clone()).map_err(|status| {
        socket.close(); // nobody else will
        (status, None)
    })
}

fn code(status: Status) -> WSA_ERROR {
    status.to_winsock() as WSA_ERROR
}

/// [`to_fd`] for C: −1 and the last error on failure.
///
/// Windows: nothing like it; see <https://learn.microsoft.com/windows/win32/winsock/socket-handles-2>
///
/// # Safety
/// As [`to_fd`].
pub unsafe extern "system" fn wharf_handle_to_fd(s: SOCKET) -> RawFd {
    let duplicate = find(s).and_then(|socket| socket.duplicate_descriptor());
    last_error::winsock_value(duplicate.map(IntoRawFd::into_raw_fd), -1)
}

/// [`from_fd`] for C: INVALID_SOCKET and the last error on failure, when the descriptor stays the caller's, unless it
/// is WSAEMFILE, which closes it.
///
/// Windows: nothing like it; see <https://learn.microsoft.com/windows/win32/winsock/socket-handles-2>
///
/// # Safety
/// `fd` is the caller's to give away, or no descriptor at all.
pub unsafe extern "system" fn wharf_fd_to_socket(fd: RawFd) -> SOCKET {
    if fd < 0 {
        return last_error::winsock_value(Err(Status::NOT_SOCKET), INVALID_SOCKET);
    }
    // SAFETY: the caller's promise; what is no descriptor is given back below before it is closed.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let adopted = adopt(fd).map_err(|(status, fd)| {
        fd.map(IntoRawFd::into_raw_fd); // the caller's again
        status
    });
    last_error::winsock_value(adopted, INVALID_SOCKET)
}
