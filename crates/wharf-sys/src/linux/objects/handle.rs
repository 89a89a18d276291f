//! The one handle table: HANDLE and SOCKET are the same numbers.
//!
//! A handle is a multiple of four, never 0 or −1, and fits a positive `int` (programs store sockets in one). It carries a
//! generation, so a stale handle is an error code and not somebody else's object.

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::SOCKET;

use super::notification::Notification;
use super::object::{Event, Mutex, Object, Semaphore};
use super::slab::{Key, Ref, Slab};
use super::timer::{self, Timer};
use crate::platform::engine::port::Port;
use crate::platform::lock::Lock;
use crate::platform::sockets::socket::Socket;
use crate::platform::startup;
use crate::platform::status::Status;
use crate::platform::threads::thread;
use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

/// The pseudo handle of the current process.
pub const CURRENT_PROCESS: HANDLE = -1isize as HANDLE;
/// The pseudo handle of the current thread.
pub const CURRENT_THREAD: HANDLE = -2isize as HANDLE;

#[derive(Clone)]
struct Entry {
    object: Object,
    origin: Origin,
}

/// How a handle came about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The object was made with it, or winsock gave it out.
    Given,
    /// By DuplicateHandle: winsock's own bookkeeping does not know it.
    Copied,
    /// By WSADuplicateSocket: it keeps the socket open until WSASocket gives out another in its place.
    Promised,
}

static TABLE: Slab<Entry> = Slab::new();

fn key(handle: usize) -> Result<Key, Status> {
    if startup::is_child() {
        return Err(Status::INVALID_HANDLE);
    }
    match u32::try_from(handle) {
        Ok(number) if number % 4 == 0 => Ok(Key::from_number(number / 4)),
        _ => Err(Status::INVALID_HANDLE),
    }
}

/// Makes a handle for the object.
///
/// # Errors
/// `TOO_MANY_OPENED_FILES` when the table is full.
pub fn open(object: Object) -> Result<HANDLE, Status> {
    insert(object, Origin::Given)
}

/// Makes another handle for the object of `handle`, which may be a pseudo handle.
///
/// # Errors
/// `INVALID_HANDLE`, `TOO_MANY_OPENED_FILES`.
pub fn duplicate(handle: HANDLE) -> Result<HANDLE, Status> {
    insert(object(handle)?, Origin::Copied)
}

/// A number under which [`claim`] gives out another handle of the socket, once; the socket stays open until then.
///
/// # Errors
/// `TOO_MANY_SOCKETS`.
pub fn promise(socket: &Arc<Socket>) -> Result<u32, Status> {
    let handle = insert(Object::Socket(socket.clone()), Origin::Promised)
        .map_err(|_| Status::TOO_MANY_SOCKETS)?;
    Ok(handle as u32)
}

/// The handle that was promised under that number.
///
/// # Errors
/// `INVALID` if none was, or it was claimed before; `TOO_MANY_SOCKETS`.
pub fn claim(number: u32) -> Result<SOCKET, Status> {
    let key = key(number as usize).map_err(|_| Status::INVALID)?;
    let is_promise = |entry: Ref<Entry>| entry.origin == Origin::Promised;
    if !TABLE.get(key).is_some_and(is_promise) {
        return Err(Status::INVALID);
    }
    let entry = TABLE.remove(key).ok_or(Status::INVALID)?;
    let handle = open(entry.object.clone()).map_err(|_| Status::TOO_MANY_SOCKETS);
    entry.object.closed();
    Ok(handle? as SOCKET)
}

fn insert(object: Object, origin: Origin) -> Result<HANDLE, Status> {
    let entry = Entry {
        object: object.clone(),
        origin,
    };
    if !object.opened() {
        return Err(Status::INVALID_HANDLE); // its last handle was closed just now
    }
    match TABLE.insert(entry) {
        Some(key) => Ok((key.number() as usize * 4) as HANDLE),
        None => {
            object.closed();
            Err(Status::TOO_MANY_OPENED_FILES)
        }
    }
}

/// Closes a handle; with the last one its object closes too. Closing a pseudo handle does nothing.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn close(handle: HANDLE) -> Result<(), Status> {
    if handle == CURRENT_PROCESS || handle == CURRENT_THREAD {
        return Ok(());
    }
    let entry = TABLE
        .remove(key(handle as usize)?)
        .ok_or(Status::INVALID_HANDLE)?;
    entry.object.closed();
    let is_timer = matches!(entry.object, Object::Timer(_));
    drop(entry);
    if is_timer {
        drop(LOOKS.lock()); // a look at the table lets go of it first
        timer::handle_closed();
    }
    Ok(())
}

/// As [`close`], of a caller that may not know it to be a socket: CloseHandle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn close_as_file(handle: HANDLE) -> Result<(), Status> {
    let socket = socket(handle as SOCKET);
    let window = socket
        .as_ref()
        .ok()
        .and_then(|socket| socket.expects_close_message());
    close(handle)?;
    if let (Ok(socket), Some(window)) = (socket, window)
        && socket.is_closed()
    {
        window.post_close();
    }
    Ok(())
}

/// Closes every socket handle: the last WSACleanup.
pub fn close_sockets() {
    let all = every(|entry| as_socket(&entry.object).cloned());
    for (_, socket) in &all {
        socket.end_with_cleanup(); // also before another one that it takes part in is closed
    }
    for (key, socket) in all {
        if TABLE.remove(key).is_some() {
            Object::Socket(socket).closed();
        }
    }
}

/// The object of a handle or pseudo handle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn object(handle: HANDLE) -> Result<Object, Status> {
    match handle {
        CURRENT_PROCESS => Ok(Object::Process),
        CURRENT_THREAD => Ok(Object::Thread(thread::current())),
        _ => Ok(entry(handle as usize)?.object.clone()),
    }
}

/// What a handle refers to; it stays while this lives, though the handle may be closed meanwhile.
pub struct Referred(Ref<'static, Entry>);

impl Referred {
    /// The object, for longer.
    pub fn object(&self) -> Object {
        self.0.object.clone()
    }
}

impl Borrow<Object> for Referred {
    fn borrow(&self) -> &Object {
        &self.0.object
    }
}

/// As [`object`], of a real handle and without counting the reference.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn referred(handle: HANDLE) -> Result<Referred, Status> {
    Ok(Referred(entry(handle as usize)?))
}

fn entry(handle: usize) -> Result<Ref<'static, Entry>, Status> {
    TABLE.get(key(handle)?).ok_or(Status::INVALID_HANDLE)
}

/// Whether the handle is open.
pub fn is_open(handle: HANDLE) -> bool {
    key(handle as usize).is_ok_and(|key| TABLE.has(key))
}

/// An object that a handle names; it stays while this lives, though the handle may be closed meanwhile.
pub struct Named<T: 'static> {
    entry: Ref<'static, Entry>,
    object: fn(&Object) -> Option<&Arc<T>>, // finds it in its entry
}

impl<T> Deref for Named<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        (self.object)(&self.entry.object).expect("looked at before it was made")
    }
}

fn as_socket(object: &Object) -> Option<&Arc<Socket>> {
    match object {
        Object::Socket(socket) => Some(socket),
        _ => None,
    }
}

fn as_port(object: &Object) -> Option<&Arc<Port>> {
    match object {
        Object::Port(port) => Some(port),
        _ => None,
    }
}

fn as_notification(object: &Object) -> Option<&Arc<Notification>> {
    match object {
        Object::Notification(notification) => Some(notification),
        _ => None,
    }
}

fn as_event(object: &Object) -> Option<&Arc<Event>> {
    match object {
        Object::Event(event) => Some(event),
        _ => None,
    }
}

fn as_mutex(object: &Object) -> Option<&Arc<Mutex>> {
    match object {
        Object::Mutex(mutex) => Some(mutex),
        _ => None,
    }
}

fn as_semaphore(object: &Object) -> Option<&Arc<Semaphore>> {
    match object {
        Object::Semaphore(semaphore) => Some(semaphore),
        _ => None,
    }
}

fn as_timer(object: &Object) -> Option<&Arc<Timer>> {
    match object {
        Object::Timer(timer) => Some(timer),
        _ => None,
    }
}

/// The object of a handle, if it is one of the kind that `object` finds.
#[inline]
fn named<T>(
    handle: usize,
    object: fn(&Object) -> Option<&Arc<T>>,
    otherwise: Status,
) -> Result<Named<T>, Status> {
    let entry = entry(handle).map_err(|_| otherwise)?;
    match object(&entry.object) {
        Some(_) => Ok(Named { entry, object }),
        None => Err(otherwise),
    }
}

/// The socket of a handle.
///
/// # Errors
/// `NOT_SOCKET`.
pub fn socket(handle: SOCKET) -> Result<Named<Socket>, Status> {
    named(handle, as_socket, Status::NOT_SOCKET)
}

/// As [`socket`], but only for handles that winsock itself gave out.
///
/// # Errors
/// `NOT_SOCKET`.
pub fn winsock_socket(handle: SOCKET) -> Result<Named<Socket>, Status> {
    let socket = socket(handle)?;
    if socket.entry.origin == Origin::Copied {
        return Err(Status::NOT_SOCKET);
    }
    Ok(socket)
}

/// The socket of a handle, where Win32 asks for a file.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn file(handle: HANDLE) -> Result<Named<Socket>, Status> {
    named(handle as usize, as_socket, Status::INVALID_HANDLE)
}

/// The completion port of a handle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn port(handle: HANDLE) -> Result<Named<Port>, Status> {
    named(handle as usize, as_port, Status::INVALID_HANDLE)
}

/// What a notification handle waits with.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn notification(handle: HANDLE) -> Result<Named<Notification>, Status> {
    named(handle as usize, as_notification, Status::INVALID_HANDLE)
}

/// The event of a handle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn event(handle: HANDLE) -> Result<Named<Event>, Status> {
    named(handle as usize, as_event, Status::INVALID_HANDLE)
}

/// The mutex of a handle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn mutex(handle: HANDLE) -> Result<Named<Mutex>, Status> {
    named(handle as usize, as_mutex, Status::INVALID_HANDLE)
}

/// The semaphore of a handle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn semaphore(handle: HANDLE) -> Result<Named<Semaphore>, Status> {
    named(handle as usize, as_semaphore, Status::INVALID_HANDLE)
}

/// The timer of a handle.
///
/// # Errors
/// `INVALID_HANDLE`.
pub fn timer(handle: HANDLE) -> Result<Named<Timer>, Status> {
    named(handle as usize, as_timer, Status::INVALID_HANDLE)
}

/// Every socket that has a handle.
pub fn sockets() -> Vec<Arc<Socket>> {
    let all = every(|entry| as_socket(&entry.object).cloned()).into_iter();
    all.map(|(_, socket)| socket).collect()
}

/// Every completion port that has a handle.
pub fn ports() -> Vec<Arc<Port>> {
    let port = |entry: Entry| match entry.object {
        Object::Port(port) => Some(port),
        _ => None,
    };
    every(port).into_iter().map(|(_, port)| port).collect()
}

/// Held while the whole table is looked through: what is there is referred to meanwhile.
static LOOKS: Lock<()> = Lock::new(());

/// Of every handle what `choose` takes.
fn every<T>(choose: impl Fn(Entry) -> Option<T>) -> Vec<(Key, T)> {
    let _look = LOOKS.lock();
    let all = TABLE.all().into_iter();
    all.filter_map(|(key, entry)| Some((key, choose(entry)?)))
        .collect()
}

/// How many handles are open.
pub fn count() -> usize {
    TABLE.len()
}
