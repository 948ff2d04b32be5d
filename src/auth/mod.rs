//! Floor 2: who may enter.
//!
//! A list of users with plain or hashed passwords, what is remembered of logins that succeeded, and how often one may
//! fail. What is asked of the system's accounts is not here, and nothing here waits but [`verify_secret`] and what says
//! that it calls it.
//!
//! A login goes through these in this order: [`Throttle::check`], then [`RecentLogins::holds`], which may spare the rest;
//! then the list or the system; then [`Throttle::succeeded`] and [`RecentLogins::add`], or [`Throttle::failed`].
//!
//! Left to right: unsupported, argon and crypt, secret, users, remember, throttle.

mod argon;
mod crypt;
mod recent_logins;
mod secret;
mod throttle;
mod unsupported;
mod users;

pub use recent_logins::{LoginKey, RecentLogins};
pub use secret::{StoredPassword, verify_secret};
pub use throttle::{ClientNetwork, Throttle, Throttled};
pub use unsupported::Unsupported;
pub use users::{Check, HashVerdict, UserList};

use ring::rand::{SecureRandom, SystemRandom};

/// Hashes a password with argon2id and a salt of its own, for a user list. Takes some 50 ms and 19 MiB.
///
/// # Errors
/// The system has no randomness, or not the memory.
pub fn hash_password(password: &[u8]) -> Result<String, Unsupported> {
    let salt = random().ok_or(Unsupported::Randomness)?;
    argon::hash(password, &salt)
}

/// Random bytes, as [`UserList`], [`RecentLogins`] and [`Throttle`] need for their keys; none when the system has no randomness.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
