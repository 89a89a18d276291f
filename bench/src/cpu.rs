//! CPU time, of a process and of the machine, and where a process may run.

use std::io::{Error, Result};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

/// User and system time used by `process` so far, threads that ended included.
///
/// The sum that `/proc/<pid>/stat` shows, but read from the process's CPU clock: that one has nanoseconds, not ticks.
pub fn of_process(process: u32) -> Result<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` is valid for the write.
    let status = unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &mut clock) };
    if status != 0 {
        return Err(Error::from_raw_os_error(status));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write.
    match unsafe { libc::clock_gettime(clock, &mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(Error::last_os_error()),
    }
}

/// Seconds in which the machine's CPUs were not idle so far: user, nice, system, interrupts and steal.
pub fn busy_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let fields = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    let [
        user,
        nice,
        system,
        _idle,
        _iowait,
        interrupts,
        soft_interrupts,
        steal,
        ..,
    ] = ticks[..]
    else {
        return Err(Error::other("/proc/stat: no line for all CPUs"));
    };
    Ok(
        (user + nice + system + interrupts + soft_interrupts + steal)
            / rustix::param::clock_ticks_per_second() as f64,
    )
}

/// Lets `process` (none: the calling thread and those it will start) run on `cpus` only.
pub fn pin(process: Option<u32>, cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    let process = process.and_then(|id| rustix::process::Pid::from_raw(id as i32));
    Ok(sched_setaffinity(process, &set)?)
}

/// Lets the calling thread go before every ordinary thread of the machine (SCHED_FIFO); needs the right to.
pub fn go_first() -> Result<()> {
    let parameter = libc::sched_param { sched_priority: 1 };
    // SAFETY: `parameter` is valid for the call.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}
