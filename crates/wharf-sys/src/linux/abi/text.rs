//! Strings of C programs.
//!
//! The functions whose names end in A take 8-bit units. Windows reads them in the code page of the system; here they
//! are UTF-8.

use windows_sys::core::{PCSTR, PCWSTR};

/// A string in 8-bit units as UTF-16, without its zero: UTF-8, or else byte for byte, so that different names stay
/// different. `None`: null.
///
/// # Safety
/// `text` is null or a string that ends with a zero.
pub unsafe fn ansi_text(text: PCSTR) -> Option<Vec<u16>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, so a string by the caller's promise.
    let bytes = unsafe { std::ffi::CStr::from_ptr(text.cast()) }.to_bytes();
    Some(match std::str::from_utf8(bytes) {
        Ok(text) => text.encode_utf16().collect(),
        Err(_) => bytes.iter().map(|&byte| u16::from(byte)).collect(),
    })
}

/// A string in 16-bit units, without its zero. `None`: null.
///
/// # Safety
/// `text` is null or a string that ends with a zero.
pub unsafe fn wide_text(text: PCWSTR) -> Option<Vec<u16>> {
    if text.is_null() {
        return None;
    }
    let unit_at = |index| {
        // SAFETY: not beyond the terminating zero.
        unsafe { text.add(index).read_unaligned() }
    };
    Some((0..).map(unit_at).take_while(|unit| *unit != 0).collect())
}
