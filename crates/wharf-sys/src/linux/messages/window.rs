//! Windows without a display: names of message queues' entrances, each with a procedure.
//!
//! Nothing is drawn and nothing is clicked. A window is a class's procedure, a few numbers, and the thread whose
//! queue its messages go to. Every window is as a message-only one, whatever its parent.
//!
//! Class names are process-wide; the instance is not told apart. A window's procedure reads text in the units of the
//! function that registered its class, and what carries text to it (WM_NCCREATE, WM_CREATE, WM_SETTEXT) is
//! written in those. No lock is held while a procedure runs.
//!
//! Source: "About Windows", "About Window Classes", <https://learn.microsoft.com/windows/win32/winmsg/windowing>.

mod class;
mod messages;
mod numbers;
mod text;

use core::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CREATESTRUCTA, CREATESTRUCTW, HWND_MESSAGE, WM_CREATE, WM_DESTROY, WM_NCCREATE, WM_NCDESTROY,
    WM_SETTEXT, WNDPROC, WS_CHILD,
};

use super::message::Units;
use crate::platform::lock::Lock;
use crate::platform::objects::slab::{Key, Slab};
use crate::platform::startup;
use crate::platform::status::Status;
use crate::platform::threads::thread::{self, Thread};

use class::{Class, class_for_window};
pub use class::{ClassName, Registration, register_class, unregister_class};
pub use messages::{
    Posted, append, default_procedure, dispatch, family, handle_sent, kill_timer, note_socket,
    post, post_to, post_to_thread, send, set_timer,
};
pub use numbers::{Width, number, set_number};
use text::Text;

/// A window.
pub struct Window {
    owner: Arc<Thread>,
    class: Arc<Class>,
    numbers: Lock<Numbers>,
    destroying: AtomicBool, // DestroyWindow is under way
}

/// What GetWindowLongPtr reads and SetWindowLongPtr writes.
struct Numbers {
    procedure: WNDPROC,
    units: Units, // of the text that the procedure reads
    user_data: isize,
    id: isize,
    instance: isize,
    style: u32,
    ex_style: u32,
    parent: usize,
    extra: Vec<u8>,
}

static WINDOWS: Slab<Arc<Window>> = Slab::new();

/// Window handles are even and no multiples of four, so that none is the handle of anything else.
const HANDLE_STEP: usize = 4;
const HANDLE_REST: usize = 2;

fn handle_of(key: Key) -> usize {
    key.number() as usize * HANDLE_STEP + HANDLE_REST
}

fn key_of(window: usize) -> Option<Key> {
    let is_handle = window % HANDLE_STEP == HANDLE_REST && !startup::is_child();
    let number = u32::try_from(window / HANDLE_STEP).ok()?;
    is_handle.then(|| Key::from_number(number))
}

fn find(window: HWND) -> Result<Arc<Window>, Status> {
    key_of(window as usize)
        .and_then(|key| Some(WINDOWS.get(key)?.clone()))
        .ok_or(Status::INVALID_WINDOW)
}

/// Whether there is such a window.
pub fn exists(window: HWND) -> bool {
    find(window).is_ok()
}

/// The identifier of the thread whose window it is.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn thread_of(window: HWND) -> Result<u32, Status> {
    Ok(find(window)?.owner.id())
}

/// What CreateWindowEx says of a window.
pub struct Creation {
    /// Its class.
    pub class: ClassName,
    /// Its text.
    pub text: Option<Vec<u16>>,
    /// WS_ bits.
    pub style: u32,
    /// WS_EX_ bits.
    pub ex_style: u32,
    /// x, y, width, height.
    pub place: [i32; 4],
    /// Its parent or owner; null, HWND_MESSAGE or a window.
    pub parent: HWND,
    /// The handle of a menu, or a child's identifier.
    pub menu: *mut c_void,
    /// The module it belongs to.
    pub instance: *mut c_void,
    /// What WM_CREATE is to find.
    pub parameter: *const c_void,
}

/// Makes a window of the calling thread, whose procedure sees WM_NCCREATE and WM_CREATE before this returns.
///
/// Null, without a reason, if the procedure does not want the window.
///
/// # Errors
/// - `CLASS_NOT_FOUND`.
/// - `INVALID_WINDOW` if the parent is none; `CHILD_WITHOUT_PARENT`.
/// - `NO_MEMORY`.
pub fn create(creation: &Creation) -> Result<HWND, Status> {
    let owner = thread::current();
    let queue = owner.queue();
    let is_child = creation.style & WS_CHILD != 0;
    if creation.parent.is_null() && is_child {
        return Err(Status::CHILD_WITHOUT_PARENT);
    }
    if !creation.parent.is_null() && creation.parent != HWND_MESSAGE {
        find(creation.parent)?;
    }
    let class = class_for_window(&creation.class)?;
    let registration = &class.registration;
    let window = Arc::new(Window {
        owner: owner.clone(),
        numbers: Lock::new(Numbers {
            procedure: registration.procedure,
            units: registration.units,
            user_data: 0,
            id: creation.menu as isize,
            instance: creation.instance as isize,
            style: creation.style,
            ex_style: creation.ex_style,
            parent: creation.parent as usize,
            extra: vec![0; registration.extra_len],
        }),
        destroying: AtomicBool::new(false),
        class: class.clone(),
    });
    let Some(key) = WINDOWS.insert(window.clone()) else {
        class.window_is_gone();
        return Err(Status::NO_MEMORY);
    };
    let handle = handle_of(key);
    queue
        .add_window(handle)
        .inspect_err(|_| window.remove(handle as HWND))?;
    let hwnd = handle as HWND;
    if !window.accepts(hwnd, creation) {
        return Ok(std::ptr::null_mut());
    }
    Ok(if exists(hwnd) {
        hwnd
    } else {
        std::ptr::null_mut()
    })
}

impl Window {
    /// Tells the procedure of its new window; false if it is refused, and gone.
    fn accepts(&self, hwnd: HWND, creation: &Creation) -> bool {
        let units = self.class.registration.units;
        let text = creation.text.as_ref().map(|text| Text::encode(text, units));
        let name = Text::encode(&self.class.registration.name, units);
        let [x, y, cx, cy] = creation.place;
        let described = CREATESTRUCTA {
            lpCreateParams: creation.parameter.cast_mut(),
            hInstance: creation.instance,
            hMenu: creation.menu,
            hwndParent: creation.parent,
            cy,
            cx,
            y,
            x,
            style: creation.style as i32,
            lpszName: text.as_ref().map_or(std::ptr::null(), Text::as_ptr).cast(),
            lpszClass: match creation.class {
                ClassName::Atom(atom) => usize::from(atom) as *const u8,
                ClassName::Name(_) => name.as_ptr().cast(),
            },
            dwExStyle: creation.ex_style,
        };
        // CREATESTRUCTW differs in the units of the two texts only.
        const _: () = assert!(size_of::<CREATESTRUCTA>() == size_of::<CREATESTRUCTW>());
        let described = (&raw const described) as isize;
        if self.call(hwnd, WM_NCCREATE, 0, described, units) == 0 {
            self.destroying.store(true, Relaxed);
            self.call(hwnd, WM_NCDESTROY, 0, 0, units);
            self.remove(hwnd);
            return false;
        }
        if self.call(hwnd, WM_CREATE, 0, described, units) == -1 {
            let _ = destroy(hwnd); // the procedure may have done so already
            return false;
        }
        true
    }

    /// Runs the procedure in the calling thread. Text that the message carries is in the given units.
    fn call(&self, hwnd: HWND, message: u32, wparam: usize, lparam: isize, units: Units) -> isize {
        let (procedure, own_units) = {
            let numbers = self.numbers.lock();
            (numbers.procedure, numbers.units)
        };
        let text = (message == WM_SETTEXT && lparam != 0 && units != own_units).then(|| {
            // SAFETY: WM_SETTEXT carries a string that ends with a zero; its sender says in which units.
            let text = unsafe { Text::read(lparam as *const c_void, units) };
            Text::encode(&text, own_units)
        });
        let lparam = text.as_ref().map_or(lparam, |text| text.as_ptr() as isize);
        match procedure {
            // SAFETY: the program gave this function as the procedure of its windows.
            Some(procedure) => unsafe { procedure(hwnd, message, wparam, lparam) },
            None => 0,
        }
    }

    fn remove(&self, hwnd: HWND) {
        let removed = key_of(hwnd as usize).and_then(|key| WINDOWS.remove(key));
        if removed.is_none() {
            return;
        }
        if let Some(queue) = self.owner.existing_queue() {
            queue.forget_window(hwnd as usize);
        }
        self.class.window_is_gone();
    }

    fn is_mine(&self) -> bool {
        Arc::ptr_eq(&self.owner, &thread::current())
    }

    fn is_top_level(&self) -> bool {
        let numbers = self.numbers.lock();
        numbers.style & WS_CHILD == 0 && numbers.parent != HWND_MESSAGE as usize
    }
}

/// Destroys a window of the calling thread, and those that belong to it.
///
/// # Errors
/// - `INVALID_WINDOW`.
/// - `ACCESS_DENIED` if it is another thread's.
pub fn destroy(hwnd: HWND) -> Result<(), Status> {
    let window = find(hwnd)?;
    if !window.is_mine() {
        return Err(Status::ACCESS_DENIED);
    }
    if window.destroying.swap(true, Relaxed) {
        return Ok(()); // its own procedure asks for it
    }
    let units = window.class.registration.units;
    destroy_those_of(hwnd, false);
    window.call(hwnd, WM_DESTROY, 0, 0, units);
    destroy_those_of(hwnd, true);
    window.call(hwnd, WM_NCDESTROY, 0, 0, units);
    window.remove(hwnd);
    Ok(())
}

/// Destroys the children of a window, or the windows that it owns.
fn destroy_those_of(parent: HWND, children: bool) {
    for (key, window) in WINDOWS.all() {
        let wanted = {
            let numbers = window.numbers.lock();
            numbers.parent == parent as usize && (numbers.style & WS_CHILD != 0) == children
        };
        if wanted {
            let _ = destroy(handle_of(key) as HWND); // another thread's are left
        }
    }
}

/// The thread ends: its windows go with it, and their procedures do not hear of it.
pub fn thread_ends(thread: &Thread) {
    let Some(queue) = thread.existing_queue() else {
        return;
    };
    for window in queue.close() {
        if let Some(window) = key_of(window).and_then(|key| WINDOWS.remove(key)) {
            window.class.window_is_gone();
        }
    }
}
