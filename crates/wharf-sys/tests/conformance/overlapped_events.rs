//! Overlapped WSARecv and WSASend: events and the handle of the socket beside the packet, and the notification modes that leave
//! out one or the other.

use wharf_sys::*;

use crate::harness::*;
use crate::overlapped::without_packet;
use crate::tcp::*;

const KEY: usize = 0x22;

// --- Notification modes ----------------------------------------------------------------------------

/// FILE_SKIP_COMPLETION_PORT_ON_SUCCESS: done at once queues nothing; what pended still does.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn skip_mode_drops_only_immediate_packets() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(pair.server.set_notification_modes(skip), Ok(()));

    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));

    pair.client.send_all(b"def");
    pair.server.until_unread(3);
    assert_eq!(pair.server.receive(&request), done(3));
    assert_eq!(request.received(), b"def");
    assert_eq!(pair.server.send_request(&Request::from_data(b"x")), done(1));
    assert_quiet(&port);
}

/// Modes may be set before the association, add up, and cannot be taken back.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn skip_mode_is_permanent() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let skip = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    assert_eq!(pair.server.set_notification_modes(skip), Ok(()));
    assert_eq!(pair.server.set_notification_modes(0), Ok(()));
    assert_eq!(
        pair.server
            .set_notification_modes(FILE_SKIP_SET_EVENT_ON_HANDLE),
        Ok(())
    );
    let port = port_of(*pair.server, KEY);
    assert_eq!(pair.server.send_request(&Request::from_data(b"x")), done(1));
    assert_quiet(&port);
}

/// Notification modes of a bad handle: ERROR_INVALID_HANDLE.
/// Source: SetFileCompletionNotificationModes; validated on Windows for the system call underneath.
#[test]
fn notification_modes_check_the_handle() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(
            Socket::stale().set_notification_modes(1),
            Err(ERROR_INVALID_HANDLE)
        );
        assert_eq!(Raw(0).set_notification_modes(1), Err(ERROR_INVALID_HANDLE));
    });
}

/// Unknown notification modes are ignored: packets come as before.
/// Source: SetFileCompletionNotificationModes; validated on Windows for the system call underneath.
#[test]
fn unknown_notification_modes_are_ignored() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(pair.server.set_notification_modes(0x80), Ok(()));
    let port = port_of(*pair.server, KEY);
    let request = Request::from_data(b"x");
    assert_eq!(pair.server.send_request(&request), done(1));
    assert_eq!(next(&port), request.success(KEY, 1));
}

// --- Events ----------------------------------------------------------------------------------------

/// Without a port the event in hEvent is signalled when the operation completes; a stale signal is
/// taken back by the call that pends.
/// Source: WSARecv, hEvent; OVERLAPPED (reset when the operation begins).
#[test]
fn event_follows_the_operation() {
    let _watch = watch();
    for event in [Event::manual(), Event::auto()] {
        let pair = connected_pair(Family::V4);
        event.set();
        let request = Request::new(4).with_event(event.raw());
        assert_eq!(pair.server.receive(&request), PENDING);
        assert!(!event.wait(0));
        pair.client.send_all(b"abc");
        assert!(event.wait(DEADLINE_MS));
        assert!(request.is_finished());
        assert_eq!(pair.server.result(&request, false), Ok((3, 0)));
    }
}

/// An operation that is done at once signals its event too.
/// Source: WSARecv, hEvent.
#[test]
fn event_is_signalled_when_done_at_once() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let event = Event::manual();
    let request = Request::from_data(b"x").with_event(event.raw());
    assert_eq!(pair.server.send_request(&request), done(1));
    assert!(event.wait(0));
}

/// hEvent with the low bit set: the event is signalled and no packet is queued, at once or later.
/// Source: GetQueuedCompletionStatus, lpOverlapped (low-order bit of hEvent).
#[test]
fn low_bit_of_the_event_suppresses_the_packet() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();

    let late = Request::new(4).with_event(without_packet(&event));
    assert_eq!(pair.server.receive(&late), PENDING);
    assert!(!event.wait(0));
    pair.client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert_eq!(late.received(), b"abc");
    assert_quiet(&port);

    event.reset();
    let at_once = Request::from_data(b"x").with_event(without_packet(&event));
    assert_eq!(pair.server.send_request(&at_once), done(1));
    assert!(event.wait(0));
    assert_quiet(&port);
}

/// The event of an operation on a port's socket tells although no thread ever asks the port, however the receives before it
/// ended, and however long nothing was under way.
/// Source: WSARecv, hEvent; the system finishes operations, not the threads that wait for them.
#[test]
fn event_tells_although_nobody_asks_the_port() {
    let _watch = watch();
    let (event, never) = (Event::auto(), Event::auto());
    for served_at_once in [true, false] {
        let pair = connected_pair(Family::V4);
        let _port = port_of(*pair.server, KEY);
        let served = |served_at_once| {
            let request = Request::new(4).with_event(without_packet(&event));
            if served_at_once {
                pair.client.send_all(b"x");
                pair.server.until_unread(1);
                assert_eq!(pair.server.receive(&request), done(1));
            } else {
                assert_eq!(pair.server.receive(&request), PENDING);
                pair.client.send_all(b"x");
            }
            assert!(event.wait(DEADLINE_MS), "{served_at_once}");
        };
        for _ in 0..3 {
            served(served_at_once);
        }
        assert!(!never.wait(100)); // time in which nothing is under way
        served(false);
    }
}

/// hEvent without the low bit on a port's socket: event and packet.
/// Source: GetQueuedCompletionStatus, hEvent; validated on Windows.
#[test]
fn event_and_port_give_both() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let event = Event::manual();
    event.set();
    let request = Request::new(4).with_event(event.raw());
    assert_eq!(pair.server.receive(&request), PENDING);
    assert!(!event.wait(0));
    pair.client.send_all(b"abc");
    assert_eq!(next(&port), request.success(KEY, 3));
    assert!(event.wait(DEADLINE_MS));
}

/// In skip mode the event is still signalled, although the packet is dropped.
/// Source: SetFileCompletionNotificationModes, FILE_SKIP_SET_EVENT_ON_HANDLE (concerns the handle, not hEvent).
#[test]
fn skip_modes_leave_the_explicit_event_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let both = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    assert_eq!(pair.server.set_notification_modes(both), Ok(()));
    let event = Event::manual();
    let request = Request::from_data(b"x").with_event(event.raw());
    assert_eq!(pair.server.send_request(&request), done(1));
    assert!(event.wait(0));
    assert_quiet(&port);
}

/// Without hEvent the socket handle itself is signalled by a completion, and reset by the next call that pends.
/// Source: OVERLAPPED, hEvent; "Synchronization and Overlapped Input and Output".
#[test]
fn socket_handle_is_signalled_without_an_event() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let request = Request::new(4);
    for _ in 0..2 {
        assert_eq!(pair.server.receive(&request), PENDING);
        assert!(!pair.server.is_signalled());
        pair.client.send_all(b"abc");
        assert_eq!(wait(pair.server.handle(), DEADLINE_MS), WAIT_OBJECT_0);
        assert!(request.is_finished());
        assert!(pair.server.is_signalled());
    }
}

/// FILE_SKIP_SET_EVENT_ON_HANDLE: the socket handle is not signalled by completions.
/// Source: SetFileCompletionNotificationModes.
#[test]
fn skip_set_event_leaves_the_socket_handle_alone() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    assert_eq!(
        pair.server
            .set_notification_modes(FILE_SKIP_SET_EVENT_ON_HANDLE),
        Ok(())
    );
    let request = Request::new(4);
    assert_eq!(pair.server.receive(&request), PENDING);
    assert!(!pair.server.is_signalled());
    pair.client.send_all(b"abc");
    request.until_finished();
    assert!(!pair.server.is_signalled());
}
