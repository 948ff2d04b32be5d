//! The schedule of a dial (RFC 8305): the order of the addresses, and when each is tried. It knows no sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::conn::deadline::{Millis, Tick};

/// RFC 8305 §5: the Connection Attempt Delay.
const DELAY: Millis = Millis::new(250);

/// The time limit for all addresses together.
pub(super) const LIMIT: Millis = Millis::seconds(10);

/// The most addresses that are tried: there is no time for more.
const MAX_ADDRESSES: usize = 40;

/// The addresses of one host that have not been tried yet.
#[derive(Debug)]
pub(super) struct Schedule {
    waiting: VecDeque<SocketAddr>,
    next: Tick,
    end: Tick,
}

impl Schedule {
    pub(super) fn new(addresses: Vec<SocketAddr>, now: Tick) -> Schedule {
        let mut waiting = interleaved(addresses);
        waiting.truncate(MAX_ADDRESSES);
        Schedule {
            waiting,
            next: now,
            end: now.after(LIMIT),
        }
    }

    /// The address that is to be tried now, if there is one. The next is due later.
    pub(super) fn take(&mut self, now: Tick) -> Option<SocketAddr> {
        if !self.next.is_due(now) {
            return None;
        }
        self.next = now.after(DELAY);
        self.waiting.pop_front()
    }

    /// An attempt has failed: the next is due at once.
    pub(super) fn hasten(&mut self, now: Tick) {
        self.next = now;
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the time limit has passed.
    pub(super) fn is_over(&self, now: Tick) -> bool {
        self.end.is_due(now)
    }

    /// When something is to be done next.
    pub(super) fn deadline(&self) -> Tick {
        if self.waiting.is_empty() {
            self.end
        } else {
            self.next.earlier(self.end)
        }
    }
}

/// RFC 8305 §4: one of each family in turn, IPv6 first, otherwise as the resolver sorted them (RFC 6724); each once.
fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let mut unique: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    let (six, four): (Vec<_>, Vec<_>) = unique.into_iter().partition(SocketAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut sorted = VecDeque::new();
    loop {
        let pair = [six.next(), four.next()];
        if pair == [None, None] {
            return sorted;
        }
        sorted.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        for (given, sorted) in [
            (&[][..], &[][..]),
            (&["1.1.1.1:1", "[::1]:1"], &["[::1]:1", "1.1.1.1:1"]),
            (
                &[
                    "1.1.1.1:1",
                    "1.1.1.2:1",
                    "[::1]:1",
                    "1.1.1.1:1",
                    "[::2]:1",
                    "1.1.1.3:1",
                ],
                &["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "1.1.1.3:1"],
            ),
            (&["[::2]:1", "[::1]:1"], &["[::2]:1", "[::1]:1"]),
        ] {
            assert_eq!(interleaved(addresses(given)), addresses(sorted));
        }
    }

    #[test]
    fn one_attempt_follows_the_other() {
        let start = Tick(u32::MAX - 100);
        let mut schedule =
            Schedule::new(addresses(&["1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"]), start);
        assert_eq!(schedule.deadline(), start);
        assert!(schedule.take(start).is_some() && schedule.take(start).is_none());
        let second = start.after(DELAY);
        assert_eq!(schedule.deadline(), second);
        assert!(schedule.take(start.after(Millis::new(249))).is_none());
        assert!(schedule.take(second).is_some());
        // The second one fails at once.
        schedule.hasten(second);
        assert_eq!(schedule.deadline(), second);
        assert!(schedule.take(second).is_some() && schedule.is_exhausted());
        assert_eq!(schedule.deadline(), start.after(LIMIT));
        assert!(!schedule.is_over(start.after(Millis::new(9999))));
        assert!(schedule.is_over(start.after(LIMIT)));
    }

    #[test]
    fn addresses_without_end_are_not_tried() {
        let many = (0..1000).map(|port| SocketAddr::from(([1, 1, 1, 1], port)));
        let mut schedule = Schedule::new(many.collect(), Tick(0));
        let mut tried = 0;
        while schedule.take(Tick(0)).is_some() {
            schedule.hasten(Tick(0));
            tried += 1;
        }
        assert_eq!(tried, MAX_ADDRESSES);
    }
}
