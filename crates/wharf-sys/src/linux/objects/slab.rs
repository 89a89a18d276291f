//! A table of values named by small numbers that go stale safely.
//!
//! A key is an index and a generation. Removing a value raises the generation of its place, so an old key finds
//! nothing rather than somebody else's value. Freed places are reused first in, first out, and only when
//! many are free, so that a generation comes round again as late as possible.
//!
//! Places live in chunks that are never freed or moved. Looking takes no lock: see `place.rs`.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::place::Place;
use crate::platform::lock::Lock;

/// Bits of a key that are the index.
pub const INDEX_BITS: u32 = 20;
/// Bits of a key that are the generation.
pub const GENERATION_BITS: u32 = 9;

const CHUNK: usize = 1024;
const CHUNKS: usize = 1 << (INDEX_BITS as usize - 10);
const FREE_BEFORE_REUSE: usize = 4096;

/// Names one value of a [`Slab`], until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u32);

impl Key {
    /// The key as a number below 2^29; never 0.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The key that has this number. Any number will do: one that names nothing finds nothing.
    pub fn from_number(number: u32) -> Key {
        Key(number)
    }

    fn new(index: usize, generation: u64) -> Key {
        const GENERATIONS: u64 = 1 << GENERATION_BITS;
        Key(((generation % GENERATIONS) as u32) << INDEX_BITS | index as u32)
    }

    fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    /// Whether it names the value of that generation of its place.
    fn names(self, generation: u64) -> bool {
        self == Key::new(self.index(), generation)
    }
}

struct Free {
    indices: VecDeque<usize>, // freed places, oldest first
    used: usize,              // places handed out at least once; index 0 never is
}

type Chunk<T> = Box<[Place<T>]>;

/// The table. See the module.
pub struct Slab<T> {
    chunks: [OnceLock<Chunk<T>>; CHUNKS],
    free: Lock<Free>,
    count: AtomicUsize,
}

impl<T: Clone> Slab<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Slab {
            chunks: [const { OnceLock::new() }; CHUNKS],
            free: Lock::new(Free {
                indices: VecDeque::new(),
                used: 0,
            }),
            count: AtomicUsize::new(0),
        }
    }

    /// Puts a value in; `None` when the table is full.
    pub fn insert(&self, value: T) -> Option<Key> {
        let index = self.free_index()?;
        let chunk = self.chunks[index / CHUNK].get_or_init(new_chunk);
        // SAFETY: `free_index` gives a vacant place to one caller only.
        let generation = unsafe { chunk[index % CHUNK].fill(value) };
        self.count.fetch_add(1, Relaxed);
        Some(Key::new(index, generation))
    }

    /// The value with that key; it stays while the reference lives, even if it is removed meanwhile.
    pub fn get(&self, key: Key) -> Option<Ref<'_, T>> {
        let place = self.place(key)?;
        match place.pin(|generation| key.names(generation)) {
            Ok(generation) => Some(Ref {
                slab: self,
                place,
                index: key.index(),
                generation,
            }),
            Err(vacant) => {
                self.reuse(key.index(), vacant);
                None
            }
        }
    }

    /// Whether a value with that key can be found now.
    pub fn has(&self, key: Key) -> bool {
        self.place(key)
            .is_some_and(|place| place.has(|generation| key.names(generation)))
    }

    /// Removes the value with that key; the key is stale from here on.
    pub fn remove(&self, key: Key) -> Option<T> {
        let value = self.get(key)?;
        if !value.place.retire(value.generation) {
            return None; // another thread was faster
        }
        self.count.fetch_sub(1, Relaxed);
        Some(value.clone())
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Every key and value that is there now.
    pub fn all(&self) -> Vec<(Key, T)> {
        let used = self.free.lock().used;
        let value_at = |index: usize| {
            let place = &self.chunks[index / CHUNK].get()?[index % CHUNK];
            let key = Key::new(index, place.generation());
            Some((key, self.get(key)?.clone()))
        };
        (1..=used).filter_map(value_at).collect()
    }

    fn place(&self, key: Key) -> Option<&Place<T>> {
        let index = key.index();
        self.chunks[index / CHUNK]
            .get()
            .map(|chunk| &chunk[index % CHUNK])
    }

    fn free_index(&self) -> Option<usize> {
        let mut free = self.free.lock();
        let fresh_left = free.used + 1 < CHUNKS * CHUNK;
        if free.indices.len() >= FREE_BEFORE_REUSE || !fresh_left {
            return free.indices.pop_front();
        }
        free.used += 1;
        Some(free.used)
    }
}

impl<T> Slab<T> {
    /// A place that has become vacant is used again.
    fn reuse(&self, index: usize, vacant: bool) {
        if vacant {
            self.free.lock().indices.push_back(index);
        }
    }
}

fn new_chunk<T>() -> Chunk<T> {
    (0..CHUNK).map(|_| Place::vacant()).collect()
}

/// A value of a [`Slab`], which stays while this lives.
pub struct Ref<'a, T> {
    slab: &'a Slab<T>,
    place: &'a Place<T>,
    index: usize,
    generation: u64,
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: pinned by `get` until this is dropped.
        unsafe { self.place.value() }
    }
}

impl<T> Drop for Ref<'_, T> {
    fn drop(&mut self) {
        self.slab.reuse(self.index, self.place.unpin());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_value_is_not_found_under_its_old_key() {
        let slab = Slab::new();
        let key = slab.insert("a").unwrap();
        assert_eq!(slab.get(key).as_deref(), Some(&"a"));
        assert_eq!(slab.remove(key), Some("a"));
        assert_eq!(
            (slab.get(key).is_none(), slab.remove(key), slab.len()),
            (true, None, 0)
        );
    }

    #[test]
    fn a_stale_key_finds_nothing_for_very_many_reuses() {
        let slab = Slab::new();
        let stale = slab.insert(0).unwrap();
        slab.remove(stale);
        let reuses = if cfg!(miri) { 50 } else { 1_000_000 }; // there, an interpreter
        for value in 0..reuses {
            let key = slab.insert(value).unwrap();
            assert_ne!(key, stale);
            slab.remove(key);
        }
    }

    #[test]
    fn a_value_that_is_looked_at_stays_until_the_last_look() {
        let (slab, value) = (Slab::new(), std::sync::Arc::new(()));
        let key = slab.insert(value.clone()).unwrap();
        let look = slab.get(key).unwrap();
        drop(slab.remove(key));
        assert_eq!(std::sync::Arc::strong_count(&look), 2);
        assert!(!slab.has(key));
        drop(look);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    }

    #[test]
    fn any_number_is_a_harmless_key() {
        let slab = Slab::<u8>::new();
        for number in [0, 1, u32::MAX, 1 << INDEX_BITS, 0x7fff_ffff] {
            assert!(slab.get(Key::from_number(number)).is_none());
            assert_eq!(slab.remove(Key::from_number(number)), None);
        }
    }
}
