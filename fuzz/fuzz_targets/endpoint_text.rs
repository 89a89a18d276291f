//! WSAStringToAddress and WSAAddressToString: what is read prints, and reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_sys::fuzzing::{Family, parse, print};

fuzz_target!(|text: &[u8]| {
    for family in [Family::V4, Family::V6] {
        let Some(address) = parse(family, text) else {
            continue;
        };
        assert_eq!(address.family(), family);
        let printed = print(&address);
        assert_eq!(
            parse(family, printed.as_bytes()),
            Some(address),
            "{printed}"
        );
        // What Rust's parser makes of the printed text is the same, where it takes it at all.
        if let Ok(theirs) = printed.parse::<std::net::SocketAddr>() {
            assert_eq!(theirs, address.socket_addr());
        }
    }
});
