//! WSAAsyncSelect: which messages come, in what order, and what makes a condition be posted again.

use std::ptr::{null, null_mut};
use std::sync::Once;
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// The message the tests ask for.
const MESSAGE: u32 = WM_USER + 1;

const ALL: u32 = FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE;

/// `WSAAsyncSelect`.
pub fn select(socket: Raw, window: HWND, message: u32, mask: u32) -> Result<(), WSA_ERROR> {
    // SAFETY: handles are looked up.
    check(unsafe { WSAAsyncSelect(socket.0, window, message, mask as i32) })
}

/// A message-only window of the calling thread.
pub struct Window(pub HWND);

/// A network event as its message tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub socket: SOCKET,
    pub event: u32,
    pub error: i32,
}

impl From<MSG> for Told {
    fn from(message: MSG) -> Told {
        Told {
            socket: message.wParam,
            event: (message.lParam & 0xffff) as u32,
            error: (message.lParam >> 16 & 0xffff) as i32,
        }
    }
}

fn told(socket: Raw, event: u32) -> Told {
    Told {
        socket: socket.0,
        event,
        error: 0,
    }
}

const CLASS: &[u8] = b"wharf-async-select\0";

impl Window {
    #[track_caller]
    pub fn new() -> Window {
        startup();
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            let class = WNDCLASSA {
                lpfnWndProc: Some(DefWindowProcA),
                lpszClassName: CLASS.as_ptr(),
                // SAFETY: an all-zero WNDCLASSA is a valid value of that plain structure.
                ..unsafe { std::mem::zeroed() }
            };
            // SAFETY: the class and its name live through the call.
            let atom = unsafe { RegisterClassA(&class) };
            assert_ne!(atom, 0, "RegisterClass: {}", last_error());
        });
        // SAFETY: the name lives through the call.
        let window = unsafe {
            CreateWindowExA(
                0,
                CLASS.as_ptr(),
                null(),
                0,
                0,
                0,
                0,
                0,
                HWND_MESSAGE,
                null_mut(),
                null_mut(),
                null(),
            )
        };
        assert!(!window.is_null(), "CreateWindowEx: {}", last_error());
        Window(window)
    }

    #[track_caller]
    pub fn select(&self, socket: Raw, mask: u32) {
        assert_eq!(select(socket, self.0, MESSAGE, mask), Ok(()));
    }

    /// The next message that is queued.
    fn peek(&self, message: u32) -> Option<MSG> {
        // SAFETY: an all-zero MSG is a valid value of that plain structure.
        let mut found: MSG = unsafe { std::mem::zeroed() };
        // SAFETY: `found` lives through the call.
        let any = unsafe { PeekMessageA(&mut found, self.0, message, message, PM_REMOVE) };
        (any != FALSE).then_some(found)
    }

    fn take(&self) -> Option<Told> {
        self.peek(MESSAGE).map(Told::from)
    }

    pub fn next(&self, time_ms: u32) -> Option<Told> {
        let deadline = Instant::now() + Duration::from_millis(time_ms.into());
        loop {
            if let Some(told) = self.take() {
                return Some(told);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            // SAFETY: no handles.
            unsafe {
                MsgWaitForMultipleObjects(
                    0,
                    null(),
                    FALSE,
                    left.as_millis() as u32 + 1,
                    QS_ALLINPUT,
                )
            };
        }
    }

    /// That event comes next.
    #[track_caller]
    fn expect(&self, expected: Told) {
        assert_eq!(self.next(DEADLINE_MS), Some(expected));
    }

    /// Those events of the socket come, in this order, and then nothing.
    #[track_caller]
    pub fn expect_only(&self, socket: Raw, events: &[u32]) {
        for event in events {
            self.expect(told(socket, *event));
        }
        self.expect_nothing();
    }

    #[track_caller]
    pub fn expect_nothing(&self) {
        assert_eq!(self.next(QUIET_MS), None);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: a handle is looked up.
        unsafe { DestroyWindow(self.0) };
    }
}

/// A connected pair whose server end is watched for everything, with the first FD_WRITE behind it.
#[track_caller]
fn watched_pair(window: &Window) -> Pair {
    let pair = connected_pair(Family::V4);
    window.select(*pair.server, ALL);
    window.expect_only(*pair.server, &[FD_WRITE]);
    pair
}

/// Registering posts what holds already, one message per event, FD_READ before FD_WRITE.
/// Source: WSAAsyncSelect, remarks; validated on Windows.
#[test]
fn registering_posts_what_holds() {
    let _watch = watch();
    let window = Window::new();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    window.select(*pair.server, FD_READ | FD_WRITE | FD_CLOSE);
    window.expect_only(*pair.server, &[FD_READ, FD_WRITE]);
}

/// Registering again posts again whatever holds, but not FD_CONNECT.
/// Source: validated on Windows.
#[test]
fn registering_again_posts_again() {
    let _watch = watch();
    let window = Window::new();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    for mask in [ALL, ALL, FD_READ | FD_WRITE] {
        window.select(*pair.server, mask);
        window.expect_only(*pair.server, &[FD_READ, FD_WRITE]);
        window.select(*pair.client, mask);
        window.expect_only(*pair.client, &[FD_WRITE]);
    }
}

/// FD_CLOSE too is posted at every registration.
/// Source: validated on Windows.
#[test]
fn registering_again_posts_the_end_again() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    pair.client.shutdown(SD_SEND).unwrap();
    window.expect_only(*pair.server, &[FD_CLOSE]);
    for _ in 0..2 {
        window.select(*pair.server, FD_CLOSE);
        window.expect_only(*pair.server, &[FD_CLOSE]);
    }
}

/// A receive re-enables FD_READ: with data left it is posted again, after the last byte it is not. More data posts nothing
/// while the message before stands.
/// Source: WSAAsyncSelect, table of re-enabling functions; validated on Windows.
#[test]
fn receive_reenables_read() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    pair.client.send_all(b"abc");
    window.expect_only(*pair.server, &[FD_READ]);
    pair.client.send_all(b"def");
    pair.server.until_unread(6);
    window.expect_nothing();
    assert_eq!(pair.server.recv_some(1).unwrap(), b"a");
    window.expect_only(*pair.server, &[FD_READ]);
    assert_eq!(pair.server.recv_flags(&mut [0; 9], MSG_PEEK), Ok(5));
    window.expect_only(*pair.server, &[FD_READ]);
    let request = Request::new(1);
    assert_eq!(pair.server.receive(&request), done(1));
    window.expect_only(*pair.server, &[FD_READ]);
    assert_eq!(pair.server.recv_some(9).unwrap(), b"cdef");
    window.expect_nothing();
    assert_eq!(pair.server.recv_some(1), Err(WSAEWOULDBLOCK));
    pair.client.send_all(b"g");
    window.expect_only(*pair.server, &[FD_READ]);
}

/// A receive that is refused for its arguments re-enables FD_READ as well.
/// Source: validated on Windows.
#[test]
fn refused_receive_reenables_read() {
    let _watch = watch();
    differs_under_wine("re-enables nothing", || {
        let window = Window::new();
        let pair = watched_pair(&window);
        pair.client.send_all(b"abc");
        window.expect_only(*pair.server, &[FD_READ]);
        // SAFETY: a length that no buffer has; nothing is written.
        let result = unsafe { recv(pair.server.0, null_mut(), -1, 0) };
        assert_eq!(check_count(result), Err(WSAEFAULT));
        window.expect_only(*pair.server, &[FD_READ]);
    });
}

/// FD_ACCEPT is posted once, whatever else arrives, until an accept that leaves some.
/// Source: validated on Windows.
#[test]
fn accept_reenables_accept() {
    let _watch = watch();
    let window = Window::new();
    let listener = Listener::new(Family::V4);
    window.select(*listener.socket, FD_ACCEPT);
    let _first = listener.client();
    window.expect_only(*listener.socket, &[FD_ACCEPT]);
    let _second = listener.client();
    window.expect_nothing();
    let _accepted = listener.accept().unwrap();
    window.expect_only(*listener.socket, &[FD_ACCEPT]);
    let _accepted = listener.accept().unwrap();
    window.expect_nothing();
    let _third = listener.client();
    window.expect_only(*listener.socket, &[FD_ACCEPT]);
}

/// A connect that succeeds posts FD_CONNECT and then FD_WRITE.
/// Source: WSAAsyncSelect, remarks; validated on Windows.
#[test]
fn connect_posts_connect_then_write() {
    let _watch = watch();
    let window = Window::new();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    window.select(*client, ALL);
    window.expect_nothing();
    assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
    window.expect_only(*client, &[FD_CONNECT, FD_WRITE]);
}

/// A connect that ended before the registration, or outside the mask, posts no FD_CONNECT.
/// Source: validated on Windows.
#[test]
fn connect_is_not_posted_later() {
    let _watch = watch();
    let window = Window::new();
    let listener = Listener::new(Family::V4);
    let client = Socket::tcp(Family::V4);
    window.select(*client, FD_WRITE);
    assert_eq!(client.connect(&listener.address), Err(WSAEWOULDBLOCK));
    window.expect_only(*client, &[FD_WRITE]);
    window.select(*client, FD_CONNECT);
    window.expect_nothing();
}

/// A connect that is refused posts FD_CONNECT with its error and no FD_WRITE.
/// Source: validated on Windows.
#[test]
fn refused_connect_posts_its_error() {
    let _watch = watch();
    let window = Window::new();
    let (_holder, address) = refusing_address(Family::V4);
    let client = Socket::tcp(Family::V4);
    window.select(*client, ALL);
    assert_eq!(client.connect(&address), Err(WSAEWOULDBLOCK));
    window.expect(Told {
        error: WSAECONNREFUSED,
        ..told(*client, FD_CONNECT)
    });
    window.expect_nothing();
    window.select(*client, ALL);
    window.expect_nothing();
}

/// FD_CLOSE is posted as soon as the peer's end is known, even with unread data.
/// Source: validated on Windows; the documentation says after the data.
#[test]
fn end_is_posted_at_once_even_with_unread_data() {
    let _watch = watch();
    differs_under_wine("posts FD_CLOSE after the data", || {
        let window = Window::new();
        let pair = watched_pair(&window);
        pair.client.send_all(b"abc");
        window.expect_only(*pair.server, &[FD_READ]);
        pair.client.shutdown(SD_SEND).unwrap();
        window.expect_only(*pair.server, &[FD_CLOSE]);
        assert_eq!(pair.server.recv_some(1).unwrap(), b"a");
        window.expect_only(*pair.server, &[FD_READ]);
        assert_eq!(pair.server.recv_some(9).unwrap(), b"bc");
        window.expect_nothing();
    });
}

/// A reset posts FD_CLOSE with WSAECONNABORTED, and no FD_READ.
/// Source: validated on Windows.
#[test]
fn reset_posts_a_close_with_an_error() {
    let _watch = watch();
    differs_under_wine("posts no error", || {
        let window = Window::new();
        let Pair { client, server } = watched_pair(&window);
        client.reset();
        window.expect(Told {
            error: WSAECONNABORTED,
            ..told(*server, FD_CLOSE)
        });
        window.expect_nothing();
    });
}

/// FD_WRITE is posted after a send that would have blocked, when there is room again.
/// Source: WSAAsyncSelect, remarks on FD_WRITE; validated on Windows.
#[test]
fn write_is_posted_when_room_returns() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    pair.server.send(b"a").unwrap();
    window.expect_nothing();
    let (data, mut sent) = (vec![7; 1 << 18], 1);
    while let Ok(count) = pair.server.send(&data) {
        sent += count;
    }
    window.expect_nothing();
    pair.client.recv_exact(sent);
    window.expect_only(*pair.server, &[FD_WRITE]);
}

/// An urgent byte posts FD_OOB, before FD_READ.
/// Source: WSAAsyncSelect, remarks on FD_OOB.
#[test]
fn urgent_data_is_posted() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    assert_eq!(pair.client.send_flags(b"!", MSG_OOB), Ok(1));
    window.expect_only(*pair.server, &[FD_OOB]);
    window.select(*pair.server, FD_OOB);
    window.expect_only(*pair.server, &[FD_OOB]);
    assert_eq!(pair.server.recv_flags(&mut [0], MSG_OOB), Ok(1));
    window.expect_nothing();
}

/// What happens outside the mask is not posted, and looked at again at the next registration.
/// Source: validated on Windows.
#[test]
fn events_outside_the_mask_are_looked_at_later() {
    let _watch = watch();
    let window = Window::new();
    let pair = connected_pair(Family::V4);
    window.select(*pair.server, FD_WRITE);
    window.expect_only(*pair.server, &[FD_WRITE]);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    window.expect_nothing();
    window.select(*pair.server, FD_READ);
    window.expect_only(*pair.server, &[FD_READ]);
}

/// Data that a pending overlapped receive takes is not posted.
/// Source: validated on Windows.
#[test]
fn data_for_a_pending_receive_is_not_posted() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abcdef");
    request.until_finished();
    window.expect_only(*pair.server, &[FD_READ]);
    assert_eq!(pair.server.recv_some(9).unwrap(), b"def");
    let request = Request::new(3);
    assert_eq!(pair.server.receive(&request), PENDING);
    pair.client.send_all(b"abc");
    request.until_finished();
    window.expect_nothing();
}

/// An unbound datagram socket posts FD_WRITE, and connecting it posts no FD_CONNECT.
/// Source: validated on Windows.
#[test]
fn unbound_datagram_socket_posts_write() {
    let _watch = watch();
    let window = Window::new();
    let socket = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
    window.select(*socket, FD_READ | FD_WRITE);
    window.expect_only(*socket, &[FD_WRITE]);
    window.select(*socket, FD_CONNECT);
    let (_holder, address) = {
        let peer = Socket::open(AF_INET.into(), SOCK_DGRAM, 0).unwrap();
        peer.bind(&Family::V4.loopback(0)).unwrap();
        let address = peer.local_address().unwrap().into();
        (peer, address)
    };
    socket.connect(&address).unwrap();
    window.expect_nothing();
}

/// Cancelling stops new messages; those in the queue stay, also when the socket is closed.
/// Source: WSAAsyncSelect, remarks on cancelling.
#[test]
fn cancelling_leaves_queued_messages() {
    let _watch = watch();
    let window = Window::new();
    let pair = connected_pair(Family::V4);
    window.select(*pair.server, FD_READ | FD_WRITE);
    assert_eq!(select(*pair.server, null_mut(), 0, 0), Ok(()));
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    let server = *pair.server;
    pair.server.close().unwrap();
    window.expect_only(server, &[FD_WRITE]);
}

/// closesocket posts nothing.
/// Source: validated on Windows.
#[test]
fn closesocket_posts_nothing() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    pair.server.close().unwrap();
    window.expect_nothing();
}

/// CloseHandle on a socket, which winsock does not see, posts FD_CLOSE without an error.
/// Source: validated on Windows.
#[test]
fn close_handle_posts_a_close() {
    let _watch = watch();
    differs_under_wine("posts nothing", || {
        let window = Window::new();
        let pair = watched_pair(&window);
        let server = pair.server.into_raw();
        assert_eq!(close_handle(server.handle()), TRUE);
        window.expect_only(server, &[FD_CLOSE]);
    });
}

/// A later registration replaces window, message and mask; one for an event ends the messages, and the reverse.
/// Source: WSAAsyncSelect and WSAEventSelect, remarks.
#[test]
fn another_registration_replaces_the_first() {
    let _watch = watch();
    let (first, second) = (Window::new(), Window::new());
    let pair = watched_pair(&first);
    assert_eq!(select(*pair.server, second.0, MESSAGE + 1, FD_READ), Ok(()));
    pair.client.send_all(b"abc");
    until("the other message", || second.peek(MESSAGE + 1).is_some());
    first.expect_nothing();
    let event = Event::manual();
    // SAFETY: handles are looked up.
    check(unsafe { WSAEventSelect(pair.server.0, event.raw() as WSAEVENT, FD_READ as i32) })
        .unwrap();
    pair.server.recv_exact(3);
    event.reset();
    pair.client.send_all(b"abc");
    assert!(event.wait(DEADLINE_MS));
    assert!(second.peek(MESSAGE + 1).is_none());
    first.select(*pair.server, FD_READ);
    first.expect_only(*pair.server, &[FD_READ]);
}

/// Any mask makes the socket non-blocking, and as long as there is one it cannot be made blocking.
/// Source: WSAAsyncSelect, remarks; validated on Windows.
#[test]
fn socket_becomes_non_blocking() {
    let _watch = watch();
    let window = Window::new();
    let pair = connected_pair(Family::V4);
    window.select(*pair.server, FD_CLOSE);
    assert_eq!(pair.server.recv_some(1), Err(WSAEWOULDBLOCK));
    assert_eq!(pair.server.ioctl(FIONBIO, 0), Err(WSAEINVAL));
    assert_eq!(pair.server.ioctl(FIONBIO, 1), Ok(1));
    window.select(*pair.server, 0);
    assert_eq!(pair.server.recv_some(1), Err(WSAEWOULDBLOCK));
    assert_eq!(pair.server.ioctl(FIONBIO, 0), Ok(0));
    select(*pair.client, null_mut(), 0, 0).unwrap();
    assert_eq!(pair.client.recv_some(1), Err(WSAEWOULDBLOCK));
}

/// An accepted socket has the listener's window, message and mask, and posts at once with its own handle.
/// Source: accept, remarks; validated on Windows.
#[test]
fn accepted_socket_inherits() {
    let _watch = watch();
    let window = Window::new();
    let listener = Listener::new(Family::V4);
    window.select(*listener.socket, FD_ACCEPT | FD_READ | FD_WRITE | FD_CLOSE);
    let client = listener.client();
    window.expect(told(*listener.socket, FD_ACCEPT));
    let accepted = listener.accept().unwrap();
    window.expect_only(*accepted, &[FD_WRITE]);
    assert_eq!(accepted.recv_some(1), Err(WSAEWOULDBLOCK));
    client.send_all(b"abc");
    window.expect_only(*accepted, &[FD_READ]);
}

/// What is no socket or no window is refused.
/// Source: WSAAsyncSelect, error codes.
#[test]
fn wrong_arguments_are_refused() {
    let _watch = watch();
    let window = Window::new();
    let pair = connected_pair(Family::V4);
    assert_eq!(
        select(Raw(INVALID_SOCKET), window.0, MESSAGE, FD_READ),
        Err(WSAENOTSOCK)
    );
    let server = *pair.server;
    differs_under_wine("takes it", move || {
        assert_eq!(select(server, null_mut(), MESSAGE, FD_READ), Err(WSAEINVAL));
        assert_eq!(server.ioctl(FIONBIO, 0), Ok(0), "nothing was registered");
    });
}

/// Messages for a window that is gone are dropped, and the socket serves on.
/// Source: WSAAsyncSelect, remarks.
#[test]
fn destroyed_window_gets_nothing() {
    let _watch = watch();
    let window = Window::new();
    let pair = watched_pair(&window);
    drop(window);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(pair.server.recv_some(9).unwrap(), b"abc");
}

/// One thread and one window serve many sockets, whichever thread makes them speak.
/// Source: WSAAsyncSelect, remarks.
#[test]
fn one_window_serves_many_sockets() {
    const PAIRS: usize = 40;
    const ROUNDS: usize = 50;
    let _watch = watch();
    let window = Window::new();
    let listener = Listener::new(Family::V4);
    let pairs: Vec<_> = (0..PAIRS).map(|_| listener.pair()).collect();
    let (clients, servers): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .map(|pair| (pair.client, pair.server))
        .unzip();
    for server in &servers {
        window.select(**server, FD_READ | FD_CLOSE);
    }
    let speaker = spawn(move || {
        for round in 0..ROUNDS {
            for client in &clients {
                client.send_all(&[round as u8; 100]);
            }
        }
        for client in &clients {
            client.shutdown(SD_SEND).unwrap();
        }
        clients
    });
    let (mut open, mut received) = (PAIRS, 0);
    while open > 0 {
        let told = window.next(DEADLINE_MS).expect("a message");
        let socket = Raw(told.socket);
        match told.event {
            FD_READ => match socket.recv_some(64) {
                Ok(some) => received += some.len(),
                Err(error) => assert_eq!(error, WSAEWOULDBLOCK),
            },
            FD_CLOSE => open -= 1,
            event => panic!("event {event:#x}"),
        }
    }
    while let Some(told) = window.next(QUIET_MS) {
        received += Raw(told.socket).recv_some(4096).unwrap().len();
    }
    assert_eq!(received, PAIRS * ROUNDS * 100);
    speaker.join();
}
