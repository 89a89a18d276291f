//! winsock2.h: hosts, services and protocols, answered in memory of the calling thread.

use std::cell::RefCell;
use std::ffi::CString;
use std::ptr::null_mut;
use std::thread::LocalKey;

use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::core::{PCSTR, PSTR, PWSTR};

use super::block::{Block, list_size};
use super::text::{Unit, string, write};
use crate::platform::last_error;
use crate::platform::names::database::{self, Host, Protocol, Service};
use crate::platform::names::resolve::{self, waiting};
use crate::platform::names::text;
use crate::platform::sockets::address::Family;
use crate::platform::startup;
use crate::platform::status::Status;

thread_local! {
    static HOST: RefCell<Block> = const { RefCell::new(Block::new()) };
    static SERVICE: RefCell<Block> = const { RefCell::new(Block::new()) };
    static PROTOCOL: RefCell<Block> = const { RefCell::new(Block::new()) };
}

/// The IPv4 addresses of the host of that name; null or empty: of this host.
///
/// The result belongs to the thread, until its next call of `gethostbyname` or `gethostbyaddr`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-gethostbyname>
///
/// # Safety
/// `name` is null or a zero-terminated string.
pub unsafe extern "system" fn gethostbyname(name: PCSTR) -> *mut HOSTENT {
    // SAFETY: the caller's promise.
    let name = unsafe { string(name) }.unwrap_or_default();
    let find = || waiting(|| database::host_by_name(&name));
    answer(find, &HOST, write_host)
}

/// The host with that address, of 4 or 16 bytes as `type` says.
///
/// The result belongs to the thread, until its next call of `gethostbyname` or `gethostbyaddr`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-gethostbyaddr>
///
/// # Safety
/// `addr` is null or valid for `len` bytes.
pub unsafe extern "system" fn gethostbyaddr(addr: PCSTR, len: i32, r#type: i32) -> *mut HOSTENT {
    let find = || {
        let family = Family::from_windows(r#type).ok_or(Status::ADDRESS_FAMILY_UNSUPPORTED)?;
        let needed = text::octets_len(family);
        if addr.is_null() || usize::try_from(len).map_or(true, |len| len < needed) {
            return Err(Status::FAULT);
        }
        // SAFETY: the caller's promise.
        let octets = unsafe { std::slice::from_raw_parts(addr, needed) };
        waiting(|| database::host_by_address(family, octets))
    };
    answer(find, &HOST, write_host)
}

/// The service of that name; `proto` null: of any protocol.
///
/// The result belongs to the thread, until its next call of `getservbyname` or `getservbyport`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-getservbyname>
///
/// # Safety
/// Each is null or a zero-terminated string.
pub unsafe extern "system" fn getservbyname(name: PCSTR, proto: PCSTR) -> *mut SERVENT {
    // SAFETY: the caller's promise.
    let (name, proto) = unsafe { (string(name), string(proto)) };
    let find = || {
        let name = name.ok_or(Status::FAULT)?;
        let service = waiting(|| database::service_by_name(&name, proto.as_deref()));
        service.ok_or(Status::NO_DATA)
    };
    answer(find, &SERVICE, write_service)
}

/// The service at that port, which is in network order; `proto` null: of any protocol.
///
/// The result belongs to the thread, until its next call of `getservbyname` or `getservbyport`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-getservbyport>
///
/// # Safety
/// `proto` is null or a zero-terminated string.
pub unsafe extern "system" fn getservbyport(port: i32, proto: PCSTR) -> *mut SERVENT {
    // SAFETY: the caller's promise.
    let proto = unsafe { string(proto) };
    let find = || {
        let port = u16::from_be(port as u16); // a short in an int
        let service = waiting(|| database::service_by_port(port, proto.as_deref()));
        service.ok_or(Status::NO_DATA)
    };
    answer(find, &SERVICE, write_service)
}

/// The protocol of that name.
///
/// The result belongs to the thread, until its next call of `getprotobyname` or `getprotobynumber`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-getprotobyname>
///
/// # Safety
/// `name` is null or a zero-terminated string.
pub unsafe extern "system" fn getprotobyname(name: PCSTR) -> *mut PROTOENT {
    // SAFETY: the caller's promise.
    let name = unsafe { string(name) };
    let find = || {
        let name = name.ok_or(Status::FAULT)?;
        waiting(|| database::protocol_by_name(&name)).ok_or(Status::NO_DATA)
    };
    answer(find, &PROTOCOL, write_protocol)
}

/// The protocol of that number.
///
/// The result belongs to the thread, until its next call of `getprotobyname` or `getprotobynumber`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-getprotobynumber>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn getprotobynumber(number: i32) -> *mut PROTOENT {
    let find = || waiting(|| database::protocol_by_number(number)).ok_or(Status::NO_DATA);
    answer(find, &PROTOCOL, write_protocol)
}

/// The name of this host.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-gethostname>
///
/// # Safety
/// `name` is null or valid for writes of `namelen` bytes.
pub unsafe extern "system" fn gethostname(name: PSTR, namelen: i32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { host_name(name, namelen) }
}

/// The name of this host, in 16-bit units.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-gethostnamew>
///
/// # Safety
/// `name` is null or valid for writes of `namelen` units.
pub unsafe extern "system" fn GetHostNameW(name: PWSTR, namelen: i32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { host_name(name, namelen) }
}

/// `gethostname`, in any units.
///
/// # Safety
/// As for `gethostname`.
pub unsafe fn host_name<U: Unit>(out: *mut U, room: i32) -> i32 {
    let give = || {
        startup::check()?;
        let name = resolve::own_name()?;
        let room = usize::try_from(room).unwrap_or(0);
        // SAFETY: the caller's promise.
        let written = unsafe { write(name.to_bytes(), out, room) };
        written.map(drop).map_err(|_needed| Status::FAULT)
    };
    last_error::winsock_result(give())
}

/// Finds something and writes it into the thread's memory for it.
fn answer<T, Entry>(
    find: impl FnOnce() -> Result<T, Status>,
    place: &'static LocalKey<RefCell<Block>>,
    write: impl FnOnce(&mut Block, &T) -> *mut Entry,
) -> *mut Entry {
    let answer = || {
        startup::check()?;
        let found = find()?;
        // A thread that is ending has no place any more.
        let written = place.try_with(|block| write(&mut block.borrow_mut(), &found));
        written.map_err(|_gone| Status::NO_BUFFERS)
    };
    last_error::winsock_value(answer(), null_mut())
}

/// The entry, at the start of the block.
pub fn write_host(block: &mut Block, host: &Host) -> *mut HOSTENT {
    let addresses = || host.addresses.iter().map(Vec::as_slice);
    let lists = [host.aliases.len(), host.addresses.len()].map(list_size);
    let sizes = [size_of::<HOSTENT>()].into_iter().chain(lists);
    let sizes = sizes.chain(addresses().map(<[u8]>::len));
    block.clear(sizes.chain(sizes_of(&host.name, &host.aliases)));
    let entry = block.piece(size_of::<HOSTENT>()).cast::<HOSTENT>();
    let (aliases, list) = (
        block.list(host.aliases.len()),
        block.list(host.addresses.len()),
    );
    block.fill(list, addresses());
    let name = block.copy(host.name.to_bytes_with_nul());
    block.fill(aliases, texts(&host.aliases));
    // SAFETY: a piece of that size, aligned for anything.
    unsafe {
        entry.write(HOSTENT {
            h_name: block.seen(name),
            h_aliases: block.seen(aliases),
            h_addrtype: host.family.windows() as i16,
            h_length: text::octets_len(host.family) as i16,
            h_addr_list: block.seen(list),
        });
    }
    entry
}

/// The entry, at the start of the block.
pub fn write_service(block: &mut Block, service: &Service) -> *mut SERVENT {
    let protocol = service.protocol.to_bytes_with_nul();
    let sizes = [
        size_of::<SERVENT>(),
        list_size(service.aliases.len()),
        protocol.len(),
    ];
    block.clear(
        sizes
            .into_iter()
            .chain(sizes_of(&service.name, &service.aliases)),
    );
    let entry = block.piece(size_of::<SERVENT>()).cast::<SERVENT>();
    let aliases = block.list(service.aliases.len());
    let (name, protocol) = (
        block.copy(service.name.to_bytes_with_nul()),
        block.copy(protocol),
    );
    block.fill(aliases, texts(&service.aliases));
    // SAFETY: a piece of that size, aligned for anything.
    unsafe {
        entry.write(SERVENT {
            s_name: block.seen(name),
            s_aliases: block.seen(aliases),
            s_proto: block.seen(protocol),
            s_port: service.port.to_be() as i16,
        });
    }
    entry
}

/// The entry, at the start of the block.
pub fn write_protocol(block: &mut Block, protocol: &Protocol) -> *mut PROTOENT {
    let sizes = [size_of::<PROTOENT>(), list_size(protocol.aliases.len())];
    block.clear(
        sizes
            .into_iter()
            .chain(sizes_of(&protocol.name, &protocol.aliases)),
    );
    let entry = block.piece(size_of::<PROTOENT>()).cast::<PROTOENT>();
    let aliases = block.list(protocol.aliases.len());
    let name = block.copy(protocol.name.to_bytes_with_nul());
    block.fill(aliases, texts(&protocol.aliases));
    // SAFETY: a piece of that size, aligned for anything.
    unsafe {
        entry.write(PROTOENT {
            p_name: block.seen(name),
            p_aliases: block.seen(aliases),
            p_proto: protocol.number as i16,
        });
    }
    entry
}

fn texts(texts: &[CString]) -> impl Iterator<Item = &[u8]> {
    texts.iter().map(|text| text.to_bytes_with_nul())
}

fn sizes_of(name: &CString, aliases: &[CString]) -> impl Iterator<Item = usize> {
    let name = name.to_bytes_with_nul().len();
    [name].into_iter().chain(texts(aliases).map(<[u8]>::len))
}
