//! Sockets: making, naming, connecting and ending them.

use std::io::Result;
use std::os::fd::{OwnedFd, RawFd};

use super::{check, errno, own};
use crate::platform::sockets::address::Address;

/// A new non-blocking socket.
pub fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe {
        libc::socket(
            family,
            kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
            protocol,
        )
    })
    .map(own)
}

/// Takes a waiting connection, non-blocking, with its peer's address.
pub fn accept(listener: RawFd) -> Result<(OwnedFd, libc::sockaddr_storage)> {
    // SAFETY: all zeroes is an address of no family.
    let mut peer: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: `peer` is valid for `length` bytes.
    let fd = check(unsafe { libc::accept4(listener, (&raw mut peer).cast(), &mut length, flags) })?;
    Ok((own(fd), peer))
}

/// bind(2).
pub fn bind(fd: RawFd, address: &Address) -> Result<()> {
    // SAFETY: an `Address` is valid for its length.
    check(unsafe { libc::bind(fd, address.as_ptr(), address.len() as libc::socklen_t) }).map(drop)
}

/// connect(2): one non-blocking attempt.
pub fn connect(fd: RawFd, address: &Address) -> Result<()> {
    // SAFETY: an `Address` is valid for its length.
    check(unsafe { libc::connect(fd, address.as_ptr(), address.len() as libc::socklen_t) })
        .map(drop)
}

/// Ends a connect under way: the socket is unconnected again.
pub fn disconnect(fd: RawFd) -> Result<()> {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as u16,
        sa_data: [0; 14],
    };
    // SAFETY: `nowhere` is valid for its size.
    check(unsafe { libc::connect(fd, &nowhere, size_of::<libc::sockaddr>() as libc::socklen_t) })
        .map(drop)
}

/// Takes the next error that the kernel has kept for a socket (IP_RECVERR); of an origin of 0 if it is none of IP.
pub fn next_error(fd: RawFd) -> Option<libc::sock_extended_err> {
    #[repr(C, align(8))]
    struct Control([u8; 256]);
    let mut control = Control([0; 256]);
    // SAFETY: all zeroes is an empty message, and an error of no origin.
    let (mut message, mut told) = unsafe {
        (
            std::mem::zeroed::<libc::msghdr>(),
            std::mem::zeroed::<libc::sock_extended_err>(),
        )
    };
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>();
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the message names `control`, which lives through the call.
    let result = unsafe { libc::recvmsg(fd, &mut message, flags) };
    if result < 0 && errno() != libc::EINTR {
        return None;
    }
    const OF_IP: [(i32, i32); 2] = [
        (libc::IPPROTO_IP, libc::IP_RECVERR),
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    ];
    // SAFETY: the kernel wrote well-formed records into `control`, whose length is in the message.
    unsafe {
        let mut record = libc::CMSG_FIRSTHDR(&message);
        while !record.is_null() {
            if OF_IP.contains(&((*record).cmsg_level, (*record).cmsg_type)) {
                told = libc::CMSG_DATA(record)
                    .cast::<libc::sock_extended_err>()
                    .read_unaligned();
            }
            record = libc::CMSG_NXTHDR(&message, record);
        }
    }
    Some(told)
}

/// listen(2).
pub fn listen(fd: RawFd, backlog: i32) -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd, backlog) }).map(drop)
}

/// The address of the other end, if it is connected.
pub fn peer_address(fd: RawFd) -> Option<Address> {
    // SAFETY: all zeroes is an address of no family.
    let mut peer: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `peer` is valid for `length` bytes.
    check(unsafe { libc::getpeername(fd, (&raw mut peer).cast(), &mut length) }).ok()?;
    Address::from_raw(peer)
}

/// The local address of a socket.
pub fn local_address(fd: RawFd) -> Option<Address> {
    // SAFETY: all zeroes is an address of no family.
    let mut local: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `local` is valid for `length` bytes.
    check(unsafe { libc::getsockname(fd, (&raw mut local).cast(), &mut length) }).ok()?;
    Address::from_raw(local)
}

/// Throws away what a stream has received.
pub fn discard_unread(fd: RawFd) {
    const SOME: usize = 1 << 20;
    let flags = libc::MSG_TRUNC | libc::MSG_DONTWAIT; // of a stream: nothing is copied
    // SAFETY: with MSG_TRUNC no byte is written to the null pointer.
    while unsafe { libc::recv(fd, std::ptr::null_mut(), SOME, flags) } > 0 {}
}

/// shutdown(2). It fails only when there is no connection any more to shut down.
pub fn shutdown(fd: RawFd, how: i32) {
    // SAFETY: no pointers.
    unsafe { libc::shutdown(fd, how) };
}
