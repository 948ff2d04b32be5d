//! What servers speak TLS by, and why it cannot be had.

use crate::config::Place;

/// What a server speaks TLS by.
pub use crate::certs::ServerTls;

/// Why files of TLS cannot be used: the places of the keys that name them, and what is wrong.
pub type TlsFaults = Vec<(Place, String)>;
