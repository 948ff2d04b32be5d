//! `[[trigger]]`: on this event, from this server or client, if it matches, do this.
//!
//! What makes no sense together is refused, never ignored: a trigger that does less than it says is worse than none.

mod event;
mod run;

use std::path::Path;
use std::time::Duration;

use crate::config::fault::{Faults, Placed};
use crate::config::id::Id;
use crate::config::raw::Table;
use crate::config::value::quoted;

pub use event::{How, Match, On, Paths};
pub use run::{Mode, Reply, Run};

use event::{read_match, read_methods, read_on, read_path};
use run::{read_run, read_timeout};

/// One trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// For people, logs and processes; need not be unique.
    pub name: String,
    /// The event that it waits for.
    pub on: On,
    /// Whose events; all when empty.
    pub from: Vec<Id>,
    /// Which messages; `Any` for other events.
    pub match_: Match,
    /// Of which methods (RFC 9110 §9) a request must be; all when empty.
    pub methods: Vec<String>,
    /// Which paths a request must be for.
    pub path: Paths,
    /// Whether later triggers, and the server itself, see the event too.
    pub continue_: bool,
    /// What it does.
    pub action: Action,
}

/// What a trigger does.
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
        /// Without an answer by then it is 504.
        timeout: Duration,
    },
}

/// The ids that triggers may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) servers: Vec<Id>,
    pub(super) clients: Vec<Id>,
}

impl Trigger {
    /// Reads the `ordinal`th trigger of the file, counted from 1; `None` when it has a fault without which nothing can be
    /// said about the rest.
    pub(super) fn read(
        mut table: Table<'_>,
        ordinal: usize,
        known: &Known,
        folder: &Path,
        faults: &mut Faults<'_>,
    ) -> Option<Trigger> {
        let name = read_name(&mut table, ordinal, faults);
        let on = read_on(&mut table, faults);
        let from = read_from(&mut table, on, known, faults);
        let match_ = read_match(&mut table, on, faults);
        let methods = read_methods(&mut table, faults);
        let path = read_path(&mut table, faults);
        if on.is_some_and(|on| on != On::HttpRequest) {
            table.refuse(
                &["methods", "path"],
                "only a request has one; allowed: on = \"http_request\"",
                faults,
            );
        }
        let continue_ = read_continue(&mut table, on, faults);
        let action = read_action(&mut table, on, known, folder, faults);
        table.finish(faults);
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

fn read_name(table: &mut Table<'_>, ordinal: usize, faults: &mut Faults<'_>) -> String {
    let Some(Placed { value, place }) = table.text("name", faults) else {
        return format!("trigger {ordinal}");
    };
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        faults.refuse(
            place,
            format!("name: {}; allowed: one line of text", quoted(value)),
        );
    }
    value.to_owned()
}

fn read_from(
    table: &mut Table<'_>,
    on: Option<On>,
    known: &Known,
    faults: &mut Faults<'_>,
) -> Vec<Id> {
    let Some(texts) = table.texts("from", "[\"WS_SERVER_1\"]", faults) else {
        return Vec::new();
    };
    if texts.value.is_empty() {
        faults.refuse(
            texts.place,
            "from: an empty list; allowed: ids, or no from for all",
        );
    }
    let mut from: Vec<Id> = Vec::new();
    for text in texts.value {
        let Some(id) = find_id("from", &text, known, faults) else {
            continue;
        };
        if on == Some(On::HttpRequest) && known.clients.contains(&id) {
            faults.refuse(
                text.place,
                format!("from: {id} is a client, which gets no requests; allowed: servers"),
            );
        } else if from.contains(&id) {
            faults.refuse(
                text.place,
                format!("from: {id} is there already; allowed: each once"),
            );
        }
        from.push(id);
    }
    from
}

fn find_id(key: &str, text: &Placed<&str>, known: &Known, faults: &mut Faults<'_>) -> Option<Id> {
    let all = || known.servers.iter().chain(&known.clients);
    let found = Id::new(text.value).and_then(|id| all().find(|known| **known == id));
    if found.is_none() {
        let ids: Vec<&str> = all().map(Id::as_str).collect();
        let allowed = match ids.join(", ") {
            ids if ids.is_empty() => "the id of a server or client".to_owned(),
            ids => ids,
        };
        faults.refuse(
            text.place,
            format!(
                "{key}: invalid WS server ID {}; allowed: {allowed}",
                quoted(text.value)
            ),
        );
    }
    found.cloned()
}

fn read_continue(table: &mut Table<'_>, on: Option<On>, faults: &mut Faults<'_>) -> bool {
    let Some(Placed { value, place }) = table.flag("continue", faults) else {
        return false;
    };
    if value && on == Some(On::HttpRequest) {
        faults.refuse(
            place,
            "continue: true, but a request has one answer; allowed: false for on = \"http_request\"",
        );
    }
    value
}

/// The keys that say what to do.
const ACTIONS: [&str; 4] = ["run", "forward", "send", "hold"];

/// The keys that say how to run.
const RUN_ONLY: [&str; 5] = [
    "mode",
    "reply",
    "max_running",
    "max_queued",
    "send_file_root",
];

fn read_action(
    table: &mut Table<'_>,
    on: Option<On>,
    known: &Known,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Option<Action> {
    let timeout = read_timeout(table, faults);
    let run = read_run(table, on, timeout, folder, faults);
    let forward = table.text("forward", faults);
    let forward = forward.and_then(|text| find_id("forward", &text, known, faults));
    let send = table.text("send", faults);
    let hold = table.flag("hold", faults);
    let given: Vec<&'static str> = ACTIONS.into_iter().filter(|key| table.has(key)).collect();
    let Some((first, others)) = given.split_first() else {
        faults.misplaced(
            table.place(),
            "run, forward, send and hold are missing in [[trigger]]; allowed: exactly one of them",
        );
        return None;
    };
    let beside = format!("beside {first}; allowed: exactly one of run, forward, send and hold");
    table.refuse(others, &beside, faults);
    let belongs = |action: &str| format!("of no use with {first}; allowed: beside {action}");
    if *first != "run" {
        table.refuse(&RUN_ONLY, &belongs("run"), faults);
        if *first != "hold" {
            table.refuse(&["timeout"], &belongs("run or hold"), faults);
        }
    }
    check_event(table, first, on, faults);
    match *first {
        "run" => run.map(Action::Run),
        "forward" => forward.map(Action::Forward),
        "send" => send.map(|text| Action::Send(text.value.to_owned())),
        _ => {
            let Placed { value, place } = hold?;
            if !value {
                faults.refuse(place, "hold: false; allowed: true, or another action");
            }
            Some(Action::Hold { timeout })
        }
    }
}

/// Not every action goes with every event.
fn check_event(table: &Table<'_>, action: &'static str, on: Option<On>, faults: &mut Faults<'_>) {
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
    table.refuse(&[action], what, faults);
}
