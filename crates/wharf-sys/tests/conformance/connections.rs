//! Connections under a condition, by list and by name; the forms of connect and shutdown that carry data.

use std::cell::RefCell;
use std::mem;
use std::net::SocketAddr;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const LISTENER: usize = 0x66;

/// What is handed to conditions.
const DATA: usize = 0x1234;

// --- WSAAccept -------------------------------------------------------------------------------------

/// What a condition was asked, and is to answer.
#[derive(Default)]
struct Question {
    answer: i32,
    caller: Option<SocketAddr>,
    callee: Option<SocketAddr>,
    has_data: bool,
    data: usize,
    thread: u32,
    asked: usize,
}

thread_local! {
    static QUESTION: RefCell<Question> = RefCell::default();
}

unsafe extern "system" fn condition(
    caller: *mut WSABUF,
    caller_data: *mut WSABUF,
    _sqos: *mut QOS,
    _gqos: *mut QOS,
    callee: *mut WSABUF,
    _callee_data: *mut WSABUF,
    _group: *mut u32,
    data: usize,
) -> i32 {
    QUESTION.with_borrow_mut(|question| {
        question.caller = address_in(caller);
        question.callee = address_in(callee);
        // SAFETY: null or valid for the call.
        question.has_data = !caller_data.is_null() && unsafe { (*caller_data).len } > 0;
        question.data = data;
        question.thread = current_thread_id();
        question.asked += 1;
        question.answer
    })
}

/// The address that a condition was given, if it is one: nothing here may panic, since the library is the caller.
fn address_in(buffer: *const WSABUF) -> Option<SocketAddr> {
    let mut address = Address::room();
    // SAFETY: null or valid for the call of the condition.
    let WSABUF { len, buf } = *unsafe { buffer.as_ref() }?;
    if buf.is_null() || len as usize > size_of::<SOCKADDR_STORAGE>() {
        return None;
    }
    // SAFETY: the buffer has that many bytes, and the room is no smaller.
    unsafe { buf.copy_to_nonoverlapping(address.as_mut_ptr().cast(), len as usize) };
    let len = match address.storage.ss_family {
        AF_INET => size_of::<SOCKADDR_IN>(),
        AF_INET6 => size_of::<SOCKADDR_IN6>(),
        _ => return None,
    };
    Some(plain(address.with_len(len as i32).get()))
}

/// WSAAccept under a condition that answers so.
fn accept_if(listener: Raw, answer: u32) -> Result<Socket, WSA_ERROR> {
    QUESTION.set(Question {
        answer: answer as i32,
        ..Question::default()
    });
    accept_with(listener, Some(condition))
}

fn accept_with(listener: Raw, condition: LPCONDITIONPROC) -> Result<Socket, WSA_ERROR> {
    // SAFETY: the addresses are left out.
    match unsafe { WSAAccept(listener.0, null_mut(), null_mut(), condition, DATA) } {
        INVALID_SOCKET => Err(wsa_error()),
        socket => Ok(Socket::from_raw(Raw(socket))),
    }
}

/// The condition is asked on the calling thread, with both addresses; CF_ACCEPT accepts.
/// Source: WSAAccept, lpfnCondition.
#[test]
fn condition_is_asked_on_this_thread() {
    let _watch = watch();
    accepts_under_a_condition(Family::V4);
    differs_under_wine("cuts the addresses of IPv6 short", || {
        accepts_under_a_condition(Family::V6);
    });
}

fn accepts_under_a_condition(family: Family) {
    let listener = Listener::new(family);
    let client = listener.client();
    let server = accept_if(*listener, CF_ACCEPT).unwrap();
    let question = QUESTION.take();
    assert_eq!(question.asked, 1);
    assert_eq!(question.thread, current_thread_id());
    assert_eq!((question.data, question.has_data), (DATA, false));
    assert_eq!(question.caller, client.local_address().map(plain).ok());
    assert_eq!(question.callee, Some(plain(listener.address.get())));
    client.send_all(b"x");
    assert_eq!(server.recv_exact(1), b"x");
}

/// Without a condition it is accept; the address is told in the same way.
/// Source: WSAAccept, lpfnCondition may be NULL.
#[test]
fn without_a_condition_it_is_accept() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let client = listener.client();
    let mut address = Address::room();
    let mut len = address.len;
    // SAFETY: `address` has room for `len` bytes.
    let server = unsafe { WSAAccept(listener.0, address.as_mut_ptr(), &mut len, None, 0) };
    assert_ne!(server, INVALID_SOCKET);
    let _server = Socket::from_raw(Raw(server));
    assert_eq!(Ok(address.with_len(len).get()), client.local_address());
    assert_eq!(
        accept_with(Raw(GARBAGE_HANDLE as SOCKET), None).err(),
        Some(WSAENOTSOCK)
    );
    listener.set_non_blocking(true);
    assert_eq!(accept_if(*listener, CF_ACCEPT).err(), Some(WSAEWOULDBLOCK));
    assert_eq!(QUESTION.take().asked, 0, "nobody is asked about nothing");
}

/// CF_REJECT resets the connection; the next one is none the worse.
/// Source: WSAAccept, CF_REJECT and WSAECONNREFUSED.
#[test]
fn rejected_connection_is_reset() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let rejected = listener.client();
    assert_eq!(accept_if(*listener, CF_REJECT).err(), Some(WSAECONNREFUSED));
    differs_under_wine("closes it gracefully", move || {
        assert_eq!(rejected.recv(&mut [0; 1]), Err(WSAECONNRESET));
    });
    let client = listener.client();
    let server = accept_if(*listener, CF_ACCEPT).unwrap();
    client.send_all(b"x");
    assert_eq!(server.recv_exact(1), b"x");
}

/// A deferred connection is offered again, to the condition and to accept, before any later one.
/// Source: WSAAccept, CF_DEFER and WSATRY_AGAIN; validated on Windows.
#[test]
fn deferred_connection_is_offered_again() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let first = listener.client();
    for _ in 0..2 {
        assert_eq!(accept_if(*listener, CF_DEFER).err(), Some(WSATRY_AGAIN));
        let caller = QUESTION.take().caller;
        assert_eq!(caller, first.local_address().ok());
    }
    let second = listener.client();
    for client in [first, second] {
        let (server, peer) = listener.accept_from().unwrap();
        assert_eq!(Ok(peer.get()), client.local_address());
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    }
}

/// A deferred connection goes to the next AcceptEx.
/// Source: WSAAccept, CF_DEFER; validated on Windows.
#[test]
fn deferred_connection_goes_to_accept_ex() {
    let _watch = watch();
    differs_under_wine("AcceptEx sees none that was deferred", || {
        let listener = Listener::new(Family::V4);
        let port = port_of(*listener.socket, LISTENER);
        let client = listener.client();
        assert_eq!(accept_if(*listener, CF_DEFER).err(), Some(WSATRY_AGAIN));
        let acceptor = Socket::tcp(Family::V4);
        let request = AcceptLayout::without_data().request();
        let answer = listener.accept_ex(*acceptor, &request, AcceptLayout::without_data());
        assert!(answer.is_ok());
        assert_eq!(next(&port), request.success(LISTENER, 0));
        client.send_all(b"x");
        assert_eq!(acceptor.recv_exact(1), b"x");
    });
}

/// A thread that waits in accept meanwhile gets the deferred connection.
/// Source: WSAAccept, CF_DEFER.
#[test]
fn deferred_connection_goes_to_who_waits() {
    let _watch = watch();
    not_under_wine("it may not wake the one that waits", || {
        let listener = Listener::new(Family::V4);
        let socket = *listener.socket;
        let client = listener.client();
        thread_local! {
            static WAITER: RefCell<Option<Worker<Result<Socket, WSA_ERROR>>>> = const { RefCell::new(None) };
        }
        unsafe extern "system" fn defer_while_another_waits(
            _caller: *mut WSABUF,
            _caller_data: *mut WSABUF,
            _sqos: *mut QOS,
            _gqos: *mut QOS,
            _callee: *mut WSABUF,
            _callee_data: *mut WSABUF,
            _group: *mut u32,
            listener: usize,
        ) -> i32 {
            let waiter = spawn(move || Raw(listener).accept());
            waiter.until_waits();
            WAITER.set(Some(waiter));
            CF_DEFER as i32
        }
        let condition: LPCONDITIONPROC = Some(defer_while_another_waits);
        // SAFETY: the addresses are left out.
        let accepted = unsafe { WSAAccept(socket.0, null_mut(), null_mut(), condition, socket.0) };
        assert_eq!((accepted, wsa_error()), (INVALID_SOCKET, WSATRY_AGAIN));
        let server = WAITER.take().expect("it was asked").join().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}

/// A deferred connection makes the listener readable, and closing the listener resets it.
/// Source: WSAAccept, CF_DEFER; select; closesocket.
#[test]
fn deferred_connection_still_waits() {
    let _watch = watch();
    differs_under_wine("it has left the queue that select looks at", || {
        let listener = Listener::new(Family::V4);
        let client = listener.client();
        assert_eq!(accept_if(*listener, CF_DEFER).err(), Some(WSATRY_AGAIN));
        listener.until_readable();
        listener.socket.close().unwrap();
        assert_eq!(client.recv(&mut [0; 1]), Err(WSAECONNRESET));
    });
}

/// An answer that is none is refused, and the connection keeps waiting.
/// Source: WSAAccept, WSAEINVAL: the condition's return value is not valid.
#[test]
fn answer_that_is_none_is_refused() {
    let _watch = watch();
    differs_under_wine("answers WSAENOTSOCK and drops the connection", || {
        let listener = Listener::new(Family::V4);
        let client = listener.client();
        assert_eq!(accept_if(*listener, 77).err(), Some(WSAEINVAL));
        let server = listener.accept().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}

/// FD_ACCEPT is not reported again for a connection that was deferred; it is after the accept, for the next.
/// Source: WSAEventSelect, re-enabling functions: WSAAccept unless it answered WSATRY_AGAIN.
#[test]
fn deferring_does_not_enable_accept() {
    let _watch = watch();
    let listener = Listener::new(Family::V4);
    let event = Event::manual();
    // SAFETY: takes no pointers.
    let selected = unsafe { WSAEventSelect(listener.0, event.raw() as WSAEVENT, FD_ACCEPT as i32) };
    assert_eq!(check(selected), Ok(()));
    let _first = listener.client();
    until("the connection is told", || {
        recorded(*listener, &event) == FD_ACCEPT
    });
    assert_eq!(accept_if(*listener, CF_DEFER).err(), Some(WSATRY_AGAIN));
    assert!(!event.wait(QUIET_MS), "it was told already");
    let _second = listener.client();
    until("the second is told", || {
        recorded(*listener, &event) == FD_ACCEPT
    });
    let _server = accept_if(*listener, CF_ACCEPT).unwrap();
    assert_eq!(recorded(*listener, &event), FD_ACCEPT, "one is left");
}

/// What WSAEnumNetworkEvents tells.
fn recorded(socket: Raw, event: &Event) -> u32 {
    let mut events = WSANETWORKEVENTS::default();
    // SAFETY: `events` is valid for writes.
    check(unsafe { WSAEnumNetworkEvents(socket.0, event.raw() as WSAEVENT, &mut events) }).unwrap();
    events.lNetworkEvents as u32
}

// --- WSAConnect ------------------------------------------------------------------------------------

fn connect_with(
    socket: Raw,
    address: &Address,
    caller: *const WSABUF,
    callee: *mut WSABUF,
) -> Result<(), WSA_ERROR> {
    // SAFETY: the address is valid for its length; the buffers are null or live through the call.
    check(unsafe {
        WSAConnect(
            socket.0,
            address.as_ptr(),
            address.len,
            caller,
            callee,
            null(),
            null(),
        )
    })
}

/// WSAConnect is connect: the same answers and the same connection.
/// Source: WSAConnect.
#[test]
fn extended_connect_is_connect() {
    let _watch = watch();
    for family in FAMILIES {
        let listener = Listener::new(family);
        let client = Socket::tcp(family);
        assert_eq!(
            connect_with(*client, &listener.address, null(), null_mut()),
            Ok(())
        );
        assert_eq!(
            connect_with(*client, &listener.address, null(), null_mut()),
            Err(WSAEISCONN)
        );
        let server = listener.accept().unwrap();
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
        let non_blocking = Socket::tcp(family);
        non_blocking.set_non_blocking(true);
        assert_eq!(
            connect_with(*non_blocking, &listener.address, null(), null_mut()),
            Err(WSAEWOULDBLOCK)
        );
    }
    differs_under_wine("reads what is behind a short address", || {
        for family in FAMILIES {
            let short = family.loopback(1).with_len(8);
            let refused = connect_with(*Socket::tcp(family), &short, null(), null_mut());
            assert_eq!(refused, Err(WSAEFAULT));
        }
    });
    let garbage = Raw(GARBAGE_HANDLE as SOCKET);
    let address = Family::V4.loopback(1);
    assert_eq!(
        connect_with(garbage, &address, null(), null_mut()),
        Err(WSAENOTSOCK)
    );
}

/// TCP carries no data with the connection: the caller's is refused, the callee's is empty.
/// Source: WSAConnect, lpCallerData and lpCalleeData.
#[test]
fn connections_carry_no_data() {
    let _watch = watch();
    differs_under_wine("ignores both", || {
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp(Family::V4);
        let mut bytes = *b"data";
        let mut data = WSABUF {
            len: 4,
            buf: bytes.as_mut_ptr(),
        };
        assert_eq!(
            connect_with(*client, &listener.address, &data, null_mut()),
            Err(WSAEOPNOTSUPP)
        );
        assert_eq!(
            connect_with(*client, &listener.address, null(), &mut data),
            Ok(())
        );
        assert_eq!(data.len, 0);
    });
}

// --- disconnecting ---------------------------------------------------------------------------------

/// WSASendDisconnect and WSARecvDisconnect are shutdown in one direction.
/// Source: WSASendDisconnect and WSARecvDisconnect, remarks.
#[test]
fn disconnects_are_shutdowns() {
    let _watch = watch();
    let Pair { client, server } = connected_pair(Family::V4);
    // SAFETY: no data.
    unsafe {
        assert_eq!(check(WSASendDisconnect(client.0, null())), Ok(()));
        assert_eq!(check(WSARecvDisconnect(server.0, null())), Ok(()));
    }
    assert_eq!(client.send(b"x"), Err(WSAESHUTDOWN));
    assert_eq!(server.recv(&mut [0; 1]), Err(WSAESHUTDOWN));
    server.send_all(b"still");
    assert_eq!(client.recv_exact(5), b"still");
    let fresh = Socket::tcp(Family::V4);
    // SAFETY: no data.
    unsafe {
        assert_eq!(check(WSASendDisconnect(fresh.0, null())), Err(WSAENOTCONN));
        assert_eq!(check(WSARecvDisconnect(fresh.0, null())), Err(WSAENOTCONN));
        let garbage = GARBAGE_HANDLE as SOCKET;
        assert_eq!(check(WSASendDisconnect(garbage, null())), Err(WSAENOTSOCK));
    }
}

/// TCP carries no data with the end of a connection.
/// Source: WSASendDisconnect and WSARecvDisconnect, WSAENOPROTOOPT.
#[test]
fn disconnects_carry_no_data() {
    let _watch = watch();
    differs_under_wine("ignores the data", || {
        let Pair { client, server } = connected_pair(Family::V4);
        let mut bytes = *b"data";
        let data = WSABUF {
            len: 4,
            buf: bytes.as_mut_ptr(),
        };
        // SAFETY: the buffer lives through the calls.
        unsafe {
            assert_eq!(
                check(WSASendDisconnect(client.0, &data)),
                Err(WSAENOPROTOOPT)
            );
            assert_eq!(
                check(WSARecvDisconnect(client.0, &data)),
                Err(WSAENOPROTOOPT)
            );
        }
        client.send_all(b"x");
        assert_eq!(server.recv_exact(1), b"x");
    });
}

// --- by list and by name ---------------------------------------------------------------------------

const NO_BY_LIST: &str = "it has no WSAConnectByList, and calling it ends the process";
const NO_BY_NAME: &str = "its WSAConnectByName is half a stub";

/// What connecting by list or name gives: the two addresses.
type Both = Result<(SocketAddr, SocketAddr), u32>;

/// Calls with room for two addresses and their lengths.
fn with_room(call: impl FnOnce([*mut SOCKADDR; 2], [*mut u32; 2]) -> BOOL) -> Both {
    let mut addresses = [Address::room(), Address::room()];
    let mut lengths = [size_of::<SOCKADDR_STORAGE>() as u32; 2];
    let [local, remote] = addresses.each_mut().map(Address::as_mut_ptr);
    let [local_len, remote_len] = lengths.each_mut().map(|length| length as *mut u32);
    check_bool(call([local, remote], [local_len, remote_len]))?;
    let [local, remote] =
        [0, 1].map(|index| plain(addresses[index].with_len(lengths[index] as i32).get()));
    Ok((local, remote))
}

fn connect_by_list(socket: Raw, addresses: &mut [Address], timeout: Option<TIMEVAL>) -> Both {
    // A list with more than one address, laid out by hand: the declaration has room for one.
    let entry = |address: &mut Address| SOCKET_ADDRESS {
        lpSockaddr: address.as_mut_ptr(),
        iSockaddrLength: address.len,
    };
    let offset = mem::offset_of!(SOCKET_ADDRESS_LIST, Address);
    let mut list =
        vec![0u64; (offset + addresses.len() * size_of::<SOCKET_ADDRESS>()).div_ceil(8) + 2];
    let base = list.as_mut_ptr().cast::<u8>();
    // SAFETY: the memory is large enough for the count and the entries, and aligned for both.
    unsafe {
        base.cast::<i32>().write(addresses.len() as i32);
        let entries = base.add(offset).cast::<SOCKET_ADDRESS>();
        for (index, address) in addresses.iter_mut().enumerate() {
            entries.add(index).write(entry(address));
        }
    }
    let timeout = timeout
        .as_ref()
        .map_or(null(), |timeout| timeout as *const TIMEVAL);
    // SAFETY: all pointers live through the call.
    with_room(|[local, remote], [local_len, remote_len]| unsafe {
        WSAConnectByList(
            socket.0,
            base.cast(),
            local_len,
            local,
            remote_len,
            remote,
            timeout,
            null(),
        )
    })
}

fn connect_by_name(socket: Raw, node: &str, service: &str) -> Both {
    let zero_ended = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (node, service) = (zero_ended(node), zero_ended(service));
    // SAFETY: all pointers live through the call.
    with_room(|[local, remote], [local_len, remote_len]| unsafe {
        WSAConnectByNameW(
            socket.0,
            node.as_ptr(),
            service.as_ptr(),
            local_len,
            local,
            remote_len,
            remote,
            null(),
            null(),
        )
    })
}

/// Of a list, the first address that answers is connected to, whatever the blocking mode; names are told after the context
/// was updated.
/// Source: WSAConnectByList, remarks.
#[test]
fn list_is_tried_in_order() {
    let _watch = watch();
    not_under_wine(NO_BY_LIST, || {
        for non_blocking in [false, true] {
            let (_holder, nobody) = refusing_address(Family::V4);
            let listener = Listener::new(Family::V4);
            let client = Socket::tcp(Family::V4);
            client.set_non_blocking(non_blocking);
            let mut list = [nobody, Family::V6.loopback(1), listener.address, nobody];
            let (local, remote) = connect_by_list(*client, &mut list, None).unwrap();
            assert_eq!(wsa_error(), 0);
            assert_eq!(remote, listener.address.get());
            assert_eq!(client.peer_address(), Err(WSAENOTCONN));
            assert_eq!(client.update_connect_context(), Ok(()));
            assert_eq!(client.peer_address(), Ok(remote));
            assert_eq!(client.local_address(), Ok(local));
            let server = listener.accept().unwrap();
            client.send_all(b"x");
            assert_eq!(server.recv_exact(1), b"x");
        }
    });
}

/// When nobody answers the last failure is told; the socket may try again. A time-out ends a try.
/// Source: WSAConnectByList, return value and timeout.
#[test]
fn list_without_answer_fails() {
    let _watch = watch();
    not_under_wine(NO_BY_LIST, || {
        let (_holder, nobody) = refusing_address(Family::V4);
        let client = Socket::tcp(Family::V4);
        let refused = Err(WSAECONNREFUSED as u32);
        assert_eq!(connect_by_list(*client, &mut [nobody], None), refused);
        let mut foreign = [Family::V6.loopback(1)];
        let unsupported = Err(WSAEAFNOSUPPORT as u32);
        assert_eq!(connect_by_list(*client, &mut foreign, None), unsupported);
        let unanswering = Unanswering::new(Family::V4);
        let brief = TIMEVAL {
            tv_sec: 0,
            tv_usec: 50_000,
        };
        let timed_out = Err(WSAETIMEDOUT as u32);
        assert_eq!(
            connect_by_list(*client, &mut [unanswering.address], Some(brief)),
            timed_out
        );
        let listener = Listener::new(Family::V4);
        assert!(connect_by_list(*client, &mut [listener.address], None).is_ok());
        let again = Err(WSAEISCONN as u32);
        assert_eq!(
            connect_by_list(*client, &mut [listener.address], None),
            again
        );
        let garbage = Raw(GARBAGE_HANDLE as SOCKET);
        let no_socket = Err(WSAENOTSOCK as u32);
        assert_eq!(connect_by_list(garbage, &mut [nobody], None), no_socket);
    });
}

/// A socket that serves both families connects to IPv4 addresses in their mapped form.
/// Source: WSAConnectByList, remarks on IPV6_V6ONLY.
#[test]
fn dual_socket_connects_to_both_families() {
    let _watch = watch();
    not_under_wine(NO_BY_LIST, || {
        let listener = Listener::new(Family::V4);
        let client = Socket::tcp(Family::V6);
        client.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0).unwrap();
        let (_, remote) = connect_by_list(*client, &mut [listener.address], None).unwrap();
        assert_eq!(remote.port(), listener.address.port());
        assert_eq!(remote.ip().to_string(), "::ffff:127.0.0.1");
    });
}

/// Names are resolved and tried; what cannot be resolved is told as such.
/// Source: WSAConnectByName, parameters and return value.
#[test]
fn names_are_tried() {
    let _watch = watch();
    not_under_wine(NO_BY_NAME, || {
        let listener = Listener::new(Family::V4);
        let port = listener.address.port().to_string();
        let client = Socket::tcp(Family::V4);
        let (_, remote) = connect_by_name(*client, "127.0.0.1", &port).unwrap();
        assert_eq!(remote, listener.address.get());
        let by_name = Socket::tcp(Family::V4);
        assert!(connect_by_name(*by_name, "localhost", &port).is_ok());
        let fresh = Socket::tcp(Family::V4);
        let unknown = connect_by_name(*fresh, "127.0.0.1", "no such service");
        assert_eq!(unknown, Err(WSATYPE_NOT_FOUND as u32));
        // SAFETY: nulls are allowed.
        let nameless = unsafe {
            WSAConnectByNameA(
                fresh.0,
                null(),
                null(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null(),
                null(),
            )
        };
        assert_eq!(check_bool(nameless), Err(WSAEINVAL as u32));
        // SAFETY: the texts end with zeroes; addresses are left out.
        let narrow = unsafe {
            WSAConnectByNameA(
                fresh.0,
                c"localhost".as_ptr().cast(),
                format!("{port}\0").as_ptr(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null(),
                null(),
            )
        };
        assert_eq!(check_bool(narrow), Ok(()));
    });
}
