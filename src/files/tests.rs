//! Requests to a folder that has everything in it, and a secret beside it.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use proptest::prelude::*;
use tempfile::TempDir;

use super::cache::Lookup;
use super::open::DiskAccess;
use super::*;
use crate::conn::deadline::Tick;
use crate::proto::http::date;
use crate::proto::http::head::{FieldTable, RequestHead};

mod representation;

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// A folder, and the temporary one that it and the secret are in.
struct Site {
    outside: TempDir,
    folder: ServedFolder,
    cache: RefCell<Cache>,
}

fn settings() -> Settings {
    Settings {
        default_document: "index.html".into(),
        listing: false,
        dotfiles: false,
        cache_control: "no-cache".into(),
    }
}

fn site_with(settings: Settings) -> Site {
    let outside = TempDir::new().unwrap();
    let at = |name: &str| outside.path().join(name);
    for folder in [
        "secrets",
        "site",
        "site/sub",
        "site/bare",
        "site/bare/index.html",
        "site/.well-known",
    ] {
        fs::create_dir(at(folder)).unwrap();
    }
    for (name, text) in [
        ("secret.txt", "SECRET"),
        ("secrets/secret.txt", "SECRET"),
        ("site/index.html", "root index"),
        ("site/a.txt", TEXT),
        ("site/empty.txt", ""),
        ("site/sub/index.html", "sub index"),
        ("site/bare/x.txt", "x"),
        ("site/.hidden", "hidden"),
        ("site/.well-known/acme", "acme"),
        ("site/.well-known/.hidden", "hidden"),
        ("site/z.css", "plain"),
        ("site/z.css.br", "brotli"),
        ("site/z.css.gz", "gzipped"),
        ("site/y.js", "plain"),
        ("site/y.js.gz", "gzipped"),
        ("site/a b&c.html", "odd"),
    ] {
        fs::write(at(name), text).unwrap();
    }
    for (link, to) in [
        ("inside", "a.txt"),
        ("around", "sub/../bare/../a.txt"),
        ("subs", "sub"),
        ("out", "../secret.txt"),
        ("outs", "../secrets"),
        ("up", ".."),
        ("through", "../site/a.txt"),
        ("twice", "out"),
        ("circle", "circle"),
        ("nowhere", "missing"),
        ("proc", "/proc/self/root"),
    ] {
        symlink(to, at("site").join(link)).unwrap();
    }
    symlink(at("secret.txt"), at("site/absolute")).unwrap();
    symlink(at("site/a.txt"), at("site/absolute-inside")).unwrap();
    let fifo = CString::new(at("site/fifo").as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends with a NUL, and the call reads it.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    drop(UnixListener::bind(at("site/socket")).unwrap());
    let folder = ServedFolder::open(&at("site"), settings).unwrap();
    Site {
        outside,
        folder,
        cache: RefCell::default(),
    }
}

fn site() -> Site {
    site_with(settings())
}

/// An answer, its body read.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(cache, _)| *cache == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl From<FileAnswer> for Seen {
    fn from(answer: FileAnswer) -> Self {
        let body = match answer.body {
            FileBody::Bytes(bytes) => bytes,
            FileBody::Content(content) => content.to_vec(),
            FileBody::File {
                file,
                segments,
                length,
            } => {
                let mut body = Vec::new();
                for segment in segments {
                    match segment {
                        Segment::Bytes(bytes) => body.extend_from_slice(&bytes),
                        Segment::Range { start, len } => {
                            assert!(len > 0);
                            let mut bytes = vec![0; len as usize];
                            file.read_exact_at(&mut bytes, start).unwrap();
                            body.extend_from_slice(&bytes);
                        }
                    }
                }
                assert_eq!(body.len() as u64, length);
                body
            }
        };
        Self {
            status: answer.status,
            fields: answer.fields,
            body,
        }
    }
}

/// The answer of a lookup that may wait for the disk.
fn answer(folder: &ServedFolder, head: &RequestHead<'_>, prefix: &str) -> FileAnswer {
    let mut cache = Cache::default();
    let mut lookup = Lookup::new(DiskAccess::MayWait, &mut cache, Tick::default());
    let answer = folder.lookup(head, prefix, &mut lookup);
    answer.unwrap_or_else(|error| FileAnswer::page(open::status(&error)))
}

impl Site {
    /// Asks with fields that are separated by `|`.
    fn ask(&self, method: &str, target: &str, fields: &str) -> Seen {
        self.ask_behind("", method, target, fields)
    }

    fn ask_behind(&self, prefix: &str, method: &str, target: &str, fields: &str) -> Seen {
        let fields: String = fields
            .split('|')
            .filter(|field| !field.is_empty())
            .map(|field| format!("{field}\r\n"))
            .collect();
        let text = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut table = FieldTable::new();
        let (head, _) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table)
            .unwrap()
            .unwrap();
        let seen: Seen = answer(&self.folder, &head, prefix).into();
        // Without waiting, and with what is remembered from before, the same.
        let mut cache = self.cache.borrow_mut();
        for _ in 0..2 {
            let now = self
                .folder
                .answer_now(&head, prefix, &mut cache, Tick(5000));
            if let Some(now) = now {
                assert_eq!(Seen::from(now), seen, "{text}");
            }
        }
        seen
    }

    fn get(&self, target: &str) -> Seen {
        self.ask("GET", target, "")
    }

    fn without_openat2(mut self) -> Self {
        self.folder.root = self.folder.root.without_openat2();
        self
    }
}

#[test]
fn a_file() {
    let site = site();
    let seen = site.get("/a.txt?x=y");
    assert_eq!((seen.status, seen.text()), (200, TEXT));
    for (name, value) in [
        ("Content-Type", Some("text/plain; charset=utf-8")),
        ("Accept-Ranges", Some("bytes")),
        ("Cache-Control", Some("no-cache")),
        ("X-Content-Type-Options", Some("nosniff")),
        ("Vary", None),
        ("Content-Encoding", None),
        ("Content-Range", None),
        ("Location", None),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    let etag = seen.field("ETag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert!(date::parse(seen.field("Last-Modified").unwrap().as_bytes()).is_some());
    assert_eq!(site.ask("HEAD", "/a.txt", "").fields, seen.fields);
    assert_eq!(site.get("http://a/a.txt").text(), TEXT);
    assert_eq!(site.get("/empty.txt").status, 200);
    assert_eq!(site.get("/a%20b&c.html").text(), "odd");
}

#[test]
fn statuses() {
    let site = site();
    for (target, status) in [
        ("/", 200),
        ("/sub/", 200),
        ("/sub", 301),
        ("/bare/", 404),
        ("/missing", 404),
        ("/missing/", 404),
        ("/a.txt/", 404),
        ("/a.txt/b", 404),
        ("/.hidden", 404),
        ("/.well-known/acme", 200),
        ("/.well-known/.hidden", 404),
        ("/sub/.well-known", 404),
        ("/fifo", 404),
        ("/socket", 404),
        ("/inside", 200),
        ("/around", 200),
        ("/subs/", 200),
        ("/subs/index.html", 200),
        ("/out", 404),
        ("/outs", 404),
        ("/outs/", 404),
        ("/outs/secret.txt", 404),
        ("/up/secret.txt", 404),
        ("/through", 404),
        ("/twice", 404),
        ("/circle", 404),
        ("/nowhere", 404),
        ("/absolute", 404),
        ("/absolute-inside", 404),
        ("/proc/etc/passwd", 404),
        ("/..", 400),
        ("/../secret.txt", 400),
        ("/sub/../../secret.txt", 400),
        ("/..%2fsecret.txt", 404),
        ("/%00", 400),
        ("/%zz", 400),
        ("/sub/../a.txt", 200),
        ("//a.txt", 200),
    ] {
        assert_eq!(site.get(target).status, status, "{target}");
    }
    let long = format!("/{}", "x".repeat(300));
    assert_eq!(site.get(&long).status, 404);
    let longer = "/x".repeat(3000);
    assert_eq!(site.get(&longer).status, 404);
    assert_eq!(site.get("/missing").field("Content-Type"), Some(mime::HTML));
    assert_eq!(site.ask("OPTIONS", "*", "").status, 400);
}

#[test]
fn dotfiles_when_they_are_wanted() {
    let site = site_with(Settings {
        dotfiles: true,
        ..settings()
    });
    assert_eq!(site.get("/.hidden").text(), "hidden");
    assert_eq!(site.get("/.well-known/.hidden").text(), "hidden");
}

#[test]
fn redirects_keep_the_query() {
    let site = site();
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub?", "/sub/?"),
        ("/sub?a=b/c?d", "/sub/?a=b/c?d"),
        ("//sub", "/sub/"),
        ("/%73ub", "/sub/"),
        ("/.well-known", "/.well-known/"),
        ("/subs", "/subs/"),
    ] {
        let seen = site.get(target);
        assert_eq!(
            (seen.status, seen.field("Location")),
            (301, Some(location)),
            "{target}"
        );
        assert!(seen.body.is_empty());
    }
    fs::create_dir(site.outside.path().join("site/a b")).unwrap();
    assert_eq!(site.get("/a%20b").field("Location"), Some("/a%20b/"));
}

#[test]
fn a_prefix_is_not_of_the_folder() {
    let site = site();
    let ask = |target: &str| site.ask_behind("/auth/x/y%2F", "GET", target, "");
    assert_eq!(ask("/auth/x/y%2F/a.txt").text(), TEXT);
    assert_eq!(ask("/auth/x/y%2F/").text(), "root index");
    assert_eq!(
        ask("/auth/x/y%2F?q").field("Location"),
        Some("/auth/x/y%2F/?q")
    );
    assert_eq!(
        ask("/auth/x/y%2F/sub?q").field("Location"),
        Some("/auth/x/y%2F/sub/?q")
    );
    assert_eq!(ask("/auth/x/y%2F/../a.txt").status, 400);
    assert_eq!(ask("/auth/x/y%2Fa.txt").status, 404);
    assert_eq!(ask("/sub").field("Location"), Some("/sub/"));
}

#[test]
fn default_documents() {
    let site = site_with(Settings {
        default_document: "x.txt".into(),
        listing: true,
        ..settings()
    });
    let seen = site.get("/bare/");
    assert_eq!(seen.text(), "x");
    assert_eq!(
        seen.field("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    let seen = site.get("/sub/");
    assert_eq!(seen.field("Content-Type"), Some(mime::HTML));
    assert_eq!(seen.field("Cache-Control"), Some("no-cache"));
    assert!(
        seen.text().contains("<a href=\"./index.html\">"),
        "{}",
        seen.text()
    );
    assert_eq!(site.get("/missing/").status, 404);
    assert_eq!(site.get("/a.txt/").status, 404);
    assert_eq!(site.get("/outs/").status, 404);
    for default_document in ["../secret.txt", "..", "/etc/passwd", "a\0", "out", ""] {
        let site = site_with(Settings {
            default_document: default_document.into(),
            ..settings()
        });
        assert_eq!(site.get("/").status, 404, "{default_document:?}");
    }
}

#[test]
fn what_must_not_be_read_is_forbidden() {
    let site = site();
    let path = site.outside.path().join("site/a.txt");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    // Nothing is forbidden to root.
    let expected = if fs::File::open(&path).is_ok() {
        200
    } else {
        403
    };
    assert_eq!(site.get("/a.txt").status, expected);
}

#[test]
fn without_openat2_no_link_is_followed() {
    let site = site().without_openat2();
    for (target, status) in [
        ("/", 200),
        ("/sub", 301),
        ("/sub/", 200),
        ("/sub/index.html", 200),
        ("/a.txt/", 404),
        ("/a.txt/b", 404),
        ("/inside", 404),
        ("/subs/index.html", 404),
        ("/out", 404),
        ("/outs/secret.txt", 404),
        ("/up/secret.txt", 404),
        ("/absolute", 404),
        ("/fifo", 404),
        ("/socket", 404),
    ] {
        assert_eq!(site.get(target).status, status, "{target}");
    }
    let site = site_with(Settings {
        default_document: "../secret.txt".into(),
        ..settings()
    });
    assert_eq!(site.without_openat2().get("/sub/").status, 404);
}

#[test]
fn a_folder_that_is_none_cannot_be_opened() {
    let site = site();
    for name in ["missing", "site/a.txt"] {
        assert!(ServedFolder::open(&site.outside.path().join(name), settings()).is_err());
    }
}

/// Segments that try to leave, in all spellings, among such that exist.
fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&[
        "..",
        ".",
        "",
        "%2e%2e",
        ".%2E",
        "%2e",
        "%252e%252e",
        "..%2f",
        "%2f",
        "..%5c",
        "..\\",
        "..;",
        "..%00",
        "%c0%ae%c0%ae",
        "..%c0%af",
        "%uff0e%uff0e",
        "...",
        "secret.txt",
        "secrets",
        "site",
        "sub",
        "bare",
        "up",
        "out",
        "outs",
        "twice",
        "through",
        "absolute",
        "proc",
        "self",
        "cwd",
        "subs",
        "etc",
        "passwd",
        "index.html",
        ".hidden",
    ] as &[_])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_path_leaves_the_folder(
        paths in prop::collection::vec(prop::collection::vec(segment(), 1..8), 64),
        listing: bool,
        by_kernel: bool,
    ) {
        let mut site = site_with(Settings { listing, ..settings() });
        if !by_kernel {
            site = site.without_openat2();
        }
        for path in paths {
            let target = format!("/{}", path.join("/"));
            let seen = site.ask("GET", &target, "Accept-Encoding: br, gzip");
            let body = String::from_utf8_lossy(&seen.body);
            prop_assert!(!body.contains("SECRET") && !body.contains("root:"), "{}", target);
            prop_assert!(!body.contains("secret") && !body.contains("hidden"), "{}: {}", target, body);
            prop_assert!([200, 301, 400, 404].contains(&seen.status), "{}: {}", target, seen.status);
            if let Some(location) = seen.field("Location") {
                prop_assert!(location.starts_with('/') && !location.starts_with("//"), "{}", location);
            }
        }
    }
}
