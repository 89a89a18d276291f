//! Messages to windows: posted, sent, dispatched; and their timers.

use std::sync::Arc;

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    HWND_BROADCAST, TIMERPROC, WM_CLOSE, WM_NCCREATE, WM_TIMER, WS_CHILD,
};

use super::super::message::{self, Message, Sent, Units, Windows};
use super::{WINDOWS, Window, destroy, find, handle_of};
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::thread;

/// Posts a message to the queue of the thread whose window it is. Any thread may do so.
///
/// # Errors
/// - `INVALID_WINDOW`.
/// - `QUOTA_EXCEEDED` if the queue is full.
pub fn post(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<(), Status> {
    let message = Message::new(hwnd as usize, message, wparam, lparam);
    message::post(&find(hwnd)?.owner, message)
}

/// A message is in its queue; its thread is still to be woken.
#[must_use = "the thread sleeps on"]
pub struct Posted {
    window: Arc<Window>,
    wake: message::Wake,
}

impl Posted {
    /// Wakes the thread. Under no lock.
    pub fn wake(self) {
        self.wake.wake(&self.window.owner);
    }
}

/// As [`post`], for callers that hold a lock.
///
/// # Errors
/// As [`post`].
pub fn append(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<Posted, Status> {
    let message = Message::new(hwnd as usize, message, wparam, lparam);
    let window = find(hwnd)?;
    let wake = message::append(&window.owner, message)?;
    Ok(Posted { window, wake })
}

/// A socket is to report to the window. If its thread sleeps already, it looks after sockets too from now on.
pub fn note_socket(hwnd: HWND) {
    if let Ok(window) = find(hwnd)
        && let Some(queue) = window.owner.existing_queue()
        && !queue.is_for_sockets()
    {
        queue.note_socket();
        window.owner.parker.unpark();
    }
}

/// PostMessage: to a window, to the calling thread (null), or to every top-level window (HWND_BROADCAST).
///
/// # Errors
/// As [`post`].
pub fn post_to(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<(), Status> {
    if hwnd.is_null() {
        let thread = thread::current();
        thread.queue();
        return message::post(&thread, Message::new(0, message, wparam, lparam));
    }
    if hwnd == HWND_BROADCAST {
        for window in top_level_windows() {
            post(window, message, wparam, lparam)?;
        }
        return Ok(());
    }
    post(hwnd, message, wparam, lparam)
}

/// PostThreadMessage.
///
/// # Errors
/// - `INVALID_THREAD` if there is no such thread, or it has no queue.
/// - `QUOTA_EXCEEDED` if the queue is full.
pub fn post_to_thread(
    thread_id: u32,
    message: u32,
    wparam: usize,
    lparam: isize,
) -> Result<(), Status> {
    let current = thread::current();
    if current.id() == thread_id {
        current.queue();
    }
    let thread = thread::find(thread_id).ok_or(Status::INVALID_THREAD)?;
    message::post(&thread, Message::new(0, message, wparam, lparam))
}

/// SendMessage: the result of the window's procedure, which runs in the window's thread.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn send(
    hwnd: HWND,
    message: u32,
    wparam: usize,
    lparam: isize,
    units: Units,
) -> Result<isize, Status> {
    if hwnd == HWND_BROADCAST {
        for window in top_level_windows() {
            let _ = send(window, message, wparam, lparam, units); // it may have gone meanwhile
        }
        return Ok(1);
    }
    let window = find(hwnd)?;
    if window.is_mine() {
        return Ok(window.call(hwnd, message, wparam, lparam, units));
    }
    let message = Message::new(hwnd as usize, message, wparam, lparam);
    message::send(&window.owner, message, units)
}

/// Runs the procedure for a message that another thread sent.
pub fn handle_sent(sent: &Sent) -> isize {
    let Message {
        window: handle,
        message,
        wparam,
        lparam,
        ..
    } = sent.message;
    let hwnd = handle as HWND;
    find(hwnd).map_or(0, |window| {
        window.call(hwnd, message, wparam, lparam, sent.units)
    })
}

/// DispatchMessage: runs the procedure that a message taken from the queue is for.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn dispatch(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<isize, Status> {
    if message == WM_TIMER && lparam != 0 {
        let procedure = timer_procedure(lparam);
        if let Some(procedure) = procedure {
            let time = system::uptime_ms() as u32;
            // SAFETY: the program gave this function to SetTimer.
            unsafe { procedure(hwnd, message, wparam, time) };
        }
        return Ok(0);
    }
    if hwnd.is_null() {
        return Ok(0);
    }
    let window = find(hwnd)?;
    let units = window.numbers.lock().units; // what lies in a queue carries no text
    Ok(window.call(hwnd, message, wparam, lparam, units))
}

/// The procedure at that address, if one of the calling thread's timers has it: a message can claim anything.
fn timer_procedure(address: isize) -> TIMERPROC {
    thread::current().existing_queue()?.timer_procedure(address)
}

/// The default procedure of windows.
pub unsafe extern "system" fn default_procedure(
    hwnd: HWND,
    message: u32,
    _wparam: usize,
    _lparam: isize,
) -> isize {
    match message {
        WM_NCCREATE => 1,
        WM_CLOSE => {
            let _ = destroy(hwnd); // another thread's window is left
            0
        }
        _ => 0,
    }
}

fn top_level_windows() -> impl Iterator<Item = HWND> {
    let windows = WINDOWS.all().into_iter();
    windows
        .filter(|(_, window)| window.is_top_level())
        .map(|(key, _)| handle_of(key) as HWND)
}

/// The window and its children, theirs, and so on: whose messages GetMessage gives for the window.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn family(hwnd: HWND) -> Result<Windows, Status> {
    find(hwnd)?;
    let mut family = vec![hwnd as usize];
    let all = WINDOWS.all();
    let mut looked_at = 0;
    while let Some(&parent) = family.get(looked_at) {
        looked_at += 1;
        let children = all.iter().filter(|(_, window)| {
            let numbers = window.numbers.lock();
            numbers.parent == parent && numbers.style & WS_CHILD != 0
        });
        let children: Vec<usize> = children
            .map(|(key, _)| handle_of(*key))
            .filter(|child| !family.contains(child))
            .collect();
        family.extend(children);
    }
    Ok(Windows::These(family))
}

/// Sets a timer for a window of the calling thread, or for the thread itself (null). Gives its identifier.
///
/// # Errors
/// - `INVALID_WINDOW`.
/// - `ACCESS_DENIED` if it is another thread's.
pub fn set_timer(
    hwnd: HWND,
    id: usize,
    milliseconds: u32,
    procedure: TIMERPROC,
) -> Result<usize, Status> {
    if !hwnd.is_null() && !find(hwnd)?.is_mine() {
        return Err(Status::ACCESS_DENIED);
    }
    let thread = thread::current();
    let queue = thread.queue();
    Ok(queue.set_timer(hwnd as usize, id, milliseconds, procedure))
}

/// Ends a timer of the calling thread.
///
/// # Errors
/// `INVALID_WINDOW`; `INVALID_PARAMETER` if there is no such timer.
pub fn kill_timer(hwnd: HWND, id: usize) -> Result<(), Status> {
    if !hwnd.is_null() {
        find(hwnd)?;
    }
    let thread = thread::current();
    thread.queue().kill_timer(hwnd as usize, id)
}
