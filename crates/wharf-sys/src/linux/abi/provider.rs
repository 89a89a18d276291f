//! winsock2.h: the catalog of providers, which never changes here.

use std::sync::Arc;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE;
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::{read, store};
use crate::platform::engine::request::Overlapped;
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::notification::Notification;
use crate::platform::objects::object::Object;
use crate::platform::startup;
use crate::platform::status::Status;

/// Tells of changes of the catalog of providers. If `*lpnotificationhandle` is null it stores a handle there, to be
/// closed with `CloseHandle`, and is done. Otherwise it waits with that handle: for ever, since the catalog is fixed here,
/// until the handle is closed or the wait is cancelled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaproviderconfigchange>
///
/// # Safety
/// `lpnotificationhandle` is null or valid for reads and writes; `lpoverlapped` null or valid until the wait has ended.
pub unsafe extern "system" fn WSAProviderConfigChange(
    lpnotificationhandle: *mut HANDLE,
    lpoverlapped: *mut OVERLAPPED,
    lpcompletionroutine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32 {
    let change = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let given = unsafe { read(lpnotificationhandle) }?;
        if given.is_null() {
            let new = handle::open(Object::Notification(Notification::new()));
            // SAFETY: not null, so valid by the caller's promise.
            unsafe { store(lpnotificationhandle, new.map_err(no_memory)?) };
            return Ok(());
        }
        let notification = Arc::clone(&*handle::notification(given).map_err(no_handle)?);
        if lpoverlapped.is_null() {
            return notification.wait().map_err(no_handle);
        }
        // SAFETY: the caller's promise.
        let overlapped = unsafe { Overlapped::new(lpoverlapped) }?;
        let waiting = notification.wait_overlapped(overlapped, lpcompletionroutine);
        waiting.map_err(no_handle)?;
        Err(Status::IO_PENDING)
    };
    last_error::winsock_result(change())
}

/// There is no room for a handle.
fn no_memory(_: Status) -> Status {
    Status::NOT_ENOUGH_MEMORY
}

/// What winsock says of handles that are none.
fn no_handle(status: Status) -> Status {
    match status {
        Status::INVALID_HANDLE => Status::NO_SUCH_HANDLE,
        other => other,
    }
}
