//! How long to wait before a helper that has ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The pauses between starts: a second at first, twice as long each time, a minute at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next start, when the last one has lived for so long. One that was well for longer than the
    /// longest pause has made good for those before it.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived > LONGEST {
            self.failures = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        pause.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_begins_again_after_a_long_life() {
        let mut backoff = Backoff::default();
        let mut pauses = |lives: &[u64]| -> Vec<u64> {
            let pause = |&lived| backoff.after(Duration::from_secs(lived)).as_secs();
            lives.iter().map(pause).collect()
        };
        assert_eq!(pauses(&[0, 5, 0, 60, 1, 0, 0]), [1, 2, 4, 8, 16, 32, 60]);
        assert_eq!(pauses(&[0; 40]), [60; 40]);
        assert_eq!(pauses(&[61, 0]), [1, 2]);
    }
}
