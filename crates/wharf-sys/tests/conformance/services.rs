//! Providers of name spaces, and services and their classes in that of DNS.

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// Why Wine cannot judge these tests.
const STUB: &str = "has the functions only by name";

/// The provider of the name space of DNS.
const DNS: GUID = GUID::from_u128(0x22059D40_7E9E_11CF_AE5A_00AA00A7112B);
const NOBODY: GUID = GUID::from_u128(0x77617266_0000_0000_0000_000000000000);

fn same(one: &GUID, other: &GUID) -> bool {
    (one.data1, one.data2, one.data3, one.data4)
        == (other.data1, other.data2, other.data3, other.data4)
}

/// Memory for structures and what they point to.
fn buffer() -> Vec<u64> {
    vec![0; 100]
}

/// The text at a pointer, in 8-bit units.
fn text(at: PSTR) -> String {
    // SAFETY: what the function told, which is in a buffer that still lives.
    let text = unsafe { CStr::from_ptr(at.cast()) };
    text.to_str().unwrap().to_owned()
}

/// The same in 16-bit units.
fn wide_text(at: PWSTR) -> String {
    // SAFETY: as above.
    let unit = |index| unsafe { at.add(index).read_unaligned() };
    let units: Vec<u16> = (0..).map(unit).take_while(|unit| *unit != 0).collect();
    String::from_utf16(&units).unwrap()
}

/// Asks with ever the same arguments: no buffer and no room, too little, enough. Answers the length and the buffer.
fn with_enough_room(ask: impl Fn(&mut u32, *mut u64) -> i32) -> (i32, Vec<u64>) {
    let mut memory = buffer();
    let mut needed = 0;
    assert_eq!(ask(&mut needed, memory.as_mut_ptr()), SOCKET_ERROR);
    assert_eq!(wsa_error(), WSAEFAULT);
    assert!((1..800).contains(&needed), "{needed}");
    let mut less = needed - 1;
    assert_eq!(ask(&mut less, memory.as_mut_ptr()), SOCKET_ERROR);
    assert_eq!((wsa_error(), less), (WSAEFAULT, needed));
    assert!(memory.iter().all(|word| *word == 0), "nothing is written");
    let answer = ask(&mut needed, memory.as_mut_ptr());
    (answer, memory)
}

/// There is one name space, that of DNS, under the provider that queries take.
/// Source: WSAEnumNameSpaceProviders, WSANAMESPACE_INFO, WSANAMESPACE_INFOEX.
#[test]
fn name_space_of_dns_is_listed() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        // SAFETY: buffers of the lengths that are said, from which the structures are read.
        unsafe {
            let (count, memory) = with_enough_room(|length, buffer| {
                WSAEnumNameSpaceProvidersA(length, buffer.cast())
            });
            let info = &*memory.as_ptr().cast::<WSANAMESPACE_INFOA>();
            assert!(count == 1 && same(&info.NSProviderId, &DNS));
            assert_eq!(info.dwNameSpace, NS_DNS);
            assert_eq!((info.fActive, info.dwVersion), (TRUE, 0));
            assert_eq!(text(info.lpszIdentifier), "Tcpip");

            let (count, memory) = with_enough_room(|length, buffer| {
                WSAEnumNameSpaceProvidersW(length, buffer.cast())
            });
            let info = &*memory.as_ptr().cast::<WSANAMESPACE_INFOW>();
            assert!(count == 1 && same(&info.NSProviderId, &DNS));
            assert_eq!(wide_text(info.lpszIdentifier), "Tcpip");

            let (count, memory) = with_enough_room(|length, buffer| {
                WSAEnumNameSpaceProvidersExA(length, buffer.cast())
            });
            let info = &*memory.as_ptr().cast::<WSANAMESPACE_INFOEXA>();
            assert!(count == 1 && same(&info.NSProviderId, &DNS));
            assert_eq!((info.dwNameSpace, info.fActive), (NS_DNS, TRUE));
            assert_eq!(text(info.lpszIdentifier), "Tcpip");
            assert_eq!(info.ProviderSpecific.cbSize, 0);

            let (count, memory) = with_enough_room(|length, buffer| {
                WSAEnumNameSpaceProvidersExW(length, buffer.cast())
            });
            let info = &*memory.as_ptr().cast::<WSANAMESPACE_INFOEXW>();
            assert!(count == 1 && same(&info.NSProviderId, &DNS));
            assert_eq!(wide_text(info.lpszIdentifier), "Tcpip");
        }
    });
}

/// Null pointers are WSAEFAULT; without a buffer the length is told.
/// Source: WSAEnumNameSpaceProviders, WSAEFAULT.
#[test]
fn name_spaces_need_a_buffer() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        let mut length = 500;
        // SAFETY: nulls are what is tested.
        unsafe {
            assert_eq!(
                WSAEnumNameSpaceProvidersA(null_mut(), null_mut()),
                SOCKET_ERROR
            );
            assert_eq!(wsa_error(), WSAEFAULT);
            assert_eq!(
                WSAEnumNameSpaceProvidersExW(&mut length, null_mut()),
                SOCKET_ERROR
            );
            assert_eq!(wsa_error(), WSAEFAULT);
        }
        assert!(length < 500 && length > size_of::<WSANAMESPACE_INFOEXW>() as u32);
    });
}

// --- Classes of services ---------------------------------------------------------------------------

/// A class with one value for each of these name spaces: a port.
struct Class {
    id: GUID,
    name: &'static CStr,
    values: Vec<(&'static CStr, u32, u32)>,
}

impl Class {
    fn new(number: u32, values: &[(&'static CStr, u32, u32)]) -> Class {
        Class {
            id: GUID {
                data1: number,
                ..NOBODY
            },
            name: c"Lighthouse",
            values: values.to_vec(),
        }
    }

    fn install(&mut self) -> Result<(), WSA_ERROR> {
        let mut infos: Vec<_> = self
            .values
            .iter_mut()
            .map(|(name, name_space, port)| WSANSCLASSINFOA {
                lpszName: name.as_ptr() as PSTR,
                dwNameSpace: *name_space,
                dwValueType: REG_DWORD,
                dwValueSize: 4,
                lpValue: std::ptr::from_mut(port).cast(),
            })
            .collect();
        let info = WSASERVICECLASSINFOA {
            lpServiceClassId: &mut self.id,
            lpszServiceClassName: self.name.as_ptr() as PSTR,
            dwCount: infos.len() as u32,
            lpClassInfos: infos.as_mut_ptr(),
        };
        // SAFETY: all of it lives through the call.
        check(unsafe { WSAInstallServiceClassA(&info) })
    }
}

fn remove(id: &GUID) -> Result<(), WSA_ERROR> {
    // SAFETY: a valid pointer.
    check(unsafe { WSARemoveServiceClass(id) })
}

/// What is told of a class: its name, and its values with their name spaces.
fn told(id: &GUID) -> (String, Vec<(String, u32, u32)>) {
    let (answer, memory) = with_enough_room(|length, buffer| {
        // SAFETY: a buffer of that length.
        unsafe { WSAGetServiceClassInfoA(&DNS, id, length, buffer.cast()) }
    });
    assert_eq!(answer, 0, "{}", wsa_error());
    // SAFETY: what was told, in memory that still lives.
    unsafe {
        let info = &*memory.as_ptr().cast::<WSASERVICECLASSINFOA>();
        assert!(same(&*info.lpServiceClassId, id));
        let value = |index| {
            let value = &*info.lpClassInfos.add(index);
            assert_eq!((value.dwValueType, value.dwValueSize), (REG_DWORD, 4));
            let port = value.lpValue.cast::<u32>().read_unaligned();
            (text(value.lpszName), value.dwNameSpace, port)
        };
        let values = (0..info.dwCount as usize).map(value).collect();
        (text(info.lpszServiceClassName), values)
    }
}

/// A class that a program installs can be asked for until it is removed; once only it is installed.
/// Source: WSAInstallServiceClass (WSAEALREADY), WSAGetServiceClassInfo (WSATYPE_NOT_FOUND), WSARemoveServiceClass
/// (WSATYPE_NOT_FOUND); a provider need keep only the values that "are applicable to the namespaces" it supports.
#[test]
fn class_is_installed_and_removed() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        let values = [
            (c"TcpPort", NS_DNS, 4711),
            (c"SapId", NS_NETBT, 1),
            (c"Anything", NS_ALL, 5),
        ];
        let mut class = Class::new(0xAB01, &values);
        assert_eq!(remove(&class.id), Err(WSATYPE_NOT_FOUND));
        assert_eq!(class.install(), Ok(()));
        assert_eq!(class.install(), Err(WSAEALREADY));
        let (name, values) = told(&class.id);
        assert_eq!(name, "Lighthouse");
        let expected = [("TcpPort", NS_DNS, 4711), ("Anything", NS_ALL, 5)];
        let expected = expected.map(|(name, space, port)| (name.to_owned(), space, port));
        assert_eq!(values, expected);
        assert_eq!(remove(&class.id), Ok(()));
        let mut memory = buffer();
        let mut length = 800;
        // SAFETY: a buffer of that length.
        let gone = check(unsafe {
            WSAGetServiceClassInfoA(&DNS, &class.id, &mut length, memory.as_mut_ptr().cast())
        });
        assert_eq!(gone, Err(WSATYPE_NOT_FOUND));
        assert_eq!(remove(&class.id), Err(WSATYPE_NOT_FOUND));
    });
}

/// In wide characters the same class is told.
/// Source: WSAInstallServiceClassW, WSAGetServiceClassInfoW, WSAGetServiceClassNameByClassIdW.
#[test]
fn class_in_wide_characters() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        let wide = |text: &str| -> Vec<u16> { text.encode_utf16().chain([0]).collect() };
        let mut class = Class::new(0xAB02, &[]);
        let (mut name, mut value_name, mut port) = (wide("Lüchttoorn"), wide("TcpPort"), 99u32);
        let mut value = WSANSCLASSINFOW {
            lpszName: value_name.as_mut_ptr(),
            dwNameSpace: NS_DNS,
            dwValueType: REG_DWORD,
            dwValueSize: 4,
            lpValue: (&raw mut port).cast(),
        };
        let info = WSASERVICECLASSINFOW {
            lpServiceClassId: &mut class.id,
            lpszServiceClassName: name.as_mut_ptr(),
            dwCount: 1,
            lpClassInfos: &mut value,
        };
        // SAFETY: all of it lives through the calls.
        unsafe {
            assert_eq!(check(WSAInstallServiceClassW(&info)), Ok(()));
            let (answer, memory) = with_enough_room(|length, buffer| {
                WSAGetServiceClassInfoW(&DNS, &class.id, length, buffer.cast())
            });
            assert_eq!(answer, 0);
            let info = &*memory.as_ptr().cast::<WSASERVICECLASSINFOW>();
            assert_eq!(wide_text(info.lpszServiceClassName), "Lüchttoorn");
            assert_eq!(wide_text((*info.lpClassInfos).lpszName), "TcpPort");
            let mut length = 20;
            let mut out = [0u16; 20];
            let told = WSAGetServiceClassNameByClassIdW(&class.id, out.as_mut_ptr(), &mut length);
            assert_eq!((told, length), (0, 11), "with its zero");
            assert_eq!(wide_text(out.as_mut_ptr()), "Lüchttoorn");
        }
        assert_eq!(told(&class.id).0, "Lüchttoorn");
        assert_eq!(remove(&class.id), Ok(()));
    });
}

/// The classes of svcguid.h are there: those of hosts, and of the ports of TCP and UDP whose services have names. They cannot
/// be replaced or removed; of another port a program may make a class of its own.
/// Source: svcguid.h; WSAGetServiceClassNameByClassId ("the generic service name, like FTP or SNA"); WSANSCLASSINFO.
#[test]
fn well_known_classes_are_there() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        let value = |name: &str, port| vec![(name.to_owned(), NS_DNS, port)];
        let telnet = ("telnet".to_owned(), value("TcpPort", 23));
        assert_eq!(told(&SVCID_TCP(23)), telnet);
        let domain = ("domain".to_owned(), value("UdpPort", 53));
        assert_eq!(told(&SVCID_UDP(53)), domain);
        for id in [
            SVCID_HOSTNAME,
            SVCID_INET_HOSTADDRBYNAME,
            SVCID_INET_HOSTADDRBYINETSTRING,
        ] {
            let (name, values) = told(&id);
            assert!(!name.is_empty() && values.is_empty(), "{name}");
        }
        for id in [SVCID_HOSTNAME, SVCID_TCP(23)] {
            let mut class = Class {
                id,
                ..Class::new(0, &[])
            };
            assert_eq!(class.install(), Err(WSAEALREADY));
            assert_eq!(remove(&id), Err(WSAEACCES));
        }
        let mut class = Class {
            id: SVCID_TCP(47_113),
            ..Class::new(0, &[])
        };
        assert_eq!(remove(&class.id), Err(WSATYPE_NOT_FOUND));
        assert_eq!(class.install(), Ok(()));
        assert_eq!(told(&class.id).0, "Lighthouse");
        assert_eq!(remove(&class.id), Ok(()));
    });
}

/// The name of a class: without room for it and its zero the length is told.
/// Source: WSAGetServiceClassNameByClassId, WSAEFAULT, WSA_INVALID_PARAMETER, WSANO_DATA.
#[test]
fn name_of_a_class_needs_room() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        let ask = |id: *const GUID, out: Option<&mut [u8]>, length: *mut u32| {
            let out = out.map_or(null_mut(), |out| out.as_mut_ptr());
            // SAFETY: null, or of the length that is said.
            check(unsafe { WSAGetServiceClassNameByClassIdA(id, out, length) })
        };
        let telnet = SVCID_TCP(23);
        let (mut out, mut length) = ([b'x'; 8], 6);
        assert_eq!(ask(&telnet, Some(&mut out), &mut length), Err(WSAEFAULT));
        assert_eq!((length, out), (7, [b'x'; 8]));
        assert_eq!(ask(&telnet, Some(&mut out), &mut length), Ok(()));
        assert_eq!((length, &out), (7, b"telnet\0x"));
        assert_eq!(ask(&telnet, None, &mut length), Err(WSAEFAULT));
        assert_eq!(ask(&telnet, Some(&mut out), null_mut()), Err(WSAEFAULT));
        let none = ask(null(), Some(&mut out), &mut length);
        assert_eq!(none, Err(WSA_INVALID_PARAMETER));
        let unknown = ask(&NOBODY, Some(&mut out), &mut length);
        assert_eq!(unknown, Err(WSANO_DATA));
    });
}

/// A class needs an identifier, a name, and whatever it says it has.
/// Source: WSAInstallServiceClass, WSAGetServiceClassInfo and WSARemoveServiceClass, WSAEINVAL.
#[test]
fn classes_must_make_sense() {
    let _watch = watch();
    startup();
    differs_under_wine(STUB, || {
        let (mut id, name) = (NOBODY, c"Lighthouse".as_ptr() as PSTR);
        let good = WSASERVICECLASSINFOA {
            lpServiceClassId: &mut id,
            lpszServiceClassName: name,
            dwCount: 0,
            lpClassInfos: null_mut(),
        };
        let mut value = WSANSCLASSINFOA {
            lpszName: name,
            dwNameSpace: NS_DNS,
            dwValueType: REG_DWORD,
            dwValueSize: 4,
            lpValue: null_mut(),
        };
        let mut nameless = WSANSCLASSINFOA {
            lpszName: null_mut(),
            dwValueSize: 0,
            ..value
        };
        for wrong in [
            WSASERVICECLASSINFOA {
                lpServiceClassId: null_mut(),
                ..good
            },
            WSASERVICECLASSINFOA {
                lpszServiceClassName: null_mut(),
                ..good
            },
            WSASERVICECLASSINFOA {
                lpszServiceClassName: c"".as_ptr() as PSTR,
                ..good
            },
            WSASERVICECLASSINFOA { dwCount: 1, ..good },
            WSASERVICECLASSINFOA {
                dwCount: 1,
                lpClassInfos: &mut value,
                ..good
            },
            WSASERVICECLASSINFOA {
                dwCount: 1,
                lpClassInfos: &mut nameless,
                ..good
            },
        ] {
            // SAFETY: all of it lives through the call.
            let refused = check(unsafe { WSAInstallServiceClassA(&wrong) });
            assert_eq!(refused, Err(WSAEINVAL));
        }
        // SAFETY: nulls are what is tested; the rest is valid.
        unsafe {
            assert_eq!(check(WSAInstallServiceClassA(null())), Err(WSAEINVAL));
            assert_eq!(check(WSARemoveServiceClass(null())), Err(WSAEINVAL));
            let mut memory = buffer();
            let mut length = 800;
            let out = memory.as_mut_ptr().cast();
            let telnet = SVCID_TCP(23);
            let size = &raw mut length;
            let (dns, nobody, telnet) = (&DNS, &NOBODY, &telnet);
            for (provider, id, size, out) in [
                (null(), &raw const *telnet, size, out),
                (&raw const *dns, null(), size, out),
                (dns, telnet, null_mut(), out),
                (dns, telnet, size, null_mut()),
                (nobody, telnet, size, out),
            ] {
                let refused = check(WSAGetServiceClassInfoA(provider, id, size, out));
                assert_eq!(refused, Err(WSAEINVAL));
            }
        }
    });
}

// --- Services --------------------------------------------------------------------------------------

/// Registering a service in DNS and letting it go is to do nothing; none was there to delete.
/// Source: WSASetService ("this is an NOP for the DNS namespace"; WSASERVICE_NOT_FOUND; the provider decides, else the name
/// space).
#[test]
fn services_are_not_kept_in_dns() {
    let _watch = watch();
    startup();
    not_under_wine("accepts everything", || {
        let (mut class, mut provider) = (SVCID_TCP(23), DNS);
        let class = &raw mut class;
        let by_name_space = |name_space| WSAQUERYSETA {
            dwSize: size_of::<WSAQUERYSETA>() as u32,
            lpszServiceInstanceName: c"Lighthouse".as_ptr() as PSTR,
            lpServiceClassId: class,
            dwNameSpace: name_space,
            ..Default::default()
        };
        let set = |service: &WSAQUERYSETA, operation| {
            // SAFETY: all of it lives through the call.
            check(unsafe { WSASetServiceA(service, operation, SERVICE_MULTIPLE) })
        };
        let by_provider = WSAQUERYSETA {
            lpNSProviderId: &raw mut provider,
            ..by_name_space(NS_NLA)
        };
        for service in [by_name_space(NS_DNS), by_name_space(NS_ALL), by_provider] {
            assert_eq!(set(&service, RNRSERVICE_REGISTER), Ok(()));
            assert_eq!(set(&service, RNRSERVICE_DEREGISTER), Ok(()));
            let deleted = set(&service, RNRSERVICE_DELETE);
            assert_eq!(deleted, Err(WSASERVICE_NOT_FOUND));
            assert_eq!(set(&service, 3), Err(WSAEINVAL));
        }
        let elsewhere = set(&by_name_space(NS_NLA), RNRSERVICE_REGISTER);
        assert_eq!(elsewhere, Err(WSASERVICE_NOT_FOUND));
        let mut nobody = NOBODY;
        let good = by_name_space(NS_DNS);
        for wrong in [
            WSAQUERYSETA { dwSize: 8, ..good },
            WSAQUERYSETA {
                lpServiceClassId: null_mut(),
                ..good
            },
            WSAQUERYSETA {
                lpszServiceInstanceName: null_mut(),
                ..good
            },
            WSAQUERYSETA {
                dwNumberOfCsAddrs: 1,
                ..good
            },
            WSAQUERYSETA {
                lpNSProviderId: &raw mut nobody,
                ..good
            },
        ] {
            assert_eq!(set(&wrong, RNRSERVICE_REGISTER), Err(WSAEINVAL));
        }
        let mut wide: Vec<u16> = "Lighthouse\0".encode_utf16().collect();
        let service = WSAQUERYSETW {
            dwSize: size_of::<WSAQUERYSETW>() as u32,
            lpszServiceInstanceName: wide.as_mut_ptr(),
            lpServiceClassId: class,
            dwNameSpace: NS_DNS,
            ..Default::default()
        };
        // SAFETY: null is tested, and the structure lives through the call.
        unsafe {
            let registered = WSASetServiceW(&service, RNRSERVICE_REGISTER, 0);
            assert_eq!(check(registered), Ok(()));
            let none = check(WSASetServiceW(null(), RNRSERVICE_REGISTER, 0));
            assert_eq!(none, Err(WSAEINVAL));
        }
    });
}
