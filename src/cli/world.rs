//! The surroundings of the processes that triggers run.

use crate::config::{Config, search_path};
use crate::manager::World;

use super::control::socket::{Surroundings, default_socket};
use super::identity;

/// Those of a daemon that has become the user it runs as. `descriptors` is the soft limit that it was started with.
pub(super) fn of(config: &Config, descriptors: Option<u64>) -> World {
    let lang = std::env::var_os("LANG").filter(|lang| !lang.is_empty());
    let socket = config.daemon.socket.clone();
    let socket = socket.unwrap_or_else(|| default_socket(&Surroundings::read()).path);
    World {
        path: search_path(),
        home: identity::home().map_or("/".into(), Into::into),
        lang: lang.unwrap_or_else(|| "C.UTF-8".into()),
        socket: Some(std::path::absolute(&socket).unwrap_or(socket)),
        descriptors,
    }
}
