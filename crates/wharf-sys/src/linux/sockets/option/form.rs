//! How the value of an option travels: which lengths are taken, and what is read and written.
//!
//! Windows differs here from option to option, and programs depend on it: a BOOL set through a `char` is
//! common, and so is reading one into a zeroed `int` of which only one byte is written.

use windows_sys::Win32::Networking::WinSock::SOL_SOCKET;

use crate::platform::status::Status;

/// The length of a BOOL, a DWORD, an int and a LINGER.
const WORD: i32 = size_of::<u32>() as i32;

/// The shapes of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A BOOL of any length: as many low bytes as there is room for.
    Flag,
    /// One byte, whatever the room: the rest of a BOOL is neither read nor written.
    Byte,
    /// A BOOL of any length but none: with less room than four bytes, a get writes one.
    SmallFlag,
    /// A number that fits a byte, of any length but none: likewise.
    Small,
    /// A BOOL of four bytes at least.
    Switch(ShortGet),
    /// Four bytes at least, as they are.
    Word(ShortGet),
}

/// What a get leaves behind when there is no room for four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortGet {
    /// Nothing is written.
    Untouched,
    /// The room that there is, zeroed.
    Zeroed,
    /// The length, set to 0.
    LengthZero,
}

impl Form {
    /// Reads the value of an option of `level`; BOOLs come out as 0 or 1.
    ///
    /// # Errors
    /// - [`Status::FAULT`] for a null pointer, and for too short a length.
    /// - [`Status::NO_BUFFERS`] for a negative length, which only the longer options of SOL_SOCKET take.
    pub fn read(self, level: i32, value: Option<&[u8]>, len: i32) -> Result<u32, Status> {
        let bytes = value.ok_or(Status::FAULT)?;
        match self {
            Form::Byte if len < 0 => return Err(Status::NO_BUFFERS),
            _ if len < 0 && level != SOL_SOCKET => return Err(Status::NO_BUFFERS),
            Form::Byte | Form::Small | Form::SmallFlag if len == 0 => return Err(Status::FAULT),
            Form::Switch(_) | Form::Word(_) if (0..WORD).contains(&len) => {
                return Err(Status::FAULT);
            }
            _ => {}
        }
        Ok(match self {
            Form::Flag | Form::SmallFlag | Form::Switch(_) => u32::from(low_word(bytes) != 0),
            Form::Byte => u32::from(bytes.first().is_some_and(|byte| *byte != 0)),
            Form::Small | Form::Word(_) => low_word(bytes),
        })
    }

    /// Writes a value into `out`, which has room for `len` bytes; the second result is the new `*optlen`.
    pub fn write(self, value: u32, out: &mut [u8], len: i32) -> (Result<(), Status>, i32) {
        let bytes = value.to_le_bytes();
        match self {
            _ if len <= 0 => (Err(Status::FAULT), len),
            Form::Byte => (copy(&bytes[..1], out), 1),
            Form::Small | Form::SmallFlag if len < WORD => (copy(&bytes[..1], out), 1),
            Form::Flag if len < WORD => (copy(&bytes[..len as usize], out), 1),
            Form::Switch(short) | Form::Word(short) if len < WORD => short.refuse(out, len),
            _ => (copy(&bytes, out), WORD),
        }
    }
}

impl ShortGet {
    /// There is too little room.
    fn refuse(self, out: &mut [u8], len: i32) -> (Result<(), Status>, i32) {
        match self {
            ShortGet::Untouched => {}
            ShortGet::Zeroed => out.fill(0),
            ShortGet::LengthZero => return (Err(Status::FAULT), 0),
        }
        (Err(Status::FAULT), len)
    }
}

fn copy(bytes: &[u8], out: &mut [u8]) -> Result<(), Status> {
    out.get_mut(..bytes.len())
        .ok_or(Status::FAULT)?
        .copy_from_slice(bytes);
    Ok(())
}

/// The word that the first bytes are, or begin.
pub fn low_word(bytes: &[u8]) -> u32 {
    let mut word = [0; WORD as usize];
    let len = bytes.len().min(word.len());
    word[..len].copy_from_slice(&bytes[..len]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Networking::WinSock::IPPROTO_TCP;

    use super::*;

    const FORMS: [Form; 8] = [
        Form::Flag,
        Form::Byte,
        Form::Small,
        Form::SmallFlag,
        Form::Switch(ShortGet::Untouched),
        Form::Word(ShortGet::Untouched),
        Form::Word(ShortGet::Zeroed),
        Form::Word(ShortGet::LengthZero),
    ];

    fn read(form: Form, value: u64, len: i32) -> Result<u32, Status> {
        let bytes = value.to_le_bytes();
        let seen = usize::try_from(len).unwrap_or(4).min(8);
        form.read(SOL_SOCKET, Some(&bytes[..seen]), len)
    }

    /// What a get of 1 leaves in a word of 0xdeadbeef: the result, the word and the length.
    fn get_one(form: Form, len: i32) -> (Result<(), Status>, u32, i32) {
        let mut word = 0xdead_beef_u32.to_le_bytes();
        let (result, new_len) = form.write(1, &mut word[..len.clamp(0, 4) as usize], len);
        (result, u32::from_le_bytes(word), new_len)
    }

    /// Source: setsockopt, WSAEFAULT: "the optlen parameter is too small"; which options are lenient is observed.
    #[test]
    fn a_set_takes_the_lengths_of_its_form() {
        let fault = Err(Status::FAULT);
        assert_eq!(
            [0, 1, 2, 4, 8, -1].map(|len| read(Form::Flag, 0x101, len)),
            [Ok(0), Ok(1), Ok(1), Ok(1), Ok(1), Ok(1)]
        );
        assert_eq!(
            [0, 1, 2, 4, 8].map(|len| read(Form::Byte, 1, len)),
            [fault, Ok(1), Ok(1), Ok(1), Ok(1)]
        );
        assert_eq!(
            [0, 1, 2, 4, 8].map(|len| read(Form::Small, 0x105, len)),
            [fault, Ok(5), Ok(0x105), Ok(0x105), Ok(0x105)]
        );
        assert_eq!(
            [0, 1, 2, 4, 8].map(|len| read(Form::SmallFlag, 5, len)),
            [fault, Ok(1), Ok(1), Ok(1), Ok(1)]
        );
        assert_eq!(
            [0, 1, 2, 4, 8].map(|len| read(Form::Switch(ShortGet::Untouched), 5, len)),
            [fault, fault, fault, Ok(1), Ok(1)]
        );
        for form in &FORMS[5..] {
            assert_eq!(
                [0, 1, 2, 4, 8, -1].map(|len| read(*form, 5, len)),
                [fault, fault, fault, Ok(5), Ok(5), Ok(5)]
            );
        }
        for form in FORMS {
            assert_eq!(form.read(SOL_SOCKET, None, 4), fault);
        }
    }

    #[test]
    fn only_the_low_byte_of_a_byte_counts() {
        assert_eq!(read(Form::Byte, 0x100, 4), Ok(0));
        assert_eq!(read(Form::Flag, 0x100, 4), Ok(1));
        assert_eq!(
            read(Form::Word(ShortGet::Zeroed), 0xffff_ffff_0000_0100, 8),
            Ok(0x100)
        );
    }

    #[test]
    fn a_negative_length_is_taken_by_the_words_of_the_socket_level_only() {
        assert_eq!(read(Form::Byte, 1, -1), Err(Status::NO_BUFFERS));
        for form in FORMS {
            assert_eq!(
                form.read(IPPROTO_TCP, Some(&[1, 0, 0, 0]), -1),
                Err(Status::NO_BUFFERS)
            );
            assert_eq!(get_one(form, -1), (Err(Status::FAULT), 0xdead_beef, -1));
        }
    }

    /// Source: observed on Windows for each option; getsockopt documents only the lengths that suffice.
    #[test]
    fn a_get_writes_what_there_is_room_for() {
        assert_eq!(get_one(Form::Flag, 1), (Ok(()), 0xdead_be01, 1));
        assert_eq!(get_one(Form::Flag, 2), (Ok(()), 0xdead_0001, 1));
        assert_eq!(get_one(Form::Flag, 4), (Ok(()), 1, 4));
        for len in [1, 2, 4, 8] {
            assert_eq!(get_one(Form::Byte, len), (Ok(()), 0xdead_be01, 1));
        }
        for form in [Form::Small, Form::SmallFlag] {
            assert_eq!(get_one(form, 1), (Ok(()), 0xdead_be01, 1));
            assert_eq!(get_one(form, 2), (Ok(()), 0xdead_be01, 1));
        }
        for form in &FORMS[2..] {
            assert_eq!(get_one(*form, 4), (Ok(()), 1, 4));
            assert_eq!(get_one(*form, 42), (Ok(()), 1, 4));
        }
    }

    #[test]
    fn a_get_without_room_leaves_what_windows_leaves() {
        let fault = Err(Status::FAULT);
        assert_eq!(
            get_one(Form::Word(ShortGet::Untouched), 2),
            (fault, 0xdead_beef, 2)
        );
        assert_eq!(
            get_one(Form::Word(ShortGet::Zeroed), 1),
            (fault, 0xdead_be00, 1)
        );
        assert_eq!(
            get_one(Form::Word(ShortGet::Zeroed), 2),
            (fault, 0xdead_0000, 2)
        );
        assert_eq!(
            get_one(Form::Word(ShortGet::LengthZero), 2),
            (fault, 0xdead_beef, 0)
        );
        for form in FORMS {
            assert_eq!(get_one(form, 0), (fault, 0xdead_beef, 0));
        }
    }
}
