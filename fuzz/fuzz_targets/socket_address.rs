//! A program's sockaddr: what is taken is written back byte for byte, within its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_sys::fuzzing::{Address, Family};

fuzz_target!(|bytes: &[u8]| {
    for family in [Family::V4, Family::V6] {
        let Ok(address) = Address::from_windows(bytes, family) else {
            continue;
        };
        let len = address.len();
        let mut out = [0xAA; 64];
        assert_eq!(address.write_windows(&mut out), Some(len));
        assert!(out[len..].iter().all(|byte| *byte == 0xAA));
        let significant = if family == Family::V4 { 8 } else { len }; // sin_zero is not kept
        assert_eq!(out[..significant], bytes[..significant]);
        assert_eq!(address.write_windows(&mut out[..len - 1]), None);
        assert_eq!(Address::from(address.socket_addr()), address);
    }
});
