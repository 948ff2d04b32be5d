use super::*;
use proptest::prelude::*;

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
fn methods() {
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH", "get", "M-SEARCH",
    ] {
        read(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), |head| {
            assert_eq!(head.method().as_str(), method);
        });
    }
    read("get / HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(head.method(), Method::Other("get"));
    });
    read(
        &format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(32)),
        |_| {},
    );
    refused("M".repeat(33), Error::MethodTooLong);
    refused(" GET / HTTP/1.1\r\n", Error::Method);
    refused("G(T / HTTP/1.1\r\n", Error::Method);
    refused("\n", Error::Method);
    refused("GET\r\n", Error::Method);
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    // A TLS ClientHello, zeros, a byte order mark.
    for input in [
        b"\x16\x03\x01\x02\0\x01\0\x01".as_slice(),
        &[0],
        b"\xef\xbb\xbfGET ",
    ] {
        assert_eq!(once(&input[..1], &mut 0), Err(Error::Method));
        refused(input, Error::Method);
    }
    assert_eq!(once(b"SSH-2.0-OpenSSH_9.2\r", &mut 0), Err(Error::Method));
    // HTTP/2 with prior knowledge
    assert_eq!(
        once(b"PRI * HTTP/2.0\r\n", &mut 0),
        Err(Error::VersionNotSupported)
    );
}

#[test]
fn target_forms() {
    read("GET /?a HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "/",
                query: Some("a")
            }
        );
    });
    read("GET //a://b HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "//a://b",
                query: None
            }
        );
    });
    read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(head.target(), RequestTarget::Asterisk);
    });
    read("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(head.target(), RequestTarget::Authority("b:443"));
        assert_eq!(head.host(), "b:443");
    });
    read("GET WS://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        let expected = RequestTarget::Absolute {
            scheme: "WS",
            authority: "b:80",
            path: "/c",
            query: Some("d"),
        };
        assert_eq!(head.target(), expected);
        assert_eq!(head.host(), "b:80", "wins over Host");
    });
    for (target, query) in [("https://b", None), ("https://b?d", Some("d"))] {
        read(
            &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            |head| {
                let expected = RequestTarget::Absolute {
                    scheme: "https",
                    authority: "b",
                    path: "/",
                    query,
                };
                assert_eq!(head.target(), expected);
            },
        );
    }
}

#[test]
fn targets_refused() {
    for (method, target, error) in [
        ("GET", "*", Error::TargetForm),
        ("OPTIONS", "**", Error::TargetForm),
        ("GET", "b:443", Error::TargetForm),
        ("GET", "a/b", Error::TargetForm),
        ("GET", "?a", Error::TargetForm),
        ("CONNECT", "/", Error::TargetForm),
        ("CONNECT", "http://b/", Error::TargetForm),
        ("CONNECT", "*", Error::TargetForm),
        ("CONNECT", "b", Error::Target),
        ("CONNECT", "b:", Error::Target),
        ("CONNECT", "b:443/", Error::Target),
        ("CONNECT", "u@b:443", Error::Target),
        ("GET", "ftp://b/", Error::Target),
        ("GET", "://b/", Error::Target),
        ("GET", "http:///c", Error::Target),
        ("GET", "http://u:p@b/", Error::Target),
        ("GET", "http://b:x/", Error::Target),
        ("GET", "/#a", Error::Target),
        ("GET", "/\u{fc}", Error::Target),
        ("GET", "/\0", Error::Target),
        ("GET", "/\t", Error::Target),
        ("GET", "/\r", Error::Target),
        ("GET", "/\x7f", Error::Target),
        ("GET", "", Error::Target),
    ] {
        refused(
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            error,
        );
    }
}

#[test]
fn versions() {
    for (version, read_as) in [
        ("HTTP/1.0", Ok(Version::Http10)),
        ("HTTP/1.1", Ok(Version::Http11)),
        ("HTTP/1.2", Ok(Version::Http11)),
        ("HTTP/1.9", Ok(Version::Http11)),
        ("HTTP/2.0", Err(Error::VersionNotSupported)),
        ("HTTP/3.0", Err(Error::VersionNotSupported)),
        ("HTTP/0.9", Err(Error::Version)),
        ("HTTP/1", Err(Error::Version)),
        ("HTTP/1.", Err(Error::Version)),
        ("HTTP/1.1 ", Err(Error::Version)),
        ("HTTP/1.10", Err(Error::Version)),
        ("HTTP/11.1", Err(Error::Version)),
        ("http/1.1", Err(Error::Version)),
        ("HTTP/1.1\r", Err(Error::Version)),
        (" HTTP/1.1", Err(Error::Version)),
        ("HTTP/+.1", Err(Error::Version)),
        ("", Err(Error::Version)),
    ] {
        let text = format!("GET / {version}\r\nHost: a\r\n\r\n");
        match read_as {
            Ok(version) => read(&text, |head| assert_eq!(head.version(), version)),
            Err(error) => refused(text, error),
        }
    }
    refused("GET /\r\n", Error::RequestLine);
}

#[test]
fn empty_lines_before_the_request_line() {
    read(&format!("\r\n{}", get("")), |head| {
        assert_eq!(head.method(), Method::Get);
    });
    read(&format!("\r\n\r\n\r\n\r\n{}", get("X: y\r\n")), |head| {
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "/",
                query: None
            }
        );
        assert_eq!(head.field("x"), Some(b"y".as_slice()));
    });
    refused(format!("\r\n\r\n\r\n\r\n\r\n{}", get("")), Error::Method);
    refused(format!("\n{}", get("")), Error::Method);
    refused(format!("\r{}", get("")), Error::Method);
    assert_eq!(outcome(b"\r\n\r"), Ok(None));
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
fn host() {
    refused("GET / HTTP/1.1\r\n\r\n", Error::HostMissing);
    refused("GET http://a/ HTTP/1.1\r\n\r\n", Error::HostMissing);
    refused(get("Host: a\r\n"), Error::HostRepeated);
    refused(get("hOST: b\r\n"), Error::HostRepeated);
    refused(
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        Error::HostRepeated,
    );
    for host in [
        "", "a b", "a, b", "a/b", "u@a", "a:b", "[::1", "\u{e4}", "a:80:80",
    ] {
        refused(
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Error::Host,
        );
        refused(
            format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"),
            Error::Host,
        );
    }
    for host in ["a", "a.b:80", "127.0.0.1", "[::1]:8080", "a_b"] {
        read(&format!("GET / HTTP/1.1\r\nHost:{host} \r\n\r\n"), |head| {
            assert_eq!(head.host(), host);
        });
    }
    read("GET / HTTP/1.0\r\n\r\n", |head| assert_eq!(head.host(), ""));
    read("GET http://b/ HTTP/1.0\r\n\r\n", |head| {
        assert_eq!(head.host(), "b");
    });
}

#[test]
fn body_lengths() {
    for (lines, expected) in [
        ("", Ok(BodyLength::Empty)),
        ("Content-Length: 0\r\n", Ok(BodyLength::Empty)),
        ("Content-Length: 5\r\n", Ok(BodyLength::Length(5))),
        ("Content-Length: 005\r\n", Ok(BodyLength::Length(5))),
        ("Content-Length: 5, 5\r\n", Ok(BodyLength::Length(5))),
        (
            "Content-Length: 5\r\ncontent-length: 5\r\n",
            Ok(BodyLength::Length(5)),
        ),
        (
            "Content-Length: 18446744073709551615\r\n",
            Ok(BodyLength::Length(u64::MAX)),
        ),
        (
            "Content-Length: 18446744073709551616\r\n",
            Err(Error::ContentLength),
        ),
        ("Content-Length:\r\n", Err(Error::ContentLength)),
        ("Content-Length: +5\r\n", Err(Error::ContentLength)),
        ("Content-Length: -5\r\n", Err(Error::ContentLength)),
        ("Content-Length: 0x5\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5 5\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5,\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5,,5\r\n", Err(Error::ContentLength)),
        ("Content-Length: five\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5, 6\r\n", Err(Error::ContentLengthsDiffer)),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            Err(Error::ContentLengthsDiffer),
        ),
        (
            "Content-Length: 0\r\nContent-Length: 6\r\n",
            Err(Error::ContentLengthsDiffer),
        ),
        ("Transfer-Encoding: chunked\r\n", Ok(BodyLength::Chunked)),
        ("Transfer-Encoding: \tChunked \r\n", Ok(BodyLength::Chunked)),
        ("Transfer-Encoding:\r\n", Err(Error::TransferEncoding)),
        (
            "Transfer-Encoding: chunked,\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: ,chunked\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked, gzip\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: gzip, chunked, gzip\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: gzip\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: identity\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: chunked;a=b\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: xchunked\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: \"chunked\"\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Err(Error::LengthAndCoding),
        ),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            Err(Error::LengthAndCoding),
        ),
    ] {
        match expected {
            Ok(length) => read(&get(lines), |head| assert_eq!(head.body_length(), length)),
            Err(error) => refused(get(lines), error),
        }
    }
    refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Error::TransferEncodingInHttp10,
    );
}

#[test]
fn persistence() {
    for (version, connection, persistent) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        read(&text, |head| {
            assert_eq!(head.persistent(), persistent, "{text}");
        });
    }
}

#[test]
fn expectations() {
    for (version, lines, expects) in [
        ("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true),
        (
            "1.1",
            "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
            true,
        ),
        ("1.1", "Expect: 100-continue\r\n", false),
        ("1.1", "Expect: 100\r\nContent-Length: 1\r\n", false),
        ("1.1", "Expect: something\r\nContent-Length: 1\r\n", false),
        ("1.1", "Content-Length: 1\r\n", false),
        (
            "1.0",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            false,
        ),
    ] {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        read(&text, |head| {
            assert_eq!(head.expects_continue(), expects, "{text}");
        });
    }
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

mod response {
    use super::*;

    fn once(input: &[u8], scanned: &mut usize) -> Result<Option<(u16, String, usize)>, Error> {
        let mut table = FieldTable::new();
        let decoded = ResponseHead::decode(input, scanned, &mut table)?;
        Ok(decoded.map(|(head, used)| {
            let fields: Vec<_> = head.fields().collect();
            let text = format!("{:?} {} {fields:?}", head.version(), head.reason());
            (head.status(), text, used)
        }))
    }

    fn outcome(input: &str) -> Result<Option<u16>, Error> {
        let input = input.as_bytes();
        let whole = once(input, &mut 0);
        for cut in 0..input.len() {
            let mut scanned = 0;
            let first = once(&input[..cut], &mut scanned);
            let both = if first == Ok(None) {
                once(input, &mut scanned)
            } else {
                first
            };
            assert_eq!(both, whole, "cut at {cut}");
        }
        Ok(whole?.map(|(status, _, used)| {
            assert_eq!(used, input.len());
            status
        }))
    }

    #[test]
    fn status_lines() {
        for (line, status) in [
            ("HTTP/1.1 200 OK", Ok(200)),
            ("HTTP/1.1 200 ", Ok(200)),
            ("HTTP/1.1 200", Ok(200)),
            ("HTTP/1.0 404 Not Found", Ok(404)),
            ("HTTP/1.1 101 \u{e4}\tb", Ok(101)),
            ("HTTP/1.1 099 x", Err(Error::StatusLine)),
            ("HTTP/1.1 20 x", Err(Error::StatusLine)),
            ("HTTP/1.1 2000 x", Err(Error::StatusLine)),
            ("HTTP/1.1 2x0 x", Err(Error::StatusLine)),
            ("HTTP/1.1  200 x", Err(Error::StatusLine)),
            ("HTTP/1.1 200 a\0", Err(Error::StatusLine)),
            ("HTTP/1.1 200 a\rb", Err(Error::StatusLine)),
            ("HTTP/1.1", Err(Error::StatusLine)),
            ("HTTP/2.0 200 OK", Err(Error::VersionNotSupported)),
            ("HTTP/x.1 200 OK", Err(Error::Version)),
            ("ICY 200 OK", Err(Error::StatusLine)),
            ("\r\nHTTP/1.1 200 OK", Err(Error::StatusLine)),
        ] {
            assert_eq!(
                outcome(&format!("{line}\r\nA: b\r\n\r\n")),
                status.map(Some),
                "{line}"
            );
        }
    }

    #[test]
    fn fields() {
        let mut table = FieldTable::new();
        let input = b"HTTP/1.1 101 Switching\r\nUpgrade: a\r\nupgrade: b, C\r\n\r\nrest";
        let (head, used) = ResponseHead::decode(input, &mut 0, &mut table)
            .unwrap()
            .unwrap();
        assert_eq!(used, input.len() - 4);
        assert_eq!((head.version(), head.status()), (Version::Http11, 101));
        assert_eq!(head.reason(), "Switching");
        assert_eq!(head.field("UPGRADE"), Some(b"a".as_slice()));
        assert_eq!(head.field_lines("Upgrade").count(), 2);
        assert_eq!(head.list("Upgrade").count(), 3);
        assert!(head.contains_token("Upgrade", "c"));
    }

    #[test]
    fn fields_are_read_as_strictly_as_in_requests() {
        for (lines, error) in [
            ("A : b\r\n", Error::SpaceBeforeColon),
            ("A: b\r\n c\r\n", Error::FoldedField),
            ("A: b\n", Error::BareLineFeed),
            ("A: b\0\r\n", Error::FieldValue),
        ] {
            assert_eq!(
                outcome(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
                Err(error)
            );
        }
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
