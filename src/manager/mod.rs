//! Floor 4: what happens. Servers and clients by the number that the engine knows them by, and what they do on events.
//!
//! An event of a connection is acted on where it happens, by [`Handler::on_event`], with what is of that connection and the
//! desk; what wants the whole engine is left on the desk, and done by [`Manager::work`] after the turn, with all that
//! the engine has to tell besides.

mod access;
mod approach;
mod backoff;
mod bus;
mod client;
mod clients;
mod connecting;
mod desk;
pub mod environment;
mod login;
pub mod matching;
mod outbox;
mod pages;
pub mod rpc;
mod server;

pub use clients::{Defined, NotConnected};

use std::rc::Rc;
use std::sync::Arc;

use crate::config::{self, Address};
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{ConnId, Event};
use crate::conn::{Conf, SlowPeer};
use crate::engine::{Bound, Engine, Handler, MonitorReply, Ops, Outcome, Speaks};
use crate::files::Visited;
use crate::proto::http::head::{FieldTable, RequestHead};
use crate::proto::monitor_wire::Answer;

use clients::Clients;
use desk::{Desk, Todo};
use login::Pending;
use server::Server;

/// Whose connections the engine knows by a number.
#[derive(Debug)]
enum Source {
    Server(Box<Server>),
    /// By its place.
    Client(usize),
}

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Manager {
    /// By owner number.
    sources: Vec<Source>,
    clients: Clients,
    desk: Desk,
}

impl Manager {
    /// Starts a server in the engine, on bindings that are bound already; the number by which the engine knows it. `tls`
    /// encrypts its connections.
    ///
    /// # Errors
    /// When the system does not watch a binding, or the folder to be served cannot be opened.
    pub fn start(
        &mut self,
        engine: &mut Engine,
        conf: &config::Server,
        bound: Vec<Bound>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> std::io::Result<u32> {
        let server = Server::open(conf)?;
        let max = conf.limits.max_connections;
        let owner = engine.add_owner(conf.id.as_str(), max, Speaks::Http);
        engine.secure(owner, tls);
        let shared = Rc::new(connections(&conf.limits));
        for bound in bound {
            engine.listen(bound, owner, Rc::clone(&shared))?;
        }
        self.place(owner, Source::Server(Box::new(server)));
        Ok(owner)
    }

    /// The number of an owner that has gone is given to another.
    fn place(&mut self, owner: u32, source: Source) {
        debug_assert!(owner as usize <= self.sources.len());
        match self.sources.get_mut(owner as usize) {
            Some(place) => *place = source,
            None => self.sources.push(source),
        }
    }

    /// When [`Manager::work`] has something to do, whatever happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.clients.deadline()
    }

    /// Acts on what the engine has to tell since the last turn, and does what events have left.
    #[inline]
    pub fn work(&mut self, engine: &mut Engine) {
        if engine.has_outcomes()
            || !self.desk.todo.is_empty()
            || !self.desk.bus.is_empty()
            || self.clients.is_due(engine.now())
        {
            self.work_now(engine);
        }
    }

    fn work_now(&mut self, engine: &mut Engine) {
        loop {
            if let Some(outcome) = engine.poll() {
                self.on_outcome(engine, outcome);
            } else if let Some(todo) = self.desk.todo.pop_front() {
                self.on_todo(engine, todo);
            } else if self.clients.is_due(engine.now()) {
                self.on_clients_due(engine);
            } else {
                break;
            }
        }
        self.desk.bus.hand_on(engine);
        engine.settle(self);
    }

    fn on_outcome(&mut self, engine: &mut Engine, outcome: Outcome) {
        match outcome {
            Outcome::Visited(exchange, visited) => {
                let Visited { answer, seen } = *visited;
                engine.with_exchange(self, exchange, |manager, ops| {
                    if let Some(Source::Server(server)) = manager.source(ops.owner()) {
                        server.pages.learn(seen);
                    }
                    pages::send(ops, answer);
                });
            }
            Outcome::Monitor(MonitorReply { id, answer, .. }) => {
                if let Some(pending) = self.desk.login.take(id) {
                    self.on_checked(engine, *pending, &answer);
                }
            }
            Outcome::Left(_) | Outcome::Orphaned(_) | Outcome::Drained(_) | Outcome::Child(..) => {}
            Outcome::Resolved(number, result) => self.on_resolved(engine, number, result),
            Outcome::Dialled(dialled) => self.on_dialled(engine, dialled),
        }
    }

    fn on_todo(&mut self, engine: &mut Engine, todo: Todo) {
        match todo {
            Todo::Visit(exchange, visit) => engine.visit(exchange, visit),
            Todo::Ask(pending) => {
                if let Err(pending) = self.desk.login.ask(pending, engine) {
                    self.on_checked(engine, *pending, &Answer::Unavailable);
                }
            }
        }
    }

    /// The helper's answer for a request that waits, if it still does.
    fn on_checked(&mut self, engine: &mut Engine, mut pending: Pending, answer: &Answer) {
        let Some(exchange) = pending.exchange else {
            return;
        };
        engine.with_exchange(self, exchange, |manager, ops| {
            let bytes = std::mem::take(&mut pending.head);
            let mut table = FieldTable::default();
            // It was decoded before.
            let Ok(Some((head, _))) = RequestHead::decode(&bytes, &mut 0, &mut table) else {
                return;
            };
            let Manager { sources, desk, .. } = manager;
            if let Some(Source::Server(server)) = sources.get_mut(ops.owner() as usize) {
                server.on_checked(desk, ops, &head, pending, answer);
            }
        });
    }

    fn source(&mut self, owner: u32) -> Option<&mut Source> {
        self.sources.get_mut(owner as usize)
    }
}

/// Binds an address of the configuration.
///
/// # Errors
/// What the system says.
pub fn bind(address: &Address) -> std::io::Result<Bound> {
    match address {
        Address::Tcp(address) => Bound::tcp(*address),
        Address::Unix(path) => Bound::unix(path),
    }
}

fn connections(limits: &config::Limits) -> Conf {
    Conf {
        max_message: limits.max_message as usize,
        max_backlog: limits.max_backlog as usize,
        slow_peer: match limits.slow_peer {
            config::SlowPeer::Close => SlowPeer::Close,
            config::SlowPeer::Drop => SlowPeer::Drop,
        },
        max_body: limits.max_body,
        head_timeout: Millis::from(limits.head_timeout),
        idle_timeout: Millis::from(limits.idle_timeout),
        ping_interval: Millis::from(limits.ping_interval),
        pong_timeout: Millis::from(limits.pong_timeout),
    }
}

impl Handler for Manager {
    #[inline(always)]
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        let Manager {
            sources,
            clients,
            desk,
        } = self;
        match sources.get_mut(ops.owner() as usize) {
            Some(Source::Server(server)) => match event {
                Event::Message { kind, data } => server.on_message(desk, ops, id, kind, data),
                other => server.on_other(desk, ops, id, &other),
            },
            Some(Source::Client(at)) => clients.on_event(*at, desk, ops, id, event),
            None => {}
        }
    }
}
