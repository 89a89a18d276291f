//! Datagram sockets in select, WSAPoll, WSAEventSelect and WSAAsyncSelect.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

// --- select and WSAPoll ----------------------------------------------------------------------------

/// WSAPoll's answer for one socket.
fn polled(socket: Raw) -> i16 {
    let mut entry = WSAPOLLFD {
        fd: socket.0,
        events: POLLIN | POLLOUT,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    assert!(unsafe { WSAPoll(&mut entry, 1, 0) } >= 0);
    entry.revents
}

/// Whether select finds the socket readable, and writable.
fn selected(socket: Raw) -> [bool; 2] {
    let mut sets = [(); 2].map(|()| {
        let mut set = FD_SET::default();
        set.fd_array[0] = socket.0;
        set.fd_count = 1;
        set
    });
    let no_wait = TIMEVAL::default();
    let [read, write] = &mut sets;
    // SAFETY: everything lives through the call.
    let count = unsafe { select(0, read, write, null_mut(), &no_wait) };
    assert!(count >= 0);
    sets.map(|set| set.fd_count == 1)
}

/// Readable while a datagram waits, writable always: bound or not, connected or not.
/// Source: select, remarks; WSAPoll, remarks.
#[test]
fn datagrams_make_a_socket_readable() {
    let _watch = watch();
    let fresh = udp(Family::V4);
    assert_eq!(
        (selected(*fresh), polled(*fresh)),
        ([false, true], POLLWRNORM)
    );
    let free = [udp_bound(Family::V4), udp_bound(Family::V4)];
    free[0].connect(&address_of(*free[1])).unwrap();
    for [a, b] in [udp_pair(Family::V4), free] {
        assert_eq!((selected(*b), polled(*b)), ([false, true], POLLWRNORM));
        a.send(b"").unwrap();
        a.send(b"abc").unwrap();
        for expected in [&b""[..], b"abc"] {
            b.until_readable();
            let both = POLLRDNORM | POLLWRNORM;
            assert_eq!((selected(*b), polled(*b)), ([true, true], both));
            assert_eq!(b.recv_from(9).unwrap().0, expected);
        }
        assert_eq!((selected(*b), polled(*b)), ([false, true], POLLWRNORM));
    }
}

/// What a pending receive takes is not there.
/// Source: select, remarks (what can be received without blocking).
#[test]
fn pending_receive_takes_its_datagram_first() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let letter = Letter::new(8);
    assert_eq!(b.receive_from(&letter), PENDING);
    a.send(b"abc").unwrap();
    letter.until_finished();
    assert_eq!(selected(*b), [false, true]);
    a.send(b"def").unwrap();
    b.until_readable();
    assert_eq!(b.recv_some(9).unwrap(), b"def");
}

/// A receive that is to fail because of ICMP makes the socket readable too, unless nobody wants to know.
/// Source: select, remarks; SIO_UDP_CONNRESET.
#[test]
fn failure_makes_a_socket_readable() {
    let _watch = watch();
    differs_under_wine("is told nothing of ICMP", || {
        let (_holders, nobody) = deaf_address(Family::V4);
        let socket = udp_bound(Family::V4);
        socket.send_to(b"x", &nobody).unwrap();
        socket.until_readable();
        assert_eq!(polled(*socket) & POLLRDNORM, POLLRDNORM);
        assert_eq!(socket.recv_from(9), Err(WSAECONNRESET));
        assert_eq!(selected(*socket), [false, true]);
        socket.control_switch(SIO_UDP_CONNRESET, false).unwrap();
        socket.send_to(b"x", &nobody).unwrap();
        let waits = std::time::Instant::now();
        while waits.elapsed().as_millis() < u128::from(QUIET_MS) {
            assert_eq!(selected(*socket), [false, true]);
        }
    });
}

// --- WSAEventSelect --------------------------------------------------------------------------------

/// A socket with the event that its network events are to set.
struct Watched {
    socket: Raw,
    event: Event,
}

impl Watched {
    fn new(socket: Raw, mask: u32) -> Watched {
        let event = Event::manual();
        // SAFETY: handles are looked up.
        let result = unsafe { WSAEventSelect(socket.0, event.raw() as WSAEVENT, mask as i32) };
        assert_eq!(check(result), Ok(()));
        Watched { socket, event }
    }

    fn fetch(&self) -> u32 {
        let mut out = WSANETWORKEVENTS::default();
        let event = self.event.raw() as WSAEVENT;
        // SAFETY: `out` lives through the call; handles are looked up.
        check(unsafe { WSAEnumNetworkEvents(self.socket.0, event, &mut out) }).unwrap();
        out.lNetworkEvents as u32
    }

    /// Those events come, and no others.
    #[track_caller]
    fn expect(&self, events: u32) {
        let mut all = 0;
        while all != events {
            assert!(self.event.wait(DEADLINE_MS), "only {all:#x} came");
            all |= self.fetch();
            assert_eq!(all & !events, 0, "more came: {all:#x}");
        }
    }

    #[track_caller]
    fn expect_nothing(&self) {
        assert!(!self.event.wait(QUIET_MS), "came: {:#x}", self.fetch());
    }
}

/// Every kind of receive re-enables FD_READ: another datagram that waits is reported, nothing else.
/// Source: WSAEventSelect, table of re-enabling functions.
#[test]
fn every_receive_enables_the_event() {
    let _watch = watch();
    let receives: [fn(Raw); 5] = [
        |socket| assert_eq!(socket.recv_some(9).unwrap(), b"abc"),
        |socket| assert_eq!(socket.recv_from(9).unwrap().0, b"abc"),
        |socket| assert_eq!(socket.recv_from(2), Err(WSAEMSGSIZE)),
        |socket| assert_eq!(socket.receive_from(&Letter::new(9)), done(3)),
        |socket| assert_eq!(Message::new(9, 64).receive(socket), (Ok(()), 3)),
    ];
    for connected in [true, false] {
        let [a, b] = match connected {
            true => udp_pair(Family::V4),
            false => [(); 2].map(|()| udp_bound(Family::V4)),
        };
        let to = address_of(*b);
        let watched = Watched::new(*b, FD_READ);
        for receive in receives {
            watched.expect_nothing();
            for _ in 0..2 {
                a.send_to(b"abc", &to).unwrap();
            }
            b.until_readable();
            watched.expect(FD_READ);
            receive(*b);
            watched.expect(FD_READ);
            receive(*b);
            watched.expect_nothing();
        }
    }
}

/// A look re-enables as well, and a datagram that a pending receive takes is not reported.
/// Source: WSAEventSelect, table of re-enabling functions.
#[test]
fn looks_enable_and_pending_receives_do_not_report() {
    let _watch = watch();
    let [a, b] = udp_pair(Family::V4);
    let watched = Watched::new(*b, FD_READ);
    a.send(b"abc").unwrap();
    watched.expect(FD_READ);
    assert_eq!(b.recv_from_flags(9, MSG_PEEK).unwrap().0, b"abc");
    watched.expect(FD_READ);
    assert_eq!(b.recv_some(9).unwrap(), b"abc");
    let letter = Letter::new(8);
    assert_eq!(b.receive_from(&letter), PENDING);
    a.send(b"def").unwrap();
    letter.until_finished();
    watched.expect_nothing();
}

/// A send binds its socket, which reports FD_WRITE once; sends that succeed report nothing more.
/// Source: WSAEventSelect, FD_WRITE; validated on Windows (unbound sockets report nothing).
#[test]
fn sending_binds_and_reports_write() {
    let _watch = watch();
    differs_under_wine("reports FD_WRITE unbound", || {
        let (socket, peer) = (udp(Family::V4), udp_bound(Family::V4));
        let watched = Watched::new(*socket, FD_READ | FD_WRITE);
        watched.expect_nothing();
        socket.send_to(b"x", &address_of(*peer)).unwrap();
        watched.expect(FD_WRITE);
        let request = Request::from_data(b"y");
        let sent = socket.send_request_to(&request, &address_of(*peer));
        assert_eq!(sent, done(1));
        watched.expect_nothing();
    });
}

/// A failure that a receive is to report is FD_READ.
/// Source: WSAEventSelect, FD_READ.
#[test]
fn failure_is_reported_as_read() {
    let _watch = watch();
    differs_under_wine("is told nothing of ICMP", || {
        let (_holders, nobody) = deaf_address(Family::V4);
        let socket = udp_bound(Family::V4);
        let watched = Watched::new(*socket, FD_READ);
        socket.send_to(b"x", &nobody).unwrap();
        watched.expect(FD_READ);
        assert_eq!(socket.recv_from(9), Err(WSAECONNRESET));
        watched.expect_nothing();
    });
}

// --- WSAAsyncSelect --------------------------------------------------------------------------------

/// A datagram is posted once until a receive; every kind of receive re-enables it.
/// Source: WSAAsyncSelect, table of re-enabling functions.
#[test]
fn every_receive_enables_the_message() {
    let _watch = watch();
    let receives: [fn(Raw); 3] = [
        |socket| assert_eq!(socket.recv_from(9).unwrap().0, b"abc"),
        |socket| assert_eq!(socket.receive_from(&Letter::new(9)), done(3)),
        |socket| assert_eq!(Message::new(9, 64).receive(socket), (Ok(()), 3)),
    ];
    let [a, b] = udp_pair(Family::V4);
    let window = crate::async_select::Window::new();
    window.select(*b, FD_READ);
    for receive in receives {
        for _ in 0..2 {
            a.send(b"abc").unwrap();
        }
        window.expect_only(*b, &[FD_READ]);
        receive(*b);
        window.expect_only(*b, &[FD_READ]);
        receive(*b);
        window.expect_nothing();
    }
}
