//! What the tests of windows share: classes whose procedure notes what it sees, windows that destroy themselves, and
//! a thread with a message loop.
//!
//! Windows are message-only, since the judge may have no display. The procedure notes the messages this suite is
//! about (the system sends others, which differ from version to version).

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use wharf_sys::*;

use crate::harness::*;

/// A window handle that never was one.
pub const GARBAGE_WINDOW: HWND = 0x0eee_eee2 as HWND;

/// The procedure's answer to this message is its wParam.
pub const ECHO: u32 = WM_APP + 100;

/// The procedure sends the message lParam to the window wParam, and its answer is that one's and 1.
pub const SEND_BACK: u32 = WM_APP + 101;

/// What a procedure saw: the message, wParam and lParam.
pub type Seen = (u32, usize, isize);

#[derive(Default)]
struct Notes {
    seen: HashMap<usize, Vec<Seen>>,
    texts: Vec<String>,
    answers: HashMap<(usize, u32), isize>, // by window (0: any)
    parameters: Vec<usize>,                // of WM_CREATE
    destroy_in: Option<u32>,               // DestroyWindow is called in this message
}

thread_local! {
    static NOTES: RefCell<HashMap<usize, Notes>> = RefCell::default(); // by class
    static CLASS: RefCell<HashMap<usize, usize>> = RefCell::default(); // of a window
    static CREATING: RefCell<usize> = const { RefCell::new(0) };       // the class of the window under way
}

fn is_noted(message: u32) -> bool {
    matches!(
        message,
        WM_NCCREATE | WM_CREATE | WM_CLOSE | WM_DESTROY | WM_NCDESTROY | WM_TIMER
    ) || message >= WM_USER
}

/// The procedure of classes with 16-bit units.
unsafe extern "system" fn wide_procedure(
    window: HWND,
    message: u32,
    wparam: usize,
    lparam: isize,
) -> isize {
    let default = || {
        // SAFETY: what the procedure got goes on.
        unsafe { DefWindowProcW(window, message, wparam, lparam) }
    };
    let text = |pointer: *const c_void| wide_text_at(pointer.cast());
    procedure(window, message, wparam, lparam, &text, &default)
}

/// The procedure of classes with 8-bit units.
unsafe extern "system" fn ansi_procedure(
    window: HWND,
    message: u32,
    wparam: usize,
    lparam: isize,
) -> isize {
    let default = || {
        // SAFETY: what the procedure got goes on.
        unsafe { DefWindowProcA(window, message, wparam, lparam) }
    };
    let text = |pointer: *const c_void| {
        // SAFETY: the text ends with a zero.
        let text = unsafe { CStr::from_ptr(pointer.cast()) };
        text.to_str().expect("UTF-8").to_owned()
    };
    procedure(window, message, wparam, lparam, &text, &default)
}

fn wide_text_at(pointer: *const u16) -> String {
    let unit_at = |index| {
        // SAFETY: not beyond the zero.
        unsafe { pointer.add(index).read_unaligned() }
    };
    let units: Vec<u16> = (0..).map(unit_at).take_while(|unit| *unit != 0).collect();
    String::from_utf16(&units).expect("UTF-16")
}

fn procedure(
    window: HWND,
    message: u32,
    wparam: usize,
    lparam: isize,
    text_at: &dyn Fn(*const c_void) -> String,
    default: &dyn Fn() -> isize,
) -> isize {
    let handle = window as usize;
    if message == WM_NCCREATE {
        let class = CREATING.with_borrow(|class| *class);
        CLASS.with_borrow_mut(|classes| classes.insert(handle, class));
    }
    let class = CLASS.with_borrow(|classes| classes.get(&handle).copied().unwrap_or_default());
    let (answer, destroy) = NOTES.with_borrow_mut(|notes| {
        let notes = notes.entry(class).or_default();
        if is_noted(message) {
            // The pointers of WM_NCCREATE and WM_CREATE are nobody's business.
            let lparam = match message {
                WM_NCCREATE | WM_CREATE => 0,
                _ => lparam,
            };
            notes
                .seen
                .entry(handle)
                .or_default()
                .push((message, wparam, lparam));
        }
        if message == WM_SETTEXT {
            notes.texts.push(text_at(lparam as *const c_void));
        }
        if message == WM_CREATE {
            // SAFETY: WM_CREATE carries a CREATESTRUCT; both kinds have one layout.
            let creation = unsafe { (lparam as *const CREATESTRUCTW).read() };
            notes.parameters.push(creation.lpCreateParams as usize);
            if !creation.lpszName.is_null() {
                notes.texts.push(text_at(creation.lpszName.cast()));
            }
        }
        let answer = notes.answers.get(&(handle, message));
        let answer = answer.or_else(|| notes.answers.get(&(0, message))).copied();
        (answer, notes.destroy_in == Some(message))
    });
    if destroy {
        destroy_window(window);
    }
    match (answer, message) {
        (Some(answer), _) => answer,
        (None, ECHO) => wparam as isize,
        (None, SEND_BACK) => send_message(wparam as HWND, lparam as u32, 0, 0) + 1,
        (None, _) => default(),
    }
}

/// A class of this test, unregistered with the last clone if no window is left.
pub struct Class {
    id: usize,
    name: Vec<u16>,
    /// Its atom.
    pub atom: u16,
}

/// A class name that no other test and no other run uses.
pub fn unique_class_name(test: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, SeqCst);
    format!("wharf-{}-{test}-{number}", std::process::id())
}

/// The text in 16-bit units, with its zero.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

impl Class {
    /// A class whose procedure reads 16-bit units.
    #[track_caller]
    pub fn new(test: &str) -> Class {
        Class::with_extra(test, 0)
    }

    /// A class whose windows have so many bytes of memory.
    #[track_caller]
    pub fn with_extra(test: &str, extra: i32) -> Class {
        let name = wide(&unique_class_name(test));
        let class = WNDCLASSW {
            lpfnWndProc: Some(wide_procedure),
            cbWndExtra: extra,
            lpszClassName: name.as_ptr(),
            ..Default::default()
        };
        // SAFETY: the name ends with a zero.
        Class::registered(name, unsafe { RegisterClassW(&class) })
    }

    /// A class whose procedure reads 8-bit units.
    #[track_caller]
    pub fn new_ansi(test: &str) -> Class {
        let name = unique_class_name(test);
        let ansi = format!("{name}\0");
        let class = WNDCLASSA {
            lpfnWndProc: Some(ansi_procedure),
            lpszClassName: ansi.as_ptr(),
            ..Default::default()
        };
        // SAFETY: the name ends with a zero.
        Class::registered(wide(&name), unsafe { RegisterClassA(&class) })
    }

    #[track_caller]
    fn registered(name: Vec<u16>, atom: u16) -> Class {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        assert_ne!(atom, 0, "RegisterClass: last error {}", last_error());
        Class {
            id: NEXT.fetch_add(1, SeqCst),
            name,
            atom,
        }
    }

    /// Its name, with a zero.
    pub fn name(&self) -> &[u16] {
        &self.name
    }

    /// A message-only window of the calling thread.
    #[track_caller]
    pub fn window(&self) -> Window {
        Window::own(self.create(0, HWND_MESSAGE, 0, None))
    }

    /// A window of the desktop.
    #[track_caller]
    pub fn top_level_window(&self) -> Window {
        Window::own(self.create(WS_OVERLAPPEDWINDOW, null_mut(), 0, None))
    }

    /// A child of a window.
    #[track_caller]
    pub fn child(&self, parent: HWND) -> Window {
        Window::own(self.create(WS_CHILD, parent, 0, None))
    }

    /// `CreateWindowExW`.
    pub fn create(
        &self,
        style: WINDOW_STYLE,
        parent: HWND,
        parameter: usize,
        text: Option<&str>,
    ) -> HWND {
        CREATING.set(self.id);
        let text = text.map(wide);
        let text = text.as_ref().map_or(null(), |text| text.as_ptr());
        let parameter = parameter as *const c_void;
        // SAFETY: the texts end with zeroes; the parameter is a number to the procedure.
        unsafe {
            CreateWindowExW(
                0,
                self.name.as_ptr(),
                text,
                style,
                0,
                0,
                0,
                0,
                parent,
                null_mut(),
                null_mut(),
                parameter,
            )
        }
    }

    fn with_notes<R>(&self, use_notes: impl FnOnce(&mut Notes) -> R) -> R {
        NOTES.with_borrow_mut(|notes| use_notes(notes.entry(self.id).or_default()))
    }

    /// From now on the procedures of the calling thread answer the message so.
    pub fn answer(&self, message: u32, answer: isize) {
        self.with_notes(|notes| notes.answers.insert((0, message), answer));
    }

    /// The procedures of the calling thread destroy their window in this message.
    pub fn destroy_in(&self, message: u32) {
        self.with_notes(|notes| notes.destroy_in = Some(message));
    }

    /// What the procedure saw in the calling thread, for one window.
    pub fn seen_by(&self, window: HWND) -> Vec<Seen> {
        self.with_notes(|notes| {
            notes
                .seen
                .get(&(window as usize))
                .cloned()
                .unwrap_or_default()
        })
    }

    /// What the procedure saw in the calling thread for all windows; the order of windows is any.
    pub fn seen(&self) -> Vec<u32> {
        self.with_notes(|notes| {
            let seen = notes.seen.values().flatten();
            seen.map(|(message, ..)| *message).collect()
        })
    }

    /// The texts that came, and are forgotten by that.
    pub fn texts(&self) -> Vec<String> {
        self.with_notes(|notes| std::mem::take(&mut notes.texts))
    }

    /// The parameters of CreateWindowEx that came.
    pub fn parameters(&self) -> Vec<usize> {
        self.with_notes(|notes| notes.parameters.clone())
    }

    /// Forgets what was seen.
    pub fn forget(&self) {
        self.with_notes(|notes| notes.seen.clear());
    }

    /// `UnregisterClassW`.
    pub fn unregister(&self) -> BOOL {
        // SAFETY: the name ends with a zero.
        unsafe { UnregisterClassW(self.name.as_ptr(), null_mut()) }
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        self.unregister(); // it fails while windows are left
    }
}

/// A window that is destroyed when this is dropped.
#[derive(Debug)]
pub struct Window(HWND);

impl Window {
    /// Takes over a window that a function just gave; null is that function's failure.
    #[track_caller]
    pub fn own(window: HWND) -> Window {
        assert!(!window.is_null(), "no window: last error {}", last_error());
        Window(window)
    }

    /// Its handle.
    pub fn raw(&self) -> HWND {
        self.0
    }

    /// Destroys it, which must succeed; gives the stale handle.
    #[track_caller]
    pub fn destroy(self) -> HWND {
        let window = self.leave();
        assert_eq!(
            destroy_window(window),
            TRUE,
            "DestroyWindow: last error {}",
            last_error()
        );
        window
    }

    /// Leaves it alone.
    pub fn leave(self) -> HWND {
        let window = self.0;
        std::mem::forget(self);
        window
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        destroy_window(self.0);
    }
}

/// A thread with a window and a loop, which hands out what it takes; it ends with WM_QUIT.
pub struct Looper {
    thread: Option<Worker<()>>,
    thread_id: u32,
    taken: mpsc::Receiver<Seen>,
}

impl Looper {
    /// Starts one; its window is there when this returns.
    pub fn start(test: &'static str) -> (Looper, HWND) {
        let (window_made, window) = mpsc::channel();
        let (hand_out, taken) = mpsc::channel();
        let thread = spawn(move || {
            let class = Class::new(test);
            let window = class.window();
            window_made
                .send(window.raw() as usize)
                .expect("the starter waits");
            loop {
                let (result, message) = get_message(null_mut(), 0, 0);
                if result == FALSE {
                    break;
                }
                // A test that is over takes nothing more.
                let _ = hand_out.send((message.message, message.wParam, message.lParam));
            }
        });
        let window = window.recv().expect("the thread makes a window") as HWND;
        let thread_id = thread.id();
        let looper = Looper {
            thread: Some(thread),
            thread_id,
            taken,
        };
        (looper, window)
    }

    /// Waits until it waits for messages.
    pub fn until_waits(&self) {
        until_thread_waits(self.thread_id);
    }

    /// The next message that it takes.
    #[track_caller]
    pub fn next(&self) -> Seen {
        self.taken.recv_timeout(DEADLINE).expect("a message")
    }
}

impl Drop for Looper {
    fn drop(&mut self) {
        post_thread_message(self.thread_id, WM_QUIT, 0, 0);
        if let (Some(thread), false) = (self.thread.take(), std::thread::panicking()) {
            thread.join();
        }
    }
}

// ---------------------------------------------------------------------------------------------------------
// The functions, safe where a handle is only looked up
// ---------------------------------------------------------------------------------------------------------

/// `DestroyWindow`.
pub fn destroy_window(window: HWND) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { DestroyWindow(window) }
}

/// `IsWindow`.
pub fn is_window(window: HWND) -> bool {
    // SAFETY: a handle is looked up, not followed.
    unsafe { IsWindow(window) != FALSE }
}

/// `PostMessageW`; the procedures of this suite follow no pointer but WM_SETTEXT's.
pub fn post_message(window: HWND, message: u32, wparam: usize, lparam: isize) -> BOOL {
    // SAFETY: the procedures of this suite take any numbers.
    unsafe { PostMessageW(window, message, wparam, lparam) }
}

/// `PostThreadMessageW`.
pub fn post_thread_message(thread_id: u32, message: u32, wparam: usize, lparam: isize) -> BOOL {
    // SAFETY: the message is for no window.
    unsafe { PostThreadMessageW(thread_id, message, wparam, lparam) }
}

/// `SendMessageW`.
pub fn send_message(window: HWND, message: u32, wparam: usize, lparam: isize) -> isize {
    // SAFETY: the procedures of this suite take any numbers.
    unsafe { SendMessageW(window, message, wparam, lparam) }
}

/// `PostQuitMessage`.
pub fn post_quit_message(code: i32) {
    // SAFETY: no preconditions.
    unsafe { PostQuitMessage(code) }
}

/// `GetMessageW`: its result, and the message.
pub fn get_message(window: HWND, min: u32, max: u32) -> (BOOL, MSG) {
    let mut message = MSG::default();
    // SAFETY: `message` lives through the call.
    let result = unsafe { GetMessageW(&mut message, window, min, max) };
    (result, message)
}

/// `PeekMessageW`: the message, if there is one.
pub fn peek_message(window: HWND, min: u32, max: u32, flags: u32) -> Option<MSG> {
    let mut message = MSG::default();
    // SAFETY: `message` lives through the call.
    let found = unsafe { PeekMessageW(&mut message, window, min, max, flags) };
    (found != FALSE).then_some(message)
}

/// What a message says, without its window and time.
pub fn said(message: MSG) -> Seen {
    (message.message, message.wParam, message.lParam)
}

/// Takes the calling thread's next message, if there is one: what it says.
pub fn peek() -> Option<Seen> {
    peek_message(null_mut(), 0, 0, PM_REMOVE).map(said)
}

/// `DispatchMessageW`.
pub fn dispatch(message: &MSG) -> isize {
    // SAFETY: the message lives through the call; the procedures of this suite take any numbers.
    unsafe { DispatchMessageW(message) }
}

/// `SetTimer`.
pub fn set_timer(window: HWND, id: usize, milliseconds: u32, procedure: TIMERPROC) -> usize {
    // SAFETY: a procedure of this suite may be called at any time.
    unsafe { SetTimer(window, id, milliseconds, procedure) }
}

/// `KillTimer`.
pub fn kill_timer(window: HWND, id: usize) -> BOOL {
    // SAFETY: a handle is looked up, not followed.
    unsafe { KillTimer(window, id) }
}

/// `GetTickCount`.
pub fn tick_count() -> u32 {
    // SAFETY: no preconditions.
    unsafe { GetTickCount() }
}
