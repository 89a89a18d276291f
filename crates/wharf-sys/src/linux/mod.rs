//! The Windows function set on Linux. How it works: ARCHITECTURE.md.

mod abi;
mod doctor;
mod engine;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod last_error;
mod lock;
mod messages;
mod names;
mod objects;
#[doc(hidden)]
pub mod observe;
mod parity;
mod sockets;
mod startup;
mod status;
mod system;
mod threads;
mod trace;

pub use abi::addrinfoex::{
    FreeAddrInfoEx, FreeAddrInfoExW, GetAddrInfoExA, GetAddrInfoExCancel,
    GetAddrInfoExOverlappedResult, GetAddrInfoExW, SetAddrInfoExA, SetAddrInfoExW,
};
pub use abi::async_database::{
    WSAAsyncGetHostByAddr, WSAAsyncGetHostByName, WSAAsyncGetProtoByName, WSAAsyncGetProtoByNumber,
    WSAAsyncGetServByName, WSAAsyncGetServByPort, WSACancelAsyncRequest,
};
pub use abi::blocking::{
    WSACancelBlockingCall, WSAIsBlocking, WSASetBlockingHook, WSAUnhookBlockingHook,
};
pub use abi::connection::{
    WSAAccept, WSAConnect, WSAConnectByList, WSAConnectByNameA, WSAConnectByNameW,
    WSADuplicateSocketA, WSADuplicateSocketW, WSARecvDisconnect, WSASendDisconnect,
};
pub use abi::control::{WSAIoctl, getsockopt, ioctlsocket, setsockopt};
pub use abi::datagram::{WSARecvEx, WSARecvFrom, WSASendMsg, WSASendTo, recvfrom, sendto};
pub use abi::descriptor::{wharf_fd_to_socket, wharf_handle_to_fd};
pub use abi::handle::*;
pub use abi::hosts::{
    GetHostNameW, gethostbyaddr, gethostbyname, gethostname, getprotobyname, getprotobynumber,
    getservbyname, getservbyport,
};
#[doc(hidden)]
pub use abi::in_units;
pub use abi::inet::{
    InetNtopW, InetPtonW, WSAAddressToStringA, WSAAddressToStringW, WSAHtonl, WSAHtons, WSANtohl,
    WSANtohs, WSAStringToAddressA, WSAStringToAddressW, htonl, htons, inet_addr, inet_ntoa,
    inet_ntop, inet_pton, ntohl, ntohs,
};
pub use abi::ioapi::{
    CancelIo, CancelIoEx, CancelSynchronousIo, CreateIoCompletionPort, GetOverlappedResult,
    GetOverlappedResultEx, GetQueuedCompletionStatus, GetQueuedCompletionStatusEx,
    PostQueuedCompletionStatus, SetFileCompletionNotificationModes,
};
pub use abi::lookup::{
    WSALookupServiceBeginA, WSALookupServiceBeginW, WSALookupServiceEnd, WSALookupServiceNextA,
    WSALookupServiceNextW, WSANSPIoctl,
};
#[doc(hidden)]
pub use abi::message::send_message_wide32;
pub use abi::message::{
    DispatchMessageA, DispatchMessageW, GetMessageA, GetMessageW, KillTimer,
    MsgWaitForMultipleObjects, MsgWaitForMultipleObjectsEx, PeekMessageA, PeekMessageW,
    PostMessageA, PostMessageW, PostQuitMessage, PostThreadMessageA, PostThreadMessageW,
    SendMessageA, SendMessageW, SetTimer, TranslateMessage,
};
pub use abi::mswsock::{AcceptEx, GetAcceptExSockaddrs};
pub use abi::multipoint::{WSAGetQOSByName, WSAJoinLeaf};
pub use abi::name_spaces::{
    WSAEnumNameSpaceProvidersA, WSAEnumNameSpaceProvidersExA, WSAEnumNameSpaceProvidersExW,
    WSAEnumNameSpaceProvidersW,
};
pub use abi::object::*;
pub use abi::protocols::*;
pub use abi::provider::WSAProviderConfigChange;
#[doc(hidden)]
pub use abi::readiness::select_within;
pub use abi::readiness::{
    __WSAFDIsSet, WSAAsyncSelect, WSAEnumNetworkEvents, WSAEventSelect, WSAPoll, select,
};
pub use abi::services::{
    WSAGetServiceClassInfoA, WSAGetServiceClassInfoW, WSAGetServiceClassNameByClassIdA,
    WSAGetServiceClassNameByClassIdW, WSAInstallServiceClassA, WSAInstallServiceClassW,
    WSARemoveServiceClass, WSASetServiceA, WSASetServiceW,
};
pub use abi::synch::{
    DeleteCriticalSection, EnterCriticalSection, InitializeCriticalSection,
    InitializeCriticalSectionAndSpinCount, InitializeCriticalSectionEx, LeaveCriticalSection,
    SignalObjectAndWait, Sleep, SleepEx, TryEnterCriticalSection, WaitForMultipleObjects,
    WaitForMultipleObjectsEx, WaitForSingleObject, WaitForSingleObjectEx,
};
pub use abi::sysinfo::*;
pub use abi::thread::{
    _beginthreadex, _endthreadex, CreateThread, ExitThread, GetCurrentProcess, GetCurrentProcessId,
    GetCurrentThread, GetCurrentThreadId, GetExitCodeThread, GetThreadId, QueueUserAPC,
    ResumeThread, SwitchToThread,
};
pub use abi::timer::*;
pub use abi::transfer::{WSAGetOverlappedResult, WSARecv, WSASend, recv, send};
pub use abi::user::{
    CreateWindowExA, CreateWindowExW, DefWindowProcA, DefWindowProcW, DestroyWindow,
    GetWindowLongA, GetWindowLongPtrA, GetWindowLongPtrW, GetWindowLongW, GetWindowThreadProcessId,
    IsWindow, MessageBoxA, MessageBoxW, RegisterClassA, RegisterClassExA, RegisterClassExW,
    RegisterClassW, SetWindowLongA, SetWindowLongPtrA, SetWindowLongPtrW, SetWindowLongW,
    ShowWindow, UnregisterClassA, UnregisterClassW, UpdateWindow,
};
#[doc(hidden)]
pub use abi::user::{register_class_wide32, set_window_long_ptr_wide32};
pub use abi::winsock2::{
    WSACleanup, WSACloseEvent, WSACreateEvent, WSAGetLastError, WSAResetEvent, WSASetEvent,
    WSASetLastError, WSASocketA, WSASocketW, WSAStartup, WSAWaitForMultipleEvents, accept, bind,
    closesocket, connect, getpeername, getsockname, listen, shutdown, socket,
};
pub use abi::ws2tcpip::{
    FreeAddrInfoW, GetAddrInfoW, GetNameInfoW, freeaddrinfo, getaddrinfo, getnameinfo,
};
pub use doctor::{Findings, doctor};

/// Sockets as descriptors of Linux, and the other way. Windows has nothing like it.
pub mod fd {
    pub use super::abi::descriptor::{borrow_fd, from_fd, into_fd, to_fd};
}

/// Sockets as what the standard library's are made of, by the same names on both systems.
pub mod owned {
    /// What owns a socket in the standard library.
    pub type Owned = std::os::fd::OwnedFd;
    pub use super::abi::descriptor::{from_fd as from_owned, into_fd as into_owned};

    /// Whether a socket that came in, or was lent, may have operations under way that others have started.
    pub const SHARES_OPERATIONS: bool = false;

    /// Whether a call that fails at once may have been an operation all the same, which packet, event or routine tell of too.
    pub const REPORTS_WARNINGS: bool = false;
}
