//! ws2tcpip.h: names to lists of addresses by name space, while the program waits or meanwhile.
//!
//! There is one name space, that of DNS, which NS_ALL means too: what the C library consults.

use std::ffi::{CStr, CString};
use std::ptr::null_mut;
use std::sync::Arc;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::System::Com::BLOB;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::{GUID, PCSTR, PCWSTR};

use super::address_list::{self, Common, Names};
use super::connection::deadline_of;
use super::store;
use super::text::{Unit, string};
use super::ws2tcpip::read_hints;
use crate::platform::engine::request::Overlapped;
use crate::platform::last_error;
use crate::platform::names::async_resolve::{self, Answer, Asker};
use crate::platform::names::lookup::{PROVIDER, is_same};
use crate::platform::names::resolve::{self, Hints, Resolved};
use crate::platform::objects::handle;
use crate::platform::objects::object::Event;
use crate::platform::startup;
use crate::platform::status::Status;

/// The addresses of a host with the port of a service, in a name space: 0 and a list, or a WSA code and null.
///
/// The list is the program's until it gives it to `FreeAddrInfoEx`. `timeout`, `lpoverlapped`, `lpcompletionroutine` and
/// `lphandle` are for `GetAddrInfoExW` only, and null here.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexa>
///
/// # Safety
/// As for `GetAddrInfoExW`.
pub unsafe extern "system" fn GetAddrInfoExA(
    pname: PCSTR,
    pservicename: PCSTR,
    dwnamespace: u32,
    lpnspid: *const GUID,
    hints: *const ADDRINFOEXA,
    ppresult: *mut *mut ADDRINFOEXA,
    timeout: *const TIMEVAL,
    lpoverlapped: *const OVERLAPPED,
    lpcompletionroutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
    lphandle: *mut HANDLE,
) -> i32 {
    let reserved = [timeout.addr(), lpoverlapped.addr(), lphandle.addr()];
    if reserved != [0; 3] || lpcompletionroutine.is_some() {
        return last_error::winsock_code(Err(Status::INVALID));
    }
    let (names, space) = ((pname, pservicename), (dwnamespace, lpnspid));
    // SAFETY: the caller's promise.
    unsafe { get_addr_info_ex(names, space, hints, ppresult, timeout, Asynchronous::NONE) }
}

/// As `GetAddrInfoExA`, in 16-bit units; with an OVERLAPPED, meanwhile: WSA_IO_PENDING.
///
/// Then the event of `lpoverlapped` is signalled in the end, or `lpcompletionroutine` is called on a thread of the library: one
/// of the two must be given, and not both. `*lphandle` may be used to cancel until then. Without an OVERLAPPED the call waits;
/// at most for `timeout`, if that is not null, which applies here and there: WSAETIMEDOUT.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexw>
///
/// # Safety
/// The names are null or zero-terminated strings, `lpnspid`, `hints` and `timeout` null or valid, `ppresult`, `lpoverlapped` and
/// `lphandle` null or valid for writes. Where the call answers WSA_IO_PENDING, `*ppresult` and `*lpoverlapped` are the library's
/// until the program is told that the answer is there, and the routine may be called.
pub unsafe extern "system" fn GetAddrInfoExW(
    pname: PCWSTR,
    pservicename: PCWSTR,
    dwnamespace: u32,
    lpnspid: *const GUID,
    hints: *const ADDRINFOEXW,
    ppresult: *mut *mut ADDRINFOEXW,
    timeout: *const TIMEVAL,
    lpoverlapped: *const OVERLAPPED,
    lpcompletionroutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
    lphandle: *mut HANDLE,
) -> i32 {
    let (names, space) = ((pname, pservicename), (dwnamespace, lpnspid));
    let (hints, result) = (hints.cast(), ppresult.cast()); // the structures differ in what a name consists of
    let how = Asynchronous {
        overlapped: lpoverlapped,
        routine: lpcompletionroutine,
        handle: lphandle,
    };
    // SAFETY: the caller's promise.
    unsafe { get_addr_info_ex(names, space, hints, result, timeout, how) }
}

/// What `GetAddrInfoEx` is given for going on after the call.
pub struct Asynchronous {
    /// Null: the call waits.
    pub overlapped: *const OVERLAPPED,
    /// None: the event is signalled.
    pub routine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
    /// Where the handle for cancelling goes; may be null.
    pub handle: *mut HANDLE,
}

impl Asynchronous {
    const NONE: Asynchronous = Asynchronous {
        overlapped: null_mut(),
        routine: None,
        handle: null_mut(),
    };
}

/// `GetAddrInfoEx`, in any units: name and service; name space and provider.
///
/// # Safety
/// As for `GetAddrInfoExW`, the structures having names in such units.
pub unsafe fn get_addr_info_ex<U: Unit>(
    (name, service): (*const U, *const U),
    (space, provider): (u32, *const GUID),
    hints: *const ADDRINFOEXA,
    result: *mut *mut ADDRINFOEXA,
    timeout: *const TIMEVAL,
    how: Asynchronous,
) -> i32 {
    let resolve = || {
        if result.is_null() {
            return Err(Status::FAULT);
        }
        // SAFETY: not null, so valid by the caller's promise.
        unsafe { result.write_unaligned(null_mut()) };
        // SAFETY: the caller's promise.
        unsafe { store(how.handle, null_mut()) };
        startup::check()?;
        // SAFETY: the caller's promise.
        unsafe { check_space(space, provider) }?;
        // SAFETY: the caller's promise.
        let question = unsafe { Question::read(name, service, hints) }?;
        // SAFETY: the caller's promise.
        let deadline = unsafe { deadline_of(timeout) }?;
        let common = question.common;
        if how.overlapped.is_null() {
            if how.routine.is_some() {
                return Err(Status::INVALID);
            }
            let resolved = async_resolve::wait_for(move || question.ask(), deadline)?;
            // SAFETY: not null, so valid by the caller's promise.
            unsafe { result.write_unaligned(make_list::<U>(&resolved, &common)) };
            return Ok(());
        }
        // SAFETY: the caller's promise.
        let overlapped = unsafe { Overlapped::new(how.overlapped.cast_mut()) }?;
        let tell = match (overlapped.event_handle(), how.routine) {
            (0, Some(routine)) => Tell::Routine(routine),
            (0, None) | (_, Some(_)) => return Err(Status::INVALID),
            (event, None) => {
                let event = handle::event(event as HANDLE).map_err(|_| Status::NO_SUCH_HANDLE)?;
                Tell::Event(Arc::clone(&event))
            }
        };
        let program = Program {
            result,
            overlapped,
            tell,
            make_list: make_list::<U>,
            common,
            code: 0,
        };
        overlapped.set_pointer(result.cast());
        overlapped.set_code(Status::IN_PROGRESS.to_winsock());
        // SAFETY: the caller's promise.
        let number_out = |number: async_resolve::Number| unsafe {
            store(how.handle, number.value() as HANDLE);
        };
        async_resolve::start(
            move || question.ask(),
            deadline,
            Box::new(program),
            number_out,
        )?;
        Err(Status::IO_PENDING)
    };
    last_error::winsock_code(resolve())
}

/// Whether the DNS is meant.
///
/// # Errors
/// `NO_SUCH_SERVICE`.
///
/// # Safety
/// `provider` is null or valid.
unsafe fn check_space(space: u32, provider: *const GUID) -> Result<(), Status> {
    let is_known = provider.is_null()
        // SAFETY: not null, so valid by the caller's promise.
        || is_same(&unsafe { provider.read_unaligned() }, &PROVIDER);
    match space {
        NS_ALL | NS_DNS if is_known => Ok(()),
        _ => Err(Status::NO_SUCH_SERVICE),
    }
}

/// What is looked up.
struct Question {
    name: Option<CString>,
    service: Option<CString>,
    common: Common, // of the entries of the answer
    hints: Hints,
}

impl Question {
    /// # Errors
    /// `HOST_NOT_FOUND` for nothing, `NO_RECOVERY` for the canonical name of nothing, and those of `read_hints`.
    ///
    /// # Safety
    /// As for `GetAddrInfoExW`.
    unsafe fn read<U: Unit>(
        name: *const U,
        service: *const U,
        hints: *const ADDRINFOEXA,
    ) -> Result<Question, Status> {
        // SAFETY: the caller's promise.
        let (name, service) = unsafe { (string(name), string(service)) };
        let given = match hints.is_null() {
            true => ADDRINFOEXA::default(),
            // SAFETY: not null, so valid by the caller's promise.
            false => unsafe { hints.read_unaligned() },
        };
        let extension = match given.ai_flags as u32 & AI_EXTENDED {
            0 => Extension::default(),
            // SAFETY: with that flag the structure is at least of version 2.
            _ => unsafe { Extension::read::<U>(hints.cast()) }?,
        };
        let hints = read_hints(&ADDRINFOA {
            ai_flags: given.ai_flags & !extension.flags() as i32,
            ai_family: given.ai_family,
            ai_socktype: given.ai_socktype,
            ai_protocol: given.ai_protocol,
            ai_addrlen: given.ai_addrlen,
            ai_canonname: given.ai_canonname,
            ai_addr: given.ai_addr,
            ai_next: given.ai_next.cast(),
        })?;
        if name.is_none() && service.is_none() {
            return Err(Status::HOST_NOT_FOUND);
        }
        if name.is_none() && hints.canonical_name {
            return Err(Status::NO_RECOVERY);
        }
        Ok(Question {
            name,
            service,
            common: Common {
                flags: given.ai_flags,
                socket_type: given.ai_socktype,
                protocol: given.ai_protocol,
                version: extension.version.max(ADDRINFOEX_VERSION_2),
                interface: extension.interface,
            },
            hints,
        })
    }

    fn ask(&self) -> Answer {
        resolve::resolve(self.name.as_deref(), self.service.as_deref(), self.hints)
    }
}

/// What hints say that have AI_EXTENDED.
#[derive(Clone, Copy, Default)]
struct Extension {
    version: u32, // 0: they have not
    interface: u32,
}

impl Extension {
    /// # Errors
    /// `INVALID` for a version that is none or has no form for such units, an interface that does not exist, and servers
    /// that are to be asked: the C library asks its own.
    ///
    /// # Safety
    /// The structure is of the version that it says, and of version 2 at least.
    unsafe fn read<U: Unit>(hints: *const ADDRINFOEX2A) -> Result<Extension, Status> {
        // SAFETY: the caller's promise.
        let version = unsafe { (&raw const (*hints).ai_version).read_unaligned() } as u32;
        let latest = match size_of::<U>() {
            1 => ADDRINFOEX_VERSION_2, // all later ones have wide characters
            _ => ADDRINFOEX_VERSION_6,
        };
        if !(ADDRINFOEX_VERSION_2..=latest).contains(&version) {
            return Err(Status::INVALID);
        }
        let interface = match version {
            ADDRINFOEX_VERSION_2 => 0,
            // SAFETY: the caller's promise.
            _ => unsafe {
                let hints = hints.cast::<ADDRINFOEX3>();
                (&raw const (*hints).ai_interfaceindex).read_unaligned() as u32
            },
        };
        let servers = match version {
            // SAFETY: the caller's promise.
            ADDRINFOEX_VERSION_6 => unsafe {
                let hints = hints.cast::<ADDRINFOEX6>();
                (&raw const (*hints).ai_numservers).read_unaligned()
            },
            _ => 0,
        };
        if servers != 0 || interface != 0 && !resolve::is_interface(interface) {
            return Err(Status::INVALID);
        }
        Ok(Extension { version, interface })
    }

    /// The flags that such hints may have besides the usual ones.
    fn flags(self) -> u32 {
        let since = |version, flag| if self.version >= version { flag } else { 0 };
        since(ADDRINFOEX_VERSION_2, AI_EXTENDED)
            | since(ADDRINFOEX_VERSION_4, AI_RESOLUTION_HANDLE)
            | since(ADDRINFOEX_VERSION_5, AI_RETURN_TTL)
            | since(ADDRINFOEX_VERSION_6, AI_RETURN_RESPONSE_FLAGS)
    }
}

/// The list for an answer. The qualified name has a place of its own since version 2, which programs know that ask for both
/// names, or by hints of a version.
fn make_list<U: Unit>(resolved: &Resolved, common: &Common) -> *mut ADDRINFOEXA {
    let set = |flag| common.flags as u32 & flag != 0;
    let name = resolved.canonical_name.as_deref().map(CStr::to_bytes);
    let in_its_place = set(AI_FQDN) && (set(AI_CANONNAME) || set(AI_EXTENDED));
    let names = Names {
        canonical: name.filter(|_| set(AI_CANONNAME) || !in_its_place),
        qualified: name.filter(|_| in_its_place),
    };
    address_list::make::<U, ADDRINFOEX6>(&resolved.addresses, names, common).cast()
}

/// The program that started a look-up and goes on.
struct Program {
    result: *mut *mut ADDRINFOEXA,
    overlapped: Overlapped,
    tell: Tell,
    make_list: fn(&Resolved, &Common) -> *mut ADDRINFOEXA,
    common: Common,
    code: u32, // how it ended
}

enum Tell {
    Event(Arc<Event>),
    Routine(unsafe extern "system" fn(u32, u32, *const OVERLAPPED)),
}

// SAFETY: the program lends its OVERLAPPED and the place for its result to the library, whichever thread ends the look-up,
// and gives the routine to be called on another thread.
unsafe impl Send for Program {}

impl Asker for Program {
    fn store(&mut self, answer: Answer) {
        match answer {
            Ok(resolved) => {
                let list = (self.make_list)(&resolved, &self.common);
                // SAFETY: the library's until the program is told, by its promise.
                unsafe { self.result.write_unaligned(list) };
            }
            Err(status) => self.code = status.to_winsock(),
        }
        self.overlapped.set_code(self.code);
    }

    fn is_called(&self) -> bool {
        matches!(self.tell, Tell::Routine(_))
    }

    fn tell(self: Box<Self>) {
        match self.tell {
            Tell::Event(event) => event.set(),
            // SAFETY: the program gave this routine for this OVERLAPPED, which is its own again.
            Tell::Routine(routine) => unsafe { routine(self.code, 0, self.overlapped.0) },
        }
    }
}

/// How an asynchronous `GetAddrInfoExW` ended: 0 or a WSA code; WSAEINPROGRESS while it goes on, WSAEINVAL for null.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexoverlappedresult>
///
/// # Safety
/// `lpoverlapped` is null or was given to `GetAddrInfoExW`.
pub unsafe extern "system" fn GetAddrInfoExOverlappedResult(
    lpoverlapped: *const OVERLAPPED,
) -> i32 {
    if lpoverlapped.is_null() {
        return WSAEINVAL;
    }
    // SAFETY: the caller's promise.
    let overlapped = unsafe { Overlapped::new(lpoverlapped.cast_mut()) };
    overlapped.map_or(WSAEINVAL, |overlapped| overlapped.code() as i32)
}

/// Ends an asynchronous `GetAddrInfoExW` without a result: it is told of WSA_E_CANCELLED, at once but maybe after this call.
///
/// WSA_INVALID_HANDLE if it has ended, or `*lphandle` is none.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexcancel>
///
/// # Safety
/// `lphandle` is null or valid.
pub unsafe extern "system" fn GetAddrInfoExCancel(lphandle: *const HANDLE) -> i32 {
    let cancel = || {
        startup::check()?;
        if lphandle.is_null() {
            return Err(Status::NO_SUCH_HANDLE);
        }
        // SAFETY: not null, so valid by the caller's promise.
        async_resolve::cancel(unsafe { lphandle.read_unaligned() } as usize)
    };
    last_error::winsock_code(cancel())
}

/// Takes a list of `GetAddrInfoEx` back. Null, and what was not given out, is ignored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-freeaddrinfoex>
///
/// # Safety
/// Nobody uses the list any more.
pub unsafe extern "system" fn FreeAddrInfoEx(paddrinfoex: *const ADDRINFOEXA) {
    // SAFETY: the caller's promise.
    unsafe { address_list::free(paddrinfoex.cast::<ADDRINFOEX6>()) };
}

/// Takes a list of `GetAddrInfoEx` back. Null, and what was not given out, is ignored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-freeaddrinfoexw>
///
/// # Safety
/// Nobody uses the list any more.
pub unsafe extern "system" fn FreeAddrInfoExW(paddrinfoex: *const ADDRINFOEXW) {
    // SAFETY: the caller's promise.
    unsafe { address_list::free(paddrinfoex.cast::<ADDRINFOEX6>()) };
}

/// Would register a name with a name space. As on Windows the name space of DNS takes none: WSANO_RECOVERY.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-setaddrinfoexa>
///
/// # Safety
/// `lpnspid` is null or valid.
pub unsafe extern "system" fn SetAddrInfoExA(
    _pname: PCSTR,
    _pservicename: PCSTR,
    _paddresses: *const SOCKET_ADDRESS,
    _dwaddresscount: u32,
    _lpblob: *const BLOB,
    _dwflags: u32,
    dwnamespace: u32,
    lpnspid: *const GUID,
    timeout: *const TIMEVAL,
    lpoverlapped: *const OVERLAPPED,
    lpcompletionroutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
    lpnamehandle: *mut HANDLE,
) -> i32 {
    let reserved = [timeout.addr(), lpoverlapped.addr(), lpnamehandle.addr()];
    let is_asynchronous = reserved != [0; 3] || lpcompletionroutine.is_some();
    // SAFETY: the caller's promise.
    unsafe { set_addr_info_ex((dwnamespace, lpnspid), is_asynchronous) }
}

/// As `SetAddrInfoExA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-setaddrinfoexw>
///
/// # Safety
/// `lpnspid` is null or valid.
pub unsafe extern "system" fn SetAddrInfoExW(
    _pname: PCWSTR,
    _pservicename: PCWSTR,
    _paddresses: *const SOCKET_ADDRESS,
    _dwaddresscount: u32,
    _lpblob: *const BLOB,
    _dwflags: u32,
    dwnamespace: u32,
    lpnspid: *const GUID,
    timeout: *const TIMEVAL,
    lpoverlapped: *const OVERLAPPED,
    lpcompletionroutine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
    lpnamehandle: *mut HANDLE,
) -> i32 {
    let reserved = [timeout.addr(), lpoverlapped.addr(), lpnamehandle.addr()];
    let is_asynchronous = reserved != [0; 3] || lpcompletionroutine.is_some();
    // SAFETY: the caller's promise.
    unsafe { set_addr_info_ex((dwnamespace, lpnspid), is_asynchronous) }
}

/// `SetAddrInfoEx`, whatever the units.
///
/// # Safety
/// The provider is null or valid.
unsafe fn set_addr_info_ex((space, provider): (u32, *const GUID), is_asynchronous: bool) -> i32 {
    let set = || {
        startup::check()?;
        if is_asynchronous {
            return Err(Status::INVALID);
        }
        // SAFETY: the caller's promise.
        unsafe { check_space(space, provider) }?;
        Err(Status::NO_RECOVERY)
    };
    last_error::winsock_code(set())
}
