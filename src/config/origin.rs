//! Origins that may open a WebSocket (RFC 6454).

use std::net::Ipv6Addr;

/// The origins of pages that may connect, which the Origin field of an upgrade is compared with (RFC 6455 §10.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the server's own host.
    Own,
    /// All pages.
    Any,
    /// Pages of the server's own host and of these origins, each as [RFC 6454 §6.2] writes it: in lower case and without the default port.
    ///
    /// [RFC 6454 §6.2]: https://www.rfc-editor.org/rfc/rfc6454#section-6.2
    Listed(Vec<String>),
}

/// What `origins` may hold.
pub(super) const ORIGIN_FORMS: &str =
    "\"*\", \"scheme://host\", \"scheme://host:port\" or \"null\"";

/// An origin as a browser sends it; `None` if `text` is not an origin.
///
/// ```text
/// origin = scheme "://" host [ ":" port ] / "null"
/// ```
/// `null` is what a browser sends for a page without an origin, such as a local file.
pub(super) fn parse_origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    if text == "null" {
        return Some(text);
    }
    let (scheme, authority) = text.split_once("://")?;
    // RFC 3986 §3.1.
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(is_scheme)
    {
        return None;
    }
    let (host, port) = split_port(authority)?;
    let host = canonical_host(host)?;
    let default_port = match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    match port {
        Some(port) if Some(port) != default_port => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

/// The host, and the port when one is given.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // Colons of an IPv6 address stand before its closing bracket.
    let Some((host, port)) = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'))
    else {
        return Some((authority, None));
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| port.parse().ok())
        .flatten()
        .map(|port| (host, Some(port)))
}

fn canonical_host(host: &str) -> Option<String> {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_name)).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for (text, origin) in [
            ("https://example.org", "https://example.org"),
            ("HTTPS://Example.ORG:443", "https://example.org"),
            ("http://example.org:443", "http://example.org:443"),
            ("http://10.0.0.1:80", "http://10.0.0.1"),
            ("http://[::0:1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("null", "null"),
        ] {
            assert_eq!(parse_origin(text).as_deref(), Some(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin() {
        for text in [
            "",
            "example.org",
            "https://",
            "https://example.org/",
            "https://example.org/chat",
            "https://user@example.org",
            "https://exämple.org",
            "https://example.org:",
            "https://example.org:+1",
            "https://example.org:65536",
            "https://[::1",
            "https://::1",
            "1http://a",
            "https://*.example.org",
        ] {
            assert_eq!(parse_origin(text), None, "{text}");
        }
    }
}
