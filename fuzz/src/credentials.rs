//! Any credentials come back from Basic and from a path as they were encoded, or are refused by both; and no password is
//! left in a target that was redacted.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwire::proto::http::credentials::{self, Credentials};
use bellwire::proto::http::head::{FieldTable, RequestHead};

/// `data` is a target; then, in two parts at its first LF, a name and a password.
pub fn check(data: &[u8]) {
    if let Ok(target) = str::from_utf8(data) {
        check_target(target);
    }
    if let Some(at) = data.iter().position(|&byte| byte == b'\n') {
        check_pair(&data[..at], &data[at + 1..]);
    }
}

fn check_target(target: &str) {
    let redacted = credentials::redact(target);
    assert_eq!(credentials::redact(&redacted), redacted);
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if let Ok(Some(found)) = credentials::url(path) {
        assert_eq!([found.prefix, found.rest].concat(), path);
        assert!(found.rest.is_empty() || found.rest.starts_with('/'));
        let (name, _) = found.prefix.rsplit_once('/').expect("a prefix has slashes");
        let after = &target[found.prefix.len()..];
        assert_eq!(redacted, format!("{name}/***{after}"));
    }
}

fn check_pair(name: &[u8], password: &[u8]) {
    let is = |found: Credentials| {
        found.username.as_bytes() == name && found.password.as_bytes() == password
    };
    let path = format!("/auth/{}/{}/rest", percent(name), percent(password));
    let by_url = credentials::url(&path);
    let redacted = format!("/auth/{}/***/rest", percent(name));
    assert_eq!(credentials::redact(&path), redacted);
    let by_url = by_url.map(|found| found.is_some_and(|found| is(found.credentials)));

    let value = STANDARD.encode([name, b":", password].concat());
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {value}\r\n\r\n");
    let mut table = FieldTable::new();
    let Ok(Some((head, _))) = RequestHead::decode(head.as_bytes(), &mut 0, &mut table) else {
        return;
    };
    let by_basic = credentials::basic(&head).map(|found| found.is_some_and(is));
    // A colon ends a name in Basic, and RFC 7617 §2 has no control character in a password.
    let odd = name.contains(&b':') || password.iter().any(u8::is_ascii_control);
    match (by_url, by_basic) {
        (Ok(by_url), Ok(by_basic)) => assert!(by_url && by_basic || name.contains(&b':')),
        (Err(by_url), Err(by_basic)) => assert!(by_url == by_basic || odd),
        _ => assert!(odd),
    }
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}
