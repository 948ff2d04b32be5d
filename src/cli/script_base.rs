//! The environment that all scripts share: variables of the daemon's own environment, its socket, its descriptor limit.

use std::path::PathBuf;

use crate::config::search_path;
use crate::manager::ScriptBase;
use crate::process::identity;

/// Call it when the daemon runs as its final user. `socket` is its control socket, `descriptors` the soft limit that it was
/// started with.
pub(super) fn of(socket: Option<PathBuf>, descriptors: Option<u64>) -> ScriptBase {
    let lang = std::env::var_os("LANG").filter(|lang| !lang.is_empty());
    ScriptBase {
        path: search_path(),
        home: identity::home().map_or("/".into(), Into::into),
        lang: lang.unwrap_or_else(|| "C.UTF-8".into()),
        socket: socket.map(|path| std::path::absolute(&path).unwrap_or(path)),
        descriptors,
    }
}
