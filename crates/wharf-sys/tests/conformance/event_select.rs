//! WSAEventSelect and WSAEnumNetworkEvents: what is recorded, when the event is set, and what makes a condition count
//! again.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A socket with the event that its network events are to set.
struct Watched {
    socket: Raw,
    event: Event,
}

/// What WSAEnumNetworkEvents told: the events, and for FD_CONNECT and FD_CLOSE their errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fetched {
    events: u32,
    connect_error: i32,
    close_error: i32,
}

/// Those events without errors.
fn fetched(events: u32) -> Fetched {
    Fetched {
        events,
        ..Fetched::default()
    }
}

/// `WSAEventSelect`.
fn select(socket: Raw, event: HANDLE, mask: u32) -> Result<(), WSA_ERROR> {
    // SAFETY: handles are looked up.
    check(unsafe { WSAEventSelect(socket.0, event as WSAEVENT, mask as i32) })
}

/// `WSAEnumNetworkEvents`.
fn fetch(socket: Raw, event: HANDLE) -> Result<Fetched, WSA_ERROR> {
    let mut out = WSANETWORKEVENTS::default();
    // SAFETY: `out` lives through the call; handles are looked up.
    check(unsafe { WSAEnumNetworkEvents(socket.0, event as WSAEVENT, &mut out) })?;
    Ok(Fetched {
        events: out.lNetworkEvents as u32,
        connect_error: out.iErrorCode[FD_CONNECT_BIT as usize],
        close_error: out.iErrorCode[FD_CLOSE_BIT as usize],
    })
}

impl Watched {
    /// A socket with an event of its own and that mask.
    #[track_caller]
    fn new(socket: Raw, mask: u32) -> Watched {
        let event = Event::manual();
        let watched = Watched { socket, event };
        watched.select(mask);
        watched
    }

    #[track_caller]
    fn select(&self, mask: u32) {
        assert_eq!(select(self.socket, self.event.raw(), mask), Ok(()));
    }

    /// Waits for those events, which may come one after the other, and fails if another comes.
    #[track_caller]
    fn expect(&self, expected: Fetched) {
        let mut all = Fetched::default();
        while all.events != expected.events {
            assert!(
                self.event.wait(DEADLINE_MS),
                "expected {expected:?}, only got {all:?}"
            );
            let more = fetch(self.socket, self.event.raw()).unwrap();
            assert_eq!(
                more.events & !expected.events,
                0,
                "expected {expected:?}, got {more:?} after {all:?}"
            );
            all.events |= more.events;
            all.connect_error |= more.connect_error;
            all.close_error |= more.close_error;
        }
        assert_eq!(all, expected);
    }

    /// Nothing comes for a while.
    #[track_caller]
    fn expect_nothing(&self) {
        let came = self.event.wait(QUIET_MS);
        let events = fetch(self.socket, self.event.raw()).unwrap();
        assert_eq!((came, events.events), (false, 0));
    }

    /// Those events come, and then nothing.
    #[track_caller]
    fn expect_only(&self, events: u32) {
        self.expect(fetched(events));
        self.expect_nothing();
    }
}

const ALL: u32 = FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE;

/// A connected pair whose server end is watched for everything, with the first FD_WRITE behind it.
#[track_caller]
fn watched_pair() -> (Pair, Watched) {
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, ALL);
    watched.expect(fetched(FD_WRITE));
    (pair, watched)
}

/// Registering reports what holds already: data that is queued and room to send. It is reported once.
/// Source: WSAEventSelect, remarks; validated on Windows.
#[test]
fn registering_reports_what_holds() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    let watched = Watched::new(*pair.server, FD_READ | FD_WRITE | FD_CLOSE);
    assert!(watched.event.wait(0), "at once");
    watched.expect_only(FD_READ | FD_WRITE);
}

/// A socket that was connected before it is registered reports FD_CONNECT too; an accepted one never does.
/// Source: WSAEventSelect, remarks; validated on Windows.
#[test]
fn connect_is_reported_to_a_later_registration() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    Watched::new(*pair.client, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE)
        .expect_only(FD_CONNECT | FD_WRITE);
    Watched::new(*pair.server, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE).expect_only(FD_WRITE);
}

/// A receive re-enables FD_READ: with data left it is reported again, after the last byte it is not.
/// Source: WSAEventSelect, table of re-enabling functions; validated on Windows.
#[test]
fn receive_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_some(1).unwrap(), b"a");
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_some(2).unwrap(), b"bc");
    watched.expect_nothing();
    assert_eq!(pair.server.recv_some(2), Err(WSAEWOULDBLOCK));
    watched.expect_nothing();
}

/// Looking at the data without taking it re-enables FD_READ as well.
/// Source: WSAEventSelect, table of re-enabling functions.
#[test]
fn peek_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_flags(&mut [0; 3], MSG_PEEK), Ok(3));
    watched.expect_only(FD_READ);
}

/// An overlapped receive re-enables FD_READ too.
/// Source: WSAEventSelect, table of re-enabling functions; validated on Windows.
#[test]
fn overlapped_receive_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    let request = Request::new(1);
    assert_eq!(pair.server.receive(&request), done(1));
    watched.expect_only(FD_READ);
    let request = Request::new(2);
    assert_eq!(pair.server.receive(&request), done(2));
    watched.expect_nothing();
}

/// A receive takes a recorded FD_READ with it, even if nobody has fetched it.
/// Source: validated on Windows.
#[test]
fn receive_takes_read_out_of_the_record() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    assert!(watched.event.wait(DEADLINE_MS));
    watched.event.reset();
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_some(3).unwrap(), b"abc");
    watched.expect_nothing();
}

/// More data is recorded again although the old report stands.
/// Source: validated on Windows.
#[test]
fn more_data_is_recorded_again() {
    let _watch = watch();
    differs_under_wine("reports again after a receive only", || {
        let (pair, watched) = watched_pair();
        for _ in 0..3 {
            pair.client.send_all(b"abc");
            watched.expect_only(FD_READ);
        }
        // Also while it is recorded and not fetched: the event is set again.
        pair.client.send_all(b"abc");
        assert!(watched.event.wait(DEADLINE_MS));
        watched.event.reset();
        pair.client.send_all(b"abc");
        watched.expect_only(FD_READ);
    });
}

/// FD_CLOSE comes as soon as the peer's end is known, even with unread data, and is not more data.
/// Source: validated on Windows; the documentation says after the data.
#[test]
fn end_is_reported_at_once_even_with_unread_data() {
    let _watch = watch();
    differs_under_wine("reports FD_CLOSE after the data", || {
        let (pair, watched) = watched_pair();
        pair.client.send_all(b"abc");
        watched.expect_only(FD_READ);
        pair.client.shutdown(SD_SEND).unwrap();
        watched.expect_only(FD_CLOSE);
        assert_eq!(pair.server.recv_some(1).unwrap(), b"a");
        watched.expect_only(FD_READ);
        assert_eq!(pair.server.recv_some(2).unwrap(), b"bc");
        watched.expect_nothing();
        assert_eq!(pair.server.recv_some(2).unwrap(), b"");
        watched.expect_nothing();
    });
}

/// Data and the end that are both there at registration are reported together.
/// Source: WSAEventSelect, remarks.
#[test]
fn data_and_end_are_reported_together() {
    let _watch = watch();
    differs_under_wine("reports FD_CLOSE after the data", || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"abc");
        pair.client.shutdown(SD_SEND).unwrap();
        until_end(*pair.server, 3);
        Watched::new(*pair.server, FD_READ | FD_CLOSE).expect_only(FD_READ | FD_CLOSE);
    });
}

/// Waits until `unread` bytes and the peer's end have arrived.
fn until_end(socket: Raw, unread: u32) {
    socket.until_unread(unread);
    until("the end has arrived", || {
        let mut entry = WSAPOLLFD {
            fd: socket.0,
            events: 0,
            revents: 0,
        };
        // SAFETY: one entry, which lives through the call.
        unsafe { WSAPoll(&mut entry, 1, 0) };
        entry.revents & POLLHUP != 0
    });
}

/// A reset is FD_CLOSE with WSAECONNABORTED, and no FD_READ.
/// Source: validated on Windows.
#[test]
fn reset_is_a_close_with_an_error() {
    let _watch = watch();
    differs_under_wine("gives another error", || {
        let (pair, watched) = watched_pair();
        pair.client.reset();
        watched.expect(Fetched {
            events: FD_CLOSE,
            close_error: WSAECONNABORTED,
            ..Fetched::default()
        });
        watched.expect_nothing();
        assert_eq!(pair.server.recv_some(1), Err(WSAECONNRESET));
        watched.expect_nothing();
    });
}

/// A socket that ended before it is registered reports FD_CLOSE then, and only once.
/// Source: validated on Windows.
#[test]
fn close_is_reported_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.shutdown(SD_SEND).unwrap();
    until_end(*pair.server, 0);
    let watched = Watched::new(*pair.server, FD_CLOSE);
    watched.expect_only(FD_CLOSE);
    watched.select(FD_CLOSE);
    watched.expect_nothing();
    watched.select(FD_CLOSE | FD_READ);
    watched.expect_nothing();
}

/// Neither its own shutdown nor the peer's SD_RECEIVE is an end; the peer's SD_SEND is one, also after its own SD_BOTH.
/// Source: validated on Windows.
#[test]
fn own_shutdown_is_no_end() {
    let _watch = watch();
    differs_under_wine("never reports the end after its own shutdown", || {
        let (pair, watched) = watched_pair();
        pair.client.shutdown(SD_RECEIVE).unwrap();
        watched.expect_nothing();
        pair.server.shutdown(SD_BOTH).unwrap();
        watched.expect_nothing();
        pair.client.shutdown(SD_SEND).unwrap();
        watched.expect_only(FD_CLOSE);
    });
}

/// FD_WRITE comes after a send that would have blocked, when there is room again; not before, and not after sends that
/// succeed.
/// Source: WSAEventSelect, remarks on FD_WRITE; validated on Windows.
#[test]
fn write_is_reported_when_room_returns() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.server.send(b"a").unwrap();
    watched.expect_nothing();
    let mut sent = 1;
    fill(*pair.server, &mut sent);
    watched.expect_nothing();
    drain(*pair.client, sent);
    watched.expect_only(FD_WRITE);
    pair.server.send(b"a").unwrap();
    watched.expect_nothing();
}

/// Sends until it would block; counts the bytes.
fn fill(socket: Raw, sent: &mut usize) {
    let data = vec![7; 1 << 18];
    loop {
        match socket.send(&data) {
            Ok(count) => *sent += count,
            Err(error) => return assert_eq!(error, WSAEWOULDBLOCK),
        }
    }
}

/// Receives so many bytes.
fn drain(socket: Raw, count: usize) {
    let mut left = count;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let len = buffer.len().min(left);
        left -= socket.recv(&mut buffer[..len]).expect("recv");
    }
}

/// A send leaves a recorded FD_WRITE in the record.
/// Source: validated on Windows.
#[test]
fn send_leaves_write_in_the_record() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, FD_WRITE);
    pair.server.send(b"a").unwrap();
    watched.expect_only(FD_WRITE);
}

/// A connect that succeeds is FD_CONNECT and FD_WRITE.
/// Source: WSAEventSelect, remarks; validated on Windows.
#[test]
fn connect_reports_connect_and_write() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = Socket::tcp(family);
        let watched = Watched::new(*client, ALL);
        watched.expect_nothing();
        assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
        watched.expect(fetched(FD_CONNECT | FD_WRITE));
        not_under_wine("it sets the event for nothing, at times at once", || {
            watched.expect_nothing();
            watched.select(ALL);
            watched.expect_nothing();
        });
    }
}

/// A connect that is refused is FD_CONNECT with WSAECONNREFUSED, without FD_WRITE, and not again at a later registration.
/// Source: validated on Windows.
#[test]
fn refused_connect_reports_its_error() {
    let _watch = watch();
    let (_holder, address) = refusing_address(Family::V4);
    let client = Socket::tcp(Family::V4);
    let watched = Watched::new(*client, ALL);
    assert_eq!(client.connect(&address), Err(WSAEWOULDBLOCK));
    watched.expect(Fetched {
        events: FD_CONNECT,
        connect_error: WSAECONNREFUSED,
        ..Fetched::default()
    });
    watched.expect_nothing();
    assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(WSAECONNREFUSED));
    watched.select(ALL);
    watched.expect_nothing();
}

/// A connect that ends outside the mask is reported when a mask has FD_CONNECT.
/// Source: validated on Windows.
#[test]
fn connect_outside_the_mask_is_recorded() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    let watched = Watched::new(*client, FD_WRITE);
    assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
    watched.expect_only(FD_WRITE);
    watched.select(FD_CONNECT);
    watched.expect_only(FD_CONNECT);
}

/// FD_ACCEPT comes at each connection that arrives, without an accept in between.
/// Source: validated on Windows.
#[test]
fn accept_is_reported_at_each_arrival() {
    let _watch = watch();
    differs_under_wine("reports again after an accept only", || {
        let listener = Listener::new(Family::V4);
        let watched = Watched::new(*listener.socket, FD_ACCEPT);
        let _clients = [(); 3].map(|()| {
            let client = listener.client();
            watched.expect_only(FD_ACCEPT);
            client
        });
    });
}

/// An accept re-enables FD_ACCEPT: with connections left it is reported again, after the last one it is not.
/// Source: WSAEventSelect, table of re-enabling functions; validated on Windows.
#[test]
fn accept_reenables_accept() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _clients = [listener.client(), listener.client()];
    let watched = Watched::new(*listener.socket, FD_ACCEPT);
    watched.expect_only(FD_ACCEPT);
    let _accepted = listener.accept().unwrap();
    watched.expect_only(FD_ACCEPT);
    let _accepted = listener.accept().unwrap();
    watched.expect_nothing();
    assert_eq!(listener.accept().err(), Some(WSAEWOULDBLOCK));
    watched.expect_nothing();
}

/// A connection that waits already is reported at registration; one that was accepted before is not.
/// Source: validated on Windows.
#[test]
fn waiting_connection_is_reported_at_registration() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    listener.until_readable();
    let watched = Watched::new(*listener.socket, FD_ACCEPT);
    watched.expect_only(FD_ACCEPT);
    let other = Listener::new(Family::V4);
    let _pair = other.pair();
    Watched::new(*other.socket, FD_ACCEPT).expect_nothing();
}

/// A connection that a pending AcceptEx takes is not reported.
/// Source: validated on Windows.
#[test]
fn connection_for_accept_ex_is_not_reported() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let watched = Watched::new(*listener.socket, FD_ACCEPT);
    let (acceptor, layout) = (Socket::tcp(Family::V4), AcceptLayout::without_data());
    let request = layout.request();
    assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
    let _client = listener.client();
    request.until_finished();
    watched.expect_nothing();
    let _second = listener.client();
    watched.expect_only(FD_ACCEPT);
}

/// Data that a pending overlapped receive takes is not reported; what it leaves is.
/// Source: validated on Windows.
#[test]
fn data_for_a_pending_receive_is_not_reported() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    request.until_finished();
    watched.expect_nothing();
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abcdef");
    request.until_finished();
    watched.expect_only(FD_READ);
    assert_eq!(pair.server.recv_some(9).unwrap(), b"def");
    watched.expect_nothing();
}

/// What happens outside the mask is recorded, and reported as soon as a mask has it; fetching leaves it there.
/// Source: validated on Windows.
#[test]
fn events_outside_the_mask_are_recorded() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, FD_WRITE);
    watched.expect(fetched(FD_WRITE));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    watched.expect_nothing();
    watched.select(FD_READ | FD_WRITE);
    watched.expect_only(FD_READ);
    let listener = Listener::new(Family::V4);
    let watched = Watched::new(*listener.socket, FD_CLOSE);
    let _client = listener.client();
    listener.until_readable();
    watched.expect_nothing();
    watched.select(FD_ACCEPT);
    watched.expect_only(FD_ACCEPT);
}

/// What was consumed before its event entered the mask is not reported.
/// Source: validated on Windows.
#[test]
fn consumed_events_leave_the_record() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, FD_WRITE);
    watched.expect(fetched(FD_WRITE));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    pair.server.recv_exact(3);
    watched.select(FD_READ);
    watched.expect_nothing();
}

/// Registering again, with the same or another mask or after cancelling, reports nothing twice; what was not fetched
/// yet sets the event at once.
/// Source: validated on Windows.
#[test]
fn registering_again_repeats_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, FD_READ | FD_WRITE);
    watched.expect_only(FD_WRITE);
    for mask in [FD_READ | FD_WRITE, ALL, FD_WRITE, 0, FD_READ | FD_WRITE] {
        watched.select(mask);
        watched.expect_nothing();
    }
    pair.client.send_all(b"abc");
    assert!(watched.event.wait(DEADLINE_MS));
    let other = Watched::new(*pair.server, FD_READ);
    assert!(other.event.wait(0));
    other.expect_only(FD_READ);
    other.select(FD_READ);
    other.expect_nothing();
}

/// Data that arrives between cancelling and registering again is reported then.
/// Source: validated on Windows.
#[test]
fn cancelled_socket_goes_on_recording() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    watched.select(0);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    watched.expect_nothing();
    watched.select(FD_READ);
    watched.expect_only(FD_READ);
}

/// FD_WRITE is reported once to a socket that can send from the start, and never to one that cannot.
/// Source: validated on Windows.
#[test]
fn write_is_reported_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let datagram = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    datagram.bind(&Family::V4.loopback(0)).unwrap();
    for socket in [*pair.server, *datagram] {
        let watched = Watched::new(socket, FD_READ | FD_WRITE);
        watched.expect_only(FD_WRITE);
        for _ in 0..4 {
            watched.select(FD_READ | FD_WRITE);
            watched.expect_nothing();
        }
    }
    let bound = Socket::bound(Family::V4);
    Watched::new(*bound, FD_READ | FD_WRITE).expect_nothing();
}

/// A datagram socket reports FD_WRITE once it is bound, and FD_CONNECT when it is connected.
/// Source: validated on Windows.
#[test]
fn datagram_socket_reports_binding_and_connecting() {
    let _watch = watch();
    differs_under_wine("reports FD_WRITE unbound and no FD_CONNECT", || {
        let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        let watched = Watched::new(*socket, ALL);
        watched.expect_nothing();
        socket.bind(&Family::V4.loopback(0)).unwrap();
        watched.expect_only(FD_WRITE);
        let (_holder, address) = {
            let peer = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
            peer.bind(&Family::V4.loopback(0)).unwrap();
            let address = peer.local_address().unwrap().into();
            (peer, address)
        };
        socket.connect(&address).unwrap();
        watched.expect(fetched(FD_CONNECT | FD_WRITE));
    });
}

/// Two datagram sockets that are connected to each other.
fn datagram_pair() -> [Socket; 2] {
    let [a, b] = [(); 2].map(|()| {
        let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        socket.bind(&Family::V4.loopback(0)).unwrap();
        socket
    });
    a.connect(&b.local_address().unwrap().into()).unwrap();
    b.connect(&a.local_address().unwrap().into()).unwrap();
    [a, b]
}

/// A datagram is reported, and another one after a receive that leaves it.
/// Source: WSAEventSelect, table of re-enabling functions.
#[test]
fn datagrams_are_reported() {
    let _watch = watch();
    let [a, b] = datagram_pair();
    for _ in 0..2 {
        a.send(b"abc").unwrap();
    }
    let watched = Watched::new(*b, FD_READ);
    watched.expect(fetched(FD_READ));
    assert_eq!(b.recv_some(9).unwrap(), b"abc");
    watched.expect_only(FD_READ);
    assert_eq!(b.recv_some(9).unwrap(), b"abc");
    watched.expect_nothing();
}

/// Each datagram that arrives is recorded although the old report stands.
/// Source: validated on Windows.
#[test]
fn more_datagrams_are_recorded_again() {
    let _watch = watch();
    differs_under_wine("reports again after a receive only", || {
        let [a, b] = datagram_pair();
        let watched = Watched::new(*b, FD_READ);
        for _ in 0..3 {
            a.send(b"abc").unwrap();
            watched.expect_only(FD_READ);
        }
    });
}

/// A receive with arguments that cannot be reports nothing new.
/// Source: validated on Windows.
#[test]
fn refused_receive_reports_nothing() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    // SAFETY: a length that no buffer has; nothing is written.
    let result = unsafe { recv(pair.server.0, null_mut(), -1, 0) };
    assert_eq!(check_count(result), Err(WSAEFAULT));
    watched.expect_nothing();
}

/// A receive that fails for another reason re-enables FD_READ as well.
/// Source: WSAEventSelect: "even if it fails".
#[test]
fn failed_receive_reenables_read() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    pair.client.send_all(b"abc");
    watched.expect_only(FD_READ);
    // Urgent data is not what is queued, and a call for it is one for FD_OOB.
    let urgent = pair.server.recv_flags(&mut [0], MSG_OOB | MSG_PEEK);
    assert!(urgent.is_err());
    watched.expect_nothing();
    pair.server.shutdown(SD_RECEIVE).unwrap();
    assert_eq!(pair.server.recv_some(1), Err(WSAESHUTDOWN));
    watched.expect_only(FD_READ);
}

/// An urgent byte outside the stream is FD_OOB and not FD_READ; inside the stream it is FD_READ.
/// Source: WSAEventSelect, remarks on FD_OOB; SO_OOBINLINE.
#[test]
fn urgent_data_is_reported_by_where_it_is() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    watched.expect_only(FD_OOB);
    let mut byte = [0];
    assert_eq!(pair.server.recv_flags(&mut byte, MSG_OOB), Ok(1));
    assert_eq!(byte, *b"!");
    watched.expect_nothing();
    assert_eq!(pair.client.send_flags(b"?", MSG_OOB), Ok(1));
    watched.expect_only(FD_OOB);
    assert_eq!(pair.server.recv_flags(&mut byte, MSG_OOB), Ok(1));
    assert_eq!(byte, *b"?");

    differs_under_wine("reports FD_OOB as well", || {
        let pair = connected_pair(Family::V4);
        pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
        let watched = Watched::new(*pair.server, FD_READ | FD_OOB);
        assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
        watched.expect_only(FD_READ);
    });
}

/// An urgent byte that waits at registration is reported then.
/// Source: WSAEventSelect, remarks on FD_OOB.
#[test]
fn urgent_data_is_reported_at_registration() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until("the urgent byte has arrived", || {
        pair.server.ioctl(SIOCATMARK, 0) == Ok(0)
    });
    Watched::new(*pair.server, FD_READ | FD_OOB).expect_only(FD_OOB);
}

/// Any mask, even none, makes the socket non-blocking. As long as there is one it cannot be made blocking; afterwards it
/// stays non-blocking until it is told otherwise.
/// Source: WSAEventSelect, remarks; validated on Windows.
#[test]
fn socket_becomes_non_blocking() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    select(*pair.client, null_mut(), 0).unwrap();
    assert_eq!(pair.client.recv_some(1), Err(WSAEWOULDBLOCK));
    let watched = Watched::new(*pair.server, FD_CLOSE);
    assert_eq!(pair.server.recv_some(1), Err(WSAEWOULDBLOCK));
    assert_eq!(pair.server.ioctl(FIONBIO, 0), Err(WSAEINVAL));
    assert_eq!(wsa_ioctl_blocking(*pair.server), Err(WSAEINVAL));
    assert_eq!(pair.server.ioctl(FIONBIO, 1), Ok(1));
    watched.select(0);
    assert_eq!(pair.server.recv_some(1), Err(WSAEWOULDBLOCK));
    assert_eq!(pair.server.ioctl(FIONBIO, 0), Ok(0));
    pair.client.send(b"x").unwrap();
    assert_eq!(pair.server.recv_some(1).unwrap(), b"x");
}

/// WSAIoctl(FIONBIO) with 0.
fn wsa_ioctl_blocking(socket: Raw) -> Result<(), WSA_ERROR> {
    let (off, mut returned) = (0u32, 0);
    // SAFETY: `off` and `returned` live through the call.
    check(unsafe {
        WSAIoctl(
            socket.0,
            FIONBIO as u32,
            (&raw const off).cast(),
            4,
            null_mut(),
            0,
            &mut returned,
            null_mut(),
            None,
        )
    })
}

/// An accepted socket has the listener's event, mask and blocking mode, and reports at once.
/// Source: accept, remarks; WSAEventSelect, remarks; validated on Windows.
#[test]
fn accepted_socket_inherits() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let watched = Watched::new(*listener.socket, FD_ACCEPT | FD_READ | FD_WRITE | FD_CLOSE);
    let client = listener.client();
    watched.expect(fetched(FD_ACCEPT));
    let accepted = listener.accept().unwrap();
    let inherited = Watched {
        socket: *accepted,
        event: watched.event.clone(),
    };
    inherited.expect_only(FD_WRITE);
    assert_eq!(accepted.recv_some(1), Err(WSAEWOULDBLOCK));
    client.send_all(b"abc");
    inherited.expect_only(FD_READ);
    assert_eq!(accepted.ioctl(FIONBIO, 0), Err(WSAEINVAL));
}

/// With a listener that asks for FD_ACCEPT and FD_CLOSE only, the accepted socket reports nothing but its end.
/// Source: accept, remarks; validated on Windows.
#[test]
fn accepted_socket_inherits_a_narrow_mask() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let watched = Watched::new(*listener.socket, FD_ACCEPT | FD_CLOSE);
    let client = listener.client();
    watched.expect(fetched(FD_ACCEPT));
    let accepted = listener.accept().unwrap();
    client.send_all(b"abc");
    accepted.until_unread(3);
    let inherited = Watched {
        socket: *accepted,
        event: watched.event.clone(),
    };
    inherited.expect_nothing();
    accepted.recv_exact(3);
    client.shutdown(SD_SEND).unwrap();
    inherited.expect_only(FD_CLOSE);
}

/// The socket of an AcceptEx inherits when it gets the listener's context.
/// Source: SO_UPDATE_ACCEPT_CONTEXT; validated on Windows.
#[test]
fn accept_ex_socket_inherits_with_its_context() {
    let _watch = watch();
    differs_under_wine("nothing is inherited", || {
        let listener = Listener::new(Family::V4);
        let watched = Watched::new(*listener.socket, FD_READ | FD_WRITE);
        let (acceptor, layout) = (Socket::tcp(Family::V4), AcceptLayout::without_data());
        let request = layout.request();
        assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
        let _client = listener.client();
        request.until_finished();
        let inherited = Watched {
            socket: *acceptor,
            event: watched.event.clone(),
        };
        inherited.expect_nothing();
        acceptor.update_accept_context(*listener.socket).unwrap();
        inherited.expect_only(FD_WRITE);
    });
}

/// Another call replaces event and mask; the old event is left alone.
/// Source: WSAEventSelect, remarks.
#[test]
fn another_registration_replaces_the_first() {
    let _watch = watch();
    let (pair, first) = watched_pair();
    let second = Watched::new(*pair.server, FD_READ);
    pair.client.send_all(b"abc");
    second.expect(fetched(FD_READ));
    assert!(!first.event.wait(0));
    // No mask cancels; the event does not matter then.
    select(*pair.server, second.event.raw(), 0).unwrap();
    pair.client.send_all(b"abc");
    pair.server.until_unread(6);
    second.expect_nothing();
}

/// Several sockets may share one event.
/// Source: WSAEventSelect, remarks.
#[test]
fn sockets_share_an_event() {
    let _watch = watch();
    let (a, b) = (connected_pair(Family::V4), connected_pair(Family::V4));
    let event = Event::manual();
    for pair in [&a, &b] {
        select(*pair.server, event.raw(), FD_READ).unwrap();
    }
    for pair in [&a, &b] {
        pair.client.send_all(b"abc");
        assert!(event.wait(DEADLINE_MS));
        assert_eq!(fetch(*pair.server, event.raw()), Ok(fetched(FD_READ)));
        assert!(!event.wait(0));
    }
}

/// An auto-reset event is set as well.
/// Source: WSAEventSelect, hEventObject.
#[test]
fn auto_reset_event_is_set_at_each_report() {
    let _watch = watch();
    differs_under_wine("reports again after a receive only", || {
        let pair = connected_pair(Family::V4);
        let event = Event::auto();
        select(*pair.server, event.raw(), FD_READ).unwrap();
        for _ in 0..2 {
            pair.client.send_all(b"abc");
            assert!(event.wait(DEADLINE_MS));
        }
        assert_eq!(fetch(*pair.server, null_mut()), Ok(fetched(FD_READ)));
    });
}

/// Fetching writes the errors of the events it tells and no others, and resets the event it is given and no other.
/// Source: WSAEnumNetworkEvents; validated on Windows.
#[test]
fn fetching_writes_only_what_it_tells() {
    const MARK: i32 = 0x5555;
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let watched = Watched::new(*pair.server, FD_WRITE);
    let mut out = WSANETWORKEVENTS {
        lNetworkEvents: MARK,
        iErrorCode: [MARK; FD_MAX_EVENTS as usize],
    };
    // SAFETY: `out` lives through the call; no event is reset.
    let result = unsafe { WSAEnumNetworkEvents(pair.server.0, 0, &mut out) };
    assert_eq!(check(result), Ok(()));
    let mut errors = [MARK; FD_MAX_EVENTS as usize];
    errors[1] = 0;
    assert_eq!(
        (out.lNetworkEvents, out.iErrorCode),
        (FD_WRITE as i32, errors)
    );
    assert!(watched.event.wait(0), "it was not reset");
    let other = Event::manual();
    other.set();
    assert_eq!(fetch(*pair.server, other.raw()), Ok(fetched(0)));
    assert!(watched.event.wait(0) && !other.wait(0));
}

/// A socket without registration, or without one any more, has no events to tell.
/// Source: validated on Windows.
#[test]
fn fetching_without_registration_tells_nothing() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    event.set();
    assert_eq!(fetch(*pair.server, event.raw()), Ok(fetched(0)));
    assert!(!event.wait(0));
    let watched = Watched::new(*pair.server, FD_WRITE);
    watched.select(0);
    assert_eq!(fetch(*pair.server, null_mut()), Ok(fetched(0)));
}

/// What is no socket, no event, or no memory is refused without effects.
/// Source: WSAEventSelect and WSAEnumNetworkEvents, error codes.
#[test]
fn wrong_arguments_are_refused() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    assert_eq!(select(*pair.server, null_mut(), FD_READ), Err(WSAEINVAL));
    assert_eq!(
        pair.server.ioctl(FIONBIO, 0),
        Ok(0),
        "nothing was registered"
    );
    let not_a_socket = Raw(event.raw() as SOCKET);
    assert_eq!(select(not_a_socket, event.raw(), FD_READ), Err(WSAENOTSOCK));
    assert_eq!(fetch(not_a_socket, null_mut()), Err(WSAENOTSOCK));
    assert_eq!(fetch(Raw(INVALID_SOCKET), null_mut()), Err(WSAENOTSOCK));
    not_under_wine("it follows the null pointer", || {
        let watched = Watched::new(*pair.server, FD_WRITE);
        let event = watched.event.raw() as WSAEVENT;
        // SAFETY: null is what is tested.
        let result = unsafe { WSAEnumNetworkEvents(pair.server.0, event, null_mut()) };
        assert_eq!(check(result), Err(WSAEFAULT));
        watched.expect(fetched(FD_WRITE));
    });
}

/// Closing the socket sets nothing.
/// Source: validated on Windows.
#[test]
fn closing_reports_nothing() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    let Pair { client, server } = pair;
    server.close().unwrap();
    assert!(!watched.event.wait(QUIET_MS));
    drop(client);
}

/// The event may be closed first: the registration holds on to it.
/// Source: WSAEventSelect, remarks; kernel objects live as long as they are referred to.
#[test]
fn event_may_be_closed_before_the_socket() {
    let _watch = watch();
    let (pair, watched) = watched_pair();
    let copy = watched.event.duplicate();
    watched.event.close();
    pair.client.send_all(b"abc");
    assert_eq!(wait(copy.raw(), DEADLINE_MS), WAIT_OBJECT_0);
}

/// Fetching and resetting are one step: whoever waits, fetches and receives never misses data, and never finds the
/// event set for nothing.
/// Source: WSAEnumNetworkEvents, remarks.
#[test]
fn fetching_and_resetting_are_one_step() {
    const BYTES: usize = 20_000;
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    let watched = Watched::new(*server, FD_READ | FD_CLOSE);
    let sender = spawn(move || {
        for number in 0..BYTES {
            client.send_all(&[number as u8]);
        }
    });
    let (mut received, mut buffer) = (0, [0; 64]);
    let mut ended = false;
    while !ended {
        assert!(watched.event.wait(DEADLINE_MS), "after {received} bytes");
        let fetched = fetch(*server, watched.event.raw()).unwrap();
        if fetched.events & FD_READ != 0 {
            loop {
                match server.recv(&mut buffer) {
                    Ok(count) => {
                        for byte in &buffer[..count] {
                            assert_eq!(*byte, received as u8);
                            received += 1;
                        }
                        if count < buffer.len() {
                            break;
                        }
                    }
                    Err(error) => {
                        assert_eq!(error, WSAEWOULDBLOCK);
                        break;
                    }
                }
            }
        }
        ended = fetched.events & FD_CLOSE != 0;
    }
    while let Ok(count @ 1..) = server.recv(&mut buffer) {
        received += count;
    }
    assert_eq!(received, BYTES);
    sender.join();
}
