//! The first line of a request.

use super::*;

#[test]
fn methods() {
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH", "get", "M-SEARCH",
    ] {
        read(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), |head| {
            assert_eq!(head.method().as_str(), method);
        });
    }
    read("get / HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(head.method(), Method::Other("get"));
    });
    read(
        &format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(32)),
        |_| {},
    );
    refused("M".repeat(33), Error::MethodTooLong);
    refused(" GET / HTTP/1.1\r\n", Error::Method);
    refused("G(T / HTTP/1.1\r\n", Error::Method);
    refused("\n", Error::Method);
    refused("GET\r\n", Error::Method);
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    // A TLS ClientHello, zeros, a byte order mark.
    for input in [
        b"\x16\x03\x01\x02\0\x01\0\x01".as_slice(),
        &[0],
        b"\xef\xbb\xbfGET ",
    ] {
        assert_eq!(once(&input[..1], &mut 0), Err(Error::Method));
        refused(input, Error::Method);
    }
    assert_eq!(once(b"SSH-2.0-OpenSSH_9.2\r", &mut 0), Err(Error::Method));
    // HTTP/2 with prior knowledge
    assert_eq!(
        once(b"PRI * HTTP/2.0\r\n", &mut 0),
        Err(Error::VersionNotSupported)
    );
}

#[test]
fn target_forms() {
    read("GET /?a HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "/",
                query: Some("a")
            }
        );
    });
    read("GET //a://b HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "//a://b",
                query: None
            }
        );
    });
    read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(head.target(), RequestTarget::Asterisk);
    });
    read("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        assert_eq!(head.target(), RequestTarget::Authority("b:443"));
        assert_eq!(head.host(), "b:443");
    });
    read("GET WS://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", |head| {
        let expected = RequestTarget::Absolute {
            scheme: "WS",
            authority: "b:80",
            path: "/c",
            query: Some("d"),
        };
        assert_eq!(head.target(), expected);
        assert_eq!(head.host(), "b:80", "wins over Host");
    });
    for (target, query) in [("https://b", None), ("https://b?d", Some("d"))] {
        read(
            &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            |head| {
                let expected = RequestTarget::Absolute {
                    scheme: "https",
                    authority: "b",
                    path: "/",
                    query,
                };
                assert_eq!(head.target(), expected);
            },
        );
    }
}

#[test]
fn targets_refused() {
    for (method, target, error) in [
        ("GET", "*", Error::TargetForm),
        ("OPTIONS", "**", Error::TargetForm),
        ("GET", "b:443", Error::TargetForm),
        ("GET", "a/b", Error::TargetForm),
        ("GET", "?a", Error::TargetForm),
        ("CONNECT", "/", Error::TargetForm),
        ("CONNECT", "http://b/", Error::TargetForm),
        ("CONNECT", "*", Error::TargetForm),
        ("CONNECT", "b", Error::Target),
        ("CONNECT", "b:", Error::Target),
        ("CONNECT", "b:443/", Error::Target),
        ("CONNECT", "u@b:443", Error::Target),
        ("GET", "ftp://b/", Error::Target),
        ("GET", "://b/", Error::Target),
        ("GET", "http:///c", Error::Target),
        ("GET", "http://u:p@b/", Error::Target),
        ("GET", "http://b:x/", Error::Target),
        ("GET", "/#a", Error::Target),
        ("GET", "/\u{fc}", Error::Target),
        ("GET", "/\0", Error::Target),
        ("GET", "/\t", Error::Target),
        ("GET", "/\r", Error::Target),
        ("GET", "/\x7f", Error::Target),
        ("GET", "", Error::Target),
    ] {
        refused(
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            error,
        );
    }
}

#[test]
fn versions() {
    for (version, read_as) in [
        ("HTTP/1.0", Ok(Version::Http10)),
        ("HTTP/1.1", Ok(Version::Http11)),
        ("HTTP/1.2", Ok(Version::Http11)),
        ("HTTP/1.9", Ok(Version::Http11)),
        ("HTTP/2.0", Err(Error::VersionNotSupported)),
        ("HTTP/3.0", Err(Error::VersionNotSupported)),
        ("HTTP/0.9", Err(Error::Version)),
        ("HTTP/1", Err(Error::Version)),
        ("HTTP/1.", Err(Error::Version)),
        ("HTTP/1.1 ", Err(Error::Version)),
        ("HTTP/1.10", Err(Error::Version)),
        ("HTTP/11.1", Err(Error::Version)),
        ("http/1.1", Err(Error::Version)),
        ("HTTP/1.1\r", Err(Error::Version)),
        (" HTTP/1.1", Err(Error::Version)),
        ("HTTP/+.1", Err(Error::Version)),
        ("", Err(Error::Version)),
    ] {
        let text = format!("GET / {version}\r\nHost: a\r\n\r\n");
        match read_as {
            Ok(version) => read(&text, |head| assert_eq!(head.version(), version)),
            Err(error) => refused(text, error),
        }
    }
    refused("GET /\r\n", Error::RequestLine);
}

#[test]
fn empty_lines_before_the_request_line() {
    read(&format!("\r\n{}", get("")), |head| {
        assert_eq!(head.method(), Method::Get);
    });
    read(&format!("\r\n\r\n\r\n\r\n{}", get("X: y\r\n")), |head| {
        assert_eq!(
            head.target(),
            RequestTarget::Origin {
                path: "/",
                query: None
            }
        );
        assert_eq!(head.field("x"), Some(b"y".as_slice()));
    });
    refused(format!("\r\n\r\n\r\n\r\n\r\n{}", get("")), Error::Method);
    refused(format!("\n{}", get("")), Error::Method);
    refused(format!("\r{}", get("")), Error::Method);
    assert_eq!(outcome(b"\r\n\r"), Ok(None));
}
