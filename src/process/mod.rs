//! What every process of bellwire needs, the daemon as well as its helper: an identity, privileges to give up, logging,
//! output, randomness, exit statuses.

pub(crate) mod exit;
pub(crate) mod identity;
pub(crate) mod logging;
pub(crate) mod output;
pub(crate) mod privileges;
pub(crate) mod random;

pub use exit::Exit;
