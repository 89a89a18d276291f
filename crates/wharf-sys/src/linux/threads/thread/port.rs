//! The calling thread and its completion port.
//!
//! Blocking calls announce themselves with [`block`], which takes the thread out of its port's active count for as long as it
//! sleeps.

use std::sync::Arc;
use std::sync::atomic::Ordering::*;

use windows_sys::Win32::Foundation::HANDLE;

use super::{EXIT, LOCAL, Local, Thread, with};
use crate::platform::engine::deferral;
use crate::platform::engine::dispatch::MemberId;
use crate::platform::engine::port::Port;
use crate::platform::objects::handle;
use crate::platform::status::Status;

/// Whether the handle names the port that the calling thread belongs to already, and then what `use_port` does with it.
/// It must run no application code.
pub fn in_own_port<R>(
    handle: HANDLE,
    use_port: impl FnOnce(&Arc<Port>, MemberId, &Arc<Thread>) -> R,
) -> Option<R> {
    with(|local| {
        if local.port_handle.get() != handle || !handle::is_open(handle) {
            return None;
        }
        let association = local.association.borrow();
        let (port, member) = association.as_ref()?;
        Some(use_port(port, *member, &local.thread))
    })
}

/// Posts: what `use_port` does with the port of a handle. The thread remembers to which port it posted last, so that threads that
/// post and threads that take do not write to the same place of the table. `use_port` must run no application code.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn at_port(handle: HANDLE, use_port: impl FnOnce(&Port)) -> Result<(), Status> {
    if LOCAL.get().is_null() && EXIT.try_with(|_| ()).is_err() {
        use_port(&*handle::port(handle)?); // the thread is ending: nothing is remembered any more
        return Ok(());
    }
    with(|local| {
        let known = local.posts_to.take().filter(|(known, port)| {
            *known == handle && port.strong_count() > 0 && handle::is_open(handle)
        });
        let known = match known {
            Some(known) => known,
            None => (handle, Arc::downgrade(&*handle::port(handle)?)),
        };
        if let Some(port) = known.1.upgrade() {
            use_port(&port);
        } // else it was closed meanwhile, and its packets are gone
        local.turns.set(local.turns.get().saturating_add(7));
        local.posts_to.set(Some(known));
        Ok(())
    })
}

/// Counts a call for a packet. Whether the calling thread has made so many since it last looked at the sockets that it does so
/// now. A packet that it posts counts like seven: a worker that posts to itself never finds its queue empty.
pub fn is_turn_of_sockets() -> bool {
    const LIMIT: u32 = 256;
    with(|local| {
        let turns = local.turns.get().saturating_add(1);
        let is_turn = turns >= LIMIT;
        local.turns.set(if is_turn { 0 } else { turns });
        is_turn
    })
}

/// The calling thread has looked at the sockets.
pub fn sockets_had_their_turn() {
    with(|local| local.turns.set(0));
}

/// Remembers the handle by which the calling thread has just asked its port for a packet.
pub fn note_port_handle(handle: HANDLE) {
    with(|local| {
        if local.association.borrow().is_some() && handle::is_open(handle) {
            local.port_handle.set(handle);
        }
    });
}

/// Associates the calling thread with `port`, leaving another one, and returns its place there.
pub fn associate(port: &Arc<Port>) -> MemberId {
    with(|local| {
        if let Some((current, id)) = &*local.association.borrow()
            && Arc::ptr_eq(current, port)
        {
            return *id;
        }
        disassociate(local);
        let id = port.join(local.thread.clone());
        *local.association.borrow_mut() = Some((port.clone(), id));
        id
    })
}

/// Whether the calling thread is one of the port's.
pub fn works_for(port: &Arc<Port>) -> bool {
    with(|local| {
        let association = local.association.borrow();
        association
            .as_ref()
            .is_some_and(|(own, _)| Arc::ptr_eq(own, port))
    })
}

pub(super) fn disassociate(local: &Local) {
    local.port_handle.set(std::ptr::null_mut());
    if let Some((port, id)) = local.association.take() {
        deferral::flush_in_passing(&port);
        port.leave(id);
    }
}

/// The thread blocks: as long as this lives it does not count for its completion port.
pub struct Blocked {
    thread: Arc<Thread>,
    association: Option<(Arc<Port>, MemberId)>,
}

/// Announces that the calling thread is about to sleep.
pub fn block() -> Blocked {
    let (thread, association) =
        with(|local| (local.thread.clone(), local.association.borrow().clone()));
    if let Some((port, id)) = &association {
        deferral::flush_in_passing(port);
        port.lower(*id);
    }
    thread.waiting.store(true, Relaxed);
    Blocked {
        thread,
        association,
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.thread.waiting.store(false, Relaxed);
        if let Some((port, id)) = &self.association {
            port.raise(*id);
        }
    }
}
