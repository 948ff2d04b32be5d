//! A short memory of successful logins, so that a page with fifty files costs one slow hash.
//!
//! It keeps keyed digests of logins in a table of constant size. Names and passwords cannot be read from a digest, and
//! nobody can choose its place in the table, to push out the entry of somebody else. A login has a `generation`: a new one
//! makes older logins invalid, for example when the list of users is read again.
//!
//! Times are [`Instant`]s, not ticks: ticks wrap after 49 days, and an entry may be older.

use std::time::{Duration, Instant};

use ring::hmac;

/// Entries in all.
const CAPACITY: usize = 1024;

/// Entries of one set. A new entry replaces the oldest of its set.
const WAYS: usize = 8;

/// A login. It is the same as an earlier one if all of this is equal.
#[derive(Clone, Copy)]
pub struct LoginKey<'l> {
    /// The owner of the list of users, such as the number of a server.
    pub owner: u64,
    /// The connection, when it is remembered for that alone; otherwise 0.
    pub connection: u64,
    /// Changes whenever the list of users is read again.
    pub generation: u64,
    /// The name.
    pub user: &'l str,
    /// The password.
    pub password: &'l [u8],
}

/// The memory of successful logins.
pub struct RecentLogins {
    key: hmac::Key,
    life: Duration,
    /// Empty until the first login.
    entries: Vec<Option<RememberedLogin>>,
}

#[derive(Clone, Copy)]
struct RememberedLogin {
    digest: [u8; 32],
    at: Instant,
}

impl RecentLogins {
    /// An empty memory. `seed` is random and secret; `life` is how long a login is remembered, for example a minute.
    #[must_use]
    pub fn new(seed: &[u8; 32], life: Duration) -> RecentLogins {
        RecentLogins {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            life,
            entries: Vec::new(),
        }
    }

    /// Whether exactly this login succeeded within the last `life`.
    #[must_use]
    pub fn holds(&self, login: &LoginKey<'_>, now: Instant) -> bool {
        let digest = self.digest(login);
        let known = |entry: &&RememberedLogin| entry.digest == digest && self.is_fresh(entry, now);
        self.ways(&digest).flatten().any(|entry| known(&entry))
    }

    /// Remembers a login that succeeded just now.
    pub fn add(&mut self, login: &LoginKey<'_>, now: Instant) {
        let digest = self.digest(login);
        if self.entries.is_empty() {
            self.entries = vec![None; CAPACITY];
        }
        let first = first_way(&digest);
        let ways = &mut self.entries[first..first + WAYS];
        // Replace the same login, else take a free entry, else replace the oldest.
        let rank = |entry: &Option<RememberedLogin>| match entry {
            Some(entry) if entry.digest == digest => (0, None),
            None => (1, None),
            Some(entry) => (2, Some(entry.at)),
        };
        if let Some(entry) = ways.iter_mut().min_by_key(|entry| rank(entry)) {
            *entry = Some(RememberedLogin { digest, at: now });
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn is_fresh(&self, entry: &RememberedLogin, now: Instant) -> bool {
        now.saturating_duration_since(entry.at) < self.life
    }

    fn ways(&self, digest: &[u8; 32]) -> impl Iterator<Item = &Option<RememberedLogin>> {
        self.entries.iter().skip(first_way(digest)).take(WAYS)
    }

    /// HMAC-SHA256 (RFC 2104) over the parts, each with its length before it. Digests need no comparison in constant time:
    /// the time tells nothing to those who do not know the key.
    fn digest(&self, login: &LoginKey<'_>) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&login.owner.to_be_bytes());
        context.update(&login.connection.to_be_bytes());
        context.update(&login.generation.to_be_bytes());
        for part in [login.user.as_bytes(), login.password] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

fn first_way(digest: &[u8; 32]) -> usize {
    let [high, low, ..] = *digest;
    usize::from(u16::from_be_bytes([high, low])) % (CAPACITY / WAYS) * WAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    fn login<'l>(user: &'l str, password: &'l str) -> LoginKey<'l> {
        LoginKey {
            owner: 1,
            connection: 0,
            generation: 1,
            user,
            password: password.as_bytes(),
        }
    }

    #[test]
    fn exactly_this_login_for_a_while() {
        let mut memory = RecentLogins::new(&[1; 32], LIFE);
        let now = Instant::now();
        let alice = login("alice", "secret");
        assert!(!memory.holds(&alice, now));
        memory.add(&alice, now);
        assert!(memory.holds(&alice, now));
        assert!(memory.holds(&alice, now + LIFE - Duration::from_millis(1)));
        assert!(!memory.holds(&alice, now + LIFE));
        assert!(!memory.holds(&alice, now + 1000 * LIFE));
        for other in [
            login("alice", "secret2"),
            login("alic", "esecret"),
            login("bob", "secret"),
            LoginKey { owner: 2, ..alice },
            LoginKey {
                connection: 1,
                ..alice
            },
            LoginKey {
                generation: 2,
                ..alice
            },
        ] {
            assert!(!memory.holds(&other, now));
        }
        memory.clear();
        assert!(!memory.holds(&alice, now));
    }

    #[test]
    fn a_success_again_counts_from_then() {
        let mut memory = RecentLogins::new(&[1; 32], LIFE);
        let now = Instant::now();
        let alice = login("alice", "secret");
        memory.add(&alice, now);
        memory.add(&alice, now + LIFE / 2);
        assert!(memory.holds(&alice, now + LIFE));
        assert_eq!(memory.entries.iter().flatten().count(), 1);
    }

    #[test]
    fn the_oldest_gives_way_and_the_size_stays() {
        let mut memory = RecentLogins::new(&[1; 32], LIFE);
        let now = Instant::now();
        for count in 0..10_000u32 {
            let at = now + Duration::from_micros(count.into());
            memory.add(&login(&count.to_string(), "p"), at);
        }
        assert_eq!(memory.entries.len(), CAPACITY);
        let held = |range: std::ops::Range<u32>| {
            range
                .filter(|count| memory.holds(&login(&count.to_string(), "p"), now))
                .count()
        };
        assert!(held(0..10_000) > CAPACITY / 2);
        assert_eq!(held(9_990..10_000), 10);
        assert_eq!(held(0..5_000), 0);
    }
}
