//! What a reload opens before it swaps anything: listeners, certificates, folders.

use crate::config::{self, Address, Config, Fault};
use crate::engine::{Bound, Engine};

use super::clients::Defined;
use super::definition::Door;
use super::host::{Host, ServerTls};
use super::plan::Planned;
use super::server::Server;
use super::trigger::Rules;

/// A listener of a server that is to run.
pub(super) enum Place {
    /// It is there.
    Held(Door),
    /// It was bound for this.
    Fresh(Bound),
    /// It can be bound only when one that goes is gone.
    Blocked,
}

/// A server that is to run, with all that it needs.
pub(super) struct Opened {
    pub server: Server,
    pub tls: Option<ServerTls>,
    /// In the order of its bindings.
    pub places: Vec<Place>,
}

/// Listeners of the servers that run, each by the place of its definition. What is left at the end goes.
pub(super) type Pool = Vec<(usize, Door)>;

/// Opens what the servers need that are to run; all that is wrong is added to `faults`.
pub(super) fn open_all(
    engine: &mut Engine,
    host: &mut dyn Host,
    config: &Config,
    plans: &[Planned],
    pool: &mut Pool,
    faults: &mut Vec<Fault>,
) -> Vec<Option<Opened>> {
    let places = place_all(engine, host, config, plans, pool, faults);
    let mut all = Vec::with_capacity(plans.len());
    for ((plan, server), places) in plans.iter().zip(&config.servers).zip(places) {
        all.push(if plan.runs {
            open(engine, host, config, server, places, faults)
        } else {
            None
        });
    }
    all
}

/// The clients, each with what it speaks TLS by.
pub(super) fn open_clients(
    engine: &mut Engine,
    host: &mut dyn Host,
    config: &Config,
    faults: &mut Vec<Fault>,
) -> Vec<Defined> {
    let mut all = Vec::with_capacity(config.clients.len());
    for client in &config.clients {
        match host.client_tls(engine, client) {
            Ok(tls) => all.push((client.clone(), tls)),
            Err(found) => {
                let found = found.into_iter();
                faults.extend(found.map(|(place, what)| config.fault(Some(place), what)));
            }
        }
    }
    all
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

pub(super) fn is_blocked(all: &[Option<Opened>], at: usize, nth: usize) -> bool {
    let opened = all.get(at).and_then(Option::as_ref);
    opened.is_some_and(|it| matches!(it.places.get(nth), Some(Place::Blocked)))
}

fn take(pool: &mut Pool, address: &Address, is_meant: impl Fn(usize) -> bool) -> Option<Door> {
    let at = pool
        .iter()
        .position(|(of, door)| is_meant(*of) && door.address == *address)?;
    Some(pool.remove(at).1)
}

pub(super) fn cannot_listen(
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
    // Its rules come when all of them are there.
    let opened = Server::open(server, Rules::default()).map_err(|error| {
        let what = format!("{}: cannot be served: {error}", server.id);
        faults.push(config.fault(None, what));
    });
    Some(Opened {
        server: opened.ok()?,
        tls: tls.ok()?,
        places,
    })
}
