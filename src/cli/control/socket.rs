//! The path of the control socket: for commands, which look for it, and for the daemon, which creates it.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::process::identity;

/// The environment variable that names the socket.
const VARIABLE: &str = "BELLWIRE_SOCKET";
const NAME: &str = "bellwire.sock";
/// The socket of the system's daemon.
const SYSTEM: &str = "/run/bellwire/bellwire.sock";

/// What the path of the socket depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// `$BELLWIRE_SOCKET`
    variable: Option<OsString>,
    /// `$XDG_RUNTIME_DIR`
    runtime_folder: Option<OsString>,
    /// The folder for temporary files.
    temporary_folder: PathBuf,
    /// The user whose rights the process has.
    user: u32,
}

/// A socket to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether its folder must belong to the user alone: see [`check_private`].
    pub(crate) private: bool,
}

impl Surroundings {
    /// Reads those of this process.
    pub(crate) fn read() -> Surroundings {
        Surroundings {
            variable: std::env::var_os(VARIABLE),
            runtime_folder: std::env::var_os("XDG_RUNTIME_DIR"),
            temporary_folder: std::env::temp_dir(),
            user: identity::effective_user(),
        }
    }

    /// The socket among the user's runtime files. By the XDG Base Directory Specification a relative path is ignored.
    fn runtime_socket(&self) -> Option<Candidate> {
        let folder = Path::new(self.runtime_folder.as_ref()?);
        folder.is_absolute().then(|| Candidate {
            path: folder.join(NAME),
            private: false,
        })
    }

    /// The socket in the folder for temporary files, where any user can create files.
    fn temporary_socket(&self) -> Candidate {
        let folder = format!("bellwire-{}", self.user);
        Candidate {
            path: self.temporary_folder.join(folder).join(NAME),
            private: true,
        }
    }
}

fn exactly(path: PathBuf) -> Candidate {
    Candidate {
        path,
        private: false,
    }
}

/// The socket of a daemon whose configuration names none.
pub(crate) fn default_socket(around: &Surroundings) -> Candidate {
    if around.user == 0 {
        exactly(SYSTEM.into())
    } else {
        around
            .runtime_socket()
            .unwrap_or_else(|| around.temporary_socket())
    }
}

/// Where a command looks for the daemon, in order. A socket that the option, the variable or the configuration names is the
/// only one, because to reach another daemon than the intended one would be worse than to reach none.
pub(crate) fn socket_candidates(
    named: Option<PathBuf>,
    configured: Option<PathBuf>,
    around: &Surroundings,
) -> Vec<Candidate> {
    let variable = around.variable.clone().filter(|value| !value.is_empty());
    if let Some(path) = named.or(variable.map(PathBuf::from)).or(configured) {
        return vec![exactly(path)];
    }
    let mut candidates = vec![default_socket(around)];
    // The daemon may have been started where there was no runtime folder.
    let own = (around.user != 0).then(|| around.temporary_socket());
    for candidate in own.into_iter().chain([exactly(SYSTEM.into())]) {
        if !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    }
    candidates
}

/// Checks that the folder belongs to the user and that no other user may enter it; else another user could create it
/// first and pose as the daemon.
pub(crate) fn check_private(folder: &Path) -> io::Result<()> {
    let metadata = folder.symlink_metadata()?;
    let own = metadata.uid() == identity::effective_user();
    if metadata.is_dir() && own && metadata.mode() & 0o077 == 0 {
        Ok(())
    } else {
        let what = "not a folder of one's own with mode 0700";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn around(user: u32, runtime: Option<&str>, variable: Option<&str>) -> Surroundings {
        Surroundings {
            variable: variable.map(OsString::from),
            runtime_folder: runtime.map(OsString::from),
            temporary_folder: "/t".into(),
            user,
        }
    }

    fn paths(named: Option<&str>, configured: Option<&str>, around: &Surroundings) -> Vec<String> {
        socket_candidates(
            named.map(PathBuf::from),
            configured.map(PathBuf::from),
            around,
        )
        .iter()
        .map(|candidate| candidate.path.display().to_string())
        .collect()
    }

    const OWN: &str = "/t/bellwire-7/bellwire.sock";

    #[test]
    fn what_is_named_is_the_only_one() {
        let all = around(7, Some("/r"), Some("/v"));
        assert_eq!(paths(Some("/n"), Some("/c"), &all), ["/n"]);
        assert_eq!(paths(None, Some("/c"), &all), ["/v"]);
        assert_eq!(
            paths(None, Some("/c"), &around(7, Some("/r"), Some(""))),
            ["/c"]
        );
    }

    #[test]
    fn defaults_are_the_users_and_then_the_systems() {
        assert_eq!(
            paths(None, None, &around(7, Some("/r"), None)),
            ["/r/bellwire.sock", OWN, SYSTEM]
        );
        assert_eq!(paths(None, None, &around(7, None, None)), [OWN, SYSTEM]);
        assert_eq!(
            paths(None, None, &around(7, Some("r"), None)),
            [OWN, SYSTEM]
        );
        assert_eq!(paths(None, None, &around(0, Some("/r"), None)), [SYSTEM]);
    }

    #[test]
    fn the_daemon_takes_the_first_of_them() {
        for (user, runtime) in [(7, Some("/r")), (7, None), (0, Some("/r"))] {
            let around = around(user, runtime, None);
            let candidates = socket_candidates(None, None, &around);
            assert_eq!(candidates.first(), Some(&default_socket(&around)));
        }
        assert!(default_socket(&around(7, None, None)).private);
    }

    #[test]
    fn a_private_folder_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let mode = |mode| {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(folder.path(), permissions).expect("a mode");
            check_private(folder.path())
        };
        assert!(mode(0o700).is_ok());
        assert!(mode(0o750).is_err());
        assert!(mode(0o701).is_err());
        assert!(mode(0o700).is_ok());
        let link = folder.path().join("link");
        symlink(folder.path(), &link).expect("a link");
        assert!(check_private(&link).is_err());
        assert!(check_private(&folder.path().join("none")).is_err());
    }
}
