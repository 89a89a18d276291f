//! Completion routines: a function that runs in the thread that started the operation, when that thread waits
//! alertably.

use std::any::Any;
use std::cell::Cell;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use wharf_sys::{OVERLAPPED, SOCKET, SleepEx, TRUE, WAIT_IO_COMPLETION};

use crate::operation::{Operation, Refused};
use crate::request::Order;
use crate::wait::milliseconds;
use crate::{Error, Finished, Request, Socket};

thread_local! {
    /// The first panic of a routine, on its way to whoever waits.
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

/// Goes on with the panic of a routine that ran meanwhile. Every call in which routines may run ends with this.
pub(crate) fn rethrow() {
    let panic = PANIC.try_with(Cell::take).ok().flatten();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// As [`rethrow`], where a panic may be on its way already: then that one is told, and no other.
pub(crate) fn rethrow_from_drop() {
    if std::thread::panicking() {
        forget(PANIC.try_with(Cell::take));
    } else {
        rethrow();
    }
}

/// Keeps the first panic. The values of others are leaked: dropping them may panic.
fn note(panic: Box<dyn Any + Send>) {
    let mut panic = Some(panic);
    let _ = PANIC.try_with(|first| {
        let noted = first.take();
        first.set(noted.or_else(|| panic.take()));
    });
    forget(panic);
}

/// Sleeps until completion routines of this thread ran, or the time passed (`None`: no limit); whether some ran.
///
/// Routines also run in [`wait_any_alertable`](crate::wait_any_alertable), and in a call of [`Socket`] that blocks.
/// One that panics does so from the call in which it ran; the others run first, and if more than one panics the first is
/// told. (In a thread that ends, when its thread-local values are dropped, nobody is told.) Dropping a socket that is to
/// linger is such a call too; it does not panic if the thread does already.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-sleepex>
pub fn sleep_alertable(timeout: Option<Duration>) -> bool {
    // SAFETY: it has no preconditions.
    let ran = unsafe { SleepEx(milliseconds(timeout), TRUE) } == WAIT_IO_COMPLETION;
    rethrow();
    ran
}

impl Socket {
    /// Starts the transfer that `request` finds in the operation's value; `routine` runs in this thread, inside one of its
    /// alertable waits, when that is done or has failed.
    ///
    /// The value need not be [`Send`]: it stays in this thread. If the thread ends before, the operation is cancelled,
    /// the routine never runs, and the value is leaked.
    ///
    /// ```
    /// use std::net::{Ipv4Addr, SocketAddr};
    /// use std::sync::OnceLock;
    /// use wharf::{Finished, Operation, Request, Socket, sleep_alertable};
    ///
    /// static SENDER: OnceLock<SocketAddr> = OnceLock::new();
    ///
    /// fn received(finished: Finished<[u8; 64]>) {
    ///     assert_eq!(&finished.operation[..finished.bytes as usize], b"hello");
    ///     SENDER.get_or_init(|| finished.operation.received_from().expect("a datagram"));
    /// }
    ///
    /// let socket = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let buffer = Operation::new([0; 64]);
    /// socket.start_with_routine(buffer, |buffer| Request::receive_from(buffer), received)?;
    /// let peer = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// assert!(sleep_alertable(None));
    /// assert_eq!(SENDER.get(), Some(&peer.local_addr()?));
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nc-winsock2-lpwsaoverlapped_completion_routine>
    ///
    /// # Errors
    /// The operation comes back with the error, and the routine does not run. As
    /// [`AssociatedSocket::start`](crate::AssociatedSocket::start);
    /// - [`Error::INVALID`] if the socket is associated with a port.
    /// - [`Error::OPERATION_NOT_SUPPORTED`] if it is no transfer: accepting, connecting and disconnecting have no
    ///   routines.
    pub fn start_with_routine<T: 'static>(
        &self,
        mut operation: Operation<T>,
        request: impl for<'a> FnOnce(&'a mut T) -> Request<'a>,
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        let order = request(operation.body()).into_order();
        // SAFETY: the request was found in the value.
        unsafe { start(operation, self.as_raw(), &order, routine) }
    }

    /// Starts receiving into the buffer that `buffer` finds ([`Request::receive`]); `routine` runs in this thread when that
    /// is done or has failed.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::net::Ipv4Addr;
    /// use std::rc::Rc;
    /// use wharf::{Finished, Operation, Socket, sleep_alertable};
    ///
    /// struct Client {
    ///     heard: Rc<RefCell<Vec<u8>>>,
    ///     buffer: [u8; 64],
    /// }
    ///
    /// fn received(finished: Finished<Client>) {
    ///     let client = finished.operation;
    ///     client.heard.borrow_mut().extend(&client.buffer[..finished.bytes as usize]);
    /// }
    ///
    /// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// let peer = Socket::connect_to(listener.local_addr()?)?;
    /// let (socket, _) = listener.accept()?;
    /// let heard = Rc::default();
    /// let client = Client { heard: Rc::clone(&heard), buffer: [0; 64] };
    /// socket.receive_with_routine(client.into(), |client| &mut client.buffer, received)?;
    /// peer.send(b"hello")?;
    /// assert!(sleep_alertable(None));
    /// assert_eq!(*heard.borrow(), b"hello");
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Socket::start_with_routine`].
    pub fn receive_with_routine<T: 'static>(
        &self,
        operation: Operation<T>,
        buffer: impl for<'a> FnOnce(&'a mut T) -> &'a mut [u8],
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        self.start_with_routine(operation, |value| Request::receive(buffer(value)), routine)
    }

    /// As [`Socket::receive_with_routine`], sending what `data` finds: [`Request::send`].
    ///
    /// # Errors
    /// As [`Socket::start_with_routine`].
    pub fn send_with_routine<T: 'static>(
        &self,
        operation: Operation<T>,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        self.start_with_routine(operation, |value| Request::send(data(value)), routine)
    }
}

impl<T: 'static> Operation<T> {
    /// As [`Socket::start_with_routine`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::start_with_routine`].
    pub fn start_with_routine(
        mut self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a Socket, Request<'a>),
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        let (socket, request) = parts(self.body());
        let (socket, order) = (socket.as_raw(), request.into_order());
        // SAFETY: the request was found in the value.
        unsafe { start(self, socket, &order, routine) }
    }

    /// As [`Socket::receive_with_routine`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::start_with_routine`].
    pub fn receive_with_routine(
        self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a Socket, &'a mut [u8]),
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        self.start_with_routine(
            |value| {
                let (socket, buffer) = parts(value);
                (socket, Request::receive(buffer))
            },
            routine,
        )
    }

    /// As [`Socket::send_with_routine`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::start_with_routine`].
    pub fn send_with_routine(
        self,
        parts: impl for<'a> FnOnce(&'a T) -> (&'a Socket, &'a [u8]),
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        self.start_with_routine(
            |value| {
                let (socket, data) = parts(value);
                (socket, Request::send(data))
            },
            routine,
        )
    }
}

/// Starts the operation and notes its routine.
///
/// # Safety
/// The buffers of the order were found in the operation's value.
unsafe fn start<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    order: &Order,
    routine: fn(Finished<T>),
) -> Result<(), Refused<T>> {
    let flight = operation.into_raw();
    // SAFETY: it is not under way, and nobody else has its address.
    let operation = unsafe {
        flight.set_routine(routine);
        flight.land()
    };
    // SAFETY: `run` makes the operation of the OVERLAPPED, once, in this thread: later.
    unsafe { operation.submit(socket, order, 0, Some(run::<T>)) }.map(drop)
}

/// What Windows runs: makes the operation of its OVERLAPPED again, and hands it to its routine.
///
/// # Safety
/// The OVERLAPPED is that of an `Operation<T>` that was started with this, and this is the one report of its end.
unsafe extern "system" fn run<T: 'static>(
    error: u32,
    bytes: u32,
    overlapped: *mut OVERLAPPED,
    _flags: u32,
) {
    // SAFETY: the caller's promise.
    let mut operation = unsafe { Operation::<T>::from_overlapped(overlapped) };
    // SAFETY: it was just reported.
    unsafe { operation.settle(error == 0) };
    let Some(routine) = operation.routine() else {
        return; // not reached: starting sets it
    };
    let result = match error {
        0 => Ok(()),
        code => Err(Error::from_code(code)),
    };
    let finished = Finished {
        operation,
        bytes,
        result,
    };
    // The panic cannot pass through the system's frames. The values it may have left half done are gone with it.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| routine(finished))) {
        note(panic);
    }
}
