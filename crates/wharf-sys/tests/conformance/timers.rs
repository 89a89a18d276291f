//! Waitable timers: due times, periods, completion routines.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wharf_sys::*;

use crate::harness::*;

/// Units of a FILETIME in a millisecond.
const PER_MS: i64 = 10_000;

/// A due time so far away that it never comes.
const NEVER: i64 = -3_600_000 * PER_MS;

/// A short time, relative.
const SOON: i64 = -(SHORT_MS as i64) * PER_MS;

#[track_caller]
fn timer(manual_reset: BOOL) -> Handle {
    // SAFETY: no attributes, no name.
    Handle::own(unsafe { CreateWaitableTimerW(null(), manual_reset, null()) })
}

/// `SetWaitableTimer` without a routine.
fn set(timer: HANDLE, due: i64, period_ms: i32) -> BOOL {
    // SAFETY: `due` lives through the call.
    unsafe { SetWaitableTimer(timer, &due, period_ms, None, null(), FALSE) }
}

/// `SetWaitableTimer` with [`record`] as the routine.
fn set_with_routine(timer: &Handle, due: i64, period_ms: i32, record: &'static Record) {
    let argument: *const Record = record;
    // SAFETY: `due` lives through the call, the record for ever.
    let result = unsafe {
        SetWaitableTimer(
            timer.raw(),
            &due,
            period_ms,
            Some(run_routine),
            argument.cast(),
            FALSE,
        )
    };
    assert_eq!(
        result,
        TRUE,
        "SetWaitableTimer: last error {}",
        last_error()
    );
}

fn cancel(timer: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { CancelWaitableTimer(timer) }
}

/// What a routine knows of its runs, and the timer that it cancels first.
#[derive(Default)]
struct Record(Mutex<Vec<Run>>, AtomicUsize);

/// One run of a routine.
#[derive(Clone, Copy)]
struct Run {
    thread: u32,
    time: u64,   // that it was told
    turn: usize, // among all runs of all routines
}

fn record() -> &'static Record {
    Box::leak(Box::default())
}

impl Record {
    fn runs(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn cancels(&self, timer: &Handle) {
        self.1.store(timer.raw() as usize, SeqCst);
    }
}

unsafe extern "system" fn run_routine(argument: *const c_void, low: u32, high: u32) {
    // SAFETY: `set_with_routine` gave a record that lives for ever.
    let record = unsafe { &*argument.cast::<Record>() };
    let cancelled = record.1.load(SeqCst) as HANDLE;
    if !cancelled.is_null() {
        assert_eq!(cancel(cancelled), TRUE);
    }
    let time = u64::from(high) << 32 | u64::from(low);
    static TURN: AtomicUsize = AtomicUsize::new(0);
    record.0.lock().unwrap().push(Run {
        thread: current_thread_id(),
        time,
        turn: TURN.fetch_add(1, SeqCst),
    });
}

/// Now, in units of 100 ns since 1601.
fn file_time_now() -> i64 {
    const UNIX_EPOCH_AS_FILETIME: i64 = 116_444_736_000_000_000;
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    UNIX_EPOCH_AS_FILETIME + (since_1970.as_nanos() / 100) as i64
}

/// Not more than a millisecond early.
#[track_caller]
fn assert_not_early(start: Instant, expected_ms: u32) {
    let elapsed = start.elapsed() + Duration::from_millis(1);
    assert!(
        elapsed >= Duration::from_millis(u64::from(expected_ms)),
        "{elapsed:?}"
    );
}

/// A new timer is not signalled; one that is set is, when its time has come and not before.
/// Source: CreateWaitableTimerW; SetWaitableTimer, lpDueTime.
#[test]
fn timer_is_signalled_when_its_time_has_come() {
    let _watch = watch();
    for manual_reset in [FALSE, TRUE] {
        let timer = timer(manual_reset);
        assert_eq!(wait(timer.raw(), 0), WAIT_TIMEOUT);
        let start = Instant::now();
        assert_eq!(leaves_last_error(|| set(timer.raw(), SOON, 0)), TRUE);
        assert_eq!(wait(timer.raw(), 0), WAIT_TIMEOUT);
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
        assert_not_early(start, SHORT_MS);
    }
}

/// A manual-reset timer stays signalled until it is set again, the other kind until one wait.
/// Source: CreateWaitableTimerW, bManualReset.
#[test]
fn reset_of_a_timer_is_by_wait_or_by_setting() {
    let _watch = watch();
    let (manual, auto) = (timer(TRUE), timer(FALSE));
    for timer in [&manual, &auto] {
        assert_eq!(set(timer.raw(), -1, 0), TRUE);
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    }
    assert_eq!(wait(manual.raw(), 0), WAIT_OBJECT_0);
    assert_eq!(wait(auto.raw(), 0), WAIT_TIMEOUT);
    assert_eq!(set(manual.raw(), NEVER, 0), TRUE);
    assert_eq!(wait(manual.raw(), 0), WAIT_TIMEOUT);
}

/// A due time of zero, or in the past, is now.
/// Source: SetWaitableTimer, lpDueTime.
#[test]
fn due_time_that_has_passed_is_now() {
    let _watch = watch();
    for due in [0, 1, file_time_now() - 10 * PER_MS] {
        let timer = timer(FALSE);
        assert_eq!(set(timer.raw(), due, 0), TRUE);
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0, "{due}");
    }
}

/// A positive due time is a time of the clock, in UTC.
/// Source: SetWaitableTimer, lpDueTime.
#[test]
fn due_time_may_be_absolute() {
    let _watch = watch();
    let timer = timer(FALSE);
    let start = Instant::now();
    let due = file_time_now() + i64::from(SHORT_MS) * PER_MS;
    assert_eq!(set(timer.raw(), due, 0), TRUE);
    assert_eq!(wait(timer.raw(), 0), WAIT_TIMEOUT);
    assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    // The clock of time and the clock of waits differ a little.
    assert!(
        start.elapsed() + Duration::from_millis(5) >= Duration::from_millis(u64::from(SHORT_MS))
    );
}

/// With a period a timer is signalled again and again, each time for one wait.
/// Source: SetWaitableTimer, lPeriod.
#[test]
fn periodic_timer_is_signalled_again_and_again() {
    const PERIOD_MS: u32 = 10;
    let _watch = watch();
    let timer = timer(FALSE);
    let start = Instant::now();
    assert_eq!(set(timer.raw(), SOON, PERIOD_MS as i32), TRUE);
    for count in 0..5 {
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
        assert_not_early(start, SHORT_MS + count * PERIOD_MS);
    }
    assert_eq!(cancel(timer.raw()), TRUE);
    wait(timer.raw(), 0); // the last one may have come before
    assert_eq!(wait(timer.raw(), SHORT_MS), WAIT_TIMEOUT);
}

/// Cancelling stops a timer; it stays signalled if it is.
/// Source: CancelWaitableTimer, remarks.
#[test]
fn cancelling_stops_the_timer_and_leaves_its_state() {
    let _watch = watch();
    let (waiting, signalled) = (timer(TRUE), timer(TRUE));
    assert_eq!(set(waiting.raw(), SOON, 0), TRUE);
    assert_eq!(leaves_last_error(|| cancel(waiting.raw())), TRUE);
    assert_eq!(wait(waiting.raw(), 2 * SHORT_MS), WAIT_TIMEOUT);
    assert_eq!(set(signalled.raw(), -1, 0), TRUE);
    assert_eq!(wait(signalled.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    assert_eq!(
        [cancel(signalled.raw()), cancel(signalled.raw())],
        [TRUE; 2]
    );
    assert_eq!(wait(signalled.raw(), 0), WAIT_OBJECT_0);
}

/// Setting a timer anew replaces its time.
/// Source: SetWaitableTimer, remarks: an active timer is stopped, then reactivated.
#[test]
fn setting_a_timer_anew_replaces_its_time() {
    let _watch = watch();
    let timer = timer(FALSE);
    assert_eq!(set(timer.raw(), SOON, 0), TRUE);
    assert_eq!(set(timer.raw(), NEVER, 0), TRUE);
    assert_eq!(wait(timer.raw(), 2 * SHORT_MS), WAIT_TIMEOUT);
    assert_eq!(set(timer.raw(), -1, 0), TRUE);
    assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
}

/// A timer ends waits that are under way: every one if manual-reset, else one, and waits for all and any.
/// Source: Waitable Timer Objects.
#[test]
fn timer_ends_waits() {
    let _watch = watch();
    let (timer, event) = (timer(TRUE), Event::manual());
    event.set();
    assert_eq!(set(timer.raw(), SOON, 0), TRUE);
    let handles = [timer.raw() as usize, event.raw() as usize];
    let waiters = [true, true, false].map(|all| {
        spawn(move || {
            let handles = handles.map(|handle| handle as HANDLE);
            let handles = if all { &handles[..] } else { &handles[..1] };
            wait_many(handles, all, DEADLINE_MS)
        })
    });
    assert_eq!(join_all(waiters), [WAIT_OBJECT_0; 3]);
}

/// The completion routine runs as an APC in the thread that set the timer.
/// Source: SetWaitableTimer, pfnCompletionRoutine; TimerAPCProc.
#[test]
fn routine_runs_in_the_thread_that_set_the_timer() {
    let _watch = watch();
    let (timer, record) = (timer(FALSE), record());
    set_with_routine(&timer, SOON, 0, record);
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    let runs = record.0.lock().unwrap();
    let threads: Vec<u32> = runs.iter().map(|run| run.thread).collect();
    assert_eq!(threads, [current_thread_id()]);
}

/// The routine is told when the timer was signalled.
/// Source: TimerAPCProc, dwTimerLowValue and dwTimerHighValue.
#[test]
fn routine_is_told_the_time() {
    let _watch = watch();
    differs_under_wine("tells another time", || {
        let (timer, record) = (timer(FALSE), record());
        let before = file_time_now();
        set_with_routine(&timer, SOON, 0, record);
        assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
        let after = file_time_now();
        // The clock that programs read may tick more coarsely.
        let margin = 20 * PER_MS;
        let time = record.0.lock().unwrap()[0].time;
        assert!((before - margin..=after + margin).contains(&(time as i64)));
    });
}

/// The routine waits for an alertable wait; a routine that has not run is not queued again.
/// Source: SetWaitableTimer, remarks; Waitable Timer Objects, "asynchronous procedure calls".
#[test]
fn routine_is_queued_once_at_a_time() {
    let _watch = watch();
    let (timer, record) = (timer(FALSE), record());
    record.cancels(&timer); // so that it is not queued again after it has run
    set_with_routine(&timer, -PER_MS, 1, record);
    for _ in 0..3 {
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    }
    assert_eq!(record.runs(), 0, "no wait was alertable");
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    assert_eq!(record.runs(), 1);
    assert_eq!(sleep_alertable(SHORT_MS), 0);
}

/// Queues the routines of two timers, ends one of the timers, and runs what is left: whose ran.
fn routines_after(end: impl Fn(&Handle)) -> (usize, usize) {
    let (timers, records) = ([timer(TRUE), timer(TRUE)], [record(), record()]);
    for (timer, record) in timers.iter().zip(records) {
        set_with_routine(timer, -1, 0, record);
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    }
    end(&timers[0]);
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    (records[0].runs(), records[1].runs())
}

/// Cancelling and setting anew take back a routine that has not run.
/// Source: CancelWaitableTimer: it cancels outstanding APCs; SetWaitableTimer, remarks.
#[test]
fn routine_that_has_not_run_is_taken_back() {
    let _watch = watch();
    let cancelled = routines_after(|timer| assert_eq!(cancel(timer.raw()), TRUE));
    assert_eq!(cancelled, (0, 1));
    let set_anew = routines_after(|timer| assert_eq!(set(timer.raw(), NEVER, 0), TRUE));
    assert_eq!(set_anew, (0, 1));
}

/// Closing the last handle takes a routine back that has not run.
/// Source: CreateWaitableTimerW, remarks: the object is destroyed with its last handle.
#[test]
fn routine_goes_with_its_timer() {
    let _watch = watch();
    differs_under_wine("the routine runs", || {
        assert_eq!(routines_after(Handle::close), (0, 1));
    });
}

/// A timer with a routine ends with the thread that set it; one without does not.
/// Source: SetWaitableTimer, remarks: the timer is canceled if the thread terminates.
#[test]
fn timer_with_a_routine_ends_with_its_thread() {
    let _watch = watch();
    let (with, without) = (timer(TRUE), timer(TRUE));
    let setter = spawn({
        let (with, without) = (with.clone(), without.clone());
        move || {
            set_with_routine(&with, SOON, 0, record());
            assert_eq!(set(without.raw(), SOON, 0), TRUE);
        }
    });
    let thread = setter.handle().clone();
    setter.join();
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    assert_eq!(wait(without.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    differs_under_wine("the timer goes on", move || {
        assert_eq!(wait(with.raw(), SHORT_MS), WAIT_TIMEOUT);
    });
}

/// Setting needs a timer, a due time, and a period that is not negative.
/// Source: SetWaitableTimer, CancelWaitableTimer, parameters.
#[test]
fn setting_needs_a_timer() {
    let _watch = watch();
    let (event, good) = (Event::auto(), timer(FALSE));
    for handle in [null_mut(), GARBAGE_HANDLE, event.raw()] {
        fails_with(FALSE, ERROR_INVALID_HANDLE, || set(handle, SOON, 0));
        fails_with(FALSE, ERROR_INVALID_HANDLE, || cancel(handle));
    }
    differs_under_wine("takes a negative period", || {
        let good = timer(FALSE);
        fails_with(FALSE, ERROR_INVALID_PARAMETER, || set(good.raw(), SOON, -1));
    });
    linux_only("Windows may fault", || {
        // SAFETY: null is what is tested.
        fails_with(FALSE, ERROR_NOACCESS, || unsafe {
            SetWaitableTimer(good.raw(), null(), 0, None, null(), FALSE)
        });
    });
}

/// The machine is not woken from sleep for a timer; the call succeeds and says so.
/// Source: SetWaitableTimer, fResume.
#[test]
fn timer_does_not_wake_the_machine() {
    let _watch = watch();
    linux_only("depends on the machine", || {
        let (timer, due) = (timer(FALSE), -1);
        set_last_error(UNTOUCHED);
        // SAFETY: `due` lives through the call.
        let result = unsafe { SetWaitableTimer(timer.raw(), &due, 0, None, null(), TRUE) };
        assert_eq!((result, last_error()), (TRUE, ERROR_NOT_SUPPORTED));
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    });
}

/// The extended forms do as the plain ones.
/// Source: CreateWaitableTimerExW, CreateWaitableTimerExA, CreateWaitableTimerA, SetWaitableTimerEx.
#[test]
fn extended_forms_do_the_same() {
    let _watch = watch();
    let (manual, access) = (CREATE_WAITABLE_TIMER_MANUAL_RESET, TIMER_ALL_ACCESS);
    // SAFETY: no attributes, no name.
    let timers = unsafe {
        [
            CreateWaitableTimerExW(null(), null(), manual, access),
            CreateWaitableTimerExA(null(), null(), manual, access),
            CreateWaitableTimerA(null(), TRUE, null()),
        ]
    };
    for timer in timers.map(Handle::own) {
        let due = -1;
        // SAFETY: `due` lives through the call.
        let result = unsafe { SetWaitableTimerEx(timer.raw(), &due, 0, None, null(), null(), 10) };
        assert_eq!(result, TRUE);
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
        assert_eq!(wait(timer.raw(), 0), WAIT_OBJECT_0);
    }
    differs_under_wine("takes any flags", move || {
        // SAFETY: no attributes, no name.
        fails_with(null_mut(), ERROR_INVALID_PARAMETER, || unsafe {
            CreateWaitableTimerExW(null(), null(), 0x100, access)
        });
    });
}

/// Several timers come in the order of their times, not of their setting.
/// Source: Waitable Timer Objects.
#[test]
fn timers_come_in_the_order_of_their_times() {
    const TIMERS: usize = 8;
    const STEP: Duration = Duration::from_millis(20);
    let _watch = watch();
    let timers: [Handle; TIMERS] = std::array::from_fn(|_| timer(TRUE));
    let records: [&Record; TIMERS] = std::array::from_fn(|_| record());
    // A machine that is too busy to set them in time tries again.
    until("the timers are set in time", || {
        let start = Instant::now();
        for index in 0..TIMERS {
            let number = index * 3 % TIMERS; // in another order
            let due = -((number as i64 + 2) * STEP.as_millis() as i64 * PER_MS);
            set_with_routine(&timers[number], due, 0, records[number]);
        }
        start.elapsed() < STEP / 2
    });
    for timer in &timers {
        assert_eq!(wait(timer.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    }
    assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
    let turns = records.map(|record| record.0.lock().unwrap().last().expect("it ran").turn);
    assert!(turns.is_sorted(), "{turns:?}");
}
