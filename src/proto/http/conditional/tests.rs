//! Conditionals as tables: the fields of a request, and what comes of them.

use super::*;
use crate::proto::http::head::FieldTable;
use PreconditionResult::{NotModified, PreconditionFailed, Proceed};

/// Sun, 06 Nov 1994 08:49:37 GMT
const MODIFIED: u64 = 784_111_777;
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

const STRONG: Validator<'_> = Validator {
    etag: "\"a,b\"",
    modified: MODIFIED,
};
const WEAK: Validator<'_> = Validator {
    etag: "W/\"a,b\"",
    modified: MODIFIED,
};

fn with_head<T>(method: &str, fields: &str, then: impl FnOnce(&RequestHead<'_>) -> T) -> T {
    let fields: String = fields
        .split('|')
        .filter(|it| !it.is_empty())
        .map(|it| format!("{it}\r\n"))
        .collect();
    let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut table = FieldTable::new();
    let (head, _) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table)
        .unwrap()
        .unwrap();
    then(&head)
}

fn assert_outcome(
    method: &str,
    fields: &str,
    validator: Validator<'_>,
    expected: PreconditionResult,
) {
    let outcome = with_head(method, fields, |head| evaluate(head, validator));
    assert_eq!(outcome, expected, "{method} {fields} {validator:?}");
}

#[test]
fn if_match_compares_strongly() {
    for (value, expected) in [
        ("*", Proceed),
        ("\"a,b\"", Proceed),
        ("\"x\", \"a,b\"", Proceed),
        (",\t,\"x\" ,\"a,b\",", Proceed),
        ("\"x\"|If-Match: \"a,b\"", Proceed),
        ("W/\"a,b\"", PreconditionFailed),
        ("\"x\"", PreconditionFailed),
        ("\"A,B\"", PreconditionFailed),
        ("", PreconditionFailed),
        ("a,b", PreconditionFailed),
        ("\"a", PreconditionFailed),
        ("\"x\" \"a,b\"", PreconditionFailed),
        ("\"x\"\"a,b\"", PreconditionFailed),
        ("w/\"a,b\"", PreconditionFailed),
        ("\"x\", nonsense, \"a,b\"", PreconditionFailed),
    ] {
        for method in ["GET", "HEAD", "PUT"] {
            assert_outcome(method, &format!("If-Match: {value}"), STRONG, expected);
        }
    }
    assert_outcome("GET", "If-Match: W/\"a,b\"", WEAK, PreconditionFailed);
    assert_outcome("GET", "If-Match: \"a,b\"", WEAK, PreconditionFailed);
    assert_outcome("GET", "If-Match: *", WEAK, Proceed);
}

#[test]
fn if_none_match_compares_weakly() {
    for value in [
        "*",
        "\"a,b\"",
        "W/\"a,b\"",
        "\"x\", W/\"a,b\"",
        "\"x\"|If-None-Match: \"a,b\"",
    ] {
        for validator in [STRONG, WEAK] {
            let field = format!("If-None-Match: {value}");
            assert_outcome("GET", &field, validator, NotModified);
            assert_outcome("HEAD", &field, validator, NotModified);
            assert_outcome("PUT", &field, validator, PreconditionFailed);
        }
    }
    for value in ["\"x\"", "", "a,b", "\"a\", \"b\"", "\"a,b"] {
        assert_outcome("GET", &format!("If-None-Match: {value}"), STRONG, Proceed);
        assert_outcome("PUT", &format!("If-None-Match: {value}"), STRONG, Proceed);
    }
}

#[test]
fn dates() {
    for (name, date, expected) in [
        ("If-Modified-Since", BEFORE, Proceed),
        ("If-Modified-Since", SAME, NotModified),
        ("If-Modified-Since", AFTER, NotModified),
        (
            "If-Modified-Since",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            NotModified,
        ),
        ("If-Modified-Since", "yesterday", Proceed),
        ("If-Unmodified-Since", BEFORE, PreconditionFailed),
        ("If-Unmodified-Since", SAME, Proceed),
        ("If-Unmodified-Since", AFTER, Proceed),
        ("If-Unmodified-Since", "yesterday", Proceed),
    ] {
        let field = format!("{name}: {date}");
        assert_outcome("GET", &field, STRONG, expected);
        assert_outcome("GET", &format!("{field}|{field}"), STRONG, Proceed);
    }
    assert_outcome(
        "PUT",
        &format!("If-Modified-Since: {AFTER}"),
        STRONG,
        Proceed,
    );
    assert_outcome(
        "PUT",
        &format!("If-Unmodified-Since: {BEFORE}"),
        STRONG,
        PreconditionFailed,
    );
}

#[test]
fn precedence() {
    for (fields, expected) in [
        // If-Match silences If-Unmodified-Since, but not If-None-Match.
        (
            format!("If-Match: \"a,b\"|If-Unmodified-Since: {BEFORE}"),
            Proceed,
        ),
        (
            format!("If-Match: \"x\"|If-Unmodified-Since: {AFTER}"),
            PreconditionFailed,
        ),
        (
            "If-Match: \"a,b\"|If-None-Match: \"a,b\"".into(),
            NotModified,
        ),
        (
            "If-Match: \"x\"|If-None-Match: \"a,b\"".into(),
            PreconditionFailed,
        ),
        (
            format!("If-Match: *|If-Modified-Since: {SAME}"),
            NotModified,
        ),
        // If-None-Match silences If-Modified-Since.
        (
            format!("If-None-Match: \"x\"|If-Modified-Since: {AFTER}"),
            Proceed,
        ),
        (
            format!("If-None-Match: \"a,b\"|If-Modified-Since: {BEFORE}"),
            NotModified,
        ),
        (
            format!("If-Unmodified-Since: {BEFORE}|If-None-Match: \"a,b\""),
            PreconditionFailed,
        ),
        (
            format!("If-Unmodified-Since: {SAME}|If-Modified-Since: {SAME}"),
            NotModified,
        ),
        (String::new(), Proceed),
    ] {
        assert_outcome("GET", &fields, STRONG, expected);
    }
}

#[test]
fn if_range() {
    for (fields, validator, expected) in [
        (String::new(), STRONG, true),
        ("If-Range: \"a,b\"".into(), STRONG, true),
        ("If-Range: \"x\"".into(), STRONG, false),
        ("If-Range: W/\"a,b\"".into(), STRONG, false),
        ("If-Range: W/\"a,b\"".into(), WEAK, false),
        ("If-Range: \"a,b\"".into(), WEAK, false),
        ("If-Range: *".into(), STRONG, false),
        ("If-Range:".into(), STRONG, false),
        (format!("If-Range: {SAME}"), STRONG, true),
        (format!("If-Range: {BEFORE}"), STRONG, false),
        (format!("If-Range: {AFTER}"), STRONG, false),
        ("If-Range: \"a,b\"|If-Range: \"a,b\"".into(), STRONG, false),
    ] {
        let matches = with_head("GET", &fields, |head| if_range_matches(head, validator));
        assert_eq!(matches, expected, "{fields} {validator:?}");
    }
}
