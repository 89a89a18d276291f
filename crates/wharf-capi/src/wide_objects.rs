//! As [`wide`](crate::wide), for events, mutexes, semaphores and timers: functions that differ in a name alone.

use wharf_sys::{BOOL, HANDLE, SECURITY_ATTRIBUTES};

use crate::wide::with_narrow;

/// Defines functions that pass a name on in 16-bit units and every other argument as it is.
macro_rules! named {
    ($($symbol:ident = $function:ident($($argument:ident: $type:ty),*; name $(, $after:ident: $after_type:ty)*), $summary:literal, $page:literal;)*) => {
        $(
            #[doc = $summary]
            #[doc = concat!("\n\nWindows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-", $page, ">\n\n")]
            #[doc = "# Safety\nThe name is null or ends with a zero."]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $symbol(
                $($argument: $type,)*
                name: *const u32,
                $($after: $after_type,)*
            ) -> HANDLE {
                let call = |name| {
                    // SAFETY: `name` is null or ends with a zero; the rest is the caller's.
                    unsafe { wharf_sys::$function($($argument,)* name $(, $after)*) }
                };
                // SAFETY: the caller's promise.
                unsafe { with_narrow(name, call) }
            }
        )*
    };
}

named! {
    CreateEventExW32 = CreateEventExW(attributes: *const SECURITY_ATTRIBUTES; name, flags: u32, access: u32),
        "Creates an event, or opens the one with that name.", "createeventexw";
    OpenEventW32 = OpenEventW(access: u32, inherit: BOOL; name),
        "Opens the event with that name.", "openeventw";
    CreateMutexW32 = CreateMutexW(attributes: *const SECURITY_ATTRIBUTES, owned: BOOL; name),
        "Creates a mutex, or opens the one with that name.", "createmutexw";
    CreateMutexExW32 = CreateMutexExW(attributes: *const SECURITY_ATTRIBUTES; name, flags: u32, access: u32),
        "Creates a mutex, or opens the one with that name.", "createmutexexw";
    OpenMutexW32 = OpenMutexW(access: u32, inherit: BOOL; name),
        "Opens the mutex with that name.", "openmutexw";
    CreateSemaphoreW32 = CreateSemaphoreW(attributes: *const SECURITY_ATTRIBUTES, count: i32, max: i32; name),
        "Creates a semaphore, or opens the one with that name.", "createsemaphorew";
    CreateSemaphoreExW32 = CreateSemaphoreExW(attributes: *const SECURITY_ATTRIBUTES, count: i32, max: i32; name, flags: u32, access: u32),
        "Creates a semaphore, or opens the one with that name.", "createsemaphoreexw";
    OpenSemaphoreW32 = OpenSemaphoreW(access: u32, inherit: BOOL; name),
        "Opens the semaphore with that name.", "opensemaphorew";
    CreateWaitableTimerW32 = CreateWaitableTimerW(attributes: *const SECURITY_ATTRIBUTES, manual_reset: BOOL; name),
        "Creates a timer, or opens the one with that name.", "createwaitabletimerw";
    CreateWaitableTimerExW32 = CreateWaitableTimerExW(attributes: *const SECURITY_ATTRIBUTES; name, flags: u32, access: u32),
        "Creates a timer, or opens the one with that name.", "createwaitabletimerexw";
    OpenWaitableTimerW32 = OpenWaitableTimerW(access: u32, inherit: BOOL; name),
        "Opens the timer with that name.", "openwaitabletimerw";
}
