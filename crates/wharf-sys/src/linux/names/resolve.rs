//! Names to addresses and back: what `getaddrinfo` and `getnameinfo` decide.
//!
//! The C library asks the hosts file and the name servers. Around it stands what Windows does otherwise: an address
//! is one entry whatever the kinds of socket, services are judged apart from hosts, brackets around an IPv6 address
//! are taken off, and the host's own name (or no name at all) is answered with the addresses of its interfaces.
//!
//! Source: "getaddrinfo", "getnameinfo", "ADDRINFOA"; the empty name, brackets and hints were observed on Windows.

use std::ffi::{CStr, CString};
use std::io::Error;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr::{null, null_mut};

use super::database::{self, Transport};
use super::endpoint;
use crate::platform::sockets::address::{Address, Family};
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::thread;

/// What a program asks of `getaddrinfo` beside the names.
#[derive(Clone, Copy, Default)]
pub struct Hints {
    /// Only addresses of this family; none: of both.
    pub family: Option<Family>,
    /// The kind of socket, which decides where a service is looked for; none: everywhere.
    pub kind: Option<SocketKind>,
    /// AI_PASSIVE: no name means every address, to bind to.
    pub passive: bool,
    /// AI_CANONNAME or AI_FQDN.
    pub canonical_name: bool,
    /// AI_NUMERICHOST: the name is an address, nobody is asked.
    pub numeric_host: bool,
    /// AI_NUMERICSERV: the service is a number.
    pub numeric_service: bool,
    /// AI_ADDRCONFIG: only families that an interface has addresses of.
    pub configured: bool,
    /// AI_V4MAPPED: IPv4 addresses as IPv6 ones, where there are no others.
    pub v4_mapped: bool,
    /// AI_ALL: with AI_V4MAPPED, besides others too.
    pub all: bool,
}

/// The kinds of socket a hint may name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    Stream,
    Datagram,
    Raw,
}

/// What a name is: at least one address, no two alike.
pub struct Resolved {
    pub addresses: Vec<Address>,
    /// If it was asked for.
    pub canonical_name: Option<CString>,
}

/// Announces the calling thread as waiting for as long as `ask` takes: it may be seconds.
pub fn waiting<T>(ask: impl FnOnce() -> T) -> T {
    let _blocked = thread::block();
    ask()
}

/// The addresses of a host, with the port of a service.
///
/// # Errors
/// `HOST_NOT_FOUND` if there is no such host, or neither host nor service is named; `SERVICE_NOT_FOUND`;
/// `INVALID` for the canonical name of nothing; `TRY_AGAIN`, `NO_RECOVERY` and `NO_DATA` from name servers.
pub fn resolve(
    host: Option<&CStr>,
    service: Option<&CStr>,
    hints: Hints,
) -> Result<Resolved, Status> {
    let port = match service {
        Some(service) => port_of_service(service, hints)?,
        None if host.is_none() => return Err(Status::HOST_NOT_FOUND),
        None => 0,
    };
    let mut resolved = match host {
        Some(host) => resolve_host(host, hints)?,
        None if hints.canonical_name => return Err(Status::INVALID),
        None => Resolved {
            addresses: of_family(nameless(hints.passive), hints),
            canonical_name: None,
        },
    };
    for address in &mut resolved.addresses {
        let mut with_port = address.socket_addr();
        with_port.set_port(port);
        *address = Address::from(with_port);
    }
    match resolved.addresses.is_empty() {
        true => Err(Status::HOST_NOT_FOUND),
        false => Ok(resolved),
    }
}

fn resolve_host(host: &CStr, hints: Hints) -> Result<Resolved, Status> {
    let own_name = own_name()?;
    let is_own = host.is_empty() || host == c"..localmachine";
    let name = if is_own { &own_name } else { host };
    let canonical_name = hints.canonical_name.then(|| name.to_owned());
    if let Some(address) = numeric(host.to_bytes()) {
        Ok(Resolved {
            addresses: of_family(vec![address], hints),
            canonical_name,
        })
    } else if hints.numeric_host {
        Err(Status::HOST_NOT_FOUND)
    } else if name.to_bytes().eq_ignore_ascii_case(own_name.to_bytes()) {
        Ok(Resolved {
            addresses: of_family(own_addresses(), hints),
            canonical_name,
        })
    } else {
        waiting(|| ask(name, hints))
    }
}

/// The address that a text is: classic IPv4, or IPv6, in brackets or not. A port behind brackets is ignored.
pub fn numeric(text: &[u8]) -> Option<Address> {
    let v4 = endpoint::parse_bare_v4(text).map(|ip| Address::from(SocketAddr::from((ip, 0))));
    v4.or_else(|| endpoint::parse(Family::V6, text))
}

/// The addresses of no name: of the host itself, or to bind to, every one.
fn nameless(passive: bool) -> Vec<Address> {
    let (v6, v4) = match passive {
        true => (Ipv6Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        false => (Ipv6Addr::LOCALHOST, Ipv4Addr::LOCALHOST),
    };
    let v6 = has_v6().then(|| Address::from(SocketAddr::from((v6, 0))));
    let v4 = Address::from(SocketAddr::from((v4, 0)));
    v6.into_iter().chain([v4]).collect()
}

/// Whether the kernel makes IPv6 sockets.
fn has_v6() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

/// What of `addresses` has the family of the hints, or takes it on.
fn of_family(addresses: Vec<Address>, hints: Hints) -> Vec<Address> {
    let Some(family) = hints.family else {
        return addresses;
    };
    let (mut right, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.family() == family);
    if family == Family::V6 && hints.v4_mapped && (hints.all || right.is_empty()) {
        right.extend(others.iter().map(mapped));
    }
    right
}

/// An IPv4 address in the form of IPv6.
fn mapped(address: &Address) -> Address {
    let ip = match address.socket_addr().ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    Address::from(SocketAddr::from((ip, 0)))
}

/// The name of this host.
///
/// # Errors
/// Those of the system.
pub fn own_name() -> Result<CString, Status> {
    let mut name = [0u8; 256]; // HOST_NAME_MAX is 64
    // SAFETY: the last byte is not given away, so the name ends with a zero.
    let result = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    if result != 0 {
        let errno = Error::last_os_error().raw_os_error().unwrap_or_default();
        return Err(Status::from_call_errno(errno));
    }
    let name = CStr::from_bytes_until_nul(&name).map_err(|_| Status::SYSTEM_CALL_FAILURE)?;
    Ok(name.to_owned())
}

/// The addresses of the interfaces that are up: IPv6 first, those of a link before others; the loopback address if
/// there are no others.
pub fn own_addresses() -> Vec<Address> {
    let mut addresses = interface_addresses();
    if addresses.is_empty() {
        return nameless(false);
    }
    addresses.sort_by_key(|address| match address.socket_addr().ip() {
        IpAddr::V6(ip) => (0, !ip.is_unicast_link_local()),
        IpAddr::V4(_) => (1, true),
    });
    addresses
}

fn interface_addresses() -> Vec<Address> {
    let mut addresses = Vec::new();
    let mut first = null_mut();
    // SAFETY: `first` is valid for writes.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return addresses;
    }
    let mut next = first.cast_const();
    // SAFETY: null, or an entry of the list, which is freed below.
    while let Some(interface) = unsafe { next.as_ref() } {
        let flags = interface.ifa_flags as i32;
        let counts = flags & libc::IFF_UP != 0 && flags & libc::IFF_LOOPBACK == 0;
        // SAFETY: null, or an address of the length of its family.
        let address = unsafe { address_at(interface.ifa_addr) };
        addresses.extend(address.filter(|_| counts));
        next = interface.ifa_next;
    }
    // SAFETY: the list is ours to free, once; nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    addresses
}

/// The address that the C library points to, if it is IPv4 or IPv6.
///
/// # Safety
/// `pointer` is null or an address as long as its family says.
unsafe fn address_at(pointer: *const libc::sockaddr) -> Option<Address> {
    // SAFETY: null, or an address by the caller's promise.
    let family = Family::from_linux(i32::from(unsafe { pointer.as_ref() }?.sa_family))?;
    // SAFETY: all-zero is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let out = (&raw mut storage).cast::<u8>();
    // SAFETY: as long as the family says, by the caller's promise; a storage has room for every family.
    unsafe { out.copy_from_nonoverlapping(pointer.cast(), family.address_len()) };
    Address::from_raw(storage)
}

/// Asks the C library.
fn ask(host: &CStr, hints: Hints) -> Result<Resolved, Status> {
    // SAFETY: all-zero is a valid addrinfo.
    let mut wanted: libc::addrinfo = unsafe { zeroed() };
    wanted.ai_family = hints.family.map_or(libc::AF_UNSPEC, Family::linux);
    wanted.ai_socktype = libc::SOCK_STREAM; // any one kind: each address comes once per kind
    wanted.ai_flags = [
        (hints.canonical_name, libc::AI_CANONNAME),
        (hints.configured, libc::AI_ADDRCONFIG),
        (hints.v4_mapped, libc::AI_V4MAPPED),
        (hints.all, libc::AI_ALL),
    ]
    .iter()
    .fold(
        0,
        |flags, (set, flag)| if *set { flags | flag } else { flags },
    );
    let mut first = null_mut();
    // SAFETY: the name ends with a zero, `wanted` is initialised, `first` is valid for writes.
    let result =
        unsafe { libc::getaddrinfo(host.as_ptr(), null(), &raw const wanted, &raw mut first) };
    if result != 0 {
        return Err(status_of(result));
    }
    // SAFETY: a list that getaddrinfo made.
    let resolved = unsafe { copied(first) };
    // SAFETY: the list is ours to free, once; nothing of it is kept.
    unsafe { libc::freeaddrinfo(first) };
    Ok(resolved)
}

/// What a list of the C library says, without what it says twice.
///
/// # Safety
/// `first` is a list from getaddrinfo.
unsafe fn copied(first: *const libc::addrinfo) -> Resolved {
    let (mut addresses, mut canonical_name) = (Vec::new(), None);
    let mut next = first;
    // SAFETY: null, or an entry of the list.
    while let Some(entry) = unsafe { next.as_ref() } {
        if !entry.ai_canonname.is_null() && canonical_name.is_none() {
            // SAFETY: not null, so a string.
            canonical_name = Some(unsafe { CStr::from_ptr(entry.ai_canonname) }.to_owned());
        }
        // SAFETY: null, or an address as long as its family says.
        let address = unsafe { address_at(entry.ai_addr) };
        addresses.extend(address.filter(|address| !addresses.contains(address)));
        next = entry.ai_next;
    }
    Resolved {
        addresses,
        canonical_name,
    }
}

/// The port of a service; an empty name is port 0.
fn port_of_service(service: &CStr, hints: Hints) -> Result<u16, Status> {
    let text = service.to_bytes();
    if text.iter().all(u8::is_ascii_digit) {
        let number = std::str::from_utf8(text).map_or("", |text| text);
        let port = if text.is_empty() {
            Ok(0)
        } else {
            number.parse()
        };
        return port.map_err(|_| Status::SERVICE_NOT_FOUND);
    }
    if hints.numeric_service {
        return Err(Status::HOST_NOT_FOUND);
    }
    let transports: &[Transport] = match hints.kind {
        None => &[Transport::Tcp, Transport::Udp],
        Some(SocketKind::Stream) => &[Transport::Tcp],
        Some(SocketKind::Datagram) => &[Transport::Udp],
        Some(SocketKind::Raw) => &[],
    };
    let port = |transport: &Transport| database::service_by_name(service, Some(transport.name()));
    let found = waiting(|| transports.iter().find_map(port));
    found
        .map(|service| service.port)
        .ok_or(Status::SERVICE_NOT_FOUND)
}

/// What a program asks of `getnameinfo` about the host.
#[derive(Clone, Copy, Default)]
pub struct NameHints {
    /// NI_NUMERICHOST: the address as text.
    pub numeric: bool,
    /// NI_NAMEREQD: a name or nothing.
    pub required: bool,
    /// NI_NOFQDN: without the domain, for hosts of this domain.
    pub short: bool,
}

/// The name of the host with that address, or the address as text.
///
/// # Errors
/// `HOST_NOT_FOUND` if a name is required and there is none.
pub fn name_of_host(address: &Address, hints: NameHints) -> Result<Vec<u8>, Status> {
    let name = match hints.numeric {
        true => None,
        false => waiting(|| ask_name(address, hints.short))?,
    };
    match name {
        Some(name) => Ok(name),
        None if hints.required => Err(Status::HOST_NOT_FOUND),
        None => {
            let mut without_port = address.socket_addr();
            without_port.set_port(0);
            Ok(endpoint::print(&Address::from(without_port)).into_bytes())
        }
    }
}

/// The name the C library knows for an address.
fn ask_name(address: &Address, short: bool) -> Result<Option<Vec<u8>>, Status> {
    let mut name = [0u8; libc::NI_MAXHOST as usize];
    let flags = libc::NI_NAMEREQD | if short { libc::NI_NOFQDN } else { 0 };
    // SAFETY: an address of that length, and a buffer of that one.
    let result = unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.len() as libc::socklen_t,
            name.as_mut_ptr().cast(),
            libc::NI_MAXHOST,
            null_mut(),
            0,
            flags,
        )
    };
    match result {
        0 => Ok(CStr::from_bytes_until_nul(&name)
            .ok()
            .map(|name| name.to_bytes().to_vec())),
        libc::EAI_MEMORY => Err(status_of(result)),
        _ => Ok(None),
    }
}

/// The name of the service at that port, or the number as text.
pub fn name_of_service(port: u16, transport: Transport, numeric: bool) -> Vec<u8> {
    let named = match numeric {
        true => None,
        false => waiting(|| database::service_by_port(port, Some(transport.name()))),
    };
    named.map_or_else(
        || port.to_string().into_bytes(),
        |service| service.name.into_bytes(),
    )
}

/// The C library's code as ours.
fn status_of(eai: i32) -> Status {
    match eai {
        libc::EAI_AGAIN => Status::TRY_AGAIN,
        libc::EAI_BADFLAGS => Status::INVALID,
        libc::EAI_FAIL | libc::EAI_SYSTEM => Status::NO_RECOVERY,
        libc::EAI_FAMILY => Status::ADDRESS_FAMILY_UNSUPPORTED,
        libc::EAI_MEMORY => Status::NOT_ENOUGH_MEMORY,
        libc::EAI_NODATA => Status::NO_DATA,
        libc::EAI_SERVICE => Status::SERVICE_NOT_FOUND,
        libc::EAI_SOCKTYPE => Status::SOCKET_TYPE_UNSUPPORTED,
        _ => Status::HOST_NOT_FOUND, // EAI_NONAME, an address of another family, a name that is none
    }
}

/// Whether there is such an interface.
pub fn is_interface(index: u32) -> bool {
    system::is_interface(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::observe;

    /// Source: "I/O Completion Ports": a thread that enters a wait state does not count.
    #[test]
    fn who_asks_is_known_to_wait() {
        // SAFETY: takes no pointers.
        let id = unsafe { crate::GetCurrentThreadId() };
        assert_eq!(waiting(|| observe::thread_waits(id)), Some(true));
        assert_eq!(observe::thread_waits(id), Some(false));
    }

    /// Source: getaddrinfo, return value, "EAI_… / WSA equivalent".
    #[test]
    fn every_code_of_the_c_library_is_a_winsock_code() {
        let codes = [
            (libc::EAI_AGAIN, 11002),
            (libc::EAI_BADFLAGS, 10022),
            (libc::EAI_FAIL, 11003),
            (libc::EAI_FAMILY, 10047),
            (libc::EAI_MEMORY, 8),
            (libc::EAI_NODATA, 11004),
            (libc::EAI_NONAME, 11001),
            (libc::EAI_SERVICE, 10109),
            (libc::EAI_SOCKTYPE, 10044),
            (-9, 11001), // EAI_ADDRFAMILY
        ];
        for (eai, code) in codes {
            assert_eq!(status_of(eai).to_winsock(), code, "{eai}");
        }
    }

    /// Source: ADDRINFOA, AI_V4MAPPED and AI_ALL.
    #[test]
    fn v4_addresses_take_on_the_form_of_v6() {
        let addresses = || vec!["[2001:db8::1]:0", "192.0.2.1:0"];
        let parsed = |texts: Vec<&str>| -> Vec<Address> {
            let parse = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap());
            texts.into_iter().map(parse).collect()
        };
        let hints = Hints {
            family: Some(Family::V6),
            ..Hints::default()
        };
        let mapping = Hints {
            v4_mapped: true,
            ..hints
        };
        let everything = Hints {
            all: true,
            ..mapping
        };
        let only_v6 = parsed(vec!["[2001:db8::1]:0"]);
        assert_eq!(of_family(parsed(addresses()), hints), only_v6);
        assert_eq!(of_family(parsed(addresses()), mapping), only_v6);
        let both = parsed(vec!["[2001:db8::1]:0", "[::ffff:192.0.2.1]:0"]);
        assert_eq!(of_family(parsed(addresses()), everything), both);
        let only_v4 = || parsed(vec!["192.0.2.1:0"]);
        assert_eq!(of_family(only_v4(), hints), []);
        let mapped = parsed(vec!["[::ffff:192.0.2.1]:0"]);
        assert_eq!(of_family(only_v4(), mapping), mapped);
    }
}
