//! The list of users and their passwords.
//!
//! A check takes the same time for every name, known or unknown, so that the time does not tell which names exist. In a
//! list of plain passwords it is a digest and a comparison in constant time, done at once. In a list with any hash, every
//! check computes a hash: for a plain entry or an unknown name that is the costliest hash of the list, and its result is
//! ignored. A hash takes too long for the event loop, so [`Check`] says what to compute elsewhere, and what it means.

use std::collections::HashMap;
use std::fmt;

use ring::hmac;

use crate::auth::secret::StoredPassword;

/// The users of one server.
pub struct UserList {
    entries: HashMap<String, ListedPassword>,
    /// The costliest hash of the list; `None` when all passwords are plain.
    costliest: Option<StoredPassword>,
    key: hmac::Key,
    /// The tag that the password of an unknown name is compared with.
    nobody: hmac::Tag,
}

/// The password of one user.
enum ListedPassword {
    /// The keyed digest of a password. All have the same length, and none tells the password to a reader of the memory.
    Plain(hmac::Tag),
    Hashed(StoredPassword),
}

/// How a name and a password are to be checked.
pub enum Check<'l> {
    /// The check is done: whether they are right.
    Done(bool),
    /// Call [`verify_secret`](super::verify_secret) with this hash, outside the event loop, and
    /// [`HashVerdict::settle`] with its result.
    Hash {
        /// The hash.
        hash: &'l str,
        /// What the result means.
        outcome: HashVerdict,
    },
}

/// What the result of a hash check means for the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashVerdict {
    /// Name and password are right if the hash matches.
    AsVerified,
    /// Nothing: they are right if this is true. The hash was only computed to take the same time.
    Is(bool),
}

impl HashVerdict {
    /// Whether name and password are right. `verified`: whether the hash matches.
    #[must_use]
    pub fn settle(self, verified: bool) -> bool {
        match self {
            HashVerdict::AsVerified => verified,
            HashVerdict::Is(right) => right,
        }
    }
}

impl UserList {
    /// A list of these names and passwords; of a repeated name the last entry counts. `seed` is random and secret.
    pub fn new<'e>(
        seed: &[u8; 32],
        entries: impl IntoIterator<Item = (&'e str, StoredPassword)>,
    ) -> UserList {
        let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let mut list = UserList {
            entries: HashMap::new(),
            costliest: None,
            nobody: hmac::sign(&key, b""),
            key,
        };
        for (name, secret) in entries {
            list.add(name, secret);
        }
        list
    }

    fn add(&mut self, name: &str, secret: StoredPassword) {
        let entry = if secret.is_hash() {
            let work = |secret: &StoredPassword| secret.work();
            if self
                .costliest
                .as_ref()
                .is_none_or(|known| work(known) < work(&secret))
            {
                self.costliest = Some(secret.clone());
            }
            ListedPassword::Hashed(secret)
        } else {
            ListedPassword::Plain(hmac::sign(&self.key, secret.text().as_bytes()))
        };
        self.entries.insert(name.to_owned(), entry);
    }

    /// Whether there is such a user. Not for logins, whose time it would tell: those use [`UserList::check`].
    #[must_use]
    pub fn contains(&self, user: &str) -> bool {
        self.entries.contains_key(user)
    }

    /// How these credentials are to be checked. Takes microseconds.
    #[must_use]
    pub fn check(&self, user: &str, password: &[u8]) -> Check<'_> {
        let entry = self.entries.get(user);
        let tag = match entry {
            Some(ListedPassword::Plain(tag)) => tag,
            _ => &self.nobody,
        };
        // Also for unknown names, to take the same time. The comparison takes constant time.
        let equal = hmac::verify(&self.key, password, tag.as_ref()).is_ok();
        let right = matches!(entry, Some(ListedPassword::Plain(_))) && equal;
        match (entry, &self.costliest) {
            (Some(ListedPassword::Hashed(secret)), _) => Check::Hash {
                hash: secret.text(),
                outcome: HashVerdict::AsVerified,
            },
            (_, Some(costliest)) => Check::Hash {
                hash: costliest.text(),
                outcome: HashVerdict::Is(right),
            },
            (_, None) => Check::Done(right),
        }
    }
}

impl fmt::Debug for UserList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries.keys();
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::verify_secret;
    use crate::auth::unsupported::Unsupported;

    /// crypt("secret", "$6$rounds=1000$saltsalt$")
    const CHEAP: &str = "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/";
    /// The reference implementation's hash of "password".
    const DEAR: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn list(entries: &[(&'static str, &str)]) -> UserList {
        UserList::new(
            &[1; 32],
            entries
                .iter()
                .map(|(name, secret)| (*name, StoredPassword::parse(secret).expect(secret))),
        )
    }

    fn verify(list: &UserList, user: &str, password: &str) -> Result<bool, Unsupported> {
        match list.check(user, password.as_bytes()) {
            Check::Done(right) => Ok(right),
            Check::Hash { hash, outcome } => {
                let verified = verify_secret(hash, password.as_bytes())?;
                Ok(outcome.settle(verified))
            }
        }
    }

    fn hash_of(list: &UserList, user: &str, password: &str) -> (String, HashVerdict) {
        match list.check(user, password.as_bytes()) {
            Check::Hash { hash, outcome } => (hash.to_owned(), outcome),
            Check::Done(right) => panic!("{user} was checked at once: {right}"),
        }
    }

    #[test]
    fn plain_passwords_are_checked_at_once() {
        let users = list(&[("alice", "secret"), ("bob", ""), ("ü", "ß")]);
        for (user, password, right) in [
            ("alice", "secret", true),
            ("alice", "Secret", false),
            ("alice", "secret ", false),
            ("alice", "", false),
            ("bob", "", true),
            ("bob", "x", false),
            ("ü", "ß", true),
            ("carol", "secret", false),
            ("carol", "", false),
            ("", "", false),
            ("Alice", "secret", false),
        ] {
            let done =
                matches!(users.check(user, password.as_bytes()), Check::Done(it) if it == right);
            assert!(done, "{user}:{password}");
            assert_eq!(verify(&users, user, password), Ok(right));
        }
    }

    #[test]
    fn an_empty_list_lets_nobody_in() {
        let users = list(&[]);
        assert_eq!(verify(&users, "", ""), Ok(false));
        assert!(!users.contains(""));
    }

    #[test]
    fn every_check_of_a_list_with_a_hash_is_one_of_a_hash() {
        let users = list(&[("alice", "secret"), ("bob", DEAR), ("carol", CHEAP)]);
        let dear = DEAR.to_owned();
        assert_eq!(
            hash_of(&users, "alice", "secret"),
            (dear.clone(), HashVerdict::Is(true))
        );
        assert_eq!(
            hash_of(&users, "alice", "x"),
            (dear.clone(), HashVerdict::Is(false))
        );
        assert_eq!(
            hash_of(&users, "nobody", "password"),
            (dear.clone(), HashVerdict::Is(false))
        );
        assert_eq!(
            hash_of(&users, "nobody", ""),
            (dear.clone(), HashVerdict::Is(false))
        );
        assert_eq!(hash_of(&users, "bob", "x"), (dear, HashVerdict::AsVerified));
        assert_eq!(
            hash_of(&users, "carol", "x"),
            (CHEAP.to_owned(), HashVerdict::AsVerified)
        );
    }

    #[test]
    fn a_list_with_a_hash_is_verified_all_the_same() {
        let users = list(&[("alice", "secret"), ("bob", DEAR)]);
        for (user, password, right) in [
            ("alice", "secret", true),
            // The right password of the hash that is computed for her.
            ("alice", "password", false),
            ("bob", "password", true),
            ("bob", "secret", false),
            ("bob", DEAR, false),
            ("nobody", "password", false),
        ] {
            assert_eq!(
                verify(&users, user, password),
                Ok(right),
                "{user}:{password}"
            );
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let shown = format!("{:?}", list(&[("alice", "hunter2"), ("bob", DEAR)]));
        assert!(shown.contains("alice") && !shown.contains("hunter2") && !shown.contains("argon"));
    }
}
