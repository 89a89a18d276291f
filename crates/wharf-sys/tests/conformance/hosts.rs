//! Hosts, services and protocols with the older functions: gethostbyname and its relatives.
//!
//! What is asked for is known to every machine: its own name, localhost, http over TCP, TCP itself.

use std::ffi::CStr;
use std::net::Ipv4Addr;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::names::narrow;
use crate::tcp::*;

const V4: i32 = AF_INET as i32;

/// A list of pointers up to the null pointer.
///
/// # Safety
/// `list` is such a list.
unsafe fn pointers(list: *mut *mut i8) -> Vec<*mut i8> {
    // SAFETY: not beyond the null pointer.
    let item = |index| unsafe { *list.add(index) };
    (0..).map(item).take_while(|item| !item.is_null()).collect()
}

/// # Safety
/// `text` is a terminated string.
unsafe fn text(text: *const u8) -> String {
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text.cast()) };
    text.to_str().expect("UTF-8").to_owned()
}

/// What a HOSTENT says.
#[derive(Debug, PartialEq)]
struct Host {
    name: String,
    family: i16,
    addresses: Vec<Ipv4Addr>,
}

/// # Safety
/// `host` is null or this thread's answer.
unsafe fn read_host(host: *mut HOSTENT) -> Result<Host, WSA_ERROR> {
    if host.is_null() {
        return Err(wsa_error());
    }
    // SAFETY: an answer; every address has `h_length` bytes.
    unsafe {
        let host = &*host;
        assert_eq!(host.h_length, 4);
        let address = |item: *mut i8| Ipv4Addr::from(item.cast::<[u8; 4]>().read_unaligned());
        Ok(Host {
            name: text(host.h_name),
            family: host.h_addrtype,
            addresses: pointers(host.h_addr_list)
                .into_iter()
                .map(address)
                .collect(),
        })
    }
}

fn host_by_name(name: &CStr) -> Result<Host, WSA_ERROR> {
    // SAFETY: the name is terminated, and the answer is read at once.
    unsafe { read_host(gethostbyname(name.as_ptr().cast())) }
}

fn host_by_address(address: [u8; 4], len: i32, family: i32) -> Result<Host, WSA_ERROR> {
    // SAFETY: `len` is at most 4; the answer is read at once.
    unsafe { read_host(gethostbyaddr(address.as_ptr(), len, family)) }
}

/// gethostname with `room` bytes that are not zero.
fn host_name(room: usize) -> (Result<(), WSA_ERROR>, Vec<u8>) {
    let mut name = vec![0xAA; room];
    // SAFETY: `name` has `room` bytes.
    let result = unsafe { gethostname(name.as_mut_ptr(), room as i32) };
    (
        if result == 0 {
            Ok(())
        } else {
            Err(wsa_error())
        },
        name,
    )
}

fn own_name() -> std::ffi::CString {
    let (result, name) = host_name(256);
    assert_eq!(result, Ok(()));
    CStr::from_bytes_until_nul(&name)
        .expect("terminated")
        .to_owned()
}

/// gethostname gives the name with its zero, or WSAEFAULT and nothing if there is no room for both.
/// Source: gethostname, WSAEFAULT; validated on Windows.
#[test]
fn gethostname_needs_room() {
    let _watch = watch();
    startup();
    let len = own_name().count_bytes();
    assert!(len > 0);
    assert_eq!(host_name(len + 1).0, Ok(()));
    assert_eq!(host_name(len), (Err(WSAEFAULT), vec![0xAA; len]));
    // SAFETY: a null pointer is what is tested.
    fails_with(SOCKET_ERROR, WSAEFAULT as u32, || unsafe {
        gethostname(null_mut(), 256)
    });
}

/// GetHostNameW gives the same name.
/// Source: GetHostNameW; validated on Windows.
#[test]
fn get_host_name_w_gives_the_same() {
    let _watch = watch();
    startup();
    let mut name = [0u16; 256];
    // SAFETY: the length is that of the buffer.
    assert_eq!(unsafe { GetHostNameW(name.as_mut_ptr(), 256) }, 0);
    assert_eq!(narrow(&name), own_name().to_str().expect("UTF-8"));
    let len = own_name().count_bytes() as i32;
    // SAFETY: no longer than the buffer.
    fails_with(SOCKET_ERROR, WSAEFAULT as u32, || unsafe {
        GetHostNameW(name.as_mut_ptr(), len)
    });
}

/// gethostbyname knows localhost; the lists stand right behind the structure.
/// Source: gethostbyname; hostent; the order validated on Windows.
#[test]
fn gethostbyname_knows_localhost() {
    let _watch = watch();
    startup();
    set_last_error(UNTOUCHED);
    let host = host_by_name(c"localhost").expect("localhost");
    assert_eq!((wsa_error(), host.family), (0, AF_INET as i16));
    assert!(host.addresses.contains(&Ipv4Addr::LOCALHOST));
    // SAFETY: the name is terminated; the answer is read at once.
    unsafe {
        let entry = gethostbyname(c"localhost".as_ptr().cast());
        let (aliases, addresses) = ((*entry).h_aliases, (*entry).h_addr_list);
        assert_eq!(aliases.addr(), entry.addr() + size_of::<HOSTENT>());
        let behind = aliases.add(pointers(aliases).len() + 1);
        assert_eq!(addresses, behind);
        let behind = addresses.add(pointers(addresses).len() + 1);
        assert_eq!((*addresses).addr(), behind.addr());
    }
}

/// The own name and no name give the addresses of this host.
/// Source: gethostbyname, name; validated on Windows for the empty name.
#[test]
fn gethostbyname_without_a_name_is_this_host() {
    let _watch = watch();
    startup();
    let own = host_by_name(&own_name()).expect("this host");
    assert!(!own.addresses.is_empty());
    let nameless = host_by_name(c"").expect("this host");
    // SAFETY: no name is what is tested; the answer is read at once.
    let null_name = unsafe { read_host(gethostbyname(null())) };
    assert_eq!(null_name.as_ref(), Ok(&nameless));
    assert_eq!(own.addresses, nameless.addresses);
}

/// A name that stands for no host is WSAHOST_NOT_FOUND.
/// Source: gethostbyname, WSAHOST_NOT_FOUND.
#[test]
fn gethostbyname_refuses_what_is_no_name() {
    let _watch = watch();
    startup();
    // An IPv6 address, and this function knows none; nobody needs to be asked.
    assert_eq!(host_by_name(c"::1"), Err(WSAHOST_NOT_FOUND));
}

/// gethostbyname takes an address for the name of its host.
/// Choice: documented as an unknown name, but Windows resolves it and programs rely on that.
#[test]
fn gethostbyname_takes_addresses() {
    let _watch = watch();
    startup();
    let host = host_by_name(c"192.0.2.1").expect("an address");
    assert_eq!(host.addresses, [Ipv4Addr::new(192, 0, 2, 1)]);
}

/// gethostbyaddr finds the host of an address.
/// Source: gethostbyaddr.
#[test]
fn gethostbyaddr_finds_the_host() {
    let _watch = watch();
    startup();
    let host = host_by_address([127, 0, 0, 1], 4, V4).expect("localhost");
    assert!(!host.name.is_empty());
    assert_eq!(host.addresses, [Ipv4Addr::LOCALHOST]);
}

/// gethostbyaddr knows two families, and needs all of an address.
/// Source: gethostbyaddr, WSAEAFNOSUPPORT and WSAEFAULT.
#[test]
fn gethostbyaddr_checks_its_arguments() {
    let _watch = watch();
    startup();
    assert_eq!(host_by_address([127, 0, 0, 1], 4, 99), Err(WSAEAFNOSUPPORT));
    differs_under_wine("Wine says WSAEAFNOSUPPORT of a short address", || {
        assert_eq!(host_by_address([127, 0, 0, 1], 3, V4), Err(WSAEFAULT));
    });
    differs_under_wine("Wine stores the exception of a null address", || {
        // SAFETY: a null pointer is what is tested.
        fails_with(null_mut(), WSAEFAULT as u32, || unsafe {
            gethostbyaddr(null(), 4, V4)
        });
    });
}

/// What a SERVENT says: name, port in host order, protocol.
///
/// # Safety
/// `service` is null or this thread's answer.
unsafe fn read_service(service: *mut SERVENT) -> Result<(String, u16, String), WSA_ERROR> {
    if service.is_null() {
        return Err(wsa_error());
    }
    // SAFETY: an answer.
    unsafe {
        let service = &*service;
        pointers(service.s_aliases);
        let port = u16::from_be(service.s_port as u16);
        Ok((text(service.s_name), port, text(service.s_proto)))
    }
}

fn service_by_name(
    name: &CStr,
    protocol: Option<&CStr>,
) -> Result<(String, u16, String), WSA_ERROR> {
    let protocol = protocol.map_or(null(), |protocol| protocol.as_ptr().cast());
    // SAFETY: the names are terminated; the answer is read at once.
    unsafe { read_service(getservbyname(name.as_ptr().cast(), protocol)) }
}

fn service_by_port(port: u16, protocol: Option<&CStr>) -> Result<(String, u16, String), WSA_ERROR> {
    let protocol = protocol.map_or(null(), |protocol| protocol.as_ptr().cast());
    // SAFETY: the name is terminated; the answer is read at once.
    unsafe { read_service(getservbyport(port.to_be().into(), protocol)) }
}

/// Services are found by name and by port, with or without a protocol, whatever the case.
/// Source: getservbyname; getservbyport (the port is in network order).
#[test]
fn services_are_found_by_name_and_port() {
    let _watch = watch();
    startup();
    let http = Ok(("http".to_owned(), 80, "tcp".to_owned()));
    set_last_error(UNTOUCHED);
    assert_eq!(service_by_name(c"http", Some(c"tcp")), http);
    assert_eq!(wsa_error(), 0);
    assert_eq!(service_by_name(c"HTTP", Some(c"TCP")), http);
    assert_eq!(service_by_name(c"http", None), http);
    assert_eq!(service_by_port(80, Some(c"tcp")), http);
    assert_eq!(service_by_port(80, None), http);
    let domain = Ok(("domain".to_owned(), 53, "udp".to_owned()));
    assert_eq!(service_by_name(c"domain", Some(c"udp")), domain);
    assert_eq!(service_by_port(53, Some(c"udp")), domain);
}

/// An unknown service is WSANO_DATA.
/// Source: getservbyname and getservbyport, WSANO_DATA.
#[test]
fn unknown_services_are_no_data() {
    let _watch = watch();
    startup();
    assert_eq!(
        service_by_name(c"no-such-service", Some(c"tcp")),
        Err(WSANO_DATA)
    );
    assert_eq!(
        service_by_name(c"http", Some(c"no-such-protocol")),
        Err(WSANO_DATA)
    );
    assert_eq!(service_by_port(4, Some(c"tcp")), Err(WSANO_DATA));
}

/// Each thread has its place for an answer, and the next answer comes into the same one.
/// Source: getservbyname, remarks (the structure belongs to the thread); one place validated on Windows.
#[test]
fn answers_belong_to_the_thread() {
    let _watch = watch();
    startup();
    let ask = |name: &CStr| {
        // SAFETY: the name is terminated.
        let answer = unsafe { getservbyname(name.as_ptr().cast(), null()) };
        assert!(!answer.is_null());
        answer as usize
    };
    let mine = ask(c"telnet");
    let theirs = spawn(move || {
        let theirs = ask(c"http");
        assert_ne!(mine, theirs);
        // SAFETY: this thread's latest answer.
        assert_eq!(unsafe { text((*(theirs as *mut SERVENT)).s_name) }, "http");
        theirs
    });
    theirs.join();
    // SAFETY: this thread's latest answer: nobody else's call has overwritten it.
    assert_eq!(unsafe { text((*(mine as *mut SERVENT)).s_name) }, "telnet");
    assert_eq!(ask(c"domain"), mine);
}

/// What a PROTOENT says: name and number.
///
/// # Safety
/// `protocol` is null or this thread's answer.
unsafe fn read_protocol(protocol: *mut PROTOENT) -> Result<(String, i16), WSA_ERROR> {
    if protocol.is_null() {
        return Err(wsa_error());
    }
    // SAFETY: an answer.
    unsafe {
        pointers((*protocol).p_aliases);
        Ok((text((*protocol).p_name), (*protocol).p_proto))
    }
}

/// Protocols are found by name, whatever the case, and by number; an unknown one is WSANO_DATA.
/// Source: getprotobyname; getprotobynumber; the case validated on Windows.
#[test]
fn protocols_are_found_by_name_and_number() {
    let _watch = watch();
    startup();
    // SAFETY: the names are terminated; the answers are read at once.
    let by_name = |name: &CStr| unsafe { read_protocol(getprotobyname(name.as_ptr().cast())) };
    // SAFETY: takes no pointers; the answer is read at once.
    let by_number = |number| unsafe { read_protocol(getprotobynumber(number)) };
    for (name, capitals, number) in [
        (c"tcp", c"TCP", 6),
        (c"udp", c"UDP", 17),
        (c"icmp", c"ICMP", 1),
    ] {
        let expected = Ok((name.to_str().expect("ASCII").to_owned(), number));
        set_last_error(UNTOUCHED);
        assert_eq!((by_name(name), wsa_error()), (expected.clone(), 0));
        assert_eq!(by_name(capitals), expected);
        assert_eq!(by_number(i32::from(number)), expected);
    }
    assert_eq!(by_name(c"no-such-protocol"), Err(WSANO_DATA));
    assert_eq!(by_number(255), Err(WSANO_DATA));
}

/// Before WSAStartup nothing is looked up.
/// Source: gethostname, gethostbyname, getservbyname and getprotobyname, WSANOTINITIALISED; gethostbyname validated
/// on Windows.
#[test]
fn names_need_a_startup() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(host_by_name(c"localhost"), Err(WSANOTINITIALISED));
        differs_under_wine("Wine answers all the same", || {
            assert_eq!(host_name(256).0, Err(WSANOTINITIALISED));
            assert_eq!(service_by_name(c"http", None), Err(WSANOTINITIALISED));
            // SAFETY: takes no pointers; the answer is read at once.
            let protocol = unsafe { read_protocol(getprotobynumber(6)) };
            assert_eq!(protocol, Err(WSANOTINITIALISED));
        });
    });
}
