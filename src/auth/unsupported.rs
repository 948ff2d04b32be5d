//! Why a hash cannot be checked. A wrong password is another case.

use std::fmt;

/// Why a hash cannot be checked or made on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// There is no libcrypt.
    Library,
    /// The hash is malformed, costs too much, or is of a kind that libcrypt does not know.
    Setting,
    /// There is not enough memory for the hash.
    Memory,
    /// The system gives no random bytes for a salt.
    Randomness,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => {
                "there is no libcrypt.so.1 on this system, which would check this hash"
            }
            Self::Setting => "libcrypt of this system cannot check this hash",
            Self::Memory => "there is not enough memory for the hash",
            Self::Randomness => "the system gives no random bytes",
        })
    }
}

impl std::error::Error for Unsupported {}
