//! The lists that `getaddrinfo` gives out.
//!
//! A program owns a list until it hands the entries back; it may also take lists apart and join them. So every entry
//! is a piece of memory of its own, and all that are given out stand in one set: what is freed twice, or was never
//! given out, is not touched.

use std::any::Any;
use std::collections::BTreeSet;
use std::ptr::null_mut;

use windows_sys::Win32::Networking::WinSock::{ADDRINFOA, ADDRINFOW};

use super::text::Unit;
use crate::platform::address::Address;
use crate::platform::lock::Lock;

/// The structure for 16-bit names; only what a name consists of differs.
const _: () = assert!(size_of::<ADDRINFOA>() == size_of::<ADDRINFOW>());

/// What every entry of a list has in common.
pub struct Common {
    pub flags: i32,
    pub socket_type: i32,
    pub protocol: i32,
}

/// An entry and what it points to.
#[repr(C)]
struct Entry {
    info: ADDRINFOA, // first: its address is the entry's
    address: [u64; 4],
    canonical_name: Option<Box<dyn Any>>, // a Vec of some units
}

/// Where the entries are that programs have.
static GIVEN_OUT: Lock<BTreeSet<usize>> = Lock::new(BTreeSet::new());

/// Makes a list; the first entry bears the name.
pub fn make<U: Unit>(
    addresses: &[Address],
    canonical_name: Option<&[u8]>,
    common: &Common,
) -> *mut ADDRINFOA {
    let mut first = null_mut();
    for (index, address) in addresses.iter().enumerate().rev() {
        let name = canonical_name.filter(|_| index == 0);
        first = make_entry::<U>(address, name, common, first);
    }
    first
}

fn make_entry<U: Unit>(
    address: &Address,
    canonical_name: Option<&[u8]>,
    common: &Common,
    next: *mut ADDRINFOA,
) -> *mut ADDRINFOA {
    let mut name = canonical_name.map(|name| [U::units(name), vec![U::default()]].concat());
    let name_start = name.as_mut().map_or(null_mut(), Vec::as_mut_ptr); // the units stay where they are
    let mut bytes = [0u8; 32];
    let len = address.write_windows(&mut bytes).unwrap_or(0); // the longest has 28 bytes
    let entry = Box::into_raw(Box::new(Entry {
        info: ADDRINFOA {
            ai_flags: common.flags,
            ai_family: address.family().windows().into(),
            ai_socktype: common.socket_type,
            ai_protocol: common.protocol,
            ai_addrlen: len,
            ai_canonname: name_start.cast(),
            ai_addr: null_mut(),
            ai_next: next,
        },
        address: std::array::from_fn(|word| {
            u64::from_ne_bytes(std::array::from_fn(|byte| bytes[8 * word + byte]))
        }),
        canonical_name: name.map(|name| Box::new(name) as Box<dyn Any>),
    }));
    // SAFETY: the entry was just made, and nobody else has it yet.
    unsafe { (*entry).info.ai_addr = (&raw mut (*entry).address).cast() };
    GIVEN_OUT.lock().insert(entry.addr());
    entry.cast()
}

/// Frees the entries of a list up to the first one that is not given out.
///
/// # Safety
/// Nobody uses the entries any more.
pub unsafe fn free(list: *const ADDRINFOA) {
    let mut next = list.cast::<Entry>().cast_mut();
    while GIVEN_OUT.lock().remove(&next.addr()) {
        // SAFETY: made by `make_entry`, and just taken out of the set, so this is its only owner.
        let entry = unsafe { Box::from_raw(next) };
        next = entry.info.ai_next.cast();
        drop(entry.canonical_name);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn list(addresses: &[&str]) -> *mut ADDRINFOA {
        let parse = |text: &&str| Address::from(text.parse::<SocketAddr>().unwrap());
        let addresses: Vec<_> = addresses.iter().map(parse).collect();
        let common = Common {
            flags: 2,
            socket_type: 1,
            protocol: 6,
        };
        make::<u16>(&addresses, Some(b"name"), &common)
    }

    #[test]
    fn entries_are_freed_once_wherever_they_hang() {
        let (a, b) = (list(&["127.0.0.1:1", "[::1]:2"]), list(&["127.0.0.1:3"]));
        // SAFETY: both lists are alive, and `a` has two entries.
        let second = unsafe { (*a).ai_next };
        // SAFETY: as above.
        unsafe { (*second).ai_next = b };
        let mut theirs = ADDRINFOA {
            ai_next: a,
            ..ADDRINFOA::default()
        };
        // SAFETY: nobody uses the entries afterwards.
        unsafe {
            free(&raw mut theirs); // not ours: left alone with what hangs on it
            free(second);
            free(b); // gone already
            free(null_mut());
        }
        assert!(GIVEN_OUT.lock().contains(&a.addr()));
        // SAFETY: as above. What `a` points to is gone already.
        unsafe { free(a) };
        let given_out = GIVEN_OUT.lock();
        assert!(
            [a, second, b]
                .iter()
                .all(|entry| !given_out.contains(&entry.addr()))
        );
    }
}
