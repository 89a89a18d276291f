//! Which thread gets a packet, and when: first in, first out for packets; last in, first out for threads;
//! never more threads running than the concurrency value, except those that come back from a wait.
//!
//! A scene is a port with actors around it. An actor is a thread that carries out what the test tells it,
//! one act after another, and in between *computes*: it spins, so that it counts as running. So each test
//! is a script whose every line has one possible outcome.
//!
//! Source throughout: "I/O Completion Ports", "Threads and Concurrency",
//! <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::locks::CriticalSection;
use crate::tcp::{Family, Listener, Pair, connected_pair, startup};

/// A port, closed at the end so that no actor is left waiting.
struct Scene {
    port: Port,
}

impl Scene {
    fn new(concurrency: u32) -> Scene {
        Scene {
            port: Port::new(concurrency),
        }
    }

    /// Posts the packet with this number.
    fn post(&self, number: u32) {
        self.port.post(numbered(number));
    }

    /// `N` actors waiting at the port; the last one began to wait last.
    fn waiting<const N: usize>(&self) -> [Waiting; N] {
        std::array::from_fn(|already| {
            let waiting = Actor::new().wait(&self.port);
            until_port_waiters(self.port.raw(), already + 1);
            waiting
        })
    }

    /// With concurrency value 1: an actor that runs with packet 0, and another that waits.
    fn one_runs_one_waits() -> (Scene, Actor, Waiting) {
        let scene = Scene::new(1);
        scene.post(0);
        let runs = Actor::new();
        assert_eq!(runs.take(&scene.port, 0), Taken::Packet(numbered(0)));
        let [waits] = scene.waiting();
        (scene, runs, waits)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.port.close();
    }
}

fn numbered(number: u32) -> Packet {
    packet(number, 0, 0)
}

type Act = Box<dyn FnOnce() + Send>;

/// A thread that does what it is told, and computes in between. It ends when dropped.
struct Actor {
    script: mpsc::Sender<Act>,
    thread: Worker<()>,
}

/// An act that an actor was told and may not have finished.
struct Doing<T>(mpsc::Receiver<T>);

/// An actor that waits at a port without a time limit.
struct Waiting {
    actor: Actor,
    taking: Doing<Taken>,
}

impl Actor {
    fn new() -> Actor {
        let (script, acts) = mpsc::channel::<Act>();
        let thread = spawn(move || {
            loop {
                match acts.try_recv() {
                    Ok(act) => act(),
                    Err(TryRecvError::Empty) => thread::yield_now(),
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        });
        Actor { script, thread }
    }

    /// Tells the actor to do something.
    fn start<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Doing<T> {
        let (done, outcome) = mpsc::channel();
        // A test that already failed does not wait for the outcome.
        let act = move || drop(done.send(act()));
        self.script.send(Box::new(act)).expect("the actor listens");
        Doing(outcome)
    }

    /// Lets the actor take from the port.
    #[track_caller]
    fn take(&self, port: &Port, timeout_ms: u32) -> Taken {
        let port = port.clone();
        self.start(move || port.take(timeout_ms)).outcome()
    }

    /// Lets the actor block until `event` is signalled.
    fn block_on(&self, event: &Event) -> Doing<bool> {
        let event = event.clone();
        let blocking = self.start(move || event.wait(DEADLINE_MS));
        self.thread.until_waits();
        blocking
    }

    /// Lets the actor wait at the port without a time limit.
    fn wait(self, port: &Port) -> Waiting {
        let port = port.clone();
        let taking = self.start(move || port.take(INFINITE));
        Waiting {
            actor: self,
            taking,
        }
    }

    /// Ends the thread.
    #[track_caller]
    fn exit(self) {
        drop(self.script);
        self.thread.join();
    }
}

impl<T> Doing<T> {
    #[track_caller]
    fn outcome(self) -> T {
        self.0.recv_timeout(DEADLINE).expect("the act does not end")
    }
}

impl Waiting {
    /// The wait ends with the packet of that number.
    #[track_caller]
    fn takes(self, number: u32) -> Actor {
        assert_eq!(self.taking.outcome(), Taken::Packet(numbered(number)));
        self.actor
    }

    /// The wait goes on, for as long as a time-out takes.
    #[track_caller]
    fn goes_on(&self) {
        let outcome = self
            .taking
            .0
            .recv_timeout(Duration::from_millis(SHORT_MS.into()));
        assert_eq!(outcome, Err(RecvTimeoutError::Timeout));
    }
}

// Under Wine each of these scenes can end in any way, depending on which thread is fast.
const NOT_LIMITED: &str = "the concurrency value is not enforced";
const AS_THEY_WAKE: &str = "all waiters are woken, and packets are for whoever comes first";

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

// ---------------------------------------------------------------------------------------------------------
// Random scripts
// ---------------------------------------------------------------------------------------------------------

/// Random scripts for two ports and several actors (post, poll, wait, block, go on, end) go as the rules
/// say, step by step: who gets which packet, who waits, who is refused.
/// Source: I/O Completion Ports, "Threads and Concurrency".
#[test]
fn random_scripts_go_by_the_rules() {
    const SCRIPTS: u64 = 20;
    const STEPS: usize = 150;
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (seed, start) = (seed(), Instant::now());
        // Fewer scripts where each takes long.
        for number in (0..SCRIPTS).take_while(|_| start.elapsed() < DEADLINE) {
            let mut script = Script::new(Random::new(seed, number));
            (0..STEPS).for_each(|_| script.step());
        }
    });
}

/// What the rules say about one port.
struct Rules {
    limit: u32,
    active: u32,
    queue: VecDeque<u32>,
    waiters: Vec<usize>,
}

impl Rules {
    fn new(limit: u32) -> Rules {
        Rules {
            limit,
            active: 0,
            queue: VecDeque::new(),
            waiters: Vec::new(),
        }
    }

    /// The release rule: the most recent waiter and the oldest packet, if there is a place.
    fn release(&mut self) -> Option<(usize, u32)> {
        if self.active >= self.limit || self.queue.is_empty() {
            return None;
        }
        let waiter = self.waiters.pop()?;
        self.active += 1;
        Some((waiter, self.queue.pop_front()?))
    }

    /// The packet that a thread which just gave up its place takes with it, if any.
    fn take(&mut self) -> Option<u32> {
        if self.active >= self.limit {
            return None;
        }
        let number = self.queue.pop_front()?;
        self.active += 1;
        Some(number)
    }
}

/// What an actor of a script is doing.
enum Part {
    Computing(Actor),
    Waiting(Waiting),
    Blocked(Actor, Event, Doing<bool>),
}

struct Script {
    random: Random,
    scenes: [Scene; 2],
    rules: [Rules; 2],
    /// The cast; nobody stands at its place during the own step.
    parts: Vec<Option<Part>>,
    /// The port that each actor is associated with.
    homes: Vec<Option<usize>>,
    packets: u32,
}

impl Script {
    const ACTORS: usize = 5;

    fn new(mut random: Random) -> Script {
        let limits: [u32; 2] = std::array::from_fn(|_| 1 + random.below(3) as u32);
        Script {
            random,
            scenes: limits.map(Scene::new),
            rules: limits.map(Rules::new),
            parts: (0..Script::ACTORS)
                .map(|_| Some(Part::Computing(Actor::new())))
                .collect(),
            homes: vec![None; Script::ACTORS],
            packets: 0,
        }
    }

    fn step(&mut self) {
        let who = self.random.below(Script::ACTORS as u64) as usize;
        let port = self.random.below(2) as usize;
        let next = match self.parts[who].take().expect("a step is over") {
            Part::Computing(actor) => self.act(who, actor, port),
            Part::Blocked(actor, event, blocking) => self.go_on(who, actor, event, blocking),
            waiting @ Part::Waiting(_) => waiting,
        };
        self.parts[who] = Some(next);
        if self.random.one_in(2) {
            self.post(port);
        }
        for (scene, rules) in self.scenes.iter().zip(&self.rules) {
            until_port_waiters(scene.port.raw(), rules.waiters.len());
        }
    }

    fn act(&mut self, who: usize, actor: Actor, port: usize) -> Part {
        match self.random.below(5) {
            0 => self.poll(who, actor, port),
            1 => self.block(who, actor),
            2 => self.replace(who, actor),
            _ => self.wait(who, actor, port),
        }
    }

    fn post(&mut self, port: usize) {
        self.packets += 1;
        self.scenes[port].post(self.packets);
        self.rules[port].queue.push_back(self.packets);
        self.release(port);
    }

    /// Applies the release rule; whom it names must come back with just that packet.
    fn release(&mut self, port: usize) {
        let Some((who, number)) = self.rules[port].release() else {
            return;
        };
        let Some(Part::Waiting(waiting)) = self.parts[who].take() else {
            panic!("only waiters are released")
        };
        self.parts[who] = Some(Part::Computing(waiting.takes(number)));
    }

    /// The actor gives up its place at its port.
    fn give_up_place(&mut self, who: usize) {
        if let Some(home) = self.homes[who] {
            self.rules[home].active -= 1;
        }
    }

    /// The actor turns to a port; the one it comes from may release a waiter.
    fn turn_to(&mut self, who: usize, port: usize) {
        self.give_up_place(who);
        if let Some(left) = self.homes[who].replace(port).filter(|home| *home != port) {
            self.release(left);
        }
    }

    fn poll(&mut self, who: usize, actor: Actor, port: usize) -> Part {
        let outcome = actor.take(&self.scenes[port].port, 0);
        self.turn_to(who, port);
        let expected = match self.rules[port].take() {
            Some(number) => Taken::Packet(numbered(number)),
            None => {
                self.rules[port].active += 1;
                TIMED_OUT
            }
        };
        assert_eq!(outcome, expected);
        Part::Computing(actor)
    }

    fn wait(&mut self, who: usize, actor: Actor, port: usize) -> Part {
        let waiting = actor.wait(&self.scenes[port].port);
        self.turn_to(who, port);
        match self.rules[port].take() {
            Some(number) => Part::Computing(waiting.takes(number)),
            None => {
                self.rules[port].waiters.push(who);
                until_port_waiters(self.scenes[port].port.raw(), self.rules[port].waiters.len());
                Part::Waiting(waiting)
            }
        }
    }

    fn block(&mut self, who: usize, actor: Actor) -> Part {
        let event = Event::auto();
        let blocking = actor.block_on(&event);
        self.give_up_place(who);
        self.homes[who]
            .into_iter()
            .for_each(|home| self.release(home));
        Part::Blocked(actor, event, blocking)
    }

    fn go_on(&mut self, who: usize, actor: Actor, event: Event, blocking: Doing<bool>) -> Part {
        event.set();
        assert!(blocking.outcome());
        if let Some(home) = self.homes[who] {
            self.rules[home].active += 1;
        }
        Part::Computing(actor)
    }

    /// The actor ends, another takes over its part.
    fn replace(&mut self, who: usize, actor: Actor) -> Part {
        actor.exit();
        self.give_up_place(who);
        self.homes[who]
            .take()
            .into_iter()
            .for_each(|home| self.release(home));
        Part::Computing(Actor::new())
    }
}
