//! getsockopt and setsockopt, with any level, name, length and value, on every kind of socket.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use wharf_sys::*;

#[derive(Arbitrary, Debug)]
struct Call {
    socket: u8,
    get: bool,
    level: u8,
    name: u16,
    negative_name: bool,
    /// The length, mostly small.
    len: i16,
    value: [u8; 16],
    null: bool,
}

const LEVELS: [i32; 6] = [
    SOL_SOCKET,
    IPPROTO_IP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_IPV6,
    0x1234,
];

static SOCKETS: LazyLock<Vec<SOCKET>> = LazyLock::new(|| {
    let mut data = WSADATA::default();
    // SAFETY: the structure is valid for writes.
    assert_eq!(unsafe { WSAStartup(0x202, &mut data) }, 0);
    let kinds = [
        (AF_INET, SOCK_STREAM),
        (AF_INET, SOCK_DGRAM),
        (AF_INET6, SOCK_STREAM),
        (AF_INET6, SOCK_DGRAM),
    ];
    // SAFETY: takes no pointers.
    let open = |(family, kind)| unsafe { socket(i32::from(family), kind, 0) };
    let sockets: Vec<_> = kinds.into_iter().map(open).collect();
    assert!(sockets.iter().all(|socket| *socket != INVALID_SOCKET));
    sockets
});

/// Larger than any option, and than any length tried.
const ROOM: usize = 1 << 16;
const CANARY: u8 = 0xA5;

fuzz_target!(|call: Call| {
    let socket = SOCKETS[usize::from(call.socket) % SOCKETS.len()];
    let level = LEVELS[usize::from(call.level) % LEVELS.len()];
    let name = if call.negative_name {
        !i32::from(call.name)
    } else {
        i32::from(call.name)
    };
    let mut buffer = vec![CANARY; ROOM];
    buffer[..16].copy_from_slice(&call.value);
    let before = buffer.clone();
    let value = if call.null {
        std::ptr::null_mut()
    } else {
        buffer.as_mut_ptr()
    };
    let mut len = i32::from(call.len);
    // SAFETY: the buffer is longer than any length; null is refused.
    let result = unsafe {
        if call.get {
            getsockopt(socket, level, name, value, &mut len)
        } else {
            setsockopt(socket, level, name, value, len)
        }
    };
    // SAFETY: takes no pointers.
    let error = unsafe { WSAGetLastError() };
    assert_eq!(
        result == 0,
        error == 0,
        "the last error tells of success and failure"
    );
    if call.get {
        // A negative length counts as room for a word.
        let touched = usize::try_from(call.len).unwrap_or(4);
        assert_eq!(buffer[touched..], before[touched..]);
        assert!(result != 0 || len <= i32::from(call.len).max(4));
    } else {
        assert_eq!(buffer, before);
    }
});
