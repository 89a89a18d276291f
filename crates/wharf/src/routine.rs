//! Completion routines: a function that runs in the thread that started the operation, when that thread waits
//! alertably.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::time::Duration;

use wharf_sys::{
    OVERLAPPED, SOCKET, SOCKET_ERROR, SleepEx, TRUE, WAIT_IO_COMPLETION, WSABUF, WSARecv, WSASend,
};

use crate::buffers::{one, one_mut};
use crate::operation::{Operation, Refused};
use crate::wait::milliseconds;
use crate::{Error, Finished, Socket};

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

/// Sleeps until completion routines of this thread ran, or the time passed (`None`: no limit); whether some ran.
///
/// Routines also run in [`wait_any_alertable`](crate::wait_any_alertable), and in a call of [`Socket`] that blocks.
/// One that panics does so from the call in which it ran; the others run first.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-sleepex>
pub fn sleep_alertable(timeout: Option<Duration>) -> bool {
    // SAFETY: it has no preconditions.
    let ran = unsafe { SleepEx(milliseconds(timeout), TRUE) } == WAIT_IO_COMPLETION;
    rethrow();
    ran
}

impl Socket {
    /// Starts receiving into the buffer that `buffer` finds; `routine` runs in this thread, inside one of its
    /// alertable waits, when that is done or has failed.
    ///
    /// The value need not be [`Send`]: it stays in this thread. If the thread ends before, the operation is cancelled,
    /// the routine never runs, and the value is leaked.
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
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nc-winsock2-lpwsaoverlapped_completion_routine>
    ///
    /// # Errors
    /// The operation comes back with the error, and the routine does not run. As [`Socket::recv`];
    /// [`Error::INVALID`] if the socket is associated with a port.
    pub fn receive_with_routine<T: 'static>(
        &self,
        mut operation: Operation<T>,
        buffer: impl for<'a> FnOnce(&'a mut T) -> &'a mut [u8],
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        let buffer = one_mut(buffer(operation.body()));
        // SAFETY: the buffer was found in the value.
        unsafe { receive(operation, self.as_raw(), buffer, routine) }
    }

    /// As [`Socket::receive_with_routine`], sending what `data` finds.
    ///
    /// # Errors
    /// The operation comes back with the error, and the routine does not run. As [`Socket::send`];
    /// [`Error::INVALID`] if the socket is associated with a port.
    pub fn send_with_routine<T: 'static>(
        &self,
        mut operation: Operation<T>,
        data: impl for<'a> FnOnce(&'a T) -> &'a [u8],
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        let data = one(data(operation.body()));
        // SAFETY: the data was found in the value.
        unsafe { send(operation, self.as_raw(), data, routine) }
    }
}

impl<T: 'static> Operation<T> {
    /// As [`Socket::receive_with_routine`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::receive_with_routine`].
    pub fn receive_with_routine(
        mut self,
        parts: impl for<'a> FnOnce(&'a mut T) -> (&'a Socket, &'a mut [u8]),
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        let (socket, buffer) = parts(self.body());
        let (socket, buffer) = (socket.as_raw(), one_mut(buffer));
        // SAFETY: the buffer was found in the value.
        unsafe { receive(self, socket, buffer, routine) }
    }

    /// As [`Socket::send_with_routine`], on a socket that the operation's value holds as well: `parts` finds both.
    ///
    /// # Errors
    /// As [`Socket::send_with_routine`].
    pub fn send_with_routine(
        mut self,
        parts: impl for<'a> FnOnce(&'a T) -> (&'a Socket, &'a [u8]),
        routine: fn(Finished<T>),
    ) -> Result<(), Refused<T>> {
        let (socket, data) = parts(self.body());
        let (socket, data) = (socket.as_raw(), one(data));
        // SAFETY: the data was found in the value.
        unsafe { send(self, socket, data, routine) }
    }
}

/// # Safety
/// The buffer was found in the operation's value.
unsafe fn receive<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    buffer: WSABUF,
    routine: fn(Finished<T>),
) -> Result<(), Refused<T>> {
    start(operation, routine, |overlapped| {
        let (mut flags, run) = (0, Some(run::<T> as _));
        // SAFETY: the buffer is the operation's, which is its own until `run`.
        let result =
            unsafe { WSARecv(socket, &buffer, 1, null_mut(), &mut flags, overlapped, run) };
        Error::last_if(result == SOCKET_ERROR)
    })
}

/// # Safety
/// The data was found in the operation's value.
unsafe fn send<T: 'static>(
    operation: Operation<T>,
    socket: SOCKET,
    data: Result<WSABUF, Error>,
    routine: fn(Finished<T>),
) -> Result<(), Refused<T>> {
    start(operation, routine, |overlapped| {
        let (data, run) = (data?, Some(run::<T> as _));
        // SAFETY: the data is the operation's, which is its own until `run`.
        let result = unsafe { WSASend(socket, &data, 1, null_mut(), 0, overlapped, run) };
        Error::last_if(result == SOCKET_ERROR)
    })
}

/// Starts the operation by `call`, which says that `run` is to run.
fn start<T: 'static>(
    operation: Operation<T>,
    routine: fn(Finished<T>),
    call: impl FnOnce(*mut OVERLAPPED) -> Result<(), Error>,
) -> Result<(), Refused<T>> {
    let flight = operation.into_raw();
    // SAFETY: it is not under way, and nobody else has its address.
    let operation = unsafe {
        flight.set_routine(routine);
        flight.land()
    };
    // SAFETY: `run` makes the operation of the OVERLAPPED, once.
    unsafe { operation.start(0, call) }.map(drop)
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
    let Some(routine) = operation.frame().routine else {
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
        let _ = PANIC.try_with(|first| first.set(Some(first.take().unwrap_or(panic))));
    }
}
