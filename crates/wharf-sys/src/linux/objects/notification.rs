//! Notifications of a change that nothing here makes: of the catalog of providers (WSAProviderConfigChange), or of what a
//! query of a name space has found (WSANSPIoctl).
//!
//! The catalog is fixed, and what was found is not asked for again, so whoever waits does so until the wait is ended from
//! outside: it is cancelled, its thread ends, the handle is closed. A wait is a [`Request`] as a socket's are; it stands
//! in a list and in no direction, since nothing is ever attempted.
//!
//! Source: "WSAProviderConfigChange", "WSANSPIoctl".

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, Weak};

use windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE;
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::platform::engine::completion::queue_routine;
use crate::platform::engine::direction::Request as _;
use crate::platform::engine::operation::Operation;
use crate::platform::engine::port::{Packet, Port};
use crate::platform::engine::request::{Delivery, Overlapped, Request, SILENT, Tag};
use crate::platform::engine::synchronous::{Finished, Outcome};
use crate::platform::lock::Lock;
use crate::platform::status::Status;
use crate::platform::threads::thread;
use crate::platform::threads::wait::Waitable;

/// A port, and the key of the packets that go there.
pub type PacketTo = (Arc<Port>, usize);

/// What is waited with. To programs it is a file: it can be associated with a port and waited for.
pub struct Notification {
    /// Signalled when a wait without an event of its own ends.
    pub signalled: Waitable,
    /// How many handles name it.
    pub handles: AtomicUsize,
    association: OnceLock<PacketTo>,
    waits: Lock<Option<Vec<Wait>>>, // `None`: closed
}

/// One wait.
struct Wait {
    request: Box<Request>,
    packet_to: Option<PacketTo>, // else where the file is associated
}

impl Wait {
    fn tag(&self) -> Tag {
        self.request.tag()
    }

    /// Whether CancelIo and its like end it.
    fn is_somebodys(&self) -> bool {
        self.tag().overlapped != SILENT
    }
}

/// Those that somebody waits with or has waited with: the end of a thread looks for its waits there.
static USED: Lock<Vec<Weak<Notification>>> = Lock::new(Vec::new());

impl Notification {
    /// Without waits.
    pub fn new() -> Arc<Notification> {
        Arc::new(Notification {
            signalled: Waitable::new(true, false),
            handles: AtomicUsize::new(0),
            association: OnceLock::new(),
            waits: Lock::new(Some(Vec::new())),
        })
    }

    /// Waits with an OVERLAPPED. It is told as any operation on a file is: event, packet, or routine.
    ///
    /// # Errors
    /// Nothing will be reported: `INVALID` for a routine on a port's file; `INVALID_HANDLE` for an event that is none, or
    /// if the notification is closed.
    pub fn wait_overlapped(
        self: &Arc<Self>,
        overlapped: Overlapped,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> Result<(), Status> {
        let on_port = self.association.get().is_some();
        let delivery = Delivery::new(overlapped, routine, on_port, &self.signalled)?;
        self.start(delivery, None)
    }

    /// Waits until it is ended from outside. APCs run meanwhile.
    ///
    /// # Errors
    /// Always: `CANCELLED`, or `INVALID_HANDLE` if the notification is closed.
    pub fn wait(self: &Arc<Self>) -> Result<(), Status> {
        let outcome = Outcome::new(0);
        self.start(Delivery::Synchronous(outcome.clone()), None)?;
        Err(outcome.wait().status)
    }

    /// Begins a wait.
    ///
    /// # Errors
    /// `INVALID_HANDLE` if the notification is closed.
    pub fn start(
        self: &Arc<Self>,
        delivery: Delivery,
        packet_to: Option<PacketTo>,
    ) -> Result<(), Status> {
        self.note_use();
        thread::note_pending();
        let request = Request::new(Operation::None, delivery);
        let wait = Wait { request, packet_to };
        let refused = match &mut *self.waits.lock() {
            Some(waits) => {
                waits.push(wait);
                return Ok(());
            }
            None => wait,
        };
        refused.request.free();
        Err(Status::INVALID_HANDLE)
    }

    fn note_use(self: &Arc<Self>) {
        let mut used = USED.lock();
        used.retain(|other| other.strong_count() > 0);
        if !used
            .iter()
            .any(|other| std::ptr::eq(other.as_ptr(), &**self))
        {
            used.push(Arc::downgrade(self));
        }
    }

    /// CreateIoCompletionPort.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` if it is associated already.
    pub fn associate(&self, port: &Arc<Port>, key: usize) -> Result<(), Status> {
        self.association
            .set((port.clone(), key))
            .map_err(|_| Status::INVALID_PARAMETER)
    }

    /// CancelIoEx: all operations, or the one with that OVERLAPPED.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none.
    pub fn cancel(&self, overlapped: *const OVERLAPPED) -> Result<(), Status> {
        let wanted = overlapped as usize;
        let is_wanted = |wait: &Wait| wanted == 0 || wait.tag().overlapped == wanted;
        match self.end(|wait| wait.is_somebodys() && is_wanted(wait)) {
            0 => Err(Status::NOT_FOUND),
            _ => Ok(()),
        }
    }

    /// CancelIo: the operations that the calling thread issued.
    pub fn cancel_own(&self) {
        let issuer = thread::current_serial();
        self.end(|wait| wait.is_somebodys() && wait.tag().issuer == issuer);
    }

    /// Ends every wait, for good.
    pub fn close(&self) {
        let waits = self.waits.lock().take();
        for wait in waits.into_iter().flatten() {
            self.finish(wait);
        }
    }

    /// Ends the waits that `select` chooses; how many.
    fn end(&self, select: impl Fn(&Wait) -> bool) -> usize {
        let chosen: Vec<Wait> = match &mut *self.waits.lock() {
            Some(waits) => waits.extract_if(.., |wait| select(wait)).collect(),
            None => Vec::new(),
        };
        let count = chosen.len();
        for wait in chosen {
            self.finish(wait);
        }
        count
    }

    /// Tells that a wait has ended without a change. Under no lock.
    fn finish(&self, mut wait: Wait) {
        let status = Status::CANCELLED;
        let delivery = std::mem::replace(&mut wait.request.delivery, Delivery::None);
        wait.request.free();
        match delivery {
            Delivery::None => {}
            Delivery::Overlapped {
                overlapped,
                event,
                quiet,
            } => {
                let packet_to = wait
                    .packet_to
                    .or_else(|| self.association.get().cloned())
                    .filter(|_| !quiet);
                overlapped.write_result(status, 0);
                match event {
                    Some(event) => event.set(),
                    None => self.signalled.set(),
                }
                if let Some((port, key)) = packet_to {
                    port.arrive(Packet {
                        key,
                        overlapped: overlapped.address(),
                        bytes: 0,
                        status,
                    });
                }
            }
            Delivery::Routine {
                overlapped,
                routine,
                thread,
            } => queue_routine(overlapped, routine, &thread, status, 0),
            Delivery::Synchronous(outcome) => outcome.finish(Finished::failed(status)),
        }
    }
}

/// CancelSynchronousIo: the waits that the thread blocks in; whether there were any.
pub fn cancel_synchronous(issuer: u64) -> bool {
    let used: Vec<_> = USED.lock().iter().filter_map(Weak::upgrade).collect();
    let theirs = |wait: &Wait| wait.tag().is_synchronous && wait.tag().issuer == issuer;
    let ended: usize = used
        .iter()
        .map(|notification| notification.end(theirs))
        .sum();
    ended > 0
}

/// The thread ends: so do its waits that no port is told of, and a synchronous one that it leaves from inside an APC.
pub fn thread_exits(issuer: u64) {
    let used: Vec<_> = USED.lock().iter().filter_map(Weak::upgrade).collect();
    for notification in used {
        let on_port = notification.association.get().is_some();
        notification.end(|wait| {
            let tag = wait.tag();
            let goes_to_port = on_port || wait.packet_to.is_some();
            tag.issuer == issuer && (!goes_to_port || tag.has_event || tag.overlapped == 0)
        });
    }
}
