//! Names to addresses and back: getaddrinfo and getnameinfo, in both widths.
//!
//! No test needs a network: what is asked for is numeric, localhost, or the host's own name.

use std::ffi::{CStr, CString};
use std::mem::zeroed;
use std::net::SocketAddr;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::names::{narrow, socket_address, wide};
use crate::tcp::*;

/// No hints, to begin from.
fn hints() -> ADDRINFOA {
    // SAFETY: all-zero is a valid ADDRINFOA.
    unsafe { zeroed() }
}

/// Hints with flags.
fn flags(flags: u32) -> ADDRINFOA {
    ADDRINFOA {
        ai_flags: flags as i32,
        ..hints()
    }
}

/// Hints with a family, and flags.
fn family(family: u16, flags: u32) -> ADDRINFOA {
    ADDRINFOA {
        ai_flags: flags as i32,
        ai_family: family.into(),
        ..hints()
    }
}

/// What an entry of a list says.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    family: i32,
    socket_type: i32,
    protocol: i32,
    address: SocketAddr,
    name: Option<String>,
}

/// The address of an entry.
///
/// # Safety
/// `len` bytes are there.
unsafe fn address_of(start: *const SOCKADDR, len: usize) -> SocketAddr {
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) };
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match (u16::from_ne_bytes([bytes[0], bytes[1]]), len) {
        (AF_INET, 16) => {
            assert_eq!(bytes[8..], [0; 8]);
            let octets: [u8; 4] = bytes[4..8].try_into().expect("four");
            SocketAddr::from((octets, port))
        }
        (AF_INET6, 28) => {
            let octets: [u8; 16] = bytes[8..24].try_into().expect("sixteen");
            let scope = u32::from_ne_bytes(bytes[24..].try_into().expect("four"));
            SocketAddr::V6(std::net::SocketAddrV6::new(octets.into(), port, 0, scope))
        }
        other => panic!("no address: {other:?}"),
    }
}

/// What a list says.
///
/// # Safety
/// `next` is a list; its names are read by `name`.
unsafe fn read_list(mut next: *mut ADDRINFOA, name: impl Fn(PSTR) -> Option<String>) -> Vec<Entry> {
    let mut entries = Vec::new();
    while !next.is_null() {
        // SAFETY: an entry of the list; under Wine it may be unaligned.
        let info = unsafe { next.read_unaligned() };
        entries.push(Entry {
            family: info.ai_family,
            socket_type: info.ai_socktype,
            protocol: info.ai_protocol,
            // SAFETY: an entry's address has the length that the entry says.
            address: unsafe { address_of(info.ai_addr, info.ai_addrlen) },
            name: name(info.ai_canonname),
        });
        next = info.ai_next;
    }
    entries
}

/// getaddrinfo: the list, or the code it returned, which must be the last error too.
fn resolve(
    host: Option<&str>,
    service: Option<&str>,
    hints: Option<ADDRINFOA>,
) -> Result<Vec<Entry>, i32> {
    let owned = |text: Option<&str>| text.map(|text| CString::new(text).expect("no zero"));
    let (host, service) = (owned(host), owned(service));
    let start = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr().cast());
    let hints = hints.as_ref().map_or(null(), std::ptr::from_ref);
    let mut list = hints.cast_mut(); // anything but null, if there are hints
    set_last_error(UNTOUCHED);
    // SAFETY: the texts are terminated, the hints are null or valid, `list` is valid for writes.
    let code = unsafe { getaddrinfo(start(&host), start(&service), hints, &mut list) };
    assert_eq!(wsa_error(), code, "the code is the last error, or it is 0");
    if code != 0 {
        assert!(list.is_null(), "a failure leaves a null pointer");
        return Err(code);
    }
    let name = |text: PSTR| {
        if text.is_null() {
            return None;
        }
        // SAFETY: not null, so a terminated string.
        let text = unsafe { CStr::from_ptr(text.cast()) };
        Some(text.to_str().expect("UTF-8").to_owned())
    };
    // SAFETY: a list, freed once, afterwards.
    unsafe {
        let entries = read_list(list, name);
        freeaddrinfo(list);
        Ok(entries)
    }
}

/// GetAddrInfoW, likewise.
fn resolve_wide(
    host: Option<&str>,
    service: Option<&str>,
    hints: Option<ADDRINFOA>,
) -> Result<Vec<Entry>, i32> {
    let (host, service) = (host.map(wide), service.map(wide));
    let start = |text: &Option<Vec<u16>>| text.as_ref().map_or(null(), |text| text.as_ptr());
    let hints = hints.as_ref().map_or(null(), |hints| {
        std::ptr::from_ref(hints).cast::<ADDRINFOW>()
    });
    let mut list = hints.cast_mut();
    set_last_error(UNTOUCHED);
    // SAFETY: as in `resolve`; the hints have no names, in which alone the structures differ.
    let code = unsafe { GetAddrInfoW(start(&host), start(&service), hints, &mut list) };
    assert_eq!(wsa_error(), code);
    if code != 0 {
        assert!(list.is_null());
        return Err(code);
    }
    let name = |text: PSTR| {
        // SAFETY: not null, so a terminated string of at most 256 units, in which it is read up to its zero.
        let unit = |index| unsafe { *text.cast::<u16>().add(index) };
        let units = || (0..).map(unit).take_while(|unit| *unit != 0);
        (!text.is_null()).then(|| narrow(&units().chain([0]).collect::<Vec<_>>()))
    };
    // SAFETY: as in `resolve`.
    unsafe {
        let entries = read_list(list.cast(), name);
        FreeAddrInfoW(list);
        Ok(entries)
    }
}

/// The addresses of both functions, which must agree.
fn addresses(
    host: Option<&str>,
    service: Option<&str>,
    hints: Option<ADDRINFOA>,
) -> Result<Vec<String>, i32> {
    let list = resolve(host, service, hints);
    assert_eq!(resolve_wide(host, service, hints), list);
    Ok(list?
        .iter()
        .map(|entry| entry.address.to_string())
        .collect())
}

/// Addresses are one entry each, of socket type 0 unless a type was asked for.
/// Source: getaddrinfo, pHints; ADDRINFOA.
#[test]
fn each_address_is_one_entry() {
    let _watch = watch();
    startup();
    let expected = |socket_type, protocol| {
        Ok(vec![Entry {
            family: AF_INET.into(),
            socket_type,
            protocol,
            address: "127.0.0.1:80".parse().expect("an address"),
            name: None,
        }])
    };
    let (host, service) = (Some("127.0.0.1"), Some("80"));
    assert_eq!(resolve(host, service, Some(hints())), expected(0, 0));
    assert_eq!(resolve_wide(host, service, Some(hints())), expected(0, 0));
    differs_under_wine(
        "without hints Wine gives an entry for each type",
        move || {
            assert_eq!(resolve(host, service, None), expected(0, 0));
            assert_eq!(resolve_wide(host, service, None), expected(0, 0));
        },
    );
}

/// Type and protocol of the hints stand in every entry, whether they fit each other or not.
/// Source: getaddrinfo, pHints; validated on Windows.
#[test]
fn type_and_protocol_are_passed_through() {
    let _watch = watch();
    startup();
    for family in [AF_UNSPEC, AF_INET] {
        for socket_type in [0, SOCK_STREAM, SOCK_DGRAM] {
            for protocol in [0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, 999] {
                let hints = ADDRINFOA {
                    ai_family: family.into(),
                    ai_socktype: socket_type,
                    ai_protocol: protocol,
                    ..hints()
                };
                for entries in [
                    resolve(Some("localhost"), None, Some(hints)),
                    resolve_wide(Some("localhost"), None, Some(hints)),
                ] {
                    let entries = entries.expect("localhost");
                    assert!(!entries.is_empty());
                    for entry in entries {
                        assert_eq!((entry.socket_type, entry.protocol), (socket_type, protocol));
                        assert!(family == AF_UNSPEC || entry.family == i32::from(family));
                    }
                }
            }
        }
    }
}

/// An unknown socket type is WSAESOCKTNOSUPPORT, an unknown family WSAEAFNOSUPPORT.
/// Source: getaddrinfo, WSAESOCKTNOSUPPORT and WSAEAFNOSUPPORT; the type validated on Windows.
#[test]
fn unknown_types_and_families_are_refused() {
    let _watch = watch();
    startup();
    let unknown_type = ADDRINFOA {
        ai_socktype: 999,
        ..hints()
    };
    assert_eq!(
        addresses(Some("127.0.0.1"), None, Some(unknown_type)),
        Err(WSAESOCKTNOSUPPORT)
    );
    assert_eq!(
        addresses(Some("127.0.0.1"), None, Some(family(99, 0))),
        Err(WSAEAFNOSUPPORT)
    );
}

/// The other fields of the hints must be zero: WSANO_RECOVERY.
/// Source: getaddrinfo, pHints.
#[test]
fn other_hints_must_be_zero() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine does not look at them", || {
        let (mut other, mut address) = (hints(), SOCKADDR::default());
        let cases = [
            ADDRINFOA {
                ai_addrlen: 16,
                ..hints()
            },
            ADDRINFOA {
                ai_canonname: c"name".as_ptr().cast_mut().cast(),
                ..hints()
            },
            ADDRINFOA {
                ai_addr: &mut address,
                ..hints()
            },
            ADDRINFOA {
                ai_next: &mut other,
                ..hints()
            },
        ];
        for case in cases {
            assert_eq!(
                addresses(Some("127.0.0.1"), None, Some(case)),
                Err(WSANO_RECOVERY)
            );
        }
    });
}

/// An unknown flag is WSAEINVAL.
/// Source: getaddrinfo, WSAEINVAL.
#[test]
fn unknown_flags_are_refused() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine passes over unknown flags", || {
        assert_eq!(
            addresses(Some("127.0.0.1"), None, Some(flags(1 << 25))),
            Err(WSAEINVAL)
        );
    });
}

/// Neither host nor service is WSAHOST_NOT_FOUND.
/// Source: getaddrinfo, WSAHOST_NOT_FOUND; validated on Windows.
#[test]
fn host_or_service_is_needed() {
    let _watch = watch();
    startup();
    assert_eq!(addresses(None, None, None), Err(WSAHOST_NOT_FOUND));
    assert_eq!(addresses(None, None, Some(hints())), Err(WSAHOST_NOT_FOUND));
}

/// No host is this host: the loopback addresses, or with AI_PASSIVE the addresses to bind to.
/// Source: getaddrinfo, remarks, AI_PASSIVE.
#[test]
fn no_host_is_this_host() {
    let _watch = watch();
    startup();
    let v4 = |flags| addresses(None, Some("80"), Some(family(AF_INET, flags)));
    assert_eq!(v4(0), Ok(vec!["127.0.0.1:80".to_owned()]));
    assert_eq!(v4(AI_PASSIVE), Ok(vec!["0.0.0.0:80".to_owned()]));
    let v6 = |flags| addresses(None, Some("80"), Some(family(AF_INET6, flags)));
    assert_eq!(v6(0), Ok(vec!["[::1]:80".to_owned()]));
    assert_eq!(v6(AI_PASSIVE), Ok(vec!["[::]:80".to_owned()]));
    let any = |flags_| {
        let mut all = addresses(None, Some("80"), Some(flags(flags_))).expect("this host");
        all.sort();
        all
    };
    assert_eq!(any(0), ["127.0.0.1:80", "[::1]:80"]);
    assert_eq!(any(AI_PASSIVE), ["0.0.0.0:80", "[::]:80"]);
    let named = addresses(Some("127.0.0.1"), None, Some(flags(AI_PASSIVE)));
    assert_eq!(named, Ok(vec!["127.0.0.1:0".to_owned()]));
}

/// The empty host is the own name, and the empty service is port 0.
/// Source: getaddrinfo, pNodeName; validated on Windows.
#[test]
fn empty_names_are_names() {
    let _watch = watch();
    startup();
    let mut name = [0u8; 256];
    // SAFETY: the length is that of the buffer.
    assert_eq!(unsafe { gethostname(name.as_mut_ptr(), 256) }, 0);
    let name = CStr::from_bytes_until_nul(&name)
        .expect("terminated")
        .to_str()
        .expect("UTF-8");
    let own = addresses(Some(name), None, None);
    assert!(!own.as_ref().expect("this host").is_empty());
    assert_eq!(addresses(Some(""), None, None), own);
    assert_eq!(addresses(Some(""), Some("0"), None), own);
    assert_eq!(addresses(Some(""), Some(""), None), own);
    assert_eq!(
        addresses(None, Some(""), None),
        addresses(None, Some("0"), None)
    );
}

/// Hosts may be numeric: IPv4 in every classic form, IPv6 with a scope, in brackets too, where a port is passed over.
/// Source: getaddrinfo, pNodeName; brackets validated on Windows.
#[test]
fn numeric_hosts_need_nobody() {
    let _watch = watch();
    startup();
    for (host, address) in [
        ("192.168.1.253", "192.168.1.253:0"),
        ("0x7f.1", "127.0.0.1:0"),
        ("1", "0.0.0.1:0"),
        (
            "2a00:2039:dead:beef:cafe::6666",
            "[2a00:2039:dead:beef:cafe::6666]:0",
        ),
        ("fe80::1%7", "[fe80::1%7]:0"),
        ("[beef::cafe]", "[beef::cafe]:0"),
    ] {
        let expected = Ok(vec![address.to_owned()]);
        assert_eq!(
            addresses(Some(host), None, Some(hints())),
            expected,
            "{host}"
        );
        assert_eq!(
            addresses(Some(host), None, Some(flags(AI_NUMERICHOST))),
            expected,
            "{host}"
        );
    }
    let with_port = addresses(Some("[beef::cafe]:10239"), None, Some(hints()));
    assert_eq!(with_port, Ok(vec!["[beef::cafe]:0".to_owned()]));
}

/// With AI_NUMERICHOST a host that is no address is WSAHOST_NOT_FOUND, localhost and the empty one too.
/// Source: getaddrinfo, AI_NUMERICHOST; validated on Windows.
#[test]
fn numeric_hosts_may_be_required() {
    let _watch = watch();
    startup();
    for host in [
        "localhost",
        "",
        "192.168.1.253:1024",
        "[beef::cafe",
        "beef::cafe]",
        "1.2.3.4 ",
    ] {
        let result = addresses(Some(host), None, Some(flags(AI_NUMERICHOST)));
        assert_eq!(result, Err(WSAHOST_NOT_FOUND), "{host:?}");
    }
    let bracketed = addresses(
        Some("[beef::cafe]"),
        None,
        Some(family(AF_INET, AI_NUMERICHOST)),
    );
    assert_eq!(bracketed, Err(WSAHOST_NOT_FOUND));
}

/// An address of the other family is WSAHOST_NOT_FOUND.
/// Source: getaddrinfo, ai_family; validated on Windows for IPv6 in brackets.
#[test]
fn address_must_have_the_family() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine returns a code of the C library", || {
        assert_eq!(
            addresses(Some("::1"), None, Some(family(AF_INET, 0))),
            Err(WSAHOST_NOT_FOUND)
        );
        assert_eq!(
            addresses(Some("127.0.0.1"), None, Some(family(AF_INET6, 0))),
            Err(WSAHOST_NOT_FOUND)
        );
    });
}

/// With AI_V4MAPPED an IPv4 address takes on the form of IPv6.
/// Source: getaddrinfo, AI_V4MAPPED and AI_ALL.
#[test]
fn v4_addresses_may_be_mapped() {
    let _watch = watch();
    startup();
    let mapped = Ok(vec!["[::ffff:127.0.0.1]:0".to_owned()]);
    for mapping in [AI_V4MAPPED, AI_V4MAPPED | AI_ALL] {
        assert_eq!(
            addresses(Some("127.0.0.1"), None, Some(family(AF_INET6, mapping))),
            mapped
        );
    }
    let everything = addresses(
        Some("localhost"),
        None,
        Some(family(AF_INET6, AI_V4MAPPED | AI_ALL)),
    );
    let everything = everything.expect("localhost");
    assert!(
        everything.contains(&"[::ffff:127.0.0.1]:0".to_owned()),
        "{everything:?}"
    );
}

/// The canonical name stands in the first entry; there is none of no host.
/// Source: getaddrinfo, AI_CANONNAME; WSAEINVAL.
#[test]
fn canonical_name_is_in_the_first_entry() {
    let _watch = watch();
    startup();
    for host in ["localhost", "127.0.0.1", "fe80::1"] {
        for entries in [
            resolve(Some(host), None, Some(flags(AI_CANONNAME))),
            resolve_wide(Some(host), None, Some(flags(AI_CANONNAME))),
        ] {
            let entries = entries.expect("known");
            let (first, rest) = entries.split_first().expect("an entry");
            assert!(first.name.is_some());
            if host != "localhost" {
                assert_eq!(first.name.as_deref(), Some(host));
            }
            assert!(rest.iter().all(|entry| entry.name.is_none()));
        }
    }
    assert_eq!(
        addresses(None, Some("80"), Some(flags(AI_CANONNAME))),
        Err(WSAEINVAL)
    );
}

/// localhost is known with AI_ADDRCONFIG as well.
/// Source: getaddrinfo, AI_ADDRCONFIG (which asks for addresses of interfaces; where there are none, nothing is left
/// out).
#[test]
fn configured_families_are_enough_for_localhost() {
    let _watch = watch();
    startup();
    let v4 = addresses(Some("127.0.0.1"), None, Some(flags(AI_ADDRCONFIG)));
    assert_eq!(v4, Ok(vec!["127.0.0.1:0".to_owned()]));
}

/// A service is a number or a name, and is looked for where the socket type says.
/// Source: getaddrinfo, pServiceName; WSATYPE_NOT_FOUND, validated on Windows for an unknown name.
#[test]
fn services_belong_to_socket_types() {
    let _watch = watch();
    startup();
    let port = |service: &str, socket_type, flags_| {
        let hints = ADDRINFOA {
            ai_socktype: socket_type,
            ..flags(flags_)
        };
        let found = addresses(Some("127.0.0.1"), Some(service), Some(hints))?;
        Ok(found
            .concat()
            .rsplit(':')
            .next()
            .expect("a port")
            .to_owned())
    };
    assert_eq!(port("http", 0, 0).as_deref(), Ok("80"));
    assert_eq!(port("http", SOCK_STREAM, 0).as_deref(), Ok("80"));
    assert_eq!(port("domain", SOCK_DGRAM, 0).as_deref(), Ok("53"));
    assert_eq!(port("080", SOCK_DGRAM, AI_NUMERICSERV).as_deref(), Ok("80"));
    assert_eq!(port("65535", 0, 0).as_deref(), Ok("65535"));
    assert_eq!(port("http", SOCK_DGRAM, 0), Err(WSATYPE_NOT_FOUND));
    assert_eq!(port("no-such-service", 0, 0), Err(WSATYPE_NOT_FOUND));
    assert_eq!(port("-1", 0, 0), Err(WSATYPE_NOT_FOUND));
    assert_eq!(port("http", 0, AI_NUMERICSERV), Err(WSAHOST_NOT_FOUND));
    assert_eq!(
        addresses(None, Some("no-such-service"), Some(hints())),
        Err(WSATYPE_NOT_FOUND)
    );
}

/// freeaddrinfo takes null, and entries that were taken off a list.
/// Source: freeaddrinfo. Choice: null is ignored.
#[test]
fn lists_may_be_taken_apart() {
    let _watch = watch();
    startup();
    let mut list = null_mut();
    // SAFETY: the texts are terminated, `list` is valid for writes.
    let code = unsafe { getaddrinfo(null(), c"80".as_ptr().cast(), null(), &mut list) };
    assert_eq!(code, 0);
    not_under_wine("an entry is no piece of memory of its own there", || {
        // SAFETY: a list of two, whose parts are freed once each.
        unsafe {
            let rest = std::mem::replace(&mut (*list).ai_next, null_mut());
            assert!(!rest.is_null());
            freeaddrinfo(list);
            freeaddrinfo(rest);
        }
    });
    // SAFETY: null is what is tested.
    unsafe {
        freeaddrinfo(null());
        FreeAddrInfoW(null());
    }
}

/// What was freed already, or is not from getaddrinfo, is left alone.
/// Source: freeaddrinfo (it is for lists of getaddrinfo only).
#[test]
fn foreign_lists_are_left_alone() {
    let _watch = watch();
    startup();
    linux_only("on Windows the heap is damaged", || {
        let mut list = null_mut();
        // SAFETY: the text is terminated, `list` is valid for writes.
        let code = unsafe { getaddrinfo(c"::1".as_ptr().cast(), null(), null(), &mut list) };
        assert_eq!(code, 0);
        let mut foreign = ADDRINFOA {
            ai_next: list,
            ..hints()
        };
        // SAFETY: such lists are what is tested.
        unsafe {
            freeaddrinfo(&foreign);
            assert_eq!((*list).ai_family, AF_INET6.into());
            freeaddrinfo(list);
            freeaddrinfo(list);
            foreign.ai_next = null_mut();
            freeaddrinfo(&foreign);
        }
    });
}

// --- getnameinfo ------------------------------------------------------------------------------------

/// getnameinfo with that much room; `None` in place of a buffer: null.
fn names(
    address: &[u8],
    rooms: (Option<usize>, Option<usize>),
    flags: u32,
) -> Result<(String, String), i32> {
    let mut buffers = [vec![0u8; 64], vec![0u8; 64]];
    let wanted = [rooms.0, rooms.1];
    let place = |index: usize, buffers: &mut [Vec<u8>; 2]| match wanted[index] {
        Some(room) => (buffers[index].as_mut_ptr(), room as u32),
        None => (null_mut(), 0),
    };
    let (host, service) = (place(0, &mut buffers), place(1, &mut buffers));
    set_last_error(UNTOUCHED);
    // SAFETY: the address has that length; no room is larger than 64.
    let code = unsafe {
        getnameinfo(
            address.as_ptr().cast(),
            address.len() as i32,
            host.0,
            host.1,
            service.0,
            service.1,
            flags as i32,
        )
    };
    if code != 0 {
        return Err(code);
    }
    let text = |buffer: &[u8]| {
        let text = CStr::from_bytes_until_nul(buffer).expect("terminated");
        text.to_str().expect("UTF-8").to_owned()
    };
    Ok((text(&buffers[0]), text(&buffers[1])))
}

const ROOMY: (Option<usize>, Option<usize>) = (Some(64), Some(64));
const NUMERIC: u32 = NI_NUMERICHOST | NI_NUMERICSERV;

/// Numeric names are the text of the address, its scope included, and of the port.
/// Source: getnameinfo, NI_NUMERICHOST and NI_NUMERICSERV.
#[test]
fn names_may_be_numeric() {
    let _watch = watch();
    startup();
    for (address, host, port) in [
        ("127.0.0.1:80", "127.0.0.1", "80"),
        ("[2001:db8::1]:65535", "2001:db8::1", "65535"),
        ("[fe80::1%7]:0", "fe80::1%7", "0"),
    ] {
        let bytes = socket_address(address);
        let expected = Ok((host.to_owned(), port.to_owned()));
        assert_eq!(names(&bytes, ROOMY, NUMERIC), expected, "{address}");
        let (mut node, mut service) = ([0u16; 64], [0u16; 64]);
        // SAFETY: the lengths are those of the buffers.
        let code = unsafe {
            GetNameInfoW(
                bytes.as_ptr().cast(),
                bytes.len() as i32,
                node.as_mut_ptr(),
                64,
                service.as_mut_ptr(),
                64,
                NUMERIC as i32,
            )
        };
        assert_eq!(code, 0);
        assert_eq!(Ok((narrow(&node), narrow(&service))), expected);
    }
}

/// Hosts and services have names; a service's depends on NI_DGRAM, and one without a name is its port.
/// Source: getnameinfo.
#[test]
fn names_are_looked_up() {
    let _watch = watch();
    startup();
    let (host, service) = names(&socket_address("127.0.0.1:80"), ROOMY, 0).expect("localhost");
    assert!(!host.is_empty() && host != "127.0.0.1");
    assert_eq!(service, "http");
    let service = |address, flags| {
        names(&socket_address(address), (None, Some(64)), flags).map(|(_, service)| service)
    };
    assert_eq!(service("127.0.0.1:53", NI_DGRAM).as_deref(), Ok("domain"));
    assert_eq!(service("127.0.0.1:80", NI_DGRAM).as_deref(), Ok("80"));
    assert_eq!(service("127.0.0.1:4", 0).as_deref(), Ok("4"));
    let host = names(
        &socket_address("127.0.0.1:80"),
        (Some(64), None),
        NI_NAMEREQD,
    );
    assert!(host.is_ok());
}

/// Success stores 0 as the last error, and a failure its code.
/// Source: getnameinfo, return value. Choice: as every winsock function.
#[test]
fn getnameinfo_stores_its_code() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine leaves the last error alone", || {
        assert!(names(&socket_address("127.0.0.1:80"), ROOMY, NUMERIC).is_ok());
        assert_eq!(wsa_error(), 0);
        let code = names(&[99; 16], ROOMY, NUMERIC);
        assert_eq!((code, wsa_error()), (Err(WSAEAFNOSUPPORT), WSAEAFNOSUPPORT));
    });
}

/// A name needs room for its zero: WSAEFAULT.
/// Source: getnameinfo, NodeBufferSize and ServiceBufferSize.
#[test]
fn names_need_room() {
    let _watch = watch();
    startup();
    let names = |host, service| {
        let address = socket_address("127.0.0.1:80");
        names(&address, (Some(host), Some(service)), NUMERIC).map(drop)
    };
    assert_eq!(names(10, 3), Ok(()));
    differs_under_wine("Wine returns a code of the C library", move || {
        assert_eq!(names(9, 3), Err(WSAEFAULT));
        assert_eq!(names(10, 2), Err(WSAEFAULT));
    });
}

/// An unknown family is WSAEAFNOSUPPORT; too short an address, or none, WSAEFAULT.
/// Source: getnameinfo, WSAEAFNOSUPPORT and WSAEFAULT.
#[test]
fn getnameinfo_needs_an_address() {
    let _watch = watch();
    startup();
    assert_eq!(names(&[99; 28], ROOMY, 0), Err(WSAEAFNOSUPPORT));
    differs_under_wine("Wine says WSAEAFNOSUPPORT of short addresses", || {
        let address = socket_address("[::1]:80");
        assert_eq!(names(&address[..27], ROOMY, NUMERIC), Err(WSAEFAULT));
        assert_eq!(names(&[], ROOMY, NUMERIC), Err(WSAEFAULT));
    });
    linux_only("Wine crashes", || {
        let mut host = [0u8; 64];
        // SAFETY: a null address is what is tested.
        let code = unsafe { getnameinfo(null(), 16, host.as_mut_ptr(), 64, null_mut(), 0, 0) };
        assert_eq!(code, WSAEFAULT);
    });
}

/// Something must be asked for, and have room: WSAHOST_NOT_FOUND, WSAEINVAL; an unknown flag is WSAEINVAL too.
/// Source: getnameinfo, EAI_NONAME and EAI_BADFLAGS.
#[test]
fn getnameinfo_needs_a_question() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine succeeds", || {
        let address = socket_address("127.0.0.1:80");
        assert_eq!(
            names(&address, (None, None), NUMERIC),
            Err(WSAHOST_NOT_FOUND)
        );
        assert_eq!(names(&address, (Some(0), None), NUMERIC), Err(WSAEINVAL));
        assert_eq!(names(&address, (None, Some(0)), NUMERIC), Err(WSAEINVAL));
        assert_eq!(names(&address, ROOMY, NUMERIC | 0x100), Err(WSAEINVAL));
    });
}

/// Before WSAStartup there are no names.
/// Source: getaddrinfo and getnameinfo (a successful WSAStartup comes first), WSANOTINITIALISED.
#[test]
fn resolving_needs_a_startup() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("Wine answers all the same", || {
            assert_eq!(
                addresses(Some("127.0.0.1"), None, None),
                Err(WSANOTINITIALISED)
            );
            let address = socket_address("127.0.0.1:80");
            assert_eq!(names(&address, ROOMY, NUMERIC), Err(WSANOTINITIALISED));
        });
    });
}

/// The flags of the hints are not those of the results.
/// Source: ADDRINFOA, ai_flags; validated on Windows.
#[test]
fn results_have_no_flags() {
    const DNS_ONLY: u32 = 0x10; // AI_DNS_ONLY
    let _watch = watch();
    startup();
    differs_under_wine("takes fewer flags", || {
        for flag in [AI_ALL | DNS_ONLY, AI_PASSIVE, AI_NUMERICHOST] {
            let (hints, mut list) = (flags(flag), null_mut());
            // SAFETY: the text is terminated, the hints and `list` are valid.
            let code =
                unsafe { getaddrinfo(c"127.0.0.1".as_ptr().cast(), null(), &hints, &mut list) };
            assert_eq!(code, 0);
            // SAFETY: a list; under Wine it may be unaligned.
            let told = unsafe { list.read_unaligned() }.ai_flags;
            // SAFETY: nobody else has the list.
            unsafe { freeaddrinfo(list) };
            assert_eq!(told, 0, "{flag:#x}");
        }
    });
}
