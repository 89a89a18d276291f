//! What only tests ask: who waits, and what is alive.

use std::io::Write;
use std::os::unix::net::UnixListener;

use windows_sys::Win32::Foundation::HANDLE;

use crate::platform::objects::handle;
use crate::platform::sockets::socket;
use crate::platform::threads::thread;

/// What is alive inside the library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counts {
    /// Open handles.
    pub handles: usize,
    /// Sockets whose descriptor is still open.
    pub sockets: usize,
    /// Operations accepted and not yet delivered.
    pub requests: usize,
    /// Packets queued in ports.
    pub packets: usize,
}

/// How many threads wait in `port`.
pub fn port_waiters(port: HANDLE) -> Option<usize> {
    handle::port(port).ok().map(|port| port.waiting())
}

/// Whether the thread with that identifier is blocked in a wait of this library.
pub fn thread_waits(thread_id: u32) -> Option<bool> {
    Some(thread::find(thread_id).is_some_and(|thread| thread.waits()))
}

/// Live counts.
pub fn counts() -> Option<Counts> {
    Some(Counts {
        handles: handle::count(),
        sockets: socket::live_sockets(),
        requests: thread::live_requests(),
        packets: handle::ports().iter().map(|port| port.packets()).sum(),
    })
}

/// `WHARF_COUNTS=<path>`: answers every connection to a Unix socket of that name with one line of live counts, so
/// that a test can look into another process.
pub fn serve_counts() {
    let Some(path) = std::env::var_os("WHARF_COUNTS") else {
        return;
    };
    let _ = std::fs::remove_file(&path);
    let Ok(listener) = UnixListener::bind(&path) else {
        return;
    };
    let answer = move || {
        super::system::block_signals();
        for mut connection in listener.incoming().flatten() {
            let counts = counts().unwrap_or_default();
            let Counts {
                handles,
                sockets,
                requests,
                packets,
            } = counts;
            let line = format!(
                "handles={handles} sockets={sockets} requests={requests} packets={packets}\n"
            );
            let _ = connection.write_all(line.as_bytes()); // the asker may be gone
        }
    };
    let _ = std::thread::Builder::new()
        .name("wharf-counts".into())
        .spawn(answer);
}
