//! The last error: one value per thread, set by what fails; and the statuses of finished operations as
//! the errors that GetOverlappedResult reports.

use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;

/// The last error is one value per thread, under both names.
/// Source: GetLastError, SetLastError, WSAGetLastError, WSASetLastError.
#[test]
fn one_value_per_thread_under_both_names() {
    let _watch = watch();
    // SAFETY: no preconditions.
    let wsa_last_error = || unsafe { WSAGetLastError() };
    set_last_error(UNTOUCHED);
    assert_eq!(
        (last_error(), wsa_last_error()),
        (UNTOUCHED, UNTOUCHED as i32)
    );
    // SAFETY: no preconditions.
    unsafe { WSASetLastError(-5) };
    assert_eq!((last_error(), wsa_last_error()), (-5i32 as u32, -5));

    let (start, done) = (Event::auto(), Event::auto());
    let other = spawn({
        let (start, done) = (start.clone(), done.clone());
        move || {
            assert!(start.wait(DEADLINE_MS));
            set_last_error(1234);
            fails_with(FALSE, ERROR_INVALID_HANDLE, || set_event(null_mut()));
            done.set();
        }
    });
    leaves_last_error(|| {
        start.set();
        assert!(done.wait(DEADLINE_MS));
    });
    other.join();
}

/// What other threads do while this one waits does not reach its last error.
/// Source: GetLastError: "multiple threads do not overwrite each other's last-error code".
#[test]
fn waiting_thread_keeps_its_last_error() {
    let _watch = watch();
    let (event, port) = (Event::auto(), Port::new(0));
    let waiter = spawn({
        let (event, port) = (event.clone(), port.clone());
        move || {
            leaves_last_error(|| assert!(event.wait(INFINITE)));
            leaves_last_error(|| port.take(INFINITE).packet())
        }
    });
    waiter.until_waits();
    fails_with(FALSE, ERROR_INVALID_HANDLE, || set_event(null_mut()));
    event.set();
    until_port_waiters(port.raw(), 1);
    assert_eq!(take(null_mut(), 0), Taken::Nothing(ERROR_INVALID_HANDLE));
    port.post(packet(1, 2, 3));
    assert_eq!(waiter.join(), packet(1, 2, 3));
}

/// Functions that succeed leave the last error alone.
/// Source: GetLastError: set by functions that fail.
#[test]
fn success_leaves_the_last_error_alone() {
    let _watch = watch();
    let event = Event::auto();
    let port = leaves_last_error(|| Port::new(0));
    leaves_last_error(|| event.set());
    leaves_last_error(|| event.reset());
    leaves_last_error(|| event.duplicate()).close();
    leaves_last_error(|| port.post(packet(1, 2, 3)));
    leaves_last_error(|| port.take(0).packet());
    leaves_last_error(|| queue_apc(current_thread().raw(), || ()));
    leaves_last_error(|| sleep_alertable(0));
    leaves_last_error(|| sleep(1));
    let copy = event.duplicate();
    leaves_last_error(|| copy.close());
}

/// The result, last error and count (preset to 99) of a finished or pending operation, asked without
/// waiting through a handle that is none.
fn result_of(status: NTSTATUS) -> (BOOL, u32, u32) {
    let overlapped = OVERLAPPED {
        Internal: status as u32 as usize,
        InternalHigh: 7,
        ..Default::default()
    };
    let mut bytes = 99;
    set_last_error(UNTOUCHED);
    // SAFETY: both live through the call.
    let result = unsafe { GetOverlappedResult(GARBAGE_HANDLE, &overlapped, &mut bytes, FALSE) };
    (result, last_error(), bytes)
}

/// The result of a finished operation is read from the OVERLAPPED alone; the handle is not looked at.
/// Source: GetOverlappedResult; validated on Windows 10.
#[test]
fn success_is_read_from_the_overlapped_alone() {
    let _watch = watch();
    assert_eq!(result_of(STATUS_SUCCESS), (TRUE, UNTOUCHED, 7));
}

/// A pending operation is ERROR_IO_INCOMPLETE and leaves the count alone.
/// Source: GetOverlappedResult, bWait FALSE.
#[test]
fn pending_operation_is_incomplete() {
    let _watch = watch();
    assert_eq!(result_of(STATUS_PENDING), (FALSE, ERROR_IO_INCOMPLETE, 99));
}

/// The count is written for a failed operation too.
/// Source: GetOverlappedResult, lpNumberOfBytesTransferred; validated on Windows 10.
#[test]
fn failed_operation_still_tells_its_count() {
    let _watch = watch();
    assert_eq!(
        result_of(STATUS_BUFFER_OVERFLOW),
        (FALSE, ERROR_MORE_DATA, 7)
    );
    assert_eq!(
        result_of(STATUS_CANCELLED),
        (FALSE, ERROR_OPERATION_ABORTED, 7)
    );
}

/// Each status of a failed operation is reported as its Win32 error.
/// Source: GetOverlappedResult, return value; RtlNtStatusToDosError.
#[test]
fn statuses_are_reported_as_win32_errors() {
    let _watch = watch();
    let table = [
        (STATUS_ACCESS_DENIED, ERROR_ACCESS_DENIED),
        (STATUS_ACCESS_VIOLATION, ERROR_NOACCESS),
        (STATUS_ADDRESS_ALREADY_EXISTS, ERROR_DUP_NAME),
        (STATUS_BAD_NETWORK_PATH, ERROR_BAD_NETPATH),
        (STATUS_BUFFER_OVERFLOW, ERROR_MORE_DATA),
        (STATUS_BUFFER_TOO_SMALL, ERROR_INSUFFICIENT_BUFFER),
        (STATUS_CANCELLED, ERROR_OPERATION_ABORTED),
        (STATUS_CONNECTION_ABORTED, ERROR_CONNECTION_ABORTED),
        (STATUS_CONNECTION_ACTIVE, ERROR_CONNECTION_ACTIVE),
        (STATUS_CONNECTION_DISCONNECTED, ERROR_NETNAME_DELETED),
        (STATUS_CONNECTION_REFUSED, ERROR_CONNECTION_REFUSED),
        (STATUS_CONNECTION_RESET, ERROR_NETNAME_DELETED),
        (STATUS_DEVICE_NOT_READY, ERROR_NOT_READY),
        (STATUS_DISK_FULL, ERROR_DISK_FULL),
        (STATUS_END_OF_FILE, ERROR_HANDLE_EOF),
        (STATUS_FILE_LOCK_CONFLICT, ERROR_LOCK_VIOLATION),
        (STATUS_GRACEFUL_DISCONNECT, ERROR_GRACEFUL_DISCONNECT),
        (STATUS_HOST_DOWN, ERROR_HOST_DOWN),
        (STATUS_HOST_UNREACHABLE, ERROR_HOST_UNREACHABLE),
        (STATUS_INSUFFICIENT_RESOURCES, ERROR_NO_SYSTEM_RESOURCES),
        (STATUS_INVALID_ADDRESS, ERROR_UNEXP_NET_ERR),
        (STATUS_INVALID_ADDRESS_COMPONENT, ERROR_INVALID_NETNAME),
        (STATUS_INVALID_BUFFER_SIZE, ERROR_INVALID_USER_BUFFER),
        (STATUS_INVALID_CONNECTION, ERROR_UNEXP_NET_ERR),
        (STATUS_INVALID_HANDLE, ERROR_INVALID_HANDLE),
        (STATUS_INVALID_PARAMETER, ERROR_INVALID_PARAMETER),
        (STATUS_IO_TIMEOUT, ERROR_SEM_TIMEOUT),
        (STATUS_LINK_FAILED, ERROR_UNEXP_NET_ERR),
        (STATUS_LINK_TIMEOUT, ERROR_UNEXP_NET_ERR),
        (STATUS_LOCAL_DISCONNECT, ERROR_NETNAME_DELETED),
        (STATUS_NETWORK_UNREACHABLE, ERROR_NETWORK_UNREACHABLE),
        (STATUS_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY),
        (STATUS_NOT_FOUND, ERROR_NOT_FOUND),
        (STATUS_NOT_IMPLEMENTED, ERROR_INVALID_FUNCTION),
        (STATUS_NOT_SUPPORTED, ERROR_NOT_SUPPORTED),
        (STATUS_OBJECT_TYPE_MISMATCH, ERROR_INVALID_HANDLE),
        (STATUS_PIPE_DISCONNECTED, ERROR_PIPE_NOT_CONNECTED),
        (STATUS_PORT_UNREACHABLE, ERROR_PORT_UNREACHABLE),
        (STATUS_PROTOCOL_UNREACHABLE, ERROR_PROTOCOL_UNREACHABLE),
        (STATUS_REMOTE_DISCONNECT, ERROR_NETNAME_DELETED),
        (STATUS_REQUEST_ABORTED, ERROR_REQUEST_ABORTED),
        (STATUS_REQUEST_NOT_ACCEPTED, ERROR_REQ_NOT_ACCEP),
        (STATUS_SHARING_VIOLATION, ERROR_SHARING_VIOLATION),
        (STATUS_TRANSACTION_ABORTED, ERROR_UNEXP_NET_ERR),
        (STATUS_UNSUCCESSFUL, ERROR_GEN_FAILURE),
        (0xc0ff_1234_u32 as NTSTATUS, ERROR_MR_MID_NOT_FOUND),
    ];
    for (status, error) in table {
        assert_eq!(
            result_of(status),
            (FALSE, error, 7),
            "status {:#x}",
            status as u32
        );
    }
}
