//! The timer set: one deadline a slot, in a wheel of 512 buckets of 128 ms.
//!
//! Arming and firing cost a few instructions whatever the number of slots. A deadline beyond the wheel's 65 s waits in
//! its bucket and is looked at once a round. Deadlines fire up to one bucket late and never early.

use crate::conn::deadline::Tick;

const BUCKETS: u32 = 512;
const SHIFT: u32 = 7;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    prev: u32,
    /// The tick at which it fires.
    tick: Tick,
    /// Its bucket: by its tick, or at the cursor when that had passed.
    bucket: u16,
}

/// `Link::prev` of a slot that is in no bucket.
const UNARMED: u32 = u32::MAX - 1;

const FREE: Link = Link {
    next: NONE,
    prev: UNARMED,
    tick: Tick(0),
    bucket: 0,
};

/// The timer set. Slots are small indices.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Box<[u32; BUCKETS as usize]>,
    /// A bit for each bucket that is not empty.
    filled: [u64; BUCKETS as usize / 64],
    links: Vec<Link>,
    /// The first bucket time (`tick >> SHIFT`) that has not been looked at.
    cursor: u32,
}

/// Bucket times wrap with the tick they come from.
const TIMES: u32 = 1 << (32 - SHIFT);

impl Wheel {
    pub(super) fn new(now: Tick) -> Wheel {
        Wheel {
            heads: Box::new([NONE; BUCKETS as usize]),
            filled: [0; BUCKETS as usize / 64],
            links: Vec::new(),
            cursor: now.0 >> SHIFT,
        }
    }

    /// Makes sure that `slot` fires at `tick` or before. A slot that fires before its deadline is armed again by
    /// its owner, so a deadline that only moves away costs nothing.
    #[inline]
    pub(super) fn arm(&mut self, slot: usize, tick: Tick) {
        if let Some(link) = self.links.get(slot)
            && link.prev != UNARMED
            && link.tick.is_due(tick)
        {
            return;
        }
        self.insert(slot, tick);
    }

    fn insert(&mut self, slot: usize, tick: Tick) {
        if self.links.len() <= slot {
            self.links.resize(slot + 1, FREE);
        }
        self.disarm(slot);
        let mut time = tick.0 >> SHIFT;
        // What is due already fires at the next look.
        if time.wrapping_sub(self.cursor) % TIMES >= TIMES / 2 {
            time = self.cursor;
        }
        let bucket = (time % BUCKETS) as usize;
        let next = self.heads[bucket];
        self.links[slot] = Link {
            next,
            prev: NONE,
            tick,
            bucket: bucket as u16,
        };
        if next != NONE {
            self.links[next as usize].prev = slot as u32;
        }
        self.heads[bucket] = slot as u32;
        self.filled[bucket / 64] |= 1 << (bucket % 64);
    }

    /// Removes `slot`.
    pub(super) fn disarm(&mut self, slot: usize) {
        let Some(&link) = self.links.get(slot) else {
            return;
        };
        if link.prev == UNARMED {
            return;
        }
        if link.next != NONE {
            self.links[link.next as usize].prev = link.prev;
        }
        if link.prev != NONE {
            self.links[link.prev as usize].next = link.next;
        } else {
            let bucket = usize::from(link.bucket);
            self.heads[bucket] = link.next;
            if link.next == NONE {
                self.filled[bucket / 64] &= !(1 << (bucket % 64));
            }
        }
        self.links[slot] = FREE;
    }

    /// Removes every slot that is due at `now`, and adds it to `fired`.
    pub(super) fn advance(&mut self, now: Tick, fired: &mut Vec<usize>) {
        let end = now.0 >> SHIFT;
        // A bucket's last tick must have passed: so nothing fires early.
        let span = end.wrapping_sub(self.cursor) % TIMES;
        if span >= TIMES / 2 {
            return;
        }
        for step in 0..span.min(BUCKETS) {
            let bucket = (self.cursor.wrapping_add(step) % BUCKETS) as usize;
            if self.filled[bucket / 64] & (1 << (bucket % 64)) != 0 {
                self.drain(bucket, now, fired);
            }
        }
        self.cursor = end;
    }

    fn drain(&mut self, bucket: usize, now: Tick, fired: &mut Vec<usize>) {
        let mut at = self.heads[bucket];
        let mut kept = NONE;
        while at != NONE {
            let link = self.links[at as usize];
            if link.tick.is_due(now) {
                self.links[at as usize] = FREE;
                fired.push(at as usize);
            } else {
                self.links[at as usize] = Link {
                    next: kept,
                    prev: NONE,
                    ..link
                };
                if kept != NONE {
                    self.links[kept as usize].prev = at;
                }
                kept = at;
            }
            at = link.next;
        }
        self.heads[bucket] = kept;
        if kept == NONE {
            self.filled[bucket / 64] &= !(1 << (bucket % 64));
        }
    }

    /// Milliseconds until something may fire; `None` when nothing is armed.
    pub(super) fn timeout(&self, now: Tick) -> Option<u32> {
        let start = self.cursor % BUCKETS;
        let words = self.filled.len();
        // The word of the cursor is looked at twice: from the cursor on, and at last up to it.
        let ahead = (0..=words).find_map(|step| {
            let at = (start as usize / 64 + step) % words;
            let from_cursor = u64::MAX << (start % 64);
            let word = match step {
                0 => self.filled[at] & from_cursor,
                _ if step == words => self.filled[at] & !from_cursor,
                _ => self.filled[at],
            };
            let bucket = at as u32 * 64 + word.trailing_zeros();
            (word != 0).then(|| bucket.wrapping_sub(start) % BUCKETS)
        })?;
        let time = self.cursor.wrapping_add(ahead).wrapping_add(1) % TIMES;
        Some(Tick(time << SHIFT).since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn fires_each_slot_once_at_its_time_or_just_after() {
        let start = Tick(u32::MAX - 100_000);
        let mut wheel = Wheel::new(start);
        let mut armed = BTreeMap::new();
        let mut seed = 7_u64;
        for slot in 0..500_usize {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let ahead = (seed >> 33) as u32 % 200_000;
            wheel.arm(slot, Tick(start.0.wrapping_add(ahead)));
            armed.insert(slot, ahead);
        }
        for elapsed in (0..=200_400).step_by(100) {
            let mut fired = Vec::new();
            wheel.advance(Tick(start.0.wrapping_add(elapsed)), &mut fired);
            for slot in fired {
                let due = armed.remove(&slot).expect("fires once");
                assert!(
                    due <= elapsed && elapsed <= due + 128 + 100,
                    "due {due}, fired {elapsed}"
                );
            }
        }
        assert!(armed.is_empty());
        assert_eq!(wheel.timeout(start), None);
    }

    #[test]
    fn an_earlier_deadline_moves_a_slot_and_a_later_one_does_not() {
        let mut wheel = Wheel::new(Tick(0));
        wheel.arm(3, Tick(10_000));
        wheel.arm(3, Tick(1000));
        wheel.arm(3, Tick(20_000));
        let mut fired = Vec::new();
        wheel.advance(Tick(1200), &mut fired);
        assert_eq!(fired, [3]);
        wheel.advance(Tick(30_000), &mut fired);
        assert_eq!(fired, [3]);
    }

    #[test]
    fn a_disarmed_slot_does_not_fire() {
        let mut wheel = Wheel::new(Tick(0));
        for slot in 0..3 {
            wheel.arm(slot, Tick(500));
        }
        wheel.disarm(1);
        wheel.disarm(7);
        let mut fired = Vec::new();
        wheel.advance(Tick(1000), &mut fired);
        fired.sort_unstable();
        assert_eq!(fired, [0, 2]);
    }

    #[test]
    fn the_timeout_reaches_just_past_the_first_bucket() {
        let mut wheel = Wheel::new(Tick(0));
        assert_eq!(wheel.timeout(Tick(0)), None);
        wheel.arm(0, Tick(1000));
        assert_eq!(wheel.timeout(Tick(0)), Some(1024));
        assert_eq!(wheel.timeout(Tick(1020)), Some(4));
        assert_eq!(wheel.timeout(Tick(2000)), Some(0));
    }
}
