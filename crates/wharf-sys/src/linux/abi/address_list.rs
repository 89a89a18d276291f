//! The lists that `getaddrinfo` and `GetAddrInfoEx` give out.
//!
//! A program owns a list until it hands the entries back; it may also take lists apart and join them. So every entry
//! is a piece of memory of its own, and all that are given out stand in one set: what is freed twice, or was never
//! given out, is not touched, nor is a list of the one function that is given to the other.

use std::any::{Any, TypeId};
use std::collections::BTreeSet;
use std::mem::offset_of;
use std::ptr::null_mut;

use windows_sys::Win32::Networking::WinSock::{
    ADDRINFOA, ADDRINFOEX2A, ADDRINFOEX2W, ADDRINFOEX3, ADDRINFOEX4, ADDRINFOEX5, ADDRINFOEX6,
    ADDRINFOEXA, ADDRINFOEXW, ADDRINFOW, SOCKADDR,
};

use super::text::Unit;
use crate::platform::lock::Lock;
use crate::platform::sockets::address::Address;

/// The structures for 16-bit names; only what a name consists of differs.
const _: () = assert!(size_of::<ADDRINFOA>() == size_of::<ADDRINFOW>());
const _: () = assert!(size_of::<ADDRINFOEXA>() == size_of::<ADDRINFOEXW>());
const _: () = assert!(size_of::<ADDRINFOEX2A>() == size_of::<ADDRINFOEX2W>());
/// Each version begins as the one before does.
const _: () = assert!(offset_of!(ADDRINFOEX2A, ai_next) == offset_of!(ADDRINFOEXA, ai_next));
const _: () = assert!(offset_of!(ADDRINFOEX6, ai_next) == offset_of!(ADDRINFOEXA, ai_next));
const _: () = assert!(offset_of!(ADDRINFOEX6, ai_fqdn) == offset_of!(ADDRINFOEX2A, ai_fqdn));
const _: () = assert!(
    offset_of!(ADDRINFOEX6, ai_interfaceindex) == offset_of!(ADDRINFOEX3, ai_interfaceindex)
);
const _: () = assert!(
    offset_of!(ADDRINFOEX6, ai_resolutionhandle) == offset_of!(ADDRINFOEX4, ai_resolutionhandle)
);
const _: () = assert!(offset_of!(ADDRINFOEX6, ai_ttl) == offset_of!(ADDRINFOEX5, ai_ttl));

/// What every entry of a list has in common.
#[derive(Clone, Copy, Default)]
pub struct Common {
    pub flags: i32,
    pub socket_type: i32,
    pub protocol: i32,
    /// Of the structure of GetAddrInfoEx.
    pub version: u32,
    /// The interface that was asked for, or 0.
    pub interface: u32,
}

/// The names that the first entry of a list bears.
#[derive(Clone, Copy, Default)]
pub struct Names<'a> {
    pub canonical: Option<&'a [u8]>,
    /// Only where the structure has a place for it.
    pub qualified: Option<&'a [u8]>,
}

/// The structure of an entry.
pub trait Info: Sized + 'static {
    /// An entry for an address; `names` are null or end with a zero.
    fn new(common: &Common, address: &Address, names: [*mut u8; 2], next: *mut Self) -> Self;

    /// Where it has the address.
    fn address(&mut self) -> &mut *mut SOCKADDR;

    /// What follows in its list.
    fn next(&self) -> *mut Self;
}

impl Info for ADDRINFOA {
    fn new(common: &Common, address: &Address, names: [*mut u8; 2], next: *mut Self) -> Self {
        ADDRINFOA {
            ai_flags: common.flags,
            ai_family: address.family().windows().into(),
            ai_socktype: common.socket_type,
            ai_protocol: common.protocol,
            ai_addrlen: address.len(),
            ai_canonname: names[0],
            ai_addr: null_mut(),
            ai_next: next,
        }
    }

    fn address(&mut self) -> &mut *mut SOCKADDR {
        &mut self.ai_addr
    }

    fn next(&self) -> *mut Self {
        self.ai_next
    }
}

/// Of GetAddrInfoEx, whatever the version: programs know nothing of what follows theirs. What the C library does not tell is
/// null or 0: the handle of a resolution, how long the answer holds, whom it is from.
impl Info for ADDRINFOEX6 {
    fn new(common: &Common, address: &Address, names: [*mut u8; 2], next: *mut Self) -> Self {
        ADDRINFOEX6 {
            ai_flags: common.flags,
            ai_family: address.family().windows().into(),
            ai_socktype: common.socket_type,
            ai_protocol: common.protocol,
            ai_addrlen: address.len(),
            ai_canonname: names[0].cast(),
            ai_next: next.cast(),
            ai_version: common.version as i32,
            ai_fqdn: names[1].cast(),
            ai_interfaceindex: common.interface as i32,
            ..ADDRINFOEX6::default()
        }
    }

    fn address(&mut self) -> &mut *mut SOCKADDR {
        &mut self.ai_addr
    }

    fn next(&self) -> *mut Self {
        self.ai_next.cast()
    }
}

/// An entry and what it points to.
#[repr(C)]
struct Entry<I> {
    info: I, // first: its address is the entry's
    address: [u64; 4],
    names: [Option<Box<dyn Any>>; 2], // each a Vec of some units
}

/// Where the entries are that programs have, and of which structure.
static GIVEN_OUT: Lock<BTreeSet<(usize, TypeId)>> = Lock::new(BTreeSet::new());

/// Makes a list; the first entry bears the names.
pub fn make<U: Unit, I: Info>(addresses: &[Address], names: Names, common: &Common) -> *mut I {
    let mut first = null_mut();
    for (index, address) in addresses.iter().enumerate().rev() {
        let names = if index == 0 { names } else { Names::default() };
        first = make_entry::<U, I>(address, names, common, first);
    }
    first
}

fn make_entry<U: Unit, I: Info>(
    address: &Address,
    names: Names,
    common: &Common,
    next: *mut I,
) -> *mut I {
    let terminated = |name: &[u8]| [U::units(name), vec![U::default()]].concat();
    let mut names = [names.canonical, names.qualified].map(|name| name.map(terminated));
    // The units stay where they are.
    let starts = names
        .each_mut()
        .map(|name| name.as_mut().map_or(null_mut(), Vec::as_mut_ptr).cast());
    let mut bytes = [0u8; 32];
    address.write_windows(&mut bytes); // the longest has 28 bytes
    let entry = Box::into_raw(Box::new(Entry {
        info: I::new(common, address, starts, next),
        address: std::array::from_fn(|word| {
            u64::from_ne_bytes(std::array::from_fn(|byte| bytes[8 * word + byte]))
        }),
        names: names.map(|name| name.map(|name| Box::new(name) as Box<dyn Any>)),
    }));
    // SAFETY: the entry was just made, and nobody else has it yet.
    unsafe { *(*entry).info.address() = (&raw mut (*entry).address).cast() };
    GIVEN_OUT.lock().insert((entry.addr(), TypeId::of::<I>()));
    entry.cast()
}

/// Frees the entries of a list up to the first one that is not given out.
///
/// # Safety
/// Nobody uses the entries any more.
pub unsafe fn free<I: Info>(list: *const I) {
    let mut next = list.cast::<Entry<I>>().cast_mut();
    while GIVEN_OUT.lock().remove(&(next.addr(), TypeId::of::<I>())) {
        // SAFETY: made by `make_entry` for that structure, and just taken out of the set, so this is its only owner.
        let entry = unsafe { Box::from_raw(next) };
        next = entry.info.next().cast();
        drop(entry.names);
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
            ..Common::default()
        };
        let names = Names {
            canonical: Some(b"name"),
            ..Names::default()
        };
        make::<u16, ADDRINFOA>(&addresses, names, &common)
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
            free(null_mut::<ADDRINFOA>());
        }
        let id = TypeId::of::<ADDRINFOA>();
        assert!(GIVEN_OUT.lock().contains(&(a.addr(), id)));
        // SAFETY: as above.
        unsafe { free(a.cast::<ADDRINFOEX6>()) }; // not a list of that structure
        assert!(GIVEN_OUT.lock().contains(&(a.addr(), id)));
        // SAFETY: as above. What `a` points to is gone already.
        unsafe { free(a) };
        let given_out = GIVEN_OUT.lock();
        assert!(
            [a, second, b]
                .iter()
                .all(|entry| !given_out.contains(&(entry.addr(), id)))
        );
    }
}
