//! Strings of C programs.
//!
//! The functions whose names end in A take 8-bit units. Windows reads them in the code page of the system; here they
//! are UTF-8.

use std::ffi::CString;

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

/// What a text consists of: bytes in functions that end in A, 16-bit units in those that end in W, and 32-bit ones
/// where a C program's `wchar_t` has as many.
pub trait Unit: Copy + Default + PartialEq + 'static {
    /// The text in UTF-8; what is no text becomes U+FFFD.
    fn bytes(units: &[Self]) -> Vec<u8>;

    /// The text in these units.
    fn units(bytes: &[u8]) -> Vec<Self>;
}

impl Unit for u8 {
    fn bytes(units: &[u8]) -> Vec<u8> {
        units.to_vec()
    }

    fn units(bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }
}

impl Unit for u16 {
    fn bytes(units: &[u16]) -> Vec<u8> {
        String::from_utf16_lossy(units).into_bytes()
    }

    fn units(bytes: &[u8]) -> Vec<u16> {
        String::from_utf8_lossy(bytes).encode_utf16().collect()
    }
}

impl Unit for u32 {
    fn bytes(units: &[u32]) -> Vec<u8> {
        let character = |unit: &u32| char::from_u32(*unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        units.iter().map(character).collect::<String>().into_bytes()
    }

    fn units(bytes: &[u8]) -> Vec<u32> {
        String::from_utf8_lossy(bytes)
            .chars()
            .map(u32::from)
            .collect()
    }
}

/// A string in any units, in UTF-8. `None`: null.
///
/// # Safety
/// `text` is null or a string that ends with a zero.
pub unsafe fn string<U: Unit>(text: *const U) -> Option<CString> {
    if text.is_null() {
        return None;
    }
    let unit_at = |index| {
        // SAFETY: not beyond the terminating zero.
        unsafe { text.add(index).read_unaligned() }
    };
    let units: Vec<U> = (0..)
        .map(unit_at)
        .take_while(|unit| *unit != U::default())
        .collect();
    CString::new(U::bytes(&units)).ok() // always: there is no zero in it
}

/// Writes a text and its zero where `out` points.
///
/// # Errors
/// How many units it needs, if that is more than `room` or `out` is null.
///
/// # Safety
/// `out` is null or valid for writes of `room` units.
pub unsafe fn write<U: Unit>(text: &[u8], out: *mut U, room: usize) -> Result<usize, usize> {
    let mut units = U::units(text);
    units.push(U::default());
    if out.is_null() || units.len() > room {
        return Err(units.len());
    }
    for (index, unit) in units.iter().enumerate() {
        // SAFETY: within `room`.
        unsafe { out.add(index).write_unaligned(*unit) };
    }
    Ok(units.len())
}
