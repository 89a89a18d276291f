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
        let event = match prepare(&mut operation) {
            Ok(event) => event,
            Err(error) => return Err(Refused::new(error, operation)),
        };
        let buffer: WSABUF = one_mut(buffer(operation.body()));
        let call = |overlapped| {
            let mut flags = 0;
            // SAFETY: the buffer is the operation's, which is its own until it is over.
            let result = unsafe {
                WSARecv(
                    self.as_raw(),
                    &buffer,
                    1,
                    null_mut(),
                    &mut flags,
                    overlapped,
                    None,
                )
            };
            Error::last_if(result == SOCKET_ERROR)
        };
        self.pend(operation, event, call)
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
        let event = match prepare(&mut operation) {
            Ok(event) => event,
            Err(error) => return Err(Refused::new(error, operation)),
        };
        let data: WSABUF = match one(data(operation.body())) {
            Ok(data) => data,
            Err(error) => return Err(Refused::new(error, operation)),
        };
        let call = |overlapped| {
            // SAFETY: the data is the operation's, which is its own until it is over.
            let result =
                unsafe { WSASend(self.as_raw(), &data, 1, null_mut(), 0, overlapped, None) };
            Error::last_if(result == SOCKET_ERROR)
        };
        self.pend(operation, event, call)
    }

    fn pend<T: 'static>(
        &self,
        operation: Operation<T>,
        event: usize,
        call: impl FnOnce(*mut OVERLAPPED) -> Result<(), Error>,
    ) -> Result<Pending<T>, Refused<T>> {
        // SAFETY: with an event and its low bit nothing but the OVERLAPPED itself tells of the end: no packet does.
        let flight = unsafe { operation.start(event, call) }?;
        Ok(Pending {
            flight,
            socket: self.as_raw(),
        })
    }
}

/// What goes into hEvent: the operation's event, and that no packet is wanted.
fn prepare<T>(operation: &mut Operation<T>) -> Result<usize, Error> {
    let event = &mut operation.frame().event;
    if event.is_none() {
        *event = Some(Event::manual_reset()?);
    }
    let handle = event.as_ref().map_or(0, |event| event.as_raw() as usize);
    Ok(handle | EVENT_ONLY)
}
