//! Time-outs as Windows counts them.

use std::time::Duration;

use wharf_sys::INFINITE;

/// Milliseconds, rounded up; `None`: no limit.
pub(crate) fn milliseconds(timeout: Option<Duration>) -> u32 {
    timeout.map_or(INFINITE, |timeout| {
        let rounded = timeout.as_nanos().div_ceil(1_000_000);
        rounded.min(u128::from(INFINITE - 1)) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_rounded_up_and_never_infinite() {
        assert_eq!(milliseconds(None), INFINITE);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_micros(1_001))), 2);
        assert_eq!(milliseconds(Some(Duration::MAX)), INFINITE - 1);
    }
}
