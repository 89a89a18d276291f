//! One place of a table: a value that can be looked at without a lock, and goes when nobody looks any more.
//!
//! One word holds everything: how many are looking (*pins*), whether there is a value to be found, and the generation, which
//! changes with every value. Looking is one addition that also tells what was there; a look that finds nothing takes its pin
//! back. Removing only hides the value: whoever takes the last pin back, empties the place.
//!
//! ```text
//!  vacant ──fill──▶ present ──retire──▶ leaving ──last unpin──▶ emptied, the next generation ──▶ vacant
//! ```
//!
//! Loom explores this very file: `crates/wharf-models`.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering::*};

const PIN: u64 = 1;
const PINS: u64 = (1 << 32) - 1;
const PRESENT: u64 = 1 << 32;
const LEAVING: u64 = 1 << 33;
const GENERATION: u64 = 1 << 40; // from here on up

/// A place. Filling it is for whoever it was given to while it is vacant.
pub struct Place<T> {
    word: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>, // there while PRESENT, LEAVING, or being emptied
}

// SAFETY: the value is handed out as `&T`, and dropped by whichever thread unpins last.
unsafe impl<T: Send + Sync> Sync for Place<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Send for Place<T> {}

fn generation_of(word: u64) -> u64 {
    word / GENERATION
}

impl<T> Place<T> {
    /// A vacant place.
    pub fn vacant() -> Self {
        Place {
            word: AtomicU64::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts a value in; returns its generation.
    ///
    /// # Safety
    /// The place is vacant and the caller is the only one who fills it.
    pub unsafe fn fill(&self, value: T) -> u64 {
        // SAFETY: nobody looks at the value of a vacant place, and nobody else fills it.
        unsafe { (*self.value.get()).write(value) };
        // Release: pairs with the Acquire of `pin`.
        generation_of(self.word.fetch_or(PRESENT, Release))
    }

    /// Pins the value if it is there and `wanted` says yes to its generation; it stays until `unpin`.
    ///
    /// # Errors
    /// There is no such value. True: this look was the last at one that was removed, and the place is vacant now.
    pub fn pin(&self, wanted: impl Fn(u64) -> bool) -> Result<u64, bool> {
        let word = self.word.fetch_add(PIN, Acquire);
        if word & PRESENT != 0 && wanted(generation_of(word)) {
            Ok(generation_of(word))
        } else {
            Err(self.unpin())
        }
    }

    /// The value.
    ///
    /// # Safety
    /// The caller has it pinned for as long as the reference lives.
    pub unsafe fn value(&self) -> &T {
        // SAFETY: a pinned value is there and nobody changes it.
        unsafe { (*self.value.get()).assume_init_ref() }
    }

    /// Whether that generation's value can be found here. Says nothing of the next moment.
    pub fn has(&self, wanted: impl Fn(u64) -> bool) -> bool {
        let word = self.word.load(Acquire);
        word & PRESENT != 0 && wanted(generation_of(word))
    }

    /// Takes a pin back. True: the place has been emptied and is vacant from here on.
    #[must_use]
    pub fn unpin(&self) -> bool {
        // Release: what was done with the value comes before it is dropped.
        let word = self.word.fetch_sub(PIN, Release);
        word & (PINS | LEAVING) == (PIN | LEAVING) && self.empty(word - PIN)
    }

    /// The value was removed and nobody has it pinned: drops it, unless somebody looks in again at this moment, who does it
    /// then.
    #[cold]
    fn empty(&self, word: u64) -> bool {
        // Acquire: pairs with the Release of every `unpin`.
        let claimed = self
            .word
            .compare_exchange(word, word & !LEAVING, Acquire, Relaxed)
            .is_ok();
        if claimed {
            // SAFETY: neither PRESENT nor LEAVING: nobody else touches the value.
            unsafe { (*self.value.get()).assume_init_drop() };
            self.word.fetch_add(GENERATION, Release);
        }
        claimed
    }

    /// Hides the pinned value, whose generation that is, from further looks; whether it was still to be found.
    pub fn retire(&self, generation: u64) -> bool {
        let hide = |word: u64| {
            let is_here = word & PRESENT != 0 && generation_of(word) == generation;
            is_here.then_some(word & !PRESENT | LEAVING)
        };
        self.word.fetch_update(AcqRel, Acquire, hide).is_ok()
    }

    /// The generation that the next value will have, or the present one has.
    pub fn generation(&self) -> u64 {
        generation_of(self.word.load(Relaxed))
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        if self.word.load(Relaxed) & (PRESENT | LEAVING) != 0 {
            // SAFETY: the value is there, and nobody else is.
            unsafe { (*self.value.get()).assume_init_drop() };
        }
    }
}
