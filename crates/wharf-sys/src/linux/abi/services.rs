//! winsock2.h: services and their classes.

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::{GUID, PSTR, PWSTR};

use super::pieces::{Pieces, lay_out};
use super::text::{self, Unit, string};
use super::{read, store};
use crate::platform::last_error;
use crate::platform::names::lookup::{PROVIDER, is_same};
use crate::platform::names::services::{self, ServiceClass, Setting, Value};
use crate::platform::startup;
use crate::platform::status::Status;

/// The structures of both widths; only what a text consists of differs.
const _: () = assert!(size_of::<WSASERVICECLASSINFOA>() == size_of::<WSASERVICECLASSINFOW>());
const _: () = assert!(size_of::<WSANSCLASSINFOA>() == size_of::<WSANSCLASSINFOW>());

/// Makes a class of services known, in this process.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsainstallserviceclassa>
///
/// # Safety
/// `lpserviceclassinfo` is null or valid, and what it points to too.
pub unsafe extern "system" fn WSAInstallServiceClassA(
    lpserviceclassinfo: *const WSASERVICECLASSINFOA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { install::<u8>(lpserviceclassinfo) }
}

/// As `WSAInstallServiceClassA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsainstallserviceclassw>
///
/// # Safety
/// As for `WSAInstallServiceClassA`.
pub unsafe extern "system" fn WSAInstallServiceClassW(
    lpserviceclassinfo: *const WSASERVICECLASSINFOW,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { install::<u16>(lpserviceclassinfo.cast()) }
}

/// `WSAInstallServiceClass`, in any units.
///
/// # Safety
/// As for `WSAInstallServiceClassA`, texts being in such units.
pub unsafe fn install<U: Unit>(info: *const WSASERVICECLASSINFOA) -> i32 {
    let install = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let info = unsafe { read(info) }.map_err(missing)?;
        // SAFETY: the caller's promise.
        let id = unsafe { read(info.lpServiceClassId) }.map_err(missing)?;
        // SAFETY: the caller's promise.
        let name = unsafe { string(info.lpszServiceClassName.cast::<U>()) };
        let name = name
            .filter(|name| !name.is_empty())
            .ok_or(Status::INVALID)?;
        if info.dwCount != 0 && info.lpClassInfos.is_null() {
            return Err(Status::INVALID);
        }
        let value_at = |index| {
            // SAFETY: within the list, by the caller's promise.
            let value = unsafe { info.lpClassInfos.add(index).read_unaligned() };
            // SAFETY: the caller's promise.
            unsafe { read_value::<U>(&value) }
        };
        let values = (0..info.dwCount as usize).map(value_at);
        let class = ServiceClass {
            name: name.into_bytes(),
            values: values.collect::<Result<_, _>>()?,
        };
        services::install(id, class)
    };
    last_error::winsock_result(install())
}

/// # Safety
/// What the structure points to is null or valid.
unsafe fn read_value<U: Unit>(info: &WSANSCLASSINFOA) -> Result<Value, Status> {
    if info.dwValueSize != 0 && info.lpValue.is_null() {
        return Err(Status::INVALID);
    }
    let byte_at = |index| {
        // SAFETY: within the value, by the caller's promise.
        unsafe { info.lpValue.cast::<u8>().add(index).read() }
    };
    // SAFETY: the caller's promise.
    let name = unsafe { string(info.lpszName.cast::<U>()) };
    Ok(Value {
        name: name.ok_or(Status::INVALID)?.into_bytes(),
        name_space: info.dwNameSpace,
        kind: info.dwValueType,
        bytes: (0..info.dwValueSize as usize).map(byte_at).collect(),
    })
}

/// What is missing where a structure should be.
fn missing(_: Status) -> Status {
    Status::INVALID
}

/// Forgets a class of services.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaremoveserviceclass>
///
/// # Safety
/// `lpserviceclassid` is null or valid.
pub unsafe extern "system" fn WSARemoveServiceClass(lpserviceclassid: *const GUID) -> i32 {
    let remove = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        services::remove(&unsafe { read(lpserviceclassid) }.map_err(missing)?)
    };
    last_error::winsock_result(remove())
}

/// Writes what a provider knows of a class into a buffer of `*lpdwbufsize` bytes. If there is no room for it (WSAEFAULT) the
/// size that is needed is stored.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetserviceclassinfoa>
///
/// # Safety
/// Pointers are null or valid, `lpserviceclassinfo` for writes of that many bytes.
pub unsafe extern "system" fn WSAGetServiceClassInfoA(
    lpproviderid: *const GUID,
    lpserviceclassid: *const GUID,
    lpdwbufsize: *mut u32,
    lpserviceclassinfo: *mut WSASERVICECLASSINFOA,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        class_info::<u8>(
            lpproviderid,
            lpserviceclassid,
            lpdwbufsize,
            lpserviceclassinfo,
        )
    }
}

/// As `WSAGetServiceClassInfoA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetserviceclassinfow>
///
/// # Safety
/// As for `WSAGetServiceClassInfoA`.
pub unsafe extern "system" fn WSAGetServiceClassInfoW(
    lpproviderid: *const GUID,
    lpserviceclassid: *const GUID,
    lpdwbufsize: *mut u32,
    lpserviceclassinfo: *mut WSASERVICECLASSINFOW,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe {
        class_info::<u16>(
            lpproviderid,
            lpserviceclassid,
            lpdwbufsize,
            lpserviceclassinfo.cast(),
        )
    }
}

/// `WSAGetServiceClassInfo`, in any units.
///
/// # Safety
/// As for `WSAGetServiceClassInfoA`.
pub unsafe fn class_info<U: Unit>(
    provider: *const GUID,
    id: *const GUID,
    length: *mut u32,
    buffer: *mut WSASERVICECLASSINFOA,
) -> i32 {
    let tell = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let provider = unsafe { read(provider) }.map_err(missing)?;
        // SAFETY: the caller's promise.
        let id = unsafe { read(id) }.map_err(missing)?;
        if length.is_null() || buffer.is_null() || !is_same(&provider, &PROVIDER) {
            return Err(Status::INVALID);
        }
        let class = services::find(&id).ok_or(Status::SERVICE_NOT_FOUND)?;
        let put = |pieces: &mut Pieces| write_class::<U>(pieces, id, &class);
        // SAFETY: the caller's promise.
        unsafe { lay_out(buffer.cast(), length, put) }
    };
    last_error::winsock_result(tell())
}

/// Lays out a WSASERVICECLASSINFO and what it points to.
fn write_class<U: Unit>(pieces: &mut Pieces, id: GUID, class: &ServiceClass) {
    let place = pieces.reserve(1);
    let infos = pieces.reserve::<WSANSCLASSINFOA>(class.values.len());
    for (index, value) in class.values.iter().enumerate() {
        let info = WSANSCLASSINFOA {
            lpszName: pieces.text::<U>(&value.name),
            dwNameSpace: value.name_space,
            dwValueType: value.kind,
            dwValueSize: value.bytes.len() as u32,
            lpValue: pieces.put_all(&value.bytes).cast(),
        };
        pieces.write(infos.wrapping_add(index), info);
    }
    let info = WSASERVICECLASSINFOA {
        lpServiceClassId: pieces.put(id),
        lpszServiceClassName: pieces.text::<U>(&class.name),
        dwCount: class.values.len() as u32,
        lpClassInfos: infos,
    };
    pieces.write(place, info);
}

/// Writes the name of a class, with its zero, where there is room for `*lpdwbufferlength` characters, and stores how many it
/// has; if they are too many (WSAEFAULT), that alone.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetserviceclassnamebyclassida>
///
/// # Safety
/// Pointers are null or valid, `lpszserviceclassname` for writes of that many characters.
pub unsafe extern "system" fn WSAGetServiceClassNameByClassIdA(
    lpserviceclassid: *const GUID,
    lpszserviceclassname: PSTR,
    lpdwbufferlength: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { class_name(lpserviceclassid, lpszserviceclassname, lpdwbufferlength) }
}

/// As `WSAGetServiceClassNameByClassIdA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsagetserviceclassnamebyclassidw>
///
/// # Safety
/// As for `WSAGetServiceClassNameByClassIdA`.
pub unsafe extern "system" fn WSAGetServiceClassNameByClassIdW(
    lpserviceclassid: *const GUID,
    lpszserviceclassname: PWSTR,
    lpdwbufferlength: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { class_name(lpserviceclassid, lpszserviceclassname, lpdwbufferlength) }
}

/// `WSAGetServiceClassNameByClassId`, in any units.
///
/// # Safety
/// As for `WSAGetServiceClassNameByClassIdA`.
pub unsafe fn class_name<U: Unit>(id: *const GUID, out: *mut U, length: *mut u32) -> i32 {
    let tell = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let id = unsafe { read(id) }.map_err(|_| Status::NO_SUCH_CLASS)?;
        // SAFETY: the caller's promise.
        let room = unsafe { read(length) }? as usize;
        let class = services::find(&id).ok_or(Status::NO_DATA)?;
        // SAFETY: the caller's promise.
        let written = unsafe { text::write(&class.name, out, room) };
        let (Ok(count) | Err(count)) = written;
        // SAFETY: the caller's promise.
        unsafe { store(length, count as u32) };
        written.map(drop).map_err(|_too_long| Status::FAULT)
    };
    last_error::winsock_result(tell())
}

/// Registers a service or lets it go, which for the name space of DNS is to do nothing.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasetservicea>
///
/// # Safety
/// `lpqsreginfo` is null or valid, and what it points to too.
pub unsafe extern "system" fn WSASetServiceA(
    lpqsreginfo: *const WSAQUERYSETA,
    essoperation: WSAESETSERVICEOP,
    dwcontrolflags: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { set::<u8>(lpqsreginfo, essoperation, dwcontrolflags) }
}

/// As `WSASetServiceA`, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsasetservicew>
///
/// # Safety
/// As for `WSASetServiceA`.
pub unsafe extern "system" fn WSASetServiceW(
    lpqsreginfo: *const WSAQUERYSETW,
    essoperation: WSAESETSERVICEOP,
    dwcontrolflags: u32,
) -> i32 {
    // SAFETY: the caller's promise; the structures differ in what a text consists of.
    unsafe { set::<u16>(lpqsreginfo.cast(), essoperation, dwcontrolflags) }
}

/// `WSASetService`, in any units.
///
/// # Safety
/// As for `WSASetServiceA`, texts being in such units.
pub unsafe fn set<U: Unit>(
    service: *const WSAQUERYSETA,
    operation: WSAESETSERVICEOP,
    _flags: u32, // SERVICE_MULTIPLE: of addresses, and DNS takes none
) -> i32 {
    let set = || {
        startup::check()?;
        // SAFETY: the caller's promise.
        let service = unsafe { read(service) }.map_err(missing)?;
        // SAFETY: the caller's promise.
        let name = unsafe { string(service.lpszServiceInstanceName.cast::<U>()) };
        let is_complete = service.dwSize as usize >= size_of::<WSAQUERYSETA>()
            && !service.lpServiceClassId.is_null()
            && name.is_some_and(|name| !name.is_empty())
            && (service.dwNumberOfCsAddrs == 0 || !service.lpcsaBuffer.is_null());
        if !is_complete {
            return Err(Status::INVALID);
        }
        let setting = match operation {
            RNRSERVICE_REGISTER => Setting::Register,
            RNRSERVICE_DEREGISTER => Setting::Deregister,
            RNRSERVICE_DELETE => Setting::Delete,
            _ => return Err(Status::INVALID),
        };
        // SAFETY: the caller's promise.
        match unsafe { read(service.lpNSProviderId) } {
            Ok(provider) if !is_same(&provider, &PROVIDER) => Err(Status::INVALID),
            Err(_none) if ![NS_ALL, NS_DNS].contains(&service.dwNameSpace) => {
                Err(Status::NO_SUCH_SERVICE)
            }
            _ => services::set(setting),
        }
    };
    last_error::winsock_result(set())
}
