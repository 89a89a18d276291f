//! Deferred sends: a worker that has more packets to see to leaves its sends at the head of their queues for a moment,
//! so that they go to the kernel together. Likewise receives of datagrams, on a socket that may have some.
//!
//! A deferred send is an ordinary request that nobody has attempted yet; the port keeps a list of such sockets. Whatever
//! looks at the queue (a later send, shutdown, close, cancel) finds and attempts it as any other, so nothing else knows of
//! deferral. It ends, for all sends of the port together, when
//!
//! - a worker finds the port's queue empty, or begins any other wait of the library,
//! - as many wait as go into one batch, or enough on one socket, or the oldest has waited for 0.1 ms when another one comes,
//! - the helper finds that the oldest is late, or
//! - the process exits.
//!
//! Only a worker of the port defers, and only while packets are queued there: then nobody who may run is idle. The send
//! of the last packet takes the others along at once. A port on which sends went late sends at once for some milliseconds,
//! and for longer and longer, up to a second, if they are late again soon after: its handlers compute. `WHARF_DEFER=0`
//! switches it off.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Once, OnceLock};

use super::batch::BATCH_MAX;
use super::completion::closed_meanwhile;
use super::drive::Sink;
use super::helper;
use super::port::Port;
use super::request::Request;
use crate::platform::lock::Lock;
use crate::platform::objects::handle;
use crate::platform::sockets::socket::{Side, Socket};
use crate::platform::startup;
use crate::platform::status::Status;
use crate::platform::system;
use crate::platform::threads::thread;

/// What waited longer than this was not worth deferring.
const LATE_NS: u64 = 200_000;
/// How long a port sends at once after that: at first, and at most, if it goes on like that.
const AT_ONCE_MIN_NS: u64 = 4_000_000;
const AT_ONCE_MAX_NS: u64 = 1_000_000_000;
/// The helper sends what is older than this. With its short tick that keeps every send below a millisecond.
const OVERDUE_NS: u64 = 150_000;
/// Whoever adds one sends them all if the oldest has waited longer than this: a busy port never finds its queue empty.
const OLD_NS: u64 = 100_000;
/// A socket with so many sends gains nothing from others' company.
const OF_ONE_SOCKET: usize = 16;

/// The sockets of a port that have something deferred, with the side.
pub struct Deferred {
    sockets: Lock<Vec<(Arc<Socket>, Side)>>, // each once: see `Direction::defer`
    count: AtomicUsize,                      // of them, so that looking takes no lock
    since_ns: AtomicU64,                     // when the oldest came
    at_once_until_ns: AtomicU64,             // no deferring before then
    at_once_for_ns: AtomicU64,               // how long that was
    begun: AtomicU64, // how often the first came: a sign that deferring goes on
}

/// Whether anything may be deferred at all.
fn enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| std::env::var_os("WHARF_DEFER").is_none_or(|value| value != "0"))
}

impl Deferred {
    /// None.
    pub const fn new() -> Deferred {
        Deferred {
            sockets: Lock::new(Vec::new()),
            count: AtomicUsize::new(0),
            since_ns: AtomicU64::new(0),
            at_once_until_ns: AtomicU64::new(0),
            at_once_for_ns: AtomicU64::new(AT_ONCE_MIN_NS),
            begun: AtomicU64::new(0),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        // SeqCst: whoever finds a port's queue empty, or stops the short ticks, has written that before it looks here.
        self.count.load(SeqCst) == 0
    }

    /// Whether a worker that has more to do may defer something now.
    pub fn may_begin(&self) -> bool {
        enabled() && (!self.is_empty() || system::now_ns() >= self.at_once_until_ns.load(Relaxed))
    }

    /// The helper's question: whether the oldest has waited too long.
    pub fn is_overdue(&self) -> bool {
        !self.is_empty() && system::now_ns() > self.since_ns.load(Relaxed) + OVERDUE_NS
    }

    /// Whether they are sent now that there are so many.
    fn is_enough(&self, count: usize) -> bool {
        let is_old = || system::now_ns() > self.since_ns.load(Relaxed) + OLD_NS;
        count >= BATCH_MAX || (count > 1 && is_old())
    }

    /// How often deferring has begun.
    pub fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Adds a socket; how many there are now.
    fn add(&self, socket: &Arc<Socket>, side: Side) -> usize {
        let mut sockets = self.sockets.lock();
        if sockets.is_empty() {
            self.since_ns.store(system::now_ns(), Relaxed);
            self.begun.fetch_add(1, Relaxed);
        }
        sockets.push((socket.clone(), side));
        let count = sockets.len();
        self.count.store(count, SeqCst);
        count
    }

    /// Forgets a socket that is closed: nothing is left to send, and its descriptor must not outlive it.
    pub fn forget(&self, socket: &Arc<Socket>) {
        if self.is_empty() {
            return;
        }
        let mut sockets = self.sockets.lock();
        let forgotten: Vec<_> = sockets
            .extract_if(.., |(other, _)| Arc::ptr_eq(other, socket))
            .collect();
        self.count.store(sockets.len(), SeqCst);
        drop(sockets);
        drop(forgotten);
    }

    /// Takes them all.
    fn take(&self, into: &mut Vec<(Arc<Socket>, Side)>) {
        let mut sockets = self.sockets.lock();
        std::mem::swap(&mut *sockets, into);
        self.count.store(0, SeqCst);
        drop(sockets);
        let now = system::now_ns();
        if !into.is_empty() && now > self.since_ns.load(Relaxed) + LATE_NS {
            self.send_at_once(now);
        }
    }

    /// Deferring did not pay: not before some time from `now`.
    #[cold]
    fn send_at_once(&self, now: u64) {
        if now < self.at_once_until_ns.load(Relaxed) {
            return; // of several workers' sends, the first has told
        }
        let before = self.at_once_for_ns.load(Relaxed);
        let is_soon = now < self.at_once_until_ns.load(Relaxed) + before;
        let time = match is_soon {
            true => (2 * before).min(AT_ONCE_MAX_NS),
            false => AT_ONCE_MIN_NS,
        };
        self.at_once_for_ns.store(time, Relaxed);
        self.at_once_until_ns.store(now + time, Relaxed);
    }
}

/// The port on which the calling worker may defer this request.
pub fn port_for<'a>(socket: &'a Arc<Socket>, request: &Request) -> Option<&'a Arc<Port>> {
    let (port, _) = socket.association()?;
    let may_wait = request.may_be_deferred()
        && (port.has_backlog() || !port.deferred.is_empty()) // the last one takes the others along
        && port.deferred.may_begin()
        && thread::works_for(port);
    may_wait.then_some(port)
}

/// Queues a request that is attempted together with others.
///
/// # Errors
/// The socket is closed.
pub fn push(
    port: &Arc<Port>,
    socket: &Arc<Socket>,
    side: Side,
    request: Box<Request>,
) -> Result<(), Status> {
    let (is_new, waits, many) = {
        let mut direction = socket.direction(side).lock();
        if let Err((request, _)) = direction.push(request) {
            drop(direction);
            return Err(closed_meanwhile(request));
        }
        let is_new = direction.defer();
        let waits = !direction.has_deferred();
        let many = !waits && side == Side::Send && direction.queued() >= OF_ONE_SOCKET;
        (is_new, waits, many)
    };
    if waits {
        socket.parked();
        return Ok(());
    }
    let count = if is_new {
        port.deferred.add(socket, side)
    } else {
        0
    };
    // From here on, SeqCst on both sides: a worker that finds the queue empty, and a helper that stops its short ticks,
    // see this socket, or we see what they wrote before they looked.
    let is_looked_after = count != 1 || {
        send_before_exit();
        helper::hurry()
    };
    if port.deferred.is_enough(count) || many || !port.has_backlog() || !is_looked_after {
        let mut sink = Sink::for_port(port);
        flush(port, &mut sink);
        port.arrive_all(sink.packets());
    }
    Ok(())
}

/// Attempts everything that is deferred on the port.
pub fn flush(port: &Port, sink: &mut Sink) {
    thread_local! {
        static TAKEN: std::cell::Cell<Vec<(Arc<Socket>, Side)>> = const { std::cell::Cell::new(Vec::new()) };
    }
    let mut taken = TAKEN.try_with(std::cell::Cell::take).unwrap_or_default();
    port.deferred.take(&mut taken);
    for (socket, side) in taken.drain(..) {
        let head = socket.direction(side).lock().claim_deferred();
        if let Some(head) = head {
            sink.attempt_later(socket, side, head);
        }
    }
    sink.flush();
    let _ = TAKEN.try_with(|room| room.set(taken)); // its room is used again
}

/// As [`flush`], by somebody who does not take the port's packets.
pub fn flush_in_passing(port: &Port) {
    if !port.deferred.is_empty() {
        flush(port, &mut Sink::new());
    }
}

/// What is deferred when the process exits still goes out.
fn send_before_exit() {
    extern "C" fn at_exit() {
        if startup::is_child() {
            return; // they are the parent's, which sends them itself
        }
        for socket in handle::sockets() {
            socket.attempt_deferred(Side::Send); // also waits for whoever is about to send it
        }
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler takes no argument and may run at any time. Without memory for it, it does not.
        let _ = unsafe { libc::atexit(at_exit) };
    });
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{SocketAddr, TcpListener};
    use std::ptr::{null, null_mut};

    use windows_sys::Win32::Networking::WinSock::{
        AF_INET, SD_SEND, SOCK_STREAM, SOCKADDR, SOCKADDR_IN, WSABUF, WSADATA,
    };
    use windows_sys::Win32::System::IO::OVERLAPPED;

    use crate::*;

    /// A child that exits instead of calling exec has its copy of what was deferred at the fork; the parent sends it.
    #[test]
    #[cfg_attr(miri, ignore = "needs the kernel")]
    fn the_child_of_a_fork_sends_nothing() {
        for _ in 0..20 {
            assert_eq!(received_beside_a_child(), b"once");
        }
    }

    fn received_beside_a_child() -> Vec<u8> {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = peer.local_addr().unwrap() else {
            unreachable!("bound to one")
        };
        let mut name = SOCKADDR_IN {
            sin_family: AF_INET,
            sin_port: address.port().to_be(),
            ..SOCKADDR_IN::default()
        };
        name.sin_addr.S_un.S_addr = u32::from(*address.ip()).to_be();
        let text = *b"once";
        let buffer = WSABUF {
            len: text.len() as u32,
            buf: text.as_ptr().cast_mut(),
        };
        let mut overlapped = OVERLAPPED::default();
        let (mut bytes, mut key, mut which) = (0, 0, null_mut());
        // SAFETY: all pointers are to variables of this function, and nothing pends at its end; the child only exits.
        unsafe {
            assert_eq!(WSAStartup(0x202, &mut WSADATA::default()), 0);
            let socket = socket(AF_INET.into(), SOCK_STREAM, 0);
            let name_len = size_of::<SOCKADDR_IN>() as i32;
            assert_eq!(
                connect(socket, (&raw const name).cast::<SOCKADDR>(), name_len),
                0
            );
            let port = CreateIoCompletionPort(socket as _, null_mut(), 0, 1);
            for _ in 0..2 {
                PostQueuedCompletionStatus(port, 0, 0, null());
            }
            GetQueuedCompletionStatus(port, &mut bytes, &mut key, &mut which, 0);
            WSASend(socket, &buffer, 1, null_mut(), 0, &mut overlapped, None);
            let child = libc::fork();
            if child == 0 {
                libc::exit(0);
            }
            libc::waitpid(child, null_mut(), 0);
            shutdown(socket, SD_SEND);
            let mut received = Vec::new();
            let (mut stream, _) = peer.accept().unwrap();
            stream.read_to_end(&mut received).unwrap();
            closesocket(socket);
            CloseHandle(port);
            received
        }
    }
}
