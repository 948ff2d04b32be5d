//! Triggers on requests: scripts that answer them.

use std::io::{Read, Write};

use crate::house::{ask, connect, get, hear_text, run, run_with, say, split};

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

fn cgi() -> crate::daemon::Daemon {
    run_with(&[("cgi.sh", CGI), ("report.txt", "0123456789")], TRIGGER)
}

fn field<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value).collect()
}

#[test]
fn a_script_is_told_of_the_request_and_answers_it() {
    let daemon = cgi();
    let (head, body) = ask(
        &daemon,
        "GET /%65nv?name=J%C3%BCrgen+X&o=1 HTTP/1.1\r\nHost: localhost:1\r\nX-Real: yes\r\nX_Real: no\r\nConnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(field(&head, "Content-Type"), ["text/html"]);
    assert_eq!(field(&head, "X-Method"), ["GET"]);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        "/env|env|name=J%C3%BCrgen+X&o=1|Jürgen X|yes||HTTP/1.1|CGI/1.1\n"
    );
}

#[test]
fn heads_of_answers() {
    let daemon = cgi();
    let (head, body) = get(&daemon, "/status");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(
        (body.as_str(), field(&head, "Content-Length")),
        ("not here", vec!["8"])
    );
    let (head, _) = get(&daemon, "/redirect");
    assert!(head.starts_with("HTTP/1.1 302 "), "{head}");
    assert_eq!(field(&head, "Location"), ["https://example.org/a?b=c"]);
    let (head, _) = get(&daemon, "/cookies");
    assert_eq!(field(&head, "Set-Cookie"), ["a=1; Path=/", "b=2"]);
    let (head, body) = get(&daemon, "/plain");
    assert_eq!(field(&head, "Content-Type"), ["text/plain; charset=utf-8"]);
    assert_eq!(body, "Error: disk full\nnext\n");
    let (head, body) = get(&daemon, "/silent");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && body.is_empty(),
        "{head}"
    );
    let (head, body) = get(&daemon, "/nobody");
    assert!(
        head.starts_with("HTTP/1.1 204 ") && body.is_empty(),
        "{head}"
    );
    assert!(field(&head, "Content-Length").is_empty(), "{head}");
}

#[test]
fn what_is_no_answer_is_a_bad_gateway() {
    let mut daemon = cgi();
    for path in [
        "/failed",
        "/malformed",
        "/injected",
        "/file?path=%2Fetc%2Fpasswd",
    ] {
        let (head, _) = get(&daemon, path);
        assert!(head.starts_with("HTTP/1.1 502 "), "{path}: {head}");
        assert!(!head.contains("X-Evil"), "{head}");
    }
    let has = |daemon: &crate::daemon::Daemon, text: &str| {
        daemon.log.iter().any(|line| line.contains(text))
    };
    if !has(&daemon, "trigger cgi: the reason") {
        daemon.wait_for_log("trigger cgi: the reason");
    }
}

#[test]
fn what_no_environment_can_hold_is_refused() {
    let daemon = cgi();
    for (path, status) in [
        ("/env?a=%00", "400"),
        ("/env%00", "400"),
        ("/..%2fenv", "404"),
        ("/../env", "400"),
    ] {
        let (head, _) = get(&daemon, path);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {head}"
        );
    }
}

#[test]
fn forms_are_parameters_and_stdin() {
    let daemon = cgi();
    let post = |content_type: &str, body: &str| {
        let (head, body) = ask(
            &daemon,
            &format!(
                "POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        );
        (head, String::from_utf8(body).unwrap())
    };
    let (_, body) = post("application/x-www-form-urlencoded", "name=a+b&what=%C3%BC");
    assert_eq!(body, "a b|ü|name=a+b&what=%C3%BC");
    let parts = "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--B--\r\n";
    let (_, body) = post("multipart/form-data; boundary=B", parts);
    assert_eq!(body, format!("x||{parts}"));
    let (_, body) = post("text/plain", "name=a");
    assert_eq!(body, "||name=a");
    let (head, _) = post("multipart/form-data; boundary=B", "nothing of the kind");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    // A form that comes in chunks, and turns out to be long, goes to stdin alone.
    let long = "x".repeat(100_000);
    let mut peer = daemon.connect();
    write!(
        peer,
        "POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\nname={long}\r\n0\r\n\r\n",
        long.len() + 5
    )
    .unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).unwrap();
    let body = split(&answer).1;
    assert!(String::from_utf8_lossy(&body).contains(&format!("||name={}", &long[..1000])));
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
fn a_body_beyond_the_limit_is_refused() {
    let daemon = cgi();
    let (head, _) = ask(
        &daemon,
        "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\nConnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[test]
fn a_file_that_a_script_names_is_sent_like_any_file() {
    let daemon = cgi();
    let file = |more: &str, path: &str| {
        ask(
            &daemon,
            &format!(
                "GET /file?path={path} HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n"
            ),
        )
    };
    let (head, body) = file("", "report.txt");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(
        (body.as_slice(), field(&head, "Set-Cookie")),
        (&b"0123456789"[..], vec!["seen=1"])
    );
    let etag = field(&head, "ETag")[0].to_owned();
    let (head, body) = file("Range: bytes=2-4\r\n", "report.txt");
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    assert_eq!(
        (body.as_slice(), field(&head, "Content-Range")),
        (&b"234"[..], vec!["bytes 2-4/10"])
    );
    let (head, body) = file(&format!("If-None-Match: {etag}\r\n"), "report.txt");
    assert!(
        head.starts_with("HTTP/1.1 304 ") && body.is_empty(),
        "{head}"
    );
    let absolute = daemon.folder.path().join("report.txt");
    let (head, _) = file("", absolute.to_str().unwrap());
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for missing in ["none", "../../etc/passwd", "."] {
        let (head, _) = file("", missing);
        assert!(head.starts_with("HTTP/1.1 404 "), "{missing}: {head}");
    }
    let (head, body) = ask(
        &daemon,
        "HEAD /file?path=report.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(field(&head, "Content-Length"), ["10"]);
    assert!(body.is_empty());
    let (head, _) = get(&daemon, "/typed");
    assert_eq!(field(&head, "Content-Type"), ["text/csv"]);
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
fn head_requests_and_pipelining() {
    let daemon = cgi();
    let (head, body) = ask(
        &daemon,
        "HEAD /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(field(&head, "Content-Length"), ["300000"]);
    assert!(body.is_empty());
    let one = "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /plain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut peer = daemon.connect();
    peer.write_all(format!("{one}{one}{last}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("not here").count(), 2, "{answer}");
    assert!(answer.ends_with("Error: disk full\nnext\n"), "{answer}");
    let (head, body) = ask(
        &daemon,
        "GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(field(&head, "Content-Length"), ["300000"]);
    assert_eq!(body.len(), 300_000);
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
fn what_takes_too_long_is_a_gateway_timeout() {
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
fn who_does_not_read_gives_way_to_who_waits() {
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
fn what_a_script_leaves_running_is_not_its_timeout() {
    let daemon = run(r#"
[[trigger]]
name = "leaves"
on = "message"
run = ["sh", "-c", "sleep 100 & echo done"]
reply = "whole"
timeout = "1s"
"#);
    let mut peer = connect(&daemon);
    say(&mut peer, "go");
    assert_eq!(hear_text(&mut peer), "done\n");
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
fn a_foreign_page_fires_nothing() {
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
    // A name that was made to resolve to this machine.
    let (head, _) = ask(
        &daemon,
        "GET /reboot HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    daemon.wait_for_log("add \"https://evil.example\" to origins");
    // What fires nothing is no business of the rule.
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
fn a_large_answer_flows_no_faster_than_it_is_read() {
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
    // Others are served meanwhile; what waits for the first is little.
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
fn credentials_of_the_url_are_no_part_of_what_a_script_sees() {
    let daemon = run(r#"
[server.auth]
anonymous = false
url = true
basic = true
[server.users]
list = ["alice=secret"]
[[trigger]]
on = "http_request"
path = "/who"
run = ["sh", "-c", "echo $PATH_INFO $REMOTE_USER $AUTH_TYPE; env | grep -c secret"]
"#);
    let (head, body) = get(&daemon, "/auth/alice/secret/who");
    // Nothing is found, so that grep fails, and the script with it.
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}: {body}");
    let daemon = run(r#"
[server.auth]
anonymous = false
url = true
basic = true
[server.users]
list = ["alice=secret"]
[[trigger]]
on = "http_request"
path = "/who"
run = ["sh", "-c", "echo $PATH_INFO $REMOTE_USER $AUTH_TYPE $HTTP_AUTHORIZATION"]
"#);
    let (_, body) = get(&daemon, "/auth/alice/secret/who");
    assert_eq!(body, "/who alice URL\n");
    let (_, body) = ask(
        &daemon,
        "GET /who HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(String::from_utf8(body).unwrap(), "/who alice Basic\n");
    let (head, _) = get(&daemon, "/who");
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
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
