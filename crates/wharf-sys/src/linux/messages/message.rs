//! The message queue of a thread: posted messages, sent messages, timers, and the flag that ends the loop.
//!
//! A thread has a queue from its first message call on. Anybody may post to it; only its owner takes from it. What
//! the owner looks for is served in Windows' order: messages that were sent to its windows (they are not
//! returned, their procedures run), then posted ones first in first out, then WM_QUIT, and WM_TIMER last. WM_QUIT and
//! WM_TIMER are never queued: they are made when the owner asks and nothing else is there.
//!
//! Two sets of bits tell MsgWaitForMultipleObjects what there is: what *came* since the owner last looked, and what
//! *is* there. A wait names the bits it is for, and the queue's own waitable object is signalled while one of them
//! holds, so that a wait for handles and input is one wait.
//!
//! Timers need no clock but the owner's: whoever waits in the queue wakes at the first one's time.
//!
//! Source: "About Messages and Message Queues",
//! <https://learn.microsoft.com/windows/win32/winmsg/about-messages-and-message-queues>.

mod filter;
mod input;
mod timers;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use windows_sys::Win32::UI::WindowsAndMessaging::{
    QS_ALLPOSTMESSAGE, QS_HOTKEY, QS_POSTMESSAGE, QS_SENDMESSAGE, QS_TIMER, TIMERPROC, WM_QUIT,
    WM_TIMER,
};

use crate::platform::engine::helper;
use crate::platform::engine::socket_wait::SocketWait;
use crate::platform::lock::Lock;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::parker::Deadline;
use crate::platform::threads::thread::{self, Thread};
use crate::platform::threads::wait::{Released, Waitable};

pub use filter::{Filter, Windows};
pub use input::InputWait;

/// Posted messages that a queue holds at most.
const POSTED_MAX: usize = 10_000;

/// A message as it lies in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The window it is for, as a number; 0: the thread itself.
    pub window: usize,
    /// Its identifier.
    pub message: u32,
    /// wParam.
    pub wparam: usize,
    /// lParam.
    pub lparam: isize,
    /// When it was posted, in milliseconds since the system started.
    pub time: u32,
}

impl Message {
    /// A message of this moment.
    pub fn new(window: usize, message: u32, wparam: usize, lparam: isize) -> Message {
        Message {
            window,
            message,
            wparam,
            lparam,
            time: system::uptime_ms() as u32,
        }
    }
}

/// A message sent by another thread, which waits for the result.
pub struct Sent {
    /// The message.
    pub message: Message,
    /// How the text it may carry is written.
    pub units: Units,
    sender: Arc<Thread>,
    result: Lock<Option<isize>>,
}

/// How text is written: in what units a window procedure reads it and a caller passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Bytes: UTF-8.
    Ansi,
    /// UTF-16, Windows' own.
    Wide,
    /// UTF-32, the `wchar_t` of C on Linux.
    Wide32,
}

impl Sent {
    fn finish(&self, result: isize) {
        self.result.lock().get_or_insert(result);
        self.sender.parker.unpark();
    }
}

/// A timer of SetTimer.
struct Timer {
    window: usize,
    id: usize,
    period: Duration,
    due: Instant,
    expired: bool, // WM_TIMER is to be made
    procedure: TIMERPROC,
}

/// A thread's queue.
pub struct Queue {
    state: Lock<State>,
    for_sockets: AtomicBool, // sockets report to one of its windows, or did
    /// Signalled while what a wait of the owner is for is there.
    pub input: Waitable,
}

struct State {
    open: bool,              // false once the thread has ended
    windows: HashSet<usize>, // of this thread: what comes for others is refused
    posted: VecDeque<Message>,
    quit: Option<i32>, // PostQuitMessage's exit code
    sent: VecDeque<Arc<Sent>>,
    receiving: Vec<Arc<Sent>>, // whose procedures run now, outermost first
    timers: Vec<Timer>,
    came: u32,    // QS_ bits: since the owner last looked
    awaited: u32, // QS_ bits: what `input` is signalled for
    asleep: bool, // the owner parks until anything comes
}

impl State {
    fn check_window(&self, window: usize) -> Result<(), Status> {
        if window != 0 && !self.windows.contains(&window) {
            Err(Status::INVALID_WINDOW)
        } else if self.open {
            Ok(())
        } else {
            Err(Status::INVALID_THREAD)
        }
    }

    fn is_there(&self) -> u32 {
        let bit = |there: bool, bits: u32| if there { bits } else { 0 };
        bit(
            !self.posted.is_empty() || self.quit.is_some(),
            QS_POSTMESSAGE | QS_ALLPOSTMESSAGE,
        ) | bit(!self.sent.is_empty(), QS_SENDMESSAGE)
            | bit(self.timers.iter().any(|timer| timer.expired), QS_TIMER)
    }

    /// Marks the timers whose time has come; when the next one is due.
    fn expire(&mut self) -> Deadline {
        let now = Instant::now();
        for timer in &mut self.timers {
            if timer.due <= now {
                // Times that were missed make no messages of their own.
                let late = (now - timer.due).as_nanos() % timer.period.as_nanos();
                timer.due = now + timer.period - Duration::from_nanos(late as u64);
                if !timer.expired {
                    timer.expired = true;
                    self.came |= QS_TIMER;
                }
            }
        }
        self.timers
            .iter()
            .filter(|timer| !timer.expired)
            .map(|timer| timer.due)
            .min()
    }

    fn take_posted(&mut self, filter: &Filter, remove: bool) -> Option<Message> {
        let index = self
            .posted
            .iter()
            .position(|message| filter.takes(message))?;
        if remove {
            self.posted.remove(index)
        } else {
            self.posted.get(index).copied()
        }
    }

    fn take_quit(&mut self, remove: bool) -> Option<Message> {
        let code = self.quit?;
        if remove {
            self.quit = None;
        }
        Some(Message::new(0, WM_QUIT, code as usize, 0))
    }

    fn take_timer(&mut self, filter: &Filter, remove: bool) -> Option<Message> {
        let wanted = |timer: &&mut Timer| timer.expired && filter.takes_window(timer.window);
        if !filter.takes_number(WM_TIMER) {
            return None;
        }
        let timer = self.timers.iter_mut().find(wanted)?;
        timer.expired = !remove;
        let procedure = timer
            .procedure
            .map_or(0, |procedure| procedure as usize as isize);
        Some(Message::new(timer.window, WM_TIMER, timer.id, procedure))
    }

    fn take(&mut self, filter: &Filter, remove: bool) -> Option<Message> {
        if filter.wants(QS_POSTMESSAGE) {
            let message = self
                .take_posted(filter, remove)
                .or_else(|| self.take_quit(remove));
            if message.is_some() {
                return message;
            }
        }
        if filter.wants(QS_TIMER) {
            return self.take_timer(filter, remove);
        }
        None
    }

    /// What the owner looks at is no longer new.
    fn seen(&mut self, filter: &Filter) {
        if filter.wants(QS_POSTMESSAGE) {
            self.came &= !(QS_POSTMESSAGE | QS_HOTKEY | QS_TIMER);
            if filter.range == (0, 0) {
                self.came &= !QS_ALLPOSTMESSAGE;
            }
        }
        self.came &= !(filter.kinds & QS_TIMER);
    }
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            for_sockets: AtomicBool::new(false),
            state: Lock::new(State {
                open: true,
                windows: HashSet::new(),
                posted: VecDeque::new(),
                quit: None,
                sent: VecDeque::new(),
                receiving: Vec::new(),
                timers: Vec::new(),
                came: 0,
                awaited: 0,
                asleep: false,
            }),
            input: Waitable::new(true, false),
        }
    }
}

/// Who is to be woken after the queue's lock is released.
#[must_use]
pub struct Wake {
    owner: bool,
    waits: Option<Released>,
}

impl Wake {
    /// Wakes the thread whose queue it is. Under no lock.
    pub fn wake(self, owner: &Thread) {
        if self.owner {
            owner.parker.unpark();
        }
        if let Some(waits) = self.waits {
            waits.wake();
        }
    }
}

impl Queue {
    /// Whether sockets may be what brings messages.
    pub fn is_for_sockets(&self) -> bool {
        self.for_sockets.load(Relaxed)
    }

    /// A socket is to report to a window of this queue.
    pub fn note_socket(&self) {
        self.for_sockets.store(true, Relaxed);
    }

    /// Something came. Under the queue's lock, so that `input` is signalled only while it is awaited.
    fn came(&self, state: &mut State, kinds: u32) -> Wake {
        state.came |= kinds;
        let awaited = state.came & state.awaited != 0;
        Wake {
            owner: std::mem::take(&mut state.asleep),
            waits: awaited.then(|| self.input.signal()),
        }
    }
}

/// Appends a message to the thread's queue.
///
/// # Errors
/// - `INVALID_THREAD` if it has no queue, or has ended.
/// - `INVALID_WINDOW` if the message is for a window that it does not have (any more).
/// - `QUOTA_EXCEEDED` if the queue is full.
pub fn post(thread: &Thread, message: Message) -> Result<(), Status> {
    append(thread, message)?.wake(thread);
    Ok(())
}

/// As [`post`], for callers that hold a lock: the thread sleeps on until [`Wake::wake`].
///
/// # Errors
/// As [`post`].
pub fn append(thread: &Thread, message: Message) -> Result<Wake, Status> {
    let queue = thread.existing_queue().ok_or(Status::INVALID_THREAD)?;
    let mut state = queue.state.lock();
    state.check_window(message.window)?;
    if state.posted.len() >= POSTED_MAX {
        return Err(Status::QUOTA_EXCEEDED);
    }
    state.posted.push_back(message);
    Ok(queue.came(&mut state, QS_POSTMESSAGE | QS_ALLPOSTMESSAGE))
}

/// PostQuitMessage: the calling thread's loop ends when no posted message is left.
pub fn post_quit(code: i32) {
    let thread = thread::current();
    let queue = thread.queue();
    let wake = {
        let mut state = queue.state.lock();
        state.quit = Some(code);
        queue.came(&mut state, QS_POSTMESSAGE | QS_ALLPOSTMESSAGE)
    };
    wake.wake(&thread);
}

/// Has the thread handle the message, and waits for the result. Meanwhile messages sent to the calling thread are
/// handled. The result is 0 if the thread ends first.
///
/// # Errors
/// `INVALID_THREAD`, `INVALID_WINDOW`: as [`post`].
pub fn send(thread: &Thread, message: Message, units: Units) -> Result<isize, Status> {
    let own = thread::current();
    let sent = Arc::new(Sent {
        message,
        units,
        sender: own.clone(),
        result: Lock::default(),
    });
    let queue = thread.existing_queue().ok_or(Status::INVALID_THREAD)?;
    let wake = {
        let mut state = queue.state.lock();
        state.check_window(message.window)?;
        state.sent.push_back(sent.clone());
        queue.came(&mut state, QS_SENDMESSAGE)
    };
    wake.wake(thread);
    let mut blocked = None;
    loop {
        if let Some(result) = *sent.result.lock() {
            return Ok(result);
        }
        if own.queue().may_sleep() {
            blocked.get_or_insert_with(thread::block);
            own.parker.park(None);
        } else {
            blocked = None;
            receive_sent(own.queue());
        }
    }
}

impl Queue {
    /// Announces that the owner sleeps, unless a message was sent to it.
    fn may_sleep(&self) -> bool {
        let mut state = self.state.lock();
        state.asleep = state.sent.is_empty();
        state.asleep
    }

    fn next_sent(&self) -> Option<Arc<Sent>> {
        let mut state = self.state.lock();
        state.came &= !QS_SENDMESSAGE;
        let sent = state.sent.pop_front()?;
        state.receiving.push(sent.clone());
        Some(sent)
    }

    fn received(&self, sent: &Arc<Sent>) {
        let mut state = self.state.lock();
        state.receiving.retain(|other| !Arc::ptr_eq(other, sent));
    }
}

/// Runs the window procedures for everything that was sent to the calling thread.
fn receive_sent(queue: &Queue) {
    while let Some(sent) = queue.next_sent() {
        let result = super::window::handle_sent(&sent);
        queue.received(&sent);
        sent.finish(result);
    }
}

/// The next message of the calling thread that passes the filter, if there is one.
pub fn peek(filter: &Filter, remove: bool) -> Option<Message> {
    let thread = thread::current();
    let queue = thread.queue();
    receive_sent(queue);
    let mut state = queue.state.lock();
    state.expire();
    state.seen(filter);
    state.take(filter, remove)
}

/// Takes the next message of the calling thread that passes the filter, waiting for it.
pub fn get(filter: &Filter) -> Message {
    let thread = thread::current();
    let queue = thread.queue();
    let mut blocked = None;
    let mut socket_wait = None;
    loop {
        let next_timer = {
            let mut state = queue.state.lock();
            state.asleep = false;
            if state.sent.is_empty() {
                let next_timer = state.expire();
                state.seen(filter);
                if let Some(message) = state.take(filter, true) {
                    drop(state);
                    if socket_wait.is_none() && queue.is_for_sockets() {
                        helper::will_be_kept();
                    }
                    return message;
                }
                state.asleep = true;
                Some(next_timer)
            } else {
                None
            }
        };
        match next_timer {
            Some(deadline) => {
                blocked.get_or_insert_with(thread::block);
                if queue.is_for_sockets() {
                    let socket_wait = socket_wait.get_or_insert_with(|| SocketWait::begin(&thread));
                    socket_wait.sleep(deadline);
                } else {
                    thread.parker.park(deadline);
                }
            }
            None => {
                (blocked, socket_wait) = (None, None);
                receive_sent(queue);
            }
        }
    }
}

impl Queue {
    /// The thread has a new window.
    ///
    /// # Errors
    /// `INVALID_THREAD` if it has ended.
    pub fn add_window(&self, window: usize) -> Result<(), Status> {
        let mut state = self.state.lock();
        state.check_window(0)?;
        state.windows.insert(window);
        Ok(())
    }

    /// The window is gone: its messages and timers are too, and who sent to it gets 0.
    pub fn forget_window(&self, window: usize) {
        let mut state = self.state.lock();
        state.windows.remove(&window);
        state.posted.retain(|message| message.window != window);
        state.timers.retain(|timer| timer.window != window);
        let (gone, rest) = std::mem::take(&mut state.sent)
            .into_iter()
            .partition(|sent| sent.message.window == window);
        state.sent = rest;
        state.came &= state.is_there();
        drop(state);
        finish_all(gone);
    }

    /// The thread has ended: nothing comes in any more, and who sent to it gets 0. Gives the windows it left.
    pub fn close(&self) -> HashSet<usize> {
        let mut state = self.state.lock();
        state.open = false;
        state.posted.clear();
        state.timers.clear();
        let sent: VecDeque<_> = std::mem::take(&mut state.sent);
        let receiving = std::mem::take(&mut state.receiving);
        let windows = std::mem::take(&mut state.windows);
        drop(state);
        finish_all(sent);
        finish_all(receiving);
        windows
    }
}

fn finish_all(sent: impl IntoIterator<Item = Arc<Sent>>) {
    for sent in sent {
        sent.finish(0);
    }
}
