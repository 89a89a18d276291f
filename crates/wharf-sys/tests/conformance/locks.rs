//! Critical sections: recursive locks that belong to a thread.

use std::cell::UnsafeCell;
use std::sync::Arc;

use wharf_sys::*;

use crate::harness::*;

/// A critical section in a place of its own, deleted with its last clone.
#[derive(Clone)]
pub struct CriticalSection(Arc<Place>);

struct Place(UnsafeCell<CRITICAL_SECTION>);

// SAFETY: a critical section exists to be entered from any thread.
unsafe impl Send for Place {}
// SAFETY: as above; only the lock's own functions look inside.
unsafe impl Sync for Place {}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: initialised, and nobody else refers to it any more.
        unsafe { DeleteCriticalSection(self.0.get()) }
    }
}

impl CriticalSection {
    /// A section initialised by the plain function.
    pub fn new() -> CriticalSection {
        CriticalSection::initialised_by(|section| {
            // SAFETY: `section` points to memory for a critical section.
            unsafe { InitializeCriticalSection(section) };
            TRUE
        })
    }

    fn initialised_by(initialise: impl FnOnce(*mut CRITICAL_SECTION) -> BOOL) -> CriticalSection {
        let place = Arc::new(Place(UnsafeCell::new(CRITICAL_SECTION::default())));
        assert_eq!(initialise(place.0.get()), TRUE);
        CriticalSection(place)
    }

    /// `EnterCriticalSection`.
    pub fn enter(&self) {
        // SAFETY: initialised, and not deleted while `self` lives.
        unsafe { EnterCriticalSection(self.0.0.get()) }
    }

    /// `TryEnterCriticalSection`.
    pub fn try_enter(&self) -> bool {
        // SAFETY: initialised, and not deleted while `self` lives.
        unsafe { TryEnterCriticalSection(self.0.0.get()) != FALSE }
    }

    /// `LeaveCriticalSection`, by a thread that is inside.
    pub fn leave(&self) {
        // SAFETY: initialised, and not deleted while `self` lives.
        unsafe { LeaveCriticalSection(self.0.0.get()) }
    }
}

/// The owner enters again at once; others enter after it left as often as it entered.
/// Source: EnterCriticalSection, remarks.
#[test]
fn owner_enters_again_and_leaves_as_often() {
    let _watch = watch();
    let section = CriticalSection::new();
    section.enter();
    section.enter();
    assert!(section.try_enter());
    for _ in 0..3 {
        assert!(!tries_elsewhere(&section));
        section.leave();
    }
    assert!(tries_elsewhere(&section));
}

/// Whether another thread could enter; it leaves again if so.
fn tries_elsewhere(section: &CriticalSection) -> bool {
    let section = section.clone();
    spawn(move || {
        let entered = section.try_enter();
        if entered {
            section.leave();
        }
        entered
    })
    .join()
}

/// A thread that finds the section taken waits until it is left.
/// Source: EnterCriticalSection.
#[test]
fn second_thread_enters_when_the_first_leaves() {
    let _watch = watch();
    let section = CriticalSection::new();
    section.enter();
    let second = spawn({
        let section = section.clone();
        move || {
            section.enter();
            section.leave();
        }
    });
    second.until_waits();
    section.leave();
    second.join();
}

/// All three ways to initialise give a section that works; those with a result answer TRUE.
/// Source: InitializeCriticalSection, InitializeCriticalSectionAndSpinCount, InitializeCriticalSectionEx.
#[test]
fn every_way_to_initialise_gives_a_lock() {
    let _watch = watch();
    let sections = [
        CriticalSection::new(),
        // SAFETY: the pointer is to memory for a critical section.
        CriticalSection::initialised_by(|section| unsafe {
            InitializeCriticalSectionAndSpinCount(section, 4000)
        }),
        // SAFETY: the pointer is to memory for a critical section.
        CriticalSection::initialised_by(|section| unsafe {
            InitializeCriticalSectionEx(section, 4000, 0)
        }),
    ];
    for section in sections {
        section.enter();
        assert!(!tries_elsewhere(&section));
        section.leave();
        assert!(tries_elsewhere(&section));
    }
}

/// One thread at a time is inside, however many want to be, and each sees what the one before wrote.
/// Source: Critical Section Objects.
#[test]
fn one_thread_at_a_time_is_inside() {
    const THREADS: usize = 4;
    const EACH: usize = 5_000;
    let _watch = watch();

    struct Counter(UnsafeCell<usize>);
    // SAFETY: only touched inside the critical section of this test.
    unsafe impl Sync for Counter {}
    impl Counter {
        fn add(&self) {
            // SAFETY: the caller is inside the critical section.
            unsafe { *self.0.get() += 1 }
        }
    }

    let section = CriticalSection::new();
    let counter = Arc::new(Counter(UnsafeCell::new(0)));
    let count = |_| {
        let (section, counter) = (section.clone(), Arc::clone(&counter));
        spawn(move || {
            for round in 0..EACH {
                if round % 7 != 0 || !section.try_enter() {
                    section.enter();
                }
                counter.add();
                section.leave();
            }
        })
    };
    join_all((0..THREADS).map(count).collect::<Vec<_>>());
    let counter = Arc::into_inner(counter).expect("the threads ended");
    assert_eq!(counter.0.into_inner(), THREADS * EACH);
}
