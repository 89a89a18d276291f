//! winsock2.h: blocking hooks, which Winsock 2.2 has removed. The functions are there, and say so.

use windows_sys::Win32::Foundation::{FALSE, FARPROC};
use windows_sys::core::BOOL;

use crate::platform::last_error;
use crate::platform::startup;
use crate::platform::status::Status;

/// WSAEOPNOTSUPP, or why no call can be made at all.
fn refused() -> Result<(), Status> {
    startup::check()?;
    Err(Status::OPERATION_UNSUPPORTED)
}

/// Would set a function to be called while a call blocks: WSAEOPNOTSUPP.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasetblockinghook>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSASetBlockingHook(_lpblockfunc: FARPROC) -> FARPROC {
    last_error::winsock_value(refused().map(|()| None), None)
}

/// Would take the function away again: WSAEOPNOTSUPP.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaunhookblockinghook>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAUnhookBlockingHook() -> i32 {
    last_error::winsock_result(refused())
}

/// Whether a hook is being called because of a blocking call: never.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaisblocking>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAIsBlocking() -> BOOL {
    FALSE
}

/// Would end the blocking call that a hook is called for: WSAEOPNOTSUPP.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsacancelblockingcall>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSACancelBlockingCall() -> i32 {
    last_error::winsock_result(refused())
}
