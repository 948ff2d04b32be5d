use proptest::prelude::*;

use super::*;

/// The head of an output that has one, and the body.
#[track_caller]
fn head(output: &str) -> (Head, &str) {
    match decode(output.as_bytes(), true) {
        Ok(OutputHead::Head(head, used)) => (head, &output[used..]),
        other => panic!("{output:?}: {other:?}"),
    }
}

fn fields(head: &Head) -> String {
    let line =
        |(name, value): &(String, Vec<u8>)| format!("{name}={};", String::from_utf8_lossy(value));
    head.fields.iter().map(line).collect()
}

#[test]
fn a_document() {
    let (found, body) = head(
        "Status: 404 Not Here\r\nContent-Type: text/html\r\nX-A: 1\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n\r\n<p>\n\n",
    );
    assert_eq!(
        (found.status, found.content_type.as_deref()),
        (404, Some(b"text/html".as_slice()))
    );
    assert_eq!(fields(&found), "X-A=1;Set-Cookie=a=b;set-cookie=c=d;");
    assert_eq!(body, "<p>\n\n");
    let (found, body) = head("content-type:text/plain\n\n");
    assert_eq!(
        (found.status, found.content_type.as_deref()),
        (200, Some(b"text/plain".as_slice()))
    );
    assert_eq!(
        (found.location, found.send_file, found.length, body),
        (None, None, None, "")
    );
}

#[test]
fn any_field_makes_a_head() {
    let (found, body) = head("X-Note: \t a  b \t\n\nbody");
    assert_eq!((fields(&found).as_str(), body), ("X-Note=a  b;", "body"));
    assert_eq!(fields(&head("X:\n\n").0), "X=;");
}

#[test]
fn redirects() {
    let location = |output| {
        let (found, _) = head(output);
        (
            found.status,
            String::from_utf8(found.location.unwrap()).unwrap(),
        )
    };
    assert_eq!(
        location("Location: https://a/b\n\n"),
        (302, "https://a/b".to_owned())
    );
    assert_eq!(
        location("Location: /local?a\n\n"),
        (302, "/local?a".to_owned())
    );
    assert_eq!(
        location("Location: /new\nStatus: 201\n\n"),
        (201, "/new".to_owned())
    );
}

#[test]
fn a_file_and_a_length() {
    let (found, _) = head("X-SendFile: sub/a b.pdf\nContent-Length: 12\n\n");
    assert_eq!(found.send_file.as_deref(), Some(b"sub/a b.pdf".as_slice()));
    assert_eq!(found.length, Some(12));
}

#[test]
fn what_is_the_servers_is_left_out() {
    let (found, _) = head(
        "Connection: close\nKEEP-ALIVE: 1\nDate: today\nServer: me\nTrailer: a\nTE: b\nProxy-Connection: c\nETag: \"d\"\n\n",
    );
    assert_eq!(fields(&found), "ETag=\"d\";");
}

#[test]
fn output_without_a_head() {
    for output in [
        "",
        "\n",
        "\r\n",
        "hello",
        "hello world\n\n",
        "\nContent-Type: text/html\n\n",
        " Content-Type: text/html\n\n",
        "Content-Type : text/html\n\n",
        "<!DOCTYPE html>\nStatus: 404\n\n",
        "Error: disk full",
        "Error: disk full\n",
        "Error: disk full\nThe rest\n\n",
        "{\"a\": 1}\n\n",
        ": x\n\n",
        "é: x\n\n",
        "a\0: x\n\n",
        "\r",
    ] {
        assert_eq!(
            decode(output.as_bytes(), true),
            Ok(OutputHead::Text),
            "{output:?}"
        );
    }
    // Lines of any number that look like fields, and no CGI field among them.
    let table = "key: value\n".repeat(MAX_HEAD / 11 + 1);
    assert_eq!(decode(table.as_bytes(), false), Ok(OutputHead::Text));
    let table = "key: value\n".repeat(MAX_FIELDS + 1);
    assert_eq!(decode(table.as_bytes(), true), Ok(OutputHead::Text));
}

#[test]
fn what_is_no_head_shows_at_its_first_byte() {
    for output in [
        "hello world",
        "<",
        "\nx",
        "{",
        "a\0",
        "\r ",
        "Error: x\nThe rest",
    ] {
        assert_eq!(
            decode(output.as_bytes(), false),
            Ok(OutputHead::Text),
            "{output:?}"
        );
    }
    for output in [
        "",
        "hello",
        "Status: 404",
        "Error: x\n",
        "Error: x\nRest",
        "A: b\n\r",
        "\r",
    ] {
        assert_eq!(
            decode(output.as_bytes(), false),
            Ok(OutputHead::More),
            "{output:?}"
        );
    }
}

#[test]
fn malformed_heads() {
    for (output, error) in [
        ("Status: 404", Error::Unfinished),
        ("Status: 404\nX: y\n", Error::Unfinished),
        ("X: y\ncontent-type: a", Error::Unfinished),
        ("Status: 404\nhello world\n\n", Error::Line),
        ("Set-Cookie: a=b\n folded\n\n", Error::Line),
        ("Location: /a\nX : y\n\n", Error::Line),
        ("X-A: a\rSet-Cookie: b\n\n", Error::Value),
        ("X-A: a\0\n\n", Error::Value),
        ("Location: /a\x7f\n\n", Error::Value),
        ("Status: 200\nStatus: 200\n\n", Error::Repeated),
        ("Content-Type: a\nContent-Type: b\n\n", Error::Repeated),
        ("Location: a\nLocation: b\n\n", Error::Repeated),
        ("X-Sendfile: a\nX-Sendfile: b\n\n", Error::Repeated),
        ("Content-Length: 1\nContent-Length: 1\n\n", Error::Repeated),
        ("Location:\n\n", Error::Empty),
        ("Content-Type: \n\n", Error::Empty),
        ("X-Sendfile:\n\n", Error::Empty),
        ("Content-Length: 1a\n\n", Error::Length),
        ("Content-Length: +1\n\n", Error::Length),
        ("Content-Length:\n\n", Error::Length),
        ("Content-Length: 99999999999999999999\n\n", Error::Length),
        ("Transfer-Encoding: chunked\n\n", Error::Framing),
        ("upgrade: websocket\n\n", Error::Framing),
    ] {
        assert_eq!(decode(output.as_bytes(), true), Err(error), "{output:?}");
    }
    for status in [
        "", "20", "2000", "abc", "100", "101", "199", "600", "999", "+20", "200OK", "404\tX",
    ] {
        let output = format!("Status: {status}\n\n");
        assert_eq!(
            decode(output.as_bytes(), true),
            Err(Error::Status),
            "{status:?}"
        );
    }
    for status in ["200", "599 ", "404 Not Found"] {
        head(&format!("Status: {status}\n\n"));
    }
}

#[test]
fn limits() {
    let fields = |count| format!("{}\n", "a: b\n".repeat(count));
    head(&fields(MAX_FIELDS));
    assert_eq!(
        decode(fields(MAX_FIELDS + 1).as_bytes(), true),
        Err(Error::TooManyFields)
    );
    let long = |len: usize| format!("Status: 200\nX: {}\n\nbody", "x".repeat(len - 17));
    assert_eq!(head(&long(MAX_HEAD)).1, "body");
    for ended in [false, true] {
        assert_eq!(
            decode(long(MAX_HEAD + 1).as_bytes(), ended),
            Err(Error::TooLong)
        );
    }
}

proptest! {
    #[test]
    fn the_cut_does_not_matter(lines in proptest::collection::vec("(Status: 20[0-3]|Content-Type: a|X: b|Error: c|d e|Location: |)\r?", 0..5), ends in any::<bool>()) {
        let mut output = lines.join("\n");
        if ends {
            output.push_str("\n\nbody");
        }
        let bytes = output.as_bytes();
        let first = (0..=bytes.len()).map(|end| decode(&bytes[..end], false)).find(|it| *it != Ok(OutputHead::More));
        let whole = decode(bytes, true);
        prop_assert_ne!(&whole, &Ok(OutputHead::More));
        prop_assert_eq!(first.unwrap_or(whole.clone()), whole);
    }
}
