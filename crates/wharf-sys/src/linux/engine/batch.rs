//! The batcher: several attempts in one system call.
//!
//! io_uring is used as a carrier of non-blocking calls and nothing else: every entry says MSG_DONTWAIT, so all
//! of them have completed when the submitting call returns, and nothing ever pends in a ring. A ring is borrowed for one
//! batch and given back, so that threads that come and go need none of their own.
//!
//! `WHARF_URING=0` switches it off, `1` insists (the reason is in `wharf doctor` if it cannot be); otherwise it is used if
//! the kernel lets us.

use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

use io_uring::IoUring;

use super::request::Request;
use crate::platform::lock::Lock;
use crate::platform::sockets::datagram::Envelope;
use crate::platform::sockets::socket::{Side, Socket};
use crate::platform::system;

/// The largest batch.
pub const BATCH_MAX: usize = 64;
/// More rings than this are not made, however many CPUs there are: a batch holds one for microseconds.
const RINGS_MAX: usize = 8;
/// A smaller batch costs less one by one.
pub const WORTHWHILE: usize = 4;

/// Rings that are not borrowed: at first one per CPU, but no more than pay.
static FREE: Lock<Vec<IoUring>> = Lock::new(Vec::new());

/// Whether batches are carried by io_uring, or why not. Asked for once.
///
/// # Errors
/// The reason, as a sentence.
pub fn availability() -> Result<(), String> {
    available().clone()
}

fn available() -> &'static Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    AVAILABLE.get_or_init(probe)
}

fn probe() -> Result<(), String> {
    if std::env::var_os("WHARF_URING").is_some_and(|value| value == "0") {
        return Err("switched off by WHARF_URING=0".to_owned());
    }
    let ring = IoUring::new(BATCH_MAX as u32).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => "this kernel has no io_uring".to_owned(),
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is refused here (seccomp or kernel.io_uring_disabled)".to_owned()
        }
        Some(libc::ENOMEM) => "no memory may be locked for it (RLIMIT_MEMLOCK)".to_owned(),
        _ => format!("io_uring_setup failed: {error}"),
    })?;
    let more = (1..system::usable_cpus().min(RINGS_MAX))
        .map_while(|_| IoUring::new(BATCH_MAX as u32).ok());
    FREE.lock().extend(std::iter::once(ring).chain(more));
    Ok(())
}

/// An attempt to be made.
pub struct Pending {
    /// Whose it is.
    pub socket: Arc<Socket>,
    /// In which direction.
    pub side: Side,
    /// The head there, owned.
    pub request: Box<Request>,
}

/// What the kernel answered to each attempt of a batch; `None` where none was made.
pub type Results = [Option<i32>; BATCH_MAX];

/// What the kernel reads and writes of each attempt beside its bytes.
pub type Envelopes = [MaybeUninit<Envelope>; BATCH_MAX];

/// Attempts all of them in one system call, if that is possible and pays. What is left without a result is the
/// caller's to attempt.
pub fn attempt(batch: &mut [Pending], envelopes: &mut Envelopes, results: &mut Results) {
    if batch.len() < WORTHWHILE {
        return;
    }
    if let Some(mut ring) = borrow()
        && attempt_in(&mut ring, batch, envelopes, results)
    {
        give_back(ring);
    }
}

/// A ring that nobody uses. With all of them in use the attempts are made one by one.
fn borrow() -> Option<IoUring> {
    if available().is_err() {
        return None;
    }
    FREE.lock().pop()
}

fn give_back(ring: IoUring) {
    FREE.lock().push(ring);
}

/// Whether the ring is still fit for use: one that failed may hold entries of this batch.
fn attempt_in(
    ring: &mut IoUring,
    batch: &mut [Pending],
    envelopes: &mut Envelopes,
    results: &mut Results,
) -> bool {
    let mut submitted = 0;
    for ((index, one), envelope) in batch.iter_mut().enumerate().zip(envelopes) {
        // SAFETY: the request is boxed, the envelope lent; both stay untouched until the entry has completed below.
        let Some(entry) = (unsafe { one.request.operation.prepare(&one.socket, envelope) }) else {
            continue;
        };
        // SAFETY: what the entry points to outlives it, as said; the ring has room for BATCH_MAX.
        if unsafe { ring.submission().push(&entry.user_data(index as u64)) }.is_err() {
            break;
        }
        submitted += 1;
    }
    let mut completed = 0;
    while completed < submitted {
        // Non-blocking entries complete during the submission. Waiting for them all makes that certain even if the
        // kernel should ever decide otherwise.
        if let Err(error) = ring.submit_and_wait(submitted - completed) {
            let passing = [libc::EINTR, libc::EAGAIN, libc::EBUSY];
            if !passing.contains(&error.raw_os_error().unwrap_or(0)) {
                break; // nothing of the rest was begun
            }
        }
        for entry in ring.completion() {
            results[entry.user_data() as usize] = Some(entry.result());
            completed += 1;
        }
    }
    completed == submitted
}
