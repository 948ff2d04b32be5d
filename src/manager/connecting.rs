//! What the manager does for its clients with the whole engine at hand: connects them, closes them, and sends by them.

use std::net::SocketAddr;

use crate::config::{self, Id};
use crate::conn::event::ConnId;
use crate::engine::{Dialled, Engine, OwnerId, Speaks};
use crate::proto::http::url::Host;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;

use super::backoff::Cause;
use super::client::Client;
use super::clients::{Defined, NotConnected};
use super::standing::{Halt, Phase};
use super::{Manager, Source};
use crate::rpc::{ClientStatus, Reloaded};

impl Manager {
    /// A client more. It begins to connect with the next [`Manager::work`], when it is active.
    pub fn add_client(&mut self, engine: &mut Engine, defined: Defined) {
        // The limit is of what a server accepts.
        let owner = engine.add_owner(defined.0.id.as_str(), usize::MAX, Speaks::Http);
        let rules = self.rules.of(&defined.0.id);
        let at = self.clients.insert(defined, owner, engine.now());
        if let Some(client) = self.clients.get_mut(at) {
            client.set_rules(rules);
        }
        self.place(owner, Source::Client(at));
    }

    /// The daemon is going: no client connects any more. Those that are connected are closed with all the rest.
    pub fn stop_clients(&mut self, engine: &mut Engine) {
        self.stopping = true;
        for at in self.clients.places() {
            let Some(client) = self.clients.get_mut(at) else {
                continue;
            };
            client.want(false);
            if client.open_connection().is_none() {
                self.halt_client(engine, at);
            }
        }
    }

    /// The place of the client of that id, in any case of letters.
    #[must_use]
    pub fn find_client(&self, id: &str) -> Option<usize> {
        self.clients.find(id)
    }

    /// How the client at this place is connected.
    #[must_use]
    pub fn client_status(&self, at: usize) -> Option<ClientStatus> {
        Some(self.clients.get(at)?.status())
    }

    /// The connection of the client at this place, when it is open.
    pub(super) fn connection_of(&self, at: usize) -> Option<ConnId> {
        self.clients.get(at)?.open_connection()
    }

    /// The id of the client at this place.
    pub(super) fn id_of_client(&self, at: usize) -> Option<&str> {
        Some(&self.clients.get(at)?.id)
    }

    /// The id of the client that the engine knows by this number.
    #[must_use]
    pub fn client_of(&self, owner: OwnerId) -> Option<&str> {
        self.clients.id_of(owner)
    }

    /// How each client is connected, in the order of the file.
    #[must_use]
    pub fn clients_status(&self) -> Vec<ClientStatus> {
        self.clients.status()
    }

    /// `client.connect`: the client at this place is to be connected from now on, and tries at once when it is not.
    pub fn connect_client(&mut self, engine: &mut Engine, at: usize) {
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        client.want(true);
        self.start_client(engine, at);
    }

    /// `client.disconnect`: it is not to be connected any more.
    pub fn disconnect_client(&mut self, engine: &mut Engine, at: usize) {
        if let Some(client) = self.clients.get_mut(at) {
            client.want(false);
            self.halt_client(engine, at);
        }
    }

    /// Sends a message by a client; how many connections it was sent to: none when it is kept for later, or when the
    /// peer is too slow.
    ///
    /// This is the only way to a client's peer from outside of its events: frames that are shared between receivers are
    /// those of a server, without a mask (RFC 6455 §5.1).
    ///
    /// # Errors
    /// There is no connection, and nothing is kept.
    pub fn send_to_client(
        &mut self,
        engine: &mut Engine,
        at: usize,
        kind: Kind,
        data: &[u8],
    ) -> Result<u64, NotConnected> {
        let client = self.clients.get_mut(at).ok_or(NotConnected)?;
        if let Some(conn) = client.open_connection() {
            return Ok(u64::from(engine.send(conn, kind, data)));
        }
        let kept = client.keep(&mut self.desk, engine.now(), kind, data);
        self.clients.note(at);
        if kept { Ok(0) } else { Err(NotConnected) }
    }

    /// What [`Manager::reload_clients`] would do.
    #[must_use]
    pub fn compare_clients(&self, defined: &[config::Client]) -> Reloaded {
        self.clients.compare(defined)
    }

    /// From now on these are the clients. An unchanged one keeps its connection, and stays as commands left it; so does one
    /// of which nothing has changed that the server was told.
    pub fn reload_clients(&mut self, engine: &mut Engine, defined: Vec<Defined>) -> Reloaded {
        let confs: Vec<config::Client> = defined.iter().map(|(conf, _)| conf.clone()).collect();
        let told = self.clients.compare(&confs);
        let ids: Vec<Id> = confs.into_iter().map(|conf| conf.id).collect();
        for at in self.clients.left_out(&ids) {
            self.remove_client(engine, at);
        }
        for (conf, tls) in defined {
            match self.clients.find(conf.id.as_str()) {
                Some(at) => self.redefine_client(engine, at, (conf, tls)),
                None => self.add_client(engine, (conf, tls)),
            }
        }
        self.clients.sort(&ids);
        told
    }

    fn remove_client(&mut self, engine: &mut Engine, at: usize) {
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        client.want(false);
        client.give_up_outbox(&mut self.desk);
        client.leaving = true;
        self.halt_client(engine, at);
        if self.clients.get(at).map(Client::phase) == Some(Phase::Idle) {
            self.forget_client(engine, at);
        }
    }

    fn forget_client(&mut self, engine: &mut Engine, at: usize) {
        if let Some(owner) = self.clients.remove(at) {
            engine.retire_owner(owner);
        }
    }

    fn redefine_client(&mut self, engine: &mut Engine, at: usize, (conf, tls): Defined) {
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        let changed = *client.conf != conf;
        let moves = !asks_the_same(&client.conf, &conf);
        client.redefine(&mut self.desk, conf, tls);
        let wanted = client.is_wanted();
        if changed {
            client.want(wanted);
            if moves || !wanted {
                self.halt_client(engine, at);
            }
            if wanted {
                self.start_client(engine, at);
            }
        }
        self.clients.note(at);
    }

    /// Begins an attempt, unless there is one, or a connection.
    fn start_client(&mut self, engine: &mut Engine, at: usize) {
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        if !client.starts() {
            return;
        }
        let [a, b, c, d, ..] = engine.random();
        let luck = u32::from_ne_bytes([a, b, c, d]);
        match &client.conf.host {
            Host::Ip(address) => {
                let dial = engine.dial(vec![SocketAddr::new(*address, client.conf.port)]);
                client.begun(Phase::Dialling(dial), luck);
            }
            Host::Name(name) => {
                let (name, port) = (name.clone(), client.conf.port);
                let number = self.clients.ask();
                engine.resolve(number, &name, port);
                if let Some(client) = self.clients.get_mut(at) {
                    client.begun(Phase::Resolving(number), luck);
                }
            }
        }
    }

    fn halt_client(&mut self, engine: &mut Engine, at: usize) {
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        match client.halt() {
            Halt::Nothing => {}
            Halt::Cancel(dial) => engine.cancel_dial(dial),
            Halt::Abort(conn) => {
                engine.with(conn, |ops| {
                    ops.abort();
                });
            }
            Halt::Close(conn) => {
                engine.close(conn, CloseCode::NORMAL, "");
            }
        }
    }

    /// The addresses of a host were found, or not.
    pub(super) fn on_resolved(
        &mut self,
        engine: &mut Engine,
        number: u64,
        result: std::io::Result<Vec<SocketAddr>>,
    ) {
        let Some(at) = self.clients.resolving(number) else {
            return;
        };
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        match result {
            Ok(addresses) => client.dials(engine.dial(addresses)),
            Err(error) => {
                let reason = format!("{} cannot be resolved: {error}", client.conf.host);
                self.client_failed(engine, at, Cause::Passing, &reason);
            }
        }
    }

    /// A host is connected to, or not.
    pub(super) fn on_dialled(&mut self, engine: &mut Engine, dialled: Dialled) {
        let Some(at) = self.clients.dialling(dialled.id) else {
            return;
        };
        let nonce = engine.random();
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        let owner = client.owner;
        let stream = match dialled.result {
            Ok(stream) => stream,
            Err(error) => {
                let reason = format!("cannot connect: {error}");
                return self.client_failed(engine, at, Cause::Passing, &reason);
            }
        };
        let approach = match client.approach(nonce) {
            Ok(approach) => approach,
            Err(reason) => return self.client_failed(engine, at, Cause::Lasting, &reason),
        };
        let adopted = approach.lend(owner, |outgoing| engine.adopt(stream, outgoing));
        match adopted {
            Ok(conn) => {
                if let Some(client) = self.clients.get_mut(at) {
                    client.named(conn);
                }
            }
            Err(error) => {
                let reason = format!("the connection cannot begin: {error}");
                self.client_failed(engine, at, Cause::Passing, &reason);
            }
        }
    }

    fn client_failed(&mut self, engine: &Engine, at: usize, cause: Cause, reason: &str) {
        if let Some(client) = self.clients.get_mut(at) {
            client.failed(&mut self.desk, engine.now(), cause, reason);
            self.clients.note(at);
        }
    }

    /// Does what is due of clients.
    pub(super) fn on_clients_due(&mut self, engine: &mut Engine) {
        let now = engine.now();
        for at in self.clients.take_due(now) {
            let Some(client) = self.clients.get_mut(at) else {
                continue;
            };
            client.expire(&mut self.desk, now);
            match client.phase() {
                Phase::Waiting(due) if due.is_due(now) => {
                    if client.leaving {
                        self.forget_client(engine, at);
                    } else {
                        self.start_client(engine, at);
                    }
                }
                _ => {}
            }
            self.clients.note(at);
        }
    }
}

/// Whether two definitions come to the same connection: what differs is done here, or with the next one.
fn asks_the_same(a: &config::Client, b: &config::Client) -> bool {
    let endpoint = |it: &config::Client| (it.host.clone(), it.port, it.tls);
    endpoint(a) == endpoint(b)
        && a.parameters == b.parameters
        && a.basic == b.basic
        && a.headers == b.headers
        && a.subprotocols == b.subprotocols
        && a.trust == b.trust
}
