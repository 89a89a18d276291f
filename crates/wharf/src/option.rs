//! Socket options, typed.

use std::mem::size_of;
use std::time::Duration;

use wharf_sys::{
    IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPV6_UNICAST_HOPS, IPV6_V6ONLY, LINGER,
    SO_ACCEPTCONN, SO_BROADCAST, SO_CONNECT_TIME, SO_ERROR, SO_EXCLUSIVEADDRUSE, SO_KEEPALIVE,
    SO_LINGER, SO_OOBINLINE, SO_RCVBUF, SO_RCVTIMEO, SO_REUSEADDR, SO_SNDBUF, SO_SNDTIMEO, SO_TYPE,
    SOCK_STREAM, SOCKET_ERROR, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY,
    getsockopt, setsockopt,
};

use crate::{Error, Socket};

/// What Windows says of a socket that is not connected, instead of seconds.
const NOT_CONNECTED: u32 = u32::MAX;

/// A getter and a setter for each: name of the setter, kind of value, level, option, text.
macro_rules! options {
    ($($(#[$note:meta])* $get:ident, $set:ident: $kind:ident = $level:expr, $option:expr;)*) => {
        /// Options.
        ///
        /// ```
        /// use std::net::Ipv4Addr;
        /// use std::time::Duration;
        /// use wharf::Socket;
        ///
        /// let socket = Socket::stream_for((Ipv4Addr::LOCALHOST, 0).into())?;
        /// socket.set_nodelay(true)?;
        /// socket.set_receive_timeout(Some(Duration::from_millis(1500)))?;
        /// assert_eq!(socket.nodelay()?, true);
        /// assert_eq!(socket.receive_timeout()?, Some(Duration::from_millis(1500)));
        /// # Ok::<_, wharf::Error>(())
        /// ```
        impl Socket {
            $(
                $(#[$note])*
                ///
                /// # Errors
                /// [`Error::NO_PROTOCOL_OPTION`] or [`Error::INVALID`] if this kind of socket has no such option.
                pub fn $get(&self) -> Result<options!(@type $kind), Error> {
                    options!(@get self, $kind, $level, $option)
                }

                #[doc = concat!("Sets what [`Socket::", stringify!($get), "`] tells.")]
                ///
                /// # Errors
                /// [`Error::NO_PROTOCOL_OPTION`] or [`Error::INVALID`] if this kind of socket has no such option; the latter if its
                /// state or the value does not allow it.
                pub fn $set(&self, value: options!(@type $kind)) -> Result<(), Error> {
                    options!(@set self, $kind, $level, $option, value)
                }
            )*
        }
    };
    (@type Flag) => { bool };
    (@type Number) => { u32 };
    (@type Time) => { Option<Duration> };
    (@type Seconds) => { Duration };
    (@get $socket:ident, Flag, $level:expr, $option:expr) => { Ok($socket.get($level, $option)? != 0) };
    (@get $socket:ident, Number, $level:expr, $option:expr) => { $socket.get($level, $option) };
    (@get $socket:ident, Time, $level:expr, $option:expr) => {
        Ok(match $socket.get($level, $option)? {
            0 => None,
            milliseconds => Some(Duration::from_millis(u64::from(milliseconds))),
        })
    };
    (@get $socket:ident, Seconds, $level:expr, $option:expr) => {
        Ok(Duration::from_secs(u64::from($socket.get($level, $option)?)))
    };
    (@set $socket:ident, Flag, $level:expr, $option:expr, $value:ident) => {
        $socket.set($level, $option, &u32::from($value))
    };
    (@set $socket:ident, Number, $level:expr, $option:expr, $value:ident) => {
        $socket.set($level, $option, &$value)
    };
    (@set $socket:ident, Time, $level:expr, $option:expr, $value:ident) => {
        // None is 0; a time that rounds to 0 is the shortest there is.
        $socket.set($level, $option, &$value.map_or(0, |time| crate::wait::milliseconds(Some(time)).max(1)))
    };
    (@set $socket:ident, Seconds, $level:expr, $option:expr, $value:ident) => {
        $socket.set($level, $option, &(rounded_up($value).min(u64::from(u32::MAX)) as u32))
    };
}

options! {
    /// Whether small pieces leave at once instead of waiting for the answer to what left before (`TCP_NODELAY`).
    nodelay, set_nodelay: Flag = IPPROTO_TCP, TCP_NODELAY;
    /// Whether a quiet connection is probed (`SO_KEEPALIVE`).
    keepalive, set_keepalive: Flag = SOL_SOCKET, SO_KEEPALIVE;
    /// How long a connection is quiet before it is probed; in seconds (`TCP_KEEPIDLE`).
    keepalive_idle, set_keepalive_idle: Seconds = IPPROTO_TCP, TCP_KEEPIDLE;
    /// The time between probes; in seconds (`TCP_KEEPINTVL`).
    keepalive_interval, set_keepalive_interval: Seconds = IPPROTO_TCP, TCP_KEEPINTVL;
    /// How many unanswered probes end a connection (`TCP_KEEPCNT`).
    keepalive_count, set_keepalive_count: Number = IPPROTO_TCP, TCP_KEEPCNT;
    /// Bytes that may wait to be received (`SO_RCVBUF`).
    receive_buffer, set_receive_buffer: Number = SOL_SOCKET, SO_RCVBUF;
    /// Bytes that may wait to leave (`SO_SNDBUF`).
    send_buffer, set_send_buffer: Number = SOL_SOCKET, SO_SNDBUF;
    /// How long a call that receives may block, in milliseconds; `None`: no limit (`SO_RCVTIMEO`).
    receive_timeout, set_receive_timeout: Time = SOL_SOCKET, SO_RCVTIMEO;
    /// How long a call that sends may block, in milliseconds; `None`: no limit (`SO_SNDTIMEO`).
    send_timeout, set_send_timeout: Time = SOL_SOCKET, SO_SNDTIMEO;
    /// Whether another socket may have the same address (`SO_REUSEADDR`). Windows needs it for no restart of a server.
    reuse_address, set_reuse_address: Flag = SOL_SOCKET, SO_REUSEADDR;
    /// Whether no other socket may have the same address (`SO_EXCLUSIVEADDRUSE`).
    exclusive_address, set_exclusive_address: Flag = SOL_SOCKET, SO_EXCLUSIVEADDRUSE;
    /// Whether datagrams may be sent to everybody (`SO_BROADCAST`).
    broadcast, set_broadcast: Flag = SOL_SOCKET, SO_BROADCAST;
    /// Whether urgent data arrives in line with the rest (`SO_OOBINLINE`).
    urgent_inline, set_urgent_inline: Flag = SOL_SOCKET, SO_OOBINLINE;
    /// How many hops a packet of IPv4 may take (`IP_TTL`).
    ttl, set_ttl: Number = IPPROTO_IP, IP_TTL;
    /// How many hops a packet of IPv6 may take (`IPV6_UNICAST_HOPS`).
    hop_limit, set_hop_limit: Number = IPPROTO_IPV6, IPV6_UNICAST_HOPS;
    /// Whether an IPv6 socket has nothing to do with IPv4 (`IPV6_V6ONLY`); so it is unless told otherwise before `bind`.
    ipv6_only, set_ipv6_only: Flag = IPPROTO_IPV6, IPV6_V6ONLY;
}

impl Socket {
    /// How long dropping the socket blocks while data is unsent, in seconds; zero: the connection is reset. `None`:
    /// not at all, the data leaves in the background (`SO_LINGER`).
    ///
    /// # Errors
    /// [`Error::NO_PROTOCOL_OPTION`] if this kind of socket has no such option.
    pub fn linger(&self) -> Result<Option<Duration>, Error> {
        let off = LINGER {
            l_onoff: 0,
            l_linger: 0,
        };
        let linger = self.get_value(SOL_SOCKET, SO_LINGER, off)?;
        let on = linger.l_onoff != 0;
        Ok(on.then(|| Duration::from_secs(u64::from(linger.l_linger))))
    }

    /// Sets what [`Socket::linger`] tells; seconds are rounded up.
    ///
    /// # Errors
    /// [`Error::NO_PROTOCOL_OPTION`] if this kind of socket has no such option.
    pub fn set_linger(&self, time: Option<Duration>) -> Result<(), Error> {
        let seconds = time.map_or(0, |time| rounded_up(time).min(u64::from(u16::MAX)));
        let linger = LINGER {
            l_onoff: u16::from(time.is_some()),
            l_linger: seconds as u16,
        };
        self.set(SOL_SOCKET, SO_LINGER, &linger)
    }

    /// Whether it is a TCP socket, and no UDP socket (`SO_TYPE`).
    ///
    /// # Errors
    /// None that an open socket can give.
    pub fn is_stream(&self) -> Result<bool, Error> {
        Ok(self.get(SOL_SOCKET, SO_TYPE)? == SOCK_STREAM as u32)
    }

    /// Whether it listens (`SO_ACCEPTCONN`).
    ///
    /// # Errors
    /// [`Error::NO_PROTOCOL_OPTION`] if it is no stream.
    pub fn is_listening(&self) -> Result<bool, Error> {
        Ok(self.get(SOL_SOCKET, SO_ACCEPTCONN)? != 0)
    }

    /// Why the last connect of a socket that does not block has failed, if it has (`SO_ERROR`).
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// use wharf::{Error, Socket, SocketSet, select};
    ///
    /// # let taken = Socket::stream_for((Ipv4Addr::LOCALHOST, 0).into())?; // a port where nobody listens
    /// # taken.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    /// # let nobody = taken.local_addr()?;
    /// let client = Socket::stream_for(nobody)?;
    /// client.set_nonblocking(true)?;
    /// assert_eq!(client.connect(nobody), Err(Error::WOULD_BLOCK));
    /// let (mut none, mut failed) = (SocketSet::new(), SocketSet::from_iter([&client]));
    /// select(&mut none, &mut SocketSet::new(), &mut failed, None)?;
    /// assert_eq!(client.connect_error()?, Some(Error::CONNECTION_REFUSED));
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// None that an open socket can give.
    #[doc(alias = "take_error")]
    pub fn connect_error(&self) -> Result<Option<Error>, Error> {
        let code = self.get(SOL_SOCKET, SO_ERROR)?;
        Ok((code != 0).then(|| Error::from_code(code)))
    }

    /// For how long it has been connected, in seconds; `None` if it is not (`SO_CONNECT_TIME`).
    ///
    /// # Errors
    /// None that an open socket can give.
    pub fn connect_time(&self) -> Result<Option<Duration>, Error> {
        let seconds = self.get(SOL_SOCKET, SO_CONNECT_TIME)?;
        let connected = seconds != NOT_CONNECTED;
        Ok(connected.then(|| Duration::from_secs(u64::from(seconds))))
    }

    pub(crate) fn get(&self, level: i32, option: i32) -> Result<u32, Error> {
        self.get_value(level, option, 0) // some options write one byte only
    }

    fn get_value<V: Copy>(&self, level: i32, option: i32, mut value: V) -> Result<V, Error> {
        let mut length = size_of::<V>() as i32;
        let pointer = (&raw mut value).cast();
        // SAFETY: `value` is of that length, and of integers.
        let told = unsafe { getsockopt(self.as_raw(), level, option, pointer, &mut length) };
        Error::last_if(told == SOCKET_ERROR).map(|()| value)
    }

    pub(crate) fn set<V: Copy>(&self, level: i32, option: i32, value: &V) -> Result<(), Error> {
        let (pointer, length) = ((&raw const *value).cast(), size_of::<V>() as i32);
        // SAFETY: `value` is of that length.
        let set = unsafe { setsockopt(self.as_raw(), level, option, pointer, length) };
        Error::last_if(set == SOCKET_ERROR)
    }
}

/// Whole seconds.
fn rounded_up(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}
