//! Events, waits and sleeps.

use std::ops::Deref;
use std::ptr::null;

use wharf_sys::*;

use crate::harness::*;

/// An event object of this test.
#[derive(Clone, Debug)]
pub struct Event(Handle);

impl Event {
    /// A manual-reset event, reset.
    #[track_caller]
    pub fn manual() -> Event {
        Event(Handle::own(create_event(TRUE, FALSE)))
    }

    /// An auto-reset event, reset.
    #[track_caller]
    pub fn auto() -> Event {
        Event(Handle::own(create_event(FALSE, FALSE)))
    }

    /// `SetEvent`, which must succeed.
    #[track_caller]
    pub fn set(&self) {
        assert_eq!(
            set_event(self.raw()),
            TRUE,
            "SetEvent: last error {}",
            last_error()
        );
    }

    /// `ResetEvent`, which must succeed.
    #[track_caller]
    pub fn reset(&self) {
        assert_eq!(
            reset_event(self.raw()),
            TRUE,
            "ResetEvent: last error {}",
            last_error()
        );
    }

    /// `WaitForSingleObject`: whether it was signalled in time. An auto-reset event is reset by that.
    #[track_caller]
    pub fn wait(&self, timeout_ms: u32) -> bool {
        match wait(self.raw(), timeout_ms) {
            WAIT_OBJECT_0 => true,
            WAIT_TIMEOUT => false,
            other => panic!(
                "WaitForSingleObject: {other:#x}, last error {}",
                last_error()
            ),
        }
    }
}

impl Deref for Event {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.0
    }
}

/// `CreateEventW` without a name.
pub fn create_event(manual_reset: BOOL, signalled: BOOL) -> HANDLE {
    // SAFETY: no attributes, no name.
    unsafe { CreateEventW(null(), manual_reset, signalled, null()) }
}

/// `SetEvent`.
pub fn set_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { SetEvent(event) }
}

/// `ResetEvent`.
pub fn reset_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { ResetEvent(event) }
}

/// `WaitForSingleObject`.
pub fn wait(handle: HANDLE, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WaitForSingleObject(handle, timeout_ms) }
}

/// `WaitForSingleObjectEx`, alertable.
pub fn wait_alertable(handle: HANDLE, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WaitForSingleObjectEx(handle, timeout_ms, TRUE) }
}

/// `WaitForMultipleObjects`.
pub fn wait_many(handles: &[HANDLE], all: bool, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: the array has that many handles.
    unsafe {
        WaitForMultipleObjects(
            handles.len() as u32,
            handles.as_ptr(),
            all.into(),
            timeout_ms,
        )
    }
}

/// `Sleep`.
pub fn sleep(duration_ms: u32) {
    // SAFETY: no preconditions.
    unsafe { Sleep(duration_ms) }
}

/// `SleepEx`, alertable.
pub fn sleep_alertable(duration_ms: u32) -> u32 {
    // SAFETY: no preconditions.
    unsafe { SleepEx(duration_ms, TRUE) }
}
