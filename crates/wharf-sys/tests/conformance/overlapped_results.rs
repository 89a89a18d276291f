//! WSAGetOverlappedResult looks at the OVERLAPPED alone: its event ends the wait, its status block tells the result.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// The event ends the wait: an operation that is still marked as pending by then counts as a success of what InternalHigh says.
/// Source: WSAGetOverlappedResult, fWait and hEvent; validated on Windows.
#[test]
fn signalled_event_is_a_result() {
    let _watch = watch();
    let (socket, event) = (Socket::tcp(Family::V4), Event::manual());
    let request = Request::new(0).with_event(event.raw());
    request.mark_status(STATUS_PENDING as usize, 7);
    assert_eq!(socket.result(&request, false), Err(WSA_IO_INCOMPLETE));
    event.set();
    assert_eq!(socket.result(&request, false), Err(WSA_IO_INCOMPLETE));
    assert_eq!(socket.result(&request, true), Ok((7, 0)));
}

/// Any socket will do for the handle, but it must be one; the failure is that of the status block.
/// Source: WSAGetOverlappedResult, WSAENOTSOCK; validated on Windows.
#[test]
fn handle_is_only_looked_up() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let request = Request::new(0);
    request.mark_status(STATUS_CONNECTION_RESET as u32 as usize, 3);
    assert_eq!(socket.result(&request, true), Err(WSAECONNRESET));
    request.mark_status(STATUS_SUCCESS as usize, 3);
    assert_eq!(socket.result(&request, true), Ok((3, 0)));
    assert_eq!(Socket::stale().result(&request, true), Err(WSAENOTSOCK));
    let event = Event::manual();
    assert_eq!(
        Raw(event.raw() as SOCKET).result(&request, true),
        Err(WSAENOTSOCK)
    );
}
