//! Network events: a socket tells an event object, or a window, what has happened to it.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use wharf_sys::{
    FD_ACCEPT, FD_CLOSE, FD_CONNECT, FD_OOB, FD_READ, FD_WRITE, SOCKET_ERROR, WSAAsyncSelect,
    WSAEnumNetworkEvents, WSAEventSelect, WSANETWORKEVENTS,
};

use crate::window::Window;
use crate::{Error, Event, Socket};

/// A set of network events.
///
/// ```
/// use wharf::Events;
///
/// let events = Events::READ | Events::CLOSE;
/// assert!(events.contains(Events::READ) && !events.contains(Events::READ | Events::WRITE));
/// assert!(Events::NONE.is_empty());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Events(pub(crate) u32);

impl Events {
    /// Nothing: no longer tell.
    pub const NONE: Events = Events(0);
    /// There is data (`FD_READ`); told again after a call that receives, if there is more.
    pub const READ: Events = Events(FD_READ);
    /// There is room (`FD_WRITE`): at first, and after a send that failed with [`Error::WOULD_BLOCK`].
    pub const WRITE: Events = Events(FD_WRITE);
    /// There is urgent data (`FD_OOB`).
    pub const URGENT: Events = Events(FD_OOB);
    /// There is a connection to accept (`FD_ACCEPT`); told again after an accept, if there are more.
    pub const ACCEPT: Events = Events(FD_ACCEPT);
    /// The connect has succeeded or failed (`FD_CONNECT`).
    pub const CONNECT: Events = Events(FD_CONNECT);
    /// The peer has nothing more to say, perhaps before all was received, or the connection is no more (`FD_CLOSE`).
    pub const CLOSE: Events = Events(FD_CLOSE);

    const NAMED: [(Events, &'static str); 6] = [
        (Events::READ, "READ"),
        (Events::WRITE, "WRITE"),
        (Events::URGENT, "URGENT"),
        (Events::ACCEPT, "ACCEPT"),
        (Events::CONNECT, "CONNECT"),
        (Events::CLOSE, "CLOSE"),
    ];

    /// Whether all of `other` are in it.
    pub fn contains(self, other: Events) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Events {
    type Output = Events;

    fn bitor(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Events) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Events::NAMED.into_iter();
        let names = names.filter_map(|(event, name)| self.contains(event).then_some(name));
        f.debug_set().entries(names).finish()
    }
}

/// What has happened to a socket since it was last asked.
///
/// See [`Socket::event_select`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkEvents {
    /// Which events.
    pub events: Events,
    errors: [i32; 10],
}

impl NetworkEvents {
    /// Whether this event has happened, and with success: `None` if it has not.
    pub fn result(&self, event: Events) -> Option<Result<(), Error>> {
        if event.is_empty() || !self.events.contains(event) {
            return None;
        }
        match self.errors.get(event.0.trailing_zeros() as usize) {
            None | Some(0) => Some(Ok(())),
            Some(&code) => Some(Err(Error::from_code(code as u32))),
        }
    }
}

impl Socket {
    /// Has `event` signalled when one of these network events happens to the socket, instead of whatever was selected
    /// before. The socket does not block from now on.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::{Event, Events, Socket};
    ///
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let event = Event::manual_reset()?;
    /// listener.event_select(&event, Events::ACCEPT | Events::CLOSE)?;
    /// let client = Socket::connect_to(listener.local_addr()?)?;
    /// assert!(event.wait(None)?);
    /// let happened = listener.network_events(&event)?; // and resets it
    /// assert_eq!(happened.result(Events::ACCEPT), Some(Ok(())));
    /// assert_eq!(happened.result(Events::CLOSE), None);
    /// let (server, _) = listener.accept()?;
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaeventselect>
    ///
    /// # Errors
    /// None that an open socket and an open event can give.
    pub fn event_select(&self, event: &Event, events: Events) -> Result<(), Error> {
        // SAFETY: any values are checked.
        let selected =
            unsafe { WSAEventSelect(self.as_raw(), event.as_raw() as isize, events.0 as i32) };
        Error::last_if(selected == SOCKET_ERROR)
    }

    /// Tells what has happened since the last call, and resets the event, as one.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnetworkevents>
    ///
    /// # Errors
    /// None that an open socket and an open event can give.
    pub fn network_events(&self, event: &Event) -> Result<NetworkEvents, Error> {
        let mut told = WSANETWORKEVENTS {
            lNetworkEvents: 0,
            iErrorCode: [0; 10],
        };
        // SAFETY: `told` is a live variable.
        let asked =
            unsafe { WSAEnumNetworkEvents(self.as_raw(), event.as_raw() as isize, &mut told) };
        Error::last_if(asked == SOCKET_ERROR)?;
        Ok(NetworkEvents {
            events: Events(told.lNetworkEvents as u32),
            errors: told.iErrorCode,
        })
    }

    /// Has a message posted to the window for each of these network events that happens to the socket, instead of
    /// whatever was selected before. The socket does not block from now on.
    ///
    /// See [`Window`] for an example.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaasyncselect>
    ///
    /// # Errors
    /// None that an open socket can give: the window is there.
    pub fn async_select(&self, window: &Window, events: Events) -> Result<(), Error> {
        let (handle, message) = window.target();
        // SAFETY: any values are checked.
        let selected = unsafe { WSAAsyncSelect(self.as_raw(), handle, message, events.0 as i32) };
        Error::last_if(selected == SOCKET_ERROR)
    }
}
