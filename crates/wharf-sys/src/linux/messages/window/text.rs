//! Text that a message carries, in the units in which a procedure reads it.

use core::ffi::c_void;

use super::super::message::Units;

/// Text as a procedure reads it, with its zero.
pub enum Text {
    Ansi(Vec<u8>),
    Wide(Vec<u16>),
    Wide32(Vec<u32>),
}

impl Text {
    pub fn encode(text: &[u16], units: Units) -> Text {
        let characters = || String::from_utf16_lossy(text);
        match units {
            Units::Ansi => Text::Ansi(characters().into_bytes().into_iter().chain([0]).collect()),
            Units::Wide => Text::Wide(text.iter().copied().chain([0]).collect()),
            Units::Wide32 => Text::Wide32(characters().chars().map(u32::from).chain([0]).collect()),
        }
    }

    pub fn as_ptr(&self) -> *const c_void {
        match self {
            Text::Ansi(text) => text.as_ptr().cast(),
            Text::Wide(text) => text.as_ptr().cast(),
            Text::Wide32(text) => text.as_ptr().cast(),
        }
    }

    /// The text at an address, without its zero.
    ///
    /// # Safety
    /// There is a string in these units that ends with a zero.
    pub unsafe fn read(address: *const c_void, units: Units) -> Vec<u16> {
        match units {
            // SAFETY: the caller's promise.
            Units::Ansi => String::from_utf8_lossy(&unsafe { until_zero::<u8>(address) })
                .encode_utf16()
                .collect(),
            // SAFETY: the caller's promise.
            Units::Wide => unsafe { until_zero::<u16>(address) },
            // SAFETY: the caller's promise.
            Units::Wide32 => unsafe { until_zero::<u32>(address) }
                .into_iter()
                .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect::<String>()
                .encode_utf16()
                .collect(),
        }
    }
}

/// The units before the first zero.
///
/// # Safety
/// There is one.
unsafe fn until_zero<T: Copy + Default + PartialEq>(address: *const c_void) -> Vec<T> {
    let unit_at = |index| {
        // SAFETY: not beyond the zero, by the caller's promise.
        unsafe { address.cast::<T>().add(index).read_unaligned() }
    };
    (0..)
        .map(unit_at)
        .take_while(|unit| *unit != T::default())
        .collect()
}
