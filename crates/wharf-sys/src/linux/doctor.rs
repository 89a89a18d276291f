//! What the engine found on this machine.

use super::system;
use crate::platform::engine::batch;

/// The oldest kernel the engine is made for: edge-triggered epoll with EPOLLRDHUP and eventfd are far older, 5.10 is the
/// oldest that is tried.
const KERNEL_MINIMUM: (u32, u32) = (5, 10);

/// Facts about this machine that matter to the engine.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The running kernel's release.
    pub kernel: String,
    /// The oldest supported one.
    pub kernel_minimum: &'static str,
    /// Whether the running one is at least that.
    pub kernel_new_enough: bool,
    /// Whether io_uring is used.
    pub io_uring: bool,
    /// Why it is, or is not.
    pub io_uring_reason: String,
    /// How many descriptors the process may open.
    pub descriptors_soft: u64,
    /// How far it may raise that.
    pub descriptors_hard: u64,
    /// CPUs this process may use.
    pub cpus: usize,
}

/// Looks.
pub fn doctor() -> Findings {
    let kernel = system::kernel_release();
    let (descriptors_soft, descriptors_hard) = system::descriptor_limits();
    let (io_uring, io_uring_reason) = match batch::availability() {
        Ok(()) => (true, "available".to_owned()),
        Err(reason) => (false, reason),
    };
    Findings {
        kernel_new_enough: version(&kernel) >= KERNEL_MINIMUM,
        kernel,
        kernel_minimum: "5.10",
        io_uring,
        io_uring_reason,
        descriptors_soft,
        descriptors_hard,
        cpus: system::usable_cpus(),
    }
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(version("6.18.44-fc"), (6, 18));
        assert!(version("5.9.1") < KERNEL_MINIMUM);
        assert!(version("5.10") >= KERNEL_MINIMUM);
        assert_eq!(version(""), (0, 0));
    }
}
