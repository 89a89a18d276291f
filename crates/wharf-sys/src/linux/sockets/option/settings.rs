//! What a socket records of its options: how each value begins, spreads and reaches the kernel.

use windows_sys::Win32::Networking::WinSock::PROTECTION_LEVEL_UNRESTRICTED;

use super::super::address::Family;

use Family::{V4, V6};
use Kernel::{
    Buffer, DontFragment, Fragmentation, InterfaceIndex, KeepAlive, MulticastInterface, Nothing,
    PacketInfo, Plain, SegmentMax, UserTimeout, V6Only,
};

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
    SegmentMax,
    SendBuffer,
    SendTimeout,
    TcpBsdUrgent,
    TcpExpedited,
    TcpFailOnIcmp,
    TcpFastOpen,
    TcpMaxRetransmission,
    TcpNoSynRetries,
    TcpNoUrgent,
    TcpStandardUrgent,
    TcpTimestamps,
    V6Only,

    CompartmentId,

    DontFragment,
    DontFragmentStream,
    HeaderIncluded,
    InterfaceList,
    MtuDiscover,
    MulticastIf,
    MulticastLoop,
    MulticastTtl,
    OriginalArrivalIf,
    PacketInfo,
    ReceiveBroadcast,
    ReceiveDestination,
    ReceiveEcn,
    ReceiveErrors,
    ReceiveInterface,
    ReceiveRoutingHeader,
    ReceiveTos,
    ReceiveTtl,
    RoutingHeader,
    Tos,
    Ttl,
    UnicastIf,
    UserMtu,

    V6Checksum,
    V6DontFragment,
    V6DontFragmentStream,
    V6HeaderIncluded,
    V6HopLimit,
    V6InterfaceList,
    V6MtuDiscover,
    V6MulticastHops,
    V6MulticastIf,
    V6MulticastLoop,
    V6PacketInfo,
    V6ProtectionLevel,
    V6ReceiveDestination,
    V6ReceiveEcn,
    V6ReceiveErrors,
    V6ReceiveInterface,
    V6ReceiveRoutingHeader,
    V6ReceiveTrafficClass,
    V6RoutingHeader,
    V6UnicastHops,
    V6UnicastIf,
    V6UserMtu,

    UdpChecksumCoverage,
    UdpCoalescedMax,
    UdpNoChecksum,
    UdpSendMessageSize,
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
    /// TCP_MAXSEG, which reads back what is in effect: the record is only for the next descriptor.
    SegmentMax,
    UserTimeout,
    V6Only,
    /// The don't-fragment bit, for IPv4 or IPv6.
    DontFragment(Family),
    /// How fragments are avoided, likewise.
    Fragmentation(Family),
    /// An interface's index in host order that Linux wants in network order, by level and name.
    InterfaceIndex(i32, i32),
    /// An address of an interface, or 0.x.y.z with its index.
    MulticastInterface,
    /// Once any option wants the interface or address a datagram came by, the kernel is asked for both, for good: what is
    /// delivered is decided by the record.
    PacketInfo,
}

/// What Windows lets a packet travel, where nobody says otherwise.
pub const HOPS: u32 = 128;

/// The one compartment there is.
pub const COMPARTMENT: u32 = 1;

impl Setting {
    /// How this setting begins, spreads and reaches the kernel.
    pub fn record(self) -> &'static Record {
        &SETTINGS[self as usize]
    }
}

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
    record(Setting::SegmentMax,           0,     true,  SegmentMax),
    record(Setting::SendBuffer,           65536, true,  Buffer(libc::SO_SNDBUF)),
    record(Setting::SendTimeout,          0,     true,  Nothing), // blocking is the engine's
    record(Setting::TcpBsdUrgent,         1,     true,  Nothing),
    record(Setting::TcpExpedited,         0,     true,  Nothing),
    record(Setting::TcpFailOnIcmp,        0,     true,  Nothing),
    record(Setting::TcpFastOpen,          0,     false, Nothing),
    record(Setting::TcpMaxRetransmission, 0,     true,  UserTimeout),
    record(Setting::TcpNoSynRetries,      0,     true,  Nothing),
    record(Setting::TcpNoUrgent,          0,     true,  Nothing),
    record(Setting::TcpStandardUrgent,    0,     true,  Nothing),
    record(Setting::TcpTimestamps,        0,     true,  Nothing),
    record(Setting::V6Only,               1,     true,  V6Only),

    record(Setting::CompartmentId, COMPARTMENT, true, Nothing),

    record(Setting::DontFragment,         0,    false, DontFragment(V4)),
    record(Setting::DontFragmentStream,   1,    true,  DontFragment(V4)),
    record(Setting::HeaderIncluded,       0,    false, Plain(libc::IPPROTO_IP, libc::IP_HDRINCL)),
    record(Setting::InterfaceList,        0,    true,  Nothing),
    record(Setting::MtuDiscover,          0,    true,  Fragmentation(V4)),
    record(Setting::MulticastIf,          0,    false, MulticastInterface),
    record(Setting::MulticastLoop,        1,    false, Plain(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP)),
    record(Setting::MulticastTtl,         1,    false, Plain(libc::IPPROTO_IP, libc::IP_MULTICAST_TTL)),
    record(Setting::OriginalArrivalIf,    0,    false, PacketInfo),
    record(Setting::PacketInfo,           0,    false, PacketInfo),
    record(Setting::ReceiveBroadcast,     1,    false, Nothing),
    record(Setting::ReceiveDestination,   0,    false, PacketInfo),
    record(Setting::ReceiveEcn,           0,    false, Nothing),
    record(Setting::ReceiveErrors,        0,    false, Nothing), // the engine's own: ICMP errors are told by receives
    record(Setting::ReceiveInterface,     0,    false, PacketInfo),
    record(Setting::ReceiveRoutingHeader, 0,    false, Nothing),
    record(Setting::ReceiveTos,           0,    false, Plain(libc::IPPROTO_IP, libc::IP_RECVTOS)),
    record(Setting::ReceiveTtl,           0,    false, Plain(libc::IPPROTO_IP, libc::IP_RECVTTL)),
    record(Setting::RoutingHeader,        0,    true,  Nothing),
    record(Setting::Tos,                  0,    true,  Nothing), // which Windows ignores too
    record(Setting::Ttl,                  HOPS, true,  Plain(libc::IPPROTO_IP, libc::IP_TTL)),
    record(Setting::UnicastIf,            0,    true,  Plain(libc::IPPROTO_IP, libc::IP_UNICAST_IF)),
    record(Setting::UserMtu,              0,    true,  Nothing),

    record(Setting::V6Checksum,        u32::MAX, false, Plain(libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM)),
    record(Setting::V6DontFragment,         0,    false, DontFragment(V6)),
    record(Setting::V6DontFragmentStream,   1,    true,  DontFragment(V6)),
    record(Setting::V6HeaderIncluded,       0,    false, Plain(libc::IPPROTO_IPV6, libc::IPV6_HDRINCL)),
    record(Setting::V6HopLimit,             0,    false, Plain(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)),
    record(Setting::V6InterfaceList,        0,    true,  Nothing),
    record(Setting::V6MtuDiscover,          0,    true,  Fragmentation(V6)),
    record(Setting::V6MulticastHops,        1,    false, Plain(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS)),
    record(Setting::V6MulticastIf,          0,    false, Plain(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF)),
    record(Setting::V6MulticastLoop,        1,    false, Plain(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP)),
    record(Setting::V6PacketInfo,           0,    false, PacketInfo),
    record(Setting::V6ProtectionLevel, PROTECTION_LEVEL_UNRESTRICTED, true, Nothing),
    record(Setting::V6ReceiveDestination,   0,    false, PacketInfo),
    record(Setting::V6ReceiveEcn,           0,    false, Nothing),
    record(Setting::V6ReceiveErrors,        0,    false, Nothing), // as for IPv4
    record(Setting::V6ReceiveInterface,     0,    false, PacketInfo),
    record(Setting::V6ReceiveRoutingHeader, 0,    false, Nothing),
    record(Setting::V6ReceiveTrafficClass,  0,    false, Plain(libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS)),
    record(Setting::V6RoutingHeader,        0,    true,  Nothing),
    record(Setting::V6UnicastHops,          HOPS, true,  Plain(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)),
    record(Setting::V6UnicastIf,            0,    true,  InterfaceIndex(libc::IPPROTO_IPV6, IPV6_UNICAST_IF_OF_LINUX)),
    record(Setting::V6UserMtu,              0,    true,  Nothing),

    record(Setting::UdpChecksumCoverage, 0, false, Nothing),
    record(Setting::UdpCoalescedMax,     0, false, Nothing), // datagrams are never coalesced
    record(Setting::UdpNoChecksum,       0, false, Plain(libc::SOL_SOCKET, libc::SO_NO_CHECK)),
    record(Setting::UdpSendMessageSize,  0, false, Plain(libc::IPPROTO_UDP, libc::UDP_SEGMENT)),
];

/// <linux/in6.h>
const IPV6_UNICAST_IF_OF_LINUX: i32 = 76;

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
}
