//! winuser.h: messages, timers of windows, and waiting for handles and input.

use windows_sys::Win32::Foundation::{
    FALSE, HANDLE, HWND, LPARAM, LRESULT, POINT, WAIT_EVENT, WPARAM,
};
use windows_sys::Win32::System::SystemServices::MAXIMUM_WAIT_OBJECTS;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    MSG, MSG_WAIT_FOR_MULTIPLE_OBJECTS_EX_FLAGS, MWMO_ALERTABLE, MWMO_INPUTAVAILABLE, MWMO_WAITALL,
    PEEK_MESSAGE_REMOVE_TYPE, PM_REMOVE, QS_ALLINPUT, QS_ALLPOSTMESSAGE, QUEUE_STATUS_FLAGS,
    TIMERPROC, WM_QUIT,
};
use windows_sys::core::BOOL;

use super::{deadline, read, store, synch};
use crate::platform::last_error;
use crate::platform::messages::message::{self, Filter, InputWait, Message, Units, Windows};
use crate::platform::messages::window;
use crate::platform::objects::handle::Referred;
use crate::platform::status::Status;

/// Which windows' messages a window handle asks for.
fn windows_of(hwnd: HWND) -> Result<Windows, Status> {
    const THREAD_MESSAGES: isize = -1;
    match hwnd as isize {
        0 => Ok(Windows::All),
        THREAD_MESSAGES => Ok(Windows::Thread),
        _ => window::family(hwnd),
    }
}

fn msg_of(message: Message) -> MSG {
    MSG {
        hwnd: message.window as HWND,
        message: message.message,
        wParam: message.wparam,
        lParam: message.lparam,
        time: message.time,
        pt: POINT { x: 0, y: 0 },
    }
}

/// What a GetMessage function returns.
const GET_MESSAGE_FAILED: BOOL = -1;

/// # Safety
/// `msg` is null or valid for writes.
unsafe fn get_message(msg: *mut MSG, hwnd: HWND, min: u32, max: u32) -> BOOL {
    let get = || {
        if msg.is_null() {
            return Err(Status::ACCESS_VIOLATION);
        }
        let message = message::get(&Filter {
            windows: windows_of(hwnd)?,
            range: (min, max),
            kinds: QS_ALLINPUT | QS_ALLPOSTMESSAGE,
        });
        // SAFETY: the caller's promise.
        unsafe { store(msg, msg_of(message)) };
        Ok(BOOL::from(message.message != WM_QUIT))
    };
    last_error::win32_value(get(), GET_MESSAGE_FAILED)
}

/// # Safety
/// `msg` is null or valid for writes.
unsafe fn peek_message(
    msg: *mut MSG,
    hwnd: HWND,
    min: u32,
    max: u32,
    flags: PEEK_MESSAGE_REMOVE_TYPE,
) -> BOOL {
    let peek = || {
        if msg.is_null() {
            return Err(Status::ACCESS_VIOLATION);
        }
        let kinds = match flags >> 16 {
            0 => QS_ALLINPUT | QS_ALLPOSTMESSAGE,
            kinds => kinds,
        };
        let filter = Filter {
            windows: windows_of(hwnd)?,
            range: (min, max),
            kinds,
        };
        let message = message::peek(&filter, flags & PM_REMOVE != 0);
        if let Some(message) = message {
            // SAFETY: the caller's promise.
            unsafe { store(msg, msg_of(message)) };
        }
        Ok(BOOL::from(message.is_some()))
    };
    last_error::win32_value(peek(), FALSE)
}

/// Takes the next message of the calling thread, waiting for it. `FALSE` with WM_QUIT, -1 on failure.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getmessagew>
///
/// # Safety
/// `lpmsg` is null or valid for writes. Procedures of the thread's windows may be called.
pub unsafe extern "system" fn GetMessageW(
    lpmsg: *mut MSG,
    hwnd: HWND,
    wmsgfiltermin: u32,
    wmsgfiltermax: u32,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { get_message(lpmsg, hwnd, wmsgfiltermin, wmsgfiltermax) }
}

/// Takes the next message of the calling thread, or looks at it, if there is one.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-peekmessagew>
///
/// # Safety
/// As `GetMessageW`.
pub unsafe extern "system" fn PeekMessageW(
    lpmsg: *mut MSG,
    hwnd: HWND,
    wmsgfiltermin: u32,
    wmsgfiltermax: u32,
    wremovemsg: PEEK_MESSAGE_REMOVE_TYPE,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { peek_message(lpmsg, hwnd, wmsgfiltermin, wmsgfiltermax, wremovemsg) }
}

/// The same as `GetMessageW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getmessagea>
///
/// # Safety
/// `lpmsg` is null or valid for writes. Procedures of the thread's windows may be called.
pub unsafe extern "system" fn GetMessageA(
    lpmsg: *mut MSG,
    hwnd: HWND,
    wmsgfiltermin: u32,
    wmsgfiltermax: u32,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { get_message(lpmsg, hwnd, wmsgfiltermin, wmsgfiltermax) }
}

/// The same as `PeekMessageW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-peekmessagea>
///
/// # Safety
/// As `GetMessageW`.
pub unsafe extern "system" fn PeekMessageA(
    lpmsg: *mut MSG,
    hwnd: HWND,
    wmsgfiltermin: u32,
    wmsgfiltermax: u32,
    wremovemsg: PEEK_MESSAGE_REMOVE_TYPE,
) -> BOOL {
    // SAFETY: the caller's promise.
    unsafe { peek_message(lpmsg, hwnd, wmsgfiltermin, wmsgfiltermax, wremovemsg) }
}

/// There are no keys to translate: always `FALSE`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-translatemessage>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn TranslateMessage(_lpmsg: *const MSG) -> BOOL {
    FALSE
}

/// # Safety
/// `msg` is null or valid for reads, and the procedure of the window may be called with it.
unsafe fn dispatch_message(msg: *const MSG) -> LRESULT {
    let dispatch = || {
        // SAFETY: the caller's promise.
        let msg = unsafe { read(msg) }?;
        window::dispatch(msg.hwnd, msg.message, msg.wParam, msg.lParam)
    };
    last_error::win32_value(dispatch(), 0)
}

/// Runs the procedure that a message is for, in the calling thread, and gives its result.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-dispatchmessagew>
///
/// # Safety
/// `lpmsg` is null or valid for reads; the procedure of the window may be called with it.
pub unsafe extern "system" fn DispatchMessageW(lpmsg: *const MSG) -> LRESULT {
    // SAFETY: the caller's promise.
    unsafe { dispatch_message(lpmsg) }
}

/// The same as `DispatchMessageW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-dispatchmessagea>
///
/// # Safety
/// `lpmsg` is null or valid for reads; the procedure of the window may be called with it.
pub unsafe extern "system" fn DispatchMessageA(lpmsg: *const MSG) -> LRESULT {
    // SAFETY: the caller's promise.
    unsafe { dispatch_message(lpmsg) }
}

/// Appends a message to the queue of a window's thread, or of the calling one (null).
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-postmessagew>
///
/// # Safety
/// The procedure of the window may be called with these arguments.
pub unsafe extern "system" fn PostMessageW(
    hwnd: HWND,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> BOOL {
    last_error::bool_result(window::post_to(hwnd, msg, wparam, lparam))
}

/// Appends a message to a thread's queue.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-postthreadmessagew>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn PostThreadMessageW(
    idthread: u32,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> BOOL {
    last_error::bool_result(window::post_to_thread(idthread, msg, wparam, lparam))
}

/// Has a window's procedure handle a message, in the window's thread, and gives its result.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-sendmessagew>
///
/// # Safety
/// The procedure of the window may be called with these arguments.
pub unsafe extern "system" fn SendMessageW(
    hwnd: HWND,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> LRESULT {
    last_error::win32_value(window::send(hwnd, msg, wparam, lparam, Units::Wide), 0)
}

/// The same as `PostMessageW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-postmessagea>
///
/// # Safety
/// The procedure of the window may be called with these arguments.
pub unsafe extern "system" fn PostMessageA(
    hwnd: HWND,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> BOOL {
    last_error::bool_result(window::post_to(hwnd, msg, wparam, lparam))
}

/// The same as `PostThreadMessageW`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-postthreadmessagea>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn PostThreadMessageA(
    idthread: u32,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> BOOL {
    last_error::bool_result(window::post_to_thread(idthread, msg, wparam, lparam))
}

/// As `SendMessageW`; text of the message is in 8-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-sendmessagea>
///
/// # Safety
/// The procedure of the window may be called with these arguments.
pub unsafe extern "system" fn SendMessageA(
    hwnd: HWND,
    msg: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> LRESULT {
    last_error::win32_value(window::send(hwnd, msg, wparam, lparam, Units::Ansi), 0)
}

/// `SendMessageW` for programs whose `wchar_t` has 32 bits.
///
/// # Safety
/// As `SendMessageW`.
#[doc(hidden)]
pub unsafe fn send_message_wide32(hwnd: HWND, msg: u32, wparam: WPARAM, lparam: LPARAM) -> LRESULT {
    last_error::win32_value(window::send(hwnd, msg, wparam, lparam, Units::Wide32), 0)
}

/// Has the calling thread's GetMessage give WM_QUIT when no other message is posted.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-postquitmessage>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn PostQuitMessage(nexitcode: i32) {
    message::post_quit(nexitcode);
}

/// Has WM_TIMER made for the calling thread, or for a window of it, whenever `uelapse` milliseconds have passed.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-settimer>
///
/// # Safety
/// DispatchMessage may call `lptimerfunc` when the time has passed.
pub unsafe extern "system" fn SetTimer(
    hwnd: HWND,
    nidevent: usize,
    uelapse: u32,
    lptimerfunc: TIMERPROC,
) -> usize {
    last_error::win32_value(window::set_timer(hwnd, nidevent, uelapse, lptimerfunc), 0)
}

/// Ends a timer.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-killtimer>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn KillTimer(hwnd: HWND, uidevent: usize) -> BOOL {
    last_error::bool_result(window::kill_timer(hwnd, uidevent))
}

// ---------------------------------------------------------------------------------------------------------
// Waiting for handles and input
// ---------------------------------------------------------------------------------------------------------

/// Waits for objects and for input; input has the index after the last object's.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-msgwaitformultipleobjects>
///
/// # Safety
/// `phandles` is null or valid for `ncount` handles.
pub unsafe extern "system" fn MsgWaitForMultipleObjects(
    ncount: u32,
    phandles: *const HANDLE,
    fwaitall: BOOL,
    dwmilliseconds: u32,
    dwwakemask: QUEUE_STATUS_FLAGS,
) -> WAIT_EVENT {
    let flags = if fwaitall == FALSE { 0 } else { MWMO_WAITALL };
    // SAFETY: the caller's promise.
    unsafe { MsgWaitForMultipleObjectsEx(ncount, phandles, dwmilliseconds, dwwakemask, flags) }
}

/// As `MsgWaitForMultipleObjects`, with flags.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-msgwaitformultipleobjectsex>
///
/// # Safety
/// `phandles` is null or valid for `ncount` handles.
pub unsafe extern "system" fn MsgWaitForMultipleObjectsEx(
    ncount: u32,
    phandles: *const HANDLE,
    dwmilliseconds: u32,
    dwwakemask: QUEUE_STATUS_FLAGS,
    dwflags: MSG_WAIT_FOR_MULTIPLE_OBJECTS_EX_FLAGS,
) -> WAIT_EVENT {
    let all = dwflags & MWMO_WAITALL != 0;
    let waited = || {
        if ncount >= MAXIMUM_WAIT_OBJECTS {
            return Err(Status::INVALID_PARAMETER);
        }
        // SAFETY: the caller's promise.
        let referred = unsafe { synch::waitables(ncount, phandles, all) }?;
        let wait = InputWait {
            objects: referred.iter().map(Referred::object).collect(),
            all,
            kinds: dwwakemask,
            seen_counts: dwflags & MWMO_INPUTAVAILABLE != 0,
            alertable: dwflags & MWMO_ALERTABLE != 0,
        };
        Ok(wait.wait(deadline(dwmilliseconds)))
    };
    synch::wait_result(waited())
}
