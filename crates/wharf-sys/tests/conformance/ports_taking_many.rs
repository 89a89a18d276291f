//! GetQueuedCompletionStatusEx: several packets at once, and waits that APCs may end.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;
use crate::ports::{not_ports, queue_counting_apc};

/// What a raw call of GetQueuedCompletionStatusEx with preset entries and count gave.
struct TakenMany {
    result: BOOL,
    removed: u32,
    entries: Vec<OVERLAPPED_ENTRY>,
}

/// A value that no call stores in an entry or a count.
const PRESET: u32 = 0x5a5a_5a5a;

fn take_many_over_preset_values(
    port: HANDLE,
    count: u32,
    timeout_ms: u32,
    alertable: BOOL,
) -> TakenMany {
    let preset = OVERLAPPED_ENTRY {
        lpCompletionKey: usize::MAX,
        lpOverlapped: usize::MAX as *mut OVERLAPPED,
        Internal: usize::MAX,
        dwNumberOfBytesTransferred: PRESET,
    };
    let mut entries = vec![preset; count.max(1) as usize];
    let mut removed = PRESET;
    // SAFETY: `entries` has room for at least `count` entries; both live through the call.
    let result = unsafe {
        let entries = entries.as_mut_ptr();
        GetQueuedCompletionStatusEx(port, entries, count, &mut removed, timeout_ms, alertable)
    };
    TakenMany {
        result,
        removed,
        entries,
    }
}

/// Several packets come in one call, oldest first, at most as many as there are entries; no other entry
/// is written.
/// Source: GetQueuedCompletionStatusEx, ulCount and ulNumEntriesRemoved.
#[test]
fn several_packets_come_at_once_in_order() {
    let _watch = watch();
    let port = Port::new(0);
    (0..5).for_each(|number| port.post(packet(number, 1, 2)));
    let first = take_many_over_preset_values(port.raw(), 3, 0, FALSE);
    assert_eq!((first.result, first.removed), (TRUE, 3));
    assert_eq!(bytes_of(&first.entries), [0, 1, 2]);
    let second = take_many_over_preset_values(port.raw(), 3, 0, FALSE);
    assert_eq!((second.result, second.removed), (TRUE, 2));
    assert_eq!(bytes_of(&second.entries), [3, 4, PRESET]);
    assert_eq!(port.take(0), TIMED_OUT);
}

fn bytes_of(entries: &[OVERLAPPED_ENTRY]) -> Vec<u32> {
    entries
        .iter()
        .map(|entry| entry.dwNumberOfBytesTransferred)
        .collect()
}

/// An entry carries the posted values.
/// Source: OVERLAPPED_ENTRY.
#[test]
fn entry_carries_the_posted_values() {
    let _watch = watch();
    let port = Port::new(0);
    port.post(packet(u32::MAX, usize::MAX - 1, 0xdead_beef));
    assert_eq!(
        port.take_many(4, 0, false),
        Ok(vec![packet(u32::MAX, usize::MAX - 1, 0xdead_beef)])
    );
}

/// An entry's Internal holds the packet's status in all its eight bytes: 0 for a posted packet.
/// Source: OVERLAPPED_ENTRY, Internal (an NTSTATUS in a ULONG_PTR).
#[test]
fn entry_holds_the_status_in_full_width() {
    let _watch = watch();
    differs_under_wine("fills only four bytes of OVERLAPPED_ENTRY.Internal", || {
        let port = Port::new(0);
        port.post(packet(1, 2, 3));
        let taken = take_many_over_preset_values(port.raw(), 1, 0, FALSE);
        assert_eq!(
            (taken.result, taken.entries[0].Internal),
            (TRUE, STATUS_SUCCESS as usize)
        );
    });
}

/// The call does not wait to fill the array: one packet ends it.
/// Source: GetQueuedCompletionStatusEx, remarks.
#[test]
fn one_packet_ends_the_wait_for_many() {
    let _watch = watch();
    let port = Port::new(0);
    let waiter = spawn({
        let port = port.clone();
        move || port.take_many(16, INFINITE, false)
    });
    until_port_waiters(port.raw(), 1);
    port.post(packet(1, 2, 3));
    assert_eq!(waiter.join(), Ok(vec![packet(1, 2, 3)]));
}

/// When nothing comes, the count of removed entries reads 1 all the same, though no entry is written.
/// Source: GetQueuedCompletionStatusEx; validated on Windows 10.
#[test]
fn time_out_of_many_stores_a_count_of_one() {
    let _watch = watch();
    let port = Port::new(0);
    for (timeout_ms, alertable) in [(0, FALSE), (0, TRUE), (SHORT_MS, FALSE), (SHORT_MS, TRUE)] {
        set_last_error(UNTOUCHED);
        let taken = take_many_over_preset_values(port.raw(), 2, timeout_ms, alertable);
        assert_eq!(
            (taken.result, taken.removed, last_error()),
            (FALSE, 1, WAIT_TIMEOUT)
        );
        assert_eq!(bytes_of(&taken.entries), [PRESET, PRESET]);
    }
}

/// An alertable wait runs a queued APC and ends with WAIT_IO_COMPLETION when there is no packet.
/// Source: GetQueuedCompletionStatusEx, fAlertable.
#[test]
fn alertable_wait_runs_queued_apcs() {
    let _watch = watch();
    let port = Port::new(0);
    for timeout_ms in [0, SHORT_MS, INFINITE] {
        let runs = Arc::new(AtomicU32::new(0));
        (0..3).for_each(|_| queue_counting_apc(current_thread().raw(), &runs));
        set_last_error(UNTOUCHED);
        let taken = take_many_over_preset_values(port.raw(), 1, timeout_ms, TRUE);
        assert_eq!(
            (taken.result, taken.removed, last_error()),
            (FALSE, 1, WAIT_IO_COMPLETION)
        );
        assert_eq!(runs.load(SeqCst), 3, "time-out {timeout_ms}");
    }
}

/// An APC queued to a thread in an alertable wait at a port ends that wait.
/// Source: QueueUserAPC, remarks; GetQueuedCompletionStatusEx, fAlertable.
#[test]
fn apc_ends_an_alertable_wait() {
    let _watch = watch();
    let port = Port::new(0);
    let runs = Arc::new(AtomicU32::new(0));
    let waiter = spawn({
        let port = port.clone();
        move || port.take_many(1, INFINITE, true)
    });
    until_port_waiters(port.raw(), 1);
    queue_counting_apc(waiter.handle().raw(), &runs);
    assert_eq!(waiter.join(), Err(WAIT_IO_COMPLETION));
    assert_eq!(runs.load(SeqCst), 1);
    port.post(packet(1, 2, 3));
    assert_eq!(
        port.take(0),
        Taken::Packet(packet(1, 2, 3)),
        "the ended wait takes nothing"
    );
}

/// A packet wins over a pending APC, which stays queued.
/// Source: GetQueuedCompletionStatusEx, fAlertable; validated on Windows 10.
#[test]
fn packet_wins_over_a_pending_apc() {
    let _watch = watch();
    let port = Port::new(0);
    let runs = Arc::new(AtomicU32::new(0));
    queue_counting_apc(current_thread().raw(), &runs);
    port.post(packet(1, 2, 3));
    assert_eq!(port.take_many(4, INFINITE, true), Ok(vec![packet(1, 2, 3)]));
    assert_eq!(runs.load(SeqCst), 0);
    assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
    assert_eq!(runs.load(SeqCst), 1);
}

/// A wait that is not alertable leaves a pending APC queued and ends by time-out.
/// Source: GetQueuedCompletionStatusEx, fAlertable.
#[test]
fn wait_for_many_that_is_not_alertable_runs_no_apc() {
    let _watch = watch();
    let port = Port::new(0);
    let runs = Arc::new(AtomicU32::new(0));
    queue_counting_apc(current_thread().raw(), &runs);
    let taken = take_many_over_preset_values(port.raw(), 1, SHORT_MS, FALSE);
    assert_eq!(
        (taken.result, taken.removed, last_error()),
        (FALSE, 1, WAIT_TIMEOUT)
    );
    assert_eq!(runs.load(SeqCst), 0);
    assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
}

/// An APC that posts to the port its thread waits at does not turn the wait into a success: the packet is
/// there for the next call.
/// Source: GetQueuedCompletionStatusEx, fAlertable.
#[test]
fn packet_posted_by_the_apc_is_for_the_next_call() {
    let _watch = watch();
    let port = Port::new(0);
    let poster = port.clone();
    assert_ne!(
        queue_apc(current_thread().raw(), move || poster.post(packet(1, 2, 3))),
        0
    );
    assert_eq!(port.take_many(1, INFINITE, true), Err(WAIT_IO_COMPLETION));
    assert_eq!(port.take_many(1, 0, true), Ok(vec![packet(1, 2, 3)]));
}

/// An APC may use the very port its thread waits at: post, poll, wait. The outer wait is over all the same.
/// Source: GetQueuedCompletionStatusEx, fAlertable; Asynchronous Procedure Calls.
#[test]
fn apc_may_use_the_port_its_thread_waits_at() {
    let _watch = watch();
    let port = Port::new(1);
    let waiter = spawn({
        let port = port.clone();
        move || (port.take_many(1, INFINITE, true), port.take(0))
    });
    until_port_waiters(port.raw(), 1);
    let inner = port.clone();
    let use_port = move || {
        (0..4).for_each(|number| inner.post(packet(number, 0, 0)));
        assert_eq!(inner.take(0), Taken::Packet(packet(0, 0, 0)));
        assert_eq!(inner.take(INFINITE), Taken::Packet(packet(1, 0, 0)));
        assert_eq!(
            inner.take_many(1, INFINITE, true),
            Ok(vec![packet(2, 0, 0)])
        );
    };
    assert_ne!(queue_apc(waiter.handle().raw(), use_port), 0);
    assert_eq!(
        waiter.join(),
        (Err(WAIT_IO_COMPLETION), Taken::Packet(packet(3, 0, 0)))
    );
}

/// Room for no entry is refused, and takes nothing.
/// Source: GetQueuedCompletionStatusEx, ulCount.
#[test]
fn taking_many_needs_room() {
    let _watch = watch();
    differs_under_wine("answers TRUE when there is no room for an entry", || {
        let port = Port::new(0);
        port.post(packet(1, 2, 3));
        fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
            take_many_over_preset_values(port.raw(), 0, 0, FALSE).result
        });
        assert_eq!(port.take(0), Taken::Packet(packet(1, 2, 3)));
    });
}

/// A null array or count is refused before anything is taken: the packet stays.
/// Source: GetQueuedCompletionStatusEx, lpCompletionPortEntries and ulNumEntriesRemoved.
#[test]
fn null_array_or_count_is_refused_without_taking() {
    let _watch = watch();
    linux_only("Windows faults on a null out-pointer", || {
        let port = Port::new(0);
        port.post(packet(1, 2, 3));
        let (mut entry, mut removed) = (OVERLAPPED_ENTRY::default(), 0);
        fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
            // SAFETY: the array is null, the count lives through the call.
            unsafe {
                GetQueuedCompletionStatusEx(port.raw(), null_mut(), 1, &mut removed, 0, FALSE)
            }
        });
        fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
            // SAFETY: the entry lives through the call, the count is null.
            unsafe { GetQueuedCompletionStatusEx(port.raw(), &mut entry, 1, null_mut(), 0, FALSE) }
        });
        assert_eq!(port.take(0), Taken::Packet(packet(1, 2, 3)));
    });
}

/// Taking several packets from what is no port fails.
/// Source: GetQueuedCompletionStatusEx, CompletionPort.
#[test]
fn taking_many_needs_a_port() {
    let _watch = watch();
    let (event, thread) = (Event::auto(), current_thread());
    for handle in not_ports(&event, &thread) {
        for alertable in [FALSE, TRUE] {
            fails_with(FALSE, ERROR_INVALID_HANDLE, || {
                take_many_over_preset_values(handle, 1, 0, alertable).result
            });
        }
    }
}

/// Taking several packets leaves the last error alone.
/// Source: GetQueuedCompletionStatusEx, return value.
#[test]
fn taking_many_leaves_the_last_error_alone() {
    let _watch = watch();
    let port = Port::new(0);
    port.post(packet(1, 2, 3));
    assert_eq!(
        leaves_last_error(|| port.take_many(2, 0, true)),
        Ok(vec![packet(1, 2, 3)])
    );
}
