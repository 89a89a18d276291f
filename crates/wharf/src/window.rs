//! A window without a display: a place in its thread's message queue where sockets report.

use std::fmt;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::time::Duration;

use wharf_sys::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GetMessageW, HWND,
    HWND_MESSAGE, INFINITE, LPARAM, LRESULT, MSG, MWMO_INPUTAVAILABLE, MsgWaitForMultipleObjectsEx,
    PM_REMOVE, PeekMessageW, PostMessageW, QS_ALLINPUT, RegisterClassW, SetLastError, WAIT_FAILED,
    WM_APP, WM_CLOSE, WM_QUIT, WNDCLASSW, WPARAM,
};

use crate::wait::milliseconds;
use crate::{Error, Events, SocketId, routine};

/// What sockets report with.
const SOCKET_MESSAGE: u32 = WM_APP;
/// What posters post.
const POSTED_MESSAGE: u32 = WM_APP + 1;
/// A request to close that came as a sent message.
const CLOSE_MESSAGE: u32 = WM_APP + 2;

/// A message-only window of the thread that made it: sockets of [`Socket::async_select`](crate::Socket::async_select)
/// and other threads put messages into the thread's queue for it, and the thread takes them.
///
/// ```
/// use std::net::Ipv4Addr;
/// use wharf::{Events, Message, Socket, Window};
///
/// let window = Window::new()?;
/// let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
/// listener.async_select(&window, Events::ACCEPT)?;
/// let client = Socket::connect_to(listener.local_addr()?)?;
/// let message = window.take()?;
/// let Message::Socket { socket, event, result } = message else { panic!("{message:?}") };
/// assert_eq!((socket, event, result), (listener.id(), Events::ACCEPT, Ok(())));
/// let (server, _) = listener.accept()?;
/// # Ok::<_, wharf::Error>(())
/// ```
///
/// It cannot leave its thread:
///
/// ```compile_fail,E0277
/// let window = wharf::Window::new()?;
/// std::thread::spawn(move || window.take());
/// # Ok::<_, wharf::Error>(())
/// ```
pub struct Window(HWND);

/// What a window's thread takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A network event. Messages that were posted before the socket was closed, or selected something else, still come.
    Socket {
        /// Whose; a socket that was opened later may have the same.
        socket: SocketId,
        /// Which: one.
        event: Events,
        /// With success, or not.
        result: Result<(), Error>,
    },
    /// What a [`Poster`] has posted.
    Posted(usize),
    /// Somebody wants the window to be closed (`WM_CLOSE`, `WM_QUIT`): a [`Poster`], or whoever else can. It stays until it
    /// is dropped.
    Close,
}

/// Posts to a window, from any thread.
///
/// ```
/// use wharf::{Error, Message, Window};
///
/// let window = Window::new()?;
/// let poster = window.poster();
/// let worker = std::thread::spawn(move || {
///     poster.post(42)?;
///     poster.close()
/// });
/// assert_eq!(window.take()?, Message::Posted(42));
/// assert_eq!(window.take()?, Message::Close);
/// drop(window);
/// worker.join().expect("it does not panic")?;
/// assert_eq!(poster.post(43), Err(Error::INVALID_WINDOW_HANDLE));
/// # Ok::<_, wharf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Poster(HWND);

// SAFETY: messages are posted from any thread; the handle is a number, of a window that may be gone.
unsafe impl Send for Poster {}
// SAFETY: as above.
unsafe impl Sync for Poster {}

impl Poster {
    /// Has [`Message::Posted`] taken by the window's thread.
    ///
    /// # Errors
    /// - [`Error::INVALID_WINDOW_HANDLE`] if the window was dropped.
    /// - [`Error::NOT_ENOUGH_QUOTA`] if 10,000 messages wait.
    pub fn post(&self, number: usize) -> Result<(), Error> {
        // SAFETY: any values are checked.
        Error::last_if(unsafe { PostMessageW(self.0, POSTED_MESSAGE, number, 0) } == 0)
    }

    /// Has [`Message::Close`] taken by the window's thread.
    ///
    /// # Errors
    /// As [`Poster::post`].
    pub fn close(&self) -> Result<(), Error> {
        // SAFETY: any values are checked.
        Error::last_if(unsafe { PostMessageW(self.0, WM_CLOSE, 0, 0) } == 0)
    }
}

impl Window {
    /// A window of the calling thread.
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] and the like, if the system has no room for another.
    pub fn new() -> Result<Window, Error> {
        crate::startup::ensure()?;
        let class = class()?;
        // SAFETY: the class is registered, its name ends with 0, and nothing else is named.
        let window = unsafe {
            CreateWindowExW(
                0,
                class.as_ptr(),
                null(),
                0,
                0,
                0,
                0,
                0,
                HWND_MESSAGE,
                null_mut(),
                null_mut(),
                null(),
            )
        };
        Error::last_if(window.is_null()).map(|()| Window(window))
    }

    /// Takes the oldest message, waiting as long as it takes.
    ///
    /// Messages of other windows of the thread stay in its queue.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getmessagew>
    ///
    /// # Errors
    /// None that a window of this type can give.
    pub fn take(&self) -> Result<Message, Error> {
        loop {
            let mut message = empty();
            // SAFETY: `message` is a live variable.
            let taken = unsafe { GetMessageW(&mut message, self.0, 0, 0) };
            if taken < 0 {
                return Err(Error::last());
            }
            if let Some(message) = self.read(&message) {
                return Ok(message);
            }
        }
    }

    /// Takes the oldest message, waiting up to `timeout`; `None` if the time passed.
    ///
    /// # Errors
    /// As [`Window::take`].
    pub fn take_within(&self, timeout: Duration) -> Result<Option<Message>, Error> {
        let deadline = std::time::Instant::now().checked_add(timeout);
        loop {
            let mut message = empty();
            // SAFETY: `message` is a live variable.
            while unsafe { PeekMessageW(&mut message, self.0, 0, 0, PM_REMOVE) } != 0 {
                if let Some(message) = self.read(&message) {
                    return Ok(Some(message));
                }
            }
            let left = deadline
                .map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let time = left.map_or(INFINITE, |left| milliseconds(Some(left)));
            // SAFETY: no handles are given.
            let waited = unsafe {
                MsgWaitForMultipleObjectsEx(0, null(), time, QS_ALLINPUT, MWMO_INPUTAVAILABLE)
            };
            routine::rethrow();
            if waited == WAIT_FAILED {
                return Err(Error::last());
            }
        }
    }

    /// What can post to it from any thread.
    pub fn poster(&self) -> Poster {
        Poster(self.0)
    }

    /// Windows' handle, which stays the window's own.
    pub fn as_raw(&self) -> HWND {
        self.0
    }

    /// Where sockets report: the window, and with which message.
    pub(crate) fn target(&self) -> (HWND, u32) {
        (self.0, SOCKET_MESSAGE)
    }

    /// Windows' own messages go to the window's procedure.
    fn read(&self, message: &MSG) -> Option<Message> {
        match message.message {
            SOCKET_MESSAGE => {
                let (event, code) = (message.lParam as u16, (message.lParam >> 16) as u16);
                Some(Message::Socket {
                    socket: SocketId(message.wParam),
                    event: Events(u32::from(event)),
                    result: match code {
                        0 => Ok(()),
                        code => Err(Error::from_code(u32::from(code))),
                    },
                })
            }
            POSTED_MESSAGE => Some(Message::Posted(message.wParam)),
            CLOSE_MESSAGE | WM_CLOSE | WM_QUIT => Some(Message::Close),
            _ => {
                // SAFETY: a message that was just taken.
                unsafe { DispatchMessageW(message) };
                None
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the window is this thread's (it cannot leave it) and is not used again.
        unsafe { DestroyWindow(self.0) };
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Window").field(&self.0).finish()
    }
}

fn empty() -> MSG {
    // SAFETY: of integers and pointers; zero is a value of each.
    unsafe { std::mem::zeroed() }
}

/// As [`DefWindowProcW`], which would destroy a window that is to be closed under its owner's hands.
///
/// # Safety
/// As there.
unsafe extern "system" fn procedure(
    window: HWND,
    message: u32,
    first: WPARAM,
    second: LPARAM,
) -> LRESULT {
    if message == WM_CLOSE {
        // SAFETY: any values are checked.
        unsafe { PostMessageW(window, CLOSE_MESSAGE, 0, 0) };
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { DefWindowProcW(window, message, first, second) }
}

/// Another version in the process has a class of its own.
const CLASS: &str = concat!("wharf::Window ", env!("CARGO_PKG_VERSION"), "\0");

/// The name of the class of all windows, registered with the first.
fn class() -> Result<&'static [u16], Error> {
    static NAME: OnceLock<Vec<u16>> = OnceLock::new();
    static REGISTERED: OnceLock<Result<(), Error>> = OnceLock::new();
    let name = NAME.get_or_init(|| CLASS.encode_utf16().collect());
    let register = || {
        // SAFETY: of integers, pointers and a function that may be missing; zero is a value of each.
        let mut class: WNDCLASSW = unsafe { std::mem::zeroed() };
        class.lpfnWndProc = Some(procedure);
        class.lpszClassName = name.as_ptr();
        // SAFETY: `class` is a live variable, and the name ends with 0.
        match Error::last_if(unsafe { RegisterClassW(&class) } == 0) {
            // Another copy of this crate in the process has registered the same.
            Err(Error::CLASS_ALREADY_EXISTS) => {
                // SAFETY: it has no preconditions.
                unsafe { SetLastError(0) };
                Ok(())
            }
            result => result,
        }
    };
    (*REGISTERED.get_or_init(register)).map(|()| &name[..])
}
