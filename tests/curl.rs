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
    assert!(answer.ends_with(&format!("\r\n\r\n{PAGE}")));
    let head = curl(&["-I", &url]).unwrap();
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", PAGE.len()))
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

#[test]
fn what_is_no_request_gets_the_status_that_says_why() {
    let daemon = Daemon::run(PAGE, 1);
    let long = "x".repeat(20_000);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
                .to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n".to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
            413,
        ),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned(),
            501,
        ),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 505),
        ("\u{16}\u{3}\u{1}hello".to_owned(), 400),
    ] {
        let answer = daemon.ask(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        // A body that was discarded comes after the answer to its request; the last answer is the one that counts.
        let last = answer
            .rfind("HTTP/1.1 ")
            .map(|at| &answer[at..])
            .expect("an answer");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} "))
                || last.starts_with(&format!("HTTP/1.1 {status} "))
                || head.starts_with("HTTP/1.1 200 "),
            "{request:.60?}: {answer}"
        );
        assert!(
            !body.contains("bellwire/"),
            "an error page without a version"
        );
    }
}
