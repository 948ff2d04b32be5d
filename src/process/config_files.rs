//! With whose rights the configuration, and what it names, is opened.
//!
//! Started by a plain user, everything is opened as that user. Started as root, secrets are opened as root, but only on a
//! path that root alone can change, and what is served as the user that the daemon becomes: a link of somebody else leads
//! nowhere that this somebody, or the daemon's user, could not read anyway.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::{Daemon, Fault, MAX_FILE, Purpose, open_file};
use crate::process::identity;
use crate::process::privileges::{self, Identity};
use crate::process::trusted_path::{self, Trusted};

/// A configuration file that was read.
#[derive(Debug)]
pub(crate) struct ConfigText {
    pub bytes: Vec<u8>,
    /// What is wrong with its mode, but does not keep the daemon from starting.
    pub warning: Option<Fault>,
}

/// Reads a configuration file that nobody but root, or the user who starts the daemon, has written: it says which programs
/// run, and which files are served.
///
/// # Errors
/// The system's, or that others could have written it.
pub(crate) fn read(path: &Path) -> io::Result<ConfigText> {
    let (file, warning) = if identity::is_root() {
        (trusted_path::open_file(path, Trusted::Root)?, None)
    } else {
        let file = open_file(path, Purpose::Secret)?;
        let warning = judge(&file)?;
        (file, warning)
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("longer than 16MiB"));
    }
    let warning = warning.map(|what| Fault {
        file: path.to_owned(),
        place: None,
        what,
    });
    Ok(ConfigText { bytes, warning })
}

/// What may be wrong with the configuration of a plain user.
fn judge(file: &File) -> io::Result<Option<String>> {
    let status = file.metadata()?;
    let (owner, mode) = (status.uid(), status.mode() & 0o7777);
    if mode & 0o002 != 0 {
        return Err(io::Error::other(format!(
            "everybody may write to it (mode {mode:04o}), and it says which programs run; chmod o-w mends that"
        )));
    }
    if owner != 0 && owner != identity::effective_user() {
        return Err(io::Error::other(format!(
            "it belongs to user {owner}, and it says which programs run; allowed: a file of your own, or of root"
        )));
    }
    let by_group = mode & 0o020 != 0;
    Ok(by_group.then(|| {
        format!(
            "its group may write to it (mode {mode:04o}), and it says which programs run; chmod g-w keeps that to you"
        )
    }))
}

/// How what a configuration names is opened.
#[derive(Debug)]
pub(crate) enum Opener {
    /// As the user of this process.
    Own,
    /// As root, or as the user that the daemon becomes.
    Root(Option<Identity>),
}

impl Opener {
    /// For a configuration with this `[daemon]` table.
    pub(crate) fn of(daemon: &Daemon) -> Opener {
        if identity::is_root() {
            Opener::Root(privileges::user_of(daemon))
        } else {
            Opener::Own
        }
    }

    /// Opens what the configuration names.
    ///
    /// # Errors
    /// The system's, or why it is not opened.
    pub(crate) fn open(&self, path: &Path, purpose: Purpose) -> io::Result<File> {
        match (self, purpose) {
            (Opener::Own, _) => open_file(path, purpose),
            (Opener::Root(_), Purpose::Secret) => trusted_path::open_file(path, Trusted::Root),
            (Opener::Root(Some(user)), _) => privileges::as_user(user, || open_file(path, purpose))
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("as user {}: {error}", user.name))
                }),
            (Opener::Root(None), _) => Err(io::Error::other(
                "there is no user to open it, for root does not",
            )),
        }
    }
}
