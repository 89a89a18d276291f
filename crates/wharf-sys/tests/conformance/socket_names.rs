//! getsockname and getpeername: which name a socket has, and until when.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// getsockname before bind is WSAEINVAL and writes nothing.
/// Source: getsockname, WSAEINVAL; validated on Windows.
#[test]
fn unbound_socket_has_no_name() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let mut address = Address::room();
    let mut len = address.len;
    // SAFETY: `address` has room for `len` bytes.
    let result = unsafe { getsockname(socket.0, address.as_mut_ptr(), &mut len) };
    assert_eq!(check(result), Err(WSAEINVAL));
    assert_eq!((address.storage.ss_family, len), (0, address.len));
}

/// A socket bound to any address shows it, with its port and a cleared sin_zero.
/// Source: getsockname; validated on Windows.
#[test]
fn wildcard_name_is_shown() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    assert_eq!(socket.bind(&Family::V4.any(0)), Ok(()));
    let mut address = Address::room();
    address.storage.__ss_align = -1;
    let mut len = address.len;
    // SAFETY: `address` has room for `len` bytes.
    let result = unsafe { getsockname(socket.0, address.as_mut_ptr(), &mut len) };
    assert_eq!(check(result), Ok(()));
    assert_eq!((len, address.storage.__ss_align), (16, 0));
    let name = address.with_len(len).get();
    assert!(name.ip().is_unspecified() && name.port() != 0, "{name}");
}

/// Too little room for a name is WSAEFAULT, and the length stays.
/// Source: getsockname and getpeername, WSAEFAULT; validated on Windows.
#[test]
fn names_need_room() {
    let _watch = watch();
    for family in FAMILIES {
        let pair = connected_pair(family);
        let full = pair
            .server
            .local_address()
            .map(|address| Address::from(address).len)
            .unwrap();
        for call in [getsockname, getpeername] {
            let mut address = Address::room();
            let mut len = full - 1;
            // SAFETY: `address` has room for `len` bytes.
            let result = unsafe { call(pair.server.0, address.as_mut_ptr(), &mut len) };
            assert_eq!((check(result), len), (Err(WSAEFAULT), full - 1));
        }
    }
}

/// No room at all, or no length, is WSAEFAULT.
/// Source: getsockname and getpeername, WSAEFAULT; validated on Windows for getpeername.
#[test]
fn names_need_pointers() {
    let _watch = watch();
    not_under_wine("a missing length is an access violation", || {
        let pair = connected_pair(Family::V4);
        for call in [getsockname, getpeername] {
            let mut address = Address::room();
            let mut len = address.len;
            // SAFETY: null pointers are what is tested.
            let result = unsafe { call(pair.server.0, null_mut(), &mut len) };
            assert_eq!(check(result), Err(WSAEFAULT));
            // SAFETY: as above.
            let result = unsafe { call(pair.server.0, address.as_mut_ptr(), null_mut()) };
            assert_eq!(check(result), Err(WSAEFAULT));
        }
    });
}

/// Bound and listening sockets have no peer.
/// Source: getpeername, WSAENOTCONN.
#[test]
fn unconnected_socket_has_no_peer() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let bound = Socket::bound(Family::V4);
    for socket in [*bound, *listener.socket] {
        assert_eq!(socket.peer_address(), Err(WSAENOTCONN));
    }
}

/// getpeername notices a missing peer before bad pointers.
/// Source: getpeername, WSAENOTCONN; validated on Windows.
#[test]
fn missing_peer_is_noticed_before_bad_pointers() {
    let _watch = watch();
    differs_under_wine("looks at the pointers first", || {
        let bound = Socket::bound(Family::V4);
        // SAFETY: null pointers are what is tested.
        let result = unsafe { getpeername(bound.0, null_mut(), null_mut()) };
        assert_eq!(check(result), Err(WSAENOTCONN));
    });
}

/// getpeername keeps working after shutdown, and after the peer closed or reset.
/// Source: getpeername; validated on Windows.
#[test]
fn peer_name_outlives_the_connection() {
    let _watch = watch();
    differs_under_wine("answers WSAENOTCONN, as Linux does", || {
        for family in FAMILIES {
            let pair = connected_pair(family);
            let peer = pair.server.peer_address().unwrap();
            assert_eq!(pair.server.shutdown(SD_BOTH), Ok(()));
            assert_eq!(pair.server.peer_address(), Ok(peer));
            drop(pair.client);
            assert_eq!(pair.server.peer_address(), Ok(peer));

            let pair = connected_pair(family);
            let peer = pair.server.peer_address().unwrap();
            pair.client.reset();
            assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAECONNRESET));
            assert_eq!(pair.server.peer_address(), Ok(peer));
        }
    });
}

/// A dual-stack listener shows IPv4 peers as mapped IPv6 addresses.
/// Source: "Dual-Stack Sockets"; IPV6_V6ONLY.
#[test]
fn dual_stack_listener_accepts_ipv4() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V6);
    assert_eq!(socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0), Ok(()));
    assert_eq!(socket.bind(&Family::V6.any(0)), Ok(()));
    assert_eq!(socket.listen(5), Ok(()));
    let port = socket.local_address().unwrap().port();
    let client = Socket::tcp(Family::V4);
    assert_eq!(client.connect(&Family::V4.loopback(port)), Ok(()));
    let (_server, peer) = socket.accept_from().unwrap();
    let expected = client.local_address().unwrap();
    assert_eq!(peer.get().ip().to_string(), "::ffff:127.0.0.1");
    assert_eq!(peer.port(), expected.port());
}

/// An IPv6 socket is IPv6 only unless told otherwise.
/// Source: IPPROTO_IPV6 options, IPV6_V6ONLY (on by default).
#[test]
fn ipv6_listener_ignores_ipv4() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V6);
    assert_eq!(socket.bind(&Family::V6.any(0)), Ok(()));
    assert_eq!(socket.listen(5), Ok(()));
    let port = socket.local_address().unwrap().port();
    let client = Socket::tcp(Family::V4);
    assert_eq!(
        client.connect(&Family::V4.loopback(port)),
        Err(WSAECONNREFUSED)
    );
}
