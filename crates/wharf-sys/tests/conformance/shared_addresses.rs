//! Who gets what arrives where several sockets have a port.

use wharf_sys::*;

use crate::binding::Protocol::{Tcp, Udp};
use crate::binding::Sharing::{Default, Reuse};
use crate::binding::{at, bound, bound_port, client_of, drain, listening, quiet_port};
use crate::harness::*;
use crate::tcp::*;

/// The wildcard and a specific address of one port, both listening, in either order: connections to the specific address
/// are the specific listener's, all others the wildcard's.
/// Source: bind; validated on Windows.
#[test]
fn specific_listener_is_preferred() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for family in FAMILIES {
            for wildcard_first in [true, false] {
                let addresses = [family.any(0), family.loopback(0)];
                let first = listening(&addresses[usize::from(!wildcard_first)], Default);
                let port = bound_port(&first);
                let addresses = [family.any(port), family.loopback(port)];
                let second = listening(&addresses[usize::from(wildcard_first)], Default);
                let (wildcard, specific) = match wildcard_first {
                    true => (first, second),
                    false => (second, first),
                };
                let clients: Vec<_> = (0..10).map(|_| client_of(&family.loopback(port))).collect();
                assert_eq!((drain(&wildcard), drain(&specific)), (0, 10));
                drop(clients);
                drop(specific);
                let _client = client_of(&family.loopback(port));
                assert_eq!(drain(&wildcard), 1);
            }
        }
    });
}

/// The wildcard's listener serves every other address.
/// Source: bind; validated on Windows.
#[test]
fn wildcard_listener_serves_the_other_addresses() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        let wildcard = listening(&at("0.0.0.0", quiet_port()), Default);
        let port = bound_port(&wildcard);
        let specific = listening(&at("127.0.0.1", port), Default);
        let _clients = ["127.0.0.2", "127.0.0.1", "127.0.0.3"].map(|ip| client_of(&at(ip, port)));
        assert_eq!((drain(&wildcard), drain(&specific)), (2, 1));
    });
}

/// Two listeners at one address: connections go to the one that listened first, whichever was bound first; when it closes,
/// to the other.
/// Source: SO_REUSEADDR ("the behavior … is indeterminate"); validated on Windows for the first part.
#[test]
fn first_listener_gets_the_connections() {
    let _watch = watch();
    differs_under_wine("refuses the second listener", || {
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            for bound_first_listens_first in [true, false] {
                let one = bound(Tcp, &at(address, 0), Reuse).unwrap();
                let port = bound_port(&one);
                let other = bound(Tcp, &at(address, port), Reuse).unwrap();
                let (first, second) = match bound_first_listens_first {
                    true => (one, other),
                    false => (other, one),
                };
                assert_eq!(first.listen(BACKLOG_MAX), Ok(()));
                assert_eq!(second.listen(BACKLOG_MAX), Ok(()));
                assert_first_gets_all(first, second, address, port);
            }
        }
    });
}

fn assert_first_gets_all(first: Socket, second: Socket, address: &str, port: u16) {
    const COUNT: usize = 30;
    let family = if address.contains(':') {
        Family::V6
    } else {
        Family::V4
    };
    let connect = || -> Vec<_> {
        let to = family.loopback(port);
        (0..COUNT).map(|_| client_of(&to)).collect()
    };
    let clients = connect();
    assert_eq!((drain(&first), drain(&second)), (COUNT, 0), "{address}");
    drop(clients);
    drop(first);
    let _clients = connect();
    assert_eq!(drain(&second), COUNT, "{address}");
}

/// A second listener may come while the first serves, and gets nothing as long as it does.
/// Source: SO_REUSEADDR; validated on Windows.
#[test]
fn late_listener_gets_nothing() {
    let _watch = watch();
    differs_under_wine("refuses the second listener", || {
        let first = listening(&at("127.0.0.1", quiet_port()), Reuse);
        let address = at("127.0.0.1", bound_port(&first));
        let _client = client_of(&address);
        let second = listening(&address, Reuse);
        let third = listening(&address, Reuse);
        let _clients: Vec<_> = (0..20).map(|_| client_of(&address)).collect();
        assert_eq!([&first, &second, &third].map(drain), [21, 0, 0]);
    });
}

/// A datagram to an address is that socket's which is bound to it, not the wildcard's.
/// Source: bind ("the most specific"); validated on Windows for streams.
#[test]
fn datagrams_go_to_the_specific_socket() {
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        for family in FAMILIES {
            let wildcard = bound(Udp, &family.any(0), Default).unwrap();
            let port = bound_port(&wildcard);
            let specific = bound(Udp, &family.loopback(port), Default).unwrap();
            let sender = Socket::open(family.number(), SOCK_DGRAM, 0).unwrap();
            assert_eq!(sender.connect(&family.loopback(port)), Ok(()));
            sender.send_all(b"one");
            assert_eq!(specific.recv_some(10), Ok(b"one".to_vec()));
            drop(specific);
            sender.send_all(b"two");
            assert_eq!(wildcard.recv_some(10), Ok(b"two".to_vec()));
        }
    });
}
