//! The surroundings of processes: what all of them have in common, and the environment of each.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::engine::Engine;
use crate::manager::environment::{self, Base, Environment, Facts, Happening};
use crate::manager::fired::Whose;
use crate::manager::trigger::Rule;

/// What all processes have in common.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Where programs are found.
    pub path: OsString,
    /// Of the user that the daemon runs as.
    pub home: OsString,
    /// The locale.
    pub lang: OsString,
    /// The control socket.
    pub socket: Option<PathBuf>,
    /// The soft limit of descriptors that the daemon was started with.
    pub descriptors: Option<u64>,
}

impl World {
    fn base(&self) -> Base {
        Base {
            path: self.path.clone(),
            home: self.home.clone(),
            lang: self.lang.clone(),
        }
    }

    /// The environment of a process for one event.
    pub(super) fn of_event(
        &self,
        engine: &Engine,
        rule: &Rule,
        whose: &Whose,
        host: Option<&str>,
        happening: &Happening<'_>,
    ) -> Result<Environment, environment::Error> {
        let local = engine.local_address(whose.conn);
        let address = local.map(|local| local.ip().to_canonical().to_string());
        let named = host.filter(|host| !host.is_empty()).map(without_port);
        let port = local.map_or(if whose.tls { 443 } else { 80 }, |local| local.port());
        let server = named.or(address.as_deref()).map(|name| (name, port));
        let connection = whose.conn.to_string();
        let facts = Facts {
            trigger: &rule.conf.name,
            source: &whose.source,
            connection: &connection,
            socket: self.socket.as_deref(),
            peer: whose.peer.address(),
            user: whose.user.as_ref().map(|user| (user.as_str(), whose.how)),
            server,
            https: whose.tls,
        };
        environment::build(&self.base(), &facts, happening)
    }

    /// The environment of a worker, which is of no event.
    pub(super) fn of_worker(&self, rule: &Rule) -> Environment {
        let world = self;
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), world.path.clone()),
            ("HOME".into(), world.home.clone()),
            ("LANG".into(), world.lang.clone()),
            ("BELLWIRE_TRIGGER".into(), rule.conf.name.clone().into()),
        ];
        if let Some(socket) = &world.socket {
            all.push(("BELLWIRE_SOCKET".into(), socket.clone().into_os_string()));
        }
        all
    }
}

/// The host of `uri-host [ ":" port ]` (RFC 3986 §3.2.2).
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port() {
        for (host, name) in [
            ("a:80", "a"),
            ("a", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("1.2.3.4:5", "1.2.3.4"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
