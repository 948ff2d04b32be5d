//! The listeners of a configuration: existing ones are kept or move to another server, missing ones are bound.

use crate::config::{self, Address, Config, Fault};
use crate::engine::Engine;
use crate::manager::server::{Definition, Listener, Servers, Socket};

use super::diff::Plan;
use crate::manager::host::Host;

/// An existing listener, and the place of its server.
type Owned = (usize, Listener);

/// The listeners for each binding of each server that is to run.
pub(super) struct Sockets {
    /// By server and binding, in the order of the file. `None`: it can be bound only after another listener is closed.
    wanted: Vec<Vec<Option<Socket>>>,
    /// Listeners that no binding needs any more.
    left: Vec<Owned>,
}

impl Sockets {
    /// Takes existing listeners, first for the server that they belong to, because several servers may have an address
    /// such as 127.0.0.1:0. Then binds what is missing, unless an existing listener is in the way. Adds to `faults`.
    pub(super) fn open(
        definitions: &[Definition],
        plans: &[Plan],
        config: &Config,
        engine: &mut Engine,
        host: &mut dyn Host,
        faults: &mut Vec<Fault>,
    ) -> Sockets {
        let mut left: Vec<Owned> = Vec::new();
        for (at, definition) in definitions.iter().enumerate() {
            let running = definition.running.iter();
            let listeners = running.flat_map(|running| running.listeners.iter().cloned());
            left.extend(listeners.map(|listener| (at, listener)));
        }
        let mut held: Vec<Vec<Option<Listener>>> = Vec::with_capacity(plans.len());
        for (plan, server) in plans.iter().zip(&config.servers) {
            let own = |address| take(&mut left, address, |at| plan.runs && Some(at) == plan.old);
            let addresses = server.bind.iter().map(|bind| &bind.address);
            held.push(addresses.map(own).collect());
        }
        for ((plan, server), held) in plans.iter().zip(&config.servers).zip(&mut held) {
            for (bind, held) in server.bind.iter().zip(held) {
                if plan.runs && held.is_none() {
                    *held = take(&mut left, &bind.address, |_| true);
                }
            }
        }
        let mut wanted = Vec::with_capacity(plans.len());
        for ((plan, server), held) in plans.iter().zip(&config.servers).zip(held) {
            let mut sockets = Vec::with_capacity(held.len());
            for (bind, held) in server.bind.iter().zip(held).filter(|_| plan.runs) {
                let blocked = left.iter().any(|it| it.1.address.collides(&bind.address));
                sockets.push(match held {
                    Some(listener) => Some(Socket::Held(listener)),
                    None if blocked => None,
                    None => bind_one(bind, engine, host)
                        .map_err(|what| faults.push(fault(config, server, bind, &what)))
                        .ok(),
                });
            }
            wanted.push(sockets);
        }
        Sockets { wanted, left }
    }

    /// Closes listeners that are not needed and are in the way, and binds what they blocked: 127.0.0.1:80 has to be closed
    /// before 0.0.0.0:80 can be bound. It is the last step that can fail; then what was closed is bound again.
    pub(super) fn make_room(
        &mut self,
        servers: &mut Servers,
        config: &Config,
        engine: &mut Engine,
        host: &mut dyn Host,
    ) -> Result<(), Vec<Fault>> {
        let mut closed: Vec<Owned> = Vec::new();
        for at in 0..self.wanted.len() {
            for nth in 0..self.wanted[at].len() {
                if self.wanted[at][nth].is_some() {
                    continue;
                }
                let server = &config.servers[at];
                let bind = &server.bind[nth];
                let collides = |it: &mut Owned| it.1.address.collides(&bind.address);
                for owned in self.left.extract_if(.., collides) {
                    engine.unlisten(owned.1.id);
                    closed.push(owned);
                }
                match bind_one(bind, engine, host) {
                    Ok(socket) => self.wanted[at][nth] = Some(socket),
                    Err(what) => {
                        // What was bound in the meantime would be in the way.
                        self.wanted.clear();
                        for (at, gone) in &closed {
                            let bound = host.bind(engine, &gone.address);
                            servers.relisten(engine, *at, gone, bound);
                        }
                        return Err(vec![fault(config, server, bind, &what)]);
                    }
                }
            }
        }
        Ok(())
    }

    /// The sockets of each server, and the listeners that are to be closed.
    pub(super) fn finish(self) -> (Vec<Vec<Socket>>, Vec<Listener>) {
        let wanted = self.wanted.into_iter();
        let left = self.left.into_iter();
        (
            wanted
                .map(|all| all.into_iter().flatten().collect())
                .collect(),
            left.map(|(_, listener)| listener).collect(),
        )
    }
}

fn take(
    from: &mut Vec<Owned>,
    address: &Address,
    is_meant: impl Fn(usize) -> bool,
) -> Option<Listener> {
    let at = from
        .iter()
        .position(|(of, listener)| is_meant(*of) && listener.address == *address)?;
    Some(from.remove(at).1)
}

/// Binds one address of a server.
///
/// # Errors
/// Why it cannot be bound.
pub(super) fn bind_one(
    bind: &config::Bind,
    engine: &mut Engine,
    host: &mut dyn Host,
) -> Result<Socket, String> {
    host.bind(engine, &bind.address)
        .map(Socket::Fresh)
        .map_err(|error| format!("cannot listen on {}: {error}", bind.address))
}

/// The fault of a binding.
fn fault(config: &Config, server: &config::Server, bind: &config::Bind, what: &str) -> Fault {
    config.fault(bind.place, format!("{}: {what}", server.id))
}
