//! The timers of a queue: set, ended, found by their procedures. The queue itself tells when their time has come.

use std::time::{Duration, Instant};

use windows_sys::Win32::UI::WindowsAndMessaging::{
    TIMERPROC, USER_TIMER_MAXIMUM, USER_TIMER_MINIMUM,
};

use super::{Queue, State, Timer};
use crate::platform::status::Status;

impl Queue {
    /// Sets a timer of the calling thread, the owner, or starts it anew. Without a window an id that is not in use
    /// is replaced by a new one. Gives its id.
    pub fn set_timer(
        &self,
        window: usize,
        id: usize,
        milliseconds: u32,
        procedure: TIMERPROC,
    ) -> usize {
        let mut state = self.state.lock();
        let known = |timer: &Timer| timer.window == window && timer.id == id;
        let exists = state.timers.iter().any(known);
        let id = if window == 0 && !exists {
            state.unused_timer_id()
        } else {
            id
        };
        state
            .timers
            .retain(|timer| (timer.window, timer.id) != (window, id));
        let milliseconds = milliseconds.clamp(USER_TIMER_MINIMUM, USER_TIMER_MAXIMUM);
        let period = Duration::from_millis(u64::from(milliseconds));
        state.timers.push(Timer {
            window,
            id,
            period,
            due: Instant::now() + period,
            expired: false,
            procedure,
        });
        id
    }

    /// Removes a timer, and the message it may just have caused.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` if there is none.
    pub fn kill_timer(&self, window: usize, id: usize) -> Result<(), Status> {
        let mut state = self.state.lock();
        let before = state.timers.len();
        state
            .timers
            .retain(|timer| (timer.window, timer.id) != (window, id));
        if state.timers.len() == before {
            return Err(Status::INVALID_PARAMETER);
        }
        Ok(())
    }

    /// The procedure of WM_TIMER's lParam, if a timer of this queue has it.
    pub fn timer_procedure(&self, address: isize) -> TIMERPROC {
        let state = self.state.lock();
        let mut procedures = state.timers.iter().filter_map(|timer| timer.procedure);
        procedures.find(|procedure| *procedure as usize == address as usize)
    }
}

impl State {
    fn unused_timer_id(&self) -> usize {
        let used = |id: &usize| {
            self.timers
                .iter()
                .any(|timer| timer.window == 0 && timer.id == *id)
        };
        (1..).find(|id| !used(id)).unwrap_or(1)
    }
}
