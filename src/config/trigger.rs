//! `[[trigger]]`: on this event, from this server or client, if it matches, do this.
//!
//! What makes no sense together is refused, never ignored: a trigger that does less than it says is worse than none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::fault::{Faults, Placed};
use crate::config::id::Id;
use crate::config::program::{find_program, search_path};
use crate::config::raw::Table;
use crate::config::value::{is_token, quoted};

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

/// An event that triggers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A message from a WebSocket peer.
    Message,
    /// An HTTP request that is no upgrade.
    HttpRequest,
    /// A WebSocket connection was opened.
    Connect,
    /// A WebSocket connection has ended.
    Disconnect,
}

/// Which messages match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// How the message is compared.
    pub how: How,
    /// With what; empty only for [`How::Any`].
    pub string: String,
    /// Whether letters of the other case are others.
    pub case_sensitive: bool,
}

/// How a message is compared with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is not.
    Any,
    /// The message begins with the string.
    StartsWith,
    /// The string is in the message.
    Contains,
    /// They are the same.
    Exact,
}

/// Which decoded paths match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Every one.
    Any,
    /// This one. Without the slash that it begins with.
    Exact(String),
    /// Those that begin so. Without the slash that they begin with.
    Prefix(String),
}

impl Paths {
    /// Whether a path matches, as [`path::decode`](crate::proto::http::path::decode) gives it: without the slash that it
    /// begins with.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Paths::Any => true,
            Paths::Exact(exact) => path == exact.as_bytes(),
            Paths::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
        }
    }
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

/// How a trigger runs a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it was found; absolute.
    pub program: PathBuf,
    /// All arguments, the first of which is the program as it is written.
    pub argv: Vec<String>,
    /// How long a process lives.
    pub mode: Mode,
    /// What of its stdout goes back to the sender: [`Reply::Lines`] always for [`Mode::Connection`].
    pub reply: Reply,
    /// How long it may take.
    pub timeout: Duration,
    /// More events than this wait.
    pub max_running: usize,
    /// More waiting events than this are dropped.
    pub max_queued: usize,
    /// The folder of files that it may name by X-Sendfile; its server's when absent.
    pub send_file_root: Option<PathBuf>,
}

/// How long a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For one event.
    Once,
    /// As long as the connection.
    Connection,
    /// As long as the daemon; shared by all.
    Worker,
}

/// What of a process's stdout goes back to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    None,
    /// All of it, as one message.
    Whole,
    /// Each line, as it comes.
    Lines,
}

/// The ids that triggers may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) servers: Vec<Id>,
    pub(super) clients: Vec<Id>,
}

const EVENTS: [(&str, On); 4] = [
    ("message", On::Message),
    ("http_request", On::HttpRequest),
    ("connect", On::Connect),
    ("disconnect", On::Disconnect),
];

const MODES: [(&str, Mode); 3] = [
    ("once", Mode::Once),
    ("connection", Mode::Connection),
    ("worker", Mode::Worker),
];

const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

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

fn read_on(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<On> {
    if !table.has("on") {
        faults.misplaced(
            table.place(),
            "on is missing in [[trigger]]; allowed: message, http_request, connect, disconnect",
        );
    }
    let choices = EVENTS.map(|(name, on)| (name, Some(on)));
    table.choice("on", None, &choices, faults)
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

fn read_match(table: &mut Table<'_>, on: Option<On>, faults: &mut Faults<'_>) -> Match {
    let choices = [
        ("any", How::Any),
        ("starts_with", How::StartsWith),
        ("contains", How::Contains),
        ("exact", How::Exact),
    ];
    let how = table.choice("match", How::Any, &choices, faults);
    let string = table.text("string", faults);
    let case_sensitive = table.flag("case_sensitive", faults);
    match (&string, how) {
        _ if on.is_some_and(|on| on != On::Message) => table.refuse(
            &["match", "string", "case_sensitive"],
            "only a message is compared; allowed: on = \"message\"",
            faults,
        ),
        // A word that is none of the four was refused above.
        (Some(_), How::Any) if !table.has("match") || table.is_text("match", "any") => table.refuse(
            &["string"],
            "not compared, for match is \"any\"; allowed: beside match = \"starts_with\", \"contains\" or \"exact\"",
            faults,
        ),
        (Some(string), _) if string.value.is_empty() => faults.refuse(
            string.place,
            "string: \"\"; allowed: at least one character",
        ),
        (None, How::StartsWith | How::Contains | How::Exact) if !table.has("string") => {
            let place = table.place_of("match", faults).unwrap_or(table.place());
            faults.misplaced(place, "string is missing; match needs string, what to compare with");
        }
        _ => {}
    }
    Match {
        how,
        string: string.map_or("", |string| string.value).to_owned(),
        case_sensitive: case_sensitive.is_none_or(|flag| flag.value),
    }
}

fn read_methods(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Vec<String> {
    let Some(texts) = table.texts("methods", "[\"GET\", \"POST\"]", faults) else {
        return Vec::new();
    };
    if texts.value.is_empty() {
        faults.refuse(
            texts.place,
            "methods: an empty list; allowed: methods, or no methods for all",
        );
    }
    let mut methods = Vec::new();
    for Placed { value, place } in texts.value {
        // RFC 9110 §9.1: methods are case-sensitive, and those that are registered are in upper case.
        if !is_token(value) || value.bytes().any(|byte| byte.is_ascii_lowercase()) {
            faults.refuse(
                place,
                format!(
                    "methods: {}; allowed: methods in upper case, such as \"GET\"",
                    quoted(value)
                ),
            );
        }
        methods.push(value.to_owned());
    }
    methods
}

fn read_path(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Paths {
    let Some(Placed { value, place }) = table.text("path", faults) else {
        return Paths::Any;
    };
    let (path, is_prefix) = match value.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (value, false),
    };
    let Some(path) = path.strip_prefix('/') else {
        faults.refuse(
            place,
            format!(
                "path: {}; allowed: a path that begins with \"/\"",
                quoted(value)
            ),
        );
        return Paths::Any;
    };
    if path.contains('*') {
        faults.refuse(
            place,
            format!("path: {}; allowed: one \"*\", at the end", quoted(value)),
        );
    }
    if !is_decoded(path, is_prefix) {
        faults.refuse(
            place,
            format!(
                "path: {} is no path that is ever compared; allowed: decoded paths, without \"//\", \".\", \"..\", \"\\\", \"?\" or \"#\"",
                quoted(value)
            ),
        );
    }
    if is_prefix {
        Paths::Prefix(path.to_owned())
    } else {
        Paths::Exact(path.to_owned())
    }
}

/// Whether some request's path decodes to this, or to what begins so. A question mark could be in one (`%3F`), but is
/// far more likely meant for a query.
fn is_decoded(path: &str, is_prefix: bool) -> bool {
    let mut segments: Vec<&str> = path.split('/').collect();
    // The last is empty behind a slash, and may be the beginning of any name in a prefix.
    let last = segments.pop().unwrap_or_default();
    let is_dots = |segment: &str| segment == "." || segment == "..";
    let is_bad = |segment: &&str| segment.is_empty() || is_dots(segment);
    !path.contains(['\0', '\\', '?', '#'])
        && !segments.iter().any(is_bad)
        && (is_prefix || !is_dots(last))
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
    let run = read_run(table, on, folder, faults);
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
            let timeout = read_timeout(table, faults);
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

fn read_run(
    table: &mut Table<'_>,
    on: Option<On>,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Option<Run> {
    let argv = table.texts("run", "[\"/usr/local/bin/task\", \"--fast\"]", faults);
    let mode = table.choice("mode", Mode::Once, &MODES, faults);
    let reply = read_reply(table, on, mode, faults);
    let timeout = read_timeout(table, faults);
    let max_running = table.count("max_running", 8, 1..=1000, faults);
    let max_queued = table.count("max_queued", 100, 0..=100_000, faults);
    let send_file_root = read_send_file_root(table, folder, faults);
    if table.has("run") {
        check_mode(table, on, mode, faults);
    }
    let argv = argv?;
    let Some(program) = argv.value.first() else {
        faults.refuse(
            argv.place,
            "run: an empty list; allowed: a program and its arguments",
        );
        return None;
    };
    for arg in argv.value.iter().filter(|arg| arg.value.contains('\0')) {
        let what = format!("run: {}; allowed: text without NUL", quoted(arg.value));
        faults.refuse(arg.place, what);
    }
    let found = find_program(program.value, folder, &search_path());
    let program = found.unwrap_or_else(|what| {
        let named = quoted(program.value);
        faults.refuse(
            program.place,
            format!("run: {named}: {what}; allowed: a program on PATH, or the path of an executable file"),
        );
        PathBuf::new()
    });
    let argv = argv.value.iter().map(|arg| arg.value.to_owned()).collect();
    Some(Run {
        program,
        argv,
        mode,
        reply,
        timeout,
        max_running,
        max_queued,
        send_file_root,
    })
}

fn read_timeout(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Duration {
    table.duration("timeout", Duration::from_secs(30), TIMEOUTS, faults)
}

fn check_mode(table: &Table<'_>, on: Option<On>, mode: Mode, faults: &mut Faults<'_>) {
    let what = match (mode, on) {
        (Mode::Connection, Some(On::HttpRequest)) => "a request is of no WebSocket connection",
        (Mode::Connection, Some(On::Disconnect)) => "the connection is over",
        _ => "",
    };
    if !what.is_empty() {
        table.refuse(&["mode"], &format!("{what}; allowed: once, worker"), faults);
    }
    if mode == Mode::Worker {
        table.refuse(
            &["max_running"],
            "a worker is one process; allowed: beside another mode",
            faults,
        );
    }
    if on.is_some_and(|on| on != On::HttpRequest) || mode != Mode::Once {
        table.refuse(
            &["send_file_root"],
            "only an answer to a request names files; allowed: on = \"http_request\" with mode = \"once\"",
            faults,
        );
    }
}

fn read_reply(table: &mut Table<'_>, on: Option<On>, mode: Mode, faults: &mut Faults<'_>) -> Reply {
    let choices = [
        ("none", Reply::None),
        ("whole", Reply::Whole),
        ("lines", Reply::Lines),
    ];
    let default = match mode {
        Mode::Connection => Reply::Lines,
        Mode::Once | Mode::Worker => Reply::None,
    };
    let reply = table.choice("reply", default, &choices, faults);
    let what = match (mode, on) {
        (Mode::Connection, _) => "each line goes to the peer; allowed: lines",
        (Mode::Worker, _) => "a worker replies by sending; allowed: none",
        (Mode::Once, Some(On::HttpRequest)) => "stdout is the answer to the request; allowed: none",
        (Mode::Once, Some(On::Disconnect)) => "nobody is left to reply to; allowed: none",
        (Mode::Once, _) => return reply,
    };
    if reply != default {
        table.refuse(&["reply"], what, faults);
    }
    reply
}

fn read_send_file_root(
    table: &mut Table<'_>,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Option<PathBuf> {
    let Placed { value, place } = table.text("send_file_root", faults)?;
    let path = folder.join(value);
    if let Err(error) = std::fs::read_dir(&path) {
        let what = format!(
            "send_file_root: {}: {error}; allowed: a readable folder",
            path.display()
        );
        faults.refuse(place, what);
    }
    Some(path)
}
