//! `run`: the program of a trigger.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::http::read_readable_folder;
use crate::config::program::{find_program, search_path};
use crate::config::table::Table;
use crate::config::value::quoted;

use super::event::On;

/// How a trigger runs a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its absolute path.
    pub program: PathBuf,
    /// All arguments; the first is the program as it is written.
    pub argv: Vec<String>,
    /// How long a process lives.
    pub mode: Mode,
    /// What is sent back of its output; always [`Reply::Lines`] for [`Mode::Connection`].
    pub reply: Reply,
    /// How long it may take.
    pub timeout: Duration,
    /// How many processes run at once; further events wait.
    pub max_running: usize,
    /// How many events wait; further events are dropped.
    pub max_queued: usize,
    /// The folder of the files that it may name by X-Sendfile; absent: the folder that its server serves.
    pub send_file_root: Option<PathBuf>,
}

/// How long a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For one event.
    Once,
    /// As long as the connection.
    Connection,
    /// As long as the daemon, for the events of all connections.
    Worker,
}

/// What is sent back to the sender of a process's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    None,
    /// The whole output, as one message.
    Whole,
    /// Each line as a message.
    Lines,
}

const MODES: [(&str, Mode); 3] = [
    ("once", Mode::Once),
    ("connection", Mode::Connection),
    ("worker", Mode::Worker),
];

pub(super) fn read_run(table: &mut Table<'_>, on: Option<On>, timeout: Duration) -> Option<Run> {
    let argv = table.texts("run", "[\"/usr/local/bin/task\", \"--fast\"]");
    let mode = table.choice("mode", Mode::Once, &MODES);
    let reply = read_reply(table, on, mode);
    let max_running = table.count("max_running", 8, 1..=1000);
    let max_queued = table.count("max_queued", 100, 0..=100_000);
    let send_file_root = read_readable_folder(table, "send_file_root");
    if table.has("run") {
        check_mode(table, on, mode);
    }
    table.refuse_empty("run", "; allowed: a program and its arguments");
    let argv = argv?.value;
    let program = argv.first()?;
    for arg in argv.iter().filter(|arg| arg.value.contains('\0')) {
        let what = format!("run: {}; allowed: text without NUL", quoted(arg.value));
        table.refuse(arg.place, what);
    }
    let found = find_program(program.value, table.folder(), &search_path());
    let path = found.unwrap_or_else(|what| {
        let program_name = quoted(program.value);
        table.refuse(
            program.place,
            format!("run: {program_name}: {what}; allowed: a program on PATH, or the path of an executable file"),
        );
        PathBuf::new()
    });
    Some(Run {
        program: path,
        argv: argv.iter().map(|arg| arg.value.to_owned()).collect(),
        mode,
        reply,
        timeout,
        max_running,
        max_queued,
        send_file_root,
    })
}

fn check_mode(table: &Table<'_>, on: Option<On>, mode: Mode) {
    let what = match (mode, on) {
        (Mode::Connection, Some(On::HttpRequest)) => "a request is of no WebSocket connection",
        (Mode::Connection, Some(On::Disconnect)) => "the connection is over",
        _ => "",
    };
    if !what.is_empty() {
        table.refuse_keys(&["mode"], &format!("{what}; allowed: once, worker"));
    }
    if mode == Mode::Worker {
        table.refuse_keys(
            &["max_running"],
            "a worker is one process; allowed: beside another mode",
        );
    }
    if on.is_some_and(|on| on != On::HttpRequest) || mode != Mode::Once {
        table.refuse_keys(
            &["send_file_root"],
            "only an answer to a request names files; allowed: on = \"http_request\" with mode = \"once\"",
        );
    }
}

fn read_reply(table: &mut Table<'_>, on: Option<On>, mode: Mode) -> Reply {
    let choices = [
        ("none", Reply::None),
        ("whole", Reply::Whole),
        ("lines", Reply::Lines),
    ];
    let default = match mode {
        Mode::Connection => Reply::Lines,
        Mode::Once | Mode::Worker => Reply::None,
    };
    let reply = table.choice("reply", default, &choices);
    let what = match (mode, on) {
        (Mode::Connection, _) => "each line goes to the peer; allowed: lines",
        (Mode::Worker, _) => "a worker replies by sending; allowed: none",
        (Mode::Once, Some(On::HttpRequest)) => "stdout is the answer to the request; allowed: none",
        (Mode::Once, Some(On::Disconnect)) => "nobody is left to reply to; allowed: none",
        (Mode::Once, _) => return reply,
    };
    if reply != default && table.has("run") {
        table.refuse_keys(&["reply"], what);
    }
    reply
}
