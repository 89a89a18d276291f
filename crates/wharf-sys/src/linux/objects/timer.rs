//! Waitable timers, and the clock that signals them.
//!
//! The clock is one thread, started with the first timer that is set. It sleeps until the earliest due time, without
//! limit when no timer is set. Whatever else of the library has a deadline and no thread that waits for it makes an
//! appointment with the same clock. Every setting of a timer has a number of its own: what the clock finds under an old
//! number is nobody's any more, and the APC of a setting goes by that number too, so that it can be taken back.
//!
//! Source: "Waitable Timer Objects", <https://learn.microsoft.com/windows/win32/sync/waitable-timer-objects>.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::name::Nameable;
use super::object::Object;
use crate::platform::lock::Lock;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::parker::Parker;
use crate::platform::threads::thread::{self, Thread};
use crate::platform::threads::wait::{Released, Waitable};

/// A waitable timer.
pub struct Timer {
    /// Signalled when its time has come.
    pub waitable: Waitable,
    setting: Lock<Option<Setting>>, // `None`: not set, or expired for good
}

/// What SetWaitableTimer asked for.
struct Setting {
    number: u64,
    due: Instant,
    period: Duration,         // zero: once
    routine: Option<Routine>, // runs in the thread that set the timer
    thread: Weak<Thread>,
}

/// A timer's completion routine, which is told the time at which the timer was signalled.
pub type Routine = Arc<dyn Fn(FileTime) + Send + Sync>;

/// When a timer is due.
#[derive(Clone, Copy, Debug)]
pub enum Due {
    /// So long after now.
    In(Duration),
    /// At that time of the system's clock, as it is set now.
    At(FileTime),
}

/// A time in units of 100 ns since 1601.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTime(pub u64);

impl FileTime {
    const UNIX_EPOCH: u64 = 116_444_736_000_000_000;

    fn now() -> FileTime {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        FileTime(FileTime::UNIX_EPOCH + (since_1970.as_nanos() / 100) as u64)
    }
}

impl Due {
    fn remaining(self) -> Duration {
        match self {
            Due::In(time) => time,
            Due::At(time) => {
                let units = time.0.saturating_sub(FileTime::now().0);
                Duration::from_micros(units / 10) + Duration::from_nanos(units % 10 * 100)
            }
        }
    }
}

impl Timer {
    /// A timer that is not set.
    pub fn new(manual_reset: bool) -> Arc<Timer> {
        Arc::new(Timer {
            waitable: Waitable::new(manual_reset, false),
            setting: Lock::default(),
        })
    }

    /// Sets it, whatever it was set to before: it is not signalled until `due`.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES` if the clock cannot be started.
    pub fn set(
        self: &Arc<Self>,
        due: Due,
        period: Duration,
        routine: Option<Routine>,
    ) -> Result<(), Status> {
        let clock = clock()?;
        let time = due.remaining();
        let number = clock.next_number.fetch_add(1, Relaxed);
        {
            let mut setting = self.setting.lock();
            if let Some(old) = setting.take() {
                old.cancel();
            }
            self.waitable.reset();
            let new = setting.insert(Setting {
                number,
                due: Instant::now() + time,
                period,
                routine,
                thread: Arc::downgrade(&thread::current()),
            });
            if !time.is_zero() {
                clock.add(new, self);
            }
        }
        if time.is_zero()
            && let Some(woken) = self.expire(number)
        {
            woken.wake();
        }
        clock.parker.unpark();
        Ok(())
    }

    /// Stops it; it stays signalled if it is.
    pub fn cancel(&self) {
        if let Some(setting) = self.setting.lock().take() {
            setting.cancel();
        }
    }

    /// The time of a setting has come. The caller wakes whom that concerns.
    fn expire(self: &Arc<Self>, number: u64) -> Option<Woken> {
        let mut slot = self.setting.lock();
        let setting = slot.as_mut().filter(|setting| setting.number == number)?;
        let thread = setting.thread.upgrade();
        let mut woken = None;
        if let Some(routine) = setting.routine.clone() {
            let time = FileTime::now();
            // With its thread a timer that has a routine is cancelled.
            let queued =
                |thread: &Arc<Thread>| thread.push_apc(number, Box::new(move || routine(time)));
            woken = thread.filter(queued);
            if woken.is_none() {
                *slot = None;
                return None;
            }
        }
        let released = self.waitable.signal();
        if setting.period.is_zero() {
            if setting.routine.is_none() {
                *slot = None;
            }
        } else {
            let now = Instant::now();
            let late = now.saturating_duration_since(setting.due).as_nanos();
            let late = Duration::from_nanos((late % setting.period.as_nanos()) as u64);
            setting.due = now + setting.period - late; // times that were missed are one
            CLOCK.add(setting, self);
        }
        Some(Woken {
            released,
            thread: woken,
        })
    }
}

/// Whom an expired timer wakes.
struct Woken {
    released: Released,
    thread: Option<Arc<Thread>>, // to run its routine
}

impl Woken {
    fn wake(self) {
        self.released.wake();
        if let Some(thread) = self.thread {
            thread.parker.unpark();
        }
    }
}

/// A handle of a timer was closed, and the reference it held is gone. If the clock has another one just now it lets go first:
/// with its last handle a timer takes back a routine that has not run.
pub fn handle_closed() {
    drop(CLOCK.expiring.lock());
}

impl Setting {
    fn cancel(self) {
        CLOCK.due.lock().remove(&(self.due, self.number));
        if let Some(thread) = self.thread.upgrade() {
            thread.take_back_apc(self.number);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Nameable for Timer {
    fn object(self: Arc<Self>) -> Object {
        Object::Timer(self)
    }

    fn is_kind_of(object: &Object) -> bool {
        matches!(object, Object::Timer(_))
    }
}

/// A call at a time. Called off when this is dropped.
pub struct Appointment(Instant, u64);

/// What the clock does at an appointment: little, since timers wait meanwhile.
pub type Call = Box<dyn FnOnce() + Send>;

/// Has the clock make a call at that time. It is started already.
pub fn call_at(time: Instant, call: Call) -> Appointment {
    let number = CLOCK.next_number.fetch_add(1, Relaxed);
    CLOCK.due.lock().insert((time, number), Alarm::Call(call));
    CLOCK.parker.unpark();
    Appointment(time, number)
}

impl Drop for Appointment {
    fn drop(&mut self) {
        let call = CLOCK.due.lock().remove(&(self.0, self.1));
        drop(call); // under no lock
    }
}

/// What happens at a time.
enum Alarm {
    Timer(Weak<Timer>),
    Call(Call),
}

/// The thread that signals timers.
struct Clock {
    expiring: Lock<()>, // held while the clock refers to a timer
    due: Lock<BTreeMap<(Instant, u64), Alarm>>,
    next_number: AtomicU64,
    parker: Parker,
    running: AtomicBool,
}

static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock {
    expiring: Lock::default(),
    due: Lock::default(),
    next_number: AtomicU64::new(1),
    parker: Parker::default(),
    running: AtomicBool::new(false),
});

/// Makes sure that the clock runs.
///
/// # Errors
/// `INSUFFICIENT_RESOURCES` if its thread cannot be started.
pub fn start_clock() -> Result<(), Status> {
    clock().map(drop)
}

/// The clock, running.
fn clock() -> Result<&'static Clock, Status> {
    if !CLOCK.running.load(Acquire) && !CLOCK.running.swap(true, AcqRel) {
        let thread = std::thread::Builder::new().name("wharf-clock".into());
        if thread.spawn(|| CLOCK.run()).is_err() {
            CLOCK.running.store(false, Release);
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
    }
    Ok(&CLOCK)
}

impl Clock {
    fn add(&self, setting: &Setting, timer: &Arc<Timer>) {
        let key = (setting.due, setting.number);
        let alarm = Alarm::Timer(Arc::downgrade(timer));
        self.due.lock().insert(key, alarm);
    }

    fn run(&self) {
        system::block_signals(); // the application's handlers run on the application's threads
        loop {
            let (expired, next) = self.take_expired();
            if expired.is_empty() {
                self.parker.park(next);
            }
            for (number, alarm) in expired {
                match alarm {
                    Alarm::Timer(timer) => self.expire(number, &timer),
                    Alarm::Call(call) => call(),
                }
            }
        }
    }

    fn expire(&self, number: u64, timer: &Weak<Timer>) {
        let woken = {
            let _expiring = self.expiring.lock();
            timer.upgrade().and_then(|timer| timer.expire(number))
        };
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// That whose time has come, earliest first; when the next one's will.
    fn take_expired(&self) -> (Vec<(u64, Alarm)>, Option<Instant>) {
        let now = Instant::now();
        let mut due = self.due.lock();
        let mut expired = Vec::new();
        while let Some(entry) = due.first_entry()
            && entry.key().0 <= now
        {
            let ((_, number), alarm) = entry.remove_entry();
            expired.push((number, alarm));
        }
        (expired, due.keys().next().map(|(due, _)| *due))
    }
}
