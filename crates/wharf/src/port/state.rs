//! What a port shares with its sockets: which are open, which operations are under way, whether there is a port yet.

use std::collections::HashSet;
use std::ptr::null;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, SeqCst},
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wharf_sys::owned::SHARES_OPERATIONS;
use wharf_sys::{CancelIoEx, HANDLE, OVERLAPPED, SOCKET, STATUS_PENDING};

use crate::operation::OperationId;
use crate::{Error, Socket};

/// How much later than its packet the status of an operation may come, should the system be so careless. (Wine never tells it if
/// the thread that started the operation has ended: then it is leaked.)
const LATE_STATUS: Duration = Duration::from_millis(100);

/// What a port shares with its sockets.
pub(crate) struct PortState {
    handle: usize,
    /// No operation may be started any more.
    closed: AtomicBool,
    /// Operations that were started and whose packet was not taken.
    in_flight: AtomicUsize,
    /// The associated sockets that are open.
    sockets: Mutex<HashSet<SOCKET>>,
    /// The addresses of the operations that are under way, in parts by address, where that is needed: see
    /// [`PortState::claim`].
    ours: [Mutex<HashSet<usize>>; OURS_PARTS],
}

const OURS_PARTS: usize = 16;

impl PortState {
    /// Of a port with this handle, without sockets.
    pub(super) fn new(handle: HANDLE) -> PortState {
        PortState {
            handle: handle as usize,
            closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            sockets: Mutex::default(),
            ours: Default::default(),
        }
    }

    /// No operation is started from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
    }

    /// Whether an operation is under way, or its packet was not taken.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(SeqCst) > 0
    }

    pub(super) fn handle(&self) -> HANDLE {
        self.handle as HANDLE
    }

    /// Counts an operation that is about to be started.
    ///
    /// # Errors
    /// [`Error::ABANDONED_WAIT`] if the port was dropped.
    pub(crate) fn announce(&self) -> Result<(), Error> {
        // SeqCst here and in `close`: either this operation is counted there, or this sees that it is closed.
        self.in_flight.fetch_add(1, SeqCst);
        if self.closed.load(SeqCst) {
            self.retract();
            return Err(Error::ABANDONED_WAIT);
        }
        Ok(())
    }

    /// The operation was not started after all, or its packet was taken.
    pub(crate) fn retract(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }

    /// Where the address of an operation is noted while it is under way.
    ///
    /// It is locked until the start has succeeded or failed: the packet may be there before the note.
    pub(crate) fn ours(&self, operation: OperationId) -> MutexGuard<'_, HashSet<usize>> {
        let part = operation.0 / size_of::<OVERLAPPED>() % OURS_PARTS;
        self.ours[part]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a packet that was just taken is that of an operation of ours, which is over with it.
    ///
    /// On Windows a socket is shared by all handles that were duplicated of it, and whoever has one may start operations of
    /// his own; their packets come here too. His OVERLAPPED must not be looked at, and may be gone: if one of ours has its
    /// place by now, it is not taken before it is finished. (If it is, its own packet is the one that is nobody's.)
    pub(super) fn claim(&self, overlapped: *mut OVERLAPPED) -> bool {
        if SHARES_OPERATIONS {
            let address = overlapped as usize;
            let until = Instant::now() + LATE_STATUS;
            loop {
                let mut ours = self.ours(OperationId(address));
                if !ours.contains(&address) {
                    return false;
                }
                // SAFETY: the OVERLAPPED of one of ours, alive as long as it is noted; the system writes to it.
                let status = unsafe { AtomicUsize::from_ptr(&raw mut (*overlapped).Internal) };
                if status.load(Acquire) != STATUS_PENDING as usize {
                    ours.remove(&address);
                    break;
                }
                drop(ours);
                if Instant::now() >= until {
                    return false;
                }
                std::thread::yield_now();
            }
        }
        self.retract();
        true
    }

    /// The socket will be closed.
    pub(crate) fn forget(&self, socket: &Socket) {
        self.sockets().remove(&socket.as_raw());
    }

    pub(super) fn sockets(&self) -> MutexGuard<'_, HashSet<SOCKET>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cancel_all(&self) {
        for &socket in self.sockets().iter() {
            // SAFETY: open, since it is in the set; no OVERLAPPED is named. Having nothing to cancel is no failure.
            unsafe { CancelIoEx(socket as HANDLE, null()) };
        }
    }
}
