//! Why a hash cannot be checked, which is not the same as a wrong password.

use std::fmt;

/// Why a hash cannot be checked, or made, on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// There is no libcrypt.
    Library,
    /// The hash is malformed, costs too much, or is of a kind that libcrypt does not know.
    Setting,
    /// There is not the memory that the hash asks for.
    Memory,
    /// The system gives no random bytes for a salt.
    Randomness,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "there is no libcrypt.so.1 on this system, which checks such a hash",
            Self::Setting => "the hash is none that libcrypt of this system can check",
            Self::Memory => "there is not the memory that the hash asks for",
            Self::Randomness => "the system gives no random bytes",
        })
    }
}

impl std::error::Error for Unsupported {}
