//! `client test` and `client new` of the built binary, against servers that others wrote and servers that misbehave.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use authority::Authority;
use server::Server;

mod authority;
mod daemon;
#[path = "client_test/server.rs"]
mod server;

/// What a run printed, and its exit status.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the binary in a folder, without environment variables that would change its behaviour.
fn bellwire(folder: &Path, args: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bellwire"))
        .args(args)
        .current_dir(folder)
        .env_remove("BELLWIRE_CONFIG")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Dials a URL that is on stdin.
fn dial(url: &str, args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let args = [&["client", "test", "-"], args].concat();
    bellwire(folder.path(), &args, &format!("{url}\n"))
}

/// The steps that were printed, each with a word when it failed.
fn steps(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.lines().filter(|line| !line.starts_with(' '));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let step = words.next().unwrap().to_owned();
            let failed = words.next() == Some("failed");
            step + if failed { " failed" } else { "" }
        })
        .collect()
}

#[test]
fn every_step_is_told() {
    let server = Server::tungstenite();
    let ran = dial(
        &format!("ws://localhost:{}/x?y", server.address.port()),
        &[],
    );
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    // localhost may also be ::1, which has no listener.
    let mut told = steps(&ran);
    told.retain(|step| step != "tcp failed");
    assert_eq!(told, ["dns", "tcp", "upgrade", "ping"], "{ran:?}");
    assert!(ran.stdout.contains(" ms  localhost: "), "{ran:?}");
    assert!(ran.stdout.contains("no subprotocol"));
    assert_eq!(server.end(), "/x?y - - 1000", "it is closed cleanly");
}

#[test]
fn programs_get_objects() {
    let server = Server::tungstenite();
    let ran = dial(&format!("ws://{}", server.address), &["--json"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let objects: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<&str> = objects
        .iter()
        .map(|object| object["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["tcp", "upgrade", "ping"]);
    for object in &objects {
        assert!(
            object["ok"] == true && object["ms"].as_f64().unwrap() >= 0.0,
            "{object}"
        );
    }
    assert_eq!(objects[0]["address"], server.address.to_string());
    assert!(objects[1]["subprotocol"].is_null());
    server.end();

    let server = Server::answering("HTTP/1.1 401 Unauthorized\r\n\r\n");
    let ran = dial(&format!("ws://{}", server.address), &["--json"]);
    let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["step"], &last["ok"]),
        (&"upgrade".into(), &false.into())
    );
    assert!(
        last["cause"]
            .as_str()
            .unwrap()
            .ends_with("401 Unauthorized")
    );
    assert!(
        last["advice"]
            .as_str()
            .unwrap()
            .starts_with("another user name")
    );
}

#[test]
fn a_client_of_the_configuration_is_dialled_as_it_is() {
    let server = Server::tungstenite();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[[client]]\nid = \"Up\"\nurl = \"ws://{}/report\"\n\
         basic = {{ username = \"Aladdin\", password = \"open sesame\" }}\n\
         headers = {{ \"X-Site\" = \"attic\" }}\nsubprotocols = [\"chat.v1\"]\non_connect = [\"not sent\"]\n",
        server.address
    );
    fs::write(folder.path().join("bellwire.toml"), config).unwrap();
    let args = ["client", "test", "uP", "-c", "bellwire.toml"];
    let ran = bellwire(folder.path(), &args, "");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("subprotocol chat.v1"), "{ran:?}");
    assert_eq!(
        server.end(),
        "/report Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== attic 1000"
    );

    for (args, status, error) in [
        (
            ["client", "test", "down", "-c", "bellwire.toml"],
            4,
            "bellwire: invalid WS client ID \"down\"\n",
        ),
        (
            ["client", "test", "up", "-c", "missing.toml"],
            78,
            "missing.toml: No such file",
        ),
    ] {
        let ran = bellwire(folder.path(), &args, "");
        assert_eq!(ran.status, Some(status), "{ran:?}");
        assert!(
            ran.stderr.starts_with(error) && ran.stdout.is_empty(),
            "{ran:?}"
        );
    }
}

#[test]
fn a_password_is_sent_and_not_shown() {
    let server = Server::tungstenite();
    let ran = dial(
        &format!("ws://me:s%65cret@{}/auth/me/hidden", server.address),
        &[],
    );
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(server.end(), "/auth/me/hidden Basic bWU6c2VjcmV0 - 1000");
    let refused = Server::answering("HTTP/1.1 403 No\r\n\r\n");
    let failed = dial(
        &format!("ws://me:secret@{}/auth/me/hidden", refused.address),
        &[],
    );
    let wrong = dial("ws://me:secret@h:x/hidden", &[]);
    assert_eq!(wrong.status, Some(2));
    for ran in [ran, failed, wrong] {
        for text in [&ran.stdout, &ran.stderr] {
            assert!(
                !text.contains("secret") && !text.contains("hidden"),
                "{text}"
            );
        }
    }
}

/// Dials by a configuration of one client with this trust.
fn dial_trusting(folder: &Path, host: &str, address: SocketAddr, trust: &str) -> Ran {
    let config = format!(
        "[[client]]\nid = \"up\"\nhost = \"{host}\"\nport = {}\ntls = true\n[client.trust]\n{trust}\n",
        address.port()
    );
    fs::write(folder.join("bellwire.toml"), config).unwrap();
    bellwire(folder, &["client", "test", "up", "-c", "bellwire.toml"], "")
}

#[test]
fn a_certificate_is_described() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.publish(folder.path());
    let config = authority.server(&["localhost", "127.0.0.1"]);
    for host in ["localhost", "127.0.0.1"] {
        let server = Server::tungstenite_over_tls(Arc::clone(&config));
        let ran = dial_trusting(folder.path(), host, server.address, "ca = \"ca.pem\"");
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(
            ran.stdout.contains(
                "TLS 1.3; CN=server (localhost, 127.0.0.1), issued by CN=authority, 30 days left\n"
            ),
            "{ran:?}"
        );
        assert!(server.end().ends_with(" 1000"));
    }
}

#[test]
fn a_certificate_that_is_not_trusted_ends_it() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let config = authority.server(&["elsewhere.example"]);
    // The one of the same name has another key.
    for name in ["another", "authority"] {
        Authority::named(name).publish(folder.path());
        let path = folder.path().join(format!("{name}.pem"));
        fs::rename(folder.path().join("ca.pem"), path).unwrap();
    }
    authority.publish(folder.path());
    for (trust, cause, advice) in [
        (
            "ca = \"another.pem\"",
            "UnknownIssuer",
            "ca in [client.trust]",
        ),
        (
            "ca = \"authority.pem\"",
            "BadSignature",
            "ca in [client.trust]",
        ),
        ("ca = \"ca.pem\"", "not valid for name", "one of the names"),
    ] {
        let server = Server::tungstenite_over_tls(Arc::clone(&config));
        let ran = dial_trusting(folder.path(), "127.0.0.1", server.address, trust);
        assert_eq!(
            (ran.status, steps(&ran)),
            (Some(1), vec!["tcp".to_owned(), "tls failed".to_owned()]),
            "{ran:?}"
        );
        assert!(
            ran.stdout.contains(cause) && ran.stdout.contains(advice),
            "{ran:?}"
        );
        server.end();
    }
    let server = Server::tungstenite_over_tls(config);
    let ran = dial_trusting(folder.path(), "127.0.0.1", server.address, "verify = false");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(", not verified\n"), "{ran:?}");
    server.end();
}

const ACCEPT: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

#[test]
fn faults_of_servers_are_told_apart() {
    let huge = format!(
        "HTTP/1.1 101 Switching Protocols\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    for (answer, step, cause, advice) in [
        (
            &*format!("{ACCEPT}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
            "upgrade",
            "the server's upgrade is no good: Sec-WebSocket-Accept is wrong",
            "another server or proxy",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://example.org/there\r\n\r\n",
            "upgrade",
            "the server redirects to https://example.org/there, which is not followed: HTTP/1.1 302 Found",
            "https://example.org/there instead of this URL",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "upgrade",
            "the server wants a user name and password, or others: HTTP/1.1 401 Unauthorized",
            "another user name and password",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
            "upgrade",
            "the server did not upgrade: HTTP/1.1 404 Not Found",
            "another path",
        ),
        (
            &*huge,
            "upgrade",
            "the server's answer is no HTTP: the head is too long",
            "wss://",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "upgrade",
            "SSH-2.0-OpenSSH_9.2",
            "wss://",
        ),
        (
            "",
            "upgrade",
            "the server closed the connection before it answered",
            "wss://",
        ),
        (
            &*format!("{ACCEPT}Sec-WebSocket-Accept: {{accept}}\r\n\r\n\u{1}"),
            "ping",
            "the peer left without a Close frame",
            "the log of the server",
        ),
        (
            &*format!("{ACCEPT}Sec-WebSocket-Accept: {{accept}}\r\n\r\n\u{70}\u{1}"),
            "upgrade",
            "closed with 1002: ",
            "another server",
        ),
    ] {
        let server = Server::answering(answer);
        let ran = dial(&format!("ws://{}", server.address), &[]);
        assert_eq!(ran.status, Some(1), "{answer}: {ran:?}");
        assert_eq!(
            steps(&ran).last().unwrap(),
            &format!("{step} failed"),
            "{answer}: {ran:?}"
        );
        let [.., last, tried] = &ran.stdout.lines().collect::<Vec<_>>()[..] else {
            panic!("{ran:?}");
        };
        assert!(last.contains(cause), "{answer}: {ran:?}");
        assert!(
            tried
                .trim_start()
                .strip_prefix("try: ")
                .unwrap()
                .starts_with(advice),
            "{ran:?}"
        );
        server.end();
    }
}

#[test]
fn a_server_that_never_answers_times_out() {
    for scheme in ["ws", "wss"] {
        let server = Server::start(|mut stream| {
            let mut all = Vec::new();
            // It ends when the client gives up.
            let _ = stream.read_to_end(&mut all);
            String::new()
        });
        let ran = dial(
            &format!("{scheme}://{}", server.address),
            &["--timeout", "300ms"],
        );
        assert_eq!(ran.status, Some(5), "{ran:?}");
        let step = if scheme == "ws" { "upgrade" } else { "tls" };
        assert_eq!(steps(&ran), ["tcp".to_owned(), format!("{step} failed")]);
        assert!(
            ran.stdout.contains("the server did not answer in time"),
            "{ran:?}"
        );
        server.end();
    }
}

#[test]
fn a_refused_connection_is_reported() {
    // Bound, and not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let ran = dial(&format!("ws://{address}"), &[]);
    assert_eq!(
        (ran.status, steps(&ran)),
        (Some(1), vec!["tcp failed".to_owned()])
    );
    assert!(
        ran.stdout
            .contains(&format!("{address}: Connection refused")),
        "{ran:?}"
    );
}

#[test]
fn tls_and_plain_text_are_told_apart() {
    let plain = Server::start(|mut stream| {
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        String::new()
    });
    let ran = dial(&format!("wss://{}", plain.address), &[]);
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stdout
            .contains("the server does not speak TLS on this port"),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("try: ws:// instead of wss://"),
        "{ran:?}"
    );
    plain.end();

    // What such a server says is an alert, or nothing.
    let tls = Server::answering("\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{16}");
    let ran = dial(&format!("ws://{}", tls.address), &[]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stdout.contains("try: wss://"), "{ran:?}");
    tls.end();
}

#[test]
fn check_accepts_a_new_block() {
    let folder = tempfile::tempdir().unwrap();
    for (url, args) in [
        ("wss://myhost.com:12345/auth/user/psw", &["--id", "Up"][..]),
        ("ws://me:p%40%22%5c%24@[2001:db8::1]/a?b=\"\\", &[]),
        ("https://192.0.2.1", &[]),
    ] {
        let args = [&["client", "new", "-"], args].concat();
        let ran = bellwire(folder.path(), &args, url);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        let config = daemon::for_whoever_runs(&ran.stdout);
        fs::write(folder.path().join("bellwire.toml"), config).unwrap();
        let checked = bellwire(folder.path(), &["check", "-c", "bellwire.toml"], "");
        assert_eq!(checked.status, Some(0), "{checked:?}");
    }
    let direct = bellwire(folder.path(), &["client", "new", "ws://h"], "");
    assert_eq!(
        direct.stdout,
        "[[client]]\nhost = \"h\"\nport = 80\ntls = false\nparameters = \"/\"\n"
    );
    for (args, error) in [
        (
            ["client", "new", "h", "--id=a"],
            "bellwire: the URL: it does not begin with ws://",
        ),
        (
            ["client", "new", "ws://h", "--id=1a"],
            "bellwire: --id: \"1a\"; allowed: letters, digits and underscores",
        ),
    ] {
        let ran = bellwire(folder.path(), &args, "");
        assert_eq!(ran.status, Some(2), "{ran:?}");
        assert!(
            ran.stderr.starts_with(error) && ran.stdout.is_empty(),
            "{ran:?}"
        );
    }
}
