//! synchapi.h: waitable timers.

use core::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_NOT_SUPPORTED, FALSE, HANDLE, TRUE};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::System::Threading::{
    CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, CREATE_WAITABLE_TIMER_MANUAL_RESET, PTIMERAPCROUTINE,
    REASON_CONTEXT, SYNCHRONIZATION_ACCESS_RIGHTS,
};
use windows_sys::core::{BOOL, PCSTR, PCWSTR};

use super::object::{Name, check_flags, create, open, refused};
use super::text::{ansi_text, wide_text};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::timer::{Due, FileTime, Routine, Timer};
use crate::platform::status::Status;

/// Makes a timer that is not set, or opens the one with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createwaitabletimerw>
///
/// # Safety
/// `lptimername` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateWaitableTimerW(
    _lptimerattributes: *const SECURITY_ATTRIBUTES,
    bmanualreset: BOOL,
    lptimername: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lptimername) };
    create(name, || Timer::new(bmanualreset != FALSE))
}

/// As `CreateWaitableTimerW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createwaitabletimera>
///
/// # Safety
/// `lptimername` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateWaitableTimerA(
    _lptimerattributes: *const SECURITY_ATTRIBUTES,
    bmanualreset: BOOL,
    lptimername: PCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lptimername) };
    create(name, || Timer::new(bmanualreset != FALSE))
}

/// As `CreateWaitableTimerW`, with flags. Every timer has a high resolution.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createwaitabletimerexw>
///
/// # Safety
/// `lptimername` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn CreateWaitableTimerExW(
    _lptimerattributes: *const SECURITY_ATTRIBUTES,
    lptimername: PCWSTR,
    dwflags: u32,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lptimername) };
    create_timer_with(name, dwflags)
}

/// As `CreateWaitableTimerExW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createwaitabletimerexa>
///
/// # Safety
/// `lptimername` is null or a zero-terminated string.
pub unsafe extern "system" fn CreateWaitableTimerExA(
    _lptimerattributes: *const SECURITY_ATTRIBUTES,
    lptimername: PCSTR,
    dwflags: u32,
    _dwdesiredaccess: u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lptimername) };
    create_timer_with(name, dwflags)
}

fn create_timer_with(name: Name, flags: u32) -> HANDLE {
    let manual_reset = CREATE_WAITABLE_TIMER_MANUAL_RESET;
    match check_flags(flags, manual_reset | CREATE_WAITABLE_TIMER_HIGH_RESOLUTION) {
        Ok(()) => create(name, || Timer::new(flags & manual_reset != 0)),
        Err(status) => refused(status),
    }
}

/// Makes a handle for the timer with that name.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-openwaitabletimerw>
///
/// # Safety
/// `lptimername` is null or a zero-terminated string of 16-bit units.
pub unsafe extern "system" fn OpenWaitableTimerW(
    _dwdesiredaccess: SYNCHRONIZATION_ACCESS_RIGHTS,
    _binherithandle: BOOL,
    lptimername: PCWSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { wide_text(lptimername) };
    open::<Timer>(name)
}

/// As `OpenWaitableTimerW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-openwaitabletimera>
///
/// # Safety
/// `lptimername` is null or a zero-terminated string.
pub unsafe extern "system" fn OpenWaitableTimerA(
    _dwdesiredaccess: u32,
    _binherithandle: BOOL,
    lptimername: PCSTR,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { ansi_text(lptimername) };
    open::<Timer>(name)
}

/// Sets a timer: it is signalled at `*lpduetime` (100 ns since 1601, or from now if negative), then every `lperiod`
/// milliseconds. A completion routine runs in the calling thread, as an APC.
///
/// The machine is never woken from sleep: with `fresume` the last error is `ERROR_NOT_SUPPORTED`, and the timer is set.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-setwaitabletimer>
///
/// # Safety
/// `lpduetime` is null or valid for reads. The routine may be called with the argument until the timer is set
/// anew, cancelled or closed.
pub unsafe extern "system" fn SetWaitableTimer(
    htimer: HANDLE,
    lpduetime: *const i64,
    lperiod: i32,
    pfncompletionroutine: PTIMERAPCROUTINE,
    lpargtocompletionroutine: *const c_void,
    fresume: BOOL,
) -> BOOL {
    let routine = routine(pfncompletionroutine, lpargtocompletionroutine);
    // SAFETY: the caller's promise.
    let result = last_error::bool_result(unsafe { set_timer(htimer, lpduetime, lperiod, routine) });
    if result == TRUE && fresume != FALSE {
        last_error::set(ERROR_NOT_SUPPORTED);
    }
    result
}

/// As `SetWaitableTimer`. Timers are exact whatever delay is tolerable.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-setwaitabletimerex>
///
/// # Safety
/// As `SetWaitableTimer`.
pub unsafe extern "system" fn SetWaitableTimerEx(
    htimer: HANDLE,
    lpduetime: *const i64,
    lperiod: i32,
    pfncompletionroutine: PTIMERAPCROUTINE,
    lpargtocompletionroutine: *const c_void,
    _wakecontext: *const REASON_CONTEXT,
    _tolerabledelay: u32,
) -> BOOL {
    let routine = routine(pfncompletionroutine, lpargtocompletionroutine);
    // SAFETY: the caller's promise.
    last_error::bool_result(unsafe { set_timer(htimer, lpduetime, lperiod, routine) })
}

/// # Safety
/// `due` is null or valid for reads.
unsafe fn set_timer(
    timer: HANDLE,
    due: *const i64,
    period: i32,
    routine: Option<Routine>,
) -> Result<(), Status> {
    if due.is_null() {
        return Err(Status::ACCESS_VIOLATION);
    }
    // SAFETY: not null, so valid by the caller's promise.
    let due = unsafe { due.read_unaligned() };
    let period = u64::try_from(period).map_err(|_| Status::INVALID_PARAMETER)?;
    let timer = handle::timer(timer)?;
    timer.set(due_of(due), Duration::from_millis(period), routine)
}

fn due_of(units: i64) -> Due {
    let number = units.unsigned_abs();
    if units > 0 {
        Due::At(FileTime(number))
    } else {
        let rest = Duration::from_nanos(number % 10 * 100);
        Due::In(Duration::from_micros(number / 10) + rest)
    }
}

/// What the clock calls.
fn routine(routine: PTIMERAPCROUTINE, argument: *const c_void) -> Option<Routine> {
    let routine = routine?;
    let argument = argument as usize; // a number goes to any thread
    Some(Arc::new(move |FileTime(time)| {
        let argument = argument as *const c_void;
        // SAFETY: the caller of SetWaitableTimer answers for the routine.
        unsafe { routine(argument, time as u32, (time >> 32) as u32) }
    }))
}

/// Stops a timer and takes its completion routine back. It stays signalled if it is.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-cancelwaitabletimer>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn CancelWaitableTimer(htimer: HANDLE) -> BOOL {
    last_error::bool_result(handle::timer(htimer).map(|timer| timer.cancel()))
}
