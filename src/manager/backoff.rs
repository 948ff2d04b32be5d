//! When a client tries again: never at once, never all clients together, and slowly when there is no use in it.

use std::time::Duration;

/// A connection that has lasted for this long was a good one: the interval starts again.
pub(super) const STABLE: Duration = Duration::from_secs(60);

/// At least so long after a cause that will be the same until somebody changes the configuration of one side.
const SLOW: Duration = Duration::from_secs(60);

/// What ended a connection, or an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The network, or the server, may be better next time.
    Passing,
    /// Credentials or a certificate were refused, or the like.
    Lasting,
}

/// The intervals between the attempts of one client.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    every: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// The interval is `every`, and doubles up to `max` when that is given.
    #[must_use]
    pub(super) fn new(every: Duration, max: Option<Duration>) -> Backoff {
        Backoff {
            every,
            max: max.unwrap_or(every).max(every),
            next: every,
        }
    }

    /// How long to wait before the next attempt, after a connection that has lasted for `connected` (zero: there was
    /// none). `random` is any number: it moves the result by up to a tenth, so that clients of one server do not come
    /// back all at once.
    pub(super) fn wait(&mut self, cause: Cause, connected: Duration, random: u32) -> Duration {
        if connected >= STABLE {
            self.next = self.every;
        }
        let interval = match cause {
            Cause::Passing => self.next,
            Cause::Lasting => self.next.max(self.max).max(SLOW),
        };
        self.next = self.next.saturating_mul(2).min(self.max);
        jittered(interval, random)
    }

    /// Somebody asked for a connection: the interval starts again.
    pub(super) fn reset(&mut self) {
        self.next = self.every;
    }
}

/// Between nine and eleven tenths.
fn jittered(interval: Duration, random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    interval.mul_f64(0.9 + 0.2 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;
    const MIDDLE: u32 = u32::MAX / 2;

    /// To the nearest millisecond.
    fn wait(backoff: &mut Backoff, cause: Cause, connected: Duration, random: u32) -> u64 {
        let wait = backoff.wait(cause, connected, random).as_secs_f64();
        (wait * 1000.0).round() as u64
    }

    fn backoff(every: u64, max: Option<u64>) -> Backoff {
        Backoff::new(Duration::from_secs(every), max.map(Duration::from_secs))
    }

    #[test]
    fn an_interval_alone_stays() {
        let mut backoff = backoff(10, None);
        for _ in 0..3 {
            assert_eq!(wait(&mut backoff, Cause::Passing, NONE, MIDDLE), 10_000);
        }
    }

    #[test]
    fn it_is_a_tenth_more_or_less() {
        let mut backoff = backoff(10, None);
        assert_eq!(wait(&mut backoff, Cause::Passing, NONE, 0), 9000);
        assert_eq!(wait(&mut backoff, Cause::Passing, NONE, u32::MAX), 11_000);
    }

    #[test]
    fn it_doubles_up_to_a_bound() {
        let mut backoff = backoff(10, Some(60));
        let waits: Vec<u64> = (0..5)
            .map(|_| wait(&mut backoff, Cause::Passing, NONE, MIDDLE))
            .collect();
        assert_eq!(waits, [10_000, 20_000, 40_000, 60_000, 60_000]);
        // A short connection changes nothing, one that lasts does.
        let short = Duration::from_secs(59);
        assert_eq!(wait(&mut backoff, Cause::Passing, short, MIDDLE), 60_000);
        assert_eq!(wait(&mut backoff, Cause::Passing, STABLE, MIDDLE), 10_000);
        assert_eq!(wait(&mut backoff, Cause::Passing, NONE, MIDDLE), 20_000);
        backoff.reset();
        assert_eq!(wait(&mut backoff, Cause::Passing, NONE, MIDDLE), 10_000);
    }

    #[test]
    fn what_will_not_change_is_tried_slowly() {
        for (every, max, slow) in [
            (1, None, 60),
            (1, Some(10), 60),
            (1, Some(300), 300),
            (90, None, 90),
        ] {
            let mut backoff = backoff(every, max);
            for _ in 0..3 {
                let waited = wait(&mut backoff, Cause::Lasting, NONE, MIDDLE);
                assert_eq!(waited, slow * 1000, "{every} {max:?}");
            }
        }
    }
}
