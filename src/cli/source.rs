//! The configuration file: which one is read, and what the system is asked about it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::cli::accounts;
use crate::cli::certificates::Certificates;
use crate::config::{self, Client, Fault, Findings, Open, Server};
use crate::manager::Loaded;
use crate::process::config_files::{self, Opener};
use crate::process::identity;

/// The variable that names the configuration file.
const VARIABLE: &str = "BELLWIRE_CONFIG";
/// In the working folder. Not for root: a folder of another user must not configure its daemon.
const LOCAL: &str = "bellwire.toml";
const SYSTEM: &str = "/etc/bellwire/bellwire.toml";

/// The configuration file: the named one, whether or not it exists, or the first that exists.
pub(super) fn file(named: Option<PathBuf>) -> Option<PathBuf> {
    let variable = std::env::var_os(VARIABLE);
    find(named, variable, identity::is_root(), is_there)
}

/// Finds and reads the configuration and its certificates; without any file, the built-in default.
pub(super) fn load(named: Option<PathBuf>) -> Result<Loaded, Vec<Fault>> {
    let Some(file) = file(named) else {
        return Ok(Loaded::from(config::built_in()));
    };
    let text = config_files::read(&file).map_err(|error| vec![fault_of(&file, &error)])?;
    let opener = Opener::of(&config::read_daemon(&text.bytes, &file));
    let open = |path: &Path, purpose| opener.open(path, purpose);
    let mut read = Certificates::default();
    let mut config = config::read_with(&text.bytes, &file, &open, |daemon, servers, clients| {
        let (certificates, mut findings) = system_findings(servers, clients, &open, true);
        read = certificates;
        findings.refused.extend(identity::faults(daemon));
        findings
    })?;
    config.warnings.splice(0..0, text.warning);
    Ok(read.with(config))
}

/// The fault of a configuration file that cannot be read.
pub(super) fn fault_of(file: &Path, error: &io::Error) -> Fault {
    Fault {
        file: file.to_owned(),
        place: None,
        what: error.to_string(),
    }
}

/// Reads the certificates that these servers and clients name, and checks them and the users against the system.
///
/// `rights_known`: this process has the rights with which users are looked up.
pub(super) fn system_findings(
    servers: &[Server],
    clients: &[Client],
    open: Open<'_>,
    rights_known: bool,
) -> (Certificates, Findings) {
    let (certificates, mut findings) = Certificates::read(servers, clients, open);
    findings.add(accounts::findings(servers, rights_known));
    (certificates, findings)
}

/// The file to read.
fn find(
    named: Option<PathBuf>,
    variable: Option<OsString>,
    root: bool,
    is_there: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let variable = variable.filter(|value| !value.is_empty());
    if let Some(file) = named.or(variable.map(PathBuf::from)) {
        return Some(file);
    }
    let local = (!root).then_some(LOCAL);
    let mut candidates = local.into_iter().chain([SYSTEM]).map(PathBuf::from);
    candidates.find(|file| is_there(file))
}

/// Whether a file exists. If that cannot be told it counts as existing: a fault is better than another configuration.
fn is_there(file: &Path) -> bool {
    match file.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `find` with some of `-c`, `$BELLWIRE_CONFIG`, root, and the files that are there.
    fn found(
        named: Option<&str>,
        variable: Option<&str>,
        root: bool,
        there: &[&str],
    ) -> Option<String> {
        let is_there = |file: &Path| there.iter().any(|name| Path::new(name) == file);
        let file = find(
            named.map(PathBuf::from),
            variable.map(OsString::from),
            root,
            is_there,
        )?;
        Some(file.display().to_string())
    }

    #[test]
    fn the_order_of_the_search() {
        let all = [LOCAL, SYSTEM];
        assert_eq!(
            found(Some("a"), Some("b"), false, &all).as_deref(),
            Some("a")
        );
        assert_eq!(found(None, Some("b"), false, &all).as_deref(), Some("b"));
        assert_eq!(found(None, Some(""), false, &all).as_deref(), Some(LOCAL));
        assert_eq!(found(None, None, true, &all).as_deref(), Some(SYSTEM));
        assert_eq!(found(None, None, false, &[SYSTEM]).as_deref(), Some(SYSTEM));
        assert_eq!(found(None, None, true, &[LOCAL]), None);
        assert_eq!(found(None, None, false, &[]), None);
    }

    #[test]
    fn a_named_file_need_not_be_there() {
        assert_eq!(
            found(Some("a"), None, true, &[SYSTEM]).as_deref(),
            Some("a")
        );
        assert_eq!(
            found(None, Some("b"), true, &[SYSTEM]).as_deref(),
            Some("b")
        );
    }
}
