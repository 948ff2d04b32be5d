//! Content codings (RFC 9110 §8.4.1): which a client accepts, and how the compressed neighbours of a file are named.

use crate::proto::http::head::RequestHead;

/// A coding of the compressed files that may lie beside a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentCoding {
    /// RFC 7932
    Brotli,
    /// RFC 9110 §8.4.1.3
    Gzip,
}

impl ContentCoding {
    /// All of them; the one that compresses best is first.
    pub(super) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// The value of Content-Encoding.
    pub(super) fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What is appended to the name of a file.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    /// Whether the client accepts it (RFC 9110 §12.5.3): it lists it, or everything, and not with a weight of 0.
    ///
    /// ```text
    /// Accept-Encoding = #( codings [ weight ] )
    /// codings         = content-coding / "identity" / "*"
    /// ```
    pub(super) fn is_accepted(self, head: &RequestHead<'_>) -> bool {
        let mut by_star = false;
        for member in head.list("Accept-Encoding") {
            let end = member.iter().position(|&byte| byte == b';');
            let (name, parameters) = member.split_at(end.unwrap_or(member.len()));
            let name = name.trim_ascii_end();
            if self.is_named(name) {
                return has_weight(parameters);
            }
            if name == b"*" {
                by_star = has_weight(parameters);
            }
        }
        by_star
    }

    fn is_named(self, name: &[u8]) -> bool {
        // RFC 9110 §8.4.1.3: x-gzip is the same.
        name.eq_ignore_ascii_case(self.token().as_bytes())
            || self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// Whether a weight is more than 0. It is 1 when there is none, and 0 when it is malformed.
///
/// ```text
/// weight = OWS ";" OWS "q=" qvalue
/// qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
/// ```
fn has_weight(parameters: &[u8]) -> bool {
    let Some(weight) = parameters.strip_prefix(b";") else {
        return true;
    };
    match weight.trim_ascii() {
        [b'q' | b'Q', b'=', b'1'] => true,
        [b'q' | b'Q', b'=', b'1', b'.', zeros @ ..] => {
            zeros.len() <= 3 && zeros.iter().all(|&digit| digit == b'0')
        }
        [b'q' | b'Q', b'=', b'0', b'.', digits @ ..] => {
            digits.len() <= 3
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().any(|&digit| digit != b'0')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::head::FieldTable;

    fn accepted(fields: &str) -> Vec<&'static str> {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut table = FieldTable::new();
        let (head, _) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table)
            .unwrap()
            .unwrap();
        ContentCoding::ALL
            .into_iter()
            .filter(|coding| coding.is_accepted(&head))
            .map(ContentCoding::token)
            .collect()
    }

    #[test]
    fn weights() {
        assert_eq!(accepted(""), [""; 0]);
        let cases: [(&str, &[&str]); 19] = [
            ("", &[]),
            ("identity", &[]),
            ("gzip, deflate, br, zstd", &["br", "gzip"]),
            ("GZip", &["gzip"]),
            ("x-gzip", &["gzip"]),
            ("gzip;q=0", &[]),
            ("gzip;q=0.000", &[]),
            ("gzip;q=0.001", &["gzip"]),
            ("gzip ; Q=1.000", &["gzip"]),
            ("gzip;q=1, br;q=0", &["gzip"]),
            ("*", &["br", "gzip"]),
            ("*;q=0", &[]),
            ("*, gzip;q=0", &["br"]),
            ("*;q=0, gzip", &["gzip"]),
            ("gzip;q=2", &[]),
            ("gzip;q=0.0001", &[]),
            ("gzip;q=", &[]),
            ("gzip;level=1", &[]),
            ("gzipped, brotli", &[]),
        ];
        for (value, expected) in cases {
            let field = format!("Accept-Encoding: {value}\r\n");
            assert_eq!(accepted(&field), expected, "{value}");
        }
        let lines = "Accept-Encoding: deflate\r\nAccept-Encoding: br\r\n";
        assert_eq!(accepted(lines), ["br"]);
    }
}
