//! select and WSAPoll: what each calls ready, and what it does with its arguments.

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

// --- select: the words of the tests ----------------------------------------------------------------

const ROOM: usize = 256;

/// An fd_set of a program that has set FD_SETSIZE.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    count: u32,
    sockets: [SOCKET; ROOM],
}

/// Fills the places of a set that are not in use.
const UNUSED: SOCKET = 0x5555_5555;

impl Set {
    fn of(sockets: &[Raw]) -> Set {
        let mut set = Set {
            count: sockets.len() as u32,
            sockets: [UNUSED; ROOM],
        };
        for (place, socket) in set.sockets.iter_mut().zip(sockets) {
            *place = socket.0;
        }
        set
    }

    fn members(&self) -> Vec<Raw> {
        self.sockets[..self.count as usize]
            .iter()
            .map(|socket| Raw(*socket))
            .collect()
    }

    fn as_mut_ptr(&mut self) -> *mut FD_SET {
        (&raw mut *self).cast()
    }
}

fn milliseconds(time_ms: u32) -> TIMEVAL {
    TIMEVAL {
        tv_sec: (time_ms / 1000) as i32,
        tv_usec: (time_ms % 1000 * 1000) as i32,
    }
}

/// `select` over three sets, the empty ones left out.
fn select_sets(sets: &mut [Set; 3], time_ms: u32) -> Result<usize, WSA_ERROR> {
    let time = milliseconds(time_ms);
    let [read, write, except] = sets.each_mut().map(|set| match set.count {
        0 => null_mut(),
        _ => set.as_mut_ptr(),
    });
    // SAFETY: the sets and the time live through the call.
    check_count(unsafe { select(0, read, write, except, &time) })
}

/// In which of the three sets a socket is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready(bool, bool, bool);

const NONE: Ready = Ready(false, false, false);
const READABLE: Ready = Ready(true, false, false);
const WRITABLE: Ready = Ready(false, true, false);
const BOTH: Ready = Ready(true, true, false);
const EXCEPTIONAL: Ready = Ready(false, false, true);

#[track_caller]
fn ready(socket: Raw) -> Ready {
    let mut sets = [(); 3].map(|()| Set::of(&[socket]));
    let total = select_sets(&mut sets, 0).unwrap();
    let [read, write, except] = sets.each_ref().map(|set| set.count == 1);
    let count = [read, write, except].iter().filter(|is_in| **is_in).count();
    assert_eq!(total, count);
    Ready(read, write, except)
}

#[track_caller]
fn until_ready(socket: Raw, expected: Ready) {
    until(&format!("the socket is {expected:?}"), || {
        ready(socket) == expected
    });
}

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap()
}

// --- select: arguments and results -----------------------------------------------------------------

/// The sets come back with the ready sockets only, in the order they had; the answer counts over all sets, a socket in
/// two of them twice. nfds does not matter, and neither does what stands behind the count.
/// Source: select, return value and remarks; validated on Windows.
#[test]
fn select_compacts_the_sets() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let pairs: Vec<_> = (0..6).map(|_| listener.pair()).collect();
    for ready in [1, 3, 4] {
        pairs[ready].client.send_all(b"x");
        pairs[ready].server.until_unread(1);
    }
    let order = [4, 0, 3, 5, 1, 2];
    let all: Vec<Raw> = order.iter().map(|index| *pairs[*index].server).collect();
    for nfds in [0, 1, -1, i32::MAX] {
        let (mut read, mut write) = (Set::of(&all), Set::of(&[*pairs[1].server]));
        let time = milliseconds(0);
        // SAFETY: sets and time live through the call.
        let total = unsafe {
            select(
                nfds,
                read.as_mut_ptr(),
                write.as_mut_ptr(),
                null_mut(),
                &time,
            )
        };
        assert_eq!(total, 4);
        assert_eq!(
            read.members(),
            [*pairs[4].server, *pairs[3].server, *pairs[1].server]
        );
        assert_eq!(write.members(), [*pairs[1].server]);
        assert_eq!(read.sockets[6..], [UNUSED; ROOM - 6]);
    }
}

/// A socket that stands twice in a set is kept and counted once.
/// Source: validated on Windows.
#[test]
fn select_keeps_a_repeated_socket_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let mut sets = [
        Set::of(&[]),
        Set::of(&[*pair.server, *pair.client, *pair.server]),
        Set::of(&[]),
    ];
    assert_eq!(select_sets(&mut sets, 0), Ok(2));
    assert_eq!(sets[1].members(), [*pair.server, *pair.client]);
}

/// One set passed for two arguments ends with the union of what was ready.
/// Source: validated on Windows.
#[test]
fn select_of_one_set_twice_gives_the_union() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let listener = Listener::new(Family::V4);
    let _client = listener.client();
    listener.until_readable();
    let mut set = Set::of(&[*listener.socket, *pair.server]);
    let (pointer, time) = (set.as_mut_ptr(), milliseconds(0));
    // SAFETY: set and time live through the call.
    let total = unsafe { select(0, pointer, pointer, null_mut(), &time) };
    assert_eq!(total, 2);
    let mut members = set.members();
    members.sort_by_key(|socket| *socket != *listener.socket);
    assert_eq!(members, [*listener.socket, *pair.server]);
}

/// When time passes the answer is 0, the sets are empty and the time-out is as it was; it does not pass early.
/// Source: select, return value; validated on Windows.
#[test]
fn select_times_out_with_empty_sets() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    for time_ms in [0, SHORT_MS] {
        let mut sets = [
            Set::of(&[*pair.server]),
            Set::of(&[]),
            Set::of(&[*pair.server]),
        ];
        let time = milliseconds(time_ms);
        let start = Instant::now();
        // SAFETY: sets and time live through the call.
        let total = unsafe {
            let [read, _, except] = sets.each_mut().map(Set::as_mut_ptr);
            select(0, read, null_mut(), except, &time)
        };
        assert_eq!((total, sets[0].count, sets[2].count), (0, 0, 0));
        assert_eq!((time.tv_sec, time.tv_usec), (0, time_ms as i32 * 1000));
        assert!(start.elapsed() >= Duration::from_millis(time_ms.into()));
    }
}

/// A time-out that is no time is refused.
/// Source: select, WSAEINVAL.
#[test]
fn select_refuses_a_wrong_time() {
    let _watch = watch();
    differs_under_wine("takes it", || {
        let pair = connected_pair(Family::V4);
        for (tv_sec, tv_usec) in [(-1, 0), (0, -1), (0, 1_000_000)] {
            let (mut set, time) = (Set::of(&[*pair.server]), TIMEVAL { tv_sec, tv_usec });
            // SAFETY: set and time live through the call.
            let total = unsafe { select(0, set.as_mut_ptr(), null_mut(), null_mut(), &time) };
            assert_eq!(check_count(total), Err(WSAEINVAL));
            assert_eq!(set.count, 1);
        }
    });
}

/// What is no socket, or none any more, is refused, whichever set it is in, and the sets stay as they were.
/// Source: select, WSAENOTSOCK; validated on Windows.
#[test]
fn select_refuses_what_is_no_socket() {
    let _watch = watch();
    in_own_process(|| {
        startup();
        let (pair, event) = (connected_pair(Family::V4), Event::manual());
        for wrong in [
            Raw(INVALID_SOCKET),
            Raw(event.raw() as SOCKET),
            Socket::stale(),
        ] {
            for set in 0..3 {
                let mut sets = [(); 3].map(|()| Set::of(&[*pair.server]));
                sets[set] = Set::of(&[*pair.server, wrong]);
                let before = sets.clone();
                assert_eq!(select_sets(&mut sets, 0), Err(WSAENOTSOCK));
                assert_eq!(sets, before);
            }
        }
    });
}

/// A set may be larger than 64.
/// Source: select, remarks on FD_SETSIZE; validated on Windows.
#[test]
fn select_takes_large_sets() {
    let _watch = watch();
    let sockets: Vec<_> = (0..200).map(|_| udp()).collect();
    let all: Vec<_> = sockets.iter().map(|socket| **socket).collect();
    let mut sets = [Set::of(&all), Set::of(&all), Set::of(&all)];
    assert_eq!(select_sets(&mut sets, 0), Ok(200));
    assert_eq!([sets[0].count, sets[1].count, sets[2].count], [0, 200, 0]);
    assert_eq!(sets[1].members(), all);
}

/// `__WSAFDIsSet`, which FD_ISSET is, finds what stands in a set.
/// Source: select, remarks on FD_ISSET.
#[test]
fn membership_is_told() {
    let _watch = watch();
    let (inside, outside) = (udp(), udp());
    let mut set = Set::of(&[*inside]);
    for (socket, expected) in [(*inside, true), (*outside, false)] {
        // SAFETY: the set lives through the call.
        let is_in = unsafe { __WSAFDIsSet(socket.0, set.as_mut_ptr()) };
        assert_eq!(is_in != 0, expected);
    }
}

/// select without a time-out waits until something is ready, whatever the socket's blocking mode.
/// Source: select, timeout.
#[test]
fn select_waits() {
    let _watch = watch();
    for non_blocking in [false, true] {
        let Pair { client, server } = connected_pair(Family::V4);
        server.set_non_blocking(non_blocking);
        let waiter = spawn(move || {
            let mut set = Set::of(&[*server]);
            // SAFETY: the set lives through the call.
            let total = unsafe { select(0, set.as_mut_ptr(), null_mut(), null_mut(), null()) };
            (total, set.members() == [*server], server)
        });
        waiter.until_waits();
        client.send_all(b"x");
        let (total, is_in, _server) = waiter.join();
        assert_eq!((total, is_in), (1, true));
    }
}

/// A socket that another thread closes meanwhile is readable for who waits to read.
/// Source: validated on Windows.
#[test]
fn select_for_reading_ends_when_the_socket_is_closed() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let pair = listener.pair();
    let closed = [pair.server.into_raw(), listener.socket.into_raw()];
    for socket in closed {
        let waiter = spawn(move || {
            let mut sets = [Set::of(&[socket]), Set::of(&[]), Set::of(&[])];
            (select_sets(&mut sets, DEADLINE_MS), sets[0].members())
        });
        waiter.until_waits();
        socket.close().unwrap();
        assert_eq!(waiter.join(), (Ok(1), vec![socket]));
    }
}

/// For who waits for exceptions only, closing ends the wait with WSAENOTSOCK, and the socket is not in the set.
/// Source: validated on Windows.
#[test]
fn select_for_exceptions_fails_when_the_socket_is_closed() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let socket = pair.server.into_raw();
    let waiter = spawn(move || {
        let mut sets = [Set::of(&[]), Set::of(&[]), Set::of(&[socket])];
        (select_sets(&mut sets, DEADLINE_MS), sets[2].count)
    });
    waiter.until_waits();
    socket.close().unwrap();
    assert_eq!(waiter.join(), (Err(WSAENOTSOCK), 0));
}

/// An APC that notes that it ran.
fn note_apc() -> Arc<AtomicBool> {
    let ran = Arc::new(AtomicBool::new(false));
    let note = ran.clone();
    assert_ne!(
        queue_apc(current_thread().raw(), move || note.store(true, SeqCst)),
        0
    );
    ran
}

/// APCs run when nothing is ready at once, also without a wait, and the call goes on; otherwise they stay queued.
/// Source: select, remarks on alertable waits; validated on Windows.
#[test]
fn select_runs_apcs_when_nothing_is_ready() {
    let _watch = watch();
    differs_under_wine("runs none", || {
        let pair = connected_pair(Family::V4);
        for time_ms in [0, SHORT_MS] {
            let ran = note_apc();
            let start = Instant::now();
            let mut sets = [Set::of(&[*pair.server]), Set::of(&[]), Set::of(&[])];
            assert_eq!(select_sets(&mut sets, time_ms), Ok(0));
            assert!(ran.load(SeqCst));
            assert!(start.elapsed() >= Duration::from_millis(time_ms.into()));
        }
        let ran = note_apc();
        let mut sets = [Set::of(&[]), Set::of(&[*pair.server]), Set::of(&[])];
        assert_eq!(select_sets(&mut sets, SHORT_MS), Ok(1));
        assert!(!ran.load(SeqCst), "it stays queued");
        assert_eq!(sleep_alertable(0), WAIT_IO_COMPLETION);
        assert!(ran.load(SeqCst));
    });
}

/// select leaves what WSAEventSelect has recorded alone.
/// Source: select, remarks.
#[test]
fn select_leaves_the_event_record_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let mask = (FD_READ | FD_WRITE) as i32;
    // SAFETY: handles are looked up.
    check(unsafe { WSAEventSelect(pair.server.0, event.raw() as WSAEVENT, mask) }).unwrap();
    pair.client.send_all(b"x");
    until_ready(*pair.server, BOTH);
    let mut out = WSANETWORKEVENTS::default();
    until("FD_READ is recorded", || {
        // SAFETY: `out` lives through the call.
        check(unsafe { WSAEnumNetworkEvents(pair.server.0, 0, &mut out) }).unwrap();
        assert_eq!(ready(*pair.server), BOTH);
        out.lNetworkEvents as u32 & FD_READ != 0
    });
    assert!(event.wait(0));
}

// --- select: conditions ----------------------------------------------------------------------------

/// A fresh stream socket is ready for nothing, bound or not; a datagram socket can always send.
/// Source: validated on Windows.
#[test]
fn fresh_sockets_are_ready_for_nothing() {
    let _watch = watch();
    assert_eq!(ready(*Socket::tcp(Family::V4)), NONE);
    assert_eq!(ready(*Socket::bound(Family::V4)), NONE);
    assert_eq!(ready(*udp()), WRITABLE);
}

/// A listener is readable when a connection waits, and never writable; not when a pending AcceptEx takes it.
/// Source: select, table; validated on Windows.
#[test]
fn listener_is_readable_when_a_connection_waits() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    assert_eq!(ready(*listener.socket), NONE);
    let (acceptor, layout) = (Socket::tcp(Family::V4), AcceptLayout::without_data());
    let request = layout.request();
    assert_eq!(listener.accept_ex(*acceptor, &request, layout), PENDING);
    let _first = listener.client();
    request.until_finished();
    assert_eq!(ready(*listener.socket), NONE);
    let _second = listener.client();
    until_ready(*listener.socket, READABLE);
    let _accepted = listener.accept().unwrap();
    assert_eq!(ready(*listener.socket), NONE);
}

/// Data makes a socket readable, unless a pending receive takes it.
/// Source: select, table; validated on Windows.
#[test]
fn data_is_readable() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(ready(*pair.server), WRITABLE);
    pair.client.send_all(b"abc");
    until_ready(*pair.server, BOTH);
    assert_eq!(pair.server.recv_exact(3), b"abc");
    assert_eq!(ready(*pair.server), WRITABLE);
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    request.until_finished();
    assert_eq!(ready(*pair.server), WRITABLE);
}

/// The peer's end makes a socket readable, before and after the data is read, and is no exception.
/// Source: select, table; validated on Windows.
#[test]
fn end_is_readable() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.client.shutdown(SD_SEND).unwrap();
    until_ready(*pair.server, BOTH);
    assert_eq!(pair.server.recv_exact(3), b"abc");
    until_ready(*pair.server, BOTH);
    assert_eq!(pair.server.recv_some(1).unwrap(), b"");
    assert_eq!(ready(*pair.server), BOTH);
}

/// A reset makes a socket readable and writable, and is no exception; also after it was seen.
/// Source: select, table; validated on Windows.
#[test]
fn reset_is_readable_and_writable() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    client.reset();
    until_ready(*server, BOTH);
    not_under_wine("it may read the end", || {
        assert_eq!(server.recv_some(1), Err(WSAECONNRESET));
        assert_eq!(ready(*server), BOTH);
    });
}

/// A socket is writable while there is room to send.
/// Source: select, table.
#[test]
fn socket_is_writable_while_there_is_room() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.server.set_non_blocking(true);
    let data = vec![7; 1 << 18];
    let mut sent = 0;
    while let Ok(count) = pair.server.send(&data) {
        sent += count;
    }
    assert_eq!(ready(*pair.server), NONE);
    pair.client.recv_exact(sent);
    until_ready(*pair.server, WRITABLE);
}

/// A connect that succeeds makes a socket writable.
/// Source: select, table; validated on Windows.
#[test]
fn finished_connect_is_writable() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    client.set_non_blocking(true);
    assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
    until_ready(*client, WRITABLE);
}

/// A connect under way is ready for nothing.
/// Source: select, table.
#[test]
fn connect_under_way_is_ready_for_nothing() {
    let _watch = watch();
    linux_only("a full backlog refuses there", || {
        let unanswering = Unanswering::new(Family::V4);
        let connecting = unanswering.connecting();
        assert_eq!(ready(*connecting), NONE);
    });
}

/// A failed connect is an exception and nothing else, blocking or not. It stays one, whatever is asked or tried, until a
/// connect succeeds.
/// Source: validated on Windows.
#[test]
fn failed_connect_is_exceptional() {
    let _watch = watch();
    let (_holder, refusing) = refusing_address(Family::V4);
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    client.set_non_blocking(true);
    assert_eq!(client.connect(&refusing), Err(WSAEWOULDBLOCK));
    until_ready(*client, EXCEPTIONAL);
    assert_eq!(client.option(SOL_SOCKET, SO_ERROR), Ok(WSAECONNREFUSED));
    assert_eq!(ready(*client), EXCEPTIONAL);
    differs_under_wine_in_reconnecting(move || {
        assert_eq!(client.connect(&refusing), Err(WSAEWOULDBLOCK));
        until_ready(*client, EXCEPTIONAL);
        client.set_non_blocking(false);
        assert_eq!(client.connect(&refusing), Err(WSAECONNREFUSED));
        assert_eq!(ready(*client), EXCEPTIONAL);
        client.connect(&listener.address).unwrap();
        assert_eq!(ready(*client), WRITABLE);
    });
    let blocking = Socket::tcp(Family::V4);
    assert_eq!(blocking.connect(&refusing), Err(WSAECONNREFUSED));
    assert_eq!(ready(*blocking), EXCEPTIONAL);
}

fn differs_under_wine_in_reconnecting(body: impl FnOnce() + Send + 'static) {
    differs_under_wine("gives WSAECONNABORTED once", body);
}

/// A wait for exceptions ends when a connect fails.
/// Source: select, table.
#[test]
fn select_sees_a_connect_fail() {
    let _watch = watch();
    let (_holder, refusing) = refusing_address(Family::V4);
    let client = Socket::tcp(Family::V4);
    client.set_non_blocking(true);
    assert_eq!(client.connect(&refusing), Err(WSAEWOULDBLOCK));
    let mut sets = [Set::of(&[]), Set::of(&[*client]), Set::of(&[*client])];
    assert_eq!(select_sets(&mut sets, DEADLINE_MS), Ok(1));
    assert_eq!((sets[1].count, sets[2].count), (0, 1));
}

/// A socket that failed to connect may listen, accepts, and still is exceptional.
/// Source: validated on Windows.
#[test]
fn failed_connect_stays_exceptional_on_a_listener() {
    let _watch = watch();
    not_under_wine("it refuses to listen", || {
        let (_holder, refusing) = refusing_address(Family::V4);
        let socket = Socket::bound(Family::V4);
        socket.set_non_blocking(true);
        assert_eq!(socket.connect(&refusing), Err(WSAEWOULDBLOCK));
        until_ready(*socket, EXCEPTIONAL);
        socket.listen(BACKLOG_MAX).unwrap();
        assert_eq!(ready(*socket), EXCEPTIONAL);
        let client = Socket::tcp(Family::V4);
        client
            .connect(&socket.local_address().unwrap().into())
            .unwrap();
        until_ready(*socket, Ready(true, false, true));
    });
}

/// Urgent data is an exception; inside the stream it is readable.
/// Source: select, table; SO_OOBINLINE; validated on Windows.
#[test]
fn urgent_data_is_exceptional() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until_ready(*pair.server, Ready(false, true, true));
    assert_eq!(pair.server.recv_flags(&mut [0], MSG_OOB), Ok(1));
    assert_eq!(ready(*pair.server), WRITABLE);
    let pair = connected_pair(Family::V4);
    pair.server.set_option(SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    until_ready(*pair.server, BOTH);
}

/// A datagram makes its socket readable until it is received.
/// Source: select, table.
#[test]
fn datagram_is_readable() {
    let _watch = watch();
    let (a, b) = (udp(), udp());
    b.bind(&Family::V4.loopback(0)).unwrap();
    a.connect(&b.local_address().unwrap().into()).unwrap();
    a.send(b"x").unwrap();
    until_ready(*b, BOTH);
    assert_eq!(b.recv_some(9).unwrap(), b"x");
    assert_eq!(ready(*b), WRITABLE);
}

// --- WSAPoll ---------------------------------------------------------------------------------------

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
