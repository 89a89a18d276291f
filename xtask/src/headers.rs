//! The numbers in the C headers of `crates/wharf-capi`, drawn from one table of names.
//!
//! The table below holds names only. Each value, size and offset is asked of `windows-sys`, so the headers
//! cannot disagree with Microsoft's metadata. Four files are drawn from it:
//!
//! - `include/wharf/constants.h`: what `windows.h` defines.
//! - `include/wharf/socket_constants.h`: what `winsock2.h` defines. libc uses many of these names for other
//!   numbers, so the file undefines each one first and may be read again after a header of libc.
//! - `include/wharf/undefine_socket_constants.h`: read before a header of libc, which may use the same name
//!   for an enumerator.
//! - `tests/c/contract.c`: every value, size and offset as a static assertion. It is compiled against the
//!   headers here and against MinGW's, so that a second, independent set of headers is judge.
//!
//! `cargo run -p xtask -- headers` writes them ([`files`]); a test there fails when a file is not up to date.

mod files;

use std::mem::offset_of;

use windows_sys::Win32::Foundation::*;
use windows_sys::Win32::Networking::WinSock::*;
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, SYNCHRONIZE};
use windows_sys::Win32::System::Com::BLOB;
use windows_sys::Win32::System::IO::*;
use windows_sys::Win32::System::Registry::{REG_BINARY, REG_DWORD, REG_SZ};
use windows_sys::Win32::System::SystemInformation::SYSTEM_INFO;
use windows_sys::Win32::System::SystemServices::*;
use windows_sys::Win32::System::Threading::*;
use windows_sys::Win32::System::WindowsProgramming::*;
use windows_sys::Win32::UI::WindowsAndMessaging::*;
use windows_sys::core::GUID;

pub use files::write;

/// A group of constants that are written alike.
#[derive(Clone)]
pub struct Section {
    pub title: &'static str,
    radix: Radix,
    pub constants: Vec<(&'static str, i64)>,
}

impl Section {
    /// A value as the header has it.
    pub fn literal(&self, value: i64) -> String {
        self.radix.literal(value)
    }
}

#[derive(Clone, Copy)]
enum Radix {
    Decimal,
    Hexadecimal,
}

impl Radix {
    /// The value as a C literal. Hexadecimal literals are the 32-bit pattern, as Microsoft writes flags.
    fn literal(self, value: i64) -> String {
        match self {
            Radix::Decimal if value < 0 => format!("({value})"),
            Radix::Decimal => value.to_string(),
            Radix::Hexadecimal => format!("0x{:X}", value as u32),
        }
    }
}

macro_rules! sections {
    ($($title:literal $radix:ident { $($name:ident),* $(,)? })*) => {
        vec![$(Section {
            title: $title,
            radix: Radix::$radix,
            constants: vec![$((stringify!($name), i64::from($name))),*],
        }),*]
    };
}

/// What `windows.h` defines.
pub fn kernel_constants() -> Vec<Section> {
    use derived::{PM_QS_INPUT, QS_ALLEVENTS, QS_ALLINPUT, QS_INPUT};
    sections! {
        "Truth values and limits" Decimal { FALSE, TRUE, MAX_PATH }
        "Limits" Hexadecimal { MAXDWORD }
        "Waiting" Hexadecimal {
            INFINITE, WAIT_OBJECT_0, WAIT_ABANDONED, WAIT_ABANDONED_0, WAIT_IO_COMPLETION, WAIT_TIMEOUT,
            WAIT_FAILED,
        }
        "Waiting" Decimal { MAXIMUM_WAIT_OBJECTS }
        "Threads" Hexadecimal { STILL_ACTIVE, CREATE_SUSPENDED, STACK_SIZE_PARAM_IS_A_RESERVATION }
        "Events, mutexes, semaphores and timers" Hexadecimal {
            CREATE_EVENT_MANUAL_RESET, CREATE_EVENT_INITIAL_SET, CREATE_MUTEX_INITIAL_OWNER,
            CREATE_WAITABLE_TIMER_MANUAL_RESET, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, EVENT_MODIFY_STATE,
            EVENT_ALL_ACCESS, MUTEX_MODIFY_STATE, MUTEX_ALL_ACCESS, SEMAPHORE_MODIFY_STATE,
            SEMAPHORE_ALL_ACCESS, TIMER_MODIFY_STATE, TIMER_QUERY_STATE, TIMER_ALL_ACCESS, SYNCHRONIZE,
        }
        "Handles" Hexadecimal {
            DUPLICATE_CLOSE_SOURCE, DUPLICATE_SAME_ACCESS, FILE_FLAG_OVERLAPPED,
            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
        }
        "The statuses that winnt.h gives" Hexadecimal {
            STATUS_WAIT_0, STATUS_ABANDONED_WAIT_0, STATUS_USER_APC, STATUS_TIMEOUT, STATUS_PENDING,
            STATUS_ACCESS_VIOLATION, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY,
        }
        "Errors" Decimal {
            NO_ERROR, ERROR_SUCCESS, ERROR_INVALID_FUNCTION, ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND,
            ERROR_TOO_MANY_OPEN_FILES, ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE, ERROR_NOT_ENOUGH_MEMORY,
            ERROR_OUTOFMEMORY, ERROR_NOT_READY, ERROR_CRC, ERROR_WRITE_FAULT, ERROR_READ_FAULT,
            ERROR_GEN_FAILURE, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_HANDLE_EOF,
            ERROR_NOT_SUPPORTED, ERROR_DUP_NAME, ERROR_BAD_NETPATH, ERROR_UNEXP_NET_ERR,
            ERROR_NETNAME_DELETED, ERROR_REQ_NOT_ACCEP, ERROR_INVALID_PARAMETER, ERROR_BROKEN_PIPE,
            ERROR_BUFFER_OVERFLOW, ERROR_DISK_FULL, ERROR_CALL_NOT_IMPLEMENTED, ERROR_SEM_TIMEOUT,
            ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_NAME, ERROR_ALREADY_EXISTS, ERROR_ENVVAR_NOT_FOUND,
            ERROR_PIPE_NOT_CONNECTED, ERROR_MORE_DATA, ERROR_NOT_OWNER, ERROR_MR_MID_NOT_FOUND,
            ERROR_INVALID_ADDRESS, ERROR_ABANDONED_WAIT_0, ERROR_OPERATION_ABORTED, ERROR_IO_INCOMPLETE,
            ERROR_IO_PENDING, ERROR_NOACCESS, ERROR_NOT_FOUND, ERROR_CONNECTION_UNAVAIL,
            ERROR_INVALID_NETNAME, ERROR_CONNECTION_REFUSED, ERROR_GRACEFUL_DISCONNECT,
            ERROR_CONNECTION_INVALID, ERROR_CONNECTION_ACTIVE, ERROR_NETWORK_UNREACHABLE,
            ERROR_HOST_UNREACHABLE, ERROR_PROTOCOL_UNREACHABLE, ERROR_PORT_UNREACHABLE,
            ERROR_REQUEST_ABORTED, ERROR_CONNECTION_ABORTED, ERROR_CONNECTION_COUNT_LIMIT, ERROR_HOST_DOWN,
            ERROR_NO_SYSTEM_RESOURCES, ERROR_TIMEOUT, ERROR_INVALID_USER_BUFFER, ERROR_TOO_MANY_POSTS,
            ERROR_INVALID_WINDOW_HANDLE, ERROR_TLW_WITH_WSCHILD, ERROR_CANNOT_FIND_WND_CLASS,
            ERROR_CLASS_ALREADY_EXISTS, ERROR_CLASS_DOES_NOT_EXIST, ERROR_CLASS_HAS_WINDOWS,
            ERROR_INVALID_INDEX, ERROR_INVALID_THREAD_ID, ERROR_NOT_ENOUGH_QUOTA,
        }
        "Messages" Hexadecimal {
            WM_NULL, WM_CREATE, WM_DESTROY, WM_MOVE, WM_SIZE, WM_SETTEXT, WM_GETTEXT, WM_GETTEXTLENGTH, WM_PAINT,
            WM_CLOSE, WM_QUIT, WM_SHOWWINDOW, WM_NCCREATE, WM_NCDESTROY, WM_KEYDOWN, WM_KEYUP, WM_CHAR,
            WM_COMMAND, WM_TIMER, WM_USER, WM_APP,
        }
        "PeekMessage" Hexadecimal {
            PM_NOREMOVE, PM_REMOVE, PM_NOYIELD, PM_QS_INPUT, PM_QS_PAINT, PM_QS_POSTMESSAGE,
            PM_QS_SENDMESSAGE,
        }
        "MsgWaitForMultipleObjectsEx" Hexadecimal {
            QS_KEY, QS_MOUSEMOVE, QS_MOUSEBUTTON, QS_MOUSE, QS_POSTMESSAGE, QS_TIMER, QS_PAINT,
            QS_SENDMESSAGE, QS_HOTKEY, QS_ALLPOSTMESSAGE, QS_RAWINPUT, QS_TOUCH, QS_POINTER, QS_INPUT,
            QS_ALLEVENTS, QS_ALLINPUT, MWMO_WAITALL, MWMO_ALERTABLE,
            MWMO_INPUTAVAILABLE,
        }
        "GetWindowLongPtr" Decimal {
            GWL_STYLE, GWL_EXSTYLE, GWLP_WNDPROC, GWLP_HINSTANCE, GWLP_HWNDPARENT, GWLP_ID, GWLP_USERDATA,
        }
        "Classes and windows" Hexadecimal {
            CS_VREDRAW, CS_HREDRAW, CS_DBLCLKS, CS_OWNDC, CS_CLASSDC, CS_PARENTDC, CS_NOCLOSE, CS_GLOBALCLASS,
            WS_OVERLAPPED, WS_POPUP, WS_CHILD, WS_MINIMIZE, WS_VISIBLE, WS_DISABLED, WS_CLIPSIBLINGS,
            WS_CLIPCHILDREN, WS_MAXIMIZE, WS_CAPTION, WS_BORDER, WS_DLGFRAME, WS_VSCROLL, WS_HSCROLL,
            WS_SYSMENU, WS_THICKFRAME, WS_GROUP, WS_TABSTOP, WS_MINIMIZEBOX, WS_MAXIMIZEBOX,
            WS_OVERLAPPEDWINDOW, WS_EX_TOPMOST, WS_EX_CLIENTEDGE, CW_USEDEFAULT,
        }
        "ShowWindow" Decimal {
            SW_HIDE, SW_SHOWNORMAL, SW_NORMAL, SW_SHOWMINIMIZED, SW_SHOWMAXIMIZED, SW_SHOW, SW_RESTORE,
            SW_SHOWDEFAULT,
        }
        "MessageBox" Hexadecimal {
            MB_OK, MB_OKCANCEL, MB_YESNOCANCEL, MB_YESNO, MB_ICONERROR, MB_ICONHAND, MB_ICONSTOP,
            MB_ICONQUESTION, MB_ICONWARNING, MB_ICONEXCLAMATION, MB_ICONINFORMATION, MB_ICONASTERISK,
            MB_TOPMOST, MB_SETFOREGROUND,
        }
        "MessageBox" Decimal { IDOK, IDCANCEL, IDABORT, IDRETRY, IDIGNORE, IDYES, IDNO }
        "Values of the registry" Decimal { REG_SZ, REG_BINARY, REG_DWORD }
        "SetTimer" Hexadecimal { USER_TIMER_MINIMUM, USER_TIMER_MAXIMUM }
    }
}

/// What `winsock2.h` and its companions define.
pub fn socket_constants() -> Vec<Section> {
    use derived::*;
    sections! {
        "Results" Decimal { SOCKET_ERROR, WSADESCRIPTION_LEN, WSASYS_STATUS_LEN, MAXGETHOSTSTRUCT }
        "Results" Hexadecimal { SOMAXCONN, FROM_PROTOCOL_INFO }
        "Waiting" Hexadecimal {
            WSA_INFINITE, WSA_WAIT_EVENT_0, WSA_WAIT_IO_COMPLETION, WSA_WAIT_TIMEOUT, WSA_WAIT_FAILED,
        }
        "Waiting" Decimal { WSA_MAXIMUM_WAIT_EVENTS }
        "Addresses" Hexadecimal {
            INADDR_ANY, INADDR_LOOPBACK, INADDR_BROADCAST, INADDR_NONE, ADDR_ANY,
        }
        "Addresses" Decimal { INET_ADDRSTRLEN, INET6_ADDRSTRLEN, NI_MAXHOST, NI_MAXSERV, IPPORT_RESERVED }
        "Address families" Decimal {
            AF_UNSPEC, AF_UNIX, AF_INET, AF_IPX, AF_NETBIOS, AF_INET6, AF_IRDA, AF_BTH, AF_MAX, PF_UNSPEC,
            PF_UNIX, PF_INET, PF_INET6,
        }
        "Socket types" Decimal { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET }
        "Levels of options" Hexadecimal { SOL_SOCKET }
        "Protocols" Decimal {
            IPPROTO_IP, IPPROTO_HOPOPTS, IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_GGP, IPPROTO_IPV4, IPPROTO_TCP,
            IPPROTO_PUP, IPPROTO_UDP, IPPROTO_IDP, IPPROTO_IPV6, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
            IPPROTO_ESP, IPPROTO_AH, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_DSTOPTS, IPPROTO_ND, IPPROTO_RAW,
            IPPROTO_MAX,
        }
        "Options of SOL_SOCKET" Hexadecimal {
            SO_DEBUG, SO_ACCEPTCONN, SO_REUSEADDR, SO_KEEPALIVE, SO_DONTROUTE, SO_BROADCAST,
            SO_USELOOPBACK, SO_LINGER, SO_OOBINLINE, SO_SNDBUF, SO_RCVBUF, SO_SNDLOWAT, SO_RCVLOWAT,
            SO_SNDTIMEO, SO_RCVTIMEO, SO_ERROR, SO_TYPE, SO_BSP_STATE, SO_GROUP_ID, SO_GROUP_PRIORITY,
            SO_MAX_MSG_SIZE, SO_PROTOCOL_INFOA, SO_PROTOCOL_INFOW, PVD_CONFIG, SO_CONDITIONAL_ACCEPT,
            SO_PAUSE_ACCEPT, SO_COMPARTMENT_ID, SO_RANDOMIZE_PORT, SO_PORT_SCALABILITY,
            SO_REUSE_UNICASTPORT, SO_REUSE_MULTICASTPORT, SO_OPENTYPE, SO_SYNCHRONOUS_ALERT,
            SO_SYNCHRONOUS_NONALERT, SO_MAXDG, SO_MAXPATHDG, SO_UPDATE_ACCEPT_CONTEXT, SO_CONNECT_TIME,
            SO_UPDATE_CONNECT_CONTEXT, SO_CONNDATA, SO_CONNOPT, SO_DISCDATA, SO_DISCOPT, SO_CONNDATALEN,
            SO_CONNOPTLEN, SO_DISCDATALEN, SO_DISCOPTLEN,
        }
        "Options that are the complement of another" Decimal { SO_DONTLINGER, SO_EXCLUSIVEADDRUSE }
        "Options of IPPROTO_IP" Decimal {
            IP_OPTIONS, IP_HDRINCL, IP_TOS, IP_TTL, IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP,
            IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_DONTFRAGMENT, IP_ADD_SOURCE_MEMBERSHIP,
            IP_DROP_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE, IP_PKTINFO, IP_HOPLIMIT,
            IP_RECEIVE_BROADCAST, IP_RECVIF, IP_RECVDSTADDR, IP_IFLIST, IP_ADD_IFLIST, IP_DEL_IFLIST,
            IP_UNICAST_IF, IP_RTHDR, IP_RECVRTHDR, IP_TCLASS, IP_RECVTCLASS, IP_RECVTTL, IP_RECVTOS,
            IP_ORIGINAL_ARRIVAL_IF, IP_ECN, IP_MTU_DISCOVER, IP_MTU, IP_RECVERR, IP_USER_MTU,
            MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP, MCAST_BLOCK_SOURCE, MCAST_UNBLOCK_SOURCE,
            MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP, IP_GET_IFLIST,
        }
        "Options of IPPROTO_IPV6" Decimal {
            IPV6_HOPOPTS, IPV6_HDRINCL, IPV6_UNICAST_HOPS, IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS,
            IPV6_MULTICAST_LOOP, IPV6_ADD_MEMBERSHIP, IPV6_JOIN_GROUP, IPV6_DROP_MEMBERSHIP,
            IPV6_LEAVE_GROUP, IPV6_DONTFRAG, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_PROTECTION_LEVEL,
            IPV6_RECVIF, IPV6_RECVDSTADDR, IPV6_CHECKSUM, IPV6_V6ONLY, IPV6_IFLIST, IPV6_ADD_IFLIST,
            IPV6_DEL_IFLIST, IPV6_UNICAST_IF, IPV6_RTHDR, IPV6_RECVRTHDR, IPV6_TCLASS, IPV6_RECVTCLASS,
            IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR, IPV6_USER_MTU, IPV6_GET_IFLIST, IPV6_ECN,
        }
        "Options of IPPROTO_TCP and IPPROTO_UDP" Decimal {
            TCP_NODELAY, TCP_EXPEDITED_1122, TCP_KEEPALIVE, TCP_MAXSEG, TCP_MAXRT, TCP_STDURG, TCP_NOURG,
            TCP_ATMARK, TCP_NOSYNRETRIES, TCP_TIMESTAMPS, TCP_OFFLOAD_PREFERENCE, TCP_CONGESTION_ALGORITHM,
            TCP_DELAY_FIN_ACK, TCP_MAXRTMS, TCP_FASTOPEN, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL,
            TCP_FAIL_CONNECT_ON_ICMP_ERROR, TCP_BSDURGENT, UDP_NOCHECKSUM, UDP_CHECKSUM_COVERAGE,
            UDP_SEND_MSG_SIZE, UDP_RECV_MAX_COALESCED_SIZE,
        }
        "Values of options" Hexadecimal { SO_SYNCHRONOUS_ALERT, SO_SYNCHRONOUS_NONALERT }
        "Values of options" Decimal {
            MCAST_INCLUDE, MCAST_EXCLUDE, IP_PMTUDISC_NOT_SET, IP_PMTUDISC_DO, IP_PMTUDISC_DONT,
            IP_PMTUDISC_PROBE, PROTECTION_LEVEL_UNRESTRICTED, PROTECTION_LEVEL_EDGERESTRICTED,
            PROTECTION_LEVEL_RESTRICTED,
        }
        "Flags of send and recv" Hexadecimal {
            MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_WAITALL, MSG_PUSH_IMMEDIATE, MSG_PARTIAL, MSG_INTERRUPT,
            MSG_MAXIOVLEN, MSG_TRUNC, MSG_CTRUNC, MSG_BCAST, MSG_MCAST,
        }
        "Network events" Decimal {
            FD_READ_BIT, FD_WRITE_BIT, FD_OOB_BIT, FD_ACCEPT_BIT, FD_CONNECT_BIT, FD_CLOSE_BIT, FD_QOS_BIT,
            FD_GROUP_QOS_BIT, FD_ROUTING_INTERFACE_CHANGE_BIT, FD_ADDRESS_LIST_CHANGE_BIT, FD_MAX_EVENTS,
        }
        "Network events" Hexadecimal {
            FD_READ, FD_WRITE, FD_OOB, FD_ACCEPT, FD_CONNECT, FD_CLOSE, FD_QOS, FD_GROUP_QOS,
            FD_ROUTING_INTERFACE_CHANGE, FD_ADDRESS_LIST_CHANGE, FD_ALL_EVENTS,
        }
        "Events of WSAPoll" Hexadecimal {
            POLLRDNORM, POLLRDBAND, POLLIN, POLLPRI, POLLWRNORM, POLLOUT, POLLWRBAND, POLLERR, POLLHUP,
            POLLNVAL,
        }
        "shutdown, WSAAccept and socket groups" Decimal {
            SD_RECEIVE, SD_SEND, SD_BOTH, CF_ACCEPT, CF_REJECT, CF_DEFER, SG_UNCONSTRAINED_GROUP,
            SG_CONSTRAINED_GROUP, JL_SENDER_ONLY, JL_RECEIVER_ONLY, JL_BOTH,
        }
        "Flags of WSASocket" Hexadecimal {
            WSA_FLAG_OVERLAPPED, WSA_FLAG_MULTIPOINT_C_ROOT, WSA_FLAG_MULTIPOINT_C_LEAF,
            WSA_FLAG_MULTIPOINT_D_ROOT, WSA_FLAG_MULTIPOINT_D_LEAF, WSA_FLAG_ACCESS_SYSTEM_SECURITY,
            WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_REGISTERED_IO,
        }
        "Parts of control codes" Hexadecimal {
            IOCPARM_MASK, IOC_VOID, IOC_OUT, IOC_IN, IOC_INOUT, IOC_UNIX, IOC_WS2, IOC_PROTOCOL, IOC_VENDOR,
        }
        "Codes of ioctlsocket and WSAIoctl" Hexadecimal {
            FIONREAD, FIONBIO, FIOASYNC, SIOCSHIWAT, SIOCGHIWAT, SIOCSLOWAT, SIOCGLOWAT, SIOCATMARK,
            SIO_ASSOCIATE_HANDLE, SIO_ENABLE_CIRCULAR_QUEUEING, SIO_FIND_ROUTE, SIO_FLUSH,
            SIO_GET_BROADCAST_ADDRESS, SIO_GET_EXTENSION_FUNCTION_POINTER, SIO_GET_QOS, SIO_GET_GROUP_QOS,
            SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER, SIO_MULTIPOINT_LOOPBACK, SIO_MULTICAST_SCOPE,
            SIO_SET_QOS, SIO_SET_GROUP_QOS, SIO_TRANSLATE_HANDLE, SIO_ROUTING_INTERFACE_QUERY,
            SIO_ROUTING_INTERFACE_CHANGE, SIO_ADDRESS_LIST_QUERY, SIO_ADDRESS_LIST_CHANGE,
            SIO_QUERY_TARGET_PNP_HANDLE, SIO_ADDRESS_LIST_SORT, SIO_NSP_NOTIFY_CHANGE, SIO_BASE_HANDLE,
            SIO_BSP_HANDLE, SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_KEEPALIVE_VALS, SIO_RCVALL,
            SIO_LOOPBACK_FAST_PATH, SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SIO_TCP_INITIAL_RTO, SIO_TCP_INFO,
            SIO_ACQUIRE_PORT_RESERVATION, SIO_CPU_AFFINITY, SIO_GET_INTERFACE_LIST,
            SIO_IDEAL_SEND_BACKLOG_QUERY, SIO_IDEAL_SEND_BACKLOG_CHANGE, SIO_GET_INTERFACE_LIST_EX,
            SIO_SET_MULTICAST_FILTER, SIO_GET_MULTICAST_FILTER, SIOCSIPMSFILTER, SIOCGIPMSFILTER, SIOCSMSFILTER,
            SIOCGMSFILTER, SIO_SET_COMPATIBILITY_MODE,
        }
        "States of TCP" Decimal {
            TCPSTATE_CLOSED, TCPSTATE_LISTEN, TCPSTATE_SYN_SENT, TCPSTATE_SYN_RCVD, TCPSTATE_ESTABLISHED,
            TCPSTATE_FIN_WAIT_1, TCPSTATE_FIN_WAIT_2, TCPSTATE_CLOSE_WAIT, TCPSTATE_CLOSING,
            TCPSTATE_LAST_ACK, TCPSTATE_TIME_WAIT, TCPSTATE_MAX,
        }
        "Interfaces" Hexadecimal {
            IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_POINTTOPOINT, IFF_MULTICAST,
        }
        "WSAPROTOCOL_INFO" Decimal {
            MAX_PROTOCOL_CHAIN, WSAPROTOCOL_LEN, BASE_PROTOCOL, LAYERED_PROTOCOL, BIGENDIAN, LITTLEENDIAN,
            SECURITY_PROTOCOL_NONE,
        }
        "WSAPROTOCOL_INFO" Hexadecimal {
            XP1_CONNECTIONLESS, XP1_GUARANTEED_DELIVERY, XP1_GUARANTEED_ORDER, XP1_MESSAGE_ORIENTED,
            XP1_PSEUDO_STREAM, XP1_GRACEFUL_CLOSE, XP1_EXPEDITED_DATA, XP1_CONNECT_DATA,
            XP1_DISCONNECT_DATA, XP1_SUPPORT_BROADCAST, XP1_SUPPORT_MULTIPOINT,
            XP1_MULTIPOINT_CONTROL_PLANE, XP1_MULTIPOINT_DATA_PLANE, XP1_QOS_SUPPORTED, XP1_INTERRUPT,
            XP1_UNI_SEND, XP1_UNI_RECV, XP1_IFS_HANDLES, XP1_PARTIAL_MESSAGE, XP1_SAN_SUPPORT_SDP,
            PFL_MULTIPLE_PROTO_ENTRIES, PFL_RECOMMENDED_PROTO_ENTRY, PFL_HIDDEN, PFL_MATCHES_PROTOCOL_ZERO,
        }
        "Name spaces" Decimal {
            NS_ALL, NS_DNS, NS_NETBT, NS_WINS, NS_NLA, NS_NTDS, NSP_NOTIFY_IMMEDIATELY, NSP_NOTIFY_HWND, NSP_NOTIFY_EVENT,
            NSP_NOTIFY_PORT, NSP_NOTIFY_APC, COMP_EQUAL, COMP_NOTLESS, RNRSERVICE_REGISTER, RNRSERVICE_DEREGISTER,
            RNRSERVICE_DELETE,
            ADDRINFOEX_VERSION_2, ADDRINFOEX_VERSION_3, ADDRINFOEX_VERSION_4, ADDRINFOEX_VERSION_5, ADDRINFOEX_VERSION_6,
        }
        "Name spaces" Hexadecimal {
            LUP_DEEP, LUP_CONTAINERS, LUP_NOCONTAINERS, LUP_NEAREST, LUP_RETURN_NAME, LUP_RETURN_TYPE,
            LUP_RETURN_VERSION, LUP_RETURN_COMMENT, LUP_RETURN_ADDR, LUP_RETURN_BLOB, LUP_RETURN_ALIASES,
            LUP_RETURN_QUERY_STRING, LUP_RETURN_ALL, LUP_RES_SERVICE, LUP_FLUSHCACHE, LUP_FLUSHPREVIOUS,
            RESULT_IS_ALIAS, RESULT_IS_ADDED, RESULT_IS_CHANGED, RESULT_IS_DELETED, SERVICE_MULTIPLE,
        }
        "TransmitFile, TransmitPackets and DisconnectEx" Hexadecimal {
            TF_DISCONNECT, TF_REUSE_SOCKET, TF_WRITE_BEHIND, TF_USE_DEFAULT_WORKER, TF_USE_SYSTEM_THREAD,
            TF_USE_KERNEL_APC, TP_ELEMENT_MEMORY, TP_ELEMENT_FILE, TP_ELEMENT_EOP, TP_DISCONNECT,
            TP_REUSE_SOCKET,
        }
        "getaddrinfo and getnameinfo" Hexadecimal {
            AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_ALL, AI_ADDRCONFIG, AI_V4MAPPED,
            AI_EXTENDED, AI_RESOLUTION_HANDLE, AI_RETURN_TTL, AI_RETURN_RESPONSE_FLAGS, AI_NON_AUTHORITATIVE, AI_SECURE,
            AI_RETURN_PREFERRED_NAMES, AI_FQDN, NI_NOFQDN, NI_NUMERICHOST,
            NI_NAMEREQD, NI_NUMERICSERV, NI_DGRAM, AI_DNS_ONLY, AI_FORCE_CLEAR_TEXT, AI_BYPASS_DNS_CACHE,
            AI_FILESERVER, AI_DISABLE_IDN_ENCODING,
        }
        "getaddrinfo and getnameinfo" Decimal {
            EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY, EAI_MEMORY, EAI_NODATA, EAI_NONAME, EAI_SERVICE,
            EAI_SOCKTYPE,
        }
        "gethostbyname and relatives" Decimal {
            HOST_NOT_FOUND, TRY_AGAIN, NO_RECOVERY, NO_DATA, WSANO_ADDRESS, NO_ADDRESS,
        }
        "Errors" Decimal {
            WSA_INVALID_HANDLE, WSA_NOT_ENOUGH_MEMORY, WSA_INVALID_PARAMETER, WSA_OPERATION_ABORTED,
            WSA_IO_INCOMPLETE, WSA_IO_PENDING, WSAEINTR, WSAEBADF, WSAEACCES, WSAEFAULT, WSAEINVAL,
            WSAEMFILE, WSAEWOULDBLOCK, WSAEINPROGRESS, WSAEALREADY, WSAENOTSOCK, WSAEDESTADDRREQ,
            WSAEMSGSIZE, WSAEPROTOTYPE, WSAENOPROTOOPT, WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT,
            WSAEOPNOTSUPP, WSAEPFNOSUPPORT, WSAEAFNOSUPPORT, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAENETDOWN,
            WSAENETUNREACH, WSAENETRESET, WSAECONNABORTED, WSAECONNRESET, WSAENOBUFS, WSAEISCONN,
            WSAENOTCONN, WSAESHUTDOWN, WSAETOOMANYREFS, WSAETIMEDOUT, WSAECONNREFUSED, WSAELOOP,
            WSAENAMETOOLONG, WSAEHOSTDOWN, WSAEHOSTUNREACH, WSAENOTEMPTY, WSAEPROCLIM, WSAEUSERS, WSAEDQUOT,
            WSAESTALE, WSAEREMOTE, WSASYSNOTREADY, WSAVERNOTSUPPORTED, WSANOTINITIALISED, WSAEDISCON,
            WSAENOMORE, WSAECANCELLED, WSAEINVALIDPROCTABLE, WSAEINVALIDPROVIDER, WSAEPROVIDERFAILEDINIT,
            WSASYSCALLFAILURE, WSASERVICE_NOT_FOUND, WSATYPE_NOT_FOUND, WSA_E_NO_MORE, WSA_E_CANCELLED,
            WSAEREFUSED, WSAHOST_NOT_FOUND, WSATRY_AGAIN, WSANO_RECOVERY, WSANO_DATA,
        }
        "Errors of the quality of service, and of security" Decimal {
            WSA_QOS_ADMISSION_FAILURE, WSA_QOS_BAD_OBJECT, WSA_QOS_BAD_STYLE, WSA_QOS_EFILTERCOUNT,
            WSA_QOS_EFILTERSTYLE, WSA_QOS_EFILTERTYPE, WSA_QOS_EFLOWCOUNT, WSA_QOS_EFLOWDESC,
            WSA_QOS_EFLOWSPEC, WSA_QOS_EOBJLENGTH, WSA_QOS_EPOLICYOBJ, WSA_QOS_EPROVSPECBUF,
            WSA_QOS_EPSFILTERSPEC, WSA_QOS_EPSFLOWSPEC, WSA_QOS_ESDMODEOBJ, WSA_QOS_ESERVICETYPE,
            WSA_QOS_ESHAPERATEOBJ, WSA_QOS_EUNKOWNPSOBJ, WSA_QOS_GENERIC_ERROR, WSA_QOS_NO_RECEIVERS,
            WSA_QOS_NO_SENDERS, WSA_QOS_POLICY_FAILURE, WSA_QOS_RECEIVERS, WSA_QOS_REQUEST_CONFIRMED,
            WSA_QOS_RESERVED_PETYPE, WSA_QOS_SENDERS, WSA_QOS_TRAFFIC_CTRL_ERROR,
            WSA_SECURE_HOST_NOT_FOUND, WSA_IPSEC_NAME_POLICY_ERROR,
        }
    }
}

/// Names that Microsoft's headers define by another name, and that `windows-sys` therefore lacks, and
/// those that it has from the wrong header, or from before Windows 8.
mod derived {
    use windows_sys::Win32::Networking::WinSock::*;
    use windows_sys::Win32::UI::WindowsAndMessaging as ui;

    pub const QS_INPUT: u32 = ui::QS_INPUT | ui::QS_TOUCH | ui::QS_POINTER;
    pub const QS_ALLEVENTS: u32 = ui::QS_ALLEVENTS | QS_INPUT;
    pub const QS_ALLINPUT: u32 = ui::QS_ALLINPUT | QS_INPUT;
    pub const PM_QS_INPUT: u32 = QS_INPUT << 16;

    /// winsock2.h's value; `windows-sys` has the 5 of winsock.h.
    pub const SOMAXCONN: u32 = 0x7FFF_FFFF;

    /// winsock2.h's value; `windows-sys` has the 29 of winsock.h.
    pub const AF_MAX: u16 = 33;
    pub const PF_UNSPEC: u16 = AF_UNSPEC;
    pub const PF_UNIX: u16 = AF_UNIX;
    pub const PF_INET: u16 = AF_INET;
    pub const PF_INET6: u16 = AF_INET6;

    /// In `windows-sys` with Bluetooth.
    pub const AF_BTH: u16 = 32;

    /// `_IOR('t', number, u_long)` and its like, which `windows-sys` has not evaluated.
    const fn code(direction: u32, number: u32) -> u32 {
        direction | (size_of::<u32>() as u32 & IOCPARM_MASK) << 16 | (b't' as u32) << 8 | number
    }
    pub const SIO_GET_INTERFACE_LIST: u32 = code(IOC_OUT, 127);
    pub const SIO_GET_INTERFACE_LIST_EX: u32 = code(IOC_OUT, 126);
    pub const SIO_SET_MULTICAST_FILTER: u32 = code(IOC_IN, 125);
    pub const SIO_GET_MULTICAST_FILTER: u32 = code(IOC_IN, 124);
    pub const SIOCSIPMSFILTER: u32 = SIO_SET_MULTICAST_FILTER;
    pub const SIOCGIPMSFILTER: u32 = SIO_GET_MULTICAST_FILTER;
    pub const SIOCSMSFILTER: u32 = code(IOC_IN, 126);
    pub const SIOCGMSFILTER: u32 = code(IOC_IN, 127);
    pub const SIO_IDEAL_SEND_BACKLOG_QUERY: u32 = code(IOC_OUT, 123);
    /// `_IO('t', 122)`.
    pub const SIO_IDEAL_SEND_BACKLOG_CHANGE: u32 = IOC_VOID | (b't' as u32) << 8 | 122;

    pub const FD_QOS: u32 = 1 << FD_QOS_BIT;
    pub const FD_GROUP_QOS: u32 = 1 << FD_GROUP_QOS_BIT;
    pub const FD_ROUTING_INTERFACE_CHANGE: u32 = 1 << FD_ROUTING_INTERFACE_CHANGE_BIT;
    pub const FD_ADDRESS_LIST_CHANGE: u32 = 1 << FD_ADDRESS_LIST_CHANGE_BIT;
    pub const FD_ALL_EVENTS: u32 = (1 << FD_MAX_EVENTS) - 1;

    pub const EAI_AGAIN: i32 = WSATRY_AGAIN;
    pub const EAI_BADFLAGS: i32 = WSAEINVAL;
    pub const EAI_FAIL: i32 = WSANO_RECOVERY;
    pub const EAI_FAMILY: i32 = WSAEAFNOSUPPORT;
    pub const EAI_MEMORY: i32 = WSA_NOT_ENOUGH_MEMORY;
    pub const EAI_NODATA: i32 = WSANO_DATA;
    pub const EAI_NONAME: i32 = WSAHOST_NOT_FOUND;
    pub const EAI_SERVICE: i32 = WSATYPE_NOT_FOUND;
    pub const EAI_SOCKTYPE: i32 = WSAESOCKTNOSUPPORT;

    pub const HOST_NOT_FOUND: i32 = WSAHOST_NOT_FOUND;
    pub const TRY_AGAIN: i32 = WSATRY_AGAIN;
    pub const NO_RECOVERY: i32 = WSANO_RECOVERY;
    pub const NO_DATA: i32 = WSANO_DATA;
    pub const WSANO_ADDRESS: i32 = WSANO_DATA;
    pub const NO_ADDRESS: i32 = WSANO_DATA;
}

/// A structure as C names it, its size, and the offsets of its fields.
pub struct Structure {
    pub name: &'static str,
    pub size: usize,
    pub fields: Vec<(&'static str, usize)>,
}

macro_rules! structures {
    ($($name:literal = $type:ident { $($field:ident $(= $($path:ident).+)?),* $(,)? })*) => {
        vec![$(Structure {
            name: $name,
            size: size_of::<$type>(),
            fields: vec![$((stringify!($field), structures!(@offset $type $field $($($path).+)?))),*],
        }),*]
    };
    (@offset $type:ident $field:ident) => { offset_of!($type, $field) };
    (@offset $type:ident $field:ident $($path:ident).+) => { offset_of!($type, $($path).+) };
}

/// The structures of the headers. Absent are `timeval`, which is libc's on Linux, and `WSAPROTOCOL_INFOW`,
/// whose size follows `wchar_t`.
pub fn structures() -> Vec<Structure> {
    structures! {
        "GUID" = GUID { Data1 = data1, Data2 = data2, Data3 = data3, Data4 = data4 }
        "OVERLAPPED" = OVERLAPPED {
            Internal, InternalHigh, Offset = Anonymous.Anonymous.Offset,
            OffsetHigh = Anonymous.Anonymous.OffsetHigh, Pointer = Anonymous.Pointer, hEvent,
        }
        "WSAOVERLAPPED" = OVERLAPPED { Internal, InternalHigh, hEvent }
        "OVERLAPPED_ENTRY" = OVERLAPPED_ENTRY {
            lpCompletionKey, lpOverlapped, Internal, dwNumberOfBytesTransferred,
        }
        "SECURITY_ATTRIBUTES" = SECURITY_ATTRIBUTES { nLength, lpSecurityDescriptor, bInheritHandle }
        "CRITICAL_SECTION" = CRITICAL_SECTION {
            DebugInfo, LockCount, RecursionCount, OwningThread, LockSemaphore, SpinCount,
        }
        "POINT" = POINT { x, y }
        "MSG" = MSG { hwnd, message, wParam, lParam, time, pt }
        "WNDCLASSA" = WNDCLASSA {
            style, lpfnWndProc, cbClsExtra, cbWndExtra, hInstance, hIcon, hCursor, hbrBackground,
            lpszMenuName, lpszClassName,
        }
        "WNDCLASSW" = WNDCLASSW {
            style, lpfnWndProc, cbClsExtra, cbWndExtra, hInstance, hIcon, hCursor, hbrBackground,
            lpszMenuName, lpszClassName,
        }
        "WNDCLASSEXA" = WNDCLASSEXA {
            cbSize, style, lpfnWndProc, cbClsExtra, cbWndExtra, hInstance, hIcon, hCursor, hbrBackground,
            lpszMenuName, lpszClassName, hIconSm,
        }
        "WNDCLASSEXW" = WNDCLASSEXW {
            cbSize, style, lpfnWndProc, cbClsExtra, cbWndExtra, hInstance, hIcon, hCursor, hbrBackground,
            lpszMenuName, lpszClassName, hIconSm,
        }
        "CREATESTRUCTA" = CREATESTRUCTA {
            lpCreateParams, hInstance, hMenu, hwndParent, cy, cx, y, x, style, lpszName, lpszClass, dwExStyle,
        }
        "CREATESTRUCTW" = CREATESTRUCTW {
            lpCreateParams, hInstance, hMenu, hwndParent, cy, cx, y, x, style, lpszName, lpszClass, dwExStyle,
        }
        "SYSTEM_INFO" = SYSTEM_INFO {
            dwPageSize, lpMinimumApplicationAddress, lpMaximumApplicationAddress, dwActiveProcessorMask,
            dwNumberOfProcessors, dwProcessorType, dwAllocationGranularity, wProcessorLevel,
            wProcessorRevision,
        }
        "WSADATA" = WSADATA {
            wVersion, wHighVersion, iMaxSockets, iMaxUdpDg, lpVendorInfo, szDescription, szSystemStatus,
        }
        "WSABUF" = WSABUF { len, buf }
        "struct fd_set" = FD_SET { fd_count, fd_array }
        "struct linger" = LINGER { l_onoff, l_linger }
        "struct sockaddr" = SOCKADDR { sa_family, sa_data }
        "struct in_addr" = IN_ADDR { S_un }
        "struct sockaddr_in" = SOCKADDR_IN { sin_family, sin_port, sin_addr, sin_zero }
        "struct in6_addr" = IN6_ADDR { u }
        "struct sockaddr_in6" = SOCKADDR_IN6 {
            sin6_family, sin6_port, sin6_flowinfo, sin6_addr, sin6_scope_id = Anonymous.sin6_scope_id,
        }
        "struct sockaddr_storage" = SOCKADDR_STORAGE { ss_family, __ss_pad1, __ss_align, __ss_pad2 }
        "struct sockaddr_in6_old" = sockaddr_in6_old { sin6_family, sin6_port, sin6_flowinfo, sin6_addr }
        "struct sockproto" = sockproto { sp_family, sp_protocol }
        "sockaddr_gen" = sockaddr_gen { Address, AddressIn, AddressIn6 }
        "INTERFACE_INFO" = INTERFACE_INFO { iiFlags, iiAddress, iiBroadcastAddress, iiNetmask }
        "SOCKADDR_INET" = SOCKADDR_INET { Ipv4, Ipv6, si_family }
        "SOCKET_ADDRESS" = SOCKET_ADDRESS { lpSockaddr, iSockaddrLength }
        "SOCKET_ADDRESS_LIST" = SOCKET_ADDRESS_LIST { iAddressCount, Address }
        "CSADDR_INFO" = CSADDR_INFO { LocalAddr, RemoteAddr, iSocketType, iProtocol }
        "BLOB" = BLOB { cbSize, pBlobData }
        "AFPROTOCOLS" = AFPROTOCOLS { iAddressFamily, iProtocol }
        "WSAVERSION" = WSAVERSION { dwVersion, ecHow }
        "WSANAMESPACE_INFOA" = WSANAMESPACE_INFOA { NSProviderId, dwNameSpace, fActive, dwVersion, lpszIdentifier }
        "WSANAMESPACE_INFOW" = WSANAMESPACE_INFOW { NSProviderId, dwNameSpace, fActive, dwVersion, lpszIdentifier }
        "WSANAMESPACE_INFOEXA" = WSANAMESPACE_INFOEXA {
            NSProviderId, dwNameSpace, fActive, dwVersion, lpszIdentifier, ProviderSpecific,
        }
        "WSANAMESPACE_INFOEXW" = WSANAMESPACE_INFOEXW {
            NSProviderId, dwNameSpace, fActive, dwVersion, lpszIdentifier, ProviderSpecific,
        }
        "WSANSCLASSINFOA" = WSANSCLASSINFOA { lpszName, dwNameSpace, dwValueType, dwValueSize, lpValue }
        "WSANSCLASSINFOW" = WSANSCLASSINFOW { lpszName, dwNameSpace, dwValueType, dwValueSize, lpValue }
        "WSASERVICECLASSINFOA" = WSASERVICECLASSINFOA {
            lpServiceClassId, lpszServiceClassName, dwCount, lpClassInfos,
        }
        "WSASERVICECLASSINFOW" = WSASERVICECLASSINFOW {
            lpServiceClassId, lpszServiceClassName, dwCount, lpClassInfos,
        }
        "WSAQUERYSETA" = WSAQUERYSETA {
            dwSize, lpszServiceInstanceName, lpServiceClassId, lpVersion, lpszComment, dwNameSpace,
            lpNSProviderId, lpszContext, dwNumberOfProtocols, lpafpProtocols, lpszQueryString,
            dwNumberOfCsAddrs, lpcsaBuffer, dwOutputFlags, lpBlob,
        }
        "WSAQUERYSETW" = WSAQUERYSETW {
            dwSize, lpszServiceInstanceName, lpServiceClassId, lpVersion, lpszComment, dwNameSpace,
            lpNSProviderId, lpszContext, dwNumberOfProtocols, lpafpProtocols, lpszQueryString,
            dwNumberOfCsAddrs, lpcsaBuffer, dwOutputFlags, lpBlob,
        }
        "WSACOMPLETION" = WSACOMPLETION { Type, Parameters }
        "struct hostent" = HOSTENT { h_name, h_aliases, h_addrtype, h_length, h_addr_list }
        "struct servent" = SERVENT { s_name, s_aliases, s_proto, s_port }
        "struct protoent" = PROTOENT { p_name, p_aliases, p_proto }
        "ADDRINFOA" = ADDRINFOA {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_next,
        }
        "ADDRINFOW" = ADDRINFOW {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_next,
        }
        "ADDRINFOEXA" = ADDRINFOEXA {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next,
        }
        "ADDRINFOEXW" = ADDRINFOEXW {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next,
        }
        "ADDRINFOEX2A" = ADDRINFOEX2A {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next, ai_version, ai_fqdn,
        }
        "ADDRINFOEX2W" = ADDRINFOEX2W {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next, ai_version, ai_fqdn,
        }
        "ADDRINFOEX3" = ADDRINFOEX3 {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next, ai_version, ai_fqdn, ai_interfaceindex,
        }
        "ADDRINFOEX4" = ADDRINFOEX4 {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next, ai_version, ai_fqdn, ai_interfaceindex, ai_resolutionhandle,
        }
        "ADDRINFOEX5" = ADDRINFOEX5 {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next, ai_version, ai_fqdn, ai_interfaceindex, ai_resolutionhandle, ai_ttl,
        }
        "ADDRINFOEX6" = ADDRINFOEX6 {
            ai_flags, ai_family, ai_socktype, ai_protocol, ai_addrlen, ai_canonname, ai_addr, ai_blob,
            ai_bloblen, ai_provider, ai_next, ai_version, ai_fqdn, ai_interfaceindex, ai_resolutionhandle, ai_ttl,
            ai_numservers, ai_servers, ai_responseflags,
        }
        "ADDRINFO_DNS_SERVER" = ADDRINFO_DNS_SERVER {
            ai_servertype, ai_flags, ai_addrlen, ai_addr, ai_template = Anonymous.ai_template,
        }
        "struct ip_mreq" = IP_MREQ { imr_multiaddr, imr_interface }
        "struct ip_mreq_source" = IP_MREQ_SOURCE { imr_multiaddr, imr_sourceaddr, imr_interface }
        "struct ip_msfilter" = IP_MSFILTER {
            imsf_multiaddr, imsf_interface, imsf_fmode, imsf_numsrc, imsf_slist,
        }
        "struct ipv6_mreq" = IPV6_MREQ { ipv6mr_multiaddr, ipv6mr_interface }
        "struct group_filter" = GROUP_FILTER { gf_interface, gf_group, gf_fmode, gf_numsrc, gf_slist }
        "struct group_req" = GROUP_REQ { gr_interface, gr_group }
        "struct group_source_req" = GROUP_SOURCE_REQ { gsr_interface, gsr_group, gsr_source }
        "struct in_pktinfo" = IN_PKTINFO { ipi_addr, ipi_ifindex }
        "struct in6_pktinfo" = IN6_PKTINFO { ipi6_addr, ipi6_ifindex }
        "WSANETWORKEVENTS" = WSANETWORKEVENTS { lNetworkEvents, iErrorCode }
        "WSAPROTOCOLCHAIN" = WSAPROTOCOLCHAIN { ChainLen, ChainEntries }
        "WSAPROTOCOL_INFOA" = WSAPROTOCOL_INFOA {
            dwServiceFlags1, dwServiceFlags2, dwServiceFlags3, dwServiceFlags4, dwProviderFlags, ProviderId,
            dwCatalogEntryId, ProtocolChain, iVersion, iAddressFamily, iMaxSockAddr, iMinSockAddr,
            iSocketType, iProtocol, iProtocolMaxOffset, iNetworkByteOrder, iSecurityScheme, dwMessageSize,
            dwProviderReserved, szProtocol,
        }
        "WSAPOLLFD" = WSAPOLLFD { fd, events, revents }
        "WSAMSG" = WSAMSG { name, namelen, lpBuffers, dwBufferCount, Control, dwFlags }
        "WSACMSGHDR" = CMSGHDR { cmsg_len, cmsg_level, cmsg_type }
        "FLOWSPEC" = FLOWSPEC {
            TokenRate, TokenBucketSize, PeakBandwidth, Latency, DelayVariation, ServiceType, MaxSduSize,
            MinimumPolicedSize,
        }
        "QOS" = QOS { SendingFlowspec, ReceivingFlowspec, ProviderSpecific }
        "TRANSMIT_FILE_BUFFERS" = TRANSMIT_FILE_BUFFERS { Head, HeadLength, Tail, TailLength }
        "TRANSMIT_PACKETS_ELEMENT" = TRANSMIT_PACKETS_ELEMENT {
            dwElFlags, cLength, nFileOffset = Anonymous.Anonymous.nFileOffset,
            hFile = Anonymous.Anonymous.hFile, pBuffer = Anonymous.pBuffer,
        }
        "struct tcp_keepalive" = tcp_keepalive { onoff, keepalivetime, keepaliveinterval }
        "TCP_INFO_v0" = TCP_INFO_v0 {
            State, Mss, ConnectionTimeMs, TimestampsEnabled, RttUs, MinRttUs, BytesInFlight, Cwnd, SndWnd, RcvWnd,
            RcvBuf, BytesOut, BytesIn, BytesReordered, BytesRetrans, FastRetrans, DupAcksIn, TimeoutEpisodes,
            SynRetrans,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_c() {
        assert_eq!(Radix::Decimal.literal(-1), "(-1)");
        assert_eq!(Radix::Decimal.literal(10054), "10054");
        assert_eq!(Radix::Hexadecimal.literal(i64::from(FIONBIO)), "0x8004667E");
    }
}
