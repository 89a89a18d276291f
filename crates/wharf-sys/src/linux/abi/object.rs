//! synchapi.h: events, mutexes, semaphores and waitable timers.
//!
//! A creating function opens the object if its name exists: the last error is then `ERROR_ALREADY_EXISTS`, and else 0.
//! Security attributes and access rights are accepted and not looked at.

use core::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, ERROR_NOT_SUPPORTED, ERROR_SUCCESS, FALSE, HANDLE, TRUE,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::System::Threading::{
    CREATE_EVENT, CREATE_EVENT_INITIAL_SET, CREATE_EVENT_MANUAL_RESET, CREATE_MUTEX_INITIAL_OWNER,
    CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, CREATE_WAITABLE_TIMER_MANUAL_RESET, PTIMERAPCROUTINE,
    REASON_CONTEXT, SYNCHRONIZATION_ACCESS_RIGHTS,
};
use windows_sys::core::{BOOL, PCSTR, PCWSTR};

use super::store;
use super::text::{ansi_text, wide_text};
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::name::{self, Nameable};
use crate::platform::objects::object::{Event, Mutex, Semaphore};
use crate::platform::objects::timer::{Due, FileTime, Routine, Timer};
use crate::platform::status::Status;

type Name = Option<Vec<u16>>;

/// Opens or creates an object and makes a handle for it.
fn create<T: Nameable + 'static>(name: Name, new: impl FnOnce() -> Arc<T>) -> HANDLE {
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
fn open<T: Nameable>(name: Name) -> HANDLE {
    let opened = name::open::<T>(name).and_then(handle::open);
    last_error::win32_value(opened, std::ptr::null_mut())
}

/// Refuses bits that mean nothing.
fn check_flags(flags: u32, known: u32) -> Result<(), Status> {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(Status::INVALID_PARAMETER)
    }
}

fn refused(status: Status) -> HANDLE {
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
