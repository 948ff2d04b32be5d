//! The difference between a configuration and what runs.

use crate::config;
use crate::manager::server::Definition;
use crate::manager::trigger::rules::{AllRules, titled};
use crate::rpc::Reloaded;

use crate::manager::host::Loaded;

/// What a reload does with a server of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The place of the server with the same id among those that exist.
    pub old: Option<usize>,
    /// Its definition has not changed.
    pub same: bool,
    /// It is to run. A server whose definition has not changed stays as it is: a command may have started or stopped it.
    pub runs: bool,
}

/// The plans for the servers of a configuration, in its order.
pub(super) fn plan(known: &[Definition], servers: &[config::Server]) -> Vec<Plan> {
    let plan = |server: &config::Server| {
        let old = known.iter().position(|it| it.conf.id == server.id);
        let was = old.and_then(|at| known.get(at));
        let same = was.is_some_and(|was| was.conf == *server);
        let running = was.is_some_and(|was| was.running.is_some());
        Plan {
            old,
            same,
            runs: if same { running } else { server.active },
        }
    };
    servers.iter().map(plan).collect()
}

/// The difference for the servers. One that starts or stops is listed as that, whatever else changes. New certificates in
/// the same files are a change.
pub(super) fn of_servers(known: &[Definition], plans: &[Plan], loaded: &Loaded) -> Reloaded {
    let mut reloaded = Reloaded::default();
    let servers = loaded.config.servers.iter().zip(&loaded.server_tls);
    for (plan, (server, tls)) in plans.iter().zip(servers) {
        let running = plan.old.and_then(|at| known.get(at)?.running.as_ref());
        let digest = tls.as_ref().map(|tls| tls.digest);
        let renewed = running.is_some_and(|running| running.certificates != digest);
        let same = plan.same && !(plan.runs && renewed);
        let list = match (running.is_some(), plan.runs, same) {
            (false, true, _) => &mut reloaded.started,
            (true, false, _) => &mut reloaded.stopped,
            (_, _, false) => &mut reloaded.changed,
            (_, _, true) => &mut reloaded.kept,
        };
        list.push(format!("server {}", server.id));
    }
    for (at, gone) in known.iter().enumerate() {
        if plans.iter().all(|plan| plan.old != Some(at)) {
            reloaded.stopped.push(format!("server {}", gone.id));
        }
    }
    reloaded
}

/// The difference for the triggers. They have no ids: those of the same name count as the same.
pub(super) fn of_triggers(known: &AllRules, triggers: &[config::Trigger]) -> Reloaded {
    let mut reloaded = Reloaded::default();
    let mut old: Vec<&config::Trigger> = known.iter().map(|rule| &rule.conf).collect();
    for trigger in triggers {
        let same = old.iter().position(|it| *it == trigger);
        let named = || old.iter().position(|it| it.name == trigger.name);
        let (list, at) = match (same, named()) {
            (Some(at), _) => (&mut reloaded.kept, Some(at)),
            (None, Some(at)) => (&mut reloaded.changed, Some(at)),
            (None, None) => (&mut reloaded.started, None),
        };
        list.push(titled(&trigger.name).into_owned());
        at.map(|at| old.remove(at));
    }
    let gone = old.iter().map(|gone| titled(&gone.name).into_owned());
    reloaded.stopped.extend(gone);
    reloaded
}
