//! inet_addr, inet_pton and inet_ntop: what is read prints, and reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_sys::INADDR_NONE;
use wharf_sys::fuzzing::{Family, inet_addr, inet_ntoa, inet_ntop, inet_pton, octets_len};

fuzz_target!(|text: &[u8]| {
    let address = inet_addr(text);
    if address != INADDR_NONE {
        let printed = inet_ntoa(address.to_ne_bytes());
        let printed = printed.split(|byte| *byte == 0).next().unwrap();
        assert_eq!(inet_addr(printed), address);
    }
    for family in [Family::V4, Family::V6] {
        let mut octets = [0xAA; 16];
        let len = octets_len(family);
        if inet_pton(family, text, &mut octets) {
            reads_back(family, &octets[..len]);
            assert!(octets[len..].iter().all(|byte| *byte == 0xAA));
        } else {
            assert_eq!(octets, [0xAA; 16]);
        }
        if let Some(octets) = text.get(..len) {
            reads_back(family, octets);
        }
    }
});

/// The printed form of an address is that address, and fits where Windows says it does.
fn reads_back(family: Family, octets: &[u8]) {
    let printed = inet_ntop(family, octets).expect("enough octets");
    assert!(printed.len() < 65);
    let mut again = [0; 16];
    assert!(
        inet_pton(family, printed.as_bytes(), &mut again),
        "{printed}"
    );
    assert_eq!(&again[..octets.len()], octets, "{printed}");
}
