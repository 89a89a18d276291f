//! bind and listen: which addresses and which states they take.

use std::ptr::null;

use wharf_sys::*;

use crate::binding::Protocol::{Tcp, Udp};
use crate::binding::Sharing::Reuse;
use crate::binding::{SHARINGS, at, bound, bound_port};
use crate::harness::*;
use crate::tcp::*;

const UDP: i32 = IPPROTO_UDP;
const V4: i32 = AF_INET as i32;

// --- bind ------------------------------------------------------------------------------------------

/// bind takes its port at once, and only once.
/// Source: bind, WSAEINVAL; getsockname.
#[test]
fn bind_takes_a_port_once() {
    let _watch = watch();
    for family in FAMILIES {
        let socket = Socket::tcp(family);
        assert_eq!(socket.bind(&family.loopback(0)), Ok(()));
        assert_ne!(socket.local_address().unwrap().port(), 0);
        assert_eq!(socket.bind(&family.loopback(0)), Err(WSAEINVAL));
    }
}

/// A missing or short address is WSAEFAULT, a longer one is fine; a failed bind may be repeated.
/// Source: bind, WSAEFAULT; validated on Windows.
#[test]
fn bind_checks_the_address() {
    let _watch = watch();
    for family in FAMILIES {
        let socket = Socket::tcp(family);
        let good = family.loopback(0);
        // SAFETY: a null address is what is tested.
        let result = unsafe { bind(socket.0, null(), good.len) };
        assert_eq!(check(result), Err(WSAEFAULT));
        assert_eq!(socket.bind(&good.with_len(good.len - 1)), Err(WSAEFAULT));
        assert_eq!(socket.bind(&good.with_len(good.len + 40)), Ok(()));
    }
}

/// An address of another family is WSAEAFNOSUPPORT.
/// Source: bind, WSAEAFNOSUPPORT; validated on Windows.
#[test]
fn bind_checks_the_family() {
    let _watch = watch();
    differs_under_wine("answers other codes", || {
        for family in FAMILIES {
            let other = family.other().loopback(0).with_len(28);
            assert_eq!(Socket::tcp(family).bind(&other), Err(WSAEAFNOSUPPORT));
        }
    });
}

/// An address of another machine cannot be bound.
/// Source: bind, WSAEADDRNOTAVAIL.
#[test]
fn bind_needs_a_local_address() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let elsewhere = Address::from(std::net::SocketAddr::from(([192, 0, 2, 1], 0)));
    assert_eq!(socket.bind(&elsewhere), Err(WSAEADDRNOTAVAIL));
    assert_eq!(socket.bind(&Family::V4.loopback(0)), Ok(()));
}

/// A port that is taken is WSAEADDRINUSE; another port may be tried on the same socket.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn bind_refuses_a_taken_port() {
    let _watch = watch();
    for family in FAMILIES {
        let first = Socket::bound(family);
        let taken = first.local_address().unwrap().into();
        let second = Socket::tcp(family);
        assert_eq!(second.bind(&taken), Err(WSAEADDRINUSE));
        assert_eq!(second.bind(&family.loopback(0)), Ok(()));
    }
}

/// A port with connections in TIME_WAIT can be bound again.
/// Source: bind and SO_REUSEADDR (not needed for that on Windows).
#[test]
fn time_wait_does_not_hold_the_port() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let address = listener.address;
    let pair = listener.pair();
    drop(listener);
    drop(pair.server);
    assert_eq!(pair.client.recv(&mut [0; 1]), Ok(0));
    drop(pair.client);
    let again = Socket::tcp(Family::V4);
    assert_eq!(again.bind(&address), Ok(()));
    assert_eq!(again.listen(1), Ok(()));
}

// --- Port 0 ----------------------------------------------------------------------------------------

/// Port 0 is a free port, chosen when the socket is bound, whatever the options say.
/// Source: bind ("the service provider assigns a unique port"); getsockname.
#[test]
fn port_zero_is_chosen_at_bind() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        for sharing in SHARINGS {
            if under_wine() && (protocol, sharing) == (Udp, Reuse) {
                continue; // it binds by the rules of Linux, which may choose a port twice then
            }
            let sockets: Vec<_> = (0..200)
                .map(|_| bound(protocol, &at("127.0.0.1", 0), sharing).unwrap())
                .collect();
            let mut ports: Vec<_> = sockets.iter().map(bound_port).collect();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), sockets.len(), "{protocol:?} {sharing:?}");
            assert!(!ports.contains(&0));
        }
    }
}

/// Addresses of groups and broadcasts are nobody's own.
/// Source: bind, WSAEADDRNOTAVAIL ("not a valid address for the local computer").
#[test]
fn groups_and_broadcasts_are_no_local_addresses() {
    let _watch = watch();
    differs_under_wine("leaves it to Linux", || {
        let mut wrong = Vec::new();
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            for text in [
                "239.1.2.3:0",
                "255.255.255.255:0",
                "127.255.255.255:0",
                "[ff0e::1]:0",
            ] {
                let address = address(text);
                let family = i32::from(address.storage.ss_family);
                let socket = Socket::open(family, kind, 0).unwrap();
                let answer = socket.bind(&address);
                if answer != Err(WSAEADDRNOTAVAIL) {
                    wrong.push((kind, text, answer));
                }
            }
        }
        assert_eq!(wrong, []);
    });
}

/// A socket is bound once, whatever stands in the way of a second address.
/// Source: bind, WSAEINVAL; validated on Windows.
#[test]
fn second_bind_of_an_exclusive_listener_is_invalid() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    socket
        .set_option(SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)
        .unwrap();
    let listener = Listener::from_socket(socket, Family::V4);
    assert_eq!(listener.bind(&listener.address), Err(WSAEINVAL));
    let _pair = listener.pair();
    assert_eq!(listener.bind(&listener.address), Err(WSAEINVAL));
}

/// A scope of IPv6 is that of an interface.
/// Source: bind, WSAEADDRNOTAVAIL; validated on Windows.
#[test]
fn scope_must_exist() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL", || {
        let mut wrong = Vec::new();
        for text in ["[::1]:0", "[::]:0", "[fe80::1]:0"] {
            for kind in [SOCK_STREAM, SOCK_DGRAM] {
                let mut address = address(text);
                // SAFETY: a storage has room for the address.
                unsafe {
                    (*address.as_mut_ptr().cast::<SOCKADDR_IN6>())
                        .Anonymous
                        .sin6_scope_id = 0xabacab
                };
                let answer = Socket::open(i32::from(AF_INET6), kind, 0)
                    .unwrap()
                    .bind(&address);
                if answer != Err(WSAEADDRNOTAVAIL) {
                    wrong.push((text, kind, answer));
                }
            }
        }
        assert_eq!(wrong, []);
    });
}

// --- listen ----------------------------------------------------------------------------------------

/// listen wants a bound, unconnected stream socket; repeating it is fine.
/// Source: listen, WSAEINVAL, WSAEISCONN and WSAEOPNOTSUPP.
#[test]
fn listen_checks_the_state() {
    let _watch = watch();
    differs_under_wine("answers WSAEINVAL on connected sockets", || {
        for backlog in [0, 1, -1, BACKLOG_MAX] {
            assert_eq!(
                Socket::tcp(Family::V4).listen(backlog),
                Err(WSAEINVAL),
                "unbound, {backlog}"
            );
        }
        let pair = connected_pair(Family::V4);
        assert_eq!(pair.server.listen(1), Err(WSAEISCONN));
        assert_eq!(pair.client.listen(1), Err(WSAEISCONN));
        let datagram = Socket::open(V4, SOCK_DGRAM, UDP).unwrap();
        assert_eq!(datagram.bind(&Family::V4.loopback(0)), Ok(()));
        assert_eq!(datagram.listen(1), Err(WSAEOPNOTSUPP));
    });
}

/// Any backlog will do, and a second listen.
/// Source: listen, backlog and SOMAXCONN_HINT.
#[test]
fn listen_takes_any_backlog() {
    let _watch = watch();
    let socket = Socket::bound(Family::V4);
    let address = socket.local_address().unwrap().into();
    for backlog in [1, BACKLOG_MAX, -200, 5] {
        assert_eq!(socket.listen(backlog), Ok(()), "backlog {backlog}");
    }
    let client = Socket::tcp(Family::V4);
    assert_eq!(client.connect(&address), Ok(()));
    assert!(socket.accept().is_ok());
}

/// After a failed bind the socket is unbound: listen is WSAEINVAL.
/// Source: listen, WSAEINVAL; validated on Windows.
#[test]
fn listen_after_a_failed_bind() {
    let _watch = watch();
    let holder = Socket::bound(Family::V4);
    let socket = Socket::tcp(Family::V4);
    let taken = holder.local_address().unwrap().into();
    assert_eq!(socket.bind(&taken), Err(WSAEADDRINUSE));
    assert_eq!(socket.listen(1), Err(WSAEINVAL));
}

/// SO_ACCEPTCONN tells listeners from others.
/// Source: SOL_SOCKET options, SO_ACCEPTCONN.
#[test]
fn listening_shows_in_so_acceptconn() {
    let _watch = watch();
    let socket = Socket::bound(Family::V4);
    assert_eq!(socket.option(SOL_SOCKET, SO_ACCEPTCONN), Ok(0));
    assert_eq!(socket.listen(1), Ok(()));
    assert_eq!(socket.option(SOL_SOCKET, SO_ACCEPTCONN), Ok(1));
}
