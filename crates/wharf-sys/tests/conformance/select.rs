//! select: its sets and its time, and what ends the wait.

use std::mem;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

fn udp() -> Socket {
    Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap()
}

const ROOM: usize = 256;

/// An fd_set of a program that has set FD_SETSIZE.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub count: u32,
    pub sockets: [SOCKET; ROOM],
}

/// Fills the places of a set that are not in use.
const UNUSED: SOCKET = 0x5555_5555;

impl Set {
    pub fn of(sockets: &[Raw]) -> Set {
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
pub fn select_sets(sets: &mut [Set; 3], time_ms: u32) -> Result<usize, WSA_ERROR> {
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
pub struct Ready(pub bool, pub bool, pub bool);

pub const NONE: Ready = Ready(false, false, false);
pub const READABLE: Ready = Ready(true, false, false);
pub const WRITABLE: Ready = Ready(false, true, false);
pub const BOTH: Ready = Ready(true, true, false);
pub const EXCEPTIONAL: Ready = Ready(false, false, true);

#[track_caller]
pub fn ready(socket: Raw) -> Ready {
    let mut sets = [(); 3].map(|()| Set::of(&[socket]));
    let total = select_sets(&mut sets, 0).unwrap();
    let [read, write, except] = sets.each_ref().map(|set| set.count == 1);
    let count = [read, write, except].iter().filter(|is_in| **is_in).count();
    assert_eq!(total, count);
    Ready(read, write, except)
}

#[track_caller]
pub fn until_ready(socket: Raw, expected: Ready) {
    until(&format!("the socket is {expected:?}"), || {
        ready(socket) == expected
    });
}

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

/// select without any socket is WSAEINVAL at once: it is no way to sleep.
/// Source: select, WSAEINVAL; validated on Windows.
#[test]
fn select_without_sets_is_refused() {
    let _watch = watch();
    startup();
    let timeout = TIMEVAL {
        tv_sec: 0,
        tv_usec: 1000,
    };
    // SAFETY: the sets may be null.
    let result = unsafe { select(0, null_mut(), null_mut(), null_mut(), &timeout) };
    assert_eq!((result, wsa_error()), (SOCKET_ERROR, WSAEINVAL));
    // SAFETY: an all-zero FD_SET is an empty one.
    let mut empty: FD_SET = unsafe { mem::zeroed() };
    // SAFETY: the sets are valid or null.
    let result = unsafe { select(0, &mut empty, null_mut(), null_mut(), &timeout) };
    assert_eq!((result, wsa_error()), (SOCKET_ERROR, WSAEINVAL));
}
