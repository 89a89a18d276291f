//! A completion port: packets in, threads out.

mod state;

use std::fmt;
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_sys::owned::SHARES_OPERATIONS;
use wharf_sys::{
    CloseHandle, CreateIoCompletionPort, GetOverlappedResult, GetQueuedCompletionStatus,
    GetQueuedCompletionStatusEx, HANDLE, INVALID_HANDLE_VALUE, OVERLAPPED, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};

use crate::associated::AssociatedSocket;
use crate::operation::{InFlight, Operation, Refused};
pub(crate) use state::PortState;

use crate::wait::milliseconds;
use crate::{Error, Socket};

/// How many packets [`CompletionPort::take_many`] takes at most.
const TAKEN_AT_ONCE: usize = 64;

/// How long a port that is dropped waits for cancelled operations, from the last one that came.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits before it cancels again what was started meanwhile.
const CANCEL_AGAIN: Duration = Duration::from_millis(10);

/// What a port tells of a socket, or a posted packet, beside its operation: a number, in the caller's words.
///
/// ```
/// use wharf::Key;
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Role {
///     Listener,
///     Client,
/// }
///
/// impl Key for Role {
///     fn to_number(self) -> usize {
///         self as usize
///     }
///     fn from_number(number: usize) -> Role {
///         if number == 0 { Role::Listener } else { Role::Client }
///     }
/// }
/// # assert_eq!(Role::from_number(Role::Client.to_number()), Role::Client);
/// # assert_eq!(Role::from_number(Role::Listener.to_number()), Role::Listener);
/// ```
pub trait Key: Copy {
    /// The number that the port carries.
    fn to_number(self) -> usize;
    /// The key of a number that [`Key::to_number`] gave.
    fn from_number(number: usize) -> Self;
}

impl Key for usize {
    fn to_number(self) -> usize {
        self
    }

    fn from_number(number: usize) -> usize {
        number
    }
}

impl Key for u32 {
    fn to_number(self) -> usize {
        self as usize
    }

    fn from_number(number: usize) -> u32 {
        number as u32
    }
}

impl Key for () {
    fn to_number(self) -> usize {
        0
    }

    fn from_number(_: usize) {}
}

/// One entry of a port's queue.
pub struct Packet<T, K = usize> {
    /// That of the socket, or what was posted.
    pub key: K,
    /// How many bytes were transferred (of a failed operation too), or what was posted.
    pub bytes: u32,
    /// Whether the operation succeeded. A failed one is no failure of the port. Posted packets are successes.
    pub result: Result<(), Error>,
    /// The operation, to be looked at and started again; `None` for a packet that was posted without one.
    pub operation: Option<Operation<T>>,
}

impl<T> Packet<T> {
    /// With the key that the number stands for.
    fn in_words<K: Key>(self) -> Packet<T, K> {
        Packet {
            key: K::from_number(self.key),
            bytes: self.bytes,
            result: self.result,
            operation: self.operation,
        }
    }
}

impl<T, K: fmt::Debug> fmt::Debug for Packet<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("key", &self.key)
            .field("bytes", &self.bytes)
            .field("result", &self.result)
            .field("operation", &self.operation)
            .finish()
    }
}

/// A completion port: packets leave in the order they came, the thread that began to wait last is released first, and
/// at most the port's concurrency value of threads run at once.
///
/// `T` is the value of the operations that report here ([`Operation`]), `K` the type of keys.
///
/// A thread that blocks in a call of this library (or, after some milliseconds, elsewhere) gives its place to the next.
///
/// Dropping the port cancels the operations that are under way on its sockets, waits for them, and drops them with
/// their values; the sockets then only have their blocking calls left. (If the system does not give an operation back
/// within two seconds, because a thread that still runs holds the port's last place, its memory is leaked: the system
/// may still write to it.)
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{CompletionPort, Operation, Packet, Socket};
///
/// let port: CompletionPort<[u8; 64]> = CompletionPort::new(0)?;
/// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// let client = Socket::connect_to(listener.local_addr()?)?;
/// let server = port.associate(listener.accept()?.0, 7)?;
///
/// server.start_receive(Operation::new([0; 64]), |buffer| buffer)?;
/// client.send(b"hello")?;
///
/// let Packet { key, bytes, result, operation } = port.take(None)?.expect("no time-out");
/// result?;
/// let operation = operation.expect("not posted");
/// assert_eq!((key, &operation[..bytes as usize]), (7, &b"hello"[..]));
///
/// server.start_send(operation, |buffer| &buffer[..5])?; // the same, back
/// # let mut answer = [0; 5];
/// # assert_eq!(client.recv_all(&mut answer)?, 5);
/// # assert_eq!(&answer, b"hello");
/// # Ok::<_, wharf::Error>(())
/// ```
///
/// With values that belong to one thread, the port does too:
///
/// ```compile_fail,E0277
/// use std::rc::Rc;
/// use wharf::CompletionPort;
///
/// let port: CompletionPort<Rc<u8>> = CompletionPort::new(0)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| port.take(None)); // would bring an Rc to another thread
/// });
/// # Ok::<_, wharf::Error>(())
/// ```
pub struct CompletionPort<T: 'static, K: Key = usize> {
    state: Arc<PortState>,
    values: PhantomData<*mut T>,
    keys: PhantomData<fn(K) -> K>,
}

// SAFETY: a port is made to be used from any thread; what it carries between them is `T`, and `K` made of a number.
unsafe impl<T: Send, K: Key> Send for CompletionPort<T, K> {}
// SAFETY: as above; every function on it is thread-safe.
unsafe impl<T: Send, K: Key> Sync for CompletionPort<T, K> {}

impl<T: 'static, K: Key> CompletionPort<T, K> {
    /// A port on which `concurrency` threads may run at once; 0: as many as there are processors.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/fileio/createiocompletionport>
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] if the system has no room for another port.
    pub fn new(concurrency: u32) -> Result<Self, Error> {
        // SAFETY: no file is named, so there is nothing to be valid.
        let handle =
            unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, concurrency) };
        Error::last_if(handle.is_null())?;
        Ok(CompletionPort {
            state: Arc::new(PortState::new(handle)),
            values: PhantomData,
            keys: PhantomData,
        })
    }

    /// Makes the port the place where operations on the socket report, with this key, for as long as the socket lives.
    ///
    /// # Errors
    /// The socket comes back with the error: [`Error::INVALID_PARAMETER`] if it is associated with a port already,
    /// which only a socket from outside can be.
    pub fn associate(&self, socket: Socket, key: K) -> Result<AssociatedSocket<T>, NotAssociated> {
        let handle = socket.as_raw() as HANDLE;
        // SAFETY: both handles are open.
        let associated =
            unsafe { CreateIoCompletionPort(handle, self.state.handle(), key.to_number(), 0) };
        if let Err(error) = Error::last_if(associated.is_null()) {
            return Err(NotAssociated { error, socket });
        }
        self.state.sockets().insert(socket.as_raw());
        Ok(AssociatedSocket::new(socket, Arc::clone(&self.state)))
    }

    /// Appends a packet without an operation.
    ///
    /// ```
    /// # use wharf::CompletionPort;
    /// let port: CompletionPort<()> = CompletionPort::new(2)?;
    /// std::thread::scope(|scope| {
    ///     let worker = scope.spawn(|| port.take(None));
    ///     port.post(7, 512)?;
    ///     let packet = worker.join().expect("the worker does not panic")?.expect("no time-out");
    ///     assert_eq!((packet.key, packet.bytes), (7, 512));
    ///     Ok::<_, wharf::Error>(())
    /// })?;
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/fileio/postqueuedcompletionstatus>
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] if there is no memory for it.
    pub fn post(&self, key: K, bytes: u32) -> Result<(), Error> {
        // The OVERLAPPED of what is posted is always null: any other is that of an operation.
        self.post_raw(key.to_number(), bytes, null_mut())
    }

    /// Appends a packet with an operation, which nothing is done for: a way to hand its value to another thread.
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] if there is no memory for it; the operation comes back.
    pub fn post_operation(
        &self,
        operation: Operation<T>,
        key: K,
        bytes: u32,
    ) -> Result<(), Refused<T>> {
        let key = key.to_number(); // which may panic
        if let Err(error) = self.state.announce() {
            return Err(Refused::new(error, operation));
        }
        let mut ours = SHARES_OPERATIONS.then(|| self.state.ours(operation.id()));
        let flight: InFlight<T> = operation.into_raw();
        // SAFETY: it is not under way.
        unsafe { flight.idle() };
        let posted = self.post_raw(key, bytes, flight.overlapped());
        match (&posted, &mut ours) {
            (Ok(()), Some(ours)) => drop(ours.insert(flight.overlapped() as usize)),
            (Ok(()), None) => {}
            (Err(_), _) => self.state.retract(),
        }
        // SAFETY: it was not posted, so no packet brings it.
        posted.map_err(|error| Refused::new(error, unsafe { flight.land() }))
    }

    fn post_raw(&self, key: usize, bytes: u32, overlapped: *mut OVERLAPPED) -> Result<(), Error> {
        // SAFETY: the pointer is carried, not followed.
        let posted =
            unsafe { PostQueuedCompletionStatus(self.state.handle(), bytes, key, overlapped) };
        Error::last_if(posted == 0)
    }

    /// Takes the oldest packet, waiting up to `timeout` (`None`: as long as it takes); `None` if the time passed.
    ///
    /// A time-out is rounded up to milliseconds.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getqueuedcompletionstatus>
    ///
    /// # Errors
    /// None that a port of this type can give, short of a handle closed behind its back. That an operation failed
    /// is told by its packet.
    ///
    /// # Panics
    /// If [`Key::from_number`] does; the packet is dropped.
    pub fn take(&self, timeout: Option<Duration>) -> Result<Option<Packet<T, K>>, Error> {
        Ok(self.take_raw(timeout)?.map(Packet::in_words))
    }

    /// The same, with the number that is the key.
    fn take_raw(&self, timeout: Option<Duration>) -> Result<Option<Packet<T>>, Error> {
        loop {
            let (mut bytes, mut key, mut overlapped) = (0, 0, null_mut());
            // SAFETY: all three out-pointers are to live variables.
            let succeeded = unsafe {
                GetQueuedCompletionStatus(
                    self.state.handle(),
                    &mut bytes,
                    &mut key,
                    &mut overlapped,
                    milliseconds(timeout),
                )
            };
            let result = Error::last_if(succeeded == 0);
            match result {
                Err(Error::WAIT_TIMEOUT) if overlapped.is_null() => return Ok(None),
                Err(error) if overlapped.is_null() => return Err(error),
                result => {
                    // SAFETY: the packet was just taken.
                    let packet = unsafe { self.packet(key, bytes, overlapped, |_| result) };
                    if packet.is_some() {
                        return Ok(packet);
                    }
                }
            }
        }
    }

    /// Takes up to 64 packets at once, the oldest first, and appends them to `packets`; waits up to `timeout` for the
    /// first only. Tells how many; 0 if the time passed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use wharf::CompletionPort;
    /// let port: CompletionPort<(), u32> = CompletionPort::new(1)?;
    /// (0..5).try_for_each(|number| port.post(number, 0))?;
    /// let mut packets = Vec::new();
    /// assert_eq!(port.take_many(&mut packets, None)?, 5);
    /// assert!(packets.iter().map(|packet| packet.key).eq(0..5));
    /// assert_eq!(port.take_many(&mut packets, Some(Duration::ZERO))?, 0);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/fileio/getqueuedcompletionstatusex-func>
    ///
    /// # Errors
    /// As [`CompletionPort::take`].
    ///
    /// # Panics
    /// If [`Key::from_number`] does; what was taken behind that packet is dropped.
    pub fn take_many(
        &self,
        packets: &mut Vec<Packet<T, K>>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        packets.reserve(TAKEN_AT_ONCE); // first: what was taken must not get lost
        let before = packets.len();
        while packets.len() == before {
            let mut entries = [NO_ENTRY; TAKEN_AT_ONCE];
            let mut count = 0;
            // SAFETY: `entries` has that many, and `count` is a live variable.
            let succeeded = unsafe {
                GetQueuedCompletionStatusEx(
                    self.state.handle(),
                    entries.as_mut_ptr(),
                    TAKEN_AT_ONCE as u32,
                    &mut count,
                    milliseconds(timeout),
                    0,
                )
            };
            match Error::last_if(succeeded == 0) {
                Err(Error::WAIT_TIMEOUT) => return Ok(0),
                result => result?,
            }
            let mut taken = Taken {
                port: self,
                entries: entries[..count as usize].iter(),
            };
            packets.extend(taken.by_ref().map(Packet::in_words));
        }
        Ok(packets.len() - before)
    }

    /// The packet of these values; `None` if it is of an operation that somebody else has started. `result` looks at an
    /// OVERLAPPED of ours.
    ///
    /// # Safety
    /// They were just taken from the port, and no other packet is made of them.
    unsafe fn packet(
        &self,
        key: usize,
        bytes: u32,
        overlapped: *mut OVERLAPPED,
        result: impl FnOnce(*mut OVERLAPPED) -> Result<(), Error>,
    ) -> Option<Packet<T>> {
        let mut packet = Packet {
            key,
            bytes,
            result: Ok(()),
            operation: None,
        };
        if overlapped.is_null() {
            return Some(packet);
        }
        if !self.state.claim(overlapped) {
            return None;
        }
        packet.result = result(overlapped);
        // SAFETY: whoever reports to this port is a socket of `associate` or `post_operation`, so this is the
        // one packet of an `Operation<T>`.
        let mut operation = unsafe { Operation::<T>::from_overlapped(overlapped) };
        // SAFETY: it was just made.
        unsafe { operation.settle(packet.result.is_ok()) };
        packet.operation = Some(operation);
        Some(packet)
    }

    /// Windows' handle, which stays the port's own.
    ///
    /// Using it needs `unsafe`, and must leave alone what this crate relies on: a packet that is posted or brought
    /// there by other means has a null OVERLAPPED.
    pub fn as_raw(&self) -> HANDLE {
        self.state.handle()
    }

    /// Cancels what is under way and takes it back, as long as it comes.
    fn drain(&self) {
        self.state.close();
        let mut last = Instant::now();
        while self.state.is_busy() && last.elapsed() < PATIENCE {
            self.state.cancel_all();
            while let Ok(Some(packet)) = self.take_raw(Some(CANCEL_AGAIN)) {
                drop(packet);
                last = Instant::now();
                if !self.state.is_busy() {
                    break;
                }
            }
        }
    }
}

impl<T: 'static, K: Key> Drop for CompletionPort<T, K> {
    fn drop(&mut self) {
        /// Closes the handle, even if a value panics when it is dropped.
        struct Closing(HANDLE);

        impl Drop for Closing {
            fn drop(&mut self) {
                // SAFETY: the handle is the port's and is not used again: nothing is started any more.
                unsafe { CloseHandle(self.0) };
            }
        }

        let _closing = Closing(self.state.handle());
        self.drain();
    }
}

/// Entries that were just taken, one packet of each. Those that nobody wants any more are dropped.
struct Taken<'a, T: 'static, K: Key> {
    port: &'a CompletionPort<T, K>,
    entries: slice::Iter<'a, OVERLAPPED_ENTRY>,
}

impl<T: 'static, K: Key> Iterator for Taken<'_, T, K> {
    type Item = Packet<T>;

    fn next(&mut self) -> Option<Packet<T>> {
        let port = self.port;
        self.entries.find_map(|entry| {
            let (key, bytes) = (entry.lpCompletionKey, entry.dwNumberOfBytesTransferred);
            let status = entry.Internal as i32;
            // SAFETY: the packet was just taken, and the entry is not looked at again.
            unsafe {
                port.packet(key, bytes, entry.lpOverlapped, |ours| {
                    result_of(status, ours)
                })
            }
        })
    }
}

impl<T: 'static, K: Key> Drop for Taken<'_, T, K> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl<T: 'static, K: Key> fmt::Debug for CompletionPort<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CompletionPort")
            .field(&self.state.handle())
            .finish()
    }
}

/// A socket that was not associated, and why.
#[derive(Debug)]
pub struct NotAssociated {
    /// Why.
    pub error: Error,
    /// The socket, as it was.
    pub socket: Socket,
}

impl fmt::Display for NotAssociated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for NotAssociated {}

impl From<NotAssociated> for Error {
    fn from(not: NotAssociated) -> Error {
        not.error
    }
}

impl From<NotAssociated> for std::io::Error {
    fn from(not: NotAssociated) -> std::io::Error {
        not.error.into()
    }
}

const NO_ENTRY: OVERLAPPED_ENTRY = OVERLAPPED_ENTRY {
    lpCompletionKey: 0,
    lpOverlapped: null_mut(),
    Internal: 0,
    dwNumberOfBytesTransferred: 0,
};

/// How an operation ended.
///
/// # Safety
/// The OVERLAPPED is that of a finished operation.
unsafe fn result_of(status: i32, overlapped: *mut OVERLAPPED) -> Result<(), Error> {
    if status >= 0 {
        return Ok(());
    }
    let mut bytes = 0;
    // SAFETY: the caller's promise; no handle is needed for it.
    let succeeded = unsafe { GetOverlappedResult(null_mut(), overlapped, &mut bytes, 0) };
    Error::last_if(succeeded == 0)
}
