//! The sets of select: copied in as they are, copied out as what is ready, nothing beyond their entries touched.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use wharf_sys::fuzzing::{read_set, write_sets};
use wharf_sys::{FD_SET, SOCKET};

#[derive(Arbitrary, Debug)]
struct Call {
    /// What is in each set.
    entries: [Vec<u8>; 3],
    /// Which of them are ready, by bits.
    ready: [Vec<bool>; 3],
    /// Which set each pointer leads to; 3: none.
    pointers: [u8; 3],
}

/// A set as a program with a large FD_SETSIZE has it: a count, then the entries.
struct Set(Vec<usize>);

const CANARY: usize = 0xA5A5_A5A5_A5A5_A5A5;

impl Set {
    fn new(entries: &[u8]) -> Set {
        let entries = entries.iter().map(|entry| usize::from(*entry) * 4);
        Set([entries.len()]
            .into_iter()
            .chain(entries)
            .chain([CANARY])
            .collect())
    }

    fn pointer(&mut self) -> *mut FD_SET {
        self.0.as_mut_ptr().cast()
    }
}

fuzz_target!(|call: Call| {
    let mut sets = call.entries.each_ref().map(|entries| Set::new(entries));
    let index = call.pointers.map(|pointer| usize::from(pointer % 4));
    let pointers = index.map(|index| match sets.get_mut(index) {
        Some(set) => set.pointer(),
        None => std::ptr::null_mut(),
    });
    // SAFETY: null, or a set with as many entries as its count says.
    let read = pointers.map(|set| unsafe { read_set(set) });
    let mut ready: [Vec<SOCKET>; 3] = Default::default();
    for (which, entries) in read.iter().enumerate() {
        let expected = call.entries.get(index[which]).map_or(0, Vec::len);
        assert_eq!(entries.len(), expected);
        let is_ready = |place: usize| call.ready[which].get(place).copied().unwrap_or(false);
        // As select answers: a socket once, even if it stands in the set twice.
        for (place, socket) in entries.iter().enumerate() {
            if is_ready(place) && !ready[which].contains(socket) {
                ready[which].push(*socket);
            }
        }
    }
    // SAFETY: as above; what is ready comes from the sets.
    unsafe { write_sets(pointers, &ready) };
    for (which, pointer) in pointers.iter().enumerate() {
        // SAFETY: as above.
        let left = unsafe { read_set(*pointer) };
        let same = || (0..3).filter(|other| !pointer.is_null() && pointers[*other] == *pointer);
        assert!(
            left.iter()
                .all(|socket| same().any(|other| ready[other].contains(socket)))
        );
        assert!(pointer.is_null() || ready[which].iter().all(|socket| left.contains(socket)));
    }
    for (set, entries) in sets.iter().zip(&call.entries) {
        assert_eq!(set.0[entries.len() + 1], CANARY);
    }
});
