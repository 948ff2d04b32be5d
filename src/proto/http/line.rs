//! The first line of a message: the request line (RFC 9112 §3) and the status line (§4).

use memchr::memchr;

use super::authority::Authority;
use super::byte::{is_field_value, is_target, is_tchar};
use super::error::Error;

/// The longest method that is read. The registry's longest, UPDATEREDIRECTREF, has 17 letters.
const MAX_METHOD: usize = 32;

/// A request method (RFC 9110 §9). Methods are case-sensitive: `get` is `Other("get")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method<'a> {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// CONNECT
    Connect,
    /// PATCH (RFC 5789)
    Patch,
    /// Any other token.
    Other(&'a str),
}

impl<'a> Method<'a> {
    pub(super) fn from_token(token: &'a str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "CONNECT" => Self::Connect,
            "PATCH" => Self::Patch,
            other => Self::Other(other),
        }
    }

    /// The method as it is written.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Connect => "CONNECT",
            Self::Patch => "PATCH",
            Self::Other(token) => token,
        }
    }
}

/// A version that this side can speak. A higher minor version is read as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// What a request asks for, in one of four forms (RFC 9112 §3.2). Percent-encoding is left as it
/// is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// `/path?query`
    Origin {
        /// Begins with a slash.
        path: &'a str,
        /// What follows the first question mark.
        query: Option<&'a str>,
    },
    /// `http://authority/path?query`
    Absolute {
        /// http, https, ws or wss, in any case.
        scheme: &'a str,
        /// A valid `uri-host [ ":" port ]`.
        authority: &'a str,
        /// Begins with a slash; a slash when the URI has no path (RFC 9110 §4.2.3).
        path: &'a str,
        /// What follows the first question mark.
        query: Option<&'a str>,
    },
    /// `host:port`, of CONNECT.
    Authority(&'a str),
    /// `*`, of OPTIONS.
    Asterisk,
}

impl<'a> RequestTarget<'a> {
    /// Splits a target, and checks that the method allows its form.
    fn parse(target: &'a [u8], method: Method<'_>) -> Result<Self, Error> {
        if target.is_empty() || !target.iter().fold(true, |ok, &byte| ok & is_target(byte)) {
            return Err(Error::Target);
        }
        let target = Self::split(str::from_utf8(target).map_err(|_| Error::Target)?);
        let fits = match target {
            Self::Authority(_) => method == Method::Connect,
            Self::Asterisk => method == Method::Options,
            Self::Origin { .. } | Self::Absolute { .. } => method != Method::Connect,
        };
        if !fits {
            return Err(Error::TargetForm);
        }
        let valid = match target {
            // RFC 9112 §3.2.3: with a port, for CONNECT has no default.
            Self::Authority(authority) => {
                Authority::parse(authority).is_some_and(|authority| authority.port.is_some())
            }
            Self::Absolute {
                scheme, authority, ..
            } => is_known(scheme) && Authority::parse(authority).is_some(),
            Self::Origin { .. } | Self::Asterisk => true,
        };
        if valid {
            Ok(target)
        } else {
            Err(Error::Target)
        }
    }

    /// Splits a target that has been checked.
    pub(super) fn split(target: &'a str) -> Self {
        if target.starts_with('/') {
            let (path, query) = split_query(target);
            return Self::Origin { path, query };
        }
        if target == "*" {
            return Self::Asterisk;
        }
        let Some((scheme, rest)) = target.split_once("://") else {
            return Self::Authority(target);
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { "/" } else { path };
        Self::Absolute {
            scheme,
            authority,
            path,
            query,
        }
    }
}

fn is_known(scheme: &str) -> bool {
    ["http", "https", "ws", "wss"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match memchr(b'?', text.as_bytes()) {
        Some(mark) => (&text[..mark], Some(&text[mark + 1..])),
        None => (text, None),
    }
}

/// The parts of a request line by their lengths.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLine {
    pub(super) method_len: u16,
    pub(super) target_len: u16,
    pub(super) version: Version,
}

/// Checks the method at the beginning of a request line that may be incomplete, so that what is not HTTP is refused early.
/// The length of the method, once its end has come.
pub(super) fn check_method(line: &[u8]) -> Result<Option<usize>, Error> {
    for (at, &byte) in line.iter().take(MAX_METHOD + 1).enumerate() {
        match byte {
            b' ' if at > 0 => return Ok(Some(at)),
            _ if !is_tchar(byte) => return Err(Error::Method),
            _ => {}
        }
    }
    if line.len() > MAX_METHOD {
        Err(Error::MethodTooLong)
    } else {
        Ok(None)
    }
}

/// ```text
/// request-line = method SP request-target SP HTTP-version
/// ```
/// `line` is without its CRLF. A line of two words would be HTTP/0.9; it is refused.
pub(super) fn parse_request_line(line: &[u8]) -> Result<RequestLine, Error> {
    let method_len = check_method(line)?.ok_or(Error::RequestLine)?;
    let (method, rest) = (&line[..method_len], &line[method_len + 1..]);
    let target_len = memchr(b' ', rest).ok_or(Error::RequestLine)?;
    // The version is checked first, since other versions have other rules: HTTP/2 begins with `PRI * HTTP/2.0`.
    let version = parse_version(&rest[target_len + 1..])?;
    let method = Method::from_token(str::from_utf8(method).map_err(|_| Error::Method)?);
    RequestTarget::parse(&rest[..target_len], method)?;
    Ok(RequestLine {
        method_len: method_len as u16,
        target_len: target_len as u16,
        version,
    })
}

/// ```text
/// HTTP-version = %s"HTTP" "/" DIGIT "." DIGIT
/// ```
fn parse_version(text: &[u8]) -> Result<Version, Error> {
    match text.strip_prefix(b"HTTP/") {
        Some(b"1.0") => Ok(Version::Http10),
        Some([b'1', b'.', b'1'..=b'9']) => Ok(Version::Http11),
        Some([b'2'..=b'9', b'.', b'0'..=b'9']) => Err(Error::VersionNotSupported),
        _ => Err(Error::Version),
    }
}

/// Checks the beginning of a status line that may be incomplete.
pub(super) fn check_status_line(line: &[u8]) -> Result<(), Error> {
    let beginning = b"HTTP/";
    let len = line.len().min(beginning.len());
    if line[..len] == beginning[..len] {
        Ok(())
    } else {
        Err(Error::StatusLine)
    }
}

/// ```text
/// status-line   = HTTP-version SP status-code SP [ reason-phrase ]
/// reason-phrase = 1*( HTAB / SP / VCHAR / obs-text )
/// ```
/// `line` is without its CRLF. Without a reason, the space may be absent too, since many servers leave it out.
pub(super) fn parse_status_line(line: &[u8]) -> Result<(Version, u16), Error> {
    let (version, rest) = line.split_at_checked(8).ok_or(Error::StatusLine)?;
    let version = parse_version(version)?;
    let [
        b' ',
        a @ b'1'..=b'9',
        b @ b'0'..=b'9',
        c @ b'0'..=b'9',
        reason @ ..,
    ] = rest
    else {
        return Err(Error::StatusLine);
    };
    let status = [a, b, c]
        .iter()
        .fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
    match reason {
        [] => Ok((version, status)),
        [b' ', reason @ ..] if is_field_value(reason) => Ok((version, status)),
        _ => Err(Error::StatusLine),
    }
}
