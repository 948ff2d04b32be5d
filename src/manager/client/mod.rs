//! All clients: connects them, closes them, replaces their definitions, and sends their messages.

mod handshake_request;
mod list;
mod machine;
mod offline_queue;
mod state;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::config::{self, Id};
use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, Event};
use crate::engine::{Dialled, Engine, Ops, OwnerId, RateLimit, Speaks};
use crate::proto::http::url::Host;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;
use crate::rpc::{self, ClientStatus, Reloaded};

use super::context::Context;
use super::owner_map::OwnerMap;
use super::trigger::rules::AllRules;

use list::ClientList;
use machine::Client;
use state::{Halt, Phase};

/// The definition of a client, and its TLS configuration if it speaks TLS.
pub(super) type Defined = (config::Client, Option<Arc<ClientConfig>>);

/// The error of a message to a client that is not connected and keeps no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotConnected;

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    list: ClientList,
    /// Their places in the list.
    by_owner: OwnerMap<usize>,
    /// The number of the last look-up of a host name.
    last_lookup: u64,
    /// Limits the warnings about messages for clients that are not connected.
    unsent: RateLimit,
}

impl Clients {
    /// The daemon stops: clients no longer connect. Those that are connected are closed with all other connections.
    pub(super) fn stop(&mut self, engine: &mut Engine) {
        for at in self.list.places() {
            let Some(client) = self.list.get_mut(at) else {
                continue;
            };
            client.want(false);
            if client.open_connection().is_none() {
                self.halt(engine, at);
            }
        }
    }

    /// The place of the client of that id, in any case of letters.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.list.find(id)
    }

    /// The place of the client of this id, or the error of a command that names none.
    pub(super) fn named(&self, id: &str) -> Result<usize, rpc::Error> {
        self.find(id).ok_or_else(|| rpc::Error::no_such_client(id))
    }

    /// The status of each client, in the order of the file.
    pub(super) fn status(&self) -> Vec<ClientStatus> {
        self.list
            .iter()
            .map(|(_, client)| client.status())
            .collect()
    }

    /// The status of the client at this place.
    pub(super) fn status_of(&self, at: usize) -> Option<ClientStatus> {
        self.list.get(at).map(Client::status)
    }

    /// The connection of the client at this place, when it is open.
    pub(super) fn open_connection(&self, at: usize) -> Option<ConnId> {
        self.list.get(at)?.open_connection()
    }

    /// The numbers by which the engine knows the clients, and their ids.
    pub(super) fn owners(&self) -> impl Iterator<Item = (OwnerId, &str)> {
        let clients = self.list.iter();
        clients.map(|(_, client)| (client.owner, &*client.source.id))
    }

    /// Sets the triggers of all clients.
    pub(super) fn set_rules(&mut self, rules: &AllRules) {
        for at in self.list.places() {
            if let Some(client) = self.list.get_mut(at) {
                let rules = rules.of(&client.conf.id);
                client.set_rules(rules);
            }
        }
    }

    /// `client.connect`: the client is to be connected from now on, and tries at once when it is not.
    pub(super) fn connect(&mut self, engine: &mut Engine, at: usize) {
        if let Some(client) = self.list.get_mut(at) {
            client.want(true);
            self.start(engine, at);
        }
    }

    /// `client.disconnect`: it is not to be connected any more.
    pub(super) fn disconnect(&mut self, engine: &mut Engine, at: usize) {
        if let Some(client) = self.list.get_mut(at) {
            client.want(false);
            self.halt(engine, at);
        }
    }

    /// Sends a message to the peer of a client, or keeps it until the client is connected. Returns the number of
    /// connections that it was sent to: 0 when it is kept, or when the peer is too slow.
    ///
    /// # Errors
    /// There is no connection, and nothing is kept.
    pub(super) fn send(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        at: usize,
        kind: Kind,
        data: &[u8],
    ) -> Result<u64, NotConnected> {
        let client = self.list.get_mut(at).ok_or(NotConnected)?;
        if let Some(conn) = client.open_connection() {
            return Ok(u64::from(engine.send(conn, kind, data)));
        }
        let kept = client.keep(context, engine.now(), kind, data);
        self.list.note_deadline(at);
        if kept { Ok(0) } else { Err(NotConnected) }
    }

    /// Forwards a message to the peer of a client. A message that finds no connection, and is not kept, is published as
    /// dropped.
    pub(super) fn forward(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        id: &Id,
        kind: Kind,
        data: &[u8],
    ) {
        let Some(at) = self.find(id.as_str()) else {
            return;
        };
        if self.send(engine, context, at, kind, data).is_err() {
            let source = self.list.get(at).map(|client| &client.source.id);
            context.dropped += 1;
            context.subscribers.publish_dropped(source, 1, None);
            self.unsent.warn(format_args!(
                "{id}: a message is dropped, for the client is not connected; to keep messages, set outbox"
            ));
        }
    }

    /// The difference that [`Clients::replace`] would make.
    pub(super) fn compare(&self, defined: &[config::Client]) -> Reloaded {
        self.list.compare(defined)
    }

    /// Replaces all definitions. A client whose definition has not changed stays as commands have left it. Another one
    /// keeps its connection when nothing of its handshake has changed.
    pub(super) fn replace(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        defined: Vec<Defined>,
    ) {
        let ids: Vec<Id> = defined.iter().map(|(conf, _)| conf.id.clone()).collect();
        for at in self.list.left_out(&ids) {
            self.remove(engine, context, at);
        }
        for (conf, tls) in defined {
            match self.find(conf.id.as_str()) {
                Some(at) => self.redefine(engine, context, at, (conf, tls)),
                None => self.add(engine, (conf, tls)),
            }
        }
        self.list.sort(&ids);
    }

    /// Adds a client. If it is active, it begins to connect in the next [`Clients::on_due`].
    fn add(&mut self, engine: &mut Engine, (conf, tls): Defined) {
        // `max_connections` limits what a server accepts.
        let owner = engine.add_owner(conf.id.as_str(), usize::MAX, Speaks::Http);
        let at = self
            .list
            .insert(Client::new(conf, tls, owner, engine.now()));
        self.by_owner.insert(owner, at);
    }

    fn remove(&mut self, engine: &mut Engine, context: &mut Context, at: usize) {
        let Some(client) = self.list.get_mut(at) else {
            return;
        };
        client.want(false);
        client.drop_kept(context);
        client.leaving = true;
        self.halt(engine, at);
        if self.list.get(at).map(Client::phase) == Some(Phase::Idle) {
            self.forget(engine, at);
        }
    }

    fn forget(&mut self, engine: &mut Engine, at: usize) {
        if let Some(owner) = self.list.remove(at) {
            engine.retire_owner(owner);
        }
    }

    fn redefine(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        at: usize,
        (conf, tls): Defined,
    ) {
        let Some(client) = self.list.get_mut(at) else {
            return;
        };
        let changed = *client.conf != conf;
        let moves = !has_same_handshake(&client.conf, &conf);
        client.redefine(context, conf, tls);
        let wanted = client.is_wanted();
        if changed {
            client.want(wanted);
            if moves || !wanted {
                self.halt(engine, at);
            }
            if wanted {
                self.start(engine, at);
            }
        }
        self.list.note_deadline(at);
    }

    /// Begins an attempt, unless there is one, or a connection.
    fn start(&mut self, engine: &mut Engine, at: usize) {
        let Some(client) = self.list.get_mut(at) else {
            return;
        };
        if !client.starts() {
            return;
        }
        let [a, b, c, d, ..] = engine.random();
        let jitter = u32::from_ne_bytes([a, b, c, d]);
        let phase = match &client.conf.host {
            Host::Ip(address) => {
                let address = SocketAddr::new(*address, client.conf.port);
                Phase::Dialling(engine.dial(vec![address]))
            }
            Host::Name(name) => {
                self.last_lookup += 1;
                engine.resolve(self.last_lookup, name, client.conf.port);
                Phase::Resolving(self.last_lookup)
            }
        };
        client.begun(phase, jitter);
    }

    fn halt(&mut self, engine: &mut Engine, at: usize) {
        let Some(client) = self.list.get_mut(at) else {
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

    /// Dials the addresses of a host, or notes that they were not found.
    pub(super) fn on_resolved(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        number: u64,
        result: io::Result<Vec<SocketAddr>>,
    ) {
        let Some(at) = self.list.resolving(number) else {
            return;
        };
        let Some(client) = self.list.get_mut(at) else {
            return;
        };
        match result {
            Ok(addresses) => client.dials(engine.dial(addresses)),
            Err(error) => {
                let reason = format!("{} cannot be resolved: {error}", client.conf.host);
                self.failed(engine, context, at, &reason);
            }
        }
    }

    /// Begins the handshake on a dialled connection, or notes that dialling has failed.
    pub(super) fn on_dialled(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        dialled: Dialled,
    ) {
        let Some(at) = self.list.dialling(dialled.id) else {
            return;
        };
        let Some(client) = self.list.get_mut(at) else {
            return;
        };
        let begun = match dialled.result {
            Err(error) => Err(format!("cannot connect: {error}")),
            Ok(stream) => client.handshake(engine.random()).and_then(|request| {
                request
                    .with_outgoing(client.owner, |outgoing| engine.adopt(stream, outgoing))
                    .map_err(|error| format!("the connection cannot begin: {error}"))
            }),
        };
        match begun {
            Ok(conn) => client.named(conn),
            Err(reason) => self.failed(engine, context, at, &reason),
        }
    }

    fn failed(&mut self, engine: &Engine, context: &mut Context, at: usize, reason: &str) {
        if let Some(client) = self.list.get_mut(at) {
            client.failed(context, engine.now(), reason);
            self.list.note_deadline(at);
        }
    }

    /// When [`Clients::on_due`] has something to do.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.list.deadline()
    }

    /// Acts on the deadlines that have come.
    pub(super) fn on_due(&mut self, engine: &mut Engine, context: &mut Context) {
        let now = engine.now();
        for at in self.list.take_due(now) {
            let Some(client) = self.list.get_mut(at) else {
                continue;
            };
            client.expire(context, now);
            match client.phase() {
                Phase::Waiting(due) if due.is_due(now) => {
                    if client.leaving {
                        self.forget(engine, at);
                    } else {
                        self.start(engine, at);
                    }
                }
                _ => {}
            }
            self.list.note_deadline(at);
        }
    }

    /// Acts on an event, if it is of a client's connection. False: it is not.
    pub(super) fn on_event(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) -> bool {
        let Some(&mut at) = self.by_owner.get_mut(ops.owner()) else {
            return false;
        };
        // By now another client, with another number, may have its place.
        let client = self.list.get_mut(at);
        let Some(client) = client.filter(|client| client.owner == ops.owner()) else {
            return true;
        };
        match event {
            Event::Message { kind, data } => client.on_message(context, ops, id, *kind, data),
            other => {
                client.on_other(context, ops, id, other);
                self.list.note_deadline(at);
            }
        }
        true
    }
}

/// Whether two definitions have the same endpoint and handshake. Other differences need no new connection.
fn has_same_handshake(a: &config::Client, b: &config::Client) -> bool {
    let endpoint = |it: &config::Client| (it.host.clone(), it.port, it.tls);
    endpoint(a) == endpoint(b)
        && a.parameters == b.parameters
        && a.basic == b.basic
        && a.headers == b.headers
        && a.subprotocols == b.subprotocols
        && a.trust == b.trust
}
