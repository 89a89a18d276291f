//! What TCP knows of a connection: SIO_TCP_INFO.
//!
//! Windows counts in bytes where Linux counts in segments; these are taken to be full ones.
//!
//! Source: "SIO_TCP_INFO", "TCP_INFO_v0"; `<linux/tcp.h>`.

use std::mem::offset_of;

use windows_sys::Win32::Networking::WinSock::*;

use super::socket::Socket;
use crate::platform::status::Status;
use crate::platform::system;

/// The size of a TCP_INFO_v0.
pub const SIZE: usize = size_of::<TCP_INFO_v0>();

impl Socket {
    /// The statistics of version 0, as they lie in memory.
    ///
    /// # Errors
    /// - `INVALID_BUFFER_SIZE` if the input is no version.
    /// - `INVALID_PARAMETER` for another version, and for sockets that are not TCP's.
    pub fn tcp_info(&self, input: &[u8]) -> Result<[u8; SIZE], Status> {
        let version: [u8; 4] = input.try_into().map_err(|_| Status::INVALID_BUFFER_SIZE)?;
        if u32::from_ne_bytes(version) != 0 || self.is_datagram() {
            return Err(Status::INVALID_PARAMETER);
        }
        let info = system::tcp_info(self.fd());
        let since = self.state().connected_since;
        let age = since.map_or(0, |since| since.elapsed().as_millis() as u64);
        Ok(v0(&info, age, system::receive_buffer(self.fd())))
    }
}

fn v0(info: &libc::tcp_info, age_ms: u64, receive_buffer: u32) -> [u8; SIZE] {
    const TIMESTAMPS: u8 = 1; // TCPI_OPT_TIMESTAMPS
    let in_bytes = |segments: u32, segment: u32| segments.saturating_mul(segment);
    let state = state(info.tcpi_state);
    let syns = match state {
        TCPSTATE_SYN_SENT | TCPSTATE_SYN_RCVD => info.tcpi_retransmits,
        _ => 0,
    };
    let window = match info.tcpi_rcv_wnd {
        0 => info.tcpi_rcv_ssthresh, // before Linux 6.2: what it may grow to
        window => window,
    };
    let has_timestamps = info.tcpi_options & TIMESTAMPS != 0;
    let mut out = [0; SIZE];
    let mut put = |offset: usize, bytes: &[u8]| {
        out[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    macro_rules! fields {
        ($($field:ident = $value:expr,)*) => {
            $(put(offset_of!(TCP_INFO_v0, $field), &$value.to_ne_bytes());)*
        };
    }
    fields! {
        State = state,
        Mss = info.tcpi_snd_mss,
        ConnectionTimeMs = age_ms,
        TimestampsEnabled = u8::from(has_timestamps),
        RttUs = info.tcpi_rtt,
        MinRttUs = info.tcpi_min_rtt,
        BytesInFlight = in_bytes(info.tcpi_unacked, info.tcpi_snd_mss),
        Cwnd = in_bytes(info.tcpi_snd_cwnd, info.tcpi_snd_mss),
        SndWnd = info.tcpi_snd_wnd,
        RcvWnd = window,
        RcvBuf = receive_buffer,
        BytesOut = info.tcpi_bytes_sent,
        BytesIn = info.tcpi_bytes_received,
        BytesReordered = in_bytes(info.tcpi_rcv_ooopack, info.tcpi_rcv_mss),
        BytesRetrans = info.tcpi_bytes_retrans as u32,
        FastRetrans = info.tcpi_total_retrans.saturating_sub(info.tcpi_total_rto.into()),
        TimeoutEpisodes = u32::from(info.tcpi_total_rto),
        SynRetrans = syns,
    }
    out
}

/// A state of `<linux/tcp_states.h>` as Windows numbers it.
fn state(linux: u8) -> TCPSTATE {
    match linux {
        1 => TCPSTATE_ESTABLISHED,
        2 => TCPSTATE_SYN_SENT,
        3 | 12 => TCPSTATE_SYN_RCVD,
        4 => TCPSTATE_FIN_WAIT_1,
        5 => TCPSTATE_FIN_WAIT_2,
        6 => TCPSTATE_TIME_WAIT,
        8 => TCPSTATE_CLOSE_WAIT,
        9 => TCPSTATE_LAST_ACK,
        10 => TCPSTATE_LISTEN,
        11 => TCPSTATE_CLOSING,
        _ => TCPSTATE_CLOSED,
    }
}
