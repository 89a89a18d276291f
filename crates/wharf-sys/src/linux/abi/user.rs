//! winuser.h: window classes and windows. Messages are in `message.rs`.
//!
//! The functions whose names end in A and in W differ in the units of text: in class names, in a window's text, and in
//! what the procedure of a class reads.

use core::ffi::c_void;
use std::io::Write;

use windows_sys::Win32::Foundation::{FALSE, HINSTANCE, HWND, LPARAM, LRESULT, WPARAM};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    HMENU, IDOK, MESSAGEBOX_RESULT, MESSAGEBOX_STYLE, SHOW_WINDOW_CMD, WINDOW_EX_STYLE,
    WINDOW_LONG_PTR_INDEX, WINDOW_STYLE, WNDCLASSA, WNDCLASSEXA, WNDCLASSEXW, WNDCLASSW, WNDPROC,
};
use windows_sys::core::{BOOL, PCSTR, PCWSTR};

use super::text::{ansi_text, wide_text};
use super::{read, store};
use crate::platform::last_error;
use crate::platform::messages::message::Units;
use crate::platform::messages::window::{self, ClassName, Creation, Registration, Width};
use crate::platform::status::Status;

// ---------------------------------------------------------------------------------------------------------
// Classes
// ---------------------------------------------------------------------------------------------------------

/// Registers a window class and gives its atom. Its procedure reads text in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerclassw>
///
/// # Safety
/// `lpwndclass` is null or valid for reads, with a name that is an atom or a zero-terminated string. The procedure may be
/// called as that of a window.
pub unsafe extern "system" fn RegisterClassW(lpwndclass: *const WNDCLASSW) -> u16 {
    let register = || {
        // SAFETY: the caller's promise.
        let class = unsafe { read(lpwndclass) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { class_name_wide(class.lpszClassName) };
        register(
            name,
            class.lpfnWndProc,
            class.cbClsExtra,
            class.cbWndExtra,
            Units::Wide,
        )
    };
    last_error::win32_value(register(), 0)
}

/// As `RegisterClassW`, with a size and a small icon.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerclassexw>
///
/// # Safety
/// `param0` is null or valid for reads, with a name that is an atom or a zero-terminated string. The procedure may be
/// called as that of a window.
pub unsafe extern "system" fn RegisterClassExW(param0: *const WNDCLASSEXW) -> u16 {
    let register = || {
        // SAFETY: the caller's promise.
        let class = unsafe { read(param0) }?;
        if class.cbSize as usize != size_of::<WNDCLASSEXW>() {
            return Err(Status::INVALID_PARAMETER);
        }
        // SAFETY: the caller's promise.
        let name = unsafe { class_name_wide(class.lpszClassName) };
        register(
            name,
            class.lpfnWndProc,
            class.cbClsExtra,
            class.cbWndExtra,
            Units::Wide,
        )
    };
    last_error::win32_value(register(), 0)
}

/// As `RegisterClassW`, with text in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerclassa>
///
/// # Safety
/// `lpwndclass` is null or valid for reads, with a name that is an atom or a zero-terminated string. The procedure may be
/// called as that of a window.
pub unsafe extern "system" fn RegisterClassA(lpwndclass: *const WNDCLASSA) -> u16 {
    let register = || {
        // SAFETY: the caller's promise.
        let class = unsafe { read(lpwndclass) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { class_name_ansi(class.lpszClassName) };
        register(
            name,
            class.lpfnWndProc,
            class.cbClsExtra,
            class.cbWndExtra,
            Units::Ansi,
        )
    };
    last_error::win32_value(register(), 0)
}

/// As `RegisterClassA`, with a size and a small icon.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerclassexa>
///
/// # Safety
/// `param0` is null or valid for reads, with a name that is an atom or a zero-terminated string. The procedure may be
/// called as that of a window.
pub unsafe extern "system" fn RegisterClassExA(param0: *const WNDCLASSEXA) -> u16 {
    let register = || {
        // SAFETY: the caller's promise.
        let class = unsafe { read(param0) }?;
        if class.cbSize as usize != size_of::<WNDCLASSEXA>() {
            return Err(Status::INVALID_PARAMETER);
        }
        // SAFETY: the caller's promise.
        let name = unsafe { class_name_ansi(class.lpszClassName) };
        register(
            name,
            class.lpfnWndProc,
            class.cbClsExtra,
            class.cbWndExtra,
            Units::Ansi,
        )
    };
    last_error::win32_value(register(), 0)
}

/// `RegisterClassExW` for programs whose `wchar_t` has 32 bits; the name stands beside the class.
///
/// # Safety
/// As `RegisterClassExW`.
#[doc(hidden)]
pub unsafe fn register_class_wide32(
    name: Option<Vec<u16>>,
    procedure: WNDPROC,
    class_extra: i32,
    window_extra: i32,
) -> u16 {
    let name = name.map_or(ClassName::Atom(0), ClassName::Name);
    let registered = register(name, procedure, class_extra, window_extra, Units::Wide32);
    last_error::win32_value(registered, 0)
}

fn register(
    name: ClassName,
    procedure: WNDPROC,
    class_extra: i32,
    window_extra: i32,
    units: Units,
) -> Result<u16, Status> {
    let ClassName::Name(name) = name else {
        return Err(Status::INVALID_PARAMETER);
    };
    let length = |extra: i32| usize::try_from(extra).map_err(|_| Status::INVALID_PARAMETER);
    length(class_extra)?;
    window::register_class(Registration {
        name,
        procedure,
        units,
        extra_len: length(window_extra)?,
    })
}

/// An atom in a pointer's place has a value below this.
const ATOMS: usize = 0x1_0000;

/// # Safety
/// `name` is an atom or a zero-terminated string.
unsafe fn class_name_wide(name: PCWSTR) -> ClassName {
    if (name as usize) < ATOMS {
        return ClassName::Atom(name as usize as u16);
    }
    // SAFETY: the caller's promise.
    ClassName::Name(unsafe { wide_text(name) }.unwrap_or_default())
}

/// # Safety
/// `name` is an atom or a zero-terminated string.
unsafe fn class_name_ansi(name: PCSTR) -> ClassName {
    if (name as usize) < ATOMS {
        return ClassName::Atom(name as usize as u16);
    }
    // SAFETY: the caller's promise.
    ClassName::Name(unsafe { ansi_text(name) }.unwrap_or_default())
}

/// Ends the use of a window class. The module is not looked at.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-unregisterclassw>
///
/// # Safety
/// `lpclassname` is an atom or a zero-terminated string.
pub unsafe extern "system" fn UnregisterClassW(lpclassname: PCWSTR, _hinstance: HINSTANCE) -> BOOL {
    // SAFETY: the caller's promise.
    let name = unsafe { class_name_wide(lpclassname) };
    last_error::bool_result(window::unregister_class(&name))
}

/// As `UnregisterClassW`, with a name in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-unregisterclassa>
///
/// # Safety
/// `lpclassname` is an atom or a zero-terminated string.
pub unsafe extern "system" fn UnregisterClassA(lpclassname: PCSTR, _hinstance: HINSTANCE) -> BOOL {
    // SAFETY: the caller's promise.
    let name = unsafe { class_name_ansi(lpclassname) };
    last_error::bool_result(window::unregister_class(&name))
}

// ---------------------------------------------------------------------------------------------------------
// Windows
// ---------------------------------------------------------------------------------------------------------

/// Makes a window of the calling thread. It is never shown.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-createwindowexw>
///
/// # Safety
/// `lpclassname` is an atom or a zero-terminated string, `lpwindowname` null or a zero-terminated string. The procedure
/// of the class may be called with WM_CREATE and `lpparam`.
#[allow(clippy::too_many_arguments)] // Windows' signature
pub unsafe extern "system" fn CreateWindowExW(
    dwexstyle: WINDOW_EX_STYLE,
    lpclassname: PCWSTR,
    lpwindowname: PCWSTR,
    dwstyle: WINDOW_STYLE,
    x: i32,
    y: i32,
    nwidth: i32,
    nheight: i32,
    hwndparent: HWND,
    hmenu: HMENU,
    hinstance: HINSTANCE,
    lpparam: *const c_void,
) -> HWND {
    let creation = Creation {
        // SAFETY: the caller's promise.
        class: unsafe { class_name_wide(lpclassname) },
        // SAFETY: the caller's promise.
        text: unsafe { wide_text(lpwindowname) },
        style: dwstyle,
        ex_style: dwexstyle,
        place: [x, y, nwidth, nheight],
        parent: hwndparent,
        menu: hmenu,
        instance: hinstance,
        parameter: lpparam,
    };
    last_error::win32_value(window::create(&creation), std::ptr::null_mut())
}

/// As `CreateWindowExW`, with text in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-createwindowexa>
///
/// # Safety
/// `lpclassname` is an atom or a zero-terminated string, `lpwindowname` null or a zero-terminated string. The procedure
/// of the class may be called with WM_CREATE and `lpparam`.
#[allow(clippy::too_many_arguments)] // Windows' signature
pub unsafe extern "system" fn CreateWindowExA(
    dwexstyle: WINDOW_EX_STYLE,
    lpclassname: PCSTR,
    lpwindowname: PCSTR,
    dwstyle: WINDOW_STYLE,
    x: i32,
    y: i32,
    nwidth: i32,
    nheight: i32,
    hwndparent: HWND,
    hmenu: HMENU,
    hinstance: HINSTANCE,
    lpparam: *const c_void,
) -> HWND {
    let creation = Creation {
        // SAFETY: the caller's promise.
        class: unsafe { class_name_ansi(lpclassname) },
        // SAFETY: the caller's promise.
        text: unsafe { ansi_text(lpwindowname) },
        style: dwstyle,
        ex_style: dwexstyle,
        place: [x, y, nwidth, nheight],
        parent: hwndparent,
        menu: hmenu,
        instance: hinstance,
        parameter: lpparam,
    };
    last_error::win32_value(window::create(&creation), std::ptr::null_mut())
}

/// Destroys a window of the calling thread, and those that belong to it.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-destroywindow>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn DestroyWindow(hwnd: HWND) -> BOOL {
    last_error::bool_result(window::destroy(hwnd))
}

/// Whether there is such a window.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-iswindow>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn IsWindow(hwnd: HWND) -> BOOL {
    BOOL::from(window::exists(hwnd))
}

/// The identifiers of the thread whose window it is, and of its process.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getwindowthreadprocessid>
///
/// # Safety
/// `lpdwprocessid` is null or valid for writes.
pub unsafe extern "system" fn GetWindowThreadProcessId(hwnd: HWND, lpdwprocessid: *mut u32) -> u32 {
    let thread_id = window::thread_of(hwnd).inspect(|_| {
        // SAFETY: the caller's promise.
        unsafe { store(lpdwprocessid, std::process::id()) }
    });
    last_error::win32_value(thread_id, 0)
}

/// Windows are never shown: always `FALSE`, as of a window that was hidden.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-showwindow>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn ShowWindow(hwnd: HWND, _ncmdshow: SHOW_WINDOW_CMD) -> BOOL {
    last_error::win32_value(window::thread_of(hwnd).map(|_| FALSE), FALSE)
}

/// Nothing is drawn, so there is nothing to update.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-updatewindow>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn UpdateWindow(hwnd: HWND) -> BOOL {
    last_error::bool_result(window::thread_of(hwnd).map(drop))
}

/// One of the numbers that belong to a window.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getwindowlongptrw>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetWindowLongPtrW(
    hwnd: HWND,
    nindex: WINDOW_LONG_PTR_INDEX,
) -> isize {
    last_error::win32_value(window::number(hwnd, nindex, Width::Pointer), 0)
}

/// Replaces one of a window's numbers and gives the old one. A new procedure reads text in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-setwindowlongptrw>
///
/// # Safety
/// With GWLP_WNDPROC the number is a window procedure, or 0.
pub unsafe extern "system" fn SetWindowLongPtrW(
    hwnd: HWND,
    nindex: WINDOW_LONG_PTR_INDEX,
    dwnewlong: isize,
) -> isize {
    // SAFETY: the caller's promise.
    let old = unsafe { window::set_number(hwnd, nindex, Width::Pointer, dwnewlong, Units::Wide) };
    last_error::win32_value(old, 0)
}

/// The lower half of one of the numbers that belong to a window. Pointers are not among them.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getwindowlongw>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetWindowLongW(hwnd: HWND, nindex: WINDOW_LONG_PTR_INDEX) -> i32 {
    last_error::win32_value(window::number(hwnd, nindex, Width::Long), 0) as i32
}

/// Replaces one of a window's numbers, which is no pointer, and gives the lower half of the old one.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-setwindowlongw>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SetWindowLongW(
    hwnd: HWND,
    nindex: WINDOW_LONG_PTR_INDEX,
    dwnewlong: i32,
) -> i32 {
    // SAFETY: a procedure does not fit this width, so it is refused.
    let old =
        unsafe { window::set_number(hwnd, nindex, Width::Long, dwnewlong as isize, Units::Wide) };
    last_error::win32_value(old, 0) as i32
}

/// The same as `GetWindowLongPtrW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getwindowlongptra>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetWindowLongPtrA(
    hwnd: HWND,
    nindex: WINDOW_LONG_PTR_INDEX,
) -> isize {
    last_error::win32_value(window::number(hwnd, nindex, Width::Pointer), 0)
}

/// As `SetWindowLongPtrW`; a new procedure reads text in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-setwindowlongptra>
///
/// # Safety
/// With GWLP_WNDPROC the number is a window procedure, or 0.
pub unsafe extern "system" fn SetWindowLongPtrA(
    hwnd: HWND,
    nindex: WINDOW_LONG_PTR_INDEX,
    dwnewlong: isize,
) -> isize {
    // SAFETY: the caller's promise.
    let old = unsafe { window::set_number(hwnd, nindex, Width::Pointer, dwnewlong, Units::Ansi) };
    last_error::win32_value(old, 0)
}

/// The same as `GetWindowLongW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getwindowlonga>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetWindowLongA(hwnd: HWND, nindex: WINDOW_LONG_PTR_INDEX) -> i32 {
    last_error::win32_value(window::number(hwnd, nindex, Width::Long), 0) as i32
}

/// The same as `SetWindowLongW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-setwindowlonga>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SetWindowLongA(
    hwnd: HWND,
    nindex: WINDOW_LONG_PTR_INDEX,
    dwnewlong: i32,
) -> i32 {
    // SAFETY: a procedure does not fit this width, so it is refused.
    let old =
        unsafe { window::set_number(hwnd, nindex, Width::Long, dwnewlong as isize, Units::Ansi) };
    last_error::win32_value(old, 0) as i32
}

/// `SetWindowLongPtrW` for programs whose `wchar_t` has 32 bits.
///
/// # Safety
/// As `SetWindowLongPtrW`.
#[doc(hidden)]
pub unsafe fn set_window_long_ptr_wide32(hwnd: HWND, index: i32, value: isize) -> isize {
    // SAFETY: the caller's promise.
    let old = unsafe { window::set_number(hwnd, index, Width::Pointer, value, Units::Wide32) };
    last_error::win32_value(old, 0)
}

/// What a procedure does with messages that it does not care for: WM_CLOSE destroys the window.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-defwindowprocw>
///
/// # Safety
/// The procedure of the window may be called with these arguments.
pub unsafe extern "system" fn DefWindowProcW(
    hwnd: HWND,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> LRESULT {
    // SAFETY: the caller's promise.
    unsafe { window::default_procedure(hwnd, msg, wparam, lparam) }
}

/// The same as `DefWindowProcW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-defwindowproca>
///
/// # Safety
/// The procedure of the window may be called with these arguments.
pub unsafe extern "system" fn DefWindowProcA(
    hwnd: HWND,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> LRESULT {
    // SAFETY: the caller's promise.
    unsafe { window::default_procedure(hwnd, msg, wparam, lparam) }
}

/// Prints the caption and the text to standard error; the answer is always `IDOK`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-messageboxw>
///
/// # Safety
/// The text and the caption are null or zero-terminated strings.
pub unsafe extern "system" fn MessageBoxW(
    _hwnd: HWND,
    lptext: PCWSTR,
    lpcaption: PCWSTR,
    _utype: MESSAGEBOX_STYLE,
) -> MESSAGEBOX_RESULT {
    // SAFETY: the caller's promise.
    let text = unsafe { wide_text(lptext) };
    // SAFETY: the caller's promise.
    let caption = unsafe { wide_text(lpcaption) };
    show_message(caption, text)
}

/// As `MessageBoxW`, with text in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-messageboxa>
///
/// # Safety
/// The text and the caption are null or zero-terminated strings.
pub unsafe extern "system" fn MessageBoxA(
    _hwnd: HWND,
    lptext: PCSTR,
    lpcaption: PCSTR,
    _utype: MESSAGEBOX_STYLE,
) -> MESSAGEBOX_RESULT {
    // SAFETY: the caller's promise.
    let text = unsafe { ansi_text(lptext) };
    // SAFETY: the caller's promise.
    let caption = unsafe { ansi_text(lpcaption) };
    show_message(caption, text)
}

fn show_message(caption: Option<Vec<u16>>, text: Option<Vec<u16>>) -> MESSAGEBOX_RESULT {
    let printable = |text: Option<Vec<u16>>| text.map(|text| String::from_utf16_lossy(&text));
    let caption = printable(caption).unwrap_or_else(|| "Error".into()); // Windows' own default
    let text = printable(text).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "{caption}: {text}"); // nobody may be there to read it
    IDOK
}
