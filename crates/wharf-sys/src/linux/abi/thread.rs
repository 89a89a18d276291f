//! processthreadsapi.h and process.h: threads and APCs.

use core::ffi::c_void;

use windows_sys::Win32::Foundation::{HANDLE, PAPCFUNC, TRUE};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::System::Threading::{
    CREATE_SUSPENDED, LPTHREAD_START_ROUTINE, THREAD_CREATION_FLAGS,
};
use windows_sys::core::BOOL;

use super::store;
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::object::Object;
use crate::platform::status::Status;
use crate::platform::threads::escape::{self, StartRoutine};
use crate::platform::threads::thread::{self, Thread};
use std::sync::Arc;

/// Starts a thread. The handle and the thread are independent of each other.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-createthread>
///
/// # Safety
/// Calling `lpstartaddress(lpparameter)` on another thread is sound; `lpthreadid` is null or valid for writes.
pub unsafe extern "system" fn CreateThread(
    _lpthreadattributes: *const SECURITY_ATTRIBUTES,
    dwstacksize: usize,
    lpstartaddress: LPTHREAD_START_ROUTINE,
    lpparameter: *const c_void,
    dwcreationflags: THREAD_CREATION_FLAGS,
    lpthreadid: *mut u32,
) -> HANDLE {
    // SAFETY: the caller's promise.
    let created = unsafe {
        create(
            dwstacksize,
            lpstartaddress,
            lpparameter.cast_mut(),
            dwcreationflags,
            lpthreadid,
        )
    };
    last_error::win32_value(created, std::ptr::null_mut())
}

/// # Safety
/// As `CreateThread`.
unsafe fn create(
    stack_size: usize,
    start: Option<StartRoutine>,
    argument: *mut c_void,
    flags: u32,
    thread_id: *mut u32,
) -> Result<HANDLE, Status> {
    let start = start.ok_or(Status::INVALID_PARAMETER)?;
    let suspended = flags & CREATE_SUSPENDED != 0;
    // SAFETY: the caller's promise.
    let thread = unsafe { thread::create(stack_size, suspended, start, argument) }
        .ok_or(Status::NO_MEMORY)?;
    let handle = handle::open(Object::Thread(thread.clone())).inspect_err(|_| thread.refuse())?;
    // SAFETY: the caller's promise.
    unsafe { store(thread_id, thread.id()) };
    thread.resume(); // it finds its identifier where it is to be
    Ok(handle)
}

/// The C run-time's `CreateThread`: 0 on failure, with `errno` set.
///
/// Windows: <https://learn.microsoft.com/cpp/c-runtime-library/reference/beginthread-beginthreadex>
///
/// # Safety
/// As `CreateThread`.
pub unsafe extern "C" fn _beginthreadex(
    _security: *mut c_void,
    stack_size: u32,
    start: Option<StartRoutine>,
    argument: *mut c_void,
    flags: u32,
    thread_id: *mut u32,
) -> usize {
    // SAFETY: the caller's promise.
    match unsafe { create(stack_size as usize, start, argument, flags, thread_id) } {
        Ok(handle) => handle as usize,
        Err(status) => {
            let errno = if status == Status::INVALID_PARAMETER {
                libc::EINVAL
            } else {
                libc::EAGAIN
            };
            // SAFETY: the C library's own location of this thread's errno.
            unsafe { *libc::__errno_location() = errno };
            0
        }
    }
}

/// Ends the calling thread with this exit code.
///
/// Windows: <https://learn.microsoft.com/cpp/c-runtime-library/reference/endthread-endthreadex>
///
/// # Safety
/// As `ExitThread`.
#[unsafe(naked)]
pub unsafe extern "C" fn _endthreadex(_code: u32) -> ! {
    core::arch::naked_asm!("jmp {}", sym escape::exit_thread)
}

/// Ends the calling thread with this exit code.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-exitthread>
///
/// # Safety
/// What is on the thread's stack is left without running destructors.
// A jump, so that a thread the library did not create can be unwound by the C library: no frame of ours is in the way.
#[unsafe(naked)]
pub unsafe extern "system" fn ExitThread(_dwexitcode: u32) -> ! {
    core::arch::naked_asm!("jmp {}", sym escape::exit_thread)
}

/// The exit code of a thread, `STILL_ACTIVE` while it runs.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getexitcodethread>
///
/// # Safety
/// `lpexitcode` is null or valid for writes.
pub unsafe extern "system" fn GetExitCodeThread(hthread: HANDLE, lpexitcode: *mut u32) -> BOOL {
    let code = || {
        let thread = thread_of(hthread)?;
        if lpexitcode.is_null() {
            return Err(Status::INVALID_PARAMETER);
        }
        // SAFETY: the caller's promise.
        unsafe { store(lpexitcode, thread.exit_code()) };
        Ok(())
    };
    last_error::bool_result(code())
}

/// The thread behind a handle.
pub(super) fn thread_of(handle: HANDLE) -> Result<Arc<Thread>, Status> {
    match handle::object(handle)? {
        Object::Thread(thread) => Ok(thread),
        _ => Err(Status::INVALID_HANDLE),
    }
}

/// The pseudo handle of this process.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentprocess>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetCurrentProcess() -> HANDLE {
    handle::CURRENT_PROCESS
}

/// The identifier of this process.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentprocessid>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetCurrentProcessId() -> u32 {
    std::process::id()
}

/// The pseudo handle of the calling thread.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentthread>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetCurrentThread() -> HANDLE {
    handle::CURRENT_THREAD
}

/// The calling thread's identifier.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentthreadid>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetCurrentThreadId() -> u32 {
    thread::current_id()
}

/// A thread's identifier; 0 for what is no thread.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getthreadid>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetThreadId(thread: HANDLE) -> u32 {
    last_error::win32_value(thread_of(thread).map(|thread| thread.id()), 0)
}

/// Lowers a thread's suspend count and returns what it was; `u32::MAX` on failure.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-resumethread>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn ResumeThread(hthread: HANDLE) -> u32 {
    last_error::win32_value(thread_of(hthread).map(|thread| thread.resume()), u32::MAX)
}

/// Queues an APC to a thread; it runs in that thread's next alertable wait.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-queueuserapc>
///
/// # Safety
/// Calling `pfnapc(dwdata)` on that thread is sound.
pub unsafe extern "system" fn QueueUserAPC(
    pfnapc: PAPCFUNC,
    hthread: HANDLE,
    dwdata: usize,
) -> u32 {
    let queue = || {
        let routine = pfnapc.ok_or(Status::INVALID_PARAMETER)?;
        // SAFETY: the caller's promise.
        let apc = Box::new(move || unsafe { routine(dwdata) });
        if thread_of(hthread)?.queue_apc(apc) {
            Ok(())
        } else {
            Err(Status::UNSUCCESSFUL)
        }
    };
    last_error::bool_result(queue()) as u32
}

/// Gives the processor to another thread.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-switchtothread>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SwitchToThread() -> BOOL {
    std::thread::yield_now();
    TRUE
}
