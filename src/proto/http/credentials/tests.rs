//! Credentials that are right, malformed or missing, and targets before and after redaction.

use base64::Engine;
use proptest::prelude::*;

use super::super::head::FieldTable;
use super::*;

/// What `basic` says to a request with these Authorization fields.
fn basic_of(fields: &[&str]) -> Result<Option<(String, String)>, Error> {
    let fields: String = fields
        .iter()
        .map(|value| format!("Authorization: {value}\r\n"))
        .collect();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut table = FieldTable::new();
    let (head, _) = RequestHead::decode(head.as_bytes(), &mut 0, &mut table)
        .expect("a head")
        .expect("whole");
    Ok(basic(&head)?.map(shown))
}

fn shown(credentials: Credentials) -> (String, String) {
    let password = String::from_utf8(credentials.password.as_bytes().to_vec());
    (credentials.username, password.expect("UTF-8"))
}

fn pair(username: &str, password: &str) -> (String, String) {
    (username.to_owned(), password.to_owned())
}

fn encoded(user_pass: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode(user_pass))
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 7617 §2 and §2.1
    assert_eq!(
        basic_of(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]),
        Ok(Some(pair("Aladdin", "open sesame")))
    );
    assert_eq!(
        basic_of(&["Basic dGVzdDoxMjPCow=="]),
        Ok(Some(pair("test", "123£")))
    );
}

#[test]
fn basic_credentials() {
    for (user_pass, username, password) in [
        ("a:b:c", "a", "b:c"),
        (":", "", ""),
        ("a:", "a", ""),
        (":b", "", "b"),
        ("a b:ü=", "a b", "ü="),
    ] {
        let value = encoded(user_pass.as_bytes());
        let expected = Ok(Some(pair(username, password)));
        assert_eq!(basic_of(&[&value]), expected, "{user_pass}");
        let other = value.replace("Basic ", "bASIC   ");
        assert_eq!(basic_of(&[&other]), expected, "{other}");
    }
}

#[test]
fn missing_is_not_malformed() {
    assert_eq!(basic_of(&[]), Ok(None));
    for other in ["Bearer abc", "Digest username=\"a\"", "Basically YTpi", ""] {
        assert_eq!(basic_of(&[other]), Ok(None), "{other}");
    }
}

#[test]
fn malformed_basic_credentials() {
    for value in [
        "Basic",
        "Basic YTpi=",
        "Basic YTp",
        "Basic Y Tpi",
        "Basic Y-pi",
    ] {
        let error = basic_of(&[value]).expect_err(value);
        let empty = value == "Basic";
        let expected = if empty { Error::Colon } else { Error::Encoding };
        assert_eq!(error, expected, "{value}");
    }
    for (user_pass, error) in [
        (b"ab".as_slice(), Error::Colon),
        (b"a\xff:b", Error::Utf8),
        (b"a:\xff", Error::Utf8),
        (b"a\n:b", Error::Control),
        ("a\u{85}:b".as_bytes(), Error::Control),
        (b"a:b\0c", Error::Control),
        (b"a:b\tc", Error::Control),
    ] {
        assert_eq!(basic_of(&[&encoded(user_pass)]), Err(error));
    }
    assert_eq!(
        basic_of(&["Basic YTpi", "Basic YTpi"]),
        Err(Error::Repeated)
    );
}

#[test]
fn credentials_in_a_path() {
    for (path, username, password, prefix, rest) in [
        ("/auth/u/p", "u", "p", "/auth/u/p", ""),
        ("/auth/u/p/", "u", "p", "/auth/u/p", "/"),
        ("/auth/u/p/a/b", "u", "p", "/auth/u/p", "/a/b"),
        ("/auth/u/", "u", "", "/auth/u/", ""),
        ("/auth/u//a", "u", "", "/auth/u/", "/a"),
        ("/auth//p//", "", "p", "/auth//p", "//"),
        (
            "/auth/a%20b/%C3%BC%2F%25+:",
            "a b",
            "ü/%+:",
            "/auth/a%20b/%C3%BC%2F%25+:",
            "",
        ),
        ("/auth/u/%2e%2e/x", "u", "..", "/auth/u/%2e%2e", "/x"),
        ("/auth/u/a%0Ab", "u", "a\nb", "/auth/u/a%0Ab", ""),
    ] {
        let found = url(path).expect(path).expect(path);
        assert_eq!((found.prefix, found.rest), (prefix, rest), "{path}");
        assert_eq!(shown(found.credentials), pair(username, password), "{path}");
    }
    for path in [
        "/",
        "/auth",
        "/auth/",
        "/auth/u",
        "/authx/u/p",
        "/Auth/u/p",
        "/a/auth/u/p",
        "",
    ] {
        assert!(url(path).expect(path).is_none(), "{path}");
    }
}

#[test]
fn malformed_credentials_in_a_path() {
    for (path, error) in [
        ("/auth/u/%", Error::Encoding),
        ("/auth/%2/p", Error::Encoding),
        ("/auth/u/%zz/x", Error::Encoding),
        ("/auth/u/%+1", Error::Encoding),
        ("/auth/u/%ff", Error::Utf8),
        ("/auth/%C3/p", Error::Utf8),
        ("/auth/u%0A/p", Error::Control),
        ("/auth/u/p%00", Error::Control),
    ] {
        assert_eq!(url(path).expect_err(path), error, "{path}");
    }
}

#[test]
fn challenges_are_quoted() {
    for (realm, quoted) in [
        ("bellwire", "bellwire"),
        ("a \"b\" \\", "a \\\"b\\\" \\\\"),
        ("a\r\nX: b\0", "aX: b"),
        ("tür", "tür"),
    ] {
        let expected = format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"");
        assert_eq!(challenge(realm), expected);
    }
}

#[test]
fn redacted_fields() {
    for (name, value, expected) in [
        (
            "Referer",
            &b"http://h/auth/a/secret/x"[..],
            &b"http://h/auth/a/***/x"[..],
        ),
        ("REFERER", b"http://h/auth/a/s\xffx", b"http://h/auth/a/***"),
        ("Referer", b"http://h/\xff", b"http://h/\xff"),
        ("X-Path", b"/auth/a/b", b"/auth/a/b"),
    ] {
        assert_eq!(&*redact_field(name, value), expected);
    }
}

#[test]
fn redacted_targets() {
    for (target, expected) in [
        ("/auth/alice/secret", "/auth/alice/***"),
        (
            "/auth/alice/secret/rest?q=/auth/b/c",
            "/auth/alice/***/rest?q=/auth/b/c",
        ),
        ("/auth/alice/", "/auth/alice/***"),
        ("/auth/alice//rest", "/auth/alice/***/rest"),
        ("/auth/alice/secret?x", "/auth/alice/***?x"),
        ("/auth/alice/secret#x", "/auth/alice/***#x"),
        ("/auth/alice/%zz%s/rest", "/auth/alice/***/rest"),
        ("/auth/%/secret", "/auth/%/***"),
        ("/auth/alice/http://secret", "/auth/alice/***//secret"),
        ("/auth/alice/a://b/c", "/auth/alice/***//b/c"),
        ("//auth/alice/secret", "//auth/alice/***"),
        ("/.//%2e/../Auth/alice/secret", "/.//%2e/../Auth/alice/***"),
        ("/%61uth/alice/secret", "/%61uth/alice/***"),
        (
            "http://h:1/auth/alice/secret/x",
            "http://h:1/auth/alice/***/x",
        ),
        ("ws://auth/auth/a/s", "ws://auth/auth/a/***"),
    ] {
        assert_eq!(redact(target), expected, "{target}");
    }
    for target in [
        "",
        "*",
        "/",
        "/auth",
        "/auth/",
        "/auth/alice",
        "/authx/a/b",
        "/a/auth/b/c",
        "host:80",
        "http://auth",
        "/?/auth/a/b",
        "/auth?/a/b",
    ] {
        assert_eq!(redact(target), target);
    }
}

#[test]
fn nothing_shows_a_password() {
    let shown = format!("{:?}", url("/auth/alice/secret").expect("no fault"));
    assert!(shown.contains("alice") && !shown.contains("secret"));
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn basic_round_trip(username in "[^:\\pC]{0,20}", password in "[^\\pC]{0,20}") {
        let value = encoded(format!("{username}:{password}").as_bytes());
        prop_assert_eq!(basic_of(&[&value]), Ok(Some((username, password))));
    }

    #[test]
    fn url_round_trip(username in "[^\\pC]{0,20}", password in "[^\\x00]{0,20}", rest in "(/[a-z/]{0,9})?") {
        let (name, word) = (percent_encoded(username.as_bytes()), percent_encoded(password.as_bytes()));
        let prefix = format!("/auth/{name}/{word}");
        let path = format!("{prefix}{rest}");
        let found = url(&path).expect("no fault").expect("credentials");
        prop_assert_eq!((found.prefix, found.rest), (prefix.as_str(), rest.as_str()));
        prop_assert_eq!(shown(found.credentials), (username, password));
        prop_assert_eq!(redact(&path), format!("/auth/{name}/***{rest}"));
    }

    #[test]
    fn no_password_is_left(name in "[^/?#]{0,9}", password in "[^/?#]{0,9}", tail in "([/?#]\\PC{0,9})?") {
        let target = format!("/auth/{name}/{password}{tail}");
        let redacted = redact(&target);
        prop_assert_eq!(&redacted, &format!("/auth/{name}/***{tail}"));
        prop_assert_eq!(&redact(&redacted), &redacted);
    }
}
