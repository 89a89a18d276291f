//! When messages begin: whenever there is room for one, or at a rate.
//!
//! At a rate, message `n` is due at a time that only `n` decides, and its latency counts from then: if the server (or
//! this program) is late, all messages that were due meanwhile are late too, and none is omitted.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::Until;

/// How many messages may still begin, and when.
#[derive(Debug)]
pub struct Pace {
    started: Instant,
    deadline: Option<Instant>,
    messages_left: u64,
    /// Between the messages of a rate.
    interval: Option<Duration>,
    /// The number of the next message of the rate.
    next: u64,
}

impl Pace {
    pub fn new(until: Until, rate: Option<f64>, now: Instant) -> Pace {
        let (deadline, messages_left) = match until {
            Until::Elapsed(time) => (Some(now + time), u64::MAX),
            Until::Messages(messages) => (None, messages),
        };
        Pace {
            started: now,
            deadline,
            messages_left,
            interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            next: 0,
        }
    }

    /// Whether messages begin whenever there is room.
    pub fn is_closed_loop(&self) -> bool {
        self.interval.is_none()
    }

    /// No more messages.
    pub fn end(&mut self) {
        self.messages_left = 0;
    }

    /// Whether no more messages begin, or are due, at `now` or later.
    pub fn is_over(&self, now: Instant) -> bool {
        self.messages_left == 0 || self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Whether what is due and did not begin yet is to be given up: time is over.
    pub fn gives_up(&self, now: Instant) -> bool {
        self.deadline.is_some() && self.is_over(now)
    }

    /// Whether one more may begin at `now`.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.is_over(now) {
            return false;
        }
        self.messages_left -= 1;
        true
    }

    /// When the next message of the rate is due, if one is to come.
    pub fn next_due(&self) -> Option<Instant> {
        let due = self.started + self.interval?.mul_f64(self.next as f64);
        let is_one = self.messages_left > 0 && self.deadline.is_none_or(|deadline| due < deadline);
        is_one.then_some(due)
    }

    /// The next message of the rate that is due at `now`: its number, and since when.
    pub fn take_due(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.next_due().filter(|&due| due <= now)?;
        let number = self.next;
        self.next += 1;
        self.messages_left -= 1;
        Some((number, due))
    }
}

/// Ends a wait for events to the microsecond; epoll counts in milliseconds.
#[derive(Debug)]
pub struct Alarm(OwnedFd);

impl Alarm {
    /// # Errors
    /// If the system has no room for a timer.
    pub fn new(registry: &Registry, token: Token) -> Result<Alarm> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, flags).context("no timer for the rate")?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Alarm(timer))
    }

    /// Goes off after `time`, instead of whenever it would have.
    ///
    /// # Errors
    /// None that a timer can give.
    pub fn set(&self, time: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: timespec(time.max(Duration::from_nanos(1))), // zero would mean never
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_decides_when_messages_are_due() {
        let start = Instant::now();
        let mut pace = Pace::new(Until::Messages(3), Some(1_000.0), start);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(pace.take_due(at(0)), Some((0, at(0))));
        assert_eq!(pace.take_due(at(0)), None);
        // Whoever comes late still learns when it was due.
        assert_eq!(pace.take_due(at(50)), Some((1, at(1))));
        assert_eq!(pace.take_due(at(50)), Some((2, at(2))));
        assert_eq!(pace.next_due(), None);
        assert!(pace.is_over(at(50)) && !pace.gives_up(at(50)));
    }

    #[test]
    fn messages_that_would_be_due_after_the_end_are_not() {
        let start = Instant::now();
        let until = Until::Elapsed(Duration::from_millis(10));
        let mut pace = Pace::new(until, Some(1_000.0), start);
        let late = start + Duration::from_secs(1);
        assert_eq!(std::iter::from_fn(|| pace.take_due(late)).count(), 10);
        assert!(pace.gives_up(late));
    }
}
