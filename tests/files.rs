//! A folder served to curl and to raw requests.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;

use daemon::Daemon;

mod daemon;

const FOLDER: &str = "[[server]]\nbind = [\"127.0.0.1:0\", \"unix:s\"]\n[server.http]\nserve = \"folder\"\nfolder = \".\"\nlisting = true\ncache_control = \"max-age=60\"\n";

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 131 / 7) as u8).collect()
}

/// A daemon that serves its own folder, with files in it.
fn serve() -> Daemon {
    let daemon = Daemon::run(FOLDER, 1);
    let root = daemon.folder.path();
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(root.join("sub/index.html"), "<p>sub").unwrap();
    fs::write(root.join("small.txt"), "0123456789").unwrap();
    fs::write(root.join("large.bin"), pattern(5_000_000)).unwrap();
    fs::write(root.join(".secret"), "no").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("out")).unwrap();
    daemon
}

/// The head and body of the answer to a request with these fields.
fn ask(daemon: &Daemon, line: &str, fields: &str) -> (String, Vec<u8>) {
    let mut peer = daemon.connect();
    let request =
        format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    peer.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap(), body)
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn files_small_and_large_arrive_whole() {
    let daemon = serve();
    let (head, body) = ask(&daemon, "GET /small.txt", "");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, b"0123456789");
    assert_eq!(
        field(&head, "Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(field(&head, "Cache-Control"), Some("max-age=60"));
    assert_eq!(field(&head, "X-Content-Type-Options"), Some("nosniff"));
    let (head, body) = ask(&daemon, "GET /large.bin", "");
    assert_eq!(field(&head, "Content-Length"), Some("5000000"));
    assert!(body == pattern(5_000_000));
    let (head, body) = ask(&daemon, "HEAD /large.bin", "");
    assert_eq!(
        (field(&head, "Content-Length"), body.len()),
        (Some("5000000"), 0)
    );
}

#[test]
fn a_connection_outlives_many_files() {
    let daemon = serve();
    let mut peer = daemon.connect();
    let mut requests = String::new();
    for path in [
        "/large.bin",
        "/small.txt",
        "/large.bin",
        "/none",
        "/small.txt",
    ] {
        requests += &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    peer.write_all(requests.as_bytes()).unwrap();
    // A peer that has said everything still gets everything.
    peer.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    peer.read_to_end(&mut answers).unwrap();
    let large = pattern(5_000_000);
    let mut rest = &answers[..];
    for body in [&large[..], b"0123456789", &large, b"", b"0123456789"] {
        let end = rest
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let head = str::from_utf8(&rest[..end]).unwrap();
        let length: usize = field(head, "Content-Length").unwrap().parse().unwrap();
        let (sent, others) = rest[end..].split_at(length);
        assert!(body.is_empty() || sent == body, "{head}");
        rest = others;
    }
    assert!(rest.is_empty());
}

#[test]
fn ranges_and_conditions_are_kept() {
    let daemon = serve();
    let (head, body) = ask(&daemon, "GET /large.bin", "Range: bytes=100000-2099999\r\n");
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    assert_eq!(
        field(&head, "Content-Range"),
        Some("bytes 100000-2099999/5000000")
    );
    assert!(body == pattern(5_000_000)[100_000..2_100_000]);
    let (head, body) = ask(&daemon, "GET /small.txt", "Range: bytes=0-1,8-\r\n");
    let kind = field(&head, "Content-Type").unwrap().to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("several parts")
        .trim_matches('"');
    let text = String::from_utf8(body).unwrap();
    assert_eq!(text.matches(boundary).count(), 3);
    assert!(text.contains("\r\n\r\n01\r\n--") && text.contains("bytes 8-9/10"));
    assert_eq!(
        field(&head, "Content-Length"),
        Some(text.len().to_string().as_str())
    );
    let (head, _) = ask(&daemon, "GET /small.txt", "Range: bytes=10-\r\n");
    assert!(head.starts_with("HTTP/1.1 416 "));
    assert_eq!(field(&head, "Content-Range"), Some("bytes */10"));
    let (head, _) = ask(&daemon, "GET /small.txt", "");
    let etag = field(&head, "ETag").unwrap().to_owned();
    let (head, body) = ask(
        &daemon,
        "GET /small.txt",
        &format!("If-None-Match: {etag}\r\n"),
    );
    assert!(
        head.starts_with("HTTP/1.1 304 ")
            && body.is_empty()
            && field(&head, "Content-Length").is_none()
    );
    let (head, _) = ask(&daemon, "GET /small.txt", "If-Match: \"another\"\r\n");
    assert!(head.starts_with("HTTP/1.1 412 "));
}

#[test]
fn missing_and_hidden_files_are_404() {
    let daemon = serve();
    for path in [
        "/none",
        "/.secret",
        "/out",
        "/small.txt/",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/sub/..%2f..%2fetc/passwd",
        "/s",
    ] {
        let (head, _) = ask(&daemon, &format!("GET {path}"), "");
        assert!(
            head.starts_with("HTTP/1.1 404 ") || head.starts_with("HTTP/1.1 400 "),
            "{path}: {head}"
        );
    }
    let (head, _) = ask(&daemon, "GET /sub?a=b", "");
    assert!(head.starts_with("HTTP/1.1 301 "));
    assert_eq!(field(&head, "Location"), Some("/sub/?a=b"));
    assert_eq!(ask(&daemon, "GET /sub/", "").1, b"<p>sub");
    let (head, body) = ask(&daemon, "GET /", "");
    let listing = String::from_utf8(body).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 ")
            && listing.contains("small.txt")
            && !listing.contains(".secret")
    );
    assert!(
        ask(&daemon, "POST /small.txt", "")
            .0
            .starts_with("HTTP/1.1 405 ")
    );
}

#[test]
fn a_file_that_shrinks_ends_its_connection_and_nothing_else() {
    let daemon = serve();
    let path = daemon.folder.path().join("shrinks.bin");
    // More than sockets hold, so that it cannot have left before it shrinks.
    fs::write(&path, pattern(60_000_000)).unwrap();
    let mut peer = daemon.connect();
    peer.write_all(b"GET /shrinks.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut first = [0; 1];
    peer.read_exact(&mut first).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(10)
        .unwrap();
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
    assert!(rest.len() < 60_000_000);
    assert_eq!(ask(&daemon, "GET /small.txt", "").1, b"0123456789");
}

#[test]
fn curl_downloads_resumes_and_asks_again() {
    let daemon = serve();
    let url = format!("http://{}/large.bin", daemon.address());
    let file = daemon.folder.path().join("got");
    let curl = |args: &[&str]| match Command::new("curl")
        .args(["-sS", "--max-time", "20"])
        .args(args)
        .output()
    {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(output.stdout)
        }
        Err(error) => {
            println!("skipped: no curl ({error})");
            None
        }
    };
    let got = file.to_str().unwrap();
    fs::write(&file, &pattern(5_000_000)[..1_234_567]).unwrap();
    if curl(&["-C", "-", "-o", got, &url]).is_none() {
        return;
    }
    assert!(fs::read(&file).unwrap() == pattern(5_000_000));
    let unix = daemon.folder.path().join("s");
    let body = curl(&[
        "--unix-socket",
        unix.to_str().unwrap(),
        "http://localhost/large.bin",
    ])
    .unwrap();
    assert!(body == pattern(5_000_000), "over a unix socket");
    let code = curl(&["-o", "/dev/null", "-w", "%{http_code}", "-z", got, &url]).unwrap();
    assert_eq!(code, b"304");
}

#[test]
fn compressed_neighbours_are_sent_to_peers_that_accept_them() {
    let daemon = serve();
    let root: &Path = daemon.folder.path();
    fs::write(root.join("app.js"), "plain").unwrap();
    fs::write(root.join("app.js.gz"), "zipped").unwrap();
    let (head, body) = ask(&daemon, "GET /app.js", "Accept-Encoding: gzip, br\r\n");
    assert_eq!(body, b"zipped");
    assert_eq!(field(&head, "Content-Encoding"), Some("gzip"));
    assert_eq!(field(&head, "Vary"), Some("Accept-Encoding"));
    assert_eq!(
        field(&head, "Content-Type"),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(
        ask(&daemon, "GET /app.js", "Accept-Encoding: gzip;q=0\r\n").1,
        b"plain"
    );
}

/// Takes a file out of memory, as far as the system does so.
fn forget(path: &Path) {
    use std::os::fd::AsRawFd;
    let file = fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    // SAFETY: the descriptor is open, and the call takes no pointers.
    let advised = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(advised, 0);
}

#[test]
fn files_that_are_not_in_memory_arrive_all_the_same() {
    let daemon = serve();
    let root = daemon.folder.path();
    for _ in 0..3 {
        for (name, expected) in [
            ("large.bin", pattern(5_000_000)),
            ("small.txt", b"0123456789".to_vec()),
        ] {
            forget(&root.join(name));
            let (head, body) = ask(&daemon, &format!("GET /{name}"), "");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert!(body == expected, "{name}");
        }
    }
    let (head, body) = ask(
        &daemon,
        "GET /large.bin",
        "Range: bytes=10-19,4000000-4000009\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    let parts = [&pattern(20)[10..], &pattern(4_000_010)[4_000_000..]];
    for part in parts {
        assert!(body.windows(part.len()).any(|window| window == part));
    }
}

#[test]
fn each_request_is_a_line_of_the_log() {
    let mut daemon = Daemon::run(&format!("{FOLDER}[daemon]\nlog = \"info\"\n"), 1);
    fs::write(daemon.folder.path().join("a.txt"), "0123456789").unwrap();
    for (request, line) in [
        ("GET /a.txt?secret=1", "GET /a.txt 200, 10 bytes in "),
        ("HEAD /a.txt", "HEAD /a.txt 200, 0 bytes in "),
        ("GET /none", "GET /none 404, "),
        ("OPTIONS *", "OPTIONS * 204, 0 bytes in "),
        ("BREW /pot", "BREW /pot 501, "),
    ] {
        ask(&daemon, request, "");
        let logged = daemon.wait_for_log(line);
        assert!(logged.contains(": WS_SERVER_1: ") && !logged.contains("secret"));
    }
    daemon.ask(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n");
    daemon.wait_for_log("no request 400, ");
    daemon.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
    daemon.wait_for_log(" 413, ");
}
