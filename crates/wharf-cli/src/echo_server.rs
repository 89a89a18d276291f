//! An echo server on a completion port, as one would write it for Windows.
//!
//! **A connection travels with its operation.** It has one operation in flight at a time, and its memory
//! (OVERLAPPED, buffer, socket) is one box, owned by whoever has the operation: the system while it is pending,
//! then the worker that took its packet. So a connection needs no lock and no reference count, and ends when
//! its box is dropped, whichever way the peer went: by FIN, by reset, or killed.
//!
//! An accepter thread blocks in `accept`, ties each new socket to the port and starts its first receive; the
//! workers wait in `GetQueuedCompletionStatus` and answer what was received. Only functions that Windows has
//! are used here, and nothing else than them and `std`.

use std::collections::HashSet;
use std::fmt;
use std::mem;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use wharf_sys::*;

/// Bytes received, and then sent back, by one operation.
const BUFFER_LEN: usize = 16 << 10;

/// What the key of a packet says about it.
const KEY_CONNECTION: usize = 1;
const KEY_QUIT: usize = 2;

/// Winsock 2.2, as `MAKEWORD(2, 2)`.
const WINSOCK_VERSION: u16 = 0x0202;

/// The longest queue of connections there is: `SOMAXCONN` of winsock2.h (the metadata has winsock.h's, which is 5).
const BACKLOG_MAX: i32 = i32::MAX;

/// A running echo server on 127.0.0.1.
pub struct EchoServer {
    listener: SOCKET,
    port: u16,
    shared: Arc<Shared>,
    accepter: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

impl EchoServer {
    /// Starts to serve on a free port, with that many worker threads.
    pub fn start(workers: usize) -> Result<EchoServer, Failed> {
        start_winsock()?;
        let listener = listen_on_loopback()?;
        let port = local_port(listener)?;
        let shared = Arc::new(Shared {
            completions: Port::create()?,
            live: Mutex::default(),
            none_lives: Condvar::new(),
        });

        let workers = (0..workers)
            .map(|_| spawn(&shared, |shared| work(&shared.completions)))
            .collect();
        let accepter = spawn(&shared, move |shared| accept_all(listener, shared));
        Ok(EchoServer {
            listener,
            port,
            shared,
            accepter,
            workers,
        })
    }

    /// The TCP port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many worker threads it has.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Takes no more connections, ends those that are open, and returns when every thread has ended.
    pub fn stop(self) {
        // SAFETY: closing a socket under a blocking accept is how Windows programs end that accept.
        unsafe { closesocket(self.listener) };
        join(self.accepter);

        self.shared.end_connections();
        for _ in &self.workers {
            self.shared.completions.post_quit();
        }
        self.workers.into_iter().for_each(join);
        self.shared.completions.close();

        // SAFETY: pairs with the WSAStartup of `start`; no thread of this server is left.
        unsafe { WSACleanup() };
    }
}

/// What the server's threads share.
struct Shared {
    /// Where operations complete.
    completions: Port,
    /// The sockets of open connections: only stopping looks at them.
    live: Mutex<HashSet<SOCKET>>,
    /// Notified when the last connection has ended.
    none_lives: Condvar,
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, HashSet<SOCKET>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection and returns when none is left.
    ///
    /// `shutdown` makes later operations fail, `CancelIoEx` ends the pending one: a connection cannot slip
    /// through between the two. The worker that learns of it drops the connection.
    fn end_connections(&self) {
        let live = self.live();
        for &socket in live.iter() {
            // SAFETY: a socket leaves `live` before it is closed, and `live` is locked, so it is open.
            unsafe { shutdown(socket, SD_BOTH) };
            // SAFETY: as above; a null OVERLAPPED means every operation on the handle.
            unsafe { CancelIoEx(socket as HANDLE, ptr::null()) };
        }
        drop(self.none_lives.wait_while(live, |live| !live.is_empty()));
    }
}

/// A completion port.
struct Port(HANDLE);

// SAFETY: a handle is a name that every thread of the process may use.
unsafe impl Send for Port {}
// SAFETY: as for Send; the functions that take it synchronise inside.
unsafe impl Sync for Port {}

/// What a worker finds in the port.
enum Packet {
    /// The operation of this connection has completed, with that many bytes, or failed.
    Completed {
        connection: Box<Connection>,
        transferred: Option<u32>,
    },
    /// The server stops.
    Quit,
}

impl Port {
    /// A new port that lets as many threads run as there are CPUs.
    fn create() -> Result<Port, Failed> {
        // SAFETY: no pointers are passed.
        let handle = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 0) };
        if handle.is_null() {
            Err(Failed::windows("CreateIoCompletionPort"))
        } else {
            Ok(Port(handle))
        }
    }

    /// Lets the operations of `socket` complete here.
    fn associate(&self, socket: SOCKET) -> Result<(), Failed> {
        // SAFETY: no pointers are passed; both handles are open.
        let handle = unsafe { CreateIoCompletionPort(socket as HANDLE, self.0, KEY_CONNECTION, 0) };
        if handle.is_null() {
            Err(Failed::windows("CreateIoCompletionPort"))
        } else {
            Ok(())
        }
    }

    /// Waits for a packet.
    fn take(&self) -> Packet {
        let (mut transferred, mut key, mut overlapped) = (0, 0, ptr::null_mut());
        // SAFETY: the three results are written to live variables.
        let succeeded = unsafe {
            GetQueuedCompletionStatus(
                self.0,
                &mut transferred,
                &mut key,
                &mut overlapped,
                INFINITE,
            )
        } != 0;
        if key != KEY_CONNECTION || overlapped.is_null() {
            return Packet::Quit;
        }
        Packet::Completed {
            // SAFETY: packets with this key are those of operations started by `Connection::start`, which gave
            // the box away; each operation has one packet, so this worker is now its only owner.
            connection: unsafe { Box::from_raw(overlapped.cast()) },
            transferred: succeeded.then_some(transferred),
        }
    }

    fn post_quit(&self) {
        // SAFETY: a null OVERLAPPED is passed through, not looked at.
        unsafe { PostQueuedCompletionStatus(self.0, 0, KEY_QUIT, ptr::null()) };
    }

    fn close(&self) {
        // SAFETY: called once, after the workers ended.
        unsafe { CloseHandle(self.0) };
    }
}

/// The operation a connection has in flight.
#[derive(Clone, Copy)]
enum Operation {
    Receive,
    /// The answer, with its length.
    Send(u32),
}

/// A connection, and the memory of its one operation.
#[repr(C)]
struct Connection {
    /// First, so that the address of the operation is the address of the connection.
    overlapped: OVERLAPPED,
    operation: Operation,
    buffer: [u8; BUFFER_LEN],
    socket: Socket,
}

impl Connection {
    /// Takes up a conversation with the peer of `socket`.
    fn open(socket: Socket) -> Box<Connection> {
        Box::new(Connection {
            overlapped: OVERLAPPED::default(),
            operation: Operation::Receive,
            buffer: [0; BUFFER_LEN],
            socket,
        })
    }

    /// Goes on after an operation: answers what came, receives again when the answer is sent, and ends the
    /// connection when the peer is done or gone.
    fn advance(mut self: Box<Self>, transferred: Option<u32>) {
        let next = match (self.operation, transferred) {
            (_, None) | (Operation::Receive, Some(0)) => return,
            (Operation::Receive, Some(received)) => Operation::Send(received),
            (Operation::Send(len), Some(sent)) if sent == len => Operation::Receive,
            (Operation::Send(_), Some(_)) => return,
        };
        self.operation = next;
        self.start();
    }

    /// Starts the operation, whose packet brings the connection back; ends the connection if it is refused.
    fn start(mut self: Box<Self>) {
        self.overlapped = OVERLAPPED::default();
        let socket = self.socket.handle;
        let operation = self.operation;
        let this = Box::into_raw(self);
        // SAFETY: `this` is a live connection; only the address of its buffer is taken.
        let data = unsafe { &raw mut (*this).buffer }.cast();
        let result = match operation {
            Operation::Receive => {
                let buffer = WSABUF {
                    len: BUFFER_LEN as u32,
                    buf: data,
                };
                let mut flags = 0;
                // SAFETY: OVERLAPPED and buffer stay alive and untouched until the packet is taken.
                unsafe {
                    WSARecv(
                        socket,
                        &buffer,
                        1,
                        ptr::null_mut(),
                        &mut flags,
                        this.cast(),
                        None,
                    )
                }
            }
            Operation::Send(len) => {
                let buffer = WSABUF { len, buf: data };
                // SAFETY: OVERLAPPED and buffer stay alive and untouched until the packet is taken.
                unsafe { WSASend(socket, &buffer, 1, ptr::null_mut(), 0, this.cast(), None) }
            }
        };
        if result == SOCKET_ERROR && last_error() != WSA_IO_PENDING {
            // SAFETY: a refused operation has no packet, so the box given away above is still ours.
            drop(unsafe { Box::from_raw(this) });
        }
    }
}

/// An open socket that is listed in [`Shared::live`]; dropping it closes it.
struct Socket {
    handle: SOCKET,
    shared: Arc<Shared>,
}

impl Socket {
    fn new(handle: SOCKET, shared: &Arc<Shared>) -> Socket {
        shared.live().insert(handle);
        Socket {
            handle,
            shared: Arc::clone(shared),
        }
    }

    /// Sends small answers at once.
    fn set_no_delay(&self) {
        let on = TRUE;
        // SAFETY: the option's value is a live BOOL of the length given.
        unsafe {
            setsockopt(
                self.handle,
                IPPROTO_TCP,
                TCP_NODELAY,
                (&raw const on).cast(),
                size_of::<BOOL>() as i32,
            )
        };
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut live = self.shared.live();
        live.remove(&self.handle);
        if live.is_empty() {
            self.shared.none_lives.notify_all();
        }
        drop(live);
        // SAFETY: the handle is this socket's own and was not closed before.
        unsafe { closesocket(self.handle) };
    }
}

/// A worker: takes packets until it is told to quit.
fn work(completions: &Port) {
    while let Packet::Completed {
        connection,
        transferred,
    } = completions.take()
    {
        connection.advance(transferred);
    }
}

/// The accepter: takes connections until the listener is closed.
fn accept_all(listener: SOCKET, shared: &Arc<Shared>) {
    loop {
        // SAFETY: both pointers may be null: the peer's address is not asked for.
        let accepted = unsafe { accept(listener, ptr::null_mut(), ptr::null_mut()) };
        if accepted != INVALID_SOCKET {
            welcome(Socket::new(accepted, shared));
            continue;
        }
        match last_error() {
            WSAECONNRESET => {} // that peer left before it was accepted
            // SAFETY: no pointers are passed. A descriptor comes free when a connection ends: look again then.
            WSAEMFILE | WSAENOBUFS => unsafe { Sleep(10) },
            _ => return,
        }
    }
}

/// Starts the conversation on an accepted socket.
fn welcome(socket: Socket) {
    socket.set_no_delay();
    match socket.shared.completions.associate(socket.handle) {
        Ok(()) => Connection::open(socket).start(),
        Err(error) => eprintln!("wharf: a connection was refused: {error}"),
    }
}

fn start_winsock() -> Result<(), Failed> {
    // SAFETY: WSADATA is plain data, for which zeros are a value.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    // SAFETY: the result is written to a live variable.
    match unsafe { WSAStartup(WINSOCK_VERSION, &mut data) } {
        0 => Ok(()),
        code => Err(Failed {
            function: "WSAStartup",
            code,
        }),
    }
}

/// A listening socket on a free port of 127.0.0.1.
fn listen_on_loopback() -> Result<SOCKET, Failed> {
    // SAFETY: no pointers are passed.
    let listener = unsafe { socket(i32::from(AF_INET), SOCK_STREAM, IPPROTO_TCP) };
    if listener == INVALID_SOCKET {
        return Err(Failed::winsock("socket"));
    }
    let address = loopback(0);
    // SAFETY: the address is a live SOCKADDR_IN of the length given.
    let bound = unsafe {
        bind(
            listener,
            (&raw const address).cast(),
            size_of::<SOCKADDR_IN>() as i32,
        )
    };
    succeed("bind", bound)?;
    // SAFETY: no pointers are passed.
    succeed("listen", unsafe { listen(listener, BACKLOG_MAX) })?;
    Ok(listener)
}

fn local_port(listener: SOCKET) -> Result<u16, Failed> {
    let mut address = loopback(0);
    let mut len = size_of::<SOCKADDR_IN>() as i32;
    // SAFETY: the address is a live SOCKADDR_IN of the length given.
    succeed("getsockname", unsafe {
        getsockname(listener, (&raw mut address).cast(), &mut len)
    })?;
    Ok(u16::from_be(address.sin_port))
}

fn loopback(port: u16) -> SOCKADDR_IN {
    SOCKADDR_IN {
        sin_family: AF_INET,
        sin_port: port.to_be(),
        sin_addr: IN_ADDR {
            S_un: IN_ADDR_0 {
                S_addr: u32::from_ne_bytes([127, 0, 0, 1]),
            },
        },
        sin_zero: [0; 8],
    }
}

fn last_error() -> WSA_ERROR {
    // SAFETY: no pointers are passed.
    unsafe { WSAGetLastError() }
}

fn succeed(function: &'static str, result: i32) -> Result<(), Failed> {
    if result == SOCKET_ERROR {
        Err(Failed::winsock(function))
    } else {
        Ok(())
    }
}

fn spawn(shared: &Arc<Shared>, run: impl FnOnce(&Arc<Shared>) + Send + 'static) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || run(&shared))
}

fn join(thread: JoinHandle<()>) {
    thread.join().expect("a thread of the echo server panicked");
}

/// A function that failed while the server started.
#[derive(Debug)]
pub struct Failed {
    function: &'static str,
    code: i32,
}

impl Failed {
    fn winsock(function: &'static str) -> Failed {
        Failed {
            function,
            code: last_error(),
        }
    }

    fn windows(function: &'static str) -> Failed {
        // SAFETY: no pointers are passed.
        let code = unsafe { GetLastError() };
        Failed {
            function,
            code: code as i32,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} failed with Windows error {}",
            self.function, self.code
        )
    }
}

impl std::error::Error for Failed {}
