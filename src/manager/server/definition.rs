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

/// What the engine has of a server that runs.
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
    /// As it is defined.
    pub address: Address,
    /// As it came to be: the system picks a port for 0.
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

    /// As it is listed.
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

/// Whether a user who was let in by the definition `old` may stay with the definition `new`: in a list the password is
/// the same, and in the system the user is in one of the groups, which `is_member` tells.
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

/// What is listened on, for people.
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
