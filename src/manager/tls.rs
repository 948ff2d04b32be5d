//! The TLS configuration of servers, and the faults of its files.

use crate::config::Place;

/// The TLS configuration of a server.
pub use crate::certs::ServerTls;

/// Faults of certificates and keys, each with the place of the configuration key that names the file.
pub type TlsFaults = Vec<(Place, String)>;
