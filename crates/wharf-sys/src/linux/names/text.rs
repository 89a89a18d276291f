//! Addresses as text, both ways.
//!
//! Two generations live side by side. `inet_addr` takes what the first Unix took: one to four parts, decimal,
//! octal or hexadecimal, and ignores what follows a blank. `inet_pton` is strict. What Windows prints for IPv6
//! differs from the usual form in which addresses end in dotted decimals.
//!
//! The byte-order functions need no code of their own: `htons` is [`u16::to_be`].
//!
//! Source: "inet_addr", "inet_ntoa", "InetPtonW", "InetNtopW", "RtlIpv6AddressToStringW".

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::types::INADDR_NONE;

use crate::platform::sockets::address::Family;

/// What `inet_addr` answers: the address as it lies in memory, or [`INADDR_NONE`].
pub fn inet_addr(text: &[u8]) -> u32 {
    let address = match (text, classic_address(text, Overflow::Refused)) {
        (b" ", _) => Some(Ipv4Addr::UNSPECIFIED), // this, and only this
        (_, Some((address, []))) => Some(address),
        (_, Some((address, [b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r', ..]))) => Some(address),
        _ => None,
    };
    address.map_or(INADDR_NONE, |address| u32::from_ne_bytes(address.octets()))
}

/// What `inet_ntoa` prints, with the terminating zero.
pub fn inet_ntoa(octets: [u8; 4]) -> [u8; 16] {
    let (mut out, text) = ([0; 16], Ipv4Addr::from(octets).to_string());
    out[..text.len()].copy_from_slice(text.as_bytes()); // a dotted quad has at most 15 characters
    out
}

/// How many bytes `inet_pton` writes and `inet_ntop` reads.
pub const fn octets_len(family: Family) -> usize {
    match family {
        Family::V4 => size_of::<Ipv4Addr>(),
        Family::V6 => size_of::<Ipv6Addr>(),
    }
}

/// Reads a strict address into the first [`octets_len`] bytes of `out`; answers whether it is one.
pub fn inet_pton(family: Family, text: &[u8], out: &mut [u8]) -> bool {
    let octets = std::str::from_utf8(text)
        .ok()
        .and_then(|text| match family {
            Family::V4 => text
                .parse::<Ipv4Addr>()
                .ok()
                .map(|address| address.octets().to_vec()),
            Family::V6 => strict_v6(text).map(|address| address.octets().to_vec()),
        });
    if let Some(octets) = &octets {
        out[..octets.len()].copy_from_slice(octets);
    }
    octets.is_some()
}

/// Prints the address that the first [`octets_len`] bytes of `octets` are; `None` if there are fewer.
pub fn inet_ntop(family: Family, octets: &[u8]) -> Option<String> {
    Some(match family {
        Family::V4 => Ipv4Addr::from(*octets.first_chunk::<4>()?).to_string(),
        Family::V6 => WindowsV6(Ipv6Addr::from(*octets.first_chunk::<16>()?)).to_string(),
    })
}

/// What becomes of a number of more than 32 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is no number.
    Refused,
    /// Its upper bits are lost.
    Cut,
}

/// One to four numbers, and what follows them; the last one fills the bytes that the others leave.
pub fn classic_address(text: &[u8], overflow: Overflow) -> Option<(Ipv4Addr, &[u8])> {
    let (mut rest, mut high_bytes, mut address) = (text, 0, 0);
    loop {
        let (number, after) = classic_number(rest, overflow)?;
        match after {
            [b'.', next @ ..] if high_bytes < 3 => {
                address |= u32::from(u8::try_from(number).ok()?) << (24 - 8 * high_bytes);
                high_bytes += 1;
                rest = next;
            }
            _ => {
                let fits = number <= u32::MAX >> (8 * high_bytes);
                return fits.then(|| (Ipv4Addr::from(address | number), after));
            }
        }
    }
}

/// A number in C's notation, and what follows it.
pub fn classic_number(text: &[u8], overflow: Overflow) -> Option<(u32, &[u8])> {
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(radix);
    let len = digits.iter().map_while(digit).count();
    let (digits, rest) = digits.split_at(len);
    let append = |number: u32, digit: u32| match overflow {
        Overflow::Refused => number.checked_mul(radix)?.checked_add(digit),
        Overflow::Cut => Some(number.wrapping_mul(radix).wrapping_add(digit)),
    };
    let number = digits.iter().map_while(digit).try_fold(0, append)?;
    (len > 0).then_some((number, rest))
}

/// An IPv6 address without scope. Unlike Rust, Windows takes leading zeros in dotted decimals at its end.
pub fn strict_v6(text: &str) -> Option<Ipv6Addr> {
    if !text.contains('.') {
        return text.parse().ok();
    }
    let (head, dotted) = text.split_at(text.rfind(':')? + 1);
    let [a, b, c, d] = padded_quad(dotted)?;
    let low = u32::from_be_bytes([a, b, c, d]);
    format!("{head}{:x}:{:x}", low >> 16, low & 0xffff)
        .parse()
        .ok()
}

/// A dotted quad whose parts have one to three digits.
fn padded_quad(text: &str) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let digits =
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        *octet = digits.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(octets)
}

/// An IPv6 address as Windows prints it.
pub struct WindowsV6(pub Ipv6Addr);

impl WindowsV6 {
    /// Whether the last four bytes are an IPv4 address: compatible, mapped, translated, or ISATAP.
    fn ends_in_v4(&self) -> bool {
        match self.0.segments() {
            [0, 0, 0, 0, 0, 0 | 0xffff, high, _] | [0, 0, 0, 0, 0xffff, 0, high, _] => high != 0,
            [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => true,
            _ => false,
        }
    }
}

impl fmt::Display for WindowsV6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.0.segments();
        let hex = if self.ends_in_v4() {
            &segments[..6]
        } else {
            &segments[..]
        };
        let (start, end) = longest_zero_run(hex).unwrap_or((hex.len(), hex.len()));
        let (head, tail) = (&hex[..start], &hex[end..]);
        write_segments(f, head)?;
        if start != end {
            f.write_str("::")?;
            write_segments(f, tail)?;
        }
        if !self.ends_in_v4() {
            return Ok(());
        }
        let separator = if start != end && tail.is_empty() {
            ""
        } else {
            ":"
        };
        let [.., a, b, c, d] = self.0.octets();
        write!(f, "{separator}{}", Ipv4Addr::new(a, b, c, d))
    }
}

fn write_segments(f: &mut fmt::Formatter<'_>, segments: &[u16]) -> fmt::Result {
    for (index, segment) in segments.iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        write!(f, "{separator}{segment:x}")?;
    }
    Ok(())
}

/// Where the first of the longest runs of two zeros or more begins and ends.
fn longest_zero_run(segments: &[u16]) -> Option<(usize, usize)> {
    let run_at = |start: usize| {
        let len = segments[start..]
            .iter()
            .take_while(|segment| **segment == 0)
            .count();
        (start, start + len)
    };
    let len = |(start, end): &(usize, usize)| end - start;
    let runs = (0..segments.len()).map(run_at).filter(|run| len(run) >= 2);
    runs.rev().max_by_key(len) // of equals the last one wins, which is the first of the address
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v6(text: &str) -> Option<Ipv6Addr> {
        let mut out = [0; 16];
        inet_pton(Family::V6, text.as_bytes(), &mut out).then(|| Ipv6Addr::from(out))
    }

    fn v4(text: &str) -> Option<Ipv4Addr> {
        let mut out = [0; 4];
        inet_pton(Family::V4, text.as_bytes(), &mut out).then(|| Ipv4Addr::from(out))
    }

    fn printed(address: Ipv6Addr) -> String {
        inet_ntop(Family::V6, &address.octets()).unwrap()
    }

    /// Source: inet_addr, "Internet Addresses"; what surrounds a part was observed.
    #[test]
    fn inet_addr_takes_classic_notation() {
        for (text, octets) in [
            ("1.2.3.4", [1, 2, 3, 4]),
            ("1", [0, 0, 0, 1]),
            ("1.2", [1, 0, 0, 2]),
            ("1.2.3", [1, 2, 0, 3]),
            ("1.2.258", [1, 2, 1, 2]),
            ("203569230", [12, 34, 56, 78]),
            ("0x7f.1", [127, 0, 0, 1]),
            ("0xa1a2b3b4 ", [0xa1, 0xa2, 0xb3, 0xb4]),
            ("1.2.3.0xaA", [1, 2, 3, 0xaa]),
            ("1.2.3.010", [1, 2, 3, 8]),
            ("1.2.3.00", [1, 2, 3, 0]),
            ("017700000001", [127, 0, 0, 1]),
            ("0777", [0, 0, 1, 255]),
            ("1 2 3 4", [0, 0, 0, 1]),
            ("1.2.3 .4", [1, 2, 0, 3]),
            ("3.4.5.6  7", [3, 4, 5, 6]),
            ("3.4.5.6\t", [3, 4, 5, 6]),
            ("0.0.0.0", [0, 0, 0, 0]),
            (" ", [0, 0, 0, 0]),
            ("255.255.255.255", [255, 255, 255, 255]),
        ] {
            assert_eq!(inet_addr(text.as_bytes()).to_ne_bytes(), octets, "{text:?}");
        }
    }

    #[test]
    fn inet_addr_refuses_the_rest() {
        for text in [
            "",
            "  ",
            "\t",
            ".",
            "a",
            " 0",
            " 3.4.5.6",
            ".1.2.3",
            "1.2.",
            "1..2",
            "1.2.3. 4",
            "3. 4.5.6",
            "3.4.5.6.7",
            "3.4.5.6. 7",
            "3.4.5.6.",
            "127.127.127.256",
            "256.1",
            "1.16777216",
            "1.2.65536",
            "4294967296",
            "1.2.3.08",
            "1.2.3.0a",
            "1.1.1.0x",
            "1.1.1.-2",
            "1.1.1.+2",
            "1.2.3.4:80",
            "1234BEEF",
            "::1",
            "[0.1.2.3]",
            "1.2.3.4x",
        ] {
            assert_eq!(inet_addr(text.as_bytes()), INADDR_NONE, "{text:?}");
        }
    }

    #[test]
    fn inet_ntoa_ends_with_a_zero() {
        assert_eq!(&inet_ntoa([1, 2, 3, 4]), b"1.2.3.4\0\0\0\0\0\0\0\0\0");
        assert_eq!(&inet_ntoa([255; 4]), b"255.255.255.255\0");
    }

    /// Source: InetPtonW: the strict dotted form only.
    #[test]
    fn inet_pton_is_strict() {
        assert_eq!(
            v4("127.127.127.255"),
            Some(Ipv4Addr::new(127, 127, 127, 255))
        );
        for text in [
            "",
            " ",
            "1",
            "1.2.3",
            "1.1.1.010",
            "1.1.1.00",
            "1.1.1.0xaA",
            "3.4.5.6 ",
            " 3.4.5.6",
            "1.2.3.256",
        ] {
            assert_eq!(v4(text), None, "{text:?}");
        }
        for text in [
            "::%16",
            "::/16",
            "::1 ",
            "[::1]",
            "::01234",
            "1111",
            "1.2.3.4",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
        ] {
            assert_eq!(v6(text), None, "{text:?}");
        }
        for text in [
            "1::0001.2.3.4",
            "1::1.2.3",
            "1::1.2.3.4.5",
            "1::1.2.256.4",
            "1::1.2.3.4::1",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1::1..3.4",
            "1::+1.2.3.4",
        ] {
            assert_eq!(v6(text), None, "{text:?}");
        }
    }

    #[test]
    fn inet_pton_takes_every_form_of_v6() {
        for (text, segments) in [
            ("::", [0; 8]),
            ("0:0:0:0:0:0:0::", [0; 8]),
            ("::0:a:b:c:d:e:f", [0, 0, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf]),
            (
                "1111::3333:4444:5555:6666:7777:8888",
                [0x1111, 0, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777, 0x8888],
            ),
            ("2001:0DB8::C1c0", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xc1c0]),
            ("::123.123.123.123", [0, 0, 0, 0, 0, 0, 0x7b7b, 0x7b7b]),
            ("1:2:3:4:5:6:1.2.3.4", [1, 2, 3, 4, 5, 6, 0x102, 0x304]),
            ("1::001.002.3.4", [1, 0, 0, 0, 0, 0, 0x102, 0x304]),
        ] {
            assert_eq!(v6(text), Some(Ipv6Addr::from(segments)), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_address_leaves_the_output_alone() {
        let mut out = [0xAA; 16];
        assert!(!inet_pton(Family::V6, b"1::2::3", &mut out));
        assert!(!inet_pton(Family::V4, b"1.2.3", &mut out));
        assert_eq!(out, [0xAA; 16]);
    }

    /// Source: RtlIpv6AddressToStringW.
    #[test]
    fn v6_is_printed_as_windows_prints_it() {
        for (segments, text) in [
            ([0; 8], "::"),
            ([0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([1, 0, 0, 0, 0, 0, 0, 0], "1::"),
            ([0xfe80, 0, 0, 0, 0, 0, 0, 0xABCD], "fe80::abcd"),
            ([0x2001, 0xdb8, 0, 1, 0, 0, 1, 1], "2001:db8:0:1::1:1"),
            ([1, 0, 0, 2, 0, 0, 3, 4], "1::2:0:0:3:4"),
            ([0, 1, 0, 1, 0, 1, 0, 1], "0:1:0:1:0:1:0:1"),
            ([0, 0, 0, 0, 0, 0, 0x102, 0x304], "::1.2.3.4"),
            ([0, 0, 0, 0, 0, 0xffff, 0x102, 0x304], "::ffff:1.2.3.4"),
            ([0, 0, 0, 0, 0, 0xffff, 0, 0x304], "::ffff:0:304"),
            ([0, 0, 0, 0, 0xffff, 0, 0x102, 0x304], "::ffff:0:1.2.3.4"),
            (
                [0xfe80, 0, 0, 0, 0, 0x5efe, 0x102, 0x304],
                "fe80::5efe:1.2.3.4",
            ),
            (
                [1, 2, 3, 4, 0x200, 0x5efe, 0, 1],
                "1:2:3:4:200:5efe:0.0.0.1",
            ),
        ] {
            assert_eq!(printed(Ipv6Addr::from(segments)), text);
        }
    }

    #[test]
    fn too_few_octets_are_no_address() {
        assert_eq!(inet_ntop(Family::V4, &[127, 0, 0]), None);
        assert_eq!(inet_ntop(Family::V6, &[0; 15]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_v6_address_survives_the_round_trip(segments: [u16; 8], zeros: u8) {
            let keep = |index: usize| zeros >> index & 1 == 0;
            let address = Ipv6Addr::from(std::array::from_fn(|index| if keep(index) { segments[index] } else { 0 }));
            prop_assert_eq!(v6(&printed(address)), Some(address));
        }

        #[test]
        fn every_v4_address_survives_the_round_trip(octets: [u8; 4]) {
            let text = inet_ntoa(octets);
            let text = text.split(|byte| *byte == 0).next().unwrap();
            prop_assert_eq!(inet_addr(text).to_ne_bytes(), octets);
            prop_assert_eq!(v4(std::str::from_utf8(text).unwrap()), Some(Ipv4Addr::from(octets)));
        }

        #[test]
        fn any_text_is_answered(text: Vec<u8>) {
            inet_addr(&text);
            for family in [Family::V4, Family::V6] {
                inet_pton(family, &text, &mut [0; 16]);
            }
        }
    }
}
