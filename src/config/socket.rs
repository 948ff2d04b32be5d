//! The path of the control socket, for commands. They read nothing else, for the file may have faults, and its user may
//! not be allowed to read the other files that it names.

use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::config::address::unix_path;
use crate::config::document::{MAX_FILE, Purpose, open_file};
use crate::config::fault::Fault;

/// The `socket` of `[daemon]`, if the file gives a valid one.
///
/// # Errors
/// When the file cannot be read.
pub fn control_socket(file: &Path) -> Result<Option<PathBuf>, Fault> {
    let mut bytes = Vec::new();
    let read = open_file(file, Purpose::Secret)
        .and_then(|text| text.take(MAX_FILE).read_to_end(&mut bytes));
    read.map_err(|error| Fault {
        file: file.to_owned(),
        place: None,
        what: error.to_string(),
    })?;
    Ok(socket_of(&String::from_utf8_lossy(&bytes), file))
}

fn socket_of(text: &str, file: &Path) -> Option<PathBuf> {
    let (document, _) = DeTable::parse_recoverable(text);
    let daemon = document.get_ref().get("daemon")?.get_ref().as_table()?;
    let socket = daemon.get("socket")?.get_ref().as_str()?;
    unix_path(socket, file.parent().unwrap_or(Path::new(""))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_among_faults() {
        let socket = |text| socket_of(text, Path::new("/etc/b.toml"));
        for text in [
            "[daemon]\nsocket = \"s\"\n",
            "[[server]]\ncolour = 1\n[daemon]\nsocket = \"/etc/s\"\nlgo = 1\n",
            "daemon.socket = \"./../etc/s\"\n[server\n",
        ] {
            assert!(
                socket(text).is_some_and(|path| path.ends_with("etc/s")),
                "{text}"
            );
        }
        for text in [
            "",
            "daemon = 1",
            "[daemon]\nsocket = 1",
            "[daemon]\nsocket = \"\"",
        ] {
            assert_eq!(socket(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_fault() {
        let fault = control_socket(Path::new("/no/such/file")).expect_err("no file");
        assert!(fault.to_string().starts_with("/no/such/file: "));
    }
}
