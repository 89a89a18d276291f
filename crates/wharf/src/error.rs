//! Failures, as Windows numbers them.
//!
//! Windows has two numbers for many a failure: what a Winsock call answers (10054 for a reset connection), and what a
//! completion port tells of an operation that was under way (64). [`Error`] carries the number that Windows gave;
//! [`Error::kind`] is where both meet.

use std::fmt;
use std::io::{self, ErrorKind};

use wharf_sys as sys;

/// A Win32 or Winsock error code.
///
/// ```
/// use wharf::Error;
///
/// assert_eq!(Error::CONNECTION_RESET.code(), 10054);
/// assert_eq!(Error::NETNAME_DELETED.kind(), std::io::ErrorKind::ConnectionReset); // the same, as ports tell it
/// assert_eq!(Error::from_code(10061).to_string(), "nobody listens there");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Error(u32);

/// The table of named codes: constant, Windows' name, kind for `std::io`, text.
macro_rules! codes {
    ($($(#[$note:meta])* $name:ident = $windows:ident, $kind:ident, $text:literal;)*) => {
        impl Error {
            $(
                #[doc = concat!("`", stringify!($windows), "`: ", $text, ".")]
                $(#[$note])*
                pub const $name: Error = Error(sys::$windows as u32);
            )*

            /// The kind that `std::io` has for it. Both numbers of one failure have the same kind.
            pub fn kind(self) -> ErrorKind {
                match self {
                    $(Error::$name => ErrorKind::$kind,)*
                    _ => ErrorKind::Other,
                }
            }

            /// Windows' name of the code, if it is one of those named here.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Error::$name => Some(stringify!($windows)),)*
                    _ => None,
                }
            }

            fn text(self) -> Option<&'static str> {
                match self {
                    $(Error::$name => Some($text),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const NAMED: &[Error] = &[$(Error::$name,)*];
    };
}

codes! {
    // Winsock calls, WSAGetOverlappedResult, completion routines, network events.
    INTERRUPTED = WSAEINTR, Interrupted, "the blocking call was interrupted";
    BAD_FILE = WSAEBADF, InvalidInput, "the file handle is not valid";
    ACCESS = WSAEACCES, PermissionDenied, "access is denied";
    FAULT = WSAEFAULT, InvalidInput, "a buffer or an address is too small";
    INVALID = WSAEINVAL, InvalidInput, "the socket's state or an argument does not allow it";
    TOO_MANY_SOCKETS = WSAEMFILE, Other, "there are no more socket handles";
    WOULD_BLOCK = WSAEWOULDBLOCK, WouldBlock, "it cannot be done at once, and the socket does not block";
    IN_PROGRESS = WSAEINPROGRESS, WouldBlock, "a blocking call is under way";
    ALREADY = WSAEALREADY, WouldBlock, "the socket is connecting already";
    NOT_SOCKET = WSAENOTSOCK, InvalidInput, "the handle is not a socket";
    DESTINATION_REQUIRED = WSAEDESTADDRREQ, InvalidInput, "there is no destination";
    MESSAGE_SIZE = WSAEMSGSIZE, InvalidInput, "the datagram is larger than the buffer or the limit";
    PROTOCOL_TYPE = WSAEPROTOTYPE, InvalidInput, "protocol and type of the socket do not fit";
    NO_PROTOCOL_OPTION = WSAENOPROTOOPT, InvalidInput, "the socket has no such option";
    PROTOCOL_NOT_SUPPORTED = WSAEPROTONOSUPPORT, Unsupported, "there is no such protocol";
    SOCKET_TYPE_NOT_SUPPORTED = WSAESOCKTNOSUPPORT, Unsupported, "there is no such type of socket";
    OPERATION_NOT_SUPPORTED = WSAEOPNOTSUPP, Unsupported, "this kind of socket, or these flags, do not allow it";
    PROTOCOL_FAMILY_NOT_SUPPORTED = WSAEPFNOSUPPORT, Unsupported, "there is no such family of protocols";
    ADDRESS_FAMILY_NOT_SUPPORTED = WSAEAFNOSUPPORT, InvalidInput, "the address is of another family than the socket";
    ADDRESS_IN_USE = WSAEADDRINUSE, AddrInUse, "the address is in use";
    ADDRESS_NOT_AVAILABLE = WSAEADDRNOTAVAIL, AddrNotAvailable, "the address is not of this machine, or not one to connect to";
    NETWORK_DOWN = WSAENETDOWN, NetworkDown, "the network is down";
    NETWORK_UNREACHABLE = WSAENETUNREACH, NetworkUnreachable, "there is no route to the network";
    NETWORK_RESET = WSAENETRESET, ConnectionReset, "the connection was found dead";
    CONNECTION_ABORTED = WSAECONNABORTED, ConnectionAborted, "the connection was aborted on this side";
    CONNECTION_RESET = WSAECONNRESET, ConnectionReset, "the connection was reset by its peer";
    NO_BUFFERS = WSAENOBUFS, OutOfMemory, "there is no room for more";
    IS_CONNECTED = WSAEISCONN, InvalidInput, "the socket is connected already";
    NOT_CONNECTED = WSAENOTCONN, NotConnected, "the socket is not connected";
    SHUT_DOWN = WSAESHUTDOWN, BrokenPipe, "this direction of the socket was shut down";
    TOO_MANY_REFERENCES = WSAETOOMANYREFS, Other, "there are too many references";
    TIMED_OUT = WSAETIMEDOUT, TimedOut, "there was no answer in time";
    CONNECTION_REFUSED = WSAECONNREFUSED, ConnectionRefused, "nobody listens there";
    LOOP = WSAELOOP, InvalidInput, "the name goes round in circles";
    NAME_TOO_LONG = WSAENAMETOOLONG, InvalidInput, "the name is too long";
    HOST_DOWN = WSAEHOSTDOWN, HostUnreachable, "the host is down";
    HOST_UNREACHABLE = WSAEHOSTUNREACH, HostUnreachable, "there is no route to the host";
    PROCESS_LIMIT = WSAEPROCLIM, Other, "too many processes use the library";
    SYSTEM_NOT_READY = WSASYSNOTREADY, Other, "the network cannot be used yet";
    VERSION_NOT_SUPPORTED = WSAVERNOTSUPPORTED, Unsupported, "the library has no such version";
    NOT_INITIALISED = WSANOTINITIALISED, Other, "the library was not started, or cannot be used in this process";
    DISCONNECTED = WSAEDISCON, UnexpectedEof, "the peer has ended the conversation";
    SYSTEM_CALL_FAILURE = WSASYSCALLFAILURE, Other, "a system call failed that must not fail";
    HOST_NOT_FOUND = WSAHOST_NOT_FOUND, NotFound, "there is no such host";
    TRY_AGAIN = WSATRY_AGAIN, Other, "the name cannot be looked up now";
    NO_RECOVERY = WSANO_RECOVERY, Other, "the name cannot be looked up";
    NO_DATA = WSANO_DATA, NotFound, "the name has no such address";

    // Handles, waits, and operations as completion ports and GetOverlappedResult tell of them.
    INVALID_FUNCTION = ERROR_INVALID_FUNCTION, Unsupported, "the object has no such function";
    TOO_MANY_OPEN_FILES = ERROR_TOO_MANY_OPEN_FILES, Other, "there are no more handles";
    ACCESS_DENIED = ERROR_ACCESS_DENIED, PermissionDenied, "access is denied";
    INVALID_HANDLE = ERROR_INVALID_HANDLE, InvalidInput, "the handle is not, or no longer, valid";
    NOT_ENOUGH_MEMORY = ERROR_NOT_ENOUGH_MEMORY, OutOfMemory, "there is not enough memory";
    GEN_FAILURE = ERROR_GEN_FAILURE, Other, "it failed";
    NOT_SUPPORTED = ERROR_NOT_SUPPORTED, Unsupported, "it is not supported";
    NETNAME_DELETED = ERROR_NETNAME_DELETED, ConnectionReset, "the connection was reset by its peer";
    INVALID_PARAMETER = ERROR_INVALID_PARAMETER, InvalidInput, "an argument is outside what is accepted";
    SEM_TIMEOUT = ERROR_SEM_TIMEOUT, TimedOut, "there was no answer in time";
    INSUFFICIENT_BUFFER = ERROR_INSUFFICIENT_BUFFER, InvalidInput, "the buffer is too small";
    MORE_DATA = ERROR_MORE_DATA, InvalidInput, "the datagram is larger than the buffer";
    WAIT_TIMEOUT = WAIT_TIMEOUT, TimedOut, "the time passed";
    NOT_OWNER = ERROR_NOT_OWNER, PermissionDenied, "the mutex belongs to another thread";
    TOO_MANY_POSTS = ERROR_TOO_MANY_POSTS, InvalidInput, "the semaphore has a smaller maximum";
    ABANDONED_WAIT = ERROR_ABANDONED_WAIT_0, BrokenPipe, "the completion port was closed";
    OPERATION_ABORTED = ERROR_OPERATION_ABORTED, ConnectionAborted, "the operation was cancelled";
    IO_INCOMPLETE = ERROR_IO_INCOMPLETE, WouldBlock, "the operation is not finished yet";
    IO_PENDING = ERROR_IO_PENDING, WouldBlock, "the operation is under way";
    NO_ACCESS = ERROR_NOACCESS, InvalidInput, "there is no such memory";
    NOT_FOUND = ERROR_NOT_FOUND, NotFound, "there was nothing to cancel";
    PORT_CONNECTION_REFUSED = ERROR_CONNECTION_REFUSED, ConnectionRefused, "nobody listens there";
    GRACEFUL_DISCONNECT = ERROR_GRACEFUL_DISCONNECT, UnexpectedEof, "the peer has ended the conversation";
    CONNECTION_INVALID = ERROR_CONNECTION_INVALID, NotConnected, "there is no such connection";
    CONNECTION_ACTIVE = ERROR_CONNECTION_ACTIVE, InvalidInput, "the socket is connected already";
    PORT_NETWORK_UNREACHABLE = ERROR_NETWORK_UNREACHABLE, NetworkUnreachable, "there is no route to the network";
    PORT_HOST_UNREACHABLE = ERROR_HOST_UNREACHABLE, HostUnreachable, "there is no route to the host";
    PROTOCOL_UNREACHABLE = ERROR_PROTOCOL_UNREACHABLE, HostUnreachable, "the host does not know the protocol";
    PORT_UNREACHABLE = ERROR_PORT_UNREACHABLE, ConnectionReset, "no socket of the host has that port";
    REQUEST_ABORTED = ERROR_REQUEST_ABORTED, Interrupted, "the request was aborted";
    PORT_CONNECTION_ABORTED = ERROR_CONNECTION_ABORTED, ConnectionAborted, "the connection was aborted on this side";
    HOST_IS_DOWN = ERROR_HOST_DOWN, HostUnreachable, "the host is down";
    NO_SYSTEM_RESOURCES = ERROR_NO_SYSTEM_RESOURCES, OutOfMemory, "the system lacks descriptors or memory";
    TIMEOUT = ERROR_TIMEOUT, TimedOut, "the time passed";
    INVALID_WINDOW_HANDLE = ERROR_INVALID_WINDOW_HANDLE, InvalidInput, "there is no such window";
    CLASS_ALREADY_EXISTS = ERROR_CLASS_ALREADY_EXISTS, AlreadyExists, "there is a window class of that name";
    NOT_ENOUGH_QUOTA = ERROR_NOT_ENOUGH_QUOTA, Other, "the message queue is full";
}

impl Error {
    /// The error with this number, named here or not.
    pub const fn from_code(code: u32) -> Error {
        Error(code)
    }

    /// The number.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The calling thread's last error.
    pub(crate) fn last() -> Error {
        // SAFETY: it has no preconditions.
        Error(unsafe { sys::GetLastError() })
    }

    /// The last error, if `failed`.
    pub(crate) fn last_if(failed: bool) -> Result<(), Error> {
        if failed { Err(Error::last()) } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "Error({}, {name})", self.0),
            None => write!(f, "Error({})", self.0),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text),
            None => write!(f, "Windows error {}", self.0),
        }
    }
}

impl std::error::Error for Error {}

/// The kind is [`Error::kind`]; the code comes back with [`io::Error::get_ref`] and `downcast_ref::<Error>()`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_one_name() {
        let distinct: HashSet<Error> = NAMED.iter().copied().collect();
        assert_eq!(distinct.len(), NAMED.len());
    }

    #[test]
    fn both_numbers_of_a_failure_have_one_kind() {
        for (call, port) in [
            (Error::CONNECTION_RESET, Error::NETNAME_DELETED),
            (Error::CONNECTION_ABORTED, Error::PORT_CONNECTION_ABORTED),
            (Error::CONNECTION_REFUSED, Error::PORT_CONNECTION_REFUSED),
            (Error::TIMED_OUT, Error::SEM_TIMEOUT),
            (Error::NETWORK_UNREACHABLE, Error::PORT_NETWORK_UNREACHABLE),
            (Error::HOST_UNREACHABLE, Error::PORT_HOST_UNREACHABLE),
            (Error::MESSAGE_SIZE, Error::MORE_DATA),
            (Error::NOT_SOCKET, Error::INVALID_HANDLE),
        ] {
            assert_eq!(call.kind(), port.kind(), "{call:?} and {port:?}");
        }
    }

    #[test]
    fn the_code_survives_the_way_through_io() {
        let error = io::Error::from(Error::CONNECTION_REFUSED);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert_eq!(inner, Some(&Error::CONNECTION_REFUSED));
    }

    #[test]
    fn unnamed_codes_are_told_by_number() {
        assert_eq!(Error::from_code(4711).to_string(), "Windows error 4711");
        assert_eq!(format!("{:?}", Error::from_code(4711)), "Error(4711)");
        assert_eq!(format!("{:?}", Error::INVALID), "Error(10022, WSAEINVAL)");
    }
}
