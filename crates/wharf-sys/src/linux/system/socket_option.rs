//! Options of sockets, and what else the kernel tells of them.

use std::io::Result;
use std::os::fd::RawFd;

use super::check;

/// Sets an option of a socket to any plain value.
pub fn set_socket_option<T: Copy>(fd: RawFd, level: i32, name: i32, value: &T) -> Result<()> {
    // SAFETY: `value` is valid for its size.
    check(unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Sets an option of a socket to a value of any length.
pub fn set_socket_option_bytes(fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
    let length = value.len() as libc::socklen_t;
    // SAFETY: `value` is valid for its length.
    check(unsafe { libc::setsockopt(fd, level, name, value.as_ptr().cast(), length) }).map(drop)
}

/// Reads an option into a value of any length, which says what is asked.
pub fn read_socket_option_bytes(fd: RawFd, level: i32, name: i32, value: &mut [u8]) -> Result<()> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: `value` is valid for its length.
    check(unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &mut length) })
        .map(drop)
}

/// The ioctl that tells whether the urgent byte is the next to be read.
pub const SIOCATMARK: libc::Ioctl = 0x8905;

/// An ioctl that yields an integer: FIONREAD, SIOCOUTQ, SIOCATMARK.
pub fn ioctl_read(fd: RawFd, request: libc::Ioctl) -> Result<i32> {
    let mut value = 0i32;
    // SAFETY: these requests write one int.
    check(unsafe { libc::ioctl(fd, request, &mut value) })?;
    Ok(value)
}

/// How many connections wait in the backlog of a listener.
pub fn connections_waiting(fd: RawFd) -> u32 {
    tcp_info(fd).tcpi_unacked // which a listener uses for this
}

/// What the kernel knows of a connection of TCP; an older one knows less, which is then 0.
pub fn tcp_info(fd: RawFd) -> libc::tcp_info {
    // SAFETY: all zeroes is a valid tcp_info.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    get_socket_option(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info);
    info
}

/// The room for data that has arrived.
pub fn receive_buffer(fd: RawFd) -> u32 {
    let mut bytes = 0u32;
    get_socket_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &mut bytes);
    bytes / 2 // the kernel counts its own overhead as much again
}

/// How much memory the datagrams in the receive queue take; it grows with each that arrives.
pub fn receive_memory(fd: RawFd) -> u32 {
    const SO_MEMINFO: i32 = 55; // <asm-generic/socket.h>
    let mut info = [0u32; 9]; // SK_MEMINFO_RMEM_ALLOC is the first
    get_socket_option(fd, libc::SOL_SOCKET, SO_MEMINFO, &mut info);
    info[0]
}

/// Reads an option whose value is any plain structure; an older kernel fills less of it, or nothing.
fn get_socket_option<T: Copy>(fd: RawFd, level: i32, name: i32, value: &mut T) {
    let _ = read_socket_option(fd, level, name, value);
}

/// Reads an option whose value is any plain structure, and may say what is asked.
pub fn read_socket_option<T: Copy>(fd: RawFd, level: i32, name: i32, value: &mut T) -> Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is valid for `length` bytes, and any bytes are a value of the types it is used with.
    check(unsafe {
        libc::getsockopt(
            fd,
            level,
            name,
            std::ptr::from_mut(value).cast(),
            &mut length,
        )
    })
    .map(drop)
}

/// Whether a TCP connection is gone: reset, or ended on both sides with everything acknowledged.
pub fn tcp_is_closed(fd: RawFd) -> bool {
    const TCP_CLOSE: u8 = 7; // <linux/tcp_states.h>
    tcp_state(fd) == TCP_CLOSE
}

/// The state of a TCP socket, as <linux/tcp_states.h> numbers them; 0 for what is none.
pub fn tcp_state(fd: RawFd) -> u8 {
    let mut state = 0u8; // the first field of struct tcp_info
    let mut length = size_of::<u8>() as libc::socklen_t;
    // SAFETY: `state` is valid for `length` bytes; the kernel writes no more.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &mut length,
        )
    };
    if result == 0 { state } else { 0 }
}

/// Reads an option whose value is an int.
pub fn get_int_option(fd: RawFd, level: i32, name: i32) -> Result<i32> {
    let mut value = 0i32;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` is valid for `length` bytes.
    let result = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut length) };
    check(result).map(|_| value)
}

/// Ends lingering in the kernel; for how many seconds it was.
pub fn take_linger(fd: RawFd) -> Option<u16> {
    let mut linger = libc::linger {
        l_onoff: 0,
        l_linger: 0,
    };
    get_socket_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &mut linger);
    if linger.l_onoff == 0 {
        return None;
    }
    let seconds = linger.l_linger.clamp(0, u16::MAX.into()) as u16;
    linger.l_onoff = 0;
    let _ = set_socket_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger); // it fails for no socket
    Some(seconds)
}

/// The connection will be reset when its descriptor is closed.
pub fn set_abortive(fd: RawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let _ = set_socket_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger); // it fails for no socket
}
