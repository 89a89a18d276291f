//! CRITICAL_SECTION: a recursive lock inside the program's own memory.
//!
//! The lock is a three-state word (free, held, held with waiters) in `LockCount`; the owner and its depth are where Windows keeps
//! them. A thread that has to wait leaves its port's active count, as in every wait of the library.
//!
//! Source: "Critical Section Objects", <https://learn.microsoft.com/windows/win32/sync/critical-section-objects>.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::*};

use windows_sys::Win32::System::Threading::CRITICAL_SECTION;

use super::thread;
use crate::platform::system;

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A CRITICAL_SECTION, as this library uses its fields.
#[repr(C)]
pub struct CriticalSection {
    debug_info: usize,  // not used
    word: AtomicU32,    // LockCount: FREE, HELD or CONTENDED
    depth: AtomicI32,   // RecursionCount
    owner: AtomicUsize, // OwningThread: its identifier
    semaphore: usize,   // not used
    spin_count: usize,  // not used: waiting costs one system call here
}

const _: () = assert!(size_of::<CriticalSection>() == size_of::<CRITICAL_SECTION>());

impl CriticalSection {
    /// A critical section nobody holds.
    pub const fn new() -> CriticalSection {
        CriticalSection {
            debug_info: 0,
            word: AtomicU32::new(FREE),
            depth: AtomicI32::new(0),
            owner: AtomicUsize::new(0),
            semaphore: 0,
            spin_count: 0,
        }
    }

    /// Takes it if it is free or the caller's already.
    pub fn try_enter(&self) -> bool {
        let me = thread::current_id() as usize;
        // Relaxed: only the owner itself can read its own number here.
        if self.owner.load(Relaxed) == me {
            self.depth.fetch_add(1, Relaxed);
            return true;
        }
        let taken = self
            .word
            .compare_exchange(FREE, HELD, Acquire, Relaxed)
            .is_ok();
        if taken {
            self.take_over(me);
        }
        taken
    }

    /// Takes it, waiting as long as it takes.
    pub fn enter(&self) {
        if self.try_enter() {
            return;
        }
        let _blocked = thread::block();
        // Acquire: pairs with the Release in `leave`.
        while self.word.swap(CONTENDED, Acquire) != FREE {
            system::futex_wait(&self.word, CONTENDED, None);
        }
        self.take_over(thread::current_id() as usize);
    }

    fn take_over(&self, me: usize) {
        self.owner.store(me, Relaxed);
        self.depth.store(1, Relaxed);
    }

    /// Leaves it once. By a thread that does not hold it: no effect.
    pub fn leave(&self) {
        if self.owner.load(Relaxed) != thread::current_id() as usize {
            return;
        }
        if self.depth.fetch_sub(1, Relaxed) > 1 {
            return;
        }
        self.owner.store(0, Relaxed);
        if self.word.swap(FREE, Release) == CONTENDED {
            system::futex_wake(&self.word);
        }
    }
}
