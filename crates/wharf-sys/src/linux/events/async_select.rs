//! WSAAsyncSelect: network events as window messages.
//!
//! One message per event: the socket's handle in wParam, event and error in lParam. Messages to a window that is gone
//! are dropped.

use std::sync::Arc;

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::Networking::WinSock::FD_CLOSE;

use super::network_events::{Look, ORDER};
use crate::platform::messages::window::{self, Posted};
use crate::platform::sockets::socket::Socket;
use crate::platform::status::Status;

/// What the program wants to be sent where.
#[derive(Clone)]
pub struct Window {
    window: usize, // HWND
    message: u32,
    handle: usize, // the socket's, as the program knows it
}

/// Messages in a queue whose thread is still to be woken.
#[derive(Default)]
#[must_use = "the thread sleeps on"]
pub struct Posts(Vec<Posted>);

impl Posts {
    /// Wakes the threads. Under no lock.
    pub fn wake(self) {
        for posted in self.0 {
            posted.wake();
        }
    }
}

impl Window {
    /// Puts a message for each of the events into the window's queue.
    pub fn append(&self, events: u32, look: &Look) -> Posts {
        let due = ORDER.iter().filter(|event| events & **event != 0);
        Posts(
            due.filter_map(|event| self.append_one(*event, look.error(*event)))
                .collect(),
        )
    }

    fn append_one(&self, event: u32, error: u32) -> Option<Posted> {
        let lparam = (error << 16 | event) as isize;
        window::append(self.window as HWND, self.message, self.handle, lparam).ok()
    }

    /// A socket is to report there.
    pub fn note_socket(&self) {
        window::note_socket(self.window as HWND);
    }

    /// The same for another socket.
    pub fn with_handle(&self, handle: usize) -> Window {
        Window {
            handle,
            ..self.clone()
        }
    }

    /// The socket was closed, and not by winsock.
    pub fn post_close(&self) {
        if let Some(posted) = self.append_one(FD_CLOSE, 0) {
            posted.wake();
        }
    }
}

impl Socket {
    /// WSAAsyncSelect with a mask.
    ///
    /// # Errors
    /// `INVALID` if there is no such window, `INSUFFICIENT_RESOURCES`.
    pub fn select_messages(
        self: &Arc<Self>,
        handle: usize,
        window: HWND,
        message: u32,
        mask: u32,
    ) -> Result<(), Status> {
        if !window::exists(window) {
            return Err(Status::INVALID);
        }
        let window = Window {
            window: window as usize,
            message,
            handle,
        };
        self.select_window(window, mask)
    }
}
