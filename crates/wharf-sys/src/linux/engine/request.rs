//! A request: one operation in flight (NT: an IRP), and what it knows of the call that started it.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering::{self, *};
use std::sync::atomic::{AtomicU32, AtomicUsize};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE;
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::direction;
use super::operation::Operation;
use super::synchronous::Outcome;
use crate::platform::objects::handle;
use crate::platform::objects::object::Event;
use crate::platform::sockets::socket::Socket;
use crate::platform::status::Status;
use crate::platform::threads::parker::Deadline;
use crate::platform::threads::thread::{self, Thread};
use crate::platform::threads::wait::Waitable;

/// One operation in flight.
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// Where its result goes.
    pub delivery: Delivery,
    /// The listener, if this is the second half of an AcceptEx: it reports there.
    pub origin: Option<Arc<Socket>>,
    /// Unique.
    pub id: u64,
    issuer: u64, // the issuing thread
}

/// Where the result goes.
pub enum Delivery {
    None,
    Overlapped {
        overlapped: Overlapped,
        event: Option<Arc<Event>>,
        quiet: bool,
    },
    Routine {
        overlapped: Overlapped,
        routine: Routine,
        thread: Arc<Thread>,
    },
    Synchronous(Arc<Outcome>),
}

impl Delivery {
    /// How an operation with an OVERLAPPED on a file reports that signals `signalled` where there is no event.
    ///
    /// # Errors
    /// `INVALID` for a routine on a port's file; `INVALID_HANDLE` for an event that is none.
    pub fn new(
        overlapped: Overlapped,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
        on_port: bool,
        signalled: &Waitable,
    ) -> Result<Delivery, Status> {
        overlapped.set_pending();
        if let Some(routine) = routine {
            if on_port {
                return Err(Status::INVALID);
            }
            let thread = thread::current();
            thread.note_routine();
            return Ok(Delivery::Routine {
                overlapped,
                routine,
                thread,
            });
        }
        let event = overlapped.event()?;
        match &event {
            Some(event) => {
                if !on_port {
                    event.note_socket();
                }
                event.reset();
            }
            None => signalled.reset_manual(),
        }
        Ok(Delivery::Overlapped {
            overlapped,
            event,
            quiet: overlapped.wants_no_packet(),
        })
    }
}

/// A completion routine.
pub type Routine = unsafe extern "system" fn(u32, u32, *mut OVERLAPPED, u32);

/// The caller's OVERLAPPED, valid until the operation has been announced.
#[derive(Clone, Copy)]
pub struct Overlapped(pub *mut OVERLAPPED);

// SAFETY: the caller lends the OVERLAPPED to the library, whichever thread finishes the operation.
unsafe impl Send for Overlapped {}

impl Overlapped {
    /// # Errors
    /// `FAULT` if it is not aligned to 4 bytes. (In a packed structure it may be aligned to no more than that.)
    ///
    /// # Safety
    /// `pointer` stays valid until the operation started with it has been announced, or was refused.
    pub unsafe fn new(pointer: *mut OVERLAPPED) -> Result<Overlapped, Status> {
        if pointer.cast::<u32>().is_aligned() {
            Ok(Overlapped(pointer))
        } else {
            Err(Status::FAULT)
        }
    }

    /// Its address, which identifies the operation.
    pub fn address(self) -> usize {
        self.0 as usize
    }

    /// The operation is under way.
    pub fn set_pending(self) {
        self.set_status(Status::PENDING);
    }

    /// The operation is over.
    pub fn write_result(self, status: Status, transferred: usize) {
        // SAFETY: valid by the promise of `new`.
        let high = unsafe { Shared::new(&raw mut (*self.0).InternalHigh) };
        high.store(transferred, Relaxed);
        // Release: pairs with the Acquire of whoever polls Internal; InternalHigh and the buffers are visible before it.
        self.set_status(status);
    }

    /// How far something is that reports no status but a WSA code: WSAEINPROGRESS, then how it ended.
    pub fn set_code(self, code: u32) {
        // Release: pairs with the Acquire of `code`; what the operation stored elsewhere is visible before it.
        self.internal().store(code as usize, Release);
    }

    /// What [`set_code`](Self::set_code) stored.
    pub fn code(self) -> u32 {
        self.internal().load(Acquire) as u32
    }

    /// Stores a pointer in the place of the offset.
    pub fn set_pointer(self, pointer: *mut c_void) {
        // SAFETY: valid by the promise of `new`; nobody else writes it before the operation is announced.
        unsafe { (&raw mut (*self.0).Anonymous.Pointer).write_unaligned(pointer) };
    }

    fn internal(&self) -> Shared<'_> {
        // SAFETY: valid by the promise of `new`; programs read it concurrently (HasOverlappedIoCompleted).
        unsafe { Shared::new(&raw mut (*self.0).Internal) }
    }

    fn set_status(self, status: Status) {
        self.internal().store(status.0 as u32 as usize, Release);
    }

    /// How the operation stands.
    pub fn status(self) -> Status {
        Status(self.internal().load(Acquire) as u32 as i32) // pairs with the Release that wrote it, after InternalHigh
    }

    /// The bytes that an operation which is over has transferred.
    pub fn transferred(self) -> usize {
        // SAFETY: valid by the promise of `new`.
        let high = unsafe { Shared::new(&raw mut (*self.0).InternalHigh) };
        high.load(Relaxed)
    }

    /// The event of hEvent, if there is one. (1 is the low bit of no handle.)
    pub fn event(self) -> Result<Option<Arc<Event>>, Status> {
        match self.event_field() {
            0 => Ok(None),
            handle => Ok(Some(Arc::clone(&*handle::event((handle & !1) as HANDLE)?))),
        }
    }

    /// hEvent without its low bit, which is of no handle; 0: none.
    pub fn event_handle(self) -> usize {
        self.event_field() & !1
    }

    /// The low bit of hEvent: the event only, no packet.
    pub fn wants_no_packet(self) -> bool {
        self.event_field() & 1 != 0
    }

    fn event_field(self) -> usize {
        // SAFETY: valid by the promise of `new`.
        unsafe { (&raw const (*self.0).hEvent).read_unaligned() as usize }
    }
}

/// A field of an OVERLAPPED that the library writes while programs may read it. One that is aligned to 4 bytes only has two
/// halves; what programs compare, the status, is in the lower one.
enum Shared<'a> {
    Whole(&'a AtomicUsize),
    Halves([&'a AtomicU32; 2]),
}

impl Shared<'_> {
    /// # Safety
    /// The field is valid, and aligned to 4 bytes.
    unsafe fn new<'a>(field: *mut usize) -> Shared<'a> {
        if field.is_aligned() {
            // SAFETY: valid by the caller's promise.
            return Shared::Whole(unsafe { AtomicUsize::from_ptr(field) });
        }
        let lower = field.cast::<u32>();
        // SAFETY: valid and aligned by the caller's promise.
        Shared::Halves(unsafe {
            [
                AtomicU32::from_ptr(lower),
                AtomicU32::from_ptr(lower.add(1)),
            ]
        })
    }

    fn store(&self, value: usize, order: Ordering) {
        match self {
            Shared::Whole(whole) => whole.store(value, order),
            Shared::Halves([lower, upper]) => {
                upper.store((value >> 32) as u32, Relaxed);
                lower.store(value as u32, order);
            }
        }
    }

    fn load(&self, order: Ordering) -> usize {
        match self {
            Shared::Whole(whole) => whole.load(order),
            Shared::Halves([lower, upper]) => {
                lower.load(order) as usize | (upper.load(Relaxed) as usize) << 32
            }
        }
    }
}

/// How a call wants its result.
#[derive(Clone, Copy)]
pub enum How {
    /// Asynchronously. If it is done at once, what is to be stored where is stored before it is announced.
    Overlapped(Overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE, DoneOut),
    /// By returning it: the call waits until `Deadline`.
    Waiting(Deadline),
    /// By returning it: the call does not wait.
    Immediate,
}

/// Where an overlapped call stores its results if it is done at once; each may be null.
#[derive(Clone, Copy)]
pub struct DoneOut {
    transferred: *mut u32,
    flags: *mut u32,
}

impl DoneOut {
    /// # Safety
    /// Both are null or valid for writes until the call returns.
    pub unsafe fn new(transferred: *mut u32, flags: *mut u32) -> DoneOut {
        DoneOut { transferred, flags }
    }

    /// Nowhere.
    pub const fn nowhere() -> DoneOut {
        DoneOut {
            transferred: std::ptr::null_mut(),
            flags: std::ptr::null_mut(),
        }
    }

    pub fn store(self, transferred: usize) {
        for (out, value) in [(self.transferred, transferred as u32), (self.flags, 0)] {
            if !out.is_null() {
                // SAFETY: valid by the promise of `new`; C callers may pass it unaligned.
                unsafe { out.write_unaligned(value) };
            }
        }
    }
}

/// The request that a call is just starting.
pub struct Mine {
    /// Its request.
    pub id: u64,
    /// What to store before it is announced.
    pub out: DoneOut,
    /// How it ended, if it was done within the call.
    pub result: Option<Result<usize, Status>>,
}

/// What an accepted call answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Started {
    /// Done at once, with so many bytes.
    Done(usize),
    /// Done at once, with so many bytes of a datagram that had more, or had more beside it: a failure that has a result.
    Cut(usize),
    /// Reported later.
    Pending,
}

/// Stands for the OVERLAPPED of what is not cancelled: a request that nobody waits for, an attempt that does not wait.
pub const SILENT: usize = usize::MAX;

/// What cancelling selects by.
#[derive(Clone, Copy)]
pub struct Tag {
    pub overlapped: usize, // 0: none
    pub is_synchronous: bool,
    pub issuer: u64,
    pub id: u64,
    pub has_event: bool,
    is_second_half: bool, // of an AcceptEx
    partner: usize, // of an AcceptEx: address of the accept socket, in its second half of the listener; 0: of none
}

impl Tag {
    /// Of an attempt that the calling thread makes at once, without a request.
    pub fn unqueued() -> Tag {
        Tag {
            overlapped: SILENT, // nobody can cancel what does not wait
            is_synchronous: true,
            issuer: thread::current_serial(),
            id: 0, // of no request
            has_event: false,
            is_second_half: false,
            partner: 0,
        }
    }

    /// The address of the listener of an AcceptEx in its second half; 0: there is none.
    pub fn origin(&self) -> usize {
        if self.is_second_half { self.partner } else { 0 }
    }

    /// The address of the accept socket of an AcceptEx in its first half; 0: there is none.
    pub fn acceptor(&self) -> usize {
        if self.is_second_half { 0 } else { self.partner }
    }
}

impl direction::Request for Box<Request> {
    type Tag = Tag;

    fn tag(&self) -> Tag {
        let (overlapped, has_event) = match &self.delivery {
            Delivery::Overlapped {
                overlapped, event, ..
            } => (overlapped.address(), event.is_some()),
            Delivery::Routine { overlapped, .. } => (overlapped.address(), false),
            Delivery::None => (SILENT, false),
            Delivery::Synchronous(outcome) => (outcome.overlapped, false),
        };
        let partner = match (&self.origin, &self.operation) {
            (Some(listener), _) => Arc::as_ptr(listener) as usize,
            (None, Operation::AcceptInto(accept)) => Arc::as_ptr(&accept.acceptor) as usize,
            _ => 0,
        };
        Tag {
            overlapped,
            is_synchronous: self.is_synchronous(),
            issuer: self.issuer,
            id: self.id,
            has_event,
            is_second_half: self.origin.is_some(),
            partner,
        }
    }
}

// ---- the pool ----

thread_local! {
    /// Memory of requests to be used again, so that the steady path allocates nothing.
    #[allow(clippy::vec_box)] // the boxes are what is kept: a request does not move while the kernel reads it
    static POOL: RefCell<Vec<Box<MaybeUninit<Request>>>> = const { RefCell::new(Vec::new()) };
}

const POOLED_MAX: usize = 256;

impl Request {
    /// A request of the calling thread.
    pub fn new(operation: Operation, delivery: Delivery) -> Box<Request> {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop());
        let memory = pooled.ok().flatten().unwrap_or_else(Box::new_uninit);
        let (issuer, id) = thread::start_request();
        Box::write(
            memory,
            Request {
                operation,
                delivery,
                origin: None,
                id,
                issuer,
            },
        )
    }

    /// Its end.
    pub fn free(self: Box<Self>) {
        thread::end_request();
        let request = Box::into_raw(self);
        // SAFETY: it came from a box, is dropped once, and its memory becomes a box of the same layout.
        let memory = unsafe {
            request.drop_in_place();
            Box::from_raw(request.cast::<MaybeUninit<Request>>())
        };
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED_MAX {
                pool.push(memory);
            }
        });
    }

    /// Makes it a receive that reports to the listener: an AcceptEx has its connection and waits for data.
    pub fn becomes_receive(&mut self, listener: &Arc<Socket>) {
        if let Operation::AcceptInto(accept) = &self.operation {
            self.operation = Operation::Receive(accept.first_data());
            self.origin = Some(listener.clone());
        }
    }

    /// Whether a thread waits for it beside the descriptor.
    pub fn is_synchronous(&self) -> bool {
        matches!(self.delivery, Delivery::Synchronous(_))
    }

    /// Whether it may be attempted a moment later, with others: its result is a packet, which its worker sees no sooner.
    pub fn may_be_deferred(&self) -> bool {
        let reports_by_packet = matches!(
            self.delivery,
            Delivery::Overlapped {
                event: None,
                quiet: false,
                ..
            }
        );
        reports_by_packet
            && match &self.operation {
                Operation::Send(send) => send.is_small(),
                Operation::SendDatagram(send) => send.is_small(),
                Operation::ReceiveDatagram(receive) => receive.takes(),
                _ => false,
            }
    }

    /// What its end means for the sockets it used.
    pub fn clean_up(&self, socket: &Socket, second_half_of_accept: bool) {
        match &self.operation {
            Operation::AcceptInto(accept) => accept.acceptor.release_from_accept(),
            Operation::Receive(_) if second_half_of_accept => socket.release_from_accept(),
            _ => {}
        }
    }

    /// The status with which the request ends when its socket is closed.
    pub fn closing_status(&self, status: Status) -> Status {
        match self.delivery {
            Delivery::Synchronous(_) => Status::INTERRUPTED,
            _ if self.origin.is_some() => Status::CANCELLED,
            _ => match self.operation {
                Operation::AwaitChange(_) | Operation::AwaitBacklog => Status::CANCELLED,
                _ => status,
            },
        }
    }
}
