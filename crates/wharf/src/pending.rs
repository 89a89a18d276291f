//! Operations that report to an event of their own.

use std::fmt;
use std::mem::forget;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use wharf_sys::{CancelIoEx, GetOverlappedResult, HANDLE, SOCKET};

use crate::event::Event;
use crate::operation::{InFlight, Operation, Refused};
use crate::request::Order;
use crate::{Error, Request, Socket};

/// An operation that is over, and how it ended: what [`Pending`] gives, and what a routine is given.
///
/// ```
/// use wharf::{Error, Finished, Operation};
///
/// /// Whether there is more to come on a stream.
/// fn go_on(finished: &Finished<Vec<u8>>) -> Result<bool, Error> {
///     finished.result?;
///     Ok(finished.bytes > 0)
/// }
/// let operation = Operation::new(vec![0; 64]);
/// assert_eq!(go_on(&Finished { operation, bytes: 5, result: Ok(()) }), Ok(true));
/// ```
#[must_use = "it tells whether the operation has succeeded"]
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

/// How much later than its status the event of an operation may come. (It never does if it was reset since.)
const LATE_EVENT: Duration = Duration::from_millis(10);

/// How long a dropped operation is waited for that cannot be cancelled.
const PATIENCE: Duration = Duration::from_secs(2);

/// An operation that is under way, and tells by an event when it is over.
///
/// Dropping it cancels the operation and waits until it is over; forgetting it leaks it. (It is leaked too if the socket that
/// started it was dropped, and a [clone](Socket::try_clone) keeps it under way: after two seconds.)
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
///
/// Its event goes back with the operation:
///
/// ```compile_fail,E0505
/// # use wharf::Pending;
/// fn misuse(pending: Pending<[u8; 64]>) {
///     let event = pending.event();
///     drop(pending.wait());
///     let _ = event.set();
/// }
/// ```
///
/// A value that belongs to a thread is not waited for in another:
///
/// ```compile_fail,E0277
/// # use std::rc::Rc;
/// # use wharf::Pending;
/// fn misuse(pending: Pending<Rc<[u8]>>) {
///     std::thread::spawn(move || pending.wait());
/// }
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
        // The system tells the status first. The event is not to be signalled once the operation is started again.
        let _ = self.event().wait(Some(LATE_EVENT));
        let flight = self.flight;
        forget(self);
        // SAFETY: it is over, and the one that had its address is forgotten.
        let mut operation = unsafe { flight.land() };
        // SAFETY: it was just made.
        unsafe { operation.settle(result.is_ok()) };
        Ok(Finished {
            operation,
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
        let begun = Instant::now();
        while !self.is_finished() {
            let found = self.cancel().is_ok(); // if not, it may be over by now
            if !found && begun.elapsed() > PATIENCE && !self.is_finished() {
                return; // its handle is closed, and the socket is not: another handle keeps it open
            }
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
    /// Starts what `request` finds in the operation's value; the event of what is returned tells when it is over.
    ///
    /// The event is made with the first operation, and used again with it. A connection is accepted, made and ended
    /// like this too:
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use wharf::{Operation, Request, Socket};
    ///
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let address = listener.local_addr()?;
    /// let accept = listener.start_with_event(Operation::new(()), |()| Request::accept())?;
    /// let client = Socket::stream_for(address)?;
    /// let connect = client.start_with_event(Operation::new(*b"hello"), |data| {
    ///     Request::connect_and_send(address, data)
    /// })?;
    /// let connected = connect.wait();
    /// connected.result?;
    /// assert_eq!(connected.bytes, 5);
    /// client.finish_connect()?;
    ///
    /// let mut accepted = accept.wait();
    /// accepted.result?;
    /// let accepted = accepted.operation.take_accepted().expect("an accept that succeeded");
    /// let server = accepted.into_socket(&listener)?;
    /// let received = server.receive_with_event(connected.operation, |buffer| buffer)?.wait();
    /// received.result?;
    /// assert_eq!(&*received.operation, b"hello");
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// The operation comes back with the error. As [`AssociatedSocket::start`](crate::AssociatedSocket::start), without
    /// the last; [`Error::NO_SYSTEM_RESOURCES`] if the system has no room for an event.
    pub fn start_with_event<T: 'static>(
        &self,
        mut operation: Operation<T>,
        request: impl for<'a> FnOnce(&'a mut T) -> Request<'a>,
    ) -> Result<Pending<T>, Refused<T>> {
        let order = request(operation.body()).into_order();
        // SAFETY: the request was found in the value.
        unsafe { pend(operation, self.as_raw(), &order) }
    }

    /// Starts receiving into the buffer that `buffer` finds: [`Request::receive`].
    ///
    /// # Errors
    /// As [`Socket::start_with_event`].
    pub fn receive_with_event<T: 'static>(
        &self,
        operation: Operation<T>,
        buffer: impl for<'a> FnOnce(&'a mut T) -> &'a mut [u8],
    ) -> Result<Pending<T>, Refused<T>> {
        self.start_with_event(operation, |value| Request::receive(buffer(value)))
    }

    /// Starts sending what `data` finds: [`Request::send`].
    ///
    /// # Errors
    /// As [`Socket::start_with_event`].
    pub fn send_with_event<T: 'static>(
        &self,
        operation: Operation<T>,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
    ) -> Result<Pending<T>, Refused<T>> {
        self.start_with_event(operation, |value| Request::send(data(value)))
    }
}

impl<T: 'static> Operation<T> {
    /// As [`Socket::start_with_event`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::start_with_event`].
    pub fn start_with_event(
        mut self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a Socket, Request<'a>),
    ) -> Result<Pending<T>, Refused<T>> {
        let (socket, request) = parts(self.body());
        let (socket, order) = (socket.as_raw(), request.into_order());
        // SAFETY: the request was found in the value.
        unsafe { pend(self, socket, &order) }
    }

    /// As [`Socket::receive_with_event`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::start_with_event`].
    pub fn receive_with_event(
        self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a Socket, &'a mut [u8]),
    ) -> Result<Pending<T>, Refused<T>> {
        self.start_with_event(|value| {
            let (socket, buffer) = parts(value);
            (socket, Request::receive(buffer))
        })
    }

    /// As [`Socket::send_with_event`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::start_with_event`].
    pub fn send_with_event(
        self,
        parts: impl for<'a> FnOnce(&'a T) -> (&'a Socket, &'a [u8]),
    ) -> Result<Pending<T>, Refused<T>> {
        self.start_with_event(|value| {
            let (socket, data) = parts(value);
            (socket, Request::send(data))
        })
    }
}

/// Starts the operation with its event, which is made if there is none.
///
/// # Safety
/// The buffers of the order were found in the operation's value.
unsafe fn pend<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    order: &Order,
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
    // SAFETY: with an event and its low bit nothing but the OVERLAPPED itself tells of the end: no packet does. The
    // `Pending` that looks at it is made afterwards.
    let flight = unsafe { operation.submit(socket, order, event, None) }?;
    Ok(Pending { flight, socket })
}

#[cfg(all(test, not(miri)))] // miri has no events
mod tests {
    use wharf_sys::{INVALID_SOCKET, SetEvent};

    use super::*;

    /// The system is played by the test.
    #[test]
    fn it_is_not_over_before_its_event_was_set() {
        const ROUNDS: usize = 20;
        let mut signalled = 0;
        for _ in 0..ROUNDS {
            let flight = Operation::new(()).into_raw();
            // SAFETY: not under way, and nobody else has its address.
            let operation = unsafe {
                flight.event_or_new().unwrap();
                flight.land()
            };
            // SAFETY: the report is below, once.
            let flight = unsafe { operation.launch(0, |_| Err(Error::IO_PENDING)) }.unwrap();
            let pending = Pending {
                flight,
                socket: INVALID_SOCKET,
            };
            let event = pending.event().as_raw() as usize;
            // SAFETY: under way: the OVERLAPPED is the system's.
            unsafe { (*flight.overlapped()).Internal = 0 };
            let system = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(1));
                // SAFETY: the event is open until this thread has ended.
                unsafe { SetEvent(event as HANDLE) };
            });
            let flight = pending.try_finish().unwrap().operation.into_raw();
            // SAFETY: not under way.
            let event = unsafe { flight.event() }.unwrap();
            signalled += usize::from(event.wait(Some(Duration::ZERO)).unwrap());
            system.join().unwrap();
            // SAFETY: not under way, and nobody else has its address.
            drop(unsafe { flight.land() });
        }
        // A machine with too much to do may be too late for some.
        assert!(signalled > ROUNDS / 2, "{signalled} of {ROUNDS}");
    }
}
