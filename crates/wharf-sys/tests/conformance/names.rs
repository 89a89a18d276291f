//! Addresses as text and numbers in network order: inet_* and the byte order functions.

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const V4: i32 = AF_INET as i32;
const V6: i32 = AF_INET6 as i32;

/// inet_addr; the result in host order, or INADDR_NONE.
fn addr(text: &CStr) -> u32 {
    // SAFETY: the text is terminated.
    u32::from_be(unsafe { inet_addr(text.as_ptr().cast()) })
}

/// inet_pton into 16 bytes.
fn pton(family: i32, text: &CStr) -> (i32, [u8; 16]) {
    let mut address = [0xAA; 16];
    // SAFETY: the text is terminated, and the room is that of the longest address.
    let result = unsafe { inet_pton(family, text.as_ptr().cast(), address.as_mut_ptr().cast()) };
    (result, address)
}

/// inet_ntop with `room` bytes.
fn ntop(family: i32, address: &[u8], room: usize) -> Result<String, u32> {
    let mut text = vec![0u8; room];
    // SAFETY: no family here reads more than `address` has; `text` has `room` bytes.
    let result = unsafe { inet_ntop(family, address.as_ptr().cast(), text.as_mut_ptr(), room) };
    if result.is_null() {
        return Err(last_error());
    }
    assert_eq!(result, text.as_ptr());
    let text = CStr::from_bytes_until_nul(&text).expect("terminated text");
    Ok(text.to_str().expect("ASCII").to_owned())
}

/// The byte order functions turn bytes around, and htonl takes 32 bits.
/// Source: htons, htonl, ntohs and ntohl.
#[test]
fn byte_order() {
    // SAFETY: takes no pointers.
    let (short, long) = unsafe { (htons(0x1234), htonl(0x1234_5678)) };
    assert_eq!((short, long), (0x1234_u16.to_be(), 0x1234_5678_u32.to_be()));
    // SAFETY: takes no pointers.
    let result = unsafe { (ntohs(short), ntohl(long)) };
    assert_eq!(result, (0x1234, 0x1234_5678));
}

/// The byte order functions leave the last error alone.
/// Source: htons and htonl (no errors).
#[test]
fn byte_order_leaves_the_last_error_alone() {
    // SAFETY: takes no pointers.
    leaves_last_error(|| unsafe { htons(1) + ntohs(1) });
}

/// inet_addr takes one to four parts, decimal, octal or hexadecimal.
/// Source: inet_addr, Internet addresses; validated on Windows.
#[test]
fn inet_addr_takes_parts() {
    let cases = [
        (c"1.2.3.4", 0x0102_0304),
        (c"255.255.255.255", 0xFFFF_FFFF),
        (c"0.0.0.0", 0),
        (c"1", 1),
        (c"1.2", 0x0100_0002),
        (c"1.2.3", 0x0102_0003),
        (c"0x7f.1", 0x7F00_0001),
        (c"1.2.3.010", 0x0102_0308),
        (c"0x01020304", 0x0102_0304),
        (c"1.0xffffff", 0x01FF_FFFF),
    ];
    for (text, expected) in cases {
        assert_eq!(addr(text), expected, "{text:?}");
    }
}

/// Text after a white-space character that follows a part is ignored; a single blank is 0.
/// Source: inet_addr; validated on Windows.
#[test]
fn inet_addr_stops_at_white_space() {
    let cases = [
        (c"1 2 3 4", 1),
        (c"1.2.3.4 rest", 0x0102_0304),
        (c"1.2.3.4\tx", 0x0102_0304),
        (c" ", 0),
    ];
    for (text, expected) in cases {
        assert_eq!(addr(text), expected, "{text:?}");
    }
}

/// Everything else is INADDR_NONE, and the last error is not touched.
/// Source: inet_addr, INADDR_NONE; validated on Windows.
#[test]
fn inet_addr_refuses_the_rest() {
    let cases = [
        c" 1.2.3.4",
        c"1.2.3.4.5",
        c"256.1.1.1",
        c"1.2.3.256",
        c"1..2",
        c"1.2.3.",
        c".1",
        c"1.2.3.4x",
        c"abc",
        c"",
        c"1. 2.3.4",
        c"1.2.65536",
        c"08",
    ];
    for text in cases {
        assert_eq!(leaves_last_error(|| addr(text)), INADDR_NONE, "{text:?}");
    }
}

/// inet_addr without text: INADDR_NONE and WSAEFAULT.
/// Source: inet_addr, WSAEFAULT.
#[test]
fn inet_addr_needs_text() {
    set_last_error(UNTOUCHED);
    // SAFETY: a null pointer is what is tested.
    assert_eq!(unsafe { inet_addr(null()) }, INADDR_NONE);
    assert_eq!(wsa_error(), WSAEFAULT);
}

/// inet_ntoa writes dotted decimal into a place of the thread.
/// Source: inet_ntoa (the place belongs to the thread).
#[test]
fn inet_ntoa_is_per_thread() {
    let _watch = watch();
    startup();
    let text = |address: u32| {
        let address = IN_ADDR {
            S_un: IN_ADDR_0 {
                S_addr: address.to_be(),
            },
        };
        // SAFETY: the result is a terminated string that stays until the next call in this thread.
        let text = unsafe { CStr::from_ptr(inet_ntoa(address).cast()) };
        (
            text.as_ptr() as usize,
            text.to_str().expect("ASCII").to_owned(),
        )
    };
    let (mine, name) = text(0x0102_0304);
    assert_eq!(name, "1.2.3.4");
    let (theirs, name) = spawn(move || text(u32::MAX)).join();
    assert_eq!(name, "255.255.255.255");
    assert_ne!(mine, theirs);
    assert_eq!(text(0), (mine, "0.0.0.0".to_owned()));
}

/// inet_pton takes strict dotted decimal and every written form of IPv6.
/// Source: InetPton.
#[test]
fn inet_pton_reads_addresses() {
    let _watch = watch();
    startup();
    let (result, address) = pton(V4, c"1.2.3.4");
    assert_eq!((result, &address[..5]), (1, &[1, 2, 3, 4, 0xAA][..]));
    let cases: [(&CStr, &str); 5] = [
        (c"::1", "::1"),
        (c"::", "::"),
        (c"2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        (c"::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        (c"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ];
    for (text, expected) in cases {
        let (result, address) = pton(V6, text);
        assert_eq!(
            (
                result,
                std::net::Ipv6Addr::from(address).to_string().as_str()
            ),
            (1, expected)
        );
    }
}

/// Bad text is 0; the last error stays.
/// Source: InetPton; validated on Windows.
#[test]
fn inet_pton_refuses_bad_text() {
    let _watch = watch();
    startup();
    let bad_v4 = [
        c"1.2.3",
        c"1.2.3.4.5",
        c"1.2.3.256",
        c"1.2.3.",
        c"0x1.2.3.4",
        c"",
        c"abc",
        c" 1.2.3.4",
    ];
    for text in bad_v4 {
        assert_eq!(leaves_last_error(|| pton(V4, text)).0, 0, "{text:?}");
    }
    for text in [
        c"1.2.3.4",
        c":::",
        c"1:2:3:4:5:6:7",
        c"12345::",
        c"",
        c"::1::",
        c"g::",
    ] {
        assert_eq!(leaves_last_error(|| pton(V6, text)).0, 0, "{text:?}");
    }
}

/// An unknown family is -1 with WSAEAFNOSUPPORT, a missing pointer -1 with WSAEFAULT.
/// Source: InetPton, WSAEAFNOSUPPORT and WSAEFAULT.
#[test]
fn inet_pton_checks_its_arguments() {
    let _watch = watch();
    startup();
    assert_eq!(
        (pton(0x99, c"1.2.3.4").0, wsa_error()),
        (-1, WSAEAFNOSUPPORT)
    );
    let mut address = [0u8; 16];
    // SAFETY: null pointers are what is tested.
    let result = unsafe { inet_pton(V4, null(), address.as_mut_ptr().cast()) };
    assert_eq!((result, wsa_error()), (-1, WSAEFAULT));
    // SAFETY: as above.
    let result = unsafe { inet_pton(V4, c"1.2.3.4".as_ptr().cast(), null_mut()) };
    assert_eq!((result, wsa_error()), (-1, WSAEFAULT));
}

/// inet_ntop writes the shortest form, given room for it and its terminator.
/// Source: InetNtop.
#[test]
fn inet_ntop_writes_addresses() {
    let _watch = watch();
    startup();
    assert_eq!(ntop(V4, &[1, 2, 3, 4], 22).as_deref(), Ok("1.2.3.4"));
    assert_eq!(ntop(V4, &[1, 2, 3, 4], 8).as_deref(), Ok("1.2.3.4"));
    for text in [
        "::",
        "::1",
        "2001:db8::1",
        "1:2:3:4:5:6:7:8",
        "fe80::1:0:0:1",
        "::ffff:1.2.3.4",
    ] {
        let address: std::net::Ipv6Addr = text.parse().expect("an address");
        assert_eq!(ntop(V6, &address.octets(), 65).as_deref(), Ok(text));
    }
}

/// Too little room or none is STATUS_INVALID_PARAMETER as last error; an unknown family WSAEAFNOSUPPORT.
/// Source: InetNtop; validated on Windows (WSAEINVAL on Windows 7).
#[test]
fn inet_ntop_checks_its_arguments() {
    let _watch = watch();
    startup();
    for room in [0, 1, 7] {
        assert_eq!(
            ntop(V4, &[1, 2, 3, 4], room),
            Err(STATUS_INVALID_PARAMETER as u32),
            "room {room}"
        );
    }
    // SAFETY: a null buffer is what is tested.
    let result = unsafe { inet_ntop(V4, [1u8, 2, 3, 4].as_ptr().cast(), null_mut(), 22) };
    assert!(result.is_null());
    assert_eq!(last_error(), STATUS_INVALID_PARAMETER as u32);
    assert_eq!(ntop(0x99, &[0; 16], 65), Err(WSAEAFNOSUPPORT as u32));
}
