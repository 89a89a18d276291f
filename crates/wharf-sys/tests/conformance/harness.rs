//! What the tests share: handles that close themselves, threads that cannot hang a run, and the marks for
//! behaviour that only one platform shows.
//!
//! A test begins with [`watch`], which ends the process with the test's name if it hangs. It then builds
//! its objects ([`Port`], [`Event`], [`spawn`]) and synchronises by knowing, not by sleeping:
//! [`until_port_waiters`] and [`until_thread_waits`] tell when another thread really blocks.
//!
//! The wrappers here are safe because the functions behind them only look handles up: a wrong one is an
//! error, never a fault. Functions that take pointers are called raw, in the test that is about them.

use std::any::Any;
use std::collections::BTreeMap;
use std::env;
use std::ffi::c_void;
use std::fmt::Debug;
use std::io::Write;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe, Location};
use std::process::{self, Command};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use wharf_sys::*;

/// How long anything that must happen may take, on a machine with a hundred times as much to do as it can.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// [`DEADLINE`] for functions that count milliseconds.
pub const DEADLINE_MS: u32 = 60_000;

/// A time-out that is meant to expire: long enough for a wrong early wake-up to show.
pub const SHORT_MS: u32 = 50;

/// How long a whole test may take before the process is ended, on such a machine.
const TEST_LIMIT: Duration = Duration::from_secs(300);

/// How long a body that deviates under Wine may take to show it.
const DEVIATION_LIMIT: Duration = Duration::from_secs(4);

/// How long to wait for "that thread blocks by now" where the platform cannot tell.
const BLIND_PAUSE: Duration = Duration::from_millis(150);

/// A last error that no function sets; it shows whether a call touched the value.
pub const UNTOUCHED: u32 = 0x2bad_beef;

/// A handle value that no table ever gave out.
pub const GARBAGE_HANDLE: HANDLE = 0x7eee_eee0 as HANDLE;

// ---------------------------------------------------------------------------------------------------------
// Watchdog
// ---------------------------------------------------------------------------------------------------------

/// Ends the process if the returned value is still alive after [`TEST_LIMIT`]. The first line of every test.
#[must_use = "the watch ends when this is dropped: `let _watch = watch();`"]
#[track_caller]
pub fn watch() -> Watch {
    let test = format!("{} ({})", current_test(), Location::caller());
    Watchdog::get().add(test, Instant::now() + TEST_LIMIT + stress_duration())
}

/// A test under watch, until dropped.
pub struct Watch(u64);

impl Drop for Watch {
    fn drop(&mut self) {
        Watchdog::get().watched.lock().unwrap().remove(&self.0);
    }
}

/// One thread that knows every running test and its deadline.
struct Watchdog {
    watched: Mutex<BTreeMap<u64, (String, Instant)>>,
    added: Condvar,
    next: AtomicU64,
}

impl Watchdog {
    fn get() -> &'static Watchdog {
        static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
        static THREAD: OnceLock<JoinHandle<()>> = OnceLock::new();
        let watchdog = WATCHDOG.get_or_init(|| Watchdog {
            watched: Mutex::new(BTreeMap::new()),
            added: Condvar::new(),
            next: AtomicU64::new(0),
        });
        THREAD.get_or_init(|| thread::spawn(|| watchdog.run()));
        watchdog
    }

    fn add(&self, test: String, deadline: Instant) -> Watch {
        let id = self.next.fetch_add(1, SeqCst);
        self.watched.lock().unwrap().insert(id, (test, deadline));
        self.added.notify_one();
        Watch(id)
    }

    /// Sleeps until the earliest deadline; whatever is watched beyond its own hangs.
    fn run(&self) {
        let mut watched = self.watched.lock().unwrap();
        loop {
            let now = Instant::now();
            if let Some((test, _)) = watched.values().find(|(_, deadline)| *deadline <= now) {
                // Not `eprintln!`, which the test harness would capture and lose.
                let _ = writeln!(
                    std::io::stderr(),
                    "conformance: {test} hangs; ending the process"
                );
                process::exit(101);
            }
            let earliest = watched.values().map(|(_, deadline)| *deadline).min();
            let pause = earliest.map_or(TEST_LIMIT, |deadline| deadline - now);
            watched = self.added.wait_timeout(watched, pause).unwrap().0;
        }
    }
}

fn current_test() -> String {
    thread::current().name().unwrap_or("a thread").to_owned()
}

// ---------------------------------------------------------------------------------------------------------
// Platforms
// ---------------------------------------------------------------------------------------------------------

/// Whether the judge of this run is Wine (which knows itself by its environment), not Windows.
pub fn under_wine() -> bool {
    cfg!(windows) && env::var_os("WINECONFIGDIR").is_some()
}

/// Runs `body`, which passes on Windows and here, and must fail under Wine for the given reason.
///
/// When it passes under Wine the test fails: the deviation is gone and so should be the mark. A body that
/// hangs under Wine is given up after a few seconds and counts as failing.
pub fn differs_under_wine(reason: &str, body: impl FnOnce() + Send + 'static) {
    if !under_wine() {
        return body();
    }
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        let passed = panic::catch_unwind(AssertUnwindSafe(body)).is_ok();
        // The receiver is gone when this took too long; nobody is interested then.
        let _ = done.send(passed);
    });
    let passed = outcome.recv_timeout(DEVIATION_LIMIT).unwrap_or(false);
    assert!(!passed, "deviation vanished, remove the mark: {reason}");
}

/// Runs `body` except under Wine, which deviates only sometimes: neither outcome can be asserted there.
pub fn not_under_wine(reason: &str, body: impl FnOnce()) {
    if under_wine() {
        println!("not under Wine: {reason}");
    } else {
        body();
    }
}

/// Runs `body` on Linux only: Windows shows the behaviour in a way that no test survives.
pub fn linux_only(reason: &str, body: impl FnOnce()) {
    if cfg!(target_os = "linux") {
        body();
    } else {
        println!("not on Windows: {reason}");
    }
}

/// Runs `body`, and with it the test that calls this, alone in a process of its own.
///
/// For what parallel tests disturb: handle values that Windows uses again at once, counts of everything
/// alive, state of the whole process. The body must be a closure written in the test function itself,
/// whose name is its first part.
pub fn in_own_process<F: FnOnce()>(body: F) {
    const ALONE: &str = "WHARF_CONFORMANCE_ALONE";
    if env::var_os(ALONE).is_some() {
        return body();
    }
    let test = test_of_closure::<F>();
    let mut command = Command::new(env::current_exe().expect("the test binary has a path"));
    command
        .args([test, "--exact", "--test-threads=1", "--include-ignored"])
        .env(ALONE, "1");
    let output = command.output().expect("the test binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(
        ran,
        "{test} in its own process: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `conformance::handles::stale::{{closure}}` is a closure of the test `handles::stale`.
fn test_of_closure<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let (_, path) = path.split_once("::").expect("a closure has a path");
    path.split_once("::{{")
        .expect("a closure of the test function")
        .0
}

// ---------------------------------------------------------------------------------------------------------
// Last error
// ---------------------------------------------------------------------------------------------------------

/// The calling thread's last error.
pub fn last_error() -> u32 {
    // SAFETY: no preconditions.
    unsafe { GetLastError() }
}

/// Stores the calling thread's last error.
pub fn set_last_error(code: u32) {
    // SAFETY: no preconditions.
    unsafe { SetLastError(code) }
}

/// Asserts that `call` returns its failure value (`FALSE`, `NULL`, 0 …) and sets the last error to `code`.
#[track_caller]
pub fn fails_with<T: PartialEq + Debug>(failure: T, code: u32, call: impl FnOnce() -> T) {
    set_last_error(UNTOUCHED);
    let result = call();
    assert_eq!((result, last_error()), (failure, code));
}

/// Asserts that `call` leaves the last error alone; gives its result.
#[track_caller]
pub fn leaves_last_error<T>(call: impl FnOnce() -> T) -> T {
    set_last_error(UNTOUCHED);
    let result = call();
    assert_eq!(last_error(), UNTOUCHED, "the last error was touched");
    result
}

// ---------------------------------------------------------------------------------------------------------
// Handles
// ---------------------------------------------------------------------------------------------------------

/// A handle that closes itself with its last clone, unless a test closed it before.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    value: usize,
    open: AtomicBool,
}

impl Handle {
    /// Takes over a handle that a function just gave; null is that function's failure.
    #[track_caller]
    pub fn own(handle: HANDLE) -> Handle {
        assert!(!handle.is_null(), "no handle: last error {}", last_error());
        Handle(Arc::new(Owned {
            value: handle as usize,
            open: AtomicBool::new(true),
        }))
    }

    /// The value, for the raw functions. It stays the same (and stale) after [`Handle::close`].
    pub fn raw(&self) -> HANDLE {
        self.0.value as HANDLE
    }

    /// Closes the handle now, for all clones.
    #[track_caller]
    pub fn close(&self) {
        assert!(
            self.0.open.swap(false, SeqCst),
            "the test closes a handle twice"
        );
        assert_eq!(
            close_handle(self.raw()),
            TRUE,
            "CloseHandle: last error {}",
            last_error()
        );
    }

    /// A second handle to the same object.
    #[track_caller]
    pub fn duplicate(&self) -> Handle {
        duplicate(self.raw())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if *self.open.get_mut() {
            close_handle(self.value as HANDLE);
        }
    }
}

/// `CloseHandle`.
pub fn close_handle(handle: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { CloseHandle(handle) }
}

/// `DuplicateHandle` within this process, with the same access.
#[track_caller]
pub fn duplicate(handle: HANDLE) -> Handle {
    let (result, copy) = duplicate_handle(handle, DUPLICATE_SAME_ACCESS);
    assert_eq!(result, TRUE, "DuplicateHandle: last error {}", last_error());
    Handle::own(copy)
}

/// `DuplicateHandle` within this process: its result and what it stored.
pub fn duplicate_handle(handle: HANDLE, options: DUPLICATE_HANDLE_OPTIONS) -> (BOOL, HANDLE) {
    let mut copy: HANDLE = null_mut();
    // SAFETY: `copy` lives through the call; handles are looked up.
    let result = unsafe {
        let process = GetCurrentProcess();
        DuplicateHandle(process, handle, process, &mut copy, 0, FALSE, options)
    };
    (result, copy)
}

/// A real handle of the calling thread, which other threads may use.
#[track_caller]
pub fn current_thread() -> Handle {
    // SAFETY: no preconditions.
    duplicate(unsafe { GetCurrentThread() })
}

/// The calling thread's identifier.
pub fn current_thread_id() -> u32 {
    // SAFETY: no preconditions.
    unsafe { GetCurrentThreadId() }
}

// ---------------------------------------------------------------------------------------------------------
// Completion ports
// ---------------------------------------------------------------------------------------------------------

/// A completion port of this test.
#[derive(Clone, Debug)]
pub struct Port(Handle);

/// A packet as its taker sees it; the pointer is a number, since it may point anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Bytes transferred, or the value given when posted.
    pub bytes: u32,
    /// The completion key.
    pub key: usize,
    /// The address of the OVERLAPPED, or the value given when posted.
    pub overlapped: usize,
}

/// A packet with these values.
pub const fn packet(bytes: u32, key: usize, overlapped: usize) -> Packet {
    Packet {
        bytes,
        key,
        overlapped,
    }
}

/// The outcomes of `GetQueuedCompletionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `TRUE`: the packet of an operation that succeeded, or a posted one.
    Packet(Packet),
    /// `FALSE` and an OVERLAPPED: the packet of an operation that failed, and the last error.
    Failed(Packet, u32),
    /// `FALSE` and no OVERLAPPED: nothing was taken; the last error says why.
    Nothing(u32),
}

/// Nothing came in time.
pub const TIMED_OUT: Taken = Taken::Nothing(WAIT_TIMEOUT);

/// The port was closed during the wait.
pub const ABANDONED: Taken = Taken::Nothing(ERROR_ABANDONED_WAIT_0);

impl Taken {
    /// The packet, whose operation must have succeeded.
    #[track_caller]
    pub fn packet(self) -> Packet {
        match self {
            Taken::Packet(packet) => packet,
            other => panic!("expected a packet, took {other:?}"),
        }
    }
}

impl Port {
    /// A new port with that concurrency value.
    #[track_caller]
    pub fn new(concurrency: u32) -> Port {
        Port(Handle::own(create_port(
            INVALID_HANDLE_VALUE,
            null_mut(),
            0,
            concurrency,
        )))
    }

    /// Takes over a port's handle.
    pub fn own(handle: Handle) -> Port {
        Port(handle)
    }

    /// Associates a socket or file with this port.
    #[track_caller]
    pub fn associate(&self, handle: HANDLE, key: usize) {
        let result = create_port(handle, self.raw(), key, 0);
        assert_eq!(
            result,
            self.raw(),
            "CreateIoCompletionPort: last error {}",
            last_error()
        );
    }

    /// Posts a packet, which must succeed.
    #[track_caller]
    pub fn post(&self, packet: Packet) {
        assert_eq!(
            post(self.raw(), packet),
            TRUE,
            "post: last error {}",
            last_error()
        );
    }

    /// `GetQueuedCompletionStatus`.
    pub fn take(&self, timeout_ms: u32) -> Taken {
        take(self.raw(), timeout_ms)
    }

    /// Takes a packet that must come and must be a success.
    #[track_caller]
    pub fn take_packet(&self) -> Packet {
        self.take(DEADLINE_MS).packet()
    }

    /// `GetQueuedCompletionStatusEx` with room for `count` entries: the packets, or the last error.
    pub fn take_many(
        &self,
        count: usize,
        timeout_ms: u32,
        alertable: bool,
    ) -> Result<Vec<Packet>, u32> {
        let mut entries = vec![OVERLAPPED_ENTRY::default(); count];
        let mut removed = 0;
        // SAFETY: `entries` has room for `count` entries; both live through the call.
        let result = unsafe {
            let entries = entries.as_mut_ptr();
            GetQueuedCompletionStatusEx(
                self.raw(),
                entries,
                count as u32,
                &mut removed,
                timeout_ms,
                alertable.into(),
            )
        };
        match result {
            FALSE => Err(last_error()),
            _ => Ok(entries[..removed as usize]
                .iter()
                .map(packet_of_entry)
                .collect()),
        }
    }
}

impl Deref for Port {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.0
    }
}

/// What an entry of `GetQueuedCompletionStatusEx` says.
pub fn packet_of_entry(entry: &OVERLAPPED_ENTRY) -> Packet {
    packet(
        entry.dwNumberOfBytesTransferred,
        entry.lpCompletionKey,
        entry.lpOverlapped as usize,
    )
}

/// `CreateIoCompletionPort`.
pub fn create_port(handle: HANDLE, existing: HANDLE, key: usize, concurrency: u32) -> HANDLE {
    // SAFETY: handles are looked up; the key is a number.
    unsafe { CreateIoCompletionPort(handle, existing, key, concurrency) }
}

/// `PostQueuedCompletionStatus`.
pub fn post(port: HANDLE, packet: Packet) -> BOOL {
    let overlapped = packet.overlapped as *const OVERLAPPED;
    // SAFETY: the pointer is passed on as a value, never followed.
    unsafe { PostQueuedCompletionStatus(port, packet.bytes, packet.key, overlapped) }
}

/// `GetQueuedCompletionStatus`.
pub fn take(port: HANDLE, timeout_ms: u32) -> Taken {
    let (mut bytes, mut key, mut overlapped) = (0, 0, null_mut());
    // SAFETY: the three out-pointers live through the call.
    let result = unsafe {
        GetQueuedCompletionStatus(port, &mut bytes, &mut key, &mut overlapped, timeout_ms)
    };
    let packet = packet(bytes, key, overlapped as usize);
    match (result, overlapped.is_null()) {
        (FALSE, true) => Taken::Nothing(last_error()),
        (FALSE, false) => Taken::Failed(packet, last_error()),
        _ => Taken::Packet(packet),
    }
}

// ---------------------------------------------------------------------------------------------------------
// Events and waits
// ---------------------------------------------------------------------------------------------------------

/// An event object of this test.
#[derive(Clone, Debug)]
pub struct Event(Handle);

impl Event {
    /// A manual-reset event, reset.
    #[track_caller]
    pub fn manual() -> Event {
        Event(Handle::own(create_event(TRUE, FALSE)))
    }

    /// An auto-reset event, reset.
    #[track_caller]
    pub fn auto() -> Event {
        Event(Handle::own(create_event(FALSE, FALSE)))
    }

    /// `SetEvent`, which must succeed.
    #[track_caller]
    pub fn set(&self) {
        assert_eq!(
            set_event(self.raw()),
            TRUE,
            "SetEvent: last error {}",
            last_error()
        );
    }

    /// `ResetEvent`, which must succeed.
    #[track_caller]
    pub fn reset(&self) {
        assert_eq!(
            reset_event(self.raw()),
            TRUE,
            "ResetEvent: last error {}",
            last_error()
        );
    }

    /// `WaitForSingleObject`: whether it was signalled in time. An auto-reset event is reset by that.
    #[track_caller]
    pub fn wait(&self, timeout_ms: u32) -> bool {
        match wait(self.raw(), timeout_ms) {
            WAIT_OBJECT_0 => true,
            WAIT_TIMEOUT => false,
            other => panic!(
                "WaitForSingleObject: {other:#x}, last error {}",
                last_error()
            ),
        }
    }
}

impl Deref for Event {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.0
    }
}

/// `CreateEventW` without a name.
pub fn create_event(manual_reset: BOOL, signalled: BOOL) -> HANDLE {
    // SAFETY: no attributes, no name.
    unsafe { CreateEventW(null(), manual_reset, signalled, null()) }
}

/// `SetEvent`.
pub fn set_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { SetEvent(event) }
}

/// `ResetEvent`.
pub fn reset_event(event: HANDLE) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { ResetEvent(event) }
}

/// `WaitForSingleObject`.
pub fn wait(handle: HANDLE, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WaitForSingleObject(handle, timeout_ms) }
}

/// `WaitForSingleObjectEx`, alertable.
pub fn wait_alertable(handle: HANDLE, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: a handle is looked up, not followed.
    unsafe { WaitForSingleObjectEx(handle, timeout_ms, TRUE) }
}

/// `WaitForMultipleObjects`.
pub fn wait_many(handles: &[HANDLE], all: bool, timeout_ms: u32) -> WAIT_EVENT {
    // SAFETY: the array has that many handles.
    unsafe {
        WaitForMultipleObjects(
            handles.len() as u32,
            handles.as_ptr(),
            all.into(),
            timeout_ms,
        )
    }
}

/// `Sleep`.
pub fn sleep(duration_ms: u32) {
    // SAFETY: no preconditions.
    unsafe { Sleep(duration_ms) }
}

/// `SleepEx`, alertable.
pub fn sleep_alertable(duration_ms: u32) -> u32 {
    // SAFETY: no preconditions.
    unsafe { SleepEx(duration_ms, TRUE) }
}

// ---------------------------------------------------------------------------------------------------------
// Knowing what other threads do
// ---------------------------------------------------------------------------------------------------------

/// Waits until `condition` holds; `what` is the message when it never does.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        thread::sleep(Duration::from_micros(200));
    }
}

/// Computes until `condition` holds: like [`until`], but the thread keeps running and never blocks, which
/// is what holds a place at a completion port.
#[track_caller]
pub fn compute_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        std::hint::spin_loop();
    }
}

/// Why a test in which a thread must wait already makes no sense where that cannot be told.
pub const CANNOT_TELL: &str = "nobody can tell whether the thread waits already";

/// Waits until exactly `count` threads wait at `port`; where that cannot be told, long enough.
#[track_caller]
pub fn until_port_waiters(port: HANDLE, count: usize) {
    if observe::port_waiters(port).is_none() {
        return thread::sleep(BLIND_PAUSE);
    }
    until(&format!("{count} threads wait at the port"), || {
        observe::port_waiters(port) == Some(count)
    });
}

/// Waits until the thread blocks in a wait of the library; where that cannot be told, long enough.
#[track_caller]
pub fn until_thread_waits(thread_id: u32) {
    if observe::thread_waits(thread_id).is_none() {
        return thread::sleep(BLIND_PAUSE);
    }
    until("the thread waits", || {
        observe::thread_waits(thread_id) == Some(true)
    });
}

/// A thread of the standard library, which Windows' functions have never seen; joined with a deadline.
pub struct Worker<T> {
    thread: JoinHandle<()>,
    outcome: mpsc::Receiver<T>,
    id: u32,
    handle: Handle,
    spawned_at: &'static Location<'static>,
}

/// Starts a [`Worker`]; when this returns, the thread runs and its identifier is known.
#[track_caller]
pub fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Worker<T> {
    let spawned_at = Location::caller();
    let (started, identity) = mpsc::channel();
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || {
        started
            .send((current_thread_id(), current_thread()))
            .expect("the spawner waits");
        // A test that already failed does not wait for the outcome.
        let _ = done.send(body());
    });
    let (id, handle) = identity.recv().expect("the thread starts");
    Worker {
        thread,
        outcome,
        id,
        handle,
        spawned_at,
    }
}

impl<T> Worker<T> {
    /// The identifier that `GetCurrentThreadId` gives in that thread.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// A handle of the thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until the thread blocks in a wait of the library.
    #[track_caller]
    pub fn until_waits(&self) {
        until_thread_waits(self.id);
    }

    /// The thread's result; its panic becomes the caller's, and so does its not ending.
    #[track_caller]
    pub fn join(self) -> T {
        match self.outcome.recv_timeout(DEADLINE) {
            Ok(value) => {
                self.join_thread().expect("it had a result");
                value
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!(
                    "the thread spawned at {} did not end within {DEADLINE:?}",
                    self.spawned_at
                )
            }
            Err(RecvTimeoutError::Disconnected) => {
                panic::resume_unwind(self.join_thread().expect_err("it had no result"))
            }
        }
    }

    fn join_thread(self) -> Result<(), Box<dyn Any + Send>> {
        self.thread.join()
    }
}

/// Joins all, in order.
#[track_caller]
pub fn join_all<T>(workers: impl IntoIterator<Item = Worker<T>>) -> Vec<T> {
    workers.into_iter().map(Worker::join).collect()
}

/// Starts a thread with `CreateThread`; its exit code is what `body` returns (101 after a panic).
#[track_caller]
pub fn create_thread(
    flags: THREAD_CREATION_FLAGS,
    body: impl FnOnce() -> u32 + Send + 'static,
) -> (Handle, u32) {
    let argument = boxed(body);
    let mut id = 0;
    // SAFETY: `run_thread` takes over the boxed closure that `argument` points to; `id` lives through the call.
    let thread =
        unsafe { CreateThread(null(), 0, Some(run_thread), argument.cast(), flags, &mut id) };
    (Handle::own(thread), id)
}

type ThreadBody = Box<dyn FnOnce() -> u32 + Send>;

fn boxed(body: impl FnOnce() -> u32 + Send + 'static) -> *mut ThreadBody {
    Box::into_raw(Box::new(Box::new(body)))
}

unsafe extern "system" fn run_thread(argument: *mut c_void) -> u32 {
    // SAFETY: `create_thread` made it with `boxed`, for this thread alone.
    let body = unsafe { Box::from_raw(argument.cast::<ThreadBody>()) };
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(101)
}

/// `QueueUserAPC` with a closure; one that never runs is leaked. Gives the function's result.
pub fn queue_apc(thread: HANDLE, body: impl FnOnce() + Send + 'static) -> u32 {
    let argument = boxed(|| {
        body();
        0
    });
    // SAFETY: `run_apc` takes over the boxed closure when the APC runs.
    unsafe { QueueUserAPC(Some(run_apc), thread, argument as usize) }
}

unsafe extern "system" fn run_apc(argument: usize) {
    // SAFETY: `queue_apc` made it with `boxed`, for this APC alone.
    let body = unsafe { Box::from_raw(argument as *mut ThreadBody) };
    body();
}

// ---------------------------------------------------------------------------------------------------------
// Random tests
// ---------------------------------------------------------------------------------------------------------

/// How long a stress test runs: `WHARF_STRESS_SECONDS`, or two seconds.
pub fn stress_duration() -> Duration {
    let seconds = env::var("WHARF_STRESS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(2, |text| {
        text.parse().expect("WHARF_STRESS_SECONDS is a number")
    }))
}

/// The seed of a random test: `WHARF_SEED`, or the time; printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = env::var("WHARF_SEED").ok();
    let seed = given.map_or_else(seed_from_time, |text| {
        text.parse().expect("WHARF_SEED is a number")
    });
    println!("WHARF_SEED={seed}");
    seed
}

fn seed_from_time() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_nanos() as u64
}

/// Random numbers that a seed determines (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence number `stream` of that seed: one per thread.
    pub fn new(seed: u64, stream: u64) -> Random {
        Random(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
