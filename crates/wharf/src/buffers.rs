//! Lists of buffers for one call: gather for sends, scatter for receives.

use std::cell::Cell;
use std::marker::PhantomData;

use wharf_sys::WSABUF;

use crate::Error;

/// So many need no allocation.
const INLINE: usize = 8;

/// A list of WSABUFs.
pub(crate) struct List {
    inline: [WSABUF; INLINE],
    /// All of them, once there are more.
    more: Vec<WSABUF>,
    count: usize,
    too_long: bool,
}

const NONE: WSABUF = WSABUF {
    len: 0,
    buf: std::ptr::null_mut(),
};

impl List {
    fn new() -> List {
        List {
            inline: [NONE; INLINE],
            more: Vec::new(),
            count: 0,
            too_long: false,
        }
    }

    fn push(&mut self, start: *mut u8, length: usize) {
        let Ok(len) = u32::try_from(length) else {
            self.too_long = true;
            return;
        };
        let buffer = WSABUF { len, buf: start };
        if self.count < INLINE {
            self.inline[self.count] = buffer;
        } else {
            if self.count == INLINE {
                self.more.extend(self.inline);
            }
            self.more.push(buffer);
        }
        self.count += 1;
    }

    /// As Windows' functions want it; valid until the list is changed or moved.
    ///
    /// # Errors
    /// [`Error::INVALID`] if a piece is longer than 4 GiB, or there are none.
    pub(crate) fn parts(&self) -> Result<(*const WSABUF, u32), Error> {
        if self.too_long || self.count == 0 {
            return Err(Error::INVALID);
        }
        let first = if self.count <= INLINE {
            self.inline.as_ptr()
        } else {
            self.more.as_ptr()
        };
        Ok((first, self.count as u32))
    }
}

/// Pieces to send, in order.
pub struct Slices<'a> {
    list: List,
    borrowed: PhantomData<Cell<&'a [u8]>>,
}

impl<'a> Slices<'a> {
    pub(crate) fn new() -> Slices<'a> {
        Slices {
            list: List::new(),
            borrowed: PhantomData,
        }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &'a [u8]) {
        self.list.push(piece.as_ptr().cast_mut(), piece.len());
    }

    pub(crate) fn parts(&self) -> Result<(*const WSABUF, u32), Error> {
        self.list.parts()
    }

    /// The bare list, once the borrow is over.
    pub(crate) fn into_list(self) -> List {
        self.list
    }
}

/// Pieces to receive into, in order.
pub struct SlicesMut<'a> {
    list: List,
    borrowed: PhantomData<Cell<&'a mut [u8]>>,
}

impl<'a> SlicesMut<'a> {
    pub(crate) fn new() -> SlicesMut<'a> {
        SlicesMut {
            list: List::new(),
            borrowed: PhantomData,
        }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &'a mut [u8]) {
        self.list.push(piece.as_mut_ptr(), piece.len());
    }

    pub(crate) fn parts(&self) -> Result<(*const WSABUF, u32), Error> {
        self.list.parts()
    }

    /// The bare list, once the borrow is over.
    pub(crate) fn into_list(self) -> List {
        self.list
    }
}

/// One buffer to send from.
///
/// # Errors
/// [`Error::INVALID`] if it is longer than 4 GiB.
pub(crate) fn one(buffer: &[u8]) -> Result<WSABUF, Error> {
    Ok(WSABUF {
        len: u32::try_from(buffer.len()).map_err(|_| Error::INVALID)?,
        buf: buffer.as_ptr().cast_mut(),
    })
}

/// One buffer to receive into; no more than 4 GiB of it are used.
pub(crate) fn one_mut(buffer: &mut [u8]) -> WSABUF {
    WSABUF {
        len: buffer.len().min(u32::MAX as usize) as u32,
        buf: buffer.as_mut_ptr(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pieces_keep_their_order() {
        for count in [1, INLINE - 1, INLINE, INLINE + 1, 3 * INLINE] {
            let data: Vec<[u8; 4]> = (0..count).map(|index| [index as u8; 4]).collect();
            let mut slices = Slices::new();
            for (index, piece) in data.iter().enumerate() {
                slices.push(&piece[..index % 5]);
            }
            let (first, told) = slices.parts().unwrap();
            assert_eq!(told as usize, count);
            for (index, piece) in data.iter().enumerate() {
                // SAFETY: one of `count` elements.
                let buffer = unsafe { first.add(index).read() };
                assert_eq!(buffer.buf.cast_const(), piece.as_ptr());
                assert_eq!(buffer.len as usize, index % 5);
            }
        }
    }

    #[test]
    fn no_pieces_are_refused() {
        assert_eq!(Slices::new().parts(), Err(Error::INVALID));
        assert_eq!(SlicesMut::new().parts(), Err(Error::INVALID));
    }
}
