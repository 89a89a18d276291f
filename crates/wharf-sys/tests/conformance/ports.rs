//! Completion ports as objects: creating, posting, taking a packet, closing.
//!
//! Several packets at once are the subject of [`crate::ports_taking_many`]; which thread gets a packet, and when it may run, of
//! [`crate::concurrency`].

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;

// ---------------------------------------------------------------------------------------------------------
// CreateIoCompletionPort
// ---------------------------------------------------------------------------------------------------------

/// A port is created without a file handle; two calls give two ports, with packets of their own.
/// Source: CreateIoCompletionPort, FileHandle INVALID_HANDLE_VALUE and ExistingCompletionPort NULL.
#[test]
fn each_creation_gives_a_port_of_its_own() {
    let _watch = watch();
    let (first, second) = (Port::new(0), Port::new(0));
    assert_ne!(first.raw(), second.raw());
    first.post(packet(1, 2, 3));
    assert_eq!(second.take(0), TIMED_OUT);
    assert_eq!(first.take(0), Taken::Packet(packet(1, 2, 3)));
}

/// The key is ignored when a port is created, and any concurrency value is legal, also one far above the
/// number of processors.
/// Source: CreateIoCompletionPort, CompletionKey and NumberOfConcurrentThreads.
#[test]
fn any_key_and_any_concurrency_value_make_a_port() {
    let _watch = watch();
    for concurrency in [0, 1, 2, 1000, 0x7fff_ffff] {
        let handle = create_port(INVALID_HANDLE_VALUE, null_mut(), usize::MAX, concurrency);
        let port = Port::own(Handle::own(handle));
        port.post(packet(1, 2, 3));
        assert_eq!(port.take(0), Taken::Packet(packet(1, 2, 3)));
    }
}

/// An existing port without a file to associate is an error.
/// Source: CreateIoCompletionPort, FileHandle: with INVALID_HANDLE_VALUE "the ExistingCompletionPort
/// parameter must be NULL".
#[test]
fn existing_port_without_a_file_is_refused() {
    let _watch = watch();
    let port = Port::new(0);
    fails_with(null_mut(), ERROR_INVALID_PARAMETER, || {
        create_port(INVALID_HANDLE_VALUE, port.raw(), 0, 0)
    });
}

/// Only files and sockets can be associated: not null, not an unknown value, not an event, a thread or a
/// port.
/// Source: CreateIoCompletionPort, FileHandle.
#[test]
fn only_files_and_sockets_are_associated() {
    let _watch = watch();
    let port = Port::new(0);
    let (event, other_port, thread) = (Event::auto(), Port::new(0), current_thread());
    for handle in [
        null_mut(),
        GARBAGE_HANDLE,
        event.raw(),
        other_port.raw(),
        thread.raw(),
    ] {
        fails_with(null_mut(), ERROR_INVALID_HANDLE, || {
            create_port(handle, port.raw(), 0, 0)
        });
    }
}

/// Creating a port and associating a handle in one call gives nothing, and leaks no port, when the handle
/// cannot be associated.
/// Source: CreateIoCompletionPort, return value.
#[test]
fn failed_combined_form_leaves_no_port_behind() {
    let _watch = watch();
    in_own_process(|| {
        let event = Event::auto();
        let before = observe::counts();
        for handle in [null_mut(), GARBAGE_HANDLE, event.raw()] {
            fails_with(null_mut(), ERROR_INVALID_HANDLE, || {
                create_port(handle, null_mut(), 0, 0)
            });
        }
        assert_eq!(observe::counts(), before);
    });
}

// ---------------------------------------------------------------------------------------------------------
// PostQueuedCompletionStatus
// ---------------------------------------------------------------------------------------------------------

/// A posted packet arrives with exactly the posted values; none of them is interpreted, the pointer is
/// never followed.
/// Source: PostQueuedCompletionStatus, remarks.
#[test]
fn posted_values_arrive_unchanged() {
    let _watch = watch();
    let port = Port::new(0);
    let packets = [
        packet(0, 0, 0),
        packet(1, 2, 3),
        packet(u32::MAX, usize::MAX, usize::MAX),
        packet(0x8000_0000, 1 << 63, 0xdead_beef),
    ];
    packets.iter().for_each(|packet| port.post(*packet));
    let taken: Vec<Packet> = packets.iter().map(|_| port.take(0).packet()).collect();
    assert_eq!(taken, packets);
}

/// A posted packet is a success whatever stands in the OVERLAPPED it names, which is left as it was.
/// Source: PostQueuedCompletionStatus; GetQueuedCompletionStatus, return value.
#[test]
fn posted_packet_succeeds_whatever_its_overlapped_says() {
    let _watch = watch();
    let port = Port::new(0);
    let overlapped = OVERLAPPED {
        Internal: STATUS_CANCELLED as u32 as usize,
        InternalHigh: 77,
        ..Default::default()
    };
    let address = &raw const overlapped as usize;
    port.post(packet(5, 6, address));
    assert_eq!(port.take(0), Taken::Packet(packet(5, 6, address)));
    assert_eq!(
        (overlapped.Internal, overlapped.InternalHigh),
        (STATUS_CANCELLED as u32 as usize, 77)
    );
}

/// Posting to what is no port fails.
/// Source: PostQueuedCompletionStatus, CompletionPort.
#[test]
fn posting_needs_a_port() {
    let _watch = watch();
    let (event, thread) = (Event::auto(), current_thread());
    for handle in not_ports(&event, &thread) {
        fails_with(FALSE, ERROR_INVALID_HANDLE, || {
            post(handle, packet(0, 0, 0))
        });
    }
}

/// The queue of a port has no limit that a program meets, and stays in order.
/// Source: I/O Completion Ports, "queued in first-in-first-out (FIFO) order".
#[test]
fn many_packets_queue_in_order() {
    const COUNT: u32 = 20_000;
    let _watch = watch();
    let port = Port::new(0);
    (0..COUNT).for_each(|number| port.post(packet(number, 0, 0)));
    let taken: Vec<u32> = (0..COUNT).map(|_| port.take(0).packet().bytes).collect();
    assert!(taken.iter().copied().eq(0..COUNT));
    assert_eq!(port.take(0), TIMED_OUT);
}

/// Packets of several posters interleave, but those of one stay in the order it posted them.
/// Source: I/O Completion Ports, "queued in first-in-first-out (FIFO) order".
#[test]
fn packets_of_each_poster_stay_in_order() {
    const POSTERS: usize = 3;
    const EACH: u32 = 2_000;
    let _watch = watch();
    let port = Port::new(0);
    let post_all = |poster: usize| {
        let port = port.clone();
        spawn(move || (0..EACH).for_each(|number| port.post(packet(number, poster, 0))))
    };
    let posters: Vec<_> = (0..POSTERS).map(post_all).collect();
    let mut next = [0; POSTERS];
    for _ in 0..POSTERS as u32 * EACH {
        let taken = port.take_packet();
        assert_eq!(taken.bytes, next[taken.key], "poster {}", taken.key);
        next[taken.key] += 1;
    }
    join_all(posters);
}

/// A packet may be posted from inside an APC.
/// Source: PostQueuedCompletionStatus, remarks: any thread may post.
#[test]
fn packet_is_posted_from_an_apc() {
    let _watch = watch();
    let port = Port::new(0);
    let poster = port.clone();
    assert_ne!(
        queue_apc(current_thread().raw(), move || poster.post(packet(1, 2, 3))),
        0
    );
    assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
    assert_eq!(port.take(0), Taken::Packet(packet(1, 2, 3)));
}

// ---------------------------------------------------------------------------------------------------------
// GetQueuedCompletionStatus
// ---------------------------------------------------------------------------------------------------------

/// A packet posted to a waiting thread ends its wait.
/// Source: GetQueuedCompletionStatus, "waits for a pending I/O operation … to complete".
#[test]
fn posting_ends_a_wait() {
    let _watch = watch();
    let port = Port::new(0);
    let waiter = spawn({
        let port = port.clone();
        move || port.take(INFINITE)
    });
    until_port_waiters(port.raw(), 1);
    port.post(packet(1, 2, 3));
    assert_eq!(waiter.join(), Taken::Packet(packet(1, 2, 3)));
}

/// A null OVERLAPPED in a posted packet is told from "nothing taken" by the result alone.
/// Source: GetQueuedCompletionStatus, return value.
#[test]
fn packet_without_overlapped_is_still_a_packet() {
    let _watch = watch();
    let port = Port::new(0);
    port.post(packet(0, 0, 0));
    assert_eq!(port.take(0), Taken::Packet(packet(0, 0, 0)));
    assert_eq!(port.take(0), TIMED_OUT);
}

/// The result and the three stored values of one raw call whose out-values were preset.
fn take_over_preset_values(port: HANDLE, timeout_ms: u32) -> (BOOL, u32, usize, usize) {
    let (mut bytes, mut key, mut overlapped) = (11, 22, 33 as *mut OVERLAPPED);
    // SAFETY: the three out-pointers live through the call.
    let result = unsafe {
        GetQueuedCompletionStatus(port, &mut bytes, &mut key, &mut overlapped, timeout_ms)
    };
    (result, bytes, key, overlapped as usize)
}

/// A time-out sets the overlapped pointer to null and the last error to WAIT_TIMEOUT; bytes and key are
/// not written.
/// Source: GetQueuedCompletionStatus, return value and lpOverlapped.
#[test]
fn time_out_stores_only_a_null_overlapped() {
    let _watch = watch();
    let port = Port::new(0);
    for timeout_ms in [0, SHORT_MS] {
        set_last_error(UNTOUCHED);
        let outcome = take_over_preset_values(port.raw(), timeout_ms);
        assert_eq!((outcome, last_error()), ((FALSE, 11, 22, 0), WAIT_TIMEOUT));
    }
}

/// A wait lasts its time-out: it does not end early.
/// Source: GetQueuedCompletionStatus, dwMilliseconds.
#[test]
fn time_out_is_not_early() {
    let _watch = watch();
    let port = Port::new(0);
    let start = Instant::now();
    assert_eq!(port.take(SHORT_MS), TIMED_OUT);
    assert!(
        start.elapsed() >= Duration::from_millis(u64::from(SHORT_MS) - 1),
        "{:?}",
        start.elapsed()
    );
}

/// A time-out consumes nothing: the next packet comes whole, and to the next caller.
/// Source: GetQueuedCompletionStatus, dwMilliseconds.
#[test]
fn time_out_consumes_nothing() {
    let _watch = watch();
    let port = Port::new(0);
    for number in 0..50 {
        assert_eq!(port.take(0), TIMED_OUT);
        assert_eq!(port.take(1), TIMED_OUT);
        port.post(packet(number, 0, 0));
        assert_eq!(port.take(0), Taken::Packet(packet(number, 0, 0)));
    }
}

/// Taking from what is no port fails with ERROR_INVALID_HANDLE and a null overlapped pointer.
/// Source: GetQueuedCompletionStatus, return value.
#[test]
fn taking_needs_a_port() {
    let _watch = watch();
    let (event, thread) = (Event::auto(), current_thread());
    for handle in not_ports(&event, &thread) {
        set_last_error(UNTOUCHED);
        let (result, _, _, overlapped) = take_over_preset_values(handle, 0);
        assert_eq!(
            (result, overlapped, last_error()),
            (FALSE, 0, ERROR_INVALID_HANDLE),
            "{handle:?}"
        );
    }
}

/// Handles that are no port: null, the pseudo handle -1, never given out, of another kind.
pub fn not_ports(event: &Event, thread: &Handle) -> [HANDLE; 5] {
    [
        null_mut(),
        INVALID_HANDLE_VALUE,
        GARBAGE_HANDLE,
        event.raw(),
        thread.raw(),
    ]
}

/// Taking a packet leaves the last error alone.
/// Source: GetQueuedCompletionStatus, return value; GetLastError: set by functions that fail.
#[test]
fn taking_leaves_the_last_error_alone() {
    let _watch = watch();
    let port = Port::new(0);
    port.post(packet(1, 2, 3));
    leaves_last_error(|| port.take(0).packet());
    let poster = spawn({
        let port = port.clone();
        move || {
            until_port_waiters(port.raw(), 1);
            port.post(packet(1, 2, 3));
        }
    });
    leaves_last_error(|| port.take_packet());
    poster.join();
}

/// GetQueuedCompletionStatus is not alertable: a queued APC neither runs nor ends the wait.
/// Source: GetQueuedCompletionStatus (no alertable parameter); Asynchronous Procedure Calls.
#[test]
fn plain_wait_is_not_alertable() {
    let _watch = watch();
    let port = Port::new(0);
    let runs = Arc::new(AtomicU32::new(0));
    queue_counting_apc(current_thread().raw(), &runs);
    assert_eq!(port.take(SHORT_MS), TIMED_OUT);
    port.post(packet(1, 2, 3));
    assert_eq!(port.take(SHORT_MS), Taken::Packet(packet(1, 2, 3)));
    assert_eq!(runs.load(SeqCst), 0);
    assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
    assert_eq!(runs.load(SeqCst), 1);
}

pub fn queue_counting_apc(thread: HANDLE, runs: &Arc<AtomicU32>) {
    let runs = Arc::clone(runs);
    let count = move || {
        runs.fetch_add(1, SeqCst);
    };
    assert_ne!(queue_apc(thread, count), 0);
}

/// A null out-pointer is refused before anything is taken: the packet stays.
/// Source: GetQueuedCompletionStatus, lpNumberOfBytesTransferred, lpCompletionKey, lpOverlapped.
#[test]
fn null_out_pointers_are_refused_without_taking() {
    let _watch = watch();
    linux_only("Windows faults on a null out-pointer", || {
        let port = Port::new(0);
        port.post(packet(1, 2, 3));
        for missing in 0..3 {
            fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
                take_without(port.raw(), missing)
            });
        }
        assert_eq!(port.take(0), Taken::Packet(packet(1, 2, 3)));
    });
}

/// A raw call with one of its three out-pointers null.
fn take_without(port: HANDLE, missing: usize) -> BOOL {
    let (mut bytes, mut key, mut overlapped) = (0, 0, null_mut());
    let bytes = if missing == 0 {
        null_mut()
    } else {
        &raw mut bytes
    };
    let key = if missing == 1 {
        null_mut()
    } else {
        &raw mut key
    };
    let overlapped = if missing == 2 {
        null_mut()
    } else {
        &raw mut overlapped
    };
    // SAFETY: each pointer is null or lives through the call.
    unsafe { GetQueuedCompletionStatus(port, bytes, key, overlapped, 0) }
}

// ---------------------------------------------------------------------------------------------------------
// Closing, shutting down
// ---------------------------------------------------------------------------------------------------------

/// Closing a port ends every wait at it: FALSE, no OVERLAPPED, ERROR_ABANDONED_WAIT_0.
/// Source: GetQueuedCompletionStatus, return value: the port's handle "is closed while the call is
/// outstanding".
#[test]
fn closing_abandons_every_waiter() {
    let _watch = watch();
    differs_under_wine("closing a port does not end the waits at it", || {
        let port = Port::new(0);
        let waiters: Vec<_> = (0..3).map(|_| spawn_taker(&port)).collect();
        let alertable = spawn({
            let port = port.clone();
            move || port.take_many(4, INFINITE, true)
        });
        until_port_waiters(port.raw(), 4);
        port.close();
        assert_eq!(join_all(waiters), [ABANDONED; 3]);
        assert_eq!(alertable.join(), Err(ERROR_ABANDONED_WAIT_0));
    });
}

fn spawn_taker(port: &Port) -> Worker<Taken> {
    let port = port.clone();
    spawn(move || port.take(INFINITE))
}

/// A port with two handles lives until the second is closed: its waiters stay and still get packets.
/// Source: CloseHandle, remarks (the object lives until its last handle is closed); DuplicateHandle.
#[test]
fn closing_one_of_two_handles_abandons_nobody() {
    let _watch = watch();
    let port = Port::new(0);
    let second = Port::own(port.duplicate());
    let waiter = spawn_taker(&port);
    until_port_waiters(second.raw(), 1);
    second.post(packet(1, 2, 3));
    assert_eq!(waiter.join(), Taken::Packet(packet(1, 2, 3)));

    let waiter = spawn_taker(&second);
    until_port_waiters(second.raw(), 1);
    port.close();
    second.post(packet(4, 5, 6));
    assert_eq!(waiter.join(), Taken::Packet(packet(4, 5, 6)));
}

/// A packet posted through one handle of a port is taken through another.
/// Source: DuplicateHandle, remarks: both handles refer to the same object.
#[test]
fn handles_of_one_port_share_its_queue() {
    let _watch = watch();
    let port = Port::new(0);
    let second = Port::own(port.duplicate());
    port.post(packet(1, 2, 3));
    second.post(packet(4, 5, 6));
    assert_eq!(second.take(0), Taken::Packet(packet(1, 2, 3)));
    assert_eq!(port.take(0), Taken::Packet(packet(4, 5, 6)));
}

/// Closing a port discards what is queued, and its handle is stale from then on for every function.
/// Source: CloseHandle; I/O Completion Ports.
#[test]
fn closed_port_is_no_port() {
    let _watch = watch();
    in_own_process(|| {
        let before = observe::counts();
        let port = Port::new(0);
        (0..100).for_each(|number| port.post(packet(number, 0, 0)));
        port.close();
        assert_eq!(observe::counts(), before);
        let stale = port.raw();
        assert_eq!(take(stale, 0), Taken::Nothing(ERROR_INVALID_HANDLE));
        assert_eq!(port.take_many(1, 0, true), Err(ERROR_INVALID_HANDLE));
        fails_with(FALSE, ERROR_INVALID_HANDLE, || post(stale, packet(1, 2, 3)));
        fails_with(FALSE, ERROR_INVALID_HANDLE, || close_handle(stale));
    });
}

/// The usual way to end a pool: one quit packet per worker. Each worker takes exactly one, since none asks
/// again after it.
/// Source: PostQueuedCompletionStatus, remarks (special-purpose packets).
#[test]
fn one_quit_packet_per_worker_ends_a_pool() {
    const QUIT: usize = usize::MAX;
    const WORKERS: usize = 4;
    const WORK: u32 = 1_000;
    let _watch = watch();
    let port = Port::new(2);
    let done = Arc::new(AtomicUsize::new(0));
    let work = |_| {
        let (port, done) = (port.clone(), Arc::clone(&done));
        spawn(move || {
            while port.take(INFINITE).packet().key != QUIT {
                done.fetch_add(1, SeqCst);
            }
        })
    };
    let workers: Vec<_> = (0..WORKERS).map(work).collect();
    (0..WORK).for_each(|number| port.post(packet(number, 0, 0)));
    (0..WORKERS).for_each(|_| port.post(packet(0, QUIT, 0)));
    join_all(workers);
    assert_eq!(done.load(SeqCst), WORK as usize);
    assert_eq!(port.take(0), TIMED_OUT);
}
