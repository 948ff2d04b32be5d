//! The Origin and Host rules: which web pages may connect.
//!
//! A browser lets any page open a WebSocket to any address and tells the page's origin (RFC 6454); only the server can
//! refuse. A page whose name was made to resolve to this machine (DNS rebinding) has an origin that matches its
//! Host. So on a loopback binding the Host must be an address, `localhost`, or the host of an origin that is listed.

use std::fmt;

use crate::config::Origins;
use crate::proto::http::head::RequestHead;
use crate::proto::http::origin::{is_address_or_localhost, origin_matches_host};

/// Why a request is refused, with status 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied<'a> {
    /// The origin of the page is neither that of the server nor listed.
    Origin(&'a [u8]),
    /// A page of another site has sent it, without an Origin.
    Site,
    /// The name in Host is not allowed on a loopback binding.
    Host(&'a str),
}

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Origin(origin) => {
                let origin = String::from_utf8_lossy(origin);
                let origin = origin.escape_debug();
                write!(
                    f,
                    "a page of {origin} may not connect; to allow it, add \"{origin}\" to origins"
                )
            }
            Denied::Site => f.write_str(
                "a page of another site may not fire a trigger; to allow all of them, have origins = [\"*\"]",
            ),
            Denied::Host(host) => {
                let host = host.escape_debug();
                write!(
                    f,
                    "Host is {host}, but this binding is reached as an address or localhost only; \
                     to allow it, add its origin to origins: \"http://{host}\", or https"
                )
            }
        }
    }
}

/// Applies the rules to a request. `loopback`: its binding is on a loopback address.
pub(super) fn check<'a>(
    origins: &Origins,
    head: &RequestHead<'a>,
    loopback: bool,
) -> Result<(), Denied<'a>> {
    let listed: &[String] = match origins {
        Origins::Any => return Ok(()),
        Origins::Own => &[],
        Origins::Listed(listed) => listed,
    };
    let host = head.host();
    if loopback && !is_address_or_localhost(host) {
        let known = listed
            .iter()
            .any(|origin| origin_matches_host(origin.as_bytes(), host));
        if !known {
            return Err(Denied::Host(host));
        }
    }
    // RFC 6455 §10.2: a request without Origin is not from a browser.
    for origin in head.field_lines("Origin") {
        let known = listed
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(origin));
        if !known && !origin_matches_host(origin, host) {
            return Err(Denied::Origin(origin));
        }
    }
    Ok(())
}

/// Applies the rules to a request that fires a trigger. A browser sends no Origin with the GET of an image or a form, but
/// Sec-Fetch-Site (Fetch Metadata) tells that another site has caused it.
pub(super) fn check_trigger<'a>(
    origins: &Origins,
    head: &RequestHead<'a>,
    loopback: bool,
) -> Result<(), Denied<'a>> {
    check(origins, head, loopback)?;
    let is_foreign = head.contains_token("Sec-Fetch-Site", "cross-site");
    if is_foreign && head.field("Origin").is_none() && *origins != Origins::Any {
        return Err(Denied::Site);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::head::FieldTable;

    fn decide(origins: &Origins, host: &str, origin: Option<&str>, loopback: bool) -> bool {
        let origin = origin
            .map(|origin| format!("Origin: {origin}\r\n"))
            .unwrap_or_default();
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n");
        let mut table = FieldTable::default();
        let (head, _) = RequestHead::decode(text.as_bytes(), &mut 0, &mut table)
            .unwrap()
            .unwrap();
        check(origins, &head, loopback).is_ok()
    }

    #[test]
    fn by_default_a_page_connects_to_where_it_came_from() {
        let own = Origins::Own;
        assert!(decide(
            &own,
            "127.0.0.1:8080",
            Some("http://127.0.0.1:8080"),
            true
        ));
        assert!(decide(
            &own,
            "localhost:8080",
            Some("http://localhost:8080"),
            true
        ));
        assert!(decide(
            &own,
            "example.org",
            Some("https://example.org"),
            false
        ));
        assert!(decide(&own, "example.org", None, false));
        assert!(!decide(
            &own,
            "127.0.0.1:8080",
            Some("http://evil.example"),
            true
        ));
        assert!(!decide(
            &own,
            "127.0.0.1:8080",
            Some("http://127.0.0.1:9090"),
            true
        ));
        assert!(!decide(&own, "127.0.0.1:8080", Some("null"), true));
    }

    #[test]
    fn a_rebound_name_is_refused_on_loopback_only() {
        let own = Origins::Own;
        assert!(!decide(
            &own,
            "evil.example:8080",
            Some("http://evil.example:8080"),
            true
        ));
        assert!(!decide(&own, "evil.example:8080", None, true));
        assert!(decide(
            &own,
            "evil.example:8080",
            Some("http://evil.example:8080"),
            false
        ));
    }

    #[test]
    fn listed_origins_are_allowed_beside_the_own_one() {
        let listed = Origins::Listed(vec!["https://example.org".to_owned()]);
        assert!(decide(
            &listed,
            "127.0.0.1",
            Some("https://example.org"),
            true
        ));
        assert!(decide(
            &listed,
            "127.0.0.1",
            Some("HTTPS://EXAMPLE.ORG"),
            true
        ));
        assert!(decide(&listed, "127.0.0.1", Some("http://127.0.0.1"), true));
        assert!(decide(
            &listed,
            "example.org",
            Some("https://example.org"),
            true
        ));
        assert!(!decide(
            &listed,
            "127.0.0.1",
            Some("http://example.org"),
            true
        ));
    }

    #[test]
    fn a_star_allows_everything() {
        assert!(decide(&Origins::Any, "evil.example", Some("null"), true));
    }
}
