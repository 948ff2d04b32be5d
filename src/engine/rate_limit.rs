//! A limit for warnings that peers can cause at will: ten a minute of a kind are logged, the others are counted.

use std::fmt;
use std::time::{Duration, Instant};

use crate::proto::counted::counted;

/// Lines of one kind in [`PERIOD`].
const MOST: u32 = 10;

const PERIOD: Duration = Duration::from_secs(60);

/// The limit of one kind of warning.
#[derive(Debug, Default)]
pub struct RateLimit {
    /// When the period began.
    since: Option<Instant>,
    /// Warnings in it.
    count: u32,
}

/// What is done with a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Written,
    /// It is the last that is logged in this period.
    Last,
    HeldBack,
}

impl RateLimit {
    /// Logs the line, unless there were many of its kind lately.
    pub fn warn(&mut self, line: fmt::Arguments<'_>) {
        let (verdict, held_back) = self.count(Instant::now());
        if held_back > 0 {
            let held_back = counted(held_back, "warning");
            log::warn!("not logged: {held_back} like the following");
        }
        match verdict {
            Verdict::Written => log::warn!("{line}"),
            Verdict::Last => {
                log::warn!("{line} (more warnings like this are only counted for a minute)");
            }
            Verdict::HeldBack => {}
        }
    }

    /// Counts a warning. When it begins a period, the number says how many were held back in the last one.
    fn count(&mut self, now: Instant) -> (Verdict, u32) {
        let goes_on = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) < PERIOD);
        let mut held_back = 0;
        if !goes_on {
            held_back = self.count.saturating_sub(MOST);
            (self.since, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        let verdict = match self.count {
            ..MOST => Verdict::Written,
            MOST => Verdict::Last,
            _ => Verdict::HeldBack,
        };
        (verdict, held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_are_written_and_the_others_counted() {
        let mut warnings = RateLimit::default();
        let start = Instant::now();
        for second in 0..9 {
            let now = start + Duration::from_secs(second);
            assert_eq!(warnings.count(now), (Verdict::Written, 0));
        }
        assert_eq!(warnings.count(start), (Verdict::Last, 0));
        for second in 10..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(warnings.count(now), (Verdict::HeldBack, 0));
        }
        let next = start + PERIOD;
        assert_eq!(warnings.count(next), (Verdict::Written, 50));
        assert_eq!(warnings.count(next + PERIOD), (Verdict::Written, 0));
    }
}
