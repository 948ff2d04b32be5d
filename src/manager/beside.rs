//! Clients and triggers, as commands and reloads reach them.

use crate::config::Config;
use crate::engine::Engine;
use crate::proto::ws::frame::Kind;

use super::Manager;
use super::rpc::{ClientStatus, Error, Receivers, Reloaded, Respond};

impl Manager {
    /// All clients, in the order of the file.
    pub(super) fn client_statuses(&self) -> Vec<ClientStatus> {
        Vec::new()
    }

    /// `client.connect`
    pub(super) fn connect_client(
        &mut self,
        _engine: &mut Engine,
        id: &str,
    ) -> Result<ClientStatus, Error> {
        Err(Error::no_such_client(id))
    }

    /// `client.disconnect`
    pub(super) fn disconnect_client(
        &mut self,
        _engine: &mut Engine,
        id: &str,
    ) -> Result<ClientStatus, Error> {
        Err(Error::no_such_client(id))
    }

    /// `send` to what is no server; how many connections it reached.
    pub(super) fn send_by_client(
        &mut self,
        _engine: &mut Engine,
        id: &str,
        _kind: Kind,
        _data: &[u8],
        _receivers: &Receivers,
    ) -> Result<u64, Error> {
        Err(Error::no_such_id(id))
    }

    /// `respond`
    pub(super) fn respond(&mut self, _engine: &mut Engine, respond: &Respond) -> Result<(), Error> {
        Err(Error::no_such_request(respond.request))
    }

    /// What becomes of clients and triggers by another configuration.
    pub(super) fn compare_others(&self, _config: &Config) -> Reloaded {
        Reloaded::default()
    }
}
