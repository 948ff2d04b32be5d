//! What the fields say about the message itself.

use super::*;

#[test]
fn host() {
    refused("GET / HTTP/1.1\r\n\r\n", Error::HostMissing);
    refused("GET http://a/ HTTP/1.1\r\n\r\n", Error::HostMissing);
    refused(get("Host: a\r\n"), Error::HostRepeated);
    refused(get("hOST: b\r\n"), Error::HostRepeated);
    refused(
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        Error::HostRepeated,
    );
    for host in [
        "", "a b", "a, b", "a/b", "u@a", "a:b", "[::1", "\u{e4}", "a:80:80",
    ] {
        refused(
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Error::Host,
        );
        refused(
            format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"),
            Error::Host,
        );
    }
    for host in ["a", "a.b:80", "127.0.0.1", "[::1]:8080", "a_b"] {
        read(&format!("GET / HTTP/1.1\r\nHost:{host} \r\n\r\n"), |head| {
            assert_eq!(head.host(), host);
        });
    }
    read("GET / HTTP/1.0\r\n\r\n", |head| assert_eq!(head.host(), ""));
    read("GET http://b/ HTTP/1.0\r\n\r\n", |head| {
        assert_eq!(head.host(), "b");
    });
}

#[test]
fn body_lengths() {
    for (lines, expected) in [
        ("", Ok(BodyLength::Empty)),
        ("Content-Length: 0\r\n", Ok(BodyLength::Empty)),
        ("Content-Length: 5\r\n", Ok(BodyLength::Length(5))),
        ("Content-Length: 005\r\n", Ok(BodyLength::Length(5))),
        ("Content-Length: 5, 5\r\n", Ok(BodyLength::Length(5))),
        (
            "Content-Length: 5\r\ncontent-length: 5\r\n",
            Ok(BodyLength::Length(5)),
        ),
        (
            "Content-Length: 18446744073709551615\r\n",
            Ok(BodyLength::Length(u64::MAX)),
        ),
        (
            "Content-Length: 18446744073709551616\r\n",
            Err(Error::ContentLength),
        ),
        ("Content-Length:\r\n", Err(Error::ContentLength)),
        ("Content-Length: +5\r\n", Err(Error::ContentLength)),
        ("Content-Length: -5\r\n", Err(Error::ContentLength)),
        ("Content-Length: 0x5\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5 5\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5,\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5,,5\r\n", Err(Error::ContentLength)),
        ("Content-Length: five\r\n", Err(Error::ContentLength)),
        ("Content-Length: 5, 6\r\n", Err(Error::ContentLengthsDiffer)),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            Err(Error::ContentLengthsDiffer),
        ),
        (
            "Content-Length: 0\r\nContent-Length: 6\r\n",
            Err(Error::ContentLengthsDiffer),
        ),
        ("Transfer-Encoding: chunked\r\n", Ok(BodyLength::Chunked)),
        ("Transfer-Encoding: \tChunked \r\n", Ok(BodyLength::Chunked)),
        ("Transfer-Encoding:\r\n", Err(Error::TransferEncoding)),
        (
            "Transfer-Encoding: chunked,\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: ,chunked\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked, gzip\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: gzip, chunked, gzip\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
            Err(Error::TransferEncoding),
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: gzip\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: identity\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: chunked;a=b\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: xchunked\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: \"chunked\"\r\n",
            Err(Error::TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Err(Error::LengthAndCoding),
        ),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            Err(Error::LengthAndCoding),
        ),
    ] {
        match expected {
            Ok(length) => read(&get(lines), |head| assert_eq!(head.body_length(), length)),
            Err(error) => refused(get(lines), error),
        }
    }
    refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Error::TransferEncodingInHttp10,
    );
}

#[test]
fn persistence() {
    for (version, connection, persistent) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        read(&text, |head| {
            assert_eq!(head.persistent(), persistent, "{text}");
        });
    }
}

#[test]
fn expectations() {
    for (version, lines, expects) in [
        ("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true),
        (
            "1.1",
            "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
            true,
        ),
        ("1.1", "Expect: 100-continue\r\n", false),
        ("1.1", "Expect: 100\r\nContent-Length: 1\r\n", false),
        ("1.1", "Expect: something\r\nContent-Length: 1\r\n", false),
        ("1.1", "Content-Length: 1\r\n", false),
        (
            "1.0",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            false,
        ),
    ] {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        read(&text, |head| {
            assert_eq!(head.expects_continue(), expects, "{text}");
        });
    }
}
