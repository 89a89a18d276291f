//! Until when an address is taken, and who gets it where several threads want it.

use std::net::TcpListener;
use std::sync::{Arc, Barrier};

use wharf_sys::*;

use crate::binding::Protocol::{Tcp, Udp};
use crate::binding::Sharing::{Default, Exclusive};
use crate::binding::{
    SHARINGS, at, bound, bound_port, client_of, fresh, listening, protocols_by_address, quiet_port,
    reserved,
};
use crate::harness::*;
use crate::tcp::*;

// --- Until when an address is taken ----------------------------------------------------------------

/// A closed socket's address is free at once, and so is that of a listener in which another thread waits.
/// Source: closesocket ("the port … is released"); bind.
#[test]
fn closing_frees_the_address() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        for sharing in SHARINGS {
            let mut address = at("127.0.0.1", bound_port(&reserved(protocol)));
            for _ in 0..20 {
                let socket = bound(protocol, &address, sharing).expect("a free address");
                address = at("127.0.0.1", bound_port(&socket));
            }
        }
    }
    not_under_wine("may free a listener's address a little later", || {
        let mut address = at("127.0.0.1", bound_port(&reserved(Tcp)));
        for _ in 0..20 {
            let listener = listening(&address, Default).into_raw();
            address = listener.local_address().unwrap().into();
            let waiting = spawn(move || listener.accept().is_err());
            waiting.until_waits();
            assert_eq!(listener.close(), Ok(()));
            drop(listening(&address, Default));
            assert!(waiting.join());
        }
    });
}

/// As long as one of several handles is open the address is taken.
/// Source: closesocket; DuplicateHandle.
#[test]
fn last_handle_frees_the_address() {
    let _watch = watch();
    in_own_process(|| {
        for protocol in [Tcp, Udp] {
            let socket = bound(protocol, &at("127.0.0.1", quiet_port()), Default).unwrap();
            let address = at("127.0.0.1", bound_port(&socket));
            let copy = duplicate(socket.handle());
            drop(socket);
            let answer = bound(protocol, &address, Default);
            assert_eq!(answer.err(), Some(WSAEADDRINUSE));
            copy.close();
            assert_eq!(bound(protocol, &address, Default).err(), None);
        }
    });
}

/// A bound socket that is connected keeps its address.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn connected_socket_keeps_its_address() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = bound(Tcp, &at("127.0.0.1", quiet_port()), Default).unwrap();
    let address = at("127.0.0.1", bound_port(&client));
    assert_eq!(client.connect(&listener.address), Ok(()));
    let answer = bound(Tcp, &address, Default);
    assert_eq!(answer.err(), Some(WSAEADDRINUSE));
}

/// A client's address is free for the next one although its connection is in TIME_WAIT, and the next one may connect
/// elsewhere.
/// Source: bind and SO_REUSEADDR (not needed for that on Windows).
#[test]
fn time_wait_does_not_hold_a_clients_port() {
    let _watch = watch();
    let (listener, other) = (Listener::new(Family::V4), Listener::new(Family::V4));
    let client = bound(Tcp, &at("127.0.0.1", quiet_port()), Default).unwrap();
    let address = at("127.0.0.1", bound_port(&client));
    assert_eq!(client.connect(&listener.address), Ok(()));
    let server = listener.accept().unwrap();
    drop(client);
    assert_eq!(server.recv(&mut [0; 1]), Ok(0));
    drop(server);
    let again = bound(Tcp, &address, Default).expect("beside TIME_WAIT");
    assert_eq!(again.connect(&other.address), Ok(()));
}

/// Connections that a closed listener has accepted do not hold its address, unless they are of an exclusive one and the
/// next wants it exclusively too; TIME_WAIT never does.
/// Source: SO_EXCLUSIVEADDRUSE ("until the accepted connection is no longer active").
#[test]
fn exclusive_address_is_held_by_its_connections() {
    let _watch = watch();
    differs_under_wine("does not know of its connections", || {
        for (first, second, expected) in [
            (Default, Default, None),
            (Default, Exclusive, None),
            (Exclusive, Default, None),
            (Exclusive, Exclusive, Some(WSAEADDRINUSE)),
        ] {
            let listener = listening(&at("127.0.0.1", quiet_port()), first);
            let address = at("127.0.0.1", bound_port(&listener));
            let client = client_of(&address);
            let server = listener.accept().unwrap();
            drop(listener);
            let answer = bound(Tcp, &address, second);
            assert_eq!(answer.err(), expected, "{first:?} {second:?}");
            drop(server);
            assert_eq!(client.recv(&mut [0; 1]), Ok(0));
            drop(client);
            let answer = bound(Tcp, &address, second);
            assert_eq!(answer.err(), None, "{first:?} {second:?} in TIME_WAIT");
        }
    });
}

/// A failed bind may be repeated elsewhere, and leaves nothing behind.
/// Source: bind; validated on Windows.
#[test]
fn failed_bind_may_be_repeated() {
    let _watch = watch();
    for protocol in [Tcp, Udp] {
        let first = bound(protocol, &at("127.0.0.1", quiet_port()), Default).unwrap();
        let address = at("127.0.0.1", bound_port(&first));
        let second = fresh(protocol, &address, Default);
        for _ in 0..3 {
            assert_eq!(second.bind(&address), Err(WSAEADDRINUSE));
        }
        drop(first);
        assert_eq!(second.bind(&address), Ok(()));
    }
}

/// Sockets outside the process' own winsock calls are kept out of a bound address, however the process shares it itself.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn other_owners_are_kept_out() {
    let _watch = watch();
    let taken = |port| TcpListener::bind(("127.0.0.1", port)).is_err();
    let first = bound(Tcp, &at("127.0.0.1", quiet_port()), Default).unwrap();
    let port = bound_port(&first);
    assert!(taken(port), "bound");
    assert_eq!(first.listen(5), Ok(()));
    assert!(taken(port), "listening");
    not_under_wine("binds by the rules of Linux", || {
        let wildcard = bound(Tcp, &at("0.0.0.0", port), Default).unwrap();
        assert!(taken(port), "beside the wildcard");
        assert_eq!(wildcard.listen(5), Ok(()));
        drop(wildcard);
        assert!(taken(port), "alone again");
    });
    drop(first);
    assert!(!taken(port), "free");
}

// --- Several threads -------------------------------------------------------------------------------

/// Of several threads that bind one address at once, one succeeds.
/// Source: bind, WSAEADDRINUSE.
#[test]
fn one_of_several_threads_gets_the_address() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 50;
    let _watch = watch();
    for protocol in protocols_by_address() {
        let reserved = reserved(protocol);
        let address = at("127.0.0.1", bound_port(&reserved));
        let barrier = Arc::new(Barrier::new(THREADS));
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                let barrier = barrier.clone();
                spawn(move || {
                    let mut won = Vec::new();
                    for _ in 0..ROUNDS {
                        let socket = fresh(protocol, &address, Default);
                        barrier.wait();
                        let answer = socket.bind(&address);
                        if answer != Ok(()) {
                            assert_eq!(answer, Err(WSAEADDRINUSE));
                        }
                        won.push(answer.is_ok());
                        barrier.wait();
                        drop(socket);
                        barrier.wait();
                    }
                    won
                })
            })
            .collect();
        let won = join_all(workers);
        for round in 0..ROUNDS {
            let winners = won.iter().filter(|won| won[round]).count();
            assert_eq!(winners, 1, "{protocol:?}, round {round}");
        }
    }
}

/// Threads that bind the wildcard and specific addresses of one port at once, and listen, all succeed.
/// Source: bind; validated on Windows for one thread.
#[test]
fn threads_share_a_port_by_address() {
    const ROUNDS: usize = 50;
    let _watch = watch();
    differs_under_wine("binds by the rules of Linux", || {
        let reserved = reserved(Tcp);
        let port = bound_port(&reserved);
        let barrier = Arc::new(Barrier::new(3));
        let workers = ["0.0.0.0", "127.0.0.1", "127.0.0.2"].map(|ip| {
            let barrier = barrier.clone();
            spawn(move || {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    drop(listening(&at(ip, port), Default));
                }
            })
        });
        join_all(workers);
    });
}
