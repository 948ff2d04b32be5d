use super::*;
use crate::proto::http::head::FieldTable;

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";
/// RFC 6455 §1.3
const KEY_VALUE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const NONCE: &[u8; 16] = b"the sample nonce";

fn with_request<T>(text: &str, look: impl FnOnce(&RequestHead<'_>) -> T) -> T {
    let mut table = FieldTable::new();
    let (head, used) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table)
        .unwrap()
        .unwrap();
    assert_eq!(used, text.len());
    look(&head)
}

fn with_response<T>(text: &str, look: impl FnOnce(&ResponseHead<'_>) -> T) -> T {
    let mut table = FieldTable::new();
    let (head, used) = ResponseHead::decode(text.as_bytes(), &mut 0, &mut table)
        .unwrap()
        .unwrap();
    assert_eq!(used, text.len());
    look(&head)
}

/// The lines of a good request or response, with those of some names replaced, left out or repeated.
fn changed(lines: &[&str], changes: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for line in lines {
        let change = changes
            .iter()
            .find(|(beginning, _)| line.starts_with(beginning));
        match change {
            None => text.extend([line, "\r\n"]),
            Some((_, "")) => {}
            Some((_, other)) => text.extend([other, "\r\n"]),
        }
    }
    text + "\r\n"
}

fn request(changes: &[(&str, &str)]) -> String {
    changed(
        &[
            "GET /chat HTTP/1.1",
            "Host: server.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
        ],
        changes,
    )
}

fn response(changes: &[(&str, &str)]) -> String {
    changed(
        &[
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "Sec-WebSocket-Protocol: chat",
        ],
        changes,
    )
}

#[test]
fn the_accept_value_of_the_rfc() {
    assert_eq!(
        accept_value(KEY_VALUE.as_bytes()),
        *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(encode_key(*NONCE), KEY_VALUE.as_bytes());
}

#[test]
fn the_request_of_the_rfc() {
    with_request(&request(&[]), |head| {
        assert!(wants_upgrade(head));
        let offer = read_request(head).unwrap();
        assert_eq!(offer.key, KEY_VALUE.as_bytes());
        assert_eq!(offer.protocols().collect::<Vec<_>>(), ["chat", "superchat"]);

        let mut out = Vec::new();
        write_response(&mut out, &offer, Some("superchat"), DATE);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: superchat\r\n\
             \r\n"
        );
    });
}

#[test]
fn requests_accepted() {
    for changes in [
        [
            ("Upgrade", "upgrade: h2c, WebSocket"),
            ("Connection", "Connection: keep-alive, upgrade"),
        ],
        [
            ("Upgrade", "Upgrade: h2c\r\nUpgrade: WEBSOCKET"),
            ("Origin", ""),
        ],
        [("GET", "GET /a?b HTTP/1.2"), ("Sec-WebSocket-Protocol", "")],
        // The bits behind the sixteenth byte are not zero.
        [
            (
                "Sec-WebSocket-Key",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==",
            ),
            ("Origin", ""),
        ],
        [
            ("Origin", "Content-Length: 0"),
            ("Sec-WebSocket-Protocol", ""),
        ],
    ] {
        with_request(&request(&changes), |head| {
            assert!(wants_upgrade(head), "{changes:?}");
            assert!(read_request(head).is_ok(), "{changes:?}");
        });
    }
}

#[test]
fn requests_refused() {
    for (beginning, line, refused, status) in [
        ("GET", "POST /chat HTTP/1.1", HandshakeFault::Method, 405),
        ("GET", "HEAD /chat HTTP/1.1", HandshakeFault::Method, 405),
        (
            "GET",
            "GET /chat HTTP/1.0",
            HandshakeFault::HttpVersion,
            400,
        ),
        ("Upgrade", "", HandshakeFault::Upgrade, 400),
        (
            "Upgrade",
            "Upgrade: websocket2",
            HandshakeFault::Upgrade,
            400,
        ),
        ("Connection", "", HandshakeFault::Connection, 400),
        (
            "Connection",
            "Connection: close",
            HandshakeFault::Connection,
            400,
        ),
        ("Sec-WebSocket-Version", "", HandshakeFault::Version, 426),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 8",
            HandshakeFault::Version,
            426,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 013",
            HandshakeFault::Version,
            426,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 13, 8",
            HandshakeFault::Version,
            426,
        ),
        (
            "Origin",
            "Sec-WebSocket-Version: 13",
            HandshakeFault::Version,
            426,
        ),
        ("Sec-WebSocket-Key", "", HandshakeFault::Key, 400),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key:",
            HandshakeFault::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j",
            HandshakeFault::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTEy",
            HandshakeFault::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=",
            HandshakeFault::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
            HandshakeFault::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25_ZQ==",
            HandshakeFault::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
            HandshakeFault::Key,
            400,
        ),
        (
            "Origin",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            HandshakeFault::Key,
            400,
        ),
        ("Origin", "Content-Length: 1", HandshakeFault::Body, 400),
        (
            "Origin",
            "Transfer-Encoding: chunked",
            HandshakeFault::Body,
            400,
        ),
    ] {
        with_request(&request(&[(beginning, line)]), |head| {
            assert_eq!(read_request(head).err(), Some(refused), "{line}");
            assert_eq!(refused.status(), status);
            assert!(refused.to_string().contains(' '));
        });
    }
}

#[test]
fn what_does_not_ask_for_websocket() {
    for change in [
        ("GET", "GET /chat HTTP/1.0"),
        ("Upgrade", ""),
        ("Upgrade", "Upgrade: h2c"),
        ("Connection", "Connection: keep-alive"),
    ] {
        with_request(&request(&[change]), |head| {
            assert!(!wants_upgrade(head), "{change:?}");
        });
    }
}

#[test]
fn a_refusal_has_the_fields_its_status_needs() {
    assert!(
        HandshakeFault::Version
            .fields()
            .contains(&("Sec-WebSocket-Version", "13"))
    );
    assert!(HandshakeFault::Method.fields().contains(&("Allow", "GET")));
    assert!(HandshakeFault::Key.fields().is_empty());
}

#[test]
fn subprotocols_that_are_no_tokens_are_left_out() {
    let lines = "Sec-WebSocket-Protocol: a b, c,, \"d\"\r\nSec-WebSocket-Protocol: e.v1";
    with_request(&request(&[("Sec-WebSocket-Protocol", lines)]), |head| {
        let offer = read_request(head).unwrap();
        assert_eq!(offer.protocols().collect::<Vec<_>>(), ["c", "e.v1"]);
    });
}

#[test]
fn what_a_client_writes_a_server_accepts() {
    let request = UpgradeRequest {
        host: "example.org:8080",
        target: "/a b?c=\u{e9}#d",
        protocols: &["chat.v1", "chat.v2"],
        basic: Some(("Aladdin", "open sesame")),
        fields: &[("X-Site", b"attic\r\nX-Forged: yes")],
    };
    let mut out = Vec::new();
    write_request(&mut out, &request, *NONCE);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "GET /a%20b?c=%C3%A9%23d HTTP/1.1\r\n\
         Host: example.org:8080\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n\
         Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
         X-Site: attic  X-Forged: yes\r\n\
         \r\n"
    );
    let mut answer = Vec::new();
    with_request(&text, |head| {
        let offer = read_request(head).unwrap();
        assert_eq!(offer.protocols().collect::<Vec<_>>(), request.protocols);
        write_response(&mut answer, &offer, offer.protocols().nth(1), DATE);
    });
    with_response(&String::from_utf8(answer).unwrap(), |head| {
        let accepted = read_response(head, *NONCE, request.protocols);
        assert_eq!(
            accepted,
            Ok(Accepted {
                protocol: Some("chat.v2")
            })
        );
    });
}

#[test]
fn a_target_begins_with_a_slash() {
    for (target, written) in [("", "/"), ("/", "/"), ("a", "/a"), ("?b", "/?b")] {
        let mut out = Vec::new();
        put_target(&mut out, target);
        assert_eq!(out, written.as_bytes());
    }
}

#[test]
fn responses_accepted() {
    for (change, protocol) in [
        (("X", ""), Some("chat")),
        (("Upgrade", "UPGRADE: WebSocket"), Some("chat")),
        (
            ("Connection", "Connection: keep-alive, upgrade"),
            Some("chat"),
        ),
        (("Sec-WebSocket-Protocol", ""), None),
        (
            ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions:"),
            None,
        ),
    ] {
        with_response(&response(&[change]), |head| {
            let accepted = read_response(head, *NONCE, &["superchat", "chat"]);
            assert_eq!(accepted, Ok(Accepted { protocol }), "{change:?}");
        });
    }
}

#[test]
fn responses_refused() {
    for (beginning, line, error) in [
        ("HTTP", "HTTP/1.1 200 OK", Error::Status(200)),
        ("HTTP", "HTTP/1.1 401 Unauthorized", Error::Status(401)),
        ("HTTP", "HTTP/1.1 302 Found", Error::Status(302)),
        ("HTTP", "HTTP/1.0 101 Switching", Error::HttpVersion),
        ("Upgrade", "", Error::Upgrade),
        ("Upgrade", "Upgrade: h2c", Error::Upgrade),
        ("Upgrade", "Upgrade: websocket, h2c", Error::Upgrade),
        ("Connection", "", Error::Connection),
        ("Connection", "Connection: close", Error::Connection),
        ("Sec-WebSocket-Accept", "", Error::Accept),
        (
            "Sec-WebSocket-Accept",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            Error::Accept,
        ),
        (
            "Sec-WebSocket-Accept",
            "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            Error::Accept,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            Error::Accept,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions: permessage-deflate",
            Error::Extension,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: Chat",
            Error::Protocol,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: other",
            Error::Protocol,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol:",
            Error::Protocol,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: chat, superchat",
            Error::Protocol,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat",
            Error::Protocol,
        ),
    ] {
        with_response(&response(&[(beginning, line)]), |head| {
            let refused = read_response(head, *NONCE, &["superchat", "chat"]);
            assert_eq!(refused, Err(error), "{line}");
            assert!(error.to_string().contains(' '));
        });
    }
    with_response(&response(&[]), |head| {
        assert_eq!(read_response(head, *NONCE, &[]), Err(Error::Protocol));
        assert_eq!(read_response(head, [0; 16], &["chat"]), Err(Error::Accept));
    });
}
