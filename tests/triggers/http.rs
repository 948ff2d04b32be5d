//! Triggers on requests: scripts that answer them.

use std::io::{Read, Write};

use crate::daemon::Daemon;
use crate::rig::{ask, connect, get, hear_text, run, run_with, say, split};

const CGI: &str = r#"#!/bin/sh
case $PATH_INFO in
/env) printf 'X-Method: %s\r\nContent-Type: text/html\r\n\r\n' "$REQUEST_METHOD"
  echo "$PATH_INFO|$BELLWIRE_FILENAME|$QUERY_STRING|$BELLWIRE_QUERY_name|$HTTP_X_REAL|$SCRIPT_NAME|$SERVER_PROTOCOL|$GATEWAY_INTERFACE" ;;
/status) printf 'Status: 404 None such\nContent-Type: text/plain\n\nnot here' ;;
/redirect) printf 'Location: https://example.org/a?b=c\n\n' ;;
/cookies) printf 'Set-Cookie: a=1; Path=/\nSet-Cookie: b=2\nContent-Type: text/plain\n\nx' ;;
/plain) echo 'Error: disk full'; echo next ;;
/silent) ;;
/failed) echo nothing to see; echo the reason >&2; exit 7 ;;
/malformed) printf 'Status: 99\nContent-Type: text/plain\n\nx' ;;
/injected) printf 'Location: /a\rX-Evil: 1\n\n' ;;
/short) printf 'Content-Length: 10\nContent-Type: text/plain\n\nx' ;;
/form) printf 'Content-Type: text/plain\n\n%s|%s|' "$BELLWIRE_POST_name" "$BELLWIRE_POST_what"; cat ;;
/count) printf 'Content-Type: text/plain\n\n'; wc -c ;;
/cat) printf 'Content-Type: application/octet-stream\n\n'; exec cat ;;
/nobody) printf 'Status: 204 Nothing\n\n' ;;
/file) printf 'X-Sendfile: %s\nSet-Cookie: seen=1\n\n' "$BELLWIRE_QUERY_path" ;;
/typed) printf 'X-Sendfile: report.txt\nContent-Type: text/csv\n\n' ;;
/cut) printf 'Content-Type: text/plain\n\n'; echo begun; sleep 0.1; exit 1 ;;
/long) printf 'Content-Type: text/plain\nContent-Length: 300000\n\n'; head -c 300000 /dev/zero ;;
esac
"#;

const TRIGGER: &str = r#"
[server.http]
serve = "folder"
folder = "."
[[trigger]]
name = "cgi"
on = "http_request"
run = ["./cgi.sh"]
"#;

fn cgi() -> Daemon {
    run_with(&[("cgi.sh", CGI), ("report.txt", "0123456789")], TRIGGER)
}

/// The values of a field of an answer.
fn field(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join(" | ")
}

/// A request: method and target, fields, body; and its answer: status, some fields, body.
type Case<'c> = (
    &'c str,
    &'c str,
    &'c str,
    u16,
    &'c [(&'c str, &'c str)],
    Option<&'c str>,
);

fn check(daemon: &Daemon, cases: &[Case<'_>]) {
    for (request, fields, body, status, expected, content) in cases {
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let (head, answer) = ask(
            daemon,
            &format!(
                "{request} HTTP/1.1\r\nHost: localhost\r\n{fields}{length}Connection: close\r\n\r\n{body}"
            ),
        );
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {head}"
        );
        for (name, value) in *expected {
            assert_eq!(field(&head, name), *value, "{request}: {name}");
        }
        if let Some(content) = content {
            assert_eq!(String::from_utf8_lossy(&answer), *content, "{request}");
        }
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const PARTS: &str = "Content-Type: multipart/form-data; boundary=B\r\n";
const PART: &str = "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--B--\r\n";

/// Scripts get the request in their environment, and their output becomes the answer.
#[rustfmt::skip]
const CASES: &[Case<'_>] = &[
    ("GET /%65nv?name=J%C3%BCrgen+X&o=1", "X-Real: yes\r\nX_Real: no\r\n", "", 200,
        &[("Content-Type", "text/html"), ("X-Method", "GET")],
        Some("/env|env|name=J%C3%BCrgen+X&o=1|Jürgen X|yes||HTTP/1.1|CGI/1.1\n")),
    ("GET /status", "", "", 404, &[("Content-Length", "8")], Some("not here")),
    ("GET /redirect", "", "", 302, &[("Location", "https://example.org/a?b=c")], None),
    ("GET /cookies", "", "", 200, &[("Set-Cookie", "a=1; Path=/ | b=2")], None),
    ("GET /plain", "", "", 200, &[("Content-Type", "text/plain; charset=utf-8")], Some("Error: disk full\nnext\n")),
    ("GET /silent", "", "", 200, &[], Some("")),
    ("GET /nobody", "", "", 204, &[("Content-Length", "")], Some("")),
    // What is no answer is a bad gateway.
    ("GET /failed", "", "", 502, &[], None),
    ("GET /malformed", "", "", 502, &[], None),
    ("GET /injected", "", "", 502, &[("X-Evil", "")], None),
    ("GET /file?path=%2Fetc%2Fpasswd", "", "", 502, &[], None),
    // A trigger that names no methods acts on the usual ones; the folder answers the others.
    ("DELETE /env", "", "", 405, &[], None),
    ("OPTIONS /env", "", "", 204, &[], None),
    // What no environment can hold, and paths that lead out, are refused.
    ("GET /env?a=%00", "", "", 400, &[], None),
    ("GET /env%00", "", "", 400, &[], None),
    ("GET /..%2fenv", "", "", 404, &[], None),
    ("GET /../env", "", "", 400, &[], None),
    // Forms are parameters and stdin; other bodies are stdin alone.
    ("POST /form", FORM, "name=a+b&what=%C3%BC", 200, &[], Some("a b|ü|name=a+b&what=%C3%BC")),
    ("POST /form", PARTS, PART, 200, &[],
        Some("x||--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--B--\r\n")),
    ("POST /form", "Content-Type: text/plain\r\n", "name=a", 200, &[], Some("||name=a")),
    ("POST /form", PARTS, "no parts", 400, &[], None),
    ("POST /count", "Content-Length: 2000000\r\n", "", 413, &[], None),
    // A file that a script names is sent as any file is.
    ("GET /file?path=report.txt", "", "", 200, &[("Set-Cookie", "seen=1")], Some("0123456789")),
    ("GET /file?path=report.txt", "Range: bytes=2-4\r\n", "", 206, &[("Content-Range", "bytes 2-4/10")], Some("234")),
    ("GET /file?path=none", "", "", 404, &[], None),
    ("GET /file?path=../../etc/passwd", "", "", 404, &[], None),
    ("GET /file?path=.", "", "", 404, &[], None),
    ("HEAD /file?path=report.txt", "", "", 200, &[("Content-Length", "10")], Some("")),
    ("GET /typed", "", "", 200, &[("Content-Type", "text/csv")], None),
    ("HEAD /long", "", "", 200, &[("Content-Length", "300000")], Some("")),
];

#[test]
fn scripts_answer_requests() {
    let mut daemon = cgi();
    check(&daemon, CASES);
    let (head, _) = get(&daemon, "/file?path=report.txt");
    let unchanged = format!("If-None-Match: {}\r\n", field(&head, "ETag"));
    let absolute = daemon.folder.path().join("report.txt");
    let absolute = format!("GET /file?path={}", absolute.display());
    let long = "\0".repeat(300_000);
    check(
        &daemon,
        &[
            (
                "GET /file?path=report.txt",
                &unchanged,
                "",
                304,
                &[],
                Some(""),
            ),
            (&absolute, "", "", 200, &[], None),
            (
                "GET /long",
                "",
                "",
                200,
                &[("Content-Length", "300000")],
                Some(&long),
            ),
        ],
    );
    // The requests are over; nothing of the log has been read.
    daemon.wait_for_log("trigger cgi: the reason");
}

#[test]
fn a_long_form_in_chunks_goes_to_stdin_alone() {
    let daemon = cgi();
    let long = "x".repeat(100_000);
    let request = format!(
        "POST /form HTTP/1.1\r\nHost: localhost\r\n{FORM}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\nname={long}\r\n0\r\n\r\n",
        long.len() + 5
    );
    let (_, body) = ask(&daemon, &request);
    assert!(String::from_utf8_lossy(&body).contains(&format!("||name={}", &long[..1000])));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let daemon = cgi();
    let one = "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /plain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = daemon.ask(format!("{one}{one}{last}").as_bytes());
    assert_eq!(answer.matches("not here").count(), 2, "{answer}");
    assert!(answer.ends_with("Error: disk full\nnext\n"), "{answer}");
}

#[test]
fn scripts_do_not_see_the_credentials_of_a_url() {
    let daemon = run(r#"
[server.auth]
anonymous = false
url = true
basic = true
[server.users]
list = ["alice=secret"]
[[trigger]]
on = "http_request"
path = "/environment"
run = ["sh", "-c", "env | grep -c secret; true"]
[[trigger]]
on = "http_request"
path = "/who"
run = ["sh", "-c", "echo $PATH_INFO $REMOTE_USER $AUTH_TYPE $HTTP_AUTHORIZATION"]
"#);
    let basic = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    check(
        &daemon,
        &[
            (
                "GET /auth/alice/secret/environment",
                "",
                "",
                200,
                &[],
                Some("0\n"),
            ),
            (
                "GET /auth/alice/secret/who",
                "",
                "",
                200,
                &[],
                Some("/who alice URL\n"),
            ),
            ("GET /who", basic, "", 200, &[], Some("/who alice Basic\n")),
            ("GET /who", "", "", 401, &[], None),
        ],
    );
}

#[test]
fn a_large_body_goes_to_the_script_and_comes_back() {
    let daemon = run_with(
        &[("cgi.sh", CGI)],
        "limits = { max_body = \"32MiB\" }\n[[trigger]]\non = \"http_request\"\nrun = [\"./cgi.sh\"]\n",
    );
    let length = 20 << 20;
    let piece: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let post = |path: &str| {
        let mut peer = daemon.connect();
        let mut sender = peer.try_clone().unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let piece = piece.clone();
        let sending = std::thread::spawn(move || {
            sender.write_all(head.as_bytes())?;
            (0..20).try_for_each(|_| sender.write_all(&piece))
        });
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        (sending.join().unwrap(), split(&answer))
    };
    let (sent, (head, body)) = post("/count");
    sent.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(String::from_utf8(body).unwrap().trim(), length.to_string());
    // One that answers before it has read all gets no more than fits between: the answer is the end of the request.
    let small = "POST /cat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\nConnection: close\r\n\r\n";
    let mut peer = daemon.connect();
    peer.write_all(small.as_bytes()).unwrap();
    peer.write_all(&piece[..500_000]).unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).unwrap();
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(body == piece[..500_000], "{} bytes", body.len());
}

#[test]
fn files_of_a_script_are_beneath_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".own"), "of the trigger").unwrap();
    let root = folder.path().display();
    let daemon = run_with(
        &[("report.txt", "of the server")],
        &format!(
            "[server.http]\nserve = \"folder\"\nfolder = \".\"\n[[trigger]]\non = \"http_request\"\nrun = [\"sh\", \"-c\", \"echo X-Sendfile: $BELLWIRE_QUERY_path; echo\"]\nsend_file_root = \"{root}\"\n"
        ),
    );
    assert_eq!(get(&daemon, "/?path=.own").1, "of the trigger");
    let (head, _) = get(&daemon, "/?path=report.txt");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let (head, _) = get(
        &daemon,
        &format!("/?path={}/report.txt", daemon.folder.path().display()),
    );
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[test]
fn a_script_that_fails_in_the_middle_cuts_the_connection() {
    let daemon = cgi();
    let mut peer = daemon.connect();
    peer.write_all(b"POST /cut HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nx\n\r\n0\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // Reset or ended: either way without the last chunk.
    let _ = peer.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let is_cut = answer.contains("\r\nbegun\n") && !answer.ends_with("0\r\n\r\n");
    assert!(is_cut || answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let mut answer = Vec::new();
    let mut peer = daemon.connect();
    peer.write_all(b"GET /short HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let _ = peer.read_to_end(&mut answer);
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 502 ") || body == b"x", "{head}");
}

#[test]
fn a_slow_script_is_a_gateway_timeout() {
    let mut daemon = run(r#"
[[trigger]]
name = "slow"
on = "http_request"
run = ["sleep", "100"]
timeout = "100ms"
max_running = 1
max_queued = 0
"#);
    let (head, _) = get(&daemon, "/");
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    daemon.wait_for_log("trigger slow: timeout");
}

#[test]
fn a_peer_that_does_not_read_makes_room_for_one_that_waits() {
    let mut daemon = run(r#"
[[trigger]]
name = "large"
on = "http_request"
path = "/large"
run = ["sh", "-c", "printf 'Content-Type: text/plain\n\n'; exec head -c 20000000 /dev/zero"]
max_running = 1
timeout = "1s"
"#);
    let mut idle = daemon.connect();
    let request = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    idle.write_all(request).unwrap();
    let mut first = [0; 8];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1");
    let (head, body) = get(&daemon, "/large");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body.len(), 20_000_000);
    daemon.wait_for_log("trigger large: timeout");
}

#[test]
fn a_full_queue_is_unavailable() {
    let daemon = run(r#"
[[trigger]]
name = "narrow"
on = "http_request"
path = "/slow"
run = ["sh", "-c", "printf 'Content-Type: text/plain\n\nbegun'; exec sleep 100"]
max_running = 1
max_queued = 0
[[trigger]]
on = "http_request"
path = "/other/*"
run = ["echo", "other"]
"#);
    let mut first = daemon.connect();
    first
        .write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut begun = [0; 12];
    first.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    let (head, _) = get(&daemon, "/slow");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let (_, body) = get(&daemon, "/other/thing");
    assert_eq!(body, "other\n");
}

#[test]
fn a_page_of_another_origin_fires_no_trigger() {
    let mut daemon = run(r#"
[[trigger]]
name = "reboot"
on = "http_request"
path = "/reboot"
run = ["sh", "-c", "echo fired"]
"#);
    let port = daemon.address().port();
    let own = format!("http://127.0.0.1:{port}");
    for (fields, status) in [
        ("Origin: https://evil.example\r\n".to_owned(), "403"),
        ("Origin: null\r\n".to_owned(), "403"),
        ("Sec-Fetch-Site: cross-site\r\n".to_owned(), "403"),
        ("Sec-Fetch-Site: same-origin\r\n".to_owned(), "200"),
        (format!("Origin: {own}\r\n"), "200"),
        (String::new(), "200"),
    ] {
        for method in ["GET", "POST"] {
            let (head, _) = ask(
                &daemon,
                &format!(
                    "{method} /reboot HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}Connection: close\r\n\r\n"
                ),
            );
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status} ")),
                "{fields}: {head}"
            );
        }
    }
    // DNS rebinding: a foreign name that resolves to this machine.
    let (head, _) = ask(
        &daemon,
        "GET /reboot HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    daemon.wait_for_log("add \"https://evil.example\" to origins");
    // The rule does not concern requests that fire no trigger.
    let (head, _) = ask(
        &daemon,
        "GET /page HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[test]
fn a_peer_that_leaves_ends_its_script() {
    let mut daemon = run(r#"
[[trigger]]
name = "patient"
on = "http_request"
run = ["sh", "-c", "trap 'echo told to end >&2; exit 0' TERM; echo runs >&2; while :; do sleep 0.05; done"]
"#);
    let mut peer = daemon.connect();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    daemon.wait_for_log("trigger patient: runs");
    drop(peer);
    daemon.wait_for_log("trigger patient: told to end");
}

#[test]
fn an_echo_keeps_answering_beside_200_slow_scripts() {
    let daemon = run(r#"
messages = "echo"
[[trigger]]
on = "message"
match = "starts_with"
string = "run "
run = ["sh", "-c", "read -r line; echo $line; exec sleep 100"]
reply = "lines"
max_running = 300
timeout = "60s"
"#);
    let (mut peer, mut echo) = (connect(&daemon), connect(&daemon));
    for n in 0..200 {
        say(&mut peer, &format!("run {n}\n"));
        say(&mut echo, &format!("echo {n}"));
        assert_eq!(hear_text(&mut echo), format!("echo {n}"));
    }
    let mut all: Vec<String> = (0..200).map(|_| hear_text(&mut peer)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 200);
    say(&mut echo, "last");
    assert_eq!(hear_text(&mut echo), "last");
}

/// Kilobytes of memory that a process has.
fn resident(pid: libc::pid_t) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let field = line.and_then(|line| line.split_whitespace().nth(1));
    field.and_then(|field| field.parse().ok()).unwrap()
}

#[test]
fn a_large_answer_is_produced_as_fast_as_it_is_read() {
    let mut daemon = run(r#"
[[trigger]]
name = "large"
on = "http_request"
run = ["sh", "-c", "echo Content-Type: a/b; echo; head -c 67108864 /dev/zero; echo all written >&2"]
"#);
    let mut peer = daemon.connect();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut first = [0; 1000];
    peer.read_exact(&mut first).unwrap();
    // Others are served meanwhile; little is buffered for the first.
    for _ in 0..5 {
        let (head, _) = ask(&daemon, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    assert!(resident(daemon.pid()) < 32 * 1024);
    let mut answer = first.to_vec();
    peer.read_to_end(&mut answer).unwrap();
    assert_eq!(split(&answer).1.len(), 67_108_864);
    daemon.wait_for_log("trigger large: all written");
}

#[test]
fn curl_sends_a_form_with_a_file() {
    let daemon = cgi();
    let url = format!("http://{}/form", daemon.address());
    let output = std::process::Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "20",
            "-F",
            "name=a b",
            "-F",
            "file=@Cargo.toml",
            &url,
        ])
        .output();
    match output {
        Ok(output) => {
            let body = String::from_utf8_lossy(&output.stdout);
            assert!(body.starts_with("a b||--"), "{body}");
            assert!(body.contains("filename=\"Cargo.toml\""), "{body}");
        }
        Err(error) => println!("skipped: no curl ({error})"),
    }
}
