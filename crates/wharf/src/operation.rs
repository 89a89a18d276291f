//! One overlapped operation: Windows' OVERLAPPED and the caller's value in one allocation.

use std::cell::UnsafeCell;
use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire};

use wharf_sys::owned::{REPORTS_WARNINGS, SHARES_OPERATIONS};
use wharf_sys::{
    LPWSAOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED, SOCKET, STATUS_PENDING, WSA_IO_PENDING,
};

use crate::event::Event;
use crate::exchange::Exchange;
use crate::request::Order;
use crate::{Error, Finished};

// A failed call looks at the OVERLAPPED again: the port's note of it, held meanwhile, keeps it alive.
const _: () = assert!(SHARES_OPERATIONS || !REPORTS_WARNINGS);

/// What an operation's pointer leads to. The OVERLAPPED is first: its address is that of the whole.
#[repr(C)]
pub(crate) struct Frame<T> {
    overlapped: UnsafeCell<OVERLAPPED>,
    /// What a receive reads its flags from; some systems write to it too.
    flags: UnsafeCell<u32>,
    /// The event of operations that report to one; made with the first.
    pub(crate) event: Option<Event>,
    /// What runs when an operation with a routine is finished.
    pub(crate) routine: Option<fn(Finished<T>)>,
    /// What else the system writes to; made with the first request that needs it.
    exchange: Option<Box<Exchange>>,
    body: T,
}

/// An overlapped operation that is not under way: a box with the caller's value, which holds the buffers and whatever
/// else belongs to the operation.
///
/// It is the value's owner, and leads to it like a `Box`. Starting it takes it away, so that nobody can touch the
/// buffers while the system uses them; it comes back with its packet, with [`Pending`](crate::Pending), or in its
/// routine, and can be started again. Only making it allocates.
///
/// ```
/// use wharf::Operation;
///
/// struct Client {
///     name: &'static str,
///     buffer: [u8; 4096],
/// }
///
/// let mut operation = Operation::new(Client { name: "first", buffer: [0; 4096] });
/// operation.buffer[0] = 1;
/// assert_eq!(operation.name, "first");
/// ```
///
/// What is under way cannot be used:
///
/// ```compile_fail,E0382
/// # use wharf::{AssociatedSocket, Operation};
/// # struct Client { buffer: [u8; 4096] }
/// fn misuse(socket: &AssociatedSocket<Client>, operation: Operation<Client>) {
///     let _ = socket.start_receive(operation, |client| &mut client.buffer);
///     println!("{}", operation.buffer[0]); // it was moved
/// }
/// ```
///
/// Nor can a buffer be kept:
///
/// ```compile_fail,E0521
/// # use wharf::{AssociatedSocket, Operation};
/// # struct Client { buffer: [u8; 4096] }
/// fn misuse(socket: &AssociatedSocket<Client>, operation: Operation<Client>) {
///     let mut kept: Option<&mut [u8]> = None;
///     let _ = socket.start_receive(operation, |client| {
///         kept = Some(&mut client.buffer); // it does not live long enough
///         &mut []
///     });
/// }
/// ```
/// Nor can the value be borrowed: nobody can be made to wait until the operation is over.
///
/// ```compile_fail,E0597
/// # use wharf::{Operation, Socket};
/// fn misuse(socket: &Socket) {
///     let mut buffer = [0; 64];
///     let operation = Operation::new(&mut buffer);
///     let _ = socket.receive_with_event(operation, |buffer| &mut buffer[..]);
/// }
/// ```
///
/// Nor does a value that belongs to a thread leave it:
///
/// ```compile_fail,E0277
/// # use std::rc::Rc;
/// # use wharf::Operation;
/// let operation = Operation::new(Rc::new(0));
/// std::thread::spawn(move || drop(operation));
/// ```
pub struct Operation<T>(NonNull<Frame<T>>);

// SAFETY: it owns its frame like a box, and the frame's own parts belong to no thread.
unsafe impl<T: Send> Send for Operation<T> {}
// SAFETY: through a shared operation only a shared value can be reached.
unsafe impl<T: Sync> Sync for Operation<T> {}

impl<T> Operation<T> {
    /// An operation with this value.
    pub fn new(value: T) -> Operation<T> {
        let frame = Box::new(Frame {
            overlapped: UnsafeCell::new(unused()),
            flags: UnsafeCell::new(0),
            event: None,
            routine: None,
            exchange: None,
            body: value,
        });
        Operation(NonNull::from(Box::leak(frame)))
    }

    /// The value alone.
    ///
    /// ```
    /// let operation = wharf::Operation::new(vec![1, 2, 3]);
    /// assert_eq!(operation.into_inner(), [1, 2, 3]);
    /// ```
    pub fn into_inner(self) -> T {
        self.into_box().body
    }

    /// Tells it apart while it is under way: [`AssociatedSocket::cancel_one`](crate::AssociatedSocket::cancel_one)
    /// finds it by this.
    pub fn id(&self) -> OperationId {
        OperationId(self.0.as_ptr() as usize)
    }

    /// Which routine was to run.
    pub(crate) fn routine(&self) -> Option<fn(Finished<T>)> {
        // SAFETY: not under way, so the frame is this operation's alone.
        unsafe { (*self.0.as_ptr()).routine }
    }

    pub(crate) fn exchange(&self) -> &Option<Box<Exchange>> {
        // SAFETY: as above.
        unsafe { &(*self.0.as_ptr()).exchange }
    }

    pub(crate) fn exchange_mut(&mut self) -> &mut Option<Box<Exchange>> {
        // SAFETY: as above. The value is not looked at, so that what was found in it stays valid.
        unsafe { &mut (*self.0.as_ptr()).exchange }
    }

    /// It is over: notes what the system has left in its buffers.
    ///
    /// # Safety
    /// It was just reported, and nobody has used its value since.
    #[inline]
    pub(crate) unsafe fn settle(&mut self, succeeded: bool) {
        if let Some(exchange) = self.exchange_mut() {
            // SAFETY: the caller's promise.
            unsafe { exchange.settle(succeeded) };
        }
    }

    fn into_box(self) -> Box<Frame<T>> {
        let frame = self.0;
        mem::forget(self);
        // SAFETY: from `Box::leak`, and given up just now.
        unsafe { Box::from_raw(frame.as_ptr()) }
    }

    /// The value, for a function that finds the buffers in it.
    pub(crate) fn body(&mut self) -> &mut T {
        // SAFETY: not under way, so the frame is this operation's alone.
        unsafe { &mut (*self.0.as_ptr()).body }
    }

    /// Gives it up to whoever is told its address.
    pub(crate) fn into_raw(self) -> InFlight<T> {
        let frame = self.0;
        mem::forget(self);
        InFlight(frame)
    }

    /// Starts it on the socket with this order.
    ///
    /// # Safety
    /// The buffers of the order were found through [`Operation::body`]. The end is reported by `event`, by `routine`, or
    /// else by the port of the socket; each makes the operation of it again as an `Operation<T>`, once, and where warnings are
    /// reported (`REPORTS_WARNINGS`) not before this returns.
    #[inline]
    pub(crate) unsafe fn submit(
        mut self,
        socket: SOCKET,
        order: &Order,
        event: usize,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> Result<InFlight<T>, Refused<T>> {
        let left = Exchange::take_left(self.exchange_mut());
        let place = match order.prepare(socket, self.exchange_mut()) {
            Ok(place) => place,
            Err(error) => {
                Exchange::put_back(self.exchange_mut(), left);
                return Err(Refused::new(error, self));
            }
        };
        let flags = self.flags();
        // SAFETY: the frame has all of it, and is not used until the end.
        let call = |overlapped| unsafe { order.call(socket, overlapped, flags, place, routine) };
        // SAFETY: the caller's promise; `call` is for this socket and asks for these reports.
        unsafe { self.launch(event, call) }.map_err(|mut refused| {
            Exchange::put_back(refused.operation.exchange_mut(), left);
            refused
        })
    }

    fn flags(&self) -> *mut u32 {
        // SAFETY: a place within the frame; no reference is made.
        UnsafeCell::raw_get(unsafe { &raw const (*self.0.as_ptr()).flags })
    }

    /// Starts it by `call`, which gets the OVERLAPPED with `event` in it.
    ///
    /// `call` answers as Winsock does: `Ok` if it was done or is under way, and a packet, an event or a routine will
    /// tell; else it never was, unless the status says that it ended with a warning.
    ///
    /// # Safety
    /// `call` gives the OVERLAPPED to one function that answers so, for a socket (and, without event, a routine or a
    /// port) whose reports make the operation of it again as an `Operation<T>`, once; where warnings are reported
    /// (`REPORTS_WARNINGS`), not before this returns. Buffers that it names are found through [`Operation::body`].
    pub(crate) unsafe fn launch(
        self,
        event: usize,
        call: impl FnOnce(*mut OVERLAPPED) -> Result<(), Error>,
    ) -> Result<InFlight<T>, Refused<T>> {
        let flight = self.into_raw();
        let overlapped = flight.overlapped();
        // SAFETY: nobody else uses it: it is not under way yet.
        unsafe {
            *overlapped = unused();
            (*overlapped).Internal = STATUS_PENDING as usize; // as the system will have it; see `PortState::claim`
            (*overlapped).hEvent = std::ptr::without_provenance_mut(event); // a number, never followed
        }
        match call(overlapped) {
            Ok(()) => Ok(flight),
            Err(error) if error.code() == WSA_IO_PENDING as u32 => Ok(flight),
            // SAFETY: it was refused, or no report was taken yet, by the caller's promise.
            Err(_) if REPORTS_WARNINGS && unsafe { flight.has_run() } => Ok(flight),
            // SAFETY: it was refused, so nothing is under way and nothing will report it.
            Err(error) => Err(Refused::new(error, unsafe { flight.land() })),
        }
    }

    /// The operation that a finished OVERLAPPED belongs to.
    ///
    /// # Safety
    /// The pointer is that of an `Operation<T>` that was started, and this is the one report of its end.
    pub(crate) unsafe fn from_overlapped(overlapped: *mut OVERLAPPED) -> Operation<T> {
        // SAFETY: the address of a frame is that of its OVERLAPPED; a frame is nowhere near null.
        Operation(unsafe { NonNull::new_unchecked(overlapped.cast()) })
    }
}

impl<T> Deref for Operation<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: not under way, so the frame is this operation's alone.
        unsafe { &(*self.0.as_ptr()).body }
    }
}

impl<T> DerefMut for Operation<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.body()
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        // SAFETY: from `Box::leak`, not under way, and not used again.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl<T> From<T> for Operation<T> {
    fn from(value: T) -> Operation<T> {
        Operation::new(value)
    }
}

impl<T: Default> Default for Operation<T> {
    fn default() -> Operation<T> {
        Operation::new(T::default())
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.0).finish()
    }
}

/// The address of an operation that is under way, or was. It owns nothing.
pub(crate) struct InFlight<T>(NonNull<Frame<T>>);

impl<T> Clone for InFlight<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for InFlight<T> {}

impl<T> InFlight<T> {
    #[inline]
    pub(crate) fn overlapped(self) -> *mut OVERLAPPED {
        // SAFETY: a place within the frame; no reference is made.
        UnsafeCell::raw_get(unsafe { &raw const (*self.0.as_ptr()).overlapped })
    }

    /// Makes the OVERLAPPED that of an operation nothing is done for.
    ///
    /// # Safety
    /// The operation is not under way.
    pub(crate) unsafe fn idle(self) {
        // SAFETY: the frame is alive, and nobody else has its address.
        unsafe { *self.overlapped() = unused() };
    }

    /// Whether its status is that of an operation that has run, if only with a warning. A refused one has the status that it was
    /// started with, or a failure.
    ///
    /// # Safety
    /// Its report was not taken, and is not meanwhile.
    #[cold]
    unsafe fn has_run(self) -> bool {
        const FAILURE: u32 = 0b11; // in the highest bits of a status
        // SAFETY: the frame is alive; only the system writes to this word.
        let status = unsafe { AtomicUsize::from_ptr(&raw mut (*self.overlapped()).Internal) };
        let status = status.load(Acquire) as u32; // a status has 32 bits
        status != STATUS_PENDING as u32 && status >> 30 != FAILURE
    }

    /// The operation's event.
    ///
    /// # Safety
    /// The operation was not reported yet, for as long as the reference lives.
    pub(crate) unsafe fn event<'a>(self) -> Option<&'a Event> {
        // SAFETY: the frame is alive, and this part of it is changed by owners only.
        unsafe { (*self.0.as_ptr()).event.as_ref() }
    }

    /// The operation's event, made if there is none. What was found in the value stays valid: it is not looked at.
    ///
    /// # Safety
    /// The operation is not under way, for as long as the reference lives.
    pub(crate) unsafe fn event_or_new<'a>(self) -> Result<&'a Event, Error> {
        // SAFETY: the frame is alive, and nobody else has its address.
        let event = unsafe { &mut (*self.0.as_ptr()).event };
        match event {
            Some(event) => Ok(event),
            None => Ok(event.insert(Event::manual_reset()?)),
        }
    }

    /// Notes which routine runs when it is over. What was found in the value stays valid: it is not looked at.
    ///
    /// # Safety
    /// The operation is not under way.
    pub(crate) unsafe fn set_routine(self, routine: fn(Finished<T>)) {
        // SAFETY: the frame is alive, and nobody else has its address.
        unsafe { (*self.0.as_ptr()).routine = Some(routine) };
    }

    /// The operation again.
    ///
    /// # Safety
    /// It is not under way, and nobody else makes it of this address.
    pub(crate) unsafe fn land(self) -> Operation<T> {
        Operation(self.0)
    }
}

/// An OVERLAPPED that was not used yet.
fn unused() -> OVERLAPPED {
    // SAFETY: of integers and pointers; zero is a value of each.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Tells operations apart, by address: one that is gone may have had the same.
///
/// ```
/// use wharf::Operation;
///
/// let (one, other) = (Operation::new(1), Operation::new(2));
/// assert_ne!(one.id(), other.id());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationId(pub(crate) usize);

/// An operation that was not started, and why.
///
/// ```
/// # use std::net::Ipv4Addr;
/// use wharf::{Error, Operation, Refused, Socket};
///
/// let socket = Socket::stream_for((Ipv4Addr::LOCALHOST, 0).into())?;
/// let started = socket.receive_with_event(Operation::new([7; 64]), |buffer| buffer);
/// let Refused { error, operation } = started.expect_err("it has no peer");
/// assert_eq!(error, Error::NOT_CONNECTED);
/// assert_eq!(*operation, [7; 64]); // to be tried again
/// # Ok::<_, wharf::Error>(())
/// ```
pub struct Refused<T> {
    /// Why.
    pub error: Error,
    /// The operation, as it was.
    pub operation: Operation<T>,
}

impl<T> Refused<T> {
    #[cold]
    pub(crate) fn new(error: Error, operation: Operation<T>) -> Refused<T> {
        Refused { error, operation }
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refused").field(&self.error).finish()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Refused<T> {}

impl<T> From<Refused<T>> for Error {
    fn from(refused: Refused<T>) -> Error {
        refused.error
    }
}

impl<T> From<Refused<T>> for io::Error {
    fn from(refused: Refused<T>) -> io::Error {
        refused.error.into()
    }
}

#[cfg(test)]
mod tests;
