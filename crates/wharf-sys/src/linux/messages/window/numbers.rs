//! The numbers of a window: what GetWindowLongPtr reads and SetWindowLongPtr writes.

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    GWL_EXSTYLE, GWL_STYLE, GWLP_HINSTANCE, GWLP_HWNDPARENT, GWLP_ID, GWLP_USERDATA, GWLP_WNDPROC,
    WNDPROC,
};

use super::super::message::Units;
use super::{Numbers, find};
use crate::platform::status::Status;

/// How many bytes of a window's own memory a number takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// GetWindowLong, SetWindowLong.
    Long,
    /// GetWindowLongPtr, SetWindowLongPtr.
    Pointer,
}

/// One of the numbers that belong to a window.
enum Number {
    Procedure,
    Instance,
    Parent,
    Id,
    Style,
    ExStyle,
    UserData,
    Extra(usize),
}

impl Number {
    /// # Errors
    /// `INVALID_INDEX`: also for a pointer that does not fit the width.
    fn of(index: i32, width: Width) -> Result<Number, Status> {
        Ok(match (index, width) {
            (GWLP_WNDPROC, Width::Pointer) => Number::Procedure,
            (GWLP_HINSTANCE, Width::Pointer) => Number::Instance,
            (GWLP_HWNDPARENT, Width::Pointer) => Number::Parent,
            (GWLP_ID, _) => Number::Id,
            (GWL_STYLE, _) => Number::Style,
            (GWL_EXSTYLE, _) => Number::ExStyle,
            (GWLP_USERDATA, _) => Number::UserData,
            _ => Number::Extra(usize::try_from(index).map_err(|_| Status::INVALID_INDEX)?),
        })
    }
}

impl Numbers {
    fn get(&self, number: &Number, width: Width) -> Result<isize, Status> {
        Ok(match *number {
            Number::Procedure => self
                .procedure
                .map_or(0, |procedure| procedure as usize as isize),
            Number::Instance => self.instance,
            Number::Parent => self.parent as isize,
            Number::Id => self.id,
            Number::Style => self.style as i32 as isize,
            Number::ExStyle => self.ex_style as i32 as isize,
            Number::UserData => self.user_data,
            Number::Extra(offset) => {
                let bytes = self.extra.get(offset..).ok_or(Status::INVALID_INDEX)?;
                let long = bytes
                    .first_chunk()
                    .map(|&long| i32::from_ne_bytes(long) as isize);
                let pointer = bytes.first_chunk().map(|&long| isize::from_ne_bytes(long));
                match width {
                    Width::Long => long,
                    Width::Pointer => pointer,
                }
                .ok_or(Status::INVALID_INDEX)?
            }
        })
    }

    /// # Safety
    /// A new procedure is one, or 0.
    unsafe fn set(&mut self, number: &Number, width: Width, value: isize) {
        match *number {
            Number::Procedure => {
                // SAFETY: the caller's promise; 0 is `None`.
                self.procedure = unsafe { std::mem::transmute::<isize, WNDPROC>(value) };
            }
            Number::Instance => self.instance = value,
            Number::Parent => self.parent = value as usize,
            Number::Id => self.id = value,
            Number::Style => self.style = value as u32,
            Number::ExStyle => self.ex_style = value as u32,
            Number::UserData => self.user_data = value,
            Number::Extra(offset) => match width {
                Width::Long => {
                    self.extra[offset..offset + 4].copy_from_slice(&(value as i32).to_ne_bytes());
                }
                Width::Pointer => {
                    self.extra[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
                }
            },
        }
    }
}

/// One of a window's numbers.
///
/// # Errors
/// `INVALID_WINDOW`, `INVALID_INDEX`.
pub fn number(hwnd: HWND, index: i32, width: Width) -> Result<isize, Status> {
    let window = find(hwnd)?;
    let number = Number::of(index, width)?;
    window.numbers.lock().get(&number, width)
}

/// Replaces one of a window's numbers and gives the old one. A new procedure reads text in the given units.
///
/// # Errors
/// `INVALID_WINDOW`, `INVALID_INDEX`.
///
/// # Safety
/// A new procedure is one, or 0.
pub unsafe fn set_number(
    hwnd: HWND,
    index: i32,
    width: Width,
    value: isize,
    units: Units,
) -> Result<isize, Status> {
    let window = find(hwnd)?;
    let number = Number::of(index, width)?;
    let mut numbers = window.numbers.lock();
    let old = numbers.get(&number, width)?; // its place exists
    // SAFETY: the caller's promise.
    unsafe { numbers.set(&number, width, value) };
    if matches!(number, Number::Procedure) {
        numbers.units = units;
    }
    Ok(old)
}
