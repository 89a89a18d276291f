//! The options as tables: how each is addressed and shaped, and what a socket records about it.

use windows_sys::Win32::Networking::WinSock::*;

use super::super::status::Status;
use super::form::{Form, ShortGet};
use super::{Kind, Target};

use Form::{Byte, Flag, Switch, Word};
use Kernel::{Buffer, KeepAlive, Nothing, Plain, UserTimeout, V6Only};
use Rule::{AtMost, BeforeBind, BeforeListen, Excludes};
use Scope::{Any, Stream};
use ShortGet::{LengthZero, Untouched, Zeroed};
use What::Recorded;

/// One option as a program addresses it.
pub struct Row {
    pub level: i32,
    pub name: i32,
    /// The kinds of sockets that know it.
    scope: Scope,
    /// How its value travels.
    pub form: Form,
    /// Where its value lives.
    pub what: What,
    /// When setting it is refused.
    pub rules: &'static [Rule],
}

/// Which sockets know an option.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Any,
    Stream,
}

/// Where the value of an option lives.
#[derive(Clone, Copy, PartialEq)]
pub enum What {
    /// In the socket's record.
    Recorded(Setting),
    /// In the record, as the opposite of l_onoff.
    DontLinger,
    /// With the engine.
    Error,
    SocketType,
    Listening,
    MessageMax,
    ConnectTime,
    /// The same for every socket; read only.
    Constant(u32),
    /// In the kernel.
    SegmentMax,
    /// With the thread.
    OpenType,
    /// Reports with a layout of their own; read only.
    ProtocolInfoA,
    ProtocolInfoW,
    Addresses,
    /// Orders to the engine; write only.
    UpdateAcceptContext,
    UpdateConnectContext,
    /// Nowhere: Windows knows the name and refuses it.
    Refused,
}

/// When setting an option is refused with WSAEINVAL.
#[derive(Clone, Copy, PartialEq)]
pub enum Rule {
    BeforeBind,
    BeforeListen,
    /// Not both switched on.
    Excludes(Setting),
    AtMost(u32),
}

/// What a socket records, in the order of [`SETTINGS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Broadcast,
    ConditionalAccept,
    Debug,
    DontRoute,
    ExclusiveAddress,
    KeepAlive,
    KeepCount,
    KeepIdle,
    KeepInterval,
    Linger,
    NoDelay,
    OutOfBandInline,
    PauseAccept,
    PortScalability,
    RandomizePort,
    ReceiveBuffer,
    ReceiveTimeout,
    ReuseAddress,
    ReuseMulticastPort,
    ReuseUnicastPort,
    SendBuffer,
    SendTimeout,
    TcpBsdUrgent,
    TcpExpedited,
    TcpFailOnIcmp,
    TcpFastOpen,
    TcpMaxRetransmission,
    TcpNoSynRetries,
    TcpTimestamps,
    V6Only,
}

/// How a recorded value begins, spreads and reaches the kernel.
pub struct Record {
    pub setting: Setting,
    /// What Windows answers for a fresh socket.
    pub default: u32,
    /// Whether an accepted socket takes it from its listener.
    pub inherited: bool,
    pub kernel: Kernel,
}

/// How a recorded value reaches the kernel.
#[derive(Clone, Copy, PartialEq)]
pub enum Kernel {
    /// Not at all: the engine acts on it, or nobody does.
    Nothing,
    /// The same value, by level and name.
    Plain(i32, i32),
    /// A buffer size, by its name on SOL_SOCKET.
    Buffer(i32),
    /// Together with its three companions.
    KeepAlive,
    UserTimeout,
    V6Only,
}

/// The row of an option, for sockets of `kind`.
///
/// # Errors
/// - [`Status::INVALID`] for a level that nobody serves.
/// - [`Status::NO_PROTOCOL_OPTION`] for a name that the level, or this kind of socket, does not know.
pub fn find(level: i32, name: i32, kind: Kind) -> Result<&'static Row, Status> {
    if !matches!(
        level,
        SOL_SOCKET | IPPROTO_IP | IPPROTO_TCP | IPPROTO_UDP | IPPROTO_IPV6
    ) {
        return Err(Status::INVALID);
    }
    OPTIONS
        .iter()
        .find(|row| (row.level, row.name) == (level, name))
        .filter(|row| row.scope == Any || kind == Kind::Stream)
        .ok_or(Status::NO_PROTOCOL_OPTION)
}

impl Setting {
    /// How this setting begins, spreads and reaches the kernel.
    pub fn record(self) -> &'static Record {
        &SETTINGS[self as usize]
    }
}

impl Rule {
    /// Whether `value` may be set now; `other` reads another setting.
    pub fn allows(self, value: u32, target: &Target, other: impl Fn(Setting) -> u32) -> bool {
        match self {
            BeforeBind => !target.bound,
            BeforeListen => !target.listening,
            Excludes(setting) => value == 0 || other(setting) == 0,
            AtMost(limit) => value <= limit,
        }
    }
}

const SOCKET: i32 = SOL_SOCKET;
const TCP: i32 = IPPROTO_TCP;
const DATAGRAM_MAX: u32 = 65507;

#[rustfmt::skip]
const OPTIONS: &[Row] = &[
    row(SOCKET, SO_ACCEPTCONN,             Stream, Word(Untouched),  What::Listening,                        &[]),
    row(SOCKET, SO_BROADCAST,              Any,    Flag,             Recorded(Setting::Broadcast),           &[]),
    row(SOCKET, SO_BSP_STATE,              Any,    Word(Untouched),  What::Addresses,                        &[]),
    row(SOCKET, SO_CONDITIONAL_ACCEPT,     Stream, Switch,           Recorded(Setting::ConditionalAccept),   &[BeforeListen]),
    row(SOCKET, SO_CONNECT_TIME,           Any,    Word(Untouched),  What::ConnectTime,                      &[]),
    row(SOCKET, SO_DEBUG,                  Any,    Switch,           Recorded(Setting::Debug),               &[]),
    row(SOCKET, SO_DONTLINGER,             Stream, Flag,             What::DontLinger,                       &[]),
    row(SOCKET, SO_DONTROUTE,              Any,    Byte,             Recorded(Setting::DontRoute),           &[]),
    row(SOCKET, SO_ERROR,                  Any,    Word(Untouched),  What::Error,                            &[]),
    row(SOCKET, SO_EXCLUSIVEADDRUSE,       Any,    Flag,             Recorded(Setting::ExclusiveAddress),    &[Excludes(Setting::ReuseAddress)]),
    row(SOCKET, SO_GROUP_ID,               Any,    Word(Untouched),  What::Constant(0),                      &[]),
    row(SOCKET, SO_KEEPALIVE,              Stream, Byte,             Recorded(Setting::KeepAlive),           &[]),
    row(SOCKET, SO_LINGER,                 Stream, Word(Zeroed),     Recorded(Setting::Linger),              &[]),
    row(SOCKET, SO_MAXDG,                  Any,    Word(Untouched),  What::Constant(DATAGRAM_MAX),           &[]),
    row(SOCKET, SO_MAXPATHDG,              Any,    Word(Untouched),  What::Constant(DATAGRAM_MAX),           &[]),
    row(SOCKET, SO_MAX_MSG_SIZE,           Any,    Word(Untouched),  What::MessageMax,                       &[]),
    row(SOCKET, SO_OOBINLINE,              Stream, Flag,             Recorded(Setting::OutOfBandInline),     &[]),
    row(SOCKET, SO_OPENTYPE,               Any,    Word(Untouched),  What::OpenType,                         &[]),
    row(SOCKET, SO_PAUSE_ACCEPT as i32,    Stream, Switch,           Recorded(Setting::PauseAccept),         &[]),
    row(SOCKET, SO_PORT_SCALABILITY,       Any,    Switch,           Recorded(Setting::PortScalability),     &[]),
    row(SOCKET, SO_PROTOCOL_INFOA,         Any,    Word(Untouched),  What::ProtocolInfoA,                    &[]),
    row(SOCKET, SO_PROTOCOL_INFOW,         Any,    Word(Untouched),  What::ProtocolInfoW,                    &[]),
    row(SOCKET, SO_RANDOMIZE_PORT,         Any,    Switch,           Recorded(Setting::RandomizePort),       &[BeforeBind, Excludes(Setting::ReuseUnicastPort)]),
    row(SOCKET, SO_RCVBUF,                 Any,    Word(Zeroed),     Recorded(Setting::ReceiveBuffer),       &[]),
    row(SOCKET, SO_RCVLOWAT,               Any,    Word(Untouched),  What::Refused,                          &[]),
    row(SOCKET, SO_RCVTIMEO,               Any,    Word(Untouched),  Recorded(Setting::ReceiveTimeout),      &[]),
    row(SOCKET, SO_REUSEADDR,              Any,    Flag,             Recorded(Setting::ReuseAddress),        &[Excludes(Setting::ExclusiveAddress)]),
    row(SOCKET, SO_REUSE_MULTICASTPORT,    Any,    Word(Untouched),  Recorded(Setting::ReuseMulticastPort),  &[]),
    row(SOCKET, SO_REUSE_UNICASTPORT,      Any,    Switch,           Recorded(Setting::ReuseUnicastPort),    &[]),
    row(SOCKET, SO_SNDBUF,                 Any,    Word(Zeroed),     Recorded(Setting::SendBuffer),          &[]),
    row(SOCKET, SO_SNDLOWAT,               Any,    Word(Untouched),  What::Refused,                          &[]),
    row(SOCKET, SO_SNDTIMEO,               Any,    Word(Untouched),  Recorded(Setting::SendTimeout),         &[]),
    row(SOCKET, SO_TYPE,                   Any,    Word(Untouched),  What::SocketType,                       &[]),
    row(SOCKET, SO_UPDATE_ACCEPT_CONTEXT,  Stream, Word(Untouched),  What::UpdateAcceptContext,              &[]),
    row(SOCKET, SO_UPDATE_CONNECT_CONTEXT, Stream, Word(Untouched),  What::UpdateConnectContext,             &[]),
    row(SOCKET, SO_USELOOPBACK,            Any,    Word(Untouched),  What::Refused,                          &[]),

    row(TCP, TCP_BSDURGENT,                  Stream, Switch,           Recorded(Setting::TcpBsdUrgent),         &[]),
    row(TCP, TCP_EXPEDITED_1122,             Stream, Switch,           Recorded(Setting::TcpExpedited),         &[]),
    row(TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR, Stream, Switch,           Recorded(Setting::TcpFailOnIcmp),        &[]),
    row(TCP, TCP_FASTOPEN,                   Stream, Switch,           Recorded(Setting::TcpFastOpen),          &[]),
    row(TCP, TCP_KEEPCNT,                    Stream, Word(LengthZero), Recorded(Setting::KeepCount),            &[AtMost(255)]),
    row(TCP, TCP_KEEPIDLE,                   Stream, Word(LengthZero), Recorded(Setting::KeepIdle),             &[]),
    row(TCP, TCP_KEEPINTVL,                  Stream, Word(LengthZero), Recorded(Setting::KeepInterval),         &[]),
    row(TCP, TCP_MAXRT,                      Stream, Word(Untouched),  Recorded(Setting::TcpMaxRetransmission), &[]),
    row(TCP, TCP_MAXSEG,                     Stream, Word(Untouched),  What::SegmentMax,                        &[]),
    row(TCP, TCP_NODELAY,                    Stream, Byte,             Recorded(Setting::NoDelay),              &[]),
    row(TCP, TCP_NOSYNRETRIES,               Stream, Switch,           Recorded(Setting::TcpNoSynRetries),      &[]),
    row(TCP, TCP_TIMESTAMPS,                 Stream, Switch,           Recorded(Setting::TcpTimestamps),        &[]),

    row(IPPROTO_IPV6, IPV6_V6ONLY, Any, Byte, Recorded(Setting::V6Only), &[BeforeBind]),
];

#[rustfmt::skip]
pub const SETTINGS: &[Record] = &[
    record(Setting::Broadcast,            0,     true,  Plain(libc::SOL_SOCKET, libc::SO_BROADCAST)),
    record(Setting::ConditionalAccept,    0,     false, Nothing),
    record(Setting::Debug,                0,     true,  Nothing),
    record(Setting::DontRoute,            0,     true,  Nothing),
    record(Setting::ExclusiveAddress,     0,     true,  Nothing),
    record(Setting::KeepAlive,            0,     true,  KeepAlive),
    record(Setting::KeepCount,            10,    true,  KeepAlive),
    record(Setting::KeepIdle,             7200,  true,  KeepAlive),
    record(Setting::KeepInterval,         1,     true,  KeepAlive),
    record(Setting::Linger,               0,     true,  Nothing), // closing is the engine's: it never blocks in close
    record(Setting::NoDelay,              0,     true,  Plain(libc::IPPROTO_TCP, libc::TCP_NODELAY)),
    record(Setting::OutOfBandInline,      0,     true,  Plain(libc::SOL_SOCKET, libc::SO_OOBINLINE)),
    record(Setting::PauseAccept,          0,     false, Nothing),
    record(Setting::PortScalability,      0,     false, Nothing),
    record(Setting::RandomizePort,        0,     false, Nothing), // ports of Linux are random
    record(Setting::ReceiveBuffer,        65536, true,  Buffer(libc::SO_RCVBUF)),
    record(Setting::ReceiveTimeout,       0,     true,  Nothing), // blocking is the engine's
    record(Setting::ReuseAddress,         0,     true,  Nothing), // see fresh_socket_defaults
    record(Setting::ReuseMulticastPort,   0,     false, Nothing),
    record(Setting::ReuseUnicastPort,     0,     false, Nothing),
    record(Setting::SendBuffer,           65536, true,  Buffer(libc::SO_SNDBUF)),
    record(Setting::SendTimeout,          0,     true,  Nothing), // blocking is the engine's
    record(Setting::TcpBsdUrgent,         1,     true,  Nothing),
    record(Setting::TcpExpedited,         0,     true,  Nothing),
    record(Setting::TcpFailOnIcmp,        0,     true,  Nothing),
    record(Setting::TcpFastOpen,          0,     false, Nothing),
    record(Setting::TcpMaxRetransmission, 0,     true,  UserTimeout),
    record(Setting::TcpNoSynRetries,      0,     true,  Nothing),
    record(Setting::TcpTimestamps,        0,     true,  Nothing),
    record(Setting::V6Only,               1,     true,  V6Only),
];

const fn row(
    level: i32,
    name: i32,
    scope: Scope,
    form: Form,
    what: What,
    rules: &'static [Rule],
) -> Row {
    Row {
        level,
        name,
        scope,
        form,
        what,
        rules,
    }
}

const fn record(setting: Setting, default: u32, inherited: bool, kernel: Kernel) -> Record {
    Record {
        setting,
        default,
        inherited,
        kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_the_index_of_its_record() {
        for (index, record) in SETTINGS.iter().enumerate() {
            assert_eq!(record.setting as usize, index, "{:?}", record.setting);
        }
    }

    #[test]
    fn every_setting_has_exactly_one_option() {
        for record in SETTINGS {
            let rows = OPTIONS
                .iter()
                .filter(|row| row.what == Recorded(record.setting))
                .count();
            assert_eq!(rows, 1, "{:?}", record.setting);
        }
    }

    #[test]
    fn no_option_has_two_rows() {
        for (index, row) in OPTIONS.iter().enumerate() {
            let same = |other: &Row| (other.level, other.name) == (row.level, row.name);
            assert!(
                !OPTIONS[index + 1..].iter().any(same),
                "{:#x} {:#x}",
                row.level,
                row.name
            );
        }
    }

    /// Source: setsockopt, WSAEINVAL ("the level parameter is not valid") and WSAENOPROTOOPT.
    #[test]
    fn a_level_is_judged_before_a_name() {
        let error = |level: u32, name| find(level as i32, name, Kind::Stream).err();
        for level in [0xffff_ffff, 0x8000, 0x800, 0x1234_ffff] {
            assert_eq!(error(level, SO_RCVTIMEO), Some(Status::INVALID));
        }
        for level in [0, 6, 17, 41, 0xffff] {
            assert_eq!(error(level, 0x7777), Some(Status::NO_PROTOCOL_OPTION));
        }
    }

    /// Source: "SOL_SOCKET Socket Options"; "IPPROTO_TCP socket options".
    #[test]
    fn a_datagram_socket_does_not_know_what_concerns_connections() {
        for (level, name) in [
            (SOCKET, SO_LINGER),
            (SOCKET, SO_DONTLINGER),
            (SOCKET, SO_ACCEPTCONN),
            (TCP, TCP_NODELAY),
        ] {
            assert_eq!(
                find(level, name, Kind::Datagram).err(),
                Some(Status::NO_PROTOCOL_OPTION)
            );
            assert!(find(level, name, Kind::Stream).is_ok());
        }
    }
}
