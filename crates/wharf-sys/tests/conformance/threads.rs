//! Threads: starting, ending, identifiers, exit codes, asynchronous procedure calls, clocks.
//!
//! A thread that the standard library started is as good as one from CreateThread.

use std::collections::HashSet;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;

fn exit_code(thread: HANDLE) -> u32 {
    let mut code = 0;
    // SAFETY: `code` lives through the call.
    let result = unsafe { GetExitCodeThread(thread, &mut code) };
    assert_eq!(result, TRUE, "last error {}", last_error());
    code
}

/// The handle that means whichever thread uses it.
fn this_thread() -> HANDLE {
    // SAFETY: no preconditions.
    unsafe { GetCurrentThread() }
}

/// Waits for the thread's end; gives its exit code.
#[track_caller]
fn joined(thread: &Handle) -> u32 {
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    exit_code(thread.raw())
}

fn resume(thread: HANDLE) -> u32 {
    // SAFETY: a handle is looked up.
    unsafe { ResumeThread(thread) }
}

fn thread_id_of(thread: HANDLE) -> u32 {
    // SAFETY: a handle is looked up.
    unsafe { GetThreadId(thread) }
}

// ---------------------------------------------------------------------------------------------------------
// Starting and ending
// ---------------------------------------------------------------------------------------------------------

/// The start routine gets its argument and its result is the exit code; the handle is signalled by the end
/// and stays so.
/// Source: CreateThread; GetExitCodeThread; Thread handle states in WaitForSingleObject.
#[test]
fn start_routine_gives_the_exit_code() {
    unsafe extern "system" fn double(argument: *mut c_void) -> u32 {
        argument as u32 * 2
    }
    let _watch = watch();
    // SAFETY: `double` takes its argument as a number.
    let thread = Handle::own(unsafe {
        CreateThread(null(), 0, Some(double), 21 as *mut c_void, 0, null_mut())
    });
    assert_eq!(joined(&thread), 42);
    assert_eq!(
        [wait(thread.raw(), 0), wait(thread.raw(), INFINITE)],
        [WAIT_OBJECT_0; 2]
    );
    assert_eq!(exit_code(thread.raw()), 42);
}

/// A running thread has the exit code STILL_ACTIVE and an unsignalled handle.
/// Source: GetExitCodeThread, remarks.
#[test]
fn running_thread_is_still_active() {
    let _watch = watch();
    let end = Event::manual();
    let ending = end.clone();
    let (thread, _) = create_thread(0, move || u32::from(!ending.wait(INFINITE)));
    assert_eq!(exit_code(thread.raw()), STILL_ACTIVE as u32);
    assert_eq!(wait(thread.raw(), 0), WAIT_TIMEOUT);
    end.set();
    assert_eq!(joined(&thread), 0);
}

/// ExitThread ends the thread from any depth, with its code.
/// Source: ExitThread.
#[test]
fn exit_thread_ends_the_thread_at_once() {
    unsafe extern "system" fn exit_with(argument: *mut c_void) -> u32 {
        exit_below(argument as u32);
        1
    }
    fn exit_below(code: u32) {
        // SAFETY: no value that needs dropping is alive in this thread.
        unsafe { ExitThread(code) }
    }
    let _watch = watch();
    for code in [0, 7, u32::MAX] {
        let argument = code as usize as *mut c_void;
        // SAFETY: `exit_with` takes its argument as a number.
        let thread = Handle::own(unsafe {
            CreateThread(null(), 0, Some(exit_with), argument, 0, null_mut())
        });
        assert_eq!(joined(&thread), code);
    }
}

/// The C run-time's pair starts and ends a thread, and gives a handle that its owner closes.
/// Source: _beginthread, _beginthreadex; _endthread, _endthreadex.
#[test]
fn c_run_time_starts_and_ends_threads() {
    unsafe extern "system" fn returns(argument: *mut c_void) -> u32 {
        argument as u32
    }
    unsafe extern "system" fn ends(argument: *mut c_void) -> u32 {
        // SAFETY: no value that needs dropping is alive in this thread.
        unsafe { _endthreadex(argument as u32) }
    }
    let _watch = watch();
    for start in [
        returns as unsafe extern "system" fn(*mut c_void) -> u32,
        ends,
    ] {
        let mut id = 0;
        // SAFETY: the routine takes its argument as a number; `id` lives through the call.
        let thread =
            unsafe { _beginthreadex(null_mut(), 0, Some(start), 33 as *mut c_void, 0, &mut id) };
        let thread = Handle::own(thread as HANDLE);
        assert_ne!(id, 0);
        assert_eq!(joined(&thread), 33);
    }
}

/// A thread created suspended does not run before it is resumed, which tells the count before.
/// Source: CreateThread, CREATE_SUSPENDED; ResumeThread, return value.
#[test]
fn suspended_thread_runs_when_resumed() {
    let _watch = watch();
    let ran = Arc::new(AtomicBool::new(false));
    let running = Arc::clone(&ran);
    let (thread, id) = create_thread(CREATE_SUSPENDED, move || {
        running.store(true, SeqCst);
        5
    });
    assert_ne!(id, 0);
    assert_eq!(wait(thread.raw(), SHORT_MS), WAIT_TIMEOUT);
    assert!(!ran.load(SeqCst));
    assert_eq!(exit_code(thread.raw()), STILL_ACTIVE as u32);
    assert_eq!(resume(thread.raw()), 1);
    assert_eq!(joined(&thread), 5);
    assert!(ran.load(SeqCst));
}

/// Resuming a thread that is not suspended answers 0 and changes nothing.
/// Source: ResumeThread, return value.
#[test]
fn resuming_a_running_thread_answers_zero() {
    let _watch = watch();
    let end = Event::manual();
    let ending = end.clone();
    let (thread, _) = create_thread(0, move || u32::from(!ending.wait(INFINITE)));
    assert_eq!(resume(thread.raw()), 0);
    end.set();
    assert_eq!(joined(&thread), 0);
}

/// A stack size may be given, as a commitment or as a reservation.
/// Source: CreateThread, dwStackSize and STACK_SIZE_PARAM_IS_A_RESERVATION.
#[test]
fn stack_size_may_be_given() {
    unsafe extern "system" fn use_stack(_: *mut c_void) -> u32 {
        let large = std::hint::black_box([1u8; 128 * 1024]);
        large.iter().map(|&byte| u32::from(byte)).sum()
    }
    let _watch = watch();
    for (size, flags) in [
        (0, 0),
        (1, 0),
        (4 << 20, 0),
        (4 << 20, STACK_SIZE_PARAM_IS_A_RESERVATION),
    ] {
        // SAFETY: `use_stack` ignores its argument.
        let thread =
            unsafe { CreateThread(null(), size, Some(use_stack), null(), flags, null_mut()) };
        assert_eq!(joined(&Handle::own(thread)), 128 * 1024);
    }
}

/// A thread goes on when its handle is closed.
/// Source: CreateThread, remarks.
#[test]
fn closing_the_handle_does_not_end_the_thread() {
    let _watch = watch();
    let (start, done) = (Event::manual(), Event::manual());
    let (thread, _) = create_thread(0, {
        let (start, done) = (start.clone(), done.clone());
        move || {
            assert!(start.wait(DEADLINE_MS));
            done.set();
            0
        }
    });
    thread.close();
    start.set();
    assert!(done.wait(DEADLINE_MS));
}

/// The functions about threads need a thread.
/// Source: GetExitCodeThread, ResumeThread, GetThreadId, QueueUserAPC, hThread.
#[test]
fn thread_functions_need_a_thread() {
    unsafe extern "system" fn never(_: usize) {}
    let _watch = watch();
    let (event, port) = (Event::auto(), Port::new(0));
    for handle in [null_mut(), GARBAGE_HANDLE, event.raw(), port.raw()] {
        let mut code = 99;
        // SAFETY: `code` lives through the call.
        fails_with(FALSE, ERROR_INVALID_HANDLE, || unsafe {
            GetExitCodeThread(handle, &mut code)
        });
        assert_eq!(code, 99);
        fails_with(u32::MAX, ERROR_INVALID_HANDLE, || resume(handle));
        fails_with(0, ERROR_INVALID_HANDLE, || thread_id_of(handle));
        // SAFETY: the routine ignores its argument.
        fails_with(0, ERROR_INVALID_HANDLE, || unsafe {
            QueueUserAPC(Some(never), handle, 0)
        });
    }
}

// ---------------------------------------------------------------------------------------------------------
// Identity
// ---------------------------------------------------------------------------------------------------------

/// Identifiers are non-zero, stable, different among live threads, and the same from everywhere.
/// Source: GetCurrentThreadId; GetThreadId; CreateThread, lpThreadId.
#[test]
fn identifiers_tell_live_threads_apart() {
    let _watch = watch();
    let end = Event::manual();
    let report_and_wait = |seen: Arc<AtomicU32>| {
        let end = end.clone();
        move || {
            seen.store(current_thread_id(), SeqCst);
            u32::from(!end.wait(INFINITE))
        }
    };
    let mut ids = HashSet::from([current_thread_id()]);
    let mut threads = Vec::new();
    for _ in 0..4 {
        let seen = Arc::new(AtomicU32::new(0));
        let (thread, id) = create_thread(0, report_and_wait(Arc::clone(&seen)));
        until("the thread runs", || seen.load(SeqCst) != 0);
        assert_eq!((seen.load(SeqCst), thread_id_of(thread.raw())), (id, id));
        assert!(ids.insert(id));
        threads.push(thread);
    }
    let foreign = spawn(report_and_wait(Arc::default()));
    assert_eq!(thread_id_of(foreign.handle().raw()), foreign.id());
    assert!(ids.insert(foreign.id()));
    assert!(ids.iter().all(|id| *id != 0));
    assert_eq!(current_thread_id(), current_thread_id());
    end.set();
    threads
        .iter()
        .for_each(|thread| assert_eq!(joined(thread), 0));
    assert_eq!(foreign.join(), 0);
}

/// The pseudo handle means whichever thread uses it; a duplicate of it means the thread that made it.
/// Source: GetCurrentThread, remarks.
#[test]
fn duplicate_of_the_pseudo_handle_is_real() {
    let _watch = watch();
    let mine = current_thread();
    assert_eq!(thread_id_of(this_thread()), current_thread_id());
    let (here, seen) = (current_thread_id(), mine.clone());
    let elsewhere = spawn(move || {
        assert_eq!(thread_id_of(seen.raw()), here);
        assert_eq!(thread_id_of(this_thread()), current_thread_id());
    });
    elsewhere.join();
    assert_eq!(exit_code(mine.raw()), STILL_ACTIVE as u32);
}

/// The end of a thread that the standard library started is seen through its handle too.
/// Source: DuplicateHandle; WaitForSingleObject on a thread.
#[test]
fn end_of_a_foreign_thread_signals_its_handle() {
    let _watch = watch();
    let end = Event::manual();
    let ending = end.clone();
    let foreign = spawn(move || ending.wait(INFINITE));
    let handle = foreign.handle().clone();
    assert_eq!(wait(handle.raw(), 0), WAIT_TIMEOUT);
    let waiter = spawn({
        let handle = handle.clone();
        move || wait(handle.raw(), DEADLINE_MS)
    });
    waiter.until_waits();
    end.set();
    assert!(foreign.join());
    assert_eq!(waiter.join(), WAIT_OBJECT_0);
    assert_ne!(exit_code(handle.raw()), STILL_ACTIVE as u32);
}

// ---------------------------------------------------------------------------------------------------------
// Asynchronous procedure calls
// ---------------------------------------------------------------------------------------------------------

/// A list that APCs write to.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u32>>>);

impl Log {
    fn add(&self, entry: u32) {
        self.0.lock().expect("nobody panicked").push(entry);
    }

    /// What was written since the last time.
    fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.lock().expect("nobody panicked"))
    }

    /// Queues an APC to the thread that adds the entry.
    #[track_caller]
    fn queue(&self, thread: HANDLE, entry: u32) {
        let log = self.clone();
        assert_ne!(
            queue_apc(thread, move || log.add(entry)),
            0,
            "last error {}",
            last_error()
        );
    }
}

/// APCs run in an alertable wait of their thread, in the order they were queued, all before the wait ends.
/// Source: QueueUserAPC, remarks; SleepEx, bAlertable.
#[test]
fn apcs_run_in_order_in_an_alertable_wait() {
    let _watch = watch();
    let log = Log::default();
    for timeout_ms in [0, 1, INFINITE] {
        (0..5).for_each(|entry| log.queue(this_thread(), entry));
        assert_eq!(log.take(), [0; 0]);
        assert_eq!(sleep_alertable(timeout_ms), WAIT_IO_COMPLETION);
        assert_eq!(log.take(), [0, 1, 2, 3, 4]);
    }
    assert_eq!(sleep_alertable(0), 0);
}

/// An APC queued by an APC runs in the same wait, after those queued before it.
/// Source: QueueUserAPC; SleepEx: all queued APCs run before the wait ends.
#[test]
fn apc_queued_by_an_apc_runs_in_the_same_wait() {
    let _watch = watch();
    let log = Log::default();
    let this_thread = current_thread();
    let (inner, target) = (log.clone(), this_thread.clone());
    let first = move || {
        inner.add(1);
        inner.queue(target.raw(), 3);
    };
    assert_ne!(queue_apc(this_thread.raw(), first), 0);
    log.queue(this_thread.raw(), 2);
    assert_eq!(sleep_alertable(INFINITE), WAIT_IO_COMPLETION);
    assert_eq!(log.take(), [1, 2, 3]);
}

/// An APC that itself waits alertably runs those behind it, nested.
/// Source: Asynchronous Procedure Calls, "alertable state".
#[test]
fn apc_may_wait_alertably() {
    let _watch = watch();
    let log = Log::default();
    let this_thread = current_thread();
    let outer = log.clone();
    let waits = move || {
        outer.add(1);
        assert_eq!(sleep_alertable(INFINITE), WAIT_IO_COMPLETION);
        outer.add(3);
    };
    assert_ne!(queue_apc(this_thread.raw(), waits), 0);
    log.queue(this_thread.raw(), 2);
    assert_eq!(sleep_alertable(INFINITE), WAIT_IO_COMPLETION);
    assert_eq!(log.take(), [1, 2, 3]);
}

/// An APC wakes its thread from an alertable sleep; the sleep of a thread that is not alertable goes on.
/// Source: SleepEx, Sleep; QueueUserAPC, remarks.
#[test]
fn apc_ends_an_alertable_sleep_only() {
    let _watch = watch();
    let sleeper = spawn(|| sleep_alertable(INFINITE));
    sleeper.until_waits();
    assert_ne!(queue_apc(sleeper.handle().raw(), || ()), 0);
    assert_eq!(sleeper.join(), WAIT_IO_COMPLETION);

    let (log, queued) = (Log::default(), Event::manual());
    let sleeper = spawn({
        let (log, queued) = (log.clone(), queued.clone());
        move || {
            let start = Instant::now();
            sleep(4 * SHORT_MS);
            let slept = start.elapsed();
            // The APC may come so late that it finds the thread here, which is not alertable either.
            assert!(queued.wait(DEADLINE_MS));
            (slept, log.take(), sleep_alertable(0), log.take())
        }
    });
    sleeper.until_waits();
    log.queue(sleeper.handle().raw(), 1);
    queued.set();
    let (slept, during, after, then) = sleeper.join();
    assert!(
        slept >= Duration::from_millis(4 * u64::from(SHORT_MS) - 1),
        "{slept:?}"
    );
    assert_eq!((during, after, then), (vec![], WAIT_IO_COMPLETION, vec![1]));
}

/// An alertable sleep without an APC lasts its time and answers 0.
/// Source: SleepEx, return value.
#[test]
fn alertable_sleep_without_apc_answers_zero() {
    let _watch = watch();
    let start = Instant::now();
    assert_eq!(sleep_alertable(SHORT_MS), 0);
    assert!(
        start.elapsed() >= Duration::from_millis(u64::from(SHORT_MS) - 1),
        "{:?}",
        start.elapsed()
    );
}

/// SleepEx that is not alertable is Sleep.
/// Source: SleepEx, bAlertable FALSE.
#[test]
fn sleep_ex_may_be_plain() {
    let _watch = watch();
    let log = Log::default();
    log.queue(current_thread().raw(), 1);
    // SAFETY: no preconditions.
    assert_eq!(unsafe { SleepEx(1, FALSE) }, 0);
    assert_eq!(log.take(), [0; 0]);
    assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
}

/// An APC queued to a thread that has not started runs before its start routine.
/// Source: QueueUserAPC, remarks: "the thread begins by calling the APC function".
#[test]
fn apc_of_a_suspended_thread_runs_first() {
    let _watch = watch();
    let log = Log::default();
    let started = log.clone();
    let (thread, _) = create_thread(CREATE_SUSPENDED, move || {
        started.add(3);
        sleep_alertable(0)
    });
    log.queue(thread.raw(), 1);
    log.queue(thread.raw(), 2);
    assert_eq!(resume(thread.raw()), 1);
    assert_eq!(joined(&thread), 0, "nothing was left for an alertable wait");
    assert_eq!(log.take(), [1, 2, 3]);
}

/// A thread that ended takes no APC.
/// Source: QueueUserAPC, return value; validated on Windows 10 (ERROR_GEN_FAILURE).
#[test]
fn ended_thread_takes_no_apc() {
    let _watch = watch();
    let (created, _) = create_thread(0, || 0);
    assert_eq!(joined(&created), 0);
    let foreign = spawn(|| ());
    let foreign_handle = foreign.handle().clone();
    foreign.join();
    for thread in [created, foreign_handle] {
        fails_with(0, ERROR_GEN_FAILURE, || queue_apc(thread.raw(), || ()));
    }
}

/// APCs that are still queued when their thread ends never run.
/// Source: ExitThread, remarks; QueueUserAPC.
#[test]
fn thread_exit_discards_apcs() {
    let _watch = watch();
    let log = Log::default();
    let end = Event::manual();
    let ending = end.clone();
    let thread = spawn(move || ending.wait(INFINITE));
    log.queue(thread.handle().raw(), 1);
    end.set();
    assert!(thread.join());
    assert_eq!(log.take(), [0; 0]);
}

/// Any number of threads may queue to one: every APC runs exactly once, and those of one thread in order.
/// Source: QueueUserAPC, remarks.
#[test]
fn apcs_of_many_threads_all_run_once() {
    const THREADS: u32 = 3;
    const EACH: u32 = 1_000;
    let _watch = watch();
    let log = Log::default();
    let target = current_thread();
    let queue_all = |number| {
        let (log, target) = (log.clone(), target.clone());
        spawn(move || (0..EACH).for_each(|entry| log.queue(target.raw(), number * EACH + entry)))
    };
    let threads: Vec<_> = (0..THREADS).map(queue_all).collect();
    let mut ran = Vec::new();
    while ran.len() < (THREADS * EACH) as usize {
        assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
        ran.extend(log.take());
    }
    join_all(threads);
    assert_eq!(sleep_alertable(0), 0);
    for number in 0..THREADS {
        let own = ran.iter().copied().filter(|entry| entry / EACH == number);
        assert!(
            own.eq(number * EACH..(number + 1) * EACH),
            "thread {number}"
        );
    }
}

// ---------------------------------------------------------------------------------------------------------
// Time and processors
// ---------------------------------------------------------------------------------------------------------

/// Sleeping lasts at least its time; 0 gives way and comes back.
/// Source: Sleep; SwitchToThread.
#[test]
fn sleep_lasts_its_time() {
    let _watch = watch();
    let start = Instant::now();
    sleep(SHORT_MS);
    assert!(
        start.elapsed() >= Duration::from_millis(u64::from(SHORT_MS) - 1),
        "{:?}",
        start.elapsed()
    );
    sleep(0);
    // SAFETY: no preconditions.
    let switched = unsafe { SwitchToThread() };
    assert!(switched == TRUE || switched == FALSE);
}

/// The tick counts are milliseconds since the start of the system, never go back, and the short one is the
/// low half of the long one.
/// Source: GetTickCount, GetTickCount64.
#[test]
fn tick_counts_are_milliseconds() {
    let _watch = watch();
    // SAFETY: no preconditions.
    let ticks = || unsafe { (GetTickCount64(), GetTickCount(), GetTickCount64()) };
    let start = Instant::now();
    let (before, short, after) = ticks();
    assert!(before > 0 && (before..=after).any(|tick| tick as u32 == short));
    sleep(2 * SHORT_MS);
    let passed = ticks().0 - before;
    let clock_step_ms = 16;
    let expected = 2 * u64::from(SHORT_MS) - clock_step_ms
        ..=start.elapsed().as_millis() as u64 + clock_step_ms;
    assert!(expected.contains(&passed), "{passed} not in {expected:?}");
}

/// The number of processors is that which this process may use.
/// Source: GetSystemInfo, SYSTEM_INFO.dwNumberOfProcessors.
#[test]
fn number_of_processors_is_usable() {
    let _watch = watch();
    let mut info = SYSTEM_INFO::default();
    // SAFETY: `info` lives through the call.
    unsafe { GetSystemInfo(&mut info) };
    let usable = thread::available_parallelism()
        .expect("it can be told")
        .get();
    assert_eq!(info.dwNumberOfProcessors as usize, usable);
}
