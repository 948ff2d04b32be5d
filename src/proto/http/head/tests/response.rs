//! Heads of responses.

use super::*;

fn once(input: &[u8], scanned: &mut usize) -> Result<Option<(u16, String, usize)>, Error> {
    let mut table = FieldTable::new();
    let decoded = ResponseHead::decode(input, scanned, &mut table)?;
    Ok(decoded.map(|(head, used)| {
        let text = format!("{head:?}");
        (head.status(), text, used)
    }))
}

fn outcome(input: &str) -> Result<Option<u16>, Error> {
    let input = input.as_bytes();
    let whole = once(input, &mut 0);
    for cut in 0..input.len() {
        let mut scanned = 0;
        let first = once(&input[..cut], &mut scanned);
        let both = if first == Ok(None) {
            once(input, &mut scanned)
        } else {
            first
        };
        assert_eq!(both, whole, "cut at {cut}");
    }
    Ok(whole?.map(|(status, _, used)| {
        assert_eq!(used, input.len());
        status
    }))
}

#[test]
fn status_lines() {
    for (line, status) in [
        ("HTTP/1.1 200 OK", Ok(200)),
        ("HTTP/1.1 200 ", Ok(200)),
        ("HTTP/1.1 200", Ok(200)),
        ("HTTP/1.0 404 Not Found", Ok(404)),
        ("HTTP/1.1 101 \u{e4}\tb", Ok(101)),
        ("HTTP/1.1 099 x", Err(Error::StatusLine)),
        ("HTTP/1.1 20 x", Err(Error::StatusLine)),
        ("HTTP/1.1 2000 x", Err(Error::StatusLine)),
        ("HTTP/1.1 2x0 x", Err(Error::StatusLine)),
        ("HTTP/1.1  200 x", Err(Error::StatusLine)),
        ("HTTP/1.1 200 a\0", Err(Error::StatusLine)),
        ("HTTP/1.1 200 a\rb", Err(Error::StatusLine)),
        ("HTTP/1.1", Err(Error::StatusLine)),
        ("HTTP/2.0 200 OK", Err(Error::VersionNotSupported)),
        ("HTTP/x.1 200 OK", Err(Error::Version)),
        ("ICY 200 OK", Err(Error::StatusLine)),
        ("\r\nHTTP/1.1 200 OK", Err(Error::StatusLine)),
    ] {
        assert_eq!(
            outcome(&format!("{line}\r\nA: b\r\n\r\n")),
            status.map(Some),
            "{line}"
        );
    }
}

#[test]
fn fields() {
    let mut table = FieldTable::new();
    let input = b"HTTP/1.1 101 Switching\r\nUpgrade: a\r\nupgrade: b, C\r\n\r\nrest";
    let (head, used) = ResponseHead::decode(input, &mut 0, &mut table)
        .unwrap()
        .unwrap();
    assert_eq!(used, input.len() - 4);
    assert_eq!((head.version(), head.status()), (Version::Http11, 101));
    assert_eq!(head.field("UPGRADE"), Some(b"a".as_slice()));
    assert_eq!(head.field_lines("Upgrade").count(), 2);
    assert_eq!(head.list("Upgrade").count(), 3);
    assert!(head.contains_token("Upgrade", "c"));
}

#[test]
fn fields_are_read_as_strictly_as_in_requests() {
    for (lines, error) in [
        ("A : b\r\n", Error::SpaceBeforeColon),
        ("A: b\r\n c\r\n", Error::FoldedField),
        ("A: b\n", Error::BareLineFeed),
        ("A: b\0\r\n", Error::FieldValue),
    ] {
        assert_eq!(
            outcome(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
            Err(error)
        );
    }
}
