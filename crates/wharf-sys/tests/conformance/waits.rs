//! Waiting for objects: one, any or all of several, alertable or not, with and without a time limit.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;

/// The most objects that one wait takes (MAXIMUM_WAIT_OBJECTS).
const OBJECTS_MAX: usize = 64;

fn wait_many_alertable(handles: &[HANDLE], all: bool, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: the array has that many handles.
    unsafe {
        WaitForMultipleObjectsEx(
            handles.len() as u32,
            handles.as_ptr(),
            all.into(),
            timeout_ms,
            TRUE,
        )
    }
}

fn raw<const N: usize>(events: &[Event; N]) -> [HANDLE; N] {
    std::array::from_fn(|index| events[index].raw())
}

// ---------------------------------------------------------------------------------------------------------
// One object
// ---------------------------------------------------------------------------------------------------------

/// A wait consumes the signal of an auto-reset event and leaves that of a manual-reset one.
/// Source: WaitForSingleObject, remarks.
#[test]
fn wait_consumes_an_auto_reset_event_only() {
    let _watch = watch();
    let (auto, manual) = (Event::auto(), Event::manual());
    auto.set();
    manual.set();
    assert!(auto.wait(0) && manual.wait(0));
    assert!(!auto.wait(0));
    assert!(manual.wait(0) && manual.wait(INFINITE));
}

/// A time-out is a result, not an error: the last error stays.
/// Source: WaitForSingleObject, return value.
#[test]
fn time_out_is_no_error() {
    let _watch = watch();
    let event = Event::auto();
    for timeout_ms in [0, SHORT_MS] {
        assert_eq!(
            leaves_last_error(|| wait(event.raw(), timeout_ms)),
            WAIT_TIMEOUT
        );
        assert_eq!(
            leaves_last_error(|| wait_alertable(event.raw(), timeout_ms)),
            WAIT_TIMEOUT
        );
        let many = [event.raw(), event.raw()];
        assert_eq!(
            leaves_last_error(|| wait_many(&many, false, timeout_ms)),
            WAIT_TIMEOUT
        );
    }
    event.set();
    assert_eq!(leaves_last_error(|| wait(event.raw(), 0)), WAIT_OBJECT_0);
}

/// A wait does not end before its time.
/// Source: Wait Functions, "Wait Functions and Time-out Intervals".
#[test]
fn time_out_is_not_early() {
    let _watch = watch();
    let (event, other) = (Event::auto(), Event::auto());
    let waits: [&dyn Fn() -> WAIT_EVENT; 3] = [
        &|| wait(event.raw(), SHORT_MS),
        &|| wait_many(&[event.raw(), other.raw()], false, SHORT_MS),
        &|| wait_many(&[event.raw(), other.raw()], true, SHORT_MS),
    ];
    for wait in waits {
        let start = Instant::now();
        assert_eq!(wait(), WAIT_TIMEOUT);
        assert!(
            start.elapsed() >= Duration::from_millis(u64::from(SHORT_MS) - 1),
            "{:?}",
            start.elapsed()
        );
    }
}

/// Setting an event ends a wait that is under way.
/// Source: SetEvent; WaitForSingleObject, dwMilliseconds INFINITE.
#[test]
fn setting_an_event_ends_a_wait() {
    let _watch = watch();
    for event in [Event::auto(), Event::manual()] {
        let waiter = spawn({
            let event = event.clone();
            move || wait(event.raw(), INFINITE)
        });
        waiter.until_waits();
        event.set();
        assert_eq!(waiter.join(), WAIT_OBJECT_0);
    }
}

/// A handle that cannot be waited for fails the wait.
/// Source: WaitForSingleObject, return value WAIT_FAILED.
#[test]
fn waiting_needs_an_object() {
    let _watch = watch();
    for handle in [null_mut(), GARBAGE_HANDLE] {
        fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || wait(handle, 0));
        fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || {
            wait_alertable(handle, 0)
        });
    }
}

/// A completion port is waited for by GetQueuedCompletionStatus only.
/// Source: Wait Functions, the list of objects that can be waited for (ports are not in it).
#[test]
fn port_is_no_object_of_a_wait() {
    let _watch = watch();
    linux_only(
        "Windows' kernel can wait for a port, but does not document it",
        || {
            let port = Port::new(0);
            port.post(packet(1, 2, 3));
            fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || wait(port.raw(), 0));
            fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || {
                wait_many(&[port.raw()], false, 0)
            });
            assert_eq!(port.take(0), Taken::Packet(packet(1, 2, 3)));
        },
    );
}

/// The pseudo handles of the current process and thread can be waited for.
/// Source: WaitForSingleObject; GetCurrentThread, remarks.
#[test]
fn pseudo_handles_are_waited_for_alone() {
    let _watch = watch();
    for pseudo in pseudo_handles() {
        assert_eq!(wait(pseudo, 0), WAIT_TIMEOUT);
        assert_eq!(wait_alertable(pseudo, 0), WAIT_TIMEOUT);
    }
}

/// The pseudo handles cannot be waited for among several, not even alone among them.
/// Source: WaitForMultipleObjects; validated on Windows 10.
#[test]
fn pseudo_handles_are_not_among_several() {
    let _watch = watch();
    differs_under_wine("takes pseudo handles among several", || {
        for pseudo in pseudo_handles() {
            fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || {
                wait_many(&[pseudo], false, 0)
            });
        }
    });
}

fn pseudo_handles() -> [HANDLE; 2] {
    // SAFETY: no preconditions.
    unsafe { [GetCurrentThread(), GetCurrentProcess()] }
}

// ---------------------------------------------------------------------------------------------------------
// Any of several
// ---------------------------------------------------------------------------------------------------------

/// Of several signalled objects the one with the lowest index ends the wait, and only that is consumed.
/// Source: WaitForMultipleObjects, return value.
#[test]
fn lowest_signalled_object_is_taken_alone() {
    let _watch = watch();
    let events: [Event; 4] = std::array::from_fn(|_| Event::auto());
    let handles = raw(&events);
    [3, 1, 2]
        .into_iter()
        .for_each(|index: usize| events[index].set());
    for expected in 1..4 {
        assert_eq!(wait_many(&handles, false, 0), WAIT_OBJECT_0 + expected);
    }
    assert_eq!(wait_many(&handles, false, 0), WAIT_TIMEOUT);
}

/// Manual-reset events stay signalled: the lowest one is returned again and again.
/// Source: WaitForMultipleObjects, return value.
#[test]
fn manual_reset_event_hides_those_behind_it() {
    let _watch = watch();
    let events = [Event::auto(), Event::manual(), Event::manual()];
    events[1].set();
    events[2].set();
    for _ in 0..3 {
        assert_eq!(wait_many(&raw(&events), false, 0), WAIT_OBJECT_0 + 1);
    }
    events[1].reset();
    assert_eq!(wait_many(&raw(&events), false, 0), WAIT_OBJECT_0 + 2);
}

/// Any of the objects ends a wait that is under way, and the others are left alone.
/// Source: WaitForMultipleObjects, bWaitAll FALSE.
#[test]
fn any_object_ends_a_wait() {
    let _watch = watch();
    for index in 0..3 {
        let events: [Event; 3] = std::array::from_fn(|_| Event::auto());
        let waiter = spawn({
            let events = events.clone();
            move || wait_many(&raw(&events), false, INFINITE)
        });
        waiter.until_waits();
        events[index].set();
        assert_eq!(waiter.join(), WAIT_OBJECT_0 + index as u32);
        assert!(!events[index].wait(0), "consumed");
    }
}

/// A wait that ended no longer consumes: an event it watched and did not get keeps its next signal.
/// Source: WaitForMultipleObjects, remarks.
#[test]
fn ended_wait_consumes_nothing_more() {
    let _watch = watch();
    let events = [Event::auto(), Event::auto()];
    for _ in 0..200 {
        let waiter = spawn({
            let events = events.clone();
            move || wait_many(&raw(&events), false, INFINITE)
        });
        events[0].set();
        assert_eq!(waiter.join(), WAIT_OBJECT_0);
        events[1].set();
        assert!(events[1].wait(0));
    }
}

/// One wait takes up to 64 objects.
/// Source: WaitForMultipleObjects, nCount and MAXIMUM_WAIT_OBJECTS.
#[test]
fn one_wait_takes_up_to_64_objects() {
    let _watch = watch();
    let events: [Event; OBJECTS_MAX] = std::array::from_fn(|_| Event::auto());
    let handles = raw(&events);
    events[OBJECTS_MAX - 1].set();
    assert_eq!(
        wait_many(&handles, false, 0),
        WAIT_OBJECT_0 + OBJECTS_MAX as u32 - 1
    );
    events.iter().for_each(Event::set);
    assert_eq!(wait_many(&handles, true, 0), WAIT_OBJECT_0);
}

/// No object, or more than 64, is refused.
/// Source: WaitForMultipleObjects, nCount.
#[test]
fn no_object_or_too_many_are_refused() {
    let _watch = watch();
    let event = Event::auto();
    let too_many = vec![event.raw(); OBJECTS_MAX + 1];
    for all in [false, true] {
        for handles in [&[], &too_many[..]] {
            fails_with(WAIT_FAILED, ERROR_INVALID_PARAMETER, || {
                wait_many(handles, all, 0)
            });
            fails_with(WAIT_FAILED, ERROR_INVALID_PARAMETER, || {
                wait_many_alertable(handles, all, 0)
            });
        }
    }
}

/// One bad handle among several fails the wait, and nothing is consumed.
/// Source: WaitForMultipleObjects, return value WAIT_FAILED.
#[test]
fn one_bad_handle_fails_the_whole_wait() {
    let _watch = watch();
    let event = Event::auto();
    event.set();
    for bad in [null_mut(), GARBAGE_HANDLE] {
        for all in [false, true] {
            fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || {
                wait_many(&[event.raw(), bad], all, 0)
            });
            fails_with(WAIT_FAILED, ERROR_INVALID_HANDLE, || {
                wait_many(&[bad, event.raw()], all, 0)
            });
        }
    }
    assert!(event.wait(0));
}

// ---------------------------------------------------------------------------------------------------------
// All of several
// ---------------------------------------------------------------------------------------------------------

/// Waiting for all consumes nothing until all are signalled at once, and then all of them.
/// Source: WaitForMultipleObjects, bWaitAll TRUE and remarks.
#[test]
fn all_are_consumed_together_or_not_at_all() {
    let _watch = watch();
    let events = [Event::auto(), Event::auto(), Event::manual()];
    events[0].set();
    events[2].set();
    assert_eq!(wait_many(&raw(&events), true, SHORT_MS), WAIT_TIMEOUT);
    assert!(events[0].wait(0), "not consumed by the wait that timed out");

    events[0].set();
    events[1].set();
    assert_eq!(wait_many(&raw(&events), true, 0), WAIT_OBJECT_0);
    assert!(!events[0].wait(0) && !events[1].wait(0) && events[2].wait(0));
}

/// A wait for all that is under way leaves a signalled object to others until the rest is signalled too.
/// Source: WaitForMultipleObjects, remarks: the states are not modified until all are signalled.
#[test]
fn waiting_for_all_reserves_nothing() {
    let _watch = watch();
    let events = [Event::auto(), Event::auto()];
    let waiter = spawn({
        let events = events.clone();
        move || wait_many(&raw(&events), true, INFINITE)
    });
    waiter.until_waits();
    events[0].set();
    assert!(events[0].wait(0), "taken by another thread");
    events[1].set();
    events[0].set();
    assert_eq!(waiter.join(), WAIT_OBJECT_0);
    assert!(!events[0].wait(0) && !events[1].wait(0));
}

/// The same object twice in a wait for all is refused.
/// Source: WaitForMultipleObjects, lpHandles: no multiple copies of the same handle.
#[test]
fn same_object_twice_cannot_be_waited_for_at_once() {
    let _watch = watch();
    differs_under_wine("takes the same handle twice", || {
        let event = Event::manual();
        event.set();
        let twice = [event.raw(), event.raw()];
        fails_with(WAIT_FAILED, ERROR_INVALID_PARAMETER, || {
            wait_many(&twice, true, 0)
        });
    });
}

/// Two threads that each need both of two events: what is set once is consumed by exactly one of them.
/// Source: WaitForMultipleObjects, remarks.
#[test]
fn waits_for_all_are_atomic() {
    const ROUNDS: usize = 2_000;
    let _watch = watch();
    let events = [Event::auto(), Event::auto()];
    let taken = Arc::new(AtomicUsize::new(0));
    let take_both = |reversed: bool| {
        let (events, taken) = (events.clone(), Arc::clone(&taken));
        spawn(move || {
            let mut handles = raw(&events);
            if reversed {
                handles.reverse();
            }
            while taken.load(SeqCst) < ROUNDS {
                if wait_many(&handles, true, 1) == WAIT_OBJECT_0 {
                    taken.fetch_add(1, SeqCst);
                }
            }
        })
    };
    let threads = [take_both(false), take_both(true)];
    for round in 0..ROUNDS {
        let (first, second) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        events[first].set();
        events[second].set();
        compute_until("one of the threads takes both", || {
            thread::yield_now();
            taken.load(SeqCst) > round
        });
        assert_eq!(taken.load(SeqCst), round + 1);
    }
    join_all(threads);
}

// ---------------------------------------------------------------------------------------------------------
// Alertable waits
// ---------------------------------------------------------------------------------------------------------

/// The alertable waits for an event, each of which must answer as the others.
fn alertable_waits(
    event: &Event,
    other: &Event,
    timeout_ms: u32,
) -> [Box<dyn Fn() -> WAIT_EVENT + Send>; 3] {
    let (one, two) = ([event.clone()], [event.clone(), other.clone()]);
    let both = two.clone();
    [
        Box::new(move || wait_alertable(one[0].raw(), timeout_ms)),
        Box::new(move || wait_many_alertable(&raw(&two), false, timeout_ms)),
        Box::new(move || wait_many_alertable(&raw(&both), true, timeout_ms)),
    ]
}

/// An alertable wait with nothing signalled runs every queued APC, those too that an APC queues, and ends
/// with WAIT_IO_COMPLETION.
/// Source: WaitForSingleObjectEx, WaitForMultipleObjectsEx, bAlertable.
#[test]
fn alertable_wait_runs_all_queued_apcs() {
    let _watch = watch();
    let (event, other) = (Event::auto(), Event::auto());
    for timeout_ms in [0, INFINITE] {
        for wait in alertable_waits(&event, &other, timeout_ms) {
            let runs = Arc::new(AtomicU32::new(0));
            for _ in 0..2 {
                let runs = Arc::clone(&runs);
                let again = move || {
                    let inner = Arc::clone(&runs);
                    runs.fetch_add(1, SeqCst);
                    assert_ne!(
                        queue_apc(current_thread().raw(), move || add_ten(&inner)),
                        0
                    );
                };
                assert_ne!(queue_apc(current_thread().raw(), again), 0);
            }
            assert_eq!(wait(), WAIT_IO_COMPLETION);
            assert_eq!(runs.load(SeqCst), 22);
        }
    }
}

fn add_ten(number: &AtomicU32) {
    number.fetch_add(10, SeqCst);
}

/// An APC ends an alertable wait that is under way, in the thread that waits; the objects are not consumed.
/// Source: QueueUserAPC, remarks.
#[test]
fn apc_ends_an_alertable_wait() {
    let _watch = watch();
    for kind in 0..3 {
        let (event, other) = (Event::auto(), Event::auto());
        let ran_in = Arc::new(AtomicU32::new(0));
        let wait = alertable_waits(&event, &other, INFINITE)
            .into_iter()
            .nth(kind)
            .expect("a kind");
        let waiter = spawn(wait);
        waiter.until_waits();
        let ran_in_apc = Arc::clone(&ran_in);
        let apc = move || ran_in_apc.store(current_thread_id(), SeqCst);
        assert_ne!(queue_apc(waiter.handle().raw(), apc), 0);
        let thread_id = waiter.id();
        assert_eq!(waiter.join(), WAIT_IO_COMPLETION);
        assert_eq!(ran_in.load(SeqCst), thread_id);
        event.set();
        assert!(event.wait(0), "not consumed");
    }
}

/// The wait answers WAIT_IO_COMPLETION even when the APC itself signalled the object, which stays signalled.
/// Source: WaitForSingleObjectEx, return value; validated on Windows 10.
#[test]
fn apc_that_signals_the_object_still_ends_the_wait() {
    let _watch = watch();
    let (event, other) = (Event::auto(), Event::auto());
    for wait in alertable_waits(&event, &other, INFINITE) {
        let (event_set, other_set) = (event.clone(), other.clone());
        let signal = move || {
            event_set.set();
            other_set.set();
        };
        assert_ne!(queue_apc(current_thread().raw(), signal), 0);
        assert_eq!(wait(), WAIT_IO_COMPLETION);
        assert!(event.wait(0) && other.wait(0));
    }
}

/// A signalled object wins over pending APCs, which stay queued.
/// Source: WaitForSingleObjectEx, remarks.
#[test]
fn signalled_object_wins_over_pending_apcs() {
    let _watch = watch();
    let (event, other) = (Event::manual(), Event::manual());
    event.set();
    other.set();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    assert_ne!(
        queue_apc(current_thread().raw(), move || add_ten(&counted)),
        0
    );
    for wait in alertable_waits(&event, &other, INFINITE) {
        assert_eq!((wait(), runs.load(SeqCst)), (WAIT_OBJECT_0, 0));
    }
    assert_eq!(
        (sleep_alertable(0), runs.load(SeqCst)),
        (WAIT_IO_COMPLETION, 10)
    );
}

/// Waits that are not alertable run no APC and are not ended by one.
/// Source: Asynchronous Procedure Calls, "alertable state".
#[test]
fn plain_waits_run_no_apc() {
    let _watch = watch();
    let (event, never) = (Event::auto(), Event::auto());
    let start = Arc::new(AtomicBool::new(false));
    let waiter = spawn({
        let (event, never) = (event.clone(), never.clone());
        let start = Arc::clone(&start);
        move || {
            compute_until("the APC is queued", || start.load(SeqCst));
            assert_eq!(wait(never.raw(), SHORT_MS), WAIT_TIMEOUT);
            assert_eq!(wait_many(&[never.raw()], false, SHORT_MS), WAIT_TIMEOUT);
            sleep(SHORT_MS);
            assert_eq!(wait(event.raw(), INFINITE), WAIT_OBJECT_0);
            sleep_alertable(0)
        }
    });
    assert_ne!(queue_apc(waiter.handle().raw(), || ()), 0);
    start.store(true, SeqCst);
    waiter.until_waits();
    event.set();
    assert_eq!(
        waiter.join(),
        WAIT_IO_COMPLETION,
        "the APC was still queued"
    );
}

// ---------------------------------------------------------------------------------------------------------
// Waiting for the result of an operation
// ---------------------------------------------------------------------------------------------------------

/// An operation that did not finish, with that event.
fn pending(event: HANDLE) -> OVERLAPPED {
    OVERLAPPED {
        Internal: STATUS_PENDING as usize,
        InternalHigh: 7,
        hEvent: event,
        ..Default::default()
    }
}

/// The result, the last error and the count (preset to 99) of GetOverlappedResultEx.
fn result_within(overlapped: &OVERLAPPED, timeout_ms: u32, alertable: BOOL) -> (BOOL, u32, u32) {
    let mut bytes = 99;
    set_last_error(UNTOUCHED);
    // SAFETY: both live through the call.
    let result = unsafe {
        GetOverlappedResultEx(
            GARBAGE_HANDLE,
            overlapped,
            &mut bytes,
            timeout_ms,
            alertable,
        )
    };
    (result, last_error(), bytes)
}

/// The event ends the wait for a result, which then is a success even if the status still says pending.
/// Source: GetOverlappedResult, bWait; validated on Windows 10.
#[test]
fn event_ends_the_wait_for_a_result() {
    let _watch = watch();
    let event = Event::manual();
    let waiter = spawn({
        let event = event.clone();
        move || {
            let (overlapped, mut bytes) = (pending(event.raw()), 99);
            // SAFETY: both live through the call.
            let result =
                unsafe { GetOverlappedResult(GARBAGE_HANDLE, &overlapped, &mut bytes, TRUE) };
            (result, bytes)
        }
    });
    waiter.until_waits();
    event.set();
    assert_eq!(waiter.join(), (TRUE, 7));
}

/// Without time to wait a pending operation is ERROR_IO_INCOMPLETE; after a time-out it is WAIT_TIMEOUT.
/// The count is left alone.
/// Source: GetOverlappedResultEx, dwMilliseconds.
#[test]
fn result_of_a_pending_operation_is_incomplete_or_late() {
    let _watch = watch();
    let event = Event::manual();
    let overlapped = pending(event.raw());
    for alertable in [FALSE, TRUE] {
        assert_eq!(
            result_within(&overlapped, 0, alertable),
            (FALSE, ERROR_IO_INCOMPLETE, 99)
        );
        assert_eq!(
            result_within(&overlapped, SHORT_MS, alertable),
            (FALSE, WAIT_TIMEOUT, 99)
        );
    }
}

/// An APC ends an alertable wait for a result; the operation goes on.
/// Source: GetOverlappedResultEx, bAlertable.
#[test]
fn apc_ends_an_alertable_wait_for_a_result() {
    let _watch = watch();
    let event = Event::manual();
    let overlapped = pending(event.raw());
    assert_ne!(queue_apc(current_thread().raw(), || ()), 0);
    assert_eq!(
        result_within(&overlapped, SHORT_MS, FALSE),
        (FALSE, WAIT_TIMEOUT, 99)
    );
    assert_eq!(
        result_within(&overlapped, INFINITE, TRUE),
        (FALSE, WAIT_IO_COMPLETION, 99)
    );
    assert_eq!(overlapped.Internal, STATUS_PENDING as usize);
}

// ---------------------------------------------------------------------------------------------------------
// Under load
// ---------------------------------------------------------------------------------------------------------

/// An auto-reset event as a lock: one thread at a time is inside, whatever the others do meanwhile (wait,
/// wait among others, give up).
/// Source: Event Objects: an auto-reset event releases a single waiting thread.
#[test]
fn auto_reset_event_lets_one_thread_in() {
    const THREADS: u64 = 4;
    const EACH: usize = 500;
    let _watch = watch();
    let seed = seed();
    let (free, never) = (Event::auto(), Event::auto());
    let inside = Arc::new(AtomicU32::new(0));
    let enter_often = |number| {
        let (free, never, inside) = (free.clone(), never.clone(), Arc::clone(&inside));
        let mut random = Random::new(seed, number);
        spawn(move || {
            let mut entered = 0;
            while entered < EACH {
                let signalled = match random.below(3) {
                    0 => wait(free.raw(), INFINITE) == WAIT_OBJECT_0,
                    1 => {
                        wait_many(&[never.raw(), free.raw()], false, DEADLINE_MS)
                            == WAIT_OBJECT_0 + 1
                    }
                    _ => wait(free.raw(), random.below(2) as u32) == WAIT_OBJECT_0,
                };
                if signalled {
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    entered += 1;
                    inside.fetch_sub(1, SeqCst);
                    free.set();
                }
            }
        })
    };
    let threads: Vec<_> = (0..THREADS).map(enter_often).collect();
    free.set();
    join_all(threads);
    assert!(free.wait(0));
}
