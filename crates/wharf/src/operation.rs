//! One overlapped operation: Windows' OVERLAPPED and the caller's value in one allocation.

use std::cell::UnsafeCell;
use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use wharf_sys::{
    LPWSAOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED, SOCKET, STATUS_PENDING, WSA_IO_PENDING,
};

use crate::event::Event;
use crate::exchange::Exchange;
use crate::request::Order;
use crate::{Error, Finished};

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
    /// else by the port of the socket; each makes the operation of it again as an `Operation<T>`, once.
    #[inline]
    pub(crate) unsafe fn submit(
        mut self,
        socket: SOCKET,
        order: &Order,
        event: usize,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> Result<InFlight<T>, Refused<T>> {
        let place = match order.prepare(socket, self.exchange_mut()) {
            Ok(place) => place,
            Err(error) => return Err(Refused::new(error, self)),
        };
        let flags = self.flags();
        // SAFETY: the frame has all of it, and is not used until the end.
        let call = |overlapped| unsafe { order.call(socket, overlapped, flags, place, routine) };
        // SAFETY: the caller's promise; `call` is for this socket and asks for these reports.
        unsafe { self.launch(event, call) }.map_err(|mut refused| {
            Exchange::none(refused.operation.exchange_mut());
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
    /// tell; else it never was.
    ///
    /// # Safety
    /// `call` gives the OVERLAPPED to one function that answers so, for a socket (and, without event, a routine or a
    /// port) whose reports make the operation of it again as an `Operation<T>`, once. Buffers that it names are
    /// found through [`Operation::body`].
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
mod tests {
    //! The system is played by the test here, so that miri can watch the memory.

    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::address::Address;
    use crate::request::{one, one_mut};

    /// A buffer in the operation's own allocation, one on the heap, and something that is counted.
    struct Value {
        inline: [u8; 8],
        heap: Vec<u8>,
        counted: Arc<()>,
    }

    fn value(counted: &Arc<()>) -> Operation<Value> {
        Operation::new(Value {
            inline: [0; 8],
            heap: vec![0; 8],
            counted: Arc::clone(counted),
        })
    }

    fn pending(_: *mut OVERLAPPED) -> Result<(), Error> {
        Err(Error::IO_PENDING)
    }

    #[test]
    fn the_overlapped_is_first() {
        assert_eq!(mem::offset_of!(Frame<u8>, overlapped), 0);
        assert_eq!(mem::offset_of!(Frame<Value>, overlapped), 0);
    }

    #[test]
    fn the_system_writes_until_it_reports() {
        let counted = Arc::new(());
        let mut operation = value(&counted);
        for round in 1..4 {
            let inline = one_mut(&mut operation.body().inline).first().unwrap();
            // SAFETY: the report is below, once.
            let flight = unsafe { operation.launch(0, pending) }.unwrap();
            // SAFETY: under way: the buffer and the OVERLAPPED are the system's.
            unsafe {
                inline.buf.write(round);
                (*flight.overlapped()).InternalHigh = 1;
                operation = Operation::from_overlapped(flight.overlapped());
            }
            assert_eq!(operation.inline[0], round);

            let heap = one_mut(&mut operation.body().heap).first().unwrap();
            // SAFETY: as above.
            let flight = unsafe { operation.launch(0, pending) }.unwrap();
            // SAFETY: as above.
            unsafe {
                heap.buf.add(7).write(round);
                operation = flight.land();
            }
            assert_eq!(operation.heap[7], round);
        }
        drop(operation);
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn another_thread_may_take_the_report_and_drop_everything() {
        struct Sent(*mut OVERLAPPED, *mut u8);
        // SAFETY: addresses, of what is nobody else's meanwhile.
        unsafe impl Send for Sent {}

        let counted = Arc::new(());
        let mut operation = value(&counted);
        let data = one(&operation.body().heap).first().unwrap();
        let mut taker = None;
        let call = |overlapped| {
            let sent = Sent(overlapped, data.buf);
            taker = Some(thread::spawn(move || {
                let Sent(overlapped, data) = { sent };
                // SAFETY: under way: the system reads.
                assert_eq!(unsafe { data.read() }, 0);
                // SAFETY: the one report.
                drop(unsafe { Operation::<Value>::from_overlapped(overlapped) });
            }));
            taker.take().unwrap().join().unwrap(); // before the call returns
            Ok(())
        };
        // SAFETY: the report is above, once.
        let _ = unsafe { operation.launch(0, call) }.unwrap();
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn the_system_writes_beside_the_buffers_too() {
        const ROOM: usize = 4 + crate::ACCEPT_ROOM;
        let from = SocketAddr::from(([1, 2, 3, 4], 567));
        let mut operation = Operation::new([0; ROOM]);
        for _ in 0..2 {
            let data = one_mut(operation.body()).first().unwrap();
            let place = Exchange::of(operation.exchange_mut()).await_sender();
            let flags = operation.flags();
            // SAFETY: the report is below, once.
            let flight = unsafe { operation.launch(0, pending) }.unwrap();
            let address = Address::from(from);
            // SAFETY: under way: all of it is the system's.
            unsafe {
                data.buf.write(1);
                flags.write(2);
                place.sender_length.write(address.length());
                let bytes = address.length() as usize;
                let to = place.sender.cast::<u8>();
                address.as_ptr().cast::<u8>().copy_to(to, bytes);
                operation = Operation::from_overlapped(flight.overlapped());
                operation.settle(true);
            }
            assert_eq!((operation.received_from(), operation[0]), (Some(from), 1));

            let buffer = one_mut(operation.body()).first().unwrap();
            let exchange = Exchange::of(operation.exchange_mut());
            let place = exchange.await_connection(7, buffer).unwrap();
            assert_eq!((place.data_room, place.buffer), (4, buffer.buf));
            // SAFETY: the report is below, once.
            let flight = unsafe { operation.launch(0, pending) }.unwrap();
            // SAFETY: as above; the addresses, which are none, are looked at.
            unsafe {
                place.buffer.add(3).write(9);
                operation = flight.land();
                operation.settle(true);
            }
            assert_eq!((operation.received_from(), operation[3]), (None, 9));
            assert!(operation.take_accepted().is_none());
        }
    }

    #[test]
    fn what_is_refused_comes_back() {
        let counted = Arc::new(());
        let mut operation = value(&counted);
        operation.inline[3] = 9;
        // SAFETY: refused, so there is no report.
        let refused = unsafe { operation.launch(0, |_| Err(Error::NOT_CONNECTED)) }
            .map(drop)
            .unwrap_err();
        assert_eq!(
            (refused.error, refused.operation.inline[3]),
            (Error::NOT_CONNECTED, 9)
        );
        let value = refused.operation.into_inner();
        assert_eq!(Arc::strong_count(&value.counted), 2);
    }

    #[test]
    fn what_is_never_reported_is_leaked() {
        let counted = Arc::new(());
        // SAFETY: there is no report.
        let flight = unsafe { value(&counted).launch(0, pending) }.unwrap();
        assert_eq!(Arc::strong_count(&counted), 2);
        // SAFETY: not to leak it here; the system has let go.
        drop(unsafe { flight.land() });
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
