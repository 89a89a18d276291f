//! How ExitThread leaves a thread: straight back to where the library started it.
//!
//! Windows ends a thread without running the destructors on its stack. Unwinding (`pthread_exit`) would run
//! them, and ends the process at the first frame that must not unwind. So a created thread's start routine is
//! called through a function that remembers its stack pointer, and ExitThread returns from there.

use core::arch::naked_asm;
use core::ffi::c_void;
use std::cell::Cell;

use super::thread;

/// What a created thread runs.
pub type StartRoutine = unsafe extern "system" fn(*mut c_void) -> u32;

thread_local! {
    /// The stack pointer inside `call_escapable`, while a start routine runs.
    static ESCAPE: Cell<usize> = const { Cell::new(0) };
}

unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void) -> !;
}

/// Calls `start(argument)`; returns what it returns, or the code it passed to [`exit_thread`].
///
/// # Safety
/// As for calling `start(argument)`.
pub unsafe fn run(start: StartRoutine, argument: *mut c_void) -> u32 {
    let save = ESCAPE.with(Cell::as_ptr);
    // SAFETY: `save` is this thread's own cell; the caller answers for `start`.
    let code = unsafe { call_escapable(start, argument, save) };
    ESCAPE.set(0);
    code
}

/// Calls `start(argument)` with the stack pointer noted in `*save`.
#[unsafe(naked)]
unsafe extern "C" fn call_escapable(
    start: StartRoutine,
    argument: *mut c_void,
    save: *mut usize,
) -> u32 {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8", // aligns the stack for the call
        "mov [rdx], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Returns `code` from the `call_escapable` that noted `stack_pointer`.
#[unsafe(naked)]
unsafe extern "C" fn escape(stack_pointer: usize, code: u32) -> ! {
    naked_asm!(
        "mov rsp, rdi",
        "mov eax, esi",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Ends the calling thread with `code`.
///
/// A thread that the library did not create leaves by `pthread_exit`, which unwinds; so no frame of ours that is
/// on its stack may own anything.
///
/// # Safety
/// The frames between the thread's start and here are left without running their destructors.
pub unsafe extern "C-unwind" fn exit_thread(code: u32) -> ! {
    let stack_pointer = ESCAPE.get();
    if stack_pointer != 0 {
        // SAFETY: noted by the call_escapable that is still on this thread's stack (`run` clears it after).
        unsafe { escape(stack_pointer, code) }
    }
    thread::exit_unknown(code);
    // SAFETY: no frame of ours owns anything here; the rest is the caller's promise.
    unsafe { pthread_exit(std::ptr::null_mut()) }
}
