//! Pages that list folders.

use std::ffi::OsStr;
use std::os::unix::fs::symlink;

use super::*;

fn list(names: &[&[u8]]) -> String {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("root");
    fs::create_dir(&folder).unwrap();
    fs::write(outside.path().join("secret"), "").unwrap();
    for name in names {
        match name.strip_suffix(b"/") {
            Some(name) => fs::create_dir(folder.join(OsStr::from_bytes(name))).unwrap(),
            None => fs::write(folder.join(OsStr::from_bytes(name)), "x").unwrap(),
        }
    }
    symlink("../secret", folder.join("out")).unwrap();
    symlink("nowhere", folder.join("broken")).unwrap();
    symlink(".", folder.join("circle")).unwrap();
    let root = Root::open(&folder).unwrap();
    page(&root, b"", &|path| !path.starts_with(b".")).unwrap()
}

/// What the links of a page lead to.
fn links(page: &str) -> Vec<&str> {
    page.split("<a href=\"")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0)
        .collect()
}

#[test]
fn folders_first_then_by_name() {
    let page = list(&[b"b", b"A", b"z/", b"C/", b"c", b".hidden", b"x\\y"]);
    assert_eq!(
        links(&page),
        ["./C/", "./circle/", "./z/", "./A", "./b", "./c"]
    );
}

#[test]
fn names_are_escaped() {
    let page = list(&[b"<script>alert('&\")", b"javascript:x", b"\xff\r\n %"]);
    assert_eq!(
        links(&page),
        [
            "./circle/",
            "./%3Cscript%3Ealert(&#39;&amp;%22)",
            "./javascript:x",
            "./%FF%0D%0A%20%25",
        ]
    );
    assert!(!page.contains("<script"));
    assert!(
        page.contains(">&lt;script&gt;alert(&#39;&amp;&quot;)</a>"),
        "{page}"
    );
}

#[test]
fn paths_are_escaped_and_lead_up() {
    let page = render(b"a<b>&/\xff/", &[], true);
    assert!(
        page.contains("<h1>/a&lt;b&gt;&amp;/\u{fffd}/</h1>"),
        "{page}"
    );
    assert_eq!(links(&page), ["../"]);
    assert_eq!(links(&render(b"", &[], true)), [""; 0]);
}

#[test]
fn there_is_an_end_to_it() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..=MAX_ENTRIES {
        fs::write(folder.path().join(number.to_string()), "").unwrap();
    }
    let root = Root::open(folder.path()).unwrap();
    let all = page(&root, b"", &|_| true).unwrap();
    assert_eq!(links(&all).len(), MAX_ENTRIES);
    assert!(all.contains("more than these 10000"));
    fs::remove_file(folder.path().join("0")).unwrap();
    let all = page(&root, b"", &|_| true).unwrap();
    assert_eq!(links(&all).len(), MAX_ENTRIES);
    assert!(!all.contains("more than"));
}

#[test]
fn what_is_no_folder_has_no_page() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "").unwrap();
    let root = Root::open(folder.path()).unwrap();
    for path in [b"a" as &[u8], b"a/", b"b/"] {
        assert!(page(&root, path, &|_| true).is_err());
    }
}

#[test]
fn sizes() {
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1_048_575, "1023.9 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (u64::MAX, "15.9 EiB"),
    ] {
        assert_eq!(size(bytes), text);
    }
}

#[test]
fn dates() {
    assert_eq!(changed(784_111_777), "06 Nov 1994 08:49");
}
