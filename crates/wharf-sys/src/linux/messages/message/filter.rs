//! Which messages of a queue are wanted.

use windows_sys::Win32::UI::WindowsAndMessaging::WM_QUIT;

use super::Message;

/// Which messages are wanted.
pub struct Filter {
    /// Of which windows.
    pub windows: Windows,
    /// The lowest and the highest identifier; both 0: all.
    pub range: (u32, u32),
    /// QS_ bits of the kinds of messages.
    pub kinds: u32,
}

/// Whose messages are wanted.
pub enum Windows {
    /// Every message of the thread.
    All,
    /// Those that are for no window.
    Thread,
    /// Those of these windows.
    These(Vec<usize>),
}

impl Filter {
    pub(super) fn takes_window(&self, window: usize) -> bool {
        match &self.windows {
            Windows::All => true,
            Windows::Thread => window == 0,
            Windows::These(windows) => windows.contains(&window),
        }
    }

    pub(super) fn takes_number(&self, message: u32) -> bool {
        self.range == (0, 0) || (self.range.0..=self.range.1).contains(&message)
    }

    /// A posted WM_QUIT passes every filter.
    pub(super) fn takes(&self, message: &Message) -> bool {
        message.message == WM_QUIT
            || (self.takes_window(message.window) && self.takes_number(message.message))
    }

    pub(super) fn wants(&self, kind: u32) -> bool {
        self.kinds & kind != 0
    }
}
