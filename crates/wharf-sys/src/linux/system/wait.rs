//! Waiting: futexes, event counters, poll and epoll.

use std::io::Result;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::{check, errno, own};

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
