//! A table of values named by small numbers that go stale safely.
//!
//! A key is an index and a generation. Removing a value raises the generation of its place, so an old key finds
//! nothing rather than somebody else's value. Freed places are reused first in, first out, and only when
//! many are free, so that a generation comes round again as late as possible.
//!
//! Places live in chunks that are never freed or moved; each has its own lock, so look-ups of different values
//! do not meet.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::lock::Lock;

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

    fn new(index: usize, generation: u32) -> Key {
        Key(generation << INDEX_BITS | index as u32)
    }

    fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    fn generation(self) -> u32 {
        self.0 >> INDEX_BITS
    }
}

struct Place<T> {
    generation: u32, // of the value that is here, or will be next
    value: Option<T>,
}

struct Free {
    indices: VecDeque<usize>, // freed places, oldest first
    used: usize,              // places handed out at least once; index 0 never is
}

type Chunk<T> = Box<[Lock<Place<T>>]>;

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
        let mut place = chunk[index % CHUNK].lock();
        place.value = Some(value);
        self.count.fetch_add(1, Relaxed);
        Some(Key::new(index, place.generation))
    }

    /// The value with that key.
    pub fn get(&self, key: Key) -> Option<T> {
        let place = self.place(key)?.lock();
        if place.generation == key.generation() {
            place.value.clone()
        } else {
            None
        }
    }

    /// Removes the value with that key; the key is stale from here on.
    pub fn remove(&self, key: Key) -> Option<T> {
        let mut place = self.place(key)?.lock();
        if place.generation != key.generation() {
            return None;
        }
        let value = place.value.take()?;
        place.generation = (place.generation + 1) & ((1 << GENERATION_BITS) - 1);
        drop(place);
        self.count.fetch_sub(1, Relaxed);
        self.free.lock().indices.push_back(key.index());
        Some(value)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Every key and value that is there now.
    pub fn all(&self) -> Vec<(Key, T)> {
        let used = self.free.lock().used;
        (1..=used)
            .filter_map(|index| {
                let place = self.chunks[index / CHUNK].get()?[index % CHUNK].lock();
                Some((Key::new(index, place.generation), place.value.clone()?))
            })
            .collect()
    }

    fn place(&self, key: Key) -> Option<&Lock<Place<T>>> {
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

fn new_chunk<T>() -> Chunk<T> {
    (0..CHUNK)
        .map(|_| {
            Lock::new(Place {
                generation: 0,
                value: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_value_is_not_found_under_its_old_key() {
        let slab = Slab::new();
        let key = slab.insert("a").unwrap();
        assert_eq!(slab.get(key), Some("a"));
        assert_eq!(slab.remove(key), Some("a"));
        assert_eq!(
            (slab.get(key), slab.remove(key), slab.len()),
            (None, None, 0)
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
    fn any_number_is_a_harmless_key() {
        let slab = Slab::<u8>::new();
        for number in [0, 1, u32::MAX, 1 << INDEX_BITS, 0x7fff_ffff] {
            assert_eq!(slab.get(Key::from_number(number)), None);
            assert_eq!(slab.remove(Key::from_number(number)), None);
        }
    }
}
