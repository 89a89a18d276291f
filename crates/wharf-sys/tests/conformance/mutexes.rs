//! Mutex objects: owners, recursion, what happens when an owner ends.

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;

#[track_caller]
fn mutex(owned: BOOL) -> Handle {
    // SAFETY: no attributes, no name.
    Handle::own(unsafe { CreateMutexW(null(), owned, null()) })
}

fn release(mutex: &Handle) -> BOOL {
    release_handle(mutex.raw())
}

fn release_handle(mutex: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { ReleaseMutex(mutex) }
}

/// What another thread's wait without time gives; that thread ends after it.
fn wait_elsewhere(mutex: &Handle) -> WAIT_EVENT {
    let mutex = mutex.clone();
    spawn(move || {
        let waited = wait(mutex.raw(), 0);
        if waited == WAIT_OBJECT_0 || waited == WAIT_ABANDONED {
            assert_eq!(release(&mutex), TRUE);
        }
        waited
    })
    .join()
}

/// A thread that takes the mutex and ends without releasing it.
fn abandon(mutex: &Handle) {
    let taken = spawn({
        let mutex = mutex.clone();
        move || wait(mutex.raw(), DEADLINE_MS)
    });
    let thread = taken.handle().clone();
    assert_eq!(taken.join(), WAIT_OBJECT_0);
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
}

/// A mutex belongs to one thread at a time: the one that waited for it, or its creator if wanted.
/// Source: CreateMutexW, bInitialOwner; Mutex Objects.
#[test]
fn mutex_belongs_to_one_thread() {
    let _watch = watch();
    for owned in [mutex(TRUE), mutex(2), {
        let free = mutex(FALSE);
        assert_eq!(wait_elsewhere(&free), WAIT_OBJECT_0);
        assert_eq!(wait(free.raw(), 0), WAIT_OBJECT_0);
        free
    }] {
        assert_eq!(wait_elsewhere(&owned), WAIT_TIMEOUT);
        assert_eq!(leaves_last_error(|| release(&owned)), TRUE);
        assert_eq!(wait_elsewhere(&owned), WAIT_OBJECT_0);
    }
}

/// The owner may take it again, and releases it as often as it took it.
/// Source: Mutex Objects: the owner can specify the same mutex repeatedly.
#[test]
fn owner_releases_as_often_as_it_took() {
    let _watch = watch();
    let (mutex, other) = (mutex(TRUE), Event::manual());
    other.set();
    assert_eq!(wait(mutex.raw(), INFINITE), WAIT_OBJECT_0);
    assert_eq!(
        wait_many(&[mutex.raw(), other.raw()], true, INFINITE),
        WAIT_OBJECT_0
    );
    for _ in 0..3 {
        assert_eq!(wait_elsewhere(&mutex), WAIT_TIMEOUT);
        assert_eq!(release(&mutex), TRUE);
    }
    assert_eq!(wait_elsewhere(&mutex), WAIT_OBJECT_0);
    fails_with(FALSE, ERROR_NOT_OWNER, || release(&mutex));
}

/// Only the owner releases a mutex.
/// Source: ReleaseMutex, ERROR_NOT_OWNER.
#[test]
fn only_the_owner_releases() {
    let _watch = watch();
    let (free, owned) = (mutex(FALSE), mutex(TRUE));
    fails_with(FALSE, ERROR_NOT_OWNER, || release(&free));
    let other = owned.clone();
    spawn(move || fails_with(FALSE, ERROR_NOT_OWNER, || release(&other))).join();
    assert_eq!(release(&owned), TRUE);
}

/// Releasing needs a mutex.
/// Source: ReleaseMutex, hMutex.
#[test]
fn releasing_needs_a_mutex() {
    let _watch = watch();
    let (event, thread) = (Event::auto(), current_thread());
    for handle in [null_mut(), GARBAGE_HANDLE, event.raw(), thread.raw()] {
        fails_with(FALSE, ERROR_INVALID_HANDLE, || release_handle(handle));
    }
    fails_with(FALSE, ERROR_INVALID_HANDLE, || {
        set_event(mutex(FALSE).raw())
    });
}

/// Releasing lets one waiter in.
/// Source: ReleaseMutex; Mutex Objects.
#[test]
fn releasing_lets_one_waiter_in() {
    let _watch = watch();
    let mutex = mutex(TRUE);
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let mutex = mutex.clone();
            let waiter = spawn(move || {
                assert_eq!(wait(mutex.raw(), INFINITE), WAIT_OBJECT_0);
                assert_eq!(release(&mutex), TRUE);
            });
            waiter.until_waits();
            waiter
        })
        .collect();
    assert_eq!(release(&mutex), TRUE);
    join_all(waiters);
    assert_eq!(wait(mutex.raw(), 0), WAIT_OBJECT_0);
    assert_eq!(release(&mutex), TRUE);
}

/// When the owner ends, the next one who waits gets the mutex and is told that it was abandoned; after that it is as any.
/// Source: Mutex Objects, "abandoned"; WaitForSingleObject, WAIT_ABANDONED.
#[test]
fn mutex_of_an_ended_thread_is_abandoned() {
    let _watch = watch();
    let mutex = mutex(FALSE);
    abandon(&mutex);
    assert_eq!(wait(mutex.raw(), DEADLINE_MS), WAIT_ABANDONED);
    assert_eq!(wait(mutex.raw(), 0), WAIT_OBJECT_0, "it is told once");
    assert_eq!(wait_elsewhere(&mutex), WAIT_TIMEOUT, "and owned");
    assert_eq!([release(&mutex), release(&mutex)], [TRUE; 2]);
    assert_eq!(wait_elsewhere(&mutex), WAIT_OBJECT_0);
}

/// The end of the owner ends a wait that is under way, as an abandoned one, also if it had taken the mutex twice.
/// Source: WaitForSingleObject, WAIT_ABANDONED.
#[test]
fn end_of_the_owner_ends_a_wait() {
    let _watch = watch();
    let (mutex, go) = (mutex(FALSE), Event::auto());
    let (thread, _) = create_thread(0, {
        let (mutex, go) = (mutex.clone(), go.clone());
        move || {
            assert_eq!(wait(mutex.raw(), INFINITE), WAIT_OBJECT_0);
            assert_eq!(wait(mutex.raw(), INFINITE), WAIT_OBJECT_0);
            assert!(go.wait(DEADLINE_MS));
            // SAFETY: nothing on this stack needs its destructor.
            unsafe { ExitThread(0) }
        }
    });
    until("the thread takes it", || {
        let free = wait(mutex.raw(), 0) == WAIT_OBJECT_0;
        if free {
            release(&mutex);
        }
        !free
    });
    let waiter = spawn({
        let mutex = mutex.clone();
        move || {
            let waited = wait(mutex.raw(), DEADLINE_MS);
            assert_eq!(release(&mutex), TRUE);
            waited
        }
    });
    waiter.until_waits();
    go.set();
    assert_eq!(waiter.join(), WAIT_ABANDONED);
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    assert_eq!(wait(mutex.raw(), 0), WAIT_OBJECT_0, "released as any");
}

/// Among several objects an abandoned mutex is told by its index; of a wait for all that it was one of them.
/// Source: WaitForMultipleObjects, WAIT_ABANDONED_0.
#[test]
fn abandoned_mutex_is_told_by_its_index() {
    let _watch = watch();
    let (mutexes, event) = ([mutex(FALSE), mutex(FALSE)], Event::auto());
    let handles = [event.raw(), mutexes[0].raw(), mutexes[1].raw()];
    mutexes.iter().for_each(abandon);
    for index in 1..3 {
        assert_eq!(
            wait_many(&handles[index..], false, DEADLINE_MS),
            WAIT_ABANDONED_0
        );
        assert_eq!(release(&mutexes[index - 1]), TRUE);
        abandon(&mutexes[index - 1]);
    }
    assert_eq!(wait_many(&handles, false, 0), WAIT_ABANDONED_0 + 1);
    assert_eq!(release(&mutexes[0]), TRUE);
    assert_eq!(wait_many(&handles, true, 0), WAIT_TIMEOUT);
    event.set();
    assert_eq!(wait_many(&handles, true, 0), WAIT_ABANDONED_0);
    assert_eq!(
        wait_many(&handles[1..], true, 0),
        WAIT_OBJECT_0,
        "all were taken"
    );
    for mutex in mutexes.iter().chain(&mutexes) {
        assert_eq!(release(mutex), TRUE);
    }
    assert!(!event.wait(0));
}

/// A mutex whose last handle its owner closed is nobody's business when the owner ends.
/// Source: CreateMutexW, remarks: the object is destroyed with its last handle.
#[test]
fn closed_mutex_is_not_abandoned() {
    let _watch = watch();
    spawn(|| {
        for _ in 0..100 {
            drop(mutex(TRUE));
        }
    })
    .join();
}

/// A wait for all takes the mutex only with everything else.
/// Source: WaitForMultipleObjects, bWaitAll.
#[test]
fn wait_for_all_takes_the_mutex_last() {
    let _watch = watch();
    let (mutex, event) = (mutex(FALSE), Event::auto());
    let waiter = spawn({
        let (mutex, event) = (mutex.clone(), event.clone());
        move || {
            let waited = wait_many(&[mutex.raw(), event.raw()], true, INFINITE);
            assert_eq!(release(&mutex), TRUE);
            waited
        }
    });
    waiter.until_waits();
    assert_eq!(wait(mutex.raw(), 0), WAIT_OBJECT_0, "it is free meanwhile");
    event.set();
    assert_eq!(release(&mutex), TRUE);
    assert_eq!(waiter.join(), WAIT_OBJECT_0);
}

/// The extended form says the owner in a flag, and refuses others.
/// Source: CreateMutexExW, CreateMutexExA, dwFlags.
#[test]
fn extended_form_says_the_owner_in_a_flag() {
    let _watch = watch();
    let access = MUTEX_ALL_ACCESS;
    // SAFETY: no attributes, no name.
    unsafe {
        let initial = CREATE_MUTEX_INITIAL_OWNER;
        for owned in [
            CreateMutexExW(null(), null(), initial, access),
            CreateMutexExA(null(), null(), initial, access),
            CreateMutexA(null(), TRUE, null()),
        ] {
            let owned = Handle::own(owned);
            assert_eq!(release(&owned), TRUE);
        }
        let free = Handle::own(CreateMutexExW(null(), null(), 0, access));
        fails_with(FALSE, ERROR_NOT_OWNER, || release(&free));
    }
    differs_under_wine("takes any flags", move || {
        // SAFETY: no attributes, no name.
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || unsafe {
            CreateMutexExW(null(), null(), 2, access)
        });
    });
}

/// A mutex as a lock: one thread at a time is inside, whatever the others do meanwhile.
/// Source: Mutex Objects.
#[test]
fn one_thread_at_a_time_owns_the_mutex() {
    const THREADS: u64 = 4;
    const EACH: usize = 500;
    let _watch = watch();
    let seed = seed();
    let (mutexes, never) = ([mutex(FALSE), mutex(FALSE)], Event::auto());
    let inside = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let enter_often = |number| {
        let (mutexes, never, inside) = (mutexes.clone(), never.clone(), Arc::clone(&inside));
        let mut random = Random::new(seed, number);
        spawn(move || {
            for _ in 0..EACH {
                let which = random.below(2) as usize;
                let one = mutexes[which].raw();
                let both = random.one_in(3);
                let waited = if both {
                    wait_many(&[one, mutexes[1 - which].raw()], true, DEADLINE_MS)
                } else {
                    wait_many(&[never.raw(), one], false, DEADLINE_MS) - 1
                };
                assert_eq!(waited, WAIT_OBJECT_0);
                let held = if both {
                    vec![which, 1 - which]
                } else {
                    vec![which]
                };
                for which in &held {
                    assert_eq!(inside[*which].fetch_add(1, SeqCst), 0);
                }
                for which in held {
                    inside[which].fetch_sub(1, SeqCst);
                    assert_eq!(release(&mutexes[which]), TRUE);
                }
            }
        })
    };
    join_all((0..THREADS).map(enter_often).collect::<Vec<_>>());
}
