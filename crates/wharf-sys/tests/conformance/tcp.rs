//! TCP over the loopback, in the words of the tests: sockets, connected pairs, requests and packets.
//!
//! A wrapper calls one Windows function and turns its answer into a `Result` whose error is the last
//! error; it hides pointers and lengths, never behaviour. Tests that need an odd pointer or a raw
//! out-parameter call the function themselves.

mod address;
mod request;
mod socket;

use std::mem;
use std::sync::Once;

use wharf_sys::*;

use crate::harness::*;

pub use address::*;
pub use request::*;
pub use socket::*;

/// How long a test watches that something does *not* happen.
pub const QUIET_MS: u32 = 30;

/// A linger time in seconds that no test waits for: whatever must not linger is done within [`DEADLINE`].
pub const LONG_LINGER: u16 = 10 * DEADLINE.as_secs() as u16;

/// Windows' `SOMAXCONN`: as long a backlog as the provider allows.
pub const BACKLOG_MAX: i32 = i32::MAX;

/// What an AcceptEx address area needs: the largest socket address and 16 bytes.
pub const ADDRESS_AREA: u32 = size_of::<SOCKADDR_IN6>() as u32 + 16;

/// The thread's last error, as winsock's constants are typed.
pub fn wsa_error() -> WSA_ERROR {
    // SAFETY: takes nothing and reads the calling thread's slot.
    unsafe { WSAGetLastError() }
}

/// Starts winsock once for the whole test process.
pub fn startup() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| start_version(0x0202).unwrap());
}

/// One WSAStartup.
pub fn start_version(version: u16) -> Result<(), WSA_ERROR> {
    // SAFETY: an all-zero WSADATA is a valid value of that plain structure.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    // SAFETY: `data` is valid for writes.
    match unsafe { WSAStartup(version, &mut data) } {
        0 => Ok(()),
        error => Err(error),
    }
}

/// 0 or SOCKET_ERROR as a result.
pub fn check(answer: i32) -> Result<(), WSA_ERROR> {
    check_count(answer).map(|zero| assert_eq!(zero, 0))
}

/// A count or SOCKET_ERROR as a result.
pub fn check_count(answer: i32) -> Result<usize, WSA_ERROR> {
    if answer == SOCKET_ERROR {
        return Err(wsa_error());
    }
    Ok(usize::try_from(answer).expect("a winsock function returned a negative count"))
}

/// TRUE or FALSE as a result; the error is a Win32 code.
pub fn check_bool(answer: BOOL) -> Result<(), u32> {
    if answer == FALSE {
        return Err(last_error());
    }
    Ok(())
}

// --- Ports -----------------------------------------------------------------------------------------

/// A new port with `socket` associated under `key`.
#[track_caller]
pub fn port_of(socket: Raw, key: usize) -> Port {
    let port = Port::new(0);
    port.associate(socket.handle(), key);
    port
}

/// The outcome that must come.
#[track_caller]
pub fn next(port: &Port) -> Taken {
    let taken = port.take(DEADLINE_MS);
    assert_ne!(taken, TIMED_OUT, "no packet came");
    taken
}

/// Fails if a packet is queued: packets are FIFO, so a mark posted now must come first.
#[track_caller]
pub fn assert_empty(port: &Port) {
    const MARK: Packet = packet(0, 0x6D61_726B, 0);
    port.post(MARK);
    assert_eq!(next(port), Taken::Packet(MARK));
}

/// Fails if a packet comes within [`QUIET_MS`].
#[track_caller]
pub fn assert_quiet(port: &Port) {
    assert_eq!(port.take(QUIET_MS), TIMED_OUT);
}

// --- Special states --------------------------------------------------------------------------------

/// Posts sends on `socket` until one pends, because the peer reads nothing. Gives them in order; each has
/// `CLOG` bytes, all of them the request's number.
pub fn clog(socket: Raw) -> Vec<Request> {
    let mut requests = Vec::new();
    for number in 0..=u8::MAX {
        let request = Request::from_data(&vec![number; CLOG]);
        let answer = socket.send_request(&request);
        requests.push(request);
        match answer {
            Ok(Started::Done(sent)) => assert_eq!(sent as usize, CLOG),
            Ok(Started::Pending) => return requests,
            Err(error) => panic!("WSASend: {error}"),
        }
    }
    panic!("the system took {} bytes that nobody reads", CLOG << 8);
}

/// The size of one request of [`clog`].
pub const CLOG: usize = 1 << 18;

/// A listener whose backlog is full: a further connection attempt stays under way for a while.
pub struct Unanswering {
    /// Where nobody answers.
    pub address: Address,
    _listener: Listener,
    _backlog: Vec<Socket>,
}

impl Unanswering {
    pub fn new(family: Family) -> Self {
        let socket = Socket::bound(family);
        socket.listen(1).expect("listen");
        let address: Address = socket.local_address().expect("getsockname").into();
        let listener = Listener {
            socket,
            address,
            family,
        };
        let backlog = (0..8).map(|_| Self::attempt(&address, family)).collect();
        Self {
            address,
            _listener: listener,
            _backlog: backlog,
        }
    }

    /// A socket whose non-blocking connect is under way.
    pub fn connecting(&self) -> Socket {
        Self::attempt(&self.address, self._listener.family)
    }

    fn attempt(address: &Address, family: Family) -> Socket {
        let socket = Socket::tcp(family);
        socket.set_non_blocking(true);
        assert_eq!(socket.connect(address), Err(WSAEWOULDBLOCK));
        socket
    }
}
