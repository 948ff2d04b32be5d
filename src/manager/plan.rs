//! What a reload would do: servers of another configuration held against those that there are.

use crate::config;

use super::definition::Definition;
use super::trigger::AllRules;
use crate::rpc::Reloaded;

/// What becomes of a server of the other configuration; they are in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// The place of the one of the same id that there is.
    pub old: Option<usize>,
    /// That one is defined just the same.
    pub same: bool,
    /// It is to run. One that is the same stays as it is, whatever the file says: a command may have said otherwise.
    pub runs: bool,
}

/// Compares.
pub(super) fn plan(known: &[Definition], servers: &[config::Server]) -> Vec<Planned> {
    let planned = |server: &config::Server| {
        let old = known.iter().position(|it| it.conf.id == server.id);
        let was = old.and_then(|at| known.get(at));
        let same = was.is_some_and(|was| was.conf == *server);
        let running = was.is_some_and(|was| was.running.is_some());
        Planned {
            old,
            same,
            runs: if same { running } else { server.active },
        }
    };
    servers.iter().map(planned).collect()
}

/// The same for people: what starts and stops is told as that, whatever else changes about it. Beside each plan stands
/// what the certificates of the server would be known by: other ones may be in the files that it names.
pub(super) fn compare(
    known: &[Definition],
    plans: &[Planned],
    certificates: &[Option<u64>],
    servers: &[config::Server],
) -> Reloaded {
    let mut reloaded = Reloaded::default();
    for ((plan, certificates), server) in plans.iter().zip(certificates).zip(servers) {
        let running = plan.old.and_then(|at| known.get(at)?.running.as_ref());
        let ran = running.is_some();
        let renewed = running.is_some_and(|running| running.certificates != *certificates);
        let same = plan.same && !(plan.runs && renewed);
        let list = match (ran, plan.runs, same) {
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

/// What becomes of triggers. They have no ids: those of the same name are taken for the same.
pub(super) fn compare_triggers(known: &AllRules, triggers: &[config::Trigger]) -> Reloaded {
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
        list.push(format!("trigger {}", trigger.name));
        at.map(|at| old.remove(at));
    }
    let gone = old.iter().map(|gone| format!("trigger {}", gone.name));
    reloaded.stopped.extend(gone);
    reloaded
}
