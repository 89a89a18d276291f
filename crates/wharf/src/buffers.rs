//! Lists of buffers for one call: gather for sends, scatter for receives.

use wharf_sys::WSABUF;

use crate::Error;

/// So many need no allocation.
const INLINE: usize = 8;

/// A list of WSABUFs. It borrows nothing: whoever makes it sees to it that the buffers live.
pub(crate) struct List {
    inline: [WSABUF; INLINE],
    /// All of them, once there are more.
    more: Vec<WSABUF>,
    count: usize,
    /// Bytes in all.
    length: u64,
}

const NONE: WSABUF = WSABUF {
    len: 0,
    buf: std::ptr::null_mut(),
};

impl List {
    #[inline]
    pub(crate) const fn new() -> List {
        List {
            inline: [NONE; INLINE],
            more: Vec::new(),
            count: 0,
            length: 0,
        }
    }

    /// Pieces to send, in order.
    pub(crate) fn to_send<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> List {
        let mut list = List::new();
        for piece in pieces {
            list.push(piece.as_ptr().cast_mut(), piece.len());
        }
        list
    }

    /// Pieces to receive into, in order.
    pub(crate) fn to_receive<'a>(pieces: impl IntoIterator<Item = &'a mut [u8]>) -> List {
        let mut list = List::new();
        for piece in pieces {
            list.push(piece.as_mut_ptr(), piece.len());
        }
        list
    }

    #[inline]
    pub(crate) fn push(&mut self, start: *mut u8, length: usize) {
        self.length = self.length.saturating_add(length as u64);
        let len = length as u32; // all of it, or the list is not used: see `is_too_long`
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
    /// [`Error::INVALID`] if they are longer than 4 GiB, or there are none.
    #[inline]
    pub(crate) fn parts(&self) -> Result<(*const WSABUF, u32), Error> {
        if self.is_too_long() || self.count == 0 {
            return Err(Error::INVALID);
        }
        let count = u32::try_from(self.count).map_err(|_| Error::INVALID)?;
        let first = if self.count <= INLINE {
            self.inline.as_ptr()
        } else {
            self.more.as_ptr()
        };
        Ok((first, count))
    }

    /// The first piece; an empty one if there is none.
    ///
    /// # Errors
    /// [`Error::INVALID`] if it is longer than 4 GiB.
    pub(crate) fn first(&self) -> Result<WSABUF, Error> {
        if self.is_too_long() {
            return Err(Error::INVALID);
        }
        Ok(self.inline[0])
    }

    /// Whether there is more than Windows counts.
    #[inline]
    fn is_too_long(&self) -> bool {
        self.length > u64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pieces_keep_their_order() {
        for count in [1, INLINE - 1, INLINE, INLINE + 1, 3 * INLINE] {
            let data: Vec<[u8; 4]> = (0..count).map(|index| [index as u8; 4]).collect();
            let pieces = data.iter().enumerate();
            let list = List::to_send(pieces.map(|(index, piece)| &piece[..index % 5]));
            let (first, told) = list.parts().unwrap();
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
    fn pieces_to_receive_into_are_the_callers() {
        let mut data = [[0; 2], [0; 2]];
        let list = List::to_receive(data.iter_mut().map(|piece| &mut piece[..]));
        let (first, count) = list.parts().unwrap();
        for index in 0..count as usize {
            // SAFETY: one of `count` elements, which point to two bytes each.
            unsafe { (*first.add(index)).buf.add(1).write(index as u8 + 1) };
        }
        assert_eq!(data, [[0, 1], [0, 2]]);
    }

    #[test]
    fn what_windows_cannot_count_is_refused() {
        let (start, most) = (std::ptr::dangling_mut(), u32::MAX as usize); // never followed
        for (lengths, counts) in [
            (&[most][..], true),
            (&[most + 1], false),
            (&[most, 0, 0], true),
            (&[most, 1], false),
            (&[most - 1, 1], true),
            (&[usize::MAX, usize::MAX, 2], false),
        ] {
            let mut list = List::new();
            lengths.iter().for_each(|&length| list.push(start, length));
            assert_eq!(list.parts().is_ok(), counts, "{lengths:?}");
            assert_eq!(list.first().is_ok(), counts, "{lengths:?}");
        }
    }

    #[test]
    fn no_pieces_are_refused() {
        assert_eq!(List::to_send([]).parts(), Err(Error::INVALID));
        assert_eq!(List::to_receive([]).parts(), Err(Error::INVALID));
        assert_eq!(List::new().first().map(|none| none.len), Ok(0));
    }
}
