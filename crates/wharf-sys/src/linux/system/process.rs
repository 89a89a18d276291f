//! The process and its threads, its clocks and limits, and the kernel it runs on.

use super::check;

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
