//! Operations that report to an event of their own.

use std::fmt;
use std::mem::forget;
use std::ptr::null_mut;
use std::time::Duration;

use wharf_sys::{
    CancelIoEx, GetOverlappedResult, HANDLE, OVERLAPPED, SOCKET, SOCKET_ERROR, WSABUF, WSARecv,
    WSASend,
};

use crate::buffers::{one, one_mut};
use crate::event::Event;
use crate::operation::{InFlight, Operation, Refused};
use crate::{Error, Socket};

/// An operation that is over, and how it ended.
pub struct Finished<T> {
    /// The operation, to be looked at and started again.
    pub operation: Operation<T>,
    /// How many bytes were transferred, of a failed operation too.
    pub bytes: u32,
    /// Whether it succeeded.
    pub result: Result<(), Error>,
}

impl<T> fmt::Debug for Finished<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("operation", &self.operation)
            .field("bytes", &self.bytes)
            .field("result", &self.result)
            .finish()
    }
}

/// The low bit of hEvent: the event tells, no packet does, should the socket be associated with a port.
const EVENT_ONLY: usize = 1;

/// How often a dropped operation that does not end is cancelled again.
const CANCEL_AGAIN: Duration = Duration::from_millis(10);

/// An operation that is under way, and tells by an event when it is over.
///
/// Dropping it cancels the operation and waits until it is over; forgetting it leaks it.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{Operation, Socket, Waited, wait_any};
///
/// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let peer = Socket::connect_to(listener.local_addr()?)?;
/// let (socket, _) = listener.accept()?;
///
/// let pending = socket.receive_with_event(Operation::new([0; 64]), |buffer| buffer)?;
/// assert!(!pending.is_finished());
/// peer.send(b"hello")?;
/// assert_eq!(wait_any(&[pending.event()], None)?, Waited::Signalled(0));
/// let finished = pending.wait();
/// finished.result?;
/// assert_eq!(&finished.operation[..finished.bytes as usize], b"hello");
/// # Ok::<_, wharf::Error>(())
/// ```
#[must_use = "dropping it cancels the operation"]
pub struct Pending<T: 'static> {
    flight: InFlight<T>,
    socket: SOCKET,
}

// SAFETY: it owns the operation like a box, and the system does not mind which thread asks.
unsafe impl<T: Send> Send for Pending<T> {}
// SAFETY: a shared one only gives its event and whether it is finished.
unsafe impl<T: Send> Sync for Pending<T> {}

impl<T: 'static> Pending<T> {
    /// What is signalled when it is over.
    pub fn event(&self) -> &Event {
        // SAFETY: the operation is this one's until `self` is given up.
        let event = unsafe { self.flight.event() };
        event.expect("starting makes the event")
    }

    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        self.result().1 != Err(Error::IO_INCOMPLETE)
    }

    /// The operation, if it is over.
    ///
    /// # Errors
    /// Itself, if it is not.
    pub fn try_finish(self) -> Result<Finished<T>, Pending<T>> {
        let (bytes, result) = self.result();
        if result == Err(Error::IO_INCOMPLETE) {
            return Err(self);
        }
        let flight = self.flight;
        forget(self);
        Ok(Finished {
            // SAFETY: it is over, and the one that had its address is forgotten.
            operation: unsafe { flight.land() },
            bytes,
            result,
        })
    }

    /// Waits until it is over.
    pub fn wait(mut self) -> Finished<T> {
        loop {
            self = match self.try_finish() {
                Ok(finished) => return finished,
                Err(pending) => pending,
            };
            // An event that its owner set too early does not end the wait, but must not make it a busy one either.
            if self.event().wait(None) == Ok(true) && !self.is_finished() {
                let _ = self.event().reset();
                self.rest();
            }
        }
    }

    /// Cancels it. It is over soon, unless it was before.
    ///
    /// # Errors
    /// [`Error::NOT_FOUND`] if it is over.
    pub fn cancel(&self) -> Result<(), Error> {
        // SAFETY: the OVERLAPPED is compared, not followed; a socket that was closed meanwhile has no such operation.
        let found =
            unsafe { CancelIoEx(self.socket as HANDLE, self.flight.overlapped().cast_const()) };
        Error::last_if(found == 0)
    }

    fn rest(&self) {
        let _ = self.event().wait(Some(CANCEL_AGAIN));
    }

    fn result(&self) -> (u32, Result<(), Error>) {
        let mut bytes = 0;
        // SAFETY: the OVERLAPPED of an operation that was started; no handle is needed when nothing is waited for.
        let succeeded =
            unsafe { GetOverlappedResult(null_mut(), self.flight.overlapped(), &mut bytes, 0) };
        (bytes, Error::last_if(succeeded == 0))
    }
}

impl<T: 'static> Drop for Pending<T> {
    fn drop(&mut self) {
        while !self.is_finished() {
            let _ = self.cancel(); // it may be over by now
            self.rest();
        }
        // SAFETY: it is over, and its address is not used again.
        drop(unsafe { self.flight.land() });
    }
}

impl<T: 'static> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl Socket {
    /// Starts receiving into the buffer that `buffer` finds; the event of what is returned tells when it is over.
    ///
    /// The event is made with the first operation, and used again with it.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsarecv>
    ///
    /// # Errors
    /// The operation comes back with the error. As [`Socket::recv`];
    /// [`Error::NO_SYSTEM_RESOURCES`] if the system has no room for an event.
    pub fn receive_with_event<T: 'static>(
        &self,
        mut operation: Operation<T>,
        buffer: impl for<'a> FnOnce(&'a mut T) -> &'a mut [u8],
    ) -> Result<Pending<T>, Refused<T>> {
        let buffer = one_mut(buffer(operation.body()));
        // SAFETY: the buffer was found in the value.
        unsafe { receive(operation, self.as_raw(), buffer) }
    }

    /// As [`Socket::receive_with_event`], sending what `data` finds.
    ///
    /// # Errors
    /// The operation comes back with the error. As [`Socket::send`];
    /// [`Error::NO_SYSTEM_RESOURCES`] if the system has no room for an event.
    pub fn send_with_event<T: 'static>(
        &self,
        mut operation: Operation<T>,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
    ) -> Result<Pending<T>, Refused<T>> {
        let data = one(data(operation.body()));
        // SAFETY: the data was found in the value.
        unsafe { send(operation, self.as_raw(), data) }
    }
}

impl<T: 'static> Operation<T> {
    /// As [`Socket::receive_with_event`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::receive_with_event`].
    pub fn receive_with_event(
        mut self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a Socket, &'a mut [u8]),
    ) -> Result<Pending<T>, Refused<T>> {
        let (socket, buffer) = parts(self.body());
        let (socket, buffer) = (socket.as_raw(), one_mut(buffer));
        // SAFETY: the buffer was found in the value.
        unsafe { receive(self, socket, buffer) }
    }

    /// As [`Socket::send_with_event`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::send_with_event`].
    pub fn send_with_event(
        mut self,
        parts: impl for<'a> FnOnce(&'a T) -> (&'a Socket, &'a [u8]),
    ) -> Result<Pending<T>, Refused<T>> {
        let (socket, data) = parts(self.body());
        let (socket, data) = (socket.as_raw(), one(data));
        // SAFETY: the data was found in the value.
        unsafe { send(self, socket, data) }
    }
}

/// # Safety
/// The buffer was found in the operation's value.
unsafe fn receive<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    buffer: WSABUF,
) -> Result<Pending<T>, Refused<T>> {
    pend(operation, socket, |overlapped| {
        let mut flags = 0;
        // SAFETY: the buffer is the operation's, which is its own until it is over.
        let result =
            unsafe { WSARecv(socket, &buffer, 1, null_mut(), &mut flags, overlapped, None) };
        Error::last_if(result == SOCKET_ERROR)
    })
}

/// # Safety
/// The data was found in the operation's value.
unsafe fn send<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    data: Result<WSABUF, Error>,
) -> Result<Pending<T>, Refused<T>> {
    pend(operation, socket, |overlapped| {
        let data = data?;
        // SAFETY: the data is the operation's, which is its own until it is over.
        let result = unsafe { WSASend(socket, &data, 1, null_mut(), 0, overlapped, None) };
        Error::last_if(result == SOCKET_ERROR)
    })
}

/// Starts the operation by `call`, with its event, which is made if there is none.
fn pend<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    call: impl FnOnce(*mut OVERLAPPED) -> Result<(), Error>,
) -> Result<Pending<T>, Refused<T>> {
    let flight = operation.into_raw();
    // SAFETY: it is not under way.
    let event = match unsafe { flight.event_or_new() } {
        Ok(event) => event.as_raw() as usize | EVENT_ONLY,
        // SAFETY: it is not under way, and nobody else has its address.
        Err(error) => return Err(Refused::new(error, unsafe { flight.land() })),
    };
    // SAFETY: it is not under way, and nobody else has its address.
    let operation = unsafe { flight.land() };
    // SAFETY: with an event and its low bit nothing but the OVERLAPPED itself tells of the end: no packet does.
    let flight = unsafe { operation.start(event, call) }?;
    Ok(Pending { flight, socket })
}
