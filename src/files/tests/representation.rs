//! What of a file is sent: conditionals, ranges, neighbours in a coding.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

#[test]
fn conditionals() {
    let site = site();
    let seen = site.get("/a.txt");
    let (etag, modified) = (
        seen.field("ETag").unwrap(),
        seen.field("Last-Modified").unwrap(),
    );
    for (fields, status) in [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        ("If-None-Match: \"x\"".into(), 200),
        (format!("If-Modified-Since: {modified}"), 304),
        (format!("If-Match: {etag}"), 200),
        ("If-Match: \"x\"".into(), 412),
        (
            "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT".into(),
            412,
        ),
        (format!("If-None-Match: {etag}|Range: bytes=0-0"), 304),
        ("If-Match: \"x\"|Range: bytes=0-0".into(), 412),
        ("If-Match: \"x\"|Range: bytes=99-".into(), 412),
    ] {
        assert_eq!(
            site.ask("GET", "/a.txt", &fields).status,
            status,
            "{fields}"
        );
        assert_eq!(
            site.ask("HEAD", "/a.txt", &fields).status,
            status,
            "{fields}"
        );
    }
    let seen = site.ask("GET", "/a.txt", &format!("If-None-Match: {etag}"));
    assert!(seen.body.is_empty());
    assert_eq!(seen.field("ETag"), Some(etag));
    assert_eq!(seen.field("Last-Modified"), Some(modified));
    assert_eq!(seen.field("Cache-Control"), Some("no-cache"));
    assert_eq!(seen.field("Content-Type"), None);
}

#[test]
fn a_changed_file_has_another_tag() {
    let site = site();
    let path = site.outside.path().join("site/a.txt");
    let tag = || site.get("/a.txt").field("ETag").unwrap().to_owned();
    let first = tag();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let later = modified + Duration::from_nanos(1);
    file.set_modified(later).unwrap();
    let second = tag();
    // Another file of the same size and time.
    fs::write(path.with_extension("new"), TEXT.to_uppercase()).unwrap();
    let other = fs::File::options()
        .write(true)
        .open(path.with_extension("new"))
        .unwrap();
    other.set_modified(later).unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    let third = tag();
    assert!(first != second && second != third && first != third);
}

#[test]
fn a_time_that_no_clock_should_show_is_not_sent() {
    let site = site();
    let path = site.outside.path().join("site/a.txt");
    let file = fs::File::options().write(true).open(path).unwrap();
    let hour = Duration::from_secs(3600);
    for time in [SystemTime::now() + hour, UNIX_EPOCH - hour] {
        file.set_modified(time).unwrap();
        let seen = site.get("/a.txt");
        assert_eq!((seen.status, seen.field("Last-Modified")), (200, None));
    }
}

#[test]
fn one_range() {
    let site = site();
    let seen = site.ask("GET", "/a.txt", "Range: bytes=1-3");
    assert_eq!((seen.status, seen.text()), (206, "123"));
    assert_eq!(seen.field("Content-Range"), Some("bytes 1-3/36"));
    assert_eq!(
        seen.field("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(seen.field("ETag").is_some());
    let seen = site.ask("GET", "/a.txt", "Range: bytes=-2");
    assert_eq!((seen.status, seen.text()), (206, "yz"));
    assert_eq!(seen.field("Content-Range"), Some("bytes 34-35/36"));
    let seen = site.ask("GET", "/a.txt", "Range: bytes=0-3,2-5");
    assert_eq!((seen.status, seen.text()), (206, "012345"));

    for (method, fields) in [
        ("HEAD", "Range: bytes=1-3"),
        ("GET", "Range: lines=1-3"),
        ("GET", "Range: bytes=3-1"),
        ("GET", "Range: bytes=1-3|Range: bytes=1-3"),
        ("GET", "Range: bytes=1-3|If-Range: \"x\""),
    ] {
        let seen = site.ask(method, "/a.txt", fields);
        assert_eq!((seen.status, seen.text()), (200, TEXT), "{method} {fields}");
    }
    let seen = site.get("/a.txt");
    for validator in ["ETag", "Last-Modified"] {
        let fields = format!(
            "Range: bytes=1-3|If-Range: {}",
            seen.field(validator).unwrap()
        );
        assert_eq!(site.ask("GET", "/a.txt", &fields).status, 206, "{fields}");
    }
}

#[test]
fn ranges_that_are_not_there() {
    let site = site();
    let seen = site.ask("GET", "/a.txt", "Range: bytes=36-");
    assert_eq!(
        (seen.status, seen.field("Content-Range")),
        (416, Some("bytes */36"))
    );
    assert_eq!(seen.field("ETag"), None);
    let seen = site.ask("GET", "/empty.txt", "Range: bytes=0-");
    assert_eq!(
        (seen.status, seen.field("Content-Range")),
        (416, Some("bytes */0"))
    );
    assert_eq!(site.ask("GET", "/empty.txt", "Range: bytes=-1").status, 200);
}

#[test]
fn several_ranges() {
    let site = site();
    let seen = site.ask("GET", "/a.txt", "Range: bytes=0-1, 10-12, -1");
    assert_eq!((seen.status, seen.field("Content-Range")), (206, None));
    let content_type = seen.field("Content-Type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert_eq!(boundary.len(), 16);
    let part = |range: &str, text: &str| {
        format!(
            "--{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Range: bytes {range}/36\r\n\
             \r\n\
             {text}\r\n"
        )
    };
    let parts = [part("0-1", "01"), part("10-12", "abc"), part("35-35", "z")];
    assert_eq!(seen.text(), format!("{}--{boundary}--\r\n", parts.concat()));
}

#[test]
fn neighbours() {
    let site = site();
    for (target, accept, body, coding) in [
        ("/z.css", "", "plain", None),
        ("/z.css", "Accept-Encoding: identity", "plain", None),
        ("/z.css", "Accept-Encoding: gzip", "gzipped", Some("gzip")),
        ("/z.css", "Accept-Encoding: gzip, br", "brotli", Some("br")),
        (
            "/z.css",
            "Accept-Encoding: gzip, br;q=0",
            "gzipped",
            Some("gzip"),
        ),
        ("/y.js", "", "plain", None),
        ("/y.js", "Accept-Encoding: br", "plain", None),
        (
            "/y.js",
            "Accept-Encoding: br, gzip",
            "gzipped",
            Some("gzip"),
        ),
    ] {
        let seen = site.ask("GET", target, accept);
        assert_eq!((seen.status, seen.text()), (200, body), "{target} {accept}");
        assert_eq!(seen.field("Content-Encoding"), coding);
        assert_eq!(seen.field("Vary"), Some("Accept-Encoding"));
        assert!(seen.field("Content-Type").unwrap().starts_with("text/"));
    }
    let tag = |accept: &str| {
        let seen = site.ask("GET", "/z.css", accept);
        seen.field("ETag").unwrap().to_owned()
    };
    let (plain, gzip) = (tag(""), tag("Accept-Encoding: gzip"));
    assert_ne!(plain, gzip);
    let fields = format!("Accept-Encoding: gzip|If-None-Match: {gzip}");
    let seen = site.ask("GET", "/z.css", &fields);
    assert_eq!(
        (seen.status, seen.field("Vary")),
        (304, Some("Accept-Encoding"))
    );
    assert_eq!(seen.field("Content-Encoding"), None);
    let fields = format!("Accept-Encoding: gzip|If-None-Match: {plain}");
    assert_eq!(site.ask("GET", "/z.css", &fields).status, 200);
    let seen = site.ask("GET", "/z.css", "Accept-Encoding: gzip|Range: bytes=0-2");
    assert_eq!((seen.status, seen.text()), (206, "gzi"));
    assert_eq!(seen.field("Content-Encoding"), Some("gzip"));

    // Asked for by its own name it is a file like others.
    let seen = site.ask("GET", "/z.css.gz", "Accept-Encoding: gzip");
    assert_eq!(seen.field("Content-Type"), Some("application/gzip"));
    assert_eq!(
        (seen.field("Content-Encoding"), seen.field("Vary")),
        (None, None)
    );
}

#[test]
fn only_a_regular_file_within_is_a_neighbour() {
    let site = site();
    let root = site.outside.path().join("site");
    fs::create_dir(root.join("a.txt.br")).unwrap();
    symlink("../secret.txt", root.join("a.txt.gz")).unwrap();
    let seen = site.ask("GET", "/a.txt", "Accept-Encoding: br, gzip");
    assert_eq!((seen.text(), seen.field("Vary")), (TEXT, None));
}

#[test]
fn a_file_that_is_replaced_is_sent_as_it_was_opened() {
    let site = site();
    let path = site.outside.path().join("site/large.txt");
    let large = TEXT.repeat(1000);
    fs::write(&path, &large).unwrap();
    let text = "GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut table = FieldTable::new();
    let (head, _) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table)
        .unwrap()
        .unwrap();
    let FileBody::File { file, .. } = answer(&site.folder, &head, "").body else {
        panic!("not a file");
    };
    fs::write(path.with_extension("new"), "other").unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    let mut body = String::new();
    (&*file).read_to_string(&mut body).unwrap();
    assert!(body == large);
    assert_eq!(site.get("/large.txt").text(), "other");
}
