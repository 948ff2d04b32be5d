//! The URL of a WebSocket (RFC 6455 §3), or the http URL of the same resource: where to connect, and what to request.
//!
//! ```text
//! ws-URI  = "ws:"  "//" host [ ":" port ] path [ "?" query ]
//! wss-URI = "wss:" "//" host [ ":" port ] path [ "?" query ]
//! ```
//!
//! Userinfo before the host (RFC 3986 §3.2.1) becomes credentials. The userinfo and the path may be secret, so `Debug`,
//! `Display` and [`UrlFault`] show neither.

use std::fmt;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::byte::is_target;
use super::percent;

/// The longest host name, and the longest label in it (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The longest path and query: the request line must fit into the 8000 bytes that every server reads (RFC 9112 §3).
pub const MAX_PARAMETERS: usize = 7900;

/// A URL in its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether the connection uses TLS: `wss` and `https`.
    pub tls: bool,
    /// The host.
    pub host: Host,
    /// The port; `None` when the URL has none.
    pub port: Option<u16>,
    /// Path and query, still encoded; `None` when the URL has neither. A query without a path gets a slash before it.
    pub parameters: Option<String>,
    /// The user, if the URL names one.
    pub userinfo: Option<Userinfo>,
}

/// A user's name and password, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Userinfo {
    /// It has no colon, which Basic authentication could not transport (RFC 7617 §2).
    pub user: String,
    /// Empty when there is none.
    pub password: String,
}

/// A host: a name, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name as written: letters, digits, hyphens and underscores between dots.
    Name(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

/// What is wrong with a URL or a part of one. It never repeats text of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlFault {
    /// There is a space or a control character.
    Space,
    /// There is a character that must be percent-encoded, such as one beyond ASCII.
    Character,
    /// The scheme is not ws, wss, http or https.
    Scheme,
    /// There is a fragment, which the URL of a WebSocket must not have (RFC 6455 §3).
    Fragment,
    /// The userinfo is malformed in its percent-encoding, is not UTF-8, or has a control character.
    Userinfo,
    /// There is an @ in the userinfo.
    At,
    /// There is an encoded colon in the user's name.
    UserColon,
    /// There is no host.
    HostMissing,
    /// The host is neither a name nor an address.
    Host,
    /// The host is an IPv6 address without its brackets.
    Brackets,
    /// The host is an IPv6 address with a zone.
    Zone,
    /// The port is no number from 1 to 65535.
    Port,
    /// Path and query do not begin with a slash.
    Slash,
    /// Path and query are too long.
    TooLong,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlFault::Space => "a space or a control character, which is percent-encoded in a URL",
            UrlFault::Character => "a character that must be percent-encoded in a URL",
            UrlFault::Scheme => "it does not begin with ws://, wss://, http:// or https://",
            UrlFault::Fragment => "a fragment (#), which the URL of a WebSocket cannot have",
            UrlFault::Userinfo => "the user name or password is not percent-encoded UTF-8",
            UrlFault::At => "an @ in the user name or password, which is written %40",
            UrlFault::UserColon => "a colon in the user name, which cannot be sent",
            UrlFault::HostMissing => "the host is missing",
            UrlFault::Host => {
                "the host is neither a name in ASCII (an international one is written in its form xn--) nor an address"
            }
            UrlFault::Brackets => "an IPv6 address in a URL stands in brackets",
            UrlFault::Zone => "an IPv6 address with a zone, which is not supported",
            UrlFault::Port => "the port is no number from 1 to 65535",
            UrlFault::Slash => "path and query do not begin with a slash",
            UrlFault::TooLong => "path and query are too long",
        })
    }
}

impl std::error::Error for UrlFault {}

impl Url {
    /// Reads a URL whose scheme is ws, wss, http or https.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Url, UrlFault> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlFault::Space);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(UrlFault::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.split_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if authority.contains('@') {
            return Err(UrlFault::At);
        }
        let (host, port) = split_port(authority)?;
        let parameters = match rest {
            "" => None,
            query if query.starts_with('?') => Some(format!("/{query}")),
            path => Some(path.to_owned()),
        };
        if let Some(parameters) = &parameters {
            check_parameters(parameters)?;
        }
        Ok(Url {
            tls,
            host: Host::in_url(host)?,
            port,
            parameters,
            userinfo: userinfo
                .filter(|userinfo| !userinfo.is_empty())
                .map(Userinfo::parse)
                .transpose()?,
        })
    }

    /// The port to connect to: the scheme's own when none is written (RFC 6455 §3).
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(default_port(self.tls))
    }

    /// Path and query; the root when none is written.
    #[must_use]
    pub fn parameters_or_default(&self) -> &str {
        self.parameters.as_deref().unwrap_or("/")
    }
}

/// The port of `wss`, or of `ws` (RFC 6455 §3).
#[must_use]
pub fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// The value of Host in a request: the port is left out when it is the scheme's default (RFC 9110 §7.2).
#[must_use]
pub fn host_field(host: &Host, port: u16, tls: bool) -> String {
    if port == default_port(tls) {
        host.to_string()
    } else {
        format!("{host}:{port}")
    }
}

/// Checks that this is a path, perhaps with a query, that can be sent as it is.
///
/// # Errors
/// What is wrong with it.
pub fn check_parameters(text: &str) -> Result<(), UrlFault> {
    if !text.starts_with('/') {
        Err(UrlFault::Slash)
    } else if text.contains('#') {
        Err(UrlFault::Fragment)
    } else if text
        .bytes()
        .any(|byte| byte == b' ' || byte.is_ascii_control())
    {
        Err(UrlFault::Space)
    } else if !text.bytes().all(is_target) {
        Err(UrlFault::Character)
    } else if text.len() > MAX_PARAMETERS {
        Err(UrlFault::TooLong)
    } else {
        Ok(())
    }
}

/// `host [ ":" port ]`; an empty port means the scheme's own (RFC 3986 §3.2.3).
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlFault> {
    let (host, port) = if authority.starts_with('[') {
        authority.split_at(authority.find(']').ok_or(UrlFault::Host)? + 1)
    } else if authority.parse::<Ipv6Addr>().is_ok() {
        return Err(UrlFault::Brackets);
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let port = match port.strip_prefix(':') {
        None if !port.is_empty() => return Err(UrlFault::Host),
        None | Some("") => None,
        Some(digits) => Some(parse_port(digits)?),
    };
    Ok((host, port))
}

fn parse_port(digits: &str) -> Result<u16, UrlFault> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlFault::Port);
    }
    digits
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(UrlFault::Port)
}

impl Host {
    /// Reads a name or an address. The brackets of an IPv6 address may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Host, UrlFault> {
        match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Host::Ip(address.into())),
            Err(_) => Host::in_url(text),
        }
    }

    fn in_url(text: &str) -> Result<Host, UrlFault> {
        if text.is_empty() {
            return Err(UrlFault::HostMissing);
        }
        if let Some(literal) = text.strip_prefix('[') {
            let address = literal.strip_suffix(']').ok_or(UrlFault::Host)?;
            if address.contains('%') {
                return Err(UrlFault::Zone);
            }
            let address = address.parse::<Ipv6Addr>().map_err(|_| UrlFault::Host)?;
            return Ok(Host::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Ip(address.into()));
        }
        if is_name(text) {
            Ok(Host::Name(text.to_owned()))
        } else {
            Err(UrlFault::Host)
        }
    }
}

/// Labels of letters, digits, hyphens and underscores between dots, perhaps with a dot at the end. The last label is not a
/// number: that would be a mistyped IPv4 address.
fn is_name(text: &str) -> bool {
    let relative = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = relative.rsplit('.').next().unwrap_or_default();
    relative.len() <= MAX_NAME
        && relative.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl Userinfo {
    fn parse(text: &str) -> Result<Userinfo, UrlFault> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let userinfo = Userinfo {
            user: percent_decoded(user)?,
            password: percent_decoded(password)?,
        };
        if userinfo.user.contains(':') {
            return Err(UrlFault::UserColon);
        }
        Ok(userinfo)
    }
}

fn percent_decoded(text: &str) -> Result<String, UrlFault> {
    let bytes: Result<_, _> = percent::decode(text.as_bytes()).collect();
    bytes
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or(UrlFault::Userinfo)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(address)) => address.fmt(f),
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Scheme, host and port: the parts of a URL that are not secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(
            f,
            "{scheme}://{}",
            host_field(&self.host, self.port_or_default(), self.tls)
        )
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self}/…)")
    }
}

impl fmt::Debug for Userinfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Userinfo(…)")
    }
}

#[cfg(test)]
mod tests;
