//! Threads for what blocks while nobody waits for it: look-ups, and the routines that are called when they are done.
//!
//! Windows has its thread pool for this. A thread stays for a while after its work and takes what comes next. They are
//! no workers of any completion port: the program's routines run on them as they would on a thread of its own.

use std::collections::VecDeque;
use std::sync::{Condvar, PoisonError};
use std::time::Duration;

use crate::platform::lock::Lock;
use crate::platform::status::Status;
use crate::platform::system;

/// Something to be done on a thread of the pool.
pub type Job = Box<dyn FnOnce() + Send>;

/// More look-ups than this take turns.
const THREADS_MAX: usize = 64;
/// How long a thread waits for more to do.
const IDLE_TIME: Duration = Duration::from_secs(5);

struct Pool {
    jobs: VecDeque<Job>, // that no thread has taken yet
    idle: usize,         // threads that wait for a job, those included that are being woken
    threads: usize,
}

static POOL: Lock<Pool> = Lock::new(Pool {
    jobs: VecDeque::new(),
    idle: 0,
    threads: 0,
});
static NEW_JOB: Condvar = Condvar::new();

/// Does `job` as soon as a thread is free.
///
/// # Errors
/// `NOT_ENOUGH_MEMORY` if there is no thread, nor can one be started.
pub fn run(job: Job) -> Result<(), Status> {
    let mut pool = POOL.lock();
    pool.jobs.push_back(job);
    if pool.has_thread_for_newest(THREADS_MAX) || pool.threads > 0 {
        return Ok(());
    }
    pool.jobs.pop_back();
    Err(Status::NOT_ENOUGH_MEMORY)
}

/// Does `job` now, however many threads are busy. If no other thread can be had, the calling one does it.
pub fn run_at_once(job: Job) {
    let mut pool = POOL.lock();
    pool.jobs.push_front(job);
    if pool.has_thread_for_newest(usize::MAX) || pool.idle > 0 {
        return;
    }
    let job = pool.jobs.pop_front();
    drop(pool);
    if let Some(job) = job {
        job();
    }
}

impl Pool {
    /// Wakes a thread for the job that was just added, or starts one.
    fn has_thread_for_newest(&mut self, threads_max: usize) -> bool {
        if self.jobs.len() <= self.idle {
            NEW_JOB.notify_one();
            return true;
        }
        let thread = std::thread::Builder::new().name("wharf-pool".into());
        let started = self.threads < threads_max && thread.spawn(work).is_ok();
        self.threads += usize::from(started);
        started
    }
}

fn work() {
    system::block_signals(); // the application's handlers run on the application's threads
    let mut pool = POOL.lock();
    loop {
        if let Some(job) = pool.jobs.pop_front() {
            drop(pool);
            job();
            pool = POOL.lock();
            continue;
        }
        pool.idle += 1;
        let waited = NEW_JOB.wait_timeout(pool, IDLE_TIME);
        let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        pool = woken;
        pool.idle -= 1;
        if timeout.timed_out() && pool.jobs.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// More jobs than threads, all waiting for one that is done at once.
    #[test]
    fn what_is_to_be_done_at_once_waits_for_nobody() {
        let (release, released) = channel::<()>();
        let released = std::sync::Arc::new(Lock::new(released));
        let (done, all_done) = channel();
        for _ in 0..THREADS_MAX + 1 {
            let (released, done) = (released.clone(), done.clone());
            let job = move || {
                let _ = released.lock().recv();
                let _ = done.send(());
            };
            run(Box::new(job)).unwrap();
        }
        let (urgent, urgent_done) = channel();
        run_at_once(Box::new(move || urgent.send(()).unwrap()));
        urgent_done.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(all_done.try_recv().is_err());
        drop(release);
        for _ in 0..THREADS_MAX + 1 {
            all_done.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }
}
