//! The TLS layers of both sides, with a certificate for localhost that the client trusts.

use bellwire::conn::tls::Tls;
use rustls::version::TLS13;

use crate::authority::Authority;

/// A client that expects the server to have this name, and a server that is localhost.
pub(crate) fn pair(name: &'static str) -> (Tls, Tls) {
    let authority = Authority::new();
    let name = name.try_into().unwrap();
    (
        Tls::client(&authority.client(&TLS13), name).unwrap(),
        Tls::server(&authority.server(&["localhost"])).unwrap(),
    )
}
