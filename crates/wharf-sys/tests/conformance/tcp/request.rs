//! Requests, what starting one answers, and the calls with an OVERLAPPED.
//!
//! A [`Request`] owns its OVERLAPPED and its buffer. It gives the memory back only when nothing pends in
//! it: a test that fails half-way leaks it instead of pulling it away from under the library.

use std::cell::RefCell;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// How an accepted overlapped call answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// Done at once, with that many bytes.
    Done(u32),
    /// WSA_IO_PENDING.
    Pending,
}

/// Any of the three answers of an overlapped call: done at once, pending, refused.
pub type Answer = Result<Started, WSA_ERROR>;

/// The answer of a call that is accepted and not done yet.
pub const PENDING: Answer = Ok(Started::Pending);

/// The answer of a call that is done at once with that many bytes.
pub fn done(transferred: u32) -> Answer {
    Ok(Started::Done(transferred))
}

/// Interprets the result of a winsock call that started a request.
pub fn answer(result: i32, transferred: u32) -> Answer {
    match check(result) {
        Ok(()) => Ok(Started::Done(transferred)),
        Err(WSA_IO_PENDING) => Ok(Started::Pending),
        Err(error) => Err(error),
    }
}

/// Interprets the result of a function that returns BOOL and started a request.
pub fn answer_bool(result: BOOL, transferred: u32) -> Answer {
    answer(if result == FALSE { SOCKET_ERROR } else { 0 }, transferred)
}

/// An OVERLAPPED and a buffer, at addresses that do not change.
pub struct Request {
    overlapped: NonNull<OVERLAPPED>,
    buffer: NonNull<u8>,
    capacity: usize,
    /// Whether a call accepted it since it was made: only then a pending status means something.
    accepted: AtomicBool,
}

// SAFETY: the OVERLAPPED is read through atomics; the buffer is read or written only while nothing pends.
unsafe impl Send for Request {}

// SAFETY: as above.
unsafe impl Sync for Request {}

impl Request {
    /// With a zeroed buffer of `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self::from_data(&vec![0; capacity])
    }

    /// With a buffer that holds `data`.
    pub fn from_data(data: &[u8]) -> Self {
        // SAFETY: an all-zero OVERLAPPED is a valid value, and the one to begin with.
        let overlapped: Box<OVERLAPPED> = Box::new(unsafe { mem::zeroed() });
        let buffer: Box<[u8]> = data.into();
        let capacity = buffer.len();
        Self {
            overlapped: NonNull::from(Box::leak(overlapped)),
            buffer: NonNull::from(Box::leak(buffer)).cast(),
            capacity,
            accepted: AtomicBool::new(false),
        }
    }

    /// With `event` (an event handle, perhaps with the low bit set) in hEvent.
    pub fn with_event(self, event: HANDLE) -> Self {
        // SAFETY: no call knows this OVERLAPPED yet.
        unsafe { (*self.overlapped.as_ptr()).hEvent = event };
        self
    }

    /// The address that identifies the operation.
    pub fn overlapped(&self) -> *mut OVERLAPPED {
        self.overlapped.as_ptr()
    }

    /// OVERLAPPED.Internal.
    pub fn internal(&self) -> usize {
        self.field(mem::offset_of!(OVERLAPPED, Internal))
    }

    /// OVERLAPPED.InternalHigh.
    pub fn internal_high(&self) -> usize {
        self.field(mem::offset_of!(OVERLAPPED, InternalHigh))
    }

    fn field(&self, offset: usize) -> usize {
        // SAFETY: `offset` is that of a pointer-sized field of the OVERLAPPED, which is alive.
        let field = unsafe { self.overlapped.as_ptr().byte_add(offset).cast() };
        // SAFETY: the field is aligned and alive, and the library writes it as a whole.
        unsafe { AtomicUsize::from_ptr(field) }.load(Ordering::Acquire)
    }

    /// Puts marks into the status block, to see which of them a call overwrites.
    pub fn mark_status(&self, internal: usize, internal_high: usize) {
        // SAFETY: the caller marks requests that are not in flight.
        unsafe { (*self.overlapped.as_ptr()).Internal = internal };
        // SAFETY: as above.
        unsafe { (*self.overlapped.as_ptr()).InternalHigh = internal_high };
    }

    /// Whether Internal holds `status` (sign bit and all, zero-extended).
    pub fn has_status(&self, status: NTSTATUS) -> bool {
        self.internal() == status as u32 as usize
    }

    /// HasOverlappedIoCompleted: whether the status block is final.
    pub fn is_finished(&self) -> bool {
        self.internal() as u32 != STATUS_PENDING as u32
    }

    /// Whether the library has no use for its memory.
    pub fn is_idle(&self) -> bool {
        !self.accepted.load(Ordering::Relaxed) || self.is_finished()
    }

    /// Waits until the status block is final.
    pub fn until_finished(&self) {
        until("a final status", || self.is_finished());
    }

    /// The whole buffer of a finished request.
    pub fn buffer(&self) -> &[u8] {
        // SAFETY: the buffer is alive and nothing writes it once its request is finished.
        unsafe { std::slice::from_raw_parts(self.buffer.as_ptr(), self.capacity) }
    }

    /// What a finished receive stored.
    pub fn received(&self) -> &[u8] {
        assert!(self.is_finished(), "the request is still pending");
        &self.buffer()[..self.internal_high()]
    }

    /// Where the buffer is.
    pub fn buffer_ptr(&self) -> *mut u8 {
        self.buffer.as_ptr()
    }

    /// How long the buffer is.
    pub fn capacity(&self) -> u32 {
        self.capacity as u32
    }

    /// The buffer as one WSABUF.
    pub fn wsabuf(&self) -> WSABUF {
        WSABUF {
            len: self.capacity as u32,
            buf: self.buffer.as_ptr(),
        }
    }

    /// The buffer cut into pieces of those lengths.
    pub fn pieces(&self, lengths: &[usize]) -> Vec<WSABUF> {
        assert!(lengths.iter().sum::<usize>() <= self.capacity);
        let mut offset = 0;
        let piece = |&len: &usize| {
            // SAFETY: the lengths before this one sum up to less than the capacity.
            let buf = unsafe { self.buffer.as_ptr().add(offset) };
            offset += len;
            WSABUF {
                len: len as u32,
                buf,
            }
        };
        lengths.iter().map(piece).collect()
    }

    /// Notes how a call answered.
    pub fn note(&self, answer: Answer) -> Answer {
        self.accepted.fetch_or(answer.is_ok(), Ordering::Relaxed);
        answer
    }

    /// GetOverlappedResult: bytes, or a Win32 error.
    pub fn result(&self, handle: HANDLE, wait: bool) -> Result<u32, u32> {
        let mut transferred = 0;
        // SAFETY: both pointers are valid.
        check_bool(unsafe {
            GetOverlappedResult(handle, self.overlapped(), &mut transferred, wait.into())
        })?;
        Ok(transferred)
    }

    /// What a port shows when this request succeeds.
    pub fn success(&self, key: usize, transferred: u32) -> Taken {
        Taken::Packet(packet(transferred, key, self.overlapped() as usize))
    }

    /// How its routine is called when this request succeeds.
    pub fn routine_success(&self, transferred: u32) -> RoutineCall {
        let overlapped = self.overlapped() as usize;
        RoutineCall {
            error: 0,
            transferred,
            overlapped,
            flags: 0,
        }
    }

    /// How its routine is called when this request fails without having moved data.
    pub fn routine_failure(&self, error: WSA_ERROR) -> RoutineCall {
        RoutineCall {
            error,
            ..self.routine_success(0)
        }
    }

    /// What a port shows when this request fails without having moved data; `error` is a Win32 code.
    pub fn failure(&self, key: usize, error: u32) -> Taken {
        Taken::Failed(packet(0, key, self.overlapped() as usize), error)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.is_idle() {
            return; // the library may still write here
        }
        // SAFETY: made by Box::leak in `from_data`, and nothing is in flight.
        drop(unsafe { Box::from_raw(self.overlapped.as_ptr()) });
        let buffer = ptr::slice_from_raw_parts_mut(self.buffer.as_ptr(), self.capacity);
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(buffer) });
    }
}

/// A completion routine.
pub type Routine = LPWSAOVERLAPPED_COMPLETION_ROUTINE;

/// What a completion routine was called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutineCall {
    /// dwError.
    pub error: WSA_ERROR,
    /// cbTransferred.
    pub transferred: u32,
    /// lpOverlapped.
    pub overlapped: usize,
    /// dwFlags.
    pub flags: u32,
}

/// A completion routine that notes its calls for [`routines_run`].
pub const ROUTINE: Routine = Some(note_routine_call);

thread_local! {
    static ROUTINE_CALLS: RefCell<Vec<RoutineCall>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "system" fn note_routine_call(
    error: u32,
    transferred: u32,
    overlapped: *mut OVERLAPPED,
    flags: u32,
) {
    let (error, overlapped) = (error as WSA_ERROR, overlapped as usize);
    let call = RoutineCall {
        error,
        transferred,
        overlapped,
        flags,
    };
    ROUTINE_CALLS.with_borrow_mut(|calls| calls.push(call));
}

/// The calls of [`ROUTINE`] on this thread since the last time, in order.
pub fn routines_run() -> Vec<RoutineCall> {
    ROUTINE_CALLS.take()
}

impl Raw {
    /// Overlapped WSARecv into the whole buffer.
    pub fn receive(self, request: &Request) -> Answer {
        self.receive_into(&[request.wsabuf()], 0, request, None)
    }

    /// Overlapped WSARecv with flags.
    pub fn receive_flags(self, request: &Request, flags: i32) -> Answer {
        self.receive_into(&[request.wsabuf()], flags, request, None)
    }

    /// Overlapped WSARecv that announces itself by `routine`.
    pub fn receive_routine(self, request: &Request, routine: Routine) -> Answer {
        self.receive_into(&[request.wsabuf()], 0, request, routine)
    }

    /// Overlapped WSARecv in full.
    pub fn receive_into(
        self,
        buffers: &[WSABUF],
        flags: i32,
        request: &Request,
        routine: Routine,
    ) -> Answer {
        let (mut transferred, mut flags) = (0, flags as u32);
        // SAFETY: the buffers and the OVERLAPPED belong to `request`, which outlives the operation;
        // the other pointers are needed during the call only.
        let result = unsafe {
            WSARecv(
                self.0,
                buffers.as_ptr(),
                buffers.len() as u32,
                &mut transferred,
                &mut flags,
                request.overlapped(),
                routine,
            )
        };
        request.note(answer(result, transferred))
    }

    /// Overlapped WSASend of the whole buffer.
    pub fn send_request(self, request: &Request) -> Answer {
        self.send_from(&[request.wsabuf()], 0, request, None)
    }

    /// Overlapped WSASend that announces itself by `routine`.
    pub fn send_routine(self, request: &Request, routine: Routine) -> Answer {
        self.send_from(&[request.wsabuf()], 0, request, routine)
    }

    /// Overlapped WSASend in full.
    pub fn send_from(
        self,
        buffers: &[WSABUF],
        flags: u32,
        request: &Request,
        routine: Routine,
    ) -> Answer {
        let mut transferred = 0;
        // SAFETY: as for `receive_into`.
        let result = unsafe {
            WSASend(
                self.0,
                buffers.as_ptr(),
                buffers.len() as u32,
                &mut transferred,
                flags,
                request.overlapped(),
                routine,
            )
        };
        request.note(answer(result, transferred))
    }

    /// AcceptEx of `accepted` with the request's buffer divided as told.
    pub fn accept_ex(self, accepted: Raw, request: &Request, layout: AcceptLayout) -> Answer {
        let mut transferred = 0;
        // SAFETY: as for `receive_into`; `Request::for_accept` made the buffer large enough.
        let result = unsafe {
            AcceptEx(
                self.0,
                accepted.0,
                request.buffer_ptr().cast(),
                layout.data,
                layout.local,
                layout.remote,
                &mut transferred,
                request.overlapped(),
            )
        };
        request.note(answer_bool(result, transferred))
    }

    /// ConnectEx to `address`, followed by the request's buffer.
    pub fn connect_ex(self, address: &Address, request: &Request) -> Answer {
        let connect_ex: LPFN_CONNECTEX = self.extension(WSAID_CONNECTEX).expect("ConnectEx");
        let mut transferred = 0;
        // SAFETY: as for `receive_into`; the address is captured by the call.
        let result = unsafe {
            connect_ex.expect("a function")(
                self.0,
                address.as_ptr(),
                address.len,
                request.buffer_ptr().cast(),
                request.capacity(),
                &mut transferred,
                request.overlapped(),
            )
        };
        request.note(answer_bool(result, transferred))
    }

    /// WSAIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER); `F` is the function's LPFN type.
    pub fn extension<F: Default>(self, guid: GUID) -> Result<F, WSA_ERROR> {
        assert_eq!(size_of::<F>(), size_of::<usize>());
        let (mut function, mut returned) = (F::default(), 0);
        // SAFETY: `guid` and `function` are valid for their sizes; F is a nullable function pointer.
        check(unsafe {
            WSAIoctl(
                self.0,
                SIO_GET_EXTENSION_FUNCTION_POINTER,
                (&raw const guid).cast(),
                size_of::<GUID>() as u32,
                (&raw mut function).cast(),
                size_of::<F>() as u32,
                &mut returned,
                ptr::null_mut(),
                None,
            )
        })?;
        assert_eq!(returned as usize, size_of::<F>());
        Ok(function)
    }

    /// WSAGetOverlappedResult: bytes and flags, or a winsock error.
    pub fn result(self, request: &Request, wait: bool) -> Result<(u32, u32), WSA_ERROR> {
        let (mut transferred, mut flags) = (0, u32::MAX);
        // SAFETY: all pointers are valid.
        let result = unsafe {
            WSAGetOverlappedResult(
                self.0,
                request.overlapped(),
                &mut transferred,
                wait.into(),
                &mut flags,
            )
        };
        check_bool(result).map_err(|error| error as WSA_ERROR)?;
        Ok((transferred, flags))
    }

    /// CancelIo.
    pub fn cancel_mine(self) -> Result<(), u32> {
        // SAFETY: takes no pointers.
        check_bool(unsafe { CancelIo(self.handle()) })
    }

    /// CancelIoEx of everything.
    pub fn cancel_all(self) -> Result<(), u32> {
        // SAFETY: a null OVERLAPPED means "all".
        check_bool(unsafe { CancelIoEx(self.handle(), ptr::null()) })
    }

    /// CancelIoEx of one request.
    pub fn cancel(self, request: &Request) -> Result<(), u32> {
        // SAFETY: the pointer only identifies the request.
        check_bool(unsafe { CancelIoEx(self.handle(), request.overlapped()) })
    }

    /// SetFileCompletionNotificationModes.
    pub fn set_notification_modes(self, modes: u32) -> Result<(), u32> {
        // SAFETY: takes no pointers.
        check_bool(unsafe { SetFileCompletionNotificationModes(self.handle(), modes as u8) })
    }

    /// Whether the socket handle itself is signalled.
    pub fn is_signalled(self) -> bool {
        wait(self.handle(), 0) == WAIT_OBJECT_0
    }

    /// DuplicateHandle within the process.
    pub fn duplicate(self) -> Handle {
        duplicate(self.handle())
    }
}

/// How AcceptEx divides its buffer.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLayout {
    /// Bytes for the first data.
    pub data: u32,
    /// Bytes for the local address.
    pub local: u32,
    /// Bytes for the remote address.
    pub remote: u32,
}

impl AcceptLayout {
    /// Room for both addresses and `data` bytes of first data.
    pub fn with_data(data: u32) -> Self {
        Self {
            data,
            local: ADDRESS_AREA,
            remote: ADDRESS_AREA,
        }
    }

    /// Room for both addresses only: complete as soon as there is a connection.
    pub fn without_data() -> Self {
        Self::with_data(0)
    }

    /// A request whose buffer has these three areas.
    pub fn request(self) -> Request {
        Request::new((self.data + self.local + self.remote) as usize)
    }
}
