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

use core::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, LazyLock};

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CREATESTRUCTA, CREATESTRUCTW, GWL_EXSTYLE, GWL_STYLE, GWLP_HINSTANCE, GWLP_HWNDPARENT, GWLP_ID,
    GWLP_USERDATA, GWLP_WNDPROC, HWND_BROADCAST, HWND_MESSAGE, TIMERPROC, WM_CLOSE, WM_CREATE,
    WM_DESTROY, WM_NCCREATE, WM_NCDESTROY, WM_SETTEXT, WM_TIMER, WNDPROC, WS_CHILD,
};

use super::lock::Lock;
use super::message::{self, Message, Sent, Units, Windows};
use super::slab::{Key, Slab};
use super::startup;
use super::status::Status;
use super::system;
use super::thread::{self, Thread};

// ---------------------------------------------------------------------------------------------------------
// Classes
// ---------------------------------------------------------------------------------------------------------

/// How a program names a class.
#[derive(Clone, Debug)]
pub enum ClassName {
    /// By its atom.
    Atom(u16),
    /// By its name, in which upper and lower case are the same.
    Name(Vec<u16>),
}

/// What RegisterClass says of a class.
#[derive(Clone)]
pub struct Registration {
    /// Its name.
    pub name: Vec<u16>,
    /// The procedure of its windows.
    pub procedure: WNDPROC,
    /// The units in which that reads text.
    pub units: Units,
    /// Bytes of memory that each window has for the program's use.
    pub extra_len: usize,
}

/// A window class.
struct Class {
    atom: u16,
    system: bool, // Windows' own: a program may register its name again
    registration: Registration,
    windows: AtomicUsize, // how many there are; changed under the lock of the classes
}

type Classes = Vec<Arc<Class>>;

/// Class names have at most so many units.
const CLASS_NAME_MAX: usize = 256;
/// Atoms of strings begin here.
const FIRST_ATOM: u16 = 0xC000;
/// More memory per class or window than any program has a use for.
const EXTRA_MAX: usize = 1 << 20;
/// The classes that Windows brings along. What they show is not there; they have the default procedure.
const SYSTEM_CLASSES: [&str; 7] = [
    "Button",
    "ComboBox",
    "Edit",
    "ListBox",
    "MDIClient",
    "ScrollBar",
    "Static",
];

static CLASSES: LazyLock<Lock<Classes>> = LazyLock::new(|| {
    let class = |(atom, name): (u16, &str)| {
        Arc::new(Class {
            atom,
            system: true,
            registration: Registration {
                name: name.encode_utf16().collect(),
                procedure: Some(default_procedure),
                units: Units::Wide,
                extra_len: 0,
            },
            windows: AtomicUsize::new(0),
        })
    };
    Lock::new((FIRST_ATOM..).zip(SYSTEM_CLASSES).map(class).collect())
});

impl ClassName {
    fn names(&self, class: &Class) -> bool {
        match self {
            ClassName::Atom(atom) => class.atom == *atom,
            ClassName::Name(name) => same_name(&class.registration.name, name),
        }
    }
}

fn same_name(one: &[u16], other: &[u16]) -> bool {
    folded(one).eq(folded(other))
}

/// The name in lower case.
fn folded(name: &[u16]) -> impl Iterator<Item = char> {
    char::decode_utf16(name.iter().copied())
        .flat_map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER).to_lowercase())
}

/// Registers a class and gives its atom.
///
/// # Errors
/// - `INVALID_PARAMETER` without a procedure, for a name that is empty or too long, for too much extra memory.
/// - `CLASS_ALREADY_EXISTS`.
/// - `NO_MEMORY` when every atom is taken.
pub fn register_class(registration: Registration) -> Result<u16, Status> {
    let name_fits = (1..=CLASS_NAME_MAX).contains(&registration.name.len());
    if registration.procedure.is_none() || !name_fits || registration.extra_len > EXTRA_MAX {
        return Err(Status::INVALID_PARAMETER);
    }
    let mut classes = CLASSES.lock();
    let same = |class: &&Arc<Class>| same_name(&class.registration.name, &registration.name);
    if classes.iter().filter(same).any(|class| !class.system) {
        return Err(Status::CLASS_ALREADY_EXISTS);
    }
    let taken = |atom: &u16| classes.iter().any(|class| class.atom == *atom);
    // A class that has Windows' name has Windows' atom too.
    let atom = match classes.iter().find(same) {
        Some(class) => class.atom,
        None => (FIRST_ATOM..=u16::MAX)
            .find(|atom| !taken(atom))
            .ok_or(Status::NO_MEMORY)?,
    };
    classes.push(Arc::new(Class {
        atom,
        system: false,
        registration,
        windows: AtomicUsize::new(0),
    }));
    Ok(atom)
}

/// Ends the use of a class.
///
/// # Errors
/// `CLASS_DOES_NOT_EXIST`, `CLASS_HAS_WINDOWS`.
pub fn unregister_class(name: &ClassName) -> Result<(), Status> {
    let mut classes = CLASSES.lock();
    let index = classes
        .iter()
        .position(|class| !class.system && name.names(class))
        .ok_or(Status::CLASS_DOES_NOT_EXIST)?;
    if classes[index].windows.load(Relaxed) > 0 {
        return Err(Status::CLASS_HAS_WINDOWS);
    }
    classes.remove(index);
    Ok(())
}

/// The class for a new window, which counts from now on.
fn class_for_window(name: &ClassName) -> Result<Arc<Class>, Status> {
    let classes = CLASSES.lock();
    // The program's own comes first.
    let found = classes.iter().rev().find(|class| name.names(class));
    let class = found.ok_or(Status::CLASS_NOT_FOUND)?;
    class.windows.fetch_add(1, Relaxed);
    Ok(class.clone())
}

impl Class {
    fn window_is_gone(&self) {
        let _classes = CLASSES.lock();
        self.windows.fetch_sub(1, Relaxed);
    }
}

// ---------------------------------------------------------------------------------------------------------
// Windows
// ---------------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------------
// Messages to windows
// ---------------------------------------------------------------------------------------------------------

/// Posts a message to the queue of the thread whose window it is. Any thread may do so.
///
/// # Errors
/// - `INVALID_WINDOW`.
/// - `QUOTA_EXCEEDED` if the queue is full.
pub fn post(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<(), Status> {
    let message = Message::new(hwnd as usize, message, wparam, lparam);
    message::post(&find(hwnd)?.owner, message)
}

/// A message is in its queue; its thread is still to be woken.
#[must_use = "the thread sleeps on"]
pub struct Posted {
    window: Arc<Window>,
    wake: message::Wake,
}

impl Posted {
    /// Wakes the thread. Under no lock.
    pub fn wake(self) {
        self.wake.wake(&self.window.owner);
    }
}

/// As [`post`], for callers that hold a lock.
///
/// # Errors
/// As [`post`].
pub fn append(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<Posted, Status> {
    let message = Message::new(hwnd as usize, message, wparam, lparam);
    let window = find(hwnd)?;
    let wake = message::append(&window.owner, message)?;
    Ok(Posted { window, wake })
}

/// A socket is to report to the window. If its thread sleeps already, it looks after sockets too from now on.
pub fn note_socket(hwnd: HWND) {
    if let Ok(window) = find(hwnd)
        && let Some(queue) = window.owner.existing_queue()
        && !queue.is_for_sockets()
    {
        queue.note_socket();
        window.owner.parker.unpark();
    }
}

/// PostMessage: to a window, to the calling thread (null), or to every top-level window (HWND_BROADCAST).
///
/// # Errors
/// As [`post`].
pub fn post_to(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<(), Status> {
    if hwnd.is_null() {
        let thread = thread::current();
        thread.queue();
        return message::post(&thread, Message::new(0, message, wparam, lparam));
    }
    if hwnd == HWND_BROADCAST {
        for window in top_level_windows() {
            post(window, message, wparam, lparam)?;
        }
        return Ok(());
    }
    post(hwnd, message, wparam, lparam)
}

/// PostThreadMessage.
///
/// # Errors
/// - `INVALID_THREAD` if there is no such thread, or it has no queue.
/// - `QUOTA_EXCEEDED` if the queue is full.
pub fn post_to_thread(
    thread_id: u32,
    message: u32,
    wparam: usize,
    lparam: isize,
) -> Result<(), Status> {
    let current = thread::current();
    if current.id() == thread_id {
        current.queue();
    }
    let thread = thread::find(thread_id).ok_or(Status::INVALID_THREAD)?;
    message::post(&thread, Message::new(0, message, wparam, lparam))
}

/// SendMessage: the result of the window's procedure, which runs in the window's thread.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn send(
    hwnd: HWND,
    message: u32,
    wparam: usize,
    lparam: isize,
    units: Units,
) -> Result<isize, Status> {
    if hwnd == HWND_BROADCAST {
        for window in top_level_windows() {
            let _ = send(window, message, wparam, lparam, units); // it may have gone meanwhile
        }
        return Ok(1);
    }
    let window = find(hwnd)?;
    if window.is_mine() {
        return Ok(window.call(hwnd, message, wparam, lparam, units));
    }
    let message = Message::new(hwnd as usize, message, wparam, lparam);
    message::send(&window.owner, message, units)
}

/// Runs the procedure for a message that another thread sent.
pub fn handle_sent(sent: &Sent) -> isize {
    let Message {
        window: handle,
        message,
        wparam,
        lparam,
        ..
    } = sent.message;
    let hwnd = handle as HWND;
    find(hwnd).map_or(0, |window| {
        window.call(hwnd, message, wparam, lparam, sent.units)
    })
}

/// DispatchMessage: runs the procedure that a message taken from the queue is for.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn dispatch(hwnd: HWND, message: u32, wparam: usize, lparam: isize) -> Result<isize, Status> {
    if message == WM_TIMER && lparam != 0 {
        let procedure = timer_procedure(lparam);
        if let Some(procedure) = procedure {
            let time = system::uptime_ms() as u32;
            // SAFETY: the program gave this function to SetTimer.
            unsafe { procedure(hwnd, message, wparam, time) };
        }
        return Ok(0);
    }
    if hwnd.is_null() {
        return Ok(0);
    }
    let window = find(hwnd)?;
    let units = window.numbers.lock().units; // what lies in a queue carries no text
    Ok(window.call(hwnd, message, wparam, lparam, units))
}

/// The procedure at that address, if one of the calling thread's timers has it: a message can claim anything.
fn timer_procedure(address: isize) -> TIMERPROC {
    thread::current().existing_queue()?.timer_procedure(address)
}

/// The default procedure of windows.
pub unsafe extern "system" fn default_procedure(
    hwnd: HWND,
    message: u32,
    _wparam: usize,
    _lparam: isize,
) -> isize {
    match message {
        WM_NCCREATE => 1,
        WM_CLOSE => {
            let _ = destroy(hwnd); // another thread's window is left
            0
        }
        _ => 0,
    }
}

fn top_level_windows() -> impl Iterator<Item = HWND> {
    let windows = WINDOWS.all().into_iter();
    windows
        .filter(|(_, window)| window.is_top_level())
        .map(|(key, _)| handle_of(key) as HWND)
}

/// The window and its children, theirs, and so on: whose messages GetMessage gives for the window.
///
/// # Errors
/// `INVALID_WINDOW`.
pub fn family(hwnd: HWND) -> Result<Windows, Status> {
    find(hwnd)?;
    let mut family = vec![hwnd as usize];
    let all = WINDOWS.all();
    let mut looked_at = 0;
    while let Some(&parent) = family.get(looked_at) {
        looked_at += 1;
        let children = all.iter().filter(|(_, window)| {
            let numbers = window.numbers.lock();
            numbers.parent == parent && numbers.style & WS_CHILD != 0
        });
        let children: Vec<usize> = children
            .map(|(key, _)| handle_of(*key))
            .filter(|child| !family.contains(child))
            .collect();
        family.extend(children);
    }
    Ok(Windows::These(family))
}

/// Sets a timer for a window of the calling thread, or for the thread itself (null). Gives its identifier.
///
/// # Errors
/// - `INVALID_WINDOW`.
/// - `ACCESS_DENIED` if it is another thread's.
pub fn set_timer(
    hwnd: HWND,
    id: usize,
    milliseconds: u32,
    procedure: TIMERPROC,
) -> Result<usize, Status> {
    if !hwnd.is_null() && !find(hwnd)?.is_mine() {
        return Err(Status::ACCESS_DENIED);
    }
    let thread = thread::current();
    let queue = thread.queue();
    Ok(queue.set_timer(hwnd as usize, id, milliseconds, procedure))
}

/// Ends a timer of the calling thread.
///
/// # Errors
/// `INVALID_WINDOW`; `INVALID_PARAMETER` if there is no such timer.
pub fn kill_timer(hwnd: HWND, id: usize) -> Result<(), Status> {
    if !hwnd.is_null() {
        find(hwnd)?;
    }
    let thread = thread::current();
    thread.queue().kill_timer(hwnd as usize, id)
}

// ---------------------------------------------------------------------------------------------------------
// Numbers of windows
// ---------------------------------------------------------------------------------------------------------

/// How many bytes of a window's own memory a number takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// GetWindowLong, SetWindowLong.
    Long,
    /// GetWindowLongPtr, SetWindowLongPtr.
    Pointer,
}

/// One of the numbers that belong to a window.
enum Number {
    Procedure,
    Instance,
    Parent,
    Id,
    Style,
    ExStyle,
    UserData,
    Extra(usize),
}

impl Number {
    /// # Errors
    /// `INVALID_INDEX`: also for a pointer that does not fit the width.
    fn of(index: i32, width: Width) -> Result<Number, Status> {
        Ok(match (index, width) {
            (GWLP_WNDPROC, Width::Pointer) => Number::Procedure,
            (GWLP_HINSTANCE, Width::Pointer) => Number::Instance,
            (GWLP_HWNDPARENT, Width::Pointer) => Number::Parent,
            (GWLP_ID, _) => Number::Id,
            (GWL_STYLE, _) => Number::Style,
            (GWL_EXSTYLE, _) => Number::ExStyle,
            (GWLP_USERDATA, _) => Number::UserData,
            _ => Number::Extra(usize::try_from(index).map_err(|_| Status::INVALID_INDEX)?),
        })
    }
}

impl Numbers {
    fn get(&self, number: &Number, width: Width) -> Result<isize, Status> {
        Ok(match *number {
            Number::Procedure => self
                .procedure
                .map_or(0, |procedure| procedure as usize as isize),
            Number::Instance => self.instance,
            Number::Parent => self.parent as isize,
            Number::Id => self.id,
            Number::Style => self.style as i32 as isize,
            Number::ExStyle => self.ex_style as i32 as isize,
            Number::UserData => self.user_data,
            Number::Extra(offset) => {
                let bytes = self.extra.get(offset..).ok_or(Status::INVALID_INDEX)?;
                let long = bytes
                    .first_chunk()
                    .map(|&long| i32::from_ne_bytes(long) as isize);
                let pointer = bytes.first_chunk().map(|&long| isize::from_ne_bytes(long));
                match width {
                    Width::Long => long,
                    Width::Pointer => pointer,
                }
                .ok_or(Status::INVALID_INDEX)?
            }
        })
    }

    /// # Safety
    /// A new procedure is one, or 0.
    unsafe fn set(&mut self, number: &Number, width: Width, value: isize) {
        match *number {
            Number::Procedure => {
                // SAFETY: the caller's promise; 0 is `None`.
                self.procedure = unsafe { std::mem::transmute::<isize, WNDPROC>(value) };
            }
            Number::Instance => self.instance = value,
            Number::Parent => self.parent = value as usize,
            Number::Id => self.id = value,
            Number::Style => self.style = value as u32,
            Number::ExStyle => self.ex_style = value as u32,
            Number::UserData => self.user_data = value,
            Number::Extra(offset) => match width {
                Width::Long => {
                    self.extra[offset..offset + 4].copy_from_slice(&(value as i32).to_ne_bytes());
                }
                Width::Pointer => {
                    self.extra[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
                }
            },
        }
    }
}

/// One of a window's numbers.
///
/// # Errors
/// `INVALID_WINDOW`, `INVALID_INDEX`.
pub fn number(hwnd: HWND, index: i32, width: Width) -> Result<isize, Status> {
    let window = find(hwnd)?;
    let number = Number::of(index, width)?;
    window.numbers.lock().get(&number, width)
}

/// Replaces one of a window's numbers and gives the old one. A new procedure reads text in the given units.
///
/// # Errors
/// `INVALID_WINDOW`, `INVALID_INDEX`.
///
/// # Safety
/// A new procedure is one, or 0.
pub unsafe fn set_number(
    hwnd: HWND,
    index: i32,
    width: Width,
    value: isize,
    units: Units,
) -> Result<isize, Status> {
    let window = find(hwnd)?;
    let number = Number::of(index, width)?;
    let mut numbers = window.numbers.lock();
    let old = numbers.get(&number, width)?; // its place exists
    // SAFETY: the caller's promise.
    unsafe { numbers.set(&number, width, value) };
    if matches!(number, Number::Procedure) {
        numbers.units = units;
    }
    Ok(old)
}

// ---------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------

/// Text as a procedure reads it, with its zero.
enum Text {
    Ansi(Vec<u8>),
    Wide(Vec<u16>),
    Wide32(Vec<u32>),
}

impl Text {
    fn encode(text: &[u16], units: Units) -> Text {
        let characters = || String::from_utf16_lossy(text);
        match units {
            Units::Ansi => Text::Ansi(characters().into_bytes().into_iter().chain([0]).collect()),
            Units::Wide => Text::Wide(text.iter().copied().chain([0]).collect()),
            Units::Wide32 => Text::Wide32(characters().chars().map(u32::from).chain([0]).collect()),
        }
    }

    fn as_ptr(&self) -> *const c_void {
        match self {
            Text::Ansi(text) => text.as_ptr().cast(),
            Text::Wide(text) => text.as_ptr().cast(),
            Text::Wide32(text) => text.as_ptr().cast(),
        }
    }

    /// The text at an address, without its zero.
    ///
    /// # Safety
    /// There is a string in these units that ends with a zero.
    unsafe fn read(address: *const c_void, units: Units) -> Vec<u16> {
        match units {
            // SAFETY: the caller's promise.
            Units::Ansi => String::from_utf8_lossy(&unsafe { until_zero::<u8>(address) })
                .encode_utf16()
                .collect(),
            // SAFETY: the caller's promise.
            Units::Wide => unsafe { until_zero::<u16>(address) },
            // SAFETY: the caller's promise.
            Units::Wide32 => unsafe { until_zero::<u32>(address) }
                .into_iter()
                .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect::<String>()
                .encode_utf16()
                .collect(),
        }
    }
}

/// The units before the first zero.
///
/// # Safety
/// There is one.
unsafe fn until_zero<T: Copy + Default + PartialEq>(address: *const c_void) -> Vec<T> {
    let unit_at = |index| {
        // SAFETY: not beyond the zero, by the caller's promise.
        unsafe { address.cast::<T>().add(index).read_unaligned() }
    };
    (0..)
        .map(unit_at)
        .take_while(|unit| *unit != T::default())
        .collect()
}
