//! A caller's buffers, as the kernel takes them.

use crate::platform::status::Status;
use crate::platform::system;

/// The caller's buffers, in order: the WSABUF array, captured.
pub struct Buffers {
    inline: [libc::iovec; INLINE],
    many: Option<Box<Many>>, // if there are more than fit `inline`
    first: usize,            // those before are used up
    count: usize,
}

/// More of them than fit a [`Buffers`] itself.
struct Many {
    pieces: Vec<libc::iovec>,
    aside: Vec<u8>, // the data of a datagram whose pieces are too many for one call; `inline` names it
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
            many: None,
            first: 0,
            count,
        };
        if count > INLINE {
            captured.many = Some(Box::new(Many {
                pieces: iovecs.collect(),
                aside: Vec::new(),
            }));
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
            many: None,
            first: usize::from(length == 0), // an empty one is used up
            count: 1,
        }
    }

    /// No buffer.
    pub fn none() -> Buffers {
        Buffers::new(std::iter::empty())
    }

    fn all(&mut self) -> &mut [libc::iovec] {
        match &mut self.many {
            Some(many) if self.count > INLINE => &mut many.pieces,
            _ => &mut self.inline[..self.count],
        }
    }

    fn left(&self) -> &[libc::iovec] {
        let all = match &self.many {
            Some(many) if self.count > INLINE => &many.pieces[..],
            _ => &self.inline[..self.count],
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

    /// Whether one call takes them all.
    pub fn fit_one_call(&self) -> bool {
        self.left().len() <= LONGEST
    }

    /// For a datagram to be sent, which one call has to take: their data at this moment, if they are too many.
    ///
    /// # Errors
    /// `FAULT`.
    pub fn gathered(self) -> Result<Buffers, Status> {
        if self.fit_one_call() {
            return Ok(self);
        }
        let mut aside = vec![0; self.total()];
        system::copy_from(self.left(), &mut aside).map_err(|_| Status::FAULT)?;
        Ok(self.set_aside(aside))
    }

    /// For a datagram of at most `longest` bytes to be received: as much memory elsewhere, if they are too many. What arrives
    /// there is to be [scattered](Self::scatter).
    pub fn for_scattering(self, longest: usize) -> Buffers {
        if self.fit_one_call() {
            return self;
        }
        let room = self.total().min(longest);
        self.set_aside(vec![0; room])
    }

    fn set_aside(mut self, aside: Vec<u8>) -> Buffers {
        let mut elsewhere = Buffers::none();
        if let Some(many) = &mut self.many {
            many.pieces.drain(..self.first);
            many.aside = aside;
            elsewhere = Buffers::one(many.aside.as_mut_ptr(), many.aside.len());
        }
        elsewhere.many = self.many;
        elsewhere
    }

    /// Of a datagram, `bytes` bytes have arrived: they are copied to the caller's buffers, unless they are there.
    ///
    /// # Errors
    /// `FAULT`.
    pub fn scatter(&self, bytes: usize) -> Result<(), Status> {
        match &self.many {
            Some(many) if self.count <= INLINE => {
                let arrived = &many.aside[..bytes.min(many.aside.len())];
                system::copy_to(&many.pieces, arrived).map_err(|_| Status::FAULT)
            }
            _ => Ok(()),
        }
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
    fn too_many_for_one_call_are_gathered_and_scattered() {
        let mut memory: Vec<u8> = (0..3000).map(|index| index as u8).collect();
        let base = memory.as_mut_ptr();
        let pieces = |step: usize| {
            let at = move |index: usize| (base.wrapping_add(index * step), step);
            Buffers::new((0..3000 / step).map(at))
        };
        let Ok(mut gathered) = pieces(1).gathered() else {
            panic!("there is memory");
        };
        let message = gathered.message();
        assert_eq!((message.msg_iovlen, gathered.total()), (1, 3000));
        // SAFETY: the message names them, and they are there.
        let data =
            unsafe { std::slice::from_raw_parts((*message.msg_iov).iov_base.cast::<u8>(), 3000) };
        assert_eq!(data[..], memory[..]);

        let mut buffers = pieces(2).for_scattering(2500);
        let message = buffers.message();
        assert_eq!((message.msg_iovlen, buffers.total()), (1, 2500));
        // SAFETY: as above.
        unsafe {
            (*message.msg_iov)
                .iov_base
                .cast::<u8>()
                .write_bytes(7, 2500)
        };
        assert_eq!(buffers.scatter(5), Ok(()));
        assert_eq!(memory[..6], [7, 7, 7, 7, 7, 5]);
    }

    #[test]
    fn only_empty_buffers_are_empty() {
        assert!(Buffers::none().is_empty());
        assert!(Buffers::one(std::ptr::null_mut(), 0).is_empty());
    }
}
