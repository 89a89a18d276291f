//! WSAStartup and WSACleanup: a count for the process.

use super::lock::Lock;
use super::status::Status;
use crate::platform::names::lookup;
use crate::platform::objects::handle;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

static STARTED: AtomicUsize = AtomicUsize::new(0);
static FORKED: AtomicBool = AtomicBool::new(false); // this is the child of a fork: only exec is left to it
static CHANGING: Lock<()> = Lock::new(());

/// One more successful WSAStartup.
pub fn start_up() {
    let _changing = CHANGING.lock();
    STARTED.fetch_add(1, AcqRel);
    static SERVE: std::sync::Once = std::sync::Once::new();
    SERVE.call_once(super::observe::serve_counts);
}

/// One WSACleanup; the last one closes every socket of the process.
///
/// # Errors
/// `NOT_INITIALISED`.
pub fn clean_up() -> Result<(), Status> {
    let _changing = CHANGING.lock();
    check()?;
    if STARTED.fetch_sub(1, AcqRel) == 1 {
        handle::close_sockets();
        lookup::close_all();
    }
    Ok(())
}

/// Whether this is the child of a fork: everything the library knows belongs to the parent.
pub fn is_child() -> bool {
    FORKED.load(Relaxed)
}

/// Whether winsock calls may be made.
///
/// # Errors
/// `NOT_INITIALISED` before WSAStartup, and in the child of a fork.
pub fn check() -> Result<(), Status> {
    if STARTED.load(Acquire) == 0 || is_child() {
        Err(Status::NOT_INITIALISED)
    } else {
        Ok(())
    }
}

/// After a fork the child shares the parent's sets but has none of its threads: there the library is switched off.
pub fn mark_children() {
    extern "C" fn in_child() {
        FORKED.store(true, Relaxed);
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only stores to an atomic. Without memory for it a child is merely not told.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
