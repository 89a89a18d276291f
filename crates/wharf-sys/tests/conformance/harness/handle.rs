//! Handles that close themselves.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;

/// A handle that closes itself with its last clone, unless a test closed it before.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    value: usize,
    open: AtomicBool,
}

impl Handle {
    /// Takes over a handle that a function just gave; null is that function's failure.
    #[track_caller]
    pub fn own(handle: HANDLE) -> Handle {
        assert!(!handle.is_null(), "no handle: last error {}", last_error());
        Handle(Arc::new(Owned {
            value: handle as usize,
            open: AtomicBool::new(true),
        }))
    }

    /// The value, for the raw functions. It stays the same (and stale) after [`Handle::close`].
    pub fn raw(&self) -> HANDLE {
        self.0.value as HANDLE
    }

    /// Closes the handle now, for all clones.
    #[track_caller]
    pub fn close(&self) {
        assert!(
            self.0.open.swap(false, SeqCst),
            "the test closes a handle twice"
        );
        assert_eq!(
            close_handle(self.raw()),
            TRUE,
            "CloseHandle: last error {}",
            last_error()
        );
    }

    /// A second handle to the same object.
    #[track_caller]
    pub fn duplicate(&self) -> Handle {
        duplicate(self.raw())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if *self.open.get_mut() {
            close_handle(self.value as HANDLE);
        }
    }
}

/// `CloseHandle`.
pub fn close_handle(handle: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { CloseHandle(handle) }
}

/// `DuplicateHandle` within this process, with the same access.
#[track_caller]
pub fn duplicate(handle: HANDLE) -> Handle {
    let (result, copy) = duplicate_handle(handle, DUPLICATE_SAME_ACCESS);
    assert_eq!(result, TRUE, "DuplicateHandle: last error {}", last_error());
    Handle::own(copy)
}

/// `DuplicateHandle` within this process: its result and what it stored.
pub fn duplicate_handle(handle: HANDLE, options: DUPLICATE_HANDLE_OPTIONS) -> (BOOL, HANDLE) {
    let mut copy: HANDLE = null_mut();
    // SAFETY: `copy` lives through the call; handles are looked up.
    let result = unsafe {
        let process = GetCurrentProcess();
        DuplicateHandle(process, handle, process, &mut copy, 0, FALSE, options)
    };
    (result, copy)
}

/// A real handle of the calling thread, which other threads may use.
#[track_caller]
pub fn current_thread() -> Handle {
    // SAFETY: no preconditions.
    duplicate(unsafe { GetCurrentThread() })
}

/// The calling thread's identifier.
pub fn current_thread_id() -> u32 {
    // SAFETY: no preconditions.
    unsafe { GetCurrentThreadId() }
}
