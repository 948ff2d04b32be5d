//! The limit on failed logins: after 10 failures in a minute for one user from one network, or 100 from one network for
//! any users, all attempts are refused for a minute.
//!
//! **Recent logins pass.** Many people may share one address. So a login that succeeded from this network within the
//! last ten minutes, with exactly this name and password, still gets its check, whatever others did. Others on that network
//! could use this to guess passwords while refused, since the right one would pass. So refused attempts are counted too:
//! after 1000 in a minute for one user from one network, that user is refused like all others.
//!
//! **Memory is limited** to 4096 pairs of user and network, and 1024 networks. When there are more, those whose last
//! failure is oldest are forgotten. For that, an attacker must fail thousands of times from other networks, which are
//! counted too, and gains ten attempts. It cannot push out recent logins: they are in a table of their own, which only
//! right passwords enter.
//!
//! Refused attempts are not failures, so a network is refused for one minute and no longer. Networks that are exempt are
//! known to the caller, who does not call this for them. A check that is under way counts only once it has failed: a
//! caller with a queue of checks calls [`Throttle::check`] again when one leaves the queue.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::auth::recent_logins::{LoginKey, RecentLogins};

const MINUTE: Duration = Duration::from_secs(60);

/// How long a login is a recent one.
const RECENT: Duration = Duration::from_secs(600);

/// Refused attempts in a minute, for one user from one network, after which recent logins do not pass either.
const MAX_REFUSED: u32 = 1000;

const BY_USER: FailureLimit = FailureLimit {
    failures: 10,
    entries: 4096,
};

const BY_NETWORK: FailureLimit = FailureLimit {
    failures: 100,
    entries: 1024,
};

const FROM_EVERYWHERE: FailureLimit = FailureLimit {
    failures: 100,
    entries: 4096,
};

/// Where a client comes from: an IPv4 address, or an IPv6 network of /64, within which clients choose their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(u64, bool);

impl ClientNetwork {
    /// The network of an address. An IPv4-mapped address counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> ClientNetwork {
        match address.to_canonical() {
            IpAddr::V4(address) => ClientNetwork(address.to_bits().into(), false),
            IpAddr::V6(address) => ClientNetwork((address.to_bits() >> 64) as u64, true),
        }
    }

    /// A number for [`LoginKey::owner`].
    fn number(self, keys: &RandomState) -> u64 {
        keys.hash_one(self)
    }
}

/// An attempt that is refused without a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Seconds until the next attempt makes sense (RFC 9110 §10.2.3, Retry-After); 1 to 60.
    pub retry_after: u32,
    /// Whether it is the first since the limit was reached. Only the first is logged.
    pub first: bool,
}

/// Counts the failed logins of one server.
pub struct Throttle {
    keys: RandomState,
    by_user: Counts<(ClientNetwork, u64)>,
    by_network: Counts<ClientNetwork>,
    recent: RecentLogins,
    refused: Refusals,
}

impl Throttle {
    /// Without any failure yet. `seed` is random and secret.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Throttle {
        Throttle {
            keys: RandomState::new(),
            by_user: Counts::new(BY_USER),
            by_network: Counts::new(BY_NETWORK),
            recent: RecentLogins::new(seed, RECENT),
            refused: Refusals::default(),
        }
    }

    /// Whether an attempt may be checked. Called before the check.
    ///
    /// # Errors
    /// It is refused: 429 (RFC 6585 §4).
    pub fn check(
        &mut self,
        network: ClientNetwork,
        user: &str,
        password: &[u8],
        now: Instant,
    ) -> Result<(), Throttled> {
        let pair = self.pair(network, user);
        let by_network = self.by_network.blocked(&network, now);
        let by_user = self.by_user.blocked(&pair, now);
        let Some(left) = by_network.max(by_user) else {
            return Ok(());
        };
        let login = self.login(network, user, password);
        let place = self.keys.hash_one(pair);
        if self.refused.count(place, now) < MAX_REFUSED && self.recent.holds(&login, now) {
            return Ok(());
        }
        self.refused.add(place, now);
        let first = if by_network.is_some() {
            self.by_network.is_first_refusal(&network)
        } else {
            self.by_user.is_first_refusal(&pair)
        };
        Err(Throttled {
            retry_after: u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(60),
            first,
        })
    }

    /// Records a failed attempt: the password was wrong, or the user is not admitted.
    pub fn failed(&mut self, network: ClientNetwork, user: &str, now: Instant) {
        let pair = self.pair(network, user);
        self.by_user.fail(pair, now);
        self.by_network.fail(network, now);
    }

    /// Records a login. Earlier failures still count: otherwise anybody with an account could reset the count while they
    /// guess the passwords of others.
    pub fn succeeded(&mut self, network: ClientNetwork, user: &str, password: &[u8], now: Instant) {
        let login = self.login(network, user, password);
        self.recent.add(&login, now);
    }

    /// A keyed hash stands for the name, which the peer may choose to be long.
    fn pair(&self, network: ClientNetwork, user: &str) -> (ClientNetwork, u64) {
        (network, self.keys.hash_one(user))
    }

    fn login<'l>(&self, network: ClientNetwork, user: &'l str, password: &'l [u8]) -> LoginKey<'l> {
        LoginKey {
            owner: network.number(&self.keys),
            connection: 0,
            generation: 0,
            user,
            password,
        }
    }
}

/// Counts the failed logins of each user, from wherever they come: for whoever cannot trust what is said of addresses.
pub struct UserThrottle {
    keys: RandomState,
    failures: Counts<u64>,
}

impl Default for UserThrottle {
    /// Without any failure yet.
    fn default() -> UserThrottle {
        UserThrottle {
            keys: RandomState::new(),
            failures: Counts::new(FROM_EVERYWHERE),
        }
    }
}

impl UserThrottle {
    /// Whether an attempt may be checked. Called before the check.
    #[must_use]
    pub fn allows(&self, user: &str, now: Instant) -> bool {
        let key = self.keys.hash_one(user);
        self.failures.blocked(&key, now).is_none()
    }

    /// Records a failed attempt. True: the user is refused from now on, for a minute.
    pub fn failed(&mut self, user: &str, now: Instant) -> bool {
        let was_allowed = self.allows(user, now);
        self.failures.fail(self.keys.hash_one(user), now);
        was_allowed && !self.allows(user, now)
    }
}

struct FailureLimit {
    /// The failures in a minute that are allowed, for one key.
    failures: usize,
    /// The most keys that are remembered.
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

/// Whether `then` is less than a minute before `now`.
fn is_within_a_minute(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < MINUTE
}

impl<K: Copy + Eq + Hash> Counts<K> {
    fn new(bound: FailureLimit) -> Self {
        Counts {
            bound,
            counts: HashMap::new(),
        }
    }

    /// How long the key is still blocked; `None` when it is not.
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
            && is_within_a_minute(blocked.since, now)
        {
            // This attempt was under way when the limit was reached.
            return;
        }
        count.blocked = None;
        count.failures.retain(|then| is_within_a_minute(*then, now));
        count.failures.push(now);
        if count.failures.len() >= most {
            count.failures.clear();
            count.blocked = Some(Blocked {
                since: now,
                told: false,
            });
        }
    }

    /// Whether this is the first refusal since the key was blocked.
    fn is_first_refusal(&mut self, key: &K) -> bool {
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

    /// Removes entries without a recent failure. When that is not enough, also the oldest eighth, so that this is seldom
    /// needed.
    fn make_room(&mut self, now: Instant) {
        self.counts
            .retain(|_, count| is_within_a_minute(count.last, now));
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

/// Counts the refused attempts of a minute. There may be very many, so the table has a constant size, and a few pairs of
/// user and network share each count.
#[derive(Default)]
struct Refusals {
    since: Option<Instant>,
    counts: Vec<u32>,
}

impl Refusals {
    const PLACES: usize = 1024;

    fn count(&self, place: u64, now: Instant) -> u32 {
        match self.since {
            Some(since) if is_within_a_minute(since, now) => {
                self.counts.get(Self::at(place)).copied().unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn add(&mut self, place: u64, now: Instant) {
        if self
            .since
            .is_none_or(|since| !is_within_a_minute(since, now))
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
