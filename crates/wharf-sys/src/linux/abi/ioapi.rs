//! ioapiset.h: completion ports, cancelling, results of overlapped operations.

use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    FALSE, HANDLE, INVALID_HANDLE_VALUE, TRUE, WAIT_IO_COMPLETION,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_ENTRY};
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};
use windows_sys::core::BOOL;

use super::thread::thread_of;
use super::{deadline, store};
use crate::platform::engine::cancel;
use crate::platform::engine::port::{Packet, Port};
use crate::platform::engine::request::Overlapped;
use crate::platform::last_error;
use crate::platform::objects::handle;
use crate::platform::objects::object::Object;
use crate::platform::status::Status;
use crate::platform::threads::parker::Deadline;
use crate::platform::threads::thread;
use crate::platform::threads::wait::{self, Waited};

/// Makes a completion port, associates a socket (or a notification handle) with one, or both.
///
/// Returns the port's handle, or null.
///
/// Windows: <https://learn.microsoft.com/windows/win32/fileio/createiocompletionport>
///
/// # Safety
/// None: any value is checked.
pub unsafe extern "system" fn CreateIoCompletionPort(
    filehandle: HANDLE,
    existingcompletionport: HANDLE,
    completionkey: usize,
    numberofconcurrentthreads: u32,
) -> HANDLE {
    let create = || {
        if filehandle == INVALID_HANDLE_VALUE {
            return match existingcompletionport.is_null() {
                true => handle::open(Object::Port(Port::new(numberofconcurrentthreads)?)),
                false => Err(Status::INVALID_PARAMETER),
            };
        }
        if !existingcompletionport.is_null() {
            let port = handle::port(existingcompletionport)?;
            associate(filehandle, &port, completionkey)?;
            return Ok(existingcompletionport);
        }
        let port = Port::new(numberofconcurrentthreads)?;
        let named = handle::open(Object::Port(port.clone()))?; // first: an association is for ever
        if let Err(status) = associate(filehandle, &port, completionkey) {
            handle::close(named)?;
            return Err(status);
        }
        Ok(named)
    };
    last_error::win32_value(create(), std::ptr::null_mut())
}

fn associate(file: HANDLE, port: &Arc<Port>, key: usize) -> Result<(), Status> {
    match handle::notification(file) {
        Ok(notification) => notification.associate(port, key),
        Err(_) => handle::file(file)?.associate(port, key),
    }
}

/// Takes one packet from a port, waiting up to `dwmilliseconds` (`INFINITE`: no limit). Not alertable.
///
/// Returns `TRUE` for a packet whose operation succeeded. Returns `FALSE` with `*lpoverlapped` set for one that
/// failed (last error: its cause), and with `*lpoverlapped` null when there was none (`WAIT_TIMEOUT`, or
/// `ERROR_ABANDONED_WAIT_0` if the port was closed meanwhile).
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getqueuedcompletionstatus>
///
/// # Safety
/// Out-pointers that are not null are valid for writes (a null one is ERROR_INVALID_PARAMETER, nothing is dequeued).
pub unsafe extern "system" fn GetQueuedCompletionStatus(
    completionport: HANDLE,
    lpnumberofbytestransferred: *mut u32,
    lpcompletionkey: *mut usize,
    lpoverlapped: *mut *mut OVERLAPPED,
    dwmilliseconds: u32,
) -> BOOL {
    // SAFETY: null or valid by the caller's promise.
    unsafe { store(lpoverlapped, std::ptr::null_mut()) };
    if lpnumberofbytestransferred.is_null() || lpcompletionkey.is_null() || lpoverlapped.is_null() {
        return last_error::bool_result(Err(Status::INVALID_PARAMETER));
    }
    let packet = match get(completionport, deadline(dwmilliseconds)) {
        Ok(packet) => packet,
        Err(status) => return last_error::bool_result(Err(status)),
    };
    // SAFETY: not null, so valid by the caller's promise.
    unsafe {
        store(lpnumberofbytestransferred, packet.bytes);
        store(lpcompletionkey, packet.key);
        store(lpoverlapped, packet.overlapped as *mut OVERLAPPED);
    }
    if packet.status.is_failure() {
        last_error::bool_result(Err(packet.status))
    } else {
        TRUE
    }
}

/// One packet of the port: without a look at the table's entry, if it is the calling thread's own port.
fn get(completionport: HANDLE, deadline: Deadline) -> Result<Packet, Status> {
    let own = thread::in_own_port(completionport, |port, member, thread| {
        port.get_as(member, thread, deadline, false)
    });
    own.unwrap_or_else(|| {
        let packet = handle::port(completionport)?.get(deadline, false);
        thread::note_port_handle(completionport);
        packet
    })
}

/// Takes up to `ulcount` packets from a port; waits up to `dwmilliseconds` for the first only.
///
/// When nothing was dequeued, `*ulnumentriesremoved` is 1, as on Windows.
///
/// Windows: <https://learn.microsoft.com/windows/win32/fileio/getqueuedcompletionstatusex-func>
///
/// # Safety
/// `lpcompletionportentries` is null or valid for `ulcount` entries, `ulnumentriesremoved` null or valid.
pub unsafe extern "system" fn GetQueuedCompletionStatusEx(
    completionport: HANDLE,
    lpcompletionportentries: *mut OVERLAPPED_ENTRY,
    ulcount: u32,
    ulnumentriesremoved: *mut u32,
    dwmilliseconds: u32,
    falertable: BOOL,
) -> BOOL {
    if lpcompletionportentries.is_null() || ulnumentriesremoved.is_null() || ulcount == 0 {
        return last_error::bool_result(Err(Status::INVALID_PARAMETER));
    }
    let get = || {
        let port = handle::port(completionport)?;
        // SAFETY: valid by the caller's promise.
        unsafe { store(ulnumentriesremoved, 1) };
        let first = port.get(deadline(dwmilliseconds), falertable != FALSE)?;
        // SAFETY: valid for `ulcount` entries by the caller's promise.
        let removed = unsafe { fill(lpcompletionportentries, ulcount as usize, first, &port) };
        // SAFETY: valid by the caller's promise.
        unsafe { store(ulnumentriesremoved, removed) };
        Ok(())
    };
    last_error::bool_result(get())
}

/// Stores the first packet and as many more as there are and fit; returns how many.
///
/// # Safety
/// `entries` is valid for `count` entries, `count` at least 1.
unsafe fn fill(entries: *mut OVERLAPPED_ENTRY, count: usize, first: Packet, port: &Port) -> u32 {
    let entry = |packet: Packet| OVERLAPPED_ENTRY {
        lpCompletionKey: packet.key,
        lpOverlapped: packet.overlapped as *mut OVERLAPPED,
        Internal: packet.status.0 as u32 as usize,
        dwNumberOfBytesTransferred: packet.bytes,
    };
    // SAFETY: there is room for at least one.
    unsafe { entries.write_unaligned(entry(first)) };
    let mut filled = 1;
    if count > 1 {
        port.get_more(|packet| {
            // SAFETY: `filled` is below `count`: it stops below.
            unsafe { entries.add(filled).write_unaligned(entry(packet)) };
            filled += 1;
            filled < count
        });
    }
    filled as u32
}

/// Queues a packet with exactly these values. `lpoverlapped` is not dereferenced and need not point anywhere.
///
/// Windows: <https://learn.microsoft.com/windows/win32/fileio/postqueuedcompletionstatus>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn PostQueuedCompletionStatus(
    completionport: HANDLE,
    dwnumberofbytestransferred: u32,
    dwcompletionkey: usize,
    lpoverlapped: *const OVERLAPPED,
) -> BOOL {
    let packet = Packet {
        key: dwcompletionkey,
        overlapped: lpoverlapped as usize,
        bytes: dwnumberofbytestransferred,
        status: Status::SUCCESS,
    };
    last_error::bool_result(thread::at_port(completionport, |port| port.arrive(packet)))
}

/// Suppresses packets or signals of a socket's operations. Modes accumulate; unknown bits are ignored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-setfilecompletionnotificationmodes>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn SetFileCompletionNotificationModes(
    filehandle: HANDLE,
    flags: u8,
) -> BOOL {
    let mode = |bit: u32| u32::from(flags) & bit != 0;
    last_error::bool_result(handle::file(filehandle).map(|socket| {
        socket.add_notification_modes(
            mode(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS),
            mode(FILE_SKIP_SET_EVENT_ON_HANDLE),
        );
    }))
}

/// Cancels the operations that the calling thread issued on a socket or a notification handle.
///
/// Windows: <https://learn.microsoft.com/windows/win32/fileio/cancelio>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn CancelIo(hfile: HANDLE) -> BOOL {
    last_error::bool_result(match handle::notification(hfile) {
        Ok(notification) => {
            notification.cancel_own();
            Ok(())
        }
        Err(_) => handle::file(hfile).map(|socket| cancel::cancel_own(&socket)),
    })
}

/// Cancels the operation with that OVERLAPPED on a socket or a notification handle, or all of them.
///
/// Windows: <https://learn.microsoft.com/windows/win32/fileio/cancelioex-func>
///
/// # Safety
/// None: `lpoverlapped` is only compared.
pub unsafe extern "system" fn CancelIoEx(hfile: HANDLE, lpoverlapped: *const OVERLAPPED) -> BOOL {
    last_error::bool_result(match handle::notification(hfile) {
        Ok(notification) => notification.cancel(lpoverlapped),
        Err(_) => handle::file(hfile).and_then(|socket| cancel::cancel(&socket, lpoverlapped)),
    })
}

/// Cancels the call on a socket that the thread is blocked in.
///
/// Windows: <https://learn.microsoft.com/windows/win32/fileio/cancelsynchronousio-func>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn CancelSynchronousIo(hthread: HANDLE) -> BOOL {
    last_error::bool_result(
        thread_of(hthread).and_then(|thread| cancel::cancel_synchronous(&thread)),
    )
}

/// The result of an overlapped operation, in Win32 codes; waits for it if `bwait`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getoverlappedresult>
///
/// # Safety
/// `lpoverlapped` and `lpnumberofbytestransferred` are null or valid.
pub unsafe extern "system" fn GetOverlappedResult(
    hfile: HANDLE,
    lpoverlapped: *const OVERLAPPED,
    lpnumberofbytestransferred: *mut u32,
    bwait: BOOL,
) -> BOOL {
    let limit = if bwait == FALSE { deadline(0) } else { None };
    let wait = (bwait != FALSE).then_some(limit);
    // SAFETY: the caller's promise.
    let result = unsafe { result_of(hfile, lpoverlapped, lpnumberofbytestransferred, wait, false) };
    last_error::bool_result(result)
}

/// As `GetOverlappedResult`, with a time-out and alertable.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getoverlappedresultex>
///
/// # Safety
/// As `GetOverlappedResult`.
pub unsafe extern "system" fn GetOverlappedResultEx(
    hfile: HANDLE,
    lpoverlapped: *const OVERLAPPED,
    lpnumberofbytestransferred: *mut u32,
    dwmilliseconds: u32,
    balertable: BOOL,
) -> BOOL {
    let wait = (dwmilliseconds != 0).then(|| {
        if dwmilliseconds == INFINITE {
            None
        } else {
            deadline(dwmilliseconds)
        }
    });
    // SAFETY: the caller's promise.
    let result = unsafe {
        result_of(
            hfile,
            lpoverlapped,
            lpnumberofbytestransferred,
            wait,
            balertable != FALSE,
        )
    };
    if result == Err(Status::USER_APC) {
        last_error::set(WAIT_IO_COMPLETION);
        return FALSE;
    }
    last_error::bool_result(result)
}

/// Waits as `wait` says (`None`: not at all), then reads what the OVERLAPPED says.
///
/// # Safety
/// The pointers are null or valid.
unsafe fn result_of(
    file: HANDLE,
    overlapped: *const OVERLAPPED,
    transferred: *mut u32,
    wait: Option<Deadline>,
    alertable: bool,
) -> Result<(), Status> {
    if overlapped.is_null() || transferred.is_null() {
        return Err(Status::INVALID_PARAMETER);
    }
    // SAFETY: valid by the caller's promise.
    let overlapped = unsafe { Overlapped::new(overlapped.cast_mut()) }?;
    let mut status = overlapped.status();
    if status == Status::PENDING {
        let Some(limit) = wait else {
            return Err(Status::PENDING);
        };
        let waited = match overlapped.event_handle() {
            0 => file,
            event => event as HANDLE,
        };
        wait_for_operation(waited, limit, alertable)?;
        status = overlapped.status();
        if status == Status::PENDING {
            status = Status::SUCCESS; // the event, not Internal, ends the wait
        }
    }
    // SAFETY: as above.
    unsafe { store(transferred, overlapped.transferred() as u32) };
    if status.is_failure() {
        Err(status)
    } else {
        Ok(())
    }
}

/// Waits for the event or file object that an operation signals.
///
/// # Errors
/// `INVALID_HANDLE`, `WAIT_TIMED_OUT`, `USER_APC`.
pub fn wait_for_operation(handle: HANDLE, limit: Deadline, alertable: bool) -> Result<(), Status> {
    let object = handle::object(handle)?;
    if object.waitable().is_none() {
        return Err(Status::INVALID_HANDLE);
    }
    match wait::wait(&[object], false, limit, alertable) {
        Waited::Object(_) | Waited::Abandoned(_) => Ok(()),
        Waited::Apc => Err(Status::USER_APC),
        Waited::TimedOut => Err(Status::WAIT_TIMED_OUT),
    }
}
