//! Floor 4: what happens. Servers by the number that the engine knows them by, and what they do on events.

mod access;
pub mod backoff;
mod pages;
mod server;

use std::rc::Rc;
use std::sync::Arc;

use crate::config::{self, Address};
use crate::conn::deadline::Millis;
use crate::conn::event::{ConnId, Event, ExchangeId};
use crate::conn::{Conf, SlowPeer};
use crate::engine::{Bound, Engine, Handler, Ops, Outcome, Speaks};

use crate::files::{Visit, Visited};

use server::Server;

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Manager {
    /// By owner number.
    servers: Vec<Server>,
    /// Requests whose files the disk has to be waited for.
    visits: Vec<(ExchangeId, Visit)>,
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
        let owner = engine.add_owner(conf.id.as_str(), conf.limits.max_connections, Speaks::Http);
        engine.secure(owner, tls);
        let shared = Rc::new(connections(&conf.limits));
        for bound in bound {
            engine.listen(bound, owner, Rc::clone(&shared))?;
        }
        debug_assert_eq!(owner as usize, self.servers.len());
        self.servers.push(server);
        Ok(owner)
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

impl Manager {
    /// Acts on what the engine has to tell since the last turn.
    #[inline]
    pub fn work(&mut self, engine: &mut Engine) {
        if engine.has_outcomes() || !self.visits.is_empty() {
            self.work_now(engine);
        }
    }

    fn work_now(&mut self, engine: &mut Engine) {
        while let Some(outcome) = engine.poll() {
            if let Outcome::Visited(exchange, visited) = outcome {
                let Visited { answer, seen } = *visited;
                engine.with_exchange(self, exchange, |manager, ops| {
                    if let Some(server) = manager.servers.get_mut(ops.owner() as usize) {
                        server.pages.learn(seen);
                    }
                    pages::send(ops, answer);
                });
            }
        }
        for (exchange, visit) in self.visits.drain(..) {
            engine.visit(exchange, visit);
        }
        engine.settle(self);
    }
}

impl Handler for Manager {
    #[inline(always)]
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        let Some(server) = self.servers.get_mut(ops.owner() as usize) else {
            return;
        };
        match event {
            Event::Message { kind, data } => server.on_message(ops, id, kind, data),
            other => server.on_other(ops, id, &other, &mut self.visits),
        }
    }
}
