//! The passwords of a user list: plain or hashed.

use std::fmt;

use zeroize::Zeroizing;

use crate::auth::argon::{self, Argon};
use crate::auth::crypt::{self, Crypt};
use crate::auth::unsupported::Unsupported;

/// A password or its hash. Never shown, and wiped when it is dropped.
#[derive(Clone)]
pub struct StoredPassword {
    text: Zeroizing<String>,
    kind: PasswordKind,
}

/// The kind of a stored password; of a hash, also about how long a check takes, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PasswordKind {
    Plain,
    Argon2id(u64),
    Crypt(u64),
}

impl StoredPassword {
    /// Reads a stored password. Text that begins with `$`, a short word and `$` is a hash, and must be well-formed.
    ///
    /// # Errors
    /// What is wrong with the hash, and what is allowed. The text does not contain the hash.
    pub fn parse(text: &str) -> Result<StoredPassword, String> {
        let kind = if text.starts_with(argon::PREFIX) {
            PasswordKind::Argon2id(Argon::parse(text)?.work())
        } else if looks_hashed(text) {
            PasswordKind::Crypt(Crypt::parse(text)?.work())
        } else {
            PasswordKind::Plain
        };
        Ok(StoredPassword {
            text: Zeroizing::new(text.to_owned()),
            kind,
        })
    }

    /// Whether it is a hash. A check of one takes too long for the event loop.
    #[must_use]
    pub fn is_hash(&self) -> bool {
        self.kind != PasswordKind::Plain
    }

    /// About how long a check of the hash takes on an ordinary machine, in microseconds; 0 for a plain password. Hashes of
    /// the same kind and cost have the same.
    #[must_use]
    pub fn work(&self) -> u64 {
        match self.kind {
            PasswordKind::Plain => 0,
            PasswordKind::Argon2id(work) | PasswordKind::Crypt(work) => work,
        }
    }

    /// Whether this system can check it. Does not compute a hash.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn supported(&self) -> Result<(), Unsupported> {
        match self.kind {
            PasswordKind::Crypt(_) => crypt::supported(&self.text),
            PasswordKind::Plain | PasswordKind::Argon2id(_) => Ok(()),
        }
    }

    /// The text it was read from.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Whether it begins with `$` method `$`. A plain password that begins so cannot be stored; its hash can.
fn looks_hashed(text: &str) -> bool {
    let method = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    method.is_some_and(|(method, _)| {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=16).contains(&method.len()) && method.bytes().all(of_name)
    })
}

/// Whether `password` is the one that was hashed. Takes as long as the hash demands, up to a few seconds and 256 MiB: too
/// long for the event loop.
///
/// # Errors
/// The hash cannot be checked; for example, it is not a hash.
pub fn verify_secret(hash: &str, password: &[u8]) -> Result<bool, Unsupported> {
    if hash.starts_with(argon::PREFIX) {
        let argon = Argon::parse(hash).map_err(|_| Unsupported::Setting)?;
        return argon.verify(password);
    }
    Crypt::parse(hash).map_err(|_| Unsupported::Setting)?;
    crypt::verify(hash, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_hash() {
        for plain in [
            "",
            "secret",
            "$",
            "$$",
            "$ecret",
            "a$6$b",
            "$a b$c",
            "$überlang$x",
        ] {
            assert!(
                !StoredPassword::parse(plain).expect(plain).is_hash(),
                "{plain}"
            );
        }
        for unknown in [
            "$1$salt$hash",
            "$ecret$",
            "$apr1$a$b",
            "$argon2i$v=19$m=8,t=1,p=1$a$b",
        ] {
            let what = StoredPassword::parse(unknown).expect_err(unknown);
            assert!(what.contains("kind that is not known"), "{what}");
            assert!(!what.contains(unknown));
            assert_eq!(verify_secret(unknown, b""), Err(Unsupported::Setting));
        }
    }

    #[test]
    fn a_plain_secret_is_no_hash_to_verify_by() {
        assert_eq!(
            verify_secret("secret", b"secret"),
            Err(Unsupported::Setting)
        );
        assert_eq!(verify_secret("", b""), Err(Unsupported::Setting));
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = StoredPassword::parse("hunter2").expect("plain");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
