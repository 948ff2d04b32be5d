//! A server as the configuration defines it, and whether it runs.

use std::rc::Rc;

use crate::config::{self, Address, Auth, Bind, Users};
use crate::engine::{Bound, Engine, ListenerId, OwnerId};
use crate::rpc::{ServerState, ServerStatus};

/// A server of the configuration.
#[derive(Debug)]
pub(in crate::manager) struct Definition {
    pub conf: config::Server,
    /// Its id, as events have it.
    pub id: Rc<str>,
    pub running: Option<Running>,
}

/// The parts of a running server in the engine.
#[derive(Debug)]
pub(in crate::manager) struct Running {
    pub owner: OwnerId,
    pub listeners: Vec<Listener>,
    /// The digest of its certificates, when it speaks TLS.
    pub certificates: Option<u64>,
}

/// A listener of a server.
#[derive(Clone, Debug)]
pub(in crate::manager) struct Listener {
    /// As it is configured.
    pub address: Address,
    /// As it is shown to people, with the port that the system has chosen for 0.
    pub shown: String,
    pub id: ListenerId,
}

impl Definition {
    pub(super) fn new(conf: config::Server) -> Definition {
        Definition {
            id: Rc::from(conf.id.as_str()),
            conf,
            running: None,
        }
    }

    /// Whether this is its id; case does not matter.
    pub(super) fn is(&self, id: &str) -> bool {
        self.id.eq_ignore_ascii_case(id)
    }

    /// Its status, for lists.
    pub(in crate::manager) fn status(&self, engine: &Engine) -> ServerStatus {
        let running = self.running.as_ref();
        let bindings = match running {
            Some(running) => {
                let listeners = running.listeners.iter();
                listeners.map(|listener| listener.shown.clone()).collect()
            }
            None => {
                let bindings = self.conf.bind.iter();
                bindings.map(|bind| bind.address.to_string()).collect()
            }
        };
        ServerStatus {
            id: self.id.to_string(),
            name: self.conf.name.clone(),
            state: match running {
                Some(_) => ServerState::Started,
                None => ServerState::Stopped,
            },
            bindings,
            connections: running.map_or(0, |running| engine.websockets(running.owner) as u64),
            differs: running.is_some() != self.conf.active,
        }
    }
}

/// Whether a user whom the definition `old` has allowed may stay under the definition `new`: a user of a list when the
/// password has not changed, a user of the system when `is_member` finds it in one of the groups.
pub(super) fn may_stay(
    old: &config::Server,
    new: &config::Server,
    user: Option<&str>,
    is_member: impl FnOnce(&str, &[String]) -> bool,
) -> bool {
    let (Auth::Required { .. }, Some(users)) = (&new.auth, &new.users) else {
        return true;
    };
    let Some(user) = user else { return false };
    match (&old.users, users) {
        (Some(Users::List(old)), Users::List(new)) => {
            let known = new.iter().find(|entry| entry.name == user);
            known.is_some_and(|entry| old.contains(entry))
        }
        (Some(Users::System { .. }), Users::System { groups, .. }) => {
            let groups: Vec<String> = groups.iter().map(|group| group.value.clone()).collect();
            is_member(user, &groups)
        }
        _ => false,
    }
}

/// The address of a listener as it is shown to people.
pub(super) fn shown(bind: &Bind, bound: &Bound) -> String {
    match (&bind.address, bound.address()) {
        (Address::Tcp(_), Some(address)) => address.to_string(),
        (address, _) => address.to_string(),
    }
}

/// Logs where a server can be reached.
pub(super) fn log_address(conf: &config::Server, listener: &Listener) {
    let (id, shown) = (&conf.id, &listener.shown);
    match listener.address {
        Address::Tcp(_) => {
            let scheme = if conf.tls.is_some() { "https" } else { "http" };
            log::info!("{id}: {scheme}://{shown}/");
        }
        Address::Unix(_) => log::info!("{id}: {shown}"),
    }
}
