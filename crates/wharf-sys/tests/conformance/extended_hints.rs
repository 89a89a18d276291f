//! Hints of GetAddrInfoExW that have a version: AI_EXTENDED.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::names::{narrow, wide};
use crate::tcp::*;

/// Why Wine cannot judge these tests.
const ONE_VERSION: &str = "knows one version only";

const LOOPBACK_TEXT: &str = "127.0.0.1";

/// Hints of that version. What earlier versions do not have lies behind them, and is not looked at.
fn hints(version: u32, flags: u32) -> ADDRINFOEX6 {
    ADDRINFOEX6 {
        ai_flags: (AI_EXTENDED | flags) as i32,
        ai_version: version as i32,
        ai_socktype: SOCK_STREAM,
        ..Default::default()
    }
}

/// Looks a name up, and gives what was found to `look`.
fn look_up(hints: &ADDRINFOEX6, look: impl FnOnce(&ADDRINFOEX6)) -> Result<(), i32> {
    startup();
    let name = wide(LOOPBACK_TEXT);
    let mut list: *mut ADDRINFOEXW = null_mut();
    // SAFETY: everything lives through the call, and the hints are as long as those of any version.
    let code = unsafe {
        GetAddrInfoExW(
            name.as_ptr(),
            null(),
            NS_DNS,
            null(),
            std::ptr::from_ref(hints).cast(),
            &mut list,
            null(),
            null(),
            None,
            null_mut(),
        )
    };
    if code != 0 {
        assert!(list.is_null());
        return Err(code);
    }
    // SAFETY: an entry of that version; `look` looks at no more than it has.
    look(unsafe { &*list.cast() });
    // SAFETY: nobody uses it any more.
    unsafe { FreeAddrInfoExW(list) };
    Ok(())
}

/// The name at a pointer.
fn name(at: PWSTR) -> String {
    // SAFETY: terminated, and as long as this.
    narrow(unsafe { std::slice::from_raw_parts(at, LOOPBACK_TEXT.len() + 1) })
}

/// Hints of a version get entries of that version, with the names in their places.
/// Source: GetAddrInfoExW, AI_EXTENDED; addrinfoex3 to addrinfoex6; AI_FQDN ("returned in the first ai_fqdn member").
#[test]
fn entries_have_the_version_of_the_hints() {
    let _watch = watch();
    differs_under_wine(ONE_VERSION, || {
        for version in ADDRINFOEX_VERSION_2..=ADDRINFOEX_VERSION_6 {
            let hints = |flags| hints(version, flags);
            let plain = look_up(&hints(0), |found| {
                assert_eq!(found.ai_version, version as i32);
                assert!(found.ai_canonname.is_null() && found.ai_fqdn.is_null());
                assert_eq!(found.ai_family, i32::from(AF_INET));
                assert_eq!(found.ai_socktype, SOCK_STREAM);
                assert!(!found.ai_addr.is_null() && found.ai_next.is_null());
            });
            assert_eq!(plain, Ok(()));
            let canonical = look_up(&hints(AI_CANONNAME), |found| {
                assert_eq!(name(found.ai_canonname), LOOPBACK_TEXT);
                assert!(found.ai_fqdn.is_null());
            });
            assert_eq!(canonical, Ok(()));
            let qualified = look_up(&hints(AI_FQDN), |found| {
                assert_eq!(name(found.ai_fqdn), LOOPBACK_TEXT);
                assert!(found.ai_canonname.is_null());
            });
            assert_eq!(qualified, Ok(()));
            let both = look_up(&hints(AI_CANONNAME | AI_FQDN), |found| {
                assert_eq!(name(found.ai_canonname), LOOPBACK_TEXT);
                assert_eq!(name(found.ai_fqdn), LOOPBACK_TEXT);
            });
            assert_eq!(both, Ok(()));
        }
    });
}

/// The interface of the hints must exist; the entries tell it again. Version 2 has none.
/// Source: addrinfoex3, ai_interfaceindex.
#[test]
fn interface_must_exist() {
    let _watch = watch();
    differs_under_wine(ONE_VERSION, || {
        let at = |version, index| ADDRINFOEX6 {
            ai_interfaceindex: index,
            ..hints(version, 0)
        };
        for version in ADDRINFOEX_VERSION_3..=ADDRINFOEX_VERSION_6 {
            let found = look_up(&at(version, 1), |found| {
                assert_eq!(found.ai_interfaceindex, 1);
            });
            assert_eq!(found, Ok(()));
            for nowhere in [7777, -1] {
                assert_eq!(look_up(&at(version, nowhere), |_| ()), Err(WSAEINVAL));
            }
        }
        assert_eq!(look_up(&at(ADDRINFOEX_VERSION_2, 7777), |_| ()), Ok(()));
    });
}

/// What is asked of an answer and not known is null or 0.
/// Source: addrinfoex4, ai_resolutionhandle; addrinfoex5, ai_ttl; addrinfoex6, ai_responseflags.
#[test]
fn what_is_not_known_is_nothing() {
    let _watch = watch();
    not_under_wine(ONE_VERSION, || {
        let all = AI_RESOLUTION_HANDLE | AI_RETURN_TTL | AI_RETURN_RESPONSE_FLAGS;
        let found = look_up(&hints(ADDRINFOEX_VERSION_6, all), |found| {
            assert!(found.ai_resolutionhandle.is_null());
            assert_eq!((found.ai_ttl, found.ai_responseflags), (0, 0));
            assert!(found.ai_numservers == 0 && found.ai_servers.is_null());
        });
        assert_eq!(found, Ok(()));
    });
}

/// A version must be one, and what a later one has is an unknown flag in an earlier one. In 8-bit units there is version 2.
/// Source: GetAddrInfoExW, AI_EXTENDED and WSAEINVAL; addrinfoex2, addrinfoex4, addrinfoex5, addrinfoex6.
#[test]
fn versions_have_their_flags() {
    let _watch = watch();
    differs_under_wine(ONE_VERSION, || {
        for version in [0, 1, 7, u32::MAX] {
            assert_eq!(look_up(&hints(version, 0), |_| ()), Err(WSAEINVAL));
        }
        for (flag, since) in [
            (AI_RESOLUTION_HANDLE, ADDRINFOEX_VERSION_4),
            (AI_RETURN_TTL, ADDRINFOEX_VERSION_5),
            (AI_RETURN_RESPONSE_FLAGS, ADDRINFOEX_VERSION_6),
        ] {
            for version in ADDRINFOEX_VERSION_2..=ADDRINFOEX_VERSION_6 {
                let expected = if version < since {
                    Err(WSAEINVAL)
                } else {
                    Ok(())
                };
                assert_eq!(look_up(&hints(version, flag), |_| ()), expected);
            }
            let without_a_version = ADDRINFOEX6 {
                ai_flags: flag as i32,
                ..hints(ADDRINFOEX_VERSION_6, 0)
            };
            assert_eq!(look_up(&without_a_version, |_| ()), Err(WSAEINVAL));
        }
        let in_bytes = |version| {
            let hints = hints(version, 0);
            let mut list: *mut ADDRINFOEXA = null_mut();
            // SAFETY: everything lives through the call, and the list is used no more.
            unsafe {
                let code = GetAddrInfoExA(
                    c"127.0.0.1".as_ptr().cast(),
                    null(),
                    NS_DNS,
                    null(),
                    (&raw const hints).cast(),
                    &mut list,
                    null(),
                    null(),
                    None,
                    null_mut(),
                );
                FreeAddrInfoEx(list);
                code
            }
        };
        assert_eq!(in_bytes(ADDRINFOEX_VERSION_2), 0);
        assert_eq!(in_bytes(ADDRINFOEX_VERSION_3), WSAEINVAL);
    });
}

/// Servers to ask cannot be chosen.
/// Source: addrinfoex6, ai_servers.
#[test]
fn servers_cannot_be_chosen() {
    let _watch = watch();
    differs_under_wine(ONE_VERSION, || {
        let mut server = ADDRINFO_DNS_SERVER::default();
        let server = &raw mut server;
        let with_a_server = |version| ADDRINFOEX6 {
            ai_numservers: 1,
            ai_servers: server,
            ..hints(version, 0)
        };
        let six = with_a_server(ADDRINFOEX_VERSION_6);
        assert_eq!(look_up(&six, |_| ()), Err(WSAEINVAL));
        let five = with_a_server(ADDRINFOEX_VERSION_5); // which has no such members
        assert_eq!(look_up(&five, |_| ()), Ok(()));
    });
}
