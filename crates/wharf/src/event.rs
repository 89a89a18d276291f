//! Event objects, and waiting for them.

use std::fmt;
use std::time::Duration;

use wharf_sys::{
    CloseHandle, CreateEventW, HANDLE, ResetEvent, SetEvent, TRUE, WAIT_FAILED, WAIT_IO_COMPLETION,
    WAIT_TIMEOUT, WSA_MAXIMUM_WAIT_EVENTS, WSAWaitForMultipleEvents,
};

use crate::wait::milliseconds;
use crate::{Error, routine};

/// How many events one wait can be for.
pub const EVENTS_MAX: usize = WSA_MAXIMUM_WAIT_EVENTS as usize;

/// An event object: signalled or not, and something to wait for. Closed when it is dropped.
///
/// ```
/// use std::time::Duration;
/// use wharf::{Event, Waited, wait_any};
///
/// let (first, second) = (Event::manual_reset()?, Event::auto_reset()?);
/// second.set()?;
/// assert_eq!(wait_any(&[&first, &second], None)?, Waited::Signalled(1));
/// // An auto-reset event releases one wait.
/// assert_eq!(wait_any(&[&first, &second], Some(Duration::ZERO))?, Waited::TimedOut);
/// # Ok::<_, wharf::Error>(())
/// ```
pub struct Event(HANDLE);

// SAFETY: events are made to be used from any thread; only `drop` gives the handle up.
unsafe impl Send for Event {}
// SAFETY: as above; every function on it is thread-safe.
unsafe impl Sync for Event {}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waited {
    /// An event was signalled: the one with this index, the lowest of several; 0 if all were waited for.
    Signalled(usize),
    /// Completion routines ran. Only an alertable wait ends so.
    RoutinesRan,
    /// The time passed.
    TimedOut,
}

impl Event {
    /// An event that, once set, is signalled until it is reset.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventw>
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] if the system has no room for another.
    pub fn manual_reset() -> Result<Event, Error> {
        Event::new(true)
    }

    /// An event that, once set, is signalled until one wait was released.
    ///
    /// # Errors
    /// As [`Event::manual_reset`].
    pub fn auto_reset() -> Result<Event, Error> {
        Event::new(false)
    }

    fn new(manual: bool) -> Result<Event, Error> {
        // SAFETY: neither attributes nor a name are given.
        let event =
            unsafe { CreateEventW(std::ptr::null(), i32::from(manual), 0, std::ptr::null()) };
        Error::last_if(event.is_null()).map(|()| Event(event))
    }

    /// Signals it.
    ///
    /// # Errors
    /// None that an open event can give.
    pub fn set(&self) -> Result<(), Error> {
        // SAFETY: the handle is ours.
        Error::last_if(unsafe { SetEvent(self.0) } == 0)
    }

    /// Makes it not signalled.
    ///
    /// # Errors
    /// None that an open event can give.
    pub fn reset(&self) -> Result<(), Error> {
        // SAFETY: the handle is ours.
        Error::last_if(unsafe { ResetEvent(self.0) } == 0)
    }

    /// Waits until it is signalled; whether it was before `timeout` (`None`: no limit) passed.
    ///
    /// # Errors
    /// None that an open event can give.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        Ok(wait(&[self], false, timeout, false)? != Waited::TimedOut)
    }

    /// Windows' handle, which stays the event's own.
    pub fn as_raw(&self) -> HANDLE {
        self.0
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again.
        unsafe { CloseHandle(self.0) };
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.0).finish()
    }
}

/// Waits until one of the events is signalled. Of several, the lowest index is told.
///
/// # Errors
/// [`Error::INVALID_PARAMETER`] for no event, or more than [`EVENTS_MAX`].
pub fn wait_any(events: &[&Event], timeout: Option<Duration>) -> Result<Waited, Error> {
    wait(events, false, timeout, false)
}

/// Waits until all of the events are signalled at once; until then, none is consumed.
///
/// # Errors
/// As [`wait_any`].
pub fn wait_all(events: &[&Event], timeout: Option<Duration>) -> Result<Waited, Error> {
    wait(events, true, timeout, false)
}

/// As [`wait_any`], and runs the completion routines of this thread: then the wait ends with [`Waited::RoutinesRan`].
///
/// Routines that panic do so from here.
///
/// # Errors
/// As [`wait_any`].
pub fn wait_any_alertable(events: &[&Event], timeout: Option<Duration>) -> Result<Waited, Error> {
    wait(events, false, timeout, true)
}

fn wait(
    events: &[&Event],
    all: bool,
    timeout: Option<Duration>,
    alertable: bool,
) -> Result<Waited, Error> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        return Err(Error::INVALID_PARAMETER);
    }
    let mut handles = [std::ptr::null_mut(); EVENTS_MAX];
    for (handle, event) in handles.iter_mut().zip(events) {
        *handle = event.0;
    }
    // SAFETY: as many handles as told, each of an event that is borrowed.
    let result = unsafe {
        WSAWaitForMultipleEvents(
            events.len() as u32,
            handles.as_ptr(),
            i32::from(all),
            milliseconds(timeout),
            i32::from(alertable) * TRUE,
        )
    };
    let waited = match result {
        WAIT_FAILED => Err(Error::last()),
        WAIT_TIMEOUT => Ok(Waited::TimedOut),
        WAIT_IO_COMPLETION => Ok(Waited::RoutinesRan),
        index => Ok(Waited::Signalled(index as usize)),
    };
    if alertable {
        routine::rethrow();
    }
    waited
}
