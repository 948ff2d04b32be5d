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
        .map(|path| match root.find(path.as_bytes()) {
            Ok(Found::File(opened)) => read(Ok(opened.file)),
            Ok(Found::Folder(_)) => "folder".into(),
            Err(error) => status(&error).to_string(),
        })
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
    assert!(root.look(b"a/../d").is_ok());
    assert_eq!(status(&root.look(b"..").unwrap_err()), 404);
    assert_eq!(status(&root.look(b"a/../../x").unwrap_err()), 404);
    assert_eq!(status(&root.look(b"a\0").unwrap_err()), 404);
    let root = root.without_openat2();
    assert_eq!(status(&root.look(b"a/../d").unwrap_err()), 404);
    assert_eq!(status(&root.look(b"..").unwrap_err()), 404);
}

#[test]
fn a_path_that_leads_elsewhere_by_now_is_not_read() {
    let (folder, root) = root();
    for root in [root, Root::open(folder.path()).unwrap().without_openat2()] {
        let metadata = root.look(b"d").unwrap();
        assert_eq!(read(root.read_again(b"d", &metadata)), "d");
        let error = root.read_again(b"a/b/c", &metadata).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn a_way_holds_when_the_name_is_gone() {
    let (folder, root) = root();
    let place = File::from(root.resolve(b"d", libc::O_PATH).unwrap());
    fs::remove_file(folder.path().join("d")).unwrap();
    assert_eq!(read(File::open(way_to(&place))), "d");
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
