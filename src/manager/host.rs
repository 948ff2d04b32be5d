//! What the manager cannot do itself, for it is no business of this floor: whoever runs it reads the configuration anew,
//! and has the rights, or knows who has, to bind addresses and to read keys.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::config::{Address, Client, Config, Daemon, Fault, Place, Tls};
use crate::engine::{Bound, Engine};

/// Why files of TLS cannot be used: the places of the keys that name them, and what is wrong.
pub type TlsFaults = Vec<(Place, String)>;

/// What a server speaks TLS by.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// For its connections.
    pub config: Arc<ServerConfig>,
    /// Another one when the certificates are others.
    pub digest: u64,
}

/// Whoever runs the manager. The engine is lent, for it is the way to the helper.
pub trait Host {
    /// Reads the configuration anew.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn load(&mut self, engine: &mut Engine) -> Result<Config, Vec<Fault>>;

    /// Listens on an address of the configuration that was read last.
    ///
    /// # Errors
    /// What the system says.
    fn bind(&mut self, engine: &mut Engine, address: &Address) -> io::Result<Bound>;

    /// Reads the certificate and the key of a server.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn server_tls(&mut self, engine: &mut Engine, tls: &Tls) -> Result<ServerTls, TlsFaults>;

    /// Reads what a client speaks TLS by; nothing for one that does not.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn client_tls(
        &mut self,
        engine: &mut Engine,
        client: &Client,
    ) -> Result<Option<Arc<ClientConfig>>, TlsFaults>;

    /// A reload begins.
    fn reloading(&mut self);

    /// A reload is over; with what the configuration says of the daemon, if it is another one now.
    fn reloaded(&mut self, daemon: Option<&Daemon>);
}

/// Binds an address with the rights of this process.
///
/// # Errors
/// What the system says.
pub fn bind(address: &Address) -> io::Result<Bound> {
    match address {
        Address::Tcp(address) => Bound::tcp(*address),
        Address::Unix(path) => Bound::unix(path),
    }
}

/// Faults of TLS in one line.
pub(super) struct Joined<'f>(pub &'f TlsFaults);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (_, what)) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{what}")?;
        }
        Ok(())
    }
}
