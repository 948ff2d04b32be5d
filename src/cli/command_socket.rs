//! The control socket of the daemon. It is made before privileges are dropped, if necessary with its folder, for the
//! daemon's user and group only.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cli::control::socket::{Candidate, Surroundings, check_private, default_socket};
use crate::config::Config;
use crate::engine::Bound;
use crate::process::identity;
use crate::process::privileges::{self, Identity};
use crate::process::socket_folder::SocketPlace;
use crate::process::trusted_path::Trusted;

/// Why the socket cannot be made.
#[derive(Debug)]
pub(super) enum NoSocket {
    /// Another daemon listens on it.
    AlreadyRunning(PathBuf),
    /// Another error.
    Failed(PathBuf, io::Error),
}

/// Makes the socket, and returns its path. `None`, with a warning, if it cannot be made for a daemon of a plain user whose
/// configuration names no socket: such a daemon works without.
///
/// # Errors
/// Another daemon listens on it, or a necessary socket cannot be made.
pub(super) fn make(
    config: &Config,
    identity: Option<&Identity>,
) -> Result<Option<(PathBuf, Bound)>, NoSocket> {
    let named = config.daemon.socket.clone();
    let is_needed = named.is_some() || identity.is_some();
    let candidate = match named {
        Some(path) => Candidate {
            path,
            private: false,
        },
        None => default_socket(&Surroundings::read()),
    };
    let Candidate { path, private } = candidate;
    match make_at(&path, private, identity) {
        Ok(bound) => Ok(Some((path, bound))),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(NoSocket::AlreadyRunning(path)),
        Err(error) if is_needed => Err(NoSocket::Failed(path, error)),
        Err(error) => {
            log::warn!(
                "no control socket, so commands cannot reach this daemon: {}: {error}",
                path.display()
            );
            Ok(None)
        }
    }
}

fn make_at(path: &Path, private: bool, identity: Option<&Identity>) -> io::Result<Bound> {
    let folder = path.parent().unwrap_or(Path::new(""));
    make_folder(folder, private, identity)?;
    if private {
        check_private(folder)?;
    }
    let trusted = match identity {
        Some(identity) => Trusted::RootAnd(identity.account.user),
        None => Trusted::RootAndGroup(identity::effective_user(), identity::effective_group()),
    };
    let place = SocketPlace::find(path, trusted)?;
    // unix(7): the umask gives the socket its mode when it is made, so that others can never connect.
    // SAFETY: umask takes no pointers, and no other thread makes files now.
    let before = unsafe { libc::umask(0o117) };
    let bound = Bound::unix_at(&place.path(), path);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    let bound = bound?;
    if let Some(identity) = identity {
        privileges::give_socket(&place.path(), identity)?;
    }
    Ok(bound)
}

/// Makes the folder if it does not exist, for the user that the daemon becomes, so that it can remove its socket.
fn make_folder(folder: &Path, private: bool, identity: Option<&Identity>) -> io::Result<()> {
    if folder.as_os_str().is_empty() || fs::symlink_metadata(folder).is_ok() {
        return Ok(());
    }
    let mode = if private { 0o700 } else { 0o755 };
    match DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => {}
        // Another daemon has just made it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    match identity {
        Some(identity) => privileges::give_folder(folder, identity),
        None => Ok(()),
    }
}
