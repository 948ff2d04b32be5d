//! The manager without a daemon around it: one loop, turned by hand until what is waited for has come.

mod clients;
mod events;
mod held;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::config;
use crate::engine::Limits;
use crate::rpc;

const PATIENCE: Duration = Duration::from_secs(20);

/// A host without a file: it loads what a test gives it.
#[derive(Default)]
struct TestHost(Option<Loaded>);

impl Host for TestHost {
    fn load(&mut self, _: &mut Engine) -> Result<Loaded, Vec<Fault>> {
        Ok(self.0.take().expect("a configuration to load"))
    }

    fn bind(&mut self, _: &mut Engine, address: &config::Address) -> io::Result<Bound> {
        match address {
            config::Address::Tcp(address) => Bound::tcp(*address),
            config::Address::Unix(path) => Bound::unix(path),
        }
    }

    fn server_tls(&mut self, _: &mut Engine, _: &config::Tls) -> Result<ServerTls, TlsFaults> {
        unreachable!("no server speaks TLS")
    }

    fn is_member(&self, _: &str, _: &[String]) -> bool {
        unreachable!("no server asks the system for users")
    }

    fn reloading(&mut self) {}

    fn reloaded(&mut self, _: Option<&Daemon>) {}
}

struct Rig {
    engine: Engine,
    manager: Manager,
    host: TestHost,
}

fn load(text: &str) -> Loaded {
    let config = config::parse(text, Path::new("/tmp/bellwire.toml"));
    Loaded::from(config.expect("no faults"))
}

impl Rig {
    /// One that runs this configuration.
    fn new(config: &str) -> Rig {
        let limits = Limits {
            max_connections: 100,
            max_memory: 64 << 20,
        };
        let engine = Engine::new(limits, |buffer| buffer.fill(7)).expect("an engine");
        let base = ScriptBase {
            path: "/usr/bin:/bin".into(),
            home: "/".into(),
            lang: "C".into(),
            ..ScriptBase::default()
        };
        let manager = Manager::new(&engine, Daemon::default(), base);
        let mut rig = Rig {
            engine,
            manager,
            host: TestHost::default(),
        };
        rig.manager
            .start(&mut rig.engine, &mut rig.host, load(config))
            .expect("it starts");
        rig
    }

    fn reload(&mut self, config: &str) -> rpc::Reloaded {
        let Rig {
            engine,
            manager,
            host,
        } = self;
        host.0 = Some(load(config));
        let would = apply::reload(&mut manager.state, engine, host, true).expect("no faults");
        host.0 = Some(load(config));
        let did = apply::reload(&mut manager.state, engine, host, false).expect("no faults");
        assert_eq!(would, did, "a dry run says what is done");
        engine.settle(manager);
        did
    }

    fn turn(&mut self) {
        let left = self.manager.deadline();
        let left = left.map_or(5, |due| due.since(self.engine.now()).min(5));
        let left = Duration::from_millis(u64::from(left));
        self.engine
            .turn(&mut self.manager, Some(left))
            .expect("a turn");
        self.manager.work(&mut self.engine, &mut self.host);
    }

    fn turn_until(&mut self, what: &str, mut done: impl FnMut(&mut Rig) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen");
            self.turn();
        }
    }

    /// The address of the first server.
    fn address(&self) -> std::net::SocketAddr {
        let servers = self.manager.state.servers.status(&self.engine);
        servers[0].bindings[0].parse().expect("an address")
    }
}
