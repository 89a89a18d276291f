//! `select` with libc's `struct timeval`.
//!
//! Windows' `timeval` is two 32-bit numbers. A program on Linux takes the type from `<sys/time.h>` as well, where it
//! is two 64-bit numbers, so that is what the headers offer and what is converted here.

use core::ffi::c_long;

use wharf_sys::{FD_SET, TIMEVAL};

/// libc's `struct timeval` on 64-bit Linux.
#[repr(C)]
struct LibcTimeval {
    seconds: c_long,
    microseconds: c_long,
}

/// Waits until sockets are ready.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-select>
///
/// # Safety
/// As for `select`; `timeout` is null or valid for reads.
#[unsafe(no_mangle)]
unsafe extern "C" fn wharf_select(
    ignored: i32,
    read: *mut FD_SET,
    write: *mut FD_SET,
    except: *mut FD_SET,
    timeout: *const LibcTimeval,
) -> i32 {
    // SAFETY: the caller passes null or a timeval of libc.
    let timeout = unsafe { timeout.as_ref() }.map(narrow);
    let timeout = timeout
        .as_ref()
        .map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the sets are the caller's; `timeout` points to a local that outlives the call.
    unsafe { wharf_sys::select(ignored, read, write, except, timeout) }
}

/// The same time as Windows writes it; a number that does not fit becomes the nearest one that does.
fn narrow(timeout: &LibcTimeval) -> TIMEVAL {
    let saturate = |value: c_long| value.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    TIMEVAL {
        tv_sec: saturate(timeout.seconds),
        tv_usec: saturate(timeout.microseconds),
    }
}
