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
    // SAFETY: as above. The text is judged before the family.
    let result = unsafe { inet_pton(0, null(), address.as_mut_ptr().cast()) };
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

// --- the same in 16-bit units -----------------------------------------------------------------------

/// The text in 16-bit units, with its zero.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Up to the zero.
pub fn narrow(units: &[u16]) -> String {
    let len = units.iter().position(|unit| *unit == 0);
    String::from_utf16_lossy(&units[..len.expect("terminated text")])
}

/// InetPtonW does what inet_pton does, and says WSAEINVAL of a text that is no address.
/// Source: InetPtonW; validated on Windows.
#[test]
fn inet_pton_w_tells_of_bad_text() {
    let _watch = watch();
    startup();
    let pton = |family, text: &str| {
        let (text, mut address) = (wide(text), [0xAAu8; 16]);
        // SAFETY: the text is terminated, and the room is that of the longest address.
        let result = unsafe { InetPtonW(family, text.as_ptr(), address.as_mut_ptr().cast()) };
        (result, address)
    };
    let (result, address) = leaves_last_error(|| pton(V4, "1.2.3.4"));
    assert_eq!((result, &address[..5]), (1, &[1, 2, 3, 4, 0xAA][..]));
    let (result, address) = leaves_last_error(|| pton(V6, "2001:db8::1"));
    assert_eq!((result, &address[..4]), (1, &[0x20, 1, 0x0d, 0xb8][..]));
    fails_with(0, WSAEINVAL as u32, || pton(V4, "1.2.3").0);
    fails_with(0, WSAEINVAL as u32, || pton(V6, "1::2::3").0);
    fails_with(-1, WSAEAFNOSUPPORT as u32, || pton(0, "1.2.3.4").0);
    let mut address = [0u8; 16];
    // SAFETY: null pointers are what is tested.
    fails_with(-1, WSAEFAULT as u32, || unsafe {
        InetPtonW(0, null(), address.as_mut_ptr().cast())
    });
}

/// InetNtopW does what inet_ntop does; too little room is ERROR_INVALID_PARAMETER.
/// Source: InetNtopW, return value.
#[test]
fn inet_ntop_w_writes_addresses() {
    let _watch = watch();
    startup();
    let ntop = |family, address: &[u8], room: usize| {
        let mut text = vec![0u16; room];
        let start = text.as_mut_ptr();
        // SAFETY: no family here reads more than `address` has; `text` has `room` units.
        let result = unsafe { InetNtopW(family, address.as_ptr().cast(), start, room) };
        assert!(result.is_null() || result == start);
        (!result.is_null()).then(|| narrow(&text))
    };
    assert_eq!(ntop(V4, &[1, 2, 3, 4], 8).as_deref(), Some("1.2.3.4"));
    let v6 = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(ntop(V6, &v6, 65).as_deref(), Some("2001:db8::1"));
    fails_with(None, ERROR_INVALID_PARAMETER, || ntop(V4, &[1, 2, 3, 4], 7));
    fails_with(None, WSAEAFNOSUPPORT as u32, || ntop(0x99, &v6, 65));
}

// --- addresses with their ports ---------------------------------------------------------------------

/// The bytes of an IPv4 or IPv6 socket address.
pub fn socket_address(text: &str) -> Vec<u8> {
    match text.parse().expect("an address") {
        std::net::SocketAddr::V4(v4) => {
            let mut bytes = vec![2, 0];
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.resize(16, 0);
            bytes
        }
        std::net::SocketAddr::V6(v6) => {
            let mut bytes = vec![23, 0];
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
            bytes
        }
    }
}

/// WSAAddressToStringA with `room` bytes: the text or the error, and the length told.
fn address_to_string(address: &[u8], room: u32) -> (Result<String, WSA_ERROR>, u32) {
    let (mut text, mut len) = (vec![0u8; room as usize], room);
    let (start, address_len) = (address.as_ptr().cast(), address.len() as u32);
    // SAFETY: the lengths are those of the buffers.
    let result =
        unsafe { WSAAddressToStringA(start, address_len, null(), text.as_mut_ptr(), &mut len) };
    if result == SOCKET_ERROR {
        return (Err(wsa_error()), len);
    }
    let text = CStr::from_bytes_until_nul(&text).expect("terminated text");
    (Ok(text.to_str().expect("ASCII").to_owned()), len)
}

/// The text of an address names its port if that is not 0, and its scope; the length told includes the zero.
/// Source: WSAAddressToStringA; validated on Windows.
#[test]
fn address_to_string_shows_port_and_scope() {
    let _watch = watch();
    startup();
    for (address, text) in [
        ("0.0.0.0:0", "0.0.0.0"),
        ("1.2.3.4:80", "1.2.3.4:80"),
        ("255.255.255.255:65535", "255.255.255.255:65535"),
        ("[::1]:0", "::1"),
        ("[20ab::2001]:33274", "[20ab::2001]:33274"),
        ("[20ab::2001%4660]:33274", "[20ab::2001%4660]:33274"),
        ("[20ab::2001%4660]:0", "20ab::2001%4660"),
    ] {
        let expected = (Ok(text.to_owned()), text.len() as u32 + 1);
        assert_eq!(address_to_string(&socket_address(address), 64), expected);
        let (address, mut text, mut len) = (socket_address(address), [0u16; 64], 64);
        let (start, address_len) = (address.as_ptr().cast(), address.len() as u32);
        // SAFETY: the lengths are those of the buffers.
        let result =
            unsafe { WSAAddressToStringW(start, address_len, null(), text.as_mut_ptr(), &mut len) };
        assert_eq!(result, 0);
        assert_eq!((Ok(narrow(&text)), len), expected);
    }
}

/// Too little room is WSAEFAULT, and the length is what is needed; without a buffer too.
/// Source: WSAAddressToStringA, lpdwAddressStringLength and WSAEFAULT; validated on Windows.
#[test]
fn address_to_string_says_what_room_it_needs() {
    let _watch = watch();
    startup();
    let address = socket_address("1.2.3.4:80");
    assert_eq!(address_to_string(&address, 0), (Err(WSAEFAULT), 11));
    assert_eq!(address_to_string(&address, 10), (Err(WSAEFAULT), 11));
    assert_eq!(address_to_string(&address, 11).1, 11);
    let mut len = 0;
    // SAFETY: a null buffer is what is tested.
    let result =
        unsafe { WSAAddressToStringW(address.as_ptr().cast(), 16, null(), null_mut(), &mut len) };
    assert_eq!((result, wsa_error(), len), (SOCKET_ERROR, WSAEFAULT, 11));
}

/// An address of an unknown family is WSAEINVAL.
/// Source: WSAAddressToStringA, WSAEINVAL.
#[test]
fn address_to_string_needs_a_known_family() {
    let _watch = watch();
    startup();
    assert_eq!(address_to_string(&[99; 28], 64).0, Err(WSAEINVAL));
}

/// WSAStringToAddressA into `room` bytes that are not zero: the result, the length told, and the bytes.
fn string_to_address(family: i32, text: &str, room: i32) -> (Result<(), WSA_ERROR>, i32, Vec<u8>) {
    let text = std::ffi::CString::new(text).expect("no zero");
    let (mut address, mut len) = (vec![0xABu8; 40], room);
    let out = address.as_mut_ptr().cast();
    // SAFETY: the text is terminated, and `room` is at most what `address` has.
    let result =
        unsafe { WSAStringToAddressA(text.as_ptr().cast(), family, null(), out, &mut len) };
    let result = if result == 0 {
        Ok(())
    } else {
        Err(wsa_error())
    };
    (result, len, address)
}

/// A text is read with its port and scope; numbers may be decimal, octal or hexadecimal, and parts may be missing.
/// Source: WSAStringToAddressA; validated on Windows.
#[test]
fn string_to_address_reads_port_and_scope() {
    let _watch = watch();
    startup();
    for (family, text, address) in [
        (V4, "1.1.1.1", "1.1.1.1:0"),
        (V4, "127.127.127.127:65535", "127.127.127.127:65535"),
        (V4, "127.127.127.127:0xAbCd", "127.127.127.127:43981"),
        (V4, "127.127.127.127:010", "127.127.127.127:8"),
        (V4, "1.1.1.010", "1.1.1.8:0"),
        (V4, "1.1.1.0xaA", "1.1.1.170:0"),
        (V4, "1", "0.0.0.1:0"),
        (V4, "1.2:1", "1.0.0.2:1"),
        (V4, "3.4.756", "3.4.2.244:0"),
        (V4, "203569230:123", "12.34.56.78:123"),
        (V4, "0x123456789", "35.69.103.137:0"),
        (V6, "::1", "[::1]:0"),
        (V6, "[::1]", "[::1]:0"),
        (V6, "[::1]:65535", "[::1]:65535"),
        (V6, "001::1", "[1::1]:0"),
        (V6, "fe80::1%7", "[fe80::1%7]:0"),
        (V6, "[fe80::1%7]:80", "[fe80::1%7]:80"),
    ] {
        let (result, len, bytes) = string_to_address(family, text, 40);
        let expected = socket_address(address);
        assert_eq!((result, len), (Ok(()), expected.len() as i32), "{text}");
        assert_eq!(bytes[..expected.len()], expected, "{text}");
        let (text, mut bytes, mut len) = (wide(text), [0xABu8; 40], 40);
        let out = bytes.as_mut_ptr().cast();
        // SAFETY: the text is terminated, and the length is that of `bytes`.
        let result = unsafe { WSAStringToAddressW(text.as_ptr(), family, null(), out, &mut len) };
        assert_eq!((result, len), (0, expected.len() as i32));
        assert_eq!(bytes[..expected.len()], expected);
    }
}

/// What is no address is WSAEINVAL; the length stays, and the family is 0.
/// Source: WSAStringToAddressA, WSAEINVAL; validated on Windows.
#[test]
fn string_to_address_refuses_the_rest() {
    let _watch = watch();
    startup();
    let v4 = [
        "",
        " ",
        "127.127.127.127:",
        "127.127.127.127:0",
        "127.127.127.127:65537",
        "127.127.127.127::1",
        "127.127.127.127:0x",
        "127.127.127.127:08",
        "255.255.255.256",
        "a",
        "1.1.1.08",
        "-1",
        "1.2.",
        "1..2",
        "2001::1",
        "756.3.4",
        "3.4.65536",
        "3.4.5.6.7",
        " 3.4.5.6",
        "3.4.5.6 ",
        "3.4.5.6:7 ",
        "[0.1.2.3]",
        "1234BEEF",
        ":1",
    ];
    let v6 = [
        "::1]:65535",
        "1.2.3.4",
        "1:2:3:",
        "",
        "[::1",
        "[::1]:0",
        "::1%x",
        "::1 ",
    ];
    let v4 = v4.iter().map(|text| (V4, text));
    for (family, text) in v4.chain(v6.iter().map(|text| (V6, text))) {
        let (result, len, bytes) = string_to_address(family, text, 40);
        assert_eq!((result, len), (Err(WSAEINVAL), 40), "{text:?}");
        assert_eq!(bytes[..2], [0, 0], "{text:?}");
    }
}

/// Too little room is WSAEFAULT with the length needed; an unknown family, or no text, WSAEINVAL.
/// Source: WSAStringToAddressA, lpAddressLength, WSAEFAULT and WSAEINVAL; the length validated on Windows.
#[test]
fn string_to_address_checks_its_arguments() {
    let _watch = watch();
    startup();
    let (result, len, _) = string_to_address(V4, "", 15);
    assert_eq!((result, len), (Err(WSAEFAULT), 16));
    let (result, len, _) = string_to_address(V6, "::1", 27);
    assert_eq!((result, len), (Err(WSAEFAULT), 28));
    assert_eq!(string_to_address(99, "1.2.3.4", 40).0, Err(WSAEINVAL));
    let (mut address, mut len) = ([0u64; 5], 40);
    let out = address.as_mut_ptr().cast();
    // SAFETY: a null text is what is tested.
    fails_with(SOCKET_ERROR, WSAEINVAL as u32, || unsafe {
        WSAStringToAddressA(null(), V4, null(), out, &mut len)
    });
}

/// The byte order of a socket's protocol is that of the network.
/// Source: WSAHtonl, WSAHtons, WSANtohl, WSANtohs.
#[test]
fn byte_order_of_a_socket() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let s = (*socket).0;
    let (mut long, mut short) = (0u32, 0u16);
    // SAFETY: the places are valid for writes.
    let result = unsafe {
        (
            WSAHtonl(s, 0x1234_5678, &mut long),
            WSAHtons(s, 0x1234, &mut short),
        )
    };
    assert_eq!(
        (result, long, short),
        ((0, 0), 0x1234_5678_u32.to_be(), 0x1234_u16.to_be())
    );
    let (netlong, netshort) = (long, short);
    // SAFETY: as above.
    let result = unsafe {
        (
            WSANtohl(s, netlong, &mut long),
            WSANtohs(s, netshort, &mut short),
        )
    };
    assert_eq!((result, long, short), ((0, 0), 0x1234_5678, 0x1234));
    // SAFETY: a null pointer is what is tested.
    fails_with(SOCKET_ERROR, WSAEFAULT as u32, || unsafe {
        WSAHtonl(s, 1, null_mut())
    });
    differs_under_wine("Wine does not look at the socket", || {
        let mut short = 0;
        // SAFETY: the place is valid for writes.
        fails_with(SOCKET_ERROR, WSAENOTSOCK as u32, || unsafe {
            WSANtohs(INVALID_SOCKET, 1, &mut short)
        });
    });
}
