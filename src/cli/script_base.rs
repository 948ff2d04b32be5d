//! What all scripts have in common: variables of the daemon's environment, its control socket, its descriptor limit.

use std::path::PathBuf;

use crate::config::search_path;
use crate::manager::ScriptBase;
use crate::process::identity;

/// What the scripts of this process have in common. To be called after it has become the user that it runs as. `socket`
/// is its control socket, `descriptors` the soft limit of descriptors that it was started with.
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
