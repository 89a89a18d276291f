//! How a thread sleeps inside the library until something is done for it.
//!
//! One word with five states. [`Parker::unpark`] leaves a notification and wakes the thread in the way it sleeps:
//! on a futex, in `ppoll` beside a socket, or in an epoll set. A notification is only a hint that something changed; whoever
//! parks checks its own condition again, so a stale one costs one more look and nothing else.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::platform::system;

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED_ON_FUTEX: u32 = 2;
const PARKED_IN_POLL: u32 = 3;
const PARKED_IN_SET: u32 = 4;

/// The moment a wait ends; `None`: never.
pub type Deadline = Option<Instant>;

/// What is left until `deadline`; `None` if it is unlimited.
pub fn time_left(deadline: Deadline) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Whether `deadline` has passed.
pub fn has_passed(deadline: Deadline) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// One thread's sleeping place.
#[derive(Default)]
pub struct Parker {
    state: AtomicU32,
    eventfd: OnceLock<OwnedFd>, // made when the thread first sleeps in ppoll
    waker: AtomicI32,           // the eventfd of the set in which it sleeps
}

impl Parker {
    /// Leaves a notification and wakes the thread if it sleeps.
    pub fn unpark(&self) {
        // Release: what the caller changed before is visible to the thread that consumes the notification.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED_ON_FUTEX => system::futex_wake(&self.state),
            PARKED_IN_POLL => {
                if let Some(eventfd) = self.eventfd.get() {
                    system::eventfd_write(eventfd.as_raw_fd());
                }
            }
            PARKED_IN_SET => system::eventfd_write(self.waker.load(Ordering::Relaxed)),
            _ => {}
        }
    }

    /// Sleeps until notified or `deadline`; may return early.
    pub fn park(&self, deadline: Deadline) {
        if self.fall_asleep(PARKED_ON_FUTEX) {
            system::futex_wait(&self.state, PARKED_ON_FUTEX, time_left(deadline));
            self.wake_up();
        }
    }

    /// Sleeps until notified, one of `fds[1..]` is ready, or `deadline`; may return early.
    ///
    /// `fds[0]` is overwritten with the parker's own descriptor. Without an eventfd (no descriptors left) it
    /// looks at the descriptors every few milliseconds instead.
    pub fn park_in_poll(&self, fds: &mut [libc::pollfd], deadline: Deadline) {
        let own = self.own_descriptor();
        fds[0] = libc::pollfd {
            fd: own.unwrap_or(-1),
            events: libc::POLLIN,
            revents: 0,
        };
        let left = match own {
            Some(_) => time_left(deadline),
            None => Some(
                time_left(deadline)
                    .unwrap_or(Duration::MAX)
                    .min(Duration::from_millis(2)),
            ),
        };
        if self.fall_asleep(PARKED_IN_POLL) {
            system::poll(fds, left);
            self.wake_up();
            if let (Some(fd), true) = (own, fds[0].revents != 0) {
                system::eventfd_read(fd);
            }
        }
    }

    /// Sleeps in `sleep`, which a write to `waker` ends, unless a notification is there; may return early. What `sleep`
    /// gives.
    ///
    /// Nobody else sleeps where that write could wake him instead.
    pub fn park_in_set<R>(&self, waker: i32, sleep: impl FnOnce() -> R) -> Option<R> {
        self.waker.store(waker, Ordering::Relaxed); // before the state that makes others read it
        self.fall_asleep(PARKED_IN_SET).then(|| {
            let result = sleep();
            self.wake_up();
            result
        })
    }

    fn own_descriptor(&self) -> Option<i32> {
        if self.eventfd.get().is_none()
            && let Ok(eventfd) = system::eventfd()
        {
            let _ = self.eventfd.set(eventfd); // only the owning thread makes it
        }
        self.eventfd.get().map(AsRawFd::as_raw_fd)
    }

    /// Enters a sleeping state, unless a notification is there: then consumes it and returns false.
    fn fall_asleep(&self, how: u32) -> bool {
        let asleep = self
            .state
            .compare_exchange(EMPTY, how, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !asleep {
            self.wake_up();
        }
        asleep
    }

    /// Acquire: pairs with the Release in `unpark`.
    fn wake_up(&self) {
        self.state.swap(EMPTY, Ordering::AcqRel);
    }
}
