//! The last error: one number per thread, and the edge where a [`Status`] becomes one.
//!
//! `GetLastError` and `WSAGetLastError` read the same slot, `SetLastError` and `WSASetLastError` write it. It
//! belongs to the thread that made the call, so only functions a program called may write it; the engine never
//! does. The two families differ on success: a Win32 function leaves the slot alone, a Winsock function stores 0.
//!
//! Source: "GetLastError", "WSAGetLastError"; storing 0 was observed on Windows 7 and later.

use std::cell::Cell;

use crate::types::{BOOL, FALSE, SOCKET_ERROR, TRUE};

use super::status::Status;

thread_local! {
    // A constant without a destructor: it may be used in static constructors, thread exit and process exit.
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// Stores `code` as this thread's last error.
pub fn set(code: u32) {
    LAST_ERROR.set(code);
}

/// This thread's last error.
pub fn get() -> u32 {
    LAST_ERROR.get()
}

/// The result of a Win32 function: `TRUE`, or `FALSE` and the Win32 code.
pub fn bool_result(result: Result<(), Status>) -> BOOL {
    win32_value(result.map(|()| TRUE), FALSE)
}

/// The result of a Win32 function that returns a value, or `failure` and the Win32 code.
pub fn win32_value<T>(result: Result<T, Status>, failure: T) -> T {
    result.unwrap_or_else(|status| {
        set(status.to_win32());
        failure
    })
}

/// The result of a Winsock function: 0, or `SOCKET_ERROR` and the WSA code.
pub fn winsock_result(result: Result<(), Status>) -> i32 {
    winsock_value(result.map(|()| 0), SOCKET_ERROR)
}

/// As [`winsock_value`], of a function for event objects, whose codes are Win32's.
pub fn winsock_event_value<T>(result: Result<T, Status>, failure: T) -> T {
    if result.is_ok() {
        set(0);
    }
    win32_value(result, failure)
}

/// The result of a Winsock function that returns its WSA code, which is the last error too.
pub fn winsock_code(result: Result<(), Status>) -> i32 {
    let code = result.err().map_or(0, Status::to_winsock);
    set(code);
    code as i32 // every WSA code is positive
}

/// The result of a Winsock function that returns a value, or `failure` and the WSA code.
pub fn winsock_value<T>(result: Result<T, Status>, failure: T) -> T {
    match result {
        Ok(value) => {
            set(0);
            value
        }
        Err(status) => {
            set(status.to_winsock());
            failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_thread_starts_without_an_error() {
        set(5);
        assert_eq!(std::thread::spawn(get).join().unwrap(), 0);
        assert_eq!(get(), 5);
    }

    #[test]
    fn a_win32_function_writes_only_on_failure() {
        set(5);
        assert_eq!(bool_result(Ok(())), TRUE);
        assert_eq!(get(), 5);
        assert_eq!(bool_result(Err(Status::CONNECTION_RESET)), FALSE);
        assert_eq!(get(), 64);
    }

    #[test]
    fn a_winsock_function_writes_always() {
        set(5);
        assert_eq!(winsock_value(Ok(7), -1), 7);
        assert_eq!(get(), 0);
        assert_eq!(winsock_result(Err(Status::CONNECTION_RESET)), SOCKET_ERROR);
        assert_eq!(get(), 10054);
        assert_eq!(winsock_result(Ok(())), 0);
        assert_eq!(get(), 0);
    }
}
