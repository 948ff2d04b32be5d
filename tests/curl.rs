//! The daemon with curl, and with requests that no client would send.

use std::process::Command;

use daemon::Daemon;

mod daemon;

const PAGE: &str = "[[server]]\nbind = [\"127.0.0.1:0\"]\n[server.http]\nserve = \"page\"\npage = \"bellwire.toml\"\n";

/// What curl prints, or nothing when there is no curl.
fn curl(args: &[&str]) -> Option<String> {
    match Command::new("curl")
        .args(["-sS", "--max-time", "20"])
        .args(args)
        .output()
    {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "curl {args:?}: {errors}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) => {
            println!("skipped: no curl ({error})");
            None
        }
    }
}

#[test]
fn a_page_is_served() {
    let daemon = Daemon::run(PAGE, 1);
    let url = format!("http://{}/any/path?at=all", daemon.address());
    let Some(answer) = curl(&["-i", &url]) else {
        return;
    };
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"));
    assert!(answer.contains("\r\nCache-Control: no-cache\r\n") && answer.contains("\r\nDate: "));
    let page = std::fs::read_to_string(daemon.folder.path().join("bellwire.toml")).unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{page}")));
    let head = curl(&["-I", &url]).unwrap();
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", page.len()))
            && head.ends_with("\r\n\r\n")
    );
    let options = curl(&["-i", "-X", "OPTIONS", &url]).unwrap();
    assert!(
        options.starts_with("HTTP/1.1 204 ")
            && options.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n")
    );
    let refused = curl(&["-i", "-d", "a=b", &url]).unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 405 ")
            && refused.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n")
    );
    assert!(
        curl(&["-i", "-X", "BREW", &url])
            .unwrap()
            .starts_with("HTTP/1.1 501 ")
    );
}

#[test]
fn connections_are_kept_and_bodies_discarded() {
    let daemon = Daemon::run("[[server]]\nbind = [\"127.0.0.1:0\"]\n", 1);
    let url = format!("http://{}/", daemon.address());
    let Some(twice) = curl(&[
        "-w",
        "%{num_connects} %{http_code} %{size_download};",
        &url,
        &url,
    ]) else {
        return;
    };
    assert_eq!(twice, "1 200 0;0 200 0;");
    let empty = curl(&["-i", &url]).unwrap();
    assert!(
        empty.contains("\r\nContent-Length: 0\r\n") && empty.ends_with("\r\n\r\n"),
        "{empty}"
    );
    let big = "x".repeat(300_000);
    let file = daemon.folder.path().join("body");
    std::fs::write(&file, &big).unwrap();
    let body = format!("@{}", file.display());
    let chunked = [
        "-X",
        "GET",
        "-H",
        "Transfer-Encoding: chunked",
        "-w",
        "%{num_connects} %{http_code};",
        "--data-binary",
        &body,
        &url,
        &url,
    ];
    assert_eq!(curl(&chunked).unwrap(), "1 200;0 200;");
    let expecting = [
        "-X",
        "GET",
        "-H",
        "Expect: 100-continue",
        "-w",
        "%{http_code};",
        "--data-binary",
        &body,
        &url,
    ];
    assert_eq!(curl(&expecting).unwrap(), "200;");
    assert_eq!(curl(&["-0", "-w", "%{http_code}", &url]).unwrap(), "200");
}

/// The statuses of all answers to `request`, until the daemon closes.
fn statuses(daemon: &Daemon, request: &str) -> Vec<u16> {
    let text = daemon.ask(request.as_bytes());
    assert!(
        !text.contains("bellwire/"),
        "no answer tells a version: {text}"
    );
    text.split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer[..3].parse().expect("a status"))
        .collect()
}

#[test]
fn a_malformed_request_gets_the_status_for_its_fault() {
    let daemon = Daemon::run(PAGE, 1);
    let long = "x".repeat(20_000);
    for (fields, status) in [
        // RFC 9112 §3.2: one Host.
        ("X: y", 400),
        ("Host: a\r\nHost: b", 400),
        // RFC 9112 §5.1, §5.2, §2.2: no space before the colon, no folding, no bare CR.
        ("Host: a\r\nX : y", 400),
        ("Host: a\r\nX: y\r\n z", 400),
        ("Host: a\r\nX: y\rz", 400),
        // RFC 9112 §6.3: one length.
        (
            "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            400,
        ),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        ("Host: a\r\nContent-Length: -1", 400),
        ("Host: a\r\nContent-Length: 99999999", 413),
        ("Host: a\r\nTransfer-Encoding: gzip, chunked", 501),
        (&format!("Host: a\r\nX: {long}"), 431),
    ] {
        let request = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        assert_eq!(statuses(&daemon, &request), [status], "{fields:.80}");
    }
    for (line, status) in [
        ("GET / HTTP/2.0", 505),
        ("GET /", 400),
        ("\u{16}\u{3}\u{1}hello", 400),
        (&format!("GET /{long} HTTP/1.1"), 414),
    ] {
        let request = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(statuses(&daemon, &request), [status], "{line:.80}");
    }
}

#[test]
fn nothing_is_read_after_a_malformed_body() {
    let daemon = Daemon::run(PAGE, 1);
    let body = |body: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}\r\n\r\n\
             GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
    };
    // The answer does not wait for an unwanted body; the next request does.
    assert_eq!(statuses(&daemon, &body("1\r\nx\r\n0")), [200, 200]);
    assert_eq!(statuses(&daemon, &body("ZZ\r\nx\r\n0")), [200]);
    assert_eq!(statuses(&daemon, &body("1\r\nxyz\r\n0")), [200]);
}

#[test]
fn requests_of_1_0_and_pipelined_ones_are_answered_in_order() {
    let daemon = Daemon::run("[[server]]\nbind = [\"127.0.0.1:0\"]\n", 1);
    let answer = daemon.ask(b"GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 0\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    let many = "GET / HTTP/1.1\r\nHost: a\r\n\r\nBREW / HTTP/1.1\r\nHost: a\r\n\r\n\
                POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
                GET / HTTP/1.1\r\nHost: never read\r\n\r\n";
    assert_eq!(statuses(&daemon, many), [200, 501, 405, 204]);
}

#[test]
fn a_peer_that_expects_100_is_answered_at_once() {
    let daemon = Daemon::run("[[server]]\nbind = [\"127.0.0.1:0\"]\n", 1);
    // RFC 9110 §10.1.1: a final answer may come instead of 100. Whether the body follows is then unknown, so it ends.
    let expecting =
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let answer = daemon.ask(expecting.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    // Bytes that follow all the same are not read as a request.
    let together = format!("{expecting}abcGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(statuses(&daemon, &together).len(), 1);
}
