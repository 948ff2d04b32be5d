//! Converts the path of a request target to a relative path below a folder, and back (RFC 3986 §2.1, §3.3, §5.2.4).
//!
//! The text of a decoded path cannot lead out of the folder. Symbolic links still can; whoever opens the path must guard
//! against that.

use std::fmt;

use super::byte::is_reg_name;
use super::percent;

/// Why a path cannot name a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A percent sign is not followed by two hexadecimal digits.
    Encoding,
    /// There is a NUL, which no file name can have.
    Nul,
    /// A name has an encoded slash or a backslash; other software would read it as two names.
    Separator,
    /// Dot segments lead above the root. RFC 3986 §5.2.4 would ignore these, but only attackers send them.
    Above,
}

impl Error {
    /// The status code that answers it: 404 for names that may exist elsewhere, 400 for those that cannot.
    pub fn status(self) -> u16 {
        match self {
            Self::Separator => 404,
            Self::Encoding | Self::Nul | Self::Above => 400,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "the path has a percent sign without two hexadecimal digits",
            Self::Nul => "the path has a NUL",
            Self::Separator => "the path has a slash or backslash within a name",
            Self::Above => "the path leads above the root",
        })
    }
}

impl std::error::Error for Error {}

/// Decodes and normalises a path. Empty segments and `.` are dropped, and `..` drops the segment before it, also when they
/// are encoded. Text that is encoded twice is decoded once.
///
/// The result is relative: it never begins with a slash, and none of its segments is empty, `.` or `..`. It ends with
/// a slash when the path does, or ends in a dot segment; it is empty for the root. Its bytes need not be UTF-8.
///
/// # Errors
/// Why the path cannot name a file.
pub fn decode(path: &str) -> Result<Vec<u8>, Error> {
    // A slash is appended to every segment, and removed from the last at the end.
    let mut out = Vec::with_capacity(path.len());
    let mut named = false;
    for segment in path.split('/') {
        let start = out.len();
        decode_segment(segment, &mut out)?;
        named = !matches!(&out[start..], b"" | b"." | b"..");
        if named {
            out.push(b'/');
            continue;
        }
        let above = out[start..] == *b"..";
        out.truncate(start);
        if above {
            remove_last(&mut out)?;
        }
    }
    if named {
        out.pop();
    }
    Ok(out)
}

/// ```text
/// segment = *pchar
/// ```
fn decode_segment(segment: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    for byte in percent::decode(segment.as_bytes()) {
        match byte.map_err(|percent::BadEscape| Error::Encoding)? {
            0 => return Err(Error::Nul),
            b'/' | b'\\' => return Err(Error::Separator),
            byte => out.push(byte),
        }
    }
    Ok(())
}

/// Removes the last segment and its slash.
fn remove_last(out: &mut Vec<u8>) -> Result<(), Error> {
    out.pop().ok_or(Error::Above)?;
    let keep = out.iter().rposition(|&byte| byte == b'/');
    out.truncate(keep.map_or(0, |slash| slash + 1));
    Ok(())
}

/// Encodes a path so that [`decode`] restores it. Slashes and the bytes that a segment may have stay as they are (RFC 3986
/// §3.3). The result is ASCII, and valid in a Location field.
pub fn encode_path(path: &[u8]) -> String {
    percent::encode(path, |byte| is_reg_name(byte) || b"/:@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/", ""),
            ("", ""),
            ("//", ""),
            ("/.", ""),
            ("/a", "a"),
            ("/a/", "a/"),
            ("//a///b", "a/b"),
            ("/a/./b", "a/b"),
            ("/a/b/.", "a/b/"),
            ("/a/b/..", "a/"),
            ("/a/b/../", "a/"),
            ("/a/..", ""),
            ("/a/../b", "b"),
            ("/a/b/../../c/d", "c/d"),
            ("/a/%2e%2E/b", "b"),
            ("/a/.%2e/b", "b"),
            ("/%2e/a", "a"),
            ("/...", "..."),
            ("/..a/b..", "..a/b.."),
            ("/%252e%252e/%2525", "%2e%2e/%25"),
            ("/a%20b+c", "a b+c"),
            ("/a;b=c:d@e", "a;b=c:d@e"),
            ("/%C3%A4", "ä"),
        ] {
            assert_eq!(decode(path), Ok(expected.as_bytes().to_vec()), "{path}");
        }
        assert_eq!(decode("/%ff%FE"), Ok(vec![0xff, 0xfe]));
    }

    #[test]
    fn what_names_nothing() {
        for (path, error) in [
            ("/%", Error::Encoding),
            ("/%2", Error::Encoding),
            ("/%/2", Error::Encoding),
            ("/%2g", Error::Encoding),
            ("/%+1", Error::Encoding),
            ("/%u002e", Error::Encoding),
            ("/a%00.html", Error::Nul),
            ("/a\0", Error::Nul),
            ("/a%2Fb", Error::Separator),
            ("/..%2f..%2fetc/passwd", Error::Separator),
            ("/..\\..", Error::Separator),
            ("/..%5Cb", Error::Separator),
            ("/..", Error::Above),
            ("/../a", Error::Above),
            ("/%2e%2e/a", Error::Above),
            ("/a/../../b", Error::Above),
            ("/./..//a", Error::Above),
        ] {
            assert_eq!(decode(path), Err(error), "{path}");
        }
    }

    #[test]
    fn statuses() {
        assert_eq!(Error::Separator.status(), 404);
        for error in [Error::Encoding, Error::Nul, Error::Above] {
            assert_eq!(error.status(), 400, "{error}");
        }
    }

    #[test]
    fn encoded() {
        assert_eq!(
            encode_path(b"a b/\xc3\xa4%\"<\\\r\n?#"),
            "a%20b/%C3%A4%25%22%3C%5C%0D%0A%3F%23"
        );
        assert_eq!(
            encode_path(b"A-z_0.~!$&'()*+,;=:@/"),
            "A-z_0.~!$&'()*+,;=:@/"
        );
    }

    proptest! {
        #[test]
        fn nothing_leads_out(segments in proptest::collection::vec("(%2[eEfF]|%5c|%00|[./%\\\\a]){0,4}", 0..8)) {
            if let Ok(path) = decode(&format!("/{}", segments.join("/"))) {
                prop_assert!(!path.starts_with(b"/"));
                let named = path.strip_suffix(b"/").unwrap_or(&path);
                for segment in named.split(|&byte| byte == b'/') {
                    prop_assert!(path.is_empty() || !matches!(segment, b"" | b"." | b".."));
                    prop_assert!(!segment.contains(&b'\\') && !segment.contains(&0));
                }
            }
        }

        #[test]
        fn round_trip(path in "/\\PC{0,20}(/\\PC{0,20})?/?") {
            if let Ok(decoded) = decode(&path) {
                let encoded = encode_path(&decoded);
                prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(decode(&encoded), Ok(decoded));
            }
        }
    }
}
