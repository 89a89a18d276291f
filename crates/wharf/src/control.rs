//! Control codes: orders to a socket that are no options.

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::null_mut;
use std::time::Duration;

use wharf_sys::{
    SIO_KEEPALIVE_VALS, SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SIOCATMARK, SOCKET_ERROR, WSAIoctl,
    ioctlsocket, tcp_keepalive,
};

use crate::wait::milliseconds;
use crate::{Error, Socket};

impl Socket {
    /// Switches the probes of a quiet connection on, with both times at once, or off (`SIO_KEEPALIVE_VALS`): how long it is
    /// quiet before it is probed, and the time between probes. Linux counts in seconds, and rounds up.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// use std::time::Duration;
    /// use wharf::Socket;
    ///
    /// let socket = Socket::stream_for((Ipv4Addr::LOCALHOST, 0).into())?;
    /// socket.set_keepalive_times(Some((Duration::from_secs(30), Duration::from_secs(2))))?;
    /// assert!(socket.keepalive()?);
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/winsock/sio-keepalive-vals>
    ///
    /// # Errors
    /// [`Error::NO_PROTOCOL_OPTION`] or the like, if it is no stream.
    pub fn set_keepalive_times(&self, times: Option<(Duration, Duration)>) -> Result<(), Error> {
        let (idle, interval) = times.unwrap_or_default();
        let values = tcp_keepalive {
            onoff: u32::from(times.is_some()),
            keepalivetime: milliseconds(Some(idle)),
            keepaliveinterval: milliseconds(Some(interval)),
        };
        self.order(SIO_KEEPALIVE_VALS, &values)
    }

    /// Whether a receive on a datagram socket fails with [`Error::CONNECTION_RESET`] after a datagram that it has sent found
    /// nobody (`SIO_UDP_CONNRESET`). It does unless told otherwise; a server with many peers switches it off.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// use wharf::Socket;
    ///
    /// let server = Socket::datagram_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// server.set_connection_resets(false)?;
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::INVALID`] or the like, if it is no datagram socket.
    pub fn set_connection_resets(&self, told: bool) -> Result<(), Error> {
        self.order(SIO_UDP_CONNRESET, &u32::from(told))
    }

    /// Likewise [`Error::NETWORK_RESET`], after a datagram whose way was too long (`SIO_UDP_NETRESET`).
    ///
    /// # Errors
    /// As [`Socket::set_connection_resets`].
    pub fn set_network_resets(&self, told: bool) -> Result<(), Error> {
        self.order(SIO_UDP_NETRESET, &u32::from(told))
    }

    /// Whether no urgent byte waits (`SIOCATMARK`).
    ///
    /// # Errors
    /// [`Error::INVALID`] or the like, if it is no stream.
    pub fn no_urgent_data(&self) -> Result<bool, Error> {
        let mut answer = 0;
        // SAFETY: the argument is a live variable.
        let told = unsafe { ioctlsocket(self.as_raw(), SIOCATMARK, &mut answer) };
        Error::last_if(told == SOCKET_ERROR).map(|()| answer != 0)
    }

    fn order<V: Copy>(&self, code: u32, value: &V) -> Result<(), Error> {
        let mut length = 0;
        // SAFETY: the input is of that length; there is no output.
        let done = unsafe {
            WSAIoctl(
                self.as_raw(),
                code,
                (&raw const *value).cast::<c_void>(),
                size_of::<V>() as u32,
                null_mut(),
                0,
                &mut length,
                null_mut(),
                None,
            )
        };
        Error::last_if(done == SOCKET_ERROR)
    }
}
