//! The tests of other owners need root, who alone can give files away; what a plain user can try is tried as one.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;
use crate::process::identity;

/// Somebody else.
const OTHER: u32 = 12_345;

fn trusted() -> Trusted {
    Trusted::RootAnd(identity::effective_user())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// `a/b/file`, all of which is trusted.
fn folders() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("file"), "text").unwrap();
    for path in ["a", "a/b", "a/b/file"] {
        mode(&folder.path().join(path), 0o755);
    }
    folder
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    open_file(path, trusted())
        .and_then(|mut file| file.read_to_string(&mut text))
        .map(|_| text)
        .map_err(|error| error.to_string())
}

#[test]
fn a_path_that_nobody_else_can_change_is_opened() {
    let folder = folders();
    let at = |path: &str| folder.path().join(path);
    assert_eq!(read(&at("a/b/file")), Ok("text".to_owned()));
    assert_eq!(read(&at("a/./b/../b//file")), Ok("text".to_owned()));
    assert!(open_folder(&at("a/b"), trusted()).is_ok());
    // As certbot's are: live/name/key.pem leads to ../../archive/name/key1.pem.
    fs::create_dir(at("live")).unwrap();
    symlink("../a/b/file", at("live/relative")).unwrap();
    symlink(at("a/b/file"), at("live/absolute")).unwrap();
    symlink("a/b", at("folder")).unwrap();
    for path in [
        "live/relative",
        "live/absolute",
        "folder/file",
        "folder/../b/file",
    ] {
        assert_eq!(read(&at(path)), Ok("text".to_owned()), "{path}");
    }
}

#[test]
fn every_part_that_others_can_write_is_named() {
    for part in ["a", "a/b", "a/b/file"] {
        for bits in [0o775, 0o757] {
            let folder = folders();
            let path = folder.path().join(part);
            mode(&path, bits);
            let error = read(&folder.path().join("a/b/file")).unwrap_err();
            let expected = format!("{}: others than its owner", path.display());
            assert!(error.starts_with(&expected), "{error}");
        }
    }
    // In a sticky folder others cannot replace what is not theirs.
    let folder = folders();
    mode(&folder.path().join("a"), 0o1777);
    assert_eq!(read(&folder.path().join("a/b/file")), Ok("text".to_owned()));
}

#[test]
fn a_part_that_belongs_to_another_is_refused() {
    if !identity::is_root() {
        return;
    }
    for part in ["a", "a/b", "a/b/file"] {
        let folder = folders();
        let path = folder.path().join(part);
        chown(&path, Some(OTHER), None).unwrap();
        let file = folder.path().join("a/b/file");
        let error = read(&file).unwrap_err();
        let expected = format!("{}: it belongs to user {OTHER}", path.display());
        assert!(error.starts_with(&expected), "{error}");
        assert!(open_file(&file, Trusted::RootAnd(OTHER)).is_ok());
    }
}

#[test]
fn links_of_others_and_into_folders_of_others_are_not_followed() {
    if !identity::is_root() {
        return;
    }
    let folder = folders();
    let at = |path: &str| folder.path().join(path);
    mode(&at("a"), 0o1777);
    symlink("b/file", at("a/link")).unwrap();
    assert!(read(&at("a/link")).is_ok());
    std::os::unix::fs::lchown(at("a/link"), Some(OTHER), None).unwrap();
    assert!(
        read(&at("a/link"))
            .unwrap_err()
            .contains("a/link: it belongs to")
    );
    fs::create_dir(at("theirs")).unwrap();
    fs::copy(at("a/b/file"), at("theirs/file")).unwrap();
    chown(at("theirs"), Some(OTHER), None).unwrap();
    symlink("../../theirs/file", at("a/b/link")).unwrap();
    assert!(
        read(&at("a/b/link"))
            .unwrap_err()
            .contains("theirs: it belongs to")
    );
}

#[test]
fn only_regular_files_are_opened_and_nothing_is_waited_for() {
    let folder = folders();
    let at = |path: &str| folder.path().join(path);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    mode(&at("socket"), 0o600);
    let fifo = CString::new(at("fifo").into_os_string().into_vec()).unwrap();
    // SAFETY: the name ends in NUL.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    symlink("/dev/null", at("device")).unwrap();
    for path in ["a/b", "fifo", "socket", "device"] {
        assert_eq!(read(&at(path)), Err("not a file".to_owned()), "{path}");
    }
    symlink("loop", at("loop")).unwrap();
    for path in ["none", "a/b/file/x", "loop"] {
        assert!(read(&at(path)).is_err(), "{path}");
    }
    assert!(open_folder(&at("a/b/file"), trusted()).is_err());
}
