//! The options as a table: how each is addressed and shaped, and when setting it is refused.

use windows_sys::Win32::Networking::WinSock::*;

use super::super::address::Family;
use super::form::{Form, ShortGet};
use super::membership::{Change, Shape};
use super::settings::{COMPARTMENT, Setting};
use super::{Kind, Target};
use crate::platform::status::Status;

use Form::{Byte, Flag, Small, SmallFlag, Switch, Word};
use Rule::{AtLeast, AtMost, BeforeBind, BeforeListen, Excludes, OneOf};
use Scope::{Any, Datagram, Message, Raw, Stream};
use ShortGet::{LengthZero, Untouched, Zeroed};
use What::{Hops, Membership, Recorded};

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
    Datagram,
    Raw,
    /// Datagram and raw sockets.
    Message,
}

/// Where the value of an option lives.
#[derive(Clone, Copy, PartialEq)]
pub enum What {
    /// In the socket's record.
    Recorded(Setting),
    /// In the record, where setting -1 brings the default back.
    Hops(Setting),
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
    IpOptions,
    PathMtu,
    PathMtu6,
    /// With the thread.
    OpenType,
    /// Reports with a layout of their own; read only.
    ProtocolInfoA,
    ProtocolInfoW,
    Addresses,
    /// Orders to the engine; write only.
    UpdateAcceptContext,
    UpdateConnectContext,
    /// Orders to the kernel; write only.
    Membership(Shape, Change),
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
    AtLeast(u32),
    AtMost(u32),
    OneOf(&'static [u32]),
}

/// The row of an option, for sockets like `target`; `dual` ones serve IPv4 too, although they are of IPv6.
///
/// # Errors
/// - [`Status::INVALID`] for a level that nobody serves, and for an option of IPPROTO_IP or IPPROTO_IPV6 that
///   this socket has no use for.
/// - [`Status::NO_PROTOCOL_OPTION`] for a name that the level, or this kind of socket, does not know.
pub fn find(level: i32, name: i32, target: &Target, dual: bool) -> Result<&'static Row, Status> {
    if !matches!(
        level,
        SOL_SOCKET | IPPROTO_IP | IPPROTO_TCP | IPPROTO_UDP | IPPROTO_IPV6
    ) {
        return Err(Status::INVALID);
    }
    let mut rows = OPTIONS
        .iter()
        .filter(|row| (row.level, row.name) == (level, name))
        .peekable();
    if rows.peek().is_none() {
        return Err(Status::NO_PROTOCOL_OPTION);
    }
    let family_fits = match level {
        IPPROTO_IP => target.family == Family::V4 || dual,
        IPPROTO_IPV6 => target.family == Family::V6 || name == IPV6_V6ONLY,
        _ => true,
    };
    let otherwise = match level {
        IPPROTO_IP | IPPROTO_IPV6 => Status::INVALID,
        _ => Status::NO_PROTOCOL_OPTION,
    };
    rows.find(|row| family_fits && row.scope.has(target.kind))
        .ok_or(otherwise)
}

impl Scope {
    fn has(self, kind: Kind) -> bool {
        match self {
            Any => true,
            Stream => kind == Kind::Stream,
            Datagram => kind == Kind::Datagram,
            Raw => matches!(kind, Kind::Raw(_)),
            Message => kind != Kind::Stream,
        }
    }
}

impl Rule {
    /// Whether `value` may be set now; `other` reads another setting.
    pub fn allows(self, value: u32, target: &Target, other: impl Fn(Setting) -> u32) -> bool {
        match self {
            BeforeBind => !target.bound,
            BeforeListen => !target.listening,
            Excludes(setting) => value == 0 || other(setting) == 0,
            AtLeast(limit) => value >= limit,
            AtMost(limit) => value <= limit,
            OneOf(values) => values.contains(&value),
        }
    }
}

const SOCKET: i32 = SOL_SOCKET;
const TCP: i32 = IPPROTO_TCP;
const UDP: i32 = IPPROTO_UDP;
const IP: i32 = IPPROTO_IP;
const IPV6: i32 = IPPROTO_IPV6;
const DATAGRAM_MAX: u32 = 65507;
/// The values of IP_MTU_DISCOVER that may be set.
const DISCOVERIES: &[u32] = &[
    IP_PMTUDISC_DO as u32,
    IP_PMTUDISC_DONT as u32,
    IP_PMTUDISC_PROBE as u32,
];
const PROTECTION_LEVELS: &[u32] = &[
    PROTECTION_LEVEL_UNRESTRICTED,
    PROTECTION_LEVEL_EDGERESTRICTED,
    PROTECTION_LEVEL_RESTRICTED,
];

#[rustfmt::skip]
pub const OPTIONS: &[Row] = &[
    row(SOCKET, SO_ACCEPTCONN,             Stream, Word(Untouched),    What::Listening,                        &[]),
    row(SOCKET, SO_BROADCAST,              Any,    Flag,               Recorded(Setting::Broadcast),           &[]),
    row(SOCKET, SO_BSP_STATE,              Any,    Word(Untouched),    What::Addresses,                        &[]),
    row(SOCKET, SO_COMPARTMENT_ID as i32,  Any,    Word(Untouched),    Recorded(Setting::CompartmentId),       &[OneOf(&[COMPARTMENT])]),
    row(SOCKET, SO_CONDITIONAL_ACCEPT,     Stream, Switch(Untouched),  Recorded(Setting::ConditionalAccept),   &[BeforeListen]),
    row(SOCKET, SO_CONNECT_TIME,           Any,    Word(Untouched),    What::ConnectTime,                      &[]),
    row(SOCKET, SO_DEBUG,                  Any,    Switch(Untouched),  Recorded(Setting::Debug),               &[]),
    row(SOCKET, SO_DONTLINGER,             Stream, Flag,               What::DontLinger,                       &[]),
    row(SOCKET, SO_DONTROUTE,              Any,    Byte,               Recorded(Setting::DontRoute),           &[]),
    row(SOCKET, SO_ERROR,                  Any,    Word(Untouched),    What::Error,                            &[]),
    row(SOCKET, SO_EXCLUSIVEADDRUSE,       Any,    Flag,               Recorded(Setting::ExclusiveAddress),    &[Excludes(Setting::ReuseAddress)]),
    row(SOCKET, SO_GROUP_ID,               Any,    Word(Untouched),    What::Constant(0),                      &[]),
    row(SOCKET, SO_KEEPALIVE,              Stream, Byte,               Recorded(Setting::KeepAlive),           &[]),
    row(SOCKET, SO_LINGER,                 Stream, Word(Zeroed),       Recorded(Setting::Linger),              &[]),
    row(SOCKET, SO_MAXDG,                  Any,    Word(Untouched),    What::Constant(DATAGRAM_MAX),           &[]),
    row(SOCKET, SO_MAXPATHDG,              Any,    Word(Untouched),    What::Constant(DATAGRAM_MAX),           &[]),
    row(SOCKET, SO_MAX_MSG_SIZE,           Any,    Word(Untouched),    What::MessageMax,                       &[]),
    row(SOCKET, SO_OOBINLINE,              Stream, Flag,               Recorded(Setting::OutOfBandInline),     &[]),
    row(SOCKET, SO_OPENTYPE,               Any,    Word(Untouched),    What::OpenType,                         &[]),
    row(SOCKET, SO_PAUSE_ACCEPT as i32,    Stream, Switch(Untouched),  Recorded(Setting::PauseAccept),         &[]),
    row(SOCKET, SO_PORT_SCALABILITY,       Any,    Switch(Untouched),  Recorded(Setting::PortScalability),     &[]),
    row(SOCKET, SO_PROTOCOL_INFOA,         Any,    Word(Untouched),    What::ProtocolInfoA,                    &[]),
    row(SOCKET, SO_PROTOCOL_INFOW,         Any,    Word(Untouched),    What::ProtocolInfoW,                    &[]),
    row(SOCKET, SO_RANDOMIZE_PORT,         Any,    Switch(Untouched),  Recorded(Setting::RandomizePort),       &[BeforeBind, Excludes(Setting::ReuseUnicastPort)]),
    row(SOCKET, SO_RCVBUF,                 Any,    Word(Zeroed),       Recorded(Setting::ReceiveBuffer),       &[]),
    row(SOCKET, SO_RCVLOWAT,               Any,    Word(Untouched),    What::Refused,                          &[]),
    row(SOCKET, SO_RCVTIMEO,               Any,    Word(Untouched),    Recorded(Setting::ReceiveTimeout),      &[]),
    row(SOCKET, SO_REUSEADDR,              Any,    Flag,               Recorded(Setting::ReuseAddress),        &[Excludes(Setting::ExclusiveAddress)]),
    row(SOCKET, SO_REUSE_MULTICASTPORT,    Any,    Word(Untouched),    Recorded(Setting::ReuseMulticastPort),  &[]),
    row(SOCKET, SO_REUSE_UNICASTPORT,      Any,    Switch(Untouched),  Recorded(Setting::ReuseUnicastPort),    &[]),
    row(SOCKET, SO_SNDBUF,                 Any,    Word(Zeroed),       Recorded(Setting::SendBuffer),          &[]),
    row(SOCKET, SO_SNDLOWAT,               Any,    Word(Untouched),    What::Refused,                          &[]),
    row(SOCKET, SO_SNDTIMEO,               Any,    Word(Untouched),    Recorded(Setting::SendTimeout),         &[]),
    row(SOCKET, SO_TYPE,                   Any,    Word(Untouched),    What::SocketType,                       &[]),
    row(SOCKET, SO_UPDATE_ACCEPT_CONTEXT,  Stream, Word(Untouched),    What::UpdateAcceptContext,              &[]),
    row(SOCKET, SO_UPDATE_CONNECT_CONTEXT, Stream, Word(Untouched),    What::UpdateConnectContext,             &[]),
    row(SOCKET, SO_USELOOPBACK,            Any,    Word(Untouched),    What::Refused,                          &[]),

    row(TCP, TCP_BSDURGENT,                  Stream, Switch(Untouched),  Recorded(Setting::TcpBsdUrgent),         &[]),
    row(TCP, TCP_EXPEDITED_1122,             Stream, Switch(Untouched),  Recorded(Setting::TcpExpedited),         &[]),
    row(TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR, Stream, Switch(Untouched),  Recorded(Setting::TcpFailOnIcmp),        &[]),
    row(TCP, TCP_FASTOPEN,                   Stream, Switch(Untouched),  Recorded(Setting::TcpFastOpen),          &[]),
    row(TCP, TCP_KEEPCNT,                    Stream, Word(LengthZero),   Recorded(Setting::KeepCount),            &[AtMost(255)]),
    row(TCP, TCP_KEEPIDLE,                   Stream, Word(LengthZero),   Recorded(Setting::KeepIdle),             &[]),
    row(TCP, TCP_KEEPINTVL,                  Stream, Word(LengthZero),   Recorded(Setting::KeepInterval),         &[]),
    row(TCP, TCP_MAXRT,                      Stream, Word(Untouched),    Recorded(Setting::TcpMaxRetransmission), &[]),
    row(TCP, TCP_MAXSEG,                     Stream, Word(Untouched),    What::SegmentMax,                        &[]),
    row(TCP, TCP_NODELAY,                    Stream, Byte,               Recorded(Setting::NoDelay),              &[]),
    row(TCP, TCP_NOSYNRETRIES,               Stream, Switch(Untouched),  Recorded(Setting::TcpNoSynRetries),      &[]),
    row(TCP, TCP_NOURG,                      Stream, Switch(Untouched),  Recorded(Setting::TcpNoUrgent),          &[]),
    row(TCP, TCP_STDURG,                     Stream, Switch(Untouched),  Recorded(Setting::TcpStandardUrgent),    &[]),
    row(TCP, TCP_TIMESTAMPS,                 Stream, Switch(Untouched),  Recorded(Setting::TcpTimestamps),        &[]),

    row(IP, IP_OPTIONS,              Any,      Word(Untouched),    What::IpOptions,                        &[]),
    row(IP, IP_HDRINCL,              Raw,      Switch(Untouched),  Recorded(Setting::HeaderIncluded),       &[]),
    row(IP, IP_TOS,                  Any,      Small,              Recorded(Setting::Tos),                  &[AtMost(255)]),
    row(IP, IP_TTL,                  Any,      Small,              Recorded(Setting::Ttl),                  &[AtLeast(1), AtMost(255)]),
    row(IP, IP_MULTICAST_IF,         Message,  Word(Untouched),    Recorded(Setting::MulticastIf),          &[]),
    row(IP, IP_MULTICAST_TTL,        Message,  Small,              Recorded(Setting::MulticastTtl),         &[AtMost(255)]),
    row(IP, IP_MULTICAST_LOOP,       Message,  SmallFlag,          Recorded(Setting::MulticastLoop),        &[]),
    row(IP, IP_DONTFRAGMENT,         Message,  Switch(Untouched),  Recorded(Setting::DontFragment),         &[]),
    row(IP, IP_DONTFRAGMENT,         Stream,   Switch(Untouched),  Recorded(Setting::DontFragmentStream),   &[]),
    row(IP, IP_PKTINFO,              Message,  Switch(LengthZero), Recorded(Setting::PacketInfo),           &[]),
    row(IP, IP_RECVTTL,              Message,  Switch(LengthZero), Recorded(Setting::ReceiveTtl),           &[]),
    row(IP, IP_RECEIVE_BROADCAST,    Message,  Switch(Untouched),  Recorded(Setting::ReceiveBroadcast),     &[]),
    row(IP, IP_RECVIF,               Message,  Switch(Untouched),  Recorded(Setting::ReceiveInterface),     &[]),
    row(IP, IP_RECVDSTADDR,          Message,  Switch(Untouched),  Recorded(Setting::ReceiveDestination),   &[]),
    row(IP, IP_IFLIST,               Any,      Switch(Untouched),  Recorded(Setting::InterfaceList),        &[]),
    row(IP, IP_UNICAST_IF,           Any,      Word(Untouched),    Recorded(Setting::UnicastIf),            &[]),
    row(IP, IP_RTHDR,                Any,      Switch(Untouched),  Recorded(Setting::RoutingHeader),        &[]),
    row(IP, IP_GET_IFLIST,           Any,      Word(Untouched),    What::Refused,                          &[]),
    row(IP, IP_RECVRTHDR,            Message,  Switch(Untouched),  Recorded(Setting::ReceiveRoutingHeader), &[]),
    row(IP, IP_RECVTOS,              Message,  Switch(LengthZero), Recorded(Setting::ReceiveTos),           &[]),
    row(IP, IP_ORIGINAL_ARRIVAL_IF,  Message,  Switch(Untouched),  Recorded(Setting::OriginalArrivalIf),    &[]),
    row(IP, IP_ECN,                  Message,  Switch(Untouched),  Recorded(Setting::ReceiveEcn),           &[]),
    row(IP, IP_MTU_DISCOVER,         Any,      Word(Untouched),    Recorded(Setting::MtuDiscover),          &[OneOf(DISCOVERIES)]),
    row(IP, IP_MTU,                  Any,      Word(Untouched),    What::PathMtu,                          &[]),
    row(IP, IP_RECVERR,              Datagram, Switch(Untouched),  Recorded(Setting::ReceiveErrors),        &[]),
    row(IP, IP_USER_MTU,             Any,      Word(Untouched),    Recorded(Setting::UserMtu),              &[]),

    row(IP, IP_ADD_MEMBERSHIP,               Message, Word(Untouched), Membership(Shape::IpMreq, Change::Join),                     &[]),
    row(IP, IP_DROP_MEMBERSHIP,              Message, Word(Untouched), Membership(Shape::IpMreq, Change::Leave),                    &[]),
    row(IP, IP_ADD_SOURCE_MEMBERSHIP,        Message, Word(Untouched), Membership(Shape::IpMreqSource, Change::JoinSource),         &[]),
    row(IP, IP_DROP_SOURCE_MEMBERSHIP,       Message, Word(Untouched), Membership(Shape::IpMreqSource, Change::LeaveSource),        &[]),
    row(IP, IP_BLOCK_SOURCE,                 Message, Word(Untouched), Membership(Shape::IpMreqSource, Change::Block),              &[]),
    row(IP, IP_UNBLOCK_SOURCE,               Message, Word(Untouched), Membership(Shape::IpMreqSource, Change::Unblock),            &[]),
    row(IP, MCAST_JOIN_GROUP as i32,         Message, Word(Untouched), Membership(Shape::GroupReq(V4), Change::Join),               &[]),
    row(IP, MCAST_LEAVE_GROUP as i32,        Message, Word(Untouched), Membership(Shape::GroupReq(V4), Change::Leave),              &[]),
    row(IP, MCAST_JOIN_SOURCE_GROUP as i32,  Message, Word(Untouched), Membership(Shape::GroupSourceReq(V4), Change::JoinSource),   &[]),
    row(IP, MCAST_LEAVE_SOURCE_GROUP as i32, Message, Word(Untouched), Membership(Shape::GroupSourceReq(V4), Change::LeaveSource),  &[]),
    row(IP, MCAST_BLOCK_SOURCE as i32,       Message, Word(Untouched), Membership(Shape::GroupSourceReq(V4), Change::Block),        &[]),
    row(IP, MCAST_UNBLOCK_SOURCE as i32,     Message, Word(Untouched), Membership(Shape::GroupSourceReq(V4), Change::Unblock),      &[]),

    row(IPV6, IPV6_HDRINCL,          Raw,      Switch(Untouched),  Recorded(Setting::V6HeaderIncluded),       &[]),
    row(IPV6, IPV6_UNICAST_HOPS,     Any,      Small,              Hops(Setting::V6UnicastHops),              &[AtMost(255)]),
    row(IPV6, IPV6_MULTICAST_IF,     Message,  Word(Untouched),    Recorded(Setting::V6MulticastIf),          &[]),
    row(IPV6, IPV6_MULTICAST_HOPS,   Message,  Small,              Hops(Setting::V6MulticastHops),            &[AtMost(255)]),
    row(IPV6, IPV6_MULTICAST_LOOP,   Message,  SmallFlag,          Recorded(Setting::V6MulticastLoop),        &[]),
    row(IPV6, IPV6_DONTFRAG,         Message,  SmallFlag,          Recorded(Setting::V6DontFragment),         &[]),
    row(IPV6, IPV6_DONTFRAG,         Stream,   SmallFlag,          Recorded(Setting::V6DontFragmentStream),   &[]),
    row(IPV6, IPV6_PKTINFO,          Message,  Switch(LengthZero), Recorded(Setting::V6PacketInfo),           &[]),
    row(IPV6, IPV6_HOPLIMIT,         Message,  Switch(LengthZero), Recorded(Setting::V6HopLimit),             &[]),
    row(IPV6, IPV6_PROTECTION_LEVEL, Any,      Word(Untouched),    Recorded(Setting::V6ProtectionLevel),      &[OneOf(PROTECTION_LEVELS)]),
    row(IPV6, IPV6_RECVIF,           Message,  Switch(Untouched),  Recorded(Setting::V6ReceiveInterface),     &[]),
    row(IPV6, IPV6_RECVDSTADDR,      Message,  Switch(Untouched),  Recorded(Setting::V6ReceiveDestination),   &[]),
    row(IPV6, IPV6_CHECKSUM,         Raw,      Word(Untouched),    Recorded(Setting::V6Checksum),             &[]),
    row(IPV6, IPV6_V6ONLY,           Any,      Byte,               Recorded(Setting::V6Only),                 &[BeforeBind]),
    row(IPV6, IPV6_IFLIST,           Any,      Switch(Untouched),  Recorded(Setting::V6InterfaceList),        &[]),
    row(IPV6, IPV6_UNICAST_IF,       Any,      Word(Untouched),    Recorded(Setting::V6UnicastIf),            &[]),
    row(IPV6, IPV6_RTHDR,            Any,      Switch(Untouched),  Recorded(Setting::V6RoutingHeader),        &[]),
    row(IPV6, IPV6_GET_IFLIST,       Any,      Word(Untouched),    What::Refused,                            &[]),
    row(IPV6, IPV6_RECVRTHDR,        Message,  Switch(Untouched),  Recorded(Setting::V6ReceiveRoutingHeader), &[]),
    row(IPV6, IPV6_RECVTCLASS,       Message,  Switch(LengthZero), Recorded(Setting::V6ReceiveTrafficClass),  &[]),
    row(IPV6, IPV6_ECN,              Message,  Switch(Untouched),  Recorded(Setting::V6ReceiveEcn),           &[]),
    row(IPV6, IPV6_MTU_DISCOVER,     Any,      Word(Untouched),    Recorded(Setting::V6MtuDiscover),          &[OneOf(DISCOVERIES)]),
    row(IPV6, IPV6_MTU,              Any,      Word(Untouched),    What::PathMtu6,                           &[]),
    row(IPV6, IPV6_RECVERR,          Datagram, Switch(Untouched),  Recorded(Setting::V6ReceiveErrors),        &[]),
    row(IPV6, IPV6_USER_MTU,         Any,      Word(Untouched),    Recorded(Setting::V6UserMtu),              &[]),

    row(IPV6, IPV6_ADD_MEMBERSHIP,             Message, Word(Untouched), Membership(Shape::Ipv6Mreq, Change::Join),                  &[]),
    row(IPV6, IPV6_DROP_MEMBERSHIP,            Message, Word(Untouched), Membership(Shape::Ipv6Mreq, Change::Leave),                 &[]),
    row(IPV6, MCAST_JOIN_GROUP as i32,         Message, Word(Untouched), Membership(Shape::GroupReq(V6), Change::Join),              &[]),
    row(IPV6, MCAST_LEAVE_GROUP as i32,        Message, Word(Untouched), Membership(Shape::GroupReq(V6), Change::Leave),             &[]),
    row(IPV6, MCAST_JOIN_SOURCE_GROUP as i32,  Message, Word(Untouched), Membership(Shape::GroupSourceReq(V6), Change::JoinSource),  &[]),
    row(IPV6, MCAST_LEAVE_SOURCE_GROUP as i32, Message, Word(Untouched), Membership(Shape::GroupSourceReq(V6), Change::LeaveSource), &[]),
    row(IPV6, MCAST_BLOCK_SOURCE as i32,       Message, Word(Untouched), Membership(Shape::GroupSourceReq(V6), Change::Block),       &[]),
    row(IPV6, MCAST_UNBLOCK_SOURCE as i32,     Message, Word(Untouched), Membership(Shape::GroupSourceReq(V6), Change::Unblock),     &[]),

    row(UDP, UDP_CHECKSUM_COVERAGE,       Datagram, Word(Untouched),   Recorded(Setting::UdpChecksumCoverage), &[]),
    row(UDP, UDP_NOCHECKSUM,              Datagram, Switch(Untouched), Recorded(Setting::UdpNoChecksum),       &[]),
    row(UDP, UDP_RECV_MAX_COALESCED_SIZE, Datagram, Word(Untouched),   Recorded(Setting::UdpCoalescedMax),     &[]),
    row(UDP, UDP_SEND_MSG_SIZE,           Datagram, Word(Untouched),   Recorded(Setting::UdpSendMessageSize),  &[AtMost(65535)]),
];

use Family::{V4, V6};

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

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    #[test]
    fn every_setting_has_exactly_one_option() {
        for record in SETTINGS {
            let shapes = match record.setting {
                Setting::SegmentMax => [What::SegmentMax; 2], // which reads back what is in effect
                setting => [Recorded(setting), Hops(setting)],
            };
            let rows = OPTIONS
                .iter()
                .filter(|row| shapes.contains(&row.what))
                .count();
            assert_eq!(rows, 1, "{:?}", record.setting);
        }
    }

    #[test]
    fn no_option_has_two_rows_for_a_kind_of_socket() {
        let kinds = [Kind::Stream, Kind::Datagram, Kind::Raw(1)];
        for (index, row) in OPTIONS.iter().enumerate() {
            let same = |other: &Row| {
                (other.level, other.name) == (row.level, row.name)
                    && kinds
                        .iter()
                        .any(|kind| other.scope.has(*kind) && row.scope.has(*kind))
            };
            assert!(
                !OPTIONS[index + 1..].iter().any(same),
                "{:#x} {:#x}",
                row.level,
                row.name
            );
        }
    }

    fn target(family: Family, kind: Kind) -> Target {
        Target {
            fd: -1,
            family,
            kind,
            bound: false,
            listening: false,
            peer: None,
            connected_since: None,
            connect_error: 0,
        }
    }

    fn error(level: i32, name: i32, family: Family, kind: Kind) -> Option<Status> {
        find(level, name, &target(family, kind), false).err()
    }

    /// Source: setsockopt, WSAEINVAL ("the level parameter is not valid") and WSAENOPROTOOPT.
    #[test]
    fn a_level_is_judged_before_a_name() {
        let error = |level: u32, name| error(level as i32, name, V4, Kind::Stream);
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
                error(level, name, V4, Kind::Datagram),
                Some(Status::NO_PROTOCOL_OPTION)
            );
            assert_eq!(error(level, name, V4, Kind::Stream), None);
        }
    }

    /// Source: "IPPROTO_IP Socket Options", "IPPROTO_IPV6 Socket Options"; the code is observed.
    #[test]
    fn the_ip_levels_refuse_what_a_socket_has_no_use_for() {
        let invalid = Some(Status::INVALID);
        assert_eq!(error(IP, IP_MULTICAST_TTL, V4, Kind::Stream), invalid);
        assert_eq!(error(IP, IP_HDRINCL, V4, Kind::Datagram), invalid);
        assert_eq!(error(IP, IP_HDRINCL, V4, Kind::Raw(1)), None);
        assert_eq!(error(IP, IP_RECVERR, V4, Kind::Raw(1)), invalid);
        assert_eq!(error(IP, IP_TTL, V6, Kind::Stream), invalid);
        assert!(find(IP, IP_TTL, &target(V6, Kind::Stream), true).is_ok());
        assert_eq!(error(IPV6, IPV6_UNICAST_HOPS, V4, Kind::Stream), invalid);
        assert_eq!(error(IPV6, IPV6_V6ONLY, V4, Kind::Stream), None);
    }
}
