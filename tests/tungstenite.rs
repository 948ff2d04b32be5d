//! The daemon with WebSocket clients that others wrote.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::frame::{Frame, coding::Data, coding::OpCode};
use tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use daemon::Daemon;

mod daemon;

const ECHO: &str = "[[server]]\nbind = [\"127.0.0.1:0\", \"unix:s\"]\nmessages = \"echo\"\nsubprotocols = [\"b\", \"c\"]\n";

fn open(daemon: &Daemon) -> WebSocket<TcpStream> {
    let peer = daemon.connect();
    peer.set_nodelay(true).unwrap();
    client(url(daemon), peer).expect("an open WebSocket").0
}

fn url(daemon: &Daemon) -> String {
    format!("ws://{}/", daemon.address())
}

/// The status that refuses a request with these fields.
fn refusal(daemon: &Daemon, url: &str, fields: &[(&'static str, &str)]) -> Option<u16> {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in fields {
        request
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value).unwrap());
    }
    match client(request, daemon.connect()) {
        Ok(_) => None,
        Err(HandshakeError::Failure(Error::Http(answer))) => Some(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 131 / 7) as u8).collect()
}

#[test]
fn messages_of_both_kinds_and_all_sizes_come_back() {
    let daemon = Daemon::run(ECHO, 1);
    let mut socket = open(&daemon);
    for len in [
        0,
        1,
        125,
        126,
        1000,
        65_535,
        65_536,
        200_000,
        (1 << 20) - 1,
        1 << 20,
    ] {
        let binary = Message::binary(pattern(len));
        socket.send(binary.clone()).unwrap();
        assert!(socket.read().unwrap() == binary, "{len} bytes");
        let text = Message::text("ä".repeat(len / 2));
        socket.send(text.clone()).unwrap();
        assert!(socket.read().unwrap() == text, "{len} bytes of text");
    }
}

#[test]
fn thousands_of_messages_come_back_in_order() {
    let daemon = Daemon::run(ECHO, 1);
    let mut socket = open(&daemon);
    let message = |batch: u32, at: u32| match at % 2 {
        0 => Message::text(format!("{batch} {at}")),
        _ => Message::binary(pattern((batch * at) as usize)),
    };
    for batch in 0..100 {
        for at in 0..60 {
            socket.write(message(batch, at)).unwrap();
        }
        socket.flush().unwrap();
        for at in 0..60 {
            assert_eq!(socket.read().unwrap(), message(batch, at));
        }
    }
}

#[test]
fn a_thousand_connections_at_once() {
    let limit = daemon::raise_descriptor_limit();
    if limit < 1200 {
        println!("skipped: only {limit} descriptors allowed");
        return;
    }
    let daemon = Daemon::run(
        "[daemon]\nmax_connections = 1100\n[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\n",
        1,
    );
    let mut sockets: Vec<_> = (0..1000).map(|_| open(&daemon)).collect();
    for (at, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(format!("I am {at}"))).unwrap();
    }
    for (at, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(socket.read().unwrap(), Message::text(format!("I am {at}")));
    }
}

#[test]
fn fragments_are_one_message_and_a_ping_may_come_between() {
    let daemon = Daemon::run(ECHO, 1);
    let mut socket = open(&daemon);
    let data = |kind, fin, bytes: &[u8]| {
        Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(kind), fin))
    };
    socket.send(data(Data::Text, false, b"one, \xC3")).unwrap();
    socket.send(Message::Ping(b"now?"[..].into())).unwrap();
    socket.send(data(Data::Continue, false, b"")).unwrap();
    socket
        .send(data(Data::Continue, true, b"\xA4, three"))
        .unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(b"now?"[..].into()));
    assert_eq!(socket.read().unwrap(), Message::text("one, ä, three"));
}

#[test]
fn a_message_too_long_fails_with_1009() {
    let daemon = Daemon::run(ECHO, 1);
    let mut socket = open(&daemon);
    // The rest of it may meet a closed connection.
    let _ = socket.send(Message::binary(pattern((1 << 20) + 1)));
    match socket.read() {
        Ok(Message::Close(Some(frame))) => {
            assert_eq!(frame.code, CloseCode::Size);
            assert!(!frame.reason.is_empty(), "it tells why");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_closing_handshake_is_clean() {
    let daemon = Daemon::run(ECHO, 1);
    let mut socket = open(&daemon);
    let bye = CloseFrame {
        code: CloseCode::Library(4001),
        reason: "bye".into(),
    };
    socket.close(Some(bye)).unwrap();
    match socket.read() {
        // RFC 6455 §5.5.1: the status code is echoed; the reason is the peer's own.
        Ok(Message::Close(Some(frame))) => {
            assert_eq!(frame.code, CloseCode::Library(4001));
            assert_eq!(frame.reason.as_str(), "");
        }
        other => panic!("{other:?}"),
    }
    // RFC 6455 §7.1.1: the server closes TCP first.
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

#[test]
fn the_first_subprotocol_of_the_client_that_is_listed_is_chosen() {
    let daemon = Daemon::run(ECHO, 1);
    let ask = |offered: &str| {
        let mut request = url(&daemon).into_client_request().unwrap();
        request.headers_mut().insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_str(offered).unwrap(),
        );
        let answer = client(request, daemon.connect()).unwrap().1;
        answer
            .headers()
            .get("Sec-WebSocket-Protocol")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(ask("a, c, b").as_deref(), Some("c"));
    assert_eq!(ask("b").as_deref(), Some("b"));
    assert_eq!(refusal(&daemon, &url(&daemon), &[]), None);
    // tungstenite fails when it has offered a subprotocol and none was chosen: then the answer has no such field.
    let nothing = daemon.ask(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Protocol: a, d\r\n\r\n\x88\x80abcd",
    );
    assert!(nothing.starts_with("HTTP/1.1 101 "), "{nothing}");
    assert!(!nothing.contains("Sec-WebSocket-Protocol"), "{nothing}");
}

#[test]
fn a_broadcast_reaches_the_others_of_the_server() {
    let daemon = Daemon::run(
        "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"broadcast\"\n",
        1,
    );
    let mut sockets: Vec<_> = (0..3).map(|_| open(&daemon)).collect();
    // Each is known to be joined once it has heard another.
    for sender in 0..3 {
        let text = Message::text(format!("from {sender}"));
        sockets[sender].send(text.clone()).unwrap();
        for other in (0..3).filter(|&other| other != sender) {
            assert_eq!(sockets[other].read().unwrap(), text);
        }
    }
}

#[test]
fn other_bindings_serve_alike() {
    let daemon = Daemon::run(ECHO, 1);
    let stream = UnixStream::connect(daemon.folder.path().join("s")).unwrap();
    let mut socket = client("ws://localhost/", stream).unwrap().0;
    for len in [5, 70_000, 1 << 20] {
        let message = Message::binary(pattern(len));
        socket.send(message.clone()).unwrap();
        assert!(
            socket.read().unwrap() == message,
            "{len} bytes over a unix socket"
        );
    }
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("skipped the rest: no IPv6 on this machine");
        return;
    }
    let daemon = Daemon::run("[[server]]\nbind = [\"[::1]:0\"]\nmessages = \"echo\"\n", 1);
    let mut socket = open(&daemon);
    socket.send(Message::text("six")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("six"));
}

#[test]
fn a_page_of_a_foreign_origin_is_refused() {
    let mut daemon = Daemon::run(
        "[[server]]\nbind = [\"127.0.0.1:0\"]\norigins = [\"https://example.org\"]\n",
        1,
    );
    let address = daemon.address();
    let url = url(&daemon);
    assert_eq!(refusal(&daemon, &url, &[]), None);
    assert_eq!(
        refusal(&daemon, &url, &[("Origin", &format!("http://{address}"))]),
        None
    );
    assert_eq!(
        refusal(&daemon, &url, &[("Origin", "https://example.org")]),
        None
    );
    assert_eq!(
        refusal(&daemon, &url, &[("Origin", "https://evil.example")]),
        Some(403)
    );
    daemon.wait_for_log("add \"https://evil.example\" to origins");
    assert_eq!(refusal(&daemon, &url, &[("Origin", "null")]), Some(403));
    // DNS rebinding: a name that resolves to this machine.
    let rebound = format!("ws://evil.example:{}/", address.port());
    let origin = format!("http://evil.example:{}", address.port());
    assert_eq!(
        refusal(&daemon, &rebound, &[("Origin", &origin)]),
        Some(403)
    );
}

#[test]
fn a_malformed_handshake_gets_the_reason() {
    let daemon = Daemon::run(ECHO, 1);
    let url = url(&daemon);
    assert_eq!(
        refusal(&daemon, &url, &[("Sec-WebSocket-Version", "8")]),
        Some(426)
    );
    assert_eq!(
        refusal(&daemon, &url, &[("Sec-WebSocket-Key", "short")]),
        Some(400)
    );
}
