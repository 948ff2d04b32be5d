//! The answer of a script (RFC 3875 §6): its head, from the first bytes of its output.
//!
//! ```text
//! CGI-Response = *CGI-field *other-field NL [ response-body ]
//! CGI-field    = "Status:" | "Content-Type:" | "Location:"        ; and here "Set-Cookie:" and "X-Sendfile:"
//! field-line   = token ":" OWS value OWS NL
//! NL           = LF | CR LF
//! ```
//!
//! A script that does not use CGI just prints its answer. So **output has a head** only if it begins with field lines and
//! an empty line ends them. Output in which anything else comes before the empty line (another kind of line, the end, or
//! more than [`MAX_HEAD`] bytes) has no head, and is plain text as a whole: `Error: disk full` is text. But when one of the
//! field lines before that is a CGI field, a head was intended, and it is malformed.
//!
//! Fields of the connection, and those that the server writes itself, are left out, so that no field can confuse a client
//! about the end of the answer.

use std::fmt;

use memchr::memchr;

use crate::proto::http::byte::{is_field_value, is_token, trim};

#[cfg(test)]
mod tests;

/// The longest head that is read, with the empty line at its end.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most fields that a head may have.
pub const MAX_FIELDS: usize = 100;

/// Fields of the connection (RFC 9110 §7.6.1), and those that the server writes itself.
const LEFT_OUT: [&str; 7] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Date",
    "Server",
];

/// Why the output of a script is not a valid answer. The status is 502, since it is a fault of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The head is longer than [`MAX_HEAD`].
    TooLong,
    /// There are more fields than [`MAX_FIELDS`].
    TooManyFields,
    /// A line of the head is not a field.
    Line,
    /// The output ends before the head does.
    Unfinished,
    /// A value has a control character.
    Value,
    /// A field that may occur once occurs twice.
    Repeated,
    /// Status does not begin with a number from 200 to 599.
    Status,
    /// Location, X-Sendfile or Content-Type is empty.
    Empty,
    /// Content-Length is not a number.
    Length,
    /// There is Transfer-Encoding or Upgrade, which only the server may send.
    Framing,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "its head is too long",
            Self::TooManyFields => "its head has too many fields",
            Self::Line => "a line of its head is not a field",
            Self::Unfinished => "it ends before the empty line after its head",
            Self::Value => "a field of its head has a control character",
            Self::Repeated => "its head repeats a field that may occur once",
            Self::Status => "its Status is not a number from 200 to 599",
            Self::Empty => "its Content-Type, Location or X-Sendfile is empty",
            Self::Length => "its Content-Length is not a number",
            Self::Framing => "its head has Transfer-Encoding or Upgrade, which are the server's",
        })
    }
}

impl std::error::Error for Error {}

/// The head of an answer. Its names are tokens, and none of its values has a control character but HTAB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// From 200 to 599: the value of Status; without it, 302 with a Location, else 200.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: Option<Vec<u8>>,
    /// The value of Location. By RFC 3875 §6.2.2 the server would answer a path itself; here it is a redirect, like a URI.
    pub location: Option<Vec<u8>>,
    /// The value of X-Sendfile: the file to send instead of a body.
    pub send_file: Option<Vec<u8>>,
    /// The length of the body that the script announces.
    pub length: Option<u64>,
    /// Set-Cookie and all other fields that are sent to the client, in their order.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// The head of an output, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputHead {
    /// More output is needed to decide.
    More,
    /// There is no head. The whole output is text.
    Text,
    /// A head, and its length in bytes. The body follows it.
    Head(Head, usize),
}

/// Reads the head at the beginning of an output. `ended`: no more output will come; then the result is never
/// [`OutputHead::More`].
///
/// # Errors
/// The head is malformed.
pub fn decode(output: &[u8], ended: bool) -> Result<OutputHead, Error> {
    let seen = &output[..output.len().min(MAX_HEAD)];
    let mut lines: Vec<(&str, &[u8])> = Vec::new();
    let mut at = 0;
    loop {
        let rest = &seen[at..];
        let Some(end) = memchr(b'\n', rest) else {
            return match (could_be_field(rest), ended, output.len() > MAX_HEAD) {
                (false, ..) => no_head(&lines, Error::Line),
                (true, _, true) => no_head(&lines, Error::TooLong),
                (true, true, false) => {
                    lines.extend(split(rest));
                    no_head(&lines, Error::Unfinished)
                }
                (true, false, false) => Ok(OutputHead::More),
            };
        };
        let line = &rest[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        at += end + 1;
        match split(line) {
            Some(field) => lines.push(field),
            None if line.is_empty() && !lines.is_empty() => {
                return read(&lines).map(|head| OutputHead::Head(head, at));
            }
            None => return no_head(&lines, Error::Line),
        }
    }
}

/// The output has no head, unless one of its lines is a CGI field.
fn no_head(lines: &[(&str, &[u8])], error: Error) -> Result<OutputHead, Error> {
    let names = [
        "Status",
        "Content-Type",
        "Location",
        "Set-Cookie",
        "X-Sendfile",
    ];
    let is_cgi = |(name, _): &(&str, &[u8])| {
        let mut known = names.iter();
        known.any(|known| name.eq_ignore_ascii_case(known))
    };
    if lines.iter().any(is_cgi) {
        Err(error)
    } else {
        Ok(OutputHead::Text)
    }
}

/// Whether a line whose end has not come may still become a field or the empty line.
fn could_be_field(line: &[u8]) -> bool {
    match memchr(b':', line) {
        Some(colon) => is_token(&line[..colon]),
        None => is_token(line) || matches!(line, [] | [b'\r']),
    }
}

fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr(b':', line)?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    // A token is ASCII.
    let name = str::from_utf8(name).ok().filter(|_| is_token(name))?;
    Some((name, value))
}

fn read(lines: &[(&str, &[u8])]) -> Result<Head, Error> {
    if lines.len() > MAX_FIELDS {
        return Err(Error::TooManyFields);
    }
    let mut status = None;
    let mut head = Head {
        status: 200,
        content_type: None,
        location: None,
        send_file: None,
        length: None,
        fields: Vec::new(),
    };
    for &(name, value) in lines {
        if !is_field_value(value) {
            return Err(Error::Value);
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Status") {
            once(&mut status, parse_status(value)?)?;
        } else if is("Content-Type") {
            once(&mut head.content_type, filled(value)?)?;
        } else if is("Location") {
            once(&mut head.location, filled(value)?)?;
        } else if is("X-Sendfile") {
            once(&mut head.send_file, filled(value)?)?;
        } else if is("Content-Length") {
            once(&mut head.length, parse_length(value)?)?;
        } else if is("Transfer-Encoding") || is("Upgrade") {
            return Err(Error::Framing);
        } else if !LEFT_OUT.iter().any(|known| is(known)) {
            head.fields.push((name.to_owned(), value.to_vec()));
        }
    }
    let default = if head.location.is_some() { 302 } else { 200 };
    head.status = status.unwrap_or(default);
    Ok(head)
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Repeated),
    }
}

fn filled(value: &[u8]) -> Result<Vec<u8>, Error> {
    if value.is_empty() {
        Err(Error::Empty)
    } else {
        Ok(value.to_vec())
    }
}

/// ```text
/// Status = "Status:" status-code SP reason-phrase NL
/// ```
/// The reason may be absent. Only the server may send an interim status (1xx).
fn parse_status(value: &[u8]) -> Result<u16, Error> {
    let (code, reason) = value.split_at_checked(3).ok_or(Error::Status)?;
    let code: Option<u16> = str::from_utf8(code).ok().and_then(|code| code.parse().ok());
    match (code, reason) {
        (Some(code @ 200..=599), [] | [b' ', ..]) => Ok(code),
        _ => Err(Error::Status),
    }
}

fn parse_length(value: &[u8]) -> Result<u64, Error> {
    let digits = str::from_utf8(value)
        .ok()
        .filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::Length)
}
