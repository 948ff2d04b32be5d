//! Servers, clients, triggers and scripts: what commands and reloads act on.

use std::time::Instant;

use crate::config;
use crate::conn::event::ExchangeId;
use crate::engine::{Engine, OwnerId};
use crate::rpc;

use super::client::Clients;
use super::context::Context;
use super::scripts::Scripts;
use super::server::Servers;
use super::trigger::rules::AllRules;

/// A command can send messages of at least this many bytes, whatever the limits of the servers are.
const MIN_MESSAGE: usize = 1024 * 1024;

/// Servers, clients and scripts, and what they share.
#[derive(Debug)]
pub(super) struct State {
    pub servers: Servers,
    pub clients: Clients,
    pub rules: AllRules,
    pub scripts: Scripts,
    pub context: Context,
    /// The `[daemon]` table of the configuration.
    pub daemon: config::Daemon,
    pub born: Instant,
    /// The daemon stops: commands are refused.
    pub stopping: bool,
}

impl State {
    /// Nothing runs yet.
    pub(super) fn new(engine: &Engine, daemon: config::Daemon) -> State {
        let context = Context::new(engine.memory());
        State {
            servers: Servers::default(),
            clients: Clients::default(),
            rules: AllRules::new(context.triggers.memory()),
            scripts: Scripts::default(),
            context,
            daemon,
            born: Instant::now(),
            stopping: false,
        }
    }

    /// The longest line of a command in bytes: it can hold the longest message that any server takes.
    pub(super) fn max_line(&self) -> usize {
        rpc::max_line(self.servers.longest_message().max(MIN_MESSAGE))
    }

    /// Whether a server or a client has this id.
    pub(super) fn is_known(&self, id: &str) -> bool {
        self.servers.find(id).is_some() || self.clients.find(id).is_some()
    }

    /// The servers and clients: the owners of connections, with their ids.
    pub(super) fn owners(&self) -> impl Iterator<Item = (OwnerId, &str)> {
        self.servers.owners().chain(self.clients.owners())
    }

    /// The peer of a request has left: the script or command that was to answer it is released.
    pub(super) fn on_left(&mut self, engine: &mut Engine, exchange: ExchangeId) {
        if self.scripts.on_left(engine, exchange) {
            engine.with_exchange(exchange, |ops| {
                ops.abort();
            });
        }
    }
}
