//! The kernel objects a handle can name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

use super::name::Nameable;
use super::notification::Notification;
use super::timer::Timer;
use crate::platform::engine::port::Port;
use crate::platform::messages::message::Queue;
use crate::platform::sockets::socket::Socket;
use crate::platform::status::Status;
use crate::platform::threads::thread::Thread;
use crate::platform::threads::wait::{Released, Waitable};

/// What a handle refers to.
#[derive(Clone)]
pub enum Object {
    /// An event object.
    Event(Arc<Event>),
    /// A mutex.
    Mutex(Arc<Mutex>),
    /// What WSAProviderConfigChange waits with.
    Notification(Arc<Notification>),
    /// A completion port.
    Port(Arc<Port>),
    /// What a thread waits for when it waits for input: its message queue. No handle names it.
    Input(Arc<Thread>),
    /// This process; it is never signalled, since nobody is left to see it.
    Process,
    /// A semaphore.
    Semaphore(Arc<Semaphore>),
    /// A socket.
    Socket(Arc<Socket>),
    /// A thread.
    Thread(Arc<Thread>),
    /// A waitable timer.
    Timer(Arc<Timer>),
}

/// The count of handles of an object whose last one was closed.
const CLOSED: usize = usize::MAX;

static PROCESS: Waitable = Waitable::new(true, false);

impl Object {
    /// Its signalled state, if it can be waited for.
    pub fn waitable(&self) -> Option<&Waitable> {
        match self {
            Object::Event(event) => Some(&event.waitable),
            Object::Input(thread) => thread.existing_queue().map(|queue| &queue.input),
            Object::Mutex(mutex) => Some(&mutex.waitable),
            Object::Notification(notification) => Some(&notification.signalled),
            Object::Port(_) => None,
            Object::Process => Some(&PROCESS),
            Object::Semaphore(semaphore) => Some(&semaphore.waitable),
            Object::Socket(socket) => Some(&socket.signalled),
            Object::Thread(thread) => Some(&thread.ended),
            Object::Timer(timer) => Some(&timer.waitable),
        }
    }

    /// Whether a socket without a port may be what signals it.
    pub fn is_for_sockets(&self) -> bool {
        match self {
            Object::Event(event) => event.for_sockets.load(Relaxed),
            Object::Input(thread) => thread.existing_queue().is_some_and(Queue::is_for_sockets),
            Object::Socket(socket) => socket.association().is_none(),
            _ => false,
        }
    }

    /// Signals an event, releases a mutex or a semaphore once.
    ///
    /// # Errors
    /// - `OBJECT_TYPE_MISMATCH` for any other object.
    /// - `MUTANT_NOT_OWNED`, `SEMAPHORE_LIMIT_EXCEEDED`.
    pub fn signal(&self) -> Result<(), Status> {
        match self {
            Object::Event(event) => event.set(),
            Object::Mutex(mutex) => mutex.release()?,
            Object::Semaphore(semaphore) => semaphore.release(1).map(drop)?,
            _ => return Err(Status::OBJECT_TYPE_MISMATCH),
        }
        Ok(())
    }

    /// Another handle is to refer to the object; false if its last one was closed.
    pub fn opened(&self) -> bool {
        let one_more = |count: usize| (count != CLOSED).then(|| count + 1);
        self.handles()
            .is_none_or(|handles| handles.fetch_update(AcqRel, Acquire, one_more).is_ok())
    }

    /// A handle to the object was closed; the last one closes the object.
    pub fn closed(&self) {
        let one_less = |count: usize| Some(if count == 1 { CLOSED } else { count - 1 });
        let last = self
            .handles()
            .is_some_and(|handles| handles.fetch_update(AcqRel, Acquire, one_less) == Ok(1));
        match self {
            Object::Notification(notification) if last => notification.close(),
            Object::Port(port) if last => port.close(),
            Object::Socket(socket) if last => socket.close(),
            _ => {}
        }
    }

    fn handles(&self) -> Option<&AtomicUsize> {
        match self {
            Object::Notification(notification) => Some(&notification.handles),
            Object::Port(port) => Some(&port.handles),
            Object::Socket(socket) => Some(&socket.handles),
            _ => None, // closing has no effect of its own
        }
    }
}

/// An event object.
pub struct Event {
    waitable: Waitable,
    for_sockets: AtomicBool, // sockets without a port have signalled it, or will
}

impl Event {
    /// A new event.
    pub fn new(manual_reset: bool, signalled: bool) -> Arc<Event> {
        Arc::new(Event {
            waitable: Waitable::new(manual_reset, signalled),
            for_sockets: AtomicBool::new(false),
        })
    }

    /// Signals it.
    pub fn set(&self) {
        self.waitable.set();
    }

    /// A socket without a port is to signal it.
    pub fn note_socket(&self) {
        if !self.for_sockets.load(Relaxed) {
            self.for_sockets.store(true, Relaxed);
        }
    }

    /// As [`set`](Self::set), for callers that hold a lock.
    pub fn signal(&self) -> Released {
        self.waitable.signal()
    }

    /// Makes it non-signalled.
    pub fn reset(&self) {
        self.waitable.reset();
    }

    /// Releases whom a signal satisfies now, and leaves it non-signalled.
    pub fn pulse(&self) {
        self.waitable.pulse();
    }
}

impl Nameable for Event {
    fn object(self: Arc<Self>) -> Object {
        Object::Event(self)
    }

    fn is_kind_of(object: &Object) -> bool {
        matches!(object, Object::Event(_))
    }
}

/// A semaphore object.
pub struct Semaphore {
    waitable: Waitable,
}

impl Semaphore {
    /// A semaphore whose count is `count`, and never more than `max`.
    pub fn new(count: i32, max: i32) -> Arc<Semaphore> {
        Arc::new(Semaphore {
            waitable: Waitable::semaphore(count, max),
        })
    }

    /// Adds to the count and gives what it was.
    ///
    /// # Errors
    /// `SEMAPHORE_LIMIT_EXCEEDED`.
    pub fn release(&self, count: i32) -> Result<i32, Status> {
        self.waitable.add(count)
    }
}

impl Nameable for Semaphore {
    fn object(self: Arc<Self>) -> Object {
        Object::Semaphore(self)
    }

    fn is_kind_of(object: &Object) -> bool {
        matches!(object, Object::Semaphore(_))
    }
}

/// A mutex object. What its owner does is in `wait.rs`.
pub struct Mutex {
    /// Signalled while nobody owns it.
    pub waitable: Waitable,
}

impl Mutex {
    /// A mutex, owned by the calling thread or by nobody.
    pub fn new(owned: bool) -> Arc<Mutex> {
        let mutex = Arc::new(Mutex {
            waitable: Waitable::mutex(),
        });
        if owned {
            mutex.take_new();
        }
        mutex
    }
}

impl Nameable for Mutex {
    fn object(self: Arc<Self>) -> Object {
        Object::Mutex(self)
    }

    fn is_kind_of(object: &Object) -> bool {
        matches!(object, Object::Mutex(_))
    }
}
