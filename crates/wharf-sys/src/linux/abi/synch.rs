//! synchapi.h: waits, sleeping, critical sections. The objects are in `object.rs` and `timer.rs`.

use std::borrow::Borrow;

use windows_sys::Win32::Foundation::{
    FALSE, HANDLE, TRUE, WAIT_ABANDONED_0, WAIT_EVENT, WAIT_FAILED, WAIT_IO_COMPLETION,
    WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::SystemServices::MAXIMUM_WAIT_OBJECTS;
use windows_sys::Win32::System::Threading::CRITICAL_SECTION;
use windows_sys::core::BOOL;

use super::deadline;
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::handle::Referred;
use crate::platform::objects::object::Object;
use crate::platform::status::Status;
use crate::platform::threads::critical_section::CriticalSection;
use crate::platform::threads::wait::{self, Waitable, Waited};

/// Waits until an object is signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitforsingleobject>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WaitForSingleObject(
    hhandle: HANDLE,
    dwmilliseconds: u32,
) -> WAIT_EVENT {
    wait_result(wait_for_one(hhandle, dwmilliseconds, false))
}

/// As `WaitForSingleObject`, alertable if wanted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitforsingleobjectex>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WaitForSingleObjectEx(
    hhandle: HANDLE,
    dwmilliseconds: u32,
    balertable: BOOL,
) -> WAIT_EVENT {
    wait_result(wait_for_one(hhandle, dwmilliseconds, balertable != FALSE))
}

fn wait_for_one(handle: HANDLE, milliseconds: u32, alertable: bool) -> Result<Waited, Status> {
    let object = waitable(handle)?;
    Ok(wait::wait(
        &[object],
        false,
        deadline(milliseconds),
        alertable,
    ))
}

/// Waits until one or all of several objects are signalled.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitformultipleobjects>
///
/// # Safety
/// `lphandles` is null or valid for `ncount` handles.
pub unsafe extern "system" fn WaitForMultipleObjects(
    ncount: u32,
    lphandles: *const HANDLE,
    bwaitall: BOOL,
    dwmilliseconds: u32,
) -> WAIT_EVENT {
    // SAFETY: the caller's promise.
    unsafe { WaitForMultipleObjectsEx(ncount, lphandles, bwaitall, dwmilliseconds, FALSE) }
}

/// As `WaitForMultipleObjects`, alertable if wanted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitformultipleobjectsex>
///
/// # Safety
/// As `WaitForMultipleObjects`.
pub unsafe extern "system" fn WaitForMultipleObjectsEx(
    ncount: u32,
    lphandles: *const HANDLE,
    bwaitall: BOOL,
    dwmilliseconds: u32,
    balertable: BOOL,
) -> WAIT_EVENT {
    // SAFETY: the caller's promise.
    let waited = unsafe {
        wait_for_many(
            ncount,
            lphandles,
            bwaitall != FALSE,
            dwmilliseconds,
            balertable != FALSE,
        )
    };
    wait_result(waited)
}

/// # Safety
/// `handles` is null or valid for `count` handles.
pub unsafe fn wait_for_many(
    count: u32,
    handles: *const HANDLE,
    all: bool,
    milliseconds: u32,
    alertable: bool,
) -> Result<Waited, Status> {
    if count == 0 || count > MAXIMUM_WAIT_OBJECTS {
        return Err(Status::INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    let objects = unsafe { waitables(count, handles, all) }?;
    Ok(wait::wait(&objects, all, deadline(milliseconds), alertable))
}

/// The objects of several handles; of a wait for all no object twice.
///
/// # Safety
/// `handles` is null or valid for `count` handles.
pub unsafe fn waitables(
    count: u32,
    handles: *const HANDLE,
    all: bool,
) -> Result<Vec<Referred>, Status> {
    if handles.is_null() && count > 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    let handle_at = |index| {
        // SAFETY: valid for `count` handles by the caller's promise.
        unsafe { handles.add(index).read_unaligned() }
    };
    let mut objects = Vec::with_capacity(count as usize);
    for index in 0..count as usize {
        objects.push(referred(handle_at(index))?);
    }
    let same = |one: &Referred, other: &Referred| match (waitable_of(one), waitable_of(other)) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        _ => false,
    };
    let repeated = || {
        (1..objects.len()).any(|last| objects[..last].iter().any(|one| same(one, &objects[last])))
    };
    if all && repeated() {
        return Err(Status::INVALID_PARAMETER);
    }
    Ok(objects)
}

fn referred(handle: HANDLE) -> Result<Referred, Status> {
    if [handle::CURRENT_PROCESS, handle::CURRENT_THREAD].contains(&handle) {
        return Err(Status::INVALID_HANDLE);
    }
    let referred = handle::referred(handle)?;
    match waitable_of(&referred) {
        Some(_) => Ok(referred),
        None => Err(Status::INVALID_HANDLE),
    }
}

fn waitable_of(referred: &Referred) -> Option<&Waitable> {
    let object: &Object = referred.borrow();
    object.waitable()
}

fn waitable(handle: HANDLE) -> Result<Object, Status> {
    let object = handle::object(handle)?;
    if object.waitable().is_some() {
        Ok(object)
    } else {
        Err(Status::INVALID_HANDLE)
    }
}

/// Signals an event, releases a mutex or a semaphore once, and then waits for another object.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-signalobjectandwait>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SignalObjectAndWait(
    hobjecttosignal: HANDLE,
    hobjecttowaiton: HANDLE,
    dwmilliseconds: u32,
    balertable: BOOL,
) -> WAIT_EVENT {
    let waited = || {
        let awaited = waitable(hobjecttowaiton)?;
        handle::object(hobjecttosignal)?.signal()?;
        Ok(wait::wait(
            &[awaited],
            false,
            deadline(dwmilliseconds),
            balertable != FALSE,
        ))
    };
    wait_result(waited())
}

/// What the wait functions return.
pub fn wait_result(waited: Result<Waited, Status>) -> WAIT_EVENT {
    match waited {
        Ok(Waited::Object(index)) => WAIT_OBJECT_0 + index as u32,
        Ok(Waited::Abandoned(index)) => WAIT_ABANDONED_0 + index as u32,
        Ok(Waited::Apc) => WAIT_IO_COMPLETION,
        Ok(Waited::TimedOut) => WAIT_TIMEOUT,
        Err(status) => last_error::win32_value(Err(status), WAIT_FAILED),
    }
}

/// Sleeps; 0 gives the processor to others.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-sleep>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn Sleep(dwmilliseconds: u32) {
    sleep(dwmilliseconds, false);
}

/// Sleeps; if alertable, runs APCs and returns `WAIT_IO_COMPLETION` when there are any, else 0 after the time.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-sleepex>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SleepEx(dwmilliseconds: u32, balertable: BOOL) -> u32 {
    match sleep(dwmilliseconds, balertable != FALSE) {
        Waited::Apc => WAIT_IO_COMPLETION,
        _ => 0,
    }
}

fn sleep(milliseconds: u32, alertable: bool) -> Waited {
    if milliseconds == 0 {
        std::thread::yield_now();
    }
    wait::sleep_until(deadline(milliseconds), alertable)
}

/// Prepares a critical section.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-initializecriticalsection>
///
/// # Safety
/// `lpcriticalsection` is valid for writes, and stays in place while it is used.
pub unsafe extern "system" fn InitializeCriticalSection(lpcriticalsection: *mut CRITICAL_SECTION) {
    // SAFETY: the caller's promise; the layouts are the same.
    unsafe {
        lpcriticalsection
            .cast::<CriticalSection>()
            .write(CriticalSection::new())
    };
}

/// As `InitializeCriticalSection`; the spin count is accepted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-initializecriticalsectionandspincount>
///
/// # Safety
/// As `InitializeCriticalSection`.
pub unsafe extern "system" fn InitializeCriticalSectionAndSpinCount(
    lpcriticalsection: *mut CRITICAL_SECTION,
    _dwspincount: u32,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { InitializeCriticalSection(lpcriticalsection) };
    TRUE
}

/// As `InitializeCriticalSection`; spin count and flags are accepted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-initializecriticalsectionex>
///
/// # Safety
/// As `InitializeCriticalSection`.
pub unsafe extern "system" fn InitializeCriticalSectionEx(
    lpcriticalsection: *mut CRITICAL_SECTION,
    _dwspincount: u32,
    _flags: u32,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { InitializeCriticalSection(lpcriticalsection) };
    TRUE
}

/// # Safety
/// `pointer` is an initialised critical section that stays in place.
unsafe fn section<'a>(pointer: *mut CRITICAL_SECTION) -> &'a CriticalSection {
    // SAFETY: the caller's promise; all its fields that change are atomics.
    unsafe { &*pointer.cast() }
}

/// Takes a critical section, waiting as long as it takes. Recursive.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-entercriticalsection>
///
/// # Safety
/// `lpcriticalsection` is initialised.
pub unsafe extern "system" fn EnterCriticalSection(lpcriticalsection: *mut CRITICAL_SECTION) {
    // SAFETY: the caller's promise.
    unsafe { section(lpcriticalsection) }.enter();
}

/// Takes a critical section if that is possible at once.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-tryentercriticalsection>
///
/// # Safety
/// `lpcriticalsection` is initialised.
pub unsafe extern "system" fn TryEnterCriticalSection(
    lpcriticalsection: *mut CRITICAL_SECTION,
) -> BOOL {
    // SAFETY: the caller's promise.
    BOOL::from(unsafe { section(lpcriticalsection) }.try_enter())
}

/// Leaves a critical section once.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-leavecriticalsection>
///
/// # Safety
/// `lpcriticalsection` is initialised.
pub unsafe extern "system" fn LeaveCriticalSection(lpcriticalsection: *mut CRITICAL_SECTION) {
    // SAFETY: the caller's promise.
    unsafe { section(lpcriticalsection) }.leave();
}

/// Ends the use of a critical section. It owns nothing here.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-deletecriticalsection>
///
/// # Safety
/// Nobody holds it or waits for it.
pub unsafe extern "system" fn DeleteCriticalSection(_lpcriticalsection: *mut CRITICAL_SECTION) {}
