//! Servers that start and stop, when the daemon does and by command.

use std::io;
use std::rc::Rc;

use crate::config;
use crate::engine::{Bound, Engine, Speaks};

use super::definition::{Definition, Door, Running, connections, log_address, shown};
use super::host::{Host, Joined, ServerTls};
use super::server::Server;
use super::{Manager, Source};
use crate::rpc::event::Kind;
use crate::rpc::{Error, ServerStatus};

impl Manager {
    /// Adds a server of the configuration, in the order of the file. It does not run yet.
    pub fn define(&mut self, conf: config::Server) {
        self.servers.push(Definition::new(conf));
    }

    /// Starts a server that was defined, on bindings that are bound already, in the order of the definition. `tls`
    /// encrypts its connections.
    ///
    /// # Errors
    /// When the system does not watch a binding, or the folder to be served cannot be opened.
    pub fn start(
        &mut self,
        engine: &mut Engine,
        id: &config::Id,
        bound: Vec<Bound>,
        tls: Option<ServerTls>,
    ) -> io::Result<()> {
        let Some(at) = self.server_at(id.as_str()) else {
            return Ok(());
        };
        let server = {
            let conf = &self.servers[at].conf;
            Server::open(conf, self.rules.of(&conf.id))?
        };
        self.start_opened(engine, at, server, bound, tls)
    }

    /// The place of a server among the definitions.
    pub(super) fn server_at(&self, id: &str) -> Option<usize> {
        self.servers.iter().position(|server| server.is(id))
    }

    /// Starts a server of which everything has been opened.
    pub(super) fn start_opened(
        &mut self,
        engine: &mut Engine,
        at: usize,
        server: Server,
        bound: Vec<Bound>,
        tls: Option<ServerTls>,
    ) -> io::Result<()> {
        let Definition { conf, id, .. } = &self.servers[at];
        let owner = engine.add_owner(id, conf.limits.max_connections, Speaks::Http);
        let certificates = tls.as_ref().map(|tls| tls.digest);
        engine.secure(owner, tls.map(|tls| tls.config));
        let shared = Rc::new(connections(&conf.limits));
        let mut doors = Vec::with_capacity(bound.len());
        for (bind, bound) in conf.bind.iter().zip(bound) {
            let shown = shown(bind, &bound);
            match engine.listen(bound, owner, Rc::clone(&shared)) {
                Ok(listener) => doors.push(Door {
                    address: bind.address.clone(),
                    shown,
                    listener,
                }),
                Err(error) => {
                    doors.iter().for_each(|door| engine.unlisten(door.listener));
                    engine.retire_owner(owner);
                    return Err(error);
                }
            }
        }
        for door in &doors {
            log_address(conf, &door.address, &door.shown);
        }
        self.servers[at].running = Some(Running {
            owner,
            doors,
            certificates,
        });
        self.place(owner, Source::Server(Box::new(server)));
        self.tell_of_server(Kind::ServerStarted, at);
        Ok(())
    }

    /// Stops a server that runs: it listens no more, and its connections are closed.
    pub(super) fn stop_running(&mut self, engine: &mut Engine, at: usize) {
        let Some(running) = self.servers[at].running.take() else {
            return;
        };
        for door in running.doors {
            engine.unlisten(door.listener);
        }
        engine.end_all(running.owner);
        engine.retire_owner(running.owner);
        log::info!("{}: stopped", self.servers[at].id);
        self.tell_of_server(Kind::ServerStopped, at);
    }

    /// By command. A server that runs is left as it is.
    pub(super) fn start_by_command(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        id: &str,
    ) -> Result<ServerStatus, Error> {
        let at = self
            .server_at(id)
            .ok_or_else(|| Error::no_such_server(id))?;
        if self.servers[at].running.is_none() {
            self.open_and_start(engine, host, at)
                .map_err(|what| Error::failed(format!("{}: {what}", self.servers[at].id)))?;
        }
        Ok(self.servers[at].status(engine))
    }

    fn open_and_start(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        at: usize,
    ) -> Result<(), String> {
        let conf = &self.servers[at].conf;
        let server = Server::open(conf, self.rules.of(&conf.id))
            .map_err(|error| format!("cannot be served: {error}"))?;
        let tls = conf.tls.as_ref().map(|tls| host.server_tls(engine, tls));
        let tls = tls
            .transpose()
            .map_err(|faults| Joined(&faults).to_string())?;
        let mut bound = Vec::with_capacity(conf.bind.len());
        for bind in &conf.bind {
            let one = host.bind(engine, &bind.address);
            let cannot = |error| format!("cannot listen on {}: {error}", bind.address);
            bound.push(one.map_err(cannot)?);
        }
        self.start_opened(engine, at, server, bound, tls)
            .map_err(|error| error.to_string())
    }

    /// By command. A server that does not run is left as it is.
    pub(super) fn stop_by_command(
        &mut self,
        engine: &mut Engine,
        id: &str,
    ) -> Result<ServerStatus, Error> {
        let at = self
            .server_at(id)
            .ok_or_else(|| Error::no_such_server(id))?;
        self.stop_running(engine, at);
        Ok(self.servers[at].status(engine))
    }

    fn tell_of_server(&mut self, kind: Kind, at: usize) {
        self.desk
            .bus
            .publish(kind, Some(&self.servers[at].id), |_| {});
    }
}
