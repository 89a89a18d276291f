//! Names of objects: one space for events, mutexes, semaphores and timers; opening, and signalling through names.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::window::wide;

/// A name no other test and no other run uses.
fn unique_name(test: &str) -> String {
    format!("wharf-{}-object-{test}", std::process::id())
}

/// Creates one of the four kinds with that name.
fn create(kind: usize, name: &str) -> HANDLE {
    let name = wide(name);
    let name = name.as_ptr();
    // SAFETY: the name ends with a zero.
    unsafe {
        match kind {
            0 => CreateEventW(null(), TRUE, FALSE, name),
            1 => CreateMutexW(null(), FALSE, name),
            2 => CreateSemaphoreW(null(), 1, 1, name),
            _ => CreateWaitableTimerW(null(), TRUE, name),
        }
    }
}

/// Opens one of the four kinds with that name.
fn open(kind: usize, name: &str) -> HANDLE {
    let name = wide(name);
    let name = name.as_ptr();
    // SAFETY: the name ends with a zero.
    unsafe {
        match kind {
            0 => OpenEventW(EVENT_ALL_ACCESS, FALSE, name),
            1 => OpenMutexW(MUTEX_ALL_ACCESS, FALSE, name),
            2 => OpenSemaphoreW(SEMAPHORE_ALL_ACCESS, FALSE, name),
            _ => OpenWaitableTimerW(TIMER_ALL_ACCESS, FALSE, name),
        }
    }
}

const KINDS: [usize; 4] = [0, 1, 2, 3];

/// Creating an object whose name exists opens it and says so; a new name sets the last error to 0.
/// Source: CreateMutexW, CreateSemaphoreW, CreateWaitableTimerW, CreateEventW, return value.
#[test]
fn creating_an_existing_name_opens_it() {
    let _watch = watch();
    for kind in KINDS {
        let name = unique_name(&format!("existing-{kind}"));
        set_last_error(UNTOUCHED);
        let first = Handle::own(create(kind, &name));
        assert_eq!(last_error(), ERROR_SUCCESS);
        let second = Handle::own(create(kind, &name));
        assert_eq!(last_error(), ERROR_ALREADY_EXISTS);
        assert_ne!(first.raw(), second.raw());
        first.close();
        second.close();
        set_last_error(UNTOUCHED);
        Handle::own(create(kind, &name));
        assert_eq!(last_error(), ERROR_SUCCESS, "the name was free again");
    }
}

/// Opening gives a handle of the object that has the name.
/// Source: OpenEventW, OpenMutexW, OpenSemaphoreW, OpenWaitableTimerW.
#[test]
fn opening_finds_an_object_by_its_name() {
    let _watch = watch();
    for kind in KINDS {
        let name = unique_name(&format!("open-{kind}"));
        fails_with(null_mut(), ERROR_FILE_NOT_FOUND, || open(kind, &name));
        let first = Handle::own(create(kind, &name));
        let second = Handle::own(open(kind, &name));
        assert_ne!(first.raw(), second.raw());
        fails_with(null_mut(), ERROR_FILE_NOT_FOUND, || {
            open(kind, &name.to_uppercase())
        });
    }
    let name = unique_name("open-a");
    let zero_terminated = format!("{name}\0");
    let event = Handle::own(create(0, &name));
    let timer = Handle::own(create(3, &format!("{name}-t")));
    let timer_name = format!("{name}-t\0");
    // SAFETY: the names end with zeroes.
    unsafe {
        let opened = OpenEventA(EVENT_ALL_ACCESS, FALSE, zero_terminated.as_ptr());
        let opened = Handle::own(opened);
        assert_eq!(set_event(opened.raw()), TRUE);
        assert_eq!(wait(event.raw(), 0), WAIT_OBJECT_0);
        let access = TIMER_ALL_ACCESS;
        Handle::own(OpenWaitableTimerA(access as _, FALSE, timer_name.as_ptr()));
    }
    drop(timer);
}

/// Opening needs a name.
/// Source: OpenEventW, OpenMutexW, OpenSemaphoreW, lpName.
#[test]
fn opening_needs_a_name() {
    let _watch = watch();
    // SAFETY: null is what is tested.
    unsafe {
        let code = ERROR_INVALID_PARAMETER;
        fails_with(null_mut(), code, || OpenEventW(0, FALSE, null()));
        fails_with(null_mut(), code, || OpenMutexW(0, FALSE, null()));
        fails_with(null_mut(), code, || OpenSemaphoreW(0, FALSE, null()));
    }
}

/// A name that an object of another kind has is no name for this kind.
/// Source: CreateEventW, lpName: "the function fails" with ERROR_INVALID_HANDLE; likewise the others.
#[test]
fn kinds_share_one_space_of_names() {
    let _watch = watch();
    for kind in KINDS {
        let name = unique_name(&format!("kinds-{kind}"));
        let _object = Handle::own(create(kind, &name));
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            fails_with(null_mut(), ERROR_INVALID_HANDLE, || create(other, &name));
            fails_with(null_mut(), ERROR_INVALID_HANDLE, || open(other, &name));
        }
    }
}

/// `Local\` before a name changes nothing; no other backslash may be in a name.
/// Source: CreateEventW, lpName; Kernel object namespaces.
#[test]
fn backslashes_belong_to_namespaces() {
    let _watch = watch();
    let name = unique_name("namespace");
    let first = Handle::own(create(0, &name));
    assert_eq!(set_event(first.raw()), TRUE);
    let second = Handle::own(create(0, &format!("Local\\{name}")));
    assert_eq!(last_error(), ERROR_ALREADY_EXISTS);
    assert_eq!(wait(second.raw(), 0), WAIT_OBJECT_0);
    Handle::own(create(0, &format!("Global\\{name}-g")));
    for kind in KINDS {
        fails_with(null_mut(), ERROR_PATH_NOT_FOUND, || {
            create(kind, &format!("no-such\\{name}"))
        });
    }
}

/// The mutex of a name is one object: the owner is the thread, whichever handle it used.
/// Source: CreateMutexW, remarks; bInitialOwner is ignored for a name that exists.
#[test]
fn named_mutex_is_one_object() {
    let _watch = watch();
    let name = unique_name("mutex-one");
    let first = Handle::own(create(1, &name));
    let name = wide(&name);
    // SAFETY: the name ends with a zero.
    unsafe {
        let second = Handle::own(CreateMutexW(null(), TRUE, name.as_ptr()));
        assert_eq!(last_error(), ERROR_ALREADY_EXISTS);
        fails_with(FALSE, ERROR_NOT_OWNER, || ReleaseMutex(second.raw()));
        assert_eq!(wait(second.raw(), 0), WAIT_OBJECT_0);
        assert_eq!(ReleaseMutex(first.raw()), TRUE);
    }
}

// ---------------------------------------------------------------------------------------------------------
// More of events
// ---------------------------------------------------------------------------------------------------------

/// The extended form says kind and state in flags, and refuses others.
/// Source: CreateEventExW, CreateEventExA, dwFlags.
#[test]
fn extended_form_says_kind_and_state_in_flags() {
    let _watch = watch();
    let (manual, set) = (CREATE_EVENT_MANUAL_RESET, CREATE_EVENT_INITIAL_SET);
    for flags in [0, manual, set, manual | set] {
        // SAFETY: no attributes, no name.
        let events = unsafe {
            [
                CreateEventExW(null(), null(), flags, EVENT_ALL_ACCESS),
                CreateEventExA(null(), null(), flags, EVENT_ALL_ACCESS),
            ]
        };
        for event in events.map(Handle::own) {
            assert_eq!(wait(event.raw(), 0) == WAIT_OBJECT_0, flags & set != 0);
            assert_eq!(set_event(event.raw()), TRUE);
            assert_eq!(wait(event.raw(), 0), WAIT_OBJECT_0);
            assert_eq!(wait(event.raw(), 0) == WAIT_OBJECT_0, flags & manual != 0);
        }
    }
    differs_under_wine("takes any flags", || {
        // SAFETY: no attributes, no name.
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || unsafe {
            CreateEventExW(null(), null(), 4, EVENT_ALL_ACCESS)
        });
    });
}

fn pulse(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { PulseEvent(event) }
}

/// PulseEvent releases who waits, one for an auto-reset event, and leaves no signal.
/// Source: PulseEvent, remarks.
#[test]
fn pulse_releases_who_waits_now() {
    let _watch = watch();
    let (manual, auto) = (Event::manual(), Event::auto());
    for event in [&manual, &auto] {
        assert_eq!(leaves_last_error(|| pulse(event.raw())), TRUE);
        assert!(!event.wait(0));
        event.set();
        assert_eq!(pulse(event.raw()), TRUE);
        assert!(!event.wait(0), "a signal is taken back");
    }
    let start = |event: &Event| {
        let event = event.clone();
        let waiter = spawn(move || event.wait(DEADLINE_MS));
        waiter.until_waits();
        waiter
    };
    let waiters = [start(&manual), start(&manual), start(&manual)];
    assert_eq!(pulse(manual.raw()), TRUE);
    assert_eq!(join_all(waiters), [true; 3]);

    let back = Port::new(0);
    let waiters = [0; 2].map(|_| {
        let (auto, back) = (auto.clone(), back.clone());
        let waiter = spawn(move || {
            assert!(auto.wait(DEADLINE_MS));
            back.post(packet(0, 0, 0));
        });
        waiter.until_waits();
        waiter
    });
    assert_eq!(pulse(auto.raw()), TRUE);
    back.take_packet();
    assert_eq!(back.take(SHORT_MS), TIMED_OUT);
    assert_eq!(pulse(auto.raw()), TRUE);
    back.take_packet();
    join_all(waiters);
    for handle in [null_mut(), GARBAGE_HANDLE, back.raw()] {
        fails_with(FALSE, ERROR_INVALID_HANDLE, || pulse(handle));
    }
}

// ---------------------------------------------------------------------------------------------------------
// SignalObjectAndWait
// ---------------------------------------------------------------------------------------------------------

fn signal_and_wait(signal: HANDLE, wait: HANDLE, timeout_ms: u32, alertable: BOOL) -> WAIT_EVENT {
    // SAFETY: handles are looked up, not followed.
    unsafe { SignalObjectAndWait(signal, wait, timeout_ms, alertable) }
}

/// It sets an event, releases a mutex or a semaphore, and then waits; both may be one object.
/// Source: SignalObjectAndWait.
#[test]
fn signal_comes_before_the_wait() {
    let _watch = watch();
    let (event, other) = (Event::auto(), Event::auto());
    assert_eq!(
        leaves_last_error(|| signal_and_wait(event.raw(), other.raw(), SHORT_MS, FALSE)),
        WAIT_TIMEOUT
    );
    assert!(event.wait(0));
    assert_eq!(
        signal_and_wait(event.raw(), event.raw(), INFINITE, FALSE),
        WAIT_OBJECT_0
    );
    assert!(!event.wait(0));
    // SAFETY: no attributes, no names.
    let (mutex, semaphore) = unsafe {
        (
            Handle::own(CreateMutexW(null(), TRUE, null())),
            Handle::own(CreateSemaphoreW(null(), 0, 1, null())),
        )
    };
    other.set();
    assert_eq!(
        signal_and_wait(mutex.raw(), other.raw(), 0, FALSE),
        WAIT_OBJECT_0
    );
    let (owner, elsewhere) = (mutex.clone(), mutex.clone());
    let free = spawn(move || wait(elsewhere.raw(), 0)).join();
    assert_eq!(free, WAIT_OBJECT_0, "it was released");
    assert_eq!(
        signal_and_wait(semaphore.raw(), semaphore.raw(), 0, FALSE),
        WAIT_OBJECT_0
    );
    // The mutex was abandoned by the thread above.
    assert_eq!(
        signal_and_wait(semaphore.raw(), owner.raw(), DEADLINE_MS, FALSE),
        WAIT_ABANDONED
    );
    assert_eq!(wait(semaphore.raw(), 0), WAIT_OBJECT_0);
}

/// What cannot be signalled, or not now, fails the call before it waits.
/// Source: SignalObjectAndWait, return value; validated on Windows 10.
#[test]
fn signal_that_fails_ends_the_call() {
    let _watch = watch();
    let (signalled, thread) = (Event::auto(), current_thread());
    signalled.set();
    let invalid = ERROR_INVALID_HANDLE;
    for bad in [null_mut(), GARBAGE_HANDLE, thread.raw()] {
        fails_with(WAIT_FAILED, invalid, || {
            signal_and_wait(bad, signalled.raw(), 0, FALSE)
        });
    }
    let untouched = Event::auto();
    for bad in [null_mut(), GARBAGE_HANDLE] {
        fails_with(WAIT_FAILED, invalid, || {
            signal_and_wait(untouched.raw(), bad, 0, FALSE)
        });
    }
    assert!(
        !untouched.wait(0),
        "nothing is signalled for a wait that cannot be"
    );
    // SAFETY: no attributes, no names.
    let (mutex, semaphore) = unsafe {
        (
            Handle::own(CreateMutexW(null(), FALSE, null())),
            Handle::own(CreateSemaphoreW(null(), 1, 1, null())),
        )
    };
    fails_with(WAIT_FAILED, ERROR_TOO_MANY_POSTS, || {
        signal_and_wait(semaphore.raw(), signalled.raw(), 0, FALSE)
    });
    fails_with(WAIT_FAILED, ERROR_NOT_OWNER, || {
        signal_and_wait(mutex.raw(), signalled.raw(), 0, FALSE)
    });
    assert!(signalled.wait(0), "nothing was waited for");
}

/// An alertable wait runs APCs, after the signal.
/// Source: SignalObjectAndWait, bAlertable.
#[test]
fn signal_and_wait_can_be_alertable() {
    let _watch = watch();
    let (event, never) = (Event::auto(), Event::auto());
    assert_ne!(queue_apc(current_thread().raw(), || ()), 0);
    assert_eq!(
        signal_and_wait(event.raw(), never.raw(), SHORT_MS, FALSE),
        WAIT_TIMEOUT
    );
    assert_eq!(
        signal_and_wait(event.raw(), never.raw(), INFINITE, TRUE),
        WAIT_IO_COMPLETION
    );
    assert!(event.wait(0));
}

/// Two threads hand a turn to each other.
/// Source: SignalObjectAndWait, remarks.
#[test]
fn threads_hand_a_turn_to_each_other() {
    const ROUNDS: usize = 2_000;
    let _watch = watch();
    let turns = [Event::auto(), Event::auto()];
    let other = spawn({
        let turns = turns.clone();
        move || {
            assert!(turns[1].wait(DEADLINE_MS));
            for _ in 1..ROUNDS {
                let waited = signal_and_wait(turns[0].raw(), turns[1].raw(), DEADLINE_MS, FALSE);
                assert_eq!(waited, WAIT_OBJECT_0);
            }
            turns[0].set();
        }
    });
    for _ in 0..ROUNDS {
        let waited = signal_and_wait(turns[1].raw(), turns[0].raw(), DEADLINE_MS, FALSE);
        assert_eq!(waited, WAIT_OBJECT_0);
    }
    other.join();
}
