//! A server as the configuration defines it, and whether it runs.

use std::rc::Rc;

use crate::config::{self, Address, Bind};
use crate::conn::Conf;
use crate::conn::SlowPeer;
use crate::conn::deadline::Millis;
use crate::engine::{Bound, Engine, ListenerId, OwnerId};

use crate::rpc::{ServerState, ServerStatus};

/// A server of the configuration.
#[derive(Debug)]
pub(super) struct Definition {
    pub conf: config::Server,
    /// Its id, as events have it.
    pub id: Rc<str>,
    pub running: Option<Running>,
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// By what number the engine knows it.
    pub owner: OwnerId,
    pub doors: Vec<Door>,
    /// What its certificates are known by, of TLS.
    pub certificates: Option<u64>,
}

/// A listener of a server.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// As it is defined.
    pub address: Address,
    /// As it came to be: the system picks a port for 0.
    pub shown: String,
    pub listener: ListenerId,
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

    /// Whether a command made it another state than the file says.
    pub(super) fn differs(&self) -> bool {
        self.running.is_some() != self.conf.active
    }

    /// As it is listed.
    pub(super) fn status(&self, engine: &Engine) -> ServerStatus {
        let running = self.running.as_ref();
        let bindings = match running {
            Some(running) => running
                .doors
                .iter()
                .map(|door| door.shown.clone())
                .collect(),
            None => self.addresses().map(ToString::to_string).collect(),
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
            differs: self.differs(),
        }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.conf.bind.iter().map(|bind| &bind.address)
    }
}

/// What is listened on, for people.
pub(super) fn shown(bind: &Bind, bound: &Bound) -> String {
    match (&bind.address, bound.address()) {
        (Address::Tcp(_), Some(address)) => address.to_string(),
        (address, _) => address.to_string(),
    }
}

/// Tells where a server is to be found.
pub(super) fn log_address(conf: &config::Server, address: &Address, shown: &str) {
    let id = &conf.id;
    match address {
        Address::Tcp(_) => {
            let scheme = if conf.tls.is_some() { "https" } else { "http" };
            log::info!("{id}: {scheme}://{shown}/");
        }
        Address::Unix(_) => log::info!("{id}: {shown}"),
    }
}

/// What the connections of a server have in common.
pub(super) fn connections(limits: &config::Limits) -> Conf {
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
