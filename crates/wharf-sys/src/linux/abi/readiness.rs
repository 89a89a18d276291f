//! winsock2.h: which sockets are ready: select, WSAPoll, and network events.

use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::Networking::WinSock::*;

use super::winsock2::{event_of, find};
use crate::platform::events::readiness::{self, PollEntry, SelectFailure, Sets};
use crate::platform::last_error;
use crate::platform::startup;
use crate::platform::status::Status;

// ---- select ----

/// Waits until sockets of the three sets are ready; each set is compacted to those that are.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-select>
///
/// # Safety
/// Pointers are null or valid; of a set, `fd_count` entries.
pub unsafe extern "system" fn select(
    _nfds: i32,
    readfds: *mut FD_SET,
    writefds: *mut FD_SET,
    exceptfds: *mut FD_SET,
    timeout: *const TIMEVAL,
) -> i32 {
    // SAFETY: the caller's promise.
    let limit = (!timeout.is_null()).then(|| unsafe { timeout.read_unaligned() });
    let limit = limit.map(|limit| (i64::from(limit.tv_sec), i64::from(limit.tv_usec)));
    // SAFETY: the caller's promise.
    unsafe { select_within(readfds, writefds, exceptfds, limit) }
}

/// `select` with a time-out in seconds and microseconds.
///
/// # Safety
/// As `select`.
pub unsafe fn select_within(
    readfds: *mut FD_SET,
    writefds: *mut FD_SET,
    exceptfds: *mut FD_SET,
    limit: Option<(i64, i64)>,
) -> i32 {
    let pointers = [readfds, writefds, exceptfds];
    let select = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let sets = pointers.map(|set| unsafe { read_set(set) });
        match readiness::select(&sets, limit) {
            Ok(ready) => {
                // SAFETY: the caller's promise.
                unsafe { write_sets(pointers, &ready) };
                Ok(ready.iter().map(Vec::len).sum::<usize>() as i32)
            }
            Err(SelectFailure::Interrupted(status)) => {
                // SAFETY: the caller's promise.
                unsafe { write_sets(pointers, &Sets::default()) };
                Err(status)
            }
            Err(SelectFailure::Refused(status)) => Err(status),
        }
    };
    last_error::winsock_value(select(), SOCKET_ERROR)
}

/// Compacts each set to those that are ready. One that was passed for several gets the union.
///
/// # Safety
/// The sets are null or valid for as many entries as they had.
pub unsafe fn write_sets(sets: [*mut FD_SET; 3], ready: &Sets) {
    for set in sets {
        let mut union: Vec<SOCKET> = Vec::new();
        for (other, ready) in sets.iter().zip(ready) {
            if *other == set && union.is_empty() {
                union.clone_from(ready);
            } else if *other == set {
                let missing = ready.iter().filter(|socket| !union.contains(socket));
                let missing: Vec<_> = missing.copied().collect();
                union.extend(missing);
            }
        }
        // SAFETY: the caller's promise; there are no more ready sockets than there were entries.
        unsafe { write_set(set, &union) };
    }
}

/// The entries of a set; none if there is no set.
///
/// # Safety
/// `set` is null or valid, with `fd_count` entries.
pub unsafe fn read_set(set: *const FD_SET) -> Vec<SOCKET> {
    if set.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    let count = unsafe { (*set).fd_count };
    let array = {
        // SAFETY: the caller's promise; the array may be longer than its type says (FD_SETSIZE is the program's).
        unsafe { &raw const (*set).fd_array }.cast::<SOCKET>()
    };
    // SAFETY: the caller's promise.
    (0..count as usize)
        .map(|index| unsafe { array.add(index).read() })
        .collect()
}

/// # Safety
/// `set` is null or valid for that many entries.
unsafe fn write_set(set: *mut FD_SET, sockets: &[SOCKET]) {
    if set.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let array = unsafe { &raw mut (*set).fd_array }.cast::<SOCKET>();
    for (index, socket) in sockets.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { array.add(index).write(*socket) };
    }
    // SAFETY: the caller's promise.
    unsafe { (*set).fd_count = sockets.len() as u32 };
}

/// Whether a set holds that socket: FD_ISSET.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-select>
///
/// # Safety
/// `param1` is null or valid, with `fd_count` entries.
pub unsafe extern "system" fn __WSAFDIsSet(fd: SOCKET, param1: *mut FD_SET) -> i32 {
    if param1.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    let count = unsafe { (*param1).fd_count } as usize;
    // SAFETY: the caller's promise; the array may be longer than its type says.
    let array = unsafe { &raw const (*param1).fd_array }.cast::<SOCKET>();
    // SAFETY: the caller's promise.
    i32::from((0..count).any(|index| unsafe { array.add(index).read() } == fd))
}

// ---- WSAPoll ----

/// Waits until one of the sockets has something to report; fills `revents` of every entry. Negative time: for ever.
///
/// Returns how many sockets have, not counting those that were none from the start (POLLNVAL).
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsapoll>
///
/// # Safety
/// `fdarray` is null or valid for `fds` entries.
pub unsafe extern "system" fn WSAPoll(fdarray: *mut WSAPOLLFD, fds: u32, timeout: i32) -> i32 {
    let poll = || {
        startup::check()?;
        if fds == 0 {
            return Err(Status::INVALID);
        }
        if fdarray.is_null() {
            return Err(Status::FAULT);
        }
        let entry = |index: usize| {
            // SAFETY: the caller's promise.
            let WSAPOLLFD { fd, events, .. } = unsafe { fdarray.add(index).read_unaligned() };
            PollEntry { handle: fd, events }
        };
        let entries: Vec<_> = (0..fds as usize).map(entry).collect();
        let deadline = u32::try_from(timeout).map_or(None, super::deadline);
        let polled = readiness::poll(&entries, deadline);
        for (index, report) in polled.reports.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { (&raw mut (*fdarray.add(index)).revents).write_unaligned(*report) };
        }
        polled.result
    };
    last_error::winsock_value(poll(), SOCKET_ERROR)
}

// ---- network events ----

/// Associates an event with network events of a socket, which becomes non-blocking; no events: cancels that.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaeventselect>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAEventSelect(
    s: SOCKET,
    heventobject: WSAEVENT,
    lnetworkevents: i32,
) -> i32 {
    let select = || {
        let socket = find(s)?;
        match lnetworkevents as u32 {
            0 => socket.cancel_network_events(),
            mask => {
                let event = event_of(heventobject).map_err(|_| Status::INVALID)?;
                socket.select_events(event.clone(), mask)?;
            }
        }
        Ok(())
    };
    last_error::winsock_result(select())
}

/// Takes what is recorded of the selected network events, and resets the event, in one step.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaenumnetworkevents>
///
/// # Safety
/// `lpnetworkevents` is null or valid for writes.
pub unsafe extern "system" fn WSAEnumNetworkEvents(
    s: SOCKET,
    heventobject: WSAEVENT,
    lpnetworkevents: *mut WSANETWORKEVENTS,
) -> i32 {
    let fetch = || {
        let socket = find(s)?;
        if lpnetworkevents.is_null() {
            return Err(Status::FAULT);
        }
        let event = (heventobject != WSA_INVALID_EVENT)
            .then(|| event_of(heventobject).map_err(|_| Status::INVALID))
            .transpose()?;
        let fetched = socket.fetch_network_events(event.as_ref().map(|event| &***event));
        // SAFETY: the caller's promise.
        unsafe {
            (&raw mut (*lpnetworkevents).lNetworkEvents).write_unaligned(fetched.events as i32);
        }
        for bit in (0..FD_MAX_EVENTS).filter(|bit| fetched.events & 1 << bit != 0) {
            let error = fetched.error(1 << bit) as i32;
            // SAFETY: the caller's promise. Those of other events are left alone.
            unsafe {
                (&raw mut (*lpnetworkevents).iErrorCode[bit as usize]).write_unaligned(error);
            }
        }
        Ok(())
    };
    last_error::winsock_result(fetch())
}

/// Asks for a window message at network events of a socket, which becomes non-blocking; no events: cancels that.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-wsaasyncselect>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn WSAAsyncSelect(s: SOCKET, hwnd: HWND, wmsg: u32, levent: i32) -> i32 {
    let select = || {
        let socket = find(s)?;
        match levent as u32 {
            0 => socket.cancel_network_events(),
            mask => socket.select_messages(s, hwnd, wmsg, mask)?,
        }
        Ok(())
    };
    last_error::winsock_result(select())
}
