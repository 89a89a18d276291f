//! Thin, safe forms of the Linux system calls the engine makes. No decisions.
//!
//! Every call survives EINTR: it is repeated, or (for waits) returns early, which callers of waits expect.

use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::platform::sockets::address::{Address, Family};
use crate::platform::sockets::interfaces::Interface;

/// Turns a system call's −1 into the error.
pub fn check(result: i32) -> Result<i32> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Whether memory at this address can be read. The kernel looks: a signal mask is read before what is to be done with it
/// is judged.
pub fn is_readable(address: *const u8) -> bool {
    const NOTHING_TO_DO: i32 = -1;
    let word = (address as usize & !7) as *const u8;
    // SAFETY: the kernel checks the address, and refuses what is to be done.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NOTHING_TO_DO,
            word,
            std::ptr::null::<u8>(),
            8usize,
        )
    };
    !word.is_null() && (result == 0 || errno() != libc::EFAULT)
}

/// Copies what is at `pieces`, as far as there is room.
pub fn copy_from(pieces: &[libc::iovec], room: &mut [u8]) -> Result<()> {
    copy_memory(
        libc::process_vm_readv,
        pieces,
        room.as_mut_ptr(),
        room.len(),
    )
}

/// Copies `data` to the memory at `pieces`, as much as they have.
pub fn copy_to(pieces: &[libc::iovec], data: &[u8]) -> Result<()> {
    copy_memory(
        libc::process_vm_writev,
        pieces,
        data.as_ptr().cast_mut(),
        data.len(),
    )
}

type CopyMemory = unsafe extern "C" fn(
    libc::pid_t,
    *const libc::iovec,
    libc::c_ulong,
    *const libc::iovec,
    libc::c_ulong,
    libc::c_ulong,
) -> isize;

/// The kernel copies, so that memory which is not there is a failure.
fn copy_memory(
    call: CopyMemory,
    pieces: &[libc::iovec],
    mut base: *mut u8,
    mut left: usize,
) -> Result<()> {
    const LONGEST: usize = 1024; // UIO_MAXIOV
    // SAFETY: takes no pointers.
    let process = unsafe { libc::getpid() };
    for pieces in pieces.chunks(LONGEST) {
        let length = pieces
            .iter()
            .map(|piece| piece.iov_len)
            .sum::<usize>()
            .min(left);
        let own = libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        };
        // SAFETY: `own` is within the caller's slice, which is only read by a call that writes elsewhere; the rest is checked.
        let copied = unsafe { call(process, &own, 1, pieces.as_ptr(), pieces.len() as u64, 0) };
        match usize::try_from(copied) {
            Ok(copied) if copied == length => {}
            Ok(_) => return Err(Error::from_raw_os_error(libc::EFAULT)),
            Err(_) => return Err(Error::last_os_error()),
        }
        base = base.wrapping_add(length);
        left -= length;
    }
    Ok(())
}

/// Whether there is an interface with that index.
pub fn is_interface(index: u32) -> bool {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: there is room for a name.
    !unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null()
}

/// The error number of a failed call.
pub fn errno() -> i32 {
    Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The result of a system call that transfers bytes, as io_uring gives it: the count, or the error number negated.
pub fn outcome(result: isize) -> i32 {
    match result {
        0.. => i32::try_from(result).unwrap_or(i32::MAX),
        _ => -errno(),
    }
}

fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes a descriptor the kernel just gave it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs().min(i64::MAX as u64) as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    }
}

/// Sleeps while `*word == expected`, at most `time`; returns early for any reason.
pub fn futex_wait(word: &AtomicU32, expected: u32, time: Option<Duration>) {
    let time = time.map(timespec);
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `word` outlives the call, `time` is null or points to a live timespec.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            time,
        )
    };
}

/// Wakes one thread that sleeps on `word`.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE only uses the address.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        )
    };
}

/// A non-blocking event counter.
pub fn eventfd() -> Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) }).map(own)
}

/// Adds one to an event counter. (It can only fail when it is full, and then its reader is awake anyway.)
pub fn eventfd_write(fd: RawFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is valid for 8 bytes.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}

/// Sets an event counter to zero.
pub fn eventfd_read(fd: RawFd) {
    let mut count = [0u8; 8];
    // SAFETY: `count` is valid for 8 bytes.
    unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) };
}

/// ppoll: waits for the descriptors, at most `time`. Returns early for any reason.
pub fn poll(fds: &mut [libc::pollfd], time: Option<Duration>) -> i32 {
    let time = time.map(timespec);
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `fds` and `time` are valid for the call.
    unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            fds.len() as libc::nfds_t,
            time,
            std::ptr::null(),
        )
    }
}

/// Whether `events` (POLLIN, POLLOUT) hold for one descriptor right now; the bits that do.
pub fn poll_now(fd: RawFd, events: i16) -> i16 {
    let mut fds = [libc::pollfd {
        fd,
        events,
        revents: 0,
    }];
    poll(&mut fds, Some(Duration::ZERO));
    fds[0].revents
}

/// A new epoll set.
pub fn epoll() -> Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(own)
}

/// Adds `fd` to the set, or removes it (`events` 0).
pub fn epoll_control(set: RawFd, operation: i32, fd: RawFd, events: u32, data: u64) -> Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: `event` is valid for the call.
    check(unsafe { libc::epoll_ctl(set, operation, fd, &mut event) }).map(drop)
}

/// Takes the events that are there, waiting at most `time` for the first. EINTR: none.
pub fn epoll_wait(set: RawFd, events: &mut [libc::epoll_event], time: Option<Duration>) -> usize {
    // Rounded up: a wait may last a little longer, never end early.
    let milliseconds = match time {
        None => -1,
        Some(time) => time.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32,
    };
    // SAFETY: `events` is valid for as many entries as are named.
    let count =
        unsafe { libc::epoll_wait(set, events.as_mut_ptr(), events.len() as i32, milliseconds) };
    count.max(0) as usize
}

/// As [`epoll_wait`], to the nanosecond where the kernel can (5.11), else to the millisecond.
pub fn epoll_wait_precisely(set: RawFd, events: &mut [libc::epoll_event], time: Duration) -> usize {
    let limit = timespec(time);
    // SAFETY: `events` is valid for as many entries as are named, `limit` for the call; no signal mask.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            set,
            events.as_mut_ptr(),
            events.len(),
            &limit,
            std::ptr::null::<libc::sigset_t>(),
            0usize,
        )
    };
    if count < 0 && errno() == libc::ENOSYS {
        return epoll_wait(set, events, Some(time));
    }
    count.max(0) as usize
}

/// The CPU time a thread of this process has used, in nanoseconds; `None` if it is gone.
pub fn thread_cpu_time(thread_id: u32) -> Option<u64> {
    // The kernel's encoding of "scheduler clock of that thread" (clock_getcpuclockid(3)).
    let clock = (!(thread_id as libc::clockid_t) << 3) | 6;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes.
    check(unsafe { libc::clock_gettime(clock, &mut time) }).ok()?;
    Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Whether a thread of this process runs or is ready to; `None` where /proc does not tell.
pub fn thread_is_runnable(thread_id: u32) -> Option<bool> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread_id}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?; // the name may hold anything
    Some(after_name.trim_start().starts_with('R'))
}

/// The calling thread's identifier.
pub fn thread_id() -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::gettid() as u32 }
}

/// CPUs this process may use; at least 1.
pub fn usable_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

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

/// The IPv4 address of the interface with that index.
pub fn interface_address(fd: RawFd, index: u32) -> Option<Ipv4Addr> {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: the name has the room that every interface's needs.
    if unsafe { libc::if_indextoname(index, request.ifr_name.as_mut_ptr()) }.is_null() {
        return None;
    }
    // SAFETY: this request reads the name and writes an address.
    check(unsafe { libc::ioctl(fd, libc::SIOCGIFADDR, &mut request) }).ok()?;
    // SAFETY: any bytes are an address.
    let address = unsafe { request.ifr_ifru.ifru_addr };
    let [_, _, a, b, c, d, ..] = address.sa_data.map(|byte| byte as u8); // a sockaddr_in: the port, the address
    Some(Ipv4Addr::new(a, b, c, d))
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

/// Makes the number of `target` name the open file of `source`.
pub fn replace_descriptor(source: &OwnedFd, target: RawFd) -> Result<()> {
    // SAFETY: no pointers; `target` stays open, only what it refers to changes.
    check(unsafe { libc::dup3(source.as_raw_fd(), target, libc::O_CLOEXEC) }).map(drop)
}

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

/// Every address of every interface that has an IPv4 or IPv6 address.
pub fn interfaces() -> Vec<Interface> {
    let mut list = std::ptr::null_mut();
    // SAFETY: `list` is valid for writes.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Vec::new();
    }
    let mut interfaces = Vec::new();
    let mut entry = list;
    // SAFETY: the list is valid until it is freed; its end is null.
    while let Some(info) = unsafe { entry.as_ref() } {
        // SAFETY: the pointers of an entry are null or valid.
        let [address, netmask, broadcast] =
            unsafe { [info.ifa_addr, info.ifa_netmask, info.ifa_ifu].map(|name| address_at(name)) };
        interfaces.extend(address.map(|address| Interface {
            flags: info.ifa_flags,
            address,
            netmask,
            broadcast: broadcast.filter(|_| info.ifa_flags & libc::IFF_BROADCAST as u32 != 0),
        }));
        entry = info.ifa_next;
    }
    // SAFETY: it came from getifaddrs, and nothing of it is used any more.
    unsafe { libc::freeifaddrs(list) };
    interfaces
}

/// The address at a pointer, if it is IPv4 or IPv6.
///
/// # Safety
/// `name` is null or a valid address.
unsafe fn address_at(name: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: the caller's promise; the family stands at the beginning of every address.
    let family = unsafe { name.as_ref() }?.sa_family;
    let length = Family::from_linux(family.into())?.address_len();
    // SAFETY: all zeroes is an address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    // SAFETY: an address of that family has that length, and the storage is no shorter.
    unsafe {
        std::ptr::copy_nonoverlapping(name.cast::<u8>(), (&raw mut storage).cast(), length);
    }
    Address::from_raw(storage).map(|address| address.socket_addr())
}

/// A netlink socket that tells of changes of addresses and routes in the network namespace of the calling thread.
pub fn route_changes() -> Result<OwnedFd> {
    let socket = {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers.
        check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) }).map(own)?
    };
    // SAFETY: all zeroes is an address to begin with.
    let mut name: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    name.nl_family = libc::AF_NETLINK as u16;
    name.nl_groups = (libc::RTMGRP_IPV4_IFADDR
        | libc::RTMGRP_IPV4_ROUTE
        | libc::RTMGRP_IPV6_IFADDR
        | libc::RTMGRP_IPV6_ROUTE) as u32;
    let length = size_of_val(&name) as libc::socklen_t;
    // SAFETY: `name` is valid for its length.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), length) })?;
    Ok(socket)
}

/// Gives the kind (RTM_*) and family of every change that the netlink socket has to tell of. If it has lost some, it
/// gives all there can be.
pub fn read_route_changes(fd: RawFd, mut each: impl FnMut(u16, i32)) {
    const HEADER: usize = size_of::<libc::nlmsghdr>();
    let mut buffer = [0u8; 8192];
    loop {
        // SAFETY: `buffer` is valid for its length.
        let read = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match read {
            0.. => {}
            _ if errno() == libc::EINTR => continue,
            _ if errno() == libc::ENOBUFS => {
                for kind in [libc::RTM_NEWADDR, libc::RTM_NEWROUTE] {
                    for family in [libc::AF_INET, libc::AF_INET6] {
                        each(kind, family);
                    }
                }
                continue;
            }
            _ => return,
        }
        let mut messages = &buffer[..read as usize];
        while messages.len() > HEADER {
            let [l0, l1, l2, l3, k0, k1, ..] = *messages else {
                break;
            };
            // Both kinds of message begin with the family, in one byte.
            each(u16::from_ne_bytes([k0, k1]), messages[HEADER].into());
            let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            messages = messages
                .get(length.max(HEADER).next_multiple_of(4)..)
                .unwrap_or(&[]);
        }
    }
}

/// listen(2).
pub fn listen(fd: RawFd, backlog: i32) -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd, backlog) }).map(drop)
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

/// A duplicate of a descriptor.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) }).map(own)
}

/// Makes a descriptor non-blocking, and closed in programs that are started; whether it was non-blocking before.
pub fn make_non_blocking(fd: RawFd) -> Result<bool> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// Makes a descriptor blocking.
pub fn make_blocking(fd: RawFd) {
    // SAFETY: no pointers.
    if let Ok(flags) = check(unsafe { libc::fcntl(fd, libc::F_GETFL) }) {
        // SAFETY: no pointers.
        unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) };
    }
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

/// The connection will be reset when its descriptor is closed.
pub fn set_abortive(fd: RawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let _ = set_socket_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger); // it fails for no socket
}

/// Blocks every signal for the calling thread.
pub fn block_signals() {
    // SAFETY: `set` is filled before it is used; the old mask is not wanted.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&mut set);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

/// Nanoseconds on a clock that only ever runs forward.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Milliseconds since the system started.
pub fn uptime_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

/// The size of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The running kernel's release.
pub fn kernel_release() -> String {
    // SAFETY: all zeroes is a valid utsname, and uname fills it with zero-terminated text.
    unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        libc::uname(&mut name);
        std::ffi::CStr::from_ptr(name.release.as_ptr())
            .to_string_lossy()
            .into_owned()
    }
}

/// How many descriptors the process may open: now, and after raising its limit.
pub fn descriptor_limits() -> (u64, u64) {
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limits` is valid for writes.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits) };
    (limits.rlim_cur, limits.rlim_max)
}
