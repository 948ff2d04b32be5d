//! `uri-host [ ":" port ]`, as in Host, in the target of CONNECT, and in URIs (RFC 3986 §3.2, RFC 9110 §4.2).

use core::net::Ipv6Addr;

use memchr::memchr;

use super::byte::is_reg_name;

/// A host and its port, as written. Userinfo is an error (RFC 9110 §4.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in its brackets. Never empty.
    pub(crate) host: &'a str,
    /// `None` when it is absent or empty, which means the scheme's default (RFC 3986 §3.2.3).
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if text.starts_with('[') {
            text.split_at(text.find(']')? + 1)
        } else {
            text.split_at(memchr(b':', text.as_bytes()).unwrap_or(text.len()))
        };
        let port = match port.strip_prefix(':') {
            None if !port.is_empty() => return None,
            None | Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        is_host(host).then_some(Self { host, port })
    }
}

/// ```text
/// uri-host   = IP-literal / IPv4address / reg-name
/// IP-literal = "[" ( IPv6address / IPvFuture ) "]"
/// reg-name   = *( unreserved / pct-encoded / sub-delims )
/// ```
/// IPvFuture is refused, since nothing uses it. So is the empty name, which no http URI can have (RFC 9110 §4.2.1).
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        return literal
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let mut rest = host.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [a, b, tail @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => tail,
            (byte, tail) if is_reg_name(*byte) => tail,
            _ => return false,
        };
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid() {
        for (text, host, port) in [
            ("example.org", "example.org", None),
            ("EXAMPLE.org:80", "EXAMPLE.org", Some(80)),
            ("example.org:", "example.org", None),
            ("example.org:00080", "example.org", Some(80)),
            ("a_b-c~d", "a_b-c~d", None),
            ("b%C3%BCcher.example", "b%C3%BCcher.example", None),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            (
                "[2001:db8::ffff:1.2.3.4]:8080",
                "[2001:db8::ffff:1.2.3.4]",
                Some(8080),
            ),
        ] {
            assert_eq!(
                Authority::parse(text),
                Some(Authority { host, port }),
                "{text}"
            );
        }
    }

    #[test]
    fn invalid() {
        for text in [
            "",
            ":80",
            "user@example.org",
            "user:secret@example.org",
            "example.org:65536",
            "example.org:-1",
            "example.org:+1",
            "example.org:80:80",
            "example.org:http",
            "example.org/",
            "example.org?",
            "example org",
            "exämple.org",
            "a%2",
            "a%zz",
            "a\"b",
            "a\\b",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[]",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[127.0.0.1]",
            "a[::1]",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }
}
