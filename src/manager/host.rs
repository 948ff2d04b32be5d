//! What the manager leaves to the process that runs it: reading the configuration, binding addresses and reading keys.
//! These need rights that the process, or its helper, has.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::config::{Address, Config, Daemon, Fault, Tls};
use crate::engine::{Bound, Engine};
use crate::manager::tls::{ServerTls, TlsFaults};

/// A checked configuration, and the certificates that it names.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The TLS configuration of each server that speaks TLS, in the order of the file.
    pub server_tls: Vec<Option<ServerTls>>,
    /// The TLS configuration of each client that speaks TLS, in the order of the file.
    pub client_tls: Vec<Option<Arc<ClientConfig>>>,
}

impl From<Config> for Loaded {
    /// For a configuration without TLS.
    fn from(config: Config) -> Loaded {
        Loaded {
            server_tls: config.servers.iter().map(|_| None).collect(),
            client_tls: config.clients.iter().map(|_| None).collect(),
            config,
        }
    }
}

/// The process that runs the manager. It gets the engine as an argument, because the engine talks to the helper.
pub trait Host {
    /// Reads the configuration again, and the certificates that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn load(&mut self, engine: &mut Engine) -> Result<Loaded, Vec<Fault>>;

    /// Listens on an address of the configuration that was read last.
    ///
    /// # Errors
    /// What the system says.
    fn bind(&mut self, engine: &mut Engine, address: &Address) -> io::Result<Bound>;

    /// Reads the certificate and the key of a server that is started by command.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn server_tls(&mut self, engine: &mut Engine, tls: &Tls) -> Result<ServerTls, TlsFaults>;

    /// Whether a user of the system is in one of these groups.
    fn is_member(&self, user: &str, groups: &[String]) -> bool;

    /// A reload begins.
    fn reloading(&mut self);

    /// A reload is over; `daemon` is the new `[daemon]` table, if it has changed.
    fn reloaded(&mut self, daemon: Option<&Daemon>);
}
