//! Whether a request comes from a page of the same site: Origin (RFC 6454) compared with Host.

use core::net::Ipv4Addr;

use super::authority::Authority;

/// Whether an Origin, `scheme "://" host [ ":" port ]`, is that of a page under this Host. A missing port is the default
/// of the Origin's scheme. `null`, malformed values, and schemes other than http, https, ws and wss match no Host.
pub fn origin_matches_host(origin: &[u8], host: &str) -> bool {
    let Some((scheme, origin)) = str::from_utf8(origin)
        .ok()
        .and_then(|it| it.split_once("://"))
    else {
        return false;
    };
    let Some(default) = default_port(scheme) else {
        return false;
    };
    let (Some(origin), Some(host)) = (Authority::parse(origin), Authority::parse(host)) else {
        return false;
    };
    origin.host.eq_ignore_ascii_case(host.host)
        && origin.port.unwrap_or(default) == host.port.unwrap_or(default)
}

fn default_port(scheme: &str) -> Option<u16> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("http") || is("ws") {
        Some(80)
    } else if is("https") || is("wss") {
        Some(443)
    } else {
        None
    }
}

/// Whether a Host, without its port, is an address, `localhost`, or a name below it (RFC 6761 §6.3). A server on a
/// loopback address trusts no other name, since anybody can make a name resolve to 127.0.0.1 (DNS rebinding).
pub fn is_address_or_localhost(host: &str) -> bool {
    let Some(Authority { host, .. }) = Authority::parse(host) else {
        return false;
    };
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() || is_localhost(host)
}

fn is_localhost(name: &str) -> bool {
    let top = name.rsplit('.').next().unwrap_or(name);
    top.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_site() {
        for (origin, host) in [
            ("http://example.org", "example.org"),
            ("http://example.org", "example.org:80"),
            ("http://example.org", "example.org:"),
            ("http://example.org:80", "example.org"),
            ("ws://example.org", "example.org:80"),
            ("https://example.org", "example.org"),
            ("https://example.org", "example.org:443"),
            ("wss://example.org:443", "example.org"),
            ("HTTPS://Example.ORG", "eXample.org"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[FE80::1]", "[fe80::1]"),
        ] {
            assert!(
                origin_matches_host(origin.as_bytes(), host),
                "{origin} {host}"
            );
        }
    }

    #[test]
    fn other_site() {
        for (origin, host) in [
            ("null", "null"),
            ("", ""),
            ("http://", ""),
            ("http://example.com", "example.org"),
            ("http://example.org.evil.com", "example.org"),
            ("http://evil.com/example.org", "example.org"),
            ("http://example.org/", "example.org"),
            ("http://user@example.org", "example.org"),
            ("http://example.org http://example.org", "example.org"),
            ("http://example.org:8080", "example.org"),
            ("http://example.org", "example.org:443"),
            ("https://example.org", "example.org:80"),
            ("http://example.org:99999", "example.org"),
            ("http://www.example.org", "example.org"),
            ("example.org", "example.org"),
            ("//example.org", "example.org"),
            ("file://example.org", "example.org"),
            ("chrome-extension://example.org", "example.org"),
            ("http://example.org", "example.org, example.org"),
            ("http://[::1]", "::1"),
        ] {
            assert!(
                !origin_matches_host(origin.as_bytes(), host),
                "{origin} {host}"
            );
        }
        assert!(!origin_matches_host(b"http://\xff", "\u{ff}"));
    }

    #[test]
    fn addresses_and_localhost() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.168.1.2:80",
            "[::1]",
            "[2001:db8::1]:8080",
            "localhost",
            "LocalHost:8080",
            "a.b.localhost",
        ] {
            assert!(is_address_or_localhost(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            "127.0.0.1.example.org",
            "127.1",
            "0x7f000001",
            "::1",
            "localhost:x",
        ] {
            assert!(!is_address_or_localhost(host), "{host}");
        }
    }
}
