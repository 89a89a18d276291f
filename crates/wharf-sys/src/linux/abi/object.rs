//! synchapi.h: events, mutexes and semaphores; waitable timers are in `timer.rs`.
//!
//! A creating function opens the object if its name exists: the last error is then `ERROR_ALREADY_EXISTS`, and else 0.
//! Security attributes and access rights are accepted and not looked at.

use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_SUCCESS, FALSE, HANDLE};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::System::Threading::{
    CREATE_EVENT, CREATE_EVENT_INITIAL_SET, CREATE_EVENT_MANUAL_RESET, CREATE_MUTEX_INITIAL_OWNER,
    SYNCHRONIZATION_ACCESS_RIGHTS,
};
use windows_sys::core::{BOOL, PCSTR, PCWSTR};

use super::store;
use super::text::{ansi_text, wide_text};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::name::{self, Nameable};
use crate::platform::objects::object::{Event, Mutex, Semaphore};
use crate::platform::status::Status;

pub(super) type Name = Option<Vec<u16>>;

/// Opens or creates an object and makes a handle for it.
pub(super) fn create<T: Nameable + 'static>(name: Name, new: impl FnOnce() -> Arc<T>) -> HANDLE {
    let named = name.is_some();
    let made = || {
        let (object, existed) = name::open_or_create(name, new)?;
        Ok((handle::open(object)?, existed))
    };
    match made() {
        Ok((handle, existed)) => {
            if named {
                last_error::set(if existed {
                    ERROR_ALREADY_EXISTS
                } else {
                    ERROR_SUCCESS
                });
            }
            handle
        }
        Err(status) => last_error::win32_value(Err(status), std::ptr::null_mut()),
    }
}

/// Makes a handle for the object that has the name.
pub(super) fn open<T: Nameable>(name: Name) -> HANDLE {
    let opened = name::open::<T>(name).and_then(handle::open);
    last_error::win32_value(opened, std::ptr::null_mut())
}

/// Refuses bits that mean nothing.
pub(super) fn check_flags(flags: u32, known: u32) -> Result<(), Status> {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(Status::INVALID_PARAMETER)
    }
}

pub(super) fn refused(status: Status) -> HANDLE {
    last_error::win32_value(Err(status), std::ptr::null_mut())
}

/// Makes an event object, or opens the one with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateEventW(
    _lpeventattributes: *const SECURITY_ATTRIBUTES,
    bmanualreset: BOOL,
    binitialstate: BOOL,
    lpname: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    create_event(name, bmanualreset != FALSE, binitialstate != FALSE)
}

/// As `CreateEventW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventa>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateEventA(
    _lpeventattributes: *const SECURITY_ATTRIBUTES,
    bmanualreset: BOOL,
    binitialstate: BOOL,
    lpname: PCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    create_event(name, bmanualreset != FALSE, binitialstate != FALSE)
}

/// As `CreateEventW`, with flags.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventexw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateEventExW(
    _lpeventattributes: *const SECURITY_ATTRIBUTES,
    lpname: PCWSTR,
    dwflags: CREATE_EVENT,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    create_event_with(name, dwflags)
}

/// As `CreateEventExW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventexa>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateEventExA(
    _lpeventattributes: *const SECURITY_ATTRIBUTES,
    lpname: PCSTR,
    dwflags: CREATE_EVENT,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    create_event_with(name, dwflags)
}

fn create_event_with(name: Name, flags: CREATE_EVENT) -> HANDLE {
    let (manual_reset, set) = (CREATE_EVENT_MANUAL_RESET, CREATE_EVENT_INITIAL_SET);
    match check_flags(flags, manual_reset | set) {
        Ok(()) => create_event(name, flags & manual_reset != 0, flags & set != 0),
        Err(status) => refused(status),
    }
}

fn create_event(name: Name, manual_reset: bool, signalled: bool) -> HANDLE {
    create(name, || Event::new(manual_reset, signalled))
}

/// Makes a handle for the event with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-openeventw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn OpenEventW(
    _dwdesiredaccess: SYNCHRONIZATION_ACCESS_RIGHTS,
    _binherithandle: BOOL,
    lpname: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    open::<Event>(name)
}

/// As `OpenEventW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-openeventa>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn OpenEventA(
    _dwdesiredaccess: SYNCHRONIZATION_ACCESS_RIGHTS,
    _binherithandle: BOOL,
    lpname: PCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    open::<Event>(name)
}

/// Signals an event.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-setevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SetEvent(hevent: HANDLE) -> BOOL {
    last_error::bool_result(handle::event(hevent).map(|event| event.set()))
}

/// Makes an event non-signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-resetevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn ResetEvent(hevent: HANDLE) -> BOOL {
    last_error::bool_result(handle::event(hevent).map(|event| event.reset()))
}

/// Releases the threads that wait for an event (one, if it is auto-reset), and leaves it non-signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-pulseevent>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn PulseEvent(hevent: HANDLE) -> BOOL {
    last_error::bool_result(handle::event(hevent).map(|event| event.pulse()))
}

/// Makes a mutex, owned by the calling thread if wanted, or opens the one with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createmutexw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateMutexW(
    _lpmutexattributes: *const SECURITY_ATTRIBUTES,
    binitialowner: BOOL,
    lpname: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    create(name, || Mutex::new(binitialowner != FALSE))
}

/// As `CreateMutexW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createmutexa>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateMutexA(
    _lpmutexattributes: *const SECURITY_ATTRIBUTES,
    binitialowner: BOOL,
    lpname: PCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    create(name, || Mutex::new(binitialowner != FALSE))
}

/// As `CreateMutexW`, with flags.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createmutexexw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateMutexExW(
    _lpmutexattributes: *const SECURITY_ATTRIBUTES,
    lpname: PCWSTR,
    dwflags: u32,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    create_mutex_with(name, dwflags)
}

/// As `CreateMutexExW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createmutexexa>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateMutexExA(
    _lpmutexattributes: *const SECURITY_ATTRIBUTES,
    lpname: PCSTR,
    dwflags: u32,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    create_mutex_with(name, dwflags)
}

fn create_mutex_with(name: Name, flags: u32) -> HANDLE {
    match check_flags(flags, CREATE_MUTEX_INITIAL_OWNER) {
        Ok(()) => create(name, || Mutex::new(flags & CREATE_MUTEX_INITIAL_OWNER != 0)),
        Err(status) => refused(status),
    }
}

/// Makes a handle for the mutex with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-openmutexw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn OpenMutexW(
    _dwdesiredaccess: SYNCHRONIZATION_ACCESS_RIGHTS,
    _binherithandle: BOOL,
    lpname: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    open::<Mutex>(unsafe { wide_text(lpname) })
}

/// Releases a mutex once, as often as its owner has taken it.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-releasemutex>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn ReleaseMutex(hmutex: HANDLE) -> BOOL {
    last_error::bool_result(handle::mutex(hmutex).and_then(|mutex| mutex.release()))
}

/// Makes a semaphore, or opens the one with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createsemaphorew>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateSemaphoreW(
    _lpsemaphoreattributes: *const SECURITY_ATTRIBUTES,
    linitialcount: i32,
    lmaximumcount: i32,
    lpname: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    create_semaphore(name, linitialcount, lmaximumcount, 0)
}

/// As `CreateSemaphoreW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createsemaphorea>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateSemaphoreA(
    _lpsemaphoreattributes: *const SECURITY_ATTRIBUTES,
    linitialcount: i32,
    lmaximumcount: i32,
    lpname: PCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    create_semaphore(name, linitialcount, lmaximumcount, 0)
}

/// As `CreateSemaphoreW`; there are no flags.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createsemaphoreexw>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateSemaphoreExW(
    _lpsemaphoreattributes: *const SECURITY_ATTRIBUTES,
    linitialcount: i32,
    lmaximumcount: i32,
    lpname: PCWSTR,
    dwflags: u32,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lpname) };
    create_semaphore(name, linitialcount, lmaximumcount, dwflags)
}

/// As `CreateSemaphoreExW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createsemaphoreexa>
///
/// # Safety
/// `lpname` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateSemaphoreExA(
    _lpsemaphoreattributes: *const SECURITY_ATTRIBUTES,
    linitialcount: i32,
    lmaximumcount: i32,
    lpname: PCSTR,
    dwflags: u32,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lpname) };
    create_semaphore(name, linitialcount, lmaximumcount, dwflags)
}

fn create_semaphore(name: Name, count: i32, max: i32, flags: u32) -> HANDLE {
    if flags != 0 || max <= 0 || !(0..=max).contains(&count) {
        return refused(Status::INVALID_PARAMETER);
    }
    create(name, || Semaphore::new(count, max))
}

/// Makes a handle for the semaphore with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-opensemaphorew>
///
/// # Safety
/// `lpname` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn OpenSemaphoreW(
    _dwdesiredaccess: SYNCHRONIZATION_ACCESS_RIGHTS,
    _binherithandle: BOOL,
    lpname: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    open::<Semaphore>(unsafe { wide_text(lpname) })
}

/// Adds to a semaphore's count, and tells what it was.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-releasesemaphore>
///
/// # Safety
/// `lppreviouscount` is null or valid for writes.
pub unsafe extern "system" fn ReleaseSemaphore(
    hsemaphore: HANDLE,
    lreleasecount: i32,
    lppreviouscount: *mut i32,
) -> BOOL {
    let release = || {
        if lreleasecount <= 0 {
            return Err(Status::INVALID_PARAMETER);
        }
        let before = handle::semaphore(hsemaphore)?.release(lreleasecount)?;
        // SAFETY: the caller's promise.
        unsafe { store(lppreviouscount, before) };
        Ok(())
    };
    last_error::bool_result(release())
}
