//! The queue of requests that wait for an attempt. It has no clock: the time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// First come, first served; bounded in number and in age.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: VecDeque<(Instant, T)>,
    longest: usize,
    /// A request that has waited for longer is not served: the peer has given up, or will soon.
    oldest: Duration,
}

impl<T> Queue<T> {
    pub(super) fn new(longest: usize, oldest: Duration) -> Queue<T> {
        Queue {
            waiting: VecDeque::with_capacity(longest),
            longest,
            oldest,
        }
    }

    /// Adds one, or returns it when the queue is full.
    pub(super) fn push(&mut self, now: Instant, one: T) -> Result<(), T> {
        if self.waiting.len() >= self.longest {
            return Err(one);
        }
        self.waiting.push_back((now, one));
        Ok(())
    }

    /// Takes the first if it is too old.
    pub(super) fn pop_old(&mut self, now: Instant) -> Option<T> {
        let due = self.due()?;
        if now < due { None } else { self.pop() }
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front().map(|(_, one)| one)
    }

    /// When the first becomes too old.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.front().map(|(since, _)| *since + self.oldest)
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn first_come_first_served_up_to_a_number() {
        let now = Instant::now();
        let mut queue = Queue::new(2, 10 * SECOND);
        assert_eq!(queue.push(now, 'a'), Ok(()));
        assert_eq!(queue.push(now, 'b'), Ok(()));
        assert_eq!(queue.push(now, 'c'), Err('c'));
        assert_eq!(queue.pop(), Some('a'));
        assert_eq!(queue.push(now, 'd'), Ok(()));
        assert_eq!(queue.pop(), Some('b'));
        queue.clear();
        assert_eq!((queue.pop(), queue.due()), (None, None));
    }

    #[test]
    fn who_has_waited_too_long_is_told_apart() {
        let start = Instant::now();
        let mut queue = Queue::new(8, 10 * SECOND);
        queue.push(start, 'a').unwrap();
        queue.push(start + SECOND, 'b').unwrap();
        assert_eq!(queue.due(), Some(start + 10 * SECOND));
        assert_eq!(queue.pop_old(start + 10 * SECOND - SECOND / 1000), None);
        assert_eq!(queue.pop_old(start + 10 * SECOND), Some('a'));
        assert_eq!(queue.pop_old(start + 10 * SECOND), None);
        assert_eq!(queue.due(), Some(start + 11 * SECOND));
        assert_eq!(queue.pop_old(start + 60 * SECOND), Some('b'));
        assert_eq!(queue.pop_old(start + 60 * SECOND), None);
    }
}
