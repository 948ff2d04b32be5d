//! TLS of the built binary, with peers that others wrote: curl, and tungstenite over rustls.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tungstenite::Message;

use authority::Authority;
use server::Daemon;

mod authority;
mod daemon;
#[path = "tls/server.rs"]
mod server;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

type Stream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn connect(daemon: &Daemon, config: &Arc<ClientConfig>) -> Stream {
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
    Stream::new(client, daemon.connect())
}

fn web_socket(daemon: &Daemon, config: &Arc<ClientConfig>) -> tungstenite::WebSocket<Stream> {
    let url = format!("wss://localhost:{}/", daemon.address.port());
    let (web_socket, response) = tungstenite::client(url, connect(daemon, config)).unwrap();
    assert_eq!(response.status(), 101);
    web_socket
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn echoes(web_socket: &mut tungstenite::WebSocket<Stream>, data: &[u8]) {
    web_socket
        .send(Message::Binary(data.to_vec().into()))
        .unwrap();
    let heard = web_socket.read().unwrap();
    assert!(heard == Message::Binary(data.to_vec().into()));
}

#[test]
fn curl_loads_a_page_by_either_version() {
    let daemon = Daemon::start("http = { serve = \"page\", page = \"page.html\" }", "");
    for version in [&["--tlsv1.3"][..], &["--tlsv1.2", "--tls-max", "1.2"]] {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
            .arg(daemon.path("ca.pem"))
            .args(["--write-out", "%{http_code} %{ssl_verify_result}"])
            .args(version)
            // Two requests on one connection, then one that is kept from HTTP/2 by ALPN.
            .args([daemon.url(), daemon.url()])
            .output()
            .expect("curl is there");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let once = format!("{}200 0", server::PAGE);
        assert_eq!(stdout, once.repeat(2), "{:?}", output.stderr);
    }
}

#[test]
fn curl_loads_files_of_a_folder() {
    let daemon = Daemon::start("http = { serve = \"folder\", folder = \"site\" }", "");
    let folder = daemon.path("site");
    let lengths = [0, 1, 1000, 16_384, 65_536, 3_000_001];
    let name = |length: usize| format!("{length}.bin");
    for length in lengths {
        fs::write(folder.join(name(length)), noise(length)).unwrap();
    }
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(daemon.path("ca.pem"))
        .args(lengths.map(|length| format!("{}{}", daemon.url(), name(length))))
        .output()
        .expect("curl is there");
    let expected: Vec<u8> = lengths.into_iter().flat_map(noise).collect();
    assert!(output.stdout == expected, "{:?}", output.stderr);
}

#[test]
fn messages_of_any_length_come_back() {
    let daemon = Daemon::start("messages = \"echo\"", "");
    for version in VERSIONS {
        let mut peer = web_socket(&daemon, &daemon.authority.client(version));
        for length in [0, 16, 125, 126, 16_384, 65_536, 70_000, 1 << 20] {
            echoes(&mut peer, &noise(length));
        }
        peer.close(None).unwrap();
        // The Close frame is answered, and then TLS is ended as it should be: no truncation (RFC 8446 §6.1).
        assert!(peer.read().unwrap().is_close());
        let mut rest = Vec::new();
        assert_eq!(peer.get_mut().read_to_end(&mut rest).unwrap(), 0);
    }
}

#[test]
fn a_slow_peer_gets_its_backlog_in_order() {
    let daemon = Daemon::start("messages = \"broadcast\"", "");
    let config = daemon.authority.client(&TLS13);
    let mut slow = web_socket(&daemon, &config);
    let mut speaker = web_socket(&daemon, &config);
    let mut witness = web_socket(&daemon, &config);
    for round in 0..12 {
        let data = noise(250_000 + round);
        speaker.send(Message::Binary(data.into())).unwrap();
        assert_eq!(witness.read().unwrap().len(), 250_000 + round);
    }
    for round in 0..12 {
        assert!(slow.read().unwrap().into_data() == noise(250_000 + round));
    }
}

#[test]
fn a_session_is_resumed() {
    let daemon = Daemon::start("messages = \"echo\"", "");
    for version in VERSIONS {
        let config = daemon.authority.client(version);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut peer = web_socket(&daemon, &config);
            echoes(&mut peer, b"tickets have come before this");
            assert_eq!(peer.get_ref().conn.handshake_kind(), Some(expected));
        }
    }
}

#[test]
fn a_client_without_a_certificate_of_the_authority_is_refused() {
    let daemon = Daemon::start("messages = \"echo\"", "client_ca = \"ca.pem\"");
    for version in VERSIONS {
        let mut peer = web_socket(&daemon, &daemon.authority.client_with_certificate(version));
        echoes(&mut peer, b"known");
        let stranger = Authority::new();
        let unknown = daemon.authority.client_signed_by(version, &stranger);
        for config in [daemon.authority.client(version), unknown] {
            let mut peer = connect(&daemon, &config);
            let _ = peer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let error = peer.read(&mut [0; 100]).unwrap_err();
            assert!(error.to_string().contains("alert"), "{error}");
        }
    }
}

#[test]
fn plain_http_is_told_to_speak_tls() {
    let daemon = Daemon::start("", "");
    let mut peer = daemon.connect();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(
        answer.ends_with("This port speaks TLS: its addresses begin with https:// or wss://.\n"),
        "{answer}"
    );
}

#[test]
fn a_malformed_handshake_gets_an_alert() {
    let daemon = Daemon::start("", "");
    let mut peer = daemon.connect();
    peer.write_all(&[0; 64]).unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).unwrap();
    assert_eq!((answer.len(), answer[0]), (7, 21), "{answer:?}");
}

#[test]
fn a_handshake_that_never_ends_is_dropped() {
    let daemon = Daemon::start("limits = { head_timeout = \"1s\" }", "");
    let start = Instant::now();
    // The first bytes of a handshake, and none at all.
    for said in [&[0x16, 3, 1, 0, 200, 1, 0][..], b""] {
        let mut peer = daemon.connect();
        peer.write_all(said).unwrap();
        assert_eq!(peer.read(&mut [0; 100]).unwrap(), 0);
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn certificates_are_read_again_while_connections_live() {
    let mut daemon = Daemon::start("messages = \"echo\"", "");
    let config = daemon.authority.client(&TLS13);
    let shown = |daemon: &Daemon| {
        let config = daemon.authority.client(&TLS13);
        let mut peer = web_socket(daemon, &config);
        echoes(&mut peer, b"who are you");
        peer.get_ref().conn.peer_certificates().unwrap()[0].to_vec()
    };
    let mut old = web_socket(&daemon, &config);
    let first = shown(&daemon);
    daemon.authority.issue(daemon.folder.path());
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("cert.pem: certificate read: CN=server (localhost, 127.0.0.1), ");
    daemon.wait_for_log("reloaded: changed server WS_SERVER_1");
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("reloaded: nothing has changed");
    let second = shown(&daemon);
    assert_ne!(first, second);
    echoes(&mut old, b"still here");
    fs::write(daemon.path("cert.pem"), "").unwrap();
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("bellwire.toml:6:15: certificate: ");
    daemon.wait_for_log("the configuration is refused; everything runs on unchanged");
    assert_eq!(shown(&daemon), second);
    echoes(&mut old, b"still here");
}

/// What `bellwire check` says to the files of the folder.
fn check(daemon: &Daemon) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bellwire"))
        .args(["check", "-c", "bellwire.toml"])
        .current_dir(daemon.folder.path())
        .env_remove("JOURNAL_STREAM")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn check_prints_each_certificate_and_each_fault() {
    let daemon = Daemon::start("", "client_ca = \"ca.pem\"");
    let (status, stdout, stderr) = check(&daemon);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let certificates: Vec<&str> = stdout.lines().skip(2).collect();
    assert_eq!(
        certificates,
        [
            "    certificate: CN=server (localhost, 127.0.0.1), 30 days left",
            "    certificate: CN=authority, 30 days left"
        ]
    );
    let faults = [
        ("cert.pem", "", "6:15: certificate: cert.pem: an empty file"),
        (
            "key.pem",
            "?",
            "7:15: private_key: key.pem: no private key in it",
        ),
        (
            "ca.pem",
            "?",
            "8:13: client_ca: ca.pem: no certificate in it",
        ),
    ];
    for (file, text, expected) in faults {
        let before = fs::read(daemon.path(file)).unwrap();
        fs::write(daemon.path(file), text).unwrap();
        let (status, stdout, stderr) = check(&daemon);
        assert_eq!((status, stdout.as_str()), (Some(78), ""));
        let expected = format!("bellwire.toml:{expected}; allowed: ");
        assert!(stderr.starts_with(&expected), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        fs::write(daemon.path(file), before).unwrap();
    }
    Authority::new().issue_key(daemon.folder.path());
    let (status, _, stderr) = check(&daemon);
    assert_eq!(status, Some(78));
    assert!(
        stderr.contains(
            "7:15: private_key: key.pem: not the key of the first certificate in cert.pem;"
        ),
        "{stderr}"
    );
    fs::remove_file(daemon.path("key.pem")).unwrap();
    assert!(
        check(&daemon)
            .2
            .contains("private_key: key.pem: No such file")
    );
}

#[test]
fn an_expired_or_early_certificate_is_a_warning() {
    let daemon = Daemon::start("", "");
    for (from, to, expected) in [
        (2001, 2002, "has expired "),
        (2901, 2902, "is not valid yet, but in "),
    ] {
        let times = (
            rcgen::date_time_ymd(from, 1, 1),
            rcgen::date_time_ymd(to, 1, 1),
        );
        daemon.authority.issue_for(daemon.folder.path(), times);
        let (status, stdout, stderr) = check(&daemon);
        assert_eq!(status, Some(0));
        let expected = format!(
            "bellwire.toml:6:15: warning: certificate: CN=server (localhost, 127.0.0.1) {expected}"
        );
        assert!(stderr.starts_with(&expected), "{stderr}");
        assert_eq!(stdout.contains("expired"), from == 2001, "{stdout}");
    }
}
