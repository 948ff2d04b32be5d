//! How often one may fail: after 10 failures in a minute for one user from one source, or 100 from one source whoever it
//! claims to be, all attempts are refused for a minute.
//!
//! **Who logged in lately passes.** Behind one address there may be many people. So a login that succeeded from this
//! source within the last ten minutes, with exactly this name and password, is let through to its check whatever others
//! did; any other is refused as before. A neighbour could use that to try passwords while refused, for the right one
//! would pass: so refused attempts are counted as well, and after 1000 in a minute for one user from one source that
//! user does not pass either.
//!
//! **Memory is bounded**, at 4096 pairs of user and source and 1024 sources. When there are more, those whose last
//! failure is oldest are forgotten. To have itself forgotten an attacker must fail as often as there is room, from other
//! sources that are counted too, and gains ten attempts by it. It cannot push out who logged in lately: that memory is
//! a table of its own, which only right passwords enter.
//!
//! Attempts that are refused are no failures, so the minute ends a minute after it began. Networks that are exempt are
//! for the caller to know, who then asks nothing here. Checks that are under way are not counted before they fail:
//! who lets them wait in a queue asks once more when they leave it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::auth::recent_logins::{LoginKey, RecentLogins};

const MINUTE: Duration = Duration::from_secs(60);

/// For how long after it a login passes.
const LATELY: Duration = Duration::from_secs(600);

/// Refused attempts in a minute, for one user from one source, after which that user does not pass.
const MAX_REFUSED: u32 = 1000;

const BY_USER: FailureLimit = FailureLimit {
    failures: 10,
    entries: 4096,
};

const BY_SOURCE: FailureLimit = FailureLimit {
    failures: 100,
    entries: 1024,
};

/// Where somebody comes from, as far as they can choose it: an IPv4 address, or an IPv6 network of /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(u64, bool);

impl ClientNetwork {
    /// The source of an address. An IPv4-mapped one is of IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> ClientNetwork {
        match address.to_canonical() {
            IpAddr::V4(address) => ClientNetwork(address.to_bits().into(), false),
            IpAddr::V6(address) => ClientNetwork((address.to_bits() >> 64) as u64, true),
        }
    }

    /// One number for each, which [`LoginKey`] has room for.
    fn number(self, keys: &RandomState) -> u64 {
        keys.hash_one(self)
    }
}

/// An attempt that is refused unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Seconds until the next attempt makes sense (RFC 9110 §10.2.3, Retry-After); 1 to 60.
    pub retry_after: u32,
    /// Whether it is the first one since the limit was reached: the one that is logged.
    pub first: bool,
}

/// Counts the failures of one server's logins.
pub struct Throttle {
    keys: RandomState,
    by_user: Counts<(ClientNetwork, u64)>,
    by_source: Counts<ClientNetwork>,
    lately: RecentLogins,
    refused: Refusals,
}

impl Throttle {
    /// Nobody has failed yet. `seed` is random and nobody's.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Throttle {
        Throttle {
            keys: RandomState::new(),
            by_user: Counts::new(BY_USER),
            by_source: Counts::new(BY_SOURCE),
            lately: RecentLogins::new(seed, LATELY),
            refused: Refusals::default(),
        }
    }

    /// Before a password is looked at: whether it may be.
    ///
    /// # Errors
    /// It may not: 429 (RFC 6585 §4).
    pub fn check(
        &mut self,
        source: ClientNetwork,
        user: &str,
        password: &[u8],
        now: Instant,
    ) -> Result<(), Throttled> {
        let pair = self.pair(source, user);
        let by_source = self.by_source.blocked(&source, now);
        let by_user = self.by_user.blocked(&pair, now);
        let Some(left) = by_source.max(by_user) else {
            return Ok(());
        };
        let login = self.login(source, user, password);
        let place = self.keys.hash_one(pair);
        if self.refused.count(place, now) < MAX_REFUSED && self.lately.holds(&login, now) {
            return Ok(());
        }
        self.refused.add(place, now);
        let first = if by_source.is_some() {
            self.by_source.tell(&source)
        } else {
            self.by_user.tell(&pair)
        };
        Err(Throttled {
            retry_after: u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(60),
            first,
        })
    }

    /// A password was wrong, or whoever has it may not enter.
    pub fn failed(&mut self, source: ClientNetwork, user: &str, now: Instant) {
        let pair = self.pair(source, user);
        self.by_user.fail(pair, now);
        self.by_source.fail(source, now);
    }

    /// A login succeeded. Failures before it count on: whoever has an account could else have others' forgotten.
    pub fn succeeded(&mut self, source: ClientNetwork, user: &str, password: &[u8], now: Instant) {
        let login = self.login(source, user, password);
        self.lately.add(&login, now);
    }

    /// A name may be long, and is the peer's: its keyed hash is not.
    fn pair(&self, source: ClientNetwork, user: &str) -> (ClientNetwork, u64) {
        (source, self.keys.hash_one(user))
    }

    fn login<'l>(&self, source: ClientNetwork, user: &'l str, password: &'l [u8]) -> LoginKey<'l> {
        LoginKey {
            owner: source.number(&self.keys),
            generation: 0,
            user,
            password,
        }
    }
}

struct FailureLimit {
    /// In a minute.
    failures: usize,
    /// At a time.
    entries: usize,
}

/// Failures of the last minute, by key.
struct Counts<K> {
    bound: FailureLimit,
    counts: HashMap<K, Count>,
}

struct Count {
    /// The failures of the last minute, the oldest first; at most as many as are allowed.
    failures: Vec<Instant>,
    blocked: Option<Blocked>,
    last: Instant,
}

struct Blocked {
    since: Instant,
    told: bool,
}

impl Count {
    fn new(now: Instant) -> Count {
        Count {
            failures: Vec::new(),
            blocked: None,
            last: now,
        }
    }
}

/// Whether `then` is within the minute before `now`.
fn lies_back_less_than_a_minute(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < MINUTE
}

impl<K: Copy + Eq + Hash> Counts<K> {
    fn new(bound: FailureLimit) -> Self {
        Counts {
            bound,
            counts: HashMap::new(),
        }
    }

    /// How long the key is still blocked.
    fn blocked(&self, key: &K, now: Instant) -> Option<Duration> {
        let blocked = self.counts.get(key)?.blocked.as_ref()?;
        MINUTE
            .checked_sub(now.saturating_duration_since(blocked.since))
            .filter(|left| !left.is_zero())
    }

    fn fail(&mut self, key: K, now: Instant) {
        let most = self.bound.failures;
        let count = self.count(key, now);
        count.last = now;
        if let Some(blocked) = &count.blocked
            && lies_back_less_than_a_minute(blocked.since, now)
        {
            // It was under way when the limit was reached.
            return;
        }
        count.blocked = None;
        count
            .failures
            .retain(|then| lies_back_less_than_a_minute(*then, now));
        count.failures.push(now);
        if count.failures.len() >= most {
            count.failures.clear();
            count.blocked = Some(Blocked {
                since: now,
                told: false,
            });
        }
    }

    /// Whether this is the first to hear that the key is blocked.
    fn tell(&mut self, key: &K) -> bool {
        let count = self.counts.get_mut(key);
        let blocked = count.and_then(|count| count.blocked.as_mut());
        blocked.is_some_and(|blocked| !std::mem::replace(&mut blocked.told, true))
    }

    fn count(&mut self, key: K, now: Instant) -> &mut Count {
        if self.counts.len() >= self.bound.entries && !self.counts.contains_key(&key) {
            self.make_room(now);
        }
        self.counts.entry(key).or_insert_with(|| Count::new(now))
    }

    /// Forgets what is over, and when that is not enough the oldest eighth, so that this is seldom done.
    fn make_room(&mut self, now: Instant) {
        self.counts
            .retain(|_, count| lies_back_less_than_a_minute(count.last, now));
        let room = self.bound.entries / 8;
        let surplus = (self.counts.len() + room).saturating_sub(self.bound.entries);
        if surplus == 0 {
            return;
        }
        let mut ages: Vec<(Instant, K)> = self
            .counts
            .iter()
            .map(|(key, count)| (count.last, *key))
            .collect();
        ages.select_nth_unstable_by_key(surplus - 1, |(last, _)| *last);
        for (_, key) in &ages[..surplus] {
            self.counts.remove(key);
        }
    }
}

/// Refused attempts of a minute. They cost nothing, so what counts them is of constant size: a few pairs of user and
/// source share each number.
#[derive(Default)]
struct Refusals {
    since: Option<Instant>,
    counts: Vec<u32>,
}

impl Refusals {
    const PLACES: usize = 1024;

    fn count(&self, place: u64, now: Instant) -> u32 {
        match self.since {
            Some(since) if lies_back_less_than_a_minute(since, now) => {
                self.counts.get(Self::at(place)).copied().unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn add(&mut self, place: u64, now: Instant) {
        if self
            .since
            .is_none_or(|since| !lies_back_less_than_a_minute(since, now))
        {
            self.since = Some(now);
            self.counts.clear();
            self.counts.resize(Self::PLACES, 0);
        }
        if let Some(count) = self.counts.get_mut(Self::at(place)) {
            *count = count.saturating_add(1);
        }
    }

    fn at(place: u64) -> usize {
        (place % Self::PLACES as u64) as usize
    }
}

#[cfg(test)]
mod tests;
