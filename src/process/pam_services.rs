//! The PAM services that the system has (pam.conf(5)): each is a file.

use std::fs::File;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Where PAM looks for the file of a service.
pub(crate) fn folders() -> Vec<PathBuf> {
    // With pam_wrapper, which tests run under, PAM looks here.
    let wrapper = std::env::var_os("PAM_WRAPPER_SERVICE_DIR")
        .filter(|_| std::env::var_os("PAM_WRAPPER").is_some_and(|on| on == "1"));
    match wrapper {
        Some(folder) => vec![PathBuf::from(folder)],
        None => FOLDERS.map(PathBuf::from).to_vec(),
    }
}

/// Whether one of the folders has a file for this service. Without one PAM would use the service `other`, which may let
/// anybody in.
pub(crate) fn exists(service: &str, folders: &[PathBuf]) -> bool {
    // pam_start looks for the name in lower case, and only for what follows its last slash.
    let name = service.to_ascii_lowercase();
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    let opens = |folder: &PathBuf| opens(&folder.join(&name));
    is_plain && folders.iter().any(opens)
}

fn opens(path: &Path) -> bool {
    let file = File::open(path);
    file.and_then(|file| file.metadata())
        .is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_service_is_a_file_by_its_name_in_lower_case() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        fs::write(folder.path().join("bellwire"), "").unwrap();
        fs::write(folder.path().join("Mixed"), "").unwrap();
        let folders = [empty, folder.path().to_owned()];
        assert!(exists("bellwire", &folders));
        assert!(exists("BellWire", &folders));
        for other in [
            "",
            ".",
            "..",
            "other",
            "empty",
            "Mixed",
            "empty/../bellwire",
            "/etc/passwd",
            "bellwire\0",
        ] {
            assert!(!exists(other, &folders), "{other:?}");
        }
    }
}
