//! The kernel objects a handle can name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{Arc, LazyLock, Weak};

use super::lock::Lock;
use super::port::Port;
use super::socket::Socket;
use super::thread::Thread;
use super::wait::Waitable;

/// What a handle refers to.
#[derive(Clone)]
pub enum Object {
    /// An event object.
    Event(Arc<Event>),
    /// A completion port.
    Port(Arc<Port>),
    /// What a thread waits for when it waits for input: its message queue. No handle names it.
    Input(Arc<Thread>),
    /// This process; it is never signalled, since nobody is left to see it.
    Process,
    /// A socket.
    Socket(Arc<Socket>),
    /// A thread.
    Thread(Arc<Thread>),
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
            Object::Port(_) => None,
            Object::Process => Some(&PROCESS),
            Object::Socket(socket) => Some(&socket.signalled),
            Object::Thread(thread) => Some(&thread.ended),
        }
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
            Object::Port(port) if last => port.close(),
            Object::Socket(socket) if last => socket.close(),
            _ => {}
        }
    }

    fn handles(&self) -> Option<&AtomicUsize> {
        match self {
            Object::Port(port) => Some(&port.handles),
            Object::Socket(socket) => Some(&socket.handles),
            Object::Event(_) | Object::Input(_) | Object::Process | Object::Thread(_) => None, // closing has no effect of its own
        }
    }
}

/// An event object.
pub struct Event {
    waitable: Waitable,
}

/// Named events, as long as a handle to them is open. Names are process-wide.
static NAMED: LazyLock<Lock<HashMap<Vec<u16>, Weak<Event>>>> = LazyLock::new(Default::default);

impl Event {
    /// An event without a name.
    pub fn new(manual_reset: bool, signalled: bool) -> Arc<Event> {
        Arc::new(Event {
            waitable: Waitable::new(manual_reset, signalled),
        })
    }

    /// The event with that name, and whether it existed already (then the other arguments do not matter).
    pub fn named(name: Vec<u16>, manual_reset: bool, signalled: bool) -> (Arc<Event>, bool) {
        let mut named = NAMED.lock();
        named.retain(|_, event| event.strong_count() > 0);
        if let Some(event) = named.get(&name).and_then(Weak::upgrade) {
            return (event, true);
        }
        let event = Event::new(manual_reset, signalled);
        named.insert(name, Arc::downgrade(&event));
        (event, false)
    }

    /// Signals it.
    pub fn set(&self) {
        self.waitable.set();
    }

    /// Makes it non-signalled.
    pub fn reset(&self) {
        self.waitable.reset();
    }
}
