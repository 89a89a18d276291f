//! A mutex without poisoning: no code that may panic runs under the library's locks, and a poisoned lock
//! could only turn one abort into many.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutual exclusion lock. The order in which locks may be taken is in `docs/engine-protocol.md`, section 7.
#[derive(Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Lock(Mutex::new(value))
    }

    /// Takes the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
