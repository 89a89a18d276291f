//! Structures in a buffer of the program's, with what they point to behind them.

use super::text::Unit;
use super::{read, store};
use crate::platform::status::Status;

/// Lays out what `put` puts into a buffer of `*length` bytes.
///
/// # Errors
/// - `FAULT` if there is no room for it; how much it needs is stored in `*length`.
/// - `ACCESS_VIOLATION` if `length` is null.
///
/// # Safety
/// `length` is null or valid for reads and writes, `buffer` null or valid for writes of that many bytes.
pub unsafe fn lay_out(
    buffer: *mut u8,
    length: *mut u32,
    put: impl Fn(&mut Pieces),
) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    let given = unsafe { read(length) }?;
    let room = if buffer.is_null() { 0 } else { given as usize };
    let mut count = Pieces::counting();
    put(&mut count);
    if room < count.used {
        // SAFETY: the caller's promise.
        unsafe { store(length, count.used as u32) };
        return Err(Status::FAULT);
    }
    // SAFETY: there is room for what was counted, by the caller's promise.
    put(&mut unsafe { Pieces::into_buffer(buffer) });
    Ok(())
}

/// Pieces of a buffer, one behind the other and aligned as the buffer is; or what they come to.
pub struct Pieces {
    base: *mut u8, // null: they are counted only
    used: usize,
}

impl Pieces {
    fn counting() -> Pieces {
        Pieces {
            base: std::ptr::null_mut(),
            used: 0,
        }
    }

    /// # Safety
    /// `base` is valid for writes of whatever is put there.
    unsafe fn into_buffer(base: *mut u8) -> Pieces {
        Pieces { base, used: 0 }
    }

    /// Room for so many values.
    pub fn reserve<T>(&mut self, count: usize) -> *mut T {
        let place = self.base.wrapping_add(self.used);
        self.used += (count * size_of::<T>()).next_multiple_of(align_of::<u64>());
        place.cast()
    }

    /// Writes at a place that was reserved.
    pub fn write<T>(&self, place: *mut T, value: T) {
        if !self.base.is_null() {
            // SAFETY: reserved, so within the buffer, by the promise of `into_buffer`.
            unsafe { place.write_unaligned(value) };
        }
    }

    /// Puts a value there.
    pub fn put<T>(&mut self, value: T) -> *mut T {
        let place = self.reserve(1);
        self.write(place, value);
        place
    }

    /// Puts values there, one behind the other.
    pub fn put_all<T: Copy>(&mut self, values: &[T]) -> *mut T {
        let place = self.reserve::<T>(values.len());
        for (index, value) in values.iter().enumerate() {
            self.write(place.wrapping_add(index), *value);
        }
        place
    }

    /// Puts a text there, with its zero.
    pub fn text<U: Unit>(&mut self, text: &[u8]) -> *mut u8 {
        let units = [U::units(text), vec![U::default()]].concat();
        self.put_all(&units).cast()
    }
}
