//! WSAStartup and WSACleanup: versions, counting, and what the last cleanup ends.

use std::ffi::CStr;
use std::mem;
use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;
use crate::sockets::every_function_on;
use crate::tcp::*;

const TCP: i32 = IPPROTO_TCP;
const V4: i32 = AF_INET as i32;

/// One WSAStartup: its result and what it wrote.
fn startup_data(version: u16) -> (i32, WSADATA) {
    // SAFETY: an all-zero WSADATA is a valid value of that plain structure.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    // SAFETY: `data` is valid for writes.
    let result = unsafe { WSAStartup(version, &mut data) };
    (result, data)
}

fn cleanup() -> Result<(), WSA_ERROR> {
    // SAFETY: takes no pointers.
    check(unsafe { WSACleanup() })
}

/// Major and minor version as WSAStartup wants them.
fn version(major: u8, minor: u8) -> u16 {
    u16::from_le_bytes([major, minor])
}

/// WSAStartup grants every version from 1.0 to 2.2, and 2.2 for anything above.
/// Source: WSAStartup (the table of versions); validated on Windows.
#[test]
fn startup_negotiates_the_version() {
    let _watch = watch();
    let cases = [
        ((1, 0), (1, 0)),
        ((1, 1), (1, 1)),
        ((1, 2), (1, 1)),
        ((1, 255), (1, 1)),
        ((2, 0), (2, 0)),
        ((2, 1), (2, 1)),
        ((2, 2), (2, 2)),
        ((2, 3), (2, 2)),
        ((3, 0), (2, 2)),
        ((200, 7), (2, 2)),
    ];
    for ((major, minor), (granted_major, granted_minor)) in cases {
        let (result, data) = startup_data(version(major, minor));
        assert_eq!(result, 0, "version {major}.{minor}");
        assert_eq!(
            data.wVersion,
            version(granted_major, granted_minor),
            "version {major}.{minor}"
        );
        assert_eq!(data.wHighVersion, version(2, 2));
        let old = granted_major == 1;
        assert_eq!(
            (data.iMaxSockets, data.iMaxUdpDg),
            if old { (32767, 65467) } else { (0, 0) }
        );
        assert_eq!(cleanup(), Ok(()));
    }
}

/// Version 0.x is WSAVERNOTSUPPORTED, also without a place for the data; the versions are told all the same.
/// Source: WSAStartup, WSAVERNOTSUPPORTED; validated on Windows.
#[test]
fn startup_refuses_version_zero() {
    let _watch = watch();
    let (result, data) = startup_data(version(0, 9));
    assert_eq!((result, data.wVersion), (WSAVERNOTSUPPORTED, version(2, 2)));
    assert_eq!(data.wHighVersion, version(2, 2));
    // SAFETY: a null pointer is what is tested.
    let result = unsafe { WSAStartup(version(0, 0), null_mut()) };
    assert_eq!(result, WSAVERNOTSUPPORTED);
}

/// No place for the data is WSAEFAULT.
/// Source: WSAStartup, WSAEFAULT.
#[test]
fn startup_needs_room() {
    let _watch = watch();
    // SAFETY: a null pointer is what is tested.
    assert_eq!(unsafe { WSAStartup(version(2, 2), null_mut()) }, WSAEFAULT);
}

/// WSAStartup describes itself and leaves lpVendorInfo alone.
/// Source: WSADATA; validated on Windows.
#[test]
fn startup_describes_itself() {
    let _watch = watch();
    // SAFETY: an all-zero WSADATA is a valid value of that plain structure.
    let mut data: WSADATA = unsafe { mem::zeroed() };
    data.lpVendorInfo = std::ptr::without_provenance_mut(0x77);
    // SAFETY: `data` is valid for writes.
    assert_eq!(unsafe { WSAStartup(version(2, 2), &mut data) }, 0);
    assert_eq!(data.lpVendorInfo.addr(), 0x77);
    // SAFETY: WSAStartup stored a terminated string.
    let description = unsafe { CStr::from_ptr(data.szDescription.as_ptr().cast()) };
    assert_eq!(description.to_bytes(), b"WinSock 2.0");
    // SAFETY: as above.
    let status = unsafe { CStr::from_ptr(data.szSystemStatus.as_ptr().cast()) };
    assert_eq!(status.to_bytes(), b"Running");
    assert_eq!(cleanup(), Ok(()));
}

/// Before WSAStartup, and after the last WSACleanup, socket functions fail with WSANOTINITIALISED.
/// Source: WSAStartup and every socket function, WSANOTINITIALISED.
#[test]
fn nothing_works_before_startup() {
    let _watch = watch();
    in_own_process(|| {
        // Sockets first, for `Socket::open` starts winsock; these calls must not.
        for _ in 0..2 {
            // SAFETY: takes no pointers.
            let opened = unsafe { socket(V4, SOCK_STREAM, TCP) };
            assert_eq!((opened, wsa_error()), (INVALID_SOCKET, WSANOTINITIALISED));
            assert_eq!(cleanup(), Err(WSANOTINITIALISED));
            assert_eq!(start_version(version(2, 2)), Ok(()));
            assert_eq!(cleanup(), Ok(()));
        }
    });
}

/// Before WSAStartup the functions that take a socket fail with WSANOTINITIALISED, whatever the socket.
/// Source: WSAStartup and every socket function, WSANOTINITIALISED.
#[test]
fn no_socket_function_works_before_startup() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("looks at the socket first", || {
            for (name, error) in every_function_on(Raw(0x1234)) {
                assert_eq!(error, WSANOTINITIALISED, "{name}");
            }
        });
    });
}

/// Every WSAStartup needs a WSACleanup; only the last one shuts winsock down.
/// Source: WSACleanup.
#[test]
fn startups_are_counted() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(start_version(version(2, 2)), Ok(()));
        assert_eq!(start_version(version(1, 1)), Ok(()));
        assert_eq!(cleanup(), Ok(()));
        // SAFETY: takes no pointers.
        let opened = unsafe { socket(V4, SOCK_STREAM, TCP) };
        assert_ne!(opened, INVALID_SOCKET);
        assert_eq!(cleanup(), Ok(()));
        assert_eq!(cleanup(), Err(WSANOTINITIALISED));
    });
}

/// A successful WSACleanup sets the last error to 0.
/// Source: WSACleanup; validated on Windows.
#[test]
fn cleanup_clears_the_last_error() {
    let _watch = watch();
    differs_under_wine("leaves it alone", || {
        assert_eq!(start_version(version(2, 2)), Ok(()));
        set_last_error(UNTOUCHED);
        assert_eq!(cleanup(), Ok(()));
        assert_eq!(last_error(), 0);
    });
}

/// The last WSACleanup closes what is still open: after a new start the old sockets are WSAENOTSOCK.
/// Source: WSACleanup (open sockets are reset and released).
#[test]
fn last_cleanup_closes_all_sockets() {
    let _watch = watch();
    in_own_process(|| {
        assert_eq!(start_version(version(2, 2)), Ok(()));
        // SAFETY: takes no pointers.
        let raw = Raw(unsafe { socket(V4, SOCK_STREAM, TCP) });
        assert_eq!(raw.bind(&Family::V4.loopback(0)), Ok(()));
        let address: Address = raw.local_address().unwrap().into();
        assert_eq!(raw.listen(5), Ok(()));
        assert_eq!(cleanup(), Ok(()));
        assert_eq!(start_version(version(2, 2)), Ok(()));
        assert_eq!(raw.local_address(), Err(WSAENOTSOCK));
        assert_eq!(raw.close(), Err(WSAENOTSOCK));
        // SAFETY: takes no pointers.
        let client = Raw(unsafe { socket(V4, SOCK_STREAM, TCP) });
        assert_eq!(client.connect(&address), Err(WSAECONNREFUSED));
    });
}

/// Functions that only convert or remember work without WSAStartup.
/// Source: WSAGetLastError, htons, inet_addr and WSACreateEvent (they need no initialisation).
#[test]
fn conversions_need_no_startup() {
    let _watch = watch();
    in_own_process(|| {
        // SAFETY: takes no pointers.
        assert_eq!(unsafe { htons(0x1234) }, 0x3412);
        // SAFETY: the string is terminated.
        let result = unsafe { inet_addr(c"1.2.3.4".as_ptr().cast()) };
        assert_eq!(result, 0x0403_0201);
        // SAFETY: takes no pointers.
        unsafe { WSASetLastError(5) };
        assert_eq!(wsa_error(), 5);
        // SAFETY: takes no pointers.
        let event = unsafe { WSACreateEvent() };
        assert_ne!(event, WSA_INVALID_EVENT);
        // SAFETY: takes no pointers.
        assert_eq!(unsafe { WSACloseEvent(event) }, TRUE);
    });
}

/// The last WSACleanup cancels operations without signalling their events or calling their routines.
/// Source: WSACleanup, remarks.
#[test]
fn cleanup_signals_nobody() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("leaves the status of an operation pending", || {
            assert_eq!(start_version(0x0202), Ok(()));
            // SAFETY: takes no pointers.
            let open = || Raw(unsafe { socket(V4, SOCK_DGRAM, IPPROTO_UDP) });
            let [by_event, by_port, by_routine] = [(); 3].map(|()| {
                let socket = open();
                socket.bind(&Family::V4.loopback(0)).unwrap();
                socket
            });
            let event = Event::manual();
            let port = port_of(by_port, 5);
            let requests = [
                Request::new(4).with_event(event.raw()),
                Request::new(4),
                Request::new(4),
            ];
            assert_eq!(by_event.receive(&requests[0]), PENDING);
            assert_eq!(by_port.receive(&requests[1]), PENDING);
            assert_eq!(by_routine.receive_routine(&requests[2], ROUTINE), PENDING);
            // SAFETY: takes no pointers.
            assert_eq!(unsafe { WSACleanup() }, 0);
            assert_eq!(next(&port), requests[1].failure(5, ERROR_OPERATION_ABORTED)); // a pool that counts its operations counts right
            sleep_alertable(0);
            assert_eq!((event.wait(0), routines_run()), (false, vec![]));
        });
    });
}
