//! WSAIoctl: the codes about a socket itself, with an OVERLAPPED and without.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const KEY: usize = 0x66;

fn tcp() -> Socket {
    Socket::tcp(Family::V4)
}

/// WSAIoctl with four bytes in and out: the answer and the count it reports.
fn ioctl(socket: Raw, code: u32, input: &[u8], request: Option<&Request>) -> (Answer, u32) {
    let (mut output, mut returned) = ([0u8; 8], 77);
    let overlapped = request.map_or(null_mut(), Request::overlapped);
    // SAFETY: input and output are valid for their lengths; these codes answer during the call.
    let result = unsafe {
        WSAIoctl(
            socket.0,
            code,
            input.as_ptr().cast(),
            input.len() as u32,
            output.as_mut_ptr().cast(),
            4,
            &mut returned,
            overlapped,
            None,
        )
    };
    let answer = answer(result, returned);
    (
        request.map_or(answer, |request| request.note(answer)),
        returned,
    )
}

/// FIONBIO by WSAIoctl does what ioctlsocket does; a short input is WSAEFAULT.
/// Source: WSAIoctl, FIONBIO; validated on Windows.
#[test]
fn fionbio_by_wsa_ioctl() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let (answer, _) = ioctl(*pair.server, FIONBIO as u32, &1u32.to_ne_bytes(), None);
    assert!(matches!(answer, Ok(Started::Done(_))), "{answer:?}");
    assert_eq!(pair.server.recv(&mut [0; 1]), Err(WSAEWOULDBLOCK));
    assert_eq!(
        ioctl(*pair.server, FIONBIO as u32, &[0; 2], None).0,
        Err(WSAEFAULT)
    );
}

/// FIONREAD by WSAIoctl answers four bytes.
/// Source: WSAIoctl, FIONREAD.
#[test]
fn fionread_by_wsa_ioctl() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    pair.client.send_all(b"abc");
    pair.server.until_unread(3);
    assert_eq!(
        ioctl(*pair.server, FIONREAD as u32, &[], None),
        (done(4), 4)
    );
}

/// SIO_KEEPALIVE_VALS switches SO_KEEPALIVE; a short input is WSAEFAULT.
/// Source: WSAIoctl, SIO_KEEPALIVE_VALS.
#[test]
fn keep_alive_values() {
    let _watch = watch();
    let socket = tcp();
    let values = |onoff: u32, time: u32, interval: u32| {
        [onoff, time, interval]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect::<Vec<_>>()
    };
    for (onoff, time, interval) in [(1, 10_000, 1_500), (0, 0, 0), (1, 0, 0), (1, 1, 1)] {
        let input = values(onoff, time, interval);
        let (answer, _) = ioctl(*socket, SIO_KEEPALIVE_VALS, &input, None);
        assert!(
            matches!(answer, Ok(Started::Done(_))),
            "{onoff} {time} {interval}: {answer:?}"
        );
    }
    assert_eq!(
        ioctl(*socket, SIO_KEEPALIVE_VALS, &[0; 8], None).0,
        Err(WSAEFAULT)
    );
}

/// SIO_KEEPALIVE_VALS' onoff shows in SO_KEEPALIVE.
/// Source: WSAIoctl, SIO_KEEPALIVE_VALS; SO_KEEPALIVE.
#[test]
fn keep_alive_values_switch_so_keepalive() {
    let _watch = watch();
    let socket = tcp();
    for onoff in [1u32, 0] {
        let input = [onoff, 10_000, 1_000].map(u32::to_ne_bytes).concat();
        assert!(ioctl(*socket, SIO_KEEPALIVE_VALS, &input, None).0.is_ok());
        assert_eq!(socket.option(SOL_SOCKET, SO_KEEPALIVE), Ok(onoff as i32));
    }
}

/// An unknown code is WSAEOPNOTSUPP with a count of 0.
/// Source: WSAIoctl, WSAEOPNOTSUPP; validated on Windows.
#[test]
fn unknown_codes_are_refused() {
    let _watch = watch();
    assert_eq!(
        ioctl(*tcp(), 0x1234_5678, &[], None),
        (Err(WSAEOPNOTSUPP), 0)
    );
}

/// With an OVERLAPPED an unknown code pends and then fails: ERROR_NOT_SUPPORTED at the port.
/// Source: WSAIoctl, overlapped; validated on Windows.
#[test]
fn unknown_codes_fail_later_when_overlapped() {
    let _watch = watch();
    let socket = tcp();
    let port = port_of(*socket, KEY);
    let request = Request::new(0);
    assert_eq!(ioctl(*socket, 0x1234_5678, &[], Some(&request)).0, PENDING);
    assert_eq!(next(&port), request.failure(KEY, ERROR_NOT_SUPPORTED));
    assert!(request.has_status(STATUS_NOT_SUPPORTED));
    assert_eq!(socket.result(&request, false), Err(WSAEOPNOTSUPP));
}

/// With an OVERLAPPED an immediate code answers at once and is announced with 0 bytes.
/// Source: WSAIoctl, overlapped; validated on Windows.
#[test]
fn immediate_codes_are_announced_when_overlapped() {
    let _watch = watch();
    let pair = connected_pair(Family::V4);
    let port = port_of(*pair.server, KEY);
    let request = Request::new(0);
    assert_eq!(
        ioctl(*pair.server, FIONREAD as u32, &[], Some(&request)),
        (done(4), 4)
    );
    assert_eq!(next(&port), request.success(KEY, 0));
}

/// The count pointer is needed even with an OVERLAPPED.
/// Source: WSAIoctl, lpcbBytesReturned, WSAEFAULT; validated on Windows.
#[test]
fn ioctl_needs_a_count() {
    let _watch = watch();
    let socket = tcp();
    let port = port_of(*socket, KEY);
    let request = Request::new(0);
    for overlapped in [null_mut(), request.overlapped()] {
        let mut unread = 0u32;
        // SAFETY: the output is valid; a null count is what is tested.
        let result = unsafe {
            WSAIoctl(
                socket.0,
                FIONREAD as u32,
                null(),
                0,
                (&raw mut unread).cast(),
                4,
                null_mut(),
                overlapped,
                None,
            )
        };
        assert_eq!(check(result), Err(WSAEFAULT));
    }
    assert_quiet(&port);
}

/// An extension's GUID and room are checked for their sizes; an unknown GUID leaves everything untouched.
/// Source: WSAIoctl, SIO_GET_EXTENSION_FUNCTION_POINTER; validated on Windows for the unknown GUID.
#[test]
fn extension_arguments_are_checked() {
    let _watch = watch();
    differs_under_wine("does not check the length of the GUID", || {
        let socket = tcp();
        let guid = WSAID_ACCEPTEX;
        let get = |in_len: u32, out_len: u32| {
            let (mut function, mut returned) = (0usize, 77);
            // SAFETY: both are valid for at least the lengths told.
            check(unsafe {
                WSAIoctl(
                    socket.0,
                    SIO_GET_EXTENSION_FUNCTION_POINTER,
                    (&raw const guid).cast(),
                    in_len,
                    (&raw mut function).cast(),
                    out_len,
                    &mut returned,
                    null_mut(),
                    None,
                )
            })
        };
        assert_eq!(get(16, 8), Ok(()));
        assert_eq!(get(15, 8), Err(WSAEFAULT));
        assert_eq!(get(16, 7), Err(WSAEFAULT));
    });
}

/// SIO_BASE_HANDLE gives the socket itself: there are no layers here.
/// Source: WSAIoctl, SIO_BASE_HANDLE.
#[test]
fn base_handle_is_the_socket() {
    let _watch = watch();
    let socket = tcp();
    let (mut base, mut returned): (SOCKET, u32) = (0, 0);
    // SAFETY: the output is valid for its size.
    let result = unsafe {
        WSAIoctl(
            socket.0,
            SIO_BASE_HANDLE,
            null(),
            0,
            (&raw mut base).cast(),
            size_of::<SOCKET>() as u32,
            &mut returned,
            null_mut(),
            None,
        )
    };
    assert_eq!(
        (check(result), base, returned as usize),
        (Ok(()), socket.0, size_of::<SOCKET>())
    );
}
