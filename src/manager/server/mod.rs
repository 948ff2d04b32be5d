//! All servers: their definitions, and those that run.

mod authenticate;
mod definition;
mod origin_check;
mod pending_logins;
mod running;

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::config;
use crate::conn::event::{ConnId, Event, ExchangeId};
use crate::engine::{Bound, Engine, Ops, OwnerId, Speaks};
use crate::files::LookupResult;
use crate::proto::helper::Answer;
use crate::proto::http::head::{FieldTable, RequestHead};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;
use crate::rpc::{self, EventKind, ServerStatus};

use super::content::{self, respond_error};
use super::context::Context;
use super::host::Host;
use super::owner_map::OwnerMap;
use super::tls::ServerTls;
use super::trigger::rules::AllRules;

use definition::{Running, log_address, may_stay, shown};
use pending_logins::{Logins, PendingLogin};
use running::Server;

pub(super) use definition::{Definition, Listener};

/// The source of the listener of a binding.
pub(super) enum Socket {
    /// It exists already, for this server or for another one.
    Held(Listener),
    /// It was bound just now.
    Fresh(Bound),
}

/// Everything that a server needs to run.
pub(super) struct PreparedServer {
    server: Server,
    pub tls: Option<ServerTls>,
    /// In the order of its bindings.
    pub sockets: Vec<Socket>,
}

impl PreparedServer {
    /// Opens the content of a server. Sockets are added later.
    ///
    /// # Errors
    /// When its folder cannot be opened.
    pub(super) fn open(
        conf: &config::Server,
        tls: Option<ServerTls>,
    ) -> io::Result<PreparedServer> {
        Ok(PreparedServer {
            server: Server::open(conf)?,
            tls,
            sockets: Vec::new(),
        })
    }
}

/// All servers.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// In the order of the file.
    definitions: Vec<Definition>,
    running: OwnerMap<Box<Server>>,
    logins: Logins,
}

impl Servers {
    /// All definitions, in the order of the file.
    pub(super) fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The place of a server among the definitions, by its id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.definitions.iter().position(|server| server.is(id))
    }

    /// The place of the server of this id, or the error of a command that names none.
    pub(super) fn named(&self, id: &str) -> Result<usize, rpc::Error> {
        self.find(id).ok_or_else(|| rpc::Error::no_such_server(id))
    }

    /// The owner id of a server that runs.
    pub(super) fn owner(&self, at: usize) -> Option<OwnerId> {
        let running = self.definitions.get(at)?.running.as_ref();
        running.map(|running| running.owner)
    }

    /// The status of all servers, in the order of the file.
    pub(super) fn status(&self, engine: &Engine) -> Vec<ServerStatus> {
        let servers = self.definitions.iter();
        servers.map(|server| server.status(engine)).collect()
    }

    /// The owner ids of all servers that have run and may have connections, with the ids of the servers.
    pub(super) fn owners(&self) -> impl Iterator<Item = (OwnerId, &str)> {
        let running = self.running.iter();
        running.map(|(owner, server)| (owner, &*server.source().id))
    }

    /// The longest message that any server takes.
    pub(super) fn longest_message(&self) -> usize {
        let limits = self.definitions.iter().map(|server| &server.conf.limits);
        let longest = limits.map(|limits| limits.connection.max_message).max();
        longest.unwrap_or(0)
    }

    /// Replaces all definitions. A running server goes on under the new definition of its id. Returns the earlier
    /// definition of each, and the definitions whose id is gone; the caller ends those that run.
    pub(super) fn replace(
        &mut self,
        definitions: Vec<config::Server>,
    ) -> (Vec<Option<config::Server>>, Vec<Definition>) {
        let mut old = std::mem::take(&mut self.definitions);
        let mut earlier = Vec::with_capacity(definitions.len());
        for conf in definitions {
            let mut definition = Definition::new(conf);
            let known = old.iter().position(|it| it.conf.id == definition.conf.id);
            earlier.push(known.map(|at| {
                let Definition { conf, running, .. } = old.remove(at);
                definition.running = running;
                conf
            }));
            self.definitions.push(definition);
        }
        (earlier, old)
    }

    /// Runs a server with what was prepared for it. If it runs already, by the definition `earlier`, its connections stay,
    /// except those of users who are not allowed any more. `host` tells the groups of users of the system.
    pub(super) fn run(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        host: &dyn Host,
        at: usize,
        prepared: PreparedServer,
        earlier: Option<&config::Server>,
    ) {
        let Definition { conf, id, running } = &mut self.definitions[at];
        let max = conf.limits.max_connections;
        let starts = running.is_none();
        let same = earlier == Some(&*conf);
        let owner = running.as_ref().map_or_else(
            || engine.add_owner(id, max, Speaks::Http),
            |running| running.owner,
        );
        engine.limit_owner(owner, max);
        let tls = prepared.tls.as_ref();
        engine.secure(owner, tls.map(|tls| Arc::clone(&tls.config)));
        *running = Some(Running {
            owner,
            listeners: listen(engine, conf, owner, prepared.sockets),
            certificates: tls.map(|tls| tls.digest),
        });
        match self.running.get_mut(owner) {
            Some(known) if same => known.take_content(prepared.server),
            _ => self.running.insert(owner, Box::new(prepared.server)),
        }
        if starts {
            self.publish(context, EventKind::ServerStarted, at);
        } else if let Some(earlier) = earlier.filter(|_| !same) {
            self.close_disallowed(engine, host, at, owner, earlier);
        }
    }

    /// Stops a server: closes its listeners and its connections.
    pub(super) fn stop(&mut self, engine: &mut Engine, context: &mut Context, at: usize) {
        let definition = &mut self.definitions[at];
        if let Some(running) = definition.running.take() {
            for listener in &running.listeners {
                engine.unlisten(listener.id);
            }
            retire(engine, context, &definition.id, &running);
        }
    }

    /// Ends a server whose definition is gone. Its listeners were closed, or moved to another server, before.
    pub(super) fn end(engine: &mut Engine, context: &mut Context, gone: &Definition) {
        if let Some(running) = &gone.running {
            retire(engine, context, &gone.id, running);
        }
    }

    /// Ends a server that is not to run any more. Its listeners were closed, or moved to another server, before.
    pub(super) fn leave(&mut self, engine: &mut Engine, context: &mut Context, at: usize) {
        let definition = &mut self.definitions[at];
        if let Some(running) = definition.running.take() {
            retire(engine, context, &definition.id, &running);
        }
    }

    /// Replaces a listener that was closed just before, of a server that still runs.
    pub(super) fn relisten(
        &mut self,
        engine: &mut Engine,
        at: usize,
        closed: &Listener,
        bound: io::Result<Bound>,
    ) {
        let Definition { conf, id, running } = &mut self.definitions[at];
        let Some(running) = running else { return };
        let shared = Rc::new(conf.limits.connection.clone());
        let listening = bound.and_then(|bound| engine.listen(bound, running.owner, shared));
        match listening {
            Ok(new) => {
                let mut listeners = running.listeners.iter_mut();
                if let Some(listener) = listeners.find(|it| it.address == closed.address) {
                    listener.id = new;
                }
            }
            Err(error) => log::error!("{id}: no longer listens on {}: {error}", closed.address),
        }
    }

    /// Sets the triggers of all servers.
    pub(super) fn set_rules(&mut self, rules: &AllRules) {
        for server in self.running.iter_mut() {
            if let Some(id) = config::Id::new(&server.source().id) {
                server.set_rules(rules.of(&id));
            }
        }
    }

    /// The users were read again: forgets remembered logins, so that they are checked again.
    pub(super) fn forget_logins(&mut self) {
        self.logins.forget();
    }

    /// The daemon stops: publishes that each running server stops.
    pub(super) fn publish_stop(&self, context: &mut Context) {
        for at in 0..self.definitions.len() {
            if self.definitions[at].running.is_some() {
                self.publish(context, EventKind::ServerStopped, at);
            }
        }
    }

    /// Sends a message to every connection of a server, if it runs.
    pub(super) fn forward(&self, engine: &mut Engine, at: usize, kind: Kind, data: &[u8]) {
        if let Some(owner) = self.owner(at) {
            engine.broadcast(owner, None, kind, data);
        }
    }

    /// Acts on a message, if it is of a server's connection. False: it is not.
    #[inline(always)]
    pub(super) fn on_message(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        kind: Kind,
        data: &[u8],
    ) -> bool {
        let Some(server) = self.running.get_mut(ops.owner()) else {
            return false;
        };
        server.on_message(context, ops, id, kind, data);
        true
    }

    /// Acts on an event that is no message, if it is of a server's connection. False: it is not.
    pub(super) fn on_event(
        &mut self,
        context: &mut Context,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) -> bool {
        let Some(server) = self.running.get_mut(ops.owner()) else {
            return false;
        };
        server.on_event(&mut self.logins, context, ops, id, event);
        true
    }

    /// A file was looked up on the thread for the disk: answers the request.
    pub(super) fn on_looked_up(
        &mut self,
        engine: &mut Engine,
        exchange: ExchangeId,
        found: LookupResult,
    ) {
        let LookupResult { answer, seen } = found;
        engine.with_exchange(exchange, |ops| {
            if let Some(server) = self.running.get_mut(ops.owner()) {
                server.content().learn(seen);
            }
            content::send(ops, answer);
        });
    }

    /// Whether no login waits to be checked.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.logins.is_idle()
    }

    /// Asks the helper about the logins that this turn has queued.
    pub(super) fn ask_helper(&mut self, engine: &mut Engine, context: &mut Context) {
        while let Some(pending) = self.logins.ask_all(engine) {
            self.on_checked(engine, context, *pending, &Answer::Unavailable);
        }
    }

    /// The helper has answered a request about a login.
    pub(super) fn on_helper(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        number: u32,
        answer: &Answer,
    ) {
        if let Some(pending) = self.logins.take(number) {
            self.on_checked(engine, context, *pending, answer);
        }
    }

    /// Continues a request whose login was checked, if it still waits.
    fn on_checked(
        &mut self,
        engine: &mut Engine,
        context: &mut Context,
        mut pending: PendingLogin,
        answer: &Answer,
    ) {
        engine.with_exchange(pending.exchange, |ops| {
            let bytes = std::mem::take(&mut pending.head);
            let mut table = FieldTable::default();
            // It was decoded before.
            let Ok(Some((head, _))) = RequestHead::decode(&bytes, &mut 0, &mut table) else {
                return;
            };
            match self.running.get_mut(ops.owner()) {
                Some(server) => {
                    server.on_checked(&mut self.logins, context, ops, &head, pending, answer);
                }
                None => respond_error(ops, 503, &[]),
            }
        });
    }

    /// Closes connections of users who are not allowed any more.
    fn close_disallowed(
        &self,
        engine: &mut Engine,
        host: &dyn Host,
        at: usize,
        owner: OwnerId,
        earlier: &config::Server,
    ) {
        let now = &self.definitions[at].conf;
        let stays = |user: Option<&str>| {
            may_stay(earlier, now, user, |user, groups| {
                host.is_member(user, groups)
            })
        };
        let disallowed: Vec<ConnId> = engine
            .members(owner)
            .filter(|member| !stays(member.user.as_ref().map(|user| user.as_str())))
            .map(|member| member.id)
            .collect();
        for conn in disallowed {
            engine.close(conn, CloseCode::POLICY_VIOLATION, "not allowed any more");
        }
    }

    fn publish(&self, context: &mut Context, kind: EventKind, at: usize) {
        let id = &self.definitions[at].id;
        context.subscribers.publish(kind, Some(id), |_| {});
    }
}

/// Closes the connections of a server that stops.
fn retire(engine: &mut Engine, context: &mut Context, id: &Rc<str>, running: &Running) {
    engine.end_all(running.owner);
    engine.retire_owner(running.owner);
    log::info!("{id}: stopped");
    context
        .subscribers
        .publish(EventKind::ServerStopped, Some(id), |_| {});
}

/// Lets the sockets of a server accept connections.
fn listen(
    engine: &mut Engine,
    conf: &config::Server,
    owner: OwnerId,
    sockets: Vec<Socket>,
) -> Vec<Listener> {
    let shared = Rc::new(conf.limits.connection.clone());
    let mut listeners = Vec::with_capacity(sockets.len());
    for (bind, socket) in conf.bind.iter().zip(sockets) {
        match socket {
            Socket::Held(listener) => {
                engine.hand_over(listener.id, owner, Rc::clone(&shared));
                listeners.push(listener);
            }
            Socket::Fresh(bound) => {
                let shown = shown(bind, &bound);
                match engine.listen(bound, owner, Rc::clone(&shared)) {
                    Ok(id) => {
                        let address = bind.address.clone();
                        let listener = Listener { address, shown, id };
                        log_address(conf, &listener);
                        listeners.push(listener);
                    }
                    Err(error) => {
                        log::error!("{}: {} is not watched: {error}", conf.id, bind.address);
                    }
                }
            }
        }
    }
    listeners
}
