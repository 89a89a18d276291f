//! WSAPoll: what it reports of each socket, and what it does with its arguments.

use std::ptr::null_mut;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap()
}

/// Fills `revents` before a call.
const MARK: i16 = 0x7777;

/// `WSAPoll` of (socket, events) pairs: the answer and what stands in each `revents`.
fn poll(entries: &[(Raw, i16)], time_ms: i32) -> (Result<usize, WSA_ERROR>, Vec<i16>) {
    let mut array: Vec<_> = entries
        .iter()
        .map(|(socket, events)| WSAPOLLFD {
            fd: socket.0,
            events: *events,
            revents: MARK,
        })
        .collect();
    // SAFETY: the array has that many entries and lives through the call.
    let result = unsafe { WSAPoll(array.as_mut_ptr(), array.len() as u32, time_ms) };
    let result = check_count(result);
    for (entry, (socket, events)) in array.iter().zip(entries) {
        assert_eq!((entry.fd, entry.events), (socket.0, *events));
    }
    (result, array.iter().map(|entry| entry.revents).collect())
}

/// Everything that may be asked for.
const ASK: i16 = POLLRDNORM | POLLRDBAND | POLLWRNORM;

/// What `WSAPoll` reports of one socket now.
#[track_caller]
fn report(socket: Raw) -> i16 {
    let (result, revents) = poll(&[(socket, ASK)], 0);
    assert_eq!(result, Ok(usize::from(revents[0] != 0)));
    revents[0]
}

#[track_caller]
fn until_report(socket: Raw, expected: i16) {
    until(&format!("WSAPoll reports {expected:#x}"), || {
        report(socket) == expected
    });
}

/// No entries are refused, with or without an array; entries need an array.
/// Source: WSAPoll, error codes; validated on Windows.
#[test]
fn poll_wants_entries() {
    let _watch = watch();
    startup();
    let mut entry = WSAPOLLFD {
        fd: INVALID_SOCKET,
        events: 0,
        revents: MARK,
    };
    // SAFETY: no entry is read.
    let results = unsafe {
        [
            check_count(WSAPoll(null_mut(), 0, 0)),
            check_count(WSAPoll(&mut entry, 0, 0)),
            check_count(WSAPoll(null_mut(), 1, 0)),
        ]
    };
    assert_eq!(results, [Err(WSAEINVAL), Err(WSAEINVAL), Err(WSAEFAULT)]);
    assert_eq!(entry.revents, MARK);
}

/// What is no socket is POLLNVAL and not counted; if nothing else is there, the call fails.
/// Source: validated on Windows.
#[test]
fn poll_tells_what_is_no_socket() {
    let _watch = watch();
    in_own_process(|| {
        startup();
        let (pair, event) = (connected_pair(Family::V4), Event::manual());
        let wrong = [
            Raw(INVALID_SOCKET),
            Raw(event.raw() as SOCKET),
            Socket::stale(),
        ];
        for wrong in wrong {
            let entries = [(wrong, POLLRDNORM), (*pair.server, POLLRDNORM)];
            assert_eq!(poll(&entries, 0), (Ok(0), vec![POLLNVAL, 0]));
            let entries = [(*pair.server, POLLWRNORM), (wrong, POLLWRNORM)];
            assert_eq!(poll(&entries, 0), (Ok(1), vec![POLLWRNORM, POLLNVAL]));
        }
        let entries = wrong.map(|wrong| (wrong, POLLRDNORM));
        assert_eq!(poll(&entries, 0), (Err(WSAENOTSOCK), vec![POLLNVAL; 3]));
    });
}

/// Only POLLRDNORM, POLLRDBAND and POLLWRNORM may be asked for; the check begins with the first entry that is a socket.
/// Source: WSAPoll, remarks; validated on Windows.
#[test]
fn poll_refuses_other_events() {
    let _watch = watch();
    differs_under_wine("ignores them", || {
        let pair = connected_pair(Family::V4);
        let socket = *pair.server;
        let allowed = [0, POLLRDNORM, POLLRDBAND, POLLIN, POLLWRNORM, POLLOUT];
        for bit in 0..16 {
            let events = 1i16 << bit;
            let refused = !allowed.contains(&events);
            let (result, revents) = poll(&[(socket, POLLWRNORM), (socket, events)], 0);
            assert_eq!(result == Err(WSAEINVAL), refused, "{events:#x}");
            if refused {
                assert_eq!(revents, [0, 0]);
            }
        }
        let bad = Raw(INVALID_SOCKET);
        let entries = [(bad, POLLPRI), (socket, POLLWRNORM)];
        assert_eq!(poll(&entries, 0), (Ok(1), vec![POLLNVAL, POLLWRNORM]));
        let entries = [(socket, POLLWRNORM), (bad, POLLPRI)];
        assert_eq!(poll(&entries, 0), (Err(WSAEINVAL), vec![0, 0]));
    });
}

/// Success sets the last error to 0.
/// Source: validated on Windows.
#[test]
fn poll_clears_the_last_error() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    set_last_error(UNTOUCHED);
    assert_eq!(poll(&[(*pair.server, POLLRDNORM)], 0).0, Ok(0));
    assert_eq!(last_error(), 0);
}

/// A time-out of 0 does not wait, a positive one is not early, and with a negative one the call waits until something
/// is there.
/// Source: WSAPoll, timeout.
#[test]
fn poll_waits_as_told() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    assert_eq!(poll(&[(*server, POLLRDNORM)], 0), (Ok(0), vec![0]));
    let start = Instant::now();
    assert_eq!(
        poll(&[(*server, POLLRDNORM)], SHORT_MS as i32),
        (Ok(0), vec![0])
    );
    assert!(start.elapsed() >= Duration::from_millis(SHORT_MS.into()));
    for time_ms in [-1, i32::MIN] {
        let socket = *server;
        let waiter = spawn(move || poll(&[(socket, POLLRDNORM)], time_ms));
        waiter.until_waits();
        client.send_all(b"x");
        assert_eq!(waiter.join(), (Ok(1), vec![POLLRDNORM]));
        server.recv_exact(1);
    }
}

/// Every entry's `revents` is written, and each socket with something in it counts once.
/// Source: WSAPoll, return value.
#[test]
fn poll_reports_every_entry() {
    let _watch = watch();
    differs_under_wine("counts sockets without events", || {
        let (pair, fresh, listener) = (
            connected_pair(Family::V4),
            Socket::tcp(Family::V4),
            Listener::new(Family::V4),
        );
        let entries = [
            (*pair.server, ASK),
            (*fresh, ASK),
            (*listener.socket, ASK),
            (*pair.client, POLLRDNORM),
            (*pair.server, POLLOUT),
        ];
        let expected = vec![POLLWRNORM, 0, 0, 0, POLLWRNORM];
        assert_eq!(poll(&entries, 0), (Ok(2), expected));
    });
}

/// Data, urgent data outside and inside the stream, a waiting connection, and room to send.
/// Source: WSAPoll, table of events; validated on Windows.
#[test]
fn poll_tells_data_and_room() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(report(*pair.server), POLLWRNORM);
    pair.client.send_all(b"a");
    until_report(*pair.server, POLLWRNORM | POLLRDNORM);
    pair.server.recv_exact(1);
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until_report(*pair.server, POLLWRNORM | POLLRDBAND);
    let pair = connected_pair(Family::V4);
    pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until_report(*pair.server, POLLWRNORM | POLLRDNORM);
    let listener = Listener::new(Family::V4);
    assert_eq!(report(*listener.socket), 0);
    let _client = listener.client();
    until_report(*listener.socket, POLLRDNORM);
    assert_eq!(report(*udp()), POLLWRNORM);
    assert_eq!(report(*Socket::tcp(Family::V4)), 0);
}

/// The peer's end is POLLHUP beside what else there is; its SD_RECEIVE and the socket's own shutdown are nothing.
/// Source: validated on Windows.
#[test]
fn poll_tells_the_end() {
    let _watch = watch();
    differs_under_wine("reports POLLHUP when nothing is unread any more", || {
        let pair = connected_pair(Family::V4);
        pair.client.shutdown(SD_RECEIVE).unwrap();
        assert_eq!(report(*pair.server), POLLWRNORM);
        pair.client.send_all(b"a");
        pair.client.shutdown(SD_SEND).unwrap();
        until_report(*pair.server, POLLHUP | POLLWRNORM | POLLRDNORM);
        pair.server.recv_exact(1);
        until_report(*pair.server, POLLHUP | POLLWRNORM);
        // Told even to who asks for nothing.
        assert_eq!(poll(&[(*pair.server, 0)], 0), (Ok(1), vec![POLLHUP]));
    });
}

/// A reset is POLLERR and POLLHUP.
/// Source: validated on Windows.
#[test]
fn poll_tells_a_reset() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    client.reset();
    until_report(*server, POLLERR | POLLHUP | POLLWRNORM);
    assert_eq!(poll(&[(*server, 0)], 0), (Ok(1), vec![POLLERR | POLLHUP]));
    not_under_wine("it may read the end", || {
        assert_eq!(server.recv_some(1), Err(WSAECONNRESET));
        assert_eq!(report(*server), POLLERR | POLLHUP | POLLWRNORM);
    });
}

/// A failed connect is POLLERR and POLLHUP, on every call, blocking or not.
/// Source: WSAPoll, remarks (Windows 10 version 2004 and later); validated on Windows.
#[test]
fn poll_tells_a_failed_connect() {
    let _watch = watch();
    differs_under_wine("reports POLLERR alone", || {
        let (_holder, refusing) = refusing_address(Family::V4);
        let (non_blocking, blocking) = (Socket::tcp(Family::V4), Socket::tcp(Family::V4));
        non_blocking.set_non_blocking(true);
        assert_eq!(non_blocking.connect(&refusing), Err(WSAEWOULDBLOCK));
        assert_eq!(blocking.connect(&refusing), Err(WSAECONNREFUSED));
        for socket in [non_blocking, blocking] {
            for _ in 0..3 {
                let expected = (Ok(1), vec![POLLWRNORM | POLLHUP | POLLERR]);
                assert_eq!(poll(&[(*socket, ASK)], DEADLINE_MS as i32), expected);
            }
        }
    });
}

/// A socket that another thread closes meanwhile is POLLNVAL, and counts.
/// Source: validated on Windows.
#[test]
fn poll_tells_a_close() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let socket = pair.server.into_raw();
    let waiter = spawn(move || poll(&[(socket, POLLRDNORM)], DEADLINE_MS as i32));
    waiter.until_waits();
    socket.close().unwrap();
    assert_eq!(waiter.join(), (Ok(1), vec![POLLNVAL]));
}

/// WSAPoll sees a connect that another thread makes while it waits.
/// Source: WSAPoll, table of events.
#[test]
fn poll_sees_a_connect_of_another_thread() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    let socket = *client;
    let waiter = spawn(move || poll(&[(socket, POLLWRNORM)], DEADLINE_MS as i32));
    waiter.until_waits();
    client.connect(&listener.address).unwrap();
    assert_eq!(waiter.join(), (Ok(1), vec![POLLWRNORM]));
}

/// WSAPoll is found as an extension function too.
/// Source: SIO_GET_EXTENSION_FUNCTION_POINTER; mswsock.h, WSAID_WSAPOLL.
#[test]
fn poll_is_an_extension_function_too() {
    let _watch = watch();
    differs_under_wine("does not know the identifier", || {
        let pair = connected_pair(Family::V4);
        let poll: LPFN_WSAPOLL = pair.server.extension(WSAID_WSAPOLL).unwrap();
        let mut entry = WSAPOLLFD {
            fd: pair.server.0,
            events: POLLOUT,
            revents: 0,
        };
        // SAFETY: one entry, which is valid.
        let ready = unsafe { poll.unwrap()(&mut entry, 1, 0) };
        assert_eq!((ready, entry.revents), (1, POLLOUT));
    });
}
