//! handleapi.h, errhandlingapi.h: handles of every kind, and the last error.

use windows_sys::Win32::Foundation::{DUPLICATE_CLOSE_SOURCE, HANDLE};
use windows_sys::core::BOOL;

use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::object::Object;
use crate::platform::status::Status;

/// Closes a handle of any kind; closing a socket's last one ends it as `closesocket` does.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/handleapi/nf-handleapi-closehandle>
///
/// # Safety
/// None: any value is checked.
pub unsafe extern "system" fn CloseHandle(hobject: HANDLE) -> BOOL {
    last_error::bool_result(handle::close_as_file(hobject))
}

/// Makes another handle for the object of a handle, which may be a pseudo handle. Within this process only.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/handleapi/nf-handleapi-duplicatehandle>
///
/// # Safety
/// `lptargethandle` is null or valid for writes.
pub unsafe extern "system" fn DuplicateHandle(
    hsourceprocesshandle: HANDLE,
    hsourcehandle: HANDLE,
    htargetprocesshandle: HANDLE,
    lptargethandle: *mut HANDLE,
    _dwdesiredaccess: u32,
    _binherithandle: BOOL,
    dwoptions: u32,
) -> BOOL {
    let duplicate = || {
        for process in [hsourceprocesshandle, htargetprocesshandle] {
            if !matches!(handle::object(process)?, Object::Process) {
                return Err(Status::INVALID_HANDLE);
            }
        }
        let copy = handle::duplicate(hsourcehandle)?;
        if dwoptions & DUPLICATE_CLOSE_SOURCE != 0 {
            handle::close(hsourcehandle)?;
        }
        if lptargethandle.is_null() {
            return handle::close(copy); // nobody could
        }
        // SAFETY: valid by the caller's promise.
        unsafe { lptargethandle.write_unaligned(copy) };
        Ok(())
    };
    last_error::bool_result(duplicate())
}

/// The calling thread's last error. The same value as `WSAGetLastError`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/errhandlingapi/nf-errhandlingapi-getlasterror>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetLastError() -> u32 {
    last_error::get()
}

/// Sets the calling thread's last error.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/errhandlingapi/nf-errhandlingapi-setlasterror>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SetLastError(dwerrcode: u32) {
    last_error::set(dwerrcode);
}
