use proptest::prelude::*;

use super::*;

fn urlencoded(input: &str) -> Vec<Parameter> {
    decode_urlencoded(input.as_bytes()).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<Parameter> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn urlencoded_forms() {
    for (input, expected) in [
        ("", pairs(&[])),
        ("&&", pairs(&[])),
        ("a=b&c=d", pairs(&[("a", "b"), ("c", "d")])),
        ("a=b=c", pairs(&[("a", "b=c")])),
        ("a", pairs(&[("a", "")])),
        ("=b&=", pairs(&[("", "b"), ("", "")])),
        ("a=1&a=2", pairs(&[("a", "1"), ("a", "2")])),
        ("a+b=c+%2B", pairs(&[("a b", "c +")])),
        ("%3d=%26", pairs(&[("=", "&")])),
        ("n=%C3%A4ä", pairs(&[("n", "ää")])),
        ("n=%ff", pairs(&[("n", "\u{fffd}")])),
        (
            "n=%&m=%2&o=%2g%zz%%31",
            pairs(&[("n", "%"), ("m", "%2"), ("o", "%2g%zz%1")]),
        ),
        ("n=%+1", pairs(&[("n", "% 1")])),
        ("a;b=c", pairs(&[("a;b", "c")])),
    ] {
        assert_eq!(urlencoded(input), expected, "{input}");
    }
}

#[test]
fn what_is_no_urlencoded_form() {
    for input in ["a=%00", "%00=a", "a=\0", "x=y&a\0"] {
        assert_eq!(
            decode_urlencoded(input.as_bytes()),
            Err(Error::Nul),
            "{input}"
        );
    }
    let many = |count| "a=&".repeat(count).into_bytes();
    assert_eq!(
        decode_urlencoded(&many(MAX_PARAMETERS)).unwrap().len(),
        MAX_PARAMETERS
    );
    assert_eq!(
        decode_urlencoded(&many(MAX_PARAMETERS + 1)),
        Err(Error::TooMany)
    );
}

#[test]
fn kinds() {
    let boundary = |text: &str| Some(FormKind::Multipart(Some(text.as_bytes().to_vec())));
    let none = Some(FormKind::Multipart(None));
    for (content_type, expected) in [
        (
            "application/x-www-form-urlencoded",
            Some(FormKind::Urlencoded),
        ),
        (
            "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
            Some(FormKind::Urlencoded),
        ),
        ("multipart/form-data; boundary=abc", boundary("abc")),
        (
            "multipart/form-data;a=b; Boundary=\"a b:c\"",
            boundary("a b:c"),
        ),
        ("multipart/form-data;; boundary=abc ;", boundary("abc")),
        ("multipart/form-data", none.clone()),
        ("multipart/form-data; boundary=", none.clone()),
        ("multipart/form-data; boundary=\"a\"b", none.clone()),
        ("multipart/form-data; boundary=\"a \"", none.clone()),
        ("multipart/form-data; boundary=a\"", none.clone()),
        ("multipart/form-data; boundary", none),
        ("multipart/mixed; boundary=a", None),
        ("text/plain", None),
        ("", None),
    ] {
        assert_eq!(
            FormKind::of(content_type.as_bytes()),
            expected,
            "{content_type}"
        );
    }
    let long = |count| {
        FormKind::of(format!("multipart/form-data; boundary={}", "a".repeat(count)).as_bytes())
    };
    assert_eq!(long(70), boundary(&"a".repeat(70)));
    assert_eq!(long(71), Some(FormKind::Multipart(None)));
    assert_eq!(FormKind::Multipart(None).decode(b""), Err(Error::Boundary));
    assert_eq!(
        FormKind::Urlencoded.decode(b"a=b"),
        Ok(pairs(&[("a", "b")]))
    );
}

/// Lines of a body, each ended by CRLF.
fn body(lines: &[&str]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| [line, "\r\n"])
        .collect::<String>()
        .into_bytes()
}

fn multipart(lines: &[&str]) -> Result<Vec<Parameter>, Error> {
    decode_multipart(&body(lines), b"XX")
}

#[test]
fn multipart_forms() {
    let form = multipart(&[
        "preamble",
        "--XX",
        "Content-Disposition: form-data; name=\"text\"",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "first line",
        "--X second line",
        "",
        "--XX \t",
        "content-disposition:FORM-DATA;name=token",
        "Content-Transfer-Encoding: 8bit",
        "",
        "ä",
        "--XX",
        "Content-Disposition: form-data; name=\"file\"; filename=\"C:\\temp\\a.bin\"",
        "Content-Type: application/octet-stream",
        "",
        "\0\0\0",
        "--XX",
        "Content-Disposition: form-data; filename*=UTF-8''a; name=other",
        "",
        "",
        "--XX",
        "Content-Disposition: form-data; name=\"a \\\"b\\\"; c\"",
        "",
        "",
        "--XX--",
        "epilogue",
    ]);
    let expected = [
        ("text", "first line\r\n--X second line\r\n"),
        ("token", "ä"),
        ("a \"b\"; c", ""),
    ];
    assert_eq!(form, Ok(pairs(&expected)));
    assert_eq!(multipart(&["--XX--"]), Ok(Vec::new()));
    assert_eq!(decode_multipart(b"--XX--", b"XX"), Ok(Vec::new()));
}

#[test]
fn what_is_no_multipart_form() {
    const NAMED: &str = "Content-Disposition: form-data; name=a";
    for (lines, error) in [
        (vec![""], Error::Framing),
        (vec!["--XX"], Error::Framing),
        (vec!["--XX", NAMED, "", "a"], Error::Framing),
        (vec!["--XX", NAMED, "", "a", "--XX"], Error::Framing),
        (
            vec!["--XX", NAMED, "", "a", "--XXX", "--XX--"],
            Error::Framing,
        ),
        (vec!["x--XX--"], Error::Framing),
        (vec!["--XX", NAMED, "a", "--XX--"], Error::Part),
        (vec!["--XX", "", "a", "--XX--"], Error::Part),
        (
            vec!["--XX", "Content-Type: text/plain", "", "a", "--XX--"],
            Error::Part,
        ),
        (
            vec!["--XX", "Content-Disposition: form-data", "", "a", "--XX--"],
            Error::Part,
        ),
        (
            vec![
                "--XX",
                "Content-Disposition: attachment; name=a",
                "",
                "a",
                "--XX--",
            ],
            Error::Part,
        ),
        (
            vec![
                "--XX",
                "Content-Disposition: form-data; name=\"a",
                "",
                "a",
                "--XX--",
            ],
            Error::Part,
        ),
        (
            vec![
                "--XX",
                "Content-Disposition: form-data; name=\"a\" b",
                "",
                "a",
                "--XX--",
            ],
            Error::Part,
        ),
        (vec!["--XX", NAMED, NAMED, "", "a", "--XX--"], Error::Part),
        (
            vec!["--XX", NAMED, " folded", "", "a", "--XX--"],
            Error::Part,
        ),
        (
            vec![
                "--XX",
                NAMED,
                "Content-Transfer-Encoding: base64",
                "",
                "a",
                "--XX--",
            ],
            Error::Part,
        ),
        (vec!["--XX", NAMED, "", "a\0", "--XX--"], Error::Nul),
        (
            vec![
                "--XX",
                "Content-Disposition: form-data; name=a\0",
                "",
                "a",
                "--XX--",
            ],
            Error::Nul,
        ),
    ] {
        assert_eq!(multipart(&lines), Err(error), "{lines:?}");
    }
    let long = format!("X: {}", "x".repeat(MAX_PART_HEAD));
    assert_eq!(
        multipart(&["--XX", NAMED, &long, "", "a", "--XX--"]),
        Err(Error::Part)
    );
    let part = [
        "--XX",
        "Content-Disposition: form-data; name=a; filename=b",
        "",
        "",
    ];
    let many = |count| multipart(&[part.repeat(count), vec!["--XX--"]].concat());
    assert_eq!(many(MAX_PARAMETERS), Ok(Vec::new()));
    assert_eq!(many(MAX_PARAMETERS + 1), Err(Error::TooMany));
}

#[test]
fn statuses() {
    assert_eq!(Error::TooMany.status(), 413);
    assert_eq!((Error::Nul.status(), Error::Part.status()), (400, 400));
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(form in proptest::collection::vec((text(), text()), 0..8)) {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let encoded: Vec<String> = form.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        prop_assert_eq!(urlencoded(&encoded.join("&")), form);
    }

    #[test]
    fn what_is_framed_comes_back(form in proptest::collection::vec(("[a-z\"\\\\ ;]{0,9}", text()), 0..8)) {
        let mut body = Vec::new();
        for (name, value) in &form {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            let part = format!("--=_b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(b"--=_b--");
        prop_assert_eq!(decode_multipart(&body, b"=_b"), Ok(form));
    }
}
