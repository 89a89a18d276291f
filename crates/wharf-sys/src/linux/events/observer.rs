//! Who is told of a socket's network events: the shell around `network_events.rs`.
//!
//! A socket has one registration, for an event (WSAEventSelect) or a window (WSAAsyncSelect), and an event record from
//! its first registration for an event on. From its first registration of either kind it is in an epoll set, and
//! FLAG_OBSERVED makes whoever harvests an edge, or calls a re-enabling function, look at it again.
//!
//! One lock makes a look and what follows from it one step: the record changes with the event's state, and messages are
//! in the queue in the order of the looks. Threads are woken when it is released. It is held while the socket's state
//! and directions are asked, so it comes before their locks; and nothing is driven under it, so whoever looks
//! has driven before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use windows_sys::Win32::Networking::WinSock::{
    FD_ACCEPT, FD_ADDRESS_LIST_CHANGE_BIT, FD_CLOSE, FD_OOB, FD_READ,
    FD_ROUTING_INTERFACE_CHANGE_BIT, FD_WRITE,
};

use super::async_select::{Posts, Window};
use super::network_events::{Look, Messages, Occasion, Record};
use super::readiness::Condition;
use crate::platform::engine::helper;
use crate::platform::engine::reactor::Edge;
use crate::platform::objects::object::Event;
use crate::platform::sockets::socket::{
    FLAG_CHANGED_ADDRESSES, FLAG_CHANGED_ROUTES, FLAG_CONNECTED, FLAG_OBSERVED, Phase, Side, Socket,
};
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::wait::Released;

/// What is known of an observed socket.
#[derive(Default)]
pub struct Observed {
    record: Option<Record>, // since the first registration for an event, and for ever
    registration: Registration,
    looked: u64, // how many harvests of the default set had begun at the last look
}

/// Who is told.
#[derive(Default)]
enum Registration {
    #[default]
    None,
    Event {
        event: Arc<Event>,
        mask: u32,
    },
    Window {
        window: Window,
        messages: Messages,
    },
}

/// Who is to be woken when the lock is released.
#[derive(Default)]
#[must_use = "threads sleep on"]
pub struct News {
    released: Option<Released>,
    posts: Posts,
}

impl News {
    fn wake(self) {
        if let Some(released) = self.released {
            released.wake();
        }
        self.posts.wake();
    }
}

impl Observed {
    /// What was asked for; 0 if nothing is.
    fn mask(&self) -> u32 {
        match &self.registration {
            Registration::None => 0,
            Registration::Event { mask, .. } => *mask,
            Registration::Window { messages, .. } => messages.mask(),
        }
    }

    /// Reports what is new.
    fn take_in(&mut self, occasion: Occasion, look: &Look) -> News {
        let recorded = self
            .record
            .as_mut()
            .map_or(0, |record| record.take_in(occasion, look));
        match &mut self.registration {
            Registration::None => News::default(),
            Registration::Event { event, mask } => News::of_event(event, recorded & *mask),
            Registration::Window { window, messages } => {
                News::of_window(window, messages.take_in(occasion, look), look)
            }
        }
    }

    /// A receive was called and took all there was.
    fn received_everything(&mut self) {
        if let Some(record) = &mut self.record {
            record.received_everything();
        }
        if let Registration::Window { messages, .. } = &mut self.registration {
            messages.received_everything();
        }
    }

    fn register_event(&mut self, event: Arc<Event>, mask: u32, look: &Look) -> News {
        let record = self.record.get_or_insert_with(|| Record::new(look));
        record.take_in(Occasion::Change, look);
        let news = News::of_event(&event, record.events() & mask);
        self.registration = Registration::Event { event, mask };
        news
    }

    fn register_window(&mut self, window: Window, mask: u32, look: &Look) -> News {
        let mut messages = Messages::new(mask, look);
        let due = messages.take_in(Occasion::Change, look);
        let news = News::of_window(&window, due, look);
        self.registration = Registration::Window { window, messages };
        news
    }
}

impl News {
    fn of_event(event: &Event, reported: u32) -> News {
        News {
            released: (reported != 0).then(|| event.signal()),
            ..News::default()
        }
    }

    fn of_window(window: &Window, due: u32, look: &Look) -> News {
        News {
            posts: window.append(due, look),
            ..News::default()
        }
    }
}

/// Who to tell, as a registration says.
enum Target {
    Event(Arc<Event>),
    Window(Window),
}

// ---- how many ----

/// Observed sockets that are open: somebody must harvest for them even if no operation is under way.
static OBSERVED: AtomicUsize = AtomicUsize::new(0);

/// Whether any socket is observed.
pub fn any_observed() -> bool {
    OBSERVED.load(Relaxed) > 0
}

impl Socket {
    /// Looks at the socket, if it is observed, and reports what is new.
    pub fn observe(&self, occasion: Occasion) {
        if self.has(FLAG_OBSERVED) {
            self.observe_now(occasion);
        }
    }

    /// As [`observe`](Self::observe), after an edge because of which nothing was attempted.
    pub fn observe_edge(&self, edge: &Edge) {
        if self.has(FLAG_OBSERVED) {
            self.look_and_tell(Occasion::Change, Some(edge));
        }
    }

    #[cold]
    fn observe_now(&self, occasion: Occasion) {
        self.look_and_tell(occasion, None);
    }

    fn look_and_tell(&self, occasion: Occasion, edge: Option<&Edge>) {
        let Some(observed) = self.observed.get() else {
            return;
        };
        let mut observed = observed.lock();
        if self.is_closed() {
            return;
        }
        // An edge tells how things were after its harvest had begun; that is news unless somebody has looked since then.
        // (Of a datagram socket edges tell of arrivals only.)
        let tells = self.association().is_none() && !self.is_datagram();
        let news_of = |edge: &&Edge| tells && edge.harvest > observed.looked;
        let events = edge.filter(news_of).map(|edge| edge.events);
        if events.is_none() {
            observed.looked = helper::default_harvests(); // before the look
        }
        if occasion == Occasion::Receive && self.is_known_to_be_empty() {
            observed.received_everything();
            return;
        }
        let condition = match events {
            Some(events) => Condition::of(self, events),
            None => Condition::now(self),
        };
        let exactly = match &observed.record {
            Some(record) => events.is_none() || !record.has_nothing(),
            None => false,
        };
        let look = self.look(condition, exactly);
        let news = observed.take_in(occasion, &look);
        drop(observed);
        news.wake();
    }

    /// Whether a receive has just found that nothing is left, and an edge will tell of what comes.
    fn is_known_to_be_empty(&self) -> bool {
        let exhausted = || self.direction(Side::Receive).lock().is_exhausted();
        self.has(FLAG_CONNECTED) && !self.is_datagram() && !self.saw_urgent() && exhausted()
    }

    /// The socket's condition as network events see it; `exactly` for the event record, if it must know how much there is.
    fn look(&self, condition: Condition, exactly: bool) -> Look {
        let state = self.state();
        let (connects, connect) = (state.connects, state.connect_outcome);
        let (bound, listens) = (state.bound, state.phase == Phase::Listening);
        drop(state);
        let arrival = if listens { FD_ACCEPT } else { FD_READ };
        let closed = condition.ended || condition.reset;
        let mut holds = 0;
        for (condition, event) in [
            (condition.receivable, arrival),
            (condition.sendable, FD_WRITE),
            (condition.urgent, FD_OOB),
            (closed, FD_CLOSE),
            (
                self.set_flag(FLAG_CHANGED_ADDRESSES, false),
                1 << FD_ADDRESS_LIST_CHANGE_BIT,
            ),
            (
                self.set_flag(FLAG_CHANGED_ROUTES, false),
                1 << FD_ROUTING_INTERFACE_CHANGE_BIT,
            ),
        ] {
            if condition {
                holds |= event;
            }
        }
        let mut look = Look {
            holds,
            connects,
            connect,
            bound,
            close_error: if condition.reset {
                Status::CONNECTION_ABORTED.to_winsock()
            } else {
                0
            },
            datagram: self.is_datagram(),
            amount: u32::from(condition.receivable),
            ..Look::default()
        };
        if exactly && holds & (FD_READ | FD_ACCEPT) != 0 || holds & FD_OOB != 0 {
            let amount = self.amount();
            look.amount = if condition.receivable {
                amount.max(1)
            } else {
                0
            };
            look.urgent_distance = amount;
        }
        look
    }

    /// Connections waiting, memory of datagrams waiting, or bytes up to the urgent one.
    pub fn amount(&self) -> u32 {
        let listens = || self.state().phase == Phase::Listening;
        match () {
            () if self.is_datagram() => system::receive_memory(self.fd()),
            () if !self.has(FLAG_CONNECTED) && listens() => {
                system::connections_waiting(self.fd()) + self.held()
            }
            () => self.unread(),
        }
    }

    // ---- registering ----

    /// WSAEventSelect with a mask.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES`.
    pub fn select_events(self: &Arc<Self>, event: Arc<Event>, mask: u32) -> Result<(), Status> {
        self.register(Target::Event(event), mask)
    }

    /// WSAAsyncSelect with a mask.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES`.
    pub fn select_window(self: &Arc<Self>, window: Window, mask: u32) -> Result<(), Status> {
        self.register(Target::Window(window), mask)
    }

    fn register(self: &Arc<Self>, target: Target, mask: u32) -> Result<(), Status> {
        self.watch()?;
        match &target {
            Target::Event(event) => event.note_socket(),
            Target::Window(window) => window.note_socket(),
        }
        let observed = self.observed.get_or_init(Default::default);
        if !self.set_flag(FLAG_OBSERVED, true) {
            OBSERVED.fetch_add(1, Relaxed);
        }
        self.set_non_blocking(true);
        self.retry(); // pending receives take what is theirs
        let news = {
            let mut observed = observed.lock();
            if self.is_closed() {
                return Err(Status::NOT_SOCKET);
            }
            observed.looked = helper::default_harvests();
            match target {
                Target::Event(event) => {
                    let look = self.look(Condition::now(self), true);
                    observed.register_event(event, mask, &look)
                }
                Target::Window(window) => {
                    let look = self.look(Condition::now(self), observed.record.is_some());
                    observed.register_window(window, mask, &look)
                }
            }
        };
        news.wake();
        self.parked(); // somebody must be there to see what happens
        Ok(())
    }

    /// WSAEventSelect or WSAAsyncSelect without a mask. The socket stays non-blocking.
    pub fn cancel_network_events(&self) {
        self.set_non_blocking(true);
        if let Some(observed) = self.observed.get() {
            observed.lock().registration = Registration::None;
        }
    }

    /// A connection that `listener` took, now named by `handle`, has the listener's registration.
    pub fn inherit_network_events(self: &Arc<Self>, listener: &Socket, handle: usize) {
        let Some(observed) = listener.observed.get() else {
            return;
        };
        let (target, mask) = match &observed.lock().registration {
            Registration::None => return,
            Registration::Event { event, mask } => (Target::Event(event.clone()), *mask),
            Registration::Window { window, messages } => {
                (Target::Window(window.with_handle(handle)), messages.mask())
            }
        };
        let _ = self.register(target, mask); // without resources, or closed by now: nothing is reported
    }

    /// FIONBIO.
    ///
    /// # Errors
    /// `INVALID` if a registration keeps it non-blocking.
    pub fn set_blocking_mode(&self, blocking: bool) -> Result<(), Status> {
        if blocking && self.is_kept_non_blocking() {
            return Err(Status::INVALID);
        }
        self.set_non_blocking(!blocking);
        Ok(())
    }

    /// Whether a registration keeps it non-blocking.
    pub fn is_kept_non_blocking(&self) -> bool {
        self.observed
            .get()
            .is_some_and(|observed| observed.lock().mask() != 0)
    }

    /// Makes a change that gives the socket another descriptor. What edges from before tell is not believed after it: they are
    /// of the old one.
    pub fn replacing<R>(&self, change: impl FnOnce() -> R) -> R {
        let Some(observed) = self.observed.get() else {
            return change(); // whoever registers from here on looks for itself
        };
        let mut observed = observed.lock(); // so that no such edge is seen to between
        let result = change();
        observed.looked = helper::default_harvests();
        result
    }

    /// The socket is a fresh one under the same handle: whoever was told of the last connection is told of the next.
    pub fn renew_observation(&self) {
        if let Some(observed) = self.observed.get() {
            let mut observed = observed.lock();
            if let Some(record) = &mut observed.record {
                record.renew();
            }
            if let Registration::Window { messages, .. } = &mut observed.registration {
                messages.renew();
            }
        }
    }

    /// The socket is closed: nobody is told anything any more.
    pub fn end_observation(&self) {
        if let Some(observed) = self.observed.get() {
            *observed.lock() = Observed::default();
            if self.set_flag(FLAG_OBSERVED, false) {
                OBSERVED.fetch_sub(1, Relaxed);
            }
        }
    }

    /// The window that is to be told if the socket is closed without winsock's knowing.
    pub fn expects_close_message(&self) -> Option<Window> {
        match &self.observed.get()?.lock().registration {
            Registration::Window { window, messages } if messages.expects(FD_CLOSE) => {
                Some(window.clone())
            }
            _ => None,
        }
    }

    /// Lets `fetch` take from the record what is in the mask, in one step with its own effects.
    pub fn with_record<R>(&self, fetch: impl FnOnce(&mut Record, u32) -> R) -> Option<R> {
        let mut observed = self.observed.get()?.lock();
        let Registration::Event { mask, .. } = observed.registration else {
            return None;
        };
        observed.record.as_mut().map(|record| fetch(record, mask))
    }
}
