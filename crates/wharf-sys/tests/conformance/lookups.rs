//! WSALookupServiceBegin and its like: queries of the name space of DNS, and waits for changes of what they found.

use std::ffi::{CStr, CString};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::window::*;

const KEY: usize = 0xAA;

/// Why Wine cannot judge these tests.
const STUB: &str = "has the functions only by name";

/// The least that is asked for.
const NAME_AND_ADDRESS: u32 = LUP_RETURN_NAME | LUP_RETURN_ADDR;

/// A query: what stands in WSAQUERYSET.
struct Query<'a> {
    name: Option<&'a CStr>,
    class: Option<GUID>,
    name_space: u32,
    protocols: &'a [(i32, i32)],
    query_string: Option<&'a CStr>,
    flags: u32,
}

impl<'a> Query<'a> {
    fn of(class: GUID, name: &'a CStr) -> Query<'a> {
        Query {
            name: Some(name),
            class: Some(class),
            name_space: NS_DNS,
            protocols: &[],
            query_string: None,
            flags: LUP_RETURN_ALL,
        }
    }

    /// WSALookupServiceBegin.
    fn begin(&self) -> Result<Lookup, WSA_ERROR> {
        startup();
        let text = |text: Option<&CStr>| text.map_or(null_mut(), |text| text.as_ptr().cast_mut());
        let mut class = self.class;
        let protocol = |&(family, protocol): &(i32, i32)| AFPROTOCOLS {
            iAddressFamily: family,
            iProtocol: protocol,
        };
        let mut protocols: Vec<_> = self.protocols.iter().map(protocol).collect();
        let set = WSAQUERYSETA {
            dwSize: size_of::<WSAQUERYSETA>() as u32,
            lpszServiceInstanceName: text(self.name).cast(),
            lpServiceClassId: class.as_mut().map_or(null_mut(), |class| class),
            dwNameSpace: self.name_space,
            dwNumberOfProtocols: protocols.len() as u32,
            lpafpProtocols: protocols.as_mut_ptr(),
            lpszQueryString: text(self.query_string).cast(),
            ..Default::default()
        };
        let mut handle = null_mut();
        // SAFETY: the structure and all that it points to live through the call.
        check(unsafe { WSALookupServiceBeginA(&set, self.flags, &mut handle) })?;
        Ok(Lookup(handle))
    }

    /// The first result; further ones are aliases or none.
    fn first(&self) -> Result<Found, WSA_ERROR> {
        self.begin()?.next(self.flags)
    }
}

/// The handle of a query, which ends with it.
struct Lookup(HANDLE);

// SAFETY: a handle may be used by every thread.
unsafe impl Send for Lookup {}
// SAFETY: as above.
unsafe impl Sync for Lookup {}

impl Drop for Lookup {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// What a result says; the pointers of its structure were followed.
#[derive(Debug, PartialEq)]
struct Found {
    name: Option<CString>,
    addresses: Vec<(SocketAddr, SocketAddr, i32, i32)>, // local, remote, type, protocol
    query_string: Option<CString>,
    has_class: bool,
    has_provider: bool,
    name_space: u32,
    size: u32,
    output_flags: u32,
}

impl Lookup {
    /// WSALookupServiceNext with as much room as it wants.
    fn next(&self, flags: u32) -> Result<Found, WSA_ERROR> {
        let mut buffer = [0u64; 1024];
        let mut length = size_of_val(&buffer) as u32;
        let set = buffer.as_mut_ptr().cast::<WSAQUERYSETA>();
        // SAFETY: the buffer has that length.
        check(unsafe { WSALookupServiceNextA(self.0, flags, &mut length, set) })?;
        // SAFETY: a result, in a buffer that is alive.
        Ok(unsafe { read_result(&*set) })
    }

    /// WSALookupServiceNext with room for `length` bytes: the length it stored.
    fn next_in(&self, flags: u32, length: u32) -> (Result<(), WSA_ERROR>, u32) {
        let mut buffer = [0u64; 1024];
        let mut stored = length;
        let set = buffer.as_mut_ptr().cast();
        // SAFETY: the buffer is longer than that.
        let result = check(unsafe { WSALookupServiceNextA(self.0, flags, &mut stored, set) });
        (result, stored)
    }

    /// WSANSPIoctl with SIO_NSP_NOTIFY_CHANGE.
    fn notify(&self, completion: Option<&WSACOMPLETION>) -> Result<(), WSA_ERROR> {
        self.control(SIO_NSP_NOTIFY_CHANGE, completion)
    }

    fn control(&self, code: u32, completion: Option<&WSACOMPLETION>) -> Result<(), WSA_ERROR> {
        let mut returned = 0;
        let completion = completion.map_or(null(), |completion| completion);
        // SAFETY: what the completion names outlives the wait in these tests.
        check(unsafe {
            WSANSPIoctl(
                self.0,
                code,
                null(),
                0,
                null_mut(),
                0,
                &mut returned,
                completion,
            )
        })
    }

    /// WSALookupServiceEnd.
    fn end(&self) -> Result<(), WSA_ERROR> {
        // SAFETY: a handle is looked up, not followed.
        check(unsafe { WSALookupServiceEnd(self.0) })
    }
}

/// # Safety
/// A result of WSALookupServiceNextA.
unsafe fn read_result(set: &WSAQUERYSETA) -> Found {
    let text = |text: PSTR| {
        // SAFETY: not null, so a string.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text.cast()) }.to_owned())
    };
    let address = |index: u32| {
        // SAFETY: within the list.
        let info = unsafe { &*set.lpcsaBuffer.add(index as usize) };
        let [local, remote] = [info.LocalAddr, info.RemoteAddr].map(|address| {
            let mut copy = Address::room().with_len(address.iSockaddrLength);
            // SAFETY: as long as it says, for which every address has room.
            unsafe {
                let from = address.lpSockaddr.cast::<u8>();
                let to = copy.as_mut_ptr().cast::<u8>();
                to.copy_from_nonoverlapping(from, copy.len as usize);
            }
            copy.get()
        });
        (local, remote, info.iSocketType, info.iProtocol)
    };
    Found {
        name: text(set.lpszServiceInstanceName),
        addresses: (0..set.dwNumberOfCsAddrs).map(address).collect(),
        query_string: text(set.lpszQueryString),
        has_class: !set.lpServiceClassId.is_null(),
        has_provider: !set.lpNSProviderId.is_null(),
        name_space: set.dwNameSpace,
        size: set.dwSize,
        output_flags: set.dwOutputFlags,
    }
}

fn localhost(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The IPv4 addresses of a host by name, each for TCP and for UDP, to connect to from anywhere; then there is no more.
/// Source: WSALookupServiceBegin; WSALookupServiceNext, query results; svcguid.h, SVCID_INET_HOSTADDRBYNAME.
#[test]
fn host_is_found_by_name() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        for (class, name_space) in [
            (SVCID_INET_HOSTADDRBYNAME, NS_DNS),
            (SVCID_INET_HOSTADDRBYNAME, NS_ALL),
            (SVCID_HOSTNAME, NS_DNS),
        ] {
            let query = Query {
                name_space,
                ..Query::of(class, c"localhost")
            };
            let lookup = query.begin().unwrap();
            let found = lookup.next(query.flags).unwrap();
            assert!(found.name.is_some_and(|name| !name.is_empty()));
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            for entry in [
                (any, localhost(0), SOCK_STREAM, IPPROTO_TCP),
                (any, localhost(0), SOCK_DGRAM, IPPROTO_UDP),
            ] {
                assert!(
                    found.addresses.contains(&entry),
                    "{entry:?} in {:?}",
                    found.addresses
                );
            }
            assert!(
                found
                    .addresses
                    .iter()
                    .all(|(_, remote, ..)| remote.is_ipv4())
            );
            assert_eq!((found.name_space, found.output_flags), (NS_DNS, 0));
            assert_eq!(found.size as usize, size_of::<WSAQUERYSETA>());
            assert!(found.has_class && found.has_provider);
            let aliases = std::iter::from_fn(|| match lookup.next(query.flags) {
                Ok(found) => Some(found),
                Err(error) => {
                    assert_eq!(error, WSA_E_NO_MORE);
                    None
                }
            });
            assert!(
                aliases
                    .fuse()
                    .all(|alias| alias.output_flags == RESULT_IS_ALIAS)
            );
            assert_eq!(lookup.next(query.flags), Err(WSA_E_NO_MORE));
            assert_eq!(lookup.end(), Ok(()));
        }
    });
}

/// Without a name the host is this one, whose name is told.
/// Source: svcguid.h, SVCID_HOSTNAME; gethostname.
#[test]
fn nameless_host_is_this_one() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let query = Query {
            name: None,
            flags: LUP_RETURN_NAME,
            ..Query::of(SVCID_HOSTNAME, c"")
        };
        let mut own = [0u8; 256];
        startup();
        // SAFETY: the buffer has that length.
        assert_eq!(unsafe { gethostname(own.as_mut_ptr(), 256) }, 0);
        let own = CStr::from_bytes_until_nul(&own).unwrap();
        assert_eq!(query.first().unwrap().name.as_deref(), Some(own));
    });
}

/// The class says what is found: a port with its protocol, records of a family, the host of an address.
/// Source: svcguid.h, SVCID_TCP, SVCID_UDP, SVCID_DNS, SVCID_INET_HOSTADDRBYINETSTRING.
#[test]
fn class_says_what_is_found() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let kinds_of = |class: GUID| {
            let found = Query::of(class, c"127.0.0.1").first().unwrap();
            let mut kinds = found.addresses.into_iter();
            let (_, remote, kind, protocol) = kinds.next().unwrap();
            assert_eq!(kinds.next(), None);
            (remote, kind, protocol)
        };
        let tcp = (localhost(80), SOCK_STREAM, IPPROTO_TCP);
        assert_eq!(kinds_of(SVCID_TCP(80)), tcp);
        let udp = (localhost(53), SOCK_DGRAM, IPPROTO_UDP);
        assert_eq!(kinds_of(SVCID_UDP(53)), udp);
        for (record, name) in [(1, c"127.0.0.1"), (28, c"::1")] {
            let found = Query::of(SVCID_DNS(record), name).first().unwrap();
            let (_, remote, ..) = found.addresses[0];
            assert_eq!(
                remote.ip(),
                name.to_str().unwrap().parse::<IpAddr>().unwrap()
            );
        }
        assert_eq!(
            Query::of(SVCID_DNS(28), c"127.0.0.1").first(),
            Err(WSANO_DATA)
        );
        let by_address = Query::of(SVCID_INET_HOSTADDRBYINETSTRING, c"127.0.0.1");
        let found = by_address.first().unwrap();
        assert_ne!(found.name.as_deref(), Some(c"127.0.0.1"), "it is a name");
        assert_eq!(found.addresses[0].1, localhost(0));
    });
}

/// A query may be restricted to families and protocols.
/// Source: WSALookupServiceBegin, dwNumberOfProtocols and lpafpProtocols.
#[test]
fn protocols_restrict_the_query() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let (v4, v6) = (Family::V4.number(), Family::V6.number());
        let found = |name, protocols: &[(i32, i32)]| {
            let query = Query {
                protocols,
                ..Query::of(SVCID_INET_HOSTADDRBYNAME, name)
            };
            let addresses = query.first()?.addresses.into_iter();
            let entries = addresses.map(|(_, remote, _, protocol)| (remote.is_ipv4(), protocol));
            Ok(entries.collect::<Vec<_>>())
        };
        let tcp_only = Ok(vec![(true, IPPROTO_TCP)]);
        assert_eq!(found(c"127.0.0.1", &[(v4, IPPROTO_TCP)]), tcp_only);
        assert_eq!(found(c"127.0.0.1", &[(0, IPPROTO_TCP)]), tcp_only);
        let both = Ok(vec![(true, IPPROTO_TCP), (true, IPPROTO_UDP)]);
        assert_eq!(found(c"127.0.0.1", &[(v6, 0), (v4, 0)]), both);
        let v6_udp = Ok(vec![(false, IPPROTO_UDP)]);
        assert_eq!(found(c"::1", &[(v6, IPPROTO_UDP)]), v6_udp);
        assert_eq!(found(c"127.0.0.1", &[(v6, 0)]), Err(WSANO_DATA));
    });
}

/// A result says what both calls ask for, and no more.
/// Source: WSALookupServiceNext, remarks ("restrictions are combined").
#[test]
fn result_says_what_both_calls_ask_for() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let query = |flags| Query {
            flags,
            query_string: Some(c"a text"),
            ..Query::of(SVCID_TCP(7), c"127.0.0.1")
        };
        let said = |begin: u32, next: u32| {
            let found = query(begin).begin().unwrap().next(next).unwrap();
            assert!(
                found
                    .query_string
                    .as_deref()
                    .is_none_or(|text| text == c"a text")
            );
            (
                found.name.is_some(),
                found.has_class,
                !found.addresses.is_empty(),
                found.query_string.is_some(),
            )
        };
        assert_eq!(
            said(LUP_RETURN_ALL, LUP_RETURN_ALL),
            (true, true, true, true)
        );
        assert_eq!(
            said(LUP_RETURN_ALL, LUP_RETURN_NAME),
            (true, false, false, false)
        );
        assert_eq!(
            said(LUP_RETURN_TYPE, LUP_RETURN_ALL),
            (false, true, false, false)
        );
        assert_eq!(
            said(LUP_RETURN_ADDR, LUP_RETURN_NAME),
            (false, false, false, false)
        );
        assert_eq!(
            said(LUP_RETURN_QUERY_STRING, LUP_RETURN_QUERY_STRING),
            (false, false, false, true)
        );
        for (begin, next) in [(LUP_RES_SERVICE, 0), (0, LUP_RES_SERVICE)] {
            let lookup = query(LUP_RETURN_ADDR | begin).begin().unwrap();
            let found = lookup.next(LUP_RETURN_ADDR | next).unwrap();
            let (local, remote, ..) = found.addresses[0];
            assert_eq!(local, localhost(7), "the answer is in the local part");
            assert_eq!(remote, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        }
    });
}

/// A result that has no room stays the next one, and the room it needs is told; LUP_FLUSHPREVIOUS skips it.
/// Source: WSALookupServiceNext, WSAEFAULT and LUP_FLUSHPREVIOUS.
#[test]
fn result_without_room_tells_its_size() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let query = Query {
            flags: NAME_AND_ADDRESS,
            ..Query::of(SVCID_TCP(7), c"127.0.0.1")
        };
        let lookup = query.begin().unwrap();
        let (result, needed) = lookup.next_in(query.flags, 0);
        assert_eq!(result, Err(WSAEFAULT));
        assert!(needed as usize > size_of::<WSAQUERYSETA>());
        let mut length = 4096;
        // SAFETY: a null buffer has no room.
        let nowhere =
            check(unsafe { WSALookupServiceNextA(lookup.0, query.flags, &mut length, null_mut()) });
        assert_eq!((nowhere, length), (Err(WSAEFAULT), needed));
        assert_eq!(
            lookup.next_in(query.flags, needed - 1),
            (Err(WSAEFAULT), needed)
        );
        assert_eq!(lookup.next_in(query.flags, needed).0, Ok(()));
        assert_eq!(lookup.next_in(query.flags, needed).0, Err(WSA_E_NO_MORE));

        let lookup = query.begin().unwrap();
        assert_eq!(lookup.next_in(query.flags, 8).0, Err(WSAEFAULT));
        let skipping = query.flags | LUP_FLUSHPREVIOUS;
        assert_eq!(lookup.next_in(skipping, needed).0, Err(WSA_E_NO_MORE));
        let lookup = query.begin().unwrap();
        assert_eq!(
            lookup.next_in(skipping, needed).0,
            Ok(()),
            "there is nothing to skip yet"
        );
        // SAFETY: nulls are allowed here.
        let lengthless =
            check(unsafe { WSALookupServiceNextA(lookup.0, query.flags, null_mut(), null_mut()) });
        assert_eq!(lengthless, Err(WSAEFAULT));
    });
}

/// Both widths find the same.
/// Source: WSALookupServiceBeginW; WSALookupServiceNextW.
#[test]
fn wide_texts_are_taken_and_given() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        startup();
        let mut name: Vec<u16> = "127.0.0.1\0".encode_utf16().collect();
        let mut class = SVCID_TCP(7);
        let set = WSAQUERYSETW {
            dwSize: size_of::<WSAQUERYSETW>() as u32,
            lpszServiceInstanceName: name.as_mut_ptr(),
            lpServiceClassId: &mut class,
            dwNameSpace: NS_ALL,
            ..Default::default()
        };
        let mut handle = null_mut();
        // SAFETY: the structure and all that it points to live through the call.
        check(unsafe { WSALookupServiceBeginW(&set, NAME_AND_ADDRESS, &mut handle) }).unwrap();
        let lookup = Lookup(handle);
        let mut buffer = [0u64; 512];
        let mut length = size_of_val(&buffer) as u32;
        let found = buffer.as_mut_ptr().cast::<WSAQUERYSETW>();
        // SAFETY: the buffer has that length.
        let result =
            check(unsafe { WSALookupServiceNextW(lookup.0, NAME_AND_ADDRESS, &mut length, found) });
        assert_eq!(result, Ok(()));
        // SAFETY: a result, in a buffer that is alive.
        let (text, count) =
            unsafe { ((*found).lpszServiceInstanceName, (*found).dwNumberOfCsAddrs) };
        // SAFETY: as long as the name and its zero.
        let text = unsafe { std::slice::from_raw_parts(text, name.len()) };
        assert_eq!((text, count), (&name[..], 1));
    });
}

/// What cannot be asked is refused, and what is not there is not found.
/// Source: WSALookupServiceBegin, WSAEINVAL, WSASERVICE_NOT_FOUND and WSANO_DATA.
#[test]
fn query_must_make_sense() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let host = || Query::of(SVCID_INET_HOSTADDRBYNAME, c"localhost");
        let begin = |query: Query<'_>| query.begin().err();
        assert_eq!(
            begin(Query {
                class: None,
                ..host()
            }),
            Some(WSAEINVAL)
        );
        assert_eq!(
            begin(Query {
                name_space: NS_NLA,
                ..host()
            }),
            Some(WSASERVICE_NOT_FOUND)
        );
        assert_eq!(
            begin(Query {
                flags: LUP_CONTAINERS,
                ..host()
            }),
            Some(WSANO_DATA)
        );
        assert_eq!(
            begin(Query {
                name: None,
                ..Query::of(SVCID_TCP(7), c"")
            }),
            Some(WSAEINVAL)
        );
        assert_eq!(
            begin(Query::of(GUID::from_u128(7), c"localhost")),
            Some(WSASERVICE_NOT_FOUND)
        );

        let unknown = Query::of(SVCID_INET_HOSTADDRBYNAME, c"no-such-host.invalid");
        let lookup = unknown.begin().unwrap();
        assert_eq!(lookup.next(unknown.flags), Err(WSASERVICE_NOT_FOUND));

        let mut class = SVCID_HOSTNAME;
        let mut provider = GUID::from_u128(7);
        let mut set = WSAQUERYSETA {
            dwSize: size_of::<WSAQUERYSETA>() as u32,
            lpServiceClassId: &mut class,
            dwNameSpace: NS_DNS,
            ..Default::default()
        };
        let mut handle = null_mut();
        let refused = |set: *const WSAQUERYSETA, handle: *mut HANDLE| {
            // SAFETY: null or valid.
            check(unsafe { WSALookupServiceBeginA(set, 0, handle) }).err()
        };
        assert_eq!(refused(null(), &mut handle), Some(WSAEFAULT));
        assert_eq!(refused(&set, null_mut()), Some(WSAEFAULT));
        set.dwSize -= 1;
        assert_eq!(refused(&set, &mut handle), Some(WSAEINVAL));
        set.dwSize += 1;
        set.lpNSProviderId = &mut provider;
        assert_eq!(refused(&set, &mut handle), Some(WSAEINVAL));
    });
}

/// A handle of a query is no other handle, and the other way around; it ends once.
/// Source: WSALookupServiceNext, WSALookupServiceEnd and WSANSPIoctl, WSA_INVALID_HANDLE.
#[test]
fn handles_of_queries_are_their_own() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let lookup = Query::of(SVCID_HOSTNAME, c"").begin().unwrap();
        fails_with(FALSE, ERROR_INVALID_HANDLE, || close_handle(lookup.0));
        let event = Event::manual();
        for handle in [null_mut(), GARBAGE_HANDLE, event.raw()] {
            let other = mem::ManuallyDrop::new(Lookup(handle));
            assert_eq!(other.next(0), Err(WSA_INVALID_HANDLE));
            assert_eq!(other.notify(None), Err(WSA_INVALID_HANDLE));
            assert_eq!(other.end(), Err(WSA_INVALID_HANDLE));
        }
        assert_eq!(lookup.end(), Ok(()));
        assert_eq!(lookup.end(), Err(WSA_INVALID_HANDLE));
    });
}

/// The results are as they were: a poll says WSAEWOULDBLOCK. Other codes are not supported.
/// Source: WSANSPIoctl, SIO_NSP_NOTIFY_CHANGE with lpCompletion NULL; WSAEOPNOTSUPP.
#[test]
fn poll_for_changes_finds_none() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let lookup = Query::of(SVCID_HOSTNAME, c"").begin().unwrap();
        assert_eq!(lookup.notify(None), Err(WSAEWOULDBLOCK));
        lookup.next(0).unwrap();
        assert_eq!(lookup.notify(None), Err(WSAEWOULDBLOCK));
        assert_eq!(lookup.control(SIO_FLUSH, None), Err(WSAEOPNOTSUPP));
    });
}

/// A wait for a change, told in the way of that type.
fn completion(kind: WSACOMPLETIONTYPE, parameters: WSACOMPLETION_0) -> WSACOMPLETION {
    WSACOMPLETION {
        Type: kind,
        Parameters: parameters,
    }
}

fn by_event(request: &Request) -> WSACOMPLETION {
    let event = WSACOMPLETION_0_1 {
        lpOverlapped: request.overlapped(),
    };
    completion(NSP_NOTIFY_EVENT, WSACOMPLETION_0 { Event: event })
}

fn by_port(request: &Request, port: &Port) -> WSACOMPLETION {
    let to = WSACOMPLETION_0_3 {
        lpOverlapped: request.overlapped(),
        hPort: port.raw(),
        Key: KEY,
    };
    completion(NSP_NOTIFY_PORT, WSACOMPLETION_0 { Port: to })
}

/// A wait for a change pends until the query ends, and is then told as aborted, each in its own way.
/// Source: WSANSPIoctl, WSA_IO_PENDING and remarks ("To cancel an asynchronous notification request"); WSACOMPLETION.
#[test]
fn waits_for_changes_end_with_the_query() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let lookup = Query::of(SVCID_HOSTNAME, c"").begin().unwrap();
        let (event, port) = (Event::manual(), Port::new(0));
        let requests = [(); 3].map(|()| Request::new(0));
        let [for_event, for_port, for_routine] = requests;
        let for_event = for_event.with_event(event.raw());
        let apc = WSACOMPLETION_0_2 {
            lpOverlapped: for_routine.overlapped(),
            lpfnCompletionProc: ROUTINE,
        };
        let pending = Err(WSA_IO_PENDING);
        event.set(); // the call resets it
        assert_eq!(lookup.notify(Some(&by_event(&for_event))), pending);
        assert_eq!(lookup.notify(Some(&by_port(&for_port, &port))), pending);
        let by_routine = completion(NSP_NOTIFY_APC, WSACOMPLETION_0 { Apc: apc });
        assert_eq!(lookup.notify(Some(&by_routine)), pending);
        let at_once = completion(NSP_NOTIFY_IMMEDIATELY, WSACOMPLETION_0::default());
        assert_eq!(lookup.notify(Some(&at_once)), pending);
        for request in [&for_event, &for_port, &for_routine] {
            let _ = request.note(PENDING);
            assert!(request.has_status(STATUS_PENDING));
        }
        assert!(!event.wait(QUIET_MS));
        assert_eq!((sleep_alertable(0), routines_run()), (0, vec![]));

        assert_eq!(lookup.end(), Ok(()));
        assert!(event.wait(0));
        assert_eq!(next(&port), for_port.failure(KEY, ERROR_OPERATION_ABORTED));
        assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
        assert_eq!(
            routines_run(),
            [for_routine.routine_failure(WSA_OPERATION_ABORTED)]
        );
        for request in [&for_event, &for_port, &for_routine] {
            assert!(request.has_status(STATUS_CANCELLED));
        }
        assert_empty(&port);
    });
}

/// The end of the query is no message to a window.
/// Source: WSANSPIoctl, remarks ("will not post any message").
#[test]
fn window_is_not_told_of_the_end() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let lookup = Query::of(SVCID_HOSTNAME, c"").begin().unwrap();
        let class = Class::new("lookup");
        let window = class.window();
        let to = WSACOMPLETION_0_0 {
            hWnd: window.raw(),
            uMsg: WM_USER,
            context: KEY,
        };
        let message = |to| completion(NSP_NOTIFY_HWND, WSACOMPLETION_0 { WindowMessage: to });
        assert_eq!(lookup.notify(Some(&message(to))), Err(WSA_IO_PENDING));
        let nobody = WSACOMPLETION_0_0 {
            hWnd: GARBAGE_HANDLE,
            ..to
        };
        assert_eq!(lookup.notify(Some(&message(nobody))), Err(WSAEINVAL));
        assert_eq!(lookup.end(), Ok(()));
        assert_eq!(peek(), None);
    });
}

/// What cannot tell of a change is refused.
/// Source: WSANSPIoctl, WSAEFAULT and WSAEINVAL.
#[test]
fn wait_must_be_told_somehow() {
    let _watch = watch();
    differs_under_wine(STUB, || {
        let lookup = Query::of(SVCID_HOSTNAME, c"").begin().unwrap();
        let (request, port) = (Request::new(0), Port::new(0));
        let nothing = WSACOMPLETION_0::default();
        for kind in [NSP_NOTIFY_EVENT, NSP_NOTIFY_APC] {
            assert_eq!(
                lookup.notify(Some(&completion(kind, nothing))),
                Err(WSAEFAULT)
            );
        }
        assert_eq!(
            lookup.notify(Some(&completion(99, nothing))),
            Err(WSAEINVAL)
        );
        let mut to_port = by_port(&request, &port);
        to_port.Parameters.Port.hPort = GARBAGE_HANDLE;
        assert_eq!(lookup.notify(Some(&to_port)), Err(WSAEINVAL));
        let of_no_event = Request::new(0).with_event(GARBAGE_HANDLE);
        assert_eq!(lookup.notify(Some(&by_event(&of_no_event))), Err(WSAEINVAL));
    });
}
