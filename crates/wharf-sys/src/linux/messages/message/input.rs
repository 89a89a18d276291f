//! Waiting for objects and input together.

use windows_sys::Win32::UI::WindowsAndMessaging::QS_TIMER;

use super::Queue;
use crate::platform::objects::object::Object;
use crate::platform::threads::parker::{Deadline, has_passed};
use crate::platform::threads::thread;
use crate::platform::threads::wait::{self, Waited};

/// MsgWaitForMultipleObjectsEx: waits for the objects and for input.
pub struct InputWait {
    /// The objects of the handles.
    pub objects: Vec<Object>,
    /// Whether all of them, and input, are waited for.
    pub all: bool,
    /// QS_ bits: what counts as input.
    pub kinds: u32,
    /// Whether input that the owner has already looked at counts.
    pub seen_counts: bool,
    /// Whether APCs end it.
    pub alertable: bool,
}

impl InputWait {
    /// Waits; the index of the input is the number of objects.
    pub fn wait(mut self, deadline: Deadline) -> Waited {
        let thread = thread::current();
        let input = self.objects.len();
        self.objects.push(Object::Input(thread.clone()));
        loop {
            let next_timer = thread.queue().expect(self.kinds, self.seen_counts);
            let next_timer = next_timer.filter(|_| self.kinds & QS_TIMER != 0);
            let first = [deadline, next_timer].into_iter().flatten().min();
            let waited = wait::wait(&self.objects, self.all, first, self.alertable);
            let told = match waited {
                Waited::Object(index) => self.all || index == input,
                Waited::Abandoned(_) => self.all,
                Waited::Apc | Waited::TimedOut => false,
            };
            thread
                .queue()
                .expect_nothing(if told { self.kinds } else { 0 });
            if waited != Waited::TimedOut || has_passed(deadline) {
                return waited;
            }
        }
    }
}

impl Queue {
    /// From now on `input` is signalled while one of these kinds has come (or is there, if what was seen counts).
    /// Gives the time of the next timer.
    fn expect(&self, kinds: u32, seen_counts: bool) -> Deadline {
        let mut state = self.state.lock();
        let next_timer = state.expire();
        state.awaited = kinds;
        let there = if seen_counts { state.is_there() } else { 0 };
        if (state.came | there) & kinds != 0 {
            // Nobody but the owner waits for it, and the owner is here.
            drop(self.input.signal());
        } else {
            self.input.reset();
        }
        next_timer
    }

    /// The wait is over; what was told is no longer new.
    fn expect_nothing(&self, told: u32) {
        let mut state = self.state.lock();
        state.awaited = 0;
        state.came &= !told;
        self.input.reset();
    }
}
