//! How a trigger runs a program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::fault::{Faults, Placed};
use crate::config::program::{find_program, search_path};
use crate::config::raw::Table;
use crate::config::value::quoted;

use super::event::On;

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

const MODES: [(&str, Mode); 3] = [
    ("once", Mode::Once),
    ("connection", Mode::Connection),
    ("worker", Mode::Worker),
];

const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

pub(super) fn read_run(
    table: &mut Table<'_>,
    on: Option<On>,
    timeout: Duration,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Option<Run> {
    let argv = table.texts("run", "[\"/usr/local/bin/task\", \"--fast\"]", faults);
    let mode = table.choice("mode", Mode::Once, &MODES, faults);
    let reply = read_reply(table, on, mode, faults);
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

pub(super) fn read_timeout(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Duration {
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
    if reply != default && table.has("run") {
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
