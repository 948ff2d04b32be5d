//! How long to wait before something that has ended is started again.

use std::time::Duration;

/// The pauses between attempts: the first interval, then twice as long each time, up to the largest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// After a success that lasted for this long, the intervals begin again.
    pub const STABLE: Duration = Duration::from_secs(60);

    /// The random number that means no jitter.
    pub const MIDDLE: u32 = u32::MAX / 2;

    /// Intervals from `first` to `max`, or all of them `first` when that is larger.
    #[must_use]
    pub fn new(first: Duration, max: Duration) -> Backoff {
        Backoff {
            first,
            max: max.max(first),
            next: first,
        }
    }

    /// The pause before the next attempt, after a success that has lasted for `lasted` (zero: there was none). `random`
    /// is any number: it moves the pause by up to a tenth, so that many do not come back at once.
    pub fn wait(&mut self, lasted: Duration, random: u32) -> Duration {
        if lasted >= Backoff::STABLE {
            self.next = self.first;
        }
        let interval = self.next;
        self.next = self.next.saturating_mul(2).min(self.max);
        let share = f64::from(random) / f64::from(u32::MAX);
        interval.mul_f64(0.9 + 0.2 * share)
    }

    /// The intervals begin again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(first: u64, max: u64) -> Backoff {
        Backoff::new(Duration::from_secs(first), Duration::from_secs(max))
    }

    /// To the nearest millisecond.
    fn wait(backoff: &mut Backoff, lasted: u64, random: u32) -> u64 {
        let wait = backoff.wait(Duration::from_secs(lasted), random);
        (wait.as_secs_f64() * 1000.0).round() as u64
    }

    #[test]
    fn an_interval_alone_stays() {
        let mut backoff = backoff(10, 0);
        for _ in 0..3 {
            assert_eq!(wait(&mut backoff, 0, Backoff::MIDDLE), 10_000);
        }
    }

    #[test]
    fn it_is_a_tenth_more_or_less() {
        let mut backoff = backoff(10, 10);
        assert_eq!(wait(&mut backoff, 0, 0), 9000);
        assert_eq!(wait(&mut backoff, 0, u32::MAX), 11_000);
    }

    #[test]
    fn it_doubles_up_to_a_bound_and_begins_again_after_a_stable_minute() {
        let mut backoff = backoff(10, 60);
        let lasted = [0, 0, 0, 0, 0, 59, 60, 0];
        let waits = lasted.map(|lasted| wait(&mut backoff, lasted, Backoff::MIDDLE) / 1000);
        assert_eq!(waits, [10, 20, 40, 60, 60, 60, 10, 20]);
        backoff.reset();
        assert_eq!(wait(&mut backoff, 0, Backoff::MIDDLE), 10_000);
    }
}
