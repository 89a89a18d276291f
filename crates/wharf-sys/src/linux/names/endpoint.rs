//! An address with its port as text: what `WSAStringToAddress` reads and `WSAAddressToString` prints.
//!
//! IPv4 is read as generously as `inet_addr` reads it, IPv6 as strictly as `inet_pton` does. A port is a number in
//! C's notation and never 0; behind IPv6 it needs brackets around the address. A scope is decimal and belongs to the
//! address.
//!
//! Source: "WSAStringToAddressW", "WSAAddressToStringW", "RtlIpv4StringToAddressExW", "RtlIpv6StringToAddressExW".

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::text::{Overflow, WindowsV6, classic_address, classic_number, strict_v6};
use crate::platform::sockets::address::{Address, Family};

/// The address and port that `text` is; port 0 if it names none.
pub fn parse(family: Family, text: &[u8]) -> Option<Address> {
    match family {
        Family::V4 => parse_v4(text).map(|address| Address::from(SocketAddr::V4(address))),
        Family::V6 => parse_v6(text).map(|address| Address::from(SocketAddr::V6(address))),
    }
}

/// The IPv4 address without a port that all of `text` is.
pub fn parse_bare_v4(text: &[u8]) -> Option<Ipv4Addr> {
    match classic_address(text, Overflow::Cut)? {
        (address, []) => Some(address),
        _ => None,
    }
}

/// The text of an address: without its port if that is 0.
pub fn print(address: &Address) -> String {
    match (address.socket_addr(), address.port()) {
        (SocketAddr::V4(address), 0) => address.ip().to_string(),
        (SocketAddr::V4(address), _) => address.to_string(),
        (SocketAddr::V6(address), 0) => scoped(&address),
        (SocketAddr::V6(address), port) => format!("[{}]:{port}", scoped(&address)),
    }
}

fn scoped(address: &SocketAddrV6) -> String {
    let text = WindowsV6(*address.ip());
    match address.scope_id() {
        0 => text.to_string(),
        scope => format!("{text}%{scope}"),
    }
}

fn parse_v4(text: &[u8]) -> Option<SocketAddrV4> {
    let (address, rest) = classic_address(text, Overflow::Cut)?;
    Some(SocketAddrV4::new(address, parse_port(rest)?))
}

fn parse_v6(text: &[u8]) -> Option<SocketAddrV6> {
    let (address, port) = match text {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b']')?;
            (&rest[..end], parse_port(&rest[end + 1..])?)
        }
        _ => (text, 0),
    };
    let address = std::str::from_utf8(address).ok()?;
    let (address, scope) = match address.split_once('%') {
        Some((address, scope)) => (address, parse_scope(scope)?),
        None => (address, 0),
    };
    Some(SocketAddrV6::new(strict_v6(address)?, port, 0, scope))
}

/// What follows an address: nothing, or a colon and a port.
fn parse_port(text: &[u8]) -> Option<u16> {
    let Some((b':', number)) = text.split_first() else {
        return text.is_empty().then_some(0);
    };
    match classic_number(number, Overflow::Refused)? {
        (port, []) if port != 0 => u16::try_from(port).ok(),
        _ => None,
    }
}

fn parse_scope(text: &str) -> Option<u32> {
    let decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    fn read(family: Family, text: &str) -> Option<String> {
        parse(family, text.as_bytes()).map(|address| address.to_string())
    }

    #[test]
    fn v4_is_read_generously() {
        for (text, address) in [
            ("1.1.1.1", "1.1.1.1:0"),
            ("127.127.127.127:123", "127.127.127.127:123"),
            ("127.127.127.127:0xAbCd", "127.127.127.127:43981"),
            ("127.127.127.127:010", "127.127.127.127:8"),
            ("1.1.1.0XaA", "1.1.1.170:0"),
            ("1:1", "0.0.0.1:1"),
            ("3.4.756", "3.4.2.244:0"),
            ("203569230:123", "12.34.56.78:123"),
            ("0x123456789", "35.69.103.137:0"),
        ] {
            assert_eq!(read(Family::V4, text).as_deref(), Some(address), "{text}");
        }
        for text in [
            "",
            " ",
            "1.2.3.4:",
            "1.2.3.4:0",
            "1.2.3.4:65537",
            "1.2.3.4::1",
            "1.2.3.4:0x",
            "1.2.3.4:08",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1.2.3.4:7 ",
            "1.2.3.4.5",
            "256.1.1.1",
            "3.4.65536",
            "[1.2.3.4]",
            "::1",
        ] {
            assert_eq!(read(Family::V4, text), None, "{text}");
        }
    }

    #[test]
    fn v6_has_its_port_behind_brackets() {
        for (text, address) in [
            ("::1", "[::1]:0"),
            ("[::1]", "[::1]:0"),
            ("[::1]:65535", "[::1]:65535"),
            ("[fe80::1%7]:0x50", "[fe80::1%7]:80"),
            ("fe80::1%7", "[fe80::1%7]:0"),
            ("[::1%0]:1", "[::1]:1"),
        ] {
            assert_eq!(read(Family::V6, text).as_deref(), Some(address), "{text}");
        }
        for text in [
            "",
            "::1]:80",
            "[::1",
            "[::1]:0",
            "[::1]x",
            "::1%",
            "::1%x",
            "::1%+1",
            "::1%4294967296",
            "1.2.3.4",
            "::1 ",
        ] {
            assert_eq!(read(Family::V6, text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_address_survives_the_round_trip(bits: u128, port: u16, scope: u32) {
            let v4 = SocketAddr::from((Ipv4Addr::from(bits as u32), port));
            let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(bits), port, 0, scope));
            for (original, family) in [(v4, Family::V4), (v6, Family::V6)] {
                let text = print(&Address::from(original));
                let back = parse(family, text.as_bytes()).map(|address| address.socket_addr());
                prop_assert_eq!(back, Some(original));
            }
        }

        /// What Rust's stricter parser takes means the same here.
        #[test]
        fn what_rust_reads_is_read_alike(bits: u128, port in 1_u16.., scope: u32) {
            let v4 = SocketAddr::from((Ipv4Addr::from(bits as u32), port));
            let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(bits), port, 0, scope));
            for (original, family) in [(v4, Family::V4), (v6, Family::V6)] {
                let read = parse(family, original.to_string().as_bytes());
                prop_assert_eq!(read.map(|address| address.socket_addr()), Some(original));
            }
        }

        #[test]
        fn any_text_is_answered(text: Vec<u8>) {
            parse(Family::V4, &text);
            parse(Family::V6, &text);
        }
    }
}
