//! Secrets of the configuration, and whether others can read their files.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

/// A password or its hash. It is never shown, and is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether everybody on this machine may read the file; false if it does not exist.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    const READABLE_BY_OTHERS: u32 = 0o004;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.permissions().mode() & READABLE_BY_OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("psst")), "Secret(…)");
        assert_eq!(Secret::new("psst").reveal(), "psst");
    }

    #[test]
    fn who_may_read_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        assert!(!is_open_to_others(&path));
        fs::write(&path, "x").unwrap();
        for (mode, open) in [(0o600, false), (0o640, false), (0o604, true), (0o644, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(&path), open, "{mode:o}");
        }
    }
}
