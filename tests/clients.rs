//! Clients of the running daemon, against servers that others wrote and servers that misbehave. What happens to them is
//! seen by their servers, and in the log.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use authority::Authority;
use daemon::Daemon;
use peer::{UPGRADE, accept, address, answer, listen, open, text};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

mod authority;
mod daemon;
mod peer;

fn run(config: &str) -> Daemon {
    Daemon::run(config, 0)
}

/// How many warnings that say this there are in the log so far.
fn warnings(daemon: &Daemon, text: &str) -> usize {
    let lines = daemon.log.iter();
    lines
        .filter(|line| line.contains("[WARN]") && line.contains(text))
        .count()
}

/// Ends the daemon and gives its whole log.
fn end(mut daemon: Daemon) -> Vec<String> {
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{:#?}", daemon.log);
    std::mem::take(&mut daemon.log)
}

#[test]
fn a_client_connects_and_says_who_it_is() {
    let listener = listen(1, 0);
    let port = address(&listener).port();
    let mut daemon = run(&format!(
        "[[client]]\nid = \"up\"\nurl = \"ws://me:secret@127.0.7.1:{port}/auth/me/secret?x=1\"\n\
         headers = {{ \"X-Site\" = \"attic\" }}\nsubprotocols = [\"b\", \"chat.v1\"]\n\
         on_connect = [\"hello\", \"\u{e4}\"]\n"
    ));
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let field = |name| request.headers()[name].to_str().unwrap();
        assert_eq!(request.uri(), "/auth/me/secret?x=1");
        assert_eq!(field("Host"), format!("127.0.7.1:{port}"));
        assert_eq!(field("Authorization"), "Basic bWU6c2VjcmV0");
        assert_eq!(field("X-Site"), "attic");
        assert_eq!(field("Sec-WebSocket-Protocol"), "b, chat.v1");
        let chosen = "chat.v1".parse().unwrap();
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", chosen);
        Ok(response)
    };
    let mut socket = tungstenite::accept_hdr(accept(&listener), check).unwrap();
    assert_eq!(
        (text(&mut socket), text(&mut socket)),
        ("hello".to_owned(), "\u{e4}".to_owned())
    );
    let line = daemon.wait_for_log("up: connected to ");
    assert!(
        line.contains(&format!("ws://127.0.7.1:{port}: c1, 127.0.7.1:{port}"))
            && line.ends_with(", subprotocol chat.v1"),
        "{line}"
    );
    daemon.signal(libc::SIGTERM);
    match socket.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Away),
        other => panic!("{other:?}"),
    }
    assert!(socket.read().is_err());
    drop(socket);
    assert_eq!(daemon.wait().code(), Some(0));
    let log = daemon.log.join("\n");
    assert!(log.contains("up: disconnected: closed with 1001"), "{log}");
    assert!(!log.contains("secret"), "no password is logged: {log}");
}

#[test]
fn a_client_reconnects_when_its_server_is_back() {
    let listener = listen(2, 0);
    let at = address(&listener);
    let mut daemon = run(&format!(
        "[[client]]\nurl = \"ws://{at}\"\nreconnect = \"100ms\"\non_connect = [\"hello\"]\n"
    ));
    let mut socket = open(&listener);
    assert_eq!(text(&mut socket), "hello");
    drop((socket, listener));
    daemon.wait_for_log("WS_CLIENT_1: the peer left without a Close frame; tries again in 0.1 s");
    daemon.wait_for_log("[WARN] WS_CLIENT_1: cannot connect: ");
    daemon.wait_for_log("cannot connect: ");
    let listener = listen(2, at.port());
    let mut socket = open(&listener);
    assert_eq!(text(&mut socket), "hello");
    daemon.wait_for_log("connected to ");
    // The same failure several times in a row is warned of once.
    assert_eq!(warnings(&daemon, "cannot connect"), 1);
    // A server that closes cleanly is left, and connected to again.
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    assert_eq!(text(&mut open(&listener)), "hello");
    daemon.wait_for_log("closed by the peer; tries again");
}

#[test]
fn without_reconnect_one_attempt_is_all() {
    let listener = listen(3, 0);
    let at = address(&listener);
    let mut daemon = run(&format!("[[client]]\nurl = \"ws://{at}\"\n"));
    drop(open(&listener));
    let line = daemon.wait_for_log("does not try again, for reconnect is not set");
    assert!(line.contains("[WARN]"), "{line}");
    let log = end(daemon);
    let attempts = log.iter().filter(|line| line.contains("connected to"));
    assert_eq!(attempts.count(), 1);
}

#[test]
fn an_inactive_client_does_not_connect() {
    let listener = listen(4, 0);
    let at = address(&listener);
    let daemon = run(&format!(
        "[[client]]\nid = \"off\"\nurl = \"ws://{at}\"\nactive = false\non_connect = [\"off\"]\n\
         [[client]]\nid = \"on\"\nurl = \"ws://{at}\"\non_connect = [\"on\"]\n"
    ));
    assert_eq!(text(&mut open(&listener)), "on");
    assert!(!end(daemon).iter().any(|line| line.contains("off: ")));
}

#[test]
fn a_name_is_resolved() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = address(&listener).port();
    let mut daemon = run(&format!(
        "[[client]]\nurl = \"ws://localhost:{port}\"\nreconnect = \"100ms\"\n"
    ));
    let head = peer::read_head(&mut accept(&listener));
    assert!(
        head.contains(&format!("\r\nHost: localhost:{port}\r\n")),
        "{head}"
    );
    daemon.wait_for_log("the server closed the connection before it answered; tries again");
}

#[test]
fn a_dead_server_is_noticed_and_a_live_one_is_kept() {
    let listener = listen(5, 0);
    let at = address(&listener);
    let mut daemon = run(&format!(
        "[[client]]\nurl = \"ws://{at}\"\nping = \"200ms\"\nreconnect = \"100ms\"\n"
    ));
    // A peer that reads and sends nothing.
    let mut dead = accept(&listener);
    answer(&mut dead, UPGRADE);
    let mut received = Vec::new();
    dead.read_to_end(&mut received).unwrap();
    assert_eq!(
        (&received[..2], received.len()),
        (&b"\x89\x80"[..], 6),
        "one masked ping, then the end"
    );
    daemon.wait_for_log("the peer did not answer a ping; tries again");
    // tungstenite answers as it reads.
    let mut alive = open(&listener);
    for _ in 0..4 {
        assert!(matches!(alive.read(), Ok(Message::Ping(_))));
    }
    assert_eq!(warnings(&daemon, "did not answer"), 1);
}

#[test]
fn a_server_that_never_upgrades_is_tried_again() {
    let listener = listen(6, 0);
    let at = address(&listener);
    let mut daemon = run(&format!(
        "[[client]]\nurl = \"ws://{at}\"\nreconnect = \"100ms\"\n"
    ));
    // Each kind twice: the second time is not warned of.
    for (answers, told) in [
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "the server's upgrade is no good: Sec-WebSocket-Accept is wrong",
        ),
        (
            "HTTP/1.1 503 Too Busy\r\nContent-Length: 0\r\n\r\n",
            "the server did not upgrade: HTTP/1.1 503 Too Busy",
        ),
        (
            "SSH-2.0-OpenSSH_9.9\r\n",
            "the server's answer is no HTTP: ",
        ),
    ] {
        for _ in 0..2 {
            let mut stream = accept(&listener);
            answer(&mut stream, answers);
            let line = daemon.wait_for_log(told);
            assert!(line.contains("; tries again in 0.1 s"), "{line}");
        }
        assert_eq!(warnings(&daemon, told), 1, "{:#?}", daemon.log);
    }
    let told = "the server closed the connection before it answered";
    for _ in 0..2 {
        // Unread bytes would end the connection with a reset.
        let mut stream = accept(&listener);
        peer::read_head(&mut stream);
        drop(stream);
        daemon.wait_for_log(told);
    }
    assert_eq!(warnings(&daemon, told), 1);
}

#[test]
fn a_server_that_breaks_the_protocol_is_left() {
    let listener = listen(7, 0);
    let at = address(&listener);
    let mut daemon = run(&format!(
        "[[client]]\nurl = \"ws://{at}\"\nreconnect = \"100ms\"\n"
    ));
    // Half a frame, in one write with the upgrade.
    let mut stream = accept(&listener);
    answer(&mut stream, &format!("{UPGRADE}\u{1}\u{7}half"));
    stream.shutdown(Shutdown::Write).unwrap();
    daemon.wait_for_log("the peer left without a Close frame");
    // A masked frame, which no server may send (RFC 6455 §5.1).
    let mut stream = accept(&listener);
    answer(&mut stream, UPGRADE);
    stream.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    daemon.wait_for_log("closed with 1002");
    // A head without an end.
    let mut stream = accept(&listener);
    answer(&mut stream, "HTTP/1.1 101 Switching Protocols\r\n");
    let line = [&b"X-Long: "[..], &[b'a'; 1000], b"\r\n"].concat();
    // Until the other side stops reading.
    while stream.write_all(&line).is_ok() {}
    daemon.wait_for_log("the server's answer is no HTTP");
    drop(open(&listener));
}

#[test]
fn the_interval_holds_whatever_the_failure_was() {
    let listener = listen(8, 0);
    let at = address(&listener);
    for (answers, told) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "the server wants a user name and password, or others: HTTP/1.1 401 Unauthorized",
        ),
        // The target of a redirect may repeat the request, passwords included.
        (
            "HTTP/1.1 301 Moved Permanently\r\nLocation: https://example.org/auth/me/secret/\r\n\r\n",
            "the server redirects to https://example.org, which is not followed: HTTP/1.1 301 Moved Permanently",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /auth/me/secret/\r\n\r\n",
            "the server redirects, which is not followed: HTTP/1.1 302 Found",
        ),
    ] {
        let mut daemon = run(&format!(
            "[[client]]\nurl = \"ws://{at}/auth/me/secret\"\nreconnect = \"30s\"\n"
        ));
        answer(&mut accept(&listener), answers);
        let line = daemon.wait_for_log(told);
        assert!(line.contains("[WARN]"), "{line}");
        let (_, wait) = line.split_once("tries again in ").unwrap();
        let wait: f64 = wait.trim_end_matches(" s").parse().unwrap();
        assert!((27.0..=33.0).contains(&wait), "{line}");
        assert!(!end(daemon).join("\n").contains("secret"));
    }
}

/// A client with `ca.pem` of an authority in the folder of its configuration.
fn run_with_authority(config: &str, authority: &Authority) -> Daemon {
    Daemon::run_in(config, 0, |folder| authority.publish(folder))
}

type Secure = StreamOwned<ServerConnection, TcpStream>;

fn secure(stream: TcpStream, config: &Arc<ServerConfig>) -> Secure {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

#[test]
fn a_server_of_the_configured_authority_is_trusted() {
    let authority = Authority::new();
    let config = authority.server(&["localhost"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = address(&listener).port();
    let mut daemon = run_with_authority(
        &format!(
            "[[client]]\nurl = \"wss://localhost:{port}/\"\non_connect = [\"hello\"]\nping = \"300ms\"\n\
             [client.trust]\nca = \"ca.pem\"\n"
        ),
        &authority,
    );
    let mut socket: WebSocket<Secure> =
        tungstenite::accept(secure(accept(&listener), &config)).unwrap();
    assert_eq!(
        socket.get_ref().conn.server_name(),
        Some("localhost"),
        "it says whom it wants (RFC 6066 §3)"
    );
    assert_eq!(
        socket.get_ref().conn.alpn_protocol(),
        None,
        "this server has no ALPN"
    );
    assert_eq!(text(&mut socket), "hello");
    daemon.wait_for_log(&format!("connected to wss://localhost:{port}: c"));
    assert!(matches!(socket.read(), Ok(Message::Ping(_))));
    daemon.signal(libc::SIGTERM);
    while !matches!(socket.read(), Ok(Message::Close(_))) {}
    while socket.read().is_ok() {}
    drop(socket);
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(warnings(&daemon, "verif"), 0);
}

#[test]
fn a_server_of_another_authority_is_refused() {
    let authority = Authority::new();
    let stranger = Authority::named("another").server(&["127.0.7.9"]);
    let listener = listen(9, 0);
    let at = address(&listener);
    let mut daemon = run_with_authority(
        &format!(
            "[[client]]\nurl = \"wss://{at}/\"\nreconnect = \"30s\"\n[client.trust]\nca = \"ca.pem\"\n"
        ),
        &authority,
    );
    let mut tls = secure(accept(&listener), &stranger);
    assert!(
        tls.read(&mut [0]).is_err(),
        "the server gets an alert instead of a request"
    );
    let line = daemon.wait_for_log("TLS failed: ");
    let (_, wait) = line.split_once("tries again in ").unwrap();
    let wait: f64 = wait.trim_end_matches(" s").parse().unwrap();
    assert!(line.contains("[WARN]") && wait <= 33.0, "{line}");
}

#[test]
fn each_connection_without_verification_is_warned_of() {
    let config = Authority::named("unknown").server(&["example.org"]);
    let listener = listen(10, 0);
    let at = address(&listener);
    let mut daemon = run(&format!(
        "[[client]]\nid = \"blind\"\nurl = \"wss://{at}/\"\nreconnect = \"100ms\"\n\
         [client.trust]\nverify = false\n"
    ));
    for count in 1..=3 {
        let socket = tungstenite::accept(secure(accept(&listener), &config)).unwrap();
        daemon.wait_for_log("was not verified");
        assert_eq!(warnings(&daemon, "blind: "), count + usize::from(count > 1));
        drop(socket);
        daemon.wait_for_log("tries again");
    }
}

/// Accepts fifty clients, each of which sends its name.
fn names(listener: &std::net::TcpListener) -> (BTreeSet<String>, Vec<WebSocket<TcpStream>>) {
    let mut sockets: Vec<_> = (0..50).map(|_| open(listener)).collect();
    (sockets.iter_mut().map(text).collect(), sockets)
}

#[test]
fn fifty_come_back_after_a_restart() {
    let listener = listen(11, 0);
    let at = address(&listener);
    let config: String = (0..50)
        .map(|n| {
            format!(
                "[[client]]\nid = \"c{n}\"\nurl = \"ws://{at}\"\nreconnect = \"500ms\"\n\
                 reconnect_max = \"2s\"\non_connect = [\"c{n}\"]\n"
            )
        })
        .collect();
    let daemon = run(&config);
    let (all, sockets) = names(&listener);
    assert_eq!(all.len(), 50);
    drop((listener, sockets));
    let listener = listen(11, at.port());
    let (back, _sockets) = names(&listener);
    assert_eq!(back, all);
    drop(daemon);
}

#[test]
fn servers_do_not_count_clients() {
    let listener = listen(12, 0);
    let at = address(&listener);
    let config = format!(
        "[[server]]\nbind = [\"127.0.0.1:0\"]\n[server.limits]\nmax_connections = 1\n\
         [[client]]\nurl = \"ws://{at}\"\n[[client]]\nurl = \"ws://{at}\"\n"
    );
    let daemon = Daemon::run(&config, 1);
    let _clients = (open(&listener), open(&listener));
    assert!(
        daemon
            .ask(b"GET / HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 200 ")
    );
}
