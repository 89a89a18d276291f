//! WSAIoctl: the codes about addresses, routes and interfaces, and how each kind answers with an OVERLAPPED.

use std::net::{IpAddr, SocketAddr};
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x88;
/// What the count of bytes returned is before.
pub const UNTOUCHED_COUNT: u32 = 0xAAAA;
const ADDRESS_LIST_CHANGE: u32 = 1 << FD_ADDRESS_LIST_CHANGE_BIT;

/// What a call of WSAIoctl came to: its answer, and the count of bytes returned (or [`UNTOUCHED_COUNT`]).
pub type Outcome = (Result<(), WSA_ERROR>, u32);

impl Raw {
    pub fn control(self, code: u32, input: &[u8], output: &mut [u8]) -> Outcome {
        self.control_with(code, input, output, None)
    }

    pub fn control_with(
        self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        request: Option<&Request>,
    ) -> Outcome {
        let mut returned = UNTOUCHED_COUNT;
        let pointer = |empty: bool, at: *const u8| if empty { null() } else { at };
        // SAFETY: buffers have the lengths given; output and OVERLAPPED outlive the operation in these tests.
        let result = check(unsafe {
            WSAIoctl(
                self.0,
                code,
                pointer(input.is_empty(), input.as_ptr()).cast(),
                input.len() as u32,
                pointer(output.is_empty(), output.as_ptr())
                    .cast_mut()
                    .cast(),
                output.len() as u32,
                &mut returned,
                request.map_or(null_mut(), Request::overlapped),
                None,
            )
        });
        if let Some(request) = request {
            let answer = match result {
                Ok(()) => done(0),
                Err(WSA_IO_PENDING) => PENDING,
                Err(error) => Err(error),
            };
            let _ = request.note(answer); // it is told by `result`
        }
        (result, returned)
    }
}

fn udp(family: Family) -> Socket {
    Socket::open(family.number(), SOCK_DGRAM, 0).unwrap()
}

/// The addresses of a SOCKET_ADDRESS_LIST, whose pointers lead into it.
fn addresses_in(list: &[u8]) -> Vec<SocketAddr> {
    let number = |at: usize| u32::from_ne_bytes(list[at..at + 4].try_into().unwrap());
    let header = std::mem::offset_of!(SOCKET_ADDRESS_LIST, Address);
    (0..number(0) as usize)
        .map(|index| {
            let entry = header + index * size_of::<SOCKET_ADDRESS>();
            let pointer = usize::from_ne_bytes(list[entry..entry + 8].try_into().unwrap());
            let length = number(entry + 8);
            let at = pointer - list.as_ptr().addr();
            let mut address = Address::room().with_len(length as i32);
            let bytes = &list[at..at + length as usize];
            // SAFETY: the room is larger than any address.
            unsafe {
                bytes
                    .as_ptr()
                    .copy_to_nonoverlapping(address.as_mut_ptr().cast(), bytes.len());
            }
            address.get()
        })
        .collect()
}

/// An address as bytes.
fn bytes_of(address: &Address) -> Vec<u8> {
    // SAFETY: the storage is larger than the length.
    unsafe { std::slice::from_raw_parts(address.as_ptr().cast(), address.len as usize) }.to_vec()
}

// --- addresses -------------------------------------------------------------------------------------

/// The list tells how much room it needs, and leaves a buffer alone that is too small.
/// Source: SIO_ADDRESS_LIST_QUERY; validated on Windows.
#[test]
fn address_list_tells_its_size() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let (answer, needed) = socket.control(SIO_ADDRESS_LIST_QUERY, &[], &mut []);
    assert_eq!(answer, Err(WSAEFAULT));
    let mut room = vec![0xEE; needed as usize];
    let short = needed as usize - 1;
    assert_eq!(
        socket.control(SIO_ADDRESS_LIST_QUERY, &[], &mut room[..short]),
        (Err(WSAEFAULT), needed)
    );
    assert!(room.iter().all(|byte| *byte == 0xEE), "nothing is written");
    assert_eq!(
        socket.control(SIO_ADDRESS_LIST_QUERY, &[], &mut [0; 2]),
        (Err(WSAEINVAL), 0),
        "less than the fixed part"
    );
    assert_eq!(
        socket.control(SIO_ADDRESS_LIST_QUERY, &[], &mut room),
        (Ok(()), needed)
    );
}

/// The list has addresses of the socket's family, to each of which a socket can be bound.
/// Source: SIO_ADDRESS_LIST_QUERY.
#[test]
fn addresses_of_the_list_are_local() {
    let _watch = watch();
    differs_under_wine("lists IPv4 addresses only", || {
        for family in FAMILIES {
            let socket = udp(family);
            let mut list = vec![0; 4096];
            assert_eq!(
                socket.control(SIO_ADDRESS_LIST_QUERY, &[], &mut list).0,
                Ok(())
            );
            let addresses = addresses_in(&list);
            assert!(!addresses.is_empty());
            for address in addresses {
                assert_eq!(address.is_ipv4(), family == Family::V4);
                if !matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local()) {
                    assert_eq!(udp(family).bind(&address.into()), Ok(()), "{address}");
                }
            }
        }
    });
}

/// An immediate code with an OVERLAPPED returns its count and reports a success with 0 bytes; its refusal leaves the status
/// block alone.
/// Source: WSAIoctl, overlapped; validated on Windows.
#[test]
fn immediate_code_reports_a_success_of_no_bytes() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let port = port_of(*socket, KEY);
    let request = Request::new(0);
    request.mark_status(1, 2);
    let mut small = [0; 9];
    let (answer, needed) =
        socket.control_with(SIO_ADDRESS_LIST_QUERY, &[], &mut small, Some(&request));
    assert_eq!(answer, Err(WSAEFAULT));
    assert_eq!((request.internal(), request.internal_high()), (1, 2));
    let mut list = vec![0; needed as usize];
    assert_eq!(
        socket.control_with(SIO_ADDRESS_LIST_QUERY, &[], &mut list, Some(&request)),
        (Ok(()), needed)
    );
    assert_eq!(next(&port), request.success(KEY, 0));
}

/// Sorting puts what cannot be reached last, and keeps the rest together; the same buffer may be input and output.
/// Source: SIO_ADDRESS_LIST_SORT.
#[test]
fn addresses_are_sorted() {
    let _watch = watch();
    differs_under_wine("does not know the code", || {
        let socket = Socket::tcp(Family::V6);
        let unreachable: SocketAddr = "[fe80::1]:7".parse().unwrap(); // on no link
        let mut given = [Address::from(unreachable), Family::V6.loopback(7)];
        let header = std::mem::offset_of!(SOCKET_ADDRESS_LIST, Address);
        let mut list = vec![0u8; 256];
        list[..4].copy_from_slice(&2u32.to_ne_bytes());
        for (index, address) in given.iter_mut().enumerate() {
            let entry = header + index * size_of::<SOCKET_ADDRESS>();
            let pointer = address.as_mut_ptr().expose_provenance();
            list[entry..entry + 8].copy_from_slice(&pointer.to_ne_bytes());
            list[entry + 8..entry + 12].copy_from_slice(&address.len.to_ne_bytes());
        }
        let mut output = vec![0; 256];
        let (answer, length) = socket.control(SIO_ADDRESS_LIST_SORT, &list, &mut output);
        assert_eq!((answer, length), (Ok(()), 8 + 2 * 16 + 2 * 28));
        let sorted = addresses_in(&output);
        assert_eq!(sorted, [given[1].get(), unreachable]);
        let (answer, needed) = socket.control(SIO_ADDRESS_LIST_SORT, &list, &mut []);
        assert_eq!((answer, needed), (Err(WSAEFAULT), length));
        assert_eq!(
            socket
                .control(SIO_ADDRESS_LIST_SORT, &list[..30], &mut output)
                .0,
            Err(WSAEINVAL),
            "fewer entries than it says"
        );
    });
}

// --- routes ----------------------------------------------------------------------------------------

/// The local address that leads to a destination, without a port.
/// Source: SIO_ROUTING_INTERFACE_QUERY.
#[test]
fn route_tells_the_local_address() {
    let _watch = watch();
    differs_under_wine("looks at IPv4 only", || {
        for family in FAMILIES {
            let socket = udp(family);
            let input = bytes_of(&family.loopback(80));
            let mut output = Address::room();
            let mut bytes = [0; 64];
            let (answer, length) = socket.control(SIO_ROUTING_INTERFACE_QUERY, &input, &mut bytes);
            assert_eq!((answer, length as usize), (Ok(()), input.len()));
            output.len = length as i32;
            // SAFETY: the room is larger than any address.
            unsafe {
                bytes
                    .as_ptr()
                    .copy_to_nonoverlapping(output.as_mut_ptr().cast(), length as usize);
            }
            assert_eq!(plain(output.get()), plain(family.loopback(0).get()));
        }
    });
}

/// What is refused, and what becomes of the count then.
/// Source: SIO_ROUTING_INTERFACE_QUERY; validated on Windows.
#[test]
fn route_needs_a_destination() {
    let _watch = watch();
    let loopback = bytes_of(&Family::V4.loopback(80));
    let socket = udp(Family::V4);
    for room in [0, 15] {
        let output = &mut [0; 15][..room];
        let refused = socket.control(SIO_ROUTING_INTERFACE_QUERY, &loopback, output);
        assert_eq!(refused.0, Err(WSAEFAULT));
    }
    differs_under_wine("has other codes, and tells no size", move || {
        let short = socket.control(SIO_ROUTING_INTERFACE_QUERY, &loopback, &mut [0; 15]);
        assert_eq!(short, (Err(WSAEFAULT), 16));
        let query = |input: &[u8]| socket.control(SIO_ROUTING_INTERFACE_QUERY, input, &mut [0; 16]);
        let unspecified = bytes_of(&Family::V4.loopback(80).with_family(AF_UNSPEC));
        let anywhere = bytes_of(&Family::V4.any(80));
        for (input, error) in [
            (&[][..], WSAEINVAL),
            (&loopback[..15], WSAEINVAL),
            (&unspecified[..], WSAEAFNOSUPPORT),
            (&anywhere[..], WSAEINVAL),
        ] {
            assert_eq!(query(input), (Err(error), UNTOUCHED_COUNT));
        }
    });
}

// --- interfaces ------------------------------------------------------------------------------------

/// The IPv4 interfaces, with the loopback among them.
/// Source: SIO_GET_INTERFACE_LIST.
#[test]
fn interfaces_are_listed() {
    let _watch = watch();
    let socket = udp(Family::V4);
    let mut output = vec![0; 64 * size_of::<INTERFACE_INFO>()];
    let (answer, length) = socket.control(SIO_GET_INTERFACE_LIST, &[], &mut output);
    assert_eq!(answer, Ok(()));
    let size = size_of::<INTERFACE_INFO>();
    assert!(length > 0 && (length as usize).is_multiple_of(size));
    let loopback = output[..length as usize].chunks_exact(size).any(|entry| {
        let flags = u32::from_ne_bytes(entry[..4].try_into().unwrap());
        let address = &entry[std::mem::offset_of!(INTERFACE_INFO, iiAddress)..];
        let mask = &entry[std::mem::offset_of!(INTERFACE_INFO, iiNetmask)..];
        flags & (IFF_UP | IFF_LOOPBACK) == IFF_UP | IFF_LOOPBACK
            && address[..8] == [2, 0, 0, 0, 127, 0, 0, 1]
            && mask[4..8] == [255, 0, 0, 0]
    });
    not_under_wine("it leaves the loopback out", || assert!(loopback));
    assert_eq!(
        socket.control(SIO_GET_INTERFACE_LIST, &[], &mut [0; 8]),
        (Err(WSAEFAULT), 0)
    );
}

/// Overlapped it pends, and reports its size or its failure.
/// Source: SIO_GET_INTERFACE_LIST with an OVERLAPPED; validated on Windows.
#[test]
fn interface_list_is_reported_later() {
    let _watch = watch();
    differs_under_wine("is done at once", || {
        let socket = udp(Family::V4);
        let port = port_of(*socket, KEY);
        socket
            .set_notification_modes(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)
            .unwrap();
        let request = Request::new(0);
        let mut output = vec![0; 64 * size_of::<INTERFACE_INFO>()];
        let size = socket.control(SIO_GET_INTERFACE_LIST, &[], &mut output).1;
        let pending = (Err(WSA_IO_PENDING), UNTOUCHED_COUNT);
        assert_eq!(
            socket.control_with(SIO_GET_INTERFACE_LIST, &[], &mut output, Some(&request)),
            pending
        );
        assert_eq!(next(&port), request.success(KEY, size));
        let mut small = [0; 8];
        assert_eq!(
            socket.control_with(SIO_GET_INTERFACE_LIST, &[], &mut small, Some(&request)),
            pending
        );
        assert_eq!(next(&port), request.failure(KEY, ERROR_INSUFFICIENT_BUFFER));
        assert_eq!(socket.result(&request, false), Err(WSAEFAULT));
    });
}

/// An IPv6 socket has neither IPv4 interfaces nor a broadcast address.
/// Source: SIO_GET_INTERFACE_LIST; SIO_GET_BROADCAST_ADDRESS.
#[test]
fn broadcast_is_for_ipv4() {
    let _watch = watch();
    differs_under_wine("does not know the code", || {
        let (four, six) = (udp(Family::V4), udp(Family::V6));
        let mut output = [0; 64];
        assert_eq!(
            four.control(SIO_GET_BROADCAST_ADDRESS, &[], &mut output),
            (Ok(()), 16)
        );
        assert_eq!(output[..8], [2, 0, 0, 0, 255, 255, 255, 255]);
        assert_eq!(
            four.control(SIO_GET_BROADCAST_ADDRESS, &[], &mut [0; 15]),
            (Err(WSAEFAULT), 0)
        );
        assert_eq!(
            six.control(SIO_GET_BROADCAST_ADDRESS, &[], &mut output),
            (Err(WSAENOPROTOOPT), 0)
        );
        assert_eq!(
            six.control(SIO_GET_INTERFACE_LIST, &[], &mut output),
            (Err(WSAEINVAL), 0)
        );
    });
}

// --- handles and hints -----------------------------------------------------------------------------

/// There are no layers: every base handle is the handle itself. With an OVERLAPPED the code is unsupported.
/// Source: SIO_BASE_HANDLE, SIO_BSP_HANDLE; validated on Windows.
#[test]
fn base_handle_is_the_handle() {
    let _watch = watch();
    differs_under_wine("knows SIO_BASE_HANDLE only", || {
        let socket = Socket::tcp(Family::V4);
        let port = port_of(*socket, KEY);
        for code in [
            SIO_BASE_HANDLE,
            SIO_BSP_HANDLE,
            SIO_BSP_HANDLE_SELECT,
            SIO_BSP_HANDLE_POLL,
        ] {
            let mut output = [0; 8];
            assert_eq!(socket.control(code, &[], &mut output), (Ok(()), 8));
            assert_eq!(usize::from_ne_bytes(output), socket.0);
            assert_eq!(
                socket.control(code, &[], &mut output[..7]),
                (Err(WSAEFAULT), 0)
            );
            let request = Request::new(0);
            let mut untouched = [7; 8];
            assert_eq!(
                socket.control_with(code, &[], &mut untouched, Some(&request)),
                (Err(WSA_IO_PENDING), UNTOUCHED_COUNT)
            );
            assert_eq!(next(&port), request.failure(KEY, ERROR_NOT_SUPPORTED));
            assert_eq!(untouched, [7; 8]);
        }
    });
}

/// Codes that only hint are accepted by the sockets they are for, and unknown to others.
/// Source: SIO_ENABLE_CIRCULAR_QUEUEING, SIO_LOOPBACK_FAST_PATH; validated on Windows for the first.
#[test]
fn hints_are_accepted() {
    let _watch = watch();
    differs_under_wine("knows fewer of them", || {
        let (stream, datagrams) = (Socket::tcp(Family::V4), udp(Family::V4));
        let on = 1u32.to_ne_bytes();
        assert_eq!(
            datagrams.control(SIO_ENABLE_CIRCULAR_QUEUEING, &[], &mut []),
            (Ok(()), 0)
        );
        for code in [
            SIO_LOOPBACK_FAST_PATH,
            SIO_TCP_INITIAL_RTO,
            SIO_SET_COMPATIBILITY_MODE,
        ] {
            assert_eq!(stream.control(code, &on, &mut []), (Ok(()), 0), "{code:#x}");
            assert_eq!(
                datagrams.control(code, &on, &mut [0; 64]),
                (Err(WSAEOPNOTSUPP), 0),
                "{code:#x}"
            );
        }
    });
}

/// What TCP and UDP have no use for is answered as an unknown code is, and counts no bytes.
/// Source: WSAIoctl, WSAEOPNOTSUPP; "Winsock IOCTLs"; validated on Windows for SIO_FLUSH and FIOASYNC.
#[test]
fn codes_of_other_transports_are_unsupported() {
    let _watch = watch();
    let (stream, datagrams) = (Socket::tcp(Family::V4), udp(Family::V4));
    let on = 1u32.to_ne_bytes();
    for code in [
        FIOASYNC as u32,
        SIOCSHIWAT as u32,
        SIOCGHIWAT as u32,
        SIOCSLOWAT as u32,
        SIOCGLOWAT as u32,
        SIO_ASSOCIATE_HANDLE,
        SIO_FIND_ROUTE,
        SIO_FLUSH,
        SIO_GET_QOS,
        SIO_SET_QOS,
        SIO_GET_GROUP_QOS,
        SIO_SET_GROUP_QOS,
        SIO_MULTIPOINT_LOOPBACK,
        SIO_MULTICAST_SCOPE,
        SIO_TRANSLATE_HANDLE,
        SIO_QUERY_TARGET_PNP_HANDLE,
        SIO_NSP_NOTIFY_CHANGE,
        SIO_RCVALL,
        SIO_ACQUIRE_PORT_RESERVATION,
        SIO_CPU_AFFINITY,
        SIO_GET_INTERFACE_LIST_EX,
        SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER,
    ] {
        for socket in [&stream, &datagrams] {
            assert_eq!(
                socket.control(code, &on, &mut [0; 64]),
                (Err(WSAEOPNOTSUPP), 0),
                "{code:#x}"
            );
        }
    }
}

/// How much should be under way: a constant of a connected stream.
/// Source: SIO_IDEAL_SEND_BACKLOG_QUERY; validated on Windows.
#[test]
fn ideal_backlog_is_of_connections() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let mut output = [0; 4];
    assert_eq!(
        pair.server
            .control(SIO_IDEAL_SEND_BACKLOG_QUERY, &[], &mut output),
        (Ok(()), 4)
    );
    assert_eq!(u32::from_ne_bytes(output), 0x10000);
    differs_under_wine("answers every stream, in any state", || {
        let socket = Socket::tcp(Family::V4);
        let mut output = [0; 4];
        assert_eq!(
            socket.control(SIO_IDEAL_SEND_BACKLOG_QUERY, &[], &mut output),
            (Err(WSAENOTCONN), 0)
        );
        assert_eq!(
            udp(Family::V4).control(SIO_IDEAL_SEND_BACKLOG_QUERY, &[], &mut output),
            (Err(WSAEOPNOTSUPP), 0)
        );
    });
}

// --- changes ---------------------------------------------------------------------------------------

const NO_CHANGES: &str = "knows changes of addresses only";

/// Waiting for a change pends whatever the blocking mode, and can be cancelled; closing ends it as cancelled.
/// Source: SIO_ADDRESS_LIST_CHANGE, SIO_ROUTING_INTERFACE_CHANGE; validated on Windows.
#[test]
fn wait_for_a_change_pends() {
    let _watch = watch();
    differs_under_wine(NO_CHANGES, || {
        let destination = bytes_of(&Family::V4.loopback(0));
        for non_blocking in [false, true] {
            for (code, input) in [
                (SIO_ADDRESS_LIST_CHANGE, &[][..]),
                (SIO_ROUTING_INTERFACE_CHANGE, &destination),
            ] {
                let socket = udp(Family::V4);
                let port = port_of(*socket, KEY);
                socket.set_non_blocking(non_blocking);
                let (first, second) = (Request::new(0), Request::new(0));
                let pending = (Err(WSA_IO_PENDING), UNTOUCHED_COUNT);
                for request in [&first, &second] {
                    assert_eq!(
                        socket.control_with(code, input, &mut [], Some(request)),
                        pending
                    );
                }
                assert_eq!(socket.cancel(&first), Ok(()));
                assert_eq!(next(&port), first.failure(KEY, ERROR_OPERATION_ABORTED));
                socket.close().unwrap();
                assert_eq!(next(&port), second.failure(KEY, ERROR_OPERATION_ABORTED));
            }
        }
    });
}

/// Closing a connected stream ends a wait for a change as cancelled too, not as a broken connection.
/// Source: SIO_ADDRESS_LIST_CHANGE; closesocket.
#[test]
fn wait_of_a_connection_ends_as_cancelled() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(0);
    assert_eq!(
        pair.server
            .control_with(SIO_ADDRESS_LIST_CHANGE, &[], &mut [], Some(&request))
            .0,
        Err(WSA_IO_PENDING)
    );
    pair.server.close().unwrap();
    assert_eq!(next(&port), request.failure(KEY, ERROR_OPERATION_ABORTED));
}

/// Without an OVERLAPPED a non-blocking socket answers WSAEWOULDBLOCK and is told later; a blocking one waits.
/// Source: SIO_ADDRESS_LIST_CHANGE; validated on Windows.
#[test]
fn wait_without_overlapped_obeys_the_blocking_mode() {
    let _watch = watch();
    let socket = udp(Family::V4);
    socket.set_non_blocking(true);
    assert_eq!(
        socket.control(SIO_ADDRESS_LIST_CHANGE, &[], &mut []).0,
        Err(WSAEWOULDBLOCK)
    );
    let event = Event::manual();
    // SAFETY: takes no pointers.
    let selected = unsafe {
        WSAEventSelect(
            socket.0,
            event.raw() as WSAEVENT,
            ADDRESS_LIST_CHANGE as i32,
        )
    };
    assert_eq!(check(selected), Ok(()));
    not_under_wine("it ends only with the process", || {
        let blocking = udp(Family::V4).into_raw();
        let waiter = spawn(move || blocking.control(SIO_ADDRESS_LIST_CHANGE, &[], &mut []).0);
        waiter.until_waits();
        blocking.close().unwrap();
        assert_eq!(waiter.join(), Err(WSAEINTR));
    });
}

/// A destination is needed where a route is to be watched.
/// Source: SIO_ROUTING_INTERFACE_CHANGE, lpvInBuffer.
#[test]
fn route_to_watch_needs_a_destination() {
    let _watch = watch();
    differs_under_wine(NO_CHANGES, || {
        let socket = udp(Family::V4);
        let request = Request::new(0);
        for input in [vec![], bytes_of(&Family::V4.any(0))] {
            assert_eq!(
                socket
                    .control_with(
                        SIO_ROUTING_INTERFACE_CHANGE,
                        &input,
                        &mut [],
                        Some(&request)
                    )
                    .0,
                Err(WSAEINVAL)
            );
        }
    });
}

/// Why Wine cannot judge SIO_TCP_INFO.
const NO_TCP_INFO: &str = "does not know the code";

/// A TCP_INFO_v0 of zeroes, as bytes to be written.
fn tcp_info_of(socket: Raw) -> (Outcome, TCP_INFO_v0) {
    let mut bytes = [0u8; size_of::<TCP_INFO_v0>()];
    let outcome = socket.control(SIO_TCP_INFO, &0u32.to_ne_bytes(), &mut bytes);
    // SAFETY: of that size, and any bytes that the function writes are a value.
    (outcome, unsafe {
        bytes.as_ptr().cast::<TCP_INFO_v0>().read_unaligned()
    })
}

/// What TCP knows of a connection: its state, its segments, what was sent and received.
/// Source: SIO_TCP_INFO; TCP_INFO_v0.
#[test]
fn statistics_of_a_connection_are_told() {
    let _watch = watch();
    differs_under_wine(NO_TCP_INFO, || {
        let pair = connected_pair(Family::V4);
        pair.client.send_all(b"hello");
        assert_eq!(pair.server.recv_some(9).as_deref(), Ok(&b"hello"[..]));
        let whole = (Ok(()), size_of::<TCP_INFO_v0>() as u32);
        let (outcome, info) = tcp_info_of(*pair.server);
        assert_eq!(outcome, whole);
        assert_eq!(info.State, TCPSTATE_ESTABLISHED);
        assert_eq!((info.BytesIn, info.BytesOut), (5, 0));
        assert!(info.Mss > 500 && info.Cwnd >= info.Mss);
        assert!(info.SndWnd > 0 && info.RcvWnd > 0 && info.RcvBuf > 0);
        assert!(u128::from(info.ConnectionTimeMs) <= DEADLINE.as_millis() * 10);
        assert_eq!(
            (info.BytesRetrans, info.TimeoutEpisodes, info.SynRetrans),
            (0, 0, 0)
        );
        let (_, info) = tcp_info_of(*pair.client);
        assert_eq!((info.BytesIn, info.BytesOut), (0, 5));
        assert!(info.RttUs > 0);
        pair.client.close().unwrap();
        until("the state of a connection whose peer has closed", || {
            tcp_info_of(*pair.server).1.State == TCPSTATE_CLOSE_WAIT
        });
        let (outcome, info) = tcp_info_of(*Socket::tcp(Family::V4));
        assert_eq!((outcome, info.State), (whole, TCPSTATE_CLOSED));
        assert_eq!(info.ConnectionTimeMs, 0);
        let (_, info) = tcp_info_of(*Listener::new(Family::V4).socket);
        assert_eq!(info.State, TCPSTATE_LISTEN);
    });
}

/// The input is the number of a version, which is 0, the output has room for it, and the socket is TCP's. With an OVERLAPPED
/// all this is reported later.
/// Source: SIO_TCP_INFO, WSAEMSGSIZE and WSAEINVAL, lpcbBytesReturned.
#[test]
fn statistics_need_a_version_and_room() {
    let _watch = watch();
    differs_under_wine(NO_TCP_INFO, || {
        const SIZE: usize = size_of::<TCP_INFO_v0>();
        let version = 0u32.to_ne_bytes();
        let pair = connected_pair(Family::V4);
        let server = *pair.server;
        let ask =
            |input: &[u8], room: usize| server.control(SIO_TCP_INFO, input, &mut [0; 256][..room]);
        for wrong in [&[][..], &version[..3], &[0; 5]] {
            assert_eq!(ask(wrong, SIZE), (Err(WSAEMSGSIZE), 0));
        }
        assert_eq!(ask(&7u32.to_ne_bytes(), SIZE), (Err(WSAEINVAL), 0));
        for room in [0, SIZE - 1] {
            assert_eq!(ask(&version, room), (Err(WSAEINVAL), 0));
        }
        assert_eq!(ask(&version, SIZE + 9), (Ok(()), SIZE as u32));
        let datagrams = udp(Family::V4).control(SIO_TCP_INFO, &version, &mut [0; SIZE]);
        assert_eq!(datagrams, (Err(WSAEINVAL), 0));

        let port = port_of(server, KEY);
        let request = Request::new(0);
        let mut output = [0; SIZE];
        let pending = (Err(WSA_IO_PENDING), UNTOUCHED_COUNT);
        let mut later =
            |input: &[u8]| server.control_with(SIO_TCP_INFO, input, &mut output, Some(&request));
        assert_eq!(later(&version), pending);
        assert_eq!(next(&port), request.success(KEY, SIZE as u32));
        assert_eq!(later(&7u32.to_ne_bytes()), pending);
        assert_eq!(next(&port), request.failure(KEY, ERROR_INVALID_PARAMETER));
    });
}

/// A list of addresses may be sorted where it is.
/// Source: SIO_ADDRESS_LIST_SORT.
#[test]
fn address_list_is_sorted_in_place() {
    let _watch = watch();
    differs_under_wine("does not know the code", || {
        let socket = Socket::tcp(Family::V4);
        let addresses = [address("127.0.0.1:1"), address("127.0.0.2:2")];
        let mut list = [0u64; 32];
        let base = list.as_mut_ptr().cast::<u8>();
        // SAFETY: within the list.
        unsafe {
            base.cast::<i32>().write(2);
            for (index, address) in addresses.iter().enumerate() {
                let entry = base.add(8 + 16 * index);
                entry.cast::<usize>().write(address.as_ptr() as usize);
                entry.add(8).cast::<i32>().write(address.len);
            }
        }
        let mut returned = 0;
        // SAFETY: the list has that many bytes.
        let answer = check(unsafe {
            WSAIoctl(
                socket.0,
                SIO_ADDRESS_LIST_SORT,
                base.cast(),
                256,
                base.cast(),
                256,
                &mut returned,
                null_mut(),
                None,
            )
        });
        assert_eq!((answer, returned), (Ok(()), 8 + 32 + 32));
    });
}
