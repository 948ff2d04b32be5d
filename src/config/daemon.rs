//! `[daemon]`: what is of the process and not of one server.

use std::path::{Path, PathBuf};

use crate::config::address::unix_path;
use crate::config::fault::{Faults, Placed};
use crate::config::limits::{CONNECTIONS, MIB};
use crate::config::raw::Table;
use crate::config::value::quoted;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may fail.
    Warn,
    /// And what a person wants to see of a daemon that is well.
    Info,
    /// And what each connection does.
    Debug,
    /// And what each message does.
    Trace,
}

/// The settings of the whole daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The control socket; the default depends on the user, and is not settled here.
    pub socket: Option<PathBuf>,
    /// The user to become. Whether there is one is for the system to say, not for this file.
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
    pub(super) fn read(mut table: Table<'_>, folder: &Path, faults: &mut Faults<'_>) -> Daemon {
        let default = Daemon::default();
        let levels = [
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ];
        let daemon = Daemon {
            socket: read_socket(&mut table, folder, faults),
            user: read_name("user", &mut table, faults),
            group: read_name("group", &mut table, faults),
            log: table.choice("log", default.log, &levels, faults),
            max_connections: table.count(
                "max_connections",
                default.max_connections,
                CONNECTIONS,
                faults,
            ),
            max_memory: table.size(
                "max_memory",
                default.max_memory,
                MIB..=1024 * 1024 * MIB,
                faults,
            ),
        };
        table.finish(faults);
        daemon
    }
}

fn read_socket(table: &mut Table<'_>, folder: &Path, faults: &mut Faults<'_>) -> Option<PathBuf> {
    let Placed { value, place } = table.text("socket", faults)?;
    unix_path(value, folder)
        .map_err(|what| faults.refuse(place, format!("socket: {what}; allowed: a path")))
        .ok()
}

fn read_name(
    key: &'static str,
    table: &mut Table<'_>,
    faults: &mut Faults<'_>,
) -> Option<Placed<String>> {
    let Placed { value, place } = table.text(key, faults)?;
    if value.is_empty() || value.contains('\0') {
        faults.refuse(
            place,
            format!(
                "{key}: {}; allowed: the name of a {key} of this system",
                quoted(value)
            ),
        );
        return None;
    }
    let value = value.to_owned();
    Some(Placed { value, place })
}
