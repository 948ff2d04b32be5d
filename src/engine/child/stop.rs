//! When a process is told to end, and in which words: a schedule without a clock and without a process.

use crate::conn::deadline::{Millis, Tick};

/// Between SIGTERM and SIGKILL.
pub const MERCY: Millis = Millis::seconds(2);

/// What is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Close its stdin, then SIGTERM to its group.
    Terminate,
    /// SIGKILL to its group.
    Kill,
}

/// The end of one process: stdin closed and SIGTERM at a time, SIGKILL [`MERCY`] later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(Option<(Tick, Step)>);

impl Stop {
    /// It may run for `timeout`.
    #[must_use]
    pub fn after(timeout: Millis, now: Tick) -> Stop {
        Stop(Some((now.after(timeout), Step::Terminate)))
    }

    /// It may run for as long as it likes.
    #[must_use]
    pub fn never() -> Stop {
        Stop(None)
    }

    /// It may run until `tick` at the longest, unless it was told to end already.
    pub fn no_later_than(&mut self, tick: Tick) {
        self.0 = match self.0 {
            Some((at, Step::Terminate)) => Some((at.earlier(tick), Step::Terminate)),
            Some(kill @ (_, Step::Kill)) => Some(kill),
            None => Some((tick, Step::Terminate)),
        };
    }

    /// When [`poll`](Self::poll) has something to say.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.0.map(|(tick, _)| tick)
    }

    /// What is due. Each step is told once; a step that is late is not skipped, so that a process has its two seconds
    /// even after a loop that was held up.
    pub fn poll(&mut self, now: Tick) -> Option<Step> {
        let (_, step) = self.0.filter(|(tick, _)| tick.is_due(now))?;
        self.0 = match step {
            Step::Terminate => Some((now.after(MERCY), Step::Kill)),
            Step::Kill => None,
        };
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_asked_then_killed() {
        let start = Tick(u32::MAX - 10_000);
        let mut stop = Stop::after(Millis::seconds(30), start);
        assert_eq!(stop.deadline(), Some(start.after(Millis::seconds(30))));
        assert_eq!(stop.poll(start.after(Millis::new(29_999))), None);
        assert_eq!(
            stop.poll(start.after(Millis::seconds(30))),
            Some(Step::Terminate)
        );
        assert_eq!(stop.poll(start.after(Millis::new(31_999))), None);
        assert_eq!(
            stop.poll(start.after(Millis::seconds(32))),
            Some(Step::Kill)
        );
        assert_eq!(stop.poll(start.after(Millis::seconds(99))), None);
        assert_eq!(stop.deadline(), None);
    }

    #[test]
    fn a_late_look_does_not_take_the_mercy_away() {
        let mut stop = Stop::after(Millis::seconds(1), Tick(0));
        assert_eq!(stop.poll(Tick(60_000)), Some(Step::Terminate));
        assert_eq!(stop.poll(Tick(60_000)), None);
        assert_eq!(stop.deadline(), Some(Tick(62_000)));
    }

    #[test]
    fn never_is_never() {
        let mut stop = Stop::never();
        assert_eq!((stop.deadline(), stop.poll(Tick(1))), (None, None));
    }
}
