//! Time as a connection sees it: ticks and deadlines.
//!
//! Nothing here reads a clock. A [`Tick`] counts milliseconds since the engine started and wraps after 49 days, so ticks
//! are compared by their distance and never by their value: two that are compared lie less than 24 days apart.

use core::time::Duration;

/// Milliseconds since the start of the engine, modulo 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick `later` after this one.
    #[must_use]
    pub fn after(self, later: Millis) -> Tick {
        Tick(self.0.wrapping_add(later.0))
    }

    /// Whether this tick is at or before `now`.
    #[must_use]
    pub fn is_due(self, now: Tick) -> bool {
        now.0.wrapping_sub(self.0) < 1 << 31
    }

    /// Milliseconds from `earlier` to this tick; 0 when `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Tick) -> u32 {
        let distance = self.0.wrapping_sub(earlier.0);
        if distance < 1 << 31 { distance } else { 0 }
    }

    /// The earlier of two ticks.
    #[must_use]
    pub fn earlier(self, other: Tick) -> Tick {
        if self.is_due(other) { self } else { other }
    }
}

/// A length of time in milliseconds, at most 24 days: the most that a deadline may be ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(u32);

impl Millis {
    /// No time; for some deadlines it means never.
    pub const ZERO: Millis = Millis(0);

    /// The longest time: a tick that is further ahead would count as past.
    pub const MAX: Millis = Millis((1 << 31) - 1);

    /// `count` milliseconds, cut to [`Millis::MAX`].
    #[must_use]
    pub const fn new(count: u32) -> Millis {
        if count > Millis::MAX.0 {
            Millis::MAX
        } else {
            Millis(count)
        }
    }

    /// Whole seconds, cut to [`Millis::MAX`].
    #[must_use]
    pub const fn seconds(count: u32) -> Millis {
        Millis::new(count.saturating_mul(1000))
    }

    /// Whether this is no time, which means "never" in the configuration.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Duration {
        Duration::from_millis(u64::from(millis.0))
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Millis {
        Millis::new(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
    }
}

/// A peer that does not answer our Close frame, or does not end its stream after ours, is dropped after this time.
pub const LINGER: Millis = Millis::seconds(5);

/// When bytes for a peer make no progress for this long, its connection ends.
pub const STALL: Millis = Millis::seconds(60);

/// The least rate of a request body, in bytes a second. Each byte moves the deadline by its time at this rate, but never
/// further than `idle_timeout` ahead. So a body may pause for that long, but one that comes slower than this rate for long
/// ends its connection, however regularly it comes.
pub const BODY_RATE: u32 = 500;

/// What a connection waits for until its first deadline. The second deadline, for writes that make no progress, is separate,
/// because it can be set together with any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Never,
    /// A whole request head. Bytes that come do not move this deadline.
    Head,
    /// The next request of a persistent connection.
    Idle,
    /// More of a request body. Bytes that come move it; see [`BODY_RATE`].
    Body,
    /// The time to ping a silent peer. Bytes that come move it.
    Ping,
    /// Any bytes after a ping.
    Pong,
    /// The peer's Close frame after ours.
    CloseAck,
    /// The end of the peer's stream after ours.
    Linger,
    /// The answer to an upgrade request (client).
    Upgrade,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_compare_over_the_wrap() {
        let before = Tick(u32::MAX - 10);
        let after = before.after(Millis::new(20));
        assert_eq!(after, Tick(9));
        assert!(before.is_due(after) && !after.is_due(before));
        assert_eq!(before.earlier(after), before);
        assert_eq!(after.earlier(before), before);
        assert_eq!((after.since(before), before.since(after)), (20, 0));
    }

    #[test]
    fn a_tick_is_due_when_it_has_come() {
        assert!(Tick(5).is_due(Tick(5)));
        assert!(!Tick(6).is_due(Tick(5)));
    }

    #[test]
    fn long_durations_are_cut() {
        assert_eq!(Millis::from(Duration::from_secs(1 << 40)), Millis::MAX);
        assert_eq!(Millis::from(Duration::from_millis(1500)), Millis::new(1500));
    }
}
