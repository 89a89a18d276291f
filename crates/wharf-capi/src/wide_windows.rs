//! As [`wide`](crate::wide), for windows: class names, texts, and procedures that read 32-bit text.

use core::ffi::c_void;

use wharf_sys::{BOOL, HINSTANCE, HMENU, HWND, WNDCLASSEXW, WNDCLASSW};

use crate::wide::{narrow, with_narrow};

/// An atom in a name's place has a value below this.
const ATOMS: usize = 0x1_0000;

/// Calls a function with an atom, or the class name in 16-bit units.
///
/// # Safety
/// `name` is an atom or ends with a zero.
unsafe fn with_class<R>(name: *const u32, call: impl FnOnce(*const u16) -> R) -> R {
    if (name as usize) < ATOMS {
        return call(name.cast());
    }
    // SAFETY: no atom, so a string by the caller's promise.
    unsafe { with_narrow(name, call) }
}

/// The class name in 16-bit units without its zero, if it is one.
///
/// # Safety
/// `name` is an atom or ends with a zero.
unsafe fn class_name(name: *const u32) -> Option<Vec<u16>> {
    if (name as usize) < ATOMS {
        return None;
    }
    // SAFETY: no atom, so a string by the caller's promise.
    let mut name = unsafe { narrow(name) }?;
    name.pop();
    Some(name)
}

/// Registers a class whose procedure reads 32-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerclassw>
///
/// # Safety
/// As for `RegisterClassW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn RegisterClassW32(class: *const WNDCLASSW) -> u16 {
    // SAFETY: the caller passes null or a class.
    let Some(class) = (unsafe { class.as_ref() }) else {
        // SAFETY: null is refused.
        return unsafe { wharf_sys::RegisterClassW(core::ptr::null()) };
    };
    // SAFETY: the name is the caller's.
    let name = unsafe { class_name(class.lpszClassName.cast()) };
    let (procedure, extra) = (class.lpfnWndProc, (class.cbClsExtra, class.cbWndExtra));
    // SAFETY: the procedure is the caller's.
    unsafe { wharf_sys::register_class_wide32(name, procedure, extra.0, extra.1) }
}

/// Registers a class whose procedure reads 32-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-registerclassexw>
///
/// # Safety
/// As for `RegisterClassExW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn RegisterClassExW32(class: *const WNDCLASSEXW) -> u16 {
    // SAFETY: the caller passes null or a class.
    let well_formed =
        unsafe { class.as_ref() }.filter(|class| class.cbSize as usize == size_of::<WNDCLASSEXW>());
    let Some(class) = well_formed else {
        // SAFETY: null and a wrong size are refused.
        return unsafe { wharf_sys::RegisterClassExW(class) };
    };
    // SAFETY: the name is the caller's.
    let name = unsafe { class_name(class.lpszClassName.cast()) };
    let (procedure, extra) = (class.lpfnWndProc, (class.cbClsExtra, class.cbWndExtra));
    // SAFETY: the procedure is the caller's.
    unsafe { wharf_sys::register_class_wide32(name, procedure, extra.0, extra.1) }
}

/// Ends the use of a class.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-unregisterclassw>
///
/// # Safety
/// `name` is an atom or ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn UnregisterClassW32(name: *const u32, instance: HINSTANCE) -> BOOL {
    // SAFETY: an atom, or a string that ends with a zero.
    let call = |name| unsafe { wharf_sys::UnregisterClassW(name, instance) };
    // SAFETY: the caller's promise.
    unsafe { with_class(name, call) }
}

/// Creates a window.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-createwindowexw>
///
/// # Safety
/// As for `CreateWindowExW`; `class` is an atom or ends with a zero, `text` is null or ends with one.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // Windows' signature
unsafe extern "C" fn CreateWindowExW32(
    ex_style: u32,
    class: *const u32,
    text: *const u32,
    style: u32,
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    parent: HWND,
    menu: HMENU,
    instance: HINSTANCE,
    parameter: *const c_void,
) -> HWND {
    let call = |class, text| {
        // SAFETY: both are as they are to be; the rest is the caller's.
        unsafe {
            wharf_sys::CreateWindowExW(
                ex_style, class, text, style, x, y, width, height, parent, menu, instance,
                parameter,
            )
        }
    };
    // SAFETY: the caller's promise.
    unsafe { with_class(class, |class| with_narrow(text, |text| call(class, text))) }
}

/// Prints the caption and the text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-messageboxw>
///
/// # Safety
/// Text and caption are null or end with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn MessageBoxW32(
    owner: HWND,
    text: *const u32,
    caption: *const u32,
    kind: u32,
) -> i32 {
    // SAFETY: both are null or end with a zero.
    let call = |text, caption| unsafe { wharf_sys::MessageBoxW(owner, text, caption, kind) };
    // SAFETY: the caller's promise.
    unsafe {
        with_narrow(text, |text| {
            with_narrow(caption, |caption| call(text, caption))
        })
    }
}

/// Replaces one of a window's numbers; a new procedure reads 32-bit text.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-setwindowlongptrw>
///
/// # Safety
/// As for `SetWindowLongPtrW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn SetWindowLongPtrW32(window: HWND, index: i32, value: isize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { wharf_sys::set_window_long_ptr_wide32(window, index, value) }
}

/// Has a window handle a message, whose text is in 32-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-sendmessagew>
///
/// # Safety
/// As for `SendMessageW`.
#[unsafe(no_mangle)]
unsafe extern "C" fn SendMessageW32(
    window: HWND,
    message: u32,
    wparam: usize,
    lparam: isize,
) -> isize {
    // SAFETY: the caller's promise.
    unsafe { wharf_sys::send_message_wide32(window, message, wparam, lparam) }
}
