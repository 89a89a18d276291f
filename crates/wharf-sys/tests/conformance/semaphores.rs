//! Semaphore objects: the count, its limit, who is released.

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;

fn create(count: i32, max: i32) -> HANDLE {
    // SAFETY: no attributes, no name.
    unsafe { CreateSemaphoreW(null(), count, max, null()) }
}

#[track_caller]
fn semaphore(count: i32, max: i32) -> Handle {
    Handle::own(create(count, max))
}

/// `ReleaseSemaphore`: its result and what it stored (preset to 99).
fn release(semaphore: HANDLE, count: i32) -> (BOOL, i32) {
    let mut before = 99;
    // SAFETY: `before` lives through the call.
    let result = unsafe { ReleaseSemaphore(semaphore, count, &mut before) };
    (result, before)
}

/// A wait takes one of the count; at 0 it waits.
/// Source: CreateSemaphoreW, lInitialCount; Semaphore Objects.
#[test]
fn wait_takes_one_of_the_count() {
    let _watch = watch();
    let semaphore = semaphore(2, 5);
    assert_eq!(
        [wait(semaphore.raw(), 0), wait(semaphore.raw(), 0)],
        [WAIT_OBJECT_0; 2]
    );
    assert_eq!(wait(semaphore.raw(), 0), WAIT_TIMEOUT);
    assert_eq!(release(semaphore.raw(), 3), (TRUE, 0));
    for _ in 0..3 {
        assert_eq!(wait(semaphore.raw(), 0), WAIT_OBJECT_0);
    }
    assert_eq!(wait(semaphore.raw(), 0), WAIT_TIMEOUT);
}

/// Any thread releases a semaphore and is told what the count was, if it wants to know.
/// Source: ReleaseSemaphore, lpPreviousCount.
#[test]
fn releasing_tells_the_previous_count() {
    let _watch = watch();
    let semaphore = semaphore(1, 10);
    let other = semaphore.clone();
    assert_eq!(spawn(move || release(other.raw(), 2)).join(), (TRUE, 1));
    assert_eq!(leaves_last_error(|| release(semaphore.raw(), 1)), (TRUE, 3));
    // SAFETY: the count is not wanted.
    let result = unsafe { ReleaseSemaphore(semaphore.raw(), 1, null_mut()) };
    assert_eq!(result, TRUE);
    assert_eq!(release(semaphore.raw(), 1), (TRUE, 5));
}

/// A release that would pass the maximum changes nothing.
/// Source: ReleaseSemaphore, lReleaseCount; ERROR_TOO_MANY_POSTS.
#[test]
fn count_does_not_pass_its_maximum() {
    let _watch = watch();
    let semaphore = semaphore(1, 3);
    for count in [3, i32::MAX] {
        fails_with((FALSE, 99), ERROR_TOO_MANY_POSTS, || {
            release(semaphore.raw(), count)
        });
    }
    assert_eq!(release(semaphore.raw(), 2), (TRUE, 1));
    fails_with((FALSE, 99), ERROR_TOO_MANY_POSTS, || {
        release(semaphore.raw(), 1)
    });
    let largest = self::semaphore(i32::MAX, i32::MAX);
    fails_with((FALSE, 99), ERROR_TOO_MANY_POSTS, || {
        release(largest.raw(), 1)
    });
}

/// The numbers of a semaphore must make sense.
/// Source: CreateSemaphoreW, lInitialCount and lMaximumCount.
#[test]
fn numbers_of_a_semaphore_must_make_sense() {
    let _watch = watch();
    for (count, max) in [
        (0, 0),
        (2, 1),
        (-1, 1),
        (0, -1),
        (1, 0),
        (i32::MIN, i32::MIN),
    ] {
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || create(count, max));
    }
}

/// A release adds at least one.
/// Source: ReleaseSemaphore, lReleaseCount: "must be greater than zero".
#[test]
fn release_adds_at_least_one() {
    let _watch = watch();
    differs_under_wine("a release of 0 succeeds", || {
        let semaphore = semaphore(1, 3);
        for count in [0, -1, i32::MIN] {
            fails_with((FALSE, 99), ERROR_INVALID_PARAMETER, || {
                release(semaphore.raw(), count)
            });
        }
    });
}

/// Releasing needs a semaphore.
/// Source: ReleaseSemaphore, hSemaphore.
#[test]
fn releasing_needs_a_semaphore() {
    let _watch = watch();
    let (event, thread) = (Event::auto(), current_thread());
    for handle in [null_mut(), GARBAGE_HANDLE, event.raw(), thread.raw()] {
        fails_with((FALSE, 99), ERROR_INVALID_HANDLE, || release(handle, 1));
    }
}

/// A release lets in as many waiters as it adds.
/// Source: ReleaseSemaphore; Semaphore Objects.
#[test]
fn release_lets_in_as_many_as_it_adds() {
    const WAITERS: usize = 5;
    let _watch = watch();
    let (semaphore, back) = (semaphore(0, 10), Port::new(0));
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (semaphore, back) = (semaphore.clone(), back.clone());
            let waiter = spawn(move || {
                assert_eq!(wait(semaphore.raw(), DEADLINE_MS), WAIT_OBJECT_0);
                back.post(packet(0, 0, 0));
            });
            waiter.until_waits();
            waiter
        })
        .collect();
    assert_eq!(release(semaphore.raw(), 2), (TRUE, 0));
    back.take_packet();
    back.take_packet();
    assert_eq!(back.take(SHORT_MS), TIMED_OUT);
    assert_eq!(release(semaphore.raw(), 4), (TRUE, 0));
    for _ in 2..WAITERS {
        back.take_packet();
    }
    join_all(waiters);
    assert_eq!(wait(semaphore.raw(), 0), WAIT_OBJECT_0, "one was left");
    assert_eq!(wait(semaphore.raw(), 0), WAIT_TIMEOUT);
}

/// Among several objects one is taken, of a wait for all one of each.
/// Source: WaitForMultipleObjects, remarks.
#[test]
fn semaphore_among_several_objects() {
    let _watch = watch();
    let (semaphore, event) = (semaphore(2, 2), Event::auto());
    let handles = [event.raw(), semaphore.raw()];
    assert_eq!(wait_many(&handles, true, 0), WAIT_TIMEOUT, "takes nothing");
    assert_eq!(wait_many(&handles, false, 0), WAIT_OBJECT_0 + 1);
    event.set();
    assert_eq!(wait_many(&handles, true, 0), WAIT_OBJECT_0);
    assert_eq!(wait_many(&handles, false, 0), WAIT_TIMEOUT);
}

/// Every creating function makes the same object; there are no flags.
/// Source: CreateSemaphoreA, CreateSemaphoreExW, CreateSemaphoreExA, dwFlags: "must be zero".
#[test]
fn every_way_to_create_gives_a_semaphore() {
    let _watch = watch();
    let access = SEMAPHORE_ALL_ACCESS;
    // SAFETY: no attributes, no name.
    unsafe {
        for made in [
            CreateSemaphoreA(null(), 1, 1, null()),
            CreateSemaphoreExW(null(), 1, 1, null(), 0, access),
            CreateSemaphoreExA(null(), 1, 1, null(), 0, access),
        ] {
            let made = Handle::own(made);
            assert_eq!(wait(made.raw(), 0), WAIT_OBJECT_0);
            assert_eq!(release(made.raw(), 1), (TRUE, 0));
        }
    }
    differs_under_wine("takes any flags", move || {
        // SAFETY: no attributes, no name.
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || unsafe {
            CreateSemaphoreExW(null(), 1, 1, null(), 1, access)
        });
    });
}

/// A semaphore as a pool: never more threads are inside than its maximum.
/// Source: Semaphore Objects.
#[test]
fn no_more_threads_than_the_maximum_are_inside() {
    const THREADS: u64 = 6;
    const MAX: i32 = 3;
    const EACH: usize = 500;
    let _watch = watch();
    let seed = seed();
    let (semaphore, never) = (semaphore(MAX, MAX), Event::auto());
    let inside = Arc::new(AtomicI32::new(0));
    let enter_often = |number| {
        let (semaphore, never, inside) = (semaphore.clone(), never.clone(), Arc::clone(&inside));
        let mut random = Random::new(seed, number);
        spawn(move || {
            for _ in 0..EACH {
                if random.one_in(2) {
                    assert_eq!(wait(semaphore.raw(), DEADLINE_MS), WAIT_OBJECT_0);
                } else {
                    let handles = [never.raw(), semaphore.raw()];
                    assert_eq!(wait_many(&handles, false, DEADLINE_MS), WAIT_OBJECT_0 + 1);
                }
                assert!(inside.fetch_add(1, SeqCst) < MAX);
                inside.fetch_sub(1, SeqCst);
                assert_eq!(release(semaphore.raw(), 1).0, TRUE);
            }
        })
    };
    join_all((0..THREADS).map(enter_often).collect::<Vec<_>>());
    assert_eq!(wait(semaphore.raw(), 0), WAIT_OBJECT_0);
    assert_eq!(release(semaphore.raw(), 1), (TRUE, MAX - 1));
}
