//! `[daemon]`: the settings of the process.

use std::path::PathBuf;

use crate::config::address::unix_path;
use crate::config::fault::Placed;
use crate::config::limits::{CONNECTIONS, MIB};
use crate::config::table::Table;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Also what may lead to one.
    Warn,
    /// Also what a person wants to know of a healthy daemon.
    Info,
    /// Also what each connection does.
    Debug,
    /// Also what each message does.
    Trace,
}

const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

/// The settings of the whole daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The control socket. The default depends on the user that runs the daemon, so it is not known here.
    pub socket: Option<PathBuf>,
    /// The user to become. Whether the system has this user is not checked here.
    pub user: Option<Placed<String>>,
    /// The group to become.
    pub group: Option<Placed<String>>,
    /// How much is logged.
    pub log: LogLevel,
    /// Connections of all servers at a time.
    pub max_connections: usize,
    /// Bytes of buffers, backlogs, reassembly, held requests and queues together.
    pub max_memory: u64,
}

impl Default for Daemon {
    fn default() -> Self {
        Daemon {
            socket: None,
            user: None,
            group: None,
            log: LogLevel::Info,
            max_connections: 4096,
            max_memory: 64 * MIB,
        }
    }
}

impl Daemon {
    pub(super) fn read(mut table: Table<'_>) -> Daemon {
        let default = Daemon::default();
        let folder = table.folder();
        let socket = table.parsed("socket", |path| {
            unix_path(path, folder).map_err(|what| format!("{what}; allowed: a path"))
        });
        let mut name = |key, allowed| {
            let is_name = |name: &str| !name.is_empty() && !name.contains('\0');
            table
                .checked(key, allowed, is_name)
                .map(|name| name.map(str::to_owned))
        };
        let user = name("user", "the name of a user of this system");
        let group = name("group", "the name of a group of this system");
        let memory = MIB..=1024 * 1024 * MIB;
        let daemon = Daemon {
            socket: socket.map(|socket| socket.value),
            user,
            group,
            log: table.choice("log", default.log, &LEVELS),
            max_connections: table.count("max_connections", default.max_connections, CONNECTIONS),
            max_memory: table.size("max_memory", default.max_memory, memory),
        };
        table.finish();
        daemon
    }
}
