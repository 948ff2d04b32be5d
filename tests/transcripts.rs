//! The events and answers of a server do not depend on how the bytes are split.

use bellwire::conn::Conf;
use bellwire::proto::http::body::MAX_OVERHEAD;
use bellwire::proto::http::head::MAX_HEAD;
use bellwire::proto::http::response::error_page;
use bellwire::proto::ws::frame::Kind;

use support::{DATE, Told, assert_any_split, assert_any_split_in_turns, cuts, run};

mod support;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn answer(status: &str, connection: &str, body: &str) -> String {
    let date = String::from_utf8_lossy(DATE);
    format!(
        "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: {}\r\n{connection}\r\n{body}",
        body.len()
    )
}

fn ok(connection: &str, line: &str) -> String {
    answer("200 OK", connection, line)
}

fn get(path: &str) -> String {
    format!("Get Origin {{ path: \"{path}\", query: None }}")
}

fn check(transcript: &str, told: &[Told], sent: &str) {
    let (was_told, was_sent) = assert_any_split(transcript.as_bytes());
    assert_eq!(was_told, told);
    assert_eq!(String::from_utf8_lossy(&was_sent), sent);
}

#[test]
fn requests_in_a_row() {
    check(
        "\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /c HTTP/1.1\r\n",
        &[Told::Request(get("/a")), Told::Request(get("/b"))],
        &(ok("", &get("/a")) + &ok("Connection: close\r\n", &get("/b"))),
    );
}

#[test]
fn http_1_0_closes_without_keep_alive() {
    let line = get("/");
    check(
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        &[Told::Request(line.clone()), Told::Request(line.clone())],
        &(ok("Connection: keep-alive\r\n", &line) + &ok("Connection: close\r\n", &line)),
    );
}

#[test]
fn bodies_of_both_kinds() {
    let line = "Post Origin { path: \"/\", query: None }".to_owned();
    check(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: t\r\n\r\n\
         POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        &[
            Told::Request(line.clone()),
            Told::Body(b"abc0123456789abcdef".to_vec()),
            Told::BodyEnd,
            Told::Request(line),
            Told::Body(b"hello".to_vec()),
            Told::BodyEnd,
        ],
        &(ok("", "taken") + &ok("", "taken")),
    );
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let line = "Head Origin { path: \"/\", query: None }".to_owned();
    let whole = ok("", &line);
    check(
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n",
        &[Told::Request(line.clone()), Told::Request(get("/next"))],
        &(whole[..whole.len() - line.len()].to_owned() + &ok("", &get("/next"))),
    );
}

const EXPECTS: &str =
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn a_client_that_waits_for_100_gets_it() {
    let outcome = assert_any_split_in_turns(&Conf::default(), &[EXPECTS.as_bytes(), b"hello"]);
    assert_eq!(
        outcome.told[1..],
        [Told::Body(b"hello".to_vec()), Told::BodyEnd]
    );
    assert_eq!(
        String::from_utf8_lossy(&outcome.sent),
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &ok("", "taken")
    );
}

#[test]
fn a_client_that_does_not_wait_needs_no_100() {
    // RFC 9110 §10.1.1: a server may omit it when it has some of the body.
    let transcript = [EXPECTS.as_bytes(), b"hello"].concat();
    let (outcome, _) = run(&Conf::default(), &[&transcript], false);
    assert_eq!(String::from_utf8_lossy(&outcome.sent), ok("", "taken"));
}

#[test]
fn http_1_0_gets_no_100() {
    check(
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
        &[
            Told::Request("Post Origin { path: \"/\", query: None }".to_owned()),
            Told::Body(b"ok".to_vec()),
            Told::BodyEnd,
        ],
        &ok("Connection: close\r\n", "taken"),
    );
}

/// Heads and the status that each is refused with.
fn refused_heads() -> Vec<(String, &'static str)> {
    let long = "x".repeat(MAX_HEAD);
    let request = |fields: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let line = |line: &str| format!("{line}\r\nHost: h\r\n\r\n");
    let mut heads = vec![
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET / HTTP/1.1\nHost: h\n\n".to_owned(), "400 Bad Request"),
        (line("GET / HTTP/3.0"), "505 HTTP Version Not Supported"),
        (
            request("Transfer-Encoding: gzip, chunked\r\n"),
            "501 Not Implemented",
        ),
        (
            request("Content-Length: 1048577\r\n"),
            "413 Content Too Large",
        ),
        (
            request(&"A: b\r\n".repeat(100)),
            "431 Request Header Fields Too Large",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: h\r\nA: {long}"),
            "431 Request Header Fields Too Large",
        ),
        (format!("GET /{long}"), "414 URI Too Long"),
        (
            format!("{} / HTTP/1.1", &long[..100]),
            "501 Not Implemented",
        ),
    ];
    let lines = [
        "G@T / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        "GET /\u{1} HTTP/1.1",
        "GET http://user@h/ HTTP/1.1",
        "GET h:80 HTTP/1.1",
        "GET * HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "GET /",
        " GET / HTTP/1.1",
    ];
    heads.extend(lines.map(|text| (line(text), "400 Bad Request")));
    let fields = [
        "Host: h\r\n",
        "A : b\r\n",
        "A: b\r\n c\r\n",
        "A: b\rc\r\n",
        "A: b\nC: d\r\n",
        "A: b\0c\r\n",
        ": b\r\n",
        "A\r\n",
        "A b: c\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
    ];
    heads.extend(fields.map(|text| (request(text), "400 Bad Request")));
    heads.push((
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        "400 Bad Request",
    ));
    heads.push((
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(),
        "400 Bad Request",
    ));
    heads
}

#[test]
fn a_malformed_head_gets_its_status_and_ends_the_connection() {
    for (head, status) in refused_heads() {
        let outcome = assert_any_split_in_turns(&Conf::default(), &[head.as_bytes()]);
        assert_eq!(outcome.told, [], "{head:.60}");
        assert_refused(&outcome.sent, status);
        assert!(outcome.ended, "{head:.60}");
    }
}

/// The answer that refuses: it ends the connection, and is all that there is.
fn assert_refused(sent: &[u8], status: &str) {
    let code = status[..3].parse().expect("a status");
    let fields = "Content-Type: text/html; charset=utf-8\r\n";
    let expected = answer(status, "Connection: close\r\n", &error_page(code));
    let expected = expected.replacen("Content-Length", &format!("{fields}Content-Length"), 1);
    assert_eq!(String::from_utf8_lossy(sent), expected);
}

#[test]
fn a_head_may_be_as_long_as_the_longest() {
    let head = |filler: usize| {
        let filler = "x".repeat(filler);
        format!("GET / HTTP/1.1\r\nHost: h\r\nA: {filler}\r\n\r\n")
    };
    let most = MAX_HEAD - head(0).len();
    let (told, _) = assert_any_split(head(most).as_bytes());
    assert_eq!(told, [Told::Request(get("/"))]);
    let (told, sent) = assert_any_split(head(most + 1).as_bytes());
    assert_eq!(told, []);
    assert_refused(&sent, "431 Request Header Fields Too Large");
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_chunked_body_over_the_limit_is_413() {
    let conf = Conf {
        max_body: 8,
        ..Conf::default()
    };
    let fits = format!("{CHUNKED}4\r\n0123\r\n4\r\n4567\r\n0\r\n\r\n");
    let outcome = assert_any_split_in_turns(&conf, &[fits.as_bytes()]);
    assert_eq!(
        outcome.told[1..],
        [Told::Body(b"01234567".to_vec()), Told::BodyEnd]
    );
    let exceeds = format!("{CHUNKED}4\r\n0123\r\n5\r\n45678\r\n0\r\n\r\n");
    for pieces in cuts(exceeds.as_bytes()) {
        let (outcome, _) = run(&conf, &pieces, false);
        assert_refused(&outcome.sent, "413 Content Too Large");
        // The part of the body that came in time is reported: its length depends on the split, but the body never ends.
        assert!(outcome.ended && !outcome.told.contains(&Told::BodyEnd));
        if let Some(Told::Body(body)) = outcome.told.last() {
            assert!(body.len() <= 8 && b"01234567".starts_with(body));
        }
    }
}

#[test]
fn a_chunk_whose_size_exceeds_the_limit_is_not_waited_for() {
    let conf = Conf {
        max_body: 8,
        ..Conf::default()
    };
    for (body, status) in [
        ("9\r\n", "413 Content Too Large"),
        ("4\r\n0123\r\n5\r\n", "413 Content Too Large"),
        ("7fffffffffffffff\r\n", "413 Content Too Large"),
        ("8000000000000000\r\n", "400 Bad Request"),
    ] {
        let request = format!("{CHUNKED}{body}");
        for pieces in cuts(request.as_bytes()) {
            let (outcome, _) = run(&conf, &pieces, false);
            assert_refused(&outcome.sent, status);
        }
    }
}

#[test]
fn a_malformed_body_ends_the_connection() {
    for (body, status) in [
        ("g\r\n", "400 Bad Request"),
        ("-1\r\n", "400 Bad Request"),
        ("0x1\r\n", "400 Bad Request"),
        ("10000000000000000\r\n", "400 Bad Request"),
        ("1;a\0\r\n", "400 Bad Request"),
        ("1\n", "400 Bad Request"),
        ("0\r\nA : b\r\n\r\n", "400 Bad Request"),
        ("0\r\n b\r\n\r\n", "400 Bad Request"),
        (
            &format!("0\r\nA: {}", "x".repeat(MAX_OVERHEAD)),
            "431 Request Header Fields Too Large",
        ),
    ] {
        let transcript = format!("{CHUNKED}{body}");
        let outcome = assert_any_split_in_turns(&Conf::default(), &[transcript.as_bytes()]);
        assert_eq!(outcome.told.len(), 1, "{body:.60}");
        assert_refused(&outcome.sent, status);
        assert!(outcome.ended);
    }
}

#[test]
fn a_bad_chunk_ends_a_request_that_has_begun() {
    let (told, sent) = assert_any_split(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX",
    );
    assert_eq!(told[1..], [Told::Body(b"ab".to_vec())]);
    assert!(sent.starts_with(b"HTTP/1.1 400 "));
}

/// Masked, as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            frame.push(0xFE);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// Frames after an upgrade: their events, and the bytes sent after the 101.
fn frames(frames: &[Vec<u8>]) -> (Vec<Told>, Vec<u8>) {
    let transcript = [UPGRADE.as_bytes(), &frames.concat()].concat();
    let (mut told, mut sent) = assert_any_split(&transcript);
    assert!(sent.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    let head = sent
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let text = String::from_utf8_lossy(&sent[..head]);
    assert!(text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    (told.split_off(1), sent.split_off(head))
}

#[test]
fn messages_and_fragments_with_control_frames_between() {
    let long = vec![b'l'; 300];
    let (told, sent) = frames(&[
        frame(0x81, "grüße".as_bytes()),
        frame(0x02, b"one "),
        frame(0x89, b"are you there"),
        frame(0x00, b""),
        frame(0x80, b"two"),
        frame(0x8A, b"unasked"),
        frame(0x82, &long),
        frame(0x88, &[0x03, 0xE8, b'b', b'y', b'e']),
        frame(0x81, b"too late"),
    ]);
    assert_eq!(
        told,
        [
            Told::Message(Kind::Text, "grüße".into()),
            Told::Ping,
            Told::Message(Kind::Binary, b"one two".to_vec()),
            Told::Pong,
            Told::Message(Kind::Binary, long.clone()),
            Told::Closed("closed by the peer with 1000: bye".to_owned()),
        ]
    );
    let expected = [
        &b"\x81\x07gr\xC3\xBC\xC3\x9Fe"[..],
        b"\x8A\x0Dare you there",
        b"\x82\x07one two",
        b"\x82\x7E\x01\x2C",
        &long,
        b"\x88\x02\x03\xE8",
    ];
    assert_eq!(sent, expected.concat());
}

#[test]
fn long_messages_are_received_in_place_or_not() {
    let long: Vec<u8> = (0..70_000).map(|at| (at * 7) as u8).collect();
    let text = "\u{1F514}ö".repeat(6000);
    let (told, sent) = frames(&[
        frame(0x82, &long),
        // Cut inside of a code point.
        frame(0x01, &text.as_bytes()[..30_001]),
        frame(0x89, b""),
        frame(0x80, &text.as_bytes()[30_001..]),
    ]);
    assert!(
        told == [
            Told::Message(Kind::Binary, long.clone()),
            Told::Ping,
            Told::Message(Kind::Text, text.clone().into_bytes()),
        ]
    );
    let expected = [
        b"\x82\x7F\0\0\0\0\0\x01\x11\x70",
        &long[..],
        b"\x8A\0\x81\x7E\x8C\xA0",
        text.as_bytes(),
    ];
    assert!(sent == expected.concat());
}

#[test]
fn a_close_is_answered_with_its_code() {
    for (payload, reason, answer) in [
        (&b""[..], "closed by the peer", &b"\x88\0"[..]),
        (
            b"\x03\xE8",
            "closed by the peer with 1000",
            b"\x88\x02\x03\xE8",
        ),
        (
            b"\x0F\xA0own",
            "closed by the peer with 4000: own",
            b"\x88\x02\x0F\xA0",
        ),
    ] {
        let (told, sent) = frames(&[frame(0x88, payload)]);
        assert_eq!(told, [Told::Closed(reason.to_owned())]);
        assert_eq!(sent, answer);
    }
}

#[test]
fn a_protocol_error_fails_with_its_close_code() {
    let long = frame(0x82, &vec![0; (1 << 20) + 1]);
    let broken: [(Vec<Vec<u8>>, u16); 18] = [
        (
            vec![frame(
                0x81,
                b"\xCE\xBA\xED\xA0\x80and much more that is not waited for",
            )],
            1007,
        ),
        // The frame is far from whole, and its fault is known all the same.
        (
            vec![vec![0x81, 0xFE, 1, 0, 0, 0, 0, 0, b'o', b'k', 0xFF]],
            1007,
        ),
        (vec![frame(0x01, b"\xF0\x90"), frame(0x80, b"abc")], 1007),
        (vec![frame(0x01, b"\xF0\x90"), frame(0x80, b"\x80")], 1007),
        (vec![frame(0x88, b"\x03\xE8\xFF")], 1007),
        (vec![vec![0x81, 2, b'h', b'i']], 1002),
        (vec![frame(0xC1, b"x")], 1002),
        (vec![frame(0x83, b"x")], 1002),
        (vec![frame(0x8B, b"x")], 1002),
        (vec![frame(0x80, b"x")], 1002),
        (vec![frame(0x01, b"x"), frame(0x81, b"y")], 1002),
        (vec![frame(0x09, b"x")], 1002),
        (vec![frame(0x89, &[0; 126])], 1002),
        (vec![vec![0x82, 0xFE, 0, 125, 1, 2, 3, 4]], 1002),
        (vec![frame(0x88, &[0x03])], 1002),
        (vec![frame(0x88, &[0x03, 0xED])], 1002),
        (vec![long[..14].to_vec()], 1009),
        (
            vec![frame(0x02, &[0; 1000]), [&[0x80], &long[1..14]].concat()],
            1009,
        ),
    ];
    for (bytes, code) in broken {
        let (told, sent) = frames(&bytes);
        assert!(
            matches!(&told[..], [Told::Closed(reason)] if reason.contains(&code.to_string())),
            "{bytes:?}: {told:?}"
        );
        assert_eq!(
            (sent[0], &sent[2..4]),
            (0x88, &code.to_be_bytes()[..]),
            "{bytes:?}"
        );
        assert_eq!(
            sent.len(),
            2 + usize::from(sent[1]),
            "nothing after the Close frame"
        );
    }
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let transcript = UPGRADE.replace(": 13", ": 12") + "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    check(
        &transcript,
        &[Told::Request(get("/chat")), Told::Request(get("/a"))],
        &(answer("426 Upgrade Required", "", "") + &ok("", &get("/a"))),
    );
}
