//! Floor 2: checks of user names and passwords.
//!
//! A list of users with plain or hashed passwords, a memory of recent logins, and a limit on failed ones. Accounts of the
//! system are checked elsewhere, by the helper. Only [`verify_secret`] and [`hash_password`] take long.
//!
//! A login calls these in this order: [`Throttle::check`]; [`RecentLogins::holds`], which may make the rest needless; then
//! the list or the system; then [`Throttle::succeeded`] and [`RecentLogins::add`], or [`Throttle::failed`].

mod argon;
mod crypt;
mod recent_logins;
mod secret;
mod throttle;
mod unsupported;
mod users;

pub use recent_logins::{LoginKey, RecentLogins};
pub use secret::{StoredPassword, verify_secret};
pub use throttle::{ClientNetwork, Throttle, Throttled, UserThrottle};
pub use unsupported::Unsupported;
pub use users::{Check, HashVerdict, UserList};

use ring::rand::{SecureRandom, SystemRandom};

/// Hashes a password with argon2id and a new salt, for a user list. Takes about 50 ms and 19 MiB.
///
/// # Errors
/// The system has no random bytes, or not enough memory.
pub fn hash_password(password: &[u8]) -> Result<String, Unsupported> {
    let salt = random().ok_or(Unsupported::Randomness)?;
    argon::hash(password, &salt)
}

/// Random bytes, such as the keys of [`UserList`], [`RecentLogins`] and [`Throttle`]; `None` when the system has none.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
