//! What the tests share: handles that close themselves, threads that cannot hang a run, and the marks for
//! behaviour that only one platform shows.
//!
//! A test begins with [`watch`], which ends the process with the test's name if it hangs. It then builds
//! its objects ([`Port`], [`Event`], [`spawn`]) and synchronises by knowing, not by sleeping:
//! [`until_port_waiters`] and [`until_thread_waits`] tell when another thread really blocks.
//!
//! The wrappers here are safe because the functions behind them only look handles up: a wrong one is an
//! error, never a fault. Functions that take pointers are called raw, in the test that is about them.

mod event;
mod handle;
mod platforms;
mod port;
mod random;
mod thread;
mod watchdog;

use std::fmt::Debug;
use std::time::Duration;

use wharf_sys::*;

pub use event::*;
pub use handle::*;
pub use platforms::*;
pub use port::*;
pub use random::*;
pub use thread::*;
pub use watchdog::*;

/// How long anything that must happen may take, on a machine with a hundred times as much to do as it can.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// [`DEADLINE`] for functions that count milliseconds.
pub const DEADLINE_MS: u32 = 60_000;

/// A time-out that is meant to expire: long enough for a wrong early wake-up to show.
pub const SHORT_MS: u32 = 50;

/// A last error that no function sets; it shows whether a call touched the value.
pub const UNTOUCHED: u32 = 0x2bad_beef;

/// A handle value that no table ever gave out.
pub const GARBAGE_HANDLE: HANDLE = 0x7eee_eee0 as HANDLE;

// ---------------------------------------------------------------------------------------------------------
// Last error
// ---------------------------------------------------------------------------------------------------------

/// The calling thread's last error.
pub fn last_error() -> u32 {
    // SAFETY: no preconditions.
    unsafe { GetLastError() }
}

/// Stores the calling thread's last error.
pub fn set_last_error(code: u32) {
    // SAFETY: no preconditions.
    unsafe { SetLastError(code) }
}

/// Asserts that `call` returns its failure value (`FALSE`, `NULL`, 0 …) and sets the last error to `code`.
#[track_caller]
pub fn fails_with<T: PartialEq + Debug>(failure: T, code: u32, call: impl FnOnce() -> T) {
    set_last_error(UNTOUCHED);
    let result = call();
    assert_eq!((result, last_error()), (failure, code));
}

/// Asserts that `call` leaves the last error alone; gives its result.
#[track_caller]
pub fn leaves_last_error<T>(call: impl FnOnce() -> T) -> T {
    set_last_error(UNTOUCHED);
    let result = call();
    assert_eq!(last_error(), UNTOUCHED, "the last error was touched");
    result
}
