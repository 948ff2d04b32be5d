//! Reload: another configuration takes the place of the one that runs, and what is the same in both is not touched.
//!
//! Everything that may fail is done first: reading the file, certificates, folders, new addresses. Then the swap, which
//! does not fail. Servers are the same by their definition; those that are run on as a command left them. Listeners are
//! the same by their address, whosever they are: one that moves to another definition is handed over.

use std::rc::Rc;
use std::sync::Arc;

use crate::config::{self, Config, Daemon, Fault};
use crate::conn::event::ConnId;
use crate::engine::{Engine, Limits, OwnerId, Speaks};
use crate::proto::ws::close::CloseCode;

use super::clients::Defined;
use super::definition::{Definition, Door, Running, connections, log_address, shown};
use super::host::{Host, ServerTls};
use super::opening::{Opened, Place, Pool, cannot_listen, is_blocked, open_all, open_clients};
use super::plan::{Planned, compare, compare_triggers, plan};
use super::server::Server;
use super::trigger::AllRules;
use super::{Manager, Source};
use crate::rpc::event::Kind;
use crate::rpc::{Error, Reloaded};

/// All that the other configuration needs.
struct Everything {
    /// In its order; of those that are to run.
    servers: Vec<Option<Opened>>,
    rules: AllRules,
    clients: Vec<Defined>,
}

impl Manager {
    /// SIGHUP. What comes of it is in the log.
    pub fn reload_by_signal(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        // Its error was logged.
        let _ = self.reload(engine, host, false);
        engine.settle(self);
    }

    /// Reads the configuration anew, and does what it says; or only says what would be done.
    pub(super) fn reload(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        dry_run: bool,
    ) -> Result<Reloaded, Error> {
        if dry_run {
            let config = host.load(engine).map_err(Error::configuration)?;
            return self
                .try_out(engine, host, &config)
                .map_err(Error::configuration);
        }
        host.reloading();
        let done = host
            .load(engine)
            .and_then(|config| self.swap(engine, host, config));
        match done {
            Ok((reloaded, daemon)) => {
                host.reloaded(daemon.as_ref());
                log_reloaded(&reloaded);
                Ok(reloaded)
            }
            Err(faults) => {
                host.reloaded(None);
                for fault in &faults {
                    log::error!("{fault}");
                }
                log::error!("the configuration is refused; everything goes on as it was");
                Err(Error::configuration(faults))
            }
        }
    }

    /// What it would do. Everything is opened as for the swap, and closed again; only an address that another one is in
    /// the way of, which goes, is not bound.
    fn try_out(
        &self,
        engine: &mut Engine,
        host: &mut dyn Host,
        config: &Config,
    ) -> Result<Reloaded, Vec<Fault>> {
        let plans = plan(&self.servers, &config.servers);
        let mut pool = self.pool();
        let opened = self.open_everything(engine, host, config, &plans, &mut pool)?;
        Ok(self.would_do(&plans, &opened.servers, config))
    }

    fn would_do(&self, plans: &[Planned], opened: &[Option<Opened>], config: &Config) -> Reloaded {
        let digest = |opened: &Option<Opened>| opened.as_ref()?.tls.as_ref().map(|tls| tls.digest);
        let certificates: Vec<Option<u64>> = opened.iter().map(digest).collect();
        let mut reloaded = compare(&self.servers, plans, &certificates, &config.servers);
        let clients = self.compare_clients(&config.clients);
        let triggers = compare_triggers(&self.rules, &config.triggers);
        for more in [clients, triggers] {
            reloaded.started.extend(more.started);
            reloaded.stopped.extend(more.stopped);
            reloaded.changed.extend(more.changed);
            reloaded.kept.extend(more.kept);
        }
        reloaded
    }

    /// Everything, or nothing. Beside the result, what the file says of the daemon, if that is something else now.
    fn swap(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        config: Config,
    ) -> Result<(Reloaded, Option<Daemon>), Vec<Fault>> {
        let plans = plan(&self.servers, &config.servers);
        let mut pool = self.pool();
        let Everything {
            mut servers,
            rules,
            clients,
        } = self.open_everything(engine, host, &config, &plans, &mut pool)?;
        let reloaded = self.would_do(&plans, &servers, &config);
        self.make_room(engine, host, &config, &mut servers, &mut pool)?;
        for warning in &config.warnings {
            log::warn!("{warning}");
        }
        self.desk.login.forget();
        let daemon = config.daemon;
        self.swap_servers(engine, config.servers, &plans, servers, pool);
        self.adopt_rules(engine, rules);
        self.reload_clients(engine, clients);
        self.adjust_lines(engine);
        let changed = self.swap_daemon(engine, daemon);
        Ok((reloaded, changed))
    }

    /// What the other configuration needs; all that is wrong otherwise.
    fn open_everything(
        &self,
        engine: &mut Engine,
        host: &mut dyn Host,
        config: &Config,
        plans: &[Planned],
        pool: &mut Pool,
    ) -> Result<Everything, Vec<Fault>> {
        let mut faults = Vec::new();
        let servers = open_all(engine, host, config, plans, pool, &mut faults);
        let rules = self.rules.renewed(&config.triggers).map_err(|error| {
            let what = format!("send_file_root: {error}; allowed: a folder that can be read");
            faults.push(config.fault(None, what));
        });
        let clients = open_clients(engine, host, config, &mut faults);
        match rules {
            Ok(rules) if faults.is_empty() => Ok(Everything {
                servers,
                rules,
                clients,
            }),
            _ => Err(faults),
        }
    }

    fn pool(&self) -> Pool {
        let mut pool = Pool::new();
        for (at, server) in self.servers.iter().enumerate() {
            let doors = server.running.iter().flat_map(|running| &running.doors);
            pool.extend(doors.map(|door| (at, door.clone())));
        }
        pool
    }

    /// The last that can fail: an address such as 0.0.0.0:80 is bound when 127.0.0.1:80, which goes, is closed. If that
    /// fails, what was closed is bound again.
    fn make_room(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        config: &Config,
        all: &mut [Option<Opened>],
        pool: &mut Pool,
    ) -> Result<(), Vec<Fault>> {
        let mut closed = Pool::new();
        for (at, server) in config.servers.iter().enumerate() {
            for (nth, bind) in server.bind.iter().enumerate() {
                if !is_blocked(all, at, nth) {
                    continue;
                }
                let (goes, stays): (Pool, Pool) = std::mem::take(pool)
                    .into_iter()
                    .partition(|(_, door)| door.address.collides(&bind.address));
                *pool = stays;
                goes.iter()
                    .for_each(|(_, door)| engine.unlisten(door.listener));
                closed.extend(goes);
                match host.bind(engine, &bind.address) {
                    Ok(bound) => {
                        if let Some(Some(opened)) = all.get_mut(at)
                            && let Some(place) = opened.places.get_mut(nth)
                        {
                            *place = Place::Fresh(bound);
                        }
                    }
                    Err(error) => {
                        let fault = cannot_listen(config, server, bind, &error);
                        // What was bound in the meantime would be in the way.
                        all.iter_mut().flatten().for_each(|it| it.places.clear());
                        self.listen_again(engine, host, closed);
                        return Err(vec![fault]);
                    }
                }
            }
        }
        Ok(())
    }

    /// Listens where listeners were closed a moment ago.
    fn listen_again(&mut self, engine: &mut Engine, host: &mut dyn Host, closed: Pool) {
        for (at, gone) in closed {
            let server = &mut self.servers[at];
            let Some(running) = &mut server.running else {
                continue;
            };
            let conf = Rc::new(connections(&server.conf.limits));
            let listener = host
                .bind(engine, &gone.address)
                .and_then(|bound| engine.listen(bound, running.owner, conf));
            match listener {
                Ok(listener) => {
                    let mut doors = running.doors.iter_mut();
                    if let Some(door) = doors.find(|door| door.address == gone.address) {
                        door.listener = listener;
                    }
                }
                Err(error) => log::error!(
                    "{}: listens no more on {}: {error}",
                    server.id,
                    gone.address
                ),
            }
        }
    }

    fn swap_servers(
        &mut self,
        engine: &mut Engine,
        servers: Vec<config::Server>,
        plans: &[Planned],
        opened: Vec<Option<Opened>>,
        pool: Pool,
    ) {
        let mut old: Vec<Option<Definition>> = std::mem::take(&mut self.servers)
            .into_iter()
            .map(Some)
            .collect();
        for ((conf, plan), opened) in servers.into_iter().zip(plans).zip(opened) {
            let was = plan
                .old
                .and_then(|at| old.get_mut(at))
                .and_then(Option::take);
            let mut is = Definition::new(conf);
            let running = was.and_then(|was| was.running);
            match (running, opened) {
                (running, Some(opened)) => {
                    let starts = running.is_none();
                    let owner = running.map(|running| running.owner);
                    let tls = opened.tls.as_ref();
                    let owner = self.enter(engine, &is, owner, plan.same, tls, opened.server);
                    let doors = take_places(engine, &is.conf, owner, opened.places);
                    is.running = Some(Running {
                        owner,
                        doors,
                        certificates: opened.tls.map(|tls| tls.digest),
                    });
                    if starts {
                        self.tell_of(Kind::ServerStarted, &is);
                    }
                }
                (Some(running), None) => self.leave(engine, &running, &is),
                (None, None) => {}
            }
            self.servers.push(is);
        }
        for (_, door) in pool {
            engine.unlisten(door.listener);
        }
        for gone in old.into_iter().flatten() {
            if let Some(running) = &gone.running {
                self.leave(engine, running, &gone);
            }
        }
    }

    /// What a server is from now on; its number.
    fn enter(
        &mut self,
        engine: &mut Engine,
        is: &Definition,
        owner: Option<OwnerId>,
        same: bool,
        tls: Option<&ServerTls>,
        server: Server,
    ) -> OwnerId {
        let max = is.conf.limits.max_connections;
        let fresh = owner.is_none();
        let owner = owner.unwrap_or_else(|| engine.add_owner(&is.id, max, Speaks::Http));
        engine.limit_owner(owner, max);
        engine.secure(owner, tls.map(|tls| Arc::clone(&tls.config)));
        match self.source(owner) {
            Some(Source::Server(known)) if same => known.take_pages(server),
            _ => self.place(owner, Source::Server(Box::new(server))),
        }
        if !fresh && !same {
            self.close_strangers(engine, owner);
        }
        owner
    }

    /// Connections of users who may enter no more are closed.
    fn close_strangers(&mut self, engine: &mut Engine, owner: OwnerId) {
        let Some(Source::Server(server)) = self.source(owner) else {
            return;
        };
        let strangers: Vec<ConnId> = engine
            .members(owner)
            .filter(|member| !server.admits(member.user.as_ref().map(|user| user.as_str())))
            .map(|member| member.id)
            .collect();
        for conn in strangers {
            engine.close(conn, CloseCode::POLICY_VIOLATION, "not allowed any more");
        }
    }

    /// A server runs no more; its listeners are seen to elsewhere.
    fn leave(&mut self, engine: &mut Engine, running: &Running, was: &Definition) {
        engine.end_all(running.owner);
        engine.retire_owner(running.owner);
        log::info!("{}: stopped", was.id);
        self.tell_of(Kind::ServerStopped, was);
    }

    fn tell_of(&mut self, kind: Kind, server: &Definition) {
        self.desk.bus.publish(kind, Some(&server.id), |_| {});
    }

    /// What the file says of the daemon, if that is something else than before.
    fn swap_daemon(&mut self, engine: &mut Engine, daemon: Daemon) -> Option<Daemon> {
        let value = |named: &Option<config::Placed<String>>| {
            named.as_ref().map(|named| named.value.clone())
        };
        let fixed = |daemon: &Daemon| {
            (
                daemon.socket.clone(),
                value(&daemon.user),
                value(&daemon.group),
            )
        };
        if fixed(&daemon) != fixed(&self.daemon) {
            log::warn!(
                "socket, user and group of [daemon] are those of the start; others take effect when the daemon is started again"
            );
        }
        engine.set_limits(Limits {
            max_connections: daemon.max_connections,
            max_memory: daemon.max_memory as usize,
        });
        let changed = daemon != self.daemon;
        self.daemon = daemon;
        changed.then(|| self.daemon.clone())
    }
}

/// Lets the listeners accept for a server.
fn take_places(
    engine: &mut Engine,
    conf: &config::Server,
    owner: OwnerId,
    places: Vec<Place>,
) -> Vec<Door> {
    let shared = Rc::new(connections(&conf.limits));
    let mut doors = Vec::with_capacity(places.len());
    for (bind, place) in conf.bind.iter().zip(places) {
        match place {
            Place::Held(door) => {
                engine.hand_over(door.listener, owner, Rc::clone(&shared));
                doors.push(door);
            }
            Place::Fresh(bound) => {
                let shown = shown(bind, &bound);
                match engine.listen(bound, owner, Rc::clone(&shared)) {
                    Ok(listener) => {
                        log_address(conf, &bind.address, &shown);
                        doors.push(Door {
                            address: bind.address.clone(),
                            shown,
                            listener,
                        });
                    }
                    Err(error) => log::error!("{}: {}: {error}", conf.id, bind.address),
                }
            }
            // Room was made for all of them.
            Place::Blocked => {}
        }
    }
    doors
}

fn log_reloaded(reloaded: &Reloaded) {
    let lists = [
        ("started", &reloaded.started),
        ("stopped", &reloaded.stopped),
        ("changed", &reloaded.changed),
    ];
    let told: Vec<String> = lists
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(what, list)| format!("{what} {}", list.join(", ")))
        .collect();
    if told.is_empty() {
        log::info!("reloaded: nothing has changed");
    } else {
        log::info!("reloaded: {}", told.join("; "));
    }
}
