//! WSAEventSelect and WSAEnumNetworkEvents: what a registration changes, what is recorded, and when the event is set.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// A socket with the event that its network events are to set.
pub struct Watched {
    pub socket: Raw,
    pub event: Event,
}

/// What WSAEnumNetworkEvents told: the events, and for FD_CONNECT and FD_CLOSE their errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    pub events: u32,
    pub connect_error: i32,
    pub close_error: i32,
}

/// Those events without errors.
pub fn fetched(events: u32) -> Fetched {
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
    pub fn new(socket: Raw, mask: u32) -> Watched {
        let event = Event::manual();
        let watched = Watched { socket, event };
        watched.select(mask);
        watched
    }

    #[track_caller]
    pub fn select(&self, mask: u32) {
        assert_eq!(select(self.socket, self.event.raw(), mask), Ok(()));
    }

    /// Waits for those events, which may come one after the other, and fails if another comes.
    #[track_caller]
    pub fn expect(&self, expected: Fetched) {
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
    pub fn expect_nothing(&self) {
        let came = self.event.wait(QUIET_MS);
        let events = fetch(self.socket, self.event.raw()).unwrap();
        assert_eq!((came, events.events), (false, 0));
    }

    /// Those events come, and then nothing.
    #[track_caller]
    pub fn expect_only(&self, events: u32) {
        self.expect(fetched(events));
        self.expect_nothing();
    }
}

pub const ALL: u32 = FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE;

/// A connected pair whose server end is watched for everything, with the first FD_WRITE behind it.
#[track_caller]
pub fn watched_pair() -> (Pair, Watched) {
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

// --- The record ------------------------------------------------------------------------------------

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

// --- The socket ------------------------------------------------------------------------------------

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

// --- Registrations and events ----------------------------------------------------------------------

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

// --- Fetching --------------------------------------------------------------------------------------

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
