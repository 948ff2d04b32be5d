//! Messages that are kept while a client is not connected. Number, bytes and age are limited; the oldest are dropped
//! first.

use std::collections::VecDeque;

use crate::conn::deadline::{Millis, Tick};
use crate::proto::ws::frame::Kind;

/// The most bytes of messages that one client keeps.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A message that waits for a connection.
#[derive(Debug)]
pub(super) struct Kept {
    pub kind: Kind,
    pub data: Box<[u8]>,
    since: Tick,
}

/// The messages of one client, the oldest first.
#[derive(Debug)]
pub(super) struct OfflineQueue {
    max: usize,
    ttl: Millis,
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl OfflineQueue {
    /// A queue of at most `max` messages, each of which is kept for `ttl`.
    pub(super) fn new(max: usize, ttl: Millis) -> OfflineQueue {
        OfflineQueue {
            max,
            ttl,
            kept: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Whether nothing may be kept.
    pub(super) fn is_disabled(&self) -> bool {
        self.max == 0
    }

    /// Sets other limits. Returns how many messages were dropped for them.
    pub(super) fn set_limits(&mut self, max: usize, ttl: Millis) -> usize {
        (self.max, self.ttl) = (max, ttl);
        self.make_room(0, 0)
    }

    /// Keeps a message. Returns how many were dropped: older ones to make room, or this one when it is too long.
    pub(super) fn push(&mut self, kind: Kind, data: &[u8], now: Tick) -> usize {
        if data.len() > MAX_BYTES || self.max == 0 {
            return 1;
        }
        let dropped = self.make_room(1, data.len());
        self.bytes += data.len();
        self.kept.push_back(Kept {
            kind,
            data: data.into(),
            since: now,
        });
        dropped
    }

    /// The oldest message.
    pub(super) fn pop(&mut self) -> Option<Kept> {
        let kept = self.kept.pop_front()?;
        self.bytes -= kept.data.len();
        Some(kept)
    }

    /// Drops messages that are too old. Returns how many.
    pub(super) fn expire(&mut self, now: Tick) -> usize {
        let mut dropped = 0;
        while self.deadline().is_some_and(|due| due.is_due(now)) {
            self.pop();
            dropped += 1;
        }
        dropped
    }

    /// When the oldest message becomes too old.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let oldest = self.kept.front()?;
        Some(oldest.since.after(self.ttl))
    }

    /// Drops messages until `count` more of `bytes` in all fit. Returns how many.
    fn make_room(&mut self, count: usize, bytes: usize) -> usize {
        let mut dropped = 0;
        while self.kept.len() + count > self.max || self.bytes + bytes > MAX_BYTES {
            if self.pop().is_none() {
                break;
            }
            dropped += 1;
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(max: usize) -> OfflineQueue {
        OfflineQueue::new(max, Millis::new(1000))
    }

    fn texts(queue: &mut OfflineQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|kept| String::from_utf8_lossy(&kept.data).into_owned())
            .collect()
    }

    #[test]
    fn the_oldest_is_dropped_first() {
        let mut queue = queue(2);
        let dropped: Vec<usize> = ["a", "b", "c", "d"]
            .iter()
            .map(|text| queue.push(Kind::Text, text.as_bytes(), Tick(0)))
            .collect();
        assert_eq!(dropped, [0, 0, 1, 1]);
        assert_eq!(texts(&mut queue), ["c", "d"]);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn each_has_its_time() {
        let mut queue = queue(9);
        assert_eq!(queue.deadline(), None);
        queue.push(Kind::Text, b"a", Tick(0));
        queue.push(Kind::Binary, b"b", Tick(500));
        assert_eq!(queue.deadline(), Some(Tick(1000)));
        assert_eq!(queue.expire(Tick(999)), 0);
        assert_eq!(queue.expire(Tick(1000)), 1);
        assert_eq!(queue.deadline(), Some(Tick(1500)));
        // New limits hold for messages that are kept already.
        assert_eq!(queue.set_limits(9, Millis::new(100)), 0);
        assert_eq!(queue.expire(Tick(1000)), 1);
        assert_eq!(queue.deadline(), None);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut queue = queue(100);
        let half = vec![0; MAX_BYTES / 2];
        for _ in 0..2 {
            assert_eq!(queue.push(Kind::Binary, &half, Tick(0)), 0);
        }
        assert_eq!(queue.push(Kind::Binary, b"x", Tick(0)), 1);
        assert_eq!(queue.push(Kind::Binary, &half, Tick(0)), 1);
        // A message that is too long pushes out no other.
        assert_eq!(
            queue.push(Kind::Binary, &vec![0; MAX_BYTES + 1], Tick(0)),
            1
        );
        assert_eq!(queue.kept.len(), 2);
    }

    #[test]
    fn fewer_are_kept_when_fewer_may_be() {
        let mut queue = queue(3);
        for text in ["a", "b", "c"] {
            queue.push(Kind::Text, text.as_bytes(), Tick(0));
        }
        assert_eq!(queue.set_limits(1, Millis::new(1000)), 2);
        assert_eq!(texts(&mut queue), ["c"]);
        assert!(!queue.is_disabled());
        assert_eq!(queue.set_limits(0, Millis::new(1000)), 0);
        assert!(queue.is_disabled());
        assert_eq!(queue.push(Kind::Text, b"d", Tick(0)), 1);
    }
}
