//! The schedule by which a process is ended. It has neither a clock nor a process.

use crate::conn::deadline::{Millis, Tick};

/// The time between SIGTERM and SIGKILL.
pub const KILL_DELAY: Millis = Millis::seconds(2);

/// A step that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Close its stdin, then SIGTERM to its group.
    Terminate,
    /// SIGKILL to its group.
    Kill,
}

/// The schedule of one process: at some time its stdin is closed and SIGTERM sent; SIGKILL follows [`KILL_DELAY`] later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(Option<(Tick, Step)>);

impl Stop {
    /// It may run for `timeout`.
    #[must_use]
    pub fn after(timeout: Millis, now: Tick) -> Stop {
        Stop(Some((now.after(timeout), Step::Terminate)))
    }

    /// It may run without limit.
    #[must_use]
    pub fn never() -> Stop {
        Stop(None)
    }

    /// It may run until `tick` at most. Does nothing when SIGTERM was sent already.
    pub fn no_later_than(&mut self, tick: Tick) {
        self.0 = match self.0 {
            Some((at, Step::Terminate)) => Some((at.earlier(tick), Step::Terminate)),
            Some(kill @ (_, Step::Kill)) => Some(kill),
            None => Some((tick, Step::Terminate)),
        };
    }

    /// When [`poll`](Self::poll) has a step.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.0.map(|(tick, _)| tick)
    }

    /// The step that is due. Each step comes once. A late step is not skipped, so a process has its two seconds even when the
    /// loop was delayed.
    pub fn poll(&mut self, now: Tick) -> Option<Step> {
        let (_, step) = self.0.filter(|(tick, _)| tick.is_due(now))?;
        self.0 = match step {
            Step::Terminate => Some((now.after(KILL_DELAY), Step::Kill)),
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
