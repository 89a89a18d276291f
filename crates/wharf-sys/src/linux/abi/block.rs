//! One piece of memory that holds a structure and everything it points to, as `gethostbyname` and its relatives
//! answer. Windows lays it out like this: the structure, its lists of pointers, what the lists point to, the texts.

use std::ptr::copy_nonoverlapping;

/// Memory that is filled from its start and used again for the next answer.
pub struct Block {
    words: Vec<u64>,
    used_words: usize,
    seen_at: Option<usize>, // where the program will have it, if it is to be copied
}

/// MAXGETHOSTSTRUCT: what nearly every answer fits in, so that a thread's answers stay in one place.
const USUAL_BYTES: usize = 1024;

impl Block {
    /// Without any memory yet.
    pub const fn new() -> Block {
        Block {
            words: Vec::new(),
            used_words: 0,
            seen_at: None,
        }
    }

    /// For an answer that is copied to that address. Pointers within it are right there.
    pub const fn to_be_copied(address: usize) -> Block {
        Block {
            words: Vec::new(),
            used_words: 0,
            seen_at: Some(address),
        }
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        let len = self.used_words * size_of::<u64>();
        // SAFETY: the words used so far, which are initialised and have no padding.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), len) }
    }

    /// A piece as the program will see it.
    pub fn seen<T>(&self, piece: *mut T) -> *mut T {
        let offset = piece.addr() - self.words.as_ptr().addr();
        match self.seen_at {
            None => piece,
            Some(address) => std::ptr::without_provenance_mut(address.wrapping_add(offset)),
        }
    }

    /// Forgets what is in it and makes room for pieces of these sizes.
    pub fn clear(&mut self, sizes: impl Iterator<Item = usize>) {
        let words: usize = sizes.map(words_for).sum();
        self.words.clear();
        self.words.reserve(words.max(words_for(USUAL_BYTES)));
        self.words.resize(words, 0);
        self.used_words = 0;
    }

    /// A zeroed piece, aligned for anything.
    ///
    /// # Panics
    /// If [`clear`](Self::clear) was told of less.
    pub fn piece(&mut self, len: usize) -> *mut u8 {
        let start = self.used_words;
        self.used_words += words_for(len);
        assert!(self.used_words <= self.words.len());
        // SAFETY: within the words, see above.
        unsafe { self.words.as_mut_ptr().add(start) }.cast()
    }

    /// A piece with these bytes in it.
    pub fn copy(&mut self, bytes: &[u8]) -> *mut u8 {
        let piece = self.piece(bytes.len());
        // SAFETY: a piece has the length asked for, and is nobody else's.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), piece, bytes.len()) };
        piece
    }

    /// An empty list for as many pointers as are to come, and the null pointer behind them.
    pub fn list(&mut self, len: usize) -> *mut *mut i8 {
        self.piece(list_size(len)).cast()
    }

    /// Copies items and puts pointers to them into a list.
    pub fn fill<'a>(&mut self, list: *mut *mut i8, items: impl Iterator<Item = &'a [u8]>) {
        for (index, item) in items.enumerate() {
            let copy = self.copy(item).cast();
            let item = self.seen(copy);
            // SAFETY: the list was made for as many.
            unsafe { list.add(index).write(item) };
        }
    }
}

/// The size of a list of pointers, the null pointer included.
pub const fn list_size(len: usize) -> usize {
    (len + 1) * size_of::<*mut i8>()
}

const fn words_for(bytes: usize) -> usize {
    bytes.div_ceil(size_of::<u64>())
}
