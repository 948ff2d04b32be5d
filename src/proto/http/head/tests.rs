use super::*;
use proptest::prelude::*;

mod meaning;
mod request_line;
mod response;

/// What a head said, free of the bytes it was read from.
type Outcome = Result<Option<(String, usize)>, Error>;

fn once(input: &[u8], scanned: &mut usize) -> Outcome {
    let mut table = FieldTable::new();
    let decoded = RequestHead::decode(input, scanned, &mut table)?;
    Ok(decoded.map(|(head, used)| (describe(&head), used)))
}

fn describe(head: &RequestHead<'_>) -> String {
    let fields: Vec<_> = head.fields().collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {} {} {fields:?}",
        head.method(),
        head.target(),
        head.version(),
        head.host(),
        head.body_length(),
        head.persistent(),
        head.expects_continue(),
    )
}

/// Feeds the input with pauses at each of the cuts.
fn fed(input: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut scanned = 0;
    for cut in cuts {
        match once(&input[..cut], &mut scanned) {
            Ok(None) => assert!(scanned <= cut),
            done => return done,
        }
    }
    let done = once(input, &mut scanned);
    if matches!(done, Ok(Some(_))) {
        assert_eq!(scanned, 0, "ready for the next head");
    }
    done
}

/// The outcome, having checked that it is the same however the input is cut.
fn outcome(input: &[u8]) -> Outcome {
    let whole = fed(input, []);
    assert_eq!(fed(input, 0..input.len()), whole, "byte by byte");
    if input.len() < 2000 {
        for cut in 0..input.len() {
            assert_eq!(fed(input, [cut]), whole, "cut at {cut}");
        }
    }
    whole
}

#[track_caller]
fn refused(input: impl AsRef<[u8]>, error: Error) {
    let input = input.as_ref();
    assert_eq!(outcome(input), Err(error), "{}", input.escape_ascii());
}

/// Reads a valid head and looks at it.
#[track_caller]
fn read(input: &str, look: impl FnOnce(&RequestHead<'_>)) {
    match outcome(input.as_bytes()) {
        Ok(Some((_, used))) => assert_eq!(used, input.len(), "{input:?}"),
        other => panic!("{input:?}: {other:?}"),
    }
    let mut table = FieldTable::new();
    let (head, _) = RequestHead::decode(input.as_bytes(), &mut 0, &mut table)
        .unwrap()
        .unwrap();
    look(&head);
}

/// A GET with these field lines behind Host.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn everything_in_its_place() {
    let text = "POST /a/b%20c?d=e?f HTTP/1.1\r\nHost: Example.org:8080\r\nX-Empty:\r\n\
                x-list: a , b\r\nX-LIST:,c,,\tD\t\r\nContent-Length: 5\r\n\r\n";
    read(text, |head| {
        assert_eq!(head.method(), Method::Post);
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "/a/b%20c",
                query: Some("d=e?f")
            }
        );
        assert_eq!(head.version(), Version::Http11);
        assert_eq!(head.host(), "Example.org:8080");
        assert_eq!(head.body_length(), BodyLength::Length(5));
        assert_eq!(head.fields().count(), 5);
        assert_eq!(head.fields().nth(1), Some(("X-Empty", b"".as_slice())));
        assert_eq!(head.field("HOST"), Some(b"Example.org:8080".as_slice()));
        assert_eq!(head.field("x-empty"), Some(b"".as_slice()));
        assert_eq!(head.field("absent"), None);
        let lines: Vec<_> = head.field_lines("X-List").collect();
        assert_eq!(lines, [b"a , b".as_slice(), b",c,,\tD"]);
        let list: Vec<_> = head.list("X-List").collect();
        assert_eq!(list, [b"a", b"b", b"c", b"D"]);
        assert!(head.contains_token("x-list", "d"));
        assert!(!head.contains_token("x-list", "e"));
        assert!(!head.contains_token("x-list", ""));
    });
}

#[test]
fn what_follows_the_head_is_left_alone() {
    let mut table = FieldTable::new();
    let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\r\n\r\n";
    let (head, used) = RequestHead::decode(input, &mut 0, &mut table)
        .unwrap()
        .unwrap();
    assert_eq!(used, input.len() - 5);
    assert_eq!(head.fields().count(), 1);
}

#[test]
fn line_ends() {
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", Error::BareLineFeed);
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", Error::BareLineFeed);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", Error::BareLineFeed);
    refused("GET / HTTP/1.1\r\n\n", Error::BareLineFeed);
    refused(get("A: b\rc\r\n"), Error::BareCarriageReturn);
    refused(get("A: \rc\r\n"), Error::BareCarriageReturn);
    refused(get("A: b\r\r\n"), Error::BareCarriageReturn);
    refused(get("A\r: b\r\n"), Error::FieldName);
    refused(get("\rA: b\r\n"), Error::FieldName);
    assert_eq!(
        once(b"GET / HTTP/1.1\r\nHost: a\n", &mut 0),
        Err(Error::BareLineFeed),
        "at once"
    );
}

#[test]
fn field_lines() {
    refused(get("A : b\r\n"), Error::SpaceBeforeColon);
    refused(get("A\t: b\r\n"), Error::SpaceBeforeColon);
    refused(get(" : b\r\n"), Error::FoldedField);
    refused(get("A: b\r\n c\r\n"), Error::FoldedField);
    refused(get("A: b\r\n\tc\r\n"), Error::FoldedField);
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Error::FoldedField);
    refused(
        "GET / HTTP/1.1\r\n\tHost: a\r\nA: b\r\n\r\n",
        Error::FoldedField,
    );
    refused(get(": b\r\n"), Error::FieldName);
    refused(get("A\r\n"), Error::FieldName);
    refused(get("A B: c\r\n"), Error::FieldName);
    refused(get("A\0: b\r\n"), Error::FieldName);
    refused(get("A(: b\r\n"), Error::FieldName);
    refused(get("\u{e4}: b\r\n"), Error::FieldName);
    for byte in (0..=0x1f)
        .chain([0x7f])
        .filter(|byte| !b"\t\r\n".contains(byte))
    {
        refused(
            get(&format!("A: b{}c\r\n", char::from(byte))),
            Error::FieldValue,
        );
        refused(
            get(&format!("A:{}\r\n", char::from(byte))),
            Error::FieldValue,
        );
    }
    read(
        &get("A: \t b\tc \u{e4}\u{20ac} \t \r\n!#$%&'*+-.^_`|~09: \r\n"),
        |head| {
            assert_eq!(head.field("a"), Some("b\tc \u{e4}\u{20ac}".as_bytes()));
            assert_eq!(head.field("!#$%&'*+-.^_`|~09"), Some(b"".as_slice()));
        },
    );
}

#[test]
fn limit_of_the_first_line() {
    let line = |len: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(len - 16));
    assert_eq!(line(100).len(), 100);
    read(&format!("{}Host: a\r\n\r\n", line(MAX_LINE)), |head| {
        assert!(matches!(head.target(), RequestTarget::Origin { path, .. } if path.len() == 8177));
    });
    refused(
        format!("{}Host: a\r\n\r\n", line(MAX_LINE + 1)),
        Error::LineTooLong,
    );
    refused(&line(MAX_LINE + 1)[..MAX_LINE], Error::LineTooLong);
    assert_eq!(
        outcome(&line(MAX_LINE + 1).as_bytes()[..MAX_LINE - 1]),
        Ok(None)
    );
}

#[test]
fn limit_of_the_head() {
    let head = |len: usize| get(&format!("A: {}\r\n", "b".repeat(len - 32)));
    assert_eq!(head(100).len(), 100);
    read(&head(MAX_HEAD), |_| {});
    refused(head(MAX_HEAD + 1), Error::HeadTooLong);
    refused(&head(MAX_HEAD + 1)[..MAX_HEAD], Error::HeadTooLong);
    assert_eq!(
        outcome(&head(MAX_HEAD).as_bytes()[..MAX_HEAD - 1]),
        Ok(None)
    );
}

#[test]
fn limit_of_the_fields() {
    // Up to and beyond the small table.
    for count in [0, 1, 14, 15, 16, 17, 98, 99] {
        read(&get(&"A: b\r\n".repeat(count)), |head| {
            assert_eq!(head.fields().count(), count + 1);
            assert_eq!(head.field_lines("a").count(), count);
        });
    }
    refused(get(&"A: b\r\n".repeat(MAX_FIELDS)), Error::TooManyFields);
}

#[test]
fn an_error_knows_its_status_and_its_words() {
    for (error, status) in [
        (Error::Host, 400),
        (Error::LengthAndCoding, 400),
        (Error::LineTooLong, 414),
        (Error::HeadTooLong, 431),
        (Error::TooManyFields, 431),
        (Error::TransferCodingUnknown, 501),
        (Error::MethodTooLong, 501),
        (Error::VersionNotSupported, 505),
    ] {
        assert_eq!(error.status(), status);
        assert!(error.to_string().contains(' '));
    }
}

#[test]
fn a_wrong_scanned_does_no_harm() {
    for scanned in [0, 1, 15, 16, 17, 26, 27, 1000, usize::MAX] {
        let _ = once(get("").as_bytes(), &mut { scanned });
    }
}

/// Lines from which heads, right and wrong, are put together.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.0\r\n",
        "GET http://b/ HTTP/1.1\r\n",
        "Host: a\r\n",
        "Host: [::1]:80\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "A : b\r\n",
        "A: b\n",
        " c\r\n",
        "A: \0\r\n",
        "\r\n",
        "\r",
    ]);
    prop_oneof![
        8 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let _ = outcome(&bytes);
    }

    #[test]
    fn any_lines_mean_the_same_however_cut(lines in prop::collection::vec(line(), 0..8)) {
        let _ = outcome(&lines.concat());
    }

    #[test]
    fn what_is_accepted_was_written(value in "[ -~\t]{0,40}", name in "[!#-'*+.0-9A-Z^-z|~-]{1,20}") {
        let name = format!("X-{name}");
        let text = get(&format!("{name}:{value}\r\n"));
        let mut table = FieldTable::new();
        let (head, _) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table).unwrap().unwrap();
        let trimmed = value.trim_matches([' ', '\t']);
        prop_assert_eq!(head.field(&name), Some(trimmed.as_bytes()));
    }
}
