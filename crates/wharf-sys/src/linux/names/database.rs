//! Hosts, services and protocols as the older functions know them: one entry with its other names.
//!
//! The C library's re-entrant functions fill a buffer of ours, which grows until the entry fits. Services and protocols that it
//! does not know are looked for among those everybody knows (`well_known.rs`).
//!
//! Source: "gethostbyname", "gethostbyaddr", "getservbyname", "getservbyport", "getprotobyname", "getprotobynumber".

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::ptr::null_mut;

use super::endpoint;
use super::resolve;
use super::well_known;
use crate::platform::sockets::address::Family;
use crate::platform::status::Status;

/// A host, its other names and its addresses, all of one family.
pub struct Host {
    pub name: CString,
    pub aliases: Vec<CString>,
    pub family: Family,
    pub addresses: Vec<Vec<u8>>,
}

/// A service of a transport protocol.
pub struct Service {
    pub name: CString,
    pub aliases: Vec<CString>,
    pub port: u16,
    pub protocol: CString,
}

/// A protocol above IP.
pub struct Protocol {
    pub name: CString,
    pub aliases: Vec<CString>,
    pub number: i32,
}

/// The protocols that have services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// As the database calls it.
    pub fn name(self) -> &'static CStr {
        match self {
            Transport::Tcp => c"tcp",
            Transport::Udp => c"udp",
        }
    }
}

// What the crate `libc` does not have.
unsafe extern "C" {
    fn gethostbyname2_r(
        name: *const c_char,
        family: c_int,
        entry: *mut libc::hostent,
        buffer: *mut c_char,
        len: usize,
        result: *mut *mut libc::hostent,
        h_errno: *mut c_int,
    ) -> c_int;
    fn gethostbyaddr_r(
        address: *const c_void,
        address_len: libc::socklen_t,
        family: c_int,
        entry: *mut libc::hostent,
        buffer: *mut c_char,
        len: usize,
        result: *mut *mut libc::hostent,
        h_errno: *mut c_int,
    ) -> c_int;
    fn getservbyname_r(
        name: *const c_char,
        protocol: *const c_char,
        entry: *mut libc::servent,
        buffer: *mut c_char,
        len: usize,
        result: *mut *mut libc::servent,
    ) -> c_int;
    fn getservbyport_r(
        port: c_int,
        protocol: *const c_char,
        entry: *mut libc::servent,
        buffer: *mut c_char,
        len: usize,
        result: *mut *mut libc::servent,
    ) -> c_int;
    fn getprotobyname_r(
        name: *const c_char,
        entry: *mut libc::protoent,
        buffer: *mut c_char,
        len: usize,
        result: *mut *mut libc::protoent,
    ) -> c_int;
    fn getprotobynumber_r(
        number: c_int,
        entry: *mut libc::protoent,
        buffer: *mut c_char,
        len: usize,
        result: *mut *mut libc::protoent,
    ) -> c_int;
}

/// h_errno of `<netdb.h>`.
const TRY_AGAIN: c_int = 2;
const NO_RECOVERY: c_int = 3;
const NO_DATA: c_int = 4;

/// The host of that name, with its IPv4 addresses; no name: this host.
///
/// # Errors
/// `HOST_NOT_FOUND`, `NO_DATA`, `TRY_AGAIN`, `NO_RECOVERY`.
pub fn host_by_name(name: &CStr) -> Result<Host, Status> {
    let own_name = resolve::own_name()?;
    if name.is_empty() || name.to_bytes().eq_ignore_ascii_case(own_name.to_bytes()) {
        return Ok(host(own_name, own_v4_addresses()));
    }
    if let Some(ip) = endpoint::parse_bare_v4(name.to_bytes()) {
        return Ok(host(name.to_owned(), vec![ip.octets().to_vec()]));
    }
    ask_host(|entry, buffer, len, result, h_errno| {
        // SAFETY: the name ends with a zero; the rest is `ask`'s.
        unsafe {
            gethostbyname2_r(
                name.as_ptr(),
                libc::AF_INET,
                entry,
                buffer,
                len,
                result,
                h_errno,
            )
        }
    })
}

/// The host with that address.
///
/// # Errors
/// `HOST_NOT_FOUND`, `NO_DATA`, `TRY_AGAIN`, `NO_RECOVERY`.
pub fn host_by_address(family: Family, address: &[u8]) -> Result<Host, Status> {
    ask_host(|entry, buffer, len, result, h_errno| {
        let (start, address_len) = (address.as_ptr().cast(), address.len() as libc::socklen_t);
        // SAFETY: the address has that length; the rest is `ask`'s.
        unsafe {
            gethostbyaddr_r(
                start,
                address_len,
                family.linux(),
                entry,
                buffer,
                len,
                result,
                h_errno,
            )
        }
    })
}

/// The service of that name; no protocol: of any.
pub fn service_by_name(name: &CStr, wanted: Option<&CStr>) -> Option<Service> {
    let protocol = wanted.map(lower_case);
    let protocol = protocol
        .as_ref()
        .map_or(std::ptr::null(), |text| text.as_ptr());
    let find = |name: &CStr| {
        let call = |entry, buffer, len, result| {
            // SAFETY: strings that end with a zero, or null for the protocol; the rest is `ask`'s.
            unsafe { getservbyname_r(name.as_ptr(), protocol, entry, buffer, len, result) }
        };
        // SAFETY: what was found is valid until `service` has copied it.
        ask(call, |entry| unsafe { service(entry) })
    };
    find(name)
        .or_else(|| find(&lower_case(name)))
        .or_else(|| well_known::service_by_name(name, wanted))
}

/// The service at that port; no protocol: of any.
pub fn service_by_port(port: u16, wanted: Option<&CStr>) -> Option<Service> {
    let protocol = wanted.map(lower_case);
    let protocol = protocol
        .as_ref()
        .map_or(std::ptr::null(), |text| text.as_ptr());
    let call = |entry, buffer, len, result| {
        // SAFETY: a string that ends with a zero, or null; the rest is `ask`'s.
        unsafe { getservbyport_r(port.to_be().into(), protocol, entry, buffer, len, result) }
    };
    // SAFETY: what was found is valid until `service` has copied it.
    ask(call, |entry| unsafe { service(entry) })
        .or_else(|| well_known::service_by_port(port, wanted))
}

/// The protocol of that name, whatever the case.
pub fn protocol_by_name(name: &CStr) -> Option<Protocol> {
    let find = |name: &CStr| {
        let call = |entry, buffer, len, result| {
            // SAFETY: a string that ends with a zero; the rest is `ask`'s.
            unsafe { getprotobyname_r(name.as_ptr(), entry, buffer, len, result) }
        };
        // SAFETY: what was found is valid until `protocol` has copied it.
        ask(call, |entry| unsafe { protocol(entry) })
    };
    find(name)
        .or_else(|| find(&lower_case(name)))
        .or_else(|| well_known::protocol_by_name(name))
}

/// The protocol of that number.
pub fn protocol_by_number(number: i32) -> Option<Protocol> {
    let call = |entry, buffer, len, result| {
        // SAFETY: all of it is `ask`'s.
        unsafe { getprotobynumber_r(number, entry, buffer, len, result) }
    };
    // SAFETY: what was found is valid until `protocol` has copied it.
    ask(call, |entry| unsafe { protocol(entry) }).or_else(|| well_known::protocol_by_number(number))
}

fn host(name: CString, addresses: Vec<Vec<u8>>) -> Host {
    Host {
        name,
        aliases: Vec::new(),
        family: Family::V4,
        addresses,
    }
}

fn own_v4_addresses() -> Vec<Vec<u8>> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(ip) => Some(ip.octets().to_vec()),
        IpAddr::V6(_) => None,
    };
    let addresses = resolve::own_addresses().into_iter();
    let mut addresses: Vec<_> = addresses
        .filter_map(|own| octets(own.socket_addr().ip()))
        .collect();
    if addresses.is_empty() {
        addresses.push(vec![127, 0, 0, 1]);
    }
    addresses
}

fn lower_case(text: &CStr) -> CString {
    CString::new(text.to_bytes().to_ascii_lowercase()).unwrap_or_default()
}

/// Asks for a host; the reason of a failure comes in a place of its own.
fn ask_host(
    call: impl Fn(*mut libc::hostent, *mut c_char, usize, *mut *mut libc::hostent, *mut c_int) -> c_int,
) -> Result<Host, Status> {
    let mut h_errno = 0;
    let found = ask(
        |entry, buffer, len, result| call(entry, buffer, len, result, &raw mut h_errno),
        // SAFETY: what was found is valid until this has copied it.
        |entry: &libc::hostent| unsafe {
            let len = usize::try_from(entry.h_length).unwrap_or(0);
            Host {
                name: copy(entry.h_name),
                aliases: copy_list(entry.h_aliases),
                family: Family::from_linux(entry.h_addrtype).unwrap_or(Family::V4),
                addresses: items(entry.h_addr_list)
                    .map(|item| std::slice::from_raw_parts(item.cast::<u8>(), len).to_vec())
                    .collect(),
            }
        },
    );
    found.ok_or(match h_errno {
        TRY_AGAIN => Status::TRY_AGAIN,
        NO_RECOVERY => Status::NO_RECOVERY,
        NO_DATA => Status::NO_DATA,
        _ => Status::HOST_NOT_FOUND,
    })
}

/// Calls a re-entrant function with a buffer that is large enough, and reads the entry it found.
fn ask<Entry, T>(
    mut call: impl FnMut(*mut Entry, *mut c_char, usize, *mut *mut Entry) -> c_int,
    read: impl FnOnce(&Entry) -> T,
) -> Option<T> {
    const LARGEST: usize = 1 << 20;
    let mut entry = MaybeUninit::<Entry>::uninit();
    let mut buffer: Vec<c_char> = vec![0; 1 << 10];
    loop {
        let mut result = null_mut();
        let error = call(
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut result,
        );
        if error == libc::ERANGE && buffer.len() < LARGEST {
            buffer.resize(2 * buffer.len(), 0);
            continue;
        }
        // SAFETY: null, or the entry, which was filled and points into `buffer`.
        return unsafe { result.as_ref() }.map(read);
    }
}

/// # Safety
/// An entry of the C library.
unsafe fn service(entry: &libc::servent) -> Service {
    // SAFETY: the strings and the list of an entry.
    let (name, aliases, protocol) = unsafe {
        (
            copy(entry.s_name),
            copy_list(entry.s_aliases),
            copy(entry.s_proto),
        )
    };
    Service {
        name,
        aliases,
        port: u16::from_be(entry.s_port as u16), // the upper bits are zero
        protocol,
    }
}

/// # Safety
/// An entry of the C library.
unsafe fn protocol(entry: &libc::protoent) -> Protocol {
    // SAFETY: the string and the list of an entry.
    let (name, aliases) = unsafe { (copy(entry.p_name), copy_list(entry.p_aliases)) };
    Protocol {
        name,
        aliases,
        number: entry.p_proto,
    }
}

/// # Safety
/// `text` is null or ends with a zero.
unsafe fn copy(text: *const c_char) -> CString {
    if text.is_null() {
        return CString::default();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_owned()
}

/// # Safety
/// `list` is null or a list of strings that ends with a null pointer.
unsafe fn copy_list(list: *mut *mut c_char) -> Vec<CString> {
    // SAFETY: the caller's promise.
    unsafe { items(list).map(|text| copy(text)).collect() }
}

/// The pointers of a list that ends with a null pointer.
///
/// # Safety
/// `list` is null or such a list, for as long as the iterator is used.
unsafe fn items(list: *mut *mut c_char) -> impl Iterator<Item = *mut c_char> {
    let item = move |index| {
        // SAFETY: not beyond the null pointer that ends the list.
        (!list.is_null()).then(|| unsafe { *list.add(index) })
    };
    (0..).map_while(item).take_while(|item| !item.is_null())
}
