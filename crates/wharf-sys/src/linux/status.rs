//! The one currency for failure inside: Windows' NTSTATUS.
//!
//! An operation finishes with a [`Status`], which is what `OVERLAPPED.Internal` holds. Programs never see it
//! elsewhere: each function translates it at its edge, and there are two edges. Completion ports and
//! `GetOverlappedResult` report a Win32 code, Winsock calls a WSA code, so that one TCP reset is
//! `ERROR_NETNAME_DELETED` here and `WSAECONNRESET` there. One table holds all three numbers.
//!
//! A failure that Winsock knows and NT has no status for (`WSAENOTSOCK`, `WSAEMFILE`, …) travels as NT's own
//! wrapping of a Win32 code, `0xC007xxxx` (FACILITY_NTWIN32), and comes out as that code at both edges.
//!
//! Linux' errno enters through three doors, because the same number means different things: from an attempt at
//! an operation ([`Status::from_errno`]), from a connect ([`Status::from_connect_errno`]) and from a call that
//! never completes later ([`Status::from_call_errno`]).
//!
//! Source: "RtlNtStatusToDosError", "Windows Sockets Error Codes", and "[MS-ERREF] NTSTATUS Values".

use std::fmt;

// The whole modules: the tables below name about a hundred of their constants, once each.
use windows_sys::Win32::{Foundation::*, Networking::WinSock::*};

/// An NTSTATUS: the outcome of an operation, or why a call was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub NTSTATUS);

/// What a status without a row is to Win32: "the system cannot find message text for this number".
const WIN32_UNLISTED: u32 = ERROR_MR_MID_NOT_FOUND;
/// What a status without a row is to Winsock.
const WINSOCK_UNLISTED: u32 = WSAEINVAL as u32;
/// `0xC0070000`: severity error, facility NTWIN32; the low 16 bits are the wrapped code.
const WRAPPED_WIN32: u32 = 0xC000_0000 | (FACILITY_NTWIN32 << 16);

/// Makes the constants of [`Status`] and `TRANSLATION`, the table of both edges, from the same rows.
macro_rules! statuses {
    ($($name:ident = $status:ident => $win32:ident, $winsock:ident;)*) => {
        #[allow(missing_docs)] // Windows' names
        impl Status {
            $(pub const $name: Status = Status($status);)*
        }
        const TRANSLATION: &[Translation] = &[$(Translation {
            name: stringify!($name),
            status: Status::$name,
            win32: $win32,
            winsock: $winsock as u32,
        }),*];
    };
}

/// Makes the constants for codes that no NTSTATUS stands for, and `WRAPPED_NAMES`, their names.
macro_rules! wrapped_codes {
    ($($name:ident = $code:ident;)*) => {
        #[allow(missing_docs)] // Windows' names
        impl Status {
            $(pub const $name: Status = Status::from_win32($code as u32);)*
        }
        const WRAPPED_NAMES: &[(Status, &str)] = &[$((Status::$name, stringify!($name))),*];
    };
}

/// One row: a status and the code it is known by at each edge.
struct Translation {
    name: &'static str,
    status: Status,
    win32: u32,
    winsock: u32,
}

statuses! {
    ABANDONED_WAIT_0 = STATUS_ABANDONED_WAIT_0 => ERROR_ABANDONED_WAIT_0, WSAEINVAL;
    ACCESS_DENIED = STATUS_ACCESS_DENIED => ERROR_ACCESS_DENIED, WSAEACCES;
    ACCESS_VIOLATION = STATUS_ACCESS_VIOLATION => ERROR_NOACCESS, WSAEFAULT;
    ADDRESS_ALREADY_EXISTS = STATUS_ADDRESS_ALREADY_EXISTS => ERROR_DUP_NAME, WSAEADDRINUSE;
    BAD_NETWORK_PATH = STATUS_BAD_NETWORK_PATH => ERROR_BAD_NETPATH, WSAENETUNREACH;
    BUFFER_OVERFLOW = STATUS_BUFFER_OVERFLOW => ERROR_MORE_DATA, WSAEMSGSIZE;
    BUFFER_TOO_SMALL = STATUS_BUFFER_TOO_SMALL => ERROR_INSUFFICIENT_BUFFER, WSAEFAULT;
    CANCELLED = STATUS_CANCELLED => ERROR_OPERATION_ABORTED, WSA_OPERATION_ABORTED;
    COMMITMENT_LIMIT = STATUS_COMMITMENT_LIMIT => ERROR_COMMITMENT_LIMIT, WSAENOBUFS;
    CONFLICTING_ADDRESSES = STATUS_CONFLICTING_ADDRESSES => ERROR_INVALID_ADDRESS, WSAENOBUFS;
    CONNECTION_ABORTED = STATUS_CONNECTION_ABORTED => ERROR_CONNECTION_ABORTED, WSAECONNABORTED;
    CONNECTION_ACTIVE = STATUS_CONNECTION_ACTIVE => ERROR_CONNECTION_ACTIVE, WSAEISCONN;
    CONNECTION_DISCONNECTED = STATUS_CONNECTION_DISCONNECTED => ERROR_NETNAME_DELETED, WSAECONNRESET;
    CONNECTION_INVALID = STATUS_CONNECTION_INVALID => ERROR_CONNECTION_INVALID, WSAEINVAL;
    CONNECTION_REFUSED = STATUS_CONNECTION_REFUSED => ERROR_CONNECTION_REFUSED, WSAECONNREFUSED;
    CONNECTION_RESET = STATUS_CONNECTION_RESET => ERROR_NETNAME_DELETED, WSAECONNRESET;
    DATATYPE_MISALIGNMENT_ERROR = STATUS_DATATYPE_MISALIGNMENT_ERROR => ERROR_NOACCESS, WSAEFAULT;
    DEVICE_NOT_READY = STATUS_DEVICE_NOT_READY => ERROR_NOT_READY, WSAEWOULDBLOCK;
    DISK_FULL = STATUS_DISK_FULL => ERROR_DISK_FULL, WSAEINVAL;
    END_OF_FILE = STATUS_END_OF_FILE => ERROR_HANDLE_EOF, WSAEINVAL;
    FILE_LOCK_CONFLICT = STATUS_FILE_LOCK_CONFLICT => ERROR_LOCK_VIOLATION, WSAEINVAL;
    GRACEFUL_DISCONNECT = STATUS_GRACEFUL_DISCONNECT => ERROR_GRACEFUL_DISCONNECT, WSAEDISCON;
    HOST_DOWN = STATUS_HOST_DOWN => ERROR_HOST_DOWN, WSAEHOSTDOWN;
    HOST_UNREACHABLE = STATUS_HOST_UNREACHABLE => ERROR_HOST_UNREACHABLE, WSAEHOSTUNREACH;
    INSUFFICIENT_RESOURCES = STATUS_INSUFFICIENT_RESOURCES => ERROR_NO_SYSTEM_RESOURCES, WSAENOBUFS;
    INVALID_ADDRESS = STATUS_INVALID_ADDRESS => ERROR_UNEXP_NET_ERR, WSAEADDRNOTAVAIL;
    INVALID_ADDRESS_COMPONENT = STATUS_INVALID_ADDRESS_COMPONENT => ERROR_INVALID_NETNAME, WSAEADDRNOTAVAIL;
    INVALID_BUFFER_SIZE = STATUS_INVALID_BUFFER_SIZE => ERROR_INVALID_USER_BUFFER, WSAEMSGSIZE;
    INVALID_CONNECTION = STATUS_INVALID_CONNECTION => ERROR_UNEXP_NET_ERR, WSAENOTCONN;
    INVALID_DEVICE_REQUEST = STATUS_INVALID_DEVICE_REQUEST => ERROR_INVALID_FUNCTION, WSAEINVAL;
    INVALID_HANDLE = STATUS_INVALID_HANDLE => ERROR_INVALID_HANDLE, WSAENOTSOCK;
    INVALID_NETWORK_RESPONSE = STATUS_INVALID_NETWORK_RESPONSE => ERROR_BAD_NET_RESP, WSAENETDOWN;
    INVALID_PARAMETER = STATUS_INVALID_PARAMETER => ERROR_INVALID_PARAMETER, WSAEINVAL;
    IO_TIMEOUT = STATUS_IO_TIMEOUT => ERROR_SEM_TIMEOUT, WSAETIMEDOUT;
    LINK_FAILED = STATUS_LINK_FAILED => ERROR_UNEXP_NET_ERR, WSAECONNRESET;
    LINK_TIMEOUT = STATUS_LINK_TIMEOUT => ERROR_UNEXP_NET_ERR, WSAETIMEDOUT;
    LOCAL_DISCONNECT = STATUS_LOCAL_DISCONNECT => ERROR_NETNAME_DELETED, WSAECONNABORTED;
    MUTANT_NOT_OWNED = STATUS_MUTANT_NOT_OWNED => ERROR_NOT_OWNER, WSAEINVAL;
    NETWORK_BUSY = STATUS_NETWORK_BUSY => ERROR_NETWORK_BUSY, WSAENETDOWN;
    NETWORK_UNREACHABLE = STATUS_NETWORK_UNREACHABLE => ERROR_NETWORK_UNREACHABLE, WSAENETUNREACH;
    NOT_FOUND = STATUS_NOT_FOUND => ERROR_NOT_FOUND, WSAEINVAL;
    NOT_IMPLEMENTED = STATUS_NOT_IMPLEMENTED => ERROR_INVALID_FUNCTION, WSAEOPNOTSUPP;
    NOT_SUPPORTED = STATUS_NOT_SUPPORTED => ERROR_NOT_SUPPORTED, WSAEOPNOTSUPP;
    NO_MEMORY = STATUS_NO_MEMORY => ERROR_NOT_ENOUGH_MEMORY, WSAENOBUFS;
    NO_SUCH_DEVICE = STATUS_NO_SUCH_DEVICE => ERROR_NO_SUCH_DEVICE, WSAENETDOWN;
    NO_SUCH_FILE = STATUS_NO_SUCH_FILE => ERROR_FILE_NOT_FOUND, WSAENETDOWN;
    OBJECT_NAME_NOT_FOUND = STATUS_OBJECT_NAME_NOT_FOUND => ERROR_FILE_NOT_FOUND, WSAENETDOWN;
    OBJECT_PATH_NOT_FOUND = STATUS_OBJECT_PATH_NOT_FOUND => ERROR_PATH_NOT_FOUND, WSAENETDOWN;
    OBJECT_TYPE_MISMATCH = STATUS_OBJECT_TYPE_MISMATCH => ERROR_INVALID_HANDLE, WSAENOTSOCK;
    PAGEFILE_QUOTA = STATUS_PAGEFILE_QUOTA => ERROR_PAGEFILE_QUOTA, WSAENOBUFS;
    PENDING = STATUS_PENDING => ERROR_IO_INCOMPLETE, WSA_IO_INCOMPLETE;
    PIPE_DISCONNECTED = STATUS_PIPE_DISCONNECTED => ERROR_PIPE_NOT_CONNECTED, WSAESHUTDOWN;
    PORT_UNREACHABLE = STATUS_PORT_UNREACHABLE => ERROR_PORT_UNREACHABLE, WSAECONNRESET;
    PROTOCOL_UNREACHABLE = STATUS_PROTOCOL_UNREACHABLE => ERROR_PROTOCOL_UNREACHABLE, WSAENETUNREACH;
    QUOTA_EXCEEDED = STATUS_QUOTA_EXCEEDED => ERROR_NOT_ENOUGH_QUOTA, WSAENOBUFS;
    REMOTE_DISCONNECT = STATUS_REMOTE_DISCONNECT => ERROR_NETNAME_DELETED, WSAECONNRESET;
    REMOTE_NOT_LISTENING = STATUS_REMOTE_NOT_LISTENING => ERROR_REM_NOT_LIST, WSAECONNREFUSED;
    REMOTE_RESOURCES = STATUS_REMOTE_RESOURCES => ERROR_REM_NOT_LIST, WSAENOBUFS;
    REQUEST_ABORTED = STATUS_REQUEST_ABORTED => ERROR_REQUEST_ABORTED, WSAEINTR;
    REQUEST_NOT_ACCEPTED = STATUS_REQUEST_NOT_ACCEPTED => ERROR_REQ_NOT_ACCEP, WSAEWOULDBLOCK;
    SEMAPHORE_LIMIT_EXCEEDED = STATUS_SEMAPHORE_LIMIT_EXCEEDED => ERROR_TOO_MANY_POSTS, WSAEINVAL;
    SHARING_VIOLATION = STATUS_SHARING_VIOLATION => ERROR_SHARING_VIOLATION, WSAEADDRINUSE;
    SUCCESS = STATUS_SUCCESS => ERROR_SUCCESS, ERROR_SUCCESS;
    TIMEOUT = STATUS_TIMEOUT => ERROR_TIMEOUT, WSAEINVAL; // as an operation's; a wait's is WAIT_TIMED_OUT
    TOO_MANY_ADDRESSES = STATUS_TOO_MANY_ADDRESSES => ERROR_TOO_MANY_NAMES, WSAENOBUFS;
    TOO_MANY_OPENED_FILES = STATUS_TOO_MANY_OPENED_FILES => ERROR_TOO_MANY_OPEN_FILES, WSAEINVAL; // not WSAEMFILE
    TOO_MANY_PAGING_FILES = STATUS_TOO_MANY_PAGING_FILES => ERROR_NOT_ENOUGH_MEMORY, WSAENOBUFS;
    TRANSACTION_ABORTED = STATUS_TRANSACTION_ABORTED => ERROR_UNEXP_NET_ERR, WSAECONNABORTED;
    UNEXPECTED_NETWORK_ERROR = STATUS_UNEXPECTED_NETWORK_ERROR => ERROR_UNEXP_NET_ERR, WSAENETDOWN;
    UNSUCCESSFUL = STATUS_UNSUCCESSFUL => ERROR_GEN_FAILURE, WSAEINVAL;
    USER_APC = STATUS_USER_APC => WAIT_IO_COMPLETION, WSAEINVAL; // a wait ended by APCs
    WORKING_SET_QUOTA = STATUS_WORKING_SET_QUOTA => ERROR_WORKING_SET_QUOTA, WSAENOBUFS;
}

wrapped_codes! {
    ACCESS = WSAEACCES;
    ADDRESS_FAMILY_UNSUPPORTED = WSAEAFNOSUPPORT;
    ADDRESS_IN_USE = WSAEADDRINUSE;
    ADDRESS_NOT_AVAILABLE = WSAEADDRNOTAVAIL;
    ALREADY = WSAEALREADY;
    BAD_PROTOCOL_TYPE = WSAEPROTOTYPE;
    CHILD_WITHOUT_PARENT = ERROR_TLW_WITH_WSCHILD;
    CLASS_ALREADY_EXISTS = ERROR_CLASS_ALREADY_EXISTS;
    CLASS_DOES_NOT_EXIST = ERROR_CLASS_DOES_NOT_EXIST;
    CLASS_HAS_WINDOWS = ERROR_CLASS_HAS_WINDOWS;
    CLASS_NOT_FOUND = ERROR_CANNOT_FIND_WND_CLASS;
    FAULT = WSAEFAULT;
    HOST_NOT_FOUND = WSAHOST_NOT_FOUND;
    INTERRUPTED = WSAEINTR;
    INVALID = WSAEINVAL;
    INVALID_INDEX = ERROR_INVALID_INDEX;
    INVALID_THREAD = ERROR_INVALID_THREAD_ID;
    INVALID_WINDOW = ERROR_INVALID_WINDOW_HANDLE;
    IN_PROGRESS = WSAEINPROGRESS;
    IO_PENDING = WSA_IO_PENDING;
    IS_CONNECTED = WSAEISCONN;
    LOOKUP_CANCELLED = WSA_E_CANCELLED;
    NETWORK_RESET = WSAENETRESET;
    NOT_CONNECTED = WSAENOTCONN;
    NOT_ENOUGH_MEMORY = WSA_NOT_ENOUGH_MEMORY;
    NOT_INITIALISED = WSANOTINITIALISED;
    NOT_SOCKET = WSAENOTSOCK;
    NO_BUFFERS = WSAENOBUFS;
    NO_DATA = WSANO_DATA;
    NO_PROTOCOL_OPTION = WSAENOPROTOOPT;
    NO_RECOVERY = WSANO_RECOVERY;
    NO_MORE_RESULTS = WSA_E_NO_MORE;
    NO_SUCH_CLASS = WSA_INVALID_PARAMETER; // of services, where no identifier is given
    NO_SUCH_HANDLE = WSA_INVALID_HANDLE; // where winsock tells it so
    NO_SUCH_SERVICE = WSASERVICE_NOT_FOUND; // in a name space
    OPERATION_UNSUPPORTED = WSAEOPNOTSUPP;
    PROTOCOL_FAMILY_UNSUPPORTED = WSAEPFNOSUPPORT;
    PROTOCOL_UNSUPPORTED = WSAEPROTONOSUPPORT;
    SERVICE_NOT_FOUND = WSATYPE_NOT_FOUND;
    SHUT_DOWN = WSAESHUTDOWN;
    SOCKET_TYPE_UNSUPPORTED = WSAESOCKTNOSUPPORT;
    SYSTEM_CALL_FAILURE = WSASYSCALLFAILURE;
    TIMED_OUT = WSAETIMEDOUT;
    TOO_MANY_SOCKETS = WSAEMFILE;
    TRY_AGAIN = WSATRY_AGAIN;
    VERSION_UNSUPPORTED = WSAVERNOTSUPPORTED;
    WAIT_TIMED_OUT = WAIT_TIMEOUT;
    WOULD_BLOCK = WSAEWOULDBLOCK;
}

impl Status {
    /// The status that carries a Win32 or WSA code unchanged to both edges.
    pub const fn from_win32(code: u32) -> Status {
        assert!(code <= 0xFFFF, "every Win32 and WSA code has 16 bits");
        Status((WRAPPED_WIN32 | code) as NTSTATUS)
    }

    /// The sign bit: set for errors, and for warnings (`BUFFER_OVERFLOW`), which count as failures.
    pub const fn is_failure(self) -> bool {
        self.0 < 0
    }

    /// The code at the Win32 edge: completion ports, `GetOverlappedResult`, handles, waits.
    pub fn to_win32(self) -> u32 {
        self.wrapped_code()
            .unwrap_or_else(|| self.translation().map_or(WIN32_UNLISTED, |row| row.win32))
    }

    /// The code at the Winsock edge: socket calls, `WSAGetOverlappedResult`, completion routines.
    pub fn to_winsock(self) -> u32 {
        self.wrapped_code().unwrap_or_else(|| {
            self.translation()
                .map_or(WINSOCK_UNLISTED, |row| row.winsock)
        })
    }

    /// Why an attempt to send, receive or accept on a stream socket failed.
    pub fn from_errno(errno: i32) -> Status {
        known_errno(errno).unwrap_or(Status::UNSUCCESSFUL)
    }

    /// Why a connect failed.
    pub fn from_connect_errno(errno: i32) -> Status {
        match errno {
            libc::ETIMEDOUT => Status::IO_TIMEOUT,
            // No address of this host reaches that one, say a link-local address without a scope.
            libc::EINVAL => Status::INVALID_ADDRESS_COMPONENT,
            _ => Status::from_errno(errno),
        }
    }

    /// Why a call that never completes later was refused: socket, bind, listen, accept, an option.
    pub fn from_call_errno(errno: i32) -> Status {
        match errno {
            libc::EMFILE | libc::ENFILE => Status::TOO_MANY_SOCKETS,
            _ => known_errno(errno).unwrap_or(Status::SYSTEM_CALL_FAILURE),
        }
    }

    fn wrapped_code(self) -> Option<u32> {
        let bits = self.0 as u32;
        (bits & 0xFFFF_0000 == WRAPPED_WIN32).then_some(bits & 0xFFFF)
    }

    fn translation(self) -> Option<&'static Translation> {
        TRANSLATION.iter().find(|row| row.status == self)
    }

    fn name(self) -> Option<&'static str> {
        let wrapped = || {
            WRAPPED_NAMES
                .iter()
                .find(|(status, _)| *status == self)
                .map(|(_, name)| *name)
        };
        self.translation().map(|row| row.name).or_else(wrapped)
    }
}

/// The status for an errno that Linux is known to give for a socket.
fn known_errno(errno: i32) -> Option<Status> {
    Some(match errno {
        libc::EACCES | libc::EPERM => Status::ACCESS_DENIED,
        libc::EADDRINUSE => Status::ADDRESS_ALREADY_EXISTS,
        libc::EADDRNOTAVAIL => Status::INVALID_ADDRESS_COMPONENT,
        libc::EAFNOSUPPORT => Status::ADDRESS_FAMILY_UNSUPPORTED,
        libc::EAGAIN | libc::EINPROGRESS => Status::DEVICE_NOT_READY, // never WSAEINPROGRESS
        libc::EALREADY => Status::ALREADY,
        libc::EBADF => Status::INVALID_HANDLE,
        libc::ECANCELED => Status::CANCELLED,
        libc::ECONNABORTED => Status::CONNECTION_ABORTED,
        libc::ECONNREFUSED => Status::CONNECTION_REFUSED,
        libc::ECONNRESET => Status::CONNECTION_RESET,
        libc::EDESTADDRREQ | libc::ENOTCONN => Status::INVALID_CONNECTION,
        libc::EDQUOT | libc::EFBIG | libc::ENOSPC => Status::DISK_FULL,
        libc::EFAULT => Status::ACCESS_VIOLATION,
        libc::EHOSTDOWN => Status::HOST_DOWN,
        libc::EHOSTUNREACH => Status::HOST_UNREACHABLE,
        libc::EINTR => Status::REQUEST_ABORTED,
        libc::EINVAL => Status::INVALID_PARAMETER,
        libc::EISCONN => Status::CONNECTION_ACTIVE,
        libc::EMFILE | libc::ENFILE => Status::TOO_MANY_OPENED_FILES,
        libc::EMSGSIZE => Status::INVALID_BUFFER_SIZE, // of a send; a receive that truncates is BUFFER_OVERFLOW
        libc::ENETDOWN => Status::UNEXPECTED_NETWORK_ERROR,
        libc::ENETRESET => Status::NETWORK_RESET,
        libc::ENETUNREACH => Status::NETWORK_UNREACHABLE,
        libc::ENOBUFS | libc::ENOMEM => Status::INSUFFICIENT_RESOURCES,
        libc::ENOPROTOOPT => Status::NO_PROTOCOL_OPTION,
        libc::ENOSYS => Status::NOT_IMPLEMENTED,
        libc::ENOTSOCK => Status::OBJECT_TYPE_MISMATCH,
        libc::EOPNOTSUPP => Status::NOT_SUPPORTED,
        libc::EPFNOSUPPORT => Status::PROTOCOL_FAMILY_UNSUPPORTED,
        libc::EPIPE => Status::CONNECTION_RESET, // after a reset; one's own shutdown is known beforehand
        libc::EPROTO => Status::CONNECTION_ABORTED, // a connection that was gone before accept took it
        libc::EPROTONOSUPPORT => Status::PROTOCOL_UNSUPPORTED,
        libc::EPROTOTYPE => Status::BAD_PROTOCOL_TYPE,
        libc::ESHUTDOWN => Status::PIPE_DISCONNECTED,
        libc::ESOCKTNOSUPPORT => Status::SOCKET_TYPE_UNSUPPORTED,
        libc::ETIMEDOUT => Status::CONNECTION_ABORTED, // retransmission gave up; of a connect: IO_TIMEOUT
        _ => return None,
    })
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Status({:#010x})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: RtlNtStatusToDosError; "Windows Sockets Error Codes".
    #[test]
    fn one_reset_has_two_numbers() {
        assert_eq!(Status::CONNECTION_RESET.0 as u32, 0xC000_020D);
        assert_eq!(Status::CONNECTION_RESET.to_win32(), 64);
        assert_eq!(Status::CONNECTION_RESET.to_winsock(), 10054);
    }

    /// The numbers as printed, so that a slip in the table of names shows.
    #[test]
    fn the_rows_have_the_documented_numbers() {
        const DOCUMENTED: &[(u32, u32, u32)] = &[
            (0x0000_0000, 0, 0),
            (0x0000_0080, 735, 10022),
            (0x0000_00C0, 192, 10022),
            (0x0000_0102, 1460, 10022),
            (0x0000_0103, 996, 996),
            (0x8000_0005, 234, 10040),
            (0xC000_0001, 31, 10022),
            (0xC000_0002, 1, 10045),
            (0xC000_0005, 998, 10014),
            (0xC000_0007, 1454, 10055),
            (0xC000_0008, 6, 10038),
            (0xC000_000D, 87, 10022),
            (0xC000_000E, 433, 10050),
            (0xC000_000F, 2, 10050),
            (0xC000_0010, 1, 10022),
            (0xC000_0011, 38, 10022),
            (0xC000_0017, 8, 10055),
            (0xC000_0018, 487, 10055),
            (0xC000_0022, 5, 10013),
            (0xC000_0023, 122, 10014),
            (0xC000_0024, 6, 10038),
            (0xC000_0034, 2, 10050),
            (0xC000_003A, 3, 10050),
            (0xC000_0043, 32, 10048),
            (0xC000_0044, 1816, 10055),
            (0xC000_0046, 288, 10022),
            (0xC000_0047, 298, 10022),
            (0xC000_0054, 33, 10022),
            (0xC000_007F, 112, 10022),
            (0xC000_0097, 8, 10055),
            (0xC000_009A, 1450, 10055),
            (0xC000_00A1, 1453, 10055),
            (0xC000_00A3, 21, 10035),
            (0xC000_00B0, 233, 10058),
            (0xC000_00B5, 121, 10060),
            (0xC000_00BB, 50, 10045),
            (0xC000_00BC, 51, 10061),
            (0xC000_00BE, 53, 10051),
            (0xC000_00BF, 54, 10050),
            (0xC000_00C3, 58, 10050),
            (0xC000_00C4, 59, 10050),
            (0xC000_00D0, 71, 10035),
            (0xC000_011F, 4, 10022),
            (0xC000_0120, 995, 995),
            (0xC000_012D, 1455, 10055),
            (0xC000_013B, 64, 10053),
            (0xC000_013C, 64, 10054),
            (0xC000_013D, 51, 10055),
            (0xC000_013E, 59, 10054),
            (0xC000_013F, 59, 10060),
            (0xC000_0140, 59, 10057),
            (0xC000_0141, 59, 10049),
            (0xC000_0206, 1784, 10040),
            (0xC000_0207, 1214, 10049),
            (0xC000_0209, 68, 10055),
            (0xC000_020A, 52, 10048),
            (0xC000_020C, 64, 10054),
            (0xC000_020D, 64, 10054),
            (0xC000_020F, 59, 10053),
            (0xC000_0225, 1168, 10022),
            (0xC000_0236, 1225, 10061),
            (0xC000_0237, 1226, 10101),
            (0xC000_023A, 1229, 10022),
            (0xC000_023B, 1230, 10056),
            (0xC000_023C, 1231, 10051),
            (0xC000_023D, 1232, 10065),
            (0xC000_023E, 1233, 10051),
            (0xC000_023F, 1234, 10054),
            (0xC000_0240, 1235, 10004),
            (0xC000_0241, 1236, 10053),
            (0xC000_02C5, 998, 10014),
            (0xC000_0350, 1256, 10064),
        ];
        for &(status, win32, winsock) in DOCUMENTED {
            let status = Status(status as NTSTATUS);
            assert_eq!(
                (status.to_win32(), status.to_winsock()),
                (win32, winsock),
                "{status:?}"
            );
        }
        assert_eq!(DOCUMENTED.len(), TRANSLATION.len());
    }

    #[test]
    fn unlisted_statuses_have_the_fallback_codes() {
        let unlisted = Status(0xC000_0999_u32 as NTSTATUS);
        assert_eq!((unlisted.to_win32(), unlisted.to_winsock()), (317, 10022));
    }

    #[test]
    fn a_wrapped_code_is_itself_at_both_edges() {
        for (status, _) in WRAPPED_NAMES {
            assert!(status.is_failure());
            assert_eq!(status.to_win32(), status.to_winsock());
        }
        assert_eq!(Status::NOT_SOCKET.0 as u32, 0xC007_2736);
        assert_eq!(Status::NOT_SOCKET.to_winsock(), 10038);
        assert_eq!(Status::WAIT_TIMED_OUT.to_win32(), 258);
        assert_eq!(Status::IO_PENDING.to_winsock(), 997);
    }

    #[test]
    fn a_warning_counts_as_a_failure_and_pending_does_not() {
        assert!(Status::BUFFER_OVERFLOW.is_failure());
        assert!(Status::CANCELLED.is_failure());
        assert!(!Status::PENDING.is_failure());
        assert!(!Status::SUCCESS.is_failure());
    }

    #[test]
    fn debug_shows_the_name() {
        assert_eq!(
            format!("{:?}", Status::CONNECTION_RESET),
            "CONNECTION_RESET"
        );
        assert_eq!(format!("{:?}", Status::NOT_SOCKET), "NOT_SOCKET");
        assert_eq!(
            format!("{:?}", Status(0xC000_0999_u32 as NTSTATUS)),
            "Status(0xc0000999)"
        );
    }

    #[test]
    fn every_errno_is_a_failure_through_every_door() {
        for errno in 1..=133 {
            let doors = [
                Status::from_errno,
                Status::from_connect_errno,
                Status::from_call_errno,
            ];
            for status in doors.map(|door| door(errno)) {
                assert!(status.is_failure(), "errno {errno}: {status:?}");
                assert!(status.name().is_some(), "errno {errno}: {status:?}");
                assert_ne!(
                    status.to_win32(),
                    WIN32_UNLISTED,
                    "errno {errno}: {status:?}"
                );
                assert_ne!(
                    status.to_winsock(),
                    WSAEINPROGRESS as u32,
                    "errno {errno}: {status:?}"
                );
            }
            if known_errno(errno).is_none() {
                assert_eq!(Status::from_errno(errno).to_win32(), 31, "errno {errno}");
                assert_eq!(
                    Status::from_call_errno(errno).to_winsock(),
                    10107,
                    "errno {errno}"
                );
            }
        }
    }

    #[test]
    fn an_errno_means_what_its_call_was_about() {
        use libc::{EADDRINUSE, ECONNREFUSED, ECONNRESET, EMFILE, ENOTCONN, EPIPE, ETIMEDOUT};
        let winsock = |status: Status| status.to_winsock();
        assert_eq!(winsock(Status::from_errno(ECONNRESET)), 10054);
        assert_eq!(winsock(Status::from_errno(EPIPE)), 10054);
        assert_eq!(winsock(Status::from_errno(ENOTCONN)), 10057);
        assert_eq!(winsock(Status::from_errno(ETIMEDOUT)), 10053);
        assert_eq!(winsock(Status::from_connect_errno(ETIMEDOUT)), 10060);
        assert_eq!(winsock(Status::from_connect_errno(ECONNREFUSED)), 10061);
        assert_eq!(winsock(Status::from_call_errno(EMFILE)), 10024);
        assert_eq!(winsock(Status::from_call_errno(EADDRINUSE)), 10048);
    }
}
