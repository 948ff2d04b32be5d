//! Opening by itself: what the site's tests cannot reach.

use std::fs;
use std::io::Read;

use super::*;

fn root() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    fs::write(folder.path().join("a/b/c"), "c").unwrap();
    fs::write(folder.path().join("d"), "d").unwrap();
    let root = Root::open(folder.path()).unwrap();
    (folder, root)
}

fn read(opened: io::Result<File>) -> String {
    let mut text = String::new();
    opened.unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn both_ways_lead_to_the_same() {
    let (_folder, root) = root();
    let kinds = |root: &Root| -> Vec<_> {
        [
            "", ".", "a", "a/", "a/b/", "a/b/c", "d", "e", "d/", "d/e", "a/e", "/d", "//a",
        ]
        .map(
            |path| match root.find(path.as_bytes(), DiskAccess::MayWait) {
                Ok(Resolved::File(_)) => {
                    let opened = root.read(path.as_bytes(), DiskAccess::MayWait);
                    read(opened.map(|opened| opened.file))
                }
                Ok(Resolved::Folder(_)) => "folder".into(),
                Err(error) => status(&error).to_string(),
            },
        )
        .into()
    };
    let expected = [
        "folder", "folder", "folder", "folder", "folder", "c", "d", "404", "404", "404", "404",
    ];
    assert_eq!(kinds(&root)[..11], expected);
    assert_eq!(
        kinds(&root)[11..],
        ["404", "404"],
        "absolute paths lead out"
    );
    assert_eq!(kinds(&root.without_openat2())[..8], expected[..8]);
}

#[test]
fn dots_do_not_lead_out() {
    let (_folder, root) = root();
    assert!(root.metadata(b"a/../d").is_ok());
    assert_eq!(status(&root.metadata(b"..").unwrap_err()), 404);
    assert_eq!(status(&root.metadata(b"a/../../x").unwrap_err()), 404);
    assert_eq!(status(&root.metadata(b"a\0").unwrap_err()), 404);
    let root = root.without_openat2();
    assert_eq!(status(&root.metadata(b"a/../d").unwrap_err()), 404);
    assert_eq!(status(&root.metadata(b"..").unwrap_err()), 404);
}

#[test]
fn only_a_regular_file_is_read() {
    let (folder, root) = root();
    let fifo = CString::new(format!("{}/fifo", folder.path().display())).unwrap();
    // SAFETY: the path ends with a NUL, and the call reads it.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    for root in [root, Root::open(folder.path()).unwrap().without_openat2()] {
        assert_eq!(
            read(
                root.read(b"d", DiskAccess::MayWait)
                    .map(|opened| opened.file)
            ),
            "d"
        );
        // As if it had taken a file's place just now: nothing waits for a writer.
        for path in [b"fifo" as &[u8], b"a"] {
            let error = root.read(path, DiskAccess::MayWait).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }
}

#[test]
fn what_was_just_looked_at_is_found_without_waiting() {
    let (_folder, root) = root();
    for path in [b"d" as &[u8], b"a/b/c", b"a"] {
        root.find(path, DiskAccess::MayWait).unwrap();
        match root.find(path, DiskAccess::InMemory) {
            Ok(_) => {}
            // A file system that keeps no names in memory; the answer is to wait.
            Err(error) => assert!(is_cold(&error, DiskAccess::InMemory), "{error}"),
        }
    }
    let error = root.find(b"e", DiskAccess::MayWait).unwrap_err();
    assert!(!is_cold(&error, DiskAccess::MayWait) && status(&error) == 404);
}

#[test]
fn a_way_holds_when_the_name_is_gone() {
    let (folder, root) = root();
    let place = File::from(
        root.resolve(b"d", libc::O_PATH, DiskAccess::MayWait)
            .unwrap(),
    );
    fs::remove_file(folder.path().join("d")).unwrap();
    assert_eq!(read(File::open(path_of(&place))), "d");
}

#[test]
fn statuses() {
    for (code, expected) in [
        (libc::ENOENT, 404),
        (libc::ENOTDIR, 404),
        (libc::ELOOP, 404),
        (libc::EXDEV, 404),
        (libc::ENAMETOOLONG, 404),
        (libc::EACCES, 403),
        (libc::EMFILE, 503),
        (libc::ENFILE, 503),
        (libc::EIO, 500),
    ] {
        assert_eq!(status(&io::Error::from_raw_os_error(code)), expected);
    }
}
