//! Reload: another configuration takes the place of the one that runs, and what is the same in both is not touched.
//!
//! Everything that may fail is done first: reading the file, certificates, folders, new addresses. Then the swap, which
//! does not fail. Servers are the same by their definition; those that are run on as a command left them. Listeners are
//! the same by their address, whosever they are: one that moves to another definition is handed over.

use std::rc::Rc;
use std::sync::Arc;

use rustls::ServerConfig;

use crate::config::{self, Address, Config, Daemon, Fault};
use crate::conn::event::ConnId;
use crate::engine::{Bound, Engine, Limits, Speaks};
use crate::proto::ws::close::CloseCode;

use super::definition::{Definition, Door, Running, connections, log_address, shown};
use super::host::Host;
use super::plan::{Planned, compare, plan};
use super::rpc::event::Kind;
use super::rpc::{Error, Reloaded};
use super::server::Server;
use super::{Manager, Source};

/// A listener of a server that is to run.
enum Place {
    /// It is there.
    Held(Door),
    /// It was bound for this.
    Fresh(Bound),
    /// It can be bound only when one that goes is gone.
    Blocked,
}

/// A server that is to run, with all that it needs.
struct Opened {
    server: Server,
    tls: Option<Arc<ServerConfig>>,
    /// In the order of its bindings.
    places: Vec<Place>,
}

/// Listeners of the servers that run, each by the place of its definition. What is left at the end goes.
type Pool = Vec<(usize, Door)>;

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
            let plans = plan(&self.servers, &config.servers);
            return Ok(self.would_do(&plans, &config));
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

    fn would_do(&self, plans: &[Planned], config: &Config) -> Reloaded {
        let mut reloaded = compare(&self.servers, plans, &config.servers);
        let others = self.compare_others(config);
        reloaded.started.extend(others.started);
        reloaded.stopped.extend(others.stopped);
        reloaded.changed.extend(others.changed);
        reloaded.kept.extend(others.kept);
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
        let reloaded = self.would_do(&plans, &config);
        let mut pool = self.pool();
        let mut opened = self.open_all(engine, host, &config, &plans, &mut pool)?;
        self.make_room(engine, host, &config, &mut opened, &mut pool)?;
        for warning in &config.warnings {
            log::warn!("{warning}");
        }
        self.desk.login.forget();
        let Config {
            servers, daemon, ..
        } = config;
        self.swap_servers(engine, servers, &plans, opened, pool);
        self.adjust_lines(engine);
        let changed = self.swap_daemon(engine, daemon);
        Ok((reloaded, changed))
    }

    fn pool(&self) -> Pool {
        let mut pool = Pool::new();
        for (at, server) in self.servers.iter().enumerate() {
            let doors = server.running.iter().flat_map(|running| &running.doors);
            pool.extend(doors.map(|door| (at, door.clone())));
        }
        pool
    }

    /// Opens what the servers need that are to run; all that is wrong otherwise.
    fn open_all(
        &self,
        engine: &mut Engine,
        host: &mut dyn Host,
        config: &Config,
        plans: &[Planned],
        pool: &mut Pool,
    ) -> Result<Vec<Option<Opened>>, Vec<Fault>> {
        let mut faults = Vec::new();
        let places = place_all(engine, host, config, plans, pool, &mut faults);
        let mut all = Vec::with_capacity(plans.len());
        for ((plan, server), places) in plans.iter().zip(&config.servers).zip(places) {
            all.push(if plan.runs {
                open(engine, host, config, server, places, &mut faults)
            } else {
                None
            });
        }
        if faults.is_empty() {
            Ok(all)
        } else {
            Err(faults)
        }
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
                    if let Some(door) = doors.find(|door| door.listener == gone.listener) {
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
                    let owner =
                        self.enter(engine, &is, owner, plan.same, &opened.tls, opened.server);
                    let doors = take_places(engine, &is.conf, owner, opened.places);
                    is.running = Some(Running { owner, doors });
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
        owner: Option<u32>,
        same: bool,
        tls: &Option<Arc<ServerConfig>>,
        server: Server,
    ) -> u32 {
        let max = is.conf.limits.max_connections;
        let fresh = owner.is_none();
        let owner = owner.unwrap_or_else(|| engine.add_owner(&is.id, max, Speaks::Http));
        engine.limit_owner(owner, max);
        engine.secure(owner, tls.clone());
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
    fn close_strangers(&mut self, engine: &mut Engine, owner: u32) {
        let Some(Source::Server(server)) = self.source(owner) else {
            return;
        };
        let strangers: Vec<ConnId> = engine
            .members(owner)
            .filter(|member| !server.admits(member.user.as_ref().map(|user| user.as_str())))
            .map(|member| member.id)
            .collect();
        for conn in strangers {
            engine.close(
                self,
                conn,
                CloseCode::POLICY_VIOLATION,
                "not allowed any more",
            );
        }
    }

    /// A server runs no more; its listeners are seen to elsewhere.
    fn leave(&mut self, engine: &mut Engine, running: &Running, was: &Definition) {
        engine.end_all(self, running.owner);
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

/// A place for each binding of each server that is to run. What is there is taken out of the pool: first that of the
/// server itself, for several may have an address such as 127.0.0.1:0.
fn place_all(
    engine: &mut Engine,
    host: &mut dyn Host,
    config: &Config,
    plans: &[Planned],
    pool: &mut Pool,
    faults: &mut Vec<Fault>,
) -> Vec<Vec<Place>> {
    let mut held: Vec<Vec<Option<Door>>> = Vec::with_capacity(plans.len());
    for (plan, server) in plans.iter().zip(&config.servers) {
        let addresses = server.bind.iter().map(|bind| &bind.address);
        let own = |address| take(pool, address, |at| plan.runs && Some(at) == plan.old);
        held.push(addresses.map(own).collect());
    }
    for ((plan, server), held) in plans.iter().zip(&config.servers).zip(&mut held) {
        for (bind, door) in server.bind.iter().zip(held) {
            if plan.runs && door.is_none() {
                *door = take(pool, &bind.address, |_| true);
            }
        }
    }
    let mut all = Vec::with_capacity(plans.len());
    for ((plan, server), held) in plans.iter().zip(&config.servers).zip(held) {
        let mut places = Vec::with_capacity(held.len());
        for (bind, door) in server.bind.iter().zip(held) {
            let blocked = pool
                .iter()
                .any(|(_, it)| it.address.collides(&bind.address));
            match door {
                _ if !plan.runs => {}
                Some(door) => places.push(Place::Held(door)),
                None if blocked => places.push(Place::Blocked),
                None => match host.bind(engine, &bind.address) {
                    Ok(bound) => places.push(Place::Fresh(bound)),
                    Err(error) => faults.push(cannot_listen(config, server, bind, &error)),
                },
            }
        }
        all.push(places);
    }
    all
}

fn is_blocked(all: &[Option<Opened>], at: usize, nth: usize) -> bool {
    let opened = all.get(at).and_then(Option::as_ref);
    opened.is_some_and(|it| matches!(it.places.get(nth), Some(Place::Blocked)))
}

fn take(pool: &mut Pool, address: &Address, is_meant: impl Fn(usize) -> bool) -> Option<Door> {
    let at = pool
        .iter()
        .position(|(of, door)| is_meant(*of) && door.address == *address)?;
    Some(pool.remove(at).1)
}

fn cannot_listen(
    config: &Config,
    server: &config::Server,
    bind: &config::Bind,
    error: &std::io::Error,
) -> Fault {
    let what = format!("{}: cannot listen on {}: {error}", server.id, bind.address);
    config.fault(bind.place, what)
}

fn open(
    engine: &mut Engine,
    host: &mut dyn Host,
    config: &Config,
    server: &config::Server,
    places: Vec<Place>,
    faults: &mut Vec<Fault>,
) -> Option<Opened> {
    let tls = server.tls.as_ref().map(|tls| host.server_tls(engine, tls));
    let tls = tls.transpose().map_err(|found| {
        let found = found.into_iter();
        faults.extend(found.map(|(place, what)| config.fault(Some(place), what)));
    });
    let opened = Server::open(server).map_err(|error| {
        let what = format!("{}: cannot be served: {error}", server.id);
        faults.push(config.fault(None, what));
    });
    Some(Opened {
        server: opened.ok()?,
        tls: tls.ok()?,
        places,
    })
}

/// Lets the listeners accept for a server.
fn take_places(
    engine: &mut Engine,
    conf: &config::Server,
    owner: u32,
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
