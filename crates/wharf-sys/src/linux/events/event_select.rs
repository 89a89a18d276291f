//! WSAEnumNetworkEvents. (WSAEventSelect is `Socket::select_events` in `observer.rs`.)

use windows_sys::Win32::Networking::WinSock::{FD_ACCEPT, FD_READ};

use super::network_events::Fetched;
use crate::platform::objects::object::Event;
use crate::platform::sockets::socket::Socket;

impl Socket {
    /// Takes what is recorded of the selected events, and resets `reset`, in one step. It re-enables nothing.
    pub fn fetch_network_events(&self, reset: Option<&Event>) -> Fetched {
        let reset = || {
            if let Some(event) = reset {
                event.reset();
            }
        };
        self.with_record(|record, mask| {
            // What is there by now is told by this: an edge that comes late is not news.
            if record.events() & mask & (FD_READ | FD_ACCEPT) != 0 {
                record.note_amount(self.amount());
            }
            reset();
            record.fetch(mask)
        })
        .unwrap_or_else(|| {
            reset();
            Fetched::default()
        })
    }
}
