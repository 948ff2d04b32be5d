//! `[[trigger]]`: an action on events of servers and clients.
//!
//! Keys that make no sense together are refused, never ignored: a trigger must not do less than it says.

mod event;
mod run;

use std::time::Duration;

use crate::config::id::Id;
use crate::config::limits::TIMEOUT;
use crate::config::server::read_name;
use crate::config::table::Table;
use crate::config::value::quoted;

pub use event::{How, Match, On, Paths};
pub use run::{Mode, Reply, Run};

use event::{read_match, read_methods, read_on, read_path};
use run::read_run;

/// One trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// For people, logs and processes; need not be unique.
    pub name: String,
    /// The kind of event.
    pub on: On,
    /// The servers and clients whose events match; all when empty.
    pub from: Vec<Id>,
    /// Which messages; `Any` for other events.
    pub match_: Match,
    /// The methods (RFC 9110 §9) of requests that match; GET, HEAD and POST when empty.
    pub methods: Vec<String>,
    /// The paths of requests that match.
    pub path: Paths,
    /// Whether later triggers, and the server itself, see the event too.
    pub continue_: bool,
    /// The action.
    pub action: Action,
}

/// The action of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Runs a program.
    Run(Run),
    /// Sends the message as it is to a client's peer, or to every connection of a server.
    Forward(Id),
    /// Sends this text back to the sender.
    Send(String),
    /// Publishes a request as an event, to be answered by a command.
    Hold {
        /// After this time the answer is 504.
        timeout: Duration,
    },
}

/// The ids that triggers may name.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownIds {
    pub(super) servers: Vec<Id>,
    pub(super) clients: Vec<Id>,
}

impl Trigger {
    /// Reads the `ordinal`th trigger of the file, counted from 1. `None` when it has a fault that leaves its event or
    /// action unknown.
    pub(super) fn read(mut table: Table<'_>, ordinal: usize, known: &KnownIds) -> Option<Trigger> {
        let name = read_name(&mut table).unwrap_or_else(|| format!("trigger {ordinal}"));
        let on = read_on(&mut table);
        let from = read_from(&mut table, on, known);
        let match_ = read_match(&mut table, on);
        let methods = read_methods(&mut table);
        let path = read_path(&mut table);
        if on.is_some_and(|on| on != On::HttpRequest) {
            table.refuse_keys(
                &["methods", "path"],
                "only a request has one; allowed: on = \"http_request\"",
            );
        }
        let continue_ = read_continue(&mut table, on);
        let action = read_action(&mut table, on, known);
        table.finish();
        Some(Trigger {
            name,
            on: on?,
            from,
            match_,
            methods,
            path,
            continue_,
            action: action?,
        })
    }
}

fn read_from(table: &mut Table<'_>, on: Option<On>, known: &KnownIds) -> Vec<Id> {
    let mut from: Vec<Id> = Vec::new();
    table.parsed_list("from", "[\"WS_SERVER_1\"]", |text| {
        let id = known.find(text)?;
        if on == Some(On::HttpRequest) && known.clients.contains(&id) {
            return Err(format!(
                "{id} is a client, which gets no requests; allowed: servers"
            ));
        }
        if from.contains(&id) {
            return Err(format!("{id} is there already; allowed: each once"));
        }
        from.push(id);
        Ok(())
    });
    table.refuse_empty("from", "; allowed: ids, or no from for all");
    from
}

impl KnownIds {
    /// The id as its server or client has it. The error says which there are.
    fn find(&self, text: &str) -> Result<Id, String> {
        let all = || self.servers.iter().chain(&self.clients);
        let found = Id::new(text).and_then(|id| all().find(|known| **known == id));
        found.cloned().ok_or_else(|| {
            let ids: Vec<&str> = all().map(Id::as_str).collect();
            let allowed = match ids.join(", ") {
                ids if ids.is_empty() => "the id of a server or client".to_owned(),
                ids => ids,
            };
            format!("invalid WS server ID {}; allowed: {allowed}", quoted(text))
        })
    }
}

fn read_continue(table: &mut Table<'_>, on: Option<On>) -> bool {
    let flag = table.flag_or("continue", false);
    if flag && on == Some(On::HttpRequest) {
        table.refuse_keys(
            &["continue"],
            "true, but a request has one answer; allowed: false for on = \"http_request\"",
        );
    }
    flag
}

/// The keys of which each is an action.
const ACTIONS: [&str; 4] = ["run", "forward", "send", "hold"];

/// The keys that only `run` has.
const RUN_ONLY: [&str; 5] = [
    "mode",
    "reply",
    "max_running",
    "max_queued",
    "send_file_root",
];

fn read_action(table: &mut Table<'_>, on: Option<On>, known: &KnownIds) -> Option<Action> {
    let timeout = table.duration("timeout", Duration::from_secs(30), TIMEOUT);
    let run = read_run(table, on, timeout);
    let forward = table.parsed("forward", |text| known.find(text));
    let send = table.text("send");
    let hold = table.flag("hold");
    let given: Vec<&str> = ACTIONS.into_iter().filter(|key| table.has(key)).collect();
    let Some((first, others)) = given.split_first() else {
        table.misplaced(
            table.place(),
            "run, forward, send and hold are missing in [[trigger]]; allowed: exactly one of them",
        );
        return None;
    };
    let beside = format!("beside {first}; allowed: exactly one of run, forward, send and hold");
    table.refuse_keys(others, &beside);
    let belongs = |action: &str| format!("of no use with {first}; allowed: beside {action}");
    if *first != "run" {
        table.refuse_keys(&RUN_ONLY, &belongs("run"));
        if *first != "hold" {
            table.refuse_keys(&["timeout"], &belongs("run or hold"));
        }
    }
    check_event(table, first, on);
    match *first {
        "run" => run.map(Action::Run),
        "forward" => forward.map(|id| Action::Forward(id.value)),
        "send" => send.map(|text| Action::Send(text.value.to_owned())),
        _ => {
            if !hold?.value {
                table.refuse_keys(&["hold"], "false; allowed: true, or another action");
            }
            Some(Action::Hold { timeout })
        }
    }
}

/// Refuses an action that its event cannot have.
fn check_event(table: &Table<'_>, action: &str, on: Option<On>) {
    let what = match (action, on) {
        ("forward", Some(On::HttpRequest | On::Connect | On::Disconnect)) => {
            "only a message can be forwarded; allowed: on = \"message\""
        }
        ("send", Some(On::HttpRequest)) => {
            "a message, and not the answer to a request; allowed: run or hold"
        }
        ("send", Some(On::Disconnect)) => "nobody is left to send to; allowed: run",
        ("hold", Some(On::Message | On::Connect | On::Disconnect)) => {
            "only a request is held; allowed: on = \"http_request\""
        }
        _ => return,
    };
    table.refuse_keys(&[action], what);
}
