//! What happens to messages while a handler goes on after its send.
//!
//! Answers of `send-then-compute` carry the time at which their handler sent. So each message shows when it was sent,
//! handled, and back, by one clock; the difference of the first two is an upper bound of what it waited for a worker.

use std::time::Duration;

use bench::measurement::Stalls;

/// One message's times, in nanoseconds of CLOCK_REALTIME.
pub struct Handled {
    pub sent_at_ns: u64,
    pub handled_at_ns: u64,
    pub arrived_at_ns: u64,
    /// How long its handler went on.
    pub stall: Duration,
}

/// Shorter ones are part of the workload.
const STALL_MIN: Duration = Duration::from_millis(1);

#[derive(Default)]
pub struct Recorder {
    messages: Vec<Handled>,
}

impl Recorder {
    pub fn record(&mut self, message: Handled) {
        self.messages.push(message);
    }

    /// None if there was no stall.
    pub fn summary(mut self) -> Option<Stalls> {
        self.messages.sort_by_key(|message| message.handled_at_ns);
        let mut sends = Vec::new();
        let mut longest_waits = Vec::new();
        let mut pending_waits = Vec::new();
        for (index, stall) in self
            .messages
            .iter()
            .enumerate()
            .filter(|(_, message)| message.stall >= STALL_MIN)
        {
            sends.push(stall.arrived_at_ns.saturating_sub(stall.handled_at_ns));
            let waits = self.waits(index);
            longest_waits.push(waits.iter().map(|wait| wait.during_ns).max().unwrap_or(0));
            pending_waits.extend(
                waits
                    .iter()
                    .filter(|wait| wait.was_pending)
                    .map(|wait| wait.during_ns),
            );
        }
        (!sends.is_empty()).then(|| Stalls {
            stalls: sends.len() as u64,
            stall_send_p50_us: quantile_us(&mut sends, 0.5),
            stall_send_p99_us: quantile_us(&mut sends, 0.99),
            stall_send_max_us: quantile_us(&mut sends, 1.0),
            stall_others_wait_p50_us: quantile_us(&mut longest_waits, 0.5),
            stall_others_wait_p90_us: quantile_us(&mut longest_waits, 0.9),
            stall_others_wait_p99_us: quantile_us(&mut longest_waits, 0.99),
            stall_pending_wait_p99_us: quantile_us(&mut pending_waits, 0.99),
        })
    }

    /// How long other messages waited during the stall of message `index`.
    fn waits(&self, index: usize) -> Vec<Wait> {
        let begin = self.messages[index].handled_at_ns;
        let end = begin + self.messages[index].stall.as_nanos() as u64;
        // Those handled later than half a second after the stall did not wait because of it.
        let others = self.messages[index + 1..]
            .iter()
            .take_while(|other| other.handled_at_ns < end + 500_000_000);
        let during = others.filter(|other| other.sent_at_ns < end);
        let wait = |other: &Handled| Wait {
            during_ns: other.handled_at_ns - other.sent_at_ns.max(begin).min(other.handled_at_ns),
            was_pending: other.sent_at_ns <= begin,
        };
        during.map(wait).collect()
    }
}

struct Wait {
    during_ns: u64,
    was_pending: bool, // on its way when the stall began
}

fn quantile_us(values: &mut [u64], quantile: f64) -> f64 {
    values.sort_unstable();
    let index = (quantile * values.len() as f64).ceil() as usize;
    values
        .get(index.saturating_sub(1))
        .map_or(0.0, |&ns| ns as f64 / 1e3)
}
