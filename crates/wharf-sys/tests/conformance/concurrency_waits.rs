//! A thread that blocks gives its place at a completion port to the next, whatever it blocks in.
//!
//! Source throughout: "I/O Completion Ports", "Threads and Concurrency",
//! <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use wharf_sys::*;

use crate::harness::*;
use crate::locks::CriticalSection;
use crate::scene::{NOT_LIMITED, Scene, numbered};
use crate::tcp::{Family, Listener, Pair, connected_pair, startup};

// ---------------------------------------------------------------------------------------------------------
// Waits give the place away
// ---------------------------------------------------------------------------------------------------------

/// While the only running thread of a port is inside `block`, the waiting one gets the next packet. Then
/// `end` ends the block.
fn gives_its_place_away_in(block: impl FnOnce() + Send + 'static, end: impl FnOnce()) {
    let (scene, runs, waits) = Scene::one_runs_one_waits();
    scene.post(1);
    let blocking = runs.start(block);
    let _other = waits.takes(1);
    end();
    blocking.outcome();
}

/// Waiting for an object gives the place away.
/// Source: I/O Completion Ports, "enters a wait state for other reasons".
#[test]
fn waiting_for_an_object_gives_the_place_away() {
    let _watch = watch();
    let event = Event::auto();
    let waited = event.clone();
    gives_its_place_away_in(move || assert!(waited.wait(DEADLINE_MS)), || event.set());
}

/// Waiting for several objects gives the place away.
/// Source: I/O Completion Ports, "enters a wait state for other reasons".
#[test]
fn waiting_for_several_objects_gives_the_place_away() {
    let _watch = watch();
    let events = [Event::auto(), Event::auto()];
    let waited = events.clone();
    let wait_for_both = move || {
        let handles = [waited[0].raw(), waited[1].raw()];
        assert_eq!(wait_many(&handles, true, DEADLINE_MS), WAIT_OBJECT_0);
    };
    gives_its_place_away_in(wait_for_both, || events.iter().for_each(Event::set));
}

/// Waiting for the end of a thread gives the place away.
/// Source: I/O Completion Ports, "enters a wait state for other reasons"; WaitForSingleObject.
#[test]
fn waiting_for_a_thread_gives_the_place_away() {
    let _watch = watch();
    let end = Event::auto();
    let ending = end.clone();
    let (thread, _) = create_thread(0, move || u32::from(!ending.wait(INFINITE)));
    let join = move || assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    gives_its_place_away_in(join, || end.set());
}

/// Sleeping gives the place away.
/// Source: Sleep; I/O Completion Ports.
#[test]
fn sleeping_gives_the_place_away() {
    let _watch = watch();
    gives_its_place_away_in(|| sleep(4 * SHORT_MS), || ());
}

/// An alertable sleep gives the place away.
/// Source: SleepEx; I/O Completion Ports.
#[test]
fn alertable_sleep_gives_the_place_away() {
    let _watch = watch();
    gives_its_place_away_in(|| assert_eq!(sleep_alertable(4 * SHORT_MS), 0), || ());
}

/// Waiting for the result of an operation gives the place away.
/// Source: GetOverlappedResult, bWait; I/O Completion Ports.
#[test]
fn waiting_for_a_result_gives_the_place_away() {
    let _watch = watch();
    let event = Event::manual();
    let waited = event.clone();
    let wait_for_result = move || {
        let overlapped = OVERLAPPED {
            Internal: STATUS_PENDING as usize,
            hEvent: waited.raw(),
            ..Default::default()
        };
        let mut bytes = 0;
        // SAFETY: both live through the call.
        let result = unsafe { GetOverlappedResult(GARBAGE_HANDLE, &overlapped, &mut bytes, TRUE) };
        assert_eq!(result, TRUE);
    };
    gives_its_place_away_in(wait_for_result, || event.set());
}

/// Waiting for a critical section gives the place away.
/// Source: EnterCriticalSection; I/O Completion Ports.
#[test]
fn waiting_for_a_critical_section_gives_the_place_away() {
    let _watch = watch();
    let section = CriticalSection::new();
    let entered = section.clone();
    section.enter();
    let enter = move || {
        entered.enter();
        entered.leave();
    };
    gives_its_place_away_in(enter, || section.leave());
}

/// A blocking receive gives the place away.
/// Source: recv; I/O Completion Ports, "enters a wait state for other reasons".
#[test]
fn blocking_receive_gives_the_place_away() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    let receive = move || assert_eq!(server.recv_some(8), Ok(b"x".to_vec()));
    gives_its_place_away_in(receive, || client.send_all(b"x"));
}

/// A blocking accept gives the place away.
/// Source: accept; I/O Completion Ports, "enters a wait state for other reasons".
#[test]
fn blocking_accept_gives_the_place_away() {
    let _watch = watch();
    startup();
    let listener = Arc::new(Listener::new(Family::V4));
    let accepting = Arc::clone(&listener);
    gives_its_place_away_in(
        move || drop(accepting.accept().expect("accept")),
        || drop(listener.client()),
    );
}

/// A wait that is satisfied at once is none: the thread keeps its place.
/// Source: I/O Completion Ports, "enters a wait state for other reasons"; WaitForSingleObject.
#[test]
fn satisfied_wait_keeps_the_place() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (scene, runs, waits) = Scene::one_runs_one_waits();
        scene.post(1);
        let signalled = Event::manual();
        signalled.set();
        let waiting = runs.start(move || (0..100).all(|_| signalled.wait(INFINITE)));
        assert!(waiting.outcome());
        waits.goes_on();
        assert_eq!(runs.take(&scene.port, 0), Taken::Packet(numbered(1)));
    });
}

/// Each wait frees one place, which one waiter gets.
/// Source: I/O Completion Ports, "Threads and Concurrency".
#[test]
fn one_wait_releases_one_waiter() {
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let scene = Scene::new(1);
        let [first, second, runs] = scene.waiting();
        (0..3).for_each(|number| scene.post(number));
        let runs = runs.takes(0);
        let wake = Event::manual();
        let sleeping = runs.block_on(&wake);
        let other = second.takes(1);
        first.goes_on();
        let other_sleeping = other.block_on(&wake);
        drop(first.takes(2));
        wake.set();
        assert!(sleeping.outcome() && other_sleeping.outcome());
    });
}

// ---------------------------------------------------------------------------------------------------------
// Threads blocked where this library cannot see
// ---------------------------------------------------------------------------------------------------------

/// A running thread that blocks in the standard library's mutex does not starve the port: the waiting
/// thread gets the packet whose handling would end the block.
/// Source: I/O Completion Ports: a thread in any wait state does not count as running.
#[test]
fn thread_blocked_in_a_foreign_mutex_does_not_starve_the_port() {
    let _watch = watch();
    let (scene, runs, waits) = Scene::one_runs_one_waits();
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.lock().expect("nobody panicked");
    let locking = runs.start({
        let mutex = Arc::clone(&mutex);
        move || drop(mutex.lock())
    });
    scene.post(1);
    let _other = waits.takes(1);
    drop(held);
    locking.outcome();
}

/// A running thread that sleeps by the standard library does not starve the port.
/// Source: I/O Completion Ports: a thread in any wait state does not count as running.
#[test]
fn thread_in_a_foreign_sleep_does_not_starve_the_port() {
    let _watch = watch();
    let (scene, runs, waits) = Scene::one_runs_one_waits();
    let end = Arc::new(AtomicBool::new(false));
    let sleeping = runs.start({
        let end = Arc::clone(&end);
        move || {
            while !end.load(SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    scene.post(1);
    let _other = waits.takes(1);
    end.store(true, SeqCst);
    sleeping.outcome();
}
