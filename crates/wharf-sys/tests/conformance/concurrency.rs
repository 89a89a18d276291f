//! Which thread gets a packet, and when: first in, first out for packets; last in, first out for threads;
//! never more threads running than the concurrency value, except those that come back from a wait.
//!
//! Source throughout: "I/O Completion Ports", "Threads and Concurrency",
//! <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

use std::sync::Arc;

use wharf_sys::*;

use crate::harness::*;
use crate::scene::{AS_THEY_WAKE, Actor, NOT_LIMITED, Scene, Waiting, numbered};

// ---------------------------------------------------------------------------------------------------------
// Order
// ---------------------------------------------------------------------------------------------------------

/// The thread that began to wait last gets the packet; the next packet goes to the one before it.
/// Source: I/O Completion Ports, "released in last-in-first-out (LIFO) order".
#[test]
fn threads_are_released_last_in_first_out() {
    let _watch = watch();
    not_under_wine(AS_THEY_WAKE, || {
        let scene = Scene::new(8);
        let [first, second, third] = scene.waiting();
        scene.post(0);
        let _third = third.takes(0);
        scene.post(1);
        let _second = second.takes(1);
        scene.post(2);
        let _first = first.takes(2);
    });
}

/// Each packet of a burst is handed to a thread as it is posted: the oldest packet to the latest waiter.
/// Source: I/O Completion Ports: packets in FIFO order, threads "in last-in-first-out (LIFO) order".
#[test]
fn burst_is_handed_out_packet_by_packet() {
    let _watch = watch();
    not_under_wine(AS_THEY_WAKE, || {
        let scene = Scene::new(8);
        let [first, second, third] = scene.waiting();
        (0..3).for_each(|number| scene.post(number));
        let _actors = [third.takes(0), second.takes(1), first.takes(2)];
    });
}

/// Under light load the same thread is used again and again; the others stay asleep.
/// Source: I/O Completion Ports, "Threads and Concurrency".
#[test]
fn light_load_uses_the_same_thread_again() {
    let _watch = watch();
    not_under_wine(AS_THEY_WAKE, || {
        let scene = Scene::new(8);
        let [first, second, mut last] = scene.waiting();
        for number in 0..20 {
            scene.post(number);
            last = last.takes(number).wait(&scene.port);
            until_port_waiters(scene.port.raw(), 3);
        }
        first.goes_on();
        second.goes_on();
    });
}

/// A waiter that gives up leaves the order of the others as it was.
/// Source: I/O Completion Ports, "released in last-in-first-out (LIFO) order".
#[test]
fn waiter_that_times_out_leaves_the_order_of_the_others() {
    let _watch = watch();
    not_under_wine(AS_THEY_WAKE, || {
        let scene = Scene::new(8);
        let [first] = scene.waiting();
        let gives_up = Actor::new();
        let port = scene.port.clone();
        let taking = gives_up.start(move || port.take(2 * SHORT_MS));
        // Nearly always between the two; wherever it waits, or waited, the others do so in this order.
        let last = Actor::new().wait(&scene.port);
        last.actor.thread.until_waits();
        assert_eq!(taking.outcome(), TIMED_OUT);
        scene.post(0);
        let _last = last.takes(0);
        scene.post(1);
        let _first = first.takes(1);
    });
}

/// A packet belongs to the waiter it was handed to from the moment it is posted: a later caller cannot
/// take it, however fast it is.
/// Source: I/O Completion Ports: the packet goes to a waiting thread.
#[test]
fn late_caller_cannot_steal_a_handed_packet() {
    let _watch = watch();
    not_under_wine(AS_THEY_WAKE, || {
        let scene = Scene::new(8);
        let [mut waiting] = scene.waiting();
        for number in 0..200 {
            scene.post(number);
            assert_eq!(scene.port.take(0), TIMED_OUT);
            waiting = waiting.takes(number).wait(&scene.port);
            until_port_waiters(scene.port.raw(), 1);
        }
    });
}

// ---------------------------------------------------------------------------------------------------------
// The concurrency value
// ---------------------------------------------------------------------------------------------------------

/// While a thread computes, the port gives no packet to another; the running thread takes packet after
/// packet without waiting.
/// Source: CreateIoCompletionPort, NumberOfConcurrentThreads.
#[test]
fn running_thread_takes_packet_after_packet() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, runs, waits) = Scene::one_runs_one_waits();
        (1..4).for_each(|number| scene.post(number));
        waits.goes_on();
        for number in 1..4 {
            assert_eq!(runs.take(&scene.port, 0), Taken::Packet(numbered(number)));
        }
        assert_eq!(runs.take(&scene.port, 0), TIMED_OUT);
        waits.goes_on();
    });
}

/// The concurrency value 0 stands for the number of processors.
/// Source: CreateIoCompletionPort, NumberOfConcurrentThreads.
#[test]
fn concurrency_zero_is_the_number_of_processors() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let scene = Scene::new(0);
        let [too_many] = scene.waiting();
        let processors = number_of_processors();
        let others: Vec<Waiting> = (0..processors)
            .map(|already| {
                let waiting = Actor::new().wait(&scene.port);
                until_port_waiters(scene.port.raw(), already as usize + 2);
                waiting
            })
            .collect();
        (0..=processors).for_each(|number| scene.post(number));
        let running: Vec<Actor> = others
            .into_iter()
            .rev()
            .zip(0..)
            .map(|(other, number)| other.takes(number))
            .collect();
        too_many.goes_on();
        running
            .into_iter()
            .next()
            .expect("there is a processor")
            .exit();
        drop(too_many.takes(processors));
    });
}

fn number_of_processors() -> u32 {
    let mut info = SYSTEM_INFO::default();
    // SAFETY: `info` lives through the call.
    unsafe { GetSystemInfo(&mut info) };
    info.dwNumberOfProcessors
}

/// A thread that comes back from a wait runs at once, above the concurrency value if need be; then neither
/// thread gets a queued packet until the other one blocks or asks as well.
/// Source: I/O Completion Ports, "a brief period when the number of active threads exceeds the concurrency
/// value".
#[test]
fn above_the_concurrency_value_nobody_gets_a_packet() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, sleeper, waits) = Scene::one_runs_one_waits();
        let wake = Event::manual();
        let sleeping = sleeper.block_on(&wake);
        scene.post(1);
        let other = waits.takes(1);
        scene.post(2);
        wake.set();
        assert!(sleeping.outcome());

        assert_eq!(sleeper.take(&scene.port, SHORT_MS), TIMED_OUT);
        assert_eq!(other.take(&scene.port, SHORT_MS), TIMED_OUT);
        let waits = other.wait(&scene.port);
        until_port_waiters(scene.port.raw(), 1);
        assert_eq!(sleeper.take(&scene.port, 0), Taken::Packet(numbered(2)));
        waits.goes_on();
    });
}

/// As above, resolved the other way: the thread that asked first gets the packet when the other blocks.
/// Source: I/O Completion Ports, "Threads and Concurrency".
#[test]
fn waiter_above_the_concurrency_value_is_released_by_a_wait() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, sleeper, waits) = Scene::one_runs_one_waits();
        let wake = Event::auto();
        let sleeping = sleeper.block_on(&wake);
        scene.post(1);
        let other = waits.takes(1);
        scene.post(2);
        wake.set();
        assert!(sleeping.outcome());

        let waits = other.wait(&scene.port);
        until_port_waiters(scene.port.raw(), 1);
        waits.goes_on();
        let sleeping = sleeper.block_on(&wake);
        drop(waits.takes(2));
        wake.set();
        assert!(sleeping.outcome());
    });
}

/// A third thread that polls gets nothing while the only place is taken, although packets are queued.
/// Source: CreateIoCompletionPort, NumberOfConcurrentThreads.
#[test]
fn poll_finds_nothing_while_the_place_is_taken() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, runs, waits) = Scene::one_runs_one_waits();
        scene.post(1);
        let third = Actor::new();
        assert_eq!(third.take(&scene.port, 0), TIMED_OUT);
        third.exit();
        waits.goes_on();
        assert_eq!(runs.take(&scene.port, 0), Taken::Packet(numbered(1)));
    });
}

/// A thread that once polled, and got nothing, holds a place for as long as it computes.
/// Source: I/O Completion Ports: a thread is associated by its first call until it exits, asks at another
/// port, or closes the port.
#[test]
fn one_poll_without_a_packet_holds_a_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let scene = Scene::new(1);
        let poller = Actor::new();
        assert_eq!(poller.take(&scene.port, 0), TIMED_OUT);
        let [waits] = scene.waiting();
        scene.post(0);
        waits.goes_on();
        poller.exit();
        drop(waits.takes(0));
    });
}

/// A wait at the port that an APC ended associates its thread too.
/// Source: GetQueuedCompletionStatusEx, fAlertable; I/O Completion Ports.
#[test]
fn wait_ended_by_an_apc_holds_a_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let scene = Scene::new(1);
        let alerted = Actor::new();
        let port = scene.port.clone();
        let taking = alerted.start(move || port.take_many(1, INFINITE, true));
        until_port_waiters(scene.port.raw(), 1);
        assert_ne!(queue_apc(alerted.thread.handle().raw(), || ()), 0);
        assert_eq!(taking.outcome(), Err(WAIT_IO_COMPLETION));
        let [waits] = scene.waiting();
        scene.post(0);
        waits.goes_on();
        alerted.exit();
        drop(waits.takes(0));
    });
}

/// A thread that only posts is not associated: it may compute for ever, the waiter gets its packets.
/// Source: I/O Completion Ports: a thread is associated by its first GetQueuedCompletionStatus.
#[test]
fn posting_does_not_associate() {
    let _watch = watch();
    let scene = Scene::new(1);
    let [mut waits] = scene.waiting();
    let poster = Actor::new();
    for number in 0..10 {
        let port = scene.port.clone();
        poster.start(move || port.post(numbered(number))).outcome();
        waits = waits.takes(number).wait(&scene.port);
        until_port_waiters(scene.port.raw(), 1);
    }
}

/// A thread counts for one port only: asking at another one frees its place at the first.
/// Source: I/O Completion Ports, "associated with, at most, one I/O completion port".
#[test]
fn asking_at_another_port_frees_the_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, runs, waits) = Scene::one_runs_one_waits();
        let elsewhere = Scene::new(1);
        scene.post(1);
        waits.goes_on();
        assert_eq!(runs.take(&elsewhere.port, 0), TIMED_OUT);
        drop(waits.takes(1));
    });
}

/// A thread that waits at another port for a packet frees its place at the first just so.
/// Source: I/O Completion Ports, "associated with, at most, one I/O completion port".
#[test]
fn waiting_at_another_port_frees_the_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, runs, waits) = Scene::one_runs_one_waits();
        let elsewhere = Scene::new(1);
        scene.post(1);
        waits.goes_on();
        let runs = runs.wait(&elsewhere.port);
        let other = waits.takes(1);
        elsewhere.post(2);
        let runs = runs.takes(2);
        scene.post(3);
        assert_eq!(
            runs.take(&scene.port, SHORT_MS),
            TIMED_OUT,
            "the other thread runs there"
        );
        assert_eq!(other.take(&scene.port, SHORT_MS), TIMED_OUT, "now both do");
    });
}

/// Several packets taken in one call count as one running thread.
/// Source: GetQueuedCompletionStatusEx; I/O Completion Ports.
#[test]
fn several_packets_count_once() {
    let _watch = watch();
    let scene = Scene::new(2);
    (0..3).for_each(|number| scene.post(number));
    let runs = Actor::new();
    let port = scene.port.clone();
    let taken = runs.start(move || port.take_many(8, 0, false)).outcome();
    assert_eq!(taken.map(|packets| packets.len()), Ok(3));
    let [waits] = scene.waiting();
    scene.post(3);
    drop(waits.takes(3));
}

/// A thread that ends frees its place.
/// Source: I/O Completion Ports, a thread is associated until it exits.
#[test]
fn thread_exit_frees_the_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, runs, waits) = Scene::one_runs_one_waits();
        scene.post(1);
        waits.goes_on();
        runs.exit();
        drop(waits.takes(1));
    });
}

/// A thread that holds a place when its port is closed goes on, and may work at another port.
/// Source: I/O Completion Ports: a thread is associated until the port is closed.
#[test]
fn thread_of_a_closed_port_works_at_another() {
    let _watch = watch();
    let elsewhere = Scene::new(1);
    let scene = Scene::new(1);
    scene.post(0);
    let runs = Actor::new();
    assert_eq!(runs.take(&scene.port, 0), Taken::Packet(numbered(0)));
    drop(scene);
    let event = Event::manual();
    let blocking = runs.block_on(&event);
    event.set();
    assert!(blocking.outcome());
    elsewhere.post(1);
    assert_eq!(runs.take(&elsewhere.port, 0), Taken::Packet(numbered(1)));
    runs.exit();
    elsewhere.post(2);
    assert_eq!(
        Actor::new().take(&elsewhere.port, 0),
        Taken::Packet(numbered(2))
    );
}

/// A thread made by CreateThread frees its place by returning from its start routine.
/// Source: ExitThread; I/O Completion Ports, a thread is associated until it exits.
#[test]
fn exit_of_a_created_thread_frees_the_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let scene = Scene::new(1);
        // The thread computes for as long as the test holds this.
        let hold = Arc::new(());
        let runs = Event::manual();
        scene.post(0);
        let (thread, _) = create_thread(0, {
            let (port, runs, held) = (scene.port.clone(), runs.clone(), Arc::downgrade(&hold));
            move || {
                assert_eq!(port.take(0), Taken::Packet(numbered(0)));
                runs.set();
                compute_until("the test lets the thread end", || held.strong_count() == 0);
                0
            }
        });
        assert!(runs.wait(DEADLINE_MS));
        scene.post(1);
        let [waits] = scene.waiting();
        waits.goes_on();
        drop(hold);
        drop(waits.takes(1));
        assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    });
}
