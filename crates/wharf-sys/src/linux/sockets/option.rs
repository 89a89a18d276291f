//! Socket options: what `getsockopt` and `setsockopt` know, and what a socket remembers.
//!
//! Windows reads back exactly what was set, and accepts options Linux has no idea of. So each socket keeps a
//! record of everything its program set ([`Options`]), answers from it, and tells the kernel only what the
//! kernel must act on. What an option is called, how its value travels and when it is refused are rows of
//! `option/table.rs`, whose shapes `option/form.rs` reads and writes; how the recorded values begin and spread are rows of
//! `option/settings.rs`, and `option/kernel.rs` carries them to a descriptor; `option/report.rs` holds the options
//! that answer with a structure, `option/membership.rs` those that join and leave multicast groups, which the
//! kernel alone remembers.
//!
//! Errors are found in Windows' order: the level, the name, the pointer and length, the state, the value.
//!
//! Source: "setsockopt", "getsockopt", "SOL_SOCKET Socket Options", "IPPROTO_TCP socket options", "IPPROTO_UDP
//! socket options", "IPPROTO_IP Socket Options", "IPPROTO_IPV6 Socket Options", "SIO_KEEPALIVE_VALS".

pub mod filter;
mod form;
mod kernel;
mod membership;
mod report;
mod settings;
mod table;

use std::cell::Cell;
use std::mem::offset_of;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use crate::types::{
    IPPROTO_TCP, IPPROTO_UDP, SO_OPENTYPE, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, SOCKET, SOL_SOCKET,
    WSAPROTOCOL_INFOW, tcp_keepalive,
};

use super::address::{Address, Family};
use super::datagram::Wanted;
use crate::platform::status::Status;

use form::{Form, ShortGet, low_word};
pub use kernel::fresh_descriptor;
pub use membership::{Change as MembershipChange, Interface, Membership};
pub use report::describe_protocol;
use settings::{SETTINGS, Setting};
use table::{Row, Rule, What};

use super::bind_rules::Sharing;

/// The kinds of sockets there are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream of bytes: TCP.
    Stream,
    /// Messages: UDP.
    Datagram,
    /// Packets of IP, of the protocol with this number.
    Raw(u8),
}

impl Kind {
    /// The socket type, as Windows numbers it.
    pub const fn windows(self) -> i32 {
        match self {
            Kind::Stream => SOCK_STREAM,
            Kind::Datagram => SOCK_DGRAM,
            Kind::Raw(_) => SOCK_RAW,
        }
    }

    /// The protocol's number, the same on both systems.
    pub const fn protocol(self) -> i32 {
        match self {
            Kind::Stream => IPPROTO_TCP,
            Kind::Datagram => IPPROTO_UDP,
            Kind::Raw(protocol) => protocol as i32,
        }
    }
}

/// What options have to know of the socket they are for.
pub struct Target {
    /// Its descriptor, open for the duration of the call.
    pub fd: RawFd,
    /// Its address family.
    pub family: Family,
    /// Stream, datagram or raw.
    pub kind: Kind,
    /// Has an address: some options come too late then.
    pub bound: bool,
    /// Listens: likewise.
    pub listening: bool,
    /// The other end of its connection, also after that is over.
    pub peer: Option<Address>,
    /// Since when it is connected, for SO_CONNECT_TIME.
    pub connected_since: Option<Instant>,
    /// SO_ERROR, which the engine keeps: the WSA code of the last failed non-blocking connect.
    pub connect_error: u32,
}

/// What remains for the engine to do after a successful [`set`].
#[derive(Debug, PartialEq, Eq)]
pub enum SetEffect {
    /// Nothing.
    None,
    /// SO_ERROR was set: it reads back as this.
    ConnectError(u32),
    /// SO_UPDATE_ACCEPT_CONTEXT, with the listener's handle.
    UpdateAcceptContext(SOCKET),
    /// SO_UPDATE_CONNECT_CONTEXT.
    UpdateConnectContext,
}

/// Everything a program set on one socket; the default is a fresh Windows socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What is not here was never set, so the kernel was not told either. Few are, so this is small.
    values: Box<[(Setting, u32)]>,
    /// IP_OPTIONS, which no accepted socket has from its listener.
    ip_options: Option<Box<IpOptions>>,
}

/// The options of an IPv4 header, whose room is the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IpOptions {
    bytes: [u8; IP_OPTIONS_MAX],
    len: usize,
}

const IP_OPTIONS_MAX: usize = 40;

impl Options {
    /// Takes over from `listener` what an accepted socket has from it.
    pub fn inherit(&mut self, listener: &Options) {
        for record in SETTINGS.iter().filter(|record| record.inherited) {
            self.record(record.setting, listener.recorded(record.setting));
        }
    }

    /// How `closesocket` lingers: not at all, or for this long (zero: abortively).
    pub fn linger(&self) -> Option<Duration> {
        let [switch, seconds] = linger_fields(self.value(Setting::Linger));
        (switch != 0).then(|| Duration::from_secs(u64::from(seconds)))
    }

    /// How long a blocking receive waits; `None`: for ever.
    pub fn receive_timeout(&self) -> Option<Duration> {
        self.timeout(Setting::ReceiveTimeout)
    }

    /// How long a blocking send waits; `None`: for ever.
    pub fn send_timeout(&self) -> Option<Duration> {
        self.timeout(Setting::SendTimeout)
    }

    /// Whether urgent data arrives in the stream (SO_OOBINLINE).
    pub fn out_of_band_inline(&self) -> bool {
        self.value(Setting::OutOfBandInline) != 0
    }

    /// How a socket of this kind shares the address it is bound to.
    pub fn sharing(&self, kind: Kind) -> Sharing {
        let is_on = |setting| self.value(setting) != 0;
        let shares_groups = kind == Kind::Datagram && is_on(Setting::ReuseMulticastPort);
        if is_on(Setting::ExclusiveAddress) {
            Sharing::Exclusive
        } else if is_on(Setting::ReuseAddress) || shares_groups {
            Sharing::Reuse
        } else {
            Sharing::Default
        }
    }

    /// IPV6_V6ONLY: an IPv6 socket does not serve IPv4.
    pub fn v6_only(&self) -> bool {
        self.value(Setting::V6Only) != 0
    }

    fn is_dual(&self, target: &Target) -> bool {
        target.family == Family::V6 && !self.v6_only()
    }

    /// The control data that WSARecvMsg delivers.
    pub fn wanted_control(&self) -> Wanted {
        let on = |setting| self.value(setting) != 0;
        Wanted {
            packet_info: on(Setting::PacketInfo),
            time_to_live: on(Setting::ReceiveTtl),
            type_of_service: on(Setting::ReceiveTos),
            interface: on(Setting::ReceiveInterface),
            arrival_interface: on(Setting::OriginalArrivalIf),
            destination: on(Setting::ReceiveDestination),
            packet_info_v6: on(Setting::V6PacketInfo),
            hop_limit: on(Setting::V6HopLimit),
            traffic_class: on(Setting::V6ReceiveTrafficClass),
            interface_v6: on(Setting::V6ReceiveInterface),
            destination_v6: on(Setting::V6ReceiveDestination),
        }
    }

    fn timeout(&self, setting: Setting) -> Option<Duration> {
        let milliseconds = self.value(setting);
        (milliseconds != 0).then(|| Duration::from_millis(u64::from(milliseconds)))
    }

    fn value(&self, setting: Setting) -> u32 {
        self.recorded(setting).unwrap_or(setting.record().default)
    }

    fn recorded(&self, setting: Setting) -> Option<u32> {
        let is_it = |(other, _): &&(Setting, u32)| *other == setting;
        self.values.iter().find(is_it).map(|(_, value)| *value)
    }

    /// Remembers a value, or that there is none.
    fn record(&mut self, setting: Setting, value: Option<u32>) {
        let mut values = std::mem::take(&mut self.values).into_vec();
        values.retain(|(other, _)| *other != setting);
        if let Some(value) = value {
            values.reserve_exact(1);
            values.push((setting, value));
            values.sort_by_key(|(setting, _)| *setting as usize); // so that equal records are equal
        }
        self.values = values.into_boxed_slice();
    }

    fn ip_options(&self) -> &[u8] {
        self.ip_options
            .as_ref()
            .map_or(&[], |options| &options.bytes[..options.len])
    }

    fn record_ip_options(&mut self, options: &[u8]) {
        let mut bytes = [0; IP_OPTIONS_MAX];
        let len = options.len();
        bytes[..len].copy_from_slice(options);
        self.ip_options = (len > 0).then(|| Box::new(IpOptions { bytes, len }));
    }

    fn with(&self, setting: Setting, value: u32) -> Options {
        let mut changed = self.clone();
        changed.record(setting, Some(value));
        changed
    }

    fn allow(&self, rules: &[Rule], value: u32, target: &Target) -> Result<(), Status> {
        let other = |setting| self.value(setting);
        if rules.iter().all(|rule| rule.allows(value, target, other)) {
            Ok(())
        } else {
            Err(Status::INVALID)
        }
    }
}

/// How many bytes at `optval` a call with this length may touch: more is never read or written, and a negative
/// length counts, as on Windows, as room for a word.
pub fn buffer_len(len: i32) -> usize {
    usize::try_from(len).map_or(size_of::<u32>(), |len| {
        len.min(size_of::<WSAPROTOCOL_INFOW>())
    })
}

/// Whether there is memory at `optval`. What is not there is a failure, as on Windows, not a fault.
pub fn is_readable(optval: *const u8) -> bool {
    !optval.is_null() && crate::platform::system::is_readable(optval)
}

/// Sets an option: `value` is what `optval` points to, [`buffer_len`] bytes of it, or `None` for a null pointer.
pub fn set(
    target: &Target,
    options: &mut Options,
    level: i32,
    name: i32,
    value: Option<&[u8]>,
    len: i32,
) -> Result<SetEffect, Status> {
    let row = table::find(level, name, target, options.is_dual(target))?;
    match row.what {
        What::Recorded(setting) => set_recorded(
            target,
            options,
            row,
            setting,
            row.form.read(level, value, len)?,
        ),
        What::Hops(setting) => match row.form.read(level, value, len)? {
            u32::MAX => {
                let default = setting.record().default;
                set_recorded(target, options, row, setting, default)
            }
            hops => set_recorded(target, options, row, setting, hops),
        },
        What::DontLinger => {
            let [_, seconds] = linger_fields(options.value(Setting::Linger));
            let lingers = row.form.read(level, value, len)? == 0;
            let linger = u32::from(lingers) | u32::from(seconds) << 16;
            set_recorded(target, options, row, Setting::Linger, linger)
        }
        What::Error => Ok(SetEffect::ConnectError(row.form.read(level, value, len)?)),
        What::SegmentMax => {
            let size = row.form.read(level, value, len)?;
            set_recorded(target, options, row, Setting::SegmentMax, size)
        }
        What::IpOptions => {
            let bytes = options_of(value.ok_or(Status::FAULT)?, len)?;
            kernel::set_ip_options(target.fd, bytes)?;
            options.record_ip_options(bytes);
            Ok(SetEffect::None)
        }
        What::Membership(shape, change) => {
            let bytes = value.ok_or(Status::FAULT)?;
            if len < 0 {
                return Err(Status::NO_BUFFERS);
            }
            Membership::parse(shape, bytes)?.apply(change, target.fd)?;
            Ok(SetEffect::None)
        }
        What::OpenType => {
            set_open_type(value, len)?;
            Ok(SetEffect::None)
        }
        What::UpdateAcceptContext => Ok(SetEffect::UpdateAcceptContext(read_socket(value)?)),
        What::UpdateConnectContext => Ok(SetEffect::UpdateConnectContext),
        What::Refused => Err(Status::INVALID),
        What::SocketType if target.kind != Kind::Stream => Err(Status::INVALID),
        What::SocketType
        | What::Listening
        | What::MessageMax
        | What::ConnectTime
        | What::PathMtu
        | What::PathMtu6
        | What::Constant(_)
        | What::ProtocolInfoA
        | What::ProtocolInfoW
        | What::Addresses => Err(Status::NO_PROTOCOL_OPTION),
    }
}

/// Gets an option into `out`, which is [`buffer_len`] bytes at `optval`, or `None` for a null pointer.
///
/// The second result is the new value of `*optlen`, which changes on some failures too.
pub fn get(
    target: &Target,
    options: &Options,
    level: i32,
    name: i32,
    out: Option<&mut [u8]>,
    len: i32,
) -> (Result<(), Status>, i32) {
    let row = match table::find(level, name, target, options.is_dual(target)) {
        Ok(row) => row,
        Err(status) => return (Err(status), len),
    };
    let Some(out) = out else {
        return (Err(Status::FAULT), len);
    };
    let value = match row.what {
        What::Recorded(setting) | What::Hops(setting) => Ok(options.value(setting)),
        What::DontLinger => Ok(u32::from(options.linger().is_none())),
        What::Error => Ok(target.connect_error),
        What::SocketType => Ok(target.kind.windows() as u32),
        What::Listening => Ok(u32::from(target.listening)),
        What::MessageMax => Ok(message_max(target.family)),
        What::ConnectTime => Ok(connect_time(target)),
        What::Constant(value) => Ok(value),
        What::SegmentMax => {
            kernel::get_int(target.fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG).map(|size| size as u32)
        }
        What::PathMtu => path_mtu(target, libc::IPPROTO_IP, libc::IP_MTU),
        What::PathMtu6 => path_mtu(target, libc::IPPROTO_IPV6, libc::IPV6_MTU),
        What::IpOptions if len <= 0 => Err(Status::FAULT),
        What::IpOptions => {
            return match kernel::get_ip_options(target.fd, out) {
                Ok(length) => (Ok(()), length as i32),
                Err(status) => (Err(status), len),
            };
        }
        What::OpenType => return get_open_type(Some(out), len),
        What::ProtocolInfoA => return report::protocol_info_a(target, out, len),
        What::ProtocolInfoW => return report::protocol_info_w(target, out, len),
        What::Addresses => return (report::addresses(target, out), len),
        What::Refused => Err(Status::INVALID),
        What::UpdateAcceptContext | What::UpdateConnectContext | What::Membership(..) => {
            Err(Status::NO_PROTOCOL_OPTION)
        }
    };
    match value {
        Ok(value) => row.form.write(value, out, len),
        Err(status) => (Err(status), len),
    }
}

/// SIO_KEEPALIVE_VALS: the switch and both times at once, in milliseconds.
///
/// # Errors
/// - [`Status::FAULT`] if `bytes` is shorter than a `tcp_keepalive`.
/// - [`Status::NO_PROTOCOL_OPTION`] for a datagram socket.
pub fn keepalive_values(
    target: &Target,
    options: &mut Options,
    bytes: &[u8],
) -> Result<(), Status> {
    let bytes = bytes
        .get(..size_of::<tcp_keepalive>())
        .ok_or(Status::FAULT)?;
    if target.kind != Kind::Stream {
        return Err(Status::NO_PROTOCOL_OPTION);
    }
    let field = |offset: usize| low_word(&bytes[offset..]);
    let seconds = |milliseconds: u32| (milliseconds != 0).then(|| milliseconds.div_ceil(1000));
    let on = field(offset_of!(tcp_keepalive, onoff)) != 0;

    let mut changed = options.with(Setting::KeepAlive, u32::from(on));
    if on {
        let idle = field(offset_of!(tcp_keepalive, keepalivetime));
        let interval = field(offset_of!(tcp_keepalive, keepaliveinterval));
        changed.record(Setting::KeepIdle, seconds(idle));
        changed.record(Setting::KeepInterval, seconds(interval));
    }
    changed.carry(Setting::KeepAlive, target.fd, target.family)?;
    *options = changed;
    Ok(())
}

thread_local! {
    /// SO_OPENTYPE, which is stored and read back; sockets are overlapped whatever it says.
    static OPEN_TYPE: Cell<u32> = const { Cell::new(0) };
}

const OPEN_TYPE_FORM: Form = Form::Word(ShortGet::Untouched);

/// Whether the option is the thread's: then the handle does not matter and may be no socket at all.
pub fn is_open_type(level: i32, name: i32) -> bool {
    (level, name) == (SOL_SOCKET, SO_OPENTYPE)
}

/// Sets SO_OPENTYPE of this thread.
pub fn set_open_type(value: Option<&[u8]>, len: i32) -> Result<(), Status> {
    OPEN_TYPE.set(OPEN_TYPE_FORM.read(SOL_SOCKET, value, len)?);
    Ok(())
}

/// Gets SO_OPENTYPE of this thread, the one option that takes a negative length.
pub fn get_open_type(out: Option<&mut [u8]>, len: i32) -> (Result<(), Status>, i32) {
    let Some(out) = out else {
        return (Err(Status::FAULT), len);
    };
    let len = if len < 0 { out.len() as i32 } else { len };
    OPEN_TYPE_FORM.write(OPEN_TYPE.get(), out, len)
}

fn set_recorded(
    target: &Target,
    options: &mut Options,
    row: &Row,
    setting: Setting,
    value: u32,
) -> Result<SetEffect, Status> {
    options.allow(row.rules, value, target)?;
    let changed = options.with(setting, value);
    changed.carry(setting, target.fd, target.family)?;
    *options = changed;
    Ok(SetEffect::None)
}

fn read_socket(value: Option<&[u8]>) -> Result<SOCKET, Status> {
    let bytes = value
        .and_then(|bytes| bytes.first_chunk())
        .ok_or(Status::FAULT)?;
    Ok(SOCKET::from_ne_bytes(*bytes))
}

/// What IP_OPTIONS is set to: as many bytes as the header has room for, or none.
fn options_of(bytes: &[u8], len: i32) -> Result<&[u8], Status> {
    let len = usize::try_from(len).map_err(|_| Status::NO_BUFFERS)?;
    bytes
        .get(..len)
        .filter(|options| options.len() <= IP_OPTIONS_MAX)
        .ok_or(Status::INVALID)
}

/// The largest packet that goes to the peer in one piece.
fn path_mtu(target: &Target, level: i32, name: i32) -> Result<u32, Status> {
    match kernel::get_int(target.fd, level, name) {
        Ok(mtu) => Ok(mtu as u32),
        Err(_) => Err(Status::NOT_CONNECTED),
    }
}

/// l_onoff and l_linger, as a LINGER holds them.
fn linger_fields(linger: u32) -> [u16; 2] {
    [linger as u16, (linger >> 16) as u16]
}

fn connect_time(target: &Target) -> u32 {
    match (target.kind, target.connected_since) {
        (Kind::Stream, Some(since)) => {
            u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX - 1)
        }
        _ => u32::MAX,
    }
}

/// The largest datagram: 64 KiB less the headers of UDP and, for IPv4, of IP.
pub fn message_max(family: Family) -> u32 {
    match family {
        Family::V4 => 65507,
        Family::V6 => 65527,
    }
}

#[cfg(all(test, not(miri)))] // miri has no sockets
mod tests;
