//! A caller's buffers, as the kernel takes them.

/// The caller's buffers, in order: the WSABUF array, captured.
pub struct Buffers {
    inline: [libc::iovec; INLINE],
    more: Vec<libc::iovec>, // all of them, if there are more than fit `inline`
    first: usize,           // those before are used up
    count: usize,
}

const INLINE: usize = 4;
const LONGEST: usize = 1024; // UIO_MAXIOV: what one call takes; the rest follows
const EMPTY: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

impl Buffers {
    /// Captures buffers given as (address, length).
    pub fn new(buffers: impl ExactSizeIterator<Item = (*mut u8, usize)>) -> Buffers {
        let count = buffers.len();
        let iovecs = buffers.map(|(base, length)| libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        });
        let mut captured = Buffers {
            inline: [EMPTY; INLINE],
            more: Vec::new(),
            first: 0,
            count,
        };
        if count > INLINE {
            captured.more = iovecs.collect();
        } else {
            for (place, iovec) in captured.inline.iter_mut().zip(iovecs) {
                *place = iovec;
            }
        }
        captured.advance(0);
        captured
    }

    /// One buffer.
    pub fn one(base: *mut u8, length: usize) -> Buffers {
        let mut inline = [EMPTY; INLINE];
        inline[0] = libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        };
        Buffers {
            inline,
            more: Vec::new(),
            first: usize::from(length == 0), // an empty one is used up
            count: 1,
        }
    }

    /// No buffer.
    pub fn none() -> Buffers {
        Buffers::new(std::iter::empty())
    }

    fn all(&mut self) -> &mut [libc::iovec] {
        if self.count > INLINE {
            &mut self.more
        } else {
            &mut self.inline[..self.count]
        }
    }

    fn left(&self) -> &[libc::iovec] {
        let all = if self.count > INLINE {
            &self.more[..]
        } else {
            &self.inline[..self.count]
        };
        &all[self.first..]
    }

    /// Whether there is no room or no data left.
    pub fn is_empty(&self) -> bool {
        self.left().is_empty()
    }

    /// The one buffer that is left, if it is the only one: then the kernel needs no message to find it.
    pub fn only(&self) -> Option<libc::iovec> {
        match self.left() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Bytes left.
    pub fn total(&self) -> usize {
        self.left().iter().map(|iovec| iovec.iov_len).sum()
    }

    /// The next `bytes` bytes are used up, and empty buffers after them.
    pub fn advance(&mut self, mut bytes: usize) {
        let mut first = self.first;
        for iovec in &mut self.all()[first..] {
            let used = bytes.min(iovec.iov_len);
            iovec.iov_base = iovec.iov_base.wrapping_byte_add(used);
            iovec.iov_len -= used;
            bytes -= used;
            if iovec.iov_len > 0 {
                break;
            }
            first += 1;
        }
        self.first = first;
    }

    pub fn fit_one_call(&self) -> bool {
        self.left().len() <= LONGEST
    }

    /// The message that names them, for recvmsg and sendmsg.
    pub fn message(&mut self) -> libc::msghdr {
        let left = self.left();
        // SAFETY: all zeroes is an empty message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = left.as_ptr().cast_mut();
        message.msg_iovlen = left.len().min(LONGEST);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(buffers: &Buffers) -> Vec<usize> {
        buffers.left().iter().map(|iovec| iovec.iov_len).collect()
    }

    #[test]
    fn buffers_are_used_up_in_order_and_empty_ones_skipped() {
        for count in [3, 9] {
            let mut memory = vec![0u8; 100];
            let base = memory.as_mut_ptr();
            let sizes = (0..count).map(|index| if index % 2 == 0 { 5 } else { 0 });
            let mut buffers = Buffers::new(
                sizes
                    .map(|size| (base, size))
                    .collect::<Vec<_>>()
                    .into_iter(),
            );
            let total = buffers.total();
            buffers.advance(3);
            assert_eq!(lengths(&buffers)[0], 2);
            buffers.advance(2);
            assert_eq!(buffers.total(), total - 5);
            buffers.advance(total - 5);
            assert!(buffers.is_empty());
        }
    }

    #[test]
    fn only_empty_buffers_are_empty() {
        assert!(Buffers::none().is_empty());
        assert!(Buffers::one(std::ptr::null_mut(), 0).is_empty());
    }
}
