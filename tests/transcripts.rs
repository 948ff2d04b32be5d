//! What a server is told and what it answers, however the bytes are cut.

use bellwire::proto::http::response::error_page;
use bellwire::proto::ws::frame::Kind;

use support::{DATE, Told, assert_any_split};

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
fn http_1_0_ends_unless_it_asks_to_be_kept() {
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
fn what_is_wrong_ends_the_connection_with_its_status() {
    let long = "x".repeat(17_000);
    for (transcript, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
            "400 Bad Request",
        ),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", "400 Bad Request"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
            "400 Bad Request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
            "400 Bad Request",
        ),
        ("GET / HTTP/1.1\nHost: h\n\n", "400 Bad Request"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400 Bad Request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 2\r\n\r\n",
            "400 Bad Request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n",
            "413 Content Too Large",
        ),
        (
            "GET / HTTP/3.0\r\nHost: h\r\n\r\n",
            "505 HTTP Version Not Supported",
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: h\r\nA: {long}"),
            "431 Request Header Fields Too Large",
        ),
        (&format!("GET /{long}"), "414 URI Too Long"),
    ] {
        // What follows the fault is not looked at.
        let transcript = format!("{transcript}GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
        let (told, sent) = assert_any_split(transcript.as_bytes());
        assert_eq!(told, [], "{transcript:.60}");
        let sent = String::from_utf8_lossy(&sent);
        assert!(
            sent.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{transcript:.60}: {sent}"
        );
        let code = status[..3].parse().expect("a status");
        assert!(sent.contains("\r\nConnection: close\r\n") && sent.ends_with(&error_page(code)));
    }
}

#[test]
fn a_bad_chunk_ends_a_request_that_was_told() {
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
        len => {
            frame.push(0xFE);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
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

/// Frames after an upgrade: what is told of them, and what is sent after the 101.
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
fn messages_fragments_and_what_comes_between() {
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
fn what_breaks_the_protocol_fails_with_its_code() {
    let broken: [(Vec<Vec<u8>>, u16); 9] = [
        (
            vec![frame(
                0x81,
                b"\xCE\xBA\xED\xA0\x80and much more that is not waited for",
            )],
            1007,
        ),
        (vec![frame(0x01, b"\xF0\x90"), frame(0x80, b"abc")], 1007),
        (vec![frame(0x01, b"\xF0\x90"), frame(0x80, b"\x80")], 1007),
        (vec![vec![0x81, 2, b'h', b'i']], 1002),
        (vec![frame(0xC1, b"x")], 1002),
        (vec![frame(0x83, b"x")], 1002),
        (vec![frame(0x80, b"x")], 1002),
        (vec![frame(0x88, &[0x03, 0xED])], 1002),
        (
            vec![vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4]],
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
fn an_upgrade_that_cannot_be_is_an_answer_like_any() {
    let transcript = UPGRADE.replace(": 13", ": 12") + "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    check(
        &transcript,
        &[Told::Request(get("/chat")), Told::Request(get("/a"))],
        &(answer("426 Upgrade Required", "", "") + &ok("", &get("/a"))),
    );
}
