//! Waits that sockets may end: for events, messages or routines that sockets without a port report by.
//!
//! The threads in such waits look after the default set themselves. One of them, the keeper of the [`Lookout`], sleeps in
//! the set rather than on its own; what it finds there it attempts and reports as any harvest does, for whichever thread
//! it is. If its own wait is over then, it goes on without another thread having been woken. While nobody keeps the
//! lookout, the helper looks after the set by neglect.

use std::sync::Arc;

use super::drive::Sink;
use super::helper;
use super::lookout::{Left, Lookout};
use crate::platform::lock::Lock;
use crate::platform::threads::parker::Deadline;
use crate::platform::threads::thread::Thread;

static LOOKOUT: Lock<Lookout<Arc<Thread>>> = Lock::new(Lookout::new());

/// A thread's wait, from its first sleep to its end. It ends before the thread runs anything of the application.
pub struct SocketWait<'a> {
    thread: &'a Arc<Thread>,
    keeps: bool, // known to keep the lookout
}

impl<'a> SocketWait<'a> {
    /// The calling thread is about to sleep.
    pub fn begin(thread: &'a Arc<Thread>) -> SocketWait<'a> {
        LOOKOUT.lock().enter(thread.serial(), thread.clone());
        SocketWait {
            thread,
            keeps: false,
        }
    }

    /// Sleeps until unparked or `deadline`; may return early.
    pub fn sleep(&mut self, deadline: Deadline) {
        self.keeps = self.keeps || LOOKOUT.lock().keeps(self.thread.serial());
        match helper::set_to_keep() {
            Some(set) if self.keeps => Sink::for_harvest().park(set, &self.thread.parker, deadline),
            _ => self.thread.parker.park(deadline),
        }
    }
}

impl Drop for SocketWait<'_> {
    fn drop(&mut self) {
        let left = LOOKOUT.lock().leave(self.thread.serial());
        match left {
            Left::Kept => {}
            Left::To(thread) => thread.parker.unpark(),
            Left::Vacant => helper::arm(),
        }
    }
}
